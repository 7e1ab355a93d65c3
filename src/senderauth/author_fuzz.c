/* senderauth/author_fuzz.c - libFuzzer target: domains are names in lower case, each once; a comment behind the
 * addresses changes nothing, one more address before them adds its domain and nothing else, and
 * a header section says the same as the value of its only From field. */
#include "base/buf.h"
#include "base/log.h"
#include "senderauth/author.h"
#include "senderauth/domain.h"

#include <string.h>

static struct author first, second;

static void names(const struct author *a)
{
    BUG_ON(a->n > AUTHOR_DOMAINS_MAX || (a->status == AUTHOR_OK) != (a->problem == NULL));
    BUG_ON(a->status == AUTHOR_OK && (a->n == 0 || a->addresses < a->n));
    for (unsigned i = 0; i < a->n; i++) {
        unsigned char again[DNS_NAME_MAX];
        size_t len;
        BUG_ON(!domain_take(a->domain[i], again, &len));
        BUG_ON(!slice_eq(a->domain[i], (struct slice){again, len}));
        for (size_t j = 0; j < len; j++) {
            BUG_ON(again[j] != ascii_lower(again[j]) ||
                   strchr("/:;<=>?@[]\\^`", again[j]));
        }
        for (unsigned j = 0; j < i; j++) {
            BUG_ON(slice_eq(a->domain[i], a->domain[j]));
        }
    }
}

/* Where the other has been parsed with something that must not matter. */
static void same(const struct author *a, const struct author *b)
{
    BUG_ON(a->status != b->status || a->n != b->n || a->addresses != b->addresses);
    for (unsigned i = 0; i < a->n; i++) {
        BUG_ON(!slice_eq(a->domain[i], b->domain[i]));
    }
}

static bool one_line(struct slice in)
{
    return slice_find(in, '\r') == in.len && slice_find(in, '\n') == in.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {data, size};
    struct buf text;
    buf_init(&text, 1 << 20);
    author_of_value(in, &first);
    names(&first);
    if (first.status == AUTHOR_OK) {
        buf_add(&text, in);
        buf_add_str(&text, " (a \\) <x@y.example> (\"))\r\n ");
        author_of_value(buf_slice(&text), &second);
        same(&first, &second);
    }
    buf_reset(&text);
    buf_add_str(&text, "\"x, <y@z.example>\" <first@new--domain.example>,");
    buf_add(&text, in);
    author_of_value(buf_slice(&text), &second);
    names(&second);
    if (first.status == AUTHOR_OK && second.status == AUTHOR_OK) {
        BUG_ON(second.addresses != first.addresses + 1 || second.n < first.n ||
               second.n > first.n + 1);
    }
    BUG_ON(first.status == AUTHOR_SYNTAX && second.status == AUTHOR_OK);
    if (one_line(in)) {
        buf_reset(&text);
        buf_add_str(&text, "To: a@b.example\r\nFrom:");
        buf_add(&text, in);
        buf_add_str(&text, "\r\n\r\nFrom: c@d.example\r\n");
        author_of_header(buf_slice(&text), &second);
        same(&first, &second);
    }
    buf_clear(&text);
    return 0;
}
