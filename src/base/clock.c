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

struct date {
    unsigned year, month, day, weekday, rest; /* month, day from 0; weekday 0: Sunday; ms */
};

static struct date date_of(uint64_t ms)
{
    static const unsigned char days_of[] = {31, 28, 31, 30, 31, 30,
                                            31, 31, 30, 31, 30, 31};
    const uint64_t day_ms = 86400000, last = UINT64_C(253402300799999);
    ms = ms < last ? ms : last;
    unsigned days = (unsigned)(ms / day_ms);
    struct date d = {.rest = (unsigned)(ms % day_ms), .weekday = (days + 4) % 7};
    /* The calendar repeats every 400 years, which are 146,097 days. */
    d.year = 1970 + 400 * (days / 146097);
    days %= 146097;
    while (days >= days_of_year(d.year)) {
        days -= days_of_year(d.year++);
    }
    for (; d.month < 11; d.month++) {
        bool leap = d.month == 1 && days_of_year(d.year) == 366;
        unsigned n = days_of[d.month] + (leap ? 1U : 0U);
        if (days < n) {
            break;
        }
        days -= n;
    }
    d.day = days;
    return d;
}

struct slice clock_text(uint64_t ms, char out[CLOCK_TEXT_MAX])
{
    struct date d = date_of(ms);
    (void)snprintf(out, CLOCK_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                   d.year % 10000, (d.month + 1) % 100, (d.day + 1) % 100,
                   d.rest / 3600000 % 24,
                   d.rest / 60000 % 60, d.rest / 1000 % 60, d.rest % 1000);
    return slice_of(out);
}

struct slice clock_mail_date(uint64_t ms, char out[CLOCK_MAIL_DATE_MAX])
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct date d = date_of(ms);
    (void)snprintf(out, CLOCK_MAIL_DATE_MAX, "%.3s, %u %.3s %04u %02u:%02u:%02u +0000",
                   &days[d.weekday * 3], (d.day + 1) % 100, &months[d.month * 3],
                   d.year % 10000, d.rest / 3600000 % 24, d.rest / 60000 % 60,
                   d.rest / 1000 % 60);
    return slice_of(out);
}
