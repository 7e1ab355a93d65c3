/* directory/admin_test.c - requests of administrators: answers, refusals with advice,
 * lists. */
#include "directory/testing.h"

static int fresh(void **state)
{
    (void)state;
    t_open();
    return 0;
}

static int done(void **state)
{
    (void)state;
    t_close();
    return 0;
}

struct step {
    const char *request;
    int status;
    const char *answer; /* whole lines, or (status not 0) a part of the error */
};

static void play(const struct step *steps, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        static char out[8192];
        int status = t_ask(steps[i].request, out, sizeof out);
        bool ok = status == steps[i].status &&
                  (status == 0 ? strcmp(out, steps[i].answer) == 0
                               : strstr(out, steps[i].answer) != NULL);
        if (!ok) {
            fail_msg("%s\n-> %d %s", steps[i].request, status, out);
        }
    }
}
#define PLAY(steps) play(steps, sizeof(steps) / sizeof((steps)[0]))

static void test_domains_and_users(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {"{'object':'user','action':'add','subject':'alice@example.test'}", 1,
         "say: postern domain add example.test"},
        {"{'object':'domain','action':'add','subject':'Example.test'}", 0,
         "{\"object\":\"domain\",\"subject\":\"example.test\",\"did\":\"added\"}\n"},
        {"{'object':'domain','action':'add','subject':'example.test'}", 1,
         "is there already"},
        {"{'object':'user','action':'add','subject':'alice@exmaple.test'}", 1,
         "there is no domain exmaple.test; did you mean example.test? If it is a new "
         "one, "
         "say: postern domain add exmaple.test"},
        {"{'object':'domain','action':'add','subject':'a b'}", 2, "is not a domain name"},
        {"{'object':'domain','action':'add','subject':'later.test','postmaster':'me'}", 1,
         "then: postern domain set later.test"},
        {"{'object':'domain','action':'show','subject':'later.test'}", 1,
         "there is no domain"},
        {"{'object':'user','action':'add','subject':'alice@example.test','quota':'2 KiB',"
         "'name':'Älice A.','last-use':'2027-01-01'}",
         0,
         "{\"object\":\"user\",\"subject\":\"alice@example.test\",\"did\":\"added\"}\n"},
        {"{'object':'user','action':'show','subject':'ALICE@example.test'}", 0,
         "{\"address\":\"alice@example.test\",\"state\":\"active\",\"quota\":2048,"
         "\"password\":false,\"name\":\"Älice A.\",\"created\":\"2027-01-15T08:00:00Z\","
         "\"last_use\":\"2027-01-01T00:00:00Z\",\"used\":0,\"daily-messages\":0,"
         "\"daily-recipients\":0,\"recipients\":0,\"scram\":false,"
         "\"second_factor\":false,\"known_networks\":false,\"networks\":[],\"grants\":[],"
         "\"groups\":[],"
         "\"app_passwords\":[]}\n"},
        {"{'object':'user','action':'add','subject':'alice@example.test'}", 1,
         "say: postern user set"},
        {"{'object':'user','action':'set','subject':'alice@example.test','state':'locked'"
         ","
         "'quota':'none'}",
         0,
         "{\"object\":\"user\",\"subject\":\"alice@example.test\",\"did\":\"changed\"}"
         "\n"},
        {"{'object':'user','action':'list'}", 0,
         "{\"address\":\"alice@example.test\",\"state\":\"locked\",\"quota\":0,"
         "\"password\":false,\"name\":\"Älice A.\",\"created\":\"2027-01-15T08:00:00Z\","
         "\"last_use\":\"2027-01-01T00:00:00Z\"}\n"},
        {"{'object':'user','action':'set','subject':'bob@example.test'}", 1,
         "there is no user bob@example.test"},
        {"{'object':'user','action':'set','subject':'alice@example.test','state':'x'}", 2,
         "active, disabled or locked"},
        {"{'object':'user','action':'set','subject':'alice@example.test','quota':'x'}", 2,
         "is no size"},
        {"{'object':'user','action':'set','subject':'alice@example.test','last-use':'"
         "2030-01-01'}",
         2, "no time in the past"},
        {"{'object':'user','action':'set','subject':'alice@example.test','name':'a\\nb'}",
         2, "one line"},
        {"{'object':'user','action':'set','subject':'alice@example.test',"
         "'password-hash':'$1$abc'}",
         2, "yescrypt"},
        {"{'object':'user','action':'set','subject':'alice@example.test','colour':'x'}",
         2, "does not know 'colour'"},
        {"{'object':'user','action':'set','subject':'alice@example.test','quota':5}", 2,
         "does not know 'quota', or not so"},
        {"{'object':'user','action':'add','subject':'x+y@example.test'}", 1,
         "sub-address"},
        {"{'object':'user','action':'add','subject':'alice'}", 2, "is not an address"},
        {"{'object':'user','action':'add'}", 2, "whose?"},
        {"{'object':'user','action':'burn'}", 2, "add|set|list|show|remove"},
        {"{}", 2, "domain|user|alias"},
        {"{'object':'domain','action':'remove','subject':'example.test'}", 1,
         "postern domain remove --force example.test"},
        {"{'object':'domain','action':'remove','subject':'example.test','force':true}", 0,
         "{\"object\":\"domain\",\"subject\":\"example.test\",\"did\":\"removed\"}\n"},
        {"{'object':'user','action':'list'}", 0, ""},
        /* its users do not come back with the name */
        {"{'object':'domain','action':'add','subject':'example.test'}", 0,
         "{\"object\":\"domain\",\"subject\":\"example.test\",\"did\":\"added\"}\n"},
        {"{'object':'user','action':'list'}", 0, ""},
        {"{'object':'user','action':'list','domain':'other.test'}", 1,
         "there is no domain"},
    };
    PLAY(steps);
}

static void test_aliases(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {"{'object':'alias','action':'add','subject':'sales@example.test','targets':['"
         "nobody']}",
         1, "say: postern user add nobody@example.test"},
        {"{'object':'alias','action':'add','subject':'sales@example.test',"
         "'targets':['x@elsewhere.test']}",
         1, "to send mail on to other servers, say: postern rule add"},
        {"{'object':'alias','action':'add','subject':'sales@example.test','targets':[]}",
         2, "leads to 1 to 200 addresses"},
        {"{'object':'alias','action':'add','subject':'sales@example.test','targets':[5]}",
         2, "a target is an address"},
        {"{'object':'alias','action':'add','subject':'sales@example.test',"
         "'targets':['sales@example.test']}",
         1, "lead back to itself"},
        {"{'object':'alias','action':'add','subject':'alice@example.test','targets':['"
         "bob']}",
         1, "is a user"},
        {"{'object':'alias','action':'set','subject':'sales@example.test','targets':['"
         "bob']}",
         1, "say: postern alias add"},
        {"{'object':'alias','action':'add','subject':'sales@example.test','targets':['"
         "alice',"
         "'Bob@Example.test']}",
         0,
         "{\"object\":\"alias\",\"subject\":\"sales@example.test\",\"did\":\"added\"}\n"},
        {"{'object':'alias','action':'add','subject':'sales@example.test','targets':['"
         "bob']}",
         1, "say: postern alias set"},
        {"{'object':'alias','action':'add','subject':'team@example.test',"
         "'targets':['sales+t']}",
         0,
         "{\"object\":\"alias\",\"subject\":\"team@example.test\",\"did\":\"added\"}\n"},
        /* the loop goes through a sub-address */
        {"{'object':'alias','action':'set','subject':'sales@example.test','targets':['"
         "alice',"
         "'team']}",
         1, "would lead back to itself"},
        {"{'object':'alias','action':'list'}", 0,
         "{\"address\":\"sales@example.test\",\"targets\":[\"alice@example.test\","
         "\"bob@example.test\"],\"created\":\"2027-01-15T08:00:00Z\"}\n"
         "{\"address\":\"team@example.test\",\"targets\":[\"sales+t@example.test\"],"
         "\"created\":\"2027-01-15T08:00:00Z\"}\n"},
        {"{'object':'user','action':'add','subject':'sales@example.test'}", 1,
         "postern alias remove sales@example.test"},
        {"{'object':'user','action':'remove','subject':'bob@example.test'}", 1,
         "alias sales@example.test leads to bob@example.test"},
        {"{'object':'alias','action':'remove','subject':'sales@example.test'}", 1,
         "alias team@example.test leads to sales@example.test"},
        {"{'object':'domain','action':'set','subject':'example.test','catch-all':'bob',"
         "'postmaster':'alice'}",
         0, "{\"object\":\"domain\",\"subject\":\"example.test\",\"did\":\"changed\"}\n"},
        {"{'object':'domain','action':'list'}", 0,
         "{\"domain\":\"example.test\",\"users\":2,\"aliases\":3,"
         "\"created\":\"2027-01-15T08:00:00Z\",\"catch-all\":\"bob@example.test\"}\n"},
        {"{'object':'user','action':'remove','subject':'alice@example.test','force':"
         "true}",
         0,
         "{\"object\":\"user\",\"subject\":\"alice@example.test\",\"did\":\"removed\"}"
         "\n"},
        /* postmaster led to alice only: it went with her */
        {"{'object':'alias','action':'show','subject':'postmaster@example.test'}", 1,
         "there is no alias"},
        {"{'object':'alias','action':'set','subject':'sales@example.test','targets':['"
         "bob']}",
         0,
         "{\"object\":\"alias\",\"subject\":\"sales@example.test\",\"did\":\"changed\"}"
         "\n"},
        /* sales leads to bob only, team to sales only */
        {"{'object':'user','action':'remove','subject':'bob@example.test','force':true}",
         0,
         "{\"object\":\"user\",\"subject\":\"bob@example.test\",\"did\":\"removed\"}\n"},
        {"{'object':'alias','action':'list'}", 0, ""},
        {"{'object':'domain','action':'list'}", 0,
         "{\"domain\":\"example.test\",\"users\":0,\"aliases\":0,"
         "\"created\":\"2027-01-15T08:00:00Z\"}\n"},
    };
    t_make("domain", "example.test", "");
    t_make("user", "alice@example.test", "");
    t_make("user", "bob@example.test", "");
    PLAY(steps);
}

/* Eleven aliases behind each other are one too many, wherever the new link is put in. */
static void test_depth(void **state)
{
    (void)state;
    char request[512], out[1024];
    t_make("domain", "example.test", "");
    t_make("user", "end@example.test", "");
    t_make("alias", "a9@example.test", "'targets':['end']");
    for (int i = 8; i >= 0; i--) {
        (void)snprintf(request, sizeof request, "'targets':['a%d']", i + 1);
        char name[64];
        (void)snprintf(name, sizeof name, "a%d@example.test", i);
        t_make("alias", name, request);
    }
    assert_int_equal(t_ask("{'object':'alias','action':'add','subject':'b@example.test',"
                           "'targets':['a0']}",
                           out, sizeof out),
                     1);
    assert_non_null(strstr(out, "too many aliases behind each other"));
    t_make("alias", "c@example.test", "'targets':['end']");
    assert_int_equal(t_ask("{'object':'alias','action':'set','subject':'a9@example.test',"
                           "'targets':['c']}",
                           out, sizeof out),
                     1);
    assert_non_null(strstr(out, "alias a0@example.test leads through too many"));
    struct dir_answer a;
    dir_store_lookup(t.store, SLICE("a0"), SLICE("example.test"), NOW_MS, &a);
    assert_int_equal(a.status, DIR_OK);
}

/* 200 users are an alias' most, however they are reached; one of them twice is no one more. */
static void test_width(void **state)
{
    (void)state;
    static char out[8192];
    char name[64];
    struct dir_answer a;
    struct buf b;
    buf_init(&b, 8192);
    t_make("domain", "example.test", "");
    (void)buf_add_str(&b, "'targets':[");
    for (int i = 0; i < DIR_TARGETS_MAX - 1; i++) {
        (void)snprintf(name, sizeof name, "u%d@example.test", i);
        t_make("user", name, "");
        (void)buf_add_fmt(&b, "%s'u%d'", i == 0 ? "" : ",", i);
    }
    (void)buf_add(&b, (struct slice){(const unsigned char *)"]", 2});
    assert_false(b.failed);
    t_make("user", "x@example.test", "");
    t_make("user", "y@example.test", "");
    t_make("alias", "wide@example.test", (const char *)b.ptr);
    t_make("alias", "other@example.test", "'targets':['u3']");
    /* x comes twice, u3 again when there are 200 already */
    t_make("alias", "more@example.test", "'targets':['x','wide','other','x']");
    dir_store_lookup(t.store, SLICE("more"), SLICE("example.test"), NOW_MS, &a);
    assert_int_equal(a.status, DIR_OK);
    assert_int_equal(a.target_n, DIR_TARGETS_MAX);
    dir_store_lookup(t.store, SLICE("more+u"), SLICE("example.test"), NOW_MS, &a);
    assert_int_equal(a.target_n, DIR_TARGETS_MAX);
    /* two ways to one mailbox */
    t_make("alias", "twice@example.test", "'targets':['u3+t','u3']");
    dir_store_lookup(t.store, SLICE("twice+t"), SLICE("example.test"), NOW_MS, &a);
    assert_int_equal(a.target_n, 1);
    assert_int_equal(
        t_ask("{'object':'alias','action':'set','subject':'more@example.test',"
              "'targets':['wide','x','y']}",
              out, sizeof out),
        1);
    assert_non_null(strstr(out, "too many mailboxes"));
    buf_clear(&b);
}

/* Lists go page by page over several domains, complete and in order. */
static void test_long_list(void **state)
{
    (void)state;
    enum { N = 150 };
    static const char *const domains[] = {"a.test", "b.test", "c.test"};
    t_make("domain", domains[0], "");
    t_make("domain", domains[1], "");
    t_make("domain", domains[2], "");
    for (int i = 0; i < N; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "u%03d@%s", i,
                       i % 2 == 0 ? domains[0] : domains[2]);
        t_make("user", name, "");
    }
    static char out[65536];
    char last[64] = "";
    unsigned n = 0;
    assert_int_equal(t_ask("{'object':'user','action':'list'}", out, sizeof out), 0);
    for (char *p = out; (p = strstr(p, "{\"address\":\"")) != NULL; p++) {
        char name[64] = "", key[64];
        const char *value = p + strlen("{\"address\":\"");
        size_t len = strcspn(value, "\"");
        assert_true(len < sizeof name);
        memcpy(name, value, len);
        (void)snprintf(key, sizeof key, "%s%.4s", strchr(name, '@'), name);
        assert_true(strcmp(last, key) < 0);
        memcpy(last, key, sizeof last);
        n++;
    }
    assert_int_equal(n, N);
    assert_int_equal(
        t_ask("{'object':'user','action':'list','domain':'c.test'}", out, sizeof out), 0);
    assert_null(strstr(out, "a.test"));
    assert_non_null(strstr(out, "u149@c.test"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_domains_and_users, fresh, done),
        cmocka_unit_test_setup_teardown(test_aliases, fresh, done),
        cmocka_unit_test_setup_teardown(test_depth, fresh, done),
        cmocka_unit_test_setup_teardown(test_width, fresh, done),
        cmocka_unit_test_setup_teardown(test_long_list, fresh, done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
