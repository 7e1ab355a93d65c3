/* bounce/reply_find.c - see reply_find.h */
#include "bounce/reply_find.h"

#include <string.h>

static bool is_word(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '_' || c >= 0x80;
}

/* --- status codes --- */

/* x.y.z at i that is neither an address nor a version. */
static bool status_at(struct slice s, size_t i, struct bounce_status *out, size_t *end)
{
    size_t used = 0;
    if (i > 0 && (is_word(s.ptr[i - 1]) || s.ptr[i - 1] == '.')) {
        return false;
    }
    if (!bounce_status_parse(slice_from(s, i), out, &used)) {
        return false;
    }
    struct slice rest = slice_from(s, i + used);
    if (rest.len > 0 && is_word(rest.ptr[0])) {
        return false;
    }
    if (rest.len > 1 && rest.ptr[0] == '.' && ascii_is_digit(rest.ptr[1])) {
        return false; /* four numbers: an IP address */
    }
    *end = i + used;
    return true;
}

/* The first status from `from` on; klass 0: of 4 or 5. */
static bool find_status(struct slice s, size_t from, unsigned klass,
                        struct bounce_status *out, size_t *off)
{
    for (size_t i = from; i < s.len; i++) {
        i += slice_find(slice_from(s, i), '.');
        if (i == 0 || i >= s.len) {
            continue;
        }
        unsigned char digit = s.ptr[i - 1];
        size_t end = 0;
        if ((digit == '4' || digit == '5') && (klass == 0 || digit == '0' + klass) &&
            i - 1 >= from && status_at(s, i - 1, out, &end)) {
            *off = i - 1;
            return true;
        }
    }
    return false;
}

/* --- codes --- */

/* The first octet of a character from U+3000 on, full-width punctuation among them: such text
 * runs into a code without a blank. */
static bool is_east_asian(unsigned char c)
{
    return (c >= 0xe3 && c <= 0xed) || c == 0xef;
}

/* "550" at i, alone. */
static bool code_at(struct slice s, size_t i)
{
    if (i + 3 > s.len || !ascii_is_digit(s.ptr[i + 1]) || !ascii_is_digit(s.ptr[i + 2])) {
        return false;
    }
    unsigned char before = i > 0 ? s.ptr[i - 1] : ' ';
    unsigned char after = i + 3 < s.len ? s.ptr[i + 3] : ' ';
    before = before >= 0x80 && i >= 3 && is_east_asian(s.ptr[i - 3]) ? ' ' : before;
    after = is_east_asian(after) ? ' ' : after;
    if (is_word(before) || strchr("./-=@+$%", before) != NULL || is_word(after) ||
        strchr("/@=%+", after) != NULL) {
        return false;
    }
    unsigned char beyond = i + 4 < s.len ? s.ptr[i + 4] : ' ';
    return !(ascii_is_digit(beyond) && (after == '.' || after == ','));
}

static bool is_known_code(unsigned code)
{
    static const uint16_t known[] = {
        400, 421, 422, 423, 427, 431, 432, 440, 441, 442, 445, 446, 447, 449, 450,
        451, 452, 453, 454, 455, 458, 459, 471, 472, 500, 501, 502, 503, 504, 505,
        510, 511, 512, 513, 515, 517, 520, 521, 522, 523, 524, 525, 526, 530, 533,
        534, 535, 538, 540, 541, 542, 543, 544, 546, 547, 550, 551, 552, 553, 554,
        555, 556, 557, 558, 559, 560, 565, 571, 572, 573, 577, 579, 598, 599};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i] == code) {
            return true;
        }
    }
    return false;
}

/* Words that say of a number what it counts. */
static bool is_counted(struct slice after)
{
    static const char *const units[] = {
        "bytes", "byte ", "octets",      "second", "minute",   "hours",
        "hour ", "hour(", "days",        "day ",   "day(",     "kb",
        "mb",    "kbyte", "recipients ", "times",  "attempts", "messages "};
    after = slice_trim(after);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (slice_istarts(after, slice_of(units[i]))) {
            return true;
        }
    }
    return false;
}

/* Words behind which a reply stands. */
static bool is_introduced(struct slice before)
{
    static const char *const words[] = {
        "said",   "returned", "response", "responded", "code",    "error",
        "reply",  "replied",  "status",   "was",       "with",    "message",
        "smtp",   "reason",   "failed",   "answer",    "returns", "says",
        "返回",   "错误",     "原因",     "代码",      "信息",    "错误码",
        "エラー", "応答",     "理由",     "오류",      "fehler",  "meldung",
        "grund",  "erreur",   "motif",    "errore",    "motivo",  "ошибка"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        struct slice word = slice_of(words[i]);
        if (before.len >= word.len &&
            slice_ieq(slice_from(before, before.len - word.len), word)) {
            return true;
        }
    }
    return false;
}

/* How much what stands before i says that a reply begins there. */
static unsigned score_before(struct slice s, size_t i)
{
    size_t end = i;
    bool quote = false, colon = false;
    for (;;) {
        /* U+FF0C "，", U+FF1A "：" and the like, or U+3001 "、" to U+3011 "】" */
        const unsigned char *wide = end >= 3 ? s.ptr + end - 3 : NULL;
        if (wide != NULL && ((wide[0] == 0xef && wide[1] == 0xbc) ||
                             (wide[0] == 0xe3 && wide[1] == 0x80))) {
            end -= 3;
            colon = true;
            continue;
        }
        if (end == 0 || strchr(" \t'\"[(<#:;,", s.ptr[end - 1]) == NULL) {
            break;
        }
        end--;
        quote = quote ||
                (!ascii_is_blank(s.ptr[end]) && s.ptr[end] != ':' && s.ptr[end] != ',');
        colon = colon || s.ptr[end] == ':';
    }
    if (end == 0 || s.ptr[end - 1] == '\n') {
        return 4;
    }
    struct slice last = end > 2 ? slice_sub(s, end - 3, 3) : (struct slice){0};
    /* "<<< 550 ...", and sendmail's own "554 <a@b.example>... 550 Host unknown" */
    if (slice_eq(last, SLICE("<<<")) || (i > end && slice_eq(last, SLICE("...")))) {
        return 5;
    }
    if (is_introduced(slice_sub(s, 0, end))) {
        return 3 + colon;
    }
    /* a sentence of its own: "The mailbox is full. 552 Quota exceeded" */
    bool sentence = i > end && s.ptr[end - 1] == '.' && ascii_is_blank(s.ptr[end]);
    return colon ? 3 : quote || sentence ? 2 : 0;
}

struct candidate {
    unsigned code, score;
    size_t off;
    struct bounce_status status;
};

static void weigh(struct slice s, size_t i, struct candidate *best)
{
    unsigned code = (unsigned)((s.ptr[i] - '0') * 100 + (s.ptr[i + 1] - '0') * 10 +
                               (s.ptr[i + 2] - '0'));
    struct slice after = slice_from(s, i + 3);
    if (is_counted(after)) {
        return;
    }
    struct candidate c = {.code = code, .off = i, .score = score_before(s, i)};
    size_t at = i + 3, end = 0;
    while (at < s.len && at < i + 8 && strchr(" -:#,;\t\r\n(", s.ptr[at]) != NULL) {
        at++;
    }
    /* A zero score may still be a reply: "... Queue file 550 5.1.1 unknown". */
    if (at > i + 3 && at < s.len && status_at(s, at, &c.status, &end)) {
        bool same = c.status.klass == code / 100;
        bool inner = i > 0 && s.ptr[i - 1] == '<';
        c.score += same ? 5 + (inner ? 4U : 0U) : 1;
        c.status = same ? c.status : (struct bounce_status){0};
    }
    c.score += is_known_code(code) ? 2 : 0;
    c.score +=
        after.len > 1 && after.ptr[0] == '-' && !ascii_is_digit(after.ptr[1]) ? 2 : 0;
    /* Of two that are alike, the one that is followed by words: "Status code: 550 5.1.10" */
    size_t from = end > at ? end : at;
    while (from < s.len && strchr(" \t:-;,)<[(\"'", s.ptr[from]) != NULL) {
        from++;
    }
    c.score += c.score >= 4 && from < s.len && is_word(s.ptr[from]);
    c.score -= code == 503 && c.score > 4; /* "need RCPT": another refusal came before */
    if (c.score >= 4 && c.score > best->score) {
        *best = c;
    }
}

bool bounce_find_reply(struct slice text, struct bounce_found *out)
{
    struct candidate best = {0};
    size_t used = 0;
    text = slice_sub(text, 0, BOUNCE_FIND_MAX);
    if (text.len > 3 && text.ptr[0] == '2' && code_at(text, 0) && text.ptr[3] <= '-') {
        *out = (struct bounce_found){.code = 200 + (unsigned)(text.ptr[1] - '0') * 10 +
                                             (unsigned)(text.ptr[2] - '0')};
        if (!bounce_status_parse(slice_from(text, 4), &out->status, &used)) {
            out->status = (struct bounce_status){0};
        }
        return true;
    }
    for (size_t i = 0; i + 3 <= text.len; i++) {
        unsigned char c = text.ptr[i];
        if ((c == '4' || c == '5') && code_at(text, i)) {
            weigh(text, i, &best);
            i += 2;
        }
    }
    *out =
        (struct bounce_found){.code = best.code, .status = best.status, .off = best.off};
    if (out->status.klass != 0) {
        return true;
    }
    size_t off = 0;
    if (best.code != 0) { /* the reply's own status first, then one told before it */
        if (!find_status(text, best.off, best.code / 100, &out->status, &off) &&
            !find_status(text, 0, best.code / 100, &out->status, &off)) {
            out->status = (struct bounce_status){0};
        }
        return true;
    }
    if (!find_status(text, 0, 0, &out->status, &off)) {
        out->status = (struct bounce_status){0};
        return false;
    }
    out->off = off;
    return true;
}

/* --- what stands around a reply --- */

static const struct {
    const char *word;
    enum bounce_stage stage;
} verbs[] = {
    {"end of data", BOUNCE_STAGE_EOM},
    {"end of message", BOUNCE_STAGE_EOM},
    {"final data", BOUNCE_STAGE_EOM},
    {"message body", BOUNCE_STAGE_EOM},
    {"rcpt", BOUNCE_STAGE_RCPT},
    {"recipient", BOUNCE_STAGE_RCPT},
    {"mail from", BOUNCE_STAGE_MAIL},
    {"mail_from", BOUNCE_STAGE_MAIL},
    {"mail command", BOUNCE_STAGE_MAIL},
    {"data", BOUNCE_STAGE_DATA},
    {"text command", BOUNCE_STAGE_EOM},
    {"ehlo", BOUNCE_STAGE_HELO},
    {"helo", BOUNCE_STAGE_HELO},
    {"lhlo", BOUNCE_STAGE_HELO},
    {"starttls", BOUNCE_STAGE_STARTTLS},
    {"auth", BOUNCE_STAGE_AUTH},
    {"initial connection", BOUNCE_STAGE_CONNECT},
    {"initial server greeting", BOUNCE_STAGE_CONNECT},
    {"connect", BOUNCE_STAGE_CONNECT},
};

/* Words that stand right before the command. */
static const char *const openers[] = {
    "in reply to ",   "in response to ", "after pipelined ",
    "after sending ", "after ",          "following ",
    "while sending ", "receiving the ",  "our ",
    ">>> ",           "smtp:",           "[",
    "for ",           "performing the ", "not like "};
/* Whole sayings, of qmail and its kin. */
static const struct {
    const char *words;
    enum bounce_stage stage;
} sayings[] = {
    {"sender was rejected", BOUNCE_STAGE_MAIL},
    {"name was rejected", BOUNCE_STAGE_HELO},
    {"failed after i sent the message", BOUNCE_STAGE_EOM},
    {"failed on data command", BOUNCE_STAGE_DATA},
    {"greylisted at rcpt", BOUNCE_STAGE_RCPT},
};

static enum bounce_stage stage_at(struct slice s)
{
    unsigned char first = ascii_lower(s.ptr[0]);
    for (size_t i = 0; i < sizeof openers / sizeof openers[0]; i++) {
        struct slice opener = slice_of(openers[i]);
        if (opener.ptr[0] != first || !slice_istarts(s, opener)) {
            continue;
        }
        struct slice verb = slice_from(s, opener.len);
        for (size_t k = 0; k < sizeof verbs / sizeof verbs[0]; k++) {
            if (slice_istarts(verb, slice_of(verbs[k].word))) {
                return verbs[k].stage;
            }
        }
    }
    for (size_t i = 0; i < sizeof sayings / sizeof sayings[0]; i++) {
        if ((unsigned char)sayings[i].words[0] == first &&
            slice_istarts(s, slice_of(sayings[i].words))) {
            return sayings[i].stage;
        }
    }
    return BOUNCE_STAGE_UNKNOWN;
}

/* With which the openers and sayings begin. */
static bool begins_stage(unsigned char c)
{
    switch (c) {
    case 'a':
    case 'f':
    case 'g':
    case 'i':
    case 'n':
    case 'o':
    case 'p':
    case 'r':
    case 's':
    case 'w':
    case '>':
    case '[':
        return true;
    default:
        return false;
    }
}

enum bounce_stage bounce_find_stage(struct slice text)
{
    text = slice_sub(text, 0, 1024);
    for (size_t i = 0; i < text.len; i++) {
        if ((i > 0 && is_word(text.ptr[i - 1])) ||
            !begins_stage(ascii_lower(text.ptr[i]))) {
            continue;
        }
        enum bounce_stage stage = stage_at(slice_from(text, i));
        if (stage != BOUNCE_STAGE_UNKNOWN) {
            return stage;
        }
    }
    return BOUNCE_STAGE_UNKNOWN;
}

struct slice bounce_host_token(struct slice s)
{
    size_t i = 0, dots = 0;
    while (i < s.len && (ascii_is_alpha(s.ptr[i]) || ascii_is_digit(s.ptr[i]) ||
                         s.ptr[i] == '-' || s.ptr[i] == '.' || s.ptr[i] == '_')) {
        dots += s.ptr[i] == '.' && i > 0 && i + 1 < s.len;
        i++;
    }
    while (i > 0 && s.ptr[i - 1] == '.') {
        i--;
    }
    bool inner = slice_find(slice_sub(s, 0, i), '.') < i;
    return slice_sub(s, 0, dots > 0 && inner && i > 3 ? i : 0);
}

struct slice bounce_find_host(struct slice text)
{
    static const char *const words[] = {"host ",
                                        "host: ",
                                        "talking to ",
                                        "server ",
                                        "connect to ",
                                        "relay=",
                                        "connected to ",
                                        "conversation with ",
                                        "lost connection with ",
                                        "domain "};
    text = slice_sub(text, 0, 1024);
    struct slice first = bounce_host_token(text), behind = slice_from(text, first.len);
    if (first.len > 0 && (slice_istarts(behind, SLICE(" does not like ")) ||
                          slice_istarts(behind, SLICE(" failed ")))) {
        return first; /* qmail's way */
    }
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = ascii_lower(text.ptr[i]);
        if ((i > 0 && is_word(text.ptr[i - 1])) || c == '\0' ||
            strchr("htscrld", c) == NULL) {
            continue;
        }
        for (size_t k = 0; k < sizeof words / sizeof words[0]; k++) {
            struct slice rest = slice_from(text, i), word = slice_of(words[k]);
            if (word.ptr[0] != c || !slice_istarts(rest, word)) {
                continue;
            }
            rest = slice_from(rest, word.len);
            if (rest.len > 0 && (rest.ptr[0] == '[' || rest.ptr[0] == '<')) {
                rest = slice_from(rest, 1);
            }
            struct slice host = bounce_host_token(rest);
            struct slice by = slice_trim(slice_from(rest, host.len));
            if (words[k][0] == 'd' && slice_istarts(by, SLICE("by "))) {
                host = bounce_host_token(slice_from(by, 3)); /* "for the domain X by Y" */
            }
            if (host.len > 0) {
                return host;
            }
        }
    }
    return (struct slice){0};
}
