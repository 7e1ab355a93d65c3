/* proc/title.c - see title.h */
#include "proc/title.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct {
    char *start;
    size_t len; /* octets, the closing NUL included; 0: not ours to write */
} area;

/* exec() lays out the arguments and the environment as adjoining strings; argv[0] is
 * program_invocation_name. What does not adjoin was replaced since and is left alone. */
static char *end_of_area(char *start)
{
    char *end = start + strlen(start) + 1;
    char *last = NULL;
    for (char **e = environ; e != NULL && *e != NULL; e++) {
        char *after = *e + strlen(*e) + 1;
        last = *e > start && after > last ? after : last;
    }
    return last != NULL && (size_t)(last - start) < 1024U * 1024U ? last : end;
}

void title_init(void)
{
    size_t n = 0;
    char *start = program_invocation_name;
    char *end = end_of_area(start);
    while (environ != NULL && environ[n] != NULL) {
        n++;
    }
    char **copy = calloc(n + 1, sizeof *copy);
    if (area.len != 0 || copy == NULL) {
        free(copy);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        copy[i] = strdup(environ[i]);
        if (copy[i] == NULL) { /* a title is not worth more */
            while (i > 0) {
                free(copy[--i]);
            }
            free(copy);
            return;
        }
    }
    environ = copy;
    area.start = start;
    area.len = (size_t)(end - start);
}

void title_set(const char *role, unsigned index)
{
    char name[16]; /* all that PR_SET_NAME takes */
    (void)snprintf(name, sizeof name, "%s/%u", role, index);
    (void)prctl(PR_SET_NAME, name, 0, 0, 0);
    if (area.len < 2) {
        return;
    }
    memset(area.start, 0, area.len);
    (void)snprintf(area.start, area.len - 1, "postern: %s %u", role, index);
}
