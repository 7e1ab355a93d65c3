/* verdicts FILE... - all that the classifier says about the texts in these files, a line each: to
 * compare two builds of it, which must not differ when only its speed was worked on.
 *
 * Of a table (.tsv) the last cell of each line is a reply, of any other file each piece of 700
 * octets. Each text is judged as it is, cut at both ends, with the middle of another one in it, with
 * a code and a stage that it does not have, and beside the host names that other texts hold; for
 * every verdict also all rules that matched are printed. */
#include "bounce/classify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXTS_MAX = 65536, PIECE = 700, MIXED_MAX = 8192, MIXES = 4 };
static struct slice text[TEXTS_MAX];
static size_t texts_n;

static void take(const char *s, size_t n)
{
    unsigned char *copy = texts_n < TEXTS_MAX && n > 0 ? malloc(n) : NULL;
    if (copy != NULL) {
        memcpy(copy, s, n);
        text[texts_n++] = (struct slice){copy, n};
    }
}

static void read_table(FILE *f)
{
    static char line[65536];
    while (fgets(line, sizeof line, f) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        const char *last = strrchr(line, '\t');
        last = last == NULL ? line : last + 1;
        take(last, strlen(last));
    }
}

static void read_file(const char *path)
{
    static char piece[PIECE];
    size_t len = strlen(path), n;
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(4);
    }
    if ((len > 4 && strcmp(path + len - 4, ".tsv") == 0) ||
        (len > 9 && strcmp(path + len - 9, ".examples") == 0)) {
        read_table(f);
    } else {
        while ((n = fread(piece, 1, sizeof piece, f)) > 0) {
            take(piece, n);
        }
    }
    fclose(f);
}

static uint32_t chance(void)
{
    static uint64_t state = 88172645463325252U;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

static void judge(struct bounce_classifier *c, size_t n, struct slice octets,
                  unsigned code, enum bounce_stage stage, struct slice host)
{
    struct bounce_verdict v;
    const struct bounce_match *match;
    bounce_classify(c, &(struct bounce_reply){.code = code, .text = octets},
                    &(struct bounce_context){.stage = stage, .mx_host = host}, &v);
    printf("%zu %d %d %d %d %d %d %d %u %u.%u.%u %u %u%% %u %d %zu+%zu", n, v.klass,
           v.kind, v.scope, v.subscope, v.action, v.provider, v.stage, v.code,
           v.status.klass, v.status.subject, v.status.detail, v.retry_after_s,
           v.confidence, v.rule, v.by_words, v.span_off, v.span_len);
    size_t matches_n = bounce_matches(c, &match);
    for (size_t i = 0; i < matches_n; i++) {
        printf(" %u@%zu+%zu", match[i].rule, match[i].span_off, match[i].span_len);
    }
    putchar('\n');
}

static void judge_all_ways(struct bounce_classifier *c, size_t i)
{
    static const struct slice none;
    static unsigned char mixed[MIXED_MAX];
    struct slice t = text[i];
    judge(c, i, t, 0, BOUNCE_STAGE_UNKNOWN, none);
    judge(c, i, slice_sub(t, 0, chance() % t.len), 0, BOUNCE_STAGE_UNKNOWN, none);
    judge(c, i, slice_from(t, chance() % t.len), 0, BOUNCE_STAGE_RCPT, none);
    judge(c, i, t, 400 + chance() % 200, (enum bounce_stage)(chance() % 10),
          slice_sub(text[chance() % texts_n], 0, 20));
    for (unsigned k = 0; k < MIXES; k++) {
        struct slice u = text[chance() % texts_n], part = slice_from(u, chance() % u.len);
        part = slice_sub(part, 0, 1 + chance() % part.len);
        size_t at = chance() % t.len, len = 0;
        struct slice three[] = {slice_sub(t, 0, at), part, slice_from(t, at)};
        for (unsigned p = 0; p < 3; p++) {
            size_t n = three[p].len < MIXED_MAX - len ? three[p].len : MIXED_MAX - len;
            memcpy(mixed + len, three[p].ptr, n);
            len += n;
        }
        judge(c, i, (struct slice){mixed, len}, 0, BOUNCE_STAGE_UNKNOWN, none);
    }
}

int main(int argc, char **argv)
{
    struct bounce_classifier *c = bounce_classifier_new();
    for (int i = 1; i < argc; i++) {
        read_file(argv[i]);
    }
    if (c == NULL || texts_n == 0) {
        fputs("usage: verdicts FILE...\n", stderr);
        return 2;
    }
    for (size_t i = 0; i < texts_n; i++) {
        judge_all_ways(c, i);
    }
    bounce_classifier_free(&c);
    return 0;
}
