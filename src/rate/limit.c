/* rate/limit.c - see limit.h */
#include "rate/limit.h"

#include <stdio.h>
#include <string.h>

static const char *const windows[RATE_WINDOWS] = {
    [RATE_MINUTE] = "minute", [RATE_HOUR] = "hour", [RATE_DAY] = "day"};

/* Takes a number off the front. */
static bool take_number(struct slice *rest, uint64_t *out)
{
    size_t digits = 0;
    while (digits < rest->len && ascii_is_digit(rest->ptr[digits])) {
        digits++;
    }
    bool ok =
        slice_u64(slice_sub(*rest, 0, digits), out) && *out > 0 && *out <= RATE_COUNT_MAX;
    *rest = slice_from(*rest, digits);
    return ok;
}

static bool take_window(struct slice word, enum rate_window *out)
{
    for (int w = 0; w < RATE_WINDOWS; w++) {
        if (slice_ieq(word, slice_of(windows[w]))) {
            *out = (enum rate_window)w;
            return true;
        }
    }
    return false;
}

static const char *take_burst(struct slice rest, struct rate_bound *b)
{
    static const char wrong[] = "what follows the time is not burst and a number";
    if (rest.len == 0) {
        return NULL;
    }
    if (!slice_istarts(rest, SLICE("burst ")) || b->most != b->least.count) {
        return b->most != b->least.count ? "a range has no burst" : wrong;
    }
    rest = slice_trim(slice_from(rest, 6));
    return take_number(&rest, &b->least.burst) && rest.len == 0 ? NULL : wrong;
}

const char *rate_bound_parse(struct slice text, struct rate_bound *out)
{
    struct slice rest = slice_trim(text);
    struct rate_bound b = {0};
    if (slice_ieq(rest, SLICE("off"))) {
        *out = b;
        return NULL;
    }
    if (!take_number(&rest, &b.least.count)) {
        return "it does not start with a whole number from 1 to 16777215";
    }
    b.most = b.least.count;
    if (slice_starts(rest, SLICE("-"))) {
        rest = slice_from(rest, 1);
        if (!take_number(&rest, &b.most) || b.most < b.least.count) {
            return "what follows the dash is no larger number up to 16777215";
        }
    }
    if (!slice_starts(rest, SLICE("/"))) {
        return "no slash and time follow the number";
    }
    rest = slice_from(rest, 1);
    struct slice word = slice_sub(rest, 0, slice_find(rest, ' '));
    if (!take_window(word, &b.least.window)) {
        return "the time is none of minute, hour, day";
    }
    const char *wrong = take_burst(slice_trim(slice_from(rest, word.len)), &b);
    if (wrong == NULL) {
        *out = b;
    }
    return wrong;
}

struct slice rate_bound_text(const struct rate_bound *b, char out[RATE_BOUND_TEXT_MAX])
{
    char most[24] = "", burst[32] = "";
    if (b->least.count == 0) {
        (void)snprintf(out, RATE_BOUND_TEXT_MAX, "off");
        return slice_of(out);
    }
    if (b->most != b->least.count) {
        (void)snprintf(most, sizeof most, "-%llu", (unsigned long long)b->most);
    }
    if (b->least.burst > 0) {
        (void)snprintf(burst, sizeof burst, " burst %llu",
                       (unsigned long long)b->least.burst);
    }
    (void)snprintf(out, RATE_BOUND_TEXT_MAX, "%llu%s/%s%s",
                   (unsigned long long)b->least.count, most, windows[b->least.window],
                   burst);
    return slice_of(out);
}

unsigned rate_unwanted(const struct rate_view *v, uint64_t evidence)
{
    uint64_t all = v->good + v->bad;
    return all == 0 || all < evidence ? 0 : (unsigned)(v->bad * 100 / all);
}

struct rate_limit rate_allowed(const struct rate_bound *b, const struct rate_view *v,
                               uint64_t evidence)
{
    struct rate_limit l = b->least;
    if (l.count == 0 || l.burst > 0) {
        return l;
    }
    /* usual is a count of 24 bits an hour: no overflow */
    uint64_t unusual = v->usual * RATE_UNUSUAL * rate_window_s(l.window) / 3600;
    l.count = unusual < l.count ? l.count : unusual > b->most ? b->most : unusual;
    l.count -= l.count * rate_unwanted(v, evidence) / 100;
    l.count = l.count == 0 ? 1 : l.count;
    return l;
}

struct rate_view rate_with(const struct rate_limit *l, const struct rate_view *v,
                           uint64_t n, uint64_t now_us)
{
    struct rate_view with = *v;
    for (int w = 0; w < RATE_WINDOWS; w++) {
        with.count[w] += n;
    }
    if (l->burst > 0) {
        uint64_t step = rate_window_s(l->window) * 1000000 / l->count;
        with.full_us = (v->full_us > now_us ? v->full_us : now_us) + n * step;
    }
    return with;
}
