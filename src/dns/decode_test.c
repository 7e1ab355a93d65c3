/* dns/decode_test.c - messages put together by hand, whole, cut and wrong. */
#include "dns/decode.h"

#include "base/buf.h"
#include "dns/name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ANSWER = 0x8180, AT_QUESTION = 12 };

static struct buf m;
static struct arena arena;

static void u16(unsigned v)
{
    (void)buf_add_byte(&m, (unsigned char)(v >> 8));
    (void)buf_add_byte(&m, (unsigned char)v);
}

static void name(const char *text)
{
    struct slice rest = slice_of(text);
    while (rest.len > 0) {
        struct slice label = slice_sub(rest, 0, slice_find(rest, '.'));
        (void)buf_add_byte(&m, (unsigned char)label.len);
        (void)buf_add(&m, label);
        rest = slice_from(rest, label.len + 1);
    }
    (void)buf_add_byte(&m, 0);
}

static void head(unsigned flags, const char *asked, unsigned type, unsigned answers,
                 unsigned authorities)
{
    buf_reset(&m);
    u16(0);
    u16(flags);
    u16(1);
    u16(answers);
    u16(authorities);
    u16(0);
    name(asked);
    u16(type);
    u16(1);
}

/* Begins a record; end() sets its length. */
static size_t rr(const char *owner, unsigned type, uint32_t ttl)
{
    name(owner);
    u16(type);
    u16(1);
    u16(ttl >> 16);
    u16(ttl & 0xffff);
    u16(0);
    return m.len;
}

static void end(size_t start)
{
    size_t len = m.len - start;
    m.ptr[start - 2] = (unsigned char)(len >> 8);
    m.ptr[start - 1] = (unsigned char)len;
}

static void rr_name(const char *owner, unsigned type, uint32_t ttl, const char *target)
{
    size_t start = rr(owner, type, ttl);
    name(target);
    end(start);
}

static void rr_a(const char *owner, uint32_t ttl, const char *ip)
{
    struct ip parsed;
    size_t start = rr(owner, DNS_A, ttl);
    assert_true(ip_parse(slice_of(ip), &parsed));
    (void)buf_add(&m, (struct slice){parsed.octet + 12, 4});
    end(start);
}

static struct dns_answer decoded(enum dns_type type, const char *asked)
{
    struct dns_answer a;
    arena_reset(&arena);
    dns_decode(buf_slice(&m), type, slice_of(asked), &arena, &a);
    return a;
}

static void is_name(struct slice got, const char *expected)
{
    if (!slice_eq(got, slice_of(expected))) {
        fail_msg("'%.*s' is not '%s'", (int)got.len, (const char *)got.ptr, expected);
    }
}

static void failed(enum dns_type type, const char *asked, const char *why)
{
    struct dns_answer a = decoded(type, asked);
    assert_int_equal(a.status, DNS_FAILED);
    assert_string_equal(a.why, why);
    assert_int_equal(a.n, 0);
}

static void test_chain(void **state)
{
    (void)state;
    /* the order of the records does not matter, nor do names that nobody asked for */
    head(ANSWER, "WWW.Example", DNS_A, 5, 0);
    rr_a("host.example", 300, "192.0.2.1");
    rr_name("alias.example", DNS_CNAME, 60, "HOST.example");
    rr_name("www.example", DNS_CNAME, 600, "alias.example");
    rr_a("host.example", 300, "192.0.2.2");
    rr_a("other.example", 1, "192.0.2.3");
    struct dns_answer a = decoded(DNS_A, "www.Example");
    assert_int_equal(a.status, DNS_FOUND);
    assert_int_equal(a.n, 2);
    assert_int_equal(a.ttl, 60);
    is_name(a.name, "host.example");
    assert_int_equal(a.record[0].ip.octet[15], 1);
    assert_int_equal(a.record[1].ip.octet[15], 2);
    assert_true(ip_is_v4(&a.record[1].ip));

    head(ANSWER, "www.example", DNS_CNAME, 1, 0);
    rr_name("www.example", DNS_CNAME, 600, "alias.example");
    a = decoded(DNS_CNAME, "www.example");
    assert_int_equal(a.n, 1);
    is_name(a.record[0].name, "alias.example");

    head(ANSWER, "a.example", DNS_A, 2, 0);
    rr_name("a.example", DNS_CNAME, 600, "b.example");
    rr_name("b.example", DNS_CNAME, 600, "a.example");
    failed(DNS_A, "a.example", "CNAMEs without end");
}

static void test_nothing(void **state)
{
    (void)state;
    head(ANSWER | 3, "no.example", DNS_TXT, 1, 1);
    rr_name("no.example", DNS_CNAME, 600, "gone.example");
    size_t start = rr("example", DNS_SOA, 900);
    name("ns.example");
    name("hostmaster.example");
    for (int i = 0; i < 9; i++) {
        u16(0);
    }
    u16(120);
    end(start);
    struct dns_answer a = decoded(DNS_TXT, "no.example");
    assert_int_equal(a.status, DNS_NXDOMAIN);
    is_name(a.name, "gone.example");
    assert_int_equal(a.ttl, 120);

    head(ANSWER, "some.example", DNS_TXT, 1, 0);
    rr_a("some.example", 300, "192.0.2.1");
    a = decoded(DNS_TXT, "some.example");
    assert_int_equal(a.status, DNS_NODATA);
    assert_int_equal(a.ttl, 0); /* no SOA: not to be kept */

    head(ANSWER | 2, "some.example", DNS_TXT, 0, 0);
    failed(DNS_TXT, "some.example", "SERVFAIL");
    head(ANSWER | 5, "some.example", DNS_TXT, 0, 0);
    failed(DNS_TXT, "some.example", "REFUSED");
}

static void test_types(void **state)
{
    (void)state;
    head(ANSWER, "e", DNS_MX, 2, 0);
    size_t start = rr("e", DNS_MX, 5);
    u16(10);
    (void)buf_add(&m, SLICE("\2MX\xc0\x0c")); /* to the question's name */
    end(start);
    start = rr("e", DNS_MX, 5);
    u16(0);
    name("");
    end(start);
    struct dns_answer a = decoded(DNS_MX, "e");
    assert_int_equal(a.n, 2);
    is_name(a.record[0].name, "mx.e");
    assert_int_equal(a.record[0].preference, 10);
    assert_true(slice_eq(a.record[0].data, SLICE("\0\12\2mx\1e\0")));
    is_name(a.record[1].name, "");
    assert_true(slice_eq(a.record[1].data, SLICE("\0\0\0")));

    head(ANSWER, "e", DNS_TXT, 1, 0);
    start = rr("e", DNS_TXT, 5);
    (void)buf_add(&m, SLICE("\2ab\0\3c\0d"));
    end(start);
    a = decoded(DNS_TXT, "e");
    assert_true(slice_eq(a.record[0].text, SLICE("abc\0d")));
    assert_true(slice_eq(a.record[0].data, SLICE("\2ab\0\3c\0d")));

    head(ANSWER, "e", DNS_TLSA, 1, 0);
    start = rr("e", DNS_TLSA, 5);
    (void)buf_add(&m, SLICE("\3\1\1xyz"));
    end(start);
    a = decoded(DNS_TLSA, "e");
    assert_true(slice_eq(a.record[0].data, SLICE("\3\1\1xyz")));

    head(ANSWER, "e", DNS_AAAA, 1, 0);
    start = rr("e", DNS_AAAA, 5);
    (void)buf_add(&m, SLICE("\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1"));
    end(start);
    a = decoded(DNS_AAAA, "e");
    assert_int_equal(a.record[0].ip.octet[1], 1);
    assert_int_equal(a.record[0].ip.octet[3], 0xb8);
}

/* A dot inside a label is no dot between labels. */
static void test_dot_in_label(void **state)
{
    (void)state;
    head(ANSWER, "e", DNS_PTR, 2, 0);
    size_t start = rr("e", DNS_PTR, 5);
    (void)buf_add(&m, SLICE("\3a.b\1c\0"));
    end(start);
    rr_name("e", DNS_PTR, 5, "d.c");
    struct dns_answer a = decoded(DNS_PTR, "e");
    assert_int_equal(a.n, 1);
    is_name(a.record[0].name, "d.c");

    head(ANSWER, "a.b", DNS_PTR, 1, 0); /* nor is its owner the one asked for */
    (void)buf_add(&m, SLICE("\3a.b\0"));
    (void)buf_add(&m, SLICE("\0\14\0\1\0\0\0\5\0\3\1z\0"));
    a = decoded(DNS_PTR, "a.b");
    assert_int_equal(a.status, DNS_NODATA);
}

static void test_malformed(void **state)
{
    static const struct {
        enum dns_type type;
        struct slice data;
    } bad[] = {
        {DNS_A, SLICE_INIT("\1\2\3")},      {DNS_A, SLICE_INIT("\1\2\3\4\5")},
        {DNS_AAAA, SLICE_INIT("\1\2\3\4")}, {DNS_TXT, SLICE_INIT("\3ab")},
        {DNS_MX, SLICE_INIT("\0")},         {DNS_MX, SLICE_INIT("\0\1")},
        {DNS_MX, SLICE_INIT("\0\1\1a\0x")}, {DNS_PTR, SLICE_INIT("")},
        {DNS_PTR, SLICE_INIT("\1a")},       {DNS_PTR, SLICE_INIT("\x40x\0")},
        {DNS_PTR, SLICE_INIT("\xff\xff")},  {DNS_SOA, SLICE_INIT("\0\0")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        head(ANSWER, "e", bad[i].type, 1, 0);
        size_t start = rr("e", bad[i].type, 5);
        (void)buf_add(&m, bad[i].data);
        end(start);
        failed(bad[i].type, "e", "a malformed answer");
    }
    /* a pointer to itself */
    head(ANSWER, "e", DNS_PTR, 1, 0);
    size_t start = rr("e", DNS_PTR, 5);
    u16(0xc000U | (unsigned)start);
    end(start);
    failed(DNS_PTR, "e", "a malformed answer");
    /* another question; a question back; none */
    head(ANSWER, "e", DNS_PTR, 0, 0);
    failed(DNS_PTR, "f", "a malformed answer");
    failed(DNS_A, "e", "a malformed answer");
    head(0, "e", DNS_PTR, 0, 0);
    failed(DNS_PTR, "e", "a malformed answer");
}

/* Every prefix of a good message fails. */
static void test_prefixes(void **state)
{
    (void)state;
    head(ANSWER, "www.example", DNS_A, 3, 0);
    rr_name("www.example", DNS_CNAME, 600, "alias.example");
    rr_a("alias.example", 300, "192.0.2.1");
    rr_a("alias.example", 300, "192.0.2.2");
    size_t whole = m.len;
    for (size_t len = 0; len < whole; len++) {
        unsigned char *copy = malloc(len + 1); /* so that reading beyond is seen */
        struct dns_answer a;
        assert_non_null(copy);
        memcpy(copy, m.ptr, len);
        arena_reset(&arena);
        dns_decode((struct slice){copy, len}, DNS_A, SLICE("www.example"), &arena, &a);
        assert_int_equal(a.status, DNS_FAILED);
        free(copy);
    }
    assert_int_equal(decoded(DNS_A, "www.example").n, 2);
}

static void test_large(void **state)
{
    (void)state;
    head(ANSWER, "e", DNS_TXT, 1, 0);
    size_t start = rr("e", DNS_TXT, 5);
    for (int i = 0; i < 255; i++) {
        (void)buf_add_byte(&m, 255);
        for (int n = 0; n < 255; n++) {
            (void)buf_add_byte(&m, (unsigned char)('a' + i % 26));
        }
    }
    end(start);
    struct dns_answer a = decoded(DNS_TXT, "e");
    assert_int_equal(a.record[0].text.len, 255 * 255);
    struct arena small;
    arena_init(&small, 8192);
    dns_decode(buf_slice(&m), DNS_TXT, SLICE("e"), &small, &a);
    assert_int_equal(a.status, DNS_FAILED);
    assert_string_equal(a.why, "the answer is too large");
    arena_clear(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),     cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_types),     cmocka_unit_test(test_dot_in_label),
        cmocka_unit_test(test_malformed), cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_large),
    };
    buf_init(&m, 128U * 1024);
    arena_init(&arena, 1024U * 1024);
    int res = cmocka_run_group_tests(tests, NULL, NULL);
    arena_clear(&arena);
    buf_clear(&m);
    return res;
}
