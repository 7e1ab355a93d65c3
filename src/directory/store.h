/* directory/store.h - directory.db: domains, users, aliases, relay customers, push accounts;
 * what becomes of a recipient, and on whose behalf a MAIL is.
 *
 * Source  SQLite in WAL mode; the schema and its versions are the table in db.c.
 * Own     one store, one thread. Slices of an answer live until the next call with
 *         the store.
 * Errors  dir_store_open(): NULL, and the reason with advice in error. Later faults
 *         of the database (disk, damage, locked too long) answer DIR_FAULT;
 *         dir_store_fault() says what happened and what to do. After
 *         DIR_STORE_BROKEN close it and open it again.
 * Lookup  the user of that name; else the alias, expanded to users; else both
 *         without the sub-address (the tag stays in the target); else the domain's
 *         catch-all; else, for postmaster (RFC 5321 4.5.1), the first active user
 *         of the domain, or of the server. An empty domain goes with postmaster
 *         only, and means the oldest domain. Deliverable if one target is; if all
 *         refuse, the first one's reason.
 * Limits  DIR_DEPTH_MAX aliases behind each other, DIR_TARGETS_MAX users; an alias
 *         beyond is refused when it is made, and a fault when it is found in the
 *         database. */
#ifndef DIRECTORY_STORE_H
#define DIRECTORY_STORE_H
#include "directory/mail.h"

enum { DIR_DEPTH_MAX = 10, DIR_ERROR_MAX = 640 };

struct dir_store;

/* What a user may send, where nothing else is said of him; 0: no limit. */
struct dir_user_limits {
    uint64_t daily_messages, daily_recipients;
    uint64_t recipients; /* of one message */
};

struct dir_store_config {
    const char *path;    /* borrowed, as are the others: they outlive the store */
    const char *shown;   /* the path as errors name it (ours may be below a chroot) */
    const char *maildir; /* delivery.maildir; NULL: no Maildirs here (LMTP) */
    const char *sub_address;
    uint64_t inactive_after_ms;
    struct dir_user_limits limits;
    int busy_ms; /* how long to wait for another writer */
    bool create; /* make the file when it is missing, owned as its directory is */
};

MUST_USE struct dir_store *dir_store_open(const struct dir_store_config *config,
                                          char error[DIR_ERROR_MAX]);
void dir_store_close(struct dir_store **store);

/* out: all but cookie and generation. local and domain are as the client gave them, the
 * domain in A-labels. */
void dir_store_lookup(struct dir_store *store, struct slice local, struct slice domain,
                      uint64_t now_ms, struct dir_answer *out);

/* out: all but cookie. On the relay service the customers that address, HELO, sender and
 * login lead to: the narrowest network, the longest domain (one stands for the names below
 * it), and the limits of the one that counts. On push the account of the login, on submission the
 * user. Elsewhere nothing. What it is asked to count is on disk when it returns, or within a batch when
 * that ends. */
void dir_store_mail(struct dir_store *store, const struct dir_mail_ask *ask,
                    uint64_t now_ms, struct dir_mail *out);

/* What is counted in between shares one sync, at the end. No request of an administrator may run
 * meanwhile. False: not begun; at the end: nothing of it is counted. */
MUST_USE bool dir_store_batch_begin(struct dir_store *store);
MUST_USE bool dir_store_batch_end(struct dir_store *store);

/* Appends the rules of a domain, encoded (rule/rule.h), in their order; none for a domain that is
 * not here. False: the database cannot tell. */
MUST_USE bool dir_store_rules(struct dir_store *store, struct slice domain,
                              bool out_going, struct buf *out);

enum dir_store_state {
    DIR_STORE_OK = 0,
    DIR_STORE_BUSY,   /* the last call met a lock; the next may not */
    DIR_STORE_BROKEN, /* close it, open it again */
};
MUST_USE enum dir_store_state dir_store_state(const struct dir_store *store);
const char *dir_store_fault(const struct dir_store *store); /* of the last call */

/* Has somebody else written since the last call of this function? */
bool dir_store_changed(struct dir_store *store);
/* Does the path still name the file that is open? False: replaced or removed. */
MUST_USE bool dir_store_in_place(const struct dir_store *store);
MUST_USE bool dir_store_has_domains(struct dir_store *store);
#endif
