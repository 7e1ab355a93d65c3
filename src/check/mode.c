/* check/mode.c - see mode.h */
#include "check/mode.h"

#include "base/buf.h"
#include "dns/name.h"
#include "rate/table.h"

enum { KEY_MAX = 400 };

static bool all_recipients(const struct check_facts *f, struct slice domain)
{
    if (f->rcpt != NULL) {
        return dns_name_below(f->rcpt->domain, domain);
    }
    const struct smtp_recipient *r = f->envelope->first;
    while (r != NULL && dns_name_below(r->path.domain, domain)) {
        r = r->next;
    }
    return r == NULL && f->envelope->first != NULL;
}

/* of: an address, or a domain. */
static bool is_login(struct slice login, struct slice of)
{
    size_t at = slice_rfind(login, '@');
    return slice_find(of, '@') < of.len
               ? slice_ieq(login, of)
               : at < login.len && dns_name_below(slice_from(login, at + 1), of);
}

static bool fits(const struct check_facts *f, const struct config_exception *e)
{
    switch (e->kind) {
    case EXCEPT_NETWORK:
        return f->address != NULL && net_has(&e->network, f->address);
    case EXCEPT_SENDER:
        return dns_name_below(f->envelope->sender.domain, slice_of(e->domain));
    case EXCEPT_RECIPIENT:
        return all_recipients(f, slice_of(e->domain));
    case EXCEPT_LOGIN:
        return is_login(f->login, slice_of(e->domain));
    }
    return false;
}

enum config_mode mode_of(const struct check_facts *f, size_t setting)
{
    const void *mode = (const unsigned char *)f->config + setting;
    const struct config_exceptions *list = &f->config->checks_exceptions;
    if (setting == 0) {
        return CHECK_REJECT;
    }
    for (unsigned i = 0; i < list->n; i++) {
        const struct config_exception *e = &list->item[i];
        if ((e->check == 0 || e->check == setting) && fits(f, e)) {
            return e->mode;
        }
    }
    return (enum config_mode) * (const int *)mode;
}

enum ladder_step ladder_step(uint64_t n, uint64_t slow, uint64_t refuse)
{
    if (n > refuse) {
        return LADDER_REFUSE;
    }
    if (n > slow) {
        return LADDER_CUT;
    }
    uint64_t whole = 2 * slow; /* n <= slow <= 1,000,000: no overflow */
    return n * (n + 1) / whole > n * (n - 1) / whole ? LADDER_SLOW : LADDER_SPARE;
}

/* Counts the breach, and says where on the ladder its sender stands. */
static enum ladder_step climb(const struct check_facts *f, const char *check,
                              struct slice key)
{
    struct rate_view view = {0};
    struct buf name;
    if (f->rates == NULL) {
        return LADDER_SPARE;
    }
    buf_init(&name, KEY_MAX);
    buf_add_fmt(&name, "%s ", check);
    buf_add(&name, slice_sub(key.len > 0 ? key : f->ip, 0, KEY_MAX - 64));
    struct rate_key counted = rate_key(f->rates, RATE_ladder, buf_slice(&name));
    bool known =
        !name.failed && rate_add(f->rates, &counted, 1, NULL, f->now_ms * 1000, &view);
    buf_clear(&name);
    return known ? ladder_step(view.count[RATE_DAY], f->config->checks_ladder_slow,
                               f->config->checks_ladder_refuse)
                 : LADDER_SPARE;
}

void mode_apply(const struct check_facts *f, const char *check, struct check_verdict *out)
{
    enum reply_id slow =
        out->slow != REPLY_NONE ? out->slow : REPLY_message_rejected_temporarily;
    enum reply_id cut = out->cut != REPLY_NONE ? out->cut : slow;
    enum reply_id by_step[] = {
        [LADDER_SPARE] = REPLY_NONE,
        [LADDER_SLOW] = slow,
        [LADDER_CUT] = cut,
        [LADDER_REFUSE] = out->reply,
    };
    out->observed = out->reply;
    switch (out->mode) {
    case CHECK_OFF:
    case CHECK_OBSERVE:
        out->reply = REPLY_NONE;
        break;
    case CHECK_DEFER:
        out->reply = slow;
        break;
    case CHECK_REJECT:
        break;
    case CHECK_LADDER:
        out->reply = by_step[climb(f, check, out->key)];
        break;
    }
}
