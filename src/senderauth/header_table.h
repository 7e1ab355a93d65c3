/* senderauth/header_table.h - the fields of a header section, found by name from the bottom up,
 * and their canonical forms.
 *
 * Source  RFC 6376 3.4.1, 3.4.2 (canonical header fields), 5.4.2 (which of several is signed).
 * Pure.
 * Own     borrows the header section until header_table_clear().
 * Limits  HEADER_TABLE_MAX fields; a section of more has none at all, and says so. */
#ifndef SENDERAUTH_HEADER_TABLE_H
#define SENDERAUTH_HEADER_TABLE_H
#include "base/slice.h"

enum { HEADER_TABLE_MAX = 10000 };
#define HEADER_NONE UINT32_MAX /* no field */

struct header_ref {
    struct slice raw;            /* with its CRLF, unless the section ends without one */
    uint32_t name_len, value_at; /* octets of raw; value_at: behind the colon */
    uint32_t line;               /* of the section, from 1 */
};

struct header_group; /* the fields of one name */
struct header_table {
    struct header_ref *field; /* n, from the top */
    uint32_t n, group_n;
    uint32_t *order; /* the fields by name, each name's from the bottom */
    struct header_group *group;
    bool too_many;
};

/* Cuts the section (header_field_next()); a leading line "From " that some programs leave from a
 * mailbox is passed over. False: no memory. */
MUST_USE bool header_table_init(struct header_table *t, struct slice section);
void header_table_clear(struct header_table *t);

MUST_USE struct slice header_ref_name(const struct header_ref *f);
MUST_USE struct slice
header_ref_value(const struct header_ref *f); /* without last CRLF */

/* The lowest field of that name (case ignored) that was not taken since the last rewind, as an
 * index; HEADER_NONE: there is none (left). */
MUST_USE uint32_t header_table_take(struct header_table *t, struct slice name);
void header_table_rewind(struct header_table *t);
/* The highest field of that name, or HEADER_NONE. */
MUST_USE uint32_t header_table_top(const struct header_table *t, struct slice name);
/* How many fields have that name. */
MUST_USE uint32_t header_table_count(const struct header_table *t, struct slice name);

/* Gives the canonical octets of a field piece by piece to `add`. The octets of `cut` (a part of
 * raw, or empty) are left out, as of a signature's own b=; `last`: without the CRLF at the end. */
typedef void header_sink(void *arg, struct slice piece);
void header_canon(const struct header_ref *f, bool relaxed, struct slice cut, bool last,
                  header_sink *add, void *arg);
#endif
