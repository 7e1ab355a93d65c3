/* senderauth/authres_items.c - see authres_items.h */
#include "senderauth/authres_items.h"

struct authres_item authres_of_dkim(const struct dkim_result *d)
{
    struct authres_item item = {.method = "dkim", .result = "none"};
    if (d == NULL) {
        return item;
    }
    struct authres_prop said[AUTHRES_PROPS_MAX] = {
        {"header.d", slice_of(d->domain)},
        {"header.i", d->identity},
        {"header.s", slice_of(d->selector)},
        {"header.b", d->b},
    };
    item.result = dkim_verdict_word(d->verdict);
    if (d->verdict != DKIM_PASS) {
        item.comment = d->text;
    } else if (d->partial) {
        item.comment = SLICE("the end of the body is not signed");
    }
    for (unsigned i = 0, n = 0; i < AUTHRES_PROPS_MAX; i++) {
        if (said[i].value.len > 0) {
            item.prop[n++] = said[i];
        }
    }
    return item;
}

struct authres_item authres_of_arc(const struct arc_result *a)
{
    return (struct authres_item){
        .method = "arc", .result = arc_cv_word(a->cv), .comment = a->text};
}
