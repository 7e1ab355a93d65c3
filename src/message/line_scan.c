/* message/line_scan.c - see line_scan.h */
#include "message/line_scan.h"

static void look_for_nul(struct line_scan *s, struct slice in)
{
    size_t nul = s->nul_line != 0 ? in.len : slice_find(in, '\0');
    if (nul == in.len) {
        return;
    }
    s->nul_line = s->ended + 1;
    for (size_t i = 0; i < nul; i++) {
        s->nul_line += in.ptr[i] == '\n';
    }
}

void line_scan_feed(struct line_scan *s, struct slice in)
{
    look_for_nul(s, in);
    while (in.len > 0) {
        size_t lf = slice_find(in, '\n');
        if (lf == in.len) {
            s->len += in.len;
            return;
        }
        uint64_t len = s->len + lf - 1; /* a CR stands before it */
        s->len = 0;
        s->ended++;
        if (len > s->longest) {
            s->longest = len;
            s->longest_line = s->ended;
        }
        in = slice_from(in, lf + 1);
    }
}
