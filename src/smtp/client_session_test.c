/* smtp/client_session_test.c - see client_session.h; conversations as scripts */
#include "smtp/client_session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    char text[2048]; /* "0=delivered@eom(250) fault@helo(554) " */
    unsigned results;
};

static void note(struct seen *seen, const char *who, const struct smtp_client_result *r)
{
    static const char *const kinds[] = {"delivered", "deferred", "failed", "next"};
    size_t len = strlen(seen->text);
    seen->results++;
    (void)snprintf(seen->text + len, sizeof seen->text - len, "%s%s@%s(%u%s) ", who,
                   kinds[r->kind], smtp_client_stage_name(r->stage), r->code,
                   r->local ? "!" : "");
}

static void on_result(void *arg, unsigned target, const struct smtp_client_result *r)
{
    char who[16];
    (void)snprintf(who, sizeof who, "%u=", target);
    note(arg, who, r);
}

static void on_fault(void *arg, const struct smtp_client_result *r)
{
    note(arg, "fault:", r);
}

static const struct smtp_client_ops ops = {on_result, on_fault};

struct script {
    const char *name;
    struct smtp_client_options options;
    struct smtp_client_mail mail;
    /* Lines: "S ..." the server says ("|": LF); "C ..." all that the client says now (several lines);
     * "T" TLS stands; "B" wants the body, sent; "D" likewise, by BDAT; "M" READY: the mail again; "Q" READY: quit; "L" the
     * connection is lost; "X" CLOSED; "A challenge=response" the caller answers it so, "P ..." the server is proved, too; "N" it
     * cannot. */
    const char *lines;
    const char *results;
};

#define HOST .hostname = SLICE_INIT("me.example")
#define TO(n, ...)                                                                       \
    .sender = SLICE_INIT("a@me.example"), .size = 100, .target_n = (n),                  \
    .target = {__VA_ARGS__}
#define SCRAM SMTP_CLIENT_AUTH_SCRAM | SMTP_CLIENT_AUTH_SCRAM_PLUS
#define ONE   TO(1, {.address = SLICE_INIT("b@x.example")})
#define TWO                                                                              \
    TO(2, {.address = SLICE_INIT("b@x.example")}, {.address = SLICE_INIT("c@x.example")})

static const struct script scripts[] = {
    {"plain",
     {HOST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250 hi\nC MAIL FROM:<a@me.example>\nS 250 ok\n"
     "C RCPT TO:<b@x.example>\nS 250 ok\nC DATA\nS 354 go\nB\nS 250 taken\nQ\nC QUIT\nS "
     "221 bye\nX\n",
     "0=delivered@eom(250) "},
    {"pipelined",
     {HOST},
     {TWO},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250-SIZE 1000\nS 250 PIPELINING\n"
     "C MAIL FROM:<a@me.example> SIZE=100\nC RCPT TO:<b@x.example>\nC RCPT "
     "TO:<c@x.example>\nC DATA\n"
     "S 250 ok\nS 550 5.1.1 no\nS 250 ok\nS 354 go\nB\nS 250 taken\n"
     "M\nC MAIL FROM:<a@me.example> SIZE=100\nC RCPT TO:<b@x.example>\nC RCPT "
     "TO:<c@x.example>\nC DATA\n"
     "S 250 ok\nS 451 later\nS 250 ok\nS 354 go\nB\nS 451 no room\n",
     "0=failed@rcpt(550) 1=delivered@eom(250) 0=deferred@rcpt(451) 1=deferred@eom(451) "},
    {"pipelined, nobody accepted, yet 354",
     {HOST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 PIPELINING\n"
     "C MAIL FROM:<a@me.example>\nC RCPT TO:<b@x.example>\nC DATA\n"
     "S 250 ok\nS 550 no\nS 354 go\nC .\nS 554 no recipients\nC RSET\nS 250 ok\nM\n"
     "C MAIL FROM:<a@me.example>\nC RCPT TO:<b@x.example>\nC DATA\n"
     "S 452 4.3.1 full\nS 503 mail?\nS 503 rcpt?\nC RSET\nS 250 ok\nQ\nC QUIT\n",
     "0=failed@rcpt(550) 0=deferred@mail(452) "},
    {"chunking",
     {HOST},
     {TWO},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250-CHUNKING\nS 250 PIPELINING\n"
     "C MAIL FROM:<a@me.example>\nC RCPT TO:<b@x.example>\nC RCPT TO:<c@x.example>\n"
     "S 250 ok\nS 250 ok\nS 250 ok\nC BDAT 100 LAST\nD\nS 250 taken\n",
     "0=delivered@eom(250) 1=delivered@eom(250) "},
    {"chunking, nobody accepted",
     {HOST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250-CHUNKING\nS 250 PIPELINING\n"
     "C MAIL FROM:<a@me.example>\nC RCPT TO:<b@x.example>\n"
     "S 250 ok\nS 450 busy\nC RSET\nS 250 ok\nQ\nC QUIT\n",
     "0=deferred@rcpt(450) "},
    {"TLS, and what was offered before it is void",
     {HOST},
     {.requiretls = true, ONE}, /* verified when TLS stands */
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250-PIPELINING\nS 250 STARTTLS\nC "
     "STARTTLS\n"
     "S 220 go\nT\nC EHLO me.example\nS 250-hi\nS 250 REQUIRETLS\n"
     "C MAIL FROM:<a@me.example> REQUIRETLS\nS 250 ok\nC RCPT TO:<b@x.example>\n",
     ""},
    {"TLS demanded, not offered",
     {HOST, .tls = SMTP_CLIENT_TLS_MUST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250 hi\nX\n",
     "fault:deferred@helo(451!) "},
    {"TLS refused, not demanded",
     {HOST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 STARTTLS\nC STARTTLS\nS 454 not now\n"
     "C MAIL FROM:<a@me.example>\n",
     ""},
    {"TLS refused, demanded",
     {HOST, .tls = SMTP_CLIENT_TLS_MUST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 STARTTLS\nC STARTTLS\nS 454 not "
     "now\nX\n",
     "fault:deferred@starttls(454) "},
    {"octets in clear behind 220",
     {HOST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 STARTTLS\nC STARTTLS\nS 220 go\nS 250 "
     "injected\nX\n",
     "fault:deferred@starttls(451!) "},
    {"REQUIRETLS of a notification, where it is offered",
     {HOST, .tls = SMTP_CLIENT_TLS_IS},
     {ONE, .requiretls_may = true},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 REQUIRETLS\n"
     "C MAIL FROM:<a@me.example> REQUIRETLS\n",
     ""},
    {"REQUIRETLS of a notification, where it is not",
     {HOST, .tls = SMTP_CLIENT_TLS_IS},
     {ONE, .requiretls_may = true},
     "S 220 hi\nC EHLO me.example\nS 250 hi\nC MAIL FROM:<a@me.example>\n",
     ""},
    {"a login",
     {HOST, .tls = SMTP_CLIENT_TLS_IS, .user = SLICE_INIT("u"),
      .password = SLICE_INIT("p")},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH LOGIN PLAIN\nC AUTH PLAIN "
     "AHUAcA==\nS 235 ok\n"
     "C MAIL FROM:<a@me.example>\n",
     ""},
    {"a login by LOGIN, refused",
     {HOST, .tls = SMTP_CLIENT_TLS_IS, .user = SLICE_INIT("u"),
      .password = SLICE_INIT("p")},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH LOGIN\nC AUTH LOGIN\nS 334 "
     "VXNlcm5hbWU6\nC dQ==\n"
     "S 334 UGFzc3dvcmQ6\nC cA==\nS 535 5.7.8 no\nX\n",
     "fault:failed@auth(535) "},
    {"a login that the caller does",
     {HOST, .tls = SMTP_CLIENT_TLS_IS, .user = SLICE_INIT("u"),
      .password = SLICE_INIT("p"), .mechanisms = SCRAM},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH LOGIN PLAIN SCRAM-SHA-256\n"
     "A =n,,first\nC AUTH SCRAM-SHA-256 biwsZmlyc3Q=\nS 334 cj1h\nA r=a=final\n"
     "C ZmluYWw=\nS 334 dj1i\nP v=b=\nC \nS 235 ok\nC MAIL FROM:<a@me.example>\n",
     ""},
    {"the stronger one, refused",
     {HOST, .tls = SMTP_CLIENT_TLS_IS, .user = SLICE_INIT("u"),
      .password = SLICE_INIT("p"), .mechanisms = SCRAM},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH PLAIN SCRAM-SHA-256 "
     "SCRAM-SHA-256-PLUS\n"
     "A =p\nC AUTH SCRAM-SHA-256-PLUS cA==\nS 454 4.7.0 later\nX\n",
     "fault:deferred@auth(454) "},
    {"one that has no keys for it",
     {HOST, .tls = SMTP_CLIENT_TLS_IS, .user = SLICE_INIT("u"),
      .password = SLICE_INIT("p"), .mechanisms = SCRAM},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH PLAIN SCRAM-SHA-256\n"
     "A =p\nC AUTH SCRAM-SHA-256 cA==\nS 535 5.7.8 no\nC AUTH PLAIN AHUAcA==\n"
     "S 535 5.7.8 no\nX\n",
     "fault:failed@auth(535) "},
    {"it alone, refused",
     {HOST, .tls = SMTP_CLIENT_TLS_IS, .user = SLICE_INIT("u"),
      .password = SLICE_INIT("p"), .mechanisms = SCRAM, .only_mechanisms = true},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH PLAIN SCRAM-SHA-256\n"
     "A =p\nC AUTH SCRAM-SHA-256 cA==\nS 535 5.7.8 no\nX\n",
     "fault:failed@auth(535) "},
    {"it alone, not offered",
     {HOST, .tls = SMTP_CLIENT_TLS_IS, .user = SLICE_INIT("u"),
      .password = SLICE_INIT("p"), .mechanisms = SCRAM, .only_mechanisms = true},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH PLAIN LOGIN\nX\n",
     "fault:deferred@helo(451!) "},
    {"a mechanism that the caller does not have",
     {HOST, .tls = SMTP_CLIENT_TLS_IS, .user = SLICE_INIT("u"),
      .password = SLICE_INIT("p"), .mechanisms = SMTP_CLIENT_AUTH_SCRAM},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH PLAIN SCRAM-SHA-256-PLUS\n"
     "C AUTH PLAIN AHUAcA==\n",
     ""},
    {"a server that does not show that it knows the password",
     {HOST, .tls = SMTP_CLIENT_TLS_IS, .user = SLICE_INIT("u"),
      .password = SLICE_INIT("p"), .mechanisms = SCRAM},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH SCRAM-SHA-256\n"
     "A =n\nC AUTH SCRAM-SHA-256 bg==\nS 235 welcome\nX\n",
     "fault:deferred@auth(451!) "},
    {"a challenge that is no base64",
     {HOST, .tls = SMTP_CLIENT_TLS_IS, .user = SLICE_INIT("u"),
      .password = SLICE_INIT("p"), .mechanisms = SCRAM},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH SCRAM-SHA-256\n"
     "A =n\nC AUTH SCRAM-SHA-256 bg==\nS 334 *\nX\n",
     "fault:deferred@auth(451!) "},
    {"a caller that gives up",
     {HOST, .tls = SMTP_CLIENT_TLS_IS, .user = SLICE_INIT("u"),
      .password = SLICE_INIT("p"), .mechanisms = SCRAM},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH SCRAM-SHA-256\nN\nX\n",
     "fault:deferred@auth(451!) "},
    {"a reply while the caller computes",
     {HOST, .tls = SMTP_CLIENT_TLS_IS, .user = SLICE_INIT("u"),
      .password = SLICE_INIT("p"), .mechanisms = SCRAM},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH SCRAM-SHA-256\nS 235 ok\nX\n",
     "fault:deferred@auth(451!) "},
    {"a login, and no TLS",
     {HOST, .user = SLICE_INIT("u"), .password = SLICE_INIT("p")},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 AUTH PLAIN\nX\n",
     "fault:deferred@helo(451!) "},
    {"an old server",
     {HOST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 502 what\nC HELO me.example\nS 250 hi\nC MAIL "
     "FROM:<a@me.example>\n",
     ""},
    {"greeted with 554",
     {HOST},
     {ONE},
     "S 554 5.7.1 go away\nX\n",
     "fault:failed@connect(554) "},
    {"421 among the answers",
     {HOST},
     {TWO},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 PIPELINING\n"
     "C MAIL FROM:<a@me.example>\nC RCPT TO:<b@x.example>\nC RCPT TO:<c@x.example>\nC "
     "DATA\n"
     "S 250 ok\nS 550 no\nS 421 4.7.0 slow down\nX\n",
     "0=failed@rcpt(550) 1=deferred@rcpt(421) "},
    {"421 to the end of the message",
     {HOST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250 hi\nC MAIL FROM:<a@me.example>\nS 250 ok\n"
     "C RCPT TO:<b@x.example>\nS 250 ok\nC DATA\nS 354 go\nB\nS 421 4.7.28 rate\nX\n",
     "0=deferred@eom(421) "},
    {"too many recipients at once",
     {HOST},
     {TWO},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 PIPELINING\n"
     "C MAIL FROM:<a@me.example>\nC RCPT TO:<b@x.example>\nC RCPT TO:<c@x.example>\nC "
     "DATA\n"
     "S 250 ok\nS 250 ok\nS 452 4.5.3 too many\nS 354 go\nB\nS 250 taken\n",
     "1=next@rcpt(452) 0=delivered@eom(250) "},
    {"LIMITS",
     {HOST},
     {TWO},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 LIMITS MAILMAX=1 RCPTMAX=1\n"
     "C MAIL FROM:<a@me.example>\nS 250 ok\nC RCPT TO:<b@x.example>\nS 250 ok\nC DATA\nS "
     "354 go\nB\n"
     "S 250 taken\n",
     "0=delivered@eom(250) 1=next@rcpt(452!) "},
    {"DSN",
     {HOST},
     {.ret = SMTP_RET_HDRS,
      .envid = SLICE_INIT("QQ1"),
      TO(1, {SLICE_INIT("b@x.example"), SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE,
             SLICE_INIT("rfc822;b@y")})},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 DSN\nC MAIL FROM:<a@me.example> "
     "RET=HDRS ENVID=QQ1\nS 250 ok\n"
     "C RCPT TO:<b@x.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@y\n",
     ""},
    {"needs what is not offered",
     {HOST},
     {.eight_bit = true, ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 SIZE 10\nM\nQ\nC QUIT\n",
     "0=failed@mail(554!) 0=failed@mail(554!) "},
    {"larger than SIZE",
     {HOST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250-hi\nS 250 SIZE 10\n",
     "0=failed@mail(552!) "},
    {"an address that would end its line",
     {HOST},
     {TO(2, {.address = SLICE_INIT("b@x\r\nDATA")}, {.address = SLICE_INIT("c> x")})},
     "S 220 hi\nC EHLO me.example\nS 250 hi\n",
     "0=failed@rcpt(550!) 1=failed@rcpt(550!) "},
    {"an address in UTF-8",
     {HOST},
     {TO(1, {.address = SLICE_INIT("\303\266@x.example")})},
     "S 220 hi\nC EHLO me.example\nS 250 hi\n",
     "0=failed@rcpt(550!) "},
    {"lost",
     {HOST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250 hi\nC MAIL FROM:<a@me.example>\nL\nX\n",
     "0=deferred@mail(451!) "},
    {"lost before any mail", {HOST}, {ONE}, "L\nX\n", "fault:deferred@connect(451!) "},
    {"lost after the message: not known to be delivered",
     {HOST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250 hi\nC MAIL FROM:<a@me.example>\nS 250 ok\n"
     "C RCPT TO:<b@x.example>\nS 250 ok\nC DATA\nS 354 go\nB\nL\nX\n",
     "0=deferred@eom(451!) "},
    {"a reply before its command",
     {HOST},
     {ONE},
     "S 220 hi|250 hi\nX\n",
     "fault:deferred@helo(451!) "},
    {"no SMTP",
     {HOST},
     {ONE},
     "S HTTP/1.1 400 Bad Request\nX\n",
     "fault:deferred@connect(451!) "},
    {"a farewell while idle",
     {HOST},
     {ONE},
     "S 220 hi\nC EHLO me.example\nS 250 hi\nC MAIL FROM:<a@me.example>\nS 550 no\nC "
     "RSET\nS 250 ok\n"
     "S 421 idle too long\nX\n",
     "0=failed@mail(550) "},
};

/* The next line of the script; false: its end. */
static bool next_line(const char **at, char line[256])
{
    size_t len = strcspn(*at, "\n");
    if (**at == '\0') {
        return false;
    }
    assert_true(len < 256);
    memcpy(line, *at, len);
    line[len] = '\0';
    *at += len + ((*at)[len] == '\n');
    return true;
}

static void expect_out(struct smtp_client *c, const char *line)
{
    struct slice want = slice_of(line + 2);
    assert_true(slice_starts(buf_slice(&c->out), want));
    buf_consume(&c->out, want.len);
    assert_true(slice_starts(buf_slice(&c->out), SLICE("\r\n")));
    buf_consume(&c->out, 2);
}

static void server_says(struct smtp_client *c, const char *line, bool by_octet)
{
    char text[300];
    int n = snprintf(text, sizeof text, "%s\r\n", line + 2);
    char *bar = strchr(text, '|');
    if (bar != NULL) {
        *bar = '\n';
    }
    struct slice in = {(const unsigned char *)text, (size_t)n};
    if (!by_octet) {
        smtp_client_input(c, in);
        return;
    }
    for (size_t i = 0; i < in.len; i++) {
        smtp_client_input(c, slice_sub(in, i, 1));
    }
}

static void step(struct smtp_client *c, const struct script *s, const char *line,
                 bool by_octet)
{
    switch (line[0]) {
    case 'S':
        assert_int_equal(c->out.len,
                         0); /* all that the client said stands in the script */
        server_says(c, line, by_octet);
        break;
    case 'C':
        expect_out(c, line);
        break;
    case 'T':
        assert_int_equal(smtp_client_want(c), SMTP_CLIENT_TLS);
        smtp_client_tls(c, true);
        break;
    case 'B':
    case 'D':
        assert_int_equal(smtp_client_want(c), SMTP_CLIENT_BODY);
        assert_int_equal(smtp_client_bdat(c), line[0] == 'D');
        smtp_client_body_sent(c);
        break;
    case 'M':
        assert_int_equal(smtp_client_want(c), SMTP_CLIENT_READY);
        assert_true(smtp_client_reusable(c));
        smtp_client_mail(c, &s->mail);
        break;
    case 'Q':
        assert_int_equal(smtp_client_want(c), SMTP_CLIENT_READY);
        smtp_client_quit(c);
        break;
    case 'L':
        smtp_client_lost(c, SMTP_CLIENT_CLOSED_OFF, "connection closed");
        break;
    case 'A':
    case 'P': { /* the challenge, "=", the response */
        assert_int_equal(smtp_client_want(c), SMTP_CLIENT_AUTH);
        size_t equals = slice_rfind(slice_of(line), '=');
        assert_true(
            slice_eq(smtp_client_challenge(c), slice_sub(slice_of(line), 2, equals - 2)));
        smtp_client_respond(c, slice_from(slice_of(line), equals + 1), line[0] == 'P');
        break;
    }
    case 'N':
        assert_int_equal(smtp_client_want(c), SMTP_CLIENT_AUTH);
        smtp_client_no_login(c, "it cannot");
        break;
    case 'X':
        assert_int_equal(smtp_client_want(c), SMTP_CLIENT_CLOSED);
        break;
    default:
        fail_msg("no such line: %s", line);
    }
}

static void play(const struct script *s, bool by_octet)
{
    struct seen seen = {0};
    struct smtp_client c;
    char line[256];
    smtp_client_init(&c, &s->options, &ops, &seen);
    smtp_client_mail(&c, &s->mail);
    for (const char *at = s->lines; next_line(&at, line);) {
        step(&c, s, line, by_octet);
    }
    assert_int_equal(c.out.len, 0);
    assert_string_equal(seen.text, s->results);
    smtp_client_clear(&c);
}

static void test_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        print_message("  %s\n", scripts[i].name);
        play(&scripts[i], false);
        if (strcmp(scripts[i].name, "a reply before its command") != 0) {
            play(&scripts[i], true);
        }
    }
}

static void test_mail_max(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct smtp_client c;
    smtp_client_init(&c, &scripts[0].options, &ops, &seen);
    smtp_client_mail(&c, &scripts[0].mail);
    static const char *const says[] = {"S 220 hi", "S 250-hi", "S 250 LIMITS MAILMAX=1",
                                       "S 250 ok", "S 250 ok", "S 354 go"};
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
        buf_reset(&c.out);
        server_says(&c, says[i], false);
    }
    smtp_client_body_sent(&c);
    server_says(&c, "S 250 taken", false);
    assert_int_equal(smtp_client_want(&c), SMTP_CLIENT_READY);
    assert_false(smtp_client_reusable(&c));
    smtp_client_clear(&c);
}

/* Times that are set count for what they are of; short ones hold for what is quick too. */
static void test_patience(void **state)
{
    (void)state;
    static const struct {
        unsigned command_s, end_s, greeting, starttls, final;
    } cases[] = {{0, 0, 300, 120, 600}, {7, 9, 7, 7, 9}, {1000, 2000, 1000, 120, 2000}};
    struct smtp_client_mail mail = {
        .sender = SLICE("a@b.c"), .target_n = 1, .target = {{.address = SLICE("d@e.f")}}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct seen seen = {0};
        struct smtp_client c;
        struct smtp_client_options options = {.hostname = SLICE("me.example"),
                                              .command_s = cases[i].command_s,
                                              .end_s = cases[i].end_s};
        smtp_client_init(&c, &options, &ops, &seen);
        smtp_client_mail(&c, &mail);
        assert_int_equal(smtp_client_patience_s(&c), cases[i].greeting);
        smtp_client_input(&c, SLICE("220 hi\r\n"));
        buf_reset(&c.out);
        smtp_client_input(&c, SLICE("250-x\r\n250 STARTTLS\r\n"));
        assert_int_equal(smtp_client_stage(&c), SMTP_CLIENT_AT_STARTTLS);
        assert_int_equal(smtp_client_patience_s(&c), cases[i].starttls);
        smtp_client_clear(&c);
        options.tls = SMTP_CLIENT_TLS_NEVER;
        smtp_client_init(&c, &options, &ops, &seen);
        smtp_client_mail(&c, &mail);
        static const char *const answers[] = {"220 hi\r\n", "250 x\r\n", "250 ok\r\n",
                                              "250 ok\r\n", "354 go\r\n"};
        for (size_t k = 0; k < sizeof answers / sizeof answers[0]; k++) {
            buf_reset(&c.out);
            smtp_client_input(&c, slice_of(answers[k]));
        }
        buf_reset(&c.out);
        smtp_client_body_sent(&c);
        assert_int_equal(smtp_client_stage(&c), SMTP_CLIENT_AT_EOM);
        assert_int_equal(smtp_client_patience_s(&c), cases[i].final);
        smtp_client_clear(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_scripts),
                                       cmocka_unit_test(test_mail_max),
                                       cmocka_unit_test(test_patience)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
