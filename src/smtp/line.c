/* smtp/line.c - see line.h */
#include "smtp/line.h"

#define X(v) [SMTP_##v] = SLICE_INIT(#v),
static const struct slice verb_names[SMTP_VERB_COUNT] = {SMTP_VERBS(X)};
#undef X

struct slice smtp_verb_name(enum smtp_verb verb)
{
    return verb < SMTP_VERB_COUNT ? verb_names[verb] : SLICE("");
}

static enum smtp_verb verb_of(struct slice word)
{
    for (int v = SMTP_UNKNOWN + 1; v < SMTP_VERB_COUNT; v++) {
        if (slice_ieq(word, verb_names[v])) {
            return (enum smtp_verb)v;
        }
    }
    return SMTP_UNKNOWN;
}

static void split(struct slice line, struct smtp_line *out)
{
    size_t end = line.len;

    /* RFC 5321 4.1.1: "SMTP receivers SHOULD tolerate trailing white space before the
     * terminating <CRLF>" */
    while (end > 0 && (line.ptr[end - 1] == ' ' || line.ptr[end - 1] == '\t')) {
        end--;
    }
    size_t sp = slice_find(slice_sub(line, 0, end), ' ');
    out->word = slice_sub(line, 0, sp);
    out->verb = verb_of(out->word);
    out->args =
        sp < end ? slice_sub(line, sp + 1, end - sp - 1) : slice_sub(line, end, 0);
    out->used = line.len + 2;
}

enum smtp_line_res smtp_line_take(struct slice in, size_t max, struct smtp_line *out)
{
    struct slice seen = slice_sub(in, 0, max);

    for (size_t i = 0; i < seen.len; i++) {
        unsigned char c = seen.ptr[i];
        if (c > '\r') {
            continue;
        }
        if (c == '\0') {
            return SMTP_LINE_BAD_OCTET;
        }
        if (c == '\n') {
            return SMTP_LINE_BARE_EOL;
        }
        if (c == '\r') {
            if (i + 1 == seen.len) {
                break; /* the LF is not here yet, or would be past max */
            }
            if (seen.ptr[i + 1] != '\n') {
                return SMTP_LINE_BARE_EOL;
            }
            split(slice_sub(seen, 0, i), out);
            return SMTP_LINE_OK;
        }
    }
    return in.len >= max ? SMTP_LINE_TOO_LONG : SMTP_LINE_MORE;
}
