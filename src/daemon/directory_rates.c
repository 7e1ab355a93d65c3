/* daemon/directory_rates.c - see directory_rates.h */
#include "daemon/directory_rates.h"

#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "check/complaint.h"
#include "config/address.h"
#include "config/paths.h"
#include "config/setting.h"
#include "message/mime_read.h"
#include "rate/reputation.h"
#include "rate/segment.h"
#include "rate/snapshot.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TICK_MS = 250,
    EVERY_MS = 30000, /* from the beginning of one snapshot to that of the next */
    PIECES = 80,      /* a snapshot takes 20 s at the most */
    PIECE_MIN = 8192, /* slots */
    NEAR = 2,         /* shown: who has used 1/NEAR of its limit */
    MAILBOX_MAX = 320,
    SAID_MAX = 255, /* octets of a name whose reputation is set */
    STATUS_NO = 1,
    STATUS_USAGE = 2,
    STATUS_SYSTEM = 4,
};

struct rates {
    const struct config *config;
    struct rate_table *table;
    size_t octets;
    struct snapshot snapshot;
    struct event *tick;
    uint64_t begun_ms; /* monotonic: the last snapshot */
    bool failed;       /* it was logged */
};

/* --- snapshots --- */

static enum snapshot_res step(struct rates *r, size_t slots)
{
    enum snapshot_res res = snapshot_step(&r->snapshot, r->table, slots);
    if (res == SNAPSHOT_FAILED && !r->failed) {
        log_text(LOG_ERR, "counts", "%s cannot be written: %s; a restart forgets them",
                 STATE_RATES, strerror(errno));
    }
    r->failed = res == SNAPSHOT_FAILED || (r->failed && res == SNAPSHOT_MORE);
    return res;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct rates *r = arg;
    (void)fd, (void)what;
    uint64_t now = clock_mono_ms();
    if (r->snapshot.fd < 0 && now - r->begun_ms < EVERY_MS) {
        return;
    }
    if (r->snapshot.fd < 0) {
        r->begun_ms = now;
    }
    size_t piece = rate_capacity(r->table) / PIECES + 1;
    (void)step(r, piece < PIECE_MIN ? PIECE_MIN : piece);
}

struct rates *rates_open(struct role_ctx *ctx, const char **error)
{
    char path[SNAPSHOT_PATH_MAX];
    struct rates *r = calloc(1, sizeof *r);
    *error = "no memory";
    if (r == NULL) {
        return NULL;
    }
    (void)snprintf(path, sizeof path, "%s/" STATE_RATES, ctx->config->state_dir);
    r->config = ctx->config;
    r->begun_ms = clock_mono_ms();
    r->table = segment_map(ctx->rate_fd, &r->octets);
    (void)close(ctx->rate_fd);
    ctx->rate_fd = -1;
    if (r->table == NULL || !snapshot_init(&r->snapshot, path)) {
        *error = "the memory of counts cannot be mapped";
        segment_unmap(&r->table, r->octets);
        free(r);
        return NULL;
    }
    return r;
}

bool rates_start(struct rates *r, struct event_base *base)
{
    static const struct timeval every = {0, TICK_MS * 1000};
    r->tick = event_new(base, -1, EV_PERSIST, on_tick, r);
    return r->tick != NULL && event_add(r->tick, &every) == 0;
}

void rates_free(struct rates **rates)
{
    struct rates *r = *rates;
    if (r == NULL) {
        return;
    }
    snapshot_clear(&r->snapshot); /* begun a while ago: a fresh one */
    (void)step(r, rate_capacity(r->table));
    if (r->tick != NULL) {
        event_free(r->tick);
    }
    segment_unmap(&r->table, r->octets);
    free(r);
    *rates = NULL;
}

/* --- complaints --- */

enum { COMPLAINT_NAME_MAX = 1024, COMPLAINT_HEADER_MAX = 64 * 1024 };

static struct rate_key key_of(const struct rates *r, const char *name)
{
    return rate_key(r->table, RATE_ladder, slice_of(name));
}

static uint64_t in_a_day(const struct rates *r, const struct rate_key *key,
                         uint64_t now_us)
{
    struct rate_view view;
    return rate_read(r->table, key, now_us, &view) ? view.count[RATE_DAY] : 0;
}

/* who: whose complaints `most` are counted of a day; once: this one, whose Message-ID is put behind it. */
static const char *count_complaint(struct rates *r, const char *who, uint64_t most,
                                   const char *once, struct slice header, bool wanted)
{
    static const char *const why[] = {
        [COMPLAINT_TAKEN] = NULL,
        [COMPLAINT_NOT_OURS] = "this server did not take that message from elsewhere",
        [COMPLAINT_MARKED] = "this server itself said that it was junk",
        [COMPLAINT_UNKNOWN] = "that message is forgotten by now, or was changed",
    };
    char again[COMPLAINT_NAME_MAX];
    struct slice id = SLICE("");
    uint64_t now_us = clock_wall_ms() * 1000;
    if (!mime_field_find(header, "Message-ID", &id)) {
        return why[COMPLAINT_UNKNOWN];
    }
    id = slice_strip(id);
    (void)snprintf(again, sizeof again, "complaint %d %s %.*s", wanted, once, (int)id.len,
                   (const char *)id.ptr);
    struct rate_key who_key = key_of(r, who), message_key = key_of(r, again);
    if (in_a_day(r, &who_key, now_us) >= most) {
        return "as many complaints as count in a day have come from there";
    }
    if (in_a_day(r, &message_key, now_us) > 0) {
        return "that has been said of that message already";
    }
    enum complaint_res res = complaint_sign(r->config, r->table, header, wanted, now_us);
    if (res != COMPLAINT_TAKEN) {
        return why[res];
    }
    (void)rate_add(r->table, &who_key, 1, NULL, now_us, NULL);
    (void)rate_add(r->table, &message_key, 1, NULL, now_us, NULL);
    return NULL;
}

const char *rates_complaint(struct rates *r, struct slice mailbox, struct slice header,
                            bool wanted)
{
    char name[COMPLAINT_NAME_MAX], address[MAILBOX_MAX + 1];
    struct fields f;
    (void)snprintf(address, sizeof address, "%.*s", (int)mailbox.len,
                   (const char *)mailbox.ptr);
    (void)snprintf(name, sizeof name, "complaints %s", address);
    const char *why =
        count_complaint(r, name, r->config->rate_complaints, address, header, wanted);
    if (why == NULL) {
        fields_reset(&f);
        fields_add(&f, "mailbox", mailbox);
        fields_add_str(&f, "what", wanted ? "wanted" : "junk");
        log_event(LOG_INFO, 0, "complaint", &f);
    }
    return why;
}

void rates_report(struct rates *r, struct slice reporter, struct slice header,
                  bool wanted)
{
    char name[COMPLAINT_NAME_MAX];
    struct fields f;
    (void)snprintf(name, sizeof name, "reports %.*s", (int)reporter.len,
                   (const char *)reporter.ptr);
    const char *why = count_complaint(r, name, r->config->complaints_daily, "by report",
                                      header, wanted);
    fields_reset(&f);
    fields_add(&f, "reporter", reporter);
    fields_add_str(&f, "what", wanted ? "wanted" : "junk");
    if (why != NULL) {
        fields_add_str(&f, "text", why);
    }
    log_event(LOG_INFO, 0, why == NULL ? "complaint" : "complaint-passed-over", &f);
}

static void complain(struct rates *r, struct control_call *call, json_t *request)
{
    const char *mailbox = "", *header = "";
    size_t header_len = 0, len = 0;
    int wanted = 0;
    unsigned char *octets = malloc(COMPLAINT_HEADER_MAX);
    bool ok = octets != NULL &&
              json_unpack(request, "{s:s,s:b,s:s%}", "mailbox", &mailbox, "wanted",
                          &wanted, "header", &header, &header_len) == 0 &&
              mailbox[0] != '\0' && strlen(mailbox) <= MAILBOX_MAX &&
              base64_decode((struct slice){(const unsigned char *)header, header_len},
                            octets, COMPLAINT_HEADER_MAX, &len);
    const char *why = !ok ? "there is no such request"
                          : rates_complaint(r, slice_of(mailbox),
                                            (struct slice){octets, len}, wanted != 0);
    free(octets);
    if (why != NULL) {
        control_error(call, ok ? STATUS_NO : STATUS_USAGE, "%s", why);
    } else {
        control_done(call, 0);
    }
}

/* --- requests --- */

enum action {
    LIMITS_SHOW = 0,
    LIMITS_RESET,
    REPUTATION_SHOW,
    REPUTATION_SET,
    REPUTATION_FORGET,
    REPUTATION_IMPORT
};
static const struct {
    const char *object, *action;
    bool key; /* needed */
} actions[] = {
    [LIMITS_SHOW] = {"limits", "show", false},
    [LIMITS_RESET] = {"limits", "reset", true},
    [REPUTATION_SHOW] = {"reputation", "show", false},
    [REPUTATION_SET] = {"reputation", "set", true},
    [REPUTATION_FORGET] = {"reputation", "forget", true},
    [REPUTATION_IMPORT] = {"reputation", "import", false},
};
enum { ACTIONS = sizeof actions / sizeof actions[0] };

/* The limits of a kind of key; the first is the one that is told of it in brief. */
#define LIMIT(kind, field)                                                               \
    {                                                                                    \
        kind, offsetof(struct config, field)                                             \
    }
static const struct {
    enum rate_kind kind;
    size_t setting;
} limits[] = {
    LIMIT(RATE_ip, rate_ip),
    LIMIT(RATE_network, rate_network),
    LIMIT(RATE_sender, rate_sender),
    LIMIT(RATE_spf, rate_spf_domain),
    LIMIT(RATE_dkim, rate_dkim_domain),
    LIMIT(RATE_from, rate_from_domain),
    LIMIT(RATE_url, rate_url_domain),
    LIMIT(RATE_message_id, rate_message_id),
    LIMIT(RATE_rcpt, rate_rcpt),
    LIMIT(RATE_rcpt, rate_rcpt_most),
    LIMIT(RATE_rcpt, rate_rcpt_pace),
    LIMIT(RATE_login, rate_login_quota),
    LIMIT(RATE_login, rate_login),
    LIMIT(RATE_ptr, rate_ptr_domain),
    LIMIT(RATE_rcpt_domain, rate_rcpt_domain),
    LIMIT(RATE_connect, rate_connections),
    LIMIT(RATE_connect_network, rate_network_connections),
};
#undef LIMIT
enum { LIMIT_N = sizeof limits / sizeof limits[0] };

struct query {
    struct rates *rates;
    enum action action;
    enum reputation level;
    bool one_kind; /* the key names it */
    enum rate_kind kind;
    struct slice name;       /* empty: all */
    char text[NET_TEXT_MAX]; /* of an address or network, as it is counted */
    json_t *request;         /* which name borrows from */
    size_t at;
    unsigned found;
};

static struct slice name_of(const struct rate_entry *e)
{
    return (struct slice){e->name, e->name_len};
}

/* A ladder's name is "CHECK KEY". */
static bool is_named(const struct query *q, const struct rate_entry *e)
{
    struct slice name = name_of(e);
    struct slice wanted = e->cut ? slice_sub(q->name, 0, RATE_NAME_MAX) : q->name;
    if (q->one_kind && e->kind != q->kind) {
        return false;
    }
    if (e->kind == RATE_ladder && !q->one_kind) {
        name = slice_from(name, slice_find(name, ' ') + 1);
        wanted = e->cut ? slice_sub(q->name, 0, name.len) : q->name;
    }
    return slice_ieq(name, wanted);
}

/* A name that was cut is known as a whole where it was asked for. */
static struct slice whole_name(const struct query *q, const struct rate_entry *e)
{
    return e->cut && q->name.len > 0 && e->kind != RATE_ladder ? q->name : name_of(e);
}

struct allowed {
    struct rate_limit limit;              /* count 0: none */
    const struct config_limit *exception; /* that says so; NULL: the setting does */
};

static struct allowed allowed_of(const struct query *q, const struct rate_entry *e,
                                 size_t setting)
{
    const struct config *c = q->rates->config;
    struct net net;
    bool is_net = net_parse(name_of(e), &net) == NET_OK;
    struct allowed a = {.exception = limits_find(c->limits, setting, is_net ? &net : NULL,
                                                 whole_name(q, e))};
    const void *bound = a.exception != NULL ? (const void *)&a.exception->bound
                                            : (const unsigned char *)c + setting;
    a.limit = rate_allowed(bound, &e->view, c->rate_evidence);
    return a;
}

static bool is_near(const struct query *q, const struct rate_entry *e, uint64_t now_us)
{
    for (unsigned i = 0; i < LIMIT_N; i++) {
        if (limits[i].kind == e->kind) {
            struct rate_limit l = allowed_of(q, e, limits[i].setting).limit;
            uint64_t most = l.burst > 0 ? l.burst : l.count;
            if (l.count > 0 && rate_measured(&l, &e->view, now_us) * NEAR >= most) {
                return true;
            }
        }
    }
    return false;
}

static bool is_shown(const struct query *q, const struct rate_entry *e, uint64_t now_us)
{
    const struct rate_view *v = &e->view;
    if (q->name.len > 0) {
        return is_named(q, e);
    }
    if (q->action == REPUTATION_SHOW) {
        return reputation_of(v->good, v->bad, q->rates->config->rate_evidence) !=
               REPUTATION_UNKNOWN;
    }
    return v->limited_until_s > now_us / 1000000 || is_near(q, e, now_us);
}

static const char *setting_name(size_t setting)
{
    unsigned i = 0;
    while (i < SETTING_N - 1 && settings[i].offset != setting) {
        i++;
    }
    return settings[i].name;
}

/* What holds for the key: of each of its limits the name of the setting, what is allowed now, how much
 * of that is used, and which exception says so. The first also in the line itself. */
static void add_limits(const struct query *q, const struct rate_entry *e, uint64_t now_us,
                       json_t *line)
{
    static const char *const windows[RATE_WINDOWS] = {"minute", "hour", "day"};
    json_t *all = json_array();
    for (unsigned i = 0; i < LIMIT_N; i++) {
        if (limits[i].kind != e->kind) {
            continue;
        }
        struct allowed a = allowed_of(q, e, limits[i].setting);
        json_t *one = json_pack(
            "{s:s,s:I,s:s,s:I,s:I,s:s*}", "setting", setting_name(limits[i].setting),
            "limit", (json_int_t)a.limit.count, "window", windows[a.limit.window],
            "burst", (json_int_t)a.limit.burst, "used",
            (json_int_t)(a.limit.count > 0 ? rate_measured(&a.limit, &e->view, now_us)
                                           : 0),
            "exception", a.exception == NULL ? NULL : a.exception->text);
        if (a.limit.count > 0 && json_object_get(line, "limit") == NULL) {
            (void)json_object_set(line, "limit", json_object_get(one, "limit"));
            (void)json_object_set(line, "window", json_object_get(one, "window"));
        }
        (void)json_array_append_new(all, one);
    }
    (void)json_object_set_new(line, "limits", all);
}

static json_t *line_of(const struct query *q, const struct rate_entry *e, uint64_t now_us)
{
    const struct rate_view *v = &e->view;
    char name[RATE_NAME_MAX + 1];
    for (unsigned i = 0; i <= e->name_len && i < sizeof name; i++) { /* JSON is UTF-8 */
        unsigned char c = i < e->name_len ? e->name[i] : 0;
        name[i] = (char)(c >= 0x80 || (c < 0x20 && i < e->name_len) ? '?' : c);
    }
    json_t *line = json_pack(
        "{s:s,s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:I,s:s,s:I,s:I}", "kind",
        rate_kind_name(e->kind), "key", name, "cut", e->cut, "minute",
        (json_int_t)v->count[RATE_MINUTE], "hour", (json_int_t)v->count[RATE_HOUR], "day",
        (json_int_t)v->count[RATE_DAY], "usual", (json_int_t)v->usual, "good",
        (json_int_t)v->good, "bad", (json_int_t)v->bad, "reputation",
        reputation_name(reputation_of(v->good, v->bad, q->rates->config->rate_evidence)),
        "limited_s",
        (json_int_t)(v->limited_until_s > now_us / 1000000
                         ? v->limited_until_s - now_us / 1000000
                         : 0),
        "touched_s", (json_int_t)v->touched_s);
    if (line != NULL) {
        add_limits(q, e, now_us, line);
    }
    return line;
}

/* Does what is asked for with a key that fits; *e is what it is afterwards. */
static void act(const struct query *q, struct rate_entry *e, uint64_t now_us)
{
    struct rate_table *t = q->rates->table;
    struct rate_view before = e->view;
    struct rate_key key = {.tag = e->tag, .kind = e->kind, .name = name_of(e)};
    unsigned good = 0, bad = 0;
    switch (q->action) {
    case LIMITS_SHOW:
    case REPUTATION_SHOW:
        return;
    case LIMITS_RESET:
        rate_forget(t, &key);
        good = (unsigned)before.good;
        bad = (unsigned)before.bad;
        if (good + bad == 0) {
            e->view = (struct rate_view){0};
            return;
        }
        break;
    case REPUTATION_SET:
        reputation_signs(q->level, q->rates->config->rate_evidence, &good, &bad);
        break;
    case REPUTATION_FORGET:
        break;
    case REPUTATION_IMPORT:
        return;
    }
    (void)rate_set_signs(t, &key, good, bad, now_us);
    IGNORE(rate_read(t, &key, now_us, &e->view)); /* what cannot be kept is all zero */
}

/* Keys that are said by their kind, or whose kind the name tells. */
enum { KINDS_SAID_MAX = 3 };

static unsigned kinds_said(const struct query *q, enum rate_kind kind[KINDS_SAID_MAX])
{
    struct net net;
    if (q->one_kind) {
        kind[0] = q->kind;
        return 1;
    }
    if (net_parse(q->name, &net) == NET_OK) {
        kind[0] = net.bits == 128 ? RATE_ip : RATE_network;
        return 1;
    }
    if (!address_is_domain(q->name)) {
        return 0;
    }
    kind[0] = RATE_dkim;
    kind[1] = RATE_spf;
    kind[2] = RATE_from;
    return KINDS_SAID_MAX;
}

/* NULL, or why nothing will ever be counted under that name. */
static const char *wrong_name(const struct config *c, enum rate_kind kind,
                              struct slice name)
{
    struct net net;
    bool is_net = net_parse(name, &net) == NET_OK;
    unsigned bits = is_net && ip_is_v4(&net.ip) ? 96 + (unsigned)c->limits_network_ipv4
                                                : (unsigned)c->limits_network_ipv6;
    switch ((int)kind) {
    case RATE_ip:
        return is_net && net.bits == 128 ? NULL : "it is no address";
    case RATE_network:
        return is_net && net.bits == bits
                   ? NULL
                   : "networks are counted in the sizes of limits.network-ipv4 and "
                     "-ipv6: "
                     "say one of these, or let reputation import split it";
    case RATE_ptr:
    case RATE_spf:
    case RATE_dkim:
    case RATE_from:
    case RATE_url:
        return address_is_domain(name) ? NULL : "it is no domain name";
    default:
        return NULL;
    }
}

static bool set_one(struct query *q, struct control_call *call, enum rate_kind kind)
{
    unsigned char lower[SAID_MAX];
    for (size_t i = 0; i < q->name.len; i++) {
        lower[i] = ascii_lower(q->name.ptr[i]);
    }
    struct slice name = {lower, q->name.len};
    struct rate_key key = rate_key(q->rates->table, kind, name);
    struct rate_entry e = {.tag = key.tag, .kind = kind};
    uint64_t now_us = clock_wall_ms() * 1000;
    unsigned good = 0, bad = 0;
    reputation_signs(q->level, q->rates->config->rate_evidence, &good, &bad);
    (void)rate_set_signs(q->rates->table, &key, good, bad, now_us);
    IGNORE(rate_read(q->rates->table, &key, now_us, &e.view)); /* all zero: no room */
    e.cut = name.len > RATE_NAME_MAX;
    e.name_len = (unsigned char)(e.cut ? RATE_NAME_MAX : name.len);
    memcpy(e.name, lower, e.name_len);
    json_t *line = line_of(q, &e, now_us);
    if (line != NULL) {
        control_line(call, line);
    }
    return line != NULL;
}

/* False: the name does not say of which kinds it is. */
static bool set_said(struct query *q, struct control_call *call)
{
    enum rate_kind kind[KINDS_SAID_MAX];
    unsigned n = kinds_said(q, kind);
    const char *wrong = n > 0 && q->name.len > SAID_MAX ? "it is too long" : NULL;
    for (unsigned i = 0; i < n && wrong == NULL; i++) {
        wrong = wrong_name(q->rates->config, kind[i], q->name);
    }
    if (wrong != NULL) {
        control_error(call, STATUS_USAGE, "%.*s: %s", (int)q->name.len,
                      (const char *)q->name.ptr, wrong);
        return true;
    }
    for (unsigned i = 0; i < n; i++) {
        if (!set_one(q, call, kind[i])) {
            control_error(call, STATUS_SYSTEM, "out of memory");
            return true;
        }
    }
    if (n > 0) {
        control_done(call, 0);
    }
    return n > 0;
}

static void query_next(void *state, struct control_call *call)
{
    struct query *q = state;
    struct rate_entry e;
    uint64_t now_us = clock_wall_ms() * 1000;
    while (control_room(call)) {
        bool any = rate_next(q->rates->table, &q->at, now_us, &e);
        if (!any) {
            control_done(call, q->found == 0 && q->name.len > 0 ? STATUS_NO : 0);
            return;
        }
        if (!is_shown(q, &e, now_us)) {
            continue;
        }
        act(q, &e, now_us);
        q->found++;
        json_t *line = line_of(q, &e, now_us);
        if (line == NULL) {
            control_error(call, STATUS_SYSTEM, "out of memory");
            return;
        }
        control_line(call, line);
    }
}

static void query_end(void *state)
{
    struct query *q = state;
    json_decref(q->request);
    free(q);
}

static const struct control_stream query_stream = {query_next, query_end};

static void take_key(struct query *q, const char *key)
{
    q->name = slice_of(key);
    size_t colon = slice_find(q->name, ':');
    if (colon < q->name.len && rate_kind_read(slice_sub(q->name, 0, colon), &q->kind)) {
        q->one_kind = true;
        q->name = slice_from(q->name, colon + 1);
    }
    struct net net;
    if (net_parse(q->name, &net) == NET_OK) {
        q->name = net_text(&net, q->text);
    }
}

/* One look-up a key, for lists are long; keys are "kind:name". */
static void import(struct rates *r, struct control_call *call, const json_t *keys,
                   enum reputation level)
{
    unsigned char lower[RATE_NAME_MAX];
    unsigned good = 0, bad = 0;
    json_int_t set = 0;
    size_t i = 0;
    json_t *item = NULL;
    reputation_signs(level, r->config->rate_evidence, &good, &bad);
    json_array_foreach(keys, i, item)
    {
        struct query q = {.rates = r};
        take_key(&q, json_is_string(item) ? json_string_value(item) : "");
        if (!q.one_kind || q.name.len == 0 || q.name.len > sizeof lower ||
            wrong_name(r->config, q.kind, q.name) != NULL) {
            continue;
        }
        for (size_t k = 0; k < q.name.len; k++) {
            lower[k] = ascii_lower(q.name.ptr[k]);
        }
        struct rate_key key =
            rate_key(r->table, q.kind, (struct slice){lower, q.name.len});
        set += rate_set_signs(r->table, &key, good, bad, clock_wall_ms() * 1000);
    }
    control_line(call, json_pack("{s:I}", "set", set));
    control_done(call, 0);
}

bool rates_request(struct rates *r, struct control_call *call, json_t *request)
{
    const char *object = NULL, *action = NULL, *key = "", *level = "unknown";
    unsigned i = 0;
    IGNORE(json_unpack(request, "{s?s,s?s,s?s,s?s}", "object", &object, "action", &action,
                       "key", &key, "level", &level));
    if (object != NULL && strcmp(object, "complaint") == 0) {
        complain(r, call, request);
        return true;
    }
    if (object == NULL ||
        (strcmp(object, "limits") != 0 && strcmp(object, "reputation") != 0)) {
        return false;
    }
    while (i < ACTIONS && (strcmp(actions[i].object, object) != 0 || action == NULL ||
                           strcmp(actions[i].action, action) != 0)) {
        i++;
    }
    enum reputation wanted;
    if (i == ACTIONS || (actions[i].key && key[0] == '\0')) {
        control_error(call, STATUS_USAGE, "%s",
                      i == ACTIONS ? "there is no such request" : "it names no key");
        return true;
    }
    if (!reputation_read(slice_of(level), &wanted)) {
        control_error(call, STATUS_USAGE,
                      "there is no level %s; say good, neutral, low or very-low", level);
        return true;
    }
    if (i == REPUTATION_IMPORT) {
        import(r, call, json_object_get(request, "keys"), wanted);
        return true;
    }
    struct query *q = calloc(1, sizeof *q);
    if (q == NULL) {
        control_error(call, STATUS_SYSTEM, "out of memory");
        return true;
    }
    *q = (struct query){.rates = r,
                        .action = (enum action)i,
                        .level = wanted,
                        .request = json_incref(request)};
    take_key(q, key);
    if (q->action == REPUTATION_SET && set_said(q, call)) {
        query_end(q);
    } else {
        control_stream(call, &query_stream, q);
    }
    return true;
}
