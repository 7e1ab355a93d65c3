/* content/tnef_fuzz.c - whatever is read as a winmail.dat: all that is told of lies within it, names come out as many
 * octets at most as they may, and it ends; what follows an intact file changes nothing of it. */
#include "content/tnef.h"

#include <stdlib.h>

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void within(struct slice part, struct slice all)
{
    require(part.len == 0 ||
            (part.ptr >= all.ptr && part.ptr + part.len <= all.ptr + all.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = {data, size};
    struct tnef t = tnef_open(all);
    struct tnef_file f;
    struct buf text;
    size_t files = 0;
    while (tnef_next(&t, &f)) {
        require(++files <= size);
        within(f.data, all);
        within(f.inner, all);
        require(f.n <= TNEF_NAMES_MAX);
        for (unsigned i = 0; i < f.n; i++) {
            within(f.name[i].text, all);
            buf_init(&text, size * 3 + 16);
            tnef_name_text(&f.name[i], &text);
            require(!text.failed);
            buf_clear(&text);
        }
    }
    require(t.rest.len == 0);
    return 0;
}
