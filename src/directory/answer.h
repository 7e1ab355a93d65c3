/* directory/answer.h - what the directory says of a recipient (pure).
 *
 * Layout  of MSG_DIR_RCPT_IS: u64 cookie; u8 enum dir_status; u8 flags (1: a trap); text domain
 *         (A-label form); u64 used octets; u64 quota octets; u64 last use, wall ms; u64
 *         generation; text settings of the domain (settings.h); text groups of the users that
 *         it leads to, with blanks between; u16 target count; per target:
 *         u8 enum spool_target, text address. Targets only with DIR_OK, and then at least one.
 * Own     slices of a read answer borrow from the payload.
 * Errors  dir_answer_read() walks the targets too: after true, dir_answer_target() gives
 *         exactly target_n of them. False: nothing was set.
 * Limits  DIR_TARGETS_MAX targets with DIR_TARGETS_LEN_MAX octets, addresses of 1 to
 *         DIR_ADDRESS_MAX octets; with all of them and DIR_SETTINGS_MAX octets of settings an
 *         answer still fits into one message. */
#ifndef DIRECTORY_ANSWER_H
#define DIRECTORY_ANSWER_H
#include "base/wire.h"
#include "directory/settings.h"

enum {
    DIR_TARGETS_MAX = 200,
    DIR_LOCAL_MAX = 64,
    DIR_DOMAIN_MAX = 255,
    DIR_ADDRESS_MAX = DIR_LOCAL_MAX + 1 + DIR_DOMAIN_MAX,
    DIR_TARGETS_LEN_MAX = 60000, /* octets, encoded */
    DIR_GROUPS_LEN_MAX = 1000,   /* octets */
    DIR_USER_GROUPS_MAX = 15,    /* with their blanks they keep to it */
};

enum dir_status {
    DIR_OK = 0,
    DIR_NO_DOMAIN,     /* not hosted here */
    DIR_NO_MAILBOX,    /* hosted, but nobody of that name */
    DIR_DISABLED,      /* user disabled */
    DIR_OVER_QUOTA,    /* full, mailbox in use */
    DIR_FULL_INACTIVE, /* full, and unused for longer than directory.inactive-after */
    DIR_FAULT,         /* database fault: 4yz */
};

struct dir_answer {
    uint64_t cookie, used, quota, last_use_ms, generation;
    enum dir_status status;
    bool trap; /* DIR_NO_MAILBOX: nobody was ever told of that address */
    struct slice domain;
    struct slice settings; /* encoded; as the domain has them, whatever the status */
    struct slice groups;
    uint16_t target_n;
    struct slice targets; /* undecoded; dir_answer_target() walks it */
};

void dir_answer_write(struct buf *b, const struct dir_answer *a);
MUST_USE bool dir_answer_read(struct slice payload, struct dir_answer *out);

struct dir_target {
    uint8_t kind; /* enum spool_target */
    struct slice address;
};
/* Takes the first target off a->targets; false at the end. */
MUST_USE bool dir_answer_target(struct dir_answer *a, struct dir_target *out);
/* For writing: appends one to what becomes a->targets. */
void dir_target_write(struct buf *targets, const struct dir_target *t);
#endif
