/* bench/rate_bench.c - what counting costs: additions a second to a table of 500,000 keys.
 *
 *   rate_bench [PROCESSES] [SECONDS] [KEYS]
 *
 * Half of the additions go to 1,000 busy keys, half to any of KEYS: of a million (if not told otherwise) slots change
 * hands all the time; 300,000 have room.
 * Prints a JSON object: nanoseconds of CPU an addition in each process, and all additions a second. */
#include "base/clock.h"
#include "rate/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES_MAX = 64, BATCH = 10000 };

static double cpu_ns(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static void work(struct rate_table *t, unsigned seed, uint32_t keys, uint64_t until_ms,
                 double *ns)
{
    struct rate_limit burst = {.count = 1000, .window = RATE_HOUR, .burst = 100};
    uint64_t n = 0;
    uint32_t x = seed * 2654435761U + 1;
    double begin = cpu_ns();
    uint64_t now = clock_wall_ms() * 1000;
    while (clock_mono_ms() < until_ms) {
        for (unsigned i = 0; i < BATCH; i++) {
            x = x * 1664525U + 1013904223U;
            uint32_t name[4] = {0, 0, 0xffff0000U,
                                (x & 1) != 0 ? (x >> 1) % keys : (x >> 8) % 1000};
            struct rate_view v;
            struct rate_key key = rate_key(
                t, RATE_ip, (struct slice){(const unsigned char *)name, sizeof name});
            IGNORE(rate_add(t, &key, 1, &burst, now, &v));
        }
        n += BATCH;
    }
    *ns = (cpu_ns() - begin) / (double)n;
}

int main(int argc, char **argv)
{
    unsigned long processes = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    unsigned long seconds = argc > 2 ? strtoul(argv[2], NULL, 10) : 2;
    unsigned long keys = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000000;
    size_t octets = 0;
    int fd = segment_create(rate_size_for(500000), NULL);
    struct rate_table *t = fd < 0 ? NULL : segment_map(fd, &octets);
    double *ns = mmap(NULL, PROCESSES_MAX * sizeof *ns, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t == NULL || ns == MAP_FAILED || processes < 1 || processes > PROCESSES_MAX ||
        keys < 1 || keys > UINT32_MAX) {
        (void)fprintf(stderr, "usage: rate_bench [PROCESSES] [SECONDS] [KEYS]\n");
        return 2;
    }
    uint64_t until_ms = clock_mono_ms() + seconds * 1000;
    for (unsigned i = 0; i < processes; i++) {
        if (fork() == 0) {
            work(t, i + 1, (uint32_t)keys, until_ms, &ns[i]);
            _exit(0);
        }
    }
    double all = 0;
    double mean = 0;
    while (wait(NULL) > 0) {
    }
    for (unsigned i = 0; i < processes; i++) {
        all += 1e9 / ns[i];
        mean += ns[i] / (double)processes;
    }
    (void)printf("{\"processes\":%lu,\"ns\":%.0f,\"per_s\":%.0f}\n", processes, mean,
                 all);
    return 0;
}
