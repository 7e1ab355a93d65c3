/* daemon/smtpd.h - inside the smtpd role, in several files: smtpd.c (the role: channels,
 * listeners, clocks), smtpd_client.c (a connection: octets, TLS, timeouts), smtpd_peer.c (who is
 * at its other end), smtpd_delay.c (who is refused by a limit waits), smtpd_dns.c (what the DNS is asked), smtpd_auth.c (who logs in), smtpd_directory.c (MAIL and RCPT: directory,
 * checks), smtpd_mail.c (a message: checks, spool), smtpd_params.c (what of its parameters is
 * kept), smtpd_verify.c (who sent it), smtpd_rspamd.c (what rspamd says of it), smtpd_milter.c
 * (what milters say), smtpd_milter_edit.c (what they change),
 * smtpd_suppress.c (addresses that no push mail goes to, return paths of ours), smtpd_rules.c (administrators' rules),
 * smtpd_routes.c (where those send a message).
 *
 * Memory  an idle session holds struct client, its smtp_session and one arena block with the
 *         EHLO name, and a trace record of a few hundred octets: 5 KiB beside TLS. Input and
 *         output go through buffers that all sessions of the process share; only what a slow
 *         peer left over is kept per session. */
#ifndef DAEMON_SMTPD_H
#define DAEMON_SMTPD_H
#include "base/list.h"
#include "base/map.h"
#include "check/rates.h"
#include "content/inspect.h"
#include "directory/cache.h"
#include "message/head.h"
#include "message/line_scan.h"
#include "net/conn.h"
#include "net/proxy.h"
#include "proc/role.h"
#include "resolver/resolver.h"
#include "senderauth/verify.h"
#include "smtp/session.h"
#include "spool/writer.h"
#include "trace/record.h"

#include <event2/event_struct.h>

#include <sys/socket.h>

enum {
    SMTPD_READ_MAX = 64 * 1024,           /* octets a read */
    SMTPD_READS_MAX = 8,                  /* reads of one session in a row */
    SMTPD_INPUT_MAX = 2 * SMTPD_READ_MAX, /* octets kept while a session waits */
    SMTPD_OUTPUT_MAX = 256 * 1024, /* octets a slow reader may leave; then it is cut */
    SMTPD_FLUSH_OVER = 32 * 1024,  /* octets of replies that wait for the end of a turn */
    SMTPD_ACCEPTS_MAX = 64,        /* connections in a row */
    SMTPD_REFUSING_MAX =
        64, /* and a quarter of limits.sessions: being told server-busy */
    SMTPD_DELAYED_SHARE = 4, /* of limits.sessions one in so many may wait (WAIT_DELAY) */
    SMTPD_PARKED_MAX = 1024,
    SMTPD_LINGER_MAX = 16 * 1024 * 1024, /* octets dropped after a closing reply */
    SMTPD_TICK_MS = 100,                 /* how exact timeouts are */
    SMTPD_TRACE_MS = 5,               /* records wait that long for others to go with */
    SMTPD_PUSH_RECIPIENTS_MAX = 1000, /* as many as limits.recipients may be */
    SMTPD_TARGETS_MAX = SPOOL_RECIPIENTS_MAX,
    SMTPD_RULES_MAX = 4096, /* domains whose rules are kept */
    SMTPD_BY_LEAST_S = 60,  /* DELIVERBY: nothing sooner can be promised */
    SMTPD_MEMORY_MAX =
        256 * 1024 * 1024, /* octets of messages on their way to the disk */
};

#define SMTPD_MEMORY_SHORT "it is short of memory"

/* What a session waits for; each has its own time, and its own list by age. */
enum client_wait {
    WAIT_COMMAND = 0, /* limits.command-time; also TLS handshakes and stuck output */
    WAIT_DATA,        /* limits.data-time */
    WAIT_ANSWER,      /* the directory, the spool */
    WAIT_LINGER,      /* the peer's close, after ours */
    WAIT_GREETING,    /* limits.greet-delay */
    WAIT_DELAY,       /* rate.refusal-delay; nothing is read or written meanwhile */
    WAIT_COUNT,
};

/* The mechanisms of a service. */
enum { SMTPD_SERVICES = 4, SMTPD_MECHANISMS_MAX = 8 };
struct auth_offer {
    struct smtp_auth_mechanism mechanism[SMTPD_MECHANISMS_MAX];
    unsigned n;
};

struct smtpd {
    struct role_ctx *ctx;
    struct tls_server *tls;
    struct channel *directory, *queue, *trace; /* NULL while that role restarts */
    struct spool_writer *writer;
    struct resolver *resolver;
    struct crypto *crypto;
    struct rate_table *rates; /* shared by all smtpds */
    struct rates_memo memo;   /* of the message that is judged */
    enum spool_state queue_state;
    struct dir_cache cache;
    struct map rules;         /* direction and domain -> their rules (smtpd_rules.c) */
    bool rules_dropped;       /* some that were asked for too: who waits asks again */
    struct map lookups;       /* cookie -> struct client */
    struct map suppress_asks; /* the same, of recipients asked of the queue */
    struct map logins;        /* the same, of AUTH exchanges */
    struct auth_offer auth[SMTPD_SERVICES];
    struct inspect_settings inspect;
    struct milter_server *milters; /* milter_n, in the order of milter.server */
    unsigned milter_n;
    struct map filter_asks; /* cookie -> struct milter_link that waits for a connection */
    size_t milter_kept;     /* octets of bodies kept for them */
    struct sockaddr_storage rspamd; /* ss_family 0: there is none */
    socklen_t rspamd_len;
    uint64_t rspamd_said_ms; /* monotonic: when it was logged last that it is down */
    struct map peers;        /* client address -> struct peer_count */
    struct map networks;     /* client network (struct net) -> struct peer_count */
    uint64_t next_cookie;
    struct list waits[WAIT_COUNT], by_age;
    uint64_t wait_ms[WAIT_COUNT];
    unsigned client_n, client_max, delayed_n;
    struct parked *parked; /* a ring, the oldest first */
    unsigned parked_first, parked_n, parked_max;
    struct smtp_limits limits[SERVICE_PUSH + 1]; /* by service */
    struct event *tick;
    struct event *listeners[ROLE_LISTENERS_MAX];
    unsigned tick_n;
    bool memory_short; /* more than limits.memory is in use */
    bool accepting, draining;
    uint64_t drain_until_ms;
    struct buf traces; /* what MSG_TRACES shall hold */
    struct event *traces_due;
    unsigned traces_n;
    uint64_t trace_lost;
    unsigned char *input; /* SMTPD_READ_MAX octets, shared */
    struct buf output;    /* replies of the session that is being fed, shared */
    struct buf scratch;   /* records and messages being put together, shared */
};

/* What an accepted recipient stands for; in the transaction's arena. */
struct mail_targets {
    struct slice groups; /* of the users, with blanks between */
    unsigned n;
    struct dir_target target[];
};

/* A domain with settings of its own; in the transaction's arena. */
struct mail_policy {
    struct mail_policy *next;
    struct slice domain;
};

/* Administrators' rules that a transaction's message meets; in its arena. */
struct mail_rules {
    struct check_effects effects;
    struct mail_route
        *routes; /* where they send the message; asked for when checks have passed */
    unsigned n;
    struct check_rules of[];
};

struct peer_count {
    unsigned n;
    unsigned delayed;      /* of them: in WAIT_DELAY */
    struct client *latest; /* the last one that began to; NULL: it has gone */
};

/* A connection that is told, after rate.refusal-delay, that it came to no session. */
struct parked {
    int fd;
    bool tls;              /* from the first octet */
    uint64_t id, since_ms; /* the session that tells of it */
};

struct client {
    struct smtpd *smtpd;
    struct conn conn;
    struct event event;
    struct smtp_session *session;
    const struct config_listener *listener;
    uint64_t id, start_ms, since_ms; /* session id; monotonic: accepted, last activity */
    struct list wait_node, age_node;
    enum client_wait wait;
    char ip[IP_TEXT_MAX];
    struct ip address;
    char *held_off; /* why, where that was put into words; NULL: it was not */
    uint16_t port;
    bool reading, writing; /* what the event asks for */
    bool
        proxying; /* the header of the PROXY protocol is awaited; handshaking is set too */
    bool xclient;       /* the connection's own address may use XCLIENT */
    bool xclient_login; /* and who logged in there */
    bool greeting;      /* limits.greet-delay runs */
    bool held;          /* held_off, or more connections than it may have */
    bool limited;       /* a limit has refused it: the reply waits (WAIT_DELAY) */
    bool delayed;       /* in WAIT_DELAY */
    bool ungreeted;     /* that came before its greeting */
    bool waited;        /* before its greeting: its first refusal need not */
    unsigned
        turned_away; /* connections of its address that came meanwhile and were too many */
    bool handshaking, start_tls, closing, lingering, quit, dead;
    bool half_closed; /* the peer sends no more, but waits for an answer */
    bool unread;      /* TLS has read more than the session was given */
    bool answered;    /* what was waited for came: the next wait is another one */
    size_t lingered;
    struct buf input, output; /* left over from the shared ones */
    struct trace_writer trace;
    /* The transaction. */
    uint32_t n, last_n;       /* its number, 0: none; the last one given */
    uint64_t cookie;          /* of the lookup under way; 0: none */
    uint64_t suppress_cookie; /* of the question to the queue; 0: none */
    const struct check_suppressed *suppressed; /* NULL: not answered */
    unsigned report_n; /* recipients that are return paths of ours */
    const struct smtp_path
        *routing;      /* it is an address that a rule names; NULL: it is not */
    bool spending;     /* the directory counts the message's recipients */
    bool charged;      /* they are counted, and the message is not accepted yet */
    uint32_t charge_n; /* its number: n may be gone when they are given back */
    const struct dir_mail *spent; /* what it said; NULL: nothing yet */
    uint64_t auth_cookie;         /* of the AUTH exchange; 0: none */
    unsigned auth_faults;         /* 1: a login could not be checked in this session */
    struct spool_message *message;
    /* What a stage of checks waits for. */
    struct resolver_scope *dns_session, *dns; /* about the client; the transaction's */
    bool checks_wait;                         /* for one of them, or a filter */
    const char *checks_wait_for;              /* NULL: the DNS */
    enum check_stage check_stage;
    unsigned check_at;          /* how far the checks of the stage are */
    struct dir_mail *mail_kept; /* MAIL: what the directory said */
    struct message_head head;   /* the header section; fields once it is complete */
    struct line_scan lines;     /* of the message so far */
    struct binary_talk *binary; /* NULL: the message is made of lines */
    struct milter_talk *milter; /* of the session; NULL: it has none */
    bool milter_failed;         /* memory was short for it */
    struct rspamd_talk *rspamd; /* NULL: it is not asked */
    struct inspect *inspect;    /* NULL before the body, and where memory was short */
    struct verify *verify; /* who sent it; NULL: not looked for, as of a local network */
    struct check_auth authenticated; /* what it found; empty until all is known */
    bool verify_failed;              /* memory was short for it */
    unsigned target_n;
    struct check_gathered gathered; /* from the recipients accepted so far */
    struct mail_policy *policies;   /* the domains among them that have settings */
    struct mail_rules *rules;       /* from DATA on */
    bool committing;
    bool new_message;    /* message holds the body that a milter gave */
    uint64_t arrival_ms; /* wall */
};

/* smtpd_client.c */
void client_accept(struct smtpd *d, const struct role_listener *listener);
/* Goes on after an answer; may free the client. Whoever answers a session from outside its own
 * event empties d->output first, or the end of another session's replies would go to it. */
void client_continue(struct client *c);
void client_tick(struct smtpd *d);
void client_drain(struct smtpd *d); /* ends what is idle, later what becomes idle */
void client_end_all(struct smtpd *d);
void client_event(struct client *c, enum trace_kind kind, const struct fields *f);
void client_note(struct client *c, const char *text); /* to the trace */
void client_waits_anew(struct client *c); /* what it waits for has come a step on */

/* smtpd_peer.c */
/* Sets c->ip, counts the connection for that address. */
struct smtp_offer client_offer(struct client *c, const struct ip *ip);
void client_uncount(struct client *c);
/* How many connections its address has, and its network; NULL: unknown. */
MUST_USE struct peer_count *client_peer(const struct client *c);
MUST_USE struct peer_count *client_peer_network(const struct client *c);
MUST_USE struct check_facts client_facts(const struct client *c); /* of a connection */
/* Takes the header of the PROXY protocol off the connection, and the address that it names. */
MUST_USE enum proxy_res client_proxy(struct client *c);
struct smtp_verdict client_xclient(void *arg, const struct smtp_xclient *x);
/* To trace and log. closed: the peer did. */
void client_tls_stands(struct client *c);
void client_tls_failed(struct client *c, bool closed);

/* smtpd_delay.c: who is refused by a limit waits. */
MUST_USE bool delay_init(struct smtpd *d); /* false: memory */
/* Before its greeting: why it waits for that; NULL: it does not. */
MUST_USE const char *client_delay_why(struct client *c);
/* False: nobody waits, or as many as may. The caller puts it into WAIT_DELAY. */
MUST_USE bool client_delay_begin(struct client *c);
void client_delay_end(struct client *c);
/* One that waits begins, or no longer, to be of its address. */
void client_delay_count(struct client *c, bool on);
/* As many of that address wait as may: this connection gets no session. Takes fd, where true. */
MUST_USE bool client_turned_away(struct smtpd *d, const struct config_listener *listener,
                                 int fd, const struct ip *ip);
void delay_tick(struct smtpd *d);

/* smtpd_dns.c */
/* The client's address is known, or another one: asks what checks will want to know of it. */
void dns_begin_session(struct client *c);
void dns_begin_transaction(struct client *c);
void dns_end_transaction(struct client *c);
void dns_end_session(struct client *c);
/* Runs the checks of the stage, from where they waited. CHECK_WAITS: nothing is to be said; the
 * stage's function (mail_judge ...) is called again. */
MUST_USE enum check_outcome dns_run_checks(struct client *c, enum check_stage stage,
                                           const struct check_facts *f,
                                           struct check_verdict *v);
/* Something that checks may wait for is known. May free the client. */
void checks_news(void *arg);

/* smtpd_rspamd.c: the message is shown to rspamd as it comes. */
void rspamd_init(struct smtpd *d);
/* c->head is complete: asks, where that is wanted. False: memory. */
MUST_USE bool mail_rspamd_head(struct client *c);
/* False: rspamd does not keep pace. The session is resumed when it does. */
bool mail_rspamd_room(struct client *c);
void mail_rspamd_body(struct client *c, struct slice s);
void mail_rspamd_end(struct client *c); /* the message is complete */
/* What it said; NULL: it was not asked. */
MUST_USE const struct rspamd_report *mail_rspamd_report(const struct client *c);
/* Puts the fields in that it wants, and takes those away that it does not. False: memory. */
MUST_USE bool mail_rspamd_edit(struct client *c);
void mail_rspamd_forget(struct client *c);

/* smtpd_milter.c: the session and its messages are shown to milters. */
void milter_begin(struct smtpd *d);
/* The supervisor's answer (FILTER_GIVE, FILTER_NONE). False: the payload is malformed. */
bool milter_connected(struct smtpd *d, const struct msg *m);
/* The client's address is known, or another one. */
void milter_session_begin(struct client *c);
void milter_session_hello(struct client *c);
void milter_session_end(struct client *c);
/* For struct check_facts; arg: the client. NULL: none is asked. */
const struct check_milter *mail_milter(void *arg, enum check_stage stage);
void mail_milter_anew(
    struct client *c); /* another sender, recipient or message is asked about */
MUST_USE bool mail_milter_head(struct client *c);
bool mail_milter_room(struct client *c);
void mail_milter_body(struct client *c, struct slice s);
void mail_milter_end(struct client *c);
void mail_milter_forget(struct client *c); /* the transaction is over */

/* smtpd_milter_edit.c: what they want changed, once the message has passed. */
/* Makes their changes to c->head. False: memory. */
MUST_USE bool mail_milter_edit(struct client *c);
/* Is there a new body? */
MUST_USE bool mail_milter_new_body(const struct client *c, struct slice *out);
/* The sender, as it came or as they want it. */
struct slice mail_milter_sender(const struct client *c, const struct smtp_envelope *e);
MUST_USE bool mail_milter_drops(const struct client *c, const struct smtp_recipient *r);
/* Targets of the recipients that they add: how many; into list, which has room for them. */
MUST_USE unsigned mail_milter_target_n(const struct client *c);
void mail_milter_targets(const struct client *c, struct spool_recipient *list);
void mail_milter_hold(const struct client *c,
                      struct buf *b); /* why it is held, where one wants that */
/* Is the directory asked about a recipient that one adds? Then its answer goes to mail_milter_found(). */
MUST_USE bool mail_milter_is_adding(const struct client *c);
void mail_milter_found(struct client *c, struct mail_targets *t); /* NULL: no memory */

/* smtpd_params.c: into an envelope, after its recipients. */
void client_put_params(const struct smtp_envelope *e, uint64_t arrival_ms, struct buf *b);
/* Those of a RCPT whose n targets, from first on, stand in the envelope. */
void client_put_rcpt_params(const struct smtp_recipient *r, unsigned first, unsigned n,
                            struct buf *b);

/* smtpd_directory.c: the part of struct smtp_session_ops that asks the directory. */
void mail_begin(void *arg, const struct smtp_envelope *e);
void mail_rcpt(void *arg, const struct smtp_recipient *r);
/* Go on with the checks of MAIL, or of a recipient. */
void mail_judge(struct client *c);
void rcpt_judge(struct client *c);
/* The directory's answers. False: the payload is malformed. */
bool mail_answer(struct smtpd *d, const struct channel *from, struct slice payload);
bool mail_facts_answer(struct smtpd *d, struct slice payload);
/* The recipient that is asked about, its domain in lower case and as A-labels; in the transaction's
 * arena. False: no room. */
MUST_USE bool mail_rcpt_address(struct client *c, struct slice *out);
/* Of any address, while no other question of the session is open. KNOWN: *out borrows from the cache. ASKED:
 * mail_route_answer() hears the answer. */
enum mail_look { MAIL_LOOK_KNOWN = 0, MAIL_LOOK_ASKED, MAIL_LOOK_FAULT };
MUST_USE enum mail_look mail_look_up(struct client *c, const struct smtp_path *path,
                                     struct dir_answer *out);
/* Keeps what the answer about path says for the envelope. NULL: no room. */
MUST_USE struct mail_targets *
mail_keep_targets(struct client *c, const struct smtp_path *path, struct dir_answer *a);
/* For struct check_facts; arg: the client. */
const struct dir_mail *mail_spend(void *arg);
/* The directory is back: ask again what was not answered. */
void mail_ask_again(struct smtpd *d);
/* Nobody waits for the answer any more. */
void mail_forget(struct client *c);
/* The wait was too long: says so to the session. False: the directory was not asked. */
bool mail_give_up_asking(struct client *c);

/* smtpd_suppress.c */
/* For struct check_facts; arg: the client. */
const struct check_suppressed *suppress_ask(void *arg);
void suppress_forget(struct client *c);   /* with the recipient it was about */
void suppress_ask_again(struct smtpd *d); /* the queue is back */
/* False: the payload is malformed. */
bool suppress_answer(struct smtpd *d, struct slice payload);
/* Of a return path. */
bool return_answer(struct smtpd *d, struct slice payload);

/* smtpd_mail.c: the part of struct smtp_session_ops that is about messages. */
struct smtp_verdict mail_data_begin(void *arg, const struct smtp_envelope *e);
bool mail_data(void *arg, struct slice s);
void mail_data_end(void *arg, const struct smtp_envelope *e);
void message_judge(struct client *c); /* go on with the checks of the message */
void message_accept(
    struct client *c); /* they have passed: where it goes, then to the disk */
void mail_reset(void *arg);
/* The wait for directory or spool was too long. */
void mail_give_up(struct client *c);
/* What is known so far, for checks; what they say goes to the trace. */
struct check_facts mail_facts(const struct client *c, const struct smtp_envelope *e);
/* And what is known of its message. */
struct check_facts mail_message_facts(const struct client *c);
void mail_trace_check(void *arg, const struct check *check,
                      const struct check_verdict *v);

/* smtpd_binary.c: a message with BODY=BINARYMIME becomes one that is made of lines, before anything
 * looks at it. */
MUST_USE bool mail_binary_begin(struct client *c, const struct smtp_envelope *e);
/* Octets as they came, none: the end. False: none taken, they come again. */
MUST_USE bool mail_binary_data(struct client *c, struct slice s);
void mail_binary_free(struct client *c);
/* smtpd_mail.c: lines of the message. False: none taken, they come again. */
MUST_USE bool mail_lines(struct client *c, struct slice s);

/* smtpd_inspect.c: the message is looked into. */
/* Borrows from the configuration. */
struct inspect_settings smtpd_inspect_settings(const struct config *cfg);
void mail_inspect_head(struct client *c); /* c->head is complete */
void mail_inspect_body(struct client *c, struct slice s);
/* NULL: memory was short. */
MUST_USE const struct inspect_report *mail_inspect_end(struct client *c);

/* smtpd_verify.c: who really sent the message. */
void mail_verify_begin(struct client *c, const struct smtp_envelope *e);
void mail_verify_head(struct client *c); /* c->head is complete */
void mail_verify_body(struct client *c, struct slice s);
/* False: memory was short. */
MUST_USE bool mail_verify_end(struct client *c);
void mail_verify_told(
    struct client *c); /* all is known: to the trace, and into c->authenticated */
/* The From domain asks for quarantine: it goes to a junk folder. */
MUST_USE bool mail_verify_junk(const struct client *c);
/* Takes fields away that claim to be ours, puts ours in front; *at: how many stand there. */
void mail_verify_fields(struct client *c, const struct smtp_envelope *e, unsigned *at,
                        struct buf *failed);

/* smtpd_rules.c: administrators' rules (rule/rule.h), asked of the directory at DATA and kept until
 * it says that something changed. */
/* False: no room. */
MUST_USE bool mail_rules_begin(struct client *c, const struct smtp_envelope *e);
/* What they will want to know of the message: enum inspect_keep, or'ed. */
MUST_USE unsigned mail_rules_keep(struct client *c);
/* Into the facts, as far as they are known now. */
void mail_rules_facts(struct client *c, struct check_facts *f);
/* What those that fired want done. */
void mail_rules_head(struct client *c, struct buf *out);
void mail_rules_envelope(const struct client *c, struct buf *b);
/* The directory's answer. False: the payload is malformed. */
bool mail_rules_answer(struct smtpd *d, struct slice payload);
/* The directory is another one, or has changed: who waits asks again. */
void mail_rules_forget(struct smtpd *d);
void mail_rules_tick(struct smtpd *d);
/* Is it a recipient here, of that domain (lower case, A-labels)? */
MUST_USE bool mail_rules_is_of(const struct smtp_recipient *r, struct slice domain);

/* smtpd_routes.c: redirect and copy. */
/* False: the directory was asked, and message_accept() is called when it has answered; or the session
 * was told why not. */
MUST_USE bool mail_route_ready(struct client *c);
MUST_USE bool mail_route_answer(struct client *c, struct dir_answer *a);
/* Where a recipient's mail goes; returns how many of them count, for several may be sent to one. first: of
 * the envelope. */
MUST_USE unsigned mail_route_targets(const struct client *c,
                                     const struct smtp_recipient *r,
                                     const struct smtp_recipient *first,
                                     const struct mail_targets **out);
/* The nth address that a copy goes to; NULL: there are no more. */
MUST_USE const struct mail_targets *mail_route_copy(const struct client *c, unsigned nth,
                                                    struct slice *address);

/* smtpd_auth.c: the part about AUTH. */
void auth_offer_init(struct smtpd *d);
void auth_begin(void *arg, const char *mechanism, const struct slice *initial);
void auth_named(void *arg, struct slice login);
void auth_response(void *arg, struct slice response);
void auth_abort(void *arg);
/* The directory's answer. False: the payload is malformed. */
bool auth_answer(struct smtpd *d, struct slice payload);
void auth_give_up(
    struct client *c); /* waited too long; the caller goes on with the client */
void auth_directory_gone(struct smtpd *d);

/* smtpd.c */
void smtpd_trace(struct smtpd *d, struct slice record);
void smtpd_accepting(struct smtpd *d, bool on);
#endif
