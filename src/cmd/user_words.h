/* cmd/user_words.h - postern user lock|unlock|grant|ungrant|allow-network|app-password: other
 * words for what `user set` and `user show` do. */
#ifndef CMD_USER_WORDS_H
#define CMD_USER_WORDS_H
#include <stdbool.h>

enum { USER_WORDS_MAX = 32 };

/* Of the arguments (argv[0]: "user") those in the words of set and show, into out, which borrows
 * from argv. Returns how many, 0: these are no such words; -1: they are, but wrong: *usage says
 * how they go. */
int user_words(int argc, char **argv, char *out[USER_WORDS_MAX], const char **usage);
#endif
