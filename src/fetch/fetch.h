/* fetch/fetch.h - what all requests to HTTP servers of others have in common (libcurl).
 *
 * Set up  no proxy, whatever the environment says; no redirects; no signals; TLS 1.2 and above, verified
 *         with the authorities given and no others.
 * Own     url is copied; ca is read until the request is over. */
#ifndef FETCH_FETCH_H
#define FETCH_FETCH_H
#include "base/slice.h"

#include <curl/curl.h>

/* protocols: as "http,https"; ca: PEM, empty: nobody is trusted. */
MUST_USE CURLcode fetch_set_up(CURL *curl, const char *url, const char *protocols,
                               uint64_t time_ms, struct slice ca);

/* Sets an option, if all before it took. */
#define FETCH_SET(code, curl, option, value)                                             \
    code = (code) == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_##option, value) : (code)
#endif
