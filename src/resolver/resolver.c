/* resolver/resolver.c - see resolver.h
 *
 * A question (name and type) stands once in the process, with all the asks that wait for it;
 * an ask joins a scope to it. libunbound calls back for questions, in its own time, also
 * from inside ub_resolve_event(); then the asks get the answer, and their scopes stand in a
 * list that an event of ours empties: nobody is called back from inside libunbound. */
#include "resolver/resolver.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "dns/decode.h"
#include "dns/name.h"
#include "resolver/setup.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdlib.h>
#include <string.h>
#include <unbound-event.h>
#include <unbound.h>

enum {
    ANSWER_MAX = 1024 * 1024, /* octets of one as a value */
    CACHED_MAX = 1000000,     /* answers */
    BOGUS_MAX = 200,          /* octets of the reason */
    CLASS_IN = 1,
};

/* An answer as a value, shared by the cache and the asks that have it. */
struct answer {
    unsigned refs;
    struct dns_answer value;
    struct arena arena; /* holds the value's parts, and this */
};

struct key {
    unsigned char octets[2 + DNS_NAME_MAX]; /* type, then the name in lower case */
    size_t len;
};

struct question {
    struct resolver *resolver;
    struct key key;
    struct list asks;      /* that wait */
    struct list cached;    /* in resolver->cached, oldest use first */
    struct answer *answer; /* NULL: open */
    uint64_t until_ms;     /* good so long */
    bool running;          /* libunbound will call back */
};

struct resolver {
    struct ub_ctx *ub;
    struct map questions; /* key -> struct question */
    struct list cached;
    size_t cached_octets, cached_max;
    unsigned open;       /* questions that libunbound has */
    struct list asks;    /* that wait, oldest first */
    struct list waiting; /* scopes with asks that wait */
    struct list news;    /* scopes to be told */
    struct event tick, tell;
    bool ticking;
    uint64_t timeout_ms, budget_ms;
    unsigned questions_max;
};

struct ask {
    struct resolver_scope *scope;
    struct question *question; /* while it waits */
    struct key key;
    uint64_t since_ms;
    struct list of_scope, of_question, by_age;
    struct answer *answer;           /* NULL: none, see `failed` */
    struct dns_answer failed;        /* where it was not answered in time or at all */
    const struct dns_answer *result; /* one of the two; NULL: waits */
};

struct resolver_scope {
    struct resolver *resolver;
    const struct resolver_ops *ops;
    void *arg;
    struct dns_source source;
    struct list asks, waiting_node, news_node;
    unsigned n, open;
    uint64_t spent_ms, since_ms;        /* of the budget; the present wait began */
    struct dns_answer no_name, no_more; /* for what is not even an ask */
};

static const char timeout_text[] = "timeout";

/* --- keys and answers --- */

static struct key key_of(enum dns_type type, struct slice name)
{
    struct key k = {.len = 2 + name.len};
    k.octets[0] = (unsigned char)((unsigned)type >> 8);
    k.octets[1] = (unsigned char)type;
    for (size_t i = 0; i < name.len; i++) {
        k.octets[2 + i] = ascii_lower(name.ptr[i]);
    }
    return k;
}

static struct slice key_slice(const struct key *k)
{
    return (struct slice){k->octets, k->len};
}

static struct slice key_name(const struct key *k)
{
    return slice_from(key_slice(k), 2);
}

static enum dns_type key_type(const struct key *k)
{
    return (enum dns_type)(k->octets[0] << 8 | k->octets[1]);
}

static struct answer *answer_new(void)
{
    struct arena arena;
    arena_init(&arena, ANSWER_MAX);
    struct answer *a = arena_alloc(&arena, sizeof *a);
    if (a != NULL) {
        a->refs = 1;
        a->arena = arena;
    }
    return a;
}

static void answer_unref(struct answer *a)
{
    if (a != NULL && --a->refs == 0) {
        struct arena arena = a->arena; /* which holds a itself */
        arena_clear(&arena);
    }
}

/* --- questions and the cache --- */

static void question_free(struct question *q)
{
    struct resolver *r = q->resolver;
    (void)map_take(&r->questions, key_slice(&q->key));
    if (!list_empty(&q->cached)) {
        r->cached_octets -= q->answer->arena.used + sizeof *q;
        list_remove(&q->cached);
    }
    answer_unref(q->answer);
    free(q);
}

static void shrink_cache(struct resolver *r)
{
    while (r->cached_octets > r->cached_max && !list_empty(&r->cached)) {
        question_free(LIST_ITEM(r->cached.next, struct question, cached));
    }
}

static void cache(struct question *q)
{
    struct resolver *r = q->resolver;
    r->cached_octets += q->answer->arena.used + sizeof *q;
    list_append(&r->cached, &q->cached);
    shrink_cache(r);
}

/* --- scopes and their asks --- */

static void want_tick(struct resolver *r)
{
    struct timeval every = {.tv_usec = RESOLVER_TICK_MS * 1000};
    bool wanted = !list_empty(&r->waiting);
    if (wanted && !r->ticking) {
        (void)event_add(&r->tick, &every);
    } else if (!wanted && r->ticking) {
        (void)event_del(&r->tick);
    }
    r->ticking = wanted;
}

static void wait_begins(struct ask *a)
{
    struct resolver_scope *s = a->scope;
    list_append(&s->resolver->asks, &a->by_age);
    if (s->open++ == 0) {
        s->since_ms = a->since_ms;
        list_append(&s->resolver->waiting, &s->waiting_node);
        want_tick(s->resolver);
    }
}

static void wait_ends(struct ask *a)
{
    struct resolver_scope *s = a->scope;
    list_remove(&a->by_age);
    list_remove(&a->of_question);
    a->question = NULL;
    if (--s->open == 0) {
        s->spent_ms += clock_mono_ms() - s->since_ms;
        list_remove(&s->waiting_node);
        want_tick(s->resolver);
    }
}

static void tell(struct ask *a)
{
    struct resolver_scope *s = a->scope;
    if (s->ops->told != NULL) {
        s->ops->told(s->arg, key_type(&a->key), key_name(&a->key), a->result,
                     clock_mono_ms() - a->since_ms);
    }
}

static void take_answer(struct ask *a, struct answer *answer)
{
    answer->refs++;
    a->answer = answer;
    a->result = &answer->value;
    tell(a);
}

static void take_failure(struct ask *a, const char *why)
{
    dns_fail(&a->failed, key_name(&a->key), why);
    a->result = &a->failed;
    tell(a);
}

/* A waiting ask has its answer, or (NULL) none: its scope is to be told. */
static void settle(struct ask *a, struct answer *answer, const char *why)
{
    struct resolver_scope *s = a->scope;
    wait_ends(a);
    if (answer != NULL) {
        take_answer(a, answer);
    } else {
        take_failure(a, why);
    }
    if (list_empty(&s->news_node)) {
        list_append(&s->resolver->news, &s->news_node);
        event_active(&s->resolver->tell, EV_TIMEOUT, 0);
    }
}

static void on_tell(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *r = arg;
    (void)fd;
    (void)what;
    while (!list_empty(&r->news)) {
        struct resolver_scope *s =
            LIST_ITEM(r->news.next, struct resolver_scope, news_node);
        list_remove(&s->news_node);
        s->ops->news(s->arg);
    }
}

static uint64_t spent(const struct resolver_scope *s, uint64_t now)
{
    return s->spent_ms + (s->open > 0 ? now - s->since_ms : 0);
}

static void end_budget(struct resolver_scope *s)
{
    struct list *node = s->asks.next;
    while (node != &s->asks) {
        struct ask *a = LIST_ITEM(node, struct ask, of_scope);
        node = node->next;
        if (a->question != NULL) {
            settle(a, NULL, timeout_text);
        }
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct resolver *r = arg;
    uint64_t now = clock_mono_ms();
    (void)fd;
    (void)what;
    while (!list_empty(&r->asks)) {
        struct ask *a = LIST_ITEM(r->asks.next, struct ask, by_age);
        if (now - a->since_ms < r->timeout_ms) {
            break;
        }
        settle(a, NULL, timeout_text);
    }
    struct list *node = r->waiting.next;
    while (node != &r->waiting) {
        struct resolver_scope *s = LIST_ITEM(node, struct resolver_scope, waiting_node);
        node = node->next;
        if (spent(s, now) >= r->budget_ms) {
            end_budget(s);
        }
    }
}

/* --- libunbound's answers --- */

static void settle_all(struct question *q, const char *why)
{
    while (!list_empty(&q->asks)) {
        settle(LIST_ITEM(q->asks.next, struct ask, of_question), q->answer, why);
    }
}

static void set_bogus(struct answer *a, const char *why)
{
    struct slice text;
    struct slice from = slice_sub(slice_of(why), 0, BOGUS_MAX);
    unsigned char *copy = arena_alloc(&a->arena, from.len + 1);
    if (copy != NULL) { /* zeroed */
        memcpy(copy, from.ptr, from.len);
    }
    text = a->value.name;
    dns_fail(&a->value, text,
             copy != NULL && from.len > 0 ? (const char *)copy
                                          : "DNSSEC validation failed");
    a->value.bogus = true;
}

static void on_answer(void *arg, int rcode, void *packet, int len, int secure, char *why,
                      int limited)
{
    enum { BOGUS = 1, SECURE = 2 };
    struct question *q = arg;
    struct slice message = {packet, len > 0 && packet != NULL ? (size_t)len : 0};
    (void)limited;
    q->running = false;
    q->resolver->open--;
    q->answer = rcode == 0 ? answer_new() : NULL;
    if (q->answer == NULL) {
        settle_all(q, rcode == 0 ? "out of memory" : dns_rcode_text((unsigned)rcode));
        question_free(q);
        return;
    }
    struct dns_answer *value = &q->answer->value;
    dns_decode(message, key_type(&q->key), key_name(&q->key), &q->answer->arena, value);
    struct slice name = SLICE(""); /* of its own: the question may go before the answer */
    if (value->status == DNS_FAILED) {
        IGNORE(arena_dup(&q->answer->arena, key_name(&q->key), &name));
        value->name = name;
    }
    value->secure = secure == SECURE && value->status != DNS_FAILED;
    if (secure == BOGUS) {
        set_bogus(q->answer, why);
    }
    settle_all(q, NULL);
    if (value->status == DNS_FAILED || value->ttl == 0) {
        question_free(q);
        return;
    }
    q->until_ms = clock_mono_ms() + value->ttl * 1000ULL;
    cache(q);
}

/* --- asking --- */

/* The question, begun where it is new. NULL: cannot be asked now, *why says it. */
static struct question *question_of(struct resolver *r, const struct key *key,
                                    const char **why)
{
    struct question *q = map_get(&r->questions, key_slice(key));
    if (q != NULL && q->answer != NULL && clock_mono_ms() >= q->until_ms) {
        question_free(q);
        q = NULL;
    }
    if (q != NULL) {
        return q;
    }
    if (r->open >= RESOLVER_OPEN_MAX) {
        *why = "too many questions are open";
        return NULL;
    }
    q = calloc(1, sizeof *q);
    if (q == NULL || !map_put(&r->questions, key_slice(key), q)) {
        free(q);
        *why = "out of memory";
        return NULL;
    }
    q->resolver = r;
    q->key = *key;
    list_init(&q->asks);
    list_init(&q->cached);
    return q;
}

static void begin(struct question *q)
{
    char text[UNBOUND_NAME_MAX];
    unbound_name(key_name(&q->key), text);
    q->running = true;
    q->resolver->open++;
    int res = ub_resolve_event(q->resolver->ub, text, (int)key_type(&q->key), CLASS_IN, q,
                               on_answer, NULL); /* q may be gone behind this */
    if (res != 0) {
        q->running = false;
        q->resolver->open--;
        settle_all(q, "it cannot be asked");
        question_free(q);
    }
}

static struct ask *find_ask(const struct resolver_scope *s, const struct key *key)
{
    for (struct list *node = s->asks.next; node != &s->asks; node = node->next) {
        struct ask *a = LIST_ITEM(node, struct ask, of_scope);
        if (a->key.len == key->len && memcmp(a->key.octets, key->octets, key->len) == 0) {
            return a;
        }
    }
    return NULL;
}

static struct ask *ask_new(struct resolver_scope *s, const struct key *key)
{
    struct ask *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return NULL;
    }
    a->scope = s;
    a->key = *key;
    a->since_ms = clock_mono_ms();
    list_append(&s->asks, &a->of_scope);
    list_init(&a->of_question);
    list_init(&a->by_age);
    s->n++;
    return a;
}

/* Answers the ask at once, or makes it wait. */
static void start(struct ask *a)
{
    struct resolver *r = a->scope->resolver;
    const char *why = NULL;
    if (spent(a->scope, a->since_ms) >= r->budget_ms) {
        take_failure(a, timeout_text);
        return;
    }
    struct question *q = question_of(r, &a->key, &why);
    if (q == NULL) {
        take_failure(a, why);
        return;
    }
    if (q->answer != NULL) {
        list_remove(&q->cached);
        list_append(&r->cached, &q->cached);
        take_answer(a, q->answer);
        return;
    }
    a->question = q;
    list_append(&q->asks, &a->of_question);
    wait_begins(a);
    if (!q->running) {
        bool listed = !list_empty(&a->scope->news_node);
        begin(q);
        if (a->result != NULL && !listed) {
            list_remove(&a->scope->news_node); /* who asks hears it now */
        }
    }
}

static const struct dns_answer *ask(void *arg, enum dns_type type, struct slice name)
{
    struct resolver_scope *s = arg;
    if (!dns_name_ok(name)) {
        return &s->no_name;
    }
    struct key key = key_of(type, name);
    struct ask *a = find_ask(s, &key);
    if (a != NULL) {
        return a->result;
    }
    a = s->n < s->resolver->questions_max ? ask_new(s, &key) : NULL;
    if (a == NULL) {
        return &s->no_more;
    }
    start(a);
    return a->result;
}

struct resolver_scope *resolver_scope_new(struct resolver *r,
                                          const struct resolver_ops *ops, void *arg)
{
    struct resolver_scope *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->resolver = r;
    s->ops = ops;
    s->arg = arg;
    s->source = (struct dns_source){ask, s};
    s->no_name.status = DNS_NXDOMAIN;
    dns_fail(&s->no_more, SLICE(""), "too many questions");
    list_init(&s->asks);
    list_init(&s->waiting_node);
    list_init(&s->news_node);
    return s;
}

void resolver_scope_free(struct resolver_scope **scope)
{
    struct resolver_scope *s = *scope;
    *scope = NULL;
    if (s == NULL) {
        return;
    }
    while (!list_empty(&s->asks)) {
        struct ask *a = LIST_ITEM(s->asks.next, struct ask, of_scope);
        if (a->question != NULL) {
            wait_ends(a);
        }
        list_remove(&a->of_scope);
        answer_unref(a->answer);
        free(a);
    }
    list_remove(&s->news_node);
    free(s);
}

const struct dns_source *resolver_scope_source(const struct resolver_scope *s)
{
    return &s->source;
}

bool resolver_scope_waits(const struct resolver_scope *s)
{
    return s->open > 0;
}

/* --- the resolver --- */

struct resolver *resolver_new(struct event_base *base, const struct config *config,
                              char error[RESOLVER_ERROR_MAX])
{
    struct resolver *r = calloc(1, sizeof *r);
    BUG_ON(r == NULL);
    r->ub = unbound_new(base, config, error);
    if (r->ub == NULL) {
        free(r);
        return NULL;
    }
    map_init(&r->questions, CACHED_MAX);
    list_init(&r->cached);
    list_init(&r->asks);
    list_init(&r->waiting);
    list_init(&r->news);
    r->cached_max = (size_t)config->dns_cache_size / 4;
    r->timeout_ms = config->dns_timeout;
    r->budget_ms = config->dns_budget;
    r->questions_max = (unsigned)config->dns_questions;
    (void)event_assign(&r->tick, base, -1, EV_PERSIST, on_tick, r);
    (void)event_assign(&r->tell, base, -1, 0, on_tell, r);
    return r;
}

static void first_question(void *arg, struct slice key, void *value)
{
    (void)key;
    *(struct question **)arg = value;
}

void resolver_free(struct resolver **resolver)
{
    struct resolver *r = *resolver;
    *resolver = NULL;
    if (r == NULL) {
        return;
    }
    BUG_ON(!list_empty(&r->waiting));
    ub_ctx_delete(r->ub); /* which may answer what is open */
    (void)event_del(&r->tick);
    (void)event_del(&r->tell);
    r->cached_max = 0;
    shrink_cache(r);
    for (;;) { /* what was open */
        struct question *q = NULL;
        map_each(&r->questions, first_question, &q);
        if (q == NULL) {
            break;
        }
        question_free(q);
    }
    map_clear(&r->questions);
    free(r);
}
