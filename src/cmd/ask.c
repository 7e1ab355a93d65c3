/* cmd/ask.c - cmd_ask(): one request to a running role (proc/control.h). */
#include "base/buf.h"
#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    ASK_NOBODY = -1,
    ASK_LINE_MAX = 4 * 1024 * 1024, /* octets of one line of an answer */
    ASK_WAIT_S = 120,               /* silence after which the server counts as stuck */
    ASK_PATH_MAX = 4200,
};

/* A socket's path may be longer than sun_path: then it is named through its directory. */
static int connect_to(int fd, const char *dir, const char *name)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int n = snprintf(to.sun_path, sizeof to.sun_path, "%s/%s.sock", dir, name);
    if (n > 0 && (size_t)n < sizeof to.sun_path) {
        return connect(fd, (const struct sockaddr *)&to, sizeof to);
    }
    int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        return -1;
    }
    (void)snprintf(to.sun_path, sizeof to.sun_path, "/proc/self/fd/%d/%s.sock", dir_fd,
                   name);
    int res = connect(fd, (const struct sockaddr *)&to, sizeof to);
    int keep = errno;
    (void)close(dir_fd);
    errno = keep;
    return res;
}

static bool send_all(int fd, const char *octets, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, octets, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        octets += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* The last line of an answer: its status, its error to standard error. */
static int last_line(const char *line)
{
    json_t *last = json_loads(line, 0, NULL);
    int status = EXIT_SYSTEM;
    const char *error = NULL;
    if (json_unpack(last, "{s?s,s:i}", "error", &error, "status", &status) != 0) {
        error = "the server's answer is malformed; are client and server of one version?";
    }
    if (error != NULL) {
        (void)fprintf(stderr, "postern: %s\n", error);
    }
    json_decref(last);
    return status;
}

/* Takes whole lines off in; true when the last one was among them. */
static bool take_lines(struct buf *in, void (*each)(void *arg, const char *line),
                       void *arg, int *status)
{
    size_t done = 0;
    bool last = false;
    while (!last) {
        struct slice rest = slice_from(buf_slice(in), done);
        size_t len = slice_find(rest, '\n');
        if (len == rest.len) {
            break;
        }
        char *line = (char *)in->ptr + done;
        line[len] = '\0';
        struct slice text = slice_sub(rest, 0, len);
        last = slice_starts(text, SLICE("{\"done\":")) ||
               slice_starts(text, SLICE("{\"error\":"));
        if (last) {
            *status = last_line(line);
        } else if (each != NULL) {
            each(arg, line);
        }
        done += len + 1;
    }
    buf_consume(in, done);
    return last;
}

static int answer(int fd, void (*each)(void *arg, const char *line), void *arg)
{
    int status = EXIT_SYSTEM;
    const char *wrong = NULL;
    struct buf in;
    buf_init(&in, ASK_LINE_MAX);
    while (wrong == NULL) {
        size_t room = ASK_LINE_MAX - in.len < 65536 ? ASK_LINE_MAX - in.len : 65536;
        unsigned char *at = room == 0 ? NULL : buf_room(&in, room);
        ssize_t n = at == NULL ? 0 : recv(fd, at, room, 0);
        if (at == NULL) {
            wrong = "a line of the answer is too long, or memory is short";
        } else if (n == 0) {
            wrong = "the server went away in the middle of its answer; ask again";
        } else if (n > 0) {
            buf_grew(&in, (size_t)n);
            if (take_lines(&in, each, arg, &status)) {
                break;
            }
        } else if (errno != EINTR) {
            wrong = errno == EAGAIN ? "the server does not answer; see its log"
                                    : strerror(errno);
        }
    }
    if (wrong != NULL) {
        (void)fprintf(stderr, "postern: %s\n", wrong);
        status = EXIT_SYSTEM;
    }
    buf_clear(&in);
    return status;
}

int cmd_ask(const struct config *cfg, const char *socket_name, const char *request,
            void (*each)(void *arg, const char *line), void *arg)
{
    static const struct timeval wait = {ASK_WAIT_S, 0};
    char dir[ASK_PATH_MAX];
    (void)snprintf(dir, sizeof dir, "%s/control", cfg->state_dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        (void)fprintf(stderr, "postern: socket: %s\n", strerror(errno));
        return EXIT_SYSTEM;
    }
    int status = EXIT_SYSTEM;
    if (connect_to(fd, dir, socket_name) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR) {
            status = ASK_NOBODY;
        } else {
            (void)fprintf(stderr, "postern: %s/%s.sock: %s%s\n", dir, socket_name,
                          strerror(errno),
                          errno == EACCES ? "; ask as root or as the server's user" : "");
        }
    } else if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0 ||
               setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait) != 0 ||
               !send_all(fd, request, strlen(request)) || !send_all(fd, "\n", 1)) {
        (void)fprintf(stderr, "postern: the server does not take the request: %s\n",
                      strerror(errno));
    } else {
        status = answer(fd, each, arg);
    }
    (void)close(fd);
    return status;
}
