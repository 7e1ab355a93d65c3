/* config/smart_hosts.c - see smart_hosts.h */
#include "config/smart_hosts.h"

#include "base/map.h"
#include "base/netset.h"
#include "config/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WAYS_MAX = 1024 * 1024, KEY_ROOM = 512 };
#define DIRECT "direct"

struct smart_hosts {
    struct smart_host
        host[SMART_HOSTS_MAX + 1]; /* the last one: DIRECT, which is no host */
    struct map domains, accounts;
    const struct smart_host *otherwise; /* NULL: direct */
    bool otherwise_said;
    unsigned n;
};

static bool fits(struct slice text, char *out, size_t room)
{
    return text.len > 0 && slice_cstr(text, out, room);
}

/* --- host --- */

static bool take_tls(struct words_reader *r, struct smart_host *h, struct slice word)
{
#define X(id, word) word,
    static const char *const words[] = {SMART_TLS(X)};
#undef X
    for (unsigned i = 0; i < SMART_TLS_COUNT; i++) {
        if (slice_eq(word, slice_of(words[i]))) {
            h->tls = (enum smart_tls)i;
            return true;
        }
    }
    return words_wrong(r, word, "is no word for TLS",
                       "never, may, must, verify, implicit or implicit-verify");
}

static bool take_login(struct words_reader *r, struct smart_host *h)
{
    if (r->w.n == 5) {
        return true;
    }
    h->scram = r->w.n == 9 && slice_eq(words_at(&r->w, 8), SLICE("scram"));
    if ((r->w.n != 8 && !h->scram) || !slice_eq(words_at(&r->w, 5), SLICE("login"))) {
        return words_wrong(r, words_at(&r->w, 5), "is not understood there",
                           "login USER FILE, login USER FILE scram, or nothing");
    }
    if (!fits(words_at(&r->w, 6), h->user, sizeof h->user) ||
        !fits(words_at(&r->w, 7), h->secret, sizeof h->secret) || h->secret[0] != '/') {
        return words_wrong(r, words_at(&r->w, 7),
                           "is no absolute path, or the user is too long",
                           "login USER /path/of/the/password");
    }
    return (h->tls != SMART_TLS_never && h->tls != SMART_TLS_may) ||
           words_wrong(r, words_at(&r->w, 4), "would tell the password on the way",
                       "must, verify, implicit or implicit-verify with a login");
}

static struct smart_host *host_named(struct smart_hosts *s, struct slice name)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (slice_eq(slice_of(s->host[i].name), name)) {
            return &s->host[i];
        }
    }
    return NULL;
}

static bool take_host(struct words_reader *r)
{
    struct smart_hosts *s = r->table;
    struct smart_host h = {.number = s->n};
    struct slice name = words_at(&r->w, 1), address = words_at(&r->w, 2);
    uint64_t port = 0;
    struct ip ip;
    if (r->w.n < 5 || s->n == SMART_HOSTS_MAX) {
        return words_wrong(r, name, r->w.n < 5 ? "is not complete" : "is a host too many",
                           "host NAME ADDRESS PORT TLS [login USER FILE]");
    }
    if (!fits(name, h.name, sizeof h.name) || slice_eq(name, SLICE(DIRECT)) ||
        host_named(s, name) != NULL) {
        return words_wrong(r, name, "is no name, or stands in an earlier line",
                           "a word of at most 63 characters, each once, not " DIRECT);
    }
    bool is_ip = ip_parse(address, &ip);
    if ((!is_ip && !address_is_domain(address)) ||
        !fits(address, h.address, sizeof h.address)) {
        return words_wrong(r, address, "is neither a host's name nor an address",
                           "smtp.example.org or 192.0.2.1");
    }
    if (!slice_u64(words_at(&r->w, 3), &port) || port == 0 || port > UINT16_MAX) {
        return words_wrong(r, words_at(&r->w, 3), "is no port", "a number such as 587");
    }
    h.port = (uint16_t)port;
    if (!take_tls(r, &h, words_at(&r->w, 4)) || !take_login(r, &h)) {
        return false;
    }
    if (is_ip && (h.tls == SMART_TLS_verify || h.tls == SMART_TLS_implicit_verify)) {
        return words_wrong(r, address, "is in no certificate", "the host's name");
    }
    s->host[s->n++] = h;
    return true;
}

/* --- via --- */

static struct slice lower_key(struct slice name, unsigned char room[KEY_ROOM])
{
    name = slice_sub(name, 0, KEY_ROOM);
    for (size_t i = 0; i < name.len; i++) {
        room[i] = ascii_lower(name.ptr[i]);
    }
    return (struct slice){room, name.len};
}

static bool put(struct words_reader *r, struct map *map, struct slice name,
                struct smart_host *host)
{
    unsigned char room[KEY_ROOM];
    struct slice key = lower_key(name, room);
    if (name.len > KEY_ROOM || map_get(map, key) != NULL) {
        return words_wrong(r, name, "stands in an earlier line, or is too long",
                           "each name once");
    }
    return map_put(map, key, host) || words_wrong(r, name, "is one too many", "fewer");
}

static bool take_via(struct words_reader *r)
{
    struct smart_hosts *s = r->table;
    struct slice name = words_at(&r->w, 1), kind = words_at(&r->w, 2);
    bool direct = slice_eq(name, SLICE(DIRECT));
    struct smart_host *host = direct ? &s->host[SMART_HOSTS_MAX] : host_named(s, name);
    bool domain = slice_eq(kind, SLICE("domain"));
    if (host == NULL) {
        return words_wrong(r, name, "is no host of an earlier line",
                           "host NAME ... before it");
    }
    if (slice_eq(kind, SLICE("default")) && r->w.n == 3) {
        if (s->otherwise_said) {
            return words_wrong(r, kind, "stands in an earlier line", "it once");
        }
        s->otherwise_said = true;
        s->otherwise = direct ? NULL : host;
        return true;
    }
    if ((!domain && !slice_eq(kind, SLICE("account"))) || r->w.n < 4) {
        return words_wrong(
            r, kind, "does not say which mail",
            "via NAME domain DOMAIN..., via NAME account NAME... or via NAME "
            "default");
    }
    for (unsigned i = 3; i < r->w.n; i++) {
        struct slice word = r->w.word[i];
        struct slice bare = slice_from(word, slice_starts(word, SLICE(".")));
        if (domain && !address_is_domain(bare)) {
            return words_wrong(r, word, "is no domain", "example.org or .example.org");
        }
        if (!put(r, domain ? &s->domains : &s->accounts, word, host)) {
            return false;
        }
    }
    return true;
}

/* --- the whole --- */

static bool take_line(struct words_reader *r)
{
    struct slice first = words_at(&r->w, 0);
    if (r->w.n == WORDS_LINE_MAX) {
        return words_wrong(r, first, "has too many words behind it", "fewer than 399");
    }
    return slice_eq(first, SLICE("host")) ? take_host(r)
           : slice_eq(first, SLICE("via"))
               ? take_via(r)
               : words_wrong(r, first, "begins no line", "host or via");
}

struct smart_hosts *smart_hosts_read(struct slice text, char error[WORDS_ERROR_MAX])
{
    struct smart_hosts *s = calloc(1, sizeof *s);
    if (s != NULL) {
        map_init(&s->domains, WAYS_MAX);
        map_init(&s->accounts, WAYS_MAX);
    }
    if (!words_read(text, s, take_line, NULL, error)) {
        smart_hosts_free(&s);
    }
    return s;
}

void smart_hosts_free(struct smart_hosts **s)
{
    if (*s != NULL) {
        map_clear(&(*s)->domains);
        map_clear(&(*s)->accounts);
        free(*s);
        *s = NULL;
    }
}

unsigned smart_hosts_n(const struct smart_hosts *s)
{
    return s->n;
}

const struct smart_host *smart_hosts_at(const struct smart_hosts *s, unsigned number)
{
    return &s->host[number];
}

static const struct smart_host *find(const struct smart_hosts *s, struct slice domain,
                                     struct slice account)
{
    unsigned char room[KEY_ROOM];
    struct slice key = lower_key(domain, room);
    const struct smart_host *h = domain.len > KEY_ROOM ? NULL : map_get(&s->domains, key);
    for (size_t dot = slice_find(key, '.'); h == NULL && dot < key.len;) {
        key = slice_from(key, dot); /* ".example.org" */
        h = map_get(&s->domains, key);
        dot = 1 + slice_find(slice_from(key, 1), '.');
    }
    if (h == NULL && account.len > 0 && account.len <= KEY_ROOM) {
        h = map_get(&s->accounts, lower_key(account, room));
    }
    return h == NULL ? s->otherwise : h;
}

const struct smart_host *smart_hosts_find(const struct smart_hosts *s,
                                          struct slice domain, struct slice account)
{
    const struct smart_host *h = find(s, domain, account);
    return h == &s->host[SMART_HOSTS_MAX] ? NULL : h;
}
