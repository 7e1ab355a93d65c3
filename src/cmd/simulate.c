/* cmd/simulate.c - postern simulate: an SMTP server that gives any refusal of the catalogue on
 * demand, for those who test what sends mail. It keeps and counts nothing, and sends nothing on.
 *
 * Names   the local part of an address (up to a +) is a row: at MAIL that command gets it, at RCPT
 *         that one, but a row about the message comes at the message's end. A login whose user
 *         name begins with a row gets that; every other login is good, every other address taken.
 * I/O     one process, poll(); plain SMTP without TLS.
 * Limits  CONNS_MAX connections at a time; further ones wait until one ends. */
#include "base/id.h"
#include "base/nearest.h"
#include "cmd/cmd.h"
#include "smtp/session.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SAY "[--listen ADDRESS:PORT] [--profile gmail|iana] [--greet ROW]"

enum {
    CONNS_MAX = 64,
    INPUT_MAX = 64 * 1024,
    OUTPUT_MAX = 256 * 1024,
    USER_MAX = 128,
    BACKLOG = 128,
};

enum login { LOGIN_NONE = 0, LOGIN_PLAIN, LOGIN_USER, LOGIN_PASSWORD };

struct simulator;

struct conn {
    struct simulator *simulator;
    struct smtp_session *session; /* NULL: the place is free */
    int fd;
    bool over;           /* what is in out, then nothing more */
    enum reply_id later; /* the row for the end of the message */
    enum login login;
    char user[USER_MAX];
    char ip[INET6_ADDRSTRLEN];
    uint64_t id;
    uint32_t messages;
    struct buf in, out;
};

struct simulator {
    const char *address;
    enum reply_profile profile;
    enum reply_id greet;
    int fd;
    struct conn conn[CONNS_MAX];
};

/* --- which row, with what evidence --- */

static enum reply_id row_in(struct slice name)
{
    enum reply_id id = reply_by_name(slice_sub(name, 0, slice_find(name, '+')));
    const struct reply_row *row = reply_row(id);
    return row != NULL && row->refusal ? id : REPLY_NONE;
}

static bool of_message(enum reply_id id)
{
    static const char *const stages[] = {"data", "eom", "bdat", "queue"};
    const struct reply_row *row = reply_row(id);
    for (size_t i = 0; row != NULL && i < sizeof stages / sizeof stages[0]; i++) {
        if (strcmp(row->stage, stages[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What stands in the holes that no row is without, where the session knows nothing better. */
static const struct {
    const char *hole, *example;
} examples[] = {
    {"account", "ann@example.test"},
    {"argument", "an example"},
    {"command", "DATA"},
    {"customer", "example"},
    {"dkim", "fail"},
    {"dkim_domain", "example.test"},
    {"field", "From"},
    {"fields_limit", "100"},
    {"hops", "101"},
    {"limit", "100"},
    {"measured", "101"},
    {"mechanism", "PLAIN"},
    {"netblock", "192.0.2.0/24"},
    {"ptr", "host.example.test"},
    {"remote", "mx.example.test"},
    {"size", "1000000"},
    {"spf", "fail"},
    {"spf_domain", "example.test"},
};

/* Whether {hole} stands in the text, and not within a [group]. */
static bool wants(const char *text, const char *hole)
{
    size_t n = strlen(hole);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == '[') {
            at += strcspn(at, "]");
        } else if (*at == '{' && strncmp(at + 1, hole, n) == 0 && at[1 + n] == '}') {
            return true;
        }
        if (*at == '\0') {
            break;
        }
    }
    return false;
}

static void fill(const struct conn *c, enum reply_id id, const struct smtp_path *path,
                 struct fields *f)
{
    const char *text = reply_row(id)->text;
    const struct smtp_envelope *e = smtp_session_envelope(c->session);
    struct slice domain =
        path == NULL || path->domain.len == 0 ? SLICE("example.test") : path->domain;
    struct slice rcpt =
        path == NULL ? e->last == NULL ? SLICE("bob@example.test") : e->last->path.mailbox
        : path->mailbox.len ? path->mailbox
                            : SLICE("<>");
    fields_reset(f);
    fields_add_str(f, "ip", c->ip);
    fields_add(f, "domain", domain);
    fields_add(f, "rcpt", rcpt);
    fields_add(f, "sender", e->sender.mailbox.len > 0 ? e->sender.mailbox : SLICE("<>"));
    fields_add(f, "helo", smtp_session_helo(c->session));
    if (strstr(reply_row(id)->services, "admin-policy") != NULL) {
        fields_add_str(f, "rule", "example");
    }
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        if (wants(text, examples[i].hole)) {
            fields_add_str(f, examples[i].hole, examples[i].example);
        }
    }
}

static struct smtp_verdict verdict_of(const struct conn *c, enum reply_id id,
                                      const struct smtp_path *path, struct fields *f)
{
    struct smtp_verdict verdict = {id, NULL};
    if (id != REPLY_NONE) {
        fill(c, id, path, f);
        verdict.evidence = f;
    }
    return verdict;
}

/* --- the session --- */

static void on_reply(void *arg, enum reply_id id, const struct fields *evidence,
                     const struct slice *lines, size_t line_n)
{
    struct conn *c = arg;
    struct fields f = {0};
    const struct reply_row *row = reply_row(id);
    if (evidence != NULL) {
        f = *evidence;
    }
    fields_add_str(&f, "host", "simulate.example.test");
    if (line_n > 0) {
        (void)reply_render_lines(&c->out, id, c->simulator->profile, &f, lines, line_n);
    } else {
        (void)reply_render(&c->out, id, c->simulator->profile, &f, c->id, SLICE(""));
    }
    if (row->refusal) {
        (void)printf("%s %u %s\n", row->id, row->code[c->simulator->profile], c->ip);
        (void)fflush(stdout);
    }
}

static void on_command(void *arg, enum smtp_verb verb, struct slice line)
{
    (void)arg;
    (void)verb;
    (void)line;
}

static void on_hello(void *arg, struct slice name, bool extended)
{
    (void)arg;
    (void)name;
    (void)extended;
}

static void on_mail(void *arg, const struct smtp_envelope *e)
{
    struct conn *c = arg;
    struct fields f;
    enum reply_id id = row_in(e->sender.local);
    if (of_message(id)) {
        c->later = id;
        id = REPLY_NONE;
    }
    smtp_session_mail(c->session, verdict_of(c, id, &e->sender, &f), NULL);
}

static void on_rcpt(void *arg, const struct smtp_recipient *r)
{
    struct conn *c = arg;
    struct fields f;
    enum reply_id id = row_in(r->path.local);
    if (of_message(id)) {
        c->later = id;
        id = REPLY_NONE;
    }
    smtp_session_rcpt(c->session, verdict_of(c, id, &r->path, &f), NULL);
}

static struct smtp_verdict on_data_begin(void *arg, const struct smtp_envelope *e)
{
    (void)arg;
    (void)e;
    return (struct smtp_verdict){REPLY_NONE, NULL};
}

static bool on_data(void *arg, struct slice s)
{
    (void)arg;
    (void)s;
    return true;
}

static void on_data_end(void *arg, const struct smtp_envelope *e)
{
    struct conn *c = arg;
    struct fields f;
    char id[ID_TEXT_MAX];
    struct smtp_verdict verdict = verdict_of(c, c->later, &e->last->path, &f);
    if (c->later == REPLY_NONE) {
        fields_reset(&f);
        fields_add(&f, "id", id_text((struct message_id){c->id, ++c->messages}, id));
        verdict.evidence = &f;
    }
    smtp_session_done(c->session, verdict);
}

static void on_reset(void *arg)
{
    ((struct conn *)arg)->later = REPLY_NONE;
}

static void login_ends(struct conn *c)
{
    struct fields f;
    struct slice user = slice_of(c->user);
    enum reply_id id = row_in(slice_sub(user, 0, slice_find(user, '@')));
    struct smtp_auth_answer answer = {.step = SMTP_AUTH_OK, .text = user};
    if (id != REPLY_NONE) {
        answer.step = SMTP_AUTH_REFUSED;
        answer.verdict = verdict_of(c, id, NULL, &f);
    }
    c->login = LOGIN_NONE;
    smtp_session_auth(c->session, answer);
}

static void challenge(struct conn *c, enum login next, const char *text)
{
    c->login = next;
    smtp_session_auth(c->session, (struct smtp_auth_answer){.step = SMTP_AUTH_CHALLENGE,
                                                            .text = slice_of(text)});
}

static void on_auth_response(void *arg, struct slice response)
{
    struct conn *c = arg;
    struct slice user = response;
    if (c->login == LOGIN_PASSWORD) {
        login_ends(c);
        return;
    }
    if (c->login == LOGIN_PLAIN) { /* RFC 4616 2: [authzid] NUL authcid NUL passwd */
        user = slice_from(user, slice_find(user, '\0') + 1);
        user = slice_sub(user, 0, slice_find(user, '\0'));
    }
    if (user.len == 0 || !slice_cstr(user, c->user, sizeof c->user)) {
        (void)snprintf(c->user, sizeof c->user, "%s", "auth-response-undecodable");
        login_ends(c);
    } else if (c->login == LOGIN_USER) {
        challenge(c, LOGIN_PASSWORD, "Password:");
    } else {
        login_ends(c);
    }
}

static void on_auth(void *arg, const char *mechanism, const struct slice *initial)
{
    struct conn *c = arg;
    if (strcmp(mechanism, "LOGIN") == 0) {
        challenge(c, LOGIN_USER, "Username:");
        return;
    }
    c->login = LOGIN_PLAIN;
    if (initial == NULL) {
        challenge(c, LOGIN_PLAIN, "");
    } else {
        on_auth_response(c, *initial);
    }
}

static void on_auth_abort(void *arg)
{
    ((struct conn *)arg)->login = LOGIN_NONE;
}

/* XCLIENT and STARTTLS are not on offer. */
static const struct smtp_session_ops ops = {
    .reply = on_reply,
    .command = on_command,
    .hello = on_hello,
    .auth = on_auth,
    .auth_response = on_auth_response,
    .auth_abort = on_auth_abort,
    .mail = on_mail,
    .rcpt = on_rcpt,
    .data_begin = on_data_begin,
    .data = on_data,
    .data_end = on_data_end,
    .reset = on_reset,
};

/* --- connections --- */

static void drop(struct conn *c)
{
    smtp_session_free(&c->session);
    (void)close(c->fd);
    buf_clear(&c->in);
    buf_clear(&c->out);
}

static void take_connection(struct simulator *s, struct conn *c)
{
    static const struct smtp_auth_mechanism mechanisms[] = {{"PLAIN", false, false},
                                                            {"LOGIN", false, true}};
    static const struct smtp_offer offer = {.service = SMTP_SUBMISSION,
                                            .auth = mechanisms,
                                            .auth_n = 2,
                                            .auth_in_clear = true,
                                            .extensions = SMTP_EXT_DSN | SMTP_EXT_AUTH};
    static const struct smtp_limits limits = {.message_size = 100 * 1024 * 1024,
                                              .recipients = 1000,
                                              .unknown_commands = 10,
                                              .syntax_errors = 10,
                                              .errors_in_a_row = 1000,
                                              .unauthenticated_commands = UINT32_MAX};
    struct sockaddr_storage peer = {0};
    socklen_t len = sizeof peer;
    int fd = accept4(s->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    *c = (struct conn){.simulator = s, .fd = fd, .id = id_new_session()};
    const void *ip = peer.ss_family == AF_INET
                         ? (const void *)&((struct sockaddr_in *)&peer)->sin_addr
                         : (const void *)&((struct sockaddr_in6 *)&peer)->sin6_addr;
    (void)inet_ntop(peer.ss_family, ip, c->ip, sizeof c->ip);
    c->session = smtp_session_new(&offer, &limits, &ops, c);
    if (c->session == NULL) {
        (void)close(fd);
        return;
    }
    buf_init(&c->in, INPUT_MAX);
    buf_init(&c->out, OUTPUT_MAX);
    struct fields f;
    smtp_session_greet(c->session, verdict_of(c, s->greet, NULL, &f));
    c->over = s->greet != REPLY_NONE;
}

/* All that has come, as far as it goes. */
static void feed(struct conn *c)
{
    size_t used = 1;
    while (used > 0 && !c->over) {
        used = 0;
        enum smtp_feed res = smtp_session_feed(c->session, buf_slice(&c->in), &used);
        buf_consume(&c->in, used);
        c->over = res == SMTP_FEED_CLOSED;
        used = c->in.len > 0 ? used : 0;
    }
}

static bool read_some(struct conn *c)
{
    unsigned char *room = buf_room(&c->in, 8192);
    if (room == NULL) {
        return false; /* a line cannot be that long: the engine has said so before */
    }
    ssize_t n = recv(c->fd, room, 8192, 0);
    if (n > 0) {
        buf_grew(&c->in, (size_t)n);
        feed(c);
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool write_some(struct conn *c)
{
    ssize_t n = send(c->fd, c->out.ptr, c->out.len, MSG_NOSIGNAL);
    if (n > 0) {
        buf_consume(&c->out, (size_t)n);
    }
    return n >= 0 || errno == EAGAIN || errno == EINTR;
}

static void serve(struct conn *c, short events)
{
    bool alive = true;
    if (!c->over && (events & (POLLIN | POLLHUP | POLLERR)) != 0) {
        alive = read_some(c);
    }
    if (c->out.len > 0) {
        alive = write_some(c) && alive;
    }
    if (!alive || c->out.failed || (c->over && c->out.len == 0)) {
        drop(c);
    }
}

static int simulate(struct simulator *s)
{
    for (;;) {
        struct pollfd polled[CONNS_MAX + 1];
        struct conn *of[CONNS_MAX], *free_place = NULL;
        nfds_t n = 0;
        for (unsigned i = 0; i < CONNS_MAX; i++) {
            struct conn *c = &s->conn[i];
            if (c->session == NULL) {
                free_place = c;
                continue;
            }
            /* Who does not read is not read from. */
            polled[n] =
                (struct pollfd){.fd = c->fd, .events = c->out.len > 0 ? POLLOUT : POLLIN};
            of[n++] = c;
        }
        polled[n] =
            (struct pollfd){.fd = free_place == NULL ? -1 : s->fd, .events = POLLIN};
        if (poll(polled, n + 1, -1) < 0 && errno != EINTR) {
            perror("postern simulate: poll");
            return EXIT_SYSTEM;
        }
        for (nfds_t i = 0; i < n; i++) {
            if (polled[i].revents != 0) {
                serve(of[i], polled[i].revents);
            }
        }
        if (polled[n].revents != 0) {
            take_connection(s, free_place);
            if (free_place->session != NULL) {
                serve(free_place, 0);
            }
        }
    }
}

/* --- the start --- */

/* Port 0 is any that is free. What is not EXIT_OK was said. */
static int start(struct simulator *s)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    int on = 1;
    size_t digits = strlen(s->address);
    bool any = digits > 2 && strcmp(s->address + digits - 2, ":0") == 0;
    char text[128], ip[INET6_ADDRSTRLEN] = "";
    (void)snprintf(text, sizeof text, "%s%s", s->address, any ? "1" : "");
    if (!config_address_parse(text, &address, &len) || address.ss_family == AF_UNIX) {
        (void)fprintf(stderr, "postern simulate: --listen wants an address with a port: "
                              "127.0.0.1:2525, [::1]:2525\n");
        return EXIT_USAGE;
    }
    /* The port stands at the same place in both forms. */
    struct sockaddr_in in;
    memcpy(&in, &address, sizeof in);
    in.sin_port = any ? 0 : in.sin_port;
    memcpy(&address, &in, sizeof in);
    s->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0 || setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(s->fd, (struct sockaddr *)&address, len) != 0 ||
        listen(s->fd, BACKLOG) != 0 ||
        getsockname(s->fd, (struct sockaddr *)&address, &len) != 0) {
        (void)fprintf(stderr, "postern simulate: cannot listen on %s: %s\n", s->address,
                      strerror(errno));
        return EXIT_SYSTEM;
    }
    memcpy(&in, &address, sizeof in);
    const void *where = address.ss_family == AF_INET
                            ? (const void *)&((struct sockaddr_in *)&address)->sin_addr
                            : (const void *)&((struct sockaddr_in6 *)&address)->sin6_addr;
    (void)inet_ntop(address.ss_family, where, ip, sizeof ip);
    bool v6 = address.ss_family == AF_INET6;
    (void)printf("listening on %s%s%s:%u; Ctrl-C ends it\n", v6 ? "[" : "", ip,
                 v6 ? "]" : "", ntohs(in.sin_port));
    (void)fflush(stdout);
    return EXIT_OK;
}

static int no_such_row(const char *name)
{
    struct nearest near = nearest_to(slice_of(name));
    for (unsigned i = 0; i < REPLY_ID_COUNT; i++) {
        const struct reply_row *row = reply_row((enum reply_id)i);
        if (row != NULL && row->refusal) {
            nearest_offer(&near, row->id);
        }
    }
    (void)fprintf(stderr,
                  "postern simulate: there is no row '%s'%s%s; postern explain --rows "
                  "lists them\n",
                  name, near.word == NULL ? "" : "; did you mean ",
                  near.word == NULL ? "" : near.word);
    return EXIT_NO;
}

int cmd_simulate(struct cmd_ctx *ctx, int argc, char **argv)
{
    static struct simulator s = {.address = "127.0.0.1:2525", .profile = REPLY_GMAIL};
    (void)ctx;
    for (int i = 1; i < argc; i += 2) { /* an option and its value */
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--listen") == 0) {
            s.address = next;
        } else if (strcmp(argv[i], "--greet") == 0) {
            s.greet = row_in(slice_of(next));
            if (s.greet == REPLY_NONE) {
                return no_such_row(next);
            }
        } else if (strcmp(argv[i], "--profile") == 0 &&
                   (strcmp(next, "gmail") == 0 || strcmp(next, "iana") == 0)) {
            s.profile = next[0] == 'i' ? REPLY_IANA : REPLY_GMAIL;
        } else if (strcmp(argv[i], "--profile") == 0) {
            return cmd_usage("simulate", "--profile wants gmail or iana", SAY);
        } else {
            return cmd_no_such("simulate", argv[i], SAY);
        }
    }
    int status = start(&s);
    return status == EXIT_OK ? simulate(&s) : status;
}
