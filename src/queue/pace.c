/* queue/pace.c - see pace.h
 *
 * The generic cell rate algorithm (ITU-T I.371): of each name the time at which it would be at rest
 * again if nothing else came. A name that is at rest is as good as one that was never seen. */
#include "queue/pace.h"

#include "base/map.h"

#include <stdlib.h>

struct rest {
    struct rest *next; /* of those to be dropped */
    uint64_t at_us;
    size_t key_len;
    unsigned char key[];
};

struct pace {
    struct map rules, names; /* kind and name -> struct pace_rule, struct rest */
    struct pace_rule others[PACE_KINDS];
    uint64_t last_ms;
    size_t look_at; /* with so many names those at rest are dropped */
};

enum { LOOK_AT_LEAST = 4096 };

struct pace *pace_new(void)
{
    struct pace *p = calloc(1, sizeof *p);
    if (p != NULL) {
        map_init(&p->rules, PACE_RULES_MAX);
        map_init(&p->names, PACE_NAMES_MAX);
        p->look_at = LOOK_AT_LEAST;
    }
    return p;
}

static void free_one(void *arg, struct slice key, void *value)
{
    (void)arg, (void)key;
    free(value);
}

static void forget_all(struct pace *p)
{
    map_each(&p->names, free_one, NULL);
    map_clear(&p->names);
    map_init(&p->names, PACE_NAMES_MAX);
}

void pace_free(struct pace **p)
{
    struct pace *old = *p;
    *p = NULL;
    if (old != NULL) {
        forget_all(old);
        map_clear(&old->names);
        map_each(&old->rules, free_one, NULL);
        map_clear(&old->rules);
        free(old);
    }
}

/* Kind and name in lower case; empty: too long. */
static struct slice key_of(enum pace_kind kind, struct slice name,
                           unsigned char key[PACE_NAME_MAX + 1])
{
    if (name.len > PACE_NAME_MAX) {
        return SLICE("");
    }
    key[0] = (unsigned char)kind;
    for (size_t i = 0; i < name.len; i++) {
        key[i + 1] = ascii_lower(name.ptr[i]);
    }
    return (struct slice){key, name.len + 1};
}

bool pace_put(struct pace *p, enum pace_kind kind, struct slice name,
              struct pace_rule rule)
{
    unsigned char octets[PACE_NAME_MAX + 1];
    struct slice key = key_of(kind, name, octets);
    if (name.len == 0) {
        p->others[kind] = rule;
        return true;
    }
    struct pace_rule *r = key.len == 0 ? NULL : map_get(&p->rules, key);
    if (key.len > 0 && r == NULL) {
        r = malloc(sizeof *r);
        if (r != NULL && !map_put(&p->rules, key, r)) {
            free(r);
            r = NULL;
        }
    }
    if (r == NULL) {
        return false;
    }
    *r = rule;
    return true;
}

struct drop {
    uint64_t now_us;
    struct rest *first;
};

static void collect_rested(void *arg, struct slice key, void *value)
{
    struct drop *d = arg;
    struct rest *r = value;
    (void)key;
    if (r->at_us <= d->now_us) {
        r->next = d->first;
        d->first = r;
    }
}

/* Each walk is paid for by as many new names as it leaves. */
static void drop_rested(struct pace *p, uint64_t now_us)
{
    struct drop d = {now_us, NULL};
    map_each(&p->names, collect_rested, &d);
    while (d.first != NULL) {
        struct rest *r = d.first;
        d.first = r->next;
        (void)map_take(&p->names, (struct slice){r->key, r->key_len});
        free(r);
    }
    p->look_at = p->names.n * 2 > LOOK_AT_LEAST ? p->names.n * 2 : LOOK_AT_LEAST;
}

/* NULL: no room. */
static struct rest *rest_of(struct pace *p, struct slice key, uint64_t now_us)
{
    struct rest *r = map_get(&p->names, key);
    if (r != NULL) {
        return r;
    }
    if (p->names.n >= p->look_at) {
        drop_rested(p, now_us);
    }
    r = malloc(sizeof *r + key.len);
    if (r == NULL) {
        return NULL;
    }
    *r = (struct rest){.key_len = key.len};
    for (size_t i = 0; i < key.len; i++) {
        r->key[i] = key.ptr[i];
    }
    if (!map_put(&p->names, key, r)) {
        free(r);
        return NULL;
    }
    return r;
}

uint64_t pace_slot(struct pace *p, enum pace_kind kind, struct slice name,
                   uint64_t now_ms)
{
    unsigned char octets[PACE_NAME_MAX + 1];
    struct slice key = key_of(kind, name, octets);
    const struct pace_rule *rule = name.len == 0 ? NULL : map_get(&p->rules, key);
    uint64_t now_us = now_ms * 1000;
    rule = rule == NULL ? &p->others[kind] : rule;
    if (now_ms < p->last_ms) {
        forget_all(p);
    }
    p->last_ms = now_ms;
    if (rule->n == 0 || name.len == 0 || key.len == 0) {
        return now_ms;
    }
    struct rest *r = rest_of(p, key, now_us);
    if (r == NULL) {
        return now_ms;
    }
    uint64_t interval_us = rule->span_ms * 1000 / rule->n;
    uint64_t ahead_us = (rule->burst - 1) * interval_us;
    uint64_t slot_us = r->at_us > now_us + ahead_us ? r->at_us - ahead_us : now_us;
    r->at_us = (r->at_us > slot_us ? r->at_us : slot_us) + interval_us;
    return (slot_us + 999) / 1000;
}
