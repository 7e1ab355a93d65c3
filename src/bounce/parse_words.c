/* bounce/parse_words.c - looking for words in a notice; see parse_impl.h */
#include "bounce/parse_impl.h"

enum { WORDS_MAX = 128 };

/* One pass for all words: those that begin with the octet at hand are tried there. */
unsigned text_which(struct slice s, const char *const *words)
{
    uint8_t head[256] = {0}, next[WORDS_MAX];
    if (s.len < 2) {
        return 0;
    }
    for (unsigned i = 0; i < WORDS_MAX - 1 && words[i] != NULL; i++) {
        unsigned char c = ascii_lower((unsigned char)words[i][0]);
        next[i + 1] = head[c];
        head[c] = (uint8_t)(i + 1);
    }
    for (size_t at = 0; at + 1 < s.len; at++) {
        unsigned i = head[ascii_lower(s.ptr[at])];
        unsigned char second = ascii_lower(s.ptr[at + 1]);
        for (; i != 0; i = next[i]) {
            const char *word = words[i - 1];
            if (ascii_lower((unsigned char)word[1]) == second &&
                slice_istarts(slice_from(s, at), slice_of(word))) {
                return i;
            }
        }
    }
    return 0;
}

bool text_has(struct slice s, const char *const *words)
{
    return text_which(s, words) != 0;
}

bool text_starts(struct slice s, const char *const *words)
{
    unsigned char first = s.len > 0 ? ascii_lower(s.ptr[0]) : 0;
    for (; *words != NULL; words++) {
        if ((unsigned char)**words == first && slice_istarts(s, slice_of(*words))) {
            return true;
        }
    }
    return false;
}

bool text_is_rule(unsigned char c)
{
    return c == '-' || c == '=' || c == '*' || c == '_' || c == '#' || c == '>' ||
           c == ' ' || c == '\t' || c == '+' || c == '~';
}

/* "550 ", "554 5.1.1 ": the start of a transcript's line. */
bool text_is_code(struct slice s)
{
    size_t used = 0;
    struct bounce_status status;
    if (s.len < 3 || !ascii_is_digit(s.ptr[0]) || !ascii_is_digit(s.ptr[1]) ||
        !ascii_is_digit(s.ptr[2])) {
        return false;
    }
    s = slice_trim(slice_from(s, 3));
    s = s.len > 0 && s.ptr[0] == '-' ? slice_trim(slice_from(s, 1)) : s;
    return s.len == 0 || (bounce_status_parse(s, &status, &used) && used == s.len);
}
