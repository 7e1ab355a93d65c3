/* daemon/queue_pause.c - see queue.h: pauses (queue/pause.h), by `postern queue pause` and `resume`.
 *
 * Kept    in STATE_PAUSES, written anew and synced before a change counts as done.
 * Told    to each delivery: what waits there for a paused site comes back. One that does not listen
 *         is told all again, every second until it does.
 * Fault   a file that cannot be read, or lines of it: said in the log; mail goes out then. */
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "config/paths.h"
#include "daemon/queue.h"
#include "proc/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    STATUS_OK = 0,
    STATUS_NO = 1,
    STATUS_USAGE = 2,
    STATUS_SYSTEM = 4,
    PATH_ROOM = 4200,
    FILE_MAX = 8 * 1024 * 1024,
};

static void tell(enum log_level level, const char *event, const struct pause *p)
{
    struct fields f;
    char until[CLOCK_TEXT_MAX];
    fields_reset(&f);
    fields_add_str(&f, "kind", pause_kind_name(p->kind));
    fields_add(&f, "name", pause_name(p));
    fields_add(&f, "reason", pause_reason(p));
    if (p->until_ms != PAUSE_FOREVER) {
        fields_add(&f, "until", clock_text(p->until_ms, until));
    }
    log_event(level, 0, event, &f);
}

/* --- the file --- */

static bool path_of(const struct queue_role *q, const char *ending, char out[PATH_ROOM])
{
    int n = snprintf(out, PATH_ROOM, "%s/" STATE_PAUSES "%s", q->ctx->config->state_dir,
                     ending);
    return n > 0 && n < PATH_ROOM;
}

static bool sync_dir(const struct queue_role *q)
{
    char dir[PATH_ROOM];
    (void)snprintf(dir, sizeof dir, "%s/" STATE_SPOOL, q->ctx->config->state_dir);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

static bool keep(const struct queue_role *q)
{
    char path[PATH_ROOM], fresh[PATH_ROOM];
    struct buf b;
    buf_init(&b, FILE_MAX);
    pauses_write(q->pauses, &b);
    bool ok = !b.failed && path_of(q, "", path) && path_of(q, ".new", fresh);
    int fd = ok ? open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    ok = fd >= 0 && file_write(fd, buf_slice(&b)) && fdatasync(fd) == 0;
    if (fd >= 0) {
        ok = close(fd) == 0 && ok;
    }
    ok = ok && rename(fresh, path) == 0 && sync_dir(q);
    if (!ok) {
        log_text(LOG_ERR, "pause", STATE_PAUSES " cannot be written: %s",
                 strerror(errno));
    }
    buf_clear(&b);
    return ok;
}

void queue_pause_open(struct queue_role *q)
{
    char path[PATH_ROOM];
    struct buf b;
    q->pauses = pauses_new();
    if (q->pauses == NULL) {
        fatal("queue: no memory");
    }
    queue_set_pauses(q->index, q->pauses);
    int fd = path_of(q, "", path) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) {
        if (errno != ENOENT) {
            log_text(LOG_ERR, "pause", STATE_PAUSES " cannot be opened: %s",
                     strerror(errno));
        }
        return;
    }
    buf_init(&b, FILE_MAX);
    unsigned bad = file_read(fd, &b) ? pauses_read(q->pauses, buf_slice(&b)) : 1;
    (void)close(fd);
    buf_clear(&b);
    if (bad > 0) {
        log_text(LOG_ERR, "pause",
                 STATE_PAUSES ": %u lines cannot be read: mail that "
                              "they kept goes out",
                 bad);
    }
    for (const struct pause *p = pauses_next(q->pauses, NULL); p != NULL;
         p = pauses_next(q->pauses, p)) {
        tell(LOG_INFO, "paused", p);
    }
}

/* --- deliveries --- */

static bool say(struct queue_delivery *d, const struct queue_role *q)
{
    return channel_send(d->ch, MSG_PAUSE, buf_slice(&q->out), -1);
}

static void say_all(struct queue_role *q, struct queue_delivery *d)
{
    buf_reset(&q->out);
    wire_put_u8(&q->out, PAUSE_SAY_CLEAR);
    bool heard = say(d, q);
    for (const struct pause *p = pauses_next(q->pauses, NULL); p != NULL && heard;
         p = pauses_next(q->pauses, p)) {
        buf_reset(&q->out);
        pause_say_put(&q->out, p);
        heard = say(d, q);
    }
    d->pauses_untold = !heard;
}

void queue_pause_peer(struct queue_role *q, unsigned index)
{
    say_all(q, &q->delivery[index]);
}

/* What stands in q->out, to all. */
static void say_to_all(struct queue_role *q)
{
    for (unsigned i = 0; i < ROLE_INSTANCES_MAX; i++) {
        struct queue_delivery *d = &q->delivery[i];
        d->pauses_untold = d->ch != NULL && (d->pauses_untold || !say(d, q));
    }
}

/* --- changes --- */

static bool put(struct queue_role *q, const struct pause *p)
{
    const struct pause *before = pauses_find(q->pauses, p->kind, pause_name(p));
    bool shorter = before != NULL && before->until_ms > p->until_ms;
    if (!pauses_put(q->pauses, p)) {
        return false;
    }
    buf_reset(&q->out);
    pause_say_put(&q->out, p);
    say_to_all(q);
    tell(LOG_WARN, "paused", p);
    if (shorter) {
        queue_unpaused(q->index, clock_wall_ms());
    }
    queue_jobs_soon(q);
    return true;
}

static void end(struct queue_role *q, const struct pause *p, const char *event)
{
    struct pause copy = *p;
    (void)pauses_end(q->pauses, copy.kind, pause_name(&copy));
    buf_reset(&q->out);
    pause_say_end(&q->out, copy.kind, pause_name(&copy));
    say_to_all(q);
    tell(LOG_WARN, event, &copy);
}

void queue_pause_tick(struct queue_role *q)
{
    bool ended = false;
    for (const struct pause *p = pauses_over(q->pauses, clock_wall_ms()); p != NULL;
         p = pauses_over(q->pauses, clock_wall_ms())) {
        end(q, p, "pause-over");
        ended = true;
    }
    if (ended) {
        queue_unpaused(q->index, clock_wall_ms());
        IGNORE(keep(q)); /* what is over is over at the next start too */
    }
    for (unsigned i = 0; i < ROLE_INSTANCES_MAX; i++) {
        if (q->delivery[i].ch != NULL && q->delivery[i].pauses_untold) {
            say_all(q, &q->delivery[i]);
        }
    }
}

/* --- the command line --- */

static struct slice text_of(const json_t *request, const char *name)
{
    const json_t *value = json_object_get(request, name);
    return (struct slice){(const unsigned char *)json_string_value(value),
                          json_string_length(value)};
}

static void list(const struct queue_role *q, struct control_call *call)
{
    for (const struct pause *p = pauses_next(q->pauses, NULL); p != NULL;
         p = pauses_next(q->pauses, p)) {
        control_line(call, pause_json(p));
    }
    control_done(call, STATUS_OK);
}

static void take_put(struct queue_role *q, struct control_call *call, struct pause *p,
                     const json_t *request)
{
    json_int_t until = json_integer_value(json_object_get(request, "until_ms"));
    p->since_ms = clock_wall_ms();
    p->until_ms = until > 0 ? (uint64_t)until : PAUSE_FOREVER;
    if (p->until_ms <= p->since_ms) {
        control_error(call, STATUS_USAGE, "that time is over already");
    } else if (!put(q, p)) {
        control_error(call, STATUS_NO, "there are %d pauses already: resume some first",
                      (int)PAUSES_MAX);
    } else if (!keep(q)) {
        control_error(call, STATUS_SYSTEM,
                      "paused, but not on disk: a restart forgets it; see the log");
    } else {
        control_line(call, pause_json(p));
        control_done(call, STATUS_OK);
    }
}

static void take_end(struct queue_role *q, struct control_call *call,
                     const struct pause *asked)
{
    const struct pause *p = pauses_find(q->pauses, asked->kind, pause_name(asked));
    if (p == NULL) {
        control_error(call, STATUS_NO,
                      "that is not paused; `postern queue pause list` shows what is");
        return;
    }
    control_line(call, pause_json(p));
    end(q, p, "resumed");
    queue_unpaused(q->index, clock_wall_ms());
    queue_jobs_soon(q);
    if (!keep(q)) {
        control_error(call, STATUS_SYSTEM,
                      "resumed, but not on disk: a restart pauses it again; see the log");
    } else {
        control_done(call, STATUS_OK);
    }
}

void queue_pause_request(struct queue_role *q, struct control_call *call,
                         const json_t *request)
{
    struct slice what = text_of(request, "pause");
    struct pause p;
    enum pause_kind kind;
    if (slice_eq(what, SLICE("list"))) {
        list(q, call);
    } else if (!pause_kind_read(text_of(request, "kind"), &kind) ||
               !pause_make(kind, text_of(request, "name"), text_of(request, "reason"),
                           &p)) {
        control_error(call, STATUS_USAGE,
                      "a pause is of an account, a domain or a site, its name has 1 to "
                      "%d octets, its reason at most %d",
                      (int)PAUSE_NAME_MAX, (int)PAUSE_REASON_MAX);
    } else if (slice_eq(what, SLICE("put"))) {
        take_put(q, call, &p, request);
    } else if (slice_eq(what, SLICE("end"))) {
        take_end(q, call, &p);
    } else {
        control_error(call, STATUS_USAGE, "\"pause\" must be one of list, put, end");
    }
}
