/* smtp/params.h - parameters of MAIL and RCPT: one table of those we know.
 *
 * Source  RFC 5321 4.1.2 (esmtp-param), RFC 1870 (SIZE), RFC 6152 and 3030 (BODY), RFC 6531 (SMTPUTF8),
 *         RFC 3461 and 6533 (RET, ENVID, NOTIFY, ORCPT), RFC 8689 (REQUIRETLS), RFC 2852 (BY),
 *         RFC 4865 (HOLDFOR, HOLDUNTIL), RFC 6710 (MT-PRIORITY), RFC 4954 5 (AUTH).
 * Pure    no I/O, allocation, globals or locale.
 * Own     slices borrow from the input.
 * Errors  the first parameter that is unknown, not on offer, repeated, malformed or out of place
 *         is named. */
#ifndef SMTP_PARAMS_H
#define SMTP_PARAMS_H
#include "base/slice.h"

enum smtp_params_of { SMTP_PARAMS_MAIL = 1, SMTP_PARAMS_RCPT = 2 };
enum smtp_body { SMTP_BODY_7BIT = 0, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };

/* Extensions that not every session offers; a parameter of one that is not is refused. */
enum smtp_extension {
    SMTP_EXT_DSN = 1,
    SMTP_EXT_REQUIRETLS = 2,
    SMTP_EXT_DELIVERBY = 4,
    SMTP_EXT_FUTURERELEASE = 8,
    SMTP_EXT_MT_PRIORITY = 16,
    SMTP_EXT_AUTH = 32,
    SMTP_EXT_BINARYMIME = 64,
};

enum smtp_ret { SMTP_RET_DEFAULT = 0, SMTP_RET_FULL, SMTP_RET_HDRS };
/* Or'ed; 0: not said. */
enum smtp_notify {
    SMTP_NOTIFY_NEVER = 1,
    SMTP_NOTIFY_SUCCESS = 2,
    SMTP_NOTIFY_FAILURE = 4,
    SMTP_NOTIFY_DELAY = 8,
};
enum smtp_by { SMTP_BY_NONE = 0, SMTP_BY_NOTIFY, SMTP_BY_RETURN };

enum { SMTP_ENVID_MAX = 100, SMTP_ORCPT_MAX = 500 }; /* octets: RFC 3461 4.4, 4.2 */

struct smtp_params {
    uint64_t size; /* octets declared with SIZE=; 0: none; UINT64_MAX: that or more */
    enum smtp_body body;
    bool smtputf8, requiretls;
    /* DSN. ENVID is xtext as typed; ORCPT "type;" and xtext as typed (RFC 6533: where the type is
     * utf-8, UTF-8). Decoded, neither holds a control character. Empty: not given. */
    enum smtp_ret ret;
    unsigned notify;
    struct slice envid, orcpt;
    /* DELIVERBY: seconds from now, may have passed; what then; and "T", tell of each relay. */
    enum smtp_by by;
    int64_t by_s;
    bool by_trace;
    /* FUTURERELEASE: seconds from now (HOLDFOR), or since 1970 (HOLDUNTIL); 0: not given. */
    uint64_t hold_for_s, hold_until_s;
    int priority;  /* MT-PRIORITY, -9 to 9; 0 where it was not given */
    uint32_t seen; /* bit per row of the table; 0: no parameter at all */
};

struct smtp_params_rules {
    unsigned offered;     /* enum smtp_extension, or'ed */
    bool utf8;            /* RCPT: its MAIL had SMTPUTF8 */
    int64_t by_least_s;   /* DELIVERBY with return: not less */
    uint64_t hold_most_s; /* FUTURERELEASE: not later than so much after now_s */
    uint64_t now_s;       /* since 1970 */
};

struct smtp_params_fault {
    const char *what;   /* in words, static; "at" and param make sense after it */
    struct slice param; /* the parameter as typed */
};

/* in: what follows the path: "" or SP-separated parameters. True: *out is
 * complete; false: *fault is set and *out is not to be used. */
MUST_USE bool smtp_params_read(struct slice in, enum smtp_params_of of,
                               const struct smtp_params_rules *rules,
                               struct smtp_params *out, struct smtp_params_fault *fault);
#endif
