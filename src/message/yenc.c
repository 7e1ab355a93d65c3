/* message/yenc.c - see yenc.h */
#include "message/yenc.h"

bool yenc_begin(struct slice line, struct slice *name)
{
    static const struct slice mark = SLICE_INIT(" name=");
    if (!slice_starts(line, SLICE("=ybegin ")) ||
        slice_search(line, SLICE(" line=")) == line.len) {
        return false;
    }
    /* "the last item on the line", so that it may hold blanks */
    *name = slice_trim(slice_from(line, slice_search(line, mark) + mark.len));
    return name->len > 0;
}

bool yenc_is_keyword(struct slice line)
{
    return slice_starts(line, SLICE("=y"));
}

bool yenc_is_end(struct slice line)
{
    return slice_starts(line, SLICE("=yend"));
}

size_t yenc_decode(struct slice line, unsigned char *out)
{
    enum { SHIFT = 42, ESCAPED = 64 };
    size_t n = 0;
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = line.ptr[i];
        if (c == '=' && i + 1 < line.len) {
            c = (unsigned char)(line.ptr[++i] - ESCAPED);
        }
        out[n++] = (unsigned char)(c - SHIFT);
    }
    return n;
}
