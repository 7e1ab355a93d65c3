/* message/mime_scan_test.c - entities, names, content and defects of messages, cut in every way */
#include "message/mime_scan_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct mime_scan_limits limits = {.depth = 8, .parts = 200};

#define MIXED(boundary)                                                                  \
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=" boundary "\r\n\r\n"
#define FILE_B64                                                                         \
    "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"

/* text: the message; lines: what is told; n, content: of one entity. */
static const struct {
    const char *name, *text, *lines;
    unsigned n;
    const char *content;
} cases[] = {
    {"plain", "Subject: x\r\n\r\nHello\r\n", "[0<0 0 text/plain\n]0\n", 0, "Hello\r\n"},
    {"no body", "Subject: x\r\n", "[0<0 0 text/plain\n]0\n", 0, ""},
    {"two parts",
     MIXED("\"b 1\"") "preamble\r\n--b 1\r\n\r\none\r\n\r\n--b 1  \r\n"
                      "Content-Type: TEXT/Html (x)\r\n\r\n<p>\r\n--b 1--\r\nepilogue",
     "[0<0 0 multipart/mixed composite\n[1<0 1 text/plain\n]1\n[2<0 1 "
     "text/html\n]2\n]0\n",
     1, "one\r\n"},
    {"LF line ends", "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n",
     "[0<0 0 multipart/mixed composite\n[1<0 1 text/plain\n]1\n]0\n", 1, "one"},
    {"dashes in content", MIXED("b") "--b\r\n\r\n-\r\n--\r\n--bb\r\n- -\r\n--b--",
     "[0<0 0 multipart/mixed composite\n[1<0 1 text/plain\n]1\n]0\n", 1,
     "-\r\n--\r\n--bb\r\n- -"},
    {"base64 with junk",
     MIXED("b") "--b\r\n" FILE_B64 "Content-Disposition: ATTACHMENT; "
                "filename=a.exe\r\n\r\nSG\r\n V!s*b\tG8=\r\n--b--",
     "[0<0 0 multipart/mixed composite\n"
     "[1<0 1 application/octet-stream base64 attachment name=a.exe\n"
     "!base64 with octets that do not belong to it\n]1\n]0\n",
     1, "Hello"},
    {"base64 twice", MIXED("b") "--b\r\n" FILE_B64 "\r\nSGk=\r\nSGk\r\n--b--",
     "[0<0 0 multipart/mixed composite\n[1<0 1 application/octet-stream base64\n"
     "!base64 that goes on behind its end\n]1\n]0\n",
     1, "HiHi"},
    {"quoted-printable",
     "Content-Transfer-Encoding: Quoted-Printable\r\n\r\na=3D=\r\nb= \r\n=C3=A9 =zz =",
     "[0<0 0 text/plain qp\n]0\n", 0, "a=b\xc3\xa9 =zz ="},
    {"names in RFC 2231 pieces",
     MIXED("b") "--b\r\nContent-Type: application/pdf;\r\n name*1=voice.e;\r\n"
                " name*0*=us-ascii'en'in;\r\n name*2*=x%65\r\n"
                "Content-Disposition: attachment; "
                "filename=\"=?utf-8?B?YS5wZGY=?=\"\r\n\r\n--b--",
     "[0<0 0 multipart/mixed composite\n"
     "[1<0 1 application/pdf attachment name=invoice.exe,a.pdf\n]1\n]0\n",
     1, ""},
    {"a name with a gap",
     MIXED("b") "--b\r\nContent-Disposition: attachment; filename*0=\"a.exe\";"
                " filename*2=\".txt\"\r\n\r\n--b--",
     "[0<0 0 multipart/mixed composite\n!a file name has pieces missing or said twice\n"
     "[1<0 1 text/plain attachment name=a.exe.txt,a.exe\n]1\n]0\n",
     1, ""},
    {"a name with blanks and no quotes",
     MIXED(
         "b") "--b\r\nContent-Disposition: attachment; filename=my file.exe; x=y\r\n\r\n"
              "--b--",
     "[0<0 0 multipart/mixed composite\n"
     "[1<0 1 text/plain attachment name=my,my file.exe\n]1\n]0\n",
     1, ""},
    {"comments",
     "Content-Type: (a\\)) application (b) / (c) X-MSDownload (d); (e) name (f) = "
     "\"x\"\r\n\r\n",
     "[0<0 0 application/x-msdownload\n]0\n", 0, ""},
    {"a message in a multipart in a message",
     MIXED("a") "--a\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n"
                "Content-Type: multipart/mixed; "
                "boundary=i\r\n\r\n--i\r\n\r\nx\r\n--i--\r\n--a--",
     "[0<0 0 multipart/mixed composite\n[1<0 1 message/rfc822 composite\n"
     "[2<1 2 multipart/mixed composite attached\n[3<2 3 text/plain "
     "attached\n]3\n]2\n]1\n]0\n",
     3, "x"},
    {"digest",
     "Content-Type: multipart/digest; boundary=d\r\n\r\n--d\r\n\r\nSubject: "
     "x\r\n\r\nbody\r\n--d--",
     "[0<0 0 multipart/digest composite\n[1<0 1 message/rfc822 composite\n"
     "[2<1 2 text/plain attached\n]2\n]1\n]0\n",
     2, "body"},
    {"a message in base64",
     "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
     "Q29udGVudC1UeXBlOiB0ZXh0L2h0bWwNCg0KeA==",
     "!a multipart or an attached message is itself encoded\n"
     "[0<0 0 message/rfc822 composite base64\n[1<0 1 text/html attached\n]1\n]0\n",
     1, "x"},
    {"content read as a message on demand",
     "Content-Type: application/x-eml\r\n\r\nSubject: x\r\n\r\nin",
     "[0<0 0 application/x-eml\n[1<0 1 text/plain attached\n]1\n]0\n", 1, "in"},
    {"uuencode in a text",
     "Subject: x\r\n\r\nsee\r\nbegin 644 a.exe\r\n#2&5L\r\n#;&\\*\r\n`\r\nend\r\nbye\r\n",
     "[0<0 0 text/plain\n[1<0 1 application/octet-stream uu attachment "
     "name=a.exe\n]1\n]0\n",
     1, "Hello\n"},
    {"no uuencode", "\r\nbegin 644 letters\r\nDear all,\r\n", "[0<0 0 text/plain\n]0\n",
     0, "begin 644 letters\r\nDear all,\r\n"},
    {"inner boundary goes on the outer",
     MIXED("abc") "--abc\r\nContent-Type: multipart/mixed; "
                  "boundary=abcd\r\n\r\n--abcd\r\n\r\nx\r\n"
                  "--abcd--\r\n--abc\r\n\r\ny\r\n--abc--",
     "[0<0 0 multipart/mixed composite\n[1<0 1 multipart/mixed composite\n[2<1 2 "
     "text/plain\n"
     "]2\n]1\n[3<0 1 text/plain\n]3\n]0\n",
     3, "y"},
    /* defects */
    {"no boundary", "Content-Type: multipart/mixed\r\n\r\n--x\r\n",
     "!a multipart names no boundary\n[0<0 0 multipart/mixed\n]0\n", 0, "--x\r\n"},
    {"an empty boundary", MIXED("\"\"") "x",
     "!a multipart names no boundary\n[0<0 0 multipart/mixed\n]0\n", 0, "x"},
    {"two boundaries", MIXED("a; boundary=b") "--a\r\n\r\nx\r\n--a--",
     "!a multipart names two boundaries\n[0<0 0 multipart/mixed composite\n[1<0 1 "
     "text/plain\n]1\n]0\n",
     1, "x"},
    {"boundary repeated",
     MIXED("a") "--a\r\nContent-Type: multipart/mixed; "
                "boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n--a--",
     "[0<0 0 multipart/mixed composite\n!a multipart has the boundary of one around it\n"
     "[1<0 1 multipart/mixed composite\n[2<1 2 text/plain\n]2\n]1\n"
     "!a multipart has no closing boundary\n]0\n",
     2, "x"},
    {"boundary absent", MIXED("a") "hidden\r\n",
     "[0<0 0 multipart/mixed composite\n!the boundary of a multipart never comes\n]0\n",
     0, ""},
    {"boundary trailed", MIXED("a") "--a\r\n\r\nx\r\n--a x\r\n--a--",
     "[0<0 0 multipart/mixed composite\n[1<0 1 text/plain\n"
     "!a boundary line goes on behind the boundary\n]1\n]0\n",
     1, "x\r\n--a x"},
    {"not closed", MIXED("a") "--a\r\n\r\nx\r\n",
     "[0<0 0 multipart/mixed composite\n[1<0 1 text/plain\n]1\n"
     "!a multipart has no closing boundary\n]0\n",
     1, "x\r\n"},
    {"part after close", MIXED("a") "--a--\r\n--a\r\n\r\nx\r\n--a--",
     "[0<0 0 multipart/mixed composite\n!a part follows the closing boundary of its "
     "multipart\n"
     "[1<0 1 text/plain\n]1\n]0\n",
     1, "x"},
    {"two types", "Content-Type: text/plain\r\nContent-type: text/html\r\n\r\n",
     "!an entity has two Content-Type fields that differ\n[0<0 0 text/plain\n]0\n", 0,
     ""},
    {"a type that is none", "Content-Type: text\r\n\r\n",
     "!a Content-Type is no type/subtype\n[0<0 0 text\n]0\n", 0, ""},
    {"two encodings",
     "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64\r\n\r\n",
     "!an entity has two Content-Transfer-Encoding fields that differ\n[0<0 0 "
     "text/plain\n]0\n",
     0, ""},
    {"unknown encoding", "Content-Transfer-Encoding: x\r\n\r\nSGk=",
     "!a Content-Transfer-Encoding is none that is known\n[0<0 0 text/plain\n]0\n", 0,
     "SGk="},
    {"multipart in base64",
     "Content-Type: multipart/mixed; boundary=a\r\nContent-Transfer-Encoding: "
     "base64\r\n\r\n"
     "--a\r\n\r\nx\r\n--a--",
     "!a multipart is itself encoded in base64\n[0<0 0 multipart/mixed composite base64\n"
     "[1<0 1 text/plain\n]1\n]0\n",
     1, "x"},
    {"broken header",
     MIXED("a") "--a\r\nContent-Type: text/html\r\nno field\r\n\r\nx\r\n--a--",
     "[0<0 0 multipart/mixed composite\n!the header of a part has a line that is no "
     "field\n"
     "[1<0 1 text/html\n]1\n]0\n",
     1, "no field\r\n\r\nx"},
    {"8-bit header", "Content-Type: text/plain; name=\"\xc3\xa9\"\r\n\r\n",
     "!a Content- field has octets beyond ASCII\n[0<0 0 text/plain name=\\xc3\\xa9\n]0\n",
     0, ""},
    {"header at a boundary", MIXED("a") "--a\r\nContent-Type: text/html\r\n--a--",
     "[0<0 0 multipart/mixed composite\n!the header of a part ends at a boundary\n"
     "[1<0 1 text/html\n]1\n]0\n",
     1, ""},
};

static void check_case(size_t i, size_t step)
{
    static struct scan_log log;
    struct slice text = slice_of(cases[i].text);
    scan_log_init(&log, 65536);
    scan_log_run(&log, text, step, &limits);
    (void)buf_add_byte(&log.lines, '\0');
    (void)buf_add_byte(&log.content[cases[i].n], '\0');
    if (strcmp((char *)log.lines.ptr, cases[i].lines) != 0) {
        print_error("%s, in steps of %zu\n", cases[i].name, step);
    }
    assert_string_equal(log.lines.ptr, cases[i].lines);
    assert_string_equal(log.content[cases[i].n].ptr, cases[i].content);
    scan_log_clear(&log);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 0; step < 30; step++) {
            check_case(i, step);
        }
    }
}

/* Every pair of pieces. */
static void test_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice text = slice_of(cases[i].text);
        for (size_t at = 1; at < text.len; at++) {
            static struct scan_log log;
            scan_log_init(&log, 65536);
            struct mime_scan *s = mime_scan_new(&limits, &log_events, &log);
            assert_true(mime_scan_feed(s, slice_sub(text, 0, at)));
            assert_true(mime_scan_feed(s, slice_from(text, at)));
            assert_true(mime_scan_end(s));
            mime_scan_free(&s);
            assert_true(slice_eq(buf_slice(&log.lines), slice_of(cases[i].lines)));
            assert_true(slice_eq(buf_slice(&log.content[cases[i].n]),
                                 slice_of(cases[i].content)));
            scan_log_clear(&log);
        }
    }
}

static void scan_text(struct scan_log *log, const struct buf *text, size_t *memory)
{
    scan_log_init(log, 1 << 20);
    struct mime_scan *s = mime_scan_new(&limits, &log_events, log);
    assert_true(mime_scan_feed(s, buf_slice(text)));
    *memory = mime_scan_memory(s);
    assert_true(mime_scan_end(s));
    mime_scan_free(&s);
}

static void test_limits(void **state)
{
    static struct scan_log log;
    struct buf text;
    size_t memory = 0;
    (void)state;
    buf_init(&text, 1 << 20);
    for (unsigned i = 0; i < 100; i++) {
        (void)buf_add_fmt(
            &text, "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", i, i);
    }
    scan_text(&log, &text, &memory);
    (void)buf_add_byte(&log.lines, '\0');
    assert_non_null(strstr((char *)log.lines.ptr, "nested too deep"));
    assert_int_equal(log.deepest, 7);
    scan_log_clear(&log);

    buf_reset(&text);
    (void)buf_add_str(&text, MIXED("b"));
    for (unsigned i = 0; i < 300; i++) {
        (void)buf_add_str(&text, "--b\r\n\r\nx\r\n");
    }
    scan_text(&log, &text, &memory);
    (void)buf_add_byte(&log.lines, '\0');
    assert_non_null(strstr((char *)log.lines.ptr, "too many parts"));
    assert_non_null(strstr((char *)log.lines.ptr, "[199<0"));
    assert_null(strstr((char *)log.lines.ptr, "[200<0"));
    scan_log_clear(&log);

    /* A header that is all one field, or many. */
    buf_reset(&text);
    (void)buf_add_str(&text, "Subject: ");
    while (text.len < 200000) {
        (void)buf_add_str(&text, "0123456789abcdef");
    }
    size_t subject = text.len;
    (void)buf_add_str(&text, "\r\nContent-Type: text/html; x=");
    while (text.len < subject + 200000) {
        (void)buf_add_str(&text, "0123456789abcdef");
    }
    (void)buf_add_str(&text, "\r\nContent-Type: text/html\r\n\r\n");
    scan_text(&log, &text, &memory);
    (void)buf_add_byte(&log.lines, '\0');
    assert_string_equal(log.lines.ptr, "!the Content- fields of an entity are too large\n"
                                       "[0<0 0 text/html\n]0\n");
    assert_true(memory < (64 + 32) * 1024);
    scan_log_clear(&log);
    buf_clear(&text);
}

/* Who has seen enough of a leaf is left in peace; the next one comes. */
static bool one_piece(void *arg, unsigned index, struct slice octets)
{
    unsigned *pieces = arg;
    (void)octets;
    pieces[index]++;
    return false;
}

static enum mime_want want_content(void *arg, const struct mime_entity *e)
{
    (void)arg;
    return e->index == 3 ? MIME_SKIP : MIME_CONTENT;
}

static void test_enough(void **state)
{
    static const struct mime_scan_events events = {.begin = want_content,
                                                   .content = one_piece};
    unsigned pieces[4] = {0};
    struct slice text =
        SLICE(MIXED("b") "--b\r\nContent-Type: image/png\r\n\r\n1\r\n2\r\n3\r\n"
                         "--b\r\n\r\n4\r\n5\r\n--b\r\n\r\n6\r\n--b--");
    (void)state;
    struct mime_scan *s = mime_scan_new(&limits, &events, pieces);
    for (size_t i = 0; i < text.len; i++) {
        assert_true(mime_scan_feed(s, slice_sub(text, i, 1)));
    }
    assert_true(mime_scan_end(s));
    mime_scan_free(&s);
    assert_int_equal(pieces[1], 1);
    assert_int_equal(pieces[2], 1);
    assert_int_equal(pieces[3], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
