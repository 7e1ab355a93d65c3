/* rule/regex.c - see regex.h
 *
 * The pattern becomes a program of steps (Thompson's construction); the search keeps the set of
 * steps that are alive at each octet (as Pike does), so its time is octets times steps. */
#include "rule/regex.h"

#include "rule/regex_step.h"

#include <stdlib.h>
#include <string.h>

/* --- compiling --- */

struct compiler {
    struct slice rest;
    struct regex_step *step;
    unsigned n;
    const char *wrong;
};

static unsigned put(struct compiler *c, enum step_op op)
{
    if (c->n >= RULE_REGEX_STEPS_MAX) {
        c->wrong = c->wrong == NULL ? "is too large" : c->wrong;
        return 0;
    }
    c->step[c->n] = (struct regex_step){.op = op};
    return c->n++;
}

static void set_octet(uint64_t set[4], unsigned char octet)
{
    set[octet / 64] |= UINT64_C(1) << octet % 64;
}

static void set_either(uint64_t set[4], unsigned char octet)
{
    set_octet(set, octet);
    if (ascii_is_alpha(octet)) {
        set_octet(set, octet ^ 0x20);
    }
}

bool regex_is_word(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c >= 0x80;
}

static bool is_blank(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* \d \w \s and their opposites; false: it is none. */
static bool set_class(uint64_t set[4], unsigned char sign)
{
    unsigned char lower = ascii_lower(sign);
    if (lower != 'd' && lower != 'w' && lower != 's') {
        return false;
    }
    for (unsigned i = 0; i < 256; i++) {
        unsigned char c = (unsigned char)i;
        bool in = lower == 'd'   ? ascii_is_digit(c)
                  : lower == 'w' ? regex_is_word(c)
                                 : is_blank(c);
        if (in == (sign == lower)) {
            set_octet(set, c);
        }
    }
    return true;
}

static bool starts(const struct compiler *c, char sign)
{
    return c->rest.len > 0 && c->rest.ptr[0] == (unsigned char)sign;
}

static bool take(struct compiler *c, char sign)
{
    if (!starts(c, sign)) {
        return false;
    }
    c->rest = slice_from(c->rest, 1);
    return true;
}

static unsigned char next(struct compiler *c)
{
    unsigned char octet = c->rest.ptr[0];
    c->rest = slice_from(c->rest, 1);
    return octet;
}

/* Behind a backslash: the octet that it stands for. */
static unsigned char escaped(unsigned char sign)
{
    return sign == 'n' ? '\n' : sign == 't' ? '\t' : sign == 'r' ? '\r' : sign;
}

/* Behind "[". */
static void bracket(struct compiler *c, uint64_t set[4])
{
    bool turned = take(c, '^'), first = true;
    while (c->rest.len > 0 && (first || !starts(c, ']'))) {
        unsigned char from = next(c);
        first = false;
        if (from == '\\' && c->rest.len > 0) {
            from = next(c);
            if (set_class(set, from)) {
                continue;
            }
            from = escaped(from);
        }
        unsigned char to = from;
        if (c->rest.len > 1 && starts(c, '-') && c->rest.ptr[1] != ']') {
            (void)next(c);
            to = next(c);
            if (to == '\\' && c->rest.len > 0) {
                to = escaped(next(c));
            }
        }
        if (to < from) {
            c->wrong = "has a range that runs backwards";
            return;
        }
        for (unsigned i = from; i <= to; i++) {
            set_either(set, (unsigned char)i);
        }
    }
    if (!take(c, ']')) {
        c->wrong = "has a [ without its ]";
    }
    for (unsigned i = 0; i < 4 && turned; i++) {
        set[i] = ~set[i];
    }
}

/* NOLINTBEGIN(misc-no-recursion): see either() */
static void either(struct compiler *c, unsigned depth);

static void atom(struct compiler *c, unsigned depth)
{
    uint64_t set[4] = {0};
    unsigned char sign = next(c);
    switch (sign) {
    case '(':
        if (starts(c, '?')) {
            c->wrong = "has a (?, which rules do not know";
            return;
        }
        either(c, depth + 1);
        if (c->wrong == NULL && !take(c, ')')) {
            c->wrong = "has a ( without its )";
        }
        return;
    case '^':
        (void)put(c, STEP_BEGIN);
        return;
    case '$':
        (void)put(c, STEP_END);
        return;
    case '*':
    case '+':
    case '?':
    case '{':
        c->wrong = "repeats nothing";
        return;
    case '.':
        memset(set, 0xff, sizeof set);
        set[0] &= ~(UINT64_C(1) << '\n');
        break;
    case '[':
        bracket(c, set);
        break;
    case '\\':
        if (c->rest.len == 0) {
            c->wrong = "ends in a backslash";
            return;
        }
        sign = next(c);
        if (sign == 'b') {
            (void)put(c, STEP_EDGE);
            return;
        }
        if (ascii_is_digit(sign)) {
            c->wrong = "has a back reference, which rules do not know";
            return;
        }
        if (!set_class(set, sign)) {
            set_either(set, escaped(sign));
        }
        break;
    default:
        set_either(set, sign);
        break;
    }
    unsigned i = put(c, STEP_SET);
    memcpy(c->step[i].set, set, sizeof set);
}

static bool number(struct compiler *c, unsigned *out)
{
    unsigned n = 0, digits = 0;
    while (c->rest.len > 0 && ascii_is_digit(c->rest.ptr[0]) && digits++ < 4) {
        n = n * 10 + (unsigned)(next(c) - '0');
    }
    *out = n;
    return digits > 0 && n <= RULE_REGEX_REPEAT_MAX;
}

enum { ENDLESS = RULE_REGEX_REPEAT_MAX + 1 };

/* How often the atom before it stands. False: nothing says so. */
static bool count(struct compiler *c, unsigned *least, unsigned *most)
{
    *least = *most = 1;
    if (take(c, '*')) {
        *least = 0;
        *most = ENDLESS;
    } else if (take(c, '+')) {
        *most = ENDLESS;
    } else if (take(c, '?')) {
        *least = 0;
    } else if (take(c, '{')) {
        bool ok = number(c, least);
        *most = *least;
        if (ok && take(c, ',')) {
            *most = ENDLESS;
            ok = starts(c, '}') || number(c, most);
        }
        if (!ok || !take(c, '}') || *most < *least || *most == 0) {
            c->wrong = "has a repetition that is none, like {2,5} up to 100";
        }
    } else {
        return false;
    }
    (void)take(
        c, '?'); /* as few as can be: whether there is a match does not depend on it */
    return true;
}

/* The atom again, from its place in the pattern. */
static void again(struct compiler *c, struct slice from, unsigned depth)
{
    struct slice rest = c->rest;
    c->rest = from;
    atom(c, depth);
    c->rest = rest;
}

/* An atom and what repeats it. */
static void piece(struct compiler *c, unsigned depth)
{
    struct slice from = c->rest;
    unsigned begin = c->n, least = 1, most = 1;
    atom(c, depth);
    if (c->wrong != NULL || !count(c, &least, &most) || c->wrong != NULL) {
        return;
    }
    c->n = begin; /* it comes anew, as often as it is wanted */
    for (unsigned i = 0; i < least && c->wrong == NULL; i++) {
        again(c, from, depth);
    }
    if (most == ENDLESS) {
        unsigned split = put(c, STEP_SPLIT);
        again(c, from, depth);
        unsigned jump = put(c, STEP_JUMP);
        c->step[jump].x = split;
        c->step[split].x = split + 1;
        c->step[split].y = c->n;
        return;
    }
    for (unsigned i = least; i < most && c->wrong == NULL; i++) {
        unsigned split = put(c, STEP_SPLIT);
        again(c, from, depth);
        c->step[split].x = split + 1;
        c->step[split].y = c->n;
    }
}

/* Pieces behind each other, up to "|", ")" or the end. */
static void sequence(struct compiler *c, unsigned depth)
{
    while (c->rest.len > 0 && !starts(c, '|') && !starts(c, ')') && c->wrong == NULL) {
        piece(c, depth);
    }
}

/* a|b|c: a split before each but the last, a jump behind it to the end. Recursion: by
 * parentheses, at most RULE_REGEX_DEPTH_MAX. */
static void either(struct compiler *c, unsigned depth)
{
    unsigned last = 0; /* jump that leads to the end, and by its y to the one before */
    bool any = false;
    if (depth > RULE_REGEX_DEPTH_MAX) {
        c->wrong = "has too many parentheses within each other";
        return;
    }
    for (;;) {
        unsigned begin = c->n;
        sequence(c, depth);
        if (c->wrong != NULL || !take(c, '|')) {
            break;
        }
        if (put(c, STEP_SPLIT) == 0 && c->wrong != NULL) {
            break;
        }
        unsigned n = c->n - 1 - begin; /* move it in front */
        memmove(&c->step[begin + 1], &c->step[begin], n * sizeof c->step[0]);
        c->step[begin] = (struct regex_step){.op = STEP_SPLIT, .x = begin + 1};
        for (unsigned i = begin + 1; i <= begin + n; i++) {
            bool goes = c->step[i].op == STEP_SPLIT || c->step[i].op == STEP_JUMP;
            c->step[i].x += goes;
            c->step[i].y += c->step[i].op == STEP_SPLIT;
        }
        unsigned jump = put(c, STEP_JUMP);
        c->step[jump].y = any ? last : jump;
        c->step[begin].y = c->n;
        last = jump;
        any = true;
    }
    while (any && c->wrong == NULL) {
        unsigned before = c->step[last].y;
        c->step[last].x = c->n;
        any = before != last;
        last = before;
    }
}
/* NOLINTEND(misc-no-recursion) */

/* --- searching --- */

struct alive {
    unsigned n;
    uint16_t item[RULE_REGEX_STEPS_MAX];
    uint64_t in[(RULE_REGEX_STEPS_MAX + 63) / 64]; /* item or seen on the way there */
};

bool regex_place_is(enum step_op op, struct regex_place p)
{
    bool left = p.before >= 0 && regex_is_word((unsigned char)p.before);
    bool right = p.after >= 0 && regex_is_word((unsigned char)p.after);
    switch (op) {
    case STEP_BEGIN:
        return p.before < 0 || p.before == '\n';
    case STEP_END:
        return p.after < 0 || p.after == '\n' || p.after == '\r';
    case STEP_EDGE:
        return left != right;
    case STEP_SET:
    case STEP_SPLIT:
    case STEP_JUMP:
    case STEP_MATCH:
        break;
    }
    return true;
}

/* Adds step i and what it leads to without an octet; true: that is the match. */
static bool add(const struct rule_regex *r, struct alive *set, unsigned i,
                struct regex_place p)
{
    uint16_t stack[2 * RULE_REGEX_STEPS_MAX];
    unsigned n = 0;
    stack[n++] = (uint16_t)i;
    while (n > 0) {
        i = stack[--n];
        if ((set->in[i / 64] >> i % 64 & 1) != 0) {
            continue;
        }
        set->in[i / 64] |= UINT64_C(1) << i % 64;
        const struct regex_step *s = &r->step[i];
        switch (s->op) {
        case STEP_MATCH:
            return true;
        case STEP_SET:
            set->item[set->n++] = (uint16_t)i;
            break;
        case STEP_SPLIT:
            stack[n++] = (uint16_t)s->y;
            stack[n++] = (uint16_t)s->x;
            break;
        case STEP_JUMP:
            stack[n++] = (uint16_t)s->x;
            break;
        case STEP_BEGIN:
        case STEP_END:
        case STEP_EDGE:
            if (regex_place_is(s->op, p)) {
                stack[n++] = (uint16_t)(i + 1);
            }
            break;
        }
    }
    return false;
}

static void clear(struct alive *set)
{
    set->n = 0;
    memset(set->in, 0, sizeof set->in);
}

bool rule_regex_search(const struct rule_regex *r, struct slice text)
{
    struct alive a, b, *now = &a, *then = &b;
    clear(now);
    for (size_t at = 0; at <= text.len; at++) {
        struct regex_place p = {at > 0 ? text.ptr[at - 1] : -1,
                                at < text.len ? text.ptr[at] : -1};
        bool may =
            r->anywhere || (p.after >= 0 && regex_has_octet(r->first, text.ptr[at]));
        if (may && add(r, now, 0, p)) {
            return true;
        }
        if (now->n == 0 || p.after < 0) {
            if (may) {
                clear(now); /* an assertion that failed here may hold at the next place */
            }
            continue;
        }
        struct regex_place q = {p.after, at + 1 < text.len ? text.ptr[at + 1] : -1};
        clear(then);
        for (unsigned i = 0; i < now->n; i++) {
            const struct regex_step *s = &r->step[now->item[i]];
            if (regex_has_octet(s->set, text.ptr[at]) &&
                add(r, then, now->item[i] + 1U, q)) {
                return true;
            }
        }
        struct alive *was = now;
        now = then;
        then = was;
    }
    return false;
}

/* --- what each match holds --- */

/* The one octet of the set, or the one letter in either case, as lower case. -1: there are others. */
static int one_octet(const uint64_t set[4])
{
    int first = -1;
    unsigned n = 0;
    for (unsigned k = 0; k < 4; k++) {
        for (uint64_t rest = set[k]; rest != 0 && n <= 2; rest &= rest - 1, n++) {
            first = first < 0 ? (int)(k * 64) + __builtin_ctzll(rest) : first;
        }
    }
    unsigned char lower =
        (unsigned char)(first < 0 ? 0 : ascii_lower((unsigned char)first));
    bool letter = n == 2 && ascii_is_alpha(lower) && regex_has_octet(set, lower);
    return n == 1 || letter ? lower : -1;
}

/* Is there a way to the match that leaves step `out` out? */
static bool is_spared(const struct rule_regex *r, unsigned out)
{
    uint64_t seen[(RULE_REGEX_STEPS_MAX + 63) / 64] = {0};
    uint16_t stack[2 * RULE_REGEX_STEPS_MAX];
    unsigned n = 0;
    stack[n++] = 0;
    while (n > 0) {
        unsigned i = stack[--n];
        if (i == out || (seen[i / 64] >> i % 64 & 1) != 0) {
            continue;
        }
        seen[i / 64] |= UINT64_C(1) << i % 64;
        const struct regex_step *s = &r->step[i];
        if (s->op == STEP_MATCH) {
            return true;
        }
        if (s->op == STEP_SPLIT) {
            stack[n++] = (uint16_t)s->y;
        }
        stack[n++] = (uint16_t)(s->op == STEP_SPLIT || s->op == STEP_JUMP ? s->x : i + 1);
    }
    return false;
}

/* What surely follows from step i on, as far as it is one octet after the other. */
static size_t run_from(const struct rule_regex *r, unsigned i,
                       unsigned char out[RULE_REGEX_LITERAL_MAX])
{
    size_t len = 0;
    /* A jump back could go round for ever without an octet. */
    for (unsigned n = 0; n < r->n && len < RULE_REGEX_LITERAL_MAX; n++) {
        const struct regex_step *s = &r->step[i];
        if (s->op == STEP_SET) {
            int octet = one_octet(s->set);
            if (octet < 0) {
                break;
            }
            out[len++] = (unsigned char)octet;
        } else if (s->op == STEP_SPLIT || s->op == STEP_MATCH) {
            break;
        }
        i = s->op == STEP_JUMP ? s->x : i + 1;
    }
    return len;
}

enum { RUNS_MAX = 32 }; /* are looked at: each costs a walk through the program */

struct slice rule_regex_literal(const struct rule_regex *r,
                                unsigned char out[RULE_REGEX_LITERAL_MAX])
{
    unsigned char run[RULE_REGEX_LITERAL_MAX];
    size_t best = 0;
    unsigned runs = 0;
    for (unsigned i = 0; i < r->n && runs < RUNS_MAX; i++) {
        size_t len = r->step[i].op == STEP_SET ? run_from(r, i, run) : 0;
        if (len > best) {
            runs++;
            if (!is_spared(r, i)) {
                memcpy(out, run, len);
                best = len;
            }
        }
    }
    return (struct slice){out, best};
}

/* --- the two together --- */

/* What a match begins with. Steps that ask for a place are taken as if it were the right one. */
static void find_first(struct rule_regex *r)
{
    bool seen[RULE_REGEX_STEPS_MAX] = {false};
    uint16_t stack[2 * RULE_REGEX_STEPS_MAX];
    unsigned n = 0;
    stack[n++] = 0;
    while (n > 0) {
        unsigned i = stack[--n];
        const struct regex_step *s = &r->step[i];
        if (seen[i]) {
            continue;
        }
        seen[i] = true;
        if (s->op == STEP_SET) {
            for (unsigned k = 0; k < 4; k++) {
                r->first[k] |= s->set[k];
            }
        } else if (s->op == STEP_MATCH) {
            r->anywhere = true;
        } else if (s->op == STEP_SPLIT) {
            stack[n++] = (uint16_t)s->y;
            stack[n++] = (uint16_t)s->x;
        } else {
            stack[n++] = (uint16_t)(s->op == STEP_JUMP ? s->x : i + 1);
        }
    }
}

const char *rule_regex_compile(struct slice pattern, struct arena *arena,
                               struct rule_regex *out, size_t *at)
{
    struct compiler c = {.rest = pattern};
    *at = 0;
    if (pattern.len == 0) {
        return "is empty";
    }
    c.step = malloc(RULE_REGEX_STEPS_MAX * sizeof *c.step);
    if (c.step == NULL) {
        return "does not fit beside the other rules";
    }
    either(&c, 0);
    if (c.wrong == NULL && c.rest.len > 0) {
        c.wrong = "has a ) without its (";
    }
    (void)put(&c, STEP_MATCH);
    *at = pattern.len - c.rest.len;
    struct regex_step *copy =
        c.wrong == NULL ? arena_alloc(arena, c.n * sizeof *copy) : NULL;
    if (copy != NULL) {
        memcpy(copy, c.step, c.n * sizeof *copy);
    }
    free(c.step);
    if (copy == NULL) {
        return c.wrong == NULL ? "does not fit beside the other rules" : c.wrong;
    }
    *out = (struct rule_regex){.step = copy, .n = c.n};
    find_first(out);
    return NULL;
}
