#include "bounce/vocabulary.h"

static const struct bounce_vocable *find(uint64_t hash, uint64_t low, uint64_t high)
{
    for (uint64_t i = hash;; i++) {
        const struct bounce_vocable *v = &bounce_vocabulary[i & bounce_vocabulary_mask];
        if (v->octets[0] == low && v->octets[1] == high) {
            return v;
        }
        if (v->octets[0] == 0) {
            return NULL;
        }
    }
}

void bounce_vocabulary_find(const unsigned char *text, struct bounce_token *token,
                            size_t n)
{
    for (struct bounce_token *t = token; t < token + n; t++) {
        size_t len = (size_t)(t->to - t->from);
        const unsigned char *p = text + t->from;
        if (len <= BOUNCE_VOCABLE_OCTETS && !t->number) {
            t->known = find(t->hash, bounce_token_part(p, len),
                            len > 8 ? bounce_token_part(p + 8, len - 8) : 0);
        }
    }
}
