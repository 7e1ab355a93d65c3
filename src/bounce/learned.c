/* What was learned of words, asked. */
#include "bounce/words.h"

enum { ROWS_MAX = UINT16_MAX + 1 };

static unsigned row_of(uint32_t hash)
{
    for (uint32_t i = hash;; i++) {
        const struct bounce_learned *l = &bounce_learned_table[i & bounce_learned_mask];
        if (l->row == 0 || l->hash == hash) {
            return l->row;
        }
    }
}

bool bounce_words_weigh(const struct bounce_word *word, size_t n,
                        double out[BOUNCE_CLASSES_N])
{
    uint64_t seen[ROWS_MAX / 64] = {0};
    int sum[BOUNCE_WORDS_ROW] = {0}, most = INT32_MIN;
    size_t known = 0;
    bool of_text = false;
    for (size_t i = 0; i < n; i++) {
        unsigned row = row_of(word[i].hash);
        uint64_t bit = (uint64_t)1 << row % 64;
        if (row == 0 || (seen[row / 64] & bit) != 0) {
            continue;
        }
        seen[row / 64] |= bit;
        known++;
        of_text = of_text || word[i].to > word[i].from;
        for (unsigned c = 0; c < BOUNCE_WORDS_ROW; c++) {
            sum[c] += bounce_learned_row[row][c];
        }
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
