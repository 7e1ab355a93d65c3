/* content/text.c - see text.h */
#include "content/text.h"

#include "message/mime_read.h"

static void put_utf8(uint32_t c, struct buf *out)
{
    if (c < 0x80) {
        (void)buf_add_byte(out, (unsigned char)c);
    } else if (c < 0x800) {
        (void)buf_add_byte(out, (unsigned char)(0xc0 | c >> 6));
        (void)buf_add_byte(out, (unsigned char)(0x80 | (c & 0x3f)));
    } else { /* halves of surrogate pairs are no text that a rule could name: they stay apart */
        (void)buf_add_byte(out, (unsigned char)(0xe0 | c >> 12));
        (void)buf_add_byte(out, (unsigned char)(0x80 | (c >> 6 & 0x3f)));
        (void)buf_add_byte(out, (unsigned char)(0x80 | (c & 0x3f)));
    }
}

static void read_utf16(struct slice charset, struct slice in, struct buf *out)
{
    bool little = slice_ieq(charset, SLICE("utf-16le"));
    if (in.len > 1 && in.ptr[0] == 0xff && in.ptr[1] == 0xfe) {
        little = true;
    }
    for (size_t i = 0; i + 1 < in.len; i += 2) {
        unsigned first = in.ptr[i], second = in.ptr[i + 1];
        put_utf8(little ? second << 8 | first : first << 8 | second, out);
    }
}

/* Octets at the start of s that nobody sees. */
static size_t unseen(struct slice s)
{
    static const struct slice list[] = {
        SLICE_INIT("\xc2\xad"),     SLICE_INIT("\xe2\x80\x8b"),
        SLICE_INIT("\xe2\x80\x8c"), SLICE_INIT("\xe2\x80\x8d"),
        SLICE_INIT("\xe2\x81\xa0"), SLICE_INIT("\xef\xbb\xbf"),
        SLICE_INIT("\xcd\x8f")};
    if (s.ptr[0] == 0) {
        return 1;
    }
    for (size_t i = 0; s.ptr[0] >= 0xc2 && i < sizeof list / sizeof list[0]; i++) {
        if (slice_starts(s, list[i])) {
            return list[i].len;
        }
    }
    return 0;
}

/* Octets of a blank or line end at the start of s. */
static size_t blank(struct slice s)
{
    if (s.ptr[0] == ' ' || (s.ptr[0] >= '\t' && s.ptr[0] <= '\r')) {
        return 1;
    }
    return slice_starts(s, SLICE("\xc2\xa0")) ? 2 : 0; /* no-break space */
}

static void add_lines(struct slice s, struct buf *out)
{
    size_t room = out->max - out->len;
    unsigned ends = 0;
    bool gap = false;
    while (s.len > 0 && room > 1) {
        size_t n = unseen(s);
        if (n == 0 && (n = blank(s)) > 0) {
            gap = true;
            ends += s.ptr[0] == '\n';
        } else if (n == 0) {
            if (gap) {
                (void)buf_add_byte(out, ends > 1 ? '\n' : ' ');
                room--;
            }
            gap = false;
            ends = 0;
            (void)buf_add_byte(out, s.ptr[0]);
            room--;
            n = 1;
        }
        s = slice_from(s, n);
    }
}

void text_read(struct slice charset, bool html, struct slice octets, struct buf *out)
{
    struct buf text, shown;
    buf_init(&text, octets.len * 3 + 16);
    buf_init(&shown, octets.len * 6 + 64);
    if (slice_istarts(charset, SLICE("utf-16"))) {
        read_utf16(charset, octets, &text);
    } else {
        (void)mime_to_utf8(charset, octets, NULL, &text);
    }
    if (html) {
        (void)mime_html_text(buf_slice(&text), &shown);
    }
    add_lines(html ? buf_slice(&shown) : buf_slice(&text), out);
    buf_clear(&text);
    buf_clear(&shown);
}
