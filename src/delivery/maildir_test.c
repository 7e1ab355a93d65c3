/* delivery/maildir_test.c - paths, quota files, and deliveries into a real directory. */
#include "delivery/maildir.h"

#include "delivery/delivery_testlib.h"
#include "delivery/path.h"
#include "delivery/quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

/* --- pure: paths ----------------------------------------------------------------------- */

static void test_split(void **state)
{
    (void)state;
    static const struct {
        const char *setting, *root, *rest; /* root NULL: refused */
    } cases[] = {
        {"/var/lib/postern/mail/%d/%u/Maildir", "/var/lib/postern/mail", "%d/%u/Maildir"},
        {"/srv/u-%u", "/srv", "u-%u"},
        {"/%d/%u", "/", "%d/%u"},
        {"/srv/all", "/srv", "all"},
        {"/srv/%u/", "/srv", "%u"},
        {"/srv/100%%/%u", "/srv", "100%%/%u"},
        {"relative/%u", NULL, NULL},
        {"/", NULL, NULL},
        {"", NULL, NULL},
        {"/srv/%x", NULL, NULL},
        {"/srv/%", NULL, NULL},
        {"/srv/%d//%u", NULL, NULL},
        {"/srv/%d/../%u", NULL, NULL},
        {"/srv/%d/./%u", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice root, rest;
        bool ok = delivery_path_split(cases[i].setting, &root, &rest);
        assert_int_equal(ok, cases[i].root != NULL);
        if (ok) {
            assert_true(slice_eq(root, slice_of(cases[i].root)));
            assert_true(slice_eq(rest, slice_of(cases[i].rest)));
        }
    }
}

static void test_path(void **state)
{
    (void)state;
    static const struct {
        struct slice address;
        const char *path; /* NULL: refused */
    } cases[] = {
        {SLICE_INIT("alice@example.test"), "example.test/alice/Maildir"},
        {SLICE_INIT("alice+lists@example.test"), "example.test/alice/Maildir"},
        {SLICE_INIT("alice+@example.test"), "example.test/alice/Maildir"},
        {SLICE_INIT("alice+a+b@example.test"), "example.test/alice/Maildir"},
        {SLICE_INIT("+lists@example.test"), "example.test/+lists/Maildir"},
        {SLICE_INIT("\"a+b\"@example.test"), "example.test/\"a+b\"/Maildir"},
        {SLICE_INIT("\"a@b\"@example.test"), "example.test/\"a@b\"/Maildir"},
        {SLICE_INIT("../../etc@example.test"), "example.test/%2E.%2F..%2Fetc/Maildir"},
        {SLICE_INIT("..@example.test"), "example.test/%2E./Maildir"},
        {SLICE_INIT(".@.."), "%2E./%2E/Maildir"},
        {SLICE_INIT(".a.b@example.test"), "example.test/%2Ea.b/Maildir"},
        {SLICE_INIT("a/b@example.test"), "example.test/a%2Fb/Maildir"},
        {SLICE_INIT("a%2Fb@example.test"), "example.test/a%252Fb/Maildir"},
        {SLICE_INIT("a\0b@example.test"), "example.test/a%00b/Maildir"},
        {SLICE_INIT("a\nb\x7f@example.test"), "example.test/a%0Ab%7F/Maildir"},
        {SLICE_INIT("d\xc3\xb6@example.test"), "example.test/d\xc3\xb6/Maildir"},
        {SLICE_INIT("alice"), NULL},
        {SLICE_INIT("@example.test"), NULL},
        {SLICE_INIT("alice@"), NULL},
        {SLICE_INIT(""), NULL},
    };
    struct buf out;
    buf_init(&out, DELIVERY_PATH_MAX + 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_reset(&out);
        bool ok = delivery_path(SLICE("%d/%u/Maildir"), cases[i].address, '+', &out);
        assert_int_equal(ok, cases[i].path != NULL);
        if (ok && !slice_eq(buf_slice(&out), slice_of(cases[i].path))) {
            fail_msg("case %zu: %.*s", i, (int)out.len, (char *)out.ptr);
        }
    }
    buf_reset(&out);
    assert_true(delivery_path(SLICE("%%/%u"), SLICE("a+b@c"), 0, &out));
    assert_true(slice_eq(buf_slice(&out), SLICE("%/a+b")));

    /* a name of 255 octets is the longest there can be */
    unsigned char longest[PATH_COMPONENT_MAX + 3];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 3] = '@';
    buf_reset(&out);
    assert_true(
        delivery_path(SLICE("%u"), (struct slice){longest, sizeof longest}, 0, &out));
    longest[0] = '/';
    buf_reset(&out);
    assert_false(
        delivery_path(SLICE("%u"), (struct slice){longest, sizeof longest}, 0, &out));
    buf_clear(&out);
}

/* Every two local parts of up to 3 octets over the signs that matter have two names, and no
 * name is "." or ".." or holds "/". */
static void test_path_injective(void **state)
{
    (void)state;
    static const unsigned char alphabet[] = {'.', '/', '%', '2', 'E', 'F', '\n'};
    enum { BASE = sizeof alphabet, N = BASE + BASE * BASE + BASE * BASE * BASE };
    static struct buf name[N];
    size_t n = 0;
    for (size_t len = 1, all = BASE; len <= 3; len++, all *= BASE) {
        for (size_t v = 0; v < all; v++) {
            unsigned char in[5];
            size_t rest = v;
            for (size_t i = 0; i < len; i++, rest /= BASE) {
                in[i] = alphabet[rest % BASE];
            }
            in[len] = '@';
            in[len + 1] = 'd';
            buf_init(&name[n], 64);
            assert_true(
                delivery_path(SLICE("%u"), (struct slice){in, len + 2}, '+', &name[n]));
            struct slice s = buf_slice(&name[n]);
            assert_int_equal(slice_find(s, '/'), s.len);
            assert_true(s.ptr[0] != '.');
            n++;
        }
    }
    assert_int_equal(n, N);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i + 1; k < n; k++) {
            assert_false(slice_eq(buf_slice(&name[i]), buf_slice(&name[k])));
        }
    }
    for (size_t i = 0; i < n; i++) {
        buf_clear(&name[i]);
    }
}

static void test_unix_lines(void **state)
{
    (void)state;
    static const struct {
        struct slice in, out;
        uint64_t lines;
    } cases[] = {
        {SLICE_INIT("a\r\nb\r\n"), SLICE_INIT("a\nb\n"), 2},
        {SLICE_INIT("\r\n\r\n"), SLICE_INIT("\n\n"), 2},
        {SLICE_INIT("a\rb\r\n"), SLICE_INIT("a\rb\n"), 1},
        {SLICE_INIT("a\r\r\n"), SLICE_INIT("a\r\n"), 1},
        {SLICE_INIT("a\nb"), SLICE_INIT("a\nb"), 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t step = 1; step <= 8; step++) {
            unsigned char to[32];
            size_t n = 0;
            uint64_t lines = 0;
            bool cr = false;
            for (size_t at = 0; at < cases[i].in.len; at += step) {
                struct slice piece = slice_sub(cases[i].in, at, step);
                size_t put = maildir_unix(&cr, piece, to + n, &lines);
                assert_true(put <= piece.len + 1);
                n += put;
            }
            assert_false(cr);
            assert_true(slice_eq((struct slice){to, n}, cases[i].out));
            assert_int_equal(lines, cases[i].lines);
        }
    }
}

/* --- pure: quota ----------------------------------------------------------------------- */

static void test_quota_parse(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        bool ok, garbled;
        uint64_t limit, limit_count, used, count;
    } cases[] = {
        {"1000S\n", true, false, 1000, 0, 0, 0},
        {"1000S,5C\n100 1\n", true, false, 1000, 5, 100, 1},
        {"5C,1000S\n100 1\n200 2\n-50 -1\n", true, false, 1000, 5, 250, 2},
        {"1000S\n      100            1\n", true, false, 1000, 0, 100, 1},
        {"1000S,7X\n", true, false, 1000, 0, 0, 0},
        {"0S\n10 1\n", true, false, 0, 0, 10, 1},
        {"1000S\n-100 -1\n", true, false, 1000, 0, 0, 0},
        {"1000S\nx y\n", true, true, 1000, 0, 0, 0},
        {"1000S\n10 1\n10", true, true, 1000, 0, 10, 1},
        {"1000S\n10 1 1\n", true, true, 1000, 0, 0, 0},
        {"1000S\n10\n", true, true, 1000, 0, 0, 0},
        {"1000S", false, false, 0, 0, 0, 0},
        {"", false, false, 0, 0, 0, 0},
        {"\n", false, false, 0, 0, 0, 0},
        {"S\n", false, false, 0, 0, 0, 0},
        {"12 3\n", false, false, 0, 0, 0, 0}, /* an entry is no definition */
        {"99999999999999999999S\n", false, false, 0, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct quota q = {0};
        bool ok = quota_parse(slice_of(cases[i].file), &q);
        if (ok != cases[i].ok ||
            (ok && (q.garbled != cases[i].garbled || q.limit != cases[i].limit ||
                    q.limit_count != cases[i].limit_count || q.used != cases[i].used ||
                    q.count != cases[i].count))) {
            fail_msg("case %zu", i);
        }
    }
    struct quota q = {.limit = 100, .used = 60};
    assert_false(quota_over(&q, 40));
    assert_true(quota_over(&q, 41));
    assert_true(quota_over(&q, UINT64_MAX));
    q = (struct quota){.limit_count = 2, .count = 1};
    assert_false(quota_over(&q, UINT64_MAX));
    q.count = 2;
    assert_true(quota_over(&q, 0));
    q = (struct quota){.used = UINT64_MAX, .count = UINT64_MAX};
    assert_false(quota_over(&q, 1)); /* no limits */
}

/* --- deliveries ------------------------------------------------------------------------ */

struct fixture {
    char dir[64], setting[128];
    struct maildir_store store;
    struct maildir_work *work;
    struct job job;
    struct job_target target;
    struct source source;
    int fd;
};

#define HEAD    "Received: from a.example\r\n\tby mx.example.test\r\n"
#define MESSAGE "Subject: hi\r\n\r\n.line\r\nlast\r\n"
#define SAVED                                                                            \
    "Return-Path: <s@a.example>\nX-Original-To: sales@example.test\n"                    \
    "Delivered-To: alice+x@example.test\n"                                               \
    "Received: from a.example\n\tby mx.example.test\nSubject: hi\n\n.line\nlast\n"
#define MAILBOX "mail/example.test/alice/Maildir"

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/maildir-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->setting, sizeof f->setting, "%s/mail/%%d/%%u/Maildir", f->dir);
    assert_null(maildir_open(&f->store, f->setting, "+", "mx.example.test"));
    f->work = maildir_work_new();
    assert_non_null(f->work);
    f->job = (struct job){.id = {0x123456789abcdefU, 7},
                          .arrival_ms = 1700000000123,
                          .sender = SLICE("s@a.example")};
    f->target = (struct job_target){3, 0, SLICE("sales@example.test"),
                                    SLICE("alice+x@example.test")};
    f->fd = testlib_segment(f->dir, 4096, SLICE(HEAD), SLICE(MESSAGE), &f->job);
    assert_true(f->fd >= 0);
    assert_int_equal(source_open(&f->source, f->fd, &f->job), SOURCE_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    source_close(&f->source);
    maildir_work_free(&f->work);
    maildir_close(&f->store);
    (void)close(f->fd);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    assert_int_equal(system(command), 0);
    free(f);
    return 0;
}

static struct outcome deliver(struct fixture *f)
{
    struct outcome o = {0};
    maildir_deliver(&f->store, f->work, &f->source, &f->job, &f->target, &o);
    assert_true(o.set);
    return o;
}

static bool reply_starts(const struct outcome *o, const char *text)
{
    return slice_starts((struct slice){o->reply, o->reply_len}, slice_of(text));
}

static const char *in_box(struct fixture *f, const char *name)
{
    static char path[1024];
    (void)snprintf(path, sizeof path, "%s/" MAILBOX "/%s", f->dir, name);
    return path;
}

/* Files in a directory of the mailbox; name gets one of them. -1: no such directory. */
static int files(struct fixture *f, const char *sub, char name[256])
{
    DIR *dir = opendir(in_box(f, sub));
    int n = 0;
    if (dir == NULL) {
        return -1;
    }
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] != '.') {
            (void)snprintf(name, 256, "%s", e->d_name);
            n++;
        }
    }
    (void)closedir(dir);
    return n;
}

static size_t slurp(const char *path, char *to, size_t cap)
{
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? 0 : read(fd, to, cap - 1);
    assert_true(n >= 0);
    to[n] = 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return (size_t)n;
}

static void spill(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
}

static void test_content(void **state)
{
    struct fixture *f = *state;
    char name[256], path[300], text[1024], want[256];
    struct stat st;
    struct outcome o = deliver(f);
    assert_int_equal(o.result, JOB_DELIVERED);
    assert_int_equal(o.code, 250);
    assert_int_equal(files(f, "new", name), 1);
    assert_int_equal(files(f, "tmp", path), 0);
    assert_int_equal(files(f, "cur", path), 0);
    (void)snprintf(path, sizeof path, "new/%s", name);
    assert_int_equal(slurp(in_box(f, path), text, sizeof text), sizeof SAVED - 1);
    assert_string_equal(text, SAVED);

    char id[ID_TEXT_MAX];
    (void)id_text((struct message_id){f->job.id.session, 0}, id);
    size_t lines = 0;
    for (const char *c = SAVED; *c != 0; c++) {
        lines += *c == '\n';
    }
    (void)snprintf(want, sizeof want, "1700000000.P%sN7T3.mx.example.test,S=%zu,W=%zu",
                   id, sizeof SAVED - 1, sizeof SAVED - 1 + lines);
    assert_string_equal(name, want);
    assert_true(o.where_len < sizeof text);
    const char *below = in_box(f, path) + strlen(f->dir) + sizeof "/mail";
    assert_true(slice_eq((struct slice){o.where, o.where_len}, slice_of(below)));

    assert_int_equal(stat(in_box(f, path), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(in_box(f, "."), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
}

/* Larger than what is written at once, with a CR at the end of every piece and without one. */
static void test_large(void **state)
{
    enum { LEN = 3 * SOURCE_CHUNK + 7 };
    struct fixture *f = *state;
    char *message = malloc(LEN), *got = malloc(2 * LEN), name[256], path[300];
    assert_true(message != NULL && got != NULL);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < LEN; i++) {
            message[i] = (i + round) % 2 == 0 ? 'x' : '\r';
        }
        source_close(&f->source);
        (void)close(f->fd);
        f->fd = testlib_segment(f->dir, 4096, SLICE(HEAD),
                                (struct slice){(unsigned char *)message, LEN}, &f->job);
        assert_int_equal(source_open(&f->source, f->fd, &f->job), SOURCE_OK);
        assert_int_equal(deliver(f).result, JOB_DELIVERED);
        assert_int_equal(files(f, "new", name), 1);
        (void)snprintf(path, sizeof path, "new/%s", name);
        size_t n = slurp(in_box(f, path), got, 2 * LEN);
        assert_true(n > LEN);
        assert_memory_equal(got + n - LEN, message, LEN);
        assert_int_equal(unlink(in_box(f, path)), 0);
    }
    free(message);
    free(got);
}

static void test_address_given(void **state)
{
    struct fixture *f = *state;
    char name[256], path[300], text[1024];
    f->target.given = SLICE("Alice+X@Example.Test"); /* the same, but for case */
    f->job.sender = SLICE("");
    assert_int_equal(deliver(f).result, JOB_DELIVERED);
    assert_int_equal(files(f, "new", name), 1);
    (void)snprintf(path, sizeof path, "new/%s", name);
    (void)slurp(in_box(f, path), text, sizeof text);
    assert_int_equal(strncmp(text,
                             "Return-Path: <>\nDelivered-To: alice+x@example.test\n"
                             "Received: ",
                             60),
                     0);

    f->target.given = SLICE("x@example.test>\r\nSubject: forged");
    f->target.number++;
    struct outcome o = deliver(f);
    assert_int_equal(o.result, JOB_FAILED);
    f->target.given = SLICE("x@example.test");
    f->target.address = SLICE("nobody");
    o = deliver(f);
    assert_int_equal(o.result, JOB_FAILED);
    assert_int_equal(o.code, 550);
    assert_int_equal(files(f, "new", name), 1);
}

/* Each target of a user is one file; the same target twice is not. */
static void test_once(void **state)
{
    struct fixture *f = *state;
    char name[256], kept[256], from[600], to[600];
    assert_int_equal(deliver(f).result, JOB_DELIVERED);
    assert_int_equal(files(f, "new", kept), 1);
    assert_int_equal(deliver(f).result,
                     JOB_DELIVERED); /* not flagged: the name is taken */
    assert_int_equal(files(f, "new", name), 1);
    assert_string_equal(name, kept);
    assert_int_equal(files(f, "tmp", name), 0);
    f->target.number = 4;
    assert_int_equal(deliver(f).result, JOB_DELIVERED);
    assert_int_equal(files(f, "new", name), 2);

    /* read meanwhile: moved to cur, with flags; found when the order is a repeated one */
    f->target.number = 3;
    (void)snprintf(to, sizeof to, "cur/%s:2,S", kept);
    (void)snprintf(from, sizeof from, "new/%s", kept);
    char *path = strdup(in_box(f, from));
    assert_non_null(path);
    assert_int_equal(rename(path, in_box(f, to)), 0);
    free(path);
    spill(in_box(f, "tmp/1700000000.Pleft"), "another message's");
    (void)snprintf(to, sizeof to, "tmp/%.*s.9-9", (int)(strchr(kept, 'T') - kept + 2),
                   kept);
    spill(in_box(f, to), "half a mess");
    f->job.flags = JOB_REPEATED;
    struct outcome o = deliver(f);
    assert_int_equal(o.result, JOB_DELIVERED);
    assert_true(reply_starts(&o, "250 2.0.0 found"));
    assert_int_equal(files(f, "new", name), 1);
    assert_int_equal(files(f, "cur", name), 1);

    /* gone from there: delivered, and what the first attempt left in tmp is swept */
    (void)snprintf(from, sizeof from, "cur/%s", name);
    assert_int_equal(unlink(in_box(f, from)), 0);
    o = deliver(f);
    assert_true(reply_starts(&o, "250 2.0.0 saved"));
    assert_int_equal(files(f, "new", name), 2);
    assert_int_equal(files(f, "tmp", name), 1);
    assert_string_equal(name, "1700000000.Pleft");
    /* target 3 is not target 31 */
    f->target.number = 31;
    o = deliver(f);
    assert_true(reply_starts(&o, "250 2.0.0 saved"));
}

static void test_quota(void **state)
{
    struct fixture *f = *state;
    char name[256], want[256];
    static char text[8192];
    const size_t size = sizeof SAVED - 1;
    struct outcome o = deliver(f);
    (void)slurp(in_box(f, "maildirsize"), text, sizeof text); /* counted, not limited */
    (void)snprintf(want, sizeof want, "0S\n%zu 1\n", size);
    assert_string_equal(text, want);

    spill(in_box(f, "maildirsize"), "10000S,3C\n500 1\n");
    f->target.number = 4;
    assert_int_equal(deliver(f).result, JOB_DELIVERED);
    (void)slurp(in_box(f, "maildirsize"), text, sizeof text);
    (void)snprintf(want, sizeof want, "10000S,3C\n500 1\n%zu 1\n", size);
    assert_string_equal(text, want);
    assert_int_equal(deliver(f).result, JOB_DELIVERED); /* there already: not counted */
    (void)slurp(in_box(f, "maildirsize"), text, sizeof text);
    assert_string_equal(text, want);

    /* too many octets */
    spill(in_box(f, "maildirsize"), "10000S\n9900 30\n");
    f->target.number = 5;
    o = deliver(f);
    assert_int_equal(o.result, JOB_DEFERRED);
    assert_true(reply_starts(&o, "452 4.2.2 mailbox is over quota (9900 of 10000"));
    assert_int_equal(files(f, "new", name), 2);
    assert_int_equal(files(f, "tmp", name), 0);

    /* the same, but the file is old: counted anew (two messages are there), delivered */
    struct timespec old[2] = {{.tv_sec = time(NULL) - QUOTA_RECOUNT_S - 10}, {0}};
    old[1] = old[0];
    assert_int_equal(utimensat(AT_FDCWD, in_box(f, "maildirsize"), old, 0), 0);
    assert_int_equal(mkdir(in_box(f, ".Sent"), 0700), 0);
    assert_int_equal(mkdir(in_box(f, ".Sent/cur"), 0700), 0);
    spill(in_box(f, ".Sent/cur/1.a.b,S=1000:2,S"), "x");
    spill(in_box(f, ".Sent/cur/2.a.b:2,S"), "12345");
    assert_int_equal(deliver(f).result, JOB_DELIVERED);
    (void)slurp(in_box(f, "maildirsize"), text, sizeof text);
    (void)snprintf(want, sizeof want, "10000S\n%zu 4\n%zu 1\n", 2 * size + 1005, size);
    assert_string_equal(text, want);

    /* too many messages */
    spill(in_box(f, "maildirsize"), "5C\n1 5\n");
    f->target.number = 6;
    assert_int_equal(deliver(f).code, 452);
    /* garbled: counted anew at once (5 there), over */
    spill(in_box(f, "maildirsize"), "5C\nrubbish\n");
    assert_int_equal(deliver(f).code, 452);
    (void)slurp(in_box(f, "maildirsize"), text, sizeof text);
    (void)snprintf(want, sizeof want, "5C\n%zu 5\n", 3 * size + 1005);
    assert_string_equal(text, want);
    /* no definition: no quota */
    spill(in_box(f, "maildirsize"), "rubbish\n");
    assert_int_equal(deliver(f).result, JOB_DELIVERED);
    (void)slurp(in_box(f, "maildirsize"), text, sizeof text);
    assert_string_equal(text, "rubbish\n"); /* not ours to replace */
    /* grown long: rewritten */
    size_t n = (size_t)snprintf(text, sizeof text, "100000S\n");
    while (n < QUOTA_FILE_MAX) {
        n += (size_t)snprintf(text + n, sizeof text - n, "1 1\n");
    }
    spill(in_box(f, "maildirsize"), text);
    f->target.number = 7;
    assert_int_equal(deliver(f).result, JOB_DELIVERED);
    assert_true(slurp(in_box(f, "maildirsize"), text, sizeof text) < 60);
    assert_int_equal(files(f, "tmp", name), 0);
}

static void test_damage(void **state)
{
    struct fixture *f = *state;
    char name[256];
    struct source s;
    /* the last octet of the message */
    assert_int_equal(pwrite(f->fd, "X", 1, 4096 + 64 + (off_t)sizeof MESSAGE - 2), 1);
    struct outcome o = deliver(f);
    assert_int_equal(o.result, JOB_DEFERRED);
    assert_true(reply_starts(&o, "451 4.3.0 the message in the spool is damaged"));
    assert_int_equal(files(f, "new", name), 0);
    assert_int_equal(files(f, "tmp", name), 0);

    /* another message's place, a header that is none, a head that changed */
    struct job other = f->job;
    other.id.n++;
    assert_int_equal(source_open(&s, f->fd, &other), SOURCE_DAMAGED);
    source_close(&s);
    other = f->job;
    other.offset = 0;
    assert_int_equal(source_open(&s, f->fd, &other), SOURCE_DAMAGED);
    source_close(&s);
    off_t head = 4096 + 64 + (off_t)f->job.message_len + (off_t)f->job.envelope_len;
    assert_int_equal(pwrite(f->fd, "X", 1, head), 1);
    assert_int_equal(source_open(&s, f->fd, &f->job), SOURCE_DAMAGED);
    source_close(&s);
    assert_int_equal(ftruncate(f->fd, 4096 + 100), 0);
    assert_int_equal(source_open(&s, f->fd, &f->job), SOURCE_DAMAGED);
    source_close(&s);
    assert_int_equal(source_open(&s, -1, &f->job), SOURCE_IO);
    source_close(&s);
}

/* No file may grow past 100 octets: a write that fails half way, as on a full disk. */
static void test_write_fails(void **state)
{
    struct fixture *f = *state;
    char name[256];
    struct rlimit was, small;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    small = was;
    small.rlim_cur = 100;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    struct outcome o = deliver(f);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(o.result, JOB_DEFERRED);
    assert_true(
        reply_starts(&o, "452 4.3.1 mail store takes no file of this size: write: "));
    assert_int_equal(files(f, "new", name), 0);
    assert_int_equal(files(f, "tmp", name), 0);
    assert_int_equal(deliver(f).result, JOB_DELIVERED); /* and it heals */

    /* something else in the way */
    f->target.address = SLICE("bob@example.test");
    char path[300];
    (void)snprintf(path, sizeof path, "%s/mail/example.test/bob", f->dir);
    spill(path, "a file");
    o = deliver(f);
    assert_int_equal(o.result, JOB_DEFERRED);
    assert_true(reply_starts(&o, "451 4.2.1 "));
}

/* A full disk of its own, where we may mount one: ENOSPC itself. */
static void test_disk_full(void **state)
{
    struct fixture *f = *state;
    char name[256], command[256], big[256];
    (void)snprintf(command, sizeof command,
                   "mkdir -p '%s/small' && mount -t tmpfs -o size=64k none '%s/small' "
                   "2>/dev/null",
                   f->dir, f->dir);
    if (getuid() != 0 || system(command) != 0) {
        skip();
    }
    struct maildir_store small;
    (void)snprintf(big, sizeof big, "%s/small/%%u", f->dir);
    assert_null(maildir_open(&small, big, "+", "mx"));
    struct outcome o = {0};
    unsigned good = 0;
    for (; good < 100; good++) {
        o = (struct outcome){0};
        f->target.number = (uint16_t)good;
        maildir_deliver(&small, f->work, &f->source, &f->job, &f->target, &o);
        if (o.result != JOB_DELIVERED) {
            break;
        }
    }
    assert_true(good > 0 && good < 100);
    assert_int_equal(o.result, JOB_DEFERRED);
    assert_int_equal(o.code, 452);
    assert_true(reply_starts(&o, "452 4.3.1 mail store is full: "));
    unsigned n[2] = {0, 0};
    for (unsigned i = 0; i < 2; i++) {
        (void)snprintf(name, sizeof name, "%s/small/alice/%s", f->dir, i ? "tmp" : "new");
        DIR *dir = opendir(name);
        assert_non_null(dir);
        for (struct dirent *e; (e = readdir(dir)) != NULL;) {
            n[i] += e->d_name[0] != '.';
        }
        (void)closedir(dir);
    }
    maildir_close(&small);
    (void)snprintf(command, sizeof command, "umount '%s/small'", f->dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(n[0], good);
    assert_int_equal(n[1], 0);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_path_injective),
        cmocka_unit_test(test_unix_lines),
        cmocka_unit_test(test_quota_parse),
        CASE(test_content),
        CASE(test_large),
        CASE(test_address_given),
        CASE(test_once),
        CASE(test_quota),
        CASE(test_damage),
        CASE(test_write_fails),
        CASE(test_disk_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
