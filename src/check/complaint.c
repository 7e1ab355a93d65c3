/* check/complaint.c - see complaint.h */
#include "check/complaint.h"

#include "base/netset.h"
#include "check/rates.h"
#include "content/links.h"
#include "message/mime_read.h"
#include "senderauth/authres.h"

enum { VALUE_MAX = 16384, NAME_MAX_LEN = RATES_NAME_MAX };

_Static_assert((int)AUTHRES_DKIM_MAX == (int)CHECK_DKIM_MAX, "as many are counted");

/* What our fields say of who sent the message; in lower case, in text. */
struct origin {
    struct ip ip;
    bool ip_known;
    char ip_text[NET_TEXT_MAX];
    struct authres_passed passed;
    struct slice from; /* organizational */
    struct buf text;
};

/* "from name ([192.0.2.1]) by ..." */
static void read_client(struct origin *o, struct slice received)
{
    static const struct slice open = SLICE_INIT("(["), v6 = SLICE_INIT("IPv6:");
    size_t at = slice_isearch(received, open);
    struct slice rest = slice_from(received, at + open.len);
    rest = slice_from(rest, slice_istarts(rest, v6) ? v6.len : 0);
    o->ip_known =
        at < received.len && ip_parse(slice_sub(rest, 0, slice_find(rest, ']')), &o->ip);
    if (o->ip_known) {
        (void)ip_text(&o->ip, o->ip_text);
    }
}

/* A Received field of this host: "... by mx.example.test ..." */
static bool is_by(struct slice received, struct slice host)
{
    static const struct slice by = SLICE_INIT(" by ");
    struct slice rest = slice_from(received, slice_isearch(received, by) + by.len);
    return host.len > 0 && slice_istarts(rest, host) &&
           (rest.len == host.len || rest.ptr[host.len] == ' ');
}

/* Of DMARC's domain we know that it was aligned with one of those that passed. */
static bool is_aligned(const struct origin *o)
{
    bool aligned = slice_ieq(links_registered(o->passed.spf), o->from);
    for (unsigned i = 0; i < o->passed.dkim_n; i++) {
        aligned |= slice_ieq(links_registered(o->passed.dkim[i]), o->from);
    }
    return aligned && o->from.len > 0;
}

struct seen {
    const struct config *config;
    struct rate_table *rates;
    bool wanted;
    uint64_t now_us;
};

static void sign(const struct seen *s, enum rate_kind kind, struct slice name)
{
    struct rate_key key = rate_key(s->rates, kind, slice_sub(name, 0, NAME_MAX_LEN));
    if (name.len > 0) {
        (void)rate_sign(s->rates, &key, s->wanted ? COMPLAINT_WEIGHT : 0,
                        s->wanted ? 0 : COMPLAINT_WEIGHT, s->now_us);
    }
}

static void sign_all(const struct seen *s, const struct origin *o)
{
    char text[NET_TEXT_MAX];
    if (!netset_has(&s->config->rate_exempt_networks, &o->ip)) {
        struct net net = net_around(
            &o->ip, (uint8_t)(ip_is_v4(&o->ip) ? 96 + s->config->limits_network_ipv4
                                               : s->config->limits_network_ipv6));
        sign(s, RATE_ip, slice_of(o->ip_text));
        sign(s, RATE_network, net_text(&net, text));
    }
    sign(s, RATE_spf, o->passed.spf);
    sign(s, RATE_sender, o->passed.sender);
    for (unsigned i = 0; i < o->passed.dkim_n; i++) {
        sign(s, RATE_dkim, o->passed.dkim[i]);
    }
    sign(s, RATE_from, is_aligned(o) ? o->from : SLICE(""));
}

/* Reads down to our Received field, and on to the Message-ID. */
static enum complaint_res read_header(struct origin *o, struct slice host, bool wanted,
                                      struct slice header, struct slice *id)
{
    struct mime_field field;
    struct buf line;
    bool ours = false, told = false, found = false;
    buf_init(&line, VALUE_MAX);
    while ((!found || id->len == 0) && mime_field_next(&header, &field)) {
        struct slice rest = SLICE("");
        buf_reset(&line);
        (void)mime_unfold(field.value, &line);
        if (slice_ieq(field.name, SLICE("Message-ID")) && id->len == 0) {
            *id = slice_strip(field.value);
        } else if (found) {
            continue;
        } else if (slice_ieq(field.name, SLICE("Received"))) {
            found = ours && is_by(buf_slice(&line), host);
            if (found) {
                read_client(o, buf_slice(&line));
            }
            ours &= found; /* of another server, which had it after us */
        } else if (slice_ieq(field.name, SLICE("Authentication-Results")) &&
                   authres_is_from(buf_slice(&line), host, &rest)) {
            ours = true;
            IGNORE(authres_read_passed(rest, &o->text, &o->passed)); /* o->text tells */
        }
        told |= !found && !wanted &&
                (slice_ieq(field.name, SLICE("X-Spam-Flag")) ||
                 slice_ieq(field.name, SLICE("X-Spam")));
    }
    buf_clear(&line);
    return !found || !o->ip_known || o->text.failed ? COMPLAINT_NOT_OURS
           : told                                   ? COMPLAINT_MARKED
                                                    : COMPLAINT_TAKEN;
}

enum complaint_res complaint_sign(const struct config *config, struct rate_table *rates,
                                  struct slice header, bool wanted, uint64_t now_us)
{
    struct seen s = {config, rates, wanted, now_us};
    struct origin o = {.ip_known = false};
    struct slice id = SLICE("");
    buf_init(&o.text, VALUE_MAX);
    enum complaint_res res =
        read_header(&o, slice_of(config->hostname), wanted, header, &id);
    if (res == COMPLAINT_TAKEN) {
        o.from = links_registered(o.passed.from);
        res = rates_is_origin(rates, id,
                              rates_origin(rates, slice_of(o.ip_text), o.passed.spf,
                                           o.passed.dkim, o.passed.dkim_n))
                  ? COMPLAINT_TAKEN
                  : COMPLAINT_UNKNOWN;
    }
    if (res == COMPLAINT_TAKEN) {
        sign_all(&s, &o);
    }
    buf_clear(&o.text);
    return res;
}
