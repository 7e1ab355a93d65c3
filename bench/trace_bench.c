/* bench/trace_bench.c - what the trace costs: the writer's side (a session of one
 * message, twelve events) and the store's (records a second, CPU a record), in a file on
 * disk.
 *
 * trace_bench [SESSIONS [FILE]]; per session two records go into the store: the session's
 * and the delivery's. A batch is committed every 300 records, as at 3,000 records a
 * second. */
#include "base/clock.h"
#include "trace/query.h"
#include "trace/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double cpu_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static void event(struct trace_writer *w, enum trace_kind kind, const char *a,
                  const char *av, const char *b, const char *bv, const char *c,
                  const char *cv)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, a, av);
    fields_add_str(&f, b, bv);
    fields_add_str(&f, c, cv);
    trace_event(w, kind, w->start_ms + 7, 1, &f);
}

static void session(struct trace_writer *w, const char *ip, const char *from,
                    const char *to)
{
    trace_key(w, TRACE_KEY_IP, slice_of(ip));
    trace_key(w, TRACE_KEY_ADDRESS, slice_of(from));
    trace_key(w, TRACE_KEY_ADDRESS, slice_of(to));
    event(w, TRACE_connect, "ip", ip, "port", "40312", "service", "mx");
    event(w, TRACE_reply, "row", "greeting", "code", "220", "text",
          "mx.example.test ESMTP");
    event(w, TRACE_command, "verb", "EHLO", "argument", "client.example", "x", "");
    event(w, TRACE_reply, "row", "ehlo", "code", "250", "text", "mx.example.test");
    event(w, TRACE_command, "verb", "MAIL", "argument", from, "x", "");
    event(w, TRACE_reply, "row", "mail-ok", "code", "250", "text", "2.1.0 sender ok");
    event(w, TRACE_command, "verb", "RCPT", "argument", to, "x", "");
    event(w, TRACE_check, "name", "rcpt-mailbox", "verdict", "pass", "rcpt", to);
    event(w, TRACE_reply, "row", "rcpt-ok", "code", "250", "text", "2.1.5 recipient ok");
    event(w, TRACE_accepted, "size", "10240", "from", from, "to", to);
    event(w, TRACE_reply, "row", "data-ok", "code", "250", "text", "2.0.0 kept as x.1");
    event(w, TRACE_close, "reason", "quit", "x", "", "y", "");
}

static bool count(void *arg, struct slice record)
{
    ++*(size_t *)arg;
    return record.len != 0;
}

static void lookups(const char *path, const uint64_t *some, size_t n)
{
    const char *error = NULL;
    uint64_t start = clock_mono_ms();
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        struct trace_query *q = trace_query_open(path, &error);
        if (q == NULL || !trace_query_session(q, some[i], count, &found, &error)) {
            (void)fprintf(stderr, "trace_bench: %s\n", error);
            exit(1);
        }
        trace_query_close(&q);
    }
    printf("look-ups by session: %zu, %zu records found, %.2f ms each\n", n, found,
           (double)(clock_mono_ms() - start) / (double)n);
}

int main(int argc, char **argv)
{
    uint64_t n = 200000, some[100];
    const char *path = argc > 2 ? argv[2] : "/tmp/trace_bench.db";
    if (argc > 1 && !slice_u64(slice_of(argv[1]), &n)) {
        (void)fprintf(stderr, "usage: trace_bench [SESSIONS [FILE]]\n");
        return 2;
    }
    struct trace_store *s = trace_store_open(path, 86400000, 0);
    struct buf record;
    double write_us = 0, store_us = 0;
    uint64_t octets = 0, start = clock_mono_ms();
    buf_init(&record, TRACE_RECORD_MAX);
    if (s == NULL) {
        return 4;
    }
    for (uint64_t i = 0; i < n; i++) {
        struct trace_writer w;
        char from[64], to[64], ip[32];
        (void)snprintf(from, sizeof from, "sender%d@client.example",
                       (int)(i * 7919 % 50000));
        (void)snprintf(to, sizeof to, "user%d@example.test", (int)(i % 1000));
        (void)snprintf(ip, sizeof ip, "198.51.%d.%d", (int)(i * 31 % 256),
                       (int)(i % 256));
        uint64_t id = id_new_session(), now_ms = clock_wall_ms();
        some[i % 100] = id;

        double t0 = cpu_us();
        trace_init(&w, id, now_ms);
        session(&w, ip, from, to);
        buf_reset(&record);
        trace_take(&w, now_ms, &record);
        trace_clear(&w);
        double t1 = cpu_us();
        octets += record.len;
        (void)trace_store_add(s, buf_slice(&record), now_ms);
        double t2 = cpu_us();

        trace_init(&w, id, now_ms);
        event(&w, TRACE_delivered, "to", to, "transport", "maildir", "where",
              "new/1.2.3");
        buf_reset(&record);
        trace_take(&w, now_ms, &record);
        trace_clear(&w);
        double t3 = cpu_us();
        (void)trace_store_add(s, buf_slice(&record), now_ms);
        if (i % 150 == 149) {
            (void)trace_store_tidy(s, 600, now_ms);
            (void)trace_store_commit(s, now_ms);
        }
        write_us += t1 - t0;
        store_us += t2 - t1 + cpu_us() - t3;
    }
    trace_store_close(&s);
    double seconds = (double)(clock_mono_ms() - start) / 1000;
    struct stat st = {0};
    (void)stat(path, &st);
    printf("sessions %llu, wall %.2f s (%.0f records/s)\n", (unsigned long long)n,
           seconds, 2 * (double)n / seconds);
    printf("writing a session's record of %.0f octets: %.2f us of CPU\n",
           (double)octets / (double)n, write_us / (double)n);
    printf("storing: %.2f us of CPU a record, %.2f a message; %.0f octets a message\n",
           store_us / (double)n / 2, store_us / (double)n,
           (double)st.st_size / (double)n);
    lookups(path, some, n < 100 ? (size_t)n : 100);
    buf_clear(&record);
    return 0;
}
