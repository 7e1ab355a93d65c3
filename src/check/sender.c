/* check/sender.c - may the user who logged in send, and as this sender (RFC 6409 6.1)?
 * Row: sending-denied. */
#include "check/check.h"

void check_sender(const struct check_facts *f, struct check_verdict *out)
{
    static const char *const whats[DIR_SENDER_COUNT] = {
        [DIR_SENDER_FOREIGN] =
            "the address is none of its own, leads elsewhere, and was not granted",
        [DIR_SENDER_UNAVAILABLE] = "it is disabled",
        [DIR_SENDER_GONE] = "it is not registered any more",
    };
    struct slice sender = f->envelope->sender.mailbox;
    fields_add(&out->evidence, "account", f->login);
    fields_add(&out->evidence, "sender", sender.len == 0 ? SLICE("<>") : sender);
    if (whats[f->mail->sender] != NULL) {
        fields_add_str(&out->evidence, "what", whats[f->mail->sender]);
        out->reply = REPLY_sending_denied;
    }
}
