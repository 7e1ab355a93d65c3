/* queue/sent_test.c - return paths: whose they are, that nobody can make one up. */
#include "queue/sent.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DAY    (UINT64_C(24) * 60 * 60 * 1000)
#define NOW    (UINT64_C(20000) * DAY)
#define DOMAIN SLICE("bounce.shop.test")

struct fixture {
    char dir[64], path[96];
    struct sent *s;
};

static int set_up(void **state)
{
    static struct fixture f;
    char error[SENT_ERROR_MAX];
    (void)snprintf(f.dir, sizeof f.dir, "/tmp/sent-test-XXXXXX");
    if (mkdtemp(f.dir) == NULL) {
        return 1;
    }
    (void)snprintf(f.path, sizeof f.path, "%s/sent.db", f.dir);
    f.s = sent_open(f.path, error);
    *state = &f;
    return f.s == NULL;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sent_close(&f->s);
    (void)unlink(f->path);
    return rmdir(f->dir); /* no other file was left */
}

/* A path that was sent under, in text. */
static void send_one(struct fixture *f, uint64_t now_ms, const char *to, struct buf *text)
{
    uint64_t serial = sent_serial(f->s, now_ms * 1000);
    buf_reset(text);
    sent_path(f->s, serial, DOMAIN, text);
    assert_true(sent_put(f->s, serial,
                         &(struct sent_entry){.id = {serial % 1000 + 1, 3},
                                              .account = SLICE("news@shop.test"),
                                              .address = slice_of(to)}));
}

static void test_there_and_back(void **state)
{
    struct fixture *f = *state;
    struct sent_entry e;
    struct buf text;
    char error[SENT_ERROR_MAX];
    buf_init(&text, 1000);
    sent_flush(f->s); /* nothing */
    send_one(f, NOW, "bob@far.test", &text);
    sent_flush(f->s);
    send_one(f, NOW, "ann@far.test", &text);
    struct slice path = buf_slice(&text);
    assert_int_equal(slice_find(path, '@'), SENT_LOCAL_LEN);
    assert_true(sent_is_token(slice_sub(path, 0, SENT_LOCAL_LEN)));
    assert_int_equal(sent_find(f->s, path, NOW + DAY, 30 * DAY, &e), SENT_YES);
    assert_true(slice_eq(e.account, SLICE("news@shop.test")) &&
                slice_eq(e.address, SLICE("ann@far.test")) && e.id.n == 3);
    assert_int_equal(sent_find(f->s, path, NOW + 31 * DAY, 30 * DAY, &e), SENT_OLD);
    /* some servers write addresses in capitals */
    for (size_t i = 0; i < text.len; i++) {
        text.ptr[i] = text.ptr[i] >= 'a' && text.ptr[i] <= 'z'
                          ? (unsigned char)(text.ptr[i] - 32)
                          : text.ptr[i];
    }
    assert_int_equal(sent_find(f->s, path, NOW, 30 * DAY, &e), SENT_YES);
    /* the key, and what was sent, outlive the process */
    sent_close(&f->s);
    f->s = sent_open(f->path, error);
    assert_non_null(f->s);
    assert_int_equal(sent_find(f->s, path, NOW, 30 * DAY, &e), SENT_YES);
    buf_clear(&text);
}

static void test_forged(void **state)
{
    struct fixture *f = *state;
    struct sent_entry e;
    struct buf text;
    buf_init(&text, 1000);
    send_one(f, NOW, "ann@far.test", &text);
    struct slice path = buf_slice(&text);
    for (size_t i = 0; i < text.len; i++) { /* no octet of it can be another */
        unsigned char was = text.ptr[i];
        text.ptr[i] = was == 'q' ? 'e' : 'q';
        assert_int_equal(sent_find(f->s, path, NOW, 30 * DAY, &e), SENT_NOT);
        text.ptr[i] = was;
        assert_int_equal(sent_find(f->s, slice_sub(path, 0, i), NOW, 30 * DAY, &e),
                         SENT_NOT);
    }
    /* a serial that was given out, under which nothing was delivered */
    buf_reset(&text);
    sent_path(f->s, sent_serial(f->s, NOW * 1000), DOMAIN, &text);
    assert_int_equal(sent_find(f->s, buf_slice(&text), NOW, 30 * DAY, &e), SENT_NOT);
    buf_clear(&text);
}

static void see(void *arg, const struct sent_rate *r)
{
    struct buf *b = arg;
    (void)buf_add(b, r->account);
    (void)buf_add_fmt(b, " %u/%u;", (unsigned)r->complained, (unsigned)r->sent);
}

/* Each message is complained of once, whatever happens meanwhile; by account and day. */
static void test_complaints(void **state)
{
    struct fixture *f = *state;
    struct sent_entry e;
    struct buf text, out;
    char error[SENT_ERROR_MAX];
    unsigned seen = 0;
    buf_init(&text, 1000);
    buf_init(&out, 1000);
    send_one(f, NOW, "bob@far.test", &text);
    send_one(f, NOW, "ann@far.test", &text);
    assert_int_equal(sent_find(f->s, buf_slice(&text), NOW, 30 * DAY, &e), SENT_YES);
    assert_int_equal(sent_complained(f->s, buf_slice(&text), &e, NOW + DAY), SENT_YES);
    sent_close(&f->s);
    f->s = sent_open(f->path, error);
    assert_non_null(f->s);
    assert_int_equal(sent_find(f->s, buf_slice(&text), NOW, 30 * DAY, &e), SENT_YES);
    assert_int_equal(sent_complained(f->s, buf_slice(&text), &e, NOW + DAY), SENT_NOT);
    assert_int_equal(sent_complained(f->s, SLICE("b-x@y"), &e, NOW), SENT_FAULT);
    assert_true(sent_put(f->s, sent_serial(f->s, NOW * 1000),
                         &(struct sent_entry){.account = SLICE("other@shop.test"),
                                              .address = SLICE("ann@far.test")}));
    assert_true(sent_rates(f->s, SLICE(""), SLICE(""), NOW, 10, &seen, see, &out));
    assert_true(
        slice_eq(buf_slice(&out), SLICE("news@shop.test 1/2;other@shop.test 0/1;")));
    buf_reset(&out);
    assert_true(
        sent_rates(f->s, SLICE("news@shop.test"), SLICE(""), NOW, 10, &seen, see, &out));
    assert_true(seen == 1 && slice_eq(buf_slice(&out), SLICE("other@shop.test 0/1;")));
    buf_reset(&out);
    sent_tidy(f->s, NOW + 31 * DAY, 30 * DAY, 100);
    assert_true(sent_rates(f->s, SLICE(""), SLICE(""), 0, 10, &seen, see, &out));
    assert_true(slice_eq(buf_slice(&out), SLICE("news@shop.test 1/0;")));
    buf_clear(&text);
    buf_clear(&out);
}

static int no_randomness(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    memset(out, 0, (size_t)n);
    return n;
}

/* The path of one serial, of a file that is made now and goes again. */
static void path_of_new(struct fixture *f, struct buf *out)
{
    char error[SENT_ERROR_MAX];
    sent_close(&f->s);
    assert_int_equal(unlink(f->path), 0);
    sqlite3_randomness(0, NULL); /* it begins anew */
    f->s = sent_open(f->path, error);
    assert_non_null(f->s);
    buf_reset(out);
    sent_path(f->s, 1, DOMAIN, out);
}

/* SQLite has no randomness where it cannot open /dev/urandom, as in the queue's sandbox: it takes the
 * time and its pid. */
static void test_secret(void **state)
{
    struct fixture *f = *state;
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    int (*had)(sqlite3_vfs *, int, char *) = vfs->xRandomness;
    struct buf one, other;
    buf_init(&one, 1000);
    buf_init(&other, 1000);
    vfs->xRandomness = no_randomness;
    path_of_new(f, &one);
    path_of_new(f, &other);
    vfs->xRandomness = had;
    assert_false(slice_eq(buf_slice(&one), buf_slice(&other)));
    buf_clear(&one);
    buf_clear(&other);
}

/* A file of version 1 has such a secret; it gets a good one, once. */
static void test_old_secret(void **state)
{
    struct fixture *f = *state;
    char error[SENT_ERROR_MAX];
    sqlite3 *db = NULL;
    struct sent_entry e;
    struct buf text;
    buf_init(&text, 1000);
    for (int round = 0; round < 2; round++) {
        send_one(f, NOW, "ann@far.test", &text);
        sent_close(&f->s);
        if (round == 0) {
            assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
            assert_int_equal(
                sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL, NULL), SQLITE_OK);
            assert_int_equal(sqlite3_close(db), SQLITE_OK);
        }
        f->s = sent_open(f->path, error);
        assert_non_null(f->s);
        assert_int_equal(sent_find(f->s, buf_slice(&text), NOW, 30 * DAY, &e),
                         round == 0 ? SENT_NOT : SENT_YES);
    }
    buf_clear(&text);
}

static void test_serials(void **state)
{
    struct fixture *f = *state;
    char error[SENT_ERROR_MAX];
    uint64_t first = sent_serial(f->s, 5000000);
    assert_int_equal(first, 5000000);
    assert_int_equal(sent_serial(f->s, 4000000), 5000001); /* the clock was set back */
    assert_true(sent_put(f->s, 5000001, &(struct sent_entry){.id = {1, 1}}));
    sent_close(&f->s);
    f->s = sent_open(f->path, error);
    assert_non_null(f->s);
    assert_int_equal(sent_serial(f->s, 7), 5000002);
}

static void test_tidy(void **state)
{
    struct fixture *f = *state;
    struct sent_entry e;
    struct buf old, young;
    buf_init(&old, 1000);
    buf_init(&young, 1000);
    send_one(f, NOW, "ann@far.test", &old);
    send_one(f, NOW + 2 * DAY, "bob@far.test", &young);
    sent_tidy(f->s, NOW + 31 * DAY, 30 * DAY, 100);
    assert_int_equal(sent_find(f->s, buf_slice(&old), NOW, 30 * DAY, &e), SENT_NOT);
    assert_int_equal(sent_find(f->s, buf_slice(&young), NOW, 30 * DAY, &e), SENT_YES);
    buf_clear(&old);
    buf_clear(&young);
}

static void test_find_text(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    buf_init(&text, 10000);
    (void)buf_add_str(&text, "Original-Mail-From: <@ b-short@bounce.shop.test ");
    size_t before = text.len;
    sent_path(f->s, 77, DOMAIN, &text);
    size_t end = text.len;
    (void)buf_add_str(&text, ">\r\n");
    assert_int_equal(sent_find_text(buf_slice(&text), DOMAIN).len, end - before);
    assert_ptr_equal(sent_find_text(buf_slice(&text), SLICE("BOUNCE.shop.test")).ptr,
                     text.ptr + before);
    assert_int_equal(sent_find_text(buf_slice(&text), SLICE("other.test")).len, 0);
    assert_int_equal(sent_find_text(buf_slice(&text), SLICE("")).len, 0);
    for (size_t i = 0; i < end; i++) { /* nothing behind the end is read */
        assert_int_equal(sent_find_text(slice_sub(buf_slice(&text), 0, i), DOMAIN).len,
                         0);
    }
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_there_and_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_forged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_complaints, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_old_secret, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_serials, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tidy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_find_text, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
