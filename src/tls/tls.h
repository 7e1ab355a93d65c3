/* tls/tls.h - the server's TLS settings: one context a process, made before the sandbox.
 *
 * Source  RFC 8446, RFC 5246, RFC 8996 (nothing below TLS 1.2), RFC 3207.
 * Own     tls_server_new() owns the context; sessions hold their own reference.
 * Errors  a reason in words, for the log and check-config. */
#ifndef TLS_TLS_H
#define TLS_TLS_H
#include "base/slice.h"

enum { TLS_ERROR_MAX = 256 };

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */

/* NULL: error says which file and why. */
MUST_USE struct ssl_ctx_st *tls_server_new(const char *certificate, const char *key,
                                           char error[TLS_ERROR_MAX]);
void tls_server_free(struct ssl_ctx_st **ctx);
#endif
