/* check/hops.c - does the message carry so many Received fields that it must be looping
 * (RFC 5321 6.3: "at least 100", the documents say 50)?
 * Row: hop-limit. */
#include "check/check.h"

void check_hops(const struct check_facts *f, struct check_verdict *out)
{
    unsigned hops = message_head_count(f->head, "Received");
    fields_add_u64(&out->evidence, "hops", hops);
    fields_add_u64(&out->evidence, "limit", f->config->limits_hops);
    if (hops > f->config->limits_hops) {
        out->reply = REPLY_hop_limit;
    }
}
