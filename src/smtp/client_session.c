/* smtp/client_session.c - see client_session.h */
#include "smtp/client_session_impl.h"

#include "base/log.h"
#include "smtp/address.h"

#include <inttypes.h>
#include <string.h>

enum {
    LINE_ROOM = SMTP_CLIENT_ADDRESS_MAX + SMTP_ORCPT_MAX + 200,
    OUT_MAX = LINE_ROOM * (SMTP_CLIENT_TARGETS_MAX + 3),
};

enum command { C_MAIL = 0, C_RCPT, C_DATA };

/* Which of the times that a caller may set it is; QUICK: no longer than a command's. */
enum patience { QUICK = 0, COMMAND, DATA, END };

/* What each is, and how long to wait in it. RFC 5321 4.5.3.2 gives the least times. */
static const struct {
    const char *name;
    enum smtp_client_want want;
    enum smtp_client_stage stage;
    unsigned patience_s;
    enum patience patience;
} states[] = {
    [GREETING] = {"the greeting", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_CONNECT, 5 * 60,
                  COMMAND},
    [EHLO] = {"EHLO", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_HELO, 5 * 60, COMMAND},
    [HELO] = {"HELO", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_HELO, 5 * 60, COMMAND},
    [STARTTLS] = {"STARTTLS", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_STARTTLS, 2 * 60, QUICK},
    [TLS] = {"the TLS handshake", SMTP_CLIENT_TLS, SMTP_CLIENT_AT_STARTTLS, 2 * 60,
             QUICK},
    [AUTH_PLAIN] = {"AUTH", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_AUTH, 2 * 60, QUICK},
    [AUTH_LOGIN] = {"AUTH", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_AUTH, 2 * 60, QUICK},
    [AUTH_USER] = {"AUTH", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_AUTH, 2 * 60, QUICK},
    [AUTH_PASSWORD] = {"AUTH", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_AUTH, 2 * 60, QUICK},
    [AUTH_STEP] = {"AUTH", SMTP_CLIENT_AUTH, SMTP_CLIENT_AT_AUTH, 2 * 60, QUICK},
    [AUTH_ANSWER] = {"AUTH", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_AUTH, 2 * 60, QUICK},
    [IDLE] = {"nothing", SMTP_CLIENT_READY, SMTP_CLIENT_AT_QUIT, 0, QUICK},
    [ENVELOPE] = {"MAIL or RCPT", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_RCPT, 5 * 60,
                  COMMAND},
    [BODY] = {"the message", SMTP_CLIENT_BODY, SMTP_CLIENT_AT_DATA, 3 * 60, DATA},
    [EMPTY_BODY] = {"a message without recipients", SMTP_CLIENT_REPLY,
                    SMTP_CLIENT_AT_DATA, 60, QUICK},
    [FINAL] = {"the end of the message", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_EOM, 10 * 60,
               END},
    [RSET] = {"RSET", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_MAIL, 60, QUICK},
    [QUIT] = {"QUIT", SMTP_CLIENT_REPLY, SMTP_CLIENT_AT_QUIT, 5, QUICK},
    [DEAD] = {"nothing", SMTP_CLIENT_CLOSED, SMTP_CLIENT_AT_QUIT, 0, QUICK},
};

const char *smtp_client_stage_name(enum smtp_client_stage stage)
{
    static const char *const names[] = {"connect", "helo", "starttls", "auth", "mail",
                                        "rcpt",    "data", "eom",      "quit"};
    return names[stage];
}

void smtp_client_init(struct smtp_client *c, const struct smtp_client_options *options,
                      const struct smtp_client_ops *ops, void *arg)
{
    *c = (struct smtp_client){.ops = ops,
                              .arg = arg,
                              .options = *options,
                              .tls = options->tls == SMTP_CLIENT_TLS_IS};
    buf_init(&c->out, OUT_MAX);
    buf_init(&c->challenge, CLIENT_CHALLENGE_MAX);
    client_reply_init(&c->reply);
}

void smtp_client_clear(struct smtp_client *c)
{
    if (c->out.cap > 0) {
        explicit_bzero(c->out.ptr, c->out.cap);
    }
    buf_clear(&c->out);
    buf_clear(&c->challenge);
    client_reply_clear(&c->reply);
}

enum smtp_client_want smtp_client_want(const struct smtp_client *c)
{
    return states[c->state].want;
}

enum smtp_client_stage smtp_client_stage(const struct smtp_client *c)
{
    if (c->state == ENVELOPE && c->answered_n < c->sent_n) {
        static const enum smtp_client_stage of[] = {[C_MAIL] = SMTP_CLIENT_AT_MAIL,
                                                    [C_RCPT] = SMTP_CLIENT_AT_RCPT,
                                                    [C_DATA] = SMTP_CLIENT_AT_DATA};
        return of[c->sent[c->answered_n].what];
    }
    return states[c->state].stage;
}

unsigned smtp_client_patience_s(const struct smtp_client *c)
{
    const struct smtp_client_options *o = &c->options;
    const unsigned set[] = {[QUICK] = o->command_s,
                            [COMMAND] = o->command_s,
                            [DATA] = o->data_s,
                            [END] = o->end_s};
    unsigned usual_s = states[c->state].patience_s;
    unsigned set_s = set[states[c->state].patience];
    bool quick = states[c->state].patience == QUICK && set_s > usual_s;
    return set_s == 0 || quick ? usual_s : set_s;
}

bool smtp_client_reusable(const struct smtp_client *c)
{
    return c->state == IDLE && !c->closing &&
           (c->mail_max == 0 || c->mails < c->mail_max);
}

bool smtp_client_bdat(const struct smtp_client *c)
{
    return (c->offers & SMTP_CLIENT_CHUNKING) != 0 && !c->options.no_chunking;
}

/* --- results --- */

static void settle(struct smtp_client *c, unsigned target,
                   const struct smtp_client_result *r)
{
    if (!c->settled[target]) {
        c->settled[target] = true;
        c->ops->result(c->arg, target, r);
    }
}

static void settle_rest(struct smtp_client *c, const struct smtp_client_result *r)
{
    for (unsigned i = 0; c->asked && i < c->mail.target_n; i++) {
        settle(c, i, r);
    }
}

/* Has anything of the mail been said to the server? */
static bool begun(const struct smtp_client *c)
{
    return c->asked && c->state >= ENVELOPE;
}

/* The session ends with that: what is not settled is, or, before any mail, the host is blamed. */
static void die(struct smtp_client *c, const struct smtp_client_result *r)
{
    bool blame = !begun(c) && c->state < IDLE;
    unsigned char was = c->state;
    if (begun(c)) {
        settle_rest(c, r);
    }
    c->asked = false;
    c->state = DEAD;
    if (c->out.cap > 0) {
        explicit_bzero(c->out.ptr, c->out.cap);
    }
    buf_reset(&c->out);
    if (blame && was != DEAD) {
        c->ops->fault(c->arg, r);
    }
}

/* text begins with its code. */
static struct smtp_client_result result_of(const struct smtp_client *c, struct slice text)
{
    uint64_t code = 0;
    IGNORE(slice_u64(slice_sub(text, 0, 3), &code)); /* all that we make have one */
    enum smtp_client_result_kind kind = code / 100 == 2   ? SMTP_CLIENT_DELIVERED
                                        : code / 100 == 5 ? SMTP_CLIENT_FAILED
                                                          : SMTP_CLIENT_DEFERRED;
    return (struct smtp_client_result){.kind = kind,
                                       .stage = smtp_client_stage(c),
                                       .code = (unsigned)code,
                                       .reply = text};
}

/* The same of our own words. */
static struct smtp_client_result own_result(const struct smtp_client *c, const char *text)
{
    struct smtp_client_result r = result_of(c, slice_of(text));
    r.local = true;
    return r;
}

/* The reply that just came; borrowed from text. */
static struct smtp_client_result reply_result(const struct smtp_client *c,
                                              struct buf *text)
{
    buf_init(text, CLIENT_REPLY_TEXT_MAX + 1024);
    client_reply_flat(&c->reply, SMTP_CLIENT_TEXT_MAX, text);
    return result_of(c, buf_slice(text));
}

/* What is waited for, in words. */
static const char *waited_for(const struct smtp_client *c)
{
    static const char *const of[] = {
        [C_MAIL] = "MAIL", [C_RCPT] = "RCPT", [C_DATA] = "DATA"};
    return c->state == ENVELOPE && c->answered_n < c->sent_n
               ? of[c->sent[c->answered_n].what]
               : states[c->state].name;
}

static void die_saying(struct smtp_client *c, const char *status, const char *what,
                       enum smtp_client_loss loss)
{
    struct buf text;
    buf_init(&text, SMTP_CLIENT_TEXT_MAX);
    (void)buf_add_fmt(&text, "451 %s %s, waiting for the answer to %s", status, what,
                      waited_for(c));
    struct smtp_client_result r = result_of(c, buf_slice(&text));
    r.local = true;
    r.loss = loss;
    die(c, &r);
    buf_clear(&text);
}

void smtp_client_lost(struct smtp_client *c, enum smtp_client_loss loss, const char *why)
{
    static const char *const status[] = {
        [SMTP_CLIENT_NOT_LOST] = "4.4.2",   [SMTP_CLIENT_UNREACHED] = "4.4.1",
        [SMTP_CLIENT_CLOSED_OFF] = "4.4.2", [SMTP_CLIENT_TIMED_OUT] = "4.4.2",
        [SMTP_CLIENT_NO_TLS] = "4.7.5",     [SMTP_CLIENT_OURS] = "4.3.0",
    };
    if (c->state != DEAD) {
        die_saying(c, status[loss], why, loss);
    }
}

void smtp_client_abandon(struct smtp_client *c, const char *reply)
{
    if (c->state != DEAD) {
        struct smtp_client_result r = own_result(c, reply);
        die(c, &r);
    }
}

void client_session_die_of_reply(struct smtp_client *c)
{
    struct buf text;
    struct smtp_client_result r = reply_result(c, &text);
    if (r.kind == SMTP_CLIENT_DELIVERED) {
        r.kind = SMTP_CLIENT_DEFERRED; /* a good reply in a bad place delivers nothing */
    }
    die(c, &r);
    buf_clear(&text);
}

static void settle_rest_by_reply(struct smtp_client *c)
{
    struct buf text;
    struct smtp_client_result r = reply_result(c, &text);
    settle_rest(c, &r);
    buf_clear(&text);
}

/* --- what can be refused without asking --- */

/* Parameters that are xtext hold no blank and no control octet. */
static bool is_word(struct slice s, size_t max)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] == 0x7f) {
            return false;
        }
    }
    return s.len <= max;
}

/* NULL: the mail as a whole can go to this server. */
static const char *unfit(const struct smtp_client *c)
{
    const struct smtp_client_mail *m = &c->mail;
    if (!smtp_path_can_be_sent(m->sender, SMTP_CLIENT_ADDRESS_MAX) ||
        !is_word(m->envid, SMTP_ENVID_MAX)) {
        return "550 5.1.7 the sender's address cannot be sent";
    }
    if (m->requiretls &&
        (!c->tls || !m->verified || !(c->offers & SMTP_CLIENT_REQUIRETLS))) {
        return "550 5.7.30 the message demands REQUIRETLS, which this host does not "
               "offer "
               "over a verified TLS connection";
    }
    if (m->tls_only && !c->tls) {
        return (c->offers & SMTP_CLIENT_STARTTLS) != 0
                   ? "450 4.7.10 a rule demands TLS, which could not be set up with this "
                     "host"
                   : "550 5.7.10 a rule demands TLS, which this host does not offer";
    }
    if (m->verified_only && !m->verified) {
        return "450 4.7.10 a rule demands verified TLS, and neither DANE nor MTA-STS "
               "proves this host's name";
    }
    if ((m->utf8 || !slice_is_ascii(m->sender)) && !(c->offers & SMTP_CLIENT_SMTPUTF8)) {
        return "550 5.6.7 the message needs SMTPUTF8, which this host does not offer";
    }
    if (m->binary && (!(c->offers & SMTP_CLIENT_BINARYMIME) || !smtp_client_bdat(c))) {
        return "554 5.6.3 the message is binary, and this host does not offer BINARYMIME";
    }
    if (m->eight_bit && !(c->offers & SMTP_CLIENT_8BITMIME)) {
        return "554 5.6.3 the message has 8-bit data, and this host does not offer "
               "8BITMIME";
    }
    if (c->size_max != 0 && m->size > c->size_max) {
        return "552 5.3.4 the message is larger than the SIZE that this host offers";
    }
    return NULL;
}

static void settle_early(struct smtp_client *c)
{
    const char *why = unfit(c);
    if (why != NULL) {
        struct smtp_client_result r = own_result(c, why);
        r.stage = SMTP_CLIENT_AT_MAIL;
        settle_rest(c, &r);
        return;
    }
    for (unsigned i = 0; i < c->mail.target_n; i++) {
        const struct smtp_client_target *t = &c->mail.target[i];
        const char *wrong = NULL;
        if (t->address.len == 0 ||
            !smtp_path_can_be_sent(t->address, SMTP_CLIENT_ADDRESS_MAX) ||
            !is_word(t->orcpt, SMTP_ORCPT_MAX)) {
            wrong = "550 5.1.3 the address cannot be sent";
        } else if (!slice_is_ascii(t->address) && !(c->offers & SMTP_CLIENT_SMTPUTF8)) {
            wrong =
                "550 5.6.7 the address needs SMTPUTF8, which this host does not offer";
        }
        if (wrong != NULL) {
            struct smtp_client_result r = own_result(c, wrong);
            r.stage = SMTP_CLIENT_AT_RCPT;
            settle(c, i, &r);
        }
    }
}

/* --- commands --- */

static void put_mail(struct smtp_client *c)
{
    const struct smtp_client_mail *m = &c->mail;
    (void)buf_add_str(&c->out, "MAIL FROM:<");
    (void)buf_add(&c->out, m->sender);
    (void)buf_add_str(&c->out, ">");
    if (c->offers & SMTP_CLIENT_SIZE) {
        (void)buf_add_fmt(&c->out, " SIZE=%" PRIu64, m->size);
    }
    if (m->binary || m->eight_bit) {
        (void)buf_add_str(&c->out, m->binary ? " BODY=BINARYMIME" : " BODY=8BITMIME");
    }
    if ((c->offers & SMTP_CLIENT_SMTPUTF8) && m->utf8) {
        (void)buf_add_str(&c->out, " SMTPUTF8");
    }
    if (m->requiretls ||
        (m->requiretls_may && c->tls && (c->offers & SMTP_CLIENT_REQUIRETLS))) {
        (void)buf_add_str(&c->out, " REQUIRETLS");
    }
    if (c->offers & SMTP_CLIENT_DSN) {
        if (m->ret != SMTP_RET_DEFAULT) {
            (void)buf_add_str(&c->out,
                              m->ret == SMTP_RET_FULL ? " RET=FULL" : " RET=HDRS");
        }
        if (m->envid.len > 0) {
            (void)buf_add_str(&c->out, " ENVID=");
            (void)buf_add(&c->out, m->envid);
        }
    }
    if ((c->offers & SMTP_CLIENT_MT_PRIORITY) && m->priority != 0) {
        (void)buf_add_fmt(&c->out, " MT-PRIORITY=%d", m->priority);
    }
    (void)buf_add_str(&c->out, "\r\n");
}

static void put_rcpt(struct smtp_client *c, const struct smtp_client_target *t)
{
    static const char *const words[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};
    (void)buf_add_str(&c->out, "RCPT TO:<");
    (void)buf_add(&c->out, t->address);
    (void)buf_add_str(&c->out, ">");
    if ((c->offers & SMTP_CLIENT_DSN) && t->notify != 0) {
        const char *before = " NOTIFY=";
        for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++) {
            if ((t->notify & 1U << i) != 0) {
                (void)buf_add_fmt(&c->out, "%s%s", before, words[i]);
                before = ",";
            }
        }
    }
    if ((c->offers & SMTP_CLIENT_DSN) && t->orcpt.len > 0) {
        (void)buf_add_str(&c->out, " ORCPT=");
        (void)buf_add(&c->out, t->orcpt);
    }
    (void)buf_add_str(&c->out, "\r\n");
}

static void sent(struct smtp_client *c, enum command what, unsigned target)
{
    c->sent[c->sent_n++] =
        (struct smtp_client_command){(unsigned char)what, (unsigned char)target};
}

static unsigned rcpt_limit(const struct smtp_client *c)
{
    return c->rcpt_max == 0 ? SMTP_CLIENT_TARGETS_MAX : c->rcpt_max;
}

static bool any_accepted(const struct smtp_client *c)
{
    for (unsigned i = 0; i < c->mail.target_n; i++) {
        if (c->accepted[i] && !c->settled[i]) {
            return true;
        }
    }
    return false;
}

/* The next command of the envelope, if there is one that may go out now. DATA goes with the others
 * where they are pipelined; BDAT waits for their answers, for the message goes with it. */
static bool put_next(struct smtp_client *c)
{
    if (c->sent_n == 0) {
        put_mail(c);
        sent(c, C_MAIL, 0);
        return true;
    }
    while (c->next_rcpt < c->mail.target_n && c->settled[c->next_rcpt]) {
        c->next_rcpt++;
    }
    if (c->mail_refused || c->data_sent) {
        return false;
    }
    if (c->next_rcpt < c->mail.target_n && c->sent_n - 1 < rcpt_limit(c)) {
        put_rcpt(c, &c->mail.target[c->next_rcpt]);
        sent(c, C_RCPT, c->next_rcpt++);
        return true;
    }
    bool all_answered = c->answered_n == c->sent_n;
    if (smtp_client_bdat(c) ? !all_answered : false) {
        return false;
    }
    if (all_answered && !any_accepted(c)) {
        return false;
    }
    c->data_sent = true;
    if (smtp_client_bdat(c)) {
        (void)buf_add_fmt(&c->out, "BDAT %" PRIu64 " LAST\r\n", c->mail.size);
        c->state = BODY;
        return false;
    }
    (void)buf_add_str(&c->out, "DATA\r\n");
    sent(c, C_DATA, 0);
    return true;
}

static void pump(struct smtp_client *c)
{
    while (c->state == ENVELOPE &&
           ((c->offers & SMTP_CLIENT_PIPELINING) || c->answered_n == c->sent_n) &&
           put_next(c)) {
    }
}

/* Targets beyond what the server takes at once. */
static void settle_next(struct smtp_client *c)
{
    struct smtp_client_result r =
        own_result(c, "452 4.5.3 the host takes no more recipients at once");
    r.kind = SMTP_CLIENT_NEXT;
    r.stage = SMTP_CLIENT_AT_RCPT;
    settle_rest(c, &r);
}

static void mail_over(struct smtp_client *c)
{
    settle_next(c);
    c->asked = false;
    c->state = c->closing ? DEAD : IDLE;
}

static void begin_mail(struct smtp_client *c)
{
    memset(c->settled, 0, sizeof c->settled);
    memset(c->accepted, 0, sizeof c->accepted);
    c->next_rcpt = c->sent_n = c->answered_n = 0;
    c->mail_refused = c->data_sent = false;
    settle_early(c);
    while (c->next_rcpt < c->mail.target_n && c->settled[c->next_rcpt]) {
        c->next_rcpt++;
    }
    if (c->next_rcpt == c->mail.target_n) {
        c->asked = false; /* nothing to send */
        return;
    }
    c->mails++;
    c->state = ENVELOPE;
    pump(c);
}

void smtp_client_mail(struct smtp_client *c, const struct smtp_client_mail *mail)
{
    BUG_ON((c->state != IDLE && c->state != GREETING) || mail->target_n == 0 ||
           mail->target_n > SMTP_CLIENT_TARGETS_MAX);
    c->mail = *mail;
    c->asked = true;
    if (c->state == IDLE) {
        begin_mail(c);
    }
}

void smtp_client_body_sent(struct smtp_client *c)
{
    if (c->state == BODY) {
        c->state = FINAL;
    }
}

void smtp_client_quit(struct smtp_client *c)
{
    if (c->state == IDLE) {
        c->state = QUIT;
        (void)buf_add_str(&c->out, "QUIT\r\n");
    }
}

/* --- hello, TLS, AUTH --- */

static void say_hello(struct smtp_client *c, enum state state)
{
    c->state = (unsigned char)state;
    (void)buf_add_str(&c->out, state == EHLO ? "EHLO " : "HELO ");
    (void)buf_add(&c->out, c->options.hostname);
    (void)buf_add_str(&c->out, "\r\n");
}

static void take_auth(struct smtp_client *c, struct slice mechanisms)
{
    static const struct {
        struct slice word;
        unsigned offer;
    } known[] = {
        {SLICE_INIT("PLAIN"), SMTP_CLIENT_AUTH_PLAIN},
        {SLICE_INIT("LOGIN"), SMTP_CLIENT_AUTH_LOGIN},
        {SLICE_INIT("SCRAM-SHA-256"), SMTP_CLIENT_AUTH_SCRAM},
        {SLICE_INIT("SCRAM-SHA-256-PLUS"), SMTP_CLIENT_AUTH_SCRAM_PLUS},
    };
    while (mechanisms.len > 0) {
        struct slice word = slice_sub(mechanisms, 0, slice_find(mechanisms, ' '));
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            c->offers |= slice_ieq(word, known[i].word) ? known[i].offer : 0;
        }
        mechanisms = slice_from(mechanisms, word.len + 1);
    }
}

/* RFC 9422: "RCPTMAX=20 MAILMAX=100". */
static void take_limits(struct smtp_client *c, struct slice limits)
{
    while (limits.len > 0) {
        struct slice word = slice_sub(limits, 0, slice_find(limits, ' '));
        uint64_t n = 0;
        size_t equals = slice_find(word, '=');
        if (slice_u64(slice_from(word, equals + 1), &n) && n > 0 && n <= 1000000) {
            if (slice_ieq(slice_sub(word, 0, equals), SLICE("RCPTMAX"))) {
                c->rcpt_max = (unsigned)n;
            } else if (slice_ieq(slice_sub(word, 0, equals), SLICE("MAILMAX"))) {
                c->mail_max = (unsigned)n;
            }
        }
        limits = slice_from(limits, word.len + 1);
    }
}

static void take_offers(struct smtp_client *c)
{
    static const struct {
        struct slice keyword;
        unsigned offer;
    } known[] = {
        {SLICE_INIT("PIPELINING"), SMTP_CLIENT_PIPELINING},
        {SLICE_INIT("8BITMIME"), SMTP_CLIENT_8BITMIME},
        {SLICE_INIT("SMTPUTF8"), SMTP_CLIENT_SMTPUTF8},
        {SLICE_INIT("SIZE"), SMTP_CLIENT_SIZE},
        {SLICE_INIT("CHUNKING"), SMTP_CLIENT_CHUNKING},
        {SLICE_INIT("BINARYMIME"), SMTP_CLIENT_BINARYMIME},
        {SLICE_INIT("STARTTLS"), SMTP_CLIENT_STARTTLS},
        {SLICE_INIT("DSN"), SMTP_CLIENT_DSN},
        {SLICE_INIT("REQUIRETLS"), SMTP_CLIENT_REQUIRETLS},
        {SLICE_INIT("MT-PRIORITY"), SMTP_CLIENT_MT_PRIORITY},
    };
    struct slice line;
    c->offers = c->rcpt_max = c->mail_max =
        0; /* RFC 3207 4.2: what was said before TLS is void */
    c->size_max = 0;
    for (unsigned n = 1; client_reply_line(&c->reply, n, &line); n++) {
        struct slice word = slice_sub(line, 0, slice_find(line, ' '));
        struct slice value = slice_trim(slice_from(line, word.len));
        for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
            c->offers |= slice_ieq(word, known[i].keyword) ? known[i].offer : 0;
        }
        if (slice_ieq(word, SLICE("SIZE")) && !slice_u64(value, &c->size_max)) {
            c->size_max = 0;
        } else if (slice_ieq(word, SLICE("AUTH"))) {
            take_auth(c, value);
        } else if (slice_ieq(word, SLICE("LIMITS"))) {
            take_limits(c, value);
        }
    }
}

void client_session_ready(struct smtp_client *c)
{
    c->state = IDLE;
    if (c->asked) {
        begin_mail(c);
    }
}

void client_session_blame(struct smtp_client *c, const char *text)
{
    struct smtp_client_result r = own_result(c, text);
    die(c, &r);
}

static void after_hello(struct smtp_client *c)
{
    bool wanted = !c->tls && c->options.tls != SMTP_CLIENT_TLS_NEVER;
    if (wanted && (c->offers & SMTP_CLIENT_STARTTLS)) {
        c->state = STARTTLS;
        (void)buf_add_str(&c->out, "STARTTLS\r\n");
    } else if (wanted && c->options.tls == SMTP_CLIENT_TLS_MUST) {
        client_session_blame(
            c, "451 4.7.10 TLS is demanded for this destination, and the host does not "
               "offer it");
    } else {
        client_session_begin_auth(c);
    }
}

void smtp_client_tls(struct smtp_client *c, bool verified)
{
    if (c->state == TLS) {
        c->tls = true;
        c->mail.verified = verified; /* of the mail that waits: it was given before */
        say_hello(c, EHLO);
    } else if (c->options.tls == SMTP_CLIENT_TLS_IS) {
        c->mail.verified = verified;
    }
}

/* --- replies --- */

static void on_hello(struct smtp_client *c)
{
    if (c->reply.code / 100 == 2) {
        if (c->state == EHLO) {
            take_offers(c);
        }
        after_hello(c);
    } else if (c->state == EHLO && c->reply.code / 100 == 5 && !c->tls) {
        say_hello(c, HELO); /* RFC 5321 3.2: it may be an old one */
    } else {
        client_session_die_of_reply(c);
    }
}

static void on_starttls(struct smtp_client *c)
{
    if (c->reply.code == 220) {
        c->state = TLS;
    } else if (c->options.tls == SMTP_CLIENT_TLS_MUST) {
        client_session_die_of_reply(c);
    } else {
        client_session_begin_auth(c);
    }
}

static void nonsense(struct smtp_client *c, const char *what)
{
    die_saying(c, "4.5.0", what, SMTP_CLIENT_NOT_LOST);
}

static void start_reset(struct smtp_client *c)
{
    settle_next(c);
    c->asked = false;
    c->state = RSET;
    (void)buf_add_str(&c->out, "RSET\r\n");
}

static void on_data(struct smtp_client *c)
{
    unsigned class = c->reply.code / 100;
    if (c->reply.code == 354) {
        if (any_accepted(c)) {
            c->state = BODY;
            return;
        }
        c->state = EMPTY_BODY; /* RFC 2920 3.1: it may say 354 to nobody's message */
        (void)buf_add_str(&c->out, ".\r\n");
        return;
    }
    if (class == 2 || class == 3) {
        nonsense(c, "neither 354 nor a refusal");
        return;
    }
    for (unsigned i = 0; i < c->mail.target_n; i++) { /* whom RCPT accepted */
        struct buf text;
        struct smtp_client_result r = reply_result(c, &text);
        r.stage = SMTP_CLIENT_AT_DATA;
        if (c->accepted[i]) {
            settle(c, i, &r);
        }
        buf_clear(&text);
    }
    start_reset(c);
}

static void on_rcpt(struct smtp_client *c, unsigned target)
{
    unsigned class = c->reply.code / 100;
    struct buf text;
    struct smtp_client_result r = reply_result(c, &text);
    r.stage = SMTP_CLIENT_AT_RCPT;
    if (class == 2) {
        c->accepted[target] = !c->settled[target];
    } else if (c->reply.code == 452 && any_accepted(c)) {
        r.kind =
            SMTP_CLIENT_NEXT; /* RFC 5321 4.5.3.1.10: too many at once; the rest next */
        settle(c, target, &r);
    } else {
        settle(c, target, &r);
    }
    buf_clear(&text);
}

static void on_envelope(struct smtp_client *c)
{
    struct smtp_client_command command = c->sent[c->answered_n];
    if (c->reply.code / 100 == 3 && command.what != C_DATA) {
        nonsense(c, "a 3yz reply");
        return;
    }
    if (command.what == C_MAIL && c->reply.code / 100 != 2) {
        settle_rest_by_reply(c);
        c->mail_refused = true;
    } else if (command.what == C_RCPT) {
        on_rcpt(c, command.target);
    }
    c->answered_n++;
    if (command.what == C_DATA) {
        on_data(c);
        return;
    }
    pump(c);
    if (c->state == ENVELOPE && c->answered_n == c->sent_n) {
        start_reset(c); /* nobody was accepted */
    }
}

static void on_final(struct smtp_client *c)
{
    if (c->reply.code / 100 == 3) {
        nonsense(c, "a 3yz reply");
        return;
    }
    struct buf text;
    struct smtp_client_result r = reply_result(c, &text);
    for (unsigned i = 0; i < c->mail.target_n; i++) {
        if (c->accepted[i]) {
            settle(c, i, &r);
        }
    }
    buf_clear(&text);
    mail_over(c);
}

static void on_reply(struct smtp_client *c)
{
    switch ((enum state)c->state) {
    case GREETING:
        if (c->reply.code == 220) {
            say_hello(c, EHLO);
        } else {
            client_session_die_of_reply(c);
        }
        break;
    case EHLO:
    case HELO:
        on_hello(c);
        break;
    case STARTTLS:
        on_starttls(c);
        break;
    case AUTH_PLAIN:
    case AUTH_LOGIN:
    case AUTH_USER:
    case AUTH_PASSWORD:
    case AUTH_ANSWER:
        client_session_on_auth(c);
        break;
    case ENVELOPE:
        on_envelope(c);
        break;
    case BODY: /* it gave up while the message was on its way */
        if (c->reply.code / 100 >= 4) {
            settle_rest_by_reply(c);
        }
        nonsense(c, "a reply before the end");
        break;
    case EMPTY_BODY:
        start_reset(c);
        break;
    case FINAL:
        on_final(c);
        break;
    case RSET:
        c->state = c->reply.code / 100 == 2 && !c->closing ? IDLE : DEAD;
        break;
    case TLS:
    case AUTH_STEP:
    case IDLE:
    case QUIT:
    case DEAD:
        c->state = DEAD;
        break;
    }
}

void smtp_client_input(struct smtp_client *c, struct slice in)
{
    while (in.len > 0 && c->state != DEAD) {
        if (c->state == TLS) {
            /* Octets in clear behind the 220: whoever put them there wants them taken as the
             * server's under TLS (RFC 3207 4.2; CVE-2011-0411). */
            nonsense(c, "octets in clear behind the answer to STARTTLS");
            return;
        }
        if (c->state == IDLE) {
            c->state = DEAD; /* nobody asked: a farewell; not to be used again */
            return;
        }
        if ((c->out.len > 0 && c->state != BODY) || c->state == AUTH_STEP) {
            nonsense(c, "a reply that came before its command");
            return;
        }
        switch (client_reply_feed(&c->reply, &in)) {
        case CLIENT_REPLY_DONE:
            /* RFC 5321 3.8: after 421 the server closes, whatever was asked. */
            if (c->reply.code == 421 && c->state != FINAL) {
                client_session_die_of_reply(c);
                return;
            }
            c->closing = c->closing || c->reply.code == 421;
            on_reply(c);
            break;
        case CLIENT_REPLY_BAD:
            nonsense(c, "no SMTP reply");
            return;
        case CLIENT_REPLY_MORE:
            break;
        }
    }
}
