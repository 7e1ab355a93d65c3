/* sasl/client.c - see client.h */
#include "sasl/client.h"

#include "base/base64.h"
#include "base/log.h"
#include "sasl/sasl_impl.h"

#include <openssl/crypto.h>
#include <string.h>

enum { WANT_FIRST = 0, WANT_KEYS, WANT_FINAL, OVER };

static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < ' ' || s.ptr[i] > '~') {
            return false;
        }
    }
    return s.len > 0;
}

bool sasl_client_can(struct slice user, struct slice password)
{
    return is_plain(user) && is_plain(password) && user.len <= SASL_USER_MAX &&
           password.len <= SASL_PASSWORD_MAX;
}

static enum sasl_client_res fail(struct sasl_client *s, const char *why)
{
    s->state = OVER;
    s->why = why;
    return SASL_CLIENT_FAIL;
}

/* saslname: "," and "=" have another form. */
static void add_name(struct buf *b, struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] == ',') {
            (void)buf_add_str(b, "=2C");
        } else if (name.ptr[i] == '=') {
            (void)buf_add_str(b, "=3D");
        } else {
            (void)buf_add_byte(b, name.ptr[i]);
        }
    }
}

void sasl_client_begin(struct sasl_client *s, struct slice user, bool plus,
                       struct slice binding, struct slice nonce)
{
    BUG_ON(plus && binding.len == 0);
    *s = (struct sasl_client){.state = WANT_FIRST};
    buf_init(&s->out, 2 * SASL_OUT_MAX);
    buf_init(&s->header, 256);
    buf_init(&s->message, 4 * SASL_OUT_MAX);
    buf_init(&s->nonce, SASL_OUT_MAX);
    (void)buf_add_str(&s->header, plus              ? "p=tls-exporter,,"
                                  : binding.len > 0 ? "y,,"
                                                    : "n,,");
    (void)base64_encode(&s->nonce, nonce);
    (void)buf_add_str(&s->message, "n=");
    add_name(&s->message, user);
    (void)buf_add_str(&s->message, ",r=");
    (void)buf_add(&s->message, buf_slice(&s->nonce));
    (void)buf_add(&s->out, buf_slice(&s->header));
    (void)buf_add(&s->out, buf_slice(&s->message));
    if (plus) {
        (void)buf_add(&s->header, binding);
    }
}

void sasl_client_clear(struct sasl_client *s)
{
    buf_clear(&s->out);
    buf_clear(&s->header);
    buf_clear(&s->message);
    buf_clear(&s->nonce);
    explicit_bzero(s, sizeof *s);
}

/* "x=..." up to the next comma, taken off. False: it is not attribute x. */
static bool take(struct slice *in, const char *name, struct slice *value)
{
    struct slice part = sasl_take_until(in, ',');
    *value = slice_from(part, 2);
    return slice_starts(part, slice_of(name));
}

/* r= our nonce and more, s= salt, i= iterations; what follows is passed over (RFC 5802 5.1). */
static enum sasl_client_res take_first(struct sasl_client *s, struct slice in)
{
    struct slice all = in, nonce, salt, count;
    uint64_t n = 0;
    if (!take(&in, "r=", &nonce) || !take(&in, "s=", &salt) || !take(&in, "i=", &count)) {
        return fail(s, "the server's first message is no SCRAM");
    }
    if (!slice_starts(nonce, buf_slice(&s->nonce)) || nonce.len == s->nonce.len) {
        return fail(s, "the server does not repeat our nonce");
    }
    if (!base64_decode(salt, s->keys.salt, sizeof s->keys.salt, &s->keys.salt_len) ||
        s->keys.salt_len == 0) {
        return fail(s, "the server's salt is none, or too long");
    }
    if (!slice_u64(count, &n) || n < SASL_ITERATIONS_MIN ||
        n > SASL_CLIENT_ITERATIONS_MAX) {
        return fail(s, "the server wants too few iterations, or too many");
    }
    s->keys.iterations = (uint32_t)n;
    buf_reset(&s->nonce);
    (void)buf_add(&s->nonce, nonce);
    (void)buf_add_byte(&s->message, ',');
    (void)buf_add(&s->message, all);
    s->state = WANT_KEYS;
    return s->message.failed || s->nonce.failed
               ? fail(s, "the server's first message is too long")
               : SASL_CLIENT_WANT_KEYS;
}

enum sasl_client_res sasl_client_keys(struct sasl_client *s,
                                      const struct sasl_client_keys *keys)
{
    unsigned char stored[SASL_KEY_LEN], proof[SASL_KEY_LEN] = {0};
    BUG_ON(s->state != WANT_KEYS || !sasl_client_same(keys, &s->keys));
    buf_reset(&s->out);
    (void)buf_add_str(&s->out, "c=");
    (void)base64_encode(&s->out, buf_slice(&s->header));
    (void)buf_add_str(&s->out, ",r=");
    (void)buf_add(&s->out, buf_slice(&s->nonce));
    (void)buf_add_byte(&s->message, ',');
    (void)buf_add(&s->message, buf_slice(&s->out));
    bool ok = sasl_sha256(keys->client, stored) &&
              sasl_hmac(stored, buf_slice(&s->message), proof) &&
              sasl_hmac(keys->server, buf_slice(&s->message), s->expected);
    for (size_t i = 0; i < sizeof proof; i++) {
        proof[i] ^= keys->client[i];
    }
    (void)buf_add_str(&s->out, ",p=");
    (void)base64_encode(&s->out, (struct slice){proof, sizeof proof});
    explicit_bzero(stored, sizeof stored);
    s->state = WANT_FINAL;
    return ok && !s->out.failed && !s->message.failed
               ? SASL_CLIENT_SEND
               : fail(s, "the login cannot be computed");
}

static enum sasl_client_res take_final(struct sasl_client *s, struct slice in)
{
    unsigned char proof[SASL_KEY_LEN];
    struct slice value;
    size_t len = 0;
    if (!take(&in, "v=", &value)) {
        return fail(s, "the server refuses the proof");
    }
    if (!base64_decode(value, proof, sizeof proof, &len) || len != sizeof proof ||
        CRYPTO_memcmp(proof, s->expected, sizeof proof) != 0) {
        return fail(s, "the server does not know the password");
    }
    s->state = OVER;
    buf_reset(&s->out);
    return SASL_CLIENT_DONE;
}

enum sasl_client_res sasl_client_step(struct sasl_client *s, struct slice challenge)
{
    switch (s->state) {
    case WANT_FIRST:
        return take_first(s, challenge);
    case WANT_FINAL:
        return take_final(s, challenge);
    default:
        return fail(s, "the server goes on asking");
    }
}

bool sasl_client_same(const struct sasl_client_keys *a, const struct sasl_client_keys *b)
{
    return a->iterations == b->iterations && a->salt_len == b->salt_len &&
           memcmp(a->salt, b->salt, a->salt_len) == 0;
}
