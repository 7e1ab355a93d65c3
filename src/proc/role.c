/* proc/role.c - see role.h */
#include "proc/role.h"

#include "base/log.h"
#include "proc/sandbox.h"
#include "proc/title.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { FLUSH_MS = 1000, NAME_ROOM = 32, KEEP_MAX = ROLE_LISTENERS_MAX + 8 };
enum { PROCESSES_MAX = 64 }; /* of one role, when there is one per core */

static unsigned cores(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n > PROCESSES_MAX ? PROCESSES_MAX : (unsigned)n;
}

unsigned role_process_count(const struct config *config, enum role role)
{
    uint64_t set = role == ROLE_smtpd      ? config->smtpd_processes
                   : role == ROLE_delivery ? config->delivery_processes
                                           : 1;
    return set == 0 ? cores() : (unsigned)set;
}

struct role_loop {
    const struct role_ops *ops;
    struct role_ctx *ctx;
    struct channel *supervisor;
    struct channel *peer[ROLE_COUNT][ROLE_INSTANCES_MAX];
    struct config seen; /* the configuration, its paths as we see them */
    char name[NAME_ROOM];
};

/* -- channels to peers -- */

static struct channel **peer_slot(struct role_loop *loop, const struct channel *ch)
{
    unsigned index = channel_peer_index(ch);
    BUG_ON(index >= ROLE_INSTANCES_MAX);
    return &loop->peer[channel_peer(ch)][index];
}

static void peer_drop(struct role_loop *loop, struct channel *ch)
{
    struct channel **slot = peer_slot(loop, ch);
    BUG_ON(*slot != ch);
    if (loop->ops->peer_gone != NULL) {
        loop->ops->peer_gone(loop->ctx, ch);
    }
    channel_free(slot);
}

static bool on_peer_message(void *arg, struct channel *ch, const struct msg *m)
{
    struct role_loop *loop = arg;
    return loop->ops->message(loop->ctx, ch, m);
}

static void on_peer_gone(void *arg, struct channel *ch)
{
    peer_drop(arg, ch);
}

static void on_peer_malformed(void *arg, struct channel *ch)
{
    struct role_loop *loop = arg;
    enum role peer = channel_peer(ch);
    unsigned index = channel_peer_index(ch);
    const unsigned char accused[2] = {(unsigned char)peer, (unsigned char)index};

    log_text(LOG_ERR, "malformed-message", "from %s/%u", role_name(peer), index);
    peer_drop(loop, ch);
    if (msg_may(MSG_ACCUSE, loop->ctx->role, ROLE_supervisor)) {
        if (!channel_send(loop->supervisor, MSG_ACCUSE, (struct slice){accused, 2}, -1)) {
            log_text(LOG_ERR, "accuse", "the supervisor does not listen");
        }
        return;
    }
    if (peer != ROLE_trace) {
        /* No new channel comes while both live, and without that peer we are of no use. */
        exit(1);
    }
}

static const struct channel_ops peer_ops = {on_peer_message, on_peer_gone,
                                            on_peer_malformed};

static bool take_peer(struct role_loop *loop, const struct msg *m)
{
    struct msg_peer p;
    if (!msg_read_peer(m->payload, &p)) {
        (void)close(m->fd);
        return false;
    }
    struct channel **slot = &loop->peer[p.role][p.index];
    if (*slot != NULL) {
        /* The successor's channel overtook the end of the old one: hear that out first. */
        channel_read(*slot);
    }
    if (*slot != NULL) {
        peer_drop(loop, *slot);
    }
    *slot = channel_new(loop->ctx->base, m->fd, loop->ctx->role, p.role, p.index,
                        &peer_ops, loop);
    if (*slot == NULL) {
        fatal("no channel to %s/%u: out of memory", role_name(p.role), p.index);
    }
    if (loop->ops->peer != NULL) {
        loop->ops->peer(loop->ctx, *slot);
    }
    return true;
}

/* -- the supervisor -- */

static bool take_drain(struct role_loop *loop, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    uint32_t ms = wire_u32(&r);
    if (!wire_done(&r)) {
        return false;
    }
    if (loop->ops->drain == NULL) {
        role_finish(loop->ctx);
    } else {
        loop->ops->drain(loop->ctx, ms);
    }
    return true;
}

static bool take_joined(struct role_loop *loop)
{
    if (loop->ops->joined != NULL) {
        loop->ops->joined(loop->ctx);
    }
    return true;
}

static bool on_supervisor_message(void *arg, struct channel *ch, const struct msg *m)
{
    struct role_loop *loop = arg;
    (void)ch;
    return m->type == MSG_PEER     ? take_peer(loop, m)
           : m->type == MSG_JOINED ? take_joined(loop)
           : m->type == MSG_DRAIN  ? take_drain(loop, m->payload)
                                   : loop->ops->message(loop->ctx, ch, m);
}

static void on_supervisor_gone(void *arg, struct channel *ch)
{
    (void)arg;
    (void)ch;
    _exit(1); /* at once: who starts next must find nobody here */
}

static const struct channel_ops supervisor_ops = {on_supervisor_message,
                                                  on_supervisor_gone, NULL};

/* -- the steps -- */

/* From fork() on every signal is blocked; see supervisor.c. */
static void set_signals(void)
{
    static const int ignored[] = {SIGHUP, SIGINT, SIGTERM, SIGPIPE};
    struct sigaction act = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int s = 1; s < SIGRTMIN; s++) {
        (void)sigaction(s, &act, NULL); /* fails for SIGKILL and SIGSTOP alone */
    }
    act.sa_handler = SIG_IGN;
    for (unsigned i = 0; i < sizeof ignored / sizeof ignored[0]; i++) {
        (void)sigaction(ignored[i], &act, NULL);
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Asked for again after each change of user, which forgets it. */
static void die_with(pid_t supervisor)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        fatal("PR_SET_PDEATHSIG: %s", strerror(errno));
    }
    if (getppid() != supervisor) {
        _exit(1); /* it died before we asked */
    }
}

static int by_number(const void *a, const void *b)
{
    int x = 0;
    int y = 0;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void close_others(const struct role_start *start)
{
    int keep[KEEP_MAX];
    unsigned n = 0;
    unsigned from = STDERR_FILENO + 1;
    keep[n++] = start->supervisor_fd;
    keep[n++] = start->lock_fd;
    keep[n++] = start->ctx->control_fd;
    keep[n++] = start->ctx->rate_fd;
    for (unsigned i = 0; i < start->ctx->listener_n; i++) {
        keep[n++] = start->ctx->listener[i].fd;
    }
    qsort(keep, n, sizeof keep[0], by_number);
    for (unsigned i = 0; i < n; i++) {
        if (keep[i] < (int)from) {
            continue;
        }
        if (keep[i] > (int)from && close_range(from, (unsigned)keep[i] - 1, 0) != 0) {
            fatal("close_range: %s", strerror(errno));
        }
        from = (unsigned)keep[i] + 1;
    }
    if (close_range(from, UINT_MAX, 0) != 0) {
        fatal("close_range: %s", strerror(errno));
    }
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0) {
        fatal("/dev/null: %s", strerror(errno));
    }
    if (null != STDIN_FILENO) {
        (void)close(null);
    }
}

static void connect_supervisor(struct role_loop *loop, int fd)
{
    struct role_ctx *ctx = loop->ctx;
    ctx->base = event_base_new();
    if (ctx->base == NULL) {
        fatal("no event loop: %s", strerror(errno));
    }
    loop->supervisor =
        channel_new(ctx->base, fd, ctx->role, ROLE_supervisor, 0, &supervisor_ops, loop);
    if (loop->supervisor == NULL) {
        fatal("no channel to the supervisor: %s", strerror(errno));
    }
}

static void open_role(struct role_loop *loop)
{
    const char *wrong = loop->ops->open == NULL ? NULL : loop->ops->open(loop->ctx);
    if (wrong != NULL) {
        fatal("%s", wrong);
    }
}

static void prepare_role(struct role_loop *loop)
{
    const char *wrong = loop->ops->prepare == NULL ? NULL : loop->ops->prepare(loop->ctx);
    if (wrong != NULL) {
        fatal("%s", wrong);
    }
}

static void say_last_words(struct role_loop *loop)
{
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        for (unsigned i = 0; i < ROLE_INSTANCES_MAX; i++) {
            if (loop->peer[r][i] != NULL) {
                channel_flush(loop->peer[r][i], FLUSH_MS);
            }
        }
    }
}

void role_main(const struct role_start *start)
{
    struct role_ctx *ctx = start->ctx;
    struct role_loop *loop = calloc(1, sizeof *loop);
    BUG_ON(loop == NULL);
    loop->ops = start->ops;
    loop->ctx = ctx;
    loop->seen = *ctx->config;
    ctx->loop = loop;
    ctx->config = &loop->seen;
    (void)snprintf(loop->name, sizeof loop->name, "%s/%u", role_name(ctx->role),
                   ctx->index);
    log_role(loop->name);
    title_set(role_name(ctx->role), ctx->index);

    set_signals();
    die_with(start->supervisor);
    close_others(start);
    connect_supervisor(loop, start->supervisor_fd);

    sandbox_limits(ctx->role, &loop->seen);
    prepare_role(loop);
    if (sandbox_root_early(ctx->role)) {
        sandbox_root(ctx->role, start->user, &loop->seen);
    }
    open_role(loop);
    if (!sandbox_root_early(ctx->role)) {
        sandbox_root(ctx->role, start->user, &loop->seen);
    }
    die_with(start->supervisor);
    sandbox_lock(ctx->role, &loop->seen);

    if (loop->ops->start != NULL) {
        loop->ops->start(ctx);
    }
    if (!channel_send(loop->supervisor, MSG_READY, (struct slice){NULL, 0}, -1)) {
        _exit(1);
    }
    (void)event_base_dispatch(ctx->base);
    say_last_words(loop);
    exit(0);
}

bool role_ask_supervisor(struct role_ctx *ctx, enum msg_type type, struct slice payload)
{
    return channel_send(ctx->loop->supervisor, type, payload, -1);
}

void role_hear_out(struct role_ctx *ctx)
{
    struct role_loop *loop = ctx->loop;
    for (unsigned r = 0; loop != NULL && r < ROLE_COUNT; r++) {
        for (unsigned i = 0; i < ROLE_INSTANCES_MAX; i++) {
            if (loop->peer[r][i] != NULL) {
                channel_hear_out(loop->peer[r][i]);
            }
        }
    }
}

void role_finish(struct role_ctx *ctx)
{
    (void)event_base_loopbreak(ctx->base);
}
