/* delivery/tls_count_test.c - see tls_count.h */
#include "base/clock.h"
#include "base/file.h"
#include "delivery/tls_count.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void reads_back(void **state)
{
    (void)state;
    char dir[] = "/tmp/tls-count-XXXXXX", day[CLOCK_TEXT_MAX], name[32], command[64];
    assert_non_null(mkdtemp(dir));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int old = openat(fd, "r-2001-01-01", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && old >= 0 && close(old) == 0);
    struct tls_counts *c = tls_counts_new(fd, 86400000);
    assert_non_null(c);
    for (unsigned i = 0; i < 3; i++) {
        tls_count(c, SLICE("A.test"), TLS_RPT_STS, TLS_RPT_SUCCESS, SLICE("mx.a.test"));
    }
    tls_counts_flush(c);
    tls_count(c, SLICE("a.test"), TLS_RPT_STS, TLS_RPT_SUCCESS, SLICE("mx.a.test"));
    tls_count(c, SLICE("b.test\n c"), TLS_RPT_TLSA, TLS_RPT_DNSSEC_INVALID, SLICE(""));
    tls_counts_free(&c);
    assert_int_not_equal(faccessat(fd, "r-2001-01-01", F_OK, 0), 0);

    (void)clock_text(clock_wall_ms(), day);
    (void)snprintf(name, sizeof name, "r-%.10s", day);
    struct buf text;
    buf_init(&text, 65536);
    int file = openat(fd, name, O_RDONLY | O_CLOEXEC);
    assert_true(file >= 0 && file_read(file, &text) && close(file) == 0);
    struct slice rest = buf_slice(&text);
    struct tls_counted one;
    uint64_t sum = 0;
    unsigned others = 0;
    while (tls_counted_next(&rest, &one)) {
        if (slice_eq(one.domain, SLICE("a.test"))) {
            assert_true(one.policy == TLS_RPT_STS && one.result == TLS_RPT_SUCCESS);
            assert_true(slice_eq(one.host, SLICE("mx.a.test")));
            sum += one.n;
        } else {
            assert_true(slice_eq(one.domain, SLICE("b.test??c")) && one.n == 1);
            assert_true(slice_eq(one.host, SLICE("-")));
            others++;
        }
    }
    assert_int_equal(sum, 4);
    assert_int_equal(others, 1);
    buf_clear(&text);
    (void)close(fd);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", dir);
    assert_int_equal(system(command), 0);
}

static void torn(void **state)
{
    (void)state;
    struct slice rest =
        SLICE("\na.test sts succ\nb.test sts success h 3\n\nx\nc.test sts success h\n"
              "d.test sts success h 3 4\nd.test none success h 3\n"
              "e.test tlsa validation-failure h 9");
    struct tls_counted one;
    assert_true(tls_counted_next(&rest, &one) && slice_eq(one.domain, SLICE("b.test")));
    assert_true(tls_counted_next(&rest, &one) && slice_eq(one.domain, SLICE("e.test")) &&
                one.n == 9);
    assert_false(tls_counted_next(&rest, &one));
    char day[TLS_COUNT_DAY_MAX];
    assert_true(tls_counted_day(SLICE("r-2026-11-22"), day));
    assert_string_equal(day, "2026-11-22");
    assert_false(tls_counted_day(SLICE("r-2026-11-2x"), day));
    assert_false(tls_counted_day(SLICE("s-2026-11-22"), day));
    assert_false(tls_counted_day(SLICE("r-2026-11-22x"), day));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_back),
                                       cmocka_unit_test(torn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
