/* smtp/session_fuzz.c - libFuzzer target: a whole session with answers by rule.
 *
 * The first two octets are the options and the size of the pieces, the rest is what the client
 * sends. The calls must be the same whole and in pieces. What is about timing is kept the same:
 * either the octets are cut behind each DATA and STARTTLS line, always, or never there. A message
 * is taken only with the octets CRLF.CRLF, or when the last octet of a BDAT LAST is there. */
#include "base/log.h"
#include "smtp/session_fake.h"

#include <stdlib.h>
#include <string.h>

static struct slice input; /* what is being fed, for on_end() */

/* Only when it is fed octet by octet it is known which one came last. */
static void on_end(struct fake *f, const struct smtp_envelope *e)
{
    struct slice fed = slice_sub(input, 0, f->fed);
    if (!e->bdat) {
        BUG_ON(fed.len < 5 ||
               !slice_eq(slice_from(fed, fed.len - 5), SLICE("\r\n.\r\n")));
        return;
    }
    /* the last command told is BDAT with LAST, of no more octets than came since */
    struct slice log = buf_slice(&f->log);
    const unsigned char *line = NULL;
    for (size_t i = 0; i + 3 < log.len; i++) {
        if ((i == 0 || log.ptr[i - 1] == '\n') && log.ptr[i] == 'C') {
            line = log.ptr + i + 3;
        }
    }
    BUG_ON(line == NULL);
    struct slice text = slice_from(log, (size_t)(line - log.ptr));
    text = slice_sub(text, 0, slice_find(text, '\n'));
    BUG_ON(!slice_istarts(text, SLICE("BDAT ")) ||
           !slice_ieq(slice_sub(slice_trim(text), slice_trim(text).len - 4, 4),
                      SLICE("LAST")));
}

/* Does a line of DATA or STARTTLS end right before at? */
static bool is_timing(struct slice in, size_t at)
{
    size_t start =
        at < 2 || in.ptr[at - 1] != '\n' || in.ptr[at - 2] != '\r' ? at : at - 2;
    if (start == at) {
        return false;
    }
    while (start > 0 && in.ptr[start - 1] != '\n') {
        start--;
    }
    /* anything else in front (the end of a chunk, say) may be there too */
    for (; start < at; start++) {
        struct slice line = slice_from(in, start);
        if (slice_istarts(line, SLICE("DATA")) ||
            slice_istarts(line, SLICE("STARTTLS"))) {
            return true;
        }
    }
    return false;
}

static void play(struct fake *f, const struct smtp_offer *offer,
                 const struct smtp_limits *limits, struct slice in, size_t step,
                 bool cut_timing)
{
    fake_init(f, offer, limits);
    f->silent = step <= in.len; /* the whole one renders the same replies */
    f->on_end = step == 1 && cut_timing ? on_end : NULL;
    f->block_in = 1 + (unsigned)(step % 7);
    input = in;
    size_t at = 0;
    while (at < in.len) {
        size_t end = in.len - at > step ? at + step : in.len;
        for (size_t i = at + 1; cut_timing && i < end; i++) {
            end = is_timing(in, i) ? i : end;
        }
        while (!cut_timing && end < in.len && is_timing(in, end)) {
            end++;
        }
        fake_feed(f, slice_sub(in, at, end - at));
        fake_settle(f);
        at = end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake whole;
    struct fake parts;
    if (size < 2 || size > 4096) {
        return 0;
    }
    unsigned o = data[0];
    struct smtp_offer offer = {.service = (o & 1U) != 0 ? SMTP_SUBMISSION : SMTP_MX,
                               .starttls = (o & 2U) != 0,
                               .tls_required = (o & 6U) == 6,
                               .auth_required = (o & 24U) == 24,
                               .auth = fake_mechanisms,
                               .auth_n = (o & 8U) != 0 ? FAKE_MECHANISMS : 0,
                               .auth_in_clear = (o & 4U) != 0,
                               .bare_lf_ok = (o & 32U) != 0,
                               .extensions = (o & 1U) != 0 ? 127U : SMTP_EXT_DSN,
                               .xclient = (o & 2U) != 0,
                               .xclient_login = (o & 6U) == 2};
    struct smtp_limits limits = fake_limits();
    limits.message_size = (o & 64U) != 0 ? 20 : 1000;
    struct slice in = {data + 2, size - 2};
    play(&whole, &offer, &limits, in, in.len + 1, (o & 128U) != 0);
    play(&parts, &offer, &limits, in, 1 + data[1] % 64, (o & 128U) != 0);
    if (!slice_eq(buf_slice(&whole.log), buf_slice(&parts.log))) {
        abort();
    }
    fake_clear(&whole);
    fake_clear(&parts);
    return 0;
}
