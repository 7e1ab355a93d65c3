/* queue/query.c - see query.h */
#include "queue/query.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_OK = 0, STATUS_NO = 1 };

enum verb {
    VERB_LIST = 0,
    VERB_SHOW,
    VERB_STATS,
    VERB_RETRY,
    VERB_HOLD,
    VERB_RELEASE,
    VERB_REMOVE,
    VERB_COUNT
};

static const struct {
    const char *name;
    bool changes;
    enum queue_command command; /* of those that change */
    bool wants_what;            /* ids, "all" or a filter must be there */
} verbs[VERB_COUNT] = {
    [VERB_LIST] = {"list", false, 0, false},
    [VERB_SHOW] = {"show", false, 0, true},
    [VERB_STATS] = {"stats", false, 0, false},
    [VERB_RETRY] = {"retry", true, QUEUE_DO_RETRY, true},
    [VERB_HOLD] = {"hold", true, QUEUE_DO_HOLD, true},
    [VERB_RELEASE] = {"release", true, QUEUE_DO_RELEASE, true},
    [VERB_REMOVE] = {"remove", true, QUEUE_DO_REMOVE, true},
};

struct queue_query {
    struct queue_index *ix;
    struct queue_cursor cursor; /* without ids: over all */
    enum verb verb;
    struct message_id *id; /* with ids */
    size_t id_n, id_at;
    bool walking, yes;
    struct queue_which which; /* its domain: in `domain` */
    uint64_t older_ms;
    unsigned char domain[QUEUE_TEXT_MAX], sender[QUEUE_TEXT_MAX];
    size_t sender_len;
    bool has_sender;
    /* so far */
    struct queue_did did;
    uint64_t messages, unknown;
    char first_unknown[ID_TEXT_MAX];
    /* show: the message whose targets are being told */
    struct message_id showing;
    uint32_t show_at;
    bool show_open;
};

/* --- the request --- */

static bool read_text(const json_t *value, unsigned char *out, size_t max, size_t *len)
{
    size_t n = json_string_length(value);
    if (!json_is_string(value) || n > max) {
        return false;
    }
    memcpy(out, json_string_value(value), n);
    *len = n;
    return true;
}

static const char *read_ids(struct queue_query *q, const json_t *ids)
{
    size_t n = json_array_size(ids);
    if (!json_is_array(ids) || n == 0 || n > QUEUE_QUERY_IDS_MAX) {
        return "\"id\" must be a list of 1 to 10000 message ids";
    }
    q->id = calloc(n, sizeof *q->id);
    if (q->id == NULL) {
        return "no memory";
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(ids, i);
        struct slice text = {(const unsigned char *)json_string_value(one),
                             json_string_length(one)};
        if (!json_is_string(one) || !id_parse(text, &q->id[i]) || q->id[i].n == 0) {
            return "a message id looks like k3v9x2mq7tza.1; `postern queue list` shows "
                   "them";
        }
    }
    q->id_n = n;
    return NULL;
}

static bool read_state(struct queue_query *q, const char *name)
{
    for (unsigned i = 0; name != NULL && i < QUEUE_STATE_COUNT; i++) {
        if (i != QUEUE_done && strcmp(name, queue_state_name((enum queue_state)i)) == 0) {
            q->which.state = (enum queue_state)i;
            q->which.by_state = true;
            return true;
        }
    }
    return false;
}

static const char *read_filters(struct queue_query *q, const json_t *request)
{
    const json_t *domain = json_object_get(request, "domain");
    const json_t *sender = json_object_get(request, "sender");
    const json_t *state = json_object_get(request, "state");
    const json_t *older = json_object_get(request, "older_ms");
    size_t domain_len = 0;
    if (domain != NULL && (!read_text(domain, q->domain, sizeof q->domain, &domain_len) ||
                           domain_len == 0)) {
        return "\"domain\" must be a domain name";
    }
    q->which.domain = (struct slice){q->domain, domain_len};
    if (sender != NULL &&
        !read_text(sender, q->sender, sizeof q->sender, &q->sender_len)) {
        return "\"sender\" must be an address (empty: bounces)";
    }
    q->has_sender = sender != NULL;
    if (state != NULL && !read_state(q, json_string_value(state))) {
        return "a state is one of pending, running, held";
    }
    if (older != NULL && (!json_is_integer(older) || json_integer_value(older) < 0)) {
        return "\"older_ms\" must be a number of milliseconds";
    }
    q->older_ms = (uint64_t)json_integer_value(older);
    return NULL;
}

static bool has_filter(const struct queue_query *q)
{
    return q->which.domain.len > 0 || q->has_sender || q->which.by_state ||
           q->older_ms > 0;
}

static const char *read_request(struct queue_query *q, const json_t *request)
{
    const char *verb = json_string_value(json_object_get(request, "do"));
    const json_t *ids = json_object_get(request, "id");
    unsigned i = 0;
    while (verb != NULL && i < VERB_COUNT && strcmp(verb, verbs[i].name) != 0) {
        i++;
    }
    if (verb == NULL || i == VERB_COUNT) {
        return "\"do\" must be one of list, show, stats, retry, hold, release, remove";
    }
    q->verb = (enum verb)i;
    q->yes = json_is_true(json_object_get(request, "yes"));
    const char *wrong = read_filters(q, request);
    if (wrong == NULL && ids != NULL) {
        wrong = read_ids(q, ids);
    }
    bool all = json_is_true(json_object_get(request, "all"));
    if (wrong != NULL) {
        return wrong;
    }
    if (q->verb == VERB_SHOW && q->id_n == 0) {
        return "show wants a message id; `postern queue list` shows them";
    }
    if (verbs[i].wants_what && q->id_n == 0 && !all && !has_filter(q)) {
        return "say which messages: ids, --all, --domain, --sender, --state or --older";
    }
    if (q->verb == VERB_REMOVE && q->id_n != 1 && !q->yes) {
        return "this may remove more than one message: add --yes";
    }
    return NULL;
}

struct queue_query *queue_query_new(struct queue_index *ix, const json_t *request,
                                    const char **wrong)
{
    struct queue_query *q = calloc(1, sizeof *q);
    if (q == NULL) {
        *wrong = "no memory";
        return NULL;
    }
    q->ix = ix;
    *wrong = read_request(q, request);
    if (*wrong != NULL) {
        queue_query_free(&q);
        return NULL;
    }
    if (q->id_n == 0) {
        queue_cursor_open(ix, &q->cursor);
        q->walking = true;
    }
    return q;
}

void queue_query_free(struct queue_query **pq)
{
    struct queue_query *q = *pq;
    *pq = NULL;
    if (q == NULL) {
        return;
    }
    if (q->walking) {
        queue_cursor_close(&q->cursor);
    }
    free(q->id);
    free(q);
}

bool queue_query_changes(const struct queue_query *q)
{
    return verbs[q->verb].changes;
}

/* --- lines of the answer --- */

/* JSON wants UTF-8; addresses and replies may be anything. */
static json_t *json_octets(struct slice s)
{
    json_t *text = json_stringn(s.ptr == NULL ? "" : (const char *)s.ptr, s.len);
    if (text == NULL) {
        struct buf b;
        buf_init(&b, 4 * QUEUE_TEXT_MAX);
        (void)buf_add_escaped(&b, s);
        text = json_stringn(b.len == 0 ? "" : (const char *)b.ptr, b.len);
        buf_clear(&b);
    }
    return text;
}

static json_t *json_u64(uint64_t v)
{
    return json_integer(v > INT64_MAX ? INT64_MAX : (json_int_t)v);
}

static json_t *json_id(struct message_id id)
{
    char text[ID_TEXT_MAX];
    (void)id_text(id, text);
    return json_string(text);
}

/* What is open of a message, and what a reader of a list wants to know of it. */
struct summary {
    uint64_t n[QUEUE_STATE_COUNT];
    uint64_t next_ms; /* of the pending; UINT64_MAX: none */
    struct slice reply;
    json_t *to;
};

static struct summary summarize(const struct queue_message *m)
{
    struct summary s = {.next_ms = UINT64_MAX, .to = json_array()};
    for (uint16_t i = 0; i < m->target_n; i++) {
        const struct queue_target *t = &m->target[i];
        s.n[t->state]++;
        if (t->state == QUEUE_done) {
            continue;
        }
        if (t->state == QUEUE_pending && queue_next_ms(m, i) < s.next_ms) {
            s.next_ms = queue_next_ms(m, i);
        }
        if (json_array_size(s.to) < QUEUE_SHOWN_MAX) {
            (void)json_array_append_new(s.to, json_octets(queue_given(m, i)));
        }
        if (s.reply.len == 0) {
            s.reply = queue_reply(m, i);
        }
    }
    return s;
}

static void add_pause(const struct pause *p, json_t *line)
{
    if (p != NULL && line != NULL) {
        struct buf b;
        buf_init(&b, (size_t)4 * (PAUSE_NAME_MAX + PAUSE_REASON_MAX) + 20);
        pause_text(p, &b);
        (void)json_object_set_new(line, "paused", json_octets(buf_slice(&b)));
        buf_clear(&b);
    }
}

static json_t *message_line(const struct queue_index *ix, const struct queue_message *m)
{
    struct summary s = summarize(m);
    const struct pause *paused = NULL;
    for (uint16_t i = 0; i < m->target_n && paused == NULL; i++) {
        paused = queue_paused(ix, m, i);
    }
    json_t *line = json_pack(
        "{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "id", json_id(m->id), "arrival_ms",
        json_u64(m->arrival_ms), "size", json_u64(queue_octets(m)), "sender",
        json_octets(queue_sender(m)), "pending", json_u64(s.n[QUEUE_pending]), "running",
        json_u64(s.n[QUEUE_running]), "held", json_u64(s.n[QUEUE_held]), "done",
        json_u64(s.n[QUEUE_done]), "to", s.to, "reply", json_octets(s.reply));
    if (line != NULL && s.next_ms != UINT64_MAX) {
        (void)json_object_set_new(line, "next_ms", json_u64(s.next_ms));
    }
    add_pause(paused, line);
    return line;
}

static json_t *target_line(const struct queue_index *ix, const struct queue_message *m,
                           uint16_t i)
{
    const struct queue_target *t = &m->target[i];
    json_t *line = json_pack("{s:o,s:i,s:o,s:o,s:s,s:i,s:o}", "id", json_id(m->id),
                             "number", (int)i, "given", json_octets(queue_given(m, i)),
                             "target", json_octets(queue_address(m, i)), "state",
                             queue_state_name((enum queue_state)t->state), "attempts",
                             (int)t->attempts, "reply", json_octets(queue_reply(m, i)));
    if (line != NULL && t->state == QUEUE_pending) {
        (void)json_object_set_new(line, "next_ms", json_u64(queue_next_ms(m, i)));
    }
    add_pause(queue_paused(ix, m, i), line);
    return line;
}

static void stats_lines(struct queue_query *q, uint64_t now_ms,
                        const struct queue_query_out *out)
{
    struct queue_stats s = {0};
    const struct queue_domain *top[QUEUE_TOP];
    queue_stats(q->ix, now_ms, &s);
    json_t *line = json_pack(
        "{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "messages", json_u64(s.messages), "octets",
        json_u64(s.octets), "pending", json_u64(s.target_n[QUEUE_pending]), "due",
        json_u64(s.due_n), "running", json_u64(s.target_n[QUEUE_running]), "held",
        json_u64(s.target_n[QUEUE_held]), "jobs", json_u64(s.jobs), "domains",
        json_u64(s.domains));
    if (line != NULL && s.oldest_ms != UINT64_MAX) {
        (void)json_object_set_new(line, "oldest_ms", json_u64(s.oldest_ms));
    }
    out->line(out->arg, line);
    size_t n = queue_top_domains(q->ix, top, QUEUE_TOP);
    for (size_t i = 0; i < n; i++) {
        struct slice name = {top[i]->name, top[i]->name_len};
        out->line(out->arg,
                  json_pack("{s:o,s:o,s:o,s:o}", "domain", json_octets(name), "pending",
                            json_u64(top[i]->target_n[QUEUE_pending]), "running",
                            json_u64(top[i]->target_n[QUEUE_running]), "held",
                            json_u64(top[i]->target_n[QUEUE_held])));
    }
}

/* --- which messages --- */

static bool matches(const struct queue_query *q, const struct queue_message *m,
                    uint64_t now_ms)
{
    struct slice sender = {q->sender, q->sender_len};
    if ((q->has_sender && !slice_ieq(sender, queue_sender(m))) ||
        (q->older_ms > 0 && m->arrival_ms + q->older_ms > now_ms)) {
        return false;
    }
    for (uint16_t i = 0; i < m->target_n; i++) {
        if (queue_is(m, i, &q->which)) {
            return true;
        }
    }
    return false;
}

static void unknown(struct queue_query *q, struct message_id id)
{
    if (q->unknown++ == 0) {
        (void)id_text(id, q->first_unknown);
    }
}

/* The next message asked for; NULL with *end false: not this one. */
static struct queue_message *next_message(struct queue_query *q, uint64_t now_ms,
                                          bool *end)
{
    struct queue_message *m = NULL;
    *end = false;
    if (q->walking) {
        m = queue_cursor_next(q->ix, &q->cursor);
        *end = m == NULL;
    } else if (q->id_at == q->id_n) {
        *end = true;
    } else {
        struct message_id id = q->id[q->id_at++];
        m = queue_find(q->ix, id);
        if (m == NULL) {
            unknown(q, id);
        }
    }
    return m != NULL && matches(q, m, now_ms) ? m : NULL;
}

/* Targets of the message that is being shown, as long as there is room. */
static void show_targets(struct queue_query *q, const struct queue_query_out *out)
{
    const struct queue_message *m = queue_find(q->ix, q->showing);
    while (m != NULL && q->show_at < m->target_n && out->room(out->arg)) {
        out->line(out->arg, target_line(q->ix, m, (uint16_t)q->show_at++));
    }
    q->show_open = m != NULL && q->show_at < m->target_n;
}

static void one_message(struct queue_query *q, struct queue_message *m, uint64_t now_ms,
                        const struct queue_query_out *out)
{
    q->messages++;
    if (verbs[q->verb].changes) {
        queue_do(q->ix, m, verbs[q->verb].command, &q->which, now_ms, &q->did);
        return;
    }
    out->line(out->arg, message_line(q->ix, m));
    if (q->verb == VERB_SHOW) {
        q->showing = m->id;
        q->show_at = 0;
        show_targets(q, out);
    }
}

static void finish(const struct queue_query *q, const struct queue_query_out *out,
                   int *status, char complaint[QUEUE_COMPLAINT_MAX])
{
    *status = STATUS_OK;
    complaint[0] = '\0';
    if (verbs[q->verb].changes) {
        out->line(out->arg,
                  json_pack("{s:o,s:o,s:o,s:o}", "messages", json_u64(q->messages),
                            "changed", json_u64(q->did.changed), "running",
                            json_u64(q->did.running), "held", json_u64(q->did.held)));
    }
    if (q->unknown > 0) {
        *status = STATUS_NO;
        (void)snprintf(complaint, QUEUE_COMPLAINT_MAX,
                       "%s is not in the queue: delivered or removed, or never there; "
                       "`postern why %s` tells",
                       q->first_unknown, q->first_unknown);
    } else if (q->messages == 0 && q->verb != VERB_LIST && q->verb != VERB_STATS) {
        *status = STATUS_NO;
        (void)snprintf(complaint, QUEUE_COMPLAINT_MAX, "no message in the queue matches");
    }
}

bool queue_query_step(struct queue_query *q, uint64_t now_ms,
                      const struct queue_query_out *out, int *status,
                      char complaint[QUEUE_COMPLAINT_MAX])
{
    bool end = q->verb == VERB_STATS;
    if (end) {
        stats_lines(q, now_ms, out);
    }
    if (q->show_open) {
        show_targets(q, out);
    }
    for (int i = 0; !end && !q->show_open && i < QUEUE_QUERY_STEP && out->room(out->arg);
         i++) {
        struct queue_message *m = next_message(q, now_ms, &end);
        if (m != NULL) {
            one_message(q, m, now_ms, out);
        }
    }
    if (end) {
        finish(q, out, status, complaint);
    }
    return !end;
}
