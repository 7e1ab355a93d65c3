/* content/unpack.c - see unpack.h */
#include "content/unpack.h"

#include "base/buf.h"
#include "base/clock.h"
#include "content/tnef.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BLOCK = 4096,         /* given to libarchive at once: the clock is read between */
    PIECE = 8 * 1024,     /* unpacked at once */
    LOOK_MAX = 40 * 1024, /* of a file whose beginning says nothing (ISO 9660: 32 KiB) */
    PLACE_MAX = 4096,
    PATH_SHOWN = 256,           /* octets of one path in a place */
    BOMB_MIN = 16 * 1024 * 1024 /* less than this unpacked harms nobody */
};

/* Over all that is nested. */
struct look {
    struct unpack_limits limits;
    uint64_t deadline;
    uint64_t packed, unpacked;
    unsigned entries;
    bool late;
    bool (*seen)(void *arg, const struct unpack_file *file);
    void *arg;
    struct buf place;
};

/* One archive in memory. */
struct source {
    struct look *look;
    struct slice octets;
    size_t at;
    bool manifest, classes, dex, macros;
};

static locale_t utf8_locale;

bool unpack_prepare(void)
{
    /* libarchive turns times of files into ours, and names into the locale's charset. */
    if (setenv("TZ", "UTC0", 1) != 0) {
        return false;
    }
    tzset();
    if (utf8_locale == (locale_t)0) {
        utf8_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    }
    return true;
}

/* --- libarchive's input --- */

static la_ssize_t on_read(struct archive *a, void *data, const void **out)
{
    struct source *s = data;
    struct slice block = slice_sub(s->octets, s->at, BLOCK);
    if (clock_mono_ms() > s->look->deadline) {
        s->look->late = true;
        archive_set_error(a, ARCHIVE_FATAL, "time is over");
        return -1;
    }
    *out = block.ptr;
    s->at += block.len;
    return (la_ssize_t)block.len;
}

static la_int64_t on_skip(struct archive *a, void *data, la_int64_t request)
{
    struct source *s = data;
    (void)a;
    uint64_t left = s->octets.len - s->at;
    uint64_t n = request < 0 ? 0 : (uint64_t)request < left ? (uint64_t)request : left;
    s->at += n;
    return (la_int64_t)n;
}

static la_int64_t on_seek(struct archive *a, void *data, la_int64_t offset, int whence)
{
    struct source *s = data;
    int64_t from = whence == SEEK_SET   ? 0
                   : whence == SEEK_CUR ? (int64_t)s->at
                                        : (int64_t)s->octets.len;
    int64_t to = 0;
    (void)a;
    if (__builtin_add_overflow(from, offset, &to) || to < 0 ||
        (uint64_t)to > s->octets.len) {
        return ARCHIVE_FATAL;
    }
    s->at = (size_t)to;
    return to;
}

/* Those that libarchive itself reads: none that would start a program. */
static struct archive *open_archive(struct source *s)
{
    static int (*const support[])(struct archive *) = {
        archive_read_support_filter_gzip,     archive_read_support_filter_bzip2,
        archive_read_support_filter_compress, archive_read_support_filter_xz,
        archive_read_support_filter_lzma,     archive_read_support_filter_lzip,
        archive_read_support_filter_zstd,     archive_read_support_format_zip,
        archive_read_support_format_tar,      archive_read_support_format_7zip,
        archive_read_support_format_rar,      archive_read_support_format_rar5,
        archive_read_support_format_lha,      archive_read_support_format_cpio,
        archive_read_support_format_raw};
    struct archive *a = archive_read_new();
    if (a == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof support / sizeof support[0]; i++) {
        if (support[i](a) == ARCHIVE_FATAL) {
            archive_read_free(a);
            return NULL;
        }
    }
    archive_read_set_read_callback(a, on_read);
    archive_read_set_skip_callback(a, on_skip);
    archive_read_set_seek_callback(a, on_seek);
    archive_read_set_callback_data(a, s);
    return a;
}

/* --- what was seen --- */

static bool tell(struct look *l, const struct unpack_file *file)
{
    struct unpack_file f = *file;
    f.place = buf_slice(&l->place);
    return l->seen(l->arg, &f);
}

static void add_place(struct look *l, struct slice path)
{
    if (path.len > PATH_SHOWN) { /* the extension is at its end */
        (void)buf_add_str(&l->place, "...");
        path = slice_from(path, path.len - PATH_SHOWN);
    }
    (void)buf_add(&l->place, path);
}

/* What a file's name says of the archive as a whole. */
static void note_path(struct source *s, struct slice path)
{
    size_t slash = slice_rfind(path, '/');
    struct slice base = slash == path.len ? path : slice_from(path, slash + 1);
    char text[KIND_EXTENSION_MAX];
    struct slice extension = kind_extension(path, text);
    s->manifest |= slice_ieq(path, SLICE("META-INF/MANIFEST.MF"));
    s->classes |= slice_eq(extension, SLICE("class"));
    s->dex |= slice_eq(path, SLICE("classes.dex"));
    s->macros |= slice_ieq(base, SLICE("vbaProject.bin")) ||
                 slice_isearch(path, SLICE("xl/macrosheets/")) < path.len ||
                 slice_starts(path, SLICE("Basic/"));
}

static bool tell_whole(struct source *s)
{
    struct unpack_file f = {
        .content = s->dex                      ? KIND_ANDROID
                   : s->manifest && s->classes ? KIND_JAVA
                                               : KIND_NONE,
        .macros = s->macros,
    };
    return (f.content == KIND_NONE && !f.macros) || tell(s->look, &f);
}

/* --- one file --- */

static enum unpack_outcome count(struct look *l, size_t unpacked)
{
    l->unpacked += unpacked;
    uint64_t packed = l->packed == 0 ? 1 : l->packed;
    if (l->unpacked > BOMB_MIN && l->unpacked / packed > l->limits.ratio) {
        return UNPACK_BOMB;
    }
    return l->unpacked > l->limits.octets ? UNPACK_BEYOND : UNPACK_DONE;
}

/* Reads a file as far as it needs to be: its kind into *sniff, and if it is an archive the whole of
 * it into *whole. */
static enum unpack_outcome read_file(struct archive *a, struct look *l, struct slice name,
                                     struct sniff *sniff, struct buf *whole)
{
    unsigned char piece[PIECE];
    bool keep = true, more = true;
    bool named = kind_names_archive(name);
    la_ssize_t n = 0;
    while ((n = archive_read_data(a, piece, sizeof piece)) > 0) {
        struct slice octets = {piece, (size_t)n};
        enum unpack_outcome outcome = count(l, octets.len);
        if (outcome != UNPACK_DONE) {
            return outcome;
        }
        more = more && sniff_feed(sniff, octets);
        if (keep && !buf_add(whole, octets)) {
            return UNPACK_BEYOND;
        }
        bool unknown = sniff->decided && sniff->format == SNIFF_UNKNOWN;
        keep = keep && (!sniff->decided || sniff->format == SNIFF_ARCHIVE || named);
        if (!keep && (!more || (unknown && sniff->total >= LOOK_MAX))) {
            break;
        }
    }
    sniff_end(sniff);
    if (!named && sniff->format != SNIFF_ARCHIVE) {
        buf_reset(whole);
    }
    return n < 0 && !l->late ? UNPACK_UNREADABLE : l->late ? UNPACK_BEYOND : UNPACK_DONE;
}

static enum unpack_outcome look_at(struct look *l, struct slice octets, struct slice name,
                                   unsigned depth);

/* NOLINTBEGIN(misc-no-recursion): unpack_limits.depth */
static enum unpack_outcome take_file(struct archive *a, struct source *s,
                                     struct slice path, bool encrypted, unsigned depth)
{
    struct look *l = s->look;
    struct unpack_file f = {.name = path, .encrypted = encrypted};
    struct buf whole;
    enum unpack_outcome outcome = UNPACK_DONE;
    struct sniff *sniff = calloc(1, sizeof *sniff);
    if (sniff == NULL) {
        return UNPACK_BEYOND;
    }
    buf_init(&whole, l->limits.octets);
    if (!encrypted) {
        outcome = read_file(a, l, path, sniff, &whole);
        f.content = sniff->kind;
        f.macros = sniff->macros;
        f.objects = sniff->objects;
    }
    free(sniff);
    if (!tell(l, &f)) {
        outcome = UNPACK_STOPPED;
    } else if (outcome == UNPACK_DONE && whole.len > 0) {
        outcome = look_at(l, buf_slice(&whole), path, depth + 1);
        /* What only claims to be an archive is a file as any other. */
        outcome = outcome == UNPACK_UNREADABLE ? UNPACK_DONE : outcome;
    }
    buf_clear(&whole);
    return outcome;
}

/* The file that gzip and its like packed is named as it was before. */
static struct slice raw_name(struct slice name)
{
    size_t slash = slice_rfind(name, '/');
    name = slash == name.len ? name : slice_from(name, slash + 1);
    size_t dot = slice_rfind(name, '.');
    return slice_sub(name, 0, dot);
}

static struct slice path_of(struct archive *a, struct archive_entry *entry,
                            struct slice name)
{
    if (archive_format(a) == ARCHIVE_FORMAT_RAW) {
        return raw_name(name);
    }
    const char *path = archive_entry_pathname_utf8(entry);
    path = path == NULL ? archive_entry_pathname(entry) : path;
    return path == NULL ? SLICE("?") : slice_of(path);
}

/* All entries; the place is that of the archive before and after. */
static enum unpack_outcome take_entries(struct archive *a, struct source *s,
                                        struct slice name, unsigned depth)
{
    struct look *l = s->look;
    struct archive_entry *entry = NULL;
    enum unpack_outcome outcome = UNPACK_DONE;
    size_t place = l->place.len;
    int res = ARCHIVE_OK;
    while (outcome == UNPACK_DONE) {
        res = archive_read_next_header(a, &entry);
        if (res == ARCHIVE_EOF || res == ARCHIVE_FATAL) {
            break;
        }
        if (archive_format(a) == ARCHIVE_FORMAT_RAW && archive_filter_count(a) < 2) {
            return UNPACK_UNREADABLE; /* a file as it is */
        }
        if (++l->entries > l->limits.entries || clock_mono_ms() > l->deadline) {
            return UNPACK_BEYOND;
        }
        if (archive_entry_filetype(entry) == AE_IFDIR) {
            continue;
        }
        struct slice path = path_of(a, entry, name);
        note_path(s, path);
        (void)buf_add_str(&l->place, " > ");
        add_place(l, path);
        outcome = take_file(a, s, path, archive_entry_is_encrypted(entry) != 0, depth);
        l->place.len = place;
        l->place.failed = false;
    }
    if (outcome == UNPACK_DONE && res == ARCHIVE_FATAL) {
        outcome = l->late ? UNPACK_BEYOND : UNPACK_UNREADABLE;
    }
    if (outcome == UNPACK_UNREADABLE && archive_read_has_encrypted_entries(a) == 1) {
        struct unpack_file f = {.encrypted = true};
        outcome = tell(l, &f) ? UNPACK_DONE : UNPACK_STOPPED;
    }
    return outcome;
}

/* All names that it may be saved under are told, the content with the first. */
static bool tell_tnef(struct look *l, const struct tnef_file *file,
                      const struct sniff *sniff, struct buf *name)
{
    struct unpack_file f = {
        .content = sniff->kind, .macros = sniff->macros, .objects = sniff->objects};
    size_t place = l->place.len;
    bool go_on = true;
    for (unsigned i = file->n; i > 0 && go_on; i--) { /* the long one comes last */
        buf_reset(name);
        tnef_name_text(&file->name[i - 1], name);
        f.name = buf_slice(name);
        (void)buf_add_str(&l->place, " > ");
        add_place(l, f.name);
        go_on = tell(l, &f);
        l->place.len = place;
        l->place.failed = false;
        f = (struct unpack_file){.name = f.name};
    }
    return go_on && (file->n > 0 || tell(l, &f));
}

static enum unpack_outcome take_tnef_file(struct look *l, const struct tnef_file *file,
                                          struct buf *name, unsigned depth)
{
    enum unpack_outcome outcome = UNPACK_DONE;
    size_t place = l->place.len;
    struct sniff *sniff = calloc(1, sizeof *sniff);
    if (sniff == NULL) {
        return UNPACK_BEYOND;
    }
    IGNORE(sniff_feed(sniff, file->data)); /* it has been given all */
    sniff_end(sniff);
    bool stopped = !tell_tnef(l, file, sniff, name);
    bool archive = sniff->format == SNIFF_ARCHIVE || kind_names_archive(buf_slice(name));
    free(sniff);
    if (stopped) {
        return UNPACK_STOPPED;
    }
    (void)buf_add_str(&l->place, " > ");
    add_place(l, buf_slice(name));
    if (archive && file->data.len > 0) {
        outcome = look_at(l, file->data, buf_slice(name), depth + 1);
        outcome = outcome == UNPACK_UNREADABLE ? UNPACK_DONE : outcome;
    }
    if (outcome == UNPACK_DONE && file->inner.len > 0) {
        outcome = look_at(l, file->inner, buf_slice(name), depth + 1);
    }
    l->place.len = place;
    l->place.failed = false;
    return outcome;
}

static enum unpack_outcome take_tnef(struct look *l, struct slice octets, unsigned depth)
{
    enum { NAME_MAX_OCTETS = 4096 };
    struct tnef t = tnef_open(octets);
    struct tnef_file file;
    struct buf name;
    enum unpack_outcome outcome = UNPACK_DONE;
    buf_init(&name, NAME_MAX_OCTETS);
    while (outcome == UNPACK_DONE && tnef_next(&t, &file)) {
        bool beyond = ++l->entries > l->limits.entries || clock_mono_ms() > l->deadline;
        buf_reset(&name);
        outcome = beyond ? UNPACK_BEYOND : take_tnef_file(l, &file, &name, depth);
    }
    buf_clear(&name);
    return outcome == UNPACK_DONE && t.broken ? UNPACK_UNREADABLE : outcome;
}

static enum unpack_outcome look_at(struct look *l, struct slice octets, struct slice name,
                                   unsigned depth)
{
    struct source s = {.look = l, .octets = octets};
    if (depth > l->limits.depth) {
        return UNPACK_BOMB;
    }
    if (tnef_is(octets)) {
        return take_tnef(l, octets, depth);
    }
    struct archive *a = open_archive(&s);
    if (a == NULL) {
        return UNPACK_BEYOND;
    }
    enum unpack_outcome outcome = UNPACK_UNREADABLE;
    if (archive_read_open1(a) == ARCHIVE_OK) {
        outcome = take_entries(a, &s, name, depth);
    }
    archive_read_free(a);
    if ((outcome == UNPACK_DONE || outcome == UNPACK_UNREADABLE) && !tell_whole(&s)) {
        outcome = UNPACK_STOPPED;
    }
    return outcome;
}
/* NOLINTEND(misc-no-recursion) */

enum unpack_outcome unpack_look(struct slice octets, struct slice name,
                                const struct unpack_limits *limits,
                                bool (*seen)(void *arg, const struct unpack_file *file),
                                void *arg)
{
    struct look l = {
        .limits = *limits,
        .deadline = clock_mono_ms() + limits->time_ms,
        .packed = octets.len,
        .seen = seen,
        .arg = arg,
    };
    buf_init(&l.place, PLACE_MAX);
    add_place(&l, name);
    locale_t before = uselocale(utf8_locale);
    enum unpack_outcome outcome = look_at(&l, octets, name, 1);
    (void)uselocale(before);
    buf_clear(&l.place);
    return outcome;
}
