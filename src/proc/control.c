/* proc/control.c - see control.h */
#include "proc/control.h"

#include "base/list.h"
#include "base/log.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATUS_USAGE = 2, ERROR_TEXT_MAX = 1024 };

struct control {
    struct event_base *base;
    struct evconnlistener *listener;
    struct event *accept_again; /* after accept() failed */
    control_handler *handler;
    void *arg;
    struct list calls;
    unsigned call_n;
};

struct control_call {
    struct list node;
    struct control *control;
    struct bufferevent *be;
    struct event *again;                 /* the stream has room: go on from the loop */
    const struct control_stream *stream; /* NULL: none */
    void *state;
    bool answering; /* between a request and its last line */
    bool eof;       /* the client sends no more */
    bool closing;   /* after what is written the connection ends */
    bool failed;    /* out of memory: nothing sent is sure any more */
};

static void end_stream(struct control_call *call)
{
    const struct control_stream *stream = call->stream;
    call->stream = NULL;
    if (stream != NULL) {
        stream->end(call->state);
    }
}

static void call_free(struct control_call *call)
{
    struct control *c = call->control;
    end_stream(call);
    list_remove(&call->node);
    event_free(call->again);
    bufferevent_free(call->be);
    free(call);
    if (c->call_n-- == CONTROL_CALLS_MAX && c->listener != NULL) {
        (void)evconnlistener_enable(c->listener);
    }
}

static size_t waiting(const struct control_call *call)
{
    return evbuffer_get_length(bufferevent_get_output(call->be));
}

static int add_octets(const char *octets, size_t n, void *arg)
{
    return evbuffer_add(arg, octets, n);
}

void control_line(struct control_call *call, json_t *line)
{
    struct evbuffer *out = bufferevent_get_output(call->be);
    if (line == NULL || json_dump_callback(line, add_octets, out, JSON_COMPACT) != 0 ||
        evbuffer_add(out, "\n", 1) != 0) {
        call->failed = true;
    }
    json_decref(line);
}

bool control_room(const struct control_call *call)
{
    return !call->failed && call->answering && waiting(call) < CONTROL_HIGH;
}

void control_done(struct control_call *call, int status)
{
    BUG_ON(!call->answering);
    control_line(call, json_pack("{s:b,s:i}", "done", 1, "status", status));
    call->answering = false;
}

void control_error(struct control_call *call, int status, const char *fmt, ...)
{
    BUG_ON(!call->answering);
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    /* A cut inside a UTF-8 sequence or foreign octets: json_pack() would refuse them. */
    json_t *value = json_string(text);
    for (char *p = text; value == NULL && *p != '\0'; p++) {
        *p = (*p & 0x80) != 0 ? '?' : *p;
    }
    value = value == NULL ? json_string(text) : value;
    control_line(call, json_pack("{s:o,s:i}", "error", value, "status", status));
    call->answering = false;
}

void control_stream(struct control_call *call, const struct control_stream *stream,
                    void *state)
{
    BUG_ON(!call->answering || call->stream != NULL);
    call->stream = stream;
    call->state = state;
}

static void handle(struct control_call *call, const char *line, size_t len)
{
    json_error_t error;
    json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
    call->answering = true;
    if (!json_is_object(request)) {
        control_error(call, STATUS_USAGE, "the request is no JSON object on one line");
    } else {
        call->control->handler(call->control->arg, call, request);
        BUG_ON(call->answering && call->stream == NULL);
    }
    json_decref(request);
}

/* Takes the next request if there is a whole one. */
static bool take_request(struct control_call *call)
{
    struct evbuffer *in = bufferevent_get_input(call->be);
    size_t len = 0;
    char *line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
    if (line != NULL && len <= CONTROL_REQUEST_MAX) {
        handle(call, line, len);
    } else if (line != NULL || evbuffer_get_length(in) > CONTROL_REQUEST_MAX) {
        call->answering = true;
        control_error(call, STATUS_USAGE, "the request is longer than %d octets",
                      CONTROL_REQUEST_MAX);
        (void)evbuffer_drain(in, evbuffer_get_length(in));
        call->closing = true;
    }
    bool took = line != NULL || call->closing;
    free(line);
    return took;
}

/* One step of whatever can go on: a piece of a stream, or the next request. One piece a
 * turn of the loop, so that a long listing never holds up the role. May free call. */
static void go_on(struct control_call *call)
{
    static const struct timeval now = {0, 0};
    bool busy = false;
    if (call->answering && control_room(call)) {
        call->stream->next(call->state, call);
        busy = call->answering;
    } else if (!call->answering && !call->closing) {
        busy = take_request(call);
        call->closing |= call->eof && !busy;
    }
    if (!call->answering) {
        end_stream(call);
    }
    if (call->failed || (call->closing && !call->answering && waiting(call) == 0)) {
        call_free(call);
        return;
    }
    if (busy && !call->closing && waiting(call) < CONTROL_HIGH) {
        (void)event_add(call->again, &now);
    }
}

static void on_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    go_on(arg);
}

static void on_read(struct bufferevent *be, void *arg)
{
    (void)be;
    struct control_call *call = arg;
    if (!call->answering && waiting(call) < CONTROL_HIGH) {
        go_on(call);
    }
}

static void on_written(struct bufferevent *be, void *arg)
{
    (void)be;
    go_on(arg);
}

static void on_event(struct bufferevent *be, short what, void *arg)
{
    struct control_call *call = arg;
    bool at_work = call->answering || waiting(call) > 0;
    if ((what & BEV_EVENT_TIMEOUT) != 0 && (what & BEV_EVENT_READING) != 0 && at_work) {
        /* It waits for our answer, not we for its request. */
        (void)bufferevent_enable(be, EV_READ);
        return;
    }
    if ((what & BEV_EVENT_EOF) != 0) {
        /* Perhaps half closed only: whole requests that came before are answered. The low
         * mark 0 tells us when the last octet has left. */
        call->eof = true;
        bufferevent_setwatermark(be, EV_WRITE, 0, 0);
        go_on(call);
        return;
    }
    call_free(call);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
                      struct sockaddr *address, int len, void *arg)
{
    (void)address, (void)len;
    struct control *c = arg;
    struct control_call *call = calloc(1, sizeof *call);
    struct bufferevent *be = bufferevent_socket_new(c->base, fd, BEV_OPT_CLOSE_ON_FREE);
    struct event *again = call == NULL ? NULL : evtimer_new(c->base, on_again, call);
    if (call == NULL || be == NULL || again == NULL) {
        if (be != NULL) {
            bufferevent_free(be);
        } else {
            (void)evutil_closesocket(fd);
        }
        if (again != NULL) {
            event_free(again);
        }
        free(call);
        return;
    }
    static const struct timeval idle = {CONTROL_IDLE_S, 0};
    *call = (struct control_call){.control = c, .be = be, .again = again};
    list_append(&c->calls, &call->node);
    if (++c->call_n == CONTROL_CALLS_MAX) {
        (void)evconnlistener_disable(listener);
    }
    bufferevent_setcb(be, on_read, on_written, on_event, call);
    bufferevent_setwatermark(be, EV_READ, 0, CONTROL_REQUEST_MAX + 2);
    bufferevent_setwatermark(be, EV_WRITE, CONTROL_LOW, 0);
    bufferevent_set_timeouts(be, &idle, &idle);
    (void)bufferevent_enable(be, EV_READ | EV_WRITE);
}

/* Out of descriptors, most likely: a level-triggered listener would spin. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    static const struct timeval pause = {1, 0};
    struct control *c = arg;
    (void)evconnlistener_disable(listener);
    (void)event_add(c->accept_again, &pause);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct control *c = arg;
    if (c->call_n < CONTROL_CALLS_MAX) {
        (void)evconnlistener_enable(c->listener);
    }
}

struct control *control_new(struct event_base *base, int fd, control_handler *handler,
                            void *arg)
{
    struct control *c = calloc(1, sizeof *c);
    if (c == NULL || evutil_make_socket_nonblocking(fd) != 0) {
        (void)evutil_closesocket(fd);
        free(c);
        return NULL;
    }
    (void)signal(SIGPIPE, SIG_IGN); /* a client that goes away is no reason to die */
    *c = (struct control){.base = base, .handler = handler, .arg = arg};
    list_init(&c->calls);
    c->accept_again = evtimer_new(base, on_accept_again, c);
    /* backlog 0: the supervisor called listen() */
    c->listener = evconnlistener_new(
        base, on_accept, c, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (c->listener == NULL || c->accept_again == NULL) {
        if (c->listener == NULL) {
            (void)evutil_closesocket(fd);
        }
        control_free(&c);
        return NULL;
    }
    evconnlistener_set_error_cb(c->listener, on_accept_error);
    return c;
}

void control_free(struct control **control)
{
    struct control *c = *control;
    *control = NULL;
    if (c == NULL) {
        return;
    }
    if (c->listener != NULL) {
        evconnlistener_free(c->listener);
        c->listener = NULL;
    }
    if (c->accept_again != NULL) {
        event_free(c->accept_again);
    }
    while (!list_empty(&c->calls)) {
        call_free(LIST_ITEM(c->calls.next, struct control_call, node));
    }
    free(c);
}
