/* daemon/queue_suppress.c - see queue.h: the suppression list (queue/suppress.h), filled by what
 * becomes of mail that goes to other servers, and what smtpd asks of it.
 *
 * Filled  by mail of push accounts that an address refused for good, with a reply whose class says
 *         that the address is at fault; under the account, which is the sender. Any delivery, of
 *         any service, is proof of life.
 * Fault   a list that cannot be opened or read: mail goes on; smtpd hears that nobody knows, and
 *         defers the recipients of push accounts. */
#include "base/clock.h"
#include "base/log.h"
#include "config/paths.h"
#include "daemon/queue.h"

#include <stdio.h>

enum { WHAT_MAX = SUPPRESS_EVIDENCE_MAX + 100 };

void queue_suppress_open(struct queue_role *q)
{
    char path[4096], error[SUPPRESS_ERROR_MAX];
    int n = snprintf(path, sizeof path, "%s/" STATE_QUEUE_DB, q->ctx->config->state_dir);
    if (n < 0 || (size_t)n >= sizeof path) {
        log_text(LOG_ERR, "suppress", "state-dir is too long for the suppression list");
        return;
    }
    q->suppress = suppress_open(path, error);
    if (q->suppress == NULL) {
        log_text(LOG_ERR, "suppress",
                 STATE_QUEUE_DB
                 ": %s; until it can be opened, at the next start, the push "
                 "service defers recipients",
                 error);
    }
}

/* --- what becomes of mail --- */

static void tell(const struct queue_message *m, uint16_t number, const char *event,
                 struct slice account, struct slice reply)
{
    struct fields f;
    char id[ID_TEXT_MAX];
    fields_reset(&f);
    fields_add(&f, "id", id_text(m->id, id));
    fields_add(&f, "to", queue_address(m, number));
    fields_add(&f, "account", account);
    fields_add(&f, "reply", reply);
    log_event(LOG_INFO, m->id.session, event, &f);
}

void queue_suppress_changed(struct queue_role *q, const struct queue_message *m,
                            uint16_t number, enum queue_what what)
{
    const struct job_outcome *o = q->outcome;
    struct slice address = queue_address(m, number), account = queue_sender(m);
    if (q->suppress == NULL || o == NULL || !m->part[m->target[number].part].remote) {
        return;
    }
    if (what == QUEUE_DELIVERED && suppress_alive(q->suppress, address)) {
        tell(m, number, "suppress-lifted", SLICE(""), o->reply);
    } else if (what == QUEUE_FAILED && o->advice == JOB_suppress &&
               m->service == SERVICE_PUSH && account.len > 0 &&
               suppress_bounced(q->suppress, account, address, o->reply,
                                clock_wall_ms())) {
        tell(m, number, "suppressed", account, o->reply);
    }
}

/* --- smtpd's questions --- */

/* "bounce: 550 5.1.1 nobody of that name (2026-11-22T10:00:00Z)" */
static void describe(struct buf *b, const struct suppress_entry *e)
{
    char when[CLOCK_TEXT_MAX];
    (void)buf_add_str(b, suppress_reason_name(e->reason));
    if (e->evidence.len > 0) {
        (void)buf_add_str(b, ": ");
        (void)buf_add(b, e->evidence);
    }
    (void)buf_add_str(b, " (");
    (void)buf_add(b, clock_text(e->last_ms, when));
    (void)buf_add_byte(b, ')');
}

bool queue_suppress_ask(struct queue_role *q, struct channel *ch, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    uint64_t cookie = wire_u64(&r);
    struct slice account = wire_text(&r), address = wire_text(&r);
    struct suppress_entry e;
    struct buf what;
    if (!wire_done(&r)) {
        return false;
    }
    enum suppress_res res = SUPPRESS_FAULT;
    if (q->suppress != NULL) {
        res = suppress_find(q->suppress, account, address, clock_wall_ms(), &e);
    }
    buf_init(&what, WHAT_MAX);
    if (res == SUPPRESS_YES) {
        describe(&what, &e);
    }
    buf_reset(&q->out);
    wire_put_u64(&q->out, cookie);
    wire_put_u8(&q->out, (uint8_t)res);
    wire_put_text(&q->out, buf_slice(&what));
    buf_clear(&what);
    if (!channel_send(ch, MSG_SUPPRESS_IS, buf_slice(&q->out), -1)) {
        log_text(LOG_WARN, "suppress", "smtpd/%u does not listen",
                 channel_peer_index(ch));
    }
    return true;
}
