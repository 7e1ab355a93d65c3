/* cmd/explain.h - what the files of postern explain share. Everything about replies and messages
 * comes from postern/bounce.h. */
#ifndef CMD_EXPLAIN_H
#define CMD_EXPLAIN_H
#include "base/buf.h"
#include "base/map.h"
#include "postern/bounce.h"

enum {
    EXPLAIN_MESSAGE_MAX =
        32 * 1024 * 1024, /* octets of one message; the rest is not read */
    EXPLAIN_LINE_MAX = 64 * 1024,
    EXPLAIN_PASTE_MAX = 8 * 1024,       /* octets; what is longer nobody pasted */
    EXPLAIN_OUT_MAX = 16 * 1024 * 1024, /* output is flushed long before */
    SUMMARY_KEYS_MAX = 100000, /* of each kind; what is beyond counts as "(other)" */
};

enum summary_by { BY_CLASS = 0, BY_PROVIDER, BY_DOMAIN, BY_N };

struct explain {
    struct postern_bounce *reader,
        *why; /* why: for the rules behind results; NULL: not asked */
    const char *language;
    bool json, csv, summary, progress;
    struct buf out;
    uint64_t results, octets;
    uint64_t told_ms; /* when progress was last shown */
    struct map count[BY_N];
};

/* --- explain_input.c --- */

/* A file, a Maildir or other directory, or "-". False: it cannot be read, which was said. */
bool explain_input(struct explain *e, const char *path);

/* --- explain_paste.c: pure but for iconv --- */

/* The word that says what to do with an input that begins so, where it is no text; or NULL.
 * tool: what unpacks it, else "". */
const char *explain_not_text(struct slice head, const char **tool);
/* UTF-16, by its byte order mark. */
bool explain_is_wide(struct slice head);
MUST_USE bool explain_from_wide(struct slice wide, struct buf *out);
/* An input that begins so has a reply in each line. */
bool explain_is_list(struct slice head);
/* Neither a log nor empty: somebody may have pasted it. */
bool explain_is_paste(struct slice text);
/* Without marks of quotation ("> "), and with the lines that a mail program broke whole again;
 * explain_join(): as one line. False: nothing is left. */
MUST_USE bool explain_unfold(struct slice text, struct buf *out);
MUST_USE bool explain_join(struct slice text, struct buf *out);

/* --- explain_print.c --- */

/* One result, the n-th of `file`; mail is NULL for a reply outside a message. */
void explain_result(struct explain *e, const char *file, uint64_t n,
                    const struct postern_bounce_result *r,
                    const struct postern_bounce_mail *mail);
/* A message that tells of nobody. */
void explain_nobody(struct explain *e, const char *file, uint64_t n,
                    const struct postern_bounce_mail *mail);
void explain_flush(struct explain *e);
/* A word of catalogue/explain/words.tsv; the same appended, with its hole filled. */
const char *explain_word(const struct explain *e, const char *id);
void explain_filled(const struct explain *e, struct buf *out, const char *id,
                    const char *hole, const char *value);
/* The same on standard error, behind the command and the file's name (NULL: none). */
void explain_wrong(const struct explain *e, const char *file, const char *id,
                   const char *hole, const char *value);
/* Untrusted UTF-8 for a terminal, on one line: controls become blanks. */
void explain_add_text(struct buf *out, const char *text);
bool explain_page(struct explain *e, const char *kind, const char *id);
void explain_rules(struct explain *e);
/* Postern's own refusals, as the gmail profile gives them. */
void explain_rows(struct explain *e);

/* --- explain_summary.c --- */

void explain_count(struct explain *e, const struct postern_bounce_result *r);
void explain_summary(struct explain *e);
void explain_summary_clear(struct explain *e);
#endif
