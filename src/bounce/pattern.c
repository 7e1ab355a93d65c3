#include "bounce/pattern.h"

#include <string.h>

/* As in tools/bounce_pattern.py. */
enum op {
    OP_END = 0,
    OP_LIT, /* n, n octets */
    OP_ALT, /* bits of the octets that may come (32), n, n times: first octet or 0 for several,
              * offset from behind n (2) */
    OP_JUMP, /* offset from behind it (2) */
    OP_GAP,  /* up to 60 octets of one line, between whole words */
    OP_SEP,  /* 1 to 12 octets that are no letters or digits */
    OP_PLUS, /* up to 12 ASCII letters */
    OP_NUM,  /* 1 to 6 digits */
    OP_OPT,  /* at most one blank, hyphen or underscore */
    OP_MASK, /* one mask, whichever */
    OP_BOUND,
};

struct run {
    const struct bounce_place *p;
    unsigned *steps;
    size_t end;
    bool back;
};

static inline bool word(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || ascii_is_digit(c);
}

/* Whether a word may end, or begin, at `at`. */
static inline bool boundary(const struct bounce_place *p, size_t at)
{
    return at <= p->lo || at >= p->hi || !word(p->text[at - 1]) || !word(p->text[at]);
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

static bool literal(const struct run *r, size_t at, const unsigned char *octets, size_t n)
{
    if (n > (r->back ? at - r->p->lo : r->p->hi - at)) {
        return false;
    }
    if (!r->back) {
        return memcmp(r->p->text + at, octets, n) == 0;
    }
    for (size_t i = 0; i < n; i++) { /* stored in the order of reading */
        if (r->p->text[at - 1 - i] != octets[i]) {
            return false;
        }
    }
    return true;
}

/* Whether c may stand in what op repeats. */
static inline bool repeats(enum op op, unsigned char c)
{
    switch (op) {
    case OP_SEP:
        return !word(c) && c < 0x80 && c != '\n';
    case OP_PLUS:
        return c >= 'a' && c <= 'z';
    case OP_NUM:
        return ascii_is_digit(c);
    case OP_OPT:
        return c == ' ' || c == '-' || c == '_';
    case OP_MASK:
        return c >= 1 && c <= 5;
    case OP_GAP:
    case OP_END:
    case OP_LIT:
    case OP_ALT:
    case OP_JUMP:
    case OP_BOUND:
        break;
    }
    return c != '\n';
}

static const struct {
    uint8_t min, max;
} times[] = {[OP_GAP] = {0, 60}, [OP_SEP] = {1, 12}, [OP_PLUS] = {0, 12},
             [OP_NUM] = {1, 6},  [OP_OPT] = {0, 1},  [OP_MASK] = {1, 1}};

static bool run(struct run *r, const unsigned char *pc, size_t at);

/* Tries each length, shortest first. */
static bool run_repeat(struct run *r, const unsigned char *pc, size_t at)
{
    enum op op = pc[0];
    bool whole = op != OP_GAP || boundary(r->p, at);
    unsigned char c;
    for (unsigned n = 0; whole; n++, at = move(r, at, 1)) {
        if (n >= times[op].min && (op != OP_GAP || boundary(r->p, at)) &&
            run(r, pc + 1, at)) {
            return true;
        }
        if (n == times[op].max || !next(r, at, &c) || !repeats(op, c)) {
            return false;
        }
    }
    return false;
}

static inline size_t offset(const unsigned char *octets)
{
    return (size_t)octets[0] | (size_t)octets[1] << 8;
}

static bool run_alternatives(struct run *r, const unsigned char *pc, size_t at)
{
    enum { N = 1 + 32 };
    const unsigned char *row = pc + N + 1;
    unsigned char c = 0;
    bool more = next(r, at, &c);
    if (more && (pc[1 + c / 8] >> c % 8 & 1) == 0) {
        return false;
    }
    for (unsigned i = pc[N]; i > 0; i--, row += 3) {
        if (row[0] != 0 && (!more || row[0] != c)) {
            continue;
        }
        const unsigned char *to = pc + N + 1 + offset(row + 1);
        if (to[0] == OP_LIT && !literal(r, at, to + 2, to[1])) {
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
        switch ((enum op)pc[0]) {
        case OP_END:
            r->end = at;
            return true;
        case OP_LIT:
            if (!literal(r, at, pc + 2, pc[1])) {
                return false;
            }
            at = move(r, at, pc[1]);
            pc += 2 + pc[1];
            break;
        case OP_JUMP:
            pc += 3 + offset(pc + 1);
            break;
        case OP_BOUND:
            if (!boundary(r->p, at)) {
                return false;
            }
            pc++;
            break;
        case OP_ALT:
            return run_alternatives(r, pc, at);
        case OP_GAP:
        case OP_SEP:
        case OP_PLUS:
        case OP_NUM:
        case OP_OPT:
        case OP_MASK:
            return run_repeat(r, pc, at);
        }
    }
}

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
