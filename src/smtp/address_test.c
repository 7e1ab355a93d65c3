/* smtp/address_test.c - the grammar of paths: tables, the edges of its limits, every prefix,
 * and short strings over the octets that it tells apart. */
#include "smtp/address.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { NULL_OK = 1, POSTMASTER_OK = 2, LITERAL = 4, UTF8 = 8 };

/* clang-format off */
static const struct {
    const char *in;
    const char *local, *domain; /* NULL: a fault */
    const char *fault;
    unsigned flags;
    size_t rest; /* octets behind the path */
} paths[] = {
    {"<a@b>", "a", "b", NULL, 0, 0},
    {"<a@b> SIZE=1", "a", "b", NULL, 0, 7},
    {"<a@b>x", "a", "b", NULL, 0, 1},
    {"<A.b-C+d@Xn--a.example>", "A.b-C+d", "Xn--a.example", NULL, 0, 0},
    {"<!#$%&'*+-/=?^_`{|}~@b.c>", "!#$%&'*+-/=?^_`{|}~", "b.c", NULL, 0, 0},
    {"<a@_x.9.y-z>", "a", "_x.9.y-z", NULL, 0, 0},
    {"<>", "", "", NULL, NULL_OK, 0},
    {"<> BODY=7BIT", "", "", NULL, NULL_OK, 10},
    {"<>", NULL, NULL, "the address is empty", 0, 0},
    {"<postmaster>", "postmaster", "", NULL, POSTMASTER_OK, 0},
    {"<PostMaster>", "PostMaster", "", NULL, POSTMASTER_OK, 0},
    {"<postmaster>", NULL, NULL, "the address has no domain", 0, 0},
    {"<abuse>", NULL, NULL, "the address has no domain", POSTMASTER_OK, 0},
    {"<\"postmaster\">", NULL, NULL, "the address has no domain", POSTMASTER_OK, 0},
    {"<postmaster@b>", "postmaster", "b", NULL, 0, 0},
    /* quoted strings */
    {"<\"a\"@b>", "\"a\"", "b", NULL, 0, 0},
    {"<\"\"@b>", "\"\"", "b", NULL, 0, 0},
    {"<\"a b@c>,<..\"@b>", "\"a b@c>,<..\"", "b", NULL, 0, 0},
    {"<\"a\\\"\\\\\\ \\a\"@b>", "\"a\\\"\\\\\\ \\a\"", "b", NULL, 0, 0},
    {"<\"a@b>", NULL, NULL, "the quoted string in the local part does not end, or has a character that none may have", 0, 0},
    {"<\"a\\\"@b>", NULL, NULL, "the quoted string in the local part does not end, or has a character that none may have", 0, 0},
    {"<\"a\tb\"@b>", NULL, NULL, "the quoted string in the local part does not end, or has a character that none may have", 0, 0},
    {"<\"a\x7f\"@b>", NULL, NULL, "the quoted string in the local part does not end, or has a character that none may have", 0, 0},
    {"<\"a\\\t\"@b>", NULL, NULL, "the quoted string in the local part does not end, or has a character that none may have", 0, 0},
    {"<\"a\\\xc3\xa9\"@b>", NULL, NULL, "the quoted string in the local part does not end, or has a character that none may have", 0, 0},
    {"<\"a\"b@c>", NULL, NULL, "the local part has a character that none may have, or the path has no >", 0, 0},
    {"<a\"b\"@c>", NULL, NULL, "the local part has a character that none may have, or the path has no >", 0, 0},
    /* dots */
    {"<.a@b>", NULL, NULL, "the local part starts with a dot", 0, 0},
    {"<a.@b>", NULL, NULL, "the local part ends in a dot", 0, 0},
    {"<a..b@c>", NULL, NULL, "the local part has two dots in a row", 0, 0},
    /* what is missing, or too much */
    {"", NULL, NULL, "the address does not stand in <angle brackets>", 0, 0},
    {"a@b", NULL, NULL, "the address does not stand in <angle brackets>", 0, 0},
    {" <a@b>", NULL, NULL, "the address does not stand in <angle brackets>", 0, 0},
    {"<", NULL, NULL, "the local part is empty or starts with a character that none may have", 0, 0},
    {"< a@b>", NULL, NULL, "the local part is empty or starts with a character that none may have", 0, 0},
    {"<@b>", NULL, NULL, "the local part is empty or starts with a character that none may have", 0, 0},
    {"<(c)a@b>", NULL, NULL, "the local part is empty or starts with a character that none may have", 0, 0},
    {"<a", NULL, NULL, "the local part has a character that none may have, or the path has no >", 0, 0},
    {"<a b@c>", NULL, NULL, "the local part has a character that none may have, or the path has no >", 0, 0},
    {"<a(c)@b>", NULL, NULL, "the local part has a character that none may have, or the path has no >", 0, 0},
    {"<a,b@c>", NULL, NULL, "the local part has a character that none may have, or the path has no >", 0, 0},
    {"<<a@b>>", NULL, NULL, "the local part is empty or starts with a character that none may have", 0, 0},
    {"<a@b", NULL, NULL, "the path has no closing >", 0, 0},
    {"<a@>", NULL, NULL, "the domain is empty", 0, 0},
    {"<a@b.>", NULL, NULL, "the domain has an empty label", 0, 0},
    {"<a@.b>", NULL, NULL, "the domain has an empty label", 0, 0},
    {"<a@b..c>", NULL, NULL, "the domain has an empty label", 0, 0},
    {"<a@-b>", NULL, NULL, "a label of the domain starts with a hyphen", 0, 0},
    {"<a@b-.c>", NULL, NULL, "a label of the domain ends in a hyphen", 0, 0},
    {"<a@b->", NULL, NULL, "a label of the domain ends in a hyphen", 0, 0},
    {"<a@b c>", NULL, NULL, "the domain has a character that none may have", 0, 0},
    {"<a@b@c>", NULL, NULL, "the domain has a character that none may have", 0, 0},
    {"<a@b\x01>", NULL, NULL, "the domain has a character that none may have", 0, 0},
    /* literals */
    {"<a@[192.0.2.1]>", "a", "[192.0.2.1]", NULL, LITERAL, 0},
    {"<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]", NULL, LITERAL, 0},
    {"<a@[192.0.2.1>", NULL, NULL, "the address literal has no closing bracket", 0, 0},
    {"<a@[>", NULL, NULL, "the address literal has no closing bracket", 0, 0},
    {"<a@[]>", NULL, NULL, "the address literal is no IPv4 address and no IPv6: address", 0, 0},
    {"<a@[192.0.2.1].b>", NULL, NULL, "the address literal has no closing bracket", 0, 0},
    {"<a@[x:y]>", NULL, NULL, "the address literal is no IPv4 address and no IPv6: address", 0, 0},
    /* source routes */
    {"<@x:a@b>", "a", "b", NULL, 0, 0},
    {"<@x.example,@y.example:a@b> SIZE=1", "a", "b", NULL, 0, 7},
    {"<@x:postmaster>", "postmaster", "", NULL, POSTMASTER_OK, 0},
    {"<@\xc3\xa9:a@b>", "a", "b", NULL, UTF8, 0},
    {"<@x,y:a@b>", NULL, NULL, "the local part is empty or starts with a character that none may have", 0, 0},
    {"<@x,:a@b>", NULL, NULL, "the local part is empty or starts with a character that none may have", 0, 0},
    {"<@:a@b>", NULL, NULL, "the local part is empty or starts with a character that none may have", 0, 0},
    {"<@x:>", NULL, NULL, "the local part is empty or starts with a character that none may have", 0, 0},
    {"<@x:@y:a@b>", NULL, NULL, "the local part is empty or starts with a character that none may have", 0, 0},
    {"<@-x:a@b>", NULL, NULL, "the local part is empty or starts with a character that none may have", 0, 0},
    /* UTF-8 */
    {"<\xc3\xa9@b>", "\xc3\xa9", "b", NULL, UTF8, 0},
    {"<a@\xe4\xbe\x8b.example>", "a", "\xe4\xbe\x8b.example", NULL, UTF8, 0},
    {"<\"\xf0\x9f\x93\xa7 x\"@b>", "\"\xf0\x9f\x93\xa7 x\"", "b", NULL, UTF8, 0},
    {"<\xff@b>", NULL, NULL, "the local part is not well-formed UTF-8", 0, 0},
    {"<\xc3@b>", NULL, NULL, "the local part is not well-formed UTF-8", 0, 0},
    {"<\"\xc3\"@b>", NULL, NULL, "the local part is not well-formed UTF-8", 0, 0},
    {"<a@\xc3.b>", NULL, NULL, "the domain is not well-formed UTF-8", 0, 0},
};
/* clang-format on */

static smtp_fault take(struct slice in, unsigned flags, struct smtp_path *out)
{
    return smtp_path_take(in, (flags & NULL_OK) != 0, (flags & POSTMASTER_OK) != 0, out);
}

/* What must hold for any path that was taken. */
static bool path_ok(struct slice in, const struct smtp_path *p)
{
    bool null = p->mailbox.len == 0;
    size_t domain = p->domain.len > 0 ? p->domain.len + 1 : 0;
    return p->used >= 2 && p->used <= in.len && in.ptr[0] == '<' &&
           in.ptr[p->used - 1] == '>' && p->local.len <= SMTP_LOCAL_MAX &&
           p->mailbox.len + 2 <= SMTP_PATH_MAX &&
           p->mailbox.len == p->local.len + domain && (p->local.len > 0 || null) &&
           p->literal == (p->domain.len > 0 && p->domain.ptr[0] == '[') &&
           (null || (p->local.ptr == p->mailbox.ptr &&
                     p->mailbox.ptr + p->mailbox.len == in.ptr + p->used - 1));
}

static void test_paths(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct smtp_path untouched, p;
        struct slice in = slice_of(paths[i].in);
        memset(&untouched, 0x55, sizeof untouched);
        p = untouched;
        smtp_fault fault = take(in, paths[i].flags, &p);
        if (paths[i].fault != NULL) {
            if (fault == NULL || strcmp(fault, paths[i].fault) != 0) {
                fail_msg("%s: %s", paths[i].in, fault == NULL ? "taken" : fault);
            }
            assert_memory_equal(&p, &untouched, sizeof p);
            continue;
        }
        if (fault != NULL) {
            fail_msg("%s: %s", paths[i].in, fault);
        }
        assert_true(path_ok(in, &p));
        assert_true(slice_eq(p.local, slice_of(paths[i].local)));
        assert_true(slice_eq(p.domain, slice_of(paths[i].domain)));
        assert_int_equal(p.literal, (paths[i].flags & LITERAL) != 0);
        assert_int_equal(p.utf8, (paths[i].flags & UTF8) != 0);
        assert_int_equal(in.len - p.used, paths[i].rest);
    }
}

/* A path is taken the same whatever follows it, and no part of one is a path. */
static void test_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct slice in = slice_of(paths[i].in);
        struct smtp_path whole = {0};
        bool taken = take(in, paths[i].flags, &whole) == NULL;
        for (size_t n = 0; n <= in.len; n++) {
            unsigned char
                copy[256]; /* its own memory: a read behind it is seen by ASan */
            struct slice part = {memcpy(copy + sizeof copy - n, in.ptr, n), n};
            struct smtp_path p = {0};
            bool ok = take(part, paths[i].flags, &p) == NULL;
            assert_int_equal(ok, taken && n >= whole.used);
            assert_true(!ok || p.used == whole.used);
        }
    }
}

/* a and b are numbers of digits. */
static const char *fault_of(const char *before, int a, const char *between, int b,
                            const char *after)
{
    static char text[2048];
    struct smtp_path p;
    int n =
        snprintf(text, sizeof text, "%s%0*d%s%0*d%s", before, a, 0, between, b, 0, after);
    return smtp_path_take((struct slice){(unsigned char *)text, (size_t)n}, false, false,
                          &p);
}

static void test_limits(void **state)
{
    (void)state;
    assert_null(fault_of("<", 64, "@", 63, ">"));
    assert_string_equal(fault_of("<", 65, "@", 63, ">"),
                        "the local part is longer than 64 octets");
    assert_string_equal(fault_of("<", 64, "@", 64, ">"),
                        "a label of the domain is longer than 63 octets");
    assert_string_equal(fault_of("<", 64, "@", 64, ".b>"),
                        "a label of the domain is longer than 63 octets");
    assert_null(fault_of("<\"", 62, "\"@", 1, ">"));
    assert_string_equal(fault_of("<\"", 63, "\"@", 1, ">"),
                        "the local part is longer than 64 octets");
    /* 254 octets: RFC 5321 4.5.3.1.3, with the brackets 256 */
#define L60 "012345678901234567890123456789012345678901234567890123456789"
    assert_null(fault_of("<", 64, "@" L60 "." L60 "." L60 ".", 6, ">"));
    assert_string_equal(fault_of("<", 64, "@" L60 "." L60 "." L60 ".", 7, ">"),
                        "the address is longer than 254 octets");
    assert_null(fault_of("<", 1, "@" L60 "." L60 "." L60 "." L60 ".", 8, ">"));
    assert_string_equal(fault_of("<", 1, "@" L60 "." L60 "." L60 "." L60 ".", 9, ">"),
                        "the address is longer than 254 octets");
    assert_string_equal(fault_of("<", 1, "@" L60 "." L60 "." L60 "." L60 ".", 12, ">"),
                        "the domain is longer than 255 octets");
    /* the route counts for nothing */
    assert_null(fault_of("<@" L60 "." L60 ":", 64, "@" L60 "." L60 "." L60 ".", 6, ">"));
    assert_null(
        smtp_domain_check(SLICE(L60 "." L60 "." L60 "." L60 ".0123456789a"), false));
    assert_non_null(
        smtp_domain_check(SLICE(L60 "." L60 "." L60 "." L60 ".0123456789ab"), false));
#undef L60
    /* a U-label of 33 characters, 66 octets */
    char label[80] = "";
    for (size_t i = 0; i < 33; i++) {
        memcpy(label + 2 * i, "\xc3\xa9", 2);
    }
    assert_null(smtp_domain_check(slice_of(label), true));
    assert_string_equal(smtp_domain_check(slice_of(label), false),
                        "the domain has octets that are not ASCII");
}

/* The same as the C library says, but for what the comments name. */
static void test_ipv6(void **state)
{
    (void)state;
    static const struct slice parts[] = {SLICE_INIT(":"),      SLICE_INIT("::"),
                                         SLICE_INIT("1"),      SLICE_INIT("1:2:3"),
                                         SLICE_INIT("Ab09"),   SLICE_INIT("192.0.2.1"),
                                         SLICE_INIT("1:2:3:"), SLICE_INIT("f:")};
    unsigned good = 0;
    for (unsigned n = 0; n < 1U << 18; n++) {
        char text[96] = "[IPv6:";
        size_t len = 6;
        for (unsigned i = 0; i < 6; i++) {
            struct slice part = parts[n >> (3 * i) & 7U];
            memcpy(text + len, part.ptr, part.len);
            len += part.len;
            unsigned char octets[16];
            text[len] = '\0';
            bool want = inet_pton(AF_INET6, text + 6, octets) == 1;
            text[len] = ']';
            struct slice literal = {(unsigned char *)text, len + 1};
            if ((smtp_literal_check(literal) == NULL) != want) {
                fail_msg("%.*s: the C library says %d", (int)len + 1, text, want);
            }
            good += want;
        }
    }
    assert_true(good > 100);
    assert_null(smtp_literal_check(SLICE("[ipv6:::]")));
    assert_non_null(smtp_literal_check(SLICE("[::1]")));
    assert_non_null(smtp_literal_check(SLICE("[IPv6:::1%eth0]")));
    assert_non_null(smtp_literal_check(SLICE("[IPv6:12345::]")));
    assert_non_null(smtp_literal_check(SLICE("[IPv6:g::]")));
}

static void test_ipv4(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        bool ok;
    } cases[] = {
        {SLICE_INIT("[0.0.0.0]"), true},
        {SLICE_INIT("[255.255.255.255]"), true},
        {SLICE_INIT("[001.02.3.4]"), true},
        {SLICE_INIT("[256.0.0.1]"), false},
        {SLICE_INIT("[1.2.3]"), false},
        {SLICE_INIT("[1.2.3.4.5]"), false},
        {SLICE_INIT("[1.2.3.]"), false},
        {SLICE_INIT("[1..3.4]"), false},
        {SLICE_INIT("[1.2.3.0004]"), false},
        {SLICE_INIT("[1.2.3.4 ]"), false},
        {SLICE_INIT("[1.2.3.4"), false},
        {SLICE_INIT("1.2.3.4]"), false},
        {SLICE_INIT("["), false},
        {SLICE_INIT(""), false},
        {SLICE_INIT("[a.2.3.4]"), false},
        {SLICE_INIT("[-1.2.3.4]"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if ((smtp_literal_check(cases[i].in) == NULL) != cases[i].ok) {
            fail_msg("%.*s", (int)cases[i].in.len, (const char *)cases[i].in.ptr);
        }
    }
}

/* Every string of up to 4 octets that matter, against the code points they would be. */
static void test_utf8(void **state)
{
    (void)state;
    static const unsigned char kinds[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                          0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed,
                                          0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
    size_t n_kinds = sizeof kinds;
    for (size_t n = 0; n < n_kinds * n_kinds * n_kinds * n_kinds; n++) {
        unsigned char s[4];
        for (size_t i = 0, rest = n; i < 4; i++, rest /= n_kinds) {
            s[i] = kinds[rest % n_kinds];
        }
        for (size_t len = 1; len <= 4; len++) {
            /* one character, or none, of exactly len octets */
            uint32_t c = s[0] & (len == 1 ? 0x7fU : 0xffU >> (len + 1));
            bool ok = len == 1
                          ? s[0] < 0x80
                          : (unsigned)s[0] >> (7 - len) == (0xffU >> (7 - len) & ~1U);
            for (size_t i = 1; i < len; i++) {
                ok = ok && (s[i] & 0xc0U) == 0x80U;
                c = c << 6 | (s[i] & 0x3fU);
            }
            static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
            ok = ok && c >= least[len] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
            /* it may still be several characters, the first of them shorter */
            bool whole = smtp_utf8_ok((struct slice){s, len});
            if (ok) {
                assert_true(whole);
            } else if (s[0] >= 0x80) {
                bool shorter = false;
                for (size_t cut = 2; cut < len; cut++) {
                    shorter = shorter || smtp_utf8_ok((struct slice){s, cut});
                }
                assert_true(!whole || shorter);
            }
        }
    }
    assert_true(smtp_utf8_ok(SLICE("")));
    assert_false(smtp_utf8_ok(SLICE("a\xc3")));
    assert_false(smtp_utf8_ok(SLICE("\xed\xa0\x80")));
    assert_false(smtp_utf8_ok(SLICE("\xc0\xaf")));
}

static void test_unquote(void **state)
{
    (void)state;
    static const struct {
        struct slice in, out;
    } cases[] = {
        {SLICE_INIT("a.b"), SLICE_INIT("a.b")},
        {SLICE_INIT("\"a.b\""), SLICE_INIT("a.b")},
        {SLICE_INIT("\"\\a\\.\\b\""), SLICE_INIT("a.b")},
        {SLICE_INIT("\"a \\\" \\\\\""), SLICE_INIT("a \" \\")},
        {SLICE_INIT("\"\""), SLICE_INIT("")},
        {SLICE_INIT("\xc3\xa9"), SLICE_INIT("\xc3\xa9")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char out[SMTP_LOCAL_MAX];
        assert_true(slice_eq(smtp_local_unquote(cases[i].in, out), cases[i].out));
    }
    unsigned char out[SMTP_LOCAL_MAX];
    struct slice long_one =
        SLICE("0123456789012345678901234567890123456789012345678901234567890123"
              "4567"); /* more than a local part can have: cut, not past out */
    assert_int_equal(smtp_local_unquote(long_one, out).len, SMTP_LOCAL_MAX);
}

/* Short strings over what the grammar tells apart: what is taken keeps its promises. */
static void test_exhaustive(void **state)
{
    (void)state;
    static const unsigned char kinds[] = {'<', '>',  '@',  '"', '\\', '.', ',', ':',
                                          'a', 0xc3, 0xa9, '[', ']',  '-', ' ', '\0'};
    for (unsigned n = 0; n < 1U << 20; n++) {
        unsigned char in[8] = {'<'};
        for (unsigned i = 0; i < 5; i++) {
            in[i + 1] = kinds[n >> (4 * i) & 15U];
        }
        in[6] = '>';
        struct smtp_path p = {0};
        struct slice s = {in, 7};
        if (smtp_path_take(s, true, true, &p) == NULL) {
            assert_true(path_ok(s, &p));
            assert_true(p.utf8 || smtp_utf8_ok((struct slice){in, p.used}));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),   cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_limits),  cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_ipv6),    cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_unquote), cmocka_unit_test(test_exhaustive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
