/* content/unpack_test.c - archives within archives, packed in every way, damaged, encrypted, bombs */
#include "content/unpack.h"

#include "content/unpack_testlib.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct unpack_limits limits = {.depth = 3,
                                            .entries = 100,
                                            .octets = 64 * 1024 * 1024,
                                            .ratio = 200,
                                            .time_ms = 20000};

static struct buf told;
static unsigned stop_after;

static bool on_file(void *arg, const struct unpack_file *f)
{
    (void)arg;
    (void)buf_add(&told, f->place);
    (void)buf_add_fmt(&told, " %s%s%s%s\n", kind_rows[f->content].id,
                      f->encrypted ? " encrypted" : "", f->macros ? " macros" : "",
                      f->objects ? " objects" : "");
    return stop_after == 0 || --stop_after > 0;
}

static enum unpack_outcome look(struct slice octets, const char *name)
{
    buf_init(&told, 65536);
    enum unpack_outcome outcome =
        unpack_look(octets, slice_of(name), &limits, on_file, NULL);
    (void)buf_add_byte(&told, '\0');
    return outcome;
}

static void expect(struct slice octets, const char *name, enum unpack_outcome outcome,
                   const char *text)
{
    enum unpack_outcome is = look(octets, name);
    assert_string_equal(told.ptr, text);
    assert_int_equal(is, outcome);
    buf_clear(&told);
}

#define PROGRAM                                                                          \
    SLICE("\x7f"                                                                         \
          "ELF and so on")

static void test_formats(void **state)
{
    static const struct {
        const char *format, *filter, *name, *text;
    } cases[] = {
        {"zip", "none", "a.zip", "a.zip > d/b.txt unix-program\n"},
        {"7zip", "none", "a.7z", "a.7z > d/b.txt unix-program\n"},
        {"gnutar", "none", "a.tar", "a.tar > d/b.txt unix-program\n"},
        {"gnutar", "gzip", "a.tgz", "a.tgz > d/b.txt unix-program\n"},
        {"gnutar", "bzip2", "a.tbz", "a.tbz > d/b.txt unix-program\n"},
        {"gnutar", "xz", "a.txz", "a.txz > d/b.txt unix-program\n"},
        {"gnutar", "zstd", "a.tar.zst", "a.tar.zst > d/b.txt unix-program\n"},
        {"cpio", "none", "a.cpio", "a.cpio > d/b.txt unix-program\n"},
        {"raw", "gzip", "run.sh.gz", "run.sh.gz > run.sh unix-program\n"},
        {"raw", "xz", "run.xz", "run.xz > run unix-program\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice made =
            made_one(cases[i].format, cases[i].filter, "d/b.txt", PROGRAM);
        expect(made, cases[i].name, UNPACK_DONE, cases[i].text);
        free((void *)(uintptr_t)made.ptr);
    }
}

static void test_nested(void **state)
{
    (void)state;
    struct slice made = made_one("zip", "none", "b.exe", SLICE("x")), outer;
    static const char *const texts[] = {
        "n > b.exe none\n", "n > in.dat none\nn > in.dat > b.exe none\n",
        "n > in.dat none\nn > in.dat > in.dat none\nn > in.dat > in.dat > b.exe none\n",
        "n > in.dat none\nn > in.dat > in.dat none\nn > in.dat > in.dat > in.dat none\n"};
    for (unsigned depth = 0; depth < 4; depth++) {
        expect(made, "n", depth < 3 ? UNPACK_DONE : UNPACK_BOMB, texts[depth]);
        outer = made_one(depth == 0 ? "7zip" : "gnutar", depth == 1 ? "gzip" : "none",
                         "in.dat", made);
        free((void *)(uintptr_t)made.ptr);
        made = outer;
    }
    free((void *)(uintptr_t)made.ptr);
}

static void test_special(void **state)
{
    struct made m;
    (void)state;
    /* names that are not ASCII; only what writes needs the locale */
    locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    (void)uselocale(utf8);
    struct slice made = made_one("7zip", "none", "r\xc3\xa9sum\xc3\xa9.exe", SLICE("x"));
    (void)uselocale(LC_GLOBAL_LOCALE);
    freelocale(utf8);
    expect(made, "n", UNPACK_DONE, "n > r\xc3\xa9sum\xc3\xa9.exe none\n");
    free((void *)(uintptr_t)made.ptr);

    made_begin(&m, "zip", "none", "secret");
    made_file(&m, "in.zip", SLICE("1234567890"));
    made = made_end(&m);
    expect(made, "n", UNPACK_DONE, "n > in.zip none encrypted\n");
    free((void *)(uintptr_t)made.ptr);

    made_begin(&m, "zip", "none", NULL);
    made_file(&m, "[Content_Types].xml", SLICE("x"));
    made_file(&m, "word/VBAproject.bin", SLICE("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"));
    made = made_end(&m);
    expect(made, "n", UNPACK_DONE,
           "n > [Content_Types].xml none\nn > word/VBAproject.bin none\nn none macros\n");
    free((void *)(uintptr_t)made.ptr);

    made_begin(&m, "zip", "none", NULL);
    made_file(&m, "META-INF/MANIFEST.MF", SLICE("x"));
    made_file(&m, "a/B.class", SLICE("x"));
    made = made_end(&m);
    expect(made, "n", UNPACK_DONE,
           "n > META-INF/MANIFEST.MF none\nn > a/B.class none\nn java\n");
    stop_after = 1;
    expect(made, "n", UNPACK_STOPPED, "n > META-INF/MANIFEST.MF none\n");
    stop_after = 0;
    free((void *)(uintptr_t)made.ptr);
}

/* What nothing in Debian makes: RAR 4, a stored file; the same encrypted; the list encrypted. */
#define RAR                                                                              \
    "Rar!\032\007\000\317\220s\000\000\015\000\000\000\000\000\000\000d"                 \
    "\365t\000\200'\000\016\000\000\000\016\000\000\000\002\362<\022"                    \
    "\322.[vZ\0240\007\000 \000\000\000d\134b.txt\177ELF and so on\304="                 \
    "{\000@\007\000"
#define RAR_SECRET                                                                       \
    "Rar!\032\007\000\317\220s\000\000\015\000\000\000\000\000\000\000"                  \
    "\363\255t\004\200'\000\016\000\000\000\016\000\000\000\002\362<"                    \
    "\022\322.[vZ\0240\007\000 \000\000\000d\134b.txt\177ELF and so on"                  \
    "\304={\000@\007\000"
#define RAR_HIDDEN                                                                       \
    "Rar!\032\007\000\316\231s\200\000\015\000\000\000\000\000\000\000"                  \
    "\021\021\021\021\021\021\021\021\021\021\021\021\021\021\021\021"                   \
    "\021\021\021\021\021\021\021\021\021\021\021\021\021\021\021\021"                   \
    "\021\021\021\021\021\021\021\021\021\021\021\021\021\021\021\021"                   \
    "\021\021\021\021\021\021\021\021\021\021\021\021\021\021\021\021"

static void test_rar(void **state)
{
    (void)state;
    expect(SLICE(RAR), "a.rar", UNPACK_DONE, "a.rar > d/b.txt unix-program\n");
    expect(SLICE(RAR_SECRET), "a.rar", UNPACK_DONE, "a.rar > d/b.txt none encrypted\n");
    expect(SLICE(RAR_HIDDEN), "a.rar", UNPACK_DONE, "a.rar none encrypted\n");
}

static void test_hostile(void **state)
{
    struct made m;
    (void)state;
    expect(SLICE("no archive at all"), "a.zip", UNPACK_UNREADABLE, "");
    /* Cut anywhere: nothing worse than that. */
    struct slice made = made_one("7zip", "none", "b.exe", PROGRAM);
    for (size_t n = 0; n < made.len; n++) {
        enum unpack_outcome outcome = look(slice_sub(made, 0, n), "n");
        assert_true(outcome == UNPACK_UNREADABLE || outcome == UNPACK_DONE);
        buf_clear(&told);
    }
    free((void *)(uintptr_t)made.ptr);

    made_begin(&m, "gnutar", "gzip", NULL);
    for (unsigned i = 0; i < 101; i++) {
        made_file(&m, "f", SLICE("x"));
    }
    made = made_end(&m);
    assert_int_equal(look(made, "n"), UNPACK_BEYOND);
    buf_clear(&told);
    free((void *)(uintptr_t)made.ptr);

    /* 30 MB of blanks that claim to be an archive, and so are unpacked as a whole */
    unsigned char *blanks = malloc(30000000);
    memset(blanks, ' ', 30000000);
    memcpy(blanks, "PK\x03\x04", 4);
    made = made_one("zip", "none", "b.zip", (struct slice){blanks, 30000000});
    assert_int_equal(look(made, "n"), UNPACK_BOMB);
    buf_clear(&told);
    free((void *)(uintptr_t)made.ptr);
    free(blanks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats), cmocka_unit_test(test_nested),
        cmocka_unit_test(test_special), cmocka_unit_test(test_rar),
        cmocka_unit_test(test_hostile),
    };
    return unpack_prepare() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
