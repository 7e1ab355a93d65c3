/* bounce/parse_impl.h - what the files of the bounce parser share; see parse.h.
 *
 * A message becomes facts of its header and a notice (the text for people, up to where the
 * copy of the original begins). Extractors add recipients: from delivery-status groups, from
 * JSON, from the notice. Then each recipient's reply is completed from the notice, judged, and
 * the message's kind follows from all of them. */
#ifndef BOUNCE_PARSE_IMPL_H
#define BOUNCE_PARSE_IMPL_H
#include "base/arena.h"
#include "base/buf.h"
#include "bounce/parse.h"

enum {
    BOUNCE_LEVELS_MAX = 3,   /* reports forwarded in reports */
    NOTICE_MAX = 64 * 1024,  /* octets of a notice that are read */
    INNER_MAX = 1024 * 1024, /* octets of a forwarded report that had to be decoded */
    COPY_MAX = 16 * 1024,    /* of the original, where it had to be decoded */
    ADDRESSES_MAX = 512,     /* addresses in a notice that are looked at */
    WORDS_MAX = 127,         /* in a list of words that is looked for */
    WORD_LISTS_MAX = 32,
    END_LISTS_MAX = 4, /* that are looked for at the end of a text */
};

/* Fields of the report's own header that tell something. */
enum header_fact {
    HEADER_FROM = 0,
    HEADER_TO,
    HEADER_SUBJECT,
    HEADER_RETURN_PATH,
    HEADER_AUTO_SUBMITTED,
    HEADER_FAILED_RECIPIENTS,
    HEADER_PRECEDENCE,
    HEADER_DELIVERED_TO,
    HEADER_ORIGINAL_TO,
    HEADER_AUTO_REPLY, /* any of the fields that only automatic answers have */
    HEADER_FEEDBACK,   /* fields that only complaints have */
    HEADER_DISPOSITION,
    HEADER_TYPE,
    HEADER_IS_REPORT, /* fields that only reports have */
    HEADER_FACTS_N,
};

struct mentions;

/* Which words of a list begin with an octet: chains of places (from 1), the last word first. */
struct word_index {
    const char *const *words; /* NULL: free */
    uint8_t head[256], next[WORDS_MAX], len[WORDS_MAX];
    unsigned char second[WORDS_MAX];
};

struct bounce_parser {
    struct bounce_classifier *classifier;
    struct mime_charset convert;
    struct arena arena;
    struct mime_message mime;
    struct slice header[HEADER_FACTS_N]; /* raw values; empty: not there */
    struct slice subject;                /* decoded */
    struct slice self; /* the To address, which returned_to may differ from */
    struct slice notice;
    struct slice whole; /* the notice's part, with what is behind it */
    struct slice copy;  /* header section of the original; empty: none was returned */
    struct bounce_mail mail;
    struct bounce_recipient rcpt[BOUNCE_RCPTS_MAX];
    struct word_index index[WORD_LISTS_MAX], ends[END_LISTS_MAX];
    struct mentions *mentions; /* addresses of mentions_of */
    struct slice mentions_of, transcript_of;
    bool mentions_known, transcript_known; /* of this message */
    bool has_transcript;
    struct buf inner[BOUNCE_LEVELS_MAX]; /* forwarded reports that had to be decoded */
    bool has_fields;                     /* the notice has delivery-status fields in it */
    bool is_daemon;                      /* the header's author is a mail system */
    bool delayed;  /* what the whole report says, where a recipient's part does not */
    unsigned sure; /* how sure it is that this is a report: 0 not at all */
};

/* A new recipient, or NULL when there is no room (then `more` is counted). */
MUST_USE struct bounce_recipient *parse_add(struct bounce_parser *p,
                                            struct slice address);
MUST_USE struct bounce_recipient *parse_find(struct bounce_parser *p,
                                             struct slice address);
/* A copy in the arena, at most BOUNCE_TEXT_MAX octets; empty when memory is short. */
MUST_USE struct slice parse_keep(struct bounce_parser *p, struct slice s);

/* --- parse_header.c --- */

enum { REPORT_SURE = 2 }; /* enough to believe a list of addresses */

/* Facts of the report's header, the address it was sent to, and how sure they make. */
void header_read(struct bounce_parser *p, struct slice header);
/* The same of the notice; also whether it is about a delay. */
void header_weigh_notice(struct bounce_parser *p);
MUST_USE bool header_null_path(const struct bounce_parser *p);
/* "Mail Delivery Subsystem", mailer-daemon@ and the like. */
MUST_USE bool header_names_daemon(struct bounce_parser *p, struct slice author);
/* An inbox owner's machine speaks: RFC 3834, and what was there before it. */
MUST_USE bool header_is_automatic(struct bounce_parser *p);
MUST_USE struct slice header_address(struct slice value);

/* --- parse_inner.c --- */

/* A report that somebody passed on: attached, or below the text. It is valid as long as
 * `message` is; what had to be decoded, or lies in the arena, goes to `store`. */
MUST_USE struct slice parse_inner(const struct bounce_parser *p, struct slice message,
                                  struct slice behind, struct buf *store);

/* --- parse_passed.c --- */

/* The message's own header is a person's, who may have passed on a report. */
MUST_USE bool passed_on(struct bounce_parser *p);
/* "Fwd: ...", "AW: ..." */
MUST_USE bool passed_subject(const struct bounce_parser *p);
/* The message that was passed on in the text, made anew in `store`; empty: there is none. */
MUST_USE struct slice passed_text(struct bounce_parser *p, struct slice text,
                                  struct buf *store);

/* --- parse_judge.c --- */

/* Verdicts on all recipients, and the message's kind. */
void parse_settle(struct bounce_parser *p);
/* The verdict on one that failed or is delayed, from what it says itself. */
void parse_judge(struct bounce_parser *p, struct bounce_recipient *r);

/* --- parse_fields.c: groups of "Final-Recipient: ..." --- */

/* Adds the recipients of all groups in text, a machine-readable part or a notice that has
 * the same fields. Returns how many. */
unsigned fields_extract(struct bounce_parser *p, struct slice text);
/* A feedback report's fields. */
void fields_feedback(struct bounce_parser *p, struct slice text);

/* --- parse_json.c --- */

/* SES (bare, or within SNS), SendGrid and their like. False: it is none of them. */
MUST_USE bool json_extract(struct bounce_parser *p, struct slice text);

/* --- parse_text.c --- */

/* Where the notice ends and the copy of the original begins; `quotes`: also one whose lines
 * are marked. */
MUST_USE size_t text_cut(struct slice text, bool quotes);
/* Adds the recipients that the notice lists; returns how many. */
unsigned text_extract(struct bounce_parser *p, struct slice notice);
/* The notice names the address, and not as its sender, or as whom it greets or one may ask. */
MUST_USE bool text_may_mean(struct bounce_parser *p, struct slice notice,
                            struct slice address);
/* Completes a recipient whose machine-readable part says little: code, reply, host. */
void text_complete(struct bounce_parser *p, struct slice notice,
                   struct bounce_recipient *r);
/* A single recipient about whom nothing definite is said: what the notice quotes is. */
void text_complete_alone(struct bounce_parser *p);
/* Reply, code, status, host and stage out of what was said about a recipient. */
void text_fill(struct bounce_parser *p, struct slice said, struct bounce_recipient *r);
/* A session's transcript in the notice tells of the recipient. False: there is none. */
MUST_USE bool transcript_fill(struct bounce_parser *p, struct slice notice,
                              struct bounce_recipient *r);

/* --- parse_words.c --- */

/* Does s have one of the words, without regard to ASCII case? The words are a static list,
 * WORDS_MAX at most, of 2 octets or more; NULL ends it. */
MUST_USE bool text_has(struct bounce_parser *p, struct slice s, const char *const *words);
/* Which: from 1; 0: none. */
MUST_USE unsigned text_which(struct bounce_parser *p, struct slice s,
                             const char *const *words);
/* Does s start with one? The words in lower case. */
MUST_USE bool text_starts(struct slice s, const char *const *words);
/* Does s end with one, and the word begins there? Of lists END_LISTS_MAX in all. */
MUST_USE bool text_ends(struct bounce_parser *p, struct slice s,
                        const char *const *words);
/* mailer-daemon@, postmaster@ */
MUST_USE bool text_is_daemon(struct slice address);
/* The line of a mail's head that names its author; *daemon: a mail system. */
MUST_USE bool text_names_author(struct slice line, bool *daemon);
/* Of which rules between paragraphs, and bullets, are made. */
MUST_USE bool text_is_rule(unsigned char c);
/* "550 ", "554 5.1.1 ": a code, perhaps a status, and nothing else. */
MUST_USE bool text_is_code(struct slice s);
#endif
