/* check/sending_limit.c - may this user, or this relay customer, send so much (directory/spend.h)?
 * Rows: sender-rcpt-limit (recipients of one message), sender-daily-limit, relay-daily-limit-customer,
 * relay-daily-limit-user, relay-peak-limit-customer, system-temporary-problem (the directory cannot
 * count).
 * What MAIL and RCPT look at may be used up by another session meanwhile: counted it is before the
 * message is accepted, and that decides. */
#include "check/check.h"

static const struct {
    enum reply_id reply;
    const char *what;
} limits[DIR_LIMIT_COUNT] = {
    [DIR_LIMIT_USER_MESSAGES] = {REPLY_sender_daily_limit, "messages"},
    [DIR_LIMIT_USER_RECIPIENTS] = {REPLY_sender_daily_limit, "recipients"},
    [DIR_LIMIT_RELAY_DAY] = {REPLY_relay_daily_limit_customer, "recipients"},
    [DIR_LIMIT_RELAY_USER] = {REPLY_relay_daily_limit_user, "recipients"},
    [DIR_LIMIT_RELAY_PEAK] = {REPLY_relay_peak_limit_customer, "recipients"},
};

static void add_who(const struct check_facts *f, struct fields *e)
{
    enum dir_by by = f->service == SERVICE_RELAY ? dir_mail_by(f->mail) : DIR_BY_COUNT;
    struct slice sender = f->envelope->sender.mailbox;
    fields_add(e, "account", f->service == SERVICE_RELAY ? sender : f->login);
    if (by != DIR_BY_COUNT) {
        fields_add(e, "customer", f->mail->customer[by].name);
    }
}

/* The first limit that a message with so many recipients passes. */
static void judge(const struct check_facts *f, const struct dir_mail *m,
                  uint64_t recipients, struct check_verdict *out)
{
    struct fields *e = &out->evidence;
    add_who(f, e);
    for (unsigned i = 0; i < DIR_LIMIT_COUNT; i++) {
        const struct dir_limit *l = &m->limit[i];
        uint64_t units = dir_limit_units((enum dir_limit_of)i, recipients);
        if (!dir_limit_passed(l, units)) {
            continue;
        }
        fields_add_u64(e, "measured", l->used + units);
        fields_add_u64(e, "limit", l->limit);
        fields_add_str(e, "what", limits[i].what);
        fields_add_u64(e, "time", l->span_s);
        if (l->wait_s > 0) {
            fields_add_u64(e, "retry", l->wait_s);
        }
        out->reply = limits[i].reply;
        return;
    }
}

void check_sending_limit(const struct check_facts *f, struct check_verdict *out)
{
    judge(f, f->mail, f->envelope->recipient_n + UINT64_C(1), out);
}

void check_sending_recipients(const struct check_facts *f, struct check_verdict *out)
{
    uint64_t n = f->envelope->recipient_n + UINT64_C(1), limit = f->mail->recipients;
    if (limit == 0) {
        return;
    }
    fields_add(&out->evidence, "account", f->login);
    fields_add(&out->evidence, "sender", f->envelope->sender.mailbox);
    fields_add_u64(&out->evidence, "measured", n);
    fields_add_u64(&out->evidence, "limit", limit);
    if (n > limit) {
        out->reply = REPLY_sender_rcpt_limit;
    }
}

static bool limited(const struct dir_mail *m)
{
    bool any = false;
    for (unsigned i = 0; i < DIR_LIMIT_COUNT; i++) {
        any = any || m->limit[i].limit != 0;
    }
    return any;
}

void check_sending_counted(const struct check_facts *f, struct check_verdict *out)
{
    if (f->spend == NULL || !limited(f->mail)) {
        return; /* the directory need not be asked */
    }
    const struct dir_mail *m = f->spend(f->spend_arg);
    if (m == NULL) {
        out->waits = true;
        return;
    }
    if (m->fault) {
        fields_add_str(&out->evidence, "what", "the directory cannot count it");
        out->reply = REPLY_system_temporary_problem;
    } else if (!m->spent) {
        judge(f, m, f->envelope->recipient_n, out);
    }
}
