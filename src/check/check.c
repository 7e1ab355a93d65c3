/* check/check.c - see check.h */
#include "check/check.h"

#define MODE_OF(field) offsetof(struct config, field)
enum {
    MX = 1U << SERVICE_MX,
    SUBMISSION = 1U << SERVICE_SUBMISSION,
    RELAY = 1U << SERVICE_RELAY,
    PUSH = 1U << SERVICE_PUSH,
    MAIL = MX | SUBMISSION | RELAY,
    ALL = MX | SUBMISSION | RELAY | PUSH,
};

/* clang-format off */
static const struct check checks[] = {
    {"room",            CHECK_MAIL,    ALL,   0, check_room},
    {"directory",       CHECK_MAIL,    ALL,   0, check_directory},
    {"sender",          CHECK_MAIL,    SUBMISSION, 0, check_sender},
    {"push-account",    CHECK_MAIL,    PUSH,  0, check_push_account},
    {"declared-size",   CHECK_MAIL,    ALL,   0, check_declared_size},
    {"relay",           CHECK_RCPT,    RELAY, 0, check_relay},
    {"allowed-network", CHECK_RCPT,    MX,    0, check_allowed_network},
    {"rcpt-tls",        CHECK_RCPT,    MX,    0, check_rcpt_tls},
    {"push-recipients", CHECK_RCPT,    PUSH,  0, check_push_recipients},
    {"mailbox",         CHECK_RCPT,    ALL,   0, check_mailbox},
    {"one-domain",      CHECK_RCPT,    MX,    0, check_one_domain},
    {"policies",        CHECK_RCPT,    MX,    0, check_policies},
    {"rcpt-size",       CHECK_RCPT,    MX,    0, check_rcpt_size},
    {"header-size",     CHECK_MESSAGE, ALL,   0, check_header_size},
    {"measured-size",   CHECK_MESSAGE, MX | PUSH, 0, check_measured_size},
    {"hops",            CHECK_MESSAGE, ALL,   0, check_hops},
    {"message-form",    CHECK_MESSAGE, ALL,   MODE_OF(checks_message_form), check_message_form},
    {"header-name",     CHECK_MESSAGE, MAIL,  MODE_OF(checks_header_lengths), check_header_name},
    {"header-subject",  CHECK_MESSAGE, MAIL,  MODE_OF(checks_header_lengths), check_header_subject},
    {"header-value",    CHECK_MESSAGE, MAIL,  MODE_OF(checks_header_lengths), check_header_value},
    {"header-from",     CHECK_MESSAGE, MX,    MODE_OF(checks_header_from), check_header_from},
    {"header-message-id", CHECK_MESSAGE, MX,  MODE_OF(checks_header_message_id), check_header_message_id},
    {"header-once",     CHECK_MESSAGE, MX,    MODE_OF(checks_header_once), check_header_once},
    {"header-unicode",  CHECK_MESSAGE, MX,    MODE_OF(checks_header_unicode), check_header_unicode},
    {"header-encoded-word", CHECK_MESSAGE, MX, MODE_OF(checks_header_encoded_word), check_header_encoded_word},
    {"header-grammar",  CHECK_MESSAGE, MX,    MODE_OF(checks_header_grammar), check_header_grammar},
    {"structure",       CHECK_MESSAGE, MAIL,  MODE_OF(checks_structure), check_structure},
    {"attachments",     CHECK_MESSAGE, MX,    MODE_OF(checks_attachments), check_attachments},
    {"content-security", CHECK_MESSAGE, MAIL,  MODE_OF(checks_content_security), check_content_security},
};
/* clang-format on */

static enum config_mode mode_of(const struct check *c, const struct config *config)
{
    const void *mode = (const unsigned char *)config + c->mode;
    return c->mode == 0 ? CHECK_REJECT : (enum config_mode) * (const int *)mode;
}

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
        out->mode = mode_of(c, f->config);
        if (out->mode == CHECK_OFF) {
            continue;
        }
        fields_reset(&out->evidence);
        c->run(f, out);
        seen(arg, c, out);
        if (out->reply != REPLY_NONE && out->mode != CHECK_OBSERVE) {
            out->reply = out->mode == CHECK_DEFER ? REPLY_message_rejected_temporarily
                                                  : out->reply;
            return false;
        }
        out->reply = REPLY_NONE;
    }
    return true;
}
