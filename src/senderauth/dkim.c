/* senderauth/dkim.c - see dkim.h */
#include "senderauth/dkim.h"

#include "senderauth/dkim_explain.h"
#include "senderauth/dkim_signature.h"

#include <stdlib.h>

enum { ARENA_MAX = 256 * 1024, KEY_OCTETS_MAX = 65536, TEXT_MAX = 1024 };

struct entry {
    struct dkim_signature *signature; /* NULL: beyond signatures_max */
    struct dkim_result result;
    bool done;
};

struct dkim {
    struct dkim_options o;
    struct header_table table;
    struct arena arena;
    struct buf octets; /* of the key at hand */
    struct entry entry[DKIM_RESULTS_MAX];
    unsigned n, fields;
};

static struct slice make_text(struct dkim *d, const struct dkim_signature *s)
{
    struct buf text;
    struct slice out = {0};
    buf_init(&text, TEXT_MAX);
    dkim_explain(&text, s, d->o.signatures_max);
    if (!arena_dup(&d->arena, buf_slice(&text), &out)) {
        out = slice_of(dkim_reason_rows[s->reason].id);
    }
    buf_clear(&text);
    return out;
}

static struct slice first_of_b(struct dkim *d, const struct dkim_signature *s)
{
    unsigned char text[8];
    size_t n = 0;
    struct slice out = {0};
    for (size_t i = 0; i < s->b_span.len && n < sizeof text; i++) {
        unsigned char c = s->b_span.ptr[i];
        if (c > ' ' && c < 127) {
            text[n++] = c;
        }
    }
    return arena_dup(&d->arena, (struct slice){text, n}, &out) ? out : (struct slice){0};
}

static void make_identity(struct dkim *d, struct dkim_signature *s)
{
    struct buf at;
    if (s->identity.len > 0 || s->domain[0] == '\0') {
        return;
    }
    buf_init(&at, DKIM_DOMAIN_ROOM + 1);
    buf_add_byte(&at, '@');
    buf_add_str(&at, s->domain);
    IGNORE(arena_dup(&d->arena, buf_slice(&at), &s->identity)); /* then it has none */
    buf_clear(&at);
}

/* The signature was read; its result so far. */
static void first_result(struct dkim *d, struct entry *e)
{
    struct dkim_signature *s = e->signature;
    make_identity(d, s);
    e->result = (struct dkim_result){
        .domain = s->domain,
        .selector = s->selector,
        .key_name = s->domain[0] != '\0' && s->selector[0] != '\0' ? s->key_name : "",
        .a = s->a,
        .c = s->c,
        .identity = s->identity,
        .b = first_of_b(d, s),
        .length = s->length,
        .made = s->made,
        .expires = s->expires,
        .line = d->table.field[s->field].line,
    };
}

static void finish(struct dkim *d, struct entry *e)
{
    struct dkim_signature *s = e->signature;
    struct dkim_result *r = &e->result;
    e->done = true;
    r->reason = s->reason;
    r->verdict = dkim_reason_rows[s->reason].verdict;
    r->key_bits = s->key_bits;
    r->testing = s->testing;
    if (s->wish != DKIM_BODY_NO_WISH && dkim_body_ended(d->o.body)) {
        r->partial = s->length < dkim_body_hash(d->o.body, s->wish).total;
    }
    r->text = make_text(d, s);
}

static void bare_result(struct dkim *d, struct entry *e, enum dkim_reason reason,
                        uint32_t line)
{
    struct dkim_signature none = {.reason = reason};
    e->done = true;
    e->result = (struct dkim_result){.verdict = dkim_reason_rows[reason].verdict,
                                     .reason = reason,
                                     .domain = "",
                                     .selector = "",
                                     .key_name = "",
                                     .length = DKIM_BODY_ALL,
                                     .line = line,
                                     .text = make_text(d, &none)};
}

static void read_signature(struct dkim *d, struct entry *e, uint32_t index)
{
    e->signature = arena_alloc(&d->arena, sizeof *e->signature);
    if (e->signature == NULL) {
        bare_result(d, e, DKIM_REASON_MEMORY, d->table.field[index].line);
        return;
    }
    struct dkim_signature *s = e->signature;
    dkim_signature_read(SIGNATURE_DKIM, &d->table, index, &d->arena, s);
    first_result(d, e);
    if (s->reason == DKIM_REASON_NONE && d->o.now != 0 && s->expires != 0 &&
        d->o.now > s->expires) {
        s->reason = DKIM_REASON_EXPIRED;
    }
    if (s->reason == DKIM_REASON_NONE) {
        s->wish = dkim_body_want(d->o.body, s->body_relaxed, s->length);
        s->reason =
            s->wish == DKIM_BODY_NO_WISH ? DKIM_REASON_TOO_MANY : DKIM_REASON_NONE;
    }
    if (s->reason != DKIM_REASON_NONE) {
        finish(d, e);
    }
}

static void read_all(struct dkim *d)
{
    for (uint32_t i = 0; i < d->table.n; i++) {
        if (!slice_ieq(header_ref_name(&d->table.field[i]), SLICE("DKIM-Signature"))) {
            continue;
        }
        if (d->n < DKIM_RESULTS_MAX) {
            struct entry *e = &d->entry[d->n++];
            if (d->fields < d->o.signatures_max) {
                read_signature(d, e, i);
            } else {
                bare_result(d, e, DKIM_REASON_TOO_MANY, d->table.field[i].line);
            }
        }
        d->fields++;
    }
}

struct dkim *dkim_new(const struct dkim_options *o, struct slice header)
{
    struct dkim *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return NULL;
    }
    d->o = *o;
    if (d->o.signatures_max == 0) {
        d->o.signatures_max = DKIM_SIGNATURES_MAX;
    }
    arena_init(&d->arena, ARENA_MAX);
    buf_init(&d->octets, KEY_OCTETS_MAX);
    if (!header_table_init(&d->table, header)) {
        dkim_free(&d);
        return NULL;
    }
    if (d->table.too_many) {
        bare_result(d, &d->entry[d->n++], DKIM_REASON_HEADER_SIZE, 0);
    }
    read_all(d);
    return d;
}

void dkim_free(struct dkim **d)
{
    if (*d == NULL) {
        return;
    }
    header_table_clear(&(*d)->table);
    arena_clear(&(*d)->arena);
    buf_clear(&(*d)->octets);
    free(*d);
    *d = NULL;
}

void dkim_ask(struct dkim *d, const struct dns_source *dns)
{
    for (unsigned i = 0; i < d->n; i++) {
        if (!d->entry[i].done) {
            (void)dns->ask(dns->arg, DNS_TXT, slice_of(d->entry[i].result.key_name));
        }
    }
}

enum dkim_state dkim_evaluate(struct dkim *d, const struct dns_source *dns)
{
    enum dkim_state state = DKIM_DONE;
    for (unsigned i = 0; i < d->n; i++) {
        struct entry *e = &d->entry[i];
        if (e->done) {
            continue;
        }
        if (!dkim_signature_check(e->signature, &d->table, d->o.crypto, d->o.body, dns,
                                  &d->octets)) {
            state = DKIM_WAITING;
            continue;
        }
        dkim_signature_blame(e->signature, &d->table, d->o.crypto, dns, &d->octets);
        finish(d, e);
    }
    return state;
}

unsigned dkim_count(const struct dkim *d)
{
    return d->n;
}

unsigned dkim_fields(const struct dkim *d)
{
    return d->fields;
}

const struct dkim_result *dkim_result(const struct dkim *d, unsigned i)
{
    return i < d->n ? &d->entry[i].result : NULL;
}
