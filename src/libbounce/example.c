/* example.c - reads messages named on the command line and says of whom they tell what.
 *
 *     cc example.c $(pkg-config --cflags --libs libpostern-bounce) */
#include <postern/bounce.h>
#include <stdio.h>
#include <stdlib.h>

static char *read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    char *octets = NULL;
    *len = 0;
    if (f != NULL && fseek(f, 0, SEEK_END) == 0) {
        long size = ftell(f);
        octets = size < 0 ? NULL : malloc((size_t)size + 1);
        rewind(f);
        *len = octets == NULL ? 0 : fread(octets, 1, (size_t)size, f);
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return octets;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        (void)fprintf(stderr, "usage: %s MESSAGE...\n", argv[0]);
        return 2;
    }
    struct postern_bounce *b = postern_bounce_new();
    int failed = b == NULL;
    for (int i = 1; i < argc && b != NULL; i++) {
        size_t len = 0;
        char *octets = read_file(argv[i], &len);
        if (octets == NULL) {
            perror(argv[i]);
            failed = 1;
            continue;
        }
        const struct postern_bounce_mail *m = postern_bounce_mail(b, octets, len);
        (void)printf("%s: %s\n", argv[i], m->kind);
        for (size_t k = 0; k < m->n; k++) {
            const struct postern_bounce_result *r = &m->result[k];
            (void)printf("  %s: %s (%s, %u %%)\n", r->recipient, r->class_name, r->kind,
                         r->confidence);
        }
        free(octets);
    }
    postern_bounce_free(&b);
    return failed;
}
