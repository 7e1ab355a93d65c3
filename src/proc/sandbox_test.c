/* proc/sandbox_test.c - enters the real row of each role in a child of its own, once as root
 * that changes its user (if the test runs as root), once without root, and does what the row
 * allows and what it forbids. */
#include "proc/sandbox.h"

#include "proc/landlock.h"
#include "proc/proc_test.h"
#include "proc/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct test_place place;
static enum role acting;
static int handed; /* a file that was opened before the sandbox */
static int tls_fd;

/* What a child does inside: true when it went as an allowed thing should. */
typedef bool action(const struct config *seen);

static bool path_of(const struct config *seen, const char *name, char out[256])
{
    int n = snprintf(out, 256, "%s/%s", seen->state_dir, name);
    return n > 0 && n < 256;
}

static bool can_write(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, "x", 1) == 1 && fdatasync(fd) == 0 &&
              ftruncate(fd, 0) == 0 && flock(fd, LOCK_EX) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

/* Make, lock, rename, remove files in a directory. */
static bool use_directory(const struct config *seen, const char *name)
{
    char a[256], b[256], dir[256];
    char text[64];
    (void)snprintf(text, sizeof text, "%s/a", name);
    bool ok = path_of(seen, text, a);
    (void)snprintf(text, sizeof text, "%s/b", name);
    ok = ok && path_of(seen, text, b) && path_of(seen, name, dir);
    ok = ok && can_write(a) && rename(a, b) == 0;
    int fd = ok ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    ok = fd >= 0 && fsync(fd) == 0 && unlinkat(fd, "b", 0) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

static bool use_directory_part(const struct config *seen)
{
    return use_directory(seen, "directory");
}
/* The quota file of a Maildir, put anew. */
static bool use_quota_file(const struct config *seen)
{
    char root[256], a[300], b[300];
    sandbox_mail_root(seen->delivery_maildir, root, sizeof root);
    (void)snprintf(a, sizeof a, "%s/maildirsize.new", root);
    (void)snprintf(b, sizeof b, "%s/maildirsize", root);
    bool ok = can_write(a) && rename(a, b) == 0 && unlink(b) == 0;
    return ok;
}
static bool use_trace_part(const struct config *seen)
{
    return use_directory(seen, "trace");
}
static bool use_spool_part(const struct config *seen)
{
    char bad[256], a[256], b[256];
    return use_directory(seen, "spool") && path_of(seen, "spool/bad", bad) &&
           path_of(seen, "spool/a", a) && path_of(seen, "spool/bad/a", b) &&
           (mkdir(bad, 0700) == 0 || errno == EEXIST) && can_write(a) &&
           rename(a, b) == 0 && unlink(b) == 0;
}

/* A Maildir made, written to tmp, moved to new: as the mail root is seen. */
static bool use_mail(const struct config *seen)
{
    char root[256], a[300], b[300];
    sandbox_mail_root(seen->delivery_maildir, root, sizeof root);
    (void)snprintf(a, sizeof a, "%s/tmp", root);
    (void)snprintf(b, sizeof b, "%s/new", root);
    if ((mkdir(a, 0700) != 0 && errno != EEXIST) ||
        (mkdir(b, 0700) != 0 && errno != EEXIST)) {
        return false;
    }
    (void)snprintf(a, sizeof a, "%s/tmp/1", root);
    (void)snprintf(b, sizeof b, "%s/new/1", root);
    return can_write(a) && rename(a, b) == 0 && unlink(b) == 0;
}

static void *work(void *arg)
{
    int *done = arg;
    *done = 7;
    return NULL;
}

/* What every role does all the time. */
static bool everyday(const struct config *seen)
{
    (void)seen;
    int done = 0;
    pthread_t t;
    char random[8];
    int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct event_base *base = event_base_new();
    void *room = malloc(8U << 20);
    struct timespec now;
    bool ok = event >= 0 && base != NULL && room != NULL &&
              event_base_loop(base, EVLOOP_NONBLOCK) >= 0 &&
              pthread_create(&t, NULL, work, &done) == 0 && pthread_join(t, NULL) == 0 &&
              done == 7 && getrandom(random, sizeof random, 0) == sizeof random &&
              clock_gettime(CLOCK_MONOTONIC, &now) == 0 && !isatty(0);
    if (base != NULL) {
        event_base_free(base);
    }
    free(room);
    return ok;
}

static bool write_handed(const struct config *seen)
{
    char text[] = "abc";
    struct iovec v = {text, 3};
    struct stat st;
    (void)seen;
    return pwritev(handed, &v, 1, 0) == 3 && fdatasync(handed) == 0 &&
           fstat(handed, &st) == 0 && st.st_size == 3;
}

static bool read_is_refused(const struct config *seen)
{
    (void)seen;
    return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 &&
           (errno == EACCES || errno == ENOENT);
}

/* Its directory of policies, open since before it lost the way there. */
static bool use_tls_directory(const struct config *seen)
{
    (void)seen;
    int fd = openat(tls_fd, "s-x.test", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0 &&
           renameat(tls_fd, "s-x.test", tls_fd, "s-y.test") == 0 &&
           unlinkat(tls_fd, "s-y.test", 0) == 0 &&
           openat(tls_fd, "../trace/x", O_RDONLY | O_CLOEXEC) < 0;
}

/* Files that are there, of the same user: Landlock alone keeps them apart. */
static const struct {
    const char *name;
    enum role owner;
} files[] = {
    {"lock", ROLE_supervisor},       {"control/x", ROLE_supervisor},
    {"directory/x", ROLE_directory}, {"spool/x", ROLE_queue},
    {"trace/x", ROLE_trace},         {"mail/x", ROLE_delivery},
};
enum { FILE_N = sizeof files / sizeof files[0] };

static bool others_are_closed(const struct config *seen)
{
    for (unsigned i = 0; i < FILE_N; i++) {
        char path[256];
        /* quotas stand in the Maildirs */
        bool own = files[i].owner == acting ||
                   (files[i].owner == ROLE_delivery && acting == ROLE_directory);
        if (own && acting == ROLE_delivery) {
            continue; /* its root is the mail root: not named so there */
        }
        if (!path_of(seen, files[i].name, path) ||
            (open(path, O_RDWR | O_CLOEXEC) >= 0) != own) {
            return false;
        }
    }
    return true;
}

static bool cannot_make_elsewhere(const struct config *seen)
{
    char path[256];
    return path_of(seen, "empty/x", path) &&
           open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) < 0 &&
           open("/tmp/postern-proc-escaped", O_RDWR | O_CREAT | O_CLOEXEC, 0600) < 0;
}

static bool root_is_gone(const struct config *seen)
{
    (void)seen;
    return getuid() != 0 && geteuid() != 0 && getgid() != 0;
}

static bool no_core(const struct config *seen)
{
    struct rlimit r;
    (void)seen;
    return getrlimit(RLIMIT_CORE, &r) == 0 && r.rlim_max == 0;
}

static bool dies_of_abort(const struct config *seen)
{
    (void)seen;
    abort();
}

/* -- forbidden: each returns true if it was let -- */

static bool make_socket(const struct config *seen)
{
    (void)seen;
    return socket(AF_INET, SOCK_STREAM, 0) >= 0;
}
static bool make_unix_socket(const struct config *seen)
{
    (void)seen;
    return socket(AF_UNIX, SOCK_STREAM, 0) >= 0;
}
static bool make_raw_socket(const struct config *seen)
{
    (void)seen;
    return socket(AF_INET, SOCK_RAW, 0) >= 0;
}
static bool make_netlink_socket(const struct config *seen)
{
    (void)seen;
    return socket(AF_NETLINK, SOCK_RAW, 0) >= 0;
}
static bool exec_program(const struct config *seen)
{
    (void)seen;
    char name[] = "/bin/true";
    char *argv[] = {name, NULL};
    return execve(name, argv, argv + 1) == 0;
}
static bool open_for_writing(const struct config *seen)
{
    char path[256];
    return path_of(seen, "spool/x", path) &&
           open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0;
}
static bool trace_parent(const struct config *seen)
{
    (void)seen;
    return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0;
}
static bool kill_parent(const struct config *seen)
{
    (void)seen;
    return kill(getppid(), 0) == 0;
}
static bool fork_process(const struct config *seen)
{
    (void)seen;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    return pid > 0;
}
static bool make_executable(const struct config *seen)
{
    (void)seen;
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED;
}
static bool become_root(const struct config *seen)
{
    (void)seen;
    return setuid(0) == 0;
}
static bool use_io_uring(const struct config *seen)
{
    (void)seen;
    return syscall(425, 1, NULL) >= 0;
}
static bool bind_port(const struct config *seen)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    (void)seen;
    return bind(handed, (struct sockaddr *)&a, sizeof a) == 0;
}
static bool listen_on(const struct config *seen)
{
    (void)seen;
    return listen(handed, 1) == 0;
}
static bool use_udp(const struct config *seen)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    (void)seen;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int fd6 = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && fd6 >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
}
static bool raise_limit(const struct config *seen)
{
    struct rlimit r = {10, 10};
    (void)seen;
    return setrlimit(RLIMIT_NOFILE, &r) == 0;
}
static bool link_symbolically(const struct config *seen)
{
    char path[256];
    return path_of(seen, "spool/link", path) && symlink("/etc/passwd", path) == 0;
}

static bool connect_to(uint16_t port, int *why)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *why = 0;
    if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        *why = errno;
    }
    (void)close(fd);
    return *why == 0;
}

/* Nobody listens on either port: it is the refusal that differs. */
static bool connect_lmtp_only(const struct config *seen)
{
    int allowed = 0;
    int forbidden = 0;
    (void)seen;
    (void)connect_to(2, &allowed);
    (void)connect_to(3, &forbidden);
    return allowed == ECONNREFUSED && forbidden == EACCES;
}

/* What libcurl does beside that; a datagram socket would be for names. */
static bool ask_endpoint(const struct config *seen)
{
    int ends[2];
    bool ok = connect_lmtp_only(seen) && socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0;
    if (ok) {
        (void)close(ends[0]);
        (void)close(ends[1]);
    }
    return ok;
}

static bool make_udp_socket(const struct config *seen)
{
    (void)seen;
    return socket(AF_INET, SOCK_DGRAM, 0) >= 0;
}

/* The ports of the configuration, and 53; nobody listens there. */
static bool connect_dns_only(const struct config *seen)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    int why[4];
    (void)seen;
    (void)connect_to(53, &why[0]);
    (void)connect_to(5, &why[1]);
    (void)connect_to(6, &why[2]);
    (void)connect_to(25, &why[3]);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool bound = bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    return why[0] == ECONNREFUSED && why[1] == ECONNREFUSED && why[2] == ECONNREFUSED &&
           why[3] == EACCES && !bound && errno == EACCES;
}

/* -- children -- */

enum { AS_ROOT = 0, WITHOUT_ROOT, WAYS };

static void become_nobody(void)
{
    const struct passwd *pw = getpwnam("nobody");
    if (pw == NULL || setgid(pw->pw_gid) != 0 || setuid(pw->pw_uid) != 0) {
        _exit(99);
    }
}

__attribute__((noreturn)) static void child(enum role role, int way, action *act)
{
    static struct config seen;
    struct config *config = test_config(&place);
    if (config == NULL) {
        _exit(98);
    }
    struct sandbox_user user = state_user(config);
    if (freopen("/dev/null", "r", stdin) == NULL) {
        _exit(97);
    }
    if (way == WITHOUT_ROOT) {
        if (geteuid() == 0) {
            become_nobody();
        }
        user.change = false;
    }
    seen = *config;
    acting = role;
    sandbox_limits(role, &seen);
    sandbox_root(role, &user, &seen);
    sandbox_lock(role, &seen);
    _exit(act(&seen) ? 0 : 1);
}

static int status_of(enum role role, int way, action *act)
{
    int status = -1;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        child(role, way, act);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

enum outcome { FINE = 0, KILLED, ABORTED };

static void expect(const char *what, enum role role, int way, action *act,
                   enum outcome outcome)
{
    int status = status_of(role, way, act);
    bool ok = outcome == FINE     ? WIFEXITED(status) && WEXITSTATUS(status) == 0
              : outcome == KILLED ? WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
                                  : WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    if (!ok) {
        fail_msg("%s, %s, %s: status %x", role_name(role),
                 way == AS_ROOT ? "as root" : "without root", what, (unsigned)status);
    }
}

#define SMT (1U << ROLE_smtpd)
#define DRY (1U << ROLE_directory)
#define QUE (1U << ROLE_queue)
#define DEL (1U << ROLE_delivery)
#define TRC (1U << ROLE_trace)
#define ALL (SMT | DRY | QUE | DEL | TRC)

static const struct {
    const char *what;
    unsigned roles;
    action *act;
    enum outcome outcome;
} cases[] = {
    {"threads, loop, clock, memory", ALL, everyday, FINE},
    {"write to what was handed in", ALL, write_handed, FINE},
    {"reading /etc/passwd is refused", ALL, read_is_refused, FINE},
    {"other directories are closed", ALL & ~SMT, others_are_closed, FINE},
    {"no files elsewhere", ALL & ~SMT, cannot_make_elsewhere, FINE},
    {"its directory", DRY, use_directory_part, FINE},
    {"quota files", DRY, use_quota_file, FINE},
    {"its directory", TRC, use_trace_part, FINE},
    {"its directory", QUE, use_spool_part, FINE},
    {"not root", ALL, root_is_gone, FINE},
    {"no core", ALL, no_core, FINE},
    {"abort", ALL, dies_of_abort, ABORTED},
    {"socket", ALL & ~SMT & ~DEL, make_socket, KILLED},
    {"unix socket", ALL, make_unix_socket, KILLED},
    {"raw socket", ALL, make_raw_socket, KILLED},
    {"netlink socket", ALL, make_netlink_socket, KILLED},
    {"UDP", SMT, use_udp, FINE},
    {"execve", ALL, exec_program, KILLED},
    {"ptrace", ALL, trace_parent, KILLED},
    {"kill", ALL, kill_parent, KILLED},
    {"fork", ALL, fork_process, KILLED},
    {"executable memory", ALL, make_executable, KILLED},
    {"setuid", ALL, become_root, KILLED},
    {"io_uring", ALL, use_io_uring, KILLED},
    {"bind", ALL & ~SMT & ~DEL, bind_port, KILLED},
    {"listen", ALL, listen_on, KILLED},
    {"setrlimit", ALL, raise_limit, KILLED},
    {"symlink", ALL, link_symbolically, KILLED},
    {"open for writing", SMT, open_for_writing, KILLED},
};

static void run_cases(int way)
{
    if (test_sandbox_off()) {
        skip();
    }
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (unsigned r = 0; r < ROLE_COUNT; r++) {
            if ((cases[i].roles >> r & 1U) != 0) {
                expect(cases[i].what, (enum role)r, way, cases[i].act, cases[i].outcome);
            }
        }
    }
}

static void test_as_root(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    run_cases(AS_ROOT);
}

static void test_without_root(void **state)
{
    (void)state;
    run_cases(WITHOUT_ROOT);
}

static void test_mail(void **state)
{
    (void)state;
    if (test_sandbox_off()) {
        skip();
    }
    for (int way = geteuid() == 0 ? AS_ROOT : WITHOUT_ROOT; way < WAYS; way++) {
        expect("Maildir", ROLE_delivery, way, use_mail, FINE);
        expect("policies", ROLE_delivery, way, use_tls_directory, FINE);
    }
}

static void test_lmtp(void **state)
{
    (void)state;
    if (test_sandbox_off() || syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 4) {
        skip();
    }
    assert_true(test_configure(&place, "delivery { lmtp = \"127.0.0.1:2\" }"));
    for (int way = geteuid() == 0 ? AS_ROOT : WITHOUT_ROOT; way < WAYS; way++) {
        expect("LMTP", ROLE_delivery, way, connect_lmtp_only, FINE);
        expect("LMTP", ROLE_delivery, way, others_are_closed, FINE);
        expect("LMTP, other role", ROLE_queue, way, make_socket, KILLED);
    }
    assert_true(test_configure(&place, ""));
}

static void test_oauth(void **state)
{
    (void)state;
    if (test_sandbox_off() || syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 4) {
        skip();
    }
    assert_true(test_configure(
        &place, "oauth { introspection = \"https://login.example.test/i\" "
                "connect-to = \"127.0.0.1:2\" ca = \"directory/ca.pem\" }"));
    for (int way = geteuid() == 0 ? AS_ROOT : WITHOUT_ROOT; way < WAYS; way++) {
        expect("introspection", ROLE_directory, way, ask_endpoint, FINE);
        expect("introspection", ROLE_directory, way, others_are_closed, FINE);
        expect("UDP", ROLE_directory, way, make_udp_socket, KILLED);
        expect("listening", ROLE_directory, way, bind_port, KILLED);
        expect("introspection, other role", ROLE_queue, way, make_socket, KILLED);
    }
    assert_true(test_configure(&place, ""));
}

static void test_dns(void **state)
{
    (void)state;
    if (test_sandbox_off() || syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 4) {
        skip();
    }
    assert_true(test_configure(
        &place, "dns { forward = {\"127.0.0.1@5\"} stub-zones = "
                "{\"example.test 127.0.0.1@6\"} } delivery { smtp-port = 7 }"));
    for (int way = geteuid() == 0 ? AS_ROOT : WITHOUT_ROOT; way < WAYS; way++) {
        expect("DNS", ROLE_smtpd, way, connect_dns_only, FINE);
        expect("DNS", ROLE_delivery, way, connect_dns_only, FINE);
    }
    assert_true(test_configure(&place, ""));
}

static void test_policies(void **state)
{
    (void)state;
    if (test_sandbox_off() || syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 4) {
        skip();
    }
    for (int on = 0; on < 2; on++) {
        assert_true(
            test_configure(&place, on != 0 ? "delivery { smtp-port = 7 mta-sts-port = 2 }"
                                           : "delivery { smtp-port = 2 mta-sts = no }"));
        for (int way = geteuid() == 0 ? AS_ROOT : WITHOUT_ROOT; way < WAYS; way++) {
            expect("MTA-STS", ROLE_delivery, way, ask_endpoint, on != 0 ? FINE : KILLED);
        }
    }
    assert_true(test_configure(&place, ""));
}

static void test_mail_root(void **state)
{
    static const struct {
        const char *maildir, *root;
    } roots[] = {
        {"/var/lib/postern/mail/%d/%u/Maildir", "/var/lib/postern/mail"},
        {"/home/%u/Maildir", "/home"},
        {"/srv/m-%d/%u", "/srv"},
        {"/%u", "/"},
        {"/srv/everybody", "/srv"},
    };
    char out[64];
    (void)state;
    for (unsigned i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        sandbox_mail_root(roots[i].maildir, out, sizeof out);
        assert_string_equal(out, roots[i].root);
    }
}

static int make_place(void **state)
{
    (void)state;
    if (!test_place_make(&place, "")) {
        return 1;
    }
    struct config *config = test_config(&place);
    if (config == NULL) {
        return 1;
    }
    struct sandbox_user user = state_user(config);
    state_make(config, &user);
    config_free(&config);
    for (unsigned i = 0; i < FILE_N; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", place.state, files[i].name);
        if (!test_write(path, "x") ||
            (user.change && chown(path, user.uid, user.gid) != 0)) {
            return 1;
        }
    }
    char path[256];
    (void)snprintf(path, sizeof path, "%s/tls", place.state);
    tls_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    handed = memfd_create("handed", MFD_CLOEXEC);
    return handed < 0;
}

static int remove_place(void **state)
{
    (void)state;
    (void)close(handed);
    test_place_remove(&place);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mail_root),    cmocka_unit_test(test_as_root),
        cmocka_unit_test(test_without_root), cmocka_unit_test(test_mail),
        cmocka_unit_test(test_lmtp),         cmocka_unit_test(test_oauth),
        cmocka_unit_test(test_policies),     cmocka_unit_test(test_dns),
    };
    return cmocka_run_group_tests(tests, make_place, remove_place);
}
