/* directory/settings.h - what a hosted domain demands of mail to it: as administrators type
 * it, as the database keeps it, as smtpd is told it (pure).
 *
 * Encoded u16 n, n times {16 octets address (IPv4 mapped), u8 bits}; u8 enum dir_tls; u16 n,
 *         n texts (domains); u8 1 for one domain a transaction, else 0; u32 policies; u64
 *         message size. Empty: nothing is set.
 * Own     slices of read settings borrow from the payload.
 * Limits  DIR_SETTING_NETWORKS_MAX networks, DIR_SETTING_DOMAINS_MAX octets of domains
 *         (encoded); so never more than DIR_SETTINGS_MAX octets encoded. */
#ifndef DIRECTORY_SETTINGS_H
#define DIRECTORY_SETTINGS_H
#include "base/netset.h"
#include "base/wire.h"

enum {
    DIR_SETTINGS_MAX = 4096, /* octets, encoded */
    DIR_SETTING_NETWORKS_MAX = 64,
    DIR_SETTING_DOMAINS_MAX = 2900,
    DIR_SETTING_TEXT_MAX = 4096, /* octets of a value as text, with its NUL */
    DIR_POLICIES_MAX = 1000,
};

/* The name of each is an option of `postern domain` and a name in domain_setting. */
enum dir_setting {
    DIR_SETTING_NETWORKS = 0,
    DIR_SETTING_TLS,
    DIR_SETTING_ONE_DOMAIN,
    DIR_SETTING_POLICIES,
    DIR_SETTING_SIZE,
    DIR_SETTING_COUNT
};
extern const char *const dir_setting_names[DIR_SETTING_COUNT];

/* What an administrator typed, in the form that is kept; empty: unset. NULL is success;
 * otherwise what is wrong with it. */
MUST_USE const char *dir_setting_read(enum dir_setting which, const char *text,
                                      char out[DIR_SETTING_TEXT_MAX]);

/* Appends the encoded form of values that dir_setting_read() made (NULL: unset; others are
 * left out). Adds nothing when none is set. */
void dir_settings_encode(struct buf *out, const char *const value[DIR_SETTING_COUNT]);

enum dir_tls { DIR_TLS_NONE = 0, DIR_TLS_ALL, DIR_TLS_LISTED, DIR_TLS_COUNT };

struct dir_settings {
    bool any;                           /* false: all others are as if unset */
    struct slice networks, tls_domains; /* encoded */
    enum dir_tls tls;
    bool one_domain;
    uint32_t policies;     /* most in a transaction with a recipient here; 0: unset */
    uint64_t message_size; /* octets; 0: unset */
};
MUST_USE bool dir_settings_read(struct slice encoded, struct dir_settings *out);

/* Is it in the listed networks, or is none listed? */
MUST_USE bool dir_settings_allow(const struct dir_settings *s, const struct ip *ip);
/* Must mail from this sender's domain (empty: <>) come over TLS? A listed domain stands for
 * the names below it too. */
MUST_USE bool dir_settings_want_tls(const struct dir_settings *s, struct slice domain);
#endif
