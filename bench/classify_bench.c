/* How many replies a second one core classifies, how long the classifier takes to start and how
 * much memory the process holds.
 *
 *   classify_bench [REPLIES.TSV [SECONDS]]
 *
 * Takes the replies from a table (class, accept, mx, text), else the examples of the rules. Twice:
 * again and again, as a large sender hears them (the classifier knows what it has judged), and
 * each as if never heard before. */
#include "base/clock.h"
#include "bounce/classify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { REPLIES_MAX = 4096, LINE = 8192 };
static struct slice text[REPLIES_MAX];
static size_t texts_n, octets;

static void take(const char *s)
{
    char *copy = texts_n < REPLIES_MAX ? strdup(s) : NULL;
    if (copy != NULL) {
        text[texts_n++] = slice_of(copy);
        octets += strlen(copy);
    }
}

static void read_replies(const char *path)
{
    static char line[LINE];
    FILE *f = path == NULL ? NULL : fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        const char *last = strrchr(line, '\t');
        take(last == NULL ? line : last + 1);
    }
    if (f != NULL) {
        fclose(f);
    }
    for (unsigned i = 0; f == NULL && i < BOUNCE_RULES_N; i++) {
        take(bounce_rule_info(i)->example);
    }
}

/* The machine may have other things to do: CPU time counts, and of all rounds the best one as well, as
 * others leave the caches empty. */
static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void measure(struct bounce_classifier *c, const char *what, uint64_t ms)
{
    struct bounce_verdict v;
    double used = 0, best = 1e9;
    uint64_t n = 0, start = clock_mono_ms(), sum = 0;
    while (clock_mono_ms() - start < ms) {
        double before = cpu_seconds();
        for (size_t i = 0; i < texts_n; i++) {
            bounce_classify(c, &(struct bounce_reply){.text = text[i]}, NULL, &v);
            sum += v.rule;
        }
        double round = cpu_seconds() - before;
        used += round;
        best = round < best ? round : best;
        n += texts_n;
    }
    double each = used / (double)n, least = best / (double)(texts_n == 0 ? 1 : texts_n);
    printf(
        "%s: %.0f replies/s of CPU time, %.0f ns each; in the best round %.0f, %.0f ns; "
        "%zu octets on average, check %llu\n",
        what, 1 / each, each * 1e9, 1 / least, least * 1e9,
        octets / (texts_n == 0 ? 1 : texts_n),
        (unsigned long long)(sum / (n == 0 ? 1 : n)));
}

int main(int argc, char **argv)
{
    uint64_t begun = clock_mono_ms();
    struct bounce_classifier *c = bounce_classifier_new();
    if (c == NULL) {
        return 4;
    }
    struct bounce_verdict v;
    struct rusage usage;
    bounce_classify(c, &(struct bounce_reply){.text = SLICE("550 5.1.1 user unknown")},
                    NULL, &v);
    printf("start to first verdict: %u ms, %u rules\n",
           (unsigned)(clock_mono_ms() - begun), (unsigned)BOUNCE_RULES_N);
    read_replies(argc > 1 ? argv[1] : NULL);
    uint64_t ms = argc > 2 ? strtoull(argv[2], NULL, 10) * 1000 : 2000;
    measure(c, "heard before", ms);
    bounce_classifier_without(c, BOUNCE_RULES_N); /* no rule, but nothing is remembered */
    measure(c, "never heard", ms);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        printf("memory: %ld KiB resident at most\n", usage.ru_maxrss);
    }
    bounce_classifier_free(&c);
    return 0;
}
