/* proc/role.h - what a role is to the supervisor, and how it starts.
 *
 * Each file in src/daemon defines one `const struct role_ops` and nothing else public.
 * role_main() does the same visible steps for all of them, in this order: channel to the
 * supervisor; ops->prepare(); ops->open() (files, databases, keys: no peer heard yet); rlimits, chroot,
 * user, no_new_privs, Landlock, seccomp (proc/sandbox.h, one row a role); ops->start()
 * (event handlers, threads); MSG_READY; the loop.
 *
 * Rights  smtpd's open() runs with the supervisor's rights (it reads the TLS key), and after
 *         it smtpd opens no path any more. For the other roles chroot and user switching
 *         come before open(), so that what they make belongs to them.
 * Paths   ctx->config holds them as the role sees them: where it is chrooted, the new root
 *         is cut off. Always take paths from ctx->config, never from elsewhere.
 * Signals roles ignore SIGHUP, SIGINT, SIGTERM (they are for the supervisor) and SIGPIPE.
 * Own     channels to peers belong to the role loop: roles send on them, and free none.
 * Errors  message() false (a payload that does not decode): a role that may say MSG_ACCUSE
 *         does so; one that may not (smtpd, delivery) exits, unless it can do without that
 *         peer (trace), for its successor gets new channels. peer_gone() is called first.
 * Threads ctx->base has no locks: other threads wake the loop through an eventfd. */
#ifndef PROC_ROLE_H
#define PROC_ROLE_H
#include "config/config.h"
#include "proc/channel.h"

#include <sys/types.h>

enum {
    ROLE_LISTENERS_MAX = 64,
    ROLE_SECRET_LEN = 32,
    /* Indices of living processes of one role are below this; the highest that is free is no
     * count: after a reload the old smtpds drain beside the new ones, under other indices. */
    ROLE_INSTANCES_MAX = 256,
};

struct role_loop; /* proc/role.c */

struct role_listener {
    int fd; /* bound and listening, non-blocking, inherited */
    const struct config_listener *config; /* name, service, tls */
};

struct role_ctx {
    enum role role;
    unsigned index;              /* of this process among the living ones of its role */
    const struct config *config; /* as parsed by the supervisor; never changes */
    struct event_base *base;
    struct role_listener listener[ROLE_LISTENERS_MAX]; /* smtpd only */
    unsigned listener_n;
    /* smtpd only: the same in all of them, made at secret_s (seconds since 1970) by the supervisor
     * at its start and at each reload. For the keys of TLS tickets. */
    unsigned char secret[ROLE_SECRET_LEN];
    uint64_t secret_s;
    int rate_fd; /* smtpd, directory, delivery: the memory of counts (rate/segment.h), which all share; else -1 */
    int control_fd; /* queue and directory: listening unix socket for the command line */
    void *state;    /* the role's own, set by open() */
    struct role_loop *loop; /* NULL in a test that made the context by hand */
};

struct role_ops {
    enum role role;
    const char *peers; /* documentation: who it talks to */
    /* With the supervisor's rights and root directory: what must be read from there. May be NULL. */
    const char *(*prepare)(struct role_ctx *ctx);
    /* 0, or the reason (logged) why the role cannot serve. */
    const char *(*open)(struct role_ctx *ctx);
    void (*start)(struct role_ctx *ctx);
    /* A channel to a peer: the first one or, after a restart of it, another one. */
    void (*peer)(struct role_ctx *ctx, struct channel *ch);
    bool (*message)(struct role_ctx *ctx, struct channel *ch, const struct msg *m);
    /* The peer is gone; the channel is freed when this returns. */
    void (*peer_gone)(struct role_ctx *ctx, struct channel *ch);
    /* All peers that were there when we were started have been told of. May be NULL. */
    void (*joined)(struct role_ctx *ctx);
    /* Finish within ms, then role_finish(ctx). May come again with less time. */
    void (*drain)(struct role_ctx *ctx, uint32_t ms);
};

/* False: the message did not go. What the supervisor answers comes by ops->message(). */
MUST_USE bool role_ask_supervisor(struct role_ctx *ctx, enum msg_type type,
                                  struct slice payload);

/* Leave the loop, send what waits in the channels, exit 0. */
void role_finish(struct role_ctx *ctx);
/* Before that, by a role whose peers go on without it: reads what they have sent, and they notice that
 * more is not heard. Without a loop (a unit test's context) there are none. */
void role_hear_out(struct role_ctx *ctx);

/* How many processes the role has by this configuration. */
unsigned role_process_count(const struct config *config, enum role role);

/* What the supervisor starts a process with, just after fork(). role_main() closes every
 * descriptor that is not named here, standard output and error aside. */
struct role_start {
    const struct role_ops *ops;
    struct role_ctx *ctx; /* all filled in but base, state, loop */
    int supervisor_fd;    /* our end of the channel to the supervisor; taken */
    int lock_fd; /* kept open, so that state-dir stays locked as long as we live; -1 */
    pid_t supervisor; /* its process id: when it dies, so do we */
    const struct sandbox_user *user;
};
struct sandbox_user;
__attribute__((noreturn)) void role_main(const struct role_start *start);

extern const struct role_ops smtpd_ops, directory_ops, queue_ops, delivery_ops, trace_ops;
#endif
