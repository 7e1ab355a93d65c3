/* queue/ledger.h - outcomes on their way into the journal.
 *
 * Order   a change is written (spool_store_settle) before anything else is done about it,
 *         synced together with others, and only then is a finished message given up
 *         (spool_store_done, which may drop its segment): so a message that was given up is
 *         never found again, whatever crashes. What was delivered but not synced yet is
 *         delivered again after a power cut: the documented window, LEDGER_SYNC_MS wide. (The death of
 *         processes takes nothing away that was written.)
 * Errors  what the journal does not take is kept and written by the next ledger_sync(); until
 *         then ledger_ok() is false, and no new delivery or change should be started.
 * I/O     through spool/store.h only.
 * Limits  what is kept while the journal fails is bounded by what was in delivery then. */
#ifndef QUEUE_LEDGER_H
#define QUEUE_LEDGER_H
#include "queue/index.h"

enum { LEDGER_SYNC_MS = 50 };

struct ledger_entry;
struct queue_ledger {
    struct spool_store *store; /* borrowed */
    /* Changes of one message that are not written yet. */
    const struct queue_message *message;
    uint16_t number[SPOOL_RECIPIENTS_MAX], n;
    struct ledger_entry *kept; /* not taken by the journal, in order */
    size_t kept_n, kept_cap;
    struct message_id *finished; /* wait for the sync */
    size_t finished_n, finished_cap;
    bool failing, unsynced;
};

void ledger_init(struct queue_ledger *l, struct spool_store *store);
void ledger_clear(
    struct queue_ledger *l); /* what was not synced is left to the next replay */

/* From the index's callbacks. A message that finishes is one entry, whatever changed. */
void ledger_changed(struct queue_ledger *l, const struct queue_message *m,
                    uint16_t number);
void ledger_finished(struct queue_ledger *l, const struct queue_message *m);
/* After every call of the index that changes something, before messages can go away. */
void ledger_flush(struct queue_ledger *l);

/* A message that the journal says is done already (after replay). */
void ledger_known_done(struct queue_ledger *l, struct message_id id);

MUST_USE bool ledger_waits(const struct queue_ledger *l); /* for a sync */
/* Everything to disk, then gives up what is finished. Returns ledger_ok(). */
bool ledger_sync(struct queue_ledger *l);
MUST_USE bool ledger_ok(const struct queue_ledger *l);
#endif
