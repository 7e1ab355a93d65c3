/* senderauth/dkim_blame.c - which field was it? See dkim_signature.h.
 *
 * A signature that does not match says nothing of why. Two things can still be known. A copy of
 * the fields (z=) shows what they were. And a field that was signed as absent (its name stands in
 * h= once more than the signer had of it) is found by leaving it out: if the signature verifies
 * then, that field was added. */
#include "senderauth/dkim_signature.h"

enum {
    SUSPECTS_MAX = 4, /* each costs a verification */
    NAMES_MAX = 256,  /* of h= that are looked at */
    COPIES_MAX = 64,
    SAME_NAME_MAX = 16,
    COPY_SIZE_MAX = 16384 /* octets of a field compared */
};

struct suspects {
    uint32_t field[SUSPECTS_MAX];
    unsigned n;
};

/* How often h= asks for that name. */
static unsigned asked_for(struct slice list, struct slice name)
{
    struct slice item;
    unsigned n = 0;
    for (unsigned i = 0; i < NAMES_MAX && dkim_list_next(&list, ':', &item); i++) {
        n += slice_ieq(item, name);
    }
    return n;
}

static void add_suspect(struct suspects *s, uint32_t index)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (s->field[i] == index) {
            return;
        }
    }
    if (s->n < SUSPECTS_MAX) {
        s->field[s->n++] = index;
    }
}

/* The top field of each name that h= has at least twice, and at least as often as there are. */
static void find_suspects(const struct dkim_signature *s, const struct header_table *t,
                          struct suspects *out)
{
    struct slice rest = s->h, name;
    for (unsigned i = 0; i < NAMES_MAX && dkim_list_next(&rest, ':', &name); i++) {
        uint32_t top = header_table_top(t, name);
        unsigned asked = asked_for(s->h, name);
        if (top != HEADER_NONE && top != s->field && asked >= 2 &&
            asked >= header_table_count(t, name)) {
            add_suspect(out, top);
        }
    }
}

static bool verifies_without(struct dkim_signature *s, struct header_table *t,
                             struct crypto *c, const struct dns_source *dns,
                             struct buf *octets, const uint32_t *absent, unsigned n)
{
    unsigned char digest[CRYPTO_HASH_LEN];
    struct crypto_hash hash = {0};
    enum dkim_reason reason = DKIM_REASON_MEMORY;
    bool ok = dkim_signature_digest(s, t, c, &hash, absent, n, digest) &&
              dkim_signature_key(s, c, dns, octets, digest, &reason) &&
              reason == DKIM_REASON_NONE;
    crypto_hash_clear(&hash);
    return ok;
}

static bool blame_added(struct dkim_signature *s, struct header_table *t,
                        struct crypto *c, const struct dns_source *dns,
                        struct buf *octets)
{
    struct suspects found = {.n = 0};
    find_suspects(s, t, &found);
    for (unsigned i = 0; i < found.n; i++) {
        if (verifies_without(s, t, c, dns, octets, &found.field[i], 1)) {
            s->reason = DKIM_REASON_FIELD_ADDED;
            s->detail = header_ref_name(&t->field[found.field[i]]);
            return true;
        }
    }
    if (found.n > 1 && verifies_without(s, t, c, dns, octets, found.field, found.n)) {
        s->reason = DKIM_REASON_FIELD_ADDED;
        s->detail = header_ref_name(&t->field[found.field[0]]);
        return true;
    }
    return false;
}

/* Octets without white space: as z= has them (its folds stand for nothing). */
static void squeeze(struct slice s, struct buf *out)
{
    buf_reset(out);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n') {
            buf_add_byte(out, c);
        }
    }
}

/* Is there a field of that name with that content? Or too many to say. */
static bool stands_in(struct header_table *t, struct slice name, struct slice content,
                      struct buf *scratch)
{
    if (header_table_count(t, name) > SAME_NAME_MAX) {
        return true;
    }
    header_table_rewind(t);
    for (;;) {
        uint32_t index = header_table_take(t, name);
        if (index == HEADER_NONE) {
            return false;
        }
        squeeze(header_ref_value(&t->field[index]), scratch);
        if (scratch->failed || slice_eq(buf_slice(scratch), content)) {
            return true;
        }
    }
}

static bool blame_copy(struct dkim_signature *s, struct header_table *t,
                       struct slice name, struct slice copy, struct buf work[2])
{
    buf_reset(&work[0]);
    if (asked_for(s->h, name) == 0 || !dkim_qp(copy, &work[0])) {
        return false;
    }
    squeeze(buf_slice(&work[0]), &work[1]);
    struct slice content = buf_slice(&work[1]);
    if (work[1].failed || stands_in(t, name, content, &work[0])) {
        return false;
    }
    s->reason = header_table_count(t, name) == 0 ? DKIM_REASON_FIELD_REMOVED
                                                 : DKIM_REASON_FIELD_CHANGED;
    s->detail = name;
    return true;
}

static bool blame_copies(struct dkim_signature *s, struct header_table *t)
{
    struct slice rest = s->z, copy;
    struct buf work[2];
    bool found = false;
    buf_init(&work[0], COPY_SIZE_MAX);
    buf_init(&work[1], COPY_SIZE_MAX);
    for (unsigned i = 0; !found && i < COPIES_MAX && dkim_list_next(&rest, '|', &copy);
         i++) {
        size_t colon = slice_find(copy, ':');
        struct slice name = dkim_trim(slice_sub(copy, 0, colon));
        found =
            colon < copy.len && blame_copy(s, t, name, slice_from(copy, colon + 1), work);
    }
    buf_clear(&work[0]);
    buf_clear(&work[1]);
    return found;
}

void dkim_signature_blame(struct dkim_signature *s, struct header_table *t,
                          struct crypto *c, const struct dns_source *dns,
                          struct buf *octets)
{
    if (s->reason == DKIM_REASON_HEADER_CHANGED && !blame_added(s, t, c, dns, octets)) {
        s->reason = DKIM_REASON_HEADER_CHANGED;
        IGNORE(blame_copies(s, t)); /* sets reason and detail where it finds something */
    }
}
