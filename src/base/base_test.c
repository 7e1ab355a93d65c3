/* base/base_test.c - the small modules of base: one table or property each. */
#include "base/arena.h"
#include "base/base32.h"
#include "base/base64.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/fields.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/map.h"
#include "base/wire.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void test_slice(void **state)
{
    (void)state;
    struct slice s = SLICE("abc");
    assert_true(slice_eq(slice_sub(s, 1, 9), SLICE("bc")));
    assert_true(slice_eq(slice_sub(s, 9, 9), SLICE("")));
    assert_true(slice_ieq(SLICE("AbC"), s));
    assert_false(slice_ieq(SLICE("abd"), s));
    assert_true(slice_istarts(SLICE("MAIL FROM:"), SLICE("mail")));
    assert_false(slice_starts(SLICE("ma"), SLICE("mail")));
    assert_int_equal(slice_find(s, 'c'), 2);
    assert_int_equal(slice_find(s, 'x'), 3);
    assert_int_equal(slice_rfind(SLICE("a.b.c"), '.'), 3);
    assert_true(slice_eq(slice_trim(SLICE(" \tx y\t ")), SLICE("x y")));
    assert_true(slice_eq(slice_trim(SLICE(" \t ")), SLICE("")));
    assert_true(slice_eq(slice_strip(SLICE("\r\n a \n")), SLICE("a")));
    assert_int_equal(slice_search(SLICE("abcabd"), SLICE("abd")), 3);
    assert_int_equal(slice_search(SLICE("abc"), SLICE("abcd")), 3);
    assert_int_equal(slice_search(SLICE(""), SLICE("")), 0);
    assert_int_equal(slice_isearch(SLICE("xABd"), SLICE("abD")), 1);
    assert_int_equal(slice_isearch(SLICE("xAB"), SLICE("abd")), 3);
    struct slice rest = SLICE("a\r\n\nb"), line;
    assert_true(slice_line(&rest, &line) && slice_eq(line, SLICE("a")));
    assert_true(slice_line(&rest, &line) && line.len == 0);
    assert_true(slice_line(&rest, &line) && slice_eq(line, SLICE("b")));
    assert_false(slice_line(&rest, &line));
    assert_true(slice_cmp(SLICE("ab"), SLICE("abc")) < 0);

    char c[4];
    assert_true(slice_cstr(s, c, sizeof c));
    assert_string_equal(c, "abc");
    assert_false(slice_cstr(SLICE("abcd"), c, sizeof c));
    assert_string_equal(c, "");
    assert_false(slice_cstr(SLICE("a\0b"), c, sizeof c));
}

static void test_slice_kinds(void **state)
{
    (void)state;
    assert_true(slice_is_ascii(SLICE("")));
    assert_true(slice_is_ascii(SLICE("a\0\x7f")));
    assert_false(slice_is_ascii(SLICE("a\x80")));
    assert_true(ascii_is_blank(' ') && ascii_is_blank('\t'));
    assert_false(ascii_is_blank('\n') || ascii_is_blank('x'));
}

static void test_file(void **state)
{
    (void)state;
    enum { OCTETS = 10000 };
    unsigned char octets[OCTETS];
    for (size_t i = 0; i < OCTETS; i++) {
        octets[i] = (unsigned char)i;
    }
    FILE *f = tmpfile();
    assert_non_null(f);
    assert_true(file_write(fileno(f), (struct slice){octets, OCTETS}));

    struct buf b;
    buf_init(&b, 2 * OCTETS);
    (void)buf_add_str(&b, "x");
    assert_int_equal(lseek(fileno(f), 0, SEEK_SET), 0);
    assert_true(file_read(fileno(f), &b));
    assert_int_equal(b.len, 1 + OCTETS);
    assert_memory_equal(buf_slice(&b).ptr + 1, octets, OCTETS);
    buf_clear(&b);

    buf_init(&b, OCTETS / 2);
    assert_int_equal(lseek(fileno(f), 0, SEEK_SET), 0);
    assert_false(file_read(fileno(f), &b));
    assert_int_equal(errno, EFBIG);
    buf_clear(&b);
    assert_int_equal(fclose(f), 0);
    buf_init(&b, OCTETS);
    assert_false(file_read(-1, &b));
    assert_int_equal(errno, EBADF);
    errno = 0;
    assert_false(file_write(-1, (struct slice){octets, 1}));
    assert_int_equal(errno, EBADF);
    buf_clear(&b);
}

static void test_number(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        bool ok;
        uint64_t value;
    } cases[] = {
        {SLICE_INIT("0"), true, 0},
        {SLICE_INIT("18446744073709551615"), true, UINT64_MAX},
        {SLICE_INIT("18446744073709551616"), false, 0},
        {SLICE_INIT("184467440737095516150"), false, 0},
        {SLICE_INIT(""), false, 0},
        {SLICE_INIT("-1"), false, 0},
        {SLICE_INIT("1 "), false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t value = 0;
        assert_int_equal(slice_u64(cases[i].in, &value), cases[i].ok);
        assert_int_equal(value, cases[i].value);
    }
}

static void test_buf(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_true(buf_add_str(&b, "12345"));
    assert_true(buf_add_fmt(&b, "%d", 67));
    assert_true(slice_eq(buf_slice(&b), SLICE("1234567")));
    assert_false(buf_add_str(&b, "89ab"));
    assert_true(b.failed);
    assert_false(buf_add_str(&b, "8")); /* sticky */
    buf_reset(&b);
    assert_true(buf_add_escaped(&b, SLICE("a\n\xff")));
    assert_true(slice_eq(buf_slice(&b), SLICE("a\\x0a\\xff")));
    buf_consume(&b, 1);
    assert_int_equal(b.len, 8);
    buf_clear(&b);
}

static void test_buf_shown(void **state)
{
    (void)state;
    static const struct {
        struct slice in, shown;
    } cases[] = {
        {SLICE_INIT("j\xc3\xb6rg@b\xc3\xbc.example \xe6\x94\xb6 \xf0\x9f\x93\xa7"),
         SLICE_INIT("j\xc3\xb6rg@b\xc3\xbc.example \xe6\x94\xb6 \xf0\x9f\x93\xa7")},
        {SLICE_INIT("\"\\\x1b\x7f"), SLICE_INIT("\\x22\\x5c\\x1b\\x7f")},
        {SLICE_INIT("\xc2\x9b"), SLICE_INIT("\\xc2\\x9b")}, /* CSI of C1 */
        /* NOLINTNEXTLINE(misc-misleading-bidirectional): RLO, which it is about */
        {SLICE_INIT("\xe2\x80\xae."), SLICE_INIT("\\xe2\\x80\\xae.")},
        {SLICE_INIT("\xef\xbb\xbf"), SLICE_INIT("\\xef\\xbb\\xbf")},
        {SLICE_INIT("\xc0\xaf\xe0\x80\xaf"),
         SLICE_INIT("\\xc0\\xaf\\xe0\\x80\\xaf")},                   /* overlong */
        {SLICE_INIT("\xed\xa0\x80"), SLICE_INIT("\\xed\\xa0\\x80")}, /* surrogate */
        {SLICE_INIT("\xf4\x90\x80\x80"), SLICE_INIT("\\xf4\\x90\\x80\\x80")},
        {SLICE_INIT("a\xc3"), SLICE_INIT("a\\xc3")}, /* cut off */
        {SLICE_INIT("\xc3\xc3\xb6"), SLICE_INIT("\\xc3\xc3\xb6")},
        {SLICE_INIT("\xe9"), SLICE_INIT("\\xe9")},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b;
        buf_init(&b, 100);
        assert_true(buf_add_shown(&b, cases[i].in));
        assert_true(slice_eq(buf_slice(&b), cases[i].shown));
        buf_clear(&b);
    }
}

static void test_arena(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    struct slice copy = {0};
    assert_true(arena_dup(&a, SLICE("hello"), &copy));
    assert_true(slice_eq(copy, SLICE("hello")));
    size_t n = 0;
    while (arena_alloc(&a, 100) != NULL) {
        n++;
        assert_true(n < 100);
    }
    assert_true(n > 20);
    assert_true(a.used <= a.max);
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 100));
    assert_null(arena_alloc(&a, SIZE_MAX));
    arena_clear(&a);
    assert_int_equal(a.used, 0);
}

static void test_arena_marks(void **state)
{
    (void)state;
    struct arena a;
    struct slice kept = {0};
    arena_init(&a, 64 * 1024);
    struct arena_mark empty = arena_mark(&a);
    assert_true(arena_dup(&a, SLICE("kept"), &kept));
    size_t used = a.used;
    for (size_t n = 16; n < 5000; n += 700) { /* in the block, in one more, in many */
        struct arena_mark mark = arena_mark(&a);
        for (int i = 0; i < 3; i++) {
            assert_non_null(arena_alloc(&a, n));
        }
        struct arena_mark inner = arena_mark(&a);
        assert_non_null(arena_alloc(&a, n));
        arena_release(&a, inner);
        arena_release(&a, mark);
        assert_int_equal(a.used, used);
        assert_true(slice_eq(kept, SLICE("kept")));
    }
    arena_release(&a, empty);
    unsigned char *again = arena_alloc(&a, 4);
    assert_ptr_equal(again, kept.ptr);
    assert_int_equal(again[0], 0);
    arena_clear(&a);
    assert_int_equal(a.used, 0);
}

static void test_crc32c(void **state)
{
    (void)state;
    /* RFC 3720 B.4 */
    unsigned char buf[32] = {0};
    assert_int_equal(crc32c(0, (struct slice){buf, 32}), 0x8a9136aaU);
    memset(buf, 0xff, sizeof buf);
    assert_int_equal(crc32c(0, (struct slice){buf, 32}), 0x62a8ab43U);
    for (unsigned char i = 0; i < 32; i++) {
        buf[i] = i;
    }
    assert_int_equal(crc32c(0, (struct slice){buf, 32}), 0x46dd794eU);
    for (size_t cut = 0; cut <= 32; cut++) {
        uint32_t part = crc32c(0, (struct slice){buf, cut});
        assert_int_equal(crc32c(part, (struct slice){buf + cut, 32 - cut}), 0x46dd794eU);
    }
}

static void test_clock_text(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_MAX], want[CLOCK_TEXT_MAX];
    assert_true(
        slice_eq(clock_text(1795328146250, text), SLICE("2026-11-22T06:15:46.250Z")));
    assert_true(
        slice_eq(clock_text(UINT64_MAX, text), SLICE("9999-12-31T23:59:59.999Z")));

    char date[CLOCK_MAIL_DATE_MAX];
    assert_true(slice_eq(clock_mail_date(1795328146250, date),
                         SLICE("Sun, 22 Nov 2026 06:15:46 +0000")));
    assert_true(
        slice_eq(clock_mail_date(0, date), SLICE("Thu, 1 Jan 1970 00:00:00 +0000")));
    assert_true(slice_eq(clock_mail_date(951782400000, date),
                         SLICE("Tue, 29 Feb 2000 00:00:00 +0000")));
    for (uint64_t ms = 0; ms < 253402300800000U; ms += 86400000U * 13 + 3723004) {
        time_t t = (time_t)(ms / 1000);
        struct tm tm;
        assert_non_null(gmtime_r(&t, &tm));
        size_t n = strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S", &tm);
        (void)snprintf(want + n, sizeof want - n, ".%03uZ", (unsigned)(ms % 1000));
        (void)clock_text(ms, text);
        assert_string_equal(text, want);
    }
}

static void test_wire(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1024);
    wire_put_u8(&b, 0xfe);
    wire_put_u16(&b, 0xfedc);
    wire_put_u32(&b, 0xfedcba98U);
    wire_put_u64(&b, 0xfedcba9876543210U);
    wire_put_text(&b, SLICE("text"));
    wire_put_blob(&b, SLICE("blob"));
    for (size_t cut = 0; cut <= b.len; cut++) {
        struct wire_reader r = wire_reader_of(slice_sub(buf_slice(&b), 0, cut));
        uint8_t a = wire_u8(&r);
        uint16_t c = wire_u16(&r);
        uint32_t d = wire_u32(&r);
        uint64_t e = wire_u64(&r);
        struct slice t = wire_text(&r);
        struct slice o = wire_blob(&r);
        assert_int_equal(wire_done(&r), cut == b.len);
        if (cut == b.len) {
            assert_int_equal(a, 0xfe);
            assert_int_equal(c, 0xfedc);
            assert_int_equal(d, 0xfedcba98U);
            assert_true(e == 0xfedcba9876543210U);
            assert_true(slice_eq(t, SLICE("text")));
            assert_true(slice_eq(o, SLICE("blob")));
        }
    }
    buf_clear(&b);
}

static void test_hash(void **state)
{
    (void)state;
    /* Appendix A of the paper: key 00 01 .. 0f, input 00 01 .. 0e. */
    static const uint64_t key[2] = {0x0706050403020100U, 0x0f0e0d0c0b0a0908U};
    unsigned char in[15];
    for (size_t i = 0; i < sizeof in; i++) {
        in[i] = (unsigned char)i;
    }
    assert_true(hash_octets(key, (struct slice){in, 15}) == 0xa129ca6149be45e5U);
}

static void count(void *arg, struct slice key, void *value)
{
    (void)key;
    assert_non_null(value);
    ++*(size_t *)arg;
}

static void test_map(void **state)
{
    (void)state;
    struct map m;
    static int values[1000];
    map_init(&m, 1000);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_true(map_put(&m, map_key_u64(&i), &values[i]));
    }
    uint64_t over = 1000;
    assert_false(map_put(&m, map_key_u64(&over), &values[0]));
    for (uint64_t i = 0; i < 1000; i += 2) {
        assert_ptr_equal(map_take(&m, map_key_u64(&i)), &values[i]);
        assert_null(map_take(&m, map_key_u64(&i)));
    }
    for (uint64_t i = 0; i < 1000; i++) {
        assert_ptr_equal(map_get(&m, map_key_u64(&i)), i % 2 == 0 ? NULL : &values[i]);
    }
    size_t n = 0;
    map_each(&m, count, &n);
    assert_int_equal(n, 500);
    assert_true(map_put(&m, SLICE(""), &values[1]));
    assert_ptr_equal(map_get(&m, SLICE("")), &values[1]);
    map_clear(&m);
    assert_null(map_get(&m, SLICE("")));
}

static void test_id(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        struct message_id id = {id_new_session(), (uint32_t)i};
        struct message_id back = {0};
        char text[ID_TEXT_MAX];
        assert_true(id_parse(id_text(id, text), &back));
        assert_true(back.session == id.session && back.n == id.n);
    }
    struct message_id id = {0};
    assert_false(id_parse(SLICE("k3v9x2mq7tz"), &id));
    assert_false(id_parse(SLICE("K3V9X2MQ7TZA"), &id));
    assert_false(id_parse(SLICE("k3v9x2mq7tza."), &id));
    assert_false(id_parse(SLICE("k3v9x2mq7tza.0"), &id));
    assert_false(id_parse(SLICE("k3v9x2mq7tza.01"), &id));
    assert_false(id_parse(SLICE("k3v9x2mq7tza.4294967296"), &id));
    assert_false(id_parse(SLICE("000000000000"), &id));
    assert_true(id_parse(SLICE("k3v9x2mq7tza.4294967295"), &id));
}

static void test_fields(void **state)
{
    (void)state;
    static struct fields f;
    for (uint64_t i = 0; i < FIELDS_MAX + 2; i++) {
        fields_add_u64(&f, i == 3 ? "three" : "other", i);
    }
    struct slice value = {0};
    assert_int_equal(f.dropped, 2);
    assert_true(fields_get(&f, SLICE("three"), &value));
    assert_true(slice_eq(value, SLICE("3")));
    assert_false(fields_get(&f, SLICE("four"), &value));
}

static void test_base64(void **state)
{
    (void)state;
    static const struct {
        const char *text, *octets; /* NULL: refused */
    } cases[] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zm8=", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg==", "foob"},
        {"Zm9vYmE=", "fooba"},
        {"Zm9vYmFy", "foobar"},
        {"Pz8/Pg==", "?\?\?>"},
        {"Zh==", NULL},
        {"Zm9=", NULL},
        {"Zg=", NULL},
        {"Zg", NULL},
        {"Z===", NULL},
        {"====", NULL},
        {"Zm9v====", NULL},
        {"Zg==Zg==", NULL},
        {"Zm 9v", NULL},
        {"Zm9\n", NULL},
        {"Zm-_", NULL},
        {"Zm9vYmFyZ", NULL},
        {"=m9v", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char out[8];
        size_t n = 0;
        bool ok = base64_decode(slice_of(cases[i].text), out, sizeof out, &n);
        assert_int_equal(ok, cases[i].octets != NULL);
        if (ok) {
            struct buf b;
            buf_init(&b, 64);
            assert_true(slice_eq((struct slice){out, n}, slice_of(cases[i].octets)));
            assert_true(base64_encode(&b, (struct slice){out, n}));
            assert_true(slice_eq(buf_slice(&b), slice_of(cases[i].text)));
            assert_int_equal(b.len, BASE64_LEN(n));
            assert_false(n > 0 && base64_decode(slice_of(cases[i].text), out, n - 1, &n));
            buf_clear(&b);
        }
    }
}

static void test_base32(void **state)
{
    (void)state;
    static const struct {
        const char *text, *octets; /* RFC 4648 10; NULL: refused */
    } cases[] = {
        {"", ""},
        {"my", "f"},
        {"mzxq", "fo"},
        {"mzxw6", "foo"},
        {"mzxw6yq", "foob"},
        {"mzxw6ytb", "fooba"},
        {"mzxw6ytboi", "foobar"},
        {"mz", NULL},
        {"m", NULL},
        {"mzx", NULL},
        {"mzxw6y", NULL},
        {"m1", NULL},
        {"m=", NULL},
        {"my======", NULL},
        {"mzxw6ytbo", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char out[8];
        size_t n = cases[i].octets == NULL ? strlen(cases[i].text) * 5 / 8
                                           : strlen(cases[i].octets);
        bool ok = base32_decode(slice_of(cases[i].text), out, n);
        assert_int_equal(ok, cases[i].octets != NULL);
        if (ok) {
            struct buf b;
            buf_init(&b, 64);
            assert_true(slice_eq((struct slice){out, n}, slice_of(cases[i].octets)));
            assert_true(base32_encode(&b, (struct slice){out, n}));
            assert_true(slice_eq(buf_slice(&b), slice_of(cases[i].text)));
            assert_int_equal(b.len, BASE32_LEN(n));
            assert_false(base32_decode(slice_of(cases[i].text), out, n + 1));
            buf_clear(&b);
        }
    }
    unsigned char octet[1];
    assert_true(base32_decode(SLICE("MY"), octet, 1) && octet[0] == 'f');
}

static void like(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pattern;
        bool is;
    } cases[] = {
        {"a.example", "A.Example", true},
        {"a.example", "*", true},
        {"x.a.example", "*.a.example", true},
        {"a.example", "*.a.example", false},
        {"a.b.c", "a.*.c", true},
        {"abab", "*ab", true},
        {"a", "", false},
        {"", "", true},
        {"", "**", true},
        {"a.example.org", "*.example", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(slice_like(slice_of(cases[i].text), slice_of(cases[i].pattern)),
                         cases[i].is);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like),
        cmocka_unit_test(test_slice),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_buf_shown),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_arena_marks),
        cmocka_unit_test(test_crc32c),
        cmocka_unit_test(test_clock_text),
        cmocka_unit_test(test_wire),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_map),
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_slice_kinds),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_base32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
