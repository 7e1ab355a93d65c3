/* check/complaint.h - a user says of a delivered message whether it was wanted: signs for who sent it.
 *
 * Source  the fields that we put above the message when it came (RFC 8601, RFC 5321 4.4): what stands above
 *         and in the first Received field; so only mail of mx from elsewhere counts, and a domain only where
 *         authentication passed.
 * Pure    octets in, counts changed.
 * Trap    who may write into a mailbox may put any fields there: bound how often one mailbox counts. */
#ifndef CHECK_COMPLAINT_H
#define CHECK_COMPLAINT_H
#include "config/config.h"
#include "rate/table.h"

enum { COMPLAINT_WEIGHT = 3 };

/* header: from the file's first octet on, line ends as they are. False: nothing of it is ours, or we put it
 * aside ourselves: no sign was made. */
bool complaint_sign(const struct config *config, struct rate_table *rates,
                    struct slice header, bool wanted, uint64_t now_us);
#endif
