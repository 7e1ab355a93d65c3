/* delivery/pool.h - threads that carry out delivery orders.
 *
 * Why     fsync() and slow servers block; many at once let the file system commit them as a
 *         group. docs/architecture.md has the numbers.
 * Thread  all functions are for the owner's thread; only pool_run() works on others.
 * Own     an order belongs to the pool from pool_put() to pool_take() or pool_drop(). */
#ifndef DELIVERY_POOL_H
#define DELIVERY_POOL_H
#include "base/list.h"
#include "delivery/lmtp.h"
#include "delivery/maildir.h"
#include "delivery/report.h"

enum { POOL_WORKERS_MAX = 256 };

struct pool_order {
    struct list node;
    struct buf payload; /* of the JOB; job's slices borrow from it */
    struct job job;
    int fd;        /* of the segment; borrowed */
    void *segment; /* the owner's, as these two: */
    struct list all;
    uint64_t told;   /* to which queue that we have it: the newest one */
    struct buf done; /* out: payload of JOB_DONE */
};
/* Copies the payload and reads it. NULL: it is no JOB. */
MUST_USE struct pool_order *pool_order_new(struct slice payload);
void pool_order_free(struct pool_order **o);

struct pool_way {
    const struct maildir_store *maildir;
    const struct lmtp_server *lmtp; /* NULL: Maildir */
    const char *hostname;
    struct report_reader *reports;
};

struct pool;
MUST_USE struct pool *pool_new(const struct pool_way *way);
/* Threads, of which at least one must start. */
MUST_USE bool pool_start(struct pool *p, unsigned workers);
void pool_free(struct pool **p); /* waits for what runs; drops what waits */

/* Readable (8 octets, eventfd) when pool_take() may have something. */
int pool_fd(const struct pool *p);
void pool_put(struct pool *p, struct pool_order *o);
struct pool_order *pool_take(struct pool *p); /* done ones; NULL: none now */
struct pool_order *pool_drop(struct pool *p); /* not begun ones; NULL: none */
unsigned pool_running(struct pool *p);        /* begun and not taken */

/* One line of the log: what became of a target. */
void pool_log_outcome(const struct job *j, const struct job_target *t,
                      const struct outcome *o, const char *transport, uint64_t ms);

/* Carries out one order on the calling thread (what the threads do). link: NULL unless LMTP. */
void pool_run(const struct pool_way *way, struct maildir_work *work,
              struct lmtp_link *link, struct pool_order *o);
#endif
