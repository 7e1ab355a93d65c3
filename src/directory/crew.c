/* directory/crew.c - see crew.h */
#include "directory/crew.h"

#include "base/log.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct crew {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct list waiting, done; /* under the lock */
    unsigned n;                /* the owner's */
    int fd;
};

static void *work(void *arg)
{
    struct crew *c = arg;
    static const uint64_t one = 1;
    for (;;) {
        (void)pthread_mutex_lock(&c->lock);
        while (list_empty(&c->waiting)) {
            (void)pthread_cond_wait(&c->more, &c->lock);
        }
        struct crew_job *job = LIST_ITEM(c->waiting.next, struct crew_job, node);
        list_remove(&job->node);
        (void)pthread_mutex_unlock(&c->lock);
        job->run(job);
        (void)pthread_mutex_lock(&c->lock);
        list_append(&c->done, &job->node);
        (void)pthread_mutex_unlock(&c->lock);
        if (write(c->fd, &one, sizeof one) != (ssize_t)sizeof one) {
            fatal("eventfd");
        }
    }
    return NULL;
}

struct crew *crew_new(void)
{
    struct crew *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (c->fd < 0 || pthread_mutex_init(&c->lock, NULL) != 0 ||
        pthread_cond_init(&c->more, NULL) != 0) {
        free(c);
        return NULL;
    }
    list_init(&c->waiting);
    list_init(&c->done);
    return c;
}

bool crew_start(struct crew *c, unsigned threads)
{
    unsigned started = 0;
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, &before); /* signals are the loop's */
    for (unsigned i = 0; i < threads && i < CREW_THREADS_MAX; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work, c) == 0) {
            (void)pthread_detach(thread);
            started++;
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started > 0;
}

int crew_fd(const struct crew *c)
{
    return c->fd;
}

bool crew_put(struct crew *c, struct crew_job *job)
{
    if (c->n >= CREW_JOBS_MAX) {
        return false;
    }
    c->n++;
    (void)pthread_mutex_lock(&c->lock);
    list_append(&c->waiting, &job->node);
    (void)pthread_cond_signal(&c->more);
    (void)pthread_mutex_unlock(&c->lock);
    return true;
}

struct crew_job *crew_take(struct crew *c)
{
    struct crew_job *job = NULL;
    uint64_t count = 0;
    if (read(c->fd, &count, sizeof count) < 0) {
        count = 0; /* nothing new; something may be left all the same */
    }
    (void)pthread_mutex_lock(&c->lock);
    if (!list_empty(&c->done)) {
        job = LIST_ITEM(c->done.next, struct crew_job, node);
        list_remove(&job->node);
        c->n--;
    }
    (void)pthread_mutex_unlock(&c->lock);
    return job;
}
