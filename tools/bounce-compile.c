/* bounce-compile OUT.C - at build time: all patterns of the catalogue as one automaton, which
 * src/bounce/phrase.c walks.
 *
 * Each variant's `fore` program (bounce_table.c) is taken as a nondeterministic automaton up to its
 * first gap; those of all variants together are made deterministic (subset construction), states
 * that cannot be told apart become one, and the rows of the table are laid into each other. What
 * repeats (~ + #) repeats without a limit here, and the automaton ends at letters that stand for
 * themselves, as each of them might begin the rest: so it may say that a pattern begins where pattern.c finds
 * none, but never the other way round. */
#include "bounce/pattern.h"
#include "bounce/phrase.h"
#include "bounce/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOP = 1 << 24,
    NONE = 0xffffff,
    CLASS_NONE = BOUNCE_PHRASE_NONE,
    CLASSES_MAX = BOUNCE_PHRASE_LETTER - 1,
    USUAL_LEAST = 8,
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bounce-compile: %s\n", what);
    exit(4);
}

/* Numbers in a row that grows. */
struct list {
    uint32_t *at;
    size_t n, max;
};

static void add(struct list *l, uint32_t value)
{
    if (l->n == l->max) {
        l->max = l->max == 0 ? 64 : 2 * l->max;
        l->at = realloc(l->at, l->max * sizeof *l->at);
        if (l->at == NULL) {
            die("memory");
        }
    }
    l->at[l->n++] = value;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void sort(struct list *l)
{
    size_t n = 0;
    if (l->n > 1) {
        qsort(l->at, l->n, sizeof *l->at, by_value);
    }
    for (size_t i = 0; i < l->n; i++) {
        if (n == 0 || l->at[n - 1] != l->at[i]) {
            l->at[n++] = l->at[i];
        }
    }
    l->n = n;
}

/* Sets of numbers, each kept once, by their own numbers; open addressing. */
struct sets {
    struct list pool, start, table; /* table: number + 1 */
};

static uint32_t hash_of(const uint32_t *at, size_t n)
{
    uint64_t h = n;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ at[i]) * 0x9e3779b97f4a7c15U;
        h ^= h >> 29;
    }
    return (uint32_t)(h ^ h >> 32);
}

static const uint32_t *set_of(const struct sets *s, uint32_t i, size_t *n)
{
    uint32_t end = i + 1 < s->start.n ? s->start.at[i + 1] : (uint32_t)s->pool.n;
    *n = end - s->start.at[i];
    return s->pool.at + s->start.at[i];
}

static void put_in_table(struct sets *s, uint32_t i)
{
    size_t n, mask = s->table.n - 1;
    const uint32_t *at = set_of(s, i, &n);
    size_t k = hash_of(at, n) & mask;
    while (s->table.at[k] != 0) {
        k = (k + 1) & mask;
    }
    s->table.at[k] = i + 1;
}

static void grow_table(struct sets *s)
{
    size_t size = s->table.n == 0 ? 1024 : 2 * s->table.n;
    s->table.n = 0;
    for (size_t i = 0; i < size; i++) {
        add(&s->table, 0);
    }
    for (uint32_t i = 0; i < s->start.n; i++) {
        put_in_table(s, i);
    }
}

static uint32_t number_of(struct sets *s, const struct list *set, bool *fresh)
{
    if (2 * s->start.n >= s->table.n) {
        grow_table(s);
    }
    size_t mask = s->table.n - 1, k = hash_of(set->at, set->n) & mask, n;
    for (; s->table.at[k] != 0; k = (k + 1) & mask) {
        const uint32_t *at = set_of(s, s->table.at[k] - 1, &n);
        if (n == set->n && memcmp(at, set->at, n * sizeof *at) == 0) {
            *fresh = false;
            return s->table.at[k] - 1;
        }
    }
    *fresh = true;
    add(&s->start, (uint32_t)s->pool.n);
    for (size_t i = 0; i < set->n; i++) {
        add(&s->pool, set->at[i]);
    }
    s->table.at[k] = (uint32_t)s->start.n;
    return (uint32_t)s->start.n - 1;
}

/* The programs as a nondeterministic automaton. A place is where an operation stands, an octet of a
 * literal, or LOOP + an operation that has taken its first octet. */
static size_t programs_len;
static unsigned char
    *in_literal;              /* of a place: how many octets of the literal are left */
static struct list *closures; /* of places, LOOP ones behind the others */

static unsigned offset(const unsigned char *octets)
{
    return octets[0] | (unsigned)octets[1] << 8;
}

static void follow_alternatives(struct list *todo, uint32_t place)
{
    const unsigned char *groups = bounce_programs + place + 1,
                        *base = groups + 2 * (BOUNCE_ALT_CLASSES + 1);
    for (unsigned c = 0; c <= BOUNCE_ALT_CLASSES; c++) {
        unsigned group = offset(groups + 2 * c);
        if (group == BOUNCE_NO_GROUP) {
            continue;
        }
        const unsigned char *row = base + group;
        for (unsigned i = *row++; i > 0; i--, row += 2) {
            add(todo, (uint32_t)(base + offset(row) - bounce_programs));
        }
    }
    sort(todo);
}

/* Those that use programs: variants, then conditions; in the order of where these begin. */
enum { USERS_N = BOUNCE_VARIANTS_N + BOUNCE_CONDITIONS_N };
static unsigned by_fore[USERS_N];

static uint32_t fore_of(unsigned user)
{
    return user < BOUNCE_VARIANTS_N ? bounce_variant_table[user].fore
                                    : bounce_condition_programs[user - BOUNCE_VARIANTS_N];
}

static bool in_url(unsigned user)
{
    return user < BOUNCE_VARIANTS_N && bounce_variant_table[user].in_url;
}

static int compare_fore(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    uint32_t fx = fore_of(x), fy = fore_of(y);
    return fx != fy ? (fx > fy) - (fx < fy) : (x > y) - (x < y);
}

/* Those in whose program the place stands. */
static void users_at_end(uint32_t place, struct list *out)
{
    unsigned low = 0, high = USERS_N;
    while (high - low > 1) {
        unsigned mid = (low + high) / 2;
        if (fore_of(by_fore[mid]) <= place) {
            low = mid;
        } else {
            high = mid;
        }
    }
    uint32_t fore = fore_of(by_fore[low]);
    for (; fore_of(by_fore[low]) == fore; low--) {
        add(out, by_fore[low]);
        if (low == 0) {
            break;
        }
    }
}

/* Of an operation that is no octet of a literal. */
static bool ends(uint32_t place)
{
    unsigned char what = bounce_programs[place & (LOOP - 1)];
    return what == BOUNCE_OP_END || what == BOUNCE_OP_GAP || what == BOUNCE_OP_BOUND ||
           what == BOUNCE_OP_LETTERS;
}

static bool loops(uint32_t op)
{
    unsigned char what = bounce_programs[op];
    return what == BOUNCE_OP_SEP || what == BOUNCE_OP_NUM || what == BOUNCE_OP_PLUS;
}

/* All places that take an octet, or end the pattern, and can be reached from `place` without one. */
static void close_over(uint32_t place, struct list *out)
{
    struct list todo = {0};
    add(&todo, place);
    while (todo.n > 0) {
        uint32_t p = todo.at[--todo.n], op = p & (LOOP - 1);
        if (in_literal[op] > 0) {
            add(out, p);
            continue;
        }
        switch ((enum bounce_op)bounce_programs[op]) {
        case BOUNCE_OP_LIT: {
            unsigned n = bounce_programs[op + 1];
            for (unsigned i = 0; i < n; i++) {
                in_literal[op + 2 + i] = (unsigned char)(n - i);
            }
            add(out, op + 2);
            break;
        }
        case BOUNCE_OP_ALT:
            follow_alternatives(&todo, op);
            break;
        case BOUNCE_OP_JUMP:
            add(&todo, op + 3 + offset(bounce_programs + op + 1));
            break;
        case BOUNCE_OP_PLUS:
            add(out, op | LOOP);
            add(&todo, op + 1);
            break;
        case BOUNCE_OP_SEP:
        case BOUNCE_OP_NUM:
            add(out, p);
            if (p != op) {
                add(&todo, op + 1);
            }
            break;
        case BOUNCE_OP_OPT:
            add(out, op);
            add(&todo, op + 1);
            break;
        case BOUNCE_OP_MASK:
        case BOUNCE_OP_END:
        case BOUNCE_OP_GAP:
        case BOUNCE_OP_LETTERS:
        case BOUNCE_OP_BOUND:
            add(out, op);
            break;
        }
    }
    sort(out);
    free(todo.at);
}

/* Kept, since the same are asked for again and again. */
static void add_closure(struct list *out, uint32_t place)
{
    struct list *c =
        &closures[(place & LOOP) != 0 ? programs_len + (place - LOOP) : place];
    if (c->n == 0) {
        close_over(place, c);
    }
    for (size_t i = 0; i < c->n; i++) {
        add(out, c->at[i]);
    }
}

/* Finds all literals that a program can come to. */
static void explore(void)
{
    unsigned char *seen = calloc(2 * programs_len, 1);
    struct list todo = {0};
    if (seen == NULL) {
        die("memory");
    }
    for (unsigned v = 0; v < USERS_N; v++) {
        add_closure(&todo, fore_of(v));
    }
    while (todo.n > 0) {
        uint32_t p = todo.at[--todo.n], op = p & (LOOP - 1);
        size_t mark = p == op ? op : programs_len + op;
        if (seen[mark] == 0) {
            seen[mark] = 1;
            if (in_literal[op] > 0 || !ends(p)) {
                add_closure(&todo, in_literal[op] > 0 || !loops(op) ? op + 1 : op | LOOP);
            }
        }
    }
    free(seen);
    free(todo.at);
}

/* Octets fall into classes: those of literals each into its own, the others by what may repeat. */
static unsigned char class_of[256];
static unsigned classes_n;
static bool repeats[256][BOUNCE_OP_BOUND + 1];

static void find_classes(void)
{
    static bool own[256];
    unsigned like[256];
    for (size_t i = 0; i < programs_len; i++) {
        own[bounce_programs[i]] = own[bounce_programs[i]] || in_literal[i] > 0;
    }
    for (unsigned o = 0; o < 256; o++) {
        bool any = own[o];
        for (unsigned op = 0; op <= BOUNCE_OP_BOUND; op++) {
            repeats[o][op] = op != BOUNCE_OP_GAP && op != BOUNCE_OP_END &&
                             op != BOUNCE_OP_LIT && op != BOUNCE_OP_ALT &&
                             op != BOUNCE_OP_JUMP && op != BOUNCE_OP_BOUND &&
                             bounce_pattern_repeats((enum bounce_op)op, (unsigned char)o);
            any = any || repeats[o][op];
        }
        like[o] = o;
        for (unsigned p = 0; p < o && !own[o]; p++) {
            if (!own[p] && memcmp(repeats[p], repeats[o], sizeof repeats[o]) == 0) {
                like[o] = p;
                break;
            }
        }
        class_of[o] = !any           ? CLASS_NONE
                      : like[o] != o ? class_of[like[o]]
                                     : (unsigned char)++classes_n;
        if (classes_n > CLASSES_MAX) {
            die("too many different octets");
        }
    }
}

/* Of a class: which edge holds where there is none of its own. */
static unsigned char usual_of[256];

static void find_usual(void)
{
    memset(usual_of, BOUNCE_PHRASE_NONE, sizeof usual_of);
    for (unsigned o = 0; o < 256; o++) {
        if (repeats[o][BOUNCE_OP_PLUS]) {
            usual_of[class_of[o]] = BOUNCE_PHRASE_LETTER;
        } else if (repeats[o][BOUNCE_OP_SEP]) {
            usual_of[class_of[o]] = BOUNCE_PHRASE_SEPARATOR;
        }
    }
}

/* The states, as sets of places. */
static struct sets states;
static struct list edges, edge_start, users_of; /* edges: class << 24 | state, by state */
static struct sets users;                       /* sets of variants */
enum { ANYWHERE = 1 << 24 }; /* in users_of: not only where a word ends */

static void step_from(uint32_t state)
{
    static struct list target[256];
    static struct list over;
    size_t n;
    bool fresh, any = false;
    over.n = 0;
    for (unsigned c = 0; c < 256; c++) {
        target[c].n = 0;
    }
    const uint32_t *place = set_of(&states, state, &n);
    for (size_t i = 0; i < n; i++) {
        uint32_t op = place[i] & (LOOP - 1);
        unsigned char what = bounce_programs[op];
        if (in_literal[op] > 0) {
            add_closure(&target[class_of[what]], op + 1);
        } else if (ends(place[i])) {
            users_at_end(op, &over);
            any |= what == BOUNCE_OP_END || what == BOUNCE_OP_LETTERS ||
                   in_url(over.at[over.n - 1]);
        } else {
            bool seen[256] = {false};
            for (unsigned o = 0; o < 256; o++) {
                if (repeats[o][what] && !seen[class_of[o]]) {
                    seen[class_of[o]] = true;
                    add_closure(&target[class_of[o]], loops(op) ? op | LOOP : op + 1);
                }
            }
        }
    }
    add(&edge_start, (uint32_t)edges.n);
    for (unsigned c = 1; c <= classes_n; c++) {
        if (target[c].n > 0) {
            sort(&target[c]);
            add(&edges, c << 24 | number_of(&states, &target[c], &fresh));
        }
    }
    sort(&over);
    add(&users_of,
        over.n == 0 ? NONE : number_of(&users, &over, &fresh) | (any ? ANYWHERE : 0));
}

static uint32_t root_of(bool url)
{
    struct list all = {0};
    bool fresh;
    for (unsigned v = 0; v < USERS_N; v++) {
        if (in_url(v) == url) {
            add_closure(&all, fore_of(v));
        }
    }
    sort(&all);
    uint32_t root = number_of(&states, &all, &fresh);
    free(all.at);
    return root;
}

/* States of which the same follows become one. Each is looked at when all that it leads to are
 * known, but for the few that lead back to it: circles come of what repeats. Where a circle
 * is not closed yet, the state stands for itself. */
static struct list same; /* for each state the one in its place; NONE: not yet */

static uint32_t edges_end(uint32_t state)
{
    return state + 1 < edge_start.n ? edge_start.at[state + 1] : (uint32_t)edges.n;
}

static void settle(uint32_t s)
{
    static struct sets rows;  /* of a state: its users, then its edges */
    static struct list first; /* of each row */
    static struct list row;
    bool fresh;
    row.n = 0;
    add(&row, users_of.at[s]);
    for (uint32_t e = edge_start.at[s]; e < edges_end(s); e++) {
        uint32_t to = edges.at[e] & NONE, stands = same.at[to] == NONE ? to : same.at[to];
        add(&row, (edges.at[e] & ~(uint32_t)NONE) | (to == s ? NONE : stands));
    }
    uint32_t number = number_of(&rows, &row, &fresh);
    if (fresh) {
        add(&first, s);
    }
    same.at[s] = first.at[number];
}

static void unite(uint32_t root)
{
    struct list path = {0}, next = {0}; /* next: for each state the edge to go on with */
    for (size_t i = 0; i < states.start.n; i++) {
        add(&next, NONE);
    }
    add(&path, root);
    next.at[root] = edge_start.at[root];
    while (path.n > 0) {
        uint32_t s = path.at[path.n - 1];
        if (next.at[s] == edges_end(s)) {
            path.n--;
            settle(s);
            continue;
        }
        uint32_t to = edges.at[next.at[s]++] & NONE;
        if (same.at[to] == NONE && next.at[to] == NONE) {
            next.at[to] = edge_start.at[to];
            add(&path, to);
        }
    }
    free(path.at);
    free(next.at);
}

/* Where letters, or what ~ takes, all lead somewhere, most of them lead to the same state: one edge for
 * all that have none of their own. */
static void add_usual(struct list *out, uint32_t s, enum bounce_op op, unsigned usual)
{
    uint32_t to = NONE;
    unsigned most = 0, all = 0, classes = 0;
    bool counted[256] = {false};
    for (unsigned o = 0; o < 256; o++) {
        classes += repeats[o][op] && !counted[class_of[o]];
        counted[class_of[o]] = counted[class_of[o]] || repeats[o][op];
    }
    for (uint32_t e = edge_start.at[s]; e < edges_end(s); e++) {
        unsigned like = 0;
        if (!counted[edges.at[e] >> 24]) {
            continue;
        }
        all++;
        for (uint32_t f = edge_start.at[s]; f < edges_end(s); f++) {
            like += counted[edges.at[f] >> 24] &&
                    same.at[edges.at[f] & NONE] == same.at[edges.at[e] & NONE];
        }
        if (like > most) {
            most = like;
            to = same.at[edges.at[e] & NONE];
        }
    }
    bool whole =
        all == classes && most >= USUAL_LEAST; /* so a root, where it begins, has none */
    for (uint32_t e = edge_start.at[s]; e < edges_end(s); e++) {
        if (counted[edges.at[e] >> 24] && !(whole && same.at[edges.at[e] & NONE] == to)) {
            add(out, edges.at[e]);
        }
    }
    if (whole) {
        add(out, usual << 24 | to);
    }
}

static void shorten_rows(void)
{
    struct list short_edges = {0}, start = {0};
    for (uint32_t s = 0; s < states.start.n; s++) {
        add(&start, (uint32_t)short_edges.n);
        if (same.at[s] != s) {
            continue;
        }
        for (uint32_t e = edge_start.at[s]; e < edges_end(s); e++) {
            if (usual_of[edges.at[e] >> 24] == BOUNCE_PHRASE_NONE) {
                add(&short_edges, edges.at[e]);
            }
        }
        add_usual(&short_edges, s, BOUNCE_OP_PLUS, BOUNCE_PHRASE_LETTER);
        add_usual(&short_edges, s, BOUNCE_OP_SEP, BOUNCE_PHRASE_SEPARATOR);
    }
    edges = short_edges;
    edge_start = start;
}

/* The table: a state is where its row begins; rows lie in each other's gaps. A cell: class in the low
 * octet, where to in the rest. No two rows begin at the same place, so the class tells whose it is. */
static struct list cells, base_of, users_at;
static unsigned char *taken; /* a row begins here */
static size_t taken_len;

static bool fits(uint32_t base, uint32_t s)
{
    if (taken[base] || (users_of.at[s] != NONE && cells.at[base] != 0)) {
        return false;
    }
    for (uint32_t e = edge_start.at[s]; e < edges_end(s); e++) {
        if (cells.at[base + (edges.at[e] >> 24)] != 0) {
            return false;
        }
    }
    return true;
}

static void place_row(uint32_t s)
{
    enum {
        BACK = 64 /* rows do not lie far from those placed before, for the caches' sake */
    };
    static uint32_t most, low;
    uint32_t base = low;
    for (;; base++) {
        while (base + 512 > taken_len) {
            size_t more = 1 << 16;
            taken = realloc(taken, taken_len + more);
            if (taken == NULL) {
                die("memory");
            }
            memset(taken + taken_len, 0, more);
            taken_len += more;
        }
        while (cells.n < taken_len) {
            add(&cells, 0);
        }
        if (fits(base, s)) {
            break;
        }
    }
    taken[base] = 1;
    base_of.at[s] = base;
    most = base > most ? base : most;
    low = most > low + BACK ? most - BACK : low;
    while (low < most && cells.at[low] != 0) {
        low++;
    }
    if (users_of.at[s] != NONE) {
        cells.at[base] = (users_of.at[s] & ANYWHERE) != 0 ? BOUNCE_PHRASE_ANYWHERE
                                                          : BOUNCE_PHRASE_USERS;
    }
    for (uint32_t e = edge_start.at[s]; e < edges_end(s); e++) {
        cells.at[base + (edges.at[e] >> 24)] = edges.at[e] >> 24; /* where to: later */
    }
}

static bool has_usual(uint32_t s)
{
    for (uint32_t e = edge_start.at[s]; e < edges_end(s); e++) {
        unsigned c = edges.at[e] >> 24;
        if (c == BOUNCE_PHRASE_LETTER || c == BOUNCE_PHRASE_SEPARATOR) {
            return true;
        }
    }
    return false;
}

static void place_rows(const uint32_t root[2])
{
    struct list todo = {0}, order = {0};
    for (size_t i = 0; i < states.start.n; i++) {
        add(&base_of, NONE);
    }
    add(&todo, same.at[root[1]]);
    add(&todo, same.at[root[0]]);
    while (todo.n > 0) {
        uint32_t s = todo.at[--todo.n];
        if (base_of.at[s] != NONE) {
            continue;
        }
        place_row(s);
        add(&order, s);
        for (uint32_t e = edges_end(s); e-- > edge_start.at[s];) {
            add(&todo, same.at[edges.at[e] & NONE]);
        }
    }
    for (size_t i = 0; i < order.n; i++) {
        uint32_t s = order.at[i];
        if (users_of.at[s] != NONE) {
            cells.at[base_of.at[s]] |= users_at.at[users_of.at[s] & NONE] << 8;
        }
        for (uint32_t e = edge_start.at[s]; e < edges_end(s); e++) {
            uint32_t to = same.at[edges.at[e] & NONE];
            cells.at[base_of.at[s] + (edges.at[e] >> 24)] |=
                base_of.at[to] << 8 | (users_of.at[to] == NONE ? 0 : BOUNCE_PHRASE_ENDS) |
                (has_usual(to) ? BOUNCE_PHRASE_USUAL : 0);
        }
    }
    fprintf(stderr, "%zu states, %zu of them different, %zu cells\n", states.start.n,
            order.n, cells.n);
}

static void write_row(FILE *f, const char *type, const char *name, const uint32_t *at,
                      size_t n)
{
    fprintf(f, "const %s %s[] = {\n", type, name);
    for (size_t i = 0; i < n; i++) {
        fprintf(f, "%u,%s", at[i], i % 16 == 15 ? "\n" : "");
    }
    fputs("};\n", f);
}

/* Conditions that end together are a row of bits, the first of which is empty. */
static struct sets condition_rows;

static void write_users(uint32_t set, struct list *flat)
{
    struct list bits = {0}, variants = {0};
    size_t n;
    bool fresh;
    const uint32_t *at = set_of(&users, set, &n);
    for (size_t i = 0; i < 2 * BOUNCE_PHRASE_CONDITIONS; i++) {
        add(&bits, 0);
    }
    if (set == 0) {
        IGNORE(number_of(&condition_rows, &bits, &fresh));
    }
    for (size_t i = 0; i < n; i++) {
        if (at[i] < BOUNCE_VARIANTS_N) {
            add(&variants, at[i]);
        } else {
            uint32_t bit = at[i] - BOUNCE_VARIANTS_N + 1;
            bits.at[bit / 32] |= (uint32_t)1 << bit % 32;
        }
    }
    add(&users_at, (uint32_t)flat->n);
    add(flat, number_of(&condition_rows, &bits, &fresh));
    add(flat, (uint32_t)variants.n);
    for (size_t i = 0; i < variants.n; i++) {
        add(flat, variants.at[i]);
    }
    free(bits.at);
    free(variants.at);
}

static void write_conditions(FILE *f)
{
    fputs("const uint64_t bounce_phrase_condition_rows[][BOUNCE_PHRASE_CONDITIONS] = {\n",
          f);
    for (uint32_t i = 0; i < condition_rows.start.n; i++) {
        size_t n;
        const uint32_t *at = set_of(&condition_rows, i, &n);
        fputs("{", f);
        for (size_t k = 0; k < n; k += 2) {
            fprintf(f, "0x%xU | (uint64_t)0x%x << 32, ", at[k], at[k + 1]);
        }
        fputs("},\n", f);
    }
    fputs("};\n", f);
}

static int write_c(const char *path, const uint32_t root[2])
{
    struct list flat = {0}, classes = {0};
    FILE *f = fopen(path, "w");
    if (f == NULL) {
        perror(path);
        return 4;
    }
    for (uint32_t i = 0; i < users.start.n; i++) {
        write_users(i, &flat);
    }
    place_rows(root);
    size_t n = cells.n;
    while (n > 256 &&
           cells.at[n - 257] == 0) { /* any class may be looked up in any row */
        n--;
    }
    for (unsigned o = 0; o < 256; o++) {
        add(&classes, class_of[o]);
    }
    fputs("/* Generated by tools/bounce-compile.c. */\n#include \"bounce/phrase.h\"\n",
          f);
    fprintf(f, "const uint32_t bounce_phrase_root[2] = {%u, %u};\n",
            base_of.at[same.at[root[0]]], base_of.at[same.at[root[1]]]);
    write_row(f, "unsigned char", "bounce_phrase_class", classes.at, classes.n);
    classes.n = 0;
    for (unsigned c = 0; c < 256; c++) {
        add(&classes, usual_of[c]);
    }
    write_row(f, "unsigned char", "bounce_phrase_usual", classes.at, classes.n);
    write_row(f, "uint16_t", "bounce_phrase_users", flat.at, flat.n);
    write_conditions(f);
    write_row(f, "uint32_t", "bounce_phrase_cells", cells.at, n);
    return fclose(f) == 0 ? 0 : 4;
}

/* What is made is kept to the end, in a process that does nothing else: no leak. */
int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: bounce-compile OUT.C\n", stderr);
        return 2;
    }
    programs_len = bounce_programs_len;
    in_literal = calloc(programs_len + 1, 1);
    closures = calloc(2 * programs_len, sizeof *closures);
    if (in_literal == NULL || closures == NULL || programs_len >= LOOP) {
        die("memory");
    }
    for (unsigned v = 0; v < USERS_N; v++) {
        by_fore[v] = v;
    }
    qsort(by_fore, USERS_N, sizeof by_fore[0], compare_fore);
    explore();
    find_classes();
    find_usual();
    uint32_t root[2] = {root_of(false), root_of(true)};
    for (uint32_t i = 0; i < states.start.n; i++) {
        step_from(i);
    }
    for (size_t i = 0; i < states.start.n; i++) {
        add(&same, NONE);
    }
    unite(root[0]);
    unite(root[1]);
    shorten_rows();
    return write_c(argv[1], root);
}
