/* proc/listen.h - the sockets that strangers connect to, held by the supervisor.
 *
 * Each smtpd process has a socket of its own for each address (SO_REUSEPORT): the kernel
 * spreads connections over them without any process being woken in vain. The supervisor keeps
 * all of them open for ever, so when an smtpd dies or a reload replaces it, connections that
 * nobody accepted yet wait for the successor, which inherits the same socket.
 *
 * Own     listen_set_clear() closes all sockets.
 * Errors  listen_prepare() changes nothing when it is false; `error` says why, and errno where the kernel
 *         refused a socket (else 0). */
#ifndef PROC_LISTEN_H
#define PROC_LISTEN_H
#include "proc/role.h"

enum { LISTEN_SOCKETS_MAX = 64 * 64, LISTEN_ERROR_MAX = 256 };

struct listen_socket {
    char *address;
    unsigned lane; /* sockets of one address are numbered from 0, one a process */
    int fd;
};
struct listen_set {
    struct listen_socket *item;
    unsigned n;
};

/* Binds what that configuration needs for so many processes and is not there yet. */
MUST_USE bool listen_prepare(struct listen_set *set, const struct config *config,
                             unsigned process_n, char error[LISTEN_ERROR_MAX]);

/* Closes all but the first n: what listen_prepare() added, when it is not to be used. A socket
 * that listens and belongs to no process would let connections wait for ever. */
void listen_cut(struct listen_set *set, unsigned n);

/* Closes what that configuration does not need. */
void listen_prune(struct listen_set *set, const struct config *config,
                  unsigned process_n);

/* The sockets of process `position` of process_n, with their listeners, into ctx. */
void listen_share(const struct listen_set *set, const struct config *config,
                  unsigned position, unsigned process_n, struct role_ctx *ctx);

void listen_set_clear(struct listen_set *set);
#endif
