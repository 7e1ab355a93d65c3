#include "bounce/classify.h"

#include "bounce/known.h"
#include "bounce/normal.h"
#include "bounce/pattern.h"
#include "bounce/phrase.h"
#include "bounce/table.h"
#include "bounce/vocabulary.h"
#include "bounce/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FOUND_MAX = 2048, /* phrases in one text; more are dropped */
    HITS_MAX = 256,   /* marks and times that match */
    TOKENS_MAX = BOUNCE_NORMAL_MAX,
    CANDIDATES_MAX = 2048, /* rules that may match; more are dropped */
    STEPS_MAX =
        100000, /* of all patterns in one text, some 10 ns each; usual: under 100 */
    MARKS_FIRST = BOUNCE_RULES_TEXT_N,
    RETRY_FIRST = MARKS_FIRST + BOUNCE_MARKS_N,
    PATTERNS_N = RETRY_FIRST + BOUNCE_RETRY_N,
    WAIT_MAX_S = 7 * 24 * 3600,
    STATUS_MAX = BOUNCE_NORMAL_STATUS_MAX + 1,
    CONTEST = 8,    /* so much heavier must a hard class be than what speaks against it */
    DOUBTLESS = 84, /* a hard class of this weight stands, whatever else the text names */
    BY_WORDS = 60,  /* percent: how sure words without a rule can be */
    WEAK = 40,      /* less than a phrase or a specific status */
    SPECIFIC = 23,  /* more than a general status, which counts among the words */
    OWN_WORDS = 85, /* a provider's own words: others do not count beside them */
};

/* What words say beside rules: a rule of weight w makes its class exp(w * RULE_SHARE) times as
 * likely, a weak one much less; no words make a class less likely than exp(WORDS_LEAST); what is less
 * likely than LEAST_SURE is no better than what the rules say, and text without a code may be no
 * reply. */
static const double RULE_SHARE = 0.2, WEAK_SHARE = 0.06, WORDS_LEAST = -8;
static const double LEAST_SURE = 0.15, LEAST_SURE_OF_PROSE = 0.5;
static const double NOTHING = 8; /* exp(-NOTHING) counts for nothing */

struct hit {
    uint16_t id, from, to;
};

/* A rule that speaks, and what it matched in the normal text. */
struct voice {
    uint16_t rule, weight, from, to;
};

/* All that is known when the rules are weighed. */
struct facts {
    unsigned code;
    unsigned code_start[4]; /* its first n digits */
    struct bounce_status status[STATUS_MAX];
    unsigned status_n;
    enum bounce_stage stage;
    enum bounce_provider provider;
    bool doubt; /* the text may not be about the recipient */
};

/* A pattern may match at phrase.at. Those of rules of one weight are linked, those of marks and times
 * have the weight 0. */
struct candidate {
    struct bounce_phrase phrase;
    uint16_t next;
    bool exact; /* it does, and ends at phrase.to */
};
enum { NO_CANDIDATE = 0xffff };

/* Where a variant was found last. */
struct place {
    uint32_t here; /* the reply and the place in it */
    uint16_t candidate;
};

struct bounce_classifier {
    struct bounce_phrase found[FOUND_MAX];
    struct place place[BOUNCE_VARIANTS_N];
    uint64_t conditions[BOUNCE_PHRASE_CONDITIONS]; /* of variants: those that hold */
    uint32_t call;                                 /* number of the reply */
    uint32_t seen[PATTERNS_N]; /* the last reply in which a pattern matched */
    struct hit hit[HITS_MAX];
    unsigned hits_n, steps, without;
    struct candidate candidate[CANDIDATES_MAX];
    unsigned candidates_n;
    uint64_t weights[2];           /* bit set: there are candidates */
    uint16_t head[128], tail[128]; /* of them, by weight */
    bool scanned, all_tried, without_words;
    size_t names_start; /* in normal.text: where the server's own names begin */
    struct voice voice[BOUNCE_RULES_N]; /* heaviest first, in the end */
    size_t voices_n;
    struct bounce_match match[BOUNCE_RULES_N]; /* the same, as asked for from outside */
    struct facts facts;
    struct bounce_token token[TOKENS_MAX]; /* of the normal text */
    size_t tokens_n;
    struct bounce_words_found words;
    struct bounce_words_seen words_seen;
    struct bounce_normal normal;
    uint64_t edges[BOUNCE_EDGES(BOUNCE_NORMAL_MAX)]; /* of the normal text */
    struct bounce_known known;
};

struct bounce_classifier *bounce_classifier_new(void)
{
    struct bounce_classifier *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->without = BOUNCE_RULE_NONE;
    return c;
}

void bounce_classifier_free(struct bounce_classifier **c)
{
    free(*c);
    *c = NULL;
}

void bounce_classifier_without(struct bounce_classifier *c, unsigned rule)
{
    c->without = rule;
}

void bounce_classifier_without_words(struct bounce_classifier *c, bool without)
{
    c->without_words = without;
}

/* Whether all of a variant stands around the place that was found. */
static bool matches(struct bounce_classifier *c, const struct candidate *found,
                    struct hit *hit)
{
    const struct bounce_variant *v = &bounce_variant_table[found->phrase.variant];
    const struct bounce_normal *n = &c->normal;
    struct bounce_place text = {n->text, 0, n->main_len, c->edges};
    struct bounce_place names = {n->text, n->main_len, n->len, NULL};
    const struct bounce_place *place = v->in_url ? &names : &text;
    size_t at = found->phrase.at, from = at, to = found->phrase.to;
    if (!found->exact &&
        (!bounce_pattern_fore(place, bounce_programs + v->fore, at, &c->steps, &to) ||
         !bounce_pattern_back(place, bounce_programs + v->back, at, &c->steps, &from))) {
        return false;
    }
    c->seen[v->pattern] = c->call;
    *hit = (struct hit){v->pattern, (uint16_t)from, (uint16_t)to};
    return true;
}

static void add_candidate(struct bounce_classifier *c, const struct bounce_phrase *found,
                          const struct bounce_variant *v)
{
    unsigned weight = v->pattern < MARKS_FIRST ? bounce_rule_table[v->pattern].weight : 0;
    uint64_t bit = (uint64_t)1 << weight % 64;
    uint16_t mine = (uint16_t)c->candidates_n++;
    c->candidate[mine] = (struct candidate){*found, NO_CANDIDATE, v->exact};
    if ((c->weights[weight / 64] & bit) == 0) {
        c->weights[weight / 64] |= bit;
        c->head[weight] = mine;
    } else {
        c->candidate[c->tail[weight]].next = mine;
    }
    c->tail[weight] = mine;
}

static bool conditions_hold(const struct bounce_classifier *c,
                            const struct bounce_variant *v)
{
    for (unsigned i = 0; i < BOUNCE_CONDITIONS_MAX && v->condition[i] != 0; i++) {
        unsigned bit = v->condition[i];
        if ((c->conditions[bit / 64] >> bit % 64 & 1) == 0) {
            return false;
        }
    }
    return true;
}

/* All that may begin somewhere, each at one place once. Where it may end at several, its program
 * tells which of them counts. */
static void sort_out_found(struct bounce_classifier *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct bounce_phrase *found = &c->found[i];
        const struct bounce_variant *v = &bounce_variant_table[found->variant];
        struct place *p = &c->place[found->variant];
        uint32_t here = c->call << 16 | found->at;
        if (p->here == here) {
            c->candidate[p->candidate].exact = false;
        } else if (c->candidates_n < CANDIDATES_MAX && conditions_hold(c, v)) {
            *p = (struct place){here, (uint16_t)c->candidates_n};
            add_candidate(c, found, v);
        }
    }
}

/* Marks and times are looked for at once; which of the rules can speak is known when the marks are. */
static void collect_hits(struct bounce_classifier *c)
{
    unsigned i = (c->weights[0] & 1) != 0 ? c->head[0] : NO_CANDIDATE;
    for (; i != NO_CANDIDATE && c->hits_n < HITS_MAX; i = c->candidate[i].next) {
        const struct bounce_variant *v =
            &bounce_variant_table[c->candidate[i].phrase.variant];
        /* A host's mark may come again among the server's own names, which count more. */
        bool again = c->seen[v->pattern] == c->call && !v->in_url;
        if (!again && matches(c, &c->candidate[i], &c->hit[c->hits_n])) {
            c->hits_n++;
        }
    }
    c->weights[0] &= ~(uint64_t)1;
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
    for (size_t i = sizeof verbs / sizeof verbs[0]; command.len > 0 && i-- > 0;) {
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
        if (m->doubt) {
            f->doubt = true;
            continue;
        }
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

static bool code_fits(const struct bounce_rule *r, const struct facts *f)
{
    for (unsigned i = 0; i < r->code_n; i++) {
        if (f->code_start[r->code[i].digits] == r->code[i].value) {
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
           (r->stages == 0 || (r->stages >> f->stage & 1) != 0) && code_fits(r, f) &&
           status_fits(r, f);
}

static void add_voice(struct bounce_classifier *c, unsigned rule, const struct hit *hit)
{
    struct voice *v = &c->voice[c->voices_n++];
    *v = (struct voice){.rule = (uint16_t)rule, .weight = bounce_rule_table[rule].weight};
    if (hit != NULL) {
        v->from = hit->from;
        v->to = hit->to;
    }
}

/* Where that stands in the reply's own text. One octet may stand for a whole address or name. */
static void set_span(const struct bounce_classifier *c, unsigned from, unsigned to,
                     size_t *off, size_t *len)
{
    const struct bounce_normal *n = &c->normal;
    *off = *len = 0;
    if (to <= from) {
        return;
    }
    size_t end = n->at[to - 1] + 1U;
    for (unsigned i = 0; i < n->masks_n; i++) {
        end = n->mask[i].at == to - 1 ? n->mask[i].end : end;
    }
    *off = n->at[from];
    *len = end - *off;
}

static void collect_range(struct bounce_classifier *c, unsigned id, unsigned end,
                          unsigned detail)
{
    for (; id < end && bounce_rule_table[id].status.low <= detail; id++) {
        if (id != c->without && rule_fits(&bounce_rule_table[id], &c->facts)) {
            add_voice(c, id, NULL);
        }
    }
}

/* The rules without a pattern: by the subject of a status, where they are in the order of the
 * least detail they take, or by the code. */
static void collect_textless(struct bounce_classifier *c)
{
    const struct facts *f = &c->facts;
    unsigned detail[BOUNCE_SUBJECTS] = {0}, subjects = 0;
    for (unsigned i = 0; i < f->status_n; i++) {
        unsigned s = f->status[i].subject;
        if (s < BOUNCE_SUBJECTS) {
            subjects |= 1U << s;
            detail[s] = f->status[i].detail > detail[s] ? f->status[i].detail : detail[s];
        }
    }
    for (unsigned s = 0; s < BOUNCE_SUBJECTS; s++) {
        if ((subjects >> s & 1) != 0) {
            collect_range(c, bounce_rules_of_subject[s], bounce_rules_of_subject[s + 1],
                          detail[s]);
        }
    }
    bool usual = f->code >= BOUNCE_CODE_MIN && f->code < BOUNCE_CODE_MIN + BOUNCE_CODES;
    unsigned row = usual ? f->code - BOUNCE_CODE_MIN : BOUNCE_CODES;
    for (unsigned i = bounce_rules_of_code[row]; i < bounce_rules_of_code[row + 1]; i++) {
        unsigned id = bounce_code_rules[i];
        if (id != c->without && rule_fits(&bounce_rule_table[id], f)) {
            add_voice(c, id, NULL);
        }
    }
}

/* Weight, then the longer text, then the catalogue's order. */
static bool weighs_more(const struct voice *a, const struct voice *b)
{
    if (a->weight != b->weight) {
        return a->weight > b->weight;
    }
    if (a->to - a->from != b->to - b->from) {
        return a->to - a->from > b->to - b->from;
    }
    return a->rule < b->rule;
}

static void heaviest_first(struct bounce_classifier *c)
{
    for (size_t i = 1; i < c->voices_n; i++) {
        struct voice v = c->voice[i];
        size_t k = i;
        for (; k > 0 && weighs_more(&v, &c->voice[k - 1]); k--) {
            c->voice[k] = c->voice[k - 1];
        }
        c->voice[k] = v;
    }
}

/* What speaks against a verdict and weighs less than two thirds of what speaks for it counts
 * for nothing. */
static bool counts_beside(unsigned weight, unsigned best)
{
    return weight * 3 >= best * 2;
}

/* Whether a candidate can change something: it is not, unless all are `wanted`, when it is too
 * light, or of the class that has won. */
static bool worth_trying(const struct bounce_classifier *c, unsigned rule,
                         const struct voice *best, bool wanted)
{
    const struct bounce_rule *r = &bounce_rule_table[rule];
    bool idle = !wanted && best != NULL && r->weight < best->weight &&
                (r->klass == bounce_rule_table[best->rule].klass ||
                 !counts_beside(r->weight, best->weight));
    return !idle && c->seen[rule] != c->call && rule != c->without &&
           rule_fits(r, &c->facts);
}

static const struct voice *heavier(const struct voice *a, const struct voice *b)
{
    return a == NULL || weighs_more(b, a) ? b : a;
}

/* Tries the candidates, heaviest first. */
static void collect_texts(struct bounce_classifier *c, bool all)
{
    const struct voice *best = NULL;
    for (size_t i = 0; i < c->voices_n; i++) {
        best = heavier(best, &c->voice[i]);
    }
    for (unsigned half = 2; half-- > 0;) {
        for (uint64_t bits = c->weights[half]; bits != 0;) {
            unsigned top = 63U - (unsigned)__builtin_clzll(bits);
            bits &= ~((uint64_t)1 << top);
            for (unsigned i = c->head[half * 64 + top]; i != NO_CANDIDATE;
                 i = c->candidate[i].next) {
                const struct candidate *found = &c->candidate[i];
                unsigned rule = bounce_variant_table[found->phrase.variant].pattern;
                struct hit hit;
                if (worth_trying(c, rule, best, all) && matches(c, found, &hit)) {
                    add_voice(c, rule, &hit);
                    best = heavier(best, &c->voice[c->voices_n - 1]);
                }
            }
        }
    }
    c->all_tried = all;
    heaviest_first(c);
}

/* How sure: by the evidence that won, less what speaks for another class. */
static unsigned confidence(const struct bounce_classifier *c)
{
    if (c->voices_n == 0) {
        return 0;
    }
    unsigned weight = c->voice[0].weight, other = 0;
    unsigned klass = bounce_rule_table[c->voice[0].rule].klass;
    for (size_t i = 1; i < c->voices_n && other == 0; i++) {
        if (bounce_rule_table[c->voice[i].rule].klass != klass) {
            other = c->voice[i].weight;
        }
    }
    other = counts_beside(other, weight) ? other : 0;
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
    if (c->facts.doubt && c->voice[0].weight < DOUBTLESS) {
        return BOUNCE_BLOCK;
    }
    for (size_t i = 1; i < c->voices_n; i++) {
        const struct bounce_rule *r = &bounce_rule_table[c->voice[i].rule];
        enum bounce_kind kind = bounce_class_table[r->klass].kind;
        if (c->voice[i].weight + CONTEST < c->voice[0].weight) {
            break;
        }
        if (kind == BOUNCE_SOFT || kind == BOUNCE_BLOCK) {
            return kind;
        }
    }
    return BOUNCE_HARD;
}

/* Commands out of order and logins: no address is given up for those. */
static bool not_of_addresses(unsigned code)
{
    return code == 500 || (code >= 502 && code <= 504) || (code >= 530 && code <= 538);
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
    if (kind == BOUNCE_HARD &&
        (v->by_words || before_recipient(v->stage) || not_of_addresses(v->code))) {
        kind = BOUNCE_BLOCK; /* by words alone no address is given up */
    } else if (kind == BOUNCE_HARD && c->voices_n > 0) {
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

static void normalize(struct bounce_classifier *c, const struct bounce_reply *reply,
                      const struct bounce_context *context)
{
    struct facts *f = &c->facts;
    bounce_normalize(reply->text, reply->code, &c->normal);
    c->names_start = c->normal.len;
    bounce_normal_host(&c->normal, context->mx_host);
    bounce_normal_host(&c->normal, context->peer_host);
    unsigned code = c->normal.code;
    *f = (struct facts){.code = code,
                        .code_start = {0, code / 100, code / 10, code},
                        .stage = context->stage};
    if (f->stage == BOUNCE_STAGE_UNKNOWN) {
        f->stage = stage_of_command(context->command);
    }
    read_status(reply, &c->normal, f);
    c->call++;
    c->voices_n = 0;
    c->scanned = false;
    c->all_tried = false;
}

/* All patterns that may match the normal text. */
static void scan(struct bounce_classifier *c)
{
    c->hits_n = 0;
    c->candidates_n = 0;
    c->weights[0] = c->weights[1] = 0;
    c->steps = STEPS_MAX;
    bounce_pattern_edges(c->normal.text, c->normal.main_len, c->edges);
    c->tokens_n =
        bounce_tokens(c->normal.text, c->normal.main_len, c->edges, TOKENS_MAX, c->token);
    bounce_vocabulary_find(c->normal.text, c->token, c->tokens_n);
    size_t n = bounce_phrases(c->normal.text, c->normal.main_len, c->edges, c->token,
                              c->tokens_n, c->found, FOUND_MAX, c->conditions);
    sort_out_found(c, n);
    n = bounce_phrases_in_names(c->normal.text, c->normal.main_len, c->normal.len,
                                c->found, FOUND_MAX);
    sort_out_found(c, n);
    collect_hits(c);
    read_marks(c, &c->facts);
    collect_textless(c);
    c->scanned = true;
}

/* Of each class the heaviest rule that counts beside words. */
static void weigh_rules(const struct bounce_classifier *c,
                        unsigned rules[BOUNCE_CLASSES_N])
{
    for (size_t i = c->voices_n; i-- > 0;) { /* the heaviest of a class comes last */
        const struct voice *v = &c->voice[i];
        if (v->to > v->from || v->weight >= SPECIFIC) {
            rules[bounce_rule_table[v->rule].klass] = v->weight;
        }
    }
}

/* What rules and words together say for a class, as a logarithm. */
static double add_up(const struct bounce_words_sum *words, const unsigned *rules,
                     unsigned klass)
{
    double say = bounce_words_say(words, klass);
    double share = rules[klass] < WEAK ? WEAK_SHARE : RULE_SHARE;
    if (bounce_class_table[klass].kind == BOUNCE_NO_FAILURE) {
        return WORDS_LEAST; /* a refusal never becomes none by its words */
    }
    return (say < WORDS_LEAST ? WORDS_LEAST : say) + share * rules[klass];
}

/* Whether the rules' class surely says more than all others, without a look at each of these: those that
 * no rule speaks for have 0 at most. This settles most replies. */
static bool rules_stand(const struct bounce_classifier *c,
                        const struct bounce_words_sum *words, const unsigned *rules,
                        unsigned klass)
{
    double mine = add_up(words, rules, klass);
    bool stand = mine > 0;
    for (size_t i = 0; i < c->voices_n && stand; i++) {
        unsigned other = bounce_rule_table[c->voice[i].rule].klass;
        stand = other == klass || add_up(words, rules, other) < mine;
    }
    return stand;
}

/* Where no provider's own words decide: what the words say for another class than the rules. */
static void ask_words(struct bounce_classifier *c, struct bounce_verdict *out)
{
    double sum[BOUNCE_CLASSES_N], all = 0;
    unsigned rules[BOUNCE_CLASSES_N] = {0}, best = 0;
    struct bounce_words_sum words;
    const struct facts *f = &c->facts;
    if (c->without_words || (c->voices_n > 0 && c->voice[0].weight >= OWN_WORDS) ||
        bounce_class_table[out->klass].kind == BOUNCE_NO_FAILURE) {
        return;
    }
    bounce_words(&c->normal, c->token, c->tokens_n, f->code, f->status, f->status_n,
                 &c->words);
    if (!bounce_words_weigh(&c->words, &c->words_seen, &words)) {
        return;
    }
    weigh_rules(c, rules);
    if (rules_stand(c, &words, rules, out->klass)) {
        return;
    }
    for (unsigned k = 0; k < BOUNCE_CLASSES_N; k++) {
        sum[k] = add_up(&words, rules, k);
        best = sum[k] > sum[best] ? k : best;
    }
    if (best == out->klass) {
        return;
    }
    for (unsigned k = 0; k < BOUNCE_CLASSES_N; k++) {
        all += sum[k] > sum[best] - NOTHING ? exp(sum[k] - sum[best]) : 0;
    }
    bool reply = f->code != 0 || f->status_n > 0 || c->voices_n > 0;
    if (1 / all < (reply ? LEAST_SURE : LEAST_SURE_OF_PROSE)) {
        return;
    }
    out->klass = (enum bounce_class)best;
    out->by_words = true;
    out->rule = BOUNCE_RULE_NONE;
    out->subscope = BOUNCE_SUBSCOPE_NONE;
    out->span_off = out->span_len = 0;
    out->confidence = (unsigned)(BY_WORDS / all);
}

static void judge(struct bounce_classifier *c, struct bounce_verdict *out)
{
    const struct facts *f = &c->facts;
    scan(c);
    collect_texts(c, false);
    *out = (struct bounce_verdict){.klass = BOUNCE_UNCLASSIFIED,
                                   .provider = f->provider,
                                   .stage = f->stage,
                                   .code = f->code,
                                   .status = f->status[0],
                                   .rule = BOUNCE_RULE_NONE,
                                   .confidence = confidence(c)};
    const struct bounce_rule *rule = NULL;
    if (c->voices_n > 0) {
        const struct voice *best = &c->voice[0];
        rule = &bounce_rule_table[best->rule];
        out->klass = rule->klass;
        out->subscope = rule->subscope;
        out->rule = best->rule;
        set_span(c, best->from, best->to, &out->span_off, &out->span_len);
    }
    ask_words(c, out);
    rule = out->by_words ? NULL : rule;
    out->scope = bounce_class_table[out->klass].scope;
    out->kind = kind_of(c, out, rule);
    out->action = action_of(out);
    out->retry_after_s = retry_after(c);
}

static void make_key(const struct bounce_classifier *c, struct bounce_known_key *key)
{
    const struct facts *f = &c->facts;
    *key = (struct bounce_known_key){.code_stage = f->code << 8 | f->stage,
                                     .names_start = (uint32_t)c->names_start};
    for (unsigned i = 0; i < f->status_n; i++) {
        const struct bounce_status *s = &f->status[i];
        key->status[i] =
            (uint32_t)s->klass << 24 | (uint32_t)s->subject << 12 | s->detail;
    }
}

void bounce_classify(struct bounce_classifier *c, const struct bounce_reply *reply,
                     const struct bounce_context *context, struct bounce_verdict *out)
{
    static const struct bounce_context nothing;
    struct bounce_known_key key;
    normalize(c, reply, context == NULL ? &nothing : context);
    if (c->normal.len > BOUNCE_KNOWN_TEXT || c->without != BOUNCE_RULE_NONE ||
        c->without_words) {
        judge(c, out);
        return;
    }
    make_key(c, &key);
    struct slice text = {c->normal.text, c->normal.len};
    bool known;
    struct bounce_known_reply *k = bounce_known_place(&c->known, &key, text, &known);
    if (!known) {
        judge(c, out);
        bounce_known_keep(k, &key, text, out);
        bool span = c->voices_n > 0 && !out->by_words;
        k->from = span ? c->voice[0].from : 0;
        k->to = span ? c->voice[0].to : 0;
        return;
    }
    *out = k->verdict;
    set_span(c, k->from, k->to, &out->span_off, &out->span_len);
}

size_t bounce_matches(struct bounce_classifier *c, const struct bounce_match **out)
{
    if (!c->scanned) {
        scan(c);
    }
    if (!c->all_tried) {
        c->steps = STEPS_MAX;
        collect_texts(c, true);
    }
    for (size_t i = 0; i < c->voices_n; i++) {
        const struct voice *v = &c->voice[i];
        struct bounce_match *m = &c->match[i];
        *m = (struct bounce_match){.rule = v->rule, .weight = v->weight};
        set_span(c, v->from, v->to, &m->span_off, &m->span_len);
    }
    *out = c->match;
    return c->voices_n;
}
