/* senderauth/dkim_key.c - see dkim_key.h */
#include "senderauth/dkim_key.h"

#include "senderauth/dkim_tags.h"

enum { DER_INTEGER = 0x02, DER_BITS = 0x03, DER_OID = 0x06, DER_SEQUENCE = 0x30 };

/* Takes one element off *rest; false: it is not there whole, has another tag, or a length in
 * another form than DER's up to 64 KiB. */
static bool der_take(struct slice *rest, unsigned tag, struct slice *content)
{
    if (rest->len < 2 || rest->ptr[0] != tag) {
        return false;
    }
    size_t head = 2, len = rest->ptr[1];
    if (len >= 0x80) {
        size_t n = len - 0x80;
        if (n < 1 || n > 2 || rest->len < 2 + n) {
            return false;
        }
        len = n == 1 ? rest->ptr[2] : (size_t)rest->ptr[2] << 8 | rest->ptr[3];
        head += n;
    }
    if (len > rest->len - head) {
        return false;
    }
    *content = slice_sub(*rest, head, len);
    *rest = slice_from(*rest, head + len);
    return true;
}

/* A positive number without its leading zeros. */
static bool der_number(struct slice *rest, struct slice *out)
{
    if (!der_take(rest, DER_INTEGER, out) || out->len == 0 || (out->ptr[0] & 0x80) != 0) {
        return false;
    }
    while (out->len > 0 && out->ptr[0] == 0) {
        *out = slice_from(*out, 1);
    }
    return out->len > 0;
}

/* RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER } */
static bool rsa_bare(struct slice der, struct crypto_public *out)
{
    struct slice in;
    return der_take(&der, DER_SEQUENCE, &in) && der_number(&in, &out->n) &&
           der_number(&in, &out->e);
}

/* SubjectPublicKeyInfo ::= SEQUENCE { SEQUENCE { OBJECT IDENTIFIER, ... }, BIT STRING } */
static bool rsa_info(struct slice der, struct crypto_public *out)
{
    static const unsigned char rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1};
    struct slice in, algorithm, oid, bits;
    return der_take(&der, DER_SEQUENCE, &in) && der_take(&in, DER_SEQUENCE, &algorithm) &&
           der_take(&algorithm, DER_OID, &oid) &&
           slice_eq(oid, (struct slice){rsa, sizeof rsa}) &&
           der_take(&in, DER_BITS, &bits) && bits.len > 0 && bits.ptr[0] == 0 &&
           rsa_bare(slice_from(bits, 1), out);
}

static unsigned bit_count(struct slice number)
{
    unsigned bits = (unsigned)number.len * 8;
    for (unsigned char top = number.ptr[0]; (top & 0x80) == 0;
         top = (unsigned char)(top << 1)) {
        bits--;
    }
    return bits;
}

static enum dkim_reason take_rsa(struct slice der, struct dkim_key *out)
{
    out->key.kind = CRYPTO_RSA;
    if (!rsa_info(der, &out->key) && !rsa_bare(der, &out->key)) {
        return DKIM_REASON_KEY_DATA;
    }
    out->bits = bit_count(out->key.n);
    if (out->bits < DKIM_RSA_BITS_MIN) {
        return DKIM_REASON_KEY_SHORT;
    }
    if (out->bits > DKIM_RSA_BITS_MAX) {
        return DKIM_REASON_KEY_LONG;
    }
    struct slice e = out->key.e;
    bool odd =
        (e.ptr[e.len - 1] & 1) != 0 && (out->key.n.ptr[out->key.n.len - 1] & 1) != 0;
    bool one = e.len == 1 && e.ptr[0] == 1;
    return odd && !one && e.len <= 8 ? DKIM_REASON_NONE : DKIM_REASON_KEY_DATA;
}

static enum dkim_reason take_ed25519(struct slice raw, struct dkim_key *out)
{
    if (raw.len != CRYPTO_ED25519_LEN) {
        return DKIM_REASON_KEY_DATA;
    }
    out->key = (struct crypto_public){.kind = CRYPTO_ED25519, .n = raw};
    out->bits = 8 * CRYPTO_ED25519_LEN;
    return DKIM_REASON_NONE;
}

static struct slice value_or(const struct dkim_tags *tags, const char *name,
                             const char *usual)
{
    const struct dkim_tag *t = dkim_tags_get(tags, name);
    return t == NULL ? slice_of(usual) : t->value;
}

/* RFC 6376 3.6.1 "v=": "If specified, this tag MUST be set to "DKIM1" (without the quotes). This
 * tag MUST be the first tag in the record." */
static bool version_ok(const struct dkim_tags *tags)
{
    const struct dkim_tag *v = dkim_tags_get(tags, "v");
    return v == NULL || (v == &tags->tag[0] && slice_eq(v->value, SLICE("DKIM1")));
}

static enum dkim_reason check_terms(const struct dkim_tags *tags,
                                    const struct dkim_key_need *need,
                                    struct dkim_key *out, struct slice *detail)
{
    *detail = value_or(tags, "k", "rsa");
    if (!slice_eq(*detail, need->kind == CRYPTO_RSA ? SLICE("rsa") : SLICE("ed25519"))) {
        return DKIM_REASON_KEY_KIND;
    }
    *detail = value_or(tags, "h", "sha256");
    if (!dkim_list_has(*detail, SLICE("sha256"))) {
        return DKIM_REASON_KEY_HASH;
    }
    *detail = value_or(tags, "s", "*");
    if (!dkim_list_has(*detail, SLICE("*")) && !dkim_list_has(*detail, SLICE("email"))) {
        return DKIM_REASON_KEY_SERVICE;
    }
    *detail = (struct slice){0};
    struct slice flags = value_or(tags, "t", "");
    out->testing = dkim_list_has(flags, SLICE("y"));
    out->strict = dkim_list_has(flags, SLICE("s"));
    return out->strict && need->subdomain ? DKIM_REASON_KEY_STRICT : DKIM_REASON_NONE;
}

enum dkim_reason dkim_key_parse(struct slice record, const struct dkim_key_need *need,
                                struct buf *octets, struct dkim_key *out,
                                struct slice *detail)
{
    struct dkim_tags tags;
    struct slice at;
    *detail = (struct slice){0};
    *out = (struct dkim_key){0};
    const char *wrong = dkim_tags_parse(record, &tags, &at);
    const struct dkim_tag *p = dkim_tags_get(&tags, "p");
    if (wrong != NULL || p == NULL) {
        /* A record of something else (SPF, a wildcard) is better told as such. */
        bool other = !slice_starts(record, SLICE("v=DKIM1")) &&
                     slice_search(record, SLICE("p=")) == record.len;
        *detail =
            other ? slice_sub(record, 0, 40) : slice_of(wrong == NULL ? "no p=" : wrong);
        return other ? DKIM_REASON_KEY_VERSION : DKIM_REASON_KEY_SYNTAX;
    }
    if (!version_ok(&tags)) {
        *detail = slice_sub(record, 0, 40);
        return DKIM_REASON_KEY_VERSION;
    }
    if (p->value.len == 0) {
        return DKIM_REASON_KEY_REVOKED;
    }
    enum dkim_reason reason = check_terms(&tags, need, out, detail);
    if (reason != DKIM_REASON_NONE) {
        return reason;
    }
    buf_reset(octets);
    if (!dkim_base64(p->value, octets)) {
        return octets->failed ? DKIM_REASON_MEMORY : DKIM_REASON_KEY_DATA;
    }
    return need->kind == CRYPTO_RSA ? take_rsa(buf_slice(octets), out)
                                    : take_ed25519(buf_slice(octets), out);
}
