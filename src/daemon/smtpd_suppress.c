/* daemon/smtpd_suppress.c - see smtpd.h: is the recipient on the suppression list (push), is it a return
 * path of ours (mx)? The queue knows; the check of a recipient waits for its answer. */
#include "base/log.h"
#include "daemon/smtpd.h"
#include "queue/sent.h"
#include "queue/suppress.h"

static const struct check_suppressed nobody_knows = {.res = CHECK_SUPPRESSED_FAULT};

/* The account is the sender: a push account sends under its own address only. False: the queue does
 * not listen. While it is away, suppress_ask_again() or the clock decides. */
static bool send_ask(struct client *c)
{
    struct smtpd *d = c->smtpd;
    struct slice address;
    if (d->queue == NULL) {
        return true;
    }
    if (!mail_rcpt_address(c, &address)) {
        return false;
    }
    buf_reset(&d->scratch);
    bool back = c->listener->service == SERVICE_MX;
    wire_put_u64(&d->scratch, c->suppress_cookie);
    if (!back) {
        wire_put_text(&d->scratch, smtp_session_envelope(c->session)->sender.mailbox);
    }
    wire_put_text(&d->scratch, address);
    return channel_send(d->queue, back ? MSG_RETURN_ASK : MSG_SUPPRESS_ASK,
                        buf_slice(&d->scratch), -1);
}

const struct check_suppressed *suppress_ask(void *arg)
{
    struct client *c = arg;
    struct smtpd *d = c->smtpd;
    if (c->suppressed != NULL || c->suppress_cookie != 0) {
        return c->suppressed;
    }
    c->suppress_cookie = ++d->next_cookie;
    if (!map_put(&d->suppress_asks, map_key_u64(&c->suppress_cookie), c)) {
        c->suppress_cookie = 0;
        return &nobody_knows;
    }
    if (!send_ask(c)) {
        suppress_forget(c);
        return &nobody_knows;
    }
    return NULL;
}

void suppress_forget(struct client *c)
{
    if (c->suppress_cookie != 0) {
        (void)map_take(&c->smtpd->suppress_asks, map_key_u64(&c->suppress_cookie));
        c->suppress_cookie = 0;
    }
    c->suppressed = NULL;
}

static void ask_one(void *arg, struct slice key, void *value)
{
    (void)arg;
    (void)key;
    IGNORE(!send_ask(value)); /* swamped: the clock decides */
}

void suppress_ask_again(struct smtpd *d)
{
    map_each(&d->suppress_asks, ask_one, NULL);
}

/* In the transaction's arena. */
static const struct check_suppressed *keep(struct client *c, uint8_t res,
                                           struct slice what)
{
    struct arena *arena = smtp_session_arena(c->session);
    struct check_suppressed *s = arena_alloc(arena, sizeof *s);
    if (s == NULL || res == SUPPRESS_FAULT || !arena_dup(arena, what, &s->what)) {
        return &nobody_knows;
    }
    s->res = res == SUPPRESS_YES ? CHECK_SUPPRESSED_YES : CHECK_SUPPRESSED_NOT;
    return s;
}

/* back: it is about a return path. False: it is not what was asked. */
static bool take_answer(struct smtpd *d, uint64_t cookie, bool back, uint8_t res,
                        struct slice what)
{
    struct client *c = map_get(&d->suppress_asks, map_key_u64(&cookie));
    if (c == NULL) {
        return true; /* its session ended meanwhile */
    }
    if (back != (c->listener->service == SERVICE_MX)) {
        return false;
    }
    (void)map_take(&d->suppress_asks, map_key_u64(&cookie));
    c->suppress_cookie = 0;
    c->suppressed = keep(c, res, what);
    buf_reset(&d->output);
    rcpt_judge(c);
    if (!c->checks_wait) {
        client_continue(c);
    }
    return true;
}

bool suppress_answer(struct smtpd *d, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    uint64_t cookie = wire_u64(&r);
    uint8_t res = wire_u8(&r);
    struct slice what = wire_text(&r);
    return wire_done(&r) && res <= SUPPRESS_FAULT &&
           take_answer(d, cookie, false, res, what);
}

bool return_answer(struct smtpd *d, struct slice payload)
{
    static const uint8_t as[] = {[SENT_NOT] = SUPPRESS_YES,
                                 [SENT_OLD] = SUPPRESS_YES,
                                 [SENT_YES] = SUPPRESS_NOT,
                                 [SENT_FAULT] = SUPPRESS_FAULT};
    struct wire_reader r = wire_reader_of(payload);
    uint64_t cookie = wire_u64(&r);
    uint8_t res = wire_u8(&r);
    return wire_done(&r) && res < sizeof as &&
           take_answer(d, cookie, true, as[res],
                       res == SENT_OLD ? SLICE("that return path is too old")
                                       : SLICE("that return path is none of ours"));
}
