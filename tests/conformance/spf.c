/* tests/conformance/spf.c - cases of kind "spf". Each is played three times: all answers known at
 * once, and one answer at a time, the oldest and the newest question first; all must agree. */
#include "conformance.h"

#include "senderauth/spf.h"

#include <string.h>

struct asking {
    struct zone *zone;
    const struct spf_query *query;
    struct spf *out;
};

static bool ask(void *arg)
{
    const struct asking *a = arg;
    return spf_check(&a->zone->source, a->query, a->out);
}

static bool same(const struct spf *a, const struct spf *b)
{
    return a->result == b->result && a->problem == b->problem && a->terms == b->terms &&
           a->voids == b->voids && a->lookups == b->lookups && a->step_n == b->step_n &&
           slice_eq(a->term, b->term) && slice_eq(a->by, b->by) &&
           slice_eq(a->target, b->target) && slice_eq(a->explanation, b->explanation);
}

static void expect_explanation(struct run *run, const json_t *one, const struct spf *spf)
{
    json_t *wanted = json_object_get(one, "explanation");
    const json_t *defaults = json_object_get(run->suite, "defaults");
    struct slice got = spf->explanation.len > 0
                           ? spf->explanation
                           : slice_of(text_of(defaults, "default_explanation"));
    if (wanted != NULL && !json_is_null(wanted) && !slice_eq(octets(run, wanted), got)) {
        wrong(run, "explanation is \"%.*s\", not \"%s\"", (int)got.len,
              (const char *)got.ptr, json_string_value(wanted));
    }
}

static void play(struct run *run, const json_t *dns, const json_t *one)
{
    struct spf_query query = {
        .helo = octets(run, json_object_get(one, "helo")),
        .mail_from = octets(run, json_object_get(one, "mailfrom")),
        .receiver =
            slice_of(text_of(json_object_get(run->suite, "defaults"), "receiver")),
        .now_s = 1700000000,
    };
    if (!ip_parse(slice_of(text_of(one, "ip")), &query.ip)) {
        wrong(run, "its address is none");
        return;
    }
    struct spf *spf = arena_alloc(&run->arena, 3 * sizeof *spf);
    if (spf == NULL) {
        wrong(run, "no memory");
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        struct zone zone;
        zone_init(&zone, run, dns, NULL);
        zone.slow = i > 0;
        if (!zone_play(&zone, i == 2, ask, &(struct asking){&zone, &query, &spf[i]})) {
            return;
        }
    }
    if (!same(&spf[0], &spf[1]) || !same(&spf[0], &spf[2])) {
        wrong(run, "the outcome depends on when answers come");
    }
    expect_word(run, "result", json_object_get(one, "result"),
                spf_result_name(spf[0].result));
    if (spf[0].result == SPF_FAIL) {
        expect_explanation(run, one, &spf[0]);
    }
    if (run->why.len > 0 && spf[0].problem != NULL) {
        wrong(run, "(%s: %.*s)", spf[0].problem, (int)spf[0].term.len,
              (const char *)spf[0].term.ptr);
    }
}

void run_spf(struct run *run)
{
    const json_t *scenarios = json_object_get(run->suite, "scenarios");
    for (size_t i = 0; i < json_array_size(scenarios); i++) {
        const json_t *scenario = json_array_get(scenarios, i);
        const json_t *cases = json_object_get(scenario, "cases");
        for (size_t j = 0; j < json_array_size(cases); j++) {
            const json_t *one = json_array_get(cases, j);
            case_begin(run, text_of(one, "id"));
            play(run, json_object_get(scenario, "dns"), one);
            case_end(run);
        }
    }
}
