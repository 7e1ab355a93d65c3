/* senderauth/dkim_signature.c - see dkim_signature.h */
#include "senderauth/dkim_signature.h"

#include "senderauth/domain.h"

#include <stdio.h>
#include <string.h>

struct reader {
    enum signature_form form;
    struct dkim_tags tags;
    struct dkim_signature *out;
    struct arena *arena;
};

/* One tag: its reader gives NONE or what is wrong. In the order in which they are judged. */
struct tag_row {
    const char *name;
    unsigned required, allowed; /* forms, as bits */
    enum dkim_reason (*read)(struct reader *r, struct slice value);
};

enum { DKIM = 1 << SIGNATURE_DKIM, AMS = 1 << SIGNATURE_AMS, SEAL = 1 << SIGNATURE_SEAL };

static enum dkim_reason read_version(struct reader *r, struct slice value)
{
    (void)r;
    return slice_eq(value, SLICE("1")) ? DKIM_REASON_NONE : DKIM_REASON_VERSION;
}

static enum dkim_reason read_algorithm(struct reader *r, struct slice value)
{
    r->out->a = value;
    if (slice_eq(value, SLICE("rsa-sha1"))) {
        return DKIM_REASON_SHA1;
    }
    r->out->kind = slice_eq(value, SLICE("rsa-sha256")) ? CRYPTO_RSA : CRYPTO_ED25519;
    bool known = r->out->kind == CRYPTO_RSA || slice_eq(value, SLICE("ed25519-sha256"));
    return known ? DKIM_REASON_NONE : DKIM_REASON_ALGORITHM;
}

static bool one_form(struct slice s, bool *relaxed)
{
    *relaxed = slice_eq(s, SLICE("relaxed"));
    return *relaxed || slice_eq(s, SLICE("simple"));
}

/* sig-c-tag-alg = "simple" / "relaxed" / ...; header [ "/" body ], the body's default simple */
static enum dkim_reason read_canon(struct reader *r, struct slice value)
{
    size_t slash = slice_find(value, '/');
    struct slice body = slice_from(value, slash + 1);
    r->out->c = value;
    bool ok = one_form(slice_sub(value, 0, slash), &r->out->header_relaxed) &&
              (slash == value.len || one_form(body, &r->out->body_relaxed));
    return ok ? DKIM_REASON_NONE : DKIM_REASON_TAG_VALUE;
}

static enum dkim_reason read_domain(struct reader *r, struct slice value)
{
    r->out->d = value;
    return dkim_domain(value, r->out->domain) ? DKIM_REASON_NONE : DKIM_REASON_DOMAIN;
}

static enum dkim_reason read_selector(struct reader *r, struct slice value)
{
    r->out->s = value;
    return dkim_domain(value, r->out->selector) ? DKIM_REASON_NONE : DKIM_REASON_SELECTOR;
}

/* RFC 6376 3.5: "The domain part of the address MUST be the same as, or a subdomain of, the value
 * of the "d=" tag." */
static enum dkim_reason read_identity(struct reader *r, struct slice value)
{
    char domain[DKIM_DOMAIN_ROOM];
    struct buf text;
    struct slice s;
    buf_init(&text, 1024);
    bool ok = dkim_qp(value, &text);
    s = buf_slice(&text);
    size_t at = slice_rfind(s, '@');
    ok = ok && at < s.len && dkim_domain(slice_from(s, at + 1), domain) &&
         dns_name_below(slice_of(domain), slice_of(r->out->domain)) &&
         arena_dup(r->arena, s, &r->out->identity);
    r->out->subdomain = ok && strcmp(domain, r->out->domain) != 0;
    buf_clear(&text);
    return ok ? DKIM_REASON_NONE : DKIM_REASON_IDENTITY;
}

static bool is_field_name(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] == 127) {
            return false;
        }
    }
    return true;
}

/* Names may be missing between two colons (as others sign); From may not (RFC 6376 5.4). */
static enum dkim_reason read_fields(struct reader *r, struct slice value)
{
    struct slice rest = value, name;
    bool from = false;
    r->out->h = value;
    while (dkim_list_next(&rest, ':', &name)) {
        if (!is_field_name(name) ||
            (r->form == SIGNATURE_AMS && slice_ieq(name, SLICE("arc-seal")))) {
            return DKIM_REASON_TAG_VALUE;
        }
        from = from || slice_ieq(name, SLICE("from"));
    }
    return from ? DKIM_REASON_NONE : DKIM_REASON_FROM_UNSIGNED;
}

static enum dkim_reason read_length(struct reader *r, struct slice value)
{
    if (!dkim_number(value, &r->out->length)) {
        return DKIM_REASON_TAG_VALUE;
    }
    r->out->length -= r->out->length == DKIM_BODY_ALL; /* 76 digits are not "all" */
    return DKIM_REASON_NONE;
}

static enum dkim_reason read_query(struct reader *r, struct slice value)
{
    (void)r;
    return dkim_list_has(value, SLICE("dns/txt")) ? DKIM_REASON_NONE
                                                  : DKIM_REASON_TAG_VALUE;
}

static enum dkim_reason read_made(struct reader *r, struct slice value)
{
    return dkim_number(value, &r->out->made) ? DKIM_REASON_NONE : DKIM_REASON_TAG_VALUE;
}

static enum dkim_reason read_expires(struct reader *r, struct slice value)
{
    if (!dkim_number(value, &r->out->expires)) {
        return DKIM_REASON_TAG_VALUE;
    }
    r->out->expires += r->out->expires == 0; /* 0 means that it does not say */
    bool t = dkim_tags_get(&r->tags, "t") != NULL;
    return t && r->out->expires <= r->out->made ? DKIM_REASON_TIMES : DKIM_REASON_NONE;
}

static enum dkim_reason read_copies(struct reader *r, struct slice value)
{
    r->out->z = value;
    return DKIM_REASON_NONE;
}

static enum dkim_reason read_body_hash(struct reader *r, struct slice value)
{
    struct buf octets;
    buf_init(&octets, CRYPTO_HASH_LEN + 3);
    bool ok = dkim_base64(value, &octets) && octets.len == CRYPTO_HASH_LEN;
    if (ok) {
        memcpy(r->out->bh, octets.ptr, CRYPTO_HASH_LEN);
        r->out->bh_text = value;
    }
    buf_clear(&octets);
    return ok ? DKIM_REASON_NONE : DKIM_REASON_TAG_VALUE;
}

static enum dkim_reason read_signature(struct reader *r, struct slice value)
{
    struct buf octets;
    buf_init(&octets, 4096);
    bool ok = dkim_base64(value, &octets) &&
              arena_dup(r->arena, buf_slice(&octets), &r->out->sig);
    buf_clear(&octets);
    return ok ? DKIM_REASON_NONE : DKIM_REASON_TAG_VALUE;
}

/* instance: 1 to 50 */
static enum dkim_reason read_instance(struct reader *r, struct slice value)
{
    uint64_t i = 0;
    bool ok = value.len <= 2 && dkim_number(value, &i) && i >= 1 && i <= 50;
    r->out->instance = ok ? (unsigned)i : 0;
    return ok ? DKIM_REASON_NONE : DKIM_REASON_TAG_VALUE;
}

static enum dkim_reason read_chain(struct reader *r, struct slice value)
{
    r->out->cv = value;
    bool ok = slice_eq(value, SLICE("none")) || slice_eq(value, SLICE("pass")) ||
              slice_eq(value, SLICE("fail"));
    return ok ? DKIM_REASON_NONE : DKIM_REASON_TAG_VALUE;
}

/* RFC 8617 4.1.3: an ARC-Seal with an h= MUST be taken for failed. */
static enum dkim_reason refuse(struct reader *r, struct slice value)
{
    (void)r, (void)value;
    return DKIM_REASON_TAG_VALUE;
}

/* clang-format off */
static const struct tag_row tag_rows[] = {
    {"v",  DKIM,              DKIM,              read_version},
    {"i",  AMS | SEAL,        AMS | SEAL,        read_instance},
    {"cv", SEAL,              SEAL,              read_chain},
    {"a",  DKIM | AMS | SEAL, DKIM | AMS | SEAL, read_algorithm},
    {"d",  DKIM | AMS | SEAL, DKIM | AMS | SEAL, read_domain},
    {"s",  DKIM | AMS | SEAL, DKIM | AMS | SEAL, read_selector},
    {"h",  DKIM | AMS,        DKIM | AMS,        read_fields},
    {"h",  0,                 SEAL,              refuse},
    {"bh", DKIM | AMS,        DKIM | AMS,        read_body_hash},
    {"b",  DKIM | AMS | SEAL, DKIM | AMS | SEAL, read_signature},
    {"c",  0,                 DKIM | AMS,        read_canon},
    {"q",  0,                 DKIM | AMS,        read_query},
    {"l",  0,                 DKIM | AMS,        read_length},
    {"i",  0,                 DKIM,              read_identity},
    {"t",  0,                 DKIM | AMS | SEAL, read_made},
    {"x",  0,                 DKIM | AMS,        read_expires},
    {"z",  0,                 DKIM | AMS,        read_copies},
};
/* clang-format on */

static void fail(struct dkim_signature *s, enum dkim_reason reason, struct slice detail)
{
    if (s->reason == DKIM_REASON_NONE) {
        s->reason = reason;
        s->detail = detail;
    }
}

/* What is wrong: "c=foobar", so that the sender sees it in its own words. */
static struct slice tag_text(const struct dkim_tag *t, enum dkim_reason reason)
{
    struct slice value = slice_sub(t->value, 0, 60);
    if (reason != DKIM_REASON_TAG_VALUE) {
        return value;
    }
    return (struct slice){t->name.ptr, (size_t)(value.ptr - t->name.ptr) + value.len};
}

static void read_row(struct reader *r, const struct tag_row *row)
{
    unsigned form = 1U << r->form;
    if ((row->allowed & form) == 0) {
        return;
    }
    const struct dkim_tag *tag = dkim_tags_get(&r->tags, row->name);
    if (tag != NULL) {
        /* All are read whatever was wrong before: results name what is there. */
        enum dkim_reason reason = row->read(r, tag->value);
        if (reason != DKIM_REASON_NONE) {
            fail(r->out, reason, tag_text(tag, reason));
        }
    } else if ((row->required & form) != 0) {
        fail(r->out, DKIM_REASON_TAG_MISSING, slice_of(row->name));
    }
}

void dkim_signature_read(enum signature_form form, const struct header_table *t,
                         uint32_t index, struct arena *arena, struct dkim_signature *out)
{
    struct reader r = {.form = form, .out = out, .arena = arena};
    struct slice value = header_ref_value(&t->field[index]);
    struct slice at = {0};
    *out = (struct dkim_signature){
        .field = index, .length = DKIM_BODY_ALL, .wish = DKIM_BODY_NO_WISH};
    const char *wrong = dkim_tags_parse(value, &r.tags, &at);
    if (wrong != NULL) {
        out->reason = DKIM_REASON_SYNTAX;
        out->detail = slice_of(wrong);
    }
    for (size_t i = 0; i < sizeof tag_rows / sizeof tag_rows[0]; i++) {
        read_row(&r, &tag_rows[i]);
    }
    const struct dkim_tag *b = dkim_tags_get(&r.tags, "b");
    out->b_span = b == NULL ? (struct slice){0} : b->span;
    int n = snprintf(out->key_name, sizeof out->key_name, "%s._domainkey.%s",
                     out->selector, out->domain);
    if (n < 0 || n > DNS_NAME_MAX) {
        out->key_name[0] = '\0';
        fail(out, DKIM_REASON_SELECTOR, SLICE("its key's name would be too long"));
    }
}
