/* libbounce/explain.h - the pages of catalogue/explain, compiled in (tools/gen-explain.py). */
#ifndef LIBBOUNCE_EXPLAIN_H
#define LIBBOUNCE_EXPLAIN_H
#include <stddef.h>

enum { EXPLAIN_LANGUAGES_N = 4 };
extern const char *const explain_languages[EXPLAIN_LANGUAGES_N]; /* English first */

struct explain_text {
    const char *title, *cause, *remedy; /* NULL: not written in this language */
};
struct explain_page {
    const char *kind, *id, *code, *status, *reply;
    struct explain_text text[EXPLAIN_LANGUAGES_N];
};
extern const struct explain_page explain_pages[]; /* by kind, then id */
extern const size_t explain_pages_n;

struct explain_word {
    const char *id, *text[EXPLAIN_LANGUAGES_N];
};
extern const struct explain_word explain_words[]; /* by id */
extern const size_t explain_words_n;
#endif
