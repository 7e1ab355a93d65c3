/* senderauth/arc_seal.c - see arc_seal.h */
#include "senderauth/arc_seal.h"

#include "senderauth/authres.h"
#include "senderauth/signature_write.h"

int arc_seal_want(struct dkim_body *body)
{
    return dkim_body_want(body, true, DKIM_BODY_ALL);
}

struct sealer {
    const struct arc_seal *seal;
    const struct arc *found;
    unsigned instance;
    struct header_table table;
    struct buf aar, ams, as;
};

/* A value of one line or more, as it stands. */
static void write_results(struct sealer *s)
{
    buf_add_fmt(&s->aar, "ARC-Authentication-Results: i=%u; ", s->instance);
    buf_add(&s->aar, s->seal->authserv_id);
    buf_add(&s->aar, s->seal->results.len > 0 ? s->seal->results : SLICE("; none"));
    buf_add_str(&s->aar, "\r\n");
}

static bool write_message_signature(struct sealer *s, const struct dkim_body_hash *body)
{
    const struct dkim_sign *sign = &s->seal->sign;
    struct signature_line l;
    struct crypto_hash hash = {0};
    signature_begin(&l, &s->ams, "ARC-Message-Signature");
    signature_number(&l, "i", s->instance);
    signature_who(&l, sign);
    signature_tag(&l, "c", SLICE("relaxed/relaxed"));
    bool ok = signature_names(&l, sign, &s->table, true);
    signature_octets(&l, "bh", (struct slice){body->digest, CRYPTO_HASH_LEN});
    if (!ok || s->ams.failed) {
        return false;
    }
    crypto_hash_begin(sign->crypto, &hash);
    signature_hash_fields(&hash, &s->table, signature_written_names(&l), true);
    ok = signature_finish(&l, sign, true, &hash);
    crypto_hash_clear(&hash);
    return ok;
}

/* RFC 8617 5.1.2: after a failure only the own set is sealed, for the others may be anything. */
static bool write_seal(struct sealer *s)
{
    const struct dkim_sign *sign = &s->seal->sign;
    struct signature_line l;
    struct crypto_hash hash = {0};
    enum arc_cv cv = arc_result(s->found)->cv;
    signature_begin(&l, &s->as, "ARC-Seal");
    signature_number(&l, "i", s->instance);
    signature_who(&l, sign);
    signature_tag(&l, "cv", slice_of(arc_cv_word(cv)));
    crypto_hash_begin(sign->crypto, &hash);
    if (cv == ARC_PASS) {
        arc_hash_sets(s->found, &hash);
    }
    signature_hash_field(&hash, buf_slice(&s->aar), true, false);
    signature_hash_field(&hash, buf_slice(&s->ams), true, false);
    bool ok = signature_finish(&l, sign, true, &hash);
    crypto_hash_clear(&hash);
    return ok;
}

enum arc_sealed arc_seal(const struct arc_seal *seal, const struct arc *found,
                         struct slice header, const struct dkim_body *body, int wish,
                         struct buf *out)
{
    enum { FIELD_MAX = 65536 };
    const struct arc_result *so_far = arc_result(found);
    if (so_far->final || so_far->highest >= ARC_INSTANCES_MAX) {
        return ARC_SEAL_ENDED;
    }
    struct sealer s = {.seal = seal, .found = found, .instance = so_far->highest + 1};
    struct dkim_body_hash body_hash = dkim_body_hash(body, wish);
    struct buf message;
    if (body_hash.digest == NULL) {
        return ARC_SEAL_FAILED;
    }
    buf_init(&message, header.len + FIELD_MAX);
    buf_init(&s.aar, FIELD_MAX);
    buf_init(&s.ams, FIELD_MAX);
    buf_init(&s.as, FIELD_MAX);
    write_results(&s);
    /* The signature may cover the new results too: they stand in the header it will be seen with. */
    bool ok = !s.aar.failed && buf_add(&message, buf_slice(&s.aar)) &&
              buf_add(&message, header) &&
              header_table_init(&s.table, buf_slice(&message)) &&
              write_message_signature(&s, &body_hash) && write_seal(&s);
    ok = ok && buf_add(out, buf_slice(&s.as)) && buf_add(out, buf_slice(&s.ams)) &&
         buf_add(out, buf_slice(&s.aar));
    buf_clear(&s.aar);
    buf_clear(&s.ams);
    buf_clear(&s.as);
    buf_clear(&message);
    header_table_clear(&s.table);
    return ok ? ARC_SEALED : ARC_SEAL_FAILED;
}
