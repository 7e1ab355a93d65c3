/* sasl/sasl_test.c - conversations of each mechanism, RFC 7677's example among them. */
#include "base/base64.h"
#include "sasl/sasl.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const unsigned char nonce[SASL_NONCE_LEN + 1] = "eighteen octets...";
static const unsigned char exporter[SASL_BINDING_LEN + 1] =
    "what only the two ends can know.";

static void begin(struct sasl *s, const char *name, bool tls)
{
    const struct sasl_mechanism *m = sasl_find(slice_of(name));
    assert_non_null(m);
    sasl_begin(s, m, (struct slice){exporter, tls ? SASL_BINDING_LEN : 0},
               (struct slice){nonce, SASL_NONCE_LEN});
}

static enum sasl_res step(struct sasl *s, struct slice in)
{
    return sasl_step(s, &in);
}

static void expect(struct slice got, const char *want)
{
    if (!slice_eq(got, slice_of(want))) {
        fail_msg("got %.*s, want %s", (int)got.len, (const char *)got.ptr, want);
    }
}

static void test_table(void **state)
{
    (void)state;
    assert_ptr_equal(sasl_find(SLICE("plain")), sasl_find(SLICE("PLAIN")));
    assert_null(sasl_find(SLICE("PLAINE")));
    assert_null(sasl_find(SLICE("")));
}

static void test_plain(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        enum sasl_res res;
    } cases[] = {
        {SLICE_INIT("\0tim\0tanstaaftanstaaf"), SASL_WANT_PASSWORD},
        {SLICE_INIT("tim\0tim\0secret"), SASL_WANT_PASSWORD},
        {SLICE_INIT("Ursel\0Kurt\0xipj3plmq"), SASL_FAIL},
        {SLICE_INIT(""), SASL_MALFORMED},
        {SLICE_INIT("\0tim"), SASL_MALFORMED},
        {SLICE_INIT("\0tim\0"), SASL_MALFORMED},
        {SLICE_INIT("\0\0secret"), SASL_MALFORMED},
        {SLICE_INIT("tim\0secret"), SASL_MALFORMED},
        {SLICE_INIT("\0tim\0secret\0more"), SASL_MALFORMED},
        {SLICE_INIT("\0t\nm\0secret"), SASL_MALFORMED},
        {SLICE_INIT("\0t\xc3\xa4m\0secret"), SASL_WANT_PASSWORD},
        {SLICE_INIT("\0t\xc0\xafm\0secret"), SASL_MALFORMED},
        {SLICE_INIT("\0t\xed\xa0\x80m\0secret"), SASL_MALFORMED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sasl s;
        begin(&s, "PLAIN", true);
        assert_int_equal(step(&s, cases[i].in), cases[i].res);
        sasl_clear(&s);
    }
    struct sasl s;
    begin(&s, "PLAIN", true);
    assert_int_equal(sasl_step(&s, NULL), SASL_CHALLENGE);
    expect(buf_slice(&s.out), "");
    assert_int_equal(step(&s, SLICE("\0tim\0word")), SASL_WANT_PASSWORD);
    expect(s.user, "tim");
    expect(s.secret, "word");
    assert_int_equal(sasl_verdict(&s, true, SLICE("")), SASL_OK);
    assert_int_equal(sasl_verdict(&s, false, SLICE("")), SASL_FAIL);
    sasl_clear(&s);
}

static void test_login(void **state)
{
    (void)state;
    struct sasl s;
    begin(&s, "LOGIN", true);
    assert_int_equal(sasl_step(&s, NULL), SASL_CHALLENGE);
    expect(buf_slice(&s.out), "Username:");
    assert_int_equal(step(&s, SLICE("tim")), SASL_CHALLENGE);
    expect(buf_slice(&s.out), "Password:");
    assert_int_equal(step(&s, SLICE("word")), SASL_WANT_PASSWORD);
    expect(s.user, "tim");
    expect(s.secret, "word");
    sasl_clear(&s);
    begin(&s, "LOGIN", true); /* the name with the command, where that is let through */
    assert_int_equal(step(&s, SLICE("tim")), SASL_CHALLENGE);
    expect(buf_slice(&s.out), "Password:");
    assert_int_equal(step(&s, SLICE("")), SASL_MALFORMED);
    sasl_clear(&s);
    begin(&s, "LOGIN", true);
    assert_int_equal(step(&s, SLICE("")), SASL_MALFORMED);
    sasl_clear(&s);
}

/* --- SCRAM --- */

static struct sasl_keys keys_of(const char *password, const char *salt,
                                uint32_t iterations)
{
    struct sasl_keys keys = {.iterations = iterations};
    assert_true(
        base64_decode(slice_of(salt), keys.salt, sizeof keys.salt, &keys.salt_len));
    assert_true(sasl_keys_derive(slice_of(password), &keys));
    return keys;
}

/* RFC 7677 3, with its server's nonce put where ours would stand. */
static void test_scram_rfc(void **state)
{
    (void)state;
    static const char server_nonce[] = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    struct sasl_keys keys = keys_of("pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096);
    struct sasl s;
    begin(&s, "SCRAM-SHA-256", false);
    assert_int_equal(step(&s, SLICE("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")), SASL_WANT_KEYS);
    expect(s.user, "user");
    buf_reset(&s.first);
    (void)buf_add_str(&s.first, "r=rOprNGfwEbeRWgbNEkqO");
    (void)buf_add_str(&s.first, server_nonce);
    s.nonce_len = s.first.len - 2;
    assert_int_equal(sasl_scram_keys(&s, &keys, 1), SASL_CHALLENGE);
    expect(buf_slice(&s.out), "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                              "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
    assert_int_equal(
        step(&s, SLICE("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                       "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")),
        SASL_CHALLENGE);
    expect(buf_slice(&s.out), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    assert_int_equal(step(&s, SLICE("")), SASL_OK);
    sasl_clear(&s);
}

/* As RFC 5802 3 has it; written without the code under test. */
static bool client_proof(struct slice message, const struct sasl_keys *keys,
                         const char *password, unsigned char *proof)
{
    unsigned char salted[32], client[32] = {0}, stored[32], signature[32] = {0};
    unsigned n = 0;
    bool ok = PKCS5_PBKDF2_HMAC(password, (int)strlen(password), keys->salt,
                                (int)keys->salt_len, (int)keys->iterations, EVP_sha256(),
                                32, salted) == 1;
    ok = ok && HMAC(EVP_sha256(), salted, 32, (const unsigned char *)"Client Key", 10,
                    client, &n) != NULL;
    ok = ok && EVP_Digest(client, 32, stored, &n, EVP_sha256(), NULL) == 1;
    ok = ok &&
         HMAC(EVP_sha256(), stored, 32, message.ptr, message.len, signature, &n) != NULL;
    for (int i = 0; i < 32; i++) {
        proof[i] = client[i] ^ signature[i];
    }
    return ok;
}

/* A client: its final message for what the server said. bound: gs2 header and binding. */
static struct slice client_final(struct sasl *s, struct slice first_bare,
                                 struct slice bound, const struct sasl_keys *keys,
                                 const char *password, struct buf *out)
{
    struct buf message;
    unsigned char proof[SASL_KEY_LEN];
    struct slice first = buf_slice(&s->out);
    buf_init(&message, 8192);
    buf_reset(out);
    (void)buf_add_str(out, "c=");
    (void)base64_encode(out, bound);
    (void)buf_add_str(out, ",");
    (void)buf_add(out, slice_sub(first, 0, slice_find(first, ',')));
    (void)buf_add(&message, first_bare);
    (void)buf_add_byte(&message, ',');
    (void)buf_add(&message, first);
    (void)buf_add_byte(&message, ',');
    (void)buf_add(&message, buf_slice(out));
    assert_true(client_proof(buf_slice(&message), keys, password, proof));
    (void)buf_add_str(out, ",p=");
    (void)base64_encode(out, (struct slice){proof, sizeof proof});
    buf_clear(&message);
    return buf_slice(out);
}

/* The header that the client begins with, what it binds to in c=, the outcomes. */
static void test_scram(void **state)
{
    (void)state;
    struct sasl_keys keys = keys_of("pencil", "c2FsdHNhbHQ=", 4096);
    static const struct {
        const char *mechanism;
        bool tls;
        const char *header;
        const char *bound; /* repeated in c=; NULL: header and the right binding */
        const char *password;
        enum sasl_res first, final;
    } cases[] = {
        {"SCRAM-SHA-256", false, "n,,", "n,,", "pencil", SASL_WANT_KEYS, SASL_CHALLENGE},
        {"SCRAM-SHA-256", true, "n,,", "n,,", "pencil", SASL_WANT_KEYS, SASL_CHALLENGE},
        {"SCRAM-SHA-256", false, "n,,", "n,,", "Pencil", SASL_WANT_KEYS, SASL_FAIL},
        {"SCRAM-SHA-256", false, "n,,", "y,,", "pencil", SASL_WANT_KEYS, SASL_FAIL},
        {"SCRAM-SHA-256", false, "y,,", "y,,", "pencil", SASL_WANT_KEYS, SASL_CHALLENGE},
        /* the client can bind, the server can: somebody hid -PLUS */
        {"SCRAM-SHA-256", true, "y,,", "", "", SASL_FAIL, SASL_FAIL},
        {"SCRAM-SHA-256", true, "p=tls-exporter,,", "", "", SASL_MALFORMED, SASL_FAIL},
        {"SCRAM-SHA-256", true, "n,a=user,", "n,a=user,", "pencil", SASL_WANT_KEYS,
         SASL_CHALLENGE},
        {"SCRAM-SHA-256", true, "n,a=other,", "", "", SASL_FAIL, SASL_FAIL},
        {"SCRAM-SHA-256", true, "n,a=,", "", "", SASL_MALFORMED, SASL_FAIL},
        {"SCRAM-SHA-256", true, "x,,", "", "", SASL_MALFORMED, SASL_FAIL},
        {"SCRAM-SHA-256", true, "n,", "", "", SASL_MALFORMED, SASL_FAIL},
        {"SCRAM-SHA-256-PLUS", true, "p=tls-exporter,,", NULL, "pencil", SASL_WANT_KEYS,
         SASL_CHALLENGE},
        {"SCRAM-SHA-256-PLUS", true, "p=tls-exporter,,",
         "p=tls-exporter,,another channel's 32 octets.....", "pencil", SASL_WANT_KEYS,
         SASL_FAIL},
        {"SCRAM-SHA-256-PLUS", true, "p=tls-exporter,,", "p=tls-exporter,,", "pencil",
         SASL_WANT_KEYS, SASL_FAIL},
        {"SCRAM-SHA-256-PLUS", true, "p=tls-unique,,", "", "", SASL_FAIL, SASL_FAIL},
        {"SCRAM-SHA-256-PLUS", true, "n,,", "", "", SASL_MALFORMED, SASL_FAIL},
        {"SCRAM-SHA-256-PLUS", false, "p=tls-exporter,,", "", "", SASL_FAIL, SASL_FAIL},
    };
    static const struct slice bare = SLICE_INIT("n=user,r=clientnonce");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sasl s;
        struct buf b;
        struct buf bound;
        buf_init(&b, 4096);
        buf_init(&bound, 4096);
        begin(&s, cases[i].mechanism, cases[i].tls);
        (void)buf_add_str(&b, cases[i].header);
        (void)buf_add(&b, bare);
        enum sasl_res first = step(&s, buf_slice(&b));
        if (first != cases[i].first) {
            fail_msg("case %zu: first %d", i, (int)first);
        }
        if (first == SASL_WANT_KEYS) {
            assert_int_equal(sasl_scram_keys(&s, &keys, 1), SASL_CHALLENGE);
            (void)buf_add_str(&bound,
                              cases[i].bound == NULL ? cases[i].header : cases[i].bound);
            if (cases[i].bound == NULL) {
                (void)buf_add(&bound, (struct slice){exporter, SASL_BINDING_LEN});
            }
            struct slice final =
                client_final(&s, bare, buf_slice(&bound), &keys, cases[i].password, &b);
            enum sasl_res res = step(&s, final);
            if (res != cases[i].final) {
                fail_msg("case %zu: final %d", i, (int)res);
            }
            if (res == SASL_CHALLENGE) {
                assert_int_equal(step(&s, SLICE("")), SASL_OK);
            }
        }
        buf_clear(&b);
        buf_clear(&bound);
        sasl_clear(&s);
    }
}

static void test_scram_malformed(void **state)
{
    (void)state;
    static const char *const firsts[] = {
        "n,,n=user",        "n,,r=x,n=user",     "n,,n=,r=x",       "n,,n=us=er,r=x",
        "n,,n=user,r=",     "n,,m=x,n=user,r=x", "n,,n=user,r=a b", "",
        "n,,n=us=2cer,r=x",
    };
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        struct sasl s;
        begin(&s, "SCRAM-SHA-256", false);
        assert_int_equal(step(&s, slice_of(firsts[i])), SASL_MALFORMED);
        sasl_clear(&s);
    }
    struct sasl s;
    begin(&s, "SCRAM-SHA-256", false);
    assert_int_equal(step(&s, SLICE("n,,n=a=2Cb=3Dc,r=x")), SASL_WANT_KEYS);
    expect(s.user, "a,b=c");
    struct sasl_keys keys = keys_of("pencil", "c2FsdHNhbHQ=", 4096);
    assert_int_equal(sasl_scram_keys(&s, &keys, 1), SASL_CHALLENGE);
    static const char *const finals[] = {
        "",
        "c=biws",
        "c=biws,r=x",
        "c=biws,r=x,p=",
        "c=biws,r=x,p=AAAA",
        "r=x,c=biws,p=AAAA",
        "c=b,r=x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="};
    for (size_t i = 0; i < sizeof finals / sizeof finals[0]; i++) {
        assert_int_equal(step(&s, slice_of(finals[i])), SASL_MALFORMED);
    }
    /* the client's own nonce only */
    assert_int_equal(
        step(&s, SLICE("c=biws,r=x,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")),
        SASL_FAIL);
    sasl_clear(&s);
}

/* --- tokens --- */

static void test_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *mechanism, *text, *user, *token; /* token NULL: malformed */
    } cases[] = {
        {"OAUTHBEARER",
         "n,a=user@example.com,\1host=server.example.com\1port=143\1auth=Bearer "
         "vF9df=\1\1",
         "user@example.com", "vF9df="},
        {"OAUTHBEARER", "n,,\1auth=Bearer vF9df\1\1", "", "vF9df"},
        {"OAUTHBEARER", "y,,\1auth=bearer vF9df\1\1", "", "vF9df"},
        {"OAUTHBEARER", "n,,\1auth=Bearer vF9df\1", "", NULL},
        {"OAUTHBEARER", "n,,\1auth=Bearer \1\1", "", NULL},
        {"OAUTHBEARER", "n,,\1auth=Basic x\1\1", "", NULL},
        {"OAUTHBEARER", "n,,\1\1", "", NULL},
        {"OAUTHBEARER", "n,,\1auth=Bearer a\1auth=Bearer b\1\1", "", NULL},
        {"OAUTHBEARER", "p=tls-exporter,,\1auth=Bearer a\1\1", "", NULL},
        {"OAUTHBEARER", "n,,auth=Bearer a\1\1", "", NULL},
        {"OAUTHBEARER", "n,,\1auth=Bearer a&token=b\1\1", "", NULL},
        {"XOAUTH2", "user=user@example.com\1auth=Bearer ya29.vF9\1\1", "user@example.com",
         "ya29.vF9"},
        {"XOAUTH2", "user=a\1user=b\1auth=Bearer x\1\1", "", NULL},
        {"XOAUTH2", "auth=Bearer x\1\1", "", NULL},
        {"XOAUTH2", "user=a\1auth=Bearer x\1\1more", "", NULL},
        {"XOAUTH2", "user=a\1\1", "", NULL},
        {"XOAUTH2", "\1", "", NULL},
        {"XOAUTH2", "", "", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sasl s;
        begin(&s, cases[i].mechanism, true);
        enum sasl_res res = step(&s, slice_of(cases[i].text));
        if (res != (cases[i].token == NULL ? SASL_MALFORMED : SASL_WANT_TOKEN)) {
            fail_msg("case %zu: %d", i, (int)res);
        }
        if (res == SASL_WANT_TOKEN) {
            expect(s.user, cases[i].user);
            expect(s.secret, cases[i].token);
            assert_int_equal(sasl_verdict(&s, true, SLICE("user@example.com")), SASL_OK);
            expect(s.user, "user@example.com");
            assert_int_equal(sasl_verdict(&s, false, SLICE("")), SASL_CHALLENGE);
            assert_true(slice_starts(buf_slice(&s.out), SLICE("{\"status\":")));
            assert_int_equal(step(&s, SLICE("\1")), SASL_FAIL);
        }
        sasl_clear(&s);
    }
}

/* A main password and those of applications: any of them will do. */
static void test_scram_several(void **state)
{
    (void)state;
    struct sasl_keys keys[3] = {keys_of("one", "c2FsdHNhbHQ=", 4096),
                                keys_of("two", "c2FsdHNhbHQ=", 4096),
                                keys_of("three", "c2FsdHNhbHQ=", 4096)};
    static const char *const passwords[] = {"one", "two", "three", "four"};
    for (unsigned i = 0; i < 4; i++) {
        struct sasl s;
        struct buf b;
        buf_init(&b, 4096);
        begin(&s, "SCRAM-SHA-256", false);
        assert_int_equal(step(&s, SLICE("n,,n=user,r=clientnonce")), SASL_WANT_KEYS);
        assert_int_equal(sasl_scram_keys(&s, keys, 3), SASL_CHALLENGE);
        struct slice final = client_final(&s, SLICE("n=user,r=clientnonce"), SLICE("n,,"),
                                          &keys[i % 3], passwords[i], &b);
        assert_int_equal(step(&s, final), i < 3 ? SASL_CHALLENGE : SASL_FAIL);
        assert_true(i == 3 ? !s.proved : s.proved && s.matched == i);
        buf_clear(&b);
        sasl_clear(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),  cmocka_unit_test(test_plain),
        cmocka_unit_test(test_login),  cmocka_unit_test(test_scram_rfc),
        cmocka_unit_test(test_scram),  cmocka_unit_test(test_scram_malformed),
        cmocka_unit_test(test_tokens), cmocka_unit_test(test_scram_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
