/* delivery/remote.c - see remote.h: orders and sites; remote_link.c has the connections */
#include "delivery/remote_impl.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TICK_MS = 5000, SWEEP_MAX = 1024 };

bool remote_work(struct remote *r, struct remote_work *w)
{
    return r->options.work != NULL && r->options.work(r->options.arg, w);
}

/* --- orders --- */

bool order_open(const struct remote_order *o)
{
    for (unsigned i = 0; i < o->n; i++) {
        if (!o->outcome[i].set) {
            return true;
        }
    }
    return false;
}

void order_settle(struct remote_order *o, enum job_result result, struct slice text)
{
    for (unsigned i = 0; i < o->n; i++) {
        if (!o->outcome[i].set) {
            outcome_set(&o->outcome[i], result, text);
            /* What it says of the site, the connections know already. */
            (void)judge(o->remote->classifier, BOUNCE_STAGE_CONNECT, SLICE(""),
                        &o->outcome[i]);
        }
    }
}

/* A host's own words, before any mail: judged as every reply, though no recipient was named. */
static void order_refused(struct remote_order *o, const struct fault *fault,
                          struct slice host)
{
    bool for_good = fault->for_good && !o->may_pass && o->hop >= o->route.hop_n;
    for (unsigned i = 0; i < o->n; i++) {
        struct outcome *out = &o->outcome[i];
        if (out->set) {
            continue;
        }
        outcome_set(out, for_good ? JOB_FAILED : JOB_DEFERRED, slice_of(fault->text));
        out->own = fault->stage == BOUNCE_STAGE_UNKNOWN;
        outcome_where(out, slice_of(fault->where));
        enum judge_site how = judge(o->remote->classifier, fault->stage, host, out);
        out->advice = out->advice == JOB_suppress ? JOB_usual : out->advice;
        site_slower(o->site, how, out);
    }
}

void order_over(struct remote_order *o)
{
    struct remote *r = o->remote;
    uint64_t ms = clock_mono_ms() - o->start_ms;
    job_done_write(&o->order->done, o->order->job.job, (uint16_t)o->n);
    for (unsigned i = 0; i < o->n; i++) {
        outcome_write(&o->outcome[i], o->target[i].number, "smtp", &o->order->done);
        pool_log_outcome(&o->order->job, &o->target[i], &o->outcome[i], "smtp", ms);
    }
    resolver_scope_free(&o->scope);
    list_remove(&o->node);
    list_append(&r->done, &o->node);
    event_active(r->done_event, EV_TIMEOUT, 0);
}

static void order_free(struct remote_order *o)
{
    order_sign_end(o);
    resolver_scope_free(&o->scope);
    list_remove(&o->node);
    o->remote->order_n--;
    free(o->outcome);
    free(o);
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
    struct remote *r = arg;
    (void)fd, (void)what;
    while (!list_empty(&r->done)) {
        struct remote_order *o = LIST_ITEM(r->done.next, struct remote_order, node);
        struct pool_order *order = o->order;
        order_free(o);
        r->options.done(r->options.arg, order);
    }
}

/* Both: all that is known is written into a text of its own, and the order is over. */
static void order_end(struct remote_order *o, enum job_result result, const char *fmt,
                      ...) __attribute__((format(printf, 3, 4)));
static void order_end(struct remote_order *o, enum job_result result, const char *fmt,
                      ...)
{
    char text[OUTCOME_REPLY_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    order_settle(o, result, slice_of(text));
    order_over(o);
}

/* The same by a row, where a push account asks for its own (delivery/push_row.h). False: it does not. */
static bool end_by_row(struct remote_order *o, enum reply_id id, struct slice remote,
                       struct slice what)
{
    const struct config *config = o->remote->options.config;
    if (o->order->job.service != SERVICE_PUSH) {
        return false;
    }
    for (unsigned i = 0; i < o->n; i++) {
        if (o->outcome[i].set) {
            continue;
        }
        struct slice address = o->target[i].address;
        struct push_row row = {.id = id,
                               .profile = (enum reply_profile)config->reply_profile,
                               .rcpt = o->target[i].given,
                               .domain =
                                   slice_from(address, slice_rfind(address, '@') + 1),
                               .remote = remote,
                               .what = what,
                               .session = o->order->job.id.session};
        push_row_set(&o->outcome[i], &row);
        (void)judge(o->remote->classifier, BOUNCE_STAGE_CONNECT, SLICE(""),
                    &o->outcome[i]);
    }
    order_over(o);
    return true;
}

/* --- sites --- */

static struct remote_site *site_named(struct remote *r, struct slice name,
                                      const struct remote_order *o)
{
    struct remote_site *s = map_get(&r->sites, name);
    if (s != NULL) {
        return s;
    }
    BUG_ON(name.len > sizeof s->name);
    s = calloc(1, sizeof *s);
    if (s == NULL) {
        return NULL;
    }
    s->remote = r;
    s->source = o->source;
    s->smart = o->smart;
    s->limit = REMOTE_LINKS_FIRST;
    list_init(&s->waiting);
    list_init(&s->links);
    list_init(&s->room);
    s->name_len = name.len;
    memcpy(s->name, name.ptr, name.len);
    if (!map_put(&r->sites, name, s)) {
        free(s);
        return NULL;
    }
    return s;
}

static struct remote_site *site_of(const struct remote_order *o)
{
    struct buf key;
    buf_init(&key, SITE_KEY_MAX);
    site_key(o, o->source, &key);
    struct remote_site *s = site_named(o->remote, buf_slice(&key), o);
    buf_clear(&key);
    return s;
}

bool site_rests(const struct remote_site *s)
{
    return s->rest_until_ms > clock_mono_ms();
}

bool site_left_alone(const struct remote_site *s)
{
    return s->wants_less && site_rests(s);
}

void site_went_well(struct remote_site *s)
{
    s->fails = 0;
    if (site_left_alone(s)) {
        return;
    }
    s->wants_less = false;
    s->rest_until_ms = 0;
    s->limit += s->limit < s->remote->options.config->delivery_site_connections;
}

/* It has half of its connections, and no more mail for so long. */
static void site_rest(struct remote_site *s, uint64_t rest_s, struct slice why)
{
    uint64_t until_ms = clock_mono_ms() + rest_s * 1000;
    s->limit = s->limit / 2 == 0 ? 1 : s->limit / 2;
    if (until_ms <= s->rest_until_ms) {
        return;
    }
    s->rest_until_ms = until_ms;
    (void)snprintf(s->why, sizeof s->why, "%.*s", (int)why.len, (const char *)why.ptr);
    log_text(LOG_WARN, "site-rests", "%.*s for %llu s: %s", (int)s->name_len, s->name,
             (unsigned long long)rest_s, s->why);
}

/* Its hosts cannot be reached. */
static void site_failed(struct remote_site *s, const char *why)
{
    uint64_t rest_s = s->remote->options.config->delivery_rest_time / 1000;
    for (unsigned i = 0; i < s->fails && rest_s < REMOTE_REST_MAX_S; i++) {
        rest_s *= 2;
    }
    s->fails++;
    site_rest(s, rest_s < REMOTE_REST_MAX_S ? rest_s : REMOTE_REST_MAX_S, slice_of(why));
}

static uint32_t rest_left_s(const struct remote_site *s)
{
    uint64_t now_ms = clock_mono_ms();
    uint64_t until_ms = s->rest_until_ms; /* may be over just now */
    return (uint32_t)((until_ms > now_ms ? until_ms - now_ms : 0) / 1000) + 1;
}

void site_slower(struct remote_site *s, enum judge_site how, struct outcome *out)
{
    uint32_t usual = how == JUDGE_SITE_STOP ? REMOTE_STOP_S : REMOTE_SLOW_S;
    if (how == JUDGE_SITE_FINE) {
        return;
    }
    s->wants_less = true;
    uint32_t rest_s = out->wait_s > usual ? out->wait_s : usual;
    /* Longer than that only the target waits: one reply must not stop a site for days. */
    site_rest(s, rest_s < REMOTE_REST_MAX_S ? rest_s : REMOTE_REST_MAX_S,
              (struct slice){out->reply, out->reply_len});
    rest_s = rest_left_s(s);
    out->wait_s = out->wait_s > rest_s ? out->wait_s : rest_s;
}

void order_untried(struct remote_order *o, struct slice why, uint64_t wait_s)
{
    struct buf text;
    buf_init(&text, OUTCOME_REPLY_MAX);
    (void)buf_add_str(&text, "451 4.3.2 not tried, for other mail there met: ");
    (void)buf_add(&text, slice_sub(why, 0, OUTCOME_REPLY_MAX - text.len));
    for (unsigned i = 0; i < o->n; i++) {
        if (!o->outcome[i].set) {
            outcome_set(&o->outcome[i], JOB_DEFERRED, buf_slice(&text));
            o->outcome[i].advice = JOB_slow;
            o->outcome[i].wait_s = (uint32_t)wait_s;
        }
    }
    buf_clear(&text);
    order_over(o);
}

/* What the site rests for is what is said, and until when. */
static void order_rests(struct remote_order *o)
{
    order_untried(o, slice_of(o->site->why), rest_left_s(o->site));
}

struct remote_order *site_take(struct remote_site *s)
{
    if (list_empty(&s->waiting)) {
        return NULL;
    }
    struct remote_order *o = LIST_ITEM(s->waiting.next, struct remote_order, node);
    list_remove(&o->node);
    return o;
}

static struct remote_link *idle_link(struct remote_site *s)
{
    for (struct list *n = s->links.next; n != &s->links; n = n->next) {
        struct remote_link *l = LIST_ITEM(n, struct remote_link, node);
        if (l->order == NULL && !l->quitting && smtp_client_reusable(&l->client)) {
            return l;
        }
    }
    return NULL;
}

static void not_begun(struct fault *fault, int error)
{
    bool ours = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
    fault->loss = ours ? SMTP_CLIENT_OURS : SMTP_CLIENT_UNREACHED;
    (void)snprintf(fault->text, sizeof fault->text,
                   "451 %s no connection can be begun: %s", ours ? "4.3.0" : "4.4.1",
                   strerrordesc_np(error));
}

/* It goes on when a connection ends, whosever it is; one that does nothing makes way. */
static void site_wants_room(struct remote_site *s)
{
    struct remote *r = s->remote;
    if (!list_empty(&s->room)) {
        return;
    }
    list_append(&r->short_of_links, &s->room);
    if (!list_empty(&r->idle)) {
        link_quit(LIST_ITEM(r->idle.next, struct remote_link, idle));
    }
}

/* NOLINTBEGIN(misc-no-recursion): order_no_host() comes back here once: where a connection cannot be begun
 * it has the site rest, or leaves it one connection. */
void site_pump(struct remote_site *s)
{
    struct remote *r = s->remote;
    while (!list_empty(&s->waiting)) {
        if (site_left_alone(s) || (site_rests(s) && s->link_n == 0)) {
            order_rests(site_take(s));
            continue;
        }
        struct remote_link *idle = s->idle_n > 0 ? idle_link(s) : NULL;
        if (idle != NULL) {
            link_give(idle, site_take(s));
            continue;
        }
        /* After a rest one connection tries, the others wait for what it finds. */
        unsigned limit = s->fails > 0 ? 1 : s->limit;
        if (s->link_n >= limit) {
            return;
        }
        if (r->link_n >= r->options.config->delivery_connections) {
            site_wants_room(s);
            return;
        }
        struct remote_order *o = site_take(s);
        if (!link_open(s, o, false)) {
            struct fault fault = {.loss = SMTP_CLIENT_NOT_LOST};
            not_begun(&fault, errno);
            order_no_host(o, &fault, false);
        }
    }
}

/* RFC 8689 4.2.1: no host meets what REQUIRETLS demands. Where one could not be asked, it may later. */
static void end_without_tls(struct remote_order *o, const struct fault *fault)
{
    bool fails = !o->out_of_reach;
    struct slice why = slice_of(fault->text);
    bool offered = !slice_starts(why, SLICE("550 5.7.30"));
    char text[OUTCOME_REPLY_MAX];
    why = slice_from(why, slice_find(why, ' ') + 1); /* behind both codes */
    why = slice_from(why, slice_find(why, ' ') + 1);
    (void)snprintf(text, sizeof text, "%s.7.%s %s%.*s", fails ? "550 5" : "451 4",
                   offered ? "10" : "30",
                   offered ? "the message demands REQUIRETLS: " : "", (int)why.len,
                   (const char *)why.ptr);
    order_settle(o, fails ? JOB_FAILED : JOB_DEFERRED, slice_of(text));
    order_over(o);
}

void order_no_host(struct remote_order *o, const struct fault *fault, bool clear)
{
    static const enum reply_id rows[] = {
        [SMTP_CLIENT_UNREACHED] = REPLY_push_connect_unreachable,
        [SMTP_CLIENT_CLOSED_OFF] = REPLY_push_peer_closed,
        [SMTP_CLIENT_OURS] = REPLY_NONE,
    };
    struct remote_site *s = o->site;
    o->may_pass = o->may_pass || !fault->for_good;
    o->out_of_reach = o->out_of_reach || !fault->tls;
    if (clear && link_open(s, o, true)) {
        return;
    }
    o->hop++;
    o->hop_tried++;
    while (o->hop < o->route.hop_n && o->hop_tried < REMOTE_HOPS_TRIED) {
        if (link_open(s, o, false)) {
            return;
        }
        o->hop++;
        o->hop_tried++;
    }
    if (o->requiretls &&
        fault->tls) { /* what other mail is sent to the site knows nothing of it */
        end_without_tls(o, fault);
        site_pump(s);
        return;
    }
    site_failed(s, fault->text);
    struct slice last = o->route.hop[o->route.hop_n - 1].host;
    if (fault->stage != BOUNCE_STAGE_UNKNOWN) {
        order_refused(o, fault, last);
        order_over(o);
    } else if (rows[fault->loss] == REPLY_NONE ||
               !end_by_row(o, rows[fault->loss], last, slice_of(fault->text))) {
        order_settle(o, JOB_DEFERRED, slice_of(fault->text));
        order_over(o);
    }
    site_pump(s);
}
/* NOLINTEND(misc-no-recursion) */

static bool site_of_use(const struct remote_site *s)
{
    return s->link_n > 0 || !list_empty(&s->waiting) || site_rests(s) || s->fails > 0;
}

struct sweep {
    struct remote_site *useless[SWEEP_MAX];
    unsigned n;
    uint64_t now_ms;
};

static void look_for_useless(void *arg, struct slice key, void *value)
{
    struct sweep *sweep = arg;
    struct remote_site *s = value;
    (void)key;
    /* Forgiven when nobody has asked for it in twice the longest rest. */
    if (s->fails > 0 && s->rest_until_ms + 2000ULL * REMOTE_REST_MAX_S < sweep->now_ms) {
        s->fails = 0;
    }
    if (!site_of_use(s) && sweep->n < SWEEP_MAX) {
        sweep->useless[sweep->n++] = s;
    }
}

static void on_room(evutil_socket_t fd, short what, void *arg)
{
    struct remote *r = arg;
    (void)fd, (void)what;
    while (r->link_n < r->options.config->delivery_connections &&
           !list_empty(&r->short_of_links)) {
        struct remote_site *s =
            LIST_ITEM(r->short_of_links.next, struct remote_site, room);
        list_remove(&s->room);
        site_pump(s);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct remote *r = arg;
    struct sweep sweep = {.now_ms = clock_mono_ms()};
    (void)fd, (void)what;
    accounts_tick(r);
    names_tick(r);
    send_turns_sweep(&r->turns, clock_wall_ms() * 1000);
    map_each(&r->sites, look_for_useless, &sweep);
    for (unsigned i = 0; i < sweep.n; i++) {
        struct remote_site *s = sweep.useless[i];
        struct slice name = {(const unsigned char *)s->name, s->name_len};
        (void)map_take(&r->sites, name);
        list_remove(&s->room);
        free(s);
    }
}

/* --- from the DNS to a site --- */

/* The DNS may be mended; an address literal stays what it is. */
static void order_inner(struct remote_order *o, struct slice domain)
{
    char ip[IP_TEXT_MAX];
    char what[OUTCOME_REPLY_MAX];
    bool literal = slice_starts(domain, SLICE("["));
    (void)ip_text(&o->route.inner, ip);
    (void)snprintf(what, sizeof what,
                   "%.*s is at %s, a %s address: mail for others is not sent there "
                   "(delivery.inner-networks)",
                   (int)domain.len, (const char *)domain.ptr, ip, o->route.why);
    if (literal || !end_by_row(o, REPLY_push_dns_error, SLICE(""), slice_of(what))) {
        order_end(o, literal ? JOB_FAILED : JOB_DEFERRED, "%s %s",
                  literal ? "550 5.1.2" : "451 4.4.4", what);
    }
}

static void order_queued(struct remote_order *o)
{
    list_remove(&o->node);
    list_append(&o->site->waiting, &o->node);
    site_pump(o->site);
}

static void order_loops(struct remote_order *o, struct slice domain)
{
    static const struct ip none;
    const struct route *r = &o->route;
    char ip[IP_TEXT_MAX + 1] = "";
    if (memcmp(&r->own, &none, sizeof none) != 0) {
        (void)ip_text(&r->own, ip);
    }
    order_end(
        o, JOB_FAILED,
        "554 5.4.6 this server is the best MX of %.*s (%.*s%s%s%s), but does not host "
        "it",
        (int)domain.len, (const char *)domain.ptr, (int)r->own_host.len,
        (const char *)r->own_host.ptr, ip[0] == '\0' ? "" : "[", ip,
        ip[0] == '\0' ? "" : "]");
}

static void order_routed(struct remote_order *o, const struct sts_view *sts)
{
    struct slice domain = order_domain(o);
    int len = (int)domain.len;
    const char *name = (const char *)domain.ptr;
    static const enum reply_id rows[] = {
        [ROUTE_NO_DOMAIN] = REPLY_push_dns_host_not_found,
        [ROUTE_NO_DATA] = REPLY_push_dns_no_data,
        [ROUTE_NULL_MX] = REPLY_push_dns_no_data,
        [ROUTE_NO_ADDRESS] = REPLY_push_dns_no_data,
        [ROUTE_DNS_FAILED] = REPLY_push_dns_error,
        [ROUTE_LOOP] = REPLY_NONE,
        [ROUTE_INNER] = REPLY_NONE,
    };
    if (rows[o->route.status] != REPLY_NONE &&
        end_by_row(o, rows[o->route.status], SLICE(""), slice_of(o->route.why))) {
        return;
    }
    switch (o->route.status) {
    case ROUTE_WAIT:
        return;
    case ROUTE_OK:
        break;
    case ROUTE_NO_DOMAIN:
        order_end(o, JOB_FAILED,
                  "550 5.1.2 the domain %.*s does not exist (DNS: NXDOMAIN)", len, name);
        return;
    case ROUTE_NO_DATA:
        order_end(o, JOB_FAILED,
                  "550 5.1.2 the domain %.*s has neither MX nor address in the DNS", len,
                  name);
        return;
    case ROUTE_NULL_MX:
        order_end(o, JOB_FAILED, "556 5.1.10 the domain %.*s takes no mail (null MX)",
                  len, name);
        return;
    case ROUTE_NO_ADDRESS:
        order_end(o, JOB_DEFERRED,
                  "451 4.4.4 the MX hosts of %.*s have no address in the DNS", len, name);
        return;
    case ROUTE_LOOP:
        order_loops(o, domain);
        return;
    case ROUTE_INNER:
        order_inner(o, domain);
        return;
    case ROUTE_DNS_FAILED:
        if (o->route.bogus) {
            tls_count(o->remote->options.counts, domain, TLS_RPT_TLSA,
                      TLS_RPT_DNSSEC_INVALID, SLICE(""));
        }
        order_end(o, JOB_DEFERRED,
                  "451 4.4.3 the MX hosts of %.*s cannot be looked up: %s", len, name,
                  o->route.why);
        return;
    }
    o->name = site_names_find(
        o->remote->names,
        (struct slice){(const unsigned char *)o->route.site, o->route.site_len});
    if (order_paused(o) || order_waits_for_account(o) || !order_tls(o, sts) ||
        !order_choose_source(o)) {
        return;
    }
    o->site = site_of(o);
    if (o->site == NULL) {
        order_end(o, JOB_DEFERRED, "451 4.3.0 no memory for another site");
        return;
    }
    if (!order_within_rates(o)) {
        return;
    }
    if (order_sign(o)) {
        o->site = NULL; /* which may be forgotten meanwhile */
        return;
    }
    order_queued(o);
}

void order_signed(struct remote_order *o)
{
    if (order_paused(o) || order_waits_for_account(o)) {
        return;
    }
    o->site = site_of(o);
    if (o->site == NULL) {
        order_end(o, JOB_DEFERRED, "451 4.3.0 no memory for another site");
        return;
    }
    order_queued(o);
}

static void look(struct remote_order *o)
{
    const struct remote_options *options = &o->remote->options;
    struct slice address = o->target[0].address;
    struct route_ask ask = {.domain = slice_from(address, slice_rfind(address, '@') + 1),
                            .hostname = slice_of(options->hostname),
                            .seed = o->remote->seed + o->order->job.job,
                            .port = (unsigned)options->config->delivery_smtp_port,
                            .no_tlsa = o->tls_optional,
                            .ours = options->ours,
                            .inner = &options->config->delivery_inner_networks};
    struct sts_view sts = {0};
    if (!o->remote->names_known || o->signing != NULL) {
        return;
    }
    o->smart = order_smart(o);
    if (o->smart != NULL) {
        if (!order_smart_look(o, &ask)) {
            return;
        }
    } else if (!route_literal(&ask, &o->route)) {
        const struct dns_source *dns = resolver_scope_source(o->scope);
        route_find(&ask, dns, &o->route);
        bool may = o->route.status == ROUTE_OK || o->route.status == ROUTE_WAIT;
        if (may && options->sts != NULL && !o->tls_optional &&
            !sts_ask(options->sts, dns, ask.domain, &sts)) {
            return;
        }
    }
    order_routed(o, &sts);
}

void remote_look_again(struct remote *r)
{
    for (struct list *at = r->looking.next, *next = NULL; at != &r->looking; at = next) {
        next = at->next;
        look(LIST_ITEM(at, struct remote_order, node));
    }
}

/* A policy came, or cannot be had. */
static void on_policies(void *arg)
{
    remote_look_again(arg);
}

static void on_news(void *arg)
{
    struct remote_order *o = arg;
    if (o->site == NULL && o->signing == NULL) { /* else it has its route */
        look(o);
    }
}

static const struct resolver_ops resolver_ops = {.news = on_news};

/* --- in and out --- */

void remote_put(struct remote *r, struct pool_order *order)
{
    struct remote_order *o = calloc(1, sizeof *o);
    BUG_ON(o == NULL);
    o->remote = r;
    o->order = order;
    o->start_ms = clock_mono_ms();
    /* RFC 8689 5: a notification is not lost for it. */
    o->requiretls = (order->job.flags & JOB_REQUIRETLS) != 0 && order->job.sender.len > 0;
    o->tls_optional = (order->job.flags & JOB_TLS_OPTIONAL) != 0;
    struct job walk = order->job;
    while (o->n < JOB_TARGETS_MAX && job_next_target(&walk, &o->target[o->n])) {
        o->n++;
    }
    BUG_ON(o->n == 0); /* job_read() saw one */
    list_init(&o->node);
    list_append(&r->looking, &o->node);
    r->order_n++;
    o->outcome = calloc(o->n, sizeof *o->outcome);
    o->scope = resolver_scope_new(r->options.resolver, &resolver_ops, o);
    BUG_ON(o->outcome == NULL);
    if (o->scope == NULL) {
        order_end(o, JOB_DEFERRED, "451 4.3.0 no memory for another delivery");
        return;
    }
    look(o);
}

static struct remote_order *first_looking(struct remote *r)
{
    return list_empty(&r->looking)
               ? NULL
               : LIST_ITEM(r->looking.next, struct remote_order, node);
}

static void find_waiting(void *arg, struct slice key, void *value)
{
    struct remote_order **found = arg;
    struct remote_site *s = value;
    (void)key;
    if (*found == NULL && !list_empty(&s->waiting)) {
        *found = LIST_ITEM(s->waiting.next, struct remote_order, node);
    }
}

struct pool_order *remote_drop(struct remote *r)
{
    struct remote_order *o = first_looking(r);
    if (o == NULL) {
        map_each(&r->sites, find_waiting, &o);
    }
    if (o == NULL) {
        return NULL;
    }
    struct pool_order *order = o->order;
    order_free(o);
    return order;
}

unsigned remote_running(const struct remote *r)
{
    return r->order_n;
}

struct remote *remote_new(const struct remote_options *options)
{
    struct remote *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->options = *options;
    r->seed = id_new_session();
    if (options->sts != NULL) {
        sts_listen(options->sts, on_policies, r);
    }
    list_init(&r->looking);
    list_init(&r->done);
    list_init(&r->short_of_links);
    list_init(&r->idle);
    map_init(&r->sites, REMOTE_SITES_MAX);
    r->classifier = bounce_classifier_new();
    r->pauses = pauses_new();
    accounts_init(r);
    send_turns_init(&r->turns);
    r->done_event = event_new(options->base, -1, 0, on_done, r);
    r->room_event = event_new(options->base, -1, 0, on_room, r);
    r->tick = event_new(options->base, -1, EV_PERSIST, on_tick, r);
    struct timeval tick = {TICK_MS / 1000, 0};
    if (!names_init(r) || !auth_init(r) || r->classifier == NULL || r->pauses == NULL ||
        r->done_event == NULL || r->room_event == NULL || r->tick == NULL ||
        event_add(r->tick, &tick) != 0) {
        remote_free(&r);
    }
    return r;
}

static void free_orders(struct list *list)
{
    while (!list_empty(list)) {
        struct remote_order *o = LIST_ITEM(list->next, struct remote_order, node);
        pool_order_free(&o->order);
        order_free(o);
    }
}

static void free_site(void *arg, struct slice key, void *value)
{
    struct remote_site *s = value;
    (void)arg, (void)key;
    while (!list_empty(&s->links)) {
        struct remote_link *l = LIST_ITEM(s->links.next, struct remote_link, node);
        struct remote_order *o = l->order;
        l->order = NULL;
        if (o != NULL) {
            list_append(&s->waiting, &o->node);
        }
        link_close(l);
    }
    free_orders(&s->waiting);
    list_remove(&s->room);
    free(s);
}

void remote_free(struct remote **remote)
{
    struct remote *r = *remote;
    if (r == NULL) {
        return;
    }
    if (r->options.sts != NULL) {
        sts_listen(r->options.sts, NULL, NULL);
    }
    free_orders(&r->looking);
    free_orders(&r->done);
    map_each(&r->sites, free_site, NULL);
    map_clear(&r->sites);
    if (r->done_event != NULL) {
        event_free(r->done_event);
    }
    if (r->room_event != NULL) {
        event_free(r->room_event);
    }
    if (r->tick != NULL) {
        event_free(r->tick);
    }
    bounce_classifier_free(&r->classifier);
    pauses_free(&r->pauses);
    auth_clear(r);
    accounts_clear(r);
    names_clear(r);
    send_turns_clear(&r->turns);
    free(r);
    *remote = NULL;
}
