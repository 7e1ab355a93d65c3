/* trace/record.c - see record.h */
#include "trace/record.h"

#include <string.h>

enum {
    VERSION = 1,
    HEAD_LEN = 1 + 8 + 8 + 2,
    EVENT_HEAD_LEN = 1 + 4 + 4 + 1,
    KEYS_MAX = 16 * 1024, /* octets of keys */
    NOTE_MAX = 128,       /* kept free for the note that events were dropped */
    KEEP_MAX = 4 * 1024,  /* buffers grown beyond are given back by trace_take() */
    EVENTS_MAX = TRACE_RECORD_MAX - HEAD_LEN - KEYS_MAX,
};
_Static_assert(TRACE_RECORD_MAX <= UINT16_MAX, "a record must fit a MSG_TRACE");
_Static_assert(TRACE_SPLIT < EVENTS_MAX - NOTE_MAX, "a split must come before a drop");
_Static_assert(FIELDS_MAX <= UINT8_MAX, "the field count is one octet");

static const char *const kind_names[TRACE_KIND_COUNT] = {[TRACE_NONE] = "none",
#define X(k) [TRACE_##k] = #k,
                                                         TRACE_KINDS(X)
#undef X
};

const char *trace_kind_name(enum trace_kind kind)
{
    return kind < TRACE_KIND_COUNT ? kind_names[kind] : kind_names[TRACE_NONE];
}

void trace_init(struct trace_writer *w, uint64_t session, uint64_t now_ms)
{
    *w = (struct trace_writer){.session = session, .start_ms = now_ms};
    buf_init(&w->events, EVENTS_MAX);
    buf_init(&w->keys, KEYS_MAX);
}

void trace_clear(struct trace_writer *w)
{
    buf_clear(&w->events);
    buf_clear(&w->keys);
    w->key_n = 0;
    w->dropped = 0;
    w->keys_dropped = 0;
}

static unsigned char *put_le(unsigned char *at, uint64_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        at[i] = (unsigned char)(v >> (8 * i));
    }
    return at + n;
}

static unsigned char *put_text(unsigned char *at, struct slice s)
{
    at = put_le(at, s.len, 2);
    if (s.len != 0) {
        memcpy(at, s.ptr, s.len);
    }
    return at + s.len;
}

/* Keys are few: looking through them costs less than a table would. `new_key` lies in
 * lower case behind the ones that count. */
static bool key_known(const struct trace_writer *w, struct slice new_key)
{
    struct wire_reader r = wire_reader_of(
        slice_sub(buf_slice(&w->keys), 0, (size_t)(new_key.ptr - w->keys.ptr)));
    while (!wire_done(&r) && !r.failed) {
        struct slice start = r.rest;
        (void)wire_u8(&r);
        (void)wire_text(&r);
        if (slice_eq(slice_sub(start, 0, start.len - r.rest.len), new_key)) {
            return true;
        }
    }
    return false;
}

void trace_key(struct trace_writer *w, enum trace_key kind, struct slice key)
{
    key = slice_sub(key, 0, TRACE_KEY_MAX);
    size_t len = 1 + 2 + key.len;
    if (key.len == 0) {
        return;
    }
    unsigned char *start = w->keys.len + len <= KEYS_MAX ? buf_room(&w->keys, len) : NULL;
    if (start == NULL) {
        w->keys.failed = false; /* without this key the record can still be found by id */
        w->keys_dropped++;
        return;
    }
    unsigned char *at = put_le(start, (uint64_t)kind, 1);
    at = put_le(at, key.len, 2);
    for (size_t i = 0; i < key.len; i++) {
        at[i] = ascii_lower(key.ptr[i]);
    }
    if (key_known(w, (struct slice){start, len})) {
        return;
    }
    if (w->key_n == TRACE_KEYS_MAX) {
        w->keys_dropped++;
        return;
    }
    buf_grew(&w->keys, len);
    w->key_n++;
}

static struct slice cut(struct slice s, size_t max)
{
    return slice_sub(s, 0, max);
}

static uint32_t offset_ms(const struct trace_writer *w, uint64_t now_ms)
{
    uint64_t ms = now_ms > w->start_ms ? now_ms - w->start_ms : 0;
    return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

/* One event behind the others if they all stay within `max` octets. */
static bool put_event(struct trace_writer *w, size_t max, enum trace_kind kind,
                      uint64_t now_ms, uint32_t n, const struct fields *fields)
{
    unsigned field_n = fields == NULL ? 0 : fields->n;
    struct slice name[FIELDS_MAX];
    size_t len = EVENT_HEAD_LEN;
    for (unsigned i = 0; i < field_n; i++) {
        name[i] = cut(slice_of(fields->item[i].name), TRACE_NAME_MAX);
        len += 2 + name[i].len + 2 + cut(fields->item[i].value, TRACE_VALUE_MAX).len;
    }
    unsigned char *at = w->events.len + len <= max ? buf_room(&w->events, len) : NULL;
    if (at == NULL) {
        w->events.failed = false;
        return false;
    }
    at = put_le(at, (uint64_t)kind, 1);
    at = put_le(at, offset_ms(w, now_ms), 4);
    at = put_le(at, n, 4);
    at = put_le(at, field_n, 1);
    for (unsigned i = 0; i < field_n; i++) {
        at = put_text(at, name[i]);
        at = put_text(at, cut(fields->item[i].value, TRACE_VALUE_MAX));
    }
    buf_grew(&w->events, len);
    return true;
}

void trace_event(struct trace_writer *w, enum trace_kind kind, uint64_t now_ms,
                 uint32_t n, const struct fields *fields)
{
    if (w->dropped != 0 ||
        !put_event(w, EVENTS_MAX - NOTE_MAX, kind, now_ms, n, fields)) {
        w->dropped++; /* and all that follow: a story with a hole in it would mislead */
    }
}

bool trace_due(const struct trace_writer *w)
{
    return w->events.len + w->keys.len >= TRACE_SPLIT ||
           w->keys.len >= KEYS_MAX - 8 * TRACE_KEY_MAX || w->key_n >= TRACE_KEYS_MAX - 16;
}

bool trace_empty(const struct trace_writer *w)
{
    return w->events.len == 0 && w->key_n == 0 && w->dropped == 0 && w->keys_dropped == 0;
}

static void put_dropped_note(struct trace_writer *w, uint64_t now_ms)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "text", "not recorded here");
    fields_add_u64(&f, "events", w->dropped);
    fields_add_u64(&f, "keys", w->keys_dropped);
    (void)put_event(w, EVENTS_MAX, TRACE_note, now_ms, 0, &f);
}

static void start_over(struct buf *b)
{
    if (b->cap > KEEP_MAX) {
        buf_clear(b);
    } else {
        buf_reset(b);
    }
}

void trace_take(struct trace_writer *w, uint64_t now_ms, struct buf *out)
{
    if (!trace_empty(w)) {
        if (w->dropped != 0 || w->keys_dropped != 0) {
            put_dropped_note(w, now_ms);
        }
        wire_put_u8(out, VERSION);
        wire_put_u64(out, w->session);
        wire_put_u64(out, w->start_ms);
        wire_put_u16(out, (uint16_t)w->key_n);
        (void)buf_add(out, buf_slice(&w->keys));
        (void)buf_add(out, buf_slice(&w->events));
    }
    start_over(&w->events);
    start_over(&w->keys);
    w->key_n = 0;
    w->dropped = 0;
    w->keys_dropped = 0;
    w->start_ms = now_ms;
}

bool trace_open(struct slice record, struct trace_reader *out)
{
    struct trace_reader r = {.r = wire_reader_of(record)};
    uint8_t version = wire_u8(&r.r);
    r.session = wire_u64(&r.r);
    r.start_ms = wire_u64(&r.r);
    r.key_n = wire_u16(&r.r);
    if (r.r.failed || version != VERSION || r.key_n > TRACE_KEYS_MAX ||
        record.len > TRACE_RECORD_MAX) {
        return false;
    }
    *out = r;
    return true;
}

bool trace_next_key(struct trace_reader *r, enum trace_key *kind, struct slice *key)
{
    if (r->key_n == 0) {
        return false;
    }
    r->key_n--;
    uint8_t k = wire_u8(&r->r);
    struct slice text = wire_text(&r->r);
    if (r->r.failed || k < TRACE_KEY_IP || k > TRACE_KEY_ADDRESS || text.len == 0 ||
        text.len > TRACE_KEY_MAX) {
        r->r.failed = true;
        r->key_n = 0;
        return false;
    }
    *kind = (enum trace_key)k;
    *key = text;
    return true;
}

bool trace_next(struct trace_reader *r, struct trace_view *out)
{
    enum trace_key ignored_kind;
    struct slice ignored;
    while (trace_next_key(r, &ignored_kind, &ignored)) {
    }
    if (r->r.failed || r->r.rest.len == 0) {
        return false;
    }
    uint8_t kind = wire_u8(&r->r);
    uint32_t offset = wire_u32(&r->r);
    out->n = wire_u32(&r->r);
    out->field_n = wire_u8(&r->r);
    if (r->r.failed || kind == TRACE_NONE || kind >= TRACE_KIND_COUNT ||
        out->field_n > FIELDS_MAX) {
        r->r.failed = true;
        return false;
    }
    for (unsigned i = 0; i < out->field_n; i++) {
        out->field[i].name = wire_text(&r->r);
        out->field[i].value = wire_text(&r->r);
        if (out->field[i].name.len > TRACE_NAME_MAX ||
            out->field[i].value.len > TRACE_VALUE_MAX) {
            r->r.failed = true;
        }
    }
    out->kind = (enum trace_kind)kind;
    /* A start near the end of time is a lie of the sender; it must only not wrap. */
    if (__builtin_add_overflow(r->start_ms, offset, &out->ms)) {
        out->ms = UINT64_MAX;
    }
    return !r->r.failed;
}

bool trace_valid(struct slice record)
{
    struct trace_reader r;
    struct trace_view v;
    if (!trace_open(record, &r)) {
        return false;
    }
    while (trace_next(&r, &v)) {
    }
    return wire_done(&r.r);
}

bool trace_get(const struct trace_view *v, const char *name, struct slice *value)
{
    for (unsigned i = 0; i < v->field_n; i++) {
        if (slice_eq(v->field[i].name, slice_of(name))) {
            *value = v->field[i].value;
            return true;
        }
    }
    return false;
}
