/* directory/store_test.c - lookups of recipients, and databases that are not as they
 * should. */
#include "directory/name.h"
#include "directory/password.h"
#include "directory/testing.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <utime.h>

/* A mailbox that holds so much and was last looked at so long ago. */
static void mailbox(const char *user, unsigned octets, unsigned days)
{
    char path[256], text[128];
    (void)snprintf(path, sizeof path, "%s/mail/example.test/%s/cur", t.dir, user);
    t_command("mkdir -p", path);
    time_t then = (time_t)(NOW_MS / 1000) - (time_t)days * 86400;
    assert_int_equal(utime(path, &(struct utimbuf){then, then}), 0);
    (void)snprintf(path, sizeof path, "%s/mail/example.test/%s/maildirsize", t.dir, user);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    (void)snprintf(text, sizeof text, "1000S\n%u 1\n", octets);
    (void)fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void populate(void)
{
    t_make("domain", "example.test", "");
    t_make("domain", "Bücher.example", "");
    t_make("domain", "empty.test", "");
    t_make("user", "Alice@example.test", "");
    t_make("user", "bob@example.test", "");
    t_make("user", "gone@example.test", "'state':'disabled'");
    t_make("user", "locked@example.test", "'state':'locked'");
    t_make("user", "jürgen@example.test", "");
    t_make("user", "carol@xn--bcher-kva.example", "");
    t_make("user", "room@example.test", "'quota':'1000'");
    t_make("user", "brim@example.test", "'quota':'1000'");
    t_make("user", "over@example.test", "'quota':'1000'");
    t_make("user", "left@example.test", "'quota':'1000','last-use':'91 d ago'");
    t_make("user", "edge@example.test", "'quota':'1000','last-use':'90 d ago'");
    t_make("user", "reads@example.test", "'quota':'1000','last-use':'400 d ago'");
    mailbox("room", 999, 200);
    mailbox("brim", 1000, 200); /* its account was made now: in use */
    mailbox("over", 1001, 1);
    mailbox("left", 2000, 91);
    mailbox("edge", 2000, 200);
    mailbox("reads", 2000, 3);
    t_make("alias", "sales@example.test", "'targets':['alice','bob']");
    t_make("alias", "all@example.test",
           "'targets':['sales','gone','alice','carol@bücher.example']");
    t_make("alias", "half@example.test", "'targets':['gone','over','bob']");
    t_make("alias", "none@example.test", "'targets':['left','gone']");
    t_make("alias", "tagged@example.test", "'targets':['alice+own','bob']");
    t_make("alias", "a+b@example.test", "'targets':['bob']");
    t_must("{'object':'domain','action':'set','subject':'bücher.example','catch-all':'"
           "sales@example.test'}");
}

static void test_lookup(void **state)
{
    (void)state;
    static const struct {
        struct slice local, domain;
        enum dir_status status;
        const char *targets; /* a blank between */
    } cases[] = {
        {SLICE_INIT("alice"), SLICE_INIT("example.test"), DIR_OK, "alice@example.test"},
        {SLICE_INIT("ALICE"), SLICE_INIT("Example.Test"), DIR_OK, "alice@example.test"},
        {SLICE_INIT("alice"), SLICE_INIT("elsewhere.test"), DIR_NO_DOMAIN, ""},
        {SLICE_INIT("alice"), SLICE_INIT(""), DIR_NO_DOMAIN, ""},
        {SLICE_INIT("nobody"), SLICE_INIT("example.test"), DIR_NO_MAILBOX, ""},
        {SLICE_INIT(""), SLICE_INIT("example.test"), DIR_NO_MAILBOX, ""},
        {SLICE_INIT("alice\0"), SLICE_INIT("example.test"), DIR_NO_MAILBOX, ""},
        {SLICE_INIT("alice"), SLICE_INIT("example.test\0"), DIR_NO_DOMAIN, ""},
        {SLICE_INIT("j\xc3\xbcrgen"), SLICE_INIT("example.test"), DIR_OK,
         "j\xc3\xbcrgen@example.test"},
        {SLICE_INIT("\xff"), SLICE_INIT("example.test"), DIR_NO_MAILBOX, ""},
        {SLICE_INIT("gone"), SLICE_INIT("example.test"), DIR_DISABLED, ""},
        {SLICE_INIT("locked"), SLICE_INIT("example.test"), DIR_OK, "locked@example.test"},
        /* sub-addresses */
        {SLICE_INIT("Alice+Lists"), SLICE_INIT("example.test"), DIR_OK,
         "alice+Lists@example.test"},
        {SLICE_INIT("alice+a+b"), SLICE_INIT("example.test"), DIR_OK,
         "alice+a+b@example.test"},
        {SLICE_INIT("alice+"), SLICE_INIT("example.test"), DIR_OK, "alice+@example.test"},
        {SLICE_INIT("+alice"), SLICE_INIT("example.test"), DIR_NO_MAILBOX, ""},
        {SLICE_INIT("gone+x"), SLICE_INIT("example.test"), DIR_DISABLED, ""},
        {SLICE_INIT("a+b"), SLICE_INIT("example.test"), DIR_OK, "bob@example.test"},
        {SLICE_INIT("sales+x"), SLICE_INIT("example.test"), DIR_OK,
         "alice+x@example.test bob+x@example.test"},
        {SLICE_INIT("tagged+x"), SLICE_INIT("example.test"), DIR_OK,
         "alice+own@example.test bob+x@example.test"},
        /* aliases: each user once, refusals only when nobody is left */
        {SLICE_INIT("sales"), SLICE_INIT("example.test"), DIR_OK,
         "alice@example.test bob@example.test"},
        {SLICE_INIT("all"), SLICE_INIT("example.test"), DIR_OK,
         "alice@example.test carol@xn--bcher-kva.example bob@example.test"},
        {SLICE_INIT("half"), SLICE_INIT("example.test"), DIR_OK, "bob@example.test"},
        {SLICE_INIT("none"), SLICE_INIT("example.test"), DIR_FULL_INACTIVE, ""},
        /* quotas */
        {SLICE_INIT("room"), SLICE_INIT("example.test"), DIR_OK, "room@example.test"},
        {SLICE_INIT("brim"), SLICE_INIT("example.test"), DIR_OVER_QUOTA, ""},
        {SLICE_INIT("over"), SLICE_INIT("example.test"), DIR_OVER_QUOTA, ""},
        {SLICE_INIT("left"), SLICE_INIT("example.test"), DIR_FULL_INACTIVE, ""},
        {SLICE_INIT("edge"), SLICE_INIT("example.test"), DIR_OVER_QUOTA, ""},
        {SLICE_INIT("reads"), SLICE_INIT("example.test"), DIR_OVER_QUOTA, ""},
        /* catch-all and postmaster */
        {SLICE_INIT("carol"), SLICE_INIT("xn--bcher-kva.example"), DIR_OK,
         "carol@xn--bcher-kva.example"},
        {SLICE_INIT("whoever"), SLICE_INIT("xn--bcher-kva.example"), DIR_OK,
         "alice@example.test bob@example.test"},
        {SLICE_INIT("postmaster"), SLICE_INIT("xn--bcher-kva.example"), DIR_OK,
         "alice@example.test bob@example.test"},
        {SLICE_INIT("Postmaster"), SLICE_INIT("example.test"), DIR_OK,
         "alice@example.test"},
        {SLICE_INIT("postmaster"), SLICE_INIT("empty.test"), DIR_OK,
         "alice@example.test"},
        {SLICE_INIT("postmaster"), SLICE_INIT(""), DIR_OK, "alice@example.test"},
        {SLICE_INIT("postmaster"), SLICE_INIT("elsewhere.test"), DIR_NO_DOMAIN, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dir_answer a;
        struct dir_target target;
        char got[1024] = "";
        size_t len = 0;
        dir_store_lookup(t.store, cases[i].local, cases[i].domain, NOW_MS, &a);
        while (dir_answer_target(&a, &target)) {
            int n = snprintf(got + len, sizeof got - len, "%s%.*s", len > 0 ? " " : "",
                             (int)target.address.len, (const char *)target.address.ptr);
            len += n > 0 ? (size_t)n : 0;
            assert_int_equal(target.kind, 1);
        }
        if (a.status != cases[i].status || strcmp(got, cases[i].targets) != 0) {
            fail_msg("%s@%s: status %d, targets %s", (const char *)cases[i].local.ptr,
                     (const char *)cases[i].domain.ptr, (int)a.status, got);
        }
    }
}

static void test_facts(void **state)
{
    (void)state;
    struct dir_answer a;
    dir_store_lookup(t.store, SLICE("none"), SLICE("EXAMPLE.test"), NOW_MS, &a);
    assert_true(slice_eq(a.domain, SLICE("example.test")));
    assert_int_equal(a.used, 2000);
    assert_int_equal(a.quota, 1000);
    assert_int_equal(a.last_use_ms, NOW_MS - UINT64_C(91) * 86400000);

    /* Looked at anew after a few seconds, not before. */
    mailbox("left", 10, 91);
    dir_store_lookup(t.store, SLICE("left"), SLICE("example.test"), NOW_MS + 2000, &a);
    assert_int_equal(a.status, DIR_FULL_INACTIVE);
    dir_store_lookup(t.store, SLICE("left"), SLICE("example.test"), NOW_MS + 5000, &a);
    assert_int_equal(a.status, DIR_OK);
    assert_int_equal(a.used, 10);
}

static const char *quota_file(const char *user)
{
    static char text[256];
    char path[256];
    (void)snprintf(path, sizeof path, "%s/mail/example.test/%s/maildirsize", t.dir, user);
    FILE *f = fopen(path, "r");
    size_t n = f == NULL ? 0 : fread(text, 1, sizeof text - 1, f);
    text[n] = '\0';
    if (f != NULL) {
        (void)fclose(f);
    }
    return f == NULL ? "none" : text;
}

/* Delivery honours the first line of maildirsize: it must say what the directory says. */
static void test_quota_file(void **state)
{
    (void)state;
    struct dir_answer a;
    char path[256];
    t_make("user", "files@example.test", "'quota':'5000'");
    dir_store_lookup(t.store, SLICE("files"), SLICE("example.test"), NOW_MS, &a);
    assert_string_equal(quota_file("files"), "none"); /* nor is there a Maildir */
    mailbox("files", 700, 1);
    dir_store_lookup(t.store, SLICE("files"), SLICE("example.test"), NOW_MS + 5000, &a);
    assert_int_equal(a.used, 700);
    assert_string_equal(quota_file("files"), "5000S\n700 1\n");

    /* a Maildir that had no quota: delivery is made to count */
    (void)snprintf(path, sizeof path, "%s/mail/example.test/files/maildirsize", t.dir);
    assert_int_equal(unlink(path), 0);
    dir_store_lookup(t.store, SLICE("files"), SLICE("example.test"), NOW_MS + 10000, &a);
    assert_string_equal(quota_file("files"), "5000S\ncount\n");

    /* another quota holds at once, in spite of the cache; none takes the file away */
    t_must(
        "{'object':'user','action':'set','subject':'files@example.test','quota':'600'}");
    dir_store_lookup(t.store, SLICE("files"), SLICE("example.test"), NOW_MS + 10000, &a);
    assert_string_equal(quota_file("files"), "600S\ncount\n");
    t_must(
        "{'object':'user','action':'set','subject':'files@example.test','quota':'none'}");
    assert_string_equal(quota_file("files"), "none");
    mailbox("files", 700, 1); /* somebody else's */
    t_must(
        "{'object':'user','action':'set','subject':'files@example.test','quota':'none'}");
    dir_store_lookup(t.store, SLICE("files"), SLICE("example.test"), NOW_MS + 20000, &a);
    assert_string_equal(quota_file("files"), "1000S\n700 1\n");
}

/* What only a hand in the database can make. */
static void test_edited(void **state)
{
    (void)state;
    sqlite3 *db = NULL;
    struct dir_answer a;
    assert_int_equal(sqlite3_open(t.db, &db), SQLITE_OK);
    (void)dir_store_changed(t.store);
    assert_false(dir_store_changed(t.store));
    assert_int_equal(
        sqlite3_exec(db,
                     "INSERT INTO alias VALUES (901, 1, 'one', 0), (902, 1, 'two', 0);"
                     "INSERT INTO alias_target VALUES (901, 0, 'two', 'example.test'),"
                     " (902, 0, 'one', 'example.test'), (902, 1, 'bob', 'example.test');"
                     "INSERT INTO user SELECT 903, 1, 'x+y', NULL, 'active', 0, '', 0, "
                     "0, '', 0, 0, NULL, NULL, NULL",
                     NULL, NULL, NULL),
        SQLITE_OK);
    assert_true(dir_store_changed(t.store));
    dir_store_lookup(t.store, SLICE("one"), SLICE("example.test"), NOW_MS, &a);
    assert_int_equal(a.status, DIR_OK);
    assert_int_equal(a.target_n, 1);
    /* Delivery would put it into x's mailbox. */
    dir_store_lookup(t.store, SLICE("x+y"), SLICE("example.test"), NOW_MS, &a);
    assert_int_equal(a.status, DIR_FAULT);

    /* Another writer does not keep readers out. */
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    dir_store_lookup(t.store, SLICE("bob"), SLICE("example.test"), NOW_MS, &a);
    assert_int_equal(a.status, DIR_OK);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_not_a_database(void **state)
{
    (void)state;
    char error[DIR_ERROR_MAX], path[128];
    struct dir_store_config config = t.config;
    (void)snprintf(path, sizeof path, "%s/other.db", t.dir);
    config.path = config.shown = path;
    config.create = false;
    assert_null(dir_store_open(&config, error));
    assert_non_null(strstr(error, "No such file"));

    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    char junk[8192];
    memset(junk, 'x', sizeof junk);
    assert_int_equal(write(fd, junk, sizeof junk), sizeof junk);
    assert_null(dir_store_open(&config, error));
    assert_non_null(strstr(error, "damaged"));

    sqlite3 *db = NULL;
    assert_int_equal(ftruncate(fd, 0), 0);
    (void)close(fd);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL),
                     SQLITE_OK);
    (void)sqlite3_close(db);
    assert_null(dir_store_open(&config, error));
    assert_non_null(strstr(error, "newer postern"));
}

/* A database that goes bad under the store: a fault, no crash and no "unknown user". */
static void test_broken(void **state)
{
    (void)state;
    struct dir_answer a;
    assert_true(dir_store_in_place(t.store));
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(t.db, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "DROP TABLE user", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    dir_store_lookup(t.store, SLICE("bob"), SLICE("example.test"), NOW_MS, &a);
    assert_int_equal(a.status, DIR_FAULT);
    assert_int_equal(dir_store_state(t.store), DIR_STORE_BROKEN);
    assert_true(strlen(dir_store_fault(t.store)) > 0);
    assert_int_equal(unlink(t.db), 0);
    assert_false(dir_store_in_place(t.store));
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out; /* out NULL: refused */
    } cases[] = {
        {"Alice@Example.TEST", "alice@example.test"},
        {"a.b@x.", "a.b@x"},
        {"bob", "bob@home.test"},
        {"ÄÖ@bücher.example", "ÄÖ@xn--bcher-kva.example"},
        {"a@straße.example", "a@xn--strae-oqa.example"},
        {"a/b@x.test", NULL},
        {"../b@x.test", NULL},
        {"a%b@x.test", NULL},
        {".a@x.test", NULL},
        {"a.@x.test", NULL},
        {"a..b@x.test", NULL},
        {"a b@x.test", NULL},
        {"@x.test", NULL},
        {"a@", NULL},
        {"a@-x.test", NULL},
        {"a@x..test", NULL},
        {"a@x/y.test", NULL},
        {"a@[127.0.0.1]", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dir_name name;
        char text[DIR_NAME_TEXT_MAX];
        const char *wrong = dir_name_address(cases[i].in, "home.test", &name);
        if ((wrong == NULL) != (cases[i].out != NULL)) {
            fail_msg("%s: %s", cases[i].in, wrong == NULL ? "taken" : wrong);
        }
        if (wrong == NULL) {
            assert_string_equal(dir_name_text(&name, text), cases[i].out);
        }
    }
}

static void test_passwords(void **state)
{
    (void)state;
    char hash[DIR_HASH_MAX], again[DIR_HASH_MAX], made[DIR_PASSWORD_GENERATED + 1];
    dir_password_generate(made);
    assert_int_equal(strlen(made), DIR_PASSWORD_GENERATED);
    assert_true(dir_password_hash(made, hash));
    assert_true(dir_password_hash(made, again));
    assert_string_not_equal(hash, again);
    assert_memory_equal(hash, "$y$", 3);
    assert_true(dir_password_hash_ok(hash));
    assert_true(dir_password_check(hash, made));
    made[0] = made[0] == 'a' ? 'b' : 'a';
    assert_false(dir_password_check(hash, made));
    assert_false(dir_password_check(hash, ""));
    assert_false(dir_password_check("", made));
    assert_false(dir_password_check("*0", made));
    assert_false(dir_password_hash("", hash));
    assert_false(dir_password_hash_ok("$1$abcdefgh$"));
    assert_false(dir_password_hash_ok("$y$"));
}

/* RFC 4013 3, and what stands outside its table. */
static void test_prepared(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: not taken */
        bool stored;
    } cases[] = {
        {"user", "user", true},
        {"correct horse ~!", "correct horse ~!", true},
        {"I\xc2\xadX", "IX", true},            /* a soft hyphen goes */
        {"\xc2\xaa", "a", true},               /* NFKC */
        {"\xe2\x85\xa8", "IX", true},          /* NFKC */
        {"pa\xcc\x88ss", "p\xc3\xa4ss", true}, /* composed */
        {"a\xc2\xa0z", "a z", true},           /* a blank that is not ASCII's */
        {"\xe5\xaf\x86\xe7\xa0\x81", "\xe5\xaf\x86\xe7\xa0\x81", true},
        {"a\x07", NULL, true},            /* prohibited */
        {"\xd8\xa7\x31", NULL, true},     /* right to left, ending otherwise */
        {"p\xe4ss", NULL, true},          /* not UTF-8 */
        {"\xf0\x9f\x98\x80", NULL, true}, /* unassigned in Unicode 3.2 */
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80", false}, /* which a query may be */
        {"\xc2\xad", NULL, true},                        /* nothing left */
        {"", NULL, true},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char password[DIR_PASSWORD_MAX];
        (void)snprintf(password, sizeof password, "%s", cases[i].in);
        bool ok = dir_password_prepare(password, cases[i].stored);
        assert_int_equal(ok, cases[i].out != NULL);
        assert_string_equal(password, ok ? cases[i].out : cases[i].in);
    }
    char longest[DIR_PASSWORD_MAX];
    memset(longest, 'x', sizeof longest - 4);
    memcpy(longest + sizeof longest - 4, "\xe2\x85\xa8", 4); /* IX: shorter than it was */
    assert_true(dir_password_prepare(longest, true));
    assert_int_equal(strlen(longest), sizeof longest - 2);
}

static int open_full(void **state)
{
    (void)state;
    t_open();
    populate();
    return 0;
}

static int close_it(void **state)
{
    (void)state;
    t_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_prepared), cmocka_unit_test(test_lookup),
        cmocka_unit_test(test_facts),    cmocka_unit_test(test_quota_file),
        cmocka_unit_test(test_edited),   cmocka_unit_test(test_not_a_database),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests(tests, open_full, close_it);
}
