/* senderauth/fake_dns.h - DNS answers out of a text, for tests, fuzz targets and benches.
 *
 * The text has one record a line: "name type data". Types: A (of either family), MX (no
 * preference: "host", or "." for a null MX), PTR, TXT (the rest of the line, spaces too), CNAME
 * (followed), FAIL (all questions for that name fail). A name without lines does not exist,
 * unless it has names below it.
 *
 * Own     the text belongs to the caller and outlives the source.
 * Slow    with slow set an answer is known only after fake_dns_reveal(). */
#ifndef SENDERAUTH_FAKE_DNS_H
#define SENDERAUTH_FAKE_DNS_H
#include "base/arena.h"
#include "base/map.h"
#include "dns/answer.h"

enum { FAKE_DNS_LINES_MAX = 1024, FAKE_DNS_QUESTIONS_MAX = 4096 };

struct fake_line {
    struct slice name, type, data;
};
struct fake_question {
    enum dns_type type;
    struct slice name;
    bool known;
    struct dns_answer answer;
};
struct fake_dns {
    struct dns_source source;
    struct arena arena;
    struct map answers; /* by type and name */
    bool slow;
    unsigned line_n, question_n;
    struct fake_line line[FAKE_DNS_LINES_MAX];
    struct fake_question *question[FAKE_DNS_QUESTIONS_MAX]; /* in the order first asked */
};

void fake_dns_init(struct fake_dns *dns, struct slice text);
void fake_dns_clear(struct fake_dns *dns);
/* Forgets what was asked. */
void fake_dns_forget(struct fake_dns *dns, bool slow);
/* Makes one unknown answer known, picked by number among them; false: all are known. */
MUST_USE bool fake_dns_reveal(struct fake_dns *dns, unsigned pick);
#endif
