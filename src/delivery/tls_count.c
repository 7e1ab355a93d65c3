/* delivery/tls_count.c - see tls_count.h */
#include "delivery/tls_count.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_PREFIX "r-"

enum { KEY_MAX = 600, FLUSH_OCTETS = TLS_COUNT_KEYS_MAX * 640, FAULT_MS = 60000 };

struct tls_counts {
    int dir;
    uint64_t keep_ms;
    char day[TLS_COUNT_DAY_MAX]; /* of all that is counted here */
    struct map keys;             /* "DOMAIN POLICY RESULT HOST" -> struct count */
    uint64_t dropped, faulted_ms;
};

struct count {
    uint64_t n;
};

static void day_of(uint64_t ms, char day[TLS_COUNT_DAY_MAX])
{
    char text[CLOCK_TEXT_MAX];
    (void)clock_text(ms, text);
    memcpy(day, text, TLS_COUNT_DAY_MAX - 1);
    day[TLS_COUNT_DAY_MAX - 1] = '\0';
}

bool tls_counted_day(struct slice file, char day[TLS_COUNT_DAY_MAX])
{
    struct slice date = slice_from(file, sizeof FILE_PREFIX - 1);
    if (!slice_starts(file, SLICE(FILE_PREFIX)) || date.len != TLS_COUNT_DAY_MAX - 1) {
        return false;
    }
    for (size_t i = 0; i < date.len; i++) {
        bool dash = i == 4 || i == 7;
        if (dash ? date.ptr[i] != '-' : !ascii_is_digit(date.ptr[i])) {
            return false;
        }
    }
    return slice_cstr(date, day, TLS_COUNT_DAY_MAX);
}

struct tls_counts *tls_counts_new(int dir, uint64_t keep_ms)
{
    struct tls_counts *c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->dir = dir;
        c->keep_ms = keep_ms;
        map_init(&c->keys, TLS_COUNT_KEYS_MAX);
    }
    return c;
}

/* --- files --- */

static void sweep(struct tls_counts *c)
{
    char oldest[TLS_COUNT_DAY_MAX], day[TLS_COUNT_DAY_MAX];
    uint64_t now_ms = clock_wall_ms();
    int fd = c->dir < 0 ? -1 : openat(c->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *one;
    if (d == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return;
    }
    day_of(now_ms > c->keep_ms ? now_ms - c->keep_ms : 0, oldest);
    while ((one = readdir(d)) != NULL) {
        if (tls_counted_day(slice_of(one->d_name), day) && strcmp(day, oldest) < 0) {
            (void)unlinkat(c->dir, one->d_name, 0);
        }
    }
    (void)closedir(d);
}

static bool append(struct tls_counts *c, struct slice lines)
{
    char name[sizeof FILE_PREFIX + TLS_COUNT_DAY_MAX];
    (void)snprintf(name, sizeof name, FILE_PREFIX "%s", c->day);
    int fd = openat(c->dir, name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    bool ok = fd >= 0 && write(fd, lines.ptr, lines.len) == (ssize_t)lines.len;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

static void add_line(void *arg, struct slice key, void *value)
{
    struct buf *lines = arg;
    struct count *n = value;
    (void)buf_add(lines, key);
    (void)buf_add_fmt(lines, " %llu\n", (unsigned long long)n->n);
    free(n);
}

void tls_counts_flush(struct tls_counts *c)
{
    struct buf lines;
    if (c->keys.n == 0) {
        return;
    }
    buf_init(&lines, FLUSH_OCTETS);
    /* A line that a full disk cut short must not swallow the next one. */
    (void)buf_add_byte(&lines, '\n');
    map_each(&c->keys, add_line, &lines);
    map_clear(&c->keys);
    map_init(&c->keys, TLS_COUNT_KEYS_MAX);
    bool ok = c->dir < 0 || (!lines.failed && append(c, buf_slice(&lines)));
    if ((!ok || c->dropped > 0) && clock_mono_ms() - c->faulted_ms > FAULT_MS) {
        c->faulted_ms = clock_mono_ms();
        log_text(LOG_WARN, "tls-report", "counts are lost: %s",
                 ok ? "too many kinds at once" : strerrordesc_np(errno));
        c->dropped = 0;
    }
    buf_clear(&lines);
}

/* --- counting --- */

/* Names come from the DNS: whatever no host name has becomes a question mark. */
static void add_name(struct buf *b, struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = ascii_lower(name.ptr[i]);
        bool plain =
            ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_';
        (void)buf_add_byte(b, plain ? c : '?');
    }
    if (name.len == 0) {
        (void)buf_add_byte(b, '-');
    }
}

void tls_count(struct tls_counts *c, struct slice domain, enum tls_rpt_policy policy,
               enum tls_rpt_result result, struct slice host)
{
    char day[TLS_COUNT_DAY_MAX];
    struct buf key;
    if (c == NULL) {
        return;
    }
    day_of(clock_wall_ms(), day);
    if (strcmp(day, c->day) != 0) {
        tls_counts_flush(c);
        memcpy(c->day, day, sizeof c->day);
        sweep(c);
    }
    buf_init(&key, KEY_MAX);
    add_name(&key, domain);
    (void)buf_add_fmt(&key, " %s %s ", tls_rpt_policy_name(policy),
                      tls_rpt_result_name(result));
    add_name(&key, host);
    struct count *n = key.failed ? NULL : map_get(&c->keys, buf_slice(&key));
    if (n == NULL && !key.failed && (n = calloc(1, sizeof *n)) != NULL &&
        !map_put(&c->keys, buf_slice(&key), n)) {
        free(n);
        n = NULL;
    }
    if (n != NULL) {
        n->n++;
    } else {
        c->dropped++;
    }
    buf_clear(&key);
}

void tls_counts_free(struct tls_counts **c)
{
    if (*c != NULL) {
        tls_counts_flush(*c);
        map_clear(&(*c)->keys);
        free(*c);
        *c = NULL;
    }
}

bool tls_counted_next(struct slice *rest, struct tls_counted *out)
{
    struct slice line, part[5];
    while (slice_line(rest, &line)) {
        unsigned n = 0;
        for (; n < 5 && line.len > 0; n++) {
            size_t end = slice_find(line, ' ');
            part[n] = slice_sub(line, 0, end);
            line = slice_from(line, end + 1);
        }
        if (n == 5 && line.len == 0 && part[0].len > 0 && part[3].len > 0 &&
            tls_rpt_policy_take(part[1], &out->policy) &&
            tls_rpt_result_take(part[2], &out->result) && slice_u64(part[4], &out->n)) {
            out->domain = part[0];
            out->host = part[3];
            return true;
        }
    }
    return false;
}
