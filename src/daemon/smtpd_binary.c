/* daemon/smtpd_binary.c - messages with BODY=BINARYMIME: see smtpd.h */
#include "daemon/smtpd.h"
#include "message/binary_mime.h"
#include "smtp/dot_decode.h"

#include <stdlib.h>

enum { PIECE = 16 * 1024, OUT_MAX = 2 * PIECE + BINARY_MIME_HEADER_MAX + 4096 };

struct binary_talk {
    struct binary_mime mime;
    struct dot_decoder watch; /* what comes out is held against the rule for lines too */
    struct buf out;           /* converted, not taken yet */
    size_t taken;             /* of the octets that come again: converted already */
    bool over;
};

bool mail_binary_begin(struct client *c, const struct smtp_envelope *e)
{
    mail_binary_free(c);
    if (e->params.body != SMTP_BODY_BINARYMIME) {
        return true;
    }
    c->binary = calloc(1, sizeof *c->binary);
    if (c->binary == NULL) {
        return false;
    }
    c->binary->watch.raw = true;
    binary_mime_init(&c->binary->mime);
    buf_init(&c->binary->out, OUT_MAX);
    return true;
}

void mail_binary_free(struct client *c)
{
    if (c->binary != NULL) {
        binary_mime_clear(&c->binary->mime);
        buf_clear(&c->binary->out);
        free(c->binary);
        c->binary = NULL;
    }
}

static void fail(struct client *c, enum reply_id row, const char *what)
{
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "what", what);
    smtp_session_data_failed(c->session, (struct smtp_verdict){row, &f});
    spool_message_free(&c->message);
}

/* Hands on what is converted. False: wait. */
static bool hand_on(struct client *c)
{
    struct binary_talk *b = c->binary;
    while (b->out.len > 0 && c->message != NULL) {
        struct dot_decoder before = b->watch;
        struct slice rest = buf_slice(&b->out);
        struct slice span = {0};
        enum dot_res res = dot_decode(&b->watch, &rest, &span);
        if (res == DOT_BARE_EOL) {
            fail(c, REPLY_message_malformed,
                 "a CR or LF stands alone outside of the parts that are binary");
        } else if (res == DOT_SPAN && !mail_lines(c, span)) {
            b->watch = before;
            return false;
        }
        buf_consume(&b->out, b->out.len - rest.len);
    }
    return true;
}

bool mail_binary_data(struct client *c, struct slice s)
{
    struct binary_talk *b = c->binary;
    if (!hand_on(c)) {
        return false;
    }
    if (s.len == 0 && !b->over) {
        b->over = true;
        if (!binary_mime_end(&b->mime, &b->out)) {
            fail(c, REPLY_system_temporary_problem, "out of memory");
        }
        return hand_on(c);
    }
    while (b->taken < s.len && c->message != NULL) {
        struct slice piece = slice_sub(s, b->taken, PIECE);
        b->taken += piece.len;
        if (!binary_mime_feed(&b->mime, piece, &b->out)) {
            fail(c, REPLY_system_temporary_problem, "out of memory");
        }
        if (!hand_on(c)) {
            return false;
        }
    }
    b->taken = 0;
    return true;
}
