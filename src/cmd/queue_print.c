/* cmd/queue_print.c - see queue.h. Mail from anywhere names senders, recipients and replies:
 * all of it is escaped before it reaches a terminal. */
#include "base/buf.h"
#include "cmd/queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { WORD_MAX = 32, TEXT_MAX = 4096 };

static uint64_t number(const json_t *line, const char *name)
{
    json_int_t v = json_integer_value(json_object_get(line, name));
    return v < 0 ? 0 : (uint64_t)v;
}

static void put_text(const json_t *value, const char *empty)
{
    struct slice s = {(const unsigned char *)json_string_value(value),
                      json_string_length(value)};
    struct buf b;
    buf_init(&b, TEXT_MAX);
    (void)buf_add_shown(&b, s);
    if (b.len == 0) {
        (void)fputs(empty, stdout);
    } else {
        (void)fwrite(b.ptr, 1, b.len, stdout);
    }
    buf_clear(&b);
}

/* "3 s", "5 min", "2 h", "4 d": rounded down. */
static void span(uint64_t ms, char out[WORD_MAX])
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "min"}, {1000, "s"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (ms >= 2 * units[i].ms || i == 3) {
            (void)snprintf(out, WORD_MAX, "%" PRIu64 " %s", ms / units[i].ms,
                           units[i].unit);
            return;
        }
    }
}

static void size_word(uint64_t octets, char out[WORD_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    unsigned i = 0;
    while (octets >= 10240 && i < 4) {
        octets /= 1024;
        i++;
    }
    (void)snprintf(out, WORD_MAX, "%" PRIu64 " %s", octets, units[i]);
}

static uint64_t age(const struct queue_print *p, uint64_t at_ms)
{
    return p->now_ms > at_ms ? p->now_ms - at_ms : 0;
}

/* "due", or how long until the next attempt. */
static void until(const struct queue_print *p, const json_t *line, char out[WORD_MAX])
{
    uint64_t next_ms = number(line, "next_ms");
    char word[WORD_MAX];
    if (next_ms <= p->now_ms) {
        (void)snprintf(out, WORD_MAX, "due");
        return;
    }
    span(next_ms - p->now_ms, word);
    (void)snprintf(out, WORD_MAX, "in %.20s", word);
}

static void state_word(const struct queue_print *p, const json_t *line,
                       char out[WORD_MAX])
{
    if (number(line, "running") > 0) {
        (void)snprintf(out, WORD_MAX, "running");
    } else if (json_object_get(line, "paused") != NULL) {
        (void)snprintf(out, WORD_MAX, "paused");
    } else if (number(line, "pending") > 0) {
        until(p, line, out);
    } else {
        (void)snprintf(out, WORD_MAX, "held");
    }
}

static void clock_word(uint64_t ms, char out[WORD_MAX])
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;
    if (localtime_r(&t, &tm) == NULL ||
        strftime(out, WORD_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0) {
        out[0] = '\0';
    }
}

static void print_paused(const json_t *line, int indent)
{
    const json_t *paused = json_object_get(line, "paused");
    if (paused != NULL) {
        (void)printf("%*spaused: ", indent, "");
        put_text(paused, "");
        (void)putchar('\n');
    }
}

static void print_listed(struct queue_print *p, const json_t *line)
{
    char old[WORD_MAX], size[WORD_MAX], state[WORD_MAX];
    const json_t *to = json_object_get(line, "to"),
                 *reply = json_object_get(line, "reply");
    uint64_t open =
        number(line, "pending") + number(line, "running") + number(line, "held");
    if (!p->headed) {
        (void)printf("%-16s %7s %9s  %-9s FROM -> TO\n", "ID", "AGE", "SIZE", "NEXT");
        p->headed = true;
    }
    span(age(p, number(line, "arrival_ms")), old);
    size_word(number(line, "size"), size);
    state_word(p, line, state);
    (void)printf("%-16s %7s %9s  %-9s ", json_string_value(json_object_get(line, "id")),
                 old, size, state);
    put_text(json_object_get(line, "sender"), "<>");
    (void)fputs(" ->", stdout);
    for (size_t i = 0; i < json_array_size(to); i++) {
        (void)fputs(i == 0 ? " " : ", ", stdout);
        put_text(json_array_get(to, i), "<>");
    }
    if (open > json_array_size(to)) {
        (void)printf(" and %" PRIu64 " more", open - json_array_size(to));
    }
    (void)putchar('\n');
    print_paused(line, 17);
    if (json_string_length(reply) > 0) {
        (void)printf("%-16s ", "");
        put_text(reply, "");
        (void)putchar('\n');
    }
}

static void print_shown(const json_t *line)
{
    char at[WORD_MAX], size[WORD_MAX];
    clock_word(number(line, "arrival_ms"), at);
    size_word(number(line, "size"), size);
    (void)printf("message   %s\n", json_string_value(json_object_get(line, "id")));
    (void)printf("arrived   %s\nsize      %s\nsender    ", at, size);
    put_text(json_object_get(line, "sender"), "<> (a bounce)");
    (void)printf("\n");
}

static void print_target(const struct queue_print *p, const json_t *line)
{
    char next[WORD_MAX] = "", when[WORD_MAX];
    const json_t *given = json_object_get(line, "given");
    const json_t *target = json_object_get(line, "target");
    const json_t *reply = json_object_get(line, "reply");
    const char *state = json_string_value(json_object_get(line, "state"));
    (void)fputs("to        ", stdout);
    put_text(given, "<>");
    if (!json_equal(given, target)) {
        (void)fputs(" for ", stdout);
        put_text(target, "<>");
    }
    uint64_t attempts = number(line, "attempts");
    (void)printf("\n          %s, %" PRIu64 " attempt%s", state == NULL ? "?" : state,
                 attempts, attempts == 1 ? "" : "s");
    if (json_object_get(line, "next_ms") != NULL) {
        until(p, line, next);
        clock_word(number(line, "next_ms"), when);
        (void)printf(", next %s (%s)", next, when);
    }
    (void)putchar('\n');
    print_paused(line, 10);
    if (json_string_length(reply) > 0) {
        (void)fputs("          ", stdout);
        put_text(reply, "");
        (void)putchar('\n');
    }
}

static void print_stats(const struct queue_print *p, const json_t *line)
{
    char word[WORD_MAX];
    size_word(number(line, "octets"), word);
    (void)printf("messages    %" PRIu64 " (%s)\n", number(line, "messages"), word);
    if (json_object_get(line, "oldest_ms") != NULL) {
        span(age(p, number(line, "oldest_ms")), word);
        (void)printf("oldest      %s\n", word);
    }
    (void)printf("recipients  %" PRIu64 " pending (%" PRIu64 " due now), %" PRIu64
                 " running, %" PRIu64 " held\n",
                 number(line, "pending"), number(line, "due"), number(line, "running"),
                 number(line, "held"));
    (void)printf("domains     %" PRIu64 "\n", number(line, "domains"));
}

static void print_domain(const json_t *line)
{
    (void)fputs("  ", stdout);
    put_text(json_object_get(line, "domain"), "(none)");
    (void)printf("  %" PRIu64 " pending, %" PRIu64 " running, %" PRIu64 " held\n",
                 number(line, "pending"), number(line, "running"), number(line, "held"));
}

static void print_did(const json_t *line)
{
    (void)printf("%" PRIu64 " messages, %" PRIu64 " recipients changed",
                 number(line, "messages"), number(line, "changed"));
    if (number(line, "running") > 0) {
        (void)printf("; %" PRIu64 " in delivery now: holds and removals come after it",
                     number(line, "running"));
    }
    if (number(line, "held") > 0) {
        (void)printf("; %" PRIu64 " stay held: release them first", number(line, "held"));
    }
    (void)putchar('\n');
}

static void print_pause(struct queue_print *p, const json_t *line)
{
    char until_word[WORD_MAX] = "resumed", since[WORD_MAX];
    if (!p->headed) {
        (void)printf("%-8s %-30s %-20s %-20s REASON\n", "PAUSED", "NAME", "SINCE",
                     "UNTIL");
        p->headed = true;
    }
    if (json_object_get(line, "until_ms") != NULL) {
        clock_word(number(line, "until_ms"), until_word);
    }
    clock_word(number(line, "since_ms"), since);
    (void)printf("%-8s ", json_string_value(json_object_get(line, "kind")));
    put_text(json_object_get(line, "name"), "");
    size_t len = json_string_length(json_object_get(line, "name"));
    (void)printf("%*s %-20s %-20s ", len < 30 ? (int)(30 - len) : 0, "", since,
                 until_word);
    put_text(json_object_get(line, "reason"), "");
    (void)putchar('\n');
}

void queue_print(struct queue_print *p, json_t *line)
{
    if (p->json) {
        (void)json_dumpf(line, stdout, JSON_COMPACT);
        (void)putchar('\n');
    } else if (json_object_get(line, "kind") != NULL) {
        print_pause(p, line);
    } else if (json_object_get(line, "number") != NULL) {
        print_target(p, line);
    } else if (json_object_get(line, "to") != NULL) {
        if (p->show) {
            print_shown(line);
        } else {
            print_listed(p, line);
        }
    } else if (json_object_get(line, "domains") != NULL) {
        print_stats(p, line);
    } else if (json_object_get(line, "domain") != NULL) {
        print_domain(line);
    } else {
        print_did(line);
    }
}
