/* senderauth/arc.c - see arc.h */
#include "senderauth/arc.h"

#include "senderauth/authres.h"
#include "senderauth/dkim_explain.h"
#include "senderauth/dkim_signature.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_MAX = 512 * 1024, KEY_OCTETS_MAX = 65536, TEXT_MAX = 1024 };

enum part { AAR = 0, AMS, SEAL, PART_N };
static const struct slice part_names[PART_N] = {SLICE_INIT("ARC-Authentication-Results"),
                                                SLICE_INIT("ARC-Message-Signature"),
                                                SLICE_INIT("ARC-Seal")};

struct set {
    bool has[PART_N];
    uint32_t field[PART_N];
    struct slice results;        /* of the AAR */
    struct dkim_signature *seal; /* in the arena */
    unsigned char digest[CRYPTO_HASH_LEN];
    bool says_fail; /* cv=fail */
    bool checked;
};

struct arc {
    struct arc_options o;
    struct header_table table;
    struct arena arena;
    struct buf octets;
    struct set set[ARC_INSTANCES_MAX + 1]; /* by instance */
    struct dkim_signature *ams;            /* the newest set's */
    bool ams_checked, done;
    struct arc_result result;
};

const char *arc_cv_word(enum arc_cv cv)
{
    return cv == ARC_PASS ? "pass" : cv == ARC_FAIL ? "fail" : "none";
}

/* The first thing that is wrong is told. */
static void fail(struct arc *a, unsigned instance, enum dkim_reason reason,
                 struct slice text)
{
    if (a->result.cv == ARC_FAIL) {
        return;
    }
    a->done = true;
    a->result.cv = ARC_FAIL;
    a->result.instance = instance;
    a->result.reason = reason;
    a->result.temporary = dkim_reason_rows[reason].verdict == DKIM_TEMPERROR;
    if (!arena_dup(&a->arena, text, &a->result.text)) {
        a->result.text = SLICE("the ARC chain does not hold");
    }
}

static void fail_fmt(struct arc *a, unsigned instance, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void fail_fmt(struct arc *a, unsigned instance, const char *fmt, ...)
{
    struct buf text;
    va_list args;
    buf_init(&text, TEXT_MAX);
    va_start(args, fmt);
    buf_add_vfmt(&text, fmt, args);
    va_end(args);
    fail(a, instance, DKIM_REASON_NONE, buf_slice(&text));
    buf_clear(&text);
}

static void fail_signature(struct arc *a, unsigned instance, enum part part,
                           const struct dkim_signature *s)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    buf_add_fmt(&text, "in ARC set %u, %.*s: ", instance, (int)part_names[part].len,
                (const char *)part_names[part].ptr);
    dkim_explain(&text, s, 0);
    fail(a, instance, s->reason, buf_slice(&text));
    buf_clear(&text);
}

static enum part part_of(struct slice name)
{
    unsigned i = 0;
    while (i < PART_N && !slice_ieq(name, part_names[i])) {
        i++;
    }
    return (enum part)i;
}

/* The instance of a field; 0: it has none that can be. */
static unsigned read_part(struct arc *a, enum part part, uint32_t index,
                          struct slice *results, struct dkim_signature *s)
{
    unsigned instance = 0;
    if (part == AAR) {
        struct slice value = header_ref_value(&a->table.field[index]);
        bool ok = authres_instance(value, &instance, results);
        return ok && instance <= ARC_INSTANCES_MAX ? instance : 0;
    }
    struct arena_mark mark = arena_mark(&a->arena);
    dkim_signature_read(part == AMS ? SIGNATURE_AMS : SIGNATURE_SEAL, &a->table, index,
                        &a->arena, s);
    if (s->reason == DKIM_REASON_SYNTAX) {
        s->instance = 0;
    }
    instance = s->instance;
    arena_release(&a->arena, mark); /* what is needed is read again later */
    return instance;
}

static bool take_field(struct arc *a, enum part part, uint32_t index)
{
    struct dkim_signature s;
    struct slice results = {0};
    unsigned instance = read_part(a, part, index, &results, &s);
    if (instance == 0) {
        fail_fmt(a, 0, "the %s in line %u has no readable instance (i=)",
                 (const char *)part_names[part].ptr,
                 (unsigned)a->table.field[index].line);
        return false;
    }
    struct set *set = &a->set[instance];
    if (instance > a->result.highest) {
        a->result.highest = instance;
    }
    if (set->has[part]) {
        fail_fmt(a, instance, "ARC set %u has more than one %s", instance,
                 (const char *)part_names[part].ptr);
        return false;
    }
    set->has[part] = true;
    set->field[part] = index;
    if (part == AAR) {
        set->results = results;
    } else if (part == SEAL) {
        set->says_fail = slice_eq(s.cv, SLICE("fail"));
    }
    return true;
}

/* All fields into their sets. False: the chain fails, or there is none. */
static bool collect(struct arc *a)
{
    bool any = false, ok = true;
    for (uint32_t i = 0; i < a->table.n; i++) {
        enum part part = part_of(header_ref_name(&a->table.field[i]));
        if (part != PART_N) {
            any = true;
            ok = take_field(a, part, i) && ok;
        }
    }
    if (a->table.too_many) {
        fail_fmt(a, 0, "the header has too many fields");
    }
    a->result.final = a->set[a->result.highest].says_fail;
    a->done = a->done || !any;
    return any && ok && !a->done;
}

static bool complete(struct arc *a)
{
    for (unsigned i = 1; i <= a->result.highest; i++) {
        for (unsigned part = 0; part < PART_N; part++) {
            if (!a->set[i].has[part]) {
                fail_fmt(a, i, "ARC set %u lacks its %s", i,
                         (const char *)part_names[part].ptr);
                return false;
            }
        }
    }
    return true;
}

static bool read_seal(struct arc *a, unsigned instance)
{
    struct set *set = &a->set[instance];
    set->seal = arena_alloc(&a->arena, sizeof *set->seal);
    if (set->seal == NULL) {
        fail(a, instance, DKIM_REASON_MEMORY, SLICE("memory is short"));
        return false;
    }
    dkim_signature_read(SIGNATURE_SEAL, &a->table, set->field[SEAL], &a->arena,
                        set->seal);
    return true;
}

/* RFC 8617 5.2 step 3: what the seals say of the chain before them. */
static bool check_claims(struct arc *a)
{
    for (unsigned i = a->result.highest; i >= 1; i--) {
        if (!read_seal(a, i)) {
            return false;
        }
        struct slice cv = a->set[i].seal->cv;
        if (a->set[i].says_fail) {
            fail_fmt(a, i, "the sealer of ARC set %u found the chain broken (cv=fail)",
                     i);
            return false;
        }
        if (cv.len > 0 && slice_eq(cv, SLICE("none")) != (i == 1)) {
            fail_fmt(a, i, "ARC set %u says cv=%s", i, i == 1 ? "pass" : "none");
            return false;
        }
        if (a->set[i].seal->reason != DKIM_REASON_NONE) {
            fail_signature(a, i, SEAL, a->set[i].seal);
            return false;
        }
    }
    return true;
}

static bool read_ams(struct arc *a)
{
    unsigned i = a->result.highest;
    struct dkim_signature *s = a->ams = arena_alloc(&a->arena, sizeof *a->ams);
    if (s == NULL) {
        fail(a, i, DKIM_REASON_MEMORY, SLICE("memory is short"));
        return false;
    }
    dkim_signature_read(SIGNATURE_AMS, &a->table, a->set[i].field[AMS], &a->arena, s);
    if (s->reason == DKIM_REASON_NONE && a->o.now != 0 && s->expires != 0 &&
        a->o.now > s->expires) {
        s->reason = DKIM_REASON_EXPIRED;
    }
    if (s->reason == DKIM_REASON_NONE) {
        s->wish = dkim_body_want(a->o.body, s->body_relaxed, s->length);
        s->reason =
            s->wish == DKIM_BODY_NO_WISH ? DKIM_REASON_TOO_MANY : DKIM_REASON_NONE;
    }
    if (s->reason != DKIM_REASON_NONE) {
        fail_signature(a, i, AMS, s);
    }
    return s->reason == DKIM_REASON_NONE;
}

static void to_hash(void *arg, struct slice piece)
{
    crypto_hash_add(arg, piece);
}

/* RFC 8617 5.1.1: a seal covers the sets up to its own, oldest first, its own field last and
 * without its b=. What is common to all seals is hashed once. */
static bool hash_seals(struct arc *a)
{
    struct crypto_hash all = {0}, one = {0};
    const struct slice none = {0};
    bool ok = true;
    crypto_hash_begin(a->o.crypto, &all);
    for (unsigned i = 1; ok && i <= a->result.highest; i++) {
        struct set *set = &a->set[i];
        const struct header_ref *f = a->table.field;
        header_canon(&f[set->field[AAR]], true, none, false, to_hash, &all);
        header_canon(&f[set->field[AMS]], true, none, false, to_hash, &all);
        crypto_hash_copy(&all, &one);
        header_canon(&f[set->field[SEAL]], true, set->seal->b_span, true, to_hash, &one);
        header_canon(&f[set->field[SEAL]], true, none, false, to_hash, &all);
        ok = crypto_hash_end(&one, set->digest);
    }
    crypto_hash_clear(&all);
    crypto_hash_clear(&one);
    if (!ok) {
        fail(a, 0, DKIM_REASON_MEMORY, SLICE("memory is short"));
    }
    return ok;
}

struct arc *arc_new(const struct arc_options *o, struct slice header)
{
    struct arc *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return NULL;
    }
    a->o = *o;
    arena_init(&a->arena, ARENA_MAX);
    buf_init(&a->octets, KEY_OCTETS_MAX);
    if (!header_table_init(&a->table, header)) {
        arc_free(&a);
        return NULL;
    }
    if (collect(a) && complete(a) && check_claims(a) && read_ams(a)) {
        IGNORE(hash_seals(a)); /* has said so itself */
    }
    return a;
}

void arc_free(struct arc **a)
{
    if (*a == NULL) {
        return;
    }
    header_table_clear(&(*a)->table);
    arena_clear(&(*a)->arena);
    buf_clear(&(*a)->octets);
    free(*a);
    *a = NULL;
}

void arc_ask(struct arc *a, const struct dns_source *dns)
{
    if (a->done) {
        return;
    }
    (void)dns->ask(dns->arg, DNS_TXT, slice_of(a->ams->key_name));
    for (unsigned i = a->result.highest; i >= 1; i--) {
        (void)dns->ask(dns->arg, DNS_TXT, slice_of(a->set[i].seal->key_name));
    }
}

/* All are asked for and checked before anything is told, so that it is the same whatever answer
 * came first. */
static bool check_all(struct arc *a, const struct dns_source *dns)
{
    bool known = true;
    if (!a->ams_checked) {
        a->ams_checked = dkim_signature_check(a->ams, &a->table, a->o.crypto, a->o.body,
                                              dns, &a->octets);
        known = a->ams_checked;
        if (known) {
            dkim_signature_blame(a->ams, &a->table, a->o.crypto, dns, &a->octets);
        }
    }
    for (unsigned i = a->result.highest; i >= 1; i--) {
        struct set *set = &a->set[i];
        if (!set->checked) {
            set->checked = dkim_signature_key(set->seal, a->o.crypto, dns, &a->octets,
                                              set->digest, &set->seal->reason);
            known = known && set->checked;
        }
    }
    return known;
}

static bool holds(struct arc *a, unsigned instance, enum part part,
                  const struct dkim_signature *s, bool temporary)
{
    bool is_temporary = dkim_reason_rows[s->reason].verdict == DKIM_TEMPERROR;
    if (s->reason == DKIM_REASON_NONE || is_temporary != temporary) {
        return true;
    }
    fail_signature(a, instance, part, s);
    return false;
}

/* Permanent faults before temporary ones, newer before older. */
static void conclude(struct arc *a)
{
    for (int temporary = 0; temporary < 2; temporary++) {
        if (!holds(a, a->result.highest, AMS, a->ams, temporary)) {
            return;
        }
        for (unsigned i = a->result.highest; i >= 1; i--) {
            if (!holds(a, i, SEAL, a->set[i].seal, temporary)) {
                return;
            }
        }
    }
    a->result.cv = ARC_PASS;
    a->done = true;
}

enum dkim_state arc_evaluate(struct arc *a, const struct dns_source *dns)
{
    if (!a->done) {
        if (!check_all(a, dns)) {
            return DKIM_WAITING;
        }
        conclude(a);
    }
    return DKIM_DONE;
}

const struct arc_result *arc_result(const struct arc *a)
{
    return &a->result;
}

bool arc_set(const struct arc *a, unsigned instance, struct arc_set *out)
{
    if (instance < 1 || instance > a->result.highest || a->set[instance].seal == NULL) {
        return false;
    }
    const struct set *set = &a->set[instance];
    *out = (struct arc_set){set->seal->domain, set->seal->selector, set->results};
    return true;
}

void arc_hash_sets(const struct arc *a, struct crypto_hash *hash)
{
    for (unsigned i = 1; i <= a->result.highest; i++) {
        for (unsigned part = 0; part < PART_N; part++) {
            if (a->set[i].has[part]) {
                header_canon(&a->table.field[a->set[i].field[part]], true,
                             (struct slice){0}, false, to_hash, hash);
            }
        }
    }
}
