/* base/log_test.c - lines as they come out of standard error, through a pipe. */
#include "base/log.h"

#include "base/json.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int saved_stderr = -1, pipe_end = -1;
static char got[8192];

static void begin(void)
{
    int fd[2];
    assert_int_equal(pipe(fd), 0);
    saved_stderr = dup(STDERR_FILENO);
    assert_true(saved_stderr >= 0);
    assert_int_equal(dup2(fd[1], STDERR_FILENO), STDERR_FILENO);
    close(fd[1]);
    pipe_end = fd[0];
}

/* What was written since begin(), the digits of time replaced by 'N'. */
static void end(void)
{
    assert_int_equal(dup2(saved_stderr, STDERR_FILENO), STDERR_FILENO);
    close(saved_stderr);
    ssize_t n = read(pipe_end, got, sizeof got - 1);
    got[n > 0 ? n : 0] = '\0';
    close(pipe_end);
    static const char *const marks[] = {" time=", "\"time\":"};
    for (size_t i = 0; i < 2; i++) {
        char *at = strstr(got, marks[i]);
        at = at == NULL ? NULL : at + strlen(marks[i]);
        while (at != NULL && *at != '\0' && *at != ' ' && *at != ',') {
            *at = isdigit((unsigned char)*at) ? 'N' : *at;
            at++;
        }
    }
}

static const uint64_t session = 0x0123456789abcdef;
#define TIME "time=NNNN-NN-NNTNN:NN:NN.NNNZ"

static void hostile(struct fields *f)
{
    fields_reset(f);
    fields_add_str(f, "code", "550");
    fields_add_str(f, "text", "a b");
    fields_add_str(f, "empty", "");
    fields_add(f, "evil", SLICE("\n<3>x=\"\\\xff\0\x1b"));
}

static void test_text(void **state)
{
    (void)state;
    struct fields f;
    hostile(&f);
    (void)unsetenv("JOURNAL_STREAM");
    begin();
    log_setup(LOG_INFO, LOG_TEXT, "smtpd/0");
    log_event(LOG_INFO, session, "refused", &f);
    end();
    assert_string_equal(got, "session=28t5cy4tqkff " TIME " level=info role=smtpd/0 "
                             "event=refused code=550 text=\"a b\" empty=\"\" "
                             "evil=\"\\x0a<3>x=\\\"\\x5c\\xff\\x00\\x1b\"\n");
    begin();
    log_event(LOG_DEBUG, session, "unheard", NULL);
    log_role("queue");
    log_text(LOG_WARN, "odd", "%d of %s", 1, "them");
    end();
    assert_string_equal(got, "session=- " TIME " level=warning role=queue event=odd "
                             "text=\"1 of them\"\n");
}

static void test_json(void **state)
{
    (void)state;
    struct fields f;
    hostile(&f);
    fields_add_str(&f, "word", "gr\xc3\xbc\xc3\x9f");
    begin();
    log_setup(LOG_DEBUG, LOG_JSON, "smtpd/0");
    log_event(LOG_DEBUG, 0, "refused", &f);
    end();
    assert_string_equal(got,
                        "{\"time\":NNNNNNNNNNNNN,\"session\":\"-\",\"level\":\"debug\","
                        "\"role\":\"smtpd/0\",\"event\":\"refused\",\"code\":\"550\","
                        "\"text\":\"a b\",\"empty\":\"\","
                        "\"evil\":\"\\u000a<3>x=\\\"\\\\\\ufffd\\u0000\\u001b\","
                        "\"word\":\"gr\\u00fc\\u00df\"}\n");
}

static void test_journal(void **state)
{
    (void)state;
    struct stat st;
    char stream[64];
    begin();
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    (void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)st.st_dev,
                   (uintmax_t)st.st_ino);
    assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
    log_setup(LOG_INFO, LOG_TEXT, "trace");
    log_event(LOG_ERR, 0, "full", NULL);
    log_setup(LOG_INFO, LOG_JSON, "trace");
    log_event(LOG_INFO, 0, "full", NULL);
    end();
    assert_string_equal(got,
                        "<3>session=- role=trace event=full\n"
                        "<6>{\"time\":NNNNNNNNNNNNN,\"session\":\"-\","
                        "\"level\":\"info\",\"role\":\"trace\",\"event\":\"full\"}\n");

    /* The variable of a parent, our output elsewhere: no prefix. */
    begin();
    assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
    log_setup(LOG_INFO, LOG_TEXT, "trace");
    log_event(LOG_ERR, 0, "full", NULL);
    end();
    assert_int_equal(got[0], 's');
    (void)unsetenv("JOURNAL_STREAM");
}

static void cut_at(enum log_format format, size_t first, unsigned char octet, bool cut)
{
    static unsigned char big[5000];
    memset(big, octet, sizeof big);
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "big", (struct slice){big, first});
    fields_add_str(&f, "second", "x");
    begin();
    log_setup(LOG_INFO, format, "r");
    log_event(LOG_INFO, 0, "e", &f);
    end();
    size_t len = strlen(got);
    const char *tail = format == LOG_JSON ? ",\"cut\":\"yes\"}\n" : " cut=yes\n";
    assert_in_range(len, 1, LOG_LINE_MAX);
    assert_int_equal(got[len - 1], '\n');
    assert_ptr_equal(strchr(got, '\n'), got + len - 1);
    bool says = len > strlen(tail) && strcmp(got + len - strlen(tail), tail) == 0;
    assert_int_equal(says, cut);
    /* What fits is there, not a line without its fact. */
    assert_true(!cut || len > LOG_LINE_MAX - 64);
    assert_non_null(strstr(got, "big"));
    assert_true(cut || strstr(got, "second") != NULL);
}

static void test_cut(void **state)
{
    (void)state;
    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        cut_at((enum log_format)format, 1800, 'a', false);
        cut_at((enum log_format)format, 5000, 'a', true);
        cut_at((enum log_format)format, 5000, '\x1b', true);
        cut_at((enum log_format)format, 5000, ' ', true);
        bool cut =
            false; /* every length around the limit: cut, or whole, never neither */
        for (size_t n = 1850; n < LOG_LINE_MAX; n++) {
            struct fields f;
            static unsigned char big[LOG_LINE_MAX];
            memset(big, 'a', sizeof big);
            fields_reset(&f);
            fields_add(&f, "big", (struct slice){big, n});
            begin();
            log_setup(LOG_INFO, (enum log_format)format, "r");
            log_event(LOG_INFO, 0, "e", &f);
            end();
            bool now = strstr(got, "cut") != NULL;
            assert_true(now || !cut);
            assert_true(strlen(got) <= LOG_LINE_MAX);
            cut = now;
        }
        assert_true(cut);
    }
    struct fields f;
    fields_reset(&f);
    for (unsigned i = 0; i < FIELDS_MAX + 3; i++) {
        fields_add_u64(&f, "n", i);
    }
    begin();
    log_setup(LOG_INFO, LOG_TEXT, "r");
    log_event(LOG_INFO, 0, "e", &f);
    end();
    assert_non_null(strstr(got, " cut=yes\n"));
}

static void test_errno_and_ends(void **state)
{
    (void)state;
    log_setup(LOG_INFO, LOG_TEXT, "r");
    begin();
    close(STDERR_FILENO);
    errno = 1234;
    log_event(LOG_INFO, 0, "lost", NULL);
    assert_int_equal(errno, 1234);
    end();

    static const bool bug[] = {false, true};
    for (size_t i = 0; i < 2; i++) {
        begin();
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            (void)signal(SIGABRT, SIG_DFL);
            if (bug[i]) {
                log_bug("file.c", 7, "x == 0");
            }
            fatal("no %s", "disk");
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        end();
        if (bug[i]) {
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
            assert_non_null(strstr(got, "event=bug text=\"file.c:7: x == 0\"\n"));
        } else {
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 4);
            assert_non_null(
                strstr(got, "level=error role=r event=fatal text=\"no disk\"\n"));
        }
    }
}

static void test_json_string(void **state)
{
    (void)state;
    static const struct {
        struct slice in;
        const char *out;
    } cases[] = {
        {SLICE_INIT(""), "\"\""},
        {SLICE_INIT("a\"\\/\x7f"), "\"a\\\"\\\\/\\u007f\""},
        {SLICE_INIT("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
         "\"\\u00e9\\u20ac\\ud83d\\ude00\""},
        {SLICE_INIT("\xf4\x8f\xbf\xbf"), "\"\\udbff\\udfff\""},
        {SLICE_INIT("\xc0\x80"), "\"\\ufffd\\ufffd\""},            /* overlong */
        {SLICE_INIT("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""}, /* surrogate */
        {SLICE_INIT("\xf4\x90\x80\x80"),
         "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},           /* too far */
        {SLICE_INIT("\xe2\x82"), "\"\\ufffd\\ufffd\""}, /* ends early */
        {SLICE_INIT("\xe2\x82x"), "\"\\ufffd\\ufffdx\""},
        {SLICE_INIT("\x80\xff"), "\"\\ufffd\\ufffd\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b;
        buf_init(&b, 256);
        assert_true(json_add_string(&b, cases[i].in));
        assert_true(slice_eq(buf_slice(&b), slice_of(cases[i].out)));
        buf_clear(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),           cmocka_unit_test(test_json),
        cmocka_unit_test(test_journal),        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_errno_and_ends), cmocka_unit_test(test_json_string),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
