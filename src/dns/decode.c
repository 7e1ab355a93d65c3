/* dns/decode.c - see decode.h */
#include "dns/decode.h"

#include <string.h>

enum {
    HEADER_LEN = 12,
    RR_HEAD_LEN = 10,
    NXDOMAIN = 3,
    CLASS_IN = 1,
    POINTERS_MAX = 128, /* a name of 128 labels can need no more */
    WIRE_NAME_MAX = 255,
    TTL_MAX = 0x7fffffff, /* RFC 2181 8: a TTL with the top bit set counts as zero */
};

const char *dns_rcode_text(unsigned rcode)
{
    static const char *const words[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                        "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                        "NXRRSET", "NOTAUTH", "NOTZONE"};
    return rcode < sizeof words / sizeof words[0] ? words[rcode] : "an unknown error";
}

void dns_fail(struct dns_answer *out, struct slice name, const char *why)
{
    *out = (struct dns_answer){.status = DNS_FAILED, .why = why, .name = name};
}

/* A name as text, in lower case, and as on the wire without compression. */
struct name {
    unsigned char text[DNS_NAME_MAX], wire[WIRE_NAME_MAX];
    size_t text_len, wire_len;
    bool odd; /* a label holds a dot: the text is not the name */
};

static uint16_t u16_at(struct slice s, size_t at)
{
    return (uint16_t)(s.ptr[at] << 8 | s.ptr[at + 1]);
}

static uint32_t u32_at(struct slice s, size_t at)
{
    return (uint32_t)u16_at(s, at) << 16 | u16_at(s, at + 2);
}

static bool add_label(struct name *n, struct slice label)
{
    size_t dot = n->text_len > 0;
    if (n->text_len + dot + label.len > DNS_NAME_MAX) {
        return false;
    }
    if (dot == 1) {
        n->text[n->text_len++] = '.';
    }
    n->wire[n->wire_len++] = (unsigned char)label.len;
    for (size_t i = 0; i < label.len; i++) {
        unsigned char c = ascii_lower(label.ptr[i]);
        n->odd |= c == '.';
        n->text[n->text_len++] = c;
        n->wire[n->wire_len++] = c;
    }
    return true;
}

/* The name at *at, which moves behind it. False: it is none. */
static bool read_name(struct slice message, size_t *at, struct name *out)
{
    size_t i = *at;
    bool jumped = false;
    *out = (struct name){.text_len = 0};
    for (unsigned pointers = 0; pointers <= POINTERS_MAX;) {
        if (i >= message.len) {
            return false;
        }
        unsigned char c = message.ptr[i];
        if (c >= 0xc0) { /* RFC 1035 4.1.4: to a prior occurrence */
            if (i + 1 >= message.len) {
                return false;
            }
            size_t to = (size_t)(c & 0x3f) << 8 | message.ptr[i + 1];
            *at = jumped ? *at : i + 2;
            if (to >= i) {
                return false;
            }
            jumped = true;
            pointers++;
            i = to;
            continue;
        }
        if (c == 0) {
            out->wire[out->wire_len++] = 0;
            *at = jumped ? *at : i + 1;
            return true;
        }
        if (c > DNS_LABEL_MAX || message.len - i - 1 < c ||
            !add_label(out, slice_sub(message, i + 1, c))) {
            return false;
        }
        i += 1U + c;
    }
    return false;
}

static struct slice text_of(const struct name *n)
{
    return (struct slice){n->text, n->text_len};
}

struct rr {
    struct name owner;
    unsigned type, class;
    uint32_t ttl;
    size_t data_at, data_len;
};

static bool read_rr(struct slice message, size_t *at, struct rr *rr)
{
    if (!read_name(message, at, &rr->owner) || message.len - *at < RR_HEAD_LEN) {
        return false;
    }
    rr->type = u16_at(message, *at);
    rr->class = u16_at(message, *at + 2);
    rr->ttl = u32_at(message, *at + 4);
    rr->ttl = rr->ttl > TTL_MAX ? 0 : rr->ttl;
    rr->data_len = u16_at(message, *at + 8);
    rr->data_at = *at + RR_HEAD_LEN;
    *at = rr->data_at + rr->data_len;
    return *at <= message.len;
}

/* Does it count: of that type, at that name? */
static bool is_of(const struct rr *rr, unsigned type, const struct name *n)
{
    return rr->type == type && rr->class == CLASS_IN && !rr->owner.odd &&
           slice_eq(text_of(&rr->owner), text_of(n));
}

/* --- data --- */

/* Adds the name at *at to the data; it must end inside the record. */
static bool name_in(struct slice message, size_t *at, size_t end, struct name *n,
                    unsigned char *data, size_t *len)
{
    if (!read_name(message, at, n) || *at > end) {
        return false;
    }
    memcpy(data + *len, n->wire, n->wire_len);
    *len += n->wire_len;
    return true;
}

/* How the data of a type is made: octets before the names, names, octets behind them. */
static const struct shape {
    enum dns_type type;
    unsigned char before, names, behind;
} shapes[] = {{DNS_NS, 0, 1, 0},
              {DNS_CNAME, 0, 1, 0},
              {DNS_SOA, 0, 2, 20},
              {DNS_PTR, 0, 1, 0},
              {DNS_MX, 2, 1, 0}};

static const struct shape *shape_of(unsigned type)
{
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if ((unsigned)shapes[i].type == type) {
            return &shapes[i];
        }
    }
    return NULL;
}

/* One with names in it, to a record with these not compressed. *odd: to be left out. */
static const char *read_shaped(struct slice message, const struct rr *rr,
                               const struct shape *shape, struct arena *arena,
                               struct dns_record *out, bool *odd)
{
    unsigned char data[2 + 2 * WIRE_NAME_MAX + 20];
    struct name n = {.text_len = 0};
    size_t len = shape->before;
    size_t at = rr->data_at + len;
    size_t end = rr->data_at + rr->data_len;
    if (at > end) {
        return "a malformed answer";
    }
    memcpy(data, message.ptr + rr->data_at, len);
    for (unsigned i = 0; i < shape->names; i++) {
        if (!name_in(message, &at, end, &n, data, &len)) {
            return "a malformed answer";
        }
        *odd |= n.odd;
    }
    if (end - at != shape->behind) {
        return "a malformed answer";
    }
    memcpy(data + len, message.ptr + at, shape->behind);
    len += shape->behind;
    if (rr->type == DNS_MX) {
        out->preference = u16_at(message, rr->data_at);
    }
    return arena_dup(arena, (struct slice){data, len}, &out->data) &&
                   arena_dup(arena, text_of(&n), &out->name)
               ? NULL
               : "the answer is too large";
}

/* RFC 7208 3.3, 6376 3.6.2.2: strings are joined "without spaces added". */
static const char *read_text(struct slice data, struct arena *arena,
                             struct dns_record *out)
{
    unsigned char *text = arena_alloc(arena, data.len + 1);
    size_t n = 0;
    if (text == NULL) {
        return "the answer is too large";
    }
    while (data.len > 0) {
        size_t len = data.ptr[0];
        if (len > data.len - 1) {
            return "a malformed answer";
        }
        memcpy(text + n, data.ptr + 1, len);
        n += len;
        data = slice_from(data, len + 1);
    }
    out->text = (struct slice){text, n};
    return NULL;
}

static const char *read_address(struct slice data, unsigned type, struct ip *out)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    size_t len = type == DNS_A ? 4 : 16;
    if (data.len != len) {
        return "a malformed answer";
    }
    memcpy(out->octet, mapped, sizeof mapped);
    memcpy(out->octet + 16 - len, data.ptr, len);
    return NULL;
}

static const char *read_data(struct slice message, const struct rr *rr,
                             struct arena *arena, struct dns_record *out, bool *odd)
{
    struct slice data = slice_sub(message, rr->data_at, rr->data_len);
    const struct shape *shape = shape_of(rr->type);
    const char *wrong = NULL;
    *out = (struct dns_record){.preference = 0};
    if (shape != NULL) {
        return read_shaped(message, rr, shape, arena, out, odd);
    }
    if (rr->type == DNS_A || rr->type == DNS_AAAA) {
        wrong = read_address(data, rr->type, &out->ip);
    } else if (rr->type == DNS_TXT) {
        wrong = read_text(data, arena, out);
    }
    return wrong != NULL || arena_dup(arena, data, &out->data)
               ? wrong
               : "the answer is too large";
}

/* --- the sections --- */

struct sections {
    struct slice message;
    unsigned rcode, answers, authorities;
    size_t at; /* of the answers */
};

static bool read_head(struct slice message, enum dns_type type, struct slice name,
                      struct sections *s)
{
    struct name asked;
    if (message.len < HEADER_LEN) {
        return false;
    }
    unsigned flags = u16_at(message, 2);
    *s = (struct sections){.message = message,
                           .rcode = flags & 15U,
                           .answers = u16_at(message, 6),
                           .authorities = u16_at(message, 8),
                           .at = HEADER_LEN};
    if ((flags & 0x8000U) == 0 || u16_at(message, 4) != 1 ||
        !read_name(message, &s->at, &asked) || !slice_ieq(text_of(&asked), name) ||
        message.len - s->at < 4) {
        return false;
    }
    s->at += 4;
    return u16_at(message, s->at - 4) == (unsigned)type &&
           u16_at(message, s->at - 2) == CLASS_IN;
}

/* The CNAME of n, if it has one, into n. *at moves behind the answers. */
enum step { STEP_NONE = 0, STEP_ON, STEP_BAD };

static enum step follow(const struct sections *s, struct name *n, uint32_t *ttl)
{
    size_t at = s->at;
    struct rr rr;
    for (unsigned i = 0; i < s->answers; i++) {
        if (!read_rr(s->message, &at, &rr)) {
            return STEP_BAD;
        }
        if (!is_of(&rr, DNS_CNAME, n)) {
            continue;
        }
        size_t target = rr.data_at;
        *ttl = rr.ttl < *ttl ? rr.ttl : *ttl;
        return read_name(s->message, &target, n) && target == rr.data_at + rr.data_len &&
                       !n->odd
                   ? STEP_ON
                   : STEP_BAD;
    }
    return STEP_NONE;
}

/* Reads the records of n. NULL: all is well. */
static const char *collect(const struct sections *s, enum dns_type type,
                           const struct name *n, struct arena *arena,
                           struct dns_answer *out)
{
    struct dns_record *record = NULL;
    for (int pass = 0; pass < 2; pass++) { /* counts them, then reads them */
        size_t at = s->at;
        unsigned count = 0;
        for (unsigned i = 0; i < s->answers; i++) {
            struct rr rr;
            bool odd = false;
            if (!read_rr(s->message, &at, &rr)) {
                return "a malformed answer";
            }
            if (!is_of(&rr, (unsigned)type, n)) {
                continue;
            }
            const char *wrong =
                pass == 0 ? NULL
                          : read_data(s->message, &rr, arena, &record[count], &odd);
            if (wrong != NULL) {
                return wrong;
            }
            out->ttl = rr.ttl < out->ttl ? rr.ttl : out->ttl;
            count += !odd;
        }
        if (pass == 0 && count > 0) {
            record = arena_alloc(arena, count * sizeof *record);
            if (record == NULL) {
                return "the answer is too large";
            }
        } else {
            out->record = record;
            out->n = count;
            return NULL;
        }
    }
    return NULL;
}

/* RFC 2308 5: nothing is so "for the minimum of the MINIMUM field of the SOA record and the
 * TTL of the SOA itself"; without one it is not kept. */
static void read_negative_ttl(const struct sections *s, struct dns_answer *out)
{
    size_t at = s->at;
    struct rr rr;
    uint32_t ttl = 0;
    for (unsigned i = 0; i < s->answers + s->authorities; i++) {
        if (!read_rr(s->message, &at, &rr)) {
            break;
        }
        if (i >= s->answers && rr.type == DNS_SOA && rr.data_len >= 4) {
            uint32_t minimum = u32_at(s->message, rr.data_at + rr.data_len - 4);
            ttl = minimum < rr.ttl ? minimum : rr.ttl;
        }
    }
    out->ttl = ttl < out->ttl ? ttl : out->ttl;
}

static const char *decode(const struct sections *s, enum dns_type type, struct name *n,
                          struct arena *arena, struct dns_answer *out)
{
    unsigned steps = 0;
    enum step step = STEP_NONE;
    while (type != DNS_CNAME && (step = follow(s, n, &out->ttl)) == STEP_ON) {
        if (++steps > DNS_CHAIN_MAX) {
            return "CNAMEs without end";
        }
    }
    if (step == STEP_BAD) {
        return "a malformed answer";
    }
    const char *wrong = collect(s, type, n, arena, out);
    if (wrong != NULL || !arena_dup(arena, text_of(n), &out->name)) {
        return wrong != NULL ? wrong : "the answer is too large";
    }
    out->status = out->n > 0             ? DNS_FOUND
                  : s->rcode == NXDOMAIN ? DNS_NXDOMAIN
                                         : DNS_NODATA;
    if (out->n == 0) {
        out->record = NULL;
        read_negative_ttl(s, out);
    }
    return NULL;
}

void dns_decode(struct slice message, enum dns_type type, struct slice name,
                struct arena *arena, struct dns_answer *out)
{
    struct sections s;
    struct name n = {.text_len = 0};
    *out = (struct dns_answer){.ttl = TTL_MAX};
    if (!read_head(message, type, name, &s)) {
        dns_fail(out, name, "a malformed answer");
        return;
    }
    if (s.rcode != 0 && s.rcode != NXDOMAIN) {
        dns_fail(out, name, dns_rcode_text(s.rcode));
        return;
    }
    for (size_t i = 0; i < name.len; i++) {
        n.text[i] = ascii_lower(name.ptr[i]);
    }
    n.text_len = name.len;
    const char *wrong = decode(&s, type, &n, arena, out);
    if (wrong != NULL) {
        dns_fail(out, name, wrong);
    }
}
