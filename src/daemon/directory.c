/* daemon/directory.c - the directory role: answers smtpd what becomes of recipients, and the
 * command line what it asks of domains, users and aliases.
 *
 * Faults  without a usable database every recipient is answered DIR_FAULT (4yz), and the log
 *         says what to do; the file is tried again every second. It is made only at start.
 * Changes a change by the command line, by another program or by another file in its place
 *         starts a new generation, which every smtpd is told of. */
#include "base/clock.h"
#include "base/log.h"
#include "config/paths.h"
#include "daemon/directory_login.h"
#include "daemon/directory_rates.h"
#include "delivery/maildir.h"
#include "directory/admin.h"
#include "directory/junk.h"
#include "proc/control.h"
#include "proc/role.h"
#include "rule/rule.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    TICK_MS = 1000,
    BATCH_MAX = 256, /* messages that share a sync */
    BUSY_MS = 50, /* readers never wait in WAL mode; a change may meet another writer */
    STATUS_SYSTEM = 4,
    ANSWER_MAX = MSG_PAYLOAD_MAX,
    RULES_PART = 60000, /* octets of rules in a message, beside the domain's name */
    COUNTED_ANSWER_MAX = 2048,
};

struct directory {
    struct dir_store *store; /* NULL: cannot be used now */
    struct dir_store_config config;
    char path[4200];
    char fault[DIR_ERROR_MAX]; /* why, as it was logged */
    uint64_t opened; /* counts openings: a list goes on only in the store it began in */
    uint64_t generation;
    struct logins *logins;
    struct introspect *tokens; /* NULL: oauth is not configured */
    struct control *control;
    struct rates *rates; /* the counts of smtpds */
    struct event *tick;
    bool watch_junk;
    int64_t junk_at; /* dir_store_junk() */
    struct channel *smtpd[ROLE_INSTANCES_MAX];
    bool untold[ROLE_INSTANCES_MAX]; /* of the generation: its channel was full */
    struct buf answer;
    /* What waits for the end of a batch: who is told, and what, one behind the other. */
    struct {
        struct channel *ch;
        uint64_t cookie;
        size_t len;
    } counted[BATCH_MAX];
    unsigned counted_n;
    bool batch;
    struct buf counted_answers;
    struct event *batch_end; /* as soon as nothing more is there to be read */
};

static void end_batch(struct directory *d);

/* ---- generations ---- */

static void tell(struct directory *d, unsigned i)
{
    struct buf payload;
    buf_init(&payload, 8);
    wire_put_u64(&payload, d->generation);
    d->untold[i] = d->smtpd[i] != NULL &&
                   !channel_send(d->smtpd[i], MSG_DIR_CHANGED, buf_slice(&payload), -1);
    buf_clear(&payload);
}

static void changed(struct directory *d)
{
    d->generation++;
    for (unsigned i = 0; i < ROLE_INSTANCES_MAX; i++) {
        tell(d, i);
    }
}

/* ---- the database, and its absence ---- */

static void log_fault(struct directory *d, const char *text)
{
    if (strcmp(d->fault, text) != 0) {
        (void)snprintf(d->fault, sizeof d->fault, "%s", text);
        log_text(LOG_ERR, "directory-fault", "%s", text);
    }
}

static void open_store(struct directory *d)
{
    char error[DIR_ERROR_MAX];
    d->store = dir_store_open(&d->config, error);
    if (d->store == NULL) {
        log_fault(d, error);
        return;
    }
    d->opened++;
    if (d->fault[0] != '\0') {
        d->fault[0] = '\0';
        log_text(LOG_INFO, "directory-usable", "%s is open again", STATE_DIRECTORY_DB);
    }
    if (!dir_store_has_domains(d->store)) {
        log_text(
            LOG_WARN, "directory-empty",
            "%s has no domain, so no mail is taken for anyone; say: postern domain add "
            "example.test",
            STATE_DIRECTORY_DB);
    }
}

static void close_store(struct directory *d)
{
    end_batch(d);
    dir_store_close(&d->store);
}

/* After a call with the store. */
static void look_after(struct directory *d)
{
    if (d->store == NULL || dir_store_state(d->store) == DIR_STORE_OK) {
        return;
    }
    if (dir_store_state(d->store) == DIR_STORE_BROKEN) {
        log_fault(d, dir_store_fault(d->store));
        close_store(d);
        changed(d); /* what was cached may be what a mended database denies */
    } else {
        log_text(LOG_WARN, "directory-busy", "%s", dir_store_fault(d->store));
    }
}

static void on_junk(void *arg, struct slice mailbox, struct slice header, bool wanted)
{
    struct directory *d = arg;
    IGNORE(rates_complaint(d->rates, mailbox, header, wanted)); /* nobody waits */
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct directory *d = arg;
    bool anew = false;
    if (d->store != NULL && !dir_store_in_place(d->store)) {
        close_store(d);
        anew = true;
    } else if (d->store != NULL && dir_store_changed(d->store)) {
        anew = true;
    }
    if (d->store != NULL && d->watch_junk) {
        dir_store_junk(d->store, &d->junk_at, on_junk, d);
    }
    look_after(d);
    if (d->store == NULL) {
        open_store(d);
        anew |= d->store != NULL;
    }
    if (anew) {
        changed(d);
    }
    for (unsigned i = 0; i < ROLE_INSTANCES_MAX; i++) {
        if (d->untold[i]) {
            tell(d, i);
        }
    }
}

/* ---- smtpd ---- */

/* A full channel: smtpd has stopped reading, and gives up on what it asked by itself. */
static void hand_out(struct directory *d, struct channel *ch, enum msg_type type)
{
    if (d->answer.failed || !channel_send(ch, type, buf_slice(&d->answer), -1)) {
        log_text(LOG_WARN, "answer-dropped", "smtpd/%u does not read its answers",
                 channel_peer_index(ch));
    }
}

static void send_answer(struct directory *d, struct channel *ch, enum msg_type type)
{
    look_after(d);
    hand_out(d, ch, type);
}

static bool on_rcpt(struct directory *d, struct channel *ch, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    uint64_t cookie = wire_u64(&r);
    (void)wire_u8(&r); /* the service: all are answered alike */
    struct slice local = wire_text(&r), domain = wire_text(&r);
    struct dir_answer a = {.status = DIR_FAULT};
    if (!wire_done(&r)) {
        return false;
    }
    if (d->store != NULL) {
        dir_store_lookup(d->store, local, domain, clock_wall_ms(), &a);
    }
    a.cookie = cookie;
    a.generation = d->generation;
    buf_reset(&d->answer);
    dir_answer_write(&d->answer, &a);
    send_answer(d, ch, MSG_DIR_RCPT_IS);
    return true;
}

/* ---- counting: many messages, one sync ---- */

static void on_batch_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    end_batch(arg);
    look_after(arg);
}

/* False: what is asked cannot be counted now. */
static bool in_batch(struct directory *d)
{
    if (!d->batch && d->store != NULL) {
        d->batch = dir_store_batch_begin(d->store);
        if (d->batch) {
            event_active(d->batch_end, EV_TIMEOUT, 0);
        }
    }
    return d->batch;
}

static void write_mail(struct buf *to, struct dir_mail *m, uint64_t cookie)
{
    m->cookie = cookie;
    dir_mail_write(to, m);
}

/* The answer is sent when what was counted is on disk. */
static void answer_later(struct directory *d, struct channel *ch, struct dir_mail *m,
                         uint64_t cookie)
{
    size_t before = d->counted_answers.len;
    write_mail(&d->counted_answers, m, cookie);
    d->counted[d->counted_n].ch = ch;
    d->counted[d->counted_n].cookie = cookie;
    d->counted[d->counted_n++].len = d->counted_answers.len - before;
    if (d->counted_n == BATCH_MAX) {
        end_batch(d);
    }
}

static void end_batch(struct directory *d)
{
    if (!d->batch) {
        return;
    }
    struct slice answers = buf_slice(&d->counted_answers);
    unsigned n = d->counted_n;
    bool ok = dir_store_batch_end(d->store) && !d->counted_answers.failed;
    d->batch = false;
    d->counted_n = 0;
    for (unsigned i = 0; i < n; i++) {
        struct dir_mail fault = {.fault = true};
        buf_reset(&d->answer);
        if (ok) {
            (void)buf_add(&d->answer, slice_sub(answers, 0, d->counted[i].len));
            answers = slice_from(answers, d->counted[i].len);
        } else {
            write_mail(&d->answer, &fault, d->counted[i].cookie);
        }
        if (d->counted[i].ch != NULL) { /* it has not ended meanwhile */
            hand_out(d, d->counted[i].ch, MSG_DIR_MAIL_IS);
        }
    }
    buf_reset(&d->counted_answers);
}

static bool on_mail(struct directory *d, struct channel *ch, struct slice payload)
{
    struct dir_mail_ask ask = {0};
    struct dir_mail m = {.fault = true};
    if (!dir_mail_ask_read(payload, &ask)) {
        return false;
    }
    bool counts = ask.spend != 0 || ask.give_back;
    bool batch = counts && in_batch(d);
    if (d->store != NULL && batch == counts) {
        dir_store_mail(d->store, &ask, clock_wall_ms(), &m);
    }
    if (batch) {
        answer_later(d, ch, &m, ask.cookie);
        look_after(d);
        return true;
    }
    buf_reset(&d->answer);
    write_mail(&d->answer, &m, ask.cookie);
    send_answer(d, ch, MSG_DIR_MAIL_IS);
    return true;
}

static bool on_rules(struct directory *d, struct channel *ch, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    uint8_t out_going = wire_u8(&r);
    struct slice domain = wire_text(&r);
    struct buf rules;
    if (!wire_done(&r) || out_going > 1 || domain.len == 0) {
        return false;
    }
    buf_init(&rules, RULE_SET_MAX);
    bool ok =
        d->store != NULL && dir_store_rules(d->store, domain, out_going == 1, &rules);
    struct slice all = ok ? buf_slice(&rules) : SLICE(""), rest = all;
    enum msg_rules how = MSG_RULES_MORE;
    while (how == MSG_RULES_MORE) {
        struct slice part = slice_sub(rest, 0, RULES_PART);
        how = !ok                   ? MSG_RULES_FAULT
              : part.len < rest.len ? MSG_RULES_MORE
                                    : MSG_RULES_LAST;
        buf_reset(&d->answer);
        wire_put_u8(&d->answer, out_going);
        wire_put_text(&d->answer, domain);
        wire_put_u8(&d->answer, (uint8_t)how);
        wire_put_u32(&d->answer, (uint32_t)(all.len - rest.len));
        (void)buf_add(&d->answer, part);
        rest = slice_from(rest, part.len);
        send_answer(d, ch, MSG_DIR_RULES_IS);
    }
    buf_clear(&rules);
    return true;
}

static bool on_complaint(struct directory *d, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    uint8_t wanted = wire_u8(&r);
    struct slice reporter = wire_text(&r), header = wire_text(&r);
    if (!wire_done(&r) || wanted > 1) {
        return false;
    }
    rates_report(d->rates, reporter, header, wanted == 1);
    return true;
}

static bool directory_message(struct role_ctx *ctx, struct channel *ch,
                              const struct msg *m)
{
    struct directory *d = ctx->state;
    if (m->type == MSG_DIR_AUTH) {
        bool ok = logins_message(d->logins, ch, m->payload);
        look_after(d);
        return ok;
    }
    if (m->type == MSG_DIR_RCPT) {
        return on_rcpt(d, ch, m->payload);
    }
    if (m->type == MSG_DIR_RULES) {
        return on_rules(d, ch, m->payload);
    }
    if (m->type == MSG_COMPLAINT) {
        return on_complaint(d, m->payload);
    }
    return m->type == MSG_DIR_MAIL && on_mail(d, ch, m->payload);
}

static void directory_peer(struct role_ctx *ctx, struct channel *ch)
{
    struct directory *d = ctx->state;
    unsigned i = channel_peer_index(ch);
    if (channel_peer(ch) == ROLE_smtpd && i < ROLE_INSTANCES_MAX) {
        d->smtpd[i] = ch;
        tell(d, i); /* it may have cached what another instance of us said */
    }
}

static void directory_peer_gone(struct role_ctx *ctx, struct channel *ch)
{
    struct directory *d = ctx->state;
    unsigned i = channel_peer_index(ch);
    for (unsigned n = 0; n < d->counted_n; n++) {
        d->counted[n].ch = d->counted[n].ch == ch ? NULL : d->counted[n].ch;
    }
    logins_gone(d->logins, ch);
    if (channel_peer(ch) == ROLE_smtpd && i < ROLE_INSTANCES_MAX && d->smtpd[i] == ch) {
        d->smtpd[i] = NULL;
        d->untold[i] = false;
    }
}

/* ---- the command line ---- */

/* An answer that is being written. */
struct answer {
    struct directory *d;
    uint64_t opened;
    struct dir_admin *admin;
    json_t *request;
};

static void answer_next(void *state, struct control_call *call)
{
    struct answer *a = state;
    if (a->d->store == NULL || a->opened != a->d->opened) {
        control_error(call, STATUS_SYSTEM,
                      "the database was replaced meanwhile; ask again");
        return;
    }
    while (control_room(call)) {
        json_t *line = dir_admin_next(a->admin);
        if (line != NULL) {
            control_line(call, line);
            continue;
        }
        if (dir_admin_error(a->admin) != NULL) {
            control_error(call, dir_admin_status(a->admin), "%s",
                          dir_admin_error(a->admin));
        } else {
            control_done(call, dir_admin_status(a->admin));
        }
        look_after(a->d);
        return;
    }
}

static void answer_end(void *state)
{
    struct answer *a = state;
    dir_admin_free(&a->admin);
    json_decref(a->request);
    free(a);
}

static const struct control_stream answer_stream = {answer_next, answer_end};

static void on_request(void *arg, struct control_call *call, json_t *request)
{
    struct directory *d = arg;
    if (rates_request(d->rates, call, request)) {
        return;
    }
    end_batch(d);
    if (d->store == NULL) {
        control_error(call, STATUS_SYSTEM, "%s", d->fault);
        return;
    }
    struct answer *a = calloc(1, sizeof *a);
    struct dir_admin *admin =
        a == NULL ? NULL : dir_admin_new(d->store, request, clock_wall_ms());
    if (admin == NULL) {
        free(a);
        control_error(call, STATUS_SYSTEM, "out of memory");
        return;
    }
    *a = (struct answer){d, d->opened, admin, json_incref(request)};
    if (dir_admin_changed(admin)) {
        changed(d);
        const char *subject = json_string_value(json_object_get(request, "subject"));
        struct fields f = {0};
        fields_add_str(&f, "object",
                       json_string_value(json_object_get(request, "object")));
        fields_add_str(&f, "action",
                       json_string_value(json_object_get(request, "action")));
        fields_add_str(&f, "subject", subject == NULL ? "" : subject);
        log_event(LOG_INFO, 0, "directory-changed", &f);
    }
    control_stream(call, &answer_stream, a);
}

/* ---- the role ---- */

/* The sandbox opens the directory above all Maildirs to us: it must be there by then. */
static const char *make_mail_root(const struct config *c)
{
    struct maildir_store mail;
    if (c->delivery_lmtp[0] != '\0') {
        return NULL;
    }
    const char *wrong =
        maildir_open(&mail, c->delivery_maildir, c->delivery_sub_address, c->hostname);
    maildir_close(&mail);
    return wrong;
}

static const char *directory_open(struct role_ctx *ctx)
{
    const struct config *c = ctx->config;
    struct directory *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return "no memory";
    }
    ctx->state = d;
    int n = snprintf(d->path, sizeof d->path, "%s/" STATE_DIRECTORY_DB, c->state_dir);
    if (n < 0 || (size_t)n >= sizeof d->path) {
        return "state-dir is too long";
    }
    (void)umask(077);
    buf_init(&d->answer, ANSWER_MAX);
    buf_init(&d->counted_answers, (size_t)BATCH_MAX * COUNTED_ANSWER_MAX);
    d->generation = clock_wall_ms(); /* above those of an instance before us */
    d->config = (struct dir_store_config){
        .path = d->path,
        .shown = STATE_DIRECTORY_DB,
        .maildir = c->delivery_lmtp[0] == '\0' ? c->delivery_maildir : NULL,
        .sub_address = c->delivery_sub_address,
        .inactive_after_ms = c->directory_inactive_after,
        .limits = {c->limits_user_daily_messages, c->limits_user_daily_recipients,
                   c->limits_user_recipients},
        .busy_ms = BUSY_MS,
        .create = true};
    d->watch_junk = c->rate_complaints > 0 && d->config.maildir != NULL;
    open_store(d);
    /* Later an empty database in the place of a lost one would refuse all mail for good. */
    d->config.create = false;
    if (c->oauth_introspection[0] != '\0') {
        static char error[INTROSPECT_ERROR_MAX];
        d->tokens = introspect_new(c, error);
        if (d->tokens == NULL) {
            return error;
        }
    }
    const char *error = NULL;
    d->rates = rates_open(ctx, &error);
    return d->rates == NULL ? error : make_mail_root(c);
}

static struct dir_store *store_of(void *arg)
{
    return ((struct directory *)arg)->store;
}

static void directory_start(struct role_ctx *ctx)
{
    static const struct timeval every = {TICK_MS / 1000, (TICK_MS % 1000) * 1000};
    struct directory *d = ctx->state;
    d->tick = event_new(ctx->base, -1, EV_PERSIST, on_tick, d);
    d->logins = logins_new(ctx->base, ctx->config, d->tokens, store_of, d);
    d->batch_end = event_new(ctx->base, -1, 0, on_batch_end, d);
    d->control = control_new(ctx->base, ctx->control_fd, on_request, d);
    if (d->tick == NULL || event_add(d->tick, &every) != 0 || d->control == NULL ||
        d->batch_end == NULL || d->logins == NULL || !rates_start(d->rates, ctx->base)) {
        fatal("directory: no memory");
    }
}

static void directory_drain(struct role_ctx *ctx, uint32_t ms)
{
    struct directory *d = ctx->state;
    (void)ms;
    control_free(&d->control);
    logins_free(&d->logins);
    rates_free(&d->rates);
    close_store(d);
    role_finish(ctx);
}

const struct role_ops directory_ops = {
    .role = ROLE_directory,
    .peers = "smtpd asks it; the command line changes it",
    .open = directory_open,
    .start = directory_start,
    .peer = directory_peer,
    .message = directory_message,
    .peer_gone = directory_peer_gone,
    .drain = directory_drain,
};
