/* trace/record.h - what a role tells the trace store of one session or message (pure).
 *
 * A record is everything known at one time about one session: who (session id), when,
 * what happened (events, each a word and named values), and under which keys (client
 * address, mail addresses) `postern why` shall find it. Sessions send one record at their
 * end (and one whenever trace_due()); queue and delivery send one per attempt, under the
 * id of the session that brought the message.
 *
 * Layout  (base/wire.h) u8 version 1; u64 session; u64 wall ms; u16 key count; per key:
 *         u8 enum trace_key, text; then events to the end: u8 enum trace_kind, u32 ms
 *         after the record's time, u32 n of the message (0: the session), u8 field count,
 *         per field: text name, text value.
 * Never   passwords, AUTH responses and initial responses, tokens, message bodies, in
 *         whatever form (base64 is no disguise). The rule for who writes: a value is what
 *         the server understood (verb, mechanism, address, limit), never the line as it
 *         came. Of AUTH only the mechanism; of an unknown or over-long command only its
 *         verb (a client out of step sends its password there); during an AUTH exchange
 *         and during message data nothing at all. The store cannot tell the difference
 *         and keeps what it is given.
 * Pure    no I/O, clock or globals. Writing allocates only when a buffer grows.
 * Own     the writer owns its buffers until trace_clear(); names and values are copied.
 * Limits  TRACE_RECORD_MAX octets a record, TRACE_KEYS_MAX keys (equal ones count once).
 *         Names are cut at TRACE_NAME_MAX, values at TRACE_VALUE_MAX, keys at
 *         TRACE_KEY_MAX. An event that does not fit, and every one after it, is left out;
 *         a note says how many.
 * Errors  writing has none. A malformed record is its sender's fault (trace_valid()). */
#ifndef TRACE_RECORD_H
#define TRACE_RECORD_H
#include "base/fields.h"
#include "base/id.h"
#include "base/wire.h"

enum {
    TRACE_VALUE_MAX = 1024,
    TRACE_NAME_MAX = 64,
    TRACE_KEY_MAX = 320,     /* a mail address: 64 + "@" + 255 */
    TRACE_SPLIT = 32 * 1024, /* octets: send what there is and go on in a new record */
    TRACE_RECORD_MAX = 60 * 1024, /* fits a MSG_TRACE */
    TRACE_KEYS_MAX = 128,
};

enum trace_key { TRACE_KEY_IP = 1, TRACE_KEY_ADDRESS };

/* What happened, and which fields say more:
 * connect    ip port service listener
 * tls        version cipher, and of a client's certificate: subject fingerprint
 * command    verb argument (as it came, as far as harmless); verb "?": an unknown one
 * reply      row code status text, and its evidence; answers the command before it
 * check      name verdict (pass observe spare defer reject close) row, and its evidence
 * accepted   id size recipients from, to (one field per recipient, as many as fit)
 * close      reason
 * queued     to (a recipient handed to the queue) target (where that differs: its mailbox)
 * delivered  to target transport where reply
 * deferred   to target reply next (wall ms)
 * failed     to target reply
 * held, released, removed   to target reply by
 * bounced, complained   to account reply class action by (id of the mail that came back): what
 *            was heard of a recipient after the delivery
 * note       text
 * dns        type name (of a question) result; data (of up to 8 records), records (how many, of
 *            more) why (there is no answer) secure (yes) ms (it took)
 * sender     method (SPF ...) name (of whom) result what record: who sent the message */
/* clang-format off */
#define TRACE_KINDS(X)                                                            \
    X(connect) X(tls) X(command) X(reply) X(check) X(accepted) X(close) X(queued) \
    X(delivered) X(deferred) X(failed) X(held) X(released) X(removed) X(note) \
    X(dns) X(sender) X(bounced) X(complained)
/* clang-format on */
#define X(k) TRACE_##k,
enum trace_kind { TRACE_NONE = 0, TRACE_KINDS(X) TRACE_KIND_COUNT };
#undef X
const char *trace_kind_name(enum trace_kind kind);

struct trace_writer {
    struct buf events;
    struct buf keys;
    uint64_t session, start_ms;
    unsigned key_n, dropped, keys_dropped;
};

void trace_init(struct trace_writer *w, uint64_t session, uint64_t now_ms);
void trace_clear(struct trace_writer *w);
/* Letters are lowered (ASCII). An empty key, or one that is there already, changes
 * nothing. */
void trace_key(struct trace_writer *w, enum trace_key kind, struct slice key);
void trace_event(struct trace_writer *w, enum trace_kind kind, uint64_t now_ms,
                 uint32_t n, const struct fields *fields);
/* Time to trace_take() and go on in a new record: call between two commands. */
MUST_USE bool trace_due(const struct trace_writer *w);
MUST_USE bool trace_empty(const struct trace_writer *w);
/* The record so far into out (appended; nothing when there is nothing to say; out->failed
 * when it has no room); the writer starts over at now_ms, with the same session and no
 * keys. */
void trace_take(struct trace_writer *w, uint64_t now_ms, struct buf *out);

/* Reading, for the store and for `postern why`. Slices borrow from the record. */
struct trace_reader {
    struct wire_reader r;
    uint64_t session, start_ms;
    unsigned key_n; /* keys not read yet; trace_next() skips them */
};
struct trace_view {
    enum trace_kind kind;
    uint64_t ms; /* wall */
    uint32_t n;
    unsigned field_n;
    struct {
        struct slice name, value;
    } field[FIELDS_MAX];
};
MUST_USE bool trace_open(struct slice record, struct trace_reader *out);
MUST_USE bool trace_next_key(struct trace_reader *r, enum trace_key *kind,
                             struct slice *key);
/* False at the end; then r->r.failed tells whether the record was malformed. */
MUST_USE bool trace_next(struct trace_reader *r, struct trace_view *out);
/* All of it can be read to its end. */
MUST_USE bool trace_valid(struct slice record);
/* The value of the first field of that name; false when there is none. */
MUST_USE bool trace_get(const struct trace_view *v, const char *name,
                        struct slice *value);
#endif
