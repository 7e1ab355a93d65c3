/* config/limits_fuzz.c - a line that is taken stands once, its own key is found by it and a key of nobody's is
 * not, and what is printed of it is taken again. */
#include "config/limits.h"

#include <stdint.h>
#include <stdlib.h>

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct config_limits list = {.item = NULL}, other = {.item = NULL};
    struct slice text = {data, len};
    if (limits_add(&list, text) != NULL) {
        must(list.n == 0);
        return 0;
    }
    must(list.n == 1 && limits_add(&list, text) != NULL && list.n == 1);
    const struct config_limit *e = &list.item[0];
    struct limits_index *x = limits_index_new(&list);
    must(x != NULL &&
         limits_find(x, e->setting, e->is_net ? &e->net : NULL, slice_of(e->name)) == e);
    must(limits_find(x, 0, e->is_net ? &e->net : NULL, slice_of(e->name)) == NULL);
    must(limits_add(&other, slice_of(e->text)) == NULL &&
         other.item[0].setting == e->setting &&
         other.item[0].bound.least.count == e->bound.least.count);
    limits_index_free(&x);
    limits_clear(&list);
    limits_clear(&other);
    return 0;
}
