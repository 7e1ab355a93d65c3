/* bench/refsrv.c - not a mail server: the floor. What a durable SMTP receiver costs on a
 * machine at the least: epoll, WORKERS threads, each message appended to one log, one
 * fdatasync() for all that wait, then 250. It checks next to nothing and never reads what it
 * wrote.
 *
 *   refsrv PORT LOG [WORKERS] */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, CHUNK = 65536, MESSAGE_MAX = 64 * 1024 * 1024 };

struct worker {
    int ep, wake;
    pthread_mutex_t lock;
    struct client *durable; /* messages that are on disk */
};

struct client {
    int fd;
    bool in_message, waiting, closing;
    size_t len, cap, scanned;
    char *in;
    struct worker *worker;
    struct client *next;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t some;
    struct client *first, **last;
    int fd;
} to_write = {.lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER};
static uint16_t port;

static void fatal(const char *what)
{
    perror(what);
    exit(1);
}

static void wake(struct worker *w)
{
    static const uint64_t one = 1;
    if (write(w->wake, &one, sizeof one) != sizeof one) {
        fatal("eventfd");
    }
}

static void *commit(void *arg)
{
    (void)arg;
    for (;;) {
        (void)pthread_mutex_lock(&to_write.lock);
        while (to_write.first == NULL) {
            (void)pthread_cond_wait(&to_write.some, &to_write.lock);
        }
        struct client *all = to_write.first, *next = NULL;
        to_write.first = NULL;
        to_write.last = &to_write.first;
        (void)pthread_mutex_unlock(&to_write.lock);
        for (struct client *c = all; c != NULL; c = c->next) {
            if (write(to_write.fd, c->in, c->len) != (ssize_t)c->len) {
                fatal("write");
            }
        }
        if (fdatasync(to_write.fd) != 0) {
            fatal("fdatasync");
        }
        for (struct client *c = all; c != NULL; c = next) {
            struct worker *w = c->worker;
            next = c->next;
            (void)pthread_mutex_lock(&w->lock);
            bool was_empty = w->durable == NULL;
            c->next = w->durable;
            w->durable = c;
            (void)pthread_mutex_unlock(&w->lock);
            if (was_empty) {
                wake(w);
            }
        }
    }
    return NULL;
}

static void say(struct client *c, const char *text)
{
    c->closing = c->closing || send(c->fd, text, strlen(text), MSG_NOSIGNAL) < 0;
}

static void command(struct client *c, const char *line)
{
    static const struct {
        const char *verb, *reply;
    } known[] = {{"EHLO", "250-ref\r\n250 8BITMIME\r\n"},
                 {"MAIL", "250 ok\r\n"},
                 {"DATA", "354 go on\r\n"},
                 {"QUIT", "221 bye\r\n"},
                 {"RSET", "250 ok\r\n"},
                 {"RCPT", "250 ok\r\n"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strncasecmp(line, known[i].verb, 4) == 0) {
            say(c, known[i].reply);
            c->in_message = known[i].verb[0] == 'D';
            c->closing = c->closing || known[i].verb[0] == 'Q';
            return;
        }
    }
    say(c, "500 what?\r\n");
}

static bool take_command(struct client *c)
{
    char *end = memchr(c->in, '\n', c->len);
    if (end == NULL) {
        return false;
    }
    *end = '\0';
    command(c, c->in);
    c->len -= (size_t)(end + 1 - c->in);
    memmove(c->in, end + 1, c->len);
    c->scanned = 0;
    return true;
}

/* Nobody may send on behind the end of data before its reply. */
static bool take_message(struct client *c)
{
    size_t from = c->scanned > 4 ? c->scanned - 4 : 0;
    c->scanned = c->len;
    if (memmem(c->in + from, c->len - from, "\r\n.\r\n", 5) == NULL) {
        return false;
    }
    c->waiting = true;
    c->next = NULL;
    (void)pthread_mutex_lock(&to_write.lock);
    *to_write.last = c;
    to_write.last = &c->next;
    (void)pthread_cond_signal(&to_write.some);
    (void)pthread_mutex_unlock(&to_write.lock);
    return false;
}

static void readable(struct client *c)
{
    if (c->cap - c->len < CHUNK && c->cap < MESSAGE_MAX) {
        c->cap = c->len + 2 * (size_t)CHUNK;
        c->in = realloc(c->in, c->cap);
    }
    ssize_t n = c->in == NULL ? 0 : recv(c->fd, c->in + c->len, c->cap - c->len, 0);
    if (n <= 0) {
        c->closing = n == 0 || errno != EAGAIN;
        return;
    }
    c->len += (size_t)n;
    while (!c->closing && (c->in_message ? take_message(c) : take_command(c))) {
    }
}

static void close_client(struct client *c)
{
    (void)close(c->fd);
    free(c->in);
    free(c);
}

static void settle(struct worker *w)
{
    uint64_t n;
    struct client *next = NULL;
    (void)!read(w->wake, &n, sizeof n);
    (void)pthread_mutex_lock(&w->lock);
    struct client *c = w->durable;
    w->durable = NULL;
    (void)pthread_mutex_unlock(&w->lock);
    for (; c != NULL; c = next) {
        next = c->next;
        c->waiting = c->in_message = false;
        c->len = c->scanned = 0;
        say(c, "250 on disk\r\n");
        if (c->closing) {
            close_client(c);
        }
    }
}

static void greet(struct worker *w, int listener)
{
    static const int one = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct client *c = fd < 0 ? NULL : calloc(1, sizeof *c);
    if (c == NULL) {
        return;
    }
    *c = (struct client){.fd = fd, .worker = w};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    say(c, "220 ref ESMTP\r\n");
    if (epoll_ctl(w->ep, EPOLL_CTL_ADD, fd, &e) != 0) {
        close_client(c);
    }
}

static int listen_here(void)
{
    static const int one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0 ||
        bind(fd, (const struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 4096) != 0) {
        fatal("listen");
    }
    return fd;
}

static void *serve(void *arg)
{
    struct worker *w = arg;
    struct epoll_event events[EVENTS];
    int listener = listen_here();
    struct epoll_event on_client = {.events = EPOLLIN, .data.ptr = &listener};
    struct epoll_event on_wake = {.events = EPOLLIN, .data.ptr = w};
    if (epoll_ctl(w->ep, EPOLL_CTL_ADD, listener, &on_client) != 0 ||
        epoll_ctl(w->ep, EPOLL_CTL_ADD, w->wake, &on_wake) != 0) {
        fatal("epoll_ctl");
    }
    for (;;) {
        int n = epoll_wait(w->ep, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct client *c = events[i].data.ptr;
            if (events[i].data.ptr == &listener) {
                greet(w, listener);
            } else if (events[i].data.ptr != w && !c->waiting) {
                readable(c);
                if (c->closing && !c->waiting) {
                    close_client(c);
                }
            }
        }
        settle(w); /* behind the others: it frees clients */
    }
    return NULL;
}

int main(int argc, char **argv)
{
    long workers = argc > 3 ? strtol(argv[3], NULL, 10) : 2;
    pthread_t thread;
    if (argc < 3 || workers < 1 || workers > 64) {
        (void)fputs("usage: refsrv PORT LOG [WORKERS]\n", stderr);
        return 2;
    }
    port = (uint16_t)strtoul(argv[1], NULL, 10);
    to_write.last = &to_write.first;
    to_write.fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to_write.fd < 0 || pthread_create(&thread, NULL, commit, NULL) != 0) {
        fatal(argv[2]);
    }
    struct worker *all = calloc((size_t)workers, sizeof *all);
    for (long i = 0; all != NULL && i < workers; i++) {
        all[i].ep = epoll_create1(EPOLL_CLOEXEC);
        all[i].wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        (void)pthread_mutex_init(&all[i].lock, NULL);
        if (i > 0 && pthread_create(&thread, NULL, serve, &all[i]) != 0) {
            fatal("thread");
        }
    }
    (void)(all == NULL ? NULL : serve(all));
    return 1;
}
