/* directory/account.h - who may log in, with what, from where, and send as whom.
 *
 * Source  the tables user, app_password, user_network, user_grant and secret (db.c).
 * Own     a struct dir_account is a copy; clear it with dir_account_clear(), as it holds hashes.
 * Errors  DIR_ACCOUNT_FAULT: the database cannot tell; dir_store_fault() says why.
 * Salt    one user's keys for SCRAM all have the same salt: the server must name it before it
 *         knows with which password the client will prove itself. */
#ifndef DIRECTORY_ACCOUNT_H
#define DIRECTORY_ACCOUNT_H
#include "directory/name.h"
#include "directory/password.h"
#include "directory/store.h"
#include "sasl/sasl.h"

enum {
    DIR_APP_PASSWORDS_MAX = 16,
    DIR_APP_NAME_MAX = 64, /* octets */
    DIR_NETWORKS_MAX = 64, /* kept of a user; the one unused longest goes */
    DIR_SCRAM_ITERATIONS = 20000,
    DIR_SCRAM_SALT_LEN = 16,
    DIR_SCRAM_TEXT_MAX = 256, /* with its NUL */
    DIR_SECRET_LEN = 32,
    DIR_NETWORK_TEXT_MAX = 64,
};

/* A password of the account; the first one is the main one, and has no name. */
struct dir_credential {
    char name[DIR_APP_NAME_MAX + 1];
    char hash[DIR_HASH_MAX];
    bool has_keys;
    struct sasl_keys keys;
};

struct dir_account {
    int64_t id;
    char login[DIR_NAME_TEXT_MAX]; /* "ann@example.test" */
    bool disabled, locked;
    bool second_factor;  /* only application passwords */
    bool known_networks; /* only from networks seen before */
    bool network_known;  /* this client's is */
    unsigned n;          /* of credential; 0: nobody can log in */
    struct dir_credential credential[1 + DIR_APP_PASSWORDS_MAX];
};
void dir_account_clear(struct dir_account *a);

enum dir_account_res { DIR_ACCOUNT_FOUND = 0, DIR_ACCOUNT_NONE, DIR_ACCOUNT_FAULT };

/* user: as the client gave it: an address, or its local part where the server has one domain.
 * ip: text, the client's. */
MUST_USE enum dir_account_res dir_store_account(struct dir_store *s, struct slice user,
                                                struct slice ip, struct dir_account *out);
/* The same of a push account: its address and one password. */
MUST_USE enum dir_account_res
dir_store_push_account(struct dir_store *s, struct slice user, struct dir_account *out);
/* It logged in: keeps its network, and when the application password was used. */
void dir_store_logged_in(struct dir_store *s, const struct dir_account *a,
                         unsigned credential, struct slice ip, uint64_t now_ms);

/* Appends the names of the login's groups, with blanks between, DIR_GROUPS_LEN_MAX octets at most; none
 * for one that is no user. False: fault. */
MUST_USE bool dir_store_groups(struct dir_store *s, struct slice login, struct buf *out);

enum dir_send {
    DIR_SEND_YES = 0,
    DIR_SEND_NOT_YOURS, /* an address that the login has no claim to */
    DIR_SEND_DISABLED,  /* the account is disabled, or gone */
    DIR_SEND_FAULT,
};
/* May the login (as dir_store_account() gave it) send as this address? Its own, with or without
 * sub-address; an alias that leads to it; one that it was granted. An empty one: yes. */
MUST_USE enum dir_send dir_store_may_send(struct dir_store *s, struct slice login,
                                          struct slice local, struct slice domain);

/* The server's own random octets, made when first asked for. */
MUST_USE bool dir_store_secret(struct dir_store *s, unsigned char out[DIR_SECRET_LEN]);

/* The network that counts as one place: /24 of IPv4, /48 of IPv6. Empty: ip is no address. */
struct slice dir_network(struct slice ip, char out[DIR_NETWORK_TEXT_MAX]);

/* "iterations:salt:stored key:server key", the last three in base64. */
MUST_USE bool dir_scram_write(const struct sasl_keys *keys, char out[DIR_SCRAM_TEXT_MAX]);
MUST_USE bool dir_scram_read(struct slice text, struct sasl_keys *out);
#endif
