/* daemon/trace_hooks.c - see trace_hooks.h */
#include "daemon/trace_hooks.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "config/paths.h"
#include "directory/crew.h"
#include "fetch/fetch.h"
#include "resolver/resolver.h"
#include "trace/event.h"
#include "trace/hooks.h"
#include "trace/query.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LOOK_EVERY_MS = 250,
    SCAN_RECORDS = 2000, /* in one turn of the loop, for all webhooks together */
    SAVE_EVERY = 20000,  /* records without an event of the account */
    BODY_MAX = 512 * 1024,
    ANSWER_MAX = 64 * 1024,
    WAIT_FIRST_MS = 1000,
    WAIT_MAX_MS = 3600 * 1000,
    CA_MAX = 4 * 1024 * 1024,
    HOST_MAX = 256,
    ADDRESSES_MAX = 8,
};
#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"

enum hook_state { HOOK_IDLE = 0, HOOK_RESOLVING, HOOK_POSTING };

struct hook {
    struct list node;
    struct trace_hooks *of;
    uint64_t id;
    char account[HOOKS_ACCOUNT_MAX + 1], url[HOOKS_URL_MAX + 1],
        secret[HOOKS_SECRET_MAX + 1];
    char host[HOST_MAX], port[8];
    enum hook_state state;
    bool listed;            /* found in the last look at the file */
    bool failing, answered; /* the last request; one since the start */
    uint64_t record, index; /* the place, in memory: may be ahead of the file's */
    uint64_t saved;         /* record of the file's */
    uint64_t next_record, next_index; /* behind what is under way */
    uint64_t due_ms, wait_ms;         /* monotonic; after a failure */
    unsigned event_n;
    struct buf body;
    struct resolver_scope *scope;
    struct request *request;
};

/* What a thread gets, and gives back. It owns copies: its webhook may be removed meanwhile. */
struct request {
    struct crew_job base;
    struct hook *hook; /* NULL: removed */
    const struct trace_hooks *of;
    char url[HOOKS_URL_MAX + 1], resolve[HOST_MAX + 600], signature[200];
    struct buf body;
    size_t answer_n;
    long status;
    CURLcode code;
};

struct trace_hooks {
    struct role_ctx *ctx;
    struct resolver *resolver;
    struct hooks *store;
    struct crew *crew;
    struct buf ca;
    struct list hooks;
    struct event *tick, *done;
    char trace_path[4096];
    unsigned running;
    bool stopped, ending; /* nothing new is posted; all is closed */
};

/* --- the thread --- */

static size_t on_answer(char *octets, size_t one, size_t n, void *arg)
{
    struct request *r = arg;
    (void)octets;
    r->answer_n += one * n;
    return r->answer_n <= ANSWER_MAX ? one * n : 0; /* nobody reads it */
}

static CURLcode set_up(CURL *curl, struct request *r, struct curl_slist *resolve,
                       struct curl_slist *headers)
{
    const struct trace_hooks *t = r->of;
    const struct slice ca = {t->ca.ptr, t->ca.len};
    CURLcode code =
        fetch_set_up(curl, r->url, "http,https", t->ctx->config->webhook_time, ca);
#define SET(option, value) FETCH_SET(code, curl, option, value)
    SET(RESOLVE, resolve);
    SET(HTTPHEADER, headers);
    SET(POSTFIELDS, (const char *)r->body.ptr);
    SET(POSTFIELDSIZE_LARGE, (curl_off_t)r->body.len);
    SET(WRITEFUNCTION, on_answer);
    SET(WRITEDATA, r);
#undef SET
    return code;
}

static void post(struct crew_job *job)
{
    struct request *r = (struct request *)job;
    CURL *curl = curl_easy_init();
    struct curl_slist *resolve =
        r->resolve[0] == '\0' ? NULL : curl_slist_append(NULL, r->resolve);
    struct curl_slist *headers =
        curl_slist_append(NULL, "Content-Type: application/json");
    struct curl_slist *more =
        headers == NULL ? NULL : curl_slist_append(headers, r->signature);
    struct curl_slist *all =
        more == NULL ? NULL : curl_slist_append(more, "User-Agent: postern");
    r->code = CURLE_OUT_OF_MEMORY;
    if (curl != NULL && all != NULL && (resolve != NULL || r->resolve[0] == '\0')) {
        r->code = set_up(curl, r, resolve, all);
        r->code = r->code == CURLE_OK ? curl_easy_perform(curl) : r->code;
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &r->status);
    }
    curl_slist_free_all(all != NULL ? all : more != NULL ? more : headers);
    curl_slist_free_all(resolve);
    if (curl != NULL) {
        curl_easy_cleanup(curl);
    }
}

/* --- what became of it --- */

static void save(struct hook *h)
{
    if (h->record != h->saved || h->index != 0) {
        h->saved = h->record;
        if (!hooks_move(h->of->store, h->id, h->record, h->index)) {
            log_text(LOG_ERR, "webhook",
                     "webhook.db: %s; after a restart events come twice",
                     hooks_error(h->of->store));
        }
    }
}

static void failed(struct hook *h, const char *why)
{
    struct fields f = {0};
    h->wait_ms = h->wait_ms == 0                ? WAIT_FIRST_MS
                 : h->wait_ms < WAIT_MAX_MS / 2 ? h->wait_ms * 2
                                                : WAIT_MAX_MS;
    h->due_ms = clock_mono_ms() + h->wait_ms;
    h->state = HOOK_IDLE;
    h->failing = true;
    (void)hooks_say(h->of->store, h->id, slice_of(why), clock_wall_ms());
    fields_add_str(&f, "account", h->account);
    fields_add_str(&f, "url", h->url);
    fields_add_str(&f, "what", why);
    fields_add_u64(&f, "again_ms", h->wait_ms);
    log_event(LOG_WARN, 0, "webhook-failed", &f);
}

static void posted(struct hook *h)
{
    struct fields f = {0};
    h->record = h->next_record;
    h->index = h->next_index;
    h->wait_ms = h->due_ms = 0;
    h->state = HOOK_IDLE;
    save(h);
    if (h->failing || !h->answered) {
        (void)hooks_say(h->of->store, h->id, SLICE(""), clock_wall_ms());
    }
    h->failing = false;
    h->answered = true;
    fields_add_str(&f, "account", h->account);
    fields_add_str(&f, "url", h->url);
    fields_add_u64(&f, "events", h->event_n);
    log_event(LOG_DEBUG, 0, "webhook-posted", &f);
}

static void request_free(struct request *r)
{
    if (r->hook != NULL) {
        r->hook->request = NULL;
    }
    buf_clear(&r->body);
    free(r);
}

static void look(struct trace_hooks *t);

static void on_done(evutil_socket_t fd, short what, void *arg)
{
    struct trace_hooks *t = arg;
    struct crew_job *job;
    (void)fd, (void)what;
    while ((job = crew_take(t->crew)) != NULL) {
        struct request *r = (struct request *)job;
        struct hook *h = r->hook;
        char why[100];
        t->running--;
        if (h != NULL && !t->ending && r->code == CURLE_OK && r->status / 100 == 2) {
            posted(h);
        } else if (h != NULL && !t->ending) {
            if (r->code == CURLE_OK) {
                (void)snprintf(why, sizeof why, "HTTP %ld", r->status);
            } else {
                (void)snprintf(why, sizeof why, "%s", curl_easy_strerror(r->code));
            }
            failed(h, why);
        }
        request_free(r);
    }
    if (!t->ending) {
        look(t);
    }
}

/* --- a request --- */

static bool sign(const struct hook *h, struct request *r)
{
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    struct buf text;
    unsigned long long now_s = clock_wall_ms() / 1000;
    buf_init(&text, BODY_MAX + 100);
    (void)buf_add_fmt(&text, "%llu.", now_s);
    (void)buf_add(&text, buf_slice(&h->body));
    bool ok = !text.failed && HMAC(EVP_sha256(), h->secret, (int)strlen(h->secret),
                                   text.ptr, text.len, mac, &mac_len) != NULL;
    buf_reset(&text);
    (void)buf_add_fmt(&text, "Postern-Signature: t=%llu,v1=", now_s);
    for (unsigned i = 0; i < mac_len; i++) {
        (void)buf_add_fmt(&text, "%02x", mac[i]);
    }
    ok = ok && slice_cstr(buf_slice(&text), r->signature, sizeof r->signature);
    buf_clear(&text);
    return ok;
}

/* addresses: "192.0.2.1,[2001:db8::1]"; empty: the URL has one itself. */
static void send_request(struct hook *h, const char *addresses)
{
    struct trace_hooks *t = h->of;
    struct request *r = calloc(1, sizeof *r);
    if (r == NULL) {
        failed(h, "out of memory");
        return;
    }
    r->base.run = post;
    r->hook = h;
    r->of = t;
    buf_init(&r->body, BODY_MAX + 1000);
    (void)snprintf(r->url, sizeof r->url, "%s", h->url);
    if (addresses[0] != '\0') {
        (void)snprintf(r->resolve, sizeof r->resolve, "%s:%s:%s", h->host, h->port,
                       addresses);
    }
    if (!sign(h, r) || !buf_add(&r->body, buf_slice(&h->body)) ||
        !crew_put(t->crew, &r->base)) {
        request_free(r);
        failed(h, "out of memory");
        return;
    }
    buf_clear(&h->body); /* there may be many that have nothing to say for long */
    h->request = r;
    h->state = HOOK_POSTING;
    t->running++;
}

static void add_addresses(const struct dns_answer *a, struct buf *out, unsigned *n)
{
    for (unsigned i = 0; a->status == DNS_FOUND && i < a->n && *n < ADDRESSES_MAX; i++) {
        char text[IP_TEXT_MAX];
        (void)ip_text(&a->record[i].ip, text);
        (void)buf_add_fmt(out, ip_is_v4(&a->record[i].ip) ? "%s%s" : "%s[%s]",
                          *n == 0 ? "" : ",", text);
        ++*n;
    }
}

/* Both questions are answered: posts; or waits for news. */
static void resolve(struct hook *h)
{
    const struct dns_source *dns = resolver_scope_source(h->scope);
    const struct dns_answer *a = dns->ask(dns->arg, DNS_A, slice_of(h->host));
    const struct dns_answer *aaaa = dns->ask(dns->arg, DNS_AAAA, slice_of(h->host));
    char text[600];
    struct buf addresses;
    unsigned n = 0;
    if (a == NULL || aaaa == NULL) {
        return;
    }
    buf_init(&addresses, sizeof text - 1);
    add_addresses(aaaa, &addresses, &n);
    add_addresses(a, &addresses, &n);
    bool ok = n > 0 && slice_cstr(buf_slice(&addresses), text, sizeof text);
    buf_clear(&addresses);
    resolver_scope_free(&h->scope);
    if (ok) {
        send_request(h, text);
    } else {
        failed(h, "its host has no address in the DNS");
    }
}

static void on_news(void *arg)
{
    struct hook *h = arg;
    if (h->state == HOOK_RESOLVING && !h->of->stopped) {
        resolve(h);
    }
}

static const struct resolver_ops resolver_ops = {.news = on_news};

static bool is_address(const char *host)
{
    unsigned char octets[16];
    return host[0] == '[' || inet_pton(AF_INET, host, octets) == 1;
}

static void begin(struct hook *h)
{
    if (h->body.failed) {
        failed(h, "out of memory");
        return;
    }
    if (is_address(h->host)) {
        send_request(h, "");
        return;
    }
    h->scope = resolver_scope_new(h->of->resolver, &resolver_ops, h);
    if (h->scope == NULL) {
        failed(h, "out of memory");
        return;
    }
    h->state = HOOK_RESOLVING;
    resolve(h);
}

/* --- the events of one --- */

static bool collect(void *arg, const struct event *e)
{
    struct hook *h = arg;
    if (e->record == h->record && e->index < h->index) {
        return true; /* taken already */
    }
    if (h->event_n >= h->of->ctx->config->webhook_events || h->body.len > BODY_MAX / 2) {
        return false;
    }
    (void)buf_add_str(&h->body, h->event_n == 0 ? "" : ",");
    event_json(e, &h->body);
    h->event_n++;
    h->next_record = e->record;
    h->next_index = e->index + 1;
    return true;
}

static bool is_full(const struct hook *h)
{
    return h->event_n >= h->of->ctx->config->webhook_events || h->body.len > BODY_MAX / 2;
}

/* Goes over records from its place on, *budget of them at most. */
static void find_events(struct hook *h, struct trace_query *q, uint64_t last,
                        unsigned *budget)
{
    const char *error = NULL;
    uint64_t at = h->record == 0 ? 0 : h->record - 1;
    struct slice record;
    h->event_n = 0;
    h->next_record = h->record;
    h->next_index = h->index;
    buf_reset(&h->body);
    (void)buf_add_str(&h->body, "{\"account\":");
    (void)json_add_string(&h->body, slice_of(h->account));
    (void)buf_add_str(&h->body, ",\"events\":[");
    while (*budget > 0 && !is_full(h) && trace_query_next(q, at, &at, &record, &error)) {
        --*budget;
        event_each(at, record, slice_of(h->account), collect, h);
        if (h->event_n == 0) {
            h->record = h->next_record = at + 1; /* there is nothing for it */
            h->index = h->next_index = 0;
        }
    }
    (void)buf_add_str(&h->body, "]}");
    if (h->record > last + 1) {
        h->record = last + 1;
    }
    if (h->event_n == 0 && h->record > h->saved + SAVE_EVERY) {
        save(h);
    }
}

/* --- the list --- */

static void hook_free(struct hook *h)
{
    if (h->request != NULL) {
        h->request->hook = NULL;
    }
    resolver_scope_free(&h->scope);
    buf_clear(&h->body);
    list_remove(&h->node);
    explicit_bzero(h->secret, sizeof h->secret);
    free(h);
}

static bool is_allowed(const struct config_list *ports, const char *port)
{
    unsigned i = 0;
    while (i < ports->n && strcmp(ports->item[i], port) != 0) {
        i++;
    }
    return i < ports->n;
}

/* Host and port of the URL. False: it is none that may be posted to. */
static bool take_url(struct hook *h)
{
    CURLU *u = curl_url();
    char *host = NULL, *port = NULL;
    bool ok = u != NULL && curl_url_set(u, CURLUPART_URL, h->url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              slice_cstr(slice_of(host), h->host, sizeof h->host) &&
              slice_cstr(slice_of(port), h->port, sizeof h->port) &&
              is_allowed(&h->of->ctx->config->webhook_ports, h->port);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(u);
    return ok;
}

static struct hook *find(struct trace_hooks *t, uint64_t id)
{
    for (struct list *n = t->hooks.next; n != &t->hooks; n = n->next) {
        struct hook *h = LIST_ITEM(n, struct hook, node);
        if (h->id == id) {
            return h;
        }
    }
    return NULL;
}

static void take_row(void *arg, const struct hook_row *row)
{
    struct trace_hooks *t = arg;
    struct hook *h = find(t, row->id);
    if (h != NULL) {
        h->listed = true;
        return;
    }
    h = calloc(1, sizeof *h);
    if (h == NULL) {
        return;
    }
    list_init(&h->node);
    h->of = t;
    h->id = row->id;
    h->record = h->saved = row->record;
    h->index = row->index;
    h->listed = true;
    h->failing = row->said.len > 0;
    buf_init(&h->body, BODY_MAX);
    if (!slice_cstr(row->account, h->account, sizeof h->account) ||
        !slice_cstr(row->url, h->url, sizeof h->url) ||
        !slice_cstr(row->secret, h->secret, sizeof h->secret) || !take_url(h)) {
        log_text(LOG_ERR, "webhook",
                 "a webhook of %.320s is not used: is its port among webhook.ports?",
                 h->account);
        hook_free(h);
        return;
    }
    list_append(&t->hooks, &h->node);
}

static void read_list(struct trace_hooks *t)
{
    for (struct list *n = t->hooks.next; n != &t->hooks; n = n->next) {
        LIST_ITEM(n, struct hook, node)->listed = false;
    }
    if (!hooks_each(t->store, take_row, t)) {
        log_text(LOG_ERR, "webhook", "webhook.db: %s", hooks_error(t->store));
        return;
    }
    for (struct list *n = t->hooks.next; n != &t->hooks;) {
        struct hook *h = LIST_ITEM(n, struct hook, node);
        n = n->next;
        if (!h->listed) {
            hook_free(h);
        }
    }
}

static void look(struct trace_hooks *t)
{
    const char *error = NULL;
    unsigned budget = SCAN_RECORDS;
    if (list_empty(&t->hooks) || t->stopped) {
        return;
    }
    struct trace_query *q = trace_query_open(t->trace_path, &error);
    uint64_t now_ms = clock_mono_ms(), last = q == NULL ? 0 : trace_query_last(q);
    for (struct list *n = t->hooks.next; q != NULL && budget > 0 && n != &t->hooks;
         n = n->next) {
        struct hook *h = LIST_ITEM(n, struct hook, node);
        if (h->state != HOOK_IDLE || now_ms < h->due_ms ||
            t->running >= t->ctx->config->webhook_connections) {
            continue;
        }
        find_events(h, q, last, &budget);
        if (h->event_n > 0) {
            begin(h);
        }
    }
    trace_query_close(&q);
    if (!list_empty(&t->hooks) && budget == 0) { /* the others begin the next round */
        struct list *first = t->hooks.next;
        list_remove(first);
        list_append(&t->hooks, first);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct trace_hooks *t = arg;
    (void)fd, (void)what;
    if (!t->ending) {
        if (hooks_changed(t->store)) {
            read_list(t);
        }
        look(t);
    }
}

/* --- start and end --- */

static const char *read_ca(struct trace_hooks *t)
{
    static char error[300];
    const char *path = t->ctx->config->webhook_ca;
    bool own = path[0] != '\0';
    int fd = open(own ? path : SYSTEM_CA, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool ok = fd >= 0 && file_read(fd, &t->ca);
    if (!ok && own) {
        (void)snprintf(error, sizeof error, "webhook.ca: %.200s: %s", path,
                       strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok || !own ? NULL : error; /* without any authority nobody is believed */
}

const char *trace_hooks_prepare(struct role_ctx *ctx, struct trace_hooks **out)
{
    static char error[RESOLVER_ERROR_MAX];
    if (ctx->config->webhook_ports.n == 0) {
        return NULL;
    }
    struct trace_hooks *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return "no memory";
    }
    t->ctx = ctx;
    list_init(&t->hooks);
    buf_init(&t->ca, CA_MAX);
    t->resolver = resolver_new(ctx->base, ctx->config, error);
    *out = t;
    return t->resolver == NULL ? error : read_ca(t);
}

const char *trace_hooks_open(struct trace_hooks *t)
{
    static char error[HOOKS_ERROR_MAX];
    char path[4096];
    const char *dir = t->ctx->config->state_dir;
    int n = snprintf(path, sizeof path, "%s/" STATE_HOOKS_DB, dir);
    int m = snprintf(t->trace_path, sizeof t->trace_path, "%s/" STATE_TRACE_DB, dir);
    if (n < 0 || (size_t)n >= sizeof path || m < 0 || (size_t)m >= sizeof t->trace_path) {
        return "state-dir is too long";
    }
    t->store = hooks_open(path, error);
    if (t->store == NULL) {
        return error;
    }
    t->crew = crew_new();
    return t->crew == NULL || curl_global_init(CURL_GLOBAL_DEFAULT) != 0 ? "no memory"
                                                                         : NULL;
}

void trace_hooks_start(struct trace_hooks *t)
{
    struct timeval every = {0, LOOK_EVERY_MS * 1000};
    t->tick = event_new(t->ctx->base, -1, EV_PERSIST, on_tick, t);
    t->done = event_new(t->ctx->base, crew_fd(t->crew), EV_READ | EV_PERSIST, on_done, t);
    if (t->tick == NULL || t->done == NULL || event_add(t->tick, &every) != 0 ||
        event_add(t->done, NULL) != 0 ||
        !crew_start(t->crew, (unsigned)t->ctx->config->webhook_connections)) {
        fatal("trace: no memory for webhooks");
    }
}

bool trace_hooks_stop(struct trace_hooks *t)
{
    t->stopped = true;
    return t->running == 0;
}

void trace_hooks_end(struct trace_hooks *t)
{
    static struct trace_hooks
        *kept; /* its threads may still run: it ends with the process */
    kept = t;
    t->ending = true;
    for (struct list *n = t->hooks.next; n != &t->hooks; n = n->next) {
        struct hook *h = LIST_ITEM(n, struct hook, node);
        if (h->state == HOOK_IDLE) {
            save(h);
        }
    }
    hooks_close(&kept->store);
    (void)event_del(t->tick);
    (void)event_del(t->done);
}
