/* check/structure.c - would all mail readers find the same parts in the message? What an attached
 * message does is its author's doing, and only noted.
 * Row: message-malformed. */
#include "check/check.h"

void check_structure(const struct check_facts *f, struct check_verdict *out)
{
    uint64_t all = f->content->defects | f->content->defects_attached;
    const char *noted = NULL;
    for (unsigned i = 0; i < MIME_DEFECT_N; i++) {
        enum mime_defect d = (enum mime_defect)i;
        if ((f->content->defects & 1ULL << i) != 0 && mime_defect_severe(d)) {
            fields_add_str(&out->evidence, "what", mime_defect_text(d));
            out->reply = REPLY_message_malformed;
            return;
        }
        noted = (all & 1ULL << i) != 0 ? mime_defect_text(d) : noted;
    }
    if (noted != NULL) {
        fields_add_str(&out->evidence, "what", noted);
    }
}
