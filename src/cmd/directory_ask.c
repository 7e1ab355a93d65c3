/* cmd/directory_ask.c - a request (directory/admin.h) to the running server or, while none runs, to its
 * database: see cmd.h */
#include "base/clock.h"
#include "cmd/cmd.h"
#include "config/paths.h"
#include "directory/admin.h"
#include "proc/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUSY_MS = 5000, NOBODY_LISTENS = -1 };

bool cmd_become_owner(const char *dir)
{
    struct stat st;
    if (stat(dir, &st) != 0) {
        (void)fprintf(stderr, "postern: %s: %s\n", dir, strerror(errno));
        return false;
    }
    if (geteuid() == 0 && st.st_uid != 0 &&
        (setegid(st.st_gid) != 0 || seteuid(st.st_uid) != 0)) {
        perror("postern: seteuid");
        return false;
    }
    return true;
}

static int carry_out(struct dir_store *store, json_t *request,
                     void (*each)(void *arg, const char *line), void *arg)
{
    struct dir_admin *admin = dir_admin_new(store, request, clock_wall_ms());
    json_t *line = NULL;
    if (admin == NULL) {
        (void)fputs("postern: out of memory\n", stderr);
        return EXIT_SYSTEM;
    }
    while ((line = dir_admin_next(admin)) != NULL) {
        char *text = json_dumps(line, JSON_COMPACT);
        if (text != NULL) {
            each(arg, text);
        }
        free(text);
        json_decref(line);
    }
    int status = dir_admin_status(admin);
    if (dir_admin_error(admin) != NULL) {
        (void)fprintf(stderr, "postern: %s\n", dir_admin_error(admin));
    }
    dir_admin_free(&admin);
    return status;
}

struct dir_store *cmd_open_directory(const struct config *cfg)
{
    char path[4200], dir[4200], error[DIR_ERROR_MAX];
    (void)snprintf(path, sizeof path, "%s/" STATE_DIRECTORY_DB, cfg->state_dir);
    (void)snprintf(dir, sizeof dir, "%s/" STATE_DIRECTORY, cfg->state_dir);
    if (access(dir, F_OK) != 0) { /* no server has run here yet */
        struct sandbox_user user = state_user(cfg);
        state_make(cfg, &user);
    }
    if (!cmd_become_owner(dir)) {
        return NULL;
    }
    struct dir_store_config config = {
        .path = path,
        .shown = path,
        .maildir = cfg->delivery_lmtp[0] == '\0' ? cfg->delivery_maildir : NULL,
        .sub_address = cfg->delivery_sub_address,
        .inactive_after_ms = cfg->directory_inactive_after,
        .limits = {cfg->limits_user_daily_messages, cfg->limits_user_daily_recipients,
                   cfg->limits_user_recipients},
        .busy_ms = BUSY_MS,
        .create = true};
    struct dir_store *store = dir_store_open(&config, error);
    if (store == NULL) {
        (void)fprintf(stderr, "postern: %s\n", error);
    }
    return store;
}

static int directly(const struct config *cfg, json_t *request,
                    void (*each)(void *arg, const char *line), void *arg)
{
    struct dir_store *store = cmd_open_directory(cfg);
    if (store == NULL) {
        return EXIT_SYSTEM;
    }
    int status = carry_out(store, request, each, arg);
    dir_store_close(&store);
    return status;
}

int cmd_ask_directory(const struct config *cfg, json_t *request,
                      void (*each)(void *arg, const char *line), void *arg)
{
    char *text = json_dumps(request, JSON_COMPACT);
    int status = text == NULL ? EXIT_SYSTEM : cmd_ask(cfg, "directory", text, each, arg);
    free(text);
    return status == NOBODY_LISTENS ? directly(cfg, request, each, arg) : status;
}
