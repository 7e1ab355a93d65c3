/* sasl/scram.c - SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677, 9266). */
#include "base/base64.h"
#include "base/log.h"
#include "sasl/client.h"
#include "sasl/sasl_impl.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

enum { WANT_FIRST = 0, WANT_KEYS, WANT_FINAL, WANT_NOTHING };

/* --- arithmetic --- */

bool sasl_hmac(const unsigned char key[SASL_KEY_LEN], struct slice text,
               unsigned char out[SASL_KEY_LEN])
{
    unsigned n = 0;
    return HMAC(EVP_sha256(), key, SASL_KEY_LEN, text.ptr, text.len, out, &n) != NULL &&
           n == SASL_KEY_LEN;
}

bool sasl_sha256(const unsigned char in[SASL_KEY_LEN], unsigned char out[SASL_KEY_LEN])
{
    unsigned n = 0;
    return EVP_Digest(in, SASL_KEY_LEN, out, &n, EVP_sha256(), NULL) == 1;
}

bool sasl_client_derive(struct slice password, struct sasl_client_keys *keys)
{
    unsigned char salted[SASL_KEY_LEN];
    BUG_ON(keys->iterations == 0 || keys->iterations > SASL_ITERATIONS_MAX ||
           keys->salt_len == 0 || keys->salt_len > SASL_SALT_MAX ||
           password.len > SASL_PASSWORD_MAX);
    bool ok = PKCS5_PBKDF2_HMAC((const char *)password.ptr, (int)password.len, keys->salt,
                                (int)keys->salt_len, (int)keys->iterations, EVP_sha256(),
                                SASL_KEY_LEN, salted) == 1 &&
              sasl_hmac(salted, SLICE("Client Key"), keys->client) &&
              sasl_hmac(salted, SLICE("Server Key"), keys->server);
    explicit_bzero(salted, sizeof salted);
    return ok;
}

bool sasl_keys_derive(struct slice password, struct sasl_keys *keys)
{
    struct sasl_client_keys both = {.salt_len = keys->salt_len,
                                    .iterations = keys->iterations};
    BUG_ON(keys->salt_len > sizeof both.salt);
    memcpy(both.salt, keys->salt, keys->salt_len);
    bool ok =
        sasl_client_derive(password, &both) && sasl_sha256(both.client, keys->stored);
    memcpy(keys->server, both.server, sizeof keys->server);
    explicit_bzero(&both, sizeof both);
    return ok;
}

/* --- the client's first message --- */

/* "x=..." up to the next comma, taken off. False: it is not attribute x. */
static bool take_attribute(struct slice *in, char name, struct slice *value)
{
    struct slice part = sasl_take_until(in, ',');
    if (part.len < 2 || part.ptr[0] != (unsigned char)name || part.ptr[1] != '=') {
        return false;
    }
    *value = slice_from(part, 2);
    return true;
}

/* printable: %x21-2B / %x2D-7E */
static bool is_nonce(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x21 || s.ptr[i] > 0x7e || s.ptr[i] == ',') {
            return false;
        }
    }
    return s.len > 0 && s.len <= SASL_CLIENT_NONCE_MAX;
}

/* Does the flag fit the mechanism? RFC 5802 6: "y" says that the client can bind but believes
 * that the server cannot; if it can, somebody took -PLUS out of the list on the way. */
static enum sasl_res check_flag(const struct sasl *s, const struct gs2 *gs2)
{
    if (s->mechanism->binding) {
        return gs2->flag != 'p' ? SASL_MALFORMED
               : slice_eq(gs2->binding, SLICE("tls-exporter")) && s->can_bind ? SASL_OK
                                                                              : SASL_FAIL;
    }
    if (gs2->flag == 'p') {
        return SASL_MALFORMED;
    }
    return gs2->flag == 'y' && s->can_bind ? SASL_FAIL : SASL_OK;
}

/* gs2-header [reserved-mext ","] username "," nonce ["," extensions] */
static enum sasl_res take_first(struct sasl *s, struct slice in)
{
    struct gs2 gs2 = {0};
    struct slice name = {0};
    struct slice nonce = {0};
    if (!sasl_take_gs2(&in, &gs2)) {
        return SASL_MALFORMED;
    }
    (void)buf_add(&s->in, in);
    (void)buf_add(&s->header, gs2.whole);
    /* A mandatory extension ("m=") is none we know: no attribute n, so malformed. */
    if (!take_attribute(&in, 'n', &name) || !take_attribute(&in, 'r', &nonce) ||
        !is_nonce(nonce) || !sasl_unescape(name, &s->name) || s->in.failed ||
        s->header.failed) {
        return SASL_MALFORMED;
    }
    s->user = buf_slice(&s->name);
    if (!sasl_user_ok(s->user)) {
        return SASL_MALFORMED;
    }
    enum sasl_res res = check_flag(s, &gs2);
    if (res != SASL_OK) {
        return res;
    }
    if (!sasl_same_identity(s, gs2.authzid)) {
        return SASL_FAIL;
    }
    if (gs2.flag == 'p') {
        (void)buf_add(&s->header, (struct slice){s->binding, sizeof s->binding});
    }
    (void)buf_add_str(&s->first, "r=");
    (void)buf_add(&s->first, nonce);
    (void)base64_encode(&s->first, (struct slice){s->nonce, sizeof s->nonce});
    s->nonce_len = s->first.len - 2;
    s->state = WANT_KEYS;
    return s->first.failed || s->header.failed ? SASL_FAIL : SASL_WANT_KEYS;
}

enum sasl_res sasl_scram_keys(struct sasl *s, const struct sasl_keys *keys, unsigned n)
{
    BUG_ON(s->state != WANT_KEYS || n == 0 || keys->salt_len > sizeof keys->salt);
    s->keys = keys;
    s->key_n = n;
    (void)buf_add_str(&s->first, ",s=");
    (void)base64_encode(&s->first, (struct slice){keys->salt, keys->salt_len});
    (void)buf_add_fmt(&s->first, ",i=%" PRIu32, keys->iterations);
    buf_reset(&s->out);
    (void)buf_add(&s->out, buf_slice(&s->first));
    s->state = WANT_FINAL;
    return s->first.failed || s->out.failed ? SASL_FAIL : SASL_CHALLENGE;
}

/* --- the client's final message --- */

static bool same(struct slice a, struct slice b)
{
    return a.len == b.len && CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0;
}

/* Is c= what the first message said, and r= both nonces? */
static enum sasl_res check_repeated(const struct sasl *s, struct slice binding,
                                    struct slice nonce)
{
    unsigned char octets[SASL_RESPONSE_MAX];
    size_t len = 0;
    if (!base64_decode(binding, octets, sizeof octets, &len)) {
        return SASL_MALFORMED;
    }
    bool ok = same((struct slice){octets, len}, buf_slice(&s->header)) &&
              slice_eq(nonce, slice_sub(buf_slice(&s->first), 2, s->nonce_len));
    explicit_bzero(octets, sizeof octets);
    return ok ? SASL_OK : SASL_FAIL;
}

/* Is it the proof of these keys? Then ours into server. */
static bool check_keys(const struct sasl_keys *keys, struct slice message,
                       struct slice proof, unsigned char server[SASL_KEY_LEN])
{
    unsigned char key[SASL_KEY_LEN];
    unsigned char hash[SASL_KEY_LEN];
    bool ok =
        sasl_hmac(keys->stored, message, key) && sasl_hmac(keys->server, message, server);
    for (size_t i = 0; ok && i < SASL_KEY_LEN; i++) {
        key[i] ^= proof.ptr[i];
    }
    ok = ok && sasl_sha256(key, hash) &&
         CRYPTO_memcmp(hash, keys->stored, sizeof hash) == 0;
    explicit_bzero(key, sizeof key);
    return ok;
}

/* AuthMessage: the three messages, without the proof (RFC 5802 3). */
static bool check_proof(struct sasl *s, struct slice without_proof, struct slice proof)
{
    unsigned char server[SASL_KEY_LEN];
    struct buf message;
    buf_init(&message, 2 * SASL_RESPONSE_MAX + SASL_OUT_MAX + 2);
    (void)buf_add(&message, buf_slice(&s->in));
    (void)buf_add_byte(&message, ',');
    (void)buf_add(&message, buf_slice(&s->first));
    (void)buf_add_byte(&message, ',');
    (void)buf_add(&message, without_proof);
    for (s->matched = 0; !s->proved && !message.failed && s->matched < s->key_n;) {
        s->proved = check_keys(&s->keys[s->matched], buf_slice(&message), proof, server);
        s->matched += s->proved ? 0 : 1;
    }
    buf_clear(&message);
    buf_reset(&s->out);
    (void)buf_add_str(&s->out, "v=");
    (void)base64_encode(&s->out, (struct slice){server, sizeof server});
    return s->proved && !s->out.failed;
}

/* channel-binding "," nonce ["," extensions] "," proof */
static enum sasl_res take_final(struct sasl *s, struct slice in)
{
    struct slice all = in;
    struct slice binding = {0};
    struct slice nonce = {0};
    unsigned char proof[SASL_KEY_LEN];
    size_t proof_len = 0;
    size_t last = slice_rfind(in, ',');
    struct slice tail = slice_from(in, last + 1);
    if (!take_attribute(&in, 'c', &binding) || !take_attribute(&in, 'r', &nonce) ||
        !slice_starts(tail, SLICE("p=")) ||
        !base64_decode(slice_from(tail, 2), proof, sizeof proof, &proof_len) ||
        proof_len != sizeof proof) {
        return SASL_MALFORMED;
    }
    enum sasl_res res = check_repeated(s, binding, nonce);
    if (res != SASL_OK) {
        return res;
    }
    if (!check_proof(s, slice_sub(all, 0, last), (struct slice){proof, sizeof proof})) {
        return SASL_FAIL;
    }
    s->state = WANT_NOTHING;
    return SASL_CHALLENGE;
}

enum sasl_res sasl_scram_step(struct sasl *s, struct slice in)
{
    switch (s->state) {
    case WANT_FIRST:
        return take_first(s, in);
    case WANT_FINAL:
        return take_final(s, in);
    case WANT_NOTHING:
        /* The server's proof went as a challenge, as SMTP's 235 carries no data. */
        return in.len == 0 ? SASL_OK : SASL_MALFORMED;
    default:
        return SASL_FAIL;
    }
}
