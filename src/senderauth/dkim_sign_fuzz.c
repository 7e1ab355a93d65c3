/* senderauth/dkim_sign_fuzz.c - libFuzzer target: what was signed verifies, in all forms of header and
 * body; with a second From it does not.
 *
 * Input: one octet that picks forms and pieces, a header section, an empty line, a body. */
#include "base/log.h"
#include "message/fields.h"
#include "senderauth/dkim_testlib.h"

static struct crypto *crypto;
static struct crypto_private *key;
static struct buf zone;

static void prepare(void)
{
    const char *why = "";
    struct buf record;
    crypto = crypto_new(16);
    key = crypto_private_new(slice_of(test_ed25519_pem), &why);
    BUG_ON(crypto == NULL || key == NULL);
    buf_init(&record, 1024);
    buf_init(&zone, 2048);
    bool ok = dkim_sign_record(key, &record);
    BUG_ON(!ok);
    zone_add(&zone, "sel._domainkey.example.com", buf_slice(&record));
    buf_clear(&record);
}

static struct slice header_section(struct slice s)
{
    struct header_field f;
    struct slice rest = s;
    unsigned line = 1;
    while (header_field_next(&rest, &line, &f)) {
    }
    return slice_sub(s, 0, s.len - rest.len);
}

static enum dkim_reason verdict(struct slice header, struct slice body, size_t piece)
{
    struct dkim_body *b = NULL;
    struct dkim *d = verify_mail(crypto, buf_slice(&zone), header, body, 1500, piece, &b);
    const struct dkim_result *r = dkim_result(d, 0);
    BUG_ON(r == NULL);
    enum dkim_reason reason = r->reason;
    dkim_free(&d);
    dkim_body_free(&b);
    return reason;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (key == NULL) {
        prepare();
    }
    if (size < 1 || size > 8000) { /* below HEADER_TABLE_MAX fields */
        return 0;
    }
    struct slice in = slice_from((struct slice){data, size}, 1);
    size_t end = slice_search(in, SLICE("\r\n\r\n"));
    struct slice body = slice_from(in, end + 4);
    struct signed_mail m = {.crypto = crypto};
    struct buf header, spoilt;
    buf_init(&m.header, 1 << 20);
    buf_init(&header, 1 << 16);
    buf_init(&spoilt, 1 << 20);
    buf_add_str(&header, "From: Ann <ann@example.com>\r\n");
    buf_add(&header, header_section(slice_sub(in, 0, end + 2)));
    struct dkim_sign s = {
        .domain = SLICE("example.com"),
        .selector = SLICE("sel"),
        .made = 1000,
        .simple_header = (data[0] & 1) != 0,
        .simple_body = (data[0] & 2) != 0,
    };
    sign_mail(&m, key, s, buf_slice(&header), body);
    BUG_ON(verdict(buf_slice(&m.header), body, 1 + data[0] / 4U) != DKIM_REASON_NONE);
    buf_add_str(&spoilt, "From: eve@example.com\r\n");
    buf_add(&spoilt, buf_slice(&m.header));
    BUG_ON(verdict(buf_slice(&spoilt), body, SIZE_MAX) != DKIM_REASON_FIELD_ADDED);
    buf_clear(&m.header);
    buf_clear(&header);
    buf_clear(&spoilt);
    return 0;
}
