/* rule/many.c - see many.h */
#include "rule/many.h"

#include "base/hash.h"
#include "rule/regex_step.h"

#include <stdlib.h>
#include <string.h>

enum {
    OCTETS = 256,
    WORD_BITS = 64,
    BUCKETS = 4096,
    POOL_FIRST = 64,
    UNKNOWN = 0 /* state 0 is none, so that a row of zeros knows nothing */
};

/* What stood before a place, as far as assertions ask. */
enum before { BEFORE_NONE = 0, BEFORE_LINE, BEFORE_WORD, BEFORE_OTHER };
static const int before_octet[] = {
    [BEFORE_NONE] = -1, [BEFORE_LINE] = '\n', [BEFORE_WORD] = 'a', [BEFORE_OTHER] = ' '};

/* items: the steps that are alive, in order; behind them the expressions that matched on the way here. */
struct state {
    uint32_t items, items_n, found_n;
    uint32_t beside; /* in its bucket; UNKNOWN: none */
    uint32_t hash;
    enum before before;
};

struct list {
    uint32_t *item;
    uint32_t n;
};

struct many {
    const struct regex_step **program; /* of an expression */
    uint32_t *start; /* the number of its first step: those of all are counted through */
    uint32_t *owner; /* the expression of a step */
    uint32_t n, step_n;
    unsigned classes; /* octets that no step tells apart are one */
    unsigned char class_of[OCTETS];
    unsigned char octet_of[OCTETS]; /* one of the class */
    size_t words;                   /* of a row of may_start */
    uint64_t *
        may_start; /* a row a class, and one for the end: expressions that may begin there */

    struct state *state;
    uint32_t state_n, state_room, state_max;
    uint32_t *row; /* of a state: where each class, and the end, leads */
    uint32_t *pool;
    size_t pool_n, pool_room, pool_max;
    uint32_t bucket[BUCKETS];
    uint32_t begin; /* the state in front of a text */

    struct list now, next, found, stack; /* while a transition is made */
    uint32_t *seen, *taken,
        *matched; /* in which round a step, or an expression, was there */
    uint32_t round;
};

/* --- expressions --- */

static uint32_t row_len(const struct many *m)
{
    return m->classes + 1;
}

static const struct regex_step *step_of(const struct many *m, uint32_t i)
{
    return &m->program[m->owner[i]][i - m->start[m->owner[i]]];
}

static void number_steps(struct many *m, const struct rule_regex *const *regex)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < m->n; i++) {
        m->program[i] = regex[i]->step;
        m->start[i] = at;
        for (unsigned k = 0; k < regex[i]->n; k++) {
            m->owner[at++] = i;
        }
    }
}

/* Parts classes where a set holds some of their octets only. */
static void part(struct many *m, const uint64_t set[4])
{
    int inside[OCTETS], outside[OCTETS];
    unsigned n = m->classes;
    for (unsigned k = 0; k < n; k++) {
        inside[k] = outside[k] = -1;
    }
    for (unsigned c = 0; c < OCTETS; c++) {
        int *class = regex_has_octet(set, (unsigned char)c) ? inside : outside;
        class[m->class_of[c]] = (int)m->class_of[c];
    }
    for (unsigned k = 0; k < n; k++) {
        if (inside[k] >= 0 && outside[k] >= 0) {
            inside[k] = (int)m->classes++;
        }
    }
    for (unsigned c = 0; c < OCTETS && m->classes > n; c++) {
        if (regex_has_octet(set, (unsigned char)c)) {
            m->class_of[c] = (unsigned char)inside[m->class_of[c]];
        }
    }
}

static void find_classes(struct many *m)
{
    uint64_t word[4] = {0}, line[4] = {0}, back[4] = {0};
    for (unsigned c = 0; c < OCTETS; c++) {
        word[c / 64] |= (uint64_t)regex_is_word((unsigned char)c) << c % 64;
    }
    line['\n' / 64] |= UINT64_C(1) << '\n' % 64;
    back['\r' / 64] |= UINT64_C(1) << '\r' % 64;
    m->classes = 1;
    part(m, word);
    part(m, line);
    part(m, back);
    for (uint32_t i = 0; i < m->step_n; i++) {
        if (step_of(m, i)->op == STEP_SET) {
            part(m, step_of(m, i)->set);
        }
    }
    for (unsigned c = 0; c < OCTETS; c++) {
        m->octet_of[m->class_of[c]] = (unsigned char)c;
    }
}

static void find_starts(struct many *m, const struct rule_regex *const *regex)
{
    for (uint32_t i = 0; i < m->n; i++) {
        for (unsigned k = 0; k <= m->classes; k++) {
            bool may =
                regex[i]->anywhere ||
                (k < m->classes && regex_has_octet(regex[i]->first, m->octet_of[k]));
            m->may_start[k * m->words + i / WORD_BITS] |= (uint64_t)may << i % WORD_BITS;
        }
    }
}

/* --- states --- */

static void forget_states(struct many *m)
{
    memset(m->bucket, 0, sizeof m->bucket);
    m->state_n = 1;
    m->pool_n = 0;
    m->begin = UNKNOWN;
}

/* Room for one more state, and for so many items. False: memory. */
static bool grow(struct many *m, size_t items)
{
    size_t len = row_len(m);
    if (m->state_n >= m->state_room) {
        uint32_t room = m->state_room == 0 ? 64 : 2 * m->state_room;
        room = room < m->state_max ? room : m->state_max;
        void *states = reallocarray(m->state, room, sizeof *m->state);
        m->state = states == NULL ? m->state : states;
        void *rows = reallocarray(m->row, room * len, sizeof *m->row);
        m->row = rows == NULL ? m->row : rows;
        if (states == NULL || rows == NULL) {
            return false;
        }
        m->state_room = room;
    }
    if (m->pool_n + items > m->pool_room) {
        size_t room = 2 * m->pool_room > m->pool_n + items ? 2 * m->pool_room
                                                           : m->pool_n + items + 256;
        void *pool = reallocarray(m->pool, room, sizeof *m->pool);
        m->pool = pool == NULL ? m->pool : pool;
        if (pool == NULL) {
            return false;
        }
        m->pool_room = room;
    }
    return true;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static bool is_state(const struct many *m, const struct state *s, uint32_t hash,
                     enum before before)
{
    const uint32_t *items = m->pool + s->items;
    return s->hash == hash && s->before == before && s->items_n == m->next.n &&
           s->found_n == m->found.n &&
           memcmp(items, m->next.item, m->next.n * sizeof *items) == 0 &&
           memcmp(items + s->items_n, m->found.item, m->found.n * sizeof *items) == 0;
}

static uint32_t hash_of(const struct many *m, enum before before)
{
    uint64_t key[2] = {before, m->next.n};
    key[0] = hash_octets(key, (struct slice){(const unsigned char *)m->next.item,
                                             m->next.n * sizeof *m->next.item});
    return (uint32_t)hash_octets(key, (struct slice){(const unsigned char *)m->found.item,
                                                     m->found.n * sizeof *m->found.item});
}

/* The state of what is in next and found. UNKNOWN: there is no room (grow() was not asked). */
static uint32_t state_of(struct many *m, enum before before)
{
    qsort(m->next.item, m->next.n, sizeof *m->next.item, by_number);
    qsort(m->found.item, m->found.n, sizeof *m->found.item, by_number);
    uint32_t hash = hash_of(m, before);
    uint32_t at = m->bucket[hash % BUCKETS];
    while (at != UNKNOWN && !is_state(m, &m->state[at], hash, before)) {
        at = m->state[at].beside;
    }
    if (at != UNKNOWN) {
        return at;
    }
    if (!grow(m, (size_t)m->next.n + m->found.n)) {
        return UNKNOWN;
    }
    at = m->state_n++;
    m->state[at] = (struct state){.items = (uint32_t)m->pool_n,
                                  .items_n = m->next.n,
                                  .found_n = m->found.n,
                                  .beside = m->bucket[hash % BUCKETS],
                                  .hash = hash,
                                  .before = before};
    m->bucket[hash % BUCKETS] = at;
    memcpy(m->pool + m->pool_n, m->next.item, m->next.n * sizeof *m->pool);
    m->pool_n += m->next.n;
    memcpy(m->pool + m->pool_n, m->found.item, m->found.n * sizeof *m->pool);
    m->pool_n += m->found.n;
    memset(m->row + (size_t)at * row_len(m), 0, row_len(m) * sizeof *m->row);
    return at;
}

/* --- a transition --- */

static void push(struct list *l, uint32_t item)
{
    l->item[l->n++] = item;
}

static void match(struct many *m, uint32_t step)
{
    uint32_t i = m->owner[step];
    if (m->matched[i] != m->round) {
        m->matched[i] = m->round;
        push(&m->found, i);
    }
}

/* From a step on: what can take an octet goes into now, by way of assertions that are true at the place. */
static void walk(struct many *m, uint32_t from, struct regex_place p)
{
    push(&m->stack, from);
    while (m->stack.n > 0) {
        uint32_t i = m->stack.item[--m->stack.n];
        const struct regex_step *s = step_of(m, i);
        uint32_t first = m->start[m->owner[i]];
        if (m->seen[i] == m->round) {
            continue;
        }
        m->seen[i] = m->round;
        if (s->op == STEP_SET) {
            push(&m->now, i);
        } else if (s->op == STEP_MATCH) {
            match(m, i);
        } else if (s->op == STEP_SPLIT || s->op == STEP_JUMP) {
            push(&m->stack, first + s->x);
            if (s->op == STEP_SPLIT) {
                push(&m->stack, first + s->y);
            }
        } else if (regex_place_is(s->op, p)) {
            push(&m->stack, i + 1);
        }
    }
}

/* Behind an octet: steps that take one or assert something stay as they are, for their place is not known whole. */
static void arrive(struct many *m, uint32_t from)
{
    push(&m->stack, from);
    while (m->stack.n > 0) {
        uint32_t i = m->stack.item[--m->stack.n];
        const struct regex_step *s = step_of(m, i);
        uint32_t first = m->start[m->owner[i]];
        if (m->taken[i] == m->round) {
            continue;
        }
        m->taken[i] = m->round;
        if (s->op == STEP_MATCH) {
            match(m, i);
        } else if (s->op == STEP_SPLIT || s->op == STEP_JUMP) {
            push(&m->stack, first + s->x);
            if (s->op == STEP_SPLIT) {
                push(&m->stack, first + s->y);
            }
        } else {
            push(&m->next, i);
        }
    }
}

/* What has matched need not be followed further. */
static void drop_matched(struct many *m)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->next.n && m->found.n > 0; i++) {
        if (m->matched[m->owner[m->next.item[i]]] != m->round) {
            m->next.item[n++] = m->next.item[i];
        }
    }
    m->next.n = m->found.n > 0 ? n : m->next.n;
}

static void next_round(struct many *m)
{
    if (++m->round == 0) { /* marks of 2^32 rounds ago would count */
        memset(m->seen, 0, m->step_n * sizeof *m->seen);
        memset(m->taken, 0, m->step_n * sizeof *m->taken);
        memset(m->matched, 0, m->n * sizeof *m->matched);
        m->round = 1;
    }
    m->now.n = m->next.n = m->found.n = m->stack.n = 0;
}

static enum before before_of(unsigned char octet)
{
    return octet == '\n'          ? BEFORE_LINE
           : regex_is_word(octet) ? BEFORE_WORD
                                  : BEFORE_OTHER;
}

/* class: classes at the end of the text. UNKNOWN: memory. */
static uint32_t transition(struct many *m, uint32_t at, unsigned class)
{
    bool end = class == m->classes;
    unsigned char octet = end ? 0 : m->octet_of[class];
    struct state s = m->state[at];
    struct regex_place p = {before_octet[s.before], end ? -1 : octet};
    const uint64_t *start = m->may_start + class * m->words;
    next_round(m);
    for (uint32_t i = 0; i < s.items_n; i++) {
        walk(m, m->pool[s.items + i], p);
    }
    for (size_t w = 0; w < m->words; w++) {
        for (uint64_t bits = start[w]; bits != 0; bits &= bits - 1) {
            walk(m, m->start[w * WORD_BITS + (size_t)__builtin_ctzll(bits)], p);
        }
    }
    for (uint32_t i = 0; i < m->now.n && !end; i++) {
        if (regex_has_octet(step_of(m, m->now.item[i])->set, octet)) {
            arrive(m, m->now.item[i] + 1);
        }
    }
    drop_matched(m);
    uint32_t pool = m->next.n + m->found.n;
    bool full = m->state_n + 1 >= m->state_max || m->pool_n + pool > m->pool_max;
    if (full) {
        forget_states(m);
    }
    uint32_t to = state_of(m, end ? BEFORE_NONE : before_of(octet));
    if (!full && to != UNKNOWN) {
        m->row[(size_t)at * row_len(m) + class] = to;
    }
    return to;
}

static uint32_t step_to(struct many *m, uint32_t at, unsigned class, uint64_t *bits,
                        size_t from)
{
    uint32_t to = m->row[(size_t)at * row_len(m) + class];
    to = to != UNKNOWN ? to : transition(m, at, class);
    if (to != UNKNOWN && m->state[to].found_n > 0) {
        const struct state *s = &m->state[to];
        const uint32_t *found = m->pool + s->items + s->items_n;
        for (uint32_t i = 0; i < s->found_n; i++) {
            size_t bit = from + found[i];
            bits[bit / WORD_BITS] |= UINT64_C(1) << bit % WORD_BITS;
        }
    }
    return to;
}

bool many_text(struct many *m, struct slice text, uint64_t *bits, size_t from)
{
    if (m->begin == UNKNOWN) {
        next_round(m);
        m->begin = state_of(m, BEFORE_NONE);
    }
    uint32_t at = m->begin;
    for (size_t i = 0; i < text.len && at != UNKNOWN; i++) {
        at = step_to(m, at, m->class_of[text.ptr[i]], bits, from);
    }
    return at != UNKNOWN && step_to(m, at, m->classes, bits, from) != UNKNOWN;
}

/* --- making one --- */

static bool list_new(struct list *l, size_t n)
{
    l->item = calloc(n + 1, sizeof *l->item);
    return l->item != NULL;
}

static bool make_room(struct many *m)
{
    size_t steps = (size_t)m->step_n + 1, n = (size_t)m->n + 1;
    m->program = calloc(n, sizeof *m->program);
    m->owner = calloc(steps, sizeof *m->owner);
    m->start = calloc(n, sizeof *m->start);
    m->seen = calloc(steps, sizeof *m->seen);
    m->taken = calloc(steps, sizeof *m->taken);
    m->matched = calloc(n, sizeof *m->matched);
    /* A step may be pushed by each that leads to it: two by a split. */
    return list_new(&m->now, steps) && list_new(&m->next, steps) &&
           list_new(&m->found, n) && list_new(&m->stack, 2 * steps) &&
           m->program != NULL && m->owner != NULL && m->start != NULL &&
           m->seen != NULL && m->taken != NULL && m->matched != NULL;
}

struct many *many_new(const struct rule_regex *const *regex, uint32_t n)
{
    size_t steps = 0;
    for (uint32_t i = 0; i < n; i++) {
        steps += regex[i]->n;
    }
    struct many *m = steps > MANY_STEPS_MAX ? NULL : calloc(1, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    m->n = n;
    m->step_n = (uint32_t)steps;
    if (!make_room(m)) {
        many_free(&m);
        return NULL;
    }
    number_steps(m, regex);
    find_classes(m);
    m->words = ((size_t)n + WORD_BITS - 1) / WORD_BITS;
    m->may_start = calloc(row_len(m) * m->words + 1, sizeof *m->may_start);
    m->state_max = MANY_STATES_MAX / (row_len(m) * (uint32_t)sizeof *m->row);
    m->pool_max = MANY_STATES_MAX / sizeof *m->pool + 2 * (steps + n);
    m->pool_room = POOL_FIRST;
    m->pool = calloc(POOL_FIRST, sizeof *m->pool);
    if (m->may_start == NULL || m->pool == NULL) {
        many_free(&m);
        return NULL;
    }
    find_starts(m, regex);
    forget_states(m);
    return m;
}

void many_free(struct many **m)
{
    if (*m != NULL) {
        free((*m)->program);
        free((*m)->owner);
        free((*m)->start);
        free((*m)->may_start);
        free((*m)->state);
        free((*m)->row);
        free((*m)->pool);
        free((*m)->now.item);
        free((*m)->next.item);
        free((*m)->found.item);
        free((*m)->stack.item);
        free((*m)->seen);
        free((*m)->taken);
        free((*m)->matched);
        free(*m);
        *m = NULL;
    }
}
