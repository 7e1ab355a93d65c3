/* cmd/explain_input.c - files, mailboxes, Maildirs and streams for postern explain; see explain.h
 *
 * What an input is shows in its first octets: an mbox begins with "From ", a message with
 * fields, a service's notification with a brace; all else is lines, of a log or bare replies. Only
 * one message or line is in memory at a time. */
#include "base/clock.h"
#include "base/prose.h"
#include "cmd/explain.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHUNK = 64 * 1024,
    HEAD_OCTETS = 8 * 1024, /* what is looked at to tell what an input is */
    PATH_OCTETS = 4096,
    PROGRESS_MS = 500,
    PASTE_WAIT_MS = 50,               /* for the end of a short input */
    PROGRESS_AFTER = 4 * 1024 * 1024, /* octets; shorter inputs need none */
};

struct source {
    struct explain *e;
    const char *name; /* in results */
    int fd;
    bool eof, failed, refused; /* refused: it is no text */
    bool list;                 /* each line is a reply, also one without a code */
    uint64_t octets;           /* read */
    uint64_t n;                /* results so far */
    struct buf in;
    size_t used; /* octets at the front of `in` that are done with */
};

static void say_progress(const struct explain *e)
{
    char mib[24], n[24];
    struct buf text;
    buf_init(&text, EXPLAIN_LINE_MAX);
    (void)snprintf(mib, sizeof mib, "%llu", (unsigned long long)(e->octets >> 20));
    (void)snprintf(n, sizeof n, "%llu", (unsigned long long)e->results);
    const struct prose_value values[] = {{"{mib}", slice_of(mib)}, {"{n}", slice_of(n)}};
    prose_fill(&text, explain_word(e, "progress"), values, 2);
    (void)fprintf(stderr, "\r%.*s ", (int)text.len, (const char *)text.ptr);
    buf_clear(&text);
}

static void show_progress(struct explain *e, bool done)
{
    if (!e->progress || e->octets < PROGRESS_AFTER) {
        return;
    }
    uint64_t now = clock_mono_ms();
    if (done) {
        (void)fputs("\r\x1b[K", stderr);
    } else if (now - e->told_ms >= PROGRESS_MS) {
        e->told_ms = now;
        say_progress(e);
    }
}

static struct slice pending(const struct source *s)
{
    return slice_from(buf_slice(&s->in), s->used);
}

/* Reads once; false at the end, or when `in` is full. */
static bool read_more(struct source *s)
{
    if (s->eof || s->in.len - s->used >= s->in.max - CHUNK) {
        return false;
    }
    explain_flush(s->e); /* the next octets may be long in coming */
    (void)fflush(stdout);
    buf_consume(&s->in, s->used);
    s->used = 0;
    unsigned char *at = buf_room(&s->in, CHUNK);
    if (at == NULL) {
        s->failed = s->eof = true;
        return false;
    }
    ssize_t n = 0;
    do {
        n = read(s->fd, at, CHUNK);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        s->failed = n < 0;
        s->eof = true;
        return false;
    }
    buf_grew(&s->in, (size_t)n);
    s->e->octets += (uint64_t)n;
    s->octets += (uint64_t)n;
    show_progress(s->e, false);
    return true;
}

/* --- messages --- */

static void take_message(struct source *s, struct slice message)
{
    const struct postern_bounce_mail *m =
        postern_bounce_mail(s->e->reader, message.ptr, message.len);
    for (size_t i = 0; i < m->n; i++) {
        explain_result(s->e, s->name, ++s->n, &m->result[i], m);
    }
    if (m->n == 0) {
        explain_nobody(s->e, s->name, ++s->n, m);
    }
}

static void read_message(struct source *s)
{
    while (read_more(s)) {
    }
    bool cut = !s->eof;
    take_message(s, pending(s));
    if (cut) {
        char mib[16];
        (void)snprintf(mib, sizeof mib, "%d", EXPLAIN_MESSAGE_MAX >> 20);
        explain_wrong(s->e, s->name, "err-cut", "{n}", mib);
    }
}

/* "From user@host Thu Jan  1 00:00:00 1970": begins a message of an mbox. */
static bool is_from_line(struct slice line)
{
    unsigned digits = 0, colons = 0;
    if (!slice_starts(line, SLICE("From ")) || line.len > 400) {
        return false;
    }
    for (size_t i = 5; i < line.len; i++) {
        digits += ascii_is_digit(line.ptr[i]);
        colons += line.ptr[i] == ':';
    }
    return digits >= 6 && colons >= 1;
}

/* Octets up to the next message in s, whose first line begins one; 0: not to be seen yet. */
static size_t mbox_message_len(struct slice s, size_t *searched)
{
    size_t at = *searched > 0 ? *searched : 1;
    while (at < s.len) {
        at += slice_search(slice_from(s, at), SLICE("\nFrom "));
        if (at >= s.len) {
            break;
        }
        struct slice line = slice_from(s, at + 1);
        size_t end = slice_find(line, '\n');
        bool blank = s.ptr[at - 1] == '\n' ||
                     (at > 1 && s.ptr[at - 1] == '\r' && s.ptr[at - 2] == '\n');
        if (blank && end == line.len && end < 400) {
            *searched = at; /* its line is not all there */
            return 0;
        }
        if (blank && is_from_line(slice_sub(line, 0, end))) {
            return at + 1;
        }
        at++;
    }
    *searched = s.len > 6 ? s.len - 6 : 0;
    return 0;
}

/* A message of more than the buffer holds is taken as far as it goes; its rest is dropped. */
static void read_mbox(struct source *s)
{
    size_t searched = 0;
    bool dropping = false;
    for (;;) {
        struct slice rest = pending(s);
        size_t len = mbox_message_len(rest, &searched);
        bool full = len == 0 && !read_more(s);
        if (len == 0 && !full) {
            continue;
        }
        rest = pending(s);
        len = len > 0 ? len : rest.len;
        if (len > 0 && !dropping) {
            take_message(s, slice_sub(rest, 0, len));
        }
        dropping = full && !s->eof;
        s->used += len;
        searched = 0;
        if (full && s->eof) {
            return;
        }
    }
}

/* --- lines --- */

static void take_line(struct source *s, struct slice line)
{
    const struct postern_bounce_result *r =
        postern_bounce_line(s->e->reader, line.ptr, line.len);
    if (r == NULL && s->list && slice_strip(line).len > 0) {
        r = postern_bounce_reply(s->e->reader, line.ptr, line.len, NULL);
    }
    if (r != NULL) {
        explain_result(s->e, s->name, ++s->n, r, NULL);
    }
}

/* The lines of one reply "550-..." come as one, as they do over the wire. */
static bool goes_on(struct slice line)
{
    return line.len > 3 && line.ptr[3] == '-' && ascii_is_digit(line.ptr[0]) &&
           ascii_is_digit(line.ptr[1]) && ascii_is_digit(line.ptr[2]);
}

/* "5.7.1" behind the code; empty: none. */
static struct slice status_of(struct slice line)
{
    struct slice rest = slice_from(line, 4), word;
    word = slice_sub(rest, 0, slice_find(rest, ' '));
    return word.len >= 5 && ascii_is_digit(word.ptr[0]) && word.ptr[1] == '.' &&
                   ascii_is_digit(word.ptr[2])
               ? word
               : SLICE("");
}

/* One reply says one status in all its lines (RFC 2034, 4): this is another one, cut off before its end. */
static bool is_other_status(struct slice line, struct slice next)
{
    struct slice here = status_of(line), there = status_of(next);
    return here.len > 0 && there.len > 0 && !slice_eq(here, there);
}

/* Octets of the next line (or multi-line reply) in s; 0: its end is not there yet. */
static size_t next_line(struct slice s)
{
    size_t len = 0;
    for (;;) {
        struct slice line = slice_from(s, len);
        size_t end = slice_find(line, '\n');
        if (end == line.len) {
            return 0;
        }
        bool more = goes_on(line);
        len += end + 1;
        if (!more || len > EXPLAIN_LINE_MAX) {
            return len;
        }
        struct slice next = slice_from(s, len);
        if (next.len >= 3 && (!slice_eq(slice_sub(next, 0, 3), slice_sub(line, 0, 3)) ||
                              is_other_status(line, next))) {
            return len;
        }
    }
}

static void read_lines(struct source *s)
{
    for (;;) {
        struct slice rest = pending(s);
        size_t len = next_line(rest);
        if (len == 0 && rest.len < EXPLAIN_LINE_MAX && read_more(s)) {
            continue;
        }
        rest = pending(s);
        len = len > 0 ? len : rest.len;
        if (len == 0) {
            return;
        }
        take_line(s, slice_sub(rest, 0, len));
        s->used += len;
    }
}

/* --- what it is --- */

static bool is_known_field(struct slice line)
{
    static const char *const names[] = {"Received:",
                                        "Return-Path:",
                                        "From:",
                                        "To:",
                                        "Date:",
                                        "Subject:",
                                        "Message-ID:",
                                        "Delivered-To:",
                                        "X-Original-To:",
                                        "Content-Type:",
                                        "MIME-Version:",
                                        "Envelope-To:",
                                        "DKIM-Signature:",
                                        "ARC-Seal:",
                                        "Authentication-Results:"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (slice_istarts(line, slice_of(names[i]))) {
            return true;
        }
    }
    return false;
}

/* Fields from the first line on, one of them a mail's. */
static bool is_message(struct slice head)
{
    struct slice line;
    bool known = false;
    for (int i = 0; i < 40 && slice_line(&head, &line); i++) {
        size_t colon = slice_find(line, ':'), blank = slice_find(line, ' ');
        bool folded =
            i > 0 && line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t');
        if (i == 0 && slice_starts(line, SLICE(">From "))) {
            continue; /* it was in another mbox before */
        }
        if (line.len == 0) {
            return known;
        }
        if (!folded &&
            (colon == line.len || colon > blank || ascii_is_digit(line.ptr[0]))) {
            return known && i > 2; /* a broken header is one all the same */
        }
        known = known || is_known_field(line);
    }
    return known;
}

/* --- what was pasted --- */

/* A text in a sentence, or broken where no line of it says enough by itself. */
static void take_joined(struct source *s, struct slice text)
{
    struct buf line;
    buf_init(&line, EXPLAIN_PASTE_MAX);
    if (explain_is_paste(text) && explain_join(text, &line)) {
        const struct postern_bounce_result *r =
            postern_bounce_line(s->e->reader, line.ptr, line.len);
        if (r == NULL) {
            r = postern_bounce_reply(s->e->reader, line.ptr, line.len, NULL);
        }
        if (r->confidence > 0) {
            explain_result(s->e, s->name, ++s->n, r, NULL);
        }
    }
    buf_clear(&line);
}

/* A small input that has ended: quotes and broken lines are made good. */
static void read_paste(struct source *s)
{
    struct buf text, lines;
    buf_init(&text, EXPLAIN_PASTE_MAX);
    buf_init(&lines, EXPLAIN_PASTE_MAX + 1);
    if (buf_add(&text, pending(s)) && explain_is_paste(buf_slice(&text)) &&
        explain_unfold(buf_slice(&text), &lines)) {
        buf_reset(&s->in);
        s->used = 0;
        IGNORE(buf_add(&s->in, buf_slice(&lines)));
    }
    read_lines(s);
    if (s->n == 0) {
        take_joined(s, buf_slice(&text));
    }
    buf_clear(&text);
    buf_clear(&lines);
}

/* Whether all of a short input is there. A pipe that its writer keeps open is not waited for. */
static bool is_all_there(struct source *s)
{
    while (!s->eof && s->in.len <= EXPLAIN_PASTE_MAX) {
        struct pollfd p = {.fd = s->fd, .events = POLLIN};
        if (poll(&p, 1, PASTE_WAIT_MS) <= 0 || (!read_more(s) && !s->eof)) {
            return false;
        }
    }
    return s->eof && s->in.len <= EXPLAIN_PASTE_MAX;
}

/* --- marks at the front --- */

/* False: it is nothing to be read, which was said. */
static bool take_marks(struct source *s)
{
    struct buf narrow;
    const char *tool = "", *word = explain_not_text(pending(s), &tool);
    if (word != NULL) {
        explain_wrong(s->e, s->name, word, "{tool}", tool);
        s->refused = true;
        return false;
    }
    if (slice_starts(pending(s), SLICE("\xef\xbb\xbf"))) {
        s->used += 3;
    }
    if (!explain_is_wide(pending(s))) {
        return true;
    }
    while (read_more(s)) {
    }
    buf_init(&narrow, s->in.max);
    s->failed = s->failed || !explain_from_wide(pending(s), &narrow);
    buf_clear(&s->in);
    s->in = narrow;
    s->used = 0;
    return true;
}

/* Lines may come slowly: the first one that begins no message is all that is waited for. */
static bool tells_enough(struct slice head)
{
    return head.len >= HEAD_OCTETS || slice_search(head, SLICE("\n\n")) < head.len ||
           (slice_find(head, '\n') < head.len && !is_message(head));
}

static void read_source(struct source *s)
{
    if (read_more(s) && !take_marks(s)) {
        return;
    }
    while (!tells_enough(pending(s)) && read_more(s)) {
    }
    struct slice head = pending(s), start = slice_strip(slice_sub(head, 0, HEAD_OCTETS));
    if (slice_starts(head, SLICE("From ")) &&
        is_message(slice_from(head, slice_find(head, '\n') + 1))) {
        read_mbox(s);
    } else if (is_message(head) ||
               (start.len > 0 && (start.ptr[0] == '{' || start.ptr[0] == '['))) {
        read_message(s);
    } else {
        bool all = is_all_there(s);
        s->list = explain_is_list(slice_sub(pending(s), 0, HEAD_OCTETS));
        (all && !s->list ? read_paste : read_lines)(s);
    }
    show_progress(s->e, true);
    if (s->n == 0 && !s->failed) {
        explain_wrong(s->e, s->name, s->octets == 0 ? "err-empty" : "err-nothing", "",
                      "");
    }
}

static void say_errno(const struct explain *e, const char *name, int error)
{
    const char *word = error == ENOENT   ? "err-missing"
                       : error == EACCES ? "err-forbidden"
                                         : NULL;
    if (word != NULL) {
        explain_wrong(e, name, word, "", "");
    } else {
        (void)fprintf(stderr, "postern explain: %s: %s\n", name, strerror(error));
    }
}

static bool read_fd(struct explain *e, int fd, const char *name)
{
    struct source s = {.e = e, .name = name, .fd = fd};
    buf_init(&s.in, EXPLAIN_MESSAGE_MAX + CHUNK);
    errno = 0;
    read_source(&s);
    if (s.failed) {
        say_errno(e, name, errno);
    }
    buf_clear(&s.in);
    return !s.failed && !s.refused;
}

static bool read_path(struct explain *e, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        say_errno(e, path, errno);
        return false;
    }
    bool ok = read_fd(e, fd, path);
    (void)close(fd);
    return ok;
}

/* --- directories --- */

static int plain_files(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

/* All regular files in it, by name. */
static bool read_folder(struct explain *e, const char *path)
{
    struct dirent **list = NULL;
    int n = scandir(path, &list, plain_files, alphasort);
    bool ok = n >= 0;
    if (!ok) {
        say_errno(e, path, errno);
    }
    for (int i = 0; i < n; i++) {
        char name[PATH_OCTETS];
        struct stat st;
        int len = snprintf(name, sizeof name, "%s/%s", path, list[i]->d_name);
        if (len > 0 && (size_t)len < sizeof name && stat(name, &st) == 0 &&
            S_ISREG(st.st_mode)) {
            ok = read_path(e, name) && ok;
        }
        free(list[i]);
    }
    free((void *)list);
    return ok;
}

static bool has_folder(const char *path, const char *name, char out[PATH_OCTETS])
{
    struct stat st;
    int len = snprintf(out, PATH_OCTETS, "%s/%s", path, name);
    return len > 0 && len < PATH_OCTETS && stat(out, &st) == 0 && S_ISDIR(st.st_mode);
}

bool explain_input(struct explain *e, const char *path)
{
    struct stat st;
    char cur[PATH_OCTETS], fresh[PATH_OCTETS];
    if (strcmp(path, "-") == 0) {
        return read_fd(e, STDIN_FILENO, "-");
    }
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return read_path(e, path);
    }
    bool has_cur = has_folder(path, "cur", cur), has_new = has_folder(path, "new", fresh);
    if (!has_cur && !has_new) {
        return read_folder(e, path);
    }
    bool ok = !has_cur || read_folder(e, cur);
    return (!has_new || read_folder(e, fresh)) && ok;
}
