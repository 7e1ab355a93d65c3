/* content/tnef.h - files within a winmail.dat.
 *
 * Source  [MS-OXTNEF]: a signature, a key, then attributes (level, id, length, data, checksum); an attachment
 *         begins with attAttachRenddata and has its short name in attAttachTitle, its octets in attAttachData, the
 *         rest, with its long name, as properties (2.1.3.4, [MS-OXCDATA] 2.11) in attAttachment.
 * Pure    octets in memory in, slices of them out.
 * Own     a file borrows from the octets.
 * Limits  TNEF_NAMES_MAX names of a file; the first that come. */
#ifndef CONTENT_TNEF_H
#define CONTENT_TNEF_H
#include "base/buf.h"

enum { TNEF_NAMES_MAX = 4 };

struct tnef_name {
    struct slice text; /* without its NUL */
    bool wide;         /* UTF-16, little-endian; else of some code page */
};

struct tnef_file {
    struct tnef_name name[TNEF_NAMES_MAX];
    unsigned n;
    struct slice data;
    struct slice inner; /* an attached message, TNEF again; empty: none */
};

struct tnef {
    struct slice rest;
    bool broken; /* what is left is none */
};

MUST_USE bool tnef_is(struct slice octets);
/* octets: tnef_is(). */
struct tnef tnef_open(struct slice octets);
/* The next attachment. False: there is none; t->broken tells whether the file ends as it should. */
MUST_USE bool tnef_next(struct tnef *t, struct tnef_file *out);
/* As UTF-8 (of a code page: as it is). */
void tnef_name_text(const struct tnef_name *name, struct buf *out);
#endif
