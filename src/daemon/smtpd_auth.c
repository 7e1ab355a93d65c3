/* daemon/smtpd_auth.c - AUTH: what is offered, and the way of responses to the directory and of
 * its answers back. Nothing here looks into a response. */
#include "base/log.h"
#include "daemon/smtpd.h"
#include "directory/login.h"
#include "sasl/sasl.h"

#include <string.h>

/* --- what is on offer --- */

/* Push accounts have nothing but a password's hash. */
static bool offers(const struct config *cfg, enum config_service service,
                   const struct sasl_mechanism *m)
{
    bool password = m->kind == SASL_PLAIN || m->kind == SASL_LOGIN;
    bool judged = !m->token || cfg->oauth_introspection[0] != '\0';
    return service != SERVICE_MX && (service != SERVICE_PUSH || password) && judged;
}

void auth_offer_init(struct smtpd *d)
{
    const struct config *cfg = d->ctx->config;
    for (int service = 0; service < SMTPD_SERVICES; service++) {
        struct auth_offer *o = &d->auth[service];
        for (unsigned i = 0; i < SASL_MECHANISMS; i++) {
            const struct sasl_mechanism *m = &sasl_mechanisms[i];
            if (offers(cfg, (enum config_service)service, m)) {
                o->mechanism[o->n++] = (struct smtp_auth_mechanism){
                    .name = m->name,
                    .tls_only = m->binding || m->token, /* RFC 7628 4 */
                    .no_initial = m->server_first && !cfg->auth_login_initial_response};
            }
        }
    }
}

/* --- asking --- */

/* Nobody can be authenticated: said once so that the client may try again; then the session, which
 * needs it, cannot go on. */
static enum reply_id fault_row(struct client *c)
{
    bool again = c->auth_faults > 0;
    c->auth_faults = 1;
    return again && c->listener->service != SERVICE_PUSH
               ? REPLY_system_temporary_problem_security
               : REPLY_auth_temporary_failure;
}

static void refuse_for_now(struct client *c)
{
    smtp_session_auth(
        c->session,
        (struct smtp_auth_answer){SMTP_AUTH_REFUSED, SLICE(""), {fault_row(c), NULL}});
}

static void forget(struct client *c)
{
    if (c->auth_cookie != 0) {
        (void)map_take(&c->smtpd->logins, map_key_u64(&c->auth_cookie));
        c->auth_cookie = 0;
    }
}

/* False: the directory is away, or does not keep pace. */
static bool ask(struct client *c, struct dir_auth_ask *a)
{
    struct smtpd *d = c->smtpd;
    struct buf b;
    a->cookie = c->auth_cookie;
    buf_init(&b, DIR_AUTH_MAX);
    dir_auth_ask_write(&b, a);
    bool ok = d->directory != NULL && !b.failed &&
              channel_send(d->directory, MSG_DIR_AUTH, buf_slice(&b), -1);
    if (b.ptr != NULL) {
        explicit_bzero(b.ptr, b.cap);
    }
    buf_clear(&b);
    return ok;
}

static void ask_or_refuse(struct client *c, struct dir_auth_ask *a)
{
    if (!ask(c, a)) {
        forget(c);
        refuse_for_now(c);
    }
}

/* False: refused. */
static bool remember(struct client *c)
{
    c->auth_cookie = ++c->smtpd->next_cookie;
    if (!map_put(&c->smtpd->logins, map_key_u64(&c->auth_cookie), c)) {
        c->auth_cookie = 0;
        refuse_for_now(c);
        return false;
    }
    return true;
}

void auth_named(void *arg, struct slice login)
{
    struct client *c = arg;
    if (remember(c)) {
        ask_or_refuse(c, &(struct dir_auth_ask){.step = DIR_AUTH_NAMED,
                                                .service = (uint8_t)c->listener->service,
                                                .text = login,
                                                .ip = slice_of(c->ip)});
    }
}

void auth_begin(void *arg, const char *mechanism, const struct slice *initial)
{
    struct client *c = arg;
    unsigned char binding[SASL_BINDING_LEN];
    _Static_assert((int)SASL_BINDING_LEN == (int)CONN_EXPORTER_LEN,
                   "what binds is exported");
    if (!remember(c)) {
        return;
    }
    bool bound = conn_tls_exporter(&c->conn, binding);
    ask_or_refuse(c, &(struct dir_auth_ask){
                         .step = DIR_AUTH_BEGIN,
                         .service = (uint8_t)c->listener->service,
                         .has_initial = initial != NULL,
                         .mechanism = slice_of(mechanism),
                         .text = initial == NULL ? SLICE("") : *initial,
                         .ip = slice_of(c->ip),
                         .binding = {binding, bound ? sizeof binding : 0},
                     });
    explicit_bzero(binding, sizeof binding);
}

void auth_response(void *arg, struct slice response)
{
    ask_or_refuse(arg,
                  &(struct dir_auth_ask){.step = DIR_AUTH_RESPONSE, .text = response});
}

void auth_abort(void *arg)
{
    struct client *c = arg;
    if (c->auth_cookie != 0) {
        IGNORE(ask(
            c, &(struct dir_auth_ask){.step = DIR_AUTH_ABORT})); /* it is away: good */
        forget(c);
    }
}

/* --- answers --- */

static enum reply_id row_of(const struct client *c, enum dir_auth_why why)
{
    static const enum reply_id rows[DIR_AUTH_WHYS] = {
        [DIR_AUTH_WRONG] = REPLY_auth_credentials_rejected,
        [DIR_AUTH_MALFORMED] = REPLY_auth_response_undecodable,
        [DIR_AUTH_TOO_MANY] = REPLY_auth_too_many_attempts,
        [DIR_AUTH_FAULT] = REPLY_auth_temporary_failure,
        [DIR_AUTH_LOCKED] = REPLY_auth_web_login_required,
        [DIR_AUTH_APP_PASSWORD] = REPLY_auth_app_password_required,
        [DIR_AUTH_NEW_NETWORK] = REPLY_auth_web_login_required_weak,
    };
    bool push = c->listener->service == SERVICE_PUSH && why == DIR_AUTH_WRONG;
    return push ? REPLY_push_auth_failure : rows[why];
}

static void refused(struct client *c, const struct dir_auth *a)
{
    const char *url = c->smtpd->ctx->config->auth_sign_in_url;
    struct fields f;
    fields_reset(&f);
    if (a->account.len > 0) {
        fields_add(&f, "account", a->account);
    }
    if (a->why == DIR_AUTH_TOO_MANY || a->why == DIR_AUTH_NEW_NETWORK) {
        fields_add_str(&f, "ip", c->ip);
    }
    if (a->why == DIR_AUTH_TOO_MANY) {
        fields_add_u64(&f, "retry", a->retry);
    }
    if (a->why == DIR_AUTH_MALFORMED) {
        fields_add_str(&f, "what", "its octets are not what the mechanism wants");
    }
    if (url[0] != '\0') {
        fields_add_str(&f, "signin", url);
    }
    enum reply_id row = row_of(c, a->why);
    row = row == REPLY_auth_temporary_failure ? fault_row(c) : row;
    smtp_session_auth(c->session,
                      (struct smtp_auth_answer){SMTP_AUTH_REFUSED, SLICE(""), {row, &f}});
}

bool auth_answer(struct smtpd *d, struct slice payload)
{
    struct dir_auth a = {0};
    if (!dir_auth_read(payload, &a) || a.text.len > SASL_OUT_MAX ||
        (a.kind == DIR_AUTH_OK && a.text.len > SMTP_LOGIN_MAX)) {
        return false;
    }
    struct client *c = map_get(&d->logins, map_key_u64(&a.cookie));
    if (c == NULL) {
        return true; /* its session ended, or gave up */
    }
    if (!smtp_session_auth_asked(c->session)) {
        return false;
    }
    buf_reset(&d->output);
    if (a.kind != DIR_AUTH_CHALLENGE) {
        forget(c);
    }
    if (a.kind == DIR_AUTH_REFUSED) {
        refused(c, &a);
    } else {
        enum smtp_auth_step step =
            a.kind == DIR_AUTH_OK ? SMTP_AUTH_OK : SMTP_AUTH_CHALLENGE;
        smtp_session_auth(c->session,
                          (struct smtp_auth_answer){step, a.text, {REPLY_NONE, NULL}});
    }
    client_continue(c);
    return true;
}

void auth_give_up(struct client *c)
{
    auth_abort(c);
    refuse_for_now(c);
}

static void first(void *arg, struct slice key, void *value)
{
    struct client *c = value;
    (void)key;
    if (smtp_session_auth_asked(c->session)) {
        *(struct client **)arg = c;
    }
}

void auth_directory_gone(struct smtpd *d)
{
    for (;;) {
        struct client *c = NULL;
        map_each(&d->logins, first, &c);
        if (c == NULL) {
            return;
        }
        buf_reset(&d->output);
        forget(c);
        refuse_for_now(c);
        client_continue(c);
    }
}
