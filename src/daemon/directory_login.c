/* daemon/directory_login.c - see directory_login.h
 *
 * An exchange is named by its channel and the cookie that smtpd gave it. It goes: response in,
 * sasl_step(), what that wants (a hash computed by the crew, keys from the database), an answer
 * out; a refusal waits in the exchange's timer until it is told. */
#include "daemon/directory_login.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "directory/crew.h"
#include "directory/throttle.h"

#include <event2/event.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    THREADS_MIN = 2,
    THREADS_MAX = 4,
    ASKERS = 8, /* threads that wait for the endpoint of tokens, not for the processor */
    KEYS_REMEMBERED_MAX = 65536, /* of the throttle */
    DELAY_GROWTH_MAX = 8,
    NO_CREDENTIAL =
        1 + DIR_APP_PASSWORDS_MAX, /* logged in by a token, not by a password */
};

struct logins {
    struct event_base *base;
    const struct config *config;
    struct dir_store *(*store)(void *arg);
    void *arg;
    const struct introspect *tokens; /* NULL: nobody judges tokens */
    struct crew *crew, *askers;      /* askers: NULL without tokens */
    struct event *crew_event, *askers_event;
    struct map exchanges; /* id -> struct exchange */
    uint64_t last_id;
    struct throttle throttle;
    char dummy_hash[DIR_HASH_MAX]; /* of a password nobody has */
    unsigned char secret[DIR_SECRET_LEN];
    bool has_secret;
    struct buf answer;
};

struct exchange {
    struct logins *l;
    uint64_t id, cookie;
    struct channel *ch;
    uint8_t service;
    char ip[64];
    struct sasl sasl;
    bool begun, found, working;
    uint64_t step_ms; /* when the response came that is being worked on */
    struct dir_account account;
    struct sasl_keys keys[1 + DIR_APP_PASSWORDS_MAX];
    unsigned credential_of[1 + DIR_APP_PASSWORDS_MAX]; /* of each of keys */
    struct event *timer;
    struct dir_auth late; /* what the timer tells */
};

/* What a thread computes; nothing in it belongs to anybody else. */
struct job {
    struct crew_job base;
    uint64_t exchange;
    /* a token */
    const struct introspect *tokens; /* NULL: a password */
    char token[SASL_RESPONSE_MAX + 1];
    uint64_t until;               /* later nobody waits for the answer */
    char user[SASL_USER_MAX + 1]; /* whose it is */
    enum introspect_res res;
    /* a password */
    char password[SASL_PASSWORD_MAX + 1];
    unsigned n, first; /* hashes to try, from that one on */
    unsigned matched;  /* n: none */
    char hash[1 + DIR_APP_PASSWORDS_MAX][DIR_HASH_MAX];
};

/* ---- the end ---- */

static void drop(struct exchange *x)
{
    (void)map_take(&x->l->exchanges, map_key_u64(&x->id));
    if (x->timer != NULL) {
        event_free(x->timer);
    }
    if (x->begun) {
        sasl_clear(&x->sasl);
    }
    explicit_bzero(x, sizeof *x);
    free(x);
}

static void reply_to(struct exchange *x, struct dir_auth *a)
{
    struct logins *l = x->l;
    a->cookie = x->cookie;
    buf_reset(&l->answer);
    dir_auth_write(&l->answer, a);
    if (l->answer.failed ||
        !channel_send(x->ch, MSG_DIR_AUTH_IS, buf_slice(&l->answer), -1)) {
        log_text(LOG_WARN, "answer-dropped", "smtpd/%u does not read its answers",
                 channel_peer_index(x->ch));
    }
}

static void challenge(struct exchange *x)
{
    reply_to(x, &(struct dir_auth){.kind = DIR_AUTH_CHALLENGE,
                                   .text = buf_slice(&x->sasl.out)});
}

static void tell_late(evutil_socket_t fd, short what, void *arg)
{
    struct exchange *x = arg;
    (void)fd;
    (void)what;
    if (x->late.kind == DIR_AUTH_CHALLENGE) {
        challenge(x);
        return;
    }
    if (x->found && x->late.why >= DIR_AUTH_LOCKED) {
        x->late.account = slice_of(x->account.login);
    }
    reply_to(x, &x->late);
    drop(x);
}

/* Tells it ms after the response came. */
static void tell_at(struct exchange *x, struct dir_auth a, uint64_t ms)
{
    uint64_t passed = clock_mono_ms() - x->step_ms;
    uint64_t left = passed < ms ? ms - passed : 0;
    struct timeval wait = {.tv_sec = (time_t)(left / 1000),
                           .tv_usec = (suseconds_t)(left % 1000 * 1000)};
    x->late = a;
    if (x->timer == NULL) {
        x->timer = evtimer_new(x->l->base, tell_late, x);
    }
    if (x->timer == NULL || event_add(x->timer, &wait) != 0) {
        fatal("directory: no memory");
    }
}

static void refuse(struct exchange *x, enum dir_auth_why why)
{
    tell_at(x, (struct dir_auth){.kind = DIR_AUTH_REFUSED, .why = why}, 0);
}

/* account: ""; what is no account may be a password in the wrong place. */
static void log_outcome(const char *outcome, const char *mechanism, const char *account,
                        struct slice ip)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "outcome", outcome);
    fields_add_str(&f, "mechanism", mechanism);
    if (account[0] != '\0') {
        fields_add_str(&f, "account", account);
    }
    fields_add(&f, "ip", ip);
    log_event(LOG_INFO, 0, "login", &f);
}

static void log_login(struct exchange *x, const char *outcome)
{
    log_outcome(outcome, x->sasl.mechanism->name, x->found ? x->account.login : "",
                slice_of(x->ip));
}

/* ---- limits on guessing ---- */

/* Wrong passwords from where an account never was do not lock it out where it is at home. */
static struct slice account_key(const struct exchange *x, char out[SASL_USER_MAX + 96])
{
    char network[DIR_NETWORK_TEXT_MAX] = "";
    struct buf b;
    if (x->found && x->account.network_known) {
        (void)dir_network(slice_of(x->ip), network);
    }
    buf_init(&b, SASL_USER_MAX + 95);
    (void)buf_add_fmt(&b, "a%s ", network);
    struct slice user = x->found ? slice_of(x->account.login) : x->sasl.user;
    for (size_t i = 0; i < user.len; i++) {
        (void)buf_add_byte(&b, ascii_lower(user.ptr[i]));
    }
    bool ok = slice_cstr(buf_slice(&b), out, SASL_USER_MAX + 96);
    buf_clear(&b);
    return ok ? slice_of(out) : SLICE("a");
}

static struct slice network_key(const struct exchange *x, char out[DIR_NETWORK_TEXT_MAX])
{
    return dir_network(slice_of(x->ip), out);
}

/* The client left it to its token to say who it is: there is no account to count for. */
static bool is_nameless(const struct exchange *x)
{
    return !x->found && x->sasl.user.len == 0;
}

/* Seconds to wait, 0: none. */
static uint64_t must_wait(const struct exchange *x)
{
    char account[SASL_USER_MAX + 96];
    char network[DIR_NETWORK_TEXT_MAX];
    const struct config *c = x->l->config;
    uint64_t now = clock_mono_ms();
    uint64_t a = is_nameless(x) ? 0
                                : throttle_wait(&x->l->throttle, account_key(x, account),
                                                c->auth_attempts_per_account,
                                                c->auth_attempts_time, now);
    uint64_t n = throttle_wait(&x->l->throttle, network_key(x, network),
                               c->auth_attempts_per_network, c->auth_attempts_time, now);
    return ((a > n ? a : n) + 999) / 1000;
}

static bool too_many(struct exchange *x)
{
    uint64_t wait = must_wait(x);
    if (wait == 0) {
        return false;
    }
    log_login(x, "too many attempts");
    tell_at(x,
            (struct dir_auth){
                .kind = DIR_AUTH_REFUSED, .why = DIR_AUTH_TOO_MANY, .retry = wait},
            x->l->config->auth_delay);
    return true;
}

/* Counts, and says how long the refusal must wait. */
static uint64_t count_failure(struct exchange *x)
{
    char account[SASL_USER_MAX + 96];
    char network[DIR_NETWORK_TEXT_MAX];
    const struct config *c = x->l->config;
    uint64_t now = clock_mono_ms();
    uint64_t n = 1;
    uint64_t delay = c->auth_delay;
    if (!is_nameless(x)) {
        n = throttle_fail(&x->l->throttle, account_key(x, account),
                          c->auth_attempts_per_account, c->auth_attempts_time, now);
    }
    (void)throttle_fail(&x->l->throttle, network_key(x, network),
                        c->auth_attempts_per_network, c->auth_attempts_time, now);
    for (uint64_t grown = 1; n > 1 && grown < DELAY_GROWTH_MAX; n--, grown *= 2) {
        delay *= 2;
    }
    return delay;
}

static void wrong(struct exchange *x)
{
    log_login(x, "wrong");
    tell_at(x, (struct dir_auth){.kind = DIR_AUTH_REFUSED, .why = DIR_AUTH_WRONG},
            count_failure(x));
}

/* ---- the outcome ---- */

/* The password was right; what else the account wants. */
static bool policy(struct exchange *x, unsigned credential)
{
    const struct dir_account *a = &x->account;
    bool main_password = credential == 0 && a->n > 0 && a->credential[0].name[0] == '\0';
    enum dir_auth_why why = DIR_AUTH_WRONG;
    if (a->locked) {
        why = DIR_AUTH_LOCKED;
    } else if (a->second_factor && main_password) {
        why = DIR_AUTH_APP_PASSWORD;
    } else if (a->known_networks && !a->network_known) {
        why = DIR_AUTH_NEW_NETWORK;
    }
    if (why != DIR_AUTH_WRONG) {
        log_login(x, "right password, refused by the account's policy");
        refuse(x, why);
        return false;
    }
    return true;
}

static void let_in(struct exchange *x, unsigned credential)
{
    char key[SASL_USER_MAX + 96];
    struct dir_store *store = x->l->store(x->l->arg);
    throttle_forget(&x->l->throttle, account_key(x, key));
    if (store != NULL && x->service != SERVICE_PUSH) {
        dir_store_logged_in(store, &x->account, credential, slice_of(x->ip),
                            clock_wall_ms());
    }
    log_login(x, "ok");
    reply_to(x,
             &(struct dir_auth){.kind = DIR_AUTH_OK, .text = slice_of(x->account.login)});
    drop(x);
}

/* ---- questions of the mechanisms ---- */

/* False: the database cannot tell; refused. */
static bool look_up(struct exchange *x)
{
    struct dir_store *store = x->l->store(x->l->arg);
    enum dir_account_res res = DIR_ACCOUNT_FAULT;
    if (store != NULL) {
        res = x->service == SERVICE_PUSH
                  ? dir_store_push_account(store, x->sasl.user, &x->account)
                  : dir_store_account(store, x->sasl.user, slice_of(x->ip), &x->account);
    }
    x->found = res == DIR_ACCOUNT_FOUND;
    if (res == DIR_ACCOUNT_FAULT) {
        refuse(x, DIR_AUTH_FAULT);
    }
    return res != DIR_ACCOUNT_FAULT;
}

static void run_job(struct crew_job *base)
{
    struct job *job = (struct job *)(void *)base; /* its first member */
    job->matched = job->n;
    for (unsigned i = 0; i < job->n && job->matched == job->n; i++) {
        if (dir_password_check(job->hash[i], job->password)) {
            job->matched = i;
        }
    }
}

static void run_token(struct crew_job *base)
{
    struct job *job = (struct job *)(void *)base;
    bool late = clock_mono_ms() >= job->until; /* many waited before it */
    job->res = late ? INTROSPECT_FAULT : introspect(job->tokens, job->token, job->user);
}

static void free_job(struct job *job)
{
    explicit_bzero(job, sizeof *job);
    free(job);
}

static void want_password(struct exchange *x)
{
    struct job *job = NULL;
    if (!look_up(x) || too_many(x)) {
        return;
    }
    job = calloc(1, sizeof *job);
    if (job == NULL) {
        refuse(x, DIR_AUTH_FAULT);
        return;
    }
    job->base.run = run_job;
    list_init(&job->base.node);
    job->exchange = x->id;
    bool ok = slice_cstr(x->sasl.secret, job->password, sizeof job->password);
    _Static_assert(sizeof job->password == DIR_PASSWORD_MAX, "it is prepared in place");
    IGNORE(dir_password_prepare(job->password,
                                false)); /* as it is, then: a hash of elsewhere */
    for (unsigned i = 0; x->found && i < x->account.n; i++) {
        memcpy(job->hash[job->n++], x->account.credential[i].hash, DIR_HASH_MAX);
    }
    if (job->n == 0) { /* the time it takes must not tell */
        memcpy(job->hash[job->n++], x->l->dummy_hash, DIR_HASH_MAX);
    }
    x->working = ok && crew_put(x->l->crew, &job->base);
    if (!x->working) {
        log_text(LOG_WARN, "login", "more logins than passwords can be checked for");
        free_job(job);
        refuse(x, DIR_AUTH_FAULT);
    }
}

static void want_token(struct exchange *x)
{
    struct job *job = x->l->tokens == NULL ? NULL : calloc(1, sizeof *job);
    if (job == NULL) {
        refuse(x, DIR_AUTH_FAULT);
        return;
    }
    if ((x->sasl.user.len > 0 && !look_up(x)) || too_many(x)) {
        free_job(job);
        return;
    }
    job->base.run = run_token;
    list_init(&job->base.node);
    job->exchange = x->id;
    job->tokens = x->l->tokens;
    job->until = x->step_ms + x->l->config->oauth_time;
    x->working = slice_cstr(x->sasl.secret, job->token, sizeof job->token) &&
                 crew_put(x->l->askers, &job->base);
    if (!x->working) {
        log_text(LOG_WARN, "login", "more logins than tokens can be asked about");
        free_job(job);
        refuse(x, DIR_AUTH_FAULT);
    }
}

/* The error is told to the client, whose answer to that brings the refusal. */
static void bad_token(struct exchange *x)
{
    uint64_t wait = count_failure(x);
    log_login(x, "bad token");
    if (sasl_verdict(&x->sasl, false, SLICE("")) != SASL_CHALLENGE) {
        refuse(x, DIR_AUTH_WRONG);
        return;
    }
    tell_at(x, (struct dir_auth){.kind = DIR_AUTH_CHALLENGE}, wait);
}

/* A token is good for the account that the endpoint names, and for no other one that the
 * client may have named. */
static void on_token(struct exchange *x, const struct job *job)
{
    struct dir_account owner = {0};
    bool was_named = x->sasl.user.len > 0;
    if (job->res == INTROSPECT_FAULT) {
        refuse(x, DIR_AUTH_FAULT);
        return;
    }
    if (job->res == INTROSPECT_BAD || (was_named && !x->found)) {
        bad_token(x);
        return;
    }
    struct dir_store *store = x->l->store(x->l->arg);
    enum dir_account_res res =
        store == NULL
            ? DIR_ACCOUNT_FAULT
            : dir_store_account(store, slice_of(job->user), slice_of(x->ip), &owner);
    if (res == DIR_ACCOUNT_FAULT) {
        refuse(x, DIR_AUTH_FAULT);
    } else if (res == DIR_ACCOUNT_NONE ||
               (was_named && strcmp(owner.login, x->account.login) != 0)) {
        bad_token(x); /* counts for the account that was named */
    } else {
        x->account = owner;
        x->found = true;
        if (policy(x, NO_CREDENTIAL)) {
            let_in(x, NO_CREDENTIAL);
        }
    }
    dir_account_clear(&owner);
}

static void on_job(struct logins *l, struct job *job)
{
    struct exchange *x = map_get(&l->exchanges, map_key_u64(&job->exchange));
    if (x == NULL || !x->working) {
        return; /* given up meanwhile */
    }
    x->working = false;
    if (job->tokens != NULL) {
        on_token(x, job);
        return;
    }
    if (!x->found || x->account.n == 0 || job->matched == job->n) {
        wrong(x);
    } else if (policy(x, job->matched)) {
        let_in(x, job->matched);
    }
}

static void take_done(struct logins *l, struct crew *crew)
{
    struct crew_job *done = NULL;
    while ((done = crew_take(crew)) != NULL) {
        struct job *job = (struct job *)(void *)done;
        on_job(l, job);
        free_job(job);
    }
}

static void on_crew(evutil_socket_t fd, short what, void *arg)
{
    struct logins *l = arg;
    (void)fd;
    (void)what;
    take_done(l, l->crew);
}

static void on_askers(evutil_socket_t fd, short what, void *arg)
{
    struct logins *l = arg;
    (void)fd;
    (void)what;
    take_done(l, l->askers);
}

/* Keys of a user who is not there, the same ones whenever asked for (RFC 5802 9 leaves to the
 * server what it says to unknown names). */
static void invent_keys(struct logins *l, struct slice user, struct sasl_keys *keys)
{
    unsigned char lower[SASL_USER_MAX];
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    size_t n = user.len < sizeof lower ? user.len : sizeof lower;
    for (size_t i = 0; i < n; i++) {
        lower[i] = ascii_lower(user.ptr[i]);
    }
    if (HMAC(EVP_sha256(), l->secret, sizeof l->secret, lower, n, mac, &len) == NULL ||
        len < DIR_SCRAM_SALT_LEN) {
        fatal("HMAC");
    }
    *keys = (struct sasl_keys){.salt_len = DIR_SCRAM_SALT_LEN,
                               .iterations = DIR_SCRAM_ITERATIONS};
    memcpy(keys->salt, mac, DIR_SCRAM_SALT_LEN);
    /* nobody has a key for these */
    if (getrandom(keys->stored, sizeof keys->stored, 0) != (ssize_t)sizeof keys->stored) {
        fatal("the kernel gives no random octets");
    }
}

/* Those that have the salt of the first. */
static unsigned collect_keys(struct exchange *x)
{
    unsigned n = 0;
    for (unsigned i = 0; x->found && i < x->account.n; i++) {
        const struct sasl_keys *k = &x->account.credential[i].keys;
        bool fits = n == 0 || (k->iterations == x->keys[0].iterations &&
                               k->salt_len == x->keys[0].salt_len &&
                               memcmp(k->salt, x->keys[0].salt, k->salt_len) == 0);
        if (x->account.credential[i].has_keys && fits) {
            x->credential_of[n] = i;
            x->keys[n++] = *k;
        }
    }
    return n;
}

/* NOLINTBEGIN(misc-no-recursion): keys are wanted once an exchange */
static void handle(struct exchange *x, enum sasl_res res);

static void want_keys(struct exchange *x)
{
    struct logins *l = x->l;
    struct dir_store *store = l->store(l->arg);
    if (!look_up(x) || too_many(x)) {
        return;
    }
    if (!l->has_secret) {
        l->has_secret = store != NULL && dir_store_secret(store, l->secret);
    }
    if (!l->has_secret) {
        refuse(x, DIR_AUTH_FAULT);
        return;
    }
    unsigned n = collect_keys(x);
    if (n == 0) {
        invent_keys(l, x->found ? slice_of(x->account.login) : x->sasl.user, &x->keys[0]);
        x->found = false;
        n = 1;
    }
    handle(x, sasl_scram_keys(&x->sasl, x->keys, n));
}

static void handle(struct exchange *x, enum sasl_res res)
{
    switch (res) {
    case SASL_CHALLENGE:
        if (x->sasl.proved && !policy(x, x->credential_of[x->sasl.matched])) {
            return;
        }
        challenge(x);
        return;
    case SASL_WANT_PASSWORD:
        want_password(x);
        return;
    case SASL_WANT_KEYS:
        want_keys(x);
        return;
    case SASL_WANT_TOKEN:
        want_token(x);
        return;
    case SASL_OK:
        let_in(x, x->credential_of[x->sasl.matched]);
        return;
    case SASL_FAIL:
        if (x->sasl.failing) {
            refuse(x, DIR_AUTH_WRONG); /* a token, counted when it was looked at */
        } else {
            wrong(x);
        }
        return;
    case SASL_MALFORMED:
        refuse(x, DIR_AUTH_MALFORMED);
        return;
    }
}
/* NOLINTEND(misc-no-recursion) */

/* ---- smtpd ---- */

struct search {
    const struct channel *ch;
    uint64_t cookie; /* 0: any */
    struct exchange *found;
};

static void match(void *arg, struct slice key, void *value)
{
    struct search *s = arg;
    struct exchange *x = value;
    (void)key;
    if (x->ch == s->ch && (s->cookie == 0 || x->cookie == s->cookie)) {
        s->found = x;
    }
}

static struct exchange *find(struct logins *l, const struct channel *ch, uint64_t cookie)
{
    struct search s = {ch, cookie, NULL};
    map_each(&l->exchanges, match, &s);
    return s.found;
}

static void fault(struct logins *l, struct channel *ch, uint64_t cookie)
{
    struct dir_auth a = {
        .cookie = cookie, .kind = DIR_AUTH_REFUSED, .why = DIR_AUTH_FAULT};
    buf_reset(&l->answer);
    dir_auth_write(&l->answer, &a);
    IGNORE(
        channel_send(ch, MSG_DIR_AUTH_IS, buf_slice(&l->answer), -1)); /* it gives up */
}

/* NULL: no room. */
static struct exchange *begin(struct logins *l, struct channel *ch,
                              const struct dir_auth_ask *a,
                              const struct sasl_mechanism *m)
{
    unsigned char nonce[SASL_NONCE_LEN];
    struct exchange *x = calloc(1, sizeof *x);
    if (x == NULL) {
        return NULL;
    }
    *x = (struct exchange){
        .l = l, .id = ++l->last_id, .cookie = a->cookie, .ch = ch, .service = a->service};
    if (getrandom(nonce, sizeof nonce, 0) != (ssize_t)sizeof nonce) {
        fatal("the kernel gives no random octets");
    }
    if (!slice_cstr(a->ip, x->ip, sizeof x->ip) ||
        !map_put(&l->exchanges, map_key_u64(&x->id), x)) {
        free(x);
        return NULL;
    }
    sasl_begin(&x->sasl, m, a->binding, (struct slice){nonce, sizeof nonce});
    x->begun = true;
    return x;
}

/* A trusted proxy let the user in; whether there is one, and may log in, is ours to say. What
 * else the account wants was the proxy's to ask for. */
static void named(struct logins *l, struct channel *ch, const struct dir_auth_ask *a)
{
    struct dir_account *account = calloc(1, sizeof *account);
    struct dir_store *store = account == NULL ? NULL : l->store(l->arg);
    struct dir_auth answer = {.kind = DIR_AUTH_REFUSED, .why = DIR_AUTH_FAULT};
    const char *outcome = "no answer";
    struct exchange none = {.l = l, .cookie = a->cookie, .ch = ch};
    enum dir_account_res res = store == NULL ? DIR_ACCOUNT_FAULT
                               : a->service == SERVICE_PUSH
                                   ? dir_store_push_account(store, a->text, account)
                                   : dir_store_account(store, a->text, a->ip, account);
    if (res == DIR_ACCOUNT_NONE) {
        answer.why = DIR_AUTH_WRONG;
        outcome = "no such account";
    } else if (res == DIR_ACCOUNT_FOUND && account->locked) {
        answer.why = DIR_AUTH_LOCKED;
        outcome = "named by a proxy, refused by the account's policy";
        answer.account = slice_of(account->login);
    } else if (res == DIR_ACCOUNT_FOUND) {
        answer.kind = DIR_AUTH_OK;
        answer.text = slice_of(account->login);
        outcome = "ok, named by a proxy";
    }
    log_outcome(outcome, "XCLIENT", res == DIR_ACCOUNT_FOUND ? account->login : "",
                a->ip);
    reply_to(&none, &answer);
    if (account != NULL) {
        dir_account_clear(account);
    }
    free(account);
}

bool logins_message(struct logins *l, struct channel *ch, struct slice payload)
{
    struct dir_auth_ask a = {0};
    if (!dir_auth_ask_read(payload, &a) || a.cookie == 0) {
        return false;
    }
    struct exchange *x = find(l, ch, a.cookie);
    if (a.step == DIR_AUTH_ABORT) {
        if (x != NULL) {
            drop(x);
        }
        return true;
    }
    if (a.step == DIR_AUTH_NAMED) {
        if (x == NULL) {
            named(l, ch, &a);
        }
        return x == NULL;
    }
    if (a.step == DIR_AUTH_RESPONSE) {
        if (x == NULL) { /* of another life of this role */
            fault(l, ch, a.cookie);
            return true;
        }
        if (x->working ||
            (x->timer != NULL && event_pending(x->timer, EV_TIMEOUT, NULL))) {
            return false; /* it has not had its answer to the last one */
        }
        x->step_ms = clock_mono_ms();
        handle(x, sasl_step(&x->sasl, &a.text));
        return true;
    }
    const struct sasl_mechanism *m = sasl_find(a.mechanism);
    if (x != NULL || m == NULL ||
        (a.binding.len != 0 && a.binding.len != SASL_BINDING_LEN)) {
        return false;
    }
    x = begin(l, ch, &a, m);
    if (x == NULL) {
        struct exchange none = {.l = l, .cookie = a.cookie, .ch = ch};
        reply_to(&none,
                 &(struct dir_auth){.kind = DIR_AUTH_REFUSED, .why = DIR_AUTH_FAULT});
        return true;
    }
    x->step_ms = clock_mono_ms();
    handle(x, sasl_step(&x->sasl, a.has_initial ? &a.text : NULL));
    return true;
}

void logins_gone(struct logins *l, const struct channel *ch)
{
    struct exchange *x = NULL;
    while (l != NULL && (x = find(l, ch, 0)) != NULL) {
        drop(x);
    }
}

/* ---- the beginning ---- */

static bool start_crew(struct logins *l, unsigned threads, event_callback_fn on_done,
                       struct crew **crew, struct event **event)
{
    *crew = crew_new();
    if (*crew == NULL || !crew_start(*crew, threads)) {
        return false;
    }
    *event = event_new(l->base, crew_fd(*crew), EV_READ | EV_PERSIST, on_done, l);
    return *event != NULL && event_add(*event, NULL) == 0;
}

struct logins *logins_new(struct event_base *base, const struct config *config,
                          const struct introspect *tokens,
                          struct dir_store *(*store)(void *arg), void *arg)
{
    char password[DIR_PASSWORD_GENERATED + 1];
    struct logins *l = calloc(1, sizeof *l);
    bool ok = true;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned threads = cores < THREADS_MIN   ? THREADS_MIN
                       : cores > THREADS_MAX ? THREADS_MAX
                                             : (unsigned)cores;
    if (l == NULL) {
        return NULL;
    }
    *l = (struct logins){
        .base = base, .config = config, .tokens = tokens, .store = store, .arg = arg};
    map_init(&l->exchanges, LOGINS_MAX);
    throttle_init(&l->throttle, KEYS_REMEMBERED_MAX);
    buf_init(&l->answer, MSG_PAYLOAD_MAX);
    dir_password_generate(password);
    ok = dir_password_hash(password, l->dummy_hash) &&
         start_crew(l, threads, on_crew, &l->crew, &l->crew_event) &&
         (tokens == NULL ||
          start_crew(l, ASKERS, on_askers, &l->askers, &l->askers_event));
    explicit_bzero(password, sizeof password);
    return ok ? l : NULL;
}

static void match_any(void *arg, struct slice key, void *value)
{
    (void)key;
    *(struct exchange **)arg = value;
}

void logins_free(struct logins **logins)
{
    struct logins *l = *logins;
    *logins = NULL;
    if (l == NULL) {
        return;
    }
    for (;;) {
        struct exchange *x = NULL;
        map_each(&l->exchanges, match_any, &x);
        if (x == NULL) {
            break;
        }
        drop(x);
    }
    event_free(l->crew_event);
    if (l->askers_event != NULL) {
        event_free(l->askers_event);
    }
    map_clear(&l->exchanges);
    throttle_clear(&l->throttle);
    buf_clear(&l->answer);
    explicit_bzero(l->secret, sizeof l->secret);
    free(l); /* its threads, and what they compute, end with the process */
}
