/* rate/table.c - see table.h */
#include "rate/table.h"

#include "base/hash.h"

#include <stdatomic.h>
#include <string.h>

enum {
    TAG_FREE = 0,
    BUSY_S =
        2, /* a slot that is being taken for longer was left by a process that died */
    USUAL_FRACTION = 256,
    SIGN_FRACTION = 16,
    CUT = 0x80,       /* in name_len: there was more */
    SAVED_COUNTS = 8, /* in a slot as it is kept: behind its tag */
    SAVED_NAME = 8 + 64,
};
static const uint64_t magic = UINT64_C(0x32657461526e7450); /* changes with the layout */
static const uint64_t busy_mark =
    UINT64_C(0xffff000000000000); /* and the second it was taken */

/* A word that counts a window: its number (16 bits), the count of the one before, its own (24 each).
 * A word of signs: the day, good and bad likewise. What is usual: the hour it was reckoned up to, and
 * USUAL_FRACTION times the mean (32 bits each). state: touched, limited until (32 bits each). */
struct counts {
    _Atomic uint64_t window[RATE_WINDOWS];
    _Atomic uint64_t usual, signs, state;
    _Atomic uint64_t full_us;
    unsigned char kind, name_len, unused[6];
};

/* The tags of a bucket are one cache line and the counts of a slot another: to find a key and to count it
 * touches two or three. Names are touched where slots are given. */
struct bucket {
    _Atomic uint64_t tag[RATE_BUCKET_SLOTS];
    struct counts counts[RATE_BUCKET_SLOTS];
    unsigned char name[RATE_BUCKET_SLOTS][RATE_NAME_MAX];
};

struct rate_table {
    uint64_t magic, slots, hash_key[2];
};

_Static_assert(sizeof(struct rate_table) <= RATE_HEAD_USED, "what segment.c copies");
_Static_assert(sizeof(struct counts) == 64, "a cache line");
_Static_assert(sizeof(struct bucket) == (size_t)RATE_BUCKET_SLOTS * RATE_SLOT_OCTETS,
               "no gaps");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "words are shared between processes");

/* --- kinds and windows --- */

static const char *const kinds[] = {
#define X(name, what) [RATE_##name] = #name,
    RATE_KINDS(X)
#undef X
};

const char *rate_kind_name(enum rate_kind kind)
{
    return kinds[kind];
}

bool rate_kind_read(struct slice name, enum rate_kind *out)
{
    for (unsigned i = 0; i < RATE_KIND_COUNT; i++) {
        if (slice_eq(name, slice_of(kinds[i]))) {
            *out = (enum rate_kind)i;
            return true;
        }
    }
    return false;
}

static const uint64_t window_s[RATE_WINDOWS] = {
    [RATE_MINUTE] = 60, [RATE_HOUR] = 3600, [RATE_DAY] = 86400};

uint64_t rate_window_s(enum rate_window window)
{
    return window_s[window];
}

/* --- words --- */

struct counted {
    uint64_t epoch, before, now;
};

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static struct counted unpack(uint64_t word)
{
    return (struct counted){word >> 48, word >> 24 & RATE_COUNT_MAX,
                            word & RATE_COUNT_MAX};
}

static uint64_t pack(struct counted c)
{
    return (c.epoch & 0xffff) << 48 | at_most(c.before, RATE_COUNT_MAX) << 24 |
           at_most(c.now, RATE_COUNT_MAX);
}

/* The word's counts as they are in that window. A word of the time to come (the clock of another
 * process is ahead by a moment, or ours was set back) counts as of now. stale: it was last used so long
 * ago that its 16 bits may have come round. */
static struct counted at_epoch(uint64_t word, uint64_t epoch, bool stale)
{
    struct counted c = unpack(word);
    uint16_t past = (uint16_t)((uint16_t)epoch - (uint16_t)c.epoch);
    if (stale || word == 0) {
        return (struct counted){epoch, 0, 0};
    }
    if (past == 0 || past >= 0x8000) {
        return c;
    }
    return past == 1 ? (struct counted){epoch, c.now, 0} : (struct counted){epoch, 0, 0};
}

static uint64_t touched_of(uint64_t state)
{
    return state >> 32;
}

static uint64_t until_of(uint64_t state)
{
    return state & UINT32_MAX;
}

/* value * (1 - 1/of)^steps, a step at a time as long as that matters. */
static uint64_t decay(uint64_t value, uint64_t steps, uint64_t of)
{
    if (steps > 32 * of) {
        return 0;
    }
    while (steps-- > 0 && value > 0) {
        value -= (value + of - 1) / of;
    }
    return value;
}

/* What was usual, with the hours up to `hour` that passed without mail. */
static uint64_t usual_at(uint64_t word, uint64_t hour)
{
    uint64_t from = word >> 32;
    return from == 0 || hour <= from
               ? word & UINT32_MAX
               : decay(word & UINT32_MAX, hour - from, RATE_USUAL_HOURS);
}

/* --- the clock going on: what is usual --- */

/* The hour `hour` ended with so many. */
static void end_hour(struct counts *s, uint64_t hour, uint64_t count)
{
    uint64_t old = atomic_load(&s->usual);
    for (;;) {
        uint64_t value =
            usual_at(old, hour + 1) + count * USUAL_FRACTION / RATE_USUAL_HOURS;
        uint64_t new = (hour + 1) << 32 | at_most(value, UINT32_MAX);
        if (old >> 32 > hour || atomic_compare_exchange_weak(&s->usual, &old, new)) {
            return; /* or somebody was here before */
        }
    }
}

/* epoch: the window's number now. */
static void count(struct counts *s, enum rate_window w, uint64_t n, uint64_t epoch,
                  bool stale)
{
    uint64_t old = atomic_load(&s->window[w]);
    struct counted before;
    struct counted c;
    do {
        before = unpack(old);
        c = at_epoch(old, epoch, stale);
        c.now += n;
    } while (!atomic_compare_exchange_weak(&s->window[w], &old, pack(c)));
    uint16_t past = (uint16_t)((uint16_t)epoch - (uint16_t)before.epoch);
    if (w == RATE_HOUR && before.now > 0 && past != 0 && past < 0x8000) {
        end_hour(s, epoch - past, before.now);
    }
}

/* GCRA: the time up to which the limit is used up, moved on by n. It moves on beyond the burst by one
 * at the most: who goes on while refused waits no longer for it. */
static void fill(struct counts *s, uint64_t n, const struct rate_limit *l,
                 uint64_t now_us)
{
    uint64_t step = window_s[l->window] * 1000000 / l->count;
    uint64_t old = atomic_load(&s->full_us);
    uint64_t new;
    do {
        uint64_t from = old > now_us ? old : now_us;
        new = at_most(from + n * step, now_us + (l->burst + 1) * step);
        new = new > old ? new : old;
        new = at_most(new, now_us + (l->burst + 1) * step);
    } while (!atomic_compare_exchange_weak(&s->full_us, &old, new));
}

static void touch(struct counts *s, uint64_t now_s)
{
    uint64_t old = atomic_load(&s->state);
    while (touched_of(old) < now_s &&
           !atomic_compare_exchange_weak(&s->state, &old, now_s << 32 | until_of(old))) {
    }
}

/* --- reading a slot --- */

static void view_of(const struct counts *s, uint64_t now_us, struct rate_view *v)
{
    uint64_t now_s = now_us / 1000000;
    uint64_t state = atomic_load(&s->state);
    for (unsigned w = 0; w < RATE_WINDOWS; w++) {
        uint64_t len = window_s[w];
        struct counted c = at_epoch(atomic_load(&s->window[w]), now_s / len,
                                    touched_of(state) + 2 * len <= now_s);
        v->count[w] = c.now + c.before * (len - now_s % len) / len;
    }
    uint64_t hour = now_s / 3600;
    uint64_t usual = usual_at(atomic_load(&s->usual), hour);
    struct counted last = unpack(atomic_load(&s->window[RATE_HOUR]));
    uint16_t past = (uint16_t)((uint16_t)hour - (uint16_t)last.epoch);
    if (past != 0 && past < 0x8000 && touched_of(state) + 65535 * 3600 > now_s) {
        /* an hour that ended, and nobody has come since to say so */
        usual += decay(last.now * USUAL_FRACTION / RATE_USUAL_HOURS, (uint64_t)past - 1,
                       RATE_USUAL_HOURS);
    }
    v->usual = usual / USUAL_FRACTION;
    uint64_t signs = atomic_load(&s->signs);
    struct counted sign = unpack(signs);
    uint16_t days = (uint16_t)((uint16_t)(now_s / 86400) - (uint16_t)sign.epoch);
    days = days < 0x8000 ? days : 0;
    v->good = decay(sign.before, days, RATE_SIGN_DAYS) / SIGN_FRACTION;
    v->bad = decay(sign.now, days, RATE_SIGN_DAYS) / SIGN_FRACTION;
    v->full_us = atomic_load(&s->full_us);
    v->touched_s = touched_of(state);
    v->limited_until_s = until_of(state) > now_s ? until_of(state) : 0;
}

/* --- finding and taking slots --- */

struct slot {
    struct bucket *bucket; /* NULL: none */
    unsigned i;
};

static struct bucket *buckets(const struct rate_table *t)
{
    return (struct bucket *)((uintptr_t)t + RATE_HEAD_OCTETS);
}

static struct slot slot_at(const struct rate_table *t, size_t at)
{
    return (struct slot){buckets(t) + at / RATE_BUCKET_SLOTS,
                         (unsigned)(at % RATE_BUCKET_SLOTS)};
}

static _Atomic uint64_t *tag_of(struct slot s)
{
    return &s.bucket->tag[s.i];
}

static struct counts *counts_of(struct slot s)
{
    return &s.bucket->counts[s.i];
}

static unsigned char *name_of(struct slot s)
{
    return s.bucket->name[s.i];
}

/* The two buckets where a tag may stand. */
static void buckets_of(const struct rate_table *t, uint64_t tag, struct bucket *out[2])
{
    uint64_t n = t->slots / RATE_BUCKET_SLOTS;
    out[0] = buckets(t) + tag % n;
    out[1] = buckets(t) + (tag >> 20) * UINT64_C(0x9e3779b97f4a7c15) % n;
}

static struct slot find(const struct rate_table *t, uint64_t tag)
{
    struct bucket *bucket[2];
    buckets_of(t, tag, bucket);
    __builtin_prefetch(bucket[1]);
    for (unsigned b = 0; b < 2; b++) {
        for (unsigned i = 0; i < RATE_BUCKET_SLOTS; i++) {
            if (atomic_load_explicit(&bucket[b]->tag[i], memory_order_acquire) == tag) {
                return (struct slot){bucket[b], i};
            }
        }
    }
    return (struct slot){NULL, 0};
}

/* Where rate_locate() saw it, else by looking. */
static struct slot find_key(const struct rate_table *t, const struct rate_key *key)
{
    if (key->place > 0) {
        struct slot s = slot_at(t, key->place - 1);
        if (atomic_load_explicit(tag_of(s), memory_order_acquire) == key->tag) {
            return s;
        }
    }
    return find(t, key->tag);
}

static bool is_busy(uint64_t tag)
{
    return (tag & busy_mark) == busy_mark;
}

static uint64_t busy_at(uint64_t now_s)
{
    return busy_mark | (now_s & ~busy_mark);
}

/* Left behind by a process that died while it took the slot, or whose clock was wrong. */
static bool is_left(uint64_t tag, uint64_t now_s)
{
    uint64_t since = tag & ~busy_mark;
    return is_busy(tag) && (since + BUSY_S < now_s || since > now_s + BUSY_S);
}

static unsigned bits_of(uint64_t n)
{
    return n == 0 ? 0 : 64 - (unsigned)__builtin_clzll(n);
}

/* What a slot in use is worth: the least goes. UINT64_MAX: it stays. */
static uint64_t worth(const struct counts *s, uint64_t now_s)
{
    struct rate_view v;
    view_of(s, now_s * 1000000, &v);
    if (v.limited_until_s > now_s) {
        return UINT64_MAX;
    }
    return v.touched_s +
           (uint64_t)RATE_VALUE_S * bits_of(v.count[RATE_DAY] + v.usual + v.good);
}

/* A free slot of the bucket that has more of them, so that both fill evenly. */
static struct slot choose_free(struct bucket *const bucket[2], uint64_t now_s,
                               uint64_t *tag)
{
    struct slot best = {NULL, 0};
    unsigned most = 0;
    for (unsigned b = 0; b < 2; b++) {
        struct slot last = {NULL, 0};
        uint64_t last_tag = TAG_FREE;
        unsigned n = 0;
        for (unsigned i = 0; i < RATE_BUCKET_SLOTS; i++) {
            uint64_t has = atomic_load(&bucket[b]->tag[i]);
            if (has == TAG_FREE || is_left(has, now_s)) {
                last = (struct slot){bucket[b], i};
                last_tag = has;
                n++;
            }
        }
        if (n > most) {
            most = n;
            best = last;
            *tag = last_tag;
        }
    }
    return best;
}

/* The slot that a new key may have: a free one, else the one worth least, if any may go. */
static struct slot choose(struct bucket *const bucket[2], uint64_t now_s, uint64_t *tag)
{
    struct slot best = choose_free(bucket, now_s, tag);
    uint64_t least = UINT64_MAX;
    if (best.bucket != NULL) {
        return best;
    }
    for (unsigned i = 0; i < 2 * RATE_BUCKET_SLOTS; i++) {
        struct slot s = {bucket[i / RATE_BUCKET_SLOTS], i % RATE_BUCKET_SLOTS};
        uint64_t has = atomic_load(tag_of(s));
        uint64_t value = is_busy(has) ? UINT64_MAX : worth(counts_of(s), now_s);
        if (value < least) {
            least = value;
            best = s;
            *tag = has;
        }
    }
    return best;
}

static void clear(struct counts *s)
{
    for (unsigned w = 0; w < RATE_WINDOWS; w++) {
        atomic_store_explicit(&s->window[w], 0, memory_order_relaxed);
    }
    atomic_store_explicit(&s->usual, 0, memory_order_relaxed);
    atomic_store_explicit(&s->signs, 0, memory_order_relaxed);
    atomic_store_explicit(&s->full_us, 0, memory_order_relaxed);
    s->name_len = 0;
}

static void put_name(struct slot s, const struct rate_key *key)
{
    size_t len = key->name.len < RATE_NAME_MAX ? key->name.len : RATE_NAME_MAX;
    counts_of(s)->kind = (unsigned char)key->kind;
    if (len > 0) {
        memcpy(name_of(s), key->name.ptr, len);
    }
    counts_of(s)->name_len = (unsigned char)(len | (key->name.len > len ? CUT : 0));
}

/* None: all slots that the key may have are under limits. */
static struct slot take(struct rate_table *t, const struct rate_key *key, uint64_t now_s)
{
    struct bucket *bucket[2];
    buckets_of(t, key->tag, bucket);
    for (unsigned attempt = 0; attempt < 2 * RATE_BUCKET_SLOTS; attempt++) {
        uint64_t has = 0;
        struct slot s = choose(bucket, now_s, &has);
        if (s.bucket == NULL) {
            return s;
        }
        if (!atomic_compare_exchange_strong(tag_of(s), &has, busy_at(now_s))) {
            continue; /* somebody was faster: perhaps with our key */
        }
        clear(counts_of(s));
        atomic_store(&counts_of(s)->state, now_s << 32);
        put_name(s, key);
        struct slot other = find(t, key->tag);
        atomic_store_explicit(tag_of(s), other.bucket == NULL ? key->tag : TAG_FREE,
                              memory_order_release);
        return other.bucket == NULL ? s : other;
    }
    return (struct slot){NULL, 0};
}

/* NULL: there is no slot for it. */
static struct counts *find_or_take(struct rate_table *t, const struct rate_key *key,
                                   uint64_t now_s)
{
    struct slot s = find_key(t, key);
    s = s.bucket != NULL ? s : take(t, key, now_s);
    return s.bucket == NULL ? NULL : counts_of(s);
}

/* --- the table --- */

size_t rate_size_for(size_t keys)
{
    size_t buckets = (keys + RATE_BUCKET_SLOTS - 1) / RATE_BUCKET_SLOTS;
    return RATE_HEAD_OCTETS + buckets * RATE_BUCKET_SLOTS * RATE_SLOT_OCTETS;
}

size_t rate_capacity(const struct rate_table *t)
{
    return (size_t)t->slots;
}

static uint64_t slots_in(size_t octets)
{
    return (octets - RATE_HEAD_OCTETS) / RATE_SLOT_OCTETS / RATE_BUCKET_SLOTS *
           RATE_BUCKET_SLOTS;
}

struct rate_table *rate_init(void *memory, size_t octets, const uint64_t hash_key[2])
{
    struct rate_table *t = memory;
    t->slots = slots_in(octets);
    t->hash_key[0] = hash_key[0];
    t->hash_key[1] = hash_key[1];
    t->magic = magic;
    return t;
}

struct rate_table *rate_attach(void *memory, size_t octets)
{
    struct rate_table *t = memory;
    if (octets < rate_size_for(1) || t->magic != magic || t->slots != slots_in(octets)) {
        return NULL;
    }
    return t;
}

void rate_hash_key(const struct rate_table *t, uint64_t out[2])
{
    out[0] = t->hash_key[0];
    out[1] = t->hash_key[1];
}

struct rate_key rate_key(const struct rate_table *t, enum rate_kind kind,
                         struct slice name)
{
    uint64_t with_kind[2] = {t->hash_key[0] ^ (uint64_t)kind, t->hash_key[1]};
    uint64_t tag = hash_octets(with_kind, name);
    if (is_busy(tag)) {
        tag &= ~busy_mark;
    }
    return (struct rate_key){
        .tag = tag == TAG_FREE ? 1 : tag, .kind = kind, .name = name};
}

void rate_locate(const struct rate_table *t, struct rate_key *key)
{
    struct slot s = find(t, key->tag);
    if (s.bucket != NULL) {
        key->place = (uint32_t)(s.bucket - buckets(t)) * RATE_BUCKET_SLOTS + s.i + 1;
    }
}

void rate_prefetch(const struct rate_table *t, const struct rate_key *key)
{
    struct bucket *bucket[2];
    if (key->place == 0) {
        buckets_of(t, key->tag, bucket);
        __builtin_prefetch(bucket[0]);
        __builtin_prefetch(bucket[1]);
    } else {
        __builtin_prefetch(counts_of(slot_at(t, key->place - 1)), 1);
    }
}

bool rate_read(const struct rate_table *t, const struct rate_key *key, uint64_t now_us,
               struct rate_view *out)
{
    struct slot s = find_key(t, key);
    *out = (struct rate_view){0};
    if (s.bucket == NULL) {
        return false;
    }
    view_of(counts_of(s), now_us, out);
    return true;
}

static void add(struct counts *s, uint64_t n, const struct rate_limit *burst,
                uint64_t now_us)
{
    uint64_t now_s = now_us / 1000000;
    uint64_t idle_s = touched_of(atomic_load(&s->state));
    idle_s = now_s > idle_s ? now_s - idle_s : 0;
    count(s, RATE_MINUTE, n, now_s / 60, idle_s >= 2 * 60);
    count(s, RATE_HOUR, n, now_s / 3600, idle_s >= 2 * 3600);
    count(s, RATE_DAY, n, now_s / 86400, idle_s >= 2 * 86400);
    if (burst != NULL && burst->count > 0 && burst->burst > 0) {
        fill(s, n, burst, now_us);
    }
}

static void add_signs(struct counts *s, unsigned good, unsigned bad, uint64_t day)
{
    uint64_t old = atomic_load(&s->signs);
    struct counted c;
    do {
        c = unpack(old);
        uint16_t days = (uint16_t)((uint16_t)day - (uint16_t)c.epoch);
        days = days < 0x8000 ? days : 0;
        c.before = decay(c.before, days, RATE_SIGN_DAYS) + (uint64_t)good * SIGN_FRACTION;
        c.now = decay(c.now, days, RATE_SIGN_DAYS) + (uint64_t)bad * SIGN_FRACTION;
        while (c.before > RATE_COUNT_MAX || c.now > RATE_COUNT_MAX) {
            c.before /= 2; /* their share stays */
            c.now /= 2;
        }
        c.epoch = day;
    } while (!atomic_compare_exchange_weak(&s->signs, &old, pack(c)));
}

bool rate_add(struct rate_table *t, const struct rate_key *key, uint64_t n,
              const struct rate_limit *burst, uint64_t now_us, struct rate_view *out)
{
    struct counts *s = find_or_take(t, key, now_us / 1000000);
    if (s == NULL) {
        if (out != NULL) {
            *out = (struct rate_view){0};
        }
        return false;
    }
    add(s, n, burst, now_us);
    touch(s, now_us / 1000000);
    if (out != NULL) {
        view_of(s, now_us, out);
    }
    return true;
}

bool rate_sign(struct rate_table *t, const struct rate_key *key, unsigned good,
               unsigned bad, uint64_t now_us)
{
    struct counts *s = find_or_take(t, key, now_us / 1000000);
    if (s == NULL) {
        return false;
    }
    add_signs(s, good, bad, now_us / 1000000 / 86400);
    touch(s, now_us / 1000000);
    return true;
}

bool rate_add_signed(struct rate_table *t, const struct rate_key *key, uint64_t n,
                     const struct rate_limit *burst, unsigned good, unsigned bad,
                     uint64_t now_us)
{
    struct counts *s = find_or_take(t, key, now_us / 1000000);
    if (s == NULL) {
        return false;
    }
    add(s, n, burst, now_us);
    add_signs(s, good, bad, now_us / 1000000 / 86400);
    touch(s, now_us / 1000000);
    return true;
}

bool rate_set_signs(struct rate_table *t, const struct rate_key *key, unsigned good,
                    unsigned bad, uint64_t now_us)
{
    struct counts *s = find_or_take(t, key, now_us / 1000000);
    if (s == NULL) {
        return false;
    }
    struct counted c = {now_us / 1000000 / 86400, (uint64_t)good * SIGN_FRACTION,
                        (uint64_t)bad * SIGN_FRACTION};
    atomic_store(&s->signs, pack(c));
    touch(s, now_us / 1000000);
    return true;
}

void rate_hold(struct rate_table *t, const struct rate_key *key, uint64_t until_s,
               uint64_t now_us)
{
    struct counts *s = find_or_take(t, key, now_us / 1000000);
    if (s == NULL) {
        return;
    }
    uint64_t old = atomic_load(&s->state);
    uint64_t new;
    do {
        new = (old & ~(uint64_t)UINT32_MAX) | at_most(until_s, UINT32_MAX);
    } while (!atomic_compare_exchange_weak(&s->state, &old, new));
}

void rate_forget(struct rate_table *t, const struct rate_key *key)
{
    struct slot s = find_key(t, key);
    uint64_t tag = key->tag;
    if (s.bucket != NULL) {
        (void)atomic_compare_exchange_strong(tag_of(s), &tag, TAG_FREE);
    }
}

/* In the word that a limit with a burst would have. */
void rate_note(struct rate_table *t, const struct rate_key *key, uint64_t note)
{
    struct slot s = find_key(t, key);
    if (s.bucket != NULL) {
        atomic_store(&counts_of(s)->full_us, note);
    }
}

uint64_t rate_noted(const struct rate_table *t, const struct rate_key *key)
{
    struct slot s = find_key(t, key);
    return s.bucket == NULL ? 0 : atomic_load(&counts_of(s)->full_us);
}

/* --- limits --- */

static uint64_t step_us(const struct rate_limit *l)
{
    return window_s[l->window] * 1000000 / l->count;
}

uint64_t rate_measured(const struct rate_limit *l, const struct rate_view *v,
                       uint64_t now_us)
{
    if (l->burst == 0 || l->count == 0) {
        return v->count[l->window];
    }
    uint64_t step = step_us(l);
    return v->full_us <= now_us ? 0 : (v->full_us - now_us + step - 1) / step;
}

bool rate_over(const struct rate_limit *l, const struct rate_view *v, uint64_t now_us)
{
    return l->count > 0 &&
           rate_measured(l, v, now_us) > (l->burst > 0 ? l->burst : l->count);
}

uint64_t rate_wait_s(const struct rate_limit *l, const struct rate_view *v,
                     uint64_t now_us)
{
    uint64_t measured = rate_measured(l, v, now_us);
    uint64_t allowed = l->burst > 0 ? l->burst : l->count;
    if (l->count == 0 || measured < allowed) {
        return 1;
    }
    uint64_t over = measured - allowed + 1;
    uint64_t wait = l->burst > 0
                        ? (over * step_us(l) + 999999) / 1000000
                        : window_s[l->window] * over / (measured == 0 ? 1 : measured);
    return wait == 0 ? 1 : wait;
}

/* --- all of them --- */

bool rate_next(const struct rate_table *t, size_t *at, uint64_t now_us,
               struct rate_entry *out)
{
    for (; *at < t->slots; (*at)++) {
        struct slot s = slot_at(t, *at);
        const struct counts *c = counts_of(s);
        uint64_t tag = atomic_load_explicit(tag_of(s), memory_order_acquire);
        unsigned char kind = *(const volatile unsigned char *)&c->kind; /* once */
        if (tag == TAG_FREE || is_busy(tag) || kind >= RATE_KIND_COUNT) {
            continue;
        }
        out->tag = tag;
        out->kind = (enum rate_kind)kind;
        out->cut = (c->name_len & CUT) != 0;
        out->name_len = (unsigned char)at_most(c->name_len & ~CUT & 0xff, RATE_NAME_MAX);
        memcpy(out->name, name_of(s), sizeof out->name);
        view_of(c, now_us, &out->view);
        (*at)++;
        return true;
    }
    return false;
}

bool rate_save_next(const struct rate_table *t, size_t *at, size_t end,
                    unsigned char out[RATE_SLOT_OCTETS])
{
    for (; *at < t->slots && *at < end; (*at)++) {
        struct slot s = slot_at(t, *at);
        uint64_t tag = atomic_load_explicit(tag_of(s), memory_order_acquire);
        if (tag == TAG_FREE || is_busy(tag)) {
            continue;
        }
        memcpy(out, &tag, sizeof tag);
        memcpy(out + SAVED_COUNTS, counts_of(s), sizeof(struct counts));
        memcpy(out + SAVED_NAME, name_of(s), RATE_NAME_MAX);
        (*at)++;
        return true;
    }
    return false;
}

bool rate_load(struct rate_table *t, const unsigned char in[RATE_SLOT_OCTETS],
               uint64_t now_us)
{
    struct counts saved;
    struct bucket *bucket[2];
    uint64_t tag;
    memcpy(&tag, in, sizeof tag);
    memcpy(&saved, in + SAVED_COUNTS, sizeof saved);
    if (tag == TAG_FREE || is_busy(tag) || saved.kind >= RATE_KIND_COUNT ||
        (saved.name_len & ~CUT & 0xff) > RATE_NAME_MAX || find(t, tag).bucket != NULL) {
        return false;
    }
    buckets_of(t, tag, bucket);
    uint64_t has = TAG_FREE;
    uint64_t now_s = now_us / 1000000;
    struct slot s = choose_free(bucket, now_s, &has);
    if (s.bucket == NULL ||
        !atomic_compare_exchange_strong(tag_of(s), &has, busy_at(now_s))) {
        return false;
    }
    memcpy(counts_of(s), in + SAVED_COUNTS, sizeof saved);
    memcpy(name_of(s), in + SAVED_NAME, RATE_NAME_MAX);
    atomic_store_explicit(tag_of(s), tag, memory_order_release);
    return true;
}
