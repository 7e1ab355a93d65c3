/* config/words.h - tables in files of their own: lines of words (pure).
 *
 * Format  words between blanks; what follows a # is a comment; lines without a word mean nothing.
 * Own     words borrow from the text.
 * Limits  WORDS_LINE_MAX words a line. */
#ifndef CONFIG_WORDS_H
#define CONFIG_WORDS_H
#include "base/buf.h"

enum { WORDS_LINE_MAX = 400, WORDS_ERROR_MAX = 300 };

struct words {
    struct slice rest;
    unsigned line; /* its number */
    unsigned n;
    struct slice word[WORDS_LINE_MAX];
};
struct words words_of(struct slice text);
/* The next line that has words; false at the end. A line of too many has WORDS_LINE_MAX. */
MUST_USE bool words_next(struct words *w);
MUST_USE static inline struct slice words_at(const struct words *w, unsigned i)
{
    return i < w->n ? w->word[i] : (struct slice){0};
}

/* A table that is being read. */
struct words_reader {
    struct words w; /* the line */
    void *table;    /* what its lines make */
    char *error;    /* WORDS_ERROR_MAX */
};

/* Has each line taken, and then end() look at the whole (NULL: nothing to look at). False: what is wrong
 * is in error, said by one of them; or memory is short, as also where table is NULL. */
MUST_USE bool words_read(struct slice text, void *table,
                         bool (*take)(struct words_reader *r),
                         bool (*end)(struct words_reader *r),
                         char error[WORDS_ERROR_MAX]);
/* "line 7: 'VALUE': WRONG; expected WHAT" into error; value empty: none. Returns false. */
bool words_wrong(struct words_reader *r, struct slice value, const char *wrong,
                 const char *expected);
#endif
