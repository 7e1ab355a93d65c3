/* delivery/lmtp_engine.c - see lmtp_engine.h */
#include "delivery/lmtp_engine.h"

#include "base/log.h"
#include "smtp/address.h"

#include <inttypes.h>

enum offer {
    OFFER_PIPELINING = 1,
    OFFER_8BITMIME = 2,
    OFFER_SMTPUTF8 = 4,
    OFFER_SIZE = 8
};

enum {
    LINE_ROOM = LMTP_ADDRESS_MAX + 100,
    OUT_MAX = LINE_ROOM * (LMTP_TARGETS_MAX + 1),
};

/* State, what it is called, how long to wait in it. RFC 5321 4.5.3.2 gives the least times
 * of a sender; the wait after the dot is where a server works. */
static const struct {
    const char *name;
    enum lmtp_want want;
    int patience_s;
} states[] = {
    [LMTP_GREETING] = {"the greeting", LMTP_WANT_REPLY, 5 * 60},
    [LMTP_LHLO] = {"LHLO", LMTP_WANT_REPLY, 5 * 60},
    [LMTP_IDLE] = {"nothing", LMTP_READY, 0},
    [LMTP_ENVELOPE] = {"MAIL or RCPT", LMTP_WANT_REPLY, 5 * 60},
    [LMTP_DATA] = {"DATA", LMTP_WANT_REPLY, 2 * 60},
    [LMTP_BODY] = {"the message", LMTP_WANT_BODY, 3 * 60},
    [LMTP_FINAL] = {"the final dot", LMTP_WANT_REPLY, 10 * 60},
    [LMTP_RSET] = {"RSET", LMTP_WANT_REPLY, 60},
    [LMTP_QUIT] = {"QUIT", LMTP_WANT_REPLY, 5},
    [LMTP_DEAD] = {"nothing", LMTP_CLOSED, 0},
};

void lmtp_init(struct lmtp_engine *e, struct slice hostname)
{
    *e = (struct lmtp_engine){.hostname = hostname};
    buf_init(&e->out, OUT_MAX);
    client_reply_init(&e->reply);
}

void lmtp_clear(struct lmtp_engine *e)
{
    buf_clear(&e->out);
    client_reply_clear(&e->reply);
}

enum lmtp_want lmtp_want(const struct lmtp_engine *e)
{
    return states[e->state].want;
}

int lmtp_patience_ms(const struct lmtp_engine *e)
{
    return states[e->state].patience_s * 1000;
}

/* --- outcomes -------------------------------------------------------------------------- */

static void settle_rest(struct lmtp_engine *e, enum job_result result, struct slice text)
{
    for (unsigned i = 0; i < e->mail.target_n; i++) {
        outcome_set(&e->outcome[i], result, text);
    }
}

static void die(struct lmtp_engine *e, struct slice text)
{
    settle_rest(e, JOB_DEFERRED, text);
    e->state = LMTP_DEAD;
    buf_reset(&e->out);
}

void lmtp_abandon(struct lmtp_engine *e, const char *reply)
{
    die(e, slice_of(reply));
}

void lmtp_lost(struct lmtp_engine *e, const char *why)
{
    struct buf text;
    buf_init(&text, OUTCOME_REPLY_MAX);
    (void)buf_add_fmt(&text, "451 4.4.2 LMTP server: %s, waiting for the answer to %s",
                      why, states[e->state].name);
    die(e, buf_slice(&text));
    buf_clear(&text);
}

/* An answer that is none. What it was is kept for the person who reads the outcome. */
static void nonsense(struct lmtp_engine *e, const char *what)
{
    struct buf text;
    buf_init(&text, OUTCOME_REPLY_MAX);
    (void)buf_add_fmt(&text, "451 4.5.0 LMTP server: %s after %s", what,
                      states[e->state].name);
    die(e, buf_slice(&text));
    buf_clear(&text);
}

/* The reply that just came as one line; borrowed from text. */
static struct slice flat_reply(struct lmtp_engine *e, struct buf *text)
{
    buf_init(text, CLIENT_REPLY_TEXT_MAX + 1024);
    client_reply_flat(&e->reply, OUTCOME_REPLY_MAX, text);
    return buf_slice(text);
}

static enum job_result result_of(const struct lmtp_engine *e)
{
    switch (e->reply.code / 100) {
    case 2:
        return JOB_DELIVERED;
    case 5:
        return JOB_FAILED;
    default:
        return JOB_DEFERRED;
    }
}

static void settle_one(struct lmtp_engine *e, unsigned i)
{
    struct buf text;
    outcome_set(&e->outcome[i], result_of(e), flat_reply(e, &text));
    buf_clear(&text);
}

static void settle_all(struct lmtp_engine *e)
{
    struct buf text;
    settle_rest(e, result_of(e), flat_reply(e, &text));
    buf_clear(&text);
}

static void die_of_reply(struct lmtp_engine *e)
{
    struct buf text;
    die(e, flat_reply(e, &text));
    buf_clear(&text);
}

/* --- commands -------------------------------------------------------------------------- */

static void put_mail(struct lmtp_engine *e)
{
    (void)buf_add_str(&e->out, "MAIL FROM:<");
    (void)buf_add(&e->out, e->mail.sender);
    (void)buf_add_str(&e->out, ">");
    if (e->offers & OFFER_SIZE) {
        (void)buf_add_fmt(&e->out, " SIZE=%" PRIu64, e->mail.size);
    }
    if ((e->offers & OFFER_8BITMIME) && (e->mail.flags & JOB_8BITMIME)) {
        (void)buf_add_str(&e->out, " BODY=8BITMIME");
    }
    if ((e->offers & OFFER_SMTPUTF8) && (e->mail.flags & JOB_SMTPUTF8)) {
        (void)buf_add_str(&e->out, " SMTPUTF8");
    }
    (void)buf_add_str(&e->out, "\r\n");
}

/* All commands of the envelope when the server takes them at once, else the next one.
 * RFC 2920 would let DATA go with them; then a server that refused every target might still
 * say 354. Waiting costs one turn and leaves nothing to guess. */
static void pump_envelope(struct lmtp_engine *e)
{
    while (e->sent < e->rcpt_n + 1 &&
           ((e->offers & OFFER_PIPELINING) || e->sent == e->answered)) {
        if (e->sent == 0) {
            put_mail(e);
        } else {
            (void)buf_add_str(&e->out, "RCPT TO:<");
            (void)buf_add(&e->out, e->mail.target[e->rcpt[e->sent - 1]]);
            (void)buf_add_str(&e->out, ">\r\n");
        }
        e->sent++;
    }
}

/* The first accepted target from final_at on; target_n: none. */
static unsigned next_accepted(struct lmtp_engine *e)
{
    while (e->final_at < e->mail.target_n && !e->accepted[e->final_at]) {
        e->final_at++;
    }
    return e->final_at;
}

static void start_reset(struct lmtp_engine *e)
{
    e->state = LMTP_RSET;
    (void)buf_add_str(&e->out, "RSET\r\n");
}

static void after_envelope(struct lmtp_engine *e)
{
    if (next_accepted(e) == e->mail.target_n) {
        start_reset(e);
        return;
    }
    e->state = LMTP_DATA;
    (void)buf_add_str(&e->out, "DATA\r\n");
}

/* What can be refused without asking the server. */
static void settle_early(struct lmtp_engine *e)
{
    const struct lmtp_mail *m = &e->mail;
    bool utf8 = (e->offers & OFFER_SMTPUTF8) != 0;
    if (!smtp_path_can_be_sent(m->sender, LMTP_ADDRESS_MAX)) {
        settle_rest(e, JOB_FAILED, SLICE("550 5.1.7 sender address cannot be sent"));
    } else if (!utf8 && !slice_is_ascii(m->sender)) {
        settle_rest(e, JOB_FAILED,
                    SLICE("550 5.6.7 LMTP server does not offer SMTPUTF8"));
    } else if (e->size_max != 0 && m->size > e->size_max) {
        settle_rest(e, JOB_FAILED, SLICE("552 5.3.4 larger than the LMTP server's SIZE"));
    }
    for (unsigned i = 0; i < m->target_n; i++) {
        if (m->target[i].len == 0 ||
            !smtp_path_can_be_sent(m->target[i], LMTP_ADDRESS_MAX)) {
            outcome_set(&e->outcome[i], JOB_FAILED,
                        SLICE("550 5.1.3 address cannot be sent"));
        } else if (!utf8 && !slice_is_ascii(m->target[i])) {
            outcome_set(&e->outcome[i], JOB_FAILED,
                        SLICE("550 5.6.7 LMTP server does not offer SMTPUTF8"));
        }
    }
}

static void begin_mail(struct lmtp_engine *e)
{
    e->pending = false;
    e->sent = e->answered = e->final_at = e->rcpt_n = 0;
    settle_early(e);
    for (unsigned i = 0; i < e->mail.target_n; i++) {
        if (!e->outcome[i].set) {
            e->rcpt[e->rcpt_n++] = (uint8_t)i;
        }
    }
    if (e->rcpt_n > 0) {
        e->state = LMTP_ENVELOPE;
        pump_envelope(e);
    }
}

void lmtp_mail(struct lmtp_engine *e, const struct lmtp_mail *mail)
{
    BUG_ON((e->state != LMTP_IDLE && e->state != LMTP_GREETING) ||
           mail->target_n > LMTP_TARGETS_MAX);
    e->mail = *mail;
    for (unsigned i = 0; i < LMTP_TARGETS_MAX; i++) {
        e->accepted[i] = false;
        e->outcome[i].set = false;
        e->outcome[i].where_len = 0;
    }
    e->pending = true;
    if (e->state == LMTP_IDLE) {
        begin_mail(e);
    }
}

void lmtp_body_sent(struct lmtp_engine *e)
{
    if (e->state == LMTP_BODY) {
        e->state = LMTP_FINAL;
    }
}

void lmtp_quit(struct lmtp_engine *e)
{
    if (e->state == LMTP_IDLE) {
        e->state = LMTP_QUIT;
        (void)buf_add_str(&e->out, "QUIT\r\n");
    }
}

/* --- replies --------------------------------------------------------------------------- */

static void take_offers(struct lmtp_engine *e)
{
    static const struct {
        struct slice keyword;
        enum offer offer;
    } known[] = {
        {SLICE_INIT("PIPELINING"), OFFER_PIPELINING},
        {SLICE_INIT("8BITMIME"), OFFER_8BITMIME},
        {SLICE_INIT("SMTPUTF8"), OFFER_SMTPUTF8},
        {SLICE_INIT("SIZE"), OFFER_SIZE},
    };
    struct slice line;
    for (unsigned n = 1; client_reply_line(&e->reply, n, &line); n++) {
        struct slice word = slice_sub(line, 0, slice_find(line, ' '));
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            if (!slice_ieq(word, known[i].keyword)) {
                continue;
            }
            e->offers |= known[i].offer;
            struct slice value = slice_trim(slice_from(line, word.len));
            if (known[i].offer == OFFER_SIZE && !slice_u64(value, &e->size_max)) {
                e->size_max = 0;
            }
        }
    }
}

static void on_greeting(struct lmtp_engine *e)
{
    if (e->reply.code != 220) {
        die_of_reply(e);
        return;
    }
    e->state = LMTP_LHLO;
    (void)buf_add_str(&e->out, "LHLO ");
    (void)buf_add(&e->out, e->hostname);
    (void)buf_add_str(&e->out, "\r\n");
}

static void on_lhlo(struct lmtp_engine *e)
{
    if (e->reply.code / 100 != 2) {
        die_of_reply(e);
        return;
    }
    take_offers(e);
    e->state = LMTP_IDLE;
    if (e->pending) {
        begin_mail(e);
    }
}

static void on_envelope(struct lmtp_engine *e)
{
    unsigned which = e->answered++;
    unsigned class = e->reply.code / 100;
    if (class == 3) {
        nonsense(e, "a 3yz reply");
        return;
    }
    if (which == 0 && class != 2) {
        settle_all(e);
        /* those in the pipeline will be refused; no more of them */
        e->rcpt_n = e->sent - 1;
    } else if (which > 0 && class != 2) {
        settle_one(e, e->rcpt[which - 1]);
    } else if (which > 0) {
        unsigned target = e->rcpt[which - 1];
        e->accepted[target] = !e->outcome[target].set;
    }
    pump_envelope(e);
    if (e->answered == e->rcpt_n + 1) {
        after_envelope(e);
    }
}

static void on_data(struct lmtp_engine *e)
{
    if (e->reply.code == 354) {
        e->state = LMTP_BODY;
        return;
    }
    if (e->reply.code / 100 == 2 || e->reply.code / 100 == 3) {
        nonsense(e, "neither 354 nor a refusal");
        return;
    }
    settle_all(e);
    start_reset(e);
}

/* RFC 2033 4.2: after the final ".", the server returns one reply for each previously
 * successful RCPT command, in the order that the RCPT commands were issued. */
static void on_final(struct lmtp_engine *e)
{
    if (e->reply.code / 100 == 3) {
        nonsense(e, "a 3yz reply");
        return;
    }
    settle_one(e, next_accepted(e));
    e->final_at++;
    if (next_accepted(e) == e->mail.target_n) {
        e->state = LMTP_IDLE;
    }
}

static void on_reply(struct lmtp_engine *e)
{
    switch (e->state) {
    case LMTP_GREETING:
        on_greeting(e);
        break;
    case LMTP_LHLO:
        on_lhlo(e);
        break;
    case LMTP_ENVELOPE:
        on_envelope(e);
        break;
    case LMTP_DATA:
        on_data(e);
        break;
    case LMTP_FINAL:
        on_final(e);
        break;
    case LMTP_BODY: /* it gave up while the message was on its way */
        if (e->reply.code / 100 >= 4) {
            settle_all(e);
        }
        nonsense(e, "a reply before the end");
        break;
    case LMTP_RSET:
        e->state = e->reply.code / 100 == 2 ? LMTP_IDLE : LMTP_DEAD;
        break;
    case LMTP_IDLE:
    case LMTP_QUIT:
    case LMTP_DEAD:
        e->state = LMTP_DEAD;
        break;
    }
    /* RFC 5321 3.8: after 421 the server closes, whatever was asked. */
    if (e->reply.code == 421) {
        die_of_reply(e);
    }
}

void lmtp_input(struct lmtp_engine *e, struct slice in)
{
    while (in.len > 0 && e->state != LMTP_DEAD) {
        if (e->state == LMTP_IDLE) {
            e->state = LMTP_DEAD; /* nobody asked: out of step, not to be used again */
            return;
        }
        if (e->out.len > 0) {
            nonsense(e, "a reply that came before its command,");
            return;
        }
        switch (client_reply_feed(&e->reply, &in)) {
        case CLIENT_REPLY_DONE:
            on_reply(e);
            break;
        case CLIENT_REPLY_BAD:
            nonsense(e, "no SMTP reply");
            return;
        case CLIENT_REPLY_MORE:
            break;
        }
    }
}
