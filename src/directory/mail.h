/* directory/mail.h - what the directory knows about a MAIL: on whose behalf it is (pure).
 *
 * smtpd asks where the answer depends on it: on submission, relay and push.
 * Layout  of MSG_DIR_MAIL: u64 cookie; u8 enum config_service; 16 octets client address
 *         (IPv4 mapped); text HELO or EHLO argument; text local part (unquoted) and text
 *         domain (A-labels, lower case) of the sender, both empty for <>; text login, empty
 *         when nobody logged in; u32 recipients to count now against quotas and limits, 0: none;
 *         u64 session, u32 n of the message that they are of; u8 1: what was counted for that
 *         message is given back, the rest of the question does not matter; else 0.
 *         Of MSG_DIR_MAIL_IS: u64 cookie; u8 1 for a database fault, else 0; DIR_BY_COUNT
 *         times {text customer, empty: none; u8 flags}; DIR_QUOTA_COUNT times {u64 limit, u64
 *         used}; DIR_LIMIT_COUNT times {u64 limit, u64 used, u32 span, u32 wait}; u8 1 when the
 *         recipients were counted, else 0; u8 enum dir_sender; u64 recipient limit; u64 data
 *         limit; text groups of the login, with blanks between.
 * Own     slices of what was read borrow from the payload.
 * Errors  the readers return false, with nothing set, for what is not of that form.
 * Limits  HELO DIR_HELO_MAX octets (longer ones are cut: no domain is longer), addresses as
 *         in answer.h, customers DIR_CUSTOMER_MAX. */
#ifndef DIRECTORY_MAIL_H
#define DIRECTORY_MAIL_H
#include "base/id.h"
#include "base/netset.h"
#include "directory/answer.h"

enum { DIR_HELO_MAX = 255, DIR_CUSTOMER_MAX = 64 };

struct dir_mail_ask {
    uint64_t cookie;
    uint8_t service; /* enum config_service */
    struct ip ip;
    struct slice helo, local, domain, login;
    uint32_t spend;
    struct message_id
        message; /* whose recipients they are: asked again, it counts once */
    bool give_back;
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

/* What users and relay customers may send in any span of that length (directory/spend.h). */
enum dir_limit_of {
    DIR_LIMIT_USER_MESSAGES = 0, /* of who logged in on submission */
    DIR_LIMIT_USER_RECIPIENTS,
    DIR_LIMIT_RELAY_DAY,  /* of the customer, in recipients, as the two below */
    DIR_LIMIT_RELAY_USER, /* of the sender, who has an address in the customer's domains */
    DIR_LIMIT_RELAY_PEAK,
    DIR_LIMIT_COUNT
};
struct dir_limit {
    uint64_t limit, used; /* limit 0: none, and then the rest is 0 */
    uint32_t span_s;
    uint32_t
        wait_s; /* until what was asked for fits; asked for nothing: one more. 0: it fits, or
                      * never will */
};

struct dir_mail {
    uint64_t cookie;
    bool fault; /* the database cannot tell: 4yz */
    struct dir_customer customer[DIR_BY_COUNT];
    enum dir_sender sender;
    struct dir_quota quota[DIR_QUOTA_COUNT];
    struct dir_limit limit[DIR_LIMIT_COUNT];
    bool spent; /* ask.spend was counted: no quota and no limit is passed by it */
    uint64_t recipients, data; /* of one message, by a push account or a user; 0: none */
    struct slice groups;       /* of the user who logged in (submission) */
};

/* By which way the mail is a relay customer's: the first of login, address and, where presenting a
 * domain is enough, sender and HELO that leads to one; DIR_BY_COUNT: none does. */
enum dir_by dir_mail_by(const struct dir_mail *m);

/* How many of that limit's units a message with so many recipients is. */
uint64_t dir_limit_units(enum dir_limit_of which, uint64_t recipients);
/* Would so many units more pass it? */
bool dir_limit_passed(const struct dir_limit *l, uint64_t units);

void dir_mail_ask_write(struct buf *b, const struct dir_mail_ask *a);
MUST_USE bool dir_mail_ask_read(struct slice payload, struct dir_mail_ask *out);
void dir_mail_write(struct buf *b, const struct dir_mail *m);
MUST_USE bool dir_mail_read(struct slice payload, struct dir_mail *out);
#endif
