/* net/proxy.c - see proxy.h */
#include "net/proxy.h"

#include <string.h>

enum { V1_MAX = 107, V2_HEAD = 16, V2_IPV4 = 12, V2_IPV6 = 36 };

static const struct slice v1_start = SLICE_INIT("PROXY ");
static const struct slice v2_start = SLICE_INIT("\r\n\r\n\0\r\nQUIT\n");

/* One word and the SP behind it off the front. */
static struct slice take_word(struct slice *s)
{
    struct slice word = slice_sub(*s, 0, slice_find(*s, ' '));
    *s = slice_from(*s, word.len + 1);
    return word;
}

static bool read_port(struct slice text, uint16_t *out)
{
    uint64_t port = 0;
    bool zero = text.len > 1 && text.ptr[0] == '0'; /* "no leading zeroes" */
    if (zero || text.len > 5 || !slice_u64(text, &port) || port > UINT16_MAX) {
        return false;
    }
    *out = (uint16_t)port;
    return true;
}

/* "TCP4 192.0.2.1 198.51.100.1 40000 25" */
static bool read_v1(struct slice line, struct proxy_header *out)
{
    struct ip to;
    uint16_t to_port = 0;
    struct slice family = take_word(&line);
    if (slice_eq(family, SLICE("UNKNOWN"))) {
        return true;
    }
    bool v4 = slice_eq(family, SLICE("TCP4"));
    if ((!v4 && !slice_eq(family, SLICE("TCP6"))) ||
        !ip_parse(take_word(&line), &out->ip) || !ip_parse(take_word(&line), &to) ||
        !read_port(take_word(&line), &out->port) || !read_port(line, &to_port)) {
        return false;
    }
    out->known = true;
    return !v4 || (ip_is_v4(&out->ip) && ip_is_v4(&to));
}

static enum proxy_res take_v1(struct slice in, struct proxy_header *out)
{
    struct proxy_header h = {0};
    struct slice seen = slice_sub(in, 0, V1_MAX);
    size_t cr = slice_find(seen, '\r');
    if (slice_find(seen, '\n') < cr) {
        return PROXY_BAD;
    }
    if (cr + 1 >= seen.len) {
        return seen.len == V1_MAX ? PROXY_BAD : PROXY_MORE;
    }
    struct slice line = slice_sub(seen, v1_start.len, cr - v1_start.len);
    if (seen.ptr[cr + 1] != '\n' || !read_v1(line, &h)) {
        return PROXY_BAD;
    }
    h.used = cr + 2;
    *out = h;
    return PROXY_OK;
}

static void read_v4(const unsigned char *octets, struct ip *out)
{
    memset(out->octet, 0, 10);
    memset(out->octet + 10, 0xff, 2);
    memcpy(out->octet + 12, octets, 4);
}

static enum proxy_res take_v2(struct slice in, struct proxy_header *out)
{
    struct proxy_header h = {0};
    if (in.len < V2_HEAD) {
        bool version = in.len <= v2_start.len || in.ptr[v2_start.len] >> 4 == 2;
        return version ? PROXY_MORE : PROXY_BAD;
    }
    unsigned command = in.ptr[12] & 15U;
    unsigned family = in.ptr[13];
    size_t len = (size_t)in.ptr[14] << 8 | in.ptr[15];
    if (in.ptr[12] >> 4 != 2 || command > 1 || V2_HEAD + len > PROXY_MAX) {
        return PROXY_BAD;
    }
    bool v4 = family == 0x11;
    bool v6 = family == 0x21;
    if (command == 1 && ((v4 && len < V2_IPV4) || (v6 && len < V2_IPV6))) {
        return PROXY_BAD;
    }
    if (in.len < V2_HEAD + len) {
        return PROXY_MORE;
    }
    const unsigned char *at = in.ptr + V2_HEAD;
    h.used = V2_HEAD + len;
    h.known = command == 1 && (v4 || v6);
    if (h.known && v4) {
        read_v4(at, &h.ip);
        h.port = (uint16_t)(at[8] << 8 | at[9]);
    } else if (h.known) {
        memcpy(h.ip.octet, at, sizeof h.ip.octet);
        h.port = (uint16_t)(at[32] << 8 | at[33]);
    }
    *out = h;
    return PROXY_OK;
}

enum proxy_res proxy_read(struct slice in, struct proxy_header *out)
{
    struct slice begin = slice_sub(in, 0, v2_start.len);
    if (slice_starts(v1_start, begin) || slice_starts(v2_start, begin)) {
        if (begin.len < v1_start.len ||
            (begin.len < v2_start.len && begin.ptr[0] == '\r')) {
            return PROXY_MORE;
        }
    }
    if (slice_starts(in, v1_start)) {
        return take_v1(in, out);
    }
    return slice_eq(begin, v2_start) ? take_v2(in, out) : PROXY_BAD;
}
