/* bounce/parse_words.c - looking for words in a notice; see parse_impl.h */
#include "bounce/address_find.h"
#include "bounce/parse_impl.h"

/* The index of a list; built when it is first asked for. Lists are static, so their addresses
 * name them. NULL: there is no place left. */
static const struct word_index *index_of(struct bounce_parser *p,
                                         const char *const *words)
{
    size_t slot = ((uintptr_t)words / sizeof *words) % WORD_LISTS_MAX;
    struct word_index *x = &p->index[slot];
    for (size_t i = 0; x->words != words && x->words != NULL; i++) {
        if (i == WORD_LISTS_MAX) {
            return NULL;
        }
        slot = (slot + 1) % WORD_LISTS_MAX;
        x = &p->index[slot];
    }
    if (x->words == words) {
        return x;
    }
    x->words = words;
    for (unsigned i = 0; i < WORDS_MAX && words[i] != NULL; i++) {
        unsigned char c = ascii_lower((unsigned char)words[i][0]);
        x->len[i] = (uint8_t)slice_of(words[i]).len;
        x->second[i] = ascii_lower((unsigned char)words[i][1]);
        x->next[i] = x->head[c];
        x->head[c] = (uint8_t)(i + 1);
        if (c >= 'a' && c <= 'z') {
            x->head[c - 'a' + 'A'] = x->head[c];
        }
    }
    return x;
}

/* The word at place i, from 1. */
static struct slice word_of(const struct word_index *x, unsigned i)
{
    return (struct slice){(const unsigned char *)x->words[i - 1], x->len[i - 1]};
}

/* One pass for all words: those that begin with the octet at hand are tried there. */
unsigned text_which(struct bounce_parser *p, struct slice s, const char *const *words)
{
    const struct word_index *x = index_of(p, words);
    if (s.len < 2 || x == NULL) {
        return 0;
    }
    for (size_t at = 0; at + 1 < s.len; at++) {
        unsigned i = x->head[s.ptr[at]];
        if (i == 0) {
            continue;
        }
        unsigned char second = ascii_lower(s.ptr[at + 1]);
        for (; i != 0; i = x->next[i - 1]) {
            if (x->second[i - 1] == second &&
                slice_istarts(slice_from(s, at), word_of(x, i))) {
                return i;
            }
        }
    }
    return 0;
}

bool text_has(struct bounce_parser *p, struct slice s, const char *const *words)
{
    return text_which(p, s, words) != 0;
}

/* The same by the octet with which they end. */
static const struct word_index *ends_of(struct bounce_parser *p, const char *const *words)
{
    unsigned i = 0;
    while (i < END_LISTS_MAX && p->ends[i].words != words && p->ends[i].words != NULL) {
        i++;
    }
    if (i == END_LISTS_MAX) {
        return NULL;
    }
    struct word_index *x = &p->ends[i];
    if (x->words == words) {
        return x;
    }
    x->words = words;
    for (unsigned k = 0; k < WORDS_MAX && words[k] != NULL; k++) {
        struct slice word = slice_of(words[k]);
        unsigned char c = ascii_lower(word.ptr[word.len - 1]);
        x->len[k] = (uint8_t)word.len;
        x->next[k] = x->head[c];
        x->head[c] = (uint8_t)(k + 1);
    }
    return x;
}

bool text_ends(struct bounce_parser *p, struct slice s, const char *const *words)
{
    const struct word_index *x = ends_of(p, words);
    if (s.len == 0 || x == NULL) {
        return false;
    }
    for (unsigned i = x->head[ascii_lower(s.ptr[s.len - 1])]; i != 0;
         i = x->next[i - 1]) {
        struct slice word = word_of(x, i);
        if (s.len < word.len || !slice_ieq(slice_from(s, s.len - word.len), word)) {
            continue;
        }
        if (s.len == word.len || !ascii_is_alpha(s.ptr[s.len - word.len - 1])) {
            return true;
        }
    }
    return false;
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

bool text_is_daemon(struct slice address)
{
    return slice_istarts(address, SLICE("mailer-daemon@")) ||
           slice_istarts(address, SLICE("postmaster@"));
}

bool text_names_author(struct slice line, bool *daemon)
{
    static const char *const words[] = {"from", "von",    "de",   "da",
                                        "van",  "från",   "от",   "发件人",
                                        "寄件", "差出人", "보낸", NULL};
    struct address_found f;
    while (line.len > 0 && line.ptr[0] < 0x80 && !ascii_is_alpha(line.ptr[0])) {
        line = slice_from(line, 1);
    }
    if (!text_starts(line, words) || !address_find(line, 0, &f)) {
        return false;
    }
    *daemon = text_is_daemon(f.address);
    return true;
}
