/* proc/calls.c - see seccomp.h */
#include "proc/calls.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Argument `arg` of the call must be `value` under `mask`. */
struct test {
    unsigned arg;
    uint64_t mask, value;
};
enum { TESTS_MAX = 2 };

struct rule {
    unsigned calls; /* in which sets */
    int nr;
    int error; /* 0: allowed; else the call fails so */
    unsigned test_n;
    struct test test[TESTS_MAX];
};

#define EXACT 0xffffffffU
#define ALL   (~0U)

/* clang-format off */
#define ALLOW(set, name)                   {set, SCMP_SYS(name), 0, 0, {{0, 0, 0}}}
#define FAIL(set, name, error)             {set, SCMP_SYS(name), error, 0, {{0, 0, 0}}}
#define ALLOW_IF(set, name, a, m, v)       {set, SCMP_SYS(name), 0, 1, {{a, m, v}}}
#define FAIL_IF(set, name, error, a, m, v) {set, SCMP_SYS(name), error, 1, {{a, m, v}}}
/* the type has flags above these four bits */
#define SOCKET(set, family, type) \
    {set, SCMP_SYS(socket), 0, 2, {{0, EXACT, family}, {1, 0xf, type}}}
/* no datagrams: Landlock knows TCP ports only */
#define STREAM(set, family) SOCKET(set, family, SOCK_STREAM)

static const struct rule rules[] = {
    /* memory; nothing becomes executable that was not at the start */
    ALLOW(CALLS_BASE, brk),
    ALLOW_IF(CALLS_BASE, mmap, 2, PROT_EXEC, 0),
    ALLOW_IF(CALLS_BASE, mprotect, 2, PROT_EXEC, 0),
    ALLOW(CALLS_BASE, munmap), ALLOW(CALLS_BASE, mremap), ALLOW(CALLS_BASE, madvise),

    /* threads, not processes: clone3 hides its flags in memory, so glibc must fall back */
    ALLOW_IF(CALLS_BASE, clone, 0, CLONE_THREAD, CLONE_THREAD),
    FAIL(CALLS_BASE, clone3, ENOSYS),
    ALLOW(CALLS_BASE, futex), ALLOW(CALLS_BASE, set_robust_list), ALLOW(CALLS_BASE, rseq),
    ALLOW(CALLS_BASE, gettid), ALLOW(CALLS_BASE, sched_yield),
    ALLOW(CALLS_BASE, sched_getaffinity), ALLOW(CALLS_BASE, membarrier),
    ALLOW(CALLS_BASE, exit), ALLOW(CALLS_BASE, exit_group),

    /* signals: handlers, and abort() of oneself (the process id is added at run time) */
    ALLOW(CALLS_BASE, rt_sigaction), ALLOW(CALLS_BASE, rt_sigprocmask),
    ALLOW(CALLS_BASE, rt_sigreturn), ALLOW(CALLS_BASE, sigaltstack),
    ALLOW(CALLS_BASE, restart_syscall),

    /* who and when am I */
    ALLOW(CALLS_BASE, getpid), ALLOW(CALLS_BASE, getppid), ALLOW(CALLS_BASE, getuid),
    ALLOW(CALLS_BASE, geteuid), ALLOW(CALLS_BASE, getgid), ALLOW(CALLS_BASE, getegid),
    ALLOW(CALLS_BASE, uname), ALLOW(CALLS_BASE, sysinfo), ALLOW(CALLS_BASE, getrusage),
    ALLOW(CALLS_BASE, getrandom), ALLOW(CALLS_BASE, clock_gettime),
    ALLOW(CALLS_BASE, clock_getres), ALLOW(CALLS_BASE, gettimeofday), ALLOW(CALLS_BASE, time),
    ALLOW(CALLS_BASE, nanosleep), ALLOW(CALLS_BASE, clock_nanosleep),
    ALLOW_IF(CALLS_BASE, prlimit64, 2, ~0ULL, 0), /* ask, not set */
    ALLOW(CALLS_BASE, getrlimit),
    ALLOW_IF(CALLS_BASE, prctl, 0, EXACT, PR_SET_NAME),
    ALLOW_IF(CALLS_BASE, prctl, 0, EXACT, PR_GET_NAME),
    FAIL_IF(CALLS_BASE, prctl, EPERM, 0, EXACT, 0x53564d41), /* glibc naming an arena */

    /* the loop, and descriptors that are open */
    ALLOW(CALLS_BASE, epoll_create1), ALLOW(CALLS_BASE, epoll_ctl),
    ALLOW(CALLS_BASE, epoll_wait), ALLOW(CALLS_BASE, epoll_pwait),
    ALLOW(CALLS_BASE, epoll_pwait2), ALLOW(CALLS_BASE, poll), ALLOW(CALLS_BASE, ppoll),
    ALLOW(CALLS_BASE, select), ALLOW(CALLS_BASE, pselect6),
    ALLOW(CALLS_BASE, eventfd2), ALLOW(CALLS_BASE, pipe2),
    ALLOW(CALLS_BASE, timerfd_create), ALLOW(CALLS_BASE, timerfd_settime),
    ALLOW(CALLS_BASE, read), ALLOW(CALLS_BASE, readv), ALLOW(CALLS_BASE, pread64),
    ALLOW(CALLS_BASE, preadv), ALLOW(CALLS_BASE, preadv2), ALLOW(CALLS_BASE, write),
    ALLOW(CALLS_BASE, writev), ALLOW(CALLS_BASE, lseek), ALLOW(CALLS_BASE, close),
    ALLOW(CALLS_BASE, dup), ALLOW(CALLS_BASE, fcntl), ALLOW(CALLS_BASE, fstat),
    ALLOW(CALLS_BASE, recvmsg), ALLOW(CALLS_BASE, sendmsg), ALLOW(CALLS_BASE, recvfrom),
    ALLOW(CALLS_BASE, sendto), ALLOW(CALLS_BASE, sendmmsg), ALLOW(CALLS_BASE, recvmmsg),
    ALLOW(CALLS_BASE, shutdown), ALLOW(CALLS_BASE, getsockopt), ALLOW(CALLS_BASE, setsockopt),
    ALLOW(CALLS_BASE, getsockname), ALLOW(CALLS_BASE, getpeername),
    ALLOW_IF(CALLS_BASE, ioctl, 1, EXACT, FIONREAD),
    ALLOW_IF(CALLS_BASE, ioctl, 1, EXACT, FIONBIO),
    FAIL_IF(CALLS_BASE, ioctl, ENOTTY, 1, EXACT, TCGETS), /* isatty() */

    ALLOW(CALLS_ACCEPT, accept4), ALLOW(CALLS_ACCEPT, accept),

    ALLOW(CALLS_WRITE_FD, pwrite64), ALLOW(CALLS_WRITE_FD, pwritev),
    ALLOW(CALLS_WRITE_FD, pwritev2), ALLOW(CALLS_WRITE_FD, fsync),
    ALLOW(CALLS_WRITE_FD, fdatasync), ALLOW(CALLS_WRITE_FD, sync_file_range),
    ALLOW(CALLS_WRITE_FD, ftruncate), ALLOW(CALLS_WRITE_FD, fallocate),
    ALLOW(CALLS_WRITE_FD, fadvise64), ALLOW(CALLS_WRITE_FD, sendfile),
    ALLOW(CALLS_WRITE_FD, copy_file_range), ALLOW(CALLS_WRITE_FD, fstatfs),

    ALLOW(CALLS_FILES, openat), ALLOW(CALLS_FILES, open), ALLOW(CALLS_FILES, newfstatat),
    ALLOW(CALLS_FILES, stat), ALLOW(CALLS_FILES, lstat), ALLOW(CALLS_FILES, statx),
    ALLOW(CALLS_FILES, statfs), ALLOW(CALLS_FILES, access), ALLOW(CALLS_FILES, faccessat),
    ALLOW(CALLS_FILES, faccessat2), ALLOW(CALLS_FILES, getdents64),
    ALLOW(CALLS_FILES, readlink), ALLOW(CALLS_FILES, readlinkat), ALLOW(CALLS_FILES, getcwd),
    ALLOW(CALLS_FILES, unlink), ALLOW(CALLS_FILES, unlinkat), ALLOW(CALLS_FILES, rmdir),
    ALLOW(CALLS_FILES, mkdir), ALLOW(CALLS_FILES, mkdirat), ALLOW(CALLS_FILES, rename),
    ALLOW(CALLS_FILES, renameat), ALLOW(CALLS_FILES, renameat2), ALLOW(CALLS_FILES, link),
    ALLOW(CALLS_FILES, linkat), ALLOW(CALLS_FILES, flock), ALLOW(CALLS_FILES, umask),
    ALLOW(CALLS_FILES, fchmod), ALLOW(CALLS_FILES, utimensat),

    /* Landlock bars what is not below the mail root or not the port of the LMTP server. */
    STREAM(CALLS_CONNECT, AF_UNIX), STREAM(CALLS_CONNECT, AF_INET),
    STREAM(CALLS_CONNECT, AF_INET6), ALLOW(CALLS_CONNECT, connect),
    ALLOW_IF(CALLS_HTTP, socketpair, 0, EXACT, AF_UNIX), /* to wake itself up */

    /* UDP from random ports, TCP where an answer is long. Landlock bars TCP to other ports than those of
     * the servers, and listening; UDP it does not know. */
    SOCKET(CALLS_DNS, AF_INET, SOCK_DGRAM), SOCKET(CALLS_DNS, AF_INET6, SOCK_DGRAM),
    SOCKET(CALLS_DNS, AF_INET, SOCK_STREAM), SOCKET(CALLS_DNS, AF_INET6, SOCK_STREAM),
    ALLOW(CALLS_DNS, bind), ALLOW(CALLS_DNS, connect),
};

/* Without CALLS_FILES: libraries that look for a file hear that they may not; a call that
 * would write one kills. */
static const struct rule no_files[] = {
    FAIL_IF(ALL, openat, EACCES, 2, O_ACCMODE | O_CREAT | O_TRUNC, 0),
    FAIL_IF(ALL, open, EACCES, 1, O_ACCMODE | O_CREAT | O_TRUNC, 0),
    ALLOW_IF(ALL, newfstatat, 3, AT_EMPTY_PATH, AT_EMPTY_PATH), /* fstat() of glibc */
    FAIL_IF(ALL, newfstatat, EACCES, 3, AT_EMPTY_PATH, 0),
    FAIL(ALL, stat, EACCES), FAIL(ALL, lstat, EACCES), FAIL(ALL, statx, EACCES),
    FAIL(ALL, access, EACCES), FAIL(ALL, faccessat, EACCES), FAIL(ALL, faccessat2, EACCES),
    FAIL(ALL, readlink, EACCES), FAIL(ALL, getcwd, EACCES),
};
/* clang-format on */

static void add(scmp_filter_ctx filter, const struct rule *r)
{
    struct scmp_arg_cmp cmp[TESTS_MAX];
    for (unsigned i = 0; i < r->test_n; i++) {
        cmp[i] = (struct scmp_arg_cmp){r->test[i].arg, SCMP_CMP_MASKED_EQ,
                                       r->test[i].mask, r->test[i].value};
    }
    uint32_t action = r->error == 0 ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO((uint32_t)r->error);
    int res = seccomp_rule_add_array(filter, action, r->nr, r->test_n, cmp);
    if (res != 0) {
        fatal("seccomp rule %d: %s", r->nr, strerror(-res));
    }
}

static void add_all(scmp_filter_ctx filter, const struct rule *table, size_t n,
                    unsigned calls)
{
    for (size_t i = 0; i < n; i++) {
        if ((table[i].calls & calls) != 0) {
            add(filter, &table[i]);
        }
    }
}

/* For finding out what a library wants: not a thing for a server that serves. */
__attribute__((noreturn)) static void on_forbidden(int sig, siginfo_t *info,
                                                   void *context)
{
    (void)sig;
    (void)context;
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, info->si_syscall);
    log_text(LOG_ERR, "forbidden-call", "%s (%d)", name == NULL ? "?" : name,
             info->si_syscall);
    _exit(1);
}

static void report_forbidden(void)
{
    struct sigaction act = {.sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO};
    if (sigaction(SIGSYS, &act, NULL) != 0) {
        fatal("sigaction: %s", strerror(errno));
    }
}

void calls_enter(unsigned calls, bool log)
{
    scmp_filter_ctx filter = seccomp_init(log ? SCMP_ACT_TRAP : SCMP_ACT_KILL_PROCESS);
    struct rule self = {0, SCMP_SYS(tgkill), 0, 1, {{0, EXACT, (uint64_t)getpid()}}};

    if (filter == NULL) {
        fatal("seccomp: no memory");
    }
    if (log) {
        report_forbidden();
    }
    /* The second: a search tree instead of a list, for the calls that a session makes. */
    if (seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) != 0 ||
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) != 0 ||
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) != 0) {
        fatal("seccomp: attributes refused");
    }
    add_all(filter, rules, sizeof rules / sizeof rules[0], calls);
    if ((calls & CALLS_FILES) == 0) {
        add_all(filter, no_files, sizeof no_files / sizeof no_files[0], ALL);
    }
    add(filter, &self);
    int res = seccomp_load(filter);
    if (res != 0) {
        fatal("seccomp: %s", strerror(-res));
    }
    seccomp_release(filter);
}
