/* delivery/report.c - see report.h */
#include "delivery/report.h"

#include "bounce/parse.h"
#include "queue/sent.h"

#include <pthread.h>
#include <stdlib.h>

struct report_reader {
    const char *domain;
    pthread_mutex_t lock; /* of all below */
    struct bounce_classifier *classifier;
    struct bounce_parser *parser;
    struct buf text, line;
};

struct report_reader *report_reader_new(const char *domain)
{
    struct report_reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->domain = domain;
    (void)pthread_mutex_init(&r->lock, NULL);
    buf_init(&r->text, REPORT_READ_MAX);
    buf_init(&r->line, OUTCOME_REPLY_MAX);
    return r;
}

/* With the first report: they are megabytes. */
static bool be_ready(struct report_reader *r)
{
    if (r->classifier == NULL) {
        r->classifier = bounce_classifier_new();
    }
    if (r->parser == NULL && r->classifier != NULL) {
        r->parser = bounce_parser_new(r->classifier, NULL);
    }
    return r->parser != NULL;
}

void report_reader_free(struct report_reader **reader)
{
    struct report_reader *r = *reader;
    if (r == NULL) {
        return;
    }
    bounce_parser_free(&r->parser);
    bounce_classifier_free(&r->classifier);
    buf_clear(&r->text);
    buf_clear(&r->line);
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
    *reader = NULL;
}

/* To its end, for only there its checksum is known to be right. */
static enum source_res read_all(struct report_reader *r, struct source *src)
{
    struct slice piece;
    enum source_res res;
    buf_reset(&r->text);
    (void)buf_add(&r->text, slice_sub(buf_slice(&src->head), 0, REPORT_READ_MAX));
    while ((res = source_next(src, &piece)) == SOURCE_OK) {
        (void)buf_add(&r->text, slice_sub(piece, 0, REPORT_READ_MAX - r->text.len));
    }
    return res;
}

static bool is_hard(const struct bounce_recipient *rcpt)
{
    return rcpt->delivery == BOUNCE_FAILED && rcpt->verdict.kind == BOUNCE_HARD;
}

/* A return path stands for one recipient of ours. Where a report names several, that one was a list of
 * the receiver's, and its address is only bad when all of them are. */
static const struct bounce_recipient *choose(const struct bounce_mail *mail)
{
    for (unsigned i = 0; i < mail->rcpt_n; i++) {
        if (!is_hard(&mail->rcpt[i])) {
            return &mail->rcpt[i];
        }
    }
    return mail->rcpt_n == 0 ? NULL : &mail->rcpt[0];
}

/* On one line, in r->line. */
static struct slice flat(struct report_reader *r, struct slice reply)
{
    buf_reset(&r->line);
    for (size_t i = 0; i < reply.len && r->line.len < OUTCOME_REPLY_MAX; i++) {
        unsigned char c = reply.ptr[i];
        bool blank = c <= ' ' || c == 0x7f;
        if (!blank) {
            (void)buf_add_byte(&r->line, c);
        } else if (r->line.len > 0 && r->line.ptr[r->line.len - 1] != ' ') {
            (void)buf_add_byte(&r->line, ' ');
        }
    }
    return slice_trim(buf_slice(&r->line));
}

static void tell(struct report_reader *r, const struct bounce_mail *mail,
                 struct outcome *out)
{
    const struct bounce_recipient *rcpt = choose(mail);
    bool complaint = mail->kind == BOUNCE_MAIL_FEEDBACK;
    struct slice reply = rcpt == NULL ? SLICE("") : rcpt->reply;
    outcome_set(out, JOB_DELIVERED, flat(r, complaint ? mail->feedback_type : reply));
    if (rcpt != NULL) {
        out->code = (uint16_t)(rcpt->code < 600 ? rcpt->code : 0);
        out->klass = (uint8_t)(rcpt->verdict.klass + 1);
        out->advice =
            mail->kind == BOUNCE_MAIL_FAILED && is_hard(rcpt) ? JOB_suppress : JOB_usual;
    }
    buf_reset(&r->line);
    (void)buf_add_str(&r->line, bounce_mail_kind_name(mail->kind));
    struct slice path = sent_find_text(buf_slice(&r->text), slice_of(r->domain));
    if (path.len > 0) {
        (void)buf_add_byte(&r->line, ' ');
        (void)buf_add(&r->line, path);
    }
    outcome_where(out, buf_slice(&r->line));
}

void report_read(struct report_reader *r, struct source *src, struct outcome *out)
{
    (void)pthread_mutex_lock(&r->lock);
    enum source_res res = read_all(r, src);
    if (res == SOURCE_END && !be_ready(r)) {
        outcome_set(out, JOB_DEFERRED, SLICE("451 4.3.0 no memory to read it"));
    } else if (res == SOURCE_END) {
        tell(r, bounce_parse(r->parser, buf_slice(&r->text)), out);
    } else {
        outcome_set(
            out, JOB_DEFERRED,
            res == SOURCE_DAMAGED
                ? SLICE("451 4.3.0 the message in the spool is damaged (checksum)")
                : SLICE("451 4.3.0 the message in the spool cannot be read"));
    }
    (void)pthread_mutex_unlock(&r->lock);
}
