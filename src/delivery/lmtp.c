/* delivery/lmtp.c - see lmtp.h */
#include "delivery/lmtp.h"

#include "config/config.h"
#include "smtp/dot_encode.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    CONNECT_S = 30,
    SEND_S = 3 * 60, /* RFC 5321 4.5.3.2.5: data block */
    WIRE_MAX = 2 * SOURCE_CHUNK + 16,
};

struct lmtp_link {
    const struct lmtp_server *server;
    const char *hostname;
    int fd;         /* -1: no connection */
    uint64_t heard; /* octets that came since the mail was begun */
    struct buf wire;
    struct lmtp_engine engine;
};

/* --- the server ------------------------------------------------------------------------ */

static bool parse_unix(const char *path, struct lmtp_server *s)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&s->address;
    un->sun_family = AF_UNIX;
    s->len = sizeof *un;
    return path[0] == '/' &&
           slice_cstr(slice_of(path), un->sun_path, sizeof un->sun_path);
}

bool lmtp_server_parse(const char *setting, struct lmtp_server *out)
{
    struct lmtp_server s = {0};
    bool is_unix = slice_starts(slice_of(setting), SLICE("unix:"));
    bool ok = slice_cstr(slice_of(setting), s.name, sizeof s.name) &&
              (is_unix ? parse_unix(setting + 5, &s)
                       : config_address_parse(setting, &s.address, &s.len));
    if (ok) {
        *out = s;
    }
    return ok;
}

bool lmtp_server_unreachable(const struct lmtp_server *s)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&s->address;
    char dir[sizeof un->sun_path];
    struct stat st;
    if (un->sun_family != AF_UNIX) {
        return false;
    }
    memcpy(dir, un->sun_path, sizeof dir);
    char *slash = strrchr(dir, '/');
    if (slash == NULL) {
        return false;
    }
    slash[slash == dir] = 0;
    return stat(dir, &st) == 0 && st.st_nlink == 0;
}

static const char *fault_text(int error)
{
    const char *text = strerrordesc_np(error);
    return text == NULL ? "unknown fault" : text;
}

/* --- the connection -------------------------------------------------------------------- */

struct lmtp_link *lmtp_link_new(const struct lmtp_server *server, const char *hostname)
{
    struct lmtp_link *l = calloc(1, sizeof *l);
    if (l != NULL) {
        l->server = server;
        l->hostname = hostname;
        l->fd = -1;
        buf_init(&l->wire, WIRE_MAX);
        lmtp_init(&l->engine, slice_of(hostname));
    }
    return l;
}

static void hang_up(struct lmtp_link *l)
{
    if (l->fd >= 0) {
        (void)close(l->fd);
    }
    l->fd = -1;
}

void lmtp_link_free(struct lmtp_link **l)
{
    if (*l != NULL) {
        hang_up(*l);
        lmtp_clear(&(*l)->engine);
        buf_clear(&(*l)->wire);
        free(*l);
        *l = NULL;
    }
}

bool lmtp_link_connected(const struct lmtp_link *l)
{
    return l->fd >= 0;
}

static void set_send_timeout(int fd, int seconds)
{
    struct timeval tv = {.tv_sec = seconds};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

/* NULL, or why not. */
static const char *dial(struct lmtp_link *l)
{
    int one = 1;
    int family = l->server->address.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return fault_text(errno);
    }
    set_send_timeout(fd, CONNECT_S); /* holds for connect() too, socket(7) */
    if (connect(fd, (const struct sockaddr *)&l->server->address, l->server->len) != 0) {
        int error = errno;
        (void)close(fd);
        /* what connect() says of a timeout, and of a full backlog */
        return error == EINPROGRESS || error == EAGAIN ? "no answer to the connection"
                                                       : fault_text(error);
    }
    if (family != AF_UNIX) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    set_send_timeout(fd, SEND_S);
    l->fd = fd;
    return NULL;
}

/* A kept connection on which something waits was closed, or is out of step. */
static bool still_good(const struct lmtp_link *l)
{
    struct pollfd p = {.fd = l->fd, .events = POLLIN};
    return l->fd >= 0 && lmtp_want(&l->engine) == LMTP_READY && poll(&p, 1, 0) == 0;
}

static bool send_all(struct lmtp_link *l, struct slice s)
{
    while (s.len > 0) {
        ssize_t n = send(l->fd, s.ptr, s.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        s = slice_from(s, (size_t)n);
    }
    return true;
}

/* One read into the engine; false: nothing comes any more, *why says so. */
static bool hear(struct lmtp_link *l, int patience_ms, const char **why)
{
    unsigned char in[4096];
    struct pollfd p = {.fd = l->fd, .events = POLLIN};
    int ready = 0;
    do {
        ready = poll(&p, 1, patience_ms);
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) {
        *why = "no answer in time";
        return false;
    }
    ssize_t n = recv(l->fd, in, sizeof in, 0);
    if (n <= 0) {
        *why = n == 0 ? "connection closed" : fault_text(errno);
        return n < 0 && errno == EINTR;
    }
    l->heard += (uint64_t)n;
    lmtp_input(&l->engine, (struct slice){in, (size_t)n});
    return true;
}

/* --- the message ----------------------------------------------------------------------- */

/* The server may have said why before it closed. */
static void body_lost(struct lmtp_link *l)
{
    const char *why = "connection closed";
    const char *error = errno == EAGAIN ? "takes no octets" : fault_text(errno);
    if (hear(l, 0, &why) && lmtp_want(&l->engine) == LMTP_CLOSED) {
        return;
    }
    lmtp_lost(&l->engine, error);
}

static bool send_piece(struct lmtp_link *l, struct dot_encoder *dots, struct slice s)
{
    while (s.len > 0) {
        struct slice piece = slice_sub(s, 0, SOURCE_CHUNK);
        buf_reset(&l->wire);
        dot_encode_add(dots, piece, &l->wire);
        if (l->wire.failed || !send_all(l, buf_slice(&l->wire))) {
            return false;
        }
        s = slice_from(s, piece.len);
    }
    return true;
}

/* The final dot goes out only when all that came before it was right. */
static void send_body(struct lmtp_link *l, struct source *src, const struct job *j)
{
    struct dot_encoder dots = {0};
    struct slice in;
    enum source_res res;
    source_rewind(src, j);
    if (!send_piece(l, &dots, buf_slice(&src->head))) {
        body_lost(l);
        return;
    }
    while ((res = source_next(src, &in)) == SOURCE_OK) {
        if (!send_piece(l, &dots, in)) {
            body_lost(l);
            return;
        }
    }
    if (res != SOURCE_END) {
        lmtp_abandon(&l->engine,
                     res == SOURCE_IO
                         ? "451 4.3.0 the message in the spool cannot be read"
                         : "451 4.3.0 the message in the spool is damaged (checksum)");
        return;
    }
    buf_reset(&l->wire);
    dot_encode_end(&dots, &l->wire);
    if (l->wire.failed || !send_all(l, buf_slice(&l->wire))) {
        body_lost(l);
        return;
    }
    lmtp_body_sent(&l->engine);
}

static void converse(struct lmtp_link *l, struct source *src, const struct job *j)
{
    struct lmtp_engine *e = &l->engine;
    const char *why = NULL;
    for (;;) {
        switch (lmtp_want(e)) {
        case LMTP_WANT_REPLY:
            if (!send_all(l, buf_slice(&e->out))) {
                why = fault_text(errno);
                lmtp_lost(e, why);
                break;
            }
            buf_reset(&e->out);
            if (!hear(l, lmtp_patience_ms(e), &why)) {
                lmtp_lost(e, why);
            }
            break;
        case LMTP_WANT_BODY:
            send_body(l, src, j);
            break;
        case LMTP_READY:
            return;
        case LMTP_CLOSED:
            hang_up(l);
            return;
        }
    }
}

static void dial_anew(struct lmtp_link *l, const struct lmtp_mail *mail)
{
    hang_up(l);
    lmtp_clear(&l->engine);
    lmtp_init(&l->engine, slice_of(l->hostname));
    lmtp_mail(&l->engine, mail);
    const char *error = dial(l);
    if (error != NULL) {
        lmtp_lost(&l->engine, error);
    }
}

const struct outcome *lmtp_deliver(struct lmtp_link *l, struct source *src,
                                   const struct job *j, const struct job_target *target,
                                   unsigned n)
{
    struct lmtp_mail mail = {.sender = j->sender,
                             .size = src->head.len + j->message_len,
                             .flags = j->flags,
                             .target_n = n};
    for (unsigned i = 0; i < n; i++) {
        mail.target[i] = target[i].address;
    }
    bool kept = still_good(l);
    l->heard = 0;
    if (kept) {
        lmtp_mail(&l->engine, &mail);
    } else {
        dial_anew(l, &mail);
    }
    converse(l, src, j);
    if (kept && l->heard == 0 && lmtp_want(&l->engine) == LMTP_CLOSED) {
        dial_anew(l, &mail);
        converse(l, src, j);
    }
    for (unsigned i = 0; i < n; i++) {
        outcome_where(&l->engine.outcome[i], slice_of(l->server->name));
    }
    return l->engine.outcome;
}

void lmtp_link_end(struct lmtp_link *l)
{
    const char *why = NULL;
    if (l->fd >= 0 && lmtp_want(&l->engine) == LMTP_READY) {
        lmtp_quit(&l->engine);
        /* the answer is waited for, so that the server sees an orderly end */
        if (send_all(l, buf_slice(&l->engine.out))) {
            buf_reset(&l->engine.out);
            (void)hear(l, lmtp_patience_ms(&l->engine), &why);
        }
    }
    hang_up(l);
}
