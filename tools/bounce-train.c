/* bounce-train LABELLED.TSV EXAMPLES.TSV OUT.C - at build time: how much the words of a reply speak
 * for each class, learned from labelled replies (class, accept, mx, text).
 *
 *     bounce-train --cross LABELLED.TSV EXAMPLES.TSV
 *
 * trains five times without a fifth of the labelled replies and says how many of that fifth come out
 * right by their words alone.
 *
 * Multinomial logistic regression over the hashes of src/bounce/words.h: all replies at once, steps
 * scaled by the gradients' history (AdaGrad), in a fixed order, so that the same input makes
 * the same table. A class counts less a reply the more it has. */
#include "bounce/pattern.h"
#include "bounce/table.h"
#include "bounce/words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINE = 16384,
    CELLS = 4,
    SAMPLES = 16384,
    SLOTS = 1 << 19, /* of the open table, a power of two */
    ROUNDS = 60,
    COMMON = 2, /* a word of fewer replies teaches nothing */
    FOLDS = 5,
    CLASSES = BOUNCE_CLASSES_N,
    FAINT = 2, /* a row with no entry beyond that is left out */
};
static const double RATE = 0.5, DECAY = 1e-5;

struct sample {
    char *accept;
    enum bounce_class klass;
    bool example; /* a rule's */
    uint32_t *hash;
    size_t n;
    uint32_t *column; /* those of the hashes that are known */
    size_t columns_n;
};
static struct sample samples[SAMPLES];
static size_t samples_n;

static struct {
    uint32_t hash, count, column; /* column 0: none */
} slots[SLOTS];
static size_t columns_n;         /* with the one that is none */
static double (*theta)[CLASSES]; /* of each column */
static double (*past)[CLASSES], (*slope)[CLASSES];

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(4);
}

static void *zeroed(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (p == NULL) {
        die("memory");
    }
    return p;
}

static int by_hash(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void add_sample(char *cell[CELLS], enum bounce_class klass, bool example)
{
    static struct bounce_normal normal;
    static uint64_t edges[BOUNCE_EDGES(BOUNCE_NORMAL_MAX)];
    static struct bounce_token token[BOUNCE_WORDS_TOKENS];
    static struct bounce_words_found words;
    struct sample *s = &samples[samples_n++];
    bounce_normalize(slice_of(cell[3]), 0, &normal);
    bounce_pattern_edges(normal.text, normal.main_len, edges);
    size_t tokens_n =
        bounce_tokens(normal.text, normal.main_len, edges, BOUNCE_WORDS_TOKENS, token);
    bounce_words(&normal, token, tokens_n, normal.code, normal.status, normal.status_n,
                 &words);
    size_t n = words.hashes_n;
    qsort(words.hash, n, sizeof words.hash[0], by_hash);
    *s = (struct sample){.klass = klass,
                         .example = example,
                         .accept = strdup(cell[1]),
                         .hash = zeroed(n, sizeof(uint32_t)),
                         .column = zeroed(n, sizeof(uint32_t))};
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || words.hash[i] != words.hash[i - 1]) {
            s->hash[s->n++] = words.hash[i];
        }
    }
}

static bool class_named(const char *name, enum bounce_class *out)
{
    for (unsigned i = 0; i < CLASSES; i++) {
        if (strcmp(bounce_class_table[i].name, name) == 0) {
            *out = (enum bounce_class)i;
            return true;
        }
    }
    return false;
}

static void read_samples(const char *path, bool example)
{
    static char line[LINE];
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        die(path);
    }
    while (fgets(line, sizeof line, f) != NULL) {
        char *cell[CELLS], *p = line;
        unsigned n = 0;
        enum bounce_class klass;
        line[strcspn(line, "\r\n")] = '\0';
        for (; n < CELLS && p != NULL; n++) {
            cell[n] = p;
            p = strchr(p, '\t');
            if (p != NULL) {
                *p++ = '\0';
            }
        }
        if (n == CELLS && class_named(cell[0], &klass)) {
            if (samples_n == SAMPLES) {
                fprintf(stderr, "%s: more than %d replies: raise SAMPLES\n", path,
                        SAMPLES);
                exit(4);
            }
            add_sample(cell, klass, example);
        }
    }
    fclose(f);
}

static size_t slot_of(uint32_t hash)
{
    size_t i = hash & (SLOTS - 1);
    while (slots[i].count != 0 && slots[i].hash != hash) {
        i = (i + 1) & (SLOTS - 1);
    }
    return i;
}

static bool left_out(size_t i, unsigned fold)
{
    return fold < FOLDS && !samples[i].example && i % FOLDS == fold;
}

/* Columns for the hashes that are common enough, in the order of the samples. */
static void number_columns(unsigned fold)
{
    memset(slots, 0, sizeof slots);
    columns_n = 1;
    for (size_t i = 0; i < samples_n; i++) {
        for (size_t k = 0; k < samples[i].n && !left_out(i, fold); k++) {
            size_t at = slot_of(samples[i].hash[k]);
            slots[at].hash = samples[i].hash[k];
            if (++slots[at].count == COMMON) {
                slots[at].column = (uint32_t)columns_n++;
            }
        }
    }
    for (size_t i = 0; i < samples_n; i++) {
        struct sample *s = &samples[i];
        s->columns_n = 0;
        for (size_t k = 0; k < s->n; k++) {
            uint32_t column = slots[slot_of(s->hash[k])].column;
            if (column != 0) {
                s->column[s->columns_n++] = column;
            }
        }
    }
    free(theta);
    free(past);
    free(slope);
    theta = zeroed(columns_n, sizeof theta[0]);
    past = zeroed(columns_n, sizeof past[0]);
    slope = zeroed(columns_n, sizeof slope[0]);
}

/* The class that a sample's words speak for; with p, also how likely they make each. */
static unsigned likeliest(const struct sample *s, double p[CLASSES])
{
    double sum[CLASSES] = {0}, all = 0, share = bounce_words_share(s->columns_n);
    unsigned best = 0;
    for (size_t k = 0; k < s->columns_n; k++) {
        const double *row = theta[s->column[k]];
        for (unsigned c = 0; c < CLASSES; c++) {
            sum[c] += row[c];
        }
    }
    for (unsigned c = 0; c < CLASSES; c++) {
        best = sum[c] > sum[best] ? c : best;
    }
    for (unsigned c = 0; c < CLASSES; c++) {
        p[c] = exp((sum[c] - sum[best]) * share);
        all += p[c];
    }
    for (unsigned c = 0; c < CLASSES; c++) {
        p[c] /= all;
    }
    return best;
}

static void add_slopes(unsigned fold, const double weight[CLASSES], double n)
{
    double p[CLASSES];
    for (size_t i = 0; i < samples_n; i++) {
        const struct sample *s = &samples[i];
        if (left_out(i, fold)) {
            continue;
        }
        IGNORE(likeliest(s, p)); /* for p */
        double by = weight[s->klass] * bounce_words_share(s->columns_n) / n;
        p[s->klass] -= 1;
        for (size_t k = 0; k < s->columns_n; k++) {
            double *row = slope[s->column[k]];
            for (unsigned c = 0; c < CLASSES; c++) {
                row[c] += p[c] * by;
            }
        }
    }
}

static void step(void)
{
    for (size_t i = 1; i < columns_n; i++) {
        for (unsigned c = 0; c < CLASSES; c++) {
            double g = slope[i][c] + DECAY * theta[i][c];
            past[i][c] += g * g;
            theta[i][c] -= RATE * g / sqrt(past[i][c] + 1e-8);
            slope[i][c] = 0;
        }
    }
}

/* fold: the fifth to leave out; FOLDS: none. */
static void train(unsigned fold)
{
    double weight[CLASSES] = {0}, n = 0, sum = 0;
    number_columns(fold);
    for (size_t i = 0; i < samples_n; i++) {
        if (!left_out(i, fold)) {
            weight[samples[i].klass]++;
            n++;
        }
    }
    for (unsigned c = 0; c < CLASSES; c++) {
        sum += sqrt(weight[c]); /* n times 1 / sqrt(n) */
        weight[c] = weight[c] > 0 ? 1 / sqrt(weight[c]) : 0;
    }
    for (unsigned c = 0; c < CLASSES; c++) {
        weight[c] *= n / sum;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        add_slopes(fold, weight, n);
        step();
    }
}

static bool accepted(const struct sample *s, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = s->accept; *p != '\0';) {
        size_t n = strcspn(p, ",");
        if (n == len && strncmp(p, name, n) == 0) {
            return true;
        }
        p += n + (p[n] == ',');
    }
    return false;
}

static int cross(void)
{
    unsigned right = 0, all = 0;
    double p[CLASSES];
    for (unsigned fold = 0; fold < FOLDS; fold++) {
        train(fold);
        for (size_t i = 0; i < samples_n; i++) {
            if (left_out(i, fold)) {
                all++;
                right += accepted(&samples[i],
                                  bounce_class_table[likeliest(&samples[i], p)].name);
            }
        }
    }
    printf("words alone: %u of %u, %.2f %%\n", right, all, 100.0 * right / all);
    return 0;
}

/* Rows that say something, as they are written; returns how many. */
static size_t write_rows(FILE *f, uint16_t row_of[])
{
    size_t rows = 1;
    fputs("const int8_t bounce_learned_row[][BOUNCE_WORDS_ROW] = {\n{0},\n", f);
    for (size_t i = 1; i < columns_n; i++) {
        int octet[CLASSES], most = 0;
        for (unsigned c = 0; c < CLASSES; c++) {
            double v = theta[i][c] * BOUNCE_WORDS_ONE;
            octet[c] = (int)lround(v > 127 ? 127 : v < -127 ? -127 : v);
            most = abs(octet[c]) > most ? abs(octet[c]) : most;
        }
        if (most <= FAINT) {
            continue;
        }
        row_of[i] = (uint16_t)rows++;
        int column[BOUNCE_WORDS_ROW] = {0};
        for (unsigned c = 0; c < CLASSES; c++) {
            column[bounce_learned_column(c)] = octet[c];
        }
        fputc('{', f);
        for (unsigned c = 0; c < BOUNCE_WORDS_ROW; c++) {
            fprintf(f, "%d,", column[c]);
        }
        fputs("},\n", f);
    }
    fputs("};\n", f);
    return rows;
}

static void write_table(FILE *f, const uint16_t row_of[], size_t rows)
{
    size_t size = 1;
    while (size * BOUNCE_LEARNED_BUCKET < 3 * rows) {
        size *= 2;
    }
    struct bounce_learned *out = aligned_alloc(64, size * sizeof out[0]);
    if (out == NULL) {
        die("memory");
    }
    memset(out, 0, size * sizeof out[0]);
    for (size_t i = 0; i < SLOTS; i++) {
        if (slots[i].column == 0 || row_of[slots[i].column] == 0) {
            continue;
        }
        size_t at = slots[i].hash & (size - 1), k = 0;
        while (out[at].row[k] != 0) {
            k = (k + 1) % BOUNCE_LEARNED_BUCKET;
            at = (at + (k == 0)) & (size - 1);
        }
        out[at].hash[k] = slots[i].hash;
        out[at].row[k] = row_of[slots[i].column];
    }
    fprintf(f,
            "const uint32_t bounce_learned_mask = %zu;\n"
            "const struct bounce_learned bounce_learned_table[] = {\n",
            size - 1);
    for (size_t i = 0; i < size; i++) {
        const uint32_t *h = out[i].hash, *r = out[i].row;
        fprintf(f, "{{%u, %u, %u, %u, %u, %u, %u, %u}, ", h[0], h[1], h[2], h[3], h[4],
                h[5], h[6], h[7]);
        fprintf(f, "{%u, %u, %u, %u, %u, %u, %u, %u}},\n", r[0], r[1], r[2], r[3], r[4],
                r[5], r[6], r[7]);
    }
    fputs("};\n", f);
    free(out);
}

static int write_c(const char *path)
{
    FILE *f = fopen(path, "w");
    uint16_t *row_of = zeroed(columns_n, sizeof row_of[0]);
    if (f == NULL || columns_n > UINT16_MAX) {
        die(path);
    }
    fputs("/* Generated by tools/bounce-train.c. */\n#include \"bounce/words.h\"\n", f);
    write_table(f, row_of, write_rows(f, row_of));
    free(row_of);
    return fclose(f) == 0 ? 0 : 4;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fputs("usage: bounce-train LABELLED.TSV EXAMPLES.TSV OUT.C\n", stderr);
        return 2;
    }
    bool crosswise = strcmp(argv[1], "--cross") == 0;
    read_samples(argv[crosswise ? 2 : 1], false);
    read_samples(argv[crosswise ? 3 : 2], true);
    if (crosswise) {
        return cross();
    }
    train(FOLDS);
    return write_c(argv[3]);
}
