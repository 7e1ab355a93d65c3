/* base/clock.h - the two clocks. Rules take `now` as a parameter; only the edges ask. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
#include "base/slice.h"

uint64_t clock_mono_ms(void); /* never jumps; for timeouts */
uint64_t clock_wall_ms(void); /* Unix time in milliseconds; for people and disk */

/* ms of Unix time as UTC: "2026-11-22T06:15:46.250Z", with NUL. Beyond the year 9999: the end
 * of it. Pure, and unlike gmtime_r() it never opens a file, which a sandbox would punish. */
enum { CLOCK_TEXT_MAX = 25 };
struct slice clock_text(uint64_t ms, char out[CLOCK_TEXT_MAX]);

/* The reverse, of any such date (RFC 3339 5.6: with "Z" or an offset; parts of a second are
 * dropped), from 1970 on. False: it is none. Pure. */
MUST_USE bool clock_read_text(struct slice text, uint64_t *ms);

/* The same as RFC 5322 3.3 writes it: "Sun, 22 Nov 2026 06:15:46 +0000". */
enum { CLOCK_MAIL_DATE_MAX = 32 };
struct slice clock_mail_date(uint64_t ms, char out[CLOCK_MAIL_DATE_MAX]);
#endif
