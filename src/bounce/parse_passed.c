/* bounce/parse_passed.c - a report that somebody passed on in a text of his own; see parse_impl.h
 *
 * Mail programs do it in two ways. Some put the head of what they pass on in front of it, in the
 * language of their user:
 *
 *     Von: Mail Delivery System <MAILER-DAEMON@mx.example>
 *     Gesendet: Montag, 6. Mai 2024 10:11
 *     An: me@home.example
 *     Betreff: Undelivered Mail Returned to Sender
 *
 * Others mark each line, below one that names the author: "On Monday, X wrote:", "> ...". From
 * either a message is made as it was before, so that what the forwarder wrote himself, his name
 * and his address below it, is not taken for a part of the report. */
#include "bounce/address_find.h"
#include "bounce/parse_impl.h"

enum {
    HEAD_LINES_MAX = 16, /* of a head, with what is folded */
    LABEL_MAX = 40,      /* octets of a label */
    VALUE_MAX = 512,
    QUOTED_MIN = 2, /* marked lines that make a quotation */
    MARKS_MAX = 8,  /* quotations within quotations */
};

enum head_field { HEAD_FROM = 0, HEAD_TO, HEAD_SUBJECT, HEAD_DATE, HEAD_FIELDS_N };

/* clang-format off */
static const char *const labels_from[] = {
    "from", "von", "de", "da", "van", "från", "fra", "od", "lähettäjä", "kimden", "gönderen", "от", "От", "от кого", "От кого",
    "Отправитель", "feladó", "absender", "expéditeur", "remitente", "mittente", "remetente", "afzender",
    "avsändare", "nadawca", "Από", "מאת", "发件人", "寄件者", "寄件人", "发信人", "差出人", "送信者", "送信元", "보낸 사람", "보낸사람",
    "보낸이", NULL};
static const char *const labels_to[] = {
    "to", "an", "à", "À", "a", "para", "pour", "aan", "till", "til", "do", "komu", "vastaanottaja", "kime", "alıcı",
    "кому", "Кому", "címzett", "empfänger", "destinataire", "destinatario", "destinatário", "mottagare", "Προς", "אל",
    "收件人", "收件者", "收信人", "宛先", "받는 사람", "받는사람", "받는이", NULL};
static const char *const labels_subject[] = {
    "subject", "betreff", "objet", "sujet", "asunto", "assunto", "oggetto", "onderwerp", "ämne", "Ämne", "emne",
    "temat", "aihe", "předmět", "konu", "Тема", "тема", "tárgy", "Θέμα", "נושא", "主题", "主旨", "標題", "件名", "제목", NULL};
static const char *const labels_date[] = {
    "sent", "date", "datum", "data", "gesendet", "envoyé", "enviado", "enviado el", "enviada em", "enviado em",
    "fecha", "inviato", "verzonden", "skickat", "sendt", "dato", "wysłano", "lähetetty", "päivämäärä",
    "odesláno", "gönderilme", "gönderildi", "tarih", "Отправлено", "Дата", "дата", "küldve", "dátum", "cc", "kopie",
    "kopia", "copie", "copia", "cópia", "Копия", "reply-to", "抄送", "发送时间", "发送日期", "日期", "时间", "寄件日期", "副本",
    "送信日時", "送信日", "日時", "日付", "날짜", "보낸 날짜", "보낸날짜", "참조", NULL};
/* With which a subject begins that is passed on. */
static const char *const passing_prefixes[] = {
    "fwd:", "fw:", "wg:", "tr:", "tr :", "rv:", "enc:", "vb:", "vs:", "vl:", "pd:", "i:", "doorst:", "転送:", "转发:",
    "转发：", "轉寄:", NULL};
static const char *const reply_prefixes[] = {
    "re:", "re :", "aw:", "antw:", "sv:", "r:", "res:", "odp:", "vá:", "ynt:", "rif:", "re[", "回复:", "回复：", "答复:",
    "回覆:", "返信:", NULL};
/* clang-format on */

static const char *const *const labels[HEAD_FIELDS_N] = {labels_from, labels_to,
                                                         labels_subject, labels_date};

static bool is_mark(unsigned char c)
{
    return c == '>' || c == '|';
}

/* Behind at most `most` marks and the blanks around them; *n: how many there were. A
 * transcript's ">>> RCPT" is no quotation. */
static struct slice without_marks(struct slice line, unsigned most, unsigned *n)
{
    struct slice rest = line;
    for (*n = 0; *n < most;) {
        struct slice s = slice_trim(rest);
        if (s.len == 0 || !is_mark(s.ptr[0]) || slice_starts(s, SLICE(">>> ")) ||
            (s.ptr[0] == '|' && s.ptr[s.len - 1] == '|')) { /* the row of a table */
            break;
        }
        rest = slice_from(s, 1);
        (*n)++;
        if (rest.len > 0 && rest.ptr[0] == ' ') {
            rest = slice_from(rest, 1);
        }
    }
    return rest;
}

static struct slice trim_set(struct slice s, struct slice set)
{
    while (s.len > 0 && slice_find(set, s.ptr[0]) < set.len) {
        s = slice_from(s, 1);
    }
    while (s.len > 0 && slice_find(set, s.ptr[s.len - 1]) < set.len) {
        s.len--;
    }
    return s;
}

static bool is_one_of(struct slice s, const char *const *words)
{
    unsigned char first = ascii_lower(s.ptr[0]);
    for (; *words != NULL; words++) {
        if ((unsigned char)**words == first && slice_ieq(s, slice_of(*words))) {
            return true;
        }
    }
    return false;
}

/* Which field of a head the line is; HEAD_FIELDS_N: none. */
static enum head_field head_field_of(struct slice line, struct slice *value)
{
    static const struct slice wide =
        SLICE_INIT("\xef\xbc\x9a"); /* the full-width colon */
    static const struct slice blanks = SLICE_INIT(" \t\r*|\xc2\xa0");
    struct slice s = trim_set(line, blanks), near = slice_sub(s, 0, LABEL_MAX);
    size_t colon = slice_find(near, ':'), used = 1;
    size_t other = slice_search(near, wide), bar = slice_find(near, '|');
    if (other < near.len && other < colon) {
        colon = other;
        used = wide.len;
    }
    colon = bar < colon ? bar : colon;
    if (colon == 0 || colon >= near.len) {
        return HEAD_FIELDS_N;
    }
    struct slice name = trim_set(slice_sub(s, 0, colon), blanks);
    for (unsigned i = 0; name.len > 0 && i < HEAD_FIELDS_N; i++) {
        if (is_one_of(name, labels[i])) {
            *value = trim_set(slice_from(s, colon + used), SLICE(" \t\r*|;"));
            return (enum head_field)i;
        }
    }
    return HEAD_FIELDS_N;
}

struct passed {
    struct slice field[HEAD_FIELDS_N];
    unsigned marks;    /* before each line */
    struct slice body; /* with its marks */
};

/* A head that begins with the line: at least three of its fields, its author among them, or
 * two below a rule. */
static bool head_at(struct slice line, struct slice rest, bool ruled, struct passed *out)
{
    struct passed found = {.marks = 0};
    struct slice value, next = line;
    unsigned n = 0, odd = 0, marks;
    IGNORE(without_marks(line, MARKS_MAX, &found.marks).len > 0);
    found.body = rest;
    for (int i = 0; i < HEAD_LINES_MAX; i++) {
        struct slice plain = without_marks(next, found.marks, &marks);
        enum head_field f = head_field_of(plain, &value);
        bool repeated = f < HEAD_FIELDS_N && f != HEAD_DATE && found.field[f].ptr != NULL;
        if (repeated || (f == HEAD_FIELDS_N && (i == 0 || ++odd > 2))) {
            break;
        }
        if (f < HEAD_FIELDS_N) {
            n += found.field[f].ptr == NULL;
            found.field[f] = slice_sub(value, 0, VALUE_MAX);
            found.body = rest;
            odd = 0;
        }
        if (!slice_line(&rest, &next)) {
            break;
        }
    }
    if (found.field[HEAD_FROM].len == 0 || n < (ruled ? 2U : 3U)) {
        return false;
    }
    *out = found;
    return true;
}

static bool is_ruled(struct slice line)
{
    line = slice_strip(line);
    size_t n = 0;
    while (n < line.len && n < 3 && text_is_rule(line.ptr[n])) {
        n++;
    }
    return n == 3;
}

/* Marked lines, and the author above them. */
struct quotation {
    struct slice author, start; /* start: from the first marked line on */
    unsigned marks, lines;
};

static void see_quoted(struct quotation *q, struct slice line, struct slice all)
{
    unsigned marks;
    struct slice plain = slice_strip(without_marks(line, MARKS_MAX, &marks));
    if (marks == 0) {
        if (q->lines == 0 && plain.len > 0) {
            bool joins = q->author.len > 0 && q->author.len < VALUE_MAX / 2 &&
                         plain.ptr - (q->author.ptr + q->author.len) < 3;
            q->author =
                joins ? (struct slice){q->author.ptr,
                                       (size_t)(plain.ptr + plain.len - q->author.ptr)}
                      : plain;
        }
        return;
    }
    if (plain.len == 0) {
        return;
    }
    if (q->lines++ == 0) {
        q->marks = marks;
        q->start = slice_from(all, (size_t)(line.ptr - all.ptr));
    }
}

bool passed_subject(const struct bounce_parser *p)
{
    return text_starts(p->subject, reply_prefixes) ||
           text_starts(p->subject, passing_prefixes);
}

/* Only who answers quotes a whole report; a mail system that quotes has the original before it. */
static bool is_answer(struct bounce_parser *p, struct slice author)
{
    return passed_subject(p) || header_names_daemon(p, author);
}

static bool take_quotation(struct bounce_parser *p, const struct quotation *q,
                           struct passed *out)
{
    if (q->lines < QUOTED_MIN || !is_answer(p, q->author)) {
        return false;
    }
    *out = (struct passed){.marks = q->marks, .body = q->start};
    out->field[HEAD_FROM] = q->author;
    return true;
}

static bool find_passed(struct bounce_parser *p, struct slice text, struct passed *out)
{
    struct slice rest = slice_sub(text, 0, NOTICE_MAX), line, all = rest, value;
    struct quotation q = {.marks = 0};
    bool ruled = false;
    unsigned marks;
    while (slice_line(&rest, &line)) {
        struct slice plain = without_marks(line, MARKS_MAX, &marks);
        if (slice_strip(plain).len == 0) {
            continue;
        }
        if (head_field_of(plain, &value) < HEAD_FIELDS_N &&
            head_at(line, rest, ruled, out)) {
            /* In the midst of what is quoted it is the original's. */
            struct passed head = *out;
            *out = marks > 0 && take_quotation(p, &q, out) ? *out : head;
            return true;
        }
        ruled = is_ruled(plain);
        see_quoted(&q, line, all);
    }
    return take_quotation(p, &q, out);
}

/* The marks of a body below a head that has none itself: Yandex, and Apple in replies. */
static unsigned marks_of_body(struct slice body)
{
    struct slice line;
    unsigned marks = 0, first = 0, n = 0;
    while (n < QUOTED_MIN && slice_line(&body, &line)) {
        struct slice plain = without_marks(line, MARKS_MAX, &marks);
        if (marks == 0 && slice_strip(plain).len > 0) {
            return 0;
        }
        n += slice_strip(plain).len > 0;
        first = first == 0 ? marks : first;
    }
    return first;
}

/* Lines without marks. One that has none between two that have is the rest of a line that some
 * program wrapped; more of them are the forwarder's. */
static void add_unmarked(struct slice body, unsigned most, struct buf *out)
{
    struct slice line, pending = {0};
    unsigned marks, plain_n = 0;
    while (slice_line(&body, &line)) {
        struct slice plain = without_marks(line, most, &marks);
        if (marks == 0) {
            plain_n += slice_strip(line).len > 0;
            pending = plain_n == 1 ? plain : (struct slice){0};
        } else {
            if (plain_n == 1) {
                (void)buf_add(out, pending);
                (void)buf_add_byte(out, '\n');
            }
            plain_n = 0;
            (void)buf_add(out, plain);
            (void)buf_add_byte(out, '\n');
        }
    }
}

static void add_field(struct buf *out, const char *name, struct slice value)
{
    if (value.len == 0) {
        return;
    }
    (void)buf_add_str(out, name);
    (void)mime_unfold(slice_sub(value, 0, VALUE_MAX), out);
    (void)buf_add_byte(out, '\n');
}

bool passed_on(struct bounce_parser *p)
{
    return (!p->is_daemon || text_starts(p->subject, passing_prefixes)) &&
           p->header[HEADER_FAILED_RECIPIENTS].len == 0 && !header_null_path(p) &&
           !header_is_automatic(p);
}

struct slice passed_text(struct bounce_parser *p, struct slice text, struct buf *store)
{
    struct passed found;
    if (!find_passed(p, text, &found) ||
        (p->sure >= REPORT_SURE && !is_answer(p, found.field[HEAD_FROM]))) {
        return (struct slice){0}; /* a report's own text, above the original's head */
    }
    const struct slice *f = found.field;
    unsigned marks = found.marks > 0 ? found.marks : marks_of_body(found.body);
    buf_reset(store);
    add_field(store, "From: ", f[HEAD_FROM]);
    add_field(store, "To: ", f[HEAD_TO].len > 0 ? f[HEAD_TO] : p->header[HEADER_FROM]);
    add_field(store, "Subject: ", f[HEAD_SUBJECT].len > 0 ? f[HEAD_SUBJECT] : p->subject);
    (void)buf_add_str(store, "Content-Type: text/plain; charset=utf-8\n\n");
    if (marks > 0) {
        add_unmarked(found.body, marks, store);
    } else {
        (void)buf_add(store, found.body);
    }
    return store->failed ? (struct slice){0} : buf_slice(store);
}
