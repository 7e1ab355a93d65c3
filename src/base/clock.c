/* base/clock.c - see clock.h */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t read_clock(clockid_t which)
{
    struct timespec ts = {0};
    (void)clock_gettime(which, &ts);
    return (uint64_t)ts.tv_sec * 1000U + (uint64_t)ts.tv_nsec / 1000000U;
}

uint64_t clock_mono_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_wall_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

static unsigned days_of_year(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 366 : 365;
}

struct slice clock_text(uint64_t ms, char out[CLOCK_TEXT_MAX])
{
    static const unsigned char days_of[] = {31, 28, 31, 30, 31, 30,
                                            31, 31, 30, 31, 30, 31};
    const uint64_t day_ms = 86400000, last = UINT64_C(253402300799999);
    ms = ms < last ? ms : last;
    unsigned days = (unsigned)(ms / day_ms), rest = (unsigned)(ms % day_ms);
    /* The calendar repeats every 400 years, which are 146,097 days. */
    unsigned year = 1970 + 400 * (days / 146097), month = 0;
    days %= 146097;
    while (days >= days_of_year(year)) {
        days -= days_of_year(year++);
    }
    for (; month < 11; month++) {
        unsigned n = days_of[month] + (month == 1 && days_of_year(year) == 366 ? 1U : 0U);
        if (days < n) {
            break;
        }
        days -= n;
    }
    (void)snprintf(out, CLOCK_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                   year % 10000, month + 1, (days + 1) % 100, rest / 3600000,
                   rest / 60000 % 60, rest / 1000 % 60, rest % 1000);
    return slice_of(out);
}
