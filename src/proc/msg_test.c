/* proc/msg_test.c - every row of the table, against every pair of roles and every size
 * bound. */
#include "proc/msg.h"

/* cmocka wants these first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static unsigned char datagram[MSG_HEAD_LEN + MSG_PAYLOAD_MAX + 1];

static const struct {
    enum msg_type type;
    unsigned from, to;
    size_t min, max;
    size_t fd_n;
} rows[] = {
#define X(name, from, to, min, max, fd) {MSG_##name, from, to, min, max, fd ? 1 : 0},
    MSGS(X)
#undef X
};
enum { ROW_N = sizeof rows / sizeof rows[0] };

static bool check(enum msg_type type, size_t len, size_t fd_n, enum role from,
                  enum role to)
{
    struct msg m = {.fd = -7};
    msg_head(type, len > MSG_PAYLOAD_MAX ? MSG_PAYLOAD_MAX : len, datagram);
    bool ok = msg_check((struct slice){datagram, MSG_HEAD_LEN + len}, fd_n, from, to, &m);
    if (ok) {
        assert_int_equal(m.type, type);
        assert_int_equal(m.payload.len, len);
        assert_ptr_equal(m.payload.ptr, datagram + MSG_HEAD_LEN);
        assert_int_equal(m.fd, -7);
    }
    return ok;
}

static void test_roles(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROW_N; i++) {
        for (unsigned from = 0; from < ROLE_COUNT; from++) {
            for (unsigned to = 0; to < ROLE_COUNT; to++) {
                bool may =
                    (rows[i].from >> from & 1U) != 0 && (rows[i].to >> to & 1U) != 0;
                assert_int_equal(may, msg_may(rows[i].type, from, to));
                assert_int_equal(may, check(rows[i].type, rows[i].min, rows[i].fd_n,
                                            (enum role)from, (enum role)to));
            }
        }
    }
}

static enum role lowest(unsigned set)
{
    return (enum role)__builtin_ctz(set);
}

static void test_sizes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROW_N; i++) {
        enum role from = lowest(rows[i].from);
        enum role to = lowest(rows[i].to);
        enum msg_type t = rows[i].type;
        size_t fd_n = rows[i].fd_n;
        assert_true(check(t, rows[i].min, fd_n, from, to));
        assert_true(check(t, rows[i].max, fd_n, from, to));
        assert_false(check(t, rows[i].max + 1, fd_n, from, to));
        if (rows[i].min > 0) {
            assert_false(check(t, rows[i].min - 1, fd_n, from, to));
        }
        for (size_t n = 0; n < 4; n++) {
            assert_int_equal(n == fd_n, check(t, rows[i].min, n, from, to));
        }
    }
}

static void test_head(void **state)
{
    (void)state;
    struct msg m;
    static const struct {
        const char *what;
        unsigned char head[12];
        size_t len;
        bool ok;
    } cases[] = {
        {"SPOOL_STATE", {1, 0, 0, 0, MSG_SPOOL_STATE, 0, 0, 0, 9}, 9, true},
        {"empty", {0}, 0, false},
        {"half a head", {1, 0, 0, 0, MSG_SPOOL_STATE, 0, 0}, 7, false},
        {"payload missing", {1, 0, 0, 0, MSG_SPOOL_STATE, 0, 0, 0}, 8, false},
        {"octet too many", {1, 0, 0, 0, MSG_SPOOL_STATE, 0, 0, 0, 9, 9}, 10, false},
        {"length too large", {1, 0, 0, 1, MSG_SPOOL_STATE, 0, 0, 0, 9}, 9, false},
        {"zero is not", {1, 0, 0, 0, MSG_SPOOL_STATE, 0, 1, 0, 9}, 9, false},
        {"no such type", {1, 0, 0, 0, MSG_TYPE_COUNT, 0, 0, 0, 9}, 9, false},
        {"type none", {1, 0, 0, 0, 0, 0, 0, 0, 9}, 9, false},
        {"type 256 more", {1, 0, 0, 0, MSG_SPOOL_STATE, 1, 0, 0, 9}, 9, false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool ok = msg_check((struct slice){cases[i].head, cases[i].len}, 0, ROLE_queue,
                            ROLE_smtpd, &m);
        if (ok != cases[i].ok) {
            fail_msg("%s", cases[i].what);
        }
    }
    unsigned char head[MSG_HEAD_LEN];
    msg_head(MSG_TRACE, 0xabcd, head);
    assert_memory_equal(head, ((unsigned char[]){0xcd, 0xab, 0, 0, MSG_TRACE, 0, 0, 0}),
                        8);
}

static void test_peer(void **state)
{
    (void)state;
    struct msg_peer p;
    static const unsigned char good[3] = {ROLE_queue, 3, 0};
    static const unsigned char sup[2] = {ROLE_supervisor, 0};
    static const unsigned char high[2] = {ROLE_COUNT, 0};
    assert_true(msg_read_peer((struct slice){good, 2}, &p));
    assert_int_equal(p.role, ROLE_queue);
    assert_int_equal(p.index, 3);
    assert_false(msg_read_peer((struct slice){good, 1}, &p));
    assert_false(msg_read_peer((struct slice){good, 3}, &p));
    assert_false(msg_read_peer((struct slice){sup, 2}, &p));
    assert_false(msg_read_peer((struct slice){high, 2}, &p));
}

/* Who touches hostile octets accuses nobody, and opens nothing for others. */
static void test_trust(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ROW_N; i++) {
        bool hostile = (rows[i].from & (R_SMT | R_DEL)) != 0;
        assert_false(hostile && rows[i].type == MSG_ACCUSE);
        assert_false(hostile && rows[i].fd_n != 0);
        assert_false(rows[i].to == R_SUP && rows[i].type != MSG_READY &&
                     rows[i].type != MSG_ACCUSE && rows[i].type != MSG_FILTER_ASK);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(role_name(ROLE_smtpd), "smtpd");
    assert_string_equal(role_name(ROLE_COUNT), "?");
    assert_string_equal(msg_name(MSG_JOB_DONE), "JOB_DONE");
    assert_string_equal(msg_name(MSG_NONE), "?");
    assert_string_equal(msg_name(MSG_TYPE_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_head),  cmocka_unit_test(test_peer),
        cmocka_unit_test(test_trust), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
