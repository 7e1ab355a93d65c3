/* daemon/roles.h - the roles that `postern run` starts. */
#ifndef DAEMON_ROLES_H
#define DAEMON_ROLES_H
#include "proc/role.h"

extern const struct role_ops *const roles[];
extern const unsigned roles_n;
#endif
