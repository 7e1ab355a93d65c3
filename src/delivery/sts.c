/* delivery/sts.c - see sts.h */
#include "delivery/sts.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/map.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_PREFIX "s-"
#define FILE_MAGIC  "mta-sts 1"

enum { FILE_LINE_MAX = 128, FILE_NAME_MAX = STS_DOMAIN_MAX + 8, SWEEP_MS = 600 * 1000 };

/* What is known of a domain. */
struct entry {
    struct buf text; /* of its policy; empty: it has none */
    struct sts_policy policy;
    char id[STS_ID_MAX + 1];
    uint64_t fetched_s, expires_s; /* Unix time */
    bool fetching;
    char failed_id[STS_ID_MAX + 1];
    uint64_t failed_ms; /* monotonic; 0: it did not */
};

struct sts {
    struct sts_options options;
    struct map domains;
    uint64_t files; /* about so many */
    uint64_t swept_ms;
    unsigned fetches; /* under way */
};

/* --- files --- */

static bool file_name(const char *domain, char out[FILE_NAME_MAX])
{
    for (const char *c = domain; *c != '\0'; c++) {
        if (!ascii_is_alpha((unsigned char)*c) && !ascii_is_digit((unsigned char)*c) &&
            *c != '-' && *c != '.' && *c != '_') {
            return false;
        }
    }
    int n = snprintf(out, FILE_NAME_MAX, FILE_PREFIX "%s", domain);
    return n > 0 && n < FILE_NAME_MAX;
}

/* "mta-sts 1 ID FETCHED EXPIRES" */
static bool read_line(struct slice line, struct entry *e)
{
    struct slice part[3];
    if (!slice_starts(line, SLICE(FILE_MAGIC " "))) {
        return false;
    }
    line = slice_from(line, sizeof FILE_MAGIC);
    for (unsigned i = 0; i < 3; i++) {
        size_t end = slice_find(line, ' ');
        part[i] = slice_sub(line, 0, end);
        line = slice_from(line, end + 1);
    }
    return slice_cstr(part[0], e->id, sizeof e->id) &&
           slice_u64(part[1], &e->fetched_s) && slice_u64(part[2], &e->expires_s);
}

static void forget_policy(struct entry *e)
{
    buf_clear(&e->text);
    e->policy = (struct sts_policy){0};
    e->id[0] = '\0';
}

/* The policy that another process, or this one before it was restarted, has kept. */
static void read_file(const struct sts *s, const char *domain, struct entry *e)
{
    char name[FILE_NAME_MAX];
    struct buf file;
    struct entry found = {0};
    struct slice line;
    if (s->options.dir < 0 || !file_name(domain, name)) {
        return;
    }
    int fd = openat(s->options.dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return;
    }
    buf_init(&file, STS_POLICY_MAX + FILE_LINE_MAX + 4096); /* file_read() wants room */
    struct slice rest = file_read(fd, &file) ? buf_slice(&file) : SLICE("");
    (void)close(fd);
    uint64_t now_s = clock_wall_ms() / 1000;
    bool ok = slice_line(&rest, &line) && read_line(line, &found) &&
              found.expires_s > now_s && found.fetched_s <= now_s &&
              found.expires_s - found.fetched_s <= STS_MAX_AGE_S;
    buf_init(&found.text, STS_POLICY_MAX);
    if (ok && buf_add(&found.text, rest) &&
        sts_policy_parse(buf_slice(&found.text), &found.policy) == NULL &&
        found.fetched_s >= e->fetched_s) {
        buf_clear(&e->text);
        e->text = found.text;
        e->policy = found.policy;
        e->fetched_s = found.fetched_s;
        e->expires_s = found.expires_s;
        memcpy(e->id, found.id, sizeof e->id);
    } else {
        buf_clear(&found.text);
    }
    buf_clear(&file);
}

static uint64_t expiry(const struct sts_fetch *f, const struct sts_policy *p)
{
    return f->now_s + (p->max_age_s < STS_AGAIN_S ? STS_AGAIN_S : p->max_age_s);
}

/* Beside, then renamed: a reader finds the old one or the new one. */
static bool write_file(const struct sts_fetch *f, const struct sts_policy *p)
{
    char name[FILE_NAME_MAX], beside[FILE_NAME_MAX + 24];
    struct buf out;
    if (!file_name(f->domain, name)) {
        return true;
    }
    /* No domain's name: they do not begin with t-. */
    (void)snprintf(beside, sizeof beside, "t-%d-%llx", (int)getpid(),
                   (unsigned long long)(uintptr_t)f);
    buf_init(&out, STS_POLICY_MAX + FILE_LINE_MAX);
    (void)buf_add_fmt(&out, FILE_MAGIC " %s %llu %llu\n", f->id,
                      (unsigned long long)f->now_s, (unsigned long long)expiry(f, p));
    (void)buf_add(&out, buf_slice(&f->text));
    int fd = openat(f->dir, beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    bool ok = fd >= 0 && !out.failed && write(fd, out.ptr, out.len) == (ssize_t)out.len &&
              fdatasync(fd) == 0;
    if (fd >= 0) {
        ok = close(fd) == 0 && ok;
    }
    ok = ok && renameat(f->dir, beside, f->dir, name) == 0;
    if (!ok) {
        (void)unlinkat(f->dir, beside, 0);
    }
    buf_clear(&out);
    return ok;
}

/* Is that file a policy that still holds? Others, and what is left of writers that died, go. */
static bool file_holds(int dir, const char *name, uint64_t now_s)
{
    char text[FILE_LINE_MAX];
    struct entry e = {0};
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return false;
    }
    ssize_t n = read(fd, text, sizeof text);
    (void)close(fd);
    struct slice rest = {(const unsigned char *)text, n < 0 ? 0 : (size_t)n}, line;
    return slice_line(&rest, &line) && read_line(line, &e) && e.expires_s > now_s;
}

/* How many policies hold; what is over is removed. */
static uint64_t sweep(int dir)
{
    int fd = dir < 0 ? -1 : openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    uint64_t n = 0, now_s = clock_wall_ms() / 1000;
    struct dirent *one;
    if (d == NULL) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return 0;
    }
    while ((one = readdir(d)) != NULL) {
        if (slice_starts(slice_of(one->d_name), SLICE(FILE_PREFIX))) {
            bool holds = file_holds(dir, one->d_name, now_s);
            n += holds;
            if (!holds) {
                (void)unlinkat(dir, one->d_name, 0);
            }
        }
    }
    (void)closedir(d);
    return n;
}

/* --- domains --- */

static void free_entry(void *arg, struct slice key, void *value)
{
    struct entry *e = value;
    (void)arg, (void)key;
    buf_clear(&e->text);
    free(e);
}

struct sts *sts_new(const struct sts_options *options)
{
    struct sts *s = calloc(1, sizeof *s);
    if (s != NULL) {
        s->options = *options;
        map_init(&s->domains, options->config->delivery_mta_sts_cache);
        s->files = sweep(options->dir);
    }
    return s;
}

void sts_free(struct sts **s)
{
    if (*s != NULL) {
        map_each(&(*s)->domains, free_entry, NULL);
        map_clear(&(*s)->domains);
        free(*s);
        *s = NULL;
    }
}

void sts_listen(struct sts *s, void (*news)(void *arg), void *arg)
{
    s->options.news = news;
    s->options.news_arg = arg;
}

struct idle_search {
    struct slice key[64];
    unsigned n;
};

static void find_idle(void *arg, struct slice key, void *value)
{
    struct idle_search *found = arg;
    const struct entry *e = value;
    if (!e->fetching && found->n < sizeof found->key / sizeof found->key[0]) {
        found->key[found->n++] = key;
    }
}

/* Memory is but a copy of what is on disk. */
static void make_room(struct sts *s)
{
    struct idle_search found = {.n = 0};
    map_each(&s->domains, find_idle, &found);
    for (unsigned i = 0; i < found.n; i++) {
        unsigned char key[DNS_NAME_MAX];
        struct slice copy = {key, found.key[i].len};
        memcpy(key, found.key[i].ptr, copy.len);
        struct entry *e = map_take(&s->domains, copy);
        free_entry(NULL, copy, e);
    }
}

/* NULL: no memory. */
static struct entry *entry_of(struct sts *s, struct slice domain)
{
    struct entry *e = map_get(&s->domains, domain);
    if (e != NULL) {
        return e;
    }
    e = calloc(1, sizeof *e);
    if (e == NULL) {
        return NULL;
    }
    buf_init(&e->text, STS_POLICY_MAX);
    if (s->domains.n >= s->domains.max) {
        make_room(s);
    }
    if (!map_put(&s->domains, domain, e)) {
        free(e);
        return NULL;
    }
    return e;
}

static void failed(struct entry *e, struct slice id)
{
    IGNORE(!slice_cstr(id, e->failed_id, sizeof e->failed_id)); /* it is that short */
    e->failed_ms = clock_mono_ms();
}

static bool failed_lately(const struct entry *e, struct slice id)
{
    return e->failed_ms != 0 && slice_eq(slice_of(e->failed_id), id) &&
           clock_mono_ms() - e->failed_ms < STS_AGAIN_S * 1000ULL;
}

static bool holds(const struct entry *e, uint64_t now_s)
{
    return e->text.len > 0 && now_s < e->expires_s;
}

/* --- fetching --- */

static void add_addresses(const struct sts *s, const struct dns_answer *a,
                          struct policy_get *get)
{
    for (unsigned i = 0; a->status == DNS_FOUND && i < a->n; i++) {
        const struct ip *ip = &a->record[i].ip;
        bool allowed = ip_inner(ip) == NULL ||
                       netset_has(&s->options.config->delivery_inner_networks, ip);
        if (allowed && get->ip_n < POLICY_GET_IPS_MAX) {
            get->ip[get->ip_n++] = *ip;
        }
    }
}

static void take_policy(struct sts *s, struct entry *e, struct sts_fetch *f)
{
    forget_policy(e);
    e->text = f->text;
    f->text = (struct buf){0};
    BUG_ON(sts_policy_parse(buf_slice(&e->text), &e->policy) !=
           NULL); /* it was taken before */
    memcpy(e->id, f->id, sizeof e->id);
    e->fetched_s = f->now_s;
    e->expires_s = expiry(f, &e->policy);
    e->failed_ms = 0;
    s->files += f->keep;
    if (s->files >= s->options.config->delivery_mta_sts_cache &&
        clock_mono_ms() - s->swept_ms > SWEEP_MS) {
        s->files = sweep(s->options.dir);
        s->swept_ms = clock_mono_ms();
    }
    log_text(LOG_INFO, "mta-sts", "%s: mode %s for %u s, id %s%s%s", f->domain,
             sts_mode_name(e->policy.mode), e->policy.max_age_s, f->id,
             f->why[0] == '\0' ? "" : "; ", f->why);
}

static void fetch_over(struct sts_fetch *f)
{
    struct sts *s = f->sts;
    struct entry *e = map_get(&s->domains, slice_of(f->domain));
    bool ok = f->res == POLICY_GET_OK && f->fault == NULL;
    if (e != NULL) {
        e->fetching = false;
    }
    if (ok && e != NULL) {
        take_policy(s, e, f);
    } else if (!ok) {
        enum tls_rpt_result result = f->res == POLICY_GET_UNTRUSTED
                                         ? TLS_RPT_STS_WEBPKI_INVALID
                                     : f->fault != NULL ? TLS_RPT_STS_INVALID
                                                        : TLS_RPT_STS_FETCH_ERROR;
        log_text(LOG_WARN, "mta-sts", "%s: its policy cannot be had: %s%s", f->domain,
                 f->fault != NULL ? f->fault : f->why,
                 e != NULL && e->text.len > 0 ? "; the one before holds on" : "");
        tls_count(s->options.counts, slice_of(f->domain), TLS_RPT_STS, result, SLICE(""));
        if (e != NULL) {
            failed(e, slice_of(f->id));
        }
    }
    buf_clear(&f->text);
    free(f);
}

enum begun { BEGUN = 0, BEGUN_LATER, BEGUN_NOT };

/* Begins a fetch. LATER: its addresses are not known yet; NOT: it cannot be. */
static enum begun begin_fetch(struct sts *s, const struct dns_source *dns,
                              const char *domain, struct slice id, struct entry *e)
{
    char host[DNS_NAME_MAX + 16];
    const struct config *config = s->options.config;
    (void)snprintf(host, sizeof host, "mta-sts.%s", domain);
    const struct dns_answer *v4 = dns->ask(dns->arg, DNS_A, slice_of(host));
    const struct dns_answer *v6 = dns->ask(dns->arg, DNS_AAAA, slice_of(host));
    if (v4 == NULL || v6 == NULL) {
        return BEGUN_LATER;
    }
    struct sts_fetch *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return BEGUN_NOT;
    }
    f->sts = s;
    (void)snprintf(f->domain, sizeof f->domain, "%s", domain);
    IGNORE(!slice_cstr(id, f->id, sizeof f->id)); /* it is that short */
    f->get = (struct policy_get){.domain = f->domain,
                                 .port = (unsigned)config->delivery_mta_sts_port,
                                 .ca = s->options.ca,
                                 .time_ms = config->delivery_mta_sts_time};
    add_addresses(s, v4, &f->get);
    add_addresses(s, v6, &f->get);
    f->dir = s->options.dir;
    f->keep = f->dir >= 0 && s->files < config->delivery_mta_sts_cache;
    f->now_s = clock_wall_ms() / 1000;
    if (f->get.ip_n == 0) {
        f->res = POLICY_GET_FAILED;
        (void)snprintf(f->why, sizeof f->why, "%.150s has no address that may be asked",
                       host);
        e->fetching = true;
        fetch_over(f);
        return BEGUN_NOT;
    }
    if (s->fetches >= STS_FETCHES_MAX || !s->options.fetch(s->options.fetch_arg, f)) {
        free(f);
        return BEGUN_NOT;
    }
    s->fetches++;
    e->fetching = true;
    return BEGUN;
}

void sts_fetch_run(struct sts_fetch *f)
{
    struct sts_policy p;
    f->res = policy_get(&f->get, &f->text, f->why);
    if (f->res != POLICY_GET_OK) {
        return;
    }
    f->fault = sts_policy_parse(buf_slice(&f->text), &p);
    if (f->fault == NULL && f->keep && !write_file(f, &p)) {
        (void)snprintf(f->why, sizeof f->why, "it cannot be kept: %s",
                       strerrordesc_np(errno));
    }
}

void sts_fetched(struct sts_fetch *f)
{
    struct sts *s = f->sts;
    s->fetches--;
    fetch_over(f);
    if (s->options.news != NULL) {
        s->options.news(s->options.news_arg);
    }
}

/* --- asking --- */

static enum sts_step step_of(const struct sts_record *record, const struct entry *e)
{
    struct sts_known known = {.cached = holds(e, clock_wall_ms() / 1000),
                              .id = slice_of(e->id),
                              .failed = failed_lately(e, record->id)};
    return sts_step(record, &known);
}

/* A policy in use does not grow old unseen. RFC 8461 10.2: an attacker who keeps the record from us must
 * not keep its successor from us as well. */
static void refresh(struct sts *s, const struct dns_source *dns, const char *domain,
                    struct entry *e)
{
    uint64_t now_s = clock_wall_ms() / 1000;
    if (!e->fetching && now_s - e->fetched_s >= STS_REFRESH_S &&
        !failed_lately(e, slice_of(e->id))) {
        IGNORE(begin_fetch(s, dns, domain, slice_of(e->id), e) ==
               BEGUN_NOT); /* next time */
    }
}

bool sts_ask(struct sts *s, const struct dns_source *dns, struct slice domain,
             struct sts_view *out)
{
    char name[DNS_NAME_MAX + 1], question[DNS_NAME_MAX + 16];
    struct sts_record record;
    *out = (struct sts_view){0};
    if (domain.len > STS_DOMAIN_MAX || !slice_cstr(domain, name, sizeof name)) {
        return true;
    }
    (void)snprintf(question, sizeof question, "_mta-sts.%s", name);
    const struct dns_answer *a = dns->ask(dns->arg, DNS_TXT, slice_of(question));
    if (a == NULL) {
        return false;
    }
    sts_record_find(a, &record);
    struct entry *e = entry_of(s, domain);
    if (e == NULL) {
        return true;
    }
    enum sts_step step = step_of(&record, e);
    if (step != STS_USE_CACHED && !e->fetching) {
        read_file(s, name, e); /* another process may have it */
        step = step_of(&record, e);
    }
    if (step == STS_FETCH) {
        if (e->fetching || begin_fetch(s, dns, name, record.id, e) != BEGUN_NOT) {
            return false;
        }
        step = holds(e, clock_wall_ms() / 1000) ? STS_USE_CACHED : STS_USE_NONE;
    }
    if (step == STS_USE_CACHED) {
        refresh(s, dns, name, e);
        out->found = e->policy.mode != STS_NONE;
        out->policy = e->policy;
    }
    return true;
}
