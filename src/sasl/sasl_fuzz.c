/* sasl/sasl_fuzz.c - libFuzzer target: nobody gets in without having been asked about.
 *
 * The first octet chooses mechanism and channel, then responses of one length octet each. What
 * is wanted is answered: passwords and tokens are wrong, keys are of a password that the fuzzer
 * does not know. So no conversation may end in SASL_OK; names must be well formed and what goes
 * out printable. */
#include "base/log.h"
#include "sasl/sasl.h"

static const unsigned char octets[SASL_BINDING_LEN] = {1, 2, 3};

static void check_out(const struct sasl *s)
{
    for (size_t i = 0; i < s->out.len; i++) {
        BUG_ON(s->out.ptr[i] < ' ' || s->out.ptr[i] > '~');
    }
}

static enum sasl_res answer(struct sasl *s, enum sasl_res res)
{
    static struct sasl_keys keys;
    if (res == SASL_WANT_KEYS) {
        BUG_ON(s->user.len == 0 || s->user.len > SASL_USER_MAX);
        if (keys.iterations == 0) {
            keys.iterations = SASL_ITERATIONS_MIN;
            keys.salt_len = 16;
            BUG_ON(!sasl_keys_derive(SLICE("a password"), &keys));
        }
        return sasl_scram_keys(s, &keys, 1);
    }
    if (res == SASL_WANT_PASSWORD || res == SASL_WANT_TOKEN) {
        BUG_ON(s->secret.len == 0 || s->user.len > SASL_USER_MAX);
        BUG_ON(slice_find(s->secret, '\0') < s->secret.len);
        return sasl_verdict(s, false, SLICE(""));
    }
    return res;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {data, size};
    struct sasl s;
    if (size < 2) {
        return 0;
    }
    sasl_begin(&s, &sasl_mechanisms[data[0] % SASL_MECHANISMS],
               (struct slice){octets, (data[0] & 64U) != 0 ? SASL_BINDING_LEN : 0},
               (struct slice){octets, SASL_NONCE_LEN});
    enum sasl_res res = SASL_CHALLENGE;
    if ((data[0] & 128U) != 0) {
        res = sasl_step(&s, NULL);
    }
    in = slice_from(in, 1);
    while (res == SASL_CHALLENGE && in.len > 0) {
        struct slice response = slice_sub(in, 1, in.ptr[0]);
        in = slice_from(in, 1 + response.len);
        res = answer(&s, sasl_step(&s, &response));
        check_out(&s);
        BUG_ON(res == SASL_OK);
    }
    sasl_clear(&s);
    return 0;
}
