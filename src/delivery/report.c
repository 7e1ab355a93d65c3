/* delivery/report.c - see report.h */
#include "delivery/report.h"

#include "bounce/feedback.h"
#include "bounce/parse.h"
#include "dns/name.h"
#include "queue/sent.h"
#include "senderauth/authres.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct report_reader {
    const struct config *config;
    pthread_mutex_t lock; /* of all below */
    struct bounce_classifier *classifier;
    struct bounce_parser *parser;
    struct mime_message parts;
    struct buf text, line, results, store;
};

enum { RESULTS_MAX = 16384, RECEIVED_MAX = 1000, ID_MAX = 500, RESULTS_KEPT = 2500 };

struct report_reader *report_reader_new(const struct config *config)
{
    struct report_reader *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->config = config;
    (void)pthread_mutex_init(&r->lock, NULL);
    buf_init(&r->text, REPORT_READ_MAX);
    buf_init(&r->line, OUTCOME_REPLY_MAX);
    buf_init(&r->results, RESULTS_MAX);
    buf_init(&r->store, REPORT_READ_MAX);
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
    buf_clear(&r->results);
    buf_clear(&r->store);
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

/* --- complaints --- */

static bool is_listed(const struct report_reader *r, struct slice domain)
{
    const struct config_list *list = &r->config->complaints_providers;
    for (unsigned i = 0; i < list->n && domain.len > 0; i++) {
        if (dns_name_below(domain, slice_of(list->item[i]))) {
            return true;
        }
    }
    return false;
}

/* Who sent the report, by the fields that we put above it when it came (head), or because he had to log in. False: the
 * settings do not name him. */
static bool find_reporter(struct report_reader *r, struct slice head,
                          const struct job *job, struct slice *out)
{
    struct authres_passed p = {.dkim_n = 0};
    struct slice results = SLICE(""), rest = SLICE("");
    buf_reset(&r->results);
    if (mime_field_find(head, "Authentication-Results", &results) &&
        authres_is_from(results, slice_of(r->config->hostname), &rest) &&
        !authres_read_passed(rest, &r->results, &p)) {
        p = (struct authres_passed){.dkim_n = 0};
    }
    bool stranger = job->service == SERVICE_MX; /* the account is what he says */
    struct slice account = stranger ? SLICE("") : job->account;
    size_t at = slice_rfind(account, '@');
    bool listed = r->config->complaints_providers.n == 0 || is_listed(r, p.spf) ||
                  is_listed(r, at < account.len ? slice_from(account, at + 1) : account);
    for (unsigned i = 0; i < p.dkim_n; i++) {
        listed = listed || is_listed(r, p.dkim[i]);
    }
    *out = account.len > 0 ? account : p.dkim_n > 0 ? p.dkim[0] : p.spf;
    return listed;
}

/* "name: value", on one line, cut. */
static void add_field(struct buf *out, const char *name, struct slice value, size_t max)
{
    (void)buf_add_str(out, name);
    (void)buf_add_str(out, ": ");
    (void)buf_add(out, slice_sub(slice_strip(value), 0, max));
    (void)buf_add_byte(out, '\n');
}

/* Of the header of what was reported what tells whether it came through here; others' Received fields only as
 * that they are there. */
static void keep_fields(struct report_reader *r, struct slice header, struct buf *out)
{
    struct slice host = slice_of(r->config->hostname);
    struct mime_field f;
    while (mime_field_next(&header, &f)) {
        buf_reset(&r->results);
        (void)mime_unfold(f.value, &r->results);
        struct slice value = buf_slice(&r->results);
        if (slice_ieq(f.name, SLICE("Received"))) {
            bool ours = slice_isearch(value, host) < value.len;
            add_field(out, "Received", ours ? value : SLICE("x"), RECEIVED_MAX);
        } else if (slice_ieq(f.name, SLICE("Authentication-Results")) &&
                   authres_is_from(value, host, NULL)) {
            add_field(out, "Authentication-Results", value, RESULTS_KEPT);
        } else if (slice_ieq(f.name, SLICE("Message-ID"))) {
            add_field(out, "Message-ID", value, ID_MAX);
        } else if (slice_ieq(f.name, SLICE("X-Spam-Flag")) ||
                   slice_ieq(f.name, SLICE("X-Spam"))) {
            add_field(out, "X-Spam", value, 1);
        }
    }
}

static struct slice put(unsigned char *to, size_t max, struct slice from)
{
    size_t n = from.len < max ? from.len : max;
    if (n > 0) {
        memcpy(to, from.ptr, n);
    }
    return (struct slice){to, n};
}

/* The kind of complaint, in a word; and who complains about what. */
static const char *read_complaint(struct report_reader *r, const struct bounce_mail *mail,
                                  struct slice head, const struct job *job,
                                  struct report_about *about, struct outcome *out)
{
    enum feedback_says says = feedback_says(mail->feedback_type);
    struct slice reporter = SLICE(""), header = SLICE("");
    struct buf kept;
    bool listed = find_reporter(r, head, job, &reporter);
    out->reporter = put(about->reporter, sizeof about->reporter, reporter);
    buf_reset(&r->store);
    if (listed && says != FEEDBACK_OTHER &&
        feedback_original(buf_slice(&r->text), &r->parts, &r->store, &header)) {
        buf_init(&kept, sizeof about->original);
        keep_fields(r, header, &kept);
        out->original = put(about->original, sizeof about->original, buf_slice(&kept));
        buf_clear(&kept);
    }
    return !listed                   ? "stranger"
           : says == FEEDBACK_OTHER  ? "auth-failure"
           : says == FEEDBACK_WANTED ? "wanted"
                                     : bounce_mail_kind_name(mail->kind);
}

static void tell(struct report_reader *r, const struct bounce_mail *mail,
                 struct slice head, const struct job *job, struct report_about *about,
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
    (void)buf_add_str(&r->line, complaint ? read_complaint(r, mail, head, job, about, out)
                                          : bounce_mail_kind_name(mail->kind));
    struct slice path =
        sent_find_text(buf_slice(&r->text), slice_of(r->config->push_return_path_domain));
    if (path.len > 0) {
        (void)buf_add_byte(&r->line, ' ');
        (void)buf_add(&r->line, path);
    }
    outcome_where(out, buf_slice(&r->line));
}

void report_read(struct report_reader *r, struct source *src, const struct job *job,
                 struct report_about *about, struct outcome *out)
{
    (void)pthread_mutex_lock(&r->lock);
    enum source_res res = read_all(r, src);
    if (res == SOURCE_END && !be_ready(r)) {
        outcome_set(out, JOB_DEFERRED, SLICE("451 4.3.0 no memory to read it"));
    } else if (res == SOURCE_END) {
        tell(r, bounce_parse(r->parser, buf_slice(&r->text)), buf_slice(&src->head), job,
             about, out);
    } else {
        outcome_set(
            out, JOB_DEFERRED,
            res == SOURCE_DAMAGED
                ? SLICE("451 4.3.0 the message in the spool is damaged (checksum)")
                : SLICE("451 4.3.0 the message in the spool cannot be read"));
    }
    (void)pthread_mutex_unlock(&r->lock);
}
