/* config/config_test.c - texts of configuration files, good and bad, with what is said. */
#include "base/log.h"
#include "config/address.h"
#include "config/config.h"
#include "config/describe.h"
#include "config/rates.h"
#include "config/setting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MX "listener \"mx\" { address = {\"127.0.0.1:2525\"} service = mx tls = none }\n"

static char dir[] = "/tmp/postern-config-XXXXXX";
static char path[64], state_dir[64];

static void write_file(const char *name, const char *text)
{
    char where[128];
    (void)snprintf(where, sizeof where, "%s/%s", dir, name);
    FILE *f = fopen(where, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
}

/* What config_load() says of the text, without the directory; "": nothing. */
static const char *load(const char *text, struct config **cfg)
{
    static char error[CONFIG_ERROR_MAX];
    write_file("postern.conf", text);
    if (config_load(path, cfg, error)) {
        return "";
    }
    size_t skip = strlen(dir) + 1;
    assert_memory_equal(error, path, skip);
    return error + skip;
}

#define MILTERS                                                                          \
    "; expected a list of addresses such as \"unix:/run/opendkim/opendkim.sock\", "      \
    "\"127.0.0.1:8891 time=10s when-down=accept mail=incoming\""

static const struct {
    const char *text, *error;
} bad[] = {
    /* the syntax */
    {"hostname",
     ":1: neither = nor { follows hostname; expected NAME = VALUE or NAME { ... }"},
    {"# c\n\n/* a\n */\nhostname a\n",
     ":5: neither = nor { follows hostname; expected NAME = VALUE or NAME { ... }"},
    {"= x", ":1: out of place: =; expected the name of a setting or section"},
    {"}", ":1: out of place: }; expected the name of a setting or section"},
    {"\"x\" = y", ":1: out of place: \"x\"; expected the name of a setting or section"},
    {"hostname = \n", ":2: the file ends here; expected a value"},
    {"hostname = \n}", ":2: out of place: }; expected a value"},
    {"hostname =\nuser = a",
     ":1: no value stands behind hostname =; expected NAME = VALUE"},
    {"tls {\n key =\n}", ":3: out of place: }; expected a value"},
    {"hostname = # none\n" MX,
     ":1: no value stands behind hostname =; expected NAME = VALUE"},
    {"user =\n\ntls {", ":1: no value stands behind user =; expected NAME = VALUE"},
    {"hostname = \xe2\x80\x9cmx.example\xe2\x80\x9d",
     ":1: a typographic quote; expected \" or '"},
    {"\nhostname =\xc2\xa0mx.example", ":2: a no-break space (U+00A0); expected a blank"},
    {"hostname = a;", ":1: \";\" is out of place; expected the end of the line"},
    {"hostname = a\x01",
     ":1: an octet that is out of place; expected quotes around values "
     "that are not plain words"},
    {"hostname = \"a\n\"",
     ":1: the string that starts here has no end on its line, or holds "
     "a control character; expected a closing quote"},
    {"\nhostname = 'a",
     ":2: the string that starts here has no end on its line, or holds "
     "a control character; expected a closing quote"},
    {"user = \"a\\n\"", ":1: bad string: \"a\\n\"; expected at most 4096 octets, and of "
                        "escapes only \\\" and \\\\"},
    {"\n/* a\n\n", ":2: the comment that starts here has no end; expected */"},
    {"hostname /* a", ":1: the comment that starts here has no end; expected */"},
    {"\ntls {\nkey = x\n", ":2: section tls is open to the end of the file; expected }"},
    {"tls {\n dns {\n", ":2: section dns stands inside another; expected a setting or }"},
    {"queue { retry = {\"1 s\" \"2 s\"} }",
     ":1: out of place: \"2 s\"; expected a comma or } in the list"},
    {"queue { retry = {,} }", ":1: out of place: ,; expected a value"},
    {"queue { retry = {\"1 s\"",
     ":1: the file ends here; expected a comma or } in the list"},
    {"queue { retry = {{", ":1: out of place: {; expected a value"},
    {"queue { expire = 5 d\n}",
     ":1: a blank in a value without quotes; expected \"5 d\""},
    {"drain-time = 5  min hostname = a\n",
     ":1: a blank in a value without quotes; expected \"5  min\""},
    /* names */
    {"hostnam = a", ":1: unknown setting \"hostnam\"; did you mean \"hostname\"?"},
    {"certificate = a",
     ":1: unknown setting \"certificate\"; expected it in tls { ... }"},
    {"address = a",
     ":1: unknown setting \"address\"; expected it in listener \"NAME\" { ... }"},
    {"limits.recipients = 10",
     ":1: unknown setting \"limits.recipients\"; expected limits "
     "{ recipients = ... }"},
    {"tls {\n hostname = a }", ":2: unknown setting \"hostname\" in section tls; "
                               "expected it outside of any section"},
    {"trace {\n frobnication = a }", ":2: unknown setting \"frobnication\" in "
                                     "section trace; expected one of keep size"},
    {"listener x {\n adress = a }",
     ":2: unknown setting \"adress\" in section listener; did you mean \"address\"?"},
    {"trace = x",
     ":1: unknown setting \"trace\"; it is a section: expected trace { ... }"},
    {"limit {", ":1: unknown section \"limit\"; did you mean \"limits\"?"},
    {"listner x {", ":1: unknown section \"listner\"; did you mean \"listener\"?"},
    {"frobnication {",
     ":1: unknown section \"frobnication\"; expected one of listener tls trust "
     "dns limits auth oauth checks rate complaints milter rspamd content spool queue "
     "push "
     "directory "
     "delivery trace webhook log"},
    {"tls \"x\" {", ":1: section tls takes no name; expected { behind it"},
    {"hostname = a\nhostname = b",
     ":2: hostname stands in line 1 already; expected it once"},
    {"queue {\nretry = {\"1 s\"}\n}\nqueue {\nretry = \"1 s\"\n}",
     ":5: retry stands in line 2 already; expected it once"},
    {"hostname = {a}", ":1: hostname takes no list; expected one value without braces"},
    {"hostname = a\nfrobnicate\n",
     ":2: neither = nor { follows frobnicate; expected NAME = VALUE or NAME { ... }"},
    /* values */
    {"hostname = a_b", ":1: hostname is \"a_b\": it is no domain name; expected a domain "
                       "name such as \"mx.example.org\""},
    {"hostname = mx.ex\xc3\xa4mple", ":1: hostname is \"mx.ex\\xc3\\xa4mple\": it is "
                                     "no domain name; expected a domain name "
                                     "such as \"mx.example.org\""},
    {"state-dir = ''",
     ":1: state-dir is \"\": it is too short; expected a path; a relative "
     "one starts beside this file"},
    {"rate { exceptions = {\"ip 192.0.2.0/24 9/hour\",\n\"ip example.org 9/hour\"} }",
     ":2: rate.exceptions is \"ip example.org 9/hour\": no network stands behind the "
     "limit's name; expected a list of limits for some keys, such as \"ip 192.0.2.0/24 "
     "10000/hour burst 500\", \"dkim-domain example.org 5000-90000/hour\", \"login "
     "ann@example.org 50000/day\""},
    {"complaints { addresses = {\"fbl\"} }",
     ":1: complaints.addresses is \"fbl\": it is no mail address; expected a list of "
     "mail addresses such as \"fbl@example.org\""},
    {MX "rate { rcpt-most = \"9/day burst 2\" }",
     ":2: rate.rcpt-most: of this limit a window is counted, it has no burst; expected a "
     "limit such as \"1000/hour\""},
    {"smtpd-processes = many", ":1: smtpd-processes is \"many\": it is no whole number; "
                               "expected a whole number from 0 to 64"},
    {"smtpd-processes = -1",
     ":1: smtpd-processes is \"-1\": it is no whole number; expected "
     "a whole number from 0 to 64"},
    {"smtpd-processes = 99999999999999999999",
     ":1: smtpd-processes is \"99999999999999999999\": it is too large; expected "
     "a whole number from 0 to 64"},
    {"smtpd-processes = 7\nhostnam = a",
     ":2: unknown setting \"hostnam\"; did you mean \"hostname\"?"},
    {"smtpd-processes = 65", ":1: smtpd-processes is \"65\": it is too large; expected a "
                             "whole number from 0 to 64"},
    {"limits { message-size = 35MB }",
     ":1: limits.message-size is \"35MB\": its unit is none of KiB, MiB, GiB, TiB "
     "(nothing: "
     "octets); expected a size from 1 KiB to 1 GiB, such as \"35 MiB\""},
    {"limits { message-size = 1023 }", ":1: limits.message-size is \"1023\": it is "
                                       "too small; expected a size from 1 KiB to "
                                       "1 GiB, such as \"35 MiB\""},
    {"limits { message-size = \"99999999999 GiB\" }",
     ":1: limits.message-size is \"99999999999 GiB\": the number is too large; "
     "expected a "
     "size from 1 KiB to 1 GiB, such as \"35 MiB\""},
    {"limits {\n\n command-time = 300 }",
     ":3: limits.command-time is \"300\": it has no unit (ms, s, min, h, d); "
     "expected a time "
     "from 100 ms to 1 h, such as \"5 min\""},
    {"drain-time = \"1 week\"",
     ":1: drain-time is \"1 week\": its unit is none of ms, s, min, "
     "h, d; expected a time from 0 to 1 h, such as \"30 s\""},
    {"drain-time = s", ":1: drain-time is \"s\": it does not start with a whole number; "
                       "expected a time from 0 to 1 h, such as \"30 s\""},
    {"milter { server = {\"unix:/a time=3s\",\n\"nowhere\"} }",
     ":2: milter.server is \"nowhere\": it is no address" MILTERS},
    {"milter { server = \"unix:/a frob=1\" }",
     ":1: milter.server is \"unix:/a frob=1\": a word in it is none of time=, mail=, "
     "when-down=" MILTERS},
    {"milter { server = \"127.0.0.1:1 time=9\" }",
     ":1: milter.server is \"127.0.0.1:1 time=9\": its time= is no time, or out of "
     "range" MILTERS},
    {"milter { server = \"unix:/a mail=in\" }",
     ":1: milter.server is \"unix:/a mail=in\": its mail= is none of all, incoming, "
     "outgoing" MILTERS},
    {"milter { server = \"unix:/a when-down=no\" }",
     ":1: milter.server is \"unix:/a when-down=no\": its when-down= is none of "
     "defer, "
     "accept, reject, quarantine" MILTERS},
    {"queue { retry = {\n\"1 s\",\n\"1 y\"} }",
     ":3: queue.retry is \"1 y\": its unit is none of ms, s, min, h, d; expected a "
     "list of "
     "times, each from 1 s to 30 d, such as \"1 min\""},
    {MX "queue { retry = {} }", ":2: queue.retry is empty; expected at least one time"},
    {"log { level = loud }",
     ":1: log.level is \"loud\": it is none of the words; expected "
     "error, warning, info or debug"},
    {"dns { forward = {localhost} }", ":1: dns.forward is \"localhost\": it is no "
                                      "address; expected a list of addresses such "
                                      "as \"192.0.2.53\", \"192.0.2.53@5300\""},
    {"limits { bare-newline-networks = {\"192.0.2.1/24\"} }",
     ":1: limits.bare-newline-networks is \"192.0.2.1/24\": it has bits set beyond "
     "its "
     "prefix; expected a list of networks such as \"192.0.2.0/24\", "
     "\"2001:db8::/32\""},
    {"delivery { lmtp = \"localhost:24\" }",
     ":1: delivery.lmtp is \"localhost:24\": it is no address; expected "
     "\"unix:/path\", "
     "\"192.0.2.1:24\" or \"[2001:db8::1]:24\""},
    {"delivery { sub-address = \"++\" }",
     ":1: delivery.sub-address is \"++\": it is too long; expected text of 0 to 1 "
     "characters"},
    {MX "delivery {\n maildir = \"%d/Maildir\" }",
     ":3: delivery.maildir is \"%d/Maildir\": it must name the user; expected %u "
     "(local part) "
     "in it, %d (domain) if wanted, and no other %"},
    {MX "delivery {\n maildir = \"%u/%x\" }",
     ":3: delivery.maildir is \"%u/%x\": it must name the user; expected %u (local "
     "part) in "
     "it, %d (domain) if wanted, and no other %"},
    /* listeners */
    {"# nothing\n", ":2: no listener; expected listener \"mx\" { address = "
                    "{\"192.0.2.1:25\"} service = mx tls = starttls }"},
    {"listener {\n}",
     ":1: listener without a name of 1 to 64 characters; expected listener "
     "\"NAME\" { ... }"},
    {MX MX, ":2: listener \"mx\" stands in line 1 already; expected another name"},
    {"listener x {\n}",
     ":1: listener \"x\" has no address; expected address = {\"192.0.2.1:25\"}"},
    {"listener x {\n address = {} service = mx tls = none }",
     ":1: listener \"x\" has no address; expected address = {\"192.0.2.1:25\"}"},
    {"listener x {\n address = \"127.0.0.1:25\" tls = none }",
     ":1: listener \"x\" has no service; expected service = "
     "mx|submission|relay|push"},
    {"listener x {\n address = \"127.0.0.1:25\" service = mx }",
     ":1: listener \"x\" has no tls; expected tls = none|starttls|required|implicit"},
    {"listener x {\n service = smtp", ":2: service is \"smtp\": it is none of the words; "
                                      "expected mx, submission, relay or push"},
    {"listener x {\n tls = yes",
     ":2: tls is \"yes\": it is none of the words; expected none, "
     "starttls, required or implicit"},
    {"listener x {\n address = {\"127.0.0.1:25\",\n \"localhost:25\"}",
     ":3: address is \"localhost:25\": it is no address with a port; expected "
     "\"192.0.2.1:25\" or \"[2001:db8::1]:25\""},
    {"listener x {\n tls = none\n tls = none",
     ":3: tls stands in line 2 already; expected it once"},
    {"listener x {\n service = {mx}",
     ":2: service takes no list; expected one value without braces"},
    {MX "listener x {\n address = {\"[::ffff:127.0.0.1]:2525\"} service = mx tls = "
        "none }",
     ":3: address [::ffff:127.0.0.1]:2525 is listened on already by 127.0.0.1:2525; "
     "expected each once"},
    {MX "listener x {\n address = {\"[::]:2525\", \"127.0.0.1:2526\", \"0.0.0.0:2525\"} "
        "service = mx tls = none }",
     ":3: address 0.0.0.0:2525 is listened on already by 127.0.0.1:2525; expected each "
     "once"},
    {MX "listener x {\n address = \"127.0.0.1:2525\" service = mx tls = none }",
     ":3: address 127.0.0.1:2525 is listened on already; expected each once"},
    {MX "listener x {\n address = \"[::1]:1\" service = mx tls = starttls }\n"
        "tls {\n certificate = \"/\"\n key = \"/\" }",
     ":5: tls.certificate: /: Is a directory; expected a PEM file that can be read here"},
    {MX "listener x {\n address = \"[::1]:1\" service = mx tls = starttls }",
     ":2: listener \"x\" offers TLS, but tls.certificate is not set; expected tls { "
     "certificate = \"FILE.pem\" key = \"FILE.pem\" }, or tls = none"},
    {"listener x {\n address = \"[::1]:1\" service = mx tls = starttls }\n"
     "tls { certificate = \"/dev/null\" }",
     ":1: listener \"x\" offers TLS, but tls.key is not set; expected tls { "
     "certificate = "
     "\"FILE.pem\" key = \"FILE.pem\" }, or tls = none"},
    {"listener x {\n address = \"[::1]:1\" service = mx tls = starttls }\n"
     "tls { certificate = \"/dev/null\"\n key = \"/nonexistent/k\" }",
     ":4: tls.key: /nonexistent/k: No such file or directory; expected a PEM file "
     "that can "
     "be read here"},
    {"listener x {\n address = \"[::1]:1\" service = mx tls = none }\n"
     "tls { certificate = {\"/dev/null\", \"/dev/null\"}\n key = \"/dev/null\" }",
     ":4: tls.key names 1 files, tls.certificate 2; expected a key for each "
     "certificate, in the same order"},
    {"listener x {\n address = \"[::1]:1\" service = mx tls = none\n proxy = yes }",
     ":3: listener \"x\" expects a proxy, but trust.proxy-networks is empty; "
     "expected "
     "the networks of the proxies"},
    {"listener x {\n proxy = maybe",
     ":2: proxy is \"maybe\": it is none of the words; expected no or yes"},
    {"listener x {\n address = \"[::1]:1\" service = mx tls = none }\n"
     "oauth { introspection = \"https://a.test/i\"\n connect-to = \"\" ca = "
     "\"ca.pem\" }",
     ":3: oauth.introspection needs oauth.connect-to; expected oauth.connect-to = "
     "\"192.0.2.1:443\""},
    {"listener x {\n address = \"[::1]:1\" service = mx tls = none }\n"
     "oauth { introspection = \"http://a.test/i\"\n connect-to = \"192.0.2.1:80\" ca "
     "= \"ca.pem\" }",
     ":3: oauth.introspection is \"http://a.test/i\": tokens would be told on the "
     "way; expected an https:// URL, or http:// to a loopback address"},
    {"listener x {\n address = \"[::1]:1\" service = mx tls = none }\n"
     "oauth { introspection = \"https://a.test/i\"\n connect-to = \"192.0.2.1:443\" "
     "ca = \"/etc/ca.pem\" }",
     ":3: oauth.ca or oauth.client-secret is elsewhere; expected files below "
     "state-dir"},
    {"tls { certificate = {\"\"} }", ":1: tls.certificate is \"\": it is too short; "
                                     "expected a list of paths; relative "
                                     "ones start at state-dir"},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct config *cfg = NULL;
        char expected[CONFIG_ERROR_MAX];
        (void)snprintf(expected, sizeof expected, "postern.conf%s", bad[i].error);
        assert_string_equal(load(bad[i].text, &cfg), expected);
        assert_null(cfg);
    }
}

/* n times `unit` between head and tail; @ in it stands for its number. */
static const char *load_many(const char *head, unsigned n, const char *unit,
                             const char *tail)
{
    static char text[2 * 1024 * 1024];
    struct config *cfg = NULL;
    size_t at = (size_t)snprintf(text, sizeof text, "%s", head);
    for (unsigned i = 0; i < n; i++) {
        size_t number = strcspn(unit, "@");
        bool numbered = unit[number] == '@';
        int len = snprintf(text + at, sizeof text - at, "%.*s", (int)number, unit);
        at += (size_t)len;
        if (numbered) {
            len = snprintf(text + at, sizeof text - at, "%u%s", i + 1, unit + number + 1);
            at += (size_t)len;
        }
        assert_true(at < sizeof text);
    }
    assert_true((size_t)snprintf(text + at, sizeof text - at, "%s", tail) <
                sizeof text - at);
    const char *error = load(text, &cfg);
    config_free(&cfg);
    return error;
}

/* The most of each is taken, and one more is not. */
static void test_full(void **state)
{
    (void)state;
    static const struct {
        const char *head, *unit, *tail;
        unsigned most;
        const char *error;
    } cases[] = {
        {"listener x { service = mx tls = none address = {", "\"127.0.0.1:@\",\n", "} }",
         16, "postern.conf:17: too many addresses; expected at most 16"},
        {MX "queue { retry = {", "\"@ s\",\n", "} }", 64,
         "postern.conf:66: queue.retry is \"65 s\": the list is full; expected a list of "
         "times, "
         "each from 1 s to 30 d, such as \"1 min\""},
        {MX "dns { forward = {", "\"127.0.0.@\",\n", "} }", 16,
         "postern.conf:18: dns.forward is \"127.0.0.17\": the list is full; expected a "
         "list of "
         "addresses such as \"192.0.2.53\", \"192.0.2.53@5300\""},
        {MX "limits { bare-newline-networks = {", "\"127.0.0.@\",\n", "} }", 64,
         "postern.conf:66: limits.bare-newline-networks is \"127.0.0.65\": the list is "
         "full; "
         "expected a list of networks such as \"192.0.2.0/24\", \"2001:db8::/32\""},
        {MX "user = '", "x", "'", 64,
         "postern.conf:2: user is "
         "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
         "xx\": it is too long; expected text of 1 to 64 characters"},
        {"listener '", "x", "' { address = \"127.0.0.1:25\" service = mx tls = none }",
         64,
         "postern.conf:1: listener without a name of 1 to 64 characters; expected "
         "listener "
         "\"NAME\" { ... }"},
        {MX, "#\n", "", 500000, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(
            load_many(cases[i].head, cases[i].most, cases[i].unit, cases[i].tail), "");
        if (cases[i].error[0] != '\0') {
            assert_string_equal(
                load_many(cases[i].head, cases[i].most + 1, cases[i].unit, cases[i].tail),
                cases[i].error);
        }
    }
    assert_string_equal(load_many(MX, 550000, "#\n", ""),
                        "postern.conf: it is too large; expected at most 1024 KiB");
    const char *error = load_many(MX "user = '", 4097, "x", "'");
    assert_non_null(strstr(error, "postern.conf:2: bad string: 'xxx"));
    assert_non_null(strstr(load_many(MX "user = '", 4096, "x", "'"), "it is too long"));
}

static void test_listeners_full(void **state)
{
    (void)state;
    char text[4096];
    struct config *cfg = NULL;
    for (unsigned n = CONFIG_LISTENERS_MAX; n <= CONFIG_LISTENERS_MAX + 1; n++) {
        size_t at = 0;
        for (unsigned i = 1; i <= n; i++) {
            at +=
                (size_t)snprintf(text + at, sizeof text - at,
                                 "listener l%u { address = \"127.0.0.1:%u\" service = mx "
                                 "tls = none }\n",
                                 i, i);
        }
        assert_true(at < sizeof text);
        assert_string_equal(
            load(text, &cfg),
            n == CONFIG_LISTENERS_MAX
                ? ""
                : "postern.conf:17: too many listeners; expected at most 16");
        config_free(&cfg);
    }
}

static void test_unreadable(void **state)
{
    (void)state;
    char error[CONFIG_ERROR_MAX];
    struct config *cfg = NULL;
    assert_false(config_load("/nonexistent/postern.conf", &cfg, error));
    assert_string_equal(error,
                        "/nonexistent/postern.conf: cannot be opened: No such file or "
                        "directory; say where it is with -c FILE, or write one: postern "
                        "check-config --defaults");
    assert_false(config_load("/", &cfg, error));
    assert_string_equal(error, "/: it is a directory; expected the file in it");
    assert_null(cfg);
}

static void test_good(void **state)
{
    (void)state;
    struct config *cfg = NULL;
    char expected[256];
    assert_string_equal(
        load("\xef\xbb\xbf# comment\r\n"
             "hostname = mx.example.org // another\n"
             "state-dir = 'run state'\n"
             "tls { certificate = \"/dev/null\" key = \"../postern.conf\" }\n"
             "limits { message-size = 64KiB recipients = 7 command-time = \"1 h\" "
             "bare-newline-networks = {\"192.0.2.0/24\", '2001:db8::1',} }\n"
             "queue { retry = \"90 s\" } log { level = debug format = json }\n"
             "delivery { lmtp = \"unix:/run/lmtp\" maildir = \"/m\\\\\\\"/%u\" "
             "sub-address = '' }\n"
             "queue { expire = 1d }\n"
             "dns { forward = {127.0.0.1@5300, ::1} }\n"
             "listener \"in\" {\n"
             "  address = { \"127.0.0.1:2525\", \"[::1]:2525\" }\n"
             "  service = mx tls = starttls }\n"
             "listener out { address = 127.0.0.1:2587 service = submission tls = "
             "required proxy = yes auth-in-clear = no }\n"
             "trust { proxy-networks = {127.0.0.0/8} }\n",
             &cfg),
        "");
    assert_string_equal(cfg->hostname, "mx.example.org");
    assert_string_equal(cfg->state_dir, state_dir);
    assert_string_equal(cfg->tls_certificate.item[0], "/dev/null");
    (void)snprintf(expected, sizeof expected, "%s/run state/../postern.conf", dir);
    assert_string_equal(cfg->tls_key.item[0], expected);
    assert_true(!cfg->listener[0].proxy && cfg->listener[1].proxy);
    assert_int_equal(cfg->listener[0].auth_in_clear, CLEAR_DEFAULT);
    assert_int_equal(cfg->listener[1].auth_in_clear, CLEAR_NO);
    assert_int_equal(cfg->limits_message_size, 65536);
    assert_int_equal(cfg->limits_recipients, 7);
    assert_int_equal(cfg->limits_command_time, 3600000);
    assert_int_equal(cfg->limits_bare_newline_networks.n, 2);
    assert_int_equal(cfg->queue_retry.n, 1);
    assert_int_equal(cfg->queue_retry.ms[0], 90000);
    assert_int_equal(cfg->queue_expire, 86400000);
    assert_int_equal(cfg->log_level, LOG_DEBUG);
    assert_int_equal(cfg->log_format, LOG_JSON);
    assert_string_equal(cfg->delivery_lmtp, "unix:/run/lmtp");
    assert_string_equal(cfg->delivery_maildir, "/m\\\"/%u");
    assert_string_equal(cfg->delivery_sub_address, "");
    assert_int_equal(cfg->dns_forward.n, 2);
    assert_string_equal(cfg->dns_forward.item[0], "127.0.0.1@5300");
    assert_int_equal(cfg->listener_n, 2);
    assert_string_equal(cfg->listener[0].name, "in");
    assert_int_equal(cfg->listener[0].address_n, 2);
    assert_string_equal(cfg->listener[0].address[1], "[::1]:2525");
    assert_int_equal(cfg->listener[0].service, SERVICE_MX);
    assert_int_equal(cfg->listener[0].tls, TLS_STARTTLS);
    assert_string_equal(cfg->listener[1].name, "out");
    assert_int_equal(cfg->listener[1].service, SERVICE_SUBMISSION);
    assert_int_equal(cfg->listener[1].tls, TLS_REQUIRED);
    assert_string_equal(config_service_name(cfg->listener[1].service), "submission");
    config_free(&cfg);
    assert_null(cfg);
}

static void test_defaults(void **state)
{
    (void)state;
    struct config *cfg = NULL;
    assert_string_equal(load("hostname = mx.example.org " MX, &cfg), "");
    assert_string_equal(cfg->state_dir, "/var/lib/postern");
    assert_string_equal(cfg->delivery_maildir, "/var/lib/postern/mail/%d/%u/Maildir");
    assert_int_equal(cfg->tls_key.n, 0);
    assert_int_equal(cfg->limits_message_size, 35 * 1024 * 1024);
    assert_int_equal(cfg->queue_retry.n, 7);
    assert_int_equal(cfg->queue_retry.ms[6], 4 * 3600 * 1000);
    assert_int_equal(cfg->log_level, LOG_INFO);
    assert_int_equal(cfg->log_format, LOG_TEXT);
    config_free(&cfg);
}

/* What every row must be: found by its name, described, its default within its range, and
 * printed so that it parses to the same again. */
static void test_every_setting(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SETTING_N; i++) {
        const struct setting *s = &settings[i];
        struct config *cfg = calloc(1, sizeof *cfg), *again = NULL;
        struct buf text, before, after;
        buf_init(&text, 1000);
        buf_init(&before, 1000);
        buf_init(&after, 1000);
        assert_non_null(cfg);
        assert_ptr_equal(setting_find(slice_of(s->section), slice_of(s->name)), s);
        assert_true(s->help[0] != '\0');
        assert_true(s->least <= s->most);
        setting_expected(s, &text);
        assert_true(text.len > 0 && !text.failed);

        assert_true(setting_default(s, cfg));
        setting_print(s, cfg, &before);
        buf_reset(&text);
        buf_add_fmt(&text, MX "%s%s%s%s = ",
                    i == SETTING_ROW_hostname ? "" : "hostname = mx.example.org ",
                    s->section, s->section[0] == '\0' ? "" : "{ ", s->name);
        buf_add(&text, buf_slice(&before));
        buf_add_str(&text, s->section[0] == '\0' ? "\n" : " }\n");
        buf_add_byte(&text, '\0');
        assert_false(text.failed);
        assert_string_equal(load((const char *)text.ptr, &again), "");
        setting_print(s, again, &after);
        if (s->type != SETTING_PATH &&
            s->type != SETTING_DOMAIN) { /* load() completes these */
            assert_true(slice_eq(buf_slice(&before), buf_slice(&after)));
        }
        setting_clear(s, cfg);
        free(cfg);
        config_free(&again);
        buf_clear(&text);
        buf_clear(&before);
        buf_clear(&after);
    }
}

static void test_quote(void **state)
{
    (void)state;
    struct config *cfg = NULL;
    struct buf out;
    buf_init(&out, 100);
    assert_string_equal(load("hostname = x user = 'a\\b\"c' " MX, &cfg), "");
    setting_print(&settings[SETTING_ROW_user], cfg, &out);
    assert_true(slice_eq(buf_slice(&out), SLICE("\"a\\\\b\\\"c\"")));
    config_free(&cfg);
    buf_clear(&out);
}

/* The file of check-config --defaults holds every setting, and says nothing new. */
static void test_default_file(void **state)
{
    (void)state;
    struct buf text, want, have;
    struct config *cfg = NULL, *described = NULL;
    buf_init(&text, DESCRIBE_MAX);
    buf_init(&want, 1000);
    buf_init(&have, 1000);
    assert_string_equal(load("hostname = mx.example.org " MX, &cfg), "");
    describe_defaults(&text);
    buf_add_byte(&text, '\0');
    assert_false(text.failed);
    char *hostname = strstr((char *)text.ptr, "hostname = \"\"\n");
    assert_non_null(hostname);
    static const unsigned char named[] = "hostname= 'x'"; /* whatever this machine's is */
    memcpy(hostname, named, sizeof named - 1);
    assert_string_equal(load((const char *)text.ptr, &described), "");
    for (unsigned i = 0; i < SETTING_N; i++) {
        char line[128];
        (void)snprintf(line, sizeof line,
                       "%s%s = ", settings[i].section[0] == '\0' ? "\n" : "\n    ",
                       settings[i].name);
        assert_true(i == SETTING_ROW_hostname || strstr((char *)text.ptr, line) != NULL);
        buf_reset(&want);
        buf_reset(&have);
        setting_print(&settings[i], cfg, &want);
        setting_print(&settings[i], described, &have);
        assert_true(i == SETTING_ROW_hostname ||
                    slice_eq(buf_slice(&want), buf_slice(&have)));
    }
    assert_int_equal(described->listener_n, 1);
    config_free(&cfg);
    config_free(&described);
    buf_clear(&text);
    buf_clear(&want);
    buf_clear(&have);
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int family;
    } cases[] = {
        {"127.0.0.1:2525", AF_INET},
        {"0.0.0.0:65535", AF_INET},
        {"[::1]:25", AF_INET6},
        {"[::]:1", AF_INET6},
        {"127.0.0.1", 0},
        {"127.0.0.1:", 0},
        {"127.0.0.1:0", 0},
        {"127.0.0.1:65536", 0},
        {"127.0.0.1:000025", 0},
        {"127.0.0.1:+25", 0},
        {"::1:25", 0},
        {"[127.0.0.1]:25", 0},
        {"[::1]25", 0},
        {"[::1:25", 0},
        {":25", 0},
        {"[]:25", 0},
        {"localhost:25", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sockaddr_storage out = {0};
        socklen_t len = 0;
        bool ok = config_address_parse(cases[i].text, &out, &len);
        assert_int_equal(ok, cases[i].family != 0);
        assert_int_equal(out.ss_family, cases[i].family);
    }
    static const struct {
        const char *text, *wrong;
    } rates[] = {
        {"domain example.org 20/minute burst 5", NULL},
        {"account  *  1000/hour", NULL},
        {"account ann@b.test off", NULL},
        {"site google.com off", NULL},
        {"", "begins with none"},
        {"host example.org 1/day", "begins with none"},
        {"domain", "no name"},
        {"domain example.org", "does not start with a whole number"},
        {"domain example.org 5/week", ""},
        {"domain example.org 5-10/hour", "a range"},
    };
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct config_rate r = {0};
        const char *wrong = config_rate_parse(slice_of(rates[i].text), &r);
        assert_true((wrong == NULL) == (rates[i].wrong == NULL));
        assert_true(wrong == NULL || strstr(wrong, rates[i].wrong) != NULL);
        assert_true(wrong != NULL || r.of == (i == 0   ? RATE_OF_DOMAIN
                                              : i == 3 ? RATE_OF_SITE
                                                       : RATE_OF_ACCOUNT));
        assert_true(wrong != NULL || r.limit.count == (i == 0 ? 20 : i == 1 ? 1000 : 0));
    }
    static const struct {
        const char *name;
        bool ok;
    } domains[] = {
        {"mx.example.org", true},
        {"localhost", true},
        {"xn--bcher-kva.example", true},
        {"a.1.b", true},
        {"1a", true},
        {"", false},
        {".", false},
        {"a.", false},
        {".a", false},
        {"a..b", false},
        {"-a.b", false},
        {"a-.b", false},
        {"a_b", false},
        {"192.0.2.1", false},
        {"a b", false},
    };
    for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++) {
        assert_int_equal(address_is_domain(slice_of(domains[i].name)), domains[i].ok);
    }
    static const char label[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    char longest[300];
    _Static_assert(sizeof label == 64, "the longest label");
    (void)snprintf(longest, sizeof longest, "%s.%s.%s.%.61s", label, label, label, label);
    assert_true(address_is_domain(slice_of(longest)));
    (void)snprintf(longest, sizeof longest, "%s.%s.%s.%.62s", label, label, label, label);
    assert_false(address_is_domain(slice_of(longest)));
    (void)snprintf(longest, sizeof longest, "a%s.b", label);
    assert_false(address_is_domain(slice_of(longest)));
}

/* The words of the table are the names of the enums. */
static void test_words(void **state)
{
    (void)state;
    const char *services = listener_settings[LISTENER_SERVICE].form;
    const char *tls = listener_settings[LISTENER_TLS].form;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(
            setting_word(services, slice_of(config_service_name((enum config_service)i))),
            i);
        assert_int_equal(setting_word(tls, slice_of(config_tls_name((enum config_tls)i))),
                         i);
    }
    assert_int_equal(setting_word(tls, SLICE("")), -1);
    assert_int_equal(setting_word(tls, SLICE("none|starttls")), -1);
}

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/postern.conf", dir);
    (void)snprintf(state_dir, sizeof state_dir, "%s/run state", dir);
    return mkdir(state_dir, 0700);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path) == 0 && rmdir(state_dir) == 0 && rmdir(dir) == 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_listeners_full),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_setting),
        cmocka_unit_test(test_default_file),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
