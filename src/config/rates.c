/* config/rates.c - see rates.h */
#include "config/rates.h"

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
    struct config_rate r = {.account = false};
    struct slice rest = text, kind = take_word(&rest);
    r.account = slice_eq(kind, SLICE("account"));
    if (!r.account && !slice_eq(kind, SLICE("domain"))) {
        return "it begins neither with domain nor with account";
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
