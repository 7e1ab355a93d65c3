/* directory/testing.h - for the tests of this folder: a store in a temporary directory,
 * and requests to it written as one line. */
#ifndef DIRECTORY_TESTING_H
#define DIRECTORY_TESTING_H
#include "directory/admin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW_MS UINT64_C(1800000000000) /* 2027-01-15T08:00:00Z */

static struct {
    char dir[64], db[96], maildir[128];
    struct dir_store_config config;
    struct dir_store *store;
} t;

static inline void t_command(const char *verb, const char *path)
{
    char command[600];
    (void)snprintf(command, sizeof command, "%s '%s'", verb, path);
    assert_int_equal(system(command), 0);
}

static inline void t_open(void)
{
    char error[DIR_ERROR_MAX];
    (void)snprintf(t.dir, sizeof t.dir, "/tmp/directory-test-XXXXXX");
    assert_non_null(mkdtemp(t.dir));
    (void)snprintf(t.db, sizeof t.db, "%s/directory.db", t.dir);
    (void)snprintf(t.maildir, sizeof t.maildir, "%s/mail/%%d/%%u", t.dir);
    t.config = (struct dir_store_config){.path = t.db,
                                         .shown = t.db,
                                         .maildir = t.maildir,
                                         .sub_address = "+",
                                         .inactive_after_ms = UINT64_C(90) * 86400000,
                                         .busy_ms = 1000,
                                         .create = true};
    t.store = dir_store_open(&t.config, error);
    assert_non_null(t.store);
}

static inline void t_close(void)
{
    dir_store_close(&t.store);
    t_command("rm -rf", t.dir);
}

static inline int t_setup(void **state)
{
    (void)state;
    t_open();
    return 0;
}

static inline int t_teardown(void **state)
{
    (void)state;
    t_close();
    return 0;
}

/* Carries out a request (single quotes stand for double ones); its lines, one after the
 * other, and the error into out; returns the status. */
static inline int t_ask(const char *request, char *out, size_t cap)
{
    static char text[16384];
    (void)snprintf(text, sizeof text, "%s", request);
    for (char *p = text; *p != '\0'; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    struct dir_admin *a = dir_admin_new(t.store, json, NOW_MS);
    assert_non_null(a);
    json_t *line = NULL;
    size_t len = 0;
    out[0] = '\0';
    while ((line = dir_admin_next(a)) != NULL) {
        char *dump = json_dumps(line, JSON_COMPACT);
        int n = snprintf(out + len, cap - len, "%s\n", dump);
        len += n > 0 ? (size_t)n : 0;
        assert_true(len < cap);
        free(dump);
        json_decref(line);
    }
    int status = dir_admin_status(a);
    if (dir_admin_error(a) != NULL) {
        assert_int_equal(len, 0);
        (void)snprintf(out, cap, "%s", dir_admin_error(a));
    }
    assert_true(status == 0 || !dir_admin_changed(a));
    dir_admin_free(&a);
    json_decref(json);
    return status;
}

static inline void t_must(const char *request)
{
    static char out[8192];
    if (t_ask(request, out, sizeof out) != 0) {
        fail_msg("%s: %s", request, out);
    }
}

/* "local@domain" and options: {'quota':'1 K'} */
static inline void t_make(const char *object, const char *subject, const char *more)
{
    static char request[16384];
    (void)snprintf(request, sizeof request,
                   "{'object':'%s','action':'add','subject':'%s'%s%s}", object, subject,
                   more[0] == '\0' ? "" : ",", more);
    t_must(request);
}
#endif
