/* delivery/remote_sign.c - see remote.h: what is large is read for its DKIM signatures by a thread, before it gets a connection;
 * they are there (delivery/signer.h) when it goes out. */
#include "base/clock.h"
#include "base/log.h"
#include "delivery/remote_impl.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { SIGN_APART = 256 * 1024 }; /* octets; less takes about a millisecond */

struct order_sign {
    struct remote_work work;
    struct remote *remote;
    struct remote_order *order; /* NULL: it is gone */
    struct job job;             /* what source.h reads of it: no slices */
    struct source src;
    struct signer_work *signing;
    int fd; /* of our own: the order's is closed when it goes */
};

static void run(struct remote_work *w)
{
    struct order_sign *s = (struct order_sign *)(void *)w; /* its first member */
    signer_hash(s->signing, &s->src, &s->job);
}

static void sign_free(struct order_sign *s)
{
    source_close(&s->src);
    (void)close(s->fd);
    free(s);
}

static void done(struct remote_work *w)
{
    struct order_sign *s = (struct order_sign *)(void *)w;
    struct remote_order *o = s->order;
    signer_end(s->remote->options.signer, &s->signing, &s->src, &s->job);
    sign_free(s);
    if (o != NULL) {
        o->signing = NULL;
        order_signed(o);
    }
}

void order_sign_end(struct remote_order *o)
{
    if (o->signing != NULL) {
        o->signing->order = NULL;
        o->signing = NULL;
    }
}

bool order_sign(struct remote_order *o)
{
    const struct job *j = &o->order->job;
    struct signer *signer = o->remote->options.signer;
    if (signer == NULL || j->message_len < SIGN_APART ||
        o->remote->options.work == NULL) {
        return false;
    }
    struct order_sign *s = calloc(1, sizeof *s);
    int fd = s == NULL ? -1 : fcntl(o->order->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) {
        free(s);
        return false;
    }
    s->work = (struct remote_work){.run = run, .done = done};
    s->remote = o->remote;
    s->order = o;
    s->fd = fd;
    s->job = *j;
    s->job.sender = s->job.account = SLICE("");
    if (source_open(&s->src, fd, &s->job) == SOURCE_OK) {
        s->signing = signer_begin(signer, &s->src, &s->job, clock_wall_ms() / 1000);
    }
    if (s->signing != NULL && remote_work(o->remote, &s->work)) {
        o->signing = s;
        return true;
    }
    if (s->signing != NULL) { /* too much to do: as it is sent */
        signer_end(signer, &s->signing, &s->src, &s->job);
    }
    sign_free(s);
    return false;
}
