/* directory/introspect_test.c - what an answer says. The way to it: tests/server_oauth.py. */
#include "directory/introspect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ANN "\"username\":\"ann@example.test\""

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *scope, *audience;
        enum introspect_res res;
    } cases[] = {
        {"{\"active\":true," ANN "}", "", "", INTROSPECT_GOOD},
        {"{\"active\":true," ANN ",\"exp\":1001}", "", "", INTROSPECT_GOOD},
        {"{\"active\":true," ANN ",\"exp\":1000}", "", "", INTROSPECT_BAD},
        {"{\"active\":true," ANN ",\"exp\":1000.5}", "", "", INTROSPECT_GOOD},
        {"{\"active\":true," ANN ",\"nbf\":1000}", "", "", INTROSPECT_GOOD},
        {"{\"active\":true," ANN ",\"nbf\":1001}", "", "", INTROSPECT_BAD},
        {"{\"active\":true," ANN ",\"scope\":\"mail send\"}", "send", "",
         INTROSPECT_GOOD},
        {"{\"active\":true," ANN ",\"scope\":\"mail sender\"}", "send", "",
         INTROSPECT_BAD},
        {"{\"active\":true," ANN ",\"scope\":[\"send\"]}", "send", "", INTROSPECT_BAD},
        {"{\"active\":true," ANN "}", "send", "", INTROSPECT_BAD},
        {"{\"active\":true," ANN ",\"aud\":\"mx\"}", "", "mx", INTROSPECT_GOOD},
        {"{\"active\":true," ANN ",\"aud\":[1,\"web\",\"mx\"]}", "", "mx",
         INTROSPECT_GOOD},
        {"{\"active\":true," ANN ",\"aud\":[\"web\",\"mx2\"]}", "", "mx", INTROSPECT_BAD},
        {"{\"active\":true," ANN ",\"aud\":[]}", "", "mx", INTROSPECT_BAD},
        {"{\"active\":true," ANN "}", "", "mx", INTROSPECT_BAD},
        {"{\"active\":true}", "", "", INTROSPECT_BAD},
        {"{\"active\":true,\"username\":\"\"}", "", "", INTROSPECT_BAD},
        {"{\"active\":true,\"username\":1}", "", "", INTROSPECT_BAD},
        {"{\"active\":true,\"email\":\"ann@example.test\"}", "", "", INTROSPECT_BAD},
        {"{\"active\":false," ANN "}", "", "", INTROSPECT_BAD},
        {"{\"active\":false," ANN ",\"active\":true}", "", "", INTROSPECT_FAULT},
        {"{\"active\":\"true\"," ANN "}", "", "", INTROSPECT_FAULT},
        {"{" ANN "}", "", "", INTROSPECT_FAULT},
        {"[]", "", "", INTROSPECT_FAULT},
        {"<html>", "", "", INTROSPECT_FAULT},
        {"", "", "", INTROSPECT_FAULT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char user[SASL_USER_MAX + 1];
        struct introspect_want want = {.member = "username",
                                       .scope = cases[i].scope,
                                       .audience = cases[i].audience,
                                       .now = 1000};
        enum introspect_res res = introspect_read(slice_of(cases[i].answer), &want, user);
        if (res != cases[i].res) {
            fail_msg("%s: %d", cases[i].answer, (int)res);
        }
        assert_string_equal(user, res == INTROSPECT_GOOD ? "ann@example.test" : "");
    }
}

static void test_long_user(void **state)
{
    char answer[SASL_USER_MAX + 64];
    char user[SASL_USER_MAX + 1];
    struct introspect_want want = {"username", "", "", 0};
    (void)state;
    for (int n = SASL_USER_MAX; n <= SASL_USER_MAX + 1; n++) {
        int len = snprintf(answer, sizeof answer,
                           "{\"active\":true,\"username\":\"%0*d\"}", n, 0);
        assert_true(len > 0 && (size_t)len < sizeof answer);
        assert_int_equal(introspect_read(slice_of(answer), &want, user),
                         n == SASL_USER_MAX ? INTROSPECT_GOOD : INTROSPECT_BAD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers),
                                       cmocka_unit_test(test_long_user)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
