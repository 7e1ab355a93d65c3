/* bounce/known.h - verdicts of replies heard before. Most servers say few things, and normalised
 * they are the same again and again.
 *
 * Pure    no I/O, no allocation. A reply is known only if all that its verdict follows from is
 *         equal, octet by octet: the table makes nothing else of a reply, only sooner.
 * Limits  BOUNCE_KNOWN replies of at most BOUNCE_KNOWN_TEXT octets; each has two places, and a new
 *         one takes that of another. */
#ifndef BOUNCE_KNOWN_H
#define BOUNCE_KNOWN_H
#include "bounce/classify.h"
#include "bounce/normal.h"

enum {
    BOUNCE_KNOWN = 1024, /* a power of two */
    BOUNCE_KNOWN_TEXT = 448,
};

/* What a verdict follows from beside the normal text. */
struct bounce_known_key {
    uint32_t code_stage, names_start, status[BOUNCE_NORMAL_STATUS_MAX + 1];
};

struct bounce_known_reply {
    struct bounce_known_key key;
    uint16_t len;      /* 0: nothing here */
    uint16_t from, to; /* what the rule matched in the normal text */
    unsigned char text[BOUNCE_KNOWN_TEXT];
    struct bounce_verdict verdict;
};

/* Zeroed: empty. */
struct bounce_known {
    struct bounce_known_reply reply[BOUNCE_KNOWN];
};

/* Where the reply is kept, or, if it is not *known, where it may be. text: 1 octet at least. */
MUST_USE struct bounce_known_reply *bounce_known_place(struct bounce_known *k,
                                                       const struct bounce_known_key *key,
                                                       struct slice text, bool *known);
void bounce_known_keep(struct bounce_known_reply *place,
                       const struct bounce_known_key *key, struct slice text,
                       const struct bounce_verdict *verdict);
#endif
