/* bounce/address_find.c - see address_find.h */
#include "bounce/address_find.h"

#include <string.h>

enum {
    LOCAL_MAX = 128,
    DOMAIN_MAX = 255
}; /* RFC 5321 4.5.3.1 allows a local part of 64 */

/* atext and the dot, and what is not ASCII. */
static bool is_local(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c >= 0x80 ||
           (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

static bool is_domain(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_' ||
           c >= 0x80;
}

/* The first octet of a character from U+3000 on. */
static bool is_east_asian(unsigned char c)
{
    return (c >= 0xe3 && c <= 0xed) || c == 0xef;
}

/* Start of the local part that ends before at; at itself when there is none. */
static size_t local_start(struct slice s, size_t at, bool split)
{
    size_t start = at;
    if (at > 1 && s.ptr[at - 1] == '"') {
        for (start = at - 1;
             start > 0 && at - start < LOCAL_MAX && s.ptr[start - 1] != '\n';) {
            start--;
            if (s.ptr[start] == '"' && (start == 0 || s.ptr[start - 1] != '\\')) {
                return start;
            }
        }
        return at;
    }
    while (start > 0 && at - start < LOCAL_MAX && is_local(s.ptr[start - 1])) {
        start--;
    }
    /* Chinese or Japanese text runs into an address without a blank. */
    size_t ascii = at;
    while (split && ascii > start && s.ptr[ascii - 1] < 0x80) {
        ascii--;
    }
    if (split && ascii < at && ascii >= start + 3 && is_east_asian(s.ptr[ascii - 3])) {
        start = ascii;
    }
    while (start < at && strchr("'`*=.-|/", s.ptr[start]) != NULL &&
           !(s.ptr[start] == '=' && start + 1 < at && s.ptr[start + 1] == '?')) {
        start++; /* quotes, bullets and rules in front of it */
    }
    /* "/home/user/.cat/user@host": a path, not an address */
    struct slice local = slice_sub(s, start, at - start);
    size_t slash = slice_rfind(local, '/');
    if (slash < local.len &&
        (slice_find(local, '/') < slash || (start > 0 && s.ptr[start - 1] == '/'))) {
        start += slash + 1;
    }
    return start;
}

static size_t domain_end(struct slice s, size_t at, bool split)
{
    size_t end = at;
    if (end < s.len && s.ptr[end] == '[') {
        size_t close = slice_find(slice_sub(s, end, 64), ']');
        return close < 64 && end + close < s.len ? end + close + 1 : at;
    }
    while (end < s.len && end - at < DOMAIN_MAX && is_domain(s.ptr[end])) {
        end++;
    }
    for (size_t i = at; split && i < end; i++) { /* the same at this side */
        if (is_east_asian(s.ptr[i]) &&
            slice_find(slice_sub(s, at, i - at), '.') < i - at) {
            end = i;
        }
    }
    /* No last label has both: what follows it is the sentence's, such as an Arabic comma. */
    size_t label = at + slice_rfind(slice_sub(s, at, end - at), '.') + 1;
    bool ascii = label < end && ascii_is_alpha(s.ptr[label]);
    for (size_t i = label; ascii && i < end; i++) {
        if (s.ptr[i] >= 0x80) {
            end = i;
        }
    }
    while (end > at &&
           (s.ptr[end - 1] == '.' || s.ptr[end - 1] == '-' || s.ptr[end - 1] == '_')) {
        end--;
    }
    return end;
}

static bool find(struct slice text, size_t from, bool split, struct address_found *out)
{
    for (size_t at = from; at < text.len; at++) {
        at += slice_find(slice_from(text, at), '@');
        if (at >= text.len) {
            return false;
        }
        size_t start = local_start(text, at, split),
               end = domain_end(text, at + 1, split);
        if (start < from || start == at || end == at + 1) {
            continue;
        }
        if (end < text.len && (text.ptr[end] == ':' || text.ptr[end] == ',') &&
            end + 1 < text.len && text.ptr[end + 1] == '@') {
            continue; /* a route */
        }
        out->address = slice_sub(text, start, end - start);
        out->off = start;
        out->end = end;
        unsigned char before = start > from ? text.ptr[start - 1] : ' ';
        unsigned char after = end < text.len ? text.ptr[end] : ' ';
        if ((before == '<' && after == '>') ||
            (before == after && strchr("'\"`", before))) {
            out->off--;
            out->end++;
        }
        return true;
    }
    return false;
}

bool address_find(struct slice text, size_t from, struct address_found *out)
{
    return find(text, from, true, out);
}

bool address_bare(struct slice s, struct slice *out)
{
    s = slice_strip(s);
    if (s.len > 1 && s.ptr[0] == '<' && s.ptr[s.len - 1] == '>') {
        s = slice_strip(slice_sub(s, 1, s.len - 2));
    }
    if (s.len > 0 && s.ptr[0] == '@' && slice_find(s, ':') < s.len) {
        s = slice_from(s, slice_find(s, ':') + 1);
    }
    struct address_found found;
    if (!find(s, 0, false, &found) || found.address.len != s.len) {
        return false;
    }
    *out = s;
    return true;
}
