/* net/proxy_fuzz.c - libFuzzer target: an answer stands whatever follows; it comes at the latest
 * with PROXY_MAX octets; what v1 says of an address is what its text says. */
#include "net/proxy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header last = {0};
    enum proxy_res before = PROXY_MORE;
    for (size_t n = 0; n <= size; n++) {
        struct proxy_header h = {0};
        enum proxy_res res = proxy_read((struct slice){data, n}, &h);
        if ((before != PROXY_MORE &&
             (res != before || memcmp(&h.ip, &last.ip, sizeof h.ip) != 0 ||
              h.known != last.known || h.port != last.port || h.used != last.used)) ||
            (res == PROXY_MORE && n >= PROXY_MAX) || (res == PROXY_OK && h.used > n)) {
            abort();
        }
        before = res;
        last = h;
    }
    if (before == PROXY_OK && last.known && data[0] == 'P') {
        char text[IP_TEXT_MAX];
        struct ip again;
        if (!ip_parse(ip_text(&last.ip, text), &again) ||
            memcmp(&again, &last.ip, sizeof again) != 0) {
            abort();
        }
    }
    return 0;
}
