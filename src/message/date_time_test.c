/* message/date_time_test.c - dates, and their seconds since 1970; values that are none. */
#include "message/date_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *in;
    int64_t seconds;
} good[] = {
    {"Thu, 1 Jan 1970 00:00:00 +0000", 0},
    {"1 Jan 1970 00:00 +0000", 0},
    {"Thu, 01 Jan 1970 01:00:00 +0100", 0},
    {"Wed, 31 Dec 1969 19:30:00 -0430", 0},
    {"Fri, 21 Nov 1997 09:55:06 -0600", 880127706},
    {"29 Feb 2000 00:00:00 +0000", 951782400},
    {"29 Feb 1904 00:00:00 +0000", -2077747200},
    {"31 Dec 2026 23:59:60 +0000", 1798761600},
    {"9 Nov 2026 9:5:7 +0000", 1794215107},
    /* obsolete */
    {"1 Jan 70 00:00:00 GMT", 0},
    {"1 Jan 49 00:00:00 UT", 2493072000},
    {"1 Jan 50 00:00:00 UT", -631152000},
    {"1 Jan 101 00:00:00 Z", 978307200},
    {"1 Jan 1970 00:00:00 EST", 18000},
    {"1 Jan 1970 00:00:00 pdt", 25200},
    {"1 Jan 1970 00:00:00 A", 0},
    {"Thu(x), (y)1\r\n Jan(z)1970 00 : 00 (noon) : 00 +0000 (UTC)", 0},
    {"Thu,1 Jan 1970 00:00:00 -0000", 0},
    /* lenient */
    {"Thu 1 Jan 1970 00:00:00 +0000", 0},
    {"Thursday, 1 January 1970 00:00:00 +0000", 0},
    {"Mon, 1 Jan 1970 00:00:00 +0000", 0},
    {"1 Jan 1970 00:00:00", 0},
    {"1 Jan 1970 01:00:00 GMT+0100", 0},
    {"1 Jan 1970 00:00:00 CEST", 0},
};

static const struct {
    const char *in, *fault;
} bad[] = {
    {"", "day of the month"},
    {"now", "day of the week"},
    {"Xyz, 1 Jan 1970 00:00:00 +0000", "day of the week"},
    {"0 Jan 1970 00:00:00 +0000", "day of the month"},
    {"32 Jan 1970 00:00:00 +0000", "day of the month"},
    {"001 Jan 1970 00:00:00 +0000", "day of the month"},
    {"30 Feb 2000 00:00:00 +0000", "no such day"},
    {"29 Feb 1900 00:00:00 +0000", "no such day"},
    {"31 Apr 2026 00:00:00 +0000", "no such day"},
    {"1 01 1970 00:00:00 +0000", "month"},
    {"1 Jax 1970 00:00:00 +0000", "month"},
    {"1-Jan-1970 00:00:00 +0000", "day of the month"},
    {"1 Jan 1 00:00:00 +0000", "year"},
    {"1 Jan 1800 00:00:00 +0000", "year"},
    {"1 Jan 19700 00:00:00 +0000", "year"},
    {"1 Jan 1970", "time of the day"},
    {"1 Jan 1970 24:00:00 +0000", "time of the day"},
    {"1 Jan 1970 00:60:00 +0000", "time of the day"},
    {"1 Jan 1970 00:00:61 +0000", "time of the day"},
    {"1 Jan 1970 00.00.00 +0000", "time of the day"},
    {"1 Jan 1970 00:00:00 +000", "time zone"},
    {"1 Jan 1970 00:00:00 +0060", "time zone"},
    {"1 Jan 1970 00:00:00 0000", "time zone"},
    {"1 Jan 1970 00:00:00 Zurich", "time zone"},
    {"1 Jan 1970 00:00:00 +0000 UTC", "behind"},
    {"1 Jan 1970 00:00:00 +0000 (UTC", "behind"},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t seconds = -1;
        const char *fault = date_time_read(slice_of(good[i].in), &seconds);
        if (fault != NULL || seconds != good[i].seconds) {
            fail_msg("\"%s\": %s, %lld", good[i].in, fault, (long long)seconds);
        }
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t seconds = 0;
        const char *fault = date_time_read(slice_of(bad[i].in), &seconds);
        if (fault == NULL || strstr(fault, bad[i].fault) == NULL) {
            fail_msg("\"%s\": %s", bad[i].in, fault);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good),
                                       cmocka_unit_test(test_bad)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
