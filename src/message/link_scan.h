/* message/link_scan.h - where the links of a text or of HTML lead, found as it passes.
 *
 * Source  RFC 3986 (URLs), and what browsers and mail readers take for one: WHATWG URL (backslashes,
 *         missing slashes, blanks within), WHATWG HTML 13.2.5 (tags, attributes, scripts).
 * Pure    octets in, a callback a link out; NUL is passed over, so that UTF-16 is read too.
 * Split   what is found does not depend on how the input is cut.
 * Own     slices are valid until the callback returns.
 * Lenient comments are read as what they hold, as some readers do ("<!--[if mso]>"). No tree is
 *         built: links stand in tags, and those can be told without one, in linear time.
 * Limits  an address, or a word that may hold one, is cut at LINK_URL_MAX octets. */
#ifndef MESSAGE_LINK_SCAN_H
#define MESSAGE_LINK_SCAN_H
#include "base/slice.h"

enum { LINK_URL_MAX = 2048, LINK_HOST_MAX = 255, LINK_NAME_MAX = 16 };

enum link_state {
    LINK_TEXT = 0,
    LINK_OPEN,   /* behind "<" */
    LINK_MARKUP, /* "<!" or "<?", up to ">" */
    LINK_TAG_NAME,
    LINK_TAG, /* between attributes */
    LINK_NAME,
    LINK_NAMED, /* blanks behind a name */
    LINK_EQUALS,
    LINK_QUOTED, /* up to `quote` */
    LINK_BARE,
    LINK_RAW /* a script or style sheet, up to its end tag */
};

struct link_scan {
    bool html;
    /* url: as written, for people; host: in lower case, decoded, without user and port. */
    void (*found)(void *arg, struct slice url, struct slice host);
    void *arg;
    enum link_state state;
    unsigned char quote;
    bool closing;              /* an end tag */
    unsigned markup_n;         /* octets of it so far */
    size_t raw_matched;        /* octets of "</script" */
    struct slice raw;          /* its name */
    size_t name_len, word_len; /* word: of text, or an attribute's value */
    unsigned char name[LINK_NAME_MAX], word[LINK_URL_MAX];
};

void link_scan_init(struct link_scan *s, bool html,
                    void (*found)(void *arg, struct slice url, struct slice host),
                    void *arg);
void link_scan_feed(struct link_scan *s, struct slice in);
void link_scan_end(struct link_scan *s);
#endif
