/* daemon/smtpd_milter.h - a session's talk with its milters, shared by smtpd_milter.c (the links, and what is told
 * when) and smtpd_milter_edit.c (what they want changed). */
#ifndef DAEMON_SMTPD_MILTER_H
#define DAEMON_SMTPD_MILTER_H
#include "daemon/smtpd.h"
#include "daemon/smtpd_filter.h"
#include "filter/milter.h"

enum {
    MILTER_FRAMES_MAX = 4 * 1024 * 1024,
    MILTER_SUMMARY_MAX = 160,
    MILTER_KEPT_MAX = 256 * 1024 * 1024, /* octets of bodies in a process */
};

struct milter_server {
    const struct config_milter *config;
    struct sockaddr_storage address; /* len 0: a socket of the file system, at path */
    socklen_t len;
    const char *path;
    uint64_t said_ms; /* monotonic: when it was logged last that it is down */
};

/* A milter and a session. */
struct milter_link {
    struct client *client;
    struct milter_server *server;
    struct filter_link link;
    struct milter milter;
    uint64_t cookie;   /* of the question for a connection; 0: none */
    const char *down;  /* why it gives no verdict on this transaction; static */
    uint32_t opened_n; /* the transaction that it was opened anew for */
    uint32_t told_n;   /* the transaction that it was told of */
    bool session_told; /* connect and helo */
    bool rcpt_told;    /* of the recipient that is asked about */
    bool live;         /* it sees the message as that comes */
    bool late;         /* it sees it when those before it are done */
    bool late_told;    /* its header section, */
    size_t late_at;    /* and so much of the body */
    bool waiting;      /* for an answer: the clock runs */
};

struct milter_added {
    struct milter_added *next;
    struct slice given;
    struct mail_targets *targets;
};

struct milter_talk {
    struct check_milter report;
    bool busy;   /* in mail_milter(): who asks hears at once what goes wrong */
    bool asking; /* a stage is under way: */
    enum check_stage stage;
    unsigned at;     /* which milter it has come to */
    bool wanted;     /* the session waits for room */
    bool keep;       /* the body, for one that is late */
    bool data_ended; /* the message is complete */
    bool passed;     /* all let the message pass: what they want changed holds */
    struct buf body; /* kept, where keep is set */
    const struct buf *new_body; /* a milter's; NULL: as it came */
    /* Recipients that they add, in the transaction's arena. */
    struct milter_added *added, **added_last;
    unsigned added_n;        /* of the edits that add one, how many are done */
    struct smtp_path adding; /* the one that the directory is asked about */
    bool is_adding;
    unsigned target_n; /* of those added */
    char summary[MILTER_SUMMARY_MAX];
    unsigned n;
    struct milter_link of[];
};

/* smtpd_milter_edit.c */
/* The header section as those before number n leave it, and an empty line where a body follows. False: memory. */
MUST_USE bool milter_head_before(struct client *c, unsigned n, struct buf *out);
/* Looks up the recipients that are added. True: that is done. False: wait, or c->milter->report says why not. */
MUST_USE bool milter_added_done(struct client *c);
/* Is nobody left? */
MUST_USE bool milter_left_nobody(struct client *c);
/* What it wants changed; empty where its word does not count. */
struct slice milter_edits(const struct milter_link *l);
/* What all want changed, in words; empty: nothing. */
const char *milter_summary(struct milter_talk *t);
#endif
