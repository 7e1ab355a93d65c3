/* cmd/check_probe.c - see check_look.h: a host is asked for STARTTLS, and looked at. */
#include "base/clock.h"
#include "cmd/check_look.h"
#include "net/conn.h"
#include "tls/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PROBE_TIME_MS = 10000, LINE_ROOM = 8192 };

static bool wait_for(const struct conn *c, bool write, uint64_t until_ms)
{
    uint64_t now_ms = clock_mono_ms();
    struct pollfd fd = {.fd = c->fd, .events = write ? POLLOUT : POLLIN};
    return now_ms < until_ms && poll(&fd, 1, (int)(until_ms - now_ms)) == 1;
}

static bool open_to(const struct probe *p, struct conn *c, struct probe_result *out)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)p->port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6,
                              .sin6_port = htons((uint16_t)p->port)};
    bool is_v4 = ip_is_v4(&p->ip);
    int error = 0;
    socklen_t len = sizeof error;
    memcpy(&v4.sin_addr, p->ip.octet + 12, sizeof v4.sin_addr);
    memcpy(&v6.sin6_addr, p->ip.octet, sizeof v6.sin6_addr);
    conn_init(c, socket(is_v4 ? AF_INET : AF_INET6,
                        SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (c->fd < 0) {
        (void)snprintf(out->text, sizeof out->text, "%s", strerrordesc_np(errno));
        return false;
    }
    const struct sockaddr *to = is_v4 ? (const void *)&v4 : (const void *)&v6;
    if (connect(c->fd, to, is_v4 ? sizeof v4 : sizeof v6) != 0 && errno != EINPROGRESS) {
        error = errno;
    } else if (!wait_for(c, true, clock_mono_ms() + PROBE_TIME_MS)) {
        error = ETIMEDOUT;
    } else if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0) {
        error = errno;
    }
    (void)snprintf(out->text, sizeof out->text, "no connection: %s",
                   strerrordesc_np(error));
    return error == 0;
}

/* A whole reply: up to a line with a blank behind its code. Its code; 0: there is none. */
static unsigned reply(struct conn *c, char text[LINE_ROOM])
{
    size_t len = 0;
    uint64_t until_ms = clock_mono_ms() + PROBE_TIME_MS, code = 0;
    for (;;) {
        struct slice rest = {(const unsigned char *)text, len}, line;
        while (slice_find(rest, '\n') < rest.len && slice_line(&rest, &line)) {
            if (line.len >= 3 && (line.len == 3 || line.ptr[3] == ' ')) {
                text[len] = '\0';
                return slice_u64(slice_sub(line, 0, 3), &code) ? (unsigned)code : 0;
            }
        }
        size_t n = 0;
        enum conn_res res =
            conn_read(c, (unsigned char *)text + len, LINE_ROOM - 1 - len, &n);
        len += res == CONN_OK ? n : 0;
        if (len >= LINE_ROOM - 1 || (res != CONN_OK && res != CONN_AGAIN) ||
            (res == CONN_AGAIN && !wait_for(c, false, until_ms))) {
            return 0;
        }
    }
}

static unsigned command(struct conn *c, const char *line, char text[LINE_ROOM])
{
    struct slice rest = slice_of(line);
    size_t n = 0;
    while (rest.len > 0) {
        if (conn_write(c, rest, &n) != CONN_OK) {
            return 0; /* so short a line fits into any socket */
        }
        rest = slice_from(rest, n);
    }
    return reply(c, text);
}

static bool offers_starttls(const char *text)
{
    struct slice rest = slice_of(text), line;
    while (slice_line(&rest, &line)) {
        if (slice_ieq(slice_trim(slice_from(line, 4)), SLICE("STARTTLS"))) {
            return true;
        }
    }
    return false;
}

static void shake_hands(const struct probe *p, struct conn *c, struct tls_client *tls,
                        struct probe_result *out)
{
    uint64_t until_ms = clock_mono_ms() + PROBE_TIME_MS;
    bool dane = p->tlsa_n > 0;
    enum conn_res res = CONN_ERROR;
    /* With DANE it must match; else it is looked at, whatever it is. */
    bool set =
        conn_connect_tls(c, tls_client_context(tls)) &&
        tls_client_expect(c->ssl, p->host, dane ? TLS_VERIFY_DANE : TLS_VERIFY_LOOK,
                          p->tlsa, p->tlsa_n);
    while (set && (res = conn_handshake(c)) == CONN_AGAIN &&
           wait_for(c, c->wants_write, until_ms)) {
    }
    out->handshake = res == CONN_OK;
    if (!out->handshake) {
        const char *why = set ? tls_client_fault(c->ssl) : "it cannot be set up";
        (void)snprintf(out->text, sizeof out->text, "the TLS handshake fails: %s",
                       why != NULL      ? why
                       : c->why != NULL ? c->why
                                        : "no answer");
        return;
    }
    enum tls_client_verdict verdict = tls_client_verdict(c->ssl);
    static const char *const verdicts[] = {
        [TLS_CLIENT_GOOD] = "is for that name and of a known authority",
        [TLS_CLIENT_WRONG_HOST] = "is for another name",
        [TLS_CLIENT_EXPIRED] = "has expired, or is not valid yet",
        [TLS_CLIENT_NOT_TRUSTED] = "is of no known authority",
        [TLS_CLIENT_NO_TLSA] = "matches no TLSA record",
        [TLS_CLIENT_BROKEN] = "does not verify",
    };
    out->verified = verdict == TLS_CLIENT_GOOD;
    (void)snprintf(out->text, sizeof out->text, "%s, its certificate %s",
                   conn_tls_version(c),
                   dane && out->verified ? "matches a TLSA record" : verdicts[verdict]);
}

static void talk(const struct probe *p, struct conn *c, struct probe_result *out)
{
    char text[LINE_ROOM] = "", hello[300], error[TLS_ERROR_MAX];
    unsigned code = reply(c, text);
    (void)snprintf(hello, sizeof hello, "EHLO %.250s\r\n",
                   p->config->hostname[0] != '\0' ? p->config->hostname : "localhost");
    code = code == 220 ? command(c, hello, text) : code;
    if (code != 250) {
        (void)snprintf(out->text, sizeof out->text, "it does not greet: %.*s",
                       (int)strcspn(text, "\r\n"), text);
        return;
    }
    out->offered = offers_starttls(text);
    if (!out->offered || command(c, "STARTTLS\r\n", text) != 220) {
        (void)snprintf(out->text, sizeof out->text, "%s",
                       out->offered ? "it refuses STARTTLS"
                                    : "it does not offer STARTTLS");
        return;
    }
    struct tls_client *tls = tls_client_new(p->config->delivery_tls_ca, error);
    if (tls == NULL) {
        (void)snprintf(out->text, sizeof out->text, "%s", error);
        return;
    }
    shake_hands(p, c, tls, out);
    if (out->handshake) {
        IGNORE(command(c, "QUIT\r\n", text) == 221); /* it was polite to say so */
    }
    tls_client_free(&tls);
}

void check_probe(const struct probe *p, struct probe_result *out)
{
    struct conn c;
    *out = (struct probe_result){.connected = false};
    out->connected = open_to(p, &c, out);
    if (out->connected) {
        talk(p, &c, out);
    }
    conn_close(&c);
}
