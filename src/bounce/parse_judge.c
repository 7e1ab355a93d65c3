/* bounce/parse_judge.c - verdicts on recipients, and the message's kind; see parse_impl.h */
#include "bounce/parse_impl.h"

enum {
    NOTICE_JUDGED = 2048, /* octets of a notice that may say why, if nothing else does */
    WEAK_CONFIDENCE = 50, /* percent; below it the rest of the report is asked too */
    PLAIN_WEIGHT = 64,    /* of a rule that may speak about a report's own sentences */
};

static void judge(struct bounce_parser *p, struct slice text, struct bounce_recipient *r,
                  struct bounce_verdict *out)
{
    struct bounce_reply reply = {.code = r->code, .status = r->status, .text = text};
    struct bounce_context context = {.stage = r->stage, .mx_host = r->remote_host};
    bounce_classify(p->classifier, &reply, &context, out);
}

static bool is_weak(const struct bounce_verdict *v)
{
    return v->klass == BOUNCE_UNCLASSIFIED || v->confidence < WEAK_CONFIDENCE;
}

/* Still being tried: nothing is known of the address yet. */
static void soften(struct bounce_recipient *r)
{
    if (r->delivery == BOUNCE_DELAYED && r->verdict.kind == BOUNCE_HARD) {
        r->verdict.kind = BOUNCE_SOFT;
        r->verdict.action = BOUNCE_ACT_RETRY;
    }
}

/* A report that says "failed" without a server's 4yz reply has tried long enough: "no such
 * domain" is final then, whatever digit the agent put in front of its status. */
static void harden(struct bounce_recipient *r)
{
    const struct bounce_class_info *info = bounce_class_info(r->verdict.klass);
    if (r->told_failed && r->code == 0 && r->verdict.kind == BOUNCE_SOFT &&
        info->kind == BOUNCE_HARD) {
        r->verdict.kind = info->kind;
        r->verdict.action = info->permanent;
    }
}

/* Prose without a code makes an address bad only if the rest of the notice does not say
 * otherwise: "delivery was stopped" below "virus found". That it was refused does not. */
static void doubt(struct bounce_parser *p, struct bounce_recipient *r)
{
    struct bounce_verdict other;
    if (r->code != 0 || r->status.klass != 0 || r->verdict.kind != BOUNCE_HARD ||
        p->mail.rcpt_n > 1) {
        return;
    }
    struct slice notice = slice_sub(p->notice, 0, NOTICE_JUDGED);
    judge(p, notice, r, &other);
    /* What overlaps the reply was judged already, with less around it. */
    size_t at = slice_search(notice, slice_sub(r->reply, 0, 32));
    bool known =
        other.span_off < at + r->reply.len && other.span_off + other.span_len > at;
    if (!known && !is_weak(&other) && other.kind != BOUNCE_HARD &&
        other.kind != BOUNCE_NO_FAILURE && other.klass != BOUNCE_RECIPIENT_REFUSED) {
        other.span_off = other.span_len = 0;
        r->verdict = other;
    }
}

/* The cause in a subject, behind the words that announce one: what else stands there is often
 * the original's. */
static struct slice told_in_subject(struct slice subject)
{
    static const char *const openings[] = {
        "returned mail:", "delivery failure:",  "mail failure -",
        "mail error:",    "delivery failure -", NULL};
    if (!text_starts(subject, openings)) {
        return (struct slice){0};
    }
    size_t colon = slice_find(subject, ':');
    return slice_from(subject,
                      colon < subject.len ? colon + 1 : slice_find(subject, '-') + 1);
}

/* Asks the rest of the report where a recipient's own part says nothing definite. Half of all
 * reports say "delivery failed" or "mail system error" somewhere, so only plain words count. */
static void judge_failure(struct bounce_parser *p, struct bounce_recipient *r)
{
    struct bounce_verdict *v = &r->verdict, other;
    judge(p, r->reply, r, v);
    struct slice whole = slice_sub(p->notice, 0, NOTICE_JUDGED);
    struct slice more[] = {p->mail.rcpt_n == 1 ? whole : (struct slice){0},
                           told_in_subject(p->subject)};
    for (size_t i = 0; i < 2 && is_weak(v); i++) {
        if (more[i].len == 0) {
            continue;
        }
        judge(p, more[i], r, &other);
        if (!is_weak(&other) && other.klass != BOUNCE_NOT_A_FAILURE &&
            other.rule < BOUNCE_RULES_N &&
            bounce_rule_info(other.rule)->weight >= PLAIN_WEIGHT) {
            other.span_off = other.span_len = 0; /* not in the reply */
            *v = other;
        }
    }
    doubt(p, r);
    harden(r);
    soften(r);
}

void parse_judge(struct bounce_parser *p, struct bounce_recipient *r)
{
    judge(p, r->reply, r, &r->verdict);
    soften(r);
}

static void set_class(struct bounce_recipient *r, enum bounce_class klass)
{
    const struct bounce_class_info *info = bounce_class_info(klass);
    r->verdict = (struct bounce_verdict){.klass = klass,
                                         .kind = info->kind,
                                         .scope = info->scope,
                                         .action = info->permanent,
                                         .stage = r->stage,
                                         .code = r->code,
                                         .status = r->status,
                                         .confidence = 100,
                                         .rule = BOUNCE_RULE_NONE};
}

static void settle(struct bounce_parser *p, struct bounce_recipient *r)
{
    enum bounce_mail_kind kind = p->mail.kind;
    if (kind == BOUNCE_MAIL_FEEDBACK || kind == BOUNCE_MAIL_AUTO_REPLY) {
        set_class(r, kind == BOUNCE_MAIL_FEEDBACK ? BOUNCE_FEEDBACK_REPORT
                                                  : BOUNCE_AUTO_REPLY);
        return;
    }
    r->told_failed = r->delivery == BOUNCE_FAILED;
    if (r->delivery == BOUNCE_DELIVERY_UNKNOWN) {
        r->delivery = r->status.klass == 2 && r->code / 100 != 5 ? BOUNCE_DELIVERED
                      : p->delayed                               ? BOUNCE_DELAYED
                                                                 : BOUNCE_FAILED;
    }
    if (r->delivery > BOUNCE_DELAYED) {
        set_class(r, BOUNCE_NOT_A_FAILURE);
    } else {
        judge_failure(p, r);
    }
}

/* Failed outweighs delayed, delayed outweighs delivered. */
void parse_settle(struct bounce_parser *p)
{
    struct bounce_mail *m = &p->mail;
    bool told = m->kind == BOUNCE_MAIL_FEEDBACK || m->kind == BOUNCE_MAIL_AUTO_REPLY;
    for (unsigned i = 0; i < m->rcpt_n; i++) {
        struct bounce_recipient *r = &p->rcpt[i];
        settle(p, r);
        enum bounce_mail_kind kind = r->delivery == BOUNCE_FAILED ? BOUNCE_MAIL_FAILED
                                     : r->delivery == BOUNCE_DELAYED
                                         ? BOUNCE_MAIL_DELAYED
                                         : BOUNCE_MAIL_DELIVERED;
        if (!told && (i == 0 || kind < m->kind)) {
            m->kind = kind;
        }
    }
}
