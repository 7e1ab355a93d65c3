/* proc/landlock.c - see landlock.h */
#include "proc/landlock.h"

#include "base/buf.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The headers of Debian 12 are of ABI 2; the kernel may be newer. These three are its own
 * structures, as long as the newest ABI named here; a shorter size goes to older ones. */
struct ruleset_attr {
    uint64_t fs, net, scoped;
};
struct path_attr {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));
struct port_attr {
    uint64_t allowed, port;
};
enum { RULE_PATH = 1, RULE_PORT = 2, ABI_KNOWN = 6, ABI_REFER = 2 };

enum where { FS = 0, NET, SCOPE };

/* clang-format off */
static const struct right {
    const char *name;
    int abi;         /* first version that knows it */
    enum where where;
    unsigned bit;
    uint64_t access; /* of landlock.h: granted with which set; 0: never */
} rights[] = {
    {"execute",         1, FS,     0, 0},
    {"write-file",      1, FS,     1, LANDLOCK_FILES},
    {"read-file",       1, FS,     2, LANDLOCK_FILES},
    {"read-dir",        1, FS,     3, LANDLOCK_FILES},
    {"remove-dir",      1, FS,     4, LANDLOCK_TREES},
    {"remove-file",     1, FS,     5, LANDLOCK_FILES},
    {"make-char",       1, FS,     6, 0},
    {"make-dir",        1, FS,     7, LANDLOCK_TREES},
    {"make-reg",        1, FS,     8, LANDLOCK_FILES},
    {"make-sock",       1, FS,     9, 0},
    {"make-fifo",       1, FS,    10, 0},
    {"make-block",      1, FS,    11, 0},
    {"make-sym",        1, FS,    12, 0},
    {"refer",           2, FS,    13, LANDLOCK_TREES},
    {"truncate",        3, FS,    14, LANDLOCK_FILES},
    {"tcp-bind",        4, NET,    0, 0}, /* granted to port 0, with bind_any */
    {"tcp-connect",     4, NET,    1, 0}, /* granted to the rule's ports */
    {"ioctl-dev",       5, FS,    15, 0},
    {"abstract-socket", 6, SCOPE,  0, 0},
    {"signal",          6, SCOPE,  1, 0},
};
/* clang-format on */
enum { RIGHT_N = sizeof rights / sizeof rights[0] };

/* How long struct landlock_ruleset_attr is in that version. */
static size_t attr_len(int abi)
{
    return abi >= 6 ? sizeof(struct ruleset_attr) : abi >= 4 ? 16 : 8;
}

static void say_missing(const char *role, int abi)
{
    struct buf b;
    buf_init(&b, 1024);
    for (unsigned i = 0; i < RIGHT_N; i++) {
        if (rights[i].abi > abi) {
            (void)buf_add_fmt(&b, " %s", rights[i].name);
        }
    }
    log_text(LOG_WARN, "landlock", "%s: kernel has ABI %d, not bound:%.*s", role, abi,
             (int)b.len, (const char *)b.ptr);
    buf_clear(&b);
}

static void add_below(int ruleset, int fd, const char *path, uint64_t access, int abi)
{
    struct path_attr rule = {.parent_fd = fd};
    for (unsigned i = 0; i < RIGHT_N; i++) {
        if (rights[i].where == FS && rights[i].abi <= abi &&
            (rights[i].access & access) != 0) {
            rule.allowed |= 1ULL << rights[i].bit;
        }
    }
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH, &rule, 0) != 0) {
        fatal("landlock rule for %s: %s", path, strerror(errno));
    }
}

static void add_path(int ruleset, const char *path, uint64_t access, int abi)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        fatal("%s: %s", path, strerror(errno));
    }
    add_below(ruleset, fd, path, access, abi);
    (void)close(fd);
}

void landlock_enter(const struct landlock_rules *rules)
{
    long found =
        syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    int abi = found < 0 ? 0 : found > ABI_KNOWN ? ABI_KNOWN : (int)found;
    struct ruleset_attr attr = {0};
    uint64_t *const handled[] = {
        [FS] = &attr.fs, [NET] = &attr.net, [SCOPE] = &attr.scoped};

    if (abi < ABI_KNOWN) {
        say_missing(rules->role, abi);
    }
    /* Version 1 refuses every rename between directories: a Maildir delivery is one. */
    if (abi == 0 || (abi < ABI_REFER && (rules->access & LANDLOCK_TREES) != 0)) {
        log_text(LOG_WARN, "landlock", "%s: paths are not bound", rules->role);
        return;
    }
    for (unsigned i = 0; i < RIGHT_N; i++) {
        if (rights[i].abi <= abi) {
            *handled[rights[i].where] |= 1ULL << rights[i].bit;
        }
    }
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, attr_len(abi), 0);
    if (ruleset < 0) {
        fatal("landlock: %s", strerror(errno));
    }
    if (rules->path != NULL) {
        add_path(ruleset, rules->path, rules->access, abi);
    }
    if (rules->also != NULL) {
        add_path(ruleset, rules->also, LANDLOCK_FILES, abi);
    }
    if (rules->open > 0) {
        add_below(ruleset, rules->open, "an open directory", LANDLOCK_FILES, abi);
    }
    for (unsigned i = 0; i < rules->connect_n && abi >= 4; i++) {
        struct port_attr rule = {1U << 1, rules->connect_port[i]};
        if (syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0) != 0) {
            fatal("landlock rule for port %u: %s", rules->connect_port[i],
                  strerror(errno));
        }
    }
    if (rules->bind_any && abi >= 4) {
        struct port_attr rule = {1U << 0, 0};
        if (syscall(SYS_landlock_add_rule, ruleset, RULE_PORT, &rule, 0) != 0) {
            fatal("landlock rule for binding: %s", strerror(errno));
        }
    }
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0) {
        fatal("landlock: %s", strerror(errno));
    }
    (void)close(ruleset);
}

uint16_t landlock_port(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return ntohs(in.sin_port);
    }
    struct sockaddr_in6 in6;
    memcpy(&in6, address, sizeof in6);
    return ntohs(in6.sin6_port);
}
