/* net/conn.c - see conn.h */
#include "net/conn.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

void conn_init(struct conn *c, int fd)
{
    *c = (struct conn){.fd = fd};
}

void conn_close(struct conn *c)
{
    if (c->ssl != NULL) {
        if (SSL_is_init_finished(c->ssl)) {
            (void)SSL_shutdown(c->ssl); /* close_notify, as far as it goes at once */
        }
        SSL_free(c->ssl);
        ERR_clear_error();
    }
    if (c->fd >= 0) {
        (void)close(c->fd);
    }
    *c = (struct conn){.fd = -1};
}

static enum conn_res tls_result(struct conn *c, int ret)
{
    int why = SSL_get_error(c->ssl, ret);
    c->wants_write = why == SSL_ERROR_WANT_WRITE;
    if (why == SSL_ERROR_SSL) {
        c->why = ERR_reason_error_string(ERR_peek_error());
    } else if (why == SSL_ERROR_SYSCALL) {
        c->why = strerrorname_np(errno); /* "ECONNRESET" */
    }
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        return CONN_AGAIN;
    }
    return why == SSL_ERROR_ZERO_RETURN ? CONN_EOF : CONN_ERROR;
}

static enum conn_res plain_result(void)
{
    return errno == EAGAIN || errno == EINTR ? CONN_AGAIN : CONN_ERROR;
}

enum conn_res conn_read(struct conn *c, unsigned char *dst, size_t cap, size_t *n)
{
    c->wants_write = false;
    if (c->ssl != NULL) {
        int ret = SSL_read_ex(c->ssl, dst, cap, n);
        return ret == 1 ? CONN_OK : tls_result(c, ret);
    }
    ssize_t got = read(c->fd, dst, cap);
    if (got < 0) {
        return plain_result();
    }
    *n = (size_t)got;
    return got == 0 ? CONN_EOF : CONN_OK;
}

enum conn_res conn_peek(struct conn *c, unsigned char *dst, size_t cap, size_t *n)
{
    ssize_t got = recv(c->fd, dst, cap, MSG_PEEK);
    if (got < 0) {
        return plain_result();
    }
    *n = (size_t)got;
    return got == 0 ? CONN_EOF : CONN_OK;
}

enum conn_res conn_write(struct conn *c, struct slice s, size_t *n)
{
    c->wants_write = false;
    if (c->ssl != NULL) {
        int ret = SSL_write_ex(c->ssl, s.ptr, s.len, n);
        return ret == 1 ? CONN_OK : tls_result(c, ret);
    }
    ssize_t put = send(c->fd, s.ptr, s.len, MSG_NOSIGNAL);
    if (put < 0) {
        c->wants_write = errno == EAGAIN;
        return plain_result();
    }
    *n = (size_t)put;
    return CONN_OK;
}

static bool new_tls(struct conn *c, struct ssl_ctx_st *ctx)
{
    c->ssl = SSL_new(ctx);
    if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1) {
        SSL_free(c->ssl);
        c->ssl = NULL;
        ERR_clear_error();
        return false;
    }
    return true;
}

bool conn_start_tls(struct conn *c, struct ssl_ctx_st *ctx)
{
    if (!new_tls(c, ctx)) {
        return false;
    }
    SSL_set_accept_state(c->ssl);
    return true;
}

bool conn_connect_tls(struct conn *c, struct ssl_ctx_st *ctx)
{
    if (!new_tls(c, ctx)) {
        return false;
    }
    SSL_set_connect_state(c->ssl);
    return true;
}

enum conn_res conn_handshake(struct conn *c)
{
    c->wants_write = false;
    int ret = SSL_do_handshake(c->ssl);
    return ret == 1 ? CONN_OK : tls_result(c, ret);
}

const char *conn_tls_version(const struct conn *c)
{
    return c->ssl == NULL ? "" : SSL_get_version(c->ssl);
}

const char *conn_tls_cipher(const struct conn *c)
{
    return c->ssl == NULL ? "" : SSL_get_cipher_name(c->ssl);
}

bool conn_tls_exporter(const struct conn *c, unsigned char out[CONN_EXPORTER_LEN])
{
    static const char label[] = "EXPORTER-Channel-Binding";
    /* RFC 9266 4.2: with TLS 1.2 only if the extended master secret is in use. */
    return c->ssl != NULL &&
           (SSL_version(c->ssl) >= TLS1_3_VERSION ||
            SSL_get_extms_support(c->ssl) == 1) &&
           SSL_export_keying_material(c->ssl, out, CONN_EXPORTER_LEN, label,
                                      sizeof label - 1, NULL, 0, 0) == 1;
}

bool conn_has_pending(const struct conn *c)
{
    return c->ssl != NULL && SSL_has_pending(c->ssl) == 1;
}

void conn_shutdown_write(struct conn *c)
{
    if (c->ssl != NULL) {
        (void)SSL_shutdown(c->ssl);
        ERR_clear_error();
    }
    (void)shutdown(c->fd, SHUT_WR);
}

int conn_accept(int listener, struct sockaddr_storage *peer)
{
    socklen_t len = sizeof *peer;
    return accept4(listener, (struct sockaddr *)peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
