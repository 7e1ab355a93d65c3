/* cmd/user_words.c - see user_words.h */
#include "cmd/user_words.h"

#include <stdint.h>
#include <string.h>

/* word, what may follow it, the command, its option, a fixed value, a further option. */
static const struct row {
    const char *word, *second, *action, *option, *value, *more;
    const char *usage;
} rows[] = {
    {"lock", NULL, "set", "--state", "locked", NULL, "lock ADDRESS"},
    {"unlock", NULL, "set", "--state", "active", NULL, "unlock ADDRESS"},
    {"grant", NULL, "set", "--grant", NULL, NULL, "grant ADDRESS SENDER"},
    {"ungrant", NULL, "set", "--ungrant", NULL, NULL, "ungrant ADDRESS SENDER"},
    {"allow-network", NULL, "set", "--allow-network", NULL, NULL,
     "allow-network ADDRESS NETWORK"},
    {"app-password", "add", "set", "--app-password", NULL, "--generate",
     "app-password add ADDRESS NAME"},
    {"app-password", "revoke", "set", "--app-password-revoke", NULL, NULL,
     "app-password revoke ADDRESS NAME"},
    {"app-password", "list", "show", NULL, NULL, "--app-passwords",
     "app-password list ADDRESS"},
    {"app-password", NULL, NULL, NULL, NULL, NULL,
     "app-password add|list|revoke ADDRESS [NAME]"},
};

static const struct row *find(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        if (strcmp(r->word, argv[1]) == 0 &&
            (r->second == NULL || (argc > 2 && strcmp(r->second, argv[2]) == 0))) {
            return r;
        }
    }
    return NULL;
}

/* The operands in front; options stay behind. */
static int count_operands(int argc, char **argv, int at)
{
    int n = 0;
    while (at + n < argc && strncmp(argv[at + n], "--", 2) != 0) {
        n++;
    }
    return n;
}

int user_words(int argc, char **argv, char *out[USER_WORDS_MAX], const char **usage)
{
    const struct row *r = find(argc, argv);
    if (r == NULL) {
        return 0;
    }
    int at = r->second == NULL ? 2 : 3;
    int wanted = r->option == NULL || r->value != NULL ? 1 : 2;
    int given = count_operands(argc, argv, at);
    int n = 0;
    *usage = r->usage;
    if (r->action == NULL || given != wanted || argc + 4 > USER_WORDS_MAX) {
        return -1;
    }
    out[n++] = argv[0];
    out[n++] = (char *)(uintptr_t)r->action;
    out[n++] = argv[at];
    if (r->option != NULL) {
        out[n++] = (char *)(uintptr_t)r->option;
        out[n++] = r->value != NULL ? (char *)(uintptr_t)r->value : argv[at + 1];
    }
    if (r->more != NULL) {
        out[n++] = (char *)(uintptr_t)r->more;
    }
    for (int i = at + given; i < argc; i++) {
        out[n++] = argv[i];
    }
    return n;
}
