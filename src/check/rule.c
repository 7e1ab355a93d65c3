/* check/rule.c - does an administrator's rule forbid the message? Those of the sender's domain
 * first, then those of the recipients' domains; what the others want done stands in
 * facts->effects. One that quarantines, redirects or accepts ends its own domain's list only.
 * Rows: policy-custom-rule, policy-prohibited; system-temporary-problem where nobody can tell. */
#include "check/authentication.h"
#include "filter/milter.h"
#include "filter/rspamd.h"

enum {
    VALUES_MAX = LINKS_MAX + 2 * INSPECT_NAMES_MAX + INSPECT_TEXTS_MAX + CHECK_DKIM_MAX +
                 DIR_USER_GROUPS_MAX
};

/* The lists that rule_facts borrows. */
struct values {
    struct slice spf, dkim, dmarc, arc;
    struct slice item[VALUES_MAX];
    unsigned n;
};

static void put_one(struct rule_list *list, const struct slice *s)
{
    *list = (struct rule_list){s, 1};
}

static void put_pieces(struct values *v, struct rule_list *list, const struct buf *octets,
                       const struct inspect_piece *piece, unsigned n)
{
    *list = (struct rule_list){&v->item[v->n], n};
    for (unsigned i = 0; i < n; i++) {
        v->item[v->n++] = slice_sub(buf_slice(octets), piece[i].at, piece[i].len);
    }
}

static void put_content(struct values *v, const struct inspect_report *r,
                        struct rule_facts *out)
{
    put_pieces(v, &out->list[RULE_BODY], &r->text, r->texts, r->text_n);
    put_pieces(v, &out->list[RULE_ATTACHMENT], &r->names, r->name, r->name_n);
    put_pieces(v, &out->list[RULE_ATTACHMENT_TYPE], &r->names, r->type, r->type_n);
    out->list[RULE_LINK] = (struct rule_list){&v->item[v->n], r->links.n};
    for (unsigned i = 0; i < r->links.n; i++) {
        v->item[v->n++] = links_host(&r->links, i);
    }
    out->number[RULE_ATTACHMENTS] = r->attachments;
    out->number[RULE_ATTACHMENT_SIZE] = r->largest;
    if ((r->keeps & INSPECT_KEEP_TEXT) == 0) {
        out->unknown |= 1U << RULE_BODY;
    }
    if ((r->keeps & INSPECT_KEEP_SIZES) == 0) {
        out->unknown |= 1U << RULE_ATTACHMENT_SIZE;
    }
}

static void put_authentication(struct values *v, const struct check_facts *f,
                               struct rule_facts *out)
{
    const struct verified *r = authentication_of(f);
    if (r == NULL) {
        out->unknown |= 1U << RULE_SPF | 1U << RULE_DKIM | 1U << RULE_DMARC |
                        1U << RULE_ARC | 1U << RULE_DKIM_DOMAIN;
        return;
    }
    v->arc = r->arc == NULL ? SLICE("none") : slice_of(arc_cv_word(r->arc->cv));
    put_one(&out->list[RULE_ARC], &v->arc);
    out->list[RULE_DKIM_DOMAIN] = (struct rule_list){&v->item[v->n], 0};
    for (unsigned i = 0; f->auth != NULL && i < f->auth->dkim_n; i++) {
        v->item[v->n++] = f->auth->dkim[i];
        out->list[RULE_DKIM_DOMAIN].n++;
    }
    v->spf = slice_of(spf_result_name(r->spf.result));
    v->dmarc = slice_of(dmarc_result_name(r->dmarc.result));
    v->dkim = r->dkim_pass      ? SLICE("pass")
              : r->dkim == NULL ? SLICE("none")
                                : SLICE("fail");
    put_one(&out->list[RULE_SPF], &v->spf);
    put_one(&out->list[RULE_DKIM], &v->dkim);
    put_one(&out->list[RULE_DMARC], &v->dmarc);
}

static void put_groups(struct values *v, struct slice words, struct rule_facts *out)
{
    out->list[RULE_SENDER_GROUP] = (struct rule_list){&v->item[v->n], 0};
    while (words.len > 0 && out->list[RULE_SENDER_GROUP].n < DIR_USER_GROUPS_MAX) {
        size_t end = slice_find(words, ' ');
        v->item[v->n++] = slice_sub(words, 0, end);
        out->list[RULE_SENDER_GROUP].n++;
        words = slice_from(words, end + 1);
    }
}

/* The score of a filter behind the milter protocol, which tells it in a field that it adds: "X-Spam-Score:
 * 5.1" or "X-Spam-Status: Yes, score=5.1 ...". */
static bool score_in(struct slice value, uint64_t *out)
{
    static const struct slice digits = SLICE_INIT("-.0123456789");
    size_t end = 0;
    value = slice_from(value, slice_starts(value, SLICE("+")) ? 1 : 0);
    while (end < value.len && slice_find(digits, value.ptr[end]) < digits.len) {
        end++;
    }
    value = slice_sub(value, 0, end);
    return rule_score_read(slice_sub(value, 0, slice_find(value, '.') + 3), out);
}

/* Of one milter. */
static bool score_of(struct slice edits, uint64_t *out)
{
    struct milter_edit edit;
    while (milter_edit_next(&edits, &edit)) {
        struct slice value = slice_trim(edit.value);
        size_t at = slice_isearch(value, SLICE("score="));
        if (slice_ieq(edit.name, SLICE("X-Spam-Status")) && at < value.len) {
            value = slice_from(value, at + 6);
        } else if (!slice_ieq(edit.name, SLICE("X-Spam-Score"))) {
            continue;
        }
        if (score_in(value, out)) {
            return true;
        }
    }
    return false;
}

static bool milter_score(const struct check_facts *f, uint64_t *out)
{
    const struct check_milter *m =
        f->milter == NULL ? NULL : f->milter(f->milter_arg, CHECK_MESSAGE);
    bool told = m != NULL && m->state == FILTER_ANSWERED;
    for (unsigned i = 0; told && i < m->edits_n; i++) {
        if (score_of(m->edits[i], out)) {
            return true;
        }
    }
    return false;
}

static void read_facts(const struct check_facts *f, struct values *v,
                       struct rule_facts *out)
{
    *out = (struct rule_facts){.head = f->head,
                               .client = f->address,
                               .tls = f->tls,
                               .authenticated = f->login.len > 0};
    out->number[RULE_SIZE] = f->size;
    out->number[RULE_RECIPIENTS] = f->envelope->recipient_n;
    put_one(&out->list[RULE_SENDER], &f->envelope->sender.mailbox);
    put_one(&out->list[RULE_HELO], &f->helo);
    put_one(&out->list[RULE_LOGIN], &f->login);
    put_content(v, f->content, out);
    put_authentication(v, f, out);
    put_groups(v, f->mail == NULL ? SLICE("") : f->mail->groups, out);
    if (f->rspamd != NULL && f->rspamd->state == FILTER_ANSWERED) {
        out->number[RULE_SPAM_SCORE] = rule_score(f->rspamd->verdict.score);
    } else if (!milter_score(f, &out->number[RULE_SPAM_SCORE])) {
        out->unknown |= 1U << RULE_SPAM_SCORE;
    }
}

static void add_effect(struct check_effects *e, const struct rule_item *r,
                       const struct check_rules *of)
{
    struct check_effect **last = &e->first,
                        *effect = arena_alloc(e->arena, sizeof *effect);
    if (effect == NULL || !arena_dup(e->arena, r->name, &effect->rule) ||
        !arena_dup(e->arena, of->domain, &effect->domain) ||
        !arena_dup(e->arena, r->action.text, &effect->text)) {
        e->failed = true;
        return;
    }
    effect->act = r->action.act;
    effect->out_going = of->out_going;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = effect;
}

static void tell_effect(const struct check_effect *e, struct check_verdict *out)
{
    fields_add_str(&out->evidence, "rule",
                   check_text(out, "%.*s of %.*s: %s%s%.*s", (int)e->rule.len,
                              (const char *)e->rule.ptr, (int)e->domain.len,
                              (const char *)e->domain.ptr, rule_acts[e->act],
                              e->text.len > 0 ? " " : "", (int)e->text.len,
                              (const char *)e->text.ptr));
}

static void refuse(struct check_verdict *out, const struct check_rules *of,
                   const struct rule_item *r)
{
    fields_add_str(
        &out->evidence, "domain",
        check_text(out, "%.*s", (int)of->domain.len, (const char *)of->domain.ptr));
    fields_add_str(&out->evidence, "rule",
                   check_text(out, "%.*s", (int)r->name.len, (const char *)r->name.ptr));
    if (r->action.text.len > 0) {
        fields_add_str(&out->evidence, "reason",
                       check_text(out, "%.*s", (int)r->action.text.len,
                                  (const char *)r->action.text.ptr));
    }
    out->reply =
        r->action.act == RULE_REJECT ? REPLY_policy_custom_rule : REPLY_policy_prohibited;
}

/* False: no further rule of the list is asked. */
static bool act(const struct check_facts *f, const struct check_rules *of,
                const struct rule_item *r, struct check_verdict *out)
{
    switch (r->action.act) {
    case RULE_REJECT:
    case RULE_PROHIBIT:
        refuse(out, of, r);
        return false;
    case RULE_ACCEPT:
        return false;
    case RULE_QUARANTINE:
    case RULE_REDIRECT:
        add_effect(f->effects, r, of);
        return false;
    case RULE_COPY:
    case RULE_REQUIRE_TLS:
    case RULE_TAG:
    case RULE_ADD_HEADER:
        add_effect(f->effects, r, of);
        break;
    case RULE_ACT_N:
        break;
    }
    return true;
}

static void ask(const struct check_facts *f, const struct check_rules *of,
                struct rule_facts *facts, struct check_verdict *out)
{
    const struct rule_item *r = NULL;
    struct rule_hits hits = {NULL};
    unsigned at = 0;
    facts->list[RULE_RECIPIENT] = (struct rule_list){of->recipient, of->recipient_n};
    facts->list[RULE_RECIPIENT_GROUP] = (struct rule_list){of->group, of->group_n};
    rule_set_look(of->set, facts, &hits);
    while ((r = rule_set_next(of->set, facts, &hits, &at)) != NULL &&
           act(f, of, r, out)) {
    }
    rule_hits_clear(&hits);
}
void check_rule(const struct check_facts *f, struct check_verdict *out)
{
    struct values values = {.n = 0};
    struct rule_facts facts;
    bool any = false;
    for (unsigned i = 0; i < f->rules_n; i++) {
        if (f->rules[i].fault) {
            out->reply = REPLY_system_temporary_problem;
            fields_add_str(&out->evidence, "what", "the directory cannot tell the rules");
            return;
        }
        if (f->rules[i].set == NULL) {
            out->waits = true;
            out->waits_for = "the directory";
            return;
        }
        any |= f->rules[i].set->n > 0;
    }
    if (!any) {
        return;
    }
    read_facts(f, &values, &facts);
    for (unsigned i = 0; i < f->rules_n && out->reply == REPLY_NONE; i++) {
        ask(f, &f->rules[i], &facts, out);
    }
    for (const struct check_effect *e = f->effects->first;
         e != NULL && out->reply == REPLY_NONE; e = e->next) {
        tell_effect(e, out);
    }
    if (f->effects->failed && out->reply == REPLY_NONE) {
        out->reply = REPLY_system_temporary_problem;
        fields_add_str(&out->evidence, "what", "out of memory for this session");
    }
}
