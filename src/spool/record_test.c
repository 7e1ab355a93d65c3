/* Tests of record.c. */
#include "spool/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct spool_header sample = {
    .segment = 0x0000000712345678,
    .message_len = 10001,
    .envelope_len = 77,
    .head_len = 123,
    .id = {0x0123456789abcdef & ((UINT64_C(1) << 60) - 1), 3},
    .back = 9,
    .arrival_ms = 1700000000123,
    .message_crc = 0xdeadbeef,
    .rest_crc = 0x12345678,
};

static enum spool_header_res read_back(const unsigned char *in, size_t len,
                                       uint64_t segment, struct spool_header *out)
{
    return spool_header_read((struct slice){in, len}, segment, out);
}

static void header_round_trip(void **state)
{
    (void)state;
    unsigned char raw[SPOOL_HEADER_LEN];
    struct spool_header h = {0};
    spool_header_write(&sample, raw);
    assert_int_equal(read_back(raw, sizeof raw, sample.segment, &h), SPOOL_HEADER_OK);
    unsigned char again[SPOOL_HEADER_LEN];
    spool_header_write(&h, again);
    assert_memory_equal(again, raw, sizeof raw);
    assert_int_equal(h.message_len, sample.message_len);
    assert_int_equal(h.id.session, sample.id.session);
    assert_int_equal(h.arrival_ms, sample.arrival_ms);
    assert_int_equal(spool_record_len(&h), 10272); /* 64 + 10001 + 77 + 123, padded */
    assert_memory_equal(raw, "PSR1", 4);
}

static void header_refuses(void **state)
{
    (void)state;
    unsigned char raw[SPOOL_HEADER_LEN];
    struct spool_header h = {0};
    spool_header_write(&sample, raw);
    assert_int_equal(read_back(raw, sizeof raw - 1, sample.segment, &h),
                     SPOOL_HEADER_NONE);
    assert_int_equal(read_back(raw, sizeof raw, sample.segment + 1, &h),
                     SPOOL_HEADER_NONE);
    /* Every bit counts. */
    for (size_t bit = 0; bit < sizeof raw * 8; bit++) {
        raw[bit / 8] ^= (unsigned char)(1U << (bit % 8));
        assert_int_not_equal(read_back(raw, sizeof raw, sample.segment, &h),
                             SPOOL_HEADER_OK);
        raw[bit / 8] ^= (unsigned char)(1U << (bit % 8));
    }
    assert_int_equal(h.segment, 0); /* nothing was written */
    memset(raw, 0, sizeof raw);
    assert_int_equal(read_back(raw, sizeof raw, 0, &h), SPOOL_HEADER_NONE);
}

static void header_limits(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint64_t message_len, session;
        uint32_t envelope_len, head_len, n;
        enum spool_header_res res;
    } cases[] = {
        {"most", SPOOL_MESSAGE_MAX, 1, SPOOL_ENVELOPE_MAX, SPOOL_HEAD_MAX, 1,
         SPOOL_HEADER_OK},
        {"message", SPOOL_MESSAGE_MAX + 1, 1, 0, 0, 1, SPOOL_HEADER_BAD},
        {"envelope", 0, 1, SPOOL_ENVELOPE_MAX + 1, 0, 1, SPOOL_HEADER_BAD},
        {"head", 0, 1, 0, SPOOL_HEAD_MAX + 1, 1, SPOOL_HEADER_BAD},
        {"no session", 0, 0, 0, 0, 1, SPOOL_HEADER_BAD},
        {"no transaction", 0, 1, 0, 0, 0, SPOOL_HEADER_BAD},
        {"least", 0, 1, 0, 0, 1, SPOOL_HEADER_OK},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char raw[SPOOL_HEADER_LEN];
        struct spool_header out, h = {.segment = 1,
                                      .message_len = cases[i].message_len,
                                      .envelope_len = cases[i].envelope_len,
                                      .head_len = cases[i].head_len,
                                      .id = {cases[i].session, cases[i].n}};
        spool_header_write(&h, raw);
        if (read_back(raw, sizeof raw, 1, &out) != cases[i].res) {
            fail_msg("%s", cases[i].name);
        }
    }
}

static void make_envelope(struct buf *b)
{
    static const struct spool_recipient two[] = {
        {SLICE_INIT("Alice@example.test"), SLICE_INIT("alice@example.test"), SPOOL_LOCAL},
        {SLICE_INIT("x@far.test"), SLICE_INIT("x@far.test"), SPOOL_REMOTE},
    };
    spool_envelope_begin(b, 2, SPOOL_8BITMIME, SLICE("s@example.org"), SLICE("127.0.0.9"),
                         SLICE("mail.example.org"), SLICE(""));
    spool_envelope_recipients(b, two, 2);
}

static void envelope_round_trip(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, SPOOL_ENVELOPE_MAX);
    make_envelope(&b);
    spool_envelope_param(&b, "envid", SLICE("QQ"));
    spool_envelope_param(&b, "requiretls", SLICE(""));
    assert_false(b.failed);
    struct spool_envelope e;
    struct spool_recipient r;
    assert_true(spool_envelope_open(buf_slice(&b), &e));
    assert_int_equal(e.service, 2);
    assert_int_equal(e.flags, SPOOL_8BITMIME);
    assert_true(slice_eq(e.sender, SLICE("s@example.org")));
    assert_true(slice_eq(e.client, SLICE("127.0.0.9")));
    assert_true(slice_eq(e.helo, SLICE("mail.example.org")));
    assert_int_equal(e.login.len, 0);
    assert_int_equal(e.recipient_n, 2);
    assert_true(spool_envelope_next(&e, &r));
    assert_true(slice_eq(r.given, SLICE("Alice@example.test")));
    assert_true(slice_eq(r.target, SLICE("alice@example.test")));
    assert_int_equal(r.kind, SPOOL_LOCAL);
    assert_true(spool_envelope_next(&e, &r));
    assert_int_equal(r.kind, SPOOL_REMOTE);
    struct slice name;
    struct slice value;
    assert_false(spool_envelope_next(&e, &r));
    assert_true(spool_envelope_next_param(&e, &name, &value));
    assert_true(slice_eq(name, SLICE("envid")) && slice_eq(value, SLICE("QQ")));
    assert_true(spool_envelope_next_param(&e, &name, &value));
    assert_true(slice_eq(name, SLICE("requiretls")) && value.len == 0);
    assert_false(spool_envelope_next_param(&e, &name, &value));
    assert_false(e.at.failed);
    /* cut in the last one: that one is not there, and the envelope is bad */
    assert_true(spool_envelope_open(slice_sub(buf_slice(&b), 0, b.len - 1), &e));
    assert_false(spool_envelope_next_param(&e, &name, &value)); /* recipients first */
    while (spool_envelope_next(&e, &r)) {
    }
    assert_true(spool_envelope_next_param(&e, &name, &value));
    assert_false(spool_envelope_next_param(&e, &name, &value));
    assert_true(e.at.failed);
    buf_clear(&b);
}

static void params_about(void **state)
{
    (void)state;
    assert_true(spool_param_is(SLICE("notify#3-7"), "notify", 3));
    assert_true(spool_param_is(SLICE("notify#3-7"), "notify", 7));
    assert_true(spool_param_is(SLICE("orcpt#5-5"), "orcpt", 5));
    static const char *const others[] = {"notify#4-7", "notify#0-2", "orcpt#3-7",
                                         "notify",     "notify#",    "notify#3",
                                         "notify#-",   "notify#x-9", "notifyx#3-7"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_false(spool_param_is(slice_of(others[i]), "notify", 3));
    }
    assert_true(spool_notify_has(SLICE("SUCCESS,DELAY"), "SUCCESS"));
    assert_true(spool_notify_has(SLICE("SUCCESS,DELAY"), "DELAY"));
    assert_false(spool_notify_has(SLICE("SUCCESS,DELAY"), "FAILURE"));
    assert_false(spool_notify_has(SLICE("SUCCESS"), "SUCC"));
    assert_false(spool_notify_has(SLICE(""), "NEVER"));
}

/* Every prefix of a good envelope is refused, at once or at the recipient that it cuts.
 */
static void envelope_prefixes(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, SPOOL_ENVELOPE_MAX);
    make_envelope(&b);
    for (size_t n = 0; n < b.len; n++) {
        struct spool_envelope e;
        struct spool_recipient r;
        if (!spool_envelope_open(slice_sub(buf_slice(&b), 0, n), &e)) {
            continue;
        }
        unsigned got = 0;
        while (spool_envelope_next(&e, &r)) {
            got++;
        }
        assert_true(e.at.failed);
        assert_true(got < 2);
    }
    b.ptr[0] = 2; /* another version */
    struct spool_envelope e;
    assert_false(spool_envelope_open(buf_slice(&b), &e));
    buf_clear(&b);
}

static void envelope_limits(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, SPOOL_ENVELOPE_MAX);
    spool_envelope_recipients(&b, NULL, SPOOL_RECIPIENTS_MAX + 1);
    assert_true(b.failed);
    buf_reset(&b);
    struct spool_recipient odd = {SLICE("a@b"), SLICE("a@b"), (enum spool_target)4};
    spool_envelope_begin(&b, 0, 0, SLICE(""), SLICE(""), SLICE(""), SLICE(""));
    spool_envelope_recipients(&b, &odd, 1);
    struct spool_envelope e;
    struct spool_recipient r;
    assert_true(spool_envelope_open(buf_slice(&b), &e));
    assert_false(spool_envelope_next(&e, &r));
    assert_true(e.at.failed);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_round_trip), cmocka_unit_test(header_refuses),
        cmocka_unit_test(header_limits),     cmocka_unit_test(envelope_round_trip),
        cmocka_unit_test(params_about),      cmocka_unit_test(envelope_prefixes),
        cmocka_unit_test(envelope_limits),
    };
    return cmocka_run_group_tests_name("spool/record", tests, NULL, NULL);
}
