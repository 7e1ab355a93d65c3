/* rule/regex_step.h - inside src/rule only: the program of a regular expression. */
#ifndef RULE_REGEX_STEP_H
#define RULE_REGEX_STEP_H
#include "base/slice.h"

enum step_op {
    STEP_SET = 0, /* an octet of `set`, then the next step */
    STEP_SPLIT,   /* go on at both x and y */
    STEP_JUMP,    /* at x */
    STEP_BEGIN,   /* of a line, then the next step */
    STEP_END,
    STEP_EDGE, /* of a word */
    STEP_MATCH
};

struct regex_step {
    enum step_op op;
    unsigned x, y;
    uint64_t set[4];
};

/* What stands around a place in the text; -1: nothing. */
struct regex_place {
    int before, after;
};
/* Of STEP_BEGIN, STEP_END and STEP_EDGE: is the place one? */
MUST_USE bool regex_place_is(enum step_op op, struct regex_place p);

static inline bool regex_has_octet(const uint64_t set[4], unsigned char octet)
{
    return (set[octet / 64] >> octet % 64 & 1) != 0;
}
MUST_USE bool regex_is_word(unsigned char c);
#endif
