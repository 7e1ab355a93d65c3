/* bounce/parse_inner.c - the report that somebody passed on; see parse_impl.h */
#include "bounce/parse_impl.h"

/* name="Undelivered mail.eml" */
static bool names_mail(struct slice params, const char *param)
{
    struct buf name;
    buf_init(&name, COPY_MAX);
    bool eml = mime_param(params, param, &name) && name.len > 4 &&
               slice_ieq(slice_from(buf_slice(&name), name.len - 4), SLICE(".eml"));
    buf_clear(&name);
    return eml;
}

/* A message attached in base64, or as a file. */
static bool is_wrapped(const struct mime_part *part)
{
    struct slice disposition;
    if (part->has_parts || part->is_message) {
        return false;
    }
    if (mime_is(part, "message/rfc822*") || mime_is(part, "message/global")) {
        return part->encoding != MIME_IDENTITY;
    }
    return names_mail(part->params, "name") ||
           (mime_field_find(part->header, "Content-Disposition", &disposition) &&
            names_mail(disposition, "filename"));
}

struct slice parse_inner(const struct bounce_parser *p, struct slice message,
                         struct slice behind, struct buf *store)
{
    for (unsigned i = 1; i < p->mime.n; i++) {
        const struct mime_part *part = &p->mime.part[i];
        if (part->is_message && part->depth > 0) {
            const unsigned char *start = part->header.ptr;
            return (struct slice){start,
                                  (size_t)(part->body.ptr + part->body.len - start)};
        }
        if (is_wrapped(part)) {
            buf_reset(store);
            (void)mime_decode(part, store); /* what fits counts */
            return buf_slice(store);
        }
    }
    struct slice rest = slice_sub(behind, 0, NOTICE_MAX), line;
    for (int i = 0; i < 8; i++) {
        struct slice header, body;
        mime_split(rest, &header, &body);
        if (header.len > 0) {
            rest = slice_from(behind, (size_t)(rest.ptr - behind.ptr));
            if (rest.ptr >= message.ptr && rest.ptr < message.ptr + message.len) {
                return rest;
            }
            buf_reset(store);
            (void)buf_add(store, slice_sub(rest, 0, INNER_MAX));
            return buf_slice(store);
        }
        if (!slice_line(&rest, &line)) {
            break;
        }
    }
    return (struct slice){0};
}
