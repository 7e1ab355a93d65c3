/* check/directory.c - could the directory say on whose behalf this MAIL is?
 * Row: system-temporary-problem. */
#include "check/check.h"

void check_directory(const struct check_facts *f, struct check_verdict *out)
{
    if (f->mail != NULL && f->mail->fault) {
        out->reply = REPLY_system_temporary_problem;
        fields_add_str(&out->evidence, "what",
                       "the directory of accounts and customers cannot be read");
    }
}
