/* content/tnef.c - see tnef.h */
#include "content/tnef.h"

enum {
    HEAD = 6, /* signature, key */
    ATTRIBUTE_HEAD = 9,
    CHECKSUM = 2,
    ATTACH_TITLE = 0x00018010,
    ATTACH_DATA = 0x0006800f,
    ATTACH_REND = 0x00069002,
    ATTACHMENT = 0x00069005,
    GUID = 16,
};

/* Types and numbers of properties. */
enum {
    TYPE_SHORT = 0x02,
    TYPE_LONG = 0x03,
    TYPE_FLOAT = 0x04,
    TYPE_DOUBLE = 0x05,
    TYPE_CURRENCY = 0x06,
    TYPE_TIME = 0x07,
    TYPE_ERROR = 0x0a,
    TYPE_BOOL = 0x0b,
    TYPE_OBJECT = 0x0d,
    TYPE_INT64 = 0x14,
    TYPE_STRING8 = 0x1e,
    TYPE_UNICODE = 0x1f,
    TYPE_SYSTIME = 0x40,
    TYPE_GUID = 0x48,
    TYPE_BINARY = 0x102,
    TYPE_SEVERAL = 0x1000,
    DISPLAY_NAME = 0x3001,
    ATTACH_OBJECT = 0x3701,
    ATTACH_EXTENSION = 0x3703,
    ATTACH_FILENAME = 0x3704,
    ATTACH_LONG_FILENAME = 0x3707,
    NAMED = 0x8000,
};

/* A place in octets; once it asked for too much it is failed and gives nothing. */
struct cursor {
    struct slice rest;
    bool failed;
};

static struct slice take(struct cursor *c, size_t n)
{
    c->failed |= n > c->rest.len;
    struct slice s = slice_sub(c->rest, 0, c->failed ? 0 : n);
    c->rest = slice_from(c->rest, s.len);
    return s;
}

static uint32_t number(struct cursor *c, size_t octets)
{
    struct slice s = take(c, octets);
    uint32_t v = 0;
    for (size_t i = s.len; i > 0; i--) {
        v = v << 8 | s.ptr[i - 1];
    }
    return v;
}

/* So long, and to a multiple of four, if that is there. */
static struct slice padded(struct cursor *c, size_t n)
{
    struct slice s = take(c, n);
    size_t more = (4 - n % 4) % 4;
    (void)take(c, more < c->rest.len ? more : c->rest.len);
    return s;
}

bool tnef_is(struct slice octets)
{
    return slice_starts(octets, SLICE("\x78\x9f\x3e\x22"));
}

struct tnef tnef_open(struct slice octets)
{
    return (struct tnef){.rest = slice_from(octets, HEAD)};
}

static void add_name(struct tnef_file *f, struct slice text, bool wide)
{
    while (text.len >= (wide ? 2U : 1U) && text.ptr[text.len - 1] == 0 &&
           (!wide || (text.len % 2 == 0 && text.ptr[text.len - 2] == 0))) {
        text.len -= wide ? 2 : 1;
    }
    if (text.len > 0 && f->n < TNEF_NAMES_MAX) {
        f->name[f->n++] = (struct tnef_name){text, wide};
    }
}

/* [MS-OXCDATA] 2.11.1: octets of a value of that type; 0: it says its length itself. */
static size_t fixed_size(unsigned type)
{
    switch (type) {
    case TYPE_SHORT:
    case TYPE_LONG:
    case TYPE_FLOAT:
    case TYPE_ERROR:
    case TYPE_BOOL:
        return 4; /* padded */
    case TYPE_DOUBLE:
    case TYPE_CURRENCY:
    case TYPE_TIME:
    case TYPE_INT64:
    case TYPE_SYSTIME:
        return 8;
    case TYPE_GUID:
        return GUID;
    default:
        return 0;
    }
}

/* A property of a number of its own has a GUID and a number or a name behind it. */
static void skip_name(struct cursor *c)
{
    (void)take(c, GUID);
    if (number(c, 4) == 0) {
        (void)number(c, 4);
    } else {
        (void)padded(c, number(c, 4));
    }
}

static void take_value(struct tnef_file *f, unsigned id, unsigned type,
                       struct slice value)
{
    bool text = type == TYPE_STRING8 || type == TYPE_UNICODE;
    if (text && (id == ATTACH_LONG_FILENAME || id == ATTACH_FILENAME ||
                 id == DISPLAY_NAME || id == ATTACH_EXTENSION)) {
        add_name(f, value, type == TYPE_UNICODE);
    } else if (id == ATTACH_OBJECT && (type == TYPE_OBJECT || type == TYPE_BINARY)) {
        struct slice inner = slice_from(value, type == TYPE_OBJECT ? GUID : 0);
        if (tnef_is(inner)) {
            f->inner = inner;
        } else if (f->data.len == 0) {
            f->data = inner;
        }
    }
}

static void take_properties(struct tnef_file *f, struct slice octets)
{
    struct cursor c = {.rest = octets};
    uint32_t n = number(&c, 4);
    for (; n > 0 && !c.failed; n--) {
        unsigned type = number(&c, 2), id = number(&c, 2);
        size_t fixed = fixed_size(type & ~(unsigned)TYPE_SEVERAL);
        bool several = (type & TYPE_SEVERAL) != 0;
        if (id >= NAMED) {
            skip_name(&c);
        }
        uint32_t values = several || fixed == 0 ? number(&c, 4) : 1;
        for (; values > 0 && !c.failed; values--) {
            struct slice value = fixed > 0 ? take(&c, fixed) : padded(&c, number(&c, 4));
            if (!c.failed) {
                take_value(f, id, type, value);
            }
        }
    }
}

bool tnef_next(struct tnef *t, struct tnef_file *out)
{
    bool any = false;
    *out = (struct tnef_file){.n = 0};
    while (t->rest.len > 0) {
        struct cursor c = {.rest = t->rest};
        (void)number(&c, 1);
        uint32_t id = number(&c, 4);
        struct slice data = take(&c, number(&c, 4));
        if (any && id == ATTACH_REND) {
            return true; /* the next one's */
        }
        (void)take(&c, CHECKSUM);
        t->broken |= c.failed;
        t->rest = c.failed ? SLICE("") : c.rest;
        if (id == ATTACH_REND) {
            any = true;
        } else if (id == ATTACH_TITLE) {
            add_name(out, data, false);
        } else if (id == ATTACH_DATA) {
            out->data = data;
        } else if (id == ATTACHMENT) {
            take_properties(out, data);
        }
        any |= out->n > 0 || out->data.len > 0 || out->inner.len > 0;
    }
    return any;
}

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        (void)buf_add_byte(out, (unsigned char)c);
        return;
    }
    unsigned more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    (void)buf_add_byte(out, (unsigned char)(lead[more] | c >> (6 * more)));
    while (more-- > 0) {
        (void)buf_add_byte(out, (unsigned char)(0x80 | (c >> (6 * more) & 0x3f)));
    }
}

void tnef_name_text(const struct tnef_name *name, struct buf *out)
{
    struct cursor c = {.rest = name->text};
    if (!name->wide) {
        (void)buf_add(out, name->text);
        return;
    }
    while (c.rest.len >= 2) {
        uint32_t unit = number(&c, 2);
        if (unit >= 0xd800 && unit < 0xdc00 && c.rest.len >= 2) {
            struct cursor ahead = c;
            uint32_t low = number(&ahead, 2);
            if (low >= 0xdc00 && low < 0xe000) {
                unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                c = ahead;
            }
        }
        put_utf8(out, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
    }
}
