/* smtp/client_test.c - the client side: reply parser and dot encoder. */
#include "smtp/client_reply.h"
#include "smtp/dot_encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MORE CLIENT_REPLY_MORE
#define DONE CLIENT_REPLY_DONE
#define BAD  CLIENT_REPLY_BAD

static const struct {
    const char *name;
    struct slice in;
    enum client_reply_res res;
    uint16_t code;
    const char *flat, *status;
    size_t left; /* octets not taken */
} replies[] = {
    {"one line", SLICE_INIT("250 2.0.0 ok\r\n"), DONE, 250, "250 2.0.0 ok", "2.0.0", 0},
    {"no text", SLICE_INIT("250\r\n"), DONE, 250, "250", "", 0},
    {"blank text", SLICE_INIT("250 \r\n"), DONE, 250, "250", "", 0},
    {"lone LF", SLICE_INIT("250 ok\n"), DONE, 250, "250 ok", "", 0},
    {"next one stays", SLICE_INIT("250 a\r\n550 b\r\n"), DONE, 250, "250 a", "", 7},
    {"lines", SLICE_INIT("250-a\r\n250-b c\r\n250 d\r\n"), DONE, 250, "250 a b c d", "",
     0},
    {"status on each", SLICE_INIT("550-5.1.1 a\r\n550-5.1.1 b\r\n550 5.1.1\r\n"), DONE,
     550, "550 5.1.1 a b", "5.1.1", 0},
    {"empty middle", SLICE_INIT("250-a\r\n250-\r\n250 d\r\n"), DONE, 250, "250 a d", "",
     0},
    {"571", SLICE_INIT("571 no\r\n"), DONE, 571, "571 no", "", 0},
    {"long status", SLICE_INIT("452 4.123.456 x\r\n"), DONE, 452, "452 4.123.456 x",
     "4.123.456", 0},
    {"status too long", SLICE_INIT("452 4.1234.4 x\r\n"), DONE, 452, "452 4.1234.4 x", "",
     0},
    {"status of another class", SLICE_INIT("550 4.2.2 x\r\n"), DONE, 550, "550 4.2.2 x",
     "", 0},
    {"status glued", SLICE_INIT("550 5.1.1x\r\n"), DONE, 550, "550 5.1.1x", "", 0},
    {"status unfinished", SLICE_INIT("550 5.1.\r\n"), DONE, 550, "550 5.1.", "", 0},
    {"address is no status", SLICE_INIT("220 2.example.org\r\n"), DONE, 220,
     "220 2.example.org", "", 0},
    {"controls", SLICE_INIT("250 a\0b\rc\x1b\x7f\td\r\n"), DONE, 250, "250 a?b?c?? d", "",
     0},
    {"codes of a class", SLICE_INIT("550-a\r\n554 b\r\n"), DONE, 554, "554 a b", "", 0},
    {"two classes", SLICE_INIT("550-a\r\n250 b\r\n"), BAD, 0, NULL, NULL, 0},
    {"unfinished", SLICE_INIT("250-a\r\n250"), MORE, 0, NULL, NULL, 0},
    {"empty", SLICE_INIT(""), MORE, 0, NULL, NULL, 0},
    {"empty line", SLICE_INIT("\r\n"), BAD, 0, NULL, NULL, 0},
    {"two digits", SLICE_INIT("25\r\n"), BAD, 0, NULL, NULL, 0},
    {"four digits", SLICE_INIT("2500 x\r\n"), BAD, 0, NULL, NULL, 0},
    {"1yz", SLICE_INIT("150 x\r\n"), BAD, 0, NULL, NULL, 0},
    {"6yz", SLICE_INIT("650 x\r\n"), BAD, 0, NULL, NULL, 0},
    {"letters", SLICE_INIT("HTTP/1.1 400 Bad Request\r\n"), BAD, 0, NULL, NULL, 0},
    {"blank first", SLICE_INIT(" 250 ok\r\n"), BAD, 0, NULL, NULL, 0},
    {"tab after code", SLICE_INIT("250\tok\r\n"), BAD, 0, NULL, NULL, 0},
    {"continuation without code", SLICE_INIT("250-a\r\nb\r\n"), BAD, 0, NULL, NULL, 0},
};

/* Feeds in in pieces of step octets (0: whole). */
static enum client_reply_res feed(struct client_reply *r, struct slice in, size_t step,
                                  size_t *left)
{
    enum client_reply_res res = MORE;
    while (res == MORE && in.len > 0) {
        struct slice piece = slice_sub(in, 0, step == 0 ? in.len : step);
        size_t had = piece.len;
        res = client_reply_feed(r, &piece);
        in = slice_from(in, had - piece.len);
    }
    *left = in.len;
    return res;
}

static void test_replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        for (size_t step = 0; step < 4; step++) {
            struct client_reply r;
            struct buf flat;
            size_t left = 0;
            client_reply_init(&r);
            buf_init(&flat, 4096);
            enum client_reply_res res = feed(&r, replies[i].in, step, &left);
            if (res != replies[i].res) {
                fail_msg("%s, step %zu: %d", replies[i].name, step, (int)res);
            }
            if (res == DONE) {
                client_reply_flat(&r, 4096, &flat);
                (void)buf_add_byte(&flat, 0);
                assert_int_equal(r.code, replies[i].code);
                assert_string_equal((char *)flat.ptr, replies[i].flat);
                assert_true(
                    slice_eq(client_reply_status(&r), slice_of(replies[i].status)));
                assert_int_equal(left, replies[i].left);
            }
            client_reply_clear(&r);
            buf_clear(&flat);
        }
    }
}

static void test_prefixes_wait(void **state)
{
    (void)state;
    struct slice in = SLICE("250-a\r\n250-b\r\n250 c\r\n");
    for (size_t cut = 0; cut < in.len; cut++) {
        struct client_reply r;
        struct slice part = slice_sub(in, 0, cut);
        client_reply_init(&r);
        assert_int_equal(client_reply_feed(&r, &part), MORE);
        assert_int_equal(part.len, 0);
        struct slice rest = slice_from(in, cut);
        assert_int_equal(client_reply_feed(&r, &rest), DONE);
        assert_int_equal(r.line_n, 3);
        client_reply_clear(&r);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct client_reply r;
    struct buf in;
    struct slice s, line;
    buf_init(&in, 1024 * 1024);

    /* a line without an end */
    client_reply_init(&r);
    for (unsigned i = 0; i <= CLIENT_REPLY_LINE_MAX; i++) {
        (void)buf_add_byte(&in, '2');
    }
    s = buf_slice(&in);
    assert_int_equal(client_reply_feed(&r, &s), BAD);
    s = SLICE("250 ok\r\n");
    assert_int_equal(client_reply_feed(&r, &s), BAD); /* and stays so */
    client_reply_clear(&r);

    /* a reply without an end */
    buf_reset(&in);
    for (unsigned i = 0; i <= CLIENT_REPLY_LINES_MAX; i++) {
        (void)buf_add_str(&in, "250-\r\n");
    }
    client_reply_init(&r);
    s = buf_slice(&in);
    assert_int_equal(client_reply_feed(&r, &s), BAD);
    client_reply_clear(&r);

    /* more text than is kept: the reply is understood, its text cut at a line */
    buf_reset(&in);
    for (unsigned i = 0; i < 10; i++) {
        (void)buf_add_fmt(&in, "250-%01000u\r\n", i);
    }
    (void)buf_add_str(&in, "250 end\r\n");
    client_reply_init(&r);
    s = buf_slice(&in);
    assert_int_equal(client_reply_feed(&r, &s), DONE);
    assert_true(r.cut);
    assert_true(client_reply_line(&r, 7, &line));
    assert_int_equal(line.len, 1000);
    assert_false(client_reply_line(&r, 8, &line));

    /* and the next reply starts fresh */
    s = SLICE("354 go\r\n");
    assert_int_equal(client_reply_feed(&r, &s), DONE);
    assert_int_equal(r.code, 354);
    assert_false(r.cut);
    assert_true(client_reply_line(&r, 0, &line));
    assert_true(slice_eq(line, SLICE("go")));
    buf_reset(&in);
    client_reply_flat(&r, 5, &in);
    assert_true(slice_eq(buf_slice(&in), SLICE("354 g")));
    client_reply_clear(&r);
    buf_clear(&in);
}

static const struct {
    const char *name;
    struct slice in, out;
} dots[] = {
    {"empty", SLICE_INIT(""), SLICE_INIT(".\r\n")},
    {"plain", SLICE_INIT("a\r\nb\r\n"), SLICE_INIT("a\r\nb\r\n.\r\n")},
    {"dots", SLICE_INIT(".\r\n..\r\n.a\r\na.\r\n"),
     SLICE_INIT("..\r\n...\r\n..a\r\na.\r\n.\r\n")},
    {"blank lines", SLICE_INIT("\r\n\r\n"), SLICE_INIT("\r\n\r\n.\r\n")},
    /* what a queue may hold when something unclean wrote into it */
    {"out:lf-dot-crlf", SLICE_INIT("a\n.\r\nMAIL FROM:<s@x>\r\n"),
     SLICE_INIT("a\r\n..\r\nMAIL FROM:<s@x>\r\n.\r\n")},
    {"out:cr-dot-cr", SLICE_INIT("a\r.\rMAIL FROM:<s@x>\r\n"),
     SLICE_INIT("a\r\n..\r\nMAIL FROM:<s@x>\r\n.\r\n")},
    {"out:crlf-nul-dot", SLICE_INIT("a\r\n\0.\r\nMAIL FROM:<s@x>\r\n"),
     SLICE_INIT("a\r\n\0.\r\nMAIL FROM:<s@x>\r\n.\r\n")},
    {"out:lf-only", SLICE_INIT("a\nb\n"), SLICE_INIT("a\r\nb\r\n.\r\n")},
    {"out:no-final-newline", SLICE_INIT("a"), SLICE_INIT("a\r\n.\r\n")},
    {"out:lf-dot-lf", SLICE_INIT("a\n.\nMAIL FROM:<s@x>\n"),
     SLICE_INIT("a\r\n..\r\nMAIL FROM:<s@x>\r\n.\r\n")},
    {"out:crcrlf-dot", SLICE_INIT("a\r\r\n.\r\r\nMAIL FROM:<s@x>\r\n"),
     SLICE_INIT("a\r\n\r\n..\r\n\r\nMAIL FROM:<s@x>\r\n.\r\n")},
    {"out:cr-final", SLICE_INIT("a\r"), SLICE_INIT("a\r\n.\r\n")},
    {"dot alone", SLICE_INIT("."), SLICE_INIT("..\r\n.\r\n")},
    {"cr alone", SLICE_INIT("\r"), SLICE_INIT("\r\n.\r\n")},
};

/* The promise of dot_encode.h, read off what goes over the wire. */
static bool wire_is_clean(struct slice wire)
{
    if (wire.len < 3 || !slice_eq(slice_from(wire, wire.len - 3), SLICE(".\r\n"))) {
        return false;
    }
    if (wire.len > 3 && !slice_eq(slice_sub(wire, wire.len - 5, 2), SLICE("\r\n"))) {
        return false;
    }
    bool line_start = true;
    for (size_t i = 0; i < wire.len; i++) {
        unsigned char c = wire.ptr[i];
        if (line_start && c == '.' && i != wire.len - 3 && wire.ptr[i + 1] != '.') {
            return false;
        }
        if (c == '\r' && (i + 1 == wire.len || wire.ptr[i + 1] != '\n')) {
            return false;
        }
        if (c == '\n' && (i == 0 || wire.ptr[i - 1] != '\r')) {
            return false;
        }
        line_start = c == '\n';
    }
    return true;
}

static void encode(struct slice in, size_t step, struct buf *out)
{
    struct dot_encoder d = {0};
    buf_reset(out);
    while (in.len > 0) {
        struct slice piece = slice_sub(in, 0, step == 0 ? in.len : step);
        size_t before = out->len;
        dot_encode_add(&d, piece, out);
        assert_true(out->len - before <= 2 * piece.len + 2);
        in = slice_from(in, piece.len);
    }
    size_t before = out->len;
    dot_encode_end(&d, out);
    assert_true(out->len - before <= DOT_ENCODE_END_MAX);
}

static void test_dots(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < sizeof dots / sizeof dots[0]; i++) {
        for (size_t step = 0; step < 5; step++) {
            encode(dots[i].in, step, &out);
            if (!slice_eq(buf_slice(&out), dots[i].out)) {
                fail_msg("%s, step %zu: %.*s", dots[i].name, step, (int)out.len,
                         (char *)out.ptr);
            }
            assert_true(wire_is_clean(buf_slice(&out)));
        }
    }
    struct dot_encoder d = {0};
    dot_encode_add(&d, SLICE("a\nb\rc\r\nd"), &out);
    assert_int_equal(d.mended, 2);
    buf_clear(&out);
}

/* Every string of up to 7 octets over the classes that the encoder tells apart. */
static void test_dots_exhaustive(void **state)
{
    (void)state;
    static const unsigned char alphabet[] = {'\r', '\n', '.', 'a'};
    unsigned char in[7];
    struct buf whole, parts;
    buf_init(&whole, 64);
    buf_init(&parts, 64);
    for (size_t len = 0; len <= sizeof in; len++) {
        for (unsigned n = 0; n < 1U << (2 * len); n++) {
            for (size_t i = 0; i < len; i++) {
                in[i] = alphabet[n >> (2 * i) & 3U];
            }
            encode((struct slice){in, len}, 0, &whole);
            encode((struct slice){in, len}, 1, &parts);
            assert_true(wire_is_clean(buf_slice(&whole)));
            assert_true(slice_eq(buf_slice(&whole), buf_slice(&parts)));
        }
    }
    buf_clear(&whole);
    buf_clear(&parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),         cmocka_unit_test(test_prefixes_wait),
        cmocka_unit_test(test_limits),          cmocka_unit_test(test_dots),
        cmocka_unit_test(test_dots_exhaustive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
