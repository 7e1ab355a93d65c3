/* trace/record.h - what a role tells the trace store of one session or message (pure).
 *
 * A record is everything known at one time about one session: who (session id), when, what
 * happened (events, each a word and named values), and under which keys (client address,
 * mail addresses) `postern why` shall find it. Sessions send one record at their end (and
 * one at every TRACE_SPLIT octets); queue and delivery send one per attempt, under the id of
 * the session that brought the message.
 *
 * Layout  (base/wire.h) u8 version 1; u64 session; u64 wall ms; u16 key count; per key: u8
 *         enum trace_key, text; then events to the end: u8 enum trace_kind, u32 ms after the
 *         record's time, u32 n of the message (0: the session), u8 field count, per field:
 *         text name, text value.
 * Never   passwords, AUTH responses, message bodies. Values are cut at TRACE_VALUE_MAX. */
#ifndef TRACE_RECORD_H
#define TRACE_RECORD_H
#include "base/fields.h"
#include "base/id.h"
#include "base/wire.h"

enum {
    TRACE_VALUE_MAX = 1024,
    TRACE_SPLIT = 32 * 1024,      /* octets: send what there is and go on in a new record */
    TRACE_RECORD_MAX = 60 * 1024, /* fits a MSG_TRACE; later events are dropped, counted */
    TRACE_KEYS_MAX = 128,
};

enum trace_key { TRACE_KEY_IP = 1, TRACE_KEY_ADDRESS };

/* Name, and what it says with which fields:
 * connect   ip port service listener            | tls      version cipher
 * command   verb argument (as far as harmless)  | reply    row code status text, and its evidence
 * check     name verdict row, and its evidence  | accepted id size recipients from, to...
 * close     reason                              | queued   to (a recipient handed to the queue)
 * delivered to transport where reply            | deferred to reply next
 * failed    to reply                            | held by  | released by | removed by
 * note      text */
#define TRACE_KINDS(X)                                                                   \
    X(connect) X(tls) X(command) X(reply) X(check) X(accepted) X(close) X(queued)        \
    X(delivered) X(deferred) X(failed) X(held) X(released) X(removed) X(note)
#define X(k) TRACE_##k,
enum trace_kind { TRACE_NONE = 0, TRACE_KINDS(X) TRACE_KIND_COUNT };
#undef X

struct trace_writer {
    struct buf events;
    struct buf keys;
    uint64_t session, start_ms;
    unsigned key_n, dropped;
};

void trace_init(struct trace_writer *w, uint64_t session, uint64_t now_ms);
void trace_clear(struct trace_writer *w);
void trace_key(struct trace_writer *w, enum trace_key kind, struct slice key);
void trace_event(struct trace_writer *w, enum trace_kind kind, uint64_t now_ms, uint32_t n,
                 const struct fields *fields);
/* The record so far into out (appended); the writer starts over at now_ms. */
void trace_take(struct trace_writer *w, uint64_t now_ms, struct buf *out);

/* Reading, for the store and for `postern why`. Slices borrow from the record. */
struct trace_reader {
    struct wire_reader r;
    uint64_t session, start_ms;
    unsigned key_n; /* keys not read yet: read them all before the first event */
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
MUST_USE bool trace_next_key(struct trace_reader *r, enum trace_key *kind, struct slice *key);
/* False at the end; then r->r.failed tells whether the record was malformed. */
MUST_USE bool trace_next(struct trace_reader *r, struct trace_view *out);
#endif
