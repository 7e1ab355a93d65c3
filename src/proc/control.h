/* proc/control.h - the command line's way into a running role: one JSON request a
 * line over a unix stream socket, JSON lines back.
 *
 * Format  request: one JSON object on one line of at most CONTROL_REQUEST_MAX
 *         octets. Answer: any number of lines, each one object whose first member
 *         is neither "done" nor "error", then a last line: {"done":true,"status":N}
 *         or {"error":"what to do instead","status":N}; N is the exit status of the
 *         command (cmd/cmd.h). Then the next request may come.
 * Memory  long listings are streamed: control_stream() names a function that is
 *         called whenever the socket has drained; it writes lines while
 *         control_room() and returns. Between two calls the role's data may change:
 *         keep a key to go on from, not a pointer.
 * Trust   who may connect is said by the mode of the socket file. What they send is
 *         still checked: a line that is no object is answered with an error.
 * Own     control_new() takes the descriptor. A call lives until it is answered or
 *         its client goes away; then `end` of its stream is called.
 * Limits  CONTROL_CALLS_MAX connections (further ones wait in the backlog);
 *         CONTROL_IDLE_S without a request, or without reading what is sent, ends a
 *         connection.
 * BUGS    control_free() may not be called from inside a handler. */
#ifndef PROC_CONTROL_H
#define PROC_CONTROL_H
#include "base/slice.h"

#include <jansson.h>

enum {
    CONTROL_REQUEST_MAX = 1024 * 1024, /* octets */
    CONTROL_CALLS_MAX = 16,
    CONTROL_IDLE_S = 60,
    CONTROL_LOW = 16 * 1024,  /* octets waiting: below this a stream goes on */
    CONTROL_HIGH = 64 * 1024, /* from here on control_room() is false */
};

struct event_base;
struct control;
struct control_call;

/* Must end the answer (control_done(), control_error()) or start a stream before it
 * returns. request is borrowed until then. */
typedef void control_handler(void *arg, struct control_call *call, json_t *request);

struct control_stream {
    /* Writes some lines, or none (it is called again from the loop, so long searches can
     * be cut into pieces), or ends the answer with control_done() or control_error(). */
    void (*next)(void *state, struct control_call *call);
    /* Called once: the answer is complete or the client is gone. Frees state. */
    void (*end)(void *state);
};

MUST_USE struct control *control_new(struct event_base *base, int fd,
                                     control_handler *handler, void *arg);
void control_free(struct control **c);

/* One line of the answer; takes the reference. */
void control_line(struct control_call *call, json_t *line);
bool control_room(const struct control_call *call);

void control_done(struct control_call *call, int status);
void control_error(struct control_call *call, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* stream: static. state goes to next() and end(). */
void control_stream(struct control_call *call, const struct control_stream *stream,
                    void *state);
#endif
