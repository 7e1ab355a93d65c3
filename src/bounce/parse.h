/* bounce/parse.h - a message that came back: whom it is about, and what was said about each.
 *
 * Source  RFC 3464, 6522, 6533 (delivery status notifications), 5965 (feedback reports), 3834
 *         (automatic answers), 8098 (receipts); for the many reports without a machine-readable
 *         part the forms that servers write, recognised by their structure (table in parse.c).
 * Pure    a whole message in memory in, results out; no I/O, no clock. Charsets beyond
 *         mime_read.h's own are the caller's.
 * Own     a parser owns its working memory and the last result; what a result points to is
 *         valid until the next parse, and as long as the message is.
 * Errors  none: what is no report is BOUNCE_MAIL_NONE with no recipients. Memory that runs
 *         short shortens texts.
 * Limits  BOUNCE_RCPTS_MAX recipients (`more` counts the rest), texts of BOUNCE_TEXT_MAX octets,
 *         BOUNCE_PARSE_MAX octets of working memory, and the first 1 MiB of an attached message
 *         that had to be decoded, at two levels. Time is linear in the message. */
#ifndef BOUNCE_PARSE_H
#define BOUNCE_PARSE_H
#include "bounce/classify.h"
#include "message/mime_read.h"

enum { BOUNCE_RCPTS_MAX = 256, BOUNCE_PARSE_MAX = 16 * 1024 * 1024 };

enum bounce_mail_kind {
    BOUNCE_MAIL_NONE = 0,   /* none of the following */
    BOUNCE_MAIL_FAILED,     /* a bounce: at least one recipient failed for good */
    BOUNCE_MAIL_DELAYED,    /* still being tried */
    BOUNCE_MAIL_DELIVERED,  /* delivered, relayed or expanded */
    BOUNCE_MAIL_FEEDBACK,   /* a complaint: ARF and its kin */
    BOUNCE_MAIL_AUTO_REPLY, /* vacation, receipt */
};

/* RFC 3464 2.3.3. */
enum bounce_delivery {
    BOUNCE_DELIVERY_UNKNOWN = 0,
    BOUNCE_FAILED,
    BOUNCE_DELAYED,
    BOUNCE_DELIVERED,
    BOUNCE_RELAYED,
    BOUNCE_EXPANDED,
};

struct bounce_recipient {
    struct slice address;  /* final; empty: the report names nobody */
    struct slice original; /* as first given, where that is told */
    enum bounce_delivery delivery;
    bool told_failed; /* the report itself says "Action: failed" */
    unsigned code;    /* of the reply; 0: none */
    struct bounce_status status;
    struct slice reply; /* what the server said, or what the report says instead; UTF-8 */
    struct slice remote_host;
    enum bounce_stage stage;
    struct bounce_verdict verdict;
};

struct bounce_mail {
    enum bounce_mail_kind kind;
    const char
        *format; /* the row that recognised it: "dsn", "exim", "list" ...; "" for none */
    struct bounce_recipient *rcpt;
    unsigned rcpt_n, more;
    struct slice reporting_host;
    struct slice arrival; /* when the original came to the reporting host, as written */
    struct slice envelope_id;   /* Original-Envelope-Id */
    struct slice message_id;    /* of the original, without <> */
    struct slice subject;       /* of the original, decoded */
    struct slice sender;        /* the original's From address */
    struct slice returned_to;   /* whom the report was sent to: the VERP address */
    struct slice token;         /* the tag of that address, behind its last '+' */
    struct slice feedback_type; /* "abuse" ...; of complaints only */
};

struct bounce_parser;

/* classifier and convert are borrowed for the parser's life; convert may be NULL. NULL:
 * memory is short. */
MUST_USE struct bounce_parser *bounce_parser_new(struct bounce_classifier *classifier,
                                                 const struct mime_charset *convert);
void bounce_parser_free(struct bounce_parser **p);

const struct bounce_mail *bounce_parse(struct bounce_parser *p, struct slice message);

/* One reply outside a message, e.g. typed in: finds code, status, stage and host in it. What
 * context (may be NULL) says of stage and host holds. Slices point into text. */
void bounce_parse_reply(struct bounce_parser *p, struct slice text,
                        const struct bounce_context *context,
                        struct bounce_recipient *out);

/* One line of a mail log (Postern, Postfix, Exim, sendmail, OpenSMTPD): false when it tells of no
 * delivery that failed or was delayed. Slices point into the line. */
MUST_USE bool bounce_parse_log(struct bounce_parser *p, struct slice line,
                               struct bounce_recipient *out);

/* The same for a line that is nothing but a reply: "550 5.1.1 ...", or "550-..." in front. */
MUST_USE bool bounce_parse_bare(struct bounce_parser *p, struct slice line,
                                struct bounce_recipient *out);

MUST_USE const char *bounce_mail_kind_name(enum bounce_mail_kind kind);
MUST_USE const char *bounce_delivery_name(enum bounce_delivery delivery);
#endif
