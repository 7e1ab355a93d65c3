/* delivery/pool.c - see pool.h */
#include "delivery/pool.h"

#include "base/clock.h"
#include "base/log.h"
#include "queue/sent.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

struct pool {
    struct pool_way way;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct list waiting, done;
    unsigned running; /* begun and not taken */
    unsigned worker_n;
    bool ending;
    int fd;
    pthread_t worker[POOL_WORKERS_MAX];
};

/* --- one order ------------------------------------------------------------------------- */

struct pool_order *pool_order_new(struct slice payload)
{
    struct pool_order *o = calloc(1, sizeof *o);
    if (o == NULL) {
        return NULL;
    }
    list_init(&o->node);
    list_init(&o->all);
    o->fd = -1;
    buf_init(&o->payload, JOB_PAYLOAD_MAX);
    buf_init(&o->done, JOB_PAYLOAD_MAX);
    if (!buf_add(&o->payload, payload) || !job_read(buf_slice(&o->payload), &o->job)) {
        pool_order_free(&o);
    }
    return o;
}

void pool_order_free(struct pool_order **o)
{
    if (*o != NULL) {
        buf_clear(&(*o)->payload);
        buf_clear(&(*o)->done);
        free(*o);
        *o = NULL;
    }
}

void pool_log_outcome(const struct job *j, const struct job_target *t,
                      const struct outcome *o, const char *transport, uint64_t ms)
{
    static const char *const events[] = {[JOB_DELIVERED] = "delivered",
                                         [JOB_DEFERRED] = "deferred",
                                         [JOB_FAILED] = "failed"};
    struct fields f = {0};
    char id[ID_TEXT_MAX];
    fields_add(&f, "id", id_text(j->id, id));
    fields_add(&f, "to", t->address);
    fields_add_str(&f, "transport", transport);
    fields_add(&f, "where", (struct slice){o->where, o->where_len});
    fields_add(&f, "reply", (struct slice){o->reply, o->reply_len});
    fields_add_u64(&f, "ms", ms);
    log_event(o->result == JOB_DELIVERED ? LOG_INFO : LOG_WARN, j->id.session,
              events[o->result], &f);
}

static void refuse_all(struct outcome *out, unsigned n, enum source_res res)
{
    for (unsigned i = 0; i < n; i++) {
        outcome_set_fmt(&out[i], JOB_DEFERRED,
                        res == SOURCE_IO
                            ? "451 4.3.0 the message in the spool cannot be read"
                            : "451 4.3.0 the message in the spool is damaged (checksum)");
    }
}

static bool is_return_path(struct slice address)
{
    return sent_is_token(slice_sub(address, 0, slice_rfind(address, '@')));
}

/* It says the same of all of them; what a complaint is about, to one that is for complaints. */
static void report_to_all(const struct job_target *target, unsigned n,
                          struct outcome *own)
{
    struct slice reporter = own[0].reporter, original = own[0].original;
    unsigned to = 0;
    while (to < n - 1 && is_return_path(target[to].address)) {
        to++;
    }
    own[0].reporter = own[0].original = SLICE("");
    for (unsigned i = 1; i < n; i++) {
        own[i] = own[0];
    }
    own[to].reporter = reporter;
    own[to].original = original;
}

void pool_run(const struct pool_way *way, struct maildir_work *work,
              struct lmtp_link *link, struct pool_order *o)
{
    struct job_target target[JOB_TARGETS_MAX];
    bool report = (o->job.flags & JOB_REPORT) != 0;
    const char *transport = report ? "report" : way->lmtp != NULL ? "lmtp" : "maildir";
    uint64_t start_ms = clock_mono_ms();
    struct job targets = o->job;
    struct source src;
    struct report_about about;
    unsigned n = 0;
    while (n < JOB_TARGETS_MAX && job_next_target(&targets, &target[n])) {
        n++;
    }
    BUG_ON(n == 0); /* job_read() saw one */
    struct outcome *own = calloc(n, sizeof *own);
    const struct outcome *out = own;
    enum source_res res = source_open(&src, o->fd, &o->job);
    BUG_ON(own == NULL);
    if (res != SOURCE_OK) {
        refuse_all(own, n, res);
    } else if (report) {
        report_read(way->reports, &src, &o->job, &about, &own[0]);
        report_to_all(target, n, own);
    } else if (way->lmtp != NULL) {
        out = lmtp_deliver(link, &src, &o->job, target, n);
    } else {
        for (unsigned i = 0; i < n; i++) {
            maildir_deliver(way->maildir, work, &src, &o->job, &target[i], &own[i]);
        }
    }
    source_close(&src);
    uint64_t ms = clock_mono_ms() - start_ms;
    job_done_write(&o->done, o->job.job, (uint16_t)n);
    for (unsigned i = 0; i < n; i++) {
        outcome_write(&out[i], target[i].number, transport, &o->done);
        pool_log_outcome(&o->job, &target[i], &out[i], transport, ms);
    }
    BUG_ON(o->done.failed); /* outcome.h: they fit */
    free(own);
}

/* --- the threads ----------------------------------------------------------------------- */

/* The next order; NULL: none came in ms (0: waits for ever), or the pool ends. */
static struct pool_order *next_order(struct pool *p, unsigned ms)
{
    struct timespec until;
    int res = 0;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    while (list_empty(&p->waiting) && !p->ending && res == 0) {
        res = ms == 0 ? pthread_cond_wait(&p->wake, &p->lock)
                      : pthread_cond_timedwait(&p->wake, &p->lock, &until);
    }
    if (list_empty(&p->waiting) || p->ending) {
        return NULL;
    }
    struct pool_order *o = LIST_ITEM(p->waiting.next, struct pool_order, node);
    list_remove(&o->node);
    p->running++;
    return o;
}

static void tell(const struct pool *p)
{
    const uint64_t one = 1;
    while (write(p->fd, &one, sizeof one) < 0 && errno == EINTR) {
    }
}

static void *worker_main(void *arg)
{
    struct pool *p = arg;
    struct maildir_work *work = maildir_work_new();
    struct lmtp_link *link =
        p->way.lmtp == NULL ? NULL : lmtp_link_new(p->way.lmtp, p->way.hostname);
    if (work == NULL || (p->way.lmtp != NULL && link == NULL)) {
        fatal("delivery: no memory for a worker");
    }
    (void)pthread_mutex_lock(&p->lock);
    while (!p->ending) {
        bool kept = link != NULL && lmtp_link_connected(link);
        struct pool_order *o = next_order(p, kept ? LMTP_IDLE_MS : 0);
        (void)pthread_mutex_unlock(&p->lock);
        if (o != NULL) {
            pool_run(&p->way, work, link, o);
        } else if (kept) {
            lmtp_link_end(link);
        }
        (void)pthread_mutex_lock(&p->lock);
        if (o != NULL) {
            list_append(&p->done, &o->node);
            tell(p);
        }
    }
    (void)pthread_mutex_unlock(&p->lock);
    lmtp_link_free(&link);
    maildir_work_free(&work);
    return NULL;
}

struct pool *pool_new(const struct pool_way *way)
{
    pthread_condattr_t attr;
    struct pool *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->way = *way;
    list_init(&p->waiting);
    list_init(&p->done);
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&p->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->fd < 0) {
        pool_free(&p);
    }
    return p;
}

bool pool_start(struct pool *p, unsigned workers)
{
    while (p->worker_n < workers && p->worker_n < POOL_WORKERS_MAX &&
           pthread_create(&p->worker[p->worker_n], NULL, worker_main, p) == 0) {
        p->worker_n++;
    }
    if (p->worker_n < workers) {
        log_text(LOG_WARN, "few-workers", "%u of %u threads started", p->worker_n,
                 workers);
    }
    return p->worker_n > 0;
}

void pool_free(struct pool **pool)
{
    struct pool *p = *pool;
    struct pool_order *o;
    if (p == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&p->lock);
    p->ending = true;
    (void)pthread_cond_broadcast(&p->wake);
    (void)pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->worker_n; i++) {
        (void)pthread_join(p->worker[i], NULL);
    }
    while ((o = pool_drop(p)) != NULL || (o = pool_take(p)) != NULL) {
        pool_order_free(&o);
    }
    if (p->fd >= 0) {
        (void)close(p->fd);
    }
    (void)pthread_cond_destroy(&p->wake);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
    *pool = NULL;
}

int pool_fd(const struct pool *p)
{
    return p->fd;
}

void pool_put(struct pool *p, struct pool_order *o)
{
    (void)pthread_mutex_lock(&p->lock);
    list_append(&p->waiting, &o->node);
    (void)pthread_cond_signal(&p->wake);
    (void)pthread_mutex_unlock(&p->lock);
}

static struct pool_order *take_from(struct pool *p, struct list *from, bool began)
{
    struct pool_order *o = NULL;
    (void)pthread_mutex_lock(&p->lock);
    if (!list_empty(from)) {
        o = LIST_ITEM(from->next, struct pool_order, node);
        list_remove(&o->node);
        p->running -= began;
    }
    (void)pthread_mutex_unlock(&p->lock);
    return o;
}

struct pool_order *pool_take(struct pool *p)
{
    return take_from(p, &p->done, true);
}

struct pool_order *pool_drop(struct pool *p)
{
    return take_from(p, &p->waiting, false);
}

unsigned pool_running(struct pool *p)
{
    (void)pthread_mutex_lock(&p->lock);
    unsigned n = p->running;
    (void)pthread_mutex_unlock(&p->lock);
    return n;
}
