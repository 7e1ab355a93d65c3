/* message/inline_files_test.c - files within a text: uuencode, yEnc, BinHex; whole, and cut at every step. */
#include "base/buf.h"
#include "message/uudecode.h"
#include "message/yenc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void on_begin(void *arg, struct slice name)
{
    (void)buf_add_str(arg, "[");
    (void)buf_add(arg, name);
    (void)buf_add_str(arg, ":");
}

static void on_content(void *arg, struct slice octets)
{
    (void)buf_add(arg, octets);
}

static void on_end(void *arg)
{
    (void)buf_add_str(arg, "]");
}

static const struct uu_events events = {on_begin, on_content, on_end};

static void check(const char *what, struct slice text, struct slice wanted, bool binhex)
{
    for (size_t step = 1; step <= text.len + 1; step += step < 9 ? 1 : text.len) {
        static struct uudecode u;
        struct buf log;
        u = (struct uudecode){.state = UU_SEARCH};
        if (binhex) {
            uu_expect_binhex(&u);
        }
        buf_init(&log, 100000);
        for (struct slice s = text; s.len > 0; s = slice_from(s, step)) {
            uu_feed(&u, slice_sub(s, 0, step), &events, &log);
        }
        uu_end(&u, &events, &log);
        if (!slice_eq(buf_slice(&log), wanted)) {
            fail_msg("%s, %zu at a time: \"%.*s\"", what, step, (int)log.len,
                     (const char *)log.ptr);
        }
        buf_clear(&log);
    }
}

static void test_posix(void **state)
{
    (void)state;
    check("a file",
          SLICE("see\r\nbegin 644 a.exe\r\n#2&5L\r\n#;&\\*\r\n`\r\nend\r\nbye\r\n"),
          SLICE("[a.exe:Hello\n]"), false);
    check("none", SLICE("begin 644 letters\r\nDear all,\r\n"), SLICE(""), false);
}

static void test_yenc(void **state)
{
    (void)state;
    /* "MZ=\0", 42 higher: 'w', 0x84, 'g', '*'; and the critical ones: 0xd6 is NUL when raised, 0x13 is '=' */
    check(
        "a file",
        SLICE(
            "=ybegin line=128 size=6 name=a b.exe \r\nw\204g*=@=}\r\n=yend size=6\r\nx"),
        SLICE("[a b.exe:MZ=\0\326\023]"), false);
    check("a part",
          SLICE("=ybegin part=1 total=2 line=128 size=4 name=p.js\r\n"
                "=ypart begin=1 end=2\r\n\213\214\r\n=yend size=2 part=1\r\n"),
          SLICE("[p.js:ab]"), false);
    check("no end", SLICE("=ybegin line=128 size=4 name=p.js\r\n\213"), SLICE("[p.js:a]"),
          false);
    check("nothing in it", SLICE("=ybegin line=128 size=4 name=p.js\r\n=yend\r\n"),
          SLICE(""), false);
    check("no name", SLICE("=ybegin line=128 size=4\r\n\213\r\n"), SLICE(""), false);
    check("mere words", SLICE("=ybegin of a story, name=x\r\n"), SLICE(""), false);
    check("what looks like another within",
          SLICE("=ybegin line=9 size=9 name=a\r\nbegin 644 b\r\n=yend\r\n"),
          SLICE("[a:8;=?D\366\014\n\n\366\070]"), false);
}

/* As BinHex has it: a header, the data, no resource fork; runs and the mark packed. */
static void hqx(struct buf *out, const char *name, struct slice data)
{
    static const char signs[] =
        "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
    struct buf raw, packed;
    buf_init(&raw, 10000);
    buf_init(&packed, 20000);
    (void)buf_add_byte(&raw, (unsigned char)strlen(name));
    (void)buf_add_str(&raw, name);
    (void)buf_add(&raw, SLICE("\0APPLpost\0\0"));
    for (int shift = 24; shift >= 0; shift -= 8) {
        (void)buf_add_byte(&raw, (unsigned char)(data.len >> shift));
    }
    (void)buf_add(&raw, SLICE("\0\0\0\0cc"));
    (void)buf_add(&raw, data);
    (void)buf_add(&raw, SLICE("ccrr"));
    for (size_t i = 0, n = 1; i < raw.len; i += n) {
        for (n = 1; i + n < raw.len && raw.ptr[i + n] == raw.ptr[i] && n < 255; n++) {
        }
        (void)buf_add_byte(&packed, raw.ptr[i]);
        if (raw.ptr[i] == 0x90) {
            (void)buf_add_byte(&packed, 0);
        }
        n = n > 3 ? n : 1;
        if (n > 1) {
            (void)buf_add_byte(&packed, 0x90);
            (void)buf_add_byte(&packed, (unsigned char)n);
        }
    }
    (void)buf_add_str(out, ":");
    (void)buf_add(&packed, SLICE("\0\0")); /* to a whole group of three */
    uint32_t bits = 0;
    unsigned bit_n = 0, column = 1;
    for (size_t i = 0; i < packed.len / 3 * 3; i++) {
        bits = bits << 8 | packed.ptr[i];
        for (bit_n += 8; bit_n >= 6; bit_n -= 6) {
            (void)buf_add_byte(out, (unsigned char)signs[bits >> (bit_n - 6) & 63U]);
            if (++column % 64 == 0) {
                (void)buf_add_str(out, "\r\n");
            }
        }
    }
    (void)buf_add_str(out, ":\r\n");
    buf_clear(&raw);
    buf_clear(&packed);
}

static void test_binhex(void **state)
{
    static const struct slice data[] = {
        SLICE_INIT("MZ and more"), SLICE_INIT(""), SLICE_INIT("aaaaaaaaaaaaaaaaaaaab"),
        SLICE_INIT("\x90\x90\x90\x90\x90\x90"
                   "a\x90"
                   "b"),
        SLICE_INIT("long enough for several lines, so that a line end stands between two "
                   "groups of six bits in more than one place of it")};
    (void)state;
    for (size_t i = 0; i < sizeof data / sizeof data[0]; i++) {
        struct buf text, wanted;
        buf_init(&text, 10000);
        buf_init(&wanted, 10000);
        (void)buf_add_str(&wanted, "[run.exe:");
        (void)buf_add(&wanted, data[i]);
        (void)buf_add_str(&wanted, "]");
        hqx(&text, "run.exe", data[i]);
        check("bare", buf_slice(&text), buf_slice(&wanted), true);
        buf_reset(&text);
        (void)buf_add_str(&text,
                          "hi\r\n(This file must be converted with BinHex 4.0)\r\n\r\n");
        hqx(&text, "run.exe", data[i]);
        (void)buf_add_str(&text, "begin 644 b\r\n#2&5L\r\n`\r\nend\r\n");
        (void)buf_add_str(&wanted, "[b:Hel]");
        check("announced", buf_slice(&text), buf_slice(&wanted), false);
        buf_clear(&text);
        buf_clear(&wanted);
    }
    check("an announcement hides nothing",
          SLICE("(This file must be converted with BinHex 4.0)\r\nbegin 644 "
                "b\r\n#2&5L\r\n`\r\n"),
          SLICE("[b:Hel]"), false);
    check("no header", SLICE(":!!!!!!!!!!!!:\r\n"), SLICE(""), true);
    check("cut short", SLICE(":#&4K-3\r\n"), SLICE(""), true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_posix),
                                       cmocka_unit_test(test_yenc),
                                       cmocka_unit_test(test_binhex)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
