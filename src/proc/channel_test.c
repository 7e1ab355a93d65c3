/* proc/channel_test.c - order, descriptors, full queues, malformed datagrams, peers that
 * go. */
#include "proc/channel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct end {
    struct channel *ch;
    unsigned message_n, gone_n, malformed_n;
    uint64_t last;     /* number in the last message */
    bool in_order;     /* each number was one more than the one before */
    bool refuse;       /* message() says that the payload does not decode */
    bool free_at_once; /* message() frees the channel */
    int fd;            /* the last one that came */
};

static struct event_base *base;

static bool on_message(void *arg, struct channel *ch, const struct msg *m)
{
    struct end *e = arg;
    struct wire_reader r = wire_reader_of(m->payload);
    uint64_t number = wire_u64(&r);
    e->in_order = e->in_order && number == e->last + 1;
    e->last = number;
    e->message_n++;
    if (m->fd >= 0) {
        e->fd = m->fd;
    }
    if (e->free_at_once) {
        assert_ptr_equal(ch, e->ch);
        channel_free(&e->ch);
    }
    return !e->refuse;
}

static void on_gone(void *arg, struct channel *ch)
{
    struct end *e = arg;
    (void)ch;
    e->gone_n++;
    channel_free(&e->ch);
}

static void on_malformed(void *arg, struct channel *ch)
{
    struct end *e = arg;
    (void)ch;
    e->malformed_n++;
    channel_free(&e->ch);
}

static const struct channel_ops ops = {on_message, on_gone, on_malformed};

static unsigned fd_count(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL) {
        n++;
    }
    (void)closedir(d);
    return n;
}

/* smtpd's end as a channel, queue's end as a channel. */
static void pair(struct end *smtpd, struct end *queue)
{
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    *smtpd = *queue = (struct end){.in_order = true, .fd = -1};
    smtpd->ch = channel_new(base, fd[0], ROLE_smtpd, ROLE_queue, 0, &ops, smtpd);
    queue->ch = channel_new(base, fd[1], ROLE_queue, ROLE_smtpd, 3, &ops, queue);
    assert_non_null(smtpd->ch);
    assert_non_null(queue->ch);
}

/* queue's end as a channel; the other one bare, to send rubbish from. */
static int bare(struct end *queue)
{
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
    *queue = (struct end){.in_order = true, .fd = -1};
    queue->ch = channel_new(base, fd[1], ROLE_queue, ROLE_smtpd, 3, &ops, queue);
    assert_non_null(queue->ch);
    return fd[0];
}

static void run(void)
{
    for (int i = 0; i < 20; i++) {
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    }
}

static bool send_number(struct channel *ch, uint64_t number, size_t len)
{
    static unsigned char room[MSG_PAYLOAD_MAX];
    for (unsigned i = 0; i < 8; i++) {
        room[i] = (unsigned char)(number >> (8 * i));
    }
    return channel_send(ch, MSG_SPOOLED, (struct slice){room, len}, -1);
}

static void test_order(void **state)
{
    struct end smtpd, queue;
    (void)state;
    pair(&smtpd, &queue);
    assert_int_equal(channel_peer(queue.ch), ROLE_smtpd);
    assert_int_equal(channel_peer_index(queue.ch), 3);
    for (uint64_t i = 1; i <= 5000; i++) {
        assert_true(send_number(smtpd.ch, i, i % 100 == 0 ? MSG_PAYLOAD_MAX : 16));
    }
    assert_true(channel_waiting(smtpd.ch) > 0); /* more than a socket holds */
    for (int i = 0; i < 1000 && queue.last < 5000; i++) {
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(queue.message_n, 5000);
    assert_true(queue.in_order);
    assert_int_equal(channel_waiting(smtpd.ch), 0);
    channel_free(&smtpd.ch);
    channel_free(&queue.ch);
}

/* The socket has room again, but others wait: what is said now may not overtake them. */
static void test_no_overtaking(void **state)
{
    struct end smtpd, queue;
    uint64_t n = 0;
    (void)state;
    pair(&smtpd, &queue);
    while (channel_waiting(smtpd.ch) < 3 * MSG_PAYLOAD_MAX) {
        assert_true(send_number(smtpd.ch, ++n, MSG_PAYLOAD_MAX));
    }
    channel_read(queue.ch);
    assert_true(queue.last < n);
    assert_true(send_number(smtpd.ch, ++n, 16));
    for (int i = 0; i < 100 && queue.last < n; i++) {
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(queue.message_n, n);
    assert_true(queue.in_order);
    channel_free(&smtpd.ch);
    channel_free(&queue.ch);
}

static void test_descriptor(void **state)
{
    struct end smtpd, queue;
    int pipe_fd[2];
    char c = 0;
    static const unsigned char payload[24] = {1};
    (void)state;
    pair(&smtpd, &queue);
    assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
    assert_true(channel_send(queue.ch, MSG_SEGMENT_GIVE, (struct slice){payload, 24},
                             pipe_fd[1]));
    run();
    assert_int_equal(smtpd.message_n, 1);
    assert_true(smtpd.fd >= 0 && smtpd.fd != pipe_fd[1]);
    assert_true((fcntl(smtpd.fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(write(smtpd.fd, "x", 1), 1);
    assert_int_equal(read(pipe_fd[0], &c, 1), 1);
    assert_int_equal(c, 'x');
    (void)close(smtpd.fd);
    (void)close(pipe_fd[0]);
    (void)close(pipe_fd[1]);
    channel_free(&smtpd.ch);
    channel_free(&queue.ch);
}

/* A queued message keeps its own copy of the descriptor. */
static void test_queued_descriptor(void **state)
{
    struct end smtpd, queue;
    int pipe_fd[2];
    unsigned n = 0;
    static const unsigned char payload[24] = {1};
    (void)state;
    unsigned before = fd_count();
    pair(&smtpd, &queue);
    assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
    while (channel_waiting(queue.ch) == 0) {
        assert_true(n++ < 100000);
        assert_true(
            channel_send(queue.ch, MSG_SPOOL_STATE, (struct slice){payload, 1}, -1));
    }
    assert_true(channel_send(queue.ch, MSG_SEGMENT_GIVE, (struct slice){payload, 24},
                             pipe_fd[1]));
    (void)close(pipe_fd[1]);
    for (int i = 0; i < 2000 && smtpd.message_n < n + 1; i++) {
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(smtpd.message_n, n + 1);
    assert_int_equal(write(smtpd.fd, "x", 1), 1);
    (void)close(smtpd.fd);
    (void)close(pipe_fd[0]);
    channel_free(&smtpd.ch);
    channel_free(&queue.ch);
    assert_int_equal(fd_count(), before);
}

static void test_full(void **state)
{
    struct end smtpd, queue;
    uint64_t n = 0;
    (void)state;
    pair(&smtpd, &queue);
    while (n < 1000 && send_number(smtpd.ch, n + 1, MSG_PAYLOAD_MAX)) {
        n++;
    }
    assert_true(n > CHANNEL_QUEUE_MAX / (MSG_PAYLOAD_MAX + MSG_HEAD_LEN) - 1 && n < 1000);
    assert_true(channel_waiting(smtpd.ch) <= CHANNEL_QUEUE_MAX);
    for (int i = 0; i < 1000 && queue.last < n; i++) {
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(queue.message_n, n); /* the refused one left no trace */
    assert_true(queue.in_order);
    assert_true(send_number(smtpd.ch, n + 1, 16));
    channel_free(&smtpd.ch);
    channel_free(&queue.ch);
}

static void test_malformed(void **state)
{
    static const struct {
        const char *what;
        const char *octets;
        size_t len;
        bool malformed;
    } cases[] = {
        {"well-formed SEGMENT_SEAL", "\x10\0\0\0\x0c\0\0\0aaaaaaaabbbbbbbb", 24, false},
        {"empty datagram", "", 0, true},
        {"rubbish", "GET / HTTP/1.0", 14, true},
        {"size out of bounds", "\x08\0\0\0\x0c\0\0\0aaaaaaaa", 16, true},
        {"a type smtpd may not send", "\x02\0\0\0\x04\0\0\0ab", 10, true},
    };
    (void)state;
    _Static_assert(MSG_SEGMENT_SEAL == 12 && MSG_ACCUSE == 4, "the cases hold numbers");
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct end queue;
        int fd = bare(&queue);
        assert_int_equal(send(fd, cases[i].octets, cases[i].len, 0), cases[i].len);
        run();
        if (queue.malformed_n != (cases[i].malformed ? 1U : 0U) || queue.gone_n != 0) {
            fail_msg("%s", cases[i].what);
        }
        (void)close(fd);
        run();
        assert_int_equal(queue.gone_n, cases[i].malformed ? 0 : 1);
        assert_null(queue.ch);
    }
}

static void test_too_long(void **state)
{
    struct end queue;
    static unsigned char room[MSG_HEAD_LEN + MSG_PAYLOAD_MAX + 8];
    (void)state;
    int fd = bare(&queue);
    msg_head(MSG_SPOOLED, MSG_PAYLOAD_MAX, room);
    assert_int_equal(send(fd, room, sizeof room, 0), sizeof room);
    run();
    assert_int_equal(queue.malformed_n, 1); /* its cut form would have passed */
    assert_int_equal(queue.message_n, 0);
    (void)close(fd);
}

/* Descriptors where the table has none, in number: all closed, sender accused. */
static void test_stray_descriptors(void **state)
{
    (void)state;
    for (int n = 1; n <= 20; n++) {
        unsigned before = fd_count();
        struct end queue;
        int fd = bare(&queue);
        union {
            struct cmsghdr head;
            unsigned char room[CMSG_SPACE(20 * sizeof(int))];
        } c = {0};
        char octets[] = "\x10\0\0\0\x0c\0\0\0aaaaaaaabbbbbbbb";
        struct iovec iov = {octets, 24};
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = &c,
                           .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int))};
        c.head.cmsg_level = SOL_SOCKET;
        c.head.cmsg_type = SCM_RIGHTS;
        c.head.cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
        for (int i = 0; i < n; i++) {
            memcpy(CMSG_DATA(&c.head) + (size_t)i * sizeof(int), &fd, sizeof fd);
        }
        assert_int_equal(sendmsg(fd, &m, 0), 24);
        run();
        assert_int_equal(queue.malformed_n, 1);
        (void)close(fd);
        assert_int_equal(fd_count(), before);
    }
}

static void test_handler_refuses(void **state)
{
    struct end smtpd, queue;
    (void)state;
    pair(&smtpd, &queue);
    queue.refuse = true;
    assert_true(send_number(smtpd.ch, 1, 16));
    assert_true(send_number(smtpd.ch, 2, 16));
    run();
    assert_int_equal(queue.message_n, 1);
    assert_int_equal(queue.malformed_n, 1);
    assert_int_equal(smtpd.gone_n, 1);
}

static void test_handler_frees(void **state)
{
    struct end smtpd, queue;
    (void)state;
    pair(&smtpd, &queue);
    queue.free_at_once = true;
    assert_true(send_number(smtpd.ch, 1, 16));
    assert_true(send_number(smtpd.ch, 2, 16));
    run();
    assert_int_equal(queue.message_n, 1);
    assert_null(queue.ch);
    assert_int_equal(queue.gone_n + queue.malformed_n, 0);
    assert_int_equal(smtpd.gone_n, 1);
}

/* What a peer said before it died is heard, although it left things of ours unread. */
static void test_last_words(void **state)
{
    struct end smtpd, queue;
    static const unsigned char one = 0;
    (void)state;
    pair(&smtpd, &queue);
    assert_true(channel_send(queue.ch, MSG_SPOOL_STATE, (struct slice){&one, 1}, -1));
    assert_true(send_number(smtpd.ch, 1, 16));
    assert_true(send_number(smtpd.ch, 2, 16));
    channel_free(&smtpd.ch);
    channel_read(queue.ch);
    assert_int_equal(queue.message_n, 2);
    assert_int_equal(queue.gone_n, 1);
    assert_null(queue.ch);
}

static void test_send_to_gone(void **state)
{
    struct end smtpd, queue;
    (void)state;
    pair(&smtpd, &queue);
    channel_free(&queue.ch);
    assert_false(send_number(smtpd.ch, 1, 16));
    assert_false(send_number(smtpd.ch, 2, 16));
    assert_int_equal(smtpd.gone_n, 0); /* never from inside channel_send() */
    run();
    assert_int_equal(smtpd.gone_n, 1);
}

static void test_gone_with_full_queue(void **state)
{
    struct end smtpd, queue;
    (void)state;
    unsigned before = fd_count();
    pair(&smtpd, &queue);
    for (uint64_t i = 0; i < 100; i++) {
        assert_true(send_number(smtpd.ch, i + 1, MSG_PAYLOAD_MAX));
    }
    channel_free(&queue.ch);
    run();
    assert_int_equal(smtpd.gone_n, 1);
    assert_int_equal(fd_count(), before);
}

static void test_flush(void **state)
{
    struct end smtpd, queue;
    (void)state;
    pair(&smtpd, &queue);
    for (uint64_t i = 0; i < 100; i++) {
        assert_true(send_number(smtpd.ch, i + 1, MSG_PAYLOAD_MAX));
    }
    size_t waits = channel_waiting(smtpd.ch);
    assert_true(waits > 0);
    channel_flush(smtpd.ch, 20); /* nobody reads: gives up in time */
    assert_int_equal(channel_waiting(smtpd.ch), waits);
    channel_read(queue.ch);
    channel_flush(smtpd.ch, 20);
    assert_true(channel_waiting(smtpd.ch) < waits);
    channel_free(&smtpd.ch);
    channel_free(&queue.ch);
}

static int base_new(void **state)
{
    (void)state;
    base = event_base_new();
    return base == NULL;
}

static int base_free(void **state)
{
    (void)state;
    event_base_free(base);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_no_overtaking),
        cmocka_unit_test(test_descriptor),
        cmocka_unit_test(test_queued_descriptor),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_stray_descriptors),
        cmocka_unit_test(test_handler_refuses),
        cmocka_unit_test(test_handler_frees),
        cmocka_unit_test(test_last_words),
        cmocka_unit_test(test_send_to_gone),
        cmocka_unit_test(test_gone_with_full_queue),
        cmocka_unit_test(test_flush),
    };
    return cmocka_run_group_tests(tests, base_new, base_free);
}
