/* check/rule.c - does an administrator's rule forbid the message? Those of the sender's domain
 * first, then those of the recipients' domains; what the others want done stands in
 * facts->effects. One that quarantines or accepts ends its own domain's list only.
 * Rows: policy-custom-rule, policy-prohibited; system-temporary-problem where nobody can tell. */
#include "check/authentication.h"

enum { VALUES_MAX = LINKS_MAX + 2 * INSPECT_NAMES_MAX + INSPECT_TEXTS_MAX };

/* The lists that rule_facts borrows. */
struct values {
    struct slice spf, dkim, dmarc;
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
        out->unknown |= 1U << RULE_SPF | 1U << RULE_DKIM | 1U << RULE_DMARC;
        return;
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
}

static void add_effect(struct check_effects *e, const struct rule_item *r,
                       struct slice domain)
{
    struct check_effect **last = &e->first,
                        *effect = arena_alloc(e->arena, sizeof *effect);
    if (effect == NULL || !arena_dup(e->arena, r->name, &effect->rule) ||
        !arena_dup(e->arena, domain, &effect->domain) ||
        !arena_dup(e->arena, r->action.text, &effect->text)) {
        e->failed = true;
        return;
    }
    effect->act = r->action.act;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = effect;
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

static void ask(const struct check_facts *f, const struct check_rules *of,
                struct rule_facts *facts, struct check_verdict *out)
{
    const struct rule_item *r = NULL;
    unsigned at = 0;
    facts->list[RULE_RECIPIENT] = (struct rule_list){of->recipient, of->recipient_n};
    while ((r = rule_set_next(of->set, facts, &at)) != NULL) {
        switch (r->action.act) {
        case RULE_REJECT:
        case RULE_PROHIBIT:
            refuse(out, of, r);
            return;
        case RULE_ACCEPT:
            return;
        case RULE_QUARANTINE:
            add_effect(f->effects, r, of->domain);
            return;
        case RULE_TAG:
        case RULE_ADD_HEADER:
            add_effect(f->effects, r, of->domain);
            break;
        case RULE_ACT_N:
            break;
        }
    }
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
    if (f->effects->failed && out->reply == REPLY_NONE) {
        out->reply = REPLY_system_temporary_problem;
        fields_add_str(&out->evidence, "what", "out of memory for this session");
    }
}
