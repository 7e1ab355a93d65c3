/* smtp/params_fuzz.c - libFuzzer target: a fault names octets of the input; what was taken is
 * taken, with the same meaning, when it is written out anew; and what goes into headers one day
 * decodes to no control character. */
#include "smtp/params.h"

#include "smtp/xtext.h"

#include <inttypes.h>
#include <stdlib.h>

static const struct smtp_params_rules rules = {.offered = 63,
                                               .utf8 = true,
                                               .by_least_s = 60,
                                               .hold_most_s = 1000,
                                               .now_s = 1700000000};

static void write_words(struct buf *b, unsigned notify)
{
    static const char *const words[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};
    const char *comma = "";
    for (unsigned i = 0; i < 4; i++) {
        if ((notify & 1U << i) != 0) {
            (void)buf_add_fmt(b, "%s%s", comma, words[i]);
            comma = ",";
        }
    }
}

static void write_anew(struct buf *b, const struct smtp_params *p)
{
    if (p->size > 0) {
        (void)buf_add_fmt(b, " SIZE=%" PRIu64, p->size);
    }
    (void)buf_add_str(b, p->body == SMTP_BODY_8BITMIME     ? " BODY=8BITMIME"
                         : p->body == SMTP_BODY_BINARYMIME ? " BODY=BINARYMIME"
                                                           : "");
    (void)buf_add_str(b, p->smtputf8 ? " SMTPUTF8" : "");
    (void)buf_add_str(b, p->requiretls ? " REQUIRETLS" : "");
    (void)buf_add_str(b, p->ret == SMTP_RET_FULL   ? " RET=FULL"
                         : p->ret == SMTP_RET_HDRS ? " RET=HDRS"
                                                   : "");
    if (p->envid.len > 0) {
        (void)buf_add_str(b, " ENVID=");
        (void)buf_add(b, p->envid);
    }
    if (p->notify != 0) {
        (void)buf_add_str(b, " NOTIFY=");
        write_words(b, p->notify);
    }
    if (p->orcpt.len > 0) {
        (void)buf_add_str(b, " ORCPT=");
        (void)buf_add(b, p->orcpt);
    }
    if (p->by != SMTP_BY_NONE) {
        (void)buf_add_fmt(b, " BY=%" PRId64 ";%s%s", p->by_s,
                          p->by == SMTP_BY_NOTIFY ? "N" : "R", p->by_trace ? "T" : "");
    }
    if (p->hold_for_s > 0) {
        (void)buf_add_fmt(b, " HOLDFOR=%" PRIu64, p->hold_for_s);
    }
    if (p->priority != 0) {
        (void)buf_add_fmt(b, " MT-PRIORITY=%d", p->priority);
    }
}

static bool same(const struct smtp_params *a, const struct smtp_params *b)
{
    return a->size == b->size && a->body == b->body && a->smtputf8 == b->smtputf8 &&
           a->requiretls == b->requiretls && a->ret == b->ret && a->notify == b->notify &&
           slice_eq(a->envid, b->envid) && slice_eq(a->orcpt, b->orcpt) &&
           a->by == b->by && a->by_s == b->by_s && a->by_trace == b->by_trace &&
           a->hold_for_s == b->hold_for_s && a->priority == b->priority;
}

/* Whatever is printed of it one day, no line ends in it. */
static bool harmless(struct slice xtext)
{
    unsigned char octets[512];
    size_t n = 0;
    if (!smtp_xtext_decode(xtext, octets, sizeof octets, &n)) {
        return slice_find(xtext, '+') == xtext.len; /* UTF-8: RFC 6533 */
    }
    for (size_t i = 0; i < n; i++) {
        if (octets[i] < ' ' || octets[i] == 0x7f) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice in = {data + 1, size - 1};
    enum smtp_params_of of = data[0] % 2 == 0 ? SMTP_PARAMS_MAIL : SMTP_PARAMS_RCPT;
    struct smtp_params a;
    struct smtp_params b;
    struct smtp_params_fault fault = {0};
    if (!smtp_params_read(in, of, &rules, &a, &fault)) {
        if (fault.what == NULL || fault.param.len == 0 || fault.param.ptr < in.ptr ||
            fault.param.ptr + fault.param.len > in.ptr + in.len) {
            abort();
        }
        return 0;
    }
    struct slice address = slice_from(a.orcpt, slice_find(a.orcpt, ';') + 1);
    struct buf text;
    buf_init(&text, 4096);
    write_anew(&text, &a);
    if (!smtp_params_read(buf_slice(&text), of, &rules, &b, &fault) || !same(&a, &b) ||
        !harmless(a.envid) || !harmless(address)) {
        abort();
    }
    buf_clear(&text);
    return 0;
}
