/* check/check.h - one test of a session, a recipient or a message, and the table of them.
 *
 * A check is one file in this folder: one function from facts to a verdict, the rows it may
 * give, the services and the stage it belongs to. check_run() takes them in the table's order
 * (cheapest first); the first that refuses ends the stage; all that ran are told to `seen`.
 * Mode    a check says what it would refuse with; what becomes of that is its mode's business
 *         (check/mode.h).
 * Waiting a check that asks the DNS (facts->dns) and hears NULL, or that looks at a filter which has
 *         not answered, sets out->waits and returns. The
 *         stage then rests, and goes on with this check, from its beginning, when something is
 *         known; checks that passed do not run again. So that it need not wait long, a function in the
 *         table `prepares` asks early: whenever facts are added, and when answers come.
 * Pure    facts in, verdict out; but what a check counts (facts->rates) it counts, so it does that
 *         last, when it waits for nothing any more. prepare() counts nothing.
 * Own     evidence borrows from the facts, from answers, or stands in the verdict (check_text()). */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H
#include "config/config.h"
#include "content/inspect.h"
#include "directory/mail.h"
#include "dns/answer.h"
#include "filter/state.h"
#include "message/head.h"
#include "message/line_scan.h"
#include "reply/reply.h"
#include "rule/rule.h"
#include "smtp/session.h"
#include "spool/writer.h"

enum check_stage { CHECK_MAIL = 0, CHECK_RCPT, CHECK_MESSAGE };

struct rate_table;
struct rates_memo;
struct rspamd_report;
struct verify;

/* What the domains of the recipients accepted so far demand of the transaction. */
struct check_gathered {
    struct slice domain;   /* of the first one; empty: there is none yet */
    bool one_domain;       /* one of them wants no other domain beside its own */
    unsigned policies;     /* domains with settings of their own */
    uint64_t policy_limit; /* least of what they allow; 0: none says */
    uint64_t size_limit;   /* least message size that they allow, octets; 0: none says */
};

enum { CHECK_DKIM_MAX = 8 };

/* The domains that authentication says sent the message; empty: none. In lower case. */
struct check_auth {
    struct slice spf;  /* passed SPF */
    struct slice from; /* organizational domain of From, aligned with one that passed */
    struct slice dkim[CHECK_DKIM_MAX]; /* whose signatures passed */
    unsigned dkim_n;
};

/* What the suppression list says of a recipient. */
enum check_suppressed_res {
    CHECK_SUPPRESSED_NOT = 0,
    CHECK_SUPPRESSED_YES,
    CHECK_SUPPRESSED_FAULT /* nobody knows */
};
struct check_suppressed {
    enum check_suppressed_res res;
    struct slice what; /* YES: why */
};

/* What milters say at a stage: the first that refuses, else the last. */
struct milter_say;
struct check_milter {
    enum filter_state state;      /* ASKED: not known yet */
    const char *server;           /* which one it is about */
    const struct milter_say *say; /* ANSWERED */
    const char *down, *why;       /* one that gives no verdict, and why; NULL: none */
    enum config_milter_down when_down;
    /* Of a message that all let pass: what they change, in words, and as filter/milter.h has it. */
    const char *changes;
    struct slice edits[CONFIG_MILTERS_MAX];
    unsigned edits_n;
};

/* What is known; a pointer is NULL where its stage has not come. */
struct check_facts {
    const struct config *config;
    enum config_service service;
    struct slice ip, helo; /* as text */
    const struct ip *address;
    struct slice login; /* who logged in; empty: nobody */
    bool tls;
    const char *busy;       /* overloaded in this way; NULL: not */
    enum spool_state spool; /* worst of what writer and queue say */
    uint64_t now_ms;        /* wall */
    const struct dns_source
        *dns_session; /* for what is about the client: answers last as long as it */
    const struct dns_source *dns; /* the transaction's; NULL before MAIL */
    struct rate_table *rates;     /* what ladders count in; NULL: nothing is counted */
    struct rates_memo *memo;      /* message: of its keys there (rates.h); NULL: none */
    struct verify *verify; /* who sent it; NULL: nobody asks, as of local networks */
    const struct smtp_envelope *envelope;  /* mail, rcpt, message */
    const struct dir_mail *mail;           /* the same; NULL on mx, which does not ask */
    const struct smtp_path *rcpt;          /* rcpt */
    const struct dir_answer *answer;       /* rcpt */
    const struct dir_settings *settings;   /* rcpt: of the recipient's domain */
    const struct check_gathered *gathered; /* rcpt, message */
    bool policy_counted; /* rcpt: its domain's settings are among gathered->policies */
    bool return_path;    /* rcpt, of mx: by its form it is a return path of ours */
    /* rcpt, of push: asks the list; of a return path: YES if it is none (what: why). NULL comes back
     * until it has answered. */
    const struct check_suppressed *(*suppressed)(void *arg);
    void *suppressed_arg;
    /* message: counts its recipients against quotas and limits. NULL comes back until that is
     * done. */
    const struct dir_mail *(*spend)(void *arg);
    void *spend_arg;
    const struct message_head
        *head; /* message; no fields are in one that is over its limits */
    const struct line_scan *lines;        /* message */
    const struct inspect_report *content; /* message */
    const struct check_auth *auth;        /* message; NULL: not known */
    /* mail, rcpt, message: asks the milters of the session, and goes on asking. NULL comes back where
     * there are none. */
    const struct check_milter *(*milter)(void *arg, enum check_stage stage);
    void *milter_arg;
    const struct rspamd_report *rspamd; /* message; NULL: not asked */
    uint64_t size;                      /* message: octets */
    bool junk; /* message: accepted, but as one that nobody wants */
    bool
        reports; /* message: it goes to proven return paths alone. Who has one was written to: what a
                     mode of a check might spare others is spared them, as bounces are seldom well made */
    const struct check_rules *rules; /* message */
    unsigned rules_n;
    struct check_effects *effects; /* message: set by check_rules() */
};

enum { CHECK_TEXT_MAX = 2048 };

/* The rules of one domain of the transaction (rule/rule.h). */
struct check_rules {
    struct slice domain;
    bool out_going;                /* the sender's domain; else one of recipients */
    const struct slice *recipient; /* those that they are asked about */
    unsigned recipient_n;
    const struct slice *group; /* of these, where they are users here */
    unsigned group_n;
    const struct rule_set *set; /* NULL: the directory is being asked, */
    bool fault;                 /* or cannot tell */
};

/* What rules that let a message pass want done with it. */
struct check_effect {
    struct check_effect *next;
    enum rule_act act; /* one that lets it pass, but accept */
    bool out_going;    /* a rule of the sender's domain; else of recipients */
    struct slice rule, domain, text;
};
struct check_effects {
    struct arena *arena; /* where they live */
    struct check_effect *first;
    bool failed; /* there was no room */
};

struct check_verdict {
    /* By the check: the row for good, REPLY_NONE: pass; and where it has them, the rows for now:
     * for who is slowed, and for who goes on all the same and is cut off. Then, by its mode: what
     * is said, REPLY_NONE: nothing. */
    enum reply_id reply, slow, cut;
    struct slice key; /* whose breaches a ladder counts; empty: the client's address */
    enum config_mode mode;  /* of the check, for these facts */
    enum reply_id observed; /* said nothing, though there was a breach: what reply was */
    bool waits;             /* for an answer; nothing else in here counts but */
    const char *waits_for;  /* of whom: static; NULL: the DNS */
    struct fields evidence;
    size_t text_len;
    char text[CHECK_TEXT_MAX]; /* what check_text() made */
};

/* Words made for evidence, good as long as the verdict; cut where its room ends. */
const char *check_text(struct check_verdict *v, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

struct check {
    const char *name;
    enum check_stage stage;
    unsigned services; /* 1 << enum config_service, or'ed */
    size_t mode;       /* offset of its mode in struct config; 0: it always refuses */
    void (*run)(const struct check_facts *f, struct check_verdict *out);
};

enum check_outcome {
    CHECK_PASSED = 0, /* nothing refused; out->evidence is that of the last check */
    CHECK_REFUSED,    /* out->reply */
    CHECK_WAITS,      /* call again, with the same *at, when an answer came */
};

/* *at: 0 at the beginning of a stage; how far it is, afterwards. */
MUST_USE enum check_outcome
check_run(enum check_stage stage, unsigned *at, const struct check_facts *f,
          struct check_verdict *out,
          void (*seen)(void *arg, const struct check *c, const struct check_verdict *v),
          void *arg);

/* Asks what checks of the service will want to know, as far as the facts are there. */
void check_prepare(const struct check_facts *f);

/* The table (check.c); one extern a file. */
void check_rule(const struct check_facts *f, struct check_verdict *out);
void check_room(const struct check_facts *f, struct check_verdict *out);
void check_directory(const struct check_facts *f, struct check_verdict *out);
void check_sender(const struct check_facts *f, struct check_verdict *out);
void check_push_account(const struct check_facts *f, struct check_verdict *out);
void check_relay(const struct check_facts *f, struct check_verdict *out);
void check_allowed_network(const struct check_facts *f, struct check_verdict *out);
void check_rcpt_tls(const struct check_facts *f, struct check_verdict *out);
void check_one_domain(const struct check_facts *f, struct check_verdict *out);
void check_policies(const struct check_facts *f, struct check_verdict *out);
void check_push_recipients(const struct check_facts *f, struct check_verdict *out);
void check_push_quota(const struct check_facts *f, struct check_verdict *out);
void check_push_quota_left(const struct check_facts *f, struct check_verdict *out);
void check_push_quota_spent(const struct check_facts *f, struct check_verdict *out);
void check_return_path(const struct check_facts *f, struct check_verdict *out);
void check_push_suppressed(const struct check_facts *f, struct check_verdict *out);
void check_sending_limit(const struct check_facts *f, struct check_verdict *out);
void check_sending_recipients(const struct check_facts *f, struct check_verdict *out);
void check_sending_counted(const struct check_facts *f, struct check_verdict *out);
void check_rcpt_size(const struct check_facts *f, struct check_verdict *out);
void check_measured_size(const struct check_facts *f, struct check_verdict *out);
void check_declared_size(const struct check_facts *f, struct check_verdict *out);
void check_mailbox(const struct check_facts *f, struct check_verdict *out);
void check_milter_mail(const struct check_facts *f, struct check_verdict *out);
void check_milter_rcpt(const struct check_facts *f, struct check_verdict *out);
void check_milter(const struct check_facts *f, struct check_verdict *out);
void check_rspamd(const struct check_facts *f, struct check_verdict *out);
void check_header_size(const struct check_facts *f, struct check_verdict *out);
void check_header_encoded_word(const struct check_facts *f, struct check_verdict *out);
void check_header_from(const struct check_facts *f, struct check_verdict *out);
void check_header_grammar(const struct check_facts *f, struct check_verdict *out);
void check_header_trace(const struct check_facts *f, struct check_verdict *out);
void check_header_message_id(const struct check_facts *f, struct check_verdict *out);
void check_header_name(const struct check_facts *f, struct check_verdict *out);
void check_header_once(const struct check_facts *f, struct check_verdict *out);
void check_header_subject(const struct check_facts *f, struct check_verdict *out);
void check_header_unicode(const struct check_facts *f, struct check_verdict *out);
void check_header_value(const struct check_facts *f, struct check_verdict *out);
void check_message_form(const struct check_facts *f, struct check_verdict *out);
void check_structure(const struct check_facts *f, struct check_verdict *out);
void check_attachments(const struct check_facts *f, struct check_verdict *out);
void check_content_security(const struct check_facts *f, struct check_verdict *out);
void check_hops(const struct check_facts *f, struct check_verdict *out);
void check_rcpt_rate(const struct check_facts *f, struct check_verdict *out);
void check_flood_ip_unwanted(const struct check_facts *f, struct check_verdict *out);
void check_flood_ip(const struct check_facts *f, struct check_verdict *out);
void check_flood_network(const struct check_facts *f, struct check_verdict *out);
void check_flood_domain(const struct check_facts *f, struct check_verdict *out);
void check_flood_url(const struct check_facts *f, struct check_verdict *out);
void check_flood_sender(const struct check_facts *f, struct check_verdict *out);
void check_message_id_rate(const struct check_facts *f, struct check_verdict *out);
void check_login_rate(const struct check_facts *f, struct check_verdict *out);
void check_login_quota(const struct check_facts *f, struct check_verdict *out);
void check_reputation_ip(const struct check_facts *f, struct check_verdict *out);
void check_reputation_domain(const struct check_facts *f, struct check_verdict *out);
void check_rcpt_domain(const struct check_facts *f, struct check_verdict *out);
void check_ptr(const struct check_facts *f, struct check_verdict *out);
void check_authentication(const struct check_facts *f, struct check_verdict *out);
void prepare_authentication(const struct check_facts *f);
void check_unauthenticated_domain(const struct check_facts *f, struct check_verdict *out);
void check_dmarc(const struct check_facts *f, struct check_verdict *out);
void check_spf_hardfail(const struct check_facts *f, struct check_verdict *out);
void check_unauthenticated(const struct check_facts *f, struct check_verdict *out);
void check_spf_record(const struct check_facts *f, struct check_verdict *out);
void prepare_spf_record(const struct check_facts *f);
void check_bulk_spf(const struct check_facts *f, struct check_verdict *out);
void check_bulk_dkim(const struct check_facts *f, struct check_verdict *out);
void check_bulk_dmarc_record(const struct check_facts *f, struct check_verdict *out);
void check_bulk_alignment(const struct check_facts *f, struct check_verdict *out);
void check_bulk_tls(const struct check_facts *f, struct check_verdict *out);
void prepare_ptr(const struct check_facts *f);
void check_ipv6(const struct check_facts *f, struct check_verdict *out);
void check_dnsbl(const struct check_facts *f, struct check_verdict *out);
void check_dynamic(const struct check_facts *f, struct check_verdict *out);
void prepare_dnsbl(const struct check_facts *f);
#endif
