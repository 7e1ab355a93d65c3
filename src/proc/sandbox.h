/* proc/sandbox.h - what each role may do: one row a role, and the steps that bind it.
 *
 * The rows stand in sandbox.c and are the security document: limits, root directory, paths
 * (Landlock), system calls (seccomp). role_main() takes the steps in this order:
 *   sandbox_limits()                             before ops->open()
 *   sandbox_root()    chroot, user               before ops->open(); smtpd: after it
 *   sandbox_lock()    no_new_privs, Landlock, seccomp: after ops->open(), last
 * Started without root, chroot and user switching are left out and the rest holds.
 *
 * Errors  a step that cannot be taken is fatal(). A kernel without Landlock, or with an old
 *         one, is logged (event=landlock) with what is missing; seccomp alone holds then.
 * Mode    environment POSTERN_SANDBOX: "off" leaves out the lock (logged), "log" prints the
 *         name of a forbidden call before the role dies of it. Sanitizer builds: off.
 * BUGS    Landlock binds the calling thread and those it starts later: start threads after. */
#ifndef PROC_SANDBOX_H
#define PROC_SANDBOX_H
#include "config/config.h"
#include "proc/msg.h"

#include <sys/types.h>

/* Whom the roles run as. */
struct sandbox_user {
    bool change; /* started by root: chroot and take uid and gid */
    uid_t uid;
    gid_t gid;
};

void sandbox_limits(enum role role, const struct config *config);

/* Does sandbox_root() come before ops->open() for that role? */
MUST_USE bool sandbox_root_early(enum role role);

/* seen: a copy of config that the caller owns; where the root directory changes, its paths
 * change with it. Strings made for it live as long as the process. */
void sandbox_root(enum role role, const struct sandbox_user *user, struct config *seen);

void sandbox_lock(enum role role, const struct config *seen);

/* The directory above all Maildirs: what of the template stands before its first variable.
 * "/var/lib/postern/mail/%d/%u/Maildir" gives "/var/lib/postern/mail". */
void sandbox_mail_root(const char *maildir, char *out, size_t cap);
#endif
