/* delivery/report.h - mail that came back to one of our return paths: read, and what it says.
 *
 * What     bounces, notes of delay, complaints (ARF), automatic answers, by bounce/parse.h.
 * Outcome  delivered, whatever it says: it was read, and there is nobody to be told of it. `where` is
 *          the kind of mail (bounce_mail_kind_name()), and behind a blank the first return path of ours
 *          in its text, if there is one. Of a bounce and a delay: code, class and reply of the
 *          recipient, and the advice JOB_suppress where the address is no good. Of a
 *          complaint: its class, and the feedback type as the reply; who sent it (a domain that DKIM or
 *          SPF vouch for, the login or customer that submitted it; empty: anybody), and of the message
 *          that it is about the fields by which we know what came through us (check/complaint.h). Its kind is
 *          "feedback"; "wanted", where it is the opposite (not-spam); "auth-failure", where nobody complains;
 *          "stranger", where complaints.providers does not name who sent it.
 * Trust    the octets are a stranger's: who hears the outcome may believe of it what a stranger may say of
 *          the return path that it came to, and no more.
 * Threads  one reader for all of them: such mail is rare, and read in less than a ms.
 * I/O      by source.h; the first REPORT_READ_MAX octets are looked at.
 * Errors   deferred when the message cannot be read. */
#ifndef DELIVERY_REPORT_H
#define DELIVERY_REPORT_H
#include "config/config.h"
#include "delivery/outcome.h"
#include "delivery/source.h"

enum { REPORT_READ_MAX = 2 * 1024 * 1024 };

struct report_reader;

/* Borrows the configuration. NULL: no memory. */
MUST_USE struct report_reader *report_reader_new(const struct config *config);
void report_reader_free(struct report_reader **r);

/* What the outcome of a complaint borrows. */
struct report_about {
    unsigned char reporter[OUTCOME_REPORTER_MAX], original[OUTCOME_ORIGINAL_MAX];
};
/* src is open. */
void report_read(struct report_reader *r, struct source *src, const struct job *job,
                 struct report_about *about, struct outcome *out);
#endif
