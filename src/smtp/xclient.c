/* smtp/xclient.c - see xclient.h */
#include "smtp/xclient.h"

#include "smtp/address.h"
#include "smtp/xtext.h"

#include <string.h>

static const char no_text[] = "a value that is no name";

/* Decoded into octets; "" when there is none. */
static bool take_text(struct slice value, unsigned char *octets, struct slice *out)
{
    size_t n = 0;
    if (value.len == 0) {
        *out = SLICE("");
        return true;
    }
    if (!smtp_xtext_decode(value, octets, SMTP_XCLIENT_TEXT_MAX, &n)) {
        return false;
    }
    *out = (struct slice){octets, n};
    return n > 0 && (octets[0] == '[' ? smtp_literal_check(*out)
                                      : smtp_domain_check(*out, false)) == NULL;
}

static const char *take_address(struct slice value, struct smtp_xclient *x)
{
    unsigned char octets[IP_TEXT_MAX + 5];
    size_t n = 0;
    if (value.len == 0) {
        x->has_address = false;
        return NULL;
    }
    if (!smtp_xtext_decode(value, octets, sizeof octets, &n)) {
        return "a value that is no address";
    }
    struct slice text = {octets, n};
    bool v6 = slice_istarts(text, SLICE("IPV6:"));
    if (!ip_parse(slice_from(text, v6 ? 5 : 0), &x->address)) {
        return "a value that is no address";
    }
    x->has_address = true;
    return NULL;
}

static const char *take_port(struct slice value, struct smtp_xclient *x)
{
    uint64_t port = 0;
    if (value.len > 0 && (!slice_u64(value, &port) || port > UINT16_MAX)) {
        return "a value that is no port";
    }
    x->port = (uint16_t)port;
    return NULL;
}

static const char *take_login(struct slice value, struct smtp_xclient *x)
{
    size_t n = 0;
    if (value.len > 0 &&
        !smtp_xtext_decode(value, x->login_octets, sizeof x->login_octets, &n)) {
        return "a value that is no login";
    }
    for (size_t i = 0; i < n; i++) {
        if (x->login_octets[i] < ' ' || x->login_octets[i] == 0x7f) {
            return "a value that is no login";
        }
    }
    x->login = (struct slice){x->login_octets, n};
    return NULL;
}

static const char *take_attribute(struct slice name, struct slice value,
                                  bool login_offered, struct smtp_xclient *x)
{
    if (slice_ieq(value, SLICE("[UNAVAILABLE]")) ||
        slice_ieq(value, SLICE("[TEMPUNAVAIL]"))) {
        value = SLICE("");
    }
    if (slice_ieq(name, SLICE("ADDR"))) {
        return take_address(value, x);
    }
    if (slice_ieq(name, SLICE("PORT"))) {
        return take_port(value, x);
    }
    if (slice_ieq(name, SLICE("NAME"))) {
        return take_text(value, x->name_octets, &x->name) ? NULL : no_text;
    }
    if (slice_ieq(name, SLICE("HELO"))) {
        return take_text(value, x->helo_octets, &x->helo) ? NULL : no_text;
    }
    if (slice_ieq(name, SLICE("PROTO"))) {
        x->smtp = slice_ieq(value, SLICE("SMTP"));
        return x->smtp || value.len == 0 || slice_ieq(value, SLICE("ESMTP"))
                   ? NULL
                   : "a protocol that is neither SMTP nor ESMTP";
    }
    if (login_offered && slice_ieq(name, SLICE("LOGIN"))) {
        return take_login(value, x);
    }
    return "a name that is not offered";
}

const char *smtp_xclient_read(struct slice args, bool login_offered,
                              struct smtp_xclient *out, struct slice *param)
{
    memset(out, 0, sizeof *out);
    *param = args;
    args = slice_trim(args);
    if (args.len == 0) {
        return "expected names with values";
    }
    while (args.len > 0) {
        *param = slice_sub(args, 0, slice_find(args, ' '));
        size_t eq = slice_find(*param, '=');
        if (eq == param->len) {
            return "a name without its value";
        }
        const char *wrong = take_attribute(
            slice_sub(*param, 0, eq), slice_from(*param, eq + 1), login_offered, out);
        if (wrong != NULL) {
            return wrong;
        }
        args = slice_trim(slice_from(args, param->len));
    }
    return NULL;
}
