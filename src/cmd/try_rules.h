/* cmd/try_rules.h - of postern try: what the directory says of the recipient, and the administrators' rules
 * that a message to it meets; with a login, as one that a user sends, also those of the sender's domain.
 *
 * I/O     reads the directory's database, where there is one.
 * Own     what the facts borrow lives until try_rules_clear(). */
#ifndef CMD_TRY_RULES_H
#define CMD_TRY_RULES_H
#include "check/check.h"

enum { TRY_GROUPS_MAX = DIR_USER_GROUPS_MAX };

struct try_rules {
    struct arena arena;
    bool known; /* the directory was asked of the recipient */
    struct dir_answer answer;
    struct dir_settings settings;
    struct dir_mail mail;     /* with a login */
    struct check_rules of[2]; /* in the order in which they are asked */
    struct rule_set *set[2];  /* of these */
    unsigned n;
    struct check_effects effects;
    struct slice group[TRY_GROUPS_MAX];
};

/* Who sends; login: NULL, it comes from elsewhere. */
struct try_sender {
    const char *login, *helo;
    const struct ip *ip;
    const struct smtp_path *path;
};
/* rcpt: its domain need not be hosted here. False: it cannot be told; standard error says why. */
MUST_USE bool try_rules_load(struct try_rules *t, const struct config *cfg,
                             const struct smtp_path *rcpt,
                             const struct try_sender *sender);
/* Into the facts of MAIL. */
void try_rules_mail(const struct try_rules *t, struct check_facts *f);
/* Into the facts of the recipient. False: there is no directory. */
MUST_USE bool try_rules_rcpt(const struct try_rules *t, struct check_facts *f);
/* Into the facts of a message. */
void try_rules_facts(struct try_rules *t, struct check_facts *f);
void try_rules_clear(struct try_rules *t);
#endif
