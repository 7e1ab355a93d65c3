/* libbounce/charset.h - charsets by the C library's iconv, for message/mime_read.h.
 *
 * I/O     iconv reads its tables from files when a charset is first asked for.
 * Own     one converter a thread; it keeps the last few charsets open.
 * Lenient what does not fit the charset becomes U+FFFD, octet by octet, as long as most fits. */
#ifndef LIBBOUNCE_CHARSET_H
#define LIBBOUNCE_CHARSET_H
#include "message/mime_read.h"

#include <iconv.h>

enum { CHARSETS_OPEN_MAX = 4, CHARSET_NAME_MAX = 40 };

struct charset {
    struct {
        char name[CHARSET_NAME_MAX];
        iconv_t handle;
    } open[CHARSETS_OPEN_MAX];
    unsigned n, next; /* next to be closed when all are taken */
};

void charset_clear(struct charset *c);
/* As struct mime_charset wants it; arg is a struct charset, zeroed at birth. */
bool charset_convert(void *arg, struct slice charset, struct slice in, struct buf *out);
#endif
