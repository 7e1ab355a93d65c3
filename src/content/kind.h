/* content/kind.h - what kind of file is it, by its name and by its Content-Type?
 *
 * Source  catalogue/attachments.tsv, compiled in by tools/gen-attachments.py.
 * Pure. By content: content/sniff.h. */
#ifndef CONTENT_KIND_H
#define CONTENT_KIND_H
#include "base/slice.h"
#include "content/kinds.h" /* generated: enum content_kind { KIND_NONE = 0, ... KIND_N } */

struct kind_row {
    const char *id;   /* "windows-program" */
    const char *text; /* "program for Windows" */
    bool block;       /* refused unless settings say otherwise */
};
struct kind_word {
    const char *word;
    enum content_kind kind;
};
extern const struct kind_row kind_rows[KIND_N];
extern const struct kind_word kind_extensions[], kind_types[]; /* sorted */
extern const unsigned kind_extensions_n, kind_types_n;

enum { KIND_EXTENSION_MAX = 64 };

/* The extension by which a system would open the file, in lower case, without its dot: of what
 * stands behind the last slash or backslash, without blanks, dots and invisible characters at
 * its end, and before a NUL or a colon (a stream of NTFS). Empty: there is none. */
MUST_USE struct slice kind_extension(struct slice name, char out[KIND_EXTENSION_MAX]);

/* KIND_OVERRIDE for a name with U+202D or U+202E, which show "exe.pdf" for "fdp.exe". */
MUST_USE enum content_kind kind_by_name(struct slice name);
MUST_USE enum content_kind kind_by_type(struct slice type); /* in lower case */

/* Of an archive or compressed file: "zip", "tgz" ... */
MUST_USE bool kind_names_archive(struct slice name);
/* KIND_NONE: no kind has that id. */
MUST_USE enum content_kind kind_by_id(struct slice id);
#endif
