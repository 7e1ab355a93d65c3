/* proc/control_test.c - a server in a child process, asked over its socket. */
#include "proc/control.h"

#include <event2/event.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MANY = 200000 };

/* What the child tells the test: lines written so far, streams begun and ended. */
static struct shared {
    volatile unsigned lines, begun, ended;
} * shared;

static pid_t child;
static char dir[] = "/tmp/control-test-XXXXXX";
static struct sockaddr_un address = {.sun_family = AF_UNIX};

struct count {
    json_int_t at, to;
};

static void count_next(void *state, struct control_call *call)
{
    struct count *c = state;
    while (c->at < c->to && control_room(call)) {
        control_line(call, json_pack("{s:I}", "n", c->at++));
        shared->lines++;
    }
    if (c->at == c->to) {
        control_done(call, 0);
    }
}

static void count_end(void *state)
{
    shared->ended++;
    free(state);
}

static const struct control_stream count_stream = {count_next, count_end};

static void handler(void *arg, struct control_call *call, json_t *request)
{
    assert_ptr_equal(arg, &child);
    const char *what = json_string_value(json_object_get(request, "do"));
    if (what != NULL && strcmp(what, "count") == 0) {
        struct count *c = malloc(sizeof *c);
        *c = (struct count){0, json_integer_value(json_object_get(request, "to"))};
        shared->begun++;
        control_stream(call, &count_stream, c);
    } else if (what != NULL && strcmp(what, "echo") == 0) {
        control_line(call, json_incref(request));
        control_done(call, 1);
    } else {
        control_error(call, 2, "unknown \xff request");
    }
}

static int start(void **state)
{
    (void)state;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED && mkdtemp(dir) != NULL);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/x.sock", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 64), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(60);
        struct event_base *base = event_base_new();
        struct control *c = control_new(base, fd, handler, &child);
        (void)event_base_dispatch(base);
        control_free(&c);
        _exit(0);
    }
    (void)close(fd);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    int status = 0;
    assert_int_equal(waitpid(child, &status, WNOHANG), 0); /* it still serves */
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &status, 0);
    (void)unlink(address.sun_path);
    (void)rmdir(dir);
    return 0;
}

static int dial(void)
{
    static const struct timeval wait = {20, 0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), n);
}

/* Everything until the server closes (or `until` lines have come), NUL-terminated. */
static size_t hear(int fd, char *out, size_t cap, unsigned until)
{
    size_t len = 0;
    unsigned lines = 0;
    while (lines < until) {
        assert_true(len < cap - 1);
        ssize_t n = recv(fd, out + len, 1, 0);
        assert_true(n >= 0);
        if (n == 0) {
            break;
        }
        lines += out[len] == '\n' ? 1 : 0;
        len += (size_t)n;
    }
    out[len] = '\0';
    return len;
}

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
        bool half_close;
    } cases[] = {
        {"{\"do\":\"echo\"}\n", "{\"do\":\"echo\"}\n{\"done\":true,\"status\":1}\n",
         false},
        {"{\"do\":\"none\"}\n", "{\"error\":\"unknown ? request\",\"status\":2}\n",
         false},
        {"[1]\n",
         "{\"error\":\"the request is no JSON object on one line\",\"status\":2}\n",
         false},
        {"{\"a\":1,\"a\":2}\n",
         "{\"error\":\"the request is no JSON object on one line\",\"status\":2}\n",
         false},
        {"nonsense\n{\"do\":\"count\",\"to\":2}\n{\"do\":\"x\"}\n",
         "{\"error\":\"the request is no JSON object on one line\",\"status\":2}\n"
         "{\"n\":0}\n{\"n\":1}\n{\"done\":true,\"status\":0}\n"
         "{\"error\":\"unknown ? request\",\"status\":2}\n",
         true},
        {"{\"do\":\"count\",\"to\":0}\n{\"do\":\"echo\"",
         "{\"done\":true,\"status\":0}\n", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char got[1024];
        unsigned lines = 0;
        for (const char *p = cases[i].out; *p != '\0'; p++) {
            lines += *p == '\n' ? 1 : 0;
        }
        int fd = dial();
        say(fd, cases[i].in);
        if (cases[i].half_close) {
            (void)shutdown(fd, SHUT_WR);
            lines = 1000;
        }
        (void)hear(fd, got, sizeof got, lines);
        assert_string_equal(got, cases[i].out);
        (void)close(fd);
    }
}

static void test_too_long(void **state)
{
    (void)state;
    static char block[65536];
    memset(block, 'x', sizeof block);
    char got[256];
    int fd = dial();
    for (size_t sent = 0; sent <= CONTROL_REQUEST_MAX; sent += sizeof block) {
        if (send(fd, block, sizeof block, MSG_NOSIGNAL) < 0) {
            break;
        }
    }
    (void)hear(fd, got, sizeof got, 1);
    assert_string_equal(
        got, "{\"error\":\"the request is longer than 1048576 octets\",\"status\":2}\n");
    (void)close(fd);
}

/* Nobody reads: the server stops producing. Somebody reads: all of it comes. */
static void test_back_pressure(void **state)
{
    (void)state;
    char request[64];
    (void)snprintf(request, sizeof request, "{\"do\":\"count\",\"to\":%d}\n", MANY);
    unsigned before = shared->lines;
    int fd = dial();
    say(fd, request);
    (void)usleep(300 * 1000);
    unsigned produced = shared->lines - before;
    assert_in_range(produced, 1, MANY / 4);

    static char block[65536];
    unsigned lines = 0;
    while (lines < MANY + 1) {
        ssize_t n = recv(fd, block, sizeof block, 0);
        assert_true(n > 0);
        for (ssize_t i = 0; i < n; i++) {
            lines += block[i] == '\n' ? 1 : 0;
        }
    }
    assert_int_equal(lines, MANY + 1);
    assert_int_equal(shared->lines - before, MANY);
    (void)close(fd);
}

/* A client that leaves in the middle: its stream is ended, the server serves on. */
static void test_gone(void **state)
{
    (void)state;
    char got[256], request[64];
    (void)snprintf(request, sizeof request, "{\"do\":\"count\",\"to\":%d}\n", MANY);
    for (int i = 0; i < 3; i++) {
        int fd = dial();
        say(fd, request);
        (void)hear(fd, got, sizeof got, 1);
        (void)close(fd);
    }
    for (int i = 0; i < 500 && shared->ended != shared->begun; i++) {
        (void)usleep(10 * 1000);
    }
    assert_int_equal(shared->ended, shared->begun);
}

/* More clients than CONTROL_CALLS_MAX: the last ones wait for a place. */
static void test_crowd(void **state)
{
    (void)state;
    char got[256];
    int fd[CONTROL_CALLS_MAX + 2];
    enum { N = sizeof fd / sizeof fd[0] };
    for (size_t i = 0; i < N; i++) {
        fd[i] = dial();
        say(fd[i], "{\"do\":\"echo\"}\n");
    }
    for (size_t i = 0; i < CONTROL_CALLS_MAX; i++) {
        assert_true(hear(fd[i], got, sizeof got, 2) > 0);
    }
    (void)usleep(50 * 1000);
    assert_true(recv(fd[N - 1], got, 1, MSG_DONTWAIT) < 0);
    for (size_t i = 0; i < CONTROL_CALLS_MAX; i++) {
        (void)close(fd[i]);
    }
    assert_true(hear(fd[N - 1], got, sizeof got, 2) > 0);
    (void)close(fd[N - 1]);
    (void)close(fd[N - 2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),      cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_back_pressure), cmocka_unit_test(test_gone),
        cmocka_unit_test(test_crowd),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
