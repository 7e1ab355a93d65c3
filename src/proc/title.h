/* proc/title.h - what ps and top show of a process.
 *
 * Own     title_set() writes over the memory of argv and of the environment that exec()
 *         laid out; title_init() moves the environment away first. */
#ifndef PROC_TITLE_H
#define PROC_TITLE_H

/* Once, before the first fork, while no other thread reads the environment. Without it
 * title_set() changes only the short name (comm). */
void title_init(void);

/* "postern: smtpd 0"; the short name is "smtpd/0". */
void title_set(const char *role, unsigned index);
#endif
