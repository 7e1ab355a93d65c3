/* content/kind.c - see kind.h */
#include "content/kind.h"

#include <stdlib.h>
#include <string.h>

/* Characters that are not shown, or reorder what is: they hide where a name ends. */
/* NOLINTBEGIN(misc-misleading-bidirectional): what is looked for */
static const char *const invisible[] = {
    "\xc2\xa0",     "\xe2\x80\x8b", "\xe2\x80\x8c", "\xe2\x80\x8d", "\xe2\x80\x8e",
    "\xe2\x80\x8f", "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x81\xa0",
    "\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9", "\xef\xbb\xbf"};
static const char to_right[] = "\xe2\x80\xad", to_left[] = "\xe2\x80\xae";
/* NOLINTEND(misc-misleading-bidirectional) */

static bool ends_with(struct slice s, struct slice end)
{
    return s.len >= end.len && slice_eq(slice_from(s, s.len - end.len), end);
}

/* Without what no system keeps, or nobody sees, at the end. */
static struct slice cut_end(struct slice s)
{
    for (size_t before = s.len + 1; s.len > 0 && s.len < before;) {
        before = s.len;
        unsigned char c = s.ptr[s.len - 1];
        if (c <= ' ' || c == '.' || c == 0x7f || c == '"' || c == '\'' || c == ';') {
            s.len--;
        }
        for (size_t i = 0; i < sizeof invisible / sizeof invisible[0]; i++) {
            struct slice mark = slice_of(invisible[i]);
            s.len -= ends_with(s, mark) ? mark.len : 0;
        }
    }
    return s;
}

static struct slice base_name(struct slice name)
{
    name = slice_sub(name, 0, slice_find(name, '\0'));
    for (size_t i = name.len; i-- > 0;) {
        if (name.ptr[i] == '/' || name.ptr[i] == '\\') {
            return slice_from(name, i + 1);
        }
    }
    return name;
}

struct slice kind_extension(struct slice name, char out[KIND_EXTENSION_MAX])
{
    struct slice base = base_name(cut_end(name));
    base = cut_end(slice_sub(base, 0, slice_find(base, ':')));
    size_t dot = slice_rfind(base, '.');
    struct slice extension = slice_from(base, dot + 1);
    if (dot == base.len) {
        return SLICE("");
    }
    size_t n = 0;
    for (size_t i = 0; i < extension.len && n < KIND_EXTENSION_MAX; i++) {
        if (extension.ptr[i] > ' ') {
            out[n++] = (char)ascii_lower(extension.ptr[i]);
        }
    }
    /* Those that stand within it, where a reader drops them. */
    struct slice result = {(const unsigned char *)out, n};
    for (size_t i = 0; i < sizeof invisible / sizeof invisible[0]; i++) {
        struct slice mark = slice_of(invisible[i]);
        for (size_t at; (at = slice_search(result, mark)) < result.len;) {
            result.len -= mark.len;
            memmove(out + at, out + at + mark.len, result.len - at);
        }
    }
    return result;
}

static int compare(const void *a, const void *b)
{
    const struct slice *word = a;
    const struct kind_word *row = b;
    return slice_cmp(*word, slice_of(row->word));
}

static enum content_kind find(struct slice word, const struct kind_word *table,
                              unsigned n)
{
    const struct kind_word *row = bsearch(&word, table, n, sizeof *table, compare);
    return row == NULL ? KIND_NONE : row->kind;
}

enum content_kind kind_by_name(struct slice name)
{
    char text[KIND_EXTENSION_MAX];
    struct slice extension = kind_extension(name, text);
    enum content_kind kind = find(extension, kind_extensions, kind_extensions_n);
    bool braces =
        extension.len == 38 && extension.ptr[0] == '{' && extension.ptr[37] == '}';
    if (kind == KIND_NONE && braces) {
        kind = KIND_CLSID;
    }
    if (kind == KIND_NONE || !kind_rows[kind].block) {
        bool turned = slice_search(name, slice_of(to_left)) < name.len ||
                      slice_search(name, slice_of(to_right)) < name.len;
        kind = turned ? KIND_OVERRIDE : kind;
    }
    return kind;
}

enum content_kind kind_by_type(struct slice type)
{
    return find(type, kind_types, kind_types_n);
}

bool kind_names_archive(struct slice name)
{
    static const char *const extensions[] = {
        "zip", "zipx", "7z",   "rar", "tar", "gz",  "tgz",  "taz", "bz2", "tbz", "tbz2",
        "xz",  "txz",  "lzma", "tlz", "z",   "zst", "tzst", "lz",  "lzh", "lha", "cpio"};
    char text[KIND_EXTENSION_MAX];
    struct slice extension = kind_extension(name, text);
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        if (slice_eq(extension, slice_of(extensions[i]))) {
            return true;
        }
    }
    return false;
}

enum content_kind kind_by_id(struct slice id)
{
    for (unsigned i = 1; i < KIND_N; i++) {
        if (slice_eq(id, slice_of(kind_rows[i].id))) {
            return (enum content_kind)i;
        }
    }
    return KIND_NONE;
}
