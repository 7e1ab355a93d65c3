/* senderauth/dkim_tags.h - tag=value lists and the small values in them.
 *
 * Source  RFC 6376 3.2 (lists), 2.10 and 2.11 (base64, quoted-printable), 8616 (UTF-8 values).
 * Pure.
 * Own     tags borrow from the list.
 * Limits  DKIM_TAGS_MAX tags. */
#ifndef SENDERAUTH_DKIM_TAGS_H
#define SENDERAUTH_DKIM_TAGS_H
#include "base/buf.h"

enum { DKIM_TAGS_MAX = 64 };

struct dkim_tag {
    struct slice name;
    struct slice value; /* without white space at its ends; folds inside stay */
    struct slice span;  /* all from behind "=" to before ";" */
};
struct dkim_tags {
    struct dkim_tag tag[DKIM_TAGS_MAX];
    unsigned n;
};

/* NULL: fine. Else what is wrong (static), and *at: where. A tag that stands twice makes a list
 * invalid. */
MUST_USE const char *dkim_tags_parse(struct slice list, struct dkim_tags *out,
                                     struct slice *at);
/* NULL: there is none of that name (case counts). */
MUST_USE const struct dkim_tag *dkim_tags_get(const struct dkim_tags *t,
                                              const char *name);

/* s without SP, HTAB, CR, LF at both ends. C's isspace() is wrong here: VT and FF are octets. */
MUST_USE struct slice dkim_trim(struct slice s);

/* Takes the next item off a list like h=, s=, t= ("a : b"): false at the end. Items may be
 * empty. *rest begins as the whole value; its ptr is NULL when the last was taken. */
MUST_USE bool dkim_list_next(struct slice *rest, unsigned char separator,
                             struct slice *item);
MUST_USE bool dkim_list_has(struct slice list, struct slice item);

/* Base64 with white space anywhere; padding at its end may be missing, as the grammar allows.
 * Appends; false: it is no base64, or out is full. */
MUST_USE bool dkim_base64(struct slice s, struct buf *out);
/* dkim-quoted-printable; false: an "=" that begins no octet. */
MUST_USE bool dkim_qp(struct slice s, struct buf *out);
/* Decimal digits, with any number of leading zeros; what passes 64 bits is UINT64_MAX. */
MUST_USE bool dkim_number(struct slice s, uint64_t *out);
#endif
