/* message/msg_id.h - message identifiers.
 *
 * Source  RFC 5322 3.6.4, 4.5.4 (obsolete: id-left is a local part, id-right a domain; words
 *         between identifiers).
 * Pure    octets in, faults out.
 * Lenient what stands between the angle brackets needs an "@" with something at both sides and no
 *         blank; beyond that any octet that can be seen will do: mail programs are no better, and
 *         an identifier is only ever compared. */
#ifndef MESSAGE_MSG_ID_H
#define MESSAGE_MSG_ID_H
#include "base/slice.h"

/* Is all of value one identifier? NULL, or what is wrong. */
MUST_USE const char *msg_id_fault(struct slice value);

/* References, In-Reply-To: any number of them, with words and blanks between. Identifiers without
 * an "@" pass: they answer to mail that has one. */
MUST_USE const char *msg_id_list_fault(struct slice value);
#endif
