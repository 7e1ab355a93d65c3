/* daemon/queue_test.c - the queue role on a real spool; this test plays smtpd (with the real
 * spool writer), delivery, trace and the command line. */
#include "base/clock.h"
#include "proc/role.h"
#include "queue/index.h"
#include "spool/writer.h"
#include "trace/keep.h"
#include "trace/record.h"

#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

enum { JOBS_MAX = 300, SEGMENTS_MAX = 64 };

static unsigned finished;

void role_finish(struct role_ctx *ctx)
{
    (void)ctx;
    finished++;
}

/* One pair of channels between the role and what this test plays. */
struct pair {
    struct channel *role_end, *our_end;
};

struct fixture {
    char dir[64], control_path[108];
    struct config config;
    struct role_ctx ctx;
    struct pair smtpd, delivery, trace;
    struct spool_writer *writer;
    /* smtpd */
    unsigned durable, refused, segments;
    enum spool_state said;
    unsigned states;
    /* delivery: the jobs heard */
    struct {
        uint64_t job, session;
        uint16_t flags;
        uint16_t n, number[JOB_TARGETS_MAX];
        struct buf payload;
    } job[JOBS_MAX];
    unsigned jobs, opened, closed, pauses;
    unsigned kept; /* outcomes that it may forget */
    bool unjoined; /* the supervisor has not named all peers when the role opens */
    bool answer;   /* at once, with: */
    enum job_result result;
    uint64_t open[SEGMENTS_MAX];
    /* trace */
    unsigned told[TRACE_KIND_COUNT];
    bool mute;       /* does not say that it keeps them */
    uint64_t event;  /* the last one's number */
    void *before[4]; /* states of roles that ended: theirs to the end */
    unsigned before_n;
};

/* --- channels --- */

static bool role_message(void *arg, struct channel *ch, const struct msg *m)
{
    struct fixture *f = arg;
    return queue_ops.message(&f->ctx, ch, m);
}

static void gone(void *arg, struct channel *ch)
{
    (void)arg, (void)ch;
}

static bool smtpd_message(void *arg, struct channel *ch, const struct msg *m)
{
    struct fixture *f = arg;
    struct wire_reader r = wire_reader_of(m->payload);
    (void)ch;
    if (m->type == MSG_SPOOL_STATE) {
        f->said = (enum spool_state)wire_u8(&r);
        f->states++;
        return true;
    }
    uint64_t cookie = wire_u64(&r);
    if (m->type == MSG_SEGMENT_NONE) {
        f->refused++;
        spool_writer_refuse(f->writer, cookie, (enum spool_state)wire_u8(&r));
        return true;
    }
    assert_int_equal(m->type, MSG_SEGMENT_GIVE);
    f->segments++;
    uint64_t segment = wire_u64(&r), capacity = wire_u64(&r);
    spool_writer_give(f->writer, cookie, segment, capacity, m->fd);
    return true;
}

static void answer_job(struct fixture *f, unsigned i, enum job_result result)
{
    struct buf b;
    buf_init(&b, MSG_PAYLOAD_MAX);
    job_done_write(&b, f->job[i].job, f->job[i].n);
    for (uint16_t k = 0; k < f->job[i].n; k++) {
        struct job_outcome o = {.number = f->job[i].number[k],
                                .result = result,
                                .transport = SLICE("maildir"),
                                .where = SLICE("new/1"),
                                .reply = SLICE("451 4.2.0 not now")};
        job_done_write_outcome(&b, &o);
    }
    assert_true(channel_send(f->delivery.our_end, MSG_JOB_DONE, buf_slice(&b), -1));
    buf_clear(&b);
}

static bool is_open(const struct fixture *f, uint64_t segment)
{
    for (unsigned i = 0; i < f->opened; i++) {
        if (f->open[i] == segment) {
            return true;
        }
    }
    return false;
}

static bool delivery_message(void *arg, struct channel *ch, const struct msg *m)
{
    struct fixture *f = arg;
    struct wire_reader r = wire_reader_of(m->payload);
    struct job j = {0};
    struct job_target t = {0};
    (void)ch;
    if (m->type == MSG_SEGMENT_OPEN) {
        assert_true(f->opened < SEGMENTS_MAX);
        f->open[f->opened++] = wire_u64(&r);
        (void)close(m->fd);
        return true;
    }
    if (m->type == MSG_SEGMENT_CLOSE) {
        uint64_t segment = wire_u64(&r);
        assert_true(is_open(f, segment));
        f->closed++;
        return true;
    }
    if (m->type == MSG_PAUSE) {
        f->pauses++;
        return true;
    }
    if (m->type == MSG_JOB_KEPT) {
        f->kept += (unsigned)(m->payload.len / 8);
        return true;
    }
    assert_int_equal(m->type, MSG_JOB);
    assert_true(job_read(m->payload, &j));
    assert_true(is_open(f, j.segment));
    assert_true(f->jobs < JOBS_MAX);
    buf_init(&f->job[f->jobs].payload, MSG_PAYLOAD_MAX);
    assert_true(buf_add(&f->job[f->jobs].payload, m->payload));
    f->job[f->jobs].job = j.job;
    f->job[f->jobs].session = j.id.session;
    f->job[f->jobs].flags = j.flags;
    f->job[f->jobs].n = j.target_n;
    for (uint16_t i = 0; job_next_target(&j, &t); i++) {
        f->job[f->jobs].number[i] = t.number;
    }
    if (f->answer) {
        answer_job(f, f->jobs, f->result);
    }
    f->jobs++;
    return true;
}

static bool trace_message(void *arg, struct channel *ch, const struct msg *m)
{
    struct fixture *f = arg;
    struct trace_reader r;
    struct trace_view v;
    struct slice record;
    uint64_t life = 0;
    assert_int_equal(m->type, MSG_EVENTS);
    assert_true(trace_keep_read(m->payload, &life, &f->event, &record));
    assert_true(trace_open(record, &r));
    while (trace_next(&r, &v)) {
        f->told[v.kind]++;
    }
    assert_false(r.r.failed);
    if (!f->mute) {
        struct buf b;
        buf_init(&b, 8);
        wire_put_u64(&b, f->event);
        assert_true(channel_send(ch, MSG_EVENTS_KEPT, buf_slice(&b), -1));
        buf_clear(&b);
    }
    return true;
}

static const struct channel_ops role_side = {role_message, gone, NULL},
                                smtpd_side = {smtpd_message, gone, NULL},
                                delivery_side = {delivery_message, gone, NULL},
                                trace_side = {trace_message, gone, NULL};

static void connect_pair(struct fixture *f, struct pair *p, enum role who,
                         const struct channel_ops *ops)
{
    int fd[2];
    assert_int_equal(
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
    p->role_end = channel_new(f->ctx.base, fd[0], ROLE_queue, who, 0, &role_side, f);
    p->our_end = channel_new(f->ctx.base, fd[1], who, ROLE_queue, 0, ops, f);
    assert_true(p->role_end != NULL && p->our_end != NULL);
    queue_ops.peer(&f->ctx, p->role_end);
}

static void disconnect_pair(struct fixture *f, struct pair *p)
{
    if (p->role_end != NULL) {
        queue_ops.peer_gone(&f->ctx, p->role_end);
        channel_free(&p->role_end);
        channel_free(&p->our_end);
    }
}

static void told(struct fixture *f)
{
    assert_true(channel_send(f->delivery.our_end, MSG_JOBS_TOLD, SLICE(""), -1));
}

/* One that has nothing to tell. */
static void connect_delivery(struct fixture *f)
{
    f->opened = 0;
    connect_pair(f, &f->delivery, ROLE_delivery, &delivery_side);
    told(f);
}

/* --- the writer's side of smtpd --- */

static void tell(struct fixture *f, enum msg_type type, const uint64_t *words, size_t n)
{
    struct buf b;
    buf_init(&b, MSG_PAYLOAD_MAX);
    for (size_t i = 0; i < n; i++) {
        wire_put_u64(&b, words[i]);
    }
    if (f->smtpd.our_end != NULL) {
        assert_true(channel_send(f->smtpd.our_end, type, buf_slice(&b), -1));
    }
    buf_clear(&b);
}

static void on_ask(void *arg, uint64_t cookie, uint64_t octets)
{
    tell(arg, MSG_SEGMENT_ASK, (const uint64_t[]){cookie, octets}, 2);
}

static void on_spooled(void *arg, const struct spool_place *place, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tell(arg, MSG_SPOOLED, (const uint64_t[]){place[i].segment, place[i].offset}, 2);
    }
}

static void on_sealed(void *arg, uint64_t segment, uint64_t end)
{
    tell(arg, MSG_SEGMENT_SEAL, (const uint64_t[]){segment, end}, 2);
}

static const struct spool_writer_ops writer_ops = {on_ask, on_spooled, on_sealed};

static struct fixture *current;

static void on_durable(void *arg, enum spool_res res)
{
    (void)arg;
    current->durable += res == SPOOL_OK;
}

static void turn(struct fixture *f)
{
    struct timeval tv = {0, 20 * 1000};
    (void)event_base_loopexit(f->ctx.base, &tv);
    (void)event_base_loop(f->ctx.base, EVLOOP_ONCE);
}

static void loop_until(struct fixture *f, const unsigned *what, unsigned n)
{
    for (unsigned tries = 0; *what < n && tries < 500; tries++) {
        turn(f);
    }
    assert_int_equal(*what, n);
}

static void loop_for(struct fixture *f, unsigned ms)
{
    for (uint64_t end = clock_mono_ms() + ms; clock_mono_ms() < end;) {
        turn(f);
    }
}

static void spool(struct fixture *f, uint64_t session, uint16_t n)
{
    static char name[200][40];
    static struct spool_recipient r[200];
    struct buf b;
    buf_init(&b, SPOOL_ENVELOPE_MAX);
    for (uint16_t i = 0; i < n; i++) {
        (void)snprintf(name[i], sizeof name[i], "u%u@d.test", i);
        r[i] =
            (struct spool_recipient){slice_of(name[i]), slice_of(name[i]), SPOOL_LOCAL};
    }
    spool_envelope_begin(&b, 0, 0, SLICE("s@t.test"), SLICE("::1"), SLICE("h"),
                         SLICE(""));
    spool_envelope_recipients(&b, r, n);
    struct spool_message *m =
        spool_message_new(f->writer, (struct message_id){session, 1}, NULL, NULL);
    assert_non_null(m);
    assert_int_equal(spool_message_add(m, SLICE("Subject: x\r\n\r\nhello\r\n")),
                     SPOOL_OK);
    unsigned before = f->durable;
    spool_message_commit(m, clock_wall_ms(), buf_slice(&b), SLICE("Received: x\r\n"),
                         on_durable);
    loop_until(f, &f->durable, before + 1);
    spool_message_free(&m);
    buf_clear(&b);
}

/* --- set up --- */

static void open_role(struct fixture *f)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    (void)snprintf(f->control_path, sizeof f->control_path, "%s/queue.sock", f->dir);
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", f->control_path);
    (void)unlink(f->control_path);
    f->ctx.control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(f->ctx.control_fd, (const struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(listen(f->ctx.control_fd, 5), 0);
    f->ctx.base = event_base_new();
    assert_non_null(f->ctx.base);
    f->before[f->before_n++] = f->ctx.state;
    assert_null(queue_ops.open(&f->ctx));
    queue_ops.start(&f->ctx);
    if (!f->unjoined) {
        queue_ops.joined(&f->ctx);
    }
    connect_pair(f, &f->trace, ROLE_trace, &trace_side);
    f->writer = spool_writer_new(f->ctx.base, 64 * 1024 * 1024, &writer_ops, f);
    assert_non_null(f->writer);
    connect_pair(f, &f->smtpd, ROLE_smtpd, &smtpd_side);
    assert_true(spool_writer_start(f->writer));
    finished = 0;
}

/* As the supervisor ends it: smtpd first, then a drain. */
static void drain_role(struct fixture *f)
{
    spool_writer_free(&f->writer);
    loop_for(f, 60);
    disconnect_pair(f, &f->smtpd);
    disconnect_pair(f, &f->delivery);
    queue_ops.drain(&f->ctx, 2000);
    loop_until(f, &finished, 1);
    disconnect_pair(f, &f->trace);
}

static char no_domain[1] = "";

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    current = f;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/queue-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->config.state_dir = f->dir;
    f->config.queue_retry.ms[0] = 300;
    f->config.queue_retry.ms[1] = 3600000;
    f->config.queue_retry.n = 2;
    f->config.queue_expire = 5 * 86400000ULL;
    f->config.queue_deliver = true;
    f->config.delivery_workers = 16;
    f->config.push_return_path_domain = no_domain;
    f->config.spool_segment_size = SPOOL_SEGMENT_LEAST;
    f->ctx = (struct role_ctx){.role = ROLE_queue, .config = &f->config};
    open_role(f);
    *state = f;
    return 0;
}

static struct fixture *kept[32]; /* a role ends with its process: what it uses stays */
static unsigned kept_n;

static int teardown(void **state)
{
    struct fixture *f = *state;
    kept[kept_n++] = f;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    assert_int_equal(system(command), 0);
    return 0;
}

/* Sends a request, runs the loop until the last line of the answer came. */
static json_t *ask(struct fixture *f, const char *request)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    static char text[256 * 1024];
    size_t len = 0;
    json_t *lines = json_array();
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)snprintf(to.sun_path, sizeof to.sun_path, "%s", f->control_path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(send(fd, request, strlen(request), 0), (ssize_t)strlen(request));
    assert_int_equal(send(fd, "\n", 1, 0), 1);
    for (int tries = 0; tries < 500; tries++) {
        ssize_t n = recv(fd, text + len, sizeof text - len - 1, 0);
        len += n > 0 ? (size_t)n : 0;
        text[len] = '\0';
        if (strstr(text, "\"status\"") != NULL) {
            break;
        }
        turn(f);
    }
    char *rest = text, *line = NULL;
    while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
        (void)json_array_append_new(lines, json_loads(line, 0, NULL));
    }
    (void)close(fd);
    return lines;
}

static json_int_t number(const json_t *lines, size_t i, const char *name)
{
    return json_integer_value(json_object_get(json_array_get(lines, i), name));
}

/* Messages that the queue still has. */
static unsigned left(struct fixture *f)
{
    json_t *lines = ask(f, "{\"do\":\"stats\"}");
    unsigned n = (unsigned)number(lines, 0, "messages");
    json_decref(lines);
    return n;
}

/* --- the tests --- */

static void test_delivered(void **state)
{
    struct fixture *f = *state;
    connect_delivery(f);
    f->answer = true;
    for (uint64_t i = 1; i <= 20; i++) {
        spool(f, i, i == 20 ? 150 : 1);
    }
    loop_until(f, &f->jobs, 22);
    loop_until(f, &f->told[TRACE_delivered], 19 + 150);
    assert_int_equal(f->told[TRACE_queued], 19 + 150);
    assert_int_equal(left(f), 0);
    for (unsigned i = 0; i < f->jobs; i++) {
        assert_int_equal(f->job[i].flags & JOB_REPEATED, 0);
    }
    assert_int_equal(f->said, SPOOL_READY);
    drain_role(f);
    /* All of it is settled: nothing comes back. */
    open_role(f);
    connect_delivery(f);
    loop_for(f, 100);
    assert_int_equal(f->jobs, 22);
    drain_role(f);
}

/* The delivery dies with a job: again at once, flagged; then the segment goes. */
static void test_delivery_dies(void **state)
{
    struct fixture *f = *state;
    connect_delivery(f);
    spool(f, 1, 3);
    loop_until(f, &f->jobs, 1);
    disconnect_pair(f, &f->delivery);
    connect_delivery(f);
    loop_until(f, &f->jobs, 2);
    assert_int_equal(f->job[0].flags & JOB_REPEATED, 0);
    assert_int_equal(f->job[1].flags & JOB_REPEATED, JOB_REPEATED);
    assert_int_equal(f->job[1].n, 3);
    answer_job(f, 1, JOB_DELIVERED);
    loop_until(f, &f->told[TRACE_delivered], 3);
    assert_int_equal(left(f), 0);
    spool_writer_free(
        &f->writer); /* seals: drained, so the delivery is told to close it */
    loop_until(f, &f->closed, 1);
    drain_role(f);
}

/* Deferred: retried after the first wait, then much later; a restart keeps count and time.
 * What was in delivery when the role ended is due at once. */
static void test_deferred_and_restart(void **state)
{
    struct fixture *f = *state;
    connect_delivery(f);
    f->answer = true;
    f->result = JOB_DEFERRED;
    spool(f, 1, 1);
    loop_until(f, &f->told[TRACE_deferred], 2);
    f->answer = false;
    spool(f, 2, 1);
    loop_until(f, &f->jobs, 3);
    drain_role(f);
    open_role(f);
    json_t *lines = ask(f, "{\"do\":\"show\",\"id\":[\"000000000001.1\"]}");
    assert_int_equal(number(lines, 1, "attempts"), 2);
    assert_true(number(lines, 1, "next_ms") > (json_int_t)clock_wall_ms() + 3000000);
    json_decref(lines);
    connect_delivery(f);
    loop_until(f, &f->jobs, 4);
    assert_int_equal(f->job[3].session, 2);
    assert_int_equal(f->job[3].flags & JOB_REPEATED, JOB_REPEATED);
    answer_job(f, 3, JOB_DELIVERED);
    json_decref(ask(f, "{\"do\":\"retry\",\"all\":true}"));
    loop_until(f, &f->jobs, 5);
    assert_int_equal(f->job[4].session, 1);
    answer_job(f, 4, JOB_DELIVERED);
    loop_until(f, &f->told[TRACE_delivered], 2);
    assert_int_equal(left(f), 0);
    drain_role(f);
}

/* Failed for good: held with its reason, over a restart too; released, it goes again. */
static void test_failed_is_held(void **state)
{
    struct fixture *f = *state;
    connect_delivery(f);
    f->answer = true;
    f->result = JOB_FAILED;
    spool(f, 1, 1);
    loop_until(f, &f->told[TRACE_failed], 1);
    drain_role(f);
    open_role(f);
    json_t *lines = ask(f, "{\"do\":\"list\",\"state\":\"held\"}");
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(lines, 0), "reply")),
        "failed: 451 4.2.0 not now");
    json_decref(lines);
    f->result = JOB_DELIVERED;
    connect_delivery(f);
    json_decref(ask(f, "{\"do\":\"release\",\"id\":[\"000000000001.1\"]}"));
    loop_until(f, &f->told[TRACE_delivered], 1);
    assert_int_equal(f->told[TRACE_released], 1);
    json_decref(ask(f, "{\"do\":\"remove\",\"all\":true}")); /* without yes: no */
    assert_int_equal(left(f), 0);
    drain_role(f);
}

/* smtpd dies between sync and notice: its segment is read to the end. */
static void test_orphans(void **state)
{
    struct fixture *f = *state;
    spool(f, 1, 1);
    struct pair silent = f->smtpd;
    f->smtpd.our_end = NULL; /* what it says is lost from here on */
    spool(f, 2, 1);
    loop_for(f, 50);
    assert_int_equal(left(f), 1);
    spool_writer_free(&f->writer);
    f->smtpd = silent;
    disconnect_pair(f, &f->smtpd);
    assert_int_equal(left(f), 2);
    connect_delivery(f);
    f->answer = true;
    loop_until(f, &f->told[TRACE_delivered], 2);
    drain_role(f);
}

/* Lies of a delivery are found out: the role says no, and what it lied about is not lost. */
static void test_lies(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, 1024);
    connect_delivery(f);
    spool(f, 1, 2);
    loop_until(f, &f->jobs, 1);
    struct job_outcome o = {.number = 9, .result = JOB_DELIVERED};
    static const struct {
        uint64_t job;
        uint16_t number;
    } lies[] = {{77, 0}, {0, 9}};
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        buf_reset(&b);
        job_done_write(&b, f->job[0].job + lies[i].job, 1);
        o.number = lies[i].number;
        job_done_write_outcome(&b, &o);
        struct msg m = {MSG_JOB_DONE, buf_slice(&b), -1};
        assert_false(queue_ops.message(&f->ctx, f->delivery.role_end, &m));
    }
    struct msg other = {MSG_READY, {0}, -1};
    assert_false(queue_ops.message(&f->ctx, f->delivery.role_end, &other));
    struct msg odd = {MSG_SPOOLED, SLICE("123456789012345678"), -1};
    assert_false(queue_ops.message(&f->ctx, f->smtpd.role_end, &odd));
    assert_int_equal(left(f), 1);
    buf_clear(&b);
    drain_role(f);
}

static void claim(struct fixture *f, unsigned i)
{
    struct slice payload = buf_slice(&f->job[i].payload);
    assert_true(channel_send(f->delivery.our_end, MSG_JOB_HELD, payload, -1));
}

/* The queue goes, and another one comes to which the delivery has not spoken yet. */
static void another_queue(struct fixture *f)
{
    drain_role(f);
    f->unjoined = true;
    open_role(f);
    f->opened = 0;
    connect_pair(f, &f->delivery, ROLE_delivery, &delivery_side);
}

/* What the delivery still works on is not given out again, and nothing before it has spoken. */
static void test_claimed(void **state)
{
    struct fixture *f = *state;
    connect_delivery(f);
    spool(f, 1, 2);
    loop_until(f, &f->jobs, 1);
    another_queue(f);
    spool(f, 2, 1);
    queue_ops.joined(&f->ctx);
    loop_for(f, 100);
    assert_int_equal(f->jobs, 1); /* it has not said what it holds */
    claim(f, 0);
    told(f);
    loop_until(f, &f->jobs, 2);
    loop_for(f, 100);
    assert_int_equal(f->jobs, 2);
    assert_int_equal(f->job[1].session, 2);
    assert_true(f->job[0].job != f->job[1].job);
    answer_job(f, 0, JOB_DELIVERED);
    loop_until(f, &f->told[TRACE_delivered], 2);
    loop_until(f, &f->kept, 1);
    assert_int_equal(left(f), 1);
    disconnect_pair(f, &f->delivery); /* what was claimed comes back as any other */
    connect_delivery(f);
    loop_until(f, &f->jobs, 3);
    answer_job(f, 2, JOB_DELIVERED);
    loop_until(f, &f->kept, 2);
    assert_int_equal(left(f), 0);
    drain_role(f);
}

/* A delivery that is named later than another one is waited for as well. */
static void test_waits_for_joined(void **state)
{
    struct fixture *f = *state;
    connect_delivery(f);
    spool(f, 1, 1);
    loop_until(f, &f->jobs, 1);
    another_queue(f);
    told(f);
    loop_for(f, 100);
    assert_int_equal(f->jobs, 1);
    queue_ops.joined(&f->ctx);
    loop_until(f, &f->jobs, 2);
    drain_role(f);
}

/* The delivery dies with what it claimed: again at once. */
static void test_claimed_dies(void **state)
{
    struct fixture *f = *state;
    connect_delivery(f);
    spool(f, 1, 1);
    loop_until(f, &f->jobs, 1);
    another_queue(f);
    queue_ops.joined(&f->ctx);
    claim(f, 0);
    told(f);
    loop_for(f, 100);
    assert_int_equal(f->jobs, 1);
    disconnect_pair(f, &f->delivery);
    connect_delivery(f);
    loop_until(f, &f->jobs, 2);
    assert_int_equal(f->job[1].flags & JOB_REPEATED, JOB_REPEATED);
    drain_role(f);
}

/* Outcomes that the queue before wrote down are not counted again, but kept: of a message that is done,
 * and of one that was deferred. */
static void test_claimed_is_known(void **state)
{
    struct fixture *f = *state;
    loop_until(f, &f->segments, 1);
    f->config.queue_retry.ms[0] = 3600000;
    drain_role(f);
    open_role(f);
    connect_delivery(f);
    spool(f, 1, 1);
    spool(f, 2, 1);
    loop_until(f, &f->jobs, 2);
    unsigned first = f->job[0].session == 1 ? 0 : 1;
    answer_job(f, first, JOB_DELIVERED);
    answer_job(f, 1 - first, JOB_DEFERRED);
    loop_until(f, &f->kept, 2);
    another_queue(f);
    queue_ops.joined(&f->ctx);
    claim(f, 0);
    claim(f, 1);
    answer_job(f, first, JOB_DELIVERED); /* before all is told */
    told(f);
    answer_job(f, 1 - first, JOB_DEFERRED);
    loop_until(f, &f->kept, 4);
    assert_int_equal(f->told[TRACE_deferred], 1);
    assert_int_equal(f->told[TRACE_delivered], 1);
    json_t *lines = ask(f, "{\"do\":\"show\",\"id\":[\"000000000002.1\"]}");
    assert_int_equal(number(lines, 1, "attempts"), 1);
    json_decref(lines);
    assert_int_equal(left(f), 1);
    assert_int_equal(f->jobs, 2);
    drain_role(f);
}

/* Nobody claims what no queue gave to him, or twice, or after he said that this was all. */
static void test_false_claims(void **state)
{
    struct fixture *f = *state;
    struct msg m = {MSG_JOB_HELD, {0}, -1};
    connect_delivery(f);
    spool(f, 1, 1);
    loop_until(f, &f->jobs, 1);
    another_queue(f);
    m.payload = buf_slice(&f->job[0].payload);
    for (size_t i = 0; i < m.payload.len; i++) {
        f->job[0].payload.ptr[i] ^= 1;
        assert_false(queue_ops.message(&f->ctx, f->delivery.role_end, &m));
        f->job[0].payload.ptr[i] ^= 1;
    }
    assert_true(queue_ops.message(&f->ctx, f->delivery.role_end, &m));
    assert_false(queue_ops.message(&f->ctx, f->delivery.role_end, &m));
    told(f);
    loop_for(f, 50);
    answer_job(f, 0, JOB_DELIVERED);
    loop_until(f, &f->kept, 1);
    assert_false(queue_ops.message(&f->ctx, f->delivery.role_end, &m));
    /* Another delivery's. */
    struct pair own = f->delivery;
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fd), 0);
    own.role_end =
        channel_new(f->ctx.base, fd[0], ROLE_queue, ROLE_delivery, 1, &role_side, f);
    queue_ops.peer(&f->ctx, own.role_end);
    assert_false(queue_ops.message(&f->ctx, own.role_end, &m));
    queue_ops.peer_gone(&f->ctx, own.role_end);
    channel_free(&own.role_end);
    (void)close(fd[1]);
    assert_int_equal(left(f), 0);
    drain_role(f);
}

/* Too little disk: smtpd is told, no segment is given; and told again when there is room. */
static void test_disk_full(void **state)
{
    struct fixture *f = *state;
    loop_until(f, &f->segments, 1);
    f->config.spool_free_space = UINT64_MAX / 2;
    loop_until(f, &f->states, 2);
    assert_int_equal(f->said, SPOOL_DISK_FULL);
    unsigned refused = f->refused;
    tell(f, MSG_SEGMENT_ASK, (const uint64_t[]){999, 0}, 2);
    loop_until(f, &f->refused, refused + 1);
    f->config.spool_free_space = 0;
    loop_until(f, &f->states, 3);
    assert_int_equal(f->said, SPOOL_READY);
    drain_role(f);
}

/* A trace role that dies before it has committed: the next one is told the same. */
static void test_events_are_kept(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    connect_delivery(f);
    f->answer = f->mute = true;
    spool(f, 1, 1);
    loop_until(f, &f->told[TRACE_delivered], 1);
    for (unsigned i = 2; i <= 4; i++) {
        uint64_t last = f->event;
        if (i < 4) {
            disconnect_pair(f, &f->trace);
            connect_pair(f, &f->trace, ROLE_trace, &trace_side);
        } else { /* and so does the next queue */
            drain_role(f);
            open_role(f);
            connect_delivery(f);
        }
        loop_until(f, &f->told[TRACE_delivered], i);
        assert_int_equal(f->told[TRACE_queued], i);
        assert_int_equal(f->event, last);
    }
    buf_init(&b, 8);
    wire_put_u64(&b, f->event);
    struct msg m = {MSG_EVENTS_KEPT, buf_slice(&b), -1};
    assert_true(queue_ops.message(&f->ctx, f->trace.role_end, &m));
    buf_clear(&b);
    disconnect_pair(f, &f->trace);
    spool(f, 2, 1); /* while there is none */
    connect_pair(f, &f->trace, ROLE_trace, &trace_side);
    loop_until(f, &f->told[TRACE_delivered], 5);
    assert_int_equal(f->told[TRACE_queued], 5);
    drain_role(f);
}

/* Told not to deliver: accepted and kept; the queue that comes after it delivers. */
static void test_keeps(void **state)
{
    struct fixture *f = *state;
    connect_delivery(f);
    f->config.queue_deliver = false;
    spool(f, 1, 1);
    loop_for(f, 100);
    assert_int_equal(f->jobs, 0);
    assert_int_equal(left(f), 1);
    drain_role(f);
    f->config.queue_deliver = true;
    open_role(f);
    connect_delivery(f);
    loop_until(f, &f->jobs, 1);
    drain_role(f);
}

/* A drain waits for what runs. */
static void test_drain_waits(void **state)
{
    struct fixture *f = *state;
    connect_delivery(f);
    spool(f, 1, 1);
    loop_until(f, &f->jobs, 1);
    spool_writer_free(&f->writer);
    loop_for(f, 30);
    disconnect_pair(f, &f->smtpd);
    queue_ops.drain(&f->ctx, 10000);
    loop_for(f, 100);
    assert_int_equal(finished, 0);
    answer_job(f, 0, JOB_DELIVERED);
    loop_until(f, &finished, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_delivered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_delivery_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deferred_and_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_is_held, setup, teardown),
        cmocka_unit_test_setup_teardown(test_orphans, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_claimed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waits_for_joined, setup, teardown),
        cmocka_unit_test_setup_teardown(test_claimed_dies, setup, teardown),
        cmocka_unit_test_setup_teardown(test_claimed_is_known, setup, teardown),
        cmocka_unit_test_setup_teardown(test_false_claims, setup, teardown),
        cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keeps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_drain_waits, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
