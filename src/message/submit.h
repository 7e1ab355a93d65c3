/* message/submit.h - what a submission server does to a message on its way in: Bcc fields go, and
 * whether Date and Message-ID are there is noted, so that they can be put in front.
 *
 * Source  RFC 6409 8.2, 8.3; RFC 5322 3.6.3 (Bcc), 3.6.6 (Resent-Bcc), 4.5 (blanks before the
 *         colon).
 * Pure    octets in, octets out.
 * Input   CRLF line ends only (what smtp/dot_decode.h lets through).
 * Split   what comes out in all does not depend on how the input is cut. A struct submit may be
 *         copied, and put back, to take a step again.
 * Limits  holds back at most SUBMIT_HELD_MAX octets; after input that ends in CRLF, none. */
#ifndef MESSAGE_SUBMIT_H
#define MESSAGE_SUBMIT_H
#include "base/buf.h"

enum { SUBMIT_HELD_MAX = 24 };

enum submit_state {
    SUBMIT_START = 0, /* of a line */
    SUBMIT_NAME,      /* perhaps a field's name: held back */
    SUBMIT_KEEP,      /* the rest of a line that stays */
    SUBMIT_DROP,      /* of one that goes */
    SUBMIT_BODY,
};

struct submit {
    enum submit_state state;
    bool dropping; /* the field that this line may continue goes */
    bool
        field; /* the line is part of a field; one that is none ends the header section */
    bool has_date, has_message_id;
    size_t held_len;
    unsigned char held[SUBMIT_HELD_MAX];
};

/* s begins all zero. Appends to out what stays of in. */
void submit_feed(struct submit *s, struct slice in, struct buf *out);
#endif
