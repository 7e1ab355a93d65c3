#include "bounce/normal.h"

#include "bounce/fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct bounce_normal normal;

/* The text with names for its masks. */
static const char *normalised(const char *text, unsigned code)
{
    static char out[8 * BOUNCE_NORMAL_MAX];
    static const char *const mask[] = {"", "$addr", "$ip", "$host", "$url", "$id"};
    size_t n = 0;
    bounce_normalize(slice_of(text), code, &normal);
    for (size_t i = 0; i < normal.main_len; i++) {
        unsigned char c = normal.text[i];
        n += (size_t)(c < 6 ? snprintf(out + n, sizeof out - n, "%s", mask[c])
                            : snprintf(out + n, sizeof out - n, "%c", c));
    }
    out[n] = '\0';
    return out;
}

static const struct {
    const char *text, *want;
} cases[] = {
    {"", ""},
    {"  Mailbox \t FULL  ", "mailbox full"},
    {"550 5.1.1 No such user", "no such user"},
    {"550-5.1.1 No such\r\n550-5.1.1 user\r\n550 5.1.1 here", "no such user here"},
    {"550-5.1.1 No such 550-5.1.1 user 550 5.1.1 here", "no such user here"},
    {"550-no 550-such 550 user", "no such 550 user"}, /* 550 may be a number here */
    {"450 450 4.2.2 full", "full"},
    {"smtp; 550 5.1.1 unknown", "smtp; unknown"},
    {"host mx.example.com[192.0.2.1] said: 550 5.1.1 <a@b.example> unknown",
     "host $host $ip said: $addr unknown"},
    {"sorry, no mailbox here by that name. (#5.1.1)",
     "sorry, no mailbox here by that name."},
    {"try again in 300 seconds", "try again in 300 seconds"},
    {"come back in 00:04:59", "come back in 00:04:59"},
    {"wait, 550 recipients", "wait, 550 recipients"},
    {"<a.b+c@mail.example.com>: User unknown", "$addr: user unknown"},
    {"\"a@b.example\" (192.0.2.7) ['x']", "$addr $ip x"},
    {"rcpt to:<a@b.example> no", "rcpt to: $addr no"},
    {"2001:db8::1 and fe80::1%eth0", "$ip and $ip%eth0"},
    {"[x.xx.xx.xx] is listed", "$ip is listed"},
    {"192.0.2.1.5 not one", "192.0.2.1.5 not one"},
    {"see https://example.com/a?b=C#d.", "see $url."},
    {"see:http://example.com/x, please", "see: $url, please"},
    {"ya.cc/1IrBc www.example.org", "$url $url"},
    {"does not exist.Please check", "does not exist.please check"},
    {"RESOLVER.ADR.RecipNotFound; not found", "resolver.adr.recipnotfound; not found"},
    {"id=7d39d5299584f4be161127e61f5f5400 12345678", "id=$id $id"},
    {"S3150 TSS04 OFR_416 AUP#1310 IB607 [BL23]",
     "s3150 tss04 ofr_416 aup#1310 ib607 bl23"},
    {"isn't can't domain's", "is not cannot domains"},
    {"isn\xe2\x80\x99t Bo\xc3\xaete M\xc3\x9cLL \xc5\x82", "is not boite mull l"},
    {"\xe9\x82\xae\xe7\xae\xb1\xef\xbc\x8c\xef\xbc\xa6\xef\xbc\xb5\xef\xbc\xac\xef\xbc"
     "\xac",
     "\xe9\x82\xae\xe7\xae\xb1,full"},
    {"\xd0\x9d\xd0\x95\xd0\xa2", "\xd0\xbd\xd0\xb5\xd1\x82"},
    {"bad \xff\xfe octets", "bad octets"},
    {"stop !! now ...", "stop! now."},
};

static void texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(normalised(cases[i].text, 0), cases[i].want);
    }
}

static void codes_and_status(void **state)
{
    (void)state;
    IGNORE(normalised("452-4.2.2 a\n452 4.2.2 b 5.1.1 c", 0) == NULL);
    assert_int_equal(normal.code, 452);
    assert_int_equal(normal.status_n, 2);
    assert_int_equal(normal.status[0].klass, 4);
    assert_int_equal(normal.status[1].detail, 1);
    IGNORE(normalised("failed,5.1.1 (bad address),smtp;553 Relaying disallowed", 0) ==
           NULL);
    assert_int_equal(normal.code, 553);
    IGNORE(normalised("no code here 1.2.3 or 550.1", 0) == NULL);
    assert_int_equal(normal.code, 0);
    assert_int_equal(normal.status_n, 0);
    assert_string_equal(normalised("550 x", 550), "x");
    assert_string_equal(normalised("500 messages", 550), "500 messages");
}

static void names_follow(void **state)
{
    (void)state;
    static const char want[] = "see \4\n.www.example.com/a\n.mx.example.org\n";
    bounce_normalize(SLICE("see http://Www.example.com/A"), 0, &normal);
    bounce_normal_host(&normal, SLICE("MX.example.org."));
    assert_int_equal(normal.main_len, 5);
    assert_int_equal(normal.len, sizeof want - 1);
    assert_memory_equal(normal.text, want, sizeof want - 1);
}

static void status_forms(void **state)
{
    (void)state;
    struct bounce_status st;
    size_t used = 0;
    assert_true(bounce_status_parse(SLICE("5.7.606 x"), &st, &used));
    assert_int_equal(used, 7);
    assert_int_equal(st.detail, 606);
    assert_false(bounce_status_parse(SLICE("5.7.6066"), &st, &used));
    assert_false(bounce_status_parse(SLICE("5.7.1.2"), &st, &used));
    assert_false(bounce_status_parse(SLICE("3.7.1"), &st, &used));
    assert_false(bounce_status_parse(SLICE("5.7"), &st, &used));
    assert_false(bounce_status_parse(SLICE(""), &st, &used));
    assert_true(bounce_status_parse(SLICE("4.2.2."), &st, &used));
}

/* Each prefix of a text is handled without reading past it, and offsets point into it. */
static void prefixes(void **state)
{
    (void)state;
    static const char text[] =
        "550-5.1.1 <a@b.example> h\xc3\xa9 http://x.example/ 192.0.2.1 isn't";
    for (size_t n = 0; n < sizeof text; n++) {
        char *copy =
            malloc(n + 1); /* of this size, so that a sanitizer sees a step too far */
        assert_non_null(copy);
        memcpy(copy, text, n);
        bounce_normalize((struct slice){(unsigned char *)copy, n}, 0, &normal);
        for (size_t i = 0; i < normal.len; i++) {
            assert_true(normal.at[i] <= n);
        }
        free(copy);
    }
}

/* Words of each length, small in the result, each octet from its place, wherever the text ends behind
 * them; also in a text that is as long as may be. */
static void words_of_each_length(void **state)
{
    (void)state;
    for (size_t n = 1; n < 40; n++) {
        for (size_t behind = 0; behind < 10; behind++) {
            unsigned char *copy = malloc(n + behind);
            assert_non_null(copy);
            for (size_t i = 0; i < n + behind; i++) {
                copy[i] = i < n ? (unsigned char)"QrStuVwXyZ"[i % 10] : '.';
            }
            bounce_normalize((struct slice){copy, n + behind}, 0, &normal);
            assert_int_equal(normal.main_len, n + (behind > 0));
            for (size_t i = 0; i < n; i++) {
                assert_int_equal(normal.text[i], "qrstuvwxyz"[i % 10]);
                assert_int_equal(normal.at[i], i);
            }
            free(copy);
        }
    }
    static unsigned char most[BOUNCE_TEXT_MAX + 100];
    memset(most, 'A', sizeof most);
    bounce_normalize((struct slice){most, sizeof most}, 0, &normal);
    assert_int_equal(normal.main_len, BOUNCE_TEXT_MAX);
    assert_int_equal(normal.text[BOUNCE_TEXT_MAX - 1], 'a');
    assert_int_equal(normal.at[BOUNCE_TEXT_MAX - 1], BOUNCE_TEXT_MAX - 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts),        cmocka_unit_test(codes_and_status),
        cmocka_unit_test(names_follow), cmocka_unit_test(status_forms),
        cmocka_unit_test(prefixes),     cmocka_unit_test(words_of_each_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
