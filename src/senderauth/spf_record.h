/* senderauth/spf_record.h - an SPF record cut into its terms.
 *
 * Source  RFC 7208 4.5 (which TXT is a record), 4.6.1, 5, 6, 7.1 (ABNF, pasted in spf_record.c), 12.
 * Pure    no I/O, allocation, globals or locale.
 * Own     slices borrow from the record.
 * Limits  none of its own: a record of any length is walked in one pass, without recursion. */
#ifndef SENDERAUTH_SPF_RECORD_H
#define SENDERAUTH_SPF_RECORD_H
#include "base/netset.h"
#include "base/slice.h"

enum spf_kind {
    SPF_ALL = 0,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP4,
    SPF_IP6,
    SPF_EXISTS,
    SPF_REDIRECT, /* modifiers from here on */
    SPF_EXP,
    SPF_OTHER, /* a modifier that RFC 7208 does not know; means nothing */
};

struct spf_term {
    enum spf_kind kind;
    unsigned char qualifier; /* '+', '-', '~', '?'; of a modifier 0 */
    struct slice text;       /* all of the term, as in the record */
    struct slice spec;       /* its domain-spec, not expanded; "" when there is none */
    struct net net;          /* ip4, ip6 */
    uint8_t bits4, bits6;    /* a, mx: prefix lengths, at most 32 and 128 */
};

/* Is this TXT an SPF record? *terms is then what follows the version. */
MUST_USE bool spf_record_is(struct slice text, struct slice *terms);

/* Takes the next term off *rest. False: nothing is left (*fault NULL), or what stands there
 * is no term (*fault says why, and out->text is it). */
MUST_USE bool spf_term_next(struct slice *rest, struct spf_term *out, const char **fault);

/* The first fault of a whole record, NULL when it has none; *where is the term at fault. */
MUST_USE const char *spf_record_fault(struct slice terms, struct slice *where);

/* One macro of a macro-string: "%{ir.-}" and its like, or one literal octet. */
struct spf_macro {
    unsigned char letter; /* lower case; 0: a literal */
    unsigned char literal;
    bool escape;             /* the letter was upper case: escaped as in a URL */
    bool reverse;            /* 'r' */
    unsigned keep;           /* this many parts from the right; 0: all */
    struct slice delimiters; /* "" means "." */
};

/* Takes the next macro or literal off *rest (of octets, SP too). False: nothing left, or a fault
 * of syntax. A "%_" comes as a literal space, "%-" as three literals "%20". */
MUST_USE bool spf_macro_next(struct slice *rest, struct spf_macro *out,
                             const char **fault);
#endif
