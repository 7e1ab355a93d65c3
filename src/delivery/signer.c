/* delivery/signer.c - see signer.h */
#include "delivery/signer.h"

#include "base/file.h"
#include "base/map.h"
#include "senderauth/author.h"
#include "senderauth/dkim_sign.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PEM_MAX = 64 * 1024, NAME_OCTETS = 256, SIGNATURES_MAX = 64 * 1024 };
enum { KEPT_N = 256, KEPT_S = 600, KEPT_MAX = 16 * 1024 };

/* A message to many domains is many orders; its signatures are the same for all. */
struct kept {
    struct message_id id;
    uint64_t made_s;
    struct buf fields;
};

struct key {
    struct crypto_private *private;
    char selector[NAME_OCTETS];
};

struct domain {
    char name[NAME_OCTETS];
    struct key key[SIGNER_PER_DOMAIN_MAX];
    unsigned n;
};

struct signer {
    struct crypto *crypto;
    struct map domains; /* by name */
    size_t keys;
    struct kept kept[KEPT_N]; /* by id */
};

/* --- reading the keys --- */

static bool fault(char error[SIGNER_ERROR_MAX], const char *path, const char *why)
{
    (void)snprintf(error, SIGNER_ERROR_MAX, "%.380s: %.120s", path, why);
    return false;
}

static bool add_key(struct domain *d, int dir, const char *file, const char *path,
                    char error[SIGNER_ERROR_MAX])
{
    struct buf pem;
    const char *why = NULL;
    size_t len = strlen(file) - strlen(".pem");
    if (d->n == SIGNER_PER_DOMAIN_MAX) {
        return fault(
            error, path,
            "it has more keys than a message is signed with; take old ones away");
    }
    buf_init(&pem, PEM_MAX);
    int fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || !file_read(fd, &pem)) {
        why = strerror(errno);
    } else {
        d->key[d->n].private = crypto_private_new(buf_slice(&pem), &why);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    if (pem.cap > 0) {
        explicit_bzero(pem.ptr, pem.cap);
    }
    buf_clear(&pem);
    if (d->key[d->n].private == NULL) {
        char whole[600];
        (void)snprintf(whole, sizeof whole, "%.300s/%.255s", path, file);
        return fault(error, whole, why);
    }
    memcpy(d->key[d->n].selector, file, len);
    d->key[d->n].selector[len] = '\0';
    d->n++;
    return true;
}

static bool is_key(const char *name)
{
    struct slice s = slice_of(name);
    return name[0] != '.' && s.len > 4 && s.len < NAME_OCTETS &&
           slice_eq(slice_from(s, s.len - 4), SLICE(".pem"));
}

static bool add_domain(struct signer *s, int parent, const char *name, const char *path,
                       char error[SIGNER_ERROR_MAX])
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct domain *d = dir == NULL ? NULL : calloc(1, sizeof *d);
    if (d == NULL) {
        (void)(dir != NULL ? closedir(dir) : fd >= 0 ? close(fd) : 0);
        return fault(error, path, strerror(errno));
    }
    bool ok = true;
    for (size_t i = 0; name[i] != '\0'; i++) {
        d->name[i] = (char)ascii_lower((unsigned char)name[i]);
    }
    struct dirent *e;
    while (ok && (e = readdir(dir)) != NULL) {
        ok = !is_key(e->d_name) || add_key(d, fd, e->d_name, path, error);
    }
    (void)closedir(dir);
    if (ok && !map_put(&s->domains, slice_of(d->name), d)) {
        ok = fault(error, path, "there are too many domains with keys");
    } else if (ok) {
        s->keys += d->n;
        return true;
    }
    for (unsigned i = 0; i < d->n; i++) {
        crypto_private_free(&d->key[i].private);
    }
    free(d);
    return ok;
}

static bool read_all(struct signer *s, const char *path, char error[SIGNER_ERROR_MAX])
{
    DIR *dir = opendir(path);
    struct dirent *e;
    bool ok = true;
    if (dir == NULL) {
        return errno == ENOENT || fault(error, path, strerror(errno));
    }
    while (ok && (e = readdir(dir)) != NULL) {
        char whole[600];
        (void)snprintf(whole, sizeof whole, "%.300s/%.255s", path, e->d_name);
        ok = e->d_name[0] == '.' || strlen(e->d_name) >= NAME_OCTETS ||
             add_domain(s, dirfd(dir), e->d_name, whole, error);
    }
    (void)closedir(dir);
    return ok;
}

struct signer *signer_new(const char *dir, char error[SIGNER_ERROR_MAX])
{
    struct signer *s = calloc(1, sizeof *s);
    if (s == NULL) {
        (void)fault(error, dir, "no memory");
        return NULL;
    }
    map_init(&s->domains, SIGNER_KEYS_MAX);
    s->crypto = crypto_new(0);
    if (s->crypto == NULL) {
        (void)fault(error, dir, "no memory");
        signer_free(&s);
    } else if (!read_all(s, dir, error)) {
        signer_free(&s);
    }
    return s;
}

static void free_domain(void *arg, struct slice name, void *value)
{
    struct domain *d = value;
    (void)arg, (void)name;
    for (unsigned i = 0; i < d->n; i++) {
        crypto_private_free(&d->key[i].private);
    }
    free(d);
}

void signer_free(struct signer **s)
{
    if (*s != NULL) {
        map_each(&(*s)->domains, free_domain, NULL);
        map_clear(&(*s)->domains);
        crypto_free(&(*s)->crypto);
        for (size_t i = 0; i < KEPT_N; i++) {
            buf_clear(&(*s)->kept[i].fields);
        }
        free(*s);
        *s = NULL;
    }
}

size_t signer_keys(const struct signer *s)
{
    return s->keys;
}

/* --- signing --- */

/* The author's domain, or the nearest above it, that has keys. */
static const struct domain *domain_of(const struct signer *s, struct slice header)
{
    struct author author;
    author_of_header(header, &author);
    if (author.status != AUTHOR_OK || author.n != 1) {
        return NULL;
    }
    struct slice name = author.domain[0];
    while (name.len > 0) {
        const struct domain *d = map_get(&s->domains, name);
        if (d != NULL && d->n > 0) {
            return d;
        }
        name = slice_from(name, slice_find(name, '.') + 1);
    }
    return NULL;
}

static bool hash_body(struct dkim_body *body, struct source *src, const struct job *j)
{
    struct slice piece;
    enum source_res res;
    while ((res = source_next(src, &piece)) == SOURCE_OK) {
        dkim_body_feed(body, piece);
    }
    dkim_body_end(body);
    source_rewind(src, j);
    return res == SOURCE_END;
}

static struct kept *kept_of(struct signer *s, struct message_id id)
{
    return &s->kept[(id.session * 31 + id.n) % KEPT_N];
}

static void keep(struct kept *k, struct message_id id, uint64_t now_s,
                 struct slice fields)
{
    buf_clear(&k->fields);
    buf_init(&k->fields, KEPT_MAX);
    k->id = id;
    k->made_s = now_s;
    if (fields.len > KEPT_MAX || !buf_add(&k->fields, fields)) {
        *k = (struct kept){0};
    }
}

struct signer_work {
    const struct domain *domain;
    struct dkim_body *body;
    bool read; /* all of it */
    uint64_t now_s;
    int wish[SIGNER_PER_DOMAIN_MAX];
    struct dkim_sign sign[SIGNER_PER_DOMAIN_MAX];
};

/* Signed lately? */
static bool is_kept(struct kept *kept, struct message_id id, uint64_t now_s)
{
    return kept->id.session == id.session && kept->id.n == id.n &&
           now_s - kept->made_s < KEPT_S;
}

static bool begin(struct signer *s, const struct domain *d, uint64_t now_s,
                  struct signer_work *w)
{
    *w = (struct signer_work){
        .domain = d, .body = dkim_body_new(s->crypto), .now_s = now_s};
    for (unsigned i = 0; w->body != NULL && i < d->n; i++) {
        w->sign[i] = (struct dkim_sign){.crypto = s->crypto,
                                        .key = d->key[i].private,
                                        .domain = slice_of(d->name),
                                        .selector = slice_of(d->key[i].selector),
                                        .made = now_s};
        w->wish[i] = dkim_sign_want(w->body, &w->sign[i]);
    }
    return w->body != NULL;
}

/* Appends the fields, and keeps them. */
static void end(struct signer *s, struct signer_work *w, const struct source *src,
                const struct job *j, struct buf *out)
{
    size_t before = out->len;
    for (unsigned i = 0; w->read && i < w->domain->n; i++) {
        struct buf one;
        buf_init(&one, SIGNATURES_MAX);
        if (dkim_sign(&w->sign[i], buf_slice(&src->head), w->body, w->wish[i],
                      &one)) { /* else it goes without */
            (void)buf_add(out, buf_slice(&one));
        }
        buf_clear(&one);
    }
    dkim_body_free(&w->body);
    if (w->read && out->len > before) {
        keep(kept_of(s, j->id), j->id, w->now_s, slice_from(buf_slice(out), before));
    }
}

struct signer_work *signer_begin(struct signer *s, const struct source *src,
                                 const struct job *j, uint64_t now_s)
{
    bool kept = is_kept(kept_of(s, j->id), j->id, now_s);
    const struct domain *d =
        s->keys == 0 || kept ? NULL : domain_of(s, buf_slice(&src->head));
    struct signer_work *w = d == NULL ? NULL : calloc(1, sizeof *w);
    if (w != NULL && !begin(s, d, now_s, w)) {
        free(w);
        return NULL;
    }
    return w;
}

void signer_hash(struct signer_work *w, struct source *src, const struct job *j)
{
    w->read = hash_body(w->body, src, j);
}

void signer_end(struct signer *s, struct signer_work **w, const struct source *src,
                const struct job *j)
{
    struct buf fields;
    buf_init(&fields, SIGNER_PER_DOMAIN_MAX * SIGNATURES_MAX);
    end(s, *w, src, j, &fields);
    buf_clear(&fields);
    free(*w);
    *w = NULL;
}

bool signer_sign(struct signer *s, struct source *src, const struct job *j,
                 uint64_t now_s, struct buf *out)
{
    struct kept *kept = kept_of(s, j->id);
    struct signer_work w;
    if (is_kept(kept, j->id, now_s)) {
        (void)buf_add(out, buf_slice(&kept->fields));
        return true;
    }
    const struct domain *d = s->keys == 0 ? NULL : domain_of(s, buf_slice(&src->head));
    if (d == NULL) {
        return true;
    }
    if (!begin(s, d, now_s, &w)) {
        return false;
    }
    w.read = hash_body(w.body, src, j);
    end(s, &w, src, j, out);
    return w.read;
}
