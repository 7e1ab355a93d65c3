/* rule/table.h - inside src/rule only: what may be asked, and in which form. */
#ifndef RULE_TABLE_H
#define RULE_TABLE_H
#include "rule/rule.h"

enum rule_sort {
    WHAT_TEXT = 0,
    WHAT_HEADER,
    WHAT_NETWORK,
    WHAT_FLAG,
    WHAT_NUMBER,
    WHAT_SCORE
};

struct rule_word {
    const char *name;
    enum rule_sort sort;
};
extern const struct rule_word rule_whats[RULE_WHAT_N];

/* Of one kind of text, or of the fields of one name: what is looked for in it. */
struct rule_source {
    struct rule_source *next;
    enum rule_what what; /* RULE_HEADER for the subject, too */
    struct slice name;   /* lower case */
    unsigned number;
    size_t at; /* its first word among the hits */
    struct scan_builder *builder;
    struct scan *scan;
    struct rule_value *exact; /* expressions that are looked for themselves, */
    uint32_t exact_n;
    struct many *many; /* all at once; NULL: there are none */
};

/* look.c: finds the sources of a set whose rules are parsed. False: memory. */
MUST_USE bool rule_look_prepare(struct rule_set *set);
void rule_look_clear(struct rule_set *set);
MUST_USE bool rule_hit(const struct rule_hits *hits, size_t bit);
/* That bit says that fields of the source could not be read whole. */
MUST_USE size_t rule_failed_bit(const struct rule_source *s);

/* holds.c: a field as people see it; false: it did not fit. */
MUST_USE bool rule_field_text(struct slice value, struct buf *line, struct buf *text);
MUST_USE enum rule_truth rule_holds_hit(const struct rule_condition *c,
                                        const struct rule_facts *f,
                                        const struct rule_hits *hits);
#endif
