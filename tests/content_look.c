/* What content/inspect.h says of messages in files, with the server's default settings:
 *
 *   content_look FILE...
 *
 * One line a file: its path, then what would refuse it ("-": nothing), what else was seen. */
#include "config/config.h"
#include "config/setting.h"
#include "content/inspect.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 64 * 1024 * 1024 };

static struct inspect_settings defaults(void)
{
    static struct config cfg;
    for (unsigned i = 0; i < SETTING_N; i++) {
        if (!setting_default(&settings[i], &cfg)) {
            abort();
        }
    }
    return (struct inspect_settings){
        .mime = {(unsigned)cfg.content_depth, (unsigned)cfg.content_parts},
        .archive_size = cfg.content_archive_size,
        .archive = {(unsigned)cfg.content_archive_depth,
                    (unsigned)cfg.content_archive_files, cfg.content_archive_unpacked,
                    (unsigned)cfg.content_archive_ratio, cfg.content_archive_time}};
}

static void say(const char *path, const struct inspect_report *r)
{
    const char *broken = NULL;
    printf("%s\t", path);
    for (unsigned i = 0; i < MIME_DEFECT_N; i++) {
        bool severe =
            (r->defects & 1ULL << i) != 0 && mime_defect_severe((enum mime_defect)i);
        broken =
            severe && broken == NULL ? mime_defect_text((enum mime_defect)i) : broken;
    }
    if (broken != NULL) {
        printf("message-malformed: %s", broken);
    } else if (r->refused) {
        printf("content-security-block: %.*s: %.*s", (int)r->file.place_len,
               r->file.place, (int)r->file.what_len, r->file.what);
    } else {
        printf("-");
    }
    printf("\tattachments=%llu", (unsigned long long)r->attachments);
    if (r->notes_len > 0) {
        printf(" noted=\"%.*s\"", (int)r->notes_len, r->notes);
    }
    for (unsigned i = 0; i < MIME_DEFECT_N; i++) {
        bool own = (r->defects & 1ULL << i) != 0;
        if (own || (r->defects_attached & 1ULL << i) != 0) {
            printf(" %s\"%s\"",
                   own ? "" : "attached:", mime_defect_text((enum mime_defect)i));
        }
    }
    printf("\n");
}

static bool look(const char *path, const struct inspect_settings *s)
{
    static unsigned char octets[FILE_MAX];
    FILE *f = fopen(path, "rb");
    size_t n = f == NULL ? 0 : fread(octets, 1, sizeof octets, f);
    struct inspect *x = inspect_new(s);
    bool ok = f != NULL && x != NULL && inspect_feed(x, (struct slice){octets, n}) &&
              inspect_end(x);
    if (ok) {
        say(path, inspect_report(x));
    }
    inspect_free(&x);
    if (f != NULL) {
        fclose(f);
    }
    return ok;
}

int main(int argc, char **argv)
{
    struct inspect_settings s = defaults();
    bool ok = inspect_prepare();
    for (int i = 1; i < argc && ok; i++) {
        ok = look(argv[i], &s);
    }
    return ok ? 0 : 1;
}
