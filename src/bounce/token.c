#include "bounce/token.h"

#include "bounce/normal.h"
#include "bounce/pattern.h"

#include <endian.h>
#include <string.h>

/* As in word_hash() of tools/gen-bounce-rules.py. */
static const uint64_t FACTOR = 0x9e3779b97f4a7c15U;

static inline uint64_t first_octets(const unsigned char *p, size_t n)
{
    uint64_t all;
    memcpy(&all, p, sizeof all);
    all = le64toh(all);
    return n >= sizeof all ? all : all & (((uint64_t)1 << 8 * n) - 1);
}

uint64_t bounce_token_part(const unsigned char *p, size_t n)
{
    return first_octets(p, n);
}

static inline uint64_t stir(uint64_t h, uint64_t part)
{
    h = (h ^ part) * FACTOR;
    return h ^ h >> 32;
}

/* Of 8 octets at a time, the last ones (perhaps none) by themselves. Reads up to 8 more. */
static inline uint64_t hash_octets(const unsigned char *p, size_t n)
{
    uint64_t h = n * FACTOR;
    for (; n >= 8; n -= 8, p += 8) {
        h = stir(h, first_octets(p, 8));
    }
    return stir(h, first_octets(p, n));
}

uint64_t bounce_token_hash(const unsigned char *octets, size_t n)
{
    return hash_octets(octets, n);
}

static const uint64_t NUMBER_HASH = 0x446ade0c72888662U; /* of "#" */

enum { OTHER = 0, LETTER = 1, DIGIT = 2, IDEOGRAPH = 3, MASK = 4 };
/* clang-format off */
#define D DIGIT
#define L LETTER
#define I IDEOGRAPH
static const unsigned char kind_of[256] = {
    0,MASK,MASK,MASK,MASK,MASK,0,0,0,0,0,0,0,0,0,0, 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,
    0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0, D,D,D,D,D,D,D,D,D,D,0,0,0,0,0,0,
    0,L,L,L,L,L,L,L,L,L,L,L,L,L,L,L, L,L,L,L,L,L,L,L,L,L,L,0,0,0,0,0,
    0,L,L,L,L,L,L,L,L,L,L,L,L,L,L,L, L,L,L,L,L,L,L,L,L,L,L,0,0,0,0,0,
    L,L,L,L,L,L,L,L,L,L,L,L,L,L,L,L, L,L,L,L,L,L,L,L,L,L,L,L,L,L,L,L,
    L,L,L,L,L,L,L,L,L,L,L,L,L,L,L,L, L,L,L,L,L,L,L,L,L,L,L,L,L,L,L,L,
    L,L,L,L,L,L,L,L,L,L,L,L,L,L,L,L, L,L,L,L,L,L,L,L,L,L,L,L,L,L,L,L,
    I,I,I,I,I,I,I,I,I,I,I,I,I,I,I,I, I,I,I,I,I,I,I,I,I,I,I,I,I,I,I,I,
};
#undef D
#undef L
#undef I
/* clang-format on */
_Static_assert(BOUNCE_MASK_ID == 5, "the masks are 1 to 5");
_Static_assert((int)BOUNCE_NORMAL_SLACK >= (int)BOUNCE_TOKEN_SLACK,
               "what is read behind a text");

static inline bool in_word(unsigned char c)
{
    return kind_of[c] == LETTER || kind_of[c] == DIGIT;
}

static bool is_number(const unsigned char *p, size_t n)
{
    while (n > 0 && kind_of[p[n - 1]] == DIGIT) {
        n--;
    }
    return n == 0;
}

/* Where the token that begins at an edge ends; the edge itself: none begins there. Other letters than
 * those of ASCII have an edge each, so that a word may go on behind one. */
static inline size_t token_end(const unsigned char *text, size_t n, const uint64_t *edges,
                               size_t from)
{
    unsigned kind = kind_of[text[from]];
    size_t to = from + (kind != OTHER);
    if (kind == LETTER || kind == DIGIT) {
        to = bounce_edge_after(edges, from);
        while (to < n && in_word(text[to])) {
            to = bounce_edge_after(edges, to);
        }
    } else if (kind == IDEOGRAPH) {
        while (to < n && (text[to] & 0xc0) == 0x80) {
            to++;
        }
    }
    return to;
}

size_t bounce_tokens(const unsigned char *text, size_t n, const uint64_t *edges,
                     size_t max, struct bounce_token *out)
{
    size_t tokens_n = 0;
    for (size_t from = 0; from < n && tokens_n < max;) {
        size_t to = token_end(text, n, edges, from);
        if (to == from) {
            from = bounce_edge_after(edges, from);
            continue;
        }
        bool number = kind_of[text[from]] == DIGIT && is_number(text + from, to - from);
        out[tokens_n++] = (struct bounce_token){
            .hash = number ? NUMBER_HASH : hash_octets(text + from, to - from),
            .from = (uint16_t)from,
            .to = (uint16_t)to,
            .number = number};
        from = to;
    }
    return tokens_n;
}
