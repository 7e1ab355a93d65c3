/* bench/smtpload.c - SMTP load generator: one thread, epoll, loopback only.
 *
 *   smtpload [-a 127.0.0.1:2525] [-c SESSIONS] [-m MESSAGES A CONNECTION] [-s OCTETS]
 *            [-l SECONDS | -n MESSAGES] [-d DOMAIN | -k SITES [-K DEAD]] [-u USERS] [-p] [-t] [-r] [-x] [-i]
 *            [-f FILE]
 *
 * Each session does its work over and over: connect, EHLO, messages, QUIT, wait for the end.
 *   -l, -n  starts no message after so many seconds, or after so many messages (5 s)
 *   -p      MAIL, RCPT and DATA in one write; otherwise each command waits for its answer
 *   -t      STARTTLS with TLS 1.3, a full handshake for each connection
 *   -f      the message, CRLF and no dots at the start of lines; a Message-ID goes in front
 *   -r      a session that failed begins again at once
 *   -x      asks for a recipient that must be refused; counts refusals
 *   -i      idle: all sessions stay open behind EHLO; prints a line, holds them until
 *           standard input ends, then says how many are still alive
 *   -k, -K  recipients at so many address literals in turn, [127.1.x.y]; the first DEAD of them
 *           are [10.9.x.y]
 * Recipients are user0000@DOMAIN ... in turn. Prints one JSON object. Latency is from MAIL
 * (with one message a connection: from connect) to the reply to the end of data. A failed
 * session rests RETRY_S (-r: not); all ends GIVE_UP_S after the time for the run. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { LATENCIES = 1 << 22, EVENTS = 256, LINE = 74, OPENING_MAX = 64 };
#define RETRY_S   0.02
#define GIVE_UP_S 30.0

enum state {
    CLOSED, /* new, done, or resting until rest_until */
    CONNECTING,
    GREETING,
    EHLO,
    STARTTLS,
    HANDSHAKE,
    MAIL,
    RCPT,
    DATA,
    END,
    QUIT,
    IDLE,
};

struct session {
    int fd;
    enum state state;
    uint32_t events;
    unsigned long serial;  /* of the connection: tells that it is another one now */
    unsigned long carried; /* messages over this connection */
    unsigned long user;    /* the recipient */
    double since, rest_until;
    SSL *ssl;
    size_t in_len, out_len, out_off, body_off; /* body_off == body_len: none to send */
    char in[4096], out[1024];
};

static struct {
    struct sockaddr_in to;
    unsigned long sessions, per_connection, octets, messages, users, sites, dead;
    double seconds;
    const char *domain, *file;
    bool pipelining, tls, refused, idle, restless;
} opt = {.sessions = 1,
         .per_connection = 1,
         .octets = 10240,
         .users = 1000,
         .domain = "bench.example"};

static struct {
    unsigned long begun, ok, failed, connections, idle_up, next_user, n_latency;
    double start, last;
    char error[160];
} run;

static uint32_t latency[LATENCIES]; /* microseconds */
static char *body;
static size_t body_len;
static SSL_CTX *tls;
static int ep;

static void fatal(const char *what)
{
    (void)fprintf(stderr, "smtpload: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static bool more_to_do(void)
{
    return opt.messages > 0 ? run.begun < opt.messages : now() - run.start < opt.seconds;
}

static void close_session(struct session *s)
{
    SSL_free(s->ssl);
    s->ssl = NULL;
    (void)close(s->fd);
    s->state = CLOSED;
}

static void fail(struct session *s, const char *why)
{
    if (run.error[0] == '\0') {
        (void)snprintf(run.error, sizeof run.error, "state %d: %.120s", s->state, why);
    }
    run.failed++;
    close_session(s);
    s->rest_until = opt.restless ? 0 : now() + RETRY_S;
}

static void watch(struct session *s, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = s};
    if (s->events != events && epoll_ctl(ep, EPOLL_CTL_MOD, s->fd, &e) == 0) {
        s->events = events;
    }
}

/* ---- octets out ---- */

/* As write(2); -1 with EAGAIN: wait. */
static ssize_t send_some(struct session *s)
{
    struct iovec part[2] = {{s->out + s->out_off, s->out_len - s->out_off},
                            {body + s->body_off, body_len - s->body_off}};
    if (s->ssl == NULL) {
        return writev(s->fd, part, 2);
    }
    const struct iovec *p = part[0].iov_len > 0 ? &part[0] : &part[1];
    int n = SSL_write(s->ssl, p->iov_base, (int)p->iov_len);
    int error = n > 0 ? 0 : SSL_get_error(s->ssl, n);
    errno =
        error == SSL_ERROR_WANT_WRITE || error == SSL_ERROR_WANT_READ ? EAGAIN : EPROTO;
    return n > 0 ? n : -1;
}

static void flush(struct session *s)
{
    while (s->out_off < s->out_len || s->body_off < body_len) {
        ssize_t n = send_some(s);
        if (n < 0 && errno == EAGAIN) {
            watch(s, EPOLLIN | EPOLLOUT);
            return;
        }
        if (n < 0) {
            fail(s, strerror(errno));
            return;
        }
        size_t head = s->out_len - s->out_off;
        head = head < (size_t)n ? head : (size_t)n;
        s->out_off += head;
        s->body_off += (size_t)n - head;
    }
    s->out_len = s->out_off = 0;
    watch(s, EPOLLIN);
}

static void say(struct session *s, enum state next, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static void say(struct session *s, enum state next, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(s->out + s->out_len, sizeof s->out - s->out_len, fmt, args);
    va_end(args);
    s->out_len += n > 0 ? (size_t)n : 0;
    s->state = next;
    flush(s);
}

/* ---- the dialogue: what follows each good reply ---- */

static const char *domain_of(unsigned long user)
{
    static char literal[sizeof "[127.1.255.255]"];
    unsigned long n = opt.sites == 0 ? 0 : user % opt.sites;
    if (opt.sites == 0) {
        return opt.domain;
    }
    (void)snprintf(literal, sizeof literal, "[%s.%lu.%lu]",
                   n < opt.dead ? "10.9" : "127.1", n / 200 % 200, n % 200 + 1);
    return literal;
}

static void begin_message(struct session *s)
{
    s->user = run.next_user++ % opt.users;
    if (s->carried++ > 0) { /* the first was begun with the connection */
        run.begun++;
        s->since = now();
    }
    if (opt.pipelining) {
        say(s, MAIL,
            "MAIL FROM:<sender@sender.example>\r\nRCPT TO:<user%04lu@%s>\r\nDATA\r\n",
            s->user, domain_of(s->user));
    } else {
        say(s, MAIL, "MAIL FROM:<sender@sender.example>\r\n");
    }
}

static void greeted(struct session *s)
{
    say(s, EHLO, "EHLO client.sender.example\r\n");
}

static void ehlo_done(struct session *s)
{
    if (opt.tls && s->ssl == NULL) {
        say(s, STARTTLS, "STARTTLS\r\n");
    } else if (opt.idle) {
        s->state = IDLE;
        run.idle_up++;
    } else {
        begin_message(s);
    }
}

static void handshake(struct session *s)
{
    int res = SSL_connect(s->ssl);
    int error = res == 1 ? 0 : SSL_get_error(s->ssl, res);
    if (res == 1) {
        greeted(s);
    } else if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        watch(s, error == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLIN | EPOLLOUT);
    } else {
        fail(s, "TLS handshake");
    }
}

static void starttls_done(struct session *s)
{
    s->ssl = SSL_new(tls);
    s->in_len = 0;
    s->state = HANDSHAKE;
    if (s->ssl == NULL || SSL_set_fd(s->ssl, s->fd) != 1) {
        fail(s, "SSL_new");
    } else {
        handshake(s);
    }
}

static void mail_done(struct session *s)
{
    if (opt.pipelining) {
        s->state = RCPT;
    } else if (opt.refused) {
        say(s, RCPT, "RCPT TO:<unknown%lu@%s>\r\n", s->user, domain_of(s->user));
    } else {
        say(s, RCPT, "RCPT TO:<user%04lu@%s>\r\n", s->user, domain_of(s->user));
    }
}

/* The message counts; another one, or the end. */
static void count(struct session *s)
{
    run.last = now();
    run.ok++;
    if (run.n_latency < LATENCIES) {
        latency[run.n_latency++] = (uint32_t)((run.last - s->since) * 1e6);
    }
    if (s->carried < opt.per_connection && more_to_do()) {
        begin_message(s);
    } else {
        say(s, QUIT, "QUIT\r\n");
    }
}

static void rcpt_done(struct session *s)
{
    if (opt.refused) {
        count(s);
    } else if (opt.pipelining) {
        s->state = DATA;
    } else {
        say(s, DATA, "DATA\r\n");
    }
}

static void data_done(struct session *s)
{
    s->body_off = 0;
    if (opt.file != NULL) {
        say(s, END, "Message-ID: <%d.%lu.%lu@sender.example>\r\n", (int)getpid(),
            s->serial, s->carried);
        return;
    }
    say(s, END,
        "From: Sender <sender@sender.example>\r\nTo: user@%s\r\nSubject: benchmark\r\n"
        "Date: Sat, 1 Aug 2026 12:00:00 +0000\r\n"
        "Message-ID: <%d.%lu.%lu@sender.example>\r\n\r\n",
        opt.domain, (int)getpid(), s->serial, s->carried);
}

static const struct {
    char first; /* digit of the reply that is expected */
    void (*then)(struct session *s);
} steps[] = {
    [GREETING] = {'2', greeted},
    [EHLO] = {'2', ehlo_done},
    [STARTTLS] = {'2', starttls_done},
    [MAIL] = {'2', mail_done},
    [RCPT] = {'2', rcpt_done},
    [DATA] = {'3', data_done},
    [END] = {'2', count},
    [QUIT] = {'2', close_session},
};

static void reply(struct session *s, const char *line)
{
    char want = steps[s->state].first;
    if (opt.refused && s->state == RCPT) {
        want = '5';
    }
    if (line[0] == want) {
        steps[s->state].then(s);
    } else {
        fail(s, line);
    }
}

/* ---- octets in ---- */

static ssize_t receive_some(struct session *s)
{
    size_t room = sizeof s->in - s->in_len;
    if (s->ssl == NULL) {
        return recv(s->fd, s->in + s->in_len, room, 0);
    }
    int n = SSL_read(s->ssl, s->in + s->in_len, (int)room);
    errno = n <= 0 && SSL_get_error(s->ssl, n) == SSL_ERROR_WANT_READ ? EAGAIN : EPROTO;
    return n > 0 ? n : -1;
}

/* Calls reply() for each whole reply; false: the session changed under us. */
static bool take_lines(struct session *s)
{
    unsigned long serial = s->serial;
    size_t done = 0;
    char *end = NULL;
    while ((end = memchr(s->in + done, '\n', s->in_len - done)) != NULL) {
        char *line = s->in + done;
        done = (size_t)(end - s->in) + 1;
        *end = '\0';
        if (end - line >= 4 && line[3] == '-') {
            continue;
        }
        if (s->state >= IDLE) {
            fail(s, line);
        } else {
            reply(s, line);
        }
        if (s->serial != serial || s->state == CLOSED || s->state == HANDSHAKE ||
            s->in_len == 0) {
            return false;
        }
    }
    s->in_len -= done;
    memmove(s->in, s->in + done, s->in_len);
    return true;
}

static void readable(struct session *s)
{
    for (;;) {
        ssize_t n = receive_some(s);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            fail(s, n == 0 ? "the server closed the connection" : strerror(errno));
            return;
        }
        s->in_len += (size_t)n;
        if (!take_lines(s) || s->ssl == NULL) {
            return; /* level-triggered: what is left tells again */
        }
        if (s->in_len == sizeof s->in) {
            fail(s, "line too long");
            return;
        }
    }
}

/* ---- sessions ---- */

static void open_session(struct session *s)
{
    static const int one = 1;
    static unsigned long serial;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0) {
        fatal("socket");
    }
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = s};
    s->events = e.events;
    s->serial = ++serial;
    s->in_len = s->out_len = s->out_off = s->carried = 0;
    s->body_off = body_len;
    s->since = now();
    s->state = CONNECTING;
    run.begun++;
    run.connections++;
    int res = connect(s->fd, (const struct sockaddr *)&opt.to, sizeof opt.to);
    if (res != 0 && errno != EINPROGRESS) {
        fail(s, strerror(errno));
    } else if (epoll_ctl(ep, EPOLL_CTL_ADD, s->fd, &e) != 0) {
        fatal("epoll_ctl");
    }
}

static void event(struct session *s, uint32_t events)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (s->state == CLOSED) {
        return;
    }
    if (s->state == CONNECTING) {
        (void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error != 0) {
            fail(s, strerror(error));
            return;
        }
        s->state = GREETING;
        watch(s, EPOLLIN);
    } else if (s->state == HANDSHAKE) {
        handshake(s);
    } else {
        unsigned long serial = s->serial;
        if ((events & EPOLLOUT) != 0) {
            flush(s);
        }
        if ((events & ~(uint32_t)EPOLLOUT) != 0 && s->state != CLOSED &&
            s->serial == serial) {
            readable(s);
        }
    }
}

/* Opens what is closed, as long as there is work; the number of sessions that live. With -i
 * few at a time, or the server's backlog overflows. */
static unsigned long keep_open(struct session *all)
{
    unsigned long living = 0, opening = 0;
    double t = now();
    for (unsigned long i = 0; i < opt.sessions; i++) {
        if (all[i].state == CLOSED && t >= all[i].rest_until &&
            (opt.idle ? opening < OPENING_MAX : more_to_do())) {
            open_session(&all[i]);
        }
        living += all[i].state != CLOSED;
        opening += all[i].state != CLOSED && all[i].state != IDLE;
    }
    return living;
}

static void dialogue(struct session *all)
{
    struct epoll_event events[EVENTS];
    double limit = opt.seconds + GIVE_UP_S;
    for (double t = run.start; t - run.start < limit; t = now()) {
        bool work = opt.idle ? run.idle_up < opt.sessions : more_to_do();
        if (keep_open(all) == 0 && !work) {
            return;
        }
        if (opt.idle && !work) {
            return;
        }
        int n = epoll_wait(ep, events, EVENTS, 20);
        for (int i = 0; i < n; i++) {
            event(events[i].data.ptr, events[i].events);
        }
    }
    if (run.error[0] == '\0') {
        (void)snprintf(run.error, sizeof run.error, "out of time");
    }
}

/* Holds all sessions until standard input ends; how many are still open then. */
static unsigned long hold(struct session *all)
{
    char octet;
    unsigned long alive = 0;
    (void)printf("{\"up\":%lu,\"failed\":%lu,\"secs\":%.3f,\"error\":\"%s\"}\n",
                 run.idle_up, run.failed, now() - run.start, run.error);
    (void)fflush(stdout);
    while (read(STDIN_FILENO, &octet, 1) > 0) {
    }
    for (unsigned long i = 0; i < opt.sessions; i++) {
        struct pollfd p = {.fd = all[i].fd, .events = POLLIN};
        alive += all[i].state == IDLE && poll(&p, 1, 0) == 0;
    }
    return alive;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double percentile(double share)
{
    return run.n_latency == 0
               ? 0
               : latency[(size_t)(share * (double)(run.n_latency - 1))] / 1000.0;
}

static void report(void)
{
    struct rusage used;
    double secs = run.last - run.start;
    (void)getrusage(RUSAGE_SELF, &used);
    qsort(latency, run.n_latency, sizeof latency[0], by_size);
    for (char *p = run.error; *p != '\0'; p++) {
        *p = *p == '"' || *p == '\\' || (unsigned char)*p < ' ' ? ' ' : *p;
    }
    (void)printf("{\"ok\":%lu,\"failed\":%lu,\"secs\":%.3f,\"rate\":%.1f,"
                 "\"connections\":%lu,\"p50_ms\":%.2f,\"p99_ms\":%.2f,\"max_ms\":%.2f,"
                 "\"gen_cpu\":%.3f,\"error\":\"%s\"}\n",
                 run.ok, run.failed, secs, secs > 0 ? (double)run.ok / secs : 0,
                 run.connections, percentile(0.5), percentile(0.99), percentile(1),
                 (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                     (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6,
                 run.error);
}

static unsigned long number(const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || n == 0 || n > 100000000) {
        (void)fprintf(stderr, "smtpload: %s is no number from 1 to 100000000\n", text);
        exit(2);
    }
    return n;
}

static void read_target(const char *text)
{
    char host[INET_ADDRSTRLEN] = "";
    const char *colon = strchr(text, ':');
    if (colon != NULL && (size_t)(colon - text) < sizeof host) {
        memcpy(host, text, (size_t)(colon - text));
        opt.to = (struct sockaddr_in){.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)number(colon + 1))};
    }
    if (inet_pton(AF_INET, host, &opt.to.sin_addr) != 1 ||
        ntohl(opt.to.sin_addr.s_addr) >> 24U != 127) {
        (void)fprintf(stderr, "smtpload: %s is no 127.x.y.z:port\n", text);
        exit(2);
    }
}

static void read_options(int argc, char **argv)
{
    int c;
    unsigned long seconds = 5;
    read_target("127.0.0.1:2525");
    while ((c = getopt(argc, argv, "a:c:m:s:l:n:d:k:K:u:f:ptrxi")) != -1) {
        switch (c) {
        case 'a':
            read_target(optarg);
            break;
        case 'c':
            opt.sessions = number(optarg);
            break;
        case 'm':
            opt.per_connection = number(optarg);
            break;
        case 's':
            opt.octets = number(optarg);
            break;
        case 'l':
            seconds = number(optarg);
            break;
        case 'n':
            opt.messages = number(optarg);
            break;
        case 'd':
            opt.domain = optarg;
            break;
        case 'k':
            opt.sites = number(optarg);
            break;
        case 'K':
            opt.dead = number(optarg);
            break;
        case 'u':
            opt.users = number(optarg);
            break;
        case 'f':
            opt.file = optarg;
            break;
        case 'p':
            opt.pipelining = true;
            break;
        case 't':
            opt.tls = true;
            break;
        case 'r':
            opt.restless = true;
            break;
        case 'x':
            opt.refused = true;
            break;
        case 'i':
            opt.idle = true;
            break;
        default:
            (void)fputs("usage: see the head of bench/smtpload.c\n", stderr);
            exit(2);
        }
    }
    opt.seconds = (double)seconds;
}

/* Lines of text, then the end of data; the header comes in front. */
static void make_body(void)
{
    static const char end[] = ".\r\n";
    size_t lines = opt.octets > 256 ? (opt.octets - 256) / LINE : 0;
    body_len = lines * LINE + sizeof end - 1;
    body = malloc(body_len);
    if (body == NULL) {
        fatal("malloc");
    }
    for (size_t i = 0; i < lines * LINE; i++) {
        size_t column = i % LINE;
        body[i] = column == LINE - 2   ? '\r'
                  : column == LINE - 1 ? '\n'
                                       : (char)('a' + (i / LINE + column) % 26);
    }
    memcpy(body + lines * LINE, end, sizeof end - 1);
}

static void read_body(void)
{
    static const char end[] = ".\r\n";
    FILE *file = fopen(opt.file, "rb");
    enum { ROOM = 1 << 20 };
    body = malloc(ROOM);
    if (file == NULL || body == NULL) {
        fatal(opt.file);
    }
    body_len = fread(body, 1, ROOM - sizeof end, file);
    (void)fclose(file);
    memcpy(body + body_len, end, sizeof end - 1);
    body_len += sizeof end - 1;
}

static void tls_start(void)
{
    tls = SSL_CTX_new(TLS_client_method());
    if (tls == NULL || SSL_CTX_set_min_proto_version(tls, TLS1_3_VERSION) != 1) {
        fatal("TLS");
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_NONE, NULL);
    (void)SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

int main(int argc, char **argv)
{
    struct rlimit files;
    read_options(argc, argv);
    (void)signal(SIGPIPE, SIG_IGN);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    opt.file != NULL ? read_body() : make_body();
    if (opt.tls) {
        tls_start();
    }
    struct session *all = calloc(opt.sessions, sizeof *all);
    ep = epoll_create1(EPOLL_CLOEXEC);
    if (all == NULL || ep < 0) {
        fatal("start");
    }
    run.start = run.last = now();
    dialogue(all);
    if (opt.idle) {
        (void)printf("{\"alive\":%lu}\n", hold(all));
    } else {
        report();
    }
    free(all);
    free(body);
    SSL_CTX_free(tls);
    return 0;
}
