/* check/check.c - see check.h */
#include "check/check.h"

#include "check/mode.h"

#include <stdarg.h>
#include <stdio.h>

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
    {"sending-limit",   CHECK_MAIL,    SUBMISSION, 0, check_sending_limit},
    {"push-account",    CHECK_MAIL,    PUSH,  0, check_push_account},
    {"push-quota",      CHECK_MAIL,    PUSH,  0, check_push_quota},
    {"declared-size",   CHECK_MAIL,    ALL,   0, check_declared_size},
    {"milter-mail",     CHECK_MAIL,    ALL,   MODE_OF(checks_milter), check_milter_mail},
    {"relay",           CHECK_RCPT,    RELAY, 0, check_relay},
    {"sending-recipients", CHECK_RCPT, SUBMISSION, 0, check_sending_recipients},
    {"sending-limit-left", CHECK_RCPT, SUBMISSION | RELAY, 0, check_sending_limit},
    {"allowed-network", CHECK_RCPT,    MX,    0, check_allowed_network},
    {"rcpt-tls",        CHECK_RCPT,    MX,    0, check_rcpt_tls},
    {"push-recipients", CHECK_RCPT,    PUSH,  0, check_push_recipients},
    {"push-quota-left", CHECK_RCPT,    PUSH,  0, check_push_quota_left},
    {"rcpt-domain",     CHECK_RCPT,    SUBMISSION | RELAY, MODE_OF(checks_rcpt_domain), check_rcpt_domain},
    {"mailbox",         CHECK_RCPT,    ALL,   0, check_mailbox},
    {"return-path",     CHECK_RCPT,    MX,    0, check_return_path},
    {"push-suppressed", CHECK_RCPT,    PUSH,  0, check_push_suppressed},
    {"one-domain",      CHECK_RCPT,    MX,    0, check_one_domain},
    {"policies",        CHECK_RCPT,    MX,    0, check_policies},
    {"rcpt-size",       CHECK_RCPT,    MX,    0, check_rcpt_size},
    {"rcpt-rate",       CHECK_RCPT,    MX,    MODE_OF(checks_rcpt_rate), check_rcpt_rate},
    {"milter-rcpt",     CHECK_RCPT,    ALL,   MODE_OF(checks_milter), check_milter_rcpt},
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
    {"header-trace",    CHECK_MESSAGE, MX,    MODE_OF(checks_header_trace), check_header_trace},
    {"structure",       CHECK_MESSAGE, MAIL,  MODE_OF(checks_structure), check_structure},
    {"attachments",     CHECK_MESSAGE, MX,    MODE_OF(checks_attachments), check_attachments},
    {"dnsbl",           CHECK_MESSAGE, MX,    MODE_OF(checks_dnsbl), check_dnsbl},
    {"dynamic",         CHECK_MESSAGE, MX,    MODE_OF(checks_dynamic), check_dynamic},
    {"ipv6",            CHECK_MESSAGE, MX,    MODE_OF(checks_ipv6), check_ipv6},
    {"ptr",             CHECK_MESSAGE, MX,    MODE_OF(checks_ptr), check_ptr},
    {"reputation-ip",   CHECK_MESSAGE, MX,    MODE_OF(checks_reputation_ip), check_reputation_ip},
    {"authentication",  CHECK_MESSAGE, MX,    0, check_authentication},
    /* Behind it, for it counts against who sent it. */
    {"content-security", CHECK_MESSAGE, MAIL,  MODE_OF(checks_content_security), check_content_security},
    {"unauthenticated-domain", CHECK_MESSAGE, MX, MODE_OF(checks_unauthenticated_domain), check_unauthenticated_domain},
    {"dmarc",           CHECK_MESSAGE, MX,    MODE_OF(checks_dmarc), check_dmarc},
    {"spf-hardfail",    CHECK_MESSAGE, MX,    MODE_OF(checks_spf_hardfail), check_spf_hardfail},
    {"unauthenticated", CHECK_MESSAGE, MX,    MODE_OF(checks_unauthenticated), check_unauthenticated},
    {"bulk-spf",        CHECK_MESSAGE, MX,    MODE_OF(checks_bulk_spf), check_bulk_spf},
    {"bulk-dkim",       CHECK_MESSAGE, MX,    MODE_OF(checks_bulk_dkim), check_bulk_dkim},
    {"bulk-dmarc-record", CHECK_MESSAGE, MX,  MODE_OF(checks_bulk_dmarc_record), check_bulk_dmarc_record},
    {"bulk-alignment",  CHECK_MESSAGE, MX,    MODE_OF(checks_bulk_alignment), check_bulk_alignment},
    {"bulk-tls",        CHECK_MESSAGE, MX,    MODE_OF(checks_bulk_tls), check_bulk_tls},
    {"spf-record",      CHECK_MESSAGE, MX,    MODE_OF(checks_spf_record), check_spf_record},
    {"reputation-domain", CHECK_MESSAGE, MX,  MODE_OF(checks_reputation_domain), check_reputation_domain},
    {"milter",          CHECK_MESSAGE, ALL,   MODE_OF(checks_milter), check_milter},
    {"rspamd",          CHECK_MESSAGE, MX | PUSH, MODE_OF(checks_rspamd), check_rspamd},
    {"rule",            CHECK_MESSAGE, ALL,   0, check_rule},
    {"login-quota",     CHECK_MESSAGE, SUBMISSION, MODE_OF(checks_login_quota), check_login_quota},
    {"login-rate",      CHECK_MESSAGE, SUBMISSION, MODE_OF(checks_login_rate), check_login_rate},
    {"message-id-rate", CHECK_MESSAGE, MX,    MODE_OF(checks_message_id_rate), check_message_id_rate},
    {"flood-ip-unwanted", CHECK_MESSAGE, MX,  MODE_OF(checks_flood_ip_unwanted), check_flood_ip_unwanted},
    {"flood-ip",        CHECK_MESSAGE, MX,    MODE_OF(checks_flood_ip), check_flood_ip},
    {"flood-network",   CHECK_MESSAGE, MX,    MODE_OF(checks_flood_network), check_flood_network},
    {"flood-sender",    CHECK_MESSAGE, MX,    MODE_OF(checks_flood_sender), check_flood_sender},
    {"flood-domain",    CHECK_MESSAGE, MX,    MODE_OF(checks_flood_domain), check_flood_domain},
    {"flood-url",       CHECK_MESSAGE, MX,    MODE_OF(checks_flood_url), check_flood_url},
    /* the last: what is counted is sent */
    {"sending-limit-counted", CHECK_MESSAGE, SUBMISSION | RELAY, 0, check_sending_counted},
    {"push-quota-spent", CHECK_MESSAGE, PUSH, 0, check_push_quota_spent},
};
/* clang-format on */

static const struct {
    unsigned services;
    void (*prepare)(const struct check_facts *f);
} prepares[] = {
    {MX, prepare_ptr},
    {MX, prepare_authentication},
    {MX, prepare_spf_record},
    {MX, prepare_dnsbl},
};

static void verdict_reset(struct check_verdict *v)
{
    fields_reset(&v->evidence);
    v->reply = v->slow = v->cut = v->observed = REPLY_NONE;
    v->key = SLICE("");
    v->waits = false;
    v->waits_for = NULL;
    v->text_len = 0;
}

enum { CHECKS = sizeof checks / sizeof checks[0] };

enum check_outcome check_run(enum check_stage stage, unsigned *at,
                             const struct check_facts *f, struct check_verdict *out,
                             void (*seen)(void *arg, const struct check *c,
                                          const struct check_verdict *v),
                             void *arg)
{
    verdict_reset(out);
    for (; *at < CHECKS; ++*at) {
        const struct check *c = &checks[*at];
        if (c->stage != stage || (c->services & 1U << f->service) == 0) {
            continue;
        }
        enum config_mode mode = mode_of(f, c->mode);
        if (mode == CHECK_OFF || (f->reports && c->mode != 0)) {
            continue;
        }
        verdict_reset(out);
        out->mode = mode;
        c->run(f, out);
        if (out->waits) {
            return CHECK_WAITS;
        }
        if (out->reply != REPLY_NONE) {
            mode_apply(f, c->name, out);
        }
        seen(arg, c, out);
        if (out->reply != REPLY_NONE) {
            return CHECK_REFUSED;
        }
    }
    return CHECK_PASSED;
}

void check_prepare(const struct check_facts *f)
{
    for (unsigned i = 0; i < sizeof prepares / sizeof prepares[0]; i++) {
        if ((prepares[i].services & 1U << f->service) != 0) {
            prepares[i].prepare(f);
        }
    }
}

const char *check_text(struct check_verdict *v, const char *fmt, ...)
{
    char *text = v->text + v->text_len;
    size_t room = sizeof v->text - v->text_len;
    va_list args;
    va_start(args, fmt);
    int n = room > 1 ? vsnprintf(text, room, fmt, args) : -1;
    va_end(args);
    if (n < 0) {
        return "";
    }
    v->text_len += (size_t)n < room ? (size_t)n + 1 : room;
    return text;
}
