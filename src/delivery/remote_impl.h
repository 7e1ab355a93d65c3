/* delivery/remote_impl.h - between remote.c (orders, sites) and remote_link.c (a connection). */
#ifndef DELIVERY_REMOTE_IMPL_H
#define DELIVERY_REMOTE_IMPL_H
#include "base/map.h"
#include "delivery/judge.h"
#include "delivery/push_row.h"
#include "delivery/remote.h"
#include "delivery/route.h"
#include "delivery/send_rate.h"
#include "delivery/site_names.h"
#include "delivery/sts.h"
#include "delivery/tls_need.h"
#include "net/conn.h"
#include "queue/pause.h"
#include "sasl/client.h"
#include "smtp/client_session.h"
#include "smtp/dot_encode.h"
#include "spool/record.h"

enum {
    TLSA_MAX = 8,
    TLS_CLASS_MAX = 24,
    SITE_KEY_MAX = ROUTE_SITE_MAX + 2 * IP_TEXT_MAX + SMART_NAME_MAX + 8 + TLS_CLASS_MAX
};

_Static_assert((int)SMTP_CLIENT_TARGETS_MAX == (int)JOB_TARGETS_MAX, "a job is one mail");

struct remote {
    struct remote_options options;
    struct list looking, done; /* orders: asking the DNS; over */
    struct map sites;          /* by name */
    struct send_turns turns;   /* of those that a rate keeps waiting */
    struct map waits;          /* by account and site (remote_account.c) */
    struct pauses *pauses;
    struct auth_host *auth_hosts; /* of each smart host (remote_auth.c) */
    struct site_names *names;
    struct name_look *name_looks; /* of each of them (remote_names.c) */
    bool names_known;             /* until then no order goes on */
    uint64_t names_next_ms;
    struct event *done_event, *room_event, *tick;
    unsigned order_n, link_n;
    /* All connections that there may be are there: sites that wait for one of them to end, and
     * those that do nothing, the longest first. */
    struct list short_of_links, idle;
    uint64_t seed;
    struct bounce_classifier *classifier;
};

struct remote_site {
    struct remote *remote;
    struct list waiting, links; /* orders without a connection; connections */
    struct list room;           /* in short_of_links, or out */
    unsigned link_n, idle_n, limit;
    unsigned fails;  /* in a row, since one went well */
    bool wants_less; /* it said so; what goes well meanwhile does not end its rest */
    uint64_t rest_until_ms;
    char why[OUTCOME_REPLY_MAX + 1]; /* it rests */
    size_t name_len;
    const struct sender_source *source; /* of its connections; NULL: the system chooses */
    const struct smart_host *smart;     /* it is one; NULL: servers of domains */
    char name
        [SITE_KEY_MAX]; /* the route's, behind the source's, before what TLS is asked for */
};

struct remote_order {
    struct list node;
    struct remote *remote;
    struct pool_order *order;
    struct resolver_scope *scope;
    struct route route;
    const struct smart_host *smart; /* it goes by way of it; NULL: direct */
    const struct sender_source *source;
    const struct site_name
        *name; /* of its site; NULL: none, and no rate of queue.rates */
    struct tls_need need[ROUTE_HOPS_MAX]; /* of each hop */
    bool requiretls;
    bool tls_optional; /* what its domain demands of TLS may be passed over */
    bool out_of_reach; /* a host could not be reached: it may offer what others lack */
    char tls_class[TLS_CLASS_MAX]; /* "": nothing but what its hosts ask for themselves */
    struct order_sign *signing;    /* a thread reads it (remote_sign.c) */
    struct remote_site *site;
    unsigned hop;       /* of route: the one to try next */
    unsigned hop_tried; /* addresses */
    bool may_pass;      /* not all of them refused for good */
    unsigned stale_n;   /* connections it was given that were over */
    uint64_t start_ms;
    unsigned n;
    struct job_target target[JOB_TARGETS_MAX];
    struct outcome *outcome; /* n */
};

enum { STALE_MAX = 3 };
enum { WHERE_MAX = DNS_NAME_MAX + IP_TEXT_MAX + 3 }; /* host[ip], as text */

/* Why a host is no good. */
struct fault {
    enum smtp_client_loss loss;
    enum bounce_stage stage; /* where it said so itself; UNKNOWN: it did not */
    bool for_good;           /* it said so, with 5yz */
    bool tls; /* it was reached, and lacks what TLS policies or REQUIRETLS demand */
    char text[OUTCOME_REPLY_MAX + 1]; /* with its codes in front */
    char where[WHERE_MAX];
};

enum link_phase { LINK_CONNECTING = 0, LINK_HANDSHAKE, LINK_TALKING };

struct remote_link {
    struct list node, idle; /* of its site; in remote.idle, or out */
    struct remote_site *site;
    struct remote_order *order; /* NULL: idle, or saying QUIT */
    struct conn conn;
    struct event *readable, *writable, *timer;
    enum link_phase phase;
    struct smtp_client client;
    struct link_auth *auth; /* its login (remote_auth.c); NULL: not begun */
    struct ip ip;
    char host[DNS_NAME_MAX + 1], where[WHERE_MAX];
    struct slice tlsa[TLSA_MAX]; /* usable ones; until the handshake */
    unsigned tlsa_n;
    char tlsa_base[DNS_NAME_MAX + 1];
    struct tls_need need;
    enum tls_rpt_result tls_result;
    uint64_t counted; /* hash of the domain whose session it was counted as last */
    bool clear;       /* TLS failed here: without it this time */
    bool no_good, quitting;
    bool stale;  /* it was over before the mail began: the order takes another one */
    bool misfit; /* it does not offer REQUIRETLS: the order goes to the next host */
    /* What it waits for, and until when: only when that moves on the time begins anew, so that
     * an octet now and then holds nothing up. */
    uint64_t progress, deadline_ms, sent;
    bool verified;
    unsigned mails;
    struct fault fault; /* no_good */
    /* The mail under way. */
    struct source src;
    bool src_open, head_sent, body_over;
    struct smtp_client_mail mail;
    unsigned which[JOB_TARGETS_MAX]; /* the mail's targets in the order */
    struct buf signatures;           /* fields to put in front */
    struct buf envelope, body;       /* body: octets on their way out */
    struct dot_encoder dots;
};

/* --- remote.c --- */

/* To a thread. False: it is not done, and not told of. */
MUST_USE bool remote_work(struct remote *r, struct remote_work *w);
/* Orders that wait to know more than their own questions: it may be known now. */
void remote_look_again(struct remote *r);
/* All targets have an outcome. */
void order_over(struct remote_order *o);
/* What is not done goes back untried, to wait so long for what another mail met. */
void order_untried(struct remote_order *o, struct slice why, uint64_t wait_s);
/* Those that have none get this one. */
void order_settle(struct remote_order *o, enum job_result result, struct slice text);
MUST_USE bool
order_open(const struct remote_order *o); /* has it targets without outcome? */
/* The connection for it could not be made: the next host, or the end. */
void order_no_host(struct remote_order *o, const struct fault *fault, bool clear);
/* The next order for a connection of that site; NULL: none waits. */
struct remote_order *site_take(struct remote_site *s);
void site_pump(struct remote_site *s);
/* It asked for less and is left alone for now: no mail of its goes out. */
MUST_USE bool site_left_alone(const struct remote_site *s);
void site_went_well(struct remote_site *s);
/* What an outcome means for the site, which said so: where it wants less it rests, for as long as
 * the outcome says or as is usual, and the target waits as long. */
void site_slower(struct remote_site *s, enum judge_site how, struct outcome *out);

/* It rests, for whatever reason. */
MUST_USE bool site_rests(const struct remote_site *s);

/* --- remote_source.c --- */

/* What a site is known by: its hosts, and our address; or the smart host. */
void site_key(const struct remote_order *o, const struct sender_source *source,
              struct buf *out);
/* Sets o->source and leaves only hosts that it reaches. False: none does, it is over. */
MUST_USE bool order_choose_source(struct remote_order *o);

/* --- remote_smart.c --- */

/* By way of which host does it go? NULL: direct. */
MUST_USE const struct smart_host *order_smart(const struct remote_order *o);
/* Finds its addresses. False: not known yet, or the order is over. */
MUST_USE bool order_smart_look(struct remote_order *o, const struct route_ask *usual);
/* Its TLS, and its login if it has one. */
void link_smart(const struct remote_link *l, struct smtp_client_options *out);
/* What is demanded of it. */
MUST_USE enum tls_rule smart_rule(const struct smart_host *h);

/* --- remote_auth.c --- */

MUST_USE bool auth_init(struct remote *r);
void auth_clear(struct remote *r);
/* What it can do of the mechanisms, once TLS stands. */
MUST_USE unsigned link_auth_mechanisms(const struct remote_link *l);
/* AUTH is wanted: answers, now or when a thread is done. */
void link_auth_step(struct remote_link *l);
MUST_USE bool link_auth_waits(const struct remote_link *l);
void link_auth_end(struct remote_link *l);

/* --- remote_rate.c --- */

/* Has the address room for the order today, if it is being warmed up? */
MUST_USE bool source_is_warm(const struct remote_order *o,
                             const struct sender_source *source);
/* It has its site: may it go now? Counts it. False: it is over, and waits. */
MUST_USE bool order_within_rates(struct remote_order *o);

/* --- remote_names.c --- */

MUST_USE bool names_init(struct remote *r);
void names_clear(struct remote *r);
void names_tick(struct remote *r);

/* --- remote_account.c --- */

void accounts_init(struct remote *r);
void accounts_clear(struct remote *r);
void accounts_tick(struct remote *r);
/* The order's site wants its account to wait for wait_s, or as long as is usual (0). */
void account_waits(const struct remote_order *o, uint32_t wait_s, struct slice why);
/* It does: the order, which has its route, is over. */
MUST_USE bool order_waits_for_account(struct remote_order *o);

/* --- remote_sign.c --- */

/* True: a thread reads it for its signatures, then comes order_signed(). */
MUST_USE bool order_sign(struct remote_order *o);
void order_sign_end(struct remote_order *o); /* it goes meanwhile */
/* remote.c: it goes on to its site. */
void order_signed(struct remote_order *o);

/* --- remote_pause.c --- */

/* It has its route and meets a pause: it is over. */
MUST_USE bool order_paused(struct remote_order *o);

/* --- remote_tls.c --- */

MUST_USE struct slice order_domain(const struct remote_order *o);
/* It has its route: leaves out hosts that may not have it. False: none is left, it is over. */
MUST_USE bool order_tls(struct remote_order *o, const struct sts_view *sts);
/* Of the handshake; counted for the order, and for those of other domains that follow. */
void link_tls_stands(struct remote_link *l);
void link_tls_failed(struct remote_link *l);
void link_tls_missing(struct remote_link *l);
void link_count(struct remote_link *l); /* a mail goes over it now */

/* --- remote_link.c --- */

/* A connection to the order's hop, with the order as its first mail. clear: without TLS. False:
 * none could be begun: errno. */
MUST_USE bool link_open(struct remote_site *s, struct remote_order *o, bool clear);
/* Goes on, from the loop. */
void link_drive(struct remote_link *l);
/* An idle one takes the order. */
void link_give(struct remote_link *l, struct remote_order *o);
/* An idle one says farewell, from the loop. */
void link_quit(struct remote_link *l);
void link_close(struct remote_link *l);
#endif
