/* message/mime_scan_header.c - what an entity's header says: type, encoding, names, boundary */
#include "message/fields.h"
#include "message/mime_scan_impl.h"

#include <string.h>

/* What counts of the fields of one entity. */
struct said {
    struct slice type, encoding; /* values, as written; the first of each */
    bool typed, encoded;
    struct slice params;
    enum mime_encoding how;
    bool base64_composite;
};

static enum mime_encoding encoding_of(struct slice value, bool *known)
{
    static const struct {
        const char *name;
        enum mime_encoding encoding;
    } names[] = {{"7bit", MIME_IDENTITY},
                 {"8bit", MIME_IDENTITY},
                 {"binary", MIME_IDENTITY},
                 {"base64", MIME_BASE64},
                 {"quoted-printable", MIME_QUOTED_PRINTABLE},
                 {"x-uuencode", MIME_UUENCODE},
                 {"x-uue", MIME_UUENCODE},
                 {"uuencode", MIME_UUENCODE}};
    enum mime_encoding found = MIME_IDENTITY;
    struct buf token;
    buf_init(&token, 64);
    mime_take_token(&value, &token);
    *known = false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_eq(buf_slice(&token), slice_of(names[i].name))) {
            found = names[i].encoding;
            *known = true;
        }
    }
    buf_clear(&token);
    return found;
}

/* --- fields --- */

static void take_content_type(struct mime_scan *s, struct slice value, struct said *said)
{
    bool valid = false;
    if (said->typed) {
        if (!slice_ieq(slice_strip(value), slice_strip(said->type))) {
            scan_defect(s, MIME_DEFECT_TYPE_REPEATED);
        }
        mime_names_add(&s->names, slice_from(value, slice_find(value, ';')));
        return;
    }
    said->typed = true;
    said->type = value;
    buf_reset(&s->type);
    said->params = mime_take_type(value, &s->type, &valid);
    mime_names_add(&s->names, said->params);
    if (!valid) {
        scan_defect(s, MIME_DEFECT_TYPE_INVALID);
    }
}

static void take_encoding(struct mime_scan *s, struct slice value, struct said *said)
{
    bool known = true;
    if (said->encoded) {
        if (!slice_ieq(slice_strip(value), slice_strip(said->encoding))) {
            scan_defect(s, MIME_DEFECT_ENCODING_REPEATED);
        }
        return;
    }
    said->encoded = true;
    said->encoding = value;
    said->how = encoding_of(value, &known);
    if (!known) {
        scan_defect(s, MIME_DEFECT_ENCODING_UNKNOWN);
    }
}

static void take_disposition(struct mime_scan *s, struct slice value)
{
    mime_names_add(&s->names, value);
    if (s->disposition.len == 0) {
        mime_take_token(&value, &s->disposition);
    }
}

static void read_fields(struct mime_scan *s, struct said *said)
{
    struct slice rest = buf_slice(&s->header);
    struct header_field f;
    unsigned line = 1;
    buf_reset(&s->type);
    buf_reset(&s->disposition);
    mime_names_reset(&s->names);
    if (!slice_is_ascii(rest)) {
        scan_defect(s, MIME_DEFECT_HEADER_8BIT);
    }
    while (header_field_next(&rest, &line, &f)) {
        if (slice_ieq(f.name, SLICE("Content-Type"))) {
            take_content_type(s, f.value, said);
        } else if (slice_ieq(f.name, SLICE("Content-Transfer-Encoding"))) {
            take_encoding(s, f.value, said);
        } else if (slice_ieq(f.name, SLICE("Content-Disposition"))) {
            take_disposition(s, f.value);
        }
    }
    bool digest = s->depth > 1 && s->level[s->depth - 2].digest;
    if (s->type.len == 0) {
        (void)buf_add_str(&s->type, digest ? "message/rfc822" : "text/plain");
    }
    if (s->names.dropped) {
        scan_defect(s, MIME_DEFECT_NAMES_TOO_MANY);
    }
    if (s->names.differ) {
        scan_defect(s, MIME_DEFECT_NAMES_DIFFER);
    }
}

/* --- multiparts --- */

/* RFC 2046 5.1.1: bcharsnospace, and the space. */
static bool is_boundary_octet(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) ||
           slice_find(SLICE("'()+_,-./:=? "), c) < 13;
}

static void check_boundary(struct mime_scan *s, struct slice boundary)
{
    bool odd = boundary.len > 70;
    for (size_t i = 0; i < boundary.len && !odd; i++) {
        odd = !is_boundary_octet(boundary.ptr[i]);
    }
    if (odd) {
        scan_defect(s, MIME_DEFECT_BOUNDARY_ODD);
    }
    for (unsigned i = 0; i + 1 < s->depth; i++) {
        const struct scan_level *l = &s->level[i];
        struct slice mark = slice_sub(buf_slice(&s->marks), l->mark_at, l->mark_len);
        if (l->multipart && slice_eq(slice_from(mark, 2), boundary)) {
            scan_defect(s, MIME_DEFECT_BOUNDARY_REPEATED);
            break;
        }
    }
}

/* Two plain boundary parameters that differ. */
static bool names_two(struct slice params)
{
    struct mime_param p;
    struct slice first = {0};
    bool two = false;
    while (mime_param_next(&params, &p)) {
        if (slice_ieq(p.name, SLICE("boundary"))) {
            two = two || (first.ptr != NULL && !slice_eq(first, p.value));
            first = p.value;
        }
    }
    return two;
}

/* The mark of the multipart that is open; false: it has none that is of use. */
static bool take_boundary(struct mime_scan *s, const struct said *said)
{
    struct scan_level *top = scan_top(s);
    struct buf b;
    buf_init(&b, MIME_SCAN_HEADER_MAX);
    bool found = mime_param(said->params, "boundary", &b);
    struct slice boundary = buf_slice(&b);
    while (boundary.len > 0 && ascii_is_space(boundary.ptr[boundary.len - 1])) {
        boundary.len--;
    }
    bool ok = found && boundary.len > 0 && boundary.len <= MIME_SCAN_BOUNDARY_MAX;
    if (!ok) {
        scan_defect(s, boundary.len > 0 ? MIME_DEFECT_BOUNDARY_TOO_LONG
                                        : MIME_DEFECT_BOUNDARY_MISSING);
    } else {
        check_boundary(s, boundary);
        if (names_two(said->params)) {
            scan_defect(s, MIME_DEFECT_BOUNDARY_TWO);
        }
        top->mark_at = s->marks.len;
        (void)buf_add_str(&s->marks, "--");
        (void)buf_add(&s->marks, boundary);
        top->mark_len = s->marks.len - top->mark_at;
    }
    buf_clear(&b);
    return ok && !s->marks.failed;
}

/* --- the entity --- */

static bool is_message_type(struct slice type)
{
    return slice_eq(type, SLICE("message/rfc822")) ||
           slice_eq(type, SLICE("message/global")) ||
           slice_eq(type, SLICE("message/news"));
}

static bool is_multipart_type(struct slice type)
{
    return slice_starts(type, SLICE("multipart/")) || slice_eq(type, SLICE("multipart"));
}

static enum mime_want tell(struct mime_scan *s, const struct said *said)
{
    struct scan_level *top = scan_top(s);
    struct mime_entity e = {
        .index = top->index,
        .depth = s->base_depth + s->depth - 1,
        .parent = s->depth > 1 ? s->level[s->depth - 2].index : s->base_parent,
        .attached = top->attached,
        .composite = top->composite,
        .type = buf_slice(&s->type),
        .params = said->params,
        .disposition = buf_slice(&s->disposition),
        .encoding = said->how,
        .names = &s->names,
    };
    top->told = true;
    return s->events->begin == NULL ? MIME_SKIP : s->events->begin(s->arg, &e);
}

/* What a large header needed is given back: entities nest. */
static void forget_header(struct mime_scan *s)
{
    struct buf *const large[] = {&s->header, &s->type, &s->disposition, &s->names.octets};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++) {
        if (large[i]->cap > SCAN_KEPT_MAX) {
            buf_clear(large[i]);
        }
    }
    mime_names_reset(&s->names);
    buf_reset(&s->header);
}

/* Room for one more within it? */
static bool may_nest(struct mime_scan *s)
{
    bool ok = s->base_depth + s->depth < s->limits.depth;
    if (!ok) {
        scan_defect(s, MIME_DEFECT_TOO_DEEP);
    }
    return ok;
}

static void open_leaf(struct mime_scan *s, const struct said *said, enum mime_want want)
{
    struct slice type = buf_slice(&s->type);
    bool counted = scan_top(s)->told;
    s->content_on = want != MIME_SKIP && !scan_top(s)->composite;
    s->uu_on =
        counted && (slice_eq(type, SLICE("text/plain")) || said->how == MIME_UUENCODE);
    s->uu = (struct uudecode){.state = UU_SEARCH};
    if (counted && (slice_eq(type, SLICE("application/mac-binhex40")) ||
                    slice_eq(type, SLICE("application/mac-binhex")))) {
        s->uu_on = true;
        uu_expect_binhex(&s->uu);
    }
    mime_decoder_init(&s->decoder, said->how);
    bool message = want == MIME_MESSAGE || (counted && is_message_type(type));
    if (message && may_nest(s)) {
        s->inner = scan_new_inner(s, scan_top(s)->index);
        s->failed |= s->inner == NULL;
    }
    s->decode_on = s->content_on || s->uu_on || s->inner != NULL;
}

void scan_header_done(struct mime_scan *s)
{
    struct scan_level *top = scan_top(s);
    struct said said = {.params = SLICE("")};
    s->in_header = false;
    s->line_start = true;
    s->hold_len = 0;
    read_fields(s, &said);
    struct slice type = buf_slice(&s->type);
    bool multipart = is_multipart_type(type) && may_nest(s);
    bool message = !multipart && is_message_type(type);
    if (multipart && said.how != MIME_IDENTITY) {
        scan_defect(s, said.how == MIME_BASE64 ? MIME_DEFECT_MULTIPART_ENCODED
                                               : MIME_DEFECT_MESSAGE_ENCODED);
    }
    if (message && said.how != MIME_IDENTITY) {
        scan_defect(s, MIME_DEFECT_MESSAGE_ENCODED);
    }
    top->multipart = multipart && take_boundary(s, &said);
    top->digest = slice_eq(type, SLICE("multipart/digest"));
    top->composite = top->multipart || message;
    enum mime_want want = top->index != UINT32_MAX ? tell(s, &said) : MIME_SKIP;
    s->failed |= s->marks.failed || s->type.failed || s->disposition.failed;
    bool nested = message && said.how == MIME_IDENTITY && may_nest(s);
    if (!top->multipart && !nested) {
        open_leaf(s, &said, want);
    }
    forget_header(s);
    if (nested) {
        scan_open(s, true);
    }
}
