/* check/complaint.h - a user says of a delivered message whether it was wanted: signs for who sent it.
 *
 * Source  the fields that we put above the message when it came (RFC 8601, RFC 5321 4.4): our
 *         Authentication-Results and the Received field of this host below it; what later servers put above them is passed
 *         over, so that a copy that was forwarded is known again. Only mail of mx from elsewhere
 *         counts, and a domain only where authentication passed.
 * Forged  who may write into a mailbox may put any fields there. They count only where the counts still know that a
 *         message of that Message-ID came from that address and those domains (check/rates.h:
 *         rates_origin()): nobody can complain about what was never sent to him, or in another's name.
 * Pure    octets in, counts changed.
 * Trap    a message may be complained about again and again: bound how often one mailbox counts. */
#ifndef CHECK_COMPLAINT_H
#define CHECK_COMPLAINT_H
#include "config/config.h"
#include "rate/table.h"

enum { COMPLAINT_WEIGHT = 3 };

enum complaint_res {
    COMPLAINT_TAKEN = 0,
    COMPLAINT_NOT_OURS, /* this host did not take it on mx */
    COMPLAINT_MARKED,   /* we put it aside ourselves */
    COMPLAINT_UNKNOWN, /* it is forgotten by now, or its fields are not those that it came with */
};

/* header: from the first octet on, line ends as they are. But TAKEN: no sign was made. */
MUST_USE enum complaint_res complaint_sign(const struct config *config,
                                           struct rate_table *rates, struct slice header,
                                           bool wanted, uint64_t now_us);
#endif
