/* check/room.c - is there disk to keep a message on?
 * Rows: server-busy (nearly full), system-temporary-problem (the disk fails). */
#include "check/check.h"

void check_room(const struct check_facts *f, struct check_verdict *out)
{
    if (f->spool == SPOOL_DISK_FULL) {
        out->reply = REPLY_server_busy;
        fields_add_str(&out->evidence, "what", "its disk is nearly full");
    } else if (f->spool == SPOOL_IO_ERROR) {
        out->reply = REPLY_system_temporary_problem;
        fields_add_str(&out->evidence, "what", "its disk cannot be written");
    }
}
