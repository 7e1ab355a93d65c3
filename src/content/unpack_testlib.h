/* content/unpack_testlib.h - archives made in memory, for tests */
#ifndef CONTENT_UNPACK_TESTLIB_H
#define CONTENT_UNPACK_TESTLIB_H
#include "base/buf.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>

enum { MADE_MAX = 4 * 1024 * 1024 };

struct made {
    struct archive *a;
    unsigned char *octets;
    size_t len;
};

/* format: "zip", "7zip", "gnutar", "raw"; filter: "gzip", "xz", "bzip2", "none" */
static inline void made_begin(struct made *m, const char *format, const char *filter,
                              const char *passphrase)
{
    m->a = archive_write_new();
    m->octets = malloc(MADE_MAX);
    m->len = 0;
    (void)archive_write_set_format_by_name(m->a, format);
    if (filter[0] != 'n') {
        (void)archive_write_add_filter_by_name(m->a, filter);
    }
    (void)archive_write_set_bytes_in_last_block(m->a, 1);
    if (passphrase != NULL) {
        (void)archive_write_set_options(m->a, "zip:encryption=zipcrypt");
        (void)archive_write_set_passphrase(m->a, passphrase);
    }
    if (archive_write_open_memory(m->a, m->octets, MADE_MAX, &m->len) != ARCHIVE_OK) {
        fprintf(stderr, "%s\n", archive_error_string(m->a));
        abort();
    }
}

static inline void made_file(struct made *m, const char *path, struct slice content)
{
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, path);
    archive_entry_set_size(e, (la_int64_t)content.len);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    if (archive_write_header(m->a, e) != ARCHIVE_OK ||
        archive_write_data(m->a, content.ptr, content.len) != (la_ssize_t)content.len) {
        abort();
    }
    archive_entry_free(e);
}

/* The archive; free it with free(). */
static inline struct slice made_end(struct made *m)
{
    if (archive_write_close(m->a) != ARCHIVE_OK) {
        abort();
    }
    archive_write_free(m->a);
    return (struct slice){m->octets, m->len};
}

static inline struct slice made_one(const char *format, const char *filter,
                                    const char *path, struct slice content)
{
    struct made m;
    made_begin(&m, format, filter, NULL);
    made_file(&m, path, content);
    return made_end(&m);
}
#endif
