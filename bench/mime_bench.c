/* How fast one core scans messages, and how much memory it takes.
 *
 *   mime_bench [SECONDS [FILE...]]
 *
 * A message of 25 MB: its attachment skipped, decoded, decoded and looked at as the server does; then
 * the files, all of them again and again. */
#include "base/base64.h"
#include "base/clock.h"
#include "content/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LARGE = 25000000, PIECE = 64 * 1024, FILES_MAX = 4096, LINE = 57 };

static struct inspect_settings settings = {.mime = {20, 1000},
                                           .archive_size = 16 << 20,
                                           .archive = {4, 10000, 64 << 20, 250, 500}};
static struct slice file[FILES_MAX];
static size_t files_n;
static uint64_t sum;
static size_t most_memory;

/* --- ways to read a message --- */

static enum mime_want begin_skip(void *arg, const struct mime_entity *e)
{
    (void)arg;
    sum += e->index;
    return MIME_SKIP;
}

static enum mime_want begin_decode(void *arg, const struct mime_entity *e)
{
    (void)arg;
    sum += e->index;
    return MIME_CONTENT;
}

static bool content(void *arg, unsigned index, struct slice octets)
{
    (void)arg;
    sum += index + octets.len + octets.ptr[octets.len - 1];
    return true;
}

static const struct mime_scan_events skip = {.begin = begin_skip};
static const struct mime_scan_events decode = {.begin = begin_decode, .content = content};

static void scan(struct slice message, const struct mime_scan_events *events)
{
    struct mime_scan *s = mime_scan_new(&settings.mime, events, NULL);
    for (size_t at = 0; s != NULL && at < message.len; at += PIECE) {
        IGNORE(mime_scan_feed(
            s, slice_sub(message, at, PIECE))); /* no memory: a bad figure */
        size_t memory = mime_scan_memory(s);
        most_memory = memory > most_memory ? memory : most_memory;
    }
    IGNORE(mime_scan_end(s));
    mime_scan_free(&s);
}

static void scan_skip(struct slice message)
{
    scan(message, &skip);
}

static void scan_decode(struct slice message)
{
    scan(message, &decode);
}

static void inspect(struct slice message)
{
    struct inspect *x = inspect_new(&settings);
    for (size_t at = 0; x != NULL && at < message.len; at += PIECE) {
        IGNORE(inspect_feed(x, slice_sub(message, at, PIECE)));
    }
    IGNORE(inspect_end(x));
    sum += inspect_report(x)->attachments;
    inspect_free(&x);
}

/* --- messages --- */

/* encoding: "base64" or "8bit"; octets that are of no known kind. */
static struct slice make(const char *encoding)
{
    struct buf b;
    unsigned char octets[LINE];
    uint32_t random = 1;
    buf_init(&b, LARGE + 4096);
    (void)buf_add_fmt(
        &b,
        "Content-Type: multipart/mixed; boundary=\"--=_Part_123_456\"\r\n\r\n"
        "----=_Part_123_456\r\n\r\ntext\r\n----=_Part_123_456\r\n"
        "Content-Type: application/octet-stream; name=data.bin\r\n"
        "Content-Transfer-Encoding: %s\r\n\r\n",
        encoding);
    while (b.len < LARGE) {
        for (size_t i = 0; i < LINE; i++) {
            random = random * 1664525 + 1013904223;
            octets[i] = (unsigned char)(random >> 24);
            octets[i] = octets[i] == '\n' ? 'x' : octets[i];
        }
        if (encoding[0] == 'b') {
            (void)base64_encode(&b, (struct slice){octets, LINE});
        } else {
            (void)buf_add(&b, (struct slice){octets, LINE});
        }
        (void)buf_add_str(&b, "\r\n");
    }
    (void)buf_add_str(&b, "\r\n----=_Part_123_456--\r\n");
    return buf_slice(&b);
}

static void read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    unsigned char *octets = malloc(1 << 20);
    if (f != NULL && octets != NULL && files_n < FILES_MAX) {
        size_t n = fread(octets, 1, 1 << 20, f);
        file[files_n++] = (struct slice){octets, n};
    }
    if (f != NULL) {
        fclose(f);
    }
}

/* --- figures --- */

/* The machine may have other things to do. */
static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(const char *what, const struct slice *messages, size_t n,
                    void (*read)(struct slice), double seconds)
{
    double start = cpu_seconds(), used = 0;
    size_t octets = 0, count = 0;
    while (used < seconds) {
        for (size_t i = 0; i < n; i++) {
            read(messages[i]);
            octets += messages[i].len;
        }
        count += n;
        used = cpu_seconds() - start;
    }
    printf("%-52s %8.0f MB/s %10.1f us a message\n", what, (double)octets / used / 1e6,
           used * 1e6 / (double)count);
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
    struct slice base64 = make("base64"), plain = make("8bit");
    if (!inspect_prepare()) {
        return 4;
    }
    measure("25 MB, attachment in base64, not decoded", &base64, 1, scan_skip, seconds);
    measure("25 MB, attachment in 8bit, not looked at", &plain, 1, scan_skip, seconds);
    measure("25 MB, attachment in base64, decoded", &base64, 1, scan_decode, seconds);
    measure("25 MB, attachment in base64, as the server does", &base64, 1, inspect,
            seconds);
    measure("25 MB, attachment in 8bit, as the server does", &plain, 1, inspect, seconds);
    for (int i = 2; i < argc; i++) {
        read_file(argv[i]);
    }
    if (files_n > 0) {
        measure("the files, as the server does", file, files_n, inspect, seconds);
    }
    printf("scanner's memory, at most: %zu octets (check %llu)\n", most_memory,
           (unsigned long long)sum);
    return 0;
}
