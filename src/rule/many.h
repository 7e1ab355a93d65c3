/* rule/many.h - which of many regular expressions match in a text, in one pass over it.
 *
 * The programs of all expressions run together as one automaton, whose states (the sets of steps that are
 * alive at a place) are made when a text first leads to them and kept for the next one: so an octet costs a look
 * into a table, however many expressions there are, but where the text goes where none went before.
 * Source  K. Thompson's construction of states on the way, CACM 11 (1968); assertions about a place are decided
 *         when the octet behind it is seen.
 * Pure.
 * Same    as rule_regex_search() of each expression by itself.
 * Time    an octet that leads to a new state costs at most the steps of all expressions that may be alive there, as without
 *         states; so does every octet of a text made to lead to a new one each time.
 * Own     states live in memory of its own, MANY_STATES_MAX octets and as many for their steps; when
 *         that is full all of them go and are made anew. The programs are borrowed.
 * Limits  MANY_STEPS_MAX steps of all expressions. */
#ifndef RULE_MANY_H
#define RULE_MANY_H
#include "rule/regex.h"

enum {
    MANY_STATES_MAX = 4 * 1024 * 1024,
    MANY_STEPS_MAX = 256 * 1024,
};

struct many;
/* NULL: memory, or too many steps. */
MUST_USE struct many *many_new(const struct rule_regex *const *regex, uint32_t n);
void many_free(struct many **m);
/* Sets bit from + i in bits for each expression number i that matches. False: memory is short; then bits
 * may be missing. */
MUST_USE bool many_text(struct many *m, struct slice text, uint64_t *bits, size_t from);
#endif
