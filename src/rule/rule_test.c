/* rule/rule_test.c - rules as text and taken apart, and which of them hold. */
#include "rule/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int begin(void **state)
{
    (void)state;
    arena_init(&arena, RULE_SET_MEMORY_MAX);
    return 0;
}

static int end(void **state)
{
    (void)state;
    arena_clear(&arena);
    return 0;
}

static struct rule_condition *parsed(const char *text)
{
    struct rule_condition *c = NULL;
    struct rule_error error;
    if (!rule_parse_conditions(slice_of(text), &arena, &c, &error)) {
        fail_msg("%s: at %zu: %s", text, error.at, error.what);
    }
    return c;
}

static void test_print(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
    } cases[] = {
        {"tls", "tls"},
        {" NOT tls ,size>10M", "not tls, size > 10485760"},
        {"any(sender under (a.example,b.example), subject has \"say \\\"hi\\\" \\\\\")",
         "any(sender under (\"a.example\", \"b.example\"), subject has \"say \\\"hi\\\" "
         "\\\\\")"},
        {"network in 192.0.2.0/24", "network in \"192.0.2.0/24\""},
        {"header X-Mailer matches \"^bulk [0-9]+$\"",
         "header \"X-Mailer\" matches \"^bulk [0-9]+$\""},
        {"all(all(tls))", "tls"},
        {"any(all(tls, tls), tls)", "any(all(tls, tls), tls)"},
        {"recipients>=3", "recipients >= 3"},
        {"sender is \"\"", "sender is \"\""},
        {"spam-score>=7.5", "spam-score >= 7.50"},
        {"spam-score < -0.05", "spam-score < -0.05"},
        {"spam-score = 6", "spam-score = 6.00"},
        {"sender-group is staff", "sender-group is \"staff\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out;
        buf_init(&out, RULE_TEXT_MAX);
        assert_true(rule_print_conditions(parsed(cases[i].text), &out));
        if (!slice_eq(buf_slice(&out), slice_of(cases[i].printed))) {
            fail_msg("%s: %.*s", cases[i].text, (int)out.len, (const char *)out.ptr);
        }
        buf_clear(&out);
    }
}

/* Each with the place of the error. */
static void test_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t at;
        const char *what;
    } cases[] = {
        {"", 0, "is where a condition should stand"},
        {"sendr is a", 0, "is nothing that a rule can ask for"},
        {"tls, sendr is a", 5, "is nothing that a rule can ask for"},
        {"subject contains a", 8, "is where is, has,"},
        {"subject has", 11, "is where a value should stand"},
        {"subject has \"a", 12, "is a quote without its end"},
        {"subject has (a, b", 17, "is where , or ) should stand"},
        {"subject has a b", 14, "is more than belongs here"},
        {"any tls", 4, "is where ( should stand"},
        {"any(tls", 7, "is where , or ) should stand"},
        {"size 10", 5, "is where <, <=,"},
        {"size > 10X", 7, "is no number like"},
        {"size > 99999999999999999G", 7, "is no number like"},
        {"spam-score > 1.234", 13, "is no score like"},
        {"spam-score > 1.", 13, "is no score like"},
        {"spam-score > 2K", 13, "is no score like"},
        {"network in 192.0.2.1/24", 11, "is no network like"},
        {"network is 192.0.2.1", 8, "is where in should stand"},
        {"subject matches \"a(b\"", 19, "has a ( without its )"},
        {"header \"a b\" has c", 7, "is no name of a header field"},
        {"not not not not not not not not not not not not not not not not not not tls",
         68, "is too deep"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rule_condition *c = NULL;
        struct rule_error error;
        if (rule_parse_conditions(slice_of(cases[i].text), &arena, &c, &error)) {
            fail_msg("%s: taken", cases[i].text);
        }
        if (error.at != cases[i].at ||
            strncmp(error.what, cases[i].what, strlen(cases[i].what)) != 0) {
            fail_msg("%s: at %zu: %s", cases[i].text, error.at, error.what);
        }
    }
}

static void test_action(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
    } cases[] = {
        {"reject \"not here\"", true},
        {"reject", false},
        {"reject \"\"", false},
        {"reject \"gr\xc3\xbc\xc3\x9f\"", false},
        {"prohibit", true},
        {"prohibit \"no lists\"", true},
        {"accept", true},
        {"accept now", false},
        {"quarantine", true},
        {"tag [EXT]", true},
        {"tag", false},
        {"add-header \"X-Rule: yes\"", true},
        {"add-header yes", false},
        {"drop", false},
        {"redirect ann@example.org", true},
        {"redirect", false},
        {"copy ann", false},
        {"copy \"ann @example.org\"", false},
        {"require-tls", true},
        {"require-tls verified", true},
        {"require-tls maybe", false},
        {"reject a b", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rule_action a;
        struct rule_error error;
        if (rule_parse_action(slice_of(cases[i].text), &arena, &a, &error) !=
            cases[i].ok) {
            fail_msg("%s", cases[i].text);
        }
    }
}

/* A message, as the cases below ask for it. */
static void facts_of(struct rule_facts *f, struct message_head *head, struct ip *ip)
{
    static const struct slice sender[] = {SLICE_INIT("ann@mail.client.example")};
    static const struct slice recipient[] = {SLICE_INIT("alice@example.test"),
                                             SLICE_INIT("bob@example.test")};
    static const struct slice body[] = {
        SLICE_INIT("Dear reader,\nwin a free prize today"), SLICE_INIT("Freedom")};
    static const struct slice file[] = {SLICE_INIT("plan.pdf"), SLICE_INIT("Run.EXE")};
    static const char fields[] = "Subject: =?utf-8?B?V0lO?= now\r\n and here\r\n"
                                 "X-List: one\r\nX-List: two\r\n\r\n";
    struct slice in = slice_of(fields), held;
    message_head_init(head, (struct head_limits){4096, 100});
    message_head_feed(head, &in, &held);
    assert_true(message_head_end(head));
    assert_true(ip_parse(SLICE("192.0.2.7"), ip));
    *f = (struct rule_facts){.head = head, .client = ip, .tls = true};
    f->unknown = 1U << RULE_SPF;
    f->list[RULE_SENDER] = (struct rule_list){sender, 1};
    f->list[RULE_RECIPIENT] = (struct rule_list){recipient, 2};
    f->list[RULE_BODY] = (struct rule_list){body, 2};
    f->list[RULE_ATTACHMENT] = (struct rule_list){file, 2};
    f->number[RULE_SIZE] = 2048;
    f->number[RULE_ATTACHMENTS] = 2;
}

static void test_holds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum rule_truth truth;
    } cases[] = {
        {"tls", RULE_TRUE},
        {"not tls", RULE_FALSE},
        {"authenticated", RULE_FALSE},
        {"network in (198.51.100.0/24, 192.0.2.0/24)", RULE_TRUE},
        {"network in 198.51.100.0/24", RULE_FALSE},
        {"sender under client.example", RULE_TRUE},
        {"sender under ent.example", RULE_FALSE},
        {"sender is ANN@mail.client.EXAMPLE", RULE_TRUE},
        {"sender ends \"@client.example\"", RULE_FALSE},
        {"recipient starts bob@", RULE_TRUE},
        {"subject has \"win now and\"", RULE_TRUE},
        {"header x-list is two", RULE_TRUE},
        {"header X-List is three", RULE_FALSE},
        {"header X-None has a", RULE_FALSE},
        {"body word free", RULE_TRUE},
        {"body word prize", RULE_TRUE},
        {"body word reade", RULE_FALSE},
        {"body word dom", RULE_FALSE},
        {"body matches \"free +prize\"", RULE_TRUE},
        {"attachment ends (.exe, .scr)", RULE_TRUE},
        {"attachment ends .scr", RULE_FALSE},
        {"size > 2K", RULE_FALSE},
        {"size >= 2K", RULE_TRUE},
        {"size = 2048", RULE_TRUE},
        {"size < 2K", RULE_FALSE},
        {"attachments <= 2", RULE_TRUE},
        {"link has a", RULE_FALSE},
        {"spf is pass", RULE_UNKNOWN},
        {"not spf is pass", RULE_UNKNOWN},
        {"any(spf is pass, tls)", RULE_TRUE},
        {"any(spf is pass, not tls)", RULE_UNKNOWN},
        {"all(spf is pass, not tls)", RULE_FALSE},
        {"spf is pass, tls", RULE_UNKNOWN},
    };
    struct message_head head = {0};
    struct rule_facts f;
    struct ip ip;
    facts_of(&f, &head, &ip);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (rule_holds(parsed(cases[i].text), &f) != cases[i].truth) {
            fail_msg("%s", cases[i].text);
        }
    }
    message_head_clear(&head);
}

static unsigned roll(size_t n)
{
    static uint32_t seed = 7;
    seed = seed * 1664525U + 1013904223U;
    return (seed >> 8) % (unsigned)n;
}

/* Each rule alone, and all of them by one pass over the texts, say the same. */
static void test_one_pass(void **state)
{
    (void)state;
    static const char *const pieces[] = {"a",  "ab", "b.c", "free", "e", "x.test", "test",
                                         "@b", "",   "ee",  "fr",   "-", "free a", "A"};
    static const char *const patterns[] = {"fre+",    "(ab|b)\\.?c", "a b",   "^free$",
                                           "x*",      "(fe)+ ?a",    "e.t",   "\\ba\\b",
                                           "[b-c]+@", "(a|b)(c|d)e", "t{2}es"};
    static const char *const hows[] = {"is",   "has",   "word",   "starts",
                                       "ends", "under", "matches"};
    static const char *const whats[] = {"sender", "body", "subject", "header X-List"};
    enum { RULES = 60, ROUNDS = 300 };
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct buf b, text[3];
        struct message_head head;
        struct rule_facts f = {.head = &head};
        struct slice list[3], held;
        char fields[200];
        buf_init(&b, RULE_SET_MAX);
        for (unsigned i = 0; i < 3; i++) {
            buf_init(&text[i], 1000);
            for (unsigned n = roll(8); n > 0; n--) {
                (void)buf_add_str(&text[i],
                                  pieces[roll(sizeof pieces / sizeof pieces[0])]);
                (void)buf_add_str(&text[i], roll(2) == 0 ? " " : "");
            }
            list[i] = buf_slice(&text[i]);
        }
        (void)snprintf(fields, sizeof fields, "Subject: %.60s\r\nX-List: %.60s\r\n\r\n",
                       pieces[roll(sizeof pieces / sizeof pieces[0])],
                       patterns[roll(sizeof patterns / sizeof patterns[0])]);
        struct slice in = slice_of(fields);
        message_head_init(&head, (struct head_limits){4096, 100});
        message_head_feed(&head, &in, &held);
        assert_true(message_head_end(&head));
        f.list[RULE_SENDER] = (struct rule_list){list, 1};
        f.list[RULE_BODY] = (struct rule_list){list + 1, 2};
        for (unsigned i = 0; i < RULES; i++) {
            char rule[300];
            unsigned how = roll(7);
            const char *one = how == 6
                                  ? patterns[roll(sizeof patterns / sizeof patterns[0])]
                                  : pieces[roll(sizeof pieces / sizeof pieces[0])];
            const char *other = how == 6
                                    ? patterns[roll(sizeof patterns / sizeof patterns[0])]
                                    : pieces[roll(sizeof pieces / sizeof pieces[0])];
            one = how != 0 && one[0] == '\0' ? "e" : one;
            other = how != 0 && other[0] == '\0' ? "e" : other;
            (void)snprintf(rule, sizeof rule, "%s%s %s (\"%.60s\", \"%.60s\")",
                           roll(3) == 0 ? "not " : "",
                           whats[roll(sizeof whats / sizeof whats[0])], hows[how], one,
                           other);
            rule_encode(&b, SLICE("r"), slice_of(rule), SLICE("accept"));
        }
        struct rule_set *set = rule_set_new(buf_slice(&b));
        struct rule_hits hits;
        assert_non_null(set);
        rule_set_look(set, &f, &hits);
        bool fires[RULES] = {false};
        unsigned at = 0;
        while (rule_set_next(set, &f, &hits, &at) != NULL) {
            fires[at - 1] = true;
        }
        for (unsigned i = 0; i < RULES; i++) {
            const struct rule_condition *c = set->rule[i].conditions;
            if (fires[i] != (rule_holds(c, &f) == RULE_TRUE)) {
                struct buf said;
                buf_init(&said, RULE_TEXT_MAX);
                (void)rule_print_conditions(c, &said);
                fail_msg("%.*s: %d", (int)said.len, (const char *)said.ptr, fires[i]);
            }
        }
        rule_hits_clear(&hits);
        rule_set_free(&set);
        message_head_clear(&head);
        for (unsigned i = 0; i < 3; i++) {
            buf_clear(&text[i]);
        }
        buf_clear(&b);
    }
}

static void test_set(void **state)
{
    (void)state;
    struct buf b;
    struct message_head head = {0};
    struct rule_facts f;
    struct ip ip;
    facts_of(&f, &head, &ip);
    buf_init(&b, RULE_SET_MAX);
    rule_encode(&b, SLICE("one"), SLICE("not tls"), SLICE("prohibit"));
    rule_encode(&b, SLICE("two"), SLICE("tls"), SLICE("tag A"));
    rule_encode(&b, SLICE("three"), SLICE("size > 1"), SLICE("reject \"too much\""));
    struct rule_set *set = rule_set_new(buf_slice(&b));
    assert_non_null(set);
    unsigned at = 0;
    struct rule_hits hits;
    rule_set_look(set, &f, &hits);
    const struct rule_item *r = rule_set_next(set, &f, &hits, &at);
    assert_true(r != NULL && slice_eq(r->name, SLICE("two")));
    r = rule_set_next(set, &f, &hits, &at);
    assert_true(r != NULL && slice_eq(r->action.text, SLICE("too much")));
    assert_null(rule_set_next(set, &f, &hits, &at));
    rule_hits_clear(&hits);
    rule_set_free(&set);
    /* what is cut, or broken, is none */
    for (size_t n = 1; n < 20; n++) {
        assert_null(rule_set_new(slice_sub(buf_slice(&b), 0, n)));
    }
    buf_reset(&b);
    rule_encode(&b, SLICE("one"), SLICE("nonsense"), SLICE("prohibit"));
    assert_null(rule_set_new(buf_slice(&b)));
    set = rule_set_new(SLICE(""));
    assert_non_null(set);
    rule_set_free(&set);
    buf_clear(&b);
    message_head_clear(&head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_print, begin, end),
        cmocka_unit_test_setup_teardown(test_wrong, begin, end),
        cmocka_unit_test_setup_teardown(test_action, begin, end),
        cmocka_unit_test_setup_teardown(test_holds, begin, end),
        cmocka_unit_test_setup_teardown(test_set, begin, end),
        cmocka_unit_test(test_one_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
