/* daemon/directory_rates.h - inside the directory role: it looks after the memory that smtpds count in
 * (src/rate). Every half minute it writes a snapshot, in pieces; it answers the command line.
 *
 * Requests {"object":"limits","action":"show"|"reset","key":K} and
 *          {"object":"reputation","action":"show"|"set"|"forget","key":K,"level":L}. K is a name, of
 *          any kind, or "KIND:NAME"; show does without: keys that are limited or near it; known
 *          reputations. Each key that fits is a line, as it is afterwards.
 *          {"object":"complaint","action":"report","mailbox":M,"wanted":BOOL,"header":BASE64}
 * Errors   a snapshot that cannot be written is logged once; the server goes on. */
#ifndef DAEMON_DIRECTORY_RATES_H
#define DAEMON_DIRECTORY_RATES_H
#include "proc/control.h"
#include "proc/role.h"

struct rates;
/* NULL: *error says why. The memory's descriptor is closed. */
MUST_USE struct rates *rates_open(struct role_ctx *ctx, const char **error);
MUST_USE bool rates_start(struct rates *r, struct event_base *base);
/* Writes a last snapshot. */
void rates_free(struct rates **r);

/* False: the request is not about counts. */
MUST_USE bool rates_request(struct rates *r, struct control_call *call, json_t *request);
/* A user put a message into the folder Junk, or took it out again (check/complaint.h). Once a day of each message, and
 * rate.complaints times of each mailbox. NULL: it counted; else why not, in words. */
const char *rates_complaint(struct rates *r, struct slice mailbox, struct slice header,
                            bool wanted);
/* A feedback report says so; reporter: who sent it (delivery/report.h). Once for each message, whoever says it, and
 * complaints.daily times a day of each reporter. What does not count is logged, with why. */
void rates_report(struct rates *r, struct slice reporter, struct slice header,
                  bool wanted);
#endif
