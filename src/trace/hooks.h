/* trace/hooks.h - webhooks: where the events of an account are to be posted, and how far that is.
 *
 * Place    the next event that is due: number of its record and index in it (trace/event.h). It is
 *          written, and synced, when events were taken over there: so a restart loses none, and repeats at
 *          most those that were under way.
 * I/O      one SQLite file (WAL) beside trace.db. The trace role keeps the places; `postern webhook` adds and
 *          removes rows meanwhile.
 * Own      slices of a row live until each() returns.
 * Errors   false, NULL: hooks_error() says what (until the next call). */
#ifndef TRACE_HOOKS_H
#define TRACE_HOOKS_H
#include "base/slice.h"

enum {
    HOOKS_MAX = 1000,
    HOOKS_URL_MAX = 1000,
    HOOKS_SECRET_MAX = 200,
    HOOKS_ACCOUNT_MAX = 320,
    HOOKS_SAID_MAX = 200,
    HOOKS_ERROR_MAX = 300,
};

struct hook_row {
    uint64_t id;
    struct slice account; /* in lower case */
    struct slice url, secret;
    uint64_t record, index; /* the place */
    struct slice said;      /* what went wrong the last time; empty: nothing did */
    uint64_t said_ms;       /* when the last answer came; 0: never */
};

struct hooks;
/* Makes the file if it is not there. */
MUST_USE struct hooks *hooks_open(const char *path, char error[HOOKS_ERROR_MAX]);
void hooks_close(struct hooks **h);
const char *hooks_error(const struct hooks *h);

/* Events from that record on. False with *known: it is there already, or there are too many. */
MUST_USE bool hooks_add(struct hooks *h, const struct hook_row *row, bool *known);
/* url empty: all of the account. */
MUST_USE bool hooks_remove(struct hooks *h, struct slice account, struct slice url,
                           uint64_t *n);
MUST_USE bool hooks_each(struct hooks *h,
                         void (*each)(void *arg, const struct hook_row *row), void *arg);
MUST_USE bool hooks_move(struct hooks *h, uint64_t id, uint64_t record, uint64_t index);
bool hooks_say(struct hooks *h, uint64_t id, struct slice said, uint64_t now_ms);
/* Has somebody else written since the last call of this function? */
MUST_USE bool hooks_changed(struct hooks *h);
#endif
