/* Suites of kind "dane-tlsa" (records and chains) and "dane-policy" (from the DNS to what is done). */
#include "conformance.h"
#include "delivery/route.h"
#include "delivery/tls_need.h"
#include "tls/client.h"

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

enum { RECORDS_MAX = 16, RECORD_OCTETS = 64 * 1024 };

/* --- dane-tlsa --- */

static int hex_digit(unsigned char c)
{
    return ascii_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* As on the wire: usage, selector, matching type, data. */
static struct slice record_of(struct run *run, const json_t *one)
{
    struct slice hex = octets(run, json_object_get(one, "data"));
    unsigned char *out = arena_alloc(&run->arena, 3 + hex.len / 2);
    if (out == NULL || hex.len > RECORD_OCTETS) {
        return (struct slice){0};
    }
    out[0] = (unsigned char)json_integer_value(json_object_get(one, "usage"));
    out[1] = (unsigned char)json_integer_value(json_object_get(one, "selector"));
    out[2] = (unsigned char)json_integer_value(json_object_get(one, "mtype"));
    for (size_t i = 0; i < hex.len / 2; i++) {
        int high = hex_digit(hex.ptr[2 * i]), low = hex_digit(hex.ptr[2 * i + 1]);
        if (high < 0 || low < 0) {
            wrong(run, "its data are not hexadecimal");
            return (struct slice){0};
        }
        out[3 + i] = (unsigned char)(high << 4 | low);
    }
    return (struct slice){out, 3 + hex.len / 2};
}

static X509 *read_certificate(const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    return x;
}

/* Verifies the chain as the handshake does, by what was set on the connection. The error; depth of
 * the match. */
static int verify(SSL *ssl, X509_STORE *store, STACK_OF(X509) * chain, int *depth)
{
    X509_STORE_CTX *c = X509_STORE_CTX_new();
    X509 *leaf = sk_X509_value(chain, 0);
    X509_STORE_CTX_init(c, store, leaf, chain);
    X509_STORE_CTX_set_default(c, "ssl_server");
    X509_VERIFY_PARAM_set1(X509_STORE_CTX_get0_param(c), SSL_get0_param(ssl));
    X509_STORE_CTX_set0_dane(c, SSL_get0_dane(ssl));
    IGNORE(X509_verify_cert(c) <= 0); /* the error says it */
    int error = X509_STORE_CTX_get_error(c);
    SSL_set_verify_result(ssl, error);
    *depth = SSL_get0_dane_authority(ssl, NULL, NULL);
    X509_STORE_CTX_free(c);
    return error;
}

static void play_chain(struct run *run, const json_t *test, SSL *ssl,
                       const struct slice *tlsa, unsigned n)
{
    const json_t *expect = json_object_get(test, "expect"), *pem;
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *ca = read_certificate(text_of(run->suite, "ca"));
    size_t i;
    int depth = -1;
    if (ca != NULL) {
        IGNORE(X509_STORE_add_cert(store, ca) != 1); /* cases that need it fail */
    }
    json_array_foreach(json_object_get(test, "chain"), i, pem)
    {
        X509 *x = read_certificate(json_string_value(pem));
        if (x == NULL || sk_X509_push(chain, x) == 0) {
            wrong(run, "a certificate does not read");
        }
    }
    bool set =
        tls_client_expect(ssl, slice_of(text_of(test, "host")), TLS_VERIFY_DANE, tlsa, n);
    if (!set) {
        wrong(run, "the records cannot be set");
    } else {
        if (json_is_true(json_object_get(test, "dane_ee_namechecks"))) {
            SSL_dane_clear_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
        }
        int error = verify(ssl, store, chain, &depth);
        bool ok = json_is_true(json_object_get(expect, "ok"));
        bool mixed = strcmp(text_of(test, "smtp"), "mixed") == 0;
        /* Of mixed records we use a part: that may match less, never more. */
        if ((error == X509_V_OK) != ok && !(mixed && ok)) {
            wrong(run, "error %d (%s)", error, X509_verify_cert_error_string(error));
        }
        const json_t *wanted = json_object_get(expect, "openssl_error");
        if (!mixed && json_is_integer(wanted) && json_integer_value(wanted) != error) {
            wrong(run, "error %d", error);
        }
        if (!mixed && ok &&
            json_integer_value(json_object_get(expect, "match_depth")) != depth) {
            wrong(run, "depth %d", depth);
        }
        if ((tls_client_verdict(ssl) == TLS_CLIENT_GOOD) != (error == X509_V_OK)) {
            wrong(run, "verdict %d", (int)tls_client_verdict(ssl));
        }
    }
    sk_X509_pop_free(chain, X509_free);
    X509_STORE_free(store);
    X509_free(ca);
}

static void play_tlsa(struct run *run, const json_t *test, struct tls_client *tls)
{
    struct slice usable[RECORDS_MAX];
    unsigned n = 0, all = 0;
    const json_t *one;
    size_t i;
    json_array_foreach(json_object_get(test, "tlsa"), i, one)
    {
        struct slice record = record_of(run, one);
        all++;
        if (n < RECORDS_MAX && tls_client_usable(record)) {
            usable[n++] = record;
        }
    }
    const char *smtp = text_of(test, "smtp");
    const char *got = n == 0 ? "unusable" : n < all ? "mixed" : "same";
    if (strcmp(got, smtp) != 0) {
        wrong(run, "%u of %u records are usable, which is %s", n, all, got);
    }
    SSL *ssl = n == 0 ? NULL : SSL_new(tls_client_context(tls));
    if (ssl != NULL) {
        play_chain(run, test, ssl, usable, n);
        SSL_free(ssl);
    }
}

void run_dane_tlsa(struct run *run)
{
    char error[TLS_ERROR_MAX];
    struct tls_client *tls = tls_client_new(NULL, error);
    const json_t *test;
    size_t i;
    json_array_foreach(json_object_get(run->suite, "cases"), i, test)
    {
        case_begin(run, text_of(test, "id"));
        if (tls == NULL) {
            wrong(run, "%s", error);
        } else {
            play_tlsa(run, test, tls);
        }
        case_end(run);
    }
    tls_client_free(&tls);
}

/* --- dane-policy --- */

/* A domain with one MX host, told in the words of a case. */
struct place {
    const json_t *test;
    bool alias;
    struct dns_record record[4];
    struct dns_answer answer[8];
    unsigned n;
};

static const char expanded[] = "real.example", host[] = "mx.example";

/* TLSA: usage 3, key, SHA-256 (its octets are not looked at here), or usage 1, which SMTP has no use
 * for. */
static const unsigned char good_tlsa[35] = {3, 1, 1, 1}, other_tlsa[35] = {3, 1, 1, 2};
static const unsigned char unusable_tlsa[35] = {1, 1, 1, 1};

static const struct dns_answer *answer_of(struct place *p, const char *how,
                                          const struct dns_record *record, unsigned n)
{
    struct dns_answer *a = &p->answer[p->n++ % 8];
    *a = (struct dns_answer){.status = DNS_FOUND, .record = record, .n = n};
    a->secure = strncmp(how, "secure", 6) == 0;
    if (strcmp(how, "servfail") == 0 || strcmp(how, "timeout") == 0 ||
        strcmp(how, "bogus") == 0) {
        a->status = DNS_FAILED;
        a->why = how;
        a->bogus = strcmp(how, "bogus") == 0;
    } else if (strcmp(how, "secure") != 0 && strcmp(how, "insecure") != 0) {
        a->status = DNS_NODATA; /* secure-nodata, secure-denial, insecure-denial ... */
    }
    if (a->status != DNS_FOUND) {
        a->n = 0;
    }
    return a;
}

static const struct dns_answer *tlsa_of(struct place *p, struct slice name)
{
    static const struct dns_record usable = {.data = {good_tlsa, sizeof good_tlsa}};
    static const struct dns_record unusable = {
        .data = {unusable_tlsa, sizeof unusable_tlsa}};
    static const struct dns_record two[] = {{.data = {other_tlsa, sizeof other_tlsa}},
                                            {.data = {good_tlsa, sizeof good_tlsa}}};
    static const struct dns_record mixed[] = {
        {.data = {unusable_tlsa, sizeof unusable_tlsa}},
        {.data = {good_tlsa, sizeof good_tlsa}}};
    const char *records = text_of(p->test, "tlsa_records");
    bool at_original =
        strcmp(text_of(p->test, "certificate"), "match-at-original-name") == 0;
    bool of_expanded = slice_search(name, slice_of(expanded)) < name.len;
    if (p->alias && of_expanded == at_original) {
        return answer_of(p, "secure-denial", NULL, 0);
    }
    const char *lookup = text_of(p->test, "tlsa_lookup");
    if (strcmp(records, "none") == 0) {
        return answer_of(p, "secure-denial", NULL, 0);
    }
    return strncmp(records, "two", 3) == 0 || strncmp(records, "several", 7) == 0
               ? answer_of(p, lookup, two, 2)
           : strstr(records, "one unusable") != NULL ? answer_of(p, lookup, mixed, 2)
           : strcmp(records, "usable") == 0          ? answer_of(p, lookup, &usable, 1)
                                                     : answer_of(p, lookup, &unusable, 1);
}

static const struct dns_answer *ask(void *arg, enum dns_type type, struct slice name)
{
    struct place *p = arg;
    const char *address = text_of(p->test, "address_lookup");
    static const struct dns_record mx = {.name = SLICE_INIT("mx.example"),
                                         .preference = 10};
    switch (type) {
    case DNS_MX:
        return answer_of(p, text_of(p->test, "mx_lookup"), &mx, 1);
    case DNS_A: {
        IGNORE(ip_parse(SLICE("192.0.2.1"), &p->record[0].ip));
        const struct dns_answer *a = answer_of(p, address, &p->record[0], 1);
        p->answer[(p->n - 1) % 8].name = p->alias ? slice_of(expanded) : name;
        return a;
    }
    case DNS_CNAME:
        return p->alias ? answer_of(p, "secure", &mx, 1)
                        : answer_of(p, "secure-nodata", NULL, 0);
    case DNS_TLSA:
        return tlsa_of(p, name);
    case DNS_AAAA:
    case DNS_NS:
    case DNS_SOA:
    case DNS_PTR:
    case DNS_TXT:
        break;
    }
    return answer_of(p, "secure-nodata", NULL, 0);
}

static const char *policy_of(struct run *run, const json_t *test)
{
    static struct route route;
    struct place p = {.test = test,
                      .alias = strncmp(text_of(test, "id"), "cname", 5) == 0 ||
                               strstr(text_of(test, "certificate"), "name") != NULL};
    p.alias = p.alias && strstr(text_of(test, "certificate"), "wrong-name") == NULL;
    struct dns_source dns = {.ask = ask, .arg = &p};
    struct route_ask q = {
        .domain = SLICE("a.example"), .hostname = SLICE("me.example"), .port = 25};
    bool starttls = json_is_true(json_object_get(test, "starttls_offered"));
    bool match = strncmp(text_of(test, "certificate"), "match", 5) == 0;
    struct tls_ask need_ask = {0};
    struct tls_need need;
    if (strcmp(text_of(test, "mx_lookup"), "secure-nodata") == 0) {
        q.domain = slice_of(host);
    }
    route_find(&q, &dns, &route);
    if (route.status != ROUTE_OK) {
        return "defer";
    }
    const struct dns_answer *tlsa = route.hop[0].tlsa;
    need_ask.tlsa_n = tlsa == NULL ? 0 : tlsa->n;
    for (unsigned i = 0; i < need_ask.tlsa_n; i++) {
        need_ask.tlsa_usable += tls_client_usable(tlsa->record[i].data);
    }
    tls_need_of(&need_ask, &need);
    if (p.alias && tlsa != NULL && need.verify == TLS_VERIFY_DANE) {
        bool original = strstr(text_of(test, "certificate"), "original") != NULL;
        if (!slice_eq(route.hop[0].tlsa_base, slice_of(original ? host : expanded))) {
            wrong(run, "records of the wrong name");
        }
    }
    return need.must && !starttls           ? "defer"
           : need.verify == TLS_VERIFY_DANE ? (match ? "deliver-dane" : "defer")
           : need.must                      ? "deliver-tls-unauthenticated"
                                            : "opportunistic";
}

void run_dane_policy(struct run *run)
{
    const json_t *test;
    size_t i;
    json_array_foreach(json_object_get(run->suite, "cases"), i, test)
    {
        case_begin(run, text_of(test, "id"));
        const char *got = policy_of(run, test), *want = text_of(test, "expect");
        bool either =
            strcmp(want, "opportunistic-or-dane") == 0 &&
            (strcmp(got, "opportunistic") == 0 || strcmp(got, "deliver-dane") == 0);
        if (!either) {
            expect_word(run, "outcome", json_object_get(test, "expect"), got);
        }
        case_end(run);
    }
}
