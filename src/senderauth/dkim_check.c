/* senderauth/dkim_check.c - a signature against key, body and header: see dkim_signature.h */
#include "senderauth/dkim_key.h"
#include "senderauth/dkim_signature.h"

#include <string.h>

/* Of key records under one name; more are not looked at. */
enum { RECORDS_MAX = 8 };

static void to_hash(void *arg, struct slice piece)
{
    crypto_hash_add(arg, piece);
}

static bool is_absent(uint32_t index, const uint32_t *absent, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (absent[i] == index) {
            return true;
        }
    }
    return false;
}

/* The next instance of that name from the bottom, never the signature itself: RFC 6376 3.5, it
 * "MUST NOT" be signed by its own h=. */
static uint32_t take_field(const struct dkim_signature *s, struct header_table *t,
                           struct slice name)
{
    uint32_t index = header_table_take(t, name);
    return index == s->field ? header_table_take(t, name) : index;
}

bool dkim_signature_digest(const struct dkim_signature *s, struct header_table *t,
                           struct crypto *c, struct crypto_hash *hash,
                           const uint32_t *absent, unsigned absent_n,
                           unsigned char out[CRYPTO_HASH_LEN])
{
    struct slice rest = s->h, name;
    header_table_rewind(t);
    crypto_hash_begin(c, hash);
    while (dkim_list_next(&rest, ':', &name)) {
        uint32_t index = take_field(s, t, name);
        if (index != HEADER_NONE && !is_absent(index, absent, absent_n)) {
            header_canon(&t->field[index], s->header_relaxed, (struct slice){0}, false,
                         to_hash, hash);
        }
    }
    header_canon(&t->field[s->field], s->header_relaxed, s->b_span, true, to_hash, hash);
    return crypto_hash_end(hash, out);
}

bool dkim_signature_key(struct dkim_signature *s, struct crypto *c,
                        const struct dns_source *dns, struct buf *octets,
                        const unsigned char *digest, enum dkim_reason *reason)
{
    struct slice name = slice_of(s->key_name);
    const struct dns_answer *answer = dns->ask(dns->arg, DNS_TXT, name);
    if (answer == NULL) {
        return false;
    }
    if (answer->status != DNS_FOUND) {
        bool failed = answer->status == DNS_FAILED;
        *reason = failed ? DKIM_REASON_KEY_DNS : DKIM_REASON_KEY_MISSING;
        s->detail = failed ? slice_of(answer->why) : name;
        return true;
    }
    struct dkim_key_need need = {s->kind, s->subdomain};
    bool usable = false;
    *reason = DKIM_REASON_KEY_VERSION;
    for (unsigned i = 0; i < answer->n && i < RECORDS_MAX; i++) {
        struct dkim_key key;
        struct slice detail;
        enum dkim_reason defect =
            dkim_key_parse(answer->record[i].text, &need, octets, &key, &detail);
        if (defect == DKIM_REASON_NONE) {
            usable = true;
            s->key_bits = key.bits;
            s->testing = key.testing;
            enum crypto_check got = crypto_check(c, &key.key, digest, s->sig);
            *reason = got == CRYPTO_GOOD  ? DKIM_REASON_NONE
                      : got == CRYPTO_BAD ? DKIM_REASON_HEADER_CHANGED
                                          : DKIM_REASON_MEMORY;
            if (got == CRYPTO_GOOD) {
                return true;
            }
        } else if (!usable && *reason == DKIM_REASON_KEY_VERSION) {
            *reason = defect; /* the first that is about a key of DKIM */
            s->key_bits = key.bits;
            s->detail = detail;
        }
    }
    return true;
}

static enum dkim_reason check_body(struct dkim_signature *s, const struct dkim_body *body)
{
    struct dkim_body_hash got = dkim_body_hash(body, s->wish);
    if (got.too_short) {
        return DKIM_REASON_BODY_LENGTH;
    }
    if (got.digest == NULL) {
        return DKIM_REASON_MEMORY;
    }
    return memcmp(got.digest, s->bh, CRYPTO_HASH_LEN) == 0 ? DKIM_REASON_NONE
                                                           : DKIM_REASON_BODY_CHANGED;
}

bool dkim_signature_check(struct dkim_signature *s, struct header_table *t,
                          struct crypto *c, const struct dkim_body *body,
                          const struct dns_source *dns, struct buf *octets)
{
    unsigned char digest[CRYPTO_HASH_LEN];
    struct crypto_hash hash = {0};
    enum dkim_reason reason = DKIM_REASON_MEMORY;
    bool known = true;
    if (dkim_signature_digest(s, t, c, &hash, NULL, 0, digest)) {
        known = dkim_signature_key(s, c, dns, octets, digest, &reason);
    }
    crypto_hash_clear(&hash);
    if (!known) {
        return false;
    }
    /* A key that cannot be used is told before a body that differs (RFC 6376 6.1: in that order);
     * a header only after the body. */
    if (reason == DKIM_REASON_NONE || reason == DKIM_REASON_HEADER_CHANGED) {
        enum dkim_reason of_body = check_body(s, body);
        reason = of_body == DKIM_REASON_NONE ? reason : of_body;
    }
    s->reason = reason;
    return true;
}
