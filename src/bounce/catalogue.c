/* What the catalogue's tables say to those outside. */
#include "bounce/table.h"

#include <string.h>

const struct bounce_class_info *bounce_class_info(enum bounce_class klass)
{
    return &bounce_class_table[klass];
}

bool bounce_class_named(struct slice name, enum bounce_class *out)
{
    for (unsigned i = 0; i < BOUNCE_CLASSES_N; i++) {
        if (slice_eq(name, slice_of(bounce_class_table[i].name))) {
            *out = (enum bounce_class)i;
            return true;
        }
    }
    return false;
}

const struct bounce_rule_info *bounce_rule_info(unsigned rule)
{
    return &bounce_rule_infos[rule];
}

const char *bounce_kind_name(enum bounce_kind kind)
{
    static const char *const names[] = {"none", "hard", "soft", "block"};
    return names[kind];
}

const char *bounce_scope_name(enum bounce_scope scope)
{
    static const char *const names[] = {"none",   "recipient", "domain", "source",
                                        "sender", "message",   "server"};
    return names[scope];
}

const char *bounce_subscope_name(enum bounce_subscope subscope)
{
    static const char *const names[] = {
        "none",   "ip",         "netblock",    "connections", "address",
        "domain", "spf-domain", "dkim-domain", "url-domain",  "message-id",
        "header", "attachment", "day",         "month"};
    _Static_assert(sizeof names / sizeof names[0] == BOUNCE_SUBSCOPE_MONTH + 1,
                   "all named");
    return names[subscope];
}

const char *bounce_action_name(enum bounce_action action)
{
    static const char *const names[] = {
        "nothing",    "retry", "retry-later", "slow-down", "pause-sender",
        "pause-site", "split", "suppress",    "give-up",   "unsubscribe"};
    _Static_assert(sizeof names / sizeof names[0] == BOUNCE_ACT_UNSUBSCRIBE + 1,
                   "all named");
    return names[action];
}

const char *bounce_stage_name(enum bounce_stage stage)
{
    static const char *const names[] = {"unknown", "connect", "helo", "starttls",
                                        "auth",    "mail",    "rcpt", "data",
                                        "eom",     "queue"};
    _Static_assert(sizeof names / sizeof names[0] == BOUNCE_STAGE_QUEUE + 1, "all named");
    return names[stage];
}

const char *bounce_provider_name(enum bounce_provider provider)
{
    return bounce_provider_names[provider];
}
