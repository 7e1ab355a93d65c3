/* check/check.h - one test of a session, a recipient or a message, and the table of them.
 *
 * A check is one file in this folder: one function from facts to a verdict, the rows it may
 * give, the services and the stage it belongs to. check_run() takes them in the table's order
 * (cheapest first); the first that refuses ends the stage; all that ran are told to `seen`.
 * Mode    off: it does not run; observe: its refusal is told, and nothing more; defer: the sender
 *         is told to come again (message-rejected-temporarily); reject: its row.
 * Pure    facts in, verdict out: what had to be asked was asked before.
 * Own     evidence borrows from the facts. */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H
#include "config/config.h"
#include "content/inspect.h"
#include "directory/mail.h"
#include "message/head.h"
#include "message/line_scan.h"
#include "reply/reply.h"
#include "smtp/session.h"
#include "spool/writer.h"

enum check_stage { CHECK_MAIL = 0, CHECK_RCPT, CHECK_MESSAGE };

/* What the domains of the recipients accepted so far demand of the transaction. */
struct check_gathered {
    struct slice domain;   /* of the first one; empty: there is none yet */
    bool one_domain;       /* one of them wants no other domain beside its own */
    unsigned policies;     /* domains with settings of their own */
    uint64_t policy_limit; /* least of what they allow; 0: none says */
    uint64_t size_limit;   /* least message size that they allow, octets; 0: none says */
};

/* What is known; a pointer is NULL where its stage has not come. */
struct check_facts {
    const struct config *config;
    enum config_service service;
    struct slice ip, helo; /* as text */
    const struct ip *address;
    struct slice login; /* who logged in; empty: nobody */
    bool tls;
    const char *busy;                      /* overloaded in this way; NULL: not */
    enum spool_state spool;                /* worst of what writer and queue say */
    uint64_t now_ms;                       /* wall */
    const struct smtp_envelope *envelope;  /* mail, rcpt, message */
    const struct dir_mail *mail;           /* the same; NULL on mx, which does not ask */
    const struct smtp_path *rcpt;          /* rcpt */
    const struct dir_answer *answer;       /* rcpt */
    const struct dir_settings *settings;   /* rcpt: of the recipient's domain */
    const struct check_gathered *gathered; /* rcpt, message */
    bool policy_counted; /* rcpt: its domain's settings are among gathered->policies */
    const struct message_head
        *head; /* message; no fields are in one that is over its limits */
    const struct line_scan *lines;        /* message */
    const struct inspect_report *content; /* message */
    uint64_t size;                        /* message: octets */
};

struct check_verdict {
    enum reply_id reply;   /* REPLY_NONE: pass */
    enum config_mode mode; /* of the check */
    struct fields evidence;
};

struct check {
    const char *name;
    enum check_stage stage;
    unsigned services; /* 1 << enum config_service, or'ed */
    size_t mode;       /* offset of its mode in struct config; 0: it always refuses */
    void (*run)(const struct check_facts *f, struct check_verdict *out);
};

/* True: nothing refused; out->evidence is that of the last check. */
MUST_USE bool
check_run(enum check_stage stage, const struct check_facts *f, struct check_verdict *out,
          void (*seen)(void *arg, const struct check *c, const struct check_verdict *v),
          void *arg);

/* The table (check.c); one extern a file. */
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
void check_rcpt_size(const struct check_facts *f, struct check_verdict *out);
void check_measured_size(const struct check_facts *f, struct check_verdict *out);
void check_declared_size(const struct check_facts *f, struct check_verdict *out);
void check_mailbox(const struct check_facts *f, struct check_verdict *out);
void check_header_size(const struct check_facts *f, struct check_verdict *out);
void check_header_encoded_word(const struct check_facts *f, struct check_verdict *out);
void check_header_from(const struct check_facts *f, struct check_verdict *out);
void check_header_grammar(const struct check_facts *f, struct check_verdict *out);
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
#endif
