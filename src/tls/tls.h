/* tls/tls.h - the server's TLS settings: made once a process, before the sandbox.
 *
 * Source  RFC 8446, RFC 5246, RFC 8996 (nothing below TLS 1.2), RFC 3207, RFC 6066 3 (SNI),
 *         RFC 5077 (tickets).
 * SNI     a client that names a host gets the first certificate that is valid for that name; one
 *         that names none, or one that none is for, gets the first of all.
 * Own     tls_server_new() owns everything; sessions hold their own references. The server must
 *         outlive its connections.
 * Errors  a reason in words, for the log and check-config. */
#ifndef TLS_TLS_H
#define TLS_TLS_H
#include "base/slice.h"
#include "tls/tickets.h"

enum { TLS_ERROR_MAX = 256, TLS_PAIRS_MAX = 16, TLS_FINGERPRINT_MAX = 65 };

struct ssl_ctx_st; /* OpenSSL's SSL_CTX */
struct ssl_st;     /* and SSL */
struct tls_server;

struct tls_options {
    char *const *certificate, *const *key; /* n paths each, 1 to TLS_PAIRS_MAX */
    unsigned n;
    bool ask_client; /* for a certificate; whatever it shows is taken */
    /* What tickets are made from: shared with other processes. NULL: no tickets. */
    const unsigned char *secret;
    uint64_t secret_s; /* when it was made, seconds since 1970 */
};

/* NULL: error says which file and why. */
MUST_USE struct tls_server *tls_server_new(const struct tls_options *options,
                                           char error[TLS_ERROR_MAX]);
void tls_server_free(struct tls_server **server);
/* False; or, when certificate i of options->n has ended or will within two weeks, that in words. */
MUST_USE bool tls_server_ending(const struct tls_server *server, unsigned i,
                                char text[TLS_ERROR_MAX]);
/* One of the certificates is for that host name. */
MUST_USE bool tls_server_is_for(const struct tls_server *server, const char *hostname);
/* What connections begin with. */
MUST_USE struct ssl_ctx_st *tls_server_context(const struct tls_server *server);

/* The certificate that the client showed: its subject (RFC 2253 form, cut to cap) and the SHA-256
 * of it in hex. False: it showed none. */
MUST_USE bool tls_client_certificate(const struct ssl_st *ssl, char *subject, size_t cap,
                                     char fingerprint[TLS_FINGERPRINT_MAX]);
#endif
