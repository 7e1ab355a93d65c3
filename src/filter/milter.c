/* filter/milter.c - see milter.h */
#include "filter/milter.h"

#include "base/wire.h"

#include <string.h>

enum { VERSION = 6, VERSION_LEAST = 2, LENGTH = 4 };

/* What a filter may do (SMFIF_). A list of the macros that it wants (SETSYMLIST) is passed over: it gets
 * all that there are. */
enum {
    ADD_HEADERS = 0x01,
    CHANGE_BODY = 0x02,
    ADD_RCPT = 0x04,
    DROP_RCPT = 0x08,
    CHANGE_HEADERS = 0x10,
    QUARANTINE = 0x20,
    CHANGE_SENDER = 0x40,
    ADD_RCPT_PARAMS = 0x80,
    MACRO_LIST = 0x100,
    OFFERED = 0x1ff,
    CHANGES_SEEN = ADD_HEADERS | CHANGE_BODY | CHANGE_HEADERS,
};

/* Steps that it need not hear of (SMFIP_NO*), or that it does not answer (SMFIP_NR_*). */
enum {
    NO_CONNECT = 0x01,
    NO_HELO = 0x02,
    NO_MAIL = 0x04,
    NO_RCPT = 0x08,
    NO_BODY = 0x10,
    NO_HEADERS = 0x20,
    NO_EOH = 0x40,
    NR_HEADERS = 0x80,
    NO_UNKNOWN = 0x100,
    NO_DATA = 0x200,
    SKIP = 0x400,
    NR_CONNECT = 0x1000,
    NR_HELO = 0x2000,
    NR_MAIL = 0x4000,
    NR_RCPT = 0x8000,
    NR_DATA = 0x10000,
    NR_UNKNOWN = 0x20000,
    NR_EOH = 0x40000,
    NR_BODY = 0x80000,
    OWN_SPACE = 0x100000,
};
#define STEPS_OFFERED                                                                    \
    (NO_CONNECT | NO_HELO | NO_MAIL | NO_RCPT | NO_BODY | NO_HEADERS | NO_EOH |          \
     NR_HEADERS | NO_UNKNOWN | NO_DATA | SKIP | NR_CONNECT | NR_HELO | NR_MAIL |         \
     NR_RCPT | NR_DATA | NR_UNKNOWN | NR_EOH | NR_BODY | OWN_SPACE)

void milter_init(struct milter *m, size_t body_max)
{
    *m = (struct milter){0};
    buf_init(&m->in, MILTER_FRAME_MAX + LENGTH);
    buf_init(&m->edits, MILTER_EDITS_MAX);
    buf_init(&m->body, body_max);
}

void milter_clear(struct milter *m)
{
    buf_clear(&m->in);
    buf_clear(&m->edits);
    buf_clear(&m->body);
}

bool milter_own_space(const struct milter *m)
{
    return (m->steps & OWN_SPACE) != 0;
}

/* --- frames to the filter --- */

static void put_u32(struct buf *out, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        (void)buf_add_byte(out, (unsigned char)(v >> shift));
    }
}

static uint32_t get_u32(struct slice s)
{
    return (uint32_t)s.ptr[0] << 24 | (uint32_t)s.ptr[1] << 16 | (uint32_t)s.ptr[2] << 8 |
           s.ptr[3];
}

/* Writes the length of what stands behind `start`. */
static void close_frame(struct buf *out, size_t start)
{
    if (!out->failed) {
        size_t len = out->len - start - LENGTH;
        for (int i = 0; i < LENGTH; i++) {
            out->ptr[start + (size_t)i] = (unsigned char)(len >> (24 - 8 * i));
        }
    }
}

static size_t open_frame(struct buf *out, char letter)
{
    size_t start = out->len;
    put_u32(out, 0);
    (void)buf_add_byte(out, (unsigned char)letter);
    return start;
}

/* A string; a NUL would end it early. */
static void put_string(struct buf *out, struct slice s)
{
    (void)buf_add(out, slice_sub(s, 0, slice_find(s, '\0')));
    (void)buf_add_byte(out, '\0');
}

void milter_negotiate(struct buf *out)
{
    size_t start = open_frame(out, 'O');
    put_u32(out, VERSION);
    put_u32(out, OFFERED);
    put_u32(out, STEPS_OFFERED);
    close_frame(out, start);
}

void milter_macros(struct buf *out, char step, const struct fields *macros)
{
    size_t start = open_frame(out, 'D');
    (void)buf_add_byte(out, (unsigned char)step);
    for (unsigned i = 0; i < macros->n; i++) {
        if (macros->item[i].value.len > 0) {
            put_string(out, slice_of(macros->item[i].name));
            put_string(out, macros->item[i].value);
        }
    }
    close_frame(out, start);
}

static void broken(struct milter *m, const char *why)
{
    m->state = MILTER_BROKEN;
    m->why = why;
}

/* An answer to the step will come. */
static void expect(struct milter *m, char letter)
{
    if (m->run_n > 0 && m->run[m->run_n - 1].letter == letter) {
        m->run[m->run_n - 1].n++;
    } else if (m->run_n < MILTER_RUNS_MAX) {
        m->run[m->run_n].letter = letter;
        m->run[m->run_n++].n = 1;
    } else {
        broken(m, "it answers too late");
    }
}

uint64_t milter_due(const struct milter *m)
{
    uint64_t due = 0;
    for (unsigned i = 0; i < m->run_n; i++) {
        due += m->run[i].n;
    }
    return due;
}

bool milter_in_step(const struct milter *m)
{
    return m->state == MILTER_READY && m->run_n == 0 && !m->early;
}

const struct milter_say *milter_says(const struct milter *m)
{
    return m->session.verdict != MILTER_GO_ON ? &m->session
           : m->helo.verdict != MILTER_GO_ON  ? &m->helo
                                              : &m->message;
}

bool milter_may_change(const struct milter *m)
{
    return (m->actions & CHANGES_SEEN) != 0;
}

bool milter_wants_body(const struct milter *m)
{
    return (m->steps & NO_BODY) == 0;
}

/* Is the step to be told? Then an answer may be due. */
static bool wanted(struct milter *m, char letter, uint32_t no, uint32_t no_answer)
{
    bool idle = m->session.verdict != MILTER_GO_ON ||
                (m->in_message && milter_says(m)->verdict != MILTER_GO_ON);
    if (m->state != MILTER_READY || idle || (m->steps & no) != 0) {
        return false;
    }
    if ((m->steps & no_answer) == 0) {
        expect(m, letter);
    }
    return m->state == MILTER_READY;
}

void milter_connect(struct milter *m, struct buf *out, struct slice host, bool v6,
                    uint16_t port, struct slice ip)
{
    if (wanted(m, 'C', NO_CONNECT, NR_CONNECT)) {
        size_t start = open_frame(out, 'C');
        put_string(out, host);
        (void)buf_add_byte(out, v6 ? '6' : '4');
        (void)buf_add_byte(out, (unsigned char)(port >> 8));
        (void)buf_add_byte(out, (unsigned char)port);
        put_string(out, ip);
        close_frame(out, start);
    }
}

static void put_step(struct milter *m, struct buf *out, char letter, uint32_t no,
                     uint32_t no_answer, const struct slice *string)
{
    if (wanted(m, letter, no, no_answer)) {
        size_t start = open_frame(out, letter);
        if (string != NULL) {
            put_string(out, *string);
        }
        close_frame(out, start);
    }
}

void milter_helo(struct milter *m, struct buf *out, struct slice name)
{
    m->helo = (struct milter_say){.verdict = MILTER_GO_ON};
    put_step(m, out, 'H', NO_HELO, NR_HELO, &name);
}

void milter_mail(struct milter *m, struct buf *out, struct slice path)
{
    m->message = m->rcpt = (struct milter_say){.verdict = MILTER_GO_ON};
    m->in_message = true;
    m->ended = m->skip = m->new_body = false;
    buf_reset(&m->edits);
    buf_clear(&m->body);
    put_step(m, out, 'M', NO_MAIL, NR_MAIL, &path);
}

void milter_rcpt(struct milter *m, struct buf *out, struct slice path)
{
    m->rcpt = (struct milter_say){.verdict = MILTER_GO_ON};
    put_step(m, out, 'R', NO_RCPT, NR_RCPT, &path);
}

void milter_data(struct milter *m, struct buf *out)
{
    put_step(m, out, 'T', NO_DATA, NR_DATA, NULL);
}

void milter_header(struct milter *m, struct buf *out, struct slice name,
                   struct slice value)
{
    if (!wanted(m, 'L', NO_HEADERS, NR_HEADERS)) {
        return;
    }
    size_t start = open_frame(out, 'L');
    put_string(out, name);
    if (!milter_own_space(m) && value.len > 0 && value.ptr[0] == ' ') {
        value = slice_from(value, 1);
    }
    for (size_t i = 0; i < value.len; i++) { /* folds are LF, and a NUL would end it */
        if (value.ptr[i] != '\r' && value.ptr[i] != '\0') {
            (void)buf_add_byte(out, value.ptr[i]);
        }
    }
    (void)buf_add_byte(out, '\0');
    close_frame(out, start);
}

void milter_eoh(struct milter *m, struct buf *out)
{
    put_step(m, out, 'N', NO_EOH, NR_EOH, NULL);
}

void milter_body(struct milter *m, struct buf *out, struct slice s)
{
    while (s.len > 0 && !m->skip && wanted(m, 'B', NO_BODY, NR_BODY)) {
        size_t start = open_frame(out, 'B');
        (void)buf_add(out, slice_sub(s, 0, MILTER_BODY_MAX));
        close_frame(out, start);
        s = slice_from(s, MILTER_BODY_MAX);
    }
}

void milter_end(struct milter *m, struct buf *out)
{
    m->ended = m->state == MILTER_READY && milter_says(m)->verdict == MILTER_GO_ON;
    put_step(m, out, 'E', 0, 0, NULL);
}

static void put_bare(struct buf *out, char letter)
{
    close_frame(out, open_frame(out, letter));
}

void milter_abort(struct milter *m, struct buf *out)
{
    if (m->state == MILTER_READY && m->in_message &&
        milter_says(m)->verdict == MILTER_GO_ON) {
        put_bare(out, 'A');
    }
    m->in_message = m->ended = false;
    m->message = m->rcpt = (struct milter_say){.verdict = MILTER_GO_ON};
    buf_clear(&m->edits);
    buf_clear(&m->body);
    m->new_body = false;
}

void milter_quit(struct milter *m, struct buf *out)
{
    if (m->state == MILTER_READY) {
        put_bare(out, 'Q');
    }
}

/* --- frames from it --- */

static void take_wishes(struct milter *m, struct slice data)
{
    if (data.len < 12 || get_u32(data) < VERSION_LEAST || get_u32(data) > VERSION) {
        broken(m, "it speaks another version of the protocol");
        return;
    }
    m->actions = get_u32(slice_from(data, 4));
    m->steps = get_u32(slice_from(data, 8));
    if ((m->actions & ~(uint32_t)OFFERED) != 0 ||
        (m->steps & ~(uint32_t)STEPS_OFFERED) != 0) {
        broken(m, "it wants to change what it was not offered");
        return;
    }
    m->state = MILTER_READY;
}

/* Its own reply: only refusals may be said so. */
static enum milter_verdict read_reply(struct milter *m, struct slice data,
                                      struct milter_say *say)
{
    struct slice text = slice_sub(data, 0, slice_find(data, '\0'));
    if (text.len < 3 || (text.ptr[0] != '4' && text.ptr[0] != '5')) {
        broken(m, "its reply is no refusal");
        return MILTER_GO_ON;
    }
    for (size_t i = 0; i < text.len && say->text_len < sizeof say->text; i++) {
        char c = (char)text.ptr[i];
        bool end = c == '\r' || c == '\n';
        if (!end || (say->text_len > 0 && say->text[say->text_len - 1] != ' ')) {
            say->text[say->text_len++] = end ? ' ' : c >= ' ' && c <= '~' ? c : '?';
        }
    }
    return text.ptr[0] == '4' ? MILTER_TEMPFAIL : MILTER_REJECT;
}

/* Of what the verdict is that comes as an answer to this step. */
static struct milter_say *say_of(struct milter *m, char step, enum milter_verdict verdict)
{
    bool refuses = verdict == MILTER_REJECT || verdict == MILTER_TEMPFAIL;
    return step == 'C'              ? &m->session
           : step == 'H'            ? &m->helo
           : step == 'R' && refuses ? &m->rcpt
                                    : &m->message;
}

static void answered(struct milter *m)
{
    if (--m->run[0].n == 0) {
        memmove(m->run, m->run + 1, (MILTER_RUNS_MAX - 1) * sizeof m->run[0]);
        m->run_n--;
    }
}

/* Behind the verdict on a message, steps that were told in the meantime may be answered or not. */
static void take_verdict(struct milter *m, enum milter_verdict verdict,
                         const struct milter_say *with)
{
    struct milter_say *say = say_of(m, m->run[0].letter, verdict);
    answered(m);
    if (say->verdict == MILTER_GO_ON) { /* the first counts */
        *say = *with;
        say->verdict = verdict;
    }
    m->early |= say != &m->rcpt && m->run_n > 0;
}

struct edit_form {
    char letter;
    bool index;
    uint32_t action;
    enum milter_edit_kind kind;
};
static const struct edit_form edit_forms[] = {
    {'h', false, ADD_HEADERS, MILTER_ADD},
    {'i', true, ADD_HEADERS, MILTER_INSERT},
    {'m', true, CHANGE_HEADERS, MILTER_CHANGE},
    {'e', false, CHANGE_SENDER, MILTER_SENDER},
    {'+', false, ADD_RCPT, MILTER_RCPT_ADD},
    {'2', false, ADD_RCPT_PARAMS, MILTER_RCPT_ADD},
    {'-', false, DROP_RCPT, MILTER_RCPT_DROP},
    {'q', false, QUARANTINE, MILTER_QUARANTINE},
};

static bool may(struct milter *m, uint32_t action)
{
    if (!m->ended || m->run[0].letter != 'E') {
        broken(m, "it asks for a change before the message's end");
    } else if ((m->actions & action) == 0) {
        broken(m, "it asks for a change that it did not name before");
    }
    return m->state == MILTER_READY;
}

/* name NUL [value NUL], behind an index where the form has one. */
static void take_edit(struct milter *m, const struct edit_form *form, struct slice data)
{
    uint32_t index = 0;
    if (!may(m, form->action)) {
        return;
    }
    if (form->index) {
        if (data.len < LENGTH) {
            broken(m, "a change is cut short");
            return;
        }
        index = get_u32(data);
        data = slice_from(data, LENGTH);
    }
    struct slice name = slice_sub(data, 0, slice_find(data, '\0'));
    struct slice value = slice_from(data, name.len + 1);
    value = slice_sub(value, 0, slice_find(value, '\0'));
    wire_put_u8(&m->edits, (uint8_t)form->kind);
    wire_put_u32(&m->edits, index);
    wire_put_blob(&m->edits, name);
    wire_put_blob(&m->edits, value);
    if (m->edits.failed) {
        broken(m, "its changes are too long");
    }
}

static void take_body(struct milter *m, struct slice data)
{
    if (!may(m, CHANGE_BODY)) {
        return;
    }
    m->new_body = true;
    if (!buf_add(&m->body, data)) {
        broken(m, "its body is too long");
    }
}

bool milter_edit_next(struct slice *rest, struct milter_edit *out)
{
    struct wire_reader r = wire_reader_of(*rest);
    out->kind = (enum milter_edit_kind)wire_u8(&r);
    out->index = wire_u32(&r);
    out->name = wire_blob(&r);
    out->value = wire_blob(&r);
    *rest = r.rest;
    return !r.failed;
}

static void take_change(struct milter *m, char letter, struct slice data)
{
    for (unsigned i = 0; i < sizeof edit_forms / sizeof edit_forms[0]; i++) {
        if (edit_forms[i].letter == letter) {
            take_edit(m, &edit_forms[i], data);
            return;
        }
    }
    if (letter == 'b') {
        take_body(m, data);
    } else {
        broken(m, "it answers what is not known");
    }
}

static void go_on(struct milter *m)
{
    bool end = m->run[0].letter == 'E';
    if (end) {
        take_verdict(m, MILTER_ACCEPT, &(struct milter_say){0});
    } else {
        answered(m);
    }
}

static void take_answer(struct milter *m, char letter, struct slice data)
{
    struct milter_say say = {0};
    enum milter_verdict verdict;
    if (letter == 'p') {
        return; /* it is still at work */
    }
    if (m->run_n == 0) {
        if (!m->early) {
            broken(m, "it answers what it was not asked");
        }
        return;
    }
    switch (letter) {
    case 'c':
        go_on(m);
        break;
    case 's':
        m->skip = true;
        go_on(m);
        break;
    case 'a':
        take_verdict(m, MILTER_ACCEPT, &say);
        break;
    case 'r':
        take_verdict(m, MILTER_REJECT, &say);
        break;
    case 't':
    case 'f':
    case '4':
        take_verdict(m, MILTER_TEMPFAIL, &say);
        break;
    case 'd':
        take_verdict(m, MILTER_DISCARD, &say);
        break;
    case 'y':
        verdict = read_reply(m, data, &say);
        if (verdict != MILTER_GO_ON) {
            take_verdict(m, verdict, &say);
        }
        break;
    default:
        take_change(m, letter, data);
        break;
    }
}

static void take_frame(struct milter *m, struct slice frame)
{
    char letter = (char)frame.ptr[0];
    struct slice data = slice_from(frame, 1);
    if (m->state == MILTER_READY) {
        take_answer(m, letter, data);
    } else if (letter == 'O') {
        take_wishes(m, data);
    } else {
        broken(m, "it does not negotiate");
    }
}

enum milter_state milter_feed(struct milter *m, struct slice s)
{
    while (m->state != MILTER_BROKEN && s.len > 0) {
        size_t need = LENGTH;
        if (m->in.len >= LENGTH) {
            uint32_t len = get_u32(buf_slice(&m->in));
            if (len == 0 || len > MILTER_FRAME_MAX) {
                broken(m, "a frame is empty, or too long");
                break;
            }
            need += len;
        }
        struct slice part = slice_sub(s, 0, need - m->in.len);
        s = slice_from(s, part.len);
        if (!buf_add(&m->in, part)) {
            broken(m, "memory is short");
            break;
        }
        if (need > LENGTH && m->in.len == need) {
            take_frame(m, slice_from(buf_slice(&m->in), LENGTH));
            buf_reset(&m->in);
        }
    }
    return m->state;
}
