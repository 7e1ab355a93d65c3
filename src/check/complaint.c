/* check/complaint.c - see complaint.h */
#include "check/complaint.h"

#include "base/netset.h"
#include "content/links.h"
#include "message/mime_read.h"
#include "senderauth/authres.h"

enum { VALUE_MAX = 16384, NAME_MAX_LEN = 400 };

struct seen {
    const struct config *config;
    struct rate_table *rates;
    bool wanted;
    uint64_t now_us;
};

static void sign(const struct seen *s, enum rate_kind kind, struct slice name)
{
    unsigned char lower[NAME_MAX_LEN];
    name = slice_sub(name, 0, sizeof lower);
    for (size_t i = 0; i < name.len; i++) {
        lower[i] = ascii_lower(name.ptr[i]);
    }
    struct rate_key key = rate_key(s->rates, kind, (struct slice){lower, name.len});
    if (name.len > 0) {
        (void)rate_sign(s->rates, &key, s->wanted ? COMPLAINT_WEIGHT : 0,
                        s->wanted ? 0 : COMPLAINT_WEIGHT, s->now_us);
    }
}

/* "; spf=pass (words) smtp.mailfrom=a@b; ..." without comments and quotes. What stands in them may hold
 * any sign, so they are not merely skipped over. */
static void plain(struct slice results, struct buf *out)
{
    unsigned depth = 0;
    bool quoted = false;
    for (size_t i = 0; i < results.len; i++) {
        unsigned char c = results.ptr[i];
        if (c == '\\' && (quoted || depth > 0)) {
            i++;
        } else if (c == '"' && depth == 0) {
            quoted = !quoted;
        } else if (!quoted && (c == '(' || (c == ')' && depth > 0))) {
            depth += c == '(' ? 1U : -1U;
        } else if (depth == 0) {
            (void)buf_add_byte(out, quoted && (c == ';' || c <= ' ') ? '?' : c);
        }
    }
}

/* The value of "name=" in a result; empty: there is none. */
static struct slice property(struct slice result, struct slice name)
{
    while (result.len > 0) {
        result = slice_strip(result);
        struct slice word = slice_sub(result, 0, slice_find(result, ' '));
        if (slice_istarts(word, name)) {
            return slice_from(word, name.len);
        }
        result = slice_from(result, word.len);
    }
    return SLICE("");
}

static struct slice domain_of(struct slice address)
{
    size_t at = slice_rfind(address, '@');
    return at < address.len ? slice_from(address, at + 1) : address;
}

static void sign_domains(const struct seen *s, struct slice results)
{
    while (results.len > 0) {
        size_t end = slice_find(results, ';');
        struct slice r = slice_strip(slice_sub(results, 0, end));
        results = slice_from(results, end + 1);
        if (slice_istarts(r, SLICE("spf=pass"))) {
            struct slice from = property(r, SLICE("smtp.mailfrom="));
            sign(s, RATE_spf, domain_of(from));
            sign(s, RATE_sender, slice_find(from, '@') < from.len ? from : SLICE(""));
        } else if (slice_istarts(r, SLICE("dkim=pass"))) {
            sign(s, RATE_dkim, property(r, SLICE("header.d=")));
        } else if (slice_istarts(r, SLICE("dmarc=pass"))) {
            sign(s, RATE_from, links_registered(property(r, SLICE("header.from="))));
        }
    }
}

/* "from name ([192.0.2.1]) by ..." */
static void sign_client(const struct seen *s, struct slice received)
{
    static const struct slice open = SLICE_INIT("(["), v6 = SLICE_INIT("IPv6:");
    char text[NET_TEXT_MAX];
    struct ip ip;
    size_t at = slice_isearch(received, open);
    struct slice rest = slice_from(received, at + open.len);
    rest = slice_from(rest, slice_istarts(rest, v6) ? v6.len : 0);
    if (at == received.len || !ip_parse(slice_sub(rest, 0, slice_find(rest, ']')), &ip) ||
        netset_has(&s->config->rate_exempt_networks, &ip)) {
        return;
    }
    struct net net =
        net_around(&ip, (uint8_t)(ip_is_v4(&ip) ? 96 + s->config->limits_network_ipv4
                                                : s->config->limits_network_ipv6));
    sign(s, RATE_ip, ip_text(&ip, text));
    sign(s, RATE_network, net_text(&net, text));
}

bool complaint_sign(const struct config *config, struct rate_table *rates,
                    struct slice header, bool wanted, uint64_t now_us)
{
    struct seen s = {config, rates, wanted, now_us};
    struct mime_field field;
    struct buf line, results, received;
    bool ours = false, told = false;
    buf_init(&line, VALUE_MAX);
    buf_init(&results, VALUE_MAX);
    buf_init(&received, VALUE_MAX);
    while (received.len == 0 && mime_field_next(&header, &field)) {
        struct slice rest = SLICE("");
        buf_reset(&line);
        (void)mime_unfold(field.value, &line);
        if (slice_ieq(field.name, SLICE("Received"))) {
            (void)buf_add(&received, buf_slice(&line));
        } else if (slice_ieq(field.name, SLICE("Authentication-Results")) &&
                   authres_is_from(buf_slice(&line), slice_of(config->hostname), &rest)) {
            ours = true;
            plain(rest, &results);
        }
        told |= !wanted && (slice_ieq(field.name, SLICE("X-Spam-Flag")) ||
                            slice_ieq(field.name, SLICE("X-Spam")));
    }
    ours = ours && !told && received.len > 0 && !results.failed;
    if (ours) {
        sign_domains(&s, buf_slice(&results));
        sign_client(&s, buf_slice(&received));
    }
    buf_clear(&line);
    buf_clear(&results);
    buf_clear(&received);
    return ours;
}
