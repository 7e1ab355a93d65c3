/* tls/tls.c - see tls.h */
#include "tls/tls.h"

#include "base/clock.h"
#include "base/log.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ECDHE with an AEAD only; TLS 1.3's own list needs no choice. */
static const char ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const unsigned char session_context[] = "postern";
enum { TICKET_LIFE_S = 2 * 3600 }; /* less than a key lives */
enum { FEW_DAYS = 14 };            /* of a certificate that should be renewed by now */

struct tls_server {
    SSL_CTX *context[TLS_PAIRS_MAX];
    unsigned n;
    struct tls_tickets tickets;
};

/* --- SNI --- */

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const struct tls_server *server = arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    (void)alert;
    for (unsigned i = 0; name != NULL && i < server->n; i++) {
        X509 *certificate = SSL_CTX_get0_certificate(server->context[i]);
        if (X509_check_host(certificate, name, 0, 0, NULL) == 1) {
            (void)SSL_set_SSL_CTX(ssl, server->context[i]);
            return SSL_TLSEXT_ERR_OK;
        }
    }
    return SSL_TLSEXT_ERR_NOACK; /* the first one, without a word: RFC 6066 3 allows it */
}

/* --- tickets --- */

static int set_ticket_key(const struct tls_ticket_key *key, const unsigned char *iv,
                          EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    unsigned char mac_key[sizeof key->mac];
    char digest[] = "SHA256";
    memcpy(mac_key, key->mac, sizeof mac_key);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key, sizeof mac_key),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    bool ok = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv,
                                encrypt) == 1 &&
              EVP_MAC_CTX_set_params(mac, params) == 1;
    explicit_bzero(mac_key, sizeof mac_key);
    return ok ? 1 : -1;
}

/* 1: set; 2: set, and the client is to get a new ticket; 0: a full handshake; -1: failed. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
                     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    struct tls_server *server = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    uint64_t now_s = clock_wall_ms() / 1000;
    const struct tls_ticket_key *now = tls_tickets_key(&server->tickets, now_s);
    if (encrypt == 1) {
        memcpy(name, now->name, sizeof now->name);
        if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) {
            return -1;
        }
        return set_ticket_key(now, iv, cipher, mac, 1);
    }
    const struct tls_ticket_key *key = tls_tickets_find(&server->tickets, name, now_s);
    if (key == NULL) {
        return 0;
    }
    int res = set_ticket_key(key, iv, cipher, mac, 0);
    return res == 1 && key != now ? 2 : res;
}

/* --- client certificates --- */

/* Nothing is refused for its certificate: it is recorded, and trusted with nothing. */
static int take_any(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

bool tls_client_certificate(const SSL *ssl, char *subject, size_t cap,
                            char fingerprint[TLS_FINGERPRINT_MAX])
{
    static const char hex[] = "0123456789abcdef";
    X509 *certificate = SSL_get0_peer_certificate(ssl);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (certificate == NULL || X509_digest(certificate, EVP_sha256(), digest, &n) != 1 ||
        2 * n >= TLS_FINGERPRINT_MAX) {
        ERR_clear_error();
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        fingerprint[2 * i] = hex[digest[i] >> 4];
        fingerprint[2 * i + 1] = hex[digest[i] & 15U];
    }
    fingerprint[2 * n] = '\0';
    subject[0] = '\0';
    BIO *out = BIO_new(BIO_s_mem());
    if (out != NULL && X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0,
                                          XN_FLAG_RFC2253) >= 0) {
        int len = BIO_read(out, subject, (int)cap - 1);
        subject[len > 0 ? len : 0] = '\0';
    }
    BIO_free(out);
    ERR_clear_error();
    return true;
}

/* --- the contexts --- */

/* Nobody is there to type one: OpenSSL would ask the terminal, and wait. */
static int no_passphrase(char *out, int cap, int writing, void *asked)
{
    (void)out;
    (void)cap;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

/* Why a file was no certificate, or no key, where OpenSSL's words do not say what to do. NULL: they have to. */
static const char *no_pem(const char *wanted)
{
    unsigned long first = ERR_peek_error();
    bool form = (ERR_GET_LIB(first) == ERR_LIB_PEM &&
                 ERR_GET_REASON(first) == PEM_R_NO_START_LINE) ||
                ERR_GET_LIB(first) == ERR_LIB_OSSL_DECODER;
    return form ? wanted : NULL;
}

static bool load(SSL_CTX *context, const char *certificate, const char *key,
                 const char **what, const char **wants)
{
    *what = certificate;
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1) {
        *wants = no_pem(": no certificate in PEM form (-----BEGIN CERTIFICATE-----) "
                        "stands in it; is it the key, or in DER form?");
        return false;
    }
    *what = key;
    bool asked = false;
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    SSL_CTX_set_default_passwd_cb_userdata(context, &asked);
    bool ok = SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 &&
              SSL_CTX_check_private_key(context) == 1;
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    SSL_CTX_set_default_passwd_cb(context, NULL);
    if (asked) {
        *wants = ": it needs a passphrase; write it without one (openssl pkey -in FILE)";
    } else if (!ok &&
               ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH) {
        *wants =
            ": it is not the key of that certificate; the files of a pair stand in the "
            "same place of their lists, and are renewed together";
    } else if (!ok) {
        *wants = no_pem(": no private key in PEM form (-----BEGIN PRIVATE KEY-----) "
                        "stands in it; is it the certificate, or in DER form?");
    }
    return ok;
}

static void set_up(SSL_CTX *context, struct tls_server *server,
                   const struct tls_options *options)
{
    uint64_t flags =
        SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE;
    /* Buffers go back between records: an idle session costs no 32 KiB. */
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS |
                                        SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_options(context,
                              flags | (options->secret == NULL ? SSL_OP_NO_TICKET : 0));
    (void)SSL_CTX_set_session_cache_mode(context,
                                         SSL_SESS_CACHE_OFF); /* tickets do that */
    /* A record is read by one call instead of two: its head and its body (conn_has_pending() knows
     * of what came with it). */
    SSL_CTX_set_read_ahead(context, 1);
    (void)SSL_CTX_set_session_id_context(context, session_context,
                                         sizeof session_context - 1);
    (void)SSL_CTX_set_timeout(context, TICKET_LIFE_S);
    (void)SSL_CTX_set_num_tickets(context, options->secret == NULL ? 0 : 1);
    (void)SSL_CTX_set_app_data(context, server);
    (void)SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    (void)SSL_CTX_set_tlsext_servername_arg(context, server);
    if (options->secret != NULL) {
        (void)SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
    }
    if (options->ask_client) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, take_any);
    }
}

/* The next context of the server, with that certificate. False: *what failed. */
static bool add(struct tls_server *server, const struct tls_options *options,
                unsigned pair, const char **what, const char **wants)
{
    *what = "TLS";
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        return false;
    }
    server->context[server->n++] = context;
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, ciphers) != 1 ||
        !load(context, options->certificate[pair], options->key[pair], what, wants)) {
        return false;
    }
    set_up(context, server, options);
    return true;
}

struct tls_server *tls_server_new(const struct tls_options *options,
                                  char error[TLS_ERROR_MAX])
{
    BUG_ON(options->n == 0 || options->n > TLS_PAIRS_MAX);
    struct tls_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        (void)snprintf(error, TLS_ERROR_MAX, "out of memory");
        return NULL;
    }
    if (options->secret != NULL) {
        tls_tickets_init(&server->tickets, options->secret, options->secret_s);
    }
    for (unsigned i = 0; i < options->n; i++) {
        const char *what = "";
        const char *wants = NULL;
        if (!add(server, options, i, &what, &wants)) {
            char text[TLS_ERROR_MAX / 2] = ": ";
            ERR_error_string_n(ERR_get_error(), text + 2, sizeof text - 2);
            (void)snprintf(error, TLS_ERROR_MAX, "%.100s%s", what,
                           wants == NULL ? text : wants);
            ERR_clear_error();
            tls_server_free(&server);
            return NULL;
        }
    }
    return server;
}

void tls_server_free(struct tls_server **server)
{
    if (*server == NULL) {
        return;
    }
    for (unsigned i = 0; i < (*server)->n; i++) {
        SSL_CTX_free((*server)->context[i]);
    }
    tls_tickets_clear(&(*server)->tickets);
    free(*server);
    *server = NULL;
}

bool tls_server_ending(const struct tls_server *server, unsigned i,
                       char text[TLS_ERROR_MAX])
{
    BUG_ON(i >= server->n);
    X509 *certificate = SSL_CTX_get0_certificate(server->context[i]);
    int days = 0, seconds = 0;
    if (ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)) != 1) {
        ERR_clear_error();
        return false; /* no time that anybody reads */
    }
    bool ended = days < 0 || seconds < 0;
    if (days >= FEW_DAYS) {
        return false;
    }
    (void)snprintf(text, TLS_ERROR_MAX,
                   "the certificate %s%s; renew it, then reload the server (SIGHUP)",
                   ended ? "has ended" : "ends within days: ",
                   ended       ? ", and clients that look at it turn away"
                   : days == 0 ? "today or tomorrow"
                               : "less than two weeks are left");
    return true;
}

bool tls_server_is_for(const struct tls_server *server, const char *hostname)
{
    bool any = false;
    for (unsigned i = 0; i < server->n && !any; i++) {
        X509 *certificate = SSL_CTX_get0_certificate(server->context[i]);
        any = X509_check_host(certificate, hostname, 0, 0, NULL) == 1;
    }
    ERR_clear_error();
    return any;
}

struct ssl_ctx_st *tls_server_context(const struct tls_server *server)
{
    return server->context[0];
}
