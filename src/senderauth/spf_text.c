/* senderauth/spf_text.c - results of SPF in words; see spf.h */
#include "senderauth/spf.h"

static const char *const result_names[] = {
    [SPF_NONE] = "none",           [SPF_NEUTRAL] = "neutral",
    [SPF_PASS] = "pass",           [SPF_FAIL] = "fail",
    [SPF_SOFTFAIL] = "softfail",   [SPF_TEMPERROR] = "temperror",
    [SPF_PERMERROR] = "permerror",
};

const char *spf_result_name(enum spf_result result)
{
    return result_names[result];
}

/* What the result means for the address: a comment of Received-SPF. */
static const char *const meanings[] = {
    [SPF_NONE] = "does not say who may send for it:",
    [SPF_NEUTRAL] = "says nothing of",
    [SPF_PASS] = "permits",
    [SPF_FAIL] = "does not permit",
    [SPF_SOFTFAIL] = "would rather not permit",
    [SPF_TEMPERROR] = "could not be asked about",
    [SPF_PERMERROR] = "has an SPF record with an error, asked about",
};

enum { VALUE_MAX = 320 }; /* octets of a value from outside that are shown */

/* Text from outside as a quoted-string, or inside a comment: printable ASCII, whatever else it
 * held is a question mark. */
static void add_text(struct buf *out, struct slice s)
{
    s = slice_sub(s, 0, VALUE_MAX);
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (c == '"' || c == '\\' || c == '(' || c == ')') {
            buf_add_byte(out, '\\');
        }
        buf_add_byte(out, c < 0x20 || c > 0x7e ? '?' : c);
    }
}

/* key-value-pair = key [CFWS] "=" ( dot-atom / quoted-string ) */
static void add_pair(struct buf *out, const char *key, struct slice value)
{
    if (value.len == 0) {
        return;
    }
    buf_add_fmt(out, "\r\n\t%s=\"", key);
    add_text(out, value);
    buf_add_str(out, "\";");
}

/* header-field = "Received-SPF:" [CFWS] result FWS [comment FWS] [ key-value-list ] CRLF */
bool spf_received(const struct spf *spf, const struct spf_query *query, struct buf *out)
{
    char text[IP_TEXT_MAX];
    struct slice ip = ip_text(&query->ip, text);
    buf_add_fmt(out, "Received-SPF: %s\r\n\t(", spf_result_name(spf->result));
    if (query->receiver.len > 0) {
        add_text(out, query->receiver);
        buf_add_str(out, ": ");
    }
    buf_add_str(out, "domain ");
    add_text(out, spf->domain);
    buf_add_fmt(out, "\r\n\t%s %s)", meanings[spf->result], text);
    add_pair(out, "client-ip", ip);
    /* RFC 7208 9.1: "envelope-from", "helo" and the others that are known. */
    add_pair(out, "envelope-from", query->mail_from);
    add_pair(out, "helo", query->helo);
    add_pair(out, "receiver", query->receiver);
    add_pair(out, "identity",
             spf->identity == SPF_HELO ? SLICE("helo") : SLICE("mailfrom"));
    add_pair(out, "mechanism",
             spf->result == SPF_PERMERROR ? (struct slice){0} : spf->by);
    if (spf->problem != NULL && spf->result >= SPF_TEMPERROR) {
        add_pair(out, "problem", slice_of(spf->problem));
    }
    return buf_add_str(out, "\r\n");
}
