/* directory/password.h - yescrypt hashes of passwords (libxcrypt).
 *
 * Cost    one hash takes some ten milliseconds of one core by design: never in an
 *         event loop.
 * Never   a password reaches a log, a trace or a message between roles; callers
 *         clear theirs. */
#ifndef DIRECTORY_PASSWORD_H
#define DIRECTORY_PASSWORD_H
#include "base/slice.h"

enum {
    DIR_HASH_MAX = 384,         /* with its NUL */
    DIR_PASSWORD_MAX = 512,     /* what libxcrypt takes, with its NUL */
    DIR_PASSWORD_GENERATED = 24 /* four letters or digits and a "-", five times */
};

/* As SASLprep has it (RFC 4013; Unicode 3.2, NFKC), in place: what SCRAM clients do to a password,
 * so that PLAIN and SCRAM agree on it. stored: it is being set, and unassigned code points are not
 * taken. False, and nothing is changed: not UTF-8, prohibited characters, or nothing left. */
MUST_USE bool dir_password_prepare(char password[DIR_PASSWORD_MAX], bool stored);

/* False: libxcrypt could not (no memory, no yescrypt, an empty or too long password). */
MUST_USE bool dir_password_hash(const char *password, char out[DIR_HASH_MAX]);

/* In constant time beside the hash's own. */
MUST_USE bool dir_password_check(const char *hash, const char *password);

/* Looks like a hash that dir_password_hash() makes. */
MUST_USE bool dir_password_hash_ok(const char *hash);

/* 100 random bits: "k3v9-x2mq-...". */
void dir_password_generate(char out[DIR_PASSWORD_GENERATED + 1]);
#endif
