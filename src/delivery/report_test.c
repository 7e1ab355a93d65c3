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
    struct report_reader *r = report_reader_new(DOMAIN);
    assert_non_null(r);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct job j = {.segment = 1, .id = {7, 1}};
        struct source src;
        struct outcome out = {0};
        int fd = testlib_segment("/tmp", 0, SLICE("Received: by here\r\n"),
                                 slice_of(cases[i].mail), &j);
        assert_true(fd >= 0);
        assert_int_equal(source_open(&src, fd, &j), SOURCE_OK);
        report_read(r, &src, &out);
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

static void test_damaged(void **state)
{
    (void)state;
    struct report_reader *r = report_reader_new(DOMAIN);
    struct job j = {.segment = 1, .id = {7, 1}};
    struct source src;
    struct outcome out = {0};
    int fd =
        testlib_segment("/tmp", 0, SLICE("Received: by here\r\n"), slice_of(ARF), &j);
    assert_true(r != NULL && fd >= 0 && pwrite(fd, "!", 1, 100) == 1);
    assert_int_equal(source_open(&src, fd, &j), SOURCE_OK);
    report_read(r, &src, &out);
    assert_int_equal(out.result, JOB_DEFERRED);
    source_close(&src);
    (void)close(fd);
    report_reader_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reports),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
