/* tests/resolver_try.c - asks as a role would, for tests: resolver_try FILE.conf TYPE NAME...
 * Prints a line for each question, in their order, when all are answered:
 *   found|nodata|nxdomain|failed [secure] [bogus] ttl=N name=NAME [why=WHY] [DATA ...]
 * All questions are asked in one scope; with "--sandbox" first, as smtpd, after it was locked up. */
#include "base/clock.h"
#include "proc/sandbox.h"
#include "resolver/resolver.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUESTIONS_MAX = 300 };

static struct {
    enum dns_type type;
    struct slice name;
    const struct dns_answer *answer;
} questions[QUESTIONS_MAX];
static unsigned n;
static struct event_base *base;
static struct resolver_scope *scope;

static void print(const struct dns_answer *a, enum dns_type type)
{
    static const char *const words[] = {"found", "nodata", "nxdomain", "failed"};
    char ip[IP_TEXT_MAX];
    printf("%s%s%s ttl=%u name=%.*s", words[a->status], a->secure ? " secure" : "",
           a->bogus ? " bogus" : "", a->ttl, (int)a->name.len, (const char *)a->name.ptr);
    if (a->why != NULL) {
        printf(" why=%s", a->why);
    }
    for (unsigned i = 0; i < a->n; i++) {
        const struct dns_record *r = &a->record[i];
        if (type == DNS_A || type == DNS_AAAA) {
            (void)ip_text(&r->ip, ip);
            printf(" %s", ip);
        } else if (type == DNS_TXT) {
            printf(" %zu:%.*s", r->text.len, r->text.len > 40 ? 40 : (int)r->text.len,
                   (const char *)r->text.ptr);
        } else if (type == DNS_MX) {
            printf(" %u", r->preference);
        }
        printf(" %.*s", (int)r->name.len, (const char *)r->name.ptr);
    }
    printf("\n");
}

/* As an evaluator does: from the start, until nothing is missing. */
static void news(void *arg)
{
    const struct dns_source *source = resolver_scope_source(scope);
    bool waits = false;
    (void)arg;
    for (unsigned i = 0; i < n; i++) {
        questions[i].answer =
            source->ask(source->arg, questions[i].type, questions[i].name);
        waits |= questions[i].answer == NULL;
    }
    if (!waits) {
        (void)event_base_loopbreak(base);
    }
}

static enum dns_type type_of(const char *text)
{
    static const struct {
        const char *text;
        enum dns_type type;
    } types[] = {{"A", DNS_A},     {"AAAA", DNS_AAAA}, {"MX", DNS_MX},
                 {"TXT", DNS_TXT}, {"PTR", DNS_PTR},   {"CNAME", DNS_CNAME},
                 {"NS", DNS_NS},   {"SOA", DNS_SOA},   {"TLSA", DNS_TLSA}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(types[i].text, text) == 0) {
            return types[i].type;
        }
    }
    (void)fprintf(stderr, "resolver_try: what is %s?\n", text);
    exit(2);
}

int main(int argc, char **argv)
{
    static const struct resolver_ops ops = {.news = news};
    static struct config seen;
    struct config *config = NULL;
    char error[RESOLVER_ERROR_MAX];
    bool sandbox = argc > 1 && strcmp(argv[1], "--sandbox") == 0;
    int first = 2 + sandbox;
    if (argc < first || (argc - first) % 2 != 0 ||
        !config_load(argv[1 + sandbox], &config, error)) {
        (void)fprintf(stderr, "resolver_try: %s\n", argc < first ? "usage" : error);
        return 2;
    }
    for (int i = first; i + 1 < argc && n < QUESTIONS_MAX; i += 2) {
        questions[n].type = type_of(argv[i]);
        questions[n++].name = slice_of(argv[i + 1]);
    }
    seen = *config;
    base = event_base_new();
    struct resolver *resolver = resolver_new(base, &seen, error);
    if (resolver == NULL) {
        (void)fprintf(stderr, "resolver_try: %s\n", error);
        return 1;
    }
    if (sandbox) {
        sandbox_lock(ROLE_smtpd, &seen);
    }
    scope = resolver_scope_new(resolver, &ops, NULL);
    uint64_t start = clock_mono_ms();
    news(NULL);
    if (resolver_scope_waits(scope)) {
        (void)event_base_dispatch(base);
    }
    for (unsigned i = 0; i < n; i++) {
        print(questions[i].answer, questions[i].type);
    }
    printf("%llu ms\n", (unsigned long long)(clock_mono_ms() - start));
    resolver_scope_free(&scope);
    resolver_free(&resolver);
    event_base_free(base);
    config_free(&config);
    return 0;
}
