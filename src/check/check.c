/* check/check.c - see check.h */
#include "check/check.h"

enum {
    MX = 1U << SERVICE_MX,
    SUBMISSION = 1U << SERVICE_SUBMISSION,
    RELAY = 1U << SERVICE_RELAY,
    PUSH = 1U << SERVICE_PUSH,
    ALL = MX | SUBMISSION | RELAY | PUSH,
};

/* clang-format off */
static const struct check checks[] = {
    {"room",            CHECK_MAIL,    ALL,   check_room},
    {"directory",       CHECK_MAIL,    ALL,   check_directory},
    {"sender",          CHECK_MAIL,    SUBMISSION, check_sender},
    {"push-account",    CHECK_MAIL,    PUSH,  check_push_account},
    {"declared-size",   CHECK_MAIL,    ALL,   check_declared_size},
    {"relay",           CHECK_RCPT,    RELAY, check_relay},
    {"allowed-network", CHECK_RCPT,    MX,    check_allowed_network},
    {"rcpt-tls",        CHECK_RCPT,    MX,    check_rcpt_tls},
    {"push-recipients", CHECK_RCPT,    PUSH,  check_push_recipients},
    {"mailbox",         CHECK_RCPT,    ALL,   check_mailbox},
    {"one-domain",      CHECK_RCPT,    MX,    check_one_domain},
    {"policies",        CHECK_RCPT,    MX,    check_policies},
    {"rcpt-size",       CHECK_RCPT,    MX,    check_rcpt_size},
    {"measured-size",   CHECK_MESSAGE, MX | PUSH, check_measured_size},
    {"hops",            CHECK_MESSAGE, ALL,   check_hops},
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
