/* daemon/queue_dsn.c - senders are told what became of their mail: see queue.h
 *
 * A notice is what must be said of one message: made when an outcome is known, with copies of all
 * that it needs, so that it does not matter when the message goes. The directory says where its
 * sender's mailbox is; then it is written into the spool as a message of our own. Only when that is on
 * disk are targets that failed done: until then they are held, and found again after a crash. So
 * nobody's mail is lost in silence; after a crash the same may be said twice.
 *
 * Never  to the null reverse-path; against NOTIFY; about a notification (its sender is null).
 * Limits NOTICES_MAX at once, which hold HELD_MAX octets; what is beyond them is looked for when those
 *        are told. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "bounce/classify.h"
#include "daemon/queue.h"
#include "delivery/source.h"
#include "directory/answer.h"
#include "directory/name.h"
#include "libbounce/explain.h"
#include "message/fields.h"
#include "message/mime_read.h"
#include "postern/bounce.h"
#include "queue/dsn.h"
#include "smtp/xtext.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    NOTICES_MAX = 1000,
    TOLD_MAX = 64,                 /* targets in one notice; more make another one */
    MEMORY_MAX = 64 * 1024 * 1024, /* of notifications on their way to the disk */
    HELD_MAX = 64 * 1024 * 1024,   /* of what notices hold meanwhile */
    HEADER_READ_MAX = 64 * 1024,   /* of a message of which only the header goes back */
    ASK_AGAIN_MS = 1000,
    TEXT_MAX = 2 * 1024 * 1024,
    PLAIN_MAX = 1024, /* octets of ENVID or ORCPT, decoded */
};

/* What is told of a target; slices point into the notice's store. */
struct said {
    uint16_t number;
    enum queue_what what;
    uint8_t klass;
    bool report; /* to a return path of ours: nobody is told of it */
    struct slice given, orcpt, notify, reply, where, status;
    uint64_t until_ms;
};

struct notice {
    struct list node;
    struct queue_dsn *dsn;
    uint64_t cookie;
    struct message_id about, id;
    uint64_t arrival_ms;
    struct arena store; /* everything below */
    struct slice sender, envid, original, subject, languages;
    bool full, utf8, eight_bit;
    bool requiretls; /* the message it is about (RFC 8689 5) */
    struct said *said;
    uint16_t said_n;
    struct spool_message *message; /* on its way to the disk */
};

struct queue_dsn {
    struct queue_role *role;
    struct spool_writer *writer;
    struct channel *directory;
    struct list asking, writing; /* notices */
    unsigned notice_n;
    size_t held; /* octets of messages that notices hold */
    uint64_t next_cookie;
    bool missed; /* there may be failed targets without a notice */
    /* The message whose outcomes are being collected. */
    const struct queue_message *message;
    struct said *batch; /* TOLD_MAX */
    uint16_t batch_n;
    struct arena batch_store;
    uint64_t asked[4]; /* cookies of segments the writer waits for */
    unsigned asked_n;
    struct event *asked_event, *again;
};

/* --- what is to be said --- */

static enum dsn_action action_of(enum queue_what what, bool remote)
{
    return what == QUEUE_DEFERRED    ? DSN_DELAYED
           : what == QUEUE_DELIVERED ? remote ? DSN_RELAYED : DSN_DELIVERED
                                     : DSN_FAILED;
}

static struct slice keep(struct arena *store, struct slice s)
{
    struct slice copy = {0};
    return arena_dup(store, s, &copy) ? copy : SLICE("");
}

/* "5.1.1" behind the code of a reply. */
static struct slice status_of(struct slice reply)
{
    struct bounce_status status;
    size_t used = 0;
    struct slice rest = slice_from(reply, 4);
    return reply.len > 4 && bounce_status_parse(rest, &status, &used)
               ? slice_sub(rest, 0, used)
               : SLICE("");
}

void queue_dsn_changed(struct queue_role *q, const struct queue_message *m,
                       uint16_t number, enum queue_what what)
{
    struct queue_dsn *d = q->dsn;
    const struct job_outcome *o = q->outcome;
    uint64_t late_ms = q->ctx->config->queue_notify_delay;
    bool late = what == QUEUE_DEFERRED && late_ms > 0 && !m->target[number].delay_told &&
                clock_wall_ms() >= m->arrival_ms + (uint64_t)m->hold_s * 1000 + late_ms;
    bool done = what == QUEUE_DELIVERED && m->wants_success && o != NULL && !o->told;
    if (d == NULL || (what != QUEUE_FAILED && what != QUEUE_EXPIRED && !late && !done)) {
        return;
    }
    if (d->message != m || d->batch_n == TOLD_MAX) {
        queue_dsn_flush(q);
        d->message = m;
    }
    struct said *s = &d->batch[d->batch_n++];
    *s = (struct said){.number = number,
                       .what = what,
                       .klass = m->target[number].klass,
                       .report = m->part[m->target[number].part].report,
                       .given = keep(&d->batch_store, queue_given(m, number)),
                       .until_ms = m->arrival_ms + q->ctx->config->queue_expire};
    if (o != NULL) {
        struct slice host = slice_sub(o->where, 0, slice_find(o->where, '['));
        s->reply = keep(&d->batch_store, o->reply);
        s->where =
            keep(&d->batch_store,
                 slice_eq(o->transport, SLICE("smtp")) && !o->own ? host : SLICE(""));
    } else {
        struct slice note = queue_reply(m, number);
        size_t prefix = slice_starts(note, SLICE(QUEUE_NOTE_FAILED))
                            ? sizeof QUEUE_NOTE_FAILED - 1
                        : slice_starts(note, SLICE(QUEUE_NOTE_EXPIRED))
                            ? sizeof QUEUE_NOTE_EXPIRED - 1
                            : 0;
        s->reply = keep(&d->batch_store, slice_from(note, prefix));
    }
    s->status = status_of(s->reply);
    if (late) {
        queue_late_told(q->index, m, number);
    }
}

/* --- from the spool: parameters, and the message or its header --- */

/* xtext undone; as it is, where it is none. */
static struct slice plain(struct arena *store, struct slice xtext)
{
    unsigned char text[PLAIN_MAX];
    size_t n = 0;
    if (!smtp_xtext_decode(xtext, text, sizeof text, &n)) {
        return keep(store, xtext);
    }
    return keep(store, (struct slice){text, n});
}

static void take_param(struct notice *n, struct slice name, struct slice value,
                       bool *hdrs)
{
    if (slice_eq(name, SLICE("envid"))) {
        n->envid = plain(&n->store, value);
    } else if (slice_eq(name, SLICE("ret"))) {
        *hdrs = slice_eq(value, SLICE("HDRS"));
    } else if (slice_eq(name, SLICE("requiretls"))) {
        n->requiretls = true;
    }
    for (uint16_t i = 0; i < n->said_n; i++) {
        struct said *s = &n->said[i];
        if (spool_param_is(name, "notify", s->number)) {
            s->notify = keep(&n->store, value);
        } else if (spool_param_is(name, "orcpt", s->number)) {
            s->orcpt = plain(&n->store, value);
        }
    }
}

static void read_envelope(struct notice *n, struct slice envelope, bool *hdrs)
{
    struct spool_envelope e;
    struct spool_recipient r;
    struct slice name;
    struct slice value;
    if (!spool_envelope_open(envelope, &e)) {
        return;
    }
    n->utf8 = (e.flags & SPOOL_SMTPUTF8) != 0;
    while (spool_envelope_next(&e, &r)) {
    }
    while (spool_envelope_next_param(&e, &name, &value)) {
        take_param(n, name, value, hdrs);
    }
}

/* Subject, and the languages that the message speaks of. */
static void read_fields(struct notice *n, struct slice message)
{
    struct header_field f;
    unsigned line = 1;
    struct slice rest = message;
    struct buf text;
    buf_init(&text, 1000);
    while (header_field_next(&rest, &line, &f)) {
        if (slice_ieq(f.name, SLICE("Subject")) && n->subject.len == 0) {
            buf_reset(&text);
            if (mime_words(f.value, NULL, &text)) {
                n->subject = keep(&n->store, buf_slice(&text));
            }
        } else if (slice_ieq(f.name, SLICE("Accept-Language")) ||
                   (slice_ieq(f.name, SLICE("Content-Language")) &&
                    n->languages.len == 0)) {
            n->languages = keep(&n->store, f.value);
        }
    }
    if (!n->full) { /* the header section, without what follows it */
        message.len -= rest.len;
    }
    n->original = keep(&n->store, message);
    buf_clear(&text);
}

static void read_message(struct notice *n, const struct queue_message *m)
{
    struct queue_role *q = n->dsn->role;
    struct source src;
    struct buf all;
    struct slice piece;
    bool hdrs = false;
    struct job j = {.segment = m->segment,
                    .offset = m->offset,
                    .message_len = m->message_len,
                    .envelope_len = m->envelope_len,
                    .head_len = m->head_len,
                    .id = m->id};
    int fd = spool_store_fd(q->store, m->segment);
    buf_init(&all, TEXT_MAX + SPOOL_ENVELOPE_MAX);
    if (fd >= 0 && source_open(&src, fd, &j) == SOURCE_OK) {
        if (source_envelope(&src, &j, &all) == SOURCE_OK) {
            read_envelope(n, buf_slice(&all), &hdrs);
        }
        n->full = !hdrs && !n->requiretls &&
                  m->message_len + m->head_len <= q->ctx->config->queue_notify_size;
        buf_reset(&all);
        (void)buf_add(&all, buf_slice(&src.head));
        size_t most = n->full ? TEXT_MAX : HEADER_READ_MAX + all.len;
        while (all.len < most && source_next(&src, &piece) == SOURCE_OK) {
            (void)buf_add(&all, piece);
        }
        read_fields(n, buf_slice(&all));
    }
    if (fd >= 0) {
        source_close(&src);
        (void)close(fd);
    }
    buf_clear(&all);
}

/* --- notices --- */

static void notice_free(struct notice *n)
{
    spool_message_free(&n->message);
    list_remove(&n->node);
    n->dsn->notice_n--;
    n->dsn->held -= n->original.len;
    arena_clear(&n->store);
    free(n->said);
    free(n);
}

static bool is_wanted(const struct said *s)
{
    return !s->report && dsn_wanted(s->notify, action_of(s->what, false));
}

/* Targets that failed are done. told: a notification is on the disk. */
static void over(struct notice *n, bool told)
{
    struct queue_role *q = n->dsn->role;
    uint16_t number[TOLD_MAX];
    bool each[TOLD_MAX];
    size_t failed = 0;
    for (uint16_t i = 0; i < n->said_n; i++) {
        const struct said *s = &n->said[i];
        if (s->what == QUEUE_FAILED || s->what == QUEUE_EXPIRED) {
            number[failed] = s->number;
            each[failed++] = told && is_wanted(s);
        }
    }
    struct queue_message *m = failed == 0 ? NULL : queue_find(q->index, n->about);
    if (m != NULL) {
        queue_bounced(q->index, m, number, each, failed);
    }
    struct queue_dsn *d = n->dsn;
    notice_free(n);
    queue_role_changed(q);
    if (d->missed && d->notice_n == 0) {
        event_active(d->again, EV_TIMEOUT, 0); /* there is room for them now */
    }
}

static bool any_wanted(const struct notice *n)
{
    for (uint16_t i = 0; i < n->said_n; i++) {
        if (is_wanted(&n->said[i])) {
            return true;
        }
    }
    return false;
}

static bool ask_directory(struct notice *n)
{
    struct buf b;
    size_t at = slice_rfind(n->sender, '@');
    struct slice local = slice_sub(n->sender, 0, at);
    struct slice domain = slice_from(n->sender, at + 1);
    unsigned char name[DIR_DOMAIN_MAX];
    struct slice ascii = domain;
    if (!dir_name_ascii(domain, name, &ascii)) {
        ascii = domain;
    }
    buf_init(&b, 1024);
    wire_put_u64(&b, n->cookie);
    wire_put_u8(&b, 0);
    wire_put_text(&b, local);
    wire_put_text(&b, ascii);
    bool sent = !b.failed && n->dsn->directory != NULL &&
                channel_send(n->dsn->directory, MSG_DIR_RCPT, buf_slice(&b), -1);
    buf_clear(&b);
    return sent;
}

void queue_dsn_flush(struct queue_role *q)
{
    struct queue_dsn *d = q->dsn;
    const struct queue_message *m = d == NULL ? NULL : d->message;
    if (m == NULL) {
        return;
    }
    d->message = NULL;
    bool room = d->notice_n < NOTICES_MAX && d->held < HELD_MAX;
    struct notice *n = room ? calloc(1, sizeof *n) : NULL;
    struct said *said = n == NULL ? NULL : calloc(d->batch_n, sizeof *said);
    if (said == NULL) {
        free(n);
        d->missed = true;
        goto end;
    }
    *n = (struct notice){.dsn = d,
                         .cookie = ++d->next_cookie,
                         .about = m->id,
                         .arrival_ms = m->arrival_ms,
                         .said = said,
                         .said_n = d->batch_n};
    arena_init(&n->store, 4 * TEXT_MAX);
    list_init(&n->node);
    list_append(&d->asking, &n->node);
    d->notice_n++;
    n->sender = keep(&n->store, queue_sender(m));
    for (uint16_t i = 0; i < d->batch_n; i++) {
        said[i] = d->batch[i];
        said[i].given = keep(&n->store, said[i].given);
        said[i].reply = keep(&n->store, said[i].reply);
        said[i].where = keep(&n->store, said[i].where);
        said[i].status = status_of(said[i].reply);
    }
    if (n->sender.len > 0) {
        read_message(n, m);
        d->held += n->original.len;
    }
    (void)ask_directory(n); /* not sent: the timer asks again */
end:
    d->batch_n = 0;
    arena_reset(&d->batch_store);
}

/* --- writing it --- */

static const char *word(void *arg, const char *id, const char *language)
{
    (void)arg;
    return postern_bounce_word(id, language);
}

static void fill_target(const struct said *s, const struct dsn *dsn, struct dsn_target *t)
{
    bool remote = s->where.len > 0;
    *t = (struct dsn_target){.given = s->given,
                             .orcpt = s->orcpt,
                             .action = action_of(s->what, remote),
                             .status = s->status,
                             .remote = s->where,
                             .reply = s->reply,
                             .until_ms = s->until_ms};
    if (t->action == DSN_DELIVERED || t->action == DSN_RELAYED) {
        t->reply = SLICE("");
        t->status = SLICE("");
        return;
    }
    if (t->action == DSN_FAILED && (t->status.len == 0 || t->status.ptr[0] != '5')) {
        t->status = s->what == QUEUE_EXPIRED ? SLICE("5.4.7") : SLICE("5.0.0");
    } else if (t->action == DSN_DELAYED && t->status.len > 0 && t->status.ptr[0] != '4') {
        t->status = SLICE("4.0.0");
    }
    /* smtpd and delivery are strangers: any number may stand there. */
    bool known = s->klass > 0 && s->klass <= BOUNCE_CLASSES_N;
    const struct bounce_class_info *klass =
        bounce_class_info((enum bounce_class)(known ? s->klass - 1 : 0));
    /* What to do about a dead address holds once that is final. */
    bool too_early = t->action == DSN_DELAYED && klass->kind == BOUNCE_HARD;
    for (unsigned l = 0; l < dsn->language_n; l++) {
        struct postern_bounce_page page;
        if (known && postern_bounce_page("class", klass->name, dsn->language[l], &page)) {
            t->page[l] =
                (struct dsn_page){page.title, page.cause, too_early ? "" : page.remedy};
        }
    }
}

static bool write_notice(struct notice *n, struct buf *text, struct dsn_needs *needs)
{
    const struct config *config = n->dsn->role->ctx->config;
    struct dsn_target *target = calloc(n->said_n, sizeof *target);
    struct dsn dsn = {.hostname = slice_of(config->hostname),
                      .id = n->id,
                      .now_ms = clock_wall_ms(),
                      .to = n->sender,
                      .envid = n->envid,
                      .arrival_ms = n->arrival_ms,
                      .about = n->about,
                      .subject = n->subject,
                      .target = target,
                      .original = n->original,
                      .full = n->full,
                      .original_utf8 = n->utf8,
                      .words = {word, NULL}};
    if (target == NULL) {
        return false;
    }
    dsn.language_n = dsn_languages(n->languages, config->queue_notify_language,
                                   explain_languages, EXPLAIN_LANGUAGES_N, dsn.language);
    for (uint16_t i = 0; i < n->said_n; i++) {
        if (is_wanted(&n->said[i])) {
            fill_target(&n->said[i], &dsn, &target[dsn.target_n++]);
        }
    }
    bool ok = dsn_write(&dsn, text, needs);
    free(target);
    return ok;
}

static void on_written(void *arg, enum spool_res res)
{
    struct notice *n = arg;
    char about[ID_TEXT_MAX];
    char id[ID_TEXT_MAX];
    if (res != SPOOL_OK) {
        log_text(LOG_ERR, "notify",
                 "the notification about %s cannot be written: see to the "
                 "disk; it is tried again",
                 id_text(n->about, about).ptr);
        spool_message_free(&n->message);
        list_remove(&n->node);
        list_append(&n->dsn->asking, &n->node);
        return;
    }
    struct fields f = {0};
    fields_add(&f, "id", id_text(n->about, about));
    fields_add(&f, "with", id_text(n->id, id));
    fields_add(&f, "to", n->sender);
    log_event(LOG_INFO, n->about.session, "notified", &f);
    over(n, true);
}

static void on_resume(void *arg)
{
    (void)arg; /* notifications are small: the writer does not make them wait */
}

/* The recipients: the sender's mailboxes here, or the sender elsewhere. */
struct readers {
    struct spool_recipient one[DIR_TARGETS_MAX + 1];
    uint16_t n;
    bool away; /* some are elsewhere */
};

static void find_readers(const struct notice *n, struct dir_answer *a,
                         struct readers *out)
{
    struct spool_recipient *r = out->one;
    struct dir_target t;
    uint16_t count = 0;
    while (count < DIR_TARGETS_MAX && dir_answer_target(a, &t)) {
        r[count++] = (struct spool_recipient){
            .given = n->sender, .target = t.address, .kind = (enum spool_target)t.kind};
    }
    if (count == 0) {
        r[count++] = (struct spool_recipient){
            .given = n->sender, .target = n->sender, .kind = SPOOL_REMOTE};
    }
    out->n = count;
    out->away = false;
    for (uint16_t i = 0; i < count; i++) {
        out->away = out->away || r[i].kind != SPOOL_LOCAL;
    }
}

static void commit(struct notice *n, struct dir_answer *a)
{
    struct queue_role *q = n->dsn->role;
    struct dsn_needs needs = {0};
    struct buf text;
    struct buf envelope;
    buf_init(&text, 4 * TEXT_MAX);
    buf_init(&envelope, SPOOL_ENVELOPE_MAX);
    n->id = (struct message_id){id_new_session(), 1};
    struct readers readers;
    find_readers(n, a, &readers);
    if (n->requiretls && readers.away) {
        /* RFC 8689 5: it goes out with REQUIRETLS, or shows nothing of the message. Which, only its way will tell. */
        n->dsn->held -= n->original.len;
        n->original = n->subject = SLICE("");
    }
    bool ok = write_notice(n, &text, &needs);
    uint8_t flags = (uint8_t)((needs.eight_bit ? SPOOL_8BITMIME : 0) |
                              (needs.utf8 ? SPOOL_SMTPUTF8 : 0) |
                              (n->requiretls ? SPOOL_REQUIRETLS : 0));
    spool_envelope_begin(&envelope, SERVICE_SUBMISSION, flags, SLICE(""),
                         SLICE("127.0.0.1"), slice_of(q->ctx->config->hostname),
                         SLICE(""));
    spool_envelope_recipients(&envelope, readers.one, readers.n);
    if (n->requiretls) {
        spool_envelope_param(&envelope, "requiretls", SLICE(""));
    }
    n->message = spool_message_new(n->dsn->writer, n->id, on_resume, n);
    /* The header section apart, as in every record: it is what is signed on its way out. */
    const unsigned char *end = ok ? memmem(text.ptr, text.len, "\r\n\r\n", 4) : NULL;
    size_t head_len = end == NULL ? 0 : (size_t)(end - text.ptr) + 4;
    struct slice body = slice_from(buf_slice(&text), head_len);
    if (ok && !envelope.failed && n->message != NULL &&
        spool_message_add(n->message, body) == SPOOL_OK) {
        list_remove(&n->node);
        list_append(&n->dsn->writing, &n->node);
        spool_message_commit(n->message, clock_wall_ms(), buf_slice(&envelope),
                             slice_sub(buf_slice(&text), 0, head_len), on_written);
    } else {
        spool_message_free(&n->message); /* it stays among those asking: tried again */
    }
    buf_clear(&text);
    buf_clear(&envelope);
}

static void not_told(struct notice *n, const char *why)
{
    struct fields f = {0};
    char about[ID_TEXT_MAX];
    fields_add(&f, "id", id_text(n->about, about));
    fields_add(&f, "to", n->sender);
    fields_add_str(&f, "text", why);
    log_event(LOG_WARN, n->about.session, "not-notified", &f);
    over(n, false);
}

static void decide(struct notice *n, struct dir_answer *a)
{
    if (n->sender.len == 0) {
        not_told(n, "the sender is empty");
    } else if (!any_wanted(n)) {
        not_told(n, "the sender asked not to be told");
    } else if (a->status == DIR_FAULT) {
        return; /* asked again */
    } else if (a->status == DIR_OK || a->status == DIR_OVER_QUOTA ||
               a->status == DIR_FULL_INACTIVE || a->status == DIR_NO_DOMAIN) {
        if (a->status != DIR_OK && a->status != DIR_NO_DOMAIN) {
            not_told(n, "the sender's mailbox is full");
            return;
        }
        commit(n, a);
    } else {
        not_told(n, "the sender has no mailbox here");
    }
}

bool queue_dsn_answer(struct queue_role *q, struct slice payload)
{
    struct dir_answer answer;
    if (q->dsn == NULL || !dir_answer_read(payload, &answer)) {
        return false;
    }
    for (struct list *at = q->dsn->asking.next; at != &q->dsn->asking; at = at->next) {
        struct notice *n = LIST_ITEM(at, struct notice, node);
        if (n->cookie == answer.cookie) {
            decide(n, &answer);
            break;
        }
    }
    return true;
}

/* --- failed targets that have no notice: found at start, or beyond NOTICES_MAX --- */

static void look_for_missed(struct queue_role *q)
{
    struct queue_cursor cursor;
    struct queue_message *m;
    q->dsn->missed = false;
    queue_cursor_open(q->index, &cursor);
    while ((m = queue_cursor_next(q->index, &cursor)) != NULL) {
        for (uint16_t i = 0; i < m->target_n; i++) {
            if (m->target[i].state == QUEUE_held && m->target[i].failed) {
                queue_dsn_changed(q, m, i, QUEUE_FAILED);
            }
        }
        queue_dsn_flush(q);
        if (q->dsn->missed) {
            break; /* as many as there may be at once */
        }
    }
    queue_cursor_close(&cursor);
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    struct queue_role *q = arg;
    struct queue_dsn *d = q->dsn;
    (void)fd, (void)what;
    if (q->finished) {
        return;
    }
    for (struct list *at = d->asking.next; at != &d->asking; at = at->next) {
        if (!ask_directory(LIST_ITEM(at, struct notice, node))) {
            break;
        }
    }
    if (d->missed && d->notice_n == 0) {
        look_for_missed(q);
    }
}

/* --- the writer, whose queue we are ourselves --- */

static void on_ask(void *arg, uint64_t cookie, uint64_t octets)
{
    struct queue_dsn *d = arg;
    (void)octets; /* notifications are small */
    if (d->asked_n < sizeof d->asked / sizeof d->asked[0]) {
        d->asked[d->asked_n++] = cookie;
    }
    event_active(d->asked_event, EV_TIMEOUT, 0);
}

static void on_asked(evutil_socket_t fd, short what, void *arg)
{
    struct queue_dsn *d = arg;
    struct queue_role *q = d->role;
    (void)fd, (void)what;
    while (d->asked_n > 0 && !q->finished) {
        uint64_t cookie = d->asked[--d->asked_n];
        uint64_t segment = 0;
        uint64_t capacity = 0;
        int segment_fd = -1;
        if (spool_store_create(q->store, 0, &segment, &capacity, &segment_fd)) {
            spool_writer_give(d->writer, cookie, segment, capacity, segment_fd);
        } else {
            spool_writer_refuse(d->writer, cookie, SPOOL_IO_ERROR);
        }
    }
}

static void on_spooled(void *arg, const struct spool_place *place, size_t n)
{
    struct queue_dsn *d = arg;
    for (size_t i = 0; i < n && !d->role->finished; i++) {
        if (!spool_store_read(d->role->store, place[i].segment, place[i].offset)) {
            log_text(LOG_WARN, "notice", "a notification that was written is not there");
        }
    }
    queue_role_changed(d->role);
    queue_jobs_soon(d->role);
}

static void on_sealed(void *arg, uint64_t segment, uint64_t end)
{
    struct queue_dsn *d = arg;
    if (!d->role->finished) {
        spool_store_seal(d->role->store, segment, end);
    }
}

static const struct spool_writer_ops writer_ops = {on_ask, on_spooled, on_sealed};

/* --- start and end --- */

void queue_dsn_start(struct queue_role *q)
{
    struct queue_dsn *d = calloc(1, sizeof *d);
    const struct timeval again = {ASK_AGAIN_MS / 1000, 0};
    if (d == NULL) {
        fatal("queue: no memory");
    }
    d->role = q;
    d->missed = true; /* at the start of all */
    list_init(&d->asking);
    list_init(&d->writing);
    arena_init(&d->batch_store, 8 * TEXT_MAX);
    d->batch = calloc(TOLD_MAX, sizeof *d->batch);
    d->writer = spool_writer_new(q->ctx->base, MEMORY_MAX, &writer_ops, d);
    d->asked_event = event_new(q->ctx->base, -1, 0, on_asked, d);
    d->again = event_new(q->ctx->base, -1, EV_PERSIST, on_again, q);
    if (d->batch == NULL || d->writer == NULL || d->asked_event == NULL ||
        d->again == NULL || event_add(d->again, &again) != 0 ||
        !spool_writer_start(d->writer)) {
        fatal("queue: no memory");
    }
    q->dsn = d;
}

void queue_dsn_peer(struct queue_role *q, struct channel *ch)
{
    if (q->dsn != NULL) {
        q->dsn->directory = ch;
    }
    q->directory = ch;
}

void queue_dsn_finish(struct queue_role *q)
{
    struct queue_dsn *d = q->dsn;
    if (d == NULL) {
        return;
    }
    while (!list_empty(&d->asking)) {
        notice_free(LIST_ITEM(d->asking.next, struct notice, node));
    }
    while (!list_empty(&d->writing)) { /* what is written stays written */
        notice_free(LIST_ITEM(d->writing.next, struct notice, node));
    }
    spool_writer_free(&d->writer);
    (void)event_del(d->again);
}
