/* config/take.c - the file's settings, one by one, into a struct config. See load.h */
#include "config/load.h"

#include "base/nearest.h"

#include <stdlib.h>
#include <string.h>

enum { LISTENER_NAME_MAX = 64, ADDRESS_MAX = 80 };

static void complain_setting(struct load *l, unsigned line, const struct setting *s,
                             struct slice text, const char *wrong)
{
    char name[64] = "";
    struct buf path;
    buf_init(&path, sizeof name);
    setting_path(s, &path);
    const char *shown = slice_cstr(buf_slice(&path), name, sizeof name) ? name : s->name;
    setting_expected(s, load_complain_value(l, line, shown, text, wrong));
    buf_clear(&path);
}

static bool is_listener(struct slice section)
{
    return slice_eq(section, SLICE("listener"));
}

/* Unknown settings ------------------------------------------------------------------- */

/* "limits.recipients", as the manual writes of it. */
static bool is_setting_of(const struct setting *s, struct slice dotted)
{
    size_t dot = slice_find(dotted, '.');
    return dot < dotted.len &&
           slice_eq(slice_of(s->section), slice_sub(dotted, 0, dot)) &&
           slice_eq(slice_of(s->name), slice_from(dotted, dot + 1));
}

/* Where a setting of that name belongs: it may only stand in the wrong place. */
static bool suggest_section(struct buf *e, struct slice section, struct slice name)
{
    for (unsigned i = 0; i < SETTING_N; i++) {
        if (is_setting_of(&settings[i], name)) {
            buf_add_fmt(e, "; expected %s { %s = ... }", settings[i].section,
                        settings[i].name);
            return true;
        }
    }
    for (unsigned i = 0; i < SETTING_N; i++) {
        if (slice_eq(slice_of(settings[i].name), name)) {
            if (settings[i].section[0] == '\0') {
                buf_add_str(e, "; expected it outside of any section");
            } else {
                buf_add_fmt(e, "; expected it in %s { ... }", settings[i].section);
            }
            return true;
        }
    }
    for (unsigned i = 0; i < LISTENER_SETTINGS && !is_listener(section); i++) {
        if (slice_eq(slice_of(listener_settings[i].name), name)) {
            buf_add_str(e, "; expected it in listener \"NAME\" { ... }");
            return true;
        }
    }
    return false;
}

static void complain_unknown_setting(struct load *l, unsigned line, struct slice section,
                                     struct slice name)
{
    struct nearest near = nearest_to(name);
    struct buf *e = load_complain(l, line);
    buf_add_str(e, "unknown setting ");
    load_add_value(e, name);
    if (section.len > 0) {
        buf_add_str(e, " in section ");
        buf_add(e, section);
    }
    if (section.len == 0 && setting_is_section(name)) {
        buf_add_str(e, "; it is a section: expected ");
        buf_add(e, name);
        buf_add_str(e, " { ... }");
        return;
    }
    if (suggest_section(e, section, name)) {
        return;
    }
    for (unsigned i = 0; i < SETTING_N; i++) {
        if (slice_eq(slice_of(settings[i].section), section)) {
            nearest_offer(&near, settings[i].name);
        }
    }
    for (unsigned i = 0; i < LISTENER_SETTINGS && is_listener(section); i++) {
        nearest_offer(&near, listener_settings[i].name);
    }
    if (near.word != NULL) {
        buf_add_fmt(e, "; did you mean \"%s\"?", near.word);
        return;
    }
    buf_add_str(e, "; expected one of");
    for (unsigned i = 0; i < SETTING_N; i++) {
        if (slice_eq(slice_of(settings[i].section), section)) {
            buf_add_fmt(e, " %s", settings[i].name);
        }
    }
    for (unsigned i = 0; i < LISTENER_SETTINGS && is_listener(section); i++) {
        buf_add_fmt(e, " %s", listener_settings[i].name);
    }
}

static void complain_unknown_section(struct load *l, const struct parse_event *ev)
{
    struct nearest near = nearest_to(ev->name);
    struct buf *e = load_complain(l, ev->line);
    buf_add_str(e, "unknown section ");
    load_add_value(e, ev->name);
    nearest_offer(&near, "listener");
    for (unsigned i = 0; i < SETTING_N; i++) {
        nearest_offer(&near, settings[i].section);
    }
    if (near.word != NULL && near.word[0] != '\0') {
        buf_add_fmt(e, "; did you mean \"%s\"?", near.word);
        return;
    }
    buf_add_str(e, "; expected one of listener");
    for (unsigned i = 1; i < SETTING_N; i++) {
        if (strcmp(settings[i].section, settings[i - 1].section) != 0) {
            buf_add_fmt(e, " %s", settings[i].section);
        }
    }
}

/* Listeners -------------------------------------------------------------------------- */

static void start_listener(struct load *l, const struct parse_event *ev)
{
    struct config *cfg = l->cfg;
    if (ev->text.len == 0 || ev->text.len > LISTENER_NAME_MAX) {
        buf_add_fmt(load_complain(l, ev->line),
                    "listener without a name of 1 to %d characters; expected "
                    "listener \"NAME\" { ... }",
                    LISTENER_NAME_MAX);
        return;
    }
    for (unsigned i = 0; i < cfg->listener_n; i++) {
        if (slice_eq(slice_of(cfg->listener[i].name), ev->text)) {
            struct buf *e = load_complain(l, ev->line);
            buf_add_str(e, "listener ");
            load_add_value(e, ev->text);
            buf_add_fmt(e, " stands in line %u already; expected another name",
                        l->listener[i].start);
            return;
        }
    }
    if (cfg->listener_n == CONFIG_LISTENERS_MAX) {
        buf_add_fmt(load_complain(l, ev->line), "too many listeners; expected at most %d",
                    CONFIG_LISTENERS_MAX);
        return;
    }
    struct config_listener *li = &cfg->listener[cfg->listener_n];
    li->name = strndup((const char *)ev->text.ptr, ev->text.len);
    if (li->name == NULL) {
        load_complain_memory(l);
        return;
    }
    l->listener[cfg->listener_n++].start = ev->line;
}

static void add_address(struct load *l, struct config_listener *li,
                        const struct parse_event *ev)
{
    char text[ADDRESS_MAX + 1];
    struct sockaddr_storage address;
    socklen_t len;
    if (!slice_cstr(ev->text, text, sizeof text) ||
        !config_address_parse(text, &address, &len)) {
        buf_add_str(load_complain_value(l, ev->line, "address", ev->text,
                                        "it is no address with a port"),
                    "\"192.0.2.1:25\" or \"[2001:db8::1]:25\"");
        return;
    }
    if (li->address_n == CONFIG_ADDRESSES_MAX) {
        buf_add_fmt(load_complain(l, ev->line), "too many addresses; expected at most %d",
                    CONFIG_ADDRESSES_MAX);
        return;
    }
    li->address[li->address_n] = strdup(text);
    if (li->address[li->address_n] == NULL) {
        load_complain_memory(l);
        return;
    }
    li->address_n++;
}

/* Number of the word; -1 and a complaint: none of the row's. */
static int take_word(struct load *l, const struct parse_event *ev, unsigned row)
{
    const struct listener_setting *s = &listener_settings[row];
    int word = setting_word(s->form, ev->text);
    if (word < 0) {
        setting_add_words(s->form, load_complain_value(l, ev->line, s->name, ev->text,
                                                       "it is none of the words"));
    }
    return word;
}

static void complain_again(struct load *l, unsigned line, const char *name,
                           unsigned first)
{
    buf_add_fmt(load_complain(l, line), "%s stands in line %u already; expected it once",
                name, first);
}

static void complain_list(struct load *l, const struct parse_event *ev)
{
    struct buf *e = load_complain(l, ev->line);
    buf_add_escaped(e, ev->name);
    buf_add_str(e, " takes no list; expected one value without braces");
}

static void take_listener_setting(struct load *l, const struct parse_event *ev)
{
    unsigned number = l->cfg->listener_n - 1, row = 0;
    struct config_listener *li = &l->cfg->listener[number];
    while (row < LISTENER_SETTINGS &&
           !slice_eq(slice_of(listener_settings[row].name), ev->name)) {
        row++;
    }
    if (row == LISTENER_SETTINGS) {
        complain_unknown_setting(l, ev->line, SLICE("listener"), ev->name);
        return;
    }
    unsigned *line = &l->listener[number].line[row];
    if (ev->kind != PARSE_ITEM) {
        if (*line > 0) {
            complain_again(l, ev->line, listener_settings[row].name, *line);
            return;
        }
        *line = ev->line;
    }
    if (row == LISTENER_ADDRESS) {
        if (ev->kind != PARSE_LIST) {
            add_address(l, li, ev);
        }
        return;
    }
    if (ev->kind == PARSE_LIST) {
        complain_list(l, ev);
        return;
    }
    int word = take_word(l, ev, row);
    if (word >= 0 && row == LISTENER_SERVICE) {
        li->service = (enum config_service)word;
    } else if (word >= 0 && row == LISTENER_TLS) {
        li->tls = (enum config_tls)word;
    } else if (word >= 0 && row == LISTENER_PROXY) {
        li->proxy = word == 1;
    } else if (word >= 0) {
        li->auth_in_clear = (enum config_clear)word;
    }
}

/* All rows up to LISTENER_PROXY must have been given, and at least one address. */
static void end_listener(struct load *l)
{
    unsigned number = l->cfg->listener_n - 1;
    const struct config_listener *li = &l->cfg->listener[number];
    for (unsigned row = 0; row < LISTENER_PROXY; row++) {
        if (l->listener[number].line[row] > 0 &&
            (row != LISTENER_ADDRESS || li->address_n > 0)) {
            continue;
        }
        struct buf *e = load_complain(l, l->listener[number].start);
        buf_add_str(e, "listener ");
        load_add_value(e, slice_of(li->name));
        buf_add_fmt(e, " has no %s; expected %s = %s", listener_settings[row].name,
                    listener_settings[row].name,
                    row == LISTENER_ADDRESS ? "{\"192.0.2.1:25\"}"
                                            : listener_settings[row].form);
        return;
    }
}

/* Other sections --------------------------------------------------------------------- */

/* Other sections --------------------------------------------------------------------- */

void load_start_section(struct load *l, const struct parse_event *ev)
{
    if (is_listener(ev->name)) {
        start_listener(l, ev);
    } else if (!setting_is_section(ev->name)) {
        complain_unknown_section(l, ev);
    } else if (ev->titled) {
        struct buf *e = load_complain(l, ev->line);
        buf_add_str(e, "section ");
        buf_add(e, ev->name);
        buf_add_str(e, " takes no name; expected { behind it");
    }
}

static void take_setting(struct load *l, struct slice section,
                         const struct parse_event *ev)
{
    const struct setting *s = setting_find(section, ev->name);
    if (s == NULL) {
        complain_unknown_setting(l, ev->line, section, ev->name);
        return;
    }
    unsigned *line = &l->line[s - settings];
    if (ev->kind != PARSE_ITEM) {
        if (*line > 0) {
            complain_again(l, ev->line, s->name, *line);
            return;
        }
        *line = ev->line;
        if (setting_is_list(s)) {
            setting_clear(s, l->cfg); /* what was there is the default */
        }
    }
    if (ev->kind == PARSE_LIST) {
        if (!setting_is_list(s)) {
            complain_list(l, ev);
        }
        return;
    }
    const char *wrong = setting_take(s, ev->text, l->cfg);
    if (wrong != NULL) {
        complain_setting(l, ev->line, s, ev->text, wrong);
    }
}

void load_end_section(struct load *l, struct slice section)
{
    if (is_listener(section)) {
        end_listener(l);
    }
}

void load_take(struct load *l, struct slice section, const struct parse_event *ev)
{
    if (is_listener(section)) {
        take_listener_setting(l, ev);
    } else {
        take_setting(l, section, ev);
    }
}
