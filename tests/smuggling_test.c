/* tests/smuggling_test.c - the vectors of the smuggling suite against the SMTP engine.
 *
 * The suite lies at ../shared/suites/smuggling.json beside the source tree (argv[1] is the
 * tree; the environment's POSTERN_SHARED names another place for ../shared); without it the
 * test is skipped. A case that the tables below do not know fails: each of its "must" is to be
 * looked at by someone. Each input runs whole as the suite cuts it, and octet by octet; the
 * outcome must be the same; and both with bare newlines refused and with bare LF allowed. */
#include "smtp/dot_encode.h"
#include "smtp/session_fake.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SKIPPED = 77, OCTETS_MAX = 64 * 1024, SEGMENTS_MAX = 8 };

static json_t *suite;
static size_t seen_n; /* cases that some test has run */

/* --- input --- */

struct input {
    struct buf segment[SEGMENTS_MAX];
    size_t n;
};

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void add_hex(struct input *in, const char *hex)
{
    assert_true(in->n < SEGMENTS_MAX);
    struct buf *b = &in->segment[in->n++];
    buf_init(b, OCTETS_MAX);
    for (; hex[0] != '\0'; hex += 2) {
        assert_true(nibble(hex[0]) >= 0 && nibble(hex[1]) >= 0);
        (void)buf_add_byte(b, (unsigned char)(nibble(hex[0]) * 16 + nibble(hex[1])));
    }
}

/* "\r\n" stands for CRLF, "\n" for LF. */
static void add_escaped(struct input *in, const char *text)
{
    assert_true(in->n < SEGMENTS_MAX);
    struct buf *b = &in->segment[in->n++];
    buf_init(b, OCTETS_MAX);
    for (; *text != '\0'; text++) {
        bool escape = text[0] == '\\' && (text[1] == 'r' || text[1] == 'n');
        unsigned char c = (unsigned char)*text;
        if (escape) {
            c = *++text == 'r' ? '\r' : '\n';
        }
        (void)buf_add_byte(b, c);
    }
}

static const char *text_of(const json_t *c, const char *key)
{
    const char *text = json_string_value(json_object_get(c, key));
    return text == NULL ? "" : text;
}

static void read_input(const json_t *c, struct input *in)
{
    static const char *const whole[] = {"data_hex", "bytes_hex", "body_hex"};
    size_t i = 0;
    json_t *value = NULL;
    *in = (struct input){0};
    for (size_t k = 0; k < sizeof whole / sizeof whole[0]; k++) {
        if (json_object_get(c, whole[k]) != NULL) {
            add_hex(in, text_of(c, whole[k]));
        }
    }
    json_array_foreach(json_object_get(c, "segments_hex"), i, value)
    {
        add_hex(in, json_string_value(value));
    }
    json_array_foreach(json_object_get(c, "segments"), i, value)
    {
        add_escaped(in, json_string_value(value));
    }
    if (in->n == 0) {
        fail_msg("%s: no input", text_of(c, "id"));
    }
}

static void clear_input(struct input *in)
{
    for (size_t i = 0; i < in->n; i++) {
        buf_clear(&in->segment[i]);
    }
}

/* --- the session --- */

#define HELLO "EHLO c.example\r\n"
#define MAIL  HELLO "MAIL FROM:<carrier@x.example>\r\n"
#define RCPT  MAIL "RCPT TO:<b@local.example>\r\n"

static void start(struct fake *f, bool lenient, const char *before)
{
    struct smtp_offer offer = {.bare_lf_ok = lenient, .starttls = true};
    struct smtp_limits limits = fake_limits();
    limits.message_size = OCTETS_MAX;
    fake_init(f, &offer, &limits);
    fake_feed(f, slice_of(before));
    buf_reset(&f->log);
    f->accepted = 0;
}

static void send_input(struct fake *f, const struct input *in, bool octets)
{
    for (size_t i = 0; i < in->n; i++) {
        struct slice s = buf_slice(&in->segment[i]);
        if (!octets) {
            fake_feed(f, s);
            fake_settle(f);
            continue;
        }
        for (size_t at = 0; at < s.len; at++) {
            fake_feed(f, slice_sub(s, at, 1));
            fake_settle(f);
        }
    }
}

static bool has(const struct fake *f, const char *text)
{
    struct slice log = buf_slice(&f->log);
    struct slice part = slice_of(text);
    for (size_t i = 0; i + part.len <= log.len; i++) {
        if (slice_starts(slice_from(log, i), part)) {
            return true;
        }
    }
    return false;
}

/* How many lines of the log are of this kind. */
static unsigned count(const struct fake *f, char kind)
{
    unsigned n = 0;
    for (struct slice log = buf_slice(&f->log); log.len > 0;
         log = slice_from(log, slice_find(log, '\n') + 1)) {
        n += log.ptr[0] == (unsigned char)kind;
    }
    return n;
}

static void wrong(const json_t *c, const struct fake *f, const char *what)
{
    fail_msg("%s (bare LF %s): %s; what happened:\n%.*s", text_of(c, "id"),
             f->offer.bare_lf_ok ? "allowed" : "refused", what, (int)f->log.len,
             (char *)f->log.ptr);
}

static void check(const json_t *c, const struct fake *f, bool ok, const char *what)
{
    if (!ok) {
        wrong(c, f, what);
    }
}

/* Each reply is a success, or 5yz, or 421. */
static void check_replies(const json_t *c, const struct fake *f)
{
    for (struct slice log = buf_slice(&f->log); log.len > 0;
         log = slice_from(log, slice_find(log, '\n') + 1)) {
        if (log.ptr[0] == 'S') {
            struct slice id = slice_from(log, 3);
            size_t end = 0;
            while (end < id.len && id.ptr[end] != ' ' && id.ptr[end] != '\n') {
                end++;
            }
            const struct reply_row *row = reply_row(reply_by_name(slice_sub(id, 0, end)));
            uint16_t code = row->code[REPLY_GMAIL];
            check(c, f, code < 400 || code == 421 || code >= 500, "neither yes nor no");
        }
    }
}

static void check_numbers(const json_t *c, const struct fake *f)
{
    json_int_t max = json_integer_value(json_object_get(c, "messages_max"));
    json_int_t min = json_integer_value(json_object_get(c, "messages_min"));
    check(c, f, f->accepted <= max, "too many messages");
    check(c, f, f->accepted >= min, "too few messages");
    check(c, f, f->accepted == f->kept, "kept and not accepted");
}

/* --- end of data, framing --- */

/* No bare CR or LF in what was taken. */
static bool is_clean(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((s.ptr[i] == '\r' && (i + 1 == s.len || s.ptr[i + 1] != '\n')) ||
            (s.ptr[i] == '\n' && (i == 0 || s.ptr[i - 1] != '\r'))) {
            return false;
        }
    }
    return true;
}

static void check_lines(const json_t *c, const struct fake *f)
{
    struct buf want;
    size_t i = 0;
    json_t *value = NULL;
    buf_init(&want, OCTETS_MAX);
    json_array_foreach(json_object_get(c, "lines"), i, value)
    {
        (void)buf_add_str(&want, json_string_value(value));
        (void)buf_add_str(&want, "\r\n");
    }
    check(c, f, slice_eq(buf_slice(&want), buf_slice(&f->message)), "other text");
    buf_clear(&want);
}

static void check_data(const json_t *c, const struct fake *f, bool end_of_data)
{
    check_numbers(c, f);
    check_replies(c, f);
    if (json_object_get(c, "lines") != NULL) {
        check_lines(c, f);
    }
    check(c, f, f->accepted == 0 || is_clean(buf_slice(&f->message)),
          "bare CR or LF taken");
    if (end_of_data) {
        check(c, f, !has(f, "C: MAIL") && !has(f, "F: smuggled"),
              "smuggled text executed");
        check(c, f, f->accepted == 0 || has(f, "smuggled@attacker.example"),
              "the message ended before its end");
        check(c, f, f->accepted == 1 || f->closed, "neither taken nor closed");
    }
}

static void run_data(const json_t *c, bool end_of_data)
{
    for (int lenient = 0; lenient < 2; lenient++) {
        struct fake whole, cut;
        struct input in;
        read_input(c, &in);
        start(&whole, lenient == 1, RCPT "DATA\r\n");
        start(&cut, lenient == 1, RCPT "DATA\r\n");
        send_input(&whole, &in, false);
        send_input(&cut, &in, true);
        check_data(c, &whole, end_of_data);
        check_data(c, &cut, end_of_data);
        check(c, &cut, slice_eq(buf_slice(&whole.log), buf_slice(&cut.log)),
              "cut, it differs");
        fake_clear(&whole);
        fake_clear(&cut);
        clear_input(&in);
    }
}

static void test_data(void **state)
{
    (void)state;
    size_t i = 0;
    json_t *c = NULL;
    json_array_foreach(json_object_get(suite, "cases"), i, c)
    {
        bool end_of_data = strcmp(text_of(c, "kind"), "end-of-data") == 0;
        if (end_of_data || strcmp(text_of(c, "kind"), "framing") == 0) {
            run_data(c, end_of_data);
            seen_n++;
        }
    }
}

/* --- command lines --- */

static const struct line_case {
    const char *id;
    unsigned lines_max;   /* command lines seen in it */
    const char *never[3]; /* not in the log */
    bool refused;         /* by something */
} line_cases[] = {
    {"cmd:bare-lf-line", 0, {"ok-noop"}, true},
    {"cmd:bare-cr-line", 0, {"F: ", "ok-"}, true},
    {"cmd:rcpt-quoted-crlf", 2, {"T: ", "ok-rcpt", "ok-data"}, true},
    {"cmd:helo-lf", 0, {"E: ", "forged"}, true},
    {"cmd:helo-8bit", 1, {"E: ", "H: ", "ok-ehlo"}, true},
    {"cmd:param-xtext-crlf", 1, {"F: ", "ok-mail", "\\x0d"}, true},
    {"cmd:space-before-colon", 1, {"ok-rcpt", "ok-data", "ok-ehlo"}, true},
};

static void run_line(const json_t *c, const struct line_case *l, const char *before)
{
    for (int octets = 0; octets < 4; octets++) {
        struct fake f;
        struct input in;
        read_input(c, &in);
        start(&f, octets >= 2, before);
        send_input(&f, &in, octets % 2 == 1);
        check_replies(c, &f);
        check(c, &f, f.accepted == 0 && count(&f, 'C') <= l->lines_max, "too many lines");
        check(c, &f, !l->refused || has(&f, "S: "), "no reply");
        check(c, &f, !l->refused || !has(&f, "S: ok-"), "a good reply");
        for (size_t i = 0; i < 3 && l->never[i] != NULL; i++) {
            check(c, &f, !has(&f, l->never[i]), l->never[i]);
        }
        fake_clear(&f);
        clear_input(&in);
    }
}

static void test_lines(void **state)
{
    (void)state;
    size_t i = 0;
    json_t *c = NULL;
    json_array_foreach(json_object_get(suite, "cases"), i, c)
    {
        const struct line_case *l = NULL;
        if (strcmp(text_of(c, "kind"), "command-line") != 0) {
            continue;
        }
        for (size_t k = 0; k < sizeof line_cases / sizeof line_cases[0]; k++) {
            l = strcmp(line_cases[k].id, text_of(c, "id")) == 0 ? &line_cases[k] : l;
        }
        if (l == NULL) {
            fail_msg("%s: no checks for this case", text_of(c, "id"));
            return;
        }
        run_line(c, l, "");
        run_line(c, l, HELLO);
        run_line(c, l, MAIL);
        run_line(c, l, RCPT);
        seen_n++;
    }
}

/* --- sessions --- */

static void check_starttls(const json_t *c, struct fake *f, bool octets)
{
    check(c, f, octets || (has(f, "S: starttls-pipelining") && f->closed), "not refused");
    check(c, f, octets || (!has(f, "C: MAIL") && !has(f, "F: ")), "text used");
    /* what came later, behind the reply, came over TLS; EHLO is forgotten */
    check(c, f, !has(f, "S: ok-mail") && !has(f, "S: ok-rcpt"), "state not reset");
}

static void check_no_text_run(const json_t *c, struct fake *f, bool octets)
{
    check(c, f, has(f, "S: sequence-"), "DATA not refused");
    /* Octet by octet the text comes behind DATA's answer, where commands are due. */
    check(c, f, octets || count(f, 'C') == 1, "text executed");
}

static void check_rejected(const json_t *c, struct fake *f, bool octets)
{
    check(c, f, has(f, "S: sequence-rcpt-first"), "DATA not refused");
    check(c, f, octets || !has(f, "F: b@x.example"), "text executed");
    for (unsigned i = 0; i < f->limits.errors_in_a_row; i++) {
        fake_feed(f, SLICE("text\r\n"));
    }
    fake_feed(f, SLICE(".\r\n"));
    check(c, f, !octets || f->closed, "text without end executed");
}

static void check_auth(const json_t *c, struct fake *f, bool octets)
{
    (void)octets;
    /* AUTH is not offered and not begun: 502, so what follows is a command again. */
    check(c, f, has(f, "S: command-unimplemented"), "AUTH not refused");
}

static void check_closed(const json_t *c, struct fake *f, bool octets)
{
    (void)octets;
    check(c, f, has(f, "S: syntax-error-closing") && f->closed, "not closed");
    check(c, f, count(f, 'C') == 1 && !has(f, "B:"), "more was run");
}

static void check_bdat_inside(const json_t *c, struct fake *f, bool octets)
{
    (void)octets;
    check(c, f, smtp_session_in_data(f->session) && f->accepted == 0, "ended early");
    fake_feed(f, SLICE("zzNOOP\r\n")); /* the suite's 29 octets and two more */
    check(c, f,
          f->accepted == 1 && has(f, "QUIT\\x0d\\x0aBODY\\x0d\\x0azz\\x0d\\x0a recip"),
          "not 31 octets");
    check(c, f, !has(f, "C: QUIT") && has(f, "S: ok-noop"), "text executed");
}

static void check_bdat_lf(const json_t *c, struct fake *f, bool octets)
{
    (void)octets;
    fake_feed(f, SLICE("NOOP\r\n"));
    check(c, f, has(f, "S: ok-noop") && count(f, 'C') == 2, "a different end");
    if (f->offer.bare_lf_ok) {
        check(c, f,
              slice_eq(buf_slice(&f->message), SLICE("Subject: x\r\n\r\nbody\r\n..\r\n")),
              "other text");
    } else {
        check(c, f, has(f, "S: message-malformed") && f->accepted == 0, "taken");
    }
}

static const struct session_case {
    const char *id, *before;
    void (*check)(const json_t *c, struct fake *f, bool octets);
} session_cases[] = {
    {"state:starttls-injection", "", check_starttls},
    {"state:data-before-354", "", check_no_text_run},
    {"state:data-before-354", HELLO, check_no_text_run},
    {"state:data-before-354", MAIL "RCPT TO:<nobody@local.example>\r\n",
     check_no_text_run},
    {"state:data-rejected-then-commands", HELLO, check_rejected},
    {"state:auth-pipelined", HELLO, check_auth},
    {"state:bdat-size-overflow", RCPT, check_closed},
    {"state:bdat-size-overflow", "", check_closed},
    {"state:bdat-negative", RCPT, check_closed},
    {"state:bdat-negative", "", check_closed},
    {"state:bdat-crlf-inside", RCPT, check_bdat_inside},
    {"state:bdat-bare-lf", RCPT, check_bdat_lf},
    {"state:http-post", "", check_closed},
    {"state:http-post", HELLO, check_closed},
};

static void run_session(const json_t *c, const struct session_case *s)
{
    for (int mode = 0; mode < 4; mode++) {
        struct fake f;
        struct input in;
        read_input(c, &in);
        start(&f, mode >= 2, s->before);
        send_input(&f, &in, mode % 2 == 1);
        check_replies(c, &f);
        s->check(c, &f, mode % 2 == 1);
        check_numbers(c, &f);
        fake_clear(&f);
        clear_input(&in);
    }
}

static void test_sessions(void **state)
{
    (void)state;
    size_t i = 0;
    json_t *c = NULL;
    json_array_foreach(json_object_get(suite, "cases"), i, c)
    {
        bool known = false;
        if (strcmp(text_of(c, "kind"), "session") != 0) {
            continue;
        }
        for (size_t k = 0; k < sizeof session_cases / sizeof session_cases[0]; k++) {
            if (strcmp(session_cases[k].id, text_of(c, "id")) == 0) {
                run_session(c, &session_cases[k]);
                known = true;
            }
        }
        if (!known) {
            fail_msg("%s: no checks for this case", text_of(c, "id"));
        }
        seen_n++;
    }
}

/* --- outbound --- */

/* What a strict server makes of the octets on the wire: one message, all of it used. */
static void run_outbound(const json_t *c)
{
    struct input in;
    struct buf wire;
    struct fake f;
    struct dot_encoder d = {0};
    read_input(c, &in);
    buf_init(&wire, OCTETS_MAX);
    dot_encode_add(&d, buf_slice(&in.segment[0]), &wire);
    dot_encode_end(&d, &wire);
    start(&f, false, RCPT "DATA\r\n");
    fake_feed(&f, buf_slice(&wire));
    check(c, &f, is_clean(buf_slice(&wire)), "bare CR or LF on the wire");
    check(c, &f, f.accepted == 1 && count(&f, 'C') == 0, "not one message");
    check(c, &f, f.input.len == 0 && smtp_session_idle(f.session),
          "more than the message");
    check(c, &f, f.message.len >= 2 && is_clean(buf_slice(&f.message)),
          "text without CRLF");
    check(c, &f,
          slice_eq(slice_from(buf_slice(&f.message), f.message.len - 2), SLICE("\r\n")),
          "the text does not end in CRLF");
    fake_clear(&f);
    buf_clear(&wire);
    clear_input(&in);
}

static void test_outbound(void **state)
{
    (void)state;
    size_t i = 0;
    json_t *c = NULL;
    json_array_foreach(json_object_get(suite, "cases"), i, c)
    {
        if (strcmp(text_of(c, "kind"), "outbound") == 0) {
            run_outbound(c);
            seen_n++;
        }
    }
}

static void test_all_seen(void **state)
{
    (void)state;
    assert_true(seen_n > 0);
    assert_int_equal(seen_n, json_array_size(json_object_get(suite, "cases")));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data),     cmocka_unit_test(test_lines),
        cmocka_unit_test(test_sessions), cmocka_unit_test(test_outbound),
        cmocka_unit_test(test_all_seen),
    };
    const char *shared = getenv("POSTERN_SHARED");
    char path[4096];
    int n = shared != NULL
                ? snprintf(path, sizeof path, "%s/suites/smuggling.json", shared)
                : snprintf(path, sizeof path, "%s/../shared/suites/smuggling.json",
                           argc > 1 ? argv[1] : ".");
    if (n < 0 || (size_t)n >= sizeof path) {
        return 1;
    }
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        (void)fprintf(stderr, "skipped: there is no %s\n", path);
        return SKIPPED;
    }
    json_error_t error;
    suite = json_loadf(file, 0, &error);
    (void)fclose(file);
    if (suite == NULL) {
        (void)fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)printf("%zu cases\n", seen_n);
    json_decref(suite);
    return failed;
}
