/* filter/http_answer.h - the answer of an HTTP/1.1 server to one request, as its octets come.
 *
 * Source  RFC 9112 (2.2 lines, 4 status line, 6.3 how long a body is, 7.1 chunks), RFC 9110 15.2
 *         (interim answers are passed over).
 * Pure    octets in, status and body out.
 * Split   the outcome does not depend on how the input is cut.
 * Own     the body belongs to the answer until http_answer_clear().
 * Errors  HTTP_BAD: no answer, or one beyond its limits; the connection is of no more use.
 * Limits  a line, all lines before the body, and the body (at init). */
#ifndef FILTER_HTTP_ANSWER_H
#define FILTER_HTTP_ANSWER_H
#include "base/buf.h"

enum { HTTP_LINE_MAX = 8 * 1024, HTTP_HEAD_MAX = 64 * 1024 };

enum http_state {
    HTTP_STATUS = 0, /* the status line is awaited */
    HTTP_FIELDS,
    HTTP_BODY,        /* of known length */
    HTTP_BODY_TO_END, /* up to the end of the connection */
    HTTP_CHUNK_SIZE,
    HTTP_CHUNK,
    HTTP_CHUNK_END,
    HTTP_TRAILER,
    HTTP_DONE,
    HTTP_BAD,
};

struct http_answer {
    enum http_state state;
    unsigned status; /* 200 ... */
    struct buf body;

    /* Inside. */
    struct buf line;
    size_t head_len; /* octets of lines so far */
    uint64_t left;   /* of the body or the chunk */
    bool sized, chunked;
};

void http_answer_init(struct http_answer *a, size_t body_max);
void http_answer_clear(struct http_answer *a);

/* Takes octets; those behind the answer's end are nobody's. */
enum http_state http_answer_feed(struct http_answer *a, struct slice s);
/* The server closed the connection. HTTP_DONE or HTTP_BAD. */
enum http_state http_answer_end(struct http_answer *a);
#endif
