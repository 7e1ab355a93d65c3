/* tests/dsn_test.c - what queue/dsn.h writes, read by the bounce parser, in each language */
#include "libbounce/explain.h"
#include "postern/bounce.h"
#include "queue/dsn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char *word(void *arg, const char *id, const char *language)
{
    (void)arg;
    const char *found = postern_bounce_word(id, language);
    assert_non_null(found); /* catalogue/explain/words.tsv has them all */
    assert_true(found[0] != '\0');
    return found;
}

static void fill_pages(struct dsn_target *t, const char *class_name,
                       const char *const *language, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct postern_bounce_page page;
        assert_true(postern_bounce_page("class", class_name, language[i], &page));
        t->page[i] = (struct dsn_page){page.title, page.cause, page.remedy};
    }
}

static void test_read_back(void **state)
{
    (void)state;
    struct postern_bounce *reader = postern_bounce_new();
    struct buf b;
    buf_init(&b, 1024 * 1024);
    for (unsigned l = 0; l < EXPLAIN_LANGUAGES_N; l++) {
        struct dsn_needs needs;
        struct dsn_target t[2] = {
            {.given = SLICE("bob@example.net"),
             .orcpt = SLICE("rfc822;robert@list.example"),
             .action = DSN_FAILED,
             .status = SLICE("5.2.2"),
             .remote = SLICE("mx.example.net"),
             .reply = SLICE("552 5.2.2 <bob@example.net>: mailbox is full")},
            {.given = SLICE("eve@example.org"),
             .action = DSN_DELAYED,
             .status = SLICE("4.4.1"),
             .reply = SLICE("451 4.4.1 connection timed out"),
             .until_ms = UINT64_C(1800400000000)},
        };
        struct dsn d = {.hostname = SLICE("mail.example.test"),
                        .id = {77, 1},
                        .now_ms = UINT64_C(1800000100000),
                        .to = SLICE("alice@example.test"),
                        .envid = SLICE("QQ1"),
                        .arrival_ms = UINT64_C(1799999990000),
                        .about = {88, 3},
                        .subject = SLICE("R\303\244ksm\303\266rg\303\245s"),
                        .target = t,
                        .target_n = 2,
                        .original =
                            SLICE("Message-ID: <1@example.test>\r\nSubject: hello\r\n"),
                        .words = {word, NULL}};
        d.language_n = dsn_languages(SLICE(""), explain_languages[l], explain_languages,
                                     EXPLAIN_LANGUAGES_N, d.language);
        fill_pages(&t[0], "mailbox-full", d.language, d.language_n);
        fill_pages(&t[1], "connection-failure", d.language, d.language_n);
        buf_reset(&b);
        assert_true(dsn_write(&d, &b, &needs));
        const struct postern_bounce_mail *m = postern_bounce_mail(reader, b.ptr, b.len);
        assert_int_equal(m->n, 2);
        assert_string_equal(m->kind, "failed");
        assert_string_equal(m->envelope_id, "QQ1");
        assert_string_equal(m->message_id, "1@example.test");
        assert_string_equal(m->reporting_host, "mail.example.test");
        assert_string_equal(m->result[0].recipient, "bob@example.net");
        assert_string_equal(m->result[0].original, "robert@list.example");
        assert_string_equal(m->result[0].class_name, "mailbox-full");
        assert_string_equal(m->result[0].remote_host, "mx.example.net");
        assert_string_equal(m->result[0].delivery, "failed");
        assert_string_equal(m->result[1].recipient, "eve@example.org");
        assert_string_equal(m->result[1].delivery, "delayed");
        assert_string_equal(m->result[1].status, "4.4.1");
    }
    buf_clear(&b);
    postern_bounce_free(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
