/* daemon/delivery_tls.c - see delivery_tls.h */
#include "daemon/delivery_tls.h"

#include "base/log.h"
#include "config/paths.h"
#include "daemon/delivery_crew.h"
#include "directory/crew.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FETCH_THREADS = CREW_THREADS_MAX, FLUSH_S = 1 };

struct delivery_tls {
    int dir;
    struct buf ca;
    struct sts *sts;
    struct tls_counts *counts;
    struct delivery_crew *crew;
    struct event *flush;
};

struct fetch_job {
    struct remote_work work;
    struct sts_fetch *fetch;
};

static void run(struct remote_work *w)
{
    sts_fetch_run(LIST_ITEM(w, struct fetch_job, work)->fetch);
}

static void fetched(struct remote_work *w)
{
    struct fetch_job *job = LIST_ITEM(w, struct fetch_job, work);
    struct sts_fetch *f = job->fetch;
    free(job);
    sts_fetched(f);
}

static bool fetch(void *arg, struct sts_fetch *f)
{
    struct delivery_tls *t = arg;
    struct fetch_job *job = malloc(sizeof *job);
    if (job == NULL) {
        return false;
    }
    *job = (struct fetch_job){{run, fetched}, f};
    if (!delivery_crew_put(t->crew, &job->work)) {
        free(job);
        return false;
    }
    return true;
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
    struct delivery_tls *t = arg;
    (void)fd, (void)what;
    tls_counts_flush(t->counts);
}

struct delivery_tls *delivery_tls_new(const struct config *config,
                                      char error[DELIVERY_TLS_ERROR_MAX])
{
    struct delivery_tls *t = calloc(1, sizeof *t);
    char path[4200];
    bool fetches = config->delivery_tls && config->delivery_mta_sts;
    (void)snprintf(error, DELIVERY_TLS_ERROR_MAX, "no memory");
    if (t == NULL) {
        return NULL;
    }
    (void)snprintf(path, sizeof path, "%s/" STATE_TLS, config->state_dir);
    t->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->dir < 0) {
        log_text(LOG_WARN, "tls-directory", "%s: %s: nothing is kept", path,
                 strerrordesc_np(errno));
    }
    if (fetches && !policy_get_ca(config->delivery_tls_ca, &t->ca)) {
        bool own = config->delivery_tls_ca[0] != '\0';
        (void)snprintf(error, DELIVERY_TLS_ERROR_MAX, "the authorities in %.300s: %s",
                       own ? config->delivery_tls_ca : "the file of the system",
                       strerrordesc_np(errno));
        if (own) {
            free(t);
            return NULL;
        }
        /* As TLS itself does without them: nobody can be verified. */
        log_text(LOG_WARN, "tls-authorities", "%s", error);
    }
    if (fetches && !policy_get_setup()) {
        (void)snprintf(error, DELIVERY_TLS_ERROR_MAX, "libcurl cannot be set up");
        free(t);
        return NULL;
    }
    return t;
}

bool delivery_tls_start(struct delivery_tls *t, const struct config *config,
                        struct event_base *base)
{
    struct timeval tv = {.tv_sec = FLUSH_S};
    t->counts = tls_counts_new(t->dir, config->delivery_tls_report_keep);
    t->flush = event_new(base, -1, EV_PERSIST, on_flush, t);
    if (t->counts == NULL || t->flush == NULL || event_add(t->flush, &tv) != 0) {
        return false;
    }
    if (!config->delivery_tls || !config->delivery_mta_sts) {
        return true;
    }
    struct sts_options options = {.config = config,
                                  .dir = t->dir,
                                  .ca = buf_slice(&t->ca),
                                  .counts = t->counts,
                                  .fetch = fetch,
                                  .fetch_arg = t};
    t->sts = sts_new(&options);
    t->crew = delivery_crew_new(base, FETCH_THREADS);
    return t->sts != NULL && t->crew != NULL;
}

struct sts *delivery_tls_sts(const struct delivery_tls *t)
{
    return t->sts;
}

struct tls_counts *delivery_tls_counts(const struct delivery_tls *t)
{
    return t->counts;
}

void delivery_tls_flush(struct delivery_tls *t)
{
    if (t->counts != NULL) {
        tls_counts_flush(t->counts);
    }
}
