/* Suites of kind "mta-sts": records, policies, MX names, and what is done with what was found. */
#include "conformance.h"
#include "delivery/tls_need.h"

#include <string.h>

/* An outcome that the suite calls tolerable is not held against us, whichever it is. */
static void judge(struct run *run, const json_t *test, const char *fault)
{
    bool valid = json_is_true(json_object_get(test, "valid"));
    if (valid != (fault == NULL)) {
        wrong(run, "%s", fault == NULL ? "taken" : fault);
    }
}

static void play_txt(struct run *run, const json_t *test)
{
    struct slice id = {0};
    const json_t *want = json_object_get(test, "policy_id");
    const char *fault = sts_record_parse(octets(run, json_object_get(test, "text")), &id);
    judge(run, test, fault);
    if (fault == NULL && json_is_string(want) && !slice_eq(id, octets(run, want))) {
        wrong(run, "id %.*s", (int)id.len, (const char *)id.ptr);
    }
}

static void compare_policy(struct run *run, const json_t *test,
                           const struct sts_policy *p)
{
    const json_t *mx = json_object_get(test, "mx"),
                 *age = json_object_get(test, "max_age");
    struct slice rest = p->text, one;
    size_t n = 0;
    expect_word(run, "mode", json_object_get(test, "mode"), sts_mode_name(p->mode));
    if (json_is_integer(age) && json_integer_value(age) != (json_int_t)p->max_age_s) {
        wrong(run, "max_age %u", p->max_age_s);
    }
    while (sts_policy_next_mx(&rest, &one)) {
        if (!slice_eq(one, octets(run, json_array_get(mx, n++)))) {
            wrong(run, "mx %.*s", (int)one.len, (const char *)one.ptr);
        }
    }
    if (json_is_array(mx) && n != json_array_size(mx)) {
        wrong(run, "%zu mx", n);
    }
}

static void play_policy(struct run *run, const json_t *test)
{
    struct sts_policy p;
    const char *fault = sts_policy_parse(octets(run, json_object_get(test, "text")), &p);
    judge(run, test, fault);
    if (fault == NULL && json_is_true(json_object_get(test, "valid"))) {
        compare_policy(run, test, &p);
    }
}

static void play_match(struct run *run, const json_t *test)
{
    bool got = sts_mx_matches(octets(run, json_object_get(test, "pattern")),
                              octets(run, json_object_get(test, "host")));
    if (got != json_is_true(json_object_get(test, "match"))) {
        wrong(run, got ? "matches" : "does not match");
    }
}

static bool says(const char *text, const char *words)
{
    return slice_isearch(slice_of(text), slice_of(words)) < strlen(text);
}

/* What a policy with that mode makes of its domain's mail over a host that it names or does not, that has a
 * good certificate or does not. */
static const char *outcome(enum sts_mode mode, bool allows, bool good)
{
    struct tls_ask ask = {.sts = true, .mode = mode, .sts_allows = allows};
    struct tls_need need;
    tls_need_of(&ask, &need);
    if (need.unfit != NULL || (need.verify == TLS_VERIFY_NAME && !good)) {
        return "defer";
    }
    bool told =
        need.counted != TLS_RPT_SUCCESS || (need.verify == TLS_VERIFY_LOOK && !good);
    return told ? "deliver+report" : "deliver";
}

/* The suite tells the situation in words. */
static void play_decision(struct run *run, const json_t *test)
{
    const char *situation = text_of(test, "situation");
    const json_t *expect = json_object_get(test, "expect");
    bool no_txt = says(situation, "no TXT") || says(situation, "several TXT") ||
                  says(situation, "two TXT") || says(situation, "multiple TXT");
    bool txt_fails = says(situation, "TXT timeout") || says(situation, "SERVFAIL");
    bool expired = says(situation, "expired cache") && !says(situation, "unexpired");
    bool cached = (says(situation, "cached policy") || says(situation, "unexpired") ||
                   json_is_string(json_object_get(test, "cache"))) &&
                  !expired;
    struct sts_record record = {.status = no_txt      ? STS_RECORD_NONE
                                          : txt_fails ? STS_RECORD_FAILED
                                                      : STS_RECORD_OK,
                                .id = SLICE("new")};
    bool same = says(situation, "same id") || says(situation, "id same") ||
                says(situation, "unchanged");
    struct sts_known known = {.cached = cached, .id = same ? SLICE("new") : SLICE("old")};
    bool unverified = says(situation, "certificate") && says(situation, "MX ");
    bool matters = says(situation, "testing") || says(situation, "mode none") ||
                   says(situation, "MX not") || unverified ||
                   (says(situation, "enforce") && !cached && !no_txt && !txt_fails);
    if (matters) {
        enum sts_mode mode = says(situation, "testing")     ? STS_TESTING
                             : says(situation, "mode none") ? STS_NONE
                                                            : STS_ENFORCE;
        bool bad = says(situation, "certificate") || says(situation, "STARTTLS");
        expect_word(run, "outcome", expect,
                    outcome(mode, !says(situation, "not in policy"), !bad));
        return;
    }
    enum sts_step step = sts_step(&record, &known);
    if (step == STS_FETCH) { /* all that the suite lets happen is a failure */
        known.failed = true;
        step = sts_step(&record, &known);
    }
    expect_word(run, "step", expect, step == STS_USE_CACHED ? "use-cached" : "no-sts");
}

void run_mta_sts(struct run *run)
{
    static const struct {
        const char *kind;
        void (*play)(struct run *run, const json_t *test);
    } kinds[] = {{"txt", play_txt},
                 {"policy", play_policy},
                 {"mx-match", play_match},
                 {"decision", play_decision}};
    const json_t *test;
    size_t i;
    json_array_foreach(json_object_get(run->suite, "cases"), i, test)
    {
        size_t kind = 0;
        case_begin(run, text_of(test, "id"));
        while (kind < sizeof kinds / sizeof kinds[0] &&
               strcmp(kinds[kind].kind, text_of(test, "kind")) != 0) {
            kind++;
        }
        if (kind < sizeof kinds / sizeof kinds[0]) {
            kinds[kind].play(run, test);
        } else {
            wrong(run, "a kind that is not known: %s", text_of(test, "kind"));
        }
        case_end(run);
    }
}
