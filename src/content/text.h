/* content/text.h - the text of a message as people read it: what rules about words ask.
 *
 * Pure    octets of one part in, UTF-8 out: charsets as mime_to_utf8() knows them, and UTF-16; HTML
 *         without tags. Characters that nobody sees (zero width, soft hyphens) are left out.
 * Lines   runs of blanks and line ends become one blank, an empty line becomes one line end:
 *         so a phrase is found wherever it was broken, and a line is a paragraph.
 * Limits  what out has no room for is left out. */
#ifndef CONTENT_TEXT_H
#define CONTENT_TEXT_H
#include "base/buf.h"

/* charset: as Content-Type has it; empty: none. */
void text_read(struct slice charset, bool html, struct slice octets, struct buf *out);
#endif
