/* directory/rule_test.c - the commands about administrators' rules, and what smtpd is told. */
#include "directory/testing.h"
#include "rule/rule.h"

static char out[16384];

#define RULE(action, name)                                                               \
    "{'object':'rule','action':'" action "','domain':'example.test','direction':'in',"   \
    "'name':'" name "'"

/* The names of the rules in their order, each behind a blank. */
static const char *order(bool out_going)
{
    static char names[1024];
    struct buf b;
    buf_init(&b, RULE_SET_MAX);
    assert_true(dir_store_rules(t.store, SLICE("example.test"), out_going, &b));
    struct rule_set *set = rule_set_new(buf_slice(&b));
    assert_non_null(set);
    names[0] = '\0';
    for (unsigned i = 0; i < set->n; i++) {
        size_t len = strlen(names);
        (void)snprintf(names + len, sizeof names - len, " %.*s",
                       (int)set->rule[i].name.len, (const char *)set->rule[i].name.ptr);
    }
    rule_set_free(&set);
    buf_clear(&b);
    return names;
}

static void test_order(void **state)
{
    (void)state;
    t_make("domain", "example.test", "");
    t_must(RULE("add", "a") ",'subject':'tls','targets':['prohibit']}");
    t_must(RULE("add", "b") ",'subject':'not tls','targets':['reject','why not']}");
    t_must(RULE("add", "c") ",'subject':'tls','targets':['accept'],'position':'1'}");
    assert_string_equal(order(false), " c a b");
    assert_string_equal(order(true), "");
    t_must(RULE("move", "c") ",'position':'3'}");
    assert_string_equal(order(false), " a b c");
    t_must(RULE("move", "c") ",'position':'2'}");
    assert_string_equal(order(false), " a c b");
    t_must(RULE("move", "c") ",'position':'2'}");
    assert_string_equal(order(false), " a c b");
    assert_int_equal(t_ask(RULE("move", "c") ",'position':'4'}", out, sizeof out), 2);
    assert_int_equal(t_ask(RULE("move", "c") ",'position':'0'}", out, sizeof out), 2);
    t_must(RULE("remove", "a") "}");
    assert_string_equal(order(false), " c b");
    t_must(RULE("move", "b") ",'position':'1'}");
    assert_string_equal(order(false), " b c");
    assert_int_equal(t_ask(RULE("remove", "a") "}", out, sizeof out), 1);
}

static void test_shown(void **state)
{
    (void)state;
    t_make("domain", "example.test", "");
    t_must(RULE("add", "a") ",'subject':'size>10M,not tls','targets':['tag','[EXT]']}");
    assert_int_equal(t_ask(RULE("show", "a") "}", out, sizeof out), 0);
    assert_non_null(strstr(out, "size > 10485760, not tls"));
    assert_int_equal(t_ask("{'object':'rule','action':'list','subject':'example.test'}",
                           out, sizeof out),
                     0);
    assert_non_null(strstr(out, "tag \\\"[EXT]\\\""));
    assert_int_equal(
        t_ask("{'object':'rule','action':'list','direction':'out'}", out, sizeof out), 0);
    assert_null(strstr(out, "tag"));
}

/* Refused, with the place. */
static void test_broken(void **state)
{
    (void)state;
    t_make("domain", "example.test", "");
    static const struct {
        const char *request, *error;
        int status;
    } cases[] = {
        {RULE("add", "a") ",'subject':'tls, sendr is x','targets':['accept']}",
         "after sign 5, 'sendr is x'", 2},
        {RULE("add", "a") ",'subject':'subject has','targets':['accept']}",
         "after sign 11, at their end", 2},
        {RULE("add", "a") ",'subject':'body matches (\\\"ok\\\", \\\"a(b\\\")','targets':"
                          "['accept']}",
         "has a ( without its )", 2},
        {RULE("add", "a") ",'subject':'tls','targets':['drop']}", "is no action", 2},
        {RULE("add", "a") ",'subject':'tls','targets':[]}", "CONDITIONS", 2},
        {RULE("add", "a b") ",'subject':'tls','targets':['accept']}", "--name", 2},
        {"{'object':'rule','action':'add','domain':'example.test','name':'a','subject':"
         "'tls','targets':['accept']}",
         "--direction", 2},
        {"{'object':'rule','action':'add','domain':'other.test','direction':'in','name':"
         "'a','subject':'tls','targets':['accept']}",
         "no domain other.test", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = t_ask(cases[i].request, out, sizeof out);
        if (status != cases[i].status || strstr(out, cases[i].error) == NULL) {
            fail_msg("%s: %d %s", cases[i].request, status, out);
        }
    }
    assert_string_equal(order(false), "");
    t_must(RULE("add", "a") ",'subject':'tls','targets':['accept']}");
    assert_int_equal(
        t_ask(RULE("add", "a") ",'subject':'tls','targets':['accept']}", out, sizeof out),
        1);
}

/* All of them fit into what smtpd takes of a domain. */
static void test_many(void **state)
{
    (void)state;
    t_make("domain", "example.test", "");
    char request[8192], word[6001];
    memset(word, 'x', sizeof word - 1);
    word[sizeof word - 1] = '\0';
    int n = 0, status = 0;
    while (n < 300 && status == 0) {
        (void)snprintf(request, sizeof request,
                       "{'object':'rule','action':'add','domain':'example.test',"
                       "'direction':'out','name':'r%d','subject':'body has %s','targets':"
                       "['prohibit']}",
                       n, word);
        status = t_ask(request, out, sizeof out);
        n += status == 0;
    }
    assert_int_equal(status, 1);
    assert_int_equal(n, 173);
    assert_true(strlen(order(true)) == 755);
}

/* Expressions that would not fit into smtpd's pass are refused, and those that are there stay. */
static void test_too_much(void **state)
{
    (void)state;
    enum { VALUES = 270 }; /* of some 500 steps each: two rules of them are too many */
    static char rule[16384];
    t_make("domain", "example.test", "");
    for (unsigned i = 0; i < 2; i++) {
        size_t len = (size_t)snprintf(
            rule, sizeof rule,
            RULE("add", "r%u") ",'targets':['prohibit'],'subject':'body matches (", i);
        for (unsigned k = 0; k < VALUES; k++) {
            len += (size_t)snprintf(rule + len, sizeof rule - len,
                                    "%s.{99}.{99}.{99}.{99}.{99}", k == 0 ? "" : ",");
        }
        (void)snprintf(rule + len, sizeof rule - len, ")'}");
        int status = t_ask(rule, out, sizeof out);
        if (i == 0) {
            assert_int_equal(status, 0);
        } else {
            assert_int_equal(status, 1);
            assert_non_null(strstr(out, "more than fit"));
        }
    }
    assert_string_equal(order(false), " r0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_shown, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_broken, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_many, t_setup, t_teardown),
        cmocka_unit_test_setup_teardown(test_too_much, t_setup, t_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
