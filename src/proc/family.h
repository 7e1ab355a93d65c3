/* proc/family.h - the role processes: forked, joined, restarted, ended. Mechanism of the
 * supervisor; what happens when is in supervisor.c.
 *
 * A slot is a place that shall always have a living process; a process whose slot was taken
 * away (retired) drains and is not replaced.
 *
 * Own     family_clear() frees slots and kills nothing: end the processes first.
 * Pairs   which roles are joined by a socket pair is one table in family.c. */
#ifndef PROC_FAMILY_H
#define PROC_FAMILY_H
#include "base/list.h"
#include "proc/listen.h"
#include "proc/sandbox.h"

struct event;
struct event_base;
struct family;

struct process {
    struct list node;
    struct family *family;
    struct slot *slot; /* NULL: retired */
    enum role role;
    unsigned index; /* among the living ones of its role */
    pid_t pid;
    struct channel *control; /* NULL: it closed it, and was killed for that */
    struct event *deadline;  /* SIGKILL then; NULL: none set */
    uint64_t started_ms, deadline_ms;
    bool ready, killed;
};

struct slot {
    struct list node;
    struct family *family;
    const struct role_ops *ops;
    const struct config *config; /* lives as long as the slot */
    unsigned position, position_n;
    struct process *process; /* NULL: between two */
    struct event *restart;
    unsigned deaths; /* soon after the start, in a row */
    uint32_t wait_ms;
};

/* Called by the family; both may retire and start, none may free the family. */
struct family_ops {
    void (*ready)(void *arg, struct process *p);
    /* It ended and was reaped; retired: nobody replaces it. p is freed afterwards. */
    void (*ended)(void *arg, const struct process *p, bool retired);
};

struct family {
    struct event_base *base;
    const struct family_ops *ops;
    void *arg;
    struct sandbox_user user;
    struct listen_set listen;
    int lock_fd;
    int control_fd[ROLE_COUNT]; /* for the command line; -1: none */
    int rate_fd; /* the memory of counts, for smtpds and directory; -1: none */
    pid_t self;
    unsigned char secret[ROLE_SECRET_LEN]; /* for smtpds that start from now on */
    uint64_t secret_s;
    struct list processes, slots;
};

void family_init(struct family *f, struct event_base *base, const struct family_ops *ops,
                 void *arg);
void family_clear(struct family *f);

/* For the smtpds that start after it. */
void family_new_secret(struct family *f);

/* A slot and its first process. */
void family_start(struct family *f, const struct role_ops *ops,
                  const struct config *config, unsigned position, unsigned position_n);

/* Time to end: what the process is told, and what it gets beyond that before it is killed. */
struct family_time {
    uint64_t told_ms, more_ms;
};

/* Takes the slots of the role that have this configuration (NULL: any) away; their processes
 * drain. */
void family_retire(struct family *f, enum role role, const struct config *config,
                   struct family_time time);

/* Retired processes of the role get so little time from now on. */
void family_hurry(struct family *f, enum role role, struct family_time time);

void family_kill(struct process *p);
void family_kill_all(struct family *f);

/* Reaps what ended (after SIGCHLD). */
void family_reap(struct family *f);

MUST_USE unsigned family_living(const struct family *f, enum role role, bool retired);
/* Has every slot a process that is ready? */
MUST_USE bool family_ready(const struct family *f);
#endif
