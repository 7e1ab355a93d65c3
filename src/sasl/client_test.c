/* sasl/client_test.c - see client.h: the vector of RFC 7677, our own server, servers that lie. */
#include "sasl/client.h"

#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NONCE "rOprNGfwEbeRWgbNEkqO"
#define FIRST                                                                            \
    "r=" NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static const unsigned char bound[SASL_BINDING_LEN] = "thirty-two octets of an exporter";

static void begin(struct sasl_client *s, const char *user, bool plus, bool can_bind)
{
    unsigned char nonce[15];
    size_t len = 0;
    assert_true(base64_decode(SLICE(NONCE), nonce, sizeof nonce, &len));
    sasl_client_begin(s, slice_of(user), plus,
                      (struct slice){bound, can_bind ? sizeof bound : 0},
                      (struct slice){nonce, len});
}

static enum sasl_client_res prove(struct sasl_client *s, const char *password)
{
    struct sasl_client_keys keys = s->keys;
    assert_true(sasl_client_derive(slice_of(password), &keys));
    return sasl_client_keys(s, &keys);
}

static void expect(struct slice got, const char *want)
{
    if (!slice_eq(got, slice_of(want))) {
        fail_msg("%.*s, not %s", (int)got.len, (const char *)got.ptr, want);
    }
}

static void test_rfc(void **state)
{
    (void)state;
    struct sasl_client s;
    begin(&s, "user", false, false);
    expect(buf_slice(&s.out), "n,,n=user,r=" NONCE);
    assert_int_equal(sasl_client_step(&s, SLICE(FIRST)), SASL_CLIENT_WANT_KEYS);
    assert_int_equal(s.keys.iterations, 4096);
    assert_int_equal(prove(&s, "pencil"), SASL_CLIENT_SEND);
    expect(buf_slice(&s.out), "c=biws,r=" NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                              "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
    assert_int_equal(sasl_client_step(&s, SLICE(FINAL)), SASL_CLIENT_DONE);
    assert_int_equal(s.out.len, 0);
    assert_int_equal(sasl_client_step(&s, SLICE(FINAL)), SASL_CLIENT_FAIL);
    sasl_client_clear(&s);
}

/* What the server says first, then last; where it is found out. */
static void test_lies(void **state)
{
    (void)state;
    static const struct {
        const char *first, *final;
    } cases[] = {
        {"", NULL},
        {"e=other-error", NULL},
        {"r=" NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", NULL}, /* no nonce of its own */
        {"r=rOprNGfwEbeRWgbNEkqX%hv,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", NULL},
        {"m=x,r=" NONCE "abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", NULL},
        {"r=" NONCE "abc,s=,i=4096", NULL},
        {"r=" NONCE "abc,s=W2,i=4096", NULL},
        {"r=" NONCE "abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4095", NULL},
        {"r=" NONCE "abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000001", NULL},
        {"r=" NONCE "abc,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=", NULL},
        {"r=" NONCE "abc,s=W22ZaJ0SNY7soEsUEjb6gQ==", NULL},
        {FIRST, ""},
        {FIRST, "e=invalid-proof"},
        {FIRST, "v="},
        {FIRST, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G8="},
        {FIRST, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sasl_client s;
        begin(&s, "user", false, false);
        enum sasl_client_res res = sasl_client_step(&s, slice_of(cases[i].first));
        if (cases[i].final != NULL) {
            assert_int_equal(res, SASL_CLIENT_WANT_KEYS);
            assert_int_equal(prove(&s, "pencil"), SASL_CLIENT_SEND);
            res = sasl_client_step(&s, slice_of(cases[i].final));
        }
        if (res != SASL_CLIENT_FAIL || s.why == NULL) {
            fail_msg("case %zu: %d", i, (int)res);
        }
        sasl_client_clear(&s);
    }
}

struct meeting {
    const char *user, *mechanism; /* of the server */
    bool plus, can_bind, other_channel;
    const char *password;
    bool well;
};

/* Our server, and whether both ends are content. */
static bool meet(const struct meeting *m)
{
    struct sasl_client c;
    struct sasl s;
    struct sasl_keys keys = {.salt = "saltsalt", .salt_len = 8, .iterations = 4096};
    unsigned char binding[SASL_BINDING_LEN];
    struct slice in;
    memcpy(binding, bound, sizeof binding);
    binding[0] ^= m->other_channel;
    assert_true(sasl_keys_derive(SLICE("se,sa=m"), &keys));
    begin(&c, m->user, m->plus, m->can_bind);
    sasl_begin(&s, sasl_find(slice_of(m->mechanism)),
               (struct slice){binding, sizeof binding}, SLICE("eighteen octets..."));
    in = buf_slice(&c.out);
    bool well =
        sasl_step(&s, &in) == SASL_WANT_KEYS && slice_eq(s.user, slice_of(m->user));
    well = well && sasl_scram_keys(&s, &keys, 1) == SASL_CHALLENGE &&
           sasl_client_step(&c, buf_slice(&s.out)) == SASL_CLIENT_WANT_KEYS &&
           prove(&c, m->password) == SASL_CLIENT_SEND;
    in = buf_slice(&c.out);
    well = well && sasl_step(&s, &in) == SASL_CHALLENGE &&
           sasl_client_step(&c, buf_slice(&s.out)) == SASL_CLIENT_DONE;
    in = buf_slice(&c.out);
    well = well && sasl_step(&s, &in) == SASL_OK;
    sasl_clear(&s);
    sasl_client_clear(&c);
    return well;
}

static void test_server(void **state)
{
    (void)state;
    static const struct meeting cases[] = {
        {"ann@acme.test", "SCRAM-SHA-256", false, false, false, "se,sa=m", true},
        {"a,n=n", "SCRAM-SHA-256", false, false, false, "se,sa=m", true},
        {"ann", "SCRAM-SHA-256", false, false, false, "sesam", false},
        {"ann", "SCRAM-SHA-256-PLUS", true, true, false, "se,sa=m", true},
        {"ann", "SCRAM-SHA-256-PLUS", true, true, true, "se,sa=m", false},
        /* Somebody took -PLUS out of the server's list. */
        {"ann", "SCRAM-SHA-256", false, true, false, "se,sa=m", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (meet(&cases[i]) != cases[i].well) {
            fail_msg("case %zu", i);
        }
    }
}

static void test_can(void **state)
{
    (void)state;
    assert_true(sasl_client_can(SLICE("ann"), SLICE("a b~!")));
    assert_false(sasl_client_can(SLICE("ann"), SLICE("")));
    assert_false(sasl_client_can(SLICE("ann"), SLICE("caf\xc3\xa9")));
    assert_false(sasl_client_can(SLICE("\xc3\xa9"), SLICE("a")));
    assert_false(sasl_client_can(SLICE("ann"), SLICE("a\tb")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc), cmocka_unit_test(test_lies),
        cmocka_unit_test(test_server), cmocka_unit_test(test_can)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
