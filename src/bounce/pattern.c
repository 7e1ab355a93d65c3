#include "bounce/pattern.h"

#include <endian.h>
#include <string.h>

struct run {
    const struct bounce_place *p;
    unsigned *steps;
    size_t end;
    bool back;
};

/* Eight octets at a time, as a number in which each has its own eight bits: its highest bit is set
 * where the octet lies from low to high (both ASCII), once the octet's own highest bit is cleared. */
static const uint64_t EACH = 0x0101010101010101U;

static inline uint64_t between(uint64_t octets, unsigned char low, unsigned char high)
{
    return (octets + EACH * (0x80U - low)) & ~(octets + EACH * (0x7fU - high));
}

/* A bit for each of eight octets (the first one lowest) that word() holds for. */
static inline unsigned words_among(const unsigned char *p, size_t n)
{
    uint64_t eight = 0;
    memcpy(&eight, p, n);
    eight = le64toh(eight);
    uint64_t plain = eight & EACH * 0x7f;
    uint64_t in_words = between(plain, 'a', 'z') | between(plain, '0', '9');
    in_words &= ~eight & EACH * 0x80;
    return (unsigned)((in_words >> 7) * 0x0102040810204080U >> 56);
}

void bounce_pattern_edges(const unsigned char *text, size_t n, uint64_t *edges)
{
    uint64_t before = 0; /* bit 0: the last octet was of a word */
    for (size_t at = 0; at <= n; at += 64) {
        size_t len = n - at < 64 ? n - at : 64, i = 0;
        uint64_t words = 0;
        for (; i + 8 <= len; i += 8) {
            words |= (uint64_t)words_among(text + at + i, 8) << i;
        }
        if (i < len) {
            words |= (uint64_t)words_among(text + at + i, len - i) << i;
        }
        edges[at / 64] = ~(words & (words << 1 | before));
        before = words >> 63;
    }
    uint64_t last = (uint64_t)1 << n % 64;
    edges[n / 64] = (edges[n / 64] & (last - 1)) | last;
}

/* Whether a word may end, or begin, at `at`. */
static inline bool boundary(const struct bounce_place *p, size_t at)
{
    if (p->edges != NULL) {
        return (p->edges[at / 64] >> at % 64 & 1) != 0;
    }
    return at <= p->lo || at >= p->hi || !bounce_pattern_word(p->text[at - 1]) ||
           !bounce_pattern_word(p->text[at]);
}

/* The next octet in the direction of reading; false at the end of the text. */
static inline bool next(const struct run *r, size_t at, unsigned char *c)
{
    if (r->back ? at <= r->p->lo : at >= r->p->hi) {
        return false;
    }
    *c = r->p->text[r->back ? at - 1 : at];
    return true;
}

static inline size_t move(const struct run *r, size_t at, size_t n)
{
    return r->back ? at - n : at + n;
}

static inline size_t offset(const unsigned char *octets)
{
    return (size_t)octets[0] | (size_t)octets[1] << 8;
}

static inline unsigned class_at(const struct run *r, size_t at)
{
    static const unsigned char signs[64] = {
        [' '] = 32, ['-'] = 33, ['.'] = 35, [','] = 36, [':'] = 37, ['/'] = 38,
        [1] = 27,   [2] = 28,   [3] = 29,   [4] = 30,   [5] = 31,
    };
    unsigned char c;
    if (!next(r, at, &c)) {
        return BOUNCE_ALT_CLASSES;
    }
    if (c >= 'a' && c <= 'z') {
        return c - (unsigned)'a';
    }
    if (ascii_is_digit(c)) {
        return 26;
    }
    if (c == '_') {
        return 34;
    }
    return c < sizeof signs && signs[c] != 0 ? signs[c] : BOUNCE_ALT_CLASSES - 1;
}

static inline bool literal(const struct run *r, size_t at, const unsigned char *octets,
                           size_t n)
{
    if (n > (r->back ? at - r->p->lo : r->p->hi - at)) {
        return false;
    }
    const unsigned char *text = r->p->text + at;
    if (!r->back) {
        for (size_t i = 0; i < n; i++) { /* mostly the first ones differ */
            if (text[i] != octets[i]) {
                return false;
            }
        }
        return true;
    }
    for (size_t i = 0; i < n; i++) { /* stored in the order of reading */
        if (*--text != octets[i]) {
            return false;
        }
    }
    return true;
}

/* Whether c may stand in what op repeats. */
static inline bool repeats(enum bounce_op op, unsigned char c)
{
    switch (op) {
    case BOUNCE_OP_SEP:
        return !bounce_pattern_word(c) && c < 0x80 && c != '\n';
    case BOUNCE_OP_PLUS:
    case BOUNCE_OP_LETTERS:
        return c >= 'a' && c <= 'z';
    case BOUNCE_OP_NUM:
        return ascii_is_digit(c);
    case BOUNCE_OP_OPT:
        return c == ' ' || c == '-' || c == '_';
    case BOUNCE_OP_MASK:
        return c >= 1 && c <= 5;
    case BOUNCE_OP_GAP:
    case BOUNCE_OP_END:
    case BOUNCE_OP_LIT:
    case BOUNCE_OP_ALT:
    case BOUNCE_OP_JUMP:
    case BOUNCE_OP_BOUND:
        break;
    }
    return c != '\n';
}

bool bounce_pattern_repeats(enum bounce_op op, unsigned char c)
{
    return repeats(op, c);
}

static const struct {
    uint8_t min, max;
} times[] = {
    [BOUNCE_OP_GAP] = {0, 60},     [BOUNCE_OP_SEP] = {1, 12}, [BOUNCE_OP_PLUS] = {0, 12},
    [BOUNCE_OP_LETTERS] = {0, 12}, [BOUNCE_OP_NUM] = {1, 6},  [BOUNCE_OP_OPT] = {0, 1},
    [BOUNCE_OP_MASK] = {1, 1}};

/* NOLINTBEGIN(misc-no-recursion): run() and those it calls call it again for what follows. Programs
 * only lead forwards, and tools/bounce_pattern.py lets none have more than 40 operations that call
 * in a row: so they are at most 80 deep. */
static bool run(struct run *r, const unsigned char *pc, size_t at);

/* False when what follows cannot begin here: saves a call for most places of a gap. */
static inline bool may_begin(const struct run *r, const unsigned char *pc, size_t at)
{
    unsigned char c;
    if (pc[0] == BOUNCE_OP_ALT) {
        return offset(pc + 1 + 2 * class_at(r, at)) != BOUNCE_NO_GROUP;
    }
    return pc[0] != BOUNCE_OP_LIT || (next(r, at, &c) && c == pc[2]);
}

/* Tries each length, shortest first. */
static bool run_repeat(struct run *r, const unsigned char *pc, size_t at)
{
    enum bounce_op op = pc[0];
    bool whole = op != BOUNCE_OP_GAP || boundary(r->p, at);
    unsigned char c;
    for (unsigned n = 0; whole; n++, at = move(r, at, 1)) {
        if (n >= times[op].min && may_begin(r, pc + 1, at) &&
            (op != BOUNCE_OP_GAP || boundary(r->p, at)) && run(r, pc + 1, at)) {
            return true;
        }
        if (n == times[op].max || !next(r, at, &c) || !repeats(op, c)) {
            return false;
        }
    }
    return false;
}

/* There is one at the very start. */
static inline size_t edge_before(const uint64_t *edges, size_t at)
{
    size_t i = at - 1;
    uint64_t bits = edges[i / 64] << (63 - i % 64);
    while (bits == 0) {
        i = (i & ~(size_t)63) - 1;
        bits = edges[i / 64];
    }
    return i - (size_t)__builtin_clzll(bits);
}

/* As run_repeat() of a gap, from edge to edge. */
static bool run_gap(struct run *r, const unsigned char *pc, size_t at)
{
    const struct bounce_place *p = r->p;
    size_t start = at, end = r->back ? p->lo : p->hi;
    if (!boundary(p, at)) {
        return false;
    }
    for (;;) {
        if (may_begin(r, pc + 1, at) && run(r, pc + 1, at)) {
            return true;
        }
        if (at == end) {
            return false;
        }
        at = r->back ? edge_before(p->edges, at) : bounce_edge_after(p->edges, at);
        if ((r->back ? start - at : at - start) > times[BOUNCE_OP_GAP].max) {
            return false;
        }
    }
}

static bool run_alternatives(struct run *r, const unsigned char *pc, size_t at)
{
    const unsigned char *base = pc + 1 + 2 * (BOUNCE_ALT_CLASSES + 1);
    size_t group = offset(pc + 1 + 2 * class_at(r, at));
    if (group == BOUNCE_NO_GROUP) {
        return false;
    }
    const unsigned char *row = base + group;
    for (unsigned i = *row++; i > 0; i--, row += 2) {
        const unsigned char *to = base + offset(row);
        if (to[0] == BOUNCE_OP_LIT && !literal(r, at, to + 2, to[1])) {
            continue; /* seen here, as it is most of them, without a call */
        }
        if (run(r, to, at)) {
            return true;
        }
    }
    return false;
}

static bool run(struct run *r, const unsigned char *pc, size_t at)
{
    for (;;) {
        if (*r->steps == 0) {
            return false;
        }
        --*r->steps;
        switch ((enum bounce_op)pc[0]) {
        case BOUNCE_OP_END:
            r->end = at;
            return true;
        case BOUNCE_OP_LIT:
            if (!literal(r, at, pc + 2, pc[1])) {
                return false;
            }
            at = move(r, at, pc[1]);
            pc += 2 + pc[1];
            break;
        case BOUNCE_OP_JUMP:
            pc += 3 + offset(pc + 1);
            break;
        case BOUNCE_OP_BOUND:
            if (!boundary(r->p, at)) {
                return false;
            }
            pc++;
            break;
        case BOUNCE_OP_ALT:
            return run_alternatives(r, pc, at);
        case BOUNCE_OP_GAP:
            if (r->p->edges != NULL) {
                return run_gap(r, pc, at);
            }
            return run_repeat(r, pc, at);
        case BOUNCE_OP_SEP:
        case BOUNCE_OP_PLUS:
        case BOUNCE_OP_LETTERS:
        case BOUNCE_OP_NUM:
        case BOUNCE_OP_OPT:
        case BOUNCE_OP_MASK:
            return run_repeat(r, pc, at);
        }
    }
}

/* NOLINTEND(misc-no-recursion) */

bool bounce_pattern_fore(const struct bounce_place *p, const unsigned char *program,
                         size_t at, unsigned *steps, size_t *end)
{
    struct run r = {.p = p, .steps = steps};
    bool found = run(&r, program, at);
    *end = found ? r.end : at;
    return found;
}

bool bounce_pattern_back(const struct bounce_place *p, const unsigned char *program,
                         size_t at, unsigned *steps, size_t *start)
{
    struct run r = {.p = p, .steps = steps, .back = true};
    bool found = run(&r, program, at);
    *start = found ? r.end : at;
    return found;
}
