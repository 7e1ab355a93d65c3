#include "bounce/words.h"

#include <math.h>

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

/* FNV-1a */
static uint32_t hash_start(enum kind kind)
{
    return (2166136261U ^ (uint32_t)kind) * 16777619U;
}

static uint32_t hash_octets(uint32_t h, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        h = (h ^ p[i]) * 16777619U;
    }
    return h;
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
        r->token[r->tokens_n++] = (struct token){(uint16_t)from, (uint16_t)i, number};
    }
}

static void emit(struct reader *r, uint32_t hash, size_t from, size_t to)
{
    if (r->n < BOUNCE_WORDS_MAX) {
        r->out[r->n++] = (struct bounce_word){hash, (uint16_t)from, (uint16_t)to};
    }
}

/* All numbers are one word. */
static uint32_t hash_token(const struct reader *r, uint32_t h, size_t k)
{
    const struct token *t = &r->token[k];
    return t->number ? hash_octets(h, (const unsigned char *)"#", 1)
                     : hash_octets(h, r->text + t->from, (size_t)(t->to - t->from));
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
    uint32_t h = hash_start(WORD);
    unsigned concept = 0;
    for (size_t i = k; i < most && i < r->tokens_n; i++) {
        if (i > k && r->token[i].from != r->token[i - 1].to) {
            break;
        }
        h = hash_token(r, h, i);
        unsigned found = concept_of(h);
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
    unsigned char octet = (unsigned char)concept;
    emit(r, hash_octets(hash_start(CONCEPT), &octet, 1), t->from, r->token[last].to);
    return last;
}

static void read_words(struct reader *r)
{
    for (size_t k = 0; k < r->tokens_n; k++) {
        const struct token *t = &r->token[k];
        emit(r, hash_token(r, hash_start(WORD), k), t->from, t->to);
        if (t->to - t->from >= LONG_WORD && !t->number) {
            emit(r, hash_octets(hash_start(BEGINNING), r->text + t->from, STEM), t->from,
                 t->to);
        }
        if (k + 1 < r->tokens_n) {
            uint32_t h = hash_token(r, hash_start(PAIR), k);
            h = hash_octets(h, (const unsigned char *)" ", 1);
            emit(r, hash_token(r, h, k + 1), t->from, r->token[k + 1].to);
        }
    }
}

/* Two concepts close to each other, in this order. */
static void read_statements(struct reader *r)
{
    for (size_t a = 0; a < r->concepts_n; a++) {
        for (size_t b = a + 1; b < r->concepts_n && b <= a + PAIRS; b++) {
            unsigned char two[] = {r->concept[a].concept, r->concept[b].concept};
            size_t from = r->concept[a].token, to = r->concept[b].token;
            if (to - from <= NEAR && two[0] != two[1]) {
                emit(r, hash_octets(hash_start(STATEMENT), two, 2), r->token[from].from,
                     r->token[to].to);
            }
        }
    }
}

static void read_numbers(struct reader *r, unsigned code,
                         const struct bounce_status *status, size_t status_n)
{
    for (unsigned c = code; c > 0; c /= 100) { /* 550, 5 */
        unsigned char octets[] = {(unsigned char)(c >> 8), (unsigned char)c};
        emit(r, hash_octets(hash_start(CODE), octets, sizeof octets), 0, 0);
    }
    for (size_t i = 0; i < status_n; i++) {
        const struct bounce_status *s = &status[i];
        unsigned char octets[] = {(unsigned char)s->subject,
                                  (unsigned char)(s->detail >> 8),
                                  (unsigned char)s->detail, s->klass};
        uint32_t h = hash_start(STATUS);
        emit(r, hash_octets(h, octets, 1), 0, 0);
        emit(r, hash_octets(h, octets, 3), 0, 0);
        emit(r, hash_octets(h, octets, 4), 0, 0);
    }
    emit(r, hash_start(STATUS), 0, 0); /* in every reply */
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
