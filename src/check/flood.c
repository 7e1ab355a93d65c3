/* check/flood.c - does more come than is usual, by address, network, domain, sender, link, Message-ID
 * and login? What a message is counted under, and when, is said in rates.h.
 * Rows: flood-ip-blocked-temporary, flood-ip-reject, flood-ip-rate-limited,
 * flood-netblock-rate-limited, flood-dkim-domain-rate-limited, flood-spf-domain-rate-limited,
 * flood-rate-limited, mail-rate-limited-reject, flood-url-domain-rate-limited,
 * message-id-quota-exceeded, email-quota-exceeded. */
#include "check/rates.h"

enum { MOSTLY = 50 }; /* per cent of mail that is unwanted */

/* Judges the message's keys of a kind; those that are mostly unwanted alone, where `unwanted`. */
static bool over(const struct check_facts *f, enum rate_kind kind, size_t setting,
                 bool unwanted, struct rates_key *k, struct check_verdict *out)
{
    for (unsigned nth = 0; rates_limited(f, setting) && rates_key(f, kind, nth, k);
         nth++) {
        struct rate_view v = rates_view(f, k);
        if ((!unwanted || rate_unwanted(&v, f->config->rate_evidence) >= MOSTLY) &&
            rates_over(f, k, &v, setting, 1, out)) {
            return true;
        }
    }
    return false;
}

/* The key's name as evidence, and as that whose breaches a ladder counts. */
static void named(const char *hole, const struct rates_key *k, struct check_verdict *out)
{
    const char *text =
        check_text(out, "%.*s", (int)k->key.name.len, (const char *)k->key.name.ptr);
    fields_add_str(&out->evidence, hole, text);
    out->key = slice_of(text);
}

void check_flood_ip_unwanted(const struct check_facts *f, struct check_verdict *out)
{
    struct rates_key k;
    fields_add(&out->evidence, "ip", f->ip);
    if (over(f, RATE_ip, RATES_LIMIT(rate_ip), true, &k, out)) {
        out->reply = REPLY_flood_ip_reject;
        out->slow = REPLY_flood_ip_blocked_temporary;
    }
}

void check_flood_ip(const struct check_facts *f, struct check_verdict *out)
{
    struct rates_key k;
    fields_add(&out->evidence, "ip", f->ip);
    if (over(f, RATE_ip, RATES_LIMIT(rate_ip), false, &k, out)) {
        out->reply = out->slow = REPLY_flood_ip_rate_limited;
    }
}

void check_flood_network(const struct check_facts *f, struct check_verdict *out)
{
    struct rates_key k;
    if (over(f, RATE_network, RATES_LIMIT(rate_network), true, &k, out)) {
        named("netblock", &k, out);
        out->reply = out->slow = REPLY_flood_netblock_rate_limited;
    }
}

void check_flood_domain(const struct check_facts *f, struct check_verdict *out)
{
    static const struct {
        enum rate_kind kind;
        size_t setting;
        const char *hole;
        enum reply_id reply;
    } kinds[] = {
        {RATE_dkim, RATES_LIMIT(rate_dkim_domain), "dkim_domain",
         REPLY_flood_dkim_domain_rate_limited},
        {RATE_spf, RATES_LIMIT(rate_spf_domain), "spf_domain",
         REPLY_flood_spf_domain_rate_limited},
        {RATE_from, RATES_LIMIT(rate_from_domain), "domain", REPLY_flood_rate_limited},
        {RATE_ptr, RATES_LIMIT(rate_ptr_domain), "ptr", REPLY_flood_rate_limited},
        {RATE_rcpt_domain, RATES_LIMIT(rate_rcpt_domain), "domain",
         REPLY_flood_rate_limited},
    };
    struct rates_key k;
    for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (over(f, kinds[i].kind, kinds[i].setting, false, &k, out)) {
            named(kinds[i].hole, &k, out);
            out->reply = out->slow = kinds[i].reply;
            return;
        }
    }
}

void check_flood_url(const struct check_facts *f, struct check_verdict *out)
{
    struct rates_key k;
    if (over(f, RATE_url, RATES_LIMIT(rate_url_domain), true, &k, out)) {
        named("domain", &k, out);
        out->reply = out->slow = REPLY_flood_url_domain_rate_limited;
    }
}

void check_flood_sender(const struct check_facts *f, struct check_verdict *out)
{
    struct rates_key k;
    fields_add(&out->evidence, "sender", f->envelope->sender.mailbox);
    if (over(f, RATE_sender, RATES_LIMIT(rate_sender), false, &k, out)) {
        out->key = slice_of(
            check_text(out, "%.*s", (int)k.key.name.len, (const char *)k.key.name.ptr));
        out->reply = REPLY_mail_rate_limited_reject;
        out->slow = REPLY_flood_rate_limited;
    }
}

void check_message_id_rate(const struct check_facts *f, struct check_verdict *out)
{
    struct rates_key k;
    if (over(f, RATE_message_id, RATES_LIMIT(rate_message_id), false, &k, out)) {
        named("message_id", &k, out);
        out->reply = out->slow = REPLY_message_id_quota_exceeded;
    }
}

void check_login_rate(const struct check_facts *f, struct check_verdict *out)
{
    struct rates_key k;
    fields_add(&out->evidence, "sender", f->envelope->sender.mailbox);
    if (!rates_key(f, RATE_login, 0, &k)) {
        return;
    }
    struct rate_view v = rates_view(f, &k);
    if (rates_over(f, &k, &v, RATES_LIMIT(rate_login), f->envelope->recipient_n, out)) {
        out->reply = REPLY_mail_rate_limited_reject;
    }
}

void check_login_quota(const struct check_facts *f, struct check_verdict *out)
{
    struct rates_key k;
    fields_add(&out->evidence, "sender", f->envelope->sender.mailbox);
    if (!rates_key(f, RATE_login, 0, &k)) {
        return;
    }
    struct rate_view v = rates_view(f, &k);
    if (!rates_over(f, &k, &v, RATES_LIMIT(rate_login_quota), f->envelope->recipient_n,
                    out)) {
        return;
    }
    const struct rate_bound *quota = rates_bound(f, &k, RATES_LIMIT(rate_login_quota));
    fields_add_u64(&out->evidence, "used",
                   rate_measured(&quota->least, &v, f->now_ms * 1000));
    fields_add_u64(&out->evidence, "quota", quota->least.count);
    out->reply = REPLY_email_quota_exceeded;
}
