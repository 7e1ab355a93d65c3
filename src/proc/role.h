/* proc/role.h - what a role is to the supervisor, and how it starts.
 *
 * Each file in src/daemon defines one `const struct role_ops` and nothing else public.
 * role_main() does the same visible steps for all of them, in this order: channel to the
 * supervisor; ops->open() (files, databases, keys: still privileged, no peer heard yet);
 * rlimits, chroot, user, no_new_privs, Landlock, seccomp (proc/sandbox.h, one row a role);
 * ops->start() (event handlers, threads); MSG_READY; the loop. */
#ifndef PROC_ROLE_H
#define PROC_ROLE_H
#include "config/config.h"
#include "proc/channel.h"

enum { ROLE_LISTENERS_MAX = 64, ROLE_INSTANCES_MAX = 64 };

struct role_listener {
    int fd;                               /* bound and listening, non-blocking, inherited */
    const struct config_listener *config; /* name, service, tls */
};

struct role_ctx {
    enum role role;
    unsigned index;              /* of this instance, from 0 */
    const struct config *config; /* as parsed by the supervisor; never changes */
    struct event_base *base;
    struct role_listener listener[ROLE_LISTENERS_MAX]; /* smtpd only */
    unsigned listener_n;
    int control_fd; /* queue and directory: listening unix socket for the command line */
    void *state;    /* the role's own, set by open() */
};

struct role_ops {
    enum role role;
    const char *peers; /* documentation: who it talks to */
    /* 0, or the reason (logged) why the role cannot serve. */
    const char *(*open)(struct role_ctx *ctx);
    void (*start)(struct role_ctx *ctx);
    /* A channel to a peer: the first one or, after a restart of it, another one. */
    void (*peer)(struct role_ctx *ctx, struct channel *ch);
    bool (*message)(struct role_ctx *ctx, struct channel *ch, const struct msg *m);
    /* The peer is gone; the channel is freed when this returns. */
    void (*peer_gone)(struct role_ctx *ctx, struct channel *ch);
    /* Finish within ms, then role_finish(ctx). */
    void (*drain)(struct role_ctx *ctx, uint32_t ms);
};

void role_finish(struct role_ctx *ctx); /* leave the loop, exit 0 */

extern const struct role_ops smtpd_ops, directory_ops, queue_ops, delivery_ops, trace_ops;
#endif
