/* net/conn_test.c - connections over socket pairs, the client's side by OpenSSL itself: handshake
 * and data, names, tickets, certificates, and handshakes that must fail. */
#include "net/conn.h"

#include "tls/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/postern-conn-XXXXXX";
static char *certificates[2];
static char *keys[2];
static const unsigned char secret[TLS_TICKETS_SECRET_LEN] =
    "thirty-two octets of secret here";

/* --- certificates --- */

static void write_pem(const char *path, X509 *x, EVP_PKEY *key)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(x != NULL ? PEM_write_X509(f, x)
                               : PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL),
                     1);
    assert_int_equal(fclose(f), 0);
}

static void make_certificate(const char *name, const char *certificate_path,
                             const char *key_path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    assert_true(key != NULL && x != NULL);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -60));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
    assert_int_equal(X509_set_version(x, X509_VERSION_3), 1);
    assert_int_equal(X509_set_pubkey(x, key), 1);
    X509_NAME *subject = X509_get_subject_name(x);
    assert_int_equal(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                                (const unsigned char *)name, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(x, subject), 1);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    write_pem(certificate_path, x, NULL);
    write_pem(key_path, NULL, key);
    X509_free(x);
    EVP_PKEY_free(key);
}

static int set_up(void **state)
{
    static const char *const names[] = {"a.example", "*.b.example"};
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    for (int i = 0; i < 2; i++) {
        assert_true(asprintf(&certificates[i], "%s/c%d", dir, i) > 0);
        assert_true(asprintf(&keys[i], "%s/k%d", dir, i) > 0);
        make_certificate(names[i], certificates[i], keys[i]);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        (void)unlink(certificates[i]);
        (void)unlink(keys[i]);
        free(certificates[i]);
        free(keys[i]);
    }
    return rmdir(dir);
}

/* --- a client and a server --- */

struct pair {
    struct tls_server *server;
    struct conn conn;
    SSL_CTX *context;
    SSL *client;
    int fd; /* the client's */
    enum conn_res shaken;
};

struct client {
    const char *name; /* SNI; NULL: none */
    int most, least;  /* versions; 0: any */
    const char *ciphers;
    bool shows; /* a certificate */
    SSL_SESSION *session;
};

static struct tls_server *make_server(bool ask, const unsigned char *from)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_options o = {.certificate = certificates,
                            .key = keys,
                            .n = 2,
                            .ask_client = ask,
                            .secret = from,
                            .secret_s = 1700000000};
    struct tls_server *server = tls_server_new(&o, error);
    assert_string_equal(error, "");
    assert_non_null(server);
    return server;
}

static void make_sockets(int fd[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
}

static void begin(struct pair *p, struct tls_server *server, const struct client *how)
{
    int fd[2];
    *p = (struct pair){.server = server};
    make_sockets(fd);
    conn_init(&p->conn, fd[0]);
    p->fd = fd[1];
    p->context = SSL_CTX_new(TLS_client_method());
    assert_non_null(p->context);
    SSL_CTX_set_security_level(p->context, 0);
    assert_int_equal(SSL_CTX_set_min_proto_version(p->context, how->least), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(p->context, how->most), 1);
    if (how->ciphers != NULL) {
        assert_int_equal(SSL_CTX_set_cipher_list(p->context, how->ciphers), 1);
    }
    if (how->shows) {
        assert_int_equal(SSL_CTX_use_certificate_chain_file(p->context, certificates[1]),
                         1);
        assert_int_equal(
            SSL_CTX_use_PrivateKey_file(p->context, keys[1], SSL_FILETYPE_PEM), 1);
    }
    p->client = SSL_new(p->context);
    assert_non_null(p->client);
    assert_int_equal(SSL_set_fd(p->client, p->fd), 1);
    if (how->name != NULL) {
        assert_int_equal(
            SSL_set_tlsext_host_name(p->client, (char *)(uintptr_t)how->name), 1);
    }
    if (how->session != NULL) {
        assert_int_equal(SSL_set_session(p->client, how->session), 1);
    }
    SSL_set_connect_state(p->client);
    assert_true(conn_start_tls(&p->conn, tls_server_context(server)));
}

/* Both sides in turn, until the server has an answer. */
static void shake(struct pair *p)
{
    bool done = false;
    p->shaken = CONN_AGAIN;
    for (int i = 0; i < 20 && (p->shaken == CONN_AGAIN || !done); i++) {
        done = SSL_do_handshake(p->client) == 1;
        if (p->shaken == CONN_AGAIN) {
            p->shaken = conn_handshake(&p->conn);
        }
        if (p->shaken == CONN_ERROR || p->shaken == CONN_EOF) {
            return;
        }
    }
}

static void end(struct pair *p)
{
    /* or OpenSSL would take the session for a broken one, not to be used again */
    SSL_set_shutdown(p->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(p->client);
    SSL_CTX_free(p->context);
    (void)close(p->fd);
    conn_close(&p->conn);
    ERR_clear_error();
}

static void meet(struct pair *p, struct tls_server *server, const struct client *how)
{
    begin(p, server, how);
    shake(p);
}

/* --- tests --- */

static void test_clear(void **state)
{
    (void)state;
    int fd[2];
    unsigned char octets[16];
    size_t n = 0;
    struct conn c;
    make_sockets(fd);
    conn_init(&c, fd[0]);
    assert_int_equal(conn_read(&c, octets, sizeof octets, &n), CONN_AGAIN);
    assert_int_equal(conn_peek(&c, octets, sizeof octets, &n), CONN_AGAIN);
    assert_int_equal(write(fd[1], "hello", 5), 5);
    assert_int_equal(conn_peek(&c, octets, 3, &n), CONN_OK);
    assert_int_equal(n, 3);
    assert_int_equal(conn_read(&c, octets, sizeof octets, &n), CONN_OK);
    assert_true(slice_eq((struct slice){octets, n}, SLICE("hello")));
    assert_int_equal(conn_write(&c, SLICE("abc"), &n), CONN_OK);
    assert_int_equal(read(fd[1], octets, sizeof octets), 3);
    assert_false(conn_has_pending(&c));
    assert_string_equal(conn_tls_version(&c), "");
    assert_int_equal(close(fd[1]), 0);
    assert_int_equal(conn_read(&c, octets, sizeof octets, &n), CONN_EOF);
    assert_int_equal(conn_peek(&c, octets, sizeof octets, &n), CONN_EOF);
    assert_int_equal(conn_write(&c, SLICE("abc"), &n), CONN_ERROR);
    conn_close(&c);
    assert_int_equal(c.fd, -1);
}

static void test_versions(void **state)
{
    (void)state;
    static const struct {
        struct client how;
        enum conn_res res;
        const char *version, *why; /* why: part of it */
    } cases[] = {
        {{.least = TLS1_2_VERSION, .most = TLS1_2_VERSION}, CONN_OK, "TLSv1.2", NULL},
        {{.least = TLS1_3_VERSION}, CONN_OK, "TLSv1.3", NULL},
        {{.least = TLS1_VERSION, .most = TLS1_1_VERSION}, CONN_ERROR, "", "protocol"},
        {{.most = TLS1_2_VERSION, .ciphers = "AES128-SHA:AES128-GCM-SHA256"},
         CONN_ERROR,
         "",
         "no shared cipher"},
        {{.most = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-AES128-SHA"},
         CONN_ERROR,
         "",
         "no shared cipher"},
        {{.most = TLS1_2_VERSION, .ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305"},
         CONN_OK,
         "TLSv1.2",
         NULL},
    };
    struct tls_server *server = make_server(false, secret);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair p;
        meet(&p, server, &cases[i].how);
        if (p.shaken != cases[i].res) {
            fail_msg("case %zu: %d", i, (int)p.shaken);
        }
        if (cases[i].why != NULL) {
            assert_non_null(p.conn.why);
            assert_non_null(strstr(p.conn.why, cases[i].why));
        } else {
            assert_string_equal(conn_tls_version(&p.conn), cases[i].version);
        }
        end(&p);
    }
    tls_server_free(&server);
    assert_null(server);
}

static void test_data(void **state)
{
    (void)state;
    struct pair p;
    unsigned char octets[64];
    size_t n = 0;
    struct tls_server *server = make_server(false, NULL);
    meet(&p, server, &(struct client){0});
    assert_int_equal(p.shaken, CONN_OK);
    assert_int_equal(SSL_write(p.client, "0123456789", 10), 10);
    assert_int_equal(conn_read(&p.conn, octets, 4, &n), CONN_OK);
    assert_int_equal(n, 4);
    assert_true(conn_has_pending(&p.conn)); /* the socket is empty, the record is not */
    assert_int_equal(conn_read(&p.conn, octets, sizeof octets, &n), CONN_OK);
    assert_true(slice_eq((struct slice){octets, n}, SLICE("456789")));
    assert_int_equal(conn_read(&p.conn, octets, sizeof octets, &n), CONN_AGAIN);
    assert_int_equal(conn_write(&p.conn, SLICE("220 ready"), &n), CONN_OK);
    assert_int_equal(SSL_read(p.client, octets, sizeof octets), 9);
    conn_shutdown_write(&p.conn);
    assert_true(SSL_read(p.client, octets, sizeof octets) <= 0);
    assert_int_equal(SSL_get_shutdown(p.client), SSL_RECEIVED_SHUTDOWN);
    assert_true(SSL_shutdown(p.client) >= 0);
    assert_int_equal(conn_read(&p.conn, octets, sizeof octets, &n), CONN_EOF);
    end(&p);
    tls_server_free(&server);
}

/* What is no TLS at all, and a client that leaves. */
static void test_broken_handshakes(void **state)
{
    (void)state;
    struct pair p;
    struct tls_server *server = make_server(false, secret);
    begin(&p, server, &(struct client){0});
    assert_int_equal(conn_handshake(&p.conn), CONN_AGAIN);
    assert_int_equal(write(p.fd, "EHLO client.example\r\n", 21), 21);
    assert_int_equal(conn_handshake(&p.conn), CONN_ERROR);
    assert_non_null(p.conn.why);
    end(&p);
    begin(&p, server, &(struct client){0});
    assert_int_equal(SSL_do_handshake(p.client), -1); /* ClientHello, and gone */
    assert_int_equal(shutdown(p.fd, SHUT_RDWR), 0);
    assert_int_not_equal(conn_handshake(&p.conn), CONN_OK);
    enum conn_res res = conn_handshake(&p.conn);
    assert_true(res == CONN_ERROR || res == CONN_EOF);
    end(&p);
    tls_server_free(&server);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *asked, *got;
    } cases[] = {
        {NULL, "a.example"},
        {"a.example", "a.example"},
        {"x.b.example", "*.b.example"},
        {"X.B.example", "*.b.example"},
        {"b.example", "a.example"},
        {"elsewhere.example", "a.example"},
    };
    struct tls_server *server = make_server(false, secret);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            struct pair p;
            char name[64] = "";
            meet(&p, server, &(struct client){.name = cases[i].asked, .most = version});
            assert_int_equal(p.shaken, CONN_OK);
            X509 *x = SSL_get0_peer_certificate(p.client);
            assert_non_null(x);
            assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(x),
                                                  NID_commonName, name, sizeof name) > 0);
            assert_string_equal(name, cases[i].got);
            end(&p);
        }
    }
    tls_server_free(&server);
}

/* A session of that server, as a client would keep it; NULL: it was given none. */
static SSL_SESSION *keep_session(struct tls_server *server, int version, const char *name)
{
    struct pair p;
    unsigned char octets[8];
    meet(&p, server, &(struct client){.most = version, .name = name});
    assert_int_equal(p.shaken, CONN_OK);
    assert_true(SSL_read(p.client, octets, sizeof octets) <= 0); /* TLS 1.3: tickets */
    SSL_SESSION *session = SSL_get1_session(p.client);
    if (!SSL_SESSION_is_resumable(session)) {
        SSL_SESSION_free(session);
        session = NULL;
    }
    end(&p);
    return session;
}

static bool resumes(struct tls_server *server, SSL_SESSION *session, const char *name)
{
    struct pair p;
    int version = SSL_SESSION_get_protocol_version(session);
    meet(&p, server, &(struct client){.session = session, .name = name, .most = version});
    assert_int_equal(p.shaken, CONN_OK);
    bool reused = SSL_session_reused(p.client) == 1;
    end(&p);
    return reused;
}

static void test_tickets(void **state)
{
    (void)state;
    static const unsigned char other[TLS_TICKETS_SECRET_LEN] = "a reload made this one";
    struct tls_server *one = make_server(false, secret);
    struct tls_server *two = make_server(false, secret); /* another process */
    struct tls_server *stranger = make_server(false, other);
    struct tls_server *without = make_server(false, NULL);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_SESSION *session = keep_session(one, version, NULL);
        assert_non_null(session);
        assert_true(resumes(one, session, NULL));
        assert_true(resumes(two, session, NULL));
        assert_false(resumes(stranger, session, NULL));
        assert_false(resumes(without, session, NULL));
        SSL_SESSION_free(session);
        session = keep_session(one, version, "x.b.example");
        assert_true(resumes(two, session, "x.b.example"));
        SSL_SESSION_free(session);
    }
    assert_null(keep_session(without, TLS1_3_VERSION, NULL));
    assert_null(keep_session(without, TLS1_2_VERSION, NULL));
    tls_server_free(&one);
    tls_server_free(&two);
    tls_server_free(&stranger);
    tls_server_free(&without);
}

static void test_client_certificate(void **state)
{
    (void)state;
    for (int ask = 0; ask < 2; ask++) {
        for (int shows = 0; shows < 2; shows++) {
            struct pair p;
            char subject[32] = "";
            char fingerprint[TLS_FINGERPRINT_MAX] = "";
            struct tls_server *server = make_server(ask == 1, secret);
            meet(&p, server, &(struct client){.shows = shows == 1});
            assert_int_equal(p.shaken, CONN_OK); /* whatever it shows */
            bool got =
                tls_client_certificate(p.conn.ssl, subject, sizeof subject, fingerprint);
            assert_int_equal(got, ask == 1 && shows == 1);
            if (got) {
                assert_string_equal(subject, "CN=*.b.example");
                assert_int_equal(strlen(fingerprint), 64);
                char cut[5];
                assert_true(
                    tls_client_certificate(p.conn.ssl, cut, sizeof cut, fingerprint));
                assert_string_equal(cut, "CN=*");
            }
            end(&p);
            tls_server_free(&server);
        }
    }
}

static void test_bad_files(void **state)
{
    (void)state;
    char error[TLS_ERROR_MAX] = "";
    char *none[] = {keys[0]};
    struct tls_options o = {.certificate = none, .key = keys, .n = 1};
    assert_null(tls_server_new(&o, error));
    assert_non_null(strstr(error, keys[0]));
    char *wrong[] = {keys[1]};
    o = (struct tls_options){.certificate = certificates, .key = wrong, .n = 1};
    assert_null(tls_server_new(&o, error)); /* the key of another certificate */
    assert_non_null(strstr(error, keys[1]));
    char locked_path[256];
    char *locked[] = {locked_path};
    (void)snprintf(locked_path, sizeof locked_path, "%s.locked", keys[0]);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *f = fopen(locked_path, "w");
    assert_true(key != NULL && f != NULL);
    assert_int_equal(
        PEM_write_PKCS8PrivateKey(f, key, EVP_aes_128_cbc(), "word", 4, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
    EVP_PKEY_free(key);
    o = (struct tls_options){.certificate = certificates, .key = locked, .n = 1};
    assert_null(tls_server_new(&o, error)); /* and nobody was asked */
    assert_non_null(strstr(error, locked_path));
    assert_non_null(strstr(error, "it needs a passphrase"));
    (void)unlink(locked_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_broken_handshakes),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_tickets),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_bad_files),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
