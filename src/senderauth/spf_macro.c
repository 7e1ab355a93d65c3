#include "senderauth/spf_macro.h"

#include "senderauth/spf_record.h"

#include <stdio.h>
#include <string.h>

/* Octets go in at the end. A name keeps its last half when it is full: only its end counts. */
struct sink {
    unsigned char *ptr;
    size_t len, cap;
    bool rolls;    /* drop the front rather than fail */
    bool overflow; /* something was dropped */
};

static void put(struct sink *out, unsigned char c)
{
    if (out->len == out->cap) {
        out->overflow = true;
        if (!out->rolls) {
            return;
        }
        out->len = out->cap / 2;
        memmove(out->ptr, out->ptr + out->cap - out->len, out->len);
    }
    out->ptr[out->len++] = c;
}

/* unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~" (RFC 3986 2.3) */
static void put_escaped(struct sink *out, unsigned char c)
{
    static const char hex[] = "0123456789ABCDEF";
    if (ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_' ||
        c == '~') {
        put(out, c);
        return;
    }
    put(out, '%');
    put(out, (unsigned char)hex[c >> 4]);
    put(out, (unsigned char)hex[c & 15]);
}

static void put_part(struct sink *out, struct slice part, bool escape)
{
    for (size_t i = 0; i < part.len; i++) {
        if (escape) {
            put_escaped(out, part.ptr[i]);
        } else {
            put(out, part.ptr[i]);
        }
    }
}

static bool is_cut(const struct spf_macro *m, unsigned char c)
{
    return m->delimiters.len == 0 ? c == '.'
                                  : slice_find(m->delimiters, c) < m->delimiters.len;
}

/* The parts of value from the left, joined by dots; a delimiter becomes a dot. */
static void put_forward(struct sink *out, const struct spf_macro *m, struct slice value)
{
    size_t start = value.len;
    unsigned cuts = 0;
    while (start > 0) {
        if (is_cut(m, value.ptr[start - 1]) && m->keep != 0 && ++cuts == m->keep) {
            break;
        }
        start--;
    }
    for (size_t i = start; i < value.len; i++) {
        unsigned char c = is_cut(m, value.ptr[i]) ? '.' : value.ptr[i];
        put_part(out, (struct slice){&c, 1}, m->escape);
    }
}

/* The same with the last part first. What is kept are the last parts of the reversed list,
 * so the first ones of the value. */
static void put_reverse(struct sink *out, const struct spf_macro *m, struct slice value)
{
    size_t end = 0;
    unsigned cuts = 0;
    while (end < value.len) {
        if (is_cut(m, value.ptr[end]) && m->keep != 0 && ++cuts == m->keep) {
            break;
        }
        end++;
    }
    for (;;) {
        size_t start = end;
        while (start > 0 && !is_cut(m, value.ptr[start - 1])) {
            start--;
        }
        put_part(out, slice_sub(value, start, end - start), m->escape);
        if (start == 0) {
            return;
        }
        put(out, '.');
        end = start - 1;
    }
}

enum { VALUE_MAX = 2 * 32 + IP_TEXT_MAX }; /* of what is made here: nibbles with dots */

/* RFC 7208 7.3: IPv4 in dotted form, IPv6 as nibbles with dots between. */
static struct slice nibbles(const struct ip *ip, unsigned char out[VALUE_MAX])
{
    static const char hex[] = "0123456789ABCDEF";
    size_t n = 0;
    for (size_t i = 0; i < 16; i++) {
        out[n++] = (unsigned char)hex[ip->octet[i] >> 4];
        out[n++] = '.';
        out[n++] = (unsigned char)hex[ip->octet[i] & 15];
        out[n++] = '.';
    }
    return (struct slice){out, n - 1};
}

static struct slice made(unsigned char letter, const struct spf_macro_values *v,
                         unsigned char out[VALUE_MAX])
{
    char text[IP_TEXT_MAX];
    if (letter == 't') {
        int n = snprintf((char *)out, VALUE_MAX, "%lld", (long long)v->now_s);
        return (struct slice){out, n > 0 ? (size_t)n : 0};
    }
    if (letter == 'i' && !ip_is_v4(v->ip)) {
        return nibbles(v->ip, out);
    }
    struct slice s = ip_text(v->ip, text);
    memcpy(out, s.ptr, s.len);
    return (struct slice){out, s.len};
}

static void put_value(struct sink *out, const struct spf_macro *m, struct slice value)
{
    if (m->reverse) {
        put_reverse(out, m, value);
    } else {
        put_forward(out, m, value);
    }
}

/* local "@" domain: one value, whose parts may reach across the "@". */
static bool put_sender(struct sink *out, const struct spf_macro *m,
                       const struct spf_macro_values *v)
{
    unsigned char whole[1024];
    if (v->local.len + v->sender_domain.len + 1 > sizeof whole) {
        return false;
    }
    memcpy(whole, v->local.ptr, v->local.len);
    whole[v->local.len] = '@';
    memcpy(whole + v->local.len + 1, v->sender_domain.ptr, v->sender_domain.len);
    put_value(out, m, (struct slice){whole, v->local.len + 1 + v->sender_domain.len});
    return true;
}

static bool put_macro(struct sink *out, const struct spf_macro *m,
                      const struct spf_macro_values *v)
{
    unsigned char room[VALUE_MAX];
    struct slice value = {0};
    /* RFC 8616 4: "when the local-part contains non-ASCII characters ... terms that require
     * expansion of %s or %l never match" in meaning: there is no such name. */
    if ((m->letter == 's' || m->letter == 'l') && !slice_is_ascii(v->local)) {
        return false;
    }
    switch (m->letter) {
    case 0:
        put(out, m->literal);
        return true;
    case '-':
        put_part(out, SLICE("%20"), false);
        return true;
    case 's':
        return put_sender(out, m, v);
    case 'l':
        value = v->local;
        break;
    case 'o':
        value = v->sender_domain;
        break;
    case 'd':
        value = v->domain;
        break;
    case 'h':
        value = v->helo;
        break;
    case 'p':
        value = v->validated;
        break;
    case 'r':
        value = v->receiver.len == 0 ? SLICE("unknown") : v->receiver;
        break;
    case 'v':
        value = ip_is_v4(v->ip) ? SLICE("in-addr") : SLICE("ip6");
        break;
    default:
        value = made(m->letter, v, room);
        break;
    }
    put_value(out, m, value);
    return true;
}

static bool expand(struct slice text, const struct spf_macro_values *values,
                   struct sink *out)
{
    struct spf_macro m;
    const char *fault;
    while (spf_macro_next(&text, &m, &fault)) {
        if (!put_macro(out, &m, values)) {
            return false;
        }
    }
    return fault == NULL;
}

bool spf_macro_uses(struct slice spec, unsigned char letter)
{
    struct spf_macro m;
    const char *fault;
    while (spf_macro_next(&spec, &m, &fault)) {
        if (m.letter == letter) {
            return true;
        }
    }
    return false;
}

bool spf_macro_name(struct slice spec, const struct spf_macro_values *values,
                    unsigned char out[DNS_NAME_MAX], size_t *len)
{
    unsigned char room[4 * (DNS_NAME_MAX + 1)];
    struct sink sink = {.ptr = room, .cap = sizeof room, .rolls = true};
    if (!expand(spec, values, &sink)) {
        return false;
    }
    struct slice name = {room, sink.len};
    if (name.len > 0 && name.ptr[name.len - 1] == '.') {
        name.len--;
    }
    /* RFC 7208 7.3: "the left side is truncated to fit, by removing successive domain labels
     * (and their following dots) until the total length does not exceed 253 characters" */
    while (name.len > DNS_NAME_MAX) {
        name = slice_from(name, slice_find(name, '.') + 1);
    }
    if (name.len == 0) {
        return false;
    }
    memcpy(out, name.ptr, name.len);
    *len = name.len;
    return true;
}

/* explain-string = *( macro-string / SP ) */
bool spf_macro_text(struct slice text, const struct spf_macro_values *values,
                    unsigned char *out, size_t cap, size_t *len)
{
    struct sink sink = {.ptr = out, .cap = cap};
    if (!expand(text, values, &sink) || sink.overflow) {
        return false;
    }
    for (size_t i = 0; i < sink.len; i++) {
        if (out[i] < 0x20 || out[i] > 0x7e) {
            return false;
        }
    }
    *len = sink.len;
    return true;
}
