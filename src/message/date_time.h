/* message/date_time.h - date and time of a Date field, and of others that have one.
 *
 * Source  RFC 5322 3.3, 4.3 (obsolete: years of two and three digits, zones by name, comments).
 * Pure    octets in, milliseconds out.
 * Lenient seen in honest mail and understood: hours of one digit, a missing zone (then UTC), a zone
 *         such as "GMT+0100", a day of the week that is not that date's, a leap second at any
 *         minute. */
#ifndef MESSAGE_DATE_TIME_H
#define MESSAGE_DATE_TIME_H
#include "message/lex.h"

/* NULL: all of value is one; *out: seconds since 1970, UTC. Otherwise what is wrong. */
MUST_USE const char *date_time_read(struct slice value, int64_t *out);
#endif
