/* trace/hooks_test.c - webhooks on a file of its own, with two who have it open. */
#include "trace/hooks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    unsigned n;
    struct hook_row last;
    char said[HOOKS_SAID_MAX + 1];
};

static void see(void *arg, const struct hook_row *row)
{
    struct seen *s = arg;
    s->n++;
    s->last = *row;
    assert_true(slice_cstr(row->said, s->said, sizeof s->said));
}

static struct seen look(struct hooks *h)
{
    struct seen s = {0};
    assert_true(hooks_each(h, see, &s));
    return s;
}

static void test_hooks(void **state)
{
    (void)state;
    char dir[] = "/tmp/hooks-test-XXXXXX", path[64], error[HOOKS_ERROR_MAX];
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/webhook.db", dir);
    struct hooks *role = hooks_open(path, error), *cmd = hooks_open(path, error);
    assert_true(role != NULL && cmd != NULL);
    struct hook_row row = {.account = SLICE("a@b.test"),
                           .url = SLICE("https://x.test/"),
                           .secret = SLICE("s"),
                           .record = 7};
    bool known = false;
    uint64_t n = 0;
    assert_true(hooks_changed(role)); /* the first look */
    assert_false(hooks_changed(role));
    assert_true(hooks_add(cmd, &row, &known));
    assert_true(hooks_changed(role));
    assert_false(hooks_add(cmd, &row, &known));
    assert_true(known);
    struct seen s = look(role);
    assert_true(s.n == 1 && s.last.record == 7 && s.last.index == 0);
    assert_true(hooks_move(role, s.last.id, UINT64_MAX, 3));
    assert_true(hooks_say(role, s.last.id, SLICE("HTTP 500"), 9));
    assert_false(hooks_changed(role)); /* that was ourselves */
    s = look(cmd);
    assert_true(s.last.record == INT64_MAX && s.last.index == 3 && s.last.said_ms == 9);
    assert_string_equal(s.said, "HTTP 500");
    row.url = SLICE("https://y.test/");
    assert_true(hooks_add(cmd, &row, &known));
    assert_true(hooks_remove(cmd, SLICE("a@b.test"), SLICE("https://x.test/"), &n) &&
                n == 1);
    assert_true(hooks_remove(cmd, SLICE("b@b.test"), SLICE(""), &n) && n == 0);
    assert_true(hooks_remove(cmd, SLICE("a@b.test"), SLICE(""), &n) && n == 1);
    assert_int_equal(look(role).n, 0);
    hooks_close(&cmd);
    hooks_close(&role);
    (void)unlink(path);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hooks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
