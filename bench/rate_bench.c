/* bench/rate_bench.c - what counting costs: additions a second to a table of 500,000 keys.
 *
 *   rate_bench [PROCESSES] [SECONDS]
 *
 * Half of the additions go to 1,000 busy keys, half to any of a million (so that slots change hands).
 * Prints a JSON object: nanoseconds an addition in each process, and all additions a second. */
#include "base/clock.h"
#include "rate/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES_MAX = 64, BATCH = 10000 };

static void work(struct rate_table *t, unsigned seed, uint64_t until_ms, double *ns)
{
    struct rate_limit burst = {.count = 1000, .window = RATE_HOUR, .burst = 100};
    uint64_t n = 0;
    uint32_t x = seed * 2654435761U + 1;
    uint64_t begin = clock_mono_ms();
    uint64_t now = clock_wall_ms() * 1000;
    while (clock_mono_ms() < until_ms) {
        for (unsigned i = 0; i < BATCH; i++) {
            x = x * 1664525U + 1013904223U;
            uint32_t name[4] = {0, 0, 0xffff0000U,
                                (x & 1) != 0 ? x >> 12 : (x >> 8) % 1000};
            struct rate_view v;
            struct rate_key key = rate_key(
                t, RATE_ip, (struct slice){(const unsigned char *)name, sizeof name});
            IGNORE(rate_add(t, &key, 1, &burst, now, &v));
        }
        n += BATCH;
    }
    *ns = (double)(clock_mono_ms() - begin) * 1e6 / (double)n;
}

int main(int argc, char **argv)
{
    unsigned long processes = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    unsigned long seconds = argc > 2 ? strtoul(argv[2], NULL, 10) : 2;
    size_t octets = 0;
    int fd = segment_create(rate_size_for(500000), NULL);
    struct rate_table *t = fd < 0 ? NULL : segment_map(fd, &octets);
    double *ns = mmap(NULL, PROCESSES_MAX * sizeof *ns, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t == NULL || ns == MAP_FAILED || processes < 1 || processes > PROCESSES_MAX) {
        (void)fprintf(stderr, "usage: rate_bench [PROCESSES] [SECONDS]\n");
        return 2;
    }
    uint64_t until_ms = clock_mono_ms() + seconds * 1000;
    for (unsigned i = 0; i < processes; i++) {
        if (fork() == 0) {
            work(t, i + 1, until_ms, &ns[i]);
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
