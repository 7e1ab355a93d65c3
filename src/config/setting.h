/* config/setting.h - the table of settings at run time: taking a value, printing it,
 * describing what is expected. What config_load(), check-config --defaults and the man
 * page share.
 *
 * Own     values belong to the struct config that they were taken into. */
#ifndef CONFIG_SETTING_H
#define CONFIG_SETTING_H
#include "base/buf.h"
#include "config/config.h"

enum setting_type {
    SETTING_STR = 0,
    SETTING_DOMAIN,
    SETTING_PATH,
    SETTING_DIR,
    SETTING_ENDPOINT,
    SETTING_INT,
    SETTING_SIZE,
    SETTING_TIME,
    SETTING_BOOL,
    SETTING_ENUM,
    SETTING_TIMES,
    SETTING_NETWORKS,
    SETTING_RESOLVERS,
    SETTING_PATHS,
    SETTING_WORDS,
    SETTING_ZONES,
    SETTING_LISTS,
    SETTING_NAMES,
    SETTING_WAITS,
    SETTING_EXCEPTIONS,
    SETTING_MILTERS,
    SETTING_RATES,
    SETTING_LIMIT,
    SETTING_LIMITS,
    SETTING_ADDRESSES,
    SETTING_DOMAINS,
    SETTING_TYPES
};

struct setting {
    const char *section, *name;
    enum setting_type type;
    size_t offset; /* of its field in struct config */
    const char *def;
    uint64_t least, most;
    const char *words, *help;
};

#define X(section, name, field, type, def, min, max, words, help) SETTING_ROW_##field,
enum { CONFIG_SETTINGS(X) SETTING_N };
#undef X
extern const struct setting settings[SETTING_N];

/* What stands in a listener section; `form`: its words with | between, or what else. */
struct listener_setting {
    const char *name, *form, *help;
};
enum {
    LISTENER_ADDRESS = 0,
    LISTENER_SERVICE,
    LISTENER_TLS,
    LISTENER_PROXY, /* may be left out, as all behind it */
    LISTENER_AUTH_IN_CLEAR,
    LISTENER_SETTINGS
};
extern const struct listener_setting listener_settings[LISTENER_SETTINGS];

/* Number of a word in "a|b|c"; -1: none of them. */
MUST_USE int setting_word(const char *words, struct slice text);
/* "a, b or c" */
void setting_add_words(const char *words, struct buf *out);

/* NULL: there is none. */
MUST_USE const struct setting *setting_find(struct slice section, struct slice name);
MUST_USE bool setting_is_section(struct slice name);
MUST_USE bool setting_is_list(const struct setting *s);

/* One value, or one more item of a list. NULL: taken; otherwise what is wrong with it. */
MUST_USE const char *setting_take(const struct setting *s, struct slice text,
                                  struct config *cfg);
/* Default into a zeroed field; false: memory, or the table is wrong. */
MUST_USE bool setting_default(const struct setting *s, struct config *cfg);
/* Frees what the field holds; a list is empty after it. */
void setting_clear(const struct setting *s, struct config *cfg);

/* "limits.message-size" */
void setting_path(const struct setting *s, struct buf *out);
/* "a size from 1 KiB to 1 GiB, such as "35 MiB"" */
void setting_expected(const struct setting *s, struct buf *out);
/* The value as it may stand in a file: quoted where it needs to be, lists in braces. */
void setting_print(const struct setting *s, const struct config *cfg, struct buf *out);
/* A string in quotes, with escapes. */
void setting_quote(struct slice text, struct buf *out);
#endif
