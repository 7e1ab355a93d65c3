/* queue/pause.c - see pause.h */
#include "queue/pause.h"

#include "base/log.h"
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

struct pauses {
    struct list all;
    struct map by_name; /* u8 kind, name */
    struct map by_number;
    unsigned n;
    uint64_t last_number;
};

const char *pause_kind_name(enum pause_kind kind)
{
#define X(name) #name,
    static const char *const names[] = {PAUSE_KINDS(X)};
#undef X
    return names[kind];
}

bool pause_kind_read(struct slice name, enum pause_kind *out)
{
    for (unsigned i = 0; i < PAUSE_KIND_COUNT; i++) {
        if (slice_eq(name, slice_of(pause_kind_name((enum pause_kind)i)))) {
            *out = (enum pause_kind)i;
            return true;
        }
    }
    return false;
}

bool pause_make(enum pause_kind kind, struct slice name, struct slice reason,
                struct pause *out)
{
    if (name.len == 0 || name.len > PAUSE_NAME_MAX || reason.len > PAUSE_REASON_MAX) {
        return false;
    }
    *out = (struct pause){.kind = kind,
                          .until_ms = PAUSE_FOREVER,
                          .name_len = (uint16_t)name.len,
                          .reason_len = (uint16_t)reason.len};
    list_init(&out->node);
    for (size_t i = 0; i < name.len; i++) {
        out->name[i] = (char)ascii_lower(name.ptr[i]);
    }
    if (reason.len > 0) {
        memcpy(out->reason, reason.ptr, reason.len);
    }
    return true;
}

void pause_text(const struct pause *p, struct buf *out)
{
    (void)buf_add_str(out, pause_kind_name(p->kind));
    (void)buf_add_byte(out, ' ');
    (void)buf_add_escaped(out, pause_name(p));
    if (p->reason_len > 0) {
        (void)buf_add_str(out, ": ");
        (void)buf_add_escaped(out, pause_reason(p));
    }
}

/* --- the set --- */

struct key {
    unsigned char octets[1 + PAUSE_NAME_MAX];
    size_t len;
};

/* The name in lower case; of one that is too long for a pause as much as fits, which is no pause's. */
static struct key key_of(enum pause_kind kind, struct slice name)
{
    struct key k = {.len = 1};
    bool fits = name.len <= PAUSE_NAME_MAX;
    k.octets[0] = (unsigned char)kind;
    for (size_t i = 0; i < name.len && fits; i++) {
        k.octets[k.len++] = ascii_lower(name.ptr[i]);
    }
    return k;
}

static struct slice key_slice(const struct key *k)
{
    return (struct slice){k->octets, k->len};
}

struct pauses *pauses_new(void)
{
    struct pauses *p = calloc(1, sizeof *p);
    if (p != NULL) {
        list_init(&p->all);
        map_init(&p->by_name, PAUSES_MAX);
        map_init(&p->by_number, PAUSES_MAX + 1); /* while one is replaced */
    }
    return p;
}

static void drop(struct pauses *p, struct pause *one)
{
    (void)map_take(&p->by_number, map_key_u64(&one->number));
    list_remove(&one->node);
    free(one);
    p->n--;
}

static void clear(struct pauses *p)
{
    while (!list_empty(&p->all)) {
        struct pause *one = LIST_ITEM(p->all.next, struct pause, node);
        struct key key = key_of(one->kind, pause_name(one));
        (void)map_take(&p->by_name, key_slice(&key));
        drop(p, one);
    }
}

void pauses_free(struct pauses **pp)
{
    if (*pp != NULL) {
        clear(*pp);
        map_clear(&(*pp)->by_name);
        map_clear(&(*pp)->by_number);
        free(*pp);
        *pp = NULL;
    }
}

unsigned pauses_n(const struct pauses *p)
{
    return p->n;
}

bool pauses_put(struct pauses *p, const struct pause *pause)
{
    struct key key = key_of(pause->kind, pause_name(pause));
    struct pause *copy = malloc(sizeof *copy);
    struct pause *old = map_get(&p->by_name, key_slice(&key));
    if (copy == NULL) {
        return false;
    }
    *copy = *pause;
    copy->number = ++p->last_number;
    if (!map_put(&p->by_number, map_key_u64(&copy->number), copy)) {
        free(copy);
        return false;
    }
    if (!map_put(&p->by_name, key_slice(&key), copy)) {
        (void)map_take(&p->by_number, map_key_u64(&copy->number));
        free(copy);
        return false;
    }
    list_append(&p->all, &copy->node);
    p->n++;
    if (old != NULL) {
        drop(p, old);
    }
    return true;
}

bool pauses_end(struct pauses *p, enum pause_kind kind, struct slice name)
{
    struct key key = key_of(kind, name);
    struct pause *old = map_take(&p->by_name, key_slice(&key));
    if (old == NULL) {
        return false;
    }
    drop(p, old);
    return true;
}

const struct pause *pauses_find(const struct pauses *p, enum pause_kind kind,
                                struct slice name)
{
    struct key key = key_of(kind, name);
    return p->n == 0 ? NULL : map_get(&p->by_name, key_slice(&key));
}

const struct pause *pauses_numbered(const struct pauses *p, uint64_t number)
{
    return map_get(&p->by_number, map_key_u64(&number));
}

const struct pause *pauses_find_site(const struct pauses *p, struct slice site)
{
    const struct pause *found = pauses_find(p, PAUSE_site, site);
    while (found == NULL && p->n > 0 && site.len > 0) {
        struct slice host = slice_sub(site, 0, slice_find(site, ','));
        found = pauses_find(p, PAUSE_site, host);
        site = slice_from(site, host.len + 1);
    }
    return found;
}

const struct pause *pauses_next(const struct pauses *p, const struct pause *after)
{
    const struct list *next = after == NULL ? p->all.next : after->node.next;
    return next == &p->all
               ? NULL
               : LIST_ITEM((struct list *)(uintptr_t)next, struct pause, node);
}

const struct pause *pauses_over(const struct pauses *p, uint64_t now_ms)
{
    const struct pause *one = pauses_next(p, NULL);
    while (one != NULL && one->until_ms > now_ms) {
        one = pauses_next(p, one);
    }
    return one;
}

/* --- lines of JSON --- */

static json_t *octets(struct slice s)
{
    json_t *text = json_stringn((const char *)s.ptr, s.len);
    if (text == NULL) { /* no UTF-8 */
        struct buf b;
        buf_init(&b, (size_t)4 * PAUSE_NAME_MAX);
        (void)buf_add_escaped(&b, s);
        text = json_stringn((const char *)b.ptr, b.len);
        buf_clear(&b);
    }
    return text;
}

json_t *pause_json(const struct pause *p)
{
    json_t *line =
        json_pack("{s:s,s:o,s:o,s:I}", "kind", pause_kind_name(p->kind), "name",
                  octets(pause_name(p)), "reason", octets(pause_reason(p)), "since_ms",
                  (json_int_t)p->since_ms);
    if (line != NULL && p->until_ms != PAUSE_FOREVER) {
        (void)json_object_set_new(line, "until_ms",
                                  json_integer((json_int_t)p->until_ms));
    }
    return line;
}

void pauses_write(const struct pauses *p, struct buf *out)
{
    for (const struct pause *one = pauses_next(p, NULL); one != NULL;
         one = pauses_next(p, one)) {
        json_t *line = pause_json(one);
        char *text = line == NULL ? NULL : json_dumps(line, JSON_COMPACT);
        if (text == NULL) {
            out->failed = true;
        } else {
            (void)buf_add_str(out, text);
            (void)buf_add_byte(out, '\n');
        }
        free(text);
        json_decref(line);
    }
}

static struct slice text_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return (struct slice){(const unsigned char *)json_string_value(value),
                          json_string_length(value)};
}

static bool put_line(struct pauses *p, const json_t *line)
{
    struct pause one;
    enum pause_kind kind;
    json_int_t since = json_integer_value(json_object_get(line, "since_ms"));
    json_int_t until = json_integer_value(json_object_get(line, "until_ms"));
    if (!pause_kind_read(text_of(line, "kind"), &kind) ||
        !pause_make(kind, text_of(line, "name"), text_of(line, "reason"), &one) ||
        since < 0 || until < 0) {
        return false;
    }
    one.since_ms = (uint64_t)since;
    one.until_ms = until == 0 ? PAUSE_FOREVER : (uint64_t)until;
    return pauses_put(p, &one);
}

unsigned pauses_read(struct pauses *p, struct slice lines)
{
    struct slice text;
    unsigned bad = 0;
    while (slice_line(&lines, &text)) {
        json_t *line = json_loadb((const char *)text.ptr, text.len, 0, NULL);
        bad += !put_line(p, line);
        json_decref(line);
    }
    return bad;
}

/* --- what deliveries are told --- */

void pause_say_put(struct buf *b, const struct pause *p)
{
    wire_put_u8(b, PAUSE_SAY_PUT);
    wire_put_u8(b, (uint8_t)p->kind);
    wire_put_u64(b, p->until_ms);
    wire_put_text(b, pause_name(p));
    wire_put_text(b, pause_reason(p));
}

void pause_say_end(struct buf *b, enum pause_kind kind, struct slice name)
{
    wire_put_u8(b, PAUSE_SAY_END);
    wire_put_u8(b, (uint8_t)kind);
    wire_put_text(b, name);
}

bool pauses_hear(struct pauses *p, struct slice payload)
{
    struct wire_reader r = wire_reader_of(payload);
    unsigned say = wire_u8(&r);
    if (say == PAUSE_SAY_CLEAR) {
        clear(p);
        return wire_done(&r);
    }
    unsigned kind = wire_u8(&r);
    uint64_t until_ms = say == PAUSE_SAY_PUT ? wire_u64(&r) : 0;
    struct slice name = wire_text(&r);
    struct slice reason = say == PAUSE_SAY_PUT ? wire_text(&r) : SLICE("");
    struct pause one;
    if (!wire_done(&r) || say > PAUSE_SAY_END || kind >= PAUSE_KIND_COUNT ||
        !pause_make((enum pause_kind)kind, name, reason, &one)) {
        return false;
    }
    if (say == PAUSE_SAY_END) {
        (void)pauses_end(p, one.kind, name);
        return true;
    }
    one.until_ms = until_ms;
    if (!pauses_put(p, &one)) {
        log_text(LOG_ERR, "pause", "no memory for the pause of %.*s", (int)name.len,
                 (const char *)name.ptr);
    }
    return true;
}
