/* How fast the spool takes messages, what syncs that costs, and how fast it starts.
 *
 *   spool_bench [DIR [KIB [SECONDS [PROCESSES]]]]     defaults: ./spool-bench.tmp 10 2 1
 *
 * Keeps 1, 20 and 100 messages in flight in each process: each one is committed again as soon
 * as it is durable. Three sorts of segment: fresh (allocated, never written), filled (zeros
 * written before) and used (content written before). The processes have segments of their
 * own. Then the start of a store with 200,000 messages of 1 KiB. */
#include "base/clock.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "spool/store.h"
#include "spool/writer.h"

#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SEGMENT = 64 * 1024 * 1024, SEGMENTS = 8, FLIGHT_MAX = 100, PROCESSES_MAX = 8 };
enum sort { FRESH, FILLED, USED, SORTS };
static const char *const sort_name[] = {"fresh", "filled", "used"};

struct result {
    uint64_t messages, rounds, ms, cpu_us, waited_ms;
};

struct bench {
    struct event_base *base;
    struct spool_writer *writer;
    int fd[SEGMENTS];
    unsigned fd_n, given, flight, left;
    size_t len;
    unsigned char *body;
    uint64_t until;
    struct result result;
    struct slot {
        struct bench *b;
        struct spool_message *m;
        uint64_t since;
    } slot[FLIGHT_MAX];
};

static void start(struct slot *slot);

static void done(void *arg, enum spool_res res)
{
    struct slot *slot = arg;
    struct bench *b = slot->b;
    spool_message_free(&slot->m);
    if (res == SPOOL_OK) {
        b->result.messages++;
        b->result.waited_ms += clock_mono_ms() - slot->since;
    }
    if (res != SPOOL_OK || clock_mono_ms() >= b->until) {
        if (--b->left == 0) {
            (void)event_base_loopbreak(b->base);
        }
        return;
    }
    start(slot);
}

static void start(struct slot *slot)
{
    struct bench *b = slot->b;
    static uint32_t n;
    struct message_id id = {(uint64_t)getpid() + 1, ++n};
    slot->since = clock_mono_ms();
    slot->m = spool_message_new(b->writer, id, NULL, slot);
    if (slot->m == NULL ||
        spool_message_add(slot->m, (struct slice){b->body, b->len}) != SPOOL_OK) {
        fatal("no memory");
    }
    spool_message_commit(
        slot->m, 1, SLICE("envelope of some sixty octets, as they are, more or less"),
        SLICE("Received: from x by y;\r\n"), done);
}

static void ask(void *arg, uint64_t cookie, uint64_t octets)
{
    struct bench *b = arg;
    (void)octets;
    if (b->given == b->fd_n) {
        spool_writer_refuse(b->writer, cookie, SPOOL_DISK_FULL);
        return;
    }
    int fd = dup(b->fd[b->given]);
    spool_writer_give(b->writer, cookie, ++b->given, SEGMENT, fd);
}

static void spooled(void *arg, const struct spool_place *place, size_t n)
{
    struct bench *b = arg;
    (void)place;
    (void)n;
    b->result.rounds++;
}

static void sealed(void *arg, uint64_t segment, uint64_t end)
{
    (void)arg;
    (void)segment;
    (void)end;
}

static const struct spool_writer_ops ops = {ask, spooled, sealed};

static uint64_t cpu_us(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void fill(int fd, unsigned char octet)
{
    static unsigned char piece[1024 * 1024];
    memset(piece, octet, sizeof piece);
    for (off_t at = 0; at < SEGMENT; at += (off_t)sizeof piece) {
        if (pwrite(fd, piece, sizeof piece, at) != (ssize_t)sizeof piece) {
            fatal("cannot write");
        }
    }
}

static void prepare(struct bench *b, const char *dir, unsigned process, enum sort sort)
{
    for (unsigned i = 0; i < SEGMENTS; i++) {
        char name[4096];
        (void)snprintf(name, sizeof name, "%s/segment-%u-%u", dir, process, i);
        int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || (sort == FRESH && fallocate(fd, 0, 0, SEGMENT) != 0)) {
            fatal("cannot make %s", name);
        }
        if (sort != FRESH) {
            fill(fd, sort == FILLED ? 0 : 'x');
        }
        if (fsync(fd) != 0) {
            fatal("cannot sync %s", name);
        }
        b->fd[b->fd_n++] = fd;
    }
}

static void run(struct bench *b, unsigned flight, uint64_t ms)
{
    uint64_t cpu = cpu_us(), begin = clock_mono_ms();
    b->base = event_base_new();
    b->writer =
        b->base == NULL ? NULL : spool_writer_new(b->base, UINT64_C(1) << 30, &ops, b);
    if (b->writer == NULL || !spool_writer_start(b->writer)) {
        fatal("no writer");
    }
    b->until = begin + ms;
    b->left = flight;
    for (unsigned i = 0; i < flight; i++) {
        b->slot[i].b = b;
        start(&b->slot[i]);
    }
    (void)event_base_dispatch(b->base);
    b->result.ms = clock_mono_ms() - begin;
    b->result.cpu_us = cpu_us() - cpu;
    spool_writer_free(&b->writer);
    event_base_free(b->base);
}

static void child(const char *dir, unsigned process, enum sort sort, unsigned flight,
                  size_t len, uint64_t ms, struct result *out, int go)
{
    struct bench b = {.len = len, .body = malloc(len)};
    char octet = 0;
    if (b.body == NULL) {
        fatal("no memory");
    }
    memset(b.body, 'x', len);
    prepare(&b, dir, process, sort);
    if (read(go, &octet, 1) != 0) { /* until all are ready */
        fatal("no start");
    }
    run(&b, flight, ms);
    *out = b.result;
    free(b.body);
}

static void row(const char *dir, enum sort sort, unsigned flight, size_t len, uint64_t ms,
                unsigned processes)
{
    struct result *r = mmap(NULL, sizeof *r * PROCESSES_MAX, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct result sum = {0};
    int go[2];
    if (r == MAP_FAILED || pipe(go) != 0) {
        fatal("no memory");
    }
    for (unsigned i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            (void)close(go[1]);
            child(dir, i, sort, flight, len, ms, &r[i], go[0]);
            _exit(0);
        }
    }
    (void)sleep(2); /* preparation; whoever is late only starts late */
    (void)close(go[0]);
    (void)close(go[1]);
    while (wait(NULL) > 0) {
    }
    double rate = 0;
    for (unsigned i = 0; i < processes; i++) {
        rate += r[i].ms == 0 ? 0 : (double)r[i].messages * 1000 / (double)r[i].ms;
        sum.messages += r[i].messages;
        sum.rounds += r[i].rounds;
        sum.cpu_us += r[i].cpu_us;
        sum.waited_ms += r[i].waited_ms;
    }
    double n = sum.messages == 0 ? 1 : (double)sum.messages;
    printf("%-7s %7u %10.0f %10.3f %10.2f %12.3f\n", sort_name[sort], flight, rate,
           (double)sum.rounds / n, (double)sum.waited_ms / n,
           (double)sum.cpu_us / n / 1000);
    (void)fflush(stdout);
    (void)munmap(r, sizeof *r * PROCESSES_MAX);
}

/* ---- the start ---- */

static void no_settle(void *arg, const struct spool_settle *settle)
{
    (void)arg;
    (void)settle;
}

static void count_entry(void *arg, const struct spool_entry *e)
{
    (void)e;
    ++*(uint64_t *)arg;
}

static void say_report(void *arg, const char *text)
{
    (void)arg;
    log_text(LOG_WARN, "report", "%s", text);
}

static void no_drained(void *arg, uint64_t segment)
{
    (void)arg;
    (void)segment;
}

static const struct spool_store_ops store_ops = {.entry = count_entry,
                                                 .settle = no_settle,
                                                 .drained = no_drained,
                                                 .report = say_report};

static struct spool_store *open_store(const char *dir, uint64_t *found)
{
    const char *error = NULL;
    struct spool_store *s =
        spool_store_open(dir, false, SEGMENT, &store_ops, found, &error);
    if (s == NULL) {
        fatal("%s", error);
    }
    return s;
}

/* One segment full of records of KiB; returns how many. */
static uint32_t fill_segment(struct spool_store *s, uint32_t first, uint32_t most)
{
    static unsigned char record[1024 + SPOOL_HEADER_LEN];
    uint64_t segment = 0, capacity = 0;
    uint32_t n = 0;
    int fd = -1;
    if (!spool_store_create(s, 0, &segment, &capacity, &fd)) {
        fatal("no segment");
    }
    struct slice body = {record + SPOOL_HEADER_LEN, 1000};
    struct slice rest = {body.ptr + body.len, 24};
    for (; n < most && (n + 1) * sizeof record <= capacity; n++) {
        struct spool_header h = {
            .segment = segment,
            .message_len = body.len,
            .envelope_len = (uint32_t)rest.len,
            .id = {UINT64_C(0x9e3779b97f4a7c15) * (first + n + 1), 1},
            .message_crc = crc32c(0, body),
            .rest_crc = crc32c(0, rest)};
        spool_header_write(&h, record);
        if (write(fd, record, sizeof record) != (ssize_t)sizeof record) {
            fatal("cannot write");
        }
    }
    (void)close(fd);
    spool_store_seal(s, segment, n * sizeof record);
    return n;
}

static void replay(const char *dir)
{
    enum { MESSAGES = 200000 };
    char path[4200];
    uint64_t found = 0;
    (void)snprintf(path, sizeof path, "%s/store", dir);
    struct spool_store *s = open_store(path, &found);
    for (uint32_t n = (uint32_t)found; n < MESSAGES;) {
        n += fill_segment(s, n, MESSAGES - n);
    }
    spool_store_close(&s);
    found = 0;
    uint64_t begin = clock_mono_ms(), cpu = cpu_us();
    s = open_store(path, &found);
    uint64_t ms = clock_mono_ms() - begin;
    printf("start: %" PRIu64 " messages of 1 KiB in %" PRIu64
           " ms (%.0f/s; %.0f/s of cpu)\n",
           found, ms, (double)found * 1000 / (double)(ms == 0 ? 1 : ms),
           (double)found * 1e6 / (double)(cpu_us() - cpu + 1));
    spool_store_close(&s);
}

static uint64_t number(char **argv, int argc, int i, uint64_t otherwise, uint64_t most)
{
    uint64_t v = otherwise;
    if (i < argc && (!slice_u64(slice_of(argv[i]), &v) || v == 0 || v > most)) {
        fatal("%s: a number from 1 to %" PRIu64, argv[i], most);
    }
    return v;
}

int main(int argc, char **argv)
{
    static const unsigned flights[] = {1, 20, 100};
    const char *dir = argc > 1 ? argv[1] : "spool-bench.tmp";
    size_t len = (size_t)number(argv, argc, 2, 10, 1000) * 1024;
    uint64_t ms = number(argv, argc, 3, 2, 3600) * 1000;
    unsigned processes = (unsigned)number(argv, argc, 4, 1, PROCESSES_MAX);

    if (access(dir, F_OK) != 0 && mkdir(dir, 0700) != 0) {
        fatal("cannot make %s", dir);
    }
    printf("%zu octets a message, %u process(es)\n", len, processes);
    printf("%-7s %7s %10s %10s %10s %12s\n", "segment", "waiting", "msgs/s", "syncs/msg",
           "ms/msg", "cpu s/1000");
    for (int sort = 0; sort < SORTS; sort++) {
        for (size_t i = 0; i < sizeof flights / sizeof flights[0]; i++) {
            row(dir, (enum sort)sort, flights[i], len, ms, processes);
        }
    }
    replay(dir);
    return 0;
}
