/* proc/channel.h - one end of a socket pair between two roles, on the event loop.
 *
 * Own     channel_new() takes the descriptor; channel_free() closes it.
 * Limits  at most CHANNEL_QUEUE_MAX octets wait to be sent; beyond that channel_send() is
 *         false and nothing of the message is sent. Received payloads: MSG_PAYLOAD_MAX.
 * Order   messages arrive in the order sent, whole, once.
 * Errors  the descriptors of a process must not run out: one that came with a message and
 *         found no room looks like a malformed message.
 * Threads one only: the loop's.
 * BUGS    the handlers may free the channel they are called for; nothing touches it after. */
#ifndef PROC_CHANNEL_H
#define PROC_CHANNEL_H
#include "proc/msg.h"

enum { CHANNEL_QUEUE_MAX = 8 * 1024 * 1024 };

struct event_base;
struct channel;

struct channel_ops {
    /* A message that passed msg_check(). False: its payload is not what its row says. */
    bool (*message)(void *arg, struct channel *ch, const struct msg *m);
    /* The peer is gone: nothing more comes, nothing more can be sent. Free ch here or
     * later. */
    void (*gone)(void *arg, struct channel *ch);
    /* The peer sent what it may not; nothing more is read. Free ch here or later. NULL:
     * gone() is called. (In a role: the peer is accused, proc/role.h.) */
    void (*malformed)(void *arg, struct channel *ch);
};

MUST_USE struct channel *channel_new(struct event_base *base, int fd, enum role self,
                                     enum role peer, unsigned peer_index,
                                     const struct channel_ops *ops, void *arg);
void channel_free(struct channel **ch);

enum role channel_peer(const struct channel *ch);
unsigned channel_peer_index(const struct channel *ch);

/* Reads all that came, until nothing waits or a handler freed ch. For the last words of a
 * peer whose successor is already here. */
void channel_read(struct channel *ch);
/* The same for who goes: what is sent from now on fails at the peer, what was sent is read. */
void channel_hear_out(struct channel *ch);

/* Sends what waits, blocking for at most ms. */
void channel_flush(struct channel *ch, int ms);

/* Sends now or queues. fd -1: none; otherwise it is duplicated as far as needed and stays
 * the caller's. False: the queue is full or the peer is gone; the caller decides. */
MUST_USE bool channel_send(struct channel *ch, enum msg_type type, struct slice payload,
                           int fd);
size_t channel_waiting(const struct channel *ch); /* octets not sent yet */
#endif
