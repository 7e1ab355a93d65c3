/* queue/dsn.h - a delivery status notification: the whole message, from what became of its targets.
 *
 * Source  RFC 3464 (fields, in the order of its ABNF), 3461 6 (what to say of whom), 6522
 *         (multipart/report), 3834 (Auto-Submitted), 2047 (Subject), 6533 (addresses in UTF-8).
 * Pure    values in, octets out.
 * Text    first for people, in each language asked for: what happened, why, what to do, and the
 *         other server's own words; then message/delivery-status; then the message or its header.
 * ASCII   all of it, whatever came in, but for the message returned (eight_bit tells) and a sender whose
 *         address is UTF-8 (utf8 tells: it needs SMTPUTF8). Other octets of replies and names are
 *         escaped; UTF-8 addresses are of type utf-8, in utf-8-addr-xtext.
 * Own     borrows everything during the call.
 * Limits  the buffer's own; at most DSN_LANGUAGES_MAX languages.
 * BUGS    it does not decide whether anything is to be sent: never to the null reverse-path, and only
 *         as NOTIFY allows (dsn_wanted). */
#ifndef QUEUE_DSN_H
#define QUEUE_DSN_H
#include "base/buf.h"
#include "base/id.h"

enum { DSN_LANGUAGES_MAX = 3 };

enum dsn_action { DSN_FAILED = 0, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED, DSN_EXPANDED };

/* What a person is told of one target in one language; UTF-8, "" where there is nothing to say. */
struct dsn_page {
    const char *title, *cause, *remedy;
};

struct dsn_target {
    struct slice given; /* as in RCPT */
    struct slice orcpt; /* "rfc822;a@b", xtext undone; empty: none was given */
    enum dsn_action action;
    struct slice status; /* "5.1.1"; empty: of the action, x.0.0 */
    struct slice remote; /* the host that said it; empty: none, the reply is ours */
    struct slice reply;  /* "550 5.1.1 no such user"; may be empty */
    uint64_t attempt_ms; /* last attempt, wall; 0: none */
    uint64_t until_ms;   /* delayed: tried until then; 0: unknown */
    struct dsn_page page[DSN_LANGUAGES_MAX];
};

/* Words of catalogue/explain/words.tsv, "dsn-..." */
struct dsn_words {
    const char *(*word)(void *arg, const char *id, const char *language);
    void *arg;
};

struct dsn {
    struct slice hostname; /* ours */
    struct message_id id;  /* of this notification: Message-ID, boundary */
    uint64_t now_ms;
    struct slice to;    /* the reverse-path, not empty */
    struct slice envid; /* decoded; empty: none */
    uint64_t arrival_ms;
    struct message_id about; /* the message it tells of */
    struct slice subject;    /* of it, decoded to UTF-8; empty: unknown */
    const char *language[DSN_LANGUAGES_MAX];
    unsigned language_n; /* at least 1 */
    const struct dsn_target *target;
    unsigned target_n;     /* at least 1 */
    struct slice original; /* the message returned, or its header section; may be empty */
    bool full;             /* original is the whole message */
    bool original_utf8;    /* it came with SMTPUTF8 */
    struct dsn_words words;
};

struct dsn_needs {
    bool utf8, eight_bit;
};

/* Appends the message with CRLF line ends; false: b->failed. */
bool dsn_write(const struct dsn *d, struct buf *b, struct dsn_needs *needs);

/* May a target with that NOTIFY ("NEVER", "SUCCESS,DELAY" ...; empty: not given) be told of in a
 * DSN? RFC 3461 4.1: without NOTIFY, of failure, and of delay as we see fit. */
MUST_USE bool dsn_wanted(struct slice notify, enum dsn_action action);

/* Which of our languages to write in: those that an Accept-Language or Content-Language value names,
 * best first, else fallback; English is always among them. Returns how many. have: have_n of ours.*/
MUST_USE unsigned dsn_languages(struct slice wanted, const char *fallback,
                                const char *const *have, unsigned have_n,
                                const char *out[DSN_LANGUAGES_MAX]);
#endif
