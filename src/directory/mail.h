/* directory/mail.h - what the directory knows about a MAIL: on whose behalf it is (pure).
 *
 * smtpd asks where the answer depends on it: on submission, relay and push.
 * Layout  of MSG_DIR_MAIL: u64 cookie; u8 enum config_service; 16 octets client address
 *         (IPv4 mapped); text HELO or EHLO argument; text local part (unquoted) and text
 *         domain (A-labels, lower case) of the sender, both empty for <>; text login, empty
 *         when nobody logged in; u32 recipients to count now against the quotas of a push
 *         account, 0: none.
 *         Of MSG_DIR_MAIL_IS: u64 cookie; u8 1 for a database fault, else 0; DIR_BY_COUNT
 *         times {text customer, empty: none; u8 flags}; DIR_QUOTA_COUNT times {u64 limit, u64
 *         used}; u8 1 when the recipients were counted, else 0; u8 enum dir_sender; u64 recipient
 *         limit; u64 data limit; text groups of the login, with blanks between.
 * Own     slices of what was read borrow from the payload.
 * Errors  the readers return false, with nothing set, for what is not of that form.
 * Limits  HELO DIR_HELO_MAX octets (longer ones are cut: no domain is longer), addresses as
 *         in answer.h, customers DIR_CUSTOMER_MAX. */
#ifndef DIRECTORY_MAIL_H
#define DIRECTORY_MAIL_H
#include "base/netset.h"
#include "directory/answer.h"

enum { DIR_HELO_MAX = 255, DIR_CUSTOMER_MAX = 64 };

struct dir_mail_ask {
    uint64_t cookie;
    uint8_t service; /* enum config_service */
    struct ip ip;
    struct slice helo, local, domain, login;
    uint32_t spend;
};

/* What may lead to a relay customer. */
enum dir_by {
    DIR_BY_ADDRESS = 0,
    DIR_BY_HELO,
    DIR_BY_SENDER,
    DIR_BY_LOGIN,
    DIR_BY_COUNT
};

struct dir_customer {
    struct slice name; /* empty: it leads to none */
    bool suspended;
    bool by_domain; /* presenting one of its domains is enough */
};

/* May this login use this sender? */
enum dir_sender {
    DIR_SENDER_NONE = 0, /* nobody logged in, or the service does not ask */
    DIR_SENDER_OWN,
    DIR_SENDER_FOREIGN,     /* not one of the login's */
    DIR_SENDER_UNAVAILABLE, /* the account may not send at present */
    DIR_SENDER_GONE,        /* there is no such account any more */
    DIR_SENDER_COUNT
};

/* What a push account may send, in recipients; days and months are UTC's. */
enum dir_quota_of {
    DIR_QUOTA_MONTH = 0,
    DIR_QUOTA_DAY,
    DIR_QUOTA_PREPAID,
    DIR_QUOTA_COUNT
};
struct dir_quota {
    uint64_t limit, used; /* limit 0: none, and then used is 0 */
};

struct dir_mail {
    uint64_t cookie;
    bool fault; /* the database cannot tell: 4yz */
    struct dir_customer customer[DIR_BY_COUNT];
    enum dir_sender sender;
    struct dir_quota quota[DIR_QUOTA_COUNT];
    bool spent;                /* ask.spend was counted: no quota is passed by it */
    uint64_t recipients, data; /* limits of the push account, 0: none */
    struct slice groups;       /* of the user who logged in (submission) */
};

void dir_mail_ask_write(struct buf *b, const struct dir_mail_ask *a);
MUST_USE bool dir_mail_ask_read(struct slice payload, struct dir_mail_ask *out);
void dir_mail_write(struct buf *b, const struct dir_mail *m);
MUST_USE bool dir_mail_read(struct slice payload, struct dir_mail *out);
#endif
