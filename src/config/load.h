/* config/load.h - one config_load() under way; shared by the three files that do it:
 * config.c (the file), take.c (its settings, one by one), check.c (what needs several).
 *
 * Errors  whoever finds a fault calls load_complain() and stops; the first is told. */
#ifndef CONFIG_LOAD_H
#define CONFIG_LOAD_H
#include "config/parse.h"
#include "config/setting.h"

/* Lines: where something was set; 0: nowhere. */
struct load {
    const char *path;
    struct config *cfg;
    struct buf error;
    bool failed; /* error says why */
    unsigned line[SETTING_N], last_line;
    struct {
        unsigned start, line[LISTENER_SETTINGS];
    } listener[CONFIG_LISTENERS_MAX];
};

/* Starts the message, "file:line: "; line 0: of the whole file. The caller adds to it. */
struct buf *load_complain(struct load *l, unsigned line);
void load_complain_memory(struct load *l);
/* `NAME is "VALUE": WRONG; expected ` - the caller says what. */
struct buf *load_complain_value(struct load *l, unsigned line, const char *name,
                                struct slice text, const char *wrong);
/* A value for the reader's eyes: in quotes, escaped, cut. */
void load_add_value(struct buf *out, struct slice text);

/* Takes what the parser found. */
void load_start_section(struct load *l, const struct parse_event *ev);
void load_end_section(struct load *l, struct slice section);
void load_take(struct load *l, struct slice section, const struct parse_event *ev);

/* The checks behind the last line; makes paths absolute. */
void load_check(struct load *l);
#endif
