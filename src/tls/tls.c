/* tls/tls.c - see tls.h */
#include "tls/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <stdio.h>

/* ECDHE with an AEAD only; TLS 1.3's own list needs no choice. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

static bool load(SSL_CTX *ctx, const char *certificate, const char *key,
                 const char **what)
{
    *what = certificate;
    if (SSL_CTX_use_certificate_chain_file(ctx, certificate) != 1) {
        return false;
    }
    *what = key;
    return SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1 &&
           SSL_CTX_check_private_key(ctx) == 1;
}

struct ssl_ctx_st *tls_server_new(const char *certificate, const char *key,
                                  char error[TLS_ERROR_MAX])
{
    const char *what = "TLS";
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, ciphers) != 1 ||
        !load(ctx, certificate, key, &what)) {
        char text[TLS_ERROR_MAX / 2];
        ERR_error_string_n(ERR_get_error(), text, sizeof text);
        (void)snprintf(error, TLS_ERROR_MAX, "%.100s: %s", what, text);
        ERR_clear_error();
        SSL_CTX_free(ctx);
        return NULL;
    }
    /* Buffers go back between records: an idle session costs no 32 KiB. */
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets do that */
    return ctx;
}

void tls_server_free(struct ssl_ctx_st **ctx)
{
    SSL_CTX_free(*ctx);
    *ctx = NULL;
}
