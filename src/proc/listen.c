/* proc/listen.c - see listen.h */
#include "proc/listen.h"

#include "base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static unsigned address_count(const struct config *config)
{
    unsigned n = 0;
    for (unsigned i = 0; i < config->listener_n; i++) {
        n += config->listener[i].address_n;
    }
    return n;
}

/* The listener that names the address; *times counts how many do. */
static const struct config_listener *listener_of(const struct config *config,
                                                 const char *address, unsigned *times)
{
    const struct config_listener *found = NULL;
    *times = 0;
    for (unsigned i = 0; i < config->listener_n; i++) {
        const struct config_listener *l = &config->listener[i];
        for (unsigned k = 0; k < l->address_n; k++) {
            if (strcmp(l->address[k], address) == 0) {
                found = l;
                (*times)++;
            }
        }
    }
    return found;
}

static bool held(const struct listen_set *set, const char *address, unsigned lane)
{
    for (unsigned i = 0; i < set->n; i++) {
        if (set->item[i].lane == lane && strcmp(set->item[i].address, address) == 0) {
            return true;
        }
    }
    return false;
}

static int set_on(int fd, int level, int option)
{
    int on = 1;
    return setsockopt(fd, level, option, &on, sizeof on);
}

/* A bound socket, or -1 and errno. */
static int bound(const struct sockaddr_storage *address, socklen_t len, bool shared)
{
    struct sockaddr_storage copy = *address;
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    bool ok =
        set_on(fd, SOL_SOCKET, SO_REUSEADDR) == 0 &&
        (!shared || set_on(fd, SOL_SOCKET, SO_REUSEPORT) == 0) &&
        (address->ss_family != AF_INET6 || set_on(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0) &&
        set_on(fd, IPPROTO_TCP, TCP_NODELAY) == 0 && /* accepted ones inherit it */
        bind(fd, (struct sockaddr *)(void *)&copy, len) == 0;
    if (!ok) {
        int why = errno;
        (void)close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

/* SO_REUSEPORT would let two servers share a port by mistake, each getting half of the mail:
 * the first socket of an address is tried without it. */
static int open_socket(const char *text, bool first)
{
    struct sockaddr_storage address;
    socklen_t len = 0;
    if (!config_address_parse(text, &address, &len)) {
        errno = EINVAL;
        return -1;
    }
    if (first) {
        int probe = bound(&address, len, false);
        if (probe < 0 || listen(probe, 1) != 0) {
            int why = errno;
            if (probe >= 0) {
                (void)close(probe);
            }
            errno = why;
            return -1;
        }
        (void)close(probe);
    }
    int fd = bound(&address, len, true);
    if (fd >= 0 && listen(fd, BACKLOG) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

void listen_cut(struct listen_set *set, unsigned n)
{
    while (set->n > n) {
        struct listen_socket *s = &set->item[--set->n];
        (void)close(s->fd);
        free(s->address);
    }
}

/* What to do about it. */
static const char *advice(int why)
{
    switch (why) {
    case EADDRINUSE:
        return "; another program listens there: ss -ltnp tells which";
    case EACCES:
        return "; ports below 1024 want root: start as root, or name another, such as "
               "2525";
    case EADDRNOTAVAIL:
        return "; this machine has no such address: ip addr tells those it has";
    default:
        return "";
    }
}

static bool add_socket(struct listen_set *set, const char *address, unsigned lane,
                       char error[LISTEN_ERROR_MAX])
{
    if (set->item == NULL) {
        set->item = calloc(LISTEN_SOCKETS_MAX, sizeof *set->item);
    }
    char *copy = strdup(address);
    if (set->item == NULL || copy == NULL || set->n == LISTEN_SOCKETS_MAX) {
        free(copy);
        (void)snprintf(error, LISTEN_ERROR_MAX, "no room for more listening sockets");
        return false;
    }
    bool first = !held(set, address, 0);
    int fd = open_socket(address, first);
    if (fd < 0) {
        (void)snprintf(error, LISTEN_ERROR_MAX, "cannot listen on %s: %s%s", address,
                       strerror(errno), advice(errno));
        free(copy);
        return false;
    }
    set->item[set->n++] = (struct listen_socket){copy, lane, fd};
    return true;
}

static bool prepare_address(struct listen_set *set, const struct config *config,
                            const char *address, unsigned process_n,
                            char error[LISTEN_ERROR_MAX])
{
    unsigned times = 0;
    (void)listener_of(config, address, &times);
    if (times != 1) {
        (void)snprintf(error, LISTEN_ERROR_MAX, "address %s stands twice", address);
        return false;
    }
    for (unsigned lane = 0; lane < process_n; lane++) {
        if (!held(set, address, lane) && !add_socket(set, address, lane, error)) {
            return false;
        }
    }
    return true;
}

bool listen_prepare(struct listen_set *set, const struct config *config,
                    unsigned process_n, char error[LISTEN_ERROR_MAX])
{
    unsigned before = set->n;
    errno = 0;
    if (address_count(config) > ROLE_LISTENERS_MAX) {
        (void)snprintf(error, LISTEN_ERROR_MAX, "more than %d addresses to listen on",
                       ROLE_LISTENERS_MAX);
        return false;
    }
    for (unsigned i = 0; i < config->listener_n; i++) {
        const struct config_listener *l = &config->listener[i];
        for (unsigned k = 0; k < l->address_n; k++) {
            if (!prepare_address(set, config, l->address[k], process_n, error)) {
                int why = errno;
                listen_cut(set, before);
                errno = why;
                return false;
            }
        }
    }
    return true;
}

/* With fewer processes than before each takes over several lanes, as far as its room goes,
 * so that connections waiting there are not lost. */
static unsigned lanes_kept(const struct config *config, unsigned process_n)
{
    unsigned n = address_count(config);
    return n == 0 ? process_n : ROLE_LISTENERS_MAX / n * process_n;
}

void listen_prune(struct listen_set *set, const struct config *config, unsigned process_n)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < set->n; i++) {
        unsigned times = 0;
        struct listen_socket s = set->item[i];
        if (listener_of(config, s.address, &times) != NULL &&
            s.lane < lanes_kept(config, process_n)) {
            set->item[kept++] = s;
            continue;
        }
        (void)close(s.fd);
        free(s.address);
    }
    set->n = kept;
}

void listen_share(const struct listen_set *set, const struct config *config,
                  unsigned position, unsigned process_n, struct role_ctx *ctx)
{
    ctx->listener_n = 0;
    for (unsigned i = 0; i < set->n; i++) {
        unsigned times = 0;
        const struct listen_socket *s = &set->item[i];
        const struct config_listener *l = listener_of(config, s->address, &times);
        if (l == NULL || s->lane % process_n != position ||
            s->lane >= lanes_kept(config, process_n)) {
            continue;
        }
        BUG_ON(ctx->listener_n == ROLE_LISTENERS_MAX);
        ctx->listener[ctx->listener_n++] = (struct role_listener){s->fd, l};
    }
}

void listen_set_clear(struct listen_set *set)
{
    listen_cut(set, 0);
    free(set->item);
    *set = (struct listen_set){0};
}
