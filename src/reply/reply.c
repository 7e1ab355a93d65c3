/* reply/reply.c - see reply.h
 *
 * RFC 5321 4.2:
 *   Reply-line = *( Reply-code "-" [ textstring ] CRLF )
 *                   Reply-code [ SP textstring ] CRLF
 * RFC 2034 4: the text of 2yz, 4yz and 5yz replies begins with the status, on every line;
 * the greeting and the replies to HELO and EHLO carry none. */
#include "reply/reply.h"

#include "base/id.h"
#include "base/log.h"
#include "reply/table.h"

#include <string.h>

const struct reply_row *reply_row(enum reply_id id)
{
    return id > REPLY_NONE && id < REPLY_ID_COUNT ? &reply_rows[id] : NULL;
}

enum reply_id reply_by_name(struct slice name)
{
    for (unsigned i = REPLY_NONE + 1; i < REPLY_ID_COUNT; i++) {
        if (slice_eq(slice_of(reply_rows[i].id), name)) {
            return (enum reply_id)i;
        }
    }
    return REPLY_NONE;
}

/* False too where the value is empty: nothing to print is no evidence. */
static bool value_of(const struct fields *evidence, struct slice name,
                     struct slice *value)
{
    return evidence != NULL && fields_get(evidence, name, value) && value->len > 0;
}

static void add_value(struct buf *out, const struct fields *evidence, struct slice name)
{
    struct slice value = {0};
    if (!value_of(evidence, name, &value)) {
        (void)buf_add_str(out, "unknown");
        return;
    }
    size_t start = out->len;
    for (size_t i = 0; i < value.len && !out->failed; i++) {
        size_t before = out->len;
        (void)buf_add_escaped(out, slice_sub(value, i, 1));
        if (out->len - start > REPLY_VALUE_MAX) {
            out->len = before; /* never in the middle of a \xHH */
            (void)buf_add_str(out, "...");
            return;
        }
    }
}

/* The name in the hole that begins at `at`. The generator has seen to the closing brace.
 */
static struct slice hole_name(const char *at)
{
    return (struct slice){(const unsigned char *)at + 1, strcspn(at + 1, "}")};
}

/* Whether all holes of the group that begins at `at` have evidence. */
static bool group_full(const char *at, const struct fields *evidence)
{
    const char *end = at + strcspn(at, "]");
    for (at += strcspn(at, "{]"); at < end; at += strcspn(at, "{]")) {
        struct slice name = hole_name(at), value;
        if (!value_of(evidence, name, &value)) {
            return false;
        }
        at += name.len + 2;
    }
    return true;
}

static void add_text(struct buf *out, const char *at, const struct fields *evidence)
{
    while (*at != '\0') {
        size_t plain = strcspn(at, "{[]");
        (void)buf_add(out, (struct slice){(const unsigned char *)at, plain});
        at += plain;
        if (*at == '{') {
            struct slice name = hole_name(at);
            add_value(out, evidence, name);
            at += name.len + 2;
        } else if (*at == '[' && !group_full(at, evidence)) {
            at += strcspn(at, "]") + 1;
        } else if (*at != '\0') {
            at++;
        }
    }
}

/* Printable ASCII that fits. */
static bool is_line(struct slice s, size_t room)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e) {
            return false;
        }
    }
    return s.len <= room;
}

/* What ends each refusal. */
static void add_marker(struct buf *out, enum reply_id id, const struct fields *evidence,
                       uint64_t session, struct slice url)
{
    char text[ID_TEXT_MAX];
    struct slice session_id = id_text((struct message_id){session, 0}, text);
    if (url.len > 0 && is_line(url, REPLY_URL_MAX)) {
        (void)buf_add_str(out, "; see ");
        (void)buf_add(out, url);
        (void)buf_add(out, session_id);
    }
    struct slice rule;
    (void)buf_add_str(out, " - ");
    if (id == REPLY_policy_custom_rule || value_of(evidence, SLICE("rule"), &rule)) {
        (void)buf_add_str(out, "rule ");
        add_value(out, evidence, SLICE("rule"));
        (void)buf_add_byte(out, ' ');
    }
    (void)buf_add(out, session_id);
    (void)buf_add_str(out, " postern");
}

static void add_prefix(struct buf *out, const struct reply_row *row,
                       enum reply_profile profile, bool last)
{
    unsigned code = row->code[profile];
    unsigned char head[] = {(unsigned char)('0' + code / 100),
                            (unsigned char)('0' + code / 10 % 10),
                            (unsigned char)('0' + code % 10), last ? ' ' : '-'};
    (void)buf_add(out, (struct slice){head, sizeof head});
    if (row->status[profile][0] != '\0') {
        (void)buf_add_str(out, row->status[profile]);
        (void)buf_add_byte(out, ' ');
    }
}

/* Octets of text that a line has room for. */
static size_t line_room(const struct reply_row *row, enum reply_profile profile)
{
    size_t status_len = strlen(row->status[profile]);
    return REPLY_LINE_MAX - sizeof "550-\r\n" + 1 - (status_len > 0 ? status_len + 1 : 0);
}

static void add_line(struct buf *out, const struct reply_row *row,
                     enum reply_profile profile, struct slice text, bool last)
{
    add_prefix(out, row, profile, last);
    (void)buf_add(out, text);
    (void)buf_add_str(out, "\r\n");
}

/* The first line of text, taken off it with the blanks after it. */
static struct slice take_line(struct slice *text, size_t room)
{
    struct slice line = *text;
    if (line.len > room) {
        /* One octet more: a blank there may become the break. */
        size_t blank = slice_rfind(slice_sub(*text, 0, room + 1), ' ');
        line = slice_sub(*text, 0, blank <= room ? blank : room);
    }
    *text = slice_from(*text, line.len);
    while (text->len > 0 && text->ptr[0] == ' ') {
        *text = slice_from(*text, 1);
    }
    return line;
}

/* The text stands in out from `start` on, without codes: puts them in, and breaks it. */
static void break_lines(struct buf *out, size_t start, const struct reply_row *row,
                        enum reply_profile profile, bool more)
{
    if (out->failed) {
        return;
    }
    unsigned char copy[REPLY_LINES_MAX * REPLY_LINE_MAX];
    struct slice text = slice_from(buf_slice(out), start);
    BUG_ON(text.len > sizeof copy); /* excluded by the generator's longest_lines() */
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    text.ptr = copy;
    out->len = start;
    do {
        struct slice line = take_line(&text, line_room(row, profile));
        add_line(out, row, profile, line, text.len == 0 && !more);
    } while (text.len > 0);
}

static bool finish(struct buf *out, size_t start, bool good)
{
    if (out->failed || !good) {
        out->len = start;
        return false;
    }
    return true;
}

static bool is_base64(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '+' && c != '/' &&
            c != '=') {
            return false;
        }
    }
    return true;
}

/* A challenge is for a program: whole or not at all. */
static bool render_challenge(struct buf *out, enum reply_profile profile,
                             const struct fields *evidence)
{
    struct slice challenge = {0};
    (void)value_of(evidence, SLICE("challenge"), &challenge);
    if (challenge.len > REPLY_CHALLENGE_MAX || !is_base64(challenge)) {
        return false;
    }
    size_t start = out->len;
    add_line(out, &reply_rows[REPLY_ok_auth_challenge], profile, challenge, true);
    return finish(out, start, true);
}

bool reply_render(struct buf *out, enum reply_id id, enum reply_profile profile,
                  const struct fields *evidence, uint64_t session, struct slice url)
{
    const struct reply_row *row = reply_row(id);
    BUG_ON(row == NULL);
    if (id == REPLY_ok_auth_challenge) {
        return render_challenge(out, profile, evidence);
    }
    size_t start = out->len;
    add_text(out, row->text, evidence);
    if (row->refusal) {
        add_marker(out, id, evidence, session, url);
    }
    break_lines(out, start, row, profile, false);
    return finish(out, start, true);
}

bool reply_render_lines(struct buf *out, enum reply_id id, enum reply_profile profile,
                        const struct fields *evidence, const struct slice lines[],
                        size_t n)
{
    const struct reply_row *row = reply_row(id);
    BUG_ON(row == NULL || row->refusal || id == REPLY_ok_auth_challenge);
    size_t start = out->len;
    bool good = true;
    add_text(out, row->text, evidence);
    break_lines(out, start, row, profile, n > 0);
    for (size_t i = 0; i < n && good; i++) {
        good = is_line(lines[i], line_room(row, profile));
        if (good) {
            add_line(out, row, profile, lines[i], i + 1 == n);
        }
    }
    return finish(out, start, good);
}
