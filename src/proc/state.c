/* proc/state.c - see state.h */
#include "proc/state.h"

#include "base/clock.h"
#include "base/log.h"
#include "config/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { LOCK_WAIT_MS = 3000, LOCK_PAUSE_MS = 20, CONTROL_BACKLOG = 64 };

struct sandbox_user state_user(const struct config *config)
{
    if (geteuid() != 0) {
        return (struct sandbox_user){false, geteuid(), getegid()};
    }
    errno = 0;
    const struct passwd *pw = getpwnam(config->user);
    if (pw == NULL && errno != 0 && errno != ENOENT) {
        fatal("user '%s': %s", config->user, strerror(errno));
    }
    if (pw == NULL) {
        fatal("user '%s' does not exist; make it with: useradd --system --home-dir %s "
              "--shell /usr/sbin/nologin %s   (or name another with the setting 'user')",
              config->user, config->state_dir, config->user);
    }
    if (pw->pw_uid == 0) {
        fatal("user '%s' is root; the roles need one without rights", config->user);
    }
    return (struct sandbox_user){true, pw->pw_uid, pw->pw_gid};
}

enum { USER_NAME_MAX = 64 };

/* The name of a user, or the number where it has none. */
static const char *user_name(uid_t uid, char room[USER_NAME_MAX])
{
    const struct passwd *pw = getpwuid(uid);
    if (pw == NULL || strlen(pw->pw_name) >= USER_NAME_MAX) {
        (void)snprintf(room, USER_NAME_MAX, "%u", (unsigned)uid);
    } else {
        (void)snprintf(room, USER_NAME_MAX, "%s", pw->pw_name);
    }
    return room;
}

/* Something of state-dir cannot be had. Often it is another user's: that one, or root, started
 * the server on it before. */
__attribute__((noreturn)) static void not_had(int at, const char *dir, const char *name)
{
    int why = errno;
    char owner[USER_NAME_MAX];
    struct stat st;
    if ((why == EACCES || why == EPERM) &&
        fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_uid != geteuid()) {
        fatal("%s/%s: %s; it belongs to user %s: start as that user or as root, or set "
              "state-dir to a directory of your own",
              dir, name, strerror(why), user_name(st.st_uid, owner));
    }
    fatal("%s/%s: %s", dir, name, strerror(why));
}

/* The directory, made when missing, opened without following a link: what a role could have
 * put there must not lead root elsewhere. */
static int directory(int at, const char *dir, const char *name, mode_t mode)
{
    if (mkdirat(at, name, mode) != 0 && errno != EEXIST) {
        fatal("mkdir %s/%s: %s", dir, name, strerror(errno));
    }
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        not_had(at, dir, name);
    }
    return fd;
}

static int state_directory(const struct config *config)
{
    /* state-dir itself may be a link: that is the administrator's choice */
    if (mkdir(config->state_dir, 0755) != 0 && errno != EEXIST) {
        fatal("mkdir %s: %s; %s", config->state_dir, strerror(errno),
              errno == ENOENT ? "make the directory above it first"
                              : "make it, or set state-dir to one that can be made");
    }
    int fd = open(config->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        fatal("%s: %s", config->state_dir, strerror(errno));
    }
    return fd;
}

/* Root gives the roles their directory, but not what a server of another user left in it: that
 * would be a spool and a database that they cannot read. */
static void give(const struct config *config, const char *name, int fd,
                 const struct stat *st, const struct sandbox_user *user)
{
    char owner[USER_NAME_MAX];
    if (!user->change || st->st_uid == user->uid) {
        return;
    }
    if (st->st_uid != 0) {
        fatal("%s/%s belongs to user %s, who ran the server there, and the roles run as "
              "%s: "
              "start as %s again, or give all of it away: chown -R %s %s/*",
              config->state_dir, name, user_name(st->st_uid, owner), config->user, owner,
              config->user, config->state_dir);
    }
    if (fchown(fd, user->uid, user->gid) != 0) {
        fatal("chown %s/%s: %s", config->state_dir, name, strerror(errno));
    }
}

void state_make(const struct config *config, const struct sandbox_user *user)
{
    static const struct {
        const char *name;
        mode_t mode;
        bool
            roles; /* belongs to the roles' user; else to the supervisor, who alone writes */
    } dirs[] = {
        {STATE_EMPTY, 0755, false}, {STATE_CONTROL, 0755, false},
        {STATE_SPOOL, 0700, true},  {STATE_DIRECTORY, 0700, true},
        {STATE_TRACE, 0700, true},  {STATE_MAIL, 0700, true},
        {STATE_TLS, 0700, true},
    };
    int top = state_directory(config);
    for (unsigned i = 0; i < sizeof dirs / sizeof dirs[0]; i++) {
        struct stat st;
        int fd = directory(top, config->state_dir, dirs[i].name, dirs[i].mode);
        if (fstat(fd, &st) != 0) {
            fatal("%s/%s: %s", config->state_dir, dirs[i].name, strerror(errno));
        }
        if (dirs[i].roles) {
            give(config, dirs[i].name, fd, &st, user);
        }
        if ((st.st_mode & S_IWOTH) != 0) {
            fatal("%s/%s may be written by everyone; chmod o-w it", config->state_dir,
                  dirs[i].name);
        }
        (void)close(fd);
    }
    (void)close(top);
}

int state_lock(const struct config *config)
{
    static const struct timespec pause = {0, LOCK_PAUSE_MS * 1000000L};
    uint64_t end = clock_mono_ms() + LOCK_WAIT_MS;
    int top = state_directory(config);
    int fd = openat(top, STATE_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        not_had(top, config->state_dir, STATE_LOCK);
    }
    (void)close(top);
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            fatal("%s/%s: %s", config->state_dir, STATE_LOCK, strerror(errno));
        }
        if (clock_mono_ms() >= end) {
            fatal("another server runs on %s (%s/%s is locked)", config->state_dir,
                  config->state_dir, STATE_LOCK);
        }
        (void)nanosleep(&pause, NULL);
    }
    return fd;
}

int state_control(const struct config *config, const struct sandbox_user *user,
                  const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int n = snprintf(address.sun_path, sizeof address.sun_path, "%s/%s/%s.sock",
                     config->state_dir, STATE_CONTROL, name);
    if (n < 0 || (size_t)n >= sizeof address.sun_path) {
        fatal("state-dir %s is too long: a socket below it may have %zu octets in all",
              config->state_dir, sizeof address.sun_path - 1);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        fatal("socket: %s", strerror(errno));
    }
    /* We hold the lock, so a socket that is there is of a server that is gone. */
    if (unlink(address.sun_path) != 0 && errno != ENOENT) {
        fatal("%s: %s", address.sun_path, strerror(errno));
    }
    mode_t mask = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    (void)umask(mask);
    if (bound != 0 || listen(fd, CONTROL_BACKLOG) != 0) {
        fatal("%s: %s", address.sun_path, strerror(errno));
    }
    if (user->change && lchown(address.sun_path, user->uid, user->gid) != 0) {
        fatal("chown %s: %s", address.sun_path, strerror(errno));
    }
    return fd;
}
