/* postern/bounce.h - libpostern-bounce: what a mail server's refusal, a bounce message or a line of a
 * mail log means, and what to do about it.
 *
 *     struct postern_bounce *b = postern_bounce_new();
 *     const struct postern_bounce_mail *m = postern_bounce_mail(b, octets, len);
 *     for (size_t i = 0; i < m->n; i++) {
 *         printf("%s: %s\n", m->result[i].recipient, m->result[i].class_name);
 *     }
 *     postern_bounce_free(&b);
 *
 * Own     a reader belongs to one thread at a time; different readers are independent. What a
 *         call returns is the reader's and valid until its next call (postern_bounce_matches()
 *         and lookups of the catalogue excepted: they void nothing); what the catalogue gives lives
 *         as long as the program.
 * Text    UTF-8 with a NUL at the end, never NULL; "" where there is nothing. A NUL octet of the input
 *         reads U+FFFD.
 * Errors  input cannot be wrong: what is no report gives a mail of kind "none", what nobody
 *         knows the class "unclassified". NULL: memory is short.
 * I/O     none, but that the C library may load a charset's tables (iconv).
 * Limits  256 recipients a message (`more` counts the rest), 4,096 octets a reply.
 * ABI     names, order and meaning of members stay within a major version; new ones come at the
 *         end, so ask for sizes at run time of nothing that you have not been given. */
#ifndef POSTERN_BOUNCE_H
#define POSTERN_BOUNCE_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct postern_bounce;

/* NULL: memory is short. */
struct postern_bounce *postern_bounce_new(void);
void postern_bounce_free(struct postern_bounce **b); /* sets NULL; NULL is fine */
const char *postern_bounce_version(void);

/* One reply, or one recipient of a message. */
struct postern_bounce_result {
    const char *recipient;  /* "" where nobody is named */
    const char *original;   /* the address first given, where the report tells it */
    const char *class_name; /* "mailbox-full" ...: a class of the catalogue */
    const char *kind;       /* hard (suppress the address), soft, block, none */
    const char *action;     /* retry, slow-down, suppress, give-up ... */
    const char *scope;      /* recipient, domain, source, sender, message, server, none */
    const char *subscope;   /* more exact, or none */
    const char *delivery;   /* failed, delayed, delivered, relayed, expanded, unknown */
    const char *status;     /* "5.1.1" */
    unsigned code;          /* 550; 0: none */
    const char *reply;      /* what the server said, without the words around it */
    const char *stage;      /* connect, helo, mail, rcpt, data, eom ... or unknown */
    const char *provider;   /* whose dialect it is, where that is recognised */
    const char *remote_host; /* who said it */
    const char *rule; /* the rule that decided; "words": all words together; "": none */
    unsigned confidence;       /* percent */
    uint32_t retry_after_s;    /* 0: the reply names no time */
    size_t span_off, span_len; /* what the rule matched in `reply`; 0, 0: no text */
};

struct postern_bounce_mail {
    const char *kind;   /* failed, delayed, delivered, feedback, auto-reply, none */
    const char *format; /* what recognised it; for people */
    const struct postern_bounce_result *result;
    size_t n, more;
    const char *reporting_host;
    const char *arrival;     /* when the original came there, as written */
    const char *envelope_id; /* of the original, as are the next three */
    const char *message_id;  /* without <> */
    const char *subject;
    const char *sender;
    const char *returned_to; /* whom the report was sent to */
    const char
        *token; /* that address's tag behind '+': yours, where you send with VERP */
    const char *feedback_type;
};

/* A whole message as it came: a bounce, a complaint, an automatic answer, or none of these; or the
 * JSON that a sending service posts. */
const struct postern_bounce_mail *postern_bounce_mail(struct postern_bounce *b,
                                                      const void *octets, size_t len);

/* What is known beside a reply; all of it may be NULL. */
struct postern_bounce_context {
    const char *command;   /* the command answered, or its verb */
    const char *mx_host;   /* the server's name in DNS */
    const char *peer_host; /* the name it gives itself */
};

/* One reply: "550 5.1.1 ...", one line or many, with or without words around it. */
const struct postern_bounce_result *
postern_bounce_reply(struct postern_bounce *b, const void *text, size_t len,
                     const struct postern_bounce_context *context);

/* A line of a Postfix, Exim, sendmail or OpenSMTPD log, or a bare reply. NULL: it tells of no failure. */
const struct postern_bounce_result *postern_bounce_line(struct postern_bounce *b,
                                                        const void *line, size_t len);

/* All rules that spoke for the last result that was judged, weightiest first. */
struct postern_bounce_match {
    const char *rule, *class_name;
    unsigned weight;
    size_t span_off, span_len;
};
size_t postern_bounce_matches(struct postern_bounce *b, struct postern_bounce_match *out,
                              size_t max);

/* --- the catalogue --- */

struct postern_bounce_rule {
    const char *id, *class_name, *pattern, *when, *source, *example;
    unsigned weight;
};
size_t postern_bounce_rules(void);
int postern_bounce_rule(size_t n, struct postern_bounce_rule *out); /* 0: there is none */

struct postern_bounce_class {
    const char *name, *group, *kind, *scope, *definition, *advice;
};
size_t postern_bounce_classes(void);
int postern_bounce_class(size_t n, struct postern_bounce_class *out);

/* What a class ("class", "mailbox-full") or a refusal of Postern's own ("row",
 * "rcpt-mailbox-full") means, for people. language: "en", "zh-CN", "zh-TW", "sv" or a locale's name;
 * English where it has none. 0: there is no such page. */
struct postern_bounce_page {
    const char *title, *cause, *remedy;
    const char *code, *status, *text; /* of rows: the reply; else "" */
    const char *language;             /* what it is written in */
};
int postern_bounce_page(const char *kind, const char *id, const char *language,
                        struct postern_bounce_page *out);
/* Words around it ("what-happened" ...), in that language; NULL: unknown. */
const char *postern_bounce_word(const char *id, const char *language);

#ifdef __cplusplus
}
#endif
#endif
