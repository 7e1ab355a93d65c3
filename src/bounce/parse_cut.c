/* bounce/parse_cut.c - where a notice ends and the copy of the original begins; see parse_impl.h */
#include "bounce/parse_impl.h"

/* clang-format off */
/* What announces it, behind rules and bullets. */
static const char *const copy_starts[] = {
    "this is a copy of", "a copy of the", "below this line", "below is a copy",
    "included is a copy", "enclosed is a copy", "attached is a copy", "here is a copy",
    "copy of message", "the header of the original", "the headers of the original",
    "original message", "message header", "original mail", "unsent message",
    "returned message", "undelivered message", "your original message",
    "start of returned", "rejected message", "undeliverable message",
    "message contents", "headers of the original", "the original message follows",
    "returned mail follows", "original headers", "message text follows",
    "your message follows", "message follows", "text of your message",
    "message body follows", "the first", "beginning of original",
    "ursprüngliche nachricht", "originalnachricht", "message d'origine",
    "message original", "mensaje original", "mensagem original", "messaggio originale",
    "исходное сообщение", "ursprungligt meddelande", "originalmeddelande", "原始邮件",
    "原始郵件", "邮件原文", "原郵件", "元のメッセージ", "原文", "원본 메시지", NULL};
/* From here on the same words also begin sentences that announce nothing. */
static const char *const *const copy_plain = copy_starts + 11;
static const char *const copy_not[] = {
    " was ", " has ", " is ", " could", " size", " id", " from", " to ", " detail", NULL};
static const char *const header_starts[] = {
    "received:", "return-path:", "x-received:", "dkim-signature:",
    "x-google-smtp-source:", "message-id:", "mime-version:", "arc-seal:",
    "x-originating-ip:", "content-transfer-encoding:", "authentication-results:",
    NULL};
/* clang-format on */

static bool announces_copy(struct slice line)
{
    while (line.len > 0 && text_is_rule(line.ptr[0])) {
        line = slice_from(line, 1);
    }
    unsigned char first = line.len > 0 ? ascii_lower(line.ptr[0]) : 0;
    for (const char *const *w = copy_starts; *w != NULL; w++) {
        if ((unsigned char)**w != first) {
            continue;
        }
        struct slice word = slice_of(*w);
        if (slice_istarts(line, word)) {
            struct slice rest = slice_from(line, word.len);
            bool plain = w >= copy_plain && text_starts(rest, copy_not);
            return rest.len < 60 && !plain &&
                   !(slice_eq(word, SLICE("the first")) &&
                     slice_isearch(rest, SLICE("lines")) == rest.len);
        }
    }
    return false;
}

/* A header section begins at line: another field follows, folded lines between. */
static bool begins_header(struct slice line, struct slice rest)
{
    struct slice next;
    if (!text_starts(line, header_starts)) {
        return false;
    }
    for (int i = 0; i < 16 && slice_line(&rest, &next); i++) {
        if (next.len > 0 && (next.ptr[0] == ' ' || next.ptr[0] == '\t')) {
            continue;
        }
        size_t colon = slice_find(slice_sub(next, 0, 64), ':');
        return colon > 0 && colon < 64 && colon < next.len &&
               slice_find(slice_sub(next, 0, colon), ' ') == colon;
    }
    return false;
}

/* Not a copy begins, but a report that somebody passes on: its author stands next. */
static bool begins_report(struct slice rest)
{
    struct slice line;
    bool daemon = false;
    for (int i = 0; i < 4 && slice_line(&rest, &line); i++) {
        if (text_names_author(line, &daemon)) {
            break;
        }
    }
    return daemon;
}

/* "The text of your message was:" above marked lines. */
static bool begins_quotation(struct slice line, struct slice rest, struct slice above)
{
    static const char *const words[] = {"message", "original", "text", "wrote", "mail"};
    struct slice next;
    bool announced = false;
    if (line.ptr[0] != '>' || slice_starts(line, SLICE(">>> ")) || above.len == 0 ||
        above.ptr[above.len - 1] != ':') {
        return false;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0] && !announced; i++) {
        announced = slice_isearch(above, slice_of(words[i])) < above.len;
    }
    return announced && slice_line(&rest, &next) && slice_starts(next, SLICE(">"));
}

size_t text_cut(struct slice text, bool quotes)
{
    struct slice rest = slice_sub(text, 0, NOTICE_MAX), line, above = {0};
    bool said = false;
    while (slice_line(&rest, &line)) {
        size_t at = (size_t)(line.ptr - text.ptr);
        struct slice t = slice_strip(line);
        if (t.len == 0) {
            continue;
        }
        if (said &&
            ((announces_copy(t) && !begins_report(rest)) || begins_header(line, rest) ||
             (quotes && begins_quotation(t, rest, above)))) {
            return at;
        }
        said = true;
        above = t;
    }
    return text.len < NOTICE_MAX ? text.len : NOTICE_MAX;
}
