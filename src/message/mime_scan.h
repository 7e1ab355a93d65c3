/* message/mime_scan.h - a message watched while it arrives: its entities, their names and decoded
 * content, and what is wrong with its structure.
 *
 * Source  RFC 2045, 2046 (entities, boundaries, transfer encodings), 2183 (disposition), 2231
 *         (parameters); uuencode as POSIX has it.
 * Pure    octets in, callbacks out.
 * Input   the message from its first octet, header section included; CRLF line ends, LF likewise.
 * Split   what is told does not depend on how the input is cut; only content comes in other
 *         pieces.
 * Own     an entity's slices are valid until the callback returns.
 * Lenient there is no input that is an error. Where mail readers differ the reading that shows
 *         more is taken, and what is wrong is told as a defect.
 * Limits  memory: 64 KiB of header fields, their names, and a few KiB an entity that is open;
 *         time linear in octets times depth. */
#ifndef MESSAGE_MIME_SCAN_H
#define MESSAGE_MIME_SCAN_H
#include "message/decode.h"
#include "message/params.h"

enum {
    MIME_SCAN_DEPTH_MAX = 64,         /* of mime_scan_limits.depth */
    MIME_SCAN_HEADER_MAX = 64 * 1024, /* octets of Content- fields of one entity */
    MIME_SCAN_BOUNDARY_MAX = 250,     /* octets; RFC 2046 5.1.1 allows 70 */
    MIME_SCAN_PREAMBLE_MAX = 1000,    /* octets that need no mention */
};

/* name, whether a receiver should refuse for it, what it is. The severe ones leave readers to
 * differ about what the message holds; the others are seen in mail that means no harm. */
/* clang-format off */
#define MIME_DEFECTS(X) \
    X(BOUNDARY_MISSING,   true,  "a multipart names no boundary") \
    X(BOUNDARY_TWO,       true,  "a multipart names two boundaries") \
    X(BOUNDARY_TOO_LONG,  true,  "the boundary of a multipart is too long") \
    X(BOUNDARY_ODD,       false, "a boundary has octets that it may not have, or is longer than 70") \
    X(BOUNDARY_REPEATED,  true,  "a multipart has the boundary of one around it") \
    X(BOUNDARY_ABSENT,    true,  "the boundary of a multipart never comes") \
    X(BOUNDARY_TRAILED,   true,  "a boundary line goes on behind the boundary") \
    X(NOT_CLOSED,         false, "a multipart has no closing boundary") \
    X(PART_AFTER_CLOSE,   true,  "a part follows the closing boundary of its multipart") \
    X(PREAMBLE,           false, "there is text before the first part of a multipart") \
    X(EPILOGUE,           false, "there is text behind the last part of a multipart") \
    X(TYPE_REPEATED,      true,  "an entity has two Content-Type fields that differ") \
    X(TYPE_INVALID,       false, "a Content-Type is no type/subtype") \
    X(ENCODING_REPEATED,  true,  "an entity has two Content-Transfer-Encoding fields that differ") \
    X(ENCODING_UNKNOWN,   false, "a Content-Transfer-Encoding is none that is known") \
    X(MULTIPART_ENCODED,  true,  "a multipart is itself encoded in base64") \
    X(MESSAGE_ENCODED,    false, "a multipart or an attached message is itself encoded") \
    X(HEADER_BROKEN,      true,  "the header of a part has a line that is no field") \
    X(HEADER_8BIT,        false, "a Content- field has octets beyond ASCII") \
    X(HEADER_TOO_LARGE,   true,  "the Content- fields of an entity are too large") \
    X(HEADER_UNENDED,     false, "the header of a part ends at a boundary") \
    X(BASE64_JUNK,        false, "base64 with octets that do not belong to it") \
    X(BASE64_AFTER_END,   false, "base64 that goes on behind its end") \
    X(NAMES_DIFFER,       false, "a file name has pieces missing or said twice") \
    X(NAMES_TOO_MANY,     true,  "an entity has too many file names, or too long ones") \
    X(TOO_DEEP,           true,  "entities are nested too deep") \
    X(TOO_MANY,           true,  "the message has too many parts")
/* clang-format on */

#define X(name, severe, text) MIME_DEFECT_##name,
enum mime_defect { MIME_DEFECTS(X) MIME_DEFECT_N };
#undef X
const char *mime_defect_text(enum mime_defect d);
MUST_USE bool mime_defect_severe(enum mime_defect d);

struct mime_entity {
    unsigned index;    /* 0: the message itself; counts up in the order of the message */
    unsigned depth;    /* 0: the message itself */
    unsigned parent;   /* index */
    bool attached;     /* within an attached message: somebody else may have made it */
    bool composite;    /* made of entities that follow; has no content of its own */
    struct slice type; /* "text/plain": lower case, without comments */
    struct slice params;      /* of Content-Type, as written */
    struct slice disposition; /* "attachment", lower case; empty: none is stated */
    enum mime_encoding encoding;
    const struct mime_names *names; /* all candidates */
};

enum mime_want {
    MIME_SKIP = 0, /* no content, please */
    MIME_CONTENT,
    MIME_MESSAGE /* the content is a message: its entities, please, beside it */
};

/* Each may be NULL. begin and end nest: what begins between belongs to it, but for a uuencoded
 * file, which stands in the middle of a text whose content goes on. */
struct mime_scan_events {
    enum mime_want (*begin)(void *arg, const struct mime_entity *e);
    /* Decoded octets of a leaf; false: no more of it, please. */
    bool (*content)(void *arg, unsigned index, struct slice octets);
    void (*end)(void *arg, unsigned index);
    /* attached: found within an attached message */
    void (*defect)(void *arg, enum mime_defect d, bool attached);
};

struct mime_scan_limits {
    unsigned depth; /* entities within each other, at least 1 */
    unsigned parts; /* entities in all */
};

struct mime_scan;
MUST_USE struct mime_scan *mime_scan_new(const struct mime_scan_limits *limits,
                                         const struct mime_scan_events *events,
                                         void *arg);
void mime_scan_free(struct mime_scan **scan);

/* False: memory is short; what is told from then on is not complete. */
MUST_USE bool mime_scan_feed(struct mime_scan *scan, struct slice in);
/* The message is over: ends what is open. */
MUST_USE bool mime_scan_end(struct mime_scan *scan);

/* Octets of memory that it holds. */
MUST_USE size_t mime_scan_memory(const struct mime_scan *scan);
#endif
