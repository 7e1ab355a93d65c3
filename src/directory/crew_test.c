/* directory/crew_test.c - jobs are run on other threads, each once, and come back. */
#include "directory/crew.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <poll.h>
#include <pthread.h>

enum { WAIT_MS = 10000, THREADS = 4 };

struct job {
    struct crew_job base;
    pthread_t thread;
    unsigned ran;
};

/* Closed: jobs wait in run(). */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void run(struct crew_job *base)
{
    struct job *job = (struct job *)(void *)base;
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    job->thread = pthread_self();
    job->ran++;
}

static struct job jobs[CREW_JOBS_MAX + 1];

static void prepare(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        jobs[i] = (struct job){.base = {.run = run}};
        list_init(&jobs[i].base.node);
    }
}

/* The next one that is done; the descriptor tells of it. */
static struct job *next(struct crew *c)
{
    struct pollfd p = {.fd = crew_fd(c), .events = POLLIN};
    for (;;) {
        struct crew_job *job = crew_take(c);
        if (job != NULL) {
            return (struct job *)(void *)job;
        }
        assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    }
}

/* There is no way to end a crew but the process: one serves all tests. */
static struct crew *crew;

static void test_many(void **state)
{
    (void)state;
    prepare(CREW_JOBS_MAX);
    for (unsigned round = 1; round <= 3; round++) {
        for (unsigned i = 0; i < CREW_JOBS_MAX; i++) {
            assert_true(crew_put(crew, &jobs[i].base));
        }
        for (unsigned i = 0; i < CREW_JOBS_MAX; i++) {
            struct job *job = next(crew);
            assert_int_equal(job->ran, round);
            assert_false(pthread_equal(job->thread, pthread_self()));
        }
        assert_null(crew_take(crew));
    }
}

static void test_no_more_than_may(void **state)
{
    (void)state;
    prepare(CREW_JOBS_MAX + 1);
    (void)pthread_mutex_lock(&gate);
    for (unsigned i = 0; i < CREW_JOBS_MAX; i++) {
        assert_true(crew_put(crew, &jobs[i].base));
    }
    assert_false(crew_put(crew, &jobs[CREW_JOBS_MAX].base));
    assert_null(crew_take(crew)); /* nothing is done: it does not wait */
    (void)pthread_mutex_unlock(&gate);
    (void)next(crew);
    assert_true(crew_put(crew, &jobs[CREW_JOBS_MAX].base)); /* one taken, room for one */
    for (unsigned i = 0; i < CREW_JOBS_MAX; i++) {
        (void)next(crew);
    }
    for (unsigned i = 0; i <= CREW_JOBS_MAX; i++) {
        assert_int_equal(jobs[i].ran, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many),
                                       cmocka_unit_test(test_no_more_than_may)};
    crew = crew_new();
    if (crew == NULL || !crew_start(crew, THREADS)) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
