/* daemon/smtpd_directory.c - MAIL and RCPT: see smtpd.h
 *
 * Recipients are looked up in the directory (or its cache), MAIL where it depends on who is
 * asking; many questions are under way at a time over all sessions, one in each. What comes
 * back is judged by src/check. */
#include "daemon/smtpd.h"

#include "base/clock.h"
#include "base/log.h"
#include "check/rates.h"
#include "directory/name.h"
#include "queue/sent.h"

#include <string.h>

/* An address as the directory knows it: local part unquoted, domain in lower case. */
struct lookup {
    unsigned char local_octets[SMTP_LOCAL_MAX], domain_octets[SMTP_DOMAIN_MAX];
    struct slice local, domain;
};

static void lookup_of(const struct smtp_path *path, struct lookup *l)
{
    l->local = smtp_local_unquote(path->local, l->local_octets);
    if (path->utf8 && dir_name_ascii(path->domain, l->domain_octets, &l->domain)) {
        return; /* a name that IDNA does not know is no domain of ours either */
    }
    for (size_t i = 0; i < path->domain.len; i++) {
        l->domain_octets[i] = ascii_lower(path->domain.ptr[i]);
    }
    l->domain = (struct slice){l->domain_octets, path->domain.len};
}

static const struct smtp_recipient *asked(const struct client *c)
{
    return smtp_session_asked(c->session);
}

/* --- questions --- */

static const char swamped[] = "the directory has more questions than it can answer";

/* False: the directory is swamped. While it is away, mail_ask_again() or the clock decides. */
static bool send_question(struct smtpd *d, enum msg_type type)
{
    return d->directory == NULL ||
           channel_send(d->directory, type, buf_slice(&d->scratch), -1);
}

static bool send_lookup(struct client *c)
{
    struct smtpd *d = c->smtpd;
    struct lookup l;
    lookup_of(c->routing != NULL ? c->routing : &asked(c)->path, &l);
    buf_reset(&d->scratch);
    wire_put_u64(&d->scratch, c->cookie);
    wire_put_u8(&d->scratch, (uint8_t)c->listener->service);
    wire_put_text(&d->scratch, l.local);
    wire_put_text(&d->scratch, l.domain);
    return send_question(d, MSG_DIR_RCPT);
}

static bool send_mail(struct client *c)
{
    struct smtpd *d = c->smtpd;
    struct lookup l;
    lookup_of(&smtp_session_envelope(c->session)->sender, &l);
    struct dir_mail_ask ask = {
        .cookie = c->cookie,
        .service = (uint8_t)c->listener->service,
        .ip = c->address,
        .helo = smtp_session_helo(c->session),
        .local = l.local,
        .domain = l.domain,
        .login = smtp_session_login(c->session),
        .message = {c->id, c->charge_n},
        .spend = c->spending ? smtp_session_envelope(c->session)->recipient_n : 0};
    buf_reset(&d->scratch);
    dir_mail_ask_write(&d->scratch, &ask);
    return send_question(d, MSG_DIR_MAIL);
}

/* The client waits for the answer under a new cookie. False: no memory. */
static bool expect(struct client *c)
{
    struct smtpd *d = c->smtpd;
    c->cookie = ++d->next_cookie;
    if (!map_put(&d->lookups, map_key_u64(&c->cookie), c)) {
        c->cookie = 0;
    }
    return c->cookie != 0;
}

static struct client *waiting(struct smtpd *d, uint64_t cookie)
{
    struct client *c = map_take(&d->lookups, map_key_u64(&cookie));
    if (c != NULL) {
        c->cookie = 0;
    }
    return c; /* NULL: its session ended meanwhile */
}

/* The message is not sent: what was counted for it is given back. Where the directory is away it
 * stays counted; so it does where nobody knows whether the writer still writes it. */
static void give_back(struct client *c)
{
    struct smtpd *d = c->smtpd;
    if ((c->spending || c->charged) && !c->committing) {
        struct dir_mail_ask ask = {.cookie = ++d->next_cookie, /* nobody waits for it */
                                   .service = (uint8_t)c->listener->service,
                                   .message = {c->id, c->charge_n},
                                   .give_back = true};
        buf_reset(&d->scratch);
        dir_mail_ask_write(&d->scratch, &ask);
        (void)send_question(d, MSG_DIR_MAIL);
    }
    c->spending = c->charged = false;
}

void mail_forget(struct client *c)
{
    if (c->cookie != 0) {
        (void)map_take(&c->smtpd->lookups, map_key_u64(&c->cookie));
        c->cookie = 0;
    }
    suppress_forget(c);
    c->routing = NULL;
    give_back(c);
    c->spent = NULL;
    c->checks_wait = false;
}

static void ask_one(void *arg, struct slice key, void *value)
{
    (void)arg;
    (void)key;
    struct client *c = value;
    /* Swamped by all that waited: the clock decides. */
    (void)(c->routing == NULL && (c->spending || smtp_session_mail_asked(c->session))
               ? send_mail(c)
               : send_lookup(c));
}

void mail_ask_again(struct smtpd *d)
{
    map_each(&d->lookups, ask_one, NULL);
}

/* --- MAIL --- */

static void refuse_mail(struct client *c, const char *what)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "what", what);
    c->n = 0;
    smtp_session_mail(c->session,
                      (struct smtp_verdict){REPLY_system_temporary_problem, &f}, NULL);
    dns_end_transaction(c);
}

void mail_judge(struct client *c)
{
    struct check_verdict v;
    struct check_facts facts = mail_facts(c, smtp_session_envelope(c->session));
    facts.mail = c->mail_kept;
    facts.milter = mail_milter;
    facts.milter_arg = c;
    enum check_outcome outcome = dns_run_checks(c, CHECK_MAIL, &facts, &v);
    if (outcome == CHECK_WAITS) {
        return;
    }
    smtp_session_mail(c->session, (struct smtp_verdict){v.reply, &v.evidence},
                      c->mail_kept);
    if (outcome == CHECK_REFUSED) { /* no reset() comes */
        mail_milter_forget(c);
        c->n = 0;
        dns_end_transaction(c);
    }
}

void mail_begin(void *arg, const struct smtp_envelope *e)
{
    struct client *c = arg;
    c->n = ++c->last_n;
    c->mail_kept = NULL; /* what the directory says, where it is asked */
    mail_milter_anew(c);
    dns_begin_transaction(c);
    mail_verify_begin(c, e);
    trace_key(&c->trace, TRACE_KEY_ADDRESS, e->sender.mailbox);
    if (c->listener->service == SERVICE_MX) {
        mail_judge(c);
    } else if (!expect(c)) {
        refuse_mail(c, "out of memory");
    } else if (!send_mail(c)) {
        mail_forget(c);
        refuse_mail(c, swamped);
    }
}

/* A copy for the transaction. NULL: no room. */
static struct dir_mail *keep_mail(struct client *c, const struct dir_mail *m)
{
    struct arena *arena = smtp_session_arena(c->session);
    struct dir_mail *copy = arena_alloc(arena, sizeof *copy);
    bool ok = copy != NULL;
    if (ok) {
        *copy = *m;
    }
    for (unsigned i = 0; i < DIR_BY_COUNT && ok; i++) {
        ok = arena_dup(arena, m->customer[i].name, &copy->customer[i].name);
    }
    ok = ok && arena_dup(arena, m->groups, &copy->groups);
    return ok ? copy : NULL;
}

static const struct dir_mail cannot_count = {.fault = true};

static void take_spent(struct client *c, const struct dir_mail *m)
{
    c->spending = false;
    c->charged = m->spent || m->fault; /* then nobody knows */
    c->spent = keep_mail(c, m);
    c->spent = c->spent == NULL ? &cannot_count : c->spent;
    buf_reset(&c->smtpd->output);
    message_judge(c);
    if (!c->checks_wait) {
        client_continue(c);
    }
}

/* Should the directory end between counting and answering, it is asked again, and knows by the
 * message's id whether it has counted. */
const struct dir_mail *mail_spend(void *arg)
{
    struct client *c = arg;
    if (c->spent != NULL || c->spending) {
        return c->spent;
    }
    c->spending = true;
    c->charge_n = c->n;
    if (!expect(c) || !send_mail(c)) {
        mail_forget(c);
        return &cannot_count;
    }
    return NULL;
}

bool mail_facts_answer(struct smtpd *d, struct slice payload)
{
    struct dir_mail answer = {0};
    if (!dir_mail_read(payload, &answer)) {
        return false;
    }
    struct client *c = waiting(d, answer.cookie);
    if (c == NULL) {
        return true;
    }
    if (c->spending) {
        take_spent(c, &answer);
        return true;
    }
    if (!smtp_session_mail_asked(c->session)) {
        return false; /* it was asked about a recipient */
    }
    buf_reset(&d->output);
    c->mail_kept = keep_mail(c, &answer);
    if (c->mail_kept == NULL) {
        refuse_mail(c, "out of memory for this session");
    } else {
        mail_judge(c);
    }
    if (!c->checks_wait) {
        client_continue(c);
    }
    return true;
}

/* --- RCPT --- */

static bool keep_address(struct client *c, const struct smtp_path *path,
                         struct slice *out)
{
    struct lookup l;
    lookup_of(path, &l);
    size_t len = path->local.len + 1 + l.domain.len;
    unsigned char *octets = arena_alloc(smtp_session_arena(c->session), len);
    if (octets == NULL) {
        return false;
    }
    memcpy(octets, path->local.ptr, path->local.len);
    octets[path->local.len] = '@';
    memcpy(octets + path->local.len + 1, l.domain.ptr, l.domain.len);
    *out = (struct slice){octets, len};
    return true;
}

/* What that recipient is, of what is read here. */
enum return_form {
    RETURN_NONE = 0,
    RETURN_TOKEN,    /* a return path, by its form */
    RETURN_FEEDBACK, /* an address for complaints, and nobody's mailbox */
};

/* Is it of complaints.addresses? A sub-address makes no difference. */
static bool is_for_complaints(const struct client *c, struct slice local,
                              struct slice domain)
{
    const struct config_list *list = &c->smtpd->ctx->config->complaints_addresses;
    for (unsigned i = 0; i < list->n && c->listener->service != SERVICE_PUSH; i++) {
        struct slice address = slice_of(list->item[i]);
        size_t at = slice_rfind(address, '@');
        if (slice_ieq(slice_from(address, at + 1), domain) &&
            slice_istarts(local, slice_sub(address, 0, at)) &&
            (local.len == at || local.ptr[at] == '+')) {
            return true;
        }
    }
    return false;
}

static enum return_form return_of(const struct client *c, const struct smtp_path *path)
{
    if (!c->smtpd->ctx->config->complaints_keep &&
        is_for_complaints(c, path->local, path->domain)) {
        return RETURN_FEEDBACK;
    }
    struct slice domain = slice_of(c->smtpd->ctx->config->push_return_path_domain);
    if (c->listener->service != SERVICE_MX || domain.len == 0 ||
        !slice_ieq(path->domain, domain)) {
        return RETURN_NONE;
    }
    return sent_is_token(path->local)                  ? RETURN_TOKEN
           : slice_ieq(path->local, SLICE("feedback")) ? RETURN_FEEDBACK
                                                       : RETURN_NONE;
}

/* Beside the mailboxes: as one more target, mail for complaints.addresses is read. */
static bool add_report(struct client *c, const struct smtp_path *path,
                       struct mail_targets *t)
{
    bool wanted = is_for_complaints(c, path->local, path->domain);
    for (unsigned i = 0; i < t->n && !wanted; i++) {
        struct slice address = t->target[i].address;
        size_t at = slice_rfind(address, '@');
        wanted =
            t->target[i].kind == SPOOL_LOCAL &&
            is_for_complaints(c, slice_sub(address, 0, at), slice_from(address, at + 1));
    }
    if (!wanted) {
        return true;
    }
    t->target[t->n].kind = SPOOL_REPORT;
    return keep_address(c, path, &t->target[t->n++].address);
}

bool mail_rcpt_address(struct client *c, struct slice *out)
{
    return keep_address(c, &asked(c)->path, out);
}

struct mail_targets *mail_keep_targets(struct client *c, const struct smtp_path *path,
                                       struct dir_answer *a)
{
    struct arena *arena = smtp_session_arena(c->session);
    struct mail_targets *t =
        arena_alloc(arena, sizeof *t + (a->target_n + 2U) * sizeof t->target[0]);
    struct dir_target target = {0};
    if (t == NULL || !arena_dup(arena, a->groups, &t->groups)) {
        return NULL;
    }
    bool back = return_of(c, path) != RETURN_NONE;
    if (back || a->status == DIR_NO_DOMAIN) { /* else another server's */
        t->target[t->n].kind = back ? SPOOL_REPORT : SPOOL_REMOTE;
        return keep_address(c, path, &t->target[t->n++].address) ? t : NULL;
    }
    while (dir_answer_target(a, &target)) {
        t->target[t->n].kind = target.kind;
        if (!arena_dup(arena, target.address, &t->target[t->n++].address)) {
            return NULL;
        }
    }
    return add_report(c, path, t) ? t : NULL;
}

static void refuse_rcpt(struct client *c, enum reply_id id, const char *what)
{
    struct fields f;
    fields_reset(&f);
    fields_add(&f, "rcpt", asked(c)->path.mailbox);
    if (what != NULL) {
        fields_add_str(&f, "what", what);
    }
    smtp_session_rcpt(c->session, (struct smtp_verdict){id, &f}, NULL);
}

static bool has_policy(const struct client *c, struct slice domain)
{
    const struct mail_policy *p = c->policies;
    while (p != NULL && !slice_ieq(p->domain, domain)) {
        p = p->next;
    }
    return p != NULL;
}

/* The least of two limits, 0 being none. */
static uint64_t least(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* What the domain of an accepted recipient demands counts for the whole transaction. False:
 * no room, and nothing was set: a refusal gives this recipient's memory back. */
static bool gather(struct client *c, const struct dir_answer *a,
                   const struct dir_settings *s)
{
    struct check_gathered *g = &c->gathered;
    struct arena *arena = smtp_session_arena(c->session);
    struct slice domain = g->domain;
    struct mail_policy *p = NULL;
    if (domain.len == 0 && !arena_dup(arena, a->domain, &domain)) {
        return false;
    }
    if (s->any && !has_policy(c, a->domain)) {
        p = arena_alloc(arena, sizeof *p);
        if (p == NULL || !arena_dup(arena, a->domain, &p->domain)) {
            return false;
        }
        p->next = c->policies;
        c->policies = p;
        g->policies++;
    }
    g->domain = domain;
    g->one_domain |= s->one_domain;
    g->policy_limit = least(g->policy_limit, s->policies);
    g->size_limit = least(g->size_limit, s->message_size);
    return true;
}

/* The directory has spoken (now or from the cache): judge, and answer the session. */
static void judge_rcpt(struct client *c, struct dir_answer *a)
{
    const struct smtp_recipient *r = asked(c);
    struct dir_settings settings = {0};
    struct check_verdict v;
    struct check_facts facts = mail_facts(c, smtp_session_envelope(c->session));
    facts.rcpt = &r->path;
    facts.answer = a;
    facts.settings = &settings;
    facts.suppressed = suppress_ask;
    facts.suppressed_arg = c;
    facts.return_path = return_of(c, &asked(c)->path) == RETURN_TOKEN;
    facts.milter = mail_milter;
    facts.milter_arg = c;
    facts.policy_counted = has_policy(c, a->domain);
    IGNORE(
        dir_settings_read(a->settings, &settings)); /* dir_answer_read() did it before */
    enum check_outcome outcome = dns_run_checks(c, CHECK_RCPT, &facts, &v);
    if (outcome == CHECK_WAITS) {
        return;
    }
    if (a->trap) {
        struct fields note;
        fields_reset(&note);
        fields_add_str(&note, "text",
                       "this recipient is a trap: bad signs for the client");
        client_event(c, TRACE_note, &note);
        rates_trapped(&facts);
    }
    if (outcome == CHECK_REFUSED) {
        smtp_session_rcpt(c->session, (struct smtp_verdict){v.reply, &v.evidence}, NULL);
        return;
    }
    if (c->target_n + a->target_n + 1 > SMTPD_TARGETS_MAX) {
        refuse_rcpt(c, REPLY_rcpt_too_many, NULL);
        return;
    }
    struct mail_targets *t = mail_keep_targets(c, &r->path, a);
    if (t == NULL || t->n == 0 || !gather(c, a, &settings)) {
        refuse_rcpt(c, REPLY_system_temporary_problem, "out of memory for this session");
        return;
    }
    c->target_n += t->n;
    c->report_n += return_of(c, &asked(c)->path) == RETURN_TOKEN;
    smtp_session_rcpt(c->session, (struct smtp_verdict){REPLY_NONE, NULL}, t);
}

void mail_rcpt(void *arg, const struct smtp_recipient *r)
{
    struct client *c = arg;
    trace_key(&c->trace, TRACE_KEY_ADDRESS, r->path.mailbox);
    suppress_forget(c); /* what it said of the one before */
    mail_milter_anew(c);
    rcpt_judge(c);
}

/* The directory's answer is not kept while checks wait: it is asked for again, mostly of the cache. */
void rcpt_judge(struct client *c)
{
    struct smtpd *d = c->smtpd;
    struct lookup l;
    struct dir_question q;
    struct dir_answer answer = {0};
    if (c->cookie != 0) {
        return; /* that is under way already */
    }
    lookup_of(&asked(c)->path, &l);
    if (return_of(c, &asked(c)->path) !=
        RETURN_NONE) { /* nobody's mailbox: the directory has no say */
        answer = (struct dir_answer){.status = DIR_OK, .domain = l.domain};
        judge_rcpt(c, &answer);
        return;
    }
    q = (struct dir_question){(uint8_t)c->listener->service, l.local, l.domain};
    if (dir_cache_get(&d->cache, &q, clock_mono_ms(), &answer)) {
        judge_rcpt(c, &answer);
    } else if (!expect(c)) {
        refuse_rcpt(c, REPLY_system_temporary_problem, "out of memory");
    } else if (!send_lookup(c)) {
        mail_forget(c);
        refuse_rcpt(c, REPLY_system_temporary_problem, swamped);
    }
}

enum mail_look mail_look_up(struct client *c, const struct smtp_path *path,
                            struct dir_answer *out)
{
    struct smtpd *d = c->smtpd;
    struct lookup l;
    lookup_of(path, &l);
    struct dir_question q = {(uint8_t)c->listener->service, l.local, l.domain};
    if (dir_cache_get(&d->cache, &q, clock_mono_ms(), out)) {
        return MAIL_LOOK_KNOWN;
    }
    c->routing = path;
    if (!expect(c) || !send_lookup(c)) {
        mail_forget(c);
        return MAIL_LOOK_FAULT;
    }
    return MAIL_LOOK_ASKED;
}

bool mail_answer(struct smtpd *d, const struct channel *from, struct slice payload)
{
    struct dir_answer answer = {0};
    struct lookup l;
    if (!dir_answer_read(payload, &answer)) {
        return false;
    }
    struct client *c = waiting(d, answer.cookie);
    if (c == NULL) {
        return true;
    }
    if (asked(c) == NULL && c->routing == NULL) {
        return false; /* it was asked about a MAIL */
    }
    lookup_of(c->routing != NULL ? c->routing : &asked(c)->path, &l);
    /* What a directory said before its end may be what its successor changed. */
    if (from == d->directory) {
        struct dir_question q = {(uint8_t)c->listener->service, l.local, l.domain};
        dir_cache_put(&d->cache, &q, clock_mono_ms(), payload);
    }
    buf_reset(&d->output);
    if (c->routing != NULL && mail_milter_is_adding(c)) {
        const struct smtp_path *path = c->routing;
        c->routing = NULL;
        mail_milter_found(c, mail_keep_targets(c, path, &answer));
        checks_news(c);
        return true;
    }
    if (c->routing != NULL) {
        c->routing = NULL;
        if (mail_route_answer(c, &answer)) {
            message_accept(c);
        }
    } else {
        judge_rcpt(c, &answer);
    }
    if (!c->checks_wait) {
        client_continue(c);
    }
    return true;
}

bool mail_give_up_asking(struct client *c)
{
    static const char what[] = "the directory does not answer";
    if (c->cookie == 0) {
        return false;
    }
    bool at_end = c->spending || c->routing != NULL;
    mail_forget(c);
    log_text(LOG_ERR, "directory", "no answer: is the directory role running?");
    if (at_end) {
        struct fields f;
        fields_reset(&f);
        fields_add_str(&f, "what", what);
        smtp_session_done(c->session,
                          (struct smtp_verdict){REPLY_system_temporary_problem, &f});
    } else if (smtp_session_mail_asked(c->session)) {
        refuse_mail(c, what);
    } else {
        refuse_rcpt(c, REPLY_system_temporary_problem, what);
    }
    return true;
}
