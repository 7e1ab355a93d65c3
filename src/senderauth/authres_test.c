/* senderauth/authres_test.c - Authentication-Results written, and known again in every disguise */
#include "senderauth/authres.h"

#include "message/fields.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void expect_field(const struct authres_item *items, unsigned n, bool utf8,
                         const char *want)
{
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_true(authres_write(&out, SLICE("mx.example.org"), items, n, utf8));
    if (!slice_eq(buf_slice(&out), slice_of(want))) {
        fail_msg("%.*s, not %s", (int)out.len, (char *)out.ptr, want);
    }
    buf_clear(&out);
}

static void written(void **state)
{
    (void)state;
    expect_field(NULL, 0, false, "Authentication-Results: mx.example.org; none\r\n");
    const struct authres_item items[] = {
        {"spf", "pass", .prop = {{"smtp.mailfrom", SLICE("ann@example.com")}}},
        {"dkim", "fail", .comment = SLICE("body (was) changed"),
         .reason = SLICE("body changed"),
         .prop = {{"header.d", SLICE("example.com")},
                  {"header.i", SLICE("@example.com")},
                  {"header.b", SLICE("ab/+cd12")}}},
    };
    expect_field(items, 2, false,
                 "Authentication-Results: mx.example.org;\r\n"
                 "\tspf=pass smtp.mailfrom=ann@example.com;\r\n"
                 "\tdkim=fail (body \\(was\\) changed) reason=\"body changed\" "
                 "header.d=example.com\r\n"
                 "\theader.i=@example.com header.b=\"ab/+cd12\"\r\n");
}

/* What a sender puts into a value never becomes a field, a line or a result of its own. */
static void hostile_values(void **state)
{
    (void)state;
    const struct authres_item items[] = {
        {"spf", "fail", .comment = SLICE("\\) dkim=pass\r\nX: y"),
         .prop = {{"smtp.mailfrom", SLICE("a; dkim=pass\r\n\"b\\@x\xc3\xbc\0")},
                  {"smtp.helo", SLICE("a@b@c")}}}};
    expect_field(items, 1, false,
                 "Authentication-Results: mx.example.org;\r\n"
                 "\tspf=fail (\\\\\\) dkim=pass??X: y) "
                 "smtp.mailfrom=\"a; dkim=pass??\\\"b\\\\@x???\"\r\n"
                 "\tsmtp.helo=\"a@b@c\"\r\n");
    const struct authres_item u = {"auth", "pass",
                                   .prop = {{"smtp.auth", SLICE("m\xc3\xbcller")}}};
    expect_field(&u, 1, true,
                 "Authentication-Results: mx.example.org;\r\n"
                 "\tauth=pass smtp.auth=\"m\xc3\xbcller\"\r\n");
}

/* Any octets: one field, no line over 998, ASCII only. */
static void always_one_field(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int round = 0; round < 2000; round++) {
        unsigned char value[400];
        size_t len = 0, i = 0;
        for (i = 0; i < sizeof value; i++) {
            seed = seed * 1103515245 + 12345;
            value[i] = (unsigned char)(seed >> 16);
        }
        len = (seed >> 8) % sizeof value;
        struct slice v = {value, len};
        struct authres_item item = {"x", "y", .comment = v, .reason = v,
                                    .prop = {{"a.b", v}}};
        struct buf out;
        buf_init(&out, 1 << 16);
        assert_true(authres_write(&out, v, &item, 1, false));
        struct slice rest = buf_slice(&out), line, all = rest;
        struct header_field f;
        unsigned number = 1;
        assert_true(header_field_next(&rest, &number, &f));
        assert_int_equal(rest.len, 0);
        assert_true(authres_is_from(f.value, slice_sub(v, 0, 1), NULL) || len != 1 ||
                    value[0] < 33 || value[0] > 126);
        while (slice_line(&all, &line)) {
            assert_true(line.len < 998);
            for (i = 0; i < line.len; i++) {
                assert_true(line.ptr[i] < 127 &&
                            (line.ptr[i] >= ' ' || line.ptr[i] == '\t'));
            }
        }
        buf_clear(&out);
    }
}

static void known_again(void **state)
{
    (void)state;
    static const struct row {
        const char *value;
        bool ours;
        const char *results;
    } rows[] = {
        {" mx.example.org; spf=pass", true, "; spf=pass"},
        {"mx.example.org", true, ""},
        {" MX.Example.ORG 1; none", true, "; none"},
        {" mx.example.org/1; none", true, "; none"},
        {"\r\n\tmx.example.org\r\n\t;none", true, ";none"},
        {" (a (nested; \\) comment)) mx.example.org (v 1; x) ; y", true, "; y"},
        {" \"mx.example.org\"; y", true, "; y"},
        {" \"mx.exam\\ple.org\"; y", true, "; y"},
        {" mx.example.org.; y", true, "; y"},
        {" mx.example.org(;)1(;);y", true, ";y"},
        {" other.example.org; mx.example.org", false, NULL},
        {" xmx.example.org; y", false, NULL},
        {" mx.example.org.evil.example; y", false, NULL},
        {"; mx.example.org", false, NULL},
        {"", false, NULL},
        {" (mx.example.org; y", false, NULL},
        {" \"mx.example.org; y", false, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct slice results = {0};
        bool ours =
            authres_is_from(slice_of(rows[i].value), SLICE("mx.example.org"), &results);
        if (ours != rows[i].ours ||
            (ours && !slice_eq(results, slice_of(rows[i].results)))) {
            fail_msg("%s: %d %.*s", rows[i].value, ours, (int)results.len,
                     (const char *)results.ptr);
        }
    }
    assert_true(authres_is_from(SLICE(" m\xc3\xbcller.example; x"),
                                SLICE("xn--mller-kva.example"), NULL));
    assert_true(authres_is_from(SLICE(" xn--mller-KVA.example; x"),
                                SLICE("m\xc3\xbcller.example"), NULL));
}

static void instances(void **state)
{
    (void)state;
    static const struct row {
        const char *value;
        unsigned instance;
    } rows[] = {
        {" i=1; mx.example.org; none", 1},
        {"i=50;", 50},
        {" (c) I (c) = (c) 07 (c) ; x", 7},
        {" i=0; x", 0},
        {" i=1 x", 0},
        {" i=100; x", 0},
        {" x; i=1;", 0},
        {" i=; x", 0},
        {"", 0},
        {" i", 0},
        {" i=-1; x", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned n = 0;
        struct slice rest;
        bool ok = authres_instance(slice_of(rows[i].value), &n, &rest);
        assert_int_equal(ok ? n : 0, rows[i].instance);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written),          cmocka_unit_test(hostile_values),
        cmocka_unit_test(always_one_field), cmocka_unit_test(known_again),
        cmocka_unit_test(instances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
