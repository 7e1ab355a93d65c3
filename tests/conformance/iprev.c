/* Suites of kind "iprev": an address, and whether its name leads back to it. */
#include "conformance.h"
#include "senderauth/ptr.h"

/* One for the PTR records, and one for each name that is looked at. */
enum { QUESTIONS_MAX = 1 + PTR_NAMES_MAX };

/* slow: answers come one by one, the newest or the oldest first. The outcome is the same. */
static void play(struct run *run, const json_t *test, bool slow, bool newest)
{
    struct zone zone;
    struct ip ip;
    struct ptr ptr;
    if (!ip_parse(slice_of(text_of(test, "ip")), &ip)) {
        wrong(run, "its ip is no address");
        return;
    }
    zone_init(&zone, run, json_object_get(run->suite, "dns"),
              json_object_get(test, "dns"));
    zone.slow = slow;
    while (!ptr_check(&zone.source, &ip, &ptr)) {
        if (!zone_reveal(&zone, newest)) {
            wrong(run, "waits for nothing");
            return;
        }
    }
    expect_word(run, "result", json_object_get(test, "result"),
                ptr_result_name(ptr.result));
    const json_t *name = json_object_get(test, "name");
    if (json_is_string(name) && ptr.result == PTR_PASS &&
        !slice_eq(ptr.name, octets(run, name))) {
        wrong(run, "name %.*s", (int)ptr.name.len, (const char *)ptr.name.ptr);
    }
    if (zone.asked > QUESTIONS_MAX) {
        wrong(run, "%u questions", zone.asked);
    }
}

void run_iprev(struct run *run)
{
    const json_t *test;
    size_t i;
    json_array_foreach(json_object_get(run->suite, "cases"), i, test)
    {
        case_begin(run, text_of(test, "id"));
        play(run, test, false, false);
        play(run, test, true, false);
        play(run, test, true, true);
        case_end(run);
    }
}
