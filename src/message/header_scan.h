/* message/header_scan.h - watch a message go by and split its header section into fields.
 *
 * Source  RFC 5322 2.1, 2.2, 2.2.3 (folding), 3.6.7 (trace fields).
 * Pure    octets in, counts and one callback a field out; keeps no message text but the first
 *         HEADER_NAME_MAX octets of the current field's name.
 * Input   CRLF line ends only (what smtp/dot_decode.h lets through).
 * Split   what is found does not depend on how the input is cut. */
#ifndef MESSAGE_HEADER_SCAN_H
#define MESSAGE_HEADER_SCAN_H
#include "base/slice.h"

enum { HEADER_NAME_MAX = 64 };

struct header_scan {
    bool done;           /* the blank line (or a line that is no field) was seen */
    bool in_name;        /* before the colon of a field's first line */
    bool blank;          /* in the blank line */
    bool line_start;     /* the next octet is the first of a line */
    unsigned field_n;    /* fields so far */
    unsigned received_n; /* Received fields so far */
    size_t octets;       /* of the header section so far, its blank line included */
    unsigned char name[HEADER_NAME_MAX];
    size_t name_len;
};

void header_scan_init(struct header_scan *h);
void header_scan_feed(struct header_scan *h, struct slice in);
#endif
