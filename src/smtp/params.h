/* smtp/params.h - parameters of MAIL and RCPT: one table of those we know.
 *
 * Source  RFC 5321 4.1.2 (esmtp-param), RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531 (SMTPUTF8).
 * Pure    no I/O, allocation, globals or locale.
 * Errors  the first parameter that is unknown, repeated, malformed or out of place is named. */
#ifndef SMTP_PARAMS_H
#define SMTP_PARAMS_H
#include "base/slice.h"

enum smtp_params_of { SMTP_PARAMS_MAIL = 1, SMTP_PARAMS_RCPT = 2 };
enum smtp_body { SMTP_BODY_7BIT = 0, SMTP_BODY_8BITMIME };

struct smtp_params {
    uint64_t size; /* octets declared with SIZE=; 0: none; UINT64_MAX: that or more */
    enum smtp_body body;
    bool smtputf8;
    uint32_t seen; /* bit per row of the table */
};

struct smtp_params_fault {
    const char *what;   /* in words, static; "at" and param make sense after it */
    struct slice param; /* the parameter as typed */
};

/* in: what follows the path: "" or SP-separated parameters. True: *out is
 * complete; false: *fault is set and *out is not to be used. */
MUST_USE bool smtp_params_read(struct slice in, enum smtp_params_of of,
                               struct smtp_params *out, struct smtp_params_fault *fault);
#endif
