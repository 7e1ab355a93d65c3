/* check/header_message_id.c - has the message a Message-ID of the form <left@right>? RFC 5322 3.6.4
 * says only that it should; large providers refuse mail without. Of reports of other servers (the
 * null reverse-path) many have none, or a bad one: who would be told?
 * Row: header-message-id-invalid. */
#include "check/check.h"
#include "message/msg_id.h"

void check_header_message_id(const struct check_facts *f, struct check_verdict *out)
{
    unsigned i = message_head_find(f->head, "Message-ID", 0);
    bool report = f->envelope->sender.mailbox.len == 0;
    const char *fault = "there is none";
    if (i < f->head->n) {
        fields_add(&out->evidence, "message_id", slice_strip(f->head->field[i].value));
        fault = msg_id_fault(f->head->field[i].value);
    }
    if (fault != NULL && !report) {
        fields_add_str(&out->evidence, "what", fault);
        out->reply = REPLY_header_message_id_invalid;
    }
}
