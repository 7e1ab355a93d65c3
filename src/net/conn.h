/* net/conn.h - one TCP connection, in the clear or under TLS; non-blocking.
 *
 * Own     conn_init() takes the descriptor; conn_close() gives everything back.
 * Errors  CONN_ERROR and CONN_EOF are final. CONN_AGAIN: wait until the socket is readable,
 *         or writable where `wants_write` says so (TLS may want either for both). */
#ifndef NET_CONN_H
#define NET_CONN_H
#include "base/slice.h"

#include <sys/socket.h>

enum conn_res { CONN_OK = 0, CONN_AGAIN, CONN_EOF, CONN_ERROR };

struct ssl_st;     /* OpenSSL's SSL */
struct ssl_ctx_st; /* and SSL_CTX */

struct conn {
    int fd;
    struct ssl_st *ssl; /* NULL: in the clear */
    bool wants_write;
    const char *why; /* CONN_ERROR: in words, static; NULL: nothing is known */
};

void conn_init(struct conn *c, int fd);
void conn_close(struct conn *c);

/* Up to cap octets into dst; *n > 0 on CONN_OK. */
MUST_USE enum conn_res conn_read(struct conn *c, unsigned char *dst, size_t cap,
                                 size_t *n);
/* The same, but what was read stays to be read again. In the clear only. */
MUST_USE enum conn_res conn_peek(struct conn *c, unsigned char *dst, size_t cap,
                                 size_t *n);
/* *n octets of s were written (maybe fewer than s.len) on CONN_OK. */
MUST_USE enum conn_res conn_write(struct conn *c, struct slice s, size_t *n);

/* Turns to TLS as the server; then conn_handshake() until it is no longer CONN_AGAIN. */
MUST_USE bool conn_start_tls(struct conn *c, struct ssl_ctx_st *ctx);
/* The same as the client; what is expected of the server is set on c->ssl before the handshake. */
MUST_USE bool conn_connect_tls(struct conn *c, struct ssl_ctx_st *ctx);
MUST_USE enum conn_res conn_handshake(struct conn *c);
const char *conn_tls_version(const struct conn *c); /* "TLSv1.3"; "" in the clear */
const char *conn_tls_cipher(const struct conn *c);

/* What both ends of this TLS session alone can compute (RFC 9266 tls-exporter), for channel
 * binding. False: in the clear, or a version of TLS where it would not be unique. */
enum { CONN_EXPORTER_LEN = 32 };
MUST_USE bool conn_tls_exporter(const struct conn *c,
                                unsigned char out[CONN_EXPORTER_LEN]);

/* TLS holds octets that are read already: the socket will not become readable for them. */
MUST_USE bool conn_has_pending(const struct conn *c);

/* No more will be written; the peer may still send. */
void conn_shutdown_write(struct conn *c);

/* The next waiting connection of a listening socket, non-blocking; -1: none (errno). */
MUST_USE int conn_accept(int listener, struct sockaddr_storage *peer);
#endif
