#include "bounce/words.h"

#include "bounce/vocabulary.h"

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

struct reader {
    const unsigned char *text;
    const struct bounce_token *token;
    size_t tokens_n;
    struct {
        uint16_t token;
        uint8_t concept;
    } concept[CONCEPTS_MAX];
    size_t concepts_n;
    struct bounce_words_found *out;
};

static const uint64_t FACTOR = 0x9e3779b97f4a7c15U;

static uint32_t hash_of(enum kind kind, uint64_t what)
{
    return (uint32_t)((what ^ (uint64_t)kind) * FACTOR >> 32);
}

static inline void emit_row(struct reader *r, unsigned row)
{
    struct bounce_words_found *f = r->out;
    if (f->rows_n < BOUNCE_WORDS_MAX) {
        f->row[f->rows_n] = (uint16_t)row;
        f->rows_n += row != 0; /* none is overwritten */
    }
}

static inline void emit(struct reader *r, uint32_t hash)
{
    struct bounce_words_found *f = r->out;
    if (f->hashes_n < BOUNCE_WORDS_MAX) {
        f->hash[f->hashes_n++] = hash;
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

static void add_concept(struct reader *r, size_t token, unsigned concept)
{
    r->concept[r->concepts_n].token = (uint16_t)token;
    r->concept[r->concepts_n++].concept = (uint8_t) concept;
}

static uint32_t hash_of_concept(unsigned concept)
{
    return hash_of(CONCEPT, (uint64_t) concept << 8);
}

/* Token k, or, from an ideograph, the longest of the concepts' words. Returns its last token. */
static size_t read_concept(struct reader *r, size_t k)
{
    const struct bounce_token *t = &r->token[k];
    size_t last = k, most = k + (r->text[t->from] >= 0xe0 ? CONCEPT_CHARS : 1);
    unsigned concept = 0;
    for (size_t i = k; i < most && i < r->tokens_n; i++) {
        if (i > k && r->token[i].from != r->token[i - 1].to) {
            break;
        }
        size_t len = (size_t)(r->token[i].to - t->from);
        uint64_t h = i == k ? t->hash : bounce_token_hash(r->text + t->from, len);
        unsigned found = concept_of(hash_of(WORD, h));
        if (found != 0) {
            concept = found;
            last = i;
        }
    }
    if (concept != 0) {
        add_concept(r, k, concept);
        emit(r, hash_of_concept(concept));
    }
    return last;
}

static bool has_stem(const struct bounce_token *t)
{
    return t->to - t->from >= LONG_WORD && !t->number;
}

static uint32_t hash_of_stem(const unsigned char *text, const struct bounce_token *t)
{
    return hash_of(BEGINNING, bounce_token_hash(text + t->from, STEM));
}

/* Of a usual word the vocabulary says all but what follows from its neighbours. */
static void read_words(struct reader *r)
{
    for (size_t k = 0; k < r->tokens_n; k++) {
        const struct bounce_token *t = &r->token[k];
        if (t->known != NULL) {
            emit_row(r, t->known->row);
            emit_row(r, t->known->stem_row);
        } else {
            emit(r, hash_of(WORD, t->hash));
            if (has_stem(t)) {
                emit(r, hash_of_stem(r->text, t));
            }
        }
        if (k + 1 < r->tokens_n) {
            uint64_t both = (t->hash << 23 | t->hash >> 41) ^ t[1].hash;
            emit(r, hash_of(PAIR, both));
        }
    }
}

static void read_concepts(struct reader *r)
{
    for (size_t k = 0; k < r->tokens_n; k++) {
        const struct bounce_vocable *known = r->token[k].known;
        if (known == NULL) {
            k = read_concept(r, k);
        } else if (known->concept != 0) {
            add_concept(r, k, known->concept);
            emit_row(r, known->concept_row);
        }
    }
}

void bounce_word_alone(const unsigned char *text, const struct bounce_token *token,
                       struct bounce_word_alone *out)
{
    *out = (struct bounce_word_alone){.word = hash_of(WORD, token->hash),
                                      .has_stem = has_stem(token)};
    out->stem = out->has_stem ? hash_of_stem(text, token) : 0;
    out->concept = (uint8_t)concept_of(out->word);
    out->concept_hash = hash_of_concept(out->concept);
}

/* Two concepts close to each other, in this order. */
static void read_statements(struct reader *r)
{
    for (size_t a = 0; a < r->concepts_n; a++) {
        for (size_t b = a + 1; b < r->concepts_n && b <= a + PAIRS; b++) {
            unsigned two[] = {r->concept[a].concept, r->concept[b].concept};
            size_t from = r->concept[a].token, to = r->concept[b].token;
            if (to - from <= NEAR && two[0] != two[1]) {
                emit(r, hash_of(STATEMENT, (uint64_t)two[0] << 16 | two[1] << 8));
            }
        }
    }
}

static void read_numbers(struct reader *r, unsigned code,
                         const struct bounce_status *status, size_t status_n)
{
    for (unsigned c = code; c > 0; c /= 100) { /* 550, 5 */
        emit(r, hash_of(CODE, (uint64_t)c << 8));
    }
    for (size_t i = 0; i < status_n; i++) { /* x.7.z, x.7.1, 5.7.1 */
        const struct bounce_status *s = &status[i];
        uint64_t what = (uint64_t)s->subject << 48 | (uint64_t)1 << 40;
        emit(r, hash_of(STATUS, what));
        what |= (uint64_t)s->detail << 24 | (uint64_t)2 << 40;
        emit(r, hash_of(STATUS, what));
        what |= (uint64_t)s->klass << 8 | (uint64_t)4 << 40;
        emit(r, hash_of(STATUS, what));
    }
    emit(r, hash_of(STATUS, 0)); /* in every reply */
}

void bounce_words(const struct bounce_normal *n, const struct bounce_token *token,
                  size_t tokens_n, unsigned code, const struct bounce_status *status,
                  size_t status_n, struct bounce_words_found *out)
{
    struct reader r;
    r.text = n->text;
    r.token = token;
    r.tokens_n = tokens_n < BOUNCE_WORDS_TOKENS ? tokens_n : BOUNCE_WORDS_TOKENS;
    r.out = out;
    r.concepts_n = out->hashes_n = out->rows_n = 0;
    read_numbers(&r, code, status, status_n);
    out->numbers_n = out->hashes_n;
    read_words(&r);
    read_concepts(&r);
    read_statements(&r);
}

double bounce_words_share(size_t known_n)
{
    return 1 / sqrt(known_n < 4 ? 4.0 : (double)known_n);
}
