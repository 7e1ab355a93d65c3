/* Tests of bounce/reply_find.h and bounce/address_find.h. */
#include "bounce/address_find.h"
#include "bounce/reply_find.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct {
    const char *text;
    unsigned code, klass, subject, detail;
    const char *reply; /* from where; NULL: none is found */
} replies[] = {
    {"550 5.1.1 no", 550, 5, 1, 1, "550 5.1.1 no"},
    {"550-5.1.1 no\n550 5.1.1 such", 550, 5, 1, 1, "550-5.1.1"},
    {"host mx.example[192.0.2.1] said: 452 4.2.2 full", 452, 4, 2, 2, "452 4.2.2"},
    {"sorry, no mailbox (#5.1.1)", 0, 5, 1, 1, "5.1.1"},
    {"ERROR_CODE :550, ERROR_CODE :5.1.1 no", 550, 5, 1, 1, "550, ERR"},
    {"[554 5.4.6 Hop count exceeded]", 554, 5, 4, 6, "554 5.4.6"},
    {"554 4.4.7 expired.<421 4.4.2 timed out>", 421, 4, 4, 2, "421 4.4.2"},
    {"554 <a@b.example>... 550 Host unknown", 550, 0, 0, 0, "550 Host"},
    {"5.3.0 - Other mail system problem 550-'Unknown user'", 550, 5, 3, 0, "550-'"},
    {"501 failed: 5.7.1 not configured to relay", 501, 5, 7, 1, "501"},
    {"250 2.1.5 Ok", 250, 2, 1, 5, "250"},
    {"354", 0, 0, 0, 0, NULL},
    {"delivery failed after 550 seconds", 0, 0, 0, 0, NULL},
    {"Exim 4.5.1 at 192.0.2.550", 0, 4, 5, 1, "4.5.1"},
    {"version 5.5.2652.78, room 500b, SIZE=554", 0, 0, 0, 0, NULL},
    {"from 10.5.1.1 and 5.1.1.10", 0, 0, 0, 0, NULL},
    {"", 0, 0, 0, 0, NULL},
};

static void test_replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof replies / sizeof replies[0]; i++) {
        struct bounce_found f;
        struct slice text = slice_of(replies[i].text);
        bool found = bounce_find_reply(text, &f);
        print_message("%s\n", replies[i].text);
        assert_int_equal(found, replies[i].reply != NULL);
        assert_int_equal(f.code, replies[i].code);
        assert_int_equal(f.status.klass, replies[i].klass);
        assert_int_equal(f.status.subject, replies[i].subject);
        assert_int_equal(f.status.detail, replies[i].detail);
        assert_true(!found ||
                    slice_starts(slice_from(text, f.off), slice_of(replies[i].reply)));
    }
}

static void test_around(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum bounce_stage stage;
        const char *host;
    } cases[] = {
        {"550 no (in reply to RCPT TO command)", BOUNCE_STAGE_RCPT, NULL},
        {"SMTP error after end of data: host mx.b.example [192.0.2.1]: 550 no",
         BOUNCE_STAGE_EOM, "mx.b.example"},
        {"Connected to 192.0.2.1 but my name was rejected.", BOUNCE_STAGE_HELO,
         "192.0.2.1"},
        {"... while talking to mx.b.example.:\n>>> MAIL From:<x>", BOUNCE_STAGE_MAIL,
         "mx.b.example"},
        {"rejected by the server for the recipient domain b.example by mx.b.example. "
         "[192.0.2.1]",
         BOUNCE_STAGE_UNKNOWN, "mx.b.example"},
        {"192.0.2.7 does not like recipient.", BOUNCE_STAGE_RCPT, "192.0.2.7"},
        {"mx.b.example failed after I sent the message.", BOUNCE_STAGE_EOM,
         "mx.b.example"},
        {"Remote host said: no", BOUNCE_STAGE_UNKNOWN, NULL},
        {"connect to mx.b.example[192.0.2.1]:25: timed out", BOUNCE_STAGE_UNKNOWN,
         "mx.b.example"},
        {"", BOUNCE_STAGE_UNKNOWN, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct slice text = slice_of(cases[i].text);
        assert_int_equal(bounce_find_stage(text), cases[i].stage);
        assert_true(slice_eq(bounce_find_host(text), slice_of(cases[i].host)));
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *address; /* NULL: none */
    } cases[] = {
        {"to <a.b+c@d.example>.", "a.b+c@d.example"},
        {"a@b.example.", "a@b.example"},
        {"x \"j d\"@b.example y", "\"j d\"@b.example"},
        {"a@[192.0.2.1]", "a@[192.0.2.1]"},
        {"'a@b.example'", "a@b.example"},
        {"\xe5\xaf\xb9"
         "a@b.example\xe4\xb8\x8d",
         "a@b.example"},
        {"gr\xc3\xbcn@b.example", "gr\xc3\xbcn@b.example"},
        {"/home/u/.x/a@b.example", "a@b.example"},
        {"@relay.example:a@b.example", "a@b.example"},
        {"a @ b, @b.example, a@", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct address_found f;
        bool found = address_find(slice_of(cases[i].text), 0, &f);
        assert_int_equal(found, cases[i].address != NULL);
        assert_true(!found || slice_eq(f.address, slice_of(cases[i].address)));
    }
    struct slice out;
    assert_true(address_bare(SLICE(" <a@b.example> "), &out));
    assert_true(slice_eq(out, SLICE("a@b.example")));
    assert_true(address_bare(SLICE("<@r.example:a@b.example>"), &out));
    assert_true(slice_eq(out, SLICE("a@b.example")));
    assert_false(address_bare(SLICE("a@b.example c"), &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_replies),
                                       cmocka_unit_test(test_around),
                                       cmocka_unit_test(test_addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
