/* filter/rspamd.h - what goes to rspamd and what comes back.
 *
 * Source  rspamd's documentation, "Protocol": POST /checkv2, the envelope in header fields, the message
 *         as the body; the answer is an object of JSON.
 * Pure    octets in, octets and a verdict out (jansson reads the answer).
 * Own     a verdict owns what it points to until rspamd_verdict_clear().
 * Errors  rspamd_read(): false, and why in a few words: the answer is none that can be judged by.
 * Limits  RSPAMD_ANSWER_MAX octets of answer; symbols and fields beyond their room are left out. */
#ifndef FILTER_RSPAMD_H
#define FILTER_RSPAMD_H
#include "base/buf.h"
#include "filter/state.h"

enum {
    RSPAMD_REQUEST_MAX = 512 * 1024, /* the head, with its recipients */
    RSPAMD_ANSWER_MAX = 1024 * 1024,
    RSPAMD_FIELDS_MAX =
        64 * 1024,             /* octets of fields to add, likewise of names to drop */
    RSPAMD_SYMBOLS_MAX = 1000, /* octets of text */
    RSPAMD_TEXT_MAX = 200,
};

/* By severity. "discard" is read as reject, so that nothing vanishes without a word; "quarantine",
 * for which there is no place, as add header. */
enum rspamd_action {
    RSPAMD_NO_ACTION = 0,
    RSPAMD_GREYLIST,
    RSPAMD_ADD_HEADER,
    RSPAMD_REWRITE_SUBJECT,
    RSPAMD_SOFT_REJECT,
    RSPAMD_REJECT,
};
const char *rspamd_action_name(enum rspamd_action action); /* "add header" */

struct rspamd_verdict {
    enum rspamd_action action;
    bool greylisted; /* a soft reject that its greylisting module asks for */
    double score, required;
    size_t symbols_len, message_len;
    char symbols
        [RSPAMD_SYMBOLS_MAX]; /* "GTUBE(0.00) ...", heaviest first; printable ASCII */
    char message[RSPAMD_TEXT_MAX]; /* what it wants the sender to be told; the same */
    struct buf subject;            /* rewritten; empty: none */
    struct buf add;                /* whole fields, each with its CRLF */
    struct buf drop;               /* names of fields to take away, each with LF behind */
};

void rspamd_verdict_init(struct rspamd_verdict *v);
void rspamd_verdict_clear(struct rspamd_verdict *v);
MUST_USE bool rspamd_read(struct slice json, struct rspamd_verdict *out,
                          const char **why);

/* The request: head, any number of chunks, the end. */
void rspamd_begin(struct buf *out, struct slice host);
/* A field. What would break the head (control octets) is left out, and so is an empty value. */
void rspamd_field(struct buf *out, const char *name, struct slice value);
void rspamd_head_end(struct buf *out);
/* What stands before so many octets (more than 0) of the message; behind them stands RSPAMD_CHUNK_END. */
enum { RSPAMD_CHUNK_HEAD_MAX = 24 };
struct slice rspamd_chunk_head(size_t len, char out[RSPAMD_CHUNK_HEAD_MAX]);
#define RSPAMD_CHUNK_END SLICE("\r\n")
#define RSPAMD_END       SLICE("0\r\n\r\n")

struct rspamd_report {
    enum filter_state state;
    const char *why; /* static */
    struct rspamd_verdict verdict;
};
#endif
