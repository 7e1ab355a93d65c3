/* message/binary_mime.c - see binary_mime.h */
#include "message/binary_mime.h"

#include "base/base64.h"
#include "message/fields.h"
#include "message/params.h"

#include <string.h>

void binary_mime_init(struct binary_mime *b)
{
    *b = (struct binary_mime){0};
    buf_init(&b->header, BINARY_MIME_HEADER_MAX + 2);
}

void binary_mime_clear(struct binary_mime *b)
{
    buf_clear(&b->header);
}

/* --- out --- */

static void put(struct binary_mime *b, struct slice s)
{
    if (s.len > 0) {
        (void)buf_add(b->out, s);
        b->unended = s.ptr[s.len - 1] != '\n';
    }
}

static void put_group(struct binary_mime *b)
{
    if (b->group_len > 0) {
        (void)base64_encode(b->out, (struct slice){b->group, b->group_len});
        put(b, SLICE("\r\n"));
        b->group_len = 0;
    }
}

static void encode(struct binary_mime *b, struct slice s)
{
    while (s.len > 0) {
        struct slice part = slice_sub(s, 0, sizeof b->group - b->group_len);
        memcpy(b->group + b->group_len, part.ptr, part.len);
        b->group_len += part.len;
        s = slice_from(s, part.len);
        if (b->group_len == sizeof b->group) {
            put_group(b);
        }
    }
}

/* A header that is too large, or of which nothing is believed. */
static void give_up_header(struct binary_mime *b)
{
    put(b, buf_slice(&b->header));
    buf_reset(&b->header);
    b->mode = BINARY_COPY;
}

static void take(struct binary_mime *b, struct slice s)
{
    if (b->mode == BINARY_HEADER && b->header.len + s.len > BINARY_MIME_HEADER_MAX) {
        give_up_header(b);
    }
    switch (b->mode) {
    case BINARY_HEADER:
        (void)buf_add(&b->header, s);
        break;
    case BINARY_COPY:
        put(b, s);
        break;
    case BINARY_ENCODE:
        encode(b, s);
        break;
    }
}

/* --- headers --- */

struct said {
    struct buf type;
    struct slice params;
    bool typed, encoded, binary, identity;
    bool unclear; /* said twice, or a line that is no field */
};

static void take_encoding(struct said *said, struct slice value)
{
    static const char *const identities[] = {"7bit", "8bit", "binary"};
    struct buf word;
    buf_init(&word, 64);
    mime_take_token(&value, &word);
    said->unclear = said->unclear || said->encoded;
    said->encoded = true;
    said->identity = false;
    for (size_t i = 0; i < sizeof identities / sizeof identities[0]; i++) {
        said->identity |= slice_eq(buf_slice(&word), slice_of(identities[i]));
    }
    said->binary = slice_eq(buf_slice(&word), SLICE("binary"));
    buf_clear(&word);
}

static void read_header(const struct binary_mime *b, struct said *said)
{
    struct slice rest = buf_slice(&b->header);
    struct header_field f;
    unsigned line = 1;
    while (header_field_next(&rest, &line, &f)) {
        if (slice_ieq(f.name, SLICE("Content-Type"))) {
            bool valid = false;
            said->unclear = said->unclear || said->typed;
            said->typed = true;
            said->params = mime_take_type(f.value, &said->type, &valid);
        } else if (slice_ieq(f.name, SLICE("Content-Transfer-Encoding"))) {
            take_encoding(said, f.value);
        }
    }
    said->unclear = said->unclear || !slice_eq(rest, SLICE("\r\n"));
    if (!said->typed && b->of_part && b->open[b->depth - 1].digest) {
        (void)buf_add_str(&said->type, "message/rfc822"); /* RFC 2046 5.1.5 */
    }
}

static void put_header(struct binary_mime *b, const char *encoding)
{
    struct slice rest = buf_slice(&b->header);
    struct header_field f;
    unsigned line = 1;
    while (header_field_next(&rest, &line, &f)) {
        if (encoding != NULL && slice_ieq(f.name, SLICE("Content-Transfer-Encoding"))) {
            put(b, f.name);
            put(b, SLICE(": "));
            put(b, slice_of(encoding));
            put(b, SLICE("\r\n"));
        } else {
            put(b, f.raw);
        }
    }
    put(b, rest);
    buf_reset(&b->header);
}

static void open_multipart(struct binary_mime *b, const struct said *said)
{
    struct buf boundary;
    buf_init(&boundary, BINARY_MIME_BOUNDARY_MAX);
    bool found = mime_param(said->params, "boundary", &boundary);
    struct slice mark = buf_slice(&boundary);
    while (mark.len > 0 && ascii_is_space(mark.ptr[mark.len - 1])) {
        mark.len--;
    }
    bool printable = true;
    for (size_t i = 0; i < mark.len; i++) {
        printable = printable && mark.ptr[i] >= ' ' && mark.ptr[i] < 0x7f;
    }
    if (found && !boundary.failed && mark.len > 0 && printable &&
        b->depth < BINARY_MIME_DEPTH_MAX) {
        memcpy(b->open[b->depth].mark, "--", 2);
        memcpy(b->open[b->depth].mark + 2, mark.ptr, mark.len);
        b->open[b->depth].len = 2 + mark.len;
        b->open[b->depth].digest =
            slice_eq(buf_slice(&said->type), SLICE("multipart/digest"));
        b->depth++;
    }
    buf_clear(&boundary);
}

/* The empty line came. */
static void end_header(struct binary_mime *b)
{
    struct said said = {.identity = true};
    buf_init(&said.type, BINARY_MIME_HEADER_MAX);
    read_header(b, &said);
    struct slice type = buf_slice(&said.type);
    bool multipart = slice_starts(type, SLICE("multipart/"));
    bool message = slice_eq(type, SLICE("message/rfc822")) ||
                   slice_eq(type, SLICE("message/global"));
    if (said.unclear || said.type.failed || !said.identity) {
        give_up_header(b);
    } else if (multipart || message) {
        put_header(b, said.binary ? "8bit" : NULL);
        b->mode = message ? BINARY_HEADER : BINARY_COPY;
        b->of_part = false;
        if (multipart) {
            open_multipart(b, &said);
        }
    } else {
        put_header(b, said.binary ? "base64" : NULL);
        b->mode = said.binary ? BINARY_ENCODE : BINARY_COPY;
    }
    buf_clear(&said.type);
}

/* --- lines --- */

/* May the octets of the line still become a boundary, or a longer one? b->found: the one that they
 * are. */
static bool may_be_mark(struct binary_mime *b)
{
    bool may_be = false;
    b->found = BINARY_MIME_DEPTH_MAX;
    for (unsigned i = b->depth; i-- > 0;) {
        size_t len = b->open[i].len;
        size_t n = b->line_len < len ? b->line_len : len;
        if (memcmp(b->line, b->open[i].mark, n) != 0) {
            continue;
        }
        if (n < len) {
            may_be = true;
        } else if (b->found == BINARY_MIME_DEPTH_MAX || len > b->open[b->found].len) {
            b->found = i;
        }
    }
    return may_be;
}

/* The line is the content's: what was held back with it as well. */
static void release_line(struct binary_mime *b)
{
    if (b->end_held) {
        b->end_held = false;
        take(b, SLICE("\r\n"));
    }
    take(b, (struct slice){b->line, b->line_len});
    b->line_len = 0;
}

static void end_entity(struct binary_mime *b)
{
    if (b->mode == BINARY_ENCODE) {
        put_group(b);
    } else if (b->mode == BINARY_HEADER) {
        give_up_header(b);
    }
    b->end_held = false; /* RFC 2046 5.1.1: that CRLF is the boundary's */
    b->mode = BINARY_COPY;
}

static void step_mark(struct binary_mime *b, unsigned char c);

static void begin_mark(struct binary_mime *b)
{
    size_t len = b->open[b->found].len;
    size_t more = b->line_len - len;
    end_entity(b);
    put(b, (struct slice){b->line, len});
    b->at = BINARY_MARK;
    b->mark_n = 0;
    b->mark_closes = true;
    b->mark_cr = false;
    b->line_len = 0;
    for (size_t i = 0; i < more; i++) {
        step_mark(b, b->line[len + i]);
    }
}

/* The boundary's line is over. */
static void end_mark(struct binary_mime *b)
{
    bool closes = b->mark_closes && b->mark_n >= 2;
    b->depth = closes ? b->found : b->found + 1;
    b->mode = closes ? BINARY_COPY : BINARY_HEADER;
    b->of_part = true;
}

static void end_line(struct binary_mime *b)
{
    b->at = BINARY_START;
    if (b->mode == BINARY_ENCODE) {
        b->end_held = true;
        return;
    }
    take(b, SLICE("\r\n"));
    struct slice header = buf_slice(&b->header);
    if (b->mode == BINARY_HEADER &&
        (header.len == 2 ||
         slice_eq(slice_from(header, header.len - 4), SLICE("\r\n\r\n")))) {
        end_header(b);
    }
}

/* --- octets --- */

/* Behind a boundary: to the end of its line, which goes out as it is. */
static void step_mark(struct binary_mime *b, unsigned char c)
{
    if (b->mark_n < 2) {
        b->mark_closes = b->mark_closes && c == '-';
        b->mark_n++;
    }
    bool over = c == '\n' && b->mark_cr;
    b->mark_cr = c == '\r';
    put(b, (struct slice){&c, 1});
    if (over) {
        b->at = BINARY_START;
        end_mark(b);
    }
}

static void step_text(struct binary_mime *b, unsigned char c)
{
    if (c == '\r') {
        b->at = BINARY_CR;
        return;
    }
    b->at = BINARY_TEXT;
    take(b, (struct slice){&c, 1});
}

static void step_cr(struct binary_mime *b, unsigned char c)
{
    if (c == '\n') {
        end_line(b);
        return;
    }
    take(b, SLICE("\r"));
    step_text(b, c);
}

static void step_start(struct binary_mime *b, unsigned char c)
{
    b->line[b->line_len++] = c;
    if (may_be_mark(b)) {
        return;
    }
    if (b->found < BINARY_MIME_DEPTH_MAX) {
        begin_mark(b);
        return;
    }
    b->line_len--;
    release_line(b);
    step_text(b, c);
}

bool binary_mime_feed(struct binary_mime *b, struct slice in, struct buf *out)
{
    b->out = out;
    while (in.len > 0) {
        size_t n = b->at == BINARY_TEXT ? slice_find(in, '\r') : 0;
        if (n > 0) {
            take(b, slice_sub(in, 0, n));
            in = slice_from(in, n);
            continue;
        }
        static void (*const steps[])(struct binary_mime *, unsigned char) = {
            [BINARY_START] = step_start,
            [BINARY_TEXT] = step_text,
            [BINARY_CR] = step_cr,
            [BINARY_MARK] = step_mark,
        };
        steps[b->at](b, in.ptr[0]);
        in = slice_from(in, 1);
    }
    return !out->failed && !b->header.failed;
}

bool binary_mime_end(struct binary_mime *b, struct buf *out)
{
    b->out = out;
    if (b->at == BINARY_START) {
        (void)may_be_mark(b);
        b->found < BINARY_MIME_DEPTH_MAX ? begin_mark(b) : release_line(b);
    } else if (b->at == BINARY_CR) {
        take(b, SLICE("\r"));
    }
    end_entity(b);
    if (b->unended) {
        put(b, SLICE("\r\n"));
    }
    return !out->failed && !b->header.failed;
}
