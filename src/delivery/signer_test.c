/* delivery/signer_test.c - see signer.h; what is signed is verified by senderauth/dkim.h */
#include "delivery/signer.h"

#include "base/crc32c.h"
#include "senderauth/dkim.h"
#include "senderauth/dkim_sign.h"
#include "spool/record.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD(from)                                                                       \
    "From: " from "\r\nSubject: hello\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n"
#define BODY "text\r\n\r\nmore text\r\n"

static char dir[200];
static struct buf records[2]; /* the key records, RSA and Ed25519 */

static void make_key(const char *domain, const char *selector, EVP_PKEY *key,
                     struct buf *record)
{
    char path[400];
    struct buf pem;
    const char *why = NULL;
    (void)snprintf(path, sizeof path, "%s/%s", dir, domain);
    (void)mkdir(path, 0700);
    (void)snprintf(path, sizeof path, "%s/%s/%s.pem", dir, domain, selector);
    FILE *f = fopen(path, "w+");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    rewind(f);
    buf_init(&pem, 65536);
    buf_grew(&pem, fread(buf_room(&pem, 8192), 1, 8192, f));
    (void)fclose(f);
    struct crypto_private *private = crypto_private_new(buf_slice(&pem), &why);
    assert_non_null(private);
    buf_init(record, 65536);
    assert_true(dkim_sign_record(private, record));
    crypto_private_free(&private);
    buf_clear(&pem);
    EVP_PKEY_free(key);
}

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/signer-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    make_key("acme.test", "r1", EVP_RSA_gen(2048), &records[0]);
    make_key("acme.test", "e1", EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), &records[1]);
    return 0;
}

static int teardown(void **state)
{
    char command[300];
    (void)state;
    (void)snprintf(command, sizeof command, "rm -r '%s'", dir);
    buf_clear(&records[0]);
    buf_clear(&records[1]);
    return system(command);
}

/* A record in a file of its own, and its order. */
static int spool_file(const char *head, struct job *j)
{
    unsigned char header[SPOOL_HEADER_LEN];
    struct slice h = slice_of(head);
    struct spool_header record = {.segment = 7,
                                  .message_len = sizeof BODY - 1,
                                  .head_len = (uint32_t)h.len,
                                  .id = {5, 1},
                                  .message_crc = crc32c(0, SLICE(BODY)),
                                  .rest_crc = crc32c(0, h)};
    spool_header_write(&record, header);
    *j = (struct job){.segment = 7,
                      .message_len = sizeof BODY - 1,
                      .head_len = (uint32_t)h.len,
                      .id = {5, 1}};
    int fd = open(dir, O_RDWR | O_TMPFILE, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, header, sizeof header), sizeof header);
    assert_int_equal(write(fd, BODY, sizeof BODY - 1), sizeof BODY - 1);
    assert_int_equal(write(fd, h.ptr, h.len), h.len);
    return fd;
}

static const struct dns_answer *ask(void *arg, enum dns_type type, struct slice name)
{
    static struct dns_answer answer;
    static struct dns_record record;
    (void)arg, (void)type;
    bool rsa = slice_eq(name, SLICE("r1._domainkey.acme.test"));
    bool ed = slice_eq(name, SLICE("e1._domainkey.acme.test"));
    record.text = buf_slice(&records[ed]);
    answer = (struct dns_answer){
        .status = rsa || ed ? DNS_FOUND : DNS_NXDOMAIN, .record = &record, .n = 1};
    return &answer;
}

/* How many good signatures the message has then. */
static unsigned good_signatures(struct slice signatures, const char *head)
{
    struct crypto *crypto = crypto_new(0);
    struct dns_source dns = {ask, NULL};
    struct buf header;
    unsigned good = 0;
    buf_init(&header, 1024 * 1024);
    (void)buf_add(&header, signatures);
    (void)buf_add_str(&header, head);
    struct dkim_body *body = dkim_body_new(crypto);
    struct dkim_options options = {.crypto = crypto, .body = body, .now = 1800000000};
    struct dkim *d = dkim_new(&options, buf_slice(&header));
    assert_non_null(d);
    dkim_body_feed(body, SLICE(BODY));
    dkim_body_end(body);
    assert_int_equal(dkim_evaluate(d, &dns), DKIM_DONE);
    for (unsigned i = 0; i < dkim_count(d); i++) {
        good += dkim_result(d, i)->verdict == DKIM_PASS;
    }
    dkim_free(&d);
    dkim_body_free(&body);
    crypto_free(&crypto);
    buf_clear(&header);
    return good;
}

static unsigned signed_for(const char *head)
{
    char error[SIGNER_ERROR_MAX];
    struct signer *s = signer_new(dir, error);
    struct source src;
    struct job j;
    struct buf out;
    assert_non_null(s);
    assert_int_equal(signer_keys(s), 2);
    int fd = spool_file(head, &j);
    buf_init(&out, 1024 * 1024);
    assert_int_equal(source_open(&src, fd, &j), SOURCE_OK);
    assert_true(signer_sign(s, &src, &j, 1800000000, &out));
    struct buf
        again; /* the same for the next order, anew for another message and later */
    buf_init(&again, 1024 * 1024);
    assert_true(signer_sign(s, &src, &j, 1800000001, &again));
    assert_true(slice_eq(buf_slice(&out), buf_slice(&again)));
    struct job other = j;
    other.id.n++;
    buf_reset(&again);
    assert_true(signer_sign(s, &src, &other, 1800000001, &again));
    assert_true(out.len == 0 || !slice_eq(buf_slice(&out), buf_slice(&again)));
    buf_reset(&again);
    assert_true(signer_sign(s, &src, &j, 1800001000, &again));
    assert_true(out.len == 0 || !slice_eq(buf_slice(&out), buf_slice(&again)));
    buf_clear(&again);
    unsigned good = out.len == 0 ? 0 : good_signatures(buf_slice(&out), head);
    struct slice piece;
    assert_int_equal(source_next(&src, &piece), SOURCE_OK); /* it was rewound */
    assert_true(slice_eq(piece, SLICE(BODY)));
    source_close(&src);
    (void)close(fd);
    buf_clear(&out);
    signer_free(&s);
    return good;
}

static void test_signed(void **state)
{
    (void)state;
    assert_int_equal(signed_for(HEAD("ann@acme.test")), 2);
    assert_int_equal(signed_for(HEAD("Ann <ann@News.Acme.Test>")),
                     2); /* the domain above */
    assert_int_equal(signed_for(HEAD("ann@other.test")), 0);
    assert_int_equal(signed_for(HEAD("ann@notacme.test")), 0);
    assert_int_equal(signed_for(HEAD("ann@acme.test, bob@other.test")), 0);
    assert_int_equal(signed_for("Subject: nobody's\r\n\r\n"), 0);
}

struct reading {
    struct signer_work *work;
    struct source src;
    struct job job;
};

static void *read_it(void *arg)
{
    struct reading *r = arg;
    signer_hash(r->work, &r->src, &r->job);
    return NULL;
}

/* Read by another thread; then it is signed, and is not read again. */
static void test_apart(void **state)
{
    (void)state;
    static const char head[] = HEAD("ann@acme.test");
    char error[SIGNER_ERROR_MAX];
    struct signer *s = signer_new(dir, error);
    struct reading r;
    struct buf out;
    pthread_t thread;
    assert_non_null(s);
    int fd = spool_file(head, &r.job);
    buf_init(&out, 1024 * 1024);
    assert_int_equal(source_open(&r.src, fd, &r.job), SOURCE_OK);
    r.work = signer_begin(s, &r.src, &r.job, 1800000000);
    assert_non_null(r.work);
    assert_int_equal(pthread_create(&thread, NULL, read_it, &r), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    signer_end(s, &r.work, &r.src, &r.job);
    assert_null(r.work);
    assert_null(signer_begin(s, &r.src, &r.job, 1800000001));
    r.src.fd = -1;
    assert_true(signer_sign(s, &r.src, &r.job, 1800000001, &out));
    assert_int_equal(good_signatures(buf_slice(&out), head), 2);
    /* One that cannot be read is not signed, and not remembered. */
    r.job.id.n++;
    r.work = signer_begin(s, &r.src, &r.job, 1800000000);
    assert_non_null(r.work);
    read_it(&r);
    signer_end(s, &r.work, &r.src, &r.job);
    r.work = signer_begin(s, &r.src, &r.job, 1800000000);
    assert_non_null(r.work);
    signer_end(s, &r.work, &r.src, &r.job); /* nor one that nobody read */
    source_close(&r.src);
    (void)close(fd);
    buf_clear(&out);
    signer_free(&s);
}

static void test_bad_keys(void **state)
{
    char error[SIGNER_ERROR_MAX];
    char path[400];
    (void)state;
    struct signer *s = signer_new("/tmp/there-is-no-such-directory", error);
    assert_non_null(s);
    assert_int_equal(signer_keys(s), 0);
    signer_free(&s);
    (void)snprintf(path, sizeof path, "%s/acme.test/x.pem", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs("no key\n", f);
    (void)fclose(f);
    assert_null(signer_new(dir, error));
    assert_non_null(strstr(error, "acme.test/x.pem: "));
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_signed),
                                       cmocka_unit_test(test_apart),
                                       cmocka_unit_test(test_bad_keys)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
