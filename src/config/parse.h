/* config/parse.h - the syntax of the configuration file: octets in, settings out.
 *
 * Source  *( name "=" value / name "=" "{" [value *("," value) [","]] "}"
 *            / name [title] "{" ... "}" ), sections one deep. A value or title is a bare
 *         word, a "string" with the escapes \" and \\, or a 'string' as it is; strings
 *         end on their line. Comments: # and // to the end of the line, and between
 *         slash-star and star-slash. As libconfuse reads it, less include, += and environment.
 * Pure.
 * Own     borrows the text, which must outlive the parser; an event's slices hold until
 *         the next call of parse_next().
 * Errors  PARSE_ERROR, and again on every later call. */
#ifndef CONFIG_PARSE_H
#define CONFIG_PARSE_H
#include "base/buf.h"

enum { PARSE_TEXT_MAX = 4096, PARSE_MESSAGE_MAX = 400 };

enum parse_kind {
    PARSE_END = 0,     /* end of the file */
    PARSE_SECTION,     /* name, text = title; titled */
    PARSE_SECTION_END, /* name */
    PARSE_VALUE,       /* name, text */
    PARSE_LIST,        /* name; its items follow */
    PARSE_ITEM,        /* name, text */
    PARSE_ERROR,       /* text = "what is wrong; what was expected" */
};

struct parse_event {
    enum parse_kind kind;
    unsigned line; /* on which it starts, from 1 */
    struct slice name, text;
    bool titled;
};

struct parse_lexer {
    struct slice rest;
    unsigned line;
};

struct parser {
    struct parse_lexer lexer;
    struct buf text, message;
    struct slice section, setting; /* the open ones; empty: none */
    unsigned section_line, error_line;
    bool in_section, in_list, failed;
};

void parse_init(struct parser *p, struct slice text);
void parse_clear(struct parser *p);
struct parse_event parse_next(struct parser *p);
#endif
