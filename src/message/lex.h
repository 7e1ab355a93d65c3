/* message/lex.h - the tokens that structured fields are made of; comments and folds between them
 * are skipped.
 *
 * Source  RFC 5322 3.2 (tokens), 4.1, 4.2 (obsolete folds), RFC 6532 3.2 (octets above 127 are
 *         atext, qtext, ctext, dtext).
 * Pure    octets in, slices over them out.
 * Limits  none: comments nest as deep as they like, and cost a counter. */
#ifndef MESSAGE_LEX_H
#define MESSAGE_LEX_H
#include "base/slice.h"

enum lex_kind {
    LEX_END = 0,
    LEX_ATOM,    /* text: atext of any number */
    LEX_QUOTED,  /* text: with its quotes */
    LEX_LITERAL, /* text: with its brackets */
    LEX_SPECIAL, /* c: one of ()<>[]:;@\,. or whatever else the field has for one */
    LEX_BAD,     /* fault says why; it stays so */
};

struct lex {
    struct slice in; /* behind the current token */
    enum lex_kind kind;
    unsigned char c;
    bool spaced; /* comments or blanks stood before the token */
    struct slice text;
    const char *fault;     /* static */
    struct slice specials; /* octets that end an atom beside blanks and controls */
};

#define LEX_ADDRESS_SPECIALS SLICE("()<>[]:;@\\,.\"")
#define LEX_MIME_SPECIALS    SLICE("()<>@,;:\\\"/[]?=") /* RFC 2045 5.1: tspecials */

/* Takes the first token too. */
void lex_start(struct lex *l, struct slice value, struct slice specials);
void lex_next(struct lex *l);

MUST_USE static inline bool lex_at(const struct lex *l, unsigned char c)
{
    return l->kind == LEX_SPECIAL && l->c == c;
}

/* Octets of a fold or of blanks at the start of s; a CR or LF that belongs to no fold ends it. */
MUST_USE size_t lex_blanks(struct slice s);

/* Octets of CFWS at the start of s; a comment that never ends does not count. */
MUST_USE size_t lex_cfws(struct slice s);
#endif
