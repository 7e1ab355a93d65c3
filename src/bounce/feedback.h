/* bounce/feedback.h - feedback reports: what they say, and the message that they are about.
 *
 * Source  RFC 5965 3 (its types of feedback), 6430 (not-spam), 6591 (auth-failure).
 * Pure.
 * Own     header borrows from the message, or from store, to which what was encoded is decoded. */
#ifndef BOUNCE_FEEDBACK_H
#define BOUNCE_FEEDBACK_H
#include "message/mime_read.h"

enum feedback_says {
    FEEDBACK_JUNK = 0, /* abuse, fraud, virus, opt-out, whatever else */
    FEEDBACK_WANTED,   /* not-spam */
    FEEDBACK_OTHER,    /* about authentication: nobody complains */
};
/* type: the value of Feedback-Type. */
MUST_USE enum feedback_says feedback_says(struct slice type);

/* The header section of the message that is reported, of the first part that holds it, or more. False: the
 * message is no report. Empty: the report is without it. */
MUST_USE bool feedback_original(struct slice message, struct mime_message *parts,
                                struct buf *store, struct slice *header);
#endif
