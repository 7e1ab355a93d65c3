/* content/inspect.h - what is in a message, watched while it arrives: attachments and what kind
 * of files they are, also within archives; where links lead; defects of its structure.
 *
 * Source  message/mime_scan.h for the structure, kind.h, sniff.h and unpack.h for the files.
 * I/O     none but the clock (unpack.h).
 * Own     settings and the lists in them outlive the inspection; the report lives in it.
 * Limits  memory: one archive of settings->archive_size and one of archive.octets unpacked, beside
 *         what mime_scan.h holds. */
#ifndef CONTENT_INSPECT_H
#define CONTENT_INSPECT_H
#include "content/links.h"
#include "content/unpack.h"
#include "message/mime_scan.h"

struct inspect_settings {
    struct mime_scan_limits mime;
    uint64_t archive_size; /* octets of an archive that is looked into */
    struct unpack_limits archive;
    /* ids of kinds and extensions of names: refused, or not, whatever kind_rows says; the first
     * goes before the second */
    char *const *block, *const *allow;
    unsigned block_n, allow_n;
};

enum {
    INSPECT_LINKED_MAX = 1024 * 1024
}; /* octets of one text that are searched for links */
enum {
    INSPECT_TEXT_MAX = 256 * 1024, /* octets of text that are kept */
    INSPECT_TEXTS_MAX = 16,
    INSPECT_NAMES_MAX = 200, /* of attachments */
    INSPECT_NAMES_LEN_MAX = 64 * 1024,
};
enum { INSPECT_PLACE_MAX = 512, INSPECT_WHAT_MAX = 160, INSPECT_NOTES_MAX = 512 };

enum inspect_by { BY_NAME = 0, BY_TYPE, BY_CONTENT };

struct inspect_file {
    enum content_kind kind; /* KIND_NONE: an extension of settings->block */
    enum inspect_by by;
    /* "invoice.zip > a/b.exe", in UTF-8 without control characters, cut at its front */
    char place[INSPECT_PLACE_MAX];
    size_t place_len;
    char what[INSPECT_WHAT_MAX]; /* "program for Windows, by its name" */
    size_t what_len;
};

/* A piece of a buffer of the report. */
struct inspect_piece {
    uint32_t at, len;
};

/* What else may be asked for: what rules look at. Costs memory, or time. */
enum inspect_keep { INSPECT_KEEP_TEXT = 1, INSPECT_KEEP_SIZES = 2 };

struct inspect_report {
    unsigned keeps;  /* enum inspect_keep, or'ed */
    struct buf text; /* of texts and HTML (text.h), without attached messages */
    struct inspect_piece texts[INSPECT_TEXTS_MAX];
    unsigned text_n;
    uint64_t largest; /* octets of the largest attachment, decoded */
    struct buf
        names; /* of attachments and their types; each name that one may be read as */
    struct inspect_piece name[INSPECT_NAMES_MAX], type[INSPECT_NAMES_MAX];
    unsigned name_n, type_n;
    uint64_t attachments;
    uint64_t defects;          /* 1 << enum mime_defect, or'ed */
    uint64_t defects_attached; /* the same within attached messages */
    bool refused;
    struct inspect_file file;      /* the first that is refused */
    bool noted[KIND_N];            /* kinds that were seen and are not refused */
    struct links links;            /* of texts and HTML, without attached messages */
    char notes[INSPECT_NOTES_MAX]; /* their ids, with blanks between */
    size_t notes_len;
    char linked
        [INSPECT_NOTES_MAX]; /* registered domains of links, likewise; the first of them */
    size_t linked_len;
};
_Static_assert(MIME_DEFECT_N <= 64, "a bit each");

/* Before the sandbox. False: memory is short. */
MUST_USE bool inspect_prepare(void);

struct inspect;
MUST_USE struct inspect *inspect_new(const struct inspect_settings *settings);
void inspect_free(struct inspect **inspect);

/* Before the first octet. keep: enum inspect_keep, or'ed. */
void inspect_keep(struct inspect *x, unsigned keep);

/* The message from its first octet, header section included. False: memory is short. */
MUST_USE bool inspect_feed(struct inspect *i, struct slice in);
MUST_USE bool inspect_end(struct inspect *i);

MUST_USE const struct inspect_report *inspect_report(const struct inspect *i);
#endif
