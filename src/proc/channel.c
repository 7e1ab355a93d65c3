/* proc/channel.c - see channel.h */
#include "proc/channel.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    DATAGRAM_MAX = MSG_HEAD_LEN + MSG_PAYLOAD_MAX,
    BURST_MAX = 64,              /* datagrams read before others get their turn */
    SOCKET_BUFFER = 1024 * 1024, /* octets; the kernel caps it at net.core.wmem_max */
    RETRY_MS = 10,
    FDS_MAX = 4, /* a message has at most one; more are received only to be closed */
};

struct waiting {
    struct list node;
    int fd; /* -1: none; ours */
    enum msg_type type;
    size_t len; /* of the payload */
    unsigned char payload[];
};

struct channel {
    struct event_base *base;
    int fd;
    enum role self, peer;
    unsigned peer_index;
    const struct channel_ops *ops;
    void *arg;
    struct event *readable, *writable, *retry;
    struct list queue;    /* of struct waiting */
    size_t queued;        /* octets, heads included */
    unsigned char *input; /* DATAGRAM_MAX octets */
    bool reading;         /* inside channel_read(): the memory must stay */
    bool freed;           /* channel_free() was called meanwhile */
    bool ended;           /* gone() or malformed() was called */
    bool deaf;            /* the peer takes no more; its last words may still be read */
};

static void read_some(struct channel *ch, unsigned most);

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    read_some(arg, BURST_MAX);
}

static void on_writable(evutil_socket_t fd, short what, void *arg);

struct channel *channel_new(struct event_base *base, int fd, enum role self,
                            enum role peer, unsigned peer_index,
                            const struct channel_ops *ops, void *arg)
{
    struct channel *ch = calloc(1, sizeof *ch);
    int flags = fcntl(fd, F_GETFL);
    int size = SOCKET_BUFFER;
    if (ch == NULL || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        free(ch);
        (void)close(fd);
        return NULL;
    }
    /* A larger buffer saves wake-ups; without it all works as well. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    *ch = (struct channel){.base = base,
                           .fd = fd,
                           .self = self,
                           .peer = peer,
                           .peer_index = peer_index,
                           .ops = ops,
                           .arg = arg};
    list_init(&ch->queue);
    ch->input = malloc(DATAGRAM_MAX);
    ch->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, ch);
    ch->writable = event_new(base, fd, EV_WRITE, on_writable, ch);
    ch->retry = event_new(base, -1, 0, on_writable, ch);
    if (ch->input == NULL || ch->readable == NULL || ch->writable == NULL ||
        ch->retry == NULL || event_add(ch->readable, NULL) != 0) {
        channel_free(&ch);
    }
    return ch;
}

static void waiting_free(struct channel *ch, struct waiting *w)
{
    list_remove(&w->node);
    ch->queued -= MSG_HEAD_LEN + w->len;
    if (w->fd >= 0) {
        (void)close(w->fd);
    }
    free(w);
}

static void queue_drop(struct channel *ch)
{
    while (!list_empty(&ch->queue)) {
        waiting_free(ch, LIST_ITEM(ch->queue.next, struct waiting, node));
    }
}

static void event_drop(struct event **e)
{
    if (*e != NULL) {
        event_free(*e);
        *e = NULL;
    }
}

void channel_free(struct channel **chp)
{
    struct channel *ch = *chp;
    *chp = NULL;
    if (ch == NULL) {
        return;
    }
    event_drop(&ch->readable);
    event_drop(&ch->writable);
    event_drop(&ch->retry);
    if (ch->fd >= 0) {
        (void)close(ch->fd);
        ch->fd = -1;
    }
    queue_drop(ch);
    ch->freed = true;
    if (!ch->reading) {
        free(ch->input);
        free(ch);
    }
}

enum role channel_peer(const struct channel *ch)
{
    return ch->peer;
}

unsigned channel_peer_index(const struct channel *ch)
{
    return ch->peer_index;
}

size_t channel_waiting(const struct channel *ch)
{
    return ch->queued;
}

/* -- sending -- */

enum sent { SENT_OK = 0, SENT_LATER, SENT_SHORT, SENT_NEVER };

/* One descriptor's worth of control data, aligned as a header wants it. */
union control {
    struct cmsghdr head;
    unsigned char room[CMSG_SPACE(sizeof(int) * FDS_MAX)];
};

static enum sent send_one(struct channel *ch, enum msg_type type, struct slice payload,
                          int fd)
{
    unsigned char head[MSG_HEAD_LEN];
    union control control = {0};
    struct iovec iov[2] = {{head, sizeof head}, {NULL, payload.len}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = payload.len == 0 ? 1 : 2};
    ssize_t n = -1;

    memcpy(&iov[1].iov_base, &payload.ptr,
           sizeof payload.ptr); /* sendmsg does not write */
    msg_head(type, payload.len, head);
    if (fd >= 0) {
        m.msg_control = &control;
        m.msg_controllen = CMSG_SPACE(sizeof fd);
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    }
    do {
        n = sendmsg(ch->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) {
        return SENT_OK; /* a datagram goes whole or not at all */
    }
    switch (errno) {
    case EAGAIN:
        return SENT_LATER;
    case ENOBUFS:
    case ENOMEM:
    case ETOOMANYREFS:
        return SENT_SHORT; /* the kernel's want, not the socket's: no event will tell */
    default:
        return SENT_NEVER;
    }
}

static void wait_to_send(struct channel *ch, enum sent why)
{
    static const struct timeval pause = {0, RETRY_MS * 1000};
    int failed =
        why == SENT_SHORT ? event_add(ch->retry, &pause) : event_add(ch->writable, NULL);
    BUG_ON(failed != 0);
}

/* Sends from the queue until it is empty or the socket is full. */
static enum sent send_queue(struct channel *ch)
{
    while (!list_empty(&ch->queue)) {
        struct waiting *w = LIST_ITEM(ch->queue.next, struct waiting, node);
        struct slice payload = {w->payload, w->len};
        enum sent sent = send_one(ch, w->type, payload, w->fd);
        if (sent == SENT_NEVER) {
            ch->deaf = true; /* reading will find the end and call gone() */
            queue_drop(ch);
        }
        if (sent != SENT_OK) {
            return sent;
        }
        waiting_free(ch, w);
    }
    return SENT_OK;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct channel *ch = arg;
    (void)fd;
    (void)what;
    enum sent sent = send_queue(ch);
    if (sent == SENT_LATER || sent == SENT_SHORT) {
        wait_to_send(ch, sent);
    }
}

static bool enqueue(struct channel *ch, enum msg_type type, struct slice payload, int fd)
{
    size_t len = MSG_HEAD_LEN + payload.len;
    if (len > CHANNEL_QUEUE_MAX - ch->queued) {
        return false;
    }
    struct waiting *w = malloc(sizeof *w + payload.len);
    if (w == NULL) {
        return false;
    }
    w->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0 && w->fd < 0) {
        free(w);
        return false;
    }
    w->type = type;
    w->len = payload.len;
    if (payload.len != 0) {
        memcpy(w->payload, payload.ptr, payload.len);
    }
    list_append(&ch->queue, &w->node);
    ch->queued += len;
    return true;
}

bool channel_send(struct channel *ch, enum msg_type type, struct slice payload, int fd)
{
    /* Sending what the table forbids is our own mistake, and would be taken for malice.
     */
    BUG_ON(!msg_may(type, ch->self, ch->peer));
    if (ch->deaf || ch->ended || ch->freed) {
        return false;
    }
    if (!list_empty(&ch->queue)) {
        return enqueue(ch, type, payload, fd);
    }
    enum sent sent = send_one(ch, type, payload, fd);
    if (sent == SENT_NEVER) {
        ch->deaf = true;
    }
    if (sent == SENT_OK || sent == SENT_NEVER) {
        return sent == SENT_OK;
    }
    if (!enqueue(ch, type, payload, fd)) {
        return false;
    }
    wait_to_send(ch, sent);
    return true;
}

void channel_flush(struct channel *ch, int ms)
{
    uint64_t end = clock_mono_ms() + (uint64_t)ms;
    while (send_queue(ch) != SENT_OK) {
        uint64_t now = clock_mono_ms();
        struct pollfd p = {.fd = ch->fd, .events = POLLOUT};
        if (ch->deaf || now >= end || poll(&p, 1, (int)(end - now)) == 0) {
            return;
        }
    }
}

/* -- receiving -- */

/* Takes the descriptors out of the control data. */
static size_t take_fds(struct msghdr *m, int fds[FDS_MAX])
{
    size_t n = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < got; i++) {
            int fd = -1;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (n == FDS_MAX) {
                (void)close(fd);
                continue;
            }
            fds[n++] = fd;
        }
    }
    return n;
}

enum got { GOT_NOTHING = 0, GOT_MESSAGE, GOT_END, GOT_BAD };

/* recvmsg() gives 0 for an empty datagram and for the end alike. */
static enum got end_or_empty(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    (void)poll(&p, 1, 0);
    return (p.revents & (POLLRDHUP | POLLHUP)) != 0 ? GOT_END : GOT_BAD;
}

static enum got receive(struct channel *ch, struct msg *out)
{
    union control control;
    struct iovec iov = {ch->input, DATAGRAM_MAX};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    int fds[FDS_MAX] = {-1};
    ssize_t n = -1;

    /* ECONNRESET tells, once, that the peer closed without reading all of ours. What it
     * sent before is still there. */
    do {
        n = recvmsg(ch->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (n < 0 && (errno == EINTR || errno == ECONNRESET));
    if (n < 0) {
        return errno == EAGAIN || errno == ENOMEM || errno == ENOBUFS ? GOT_NOTHING
                                                                      : GOT_END;
    }
    size_t fd_n = take_fds(&m, fds);
    if (n == 0 && fd_n == 0) {
        return end_or_empty(ch->fd);
    }
    struct slice datagram = {ch->input, (size_t)n};
    if ((m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 &&
        msg_check(datagram, fd_n, ch->peer, ch->self, out)) {
        out->fd = fd_n == 1 ? fds[0] : -1;
        return GOT_MESSAGE;
    }
    for (size_t i = 0; i < fd_n; i++) {
        (void)close(fds[i]);
    }
    return GOT_BAD;
}

static void finish(struct channel *ch, bool malformed)
{
    ch->ended = true;
    (void)event_del(ch->readable);
    (void)event_del(ch->writable);
    (void)event_del(ch->retry);
    queue_drop(ch);
    if (malformed && ch->ops->malformed != NULL) {
        ch->ops->malformed(ch->arg, ch);
    } else {
        ch->ops->gone(ch->arg, ch);
    }
}

/* One datagram. False: nothing more to read, or ch ended or was freed. */
static bool read_one(struct channel *ch)
{
    struct msg m = {.type = MSG_NONE, .fd = -1};
    enum got got = receive(ch, &m);
    bool ok = true;
    switch (got) {
    case GOT_NOTHING:
        return false;
    case GOT_MESSAGE:
        ok = ch->ops->message(ch->arg, ch, &m);
        if (!ch->freed && !ok) {
            finish(ch, true);
        }
        return ok && !ch->freed;
    case GOT_END:
    case GOT_BAD:
        finish(ch, got == GOT_BAD);
        return false;
    }
    return false;
}

static void read_some(struct channel *ch, unsigned most)
{
    BUG_ON(ch->reading); /* a handler ran the loop, or read its own channel */
    ch->reading = true;
    for (unsigned i = 0; i < most && read_one(ch); i++) {
    }
    ch->reading = false;
    if (ch->freed) {
        free(ch->input);
        free(ch);
    }
}

void channel_read(struct channel *ch)
{
    if (!ch->ended) {
        read_some(ch, UINT_MAX);
    }
}

void channel_hear_out(struct channel *ch)
{
    (void)shutdown(ch->fd, SHUT_RD);
    channel_read(ch);
}
