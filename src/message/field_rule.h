/* message/field_rule.h - what the standards say of fields by name: how often they may stand in a
 * header section, what their values may be, where encoded words and octets above 127 may stand.
 *
 * Source  RFC 5322 3.6 (its table) and 3.6.1 to 3.6.7; RFC 2045 4, 5, 6.1, 7, 8, RFC 2183 2; RFC 2047
 *         5; RFC 6532 3. Of trace fields RFC 5321 4.4 says: "receiving systems MUST NOT reject mail based
 *         on the format of a trace header field": field_is_trace() tells them apart.
 * Pure    octets in, faults out.
 * Own     faults are static strings.
 * Lenient beside obsolete syntax: recipient fields and Reply-To may be empty, and have names with an
 *         "@" not quoted and words without a domain; the words of a Received field may be any
 *         (RFC 5322 wants as much), and its date is all that is read; parameters of Content-Type and -Disposition
 *         may be anything (mime_scan.h reads them); message/date_time.h, message/msg_id.h. */
#ifndef MESSAGE_FIELD_RULE_H
#define MESSAGE_FIELD_RULE_H
#include "base/slice.h"

enum field_kind {
    FIELD_TEXT = 0, /* unstructured */
    FIELD_DATE,
    FIELD_AUTHORS,   /* From: at least one whole address */
    FIELD_AUTHOR,    /* Sender: one */
    FIELD_ADDRESSES, /* To: addresses, perhaps none */
    FIELD_ID,
    FIELD_IDS,
    FIELD_VERSION,  /* MIME-Version */
    FIELD_ENCODING, /* Content-Transfer-Encoding */
    FIELD_TYPE,     /* Content-Type */
    FIELD_DISPOSITION,
    FIELD_RECEIVED,
    FIELD_PATH, /* Return-Path */
    FIELD_KINDS,
};

struct field_rule {
    struct slice name;
    bool once; /* in a header section */
    enum field_kind kind;
};

/* NULL: no rule is known; such a field is unstructured, as often as it likes. */
MUST_USE const struct field_rule *field_rule(struct slice name);

/* The n-th rule; NULL behind the last. */
MUST_USE const struct field_rule *field_rule_n(unsigned n);

/* What says where a message came along, and is not its author's. */
MUST_USE static inline bool field_is_trace(enum field_kind kind)
{
    return kind == FIELD_RECEIVED || kind == FIELD_PATH;
}

/* Is the value what the kind wants? NULL, or what is wrong. */
MUST_USE const char *field_fault(enum field_kind kind, struct slice value);

/* Does an encoded word stand where none may: in an address, an identifier, a date, a token? In
 * quoted strings and parameters none may either, but there honest mail has them. */
MUST_USE bool field_encoded_word(enum field_kind kind, struct slice value);

/* Octets above 127 in the value. */
enum field_8bit {
    FIELD_ASCII = 0, /* none */
    FIELD_8BIT_TEXT, /* only in text: a display name, a comment, a parameter, an unstructured
                         field */
    FIELD_8BIT_TOKEN, /* where only SMTPUTF8 allows them: in an address or identifier */
    FIELD_8BIT_NEVER, /* where nothing allows them: in a date, a version, a type or encoding */
};
MUST_USE enum field_8bit field_8bit(enum field_kind kind, struct slice value);

/* Octets of a value as people count them: without line ends, and blanks at its ends. */
MUST_USE size_t field_value_len(struct slice value);
#endif
