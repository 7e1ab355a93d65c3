/* senderauth/spf_macro.h - macros of an SPF record expanded.
 *
 * Source  RFC 7208 7; RFC 8616 4.
 * Pure. */
#ifndef SENDERAUTH_SPF_MACRO_H
#define SENDERAUTH_SPF_MACRO_H
#include "dns/answer.h"

struct spf_macro_values {
    struct slice local, sender_domain; /* %{l}, %{o}; %{s} is both */
    struct slice domain;               /* %{d} */
    struct slice helo, receiver;       /* %{h}, %{r} */
    struct slice validated;            /* %{p} */
    const struct ip *ip;               /* %{i}, %{c}, %{v} */
    int64_t now_s;                     /* %{t} */
};

/* Does the macro-string ask for %{p} (the letter in lower case)? */
MUST_USE bool spf_macro_uses(struct slice spec, unsigned char letter);

/* A domain-spec as the name it means: cut from the left to DNS_NAME_MAX octets, without a last
 * dot. False: it means no name, or asks for a local part that is not ASCII. The spec's syntax was
 * checked before. */
MUST_USE bool spf_macro_name(struct slice spec, const struct spf_macro_values *values,
                             unsigned char out[DNS_NAME_MAX], size_t *len);

/* An explanation into out[cap]; false: bad syntax, not printable ASCII, or too long. */
MUST_USE bool spf_macro_text(struct slice text, const struct spf_macro_values *values,
                             unsigned char *out, size_t cap, size_t *len);
#endif
