/* daemon/delivery_test.c - the delivery role, with a queue that this test plays. */
#include "delivery/delivery_testlib.h"
#include "proc/role.h"

#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

enum { SEAL = 77 };

static unsigned finished, kept_n;
static struct fixture *kept[16]; /* reachable to the end */

void role_finish(struct role_ctx *ctx)
{
    (void)ctx;
    finished++;
}

struct fixture {
    char dir[64], maildir[128];
    struct config config;
    struct role_ctx ctx;
    struct channel *role_end, *queue_end;
    unsigned done;       /* JOB_DONE heard */
    unsigned held, told; /* JOB_HELD, JOBS_TOLD */
    uint64_t last_job, last_held;
    struct job_outcome last; /* slices not kept */
    char last_reply[128];
};

static bool role_message(void *arg, struct channel *ch, const struct msg *m)
{
    struct fixture *f = arg;
    return delivery_ops.message(&f->ctx, ch, m);
}

static bool queue_message(void *arg, struct channel *ch, const struct msg *m)
{
    struct fixture *f = arg;
    struct wire_reader rest;
    struct job j;
    uint16_t n = 0;
    (void)ch;
    if (m->type == MSG_JOB_HELD) {
        assert_true(job_read(m->payload, &j));
        assert_int_equal(j.seal, SEAL + j.job); /* as it was given */
        f->last_held = j.job;
        f->held++;
        return true;
    }
    if (m->type == MSG_JOBS_TOLD) {
        f->told++;
        return true;
    }
    assert_int_equal(m->type, MSG_JOB_DONE);
    assert_true(f->told > 0);
    assert_true(job_done_read(m->payload, &f->last_job, &n, &rest));
    assert_int_equal(n, 1);
    assert_true(job_done_next(&rest, &f->last));
    (void)snprintf(f->last_reply, sizeof f->last_reply, "%.*s", (int)f->last.reply.len,
                   (const char *)f->last.reply.ptr);
    f->done++;
    return true;
}

static void gone(void *arg, struct channel *ch)
{
    (void)arg;
    (void)ch;
}

static const struct channel_ops role_side = {role_message, gone, NULL},
                                queue_side = {queue_message, gone, NULL};

static void connect_queue(struct fixture *f)
{
    int fd[2];
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    f->role_end =
        channel_new(f->ctx.base, fd[0], ROLE_delivery, ROLE_queue, 0, &role_side, f);
    f->queue_end =
        channel_new(f->ctx.base, fd[1], ROLE_queue, ROLE_delivery, 0, &queue_side, f);
    assert_true(f->role_end != NULL && f->queue_end != NULL);
    delivery_ops.peer(&f->ctx, f->role_end);
}

static void disconnect_queue(struct fixture *f)
{
    delivery_ops.peer_gone(&f->ctx, f->role_end);
    channel_free(&f->role_end);
    channel_free(&f->queue_end);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/delivery-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->maildir, sizeof f->maildir, "%s/mail/%%u", f->dir);
    f->config.delivery_maildir = f->maildir;
    f->config.delivery_sub_address = strdup("+");
    f->config.delivery_lmtp = strdup("");
    f->config.hostname = strdup("mx.example.test");
    f->config.delivery_workers = 2;
    f->ctx =
        (struct role_ctx){.role = ROLE_delivery, .config = &f->config, .rate_fd = -1};
    f->ctx.base = event_base_new();
    assert_non_null(f->ctx.base);
    f->config.dns_timeout = f->config.dns_budget = 1000;
    f->config.dns_questions = 100;
    f->config.dns_cache_size = 1024 * 1024;
    assert_null(delivery_ops.prepare(&f->ctx));
    assert_null(delivery_ops.open(&f->ctx));
    delivery_ops.start(&f->ctx);
    connect_queue(f);
    finished = 0;
    *state = f;
    return 0;
}

/* A role ends with its process: its threads stay until the test ends, and what they use. */
static int teardown(void **state)
{
    struct fixture *f = *state;
    kept[kept_n++] = f;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    assert_int_equal(system(command), 0);
    return 0;
}

static void loop_until(struct fixture *f, const unsigned *what, unsigned n)
{
    for (unsigned tries = 0; *what < n && tries < 200; tries++) {
        struct timeval tv = {0, 50 * 1000};
        (void)event_base_loopexit(f->ctx.base, &tv);
        (void)event_base_loop(f->ctx.base, EVLOOP_ONCE);
    }
    assert_int_equal(*what, n);
}

static void loop_for(struct fixture *f, unsigned ms)
{
    struct timeval tv = {0, (suseconds_t)ms * 1000};
    (void)event_base_loopexit(f->ctx.base, &tv);
    (void)event_base_dispatch(f->ctx.base);
}

/* The queue has that job's outcome on disk. */
static void keep(struct fixture *f, uint64_t job)
{
    struct buf b;
    buf_init(&b, 64);
    wire_put_u64(&b, job);
    assert_true(channel_send(f->queue_end, MSG_JOB_KEPT, buf_slice(&b), -1));
    buf_clear(&b);
}

static void send_segment(struct fixture *f, enum msg_type type, uint64_t number, int fd)
{
    struct buf b;
    buf_init(&b, 64);
    wire_put_u64(&b, number);
    assert_true(channel_send(f->queue_end, type, buf_slice(&b), fd));
    buf_clear(&b);
}

static void order(struct fixture *f, struct job j, uint64_t number)
{
    struct job_target t = {7, 0, SLICE("alice@example.test"),
                           SLICE("alice@example.test")};
    struct buf b;
    buf_init(&b, 1024);
    j.job = number;
    j.seal = SEAL + number;
    j.target_n = 1;
    j.sender = SLICE("s@a.example");
    job_write(&b, &j);
    job_write_target(&b, &t);
    assert_true(channel_send(f->queue_end, MSG_JOB, buf_slice(&b), -1));
    buf_clear(&b);
}

static unsigned delivered(struct fixture *f)
{
    char path[128];
    unsigned n = 0;
    (void)snprintf(path, sizeof path, "%s/mail/alice/new", f->dir);
    DIR *dir = opendir(path);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
        n += e->d_name[0] != '.';
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return n;
}

static struct job message(struct fixture *f, uint32_t n, int *fd)
{
    struct job j = {.segment = 5, .id = {0xabcdef, n}, .arrival_ms = 1700000000000};
    *fd = testlib_segment(f->dir, 0, SLICE("Received: x\r\n"), SLICE("\r\nhi\r\n"), &j);
    assert_true(*fd >= 0);
    return j;
}

static void test_orders(void **state)
{
    struct fixture *f = *state;
    int fd = -1;
    struct job j = message(f, 1, &fd);
    order(f, j, 10); /* before its segment: deferred, not lost */
    loop_until(f, &f->done, 1);
    assert_int_equal(f->last_job, 10);
    assert_int_equal(f->last.result, JOB_DEFERRED);
    assert_string_equal(f->last_reply,
                        "451 4.3.0 the message in the spool cannot be read");

    send_segment(f, MSG_SEGMENT_OPEN, 5, fd);
    (void)close(fd);
    order(f, j, 11);
    send_segment(f, MSG_SEGMENT_CLOSE, 5, -1); /* while it is needed */
    loop_until(f, &f->done, 2);
    assert_int_equal(f->last_job, 11);
    assert_int_equal(f->last.number, 7);
    assert_int_equal(f->last.result, JOB_DELIVERED);
    assert_int_equal(delivered(f), 1);

    order(f, j, 12); /* closed now */
    loop_until(f, &f->done, 3);
    assert_int_equal(f->last.result, JOB_DEFERRED);
}

static void test_queue_restarts(void **state)
{
    struct fixture *f = *state;
    int fd = -1;
    struct job j = message(f, 2, &fd);
    send_segment(f, MSG_SEGMENT_OPEN, 5, fd);
    order(f, j, 1);
    loop_until(f, &f->done, 1);
    disconnect_queue(f);
    f->told = 0;
    connect_queue(f);
    loop_until(f, &f->told, 1);
    keep(f, 1);     /* what it said to the queue before, and says again */
    order(f, j, 2); /* the segments of the old queue are forgotten */
    loop_until(f, &f->done, 3);
    assert_int_equal(f->last.result, JOB_DEFERRED);
    send_segment(f, MSG_SEGMENT_OPEN, 5, fd);
    order(f, j, 3);
    loop_until(f, &f->done, 4);
    assert_int_equal(f->last.result, JOB_DELIVERED);
    assert_int_equal(delivered(f), 1);
    (void)close(fd);
}

/* Outcomes are told to each queue that comes, until one says that it keeps them. */
static void test_outcomes_are_kept(void **state)
{
    struct fixture *f = *state;
    int fd = -1;
    struct job j = message(f, 4, &fd);
    send_segment(f, MSG_SEGMENT_OPEN, 5, fd);
    order(f, j, 1);
    order(f, j, 2);
    loop_until(f, &f->done, 2);
    keep(f, 2);
    loop_for(f, 50);
    for (unsigned i = 1; i <= 3; i++) {
        disconnect_queue(f);
        f->done = f->told = f->held = 0;
        connect_queue(f);
        loop_until(f, &f->done, 1);
        assert_int_equal(f->last_job, 1);
        assert_int_equal(f->last.result, JOB_DELIVERED);
        assert_int_equal(f->last_held, 1);
        assert_int_equal(f->held, 1);
        assert_int_equal(f->told, 1);
    }
    keep(f, 1);
    loop_for(f, 50);
    disconnect_queue(f);
    f->told = f->held = 0;
    connect_queue(f);
    loop_until(f, &f->told, 1);
    loop_for(f, 50);
    assert_int_equal(f->held, 0);
    assert_int_equal(f->done, 1);
    assert_int_equal(delivered(f), 1);
    (void)close(fd);
}

/* What ends while no queue is there is told to the next. */
static void test_ends_without_queue(void **state)
{
    struct fixture *f = *state;
    int fd = -1;
    struct job j = message(f, 5, &fd);
    send_segment(f, MSG_SEGMENT_OPEN, 5, fd);
    order(f, j, 1);
    for (unsigned i = 0; i < 10000 && delivered(f) == 0; i++) {
        loop_for(f, 1);
    }
    disconnect_queue(f);
    f->done = f->told = f->held = 0;
    loop_for(f, 50);
    connect_queue(f);
    loop_until(f, &f->done, 1);
    assert_int_equal(f->last.result, JOB_DELIVERED);
    assert_int_equal(f->held, 1);
    keep(f, 1);
    (void)close(fd);
}

static void test_drain(void **state)
{
    struct fixture *f = *state;
    int fd = -1;
    struct job j = message(f, 3, &fd);
    send_segment(f, MSG_SEGMENT_OPEN, 5, fd);
    order(f, j, 1);
    loop_until(f, &f->done, 1);
    assert_int_equal(finished, 0);
    delivery_ops.drain(&f->ctx, 60 * 1000);
    loop_for(f, 50);
    assert_int_equal(finished, 0); /* its outcome is not on disk */
    keep(f, 1);
    loop_until(f, &finished, 1);
    (void)close(fd);
}

static void test_malformed(void **state)
{
    struct fixture *f = *state;
    struct msg m = {.type = MSG_JOB, .payload = SLICE("0123456789abcdef"), .fd = -1};
    assert_false(delivery_ops.message(&f->ctx, f->role_end, &m));
    m = (struct msg){.type = MSG_SEGMENT_OPEN, .payload = SLICE("1234"), .fd = -1};
    assert_false(delivery_ops.message(&f->ctx, f->role_end, &m));
    m = (struct msg){.type = MSG_JOB_KEPT, .payload = SLICE("123456789"), .fd = -1};
    assert_false(delivery_ops.message(&f->ctx, f->role_end, &m));
    m = (struct msg){.type = MSG_SPOOL_STATE, .payload = SLICE("1"), .fd = -1};
    assert_false(delivery_ops.message(&f->ctx, f->role_end, &m));
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_orders),
        CASE(test_queue_restarts),
        CASE(test_outcomes_are_kept),
        CASE(test_ends_without_queue),
        CASE(test_drain),
        CASE(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
