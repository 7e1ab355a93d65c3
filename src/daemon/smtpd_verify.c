/* daemon/smtpd_verify.c - who really sent a transaction's message: see smtpd.h
 *
 * Only mx asks, and not of local networks: whoever may send there is our own, and said so by
 * logging in or by its address. */
#include "daemon/smtpd.h"

#include "base/clock.h"
#include "check/authentication.h"
#include "senderauth/authres.h"

#include <stdio.h>

enum { WHAT_MAX = 1000, NAME_MAX_TEXT = 600 };

void mail_verify_begin(struct client *c, const struct smtp_envelope *e)
{
    const struct config *config = c->smtpd->ctx->config;
    c->verify_failed = false;
    c->authenticated = (struct check_auth){0};
    if (c->listener->service != SERVICE_MX ||
        netset_has(&config->checks_local_networks, &c->address)) {
        return;
    }
    struct verify_options o = {.crypto = c->smtpd->crypto,
                               .ip = c->address,
                               .helo = smtp_session_helo(c->session),
                               .mail_from = e->sender.mailbox,
                               .receiver = slice_of(config->hostname),
                               .now_s = clock_wall_ms() / 1000,
                               .sealers = config->checks_trusted_sealers.item,
                               .sealer_n = config->checks_trusted_sealers.n};
    c->verify = c->dns == NULL ? NULL : verify_new(&o);
    c->verify_failed = c->verify == NULL;
}

void mail_verify_head(struct client *c)
{
    if (c->verify == NULL || c->head.over) {
        return;
    }
    if (!verify_header(c->verify, buf_slice(&c->head.octets))) {
        c->verify_failed = true;
        verify_free(&c->verify);
        return;
    }
    verify_ask(c->verify, resolver_scope_source(c->dns));
}

void mail_verify_body(struct client *c, struct slice s)
{
    if (c->verify != NULL && !c->head.over) {
        verify_body(c->verify, s);
    }
}

bool mail_verify_end(struct client *c)
{
    if (c->verify != NULL && !c->head.over) {
        verify_body_end(c->verify);
    }
    return !c->verify_failed;
}

/* --- trace --- */

static void tell(struct client *c, const char *method, struct slice name,
                 const char *result, struct slice what, struct slice record)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "method", method);
    if (name.len > 0) {
        fields_add(&f, "name", name);
    }
    fields_add_str(&f, "result", result);
    if (what.len > 0) {
        fields_add(&f, "what", what);
    }
    if (record.len > 0) {
        fields_add(&f, "record", record);
    }
    client_event(c, TRACE_sender, &f);
}

static struct slice printed(const char *text, int len, size_t room)
{
    size_t n = len < 0 ? 0 : (size_t)len;
    return (struct slice){(const unsigned char *)text, n < room ? n : room - 1};
}

#define SLICE_ARG(s) (int)(s).len, (const char *)(s).ptr

static void tell_spf(struct client *c, const struct spf *spf)
{
    char what[WHAT_MAX], name[NAME_MAX_TEXT];
    int n = snprintf(name, sizeof name, "%s %.*s",
                     spf->identity == SPF_HELO ? "HELO" : "MAIL FROM",
                     SLICE_ARG(spf->domain));
    struct slice of = printed(name, n, sizeof name);
    if (spf->problem != NULL) {
        n = snprintf(what, sizeof what, "%s%s%.*s", spf->problem,
                     spf->term.len > 0 ? ", in " : "", SLICE_ARG(spf->term));
    } else if (spf->term.len > 0) {
        n = snprintf(what, sizeof what, "%s matches %.*s%s%.*s", c->ip,
                     SLICE_ARG(spf->term), slice_eq(spf->by, spf->term) ? "" : ", there ",
                     slice_eq(spf->by, spf->term) ? 0 : (int)spf->by.len,
                     (const char *)spf->by.ptr);
    } else {
        n = snprintf(what, sizeof what, "%s matches nothing", c->ip);
    }
    tell(c, "SPF", of, spf_result_name(spf->result), printed(what, n, sizeof what),
         spf->record);
}

static void tell_dkim(struct client *c, const struct dkim_result *d)
{
    char name[NAME_MAX_TEXT];
    int n = snprintf(name, sizeof name, "%s%s%s%s", d->domain,
                     d->key_name[0] != '\0' ? " (key " : "", d->key_name,
                     d->key_name[0] != '\0' ? ")" : "");
    tell(c, "DKIM", printed(name, n, sizeof name), dkim_verdict_word(d->verdict), d->text,
         (struct slice){0});
}

static void tell_dmarc(struct client *c, const struct verified *r)
{
    const struct dmarc *d = &r->dmarc;
    char what[WHAT_MAX];
    int n = 0;
    if (d->problem != NULL) {
        n = snprintf(what, sizeof what, "%s", d->problem);
    } else {
        n = snprintf(what, sizeof what,
                     "%s=%s of %.*s%s; SPF %s, DKIM %s; organizational domain %.*s%s%s",
                     d->policy_tag, dmarc_policy_name(d->policy),
                     SLICE_ARG(d->policy_domain), d->record->testing ? " (t=y)" : "",
                     d->spf_aligned ? "aligned" : "not",
                     d->dkim_aligned ? "aligned" : "not", SLICE_ARG(d->org),
                     r->trusted == NULL ? "" : "; passed at the trusted sealer ",
                     r->trusted == NULL ? "" : r->trusted);
    }
    tell(c, "DMARC", r->from, dmarc_result_name(d->result), printed(what, n, sizeof what),
         d->record == NULL ? (struct slice){0} : d->record->text);
}

void mail_verify_told(struct client *c)
{
    if (c->verify == NULL) {
        return;
    }
    authentication_domains(c->verify, &c->authenticated);
    const struct verified *r = verify_result(c->verify);
    tell_spf(c, &r->spf);
    if (r->has_helo) {
        tell_spf(c, &r->helo);
    }
    for (unsigned i = 0; i < verify_dkim_count(c->verify); i++) {
        tell_dkim(c, verify_dkim(c->verify, i));
    }
    if (r->arc != NULL && r->arc->cv != ARC_NONE) {
        tell(c, "ARC", (struct slice){0}, arc_cv_word(r->arc->cv), r->arc->text,
             (struct slice){0});
    }
    if (r->from.len > 0) {
        tell_dmarc(c, r);
    }
}

/* --- fields --- */

/* RFC 8601 5: "any MTA conforming to this specification MUST delete any discovered instance of this
 * header field that claims [...] to have been added within its trust boundary". */
static void drop_forged(struct client *c)
{
    struct slice id = slice_of(c->smtpd->ctx->config->hostname);
    for (unsigned i = message_head_find(&c->head, "Authentication-Results", 0);
         i < c->head.n;
         i = message_head_find(&c->head, "Authentication-Results", i + 1)) {
        if (authres_is_from(c->head.field[i].value, id, NULL)) {
            message_head_drop(&c->head, i);
        }
    }
}

bool mail_verify_junk(const struct client *c)
{
    const struct config *config = c->smtpd->ctx->config;
    const struct verified *r = c->verify == NULL ? NULL : verify_result(c->verify);
    return r != NULL && r->trusted == NULL && r->dmarc.result == DMARC_FAIL &&
           r->dmarc.disposition == DMARC_P_QUARANTINE &&
           config->checks_dmarc != CHECK_OFF && config->checks_dmarc != CHECK_OBSERVE &&
           config->checks_dmarc_quarantine == CONFIG_QUARANTINE_JUNK;
}

void mail_verify_fields(struct client *c, const struct smtp_envelope *e, unsigned *at,
                        struct buf *failed)
{
    struct buf *text = &c->smtpd->scratch;
    drop_forged(c);
    if (c->verify == NULL) {
        return;
    }
    buf_reset(text);
    struct ptr ptr;
    bool named = c->dns_session != NULL &&
                 ptr_check(resolver_scope_source(c->dns_session), &c->address, &ptr);
    bool ok =
        verify_write_results(c->verify, named ? &ptr : NULL, e->params.smtputf8, text) &&
        message_head_insert(&c->head, (*at)++, buf_slice(text));
    buf_reset(text);
    ok = ok && verify_write_spf(c->verify, text) &&
         message_head_insert(&c->head, (*at)++, buf_slice(text));
    buf_reset(text);
    /* for stores behind LMTP, whose filters know the field */
    ok = ok && (!mail_verify_junk(c) ||
                message_head_insert(&c->head, (*at)++, SLICE("X-Spam-Flag: YES\r\n")));
    failed->failed |= !ok;
}
