/* daemon/smtpd_params.c - parameters of MAIL and RCPT into the envelope of the spool: see
 * smtpd.h; the names are those of spool/record.h. */
#include "daemon/smtpd.h"

#include <inttypes.h>
#include <stdio.h>

static void put(struct buf *b, const char *name, const char *text)
{
    spool_envelope_param(b, name, slice_of(text));
}

static void put_by(struct buf *b, const struct smtp_params *p)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%" PRId64 ";%c%s", p->by_s,
                   p->by == SMTP_BY_RETURN ? 'R' : 'N', p->by_trace ? "T" : "");
    put(b, "by", text);
}

static void put_hold(struct buf *b, const struct smtp_params *p, uint64_t arrival_ms)
{
    char text[32];
    uint64_t until_ms =
        p->hold_for_s > 0 ? arrival_ms + p->hold_for_s * 1000 : p->hold_until_s * 1000;
    (void)snprintf(text, sizeof text, "%" PRIu64, until_ms);
    put(b, "hold-until", text);
}

static void put_notify(struct buf *b, const char *name, unsigned notify)
{
    static const char *const words[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};
    char text[32] = "";
    size_t len = 0;
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
        if ((notify & 1U << i) != 0 && len < sizeof text) {
            len += (size_t)snprintf(text + len, sizeof text - len, "%s%s",
                                    len > 0 ? "," : "", words[i]);
        }
    }
    put(b, name, text);
}

void client_put_params(const struct smtp_envelope *e, uint64_t arrival_ms, struct buf *b)
{
    const struct smtp_params *p = &e->params;
    if (p->ret != SMTP_RET_DEFAULT) {
        put(b, "ret", p->ret == SMTP_RET_FULL ? "FULL" : "HDRS");
    }
    if (p->envid.len > 0) {
        spool_envelope_param(b, "envid", p->envid);
    }
    if (p->requiretls) {
        put(b, "requiretls", "");
    }
    if (p->by != SMTP_BY_NONE) {
        put_by(b, p);
    }
    if (p->hold_for_s > 0 || p->hold_until_s > 0) {
        put_hold(b, p, arrival_ms);
    }
    if (p->priority != 0) {
        char text[8];
        (void)snprintf(text, sizeof text, "%d", p->priority);
        put(b, "mt-priority", text);
    }
}

void client_put_rcpt_params(const struct smtp_recipient *r, unsigned first, unsigned n,
                            struct buf *b)
{
    char name[32];
    if (r->params.notify != 0) {
        (void)snprintf(name, sizeof name, "notify#%u-%u", first, first + n - 1);
        put_notify(b, name, r->params.notify);
    }
    if (r->params.orcpt.len > 0) {
        (void)snprintf(name, sizeof name, "orcpt#%u-%u", first, first + n - 1);
        spool_envelope_param(b, name, r->params.orcpt);
    }
}
