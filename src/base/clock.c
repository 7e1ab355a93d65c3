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

/* month from 0 */
static unsigned days_of_month(unsigned year, unsigned month)
{
    static const unsigned char days_of[] = {31, 28, 31, 30, 31, 30,
                                            31, 31, 30, 31, 30, 31};
    return days_of[month] + (month == 1 && days_of_year(year) == 366 ? 1U : 0U);
}

struct date {
    unsigned year, month, day; /* month and day from 0 */
    unsigned weekday, rest;    /* 0: Sunday; ms since midnight */
};

static struct date date_of(uint64_t ms)
{
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
        unsigned n = days_of_month(d.year, d.month);
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
                   d.rest / 3600000 % 24, d.rest / 60000 % 60, d.rest / 1000 % 60,
                   d.rest % 1000);
    return slice_of(out);
}

/* "dddd-dd-ddTdd:dd:dd": year, month, day, hour, minute, second. */
static bool read_numbers(struct slice s, uint64_t n[6])
{
    static const struct slice form = SLICE_INIT("dddd-dd-ddTdd:dd:dd");
    unsigned at = 0;
    for (size_t i = 0; i < form.len; i++) {
        if (form.ptr[i] == 'd' && ascii_is_digit(s.ptr[i])) {
            n[at] = n[at] * 10 + (uint64_t)(s.ptr[i] - '0');
        } else if (form.ptr[i] == 'd' ||
                   ascii_lower(s.ptr[i]) != ascii_lower(form.ptr[i])) {
            return false;
        } else {
            at++;
        }
    }
    bool day_ok = n[1] >= 1 && n[1] <= 12 && n[2] >= 1 &&
                  n[2] <= days_of_month((unsigned)n[0], (unsigned)n[1] - 1);
    return n[0] >= 1970 && day_ok && n[3] <= 23 && n[4] <= 59 && n[5] <= 60;
}

/* "Z", "+hh:mm", "-hh:mm", after parts of a second: seconds east. */
static bool read_zone(struct slice s, int64_t *east)
{
    uint64_t hours = 0;
    uint64_t minutes = 0;
    if (s.len > 0 && s.ptr[0] == '.') {
        size_t digits = 1;
        while (digits < s.len && ascii_is_digit(s.ptr[digits])) {
            digits++;
        }
        if (digits == 1) {
            return false;
        }
        s = slice_from(s, digits);
    }
    *east = 0;
    if (slice_ieq(s, SLICE("Z"))) {
        return true;
    }
    if (s.len != 6 || (s.ptr[0] != '+' && s.ptr[0] != '-') || s.ptr[3] != ':' ||
        !slice_u64(slice_sub(s, 1, 2), &hours) ||
        !slice_u64(slice_from(s, 4), &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *east = (int64_t)(hours * 3600 + minutes * 60) * (s.ptr[0] == '-' ? -1 : 1);
    return true;
}

bool clock_read_text(struct slice text, uint64_t *ms)
{
    enum { DATE_LEN = 19 };
    uint64_t n[6] = {0};
    int64_t east = 0;
    if (text.len < DATE_LEN || !read_numbers(text, n) ||
        !read_zone(slice_from(text, DATE_LEN), &east)) {
        return false;
    }
    /* Years that begin in March: the leap day comes last, and months have a rule. */
    uint64_t year = n[1] <= 2 ? n[0] - 1 : n[0];
    uint64_t month = n[1] + (n[1] > 2 ? 0 : 12) - 3;
    uint64_t days = year * 365 + year / 4 - year / 100 + year / 400 +
                    (153 * month + 2) / 5 + n[2] - 1 - 719468;
    int64_t s = (int64_t)(days * 86400 + n[3] * 3600 + n[4] * 60 + n[5]) - east;
    if (s < 0) {
        return false;
    }
    *ms = (uint64_t)s * 1000;
    return true;
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
