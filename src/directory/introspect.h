/* directory/introspect.h - is an access token good, and whose is it (RFC 7662)?
 *
 * I/O     HTTP by libcurl to the one address in the settings; blocks for oauth.time at most, so
 *         not in an event loop. introspect() may run on several threads at once.
 * Errors  introspect_new(): NULL, and the reason in error. INTROSPECT_FAULT: no answer, or none
 *         that can be understood; logged.
 * Limits  an answer of INTROSPECT_ANSWER_MAX octets.
 * Never   the token or the client's secret reach a log. */
#ifndef DIRECTORY_INTROSPECT_H
#define DIRECTORY_INTROSPECT_H
#include "config/config.h"
#include "sasl/sasl.h"

enum { INTROSPECT_ANSWER_MAX = 64 * 1024, INTROSPECT_ERROR_MAX = 256 };

struct introspect;

/* Reads the files that the settings name. config must outlive it. */
MUST_USE struct introspect *introspect_new(const struct config *config,
                                           char error[INTROSPECT_ERROR_MAX]);
void introspect_free(struct introspect **i); /* while no thread asks */

enum introspect_res { INTROSPECT_GOOD = 0, INTROSPECT_BAD, INTROSPECT_FAULT };
/* user: whose it is, as the answer says. */
MUST_USE enum introspect_res introspect(const struct introspect *i, const char *token,
                                        char user[SASL_USER_MAX + 1]);

/* What an answer must say. Empty scope, audience: any. */
struct introspect_want {
    const char *member; /* names the account */
    const char *scope, *audience;
    uint64_t now; /* seconds since 1970 */
};
/* What an answer says (pure). */
MUST_USE enum introspect_res introspect_read(struct slice answer,
                                             const struct introspect_want *want,
                                             char user[SASL_USER_MAX + 1]);
#endif
