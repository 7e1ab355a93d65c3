/* bounce/reply_find.h - the SMTP reply inside a text that people wrote around it.
 *
 * Source  RFC 5321 4.2 (replies), 3463 (status codes); the ways servers quote them: "said:",
 *         "<<<", "(#5.1.1)", "ERROR_CODE :550", "<421 4.4.2 ...>".
 * Pure.
 * Own     slices point into the text.
 * Limits  reads the first BOUNCE_FIND_MAX octets. */
#ifndef BOUNCE_REPLY_FIND_H
#define BOUNCE_REPLY_FIND_H
#include "bounce/classify.h"

enum { BOUNCE_FIND_MAX = 16 * 1024 };

struct bounce_found {
    unsigned code; /* 0: none */
    struct bounce_status status;
    size_t off; /* where the reply begins; 0 when there is none */
};

/* True when there is a code or a status. */
MUST_USE bool bounce_find_reply(struct slice text, struct bounce_found *out);
/* What command the text says was refused. */
MUST_USE enum bounce_stage bounce_find_stage(struct slice text);
/* "host mx.example.net[192.0.2.1] said", "while talking to mx.example.net.:" ...; empty: no. */
MUST_USE struct slice bounce_find_host(struct slice text);
/* The host name with which s begins; empty: none, or one without a dot. */
MUST_USE struct slice bounce_host_token(struct slice s);
#endif
