/* rule/rule.h - administrators' rules: what they say, as text and taken apart, and which of them
 * hold for a message.
 *
 *   conditions = condition *("," condition)                  all of them
 *   condition  = "all(" conditions ")" / "any(" conditions ")" / "not" condition / test
 *   test       = "tls" / "authenticated"
 *              / "network" "in" values
 *              / number ("<" / "<=" / "=" / ">=" / ">") NUMBER  with K, M or G: times 1024;
 *                "spam-score": with a sign and up to two decimals instead
 *              / text how values / "header" NAME how values
 *   values     = VALUE / "(" VALUE *("," VALUE) ")"          one of them
 *   VALUE      = word without blanks, or "quoted", with \" and \\ in it
 *   action     = "reject" TEXT / "prohibit" [TEXT] / "accept" / "quarantine"
 *              / "redirect" ADDRESS / "copy" ADDRESS / "require-tls" ["verified"]
 *              / "tag" TEXT / "add-header" "NAME: TEXT"
 *
 * number, text  rows of the table in rule.c; how: is, has, word, starts, ends, under, matches.
 * Case    letters of ASCII match in either case, everywhere.
 * Several what a message has several of (recipients, links, attachments, fields of one name) is asked one
 *         by one: one that fits is enough.
 * Unknown a test of what is not known is neither true nor false, nor is its "not"; a rule holds
 *         when its conditions are true.
 * Order   rules are asked in their order. The first that rejects, prohibits, accepts, quarantines
 *         or redirects ends it; the others act, and the next rule is asked.
 * Pure.
 * Own     what is parsed lives in the arena that the caller gives; facts borrow.
 * Errors  rule_parse...(): false, and rule_error: what is wrong, and at which octet.
 * Limits  RULE_TEXT_MAX octets of conditions, RULE_DEPTH_MAX within each other; regular
 *         expressions as in regex.h. */
#ifndef RULE_RULE_H
#define RULE_RULE_H
#include "base/map.h"
#include "base/netset.h"
#include "message/head.h"
#include "rule/regex.h"

enum {
    RULE_TEXT_MAX = 8192,  /* octets of conditions, and of an action */
    RULE_REASON_MAX = 400, /* octets of a reply's own text */
    RULE_NAME_MAX = 64,    /* octets */
    RULE_ADDRESS_MAX = 320,
    RULE_DEPTH_MAX = 16,
    RULE_VALUE_MAX = 16384, /* octets of one header field that are looked at */
};

/* What may be asked. */
enum rule_what {
    RULE_SENDER = 0, /* texts: lists in the facts */
    RULE_RECIPIENT,
    RULE_HELO,
    RULE_LOGIN,
    RULE_SPF,
    RULE_DKIM,
    RULE_DKIM_DOMAIN, /* those whose signatures passed */
    RULE_ARC,
    RULE_DMARC,
    RULE_SENDER_GROUP, /* of who logged in */
    RULE_RECIPIENT_GROUP,
    RULE_BODY,
    RULE_LINK,
    RULE_ATTACHMENT,
    RULE_ATTACHMENT_TYPE,
    RULE_LISTS, /* so many of them */
    RULE_SUBJECT = RULE_LISTS,
    RULE_HEADER,
    RULE_NETWORK,
    RULE_TLS,
    RULE_AUTHENTICATED,
    RULE_SIZE, /* numbers */
    RULE_RECIPIENTS,
    RULE_ATTACHMENTS,
    RULE_ATTACHMENT_SIZE,
    RULE_SPAM_SCORE, /* as rule_score() writes it */
    RULE_WHAT_N
};

enum rule_how {
    RULE_IS = 0,
    RULE_HAS,
    RULE_WORD,
    RULE_STARTS,
    RULE_ENDS,
    RULE_UNDER, /* a domain: it, or a name below it; of an address, its domain */
    RULE_MATCHES,
    RULE_HOW_N
};

enum rule_compare { RULE_LESS = 0, RULE_AT_MOST, RULE_EQUAL, RULE_AT_LEAST, RULE_MORE };

enum rule_kind { RULE_TEST = 0, RULE_NOT, RULE_ALL, RULE_ANY };

struct rule_source; /* what the texts come from that a set looks at (look.c) */

struct rule_value {
    struct rule_value *next;
    struct slice text;
    bool exact;  /* of RULE_MATCHES, in a set: what is found first is the match itself */
    uint32_t id; /* in its set: what has to be found first, among those of its source */
    struct rule_value *beside; /* in its set: the next exact one of its source */
    struct net net;            /* of RULE_NETWORK */
    struct rule_regex regex;   /* of RULE_MATCHES */
};

struct rule_condition {
    enum rule_kind kind;
    struct rule_condition *next;  /* beside it */
    struct rule_condition *first; /* within it */
    /* Of a test. */
    enum rule_what what;
    struct slice name; /* of a header field */
    enum rule_how how;
    enum rule_compare compare;
    uint64_t number;
    struct rule_value *values;
    const struct rule_source *source; /* in a set; NULL: it is no test of texts */
};

enum rule_act {
    RULE_REJECT = 0,
    RULE_PROHIBIT,
    RULE_ACCEPT,
    RULE_QUARANTINE,
    RULE_REDIRECT,    /* to that address instead of the recipients asked about */
    RULE_COPY,        /* to that address too */
    RULE_REQUIRE_TLS, /* to other servers under TLS alone */
    RULE_TAG,
    RULE_ADD_HEADER,
    RULE_ACT_N
};
extern const char *const rule_acts[RULE_ACT_N];

struct rule_action {
    enum rule_act act;
    struct slice text; /* empty where it needs none */
};

/* A score as a number that compares as scores do. */
MUST_USE uint64_t rule_score(double score);
/* "-2.5", of two decimals at the most, as such a number. */
MUST_USE bool rule_score_read(struct slice word, uint64_t *out);

struct rule_error {
    const char *what;
    size_t at; /* octets before it */
};

MUST_USE bool rule_parse_conditions(struct slice text, struct arena *arena,
                                    struct rule_condition **out,
                                    struct rule_error *error);
MUST_USE bool rule_parse_action(struct slice text, struct arena *arena,
                                struct rule_action *out, struct rule_error *error);
/* A text as a quoted VALUE. */
bool rule_quote(struct slice text, struct buf *out);
/* In the one form that means the same. */
bool rule_print_conditions(const struct rule_condition *c, struct buf *out);
bool rule_print_action(const struct rule_action *a, struct buf *out);
/* Letters, digits, "-", "_" and "."; up to RULE_NAME_MAX. */
MUST_USE bool rule_name_ok(struct slice name);
/* Does a condition ask for that? */
MUST_USE bool rule_asks(const struct rule_condition *c, enum rule_what what);

struct rule_list {
    const struct slice *item;
    unsigned n;
};

/* Bits of 1 << enum rule_what: what is not known. */
struct rule_facts {
    uint32_t unknown;
    struct rule_list list[RULE_LISTS];
    uint64_t number[RULE_WHAT_N];    /* of those that are numbers */
    const struct message_head *head; /* for subject and header */
    const struct ip *client;
    bool tls, authenticated;
};

enum rule_truth { RULE_FALSE = 0, RULE_TRUE, RULE_UNKNOWN };
MUST_USE enum rule_truth rule_holds(const struct rule_condition *c,
                                    const struct rule_facts *f);

/* --- the rules of one domain and direction --- */

struct rule_item {
    struct slice name;
    struct rule_condition *conditions;
    struct rule_action action;
};

enum {
    RULE_SET_MAX = 1024 * 1024, /* octets of all texts of a set, encoded */
    RULE_SET_MEMORY_MAX = 64 * 1024 * 1024,
};

struct rule_set {
    struct arena arena;
    struct rule_item *rule;
    unsigned n;
    uint32_t asks; /* bits of 1 << enum rule_what */
    struct rule_source *sources;
    struct map fields; /* lower case name of a header field -> struct rule_source */
    unsigned source_n;
    size_t words; /* of struct rule_hits */
};

/* Encoded: a rule is text name, text conditions, text action. */
void rule_encode(struct buf *out, struct slice name, struct slice conditions,
                 struct slice action);
/* NULL: memory is short, or it is not of that form, or a rule is broken. */
MUST_USE struct rule_set *rule_set_new(struct slice encoded);
void rule_set_free(struct rule_set **set);

/* Which of the words, phrases and sure parts of expressions that all rules of a set look for stand in the
 * texts of the facts: one pass over each text, however many rules there are. */
struct rule_hits {
    uint64_t *bits; /* NULL: not known; each rule looks for itself then */
};
void rule_set_look(const struct rule_set *set, const struct rule_facts *f,
                   struct rule_hits *out);
void rule_hits_clear(struct rule_hits *hits);
/* The next rule that holds, from number *at on, which moves behind it; NULL: no further one. hits: of
 * these facts. */
MUST_USE const struct rule_item *rule_set_next(const struct rule_set *set,
                                               const struct rule_facts *f,
                                               const struct rule_hits *hits,
                                               unsigned *at);
#endif
