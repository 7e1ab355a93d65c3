/* message/submit.c - see submit.h */
#include "message/submit.h"

static void keep_held(struct submit *s, struct buf *out)
{
    (void)buf_add(out, (struct slice){s->held, s->held_len});
    s->held_len = 0;
}

/* A colon ends the name that is held. */
static void end_name(struct submit *s, struct buf *out)
{
    s->field = true;
    struct slice name = slice_trim((struct slice){s->held, s->held_len});
    s->dropping = slice_ieq(name, SLICE("Bcc")) || slice_ieq(name, SLICE("Resent-Bcc"));
    s->has_date = s->has_date || slice_ieq(name, SLICE("Date"));
    s->has_message_id = s->has_message_id || slice_ieq(name, SLICE("Message-ID"));
    if (s->dropping) {
        s->held_len = 0;
        s->state = SUBMIT_DROP;
        return;
    }
    keep_held(s, out);
    (void)buf_add_byte(out, ':');
    s->state = SUBMIT_KEEP;
}

static void start_line(struct submit *s, unsigned char c, struct buf *out)
{
    bool folded = c == ' ' || c == '\t';
    if (folded && s->dropping) {
        s->field = true;
        s->state = SUBMIT_DROP;
        return;
    }
    if (folded || c == '\r') {
        s->field = folded;
        (void)buf_add_byte(out, c);
        s->state = SUBMIT_KEEP;
        return;
    }
    s->dropping = false;
    s->field = false;
    s->state = SUBMIT_NAME;
    s->held[0] = c;
    s->held_len = 1;
}

static void in_name(struct submit *s, unsigned char c, struct buf *out)
{
    if (c == ':') {
        end_name(s, out);
        return;
    }
    if (c != '\r' && s->held_len < SUBMIT_HELD_MAX) {
        s->held[s->held_len++] = c;
        return;
    }
    keep_held(s, out); /* no name that concerns us */
    (void)buf_add_byte(out, c);
    s->state = SUBMIT_KEEP;
}

void submit_feed(struct submit *s, struct slice in, struct buf *out)
{
    while (in.len > 0) {
        if (s->state == SUBMIT_BODY) {
            (void)buf_add(out, in);
            return;
        }
        unsigned char c = in.ptr[0];
        in = slice_from(in, 1);
        switch (s->state) {
        case SUBMIT_START:
            start_line(s, c, out);
            break;
        case SUBMIT_NAME:
            in_name(s, c, out);
            break;
        case SUBMIT_KEEP:
            (void)buf_add_byte(out, c);
            s->field = s->field || c == ':';
            break;
        case SUBMIT_DROP:
        case SUBMIT_BODY:
            break;
        }
        if (c == '\n') {
            s->state = !s->field ? SUBMIT_BODY : SUBMIT_START;
        }
    }
}
