/* content/inspect_test.c - messages with files that are refused, hidden in many ways, and with others */
#include "content/inspect.h"

#include "base/base64.h"
#include "content/unpack_testlib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct inspect_settings settings = {
    .mime = {.depth = 10, .parts = 100},
    .archive_size = 1024 * 1024,
    .archive = {
        .depth = 3, .entries = 100, .octets = 1 << 24, .ratio = 200, .time_ms = 20000}};

static void run(struct slice message, struct inspect_report *out)
{
    struct inspect *x = inspect_new(&settings);
    assert_non_null(x);
    for (size_t at = 0; at < message.len; at += 1000) {
        assert_true(inspect_feed(x, slice_sub(message, at, 1000)));
    }
    assert_true(inspect_end(x));
    *out = *inspect_report(x);
    inspect_free(&x);
}

static void expect(struct slice message, enum content_kind kind, enum inspect_by by,
                   const char *place)
{
    struct inspect_report r;
    run(message, &r);
    assert_int_equal(r.refused, kind != KIND_NONE || place != NULL);
    if (r.refused) {
        struct slice is = {(const unsigned char *)r.file.place, r.file.place_len};
        assert_int_equal(r.file.kind, kind);
        assert_int_equal(r.file.by, by);
        assert_true(slice_eq(is, slice_of(place)));
    }
}

#define MIXED                                                                            \
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
#define END "\r\n--b--\r\n"

static void test_names(void **state)
{
    (void)state;
    expect(SLICE(MIXED "Content-Disposition: attachment; filename=a.pdf\r\n\r\nx" END),
           KIND_NONE, BY_NAME, NULL);
    expect(SLICE(MIXED "Content-Disposition: attachment; filename=a.pdf\r\n"
                       "Content-Type: application/pdf; name=\"a.ExE \"\r\n\r\nx" END),
           KIND_WINDOWS_PROGRAM, BY_NAME, "a.ExE");
    expect(SLICE(MIXED "Content-Disposition: inline; filename*1=\"pt.js\"; "
                       "filename*0=\"scri\"\r\n\r\nx" END),
           KIND_WINDOWS_SCRIPT, BY_NAME, "script.js");
    expect(SLICE(MIXED "Content-Type: application/X-MSDownload\r\n\r\nx" END),
           KIND_WINDOWS_PROGRAM, BY_TYPE, "application/x-msdownload");
    expect(SLICE("Subject: x\r\n\r\nbegin 644 run.bat\r\n#0V%T\r\n`\r\nend\r\n"),
           KIND_WINDOWS_SCRIPT, BY_NAME, "run.bat");
    expect(
        SLICE("Subject: x\r\n\r\n=ybegin line=128 size=4 name=run it.scr\r\nw\204g*\r\n"
              "=yend size=4\r\n"),
        KIND_WINDOWS_PROGRAM, BY_NAME, "run it.scr");
    /* within an attached mail, also where that is only a file */
    expect(SLICE(MIXED "Content-Type: application/octet-stream; name=mail.eml\r\n\r\n"
                       "Content-Type: text/plain; name=a.hta\r\n\r\nx" END),
           KIND_WINDOWS_SCRIPT, BY_NAME, "a.hta");
}

static void test_content(void **state)
{
    (void)state;
    expect(SLICE(MIXED "Content-Transfer-Encoding: base64\r\nContent-Type: image/png; "
                       "name=a.png\r\n\r\nf0V*MRgAAAAAA\r\nAAA" END),
           KIND_UNIX_PROGRAM, BY_CONTENT, "a.png");
    expect(SLICE("Content-Type: text/rtf\r\n\r\n{\\rtf1 \\objdata 00}\r\n"), KIND_NONE,
           BY_NAME, NULL);
}

/* A message with an attachment. */
static struct buf with_file(const char *name, struct slice octets)
{
    struct buf b;
    buf_init(&b, 1 << 24);
    (void)buf_add_fmt(&b,
                      MIXED "Content-Transfer-Encoding: base64\r\nContent-Disposition: "
                            "attachment; filename=\"%s\"\r\n\r\n",
                      name);
    (void)base64_encode(&b, octets);
    (void)buf_add_str(&b, END);
    assert_false(b.failed);
    return b;
}

static void test_archives(void **state)
{
    struct inspect_report r;
    (void)state;
    struct slice in = made_one("zip", "none", "a/b.exe", SLICE("x"));
    struct slice out = made_one("gnutar", "gzip", "in.zip", in);
    struct buf b = with_file("invoice.dat", out);
    expect(buf_slice(&b), KIND_WINDOWS_PROGRAM, BY_NAME,
           "invoice.dat > in.zip > a/b.exe");
    buf_clear(&b);

    /* too large: by its name and type alone, unless settings say otherwise */
    settings.archive_size = out.len - 1;
    b = with_file("invoice.dat", out);
    run(buf_slice(&b), &r);
    assert_false(r.refused);
    assert_true(r.noted[KIND_UNSEARCHABLE]);
    char *unsearchable[] = {(char[]){"unsearchable"}};
    settings.block = unsearchable;
    settings.block_n = 1;
    expect(buf_slice(&b), KIND_UNSEARCHABLE, BY_CONTENT, "invoice.dat");
    settings.block_n = 0;
    settings.archive_size = 1024 * 1024;
    buf_clear(&b);
    free((void *)(uintptr_t)in.ptr);
    free((void *)(uintptr_t)out.ptr);

    b = with_file("a.zip", SLICE("no zip"));
    run(buf_slice(&b), &r);
    assert_true(!r.refused && r.noted[KIND_UNSEARCHABLE]);
    buf_clear(&b);
}

static void test_lists(void **state)
{
    struct slice message =
        SLICE(MIXED "Content-Disposition: attachment; filename=a.iso\r\n\r\nx\r\n--b\r\n"
                    "Content-Disposition: attachment; filename=b.docm\r\n\r\nx" END);
    char *iso[] = {(char[]){".ISO"}}, *image[] = {(char[]){"disk-image"}};
    char *docm[] = {(char[]){"docm"}}, *macro[] = {(char[]){"macro-document"}};
    struct inspect_report r;
    (void)state;
    expect(message, KIND_DISK_IMAGE, BY_NAME, "a.iso");
    settings.allow = iso;
    settings.allow_n = 1;
    run(message, &r);
    assert_true(!r.refused && r.noted[KIND_DISK_IMAGE] && r.noted[KIND_MACRO_DOCUMENT]);
    assert_int_equal(r.attachments, 2);
    settings.allow = image;
    settings.block = docm;
    settings.block_n = 1;
    expect(message, KIND_MACRO_DOCUMENT, BY_NAME, "b.docm");
    settings.block = macro;
    expect(message, KIND_MACRO_DOCUMENT, BY_NAME, "b.docm");
    settings.allow_n = settings.block_n = 0;
}

static void test_count(void **state)
{
    struct inspect_report r;
    (void)state;
    run(SLICE(
            MIXED
            "Content-Type: image/png; name=a.png\r\nContent-Disposition: inline\r\n\r\n"
            "x\r\n--b\r\nContent-Disposition: attachment\r\n\r\nx\r\n--b\r\n"
            "Content-Type: message/rfc822\r\n\r\nContent-Type: text/plain; name=a\r\n\r\n"
            "begin 644 x\r\n#0V%T\r\nend\r\n--b\r\nContent-Type: image/png; name=c.png"
            "\r\n\r\nx" END),
        &r);
    assert_int_equal(r.attachments, 3);
    assert_int_equal(r.defects, 0);
    run(SLICE(MIXED), &r);
    assert_int_equal(r.defects, 1U << MIME_DEFECT_NOT_CLOSED);
}

static void test_links(void **state)
{
    struct slice message = SLICE(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        "Content-Type: TEXT/HTML\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        "<a href=3D\"http://www.a.exam=\r\nple.co.uk/x\">b</a>\r\n--b\r\n\r\n"
        "http://www.a.example.co.uk/y http://b.example.com\r\n--b\r\n"
        "Content-Type: message/rfc822\r\n\r\n\r\nhttp://c.example\r\n--b--\r\n");
    (void)state;
    for (size_t step = 1; step < 90; step++) {
        struct inspect *x = inspect_new(&settings);
        for (size_t at = 0; at < message.len; at += step) {
            assert_true(inspect_feed(x, slice_sub(message, at, step)));
        }
        assert_true(inspect_end(x));
        const struct links *l = &inspect_report(x)->links;
        assert_int_equal(l->n, 2);
        assert_int_equal(l->total, 3);
        assert_true(slice_eq(links_url(l, 0), SLICE("http://www.a.example.co.uk/x")));
        assert_true(slice_eq(links_domain(l, 0), SLICE("example.co.uk")));
        assert_true(slice_eq(links_domain(l, 1), SLICE("example.com")));
        assert_int_equal(inspect_report(x)->linked_len, 25);
        assert_memory_equal(inspect_report(x)->linked, "example.co.uk example.com", 25);
        inspect_free(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_content),
        cmocka_unit_test(test_archives), cmocka_unit_test(test_lists),
        cmocka_unit_test(test_count),    cmocka_unit_test(test_links),
    };
    return inspect_prepare() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
