/* message/mime_scan.c - see mime_scan.h; lines, boundaries, content. What headers say is in
 * mime_scan_header.c. */
#include "message/mime_scan.h"

#include "message/fields.h"
#include "message/mime_scan_impl.h"

#include <stdlib.h>
#include <string.h>

#define X(name, severe, text) {severe, text},
static const struct {
    bool severe;
    const char *text;
} defects[MIME_DEFECT_N] = {MIME_DEFECTS(X)};
#undef X

const char *mime_defect_text(enum mime_defect d)
{
    return defects[d].text;
}

bool mime_defect_severe(enum mime_defect d)
{
    return defects[d].severe;
}

void scan_defect(struct mime_scan *s, enum mime_defect d)
{
    bool attached = s->depth > 0 ? scan_top(s)->attached : s->base_attached;
    if (s->events->defect != NULL) {
        s->events->defect(s->arg, d, attached);
    }
}

/* --- life --- */

static struct mime_scan *new_scan(const struct mime_scan_limits *limits,
                                  const struct mime_scan_events *events, void *arg)
{
    struct mime_scan *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->limits = *limits;
    s->events = events;
    s->arg = arg;
    s->root = s;
    if (s->limits.depth > MIME_SCAN_DEPTH_MAX) {
        s->limits.depth = MIME_SCAN_DEPTH_MAX;
    }
    buf_init(&s->marks, (size_t)MIME_SCAN_DEPTH_MAX * (MIME_SCAN_BOUNDARY_MAX + 2));
    buf_init(&s->header, MIME_SCAN_HEADER_MAX);
    buf_init(&s->decoded, SCAN_PIECE_MAX + MIME_HELD_MAX);
    buf_init(&s->type, MIME_SCAN_HEADER_MAX);
    buf_init(&s->disposition, MIME_SCAN_HEADER_MAX);
    mime_names_init(&s->names);
    return s;
}

struct mime_scan *mime_scan_new(const struct mime_scan_limits *limits,
                                const struct mime_scan_events *events, void *arg)
{
    struct mime_scan *s = new_scan(limits, events, arg);
    if (s != NULL) {
        scan_open(s, false);
    }
    return s;
}

struct mime_scan *scan_new_inner(struct mime_scan *s, unsigned parent)
{
    struct mime_scan *inner = new_scan(&s->limits, s->events, s->arg);
    if (inner != NULL) {
        inner->root = s->root;
        inner->base_depth = s->base_depth + s->depth;
        inner->base_parent = parent;
        inner->base_attached = true;
        scan_open(inner, false);
    }
    return inner;
}

/* NOLINTBEGIN(misc-no-recursion): each is within a level of the one around it */
void mime_scan_free(struct mime_scan **scan)
{
    struct mime_scan *s = *scan;
    if (s == NULL) {
        return;
    }
    mime_scan_free(&s->inner);
    buf_clear(&s->marks);
    buf_clear(&s->header);
    buf_clear(&s->decoded);
    buf_clear(&s->type);
    buf_clear(&s->disposition);
    mime_names_clear(&s->names);
    free(s);
    *scan = NULL;
}

size_t mime_scan_memory(const struct mime_scan *s)
{
    return s == NULL ? 0
                     : sizeof *s + s->marks.cap + s->header.cap + s->decoded.cap +
                           s->type.cap + s->disposition.cap + s->names.octets.cap +
                           mime_scan_memory(s->inner);
}
/* NOLINTEND(misc-no-recursion) */

/* --- levels --- */

bool scan_count(struct mime_scan *s, unsigned *index)
{
    struct mime_scan *root = s->root;
    if (root->count < root->limits.parts) {
        *index = root->count++;
        return true;
    }
    *index = UINT32_MAX;
    if (!root->too_many) {
        root->too_many = true;
        scan_defect(s, MIME_DEFECT_TOO_MANY);
    }
    return false;
}

void scan_open(struct mime_scan *s, bool message)
{
    bool attached =
        message || s->base_attached || (s->depth > 0 && scan_top(s)->attached);
    unsigned index = 0;
    IGNORE(scan_count(s, &index)); /* uncounted ones are told to nobody */
    s->level[s->depth++] = (struct scan_level){.index = index, .attached = attached};
    s->in_header = true;
    s->any_line = s->field_kept = s->line_cut = false;
    s->hold_len = 0;
    s->line_at = 0;
    buf_reset(&s->header);
}

/* --- content --- */

static void uu_begin(void *arg, struct slice name)
{
    struct mime_scan *s = arg;
    const struct scan_level *top = scan_top(s);
    struct mime_names names;
    s->uu_told = scan_count(s, &s->uu_index);
    s->uu_content = false;
    if (!s->uu_told || s->events->begin == NULL) {
        return;
    }
    mime_names_init(&names);
    mime_names_put(&names, name);
    struct mime_entity e = {
        .index = s->uu_index,
        .depth = s->base_depth + s->depth,
        .parent = top->index,
        .attached = top->attached,
        .type = SLICE("application/octet-stream"),
        .params = SLICE(""),
        .disposition = SLICE("attachment"),
        .encoding = MIME_UUENCODE,
        .names = &names,
    };
    s->uu_content = s->events->begin(s->arg, &e) != MIME_SKIP;
    mime_names_clear(&names);
}

static void uu_content(void *arg, struct slice octets)
{
    struct mime_scan *s = arg;
    if (s->uu_content && s->events->content != NULL && octets.len > 0) {
        s->uu_content = s->events->content(s->arg, s->uu_index, octets);
    }
}

static void uu_done(void *arg)
{
    struct mime_scan *s = arg;
    if (s->uu_told && s->events->end != NULL) {
        s->events->end(s->arg, s->uu_index);
    }
}

static const struct uu_events uu_events = {uu_begin, uu_content, uu_done};

/* NOLINTBEGIN(misc-no-recursion): an inner scan is within a level, and those are bounded */

/* Decoded octets of the leaf. */
static void emit(struct mime_scan *s, struct slice octets)
{
    if (octets.len == 0) {
        return;
    }
    if (s->content_on) {
        s->content_on = s->events->content != NULL &&
                        s->events->content(s->arg, scan_top(s)->index, octets);
    }
    if (s->inner != NULL) {
        s->failed |= !mime_scan_feed(s->inner, octets);
    }
    if (s->uu_on) {
        uu_feed(&s->uu, octets, &uu_events, s);
    }
    s->decode_on = s->content_on || s->uu_on || s->inner != NULL;
}

static void leaf_feed(struct mime_scan *s, struct slice in)
{
    bool raw =
        s->decoder.encoding == MIME_IDENTITY || s->decoder.encoding == MIME_UUENCODE;
    while (in.len > 0 && s->decode_on && !s->failed) {
        struct slice piece = slice_sub(in, 0, raw ? in.len : SCAN_PIECE_MAX);
        in = slice_from(in, piece.len);
        if (raw) {
            emit(s, piece);
            continue;
        }
        buf_reset(&s->decoded);
        s->failed |= !mime_decoder_feed(&s->decoder, piece, &s->decoded);
        emit(s, buf_slice(&s->decoded));
    }
}

static void leaf_end(struct mime_scan *s)
{
    if (s->decode_on) {
        buf_reset(&s->decoded);
        s->failed |= !mime_decoder_end(&s->decoder, &s->decoded);
        emit(s, buf_slice(&s->decoded));
    }
    if ((s->decoder.odd & MIME_ODD_JUNK) != 0) {
        scan_defect(s, MIME_DEFECT_BASE64_JUNK);
    }
    if ((s->decoder.odd & MIME_ODD_AFTER_END) != 0) {
        scan_defect(s, MIME_DEFECT_BASE64_AFTER_END);
    }
    if (s->uu_on) {
        uu_end(&s->uu, &uu_events, s);
    }
    if (s->inner != NULL) {
        s->failed |= !mime_scan_end(s->inner);
        mime_scan_free(&s->inner);
    }
    s->decode_on = s->content_on = s->uu_on = false;
    mime_decoder_init(&s->decoder, MIME_IDENTITY);
}

/* Octets of a body that are no boundary line. */
static void deliver(struct mime_scan *s, struct slice in)
{
    struct scan_level *top = scan_top(s);
    if (!top->multipart) {
        leaf_feed(s, in);
        return;
    }
    for (size_t i = 0; i < in.len && !top->extra_told; i++) {
        top->extra_n += in.ptr[i] > ' ';
        if (top->extra_n > MIME_SCAN_PREAMBLE_MAX) {
            top->extra_told = true;
            scan_defect(s, top->state == SCAN_CLOSED ? MIME_DEFECT_EPILOGUE
                                                     : MIME_DEFECT_PREAMBLE);
        }
    }
}

static void close_level(struct mime_scan *s)
{
    if (s->in_header) {
        scan_header_done(s);
        if (s->in_header) { /* it holds a message, which is empty */
            return;
        }
    }
    struct scan_level *top = scan_top(s);
    if (!top->multipart) {
        leaf_end(s);
    }
    if (top->multipart && top->state == SCAN_PREAMBLE && top->extra_n > 0) {
        scan_defect(s, MIME_DEFECT_BOUNDARY_ABSENT);
    } else if (top->multipart && top->state != SCAN_CLOSED) {
        scan_defect(s, MIME_DEFECT_NOT_CLOSED);
    }
    if (top->multipart) {
        s->marks.len = top->mark_at;
    }
    if (top->told && s->events->end != NULL) {
        s->events->end(s->arg, top->index);
    }
    s->depth--;
}

/* --- boundaries --- */

enum mark { MARK_NONE = 0, MARK_PART, MARK_CLOSE };

/* Which open multipart's boundary line is this? The innermost first. */
static enum mark find_mark(struct mime_scan *s, struct slice line, unsigned *level)
{
    bool trailed = false;
    for (unsigned i = s->depth; i-- > 0;) {
        const struct scan_level *l = &s->level[i];
        struct slice mark = slice_sub(buf_slice(&s->marks), l->mark_at, l->mark_len);
        if (!l->multipart || !slice_starts(line, mark)) {
            continue;
        }
        *level = i;
        struct slice rest = slice_from(line, mark.len);
        bool close = slice_starts(rest, SLICE("--"));
        struct slice tail = slice_from(rest, close ? 2 : 0);
        if (line.len < SCAN_HOLD_MAX && slice_strip(tail).len == 0) {
            return close ? MARK_CLOSE : MARK_PART;
        }
        trailed |= tail.len > 0 && (tail.ptr[0] == ' ' || tail.ptr[0] == '\t');
    }
    if (trailed) {
        scan_defect(s, MIME_DEFECT_BOUNDARY_TRAILED);
    }
    return MARK_NONE;
}

static void take_mark(struct mime_scan *s, enum mark mark, unsigned level)
{
    s->eol_len = 0;
    while (s->depth > level + 1) {
        close_level(s);
    }
    struct scan_level *top = scan_top(s);
    s->line_start = true;
    if (mark == MARK_CLOSE) {
        top->extra_n = top->state == SCAN_CLOSED ? top->extra_n : 0;
        top->extra_told = top->extra_told && top->state == SCAN_CLOSED;
        top->state = SCAN_CLOSED;
        return;
    }
    if (top->state == SCAN_CLOSED) {
        scan_defect(s, MIME_DEFECT_PART_AFTER_CLOSE);
    }
    top->state = SCAN_PARTS;
    scan_open(s, false);
}

/* --- header lines --- */

static struct slice without_eol(struct slice line)
{
    if (line.len > 0 && line.ptr[line.len - 1] == '\n') {
        line.len--;
    }
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    return line;
}

/* The line is no field: the body begins with it (or an attached message's header, within which
 * it is none either: so this nests no deeper than entities do). */
static void header_broken(struct mime_scan *s)
{
    struct buf line;
    struct slice whole = slice_from(buf_slice(&s->header), s->line_at);
    buf_init(&line, MIME_SCAN_HEADER_MAX);
    s->failed |= !buf_add(&line, whole);
    s->header.len = s->line_at;
    if (scan_top(s)->index != 0) {
        scan_defect(s, MIME_DEFECT_HEADER_BROKEN);
    }
    scan_header_done(s);
    s->failed |= !mime_scan_feed(s, buf_slice(&line));
    buf_clear(&line);
}

static bool is_field(struct slice line)
{
    struct header_field f;
    unsigned n = 1;
    return header_field_next(&line, &n, &f);
}

/* A line of the header is complete: its start is held, the whole of it (if it is not cut) at the
 * end of header. */
static void header_line(struct mime_scan *s)
{
    struct slice line = without_eol((struct slice){s->hold, s->hold_len});
    unsigned level = 0;
    bool first = !s->any_line;
    enum mark mark =
        slice_starts(line, SLICE("--")) ? find_mark(s, line, &level) : MARK_NONE;
    s->hold_len = 0;
    s->any_line = true;
    if (line.len == 0) {
        s->header.len = s->line_at;
        scan_header_done(s);
        return;
    }
    if (mark != MARK_NONE) {
        s->header.len = s->line_at;
        scan_defect(s, MIME_DEFECT_HEADER_UNENDED);
        take_mark(s, mark, level);
        return;
    }
    bool fold = !first && (line.ptr[0] == ' ' || line.ptr[0] == '\t');
    if (!fold && !is_field(line)) {
        /* An mbox separator before a message is no part of it. */
        if (!(first && s->depth == 1 && slice_starts(line, SLICE("From ")))) {
            header_broken(s);
            return;
        }
        s->field_kept = false;
    } else if (!fold) {
        s->field_kept = slice_istarts(line, SLICE("Content-"));
    }
    if (!s->field_kept) {
        s->header.len = s->line_at;
    } else if (s->line_cut) {
        scan_defect(s, MIME_DEFECT_HEADER_TOO_LARGE);
        s->header.len = s->line_at;
    }
    s->line_at = s->header.len;
    s->line_cut = false;
}

static size_t header_feed(struct mime_scan *s, struct slice in)
{
    size_t end = slice_find(in, '\n');
    struct slice line = slice_sub(in, 0, end + 1);
    struct slice head = slice_sub(line, 0, SCAN_HOLD_MAX - s->hold_len);
    if (head.len > 0) {
        memcpy(s->hold + s->hold_len, head.ptr, head.len);
        s->hold_len += head.len;
    }
    struct slice kept = slice_sub(line, 0, MIME_SCAN_HEADER_MAX - s->header.len);
    s->line_cut |= kept.len < line.len;
    s->failed |= !buf_add(&s->header, kept);
    if (end < in.len && !s->failed) {
        header_line(s);
    }
    return line.len;
}

/* --- body lines --- */

static void flush_eol(struct mime_scan *s)
{
    size_t n = s->eol_len;
    s->eol_len = 0;
    deliver(s, (struct slice){s->eol, n});
}

static void hold_eol(struct mime_scan *s, struct slice eol)
{
    memcpy(s->eol, eol.ptr, eol.len);
    s->eol_len = eol.len;
}

/* From within a line: all up to a line that may be a boundary; its line end is held back. */
static size_t body_run(struct mime_scan *s, struct slice in)
{
    size_t at = 0, end, eol;
    if (s->eol_len > 0) { /* a CR at the end of the last piece */
        if (in.ptr[0] == '\n') {
            s->eol[s->eol_len++] = '\n';
            s->line_start = true;
            return 1;
        }
        flush_eol(s);
    }
    for (;;) {
        const unsigned char *lf = memchr(in.ptr + at, '\n', in.len - at);
        if (lf == NULL) {
            eol = in.ptr[in.len - 1] == '\r' ? 1 : 0;
            end = in.len - eol;
            break;
        }
        at = (size_t)(lf - in.ptr) + 1;
        if (at == in.len ||
            (in.ptr[at] == '-' && (at + 1 == in.len || in.ptr[at + 1] == '-'))) {
            eol = at > 1 && in.ptr[at - 2] == '\r' ? 2 : 1;
            end = at - eol;
            s->line_start = true;
            break;
        }
    }
    deliver(s, slice_sub(in, 0, end));
    if (eol > 0) {
        hold_eol(s, slice_sub(in, end, eol));
    }
    return end + eol;
}

/* What was held is no boundary. */
static void release_line(struct mime_scan *s)
{
    unsigned char line[SCAN_HOLD_MAX];
    size_t n = s->hold_len;
    memcpy(line, s->hold, n);
    s->hold_len = 0;
    s->line_start = false;
    flush_eol(s);
    for (struct slice in = {line, n}; in.len > 0;) {
        in = slice_from(in, body_run(s, in));
    }
}

static void hold_done(struct mime_scan *s)
{
    struct slice line = without_eol((struct slice){s->hold, s->hold_len});
    unsigned level = 0;
    enum mark mark = find_mark(s, line, &level);
    if (mark == MARK_NONE) {
        release_line(s);
        return;
    }
    s->hold_len = 0;
    take_mark(s, mark, level);
}

static size_t hold_line(struct mime_scan *s, struct slice in)
{
    size_t end = slice_find(in, '\n');
    struct slice line = slice_sub(in, 0, end + 1);
    line = slice_sub(line, 0, SCAN_HOLD_MAX - s->hold_len);
    memcpy(s->hold + s->hold_len, line.ptr, line.len);
    s->hold_len += line.len;
    if (s->hold_len > 1 && s->hold[1] != '-') {
        release_line(s);
    } else if (s->hold_len == SCAN_HOLD_MAX || s->hold[s->hold_len - 1] == '\n') {
        hold_done(s);
    }
    return line.len;
}

static size_t body_feed(struct mime_scan *s, struct slice in)
{
    if (s->marks.len == 0) {
        deliver(s, in);
        return in.len;
    }
    if (s->line_start && (s->hold_len > 0 || in.ptr[0] == '-')) {
        return hold_line(s, in);
    }
    if (s->line_start) {
        s->line_start = false;
        flush_eol(s);
    }
    return body_run(s, in);
}

bool mime_scan_feed(struct mime_scan *s, struct slice in)
{
    while (in.len > 0 && !s->failed) {
        in = slice_from(in, s->in_header ? header_feed(s, in) : body_feed(s, in));
    }
    return !s->failed;
}

bool mime_scan_end(struct mime_scan *s)
{
    if (s->ended) {
        return !s->failed;
    }
    s->ended = true;
    while (s->in_header && s->hold_len > 0) { /* at most once a level */
        header_line(s);
    }
    if (s->hold_len > 0) {
        hold_done(s);
    }
    if (!s->in_header) {
        flush_eol(s);
    }
    while (s->depth > 0) {
        close_level(s);
    }
    return !s->failed;
}
/* NOLINTEND(misc-no-recursion) */
