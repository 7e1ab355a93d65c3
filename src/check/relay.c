/* check/relay.c - on behalf of which customer does this client relay, and may it?
 *
 * By a login of one of the customer's users; by its address, and then the sender's or HELO's
 * domain must be the customer's too (or somebody logged in); by presenting one of the
 * customer's domains in MAIL or HELO, where that was switched on (relay set --by-domain yes).
 * Rows: relay-denied-unregistered, relay-denied-suspended, relay-credentials-mismatch. */
#include "check/check.h"

/* The first of these ways that leads to a customer. */
static const struct {
    enum dir_by by;
    const char *name;
    bool domain; /* only where presenting a domain is enough */
} ways[] = {
    {DIR_BY_LOGIN, "login", false},
    {DIR_BY_ADDRESS, "address", false},
    {DIR_BY_SENDER, "sender", true},
    {DIR_BY_HELO, "helo", true},
};

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
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const struct dir_customer *c = &f->mail->customer[ways[i].by];
        if (c->name.len == 0 || (ways[i].domain && !c->by_domain)) {
            continue;
        }
        fields_add(e, "customer", c->name);
        fields_add_str(e, "by", ways[i].name);
        if (c->suspended) {
            out->reply = REPLY_relay_denied_suspended;
        } else if (ways[i].by == DIR_BY_ADDRESS && mismatch(f)) {
            out->reply = REPLY_relay_credentials_mismatch;
        }
        return;
    }
    out->reply = REPLY_relay_denied_unregistered;
}
