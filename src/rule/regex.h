/* rule/regex.h - regular expressions of administrators' rules, searched for in linear time.
 *
 * Source  the usual signs: . [a-z] [^a-z] * + ? {m,n} | ( ) ^ $ \b \d \w \s and \ before any
 *         sign that shall stand for itself. Letters of ASCII match in either case. ^ and $ are
 *         the ends of a line. There are no back references and nothing looks ahead or behind, so no
 *         pattern is catastrophic: each octet of text is looked at once per step of the program.
 * Pure.
 * Octets  patterns and texts are octets: "." is one of them, not one character of UTF-8.
 * Own     the program lives in the arena.
 * Errors  rule_regex_compile(): what is wrong, and *at where in the pattern.
 * Limits  RULE_REGEX_STEPS_MAX steps, RULE_REGEX_DEPTH_MAX parentheses within each other,
 *         repetitions up to RULE_REGEX_REPEAT_MAX. */
#ifndef RULE_REGEX_H
#define RULE_REGEX_H
#include "base/arena.h"

enum {
    RULE_REGEX_STEPS_MAX = 500,
    RULE_REGEX_DEPTH_MAX = 16,
    RULE_REGEX_REPEAT_MAX = 100
};

struct regex_step;
struct rule_regex {
    const struct regex_step *step;
    unsigned n;
    uint64_t first[4]; /* octets that a match may begin with, */
    bool anywhere;     /* or it may begin without one */
};

/* NULL: done; else what is wrong. */
MUST_USE const char *rule_regex_compile(struct slice pattern, struct arena *arena,
                                        struct rule_regex *out, size_t *at);
/* The longest text that stands in each match, in lower case where case does not matter; empty: none
 * is sure to. */
enum { RULE_REGEX_LITERAL_MAX = 64 };
struct slice rule_regex_literal(const struct rule_regex *r,
                                unsigned char out[RULE_REGEX_LITERAL_MAX]);
/* Does it match somewhere in text? */
MUST_USE bool rule_regex_search(const struct rule_regex *r, struct slice text);
#endif
