/* tests/conformance/arc.c - kind arc-validate: the verdict on a chain, whatever the order of the
 * answers. Kind arc-sign: what we seal has the tags of the case, and validates. */
#include "conformance.h"
#include "message/fields.h"
#include "senderauth/arc_seal.h"
#include "senderauth/authres.h"
#include "senderauth/dkim_tags.h"
#include "senderauth/header_table.h"

#include <string.h>

struct played {
    struct dkim_body *body;
    struct arc *arc;
    int wish; /* of a sealer */
};

static void feed_all(struct dkim_body *body, struct slice octets, size_t piece)
{
    while (octets.len > 0) {
        dkim_body_feed(body, slice_sub(octets, 0, piece));
        octets = slice_from(octets, piece);
    }
    dkim_body_end(body);
}

static struct played play(struct run *run, const json_t *one, struct crypto *crypto,
                          struct slice header, struct slice body, bool slow, bool newest)
{
    struct zone zone;
    struct played p = {.body = dkim_body_new(crypto)};
    struct arc_options options = {.crypto = crypto, .body = p.body};
    zone_init(&zone, run, json_object_get(run->suite, "dns"),
              json_object_get(one, "dns"));
    zone.slow = slow;
    p.arc = arc_new(&options, header);
    p.wish = arc_seal_want(p.body);
    arc_ask(p.arc, &zone.source);
    feed_all(p.body, body, slow ? 1 : SIZE_MAX);
    while (arc_evaluate(p.arc, &zone.source) == DKIM_WAITING) {
        if (!zone_reveal(&zone, newest)) {
            wrong(run, "waits for nothing");
            break;
        }
    }
    return p;
}

static void done(struct played *p)
{
    arc_free(&p->arc);
    dkim_body_free(&p->body);
}

static void validate(struct run *run, const json_t *one, struct crypto *crypto,
                     struct slice message)
{
    struct slice header, body;
    split_message(message, &header, &body);
    for (int manner = 0; manner < 3; manner++) {
        struct played p = play(run, one, crypto, header, body, manner > 0, manner == 1);
        const struct arc_result *r = arc_result(p.arc);
        size_t before = run->why.len;
        expect_word(run, "cv", json_object_get(one, "cv"), arc_cv_word(r->cv));
        if (run->why.len > before) {
            wrong(run, "%.*s", (int)r->text.len, (const char *)r->text.ptr);
        }
        done(&p);
    }
}

/* What our fields say, without the id: as they stand, one after the other. */
static struct slice gather_results(struct run *run, struct slice header, struct slice id)
{
    struct header_table t;
    struct buf all;
    struct slice out = {0}, one;
    buf_init(&all, 65536);
    if (!header_table_init(&t, header)) {
        return out;
    }
    for (uint32_t i = 0; i < t.n; i++) {
        if (slice_ieq(header_ref_name(&t.field[i]), SLICE("Authentication-Results")) &&
            authres_is_from(header_ref_value(&t.field[i]), id, &one)) {
            one = dkim_trim(one);
            one.len -=
                one.len > 1 && one.ptr[one.len - 1] == ';'; /* the next brings its own */
            buf_add(&all, one);
        }
    }
    IGNORE(arena_dup(&run->arena, buf_slice(&all), &out)); /* then it is empty */
    buf_clear(&all);
    header_table_clear(&t);
    return out;
}

static struct slice squeeze(struct run *run, struct slice s)
{
    unsigned char *p = arena_alloc(&run->arena, s.len + 1);
    size_t n = 0;
    for (size_t i = 0; p != NULL && i < s.len; i++) {
        if (s.ptr[i] > ' ') {
            p[n++] = s.ptr[i];
        }
    }
    return (struct slice){p, n};
}

/* All tags of the case but b=, which depends on how a sealer folds its lines. */
static void compare_tags(struct run *run, const char *name, struct slice want,
                         struct slice got)
{
    struct dkim_tags w, g;
    struct slice at;
    if (dkim_tags_parse(want, &w, &at) != NULL || dkim_tags_parse(got, &g, &at) != NULL) {
        wrong(run, "%s cannot be read", name);
        return;
    }
    if (w.n != g.n) {
        wrong(run, "%s has %u tags, not %u", name, g.n, w.n);
    }
    for (unsigned i = 0; i < w.n; i++) {
        char tag[16];
        const struct dkim_tag *t =
            slice_cstr(w.tag[i].name, tag, sizeof tag) ? dkim_tags_get(&g, tag) : NULL;
        if (t == NULL) {
            wrong(run, "%s lacks %s=", name, tag);
        } else if (strcmp(tag, "b") != 0 &&
                   !slice_eq(squeeze(run, t->value), squeeze(run, w.tag[i].value))) {
            wrong(run, "%s has another %s=", name, tag);
        }
    }
}

static void compare_set(struct run *run, const json_t *expect, struct slice fields)
{
    static const char *const names[] = {"AS", "AMS", "AAR"};
    struct header_field f;
    unsigned line = 1;
    for (size_t i = 0; i < 3 && header_field_next(&fields, &line, &f); i++) {
        struct slice want = octets(run, json_object_get(expect, names[i]));
        if (i < 2) {
            compare_tags(run, names[i], want, f.value);
        } else if (!slice_eq(squeeze(run, want), squeeze(run, f.value))) {
            wrong(run, "AAR is %.*s", (int)f.value.len, (const char *)f.value.ptr);
        }
    }
}

static void validate_sealed(struct run *run, const json_t *one, struct crypto *crypto,
                            struct slice header, struct slice body, const char *cv)
{
    struct played p = play(run, one, crypto, header, body, false, false);
    const struct arc_result *r = arc_result(p.arc);
    const char *want = strstr(cv, "cv=fail") != NULL ? "fail" : "pass";
    if (strcmp(arc_cv_word(r->cv), want) != 0) {
        wrong(run, "what we sealed validates as %s: %.*s", arc_cv_word(r->cv),
              (int)r->text.len, (const char *)r->text.ptr);
    }
    done(&p);
}

static void seal(struct run *run, const json_t *one, struct crypto *crypto,
                 struct slice message)
{
    struct slice header, body;
    const json_t *expect = json_object_get(one, "expect");
    const char *why = "", *as = text_of(expect, "AS");
    struct crypto_private *key =
        crypto_private_new(slice_of(text_of(one, "private_key")), &why);
    if (key == NULL) {
        wrong(run, "%s", why);
        return;
    }
    split_message(message, &header, &body);
    struct slice id = slice_of(text_of(one, "srv_id"));
    struct arc_seal s = {
        .sign = {.crypto = crypto,
                 .key = key,
                 .domain = slice_of(text_of(one, "domain")),
                 .selector = slice_of(text_of(one, "selector")),
                 .names = slice_of(text_of(one, "sig_headers")),
                 .made = (uint64_t)json_integer_value(json_object_get(one, "t"))},
        .authserv_id = id,
        .results = gather_results(run, header, id),
    };
    struct played p = play(run, one, crypto, header, body, false, false);
    struct buf sealed;
    buf_init(&sealed, 1 << 20);
    enum arc_sealed got = arc_seal(&s, p.arc, header, p.body, p.wish, &sealed);
    if (got != (as[0] == '\0' ? ARC_SEAL_ENDED : ARC_SEALED)) {
        wrong(run, "sealing ends with %d", (int)got);
    } else if (got == ARC_SEALED) {
        compare_set(run, expect, buf_slice(&sealed));
        buf_add(&sealed, header);
        validate_sealed(run, one, crypto, buf_slice(&sealed), body, as);
    }
    buf_clear(&sealed);
    done(&p);
    crypto_private_free(&key);
}

void run_arc_validate(struct run *run)
{
    each_message(run, validate);
}

void run_arc_sign(struct run *run)
{
    each_message(run, seal);
}
