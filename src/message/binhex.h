/* message/binhex.h - a file that stands in a text as BinHex 4.0.
 *
 * Source  RFC 1741 (Appendix A, and the description of Y. Lempereur and P. Lewis that it follows): between colons
 *         six bits a character; behind 90 hex a count repeats the octet before; then a header (length and text of the
 *         name, a zero, type, creator, flags, lengths of both forks, CRC), the data fork, its CRC, the resource fork.
 * Pure    lines in, callbacks out: begin at the end of the header, then the data fork alone.
 * Limits  what a struct binhex holds. */
#ifndef MESSAGE_BINHEX_H
#define MESSAGE_BINHEX_H
#include "base/slice.h"

struct uu_events;

enum {
    BINHEX_NAME_MAX = 63,
    BINHEX_HEAD_MAX = 1 + BINHEX_NAME_MAX + 1 + 18 + 2,
    BINHEX_OUT_MAX = 512,
};

enum binhex_res {
    BINHEX_MORE = 0, /* another line */
    BINHEX_END,      /* it is over */
};

struct binhex {
    bool open;   /* begin was told, and not end */
    bool begun;  /* the colon in front was seen */
    bool repeat; /* a count follows */
    bool any;    /* there is a last octet */
    unsigned char last;
    uint32_t bits; /* bit_n of them, decoded and not used */
    unsigned bit_n;
    uint32_t left; /* octets of the data fork */
    size_t head_n, out_n;
    unsigned char head[BINHEX_HEAD_MAX], out[BINHEX_OUT_MAX];
};

/* Is it the line that announces one? */
MUST_USE bool binhex_announces(struct slice line);
/* b begins all zero; lines in front of the colon are passed over. end() is told with BINHEX_END. */
MUST_USE enum binhex_res binhex_line(struct binhex *b, struct slice line,
                                     const struct uu_events *events, void *arg);
/* The text is over. */
void binhex_end(struct binhex *b, const struct uu_events *events, void *arg);
#endif
