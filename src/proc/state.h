/* proc/state.h - state-dir made ready before any role starts: user, directories, lock, control
 * sockets. All of it as the supervisor, so as root where the server was started by root.
 *
 * Errors  fatal(), with what to do about it. */
#ifndef PROC_STATE_H
#define PROC_STATE_H
#include "proc/sandbox.h"

/* Whom the roles run as: the setting `user` when we are root, else ourselves. */
struct sandbox_user state_user(const struct config *config);

/* Makes what is missing of state-dir; the directories of the roles belong to the user. */
void state_make(const struct config *config, const struct sandbox_user *user);

/* Locks state-dir against a second server; the lock lasts while any copy of the descriptor
 * is open. Waits a little for roles of a server that was killed. */
MUST_USE int state_lock(const struct config *config);

/* Listening socket <state-dir>/control/NAME.sock, mode 0600, non-blocking. */
MUST_USE int state_control(const struct config *config, const struct sandbox_user *user,
                           const char *name);
#endif
