/* senderauth/dkim_sign.c - see dkim_sign.h */
#include "senderauth/dkim_sign.h"

#include "base/base64.h"
#include "senderauth/signature_write.h"

int dkim_sign_want(struct dkim_body *body, const struct dkim_sign *s)
{
    return dkim_body_want(body, !s->simple_body, DKIM_BODY_ALL);
}

/* Everything up to bh=. */
static bool write_tags(struct signature_line *l, const struct dkim_sign *s,
                       const struct header_table *t, const unsigned char *body_hash)
{
    static const struct slice forms[2][2] = {
        {SLICE_INIT("relaxed/relaxed"), SLICE_INIT("relaxed/simple")},
        {SLICE_INIT("simple/relaxed"), SLICE_INIT("simple/simple")}};
    signature_tag(l, "v", SLICE("1"));
    signature_who(l, s);
    signature_tag(l, "c", forms[s->simple_header][s->simple_body]);
    if (s->identity.len > 0) {
        signature_tag(l, "i", s->identity);
    }
    if (s->expires != 0) {
        signature_number(l, "x", s->expires);
    }
    bool ok = signature_names(l, s, t, false);
    signature_octets(l, "bh", (struct slice){body_hash, CRYPTO_HASH_LEN});
    return ok;
}

bool dkim_sign(const struct dkim_sign *s, struct slice header,
               const struct dkim_body *body, int wish, struct buf *out)
{
    struct header_table t;
    struct signature_line l;
    struct crypto_hash hash = {0};
    const unsigned char *body_hash = dkim_body_hash(body, wish).digest;
    if (body_hash == NULL || !header_table_init(&t, header)) {
        return false;
    }
    signature_begin(&l, out, "DKIM-Signature");
    bool ok = write_tags(&l, s, &t, body_hash) && !out->failed;
    if (ok) {
        crypto_hash_begin(s->crypto, &hash);
        signature_hash_fields(&hash, &t, signature_written_names(&l), !s->simple_header);
        ok = signature_finish(&l, s, !s->simple_header, &hash);
    }
    crypto_hash_clear(&hash);
    header_table_clear(&t);
    return ok;
}

bool dkim_sign_record(const struct crypto_private *key, struct buf *out)
{
    struct buf octets;
    buf_init(&octets, 4096);
    bool rsa = crypto_private_kind(key) == CRYPTO_RSA;
    buf_add_fmt(out, "v=DKIM1; k=%s; p=", rsa ? "rsa" : "ed25519");
    bool ok =
        crypto_private_public(key, &octets) && base64_encode(out, buf_slice(&octets));
    buf_clear(&octets);
    return ok;
}
