/* senderauth/dkim_check.c - a signature against key, body and header: see dkim_signature.h */
#include "base/base64.h"
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

/* Is the record's key good for s? *reason: the defect, or what the verification gave. */
static bool try_record(struct dkim_signature *s, struct crypto *c, struct slice record,
                       struct buf *octets, const unsigned char *digest,
                       enum dkim_reason *reason)
{
    struct dkim_key_need need = {s->kind, s->subdomain};
    struct dkim_key key;
    struct slice detail;
    *reason = dkim_key_parse(record, &need, octets, &key, &detail);
    if (*reason != DKIM_REASON_NONE) {
        s->detail = detail;
        s->key_bits = key.bits;
        return false;
    }
    s->key_bits = key.bits;
    s->testing = key.testing;
    if (digest != NULL) {
        enum crypto_check got = crypto_check(c, &key.key, digest, s->sig);
        *reason = got == CRYPTO_GOOD  ? DKIM_REASON_NONE
                  : got == CRYPTO_BAD ? DKIM_REASON_HEADER_CHANGED
                                      : DKIM_REASON_MEMORY;
    }
    return true;
}

/* One of several records is enough. If none is, the last key that could be used says why, else the
 * first record that is about DKIM at all. */
static enum dkim_reason try_records(struct dkim_signature *s, struct crypto *c,
                                    const struct dns_answer *answer, struct buf *octets,
                                    const unsigned char *digest)
{
    enum dkim_reason best = DKIM_REASON_KEY_VERSION;
    struct slice detail = {0};
    unsigned bits = 0;
    bool usable = false;
    for (unsigned i = 0; i < answer->n && i < RECORDS_MAX; i++) {
        enum dkim_reason reason = DKIM_REASON_NONE;
        bool used = try_record(s, c, answer->record[i].text, octets, digest, &reason);
        if (reason == DKIM_REASON_NONE) {
            s->detail = (struct slice){0};
            return reason;
        }
        if (used || (!usable && best == DKIM_REASON_KEY_VERSION)) {
            best = reason;
            detail = used ? (struct slice){0} : s->detail;
            bits = s->key_bits;
        }
        usable = usable || used;
    }
    s->detail = detail;
    s->key_bits = bits;
    return best;
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
    if (answer->status == DNS_FAILED) {
        *reason = DKIM_REASON_KEY_DNS;
        s->detail = slice_of(answer->why);
    } else if (answer->status != DNS_FOUND) {
        *reason = DKIM_REASON_KEY_MISSING;
        s->detail = name;
    } else {
        *reason = try_records(s, c, answer, octets, digest);
    }
    return true;
}

/* So that a sender sees what was hashed, beside what its signature says. */
static void keep_hashes(struct dkim_signature *s, const unsigned char *measured)
{
    struct buf text;
    buf_init(&text, sizeof s->hashes);
    base64_encode(&text, (struct slice){measured, CRYPTO_HASH_LEN});
    buf_add_str(&text, ", not ");
    base64_encode(&text, (struct slice){s->bh, CRYPTO_HASH_LEN});
    if (slice_cstr(buf_slice(&text), s->hashes, sizeof s->hashes)) {
        s->detail = slice_of(s->hashes);
    }
    buf_clear(&text);
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
    if (memcmp(got.digest, s->bh, CRYPTO_HASH_LEN) == 0) {
        return DKIM_REASON_NONE;
    }
    keep_hashes(s, got.digest);
    return DKIM_REASON_BODY_CHANGED;
}

bool dkim_signature_check(struct dkim_signature *s, struct header_table *t,
                          struct crypto *c, const struct dkim_body *body,
                          const struct dns_source *dns, struct buf *octets)
{
    if (dns->ask(dns->arg, DNS_TXT, slice_of(s->key_name)) == NULL) {
        return false;
    }
    unsigned char digest[CRYPTO_HASH_LEN];
    struct crypto_hash hash = {0};
    enum dkim_reason of_key = DKIM_REASON_MEMORY, of_body = check_body(s, body);
    struct slice detail = s->detail;
    bool sound = of_body == DKIM_REASON_NONE, known = true;
    /* Where the body differs nothing is verified: the key is only looked at. */
    if (!sound || dkim_signature_digest(s, t, c, &hash, NULL, 0, digest)) {
        known = dkim_signature_key(s, c, dns, octets, sound ? digest : NULL, &of_key);
    }
    crypto_hash_clear(&hash);
    /* A key that cannot be used is told before a body that differs (the order of RFC 6376 6.1). */
    s->reason = of_key;
    if (of_key == DKIM_REASON_NONE && !sound) {
        s->reason = of_body;
        s->detail = detail;
    }
    return known;
}
