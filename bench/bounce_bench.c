/* bounce_bench - how fast the mails of a folder are parsed and judged, on one core.
 *
 *     bounce_bench FOLDER [SECONDS]
 *
 * The mails are read into memory first. CPU time counts, so that other work on the machine does
 * not. The last figure is octets, for folders of other sizes than 4 KB a mail. Twice: through the
 * library, where a reply that was heard before is judged at once, and the parser alone, with each
 * reply as if never heard. */
#include "bounce/parse.h"
#include "libbounce/charset.h"

#include <dirent.h>
#include <postern/bounce.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MAILS_MAX = 10000 };

static struct slice mail[MAILS_MAX];
static unsigned mail_n;

static double cpu_s(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void load(const char *folder, const char *name)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0) {
        return;
    }
    long size = ftell(f);
    unsigned char *octets = size > 0 ? malloc((size_t)size) : NULL;
    rewind(f);
    if (octets != NULL && mail_n < MAILS_MAX) {
        mail[mail_n++] = (struct slice){octets, fread(octets, 1, (size_t)size, f)};
    }
    (void)fclose(f);
}

static unsigned by_library(void *reader, struct slice octets)
{
    return (unsigned)postern_bounce_mail(reader, octets.ptr, octets.len)->n;
}

static unsigned by_parser(void *parser, struct slice octets)
{
    return bounce_parse(parser, octets)->rcpt_n;
}

static void measure(const char *what, unsigned (*parse)(void *, struct slice), void *with,
                    double seconds)
{
    unsigned long long mails = 0, results = 0, octets = 0;
    double start = cpu_s(), used = 0;
    while (used < seconds) {
        for (unsigned i = 0; i < mail_n; i++) {
            results += parse(with, mail[i]);
            octets += mail[i].len;
        }
        mails += mail_n;
        used = cpu_s() - start;
    }
    (void)printf(
        "%s: %.0f mails/s, %.0f recipients/s, %.0f MB/s (%.0f mails/s at 4 KB)\n", what,
        (double)mails / used, (double)results / used, (double)octets / used / 1e6,
        (double)octets / used / 4096);
}

int main(int argc, char **argv)
{
    DIR *d = argc > 1 ? opendir(argv[1]) : NULL;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
    if (d == NULL) {
        (void)fputs("usage: bounce_bench FOLDER [SECONDS]\n", stderr);
        return 2;
    }
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (e->d_name[0] != '.') {
            load(argv[1], e->d_name);
        }
    }
    (void)closedir(d);
    double start = cpu_s();
    struct postern_bounce *b = postern_bounce_new();
    double ready = cpu_s();
    static struct charset charset;
    struct mime_charset convert = {charset_convert, &charset};
    struct bounce_classifier *c = bounce_classifier_new();
    struct bounce_parser *p = c == NULL ? NULL : bounce_parser_new(c, &convert);
    if (b == NULL || p == NULL || mail_n == 0) {
        (void)fputs("bounce_bench: no mails, or no memory\n", stderr);
        return 1;
    }
    (void)printf("%u mails; start %.1f ms\n", mail_n, (ready - start) * 1000);
    measure("heard before", by_library, b, seconds);
    bounce_classifier_without(c, BOUNCE_RULES_N); /* no rule, but nothing is remembered */
    measure("never heard", by_parser, p, seconds);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    (void)printf("memory: %ld MB\n", usage.ru_maxrss / 1024);
    bounce_parser_free(&p);
    bounce_classifier_free(&c);
    charset_clear(&charset);
    postern_bounce_free(&b);
    return 0;
}
