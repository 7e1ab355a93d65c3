/* sasl/sasl_impl.h - inside src/sasl only. */
#ifndef SASL_SASL_IMPL_H
#define SASL_SASL_IMPL_H
#include "sasl/sasl.h"

/* gs2-header = gs2-cbind-flag "," [ "a=" saslname ] "," (RFC 5801 4). Taken off *in. */
struct gs2 {
    unsigned char flag;   /* 'n', 'y' or 'p' */
    struct slice binding; /* of 'p': the type's name */
    struct slice authzid; /* still escaped */
    struct slice whole;
};
MUST_USE bool sasl_take_gs2(struct slice *in, struct gs2 *out);
/* saslname: "=2C" and "=3D" undone. Appends. False: malformed, or no UTF-8. */
MUST_USE bool sasl_unescape(struct slice in, struct buf *out);
/* The octets before the first c, taken off *in with c; the rest when there is no c. */
MUST_USE struct slice sasl_take_until(struct slice *in, unsigned char c);
/* 1 to SASL_USER_MAX octets of UTF-8 without control characters. */
MUST_USE bool sasl_user_ok(struct slice user);
/* Is the authzid (still escaped) empty, or s->user itself? */
MUST_USE bool sasl_same_identity(struct sasl *s, struct slice authzid);

MUST_USE bool sasl_hmac(const unsigned char key[SASL_KEY_LEN], struct slice text,
                        unsigned char out[SASL_KEY_LEN]);
MUST_USE bool sasl_sha256(const unsigned char in[SASL_KEY_LEN],
                          unsigned char out[SASL_KEY_LEN]);

MUST_USE enum sasl_res sasl_scram_step(struct sasl *s, struct slice in);
MUST_USE enum sasl_res sasl_oauth_step(struct sasl *s, struct slice in);
MUST_USE enum sasl_res sasl_oauth_refuse(struct sasl *s);
#endif
