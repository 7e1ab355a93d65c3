/* Tests of postern/bounce.h, through the shared library's exports alone. */
#include <postern/bounce.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const char report[] =
    "From: MAILER-DAEMON@mx.example\nTo: list+tag7@sender.example\nSubject: Undelivered "
    "Mail\n"
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
    "--b\n\nSorry.\n\n--b\nContent-Type: message/delivery-status\n\n"
    "Reporting-MTA: dns; mx.example\n\n"
    "Final-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.2.2\n"
    "Diagnostic-Code: smtp; 552 5.2.2 <a@b.example> Mailbox full\n\n"
    "Final-Recipient: rfc822; c@b.example\nAction: delayed\nStatus: 4.4.1\n\n"
    "--b\nContent-Type: message/rfc822\n\nMessage-ID: <1@sender.example>\n"
    "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\n\nx\n--b--\n";

static void test_mail(void **state)
{
    (void)state;
    struct postern_bounce *b = postern_bounce_new();
    assert_non_null(b);
    const struct postern_bounce_mail *m =
        postern_bounce_mail(b, report, sizeof report - 1);
    assert_int_equal(m->n, 2);
    assert_string_equal(m->kind, "failed");
    assert_string_equal(m->message_id, "1@sender.example");
    assert_string_equal(m->subject, "Gr\xc3\xbc\xc3\x9f"
                                    "e");
    assert_string_equal(m->reporting_host, "mx.example");
    assert_string_equal(m->token, "tag7");
    assert_string_equal(m->result[0].recipient, "a@b.example");
    assert_string_equal(m->result[0].class_name, "mailbox-full");
    assert_string_equal(m->result[0].status, "5.2.2");
    assert_int_equal(m->result[0].code, 552);
    assert_string_equal(m->result[1].delivery, "delayed");
    assert_string_not_equal(m->result[1].kind, "hard");
    m = postern_bounce_mail(b, "From: a@b.example\n\nhello", 24);
    assert_string_equal(m->kind, "none");
    assert_int_equal(m->n, 0);
    m = postern_bounce_mail(b, NULL, 0);
    assert_string_equal(m->kind, "none");
    postern_bounce_free(&b);
    assert_null(b);
    postern_bounce_free(&b);
    postern_bounce_free(NULL);
}

static void test_reply(void **state)
{
    (void)state;
    struct postern_bounce *b = postern_bounce_new();
    static const char text[] = "552 5.2.2 Mailbox full \0\xff";
    const struct postern_bounce_result *r =
        postern_bounce_reply(b, text, sizeof text - 1, NULL);
    assert_string_equal(r->class_name, "mailbox-full");
    assert_int_equal(r->code, 552);
    assert_string_equal(r->reply, "552 5.2.2 Mailbox full \xef\xbf\xbd\xef\xbf\xbd");
    struct postern_bounce_match match[8];
    assert_true(postern_bounce_matches(b, match, 8) > 0);
    assert_null(postern_bounce_line(b, "hello", 5));
    static const char line[] =
        "postfix/smtp[1]: A: to=<a@b.example>, relay=mx.b.example[192.0.2.1]:25, "
        "dsn=5.1.1, status=bounced (host mx.b.example[192.0.2.1] said: 550 5.1.1 "
        "<a@b.example>: User unknown (in reply to RCPT TO command))";
    r = postern_bounce_line(b, line, sizeof line - 1);
    assert_non_null(r);
    assert_string_equal(r->recipient, "a@b.example");
    assert_string_equal(r->remote_host, "mx.b.example");
    assert_string_equal(r->class_name, "invalid-recipient");
    postern_bounce_free(&b);
}

static void test_catalogue(void **state)
{
    (void)state;
    struct postern_bounce_class c;
    struct postern_bounce_rule rule;
    struct postern_bounce_page page;
    assert_int_equal(postern_bounce_classes(), 44);
    for (size_t i = 0; i < postern_bounce_classes(); i++) {
        assert_true(postern_bounce_class(i, &c));
        assert_true(postern_bounce_page("class", c.name, "sv_SE.UTF-8", &page));
        assert_true(strlen(page.title) > 0 && strlen(page.cause) > 0);
    }
    assert_false(postern_bounce_class(44, &c));
    assert_true(postern_bounce_rule(0, &rule));
    assert_false(postern_bounce_rule(postern_bounce_rules(), &rule));
    assert_true(postern_bounce_page("class", "mailbox-full", "zh_CN", &page));
    assert_string_equal(page.language, "zh-CN");
    assert_false(postern_bounce_page("class", "nothing", "en", &page));
    assert_null(postern_bounce_word("nothing", "en"));
    assert_string_equal(postern_bounce_word("recipient", NULL), "Recipient");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_mail),
                                       cmocka_unit_test(test_reply),
                                       cmocka_unit_test(test_catalogue)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
