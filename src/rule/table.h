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
#endif
