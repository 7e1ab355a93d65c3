/* delivery/remote_account.c - see remote.h: accounts that a site has asked to wait. The queue keeps the account's mail to
 * the domain that said so; this keeps what it has for the site's other domains, from whatever address. */
#include "base/clock.h"
#include "base/log.h"
#include "delivery/remote_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAITS_MAX = 65536, KEY_MAX = 2048, SWEEP_MAX = 256 };

struct wait {
    uint64_t until_ms; /* monotonic */
    uint16_t why_len;
    unsigned char why[OUTCOME_REPLY_MAX];
};

void accounts_init(struct remote *r)
{
    map_init(&r->waits, WAITS_MAX);
}

static void free_wait(void *arg, struct slice key, void *value)
{
    (void)arg, (void)key;
    free(value);
}

void accounts_clear(struct remote *r)
{
    map_each(&r->waits, free_wait, NULL);
    map_clear(&r->waits);
}

/* False: nobody's. */
static bool key_of(const struct remote_order *o, struct buf *out)
{
    struct slice account = o->order->job.account;
    (void)buf_add(out, account);
    (void)buf_add_byte(out, '|');
    (void)buf_add(
        out, (struct slice){(const unsigned char *)o->route.site, o->route.site_len});
    return account.len > 0 && !out->failed;
}

void account_waits(const struct remote_order *o, uint32_t wait_s, struct slice why)
{
    struct remote *r = o->remote;
    uint64_t ms = wait_s > 0 ? (uint64_t)wait_s * 1000 : r->options.config->queue_pause;
    ms = ms > REMOTE_REST_MAX_S * 1000ULL ? REMOTE_REST_MAX_S * 1000ULL : ms;
    struct wait *w = NULL;
    struct buf key;
    buf_init(&key, KEY_MAX);
    if (key_of(o, &key)) {
        w = map_get(&r->waits, buf_slice(&key));
        bool fresh = w == NULL;
        w = fresh ? calloc(1, sizeof *w) : w;
        if (fresh && w != NULL && !map_put(&r->waits, buf_slice(&key), w)) {
            free(w);
            w = NULL;
        }
    }
    if (w != NULL) {
        w->until_ms = clock_mono_ms() + ms;
        why = slice_sub(why, 0, sizeof w->why);
        w->why_len = (uint16_t)why.len;
        memcpy(w->why, why.ptr, why.len);
        log_text(LOG_WARN, "account-waits", "%.*s for %llu s: %.*s", (int)key.len,
                 (const char *)key.ptr, (unsigned long long)(ms / 1000), (int)why.len,
                 (const char *)why.ptr);
    }
    buf_clear(&key);
    /* Its others that wait for a connection. */
    struct list *waiting = &o->site->waiting;
    for (struct list *at = waiting->next, *next = NULL; at != waiting; at = next) {
        next = at->next;
        IGNORE(order_waits_for_account(LIST_ITEM(at, struct remote_order, node)));
    }
}

bool order_waits_for_account(struct remote_order *o)
{
    struct remote *r = o->remote;
    uint64_t now_ms = clock_mono_ms();
    const struct wait *w = NULL;
    struct buf key;
    if (r->waits.n == 0) {
        return false;
    }
    buf_init(&key, KEY_MAX);
    w = key_of(o, &key) ? map_get(&r->waits, buf_slice(&key)) : NULL;
    buf_clear(&key);
    if (w == NULL || w->until_ms <= now_ms) {
        return false;
    }
    order_untried(o, (struct slice){w->why, w->why_len},
                  (w->until_ms - now_ms) / 1000 + 1);
    return true;
}

struct sweep {
    struct slice key[SWEEP_MAX];
    unsigned n;
    uint64_t now_ms;
};

static void look_for_over(void *arg, struct slice key, void *value)
{
    struct sweep *sweep = arg;
    const struct wait *w = value;
    if (w->until_ms <= sweep->now_ms && sweep->n < SWEEP_MAX) {
        sweep->key[sweep->n++] = key;
    }
}

void accounts_tick(struct remote *r)
{
    struct sweep sweep = {.now_ms = clock_mono_ms()};
    map_each(&r->waits, look_for_over, &sweep);
    for (unsigned i = 0; i < sweep.n; i++) {
        free(map_take(&r->waits, sweep.key[i]));
    }
}
