/* bounce/classify.h - what a reply of another mail server means, and what to do about it.
 *
 * Source  RFC 5321 and 3463 for the form; catalogue/bounces (rules and classes as data, compiled
 *         into one automaton at build time) for the meaning.
 * Pure    no I/O, no clock. One function for a live reply and for one taken from a bounce.
 *         The same reply and context always give the same verdict.
 * Own     a classifier owns its working memory, so each thread needs one of its own; the
 *         tables behind all of them are shared. Reply and context are borrowed for the call;
 *         a verdict and what it points to (texts of the catalogue) live as long as the program.
 * Errors  classification has none: what nobody knows is BOUNCE_UNCLASSIFIED.
 * Limits  only the first BOUNCE_TEXT_MAX octets of a text are read; time is linear in them. A
 *         classifier takes some 0.9 MB: it keeps the verdicts of replies heard before (known.h).
 * BUGS    text is UTF-8: other charsets must be converted first, else only its ASCII counts. */
#ifndef BOUNCE_CLASSIFY_H
#define BOUNCE_CLASSIFY_H
#include "base/slice.h"
#include "bounce/bounce_ids.h" /* enum bounce_class, bounce_provider, BOUNCE_RULES_N; generated */

enum { BOUNCE_TEXT_MAX = 4096 };

/* What it says about the recipient's address. */
enum bounce_kind {
    BOUNCE_NO_FAILURE = 0,
    BOUNCE_HARD, /* the address is bad: suppress it */
    BOUNCE_SOFT, /* passing: try again */
    BOUNCE_BLOCK, /* sender, message or policy refused: keep the address, do not repeat as is */
};

/* Whom or what the refusal is about: the thing to slow down, stop or repair. */
enum bounce_scope {
    BOUNCE_SCOPE_NONE = 0,
    BOUNCE_SCOPE_RECIPIENT, /* one address */
    BOUNCE_SCOPE_DOMAIN,    /* the recipient's domain, all its servers */
    BOUNCE_SCOPE_SOURCE,    /* our address or network */
    BOUNCE_SCOPE_SENDER,    /* the envelope sender, its account or domain */
    BOUNCE_SCOPE_MESSAGE,   /* this message, to whomever */
    BOUNCE_SCOPE_SERVER,    /* this one server of the destination */
};

/* More exact than the scope, where the reply says so. */
enum bounce_subscope {
    BOUNCE_SUBSCOPE_NONE = 0,
    BOUNCE_SUBSCOPE_IP,
    BOUNCE_SUBSCOPE_NETBLOCK,
    BOUNCE_SUBSCOPE_CONNECTIONS, /* connections, not messages, are too many */
    BOUNCE_SUBSCOPE_ADDRESS,     /* one sender address or account */
    BOUNCE_SUBSCOPE_DOMAIN,      /* the sender's domain */
    BOUNCE_SUBSCOPE_SPF_DOMAIN,
    BOUNCE_SUBSCOPE_DKIM_DOMAIN,
    BOUNCE_SUBSCOPE_URL_DOMAIN, /* a domain that the message links to */
    BOUNCE_SUBSCOPE_MESSAGE_ID,
    BOUNCE_SUBSCOPE_HEADER,     /* a header field, not the whole message */
    BOUNCE_SUBSCOPE_ATTACHMENT, /* an attachment */
    BOUNCE_SUBSCOPE_DAY,        /* a limit that renews with the day */
    BOUNCE_SUBSCOPE_MONTH,
};

/* What a queue does by itself. */
enum bounce_action {
    BOUNCE_ACT_NOTHING = 0,
    BOUNCE_ACT_RETRY,       /* normal schedule */
    BOUNCE_ACT_RETRY_LATER, /* few times, long intervals (full mailbox, closed recipient) */
    BOUNCE_ACT_SLOW_DOWN, /* towards this site: lower rate and concurrency, then retry */
    BOUNCE_ACT_PAUSE_SENDER, /* this sender or sending domain waits */
    BOUNCE_ACT_PAUSE_SITE,   /* stop towards this site until the cause is cured */
    BOUNCE_ACT_SPLIT,        /* fewer recipients at once, then go on */
    BOUNCE_ACT_SUPPRESS,     /* never send to this address again */
    BOUNCE_ACT_GIVE_UP,      /* return this message, keep the address */
    BOUNCE_ACT_UNSUBSCRIBE,  /* a complaint */
};

enum bounce_stage {
    BOUNCE_STAGE_UNKNOWN = 0,
    BOUNCE_STAGE_CONNECT,
    BOUNCE_STAGE_HELO,
    BOUNCE_STAGE_STARTTLS,
    BOUNCE_STAGE_AUTH,
    BOUNCE_STAGE_MAIL,
    BOUNCE_STAGE_RCPT,
    BOUNCE_STAGE_DATA,  /* the command */
    BOUNCE_STAGE_EOM,   /* the final dot, or the last BDAT */
    BOUNCE_STAGE_QUEUE, /* said by a queue or an agent, not in a session */
};

/* Enhanced status code; all 0 when there is none. */
struct bounce_status {
    uint8_t klass;            /* 2, 4 or 5 */
    uint16_t subject, detail; /* 0 to 999 */
};

struct bounce_reply {
    unsigned code;               /* 0: taken from the text, where it holds one */
    struct bounce_status status; /* the same; one in the text counts beside this one */
    struct slice text; /* one line or many, with or without codes on each; may be empty */
};

/* All that is unknown stays zero. */
struct bounce_context {
    enum bounce_stage stage;
    struct slice command; /* the command answered, for the stage; only its verb is read */
    struct slice mx_host; /* name of the server in DNS, for the dialect */
    struct slice peer_host; /* the name it gives itself */
};

struct bounce_verdict {
    enum bounce_class klass;
    enum bounce_kind kind;
    enum bounce_scope scope;
    enum bounce_subscope subscope;
    enum bounce_action action;
    enum bounce_provider provider; /* BOUNCE_PROVIDER_NONE: not recognised */
    enum bounce_stage stage;       /* as given, or as the text says */
    unsigned code;                 /* as given, or found in the text; 0 for none */
    struct bounce_status status;
    uint32_t retry_after_s; /* 0: the text names no time; at most a week */
    unsigned confidence;    /* percent */
    unsigned rule;          /* the one that decided; BOUNCE_RULE_NONE */
    bool by_words; /* no rule did: all words together, as learned from labelled replies */
    size_t span_off,
        span_len; /* what it matched in reply.text; 0, 0: no text (a code, a status) */
};
enum { BOUNCE_RULE_NONE = 0xffff };

struct bounce_classifier;

/* NULL when memory is short. */
MUST_USE struct bounce_classifier *bounce_classifier_new(void);
void bounce_classifier_free(struct bounce_classifier **c);

/* context may be NULL. */
void bounce_classify(struct bounce_classifier *c, const struct bounce_reply *reply,
                     const struct bounce_context *context, struct bounce_verdict *out);

/* All rules that spoke in the last bounce_classify(), weightiest first; valid until the next
 * one. The span is in that call's text. */
struct bounce_match {
    unsigned rule, weight;
    size_t span_off, span_len;
};
MUST_USE size_t bounce_matches(struct bounce_classifier *c,
                               const struct bounce_match **out);

/* "never mind this rule": for tests of the catalogue. BOUNCE_RULE_NONE switches it off; until then
 * no verdict is kept or taken from those kept. */
void bounce_classifier_without(struct bounce_classifier *c, unsigned rule);
/* Rules alone, until it is called with false; also for tests, with the same care. */
void bounce_classifier_without_words(struct bounce_classifier *c, bool without);

/* The catalogue. */
struct bounce_class_info {
    const char *name, *group, *definition, *advice;
    enum bounce_kind kind;
    enum bounce_scope scope;
    enum bounce_action temporary, permanent; /* by the first digit of the reply */
};
MUST_USE const struct bounce_class_info *bounce_class_info(enum bounce_class klass);
/* False (and nothing written) when there is no class of that name. */
MUST_USE bool bounce_class_named(struct slice name, enum bounce_class *out);

struct bounce_rule_info {
    const char *id, *pattern, *when, *source,
        *example; /* as in the catalogue; "" for none */
    enum bounce_class klass;
    unsigned weight;
};
/* rule < BOUNCE_RULES_N */
MUST_USE const struct bounce_rule_info *bounce_rule_info(unsigned rule);

/* Names as in JSON and in the catalogue: "hard", "recipient", "slow-down", "eom" ... */
MUST_USE const char *bounce_kind_name(enum bounce_kind kind);
MUST_USE const char *bounce_scope_name(enum bounce_scope scope);
MUST_USE const char *bounce_subscope_name(enum bounce_subscope subscope);
MUST_USE const char *bounce_action_name(enum bounce_action action);
MUST_USE const char *bounce_stage_name(enum bounce_stage stage);
MUST_USE const char *bounce_provider_name(enum bounce_provider provider);

/* "5.1.1" from the start of s, *used octets long; false when there is none. */
MUST_USE bool bounce_status_parse(struct slice s, struct bounce_status *out,
                                  size_t *used);
#endif
