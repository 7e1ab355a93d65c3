/* bounce/normal.h - a reply's text in the one form that the rules are written against.
 *
 * Pure    no I/O, no allocation; time is linear in the text.
 * Own     nothing: the result holds copies.
 * Limits  reads BOUNCE_TEXT_MAX octets of a text.
 *
 * The form: lines joined, codes and status taken out (and noted), blanks single, ASCII lower
 * case, accents folded (é e, ß ss), Cyrillic and full-width letters folded, apostrophes gone
 * (isn't: is not), and single octets for what differs from reply to reply:
 * an address, an IP address, a host name, a URL, an id or long number (BOUNCE_MASK_...),
 * with no bracket or quote around it. URLs and host names follow behind the text, one a line,
 * each with a dot before it; then the server's names. */
#ifndef BOUNCE_NORMAL_H
#define BOUNCE_NORMAL_H
#include "bounce/classify.h"

enum {
    BOUNCE_MASK_ADDR = 1,
    BOUNCE_MASK_IP,
    BOUNCE_MASK_HOST,
    BOUNCE_MASK_URL,
    BOUNCE_MASK_ID,
};
enum {
    BOUNCE_NORMAL_MAX = 2 * BOUNCE_TEXT_MAX + 1024, /* text, then URLs and hosts */
    BOUNCE_NORMAL_SLACK = 16, /* octets that may be read behind it */
    BOUNCE_NORMAL_STATUS_MAX = 4,
    BOUNCE_NORMAL_MASKS_MAX = 32,
};

struct bounce_normal {
    size_t main_len, len; /* of the text; with URLs and hosts */
    unsigned code;        /* the first that the text holds; 0 */
    unsigned status_n;    /* different ones, in the text's order */
    struct bounce_status status[BOUNCE_NORMAL_STATUS_MAX];
    unsigned char text[BOUNCE_NORMAL_MAX + BOUNCE_NORMAL_SLACK];
    uint16_t at[BOUNCE_NORMAL_MAX]; /* where in the original each octet comes from */
    struct {
        uint16_t at, end;            /* in text; where it ends in the original */
    } mask[BOUNCE_NORMAL_MASKS_MAX]; /* the first ones: what one octet stands for */
    unsigned masks_n;
};

/* code: known from elsewhere, or 0. Repetitions of it go too. */
void bounce_normalize(struct slice text, unsigned code, struct bounce_normal *out);

/* Adds a host name behind all else. */
void bounce_normal_host(struct bounce_normal *n, struct slice host);
#endif
