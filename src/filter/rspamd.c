/* filter/rspamd.c - see rspamd.h */
#include "filter/rspamd.h"

#include "filter/field.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the request --- */

void rspamd_begin(struct buf *out, struct slice host)
{
    (void)buf_add_str(out, "POST /checkv2 HTTP/1.1\r\nHost: ");
    (void)buf_add(out, host);
    (void)buf_add_str(out, "\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n");
}

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < ' ' || s.ptr[i] == 127) {
            return true;
        }
    }
    return false;
}

void rspamd_field(struct buf *out, const char *name, struct slice value)
{
    if (value.len == 0 || has_control(value)) {
        return;
    }
    (void)buf_add_fmt(out, "%s: ", name);
    (void)buf_add(out, value);
    (void)buf_add_str(out, "\r\n");
}

void rspamd_head_end(struct buf *out)
{
    (void)buf_add_str(out, "\r\n");
}

struct slice rspamd_chunk_head(size_t len, char out[RSPAMD_CHUNK_HEAD_MAX])
{
    int n = snprintf(out, RSPAMD_CHUNK_HEAD_MAX, "%zx\r\n", len);
    return (struct slice){(const unsigned char *)out, n < 0 ? 0 : (size_t)n};
}

/* --- the verdict --- */

void rspamd_verdict_init(struct rspamd_verdict *v)
{
    *v = (struct rspamd_verdict){0};
    buf_init(&v->subject, RSPAMD_FIELDS_MAX);
    buf_init(&v->add, RSPAMD_FIELDS_MAX);
    buf_init(&v->drop, RSPAMD_FIELDS_MAX);
}

void rspamd_verdict_clear(struct rspamd_verdict *v)
{
    buf_clear(&v->subject);
    buf_clear(&v->add);
    buf_clear(&v->drop);
}

static const struct {
    const char *word;
    enum rspamd_action action;
} actions[] = {
    {"no action", RSPAMD_NO_ACTION},     {"greylist", RSPAMD_GREYLIST},
    {"add header", RSPAMD_ADD_HEADER},   {"rewrite subject", RSPAMD_REWRITE_SUBJECT},
    {"soft reject", RSPAMD_SOFT_REJECT}, {"reject", RSPAMD_REJECT},
    {"discard", RSPAMD_REJECT},          {"quarantine", RSPAMD_ADD_HEADER},
};

const char *rspamd_action_name(enum rspamd_action action)
{
    return actions[action].word; /* the first six stand in their order */
}

static bool take_action(const json_t *word, enum rspamd_action *out)
{
    const char *text = json_string_value(word);
    for (size_t i = 0; text != NULL && i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].word, text) == 0) {
            *out = actions[i].action;
            return true;
        }
    }
    return false;
}

/* Printable ASCII of a string; the rest as '?'. Octets written. */
static size_t copy_text(const json_t *from, char *out, size_t cap)
{
    const char *text = json_string_value(from);
    size_t n = 0;
    for (; text != NULL && text[n] != '\0' && n < cap; n++) {
        out[n] = text[n] >= ' ' && text[n] <= '~' ? text[n] : '?';
    }
    return n;
}

struct symbol {
    const char *name;
    double score;
};
enum { SYMBOLS_SORTED = 1000 };

static int heavier(const void *a, const void *b)
{
    const struct symbol *x = a;
    const struct symbol *y = b;
    double wx = fabs(x->score);
    double wy = fabs(y->score);
    return wx != wy ? (wx < wy ? 1 : -1) : strcmp(x->name, y->name);
}

static void add_symbol(struct rspamd_verdict *v, const struct symbol *s)
{
    char text[RSPAMD_TEXT_MAX];
    int n = snprintf(text, sizeof text, "%s%.100s(%.2f)", v->symbols_len > 0 ? " " : "",
                     s->name, s->score);
    if (n <= 0 || (size_t)n >= sizeof text ||
        (size_t)n > sizeof v->symbols - v->symbols_len) {
        return;
    }
    for (int i = 0; i < n; i++) {
        bool plain = text[i] >= ' ' && text[i] <= '~';
        v->symbols[v->symbols_len++] = plain ? text[i] : '?';
    }
}

static void take_symbols(json_t *symbols, struct rspamd_verdict *v)
{
    struct symbol *list = calloc(SYMBOLS_SORTED, sizeof *list);
    const char *name;
    json_t *value;
    size_t n = 0;
    if (list == NULL) {
        return; /* evidence only */
    }
    json_object_foreach(symbols, name, value)
    {
        if (n < SYMBOLS_SORTED) {
            double score = json_number_value(json_object_get(value, "score"));
            list[n++] = (struct symbol){name, score};
        }
    }
    qsort(list, n, sizeof *list, heavier);
    for (size_t i = 0; i < n; i++) {
        add_symbol(v, &list[i]);
    }
    free(list);
}

static void add_field(struct buf *out, const char *name, const char *value)
{
    (void)filter_field(out, slice_of(name), slice_of(value), true);
}

/* "X-Name": "value", or {"value": ...}, or a list of those. */
static void take_added(const char *name, const json_t *value, struct buf *out)
{
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;
        const json_t *text = json_is_object(one) ? json_object_get(one, "value") : one;
        if (json_is_string(text)) {
            add_field(out, name, json_string_value(text));
        }
    }
}

static void take_milter(json_t *milter, struct rspamd_verdict *v)
{
    const char *name;
    json_t *value;
    json_object_foreach(json_object_get(milter, "remove_headers"), name, value)
    {
        if (filter_is_name(slice_of(name)) && v->drop.len + strlen(name) < v->drop.max) {
            (void)buf_add_fmt(&v->drop, "%s\n", name);
        }
    }
    json_object_foreach(json_object_get(milter, "add_headers"), name, value)
    {
        take_added(name, value, &v->add);
    }
}

bool rspamd_read(struct slice text, struct rspamd_verdict *out, const char **why)
{
    json_t *root = json_loadb((const char *)text.ptr, text.len, 0, NULL);
    if (!json_is_object(root) ||
        !take_action(json_object_get(root, "action"), &out->action)) {
        *why = json_is_object(root) ? "its answer names no action that is known"
                                    : "its answer is no object of JSON";
        json_decref(root);
        return false;
    }
    out->score = json_number_value(json_object_get(root, "score"));
    out->required = json_number_value(json_object_get(root, "required_score"));
    json_t *messages = json_object_get(root, "messages");
    out->message_len = copy_text(json_object_get(messages, "smtp_message"), out->message,
                                 sizeof out->message);
    json_t *symbols = json_object_get(root, "symbols");
    take_symbols(symbols, out);
    out->greylisted =
        out->action == RSPAMD_SOFT_REJECT && json_object_get(symbols, "GREYLIST") != NULL;
    const char *subject = json_string_value(json_object_get(root, "subject"));
    if (out->action == RSPAMD_REWRITE_SUBJECT && subject != NULL) {
        add_field(&out->subject, "Subject", subject);
    }
    take_milter(json_object_get(root, "milter"), out);
    const char *dkim = json_string_value(json_object_get(root, "dkim-signature"));
    if (dkim != NULL) {
        add_field(&out->add, "DKIM-Signature", dkim);
    }
    json_decref(root);
    return true;
}
