/* daemon/smtpd_dns.c - DNS: see smtpd.h
 *
 * A session has two scopes of questions: one about its client, begun when it connects, so that the
 * answers are there when they are wanted, and one of its transaction. A stage whose checks want to
 * know more than is known waits as it would for the directory: the engine's command stays
 * unanswered, and news of either scope let the checks go on. */
#include "base/clock.h"
#include "daemon/smtpd.h"
#include "dns/name.h"

#include <stdio.h>

enum { SHOWN_MAX = 8, SHOWN_TEXT_MAX = 200 };

/* --- trace --- */

static void add_record(struct fields *f, enum dns_type type, const struct dns_record *r,
                       char ip[IP_TEXT_MAX])
{
    if (type == DNS_A || type == DNS_AAAA) {
        fields_add(f, "data", ip_text(&r->ip, ip));
    } else if (type == DNS_TXT) {
        fields_add(f, "data", slice_sub(r->text, 0, SHOWN_TEXT_MAX));
    } else if (r->name.len > 0 || type == DNS_MX) {
        fields_add(f, "data", r->name.len > 0 ? r->name : SLICE("."));
    }
}

/* One question and its answer. n: of the transaction, 0: the session's. */
static void trace_answer(struct client *c, uint32_t n, enum dns_type type,
                         struct slice name, const struct dns_answer *a, uint64_t ms)
{
    static const char *const results[] = {
        [DNS_FOUND] = "found",
        [DNS_NODATA] = "no such record",
        [DNS_NXDOMAIN] = "no such name",
        [DNS_FAILED] = "no answer",
    };
    char type_text[DNS_TYPE_TEXT_MAX], ip[SHOWN_MAX][IP_TEXT_MAX];
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "type", dns_type_text(type, type_text));
    fields_add(&f, "name", name.len == 0 ? SLICE(".") : name);
    fields_add_str(&f, "result", results[a->status]);
    for (unsigned i = 0; i < a->n && i < SHOWN_MAX; i++) {
        add_record(&f, type, &a->record[i], ip[i]);
    }
    if (a->n > SHOWN_MAX) {
        fields_add_u64(&f, "records", a->n);
    }
    if (a->why != NULL) {
        fields_add_str(&f, "why", a->why);
    }
    if (a->secure) {
        fields_add_str(&f, "secure", "yes");
    }
    fields_add_u64(&f, "ms", ms);
    trace_event(&c->trace, TRACE_dns, clock_wall_ms(), n, &f);
}

static void told_session(void *arg, enum dns_type type, struct slice name,
                         const struct dns_answer *a, uint64_t ms)
{
    trace_answer(arg, 0, type, name, a, ms);
}

static void told(void *arg, enum dns_type type, struct slice name,
                 const struct dns_answer *a, uint64_t ms)
{
    trace_answer(arg, ((struct client *)arg)->n, type, name, a, ms);
}

/* --- waiting --- */

static void judge_again(struct client *c)
{
    switch (c->check_stage) {
    case CHECK_MAIL:
        mail_judge(c);
        break;
    case CHECK_RCPT:
        rcpt_judge(c);
        break;
    case CHECK_MESSAGE:
        message_judge(c);
        break;
    }
}

void checks_news(void *arg)
{
    struct client *c = arg;
    if (!c->checks_wait) {
        struct check_facts f = mail_facts(c, smtp_session_envelope(c->session));
        check_prepare(&f);
        return;
    }
    buf_reset(&c->smtpd->output);
    judge_again(c);
    if (!c->checks_wait) {
        client_continue(c);
    }
}

enum check_outcome dns_run_checks(struct client *c, enum check_stage stage,
                                  const struct check_facts *f, struct check_verdict *v)
{
    if (!c->checks_wait) {
        c->check_at = 0;
        c->check_stage = stage;
    }
    check_prepare(f);
    enum check_outcome outcome =
        check_run(stage, &c->check_at, f, v, mail_trace_check, c);
    c->checks_wait = outcome == CHECK_WAITS;
    c->checks_wait_for = v->waits_for;
    return outcome;
}

/* --- scopes --- */

static const struct resolver_ops session_ops = {.news = checks_news,
                                                .told = told_session};
static const struct resolver_ops transaction_ops = {.news = checks_news, .told = told};

void dns_begin_session(struct client *c)
{
    resolver_scope_free(&c->dns_session);
    c->dns_session = resolver_scope_new(c->smtpd->resolver, &session_ops, c);
    struct check_facts f = mail_facts(c, smtp_session_envelope(c->session));
    check_prepare(&f);
}

void dns_begin_transaction(struct client *c)
{
    dns_end_transaction(c);
    c->dns = resolver_scope_new(c->smtpd->resolver, &transaction_ops, c);
}

void dns_end_transaction(struct client *c)
{
    c->checks_wait = false;
    verify_free(&c->verify); /* rests on the scope's answers */
    resolver_scope_free(&c->dns);
}

void dns_end_session(struct client *c)
{
    dns_end_transaction(c);
    resolver_scope_free(&c->dns_session);
}
