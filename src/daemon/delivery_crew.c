/* daemon/delivery_crew.c - see delivery_crew.h */
#include "daemon/delivery_crew.h"

#include "directory/crew.h"

#include <event2/event.h>
#include <stdlib.h>

struct delivery_crew {
    struct crew *crew;
    struct event *done;
};

struct one {
    struct crew_job job;
    struct remote_work *work;
};

static void run(struct crew_job *job)
{
    struct remote_work *w = LIST_ITEM(&job->node, struct one, job.node)->work;
    w->run(w);
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
    struct delivery_crew *c = arg;
    struct crew_job *job;
    (void)fd, (void)what;
    while ((job = crew_take(c->crew)) != NULL) {
        struct one *one = LIST_ITEM(&job->node, struct one, job.node);
        struct remote_work *w = one->work;
        free(one);
        w->done(w);
    }
}

struct delivery_crew *delivery_crew_new(struct event_base *base, unsigned threads)
{
    struct delivery_crew *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->crew = crew_new();
    c->done = c->crew == NULL
                  ? NULL
                  : event_new(base, crew_fd(c->crew), EV_READ | EV_PERSIST, on_done, c);
    bool ok =
        c->done != NULL && event_add(c->done, NULL) == 0 && crew_start(c->crew, threads);
    return ok ? c : NULL; /* the role ends without one */
}

bool delivery_crew_put(struct delivery_crew *c, struct remote_work *w)
{
    struct one *one = calloc(1, sizeof *one);
    if (one == NULL) {
        return false;
    }
    one->work = w;
    one->job.run = run;
    list_init(&one->job.node);
    if (!crew_put(c->crew, &one->job)) {
        free(one);
        return false;
    }
    return true;
}
