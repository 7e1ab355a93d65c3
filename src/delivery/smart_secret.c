/* delivery/smart_secret.c - see smart_secret.h */
#include "delivery/smart_secret.h"

#include "base/file.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_MAX = 8192 }; /* file_read() wants 4 KiB of room */

struct secret {
    size_t len;
    const char *why; /* NULL: it is there */
    char octets[SMART_SECRET_MAX];
};
struct smart_secrets {
    unsigned n;
    struct secret secret[];
};

static const char *read_from(int fd, struct secret *out)
{
    struct stat st;
    struct buf b;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return "it is no file";
    }
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0 ||
        (st.st_uid != 0 && st.st_uid != geteuid())) {
        return "others than its owner (root, or the server's user) may read or write it";
    }
    buf_init(&b, FILE_MAX);
    bool whole = file_read(fd, &b);
    struct slice line = slice_sub(buf_slice(&b), 0, slice_find(buf_slice(&b), '\n'));
    if (line.len > 0 && line.ptr[line.len - 1] == '\r') {
        line.len--;
    }
    const char *why = !whole                        ? "it is too long, or cannot be read"
                      : line.len == 0               ? "its first line is empty"
                      : line.len > SMART_SECRET_MAX ? "its first line is too long"
                                                    : NULL;
    if (why == NULL) {
        memcpy(out->octets, line.ptr, line.len);
        out->len = line.len;
    }
    if (b.len > 0) {
        explicit_bzero(b.ptr, b.len);
    }
    buf_clear(&b);
    return why;
}

static void read_one(const struct smart_host *h, struct secret *out)
{
    int fd = open(h->secret, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    out->why = fd < 0 ? strerrordesc_np(errno) : read_from(fd, out);
    if (fd >= 0) {
        (void)close(fd);
    }
    if (out->why != NULL) {
        log_text(LOG_ERR, "smart-host", "the password of %s, %s: %s; its mail waits",
                 h->name, h->secret, out->why);
    }
}

struct smart_secrets *smart_secrets_new(const struct smart_hosts *hosts)
{
    unsigned n = smart_hosts_n(hosts);
    struct smart_secrets *s = calloc(1, sizeof *s + n * sizeof s->secret[0]);
    if (s == NULL) {
        return NULL;
    }
    s->n = n;
    for (unsigned i = 0; i < n; i++) {
        const struct smart_host *h = smart_hosts_at(hosts, i);
        if (h->user[0] != '\0') {
            read_one(h, &s->secret[i]);
        }
    }
    return s;
}

void smart_secrets_free(struct smart_secrets **s)
{
    if (*s != NULL) {
        explicit_bzero((*s)->secret, (*s)->n * sizeof(*s)->secret[0]);
        free(*s);
        *s = NULL;
    }
}

bool smart_secret(const struct smart_secrets *s, const struct smart_host *host,
                  struct slice *out, const char **why)
{
    const struct secret *one = &s->secret[host->number];
    *why = one->why;
    *out = (struct slice){(const unsigned char *)one->octets, one->len};
    return one->why == NULL;
}
