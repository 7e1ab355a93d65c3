/* proc/calls.h - the system calls left to a process, as sets, by libseccomp.
 *
 * A call outside the sets kills the process. Harmless probes that libraries make are
 * answered with an error instead; which, is in the table of calls.c. */
#ifndef PROC_CALLS_H
#define PROC_CALLS_H
#include <stdbool.h>

#define CALLS_BASE                                                                       \
    (1U << 0) /* memory, threads, clocks, the event loop, open descriptors */
#define CALLS_ACCEPT   (1U << 1) /* take connections from sockets that listen already */
#define CALLS_WRITE_FD (1U << 2) /* positioned and durable writes to open files */
#define CALLS_FILES    (1U << 3) /* open, make, rename, remove (where, Landlock says) */
#define CALLS_CONNECT  (1U << 4) /* stream sockets outwards */
#define CALLS_HTTP     (1U << 5) /* what libcurl wants beside CALLS_CONNECT */
#define CALLS_DNS      (1U << 6) /* UDP and TCP outwards */

/* log: name the forbidden call before dying. Errors: fatal(). Needs no_new_privs. */
void calls_enter(unsigned calls, bool log);
#endif
