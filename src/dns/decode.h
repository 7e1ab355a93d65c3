/* dns/decode.h - an answer out of a DNS message.
 *
 * Source  RFC 1035 3, 4; 2181 5; 2308 2, 5 (negative answers and their TTL).
 * Pure    allocates from the caller's arena only.
 * Own     *out rests on the arena.
 * Rule    the records are those of the asked type at the end of the chain of CNAMEs that begins
 *         at the name asked for; anything else in the message counts for nothing. A record
 *         that names one with a dot inside a label is left out: as text it would be another.
 * Errors  whatever does not hold together is DNS_FAILED with the reason in `why`.
 * Limits  the arena; DNS_CHAIN_MAX CNAMEs in a row. */
#ifndef DNS_DECODE_H
#define DNS_DECODE_H
#include "base/arena.h"
#include "dns/answer.h"

enum { DNS_CHAIN_MAX = 16 };

/* All of *out but `secure` and `bogus`. name: as dns_name_ok() has it. */
void dns_decode(struct slice message, enum dns_type type, struct slice name,
                struct arena *arena, struct dns_answer *out);

/* DNS_FAILED for that reason (which is not copied). */
void dns_fail(struct dns_answer *out, struct slice name, const char *why);

/* The word of a response code: "SERVFAIL". */
MUST_USE const char *dns_rcode_text(unsigned rcode);
#endif
