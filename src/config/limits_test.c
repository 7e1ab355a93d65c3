/* config/limits_test.c - exceptions of limits: what is taken, and which one holds. */
#include "config/limits.h"

#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define AT(field) offsetof(struct config, field)

static void test_taken(void **state)
{
    static const struct {
        const char *text, *wrong;
    } cases[] = {
        {"ip 192.0.2.0/24 10000/hour burst 500", NULL},
        {" connections  2001:db8::/32  off ", NULL},
        {"dkim-domain Example.ORG 5000-90000/hour", NULL},
        {"sender example.org 10/day", NULL},
        {"login ann@example.org 50000/day", NULL},
        {"rcpt-pace sales@example.org 10/minute burst 50", NULL},
        {"", "does not begin with a limit"},
        {"message-id x 10/day", "does not begin with a limit"},
        {"evidence x 10/day", "does not begin with a limit"},
        {"ip", "nothing stands behind"},
        {"ip example.org 10/day", "no network"},
        {"ip 192.0.2.1/24 10/day", "no network"},
        {"spf-domain a@example.org 10/day", "no domain name"},
        {"rcpt @example.org 10/day", "neither an address nor"},
        {"rcpt ann@ 10/day", "neither an address nor"},
        {"rcpt a\tb@example.org 10/day", "neither an address nor"},
        {"network 192.0.2.0/24", "does not start with a whole number"},
        {"network 192.0.2.0/24 10/week", "none of minute, hour, day"},
        {"rcpt-most example.org 10/day burst 3", "it has no burst"},
        {"login-quota example.org 10/day burst 3", "it has no burst"},
        {"dkim-domain example.org 7/day", "stands there already"},
        {"ip 192.0.2.0/24 7/day", "stands there already"},
        {"network 192.0.2.0/24 7/day", NULL},
    };
    struct config_limits list = {.item = NULL};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *wrong = limits_add(&list, slice_of(cases[i].text));
        if ((wrong == NULL) != (cases[i].wrong == NULL) ||
            (wrong != NULL && strstr(wrong, cases[i].wrong) == NULL)) {
            fail_msg("%s: %s", cases[i].text, wrong == NULL ? "taken" : wrong);
        }
    }
    assert_int_equal(list.n, 7);
    assert_string_equal(list.item[1].text, "connections  2001:db8::/32  off");
    limits_clear(&list);
    assert_null(list.item);
}

static const char *found(const struct limits_index *x, size_t setting, const char *net,
                         const char *name)
{
    struct net n;
    if (net != NULL) {
        assert_int_equal(net_parse(slice_of(net), &n), NET_OK);
    }
    const struct config_limit *e =
        limits_find(x, setting, net == NULL ? NULL : &n, slice_of(name));
    return e == NULL ? "none" : e->text;
}

static void test_found(void **state)
{
    static const char *const texts[] = {
        "ip 192.0.2.0/24 1/day",      "ip 192.0.2.7 2/day",
        "ip 0.0.0.0/0 3/day",         "ip ::/0 4/day",
        "network 192.0.2.0/25 1/day", "from-domain example.org 1/day",
        "sender example.org 1/day",   "sender Ann@example.org 2/day",
        "sender org 3/day",
    };
    struct config_limits list = {.item = NULL};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_null(limits_add(&list, slice_of(texts[i])));
    }
    struct limits_index *x = limits_index_new(&list);
    assert_non_null(x);
    assert_string_equal(found(x, AT(rate_ip), "192.0.2.7", ""), texts[1]);
    assert_string_equal(found(x, AT(rate_ip), "192.0.2.8", ""), texts[0]);
    assert_string_equal(found(x, AT(rate_ip), "192.0.3.8", ""), texts[2]);
    assert_string_equal(found(x, AT(rate_ip), "2001:db8::1", ""), texts[3]);
    assert_string_equal(found(x, AT(rate_connections), "192.0.2.7", ""), "none");
    /* a part of the network that is counted is not the network */
    assert_string_equal(found(x, AT(rate_network), "192.0.2.0/24", ""), "none");
    assert_string_equal(found(x, AT(rate_network), "192.0.2.0/26", ""), texts[4]);
    assert_string_equal(found(x, AT(rate_from_domain), NULL, "example.org"), texts[5]);
    assert_string_equal(found(x, AT(rate_from_domain), NULL, "a.b.example.org"),
                        texts[5]);
    assert_string_equal(found(x, AT(rate_from_domain), NULL, "anexample.org"), "none");
    assert_string_equal(found(x, AT(rate_sender), NULL, "ann@example.org"), texts[7]);
    assert_string_equal(found(x, AT(rate_sender), NULL, "bob@example.org"), texts[6]);
    assert_string_equal(found(x, AT(rate_sender), NULL, "ann@mail.example.org"),
                        texts[6]);
    assert_string_equal(found(x, AT(rate_sender), NULL, "ann@b.org"), texts[8]);
    assert_string_equal(found(x, AT(rate_sender), NULL, "ann@example.org 192.0.2.0/24"),
                        "none");
    assert_string_equal(found(NULL, AT(rate_ip), "192.0.2.7", ""), "none");
    limits_index_free(&x);
    limits_clear(&list);
}

/* --- against the rule as it is told, over all items --- */

static uint32_t seed = 1;

static uint32_t draw(uint32_t n)
{
    seed = seed * 1664525 + 1013904223;
    return (seed >> 8) % n;
}

static bool is_below(struct slice name, struct slice domain)
{
    size_t off = name.len - domain.len;
    return slice_eq(name, domain) ||
           (name.len > domain.len && slice_eq(slice_from(name, off), domain) &&
            (name.ptr[off - 1] == '.' || name.ptr[off - 1] == '@'));
}

static const struct config_limit *model(const struct config_limits *list, size_t setting,
                                        const struct net *net, struct slice name)
{
    const struct config_limit *best = NULL;
    for (unsigned i = 0; i < list->n; i++) {
        const struct config_limit *e = &list->item[i];
        if (e->setting != setting) {
            continue;
        }
        if (e->is_net && net_has(&e->net, &net->ip) && e->net.bits <= net->bits &&
            (best == NULL || e->net.bits > best->net.bits)) {
            best = e;
        }
        if (!e->is_net && is_below(name, slice_of(e->name)) &&
            (best == NULL || strlen(e->name) > strlen(best->name))) {
            best = e;
        }
    }
    return best;
}

static void some_net(struct net *out)
{
    char text[NET_TEXT_MAX];
    (void)snprintf(text, sizeof text, draw(4) > 0 ? "10.%u.%u.%u" : "2001:db8::%x:%x:%x",
                   draw(2), draw(2), draw(4));
    struct ip ip;
    assert_true(ip_parse(slice_of(text), &ip));
    unsigned least = ip_is_v4(&ip) ? 96 : 0;
    *out = net_around(&ip, (uint8_t)(least + draw(129 - least)));
}

static struct slice some_name(char *out, size_t cap)
{
    static const char *const labels[] = {"a", "b", "aa"};
    size_t n = 0;
    if (draw(2) > 0) {
        n += (size_t)snprintf(out, cap, "%s@", labels[draw(3)]);
    }
    for (unsigned i = draw(3); i > 0; i--) {
        n += (size_t)snprintf(out + n, cap - n, "%s.", labels[draw(3)]);
    }
    (void)snprintf(out + n, cap - n, "%s", labels[draw(2)]);
    return slice_of(out);
}

static void test_model(void **state)
{
    static const struct {
        const char *name;
        size_t setting;
    } kinds[] = {{"ip", AT(rate_ip)},
                 {"network", AT(rate_network)},
                 {"sender", AT(rate_sender)},
                 {"login", AT(rate_login)}};
    char name[64], text[160], net_octets[NET_TEXT_MAX];
    struct net net;
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        struct config_limits list = {.item = NULL};
        for (unsigned i = draw(40); i > 0; i--) {
            unsigned k = draw(4);
            some_net(&net);
            struct slice key =
                k < 2 ? net_text(&net, net_octets) : some_name(name, sizeof name);
            (void)snprintf(text, sizeof text, "%s %.*s %u/day", kinds[k].name,
                           (int)key.len, (const char *)key.ptr, i);
            const char *wrong = limits_add(&list, slice_of(text));
            if (wrong != NULL && strstr(wrong, "already") == NULL) {
                fail_msg("%s: %s", text, wrong);
            }
        }
        struct limits_index *x = limits_index_new(&list);
        assert_non_null(x);
        for (unsigned i = 0; i < 300; i++) {
            unsigned k = draw(4);
            some_net(&net);
            struct slice key = some_name(name, sizeof name);
            assert_ptr_equal(limits_find(x, kinds[k].setting, k < 2 ? &net : NULL, key),
                             model(&list, kinds[k].setting, &net, key));
        }
        limits_index_free(&x);
        limits_clear(&list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
