/* directory/introspect.c - see introspect.h */
#include "directory/introspect.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "fetch/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 4 * 1024 * 1024, SECRET_MAX = 1024 };

struct introspect {
    const struct config *config;
    char to[512];      /* CURLOPT_CONNECT_TO: whatever the URL's host, there */
    char *id, *secret; /* of the client, as RFC 6749 2.3.1 writes them; NULL: none */
    struct buf ca;     /* PEM; empty: http */
};

/* ---- files ---- */

static bool read_file(const char *path, struct buf *out, char error[INTROSPECT_ERROR_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool ok = fd >= 0 && file_read(fd, out);
    if (!ok) {
        (void)snprintf(error, INTROSPECT_ERROR_MAX, "oauth: %.150s: %s", path,
                       strerror(errno));
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

/* As RFC 6749 2.3.1 wants both: form-encoded before they become a Basic header. */
static bool take_credentials(struct introspect *i, char error[INTROSPECT_ERROR_MAX])
{
    const struct config *c = i->config;
    struct buf b;
    struct slice line = SLICE("");
    if (c->oauth_client_id[0] == '\0') {
        return true;
    }
    buf_init(&b, SECRET_MAX + 4096);
    if (c->oauth_client_secret[0] != '\0') {
        if (!read_file(c->oauth_client_secret, &b, error)) {
            return false;
        }
        line = slice_trim(slice_sub(buf_slice(&b), 0, slice_find(buf_slice(&b), '\n')));
    }
    /* a length of 0 would mean strlen() to curl */
    i->id = curl_easy_escape(NULL, c->oauth_client_id, 0);
    i->secret = line.len == 0
                    ? curl_easy_escape(NULL, "", 0)
                    : curl_easy_escape(NULL, (const char *)line.ptr, (int)line.len);
    if (b.ptr != NULL) {
        explicit_bzero(b.ptr, b.cap);
    }
    buf_clear(&b);
    return i->id != NULL && i->secret != NULL;
}

struct introspect *introspect_new(const struct config *config,
                                  char error[INTROSPECT_ERROR_MAX])
{
    struct introspect *i = calloc(1, sizeof *i);
    (void)snprintf(error, INTROSPECT_ERROR_MAX, "oauth: out of memory");
    if (i == NULL) {
        return NULL;
    }
    i->config = config;
    buf_init(&i->ca, FILE_MAX);
    int n = snprintf(i->to, sizeof i->to, "::%s", config->oauth_connect_to);
    bool https = strncmp(config->oauth_introspection, "https://", 8) == 0;
    bool ok = n > 0 && (size_t)n < sizeof i->to &&
              curl_global_init(CURL_GLOBAL_DEFAULT) == 0 &&
              (!https || read_file(config->oauth_ca, &i->ca, error)) &&
              take_credentials(i, error);
    if (!ok) {
        introspect_free(&i);
    }
    return i;
}

void introspect_free(struct introspect **i)
{
    if (*i == NULL) {
        return;
    }
    if ((*i)->secret != NULL) {
        explicit_bzero((*i)->secret, strlen((*i)->secret));
    }
    curl_free((*i)->secret);
    curl_free((*i)->id);
    buf_clear(&(*i)->ca);
    free(*i);
    *i = NULL;
}

/* ---- the answer ---- */

/* Is the word one of those in the list? */
static bool has_word(const char *list, const char *word)
{
    struct slice rest = slice_of(list);
    while (rest.len > 0) {
        size_t at = slice_find(rest, ' ');
        if (slice_eq(slice_sub(rest, 0, at), slice_of(word))) {
            return true;
        }
        rest = slice_from(rest, at + 1);
    }
    return false;
}

/* RFC 7662 2.2: "aud" is a string, or a list of them (RFC 7519 4.1.3). */
static bool is_meant_for(const json_t *aud, const char *audience)
{
    bool found = json_is_string(aud) && strcmp(json_string_value(aud), audience) == 0;
    for (size_t i = 0; !found && i < json_array_size(aud); i++) {
        const char *one = json_string_value(json_array_get(aud, i));
        found = one != NULL && strcmp(one, audience) == 0;
    }
    return found;
}

/* Does the time stand there and is it over (exp), or to come (nbf)? What is no number binds
 * nobody to anything: the endpoint's "active" decides. */
static bool is_over(const json_t *expiry, uint64_t now)
{
    return json_is_number(expiry) && json_number_value(expiry) <= (double)now;
}

static bool is_to_come(const json_t *not_before, uint64_t now)
{
    return json_is_number(not_before) && json_number_value(not_before) > (double)now;
}

enum introspect_res introspect_read(struct slice answer,
                                    const struct introspect_want *want,
                                    char user[SASL_USER_MAX + 1])
{
    json_t *json =
        json_loadb((const char *)answer.ptr, answer.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *active = json_object_get(json, "active");
    const char *scopes = json_string_value(json_object_get(json, "scope"));
    const char *name = json_string_value(json_object_get(json, want->member));
    enum introspect_res res = INTROSPECT_BAD;
    user[0] = '\0';
    if (!json_is_boolean(active)) {
        res = INTROSPECT_FAULT; /* RFC 7662 2.2: "REQUIRED" */
    } else if (json_is_true(active) && name != NULL && name[0] != '\0' &&
               (want->scope[0] == '\0' ||
                (scopes != NULL && has_word(scopes, want->scope))) &&
               (want->audience[0] == '\0' ||
                is_meant_for(json_object_get(json, "aud"), want->audience)) &&
               !is_over(json_object_get(json, "exp"), want->now) &&
               !is_to_come(json_object_get(json, "nbf"), want->now) &&
               slice_cstr(slice_of(name), user, SASL_USER_MAX + 1)) {
        res = INTROSPECT_GOOD;
    }
    json_decref(json);
    return res;
}

/* ---- the question ---- */

static size_t on_octets(char *octets, size_t one, size_t n, void *arg)
{
    struct buf *b = arg;
    (void)one; /* is 1 */
    return buf_add(b, (struct slice){(const unsigned char *)octets, n}) ? n : 0;
}

/* Every option must take; the first that does not is said. */
static CURLcode set_up(CURL *curl, const struct introspect *i, struct curl_slist *to,
                       struct curl_slist *headers, const char *form, struct buf *answer)
{
    const struct config *c = i->config;
    CURLcode code =
        fetch_set_up(curl, c->oauth_introspection, i->ca.len > 0 ? "https" : "http",
                     c->oauth_time, (struct slice){i->ca.ptr, i->ca.len});
#define SET(option, value) FETCH_SET(code, curl, option, value)
    SET(CONNECT_TO, to);
    SET(HTTPHEADER, headers);
    SET(POSTFIELDS, form);
    SET(WRITEFUNCTION, on_octets);
    SET(WRITEDATA, answer);
    if (i->id != NULL) {
        SET(HTTPAUTH, (long)CURLAUTH_BASIC);
        SET(USERNAME, i->id);
        SET(PASSWORD, i->secret);
    }
#undef SET
    return code;
}

/* NULL: no memory. The token's signs need no escapes but these (RFC 6750 2.1). */
static char *form_of(CURL *curl, const char *token)
{
    char *escaped = curl_easy_escape(curl, token, 0);
    char *form = NULL;
    if (escaped != NULL &&
        asprintf(&form, "token=%s&token_type_hint=access_token", escaped) < 0) {
        form = NULL;
    }
    if (escaped != NULL) {
        explicit_bzero(escaped, strlen(escaped));
        curl_free(escaped);
    }
    return form;
}

static CURLcode ask(const struct introspect *i, CURL *curl, const char *form,
                    struct buf *answer, long *status)
{
    struct curl_slist *to = curl_slist_append(NULL, i->to);
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json");
    CURLcode code = to == NULL || headers == NULL
                        ? CURLE_OUT_OF_MEMORY
                        : set_up(curl, i, to, headers, form, answer);
    if (code == CURLE_OK) {
        code = curl_easy_perform(curl);
        (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
    }
    curl_slist_free_all(to);
    curl_slist_free_all(headers);
    return code;
}

enum introspect_res introspect(const struct introspect *i, const char *token,
                               char user[SASL_USER_MAX + 1])
{
    struct buf answer;
    CURL *curl = curl_easy_init();
    char *form = curl == NULL ? NULL : form_of(curl, token);
    enum introspect_res res = INTROSPECT_FAULT;
    CURLcode code = CURLE_OUT_OF_MEMORY;
    long status = 0;
    buf_init(&answer, INTROSPECT_ANSWER_MAX);
    if (form != NULL) {
        code = ask(i, curl, form, &answer, &status);
        explicit_bzero(form, strlen(form));
    }
    if (code == CURLE_OK && status == 200) {
        struct introspect_want want = {.member = i->config->oauth_user,
                                       .scope = i->config->oauth_scope,
                                       .audience = i->config->oauth_audience,
                                       .now = clock_wall_ms() / 1000};
        res = introspect_read(buf_slice(&answer), &want, user);
    }
    if (res == INTROSPECT_FAULT) {
        log_text(LOG_ERR, "oauth", "%s: %s (HTTP status %ld)",
                 i->config->oauth_introspection,
                 code == CURLE_OK ? "no answer of RFC 7662" : curl_easy_strerror(code),
                 status);
    }
    free(form);
    if (curl != NULL) {
        curl_easy_cleanup(curl);
    }
    buf_clear(&answer);
    return res;
}
