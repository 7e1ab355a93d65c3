/* delivery/report_test.c - what is told of mail that came back. */
#include "delivery/report.h"

#include "bounce/classify.h"
#include "delivery/delivery_testlib.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define DOMAIN "bounce.shop.test"
#define PATH   "b-aaaaaaaaaaaaaaaaaaaaaaaaaaaa@" DOMAIN

static char domain[] = DOMAIN, host[] = "mx.shop.test", provider[] = "far.test";
static struct config config = {.push_return_path_domain = domain, .hostname = host};

#define DSN(rcpts)                                                                       \
    "From: MAILER-DAEMON@far.test\r\nTo: " PATH "\r\nSubject: Undelivered\r\n"           \
    "MIME-Version: 1.0\r\nContent-Type: multipart/report; "                              \
    "report-type=delivery-status; boundary=x\r\n\r\n--x\r\n\r\nSorry.\r\n--x\r\n"        \
    "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; "                  \
    "far.test\r\n" rcpts "\r\n--x--\r\n"
#define GROUP(address, action, status, text)                                             \
    "\r\nFinal-Recipient: rfc822; " address "\r\nAction: " action "\r\nStatus: " status  \
    "\r\nDiagnostic-Code: smtp; " text "\r\n"
#define ARF                                                                              \
    "From: fbl@far.test\r\nTo: feedback@" DOMAIN "\r\nSubject: abuse\r\n"                \
    "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; " \
    "boundary=x\r\n\r\n--x\r\n\r\nA complaint.\r\n--x\r\n"                               \
    "Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"              \
    "User-Agent: far/1\r\nVersion: 1\r\nOriginal-Mail-From: <" PATH ">\r\n"              \
    "\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nFrom: news@shop.test\r\n"            \
    "Subject: news\r\n\r\nbuy\r\n--x--\r\n"

static const struct {
    const char *name, *mail, *where, *klass, *reply;
    bool suppress;
    unsigned code;
} cases[] = {
    {"hard", DSN(GROUP("a@far.test", "failed", "5.1.1", "550 5.1.1 no such user here")),
     "failed " PATH, "invalid-recipient", "550 5.1.1 no such user here", true, 550},
    {"soft", DSN(GROUP("a@far.test", "failed", "5.2.2", "552 5.2.2 mailbox is full")),
     "failed " PATH, "mailbox-full", "552 5.2.2 mailbox is full", false, 552},
    {"delay", DSN(GROUP("a@far.test", "delayed", "4.1.1", "550 5.1.1 no such user here")),
     "delayed " PATH, NULL, "550 5.1.1 no such user here", false, 550},
    {"one of two is good",
     DSN(GROUP("a@far.test", "failed", "5.1.1", "550 5.1.1 no such user here")
             GROUP("b@far.test", "failed", "5.2.2", "552 5.2.2 mailbox is full")),
     "failed " PATH, "mailbox-full", "552 5.2.2 mailbox is full", false, 552},
    {"complaint", ARF, "feedback " PATH, "feedback-report", "abuse", false, 0},
    {"a letter", "From: ann@far.test\r\nSubject: hello\r\n\r\n550 5.1.1 no such user\r\n",
     "none", NULL, "", false, 0},
    {"nothing", "", "none", NULL, "", false, 0},
};

static void test_reports(void **state)
{
    (void)state;
    struct report_reader *r = report_reader_new(&config);
    assert_non_null(r);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct job j = {.segment = 1, .id = {7, 1}};
        struct source src;
        struct report_about about;
        struct outcome out = {0};
        int fd = testlib_segment("/tmp", 0, SLICE("Received: by here\r\n"),
                                 slice_of(cases[i].mail), &j);
        assert_true(fd >= 0);
        assert_int_equal(source_open(&src, fd, &j), SOURCE_OK);
        report_read(r, &src, &j, &about, &out);
        source_close(&src);
        (void)close(fd);
        struct slice where = {out.where, out.where_len},
                     reply = {out.reply, out.reply_len};
        if (!slice_eq(where, slice_of(cases[i].where)) ||
            !slice_eq(reply, slice_of(cases[i].reply))) {
            fail_msg("%s: %.*s: %.*s", cases[i].name, (int)where.len,
                     (const char *)where.ptr, (int)reply.len, (const char *)reply.ptr);
        }
        assert_int_equal(out.result, JOB_DELIVERED);
        assert_int_equal(out.advice == JOB_suppress, cases[i].suppress);
        assert_int_equal(out.code, cases[i].code);
        if (cases[i].klass != NULL) {
            assert_string_equal(
                bounce_class_info((enum bounce_class)(out.klass - 1))->name,
                cases[i].klass);
        }
    }
    report_reader_free(&r);
}

#define REPORT(type)                                                                     \
    "Authentication-Results: mx.shop.test; dkim=pass header.d=x.test\r\n"                \
    "Content-Type: multipart/report; report-type=feedback-report; boundary=x\r\n\r\n"    \
    "--x\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: " type "\r\n"    \
    "Version: 1\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\n"                      \
    "Received: from a by b\r\nAuthentication-Results: other; spf=pass\r\n"               \
    "Authentication-Results: mx.shop.test;\r\n\tspf=pass smtp.mailfrom=c.test\r\n"       \
    "Received: from c ([192.0.2.1])\r\n\tby mx.shop.test\r\nSubject: hello\r\n"          \
    "Message-ID: <1@c.test>\r\n\r\nbuy\r\n--x--\r\n"
#define KEPT                                                                             \
    "Received: x\nAuthentication-Results: mx.shop.test; spf=pass smtp.mailfrom=c.test\n" \
    "Received: from c ([192.0.2.1]) by mx.shop.test\nMessage-ID: <1@c.test>\n"

/* Who says it is read from our own fields above the report alone. */
static void test_complaints(void **state)
{
    static const struct {
        const char *mail, *head, *account, *where, *reporter, *original;
        bool listed;
    } rows[] = {
        {REPORT("abuse"), "Received: by here\r\n", "", "feedback", "", KEPT, false},
        {REPORT("not-spam"), "Received: by here\r\n", "ann@x.test", "wanted",
         "ann@x.test", KEPT, false},
        {REPORT("abuse"), "Received: by here\r\n", "ann@far.test", "feedback",
         "ann@far.test", KEPT, true},
        {REPORT("auth-failure"), "Received: by here\r\n", "", "auth-failure", "", "",
         false},
        {REPORT("abuse"), "Received: by here\r\n", "", "stranger", "", "", true},
        {REPORT("abuse"),
         "Received: by here\r\nAuthentication-Results: mx.shop.test; dkim=fail "
         "header.d=far.test; dkim=pass header.d=near.test\r\n",
         "", "stranger", "near.test", "", true},
        {REPORT("abuse"),
         "Received: by here\r\nAuthentication-Results: mx.shop.test; dkim=pass "
         "header.d=fbl.far.test\r\n",
         "", "feedback", "fbl.far.test", KEPT, true},
    };
    (void)state;
    struct report_reader *r = report_reader_new(&config);
    assert_non_null(r);
    config.complaints_providers.item[0] = provider;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct job j = {.segment = 1, .id = {7, 1}};
        struct source src;
        struct report_about about;
        struct outcome out = {0};
        config.complaints_providers.n = rows[i].listed;
        int fd = testlib_segment("/tmp", 0, slice_of(rows[i].head),
                                 slice_of(rows[i].mail), &j);
        assert_true(fd >= 0);
        j.service = rows[i].account[0] == '\0' ? SERVICE_MX : SERVICE_SUBMISSION;
        j.account =
            j.service == SERVICE_MX ? SLICE("x@far.test") : slice_of(rows[i].account);
        assert_int_equal(source_open(&src, fd, &j), SOURCE_OK);
        report_read(r, &src, &j, &about, &out);
        assert_true(
            slice_eq((struct slice){out.where, out.where_len}, slice_of(rows[i].where)));
        assert_true(slice_eq(out.reporter, slice_of(rows[i].reporter)));
        assert_true(slice_eq(out.original, slice_of(rows[i].original)));
        source_close(&src);
        (void)close(fd);
    }
    config.complaints_providers.n = 0;
    report_reader_free(&r);
}

static void test_damaged(void **state)
{
    (void)state;
    struct report_reader *r = report_reader_new(&config);
    struct job j = {.segment = 1, .id = {7, 1}};
    struct source src;
    struct report_about about;
    struct outcome out = {0};
    int fd =
        testlib_segment("/tmp", 0, SLICE("Received: by here\r\n"), slice_of(ARF), &j);
    assert_true(r != NULL && fd >= 0 && pwrite(fd, "!", 1, 100) == 1);
    assert_int_equal(source_open(&src, fd, &j), SOURCE_OK);
    report_read(r, &src, &j, &about, &out);
    assert_int_equal(out.result, JOB_DEFERRED);
    source_close(&src);
    (void)close(fd);
    report_reader_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_complaints),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
