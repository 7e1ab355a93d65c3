/* smtp/line.h - take one SMTP command line off the front of a byte buffer.
 *
 * Source  RFC 5321 2.3.8 (only CRLF ends a line), 4.1.1 (verb SP args), 4.5.3.1.4.
 * Pure    no I/O, allocation, globals or locale: same octets in, same answer out.
 * Split   an answer other than MORE never changes when more octets arrive. */
#ifndef SMTP_LINE_H
#define SMTP_LINE_H
#include "base/slice.h"

/* Verb, and how the session treats it (smtp/session_commands.c has one row for each). */
/* clang-format off */
#define SMTP_VERBS(X)                                                                    \
    X(HELO) X(EHLO) X(MAIL) X(RCPT) X(DATA) X(BDAT) X(RSET) X(NOOP) X(QUIT) X(VRFY)      \
    X(HELP) X(STARTTLS) X(AUTH) X(XCLIENT) X(EXPN) X(TURN) X(ATRN) X(ETRN) X(SEND) X(SOML) X(SAML)  \
    X(GET) X(POST) X(PUT) X(HEAD) X(CONNECT) X(OPTIONS)
/* clang-format on */
#define X(v) SMTP_##v,
enum smtp_verb { SMTP_UNKNOWN = 0, SMTP_VERBS(X) SMTP_VERB_COUNT };
#undef X

enum smtp_line_res {
    SMTP_LINE_OK = 0,    /* *out is set; drop out->used octets, then call again */
    SMTP_LINE_MORE,      /* no line end yet: read more, call again from the start */
    SMTP_LINE_TOO_LONG,  /* no CRLF in the first max octets: refuse and close */
    SMTP_LINE_BARE_EOL,  /* CR or LF alone: refuse and close (smuggling) */
    SMTP_LINE_BAD_OCTET, /* NUL in the line: refuse and close. The first fault counts */
};

struct smtp_line {
    enum smtp_verb verb; /* SMTP_UNKNOWN when not in SMTP_VERBS */
    struct slice word;   /* the verb as typed */
    struct slice args; /* borrowed from in; after one SP, trailing SP/HT removed. May hold
                             * any octet but NUL, CR, LF */
    size_t used;       /* octets, CRLF included: 2 <= used <= max */
};

/* in: unread octets, borrowed. max: octets per line, CRLF included, >= 2.
 * *out is written only on SMTP_LINE_OK. Reads at most min(in.len, max) octets. */
MUST_USE enum smtp_line_res smtp_line_take(struct slice in, size_t max,
                                           struct smtp_line *out);

/* The verb's name in upper case; "" for SMTP_UNKNOWN. */
MUST_USE struct slice smtp_verb_name(enum smtp_verb verb);
#endif
