/* message/uudecode.h - files that stand uuencoded, as yEnc or BinHex in a text, found and decoded as it passes.
 *
 * Source  POSIX.1-2017, uuencode: "begin MODE NAME", lines of a length sign and groups of four,
 *         "end". A line that cannot be one ends the file, as "end" does. message/yenc.h, message/binhex.h.
 * Pure    octets in, callbacks out; keeps at most a line and a name.
 * Split   what is told does not depend on how the input is cut. */
#ifndef MESSAGE_UUDECODE_H
#define MESSAGE_UUDECODE_H
#include "message/binhex.h"

enum { UU_LINE_MAX = 1024 };

struct uu_events {
    void (*begin)(void *arg, struct slice name); /* name: as written, until it returns */
    void (*content)(void *arg, struct slice octets);
    void (*end)(void *arg);
};

enum uu_state { UU_SEARCH = 0, UU_BEGUN, UU_INSIDE };
enum uu_form { UU_POSIX = 0, UU_YENC, UU_BINHEX };

struct uudecode {
    enum uu_state state;
    enum uu_form form;
    struct binhex binhex;
    bool skip; /* the rest of the line */
    size_t line_len, name_len;
    unsigned char line[UU_LINE_MAX], name[UU_LINE_MAX];
};

/* u begins all zero; where the text is known to be BinHex, as uu_expect_binhex() leaves it. */
void uu_expect_binhex(struct uudecode *u);
void uu_feed(struct uudecode *u, struct slice in, const struct uu_events *events,
             void *arg);
void uu_end(struct uudecode *u, const struct uu_events *events, void *arg);
#endif
