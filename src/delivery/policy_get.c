/* delivery/policy_get.c - see policy_get.h */
#include "delivery/policy_get.h"

#include "base/file.h"
#include "fetch/fetch.h"
#include "senderauth/mta_sts.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    URL_MAX = DNS_NAME_MAX + 64,
    RESOLVE_MAX = DNS_NAME_MAX + 64 + POLICY_GET_IPS_MAX * 50
};

bool policy_get_setup(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == 0;
}

bool policy_get_ca(const char *path, struct buf *out)
{
    bool own = path != NULL && path[0] != '\0';
    int fd =
        open(own ? path : X509_get_default_cert_file(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
    buf_init(out, POLICY_GET_CA_MAX);
    bool ok = fd >= 0 && file_read(fd, out);
    int error = errno;
    if (fd >= 0) {
        (void)close(fd);
    }
    errno = error;
    return ok;
}

/* What of the answer is kept, and how long its header was. */
struct taking {
    struct buf *body;
    size_t header;
};

static size_t on_octets(char *data, size_t size, size_t n, void *arg)
{
    struct taking *t = arg;
    return buf_add(t->body, (struct slice){(unsigned char *)data, size * n}) ? size * n
                                                                             : 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct taking *t = arg;
    (void)data;
    t->header += size * n;
    return t->header <= STS_POLICY_MAX ? size * n : 0;
}

/* "mta-sts.DOMAIN:443:192.0.2.1,[2001:db8::1]" */
static struct curl_slist *addresses(const struct policy_get *ask)
{
    char text[RESOLVE_MAX], ip[IP_TEXT_MAX];
    int n = snprintf(text, sizeof text, "mta-sts.%s:%u:", ask->domain, ask->port);
    for (unsigned i = 0; i < ask->ip_n && i < POLICY_GET_IPS_MAX; i++) {
        bool v4 = ip_is_v4(&ask->ip[i]);
        (void)ip_text(&ask->ip[i], ip);
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%s%s%s", i > 0 ? "," : "",
                      v4 ? "" : "[", ip, v4 ? "" : "]");
    }
    return curl_slist_append(NULL, text);
}

/* Every option must take; the first that does not is said. */
static CURLcode set_up(CURL *curl, const struct policy_get *ask, struct curl_slist *at,
                       struct taking *t)
{
    char url[URL_MAX], port[8] = "";
    if (ask->port != 443) {
        (void)snprintf(port, sizeof port, ":%u", ask->port);
    }
    (void)snprintf(url, sizeof url, "https://mta-sts.%s%s/.well-known/mta-sts.txt",
                   ask->domain, port);
    CURLcode code = fetch_set_up(curl, url, "https", ask->time_ms, ask->ca);
#define SET(option, value) FETCH_SET(code, curl, option, value)
    SET(RESOLVE, at);
    SET(HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(WRITEFUNCTION, on_octets);
    SET(WRITEDATA, t);
    SET(HEADERFUNCTION, on_header);
    SET(HEADERDATA, t);
#undef SET
    return code;
}

/* RFC 8461 3.2: "the media type MUST be "text/plain"", with parameters or without. */
static bool is_plain(const char *type)
{
    struct slice s = slice_of(type);
    return slice_ieq(slice_trim(slice_sub(s, 0, slice_find(s, ';'))),
                     SLICE("text/plain"));
}

static enum policy_get_res judge(CURL *curl, CURLcode code, const struct taking *t,
                                 char why[POLICY_GET_WHY_MAX])
{
    long status = 0;
    const char *type = NULL;
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    if (t->body->failed) {
        (void)snprintf(why, POLICY_GET_WHY_MAX, "larger than 64 KiB");
    } else if (code != CURLE_OK) {
        (void)snprintf(why, POLICY_GET_WHY_MAX, "%s", curl_easy_strerror(code));
    } else if (status != 200) {
        (void)snprintf(why, POLICY_GET_WHY_MAX, "HTTP status %ld", status);
    } else if (!is_plain(type)) {
        (void)snprintf(why, POLICY_GET_WHY_MAX, "not text/plain");
    } else {
        why[0] = '\0';
        return POLICY_GET_OK;
    }
    return code == CURLE_PEER_FAILED_VERIFICATION ? POLICY_GET_UNTRUSTED
                                                  : POLICY_GET_FAILED;
}

enum policy_get_res policy_get(const struct policy_get *ask, struct buf *out,
                               char why[POLICY_GET_WHY_MAX])
{
    struct taking taking = {.body = out};
    CURL *curl = curl_easy_init();
    struct curl_slist *at = curl == NULL ? NULL : addresses(ask);
    enum policy_get_res res = POLICY_GET_FAILED;
    (void)snprintf(why, POLICY_GET_WHY_MAX, "no memory");
    buf_init(out, STS_POLICY_MAX);
    if (at != NULL) {
        CURLcode code = set_up(curl, ask, at, &taking);
        code = code == CURLE_OK ? curl_easy_perform(curl) : code;
        res = judge(curl, code, &taking, why);
    }
    curl_slist_free_all(at);
    if (curl != NULL) {
        curl_easy_cleanup(curl);
    }
    return res;
}
