/* fetch/fetch.c - see fetch.h */
#include "fetch/fetch.h"

CURLcode fetch_set_up(CURL *curl, const char *url, const char *protocols,
                      uint64_t time_ms, struct slice ca)
{
    struct curl_blob blob = {
        .data = (void *)(uintptr_t)ca.ptr, .len = ca.len, .flags = CURL_BLOB_NOCOPY};
    CURLcode code = CURLE_OK;
#define SET(option, value) FETCH_SET(code, curl, option, value)
    SET(URL, url);
    SET(PROTOCOLS_STR, protocols);
    SET(PROXY, "");
    SET(NOSIGNAL, 1L);
    SET(FOLLOWLOCATION, 0L);
    SET(TIMEOUT_MS, (long)time_ms);
    SET(SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CAINFO, NULL);
    SET(CAPATH, NULL);
    if (ca.len > 0) {
        SET(CAINFO_BLOB, &blob);
    }
#undef SET
    return code;
}
