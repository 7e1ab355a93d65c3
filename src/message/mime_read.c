/* message/mime_read.c - see mime_read.h; parts and fields. What decodes is in mime_text.c. */
#include "message/mime_read.h"

#include <string.h>

enum {
    BOUNDARY_MAX = 256,      /* RFC 2046 5.1.1 allows 70 */
    FIELD_NAME_MAX = 128,    /* longer ones are no names */
    GUESS_OCTETS = 64 * 1024 /* how far a boundary that was not announced is looked for */
};

/* --- fields --- */

/* RFC 5322 2.2: "%d33-57 / %d59-126" */
static bool is_ftext(unsigned char c)
{
    static const uint64_t set[4] = {~0ULL << 33 & ~(1ULL << ':'), ~0ULL >> 1};
    return (set[c >> 6] >> (c & 63) & 1) != 0;
}

/* Length of the field name at the start of line, 0 when it is no field. */
static size_t field_name_len(struct slice line)
{
    size_t i = 0, most = line.len < FIELD_NAME_MAX ? line.len : FIELD_NAME_MAX;
    while (i < most && is_ftext(line.ptr[i])) {
        i++;
    }
    size_t name = i;
    while (i < line.len && (line.ptr[i] == ' ' || line.ptr[i] == '\t')) {
        i++; /* RFC 5322 4.5: obsolete blanks before the colon */
    }
    return i < line.len && line.ptr[i] == ':' ? name : 0;
}

static size_t line_len(struct slice s)
{
    size_t end = slice_find(s, '\n');
    return end < s.len ? end + 1 : end;
}

static bool is_folded(struct slice s)
{
    return s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t');
}

bool mime_field_next(struct slice *header, struct mime_field *out)
{
    while (header->len > 0) {
        size_t len = line_len(*header);
        size_t name = field_name_len(slice_sub(*header, 0, len));
        if (name == 0) {
            *header = slice_from(*header, len);
            continue;
        }
        size_t end = len;
        while (is_folded(slice_from(*header, end))) {
            end += line_len(slice_from(*header, end));
        }
        struct slice field = slice_sub(*header, 0, end);
        size_t colon = name + slice_find(slice_from(field, name), ':');
        out->name = slice_sub(field, 0, name);
        out->value = slice_strip(slice_from(field, colon + 1));
        *header = slice_from(*header, end);
        return true;
    }
    return false;
}

/* The same, passing over the lines that begin with another letter (in lower case). */
static bool field_next_of(struct slice *header, unsigned char first,
                          struct mime_field *out)
{
    while (header->len > 0 && ascii_lower(header->ptr[0]) != first) {
        *header = slice_from(*header, line_len(*header));
    }
    return mime_field_next(header, out);
}

bool mime_field_find(struct slice header, const char *name, struct slice *value)
{
    struct mime_field field;
    struct slice wanted = slice_of(name);
    while (field_next_of(&header, ascii_lower(wanted.ptr[0]), &field)) {
        if (slice_ieq(field.name, wanted)) {
            *value = field.value;
            return true;
        }
    }
    return false;
}

bool mime_unfold(struct slice value, struct buf *out)
{
    value = slice_strip(value);
    for (size_t i = 0; i < value.len;) {
        if (ascii_is_space(value.ptr[i])) {
            (void)buf_add_byte(out, ' ');
            while (i < value.len && ascii_is_space(value.ptr[i])) {
                i++;
            }
            continue;
        }
        size_t start = i;
        while (i < value.len && !ascii_is_space(value.ptr[i])) {
            i++;
        }
        (void)buf_add(out, slice_sub(value, start, i - start));
    }
    return !out->failed;
}

void mime_split(struct slice message, struct slice *header, struct slice *body)
{
    while (slice_starts(message, SLICE("From ")) ||
           slice_starts(message, SLICE(">From "))) { /* from mbox to mbox */
        message = slice_from(message, line_len(message));
    }
    *header = slice_sub(message, 0, 0);
    *body = message;
    size_t at = 0;
    for (bool first = true; at < message.len; first = false) {
        struct slice rest = slice_from(message, at);
        size_t len = line_len(rest);
        if (rest.ptr[0] <= ' ' && !is_folded(rest) &&
            slice_strip(slice_sub(rest, 0, len)).len == 0) {
            break;
        }
        if (first && field_name_len(slice_sub(rest, 0, len)) == 0) {
            return;
        }
        at += len;
    }
    *header = slice_sub(message, 0, at);
    *body = slice_from(message, at + line_len(slice_from(message, at)));
}

/* --- entities --- */

bool mime_is(const struct mime_part *part, const char *type)
{
    struct slice wanted = slice_of(type);
    if (wanted.len > 0 && wanted.ptr[wanted.len - 1] == '*') {
        return slice_istarts(part->type, slice_sub(wanted, 0, wanted.len - 1));
    }
    return slice_ieq(part->type, wanted);
}

static enum mime_encoding encoding_of(struct slice value)
{
    if (slice_istarts(value, SLICE("base64"))) {
        return MIME_BASE64;
    }
    return slice_istarts(value, SLICE("quoted-printable")) ? MIME_QUOTED_PRINTABLE
                                                           : MIME_IDENTITY;
}

/* What the part's own header says. */
static void read_header(struct mime_part *part)
{
    struct slice header = part->header;
    struct mime_field field;
    bool typed = false, encoded = false;
    part->type = SLICE("text/plain");
    while (field_next_of(&header, 'c', &field)) {
        if (field.name.len == 12 && !typed &&
            slice_ieq(field.name, SLICE("Content-Type"))) {
            size_t end = 0;
            while (end < field.value.len && field.value.ptr[end] != ';' &&
                   !ascii_is_space(field.value.ptr[end])) {
                end++;
            }
            typed = end > 0;
            part->type = typed ? slice_sub(field.value, 0, end) : part->type;
            part->params = slice_from(field.value, end);
        } else if (field.name.len == 25 && !encoded &&
                   slice_ieq(field.name, SLICE("Content-Transfer-Encoding"))) {
            encoded = true;
            part->encoding = encoding_of(field.value);
        }
    }
}

/* What may follow a boundary; else it is only the start of a longer one. */
static bool ends_mark(struct slice after)
{
    return after.len == 0 || ascii_is_space(after.ptr[0]) ||
           slice_starts(after, SLICE("--"));
}

/* The next line that begins with "--" and the boundary, from `from` on: its start, or s.len. */
static size_t find_boundary(struct slice s, struct slice mark, size_t from)
{
    while (from < s.len) {
        size_t at = from + slice_search(slice_from(s, from), mark);
        if (at >= s.len || ((at == 0 || s.ptr[at - 1] == '\n') &&
                            ends_mark(slice_from(s, at + mark.len)))) {
            return at;
        }
        from = at + 1;
    }
    return s.len;
}

/* A line "--something" right before a line "Content-...": a boundary that nobody, or a
 * wrong header, announced. */
static bool guess_boundary(struct slice body, char mark[BOUNDARY_MAX], size_t *mark_len)
{
    struct slice rest = slice_sub(body, 0, GUESS_OCTETS), line;
    while (slice_line(&rest, &line)) {
        line = slice_strip(line);
        if (line.len > 6 && line.len < BOUNDARY_MAX && slice_starts(line, SLICE("--")) &&
            slice_istarts(rest, SLICE("Content-"))) {
            memcpy(mark, line.ptr, line.len);
            *mark_len = line.len;
            return true;
        }
    }
    return false;
}

/* "--" and the boundary into mark; false when there is none in this body. */
static bool boundary_of(const struct mime_part *part, char mark[BOUNDARY_MAX],
                        size_t *len)
{
    struct buf b;
    buf_init(&b, BOUNDARY_MAX - 2);
    bool found = mime_param(part->params, "boundary", &b) && b.len > 0;
    if (found) {
        memcpy(mark, "--", 2);
        memcpy(mark + 2, b.ptr, b.len);
        *len = b.len + 2;
        while (*len > 2 && ascii_is_space((unsigned char)mark[*len - 1])) {
            (*len)--;
        }
    }
    buf_clear(&b);
    if (found && find_boundary(part->body, (struct slice){(unsigned char *)mark, *len},
                               0) < part->body.len) {
        return true;
    }
    return guess_boundary(part->body, mark, len);
}

/* A message without MIME fields, or that says it is a text, and is made of parts all the same:
 * one of the first lines is a boundary, and begins a part further down. */
static bool is_bare_multipart(const struct mime_part *part)
{
    struct slice rest = part->body, line;
    if (!part->is_message || part->encoding != MIME_IDENTITY ||
        !mime_is(part, "text/plain")) {
        return false;
    }
    for (int i = 0; i < 8 && slice_line(&rest, &line); i++) {
        line = slice_strip(line);
        if (line.len <= 6 || line.len >= BOUNDARY_MAX ||
            !slice_starts(line, SLICE("--")) || slice_find(line, ' ') < line.len) {
            continue;
        }
        size_t next = find_boundary(rest, line, 0);
        struct slice header = slice_from(rest, next + line_len(slice_from(rest, next)));
        return slice_istarts(header, SLICE("Content-"));
    }
    return false;
}

static bool is_multipart(const struct mime_part *part)
{
    return mime_is(part, "multipart/*") || is_bare_multipart(part);
}

static void read_entity(struct mime_message *m, struct slice octets, unsigned parent,
                        unsigned depth, bool is_message);

/* NOLINTBEGIN(misc-no-recursion): MIME_DEPTH_MAX deep at most */
static void read_parts(struct mime_message *m, unsigned self, struct slice mark)
{
    struct mime_part *part = &m->part[self];
    struct slice body = part->body;
    bool digest = mime_is(part, "multipart/digest");
    size_t at = find_boundary(body, mark, 0);
    while (at < body.len) {
        size_t start = at + line_len(slice_from(body, at));
        struct slice tail = slice_sub(body, at + mark.len, 2);
        if (slice_eq(tail, SLICE("--"))) {
            break;
        }
        size_t next = find_boundary(body, mark, start);
        size_t end = next;
        if (end > start && next < body.len) { /* the line end belongs to the boundary */
            end -= end > start + 1 && body.ptr[end - 2] == '\r' ? 2 : 1;
        }
        if (m->n >= MIME_PARTS_MAX) {
            return;
        }
        part->has_parts = true;
        read_entity(m, slice_sub(body, start, end > start ? end - start : 0), self,
                    part->depth + 1, digest);
        at = next;
    }
}

static void read_entity(struct mime_message *m, struct slice octets, unsigned parent,
                        unsigned depth, bool is_message)
{
    unsigned self = m->n++;
    struct mime_part *part = &m->part[self];
    *part =
        (struct mime_part){.depth = depth, .parent = parent, .is_message = is_message};
    mime_split(octets, &part->header, &part->body);
    read_header(part);
    if (depth + 1 >= MIME_DEPTH_MAX || m->n >= MIME_PARTS_MAX) {
        return;
    }
    char mark[BOUNDARY_MAX];
    size_t mark_len = 0;
    if (is_multipart(part)) {
        if (boundary_of(part, mark, &mark_len)) {
            read_parts(m, self, (struct slice){(unsigned char *)mark, mark_len});
        }
    } else if ((mime_is(part, "message/rfc822") || mime_is(part, "message/global")) &&
               part->encoding == MIME_IDENTITY) {
        part->has_parts = true;
        read_entity(m, part->body, self, depth + 1, true);
    }
}
/* NOLINTEND(misc-no-recursion) */

void mime_read(struct slice message, struct mime_message *out)
{
    out->n = 0;
    read_entity(out, message, 0, 0, true);
}
