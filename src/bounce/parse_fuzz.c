/* bounce/parse_fuzz.c - whatever comes in: results stay within their limits and inside the message or
 * the parser's memory, the same input gives the same answer, a delay never makes an address bad,
 * and neither does a complaint. */
#include "bounce/parse.h"

#include <stdlib.h>
#include <string.h>

static struct bounce_classifier *classifier;
static struct bounce_parser *parser;

/* Reads every octet, so that the sanitizer sees a slice that points nowhere. */
static uint64_t digest(uint64_t sum, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        sum = (sum ^ s.ptr[i]) * 0x100000001b3ULL;
    }
    return sum + s.len;
}

static uint64_t check_rcpt(const struct bounce_mail *m, const struct bounce_recipient *r)
{
    bool bad = r->verdict.kind == BOUNCE_HARD;
    if (r->code > 599 || r->status.subject > 999 || r->status.detail > 999 ||
        r->reply.len > BOUNCE_TEXT_MAX || (bad && r->delivery != BOUNCE_FAILED) ||
        (bad && m->kind != BOUNCE_MAIL_FAILED)) {
        abort();
    }
    uint64_t sum = digest(r->code, r->address);
    sum = digest(sum, r->original);
    sum = digest(sum, r->remote_host);
    return digest(sum + (uint64_t)r->verdict.klass, r->reply);
}

static uint64_t check_mail(const struct bounce_mail *m)
{
    uint64_t sum = (uint64_t)m->kind;
    if (m->rcpt_n > BOUNCE_RCPTS_MAX || (m->kind == BOUNCE_MAIL_NONE && m->rcpt_n > 0) ||
        strlen(m->format) > 32) {
        abort();
    }
    for (unsigned i = 0; i < m->rcpt_n; i++) {
        sum = sum * 31 + check_rcpt(m, &m->rcpt[i]);
    }
    const struct slice texts[] = {m->reporting_host, m->arrival, m->envelope_id,
                                  m->message_id,     m->subject, m->sender,
                                  m->returned_to,    m->token,   m->feedback_type};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        sum = digest(sum, texts[i]);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice in = {data, len};
    struct bounce_recipient r;
    if (parser == NULL) {
        classifier = bounce_classifier_new();
        parser = classifier == NULL ? NULL : bounce_parser_new(classifier, NULL);
        if (parser == NULL) {
            abort();
        }
    }
    uint64_t first = check_mail(bounce_parse(parser, in));
    if (bounce_parse_log(parser, in, &r)) {
        (void)digest(0, r.reply);
        (void)digest(0, r.address);
        (void)digest(0, r.remote_host);
    }
    bounce_parse_reply(parser, in, NULL, &r);
    (void)digest(0, r.reply);
    /* Another message between: nothing of it may stay. */
    (void)check_mail(
        bounce_parse(parser, SLICE("From: MAILER-DAEMON@c.example\n\n"
                                   "<d@e.example>: 550 5.1.1 no\n<<< 551\n")));
    if (check_mail(bounce_parse(parser, in)) != first) {
        abort();
    }
    return 0;
}
