/* proc/supervisor_test.c - the real supervisor with small roles of our own: joined, killed,
 * accused, reloaded, drained. They work in the real sandbox and tell what they see through
 * shared memory. */
#include "proc/supervisor.h"

#include "base/clock.h"
#include "base/log.h"
#include "proc/proc_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum { PIDS_MAX = 32, WAIT_MS = 15000, CANNOT_OPEN = 1, DIES = 2, IGNORES_DRAIN = 3 };

static struct shared {
    atomic_uint opened[ROLE_COUNT], heard[ROLE_COUNT];
    atomic_uint joined[ROLE_COUNT][ROLE_COUNT], lost[ROLE_COUNT][ROLE_COUNT];
    atomic_int pid[ROLE_COUNT][PIDS_MAX];
    atomic_uint drained[ROLE_COUNT]; /* when, as a number in order; 0: not */
    atomic_uint order;
    atomic_uint answered;        /* connections */
    atomic_int mood[ROLE_COUNT]; /* CANNOT_OPEN ... */
    atomic_int rude; /* the smtpd of that index sends what does not decode; -1 */
} * shared;

static struct test_place place;
static pid_t supervisor;

/* -- the roles -- */

static const char *role_open(struct role_ctx *ctx)
{
    shared->opened[ctx->role]++;
    if (shared->mood[ctx->role] == CANNOT_OPEN) {
        return "the test wants it so";
    }
    return NULL;
}

static void on_connection(evutil_socket_t listener, short what, void *arg)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    (void)what;
    (void)arg;
    if (fd >= 0) {
        shared->answered++;
        (void)!write(fd, "220\r\n", 5);
        (void)close(fd);
    }
}

static void on_moment(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    abort();
}

static void role_start_it(struct role_ctx *ctx)
{
    static const struct timeval moment = {0, 1000};
    BUG_ON(ctx->index >= PIDS_MAX);
    shared->pid[ctx->role][ctx->index] = getpid();
    for (unsigned i = 0; i < ctx->listener_n; i++) {
        struct event *e = event_new(ctx->base, ctx->listener[i].fd, EV_READ | EV_PERSIST,
                                    on_connection, ctx);
        (void)event_add(e, NULL);
    }
    if (shared->mood[ctx->role] == DIES) {
        (void)event_base_once(ctx->base, -1, EV_TIMEOUT, on_moment, NULL, &moment);
    }
}

static void say(struct role_ctx *ctx, struct channel *ch)
{
    static const unsigned char good[16] = {0};
    static const unsigned char bad[16] = {0xff};
    bool rude = ctx->role == ROLE_smtpd && shared->rude == (int)ctx->index;
    enum role to = channel_peer(ch);
    struct slice s = {rude ? bad : good, 16};
    bool ok = true;
    if (rude) {
        shared->rude = -1;
    }
    if (to == ROLE_trace) {
        ok = channel_send(ch, ctx->role == ROLE_queue ? MSG_EVENTS : MSG_TRACE, s, -1);
    } else if (ctx->role == ROLE_smtpd && to == ROLE_directory) {
        ok = channel_send(ch, MSG_DIR_RCPT, s, -1);
    } else if (ctx->role == ROLE_smtpd && to == ROLE_queue) {
        ok = channel_send(ch, MSG_SPOOLED, s, -1);
    } else if (ctx->role == ROLE_delivery && to == ROLE_queue) {
        ok = channel_send(ch, MSG_JOB_DONE, s, -1);
    }
    (void)ok; /* the peer may be dying just now */
}

static void role_peer(struct role_ctx *ctx, struct channel *ch)
{
    shared->joined[ctx->role][channel_peer(ch)]++;
    say(ctx, ch);
}

static bool role_message(struct role_ctx *ctx, struct channel *ch, const struct msg *m)
{
    (void)ch;
    if (m->payload.len > 0 && m->payload.ptr[0] == 0xff) {
        return false;
    }
    shared->heard[ctx->role]++;
    return true;
}

static void role_lost(struct role_ctx *ctx, struct channel *ch)
{
    shared->lost[ctx->role][channel_peer(ch)]++;
}

static void role_drain(struct role_ctx *ctx, uint32_t ms)
{
    (void)ms;
    if (shared->mood[ctx->role] == IGNORES_DRAIN) {
        return;
    }
    shared->drained[ctx->role] = ++shared->order;
    role_finish(ctx);
}

#define OPS(r)                                                                           \
    {                                                                                    \
        .role = r, .open = role_open, .start = role_start_it, .peer = role_peer,         \
        .message = role_message, .peer_gone = role_lost, .drain = role_drain             \
    }
static const struct role_ops all_ops[] = {OPS(ROLE_smtpd), OPS(ROLE_directory),
                                          OPS(ROLE_queue), OPS(ROLE_delivery),
                                          OPS(ROLE_trace)};
static const struct role_ops *const ops[] = {&all_ops[0], &all_ops[1], &all_ops[2],
                                             &all_ops[3], &all_ops[4]};

/* -- around it -- */

static bool past(uint64_t end)
{
    static const struct timespec pause = {0, 5 * 1000000L};
    (void)nanosleep(&pause, NULL);
    return clock_mono_ms() > end;
}

#define WAIT_FOR(cond)                                                                   \
    do {                                                                                 \
        uint64_t end_ = clock_mono_ms() + WAIT_MS;                                       \
        while (!(cond)) {                                                                \
            if (past(end_)) {                                                            \
                show_log();                                                              \
                fail_msg("waited in vain for " #cond);                                   \
            }                                                                            \
        }                                                                                \
    } while (0)

static void log_path(char out[128])
{
    (void)snprintf(out, 128, "%s/log", place.dir);
}

static size_t read_log(char *out, size_t cap)
{
    char path[128];
    log_path(path);
    FILE *f = fopen(path, "r");
    size_t n = f == NULL ? 0 : fread(out, 1, cap - 1, f);
    out[n] = '\0';
    if (f != NULL) {
        (void)fclose(f);
    }
    return n;
}

static void show_log(void);

static bool logged(const char *what)
{
    static char log[1 << 20];
    (void)read_log(log, sizeof log);
    return strstr(log, what) != NULL;
}

static void show_log(void)
{
    static char log[1 << 20];
    (void)read_log(log, sizeof log);
    (void)fprintf(stderr, "%s", log);
}

static pid_t run_supervisor(void)
{
    char path[128];
    log_path(path);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid != 0) {
        return pid;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* never outlive the test */
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    struct config *config = test_config(&place);
    struct supervisor_options options = {.ops = ops,
                                         .ops_n = sizeof ops / sizeof ops[0],
                                         .config_path = place.config_path};
    if (log < 0 || dup2(log, STDERR_FILENO) < 0 || config == NULL) {
        _exit(90);
    }
    _exit(supervisor_run(&options, config));
}

#define PROCESSES "smtpd-processes = 2\ndelivery-processes = 2\nlog { level = debug }\n"

static int set_up(void **state)
{
    (void)state;
    memset(shared, 0, sizeof *shared);
    shared->rude = -1;
    return test_place_make(&place, PROCESSES) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    if (supervisor > 0) {
        (void)kill(supervisor, SIGKILL);
        (void)waitpid(supervisor, NULL, 0);
        supervisor = 0;
    }
    test_place_remove(&place);
    return 0;
}

static void start(void)
{
    supervisor = run_supervisor();
    WAIT_FOR(logged("event=ready"));
}

static int exit_status(pid_t *pid)
{
    int status = 0;
    WAIT_FOR(waitpid(*pid, &status, WNOHANG) == *pid);
    *pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void stop_it(void)
{
    assert_int_equal(kill(supervisor, SIGTERM), 0);
    assert_int_equal(exit_status(&supervisor), 0);
}

static unsigned descriptors(pid_t pid)
{
    char path[64];
    unsigned n = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    assert_non_null(d);
    while (readdir(d) != NULL) {
        n++;
    }
    (void)closedir(d);
    return n;
}

static bool lives(pid_t pid)
{
    return kill(pid, 0) == 0;
}

/* A connection's greeting within the time, or false. */
static bool greeted(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval most = {10, 0};
    char got[8];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    bool ok = connect(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
              recv(fd, got, sizeof got, 0) == 5;
    (void)close(fd);
    return ok;
}

/* -- tests -- */

static void test_start_and_drain(void **state)
{
    struct stat st;
    char path[256];
    (void)state;
    start();
    /* 2 smtpd, 2 delivery, 1 each of the others */
    WAIT_FOR(shared->joined[ROLE_smtpd][ROLE_directory] == 2 &&
             shared->joined[ROLE_directory][ROLE_smtpd] == 2);
    WAIT_FOR(shared->joined[ROLE_smtpd][ROLE_queue] == 2 &&
             shared->joined[ROLE_queue][ROLE_smtpd] == 2 &&
             shared->joined[ROLE_queue][ROLE_delivery] == 2);
    WAIT_FOR(shared->joined[ROLE_trace][ROLE_smtpd] == 2 &&
             shared->joined[ROLE_trace][ROLE_delivery] == 2 &&
             shared->joined[ROLE_trace][ROLE_queue] == 1 &&
             shared->joined[ROLE_trace][ROLE_directory] == 1);
    assert_int_equal(shared->joined[ROLE_smtpd][ROLE_delivery], 0);
    WAIT_FOR(shared->joined[ROLE_directory][ROLE_queue] == 1);
    assert_int_equal(shared->joined[ROLE_directory][ROLE_delivery], 0);
    WAIT_FOR(shared->heard[ROLE_directory] == 2 && shared->heard[ROLE_queue] == 4 &&
             shared->heard[ROLE_trace] == 6);
    for (int i = 0; i < 20; i++) {
        assert_true(greeted(place.port));
    }
    (void)snprintf(path, sizeof path, "%s/control/queue.sock", place.state);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    stop_it();
    assert_true(shared->drained[ROLE_smtpd] != 0);
    assert_true(shared->drained[ROLE_smtpd] < shared->drained[ROLE_delivery]);
    assert_true(shared->drained[ROLE_delivery] < shared->drained[ROLE_queue]);
    assert_true(shared->drained[ROLE_queue] < shared->drained[ROLE_directory]);
    assert_true(shared->drained[ROLE_directory] < shared->drained[ROLE_trace]);
    assert_false(logged("malformed"));
}

/* It comes back, it is joined again, and its peers saw it go and come. */
static void kill_one(enum role r, unsigned i)
{
    static const enum role witness[ROLE_COUNT] = {[ROLE_smtpd] = ROLE_directory,
                                                  [ROLE_directory] = ROLE_smtpd,
                                                  [ROLE_queue] = ROLE_delivery,
                                                  [ROLE_delivery] = ROLE_queue,
                                                  [ROLE_trace] = ROLE_queue};
    /* not "==": joining from before may still be under way among others */
    enum role w = witness[r];
    unsigned witnesses = w == ROLE_smtpd || w == ROLE_delivery ? 4 : 1;
    int pid = shared->pid[r][i];
    unsigned joined = shared->joined[r][w];
    unsigned met = shared->joined[w][r];
    unsigned lost = shared->lost[w][r];
    assert_int_equal(kill(pid, SIGKILL), 0);
    WAIT_FOR(shared->pid[r][i] != pid);
    WAIT_FOR(shared->joined[r][w] >= joined + witnesses);
    WAIT_FOR(shared->joined[w][r] >= met + witnesses);
    WAIT_FOR(shared->lost[w][r] >= lost + witnesses);
}

static void test_restart(void **state)
{
    unsigned killed = 0;
    (void)state;
    assert_true(test_configure(&place, "smtpd-processes = 4\ndelivery-processes = 4\n"));
    start();
    WAIT_FOR(shared->joined[ROLE_queue][ROLE_delivery] == 4 &&
             shared->joined[ROLE_directory][ROLE_smtpd] == 4);
    unsigned before = descriptors(supervisor);
    for (int round = 0; round < 5; round++) {
        for (unsigned r = ROLE_smtpd; r < ROLE_COUNT; r++) {
            unsigned n = r == ROLE_smtpd || r == ROLE_delivery ? 4 : 1;
            for (unsigned i = 0; i < n; i++) {
                kill_one((enum role)r, i);
                killed++;
            }
        }
    }
    assert_true(killed >= 50);
    WAIT_FOR(descriptors(supervisor) == before);
    assert_true(greeted(place.port));
    assert_false(logged("malformed"));
    stop_it();
}

static void test_connections_wait_for_the_successor(void **state)
{
    (void)state;
    assert_true(test_configure(&place, "smtpd-processes = 1\ndelivery-processes = 1\n"));
    start();
    for (int i = 0; i < 5; i++) {
        int pid = shared->pid[ROLE_smtpd][0];
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_true(greeted(place.port)); /* by whichever: none is refused */
    }
    stop_it();
}

static void test_accuse(void **state)
{
    (void)state;
    start();
    /* everybody has spoken: what smtpd 1 says next, it says to the new queue */
    WAIT_FOR(shared->heard[ROLE_directory] == 2 && shared->heard[ROLE_queue] == 4 &&
             shared->heard[ROLE_trace] == 6);
    int guilty = shared->pid[ROLE_smtpd][1];
    int innocent = shared->pid[ROLE_smtpd][0];
    int directory = shared->pid[ROLE_directory][0];
    shared->rude = 1;
    /* a new queue makes both smtpds talk: one says rubbish, and the queue accuses it */
    assert_int_equal(kill(shared->pid[ROLE_queue][0], SIGKILL), 0);
    WAIT_FOR(logged("event=accused process=smtpd index=1"));
    WAIT_FOR(shared->pid[ROLE_smtpd][1] != guilty);
    assert_true(lives(innocent) && lives(directory));
    assert_int_equal(shared->pid[ROLE_smtpd][0], innocent);
    stop_it();
}

static void test_penalty(void **state)
{
    static const struct timespec while_it_dies = {2, 0};
    (void)state;
    start();
    shared->mood[ROLE_trace] = DIES;
    assert_int_equal(kill(shared->pid[ROLE_trace][0], SIGKILL), 0);
    WAIT_FOR(logged("event=restart-waits"));
    unsigned opened = shared->opened[ROLE_trace];
    (void)nanosleep(&while_it_dies, NULL);
    assert_true(shared->opened[ROLE_trace] - opened <= 3);
    assert_true(greeted(place.port)); /* the others go on */
    shared->mood[ROLE_trace] = 0;
    stop_it();
}

static void test_reload(void **state)
{
    unsigned other = test_free_port();
    char lines[256];
    (void)state;
    start();
    int old_smtpd = shared->pid[ROLE_smtpd][0];
    int old_queue = shared->pid[ROLE_queue][0];
    unsigned before = descriptors(supervisor);
    for (int i = 0; i < 3; i++) {
        (void)snprintf(
            lines, sizeof lines,
            "smtpd-processes = 3\ndelivery-processes = 1\nlog { level = debug }\n"
            "listener \"b\" { address = {\"127.0.0.1:%u\"} service = mx tls = none }",
            other);
        assert_true(test_configure(&place, i == 2 ? PROCESSES : lines));
        unsigned opened = shared->opened[ROLE_trace];
        assert_int_equal(kill(supervisor, SIGHUP), 0);
        while (shared->opened[ROLE_trace] == opened) {
            assert_true(greeted(place.port)); /* at every moment */
        }
        WAIT_FOR(!lives(old_smtpd) && !lives(old_queue));
        assert_true(i == 2 || greeted(other));
    }
    WAIT_FOR(!greeted(other));
    /* the third process's socket stays, shared out among the two: somebody may wait in it */
    WAIT_FOR(descriptors(supervisor) == before + 1);
    assert_false(logged("malformed"));
    stop_it();
}

static void test_bad_reload(void **state)
{
    (void)state;
    start();
    int smtpd = shared->pid[ROLE_smtpd][0];
    assert_true(test_configure(&place, "\nno-such-thing = 7\n"));
    assert_int_equal(kill(supervisor, SIGHUP), 0);
    WAIT_FOR(logged("event=reload-refused"));
    assert_true(logged("postern.conf:6: "));
    assert_true(lives(smtpd) && greeted(place.port));

    /* good, but smtpd cannot open with it: the old ones stay too */
    unsigned before = descriptors(supervisor);
    shared->mood[ROLE_smtpd] = CANNOT_OPEN;
    assert_true(test_configure(&place, "smtpd-processes = 3"));
    assert_int_equal(kill(supervisor, SIGHUP), 0);
    WAIT_FOR(logged("smtpd could not start with it"));
    shared->mood[ROLE_smtpd] = 0;
    /* The third process's socket was never served: who came in through it is turned away when
     * it is closed (supervisor.h, BUGS). */
    WAIT_FOR(descriptors(supervisor) == before);
    assert_true(lives(smtpd));
    WAIT_FOR(greeted(place.port)); /* the process that could not open may still hold it */
    assert_int_equal(smtpd, shared->pid[ROLE_smtpd][0]);
    stop_it();
}

static void test_late_drain(void **state)
{
    (void)state;
    assert_true(test_configure(&place, PROCESSES "drain-time = \"1 s\"\n"));
    start();
    shared->mood[ROLE_smtpd] = IGNORES_DRAIN;
    uint64_t begin = clock_mono_ms();
    stop_it();
    assert_true(clock_mono_ms() - begin >= 600 && clock_mono_ms() - begin < 20000);
    assert_true(logged("event=drain-late process=smtpd"));
    assert_true(shared->drained[ROLE_queue] != 0);
}

static void test_second_signal_kills(void **state)
{
    (void)state;
    start();
    shared->mood[ROLE_smtpd] = IGNORES_DRAIN;
    assert_int_equal(kill(supervisor, SIGTERM), 0);
    WAIT_FOR(logged("event=stopping text=SIGTERM"));
    uint64_t begin = clock_mono_ms();
    assert_int_equal(kill(supervisor, SIGINT), 0);
    assert_int_equal(exit_status(&supervisor), 0);
    assert_true(clock_mono_ms() - begin < 25000); /* drain-time is 30 s */
}

/* As by timeout(1): once to the process, once to its group. */
static void test_same_signal_is_one(void **state)
{
    (void)state;
    start();
    shared->mood[ROLE_smtpd] = IGNORES_DRAIN;
    uint64_t begin = clock_mono_ms();
    assert_int_equal(kill(supervisor, SIGTERM), 0);
    WAIT_FOR(logged("event=stopping text=SIGTERM"));
    assert_int_equal(kill(supervisor, SIGTERM), 0);
    bool soon = clock_mono_ms() - begin < 800;
    (void)usleep(150 * 1000);
    if (soon) { /* else the machine is too slow for this question */
        assert_false(logged("again SIGTERM"));
    }
    assert_int_equal(kill(supervisor, SIGINT), 0);
    assert_int_equal(exit_status(&supervisor), 0);
}

static void test_cannot_start(void **state)
{
    (void)state;
    shared->mood[ROLE_directory] = CANNOT_OPEN;
    supervisor = run_supervisor();
    assert_int_equal(exit_status(&supervisor), 4);
    assert_true(logged("role=directory/0 event=fatal text=\"the test wants it so\""));
}

static void test_second_server(void **state)
{
    (void)state;
    start();
    pid_t second = run_supervisor();
    assert_int_equal(exit_status(&second), 4);
    assert_true(logged("another server runs on"));
    assert_true(greeted(place.port));
    stop_it();
}

static void test_port_taken(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)place.port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)state;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on,
                     sizeof on); /* as another Postern */
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(fd, 1), 0);
    supervisor = run_supervisor();
    assert_int_equal(exit_status(&supervisor), 4);
    assert_true(logged("cannot listen on 127.0.0.1:"));
    assert_true(logged("another program listens there: ss -ltnp"));
    (void)close(fd);
}

static void test_state_of_another_user(void **state)
{
    char spool[128];
    (void)state;
    if (geteuid() != 0) {
        skip(); /* cannot give it away */
    }
    (void)snprintf(spool, sizeof spool, "%s/spool", place.state);
    (void)mkdir(place.state, 0755);
    assert_int_equal(mkdir(spool, 0700), 0);
    assert_int_equal(chown(spool, 54321, 54321), 0);
    supervisor = run_supervisor();
    assert_int_equal(exit_status(&supervisor), 4);
    assert_true(logged("/spool belongs to user 54321, who ran the server there, and the "
                       "roles run as nobody: start as 54321 again, or"));
    struct stat st;
    assert_int_equal(stat(spool, &st), 0);
    assert_int_equal(st.st_uid, 54321); /* it was left to him */
}

static void test_supervisor_killed(void **state)
{
    pid_t pids[] = {0, 0, 0, 0, 0};
    char path[128];
    (void)state;
    start();
    for (unsigned i = 0; i < 5; i++) {
        pids[i] = shared->pid[ROLE_smtpd + i][0];
    }
    assert_int_equal(kill(supervisor, SIGKILL), 0);
    (void)waitpid(supervisor, NULL, 0);
    supervisor = 0;
    for (unsigned i = 0; i < 5; i++) {
        WAIT_FOR(!lives(pids[i]));
    }
    log_path(path);
    assert_int_equal(unlink(path), 0);
    start(); /* and the state is free again */
    stop_it();
}

static void test_without_root(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip(); /* all of them ran so */
    }
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (chmod(place.dir, 0777) != 0 || setgid(65534) != 0 || setuid(65534) != 0) {
            _exit(91);
        }
        supervisor = run_supervisor();
        int status = 0;
        uint64_t end = clock_mono_ms() + WAIT_MS;
        while (!logged("event=ready") && !past(end)) {
        }
        bool served = greeted(place.port);
        (void)kill(supervisor, SIGTERM);
        (void)waitpid(supervisor, &status, 0);
        _exit(served && WIFEXITED(status) ? WEXITSTATUS(status) : 92);
    }
    assert_int_equal(exit_status(&pid), 0);
    assert_true(shared->heard[ROLE_directory] > 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_start_and_drain),
        TEST(test_restart),
        TEST(test_connections_wait_for_the_successor),
        TEST(test_accuse),
        TEST(test_penalty),
        TEST(test_reload),
        TEST(test_bad_reload),
        TEST(test_late_drain),
        TEST(test_second_signal_kills),
        TEST(test_same_signal_is_one),
        TEST(test_cannot_start),
        TEST(test_second_server),
        TEST(test_port_taken),
        TEST(test_state_of_another_user),
        TEST(test_supervisor_killed),
        TEST(test_without_root),
    };
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
