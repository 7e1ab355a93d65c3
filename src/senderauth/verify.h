/* senderauth/verify.h - who really sent a message: SPF, DKIM, ARC and DMARC together.
 *
 *     v = verify_new(&options);            at MAIL
 *     verify_ask(v, dns);                  now, and whenever answers came: asks ahead
 *     verify_header(v, header);            the header section has ended
 *     verify_body(v, octets) ...           verify_body_end(v)
 *     while !verify_evaluate(v, dns): wait for an answer
 *     verify_result(v)
 *
 * Source  RFC 7208, 6376, 8617, 9989, by the evaluators of this folder; RFC 8601, 7208 9.1 (fields).
 * Pure    the DNS comes as a struct dns_source, the time with the options.
 * Own     borrows what the options name, and the header, until verify_free(). The result belongs to
 *         it, and rests on the DNS answers.
 * Author  of several author domains (RFC 9989 5.3.1) the one whose outcome is worst counts.
 * Order   what comes out does not depend on when the answers came. */
#ifndef SENDERAUTH_VERIFY_H
#define SENDERAUTH_VERIFY_H
#include "senderauth/arc.h"
#include "senderauth/author.h"
#include "senderauth/dmarc.h"
#include "senderauth/ptr.h"
#include "senderauth/spf.h"

struct verify_options {
    struct crypto *crypto;
    struct ip ip;
    struct slice helo;
    struct slice mail_from; /* "": the null reverse-path */
    struct slice receiver;  /* our name */
    uint64_t now_s;
    char *const
        *sealers; /* domains whose word on a message's DMARC is taken, see trusted */
    unsigned sealer_n;
};

enum verify_aligned { VERIFY_UNALIGNED = 0, VERIFY_ALIGNED, VERIFY_UNKNOWN };

struct verified {
    struct spf spf; /* of MAIL FROM; of HELO where that is null */
    bool has_helo;  /* helo was checked beside it */
    struct spf helo;
    bool dkim_pass,
        dkim_unknown; /* a signature passed; none did, but one has no answer */
    const struct dkim_result *dkim; /* one that passed, aligned if there is any; else the
                                     * first; NULL: there are no signatures */
    const struct arc_result *arc;   /* NULL: the header was not looked at */
    /* The chain passes, and its newest sealers down to one that found dmarc=pass are all among
     * the options': that one's domain. NULL: no such thing. */
    const char *trusted;
    struct author author;
    struct slice from; /* the author domain that dmarc is about; "" there is none */
    struct dmarc dmarc;
    /* Does a domain that passed SPF or DKIM share the author's organizational domain, whatever
     * a DMARC record says? */
    enum verify_aligned aligned;
};

struct verify;
MUST_USE struct verify *verify_new(const struct verify_options *o); /* NULL: memory */
void verify_free(struct verify **v);
void verify_ask(struct verify *v, const struct dns_source *dns);
/* Before the body. header: the section, in one piece. False: memory. */
MUST_USE bool verify_header(struct verify *v, struct slice header);
void verify_body(struct verify *v, struct slice octets);
void verify_body_end(struct verify *v);
/* False: an answer is missing. True stays true, and costs nothing again. */
MUST_USE bool verify_evaluate(struct verify *v, const struct dns_source *dns);

/* From here on: after verify_evaluate(). */
MUST_USE const struct verified *verify_result(const struct verify *v);
/* The signatures' results, from the top of the header. */
MUST_USE unsigned verify_dkim_count(const struct verify *v);
MUST_USE const struct dkim_result *verify_dkim(const struct verify *v, unsigned i);

/* An Authentication-Results field under our name, and a Received-SPF one. ptr: the client's; NULL: not
 * known, nothing is said of it. */
bool verify_write_results(const struct verify *v, const struct ptr *ptr, bool utf8,
                          struct buf *out);
bool verify_write_spf(const struct verify *v, struct buf *out);
#endif
