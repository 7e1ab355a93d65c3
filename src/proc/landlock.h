/* proc/landlock.h - the paths and ports left to a process, by Landlock.
 *
 * Source  Documentation/userspace-api/landlock.rst of Linux; what each ABI version added is
 *         in the table of landlock.c. The ABI is asked at run time.
 * Errors  fatal() when a rule cannot be made. What the kernel does not know is logged
 *         (event=landlock), and the rest holds. */
#ifndef PROC_LANDLOCK_H
#define PROC_LANDLOCK_H
#include "base/slice.h"

#include <sys/socket.h>

/* Rights below one directory. */
#define LANDLOCK_FILES (1U << 0) /* list, read, write, make, remove, truncate files */
#define LANDLOCK_TREES (1U << 1) /* make and remove directories, rename between them */

enum { LANDLOCK_PORTS_MAX = 256 };

struct landlock_rules {
    const char *role; /* for the log */
    const char *path; /* a directory; NULL: none, no path can be opened at all */
    uint64_t access;  /* LANDLOCK_* */
    const char *also; /* a second one, with LANDLOCK_FILES; NULL: none */
    int open;         /* a third one, likewise: a descriptor; 0: none */
    uint16_t connect_port[LANDLOCK_PORTS_MAX]; /* TCP, connect_n of them */
    unsigned connect_n;
    bool bind_any; /* TCP sockets to an address, at a port that the system chooses */
};

/* Bars everything but the rules. Needs no_new_privs. */
void landlock_enter(const struct landlock_rules *rules);

/* The port of an IPv4 or IPv6 address. */
MUST_USE uint16_t landlock_port(const struct sockaddr_storage *address);
#endif
