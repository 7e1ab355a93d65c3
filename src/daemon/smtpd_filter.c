/* daemon/smtpd_filter.c - see smtpd_filter.h */
#include "daemon/smtpd_filter.h"

#include "base/clock.h"
#include "base/log.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <unistd.h>

enum { WINDOW_LOW = 64 * 1024, SAY_EVERY_MS = 60000 };

static struct timeval time_of(const struct filter_link *l)
{
    return (struct timeval){(time_t)(l->time_ms / 1000),
                            (suseconds_t)(l->time_ms % 1000 * 1000)};
}

static void end(struct filter_link *l, bool at_end, const char *why)
{
    filter_link_close(l);
    l->ops->gone(l->owner, at_end, why);
}

static void on_octets(struct bufferevent *connection, void *arg)
{
    struct filter_link *l = arg;
    struct evbuffer *in = bufferevent_get_input(connection);
    struct evbuffer_iovec part;
    bool more = true;
    while (more && evbuffer_peek(in, -1, NULL, &part, 1) > 0 && part.iov_len > 0) {
        more = l->ops->octets(l->owner, (struct slice){part.iov_base, part.iov_len});
        (void)evbuffer_drain(in, part.iov_len);
    }
    l->ops->heard(l->owner);
}

static void on_sent(struct bufferevent *connection, void *arg)
{
    struct filter_link *l = arg;
    (void)connection;
    if (l->wants_room) {
        l->wants_room = false;
        l->ops->room(l->owner);
    }
}

static void on_end(struct bufferevent *connection, short what, void *arg)
{
    (void)connection;
    if ((what & BEV_EVENT_CONNECTED) == 0) {
        end(arg, (what & BEV_EVENT_EOF) != 0,
            (what & BEV_EVENT_TIMEOUT) != 0 ? "it takes nothing, or no connection"
            : (what & BEV_EVENT_EOF) != 0   ? "it closed the connection"
                                            : "no connection");
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    end(arg, false, "no answer in time");
}

bool filter_link_open(struct filter_link *l, struct event_base *base,
                      const struct filter_link_ops *ops, void *owner, uint64_t time_ms)
{
    *l = (struct filter_link){.ops = ops, .owner = owner, .time_ms = time_ms};
    struct timeval time = time_of(l);
    l->connection = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    l->deadline = evtimer_new(base, on_deadline, l);
    if (l->connection == NULL || l->deadline == NULL ||
        bufferevent_set_timeouts(l->connection, NULL, &time) != 0 ||
        bufferevent_enable(l->connection, EV_READ | EV_WRITE) != 0) {
        filter_link_close(l);
        return false;
    }
    bufferevent_setcb(l->connection, on_octets, on_sent, on_end, l);
    bufferevent_setwatermark(l->connection, EV_WRITE, WINDOW_LOW, 0);
    return true;
}

void filter_link_connect(struct filter_link *l, const struct sockaddr_storage *to,
                         socklen_t len)
{
    struct sockaddr_storage address = *to;
    /* on_end() may already have been called when this fails */
    if (bufferevent_socket_connect(l->connection, (struct sockaddr *)&address,
                                   (int)len) != 0 &&
        l->connection != NULL) {
        end(l, false, "no connection");
    }
}

void filter_link_attach(struct filter_link *l, int fd)
{
    if (bufferevent_setfd(l->connection, fd) != 0) {
        (void)close(fd);
        end(l, false, "no connection");
    }
}

void filter_link_close_with(struct filter_link *l, struct slice s)
{
    int fd = l->connection == NULL ? -1 : bufferevent_getfd(l->connection);
    if (fd >= 0 && evbuffer_get_length(bufferevent_get_output(l->connection)) == 0) {
        (void)!write(fd, s.ptr, s.len); /* it may be gone */
    }
    filter_link_close(l);
}

void filter_link_close(struct filter_link *l)
{
    if (l->connection != NULL) {
        bufferevent_free(l->connection);
        l->connection = NULL;
    }
    if (l->deadline != NULL) {
        event_free(l->deadline);
        l->deadline = NULL;
    }
    l->wants_room = false;
}

bool filter_link_send(struct filter_link *l, struct slice s)
{
    return bufferevent_write(l->connection, s.ptr, s.len) == 0;
}

bool filter_link_full(struct filter_link *l)
{
    l->wants_room =
        evbuffer_get_length(bufferevent_get_output(l->connection)) > FILTER_WINDOW;
    return l->wants_room;
}

bool filter_link_wait(struct filter_link *l)
{
    struct timeval time = time_of(l);
    return event_add(l->deadline, &time) == 0;
}

void filter_link_rest(struct filter_link *l)
{
    (void)event_del(l->deadline);
}

void filter_say_down(const char *event, const char *server, const char *why,
                     uint64_t *said_ms)
{
    uint64_t now = clock_mono_ms();
    if (*said_ms == 0 || now - *said_ms >= SAY_EVERY_MS) {
        *said_ms = now;
        log_text(LOG_WARN, event, "%s gives no verdict: %s", server, why);
    }
}
