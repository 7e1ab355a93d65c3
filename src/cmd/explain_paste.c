/* cmd/explain_paste.c - what people hand over that is not as a server wrote it: see explain.h. */
#include "cmd/explain.h"

#include <iconv.h>
#include <string.h>

enum { LIST_REPLIES = 12 }; /* nobody pastes so many */

static bool is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* --- what is no text --- */

const char *explain_not_text(struct slice head, const char **tool)
{
    static const struct {
        struct slice magic;
        const char *word, *tool;
    } kinds[] = {
        {SLICE_INIT("\x1f\x8b"), "err-compressed", "zcat"},
        {SLICE_INIT("BZh"), "err-compressed", "bzcat"},
        {SLICE_INIT("\xfd"
                    "7zXZ"),
         "err-compressed", "xzcat"},
        {SLICE_INIT("\x28\xb5\x2f\xfd"), "err-compressed", "zstdcat"},
        {SLICE_INIT("PK\x03\x04"), "err-zip", ""},
        {SLICE_INIT("\xd0\xcf\x11\xe0"), "err-outlook", ""},
        {SLICE_INIT("%PDF-"), "err-pdf", ""},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (slice_starts(head, kinds[i].magic)) {
            *tool = kinds[i].tool;
            return kinds[i].word;
        }
    }
    return NULL;
}

bool explain_is_wide(struct slice head)
{
    return slice_starts(head, SLICE("\xff\xfe")) || slice_starts(head, SLICE("\xfe\xff"));
}

bool explain_from_wide(struct slice wide, struct buf *out)
{
    iconv_t cd = iconv_open("UTF-8", "UTF-16"); /* by its mark, which it takes off */
    if (cd == (iconv_t)-1) {
        return false;
    }
    struct buf copy; /* iconv() takes no const */
    buf_init(&copy, EXPLAIN_MESSAGE_MAX + 1);
    bool ok = buf_add(&copy, slice_sub(wide, 0, EXPLAIN_MESSAGE_MAX));
    char *in = (char *)copy.ptr;
    size_t left = ok ? copy.len : 0;
    while (ok && left > 0) {
        char piece[4096], *to = piece;
        size_t room = sizeof piece;
        size_t res = iconv(cd, &in, &left, &to, &room);
        ok = buf_add(out, (struct slice){(unsigned char *)piece, sizeof piece - room});
        if (res == (size_t)-1 && room == sizeof piece) {
            break; /* the rest is half a character, or none */
        }
    }
    (void)iconv_close(cd);
    buf_clear(&copy);
    return ok;
}

/* --- quotes, and lines that a mail program broke --- */

/* The line without the marks that a quotation puts in front of it. */
static struct slice unquoted(struct slice line)
{
    while (line.len > 0 &&
           (is_space(line.ptr[0]) || line.ptr[0] == '>' || line.ptr[0] == '|')) {
        line = slice_from(line, 1);
    }
    return slice_strip(line);
}

/* "550 ", "550-", "550" alone. */
static bool begins_reply(struct slice line)
{
    return line.len >= 3 && line.ptr[0] >= '2' && line.ptr[0] <= '5' &&
           ascii_is_digit(line.ptr[1]) && ascii_is_digit(line.ptr[2]) &&
           (line.len == 3 || line.ptr[3] == ' ' || line.ptr[3] == '-');
}

/* As logs begin their lines: a month, a year, a priority. */
static bool begins_log(struct slice line)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (line.len >= 5 && line.ptr[3] == ' ') {
        for (size_t i = 0; i < sizeof months - 1; i += 3) {
            if (memcmp(line.ptr, months + i, 3) == 0) {
                return true;
            }
        }
    }
    return (line.len >= 5 && ascii_is_digit(line.ptr[0]) && ascii_is_digit(line.ptr[3]) &&
            (line.ptr[4] == '-' || ascii_is_digit(line.ptr[4]))) ||
           (line.len >= 3 && line.ptr[0] == '<' && ascii_is_digit(line.ptr[1]));
}

bool explain_is_list(struct slice head)
{
    struct slice line;
    unsigned replies = 0, lines = 0;
    while (slice_line(&head, &line)) {
        if (begins_log(line)) {
            return false;
        }
        replies += begins_reply(line);
        lines += line.len > 0;
    }
    return replies >= LIST_REPLIES && replies >= lines / 4 * 3;
}

bool explain_is_paste(struct slice text)
{
    struct slice line;
    bool any = false;
    while (slice_line(&text, &line)) {
        line = unquoted(line);
        if (begins_log(line)) {
            return false;
        }
        any = any || line.len > 0;
    }
    return any;
}

/* A line that goes on is joined to the one before by a blank; one that begins a reply, or stands
 * behind an empty line, begins anew. Lines of one reply ("550-...") stay lines. */
bool explain_unfold(struct slice text, struct buf *out)
{
    struct slice line;
    bool fresh = true, in_reply = false;
    while (slice_line(&text, &line)) {
        line = unquoted(line);
        bool starts = begins_reply(line);
        if (line.len == 0) {
            fresh = true;
            continue;
        }
        bool joins = !fresh && !starts && in_reply;
        if (out->len > 0) {
            (void)buf_add_byte(out, joins ? ' ' : '\n');
        }
        (void)buf_add(out, line);
        in_reply = starts || joins;
        fresh = false;
    }
    return out->len > 0 && buf_add_byte(out, '\n');
}

/* All of it as one line: a refusal told in the middle of a sentence that was broken. */
bool explain_join(struct slice text, struct buf *out)
{
    struct slice line;
    while (slice_line(&text, &line)) {
        line = unquoted(line);
        if (line.len > 0 && out->len > 0) {
            (void)buf_add_byte(out, ' ');
        }
        (void)buf_add(out, line);
    }
    return out->len > 0 && !out->failed;
}
