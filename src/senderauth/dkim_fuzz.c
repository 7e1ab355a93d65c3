/* senderauth/dkim_fuzz.c - libFuzzer target: verdicts on signatures and on the ARC chain do not depend on
 * the pieces of the body or on when answers came; what is said of them can be shown to anybody.
 *
 * Input: one octet that picks pieces and order, the lines of a zone (senderauth/fake_dns.h) up to an
 * empty line, a message. */
#include "base/log.h"
#include "senderauth/arc.h"
#include "senderauth/fake_dns.h"

#include <string.h>

enum { ROUNDS_MAX = 200 };

static struct crypto *crypto;
static struct fake_dns dns;

struct played {
    struct dkim_body *body;
    struct dkim *dkim;
    struct arc *arc;
};

static struct played play(struct slice header, struct slice body, size_t piece,
                          unsigned pick)
{
    struct played p = {.body = dkim_body_new(crypto)};
    struct dkim_options options = {.crypto = crypto, .body = p.body, .now = 1500};
    struct arc_options chain = {.crypto = crypto, .body = p.body, .now = 1500};
    fake_dns_forget(&dns, pick > 0);
    p.dkim = dkim_new(&options, header);
    p.arc = arc_new(&chain, header);
    BUG_ON(p.dkim == NULL || p.arc == NULL);
    if (pick % 2 == 0) {
        dkim_ask(p.dkim, &dns.source);
        arc_ask(p.arc, &dns.source);
    }
    while (body.len > 0) {
        dkim_body_feed(p.body, slice_sub(body, 0, piece));
        body = slice_from(body, piece);
    }
    dkim_body_end(p.body);
    for (unsigned i = 0;; i++) {
        bool waiting = dkim_evaluate(p.dkim, &dns.source) == DKIM_WAITING;
        waiting = arc_evaluate(p.arc, &dns.source) == DKIM_WAITING || waiting;
        if (!waiting) {
            return p;
        }
        bool more = fake_dns_reveal(&dns, pick + i);
        BUG_ON(!more || i > ROUNDS_MAX);
    }
}

static void printable(struct slice s, size_t max)
{
    BUG_ON(s.len == 0 || s.len > max);
    for (size_t i = 0; i < s.len; i++) {
        BUG_ON(s.ptr[i] < ' ' || s.ptr[i] > '~');
    }
}

static void same_signatures(const struct dkim *a, const struct dkim *b)
{
    BUG_ON(dkim_count(a) != dkim_count(b) || dkim_count(a) > dkim_fields(a) + 1);
    for (unsigned i = 0; i < dkim_count(a); i++) {
        const struct dkim_result *x = dkim_result(a, i), *y = dkim_result(b, i);
        BUG_ON(x->reason != y->reason || x->verdict != y->verdict ||
               x->verdict != dkim_reason_rows[x->reason].verdict);
        BUG_ON(!slice_eq(x->text, y->text) || x->partial != y->partial ||
               x->key_bits != y->key_bits || x->testing != y->testing);
        BUG_ON(x->verdict == DKIM_PASS && x->key_bits < 256);
        BUG_ON(strlen(x->domain) > DNS_NAME_MAX || strlen(x->key_name) > DNS_NAME_MAX);
        printable(x->text, 1024);
    }
}

static void same_chain(const struct arc *a, const struct arc *b)
{
    const struct arc_result *x = arc_result(a), *y = arc_result(b);
    BUG_ON(x->cv != y->cv || x->instance != y->instance || x->highest != y->highest ||
           x->reason != y->reason || x->temporary != y->temporary ||
           x->final != y->final);
    BUG_ON(!slice_eq(x->text, y->text) || x->highest > ARC_INSTANCES_MAX);
    BUG_ON(x->cv == ARC_PASS && x->highest == 0);
    if (x->cv == ARC_FAIL) {
        printable(x->text, 1024);
    }
}

static void done(struct played *p)
{
    dkim_free(&p->dkim);
    arc_free(&p->arc);
    dkim_body_free(&p->body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {data, size};
    if (size < 2) {
        return 0;
    }
    if (crypto == NULL) {
        crypto = crypto_new(16);
    }
    unsigned pick = data[0];
    in = slice_from(in, 1);
    size_t cut = slice_search(in, SLICE("\n\n"));
    struct slice zone = slice_sub(in, 0, cut), header = slice_from(in, cut + 2);
    size_t end = slice_search(header, SLICE("\r\n\r\n"));
    struct slice body = slice_from(header, end + 4);
    header = slice_sub(header, 0, end + 2);
    fake_dns_init(&dns, zone);
    struct played whole = play(header, body, SIZE_MAX, 0);
    struct played slow = play(header, body, 1 + pick % 40, 1 + pick);
    same_signatures(whole.dkim, slow.dkim);
    same_chain(whole.arc, slow.arc);
    done(&whole);
    done(&slow);
    fake_dns_clear(&dns);
    return 0;
}
