/* senderauth/dkim.h - the DKIM signatures of a message, verified.
 *
 *     body = dkim_body_new(crypto);
 *     dkim = dkim_new(&options, header);   when the header section has ended
 *     dkim_ask(dkim, dns);                 keys are fetched while the body comes
 *     dkim_body_feed(body, octets); ...    in pieces of any size
 *     dkim_body_end(body);
 *     while dkim_evaluate(dkim, dns) is DKIM_WAITING: wait for an answer
 *     dkim_result(dkim, 0 ...)
 *
 * ARC (arc.h) and signing (dkim_sign.h) can share header and body with it; all wishes for body
 * hashes come before the first octet of the body.
 *
 * Source  RFC 6376 (DKIM), 8301 (algorithms), 8463 (Ed25519), 8616 (internationalized names).
 * Pure    keys come from a struct dns_source, the time from the caller.
 * Own     borrows header, body and crypto until dkim_free(). Results belong to it.
 * Errors  every signature has a result of its own, and none spoils another's.
 * Limits  signatures_max are looked at (from the top), DKIM_RESULTS_MAX reported; a header of more
 *         than HEADER_TABLE_MAX fields is not looked at; 256 KiB of memory beside the table.
 * Choices  An l= below the body's length passes (partial says so). Of several key records each that
 *         fits is tried. No signature is refused for a t= in the future, or for t=y. */
#ifndef SENDERAUTH_DKIM_H
#define SENDERAUTH_DKIM_H
#include "dns/answer.h"
#include "senderauth/crypto.h"
#include "senderauth/dkim_body.h"
#include "senderauth/dkim_reason.h"

enum { DKIM_SIGNATURES_MAX = 10, DKIM_RESULTS_MAX = 32 };

struct dkim_options {
    struct crypto *crypto;
    struct dkim_body *body;
    uint64_t now;            /* Unix time, seconds; 0: x= is not looked at */
    unsigned signatures_max; /* 0: DKIM_SIGNATURES_MAX */
};

struct dkim_result {
    enum dkim_verdict verdict;
    enum dkim_reason reason;
    struct slice
        text; /* the reason as a sentence: "the signature of d.example (selector s) ..." */
    /* As the DNS has them; "" where the signature does not say. */
    const char *domain, *selector, *key_name;
    struct slice a, c;     /* as written; may be empty */
    struct slice identity; /* i=, decoded; else "@" and d= */
    struct slice
        b; /* the first 8 characters of b=, which tell signatures apart (RFC 6008) */
    unsigned key_bits;      /* 0: no key was found */
    bool testing;           /* t=y: the domain only tries DKIM out */
    bool partial;           /* l= leaves the end of the body unsigned */
    uint64_t length;        /* l=, or DKIM_BODY_ALL */
    uint64_t made, expires; /* t=, x=; 0: not said */
    uint32_t line;          /* of the message, where its field begins */
};

struct dkim;
MUST_USE struct dkim *dkim_new(const struct dkim_options *o,
                               struct slice header); /* NULL: memory */
void dkim_free(struct dkim **d);

/* Asks for all keys, so that answers come early. */
void dkim_ask(struct dkim *d, const struct dns_source *dns);

enum dkim_state { DKIM_DONE = 0, DKIM_WAITING };
/* After dkim_body_end(). */
MUST_USE enum dkim_state dkim_evaluate(struct dkim *d, const struct dns_source *dns);

/* Results from the top of the header; fields: how many signatures stand there in all. */
MUST_USE unsigned dkim_count(const struct dkim *d);
MUST_USE unsigned dkim_fields(const struct dkim *d);
MUST_USE const struct dkim_result *dkim_result(const struct dkim *d, unsigned i);
#endif
