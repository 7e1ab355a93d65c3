/* check/push_account.c - may the push account that logged in send, and as this sender?
 * Rows: push-account-unavailable, sending-denied (the sender is not the account's address). */
#include "check/check.h"

void check_push_account(const struct check_facts *f, struct check_verdict *out)
{
    struct slice sender = f->envelope->sender.mailbox;
    fields_add(&out->evidence, "account", f->login);
    fields_add(&out->evidence, "sender", sender.len == 0 ? SLICE("<>") : sender);
    if (f->mail->sender == DIR_SENDER_UNAVAILABLE || f->mail->sender == DIR_SENDER_GONE) {
        out->reply = REPLY_push_account_unavailable;
    } else if (f->mail->sender == DIR_SENDER_FOREIGN) {
        out->reply = REPLY_sending_denied;
    }
}
