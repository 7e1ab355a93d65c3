/* filter/http_answer.c - see http_answer.h */
#include "filter/http_answer.h"

void http_answer_init(struct http_answer *a, size_t body_max)
{
    *a = (struct http_answer){0};
    buf_init(&a->body, body_max);
    buf_init(&a->line, HTTP_LINE_MAX);
}

void http_answer_clear(struct http_answer *a)
{
    buf_clear(&a->body);
    buf_clear(&a->line);
}

/* status-line = HTTP-version SP status-code SP [ reason-phrase ] */
static enum http_state take_status(struct http_answer *a, struct slice line)
{
    uint64_t status = 0;
    struct slice code = slice_sub(line, 9, 3);
    bool known = slice_starts(line, SLICE("HTTP/1.")) && line.len >= 12 &&
                 ascii_is_digit(line.ptr[7]) && line.ptr[8] == ' ' &&
                 (line.len == 12 || line.ptr[12] == ' ');
    if (!known || !slice_u64(code, &status) || status < 100) {
        return HTTP_BAD;
    }
    a->status = (unsigned)status;
    a->sized = a->chunked = false;
    a->left = 0;
    return HTTP_FIELDS;
}

static enum http_state fields_end(struct http_answer *a)
{
    if (a->status == 101) {
        return HTTP_BAD; /* what follows would be another protocol, which nobody asked for */
    }
    if (a->status < 200) {
        return HTTP_STATUS;
    }
    if (a->status == 204 || a->status == 304) {
        return HTTP_DONE;
    }
    if (a->chunked) {
        return HTTP_CHUNK_SIZE;
    }
    if (!a->sized) {
        return HTTP_BODY_TO_END;
    }
    return a->left == 0 ? HTTP_DONE : HTTP_BODY;
}

static enum http_state take_field(struct http_answer *a, struct slice line)
{
    if (line.len == 0) {
        return fields_end(a);
    }
    size_t colon = slice_find(line, ':');
    struct slice name = slice_sub(line, 0, colon);
    struct slice value = slice_trim(slice_from(line, colon + 1));
    if (colon == 0 || colon == line.len) {
        return HTTP_BAD;
    }
    if (slice_ieq(name, SLICE("Content-Length"))) {
        uint64_t before = a->left;
        if (!slice_u64(value, &a->left) || (a->sized && a->left != before)) {
            return HTTP_BAD;
        }
        a->sized = true;
    } else if (slice_ieq(name, SLICE("Transfer-Encoding"))) {
        a->chunked = slice_ieq(value, SLICE("chunked"));
        return a->chunked ? HTTP_FIELDS : HTTP_BAD;
    } else if (slice_ieq(name, SLICE("Content-Encoding")) &&
               !slice_ieq(value, SLICE("identity"))) {
        return HTTP_BAD; /* none was offered */
    }
    return HTTP_FIELDS;
}

static int hex_digit(unsigned char c)
{
    unsigned char low = ascii_lower(c);
    return ascii_is_digit(c) ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* chunk-size = 1*HEXDIG, then perhaps extensions */
static enum http_state take_chunk_size(struct http_answer *a, struct slice line)
{
    enum { DIGITS_MAX = 8 };
    size_t n = 0;
    a->left = 0;
    for (; n < line.len && hex_digit(line.ptr[n]) >= 0; n++) {
        a->left = a->left * 16 + (unsigned)hex_digit(line.ptr[n]);
        if (n >= DIGITS_MAX) {
            return HTTP_BAD;
        }
    }
    struct slice rest = slice_trim(slice_from(line, n));
    if (n == 0 || (rest.len > 0 && rest.ptr[0] != ';')) {
        return HTTP_BAD;
    }
    return a->left == 0 ? HTTP_TRAILER : HTTP_CHUNK;
}

static enum http_state take_line(struct http_answer *a, struct slice line)
{
    switch (a->state) {
    case HTTP_STATUS:
        return take_status(a, line);
    case HTTP_FIELDS:
        return take_field(a, line);
    case HTTP_CHUNK_SIZE:
        return take_chunk_size(a, line);
    case HTTP_CHUNK_END:
        return line.len == 0 ? HTTP_CHUNK_SIZE : HTTP_BAD;
    case HTTP_TRAILER:
        return line.len == 0 ? HTTP_DONE : HTTP_TRAILER;
    case HTTP_BODY:
    case HTTP_BODY_TO_END:
    case HTTP_CHUNK:
    case HTTP_DONE:
    case HTTP_BAD:
        break;
    }
    return HTTP_BAD;
}

/* Collects a line and takes it. Octets used. */
static size_t feed_line(struct http_answer *a, struct slice s)
{
    size_t end = slice_find(s, '\n');
    size_t used = end < s.len ? end + 1 : s.len;
    /* Sizes of chunks are lines too, but their number is bounded by the body's. */
    bool head =
        a->state == HTTP_STATUS || a->state == HTTP_FIELDS || a->state == HTTP_TRAILER;
    a->head_len += head ? used : 0;
    if (!buf_add(&a->line, slice_sub(s, 0, end)) || a->head_len > HTTP_HEAD_MAX) {
        a->state = HTTP_BAD;
        return used;
    }
    if (end == s.len) {
        return used;
    }
    struct slice line = buf_slice(&a->line);
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    a->state = take_line(a, line);
    buf_reset(&a->line);
    return used;
}

static size_t feed_body(struct http_answer *a, struct slice s)
{
    bool to_end = a->state == HTTP_BODY_TO_END;
    struct slice part = to_end || s.len < a->left ? s : slice_sub(s, 0, (size_t)a->left);
    if (!buf_add(&a->body, part)) {
        a->state = HTTP_BAD;
        return part.len;
    }
    a->left -= to_end ? 0 : part.len;
    if (!to_end && a->left == 0) {
        a->state = a->state == HTTP_BODY ? HTTP_DONE : HTTP_CHUNK_END;
    }
    return part.len;
}

enum http_state http_answer_feed(struct http_answer *a, struct slice s)
{
    while (s.len > 0 && a->state != HTTP_DONE && a->state != HTTP_BAD) {
        bool body = a->state == HTTP_BODY || a->state == HTTP_BODY_TO_END ||
                    a->state == HTTP_CHUNK;
        s = slice_from(s, body ? feed_body(a, s) : feed_line(a, s));
    }
    return a->state;
}

enum http_state http_answer_end(struct http_answer *a)
{
    a->state =
        a->state == HTTP_DONE || a->state == HTTP_BODY_TO_END ? HTTP_DONE : HTTP_BAD;
    return a->state;
}
