/* rule/scan.c - see scan.h */
#include "rule/scan.h"

#include <stdlib.h>
#include <string.h>

enum { OCTETS = 256, ROWS_MAX = 4096, ROW_FROM = 3 /* children */ };

/* A literal at its node. */
struct end {
    uint32_t id, next; /* next: 1 + index of another how, 0: none */
    uint32_t len;
    uint8_t how;
    bool word_first, word_last; /* its first and last octet are of a word */
};

/* --- building: a trie --- */

struct trie_node {
    uint32_t child, beside; /* 0: none */
    uint32_t end;           /* 1 + index, 0: none */
    uint8_t octet;
};

struct scan_builder {
    struct trie_node *node;
    size_t node_n, node_room;
    struct end *end;
    size_t end_n, end_room;
};

/* Room for one more. NULL: memory; what was there stays. */
static void *grown(void *items, size_t n, size_t *room, size_t size)
{
    if (n < *room) {
        return items;
    }
    size_t more = *room == 0 ? 64 : 2 * *room;
    void *bigger = more > UINT32_MAX / 2 ? NULL : reallocarray(items, more, size);
    *room = bigger == NULL ? *room : more;
    return bigger;
}

static bool new_node(struct scan_builder *b, uint8_t octet)
{
    void *bigger = grown(b->node, b->node_n, &b->node_room, sizeof *b->node);
    if (bigger == NULL) {
        return false;
    }
    b->node = bigger;
    b->node[b->node_n++] = (struct trie_node){.octet = octet};
    return true;
}

struct scan_builder *scan_builder_new(void)
{
    struct scan_builder *b = calloc(1, sizeof *b);
    if (b != NULL && !new_node(b, 0)) {
        free(b);
        b = NULL;
    }
    return b;
}

void scan_builder_free(struct scan_builder **b)
{
    if (*b != NULL) {
        free((*b)->node);
        free((*b)->end);
        free(*b);
    }
    *b = NULL;
}

/* The child for that octet, made where there is none; children in the order of their octets. 0: memory. */
static uint32_t child_for(struct scan_builder *b, uint32_t parent, uint8_t octet)
{
    uint32_t before = 0, i = b->node[parent].child;
    while (i != 0 && b->node[i].octet < octet) {
        before = i;
        i = b->node[i].beside;
    }
    if (i != 0 && b->node[i].octet == octet) {
        return i;
    }
    if (!new_node(b, octet)) {
        return 0;
    }
    uint32_t made = (uint32_t)(b->node_n - 1);
    b->node[made].beside = i;
    *(before == 0 ? &b->node[parent].child : &b->node[before].beside) = made;
    return made;
}

static bool is_word(uint8_t c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c >= 0x80;
}

bool scan_builder_add(struct scan_builder *b, struct slice literal, enum scan_how how,
                      uint32_t *id)
{
    uint32_t at = 0;
    for (size_t i = 0; i < literal.len; i++) {
        at = child_for(b, at, ascii_lower(literal.ptr[i]));
        if (at == 0) {
            return false;
        }
    }
    for (uint32_t e = b->node[at].end; e != 0; e = b->end[e - 1].next) {
        if (b->end[e - 1].how == how) {
            *id = b->end[e - 1].id;
            return true;
        }
    }
    void *bigger = grown(b->end, b->end_n, &b->end_room, sizeof *b->end);
    if (bigger == NULL) {
        return false;
    }
    b->end = bigger;
    *id = (uint32_t)b->end_n;
    b->end[b->end_n++] = (struct end){
        .id = *id,
        .next = b->node[at].end,
        .len = (uint32_t)literal.len,
        .how = (uint8_t)how,
        .word_first = literal.len > 0 && is_word(literal.ptr[0]),
        .word_last = literal.len > 0 && is_word(literal.ptr[literal.len - 1])};
    b->node[at].end = (uint32_t)b->end_n;
    return true;
}

/* --- the automaton --- */

/* Numbered by depth, so that the children of a node stand beside each other, and those of the next
 * node behind them: node[i].first to node[i + 1].first. */
struct node {
    uint32_t first;
    uint32_t fail; /* the longest that is an end of it */
    uint32_t
        found; /* the longest that is an end of it, or itself, with a literal; 0: none */
    uint32_t end; /* 1 + index, 0: none */
    uint32_t row; /* 1 + index, 0: none */
};

struct scan {
    uint32_t node_n, end_n, row_n;
    struct node *node; /* node_n + 1 */
    uint8_t *octet;    /* that leads to it */
    struct end *end;
    uint32_t (*row)[OCTETS];
};

static uint32_t child_of(const struct scan *s, uint32_t at, uint8_t octet)
{
    for (uint32_t i = s->node[at].first; i < s->node[at + 1].first; i++) {
        if (s->octet[i] == octet) {
            return i;
        }
    }
    return 0;
}

static inline uint32_t step(const struct scan *s, uint32_t at, uint8_t octet)
{
    for (;;) {
        if (s->node[at].row != 0) {
            return s->row[s->node[at].row - 1][octet];
        }
        uint32_t child = child_of(s, at, octet);
        if (child != 0 || at == 0) {
            return child;
        }
        at = s->node[at].fail;
    }
}

/* Takes the trie over by depth; of_trie: a trie node for each. */
static void number(const struct scan_builder *b, struct scan *s, uint32_t *of_trie)
{
    uint32_t n = 1;
    of_trie[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct trie_node *t = &b->node[of_trie[i]];
        s->node[i] = (struct node){.first = n, .end = t->end};
        s->octet[i] = t->octet;
        for (uint32_t c = t->child; c != 0; c = b->node[c].beside) {
            of_trie[n++] = c;
        }
    }
    s->node[n] = (struct node){.first = n};
}

/* A row holds where each octet leads, also by way of shorter ends. */
static void fill_row(struct scan *s, uint32_t at)
{
    uint32_t *row = s->row[s->row_n];
    for (unsigned c = 0; c < OCTETS; c++) {
        row[c] = at == 0 ? 0 : step(s, s->node[at].fail, (uint8_t)c);
    }
    for (uint32_t i = s->node[at].first; i < s->node[at + 1].first; i++) {
        row[s->octet[i]] = i;
    }
    s->node[at].row = ++s->row_n;
}

/* Parents come before their children, so what they rest on is there. */
static void link_up(struct scan *s, uint32_t row_max)
{
    for (uint32_t at = 0; at < s->node_n; at++) {
        struct node *n = &s->node[at];
        n->found = n->end != 0 ? at : s->node[n->fail].found;
        if (s->row_n < row_max && (at == 0 || n[1].first - n->first >= ROW_FROM)) {
            fill_row(s, at);
        }
        for (uint32_t i = n->first; i < n[1].first; i++) {
            s->node[i].fail = at == 0 ? 0 : step(s, n->fail, s->octet[i]);
        }
    }
}

static uint32_t rows_wanted(const struct scan_builder *b)
{
    uint32_t n = 1;
    for (size_t i = 1; i < b->node_n && n < ROWS_MAX; i++) {
        unsigned children = 0;
        for (uint32_t c = b->node[i].child; c != 0; c = b->node[c].beside) {
            children++;
        }
        n += children >= ROW_FROM;
    }
    return n;
}

struct scan *scan_new(const struct scan_builder *b, struct arena *arena)
{
    struct scan *s = arena_alloc(arena, sizeof *s);
    uint32_t *of_trie = reallocarray(NULL, b->node_n, sizeof *of_trie);
    uint32_t rows = rows_wanted(b);
    bool ok = s != NULL && of_trie != NULL;
    if (ok) {
        *s = (struct scan){.node_n = (uint32_t)b->node_n, .end_n = (uint32_t)b->end_n};
        s->node = arena_alloc(arena, (b->node_n + 1) * sizeof *s->node);
        s->octet = arena_alloc(arena, b->node_n);
        s->end = arena_alloc(arena, (b->end_n + 1) * sizeof *s->end);
        s->row = arena_alloc(arena, rows * sizeof *s->row);
        ok = s->node != NULL && s->octet != NULL && s->end != NULL && s->row != NULL;
    }
    if (ok) {
        if (b->end_n > 0) {
            memcpy(s->end, b->end, b->end_n * sizeof *s->end);
        }
        number(b, s, of_trie);
        link_up(s, rows);
    }
    free(of_trie);
    return ok ? s : NULL;
}

uint32_t scan_ids(const struct scan *s)
{
    return s->end_n;
}

/* --- looking --- */

/* It stands in front of octet number `to`. */
static bool is_there(const struct end *e, struct slice text, size_t to, size_t domain)
{
    size_t from = to - e->len;
    switch ((enum scan_how)e->how) {
    case SCAN_ANYWHERE:
        return true;
    case SCAN_ALL:
        return from == 0 && to == text.len;
    case SCAN_WORD:
        return !(e->word_first && from > 0 && is_word(text.ptr[from - 1])) &&
               !(e->word_last && to < text.len && is_word(text.ptr[to]));
    case SCAN_START:
        return from == 0;
    case SCAN_END:
        return to == text.len;
    case SCAN_DOMAIN:
        return to == text.len &&
               (from == domain || (from > domain && text.ptr[from - 1] == '.'));
    case SCAN_HOWS:
        break;
    }
    return false;
}

static void found_at(const struct scan *s, uint32_t at, struct slice text, size_t to,
                     size_t domain, uint64_t *hits)
{
    for (uint32_t e = s->node[at].end; e != 0; e = s->end[e - 1].next) {
        const struct end *end = &s->end[e - 1];
        uint64_t bit = UINT64_C(1) << end->id % 64;
        if ((hits[end->id / 64] & bit) == 0 && is_there(end, text, to, domain)) {
            hits[end->id / 64] |= bit;
        }
    }
}

void scan_text(const struct scan *s, struct slice text, uint64_t *hits)
{
    size_t domain = slice_rfind(text, '@');
    domain = domain < text.len ? domain + 1 : 0;
    uint32_t at = 0;
    found_at(s, 0, text, 0, domain, hits); /* the empty one, at both ends of the text */
    found_at(s, 0, text, text.len, domain, hits);
    for (size_t i = 0; i < text.len; i++) {
        at = step(s, at, ascii_lower(text.ptr[i]));
        for (uint32_t f = s->node[at].found; f != 0; f = s->node[s->node[f].fail].found) {
            found_at(s, f, text, i + 1, domain, hits);
        }
    }
}
