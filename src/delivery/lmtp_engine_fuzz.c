/* delivery/lmtp_engine_fuzz.c - libFuzzer target: any server at all, cut in any way.
 *
 * First octet: how many targets, and the size of pieces; the rest is what the server says. */
#include "delivery/lmtp_engine.h"

#include <stdlib.h>

/* Only whole lines, each one of the commands we know. */
static void check_out(struct slice out)
{
    static const struct slice verbs[] = {
        SLICE_INIT("LHLO "),    SLICE_INIT("MAIL FROM:<"), SLICE_INIT("RCPT TO:<"),
        SLICE_INIT("DATA\r\n"), SLICE_INIT("RSET\r\n"),    SLICE_INIT("QUIT\r\n"),
    };
    while (out.len > 0) {
        size_t end = slice_find(out, '\n');
        bool known = false;
        for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
            known = known || slice_starts(out, verbs[i]);
        }
        if (!known || end == out.len || slice_find(out, '\r') != end - 1) {
            abort();
        }
        out = slice_from(out, end + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    static const struct slice targets[4] = {
        SLICE_INIT("a@b.example"), SLICE_INIT("\"x y\"@b.example"), SLICE_INIT("bad>@b"),
        SLICE_INIT("\xc3\xb6@b.example")};
    struct slice in = {data + 1, size - 1};
    struct lmtp_mail mail = {.sender = SLICE("s@a.example"), .size = 1000, .flags = 3};
    mail.target_n = 1 + data[0] % 4;
    for (unsigned i = 0; i < mail.target_n; i++) {
        mail.target[i] = targets[i];
    }
    struct lmtp_engine e;
    unsigned said_2yz = 0, delivered = 0;
    bool body = false;
    lmtp_init(&e, SLICE("mx"));
    lmtp_mail(&e, &mail);
    while (in.len > 0 && lmtp_want(&e) != LMTP_CLOSED && lmtp_want(&e) != LMTP_READY) {
        struct slice piece = slice_sub(in, 0, 1U + (data[0] >> 2U));
        lmtp_input(&e, piece);
        in = slice_from(in, piece.len);
        check_out(buf_slice(&e.out));
        buf_reset(&e.out); /* sent */
        if (lmtp_want(&e) == LMTP_WANT_BODY) {
            body = true;
            lmtp_body_sent(&e);
        }
    }
    if (lmtp_want(&e) != LMTP_READY) {
        lmtp_lost(&e, "end of input");
    }
    for (size_t i = 1; i < size; i++) {
        said_2yz += data[i] == '2';
    }
    for (unsigned i = 0; i < mail.target_n; i++) {
        if (!e.outcome[i].set) {
            abort();
        }
        if (e.outcome[i].result == JOB_DELIVERED) {
            delivered++;
            if (e.outcome[i].code / 100 != 2 || !e.accepted[i] || !body) {
                abort();
            }
        }
    }
    if (delivered > 0 && said_2yz < delivered + 3) { /* greeting, LHLO, MAIL as well */
        abort();
    }
    lmtp_clear(&e);
    return 0;
}
