/* queue/suppress_query.c - see suppress_query.h */
#include "queue/suppress_query.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_OK = 0, STATUS_NO = 1, STATUS_SYSTEM = 4 };

enum verb { LIST = 0, PUT, REMOVE, VERB_COUNT };
static const char *const verbs[VERB_COUNT] = {"list", "put", "remove"};

struct suppress_query {
    struct suppress *s;
    json_t *request;
    const json_t *items; /* addresses or rows; NULL: list walks */
    size_t at;
    enum verb verb;
    struct suppress_place place;
    struct slice domain, account;
    bool by_account, expired;
    uint64_t listed, put, bad, removed, missing;
    const struct queue_query_out *out; /* of the step that runs */
    uint64_t now_ms;
};

static struct slice text_of(const json_t *value)
{
    return (struct slice){(const unsigned char *)json_string_value(value),
                          json_string_length(value)};
}

/* --- the request --- */

static const char *read_items(struct suppress_query *q)
{
    q->items = json_object_get(q->request, q->verb == PUT ? "rows" : "address");
    if (q->items == NULL && q->verb == LIST) {
        return NULL;
    }
    size_t n = json_array_size(q->items);
    if (!json_is_array(q->items) || n == 0 || n > SUPPRESS_ROWS_MAX) {
        return "wants a list of 1 to 10000 addresses";
    }
    for (size_t i = 0; i < n && q->verb != PUT; i++) {
        if (!suppress_address_ok(text_of(json_array_get(q->items, i)))) {
            return "an address looks like somebody@example.org";
        }
    }
    return NULL;
}

static const char *read_request(struct suppress_query *q)
{
    struct slice verb = text_of(json_object_get(q->request, "suppress"));
    const json_t *account = json_object_get(q->request, "account");
    while (q->verb < VERB_COUNT && !slice_eq(verb, slice_of(verbs[q->verb]))) {
        q->verb++;
    }
    if (q->verb == VERB_COUNT) {
        return "no such request; ask list, put or remove";
    }
    q->by_account = account != NULL;
    q->account = text_of(account);
    q->domain = text_of(json_object_get(q->request, "domain"));
    q->expired = json_is_true(json_object_get(q->request, "expired"));
    if (q->account.len > SUPPRESS_ADDRESS_MAX) {
        return "the account's name is too long";
    }
    return read_items(q);
}

struct suppress_query *suppress_query_new(struct suppress *s, json_t *request,
                                          const char **wrong)
{
    struct suppress_query *q = calloc(1, sizeof *q);
    if (q == NULL) {
        *wrong = "no memory";
        return NULL;
    }
    q->s = s;
    q->request = json_incref(request);
    *wrong = read_request(q);
    if (*wrong != NULL) {
        suppress_query_free(&q);
    }
    return q;
}

void suppress_query_free(struct suppress_query **q)
{
    if (*q != NULL) {
        json_decref((*q)->request);
        free(*q);
        *q = NULL;
    }
}

/* --- list --- */

static json_t *octets(struct slice s)
{
    json_t *text = json_stringn(s.ptr == NULL ? "" : (const char *)s.ptr, s.len);
    if (text == NULL) { /* no UTF-8 */
        struct buf b;
        buf_init(&b, 8 * SUPPRESS_ADDRESS_MAX);
        (void)buf_add_escaped(&b, s);
        text = json_stringn((const char *)b.ptr, b.len);
        buf_clear(&b);
    }
    return text;
}

static void show(void *arg, const struct suppress_entry *e)
{
    struct suppress_query *q = arg;
    bool active = e->until_ms == 0 || e->until_ms > q->now_ms;
    if ((q->by_account && !slice_ieq(e->account, q->account)) ||
        (!active && !q->expired)) {
        return;
    }
    struct buf b;
    buf_init(&b, 4 * SUPPRESS_ADDRESS_MAX);
    (void)buf_add(&b, e->local);
    (void)buf_add_byte(&b, '@');
    (void)buf_add(&b, e->domain);
    json_t *line = json_pack(
        "{s:o,s:o,s:s,s:o,s:I,s:I,s:I,s:I,s:b}", "address", octets(buf_slice(&b)),
        "account", octets(e->account), "reason", suppress_reason_name(e->reason),
        "evidence", octets(e->evidence), "times", (json_int_t)e->times, "first_ms",
        (json_int_t)e->first_ms, "last_ms", (json_int_t)e->last_ms, "until_ms",
        (json_int_t)e->until_ms, "active", active);
    buf_clear(&b);
    q->listed++;
    if (line != NULL) {
        q->out->line(q->out->arg, line);
    }
}

static bool list_some(struct suppress_query *q, bool *more)
{
    unsigned seen = 0;
    if (q->items == NULL) {
        bool ok = suppress_page(q->s, &q->place, q->domain, SUPPRESS_QUERY_STEP, &seen,
                                show, q);
        *more = seen == SUPPRESS_QUERY_STEP;
        return ok;
    }
    bool ok = true;
    while (ok && q->at < json_array_size(q->items) && seen++ < SUPPRESS_QUERY_STEP) {
        ok = suppress_of(q->s, text_of(json_array_get(q->items, q->at++)), show, q);
    }
    *more = q->at < json_array_size(q->items);
    return ok;
}

/* --- changes --- */

/* Stays as it was where the row has no such number. */
static void read_number(const json_t *row, const char *name, uint64_t *out)
{
    json_int_t v = json_integer_value(json_object_get(row, name));
    *out = v > 0 ? (uint64_t)v : *out;
}

static bool read_row(const json_t *row, uint64_t now_ms, struct suppress_entry *e)
{
    const json_t *reason = json_object_get(row, "reason");
    uint64_t times = 1;
    *e = (struct suppress_entry){.account = text_of(json_object_get(row, "account")),
                                 .reason = SUPPRESS_hand,
                                 .first_ms = now_ms,
                                 .last_ms = now_ms,
                                 .evidence = text_of(json_object_get(row, "evidence"))};
    read_number(row, "times", &times);
    read_number(row, "first_ms", &e->first_ms);
    read_number(row, "last_ms", &e->last_ms);
    read_number(row, "until_ms", &e->until_ms);
    e->times = times > UINT32_MAX ? UINT32_MAX : (uint32_t)times;
    return suppress_address_ok(text_of(json_object_get(row, "address"))) &&
           e->account.len <= SUPPRESS_ADDRESS_MAX &&
           (reason == NULL || suppress_reason_read(text_of(reason), &e->reason));
}

static bool put_one(struct suppress_query *q, const json_t *row)
{
    struct suppress_entry e;
    if (!read_row(row, q->now_ms, &e)) {
        q->bad++;
        json_t *line = json_pack("{s:I}", "bad", (json_int_t)q->at);
        if (line != NULL) {
            q->out->line(q->out->arg, line);
        }
        return true;
    }
    q->put++;
    return suppress_put(q->s, text_of(json_object_get(row, "address")), &e);
}

static bool remove_one(struct suppress_query *q, const json_t *address)
{
    uint64_t n = 0;
    bool ok =
        suppress_remove(q->s, q->by_account ? &q->account : NULL, text_of(address), &n);
    q->removed += n;
    q->missing += n == 0;
    return ok;
}

static bool change_some(struct suppress_query *q, bool *more)
{
    bool ok = suppress_begin(q->s);
    for (unsigned i = 0; ok && i < SUPPRESS_QUERY_STEP; i++, q->at++) {
        const json_t *item = json_array_get(q->items, q->at);
        if (item == NULL) {
            break;
        }
        ok = q->verb == PUT ? put_one(q, item) : remove_one(q, item);
    }
    *more = q->at < json_array_size(q->items);
    return suppress_commit(q->s) && ok;
}

/* --- steps --- */

static void end(struct suppress_query *q, int *status,
                char complaint[QUEUE_COMPLAINT_MAX])
{
    if (q->verb == LIST) {
        *status = q->items != NULL && q->listed == 0 ? STATUS_NO : STATUS_OK;
        return;
    }
    json_t *line = q->verb == PUT ? json_pack("{s:I,s:I}", "put", (json_int_t)q->put,
                                              "not_put", (json_int_t)q->bad)
                                  : json_pack("{s:I}", "removed", (json_int_t)q->removed);
    if (line != NULL) {
        q->out->line(q->out->arg, line);
    }
    *status = q->bad + q->missing > 0 ? STATUS_NO : STATUS_OK;
    if (q->missing > 0) {
        (void)snprintf(complaint, QUEUE_COMPLAINT_MAX,
                       "%llu of the addresses: not on the list",
                       (unsigned long long)q->missing);
    }
}

bool suppress_query_step(struct suppress_query *q, uint64_t now_ms,
                         const struct queue_query_out *out, int *status,
                         char complaint[QUEUE_COMPLAINT_MAX])
{
    bool more = false;
    *status = STATUS_OK;
    complaint[0] = '\0';
    q->out = out;
    q->now_ms = now_ms;
    if (!(q->verb == LIST ? list_some(q, &more) : change_some(q, &more))) {
        *status = STATUS_SYSTEM;
        (void)snprintf(complaint, QUEUE_COMPLAINT_MAX,
                       "the suppression list fails; see the server's log");
        return false;
    }
    if (!more) {
        end(q, status, complaint);
    }
    return more;
}
