/* directory/junk.h - what users move into their folder Junk, and out of it.
 *
 * Source  Maildir++: the folder is ".Junk" below the Maildir. A file is known by its inode, and by its name
 *         without flags; what left the folder is looked for in the others (not in Trash) by inode, time and size.
 *         What lies there when a mailbox is seen first was put there in peace.
 * I/O     reads Maildirs; keeps what it knows in directory.db.
 * Bounds  a call looks at JUNK_USERS mailboxes, or lists one whose folder has changed, reading at most
 *         JUNK_READS files of it; of a folder the first JUNK_FILES files count. What left is looked for among
 *         the first 20,000 files of the others, and only where no more than 32 left at once.
 * Misses  a file that is moved twice between two looks; one that a reader copies instead of moving. */
#ifndef DIRECTORY_JUNK_H
#define DIRECTORY_JUNK_H
#include "directory/store.h"

enum {
    JUNK_USERS = 64,
    JUNK_READS = 20,
    JUNK_FILES = 5000,
    JUNK_HEADER_MAX = 32 * 1024, /* octets of a file that are read */
};

/* wanted: it came out of the folder again. header: the file's first octets. */
typedef void dir_junk_told(void *arg, struct slice mailbox, struct slice header,
                           bool wanted);

/* Goes on with the users behind *at (0: from the first), which moves; 0 when it was the last. */
void dir_store_junk(struct dir_store *s, int64_t *at, dir_junk_told *told, void *arg);
#endif
