/* proc/proc_test.h - a state directory and a configuration for the tests beside it. */
#ifndef PROC_PROC_TEST_H
#define PROC_PROC_TEST_H
#include "config/config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

struct test_place {
    char dir[64], config_path[96], state[96];
    unsigned port; /* of the listener; free when the place was made */
};

/* Sanitizer builds and POSTERN_SANDBOX=off have no sandbox to test. */
static inline bool test_sandbox_off(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return true;
#else
#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    return true;
#endif
#endif
    return getenv("POSTERN_SANDBOX") != NULL;
#endif
}

static inline bool test_write(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    return f != NULL && fputs(text, f) >= 0 && fclose(f) == 0;
}

/* A configuration with these lines beside the usual ones, written to the place. */
static inline bool test_configure(const struct test_place *p, const char *lines)
{
    char text[4096];
    int n = snprintf(
        text, sizeof text,
        "hostname = mx.example.org\nstate-dir = \"%s\"\nuser = nobody\n"
        "listener \"mx\" { address = {\"127.0.0.1:%u\"} service = mx tls = none }\n"
        "%s\n",
        p->state, p->port, lines);
    return n > 0 && (size_t)n < sizeof text && test_write(p->config_path, text);
}

static inline unsigned test_free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        return 0;
    }
    (void)close(fd);
    return ntohs(a.sin_port);
}

static inline bool test_place_make(struct test_place *p, const char *lines)
{
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/postern-proc-XXXXXX");
    if (mkdtemp(p->dir) == NULL || chmod(p->dir, 0755) != 0) {
        return false;
    }
    p->port = test_free_port();
    (void)snprintf(p->config_path, sizeof p->config_path, "%s/postern.conf", p->dir);
    (void)snprintf(p->state, sizeof p->state, "%s/state", p->dir);
    return test_configure(p, lines);
}

static inline void test_place_remove(const struct test_place *p)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -r '%s'", p->dir);
    if (p->dir[0] == '\0' || system(command) != 0) {
        (void)fprintf(stderr, "left behind: %s\n", p->dir);
    }
}

static inline struct config *test_config(const struct test_place *p)
{
    char error[CONFIG_ERROR_MAX];
    struct config *config = NULL;
    if (!config_load(p->config_path, &config, error)) {
        (void)fprintf(stderr, "%s\n", error);
    }
    return config;
}
#endif
