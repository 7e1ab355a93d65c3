/* delivery/quota.h - the maildirsize file of a Maildir (Maildir++ quota).
 *
 * Source  the Maildir++ quota description of Courier: first line the definition, "10000000S,500C"
 *         (octets, messages; 0 or left out: no such limit), then lines "octets messages" to be
 *         summed, appended by whoever adds or removes mail.
 * Who     the directory role reads the sum when a recipient is named; whoever reads the mail
 *         (an IMAP server) takes off what it removes, and may set the definition. Delivery
 *         honours it, appends to it, counts anew, and makes the file where there is none,
 *         with the definition "0S": counted, not limited.
 * I/O     in the Maildir whose descriptor is given. Never synced: it can be counted anew.
 * Errors  a file that cannot be read or understood is no reason to keep mail away: no quota
 *         (quota_open() false), or, where its first line is whole, counted anew. */
#ifndef DELIVERY_QUOTA_H
#define DELIVERY_QUOTA_H
#include "base/slice.h"

enum {
    QUOTA_FILE_MAX = 5120,      /* octets: at this size it is counted anew (Maildir++) */
    QUOTA_RECOUNT_S = 15 * 60,  /* over quota and older than this: counted anew */
    QUOTA_DEFINITION_MAX = 200, /* octets of the first line */
};

/* What a file says. used and count are never negative. */
struct quota {
    uint64_t limit, limit_count; /* 0: none */
    uint64_t used, count;
    size_t definition_len; /* of the first line, without its LF */
    bool garbled;          /* an entry that is none: count anew */
};
/* Pure. False: the first line is no definition. */
MUST_USE bool quota_parse(struct slice file, struct quota *out);
/* Pure. Would size more octets in one more message go over a limit? */
MUST_USE bool quota_over(const struct quota *q, uint64_t size);

struct quota_file {
    int fd;      /* open for appending; -1: none */
    int maildir; /* borrowed */
    bool absent; /* there is no file */
    struct quota quota;
    char definition[QUOTA_DEFINITION_MAX + 1];
};

/* Opens and reads maildirsize; false: there is none, or none that can be understood
 * (q->fd is -1 then). */
MUST_USE bool quota_open(struct quota_file *q, int maildir);
void quota_close(struct quota_file *q);

/* Is there room for a message? Counts anew when the file is due for it; tmp_name: a name in
 * tmp/ that nobody else uses. now_s: wall clock. */
MUST_USE bool quota_has_room(struct quota_file *q, uint64_t size, uint64_t now_s,
                             const char *tmp_name);
/* A message of that size was added. */
void quota_add(struct quota_file *q, uint64_t size);
/* Where there was no file: counts what is there, the new message too, and makes it. */
void quota_make(struct quota_file *q, const char *tmp_name);
#endif
