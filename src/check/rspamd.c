/* check/rspamd.c - what does rspamd say of the message (filter/rspamd.h)?
 *
 * "greylist" is its word for mail to be told to come again; its own greylisting needs a store that many
 * go without, so it is done here: from that network, sender and recipient such mail is
 * refused for now until it comes again after a minute or two, and within a day.
 * Rows: content-unsolicited-reject, content-suspicious-deferred, push-content-spam,
 * message-rejected-temporarily. */
#include "check/check.h"

#include "base/buf.h"
#include "base/netset.h"
#include "filter/rspamd.h"
#include "rate/table.h"

enum { KEY_MAX = 1024, IPV4_BITS = 96 + 24, IPV6_BITS = 64 };

static void tell(const struct check_facts *f, const struct rspamd_verdict *v,
                 struct check_verdict *out)
{
    fields_add(&out->evidence, "ip", f->ip);
    fields_add_str(&out->evidence, "action", rspamd_action_name(v->action));
    fields_add_str(&out->evidence, "score", check_text(out, "%.2f", v->score));
    fields_add_str(&out->evidence, "required", check_text(out, "%.2f", v->required));
    if (v->symbols_len > 0) {
        fields_add(&out->evidence, "symbols",
                   (struct slice){(const unsigned char *)v->symbols, v->symbols_len});
    }
}

static void tell_what(const struct rspamd_verdict *v, struct check_verdict *out)
{
    if (v->message_len > 0) {
        fields_add(&out->evidence, "what",
                   (struct slice){(const unsigned char *)v->message, v->message_len});
    } else {
        fields_add_str(&out->evidence, "what",
                       check_text(out, "score %.2f, of %.2f that are refused", v->score,
                                  v->required));
    }
}

static enum reply_id for_now(const struct check_facts *f)
{
    return f->service == SERVICE_MX ? REPLY_content_suspicious_deferred
                                    : REPLY_message_rejected_temporarily;
}

/* Has it come before, longer ago than the minute's window reaches? */
static bool came_before(const struct check_facts *f)
{
    struct rate_view view = {0};
    char net[NET_TEXT_MAX];
    struct buf name;
    if (f->rates == NULL) {
        return true;
    }
    struct net network =
        net_around(f->address, ip_is_v4(f->address) ? IPV4_BITS : IPV6_BITS);
    buf_init(&name, KEY_MAX);
    buf_add_str(&name, "greylist ");
    buf_add(&name, net_text(&network, net));
    buf_add_str(&name, " ");
    buf_add(&name, f->envelope->sender.mailbox);
    if (f->envelope->first != NULL) {
        buf_add_str(&name, " ");
        buf_add(&name, f->envelope->first->path.mailbox);
    }
    struct rate_key key = rate_key(f->rates, RATE_ladder, buf_slice(&name));
    bool before = rate_read(f->rates, &key, f->now_ms * 1000, &view) &&
                  view.count[RATE_DAY] > view.count[RATE_MINUTE];
    /* who is not counted could never come again */
    bool counted = rate_add(f->rates, &key, 1, NULL, f->now_ms * 1000, NULL);
    buf_clear(&name);
    return before || !counted;
}

static void judge(const struct check_facts *f, const struct rspamd_verdict *v,
                  struct check_verdict *out)
{
    tell(f, v, out);
    switch (v->action) {
    case RSPAMD_REJECT:
        tell_what(v, out);
        out->reply = f->service == SERVICE_PUSH ? REPLY_push_content_spam
                                                : REPLY_content_unsolicited_reject;
        out->slow = for_now(f);
        break;
    case RSPAMD_SOFT_REJECT:
        tell_what(v, out);
        out->reply = for_now(f);
        break;
    case RSPAMD_GREYLIST:
        if (!came_before(f)) {
            fields_add_str(&out->evidence, "what",
                           "new to us; it is taken when it comes again");
            out->reply = for_now(f);
        }
        break;
    case RSPAMD_NO_ACTION:
    case RSPAMD_ADD_HEADER:
    case RSPAMD_REWRITE_SUBJECT:
        break;
    }
}

void check_rspamd(const struct check_facts *f, struct check_verdict *out)
{
    const struct rspamd_report *r = f->rspamd;
    if (r == NULL) {
        return;
    }
    switch (r->state) {
    case FILTER_NONE:
    case FILTER_DOWN:
        if (r->why != NULL) {
            fields_add_str(&out->evidence, "what", r->why);
        }
        if (r->state == FILTER_DOWN && f->config->rspamd_when_down == WHEN_DOWN_DEFER) {
            out->reply = REPLY_message_rejected_temporarily;
        }
        break;
    case FILTER_ASKED:
        out->waits = true;
        out->waits_for = "rspamd";
        break;
    case FILTER_ANSWERED:
        judge(f, &r->verdict, out);
        break;
    }
}
