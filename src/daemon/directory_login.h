/* daemon/directory_login.h - AUTH exchanges in the directory role: the mechanisms' server side,
 * the passwords, the limits on guessing. No secret leaves it.
 *
 * Time    a wrong user name and a wrong password take the same way: a hash is computed for
 *         either, SCRAM invents keys, and the refusal is told at a time that counts from the
 *         response's arrival.
 * Limits  LOGINS_MAX exchanges at a time; beyond, and while too many hashes wait, the answer is
 *         DIR_AUTH_FAULT. */
#ifndef DAEMON_DIRECTORY_LOGIN_H
#define DAEMON_DIRECTORY_LOGIN_H
#include "config/config.h"
#include "directory/account.h"
#include "directory/introspect.h"
#include "directory/login.h"
#include "proc/channel.h"

enum { LOGINS_MAX = 4096 };

struct event_base;
struct logins;

/* Starts threads: in the sandbox. tokens: who judges them, or NULL; asked on threads of their
 * own, so that a slow endpoint keeps no password waiting. store: gives the one there is when
 * asked, or NULL. */
MUST_USE struct logins *logins_new(struct event_base *base, const struct config *config,
                                   const struct introspect *tokens,
                                   struct dir_store *(*store)(void *arg), void *arg);
void logins_free(struct logins **l);
/* A MSG_DIR_AUTH. False: malformed. */
MUST_USE bool logins_message(struct logins *l, struct channel *ch, struct slice payload);
/* A channel ends: its exchanges do too. */
void logins_gone(struct logins *l, const struct channel *ch);
#endif
