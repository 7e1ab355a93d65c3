/* sasl/oauth.c - OAUTHBEARER and XOAUTH2: the token out of the client's words.
 *
 * OAUTHBEARER  gs2-header %x01 *(key "=" value %x01) %x01     (RFC 7628 3.1)
 * XOAUTH2      "user=" user %x01 "auth=Bearer " token %x01 %x01 */
#include "sasl/sasl_impl.h"

enum { SEPARATOR = 1 };

/* b64token of RFC 6750 2.1: nothing in it could be taken for something else further on. */
static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        bool ok = ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' ||
                  c == '_' || c == '~' || c == '+' || c == '/' || c == '=';
        if (!ok) {
            return false;
        }
    }
    return s.len > 0;
}

/* Reads key=value pairs up to the empty one that ends them, which must be the end. */
static bool read_pairs(struct sasl *s, struct slice in, bool with_user)
{
    for (;;) {
        if (slice_find(in, SEPARATOR) == in.len) {
            return false;
        }
        struct slice pair = sasl_take_until(&in, SEPARATOR);
        if (pair.len == 0) {
            return in.len == 0;
        }
        struct slice key = sasl_take_until(&pair, '=');
        if (slice_eq(key, SLICE("auth"))) {
            struct slice scheme = sasl_take_until(&pair, ' ');
            if (s->secret.len > 0 || !slice_ieq(scheme, SLICE("Bearer")) ||
                !is_token(pair)) {
                return false;
            }
            s->secret = pair;
        } else if (with_user && slice_eq(key, SLICE("user"))) {
            if (s->user.len > 0 || !sasl_user_ok(pair)) {
                return false;
            }
            s->user = pair;
        }
    }
}

static bool read_bearer(struct sasl *s, struct slice in)
{
    struct gs2 gs2 = {0};
    if (!sasl_take_gs2(&in, &gs2) || gs2.flag == 'p' || in.len == 0 ||
        in.ptr[0] != SEPARATOR || !sasl_unescape(gs2.authzid, &s->name) ||
        (s->name.len > 0 && !sasl_user_ok(buf_slice(&s->name)))) {
        return false;
    }
    s->user = buf_slice(&s->name);
    return read_pairs(s, slice_from(in, 1), false);
}

enum sasl_res sasl_oauth_step(struct sasl *s, struct slice in)
{
    bool bearer = s->mechanism->kind == SASL_OAUTHBEARER;
    (void)buf_add(&s->in, in);
    in = buf_slice(&s->in);
    bool ok = !s->in.failed && (bearer ? read_bearer(s, in) : read_pairs(s, in, true));
    if (!ok || s->secret.len == 0 || (!bearer && s->user.len == 0)) {
        return SASL_MALFORMED;
    }
    return SASL_WANT_TOKEN;
}

/* RFC 7628 3.2.2: the error is a challenge, which the client answers with %x01. */
enum sasl_res sasl_oauth_refuse(struct sasl *s)
{
    bool bearer = s->mechanism->kind == SASL_OAUTHBEARER;
    s->failing = true;
    buf_reset(&s->out);
    (void)buf_add_str(&s->out,
                      bearer ? "{\"status\":\"invalid_token\",\"schemes\":\"bearer\"}"
                             : "{\"status\":\"401\",\"schemes\":\"bearer\"}");
    return s->out.failed ? SASL_FAIL : SASL_CHALLENGE;
}
