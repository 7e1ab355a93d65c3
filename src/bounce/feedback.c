/* bounce/feedback.c - see feedback.h */
#include "bounce/feedback.h"

enum feedback_says feedback_says(struct slice type)
{
    type = slice_strip(type);
    return slice_istarts(type, SLICE("not-spam")) ? FEEDBACK_WANTED
           : slice_istarts(type, SLICE("auth-failure")) ||
                   slice_istarts(type, SLICE("dkim")) ||
                   slice_istarts(type, SLICE("dmarc"))
               ? FEEDBACK_OTHER
               : FEEDBACK_JUNK;
}

bool feedback_original(struct slice message, struct mime_message *m, struct buf *store,
                       struct slice *header)
{
    bool report = false;
    *header = SLICE("");
    mime_read(message, m);
    for (unsigned i = 0; i < m->n; i++) {
        report |= mime_is(&m->part[i], "message/feedback-report");
    }
    for (unsigned i = 1; i < m->n && report; i++) {
        const struct mime_part *p = &m->part[i];
        if (mime_is(p, "message/rfc822*") || mime_is(p, "message/global*") ||
            mime_is(p, "text/rfc822-headers")) {
            (void)mime_decode(p, store);
            *header = buf_slice(store);
            break;
        }
    }
    return report;
}
