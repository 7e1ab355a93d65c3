/* resolver/resolver_test.c - scopes, against a DNS server inside this process. What it answers depends
 * on the first letter of the name: s nothing, n NXDOMAIN without SOA, z an address with TTL 0, else one. */
#include "resolver/resolver.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { TIMEOUT_MS = 300, BUDGET_MS = 500, QUESTIONS = 10 };

static struct event_base *base;
static struct event *server;
static struct config *config;
static struct resolver *resolver;
static unsigned served;

/* --- the server --- */

static size_t answer(unsigned char *m, size_t len)
{
    static const unsigned char record[] = {0xc0, 12, 0, 1, 0,   1, 0, 0,
                                           0,    60, 0, 4, 192, 0, 2, 1};
    size_t end = 12;
    while (end < len && m[end] != 0) {
        end += m[end] + 1U;
    }
    end += 5; /* behind the question; what stands there is EDNS */
    if (end > len) {
        return 0;
    }
    char kind = (char)ascii_lower(m[13]);
    m[2] = 0x81;
    m[3] = kind == 'n' ? 0x83 : 0x80;
    memset(m + 6, 0, 6);
    if (kind == 'n') {
        return end;
    }
    m[7] = 1;
    memcpy(m + end, record, sizeof record);
    m[end + 9] = kind == 'z' ? 0 : 60;
    return end + sizeof record;
}

static void serve(evutil_socket_t fd, short what, void *arg)
{
    unsigned char m[1500];
    struct sockaddr_in from;
    socklen_t from_len = sizeof from;
    (void)what;
    (void)arg;
    ssize_t n = recvfrom(fd, m, sizeof m - 32, 0, (struct sockaddr *)&from, &from_len);
    if (n < 17) {
        return;
    }
    served++;
    if (ascii_lower(m[13]) == 's') {
        return;
    }
    size_t len = answer(m, (size_t)n);
    (void)!sendto(fd, m, len, 0, (struct sockaddr *)&from, from_len);
}

/* --- who asks --- */

struct asker {
    struct resolver_scope *scope;
    const char *names[16];
    const struct dns_answer *answers[16];
    unsigned n, news, told;
    struct asker *ends; /* at its news, that one's scope ends too */
    bool end_self;
};

static void ask_all(struct asker *a)
{
    const struct dns_source *s = resolver_scope_source(a->scope);
    for (unsigned i = 0; i < a->n; i++) {
        a->answers[i] = s->ask(s->arg, DNS_A, slice_of(a->names[i]));
    }
}

static void on_news(void *arg)
{
    struct asker *a = arg;
    a->news++;
    if (a->ends != NULL) {
        resolver_scope_free(&a->ends->scope);
    }
    if (a->end_self) {
        resolver_scope_free(&a->scope);
        return;
    }
    ask_all(a);
}

static void on_told(void *arg, enum dns_type type, struct slice name,
                    const struct dns_answer *answer, uint64_t ms)
{
    struct asker *a = arg;
    assert_int_equal(type, DNS_A);
    assert_true(name.len > 0);
    assert_non_null(answer);
    assert_true(ms < 5000);
    a->told++;
}

static void start(struct asker *a)
{
    static const struct resolver_ops ops = {.news = on_news, .told = on_told};
    a->scope = resolver_scope_new(resolver, &ops, a);
    assert_non_null(a->scope);
    while (a->names[a->n] != NULL) {
        a->n++;
    }
    ask_all(a);
}

static void run(unsigned ms)
{
    struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    (void)event_base_loopexit(base, &t);
    (void)event_base_dispatch(base);
}

static void run_until_done(const struct asker *a)
{
    uint64_t end = clock_mono_ms() + 5000;
    while (a->scope != NULL && resolver_scope_waits(a->scope) && clock_mono_ms() < end) {
        (void)event_base_loop(base, EVLOOP_ONCE);
    }
    (void)event_base_loop(base, EVLOOP_NONBLOCK);
}

/* --- tests --- */

static void test_asks_once(void **state)
{
    struct asker a = {.names = {"a.once", "A.once", "a.once", "n.once"}};
    struct asker b = {.names = {"a.once"}};
    (void)state;
    served = 0;
    start(&a);
    start(&b);
    assert_null(a.answers[0]);
    assert_int_equal(a.news, 0); /* never from inside a call */
    run_until_done(&a);
    run_until_done(&b);
    assert_int_equal(served, 2);
    assert_ptr_equal(a.answers[0], a.answers[1]);
    assert_int_equal(a.answers[0]->status, DNS_FOUND);
    assert_int_equal(a.answers[0]->record[0].ip.octet[15], 1);
    assert_int_equal(a.answers[3]->status, DNS_NXDOMAIN);
    assert_int_equal(a.told, 2);
    assert_int_equal(b.told, 1);
    assert_true(a.news >= 1 && b.news == 1);
    resolver_scope_free(&a.scope);
    resolver_scope_free(&b.scope);

    struct asker later = {.names = {"a.once"}}; /* from the cache, at once */
    start(&later);
    assert_non_null(later.answers[0]);
    assert_int_equal(later.told, 1);
    (void)event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(later.news, 0);
    assert_int_equal(served, 2);
    resolver_scope_free(&later.scope);
}

static void test_names(void **state)
{
    struct asker a = {.names = {"a..b", ".", "a b\\c.\"names"}};
    (void)state;
    start(&a);
    assert_int_equal(a.answers[0]->status, DNS_NXDOMAIN);
    assert_int_equal(a.answers[1]->status, DNS_NXDOMAIN);
    run_until_done(&a);
    assert_int_equal(a.answers[2]->status, DNS_FOUND);
    assert_true(slice_eq(a.answers[2]->name, SLICE("a b\\c.\"names")));
    resolver_scope_free(&a.scope);
}

/* TTL 0 is asked again, but not within one scope. */
static void test_ttl(void **state)
{
    struct asker a = {.names = {"z.ttl"}};
    struct asker b = {.names = {"z.ttl"}};
    (void)state;
    start(&a);
    run_until_done(&a);
    const struct dns_answer *first = a.answers[0];
    assert_int_equal(first->ttl, 0);
    ask_all(&a);
    assert_ptr_equal(a.answers[0], first);
    start(&b);
    run_until_done(&b);
    assert_int_equal(b.answers[0]->status, DNS_FOUND);
    resolver_scope_free(&b.scope);
    assert_int_equal(a.answers[0]->status, DNS_FOUND); /* its own still */
    resolver_scope_free(&a.scope);
}

static void test_timeout(void **state)
{
    struct asker a = {.names = {"s.timeout", "a.timeout"}};
    (void)state;
    uint64_t start_ms = clock_mono_ms();
    start(&a);
    run_until_done(&a);
    uint64_t took = clock_mono_ms() - start_ms;
    assert_int_equal(a.answers[0]->status, DNS_FAILED);
    assert_string_equal(a.answers[0]->why, "timeout");
    assert_int_equal(a.answers[1]->status, DNS_FOUND);
    assert_true(took >= TIMEOUT_MS && took < TIMEOUT_MS + 300);
    /* one more wait of the kind, and the budget is spent: also for what would be known soon */
    a.names[2] = "s2.timeout";
    a.n = 3;
    ask_all(&a);
    start_ms = clock_mono_ms();
    run_until_done(&a);
    took = clock_mono_ms() - start_ms;
    assert_string_equal(a.answers[2]->why, "timeout");
    assert_true(took < TIMEOUT_MS);
    a.names[3] = "b.timeout";
    a.n = 4;
    ask_all(&a);
    assert_int_equal(a.answers[3]->status, DNS_FAILED);
    assert_int_equal(a.answers[1]->status, DNS_FOUND); /* what it knew it knows */
    assert_int_equal(a.told, 4);
    resolver_scope_free(&a.scope);
}

/* The budget is of waiting, not of the scope's life. */
static void test_rest_is_free(void **state)
{
    struct asker a = {.names = {"a.rest"}};
    (void)state;
    start(&a);
    run_until_done(&a);
    run(BUDGET_MS + 200);
    a.names[1] = "b.rest";
    a.n = 2;
    ask_all(&a);
    run_until_done(&a);
    assert_int_equal(a.answers[1]->status, DNS_FOUND);
    resolver_scope_free(&a.scope);
}

static void test_too_many(void **state)
{
    struct asker a = {.names = {"a.m", "b.m", "c.m", "d.m", "e.m", "f.m", "g.m", "h.m",
                                "i.m", "j.m", "k.m"}};
    (void)state;
    start(&a);
    assert_int_equal(a.n, QUESTIONS + 1);
    assert_string_equal(a.answers[QUESTIONS]->why, "too many questions");
    run_until_done(&a);
    assert_int_equal(a.answers[QUESTIONS - 1]->status, DNS_FOUND);
    resolver_scope_free(&a.scope);
}

/* A scope may end while its questions are open, and from inside news, its own too. */
static void test_end(void **state)
{
    struct asker a = {.names = {"a.end", "s.end"}};
    struct asker b = {.names = {"a.end"}};
    struct asker c = {.names = {"a.end"}};
    (void)state;
    start(&a);
    start(&b);
    start(&c);
    b.ends = &c;
    b.end_self = true;
    c.ends = &b; /* whichever hears first */
    c.end_self = true;
    resolver_scope_free(&a.scope);
    run(200);
    assert_int_equal(a.news, 0);
    assert_int_equal(b.news + c.news, 1);
    assert_null(b.scope);
    assert_null(c.scope);
    struct asker d = {.names = {"a.end"}}; /* nobody waited for nothing */
    start(&d);
    assert_non_null(d.answers[0]);
    resolver_scope_free(&d.scope);
}

static void test_bad_config(void **state)
{
    char error[RESOLVER_ERROR_MAX];
    static struct config bad;
    static char missing[] = "/nonexistent/root.key";
    static char no_key[] = "/etc/passwd";
    (void)state;
    bad = *config;
    bad.dns_trust_anchors = (struct config_list){.item = {missing}, .n = 1};
    assert_null(resolver_new(base, &bad, error));
    assert_non_null(strstr(error, "/nonexistent/root.key: No such file"));
    bad.dns_trust_anchors.item[0] = no_key;
    assert_null(resolver_new(base, &bad, error));
    assert_non_null(strstr(error, "trust-anchors"));
}

static bool load(const char *text)
{
    char path[] = "/tmp/postern-resolver-XXXXXX";
    char error[CONFIG_ERROR_MAX];
    int fd = mkstemp(path);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
              config_load(path, &config, error);
    (void)close(fd);
    (void)unlink(path);
    return ok;
}

static int begin(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    char text[600], error[RESOLVER_ERROR_MAX];
    (void)state;
    base = event_base_new();
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (base == NULL || bind(fd, (struct sockaddr *)&a, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        return 1;
    }
    server = event_new(base, fd, EV_READ | EV_PERSIST, serve, NULL);
    (void)event_add(server, NULL);
    (void)snprintf(
        text, sizeof text,
        "hostname = \"mx.example\"\n"
        "listener \"mx\" { address = {\"127.0.0.1:2525\"} service = mx tls = none }\n"
        "dns { forward = {\"127.0.0.1@%u\"} timeout = \"%d ms\" budget = \"%d ms\" "
        "questions = %d }\n",
        ntohs(a.sin_port), TIMEOUT_MS, BUDGET_MS, QUESTIONS);
    if (!load(text)) {
        return 1;
    }
    resolver = resolver_new(base, config, error);
    return resolver == NULL;
}

static int finish(void **state)
{
    (void)state;
    resolver_free(&resolver);
    config_free(&config);
    (void)close(event_get_fd(server));
    event_free(server);
    event_base_free(base);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks_once),    cmocka_unit_test(test_names),
        cmocka_unit_test(test_ttl),          cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_rest_is_free), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_end),          cmocka_unit_test(test_bad_config),
    };
    return cmocka_run_group_tests(tests, begin, finish);
}
