/* check/check.c - see check.h */
#include "check/check.h"

enum {
    MX = 1U << SERVICE_MX,
    ALL = MX | 1U << SERVICE_SUBMISSION | 1U << SERVICE_RELAY | 1U << SERVICE_PUSH,
};

/* clang-format off */
static const struct check checks[] = {
    {"room",          CHECK_MAIL,    ALL, check_room},
    {"declared-size", CHECK_MAIL,    ALL, check_declared_size},
    {"mailbox",       CHECK_RCPT,    ALL, check_mailbox},
    {"hops",          CHECK_MESSAGE, ALL, check_hops},
};
/* clang-format on */

bool check_run(enum check_stage stage, const struct check_facts *f,
               struct check_verdict *out,
               void (*seen)(void *arg, const struct check *c,
                            const struct check_verdict *v),
               void *arg)
{
    out->reply = REPLY_NONE;
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        const struct check *c = &checks[i];
        if (c->stage != stage || (c->services & 1U << f->service) == 0) {
            continue;
        }
        fields_reset(&out->evidence);
        c->run(f, out);
        seen(arg, c, out);
        if (out->reply != REPLY_NONE) {
            return false;
        }
    }
    return true;
}
