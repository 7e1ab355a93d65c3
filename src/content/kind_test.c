/* content/kind_test.c - kinds by name, type and content */
#include "content/sniff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* NOLINTBEGIN(misc-misleading-bidirectional) */
static void test_names(void **state)
{
    static const struct {
        const char *name;
        enum content_kind kind;
    } cases[] = {
        {"a.exe", KIND_WINDOWS_PROGRAM},
        {"A.EXE", KIND_WINDOWS_PROGRAM},
        {"invoice.pdf.exe", KIND_WINDOWS_PROGRAM},
        {"invoice.exe.", KIND_WINDOWS_PROGRAM},
        {"invoice.exe . . ", KIND_WINDOWS_PROGRAM},
        {"invoice.exe\xc2\xa0", KIND_WINDOWS_PROGRAM},
        {"invoice.ex\xe2\x80\x8b"
         "e",
         KIND_WINDOWS_PROGRAM},
        {"C:\\dir\\a.scr", KIND_WINDOWS_PROGRAM},
        {"dir/a.pif\"", KIND_WINDOWS_PROGRAM},
        {"a.exe:stream", KIND_WINDOWS_PROGRAM},
        {"a.txt::$DATA", KIND_NONE},
        {"invoice\xe2\x80\xae"
         "fdp.exe",
         KIND_WINDOWS_PROGRAM},
        {"invoice\xe2\x80\xae"
         "fdp.txt",
         KIND_OVERRIDE},
        {"a.txt.{3050F4D8-98B5-11CF-BB82-00AA00BDCE0B}", KIND_CLSID},
        {"a.js", KIND_WINDOWS_SCRIPT},
        {"a.json", KIND_NONE},
        {"a.lnk", KIND_SHORTCUT},
        {"a.jar", KIND_JAVA},
        {"a.iso", KIND_DISK_IMAGE},
        {"a.docm", KIND_MACRO_DOCUMENT},
        {"a.docx", KIND_NONE},
        {"exe", KIND_NONE},
        {"", KIND_NONE},
        {".exe/", KIND_NONE},
        {"a.com", KIND_WINDOWS_PROGRAM},
        {"www.example.com mail.pdf", KIND_NONE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum content_kind kind = kind_by_name(slice_of(cases[i].name));
        if (kind != cases[i].kind) {
            print_error("%s: %s\n", cases[i].name, kind_rows[kind].id);
        }
        assert_int_equal(kind, cases[i].kind);
    }
    assert_int_equal(
        kind_by_name((struct slice){(const unsigned char *)"a.exe\0.txt", 10}),
        KIND_WINDOWS_PROGRAM);
    assert_true(kind_names_archive(SLICE("A.Tar.GZ ")));
    assert_false(kind_names_archive(SLICE("zip")));
}
/* NOLINTEND(misc-misleading-bidirectional) */

static void test_types(void **state)
{
    (void)state;
    assert_int_equal(kind_by_type(SLICE("application/x-msdownload")),
                     KIND_WINDOWS_PROGRAM);
    assert_int_equal(kind_by_type(SLICE("message/partial")), KIND_FRAGMENT);
    assert_int_equal(kind_by_type(SLICE("text/plain")), KIND_NONE);
    assert_int_equal(kind_by_id(SLICE("bomb")), KIND_BOMB);
    assert_int_equal(kind_by_id(SLICE("none")), KIND_NONE);
    for (unsigned i = 1; i < KIND_N; i++) {
        assert_int_equal(kind_by_id(slice_of(kind_rows[i].id)), i);
    }
    for (unsigned i = 1; i < kind_extensions_n; i++) {
        assert_true(strcmp(kind_extensions[i - 1].word, kind_extensions[i].word) < 0);
    }
}

/* --- content --- */

static unsigned char file[70000];

static void sniff_in(struct sniff *s, size_t len, size_t step)
{
    memset(s, 0, sizeof *s);
    bool more = true;
    for (size_t at = 0; at < len && more; at += step) {
        more = sniff_feed(s, slice_sub((struct slice){file, len}, at, step));
    }
    sniff_end(s);
}

static void expect(size_t len, enum content_kind kind, enum sniff_format format,
                   bool macros, bool objects)
{
    static const size_t steps[] = {1, 2, 3, 511, 4095, 4096, 4097, 70000};
    static struct sniff s;
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        sniff_in(&s, len, steps[i]);
        assert_int_equal(s.kind, kind);
        assert_int_equal(s.format, format);
        assert_int_equal(s.macros, macros);
        assert_int_equal(s.objects, objects);
    }
    memset(file, 'x', sizeof file);
}

static void put(size_t at, struct slice s)
{
    memcpy(file + at, s.ptr, s.len);
}

static void test_content(void **state)
{
    (void)state;
    memset(file, 'x', sizeof file);
    expect(5, KIND_NONE, SNIFF_UNKNOWN, false, false);
    expect(0, KIND_NONE, SNIFF_UNKNOWN, false, false);
    put(0, SLICE("MZ"));
    put(60, SLICE("\x80\0\0\0"));
    put(128, SLICE("PE\0\0"));
    expect(70000, KIND_WINDOWS_PROGRAM, SNIFF_UNKNOWN, false, false);
    put(0, SLICE("MZ is how this text begins, and it is no program"));
    expect(3000, KIND_NONE, SNIFF_UNKNOWN, false, false);
    put(0, SLICE("\x7f"
                 "ELF"));
    expect(100, KIND_UNIX_PROGRAM, SNIFF_UNKNOWN, false, false);
    put(0, SLICE("\xca\xfe\xba\xbe\0\0\0\x34"));
    expect(100, KIND_JAVA, SNIFF_UNKNOWN, false, false);
    put(0, SLICE("\xca\xfe\xba\xbe\0\0\0\x02"));
    expect(100, KIND_UNIX_PROGRAM, SNIFF_UNKNOWN, false, false);
    put(0, SLICE("\xff\xfe<\0H\0t\0A\0:\0a\0p\0p\0l\0i\0c\0a\0t\0i\0o\0n\0"));
    expect(1000, KIND_WINDOWS_SCRIPT, SNIFF_UNKNOWN, false, false);
    put(32769, SLICE("CD001"));
    expect(70000, KIND_DISK_IMAGE, SNIFF_UNKNOWN, false, false);
    put(70000 - 512, SLICE("conectix"));
    expect(70000, KIND_DISK_IMAGE, SNIFF_UNKNOWN, false, false);
    put(0, SLICE("PK\x03\x04"));
    expect(70000, KIND_NONE, SNIFF_ARCHIVE, false, false);
    put(257, SLICE("ustar"));
    expect(1024, KIND_NONE, SNIFF_ARCHIVE, false, false);
    put(0, SLICE("%PDF-1.7"));
    expect(70000, KIND_NONE, SNIFF_PLAIN, false, false);
    put(0, SLICE("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"));
    put(512 * 100 + 128, SLICE("V\0B\0A\0\0\0"));
    expect(70000, KIND_NONE, SNIFF_COMPOUND, true, false);
    put(0, SLICE("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"));
    put(1024, SLICE("R\0o\0o\0t\0 \0E\0n\0t\0r\0y\0"));
    put(1024 + 80, SLICE("\x84\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0F"));
    expect(70000, KIND_INSTALLER, SNIFF_COMPOUND, false, false);
    put(0, SLICE("{\\rtf1 {\\obj\\object\\objdata"));
    expect(70000, KIND_NONE, SNIFF_RTF, false, true);
    put(0, SLICE("{\\rtf1 {\\obj\\objw"));
    put(60000, SLICE("\\\\objdata"));
    expect(70000, KIND_NONE, SNIFF_RTF, false, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
