/* senderauth/authres_fuzz.c - libFuzzer target: what we write is one field in ASCII that we know again;
 * a comment or a fold before the id hides it from nobody.
 *
 * Input: an id, a value and a field, lines of it. */
#include "base/log.h"
#include "message/fields.h"
#include "senderauth/authres.h"

static struct slice take_line(struct slice *rest)
{
    size_t n = slice_find(*rest, '\n');
    struct slice line = slice_sub(*rest, 0, n);
    *rest = slice_from(*rest, n + 1);
    return line;
}

static bool plain_id(struct slice id)
{
    for (size_t i = 0; i < id.len; i++) {
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~') {
            return false;
        }
    }
    return id.len > 0 && id.len <= 253;
}

static void write_and_know(struct slice id, struct slice value)
{
    struct authres_item item = {"dkim", "pass", .comment = value, .reason = value,
                                .prop = {{"header.d", value}}};
    struct buf out;
    struct header_field f;
    struct slice results;
    unsigned line = 1;
    buf_init(&out, 1 << 20);
    bool ok = authres_write(&out, id, &item, 1, false);
    struct slice rest = buf_slice(&out);
    BUG_ON(!ok || !header_field_next(&rest, &line, &f) || rest.len > 0);
    BUG_ON(!slice_eq(f.name, SLICE("Authentication-Results")));
    for (size_t i = 0; i < out.len; i++) {
        unsigned char c = out.ptr[i];
        BUG_ON(c > '~' || (c < ' ' && c != '\r' && c != '\n' && c != '\t'));
    }
    if (plain_id(id)) {
        BUG_ON(!authres_is_from(f.value, id, &results));
        BUG_ON(!slice_starts(results, SLICE(";\r\n\tdkim=pass")));
    }
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {data, size}, from_plain = {0}, from_hidden = {0};
    struct slice id = take_line(&rest), value = take_line(&rest);
    struct buf hidden;
    unsigned instance = 0;
    if (size == 0) {
        return 0;
    }
    write_and_know(id, value);
    bool ours = authres_is_from(rest, id, &from_plain);
    buf_init(&hidden, size + 64);
    buf_add_str(&hidden, " (a (b\\)c) d)\r\n\t");
    buf_add(&hidden, rest);
    BUG_ON(authres_is_from(buf_slice(&hidden), id, &from_hidden) != ours);
    BUG_ON(!slice_eq(from_plain, from_hidden));
    if (authres_instance(rest, &instance, &from_plain)) {
        BUG_ON(instance < 1 || instance > 99);
        BUG_ON(!authres_instance(buf_slice(&hidden), &instance, &from_hidden));
        BUG_ON(!slice_eq(from_plain, from_hidden));
    }
    buf_clear(&hidden);
    return 0;
}
