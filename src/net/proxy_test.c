/* net/proxy_test.c - headers good and bad, whole, cut at each octet, and with mail behind them. */
#include "net/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define V4  "\xc0\x00\x02\x01\xc6\x33\x64\x01\x9c\x40\x00\x19"
#define V6                                                                               \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"   \
    "\x02\x9c\x40\x00\x19"

/* clang-format off */
static const struct {
    const char *name;
    struct slice in;
    enum proxy_res res;
    const char *ip; /* NULL: not known */
    uint16_t port;
} cases[] = {
#define S SLICE_INIT
    {"v1 IPv4", S("PROXY TCP4 192.0.2.1 198.51.100.1 40000 25\r\n"), PROXY_OK, "192.0.2.1", 40000},
    {"v1 IPv6", S("PROXY TCP6 2001:db8::1 2001:db8::2 1 25\r\n"), PROXY_OK, "2001:db8::1", 1},
    {"v1 unknown", S("PROXY UNKNOWN\r\n"), PROXY_OK, NULL, 0},
    {"v1 unknown with more", S("PROXY UNKNOWN ffff:: x 1 2\r\n"), PROXY_OK, NULL, 0},
    {"v1 IPv6 as TCP4", S("PROXY TCP4 2001:db8::1 2001:db8::2 1 25\r\n"), PROXY_BAD, NULL, 0},
    {"v1 no ports", S("PROXY TCP4 192.0.2.1 198.51.100.1\r\n"), PROXY_BAD, NULL, 0},
    {"v1 large port", S("PROXY TCP4 192.0.2.1 198.51.100.1 65536 25\r\n"), PROXY_BAD, NULL, 0},
    {"v1 port with zero", S("PROXY TCP4 192.0.2.1 198.51.100.1 01 25\r\n"), PROXY_BAD, NULL, 0},
    {"v1 no port", S("PROXY TCP4 192.0.2.1 198.51.100.1 1 \r\n"), PROXY_BAD, NULL, 0},
    {"v1 more behind", S("PROXY TCP4 192.0.2.1 198.51.100.1 1 2 3\r\n"), PROXY_BAD, NULL, 0},
    {"v1 other family", S("PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n"), PROXY_BAD, NULL, 0},
    {"v1 LF alone", S("PROXY UNKNOWN\n"), PROXY_BAD, NULL, 0},
    {"v1 CR alone", S("PROXY UNKNOWN\rx"), PROXY_BAD, NULL, 0},
    {"v1 small letters", S("proxy UNKNOWN\r\n"), PROXY_BAD, NULL, 0},
    {"v1 too long", S("PROXY UNKNOWN xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n"), PROXY_BAD, NULL, 0},
    {"no header", S("EHLO client.example\r\n"), PROXY_BAD, NULL, 0},
    {"TLS", S("\x16\x03\x01\x02\x00"), PROXY_BAD, NULL, 0},
    {"v2 IPv4", S(SIG "\x21\x11\x00\x0c" V4), PROXY_OK, "192.0.2.1", 40000},
    {"v2 IPv6", S(SIG "\x21\x21\x00\x24" V6), PROXY_OK, "2001:db8::1", 40000},
    {"v2 with TLV", S(SIG "\x21\x11\x00\x10" V4 "\x04\x00\x01x"), PROXY_OK, "192.0.2.1", 40000},
    {"v2 local", S(SIG "\x20\x00\x00\x00"), PROXY_OK, NULL, 0},
    {"v2 local with address", S(SIG "\x20\x11\x00\x0c" V4), PROXY_OK, NULL, 0},
    {"v2 unix socket", S(SIG "\x21\x31\x00\x02xx"), PROXY_OK, NULL, 0},
    {"v2 too short for IPv4", S(SIG "\x21\x11\x00\x0b" V4), PROXY_BAD, NULL, 0},
    {"v2 too short for IPv6", S(SIG "\x21\x21\x00\x0c" V4), PROXY_BAD, NULL, 0},
    {"v2 another version", S(SIG "\x31\x11\x00\x0c" V4), PROXY_BAD, NULL, 0},
    {"v2 another command", S(SIG "\x22\x11\x00\x0c" V4), PROXY_BAD, NULL, 0},
    {"v2 too large", S(SIG "\x21\x11\xff\xff"), PROXY_BAD, NULL, 0},
    {"v2 wrong start", S("\r\n\r\n\0\r\nQUIT\r\n"), PROXY_BAD, NULL, 0},
#undef S
};
/* clang-format on */

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct proxy_header h = {0};
        char text[IP_TEXT_MAX];
        if (proxy_read(cases[i].in, &h) != cases[i].res) {
            fail_msg("%s", cases[i].name);
        }
        if (cases[i].res != PROXY_OK) {
            continue;
        }
        assert_int_equal(h.known, cases[i].ip != NULL);
        assert_int_equal(h.used, cases[i].in.len);
        if (h.known) {
            assert_true(slice_eq(ip_text(&h.ip, text), slice_of(cases[i].ip)));
            assert_int_equal(h.port, cases[i].port);
        }
    }
}

/* Every prefix says MORE until the answer is there, and octets behind it change nothing. */
static void test_cuts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char octets[256];
        struct proxy_header h = {0};
        bool more = true;
        assert_true(cases[i].in.len + 6 < sizeof octets);
        memcpy(octets, cases[i].in.ptr, cases[i].in.len);
        memcpy(octets + cases[i].in.len, "EHLO x", 6);
        for (size_t n = 0; n <= cases[i].in.len + 6; n++) {
            enum proxy_res res = proxy_read((struct slice){octets, n}, &h);
            assert_true(more || res == cases[i].res);
            more = res == PROXY_MORE;
            if (n < cases[i].in.len && cases[i].res == PROXY_OK && !more) {
                fail_msg("%s: answered after %zu octets", cases[i].name, n);
            }
        }
        assert_false(more);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases),
                                       cmocka_unit_test(test_cuts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
