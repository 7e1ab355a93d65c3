/* rule/rule_fuzz.c - conditions that parse print as text that parses to what prints the same,
 * and both hold for the same texts, alone and in a set that looks at all texts once; an error lies
 * within the text. */
#include "rule/rule.h"

#include <stdlib.h>

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static enum rule_truth holds(const struct rule_condition *c, struct slice text,
                             const struct rule_set *set)
{
    struct rule_facts f = {.unknown = 1U << RULE_SPF};
    struct ip ip = {{0}};
    f.client = &ip;
    for (unsigned i = 0; i < RULE_LISTS; i++) {
        f.list[i] = (struct rule_list){&text, 1};
    }
    enum rule_truth alone = rule_holds(c, &f);
    if (set != NULL) {
        struct rule_hits hits;
        unsigned at = 0;
        rule_set_look(set, &f, &hits);
        bool fires = rule_set_next(set, &f, &hits, &at) != NULL;
        rule_hits_clear(&hits);
        must(fires == (alone == RULE_TRUE));
    }
    return alone;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arena arena;
    struct rule_condition *c = NULL, *again = NULL;
    struct rule_error error;
    struct slice all = {data, len};
    size_t cut = slice_find(all, '\n'); /* conditions, and a text to ask them about */
    struct slice conditions = slice_sub(all, 0, cut), text = slice_from(all, cut + 1);
    struct buf a, b;
    arena_init(&arena, RULE_SET_MEMORY_MAX);
    buf_init(&a, (size_t)16 * RULE_TEXT_MAX);
    buf_init(&b, (size_t)16 * RULE_TEXT_MAX);
    if (!rule_parse_conditions(conditions, &arena, &c, &error)) {
        must(error.what != NULL && error.at <= conditions.len);
    } else if (rule_print_conditions(c, &a) && a.len <= RULE_TEXT_MAX) {
        must(rule_parse_conditions(buf_slice(&a), &arena, &again, &error));
        must(rule_print_conditions(again, &b) && slice_eq(buf_slice(&a), buf_slice(&b)));
        struct buf encoded;
        buf_init(&encoded, RULE_SET_MAX);
        rule_encode(&encoded, SLICE("r"), buf_slice(&a), SLICE("accept"));
        struct rule_set *set = rule_set_new(buf_slice(&encoded));
        must(set != NULL);
        must(holds(c, text, NULL) == holds(again, text, set));
        rule_set_free(&set);
        buf_clear(&encoded);
    }
    buf_clear(&a);
    buf_clear(&b);
    arena_clear(&arena);
    return 0;
}
