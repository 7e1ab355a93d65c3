#include "bounce/words.h"

#include <endian.h>
#include <math.h>
#include <string.h>

enum {
    STEM = 5,      /* letters of a long word that count by themselves */
    LONG_WORD = 7, /* letters */
    CONCEPTS_MAX = BOUNCE_WORDS_TOKENS,
    NEAR = 6,          /* words between which two concepts may be one statement */
    PAIRS = 3,         /* concepts that one is paired with */
    IDEOGRAPHS = 3,    /* octets of one in UTF-8 */
    CONCEPT_CHARS = 4, /* ideographs of a concept's word, at most */
};

/* What a hash is of. */
enum kind {
    WORD = 'w',
    BEGINNING = '+',
    PAIR = '2',
    CONCEPT = 'c',
    STATEMENT = 's',
    CODE = '=',
    STATUS = '@'
};

struct token {
    uint64_t hash; /* of its octets; all numbers are one word */
    uint16_t from, to;
    bool number;
};

struct reader {
    const unsigned char *text;
    struct token token[BOUNCE_WORDS_TOKENS];
    size_t tokens_n;
    struct {
        uint16_t token;
        uint8_t concept;
    } concept[CONCEPTS_MAX];
    size_t concepts_n;
    struct bounce_word *out;
    size_t n;
};

/* Of up to 8 octets at a time; as word_hash() in tools/gen-bounce-rules.py. */
static const uint64_t FACTOR = 0x9e3779b97f4a7c15U;

static uint64_t hash_octets(const unsigned char *p, size_t n)
{
    uint64_t h = n * FACTOR, part;
    for (; n >= sizeof part; n -= sizeof part, p += sizeof part) {
        memcpy(&part, p, sizeof part);
        h = (h ^ le64toh(part)) * FACTOR;
        h ^= h >> 32;
    }
    part = 0;
    for (size_t i = 0; i < n; i++) {
        part |= (uint64_t)p[i] << 8 * i;
    }
    h = (h ^ part) * FACTOR;
    return h ^ h >> 32;
}

static uint32_t hash_of(enum kind kind, uint64_t what)
{
    return (uint32_t)((what ^ (uint64_t)kind) * FACTOR >> 32);
}

static bool in_word(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || (c >= 0x80 && c < 0xe0);
}

/* Words, masks and, as they stand without blanks, single ideographs. */
static void read_tokens(struct reader *r, size_t len)
{
    for (size_t i = 0; i < len && r->tokens_n < BOUNCE_WORDS_TOKENS;) {
        size_t from = i;
        unsigned char c = r->text[i];
        bool number = ascii_is_digit(c);
        if (c >= 0xe0) {
            i++;
            while (i < len && (r->text[i] & 0xc0) == 0x80) {
                i++;
            }
        } else if (in_word(c)) {
            for (; i < len && in_word(r->text[i]); i++) {
                number = number && ascii_is_digit(r->text[i]);
            }
        } else {
            i++;
            if (c == 0 || c > BOUNCE_MASK_ID) {
                continue;
            }
        }
        uint64_t hash = number ? hash_octets((const unsigned char *)"#", 1)
                               : hash_octets(r->text + from, i - from);
        r->token[r->tokens_n++] =
            (struct token){hash, (uint16_t)from, (uint16_t)i, number};
    }
}

static void emit(struct reader *r, uint32_t hash, size_t from, size_t to)
{
    if (r->n < BOUNCE_WORDS_MAX) {
        r->out[r->n++] = (struct bounce_word){hash, (uint16_t)from, (uint16_t)to};
    }
}

static unsigned concept_of(uint32_t hash)
{
    for (uint32_t i = hash;; i++) {
        const struct bounce_concept *c = &bounce_concept_table[i & bounce_concept_mask];
        if (c->concept == 0 || c->hash == hash) {
            return c->concept;
        }
    }
}

/* Token k, or, from an ideograph, the longest of the concepts' words. Returns its last token. */
static size_t read_concept(struct reader *r, size_t k)
{
    const struct token *t = &r->token[k];
    size_t last = k, most = k + (r->text[t->from] >= 0xe0 ? CONCEPT_CHARS : 1);
    unsigned concept = 0;
    for (size_t i = k; i < most && i < r->tokens_n; i++) {
        if (i > k && r->token[i].from != r->token[i - 1].to) {
            break;
        }
        uint64_t h =
            i == k ? t->hash
                   : hash_octets(r->text + t->from, (size_t)(r->token[i].to - t->from));
        unsigned found = concept_of(hash_of(WORD, h));
        if (found != 0) {
            concept = found;
            last = i;
        }
    }
    if (concept == 0) {
        return k;
    }
    r->concept[r->concepts_n].token = (uint16_t)k;
    r->concept[r->concepts_n++].concept = (uint8_t) concept;
    emit(r, hash_of(CONCEPT, (uint64_t) concept << 8), t->from, r->token[last].to);
    return last;
}

static void read_words(struct reader *r)
{
    for (size_t k = 0; k < r->tokens_n; k++) {
        const struct token *t = &r->token[k];
        emit(r, hash_of(WORD, t->hash), t->from, t->to);
        if (t->to - t->from >= LONG_WORD && !t->number) {
            emit(r, hash_of(BEGINNING, hash_octets(r->text + t->from, STEM)), t->from,
                 t->to);
        }
        if (k + 1 < r->tokens_n) {
            uint64_t both = (t->hash << 23 | t->hash >> 41) ^ t[1].hash;
            emit(r, hash_of(PAIR, both), t->from, t[1].to);
        }
    }
}

/* Two concepts close to each other, in this order. */
static void read_statements(struct reader *r)
{
    for (size_t a = 0; a < r->concepts_n; a++) {
        for (size_t b = a + 1; b < r->concepts_n && b <= a + PAIRS; b++) {
            unsigned two[] = {r->concept[a].concept, r->concept[b].concept};
            size_t from = r->concept[a].token, to = r->concept[b].token;
            if (to - from <= NEAR && two[0] != two[1]) {
                emit(r, hash_of(STATEMENT, (uint64_t)two[0] << 16 | two[1] << 8),
                     r->token[from].from, r->token[to].to);
            }
        }
    }
}

static void read_numbers(struct reader *r, unsigned code,
                         const struct bounce_status *status, size_t status_n)
{
    for (unsigned c = code; c > 0; c /= 100) { /* 550, 5 */
        emit(r, hash_of(CODE, (uint64_t)c << 8), 0, 0);
    }
    for (size_t i = 0; i < status_n; i++) { /* x.7.z, x.7.1, 5.7.1 */
        const struct bounce_status *s = &status[i];
        uint64_t what = (uint64_t)s->subject << 48 | (uint64_t)1 << 40;
        emit(r, hash_of(STATUS, what), 0, 0);
        what |= (uint64_t)s->detail << 24 | (uint64_t)2 << 40;
        emit(r, hash_of(STATUS, what), 0, 0);
        what |= (uint64_t)s->klass << 8 | (uint64_t)4 << 40;
        emit(r, hash_of(STATUS, what), 0, 0);
    }
    emit(r, hash_of(STATUS, 0), 0, 0); /* in every reply */
}

size_t bounce_words(const struct bounce_normal *n, unsigned code,
                    const struct bounce_status *status, size_t status_n,
                    struct bounce_word out[BOUNCE_WORDS_MAX])
{
    struct reader r;
    r.text = n->text;
    r.out = out;
    r.tokens_n = r.concepts_n = r.n = 0;
    read_numbers(&r, code, status, status_n);
    read_tokens(&r, n->main_len);
    read_words(&r);
    for (size_t k = 0; k < r.tokens_n; k++) {
        k = read_concept(&r, k);
    }
    read_statements(&r);
    return r.n;
}

double bounce_words_share(size_t known_n)
{
    return 1 / sqrt(known_n < 4 ? 4.0 : (double)known_n);
}
