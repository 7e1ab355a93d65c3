/* bench/tls_bench.c - what a full TLS 1.3 handshake costs a server in OpenSSL alone, in CPU time.
 *
 *   tls_bench CERTIFICATE KEY [HANDSHAKES]
 *
 * Client and server are two sides of a socket pair in one thread; only the server's calls are counted.
 * "bare": a context with nothing set but certificate and key, no tickets. "postern": ours. Prints a
 * JSON object, microseconds a handshake. */
#include "base/clock.h"
#include "net/conn.h"
#include "tls/tls.h"

#include <openssl/ssl.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double cpu_us(void)
{
    struct timespec t = {0};
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void fail(const char *what)
{
    (void)fprintf(stderr, "tls_bench: %s\n", what);
    exit(1);
}

/* The server's share of one handshake. */
static double shake(SSL_CTX *server, SSL_CTX *client)
{
    int fd[2];
    struct conn c;
    double used = 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) != 0) {
        fail("socketpair");
    }
    SSL *ssl = SSL_new(client);
    if (ssl == NULL || SSL_set_fd(ssl, fd[1]) != 1) {
        fail("client");
    }
    SSL_set_connect_state(ssl);
    double begin = cpu_us();
    conn_init(&c, fd[0]);
    if (!conn_start_tls(&c, server)) {
        fail("server");
    }
    used += cpu_us() - begin;
    enum conn_res res = CONN_AGAIN;
    for (int i = 0; i < 10 && res == CONN_AGAIN; i++) {
        (void)SSL_do_handshake(ssl);
        begin = cpu_us();
        res = conn_handshake(&c);
        used += cpu_us() - begin;
    }
    if (res != CONN_OK) {
        fail("no handshake");
    }
    begin = cpu_us();
    conn_close(&c);
    used += cpu_us() - begin;
    SSL_free(ssl);
    (void)close(fd[1]);
    return used;
}

static double measure(SSL_CTX *server, SSL_CTX *client, long n)
{
    double used = 0;
    for (long i = 0; i < n / 10 + 1; i++) {
        (void)shake(server, client); /* warm */
    }
    for (long i = 0; i < n; i++) {
        used += shake(server, client);
    }
    return used / (double)n;
}

int main(int argc, char **argv)
{
    static const unsigned char secret[TLS_TICKETS_SECRET_LEN] = "no secret at all";
    char error[TLS_ERROR_MAX];
    if (argc < 3) {
        fail("usage: tls_bench CERTIFICATE KEY [HANDSHAKES]");
    }
    long n = argc > 3 ? strtol(argv[3], NULL, 10) : 2000;
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL_CTX *bare = SSL_CTX_new(TLS_server_method());
    if (client == NULL || bare == NULL || n < 1 ||
        SSL_CTX_use_certificate_chain_file(bare, argv[1]) != 1 ||
        SSL_CTX_use_PrivateKey_file(bare, argv[2], SSL_FILETYPE_PEM) != 1) {
        fail("certificate or key");
    }
    (void)SSL_CTX_set_num_tickets(bare, 0);
    (void)SSL_CTX_set_session_cache_mode(bare, SSL_SESS_CACHE_OFF);
    struct tls_options options = {.certificate = &argv[1],
                                  .key = &argv[2],
                                  .n = 1,
                                  .secret = secret,
                                  .secret_s = clock_wall_ms() / 1000};
    struct tls_server *ours = tls_server_new(&options, error);
    if (ours == NULL) {
        fail(error);
    }
    double bare_us = measure(bare, client, n);
    double ours_us = measure(tls_server_context(ours), client, n);
    (void)printf("{\"bare\":%.1f,\"postern\":%.1f}\n", bare_us, ours_us);
    tls_server_free(&ours);
    SSL_CTX_free(bare);
    SSL_CTX_free(client);
    return 0;
}
