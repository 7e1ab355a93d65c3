/* directory/login.h - what smtpd and the directory say to each other during AUTH (pure).
 *
 * Layout  of MSG_DIR_AUTH: u64 cookie; u8 enum dir_auth_step; then
 *         BEGIN     u8 enum config_service; u8 1 if there is an initial response, else 0;
 *                   text mechanism; text initial response; text client address; text
 *                   tls-exporter binding, empty without TLS
 *         NAMED     u8 enum config_service; text login; text client address: a trusted proxy
 *                   says who logged in there
 *         RESPONSE  text response
 *         ABORT     nothing
 *         Of MSG_DIR_AUTH_IS: u64 cookie; u8 enum dir_auth_kind; u8 enum dir_auth_why; u64
 *         seconds to wait; text challenge, or login; text account. ABORT has no answer.
 * Secrets these messages carry passwords: whoever holds one wipes it.
 * Own     slices of what was read borrow from the payload.
 * Errors  the readers return false, with nothing set, for what is not of that form. */
#ifndef DIRECTORY_LOGIN_H
#define DIRECTORY_LOGIN_H
#include "base/wire.h"

enum { DIR_AUTH_MAX = 10000 }; /* octets of such a message */

enum dir_auth_step {
    DIR_AUTH_BEGIN = 0,
    DIR_AUTH_RESPONSE,
    DIR_AUTH_NAMED,
    DIR_AUTH_ABORT,
    DIR_AUTH_STEPS
};

struct dir_auth_ask {
    uint64_t cookie;
    enum dir_auth_step step;
    uint8_t service;
    bool has_initial;
    struct slice mechanism, text, ip, binding;
};

enum dir_auth_kind {
    DIR_AUTH_CHALLENGE = 0,
    DIR_AUTH_OK,
    DIR_AUTH_REFUSED,
    DIR_AUTH_KINDS
};

/* Each is a row of the catalogue. */
enum dir_auth_why {
    DIR_AUTH_WRONG = 0, /* user or password: nobody is told which */
    DIR_AUTH_MALFORMED, /* the response is not of the mechanism's form */
    DIR_AUTH_TOO_MANY,
    DIR_AUTH_FAULT,        /* the directory cannot tell */
    DIR_AUTH_LOCKED,       /* from here on: the password was right */
    DIR_AUTH_APP_PASSWORD, /* but it is the main one of an account with a second factor */
    DIR_AUTH_NEW_NETWORK,
    DIR_AUTH_WHYS
};

struct dir_auth {
    uint64_t cookie;
    enum dir_auth_kind kind;
    enum dir_auth_why why;
    uint64_t retry; /* seconds */
    struct slice text, account;
};

void dir_auth_ask_write(struct buf *b, const struct dir_auth_ask *a);
MUST_USE bool dir_auth_ask_read(struct slice payload, struct dir_auth_ask *out);
void dir_auth_write(struct buf *b, const struct dir_auth *a);
MUST_USE bool dir_auth_read(struct slice payload, struct dir_auth *out);
#endif
