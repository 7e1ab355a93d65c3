/* delivery/tls_count.h - how TLS went with each domain, day by day: what TLS reports are made of.
 *
 * Source  RFC 8460 4: sessions per policy, result and MX host; a day is one of UTC.
 * Files   "r-2026-11-22" in a directory that all delivery processes share: lines of "DOMAIN POLICY RESULT HOST
 *         COUNT" that are added up, appended by one write each; lines that do not read are passed over.
 *         What the kernel has is not lost with the process; a power cut may cost some seconds.
 * Limits  TLS_COUNT_KEYS_MAX kinds between two flushes: what is beyond is dropped, and said. Files older than
 *         delivery.tls-report-keep are removed. */
#ifndef DELIVERY_TLS_COUNT_H
#define DELIVERY_TLS_COUNT_H
#include "base/buf.h"
#include "senderauth/tls_rpt.h"

enum { TLS_COUNT_KEYS_MAX = 65536, TLS_COUNT_DAY_MAX = 11 };

struct tls_counts;
/* dir: a descriptor; -1: nothing is kept. NULL: no memory. */
MUST_USE struct tls_counts *tls_counts_new(int dir, uint64_t keep_ms);
void tls_counts_free(struct tls_counts **c); /* flushes */
/* host: the MX; "": none was asked. c may be NULL. */
void tls_count(struct tls_counts *c, struct slice domain, enum tls_rpt_policy policy,
               enum tls_rpt_result result, struct slice host);
void tls_counts_flush(struct tls_counts *c);

/* One line of a file. */
struct tls_counted {
    struct slice domain, host; /* "-": none */
    enum tls_rpt_policy policy;
    enum tls_rpt_result result;
    uint64_t n;
};
/* The next good line; false: the text is over. */
MUST_USE bool tls_counted_next(struct slice *rest, struct tls_counted *out);
/* "r-2026-11-22" -> "2026-11-22"; false: the name of another file. */
MUST_USE bool tls_counted_day(struct slice file, char day[TLS_COUNT_DAY_MAX]);
#endif
