/* config/rates.c - see rates.h */
#include "config/rates.h"

static const char *const words[RATE_OF_COUNT] = {
    [RATE_OF_DOMAIN] = "domain", [RATE_OF_ACCOUNT] = "account", [RATE_OF_SITE] = "site"};

static struct slice take_word(struct slice *rest)
{
    *rest = slice_trim(*rest);
    size_t blank = slice_find(*rest, ' ');
    struct slice word = slice_sub(*rest, 0, blank);
    *rest = slice_trim(slice_from(*rest, blank));
    return word;
}

const char *config_rate_parse(struct slice text, struct config_rate *out)
{
    struct rate_bound bound;
    struct config_rate r = {.of = RATE_OF_DOMAIN};
    struct slice rest = text, kind = take_word(&rest);
    while (r.of < RATE_OF_COUNT && !slice_eq(kind, slice_of(words[r.of]))) {
        r.of++;
    }
    if (r.of == RATE_OF_COUNT) {
        return "it begins with none of domain, account, site";
    }
    r.name = take_word(&rest);
    if (r.name.len == 0) {
        return "no name stands behind the first word";
    }
    const char *wrong = rate_bound_parse(rest, &bound);
    if (wrong != NULL) {
        return wrong;
    }
    if (bound.most != bound.least.count) {
        return "a range is no rate to send at";
    }
    r.limit = bound.least;
    *out = r;
    return NULL;
}
