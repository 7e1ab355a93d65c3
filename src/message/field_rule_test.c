/* message/field_rule_test.c - values of fields: their faults, encoded words and octets above 127;
 * identifiers. */
#include "message/field_rule.h"

#include "message/msg_id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *in;
    bool one, list; /* is an identifier; can stand in References */
} ids[] = {
    {"<a@b>", true, true},
    {" (x) <a.b=c$d@e>\r\n (y)", true, true},
    {"<a..b@c>", true, true},
    {"<a@b@c>", true, true},
    {"<\"a @ b\"@c>", true, true},
    {"<a\"b@c>", true, true},
    {"<a@[c d]>", true, true},
    {"<a . b @ c (x) . d>", true, true},
    {"<a@b> <c@d>", false, true},
    {"a@b", false, true},
    {"", false, true},
    {"<a>", false, true},
    {"<@b>", false, true},
    {"<a@>", false, true},
    {"<a b@c>", false, true},
    {"your letter <a@b>, of \"today\"", false, true},
    {"<a@b", false, false},
    {"<a\x01@b>", false, false},
    {"a\x7f", false, false},
};

static void test_ids(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        const char *one = msg_id_fault(slice_of(ids[i].in));
        const char *list = msg_id_list_fault(slice_of(ids[i].in));
        if ((one == NULL) != ids[i].one || (list == NULL) != ids[i].list) {
            fail_msg("\"%s\": %s; %s", ids[i].in, one, list);
        }
    }
}

static const struct {
    const char *name, *in;
    bool ok, word;
    enum field_8bit bits;
} values[] = {
    {"MIME-Version", "1.0", true, false, FIELD_ASCII},
    {"mime-version", " 1 (x) . (y) 0 (z)", true, false, FIELD_ASCII},
    {"MIME-Version", "1.0 (\xC3\xA4)", true, false, FIELD_8BIT_TEXT},
    {"MIME-Version", "1", false, false, FIELD_ASCII},
    {"MIME-Version", "1.0.0", false, false, FIELD_ASCII},
    {"MIME-Version", "1.\xC3\xA4", false, false, FIELD_8BIT_NEVER},
    {"Content-Transfer-Encoding", "base64", true, false, FIELD_ASCII},
    {"Content-Transfer-Encoding", "7bit;", true, false, FIELD_ASCII},
    {"Content-Transfer-Encoding", "", false, false, FIELD_ASCII},
    {"Content-Transfer-Encoding", "a b", false, false, FIELD_ASCII},
    {"Content-Transfer-Encoding", "=?a?b?c?=", false, true, FIELD_ASCII},
    {"Content-Type", "text/plain; charset=utf-8", true, false, FIELD_ASCII},
    {"Content-Type", "text", true, false, FIELD_ASCII},
    {"Content-Type", "a/b; name==?a?b?c?=", true, false, FIELD_ASCII},
    {"Content-Type", "a/b; name=\xC3\xA4", true, false, FIELD_8BIT_TEXT},
    {"Content-Type", "a/\xC3\xA4", true, false, FIELD_8BIT_NEVER},
    {"Content-Type", "a/", false, false, FIELD_ASCII},
    {"Content-Type", ";", false, false, FIELD_ASCII},
    {"Content-Disposition", "inline", true, false, FIELD_ASCII},
    {"Content-Disposition", "; filename=x", false, false, FIELD_ASCII},
    {"Subject", "=?a?b?c?= \xC3\xA4", true, false, FIELD_8BIT_TEXT},
    {"To", "", true, false, FIELD_ASCII},
    {"To", "a@b", true, false, FIELD_ASCII},
    {"To", "=?a?b?c?= <a@b>", true, false, FIELD_ASCII},
    {"To", "a@b (=?a?b?c?=)", true, false, FIELD_ASCII},
    {"To", "\"=?a?b?c?=\"@b", true, false, FIELD_ASCII},
    {"To", "=?a?b?c?=", true, false, FIELD_ASCII},
    {"To", "=?a?b?c?=@b", true, true, FIELD_ASCII},
    {"To", "a@=?a?b?\?=", true, true, FIELD_ASCII},
    {"To", "x=?a?b?c?=y@b", true, true, FIELD_ASCII},
    {"To", "=?a?c?=@b", true, false, FIELD_ASCII},
    {"To", "=?=?a?b?c?=@b", true, true, FIELD_ASCII},
    {"To", "\xC3\xA4 <a@b>", true, false, FIELD_8BIT_TEXT},
    {"To", "a <\xC3\xA4@b>", true, false, FIELD_8BIT_TOKEN},
    {"To", "a@b.\xC3\xA4", true, false, FIELD_8BIT_TOKEN},
    {"Sender", "", false, false, FIELD_ASCII},
    {"From", "root", false, false, FIELD_ASCII},
    {"Date", "1 Jan 1970 00:00 (\xC3\xA4)", true, false, FIELD_8BIT_TEXT},
    {"Date", "1 J\xC3\xA4n 1970 00:00", false, false, FIELD_8BIT_NEVER},
    {"Date", "1 =?a?b?Jan?= 1970", false, true, FIELD_ASCII},
    {"Message-ID", "<\xC3\xA4@b>", true, false, FIELD_8BIT_TOKEN},
    {"Message-ID", "<=?a?b?c?=@b>", true, true, FIELD_ASCII},
    {"References", "=?a?b?c?= <a@b>", true, false, FIELD_ASCII},
    {"Received",
     "from a ([192.0.2.1]) by b with SMTP id 1; Sat, 1 Aug 2026 12:00:00 +0000 (UTC)",
     true, false, FIELD_ASCII},
    {"Received", "(qmail 1 invoked by uid 0); 1 Aug 2026 12:00:00 -0000", true, false,
     FIELD_ASCII},
    {"Received", "from \"a;b\" (c;d) by e\r\n\tfor <f@g>;\r\n\t1 Aug 2026 12:00:00 +0000",
     true, false, FIELD_ASCII},
    {"Received", "; 1 Aug 2026 12:00:00 +0000", true, false, FIELD_ASCII},
    {"Received", "from a by b", false, false, FIELD_ASCII},
    {"Received", "from a by b (; 1 Aug 2026 12:00:00 +0000", false, false, FIELD_ASCII},
    {"Received", "from a by b;", false, false, FIELD_ASCII},
    {"Received", "from a by b; today", false, false, FIELD_ASCII},
    {"Received", "from a; by b; 1 Aug 2026 12:00:00 +0000", false, false, FIELD_ASCII},
    {"Received", "from \xC3\xA4 by =?a?b?c?=; 1 Aug 2026 12:00:00 +0000", true, false,
     FIELD_8BIT_TEXT},
    {"Return-Path", "<>", true, false, FIELD_ASCII},
    {"Return-Path", "(to none) < > ", true, false, FIELD_ASCII},
    {"Return-Path", "<a@b.example>", true, false, FIELD_ASCII},
    {"Return-Path", "a@b.example", false, false, FIELD_ASCII},
    {"Return-Path", "", false, false, FIELD_ASCII},
    {"Return-Path", "<a@b.example", false, false, FIELD_ASCII},
    {"Return-Path", "<a>", false, false, FIELD_ASCII},
    {"Return-Path", "<> <a@b.example>", false, false, FIELD_ASCII},
    {"Return-Path", "<a@b>, <c@d>", false, false, FIELD_ASCII},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        const struct field_rule *rule = field_rule(slice_of(values[i].name));
        struct slice in = slice_of(values[i].in);
        assert_non_null(rule);
        const char *fault = field_fault(rule->kind, in);
        bool word = field_encoded_word(rule->kind, in);
        enum field_8bit bits = field_8bit(rule->kind, in);
        if ((fault == NULL) != values[i].ok || word != values[i].word ||
            bits != values[i].bits) {
            fail_msg("%s: %s: %s, %d, %d", values[i].name, values[i].in, fault, word,
                     bits);
        }
    }
    assert_true(field_is_trace(field_rule(SLICE("received"))->kind));
    assert_false(field_is_trace(field_rule(SLICE("Date"))->kind));
    assert_null(field_rule(SLICE("X-To")));
}

static void test_len(void **state)
{
    (void)state;
    assert_int_equal(field_value_len(SLICE(" a b ")), 3);
    assert_int_equal(field_value_len(SLICE("\ta\r\n b\r\n")), 3);
    assert_int_equal(field_value_len(SLICE(" \r\n ")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ids),
                                       cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_len)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
