/* queue/dsn_test.c - see dsn.h; tests/dsn_test.c reads what it writes with the bounce parser */
#include "queue/dsn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* Words as in the catalogue, but that they tell their language. */
static const char *word(void *arg, const char *id, const char *language)
{
    (void)arg;
    bool sv = strcmp(language, "sv") == 0;
    if (strcmp(id, "dsn-said") == 0) {
        return sv ? "{host} svarade: {reply}" : "{host} said: {reply}";
    }
    if (strcmp(id, "dsn-until") == 0) {
        return "until {date}";
    }
    if (strcmp(id, "dsn-subject-failed") == 0) {
        return sv ? "Ej levererat \303\245t dig" : "Undelivered mail";
    }
    if (strcmp(id, "dsn-about") == 0) {
        return "about {subject}";
    }
    return sv ? "p\303\245 svenska" : id;
}

static struct dsn_target failed_target(void)
{
    return (struct dsn_target){
        .given = SLICE("bob@example.net"),
        .action = DSN_FAILED,
        .status = SLICE("5.1.1"),
        .remote = SLICE("mx.example.net"),
        .reply = SLICE("550 5.1.1 no such user"),
        .attempt_ms = UINT64_C(1800000000000),
        .page = {{"No such mailbox", "Nobody has that address.", "Look at it again."}},
    };
}

static struct dsn dsn_of(const struct dsn_target *target, unsigned n)
{
    return (struct dsn){
        .hostname = SLICE("mail.example.test"),
        .id = {77, 1},
        .now_ms = UINT64_C(1800000100000),
        .to = SLICE("alice@example.test"),
        .arrival_ms = UINT64_C(1799999990000),
        .about = {88, 3},
        .language = {"en"},
        .language_n = 1,
        .target = target,
        .target_n = n,
        .original = SLICE("From: alice@example.test\r\n\r\n"),
        .words = {word, NULL},
    };
}

static struct slice written(const struct dsn *d, struct dsn_needs *needs)
{
    static struct buf b;
    b.max = 1024 * 1024;
    buf_reset(&b);
    assert_true(dsn_write(d, &b, needs));
    return buf_slice(&b);
}

static bool has(struct slice s, const char *text)
{
    return memmem(s.ptr, s.len, text, strlen(text)) != NULL;
}

static void assert_clean(struct slice s)
{
    size_t column = 0;
    for (size_t i = 0; i < s.len; i++) {
        assert_true(s.ptr[i] < 127 && s.ptr[i] != '\0');
        assert_true((s.ptr[i] == '\n') == (i > 0 && s.ptr[i - 1] == '\r'));
        column = s.ptr[i] == '\n' ? 0 : column + 1;
        assert_true(column < 999);
    }
}

static void test_failure(void **state)
{
    (void)state;
    struct dsn_needs needs;
    struct dsn_target t = failed_target();
    struct dsn d = dsn_of(&t, 1);
    struct slice s = written(&d, &needs);
    assert_clean(s);
    assert_false(needs.utf8 || needs.eight_bit);
    assert_true(has(s, "To: <alice@example.test>\r\nSubject: Undelivered mail\r\n"));
    assert_true(has(s, "report-type=delivery-status;"));
    assert_true(has(s, "Auto-Submitted: auto-replied\r\n"));
    assert_true(has(s, "\r\n\r\nFinal-Recipient: rfc822; bob@example.net\r\n"
                       "Action: failed\r\nStatus: 5.1.1\r\n"
                       "Remote-MTA: dns; mx.example.net\r\n"
                       "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
                       "Last-Attempt-Date: "));
    assert_true(
        has(s, "<bob@example.net>\r\n  No such mailbox\r\n  Nobody has that address.\r\n"
               "  Look at it again.\r\n"
               "  mx.example.net said: 550 5.1.1 no such user\r\n"));
    assert_true(has(s, "Content-Type: text/rfc822-headers\r\n\r\nFrom: alice@"));
    assert_false(has(s, "Original-Recipient") || has(s, "Original-Envelope-Id"));
}

static void test_what_was_asked_for(void **state)
{
    (void)state;
    struct dsn_needs needs;
    struct dsn_target t[3] = {failed_target(), failed_target(), failed_target()};
    t[0].action = DSN_DELIVERED;
    t[0].status = t[0].reply = t[0].remote = SLICE("");
    t[0].orcpt = SLICE("rfc822;Bob@list.example");
    t[1].action = DSN_DELAYED;
    t[1].status = SLICE("");
    t[1].until_ms = UINT64_C(1800400000000);
    t[2].given = SLICE("b\303\266b@ex\303\244mple.net");
    struct dsn d = dsn_of(t, 3);
    d.envid = SLICE("QQ314159");
    d.full = true;
    struct slice s = written(&d, &needs);
    assert_true(has(
        s,
        "Original-Envelope-Id: QQ314159\r\nReporting-MTA: dns; mail.example.test\r\n"));
    assert_true(
        has(s, "Original-Recipient: rfc822; Bob@list.example\r\nFinal-Recipient: "));
    assert_true(has(s, "Action: delivered\r\nStatus: 2.0.0\r\n"));
    assert_true(has(s, "Action: delayed\r\nStatus: 4.0.0\r\n"));
    assert_true(has(s, "Will-Retry-Until: "));
    assert_true(has(s, "Final-Recipient: utf-8; b\\x{F6}b@ex\\x{E4}mple.net\r\n"));
    assert_true(has(s, "Content-Type: message/rfc822\r\n"));
    assert_true(has(s, "Subject: Undelivered mail")); /* the worst of them */
    assert_clean(s);
}

static void test_languages_of_the_text(void **state)
{
    (void)state;
    struct dsn_needs needs;
    struct dsn_target t = failed_target();
    t.page[0] = (struct dsn_page){"Adressen finns inte", "", ""};
    t.page[1] = (struct dsn_page){"No such mailbox", "", ""};
    struct dsn d = dsn_of(&t, 1);
    d.language[0] = "sv";
    d.language[1] = "en";
    d.language_n = 2;
    d.subject = SLICE("R\303\244ksm\303\266rg\303\245s, l\303\244nge \303\244nnu och "
                      "\303\244n l\303\244ngre");
    struct slice s = written(&d, &needs);
    assert_clean(s);
    assert_true(has(s, "Subject: =?UTF-8?B?"));
    assert_true(has(s, "charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"));
}

static void test_hostile(void **state)
{
    (void)state;
    struct dsn_needs needs;
    struct dsn_target t = failed_target();
    t.reply = SLICE("550 bad\r\nFinal-Recipient: rfc822; x@y\r\n\r\n\0\377\303");
    t.remote = SLICE("mx\r\n.example");
    t.orcpt = SLICE("rfc822;a\r\nb");
    struct dsn d = dsn_of(&t, 1);
    d.original = SLICE("From: \344\r\n");
    struct slice s = written(&d, &needs);
    assert_true(needs.eight_bit);
    assert_false(has(s, "\nFinal-Recipient: rfc822; x@y"));
    assert_false(has(s, "\nb\r\n"));
    unsigned char longer[3000];
    memset(longer, 'x', sizeof longer);
    memset(longer, 0xe4, 1000);
    for (size_t i = 1500; i < sizeof longer; i += 50) {
        longer[i] = ' ';
    }
    t.reply = (struct slice){longer, sizeof longer};
    d.original = SLICE("");
    assert_true(written(&d, &needs).len > 3000);
}

static void test_original_in_utf8(void **state)
{
    (void)state;
    struct dsn_needs needs;
    struct dsn_target t = failed_target();
    struct dsn d = dsn_of(&t, 1);
    d.original = SLICE("From: b\303\266b@example.net\r\n");
    d.original_utf8 = true;
    struct slice s = written(&d, &needs);
    assert_clean(s);
    assert_true(
        has(s, "message/global-headers\r\nContent-Transfer-Encoding: base64\r\n"));
    d.to = SLICE("\303\244@example.test");
    (void)written(&d, &needs);
    assert_true(needs.utf8);
}

/* As many targets as one notification has, of which as much is said as can be. */
static void test_many(void **state)
{
    enum { MANY = 64, SAID = 500 };
    static struct dsn_target many[MANY];
    static unsigned char said[SAID], to[1000];
    static char page[600];
    struct dsn_needs needs = {0};
    struct buf b;
    (void)state;
    memset(said, 1, sizeof said);
    memset(to, 'a', sizeof to);
    memset(page, 'p', sizeof page - 1);
    for (unsigned i = 0; i < MANY; i++) {
        many[i] = failed_target();
        many[i].given = (struct slice){to, sizeof to};
        many[i].reply = (struct slice){said, sizeof said};
        for (unsigned l = 0; l < DSN_LANGUAGES_MAX; l++) {
            many[i].page[l] = (struct dsn_page){page, page, page};
        }
    }
    struct dsn d = dsn_of(many, MANY);
    d.language[1] = "sv";
    d.language[2] = "zh-CN";
    d.language_n = 3;
    buf_init(&b, 8 * 1024 * 1024);
    assert_true(dsn_write(&d, &b, &needs));
    buf_clear(&b);
}

static void test_wanted(void **state)
{
    (void)state;
    assert_true(dsn_wanted(SLICE(""), DSN_FAILED) && dsn_wanted(SLICE(""), DSN_DELAYED));
    assert_false(dsn_wanted(SLICE(""), DSN_DELIVERED) ||
                 dsn_wanted(SLICE("NEVER"), DSN_FAILED));
    assert_true(dsn_wanted(SLICE("SUCCESS,DELAY"), DSN_DELAYED));
    assert_true(dsn_wanted(SLICE("success,delay"), DSN_RELAYED));
    assert_false(dsn_wanted(SLICE("SUCCESS,DELAY"), DSN_FAILED));
}

static void test_languages(void **state)
{
    (void)state;
    static const char *const have[] = {"en", "zh-CN", "zh-TW", "sv"};
    static const struct {
        struct slice wanted;
        const char *fallback, *first, *second;
    } cases[] = {
        {SLICE_INIT(""), "en", "en", NULL},
        {SLICE_INIT(""), "sv", "sv", "en"},
        {SLICE_INIT("sv-FI, en;q=0.5"), "en", "sv", "en"},
        {SLICE_INIT("zh-Hant-HK"), "sv", "zh-TW", "en"},
        {SLICE_INIT("zh"), "sv", "zh-CN", "en"},
        {SLICE_INIT("de, ,;;;"), "sv", "sv", "en"},
        {SLICE_INIT("en-GB"), "sv", "en", NULL},
        {SLICE_INIT("sv, zh-CN, zh-TW, en"), "en", "sv", "zh-CN"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *out[DSN_LANGUAGES_MAX] = {0};
        unsigned n = dsn_languages(cases[i].wanted, cases[i].fallback, have, 4, out);
        assert_string_equal(out[0], cases[i].first);
        assert_string_equal(out[n - 1], "en");
        if (cases[i].second != NULL) {
            assert_string_equal(out[1], cases[i].second);
        } else {
            assert_int_equal(n, 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_what_was_asked_for),
        cmocka_unit_test(test_languages_of_the_text),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_original_in_utf8),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_wanted),
        cmocka_unit_test(test_languages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
