/* senderauth/dkim_testlib.c - see dkim_testlib.h */
#include "senderauth/dkim_testlib.h"

#include "base/log.h"

const char test_rsa_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDf8P1QTPpQaMlG\n"
    "/g7SHMEXrIzZZNXi3vxU1cNQUCpHjiBFkJARWJI98ZR4fI/wqPvvn5HKTelYxbno\n"
    "h0pHOoHG47zceeFoM16GJgwOQc3v7edYGIo/JTYGMMhgQ+Am3SkSgVYPSJcjLX9W\n"
    "HHncrOIQYl7cLl2q5PrIxa+/ppMKAeIV8Kw2qgljsdKjI/Yx5jcaJvEyrivNqrA+\n"
    "smJgGQVSFE0sxyqfp89XQPhYa7x33behLD9dxNCkzY0NB6M/XQXbHChR/DY6i6ho\n"
    "Xha2LZZnPAfW75wWvXVg3lLJAOKxGIaM97U+RUdlLV2q13gUKoIIR/VC+nNCuRpF\n"
    "dVRAJNU7AgMBAAECggEAVpzrJJk5QUtd+da+XbagWiszKMvOy9oJxzgMPC5dQ+Kt\n"
    "CarRhdv3Z/zdO0KWG3MIShQx+4hpxZtn/Y8CBA2VbxrbC30aWMZxezoQ9Jyv7Wna\n"
    "zeBj6+tU+0z32v+1nOJyBcW/RtcBGap5sxD9cwPsxYB+hvNp5/R7KJcJE/t1qGr7\n"
    "00SZOV47EhQlUWxtkBC7pxnUx1TIA+KX3/BaW1ez/rWSePTR9hTMDGzvMwKtms2b\n"
    "3W8QUQeDSB3RQJsg8/VwRh1Y4Zmnj+UoXKAqQW0uuQE/HOzauwh1H4YDVHtzLpgM\n"
    "o8RPPJ1Z99KXPSj9//e+QUkeH7AdpNoGshCyLBh2mQKBgQDwIdrcE1LdnRxWFYXZ\n"
    "eUnnCkzPaqRGu5w4qJFz6wkXJkL8Vrivz6C6WuAV9mjgXAPqczBUQ/GaK82rr54d\n"
    "oUJ2a3mX7Pp+Df/NicgZNG5jg0ZxWjutz2oOD1t6AF6iOtFIU/IehcelXHmrnQE0\n"
    "k1/AgGrbLysC1kCoNWD8a/T2QwKBgQDuvT68nFwPUSIhOL+Bt6Sh84cicPghkhK2\n"
    "Hi2iQPKWap8VX9e4b7hdQFvwdQzY3z7yiu/EGGCickMYN3gZovzuRBBlu/v3T64/\n"
    "IWt6JS88xBho/d3+fVjD0OBBLGPRwnuL7liFjqCAQ6Cm7o0TQKl8UA3zFvv1v8Kj\n"
    "CPCshCgBqQKBgQC0MvOmCuo4W9oTz3ruQ9JtipExZXl5ivgknHrqXgooURIbgoh9\n"
    "hnW64s8eLBdvph1aJq6xzXrUkuJ4YAVrfsP9UZGhrLgdOCwp9acvIuVjz/NgxLHc\n"
    "MLYJbwTafMSHQVQjzrr2pLW5Jbg4TE3HQoCsWLHXYYIJUvaaQ9RQGENvOQKBgQCG\n"
    "mTGGuwz4IcEBQ/JMmxH5sMgudcyfeLCN9uO5h659eW1papi/xlUGViO/pO5yUyM1\n"
    "MXnOcAQDcjI7tAJFSewaFUu9X8fF/il6NEhZHB/OvawZfY+sTFVASUI13GYGvARV\n"
    "tzI3UltRFU+87d+hzCICEUxcEkhJnCyLKJ4wVW4MyQKBgAVRplhxuKJcFmrN6dAx\n"
    "LHFIaU8omGzdw58ordHZc5+C5wt56aUJBwOl+fC2o8J/+qR5r6uTRrqFYqdDD0jS\n"
    "Z3+Klp7W+tkelgh3AwMqHrY59of5sFFk8YZxk0hxPJPgQbap12zPhy/s8Ut2MjRP\n"
    "bR7aM9cQ3Uqei6cgsJJYVHgp\n"
    "-----END PRIVATE KEY-----\n";
const char test_ed25519_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIIfhp2Qbiuxfk99yJBb+Ju2XwTv5JHjwxixaM/IPEEhT\n"
    "-----END PRIVATE KEY-----\n";

void zone_add(struct buf *zone, const char *name, struct slice record)
{
    buf_add_fmt(zone, "%s TXT ", name);
    buf_add(zone, record);
    bool ok = buf_add_byte(zone, '\n');
    BUG_ON(!ok);
}

void sign_mail(struct signed_mail *m, struct crypto_private *key, struct dkim_sign s,
               struct slice header, struct slice body)
{
    struct dkim_body *b = dkim_body_new(m->crypto);
    s.crypto = m->crypto;
    s.key = key;
    int wish = dkim_sign_want(b, &s);
    dkim_body_feed(b, body);
    dkim_body_end(b);
    buf_reset(&m->header);
    bool ok = dkim_sign(&s, header, b, wish, &m->header) && buf_add(&m->header, header);
    BUG_ON(!ok);
    m->body = body;
    dkim_body_free(&b);
}

struct dkim *verify_mail(struct crypto *crypto, struct slice zone, struct slice header,
                         struct slice body, uint64_t now, size_t piece,
                         struct dkim_body **body_out)
{
    static struct fake_dns dns;
    struct dkim_body *b = *body_out = dkim_body_new(crypto);
    struct dkim_options o = {.crypto = crypto, .body = b, .now = now};
    fake_dns_init(&dns, zone);
    dns.slow = true;
    struct dkim *d = dkim_new(&o, header);
    BUG_ON(b == NULL || d == NULL);
    dkim_ask(d, &dns.source);
    while (body.len > 0) {
        dkim_body_feed(b, slice_sub(body, 0, piece));
        body = slice_from(body, piece);
    }
    dkim_body_end(b);
    while (dkim_evaluate(d, &dns.source) == DKIM_WAITING) {
        bool more = fake_dns_reveal(&dns, (unsigned)piece);
        BUG_ON(!more);
    }
    fake_dns_clear(&dns);
    return d;
}
