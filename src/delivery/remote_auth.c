/* delivery/remote_auth.c - see remote.h: SCRAM towards smart hosts. What is made of a password costs much by design: a
 * thread does it, once for each smart host as long as that names the same salt. */
#include "base/clock.h"
#include "delivery/remote_impl.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { REFUSED_MS = 3600 * 1000 };

/* What is known of a smart host's logins. */
struct auth_host {
    struct sasl_client_keys keys; /* made last */
    uint64_t refused_until_ms;    /* it refuses SCRAM: by PLAIN or LOGIN at once */
};

struct link_auth {
    struct remote_work work;
    struct remote *remote;
    struct remote_link *link; /* NULL: it is gone */
    bool derived, deriving;
    unsigned host; /* number of the smart host */
    unsigned char password[SASL_PASSWORD_MAX];
    size_t password_len;
    struct sasl_client_keys keys;
    struct sasl_client sasl;
};

bool auth_init(struct remote *r)
{
    r->auth_hosts = calloc(SMART_HOSTS_MAX, sizeof *r->auth_hosts);
    return r->auth_hosts != NULL;
}

void auth_clear(struct remote *r)
{
    if (r->auth_hosts != NULL) {
        explicit_bzero(r->auth_hosts, SMART_HOSTS_MAX * sizeof *r->auth_hosts);
    }
    free(r->auth_hosts);
}

static void auth_free(struct link_auth *a)
{
    sasl_client_clear(&a->sasl);
    explicit_bzero(a, sizeof *a);
    free(a);
}

void link_auth_end(struct remote_link *l)
{
    struct link_auth *a = l->auth;
    l->auth = NULL;
    if (a != NULL && l->client.auth_refused) {
        l->site->remote->auth_hosts[l->site->smart->number].refused_until_ms =
            clock_mono_ms() + REFUSED_MS;
    }
    if (a != NULL && a->deriving) {
        a->link = NULL; /* the thread gives it back */
    } else if (a != NULL) {
        auth_free(a);
    }
}

bool link_auth_waits(const struct remote_link *l)
{
    return l->auth != NULL && l->auth->deriving;
}

unsigned link_auth_mechanisms(const struct remote_link *l)
{
    const struct smart_host *h = l->site->smart;
    const struct smtp_client_options *o = &l->client.options;
    unsigned char binding[CONN_EXPORTER_LEN];
    if (h == NULL || !sasl_client_can(o->user, o->password) ||
        (!h->scram &&
         l->site->remote->auth_hosts[h->number].refused_until_ms > clock_mono_ms())) {
        return 0;
    }
    return SMTP_CLIENT_AUTH_SCRAM |
           (conn_tls_exporter(&l->conn, binding) ? SMTP_CLIENT_AUTH_SCRAM_PLUS : 0U);
}

static struct link_auth *begin(struct remote_link *l)
{
    struct link_auth *a = calloc(1, sizeof *a);
    unsigned char nonce[SASL_NONCE_LEN], binding[CONN_EXPORTER_LEN];
    const struct smtp_client_options *o = &l->client.options;
    /* One that could be bound but is not offered so is told so: somebody may have taken that away. */
    bool plus = smtp_client_auth(&l->client) == SMTP_CLIENT_AUTH_SCRAM_PLUS;
    bool bound = (o->mechanisms & SMTP_CLIENT_AUTH_SCRAM_PLUS) != 0 &&
                 conn_tls_exporter(&l->conn, binding);
    if (a == NULL || (plus && !bound) ||
        getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce) {
        free(a);
        return NULL;
    }
    a->remote = l->site->remote;
    a->link = l;
    a->host = l->site->smart->number;
    a->password_len = o->password.len;
    memcpy(a->password, o->password.ptr, o->password.len); /* link_auth_mechanisms() */
    sasl_client_begin(&a->sasl, o->user, plus,
                      (struct slice){binding, bound ? sizeof binding : 0},
                      (struct slice){nonce, sizeof nonce});
    return a;
}

static void run(struct remote_work *w)
{
    struct link_auth *a = (struct link_auth *)(void *)w; /* its first member */
    a->derived =
        sasl_client_derive((struct slice){a->password, a->password_len}, &a->keys);
}

static void prove(struct remote_link *l)
{
    struct link_auth *a = l->auth;
    if (!a->derived) {
        smtp_client_no_login(&l->client, "its keys cannot be computed");
        return;
    }
    a->remote->auth_hosts[a->host].keys = a->keys;
    if (sasl_client_keys(&a->sasl, &a->keys) == SASL_CLIENT_SEND) {
        smtp_client_respond(&l->client, buf_slice(&a->sasl.out), false);
    } else {
        smtp_client_no_login(&l->client, a->sasl.why);
    }
}

static void done(struct remote_work *w)
{
    struct link_auth *a = (struct link_auth *)(void *)w;
    a->deriving = false;
    if (a->link == NULL) {
        auth_free(a);
        return;
    }
    prove(a->link);
    link_drive(a->link);
}

/* False: a thread makes them, and the link is told. */
static bool derive(struct remote_link *l)
{
    struct link_auth *a = l->auth;
    const struct sasl_client_keys *kept = &a->remote->auth_hosts[a->host].keys;
    a->keys = a->sasl.keys;
    if (sasl_client_same(kept, &a->keys)) {
        a->keys = *kept;
        a->derived = true;
        return true;
    }
    a->work = (struct remote_work){.run = run, .done = done};
    a->deriving = remote_work(a->remote, &a->work);
    if (!a->deriving) {
        run(&a->work);
    }
    return !a->deriving;
}

void link_auth_step(struct remote_link *l)
{
    struct smtp_client *c = &l->client;
    if (l->auth == NULL) {
        l->auth = begin(l);
        if (l->auth == NULL) {
            smtp_client_no_login(c, "no memory, or no random octets");
        } else {
            smtp_client_respond(c, buf_slice(&l->auth->sasl.out), false);
        }
        return;
    }
    struct sasl_client *s = &l->auth->sasl;
    switch (sasl_client_step(s, smtp_client_challenge(c))) {
    case SASL_CLIENT_WANT_KEYS:
        if (derive(l)) {
            prove(l);
        }
        break;
    case SASL_CLIENT_SEND:
        smtp_client_respond(c, buf_slice(&s->out), false);
        break;
    case SASL_CLIENT_DONE:
        smtp_client_respond(c, SLICE(""), true);
        break;
    case SASL_CLIENT_FAIL:
        smtp_client_no_login(c, s->why);
        break;
    }
}
