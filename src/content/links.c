/* content/links.c - see links.h */
#include "content/links.h"

#include <libpsl.h>
#include <string.h>

enum { HOST_MAX = 255 };

void links_init(struct links *l)
{
    *l = (struct links){0};
    buf_init(&l->text, (size_t)LINKS_MAX * (LINKS_URL_MAX + HOST_MAX));
}

void links_clear(struct links *l)
{
    buf_clear(&l->text);
    l->n = 0;
}

struct slice links_url(const struct links *l, unsigned i)
{
    return slice_sub(buf_slice(&l->text), l->item[i].url_at, l->item[i].url_len);
}

struct slice links_host(const struct links *l, unsigned i)
{
    const struct link *k = &l->item[i];
    return slice_sub(buf_slice(&l->text), k->url_at + k->url_len, k->host_len);
}

struct slice links_domain(const struct links *l, unsigned i)
{
    struct slice host = links_host(l, i);
    return slice_from(host, host.len - l->item[i].domain_len);
}

static bool is_address(struct slice host)
{
    bool digits = true;
    for (size_t i = 0; i < host.len; i++) {
        digits = digits && (ascii_is_digit(host.ptr[i]) || host.ptr[i] == '.');
    }
    return digits || host.ptr[0] == '[';
}

/* Octets of the registered domain at the end of host. */
static size_t domain_len(struct slice host)
{
    char text[HOST_MAX + 1];
    if (is_address(host) || !slice_cstr(host, text, sizeof text)) {
        return host.len;
    }
    const char *domain = psl_registrable_domain(psl_builtin(), text);
    return domain == NULL ? host.len : strlen(domain);
}

struct slice links_registered(struct slice host)
{
    return host.len == 0 ? host : slice_from(host, host.len - domain_len(host));
}

void links_add(struct links *l, struct slice url, struct slice host)
{
    l->total++;
    if (host.len == 0 || host.len > HOST_MAX) {
        return;
    }
    for (unsigned i = 0; i < l->n; i++) {
        if (slice_eq(links_host(l, i), host)) {
            return;
        }
    }
    url = slice_sub(url, 0, LINKS_URL_MAX);
    if (l->n == LINKS_MAX || l->text.failed) {
        l->dropped = true;
        return;
    }
    struct link *k = &l->item[l->n];
    *k = (struct link){l->text.len, url.len, host.len, domain_len(host)};
    if (buf_add(&l->text, url) && buf_add(&l->text, host)) {
        l->n++;
    }
}
