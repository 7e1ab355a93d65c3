/* smtp/client_reply.c - see client_reply.h */
#include "smtp/client_reply.h"

#include <string.h>

void client_reply_init(struct client_reply *r)
{
    *r = (struct client_reply){0};
    buf_init(&r->text, CLIENT_REPLY_TEXT_MAX);
    buf_init(&r->line, CLIENT_REPLY_LINE_MAX);
}

void client_reply_clear(struct client_reply *r)
{
    buf_clear(&r->text);
    buf_clear(&r->line);
}

static void start_over(struct client_reply *r)
{
    buf_reset(&r->text);
    buf_reset(&r->line);
    r->code = r->first_code = 0;
    r->line_n = 0;
    r->done = r->cut = false;
}

/* RFC 5321 4.2: Reply-code = %x32-35 %x30-35 %x30-39. The second digit is taken as it
 * comes: 571 and 577 are in use. */
static bool take_code(struct slice line, uint16_t *code)
{
    if (line.len < 3 || line.ptr[0] < '2' || line.ptr[0] > '5' ||
        !ascii_is_digit(line.ptr[1]) || !ascii_is_digit(line.ptr[2])) {
        return false;
    }
    *code = (uint16_t)((line.ptr[0] - '0') * 100 + (line.ptr[1] - '0') * 10 +
                       (line.ptr[2] - '0'));
    return true;
}

static void keep_text(struct client_reply *r, struct slice text)
{
    bool joint = r->line_n > 0;
    if (r->cut || text.len + joint > CLIENT_REPLY_TEXT_MAX - r->text.len) {
        r->cut = true;
        return;
    }
    if (joint) {
        (void)buf_add_byte(&r->text, '\n');
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = text.ptr[i];
        (void)buf_add_byte(&r->text, c == '\t' ? ' ' : c < 0x20 || c == 0x7f ? '?' : c);
    }
}

/* RFC 5321 4.2: Reply-line = *( Reply-code "-" [ textstring ] CRLF )
 *                            Reply-code [ SP textstring ] CRLF */
static enum client_reply_res take_line(struct client_reply *r)
{
    struct slice line = buf_slice(&r->line);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    uint16_t code = 0;
    if (!take_code(line, &code) || r->line_n >= CLIENT_REPLY_LINES_MAX) {
        return CLIENT_REPLY_BAD;
    }
    if (r->line_n == 0) {
        r->first_code = code;
    }
    /* "550-" then "250 " would be read as success by one and failure by another */
    if (code / 100 != r->first_code / 100) {
        return CLIENT_REPLY_BAD;
    }
    unsigned char sep = line.len > 3 ? line.ptr[3] : ' ';
    if (sep != ' ' && sep != '-') {
        return CLIENT_REPLY_BAD;
    }
    r->code = code;
    keep_text(r, slice_from(line, 4));
    r->line_n++;
    return sep == '-' ? CLIENT_REPLY_MORE : CLIENT_REPLY_DONE;
}

enum client_reply_res client_reply_feed(struct client_reply *r, struct slice *in)
{
    if (r->bad) {
        return CLIENT_REPLY_BAD;
    }
    if (r->done) {
        start_over(r);
    }
    while (in->len > 0) {
        size_t at = slice_find(*in, '\n');
        (void)buf_add(&r->line, slice_sub(*in, 0, at));
        if (r->line.failed) {
            r->bad = true;
            return CLIENT_REPLY_BAD;
        }
        if (at == in->len) {
            *in = slice_from(*in, at);
            return CLIENT_REPLY_MORE;
        }
        *in = slice_from(*in, at + 1);
        enum client_reply_res res = take_line(r);
        buf_reset(&r->line);
        r->bad = res == CLIENT_REPLY_BAD;
        r->done = res == CLIENT_REPLY_DONE;
        if (res != CLIENT_REPLY_MORE) {
            return res;
        }
    }
    return CLIENT_REPLY_MORE;
}

bool client_reply_line(const struct client_reply *r, unsigned n, struct slice *out)
{
    struct slice rest = buf_slice(&r->text);
    if (r->line_n == 0) {
        return false;
    }
    for (;;) {
        size_t end = slice_find(rest, '\n');
        if (n-- == 0) {
            *out = slice_sub(rest, 0, end);
            return true;
        }
        if (end == rest.len) {
            return false;
        }
        rest = slice_from(rest, end + 1);
    }
}

/* One to three digits at the front of s; how many, or 0. */
static size_t digits(struct slice s)
{
    size_t n = 0;
    while (n < s.len && ascii_is_digit(s.ptr[n])) {
        n++;
    }
    return n <= 3 ? n : 0;
}

/* RFC 3463 2: status-code = class "." subject "." detail; subject and detail are
 * 1*3digit. RFC 2034 4: the class agrees with the first digit of the reply code. */
struct slice client_reply_status(const struct client_reply *r)
{
    const struct slice none = {NULL, 0};
    struct slice line;
    if (!client_reply_line(r, 0, &line) || line.len < 5 || line.ptr[1] != '.' ||
        line.ptr[0] != '0' + r->code / 100 || line.ptr[0] == '3') {
        return none;
    }
    size_t subject = digits(slice_from(line, 2));
    size_t dot = 2 + subject;
    if (subject == 0 || dot >= line.len || line.ptr[dot] != '.') {
        return none;
    }
    size_t detail = digits(slice_from(line, dot + 1));
    size_t end = dot + 1 + detail;
    if (detail == 0 || (end < line.len && line.ptr[end] != ' ')) {
        return none;
    }
    return slice_sub(line, 0, end);
}

void client_reply_flat(const struct client_reply *r, size_t max, struct buf *out)
{
    struct slice status = client_reply_status(r), line;
    size_t start = out->len;
    (void)buf_add_fmt(out, "%u", (unsigned)r->code);
    for (unsigned n = 0; client_reply_line(r, n, &line); n++) {
        /* RFC 2034: the status stands on every line; once is enough here */
        if (n > 0 && status.len > 0 && slice_starts(line, status)) {
            line = slice_trim(slice_from(line, status.len));
        }
        if (line.len > 0) {
            (void)buf_add_byte(out, ' ');
            (void)buf_add(out, line);
        }
    }
    if (out->len - start > max) {
        out->len = start + max;
    }
}
