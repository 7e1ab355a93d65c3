/* delivery/push_row.c - see push_row.h */
#include "delivery/push_row.h"

#include "smtp/client_reply.h"

static void add(struct fields *f, const char *name, struct slice value)
{
    if (value.len > 0) {
        fields_add(f, name, value);
    }
}

void push_row_set(struct outcome *o, const struct push_row *row)
{
    struct fields f;
    struct buf lines;
    struct buf flat;
    struct client_reply reply;
    fields_reset(&f);
    add(&f, "rcpt", row->rcpt);
    add(&f, "domain", row->domain);
    add(&f, "remote", row->remote);
    add(&f, "what", row->what);
    buf_init(&lines, (size_t)REPLY_LINES_MAX * REPLY_LINE_MAX);
    buf_init(&flat, OUTCOME_REPLY_MAX);
    client_reply_init(&reply);
    (void)reply_render(&lines, row->id, row->profile, &f, row->session, SLICE(""));
    struct slice in = buf_slice(&lines);
    if (client_reply_feed(&reply, &in) == CLIENT_REPLY_DONE) {
        client_reply_flat(&reply, OUTCOME_REPLY_MAX, &flat);
    }
    /* Codes of the gmail profile are the documents' own: 423 and 427 pass, 524 and 526 do not. */
    o->row = (uint16_t)row->id;
    outcome_set(o, reply.code / 100 == 5 ? JOB_FAILED : JOB_DEFERRED, buf_slice(&flat));
    client_reply_clear(&reply);
    buf_clear(&flat);
    buf_clear(&lines);
}
