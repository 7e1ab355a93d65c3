/* content/tnef_test.c - a winmail.dat as Outlook writes it, built here; cut at every octet; looked into as an archive. */
#include "content/tnef.h"

#include "content/unpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void put(struct buf *b, uint32_t v, unsigned octets)
{
    for (unsigned i = 0; i < octets; i++) {
        (void)buf_add_byte(b, (unsigned char)(v >> (8 * i)));
    }
}

static void attribute(struct buf *b, unsigned level, uint32_t id, struct slice data)
{
    put(b, level, 1);
    put(b, id, 4);
    put(b, (uint32_t)data.len, 4);
    (void)buf_add(b, data);
    uint16_t sum = 0;
    for (size_t i = 0; i < data.len; i++) {
        sum = (uint16_t)(sum + data.ptr[i]);
    }
    put(b, sum, 2);
}

static void property(struct buf *b, uint32_t tag, struct slice value)
{
    put(b, tag, 4);
    put(b, 1, 4);
    put(b, (uint32_t)value.len, 4);
    (void)buf_add(b, value);
    while (b->len % 4 != 0) {
        (void)buf_add_byte(b, 0);
    }
}

static void head(struct buf *b)
{
    put(b, 0x223e9f78, 4);
    put(b, 1, 2);
    attribute(b, 1, 0x00089006, SLICE("\0\0\1\0"));
    attribute(b, 1, 0x00069003, SLICE("\0\0\0\0"));
}

/* A file with a short name, a long one, a number and a named property before it, and its octets. */
static void file(struct buf *b, struct slice title, struct slice wide, struct slice data)
{
    struct buf props;
    buf_init(&props, 4096);
    put(&props, 3, 4);
    put(&props, 0x37050003, 4); /* how it is attached: a number */
    put(&props, 1, 4);
    put(&props, 0x8000001f, 4); /* one with a name */
    for (unsigned i = 0; i < 4; i++) {
        put(&props, 0x11111111, 4);
    }
    put(&props, 1, 4);
    put(&props, 6, 4);
    (void)buf_add(&props, SLICE("a\0b\0\0\0\0\0"));
    put(&props, 1, 4);
    put(&props, 4, 4);
    (void)buf_add(&props, SLICE("v\0\0\0"));
    property(&props, 0x3707001f, wide);
    attribute(b, 2, 0x00069002, SLICE("\1\0\377\377\377\377\0\0\0\0\0\0\0\0"));
    attribute(b, 2, 0x00018010, title);
    attribute(b, 2, 0x0006800f, data);
    attribute(b, 2, 0x00069005, buf_slice(&props));
    buf_clear(&props);
}

static void mail(struct buf *b)
{
    head(b);
    file(b, SLICE("RUN~1.TXT\0"), SLICE("r\0u\0n\0\x3d\xd8\0\xde.\0e\0x\0e\0\0\0"),
         SLICE("MZ 1"));
    file(b, SLICE("b.txt\0"), SLICE("b\0.\0t\0x\0t\0\0\0"), SLICE("text"));
}

static void test_files(void **state)
{
    struct buf b, name;
    struct tnef_file f;
    (void)state;
    buf_init(&b, 100000);
    buf_init(&name, 1000);
    mail(&b);
    assert_true(tnef_is(buf_slice(&b)));
    struct tnef t = tnef_open(buf_slice(&b));
    assert_true(tnef_next(&t, &f));
    assert_int_equal(f.n, 2);
    assert_true(slice_eq(f.data, SLICE("MZ 1")));
    tnef_name_text(&f.name[0], &name);
    assert_true(slice_eq(buf_slice(&name), SLICE("RUN~1.TXT")));
    buf_reset(&name);
    tnef_name_text(&f.name[1], &name);
    assert_true(slice_eq(buf_slice(&name), SLICE("run\xf0\x9f\x98\x80.exe")));
    assert_true(tnef_next(&t, &f));
    assert_true(slice_eq(f.data, SLICE("text")));
    assert_false(tnef_next(&t, &f));
    assert_false(t.broken);
    buf_clear(&name);
    buf_clear(&b);
}

/* Cut anywhere: whole attributes are found, what is left is told as broken. */
static void test_cut(void **state)
{
    struct buf b;
    struct tnef_file f;
    (void)state;
    buf_init(&b, 100000);
    mail(&b);
    for (size_t n = 4; n < b.len; n++) {
        unsigned char *copy =
            malloc(n); /* so that a sanitizer sees who reads beyond it */
        assert_non_null(copy);
        memcpy(copy, b.ptr, n);
        struct tnef t = tnef_open((struct slice){copy, n});
        unsigned files = 0;
        while (tnef_next(&t, &f)) {
            files++;
        }
        assert_true(files <= 2);
        free(copy);
    }
    buf_clear(&b);
}

struct seen {
    struct buf text;
};

static bool on_file(void *arg, const struct unpack_file *f)
{
    struct seen *s = arg;
    (void)buf_add(&s->text, f->place);
    (void)buf_add_fmt(&s->text, "=%d\n", f->content != KIND_NONE);
    return true;
}

static const struct unpack_limits limits = {
    .depth = 3, .entries = 100, .octets = 1 << 20, .ratio = 200, .time_ms = 20000};

/* A message attached to it, with a file of its own. */
static void test_looked_into(void **state)
{
    struct buf b, inner, object;
    struct seen s;
    (void)state;
    assert_true(unpack_prepare());
    buf_init(&b, 100000);
    buf_init(&inner, 100000);
    buf_init(&object, 100000);
    buf_init(&s.text, 10000);
    head(&inner);
    file(&inner, SLICE("x.js\0"), SLICE("x\0.\0j\0s\0\0\0"),
         SLICE("\x7f"
               "ELF"));
    put(&object, 1, 4);
    put(&object, 0x3701000d, 4);
    put(&object, 1, 4);
    put(&object, (uint32_t)inner.len + 16, 4);
    (void)buf_add(&object, SLICE("0123456789abcdef"));
    (void)buf_add(&object, buf_slice(&inner));
    mail(&b);
    attribute(&b, 2, 0x00069002, SLICE("\1\0\377\377\377\377\0\0\0\0\0\0\0\0"));
    attribute(&b, 2, 0x00018010, SLICE("mail\0"));
    attribute(&b, 2, 0x00069005, buf_slice(&object));
    assert_int_equal(
        unpack_look(buf_slice(&b), SLICE("winmail.dat"), &limits, on_file, &s),
        UNPACK_DONE);
    static const char wanted[] = "winmail.dat > run\xf0\x9f\x98\x80.exe=0\n"
                                 "winmail.dat > RUN~1.TXT=0\n"
                                 "winmail.dat > b.txt=0\nwinmail.dat > b.txt=0\n"
                                 "winmail.dat > mail=0\nwinmail.dat > mail > x.js=1\n"
                                 "winmail.dat > mail > x.js=0\n";
    assert_int_equal(s.text.len, sizeof wanted - 1);
    assert_memory_equal(s.text.ptr, wanted, s.text.len);
    b.len -= 3;
    assert_int_equal(
        unpack_look(buf_slice(&b), SLICE("winmail.dat"), &limits, on_file, &s),
        UNPACK_UNREADABLE);
    buf_clear(&b);
    buf_clear(&inner);
    buf_clear(&object);
    buf_clear(&s.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files),
                                       cmocka_unit_test(test_cut),
                                       cmocka_unit_test(test_looked_into)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
