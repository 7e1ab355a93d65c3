/* daemon/smtpd.c - the smtpd role: see smtpd.h */
#include "daemon/smtpd.h"

#include "base/clock.h"
#include "base/log.h"
#include "rate/segment.h"
#include "tls/tls.h"

#include <event2/event.h>
#include <malloc.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DRAIN_SPARE_MS = 500 }; /* in time: the supervisor kills who is late */

/* --- spool writer <-> queue --- */

static void on_ask(void *arg, uint64_t cookie, uint64_t octets)
{
    struct smtpd *d = arg;
    struct buf b;
    buf_init(&b, 16);
    wire_put_u64(&b, cookie);
    wire_put_u64(&b, octets);
    /* Without a queue nothing happens: the writer asks again when it is back. */
    if (d->queue != NULL && !channel_send(d->queue, MSG_SEGMENT_ASK, buf_slice(&b), -1)) {
        log_text(LOG_WARN, "queue", "the queue takes no messages from smtpd");
    }
    buf_clear(&b);
}

static void on_spooled(void *arg, const struct spool_place *place, size_t n)
{
    struct smtpd *d = arg;
    struct buf b;
    buf_init(&b, n * 16);
    for (size_t i = 0; i < n; i++) {
        wire_put_u64(&b, place[i].segment);
        wire_put_u64(&b, place[i].offset);
    }
    /* A notice that is lost is no message lost: the queue reads the segment for itself when
     * this channel or this process ends, at the latest when the segment is sealed. */
    if (d->queue != NULL && !channel_send(d->queue, MSG_SPOOLED, buf_slice(&b), -1)) {
        log_text(LOG_WARN, "queue",
                 "the queue takes no notices; it will find the mail itself");
    }
    buf_clear(&b);
}

static void on_sealed(void *arg, uint64_t segment, uint64_t end)
{
    struct smtpd *d = arg;
    struct buf b;
    buf_init(&b, 16);
    wire_put_u64(&b, segment);
    wire_put_u64(&b, end);
    if (d->queue != NULL &&
        !channel_send(d->queue, MSG_SEGMENT_SEAL, buf_slice(&b), -1)) {
        log_text(LOG_WARN, "queue", "the queue takes no messages from smtpd");
    }
    buf_clear(&b);
}

static const struct spool_writer_ops writer_ops = {
    .ask = on_ask, .spooled = on_spooled, .sealed = on_sealed};

/* --- the loop --- */

static void send_traces(struct smtpd *d)
{
    if (d->traces_n > 0 &&
        (d->traces.failed || d->trace == NULL ||
         !channel_send(d->trace, MSG_TRACES, buf_slice(&d->traces), -1))) {
        d->trace_lost +=
            d->traces_n; /* said by the tick: no session waits for its trace */
    }
    d->traces_n = 0;
    buf_reset(&d->traces);
    (void)evtimer_del(d->traces_due);
}

static void on_traces_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    send_traces(arg);
}

/* Records go together: each message would wake the trace role, thousands of times a second. */
void smtpd_trace(struct smtpd *d, struct slice record)
{
    static const struct timeval due = {.tv_usec = SMTPD_TRACE_MS * 1000};
    if (record.len == 0) {
        return;
    }
    if (d->traces.len + 2 + record.len > MSG_PAYLOAD_MAX) {
        send_traces(d);
    }
    wire_put_text(&d->traces, record);
    if (d->traces_n++ == 0) {
        (void)evtimer_add(d->traces_due, &due);
    }
    if (d->draining) {
        send_traces(d); /* the loop may end before it is due */
    }
}

void smtpd_accepting(struct smtpd *d, bool on)
{
    d->accepting = on;
    for (unsigned i = 0; i < d->ctx->listener_n; i++) {
        (void)(on ? event_add(d->listeners[i], NULL) : event_del(d->listeners[i]));
    }
}

static void on_listener(evutil_socket_t fd, short what, void *arg)
{
    struct smtpd *d = arg;
    (void)what;
    for (unsigned i = 0; i < d->ctx->listener_n; i++) {
        if (d->ctx->listener[i].fd == fd) {
            client_accept(d, &d->ctx->listener[i]);
            return;
        }
    }
}

/* What this process has allocated, against limits.memory. It is asked once a second, for it
 * walks the allocator's lists. */
static void look_at_memory(struct smtpd *d)
{
    struct mallinfo2 info = mallinfo2();
    uint64_t used = (uint64_t)info.uordblks + info.hblkhd;
    bool now_short = used > d->ctx->config->limits_memory;
    if (now_short != d->memory_short) {
        log_text(now_short ? LOG_WARN : LOG_INFO, "memory",
                 now_short
                     ? "%llu octets in use, more than limits.memory: new connections "
                       "and messages are refused for now"
                     : "%llu octets in use: all are welcome again",
                 (unsigned long long)used);
    }
    d->memory_short = now_short;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct smtpd *d = arg;
    (void)fd;
    (void)what;
    for (int i = 0; i <= SERVICE_PUSH; i++) {
        d->limits[i].now_s = clock_wall_ms() / 1000;
    }
    client_tick(d);
    mail_rules_tick(d);
    if (d->tick_n++ % (1000 / SMTPD_TICK_MS) == 0) {
        look_at_memory(d);
    }
    if (d->trace_lost > 0) {
        log_text(LOG_WARN, "trace",
                 "%llu records lost: the trace role does not keep pace",
                 (unsigned long long)d->trace_lost);
        d->trace_lost = 0;
    }
    if (d->draining && clock_mono_ms() >= d->drain_until_ms) {
        client_end_all(d);
        role_finish(d->ctx);
    }
}

/* --- the role --- */

/* The counts that all smtpds share. */
static struct rate_table *map_rates(int *fd)
{
    size_t octets = 0;
    struct rate_table *rates = segment_map(*fd, &octets);
    (void)close(*fd);
    *fd = -1;
    return rates;
}

static bool wants_tls(const struct role_ctx *ctx)
{
    for (unsigned i = 0; i < ctx->config->listener_n; i++) {
        if (ctx->config->listener[i].tls != TLS_NONE) {
            return true;
        }
    }
    return false;
}

static void warn_of_certificates(const struct smtpd *d, const struct config *cfg)
{
    char text[TLS_ERROR_MAX];
    for (unsigned i = 0; i < cfg->tls_certificate.n; i++) {
        if (tls_server_ending(d->tls, i, text)) {
            log_text(LOG_WARN, "certificate", "%s: %s", cfg->tls_certificate.item[i],
                     text);
        }
    }
}

static const char *smtpd_open(struct role_ctx *ctx)
{
    static char error[TLS_ERROR_MAX];
    static struct smtpd smtpd;
    const struct config *cfg = ctx->config;
    struct smtpd *d = &smtpd;

    ctx->state = d;
    d->ctx = ctx;
    unsigned processes = role_process_count(cfg, ROLE_smtpd);
    d->client_max = (unsigned)((cfg->limits_sessions + processes - 1) / processes);
    d->wait_ms[WAIT_COMMAND] = cfg->limits_command_time;
    d->wait_ms[WAIT_DATA] = cfg->limits_data_time;
    d->wait_ms[WAIT_ANSWER] = 60000; /* more than two budgets of the DNS */
    d->wait_ms[WAIT_LINGER] = 5000;
    d->wait_ms[WAIT_GREETING] = cfg->limits_greet_delay;
    d->wait_ms[WAIT_DELAY] = cfg->rate_refusal_delay;
    for (int i = 0; i <= SERVICE_PUSH; i++) {
        d->limits[i] = (struct smtp_limits){
            .message_size = cfg->limits_message_size,
            .recipients = cfg->limits_recipients,
            .unknown_commands = cfg->limits_unknown_commands,
            .syntax_errors = cfg->limits_syntax_errors,
            .errors_in_a_row = cfg->limits_errors_in_a_row,
            .unauthenticated_commands = cfg->limits_unauthenticated_commands,
            .by_least_s = SMTPD_BY_LEAST_S,
            .hold_most_s = cfg->limits_hold_time / 1000,
            .now_s = clock_wall_ms() / 1000,
        };
    }
    d->limits[SERVICE_PUSH].recipients =
        SMTPD_PUSH_RECIPIENTS_MAX; /* the account's counts */
    for (int w = 0; w < WAIT_COUNT; w++) {
        list_init(&d->waits[w]);
    }
    list_init(&d->by_age);
    dir_cache_init(&d->cache, (size_t)cfg->directory_cache_entries);
    map_init(&d->lookups, d->client_max);
    map_init(&d->rules, SMTPD_RULES_MAX);
    map_init(&d->logins, d->client_max);
    map_init(&d->suppress_asks, d->client_max);
    auth_offer_init(d);
    d->inspect = smtpd_inspect_settings(cfg);
    rspamd_init(d);
    milter_begin(d);
    if (!inspect_prepare()) {
        return "out of memory";
    }
    if (!delay_init(d)) {
        return "out of memory";
    }
    map_init(&d->peers, d->client_max);
    map_init(&d->networks, d->client_max);
    buf_init(&d->output, SMTPD_OUTPUT_MAX);
    buf_init(&d->scratch, SMTPD_INPUT_MAX);
    buf_init(&d->traces, MSG_PAYLOAD_MAX);
    d->input = malloc(SMTPD_READ_MAX);
    if (d->input == NULL) {
        return "out of memory";
    }
    d->rates = map_rates(&ctx->rate_fd);
    if (d->rates == NULL) {
        return "the memory of counts cannot be mapped";
    }
    d->crypto = crypto_new(CRYPTO_KEYS_MAX);
    if (d->crypto == NULL) {
        return "out of memory";
    }
    static char resolver_error[RESOLVER_ERROR_MAX];
    d->resolver = resolver_new(ctx->base, cfg, resolver_error);
    if (d->resolver == NULL) {
        return resolver_error;
    }
    if (wants_tls(ctx)) {
        struct tls_options options = {
            .certificate = cfg->tls_certificate.item,
            .key = cfg->tls_key.item,
            .n = cfg->tls_certificate.n,
            .ask_client = cfg->tls_ask_client_certificate,
            .secret = ctx->secret,
            .secret_s = ctx->secret_s,
        };
        d->tls = tls_server_new(&options, error);
        explicit_bzero(ctx->secret, sizeof ctx->secret);
        if (d->tls == NULL) {
            return error;
        }
        warn_of_certificates(d, cfg);
    }
    return NULL;
}

static void smtpd_start(struct role_ctx *ctx)
{
    struct smtpd *d = ctx->state;
    struct timeval every = {.tv_usec = SMTPD_TICK_MS * 1000};

    d->writer = spool_writer_new(ctx->base, SMTPD_MEMORY_MAX, &writer_ops, d);
    d->tick = event_new(ctx->base, -1, EV_PERSIST, on_tick, d);
    d->traces_due = evtimer_new(ctx->base, on_traces_due, d);
    if (d->writer == NULL || d->tick == NULL || d->traces_due == NULL ||
        event_add(d->tick, &every) != 0) {
        fatal("smtpd: out of memory at start");
    }
    for (unsigned i = 0; i < ctx->listener_n; i++) {
        d->listeners[i] = event_new(ctx->base, ctx->listener[i].fd, EV_READ | EV_PERSIST,
                                    on_listener, d);
        if (d->listeners[i] == NULL) {
            fatal("smtpd: out of memory at start");
        }
    }
    if (!spool_writer_start(d->writer)) {
        fatal("smtpd: the commit thread cannot be started");
    }
    smtpd_accepting(d, true);
}

static void smtpd_peer(struct role_ctx *ctx, struct channel *ch)
{
    struct smtpd *d = ctx->state;
    switch (channel_peer(ch)) {
    case ROLE_directory:
        d->directory = ch;
        dir_cache_clear(&d->cache); /* it may have changed while nobody told us */
        dir_cache_init(&d->cache, (size_t)ctx->config->directory_cache_entries);
        mail_ask_again(d);
        mail_rules_forget(d);
        break;
    case ROLE_queue:
        d->queue = ch;
        d->queue_state = SPOOL_READY;
        spool_writer_reconnected(d->writer);
        suppress_ask_again(d);
        break;
    case ROLE_trace:
        d->trace = ch;
        break;
    case ROLE_supervisor:
    case ROLE_smtpd:
    case ROLE_delivery:
    case ROLE_COUNT:
        break;
    }
}

static void smtpd_peer_gone(struct role_ctx *ctx, struct channel *ch)
{
    struct smtpd *d = ctx->state;
    d->directory = d->directory == ch ? NULL : d->directory;
    if (channel_peer(ch) == ROLE_directory) {
        auth_directory_gone(d);
    }
    d->queue = d->queue == ch ? NULL : d->queue;
    d->trace = d->trace == ch ? NULL : d->trace;
}

static bool on_segment(struct smtpd *d, const struct msg *m)
{
    struct wire_reader r = wire_reader_of(m->payload);
    uint64_t cookie = wire_u64(&r);
    uint64_t segment = wire_u64(&r);
    uint64_t capacity = wire_u64(&r);
    if (wire_done(&r)) {
        spool_writer_give(d->writer, cookie, segment, capacity, m->fd);
    }
    return wire_done(&r);
}

static bool on_no_segment(struct smtpd *d, const struct msg *m)
{
    struct wire_reader r = wire_reader_of(m->payload);
    uint64_t cookie = wire_u64(&r);
    uint8_t why = wire_u8(&r);
    if (!wire_done(&r) || why > SPOOL_NO_QUEUE) {
        return false;
    }
    spool_writer_refuse(d->writer, cookie, (enum spool_state)why);
    return true;
}

static bool on_spool_state(struct smtpd *d, const struct msg *m)
{
    struct wire_reader r = wire_reader_of(m->payload);
    uint8_t state = wire_u8(&r);
    if (!wire_done(&r) || state > SPOOL_NO_QUEUE) {
        return false;
    }
    d->queue_state = (enum spool_state)state;
    return true;
}

static bool smtpd_message(struct role_ctx *ctx, struct channel *ch, const struct msg *m)
{
    struct smtpd *d = ctx->state;
    /* proc/msg.h let nothing else through */
    if (m->type == MSG_DIR_AUTH_IS) {
        return auth_answer(d, m->payload);
    }
    if (m->type == MSG_DIR_RCPT_IS) {
        return mail_answer(d, ch, m->payload);
    }
    if (m->type == MSG_DIR_MAIL_IS) {
        return mail_facts_answer(d, m->payload);
    }
    if (m->type == MSG_DIR_CHANGED) {
        dir_cache_clear(&d->cache);
        dir_cache_init(&d->cache, (size_t)ctx->config->directory_cache_entries);
        mail_rules_forget(d);
        return true;
    }
    if (m->type == MSG_RETURN_IS) {
        return return_answer(d, m->payload);
    }
    if (m->type == MSG_SUPPRESS_IS) {
        return suppress_answer(d, m->payload);
    }
    if (m->type == MSG_DIR_RULES_IS) {
        return mail_rules_answer(d, m->payload);
    }
    if (m->type == MSG_SEGMENT_GIVE) {
        return on_segment(d, m);
    }
    if (m->type == MSG_SEGMENT_NONE) {
        return on_no_segment(d, m);
    }
    if (m->type == MSG_FILTER_GIVE || m->type == MSG_FILTER_NONE) {
        return milter_connected(d, m);
    }
    return m->type == MSG_SPOOL_STATE && on_spool_state(d, m);
}

/* A successor has descriptors of its own; where none comes nobody shall wait to be accepted. */
static void stop_listening(struct smtpd *d)
{
    smtpd_accepting(d, false);
    for (unsigned i = 0; i < d->ctx->listener_n; i++) {
        (void)close(d->ctx->listener[i].fd);
    }
}

static void smtpd_drain(struct role_ctx *ctx, uint32_t ms)
{
    struct smtpd *d = ctx->state;
    bool again = d->draining; /* a shorter time than a reload gave */
    d->draining = true;
    d->drain_until_ms =
        clock_mono_ms() + (ms > 2 * DRAIN_SPARE_MS ? ms - DRAIN_SPARE_MS : ms / 2);
    if (!again) {
        stop_listening(d);
        send_traces(d);
    }
    client_drain(d);
    if (d->client_n == 0) {
        role_finish(ctx);
    }
}

const struct role_ops smtpd_ops = {
    .role = ROLE_smtpd,
    .peers = "directory queue trace",
    .open = smtpd_open,
    .start = smtpd_start,
    .peer = smtpd_peer,
    .message = smtpd_message,
    .peer_gone = smtpd_peer_gone,
    .drain = smtpd_drain,
};
