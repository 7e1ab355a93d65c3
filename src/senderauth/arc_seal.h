/* senderauth/arc_seal.h - one more set for a message's ARC chain.
 *
 * Source  RFC 8617 5.1 (sealer actions), 4.1.
 * Pure.
 * Own     borrows everything during the call. */
#ifndef SENDERAUTH_ARC_SEAL_H
#define SENDERAUTH_ARC_SEAL_H
#include "senderauth/arc.h"
#include "senderauth/dkim_sign.h"

struct arc_seal {
    struct dkim_sign sign;    /* identity, expires and the simple forms are not used */
    struct slice authserv_id; /* ours */
    struct slice
        results; /* what we found: authres_results(), or that of a field of ours */
};

/* Before the body. */
MUST_USE int arc_seal_want(struct dkim_body *body);

enum arc_sealed {
    ARC_SEALED = 0,
    ARC_SEAL_ENDED, /* the chain may not be continued: it is final, or has 50 sets */
    ARC_SEAL_FAILED /* no memory, out is full, or a header that cannot be signed */
};
/* Appends ARC-Seal, ARC-Message-Signature and ARC-Authentication-Results, to be put above the header in
 * this order. found: of the same header, evaluated. header and body are as they will be sent. */
MUST_USE enum arc_sealed arc_seal(const struct arc_seal *s, const struct arc *found,
                                  struct slice header, const struct dkim_body *body,
                                  int wish, struct buf *out);
#endif
