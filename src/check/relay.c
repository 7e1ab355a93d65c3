/* check/relay.c - on behalf of which customer does this client relay, and may it?
 *
 * By a login of one of the customer's users; by its address, and then the sender's or HELO's
 * domain must be the customer's too (or somebody logged in); by presenting one of the
 * customer's domains in MAIL or HELO, where that was switched on (relay set --by-domain yes).
 * Rows: relay-denied-unregistered, relay-denied-suspended, relay-credentials-mismatch. */
#include "check/check.h"

static const char *const ways[DIR_BY_COUNT] = {[DIR_BY_LOGIN] = "login",
                                               [DIR_BY_ADDRESS] = "address",
                                               [DIR_BY_SENDER] = "sender",
                                               [DIR_BY_HELO] = "helo"};

static bool mismatch(const struct check_facts *f)
{
    const struct dir_customer *c = f->mail->customer;
    struct slice name = c[DIR_BY_ADDRESS].name;
    return f->login.len == 0 && !slice_eq(c[DIR_BY_SENDER].name, name) &&
           !slice_eq(c[DIR_BY_HELO].name, name);
}

void check_relay(const struct check_facts *f, struct check_verdict *out)
{
    struct slice sender = f->envelope->sender.mailbox;
    struct fields *e = &out->evidence;
    fields_add(e, "ip", f->ip);
    fields_add(e, "helo", f->helo);
    fields_add(e, "domain", f->envelope->sender.domain);
    fields_add(e, "sender", sender.len == 0 ? SLICE("<>") : sender);
    fields_add(e, "rcpt", f->rcpt->mailbox); /* for the trace */
    enum dir_by by = dir_mail_by(f->mail);
    if (by == DIR_BY_COUNT) {
        out->reply = REPLY_relay_denied_unregistered;
        return;
    }
    const struct dir_customer *c = &f->mail->customer[by];
    fields_add(e, "customer", c->name);
    fields_add_str(e, "by", ways[by]);
    if (c->suspended) {
        out->reply = REPLY_relay_denied_suspended;
    } else if (by == DIR_BY_ADDRESS && mismatch(f)) {
        out->reply = REPLY_relay_credentials_mismatch;
    }
}
