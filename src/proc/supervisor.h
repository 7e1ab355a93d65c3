/* proc/supervisor.h - starts the roles, joins them, restarts, reloads, and drains them.
 *
 * Trust   it decodes READY and ACCUSE, nothing else that a role says, and never sees mail.
 * Signals SIGHUP: read the configuration again; bad: log its error, change nothing. SIGTERM,
 *         SIGINT: drain within drain-time; a second one: kill. SIGCHLD: a role ended.
 * Restart a role that dies comes back at once; one that dies often waits, up to 10 s.
 * Death   of the supervisor ends all roles (PR_SET_PDEATHSIG and the end of their channel).
 * Errors  what is wrong at the start is fatal(): logged, exit status 4.
 * BUGS    a reload that asks for more smtpd processes opens their sockets before it knows that
 *         it will succeed; where it is abandoned, clients that the kernel led into one of these
 *         in that moment are reset, and come again. */
#ifndef PROC_SUPERVISOR_H
#define PROC_SUPERVISOR_H
#include "proc/role.h"

struct supervisor_options {
    /* Roles to run; those missing are left out and nobody is joined to them. */
    const struct role_ops *const *ops;
    unsigned ops_n;
    /* Where SIGHUP reads from. load: NULL for config_load(). */
    const char *config_path;
    bool (*load)(const char *path, struct config **out, char error[CONFIG_ERROR_MAX]);
};

/* Serves until SIGTERM. config is taken. Returns the exit status of the process. */
MUST_USE int supervisor_run(const struct supervisor_options *options,
                            struct config *config);
#endif
