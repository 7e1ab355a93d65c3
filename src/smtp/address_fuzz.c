/* smtp/address_fuzz.c - libFuzzer target: a path that was taken is taken again in its plain form
 * <mailbox>, and however it is cut, nothing shorter is a path. */
#include "smtp/address.h"

#include <stdlib.h>
#include <string.h>

static void check_path(struct slice in, bool null_ok, bool postmaster_ok)
{
    struct smtp_path p;
    struct smtp_path again;
    unsigned char plain[SMTP_PATH_MAX] = "<";
    unsigned char name[SMTP_LOCAL_MAX];
    if (smtp_path_take(in, null_ok, postmaster_ok, &p) != NULL) {
        return;
    }
    if (p.mailbox.len + 2 > sizeof plain || p.used > in.len || !smtp_utf8_ok(p.mailbox)) {
        abort();
    }
    if (p.mailbox.len > 0) {
        memcpy(plain + 1, p.mailbox.ptr, p.mailbox.len);
    }
    plain[1 + p.mailbox.len] = '>';
    struct slice s = {plain, p.mailbox.len + 2};
    if (smtp_path_take(s, null_ok, postmaster_ok, &again) != NULL ||
        again.used != s.len || !slice_eq(again.local, p.local) ||
        !slice_eq(again.domain, p.domain) || again.literal != p.literal ||
        (again.utf8 && !p.utf8)) {
        abort();
    }
    if (p.domain.len > 0 && (p.literal ? smtp_literal_check(p.domain)
                                       : smtp_domain_check(p.domain, true)) != NULL) {
        abort();
    }
    if (smtp_local_unquote(p.local, name).len > p.local.len) {
        abort();
    }
    for (size_t cut = 0; cut < p.used; cut++) {
        if (smtp_path_take(slice_sub(in, 0, cut), null_ok, postmaster_ok, &again) ==
            NULL) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {data, size};
    if (size > 1024) {
        return 0;
    }
    check_path(in, true, false);
    check_path(in, false, true);
    if (smtp_domain_check(in, false) == NULL && smtp_domain_check(in, true) != NULL) {
        abort(); /* UTF-8 allows more, never less */
    }
    if (smtp_literal_check(in) == NULL && smtp_domain_check(in, true) == NULL) {
        abort();
    }
    return 0;
}
