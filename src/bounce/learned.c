/* What was learned of words, asked. */
#include "bounce/words.h"

#include <string.h>

enum { LANES = 8, VECTORS = BOUNCE_WORDS_ROW / (2 * LANES), AT_ONCE = 256 };
_Static_assert(AT_ONCE * -INT8_MIN <= -INT16_MIN, "so many rows add up in 16 bits");
_Static_assert(BOUNCE_WORDS_ROW % (2 * LANES) == 0, "rows are made of vectors");
typedef int16_t pairs __attribute__((vector_size(2 * LANES), aligned(1), may_alias));
typedef int16_t sums __attribute__((vector_size(2 * LANES)));

typedef uint32_t four __attribute__((vector_size(16), may_alias));
_Static_assert(BOUNCE_LEARNED_BUCKET == 8, "twice four are compared");

static inline unsigned row_of(uint32_t hash)
{
    for (uint32_t i = hash;; i++) {
        const struct bounce_learned *b = &bounce_learned_table[i & bounce_learned_mask];
        const four *h = (const four *)b->hash, *r = (const four *)b->row;
        four either = ((four)(h[0] == hash) & r[0]) | ((four)(h[1] == hash) & r[1]);
        uint32_t row = either[0] | either[1] | either[2] | either[3];
        if (row != 0 || b->row[BOUNCE_LEARNED_BUCKET - 1] == 0) {
            return row;
        }
    }
}

unsigned bounce_learned_row_of(uint32_t hash)
{
    return row_of(hash);
}

/* Notes a row, if it is not the one that is none and is new. */
static inline void see(struct bounce_words_seen *seen, unsigned row)
{
    uint64_t *bits = &seen->row[row / 64], bit = (uint64_t)1 << row % 64;
    seen->list[seen->n] = (uint16_t)row;
    seen->n += row != 0 && (*bits & bit) == 0;
    *bits |= bit;
}

/* The rows of the words, each once. Returns whether some are of the text. */
static bool find_rows(const struct bounce_words_found *found,
                      struct bounce_words_seen *seen)
{
    seen->n = 0;
    for (size_t i = 0; i < found->numbers_n; i++) {
        see(seen, row_of(found->hash[i]));
    }
    size_t numbers_n = seen->n;
    for (size_t i = found->numbers_n; i < found->hashes_n; i++) {
        see(seen, row_of(found->hash[i]));
    }
    for (size_t i = 0; i < found->rows_n; i++) {
        see(seen, found->row[i]);
    }
    seen->row[0] = 0;
    for (size_t i = 0; i < seen->n; i++) {
        seen->row[seen->list[i] / 64] = 0;
    }
    return seen->n > numbers_n;
}

/* Some of them in 16 bits, which are enough for AT_ONCE. Two classes at a time are taken as one number:
 * its low octet is moved up and back down for its sign, the high one only down. */
static void add_rows(const uint16_t *row, size_t n, int sum[BOUNCE_WORDS_ROW])
{
    enum { LOW = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__, HIGH = 1 - LOW };
    sums part[VECTORS][2] = {{{0}}};
    int16_t all[BOUNCE_WORDS_ROW];
    for (size_t i = 0; i < n; i++) {
        const int8_t *at = bounce_learned_row[row[i]];
        for (unsigned v = 0; v < VECTORS; v++) {
            sums two = *(const pairs *)(at + 2 * LANES * v);
            part[v][LOW] += (two << 8) >> 8;
            part[v][HIGH] += two >> 8;
        }
    }
    memcpy(all, part, sizeof all);
    for (unsigned c = 0; c < BOUNCE_WORDS_ROW; c++) {
        sum[c] += all[c];
    }
}

bool bounce_words_weigh(const struct bounce_words_found *found,
                        struct bounce_words_seen *seen, struct bounce_words_sum *out)
{
    int most = INT32_MIN;
    bool of_text = find_rows(found, seen);
    memset(out->of, 0, sizeof out->of);
    for (size_t i = 0; i < seen->n; i += AT_ONCE) {
        add_rows(seen->list + i, seen->n - i < AT_ONCE ? seen->n - i : AT_ONCE, out->of);
    }
    for (unsigned c = 0; c < BOUNCE_CLASSES_N; c++) {
        most = out->of[c] > most ? out->of[c] : most;
    }
    out->most = most;
    out->share = bounce_words_share(seen->n) / BOUNCE_WORDS_ONE;
    return of_text;
}
