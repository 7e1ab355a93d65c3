/* message/msg_id.c - see msg_id.h */
#include "message/msg_id.h"

#include "message/address_list.h"

/* The length of "<...>" at the start of s, 0: it never ends, or a control stands in it. blank: one
 * does, or a fold; in a quoted string at its start neither blanks nor "@" count. */
static size_t bracketed_len(struct slice s, size_t *at, bool *blank)
{
    bool quoted = false;
    *at = 0;
    *blank = false;
    for (size_t i = 1; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (c == '>' && !quoted) {
            return i + 1;
        }
        size_t fold = lex_blanks(slice_from(s, i));
        if (fold > 0) {
            *blank = *blank || !quoted;
            i += fold - 1;
        } else if (c < ' ' || c == 0x7f) {
            return 0;
        } else if (c == '\\' && quoted && i + 1 < s.len && s.ptr[i + 1] > ' ') {
            i++;
        } else if (c == '"' && (quoted || i == 1)) {
            quoted = !quoted;
        } else if (c == '@' && !quoted) {
            *at = i;
        }
    }
    return 0;
}

static void pass_by(void *arg, const struct address *a)
{
    (void)arg;
    (void)a;
}

/* msg-id = [CFWS] "<" id-left "@" id-right ">" [CFWS] */
const char *msg_id_fault(struct slice value)
{
    struct slice s = slice_from(value, lex_cfws(value));
    size_t at = 0;
    bool blank = false;
    if (s.len == 0) {
        return "it is empty";
    }
    if (s.ptr[0] != '<') {
        return "it does not begin with <";
    }
    size_t len = bracketed_len(s, &at, &blank);
    if (len == 0) {
        return "it never ends, or has a control character";
    }
    if (at < 2 || at + 2 == len) {
        return "it is not of the form <left@right>";
    }
    if (blank && address_list(slice_sub(s, 0, len), ADDRESS_ONE, pass_by, NULL) == NULL) {
        blank = false; /* obs-id-left and obs-id-right are those of an obsolete address */
    }
    s = slice_from(s, len);
    return blank                  ? "a blank stands in it"
           : lex_cfws(s) != s.len ? "something stands behind it"
                                  : NULL;
}

const char *msg_id_list_fault(struct slice value)
{
    struct slice s = value;
    for (;;) {
        s = slice_from(s, lex_cfws(s));
        if (s.len == 0) {
            return NULL;
        }
        size_t at = 0;
        bool blank = false;
        size_t len = s.ptr[0] == '<' ? bracketed_len(s, &at, &blank) : 1;
        if (len == 0) {
            return "an identifier in it never ends, or has a control character";
        }
        if (s.ptr[0] < ' ' || s.ptr[0] == 0x7f) {
            return "a control character stands in it";
        }
        s = slice_from(s, len);
    }
}
