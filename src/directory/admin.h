/* directory/admin.h - the administrator's requests: `postern domain|user|alias|relay|push|rule|trap ...`.
 * One function for both ways: the directory role answers with it over its control socket
 * (proc/control.h), the command line calls it itself while no server runs.
 *
 * Request {"object":"user","action":"add","subject":"alice@example.test", options ...};
 *         options are the rows of dir_admin_options, "targets" an array of addresses. Of
 *         rule add, subject is its conditions, targets its action and that one's text.
 * Answer  lines, one object each: a change says {"object","subject","did"}; list and show
 *         give one line an entry. Then a status as cmd/cmd.h has them, and an error's text.
 * Own     request and store must live until dir_admin_free(). The lines are the caller's.
 * Memory  lists are read in pages: a page is all that is held between two calls, and no lock.
 * Errors  0 done, 1 refused or not found, 2 the request is wrong, 4 the database. After 1 to 4
 *         nothing was changed. */
#ifndef DIRECTORY_ADMIN_H
#define DIRECTORY_ADMIN_H
#include "directory/store.h"

#include <jansson.h>

enum dir_object {
    DIR_OBJECT_DOMAIN = 0,
    DIR_OBJECT_USER,
    DIR_OBJECT_ALIAS,
    DIR_OBJECT_RELAY,
    DIR_OBJECT_PUSH,
    DIR_OBJECT_RULE,
    DIR_OBJECT_TRAP,
    DIR_OBJECT_COUNT
};
enum dir_action {
    DIR_ADD = 0,
    DIR_SET,
    DIR_LIST,
    DIR_SHOW,
    DIR_REMOVE,
    DIR_SUSPEND,
    DIR_RESUME,
    DIR_MOVE,
    DIR_ACTION_COUNT
};
extern const char *const dir_objects[DIR_OBJECT_COUNT];
extern const char *const dir_actions[DIR_ACTION_COUNT];

#define DIR_AT(object, action) (UINT64_C(1) << ((object)*DIR_ACTION_COUNT + (action)))
#define DIR_MANY                                                                         \
    (UINT64_C(1) << 63) /* it may be given several times: a list with commas */
_Static_assert(DIR_OBJECT_COUNT *DIR_ACTION_COUNT <= 63, "a set of commands has 63 bits");
/* Is there such a command? */
MUST_USE bool dir_admin_knows(enum dir_object object, enum dir_action action);

/* An option of the command line (--name) and member of a request ("name"). */
struct dir_admin_option {
    const char *name;
    const char *value; /* what follows it, for the help; NULL: nothing, it is true */
    uint64_t where;    /* DIR_AT() of the commands that know it; DIR_MANY */
    const char *help;
};
extern const struct dir_admin_option dir_admin_options[];
extern const size_t dir_admin_option_n;

struct dir_admin;
/* Carries the request out; NULL: out of memory. */
MUST_USE struct dir_admin *dir_admin_new(struct dir_store *store, json_t *request,
                                         uint64_t now_ms);
MUST_USE json_t *dir_admin_next(struct dir_admin *admin); /* NULL: that was all */
void dir_admin_free(struct dir_admin **admin);

int dir_admin_status(const struct dir_admin *admin); /* complete after the last line */
const char *dir_admin_error(const struct dir_admin *admin); /* NULL: none */
bool dir_admin_changed(const struct dir_admin *admin);
#endif
