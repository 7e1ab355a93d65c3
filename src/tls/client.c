/* tls/client.c - see client.h */
#include "tls/client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HOST_MAX = 253 };

struct tls_client {
    SSL_CTX *context;
};

static struct tls_client *failed(struct tls_client *c, const char *what,
                                 char error[TLS_ERROR_MAX])
{
    const char *why = ERR_reason_error_string(ERR_peek_last_error());
    (void)snprintf(error, TLS_ERROR_MAX, "%s: %s", what, why == NULL ? "no memory" : why);
    ERR_clear_error();
    tls_client_free(&c);
    return NULL;
}

struct tls_client *tls_client_new(const char *ca, char error[TLS_ERROR_MAX])
{
    struct tls_client *c = calloc(1, sizeof *c);
    if (c == NULL || (c->context = SSL_CTX_new(TLS_client_method())) == NULL) {
        return failed(c, "TLS", error);
    }
    bool own = ca != NULL && ca[0] != '\0';
    int loaded = own ? SSL_CTX_load_verify_locations(c->context, ca, NULL)
                     : SSL_CTX_set_default_verify_file(c->context);
    if (loaded != 1 || SSL_CTX_set_min_proto_version(c->context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_dane_enable(c->context) != 1) {
        return failed(c, own ? ca : "the authorities of the system", error);
    }
    (void)SSL_CTX_set_options(c->context,
                              SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    (void)SSL_CTX_set_mode(c->context, SSL_MODE_RELEASE_BUFFERS |
                                           SSL_MODE_ENABLE_PARTIAL_WRITE |
                                           SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_session_cache_mode(c->context, SSL_SESS_CACHE_OFF);
    ERR_clear_error();
    return c;
}

void tls_client_free(struct tls_client **c)
{
    if (*c != NULL) {
        SSL_CTX_free((*c)->context);
        free(*c);
        *c = NULL;
    }
}

struct ssl_ctx_st *tls_client_context(const struct tls_client *c)
{
    return c->context;
}

/* Usage, selector, matching type and data; 2 and 3 are for SMTP (RFC 7672 3.1.3). */
bool tls_client_usable(struct slice tlsa)
{
    static const size_t digest[] = {0, 32, 64};
    return tlsa.len > 3 && (tlsa.ptr[0] == 2 || tlsa.ptr[0] == 3) && tlsa.ptr[1] <= 1 &&
           tlsa.ptr[2] <= 2 && (tlsa.ptr[2] == 0 || tlsa.len - 3 == digest[tlsa.ptr[2]]);
}

static bool expect_dane(SSL *ssl, const char *host, const struct slice *tlsa, unsigned n)
{
    unsigned taken = 0;
    if (SSL_dane_enable(ssl, host) != 1) {
        return false;
    }
    (void)SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    for (unsigned i = 0; i < n; i++) {
        taken += SSL_dane_tlsa_add(ssl, tlsa[i].ptr[0], tlsa[i].ptr[1], tlsa[i].ptr[2],
                                   tlsa[i].ptr + 3, tlsa[i].len - 3) == 1;
    }
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    return taken > 0;
}

bool tls_client_expect(struct ssl_st *ssl, struct slice host, enum tls_verify verify,
                       const struct slice *tlsa, unsigned tlsa_n)
{
    char name[HOST_MAX + 1] = "";
    bool ok = host.len <= HOST_MAX && memchr(host.ptr, 0, host.len) == NULL;
    if (ok && host.len > 0) {
        memcpy(name, host.ptr, host.len);
        name[host.len] = '\0';
        ok = SSL_set_tlsext_host_name(ssl, name) == 1;
    }
    if (ok && verify == TLS_VERIFY_NAME) {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = name[0] != '\0' && SSL_set1_host(ssl, name) == 1;
        SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    } else if (ok && verify == TLS_VERIFY_DANE) {
        ok = name[0] != '\0' && expect_dane(ssl, name, tlsa, tlsa_n);
    }
    ERR_clear_error();
    return ok;
}

const char *tls_client_fault(const struct ssl_st *ssl)
{
    long result = SSL_get_verify_result(ssl);
    return SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE || result == X509_V_OK
               ? NULL
               : X509_verify_cert_error_string(result);
}
