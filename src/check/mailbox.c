/* check/mailbox.c - is the recipient somebody here who can take mail?
 * Rows: rcpt-mailbox-unknown, rcpt-mailbox-disabled, rcpt-mailbox-over-quota,
 * rcpt-mailbox-full-inactive, relay-denied-unregistered (mx: not our domain),
 * system-temporary-problem (the directory cannot tell). On other services a domain that is not
 * ours is another server's: accepted, to be sent there. */
#include "check/check.h"

enum { DAY_MS = 24 * 60 * 60 * 1000 };

static const enum reply_id rows[] = {
    [DIR_OK] = REPLY_NONE,
    [DIR_NO_DOMAIN] = REPLY_relay_denied_unregistered,
    [DIR_NO_MAILBOX] = REPLY_rcpt_mailbox_unknown,
    [DIR_DISABLED] = REPLY_rcpt_mailbox_disabled,
    [DIR_OVER_QUOTA] = REPLY_rcpt_mailbox_over_quota,
    [DIR_FULL_INACTIVE] = REPLY_rcpt_mailbox_full_inactive,
    [DIR_FAULT] = REPLY_system_temporary_problem,
};

void check_mailbox(const struct check_facts *f, struct check_verdict *out)
{
    const struct dir_answer *a = f->answer;
    struct fields *e = &out->evidence;

    out->reply = rows[a->status];
    if (a->status == DIR_NO_DOMAIN && f->service != SERVICE_MX) {
        out->reply = REPLY_NONE;
    } else if (a->status == DIR_NO_DOMAIN &&
               slice_ieq(f->rcpt->domain, slice_of(f->config->push_return_path_domain))) {
        out->reply = REPLY_rcpt_mailbox_unknown; /* ours, though nobody lives there */
    }
    fields_add(e, "rcpt", f->rcpt->mailbox);
    fields_add(e, "domain", f->rcpt->domain);
    if (out->reply == REPLY_relay_denied_unregistered) {
        /* The row speaks of the domain in MAIL; the recipient is there for the trace. */
        fields_reset(e);
        fields_add(e, "ip", f->ip);
        fields_add(e, "helo", f->helo);
        fields_add(e, "domain", f->envelope->sender.domain);
        fields_add(e, "rcpt", f->rcpt->mailbox);
        return;
    }
    if (a->quota != 0) {
        fields_add_u64(e, "used", a->used);
        fields_add_u64(e, "quota", a->quota);
    }
    if (a->status == DIR_FULL_INACTIVE && f->now_ms > a->last_use_ms) {
        fields_add_u64(e, "days", (f->now_ms - a->last_use_ms) / DAY_MS);
    }
    if (a->status == DIR_FAULT) {
        fields_add_str(e, "what", "the directory of mailboxes cannot be read");
    }
}
