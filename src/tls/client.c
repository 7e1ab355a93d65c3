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

/* Does the whole of it read as a certificate, or a public key? */
static bool is_der(bool key, struct slice data)
{
    const unsigned char *at = data.ptr;
    bool ok = false;
    if (key) {
        EVP_PKEY *k = d2i_PUBKEY(NULL, &at, (long)data.len);
        ok = k != NULL && at == data.ptr + data.len;
        EVP_PKEY_free(k);
    } else {
        X509 *x = d2i_X509(NULL, &at, (long)data.len);
        ok = x != NULL && at == data.ptr + data.len;
        X509_free(x);
    }
    ERR_clear_error();
    return ok;
}

/* Usage, selector, matching type and data; 2 and 3 are for SMTP (RFC 7672 3.1.3). */
bool tls_client_usable(struct slice tlsa)
{
    static const size_t digest[] = {0, 32, 64};
    struct slice data = slice_from(tlsa, 3);
    if (tlsa.len <= 3 || (tlsa.ptr[0] != 2 && tlsa.ptr[0] != 3) || tlsa.ptr[1] > 1 ||
        tlsa.ptr[2] > 2) {
        return false;
    }
    return tlsa.ptr[2] == 0 ? is_der(tlsa.ptr[1] == 1, data)
                            : data.len == digest[tlsa.ptr[2]];
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
    if (ok && (verify == TLS_VERIFY_NAME || verify == TLS_VERIFY_LOOK)) {
        SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        ok = name[0] != '\0' && SSL_set1_host(ssl, name) == 1;
        SSL_set_verify(ssl, verify == TLS_VERIFY_LOOK ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                       NULL);
    } else if (ok && verify == TLS_VERIFY_DANE) {
        ok = name[0] != '\0' && expect_dane(ssl, name, tlsa, tlsa_n);
    }
    ERR_clear_error();
    return ok;
}

bool tls_client_also(struct ssl_st *ssl, struct slice name)
{
    char text[HOST_MAX + 1];
    bool ok = slice_cstr(name, text, sizeof text) && SSL_add1_host(ssl, text) == 1;
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

enum tls_client_verdict tls_client_verdict(const struct ssl_st *ssl)
{
    switch (SSL_get_verify_result(ssl)) {
    case X509_V_OK:
        return TLS_CLIENT_GOOD;
    case X509_V_ERR_HOSTNAME_MISMATCH:
        return TLS_CLIENT_WRONG_HOST;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return TLS_CLIENT_EXPIRED;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_UNTRUSTED:
        return TLS_CLIENT_NOT_TRUSTED;
    case X509_V_ERR_DANE_NO_MATCH:
        return TLS_CLIENT_NO_TLSA;
    default:
        return TLS_CLIENT_BROKEN;
    }
}
