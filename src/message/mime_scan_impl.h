/* message/mime_scan_impl.h - what mime_scan.c (lines, boundaries, content) and
 * mime_scan_header.c (what an entity says of itself) share. */
#ifndef MESSAGE_MIME_SCAN_IMPL_H
#define MESSAGE_MIME_SCAN_IMPL_H
#include "message/mime_scan.h"
#include "message/uudecode.h"

enum {
    SCAN_HOLD_MAX = 512,        /* octets of a line that may be a boundary */
    SCAN_PIECE_MAX = 16 * 1024, /* octets decoded at once */
    SCAN_KEPT_MAX = 4096,       /* octets of a buffer kept between headers */
};

enum scan_state { SCAN_PREAMBLE = 0, SCAN_PARTS, SCAN_CLOSED };

/* An entity that is open. */
struct scan_level {
    unsigned index;
    bool multipart; /* with a boundary: mark */
    bool digest, attached, composite;
    bool told; /* begin was called */
    enum scan_state state;
    bool extra_told;          /* PREAMBLE or EPILOGUE */
    uint64_t extra_n;         /* octets there but blanks */
    size_t mark_at, mark_len; /* "--" and the boundary, in marks */
};

struct mime_scan {
    struct mime_scan_limits limits;
    const struct mime_scan_events *events;
    void *arg;
    struct mime_scan *root; /* of those that read an encoded message within another */
    unsigned count;         /* root: entities so far */
    bool too_many;          /* root: told */
    unsigned base_depth, base_parent;
    bool base_attached;
    bool failed, ended;

    struct scan_level level[MIME_SCAN_DEPTH_MAX];
    unsigned depth; /* levels open */
    struct buf marks;

    bool in_header;
    struct buf header; /* Content- fields so far, and the line that comes */
    size_t line_at;    /* where that line begins */
    bool any_line;     /* the header has had a line */
    bool field_kept;   /* the field that it may continue is in header */
    bool line_cut;     /* not all of it is in header */
    size_t hold_len;   /* of a line: in a header, or of one that may be a boundary */
    unsigned char hold[SCAN_HOLD_MAX];
    bool line_start; /* the next octet is the first of a line (but for what is held) */
    size_t eol_len;  /* a line end held back, as it may belong to a boundary */
    unsigned char eol[2];

    /* The leaf that is open. */
    bool content_on, decode_on, uu_on;
    struct mime_decoder decoder;
    struct buf decoded;
    struct mime_scan *inner;
    struct uudecode uu;
    bool uu_told, uu_content;
    unsigned uu_index;

    /* What its header says. */
    struct mime_names names;
    struct buf type, disposition;
};

/* The header is complete: tells the entity, and makes ready for its body. */
void scan_header_done(struct mime_scan *s);
/* Opens an entity in front of its header. */
void scan_open(struct mime_scan *s, bool message);
void scan_defect(struct mime_scan *s, enum mime_defect d);
/* Takes the next number; false: there are too many. */
MUST_USE bool scan_count(struct mime_scan *s, unsigned *index);
struct mime_scan *scan_new_inner(struct mime_scan *s, unsigned parent);

MUST_USE static inline struct scan_level *scan_top(struct mime_scan *s)
{
    return &s->level[s->depth - 1];
}
#endif
