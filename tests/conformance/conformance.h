/* tests/conformance/conformance.h - suites of cases in JSON, played against the pure evaluators.
 *
 * Source  the schema: ../shared/suites/README.md. One kind of case is one file here and one row of
 *         the table in conformance.c; it reads a suite's cases and reports each.
 * Own     everything made while a case runs lives in the run's arena until the next case. */
#ifndef CONFORMANCE_H
#define CONFORMANCE_H
#include "base/arena.h"
#include "base/buf.h"
#include "dns/answer.h"

#include <jansson.h>

struct run {
    struct arena arena; /* of one case; case_begin() empties it */
    json_t *suite;      /* the file */
    const char *dir;    /* where it lies: paths of messages are relative to it */
    const char *id;     /* of the case that runs */
    unsigned passed, total;
    struct buf why; /* what the case found wrong; anything in it is a failure */
};

/* Between them a case says what is wrong by wrong(), once or more often. */
void case_begin(struct run *run, const char *id);
void case_end(struct run *run);
void wrong(struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* A string that stands for octets (code points up to U+00FF), in the arena; "" when absent. */
MUST_USE struct slice octets(struct run *run, const json_t *string);
/* A member of an object as text; "" when absent. */
MUST_USE const char *text_of(const json_t *object, const char *key);
/* Is the word in the list of what is allowed (a list, or one string)? Else that is wrong. */
void expect_word(struct run *run, const char *what, const json_t *allowed,
                 const char *word);
/* A file of the suite (messages), in the arena; that it does not read is wrong. */
MUST_USE bool file_octets(struct run *run, const char *path, struct slice *out);

/* A zone in JSON as a source of answers. */
struct zone_answer;
struct zone {
    struct dns_source source;
    struct run *run;
    const json_t *base, *over;        /* the suite's and the case's; either may be NULL */
    bool slow;                        /* an answer is known only after zone_reveal() */
    struct zone_answer *first, *last; /* all questions, in their order */
    unsigned asked;
};
void zone_init(struct zone *zone, struct run *run, const json_t *base,
               const json_t *over);
/* Makes one answer known that was asked for: the newest or the oldest. False: all are. */
MUST_USE bool zone_reveal(struct zone *zone, bool newest);
/* Takes steps until one is the last (true), one answer more known before each; that it does not
 * end, or waits though all is known, is wrong. */
MUST_USE bool zone_play(struct zone *zone, bool newest, bool (*step)(void *arg),
                        void *arg);
/* The question with that number, in the order they were asked first; false when there is none. */
MUST_USE bool zone_question(const struct zone *zone, unsigned number, enum dns_type *type,
                            struct slice *name);

/* A message at the empty line that ends its header section, or where that ends without one. */
void split_message(struct slice message, struct slice *header, struct slice *body);

/* Plays each case of the suite that has a message. */
struct crypto;
void each_message(struct run *run,
                  void (*play)(struct run *run, const json_t *one, struct crypto *crypto,
                               struct slice message));

void run_dmarc(struct run *run);
void run_dmarc_from(struct run *run);
void run_dane_policy(struct run *run);
void run_dane_tlsa(struct run *run);
void run_mta_sts(struct run *run);
void run_iprev(struct run *run);
void run_spf(struct run *run);
void run_dkim(struct run *run);
void run_arc_validate(struct run *run);
void run_arc_sign(struct run *run);
#endif
