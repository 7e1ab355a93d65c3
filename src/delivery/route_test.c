/* delivery/route_test.c - see route.h; the DNS is a table */
#include "delivery/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* "name TYPE data" a record; "name TYPE !" fails; a name without record of that type: no data;
 * names that do not occur do not exist. "+" in front: secure. */
struct zone {
    const char *const *line;
    bool slow; /* each answer comes only when it is asked for the second time */
    unsigned asked_n;
    char asked[64][80];
    struct dns_answer answer[64];
    struct dns_record record[64][20];
    unsigned answer_n;
};

static bool seen_before(struct zone *z, const char *what)
{
    for (unsigned i = 0; i < z->asked_n; i++) {
        if (strcmp(z->asked[i], what) == 0) {
            return true;
        }
    }
    (void)snprintf(z->asked[z->asked_n++], 80, "%s", what);
    return false;
}

static void read_record(struct dns_answer *a, struct dns_record *r, enum dns_type type,
                        const char *data)
{
    if (strcmp(data, "!") == 0) {
        a->status = DNS_FAILED;
        a->why = "SERVFAIL";
        return;
    }
    a->status = DNS_FOUND;
    a->n++;
    if (type == DNS_MX) {
        struct slice text = slice_of(data);
        size_t blank = slice_find(text, ' ');
        uint64_t preference = 0;
        assert_true(slice_u64(slice_sub(text, 0, blank), &preference));
        r->preference = (uint16_t)preference;
        r->name = slice_from(text, blank + 1);
    } else if (type == DNS_A ||
               type == DNS_AAAA) { /* "192.0.2.1@owner" behind an alias */
        struct slice text = slice_of(data);
        size_t at = slice_find(text, '@');
        assert_true(ip_parse(slice_sub(text, 0, at), &r->ip));
        a->name = slice_from(text, at + 1);
    }
}

static const struct dns_answer *ask(void *arg, enum dns_type type, struct slice name)
{
    struct zone *z = arg;
    static const char *const types[] = {[DNS_A] = "A",
                                        [DNS_MX] = "MX",
                                        [DNS_AAAA] = "AAAA",
                                        [DNS_TLSA] = "TLSA",
                                        [DNS_CNAME] = "CNAME"};
    char what[80];
    (void)snprintf(what, sizeof what, "%.*s %s", (int)name.len, (const char *)name.ptr,
                   types[type]);
    if (z->slow && !seen_before(z, what)) {
        return NULL;
    }
    struct dns_answer *a = &z->answer[z->answer_n];
    *a = (struct dns_answer){.status = DNS_NXDOMAIN, .record = z->record[z->answer_n]};
    for (unsigned i = 0; z->line[i] != NULL; i++) {
        const char *line = z->line[i];
        bool secure = line[0] == '+';
        line += secure;
        size_t len = strcspn(line, " ");
        if (len != name.len || memcmp(line, name.ptr, len) != 0) {
            continue;
        }
        a->status = a->status == DNS_NXDOMAIN ? DNS_NODATA : a->status;
        a->secure = a->n > 0 ? a->secure : secure;
        size_t type_len = strlen(types[type]);
        if (strncmp(line + len + 1, types[type], type_len) == 0 &&
            line[len + 1 + type_len] == ' ') {
            a->secure = secure;
            read_record(a, &z->record[z->answer_n][a->n], type,
                        line + len + 2 + type_len);
        }
    }
    z->answer_n++;
    return a;
}

static struct route found(const char *const *line, struct route_ask *more,
                          unsigned *rounds)
{
    static struct zone z;
    static struct route r;
    static struct route slow;
    z = (struct zone){.line = line};
    struct dns_source dns = {ask, &z};
    struct route_ask q = {
        .domain = SLICE("x.example"), .hostname = SLICE("me.example"), .port = 25};
    q = more == NULL ? q : *more;
    route_find(&q, &dns, &r);
    z = (struct zone){.line = line, .slow = true};
    unsigned n = 0;
    do {
        z.answer_n = 0;
        route_find(&q, &dns, &slow);
        n++;
    } while (slow.status == ROUTE_WAIT && n < 20);
    assert_int_equal(slow.status, r.status);
    assert_int_equal(slow.hop_n, r.hop_n);
    assert_memory_equal(slow.site, r.site, r.site_len);
    if (rounds != NULL) {
        *rounds = n;
    }
    return r;
}

static void assert_hops(const struct route *r, const char *want)
{
    char text[600] = "";
    for (unsigned i = 0; i < r->hop_n; i++) {
        char ip[IP_TEXT_MAX];
        size_t len = strlen(text);
        (void)ip_text(&r->hop[i].ip, ip);
        (void)snprintf(text + len, sizeof text - len, "%.*s=%s ", (int)r->hop[i].host.len,
                       (const char *)r->hop[i].host.ptr, ip);
    }
    assert_string_equal(text, want);
}

#define ZONE(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_status(void **state)
{
    (void)state;
    static const struct {
        const char *line[5];
        enum route_status status;
    } cases[] = {
        {{"x.example A 127.0.0.1", "x.example AAAA ::1"}, ROUTE_INNER},
        {{"x.example MX 10 mx.example", "mx.example A 10.0.0.25"}, ROUTE_INNER},
        {{"x.example MX 10 mx.example", "x.example MX 20 a.example",
          "mx.example A 10.0.0.25", "a.example A !"},
         ROUTE_DNS_FAILED},
        {{"other.example A 192.0.2.1"}, ROUTE_NO_DOMAIN},
        {{"x.example TXT"}, ROUTE_NO_DATA},
        {{"x.example MX 0 "}, ROUTE_NULL_MX},
        {{"x.example MX !"}, ROUTE_DNS_FAILED},
        {{"x.example MX 10 mx.example", "mx.example A !"}, ROUTE_DNS_FAILED},
        {{"x.example MX 10 mx.example"}, ROUTE_NO_ADDRESS},
        {{"x.example MX 10 me.example", "me.example A 192.0.2.1"}, ROUTE_LOOP},
        {{"x.example A 192.0.2.1"}, ROUTE_OK},
        {{"+x.example MX 10 mx.example", "+mx.example A 192.0.2.1",
          "_25._tcp.mx.example TLSA !"},
         ROUTE_DNS_FAILED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct route r = found(cases[i].line, NULL, NULL);
        assert_int_equal(r.status, cases[i].status);
        assert_int_equal(r.hop_n > 0, r.status == ROUTE_OK);
        assert_int_equal(r.why != NULL,
                         r.status == ROUTE_DNS_FAILED || r.status == ROUTE_INNER);
    }
}

static void test_order(void **state)
{
    (void)state;
    unsigned rounds = 0;
    struct route r = found(ZONE("x.example MX 20 b.example", "x.example MX 10 a.example",
                                "a.example A 192.0.2.1", "a.example A 192.0.2.2",
                                "a.example AAAA 2001:db8::1", "b.example A 192.0.2.3"),
                           NULL, &rounds);
    assert_hops(&r, "a.example=2001:db8::1 a.example=192.0.2.1 a.example=192.0.2.2 "
                    "b.example=192.0.2.3 ");
    assert_true(slice_eq((struct slice){(unsigned char *)r.site, r.site_len},
                         SLICE("a.example,b.example")));
    assert_true(rounds <= 4); /* what is known to be needed is asked at once */
    r = found(ZONE("x.example MX 20 a.example", "x.example MX 10 me.example",
                   "x.example MX 5 b.example", "a.example A 192.0.2.1",
                   "b.example A 192.0.2.3"),
              NULL, NULL);
    assert_hops(&r, "b.example=192.0.2.3 ");
    r = found(ZONE("x.example MX 10 a.example", "x.example MX 20 b.example",
                   "a.example A !", "b.example A 192.0.2.3"),
              NULL, NULL);
    assert_hops(
        &r,
        "b.example=192.0.2.3 "); /* one that cannot be asked does not stop the others */
    struct route_ask q = {.domain = SLICE("x.example"), .no_ipv6 = true};
    r = found(ZONE("x.example AAAA 2001:db8::1", "x.example A 192.0.2.1"), &q, NULL);
    assert_hops(&r, "x.example=192.0.2.1 ");
}

static void test_equals_by_lot(void **state)
{
    (void)state;
    unsigned first_a = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct route_ask q = {.domain = SLICE("x.example"), .seed = seed};
        struct route r =
            found(ZONE("x.example MX 10 a.example", "x.example MX 10 b.example",
                       "a.example A 192.0.2.1", "b.example A 192.0.2.2"),
                  &q, NULL);
        assert_int_equal(r.hop_n, 2);
        first_a += r.hop[0].host.ptr[0] == 'a';
    }
    assert_true(first_a > 60 && first_a < 140);
}

static void test_many(void **state)
{
    (void)state;
    char line[40][40];
    const char *lines[41] = {NULL};
    for (unsigned i = 0; i < 20; i++) {
        (void)snprintf(line[2 * i], 40, "x.example MX %u m%02u.example", 100 - i, i);
        (void)snprintf(line[2 * i + 1], 40, "m%02u.example A 192.0.2.%u", i, i);
        lines[2 * i] = line[2 * i];
        lines[2 * i + 1] = line[2 * i + 1];
    }
    struct route r = found(lines, NULL, NULL);
    assert_int_equal(r.hop_n, ROUTE_MX_MAX);
    assert_true(slice_eq(r.hop[0].host, SLICE("m19.example")));
}

static void test_dane(void **state)
{
    (void)state;
    struct route r = found(ZONE("+x.example MX 10 a.example", "+a.example A 192.0.2.1",
                                "+_25._tcp.a.example TLSA data"),
                           NULL, NULL);
    assert_true(r.hop[0].secure && r.hop[0].tlsa != NULL);
    r = found(ZONE("x.example MX 10 a.example", "+a.example A 192.0.2.1",
                   "+_25._tcp.a.example TLSA data"),
              NULL, NULL);
    assert_true(!r.hop[0].secure &&
                r.hop[0].tlsa == NULL); /* the MX could be anybody's */
}

/* Addresses of inner networks are left out, except where they are allowed. */
static void test_inner(void **state)
{
    (void)state;
    const char *const *zone =
        ZONE("x.example MX 10 a.example", "x.example MX 20 b.example",
             "a.example A 192.168.7.7", "a.example A 192.0.2.1", "a.example AAAA fe80::1",
             "b.example A 10.1.1.1");
    struct route r = found(zone, NULL, NULL);
    assert_int_equal(r.status, ROUTE_OK);
    assert_null(r.why);
    assert_hops(&r, "a.example=192.0.2.1 ");
    struct netset inner;
    struct net net;
    netset_init(&inner, 4);
    assert_int_equal(net_parse(SLICE("10.0.0.0/8"), &net), NET_OK);
    assert_true(netset_add(&inner, &net));
    struct route_ask q = {.domain = SLICE("x.example"), .inner = &inner};
    r = found(zone, &q, NULL);
    assert_hops(&r, "a.example=192.0.2.1 b.example=10.1.1.1 ");
    netset_clear(&inner);
    r = found(ZONE("x.example A 169.254.169.254"), NULL, NULL);
    assert_int_equal(r.status, ROUTE_INNER);
    assert_string_equal(r.why, "link-local");
}

/* One of the hosts is us, under another name. */
static void test_own(void **state)
{
    (void)state;
    static const struct {
        const char *line[7];
        enum route_status status;
        const char *hops, *host;
    } cases[] = {
        {{"x.example MX 10 a.example", "a.example A 192.0.2.77"},
         ROUTE_LOOP,
         "",
         "a.example"},
        {{"x.example A 192.0.2.77"}, ROUTE_LOOP, "", "x.example"},
        {{"x.example AAAA 2001:db8::77", "x.example A 192.0.2.1"},
         ROUTE_LOOP,
         "",
         "x.example"},
        {{"x.example MX 10 a.example", "x.example MX 20 b.example",
          "x.example MX 30 c.example", "a.example A 192.0.2.1", "b.example A 192.0.2.77",
          "c.example A 192.0.2.3"},
         ROUTE_OK,
         "a.example=192.0.2.1 ",
         "b.example"},
        {{"x.example MX 20 a.example", "x.example MX 10 b.example",
          "a.example A 192.0.2.1", "b.example A 192.0.2.77"},
         ROUTE_LOOP,
         "",
         "b.example"},
        {{"x.example MX 10 a.example", "x.example MX 10 b.example",
          "a.example A 192.0.2.1", "b.example A 192.0.2.77"},
         ROUTE_LOOP,
         "",
         "b.example"},
        {{"x.example MX 10 a.example", "x.example MX 20 b.example", "a.example A !",
          "b.example A 192.0.2.77"},
         ROUTE_DNS_FAILED,
         "",
         "b.example"},
        {{"x.example MX 10 a.example", "a.example A 192.0.2.1"},
         ROUTE_OK,
         "a.example=192.0.2.1 ",
         ""},
    };
    struct netset ours;
    struct net net;
    netset_init(&ours, 4);
    assert_int_equal(net_parse(SLICE("192.0.2.77"), &net), NET_OK);
    assert_true(netset_add(&ours, &net));
    assert_int_equal(net_parse(SLICE("2001:db8::77"), &net), NET_OK);
    assert_true(netset_add(&ours, &net));
    struct route_ask q = {.domain = SLICE("x.example"),
                          .hostname = SLICE("me.example"),
                          .port = 25,
                          .ours = &ours};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct route r = found(cases[i].line, &q, NULL);
        assert_int_equal(r.status, cases[i].status);
        assert_hops(&r, cases[i].hops);
        assert_true(slice_eq(r.own_host, slice_of(cases[i].host)));
        assert_true(r.status != ROUTE_OK ||
                    slice_eq((struct slice){(const unsigned char *)r.site, r.site_len},
                             SLICE("a.example")));
    }
    struct route r;
    q.domain = SLICE("[192.0.2.77]");
    assert_true(route_literal(&q, &r));
    assert_int_equal(r.status, ROUTE_LOOP);
    netset_clear(&ours);
}

static void expect_base(const char *const *line, const char *base)
{
    struct route r = found(line, NULL, NULL);
    assert_int_equal(r.status, ROUTE_OK);
    assert_int_equal(r.hop[0].tlsa != NULL, base != NULL);
    assert_true(base == NULL || slice_eq(r.hop[0].tlsa_base, slice_of(base)));
}

/* RFC 7672 2.2.2 */
static void test_dane_alias(void **state)
{
    (void)state;
    expect_base(ZONE("+x.example MX 10 a.example", "+a.example A 192.0.2.1@b.example",
                     "+_25._tcp.a.example TLSA data", "+_25._tcp.b.example TLSA data"),
                "b.example");
    expect_base(ZONE("+x.example MX 10 a.example", "+a.example A 192.0.2.1@b.example",
                     "+_25._tcp.a.example TLSA data"),
                "a.example");
    /* what it leads to is not secure, the alias is */
    expect_base(ZONE("+x.example MX 10 a.example", "a.example A 192.0.2.1@b.example",
                     "+a.example CNAME b.example", "+_25._tcp.a.example TLSA data",
                     "+_25._tcp.b.example TLSA data"),
                "a.example");
    expect_base(ZONE("+x.example MX 10 a.example", "a.example A 192.0.2.1@b.example",
                     "a.example CNAME b.example", "+_25._tcp.a.example TLSA data"),
                NULL);
    struct route r =
        found(ZONE("+x.example MX 10 a.example", "+x.example MX 20 c.example",
                   "+a.example A 192.0.2.1@b.example", "+_25._tcp.b.example TLSA !",
                   "+_25._tcp.a.example TLSA data", "c.example A 192.0.2.3"),
              NULL, NULL);
    assert_hops(&r, "c.example=192.0.2.3 "); /* not a's own, where b's cannot be had */
}

static bool literal(const char *domain, struct route *out)
{
    return route_literal(&(struct route_ask){.domain = slice_of(domain)}, out);
}

static void test_literal(void **state)
{
    (void)state;
    struct route r;
    assert_true(literal("[192.0.2.1]", &r) && r.status == ROUTE_OK && r.hop_n == 1);
    assert_true(literal("[IPv6:2001:db8::1]", &r) && r.status == ROUTE_OK);
    assert_true(literal("[127.0.0.1]", &r) && r.status == ROUTE_INNER && r.hop_n == 0);
    assert_true(literal("[IPv6:::1]", &r) && r.status == ROUTE_INNER);
    assert_false(literal("[x]", &r) || literal("example.com", &r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status),        cmocka_unit_test(test_order),
        cmocka_unit_test(test_equals_by_lot), cmocka_unit_test(test_many),
        cmocka_unit_test(test_dane),          cmocka_unit_test(test_dane_alias),
        cmocka_unit_test(test_literal),       cmocka_unit_test(test_own),
        cmocka_unit_test(test_inner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
