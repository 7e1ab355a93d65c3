/* message/header_scan_test.c - a table of header sections, each whole and cut everywhere. */
#include "message/header_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *name;
    struct slice in;
    unsigned fields, received;
    size_t octets; /* of the header section */
    bool done;
} cases[] = {
    {"empty", SLICE_INIT(""), 0, 0, 0, false},
    {"one field", SLICE_INIT("Subject: x\r\n\r\nbody"), 1, 0, 14, true},
    {"no body", SLICE_INIT("Subject: x\r\n"), 1, 0, 12, false},
    {"received", SLICE_INIT("Received: a\r\nRECEIVED:b\r\nX: Received: c\r\n\r\n"), 3, 2,
     43, true},
    {"folded", SLICE_INIT("Received: a\r\n Received: b\r\n\tReceived: c\r\n\r\n"), 1, 1,
     43, true},
    {"in the body", SLICE_INIT("A: b\r\n\r\nReceived: c\r\n"), 1, 0, 8, true},
    {"blank before colon", SLICE_INIT("Received : a\r\n\r\n"), 1, 1, 16, true},
    {"longer name", SLICE_INIT("X-Received: a\r\nReceived-SPF: b\r\n\r\n"), 2, 0, 34,
     true},
    {"no colon ends it", SLICE_INIT("A: b\r\nhello\r\nReceived: c\r\n"), 1, 0, 13, true},
};

static void check(const struct header_scan *h, size_t i)
{
    if (h->field_n != cases[i].fields || h->received_n != cases[i].received ||
        h->octets != cases[i].octets || h->done != cases[i].done) {
        fail_msg("%s: %u fields, %u received, %zu octets, done %d", cases[i].name,
                 h->field_n, h->received_n, h->octets, h->done);
    }
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t cut = 0; cut <= cases[i].in.len; cut++) {
            struct header_scan h;
            header_scan_init(&h);
            header_scan_feed(&h, slice_sub(cases[i].in, 0, cut));
            header_scan_feed(&h, slice_from(cases[i].in, cut));
            check(&h, i);
        }
        struct header_scan h;
        header_scan_init(&h);
        for (size_t at = 0; at < cases[i].in.len; at++) {
            header_scan_feed(&h, slice_sub(cases[i].in, at, 1));
        }
        check(&h, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
