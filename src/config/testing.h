/* config/testing.h - what the tests of tables in files of their own share. */
#ifndef CONFIG_TESTING_H
#define CONFIG_TESTING_H
#include "config/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct bad_text {
    const char *text, *says; /* part of the error */
};

/* read: true, or the error. */
static inline void assert_bad_texts(bool (*read)(struct slice text,
                                                 char error[WORDS_ERROR_MAX]),
                                    const struct bad_text *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char error[WORDS_ERROR_MAX];
        assert_false(read(slice_of(cases[i].text), error));
        if (strstr(error, cases[i].says) == NULL) {
            fail_msg("%s: %s", cases[i].text, error);
        }
    }
}

/* Every prefix of a good text is read or refused with words. */
static inline void assert_prefixes(bool (*read)(struct slice text,
                                                char error[WORDS_ERROR_MAX]),
                                   struct slice good)
{
    for (size_t n = 0; n <= good.len; n++) {
        char error[WORDS_ERROR_MAX];
        bool ok = read(slice_sub(good, 0, n), error);
        assert_true(ok == (error[0] == '\0'));
    }
}
#endif
