/* delivery/lmtp_engine_test.c - scripted conversations with the LMTP client.
 *
 * A script is lines: "S: " what the server says, "C: " what we must have said since, "B" the
 * message is wanted and sent, "X" the connection is lost. */
#include "delivery/lmtp_engine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define A          SLICE_INIT("alice@example.test")
#define B          SLICE_INIT("bob@example.test")
#define C          SLICE_INIT("carol@example.test")
#define LHLO       "S: 220 hi\nC: LHLO mx.example.test\n"
#define PLAIN      LHLO "S: 250 hi\n"
#define PIPELINING LHLO "S: 250-hi\nS: 250 PIPELINING\n"

struct script {
    const char *name, *lines;
    struct slice sender, target[3];
    uint8_t flags;
    uint64_t size;
    const char *outcomes; /* per target: D T(emporary) F, code */
    enum lmtp_want end;
};

static const struct script scripts[] = {
    {"one, command by command",
     PLAIN
     "C: MAIL FROM:<s@a.example>\nS: 250 ok\nC: RCPT TO:<alice@example.test>\nS: 250 ok\n"
     "C: DATA\nS: 354 go\nB\nS: 250 2.0.0 saved\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "D250",
     LMTP_READY},
    {"three in a pipeline, each its own reply",
     PIPELINING
     "C: MAIL FROM:<s@a.example>\nC: RCPT TO:<alice@example.test>\n"
     "C: RCPT TO:<bob@example.test>\nC: RCPT TO:<carol@example.test>\n"
     "S: 250 ok\nS: 250 ok\nS: 550 5.1.1 who\nS: 250 ok\nC: DATA\nS: 354 go\nB\n"
     "S: 250 saved\nS: 452 4.2.2 full\n",
     SLICE_INIT("s@a.example"),
     {A, B, C},
     0,
     100,
     "D250 F550 T452",
     LMTP_READY},
    {"three, command by command",
     PLAIN "C: MAIL FROM:<>\nS: 250 ok\nC: RCPT TO:<alice@example.test>\nS: 451 later\n"
           "C: RCPT TO:<bob@example.test>\nS: 250 ok\nC: RCPT TO:<carol@example.test>\n"
           "S: 550 no\nC: DATA\nS: 354 go\nB\nS: 552-5.2.2 over\nS: 552 5.2.2 quota\n",
     SLICE_INIT(""),
     {A, B, C},
     0,
     100,
     "T451 F552 F550",
     LMTP_READY},
    {"offers used",
     LHLO
     "S: 250-hi\nS: 250-SIZE 5000\nS: 250-8bitmime\nS: 250-SMTPUTF8\nS: 250 X\n"
     "C: MAIL FROM:<s\xc3\xb6@a.example> SIZE=100 BODY=8BITMIME SMTPUTF8\nS: 250 ok\n"
     "C: RCPT TO:<d\xc3\xb6@example.test>\nS: 250 ok\nC: DATA\nS: 354 go\nB\nS: 250 ok\n",
     SLICE_INIT("s\xc3\xb6@a.example"),
     {SLICE_INIT("d\xc3\xb6@example.test")},
     JOB_8BITMIME | JOB_SMTPUTF8,
     100,
     "D250",
     LMTP_READY},
    {"flags without offers, ASCII addresses: sent as it is",
     PLAIN
     "C: MAIL FROM:<s@a.example>\nS: 250 ok\nC: RCPT TO:<alice@example.test>\nS: 250 ok\n"
     "C: DATA\nS: 354 go\nB\nS: 250 ok\n",
     SLICE_INIT("s@a.example"),
     {A},
     JOB_8BITMIME | JOB_SMTPUTF8,
     100,
     "D250",
     LMTP_READY},
    {"SMTPUTF8 needed by one target, not offered",
     PLAIN
     "C: MAIL FROM:<s@a.example>\nS: 250 ok\nC: RCPT TO:<bob@example.test>\nS: 250 ok\n"
     "C: DATA\nS: 354 go\nB\nS: 250 ok\n",
     SLICE_INIT("s@a.example"),
     {SLICE_INIT("d\xc3\xb6@example.test"), B},
     JOB_SMTPUTF8,
     100,
     "F550 D250",
     LMTP_READY},
    {"SMTPUTF8 needed by the sender, not offered",
     PLAIN,
     SLICE_INIT("s\xc3\xb6@a.example"),
     {A, B},
     JOB_SMTPUTF8,
     100,
     "F550 F550",
     LMTP_READY},
    {"larger than SIZE",
     LHLO "S: 250-hi\nS: 250 SIZE 99\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "F552",
     LMTP_READY},
    {"SIZE without a number",
     LHLO
     "S: 250-hi\nS: 250 SIZE\nC: MAIL FROM:<s@a.example> SIZE=100\nS: 451 no\nC: RSET\n"
     "S: 250 ok\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "T451",
     LMTP_READY},
    {"address that would end the line",
     PLAIN,
     SLICE_INIT("s@a.example"),
     {SLICE_INIT("x@example.test>\r\nRSET"), SLICE_INIT("a b@c"), SLICE_INIT("a>b@c")},
     0,
     100,
     "F550 F550 F550",
     LMTP_READY},
    {"quoted local part",
     PLAIN
     "C: MAIL FROM:<s@a.example>\nS: 250 ok\nC: RCPT TO:<\"a >\\\"b\"@c>\nS: 550 no\n"
     "C: RSET\nS: 250 ok\n",
     SLICE_INIT("s@a.example"),
     {SLICE_INIT("\"a >\\\"b\"@c")},
     0,
     100,
     "F550",
     LMTP_READY},
    {"sender that cannot be sent",
     PLAIN,
     SLICE_INIT("s@a.example> X="),
     {A},
     0,
     100,
     "F550",
     LMTP_READY},
    {"MAIL refused in a pipeline",
     PIPELINING "C: MAIL FROM:<s@a.example>\nC: RCPT TO:<alice@example.test>\n"
                "C: RCPT TO:<bob@example.test>\nS: 552 5.3.4 too big\nS: 503 need MAIL\n"
                "S: 250 accepted nonetheless\nC: RSET\nS: 250 ok\n",
     SLICE_INIT("s@a.example"),
     {A, B},
     0,
     100,
     "F552 F552",
     LMTP_READY},
    {"MAIL refused, no RCPT is sent",
     PLAIN "C: MAIL FROM:<s@a.example>\nS: 451 4.3.0 later\nC: RSET\nS: 250 ok\n",
     SLICE_INIT("s@a.example"),
     {A, B},
     0,
     100,
     "T451 T451",
     LMTP_READY},
    {"all RCPT refused: no DATA",
     PIPELINING "C: MAIL FROM:<s@a.example>\nC: RCPT TO:<alice@example.test>\n"
                "S: 250 ok\nS: 550 no\nC: RSET\nS: 250 ok\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "F550",
     LMTP_READY},
    {"RSET refused: not used again",
     PLAIN "C: MAIL FROM:<s@a.example>\nS: 550 no\nC: RSET\nS: 500 what\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "F550",
     LMTP_CLOSED},
    {"DATA refused",
     PIPELINING
     "C: MAIL FROM:<s@a.example>\nC: RCPT TO:<alice@example.test>\n"
     "C: RCPT TO:<bob@example.test>\nS: 250 ok\nS: 250 ok\nS: 550 no\nC: DATA\n"
     "S: 451 4.3.1 disk full\nC: RSET\nS: 250 ok\n",
     SLICE_INIT("s@a.example"),
     {A, B},
     0,
     100,
     "T451 F550",
     LMTP_READY},
    {"DATA answered 250",
     PLAIN
     "C: MAIL FROM:<s@a.example>\nS: 250 ok\nC: RCPT TO:<alice@example.test>\nS: 250 ok\n"
     "C: DATA\nS: 250 ok\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "T451",
     LMTP_CLOSED},
    {"greeting refused: not the mail's fault",
     "S: 554 5.7.1 go away\n",
     SLICE_INIT("s@a.example"),
     {A, B},
     0,
     100,
     "T554 T554",
     LMTP_CLOSED},
    {"LHLO unknown: an SMTP server",
     LHLO "S: 502 5.5.1 what\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "T502",
     LMTP_CLOSED},
    {"greeting 250",
     "S: 250 hi\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "T250",
     LMTP_CLOSED},
    {"no SMTP server",
     "S: HTTP/1.1 400 Bad Request\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "T451",
     LMTP_CLOSED},
    {"421 to RCPT",
     PLAIN
     "C: MAIL FROM:<s@a.example>\nS: 250 ok\nC: RCPT TO:<alice@example.test>\nS: 250 ok\n"
     "C: RCPT TO:<bob@example.test>\nS: 421 4.3.2 going down\n",
     SLICE_INIT("s@a.example"),
     {A, B, C},
     0,
     100,
     "T421 T421 T421",
     LMTP_CLOSED},
    {"3yz to MAIL",
     PLAIN "C: MAIL FROM:<s@a.example>\nS: 354 go\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "T451",
     LMTP_CLOSED},
    {"3yz after the dot",
     PLAIN
     "C: MAIL FROM:<s@a.example>\nS: 250 ok\nC: RCPT TO:<alice@example.test>\nS: 250 ok\n"
     "C: DATA\nS: 354 go\nB\nS: 354 more\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "T451",
     LMTP_CLOSED},
    {"lost between two replies after the dot",
     PIPELINING
     "C: MAIL FROM:<s@a.example>\nC: RCPT TO:<alice@example.test>\n"
     "C: RCPT TO:<bob@example.test>\nS: 250 ok\nS: 250 ok\nS: 250 ok\nC: DATA\n"
     "S: 354 go\nB\nS: 250 saved\nX\n",
     SLICE_INIT("s@a.example"),
     {A, B},
     0,
     100,
     "D250 T451",
     LMTP_CLOSED},
    {"lost at once", "X\n", SLICE_INIT("s@a.example"), {A}, 0, 100, "T451", LMTP_CLOSED},
    {"reply before its command",
     PLAIN "C: MAIL FROM:<s@a.example>\nS: 250 ok|250 ok\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "T451",
     LMTP_CLOSED},
    {"one reply too many after the dot",
     PLAIN
     "C: MAIL FROM:<s@a.example>\nS: 250 ok\nC: RCPT TO:<alice@example.test>\nS: 250 ok\n"
     "C: DATA\nS: 354 go\nB\nS: 250 ok|250 ok\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "D250",
     LMTP_CLOSED},
    {"354 with a reply to the message in it",
     PLAIN
     "C: MAIL FROM:<s@a.example>\nS: 250 ok\nC: RCPT TO:<alice@example.test>\nS: 250 ok\n"
     "C: DATA\nS: 354 go|250 saved\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "T451",
     LMTP_CLOSED},
    {"refused while the message is on its way",
     PLAIN
     "C: MAIL FROM:<s@a.example>\nS: 250 ok\nC: RCPT TO:<alice@example.test>\nS: 250 ok\n"
     "C: DATA\nS: 354 go|552 5.3.4 enough\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "F552",
     LMTP_CLOSED},
    {"421 after the dot",
     PLAIN
     "C: MAIL FROM:<s@a.example>\nS: 250 ok\nC: RCPT TO:<alice@example.test>\nS: 250 ok\n"
     "C: DATA\nS: 354 go\nB\nS: 421 4.3.2 going down\n",
     SLICE_INIT("s@a.example"),
     {A},
     0,
     100,
     "T421",
     LMTP_CLOSED},
};

/* "S: 250 ok|250 ok": two lines at once. step 0: whole. */
static void say(struct lmtp_engine *e, struct slice line, size_t step)
{
    unsigned char text[256];
    size_t n = 0;
    for (size_t i = 0; i <= line.len; i++) {
        if (i == line.len || line.ptr[i] == '|') {
            text[n++] = '\r';
            text[n++] = '\n';
        } else {
            text[n++] = line.ptr[i];
        }
    }
    struct slice in = {text, n};
    while (in.len > 0) {
        struct slice piece = slice_sub(in, 0, step == 0 ? in.len : step);
        lmtp_input(e, piece);
        in = slice_from(in, piece.len);
    }
}

static void expect_out(struct lmtp_engine *e, const struct script *s, struct slice line)
{
    struct slice out = slice_sub(buf_slice(&e->out), 0, line.len + 2);
    if (out.len != line.len + 2 || !slice_starts(out, line) ||
        out.ptr[line.len] != '\r' || out.ptr[line.len + 1] != '\n') {
        fail_msg("%s: said %.*s, not %.*s", s->name, (int)e->out.len,
                 (const char *)e->out.ptr, (int)line.len, (const char *)line.ptr);
    }
    buf_consume(&e->out, line.len + 2);
}

static void expect_outcomes(struct lmtp_engine *e, const struct script *s,
                            unsigned target_n)
{
    struct slice rest = slice_of(s->outcomes);
    for (unsigned i = 0; i < target_n; i++) {
        const struct outcome *o = &e->outcome[i];
        uint64_t code = 0;
        assert_true(o->set);
        assert_true(slice_u64(slice_sub(rest, 1, 3), &code));
        char letter = "DTF"[o->result];
        if (letter != (char)rest.ptr[0] || o->code != code) {
            fail_msg("%s: target %u: %c%u: %.*s", s->name, i, letter, (unsigned)o->code,
                     (int)o->reply_len, (const char *)o->reply);
        }
        rest = slice_from(rest, 5);
    }
}

static void run(struct lmtp_engine *e, const struct script *s, const char *lines,
                size_t step)
{
    struct lmtp_mail mail = {.sender = s->sender, .size = s->size, .flags = s->flags};
    while (mail.target_n < 3 && s->target[mail.target_n].ptr != NULL) {
        mail.target[mail.target_n] = s->target[mail.target_n];
        mail.target_n++;
    }
    lmtp_mail(e, &mail);
    for (struct slice rest = slice_of(lines); rest.len > 0;) {
        struct slice line = slice_sub(rest, 0, slice_find(rest, '\n'));
        rest = slice_from(rest, line.len + 1);
        if (line.ptr[0] != 'C') {
            assert_int_equal(e->out.len, 0); /* it said more than the script */
        }
        switch (line.ptr[0]) {
        case 'S':
            assert_int_equal(lmtp_want(e), LMTP_WANT_REPLY);
            say(e, slice_from(line, 3), step);
            break;
        case 'C':
            expect_out(e, s, slice_from(line, 3));
            break;
        case 'B':
            assert_int_equal(lmtp_want(e), LMTP_WANT_BODY);
            lmtp_body_sent(e);
            break;
        default:
            lmtp_lost(e, "connection closed");
        }
    }
    if (lmtp_want(e) != s->end) {
        fail_msg("%s: ends wanting %d", s->name, (int)lmtp_want(e));
    }
    assert_int_equal(e->out.len, 0);
    expect_outcomes(e, s, mail.target_n);
}

static void test_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        for (size_t step = 0; step < 2; step++) {
            static struct lmtp_engine e;
            if (step > 0 && strchr(scripts[i].lines, '|') != NULL) {
                continue; /* about what comes together */
            }
            lmtp_init(&e, SLICE("mx.example.test"));
            run(&e, &scripts[i], scripts[i].lines, step);
            lmtp_clear(&e);
        }
    }
}

/* Every script that ends READY leaves the connection fit for any other. */
static void test_reuse(void **state)
{
    (void)state;
    const struct script *next = &scripts[1];
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        if (scripts[i].end != LMTP_READY) {
            continue;
        }
        static struct lmtp_engine e;
        lmtp_init(&e, SLICE("mx.example.test"));
        run(&e, &scripts[i], scripts[i].lines, 0);
        e.offers = 1; /* PIPELINING, as the next script has it */
        e.size_max = 0;
        run(&e, next, next->lines + sizeof PIPELINING - 1, 0);
        lmtp_quit(&e);
        expect_out(&e, next, SLICE("QUIT"));
        say(&e, SLICE("221 bye"), 0);
        assert_int_equal(lmtp_want(&e), LMTP_CLOSED);
        expect_outcomes(&e, next, 3);
        lmtp_clear(&e);
    }
}

static void test_unasked(void **state)
{
    (void)state;
    static struct lmtp_engine e;
    lmtp_init(&e, SLICE("mx.example.test"));
    run(&e, &scripts[0], scripts[0].lines, 0);
    lmtp_input(&e, SLICE("421 4.4.2 idle too long\r\n"));
    assert_int_equal(lmtp_want(&e), LMTP_CLOSED);
    expect_outcomes(&e, &scripts[0], 1);
    lmtp_clear(&e);
    assert_true(lmtp_patience_ms(&e) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_unasked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
