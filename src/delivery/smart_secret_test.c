/* delivery/smart_secret_test.c - whose password is read, and whose is not. */
#include "delivery/smart_secret.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/smart-secret-test-XXXXXX";

static void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    (void)close(fd);
}

static void test_read(void **state)
{
    (void)state;
    static const struct {
        const char *text; /* NULL: no file */
        mode_t mode;
        const char *secret, *why;
    } cases[] = {
        {"pass word\n", 0600, "pass word", NULL},
        {"pass\r\nmore\n", 0400, "pass", NULL},
        {"pass", 0600, "pass", NULL},
        {"pass", 0640, NULL, "others than its owner"},
        {"pass", 0604, NULL, "others than its owner"},
        {"\npass", 0600, NULL, "empty"},
        {"", 0600, NULL, "empty"},
        {NULL, 0, NULL, "No such file"},
    };
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[100], line[300], error[WORDS_ERROR_MAX];
        const char *why = NULL;
        struct slice out;
        (void)snprintf(path, sizeof path, "%s/%zu", dir, i);
        if (cases[i].text != NULL) {
            write_file(path, cases[i].text, cases[i].mode);
        }
        (void)snprintf(line, sizeof line,
                       "host n 192.0.2.1 25 may\nhost h b.test 587 must login ann %s",
                       path);
        struct smart_hosts *hosts = smart_hosts_read(slice_of(line), error);
        assert_non_null(hosts);
        struct smart_secrets *s = smart_secrets_new(hosts);
        assert_non_null(s);
        bool ok = smart_secret(s, smart_hosts_at(hosts, 1), &out, &why);
        const char *secret = cases[i].secret;
        assert_int_equal(ok, secret != NULL);
        if (secret != NULL) {
            assert_true(slice_eq(out, slice_of(secret)));
        } else {
            assert_non_null(strstr(why, cases[i].why));
        }
        assert_true(
            smart_secret(s, smart_hosts_at(hosts, 0), &out, &why)); /* none wanted */
        smart_secrets_free(&s);
        smart_hosts_free(&hosts);
        (void)unlink(path);
    }
    (void)rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
