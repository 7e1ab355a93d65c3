/* proc/family.c - see family.h */
#include "proc/family.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    LIVED_MS = 10000, /* a process that lived so long did not fail at once */
    DEATHS_FREE = 5,  /* in a row, before the restart waits */
    WAIT_FIRST_MS = 500,
    WAIT_MAX_MS = 10000,
};

/* Who talks to whom. */
static const struct {
    enum role a, b;
} pairs[] = {
    {ROLE_smtpd, ROLE_directory}, {ROLE_smtpd, ROLE_queue},     {ROLE_smtpd, ROLE_trace},
    {ROLE_directory, ROLE_trace}, {ROLE_queue, ROLE_delivery},  {ROLE_queue, ROLE_trace},
    {ROLE_delivery, ROLE_trace},  {ROLE_queue, ROLE_directory},
};
enum { PAIR_N = sizeof pairs / sizeof pairs[0] };

static bool paired(enum role a, enum role b)
{
    for (unsigned i = 0; i < PAIR_N; i++) {
        if ((pairs[i].a == a && pairs[i].b == b) ||
            (pairs[i].a == b && pairs[i].b == a)) {
            return true;
        }
    }
    return false;
}

#define PROCESS(n) LIST_ITEM(n, struct process, node)
#define SLOT(n)    LIST_ITEM(n, struct slot, node)

/* Walks a list whose current item may be removed meanwhile, and no other. */
#define EACH(var, next, head)                                                            \
    for (struct list *var = (head)->next, *next = var->next; var != (head);              \
         var = next, next = var->next)

void family_init(struct family *f, struct event_base *base, const struct family_ops *ops,
                 void *arg)
{
    *f = (struct family){
        .base = base, .ops = ops, .arg = arg, .lock_fd = -1, .self = getpid()};
    for (unsigned r = 0; r < ROLE_COUNT; r++) {
        f->control_fd[r] = -1;
    }
    f->rate_fd = -1;
    list_init(&f->processes);
    list_init(&f->slots);
}

static void log_process(enum log_level level, const char *event, const struct process *p,
                        struct fields *more)
{
    struct fields f = {0};
    fields_add_str(&f, "process", role_name(p->role));
    fields_add_u64(&f, "index", p->index);
    fields_add_u64(&f, "pid", (uint64_t)p->pid);
    for (unsigned i = 0; more != NULL && i < more->n; i++) {
        fields_add(&f, more->item[i].name, more->item[i].value);
    }
    log_event(level, 0, event, &f);
}

void family_kill(struct process *p)
{
    /* Safe: until it is reaped its process id belongs to nobody else. */
    p->killed = true;
    (void)kill(p->pid, SIGKILL);
}

void family_kill_all(struct family *f)
{
    EACH(n, next, &f->processes)
    {
        family_kill(PROCESS(n));
    }
}

static struct process *find(const struct family *f, enum role role, unsigned index)
{
    EACH(n, next, &f->processes)
    {
        if (PROCESS(n)->role == role && PROCESS(n)->index == index) {
            return PROCESS(n);
        }
    }
    return NULL;
}

/* -- what processes say -- */

static bool accuse(struct process *accuser, struct slice payload)
{
    struct msg_peer p;
    if (!msg_read_peer(payload, &p) || !paired(accuser->role, p.role)) {
        return false;
    }
    struct process *accused = find(accuser->family, p.role, p.index);
    if (accused == NULL || accused->killed) {
        return true; /* it went meanwhile */
    }
    struct fields more = {0};
    fields_add_str(&more, "by", role_name(accuser->role));
    log_process(LOG_ERR, "accused", accused, &more);
    family_kill(accused);
    return true;
}

/* Is it the socket of a filter, by the configuration of any smtpd that shall live? */
static bool is_filter(const struct family *f, struct slice path)
{
    EACH(n, next, &f->slots)
    {
        const struct config_milters *list = &SLOT(n)->config->milter_server;
        for (unsigned i = 0; i < list->n; i++) {
            struct slice server = slice_of(list->item[i].server);
            if (slice_starts(server, SLICE("unix:")) &&
                slice_eq(slice_from(server, sizeof "unix:" - 1), path)) {
                return true;
            }
        }
    }
    return false;
}

/* Never waits: where as many wait as the filter lets wait, it fails. -1: no connection. */
static int connect_filter(struct slice path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!slice_cstr(path, to.sun_path, sizeof to.sun_path)) {
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

/* An smtpd sees no file system, so it is handed its connections to filters. */
static bool give_filter(struct process *p, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    struct slice cookie = slice_sub(payload, 0, sizeof(uint64_t));
    (void)wire_u64(&r);
    struct slice path = wire_text(&r);
    if (!wire_done(&r)) {
        return false;
    }
    int fd = is_filter(p->family, path) ? connect_filter(path) : -1;
    bool sent =
        channel_send(p->control, fd >= 0 ? MSG_FILTER_GIVE : MSG_FILTER_NONE, cookie, fd);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (!sent) {
        family_kill(p); /* it does not listen any more */
    }
    return true;
}

static bool on_message(void *arg, struct channel *ch, const struct msg *m)
{
    struct process *p = arg;
    (void)ch;
    if (m->type == MSG_ACCUSE) {
        return accuse(p, m->payload);
    }
    if (m->type == MSG_FILTER_ASK) {
        return give_filter(p, m->payload);
    }
    if (p->ready) {
        return false; /* once is enough */
    }
    p->ready = true;
    log_process(LOG_DEBUG, "role-ready", p, NULL);
    p->family->ops->ready(p->family->arg, p);
    return true;
}

/* It is about to end, or lost its mind; either way nothing can be asked of it any more. */
static void on_gone(void *arg, struct channel *ch)
{
    struct process *p = arg;
    (void)ch;
    channel_free(&p->control);
    (void)kill(p->pid, SIGKILL);
}

static void on_malformed(void *arg, struct channel *ch)
{
    struct process *p = arg;
    (void)ch;
    log_process(LOG_ERR, "malformed-message", p, NULL);
    channel_free(&p->control);
    family_kill(p);
}

static const struct channel_ops channel_ops = {on_message, on_gone, on_malformed};

/* -- joining -- */

static bool tell_peer(struct process *to, const struct process *about, int fd)
{
    const unsigned char payload[2] = {(unsigned char)about->role,
                                      (unsigned char)about->index};
    return channel_send(to->control, MSG_PEER, (struct slice){payload, 2}, fd);
}

static void join(struct process *a, struct process *b)
{
    int fd[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) != 0) {
        log_text(LOG_ERR, "no-channel", "%s", strerror(errno));
        family_kill(a); /* tried again when it is restarted */
        return;
    }
    /* Whoever does not take it hangs; its successor will be joined anew. */
    if (!tell_peer(a, b, fd[0])) {
        family_kill(a);
    } else if (!tell_peer(b, a, fd[1])) {
        family_kill(b);
    }
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static void join_all(struct process *p)
{
    EACH(n, next, &p->family->processes)
    {
        struct process *other = PROCESS(n);
        if (other != p && paired(p->role, other->role) && !other->killed &&
            other->control != NULL && !p->killed) {
            join(p, other);
        }
    }
    if (!p->killed &&
        !channel_send(p->control, MSG_JOINED, (struct slice){NULL, 0}, -1)) {
        family_kill(p);
    }
}

/* -- starting -- */

void family_new_secret(struct family *f)
{
    if (getrandom(f->secret, sizeof f->secret, 0) != (ssize_t)sizeof f->secret) {
        fatal("getrandom: %s", strerror(errno));
    }
    f->secret_s = clock_wall_ms() / 1000;
}

static unsigned free_index(const struct family *f, enum role role)
{
    unsigned index = 0;
    while (find(f, role, index) != NULL) {
        index++;
    }
    return index;
}

__attribute__((noreturn)) static void child(const struct slot *s, const struct process *p,
                                            int fd)
{
    const struct family *f = s->family;
    struct role_ctx ctx = {.role = p->role,
                           .index = p->index,
                           .config = s->config,
                           .rate_fd = p->role == ROLE_smtpd ||
                                              p->role == ROLE_directory ||
                                              p->role == ROLE_delivery
                                          ? f->rate_fd
                                          : -1,
                           .control_fd = f->control_fd[p->role]};
    struct role_start start = {.ops = s->ops,
                               .ctx = &ctx,
                               .supervisor_fd = fd,
                               .lock_fd = f->lock_fd,
                               .supervisor = f->self,
                               .user = &f->user};
    if (p->role == ROLE_smtpd) {
        listen_share(&f->listen, s->config, s->position, s->position_n, &ctx);
        memcpy(ctx.secret, s->family->secret, sizeof ctx.secret);
        ctx.secret_s = f->secret_s;
    }
    explicit_bzero(s->family->secret, sizeof s->family->secret); /* ours, after fork() */
    role_main(&start);
}

static void on_restart(evutil_socket_t fd, short what, void *arg);

static void restart_later(struct slot *s, uint32_t ms)
{
    struct timeval wait = {ms / 1000, (ms % 1000) * 1000};
    BUG_ON(event_add(s->restart, &wait) != 0);
}

static void process_free(struct process *p)
{
    list_remove(&p->node);
    channel_free(&p->control);
    if (p->deadline != NULL) {
        event_free(p->deadline);
    }
    free(p);
}

/* The child's end goes to *end. NULL: no memory, no descriptors. */
static struct process *process_new(struct slot *s, int *end)
{
    int fd[2];
    struct family *f = s->family;
    struct process *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fd) != 0) {
        free(p);
        return NULL;
    }
    *p = (struct process){.family = f,
                          .slot = s,
                          .role = s->ops->role,
                          .index = free_index(f, s->ops->role),
                          .pid = -1,
                          .started_ms = clock_mono_ms()};
    list_init(&p->node);
    p->control =
        channel_new(f->base, fd[0], ROLE_supervisor, p->role, p->index, &channel_ops, p);
    if (p->control == NULL || p->index >= ROLE_INSTANCES_MAX) {
        (void)close(fd[1]);
        process_free(p);
        return NULL;
    }
    *end = fd[1];
    return p;
}

static void slot_start(struct slot *s)
{
    int end = -1;
    struct process *p = process_new(s, &end);
    pid_t pid = -1;
    if (p != NULL) {
        (void)fflush(NULL); /* or the child would print it once more */
        pid = fork();
    }
    if (pid == 0) {
        child(s, p, end);
    }
    if (end >= 0) {
        (void)close(end);
    }
    if (pid < 0) {
        log_text(LOG_ERR, "no-process", "%s: %s", role_name(s->ops->role),
                 strerror(errno));
        if (p != NULL) {
            process_free(p);
        }
        restart_later(s, WAIT_MAX_MS);
        return;
    }
    p->pid = pid;
    s->process = p;
    list_append(&s->family->processes, &p->node);
    log_process(LOG_DEBUG, "role-started", p, NULL);
    join_all(p);
}

static void on_restart(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    slot_start(arg);
}

void family_start(struct family *f, const struct role_ops *ops,
                  const struct config *config, unsigned position, unsigned position_n)
{
    struct slot *s = calloc(1, sizeof *s);
    BUG_ON(s == NULL);
    *s = (struct slot){.family = f,
                       .ops = ops,
                       .config = config,
                       .position = position,
                       .position_n = position_n};
    s->restart = evtimer_new(f->base, on_restart, s);
    BUG_ON(s->restart == NULL);
    list_append(&f->slots, &s->node);
    slot_start(s);
}

/* -- ending -- */

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct process *p = arg;
    (void)fd;
    (void)what;
    if (!p->killed) {
        log_process(LOG_WARN, "drain-late", p, NULL);
    }
    family_kill(p);
}

static void drain(struct process *p, struct family_time time)
{
    uint64_t ms = time.told_ms + time.more_ms;
    struct timeval wait = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000) * 1000};
    uint32_t m = time.told_ms > UINT32_MAX ? UINT32_MAX : (uint32_t)time.told_ms;
    unsigned char payload[4];
    for (unsigned i = 0; i < sizeof payload; i++) {
        payload[i] = (unsigned char)(m >> (8 * i));
    }
    p->slot = NULL;
    p->deadline_ms = clock_mono_ms() + ms;
    if (p->deadline == NULL) {
        p->deadline = evtimer_new(p->family->base, on_deadline, p);
    }
    if (p->deadline == NULL || event_add(p->deadline, &wait) != 0 || p->control == NULL ||
        !channel_send(p->control, MSG_DRAIN, (struct slice){payload, sizeof payload},
                      -1)) {
        family_kill(p);
    }
}

static void slot_free(struct slot *s)
{
    list_remove(&s->node);
    event_free(s->restart);
    free(s);
}

void family_retire(struct family *f, enum role role, const struct config *config,
                   struct family_time time)
{
    EACH(n, next, &f->slots)
    {
        struct slot *s = SLOT(n);
        if (s->ops->role != role || (config != NULL && s->config != config)) {
            continue;
        }
        if (s->process != NULL) {
            drain(s->process, time);
        }
        slot_free(s);
    }
}

void family_hurry(struct family *f, enum role role, struct family_time time)
{
    EACH(n, next, &f->processes)
    {
        struct process *p = PROCESS(n);
        if (p->role == role && p->slot == NULL && !p->killed &&
            clock_mono_ms() + time.told_ms + time.more_ms < p->deadline_ms) {
            drain(p, time);
        }
    }
}

/* A role that dies again and again (a bad disk, a poisoned message) must not take the machine
 * with it. */
static void replace(struct slot *s, const struct process *p)
{
    bool lived = clock_mono_ms() - p->started_ms >= LIVED_MS;
    s->process = NULL;
    s->deaths = lived ? 1 : s->deaths + 1;
    if (s->deaths <= DEATHS_FREE) {
        s->wait_ms = 0;
    } else {
        s->wait_ms = s->wait_ms == 0 ? WAIT_FIRST_MS : s->wait_ms * 2;
        s->wait_ms = s->wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : s->wait_ms;
        log_text(LOG_WARN, "restart-waits",
                 "%s died %u times in a row; next try in %u ms", role_name(p->role),
                 s->deaths, s->wait_ms);
    }
    restart_later(s, s->wait_ms);
}

static void log_end(const struct process *p, int status)
{
    struct fields more = {0};
    bool fine = p->slot == NULL && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (WIFSIGNALED(status)) {
        fields_add_str(&more, "signal", sigabbrev_np(WTERMSIG(status)));
    } else {
        fields_add_u64(&more, "status", (uint64_t)WEXITSTATUS(status));
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
        fields_add_str(&more, "text",
                       "it made a forbidden system call; POSTERN_SANDBOX=log names it");
    }
    log_process(fine ? LOG_INFO : LOG_ERR, "role-ended", p, &more);
}

static void ended(struct process *p, int status)
{
    struct family *f = p->family;
    bool retired = p->slot == NULL;
    log_end(p, status);
    list_remove(&p->node); /* its index is free for the successor */
    if (!retired) {
        replace(p->slot, p);
    }
    f->ops->ended(f->arg, p, retired);
    process_free(p);
}

void family_reap(struct family *f)
{
    /* A handler may retire or start others: begin anew after each one. */
    bool again = true;
    while (again) {
        again = false;
        EACH(n, next, &f->processes)
        {
            int status = 0;
            if (waitpid(PROCESS(n)->pid, &status, WNOHANG) == PROCESS(n)->pid) {
                ended(PROCESS(n), status);
                again = true;
                break;
            }
        }
    }
}

unsigned family_living(const struct family *f, enum role role, bool retired)
{
    unsigned count = 0;
    EACH(n, next, &f->processes)
    {
        const struct process *p = PROCESS(n);
        count += p->role == role && (p->slot == NULL) == retired ? 1 : 0;
    }
    return count;
}

bool family_ready(const struct family *f)
{
    EACH(n, next, &f->slots)
    {
        const struct slot *s = SLOT(n);
        if (s->process == NULL || !s->process->ready) {
            return false;
        }
    }
    return true;
}

void family_clear(struct family *f)
{
    EACH(n, next, &f->slots)
    {
        slot_free(SLOT(n));
    }
    EACH(n, next, &f->processes)
    {
        process_free(PROCESS(n));
    }
    listen_set_clear(&f->listen);
}
