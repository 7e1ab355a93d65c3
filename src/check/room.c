/* check/room.c - is there memory to take a message in, and disk to keep it on?
 * Rows: server-busy (memory short, disk nearly full), system-temporary-problem (the disk fails). */
#include "check/check.h"

void check_room(const struct check_facts *f, struct check_verdict *out)
{
    if (f->busy != NULL) {
        out->reply = REPLY_server_busy;
        fields_add_str(&out->evidence, "what", f->busy);
    } else if (f->spool == SPOOL_DISK_FULL) {
        out->reply = REPLY_server_busy;
        fields_add_str(&out->evidence, "what", "its disk is nearly full");
    } else if (f->spool == SPOOL_IO_ERROR) {
        out->reply = REPLY_system_temporary_problem;
        fields_add_str(&out->evidence, "what", "its disk cannot be written");
    }
}
