#include "bounce/classify.h"

#include "bounce/normal.h"
#include "bounce/pattern.h"
#include "bounce/table.h"

#include <hs/hs_runtime.h>
#include <stdlib.h>
#include <string.h>

enum {
    FOUND_MAX = 1024, /* literals in one text; more are dropped */
    HITS_MAX = 256,   /* patterns that match */
    STEPS_MAX =
        100000, /* of all patterns in one text, some 10 ns each; usual: under 100 */
    MARKS_FIRST = BOUNCE_RULES_TEXT_N,
    RETRY_FIRST = MARKS_FIRST + BOUNCE_MARKS_N,
    PATTERNS_N = RETRY_FIRST + BOUNCE_RETRY_N,
    WAIT_MAX_S = 7 * 24 * 3600,
    STATUS_MAX = BOUNCE_NORMAL_STATUS_MAX + 1,
    CONTEST = 8, /* so much heavier must a hard class be than what speaks against it */
};

struct hit {
    uint32_t id, from, to;
};

/* A literal of the database in the text. */
struct found {
    uint32_t literal, to;
};

struct bounce_classifier {
    hs_database_t *db;
    hs_scratch_t *scratch;
    struct found found[FOUND_MAX];
    unsigned found_n;
    uint32_t call;             /* number of the reply */
    uint32_t seen[PATTERNS_N]; /* the last reply in which a pattern matched */
    struct hit hit[HITS_MAX];
    unsigned hits_n, without;
    size_t names_start; /* in normal.text: where the server's own names begin */
    struct bounce_match match[HITS_MAX + BOUNCE_RULES_N - BOUNCE_RULES_TEXT_N];
    size_t matches_n;
    struct bounce_normal normal;
};

/* All that is known when the rules are weighed. */
struct facts {
    unsigned code;
    struct bounce_status status[STATUS_MAX];
    unsigned status_n;
    enum bounce_stage stage;
    enum bounce_provider provider;
};

struct bounce_classifier *bounce_classifier_new(void)
{
    struct bounce_classifier *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->without = BOUNCE_RULE_NONE;
    const char *octets = (const char *)bounce_db_words;
    if (hs_deserialize_database(octets, bounce_db_len, &c->db) != HS_SUCCESS ||
        hs_alloc_scratch(c->db, &c->scratch) != HS_SUCCESS) {
        bounce_classifier_free(&c);
    }
    return c;
}

void bounce_classifier_free(struct bounce_classifier **c)
{
    if (*c == NULL) {
        return;
    }
    /* Both take NULL; a failure would be our bug and leaves nothing to do. */
    IGNORE(hs_free_scratch((*c)->scratch));
    IGNORE(hs_free_database((*c)->db));
    free(*c);
    *c = NULL;
}

void bounce_classifier_without(struct bounce_classifier *c, unsigned rule)
{
    c->without = rule;
}

static int on_literal(unsigned id, unsigned long long from, unsigned long long to,
                      unsigned flags, void *arg)
{
    struct bounce_classifier *c = arg;
    (void)from;
    (void)flags;
    if (c->found_n < FOUND_MAX) {
        c->found[c->found_n++] = (struct found){id, (uint32_t)to};
    }
    return 0;
}

/* Whether all of a variant stands around its literal at `at`. */
static void try_variant(struct bounce_classifier *c, const struct bounce_variant *v,
                        size_t at, unsigned *steps)
{
    const struct bounce_normal *n = &c->normal;
    struct bounce_place text = {n->text, 0, n->main_len};
    struct bounce_place names = {n->text, n->main_len, n->len};
    const struct bounce_place *place = v->in_url ? &names : &text;
    size_t from, to;
    if (at < place->lo || at >= place->hi || c->hits_n == HITS_MAX) {
        return;
    }
    /* A host's mark may come again among the server's own names, which count more. */
    bool again = v->in_url && v->pattern >= MARKS_FIRST;
    if (c->seen[v->pattern] == c->call && !again) {
        return;
    }
    if (!bounce_pattern_fore(place, bounce_programs + v->fore, at, steps, &to) ||
        !bounce_pattern_back(place, bounce_programs + v->back, at, steps, &from)) {
        return;
    }
    c->seen[v->pattern] = c->call;
    c->hit[c->hits_n++] = (struct hit){v->pattern, (uint32_t)from, (uint32_t)to};
}

static void try_found(struct bounce_classifier *c)
{
    unsigned steps = STEPS_MAX;
    for (unsigned i = 0; i < c->found_n; i++) {
        const struct bounce_literal *l = &bounce_literal_table[c->found[i].literal];
        for (unsigned k = 0; k < l->users_n; k++) {
            try_variant(c, &bounce_variant_table[bounce_literal_users[l->users + k]],
                        c->found[i].to - l->len, &steps);
        }
    }
}

/* The verb decides; text of the command beyond it does not matter. */
static enum bounce_stage stage_of_command(struct slice command)
{
    static const struct {
        struct slice verb;
        enum bounce_stage stage;
    } verbs[] = {
        {SLICE_INIT("ehlo"), BOUNCE_STAGE_HELO},
        {SLICE_INIT("helo"), BOUNCE_STAGE_HELO},
        {SLICE_INIT("lhlo"), BOUNCE_STAGE_HELO},
        {SLICE_INIT("mail"), BOUNCE_STAGE_MAIL},
        {SLICE_INIT("rcpt"), BOUNCE_STAGE_RCPT},
        {SLICE_INIT("data"), BOUNCE_STAGE_DATA},
        {SLICE_INIT("bdat"), BOUNCE_STAGE_EOM},
        {SLICE_INIT("auth"), BOUNCE_STAGE_AUTH},
        {SLICE_INIT("starttls"), BOUNCE_STAGE_STARTTLS},
        {SLICE_INIT("."), BOUNCE_STAGE_EOM},
        {SLICE_INIT("end of data"), BOUNCE_STAGE_EOM},
    };
    for (size_t i = sizeof verbs / sizeof verbs[0]; i-- > 0;) {
        if (slice_istarts(command, verbs[i].verb)) {
            return verbs[i].stage;
        }
    }
    return BOUNCE_STAGE_UNKNOWN;
}

/* Stage and provider by the marks found. The server's own name decides, then what the text
 * says of itself, then a host or URL that it names. */
static void read_marks(const struct bounce_classifier *c, struct facts *f)
{
    unsigned best = 0;
    for (unsigned i = 0; i < c->hits_n; i++) {
        if (c->hit[i].id < MARKS_FIRST || c->hit[i].id >= RETRY_FIRST) {
            continue;
        }
        const struct bounce_mark *m = &bounce_mark_table[c->hit[i].id - MARKS_FIRST];
        if (m->stage != BOUNCE_STAGE_UNKNOWN) {
            f->stage = f->stage == BOUNCE_STAGE_UNKNOWN ? m->stage : f->stage;
            continue;
        }
        unsigned weight = c->hit[i].to > c->names_start ? 3 : m->host ? 1 : 2;
        if (weight > best) {
            best = weight;
            f->provider = m->provider;
        }
    }
}

static bool same_status(struct bounce_status a, struct bounce_status b)
{
    return a.klass == b.klass && a.subject == b.subject && a.detail == b.detail;
}

/* The reply's own status first, unless it says nothing (x.0.0) and the text's does. */
static void read_status(const struct bounce_reply *reply, const struct bounce_normal *n,
                        struct facts *f)
{
    if (reply->status.klass != 0) {
        f->status[f->status_n++] = reply->status;
    }
    for (unsigned i = 0; i < n->status_n; i++) {
        if (f->status_n == 0 || !same_status(f->status[0], n->status[i])) {
            f->status[f->status_n++] = n->status[i];
        }
    }
    if (f->status_n > 1 && f->status[0].subject == 0 && f->status[0].detail == 0) {
        struct bounce_status vague = f->status[0];
        f->status[0] = f->status[1];
        f->status[1] = vague;
    }
}

static bool code_fits(const struct bounce_rule *r, unsigned code)
{
    for (unsigned i = 0; i < r->code_n; i++) {
        static const unsigned divisor[] = {1, 100, 10, 1};
        if (code / divisor[r->code[i].digits] == r->code[i].value) {
            return true;
        }
    }
    return r->code_n == 0;
}

static bool status_fits(const struct bounce_rule *r, const struct facts *f)
{
    for (unsigned i = 0; i < f->status_n; i++) {
        const struct bounce_status *s = &f->status[i];
        if ((r->status.klass == 0 || r->status.klass == s->klass) &&
            r->status.subject == s->subject && r->status.low <= s->detail &&
            s->detail <= r->status.high) {
            return true;
        }
    }
    return !r->has_status;
}

static bool rule_fits(const struct bounce_rule *r, const struct facts *f)
{
    return (r->provider == BOUNCE_PROVIDER_NONE || r->provider == f->provider) &&
           (r->stages == 0 || (r->stages >> f->stage & 1) != 0) &&
           code_fits(r, f->code) && status_fits(r, f);
}

static void add_match(struct bounce_classifier *c, unsigned rule, const struct hit *hit)
{
    struct bounce_match *m = &c->match[c->matches_n++];
    *m = (struct bounce_match){.rule = rule, .weight = bounce_rule_table[rule].weight};
    if (hit != NULL) {
        size_t last = c->normal.at[hit->to > hit->from ? hit->to - 1 : hit->to];
        m->span_off = c->normal.at[hit->from];
        m->span_len = last + 1 - m->span_off;
    }
}

/* Which rules speak: those whose pattern matched and those without one, if all else fits. */
static void collect(struct bounce_classifier *c, const struct facts *f)
{
    for (unsigned i = 0; i < c->hits_n; i++) {
        unsigned id = c->hit[i].id;
        if (id < MARKS_FIRST && id != c->without &&
            rule_fits(&bounce_rule_table[id], f)) {
            add_match(c, id, &c->hit[i]);
        }
    }
    unsigned subjects = 0;
    for (unsigned i = 0; i < f->status_n; i++) {
        if (f->status[i].subject < BOUNCE_SUBJECTS) {
            subjects |= 1U << f->status[i].subject;
        }
    }
    for (unsigned s = 0; s < BOUNCE_SUBJECTS; s++) {
        unsigned end = (subjects >> s & 1) != 0 ? bounce_rules_of_subject[s + 1] : 0;
        for (unsigned id = bounce_rules_of_subject[s]; id < end; id++) {
            if (id != c->without && rule_fits(&bounce_rule_table[id], f)) {
                add_match(c, id, NULL);
            }
        }
    }
    for (unsigned id = bounce_rules_of_subject[BOUNCE_SUBJECTS]; id < BOUNCE_RULES_N;
         id++) {
        if (id != c->without && rule_fits(&bounce_rule_table[id], f)) {
            add_match(c, id, NULL);
        }
    }
}

/* Weight, then the longer text, then the catalogue's order. */
static bool weighs_more(const struct bounce_match *a, const struct bounce_match *b)
{
    if (a->weight != b->weight) {
        return a->weight > b->weight;
    }
    if (a->span_len != b->span_len) {
        return a->span_len > b->span_len;
    }
    return a->rule < b->rule;
}

static void heaviest_first(struct bounce_classifier *c)
{
    for (size_t i = 1; i < c->matches_n; i++) {
        struct bounce_match m = c->match[i];
        size_t k = i;
        for (; k > 0 && weighs_more(&m, &c->match[k - 1]); k--) {
            c->match[k] = c->match[k - 1];
        }
        c->match[k] = m;
    }
}

/* How sure: by the evidence that won, less what speaks for another class. */
static unsigned confidence(const struct bounce_classifier *c)
{
    if (c->matches_n == 0) {
        return 0;
    }
    unsigned weight = c->match[0].weight, other = 0;
    unsigned klass = bounce_rule_table[c->match[0].rule].klass;
    for (size_t i = 1; i < c->matches_n && other == 0; i++) {
        if (bounce_rule_table[c->match[i].rule].klass != klass) {
            other = c->match[i].weight;
        }
    }
    unsigned sure = weight >= 60 ? 90 + weight / 11 : 20 + weight * 7 / 6;
    return sure - sure * other * other / (weight * weight * 3);
}

static unsigned first_digit(const struct bounce_verdict *v)
{
    return v->code >= 100 ? v->code / 100 : v->status.klass;
}

/* An address is given up only on clear words: where others that say it is not the address's
 * fault weigh nearly as much, their kind holds. */
static enum bounce_kind uncontested(const struct bounce_classifier *c)
{
    for (size_t i = 1; i < c->matches_n; i++) {
        const struct bounce_rule *r = &bounce_rule_table[c->match[i].rule];
        enum bounce_kind kind = bounce_class_table[r->klass].kind;
        if (c->match[i].weight + CONTEST < c->match[0].weight) {
            break;
        }
        if (kind == BOUNCE_SOFT || kind == BOUNCE_BLOCK) {
            return kind;
        }
    }
    return BOUNCE_HARD;
}

/* No recipient is known yet to the server that answers. What it says at the connection may be
 * of the domain (521). */
static bool before_recipient(enum bounce_stage stage)
{
    return stage == BOUNCE_STAGE_HELO || stage == BOUNCE_STAGE_STARTTLS ||
           stage == BOUNCE_STAGE_AUTH || stage == BOUNCE_STAGE_MAIL;
}

static enum bounce_kind kind_of(const struct bounce_classifier *c,
                                const struct bounce_verdict *v,
                                const struct bounce_rule *rule)
{
    enum bounce_kind kind = bounce_class_table[v->klass].kind;
    if (kind == BOUNCE_NO_FAILURE) {
        return kind;
    }
    if (kind == BOUNCE_HARD && before_recipient(v->stage)) {
        kind = BOUNCE_BLOCK;
    } else if (kind == BOUNCE_HARD && c->matches_n > 0) {
        kind = uncontested(c);
    }
    if (rule != NULL && rule->has_kind) {
        return rule->kind;
    }
    unsigned digit = first_digit(v);
    if (digit == 2 || digit == 3) {
        return BOUNCE_NO_FAILURE;
    }
    if (v->klass == BOUNCE_UNCLASSIFIED) {
        return digit == 4 ? BOUNCE_SOFT : BOUNCE_BLOCK;
    }
    if (digit == 4) {
        return kind == BOUNCE_BLOCK && v->status.klass == 5 ? BOUNCE_BLOCK : BOUNCE_SOFT;
    }
    /* 550 4.x.x contradicts itself: never the end of an address. */
    return kind == BOUNCE_HARD && v->status.klass == 4 ? BOUNCE_SOFT : kind;
}

static enum bounce_action action_of(const struct bounce_verdict *v)
{
    const struct bounce_class_info *info = &bounce_class_table[v->klass];
    if (v->kind == BOUNCE_BLOCK && info->permanent == BOUNCE_ACT_SUPPRESS) {
        return BOUNCE_ACT_GIVE_UP;
    }
    if (v->kind == BOUNCE_SOFT && info->kind != BOUNCE_SOFT) {
        return info->temporary;
    }
    return first_digit(v) == 4 ? info->temporary : info->permanent;
}

/* The number that ends the text before `to` but for letters and blanks: "30" of "in 30
 * minutes". clock: hh:mm:ss or mm:ss. */
static uint32_t number_before(const struct bounce_normal *n, size_t to, bool clock)
{
    uint64_t value = 0, unit = 1, part = 0, scale = 1;
    while (to > 0 && !ascii_is_digit(n->text[to - 1])) {
        to--;
    }
    for (; to > 0 && scale < 1000000; to--) {
        unsigned char c = n->text[to - 1];
        if (ascii_is_digit(c)) {
            part += (uint64_t)(c - '0') * scale;
            scale *= 10;
        } else if (clock && c == ':' && unit < 3600) {
            value += part * unit;
            unit *= 60;
            part = 0;
            scale = 1;
        } else {
            break;
        }
    }
    value += part * unit;
    return value > WAIT_MAX_S ? WAIT_MAX_S : (uint32_t)value;
}

/* The longest of the times named. */
static uint32_t retry_after(const struct bounce_classifier *c)
{
    uint64_t longest = 0;
    for (unsigned i = 0; i < c->hits_n; i++) {
        if (c->hit[i].id < RETRY_FIRST) {
            continue;
        }
        const struct bounce_retry *r = &bounce_retry_table[c->hit[i].id - RETRY_FIRST];
        uint64_t s = number_before(&c->normal, c->hit[i].to, r->unit_s == 0);
        s *= r->unit_s == 0 ? 1 : r->unit_s;
        longest = s > longest ? s : longest;
    }
    return longest > WAIT_MAX_S ? WAIT_MAX_S : (uint32_t)longest;
}

static void scan(struct bounce_classifier *c, const struct bounce_reply *reply,
                 const struct bounce_context *context)
{
    c->call++;
    c->found_n = 0;
    c->hits_n = 0;
    c->matches_n = 0;
    bounce_normalize(reply->text, reply->code, &c->normal);
    c->names_start = c->normal.len;
    bounce_normal_host(&c->normal, context->mx_host);
    bounce_normal_host(&c->normal, context->peer_host);
    /* Only a broken database or scratch fails here, and both were made by new(). */
    IGNORE(hs_scan(c->db, (const char *)c->normal.text, (unsigned)c->normal.len, 0,
                   c->scratch, on_literal, c));
    try_found(c);
}

void bounce_classify(struct bounce_classifier *c, const struct bounce_reply *reply,
                     const struct bounce_context *context, struct bounce_verdict *out)
{
    static const struct bounce_context nothing;
    context = context == NULL ? &nothing : context;
    scan(c, reply, context);

    struct facts f = {.code = c->normal.code, .stage = context->stage};
    if (f.stage == BOUNCE_STAGE_UNKNOWN) {
        f.stage = stage_of_command(context->command);
    }
    read_marks(c, &f);
    read_status(reply, &c->normal, &f);
    collect(c, &f);
    heaviest_first(c);

    *out = (struct bounce_verdict){.klass = BOUNCE_UNCLASSIFIED,
                                   .provider = f.provider,
                                   .stage = f.stage,
                                   .code = f.code,
                                   .status = f.status[0],
                                   .rule = BOUNCE_RULE_NONE,
                                   .confidence = confidence(c)};
    const struct bounce_rule *rule = NULL;
    if (c->matches_n > 0) {
        const struct bounce_match *m = &c->match[0];
        rule = &bounce_rule_table[m->rule];
        out->klass = rule->klass;
        out->subscope = rule->subscope;
        out->rule = m->rule;
        out->span_off = m->span_off;
        out->span_len = m->span_len;
    }
    out->scope = bounce_class_table[out->klass].scope;
    out->kind = kind_of(c, out, rule);
    out->action = action_of(out);
    out->retry_after_s = retry_after(c);
}

size_t bounce_matches(struct bounce_classifier *c, const struct bounce_match **out)
{
    *out = c->match;
    return c->matches_n;
}
