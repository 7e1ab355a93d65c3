/* delivery/sts_test.c - see sts.h; the DNS and the policy hosts are the test's, the files are real */
#include "base/clock.h"
#include "delivery/sts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLICY "version: STSv1\nmode: enforce\nmx: mx.a.test\nmax_age: 86400\n"

static struct {
    const char *txt; /* NULL: there is none */
    const char *ip;
    bool txt_fails, slow;
    unsigned asked_for_host;
    struct dns_record record[2];
    struct dns_answer answer[2];
} dns;

static const struct dns_answer *ask(void *arg, enum dns_type type, struct slice name)
{
    static const struct dns_answer nothing = {.status = DNS_NXDOMAIN};
    static const struct dns_answer fails = {.status = DNS_FAILED, .why = "timeout"};
    (void)arg;
    if (dns.slow) {
        return NULL;
    }
    if (type == DNS_TXT) {
        assert_true(slice_starts(name, SLICE("_mta-sts.")));
        dns.record[0] = (struct dns_record){.text = slice_of(dns.txt)};
        dns.answer[0] = (struct dns_answer){.record = &dns.record[0], .n = 1};
        return dns.txt_fails ? &fails : dns.txt == NULL ? &nothing : &dns.answer[0];
    }
    assert_true(slice_starts(name, SLICE("mta-sts.")));
    dns.asked_for_host++;
    if (type != DNS_A || dns.ip == NULL) {
        return &nothing;
    }
    assert_true(ip_parse(slice_of(dns.ip), &dns.record[1].ip));
    dns.answer[1] = (struct dns_answer){.record = &dns.record[1], .n = 1};
    return &dns.answer[1];
}

static const struct dns_source source = {.ask = ask};

static struct {
    char dir[64];
    int fd;
    struct config config;
    struct sts *sts;
    struct sts_fetch *fetch; /* begun */
    unsigned fetches, news;
    bool full;
} t;

static bool begin(void *arg, struct sts_fetch *f)
{
    (void)arg;
    if (t.full) {
        return false;
    }
    assert_null(t.fetch);
    t.fetch = f;
    t.fetches++;
    return true;
}

static void on_news(void *arg)
{
    (void)arg;
    t.news++;
}

static void renew(void)
{
    struct sts_options options = {.config = &t.config, .dir = t.fd, .fetch = begin};
    sts_free(&t.sts);
    t.sts = sts_new(&options);
    assert_non_null(t.sts);
    sts_listen(t.sts, on_news, NULL);
}

static int setup(void **state)
{
    (void)state;
    memset(&dns, 0, sizeof dns);
    memset(&t, 0, sizeof t);
    dns.txt = "v=STSv1; id=1";
    dns.ip = "192.0.2.1";
    t.config.delivery_mta_sts_cache = 16;
    t.config.delivery_mta_sts_port = 443;
    (void)snprintf(t.dir, sizeof t.dir, "/tmp/sts-test-XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    t.fd = open(t.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    renew();
    return 0;
}

static int teardown(void **state)
{
    char command[128];
    (void)state;
    sts_free(&t.sts);
    (void)close(t.fd);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", t.dir);
    return system(command);
}

/* The fetch that runs ends so; NULL: it fails. */
static void come(const char *text)
{
    struct sts_fetch *f = t.fetch;
    struct sts_policy p;
    assert_non_null(f);
    t.fetch = NULL;
    buf_init(&f->text, STS_POLICY_MAX);
    f->res = text == NULL ? POLICY_GET_FAILED : POLICY_GET_OK;
    f->fault = text == NULL ? NULL : sts_policy_parse(slice_of(text), &p);
    (void)buf_add_str(&f->text, text == NULL ? "" : text);
    sts_fetched(f);
}

/* -1: not known yet; 0: no policy; 1: one that allows the host. */
static int policy_for(const char *host)
{
    struct sts_view v;
    if (!sts_ask(t.sts, &source, SLICE("a.test"), &v)) {
        return -1;
    }
    return !v.found ? 0 : sts_policy_allows(&v.policy, slice_of(host)) ? 1 : 2;
}

static void fetches_once(void **state)
{
    (void)state;
    dns.slow = true;
    assert_int_equal(policy_for("mx.a.test"), -1);
    dns.slow = false;
    assert_int_equal(policy_for("mx.a.test"), -1);
    assert_int_equal(policy_for("mx.a.test"), -1);
    assert_int_equal(t.fetches, 1);
    assert_string_equal(t.fetch->id, "1");
    assert_int_equal(t.fetch->get.ip_n, 1);
    come(POLICY);
    assert_int_equal(t.news, 1);
    assert_int_equal(policy_for("mx.a.test"), 1);
    assert_int_equal(policy_for("mx.b.test"), 2);
    dns.txt = NULL; /* no record any more, or none that can be had: it holds */
    assert_int_equal(policy_for("mx.a.test"), 1);
    dns.txt_fails = true;
    assert_int_equal(policy_for("mx.a.test"), 1);
    assert_int_equal(t.fetches, 1);
    assert_int_equal(dns.asked_for_host, 2); /* both families */
}

static void another_id(void **state)
{
    (void)state;
    assert_int_equal(policy_for("mx.a.test"), -1);
    come(POLICY);
    dns.txt = "v=STSv1; id=2";
    assert_int_equal(policy_for("mx.a.test"), -1);
    come(NULL);
    assert_int_equal(policy_for("mx.a.test"), 1); /* the one before, and no fetch now */
    assert_int_equal(t.fetches, 2);
    dns.txt = "v=STSv1; id=3";
    assert_int_equal(policy_for("mx.a.test"), -1);
    come("version: STSv1\nmode: none\nmax_age: 1\n");
    assert_int_equal(policy_for("mx.a.test"), 0);
    assert_int_equal(t.fetches, 3);
}

static void nothing_to_have(void **state)
{
    (void)state;
    assert_int_equal(policy_for("mx.a.test"), -1);
    come("no policy");
    assert_int_equal(policy_for("mx.a.test"), 0);
    assert_int_equal(t.fetches, 1);
    dns.txt = "v=STSv1; id=2";
    dns.ip = "10.0.0.1"; /* the DNS of others does not aim us at our own network */
    assert_int_equal(policy_for("mx.a.test"), 0);
    dns.txt = "v=STSv1; id=3";
    dns.ip = NULL;
    assert_int_equal(policy_for("mx.a.test"), 0);
    dns.txt = "v=STSv1; id=4";
    dns.ip = "192.0.2.1";
    t.full = true; /* too much to do: this mail goes without, the next one asks again */
    assert_int_equal(policy_for("mx.a.test"), 0);
    t.full = false;
    assert_int_equal(policy_for("mx.a.test"), -1);
    come("version: STSv1\nmode: enforce\nmx: mx.a.test\nmax_age: 0\n");
    assert_int_equal(policy_for("mx.a.test"),
                     1); /* the mail that waited for it is bound by it */
    assert_int_equal(t.news, 2);
}

static void put_file(const char *name, const char *fmt, long long fetched,
                     long long expires, const char *policy)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", t.dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fprintf(f, "%s %lld %lld\n%s", fmt, fetched, expires, policy) > 0);
    assert_int_equal(fclose(f), 0);
}

static void files(void **state)
{
    (void)state;
    long long now = (long long)(clock_wall_ms() / 1000);
    dns.txt = NULL;
    static const struct {
        const char *front, *policy;
        long long fetched, expires; /* from now */
        int want;
    } cases[] = {
        {"mta-sts 1 1", POLICY, -10, 1000, 1},
        {"mta-sts 1 1", POLICY, -10, -1, 0},       /* over */
        {"mta-sts 1 1", POLICY, 10, 1000, 0},      /* of tomorrow */
        {"mta-sts 1 1", POLICY, -10, 40000000, 0}, /* longer than any may hold */
        {"mta-sts 1 1", "version: STSv1\n", -10, 1000, 0},
        {"mta-sts 1 1", "", -10, 1000, 0},
        {"mta-sts 2 1", POLICY, -10, 1000, 0},
        {"", "", -10, 1000, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_file("s-a.test", cases[i].front, now + cases[i].fetched,
                 now + cases[i].expires, cases[i].policy);
        renew();
        if (policy_for("mx.a.test") != cases[i].want) {
            fail_msg("case %zu", i);
        }
    }
    /* What another process has kept meanwhile is taken before anything is fetched. */
    dns.txt = "v=STSv1; id=7";
    put_file("s-a.test", "mta-sts 1 7", now - 10, now + 1000, POLICY);
    assert_int_equal(policy_for("mx.a.test"), 1);
    assert_int_equal(t.fetches, 0);
    /* What is over goes at the start. */
    put_file("s-b.test", "mta-sts 1 7", now - 10, now - 1, POLICY);
    renew();
    char path[128];
    (void)snprintf(path, sizeof path, "%s/s-b.test", t.dir);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void grown_old(void **state)
{
    (void)state;
    long long now = (long long)(clock_wall_ms() / 1000);
    put_file("s-a.test", "mta-sts 1 1", now - STS_REFRESH_S - 1, now + 1000, POLICY);
    assert_int_equal(policy_for("mx.a.test"), 1); /* nobody waits for the new one */
    assert_int_equal(t.fetches, 1);
    come(NULL);
    assert_int_equal(policy_for("mx.a.test"), 1);
    assert_int_equal(t.fetches, 1);
}

static void many_domains(void **state)
{
    (void)state;
    struct sts_view v;
    for (unsigned i = 0; i < 200; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "d%u.test", i);
        assert_false(sts_ask(t.sts, &source, slice_of(name), &v));
        come(POLICY);
        assert_true(sts_ask(t.sts, &source, slice_of(name), &v) && v.found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(fetches_once, setup, teardown),
        cmocka_unit_test_setup_teardown(another_id, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_to_have, setup, teardown),
        cmocka_unit_test_setup_teardown(files, setup, teardown),
        cmocka_unit_test_setup_teardown(grown_old, setup, teardown),
        cmocka_unit_test_setup_teardown(many_domains, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
