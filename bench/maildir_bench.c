/* bench/maildir_bench.c - deliveries a second into many Maildirs, through the real code.
 *
 *   maildir_bench DIR [threads [deliveries [users [message octets [batch]]]]]
 *
 * DIR must be on the disk to be measured. With batch, what a rival would do for comparison:
 * write that many files, one syncfs(), rename them all, one syncfs(); by bare system calls
 * in one thread, so it flatters the rival. */
#include "base/clock.h"
#include "delivery/delivery_testlib.h"
#include "delivery/maildir.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static struct {
    struct maildir_store store;
    struct job job;
    int segment;
    unsigned threads, deliveries, users, octets, batch;
    atomic_uint next, failed;
} b;

static unsigned number(int argc, char **argv, int i, unsigned otherwise)
{
    uint64_t n = otherwise;
    if (i < argc && (!slice_u64(slice_of(argv[i]), &n) || n > 100000000)) {
        (void)fprintf(stderr, "maildir_bench: not a number: %s\n", argv[i]);
        exit(2);
    }
    return (unsigned)n;
}

static void *work(void *arg)
{
    (void)arg;
    struct maildir_work *w = maildir_work_new();
    unsigned n;
    while (w != NULL && (n = atomic_fetch_add(&b.next, 1U)) < b.deliveries) {
        char address[64];
        struct source src;
        struct outcome o = {0};
        struct job j = b.job;
        /* users in no order, so that threads seldom meet in one directory */
        (void)snprintf(address, sizeof address, "user%u@example.test",
                       n * 7919U % b.users);
        struct job_target t = {(uint16_t)(n & 0xffffU), slice_of(address),
                               slice_of(address)};
        j.arrival_ms += (uint64_t)(n >> 16U) * 1000;
        if (source_open(&src, b.segment, &j) == SOURCE_OK) {
            maildir_deliver(&b.store, w, &src, &j, &t, &o);
        }
        source_close(&src);
        if (!o.set || o.result != JOB_DELIVERED) {
            if (atomic_fetch_add(&b.failed, 1U) == 0) {
                (void)fprintf(stderr, "%.*s\n", (int)o.reply_len, (const char *)o.reply);
            }
        }
    }
    maildir_work_free(&w);
    return NULL;
}

static bool batch_write(unsigned n, const char *message)
{
    char path[128];
    (void)snprintf(path, sizeof path, "example.test/user%u/tmp/%u", n * 7919U % b.users,
                   n);
    int fd = openat(b.store.root, path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    bool ok = fd >= 0 && write(fd, message, b.octets) == (ssize_t)b.octets;
    return close(fd) == 0 && ok;
}

static bool batch_rename(unsigned n)
{
    char from[128], to[128];
    unsigned user = n * 7919U % b.users;
    (void)snprintf(from, sizeof from, "example.test/user%u/tmp/%u", user, n);
    (void)snprintf(to, sizeof to, "example.test/user%u/new/b%u", user, n);
    return renameat(b.store.root, from, b.store.root, to) == 0;
}

static void work_batches(const char *message)
{
    while (b.next < b.deliveries) {
        unsigned from = b.next, end = from + b.batch;
        bool ok = true;
        for (unsigned n = from; n < end; n++) {
            ok = batch_write(n, message) && ok;
        }
        ok = syncfs(b.store.root) == 0 && ok;
        for (unsigned n = from; n < end; n++) {
            ok = batch_rename(n) && ok;
        }
        ok = syncfs(b.store.root) == 0 && ok;
        b.failed += ok ? 0 : b.batch;
        b.next = end;
    }
}

int main(int argc, char **argv)
{
    char setting[512];
    struct rusage use;
    if (argc < 2) {
        (void)fputs("maildir_bench DIR [threads [deliveries [users [octets [batch]]]]]\n",
                    stderr);
        return 2;
    }
    b.threads = number(argc, argv, 2, 16);
    b.deliveries = number(argc, argv, 3, 10000);
    b.users = number(argc, argv, 4, 1000);
    b.octets = number(argc, argv, 5, 10240);
    b.batch = number(argc, argv, 6, 0);
    if (b.threads < 1 || b.threads > 256 || b.users < 1 || b.octets < 80) {
        return 2;
    }
    char *message = malloc(b.octets);
    if (message == NULL) {
        return 4;
    }
    for (unsigned i = 0; i < b.octets; i++) {
        message[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : 'x';
    }
    (void)snprintf(setting, sizeof setting, "%s/%%d/%%u", argv[1]);
    b.job = (struct job){
        .segment = 1, .id = {id_new_session(), 1}, .arrival_ms = 1700000000000};
    b.segment =
        testlib_segment("/tmp", 0, SLICE("Received: x\r\n"),
                        (struct slice){(unsigned char *)message, b.octets}, &b.job);
    const char *error = maildir_open(&b.store, setting, "+", "bench");
    if (b.segment < 0 || error != NULL) {
        (void)fprintf(stderr, "maildir_bench: %s\n", error ? error : "no segment");
        return 4;
    }
    uint64_t start = clock_mono_ms();
    if (b.batch > 0) {
        work_batches(message);
    } else {
        pthread_t thread[256];
        for (unsigned i = 0; i < b.threads; i++) {
            if (pthread_create(&thread[i], NULL, work, NULL) != 0) {
                return 4;
            }
        }
        for (unsigned i = 0; i < b.threads; i++) {
            (void)pthread_join(thread[i], NULL);
        }
    }
    double s = (double)(clock_mono_ms() - start) / 1000;
    (void)getrusage(RUSAGE_SELF, &use);
    double cpu = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
                 (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    (void)printf("%u deliveries, %u failed, %.2f s: %.0f/s, %.2f CPU s per 1,000\n",
                 b.deliveries, (unsigned)b.failed, s, b.deliveries / s,
                 cpu * 1000 / b.deliveries);
    maildir_close(&b.store);
    free(message);
    return b.failed == 0 ? 0 : 1;
}
