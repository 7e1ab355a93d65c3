/* smtp/client_session_fuzz.c - any server against the client: each mail ends in one result for each
 * target, or the host is blamed once, and nothing that a server says makes the client say a line
 * that is none of its commands. */
#include "smtp/client_session.h"

#include <stdlib.h>
#include <string.h>

enum { TARGETS = 3 };
struct seen {
    unsigned results[TARGETS], faults;
};

static void on_result(void *arg, unsigned target, const struct smtp_client_result *r)
{
    struct seen *seen = arg;
    if (target >= TARGETS || r->reply.len < 3 || r->reply.len > SMTP_CLIENT_TEXT_MAX) {
        abort();
    }
    seen->results[target]++;
}

static void on_fault(void *arg, const struct smtp_client_result *r)
{
    struct seen *seen = arg;
    if (r->reply.len < 3) {
        abort();
    }
    seen->faults++;
}

static void check_lines(struct slice out)
{
    static const char *const may[] = {
        "EHLO ", "HELO ",  "STARTTLS\r", "AUTH ", "MAIL FROM:<", "RCPT TO:<", "DATA\r",
        "BDAT ", "RSET\r", "QUIT\r",     ".\r",   "dQ==\r",      "cA==\r",    "\r"};
    while (out.len > 0) {
        bool known = false;
        for (size_t i = 0; i < sizeof may / sizeof may[0]; i++) {
            known = known || slice_starts(out, slice_of(may[i]));
        }
        size_t end = slice_find(out, '\n');
        if (!known || end == out.len || out.ptr[end - 1] != '\r') {
            abort();
        }
        out = slice_from(out, end + 1);
    }
}

/* One mail is over: everybody was told of once, or the host was blamed and nobody told of. */
static void check_over(const struct seen *seen)
{
    unsigned told = 0;
    for (unsigned i = 0; i < TARGETS; i++) {
        if (seen->results[i] > 1) {
            abort();
        }
        told += seen->results[i];
    }
    if (seen->faults > 1 || (seen->faults == 1 ? told != 0 : told != TARGETS)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct smtp_client_ops ops = {on_result, on_fault};
    struct smtp_client_mail mail = {.sender = SLICE("a@b"),
                                    .size = 10,
                                    .target_n = TARGETS,
                                    .target = {{.address = SLICE("c@d")},
                                               {.address = SLICE("e@f"), .notify = 2},
                                               {.address = SLICE("g@h")}}};
    if (size == 0) {
        return 0;
    }
    struct smtp_client_options options = {.hostname = SLICE("me"),
                                          .tls = (enum smtp_client_tls)(data[0] & 3),
                                          .no_chunking = (data[0] & 4) != 0};
    if ((data[0] & 8) != 0) {
        options.user = SLICE("u");
        options.password = SLICE("p");
        options.only_mechanisms = data[0] == 0xff;
        options.mechanisms = SMTP_CLIENT_AUTH_SCRAM | SMTP_CLIENT_AUTH_SCRAM_PLUS;
    }
    size_t cut = 1 + data[0] / 16;
    struct seen seen = {0};
    struct smtp_client c;
    struct slice in = {data + 1, size - 1};
    smtp_client_init(&c, &options, &ops, &seen);
    smtp_client_mail(&c, &mail);
    for (unsigned mails = 1; in.len > 0 && smtp_client_want(&c) != SMTP_CLIENT_CLOSED;) {
        check_lines(buf_slice(&c.out));
        buf_reset(&c.out);
        switch (smtp_client_want(&c)) {
        case SMTP_CLIENT_TLS:
            smtp_client_tls(&c, false);
            continue;
        case SMTP_CLIENT_AUTH: /* what the challenge is decides whether it is proved */
            if (smtp_client_challenge(&c).len > 9) {
                smtp_client_no_login(&c, "it is too long");
            } else {
                smtp_client_respond(&c, SLICE(""), smtp_client_challenge(&c).len > 3);
            }
            continue;
        case SMTP_CLIENT_BODY:
            smtp_client_body_sent(&c);
            continue;
        case SMTP_CLIENT_READY:
            check_over(&seen);
            if (mails++ < 3 && smtp_client_reusable(&c)) {
                seen = (struct seen){0};
                smtp_client_mail(&c, &mail);
                continue;
            }
            smtp_client_quit(&c);
            check_lines(buf_slice(&c.out));
            buf_reset(&c.out);
            break;
        case SMTP_CLIENT_REPLY:
        case SMTP_CLIENT_CLOSED:
            break;
        }
        smtp_client_input(&c, slice_sub(in, 0, cut));
        in = slice_from(in, cut);
    }
    smtp_client_lost(&c, SMTP_CLIENT_CLOSED_OFF, "connection closed");
    check_over(&seen);
    smtp_client_clear(&c);
    return 0;
}
