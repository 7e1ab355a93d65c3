/* config/describe.c - see describe.h */
#include "config/describe.h"

#include "config/setting.h"

#include <stdlib.h>
#include <string.h>

/* One line each: what a section is for. The table of settings knows only their names. */
static const struct {
    const char *name, *help;
} sections[] = {
    {"", "The server as a whole"},
    {"tls", "Certificate for listeners that offer TLS"},
    {"trust", "Whose word about others is believed"},
    {"dns", "Where names are looked up"},
    {"limits", "What one client, session or message may take"},
    {"auth", "Logging in, and guessing at it"},
    {"oauth", "Whom to ask about access tokens"},
    {"checks", "What becomes of mail that fails a check: off, not looked at; observe, "
               "only noted in the trace; defer, 4yz; reject; ladder, a growing share "
               "4yz, then all, then refused"},
    {"rate", "How much of what has come, counted"},
    {"complaints", "Feedback reports that come as mail"},
    {"milter", "Filters that see each message: milters, such as OpenDKIM and ClamAV's"},
    {"rspamd", "A filter that sees each message: rspamd, over its HTTP protocol"},
    {"content", "What is looked for in messages and their attachments"},
    {"spool", "Where accepted messages wait, on disk"},
    {"queue", "How long and how often delivery is tried"},
    {"push", "Mail of push accounts"},
    {"directory", "Domains, users and aliases"},
    {"delivery", "Where mail for our own users goes"},
    {"trace", "The memory of postern why"},
    {"webhook", "Events of accounts, posted to servers of theirs"},
    {"log", "Lines on standard error"},
};
enum { SECTION_N = sizeof sections / sizeof sections[0] };

static const char listener_help[] =
    "One section for each service, with a name of your choice; at least one";

static struct slice default_of(const struct setting *s, struct buf *text)
{
    struct config *cfg = calloc(1, sizeof *cfg);
    buf_reset(text);
    if (cfg == NULL || !setting_default(s, cfg)) {
        text->failed = true;
    } else {
        setting_print(s, cfg, text);
    }
    if (cfg != NULL) {
        setting_clear(s, cfg);
    }
    free(cfg);
    return buf_slice(text);
}

/* The default file ---------------------------------------------------------------- */

static void add_setting(const struct setting *s, struct buf *value, struct buf *out)
{
    const char *indent = s->section[0] == '\0' ? "" : "    ";
    struct slice def = default_of(s, value);
    buf_add_fmt(out, "%s# %s\n%s# (", indent, s->help, indent);
    setting_expected(s, out);
    buf_add_str(out, "; default ");
    buf_add(out, def);
    buf_add_fmt(out, ")\n%s%s = ", indent, s->name);
    buf_add(out, def);
    buf_add_str(out, "\n");
    out->failed = out->failed || value->failed;
}

void describe_defaults(struct buf *out)
{
    struct buf value;
    buf_init(&value, out->max);
    buf_add_str(out, "# Every setting of Postern at its default; see postern.conf(5).\n"
                     "# A file need hold only those that differ, and the listeners.\n");
    for (unsigned k = 0; k < SECTION_N; k++) {
        bool top = sections[k].name[0] == '\0';
        buf_add_fmt(out, "\n# %s.\n", sections[k].help);
        if (!top) {
            buf_add_fmt(out, "%s {\n", sections[k].name);
        }
        for (unsigned i = 0; i < SETTING_N; i++) {
            if (strcmp(settings[i].section, sections[k].name) == 0) {
                add_setting(&settings[i], &value, out);
            }
        }
        buf_add_str(out, top ? "" : "}\n");
    }
    static const char *const sample[LISTENER_SETTINGS] = {"{\"127.0.0.1:2525\"}", "mx",
                                                          "none", "no", "default"};
    buf_add_fmt(out, "\n# %s.\nlistener \"mx\" {\n", listener_help);
    for (unsigned i = 0; i < LISTENER_SETTINGS; i++) {
        buf_add_fmt(out, "    # %s\n    # (%s; %s)\n    %s = %s\n",
                    listener_settings[i].help, listener_settings[i].form,
                    i < LISTENER_PROXY ? "no default" : "may be left out",
                    listener_settings[i].name, sample[i]);
    }
    buf_add_str(out, "}\n");
    buf_clear(&value);
}

/* The manual page ----------------------------------------------------------------- */

/* For scdoc: its signs lose their meaning. */
static void add_plain(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (slice_find(SLICE("\\*_`"), text.ptr[i]) < 4) {
            buf_add_byte(out, '\\');
        }
        buf_add_byte(out, text.ptr[i]);
    }
}

static void add_row(const char *name, const char *expected, struct slice def,
                    const char *help, struct buf *out)
{
    buf_add_fmt(out, "*%s*\n\t", name);
    add_plain(slice_of(help), out);
    buf_add_str(out, ".++\nForm: ");
    add_plain(slice_of(expected), out);
    buf_add_str(out, ".");
    if (def.len > 0) {
        buf_add_str(out, "++\nDefault: ");
        add_plain(def, out);
    }
    buf_add_str(out, "\n\n");
}

static void add_man_setting(const struct setting *s, struct buf *value, struct buf *out)
{
    struct buf expected;
    buf_init(&expected, out->max);
    setting_expected(s, &expected);
    buf_add_byte(&expected, '\0');
    if (expected.failed) {
        out->failed = true;
    } else {
        add_row(s->name, (const char *)expected.ptr, default_of(s, value), s->help, out);
    }
    out->failed = out->failed || value->failed;
    buf_clear(&expected);
}

void describe_man(struct buf *out)
{
    struct buf value;
    buf_init(&value, out->max);
    buf_add_fmt(out,
                "# SETTINGS\n\n## listener \"NAME\" { ... }\n\n%s. The first three "
                "settings must stand in it.\n\n",
                listener_help);
    for (unsigned i = 0; i < LISTENER_SETTINGS; i++) {
        add_row(listener_settings[i].name, listener_settings[i].form,
                (struct slice){NULL, 0}, listener_settings[i].help, out);
    }
    for (unsigned k = 0; k < SECTION_N; k++) {
        bool top = sections[k].name[0] == '\0';
        buf_add_fmt(out, "## %s%s\n\n%s.\n\n",
                    top ? "outside of any section" : sections[k].name,
                    top ? "" : " { ... }", sections[k].help);
        for (unsigned i = 0; i < SETTING_N; i++) {
            if (strcmp(settings[i].section, sections[k].name) == 0) {
                add_man_setting(&settings[i], &value, out);
            }
        }
    }
    buf_clear(&value);
}
