/* directory/name.h - addresses and domains as administrators type them, in the form
 * the directory keeps: local part with ASCII in lower case, domain in A-labels.
 *
 * Source  RFC 5321 4.1.2 (dot-string), RFC 6531 3.3 (UTF-8 in local parts), RFC
 *         5890 and UTS 46 (libidn2). Pure.
 * Errors  NULL is success; otherwise a text that says what is wrong. Nothing is set
 *         then.
 * Limits  no quoted local parts; no "/" and no "%" (they become part of a path,
 *         where delivery/path.h would write them otherwise). */
#ifndef DIRECTORY_NAME_H
#define DIRECTORY_NAME_H
#include "directory/answer.h"

struct dir_name {
    char local[DIR_LOCAL_MAX + 1]; /* "" in a name that is a domain */
    char domain[DIR_DOMAIN_MAX + 1];
};
enum { DIR_NAME_TEXT_MAX = DIR_ADDRESS_MAX + 1 };

MUST_USE const char *dir_name_domain(const char *text, struct dir_name *out);

/* A domain out of an address on the wire (RFC 6531: perhaps in U-labels, in UTF-8) as the directory
 * keeps it. False: IDNA has no such name; nothing is set. */
MUST_USE bool dir_name_ascii(struct slice domain, unsigned char out[DIR_DOMAIN_MAX],
                             struct slice *ascii);

/* "alice@example.test"; with a domain given, "alice" alone is completed with it. */
MUST_USE const char *dir_name_address(const char *text, const char *domain,
                                      struct dir_name *out);

/* "local@domain"; returns out. */
const char *dir_name_text(const struct dir_name *name, char out[DIR_NAME_TEXT_MAX]);
#endif
