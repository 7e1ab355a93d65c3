/* base/id.h - ids of sessions and messages.
 *
 * A session id is 60 random bits, printed as 12 letters and digits; it ends each refusal
 * and cannot be guessed. A message id is the session's with the number of the
 * transaction: "k3v9x2mq7tza.2". */
#ifndef BASE_ID_H
#define BASE_ID_H
#include "base/slice.h"

enum { ID_SESSION_LEN = 12, ID_TEXT_MAX = 12 + 1 + 10 + 1 };

struct message_id {
    uint64_t session; /* 60 bits, never 0 */
    uint32_t n;       /* from 1; 0: the session itself */
};

/* A new session id; draws from the kernel in batches. */
MUST_USE uint64_t id_new_session(void);

/* Text with NUL into out; returns a slice over it. n 0 prints the session id alone. */
struct slice id_text(struct message_id id, char out[ID_TEXT_MAX]);

/* The reverse: all of s, lower case only. */
MUST_USE bool id_parse(struct slice s, struct message_id *out);
#endif
