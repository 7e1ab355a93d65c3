/* message/link_scan_fuzz.c - what is found does not depend on how the text is cut; hosts are of
 * octets that a host may have. The first octet says whether it is HTML, and the pieces' size. */
#include "base/buf.h"
#include "message/link_scan.h"

#include <stdlib.h>

static void on_found(void *arg, struct slice url, struct slice host)
{
    if (host.len == 0 || host.len > LINK_HOST_MAX || url.len > LINK_URL_MAX ||
        slice_find(host, '/') < host.len || slice_find(host, '@') < host.len ||
        slice_find(host, ' ') < host.len || slice_find(host, '\0') < host.len) {
        abort();
    }
    (void)buf_add(arg, url);
    (void)buf_add_byte(arg, '\n');
    (void)buf_add(arg, host);
    (void)buf_add_byte(arg, '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct link_scan s;
    struct buf whole, cut;
    struct slice text = slice_from((struct slice){data, len}, 1);
    bool html = len > 0 && (data[0] & 1) != 0;
    size_t step = len > 0 ? 1 + data[0] / 2 % 5U : 1;
    buf_init(&whole, 1 << 24);
    buf_init(&cut, 1 << 24);
    link_scan_init(&s, html, on_found, &whole);
    link_scan_feed(&s, text);
    link_scan_end(&s);
    link_scan_init(&s, html, on_found, &cut);
    for (size_t at = 0; at < text.len; at += step) {
        link_scan_feed(&s, slice_sub(text, at, step));
    }
    link_scan_end(&s);
    if (!slice_eq(buf_slice(&whole), buf_slice(&cut))) {
        abort();
    }
    buf_clear(&whole);
    buf_clear(&cut);
    return 0;
}
