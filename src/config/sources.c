/* config/sources.c - see sources.h */
#include "config/sources.h"

#include "base/clock.h"
#include "base/map.h"
#include "config/address.h"
#include "config/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ACCOUNTS_MAX = 1024 * 1024, NAME_ROOM = 512, DAY_MS = 86400 * 1000 };

struct pool {
    char name[SOURCE_NAME_MAX + 1];
    unsigned first, n, line;
};
struct plan {
    char name[SOURCE_NAME_MAX + 1];
    unsigned n, line;
    uint64_t count[SOURCE_DAYS_MAX];
};

struct sources {
    struct sender_source source[SOURCES_MAX];
    struct pool pool[SOURCE_POOLS_MAX];
    struct plan plan[SOURCE_PLANS_MAX];
    struct map accounts; /* name in lower case -> struct pool */
    const struct pool *service[SERVICE_PUSH + 1], *otherwise;
    unsigned source_n, pool_n, plan_n;
};

static struct sources *table(const struct words_reader *r)
{
    return r->table;
}

/* --- names --- */

static bool is_name(struct slice name)
{
    return name.len > 0 && name.len <= SOURCE_NAME_MAX;
}

static struct pool *pool_named(struct words_reader *r, struct slice name)
{
    struct sources *s = r->table;
    for (unsigned i = 0; i < s->pool_n; i++) {
        if (slice_eq(slice_of(s->pool[i].name), name)) {
            return &s->pool[i];
        }
    }
    if (!is_name(name) || s->pool_n == SOURCE_POOLS_MAX) {
        words_wrong(r, name,
                    is_name(name) ? "is a pool too many" : "is no name of a pool",
                    "a word of at most 63 characters, of at most 256 pools");
        return NULL;
    }
    struct pool *p = &s->pool[s->pool_n++];
    memcpy(p->name, name.ptr, name.len);
    p->line = r->w.line;
    return p;
}

static struct plan *plan_named(struct words_reader *r, struct slice name)
{
    struct sources *s = r->table;
    for (unsigned i = 0; i < s->plan_n; i++) {
        if (slice_eq(slice_of(s->plan[i].name), name)) {
            return &s->plan[i];
        }
    }
    if (!is_name(name) || s->plan_n == SOURCE_PLANS_MAX) {
        words_wrong(r, name,
                    is_name(name) ? "is a plan too many" : "is no name of a plan",
                    "a word of at most 63 characters, of at most 64 plans");
        return NULL;
    }
    struct plan *p = &s->plan[s->plan_n++];
    memcpy(p->name, name.ptr, name.len);
    p->line = r->w.line;
    return p;
}

/* --- source --- */

static bool take_address(struct words_reader *r, struct sender_source *out,
                         struct slice text)
{
    struct ip ip;
    if (!ip_parse(text, &ip)) {
        return words_wrong(r, text, "is no address",
                           "192.0.2.1 or 2001:db8::1 or both with a comma");
    }
    bool v4 = ip_is_v4(&ip);
    if (v4 ? out->has_v4 : out->has_v6) {
        return words_wrong(r, text, "is the second of its family", "one of each at most");
    }
    for (unsigned i = 0; i < table(r)->source_n; i++) {
        const struct sender_source *o = &table(r)->source[i];
        if ((v4 && o->has_v4 && memcmp(&o->v4, &ip, sizeof ip) == 0) ||
            (!v4 && o->has_v6 && memcmp(&o->v6, &ip, sizeof ip) == 0)) {
            return words_wrong(r, text, "stands in an earlier line", "each address once");
        }
    }
    *(v4 ? &out->v4 : &out->v6) = ip;
    out->has_v4 = out->has_v4 || v4;
    out->has_v6 = out->has_v6 || !v4;
    return true;
}

static bool take_plan(struct words_reader *r, struct sender_source *out)
{
    char date[40];
    uint64_t ms = 0;
    struct slice day = words_at(&r->w, 5);
    struct plan *plan = plan_named(r, words_at(&r->w, 4));
    if (plan == NULL) {
        return false;
    }
    int n = snprintf(date, sizeof date, "%.*sT00:00:00Z",
                     (int)(day.len < 20 ? day.len : 20), (const char *)day.ptr);
    if (n < 0 || !clock_read_text(slice_of(date), &ms)) {
        return words_wrong(r, day, "is no day",
                           "the first day of the plan, such as 2026-11-22");
    }
    out->plan = (int)(plan - table(r)->plan);
    out->first_day = ms / DAY_MS;
    return true;
}

static bool take_source(struct words_reader *r)
{
    struct sources *s = r->table;
    struct sender_source one = {.plan = -1, .line = r->w.line};
    struct slice addresses = words_at(&r->w, 2), helo = words_at(&r->w, 3);
    struct pool *pool = pool_named(r, words_at(&r->w, 1));
    if (pool == NULL) {
        return false;
    }
    if ((r->w.n != 4 && r->w.n != 6) || s->source_n == SOURCES_MAX) {
        return words_wrong(
            r, (struct slice){0},
            r->w.n != 4 && r->w.n != 6 ? "source is not complete" : "a source too many",
            "source POOL ADDRESS HELO, or source POOL ADDRESS HELO PLAN DATE");
    }
    size_t comma = slice_find(addresses, ',');
    if (!take_address(r, &one, slice_sub(addresses, 0, comma)) ||
        (comma < addresses.len &&
         !take_address(r, &one, slice_from(addresses, comma + 1))) ||
        (r->w.n == 6 && !take_plan(r, &one))) {
        return false;
    }
    if (!address_is_domain(helo) || !slice_cstr(helo, one.helo, sizeof one.helo)) {
        return words_wrong(r, helo, "is no domain name", "the name that EHLO gives");
    }
    (void)snprintf(one.text, sizeof one.text, "%.*s", (int)addresses.len,
                   (const char *)addresses.ptr);
    one.pool = (unsigned)(pool - s->pool);
    pool->n++;
    s->source[s->source_n++] = one;
    return true;
}

/* --- use, plan --- */

static bool take_account(struct words_reader *r, struct pool *pool, struct slice name)
{
    unsigned char lower[NAME_ROOM];
    if (name.len > sizeof lower) {
        return words_wrong(r, name, "is too long", "an account's name");
    }
    for (size_t i = 0; i < name.len; i++) {
        lower[i] = ascii_lower(name.ptr[i]);
    }
    name.ptr = lower;
    if (map_get(&table(r)->accounts, name) != NULL) {
        return words_wrong(r, name, "stands in an earlier line", "each account once");
    }
    return map_put(&table(r)->accounts, name, pool) ||
           words_wrong(r, name, "is an account too many", "fewer");
}

static bool take_service(struct words_reader *r, const struct pool *pool,
                         struct slice name)
{
    for (unsigned i = 0; i <= SERVICE_PUSH; i++) {
        if (slice_eq(name, slice_of(config_service_name((enum config_service)i)))) {
            if (table(r)->service[i] != NULL) {
                return words_wrong(r, name, "stands in an earlier line",
                                   "each service once");
            }
            table(r)->service[i] = pool;
            return true;
        }
    }
    return words_wrong(r, name, "is no service", "submission, relay, push or mx");
}

static bool take_use(struct words_reader *r)
{
    struct slice kind = words_at(&r->w, 2);
    bool account = slice_eq(kind, SLICE("account")),
         service = slice_eq(kind, SLICE("service"));
    struct pool *pool = pool_named(r, words_at(&r->w, 1));
    if (pool == NULL) {
        return false;
    }
    if (slice_eq(kind, SLICE("default")) && r->w.n == 3) {
        if (table(r)->otherwise != NULL) {
            return words_wrong(r, kind, "stands in an earlier line", "it once");
        }
        table(r)->otherwise = pool;
        return true;
    }
    if ((!account && !service) || r->w.n < 4) {
        return words_wrong(
            r, kind, "does not say whose mail",
            "use POOL account NAME..., use POOL service NAME... or use POOL default");
    }
    for (unsigned i = 3; i < r->w.n; i++) {
        if (account ? !take_account(r, pool, r->w.word[i])
                    : !take_service(r, pool, r->w.word[i])) {
            return false;
        }
    }
    return true;
}

static bool take_plan_line(struct words_reader *r)
{
    struct plan *plan = plan_named(r, words_at(&r->w, 1));
    if (plan == NULL) {
        return false;
    }
    if (plan->n > 0 || r->w.n < 3) {
        return words_wrong(r, words_at(&r->w, 1),
                           plan->n > 0 ? "stands in an earlier line" : "has no counts",
                           "each plan once: plan PLAN COUNT COUNT ...");
    }
    for (unsigned i = 2; i < r->w.n; i++) {
        if (!slice_u64(r->w.word[i], &plan->count[plan->n]) ||
            plan->count[plan->n] == 0) {
            return words_wrong(r, r->w.word[i], "is no count of recipients",
                               "a number from 1 on");
        }
        plan->n++;
    }
    return true;
}

/* --- the whole --- */

static bool take_line(struct words_reader *r)
{
    struct slice first = words_at(&r->w, 0);
    if (r->w.n == WORDS_LINE_MAX) {
        return words_wrong(r, first, "has too many words behind it", "fewer than 399");
    }
    return slice_eq(first, SLICE("source")) ? take_source(r)
           : slice_eq(first, SLICE("use"))  ? take_use(r)
           : slice_eq(first, SLICE("plan"))
               ? take_plan_line(r)
               : words_wrong(r, first, "begins no line", "source, use or plan");
}

/* Names that were used and never said. */
static bool complete(struct words_reader *r)
{
    for (unsigned i = 0; i < table(r)->pool_n; i++) {
        r->w.line = table(r)->pool[i].line;
        if (table(r)->pool[i].n == 0) {
            return words_wrong(r, slice_of(table(r)->pool[i].name), "has no source",
                               "a line source POOL ADDRESS HELO for it");
        }
    }
    for (unsigned i = 0; i < table(r)->plan_n; i++) {
        r->w.line = table(r)->plan[i].line;
        if (table(r)->plan[i].n == 0) {
            return words_wrong(r, slice_of(table(r)->plan[i].name), "has no counts",
                               "a line plan PLAN COUNT... for it");
        }
    }
    return true;
}

static int by_pool(const void *a, const void *b)
{
    const struct sender_source *x = a, *y = b;
    return x->pool != y->pool ? (x->pool < y->pool ? -1 : 1)
                              : (x->line < y->line ? -1 : x->line > y->line);
}

static void group(struct sources *s)
{
    qsort(s->source, s->source_n, sizeof s->source[0], by_pool);
    for (unsigned i = s->source_n; i > 0; i--) {
        s->pool[s->source[i - 1].pool].first = i - 1;
    }
}

struct sources *sources_read(struct slice text, char error[WORDS_ERROR_MAX])
{
    struct sources *s = calloc(1, sizeof *s);
    if (s != NULL) {
        map_init(&s->accounts, ACCOUNTS_MAX);
    }
    if (words_read(text, s, take_line, complete, error) && s != NULL) {
        group(s);
    } else {
        sources_free(&s);
    }
    return s;
}

void sources_free(struct sources **s)
{
    if (*s != NULL) {
        map_clear(&(*s)->accounts);
        free(*s);
        *s = NULL;
    }
}

int sources_pool(const struct sources *s, struct slice account, unsigned service)
{
    unsigned char lower[NAME_ROOM];
    const struct pool *p = NULL;
    if (account.len <= sizeof lower) {
        for (size_t i = 0; i < account.len; i++) {
            lower[i] = ascii_lower(account.ptr[i]);
        }
        p = map_get(&s->accounts, (struct slice){lower, account.len});
    }
    p = p == NULL && service <= SERVICE_PUSH ? s->service[service] : p;
    p = p == NULL ? s->otherwise : p;
    return p == NULL ? -1 : (int)(p - s->pool);
}

const struct sender_source *sources_of(const struct sources *s, unsigned pool,
                                       unsigned *n)
{
    *n = s->pool[pool].n;
    return &s->source[s->pool[pool].first];
}

uint64_t sources_bound(const struct sources *s, const struct sender_source *source,
                       uint64_t day)
{
    if (source->plan < 0) {
        return SOURCE_UNBOUND;
    }
    const struct plan *plan = &s->plan[source->plan];
    uint64_t at = day < source->first_day ? 0 : day - source->first_day;
    return at < plan->n ? plan->count[at] : SOURCE_UNBOUND;
}
