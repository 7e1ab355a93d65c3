/* daemon/roles.c - see roles.h. Each role is one line here and one file beside this one. */
#include "daemon/roles.h"

const struct role_ops *const roles[] = {
    &directory_ops, &queue_ops, &delivery_ops, &smtpd_ops, &trace_ops,
};
const unsigned roles_n = sizeof roles / sizeof roles[0];
