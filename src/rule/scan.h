/* rule/scan.h - which of many literals stand in a text, in one pass over it.
 *
 * Source  A. Aho, M. Corasick, "Efficient string matching", CACM 18 (1975). Nodes where many ways part have
 *         their full row of transitions, others their children beside each other.
 * Pure.
 * Case    letters of ASCII match in either case.
 * Time    octets, and at each end of a literal those that are ends of it too and not found yet.
 * Own     a scan lives in the arena; hits are the caller's. */
#ifndef RULE_SCAN_H
#define RULE_SCAN_H
#include "base/arena.h"

/* Where it must stand. */
enum scan_how {
    SCAN_ANYWHERE = 0,
    SCAN_ALL, /* it is the text */
    SCAN_WORD,
    SCAN_START,
    SCAN_END,
    SCAN_DOMAIN, /* the text's domain (behind its last @, if any) is it, or below it */
    SCAN_HOWS
};

struct scan_builder;
MUST_USE struct scan_builder *scan_builder_new(void); /* NULL: memory */
void scan_builder_free(struct scan_builder **b);
/* *id: of the literal and how, the same for the same; from 0 on. False: memory. */
MUST_USE bool scan_builder_add(struct scan_builder *b, struct slice literal,
                               enum scan_how how, uint32_t *id);

struct scan;
/* All that was added. NULL: memory. */
MUST_USE struct scan *scan_new(const struct scan_builder *b, struct arena *arena);
/* How many ids there are. */
MUST_USE uint32_t scan_ids(const struct scan *s);
/* Sets the bits of those that stand in the text; hits: (ids + 63) / 64 words. */
void scan_text(const struct scan *s, struct slice text, uint64_t *hits);
#endif
