/* tls/tickets_test.c - two processes that never speak have the same keys; old ones go. */
#include "tls/tickets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { MADE_S = 1700000000, ROTATE = TLS_TICKETS_ROTATE_S };
static const unsigned char secret[TLS_TICKETS_SECRET_LEN] =
    "thirty-two octets of secret here";

static bool same(const struct tls_ticket_key *a, const struct tls_ticket_key *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void test_shared(void **state)
{
    (void)state;
    struct tls_tickets a;
    struct tls_tickets b;
    tls_tickets_init(&a, secret, MADE_S);
    for (unsigned i = 0; i < 10; i++) {
        uint64_t now_s = MADE_S + i * (ROTATE / 2);
        const struct tls_ticket_key *key = tls_tickets_key(&a, now_s);
        tls_tickets_init(&b, secret, MADE_S); /* a process that starts now */
        assert_true(same(key, tls_tickets_key(&b, now_s)));
        assert_true(same(&a.before, &b.before));
    }
    tls_tickets_clear(&b);
    static const struct tls_tickets nothing;
    assert_memory_equal(&b, &nothing, sizeof b);
}

static void test_rotation(void **state)
{
    (void)state;
    struct tls_tickets t;
    tls_tickets_init(&t, secret, MADE_S);
    struct tls_ticket_key first = *tls_tickets_key(&t, MADE_S);
    assert_memory_not_equal(first.cipher, first.mac, sizeof first.mac);
    assert_ptr_equal(tls_tickets_find(&t, first.name, MADE_S), &t.now);
    assert_ptr_equal(tls_tickets_find(&t, first.name, MADE_S + ROTATE), &t.before);
    assert_false(same(tls_tickets_key(&t, MADE_S + ROTATE), &first));
    /* a clock that goes back changes nothing */
    assert_ptr_equal(tls_tickets_find(&t, first.name, MADE_S), &t.before);
    assert_null(tls_tickets_find(&t, first.name, MADE_S + 2 * ROTATE));
    assert_null(tls_tickets_find(&t, (const unsigned char *)"none of our keys", MADE_S));
    /* nor does one that is wrong by centuries hang us */
    assert_null(tls_tickets_find(&t, first.name, UINT64_MAX));
}

static void test_secrets_differ(void **state)
{
    (void)state;
    struct tls_tickets a;
    struct tls_tickets b;
    unsigned char other[TLS_TICKETS_SECRET_LEN];
    memcpy(other, secret, sizeof other);
    other[31] ^= 1;
    tls_tickets_init(&a, secret, MADE_S);
    tls_tickets_init(&b, other, MADE_S);
    assert_null(tls_tickets_find(&a, b.now.name, MADE_S));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared),
                                       cmocka_unit_test(test_rotation),
                                       cmocka_unit_test(test_secrets_differ)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
