/* senderauth/dkim_tags.c - see dkim_tags.h */
#include "senderauth/dkim_tags.h"

#include "base/base64.h"

struct slice dkim_trim(struct slice s)
{
    while (s.len > 0 && ascii_is_space(s.ptr[0])) {
        s = slice_from(s, 1);
    }
    while (s.len > 0 && ascii_is_space(s.ptr[s.len - 1])) {
        s.len--;
    }
    return s;
}

/* tag-name = ALPHA *(ALPHA / DIGIT / "_") */
static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (!ascii_is_alpha(c) && (i == 0 || (!ascii_is_digit(c) && c != '_'))) {
            return false;
        }
    }
    return s.len > 0;
}

/* Printable, UTF-8, or white space; a CR or LF only as part of a fold. */
static bool is_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (c == '\r' || c == '\n') {
            i += c == '\r' && i + 1 < s.len && s.ptr[i + 1] == '\n';
            if (s.ptr[i] != '\n' || i + 1 == s.len || !ascii_is_space(s.ptr[i + 1])) {
                return false;
            }
        } else if ((c < ' ' && c != '\t') || c == 127) {
            return false;
        }
    }
    return true;
}

static const char *add_tag(struct slice spec, struct dkim_tags *out)
{
    size_t eq = slice_find(spec, '=');
    struct slice name = dkim_trim(slice_sub(spec, 0, eq));
    if (eq == spec.len) {
        return dkim_trim(spec).len == 0 ? "an empty tag between semicolons"
                                        : "a tag without \"=\"";
    }
    if (!is_name(name)) {
        return "no tag name before \"=\"";
    }
    struct slice span = slice_from(spec, eq + 1);
    struct slice value = dkim_trim(span);
    if (!is_value(value)) {
        return "a control character in a value";
    }
    for (unsigned i = 0; i < out->n; i++) {
        if (slice_eq(out->tag[i].name, name)) {
            return "a tag that stands twice";
        }
    }
    if (out->n == DKIM_TAGS_MAX) {
        return "too many tags";
    }
    out->tag[out->n++] = (struct dkim_tag){name, value, span};
    return NULL;
}

/* tag-list = tag-spec *( ";" tag-spec ) [ ";" ] */
const char *dkim_tags_parse(struct slice list, struct dkim_tags *out, struct slice *at)
{
    out->n = 0;
    do {
        size_t end = slice_find(list, ';');
        struct slice spec = slice_sub(list, 0, end);
        list = slice_from(list, end + 1);
        const char *wrong = add_tag(spec, out);
        if (wrong != NULL) {
            *at = slice_sub(dkim_trim(spec), 0, 40);
            return wrong;
        }
    } while (dkim_trim(list).len > 0);
    return NULL;
}

const struct dkim_tag *dkim_tags_get(const struct dkim_tags *t, const char *name)
{
    for (unsigned i = 0; i < t->n; i++) {
        if (slice_eq(t->tag[i].name, slice_of(name))) {
            return &t->tag[i];
        }
    }
    return NULL;
}

bool dkim_list_next(struct slice *rest, unsigned char separator, struct slice *item)
{
    if (rest->ptr == NULL) {
        return false;
    }
    size_t end = slice_find(*rest, separator);
    *item = dkim_trim(slice_sub(*rest, 0, end));
    *rest = end == rest->len ? (struct slice){0} : slice_from(*rest, end + 1);
    return true;
}

bool dkim_list_has(struct slice list, struct slice item)
{
    struct slice one;
    while (dkim_list_next(&list, ':', &one)) {
        if (slice_eq(one, item)) {
            return true;
        }
    }
    return false;
}

bool dkim_base64(struct slice s, struct buf *out)
{
    struct buf packed;
    buf_init(&packed, s.len + 2);
    size_t begin = 0;
    for (size_t i = 0; i <= s.len; i++) {
        if (i == s.len || ascii_is_space(s.ptr[i])) {
            buf_add(&packed, slice_sub(s, begin, i - begin));
            begin = i + 1;
        }
    }
    while (packed.len % 4 > 1 && !packed.failed) {
        buf_add_byte(&packed, '=');
    }
    size_t len = 0, room = BASE64_OCTETS(packed.len);
    unsigned char *to = packed.failed || packed.len == 0 ? NULL : buf_room(out, room);
    bool ok = to != NULL && base64_decode(buf_slice(&packed), to, room, &len);
    if (ok) {
        buf_grew(out, len);
    }
    buf_clear(&packed);
    return ok;
}

static int hex(unsigned char c)
{
    return ascii_is_digit(c) ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool dkim_qp(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (ascii_is_space(c)) {
            continue; /* white space stands for nothing: it comes from folding */
        }
        if (c == '=') {
            int high = i + 2 < s.len ? hex(s.ptr[i + 1]) : -1;
            int low = i + 2 < s.len ? hex(s.ptr[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            c = (unsigned char)(high * 16 + low);
            i += 2;
        }
        buf_add_byte(out, c);
    }
    return !out->failed;
}

bool dkim_number(struct slice s, uint64_t *out)
{
    if (s.len == 0) {
        return false;
    }
    uint64_t n = 0;
    bool over = false;
    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_digit(s.ptr[i])) {
            return false;
        }
        over = over || __builtin_mul_overflow(n, (uint64_t)10, &n) ||
               __builtin_add_overflow(n, (uint64_t)(s.ptr[i] - '0'), &n);
    }
    *out = over ? UINT64_MAX : n;
    return true;
}
