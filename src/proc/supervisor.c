/* proc/supervisor.c - see supervisor.h */
#include "proc/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "config/paths.h"
#include "proc/family.h"
#include "proc/state.h"
#include "proc/title.h"
#include "rate/segment.h"
#include "rate/snapshot.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

enum {
    EXIT_STATUS_SYSTEM = 4,
    RELOAD_MORE_MS =
        10000,         /* a busy disk may need them to sync the last that was written */
    LISTEN_TRIES = 40, /* 2 s */
    LISTEN_PAUSE_MS = 50,
};

/* STARTING: all forked, waiting for READY. RELOAD_SMTPD: new smtpds beside the old, which
 * serve until the new ones are ready. RELOAD_STAGES: the others are drained and come anew,
 * one role after the other. STOPPING: the same, smtpd first, and nobody comes. */
enum phase { STARTING = 0, SERVING, RELOAD_SMTPD, RELOAD_STAGES, STOPPING };

struct stage {
    enum role role;
    unsigned share; /* of drain-time that is over when it must be done, in percent */
    unsigned
        reload_ms; /* told to finish in, in a reload: smtpds wait for its successor */
};
/* In this order nobody is left without those that it needs to finish: smtpd hands over its
 * last messages to the queue, deliveries report to it, all tell trace. */
/* clang-format off */
static const struct stage stages[] = {
    {ROLE_smtpd,      70,    0}, /* a reload lets sessions end by themselves */
    {ROLE_delivery,   90, 5000},
    {ROLE_queue,      96,  100},
    {ROLE_directory,  98,  100},
    {ROLE_trace,     100,  100},
};
/* clang-format on */
enum { STAGE_N = sizeof stages / sizeof stages[0], STAGE_AFTER_SMTPD = 1 };

struct supervisor {
    const struct supervisor_options *options;
    struct config *config;
    struct config *next;    /* RELOAD_*: the new configuration */
    unsigned listen_before; /* RELOAD_SMTPD: sockets without those that it added */
    struct event_base *base;
    struct event *signals;
    int signal_fd;
    struct family family;
    enum phase phase;
    unsigned stage; /* in stages[], waiting for it to end */
    bool reload_wanted;
    uint64_t begun_ms;      /* of the phase */
    const char *stopped_by; /* STOPPING: the signal that began it, or NULL */
    int status;
};

/* -- how many, and which -- */

static const struct role_ops *ops_of(const struct supervisor *s, enum role role)
{
    for (unsigned i = 0; i < s->options->ops_n; i++) {
        if (s->options->ops[i]->role == role) {
            return s->options->ops[i];
        }
    }
    return NULL;
}

static void start_role(struct supervisor *s, enum role role, const struct config *config)
{
    const struct role_ops *ops = ops_of(s, role);
    unsigned n = role_process_count(config, role);
    for (unsigned i = 0; ops != NULL && i < n; i++) {
        family_start(&s->family, ops, config, i, n);
    }
}

/* From the back: whom the others need comes first. */
static void start_roles(struct supervisor *s)
{
    for (unsigned i = STAGE_N; i > 0; i--) {
        start_role(s, stages[i - 1].role, s->config);
    }
}

static void log_phase(struct supervisor *s, const char *event)
{
    struct fields f = {0};
    fields_add_u64(&f, "ms", clock_mono_ms() - s->begun_ms);
    fields_add_u64(&f, "smtpd", family_living(&s->family, ROLE_smtpd, false));
    fields_add_u64(&f, "delivery", family_living(&s->family, ROLE_delivery, false));
    log_event(LOG_INFO, 0, event, &f);
}

static void enter(struct supervisor *s, enum phase phase)
{
    s->phase = phase;
    s->begun_ms = clock_mono_ms();
}

/* -- ending -- */

static struct family_time stage_time(const struct supervisor *s)
{
    if (s->phase != STOPPING) {
        return (struct family_time){stages[s->stage].reload_ms, RELOAD_MORE_MS};
    }
    uint64_t until = s->begun_ms + s->config->drain_time * stages[s->stage].share / 100;
    uint64_t now = clock_mono_ms();
    return (struct family_time){until > now ? until - now : 0, 0};
}

static void stages_done(struct supervisor *s);

/* In a reload what was drained comes back at once. Deliveries wait for the new queue, so that it
 * finds nothing under way. */
static void renew(struct supervisor *s, enum role role)
{
    if (s->phase != RELOAD_STAGES || role == ROLE_delivery) {
        return;
    }
    start_role(s, role, s->next);
    if (role == ROLE_queue) {
        start_role(s, ROLE_delivery, s->next);
    }
}

static void begin_stage(struct supervisor *s)
{
    enum role role = stages[s->stage].role;
    family_retire(&s->family, role, NULL, stage_time(s));
    if (s->phase == STOPPING) {
        family_hurry(&s->family, role,
                     stage_time(s)); /* those that a reload left draining */
    }
}

/* Goes on to the next stage that has something to wait for. */
static void next_stage(struct supervisor *s)
{
    while (s->stage < STAGE_N &&
           family_living(&s->family, stages[s->stage].role, true) == 0) {
        renew(s, stages[s->stage].role);
        s->stage++;
        if (s->stage < STAGE_N) {
            begin_stage(s);
        }
    }
    if (s->stage == STAGE_N) {
        stages_done(s);
    }
}

static void begin_stages(struct supervisor *s, enum phase phase, unsigned first)
{
    enter(s, phase);
    s->stage = first;
    begin_stage(s);
    next_stage(s);
}

static const struct family_time at_once = {0, 0};

static void kill_all(struct supervisor *s)
{
    for (unsigned i = 0; i < STAGE_N; i++) {
        family_retire(&s->family, stages[i].role, NULL, at_once); /* nobody comes back */
    }
    family_kill_all(&s->family);
}

/* timeout(1) and some service managers signal the process and then its whole group, which is
 * one wish and not two. */
enum { SAME_STOP_MS = 1000 };

static void stop(struct supervisor *s, const char *why)
{
    bool same = s->phase == STOPPING && s->stopped_by != NULL &&
                strcmp(why, s->stopped_by) == 0 &&
                clock_mono_ms() - s->begun_ms < SAME_STOP_MS;
    if (same) {
        return;
    }
    if (s->phase == STOPPING) {
        log_text(LOG_WARN, "stopping", "again %s: killing what is left", why);
        kill_all(s);
        return;
    }
    s->stopped_by = why;
    log_text(LOG_INFO, "stopping", "%s", why);
    listen_cut(&s->family.listen, 0); /* nobody comes who would accept */
    begin_stages(s, STOPPING, 0);
}

/* The start failed: a role said why, nothing can be served. */
static void give_up(struct supervisor *s, const struct process *p)
{
    log_text(LOG_ERR, "fatal", "%s could not start", role_name(p->role));
    s->status = EXIT_STATUS_SYSTEM;
    kill_all(s);
    begin_stages(s, STOPPING, 0);
}

/* -- reload -- */

/* What binds a running server to its place cannot change under it. */
static const char *fixed_setting_changed(const struct config *was,
                                         const struct config *is)
{
    if (strcmp(was->state_dir, is->state_dir) != 0) {
        return "state-dir";
    }
    return strcmp(was->user, is->user) != 0 ? "user" : NULL;
}

static struct config *load(struct supervisor *s)
{
    char error[CONFIG_ERROR_MAX] = "";
    struct config *config = NULL;
    bool (*loader)(const char *, struct config **, char[CONFIG_ERROR_MAX]) =
        s->options->load != NULL ? s->options->load : config_load;
    if (!loader(s->options->config_path, &config, error)) {
        log_text(LOG_ERR, "reload-refused", "%s", error);
        return NULL;
    }
    const char *fixed = fixed_setting_changed(s->config, config);
    if (fixed != NULL) {
        log_text(LOG_ERR, "reload-refused",
                 "%s: '%s' cannot change while the server runs", s->options->config_path,
                 fixed);
        config_free(&config);
        return NULL;
    }
    unsigned n = role_process_count(config, ROLE_smtpd);
    if (!listen_prepare(&s->family.listen, config, n, error)) {
        log_text(LOG_ERR, "reload-refused", "%s: %s", s->options->config_path, error);
        config_free(&config);
        return NULL;
    }
    return config;
}

static void set_log(const struct config *config)
{
    log_setup((enum log_level)config->log_level, (enum log_format)config->log_format,
              "supervisor");
}

/* New smtpds are ready: the old configuration is done with. */
static void commit_reload(struct supervisor *s)
{
    unsigned n = role_process_count(s->next, ROLE_smtpd);
    set_log(s->next);
    struct family_time sessions = {s->config->limits_session_time, RELOAD_MORE_MS};
    family_retire(&s->family, ROLE_smtpd, s->config, sessions);
    listen_prune(&s->family.listen, s->next, n);
    begin_stages(s, RELOAD_STAGES, STAGE_AFTER_SMTPD);
}

static bool next_ready(const struct supervisor *s)
{
    for (struct list *l = s->family.slots.next; l != &s->family.slots; l = l->next) {
        const struct slot *slot = LIST_ITEM(l, struct slot, node);
        if (slot->config == s->next && (slot->process == NULL || !slot->process->ready)) {
            return false;
        }
    }
    return true;
}

static void reload(struct supervisor *s)
{
    s->reload_wanted = false;
    s->listen_before = s->family.listen.n;
    s->next = load(s);
    if (s->next == NULL) {
        return;
    }
    enter(s, RELOAD_SMTPD);
    family_new_secret(&s->family);
    start_role(s, ROLE_smtpd, s->next);
    if (next_ready(s)) {
        commit_reload(s); /* there are no smtpds */
    }
}

static void abandon_reload(struct supervisor *s)
{
    log_text(LOG_ERR, "reload-refused",
             "smtpd could not start with it: the old one stays");
    family_retire(&s->family, ROLE_smtpd, s->next, at_once);
    listen_cut(&s->family.listen, s->listen_before);
    config_free(&s->next);
    enter(s, SERVING);
}

static void stages_done(struct supervisor *s)
{
    if (s->phase == STOPPING) {
        (void)event_base_loopbreak(s->base);
        return;
    }
    config_free(&s->config);
    s->config = s->next;
    s->next = NULL;
    log_phase(s, "reloaded");
    enter(s, SERVING);
}

/* -- what happens -- */

static void maybe_reload(struct supervisor *s)
{
    if (s->phase == SERVING && s->reload_wanted) {
        reload(s);
    }
}

static void on_ready(void *arg, struct process *p)
{
    struct supervisor *s = arg;
    (void)p;
    if (s->phase == STARTING && family_ready(&s->family)) {
        log_phase(s, "ready");
        enter(s, SERVING);
    }
    if (s->phase == RELOAD_SMTPD && next_ready(s)) {
        commit_reload(s);
    }
    maybe_reload(s);
}

static void on_ended(void *arg, const struct process *p, bool retired)
{
    struct supervisor *s = arg;
    if (s->phase == STARTING && !p->ready) {
        give_up(s, p);
    } else if (s->phase == RELOAD_SMTPD && !retired && !p->ready &&
               p->slot->config == s->next) {
        abandon_reload(s);
    } else if (s->phase == RELOAD_STAGES || s->phase == STOPPING) {
        next_stage(s);
    }
    maybe_reload(s);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    struct supervisor *s = arg;
    struct signalfd_siginfo info;
    (void)what;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGCHLD:
            family_reap(&s->family);
            break;
        case SIGHUP:
            s->reload_wanted = true;
            maybe_reload(s);
            break;
        case SIGTERM:
            stop(s, "SIGTERM");
            break;
        case SIGINT:
            stop(s, "SIGINT");
            break;
        default:
            break;
        }
    }
}

/* -- start -- */

/* Signals come as reads: no handler runs between two instructions, and a child starts with
 * all of them blocked until it has set its own mind (proc/role.c). */
static void watch_signals(struct supervisor *s)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGHUP);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        fatal("sigprocmask: %s", strerror(errno));
    }
    s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    s->signals = s->signal_fd < 0 ? NULL
                                  : event_new(s->base, s->signal_fd, EV_READ | EV_PERSIST,
                                              on_signal, s);
    if (s->signals == NULL || event_add(s->signals, NULL) != 0) {
        fatal("signalfd: %s", strerror(errno));
    }
    (void)signal(SIGPIPE, SIG_IGN);
}

/* The memory of counts, with what the last server remembered. A reload does not change its
 * size: what is counted would be lost. */
static int make_rates(const struct config *c)
{
    char path[SNAPSHOT_PATH_MAX];
    uint64_t hash_key[2];
    size_t octets = 0;
    bool broken = false;
    (void)snprintf(path, sizeof path, "%s/" STATE_RATES, c->state_dir);
    bool known = snapshot_hash_key(path, hash_key);
    int fd = segment_create((size_t)c->rate_memory, known ? hash_key : NULL);
    struct rate_table *t = fd < 0 ? NULL : segment_map(fd, &octets);
    if (t == NULL) {
        fatal("the memory of counts (rate.memory): %s", strerror(errno));
    }
    if (known) {
        size_t keys = snapshot_load(path, t, clock_wall_ms() * 1000, &broken);
        log_text(broken ? LOG_WARN : LOG_INFO, "counts", "%zu keys remembered%s", keys,
                 broken ? "; the rest of " STATE_RATES " cannot be read" : "");
    }
    segment_unmap(&t, octets);
    return fd;
}

/* Of a server that was killed just now the kernel may have closed the lock, and not yet the sockets. */
static bool listen_when_free(struct supervisor *s, char error[LISTEN_ERROR_MAX])
{
    static const struct timespec pause = {0, LISTEN_PAUSE_MS * 1000000L};
    unsigned n = role_process_count(s->config, ROLE_smtpd);
    for (unsigned i = 1; !listen_prepare(&s->family.listen, s->config, n, error); i++) {
        if (errno != EADDRINUSE || i == LISTEN_TRIES) {
            return false;
        }
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

static void prepare(struct supervisor *s)
{
    static const enum role talking[] = {ROLE_directory, ROLE_queue};
    char error[LISTEN_ERROR_MAX] = "";
    struct family *f = &s->family;

    f->user = state_user(s->config);
    f->lock_fd = state_lock(s->config);
    state_make(s->config, &f->user);
    for (unsigned i = 0; i < sizeof talking / sizeof talking[0]; i++) {
        if (ops_of(s, talking[i]) != NULL) {
            f->control_fd[talking[i]] =
                state_control(s->config, &f->user, role_name(talking[i]));
        }
    }
    if (ops_of(s, ROLE_smtpd) != NULL) {
        f->rate_fd = make_rates(s->config);
    }
    if (ops_of(s, ROLE_smtpd) != NULL && !listen_when_free(s, error)) {
        fatal("%s", error);
    }
}

static void clear(struct supervisor *s)
{
    family_clear(&s->family);
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        if (s->family.control_fd[r] >= 0) {
            (void)close(s->family.control_fd[r]);
        }
    }
    if (s->family.rate_fd >= 0) {
        (void)close(s->family.rate_fd);
    }
    event_free(s->signals);
    (void)close(s->signal_fd);
    event_base_free(s->base);
    (void)close(s->family.lock_fd);
    config_free(&s->next);
    config_free(&s->config);
}

int supervisor_run(const struct supervisor_options *options, struct config *config)
{
    static const struct family_ops family_ops = {on_ready, on_ended};
    struct supervisor s = {.options = options, .config = config};
    BUG_ON((unsigned)config->log_level > LOG_DEBUG ||
           (unsigned)config->log_format > LOG_JSON);

    set_log(config);
    title_init();
    s.base = event_base_new();
    if (s.base == NULL) {
        fatal("no event loop: %s", strerror(errno));
    }
    family_init(&s.family, s.base, &family_ops, &s);
    family_new_secret(&s.family);
    prepare(&s);
    watch_signals(&s);
    enter(&s, STARTING);
    log_text(LOG_INFO, "starting", "postern " POSTERN_VERSION);
    start_roles(&s);
    (void)event_base_dispatch(s.base);
    log_phase(&s, "stopped");
    clear(&s);
    return s.status;
}
