/* check/dnsbl.c - does the client's address stand in a list of addresses that send what nobody wants
 * (RFC 5782)?
 * Rows: reputation-ip-rate-limited, reputation-ip-reject. */
#include "check/client_dns.h"
#include "dns/name.h"

bool client_dns_judged(const struct check_facts *f)
{
    return f->dns_session != NULL &&
           !netset_has(&f->config->checks_local_networks, f->address);
}

bool client_dns_ptr(const struct check_facts *f, struct check_verdict *out,
                    struct ptr *ptr)
{
    if (!ptr_check(f->dns_session, f->address, ptr)) {
        out->waits = true;
        return false;
    }
    if (ptr->name.len > 0) {
        fields_add(&out->evidence, "ptr", ptr->name);
    }
    return true;
}

/* wanted: NULL, all that mean anything. */
static bool counts(const struct ip *answer, const struct net *wanted)
{
    const unsigned char *o = answer->octet + 12;
    bool test = o[1] == 0 && o[2] == 0 && o[3] == 1;
    bool error = o[1] == 255 && o[2] == 255;
    return ip_is_v4(answer) && o[0] == 127 && !test && !error &&
           (wanted == NULL || net_has(wanted, answer));
}

/* One list. */
static enum client_listed look(const struct check_facts *f, struct slice item,
                               struct slice *zone, struct ip *answer)
{
    char name[DNS_LISTED_MAX];
    struct net wanted = {.bits = 0};
    *zone = slice_sub(item, 0, slice_find(item, ' '));
    bool some = zone->len < item.len;
    if (some && net_parse(slice_from(item, zone->len + 1), &wanted) != NET_OK) {
        return LISTED_NOT; /* cannot be: the configuration has checked it */
    }
    const struct dns_answer *a = f->dns_session->ask(
        f->dns_session->arg, DNS_A, dns_listed_name(f->address, *zone, name));
    if (a == NULL) {
        return LISTED_WAITS;
    }
    for (unsigned i = 0; i < a->n; i++) {
        if (counts(&a->record[i].ip, some ? &wanted : NULL)) {
            *answer = a->record[i].ip;
            return LISTED_YES;
        }
    }
    return LISTED_NOT;
}

enum client_listed client_dns_listed(const struct check_facts *f,
                                     const struct config_list *lists, struct slice *zone,
                                     struct ip *answer)
{
    enum client_listed found = LISTED_NOT;
    for (unsigned i = 0; i < lists->n; i++) { /* all are asked at once */
        struct slice this_zone;
        struct ip this_answer;
        enum client_listed one =
            look(f, slice_of(lists->item[i]), &this_zone, &this_answer);
        if (one == LISTED_YES && found == LISTED_NOT) {
            *zone = this_zone;
            *answer = this_answer;
        }
        found = found == LISTED_NOT ? one : found;
    }
    return found;
}

void prepare_dnsbl(const struct check_facts *f)
{
    struct slice zone;
    struct ip answer;
    if (client_dns_judged(f)) { /* they ask */
        IGNORE(client_dns_listed(f, &f->config->checks_dnsbl_lists, &zone, &answer));
        IGNORE(client_dns_listed(f, &f->config->checks_dynamic_lists, &zone, &answer));
    }
}

void check_dnsbl(const struct check_facts *f, struct check_verdict *out)
{
    char text[IP_TEXT_MAX];
    struct slice zone;
    struct ip answer;
    fields_add(&out->evidence, "ip", f->ip);
    if (!client_dns_judged(f)) {
        return;
    }
    switch (client_dns_listed(f, &f->config->checks_dnsbl_lists, &zone, &answer)) {
    case LISTED_NOT:
        break;
    case LISTED_WAITS:
        out->waits = true;
        break;
    case LISTED_YES:
        (void)ip_text(&answer, text);
        fields_add_str(&out->evidence, "what",
                       check_text(out, "it is listed by %.*s (%s)", (int)zone.len,
                                  (const char *)zone.ptr, text));
        out->reply = REPLY_reputation_ip_reject;
        out->slow = REPLY_reputation_ip_rate_limited;
        break;
    }
}
