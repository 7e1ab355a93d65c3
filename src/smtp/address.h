/* smtp/address.h - paths of MAIL and RCPT, domains and address literals.
 *
 * Source  RFC 5321 4.1.2 (ABNF pasted above each function in address.c), 4.1.3; RFC 6531 3.3
 *         (UTF-8 in local part and domain, where the caller allows it).
 * Pure    no I/O, allocation, globals or locale.
 * Own     slices borrow from the input.
 * Limits  RFC 5321 4.5.3.1: local part 64 octets, domain 255, path 256 with its brackets;
 *         labels 63 (RFC 1035 2.3.4), those in UTF-8 none of their own: the 63 octets are of the
 *         A-label, and a U-label may be longer (RFC 5890 4.2). A source route counts for none.
 * Lenient "::" may stand for a single group (RFC 4291 2.2; RFC 5321 4.1.3 wants two). */
#ifndef SMTP_ADDRESS_H
#define SMTP_ADDRESS_H
#include "base/slice.h"

enum { SMTP_LOCAL_MAX = 64, SMTP_DOMAIN_MAX = 255, SMTP_PATH_MAX = 256 };

struct smtp_path {
    struct slice mailbox; /* local@domain as typed, without route and brackets */
    struct slice local;   /* as typed: a quoted string keeps its quotes */
    struct slice domain;  /* "" for <> and for <postmaster> */
    bool literal;         /* domain is an address literal, brackets included */
    bool utf8;            /* octets above 127, the route included: SMTPUTF8 needed */
    size_t used;          /* octets of input, brackets included */
};

/* What is wrong, in words for the refusal; NULL when nothing is. */
typedef const char *smtp_fault;

/* A path in angle brackets at the start of in. null_ok: <> is allowed (MAIL);
 * postmaster_ok: a bare <postmaster> is (RCPT). *out is written only when NULL comes back. */
MUST_USE smtp_fault smtp_path_take(struct slice in, bool null_ok, bool postmaster_ok,
                                   struct smtp_path *out);

/* May it stand between "<" and ">" in a command, and end neither the path nor the line? At most max
 * octets, no control octets; blanks and angles only inside a quoted string. The grammar is not
 * checked. */
MUST_USE bool smtp_path_can_be_sent(struct slice mailbox, size_t max);

/* Is all of s a domain (letters, digits, hyphen, underscore; A-labels or, with utf8, U-labels)?
 * Underscores are no host names by RFC 1123, but too many honest clients have them. */
MUST_USE smtp_fault smtp_domain_check(struct slice s, bool utf8);

/* Is all of s an address literal in brackets: [192.0.2.1], [IPv6:2001:db8::1]? */
MUST_USE smtp_fault smtp_literal_check(struct slice s);

/* The local part without quotes and quoted pairs into out[SMTP_LOCAL_MAX]: what the mailbox
 * is called. Two spellings of one mailbox give the same octets (RFC 5321 4.1.2). */
struct slice smtp_local_unquote(struct slice local, unsigned char out[SMTP_LOCAL_MAX]);

/* Well-formed UTF-8 (RFC 3629), no overlong forms, no surrogates. */
MUST_USE bool smtp_utf8_ok(struct slice s);
#endif
