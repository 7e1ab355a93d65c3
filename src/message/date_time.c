/* message/date_time.c - see date_time.h */
#include "message/date_time.h"

enum { DAY = 24 * 60 * 60 };

/* 1 to n: the first three letters are those of one of the names; 0: none. Longer names are seen
 * ("June", "Tues"). */
static unsigned name_of(struct slice s, const char *names)
{
    struct slice all = slice_of(names);
    for (unsigned i = 0; s.len >= 3 && 3 * i < all.len; i++) {
        if (slice_ieq(slice_sub(s, 0, 3), slice_sub(all, 3 * (size_t)i, 3))) {
            return i + 1;
        }
    }
    return 0;
}

/* A number of at most `digits` digits up to `most`. */
static bool number(struct lex *l, size_t digits, uint64_t most, unsigned *out)
{
    uint64_t value = 0;
    if (l->kind != LEX_ATOM || l->text.len > digits || !slice_u64(l->text, &value) ||
        value > most) {
        return false;
    }
    *out = (unsigned)value;
    lex_next(l);
    return true;
}

/* year = 4*DIGIT / obs-year. RFC 5322 4.3: 00 to 49 are of 2000, others of two or three digits of
 * 1900. */
static bool year_of(struct lex *l, unsigned *out)
{
    size_t digits = l->text.len;
    if (digits < 2 || !number(l, 4, 9999, out)) {
        return false;
    }
    *out += digits == 2 && *out < 50 ? 2000 : digits < 4 ? 1900 : 0;
    return *out >= 1900;
}

/* zone = ("+" / "-") 4DIGIT / obs-zone; the letters but those of North America mean nothing
 * (RFC 5322 4.3). */
static bool zone_of(struct lex *l, int *minutes)
{
    static const struct {
        struct slice name;
        int hours;
    } names[] = {
        {SLICE_INIT("EDT"), -4}, {SLICE_INIT("EST"), -5}, {SLICE_INIT("CDT"), -5},
        {SLICE_INIT("CST"), -6}, {SLICE_INIT("MDT"), -6}, {SLICE_INIT("MST"), -7},
        {SLICE_INIT("PDT"), -7}, {SLICE_INIT("PST"), -8},
    };
    struct slice s = l->text;
    uint64_t offset = 0;
    *minutes = 0;
    if (l->kind == LEX_END) {
        return true;
    }
    if (l->kind != LEX_ATOM) {
        return false;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        *minutes = slice_ieq(s, names[i].name) ? 60 * names[i].hours : *minutes;
    }
    size_t letters = 0;
    while (letters < s.len && ascii_is_alpha(s.ptr[letters])) {
        letters++;
    }
    s = slice_from(s, letters);
    if (s.len == 0) {
        lex_next(l);
        return letters <= 5;
    }
    bool sign = s.ptr[0] == '+' || s.ptr[0] == '-';
    if (!sign || s.len != 5 || !slice_u64(slice_from(s, 1), &offset) ||
        offset % 100 > 59) {
        return false;
    }
    *minutes = (int)(60 * (offset / 100) + offset % 100) * (s.ptr[0] == '-' ? -1 : 1);
    lex_next(l);
    return true;
}

static bool time_of(struct lex *l, unsigned *seconds)
{
    unsigned h = 0, m = 0, s = 0;
    if (!number(l, 2, 23, &h) || !lex_at(l, ':')) {
        return false;
    }
    lex_next(l);
    if (!number(l, 2, 59, &m)) {
        return false;
    }
    if (lex_at(l, ':')) {
        lex_next(l);
        if (!number(l, 2, 60, &s)) {
            return false;
        }
    }
    *seconds = 60 * (60 * h + m) + s;
    return true;
}

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned month_days(unsigned month, unsigned year)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static int64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    int64_t before = (int64_t)year - 1;
    int64_t days = 365 * before + before / 4 - before / 100 + before / 400 - 719162;
    for (unsigned m = 1; m < month; m++) {
        days += month_days(m, year);
    }
    return days + day - 1;
}

/* date-time = [ day-of-week "," ] date time [CFWS]; date = day month year; time = hour ":" minute
 * [ ":" second ] zone */
const char *date_time_read(struct slice value, int64_t *out)
{
    struct lex l;
    unsigned day = 0, year = 0, seconds = 0;
    int zone = 0;
    lex_start(&l, value, LEX_ADDRESS_SPECIALS);
    if (l.kind == LEX_ATOM && !ascii_is_digit(l.text.ptr[0])) {
        if (name_of(l.text, "MonTueWedThuFriSatSun") == 0) {
            return "it begins with no day of the week";
        }
        lex_next(&l);
        if (lex_at(&l, ',')) {
            lex_next(&l);
        }
    }
    if (!number(&l, 2, 31, &day) || day == 0) {
        return "it has no day of the month";
    }
    unsigned month =
        l.kind == LEX_ATOM ? name_of(l.text, "JanFebMarAprMayJunJulAugSepOctNovDec") : 0;
    if (month == 0) {
        return "it has no month";
    }
    lex_next(&l);
    if (!year_of(&l, &year)) {
        return "it has no year";
    }
    if (day > month_days(month, year)) {
        return "the month has no such day";
    }
    if (!time_of(&l, &seconds)) {
        return "it has no time of the day";
    }
    if (!zone_of(&l, &zone)) {
        return "its time zone is none";
    }
    if (l.kind != LEX_END) {
        return "something stands behind the date";
    }
    *out = days_since_1970(year, month, day) * DAY + seconds - (int64_t)zone * 60;
    return NULL;
}
