/* bench/suppress_bench.c - the suppression list with many addresses: what filling, a lookup and the
 * memory cost.
 *
 * suppress_bench [ADDRESSES [FILE]]; a tenth of the lookups find their address. */
#include "base/clock.h"
#include "queue/suppress.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOOKUPS = 200000, DOMAINS = 5000, BATCH = 2000 };

static double now_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Scattered over domains, as an import in no order is; number N is always the same address. */
static struct slice address_of(uint64_t n, char out[64])
{
    uint64_t x = n * UINT64_C(0x9e3779b97f4a7c15);
    int len = snprintf(out, 64, "user.%llu@domain%llu.example", (unsigned long long)n,
                       (unsigned long long)((x >> 32) % DOMAINS));
    return (struct slice){(const unsigned char *)out, (size_t)len};
}

static bool fill(struct suppress *s, uint64_t n)
{
    char text[64];
    struct suppress_entry e = {.reason = SUPPRESS_complaint,
                               .times = 1,
                               .first_ms = 1,
                               .last_ms = 1,
                               .evidence = SLICE("550 5.1.1 no such user")};
    for (uint64_t i = 0; i < n; i++) {
        if ((i % BATCH == 0 && !suppress_begin(s)) ||
            !suppress_put(s, address_of(i, text), &e) ||
            ((i % BATCH == BATCH - 1 || i == n - 1) && !suppress_commit(s))) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    uint64_t n = 1000000, found = 0, v = 88172645463325252U;
    const char *path = argc > 2 ? argv[2] : "/tmp/suppress_bench.db";
    char error[SUPPRESS_ERROR_MAX], text[64];
    struct suppress_entry e;
    if (argc > 1 && !slice_u64(slice_of(argv[1]), &n)) {
        (void)fprintf(stderr, "usage: suppress_bench [ADDRESSES [FILE]]\n");
        return 2;
    }
    (void)unlink(path);
    struct suppress *s = suppress_open(path, error);
    double start = now_s();
    if (s == NULL || !fill(s, n)) {
        (void)fprintf(stderr, "suppress_bench: %s\n", s == NULL ? error : "cannot fill");
        return 1;
    }
    double filled = now_s(), worst = 0;
    for (int i = 0; i < LOOKUPS; i++) {
        v ^= v << 13, v ^= v >> 7, v ^= v << 17;
        uint64_t at = i % 10 == 0 ? v % n : n + v % n;
        double before = now_s();
        found += suppress_find(s, SLICE("news@shop.example"), address_of(at, text), 2,
                               &e) == SUPPRESS_YES;
        double took = now_s() - before;
        worst = took > worst ? took : worst;
    }
    double done = now_s();
    struct rusage use;
    struct stat st = {0};
    (void)getrusage(RUSAGE_SELF, &use);
    suppress_close(&s);
    (void)stat(path, &st);
    (void)printf(
        "%llu addresses: %.1f us each to put, %.1f us a lookup (worst %.0f), %llu of "
        "%d found, %ld MiB of memory, %.0f octets each on disk\n",
        (unsigned long long)n, (filled - start) * 1e6 / (double)n,
        (done - filled) * 1e6 / LOOKUPS, worst * 1e6, (unsigned long long)found, LOOKUPS,
        use.ru_maxrss / 1024, (double)st.st_size / (double)n);
    (void)unlink(path);
    return found == LOOKUPS / 10 ? 0 : 1;
}
