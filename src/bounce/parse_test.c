/* Tests of bounce/parse.h: one short report for each way in which reports are built. */
#include "bounce/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static struct bounce_classifier *classifier;
static struct bounce_parser *parser;

static int set_up(void **state)
{
    (void)state;
    classifier = bounce_classifier_new();
    parser = classifier != NULL ? bounce_parser_new(classifier, NULL) : NULL;
    return parser == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    bounce_parser_free(&parser);
    bounce_classifier_free(&classifier);
    return 0;
}

/* "kind: address delivery code status class" of each recipient, "; " between them. */
static void tell(const struct bounce_mail *m, struct buf *out)
{
    buf_reset(out);
    (void)buf_add_fmt(out, "%s:", bounce_mail_kind_name(m->kind));
    for (unsigned i = 0; i < m->rcpt_n; i++) {
        const struct bounce_recipient *r = &m->rcpt[i];
        (void)buf_add_str(out, i == 0 ? " " : "; ");
        (void)buf_add(out, r->address.len > 0 ? r->address : SLICE("-"));
        (void)buf_add_fmt(out, " %s %u %u.%u.%u %s", bounce_delivery_name(r->delivery),
                          r->code, r->status.klass, r->status.subject, r->status.detail,
                          bounce_class_info(r->verdict.klass)->name);
    }
    (void)buf_add_byte(out, '\0');
}

#define DAEMON "From: MAILER-DAEMON@mx.example\nTo: me@home.example\n"
#define FAILED "Subject: failure notice\n"
#define USER   "invalid-recipient"

static const struct {
    const char *name, *message, *told;
} cases[] = {
    {"dsn",
     DAEMON
     "Subject: x\nContent-Type: multipart/report; report-type=delivery-status; "
     "boundary=b\n\n"
     "--b\n\nsorry\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; "
     "m\n\n"
     "Final-Recipient: rfc822;a@b.example\nAction: failed\nStatus: 5.0.0\n"
     "Diagnostic-Code: smtp; 550-5.1.1 no\n 550 5.1.1 such user\n\n"
     "Final-Recipient: RFC822; <c@b.example>\nAction: delivered\nStatus: 2.0.0\n--b--\n",
     "failed: a@b.example failed 550 5.1.1 " USER
     "; c@b.example delivered 0 2.0.0 not-a-failure"},
    {"dsn, broken: no blank lines, status behind, not folded",
     DAEMON "Subject: x\nContent-Type: message/delivery-status\n\n", "none:"},
    {"dsn, groups run together",
     DAEMON
     "Content-Type: multipart/report; boundary=b\n\n--b\n\nx\n--b\nContent-Type: "
     "message/delivery-status\n\nFinal-Recipient: rfc822; a@b.example\nStatus: 5.1.1\n"
     "Final-Recipient: rfc822; c@b.example\nStatus: 4.4.1\nAction: delayed\n--b--\n",
     "failed: a@b.example failed 0 5.1.1 " USER
     "; c@b.example delayed 0 4.4.1 connection-failure"},
    {"dsn, a pipe; the original names the person",
     DAEMON
     "Content-Type: multipart/report; boundary=b\n\n--b\n\nx\n--b\nContent-Type: "
     "message/delivery-status\n\nFinal-Recipient: rfc822; |/bin/x\n"
     "Original-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.2.2\n--b--\n",
     "failed: a@b.example failed 0 5.2.2 mailbox-full"},
    {"dsn, RFC 6533",
     DAEMON
     "Content-Type: multipart/report; boundary=b\n\n--b\n\nx\n--b\nContent-Type: "
     "message/global-delivery-status\n\nFinal-Recipient: utf-8; gr\\x{FC}n@b.example\n"
     "Action: failed\nStatus: 5.1.1\n--b--\n",
     "failed: gr\xc3\xbcn@b.example failed 0 5.1.1 " USER},
    {"dsn fields in a text",
     DAEMON FAILED "\nReport:\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\n"
                   "Status: 5.2.2\nDiagnostic-Code: smtp; 552 5.2.2 over quota\n",
     "failed: a@b.example failed 552 5.2.2 mailbox-full"},
    {"dsn that leaves the reply to the text",
     DAEMON "Content-Type: multipart/report; boundary=b\n\n--b\n\na@b.example: 550 "
            "5.7.25 no PTR record\n"
            "--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; "
            "a@b.example\n"
            "Action: failed\nStatus: 5.0.0\n--b--\n",
     "failed: a@b.example failed 550 5.7.25 ptr-missing"},
    {"address, then what was said",
     DAEMON FAILED
     "\nHello, this is a mail program. I could not deliver it.\n\n<a@b.example>:\n"
     "192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 User unknown\n"
     "Giving up on 192.0.2.1.\n\n<c@b.example>: 552 mailbox full\n\n"
     "--- Below this line is a copy of the message.\n\nTo: x@y.example\n",
     "failed: a@b.example failed 550 5.1.1 " USER
     "; c@b.example failed 552 0.0.0 mailbox-full"},
    {"status in brackets only",
     DAEMON FAILED "\n<a@b.example>:\nSorry, no mailbox here by that name. (#5.1.1)\n",
     "failed: a@b.example failed 0 5.1.1 " USER},
    {"exim",
     DAEMON
     "Subject: Mail delivery failed\nX-Failed-Recipients: a@b.example\n\nThis message\n\n"
     "  a@b.example\n    host mx.b.example [192.0.2.1]\n    SMTP error from remote mail "
     "server "
     "after RCPT TO:<a@b.example>:\n    550 5.1.1 User unknown\n",
     "failed: a@b.example failed 550 5.1.1 " USER},
    {"a delay never fails",
     DAEMON
     "Subject: Warning: message delayed 24 hours\n\nNot yet delivered:\n\n  a@b.example\n"
     "    550 5.1.1 User unknown\n",
     "delayed: a@b.example delayed 550 5.1.1 " USER},
    {"transcript of a session",
     DAEMON "Subject: Returned mail: User unknown\n\n   ----- Transcript of session "
            "follows -----\n"
            "While talking to mx.b.example:\n>>> RCPT To:<a@b.example>\n<<< 550 5.1.1 no "
            "such user\n"
            "550 <a@b.example>... User unknown\n",
     "failed: a@b.example failed 550 5.1.1 " USER},
    {"the reason first",
     DAEMON "Subject: Undeliverable Mail\n\nCould not be delivered because of\n\n550 "
            "5.1.1 User unknown\n\n"
            "The following recipients were affected:\n    a@b.example\n\nMore:\nRemote: "
            "<192.0.2.1>\n",
     "failed: a@b.example failed 550 5.1.1 " USER},
    {"a sentence",
     DAEMON FAILED "\nThere was an error delivering your mail to <a@b.example>.\n\n"
                   "mx [192.0.2.1] did not like our RCPT TO:\n552 5.2.2 full\n\nMessage "
                   "headers follow.\n",
     "failed: a@b.example failed 552 5.2.2 mailbox-full"},
    {"addresses of help desks are no recipients",
     DAEMON FAILED
     "\nSee below. For help contact\n\n  <help@mx.example>\n\nor support@mx.example.\n\n"
     "<a@b.example>: 550 5.1.1 User unknown\n",
     "failed: a@b.example failed 550 5.1.1 " USER},
    {"a message expired in a message",
     DAEMON FAILED
     "\n<a@b.example>: 554 4.4.7 Message expired.<421 4.4.2 Connection timed out>\n",
     "failed: a@b.example failed 421 4.4.2 connection-failure"},
    {"HTML alone, in base64",
     DAEMON FAILED
     "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: base64\n\n"
     "PHA+U29ycnk8L3A+PHA+Jmx0O2FAYi5leGFtcGxlJmd0Ozo8YnI+"
     "NTUwIDUuMS4x\nIFVzZXIgdW5rbm93bjwvcD4=\n",
     "failed: a@b.example failed 550 5.1.1 " USER},
    {"Chinese labels",
     "From: Postmaster@mail.example\nTo: me@home.example\nSubject: "
     "\xe7\xb3\xbb\xe7\xbb\x9f\xe9\x80\x80\xe4\xbf\xa1\n"
     "Content-Type: text/plain; charset=utf-8\n\n\xe6\x94\xb6\xe4\xbb\xb6\xe4\xba\xba: "
     "a@b.example\n"
     "\xe5\x8e\x9f\xe5\x9b\xa0: 550 5.1.1 User unknown\n",
     "failed: a@b.example failed 550 5.1.1 " USER},
    {"passed on by a person",
     "From: you@home.example\nTo: me@home.example\nSubject: Fw: look\nContent-Type: "
     "multipart/mixed; "
     "boundary=b\n\n--b\n\nWhat is this?\n--b\nContent-Type: message/rfc822\n\n" DAEMON
         FAILED "\n<a@b.example>:\n550 5.1.1 User unknown\n--b--\n",
     "failed: a@b.example failed 550 5.1.1 " USER},
    {"complaint",
     "From: fbl@p.example\nContent-Type: multipart/report; report-type=feedback-report; "
     "boundary=b\n\n"
     "--b\n\nx\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
     "Original-Rcpt-To: <a@b.example>\n\n--b--\n",
     "feedback: a@b.example unknown 0 0.0.0 feedback-report"},
    {"vacation",
     "From: Ann <a@b.example>\nTo: me@home.example\nAuto-Submitted: auto-replied "
     "(vacation)\n"
     "Subject: Re: x\n\nI am away. Write to c@b.example.\n",
     "auto-reply: a@b.example unknown 0 0.0.0 auto-reply"},
    {"vacation, by its subject",
     "From: a@b.example\nSubject: =?utf-8?B?6Ieq5Yqo5Zue5aSNOiB4?=\n\nx\n",
     "auto-reply: a@b.example unknown 0 0.0.0 auto-reply"},
    {"receipt",
     "From: a@b.example\nSubject: Read: x\nContent-Type: multipart/report; "
     "boundary=b\n\n--b\n\nx\n--b\n"
     "Content-Type: message/disposition-notification\n\nFinal-Recipient: "
     "rfc822;a@b.example\n\n--b--\n",
     "auto-reply: a@b.example unknown 0 0.0.0 auto-reply"},
    {"SES within SNS",
     "From: "
     "no-reply@sns.example\n\n{\"Type\":\"Notification\",\"Message\":\"{"
     "\\\"notificationType\\\":"
     "\\\"Bounce\\\",\\\"bounce\\\":{\\\"bouncedRecipients\\\":[{\\\"emailAddress\\\":"
     "\\\"a@b.example\\\","
     "\\\"action\\\":\\\"failed\\\",\\\"diagnosticCode\\\":\\\"smtp; 550 5.1.1 user "
     "unknown\\\"}]}}\"}",
     "failed: a@b.example failed 550 5.1.1 " USER},
    {"events as SendGrid posts them",
     "[{\"email\":\"a@b.example\",\"event\":\"bounce\",\"reason\":\"550 5.1.1 User "
     "unknown\"},"
     "{\"email\":\"c@b.example\",\"event\":\"deferred\",\"response\":\"452 4.2.2 mailbox "
     "full\"}]",
     "failed: a@b.example failed 550 5.1.1 " USER
     "; c@b.example delayed 452 4.2.2 mailbox-full"},
    {"a letter that quotes a refusal",
     "From: you@home.example\nTo: me@home.example\nSubject: help\n\nI wrote to "
     "a@b.example and got\n"
     "550 5.1.1 User unknown. Why?\n",
     "none:"},
    {"not a mail", "hello", "none:"},
    {"empty", "", "none:"},
};

static void test_forms(void **state)
{
    (void)state;
    struct buf told;
    unsigned wrong = 0;
    buf_init(&told, 4096);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tell(bounce_parse(parser, slice_of(cases[i].message)), &told);
        if (strcmp((const char *)told.ptr, cases[i].told) != 0) {
            print_message("%s\n  got  %s\n  want %s\n", cases[i].name,
                          (const char *)told.ptr, cases[i].told);
            wrong++;
        }
    }
    buf_clear(&told);
    assert_int_equal(wrong, 0);
}

/* Every prefix is read; what is said of a recipient does not come from behind the end. */
static void test_prefixes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].message);
        for (size_t n = 0; n <= len; n++) {
            unsigned char *copy = malloc(n + 1);
            assert_non_null(copy);
            memcpy(copy, cases[i].message, n);
            const struct bounce_mail *m = bounce_parse(parser, (struct slice){copy, n});
            assert_in_range(m->rcpt_n, 0, 3);
            free(copy);
        }
    }
}

static void test_ids(void **state)
{
    (void)state;
    static const char text[] =
        "Delivered-To: news+u42=7@home.example\n" DAEMON
        "Content-Type: multipart/report; boundary=b\n\n--b\n\nx\n--b\nContent-Type: "
        "message/delivery-status\n\nReporting-MTA: dns; mx.example (192.0.2.1)\n"
        "Original-Envelope-Id: env9\nArrival-Date: Sat, 21 Nov 2026 10:00:00 +0000\n\n"
        "Final-Recipient: rfc822;a@b.example\nRemote-MTA: dns; mx.b.example\nAction: "
        "failed\n"
        "Status: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 no (in reply to RCPT TO "
        "command)\n\n--b\n"
        "Content-Type: text/rfc822-headers\n\nFrom: Me <me@home.example>\nMessage-ID: "
        "<m1@home.example>\n"
        "Subject: =?utf-8?Q?a_b?=\n\n--b--\n";
    const struct bounce_mail *m = bounce_parse(parser, slice_of(text));
    assert_int_equal(m->rcpt_n, 1);
    assert_true(slice_eq(m->reporting_host, SLICE("mx.example")));
    assert_true(slice_eq(m->envelope_id, SLICE("env9")));
    assert_true(slice_eq(m->arrival, SLICE("Sat, 21 Nov 2026 10:00:00 +0000")));
    assert_true(slice_eq(m->message_id, SLICE("m1@home.example")));
    assert_true(slice_eq(m->subject, SLICE("a b")));
    assert_true(slice_eq(m->sender, SLICE("me@home.example")));
    assert_true(slice_eq(m->returned_to, SLICE("news+u42=7@home.example")));
    assert_true(slice_eq(m->token, SLICE("u42=7")));
    assert_true(slice_eq(m->rcpt[0].remote_host, SLICE("mx.b.example")));
    assert_int_equal(m->rcpt[0].stage, BOUNCE_STAGE_RCPT);
}

/* Without fields the notice tells the hosts. */
static void test_hosts(void **state)
{
    (void)state;
    const struct bounce_mail *m =
        bounce_parse(parser, SLICE(DAEMON FAILED "\nThis is the mail system at host "
                                                 "mx.example.\n\n"
                                                 "   ----- Transcript of session follows "
                                                 "-----\n"
                                                 "... while talking to one.b.example.:\n"
                                                 "<<< 550 5.1.1 no\n"
                                                 "550 5.1.1 <a@b.example>... No\n"
                                                 "... while talking to two.b.example.:\n"
                                                 ">>> RCPT To:<c@b.example>\n"
                                                 "<<< 552 5.2.2 full\n"
                                                 "550 5.1.1 <c@b.example>... No\n"));
    assert_int_equal(m->rcpt_n, 2);
    assert_true(slice_eq(m->reporting_host, SLICE("mx.example")));
    assert_true(slice_eq(m->rcpt[0].remote_host, SLICE("one.b.example")));
    assert_true(slice_eq(m->rcpt[1].remote_host, SLICE("two.b.example")));
}

static void test_many(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    (void)buf_add_str(&b, DAEMON
                      "Content-Type: multipart/report; boundary=b\n\n--b\n\nx\n--b\n"
                      "Content-Type: message/delivery-status\n\n");
    for (int i = 0; i < BOUNCE_RCPTS_MAX + 10; i++) {
        (void)buf_add_fmt(&b, "Final-Recipient: rfc822; u%d@b.example\nStatus: 5.1.1\n\n",
                          i);
    }
    const struct bounce_mail *m = bounce_parse(parser, buf_slice(&b));
    assert_int_equal(m->rcpt_n, BOUNCE_RCPTS_MAX);
    assert_int_equal(m->more, 10);
    buf_clear(&b);
}

/* A report without a text does not get the addresses of the one before. */
static void test_forgets(void **state)
{
    (void)state;
    static const char empty[] = DAEMON FAILED "Content-Type: text/plain\n\n";
    const struct bounce_mail *m =
        bounce_parse(parser, SLICE(DAEMON FAILED "\n<a@b.example>: 550 5.1.1 no\n"));
    assert_int_equal(m->rcpt_n, 1);
    m = bounce_parse(parser, slice_of(empty));
    for (unsigned i = 0; i < m->rcpt_n; i++) {
        assert_int_equal(m->rcpt[i].address.len, 0);
    }
}

static const struct {
    const char *line, *address, *host;
    enum bounce_delivery delivery; /* BOUNCE_DELIVERY_UNKNOWN: tells of no failure */
    unsigned code;
    const char *klass;
} lines[] = {
    {"Nov 22 07:00:00 mx postfix/smtp[1]: 4ABC: to=<a@b.example>, "
     "relay=mx.b.example[192.0.2.1]:25, "
     "delay=1, dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 "
     "User unknown (in "
     "reply to RCPT TO command))",
     "a@b.example", "mx.b.example", BOUNCE_FAILED, 550, USER},
    {"postfix/smtp[1]: 4ABC: to=<a@b.example>, relay=none, delay=9, dsn=4.4.1, "
     "status=deferred (connect "
     "to mx.b.example[192.0.2.1]:25: Connection timed out)",
     "a@b.example", "mx.b.example", BOUNCE_DELAYED, 0, "connection-failure"},
    {"postfix/smtp[1]: 4ABC: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, "
     "dsn=2.0.0, status=sent "
     "(250 2.0.0 Ok)",
     NULL, NULL, BOUNCE_DELIVERY_UNKNOWN, 0, NULL},
    {"2026-11-22 07:00:00 1P1ceB-000FL1-4q ** a@b.example R=dnslookup T=remote_smtp "
     "H=mx.b.example "
     "[192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@b.example>: 550 "
     "5.1.1 User unknown",
     "a@b.example", "mx.b.example", BOUNCE_FAILED, 550, USER},
    {"2026-11-22 07:00:00 1P1ceB-000FL1-4q == a@b.example R=dnslookup T=remote_smtp "
     "defer (-44) "
     "H=mx.b.example [192.0.2.1]: SMTP error after RCPT TO:<a@b.example>: 452 4.2.2 "
     "mailbox full",
     "a@b.example", "mx.b.example", BOUNCE_DELAYED, 452, "mailbox-full"},
    {"2026-11-22 07:00:00 1P1ceB-000FL1-4q => a@b.example R=dnslookup T=remote_smtp",
     NULL, NULL, BOUNCE_DELIVERY_UNKNOWN, 0, NULL},
    {"sendmail[1]: x: to=<a@b.example>, delay=00:00:01, mailer=esmtp, "
     "relay=mx.b.example. [192.0.2.1], "
     "dsn=5.1.1, reply=550 5.1.1 <a@b.example>... User unknown, stat=User unknown",
     "a@b.example", "mx.b.example", BOUNCE_FAILED, 550, USER},
    {"sendmail[1]: x: to=a@b.example, delay=00:00:01, relay=mx.b.example, dsn=4.0.0, "
     "stat=Deferred: "
     "Connection timed out with mx.b.example.",
     "a@b.example", "mx.b.example", BOUNCE_DELAYED, 0, "connection-failure"},
    {"sendmail[1]: x: to=<a@b.example>, dsn=2.0.0, stat=Sent (ok)", NULL, NULL,
     BOUNCE_DELIVERY_UNKNOWN, 0, NULL},
    {"smtpd[1]: 12 mta delivery evpid=1 from=<me@home.example> to=<a@b.example> rcpt=<-> "
     "source=\"192.0.2.9\" "
     "relay=\"192.0.2.1 (mx.b.example)\" delay=1s result=\"PermFail\" stat=\"550 5.1.1 "
     "User unknown\"",
     "a@b.example", "mx.b.example", BOUNCE_FAILED, 550, USER},
    {"smtpd[1]: 12 mta delivery to=<a@b.example> result=\"Ok\" stat=\"250 ok\"", NULL,
     NULL, BOUNCE_DELIVERY_UNKNOWN, 0, NULL},
    {"postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[192.0.2.7]: 550 5.1.1 "
     "<a@b.example>: Recipient "
     "address rejected: User unknown; from=<me@home.example> to=<a@b.example> "
     "proto=ESMTP",
     "a@b.example", NULL, BOUNCE_FAILED, 550, USER},
    {"kernel: eth0: link up", NULL, NULL, BOUNCE_DELIVERY_UNKNOWN, 0, NULL},
};

static void test_log(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct bounce_recipient r;
        bool found = bounce_parse_log(parser, slice_of(lines[i].line), &r);
        assert_int_equal(found, lines[i].delivery != BOUNCE_DELIVERY_UNKNOWN);
        if (!found) {
            continue;
        }
        assert_true(slice_eq(r.address, slice_of(lines[i].address)));
        assert_true(slice_eq(r.remote_host, slice_of(lines[i].host)));
        assert_int_equal(r.delivery, lines[i].delivery);
        assert_int_equal(r.code, lines[i].code);
        assert_string_equal(bounce_class_info(r.verdict.klass)->name, lines[i].klass);
        assert_true(r.delivery != BOUNCE_DELAYED || r.verdict.kind != BOUNCE_HARD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),   cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_ids),     cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_many),    cmocka_unit_test(test_log),
        cmocka_unit_test(test_forgets),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
