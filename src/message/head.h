/* message/head.h - the header section of a message that is being received: kept in memory while
 * the body goes on to the disk, so that at the end of the message fields may still be looked
 * at, taken away and put in at no cost.
 *
 * Source  RFC 5322 2.1, 2.2, 2.2.3 (folding), 4.5 (blanks before the colon).
 * Pure    octets in, fields and octets out.
 * Input   CRLF line ends only (what smtp/dot_decode.h lets through).
 * Split   what is found does not depend on how the input is cut.
 * End     the section ends at an empty line, which belongs to it; at a line that is neither a
 *         field nor folded (message/fields.h sees it the same way), which is the first of the
 *         body; or with the message.
 * Own     the head owns its octets; fields borrow from it, and an insertion moves the array.
 * Limits  what is beyond head_limits is counted, not kept; `over` then says so, and there are no
 *         fields to look at. */
#ifndef MESSAGE_HEAD_H
#define MESSAGE_HEAD_H
#include "base/arena.h"
#include "base/buf.h"
#include "message/fields.h"

enum {
    MESSAGE_HEAD_MAX = 1024 * 1024, /* octets; the most that head_limits may say */
    MESSAGE_FIELDS_MAX = 20000,     /* fields, likewise */
    MESSAGE_ADDED_MAX = 128 * 1024, /* octets put in */
};

struct head_limits {
    size_t octets;
    unsigned fields;
};

enum head_state {
    HEAD_LINE = 0,   /* at the start of a line */
    HEAD_EMPTY_LINE, /* behind its CR */
    HEAD_NAME,
    HEAD_COLON, /* behind the name: blanks, then the colon */
    HEAD_VALUE,
    HEAD_DONE,
};

struct message_head {
    struct head_limits limits;
    uint64_t size;     /* octets of the section, the empty line included, kept or not */
    uint64_t field_n;  /* as received, kept or not */
    bool over;         /* it is beyond its limits */
    bool no_field;     /* a line that is no field ended it */
    bool empty_line;   /* an empty line did */
    unsigned line;     /* of the message: where the body begins */
    struct buf octets; /* as received, without the empty line */

    /* From message_head_end() on; one that was dropped has empty slices. */
    struct header_field *field;
    unsigned n;

    /* Inside. */
    enum head_state state;
    size_t line_start; /* where in octets the line began */
    unsigned room;     /* of field */
    struct arena added;
};

/* limits: at most the maxima above. */
void message_head_init(struct message_head *h, struct head_limits limits);
void message_head_clear(struct message_head *h); /* frees; as after init */

/* Takes what is the header section's off the front of *in. Once h->state is HEAD_DONE the rest is
 * the body, and before it *held: octets taken earlier that turned out to be the body's (valid
 * until the next call for h). */
void message_head_feed(struct message_head *h, struct slice *in, struct slice *held);

/* The section is over, or the message is: makes the fields. False: memory. */
MUST_USE bool message_head_end(struct message_head *h);

/* The next field of that name, without regard to case, from number `from` on; h->n: none. */
MUST_USE unsigned message_head_find(const struct message_head *h, const char *name,
                                    unsigned from);
MUST_USE unsigned message_head_count(const struct message_head *h, const char *name);
MUST_USE static inline bool message_head_has(const struct message_head *h,
                                             const char *name)
{
    return message_head_find(h, name, 0) < h->n;
}

/* Changes, for message_head_write(). Numbers of other fields stay as they are. */
void message_head_drop(struct message_head *h, unsigned i);
void message_head_drop_all(struct message_head *h, const char *name);
/* text: one field, folded as it shall be, with its CRLF; copied. It becomes number `at` (h->n:
 * the last), those behind it move on by one. False: it is no field, or no memory. */
MUST_USE bool message_head_insert(struct message_head *h, unsigned at, struct slice text);

/* All fields as they now stand, and the empty line, if a body follows. */
bool message_head_write(const struct message_head *h, struct buf *out);
#endif
