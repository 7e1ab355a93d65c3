/* tests/conformance/dkim.c - kind dkim-verify: the verdict on each signature, whatever the pieces in
 * which the body comes and whatever the order of the answers. */
#include "senderauth/dkim.h"
#include "conformance.h"
#include "message/fields.h"

#include <string.h>

/* How a case is played: octets of the body at a time, and when answers come. */
struct manner {
    size_t piece;
    bool slow, newest;
};

void split_message(struct slice message, struct slice *header, struct slice *body)
{
    struct slice rest = message, line;
    struct header_field f;
    unsigned number = 1;
    if (slice_starts(rest, SLICE("From "))) {
        IGNORE(slice_line(&rest,
                          &line)); /* a mailbox's separator; it is part of the header */
    }
    while (header_field_next(&rest, &number, &f)) {
    }
    *header = slice_sub(message, 0, message.len - rest.len);
    *body = slice_from(rest, slice_starts(rest, SLICE("\r\n")) ? 2 : 0);
}

static void judge(struct run *run, const json_t *entries, const struct dkim *dkim)
{
    size_t n = json_array_size(entries);
    if (dkim_count(dkim) != n) {
        wrong(run, "%u signatures, not %zu", dkim_count(dkim), n);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        const struct dkim_result *r = dkim_result(dkim, i);
        size_t before = run->why.len;
        expect_word(run, dkim_reason_rows[r->reason].id,
                    json_object_get(json_array_get(entries, i), "expect"),
                    dkim_verdict_word(r->verdict));
        if (run->why.len > before) {
            wrong(run, "%.*s", (int)r->text.len, (const char *)r->text.ptr);
        }
    }
}

static void play(struct run *run, const json_t *one, struct crypto *crypto,
                 struct slice message, const struct manner *m)
{
    struct slice header, body;
    struct zone zone;
    split_message(message, &header, &body);
    zone_init(&zone, run, json_object_get(run->suite, "dns"),
              json_object_get(one, "dns"));
    zone.slow = m->slow;
    struct dkim_options options = {
        .crypto = crypto,
        .body = dkim_body_new(crypto),
        .now = (uint64_t)json_integer_value(json_object_get(one, "now")),
    };
    struct dkim *dkim = dkim_new(&options, header);
    dkim_ask(dkim, &zone.source);
    while (body.len > 0) {
        dkim_body_feed(options.body, slice_sub(body, 0, m->piece));
        body = slice_from(body, m->piece);
    }
    dkim_body_end(options.body);
    while (dkim_evaluate(dkim, &zone.source) == DKIM_WAITING) {
        if (!zone_reveal(&zone, m->newest)) {
            wrong(run, "waits for nothing");
            break;
        }
    }
    judge(run, json_object_get(one, "signatures"), dkim);
    dkim_free(&dkim);
    dkim_body_free(&options.body);
}

static void play_all(struct run *run, const json_t *one, struct crypto *crypto,
                     struct slice message)
{
    static const struct manner manners[] = {
        {SIZE_MAX, false, false}, {1, true, true}, {7, true, false}};
    for (size_t m = 0; m < sizeof manners / sizeof manners[0]; m++) {
        play(run, one, crypto, message, &manners[m]);
    }
}

void run_dkim(struct run *run)
{
    each_message(run, play_all);
}
