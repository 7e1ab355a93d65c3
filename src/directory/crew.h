/* directory/crew.h - a few threads for what takes long by design, such as password hashes.
 *
 * Thread  all functions are for the owner's thread; only a job's run() works on others, and
 *         touches nothing but the job.
 * Own     a job belongs to the crew from crew_put() to crew_take().
 * Limits  CREW_JOBS_MAX jobs that wait or run. */
#ifndef DIRECTORY_CREW_H
#define DIRECTORY_CREW_H
#include "base/list.h"
#include "base/slice.h"

enum { CREW_JOBS_MAX = 512, CREW_THREADS_MAX = 16 };

struct crew_job {
    struct list node;
    void (*run)(struct crew_job *job);
};

struct crew;
MUST_USE struct crew *crew_new(void);
/* At least one must start. */
MUST_USE bool crew_start(struct crew *c, unsigned threads);
int crew_fd(const struct crew *c); /* readable when crew_take() may have something */
MUST_USE bool crew_put(struct crew *c, struct crew_job *job); /* false: too much to do */
struct crew_job *crew_take(struct crew *c); /* done ones; NULL: none now */
#endif
