/* What was learned of words, asked. */
#include "bounce/words.h"

enum { LANES = 8, VECTORS = BOUNCE_WORDS_ROW / LANES, AT_ONCE = 256 };
_Static_assert(AT_ONCE * -INT8_MIN <= -INT16_MIN, "so many rows add up in 16 bits");
_Static_assert(BOUNCE_WORDS_ROW % LANES == 0, "rows are made of vectors");
typedef int16_t sums __attribute__((vector_size(LANES * sizeof(int16_t))));
typedef int8_t octets __attribute__((vector_size(LANES), aligned(1), may_alias));

static unsigned row_of(uint32_t hash)
{
    for (uint32_t i = hash;; i++) {
        const struct bounce_learned *l = &bounce_learned_table[i & bounce_learned_mask];
        if (l->row == 0 || l->hash == hash) {
            return l->row;
        }
    }
}

/* The rows of the words, each once. */
static size_t find_rows(const struct bounce_word *word, size_t n,
                        struct bounce_words_seen *seen, uint16_t *out, bool *of_text)
{
    size_t rows_n = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned row = row_of(word[i].hash);
        uint64_t bit = (uint64_t)1 << row % 64;
        if (row != 0 && (seen->row[row / 64] & bit) == 0) {
            seen->row[row / 64] |= bit;
            out[rows_n++] = (uint16_t)row;
            *of_text = *of_text || word[i].to > word[i].from;
        }
    }
    for (size_t i = 0; i < rows_n; i++) {
        seen->row[out[i] / 64] = 0;
    }
    return rows_n;
}

/* Some of them in 16 bits, which are enough for AT_ONCE. */
static void add_rows(const uint16_t *row, size_t n, int sum[BOUNCE_WORDS_ROW])
{
    sums part[VECTORS] = {{0}};
    for (size_t i = 0; i < n; i++) {
        const int8_t *at = bounce_learned_row[row[i]];
        for (unsigned v = 0; v < VECTORS; v++) {
            part[v] += __builtin_convertvector(*(const octets *)(at + LANES * v), sums);
        }
    }
    for (unsigned c = 0; c < BOUNCE_WORDS_ROW; c++) {
        sum[c] += part[c / LANES][c % LANES];
    }
}

bool bounce_words_weigh(const struct bounce_word *word, size_t n,
                        struct bounce_words_seen *seen, double out[BOUNCE_CLASSES_N])
{
    uint16_t row[BOUNCE_WORDS_MAX];
    int sum[BOUNCE_WORDS_ROW] = {0}, most = INT32_MIN;
    bool of_text = false;
    size_t known = find_rows(word, n, seen, row, &of_text);
    for (size_t i = 0; i < known; i += AT_ONCE) {
        add_rows(row + i, known - i < AT_ONCE ? known - i : AT_ONCE, sum);
    }
    for (unsigned c = 0; c < BOUNCE_CLASSES_N; c++) {
        most = sum[c] > most ? sum[c] : most;
    }
    double share = bounce_words_share(known) / BOUNCE_WORDS_ONE;
    for (unsigned c = 0; c < BOUNCE_CLASSES_N; c++) {
        out[c] = (sum[c] - most) * share;
    }
    return of_text;
}
