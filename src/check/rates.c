/* check/rates.c - see rates.h */
#include "check/rates.h"

#include "senderauth/ptr.h"

#include <stdio.h>
#include <string.h>

/* --- keys --- */

static bool exempt(const struct check_facts *f)
{
    return f->service == SERVICE_PUSH ||
           (f->service == SERVICE_MX &&
            (f->address == NULL ||
             netset_has(&f->config->rate_exempt_networks, f->address)));
}

static void add_name(struct rates_key *k, struct slice s)
{
    size_t n = k->key.name.len;
    s = slice_sub(s, 0, RATES_NAME_MAX - n);
    for (size_t i = 0; i < s.len; i++) {
        k->own[n + i] = ascii_lower(s.ptr[i]);
    }
    k->key.name = (struct slice){k->own, n + s.len};
}

static uint8_t network_bits(const struct check_facts *f)
{
    return (uint8_t)(ip_is_v4(f->address) ? 96 + f->config->limits_network_ipv4
                                          : f->config->limits_network_ipv6);
}

static void add_network(const struct check_facts *f, struct rates_key *k)
{
    char text[NET_TEXT_MAX];
    struct net net = net_around(f->address, network_bits(f));
    add_name(k, net_text(&net, text));
}

/* The domain that the client's name stands in, where the name is known by now. */
static void add_ptr(const struct check_facts *f, struct rates_key *k)
{
    struct ptr ptr;
    if (f->dns_session == NULL || !ptr_check(f->dns_session, f->address, &ptr) ||
        ptr.result != PTR_PASS) {
        return;
    }
    struct slice parent = slice_from(ptr.name, slice_find(ptr.name, '.') + 1);
    add_name(k, slice_find(parent, '.') < parent.len ? parent : ptr.name);
}

static void add_sender(const struct check_facts *f, struct rates_key *k)
{
    if (f->envelope->sender.mailbox.len == 0) {
        return;
    }
    add_name(k, f->envelope->sender.mailbox);
    if (f->auth == NULL || f->auth->spf.len == 0) {
        add_name(k, SLICE(" "));
        add_network(f, k);
    }
}

static void add_message_id(const struct check_facts *f, struct rates_key *k)
{
    unsigned i = f->head == NULL ? 0 : message_head_find(f->head, "Message-ID", 0);
    if (f->head != NULL && i < f->head->n) {
        add_name(k, slice_strip(f->head->field[i].value));
    }
}

/* Each registered domain once. */
static void add_url(const struct check_facts *f, unsigned nth, struct rates_key *k)
{
    if (f->content == NULL) {
        return;
    }
    const struct links *l = &f->content->links;
    for (unsigned i = 0; i < l->n; i++) {
        unsigned before = 0;
        while (before < i && !slice_eq(links_domain(l, before), links_domain(l, i))) {
            before++;
        }
        if (before == i && nth-- == 0) {
            add_name(k, links_domain(l, i));
            return;
        }
    }
}

static const struct smtp_recipient *recipient(const struct check_facts *f, unsigned nth)
{
    const struct smtp_recipient *r = f->envelope->first;
    while (r != NULL && nth-- > 0) {
        r = r->next;
    }
    return r;
}

static void add_rcpt_domain(const struct check_facts *f, unsigned nth,
                            struct rates_key *k)
{
    for (const struct smtp_recipient *r = f->envelope->first; r != NULL; r = r->next) {
        const struct smtp_recipient *b = f->envelope->first;
        while (b != r && !slice_ieq(b->path.domain, r->path.domain)) {
            b = b->next;
        }
        if (b == r && nth-- == 0) {
            add_name(k, r->path.domain);
            return;
        }
    }
}

static void add_customer(const struct check_facts *f, struct rates_key *k)
{
    for (unsigned i = 0; f->mail != NULL && i < DIR_BY_COUNT; i++) {
        if (f->mail->customer[i].name.len > 0) {
            add_name(k, f->mail->customer[i].name);
            return;
        }
    }
}

/* Of the kinds of which there is one at most. */
static void add_single(const struct check_facts *f, enum rate_kind kind,
                       struct rates_key *k)
{
    switch (kind) {
    case RATE_ip:
    case RATE_connect:
    case RATE_refused:
        add_name(k, f->ip);
        break;
    case RATE_network:
    case RATE_connect_network:
        add_network(f, k);
        break;
    case RATE_ptr:
        add_ptr(f, k);
        break;
    case RATE_sender:
        add_sender(f, k);
        break;
    case RATE_spf:
        add_name(k, f->auth == NULL ? SLICE("") : f->auth->spf);
        break;
    case RATE_from:
        add_name(k, f->auth == NULL ? SLICE("") : f->auth->from);
        break;
    case RATE_message_id:
        add_message_id(f, k);
        break;
    case RATE_login:
        add_name(k, f->login);
        break;
    case RATE_customer:
        add_customer(f, k);
        break;
    case RATE_dkim:
    case RATE_url:
    case RATE_rcpt:
    case RATE_rcpt_domain:
    case RATE_ladder:
    case RATE_bulk:
    case RATE_site_out:
    case RATE_warm_up:
    case RATE_KIND_COUNT:
        break;
    }
}

enum { RATES_NO_KEY = UINT8_MAX };

void rates_memo_begin(struct rates_memo *m, const void *owner)
{
    m->owner = owner;
    m->n = 0;
    m->used = 0;
    memset(m->at, 0, sizeof m->at);
}

/* Keeps a key where there is room; the memo's copy of its name outlives it. */
static void memo_put(const struct check_facts *f, enum rate_kind kind,
                     struct rates_key *k)
{
    struct rates_memo *m = f->memo;
    size_t len = k->key.name.len;
    if (len == 0) {
        m->at[kind] = RATES_NO_KEY;
        return;
    }
    if (m->n == RATES_MEMO_MAX || len > sizeof m->text - m->used) {
        return;
    }
    memcpy(m->text + m->used, k->key.name.ptr, len);
    k->key.name = (struct slice){m->text + m->used, len};
    rate_locate(f->rates, &k->key);
    m->used += len;
    m->item[m->n].key = k->key;
    m->item[m->n].viewed = false;
    m->at[kind] = ++m->n;
}

static bool memo_get(const struct check_facts *f, enum rate_kind kind, unsigned nth,
                     struct rates_key *out)
{
    uint8_t at = f->memo == NULL || nth > 0 ? 0 : f->memo->at[kind];
    if (at > 0 && at != RATES_NO_KEY) {
        out->key = f->memo->item[at - 1].key;
    }
    return at > 0;
}

static void add_nth(const struct check_facts *f, enum rate_kind kind, unsigned nth,
                    struct rates_key *k)
{
    if (kind == RATE_dkim) {
        if (f->auth != NULL && nth < f->auth->dkim_n) {
            add_name(k, f->auth->dkim[nth]);
        }
    } else if (kind == RATE_url && nth < RATES_DOMAINS_MAX) {
        add_url(f, nth, k);
    } else if (kind == RATE_rcpt) {
        const struct smtp_recipient *r = recipient(f, nth);
        add_name(k, r == NULL ? SLICE("") : r->path.mailbox);
    } else if (kind == RATE_rcpt_domain && nth < RATES_DOMAINS_MAX) {
        add_rcpt_domain(f, nth, k);
    } else if (nth == 0) {
        add_single(f, kind, k);
    }
}

bool rates_key(const struct check_facts *f, enum rate_kind kind, unsigned nth,
               struct rates_key *out)
{
    out->key.name = SLICE("");
    if (memo_get(f, kind, nth, out)) {
        return out->key.name.len > 0;
    }
    if (f->rates == NULL || f->address == NULL || exempt(f)) {
        return false;
    }
    add_nth(f, kind, nth, out);
    if (out->key.name.len > 0) {
        out->key = rate_key(f->rates, kind, out->key.name);
    }
    if (f->memo != NULL && nth == 0) {
        memo_put(f, kind, out);
    }
    return out->key.name.len > 0;
}

bool rates_rcpt_key(const struct check_facts *f, struct rates_key *out)
{
    out->key.name = SLICE("");
    if (f->rates == NULL || exempt(f)) {
        return false;
    }
    add_name(out, f->rcpt->mailbox);
    out->key = rate_key(f->rates, RATE_rcpt, out->key.name);
    return out->key.name.len > 0;
}

/* --- limits --- */

struct rate_view rates_view(const struct check_facts *f, const struct rates_key *k)
{
    struct rate_view v;
    uint8_t at = f->memo == NULL ? 0 : f->memo->at[k->key.kind];
    bool ours =
        at > 0 && at != RATES_NO_KEY && f->memo->item[at - 1].key.tag == k->key.tag;
    if (ours && f->memo->item[at - 1].viewed) {
        return f->memo->item[at - 1].view;
    }
    IGNORE(rate_read(f->rates, &k->key, f->now_ms * 1000, &v)); /* all zero then */
    if (ours) {
        f->memo->item[at - 1].view = v;
        f->memo->item[at - 1].viewed = true;
    }
    return v;
}

static const struct rate_bound *bound_at(const struct check_facts *f, size_t setting)
{
    return (const struct rate_bound *)(const void *)((const char *)f->config + setting);
}

/* The limits of these settings are of addresses: their exceptions are networks. */
static bool net_of(const struct check_facts *f, enum rate_kind kind, struct net *out)
{
    bool network = kind == RATE_network || kind == RATE_connect_network;
    if (!network && kind != RATE_ip && kind != RATE_connect) {
        return false;
    }
    *out = net_around(f->address, network ? network_bits(f) : 128);
    return true;
}

/* NULL: the setting holds. */
static const struct config_limit *exception_of(const struct check_facts *f,
                                               const struct rates_key *k, size_t setting)
{
    struct net net;
    return f->config->limits == NULL
               ? NULL
               : limits_find(f->config->limits, setting,
                             net_of(f, k->key.kind, &net) ? &net : NULL, k->key.name);
}

const struct rate_bound *rates_bound(const struct check_facts *f,
                                     const struct rates_key *k, size_t setting)
{
    const struct config_limit *e = exception_of(f, k, setting);
    return e != NULL ? &e->bound : bound_at(f, setting);
}

bool rates_limited(const struct check_facts *f, size_t setting)
{
    return bound_at(f, setting)->least.count > 0 || f->config->limits != NULL;
}

/* with: the counts if the message were taken. by: whose number it is; NULL: the setting's. */
static void add_evidence(const struct rates_key *k, const struct rate_limit *l,
                         const struct config_limit *by, const struct rate_view *v,
                         const struct rate_view *with, uint64_t now_us,
                         struct check_verdict *out)
{
    struct fields *e = &out->evidence;
    uint64_t window = rate_window_s(l->window);
    uint64_t span = l->burst == 0 ? window : window * l->burst / l->count;
    fields_add_u64(e, "measured", rate_measured(l, with, now_us));
    fields_add_u64(e, "limit", l->burst > 0 ? l->burst : l->count);
    fields_add_u64(e, "time", span == 0 ? 1 : span);
    fields_add_u64(e, "retry", rate_wait_s(l, v, now_us));
    fields_add_str(
        e, "what",
        check_text(out,
                   "%s %.*s: usual %llu an hour, %llu good and %llu bad signs, "
                   "lifted in about %llu s%s%s",
                   rate_kind_name(k->key.kind), (int)k->key.name.len,
                   (const char *)k->key.name.ptr, (unsigned long long)v->usual,
                   (unsigned long long)v->good, (unsigned long long)v->bad,
                   (unsigned long long)rate_wait_s(l, v, now_us),
                   by == NULL ? "" : "; the limit is that of the exception ",
                   by == NULL ? "" : by->text));
}

bool rates_over(const struct check_facts *f, const struct rates_key *k,
                const struct rate_view *v, size_t setting, uint64_t n,
                struct check_verdict *out)
{
    uint64_t now_us = f->now_ms * 1000;
    const struct config_limit *by = exception_of(f, k, setting);
    struct rate_limit l = rate_allowed(by != NULL ? &by->bound : bound_at(f, setting), v,
                                       f->config->rate_evidence);
    struct rate_view with = rate_with(&l, v, n, now_us);
    if (!rate_over(&l, &with, now_us)) {
        return false;
    }
    rate_hold(f->rates, &k->key, f->now_ms / 1000 + rate_wait_s(&l, v, now_us), now_us);
    add_evidence(k, &l, by, v, &with, now_us, out);
    return true;
}

bool rates_connected(const struct check_facts *f, char *out, size_t cap)
{
    static const char *const windows[RATE_WINDOWS] = {"minute", "hour", "day"};
    static const struct {
        enum rate_kind kind;
        size_t setting;
    } kinds[] = {{RATE_connect, RATES_LIMIT(rate_connections)},
                 {RATE_connect_network, RATES_LIMIT(rate_network_connections)}};
    const struct rate_bound *bound[2];
    uint64_t now_us = f->now_ms * 1000;
    struct rates_key k[2];
    for (unsigned i = 0; i < 2; i++) {
        if (f->service != SERVICE_MX || !rates_key(f, kinds[i].kind, 0, &k[i])) {
            return false;
        }
        struct rate_view v = rates_view(f, &k[i]);
        bound[i] = rates_bound(f, &k[i], kinds[i].setting);
        struct rate_limit l = rate_allowed(bound[i], &v, f->config->rate_evidence);
        struct rate_view with = rate_with(&l, &v, 1, now_us);
        if (rate_over(&l, &with, now_us)) {
            uint64_t wait_s = rate_wait_s(&l, &v, now_us);
            rate_hold(f->rates, &k[i].key, f->now_ms / 1000 + wait_s, now_us);
            (void)snprintf(
                out, cap,
                "%llu connections of %.*s in the last %s, limit %llu, lifted in "
                "about %llu s",
                (unsigned long long)rate_measured(&l, &with, now_us),
                (int)k[i].key.name.len, (const char *)k[i].key.name.ptr,
                windows[l.window], (unsigned long long)(l.burst > 0 ? l.burst : l.count),
                (unsigned long long)wait_s);
            return true;
        }
    }
    for (unsigned i = 0; i < 2; i++) {
        const struct rate_limit *l = &bound[i]->least;
        (void)rate_add(f->rates, &k[i].key, 1, l->burst > 0 ? l : NULL, now_us, NULL);
    }
    return false;
}

/* --- counting --- */

enum {
    ONE = 1,
    MANY = 1000
}; /* keys of a message; MANY: as many as there are recipients */

/* setting: the limit that may have a burst; 0: none. mx: counted there; else where somebody submits or relays. */
static const struct {
    enum rate_kind kind;
    unsigned most;
    bool mx, signs;
    size_t setting;
} counted[] = {
    {RATE_ip, ONE, true, true, RATES_LIMIT(rate_ip)},
    {RATE_network, ONE, true, true, RATES_LIMIT(rate_network)},
    {RATE_ptr, ONE, true, true, RATES_LIMIT(rate_ptr_domain)},
    {RATE_sender, ONE, true, true, RATES_LIMIT(rate_sender)},
    {RATE_spf, ONE, true, true, RATES_LIMIT(rate_spf_domain)},
    {RATE_dkim, CHECK_DKIM_MAX, true, true, RATES_LIMIT(rate_dkim_domain)},
    {RATE_from, ONE, true, true, RATES_LIMIT(rate_from_domain)},
    {RATE_url, RATES_DOMAINS_MAX, true, true, RATES_LIMIT(rate_url_domain)},
    {RATE_message_id, ONE, true, false, RATES_LIMIT(rate_message_id)},
    {RATE_rcpt, MANY, true, false, RATES_LIMIT(rate_rcpt_pace)},
    {RATE_rcpt_domain, RATES_DOMAINS_MAX, true, false, RATES_LIMIT(rate_rcpt_domain)},
    {RATE_login, ONE, false, false, RATES_LIMIT(rate_login)},
    {RATE_customer, ONE, false, false, 0},
};

/* NULL: no burst. */
static const struct rate_limit *burst_of(const struct check_facts *f,
                                         const struct rates_key *k, size_t setting)
{
    const struct rate_bound *b = setting == 0 ? NULL : rates_bound(f, k, setting);
    return b != NULL && b->least.burst > 0 ? &b->least : NULL;
}

uint64_t rates_origin(const struct rate_table *t, struct slice ip, struct slice spf,
                      const struct slice *dkim, unsigned dkim_n)
{
    uint64_t sum = rate_key(t, RATE_ip, ip).tag;
    sum ^= spf.len == 0 ? 0 : rate_key(t, RATE_spf, spf).tag;
    for (unsigned i = 0; i < dkim_n; i++) {
        unsigned before = 0;
        while (before < i && !slice_eq(dkim[before], dkim[i])) {
            before++;
        }
        sum ^= before < i ? 0 : rate_key(t, RATE_dkim, dkim[i]).tag;
    }
    return sum == 0 ? 1 : sum;
}

bool rates_is_origin(const struct rate_table *t, struct slice message_id, uint64_t origin)
{
    struct rates_key k = {.key = {.name = SLICE("")}};
    add_name(&k, slice_strip(message_id));
    k.key = rate_key(t, RATE_message_id, k.key.name);
    return k.key.name.len > 0 && rate_noted(t, &k.key) == origin;
}

static void note_origin(const struct check_facts *f)
{
    static const struct check_auth nobody;
    const struct check_auth *a = f->auth == NULL ? &nobody : f->auth;
    struct rates_key k;
    if (f->config->rate_message_id.least.burst == 0 &&
        rates_key(f, RATE_message_id, 0, &k)) {
        rate_note(f->rates, &k.key,
                  rates_origin(f->rates, f->ip, a->spf, a->dkim, a->dkim_n));
    }
}

void rates_count(const struct check_facts *f)
{
    struct rates_key k;
    bool mx = f->service == SERVICE_MX;
    for (size_t i = 0; i < sizeof counted / sizeof counted[0]; i++) {
        enum rate_kind kind = counted[i].kind;
        uint64_t n = kind == RATE_login ? f->envelope->recipient_n : 1;
        if (counted[i].mx != mx) {
            continue;
        }
        for (unsigned nth = 0; nth < counted[i].most && rates_key(f, kind, nth, &k);
             nth++) {
            const struct rate_limit *burst = burst_of(f, &k, counted[i].setting);
            if (counted[i].signs) {
                (void)rate_add_signed(f->rates, &k.key, n, burst, !f->junk, f->junk,
                                      f->now_ms * 1000);
            } else {
                (void)rate_add(f->rates, &k.key, n, burst, f->now_ms * 1000, NULL);
            }
        }
    }
    if (mx) {
        note_origin(f);
    }
}

/* --- signs --- */

/* Rows that say something of who sends; content: also of the domains and links of the message. The
 * table of docs/architecture.md, "Reputation". What limits and reputation refuse is no sign: it would
 * feed itself. */
static const struct {
    enum reply_id id;
    bool content;
    unsigned bad;
} unwanted[] = {
    {REPLY_rcpt_mailbox_unknown, false, 1},
    {REPLY_rcpt_mailbox_disabled, false, 1},
    {REPLY_relay_denied_unregistered, false, 1},
    {REPLY_auth_credentials_rejected, false, 1},
    {REPLY_protocol_violation, false, 1},
    {REPLY_command_unrecognized_too_many, false, 1},
    {REPLY_syntax_error_closing, false, 1},
    {REPLY_starttls_pipelining, false, 1},
    {REPLY_message_malformed, false, 1},
    {REPLY_content_security_block, true, 2},
    {REPLY_content_suspicious_deferred, true, 2},
    {REPLY_content_unsolicited_reject, true, 2},
    {REPLY_mail_dmarc_reject, false, 1},
    {REPLY_mail_spf_hardfail_reject, false, 1},
};

enum { TRAPPED = 5 }; /* no honest list has it */

static void sign_bad(const struct check_facts *f, enum rate_kind kind, unsigned bad)
{
    struct rates_key k;
    for (unsigned nth = 0; nth < RATES_DOMAINS_MAX && rates_key(f, kind, nth, &k);
         nth++) {
        (void)rate_sign(f->rates, &k.key, 0, bad, f->now_ms * 1000);
    }
}

static const enum rate_kind of_client[] = {RATE_ip, RATE_network};

void rates_trapped(const struct check_facts *f)
{
    for (size_t n = 0; n < sizeof of_client / sizeof of_client[0]; n++) {
        sign_bad(f, of_client[n], TRAPPED);
    }
}

/* Limits of a recipient are missing here: who writes to a mailbox that others flood is none of them. */
bool rates_is_limit(enum reply_id id)
{
    static const enum reply_id limits[] = {
        REPLY_flood_rate_limited,
        REPLY_flood_ip_rate_limited,
        REPLY_flood_netblock_rate_limited,
        REPLY_flood_dkim_domain_rate_limited,
        REPLY_flood_spf_domain_rate_limited,
        REPLY_flood_url_domain_rate_limited,
        REPLY_flood_ip_blocked_temporary,
        REPLY_flood_ip_reject,
        REPLY_message_id_quota_exceeded,
        REPLY_mail_rate_limited_reject,
        REPLY_email_quota_exceeded,
        REPLY_reputation_ip_rate_limited,
        REPLY_reputation_ip_reject,
        REPLY_reputation_domain_deferred,
        REPLY_reputation_domain_reject,
    };
    size_t i = 0;
    while (i < sizeof limits / sizeof limits[0] && limits[i] != id) {
        i++;
    }
    return i < sizeof limits / sizeof limits[0];
}

static void remember(const struct check_facts *f)
{
    struct rates_key k;
    if (f->service == SERVICE_MX && rates_key(f, RATE_refused, 0, &k)) {
        (void)rate_add(f->rates, &k.key, 1, NULL, f->now_ms * 1000, NULL);
        rate_hold(f->rates, &k.key, f->now_ms / 1000 + RATES_REFUSED_S, f->now_ms * 1000);
    }
}

bool rates_waits(const struct check_facts *f)
{
    struct rates_key k;
    return f->service == SERVICE_MX && rates_key(f, RATE_refused, 0, &k) &&
           rates_view(f, &k).limited_until_s > f->now_ms / 1000;
}

void rates_refused(const struct check_facts *f, enum reply_id id)
{
    static const enum rate_kind of_message[] = {RATE_sender, RATE_spf, RATE_dkim,
                                                RATE_from, RATE_url};
    size_t i = 0;
    if (rates_is_limit(id)) {
        remember(f);
        return;
    }
    while (i < sizeof unwanted / sizeof unwanted[0] && unwanted[i].id != id) {
        i++;
    }
    if (i == sizeof unwanted / sizeof unwanted[0]) {
        return;
    }
    for (size_t n = 0; n < sizeof of_client / sizeof of_client[0]; n++) {
        sign_bad(f, of_client[n], unwanted[i].bad);
    }
    for (size_t n = 0;
         unwanted[i].content && n < sizeof of_message / sizeof of_message[0]; n++) {
        sign_bad(f, of_message[n], unwanted[i].bad);
    }
}
