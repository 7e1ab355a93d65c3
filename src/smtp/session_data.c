/* smtp/session_data.c - the octets of a message: DATA, and the chunks of BDAT. */
#include "base/log.h"
#include "smtp/session_impl.h"

void smtp_session_data_failed(struct smtp_session *s, struct smtp_verdict verdict)
{
    if (s->data_refusal != REPLY_NONE) {
        return; /* the first reason stands */
    }
    s->data_refusal = verdict.reply;
    fields_reset(&s->data_evidence);
    for (unsigned i = 0; verdict.evidence != NULL && i < verdict.evidence->n; i++) {
        struct slice copy = {0};
        if (arena_dup(&s->transaction_arena, verdict.evidence->item[i].value, &copy)) {
            fields_add(&s->data_evidence, verdict.evidence->item[i].name, copy);
        }
    }
}

static void refuse_too_large(struct smtp_session *s)
{
    static const enum reply_id rows[] = {
        [SMTP_MX] = REPLY_message_too_large_measured,
        [SMTP_SUBMISSION] = REPLY_message_too_large,
        [SMTP_RELAY] = REPLY_message_too_large,
        [SMTP_PUSH] = REPLY_push_data_too_large,
    };
    s->data_refusal = rows[s->offer.service];
    fields_reset(&s->data_evidence);
    fields_add_u64(&s->data_evidence, "size", s->data_len);
    fields_add_u64(&s->data_evidence, "limit", s->limits->message_size);
}

/* Counts a span and hands on what the limit has room for. False: not taken, wait. */
static bool take_span(struct smtp_session *s, struct slice span)
{
    uint64_t limit = s->limits->message_size;
    struct slice part = slice_sub(span, 0, s->data_len < limit ? limit - s->data_len : 0);
    if (s->data_refusal == REPLY_NONE && part.len > 0 && !s->ops->data(s->arg, part)) {
        s->blocked = s->data_refusal == REPLY_NONE;
        if (s->blocked) {
            return false;
        }
    }
    s->data_len += span.len;
    return true;
}

/* The whole message was seen: have it kept, or say why not. */
static void finish_message(struct smtp_session *s)
{
    if (s->data_refusal == REPLY_NONE && s->data_len > s->limits->message_size) {
        refuse_too_large(s);
    }
    if (s->data_refusal != REPLY_NONE) {
        s->phase = PHASE_COMMAND;
        session_say(s, s->data_refusal, &s->data_evidence);
        if (s->phase != PHASE_CLOSED) {
            session_reset(s);
        }
        return;
    }
    s->phase = PHASE_DONE;
    s->ops->data_end(s->arg, &s->envelope);
}

void smtp_session_done(struct smtp_session *s, struct smtp_verdict verdict)
{
    BUG_ON(s->phase != PHASE_DONE);
    s->phase = PHASE_COMMAND;
    s->row_n = 0;
    session_say(s, verdict.reply == REPLY_NONE ? REPLY_ok_queued : verdict.reply,
                verdict.evidence);
    if (s->phase != PHASE_CLOSED) {
        session_reset(s);
    }
}

void session_feed_data(struct smtp_session *s, struct slice *in)
{
    while (in->len > 0) {
        struct dot_decoder before = s->decoder;
        struct slice at = *in;
        struct slice span = {0};
        switch (dot_decode(&s->decoder, in, &span)) {
        case DOT_MORE:
            return;
        case DOT_SPAN:
            if (!take_span(s, span)) {
                s->decoder = before;
                *in = at;
                return;
            }
            break;
        case DOT_BARE_EOL:
            /* RFC 5321 2.3.8: "MUST NOT recognize or generate any other character or
             * character sequence as a line terminator" */
            session_say_gross(s, "DATA", "a CR or LF stands alone in the message");
            return;
        case DOT_END:
            finish_message(s);
            return;
        }
    }
}

/* The client did not wait for the answer to DATA, as RFC 2920 3.1 demands: what it sends up to
 * the final dot is dropped unread, so that no line of it can pass for a command. DATA gets one
 * reply: its refusal before, or that of the message now. */
void session_feed_early(struct smtp_session *s, struct slice *in)
{
    struct slice span = {0};
    enum dot_res res = DOT_SPAN;
    while (res == DOT_SPAN) {
        res = dot_decode(&s->early, in, &span);
    }
    if (res == DOT_BARE_EOL) {
        session_say_gross(s, "DATA", "a CR or LF stands alone in the message");
        return;
    }
    if (res != DOT_END) {
        return;
    }
    s->phase = PHASE_COMMAND;
    if (!s->early_answered) {
        struct fields f;
        fields_reset(&f);
        fields_add_str(&f, "command", "DATA");
        fields_add_str(&f, "what", "the message was sent before the server's reply 354");
        session_reset(s);
        session_say_error(s, REPLY_protocol_violation, &f);
    }
}

/* The chunk was dropped, now its answer is due. */
static void refuse_chunk(struct smtp_session *s)
{
    if (!s->bdat_failed) {
        session_say_missing(s, s->chunk_refusal, SMTP_BDAT);
        return;
    }
    /* RFC 3030 2: "the receiver SMTP MUST be prepared to accept and discard additional BDAT
     * chunks already in the pipeline after the failed BDAT": no further errors. */
    struct fields f;
    fields_reset(&f);
    fields_add_str(&f, "command", "BDAT");
    fields_add_str(&f, "expected", "RSET");
    session_say(s, REPLY_sequence_bad, &f);
    if (s->chunk_last) {
        session_reset(s);
    }
}

static void end_chunk(struct smtp_session *s)
{
    s->phase = PHASE_COMMAND;
    if (s->chunk_refusal != REPLY_NONE) {
        refuse_chunk(s);
        return;
    }
    if (s->data_refusal == REPLY_NONE && s->data_len > s->limits->message_size) {
        refuse_too_large(s);
    }
    if (s->data_refusal != REPLY_NONE) {
        /* After a failed chunk the message is lost; RSET or the last chunk makes a new start. */
        enum reply_id refusal = s->data_refusal;
        bool last = s->chunk_last;
        s->bdat_failed = true;
        session_say(s, refusal, &s->data_evidence);
        if (s->phase != PHASE_CLOSED && last) {
            session_reset(s);
        }
        return;
    }
    if (s->chunk_last) {
        finish_message(s);
        return;
    }
    struct fields f;
    fields_reset(&f);
    fields_add_u64(&f, "size", s->chunk_len);
    s->row_n = 0;
    session_say(s, REPLY_ok_bdat, &f);
}

/* Nobody wants the octets of this chunk. */
static bool chunk_lost(const struct smtp_session *s)
{
    return s->chunk_refusal != REPLY_NONE || s->data_refusal != REPLY_NONE;
}

static bool is_binary(const struct smtp_session *s)
{
    return s->envelope.params.body == SMTP_BODY_BINARYMIME;
}

/* A CR at the very end of a message, or a last line without CRLF. False: wait. */
static bool close_last_line(struct smtp_session *s)
{
    if (!s->chunk_last || chunk_lost(s)) {
        return true;
    }
    if (is_binary(s)) {
        s->blocked = !s->ops->data(s->arg, SLICE("")) && s->data_refusal == REPLY_NONE;
        return !s->blocked;
    }
    if (s->decoder.state == DOT_CR) {
        struct fields f;
        fields_reset(&f);
        fields_add_str(&f, "what", "the message ends in a bare CR");
        smtp_session_data_failed(s, (struct smtp_verdict){REPLY_message_malformed, &f});
    } else if (s->decoder.state != DOT_LINE_START && !take_span(s, SLICE("\r\n"))) {
        return false;
    }
    s->decoder.state = DOT_LINE_START;
    return true;
}

/* One step through the octets at hand, all of this chunk; *in is what it leaves. False: wait. */
static bool take_chunk(struct smtp_session *s, struct slice *in)
{
    struct dot_decoder before = s->decoder;
    struct slice at = *in;
    struct slice span = {0};
    if (chunk_lost(s)) {
        s->data_len += s->chunk_refusal == REPLY_NONE ? in->len : 0;
        *in = slice_from(*in, in->len);
        return true;
    }
    if (is_binary(s)) {
        bool taken = take_span(s, at);
        *in = slice_from(at, taken ? at.len : 0);
        return taken;
    }
    enum dot_res res = dot_decode(&s->decoder, in, &span);
    if (res == DOT_SPAN && !take_span(s, span)) {
        s->decoder = before;
        *in = at;
        return false;
    }
    if (res == DOT_BARE_EOL) {
        /* The chunk's length is known, so nothing can hide here: refuse and go on. */
        struct fields f;
        fields_reset(&f);
        fields_add_str(&f, "what", "a CR or LF stands alone in the message");
        smtp_session_data_failed(s, (struct smtp_verdict){REPLY_message_malformed, &f});
    }
    return true;
}

void session_feed_chunk(struct smtp_session *s, struct slice *in)
{
    while (s->chunk_left > 0 && in->len > 0) {
        struct slice part = slice_sub(*in, 0, s->chunk_left);
        struct slice rest = part;
        if (!take_chunk(s, &rest)) {
            return;
        }
        s->chunk_left -= part.len - rest.len;
        *in = slice_from(*in, part.len - rest.len);
    }
    if (s->chunk_left == 0 && close_last_line(s)) {
        end_chunk(s);
    }
}
