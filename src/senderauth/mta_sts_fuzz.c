/* senderauth/mta_sts_fuzz.c - libFuzzer target: a policy that is taken allows only hosts that one of its
 * own mx lines allows, written down again from what was read it says the same, and a record that
 * is taken has an id of the grammar.
 *
 * Input: an octet (0: a record), then the text. */
#include "base/buf.h"
#include "base/log.h"
#include "senderauth/mta_sts.h"
#include "senderauth/tls_rpt.h"

static void look_at_record(struct slice text)
{
    struct slice id = {0}, rua = {0};
    if (sts_record_parse(text, &id) == NULL) {
        BUG_ON(id.len == 0 || id.len > STS_ID_MAX || slice_search(text, id) == text.len);
        for (size_t i = 0; i < id.len; i++) {
            BUG_ON(!ascii_is_alpha(id.ptr[i]) && !ascii_is_digit(id.ptr[i]));
        }
    }
    if (tls_rpt_parse(text, &rua) == NULL) {
        BUG_ON(rua.len == 0 || slice_find(rua, ';') != rua.len);
    }
}

static void look_at_policy(struct slice text)
{
    struct sts_policy p, again;
    struct slice rest = text, mx;
    struct buf out;
    unsigned n = 0;
    if (sts_policy_parse(text, &p) != NULL) {
        return;
    }
    buf_init(&out, 1 << 20);
    (void)buf_add_fmt(&out, "version: STSv1\nmode: %s\nmax_age: %u\n",
                      sts_mode_name(p.mode), p.max_age_s);
    while (sts_policy_next_mx(&rest, &mx)) {
        bool any = slice_starts(mx, SLICE("*."));
        BUG_ON(!any && !sts_policy_allows(&p, mx));
        BUG_ON(any && sts_mx_matches(mx, slice_from(mx, 2)));
        (void)buf_add_str(&out, "mx: ");
        (void)buf_add(&out, mx);
        (void)buf_add_byte(&out, '\n');
        n++;
    }
    BUG_ON(n != p.mx_n || (n == 0 && p.mode != STS_NONE) || p.max_age_s > STS_MAX_AGE_S);
    if (!out.failed && out.len <= STS_POLICY_MAX) {
        BUG_ON(sts_policy_parse(buf_slice(&out), &again) != NULL);
        BUG_ON(again.mode != p.mode || again.max_age_s != p.max_age_s || again.mx_n != n);
    }
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {data, size};
    if (size > 0 && data[0] == 0) {
        look_at_record(slice_from(in, 1));
    } else if (size > 0) {
        look_at_policy(slice_from(in, 1));
    }
    return 0;
}
