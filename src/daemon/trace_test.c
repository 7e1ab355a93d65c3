/* daemon/trace_test.c - the role on a loop, without its sandbox: what it is told can be read
 * soon after, bad records are refused, and a drain waits for the last of the peers. */
#include "base/clock.h"
#include "proc/role.h"
#include "trace/keep.h"
#include "trace/query.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/trace-role-test-XXXXXX";
static char path[128];
static struct config config;
static struct role_ctx ctx;

/* One of its end. */
static void session_record(uint64_t session, struct buf *out)
{
    struct trace_writer w;
    trace_init(&w, session, clock_wall_ms());
    trace_event(&w, TRACE_close, clock_wall_ms(), 0, NULL);
    trace_take(&w, 0, out);
    trace_clear(&w);
}

static void send_record(uint64_t session, bool expect)
{
    struct buf b;
    buf_init(&b, TRACE_RECORD_MAX);
    session_record(session, &b);
    struct msg m = {MSG_TRACE, buf_slice(&b), -1};
    if (!expect) {
        m.payload = slice_sub(m.payload, 0, m.payload.len - 1);
    }
    assert_int_equal(trace_ops.message(&ctx, NULL, &m), expect);
    buf_clear(&b);
}

static bool count(void *arg, struct slice record)
{
    (void)record;
    ++*(size_t *)arg;
    return true;
}

static size_t found(uint64_t session)
{
    size_t n = 0;
    const char *error = NULL;
    struct trace_query *q = trace_query_open(path, &error);
    assert_non_null(q);
    assert_true(trace_query_session(q, session, count, &n, &error));
    trace_query_close(&q);
    return n;
}

static void run_for(uint32_t ms)
{
    struct timeval tv = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};
    assert_int_equal(event_base_loopexit(ctx.base, &tv), 0);
    assert_true(event_base_dispatch(ctx.base) >= 0);
}

static int begin(void **state)
{
    (void)state;
    config.state_dir = dir;
    config.trace_keep = 86400000;
    ctx = (struct role_ctx){.role = ROLE_trace, .config = &config, .control_fd = -1};
    ctx.base = event_base_new();
    assert_non_null(ctx.base);
    assert_null(trace_ops.prepare(&ctx));
    assert_null(trace_ops.open(&ctx));
    trace_ops.start(&ctx);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (ctx.state != NULL) {
        trace_ops.drain(&ctx, 100);
    }
    event_base_free(ctx.base);
    (void)unlink(path);
    return 0;
}

static void test_soon_visible(void **state)
{
    (void)state;
    send_record(7, true);
    send_record(8, false);
    struct msg other = {MSG_DRAIN, SLICE("abcd"), -1};
    assert_false(trace_ops.message(&ctx, NULL, &other));
    run_for(200);
    assert_int_equal(found(7), 1);
    assert_int_equal(found(8), 0);
    send_record(7, true); /* the timer runs again */
    run_for(200);
    assert_int_equal(found(7), 2);
    for (uint64_t i = 0; i < 600; i++) { /* many: not even that long */
        send_record(100 + i, true);
    }
    assert_int_equal(found(100), 1);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 077, 0);
}

static void add_record(struct buf *b, uint64_t session)
{
    struct buf record;
    buf_init(&record, TRACE_RECORD_MAX);
    session_record(session, &record);
    wire_put_text(b, buf_slice(&record));
    buf_clear(&record);
}

static void test_together(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, MSG_PAYLOAD_MAX);
    add_record(&b, 21);
    add_record(&b, 22);
    struct msg m = {MSG_TRACES, buf_slice(&b), -1};
    assert_true(trace_ops.message(&ctx, NULL, &m));
    add_record(&b, 23);
    m.payload = slice_sub(buf_slice(&b), 0, b.len - 1); /* the last one is cut off */
    assert_false(trace_ops.message(&ctx, NULL, &m));
    struct buf wrong;
    buf_init(&wrong, 64);
    wire_put_text(&wrong, SLICE("no record")); /* whole, and nothing follows */
    m.payload = buf_slice(&wrong);
    assert_false(trace_ops.message(&ctx, NULL, &m));
    buf_clear(&wrong);
    run_for(200);
    assert_int_equal(found(21), 2);
    assert_int_equal(found(22), 2);
    assert_int_equal(found(23), 0);
    buf_clear(&b);
}

static void test_drain(void **state)
{
    (void)state;
    trace_ops.peer(&ctx, NULL);
    trace_ops.peer(&ctx, NULL);
    trace_ops.peer_gone(&ctx, NULL);
    send_record(1, true);
    trace_ops.drain(&ctx, 60000);
    assert_non_null(ctx.state);
    assert_int_equal(found(1), 1);
    send_record(2, true); /* the last words of the peer that is left */
    trace_ops.peer_gone(&ctx, NULL);
    assert_null(ctx.state);
    assert_int_equal(found(2), 1);
    send_record(3, true); /* late, within the same round: taken, forgotten */
    trace_ops.peer_gone(&ctx, NULL);
    trace_ops.drain(&ctx, 1);
}

static void test_drain_ends_in_time(void **state)
{
    (void)state;
    trace_ops.peer(&ctx, NULL);
    trace_ops.drain(&ctx, 200);
    uint64_t before = clock_mono_ms();
    run_for(60000); /* the role ends the loop */
    assert_null(ctx.state);
    assert_true(clock_mono_ms() - before < 30000);
}

/* --- events: the sender keeps them until they are committed --- */

static struct channel *own, *queue; /* the two ends */
static uint64_t kept, kepts;

static bool on_kept(void *arg, struct channel *ch, const struct msg *m)
{
    struct wire_reader r = wire_reader_of(m->payload);
    (void)arg, (void)ch;
    assert_int_equal(m->type, MSG_EVENTS_KEPT);
    kept = wire_u64(&r);
    kepts++;
    return true;
}

static void on_gone(void *arg, struct channel *ch)
{
    (void)arg, (void)ch;
}

static void connect_queue(void)
{
    static const struct channel_ops ops = {on_kept, on_gone, NULL};
    int fd[2];
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    own = channel_new(ctx.base, fd[0], ROLE_trace, ROLE_queue, 0, &ops, NULL);
    queue = channel_new(ctx.base, fd[1], ROLE_queue, ROLE_trace, 0, &ops, NULL);
    assert_true(own != NULL && queue != NULL);
    kept = kepts = 0;
    trace_ops.peer(&ctx, own);
}

static void disconnect_queue(void)
{
    trace_ops.peer_gone(&ctx, own);
    channel_free(&own);
    channel_free(&queue);
}

static void event(uint64_t life, uint64_t number, uint64_t session)
{
    struct trace_writer w;
    struct buf b;
    buf_init(&b, MSG_PAYLOAD_MAX);
    wire_put_u64(&b, life);
    wire_put_u64(&b, number);
    trace_init(&w, session, clock_wall_ms());
    trace_event(&w, TRACE_close, clock_wall_ms(), 0, NULL);
    trace_take(&w, 0, &b);
    struct msg m = {MSG_EVENTS, buf_slice(&b), -1};
    assert_true(trace_ops.message(&ctx, own, &m));
    m.payload = slice_sub(m.payload, 0, m.payload.len - 1);
    assert_false(trace_ops.message(&ctx, own, &m));
    trace_clear(&w);
    buf_clear(&b);
}

static void wait_kept(uint64_t number)
{
    for (unsigned i = 0; i < 600 && kept != number; i++) {
        run_for(50);
    }
    assert_int_equal(kept, number);
}

/* Said when they are on disk; what a role before had committed is known, and what it had not is new. */
static void test_events(void **state)
{
    (void)state;
    connect_queue();
    event(5, 1, 31);
    event(5, 2, 32);
    assert_int_equal(kepts, 0);
    wait_kept(2);
    assert_int_equal(found(31) + found(32), 2);
    event(5, 2, 32);
    event(5, 3, 33);
    wait_kept(3);
    assert_int_equal(found(32), 1);
    disconnect_queue();
    connect_queue();
    event(5, 3, 33); /* the next queue, that goes on where the other one ended */
    wait_kept(3);
    assert_int_equal(found(33), 1);
    disconnect_queue();
    trace_ops.drain(&ctx, 100);
    assert_null(ctx.state);
    event_base_free(ctx.base);
    (void)begin(state);
    connect_queue(); /* to the next role the queue says what it was not told of */
    event(5, 2, 32);
    event(5, 3, 33);
    run_for(20);
    assert_int_equal(kept, 3); /* nothing to write, so at once */
    event(5, 4, 34);
    event(6, 1, 35); /* another queue */
    wait_kept(1);
    for (uint64_t i = 31; i <= 35; i++) {
        assert_int_equal(found(i), 1);
    }
    disconnect_queue();
}

/* Many: said with each batch. */
static void test_many_events(void **state)
{
    (void)state;
    connect_queue();
    for (uint64_t i = 1; i <= 1200; i++) {
        event(7, i, 1000 + i);
    }
    assert_int_equal(found(2000), 1);
    wait_kept(1200);
    assert_int_equal(found(2200), 1);
    disconnect_queue();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_soon_visible, begin, end),
        cmocka_unit_test_setup_teardown(test_together, begin, end),
        cmocka_unit_test_setup_teardown(test_events, begin, end),
        cmocka_unit_test_setup_teardown(test_many_events, begin, end),
        cmocka_unit_test_setup_teardown(test_drain, begin, end),
        cmocka_unit_test_setup_teardown(test_drain_ends_in_time, begin, end),
    };
    char sub[64];
    if (mkdtemp(dir) == NULL) {
        return 1;
    }
    (void)snprintf(sub, sizeof sub, "%s/trace", dir);
    (void)snprintf(path, sizeof path, "%s/trace.db", sub);
    if (mkdir(sub, 0700) != 0) {
        return 1;
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)rmdir(sub);
    (void)rmdir(dir);
    return failed;
}
