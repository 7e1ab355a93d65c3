/* config/config.h - the configuration file, as a value.
 *
 * Source  docs: postern.conf(5), generated from the tables below.
 * Own     config_load() allocates; config_free() frees; a loaded config never changes.
 *         Roles inherit it by fork and never read the file.
 * Errors  config_load() prints nothing: it returns false and fills `error` with
 *         "file:line: what is wrong; what was expected". */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H
#include "base/netset.h"
#include "base/slice.h"
#include "config/limits.h"
#include "config/smart_hosts.h"
#include "config/sources.h"
#include "rate/limit.h"

#include <sys/socket.h>

enum config_service { SERVICE_MX = 0, SERVICE_SUBMISSION, SERVICE_RELAY, SERVICE_PUSH };
enum config_tls { TLS_NONE = 0, TLS_STARTTLS, TLS_REQUIRED, TLS_IMPLICIT };
/* What a check may do; the words of its setting in this order. */
enum config_mode {
    CHECK_OFF = 0,
    CHECK_OBSERVE,
    CHECK_DEFER,
    CHECK_REJECT,
    CHECK_LADDER
};
#define CONFIG_MODES "off|observe|defer|reject|ladder"
/* What becomes of a message when a filter does not answer. */
enum config_when_down { WHEN_DOWN_DEFER = 0, WHEN_DOWN_ACCEPT };
#define CONFIG_WHEN_DOWN "defer|accept"
/* And, of a milter, beside these. */
enum config_milter_down {
    MILTER_DOWN_DEFER = 0,
    MILTER_DOWN_ACCEPT,
    MILTER_DOWN_REJECT,
    MILTER_DOWN_QUARANTINE
};
#define CONFIG_MILTER_DOWN "defer|accept|reject|quarantine"
enum config_milter_mail {
    MILTER_MAIL_ALL = 0,
    MILTER_MAIL_INCOMING,
    MILTER_MAIL_OUTGOING
};
#define CONFIG_MILTER_MAIL "all|incoming|outgoing"
/* checks.dmarc-quarantine. */
enum config_quarantine {
    CONFIG_QUARANTINE_NONE = 0,
    CONFIG_QUARANTINE_JUNK,
    CONFIG_QUARANTINE_REJECT
};
enum config_clear { CLEAR_DEFAULT = 0, CLEAR_NO, CLEAR_YES };
const char *config_service_name(enum config_service service);
const char *config_tls_name(enum config_tls tls);

enum { CONFIG_LISTENERS_MAX = 16, CONFIG_ADDRESSES_MAX = 16, CONFIG_LIST_MAX = 64 };

/* What must stand in a listener "name" { ... } section (from proxy on they may): name, words or form, help. */
/* clang-format off */
#define CONFIG_LISTENER_SETTINGS(X) \
    X("address", "list of address:port", "where it listens") \
    X("service", "mx|submission|relay|push", "mx: mail for our domains; submission: from our users, after AUTH; relay: from known machines; push: bulk mail") \
    X("tls", "none|starttls|required|implicit", "none: not offered; starttls: offered; required: nothing goes without it; implicit: from the first octet") \
    X("proxy", "no|yes", "yes: every connection begins with a header of the PROXY protocol, version 1 or 2, and comes from trust.proxy-networks") \
    X("auth-in-clear", "default|no|yes", "AUTH without TLS too (not with access tokens); default: as auth.allow-clear says")
/* clang-format on */

struct config_listener {
    char *name;
    char *address[CONFIG_ADDRESSES_MAX]; /* "127.0.0.1:2525", "[::1]:2525" */
    unsigned address_n;
    enum config_service service;
    enum config_tls tls;
    bool proxy;
    enum config_clear auth_in_clear;
};

struct config_list {
    char *item[CONFIG_LIST_MAX];
    unsigned n;
};

/* Another mode of a check for some mail. The first that fits holds. */
enum config_except { EXCEPT_NETWORK = 0, EXCEPT_SENDER, EXCEPT_RECIPIENT, EXCEPT_LOGIN };
#define CONFIG_EXCEPT "network|sender|recipient|login"
struct config_exception {
    char *text;   /* as it stands in the file */
    size_t check; /* offset of the check's mode in struct config; 0: of all checks */
    enum config_mode mode;
    enum config_except kind;
    struct net network; /* EXCEPT_NETWORK */
    char *
        domain; /* else, with all below it; of a login also an address; points into text */
};
struct config_exceptions {
    struct config_exception item[CONFIG_LIST_MAX];
    unsigned n;
};

/* Milters, in the order in which they see a message. */
enum { CONFIG_MILTERS_MAX = 8 };
struct config_milter {
    char *text;   /* as it stands in the file */
    char *server; /* "unix:/path" or "address:port" */
    /* -1, 0: as the setting of that name says. config_load() puts that in. */
    int mail, when_down;
    uint64_t time;
};
struct config_milters {
    struct config_milter item[CONFIG_MILTERS_MAX];
    unsigned n;
};

struct config_times {
    uint64_t ms[CONFIG_LIST_MAX];
    unsigned n;
};

/* One row a setting: section ("" for top level), name in the file, field, type, default
 * (as it would stand in the file, items of a list with a comma between), least, most,
 * words (ENUM: its words in the order of its values, with | between; else ""), one line
 * of help. struct config has a member of that name for each row, of the type's C type.
 *
 *   type      field                least, most      in the file
 *   STR       char *               characters       as is
 *   DOMAIN    char *               characters       domain name in A-label form, or empty
 *   PATH      char *               characters       path; relative: below state-dir
 *   PATHS     struct config_list   items            list of paths; relative: below state-dir
 *   WORDS     struct config_list   items            list of words, as they are
 *   DIR       char *               characters       path; relative: beside the file
 *   ENDPOINT  char *               characters       "unix:/path", "address:port", empty
 *   INT       uint64_t             value            100
 *   SIZE      uint64_t             octets           "35 MiB", "64 KiB", "512"
 *   TIME      uint64_t             ms               "500 ms", "300 s", "5 min", "14 d"
 *   BOOL      bool                 -                yes, no
 *   ENUM      int                  -                a word
 *   TIMES     struct config_times  ms of each       list of times, at least one
 *   NETWORKS  struct netset        networks         list of "192.0.2.0/24", "2001:db8::1"
 *   RESOLVERS struct config_list   items            list of "address", "address@port"
 *   ZONES     struct config_list   items            list of "zone address", "zone address@port"
 *   LISTS     struct config_list   items            list of "zone", "zone network": DNSBLs
 *   NAMES     struct config_list   items            list of words without blanks
 *   EXCEPTIONS struct config_exceptions items       list of "check mode kind value"
 *   MILTERS   struct config_milters items           list of "server", "server time=10s mail=incoming"
 *   RATES     struct config_list   items            list of lines as in config/rates.h
 *   LIMIT     struct rate_bound    -                "1000/hour burst 100", as in rate/limit.h
 *   ADDRESSES struct config_list   items            list of mail addresses
 *   DOMAINS   struct config_list   items            list of domain names
 *   LIMITS    struct config_limits items            list of lines as in config/limits.h */
#define CONFIG_TYPE_STR        char *
#define CONFIG_TYPE_DOMAIN     char *
#define CONFIG_TYPE_PATH       char *
#define CONFIG_TYPE_PATHS      struct config_list
#define CONFIG_TYPE_WORDS      struct config_list
#define CONFIG_TYPE_DIR        char *
#define CONFIG_TYPE_ENDPOINT   char *
#define CONFIG_TYPE_INT        uint64_t
#define CONFIG_TYPE_SIZE       uint64_t
#define CONFIG_TYPE_TIME       uint64_t
#define CONFIG_TYPE_BOOL       bool
#define CONFIG_TYPE_ENUM       int
#define CONFIG_TYPE_TIMES      struct config_times
#define CONFIG_TYPE_NETWORKS   struct netset
#define CONFIG_TYPE_RESOLVERS  struct config_list
#define CONFIG_TYPE_ZONES      struct config_list
#define CONFIG_TYPE_LISTS      struct config_list
#define CONFIG_TYPE_NAMES      struct config_list
#define CONFIG_TYPE_WAITS      struct config_list
#define CONFIG_TYPE_EXCEPTIONS struct config_exceptions
#define CONFIG_TYPE_MILTERS    struct config_milters
#define CONFIG_TYPE_RATES      struct config_list
#define CONFIG_TYPE_LIMIT      struct rate_bound
#define CONFIG_TYPE_ADDRESSES  struct config_list
#define CONFIG_TYPE_DOMAINS    struct config_list
#define CONFIG_TYPE_LIMITS     struct config_limits

/* clang-format off */
#define CONFIG_SETTINGS(X) \
    X("", "hostname", hostname, DOMAIN, "", 0, 255, "", "name of this server in greeting and Received (default: the machine's)") \
    X("", "state-dir", state_dir, DIR, "/var/lib/postern", 1, 4000, "", "directory of spool, databases and mail") \
    X("", "user", user, STR, "postern", 1, 64, "", "user that the roles run as when started by root") \
    X("", "reply-profile", reply_profile, ENUM, "gmail", 0, 0, "gmail|iana", "codes that refusals carry: those of the documents, or those that IANA registered") \
    X("", "smtpd-processes", smtpd_processes, INT, "0", 0, 64, "", "smtpd processes (0: one per core)") \
    X("", "delivery-processes", delivery_processes, INT, "0", 0, 64, "", "delivery processes (0: one per core)") \
    X("", "drain-time", drain_time, TIME, "30 s", 0, 3600000, "", "how long SIGTERM waits for running sessions") \
    X("tls", "certificate", tls_certificate, PATHS, "", 0, 16, "", "PEM files with a certificate chain each; a client that names a host (SNI) gets the first that is for it, all others get the first") \
    X("tls", "key", tls_key, PATHS, "", 0, 16, "", "PEM files with the private keys, in the order of the certificates") \
    X("tls", "ask-client-certificate", tls_ask_client_certificate, BOOL, "no", 0, 0, "", "yes: clients are asked for a certificate; what they show is recorded, nothing is refused") \
    X("trust", "proxy-networks", trust_proxy_networks, NETWORKS, "", 0, 64, "", "networks whose header of the PROXY protocol is believed") \
    X("trust", "xclient-networks", trust_xclient_networks, NETWORKS, "", 0, 64, "", "networks that may say with XCLIENT for whom they speak") \
    X("trust", "login-networks", trust_login_networks, NETWORKS, "", 0, 64, "", "those of xclient-networks that may also say who logged in (XCLIENT LOGIN): no password is asked for") \
    X("dns", "forward", dns_forward, RESOLVERS, "", 0, 16, "", "resolvers to ask, address@port (default: /etc/resolv.conf)") \
    X("dns", "recursive", dns_recursive, BOOL, "no", 0, 0, "", "yes: no resolver is asked, but the servers of each zone, from the root on") \
    X("dns", "forward-zones", dns_forward_zones, ZONES, "", 0, 64, "", "zones with resolvers of their own: \"example.org 192.0.2.53\"") \
    X("dns", "stub-zones", dns_stub_zones, ZONES, "", 0, 64, "", "zones whose own servers are asked at these addresses") \
    X("dns", "trust-anchors", dns_trust_anchors, PATHS, "", 0, 16, "", "files with DS or DNSKEY records that answers are validated by (DNSSEC), such as /usr/share/dns/root.key; none: nothing is validated") \
    X("dns", "timeout", dns_timeout, TIME, "8 s", 100, 25000, "", "wait for one answer") \
    X("dns", "budget", dns_budget, TIME, "20 s", 100, 25000, "", "wait for all answers that one message, or one session, needs") \
    X("dns", "questions", dns_questions, INT, "250", 10, 10000, "", "questions that one message, or one session, may need") \
    X("dns", "cache-size", dns_cache_size, SIZE, "32 MiB", 1048576, 4294967296, "", "memory for answers, in each process") \
    X("limits", "message-size", limits_message_size, SIZE, "35 MiB", 1024, 1073741824, "", "largest message") \
    X("limits", "recipients", limits_recipients, INT, "100", 1, 1000, "", "recipients of one transaction") \
    X("limits", "user-recipients", limits_user_recipients, INT, "0", 0, 1000, "", "recipients of one message of a user (submission; sender-rcpt-limit), unless `postern user set --recipients` says otherwise; 0: limits.recipients alone") \
    X("limits", "user-daily-messages", limits_user_daily_messages, INT, "0", 0, 4294967295, "", "messages of a user in any 24 hours (submission; sender-daily-limit), unless `postern user set --daily-messages` says otherwise; 0: any number") \
    X("limits", "user-daily-recipients", limits_user_daily_recipients, INT, "0", 0, 4294967295, "", "recipients of them, unless `postern user set --daily-recipients` says otherwise; 0: any number") \
    X("limits", "hold-time", limits_hold_time, TIME, "7 d", 0, 31536000000, "", "how long a submitted message may ask to be held (FUTURERELEASE); 0 s: not offered") \
    X("limits", "hops", limits_hops, INT, "50", 1, 1000, "", "Received fields before a message counts as looping") \
    X("limits", "header-size", limits_header_size, SIZE, "500 KiB", 1024, 1048576, "", "largest header section of a message, as a whole") \
    X("limits", "header-fields", limits_header_fields, INT, "5000", 10, 20000, "", "fields of a header section") \
    X("limits", "header-value-size", limits_header_value_size, SIZE, "32 KiB", 998, 1048576, "", "value of a field, folds not counted; that of To, Cc, Bcc and References only as the header section as a whole") \
    X("limits", "header-name-size", limits_header_name_size, SIZE, "1 KiB", 64, 1048576, "", "name of a field") \
    X("limits", "subject-size", limits_subject_size, SIZE, "998", 78, 1048576, "", "value of Subject, folds not counted") \
    X("limits", "message-id-size", limits_message_id_size, SIZE, "500", 78, 1048576, "", "value of Message-ID") \
    X("limits", "line", limits_line, INT, "0", 0, 1073741824, "", "octets of a line of a message, without its end; RFC 5322 says 998, which not all that send keep to; 0: any") \
    X("limits", "session-time", limits_session_time, TIME, "30 min", 1000, 86400000, "", "life of a connection") \
    X("limits", "command-time", limits_command_time, TIME, "5 min", 100, 3600000, "", "wait for the next command (RFC 5321 4.5.3.2.7)") \
    X("limits", "data-time", limits_data_time, TIME, "3 min", 100, 3600000, "", "wait for the next octets of a message") \
    X("limits", "unknown-commands", limits_unknown_commands, INT, "10", 1, 1000, "", "unknown commands before the connection is closed") \
    X("limits", "syntax-errors", limits_syntax_errors, INT, "10", 1, 1000, "", "commands with syntax errors before the connection is closed") \
    X("limits", "errors-in-a-row", limits_errors_in_a_row, INT, "10", 1, 1000, "", "refused commands in a row, out of order or malformed, before the connection is closed") \
    X("limits", "unauthenticated-commands", limits_unauthenticated_commands, INT, "20", 1, 1000, "", "commands before AUTH on submission") \
    X("limits", "sessions", limits_sessions, INT, "20000", 1, 1000000, "", "connections in all; each smtpd process takes its share of them, and refuses those beyond (server-busy)") \
    X("limits", "sessions-per-client", limits_sessions_per_client, INT, "200", 1, 1000000, "", "connections of one client address, per smtpd process; the first command of those beyond is held off (command-deferred-closing)") \
    X("limits", "sessions-per-network", limits_sessions_per_network, INT, "1000", 1, 1000000, "", "the same of one network") \
    X("limits", "network-ipv4", limits_network_ipv4, INT, "24", 8, 32, "", "bits that make an IPv4 network in this sense") \
    X("limits", "network-ipv6", limits_network_ipv6, INT, "64", 16, 128, "", "bits that make an IPv6 network in this sense") \
    X("limits", "memory", limits_memory, SIZE, "1 GiB", 2097152, 1099511627776, "", "memory of one smtpd process beyond which it refuses new connections and messages (server-busy)") \
    X("limits", "greet-delay", limits_greet_delay, TIME, "0", 0, 60000, "", "wait before the greeting; who speaks in that time is held off (command-deferred-closing); 0: nobody waits, and it is not looked for") \
    X("limits", "policies", limits_policies, INT, "50", 1, 1000, "", "recipient domains with settings of their own in one transaction") \
    X("limits", "bare-newline-networks", limits_bare_newline_networks, NETWORKS, "", 0, 64, "", "networks whose bare LF is taken as CRLF") \
    X("auth", "allow-clear", auth_allow_clear, BOOL, "no", 0, 0, "", "AUTH without TLS too, with every mechanism that needs none: passwords can be read on the way") \
    X("auth", "login-initial-response", auth_login_initial_response, BOOL, "no", 0, 0, "", "AUTH LOGIN may bring the user name with it, as .NET clients do and RFC 4954 forbids") \
    X("auth", "attempts-per-account", auth_attempts_per_account, INT, "10", 1, 100000, "", "wrong logins for one account, from networks it never logged in from, or from each of the others") \
    X("auth", "attempts-per-network", auth_attempts_per_network, INT, "50", 1, 1000000, "", "wrong logins from one network (/24 of IPv4, /48 of IPv6)") \
    X("auth", "attempts-time", auth_attempts_time, TIME, "15 min", 1000, 86400000, "", "in so long") \
    X("auth", "delay", auth_delay, TIME, "1 s", 100, 10000, "", "a wrong login is answered after so long; each further one takes twice as long, up to 8 times") \
    X("auth", "sign-in-url", auth_sign_in_url, STR, "", 0, 200, "", "page that refusals name where the owner of an account must sign in with a browser") \
    X("oauth", "introspection", oauth_introspection, STR, "", 0, 1000, "", "URL that says whether an access token is good (RFC 7662); empty: no OAUTHBEARER, no XOAUTH2") \
    X("oauth", "connect-to", oauth_connect_to, ENDPOINT, "", 0, 300, "", "address:port where that is: names are not looked up") \
    X("oauth", "ca", oauth_ca, PATH, "ca.pem", 1, 4000, "", "PEM file, below state-dir, with the certificates that its own must be signed by") \
    X("oauth", "client-id", oauth_client_id, STR, "", 0, 200, "", "who we are there") \
    X("oauth", "client-secret", oauth_client_secret, PATH, "", 0, 4000, "", "file, below state-dir, whose first line is our password there") \
    X("oauth", "user", oauth_user, STR, "username", 1, 100, "", "member of the answer that names the account by its mail address") \
    X("oauth", "scope", oauth_scope, STR, "", 0, 200, "", "scope that the token must have; empty: any") \
    X("oauth", "audience", oauth_audience, STR, "", 0, 200, "", "audience that the token must be meant for; empty: any") \
    X("oauth", "time", oauth_time, TIME, "10 s", 100, 30000, "", "wait for the answer") \
    X("checks", "local-networks", checks_local_networks, NETWORKS, "127.0.0.0/8, ::1, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fe80::/10, fc00::/7", 0, 64, "", "clients that are not judged by what the DNS says of their address") \
    X("checks", "ladder-slow", checks_ladder_slow, INT, "20", 0, 1000000, "", "ladder: messages in breach of one sender in a day of which a growing share is refused for now; beyond it all are") \
    X("checks", "ladder-refuse", checks_ladder_refuse, INT, "100", 0, 1000000, "", "ladder: messages in breach of one sender in a day beyond which it is refused for good") \
    X("checks", "ptr", checks_ptr, ENUM, "ladder", 0, 0, CONFIG_MODES, "the client's address has no name, or one that does not lead back to it (ptr-missing-*, ptr-forward-mismatch-reject)") \
    X("checks", "ipv6", checks_ipv6, ENUM, "reject", 0, 0, CONFIG_MODES, "a client with an IPv6 address that has no name, or one that does not lead back to it (ipv6-guidelines-reject)") \
    X("checks", "dnsbl", checks_dnsbl, ENUM, "reject", 0, 0, CONFIG_MODES, "the client's address stands in a list of checks.dnsbl-lists (reputation-ip-*)") \
    X("checks", "dnsbl-lists", checks_dnsbl_lists, LISTS, "", 0, 16, "", "DNS lists (RFC 5782) of addresses that nobody takes mail from: \"bl.example.org\", or with the answers that count \"bl.example.org 127.0.0.2/31\"") \
    X("checks", "dynamic", checks_dynamic, ENUM, "reject", 0, 0, CONFIG_MODES, "the client's address is of a kind that sends no mail itself, by checks.dynamic-lists or checks.dynamic-names (ip-not-authorized)") \
    X("checks", "dynamic-lists", checks_dynamic_lists, LISTS, "", 0, 16, "", "DNS lists of addresses that providers give to homes") \
    X("checks", "dynamic-names", checks_dynamic_names, NAMES, "*.dyn.*, *.dynamic.*, *.dhcp.*, *.dialup.*, *.dial.*, *.ppp.*, *.pppoe.*, *.dsl.*, *.adsl.*", 0, 64, "", "names of such addresses; a name counts only where the address's last two octets stand in it too") \
    X("checks", "exceptions", checks_exceptions, EXCEPTIONS, "", 0, 64, "", "other modes for some mail, the first that fits: \"ptr off network 192.0.2.0/24\", \"dnsbl observe sender example.org\", \"all off recipient example.net\", \"login-rate off login ann@example.test\"; domains with all below them, recipient: all recipients") \
    X("checks", "unauthenticated", checks_unauthenticated, ENUM, "ladder", 0, 0, CONFIG_MODES, "a message passes neither SPF nor DKIM (mail-unauthenticated-*)") \
    X("checks", "unauthenticated-domain", checks_unauthenticated_domain, ENUM, "reject", 0, 0, CONFIG_MODES, "neither SPF nor DKIM, aligned, speaks for a From domain of checks.authenticated-domains (mail-unauthenticated-domain-reject)") \
    X("checks", "authenticated-domains", checks_authenticated_domains, WORDS, "", 0, 64, "", "domains, with all below them, from which only authenticated mail is accepted") \
    X("checks", "dmarc", checks_dmarc, ENUM, "reject", 0, 0, CONFIG_MODES, "a message fails DMARC and its From domain asks for it to be refused (mail-dmarc-reject), or the DNS keeps that from being known (mail-dmarc-dns-failure)") \
    X("checks", "dmarc-quarantine", checks_dmarc_quarantine, ENUM, "junk", 0, 0, "none|junk|reject", "a message whose From domain asks for quarantine; junk: delivered into the Maildir folder Junk, with X-Spam-Flag: YES; reject: as if it asked for rejection") \
    X("checks", "trusted-sealers", checks_trusted_sealers, WORDS, "", 0, 64, "", "domains of forwarders and lists whose ARC seal is believed: what they found to pass DMARC is not refused for failing here") \
    X("checks", "spf-hardfail", checks_spf_hardfail, ENUM, "reject", 0, 0, CONFIG_MODES, "the SPF record of the MAIL FROM domain ends in -all and does not authorize the client, and no DKIM signature passes (mail-spf-hardfail-reject)") \
    X("checks", "spf-record", checks_spf_record, ENUM, "ladder", 0, 0, CONFIG_MODES, "the SPF record of the MAIL FROM domain is suspicious (spf-record-suspicious-*)") \
    X("checks", "spf-suspicious", checks_spf_suspicious, WORDS, "all, wide, many", 0, 7, "", "what makes it so: all (+all), wide (one large network), many (addresses in all), ptr, cloud (all customers of one), lookups (more than 10), error; what is not listed is only told") \
    X("checks", "bulk", checks_bulk, INT, "5000", 0, 16000000, "", "messages of one organizational From domain in a day beyond which it is a bulk sender") \
    X("checks", "bulk-spf", checks_bulk_spf, ENUM, "ladder", 0, 0, CONFIG_MODES, "bulk sender: SPF does not pass (mail-spf-fail-*)") \
    X("checks", "bulk-dkim", checks_bulk_dkim, ENUM, "ladder", 0, 0, CONFIG_MODES, "bulk sender: no DKIM signature passes (mail-dkim-fail-*)") \
    X("checks", "bulk-dmarc-record", checks_bulk_dmarc_record, ENUM, "ladder", 0, 0, CONFIG_MODES, "bulk sender: the From domain has no DMARC policy (mail-dmarc-record-missing-*)") \
    X("checks", "bulk-alignment", checks_bulk_alignment, ENUM, "ladder", 0, 0, CONFIG_MODES, "bulk sender: neither SPF nor DKIM passes for the organizational From domain (mail-from-unaligned-*)") \
    X("checks", "bulk-tls", checks_bulk_tls, ENUM, "ladder", 0, 0, CONFIG_MODES, "bulk sender: the connection has no TLS (mail-tls-missing-*)") \
    X("checks", "rcpt-domain", checks_rcpt_domain, ENUM, "reject", 0, 0, CONFIG_MODES, "a recipient's domain does not exist in the DNS, at submission and relaying (rcpt-domain-not-found)") \
    X("checks", "header-lengths", checks_header_lengths, ENUM, "reject", 0, 0, CONFIG_MODES, "names and values of fields beyond their limits") \
    X("checks", "header-from", checks_header_from, ENUM, "reject", 0, 0, CONFIG_MODES, "no From field, more than one, more than one address in it, or none that is whole (mx)") \
    X("checks", "header-message-id", checks_header_message_id, ENUM, "reject", 0, 0, CONFIG_MODES, "no Message-ID of the form <left@right> (mx); messages from the null reverse-path pass") \
    X("checks", "header-once", checks_header_once, ENUM, "reject", 0, 0, CONFIG_MODES, "a field several times that may stand there once (mx)") \
    X("checks", "header-grammar", checks_header_grammar, ENUM, "reject", 0, 0, CONFIG_MODES, "a value that is not what its field wants: a Date that is none ... (mx)") \
    X("checks", "header-trace", checks_header_trace, ENUM, "observe", 0, 0, CONFIG_MODES, "a Received field without a date at its end, a Return-Path that is no address in angle brackets (mx); RFC 5321 4.4 forbids to refuse mail for them") \
    X("checks", "header-unicode", checks_header_unicode, ENUM, "reject", 0, 0, CONFIG_MODES, "octets above 127 where they may not stand (mx)") \
    X("checks", "header-8bit-text", checks_header_8bit_text, BOOL, "yes", 0, 0, "", "header-unicode lets them pass in display names, comments, parameters and unstructured fields, also without SMTPUTF8") \
    X("checks", "header-encoded-word", checks_header_encoded_word, ENUM, "reject", 0, 0, CONFIG_MODES, "an encoded word (RFC 2047) in an address, an identifier, a date or a MIME token (mx)") \
    X("checks", "message-form", checks_message_form, ENUM, "reject", 0, 0, CONFIG_MODES, "no header section, or a line in it that is no field; NUL; a line beyond limits.line (message-malformed)") \
    X("checks", "structure", checks_structure, ENUM, "reject", 0, 0, CONFIG_MODES, "MIME structure in which mail readers would see different parts, such as boundaries that are missing or said twice; entities beyond content.depth or content.parts (message-malformed)") \
    X("checks", "attachments", checks_attachments, ENUM, "reject", 0, 0, CONFIG_MODES, "more than content.attachments (attachment-count-exceeded)") \
    X("checks", "content-security", checks_content_security, ENUM, "reject", 0, 0, CONFIG_MODES, "a file of a kind that content.block or the server's own list blocks, also within an archive (content-security-block)") \
    X("checks", "milter", checks_milter, ENUM, "reject", 0, 0, CONFIG_MODES, "what a milter says of a sender, a recipient or a message, where milter.server is set (policy-custom-rule, message-rejected-temporarily)") \
    X("checks", "rspamd", checks_rspamd, ENUM, "reject", 0, 0, CONFIG_MODES, "rspamd's verdict on a message, where rspamd.server is set (content-unsolicited-reject, content-suspicious-deferred, push-content-spam)") \
    X("checks", "rcpt-rate", checks_rcpt_rate, ENUM, "reject", 0, 0, CONFIG_MODES, "a recipient gets more than rate.rcpt-pace, rate.rcpt or rate.rcpt-most (mx)") \
    X("checks", "flood-ip", checks_flood_ip, ENUM, "reject", 0, 0, CONFIG_MODES, "more than rate.ip (mx)") \
    X("checks", "flood-ip-unwanted", checks_flood_ip_unwanted, ENUM, "ladder", 0, 0, CONFIG_MODES, "more than rate.ip of an address whose mail is mostly unwanted (flood-ip-blocked-temporary, flood-ip-reject)") \
    X("checks", "flood-network", checks_flood_network, ENUM, "reject", 0, 0, CONFIG_MODES, "more than rate.network (mx)") \
    X("checks", "flood-domain", checks_flood_domain, ENUM, "reject", 0, 0, CONFIG_MODES, "more than rate.dkim-domain, rate.spf-domain, rate.from-domain, rate.ptr-domain or rate.rcpt-domain (mx)") \
    X("checks", "flood-url", checks_flood_url, ENUM, "reject", 0, 0, CONFIG_MODES, "more than rate.url-domain (mx)") \
    X("checks", "flood-sender", checks_flood_sender, ENUM, "ladder", 0, 0, CONFIG_MODES, "more than rate.sender (flood-rate-limited, mail-rate-limited-reject)") \
    X("checks", "message-id-rate", checks_message_id_rate, ENUM, "reject", 0, 0, CONFIG_MODES, "more than rate.message-id (mx)") \
    X("checks", "login-rate", checks_login_rate, ENUM, "reject", 0, 0, CONFIG_MODES, "more than rate.login (submission)") \
    X("checks", "login-quota", checks_login_quota, ENUM, "reject", 0, 0, CONFIG_MODES, "more than rate.login-quota (submission)") \
    X("checks", "reputation-ip", checks_reputation_ip, ENUM, "ladder", 0, 0, CONFIG_MODES, "the client's address has a very low reputation here (reputation-ip-*)") \
    X("checks", "reputation-domain", checks_reputation_domain, ENUM, "ladder", 0, 0, CONFIG_MODES, "a domain that passed authentication has one (reputation-domain-*)") \
    X("rate", "memory", rate_memory, SIZE, "64 MiB", 1048576, 68719476736, "", "memory of the counts that all smtpds share: of senders, and of the steps of ladders; 128 octets each. Read at the start alone, not at a reload") \
    X("rate", "evidence", rate_evidence, INT, "20", 1, 100000, "", "signs (mail accepted, recipients unknown, content refused ...) that must have come from a sender before anything is said of what its mail is worth") \
    X("rate", "exempt-networks", rate_exempt_networks, NETWORKS, "127.0.0.0/8, ::1, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fe80::/10, fc00::/7", 0, 64, "", "clients whose mail is neither counted nor limited (mx)") \
    X("rate", "complaints", rate_complaints, INT, "20", 0, 10000, "", "messages a day of one mailbox that count as complaints when its user moves them into the folder Junk (Maildir), or takes back out; 0: folders are not looked at") \
    X("rate", "ip", rate_ip, LIMIT, "1000-200000/hour", 0, 0, "", "messages of one client address; a range: three times what the address sends usually, but not less nor more; less the share of its mail that is unwanted (flood-ip-*)") \
    X("rate", "network", rate_network, LIMIT, "2000-400000/hour", 0, 0, "", "of one network (limits.network-ipv4, -ipv6), where most of its mail is unwanted (flood-netblock-rate-limited)") \
    X("rate", "spf-domain", rate_spf_domain, LIMIT, "5000-2000000/hour", 0, 0, "", "with one envelope domain that passed SPF (flood-spf-domain-rate-limited)") \
    X("rate", "dkim-domain", rate_dkim_domain, LIMIT, "5000-2000000/hour", 0, 0, "", "signed by one domain (flood-dkim-domain-rate-limited)") \
    X("rate", "from-domain", rate_from_domain, LIMIT, "5000-2000000/hour", 0, 0, "", "of one organizational domain in an authenticated From (flood-rate-limited)") \
    X("rate", "ptr-domain", rate_ptr_domain, LIMIT, "5000-2000000/hour", 0, 0, "", "from clients whose names are of one domain, where PTR and address agree (flood-rate-limited)") \
    X("rate", "rcpt-domain", rate_rcpt_domain, LIMIT, "off", 0, 0, "", "to one domain here, whoever sent it (flood-rate-limited)") \
    X("rate", "connections", rate_connections, LIMIT, "600-60000/minute", 0, 0, "", "connections of one client address (mx; command-deferred-closing)") \
    X("rate", "network-connections", rate_network_connections, LIMIT, "3000-300000/minute", 0, 0, "", "connections of one network") \
    X("rate", "refusal-delay", rate_refusal_delay, TIME, "1 s", 0, 60000, "", "how long a client waits once a limit or its reputation has refused it: for that reply, in the next minute for its greeting (mx); so does one with more connections than it may have. As many of one address may wait as limits.sessions-per-client says, and a quarter of limits.sessions in all; those beyond are told server-busy after that time, or refused at once. 0: nobody waits") \
    X("rate", "url-domain", rate_url_domain, LIMIT, "5000-2000000/hour", 0, 0, "", "with links to one registered domain, where most of such mail is unwanted (flood-url-domain-rate-limited)") \
    X("rate", "sender", rate_sender, LIMIT, "1000-200000/hour", 0, 0, "", "of one envelope sender; unless it passed SPF, of that sender from one network (flood-rate-limited, mail-rate-limited-reject)") \
    X("rate", "message-id", rate_message_id, LIMIT, "1000/day", 0, 0, "", "with one Message-ID (message-id-quota-exceeded)") \
    X("rate", "rcpt-pace", rate_rcpt_pace, LIMIT, "60/minute burst 120", 0, 0, "", "to one recipient, at once (rcpt-rate-too-fast); it must have a burst") \
    X("rate", "rcpt", rate_rcpt, LIMIT, "1500/hour", 0, 0, "", "to one recipient (rcpt-rate-limit-temporary)") \
    X("rate", "rcpt-most", rate_rcpt_most, LIMIT, "15000/day", 0, 0, "", "to one recipient; beyond it mail is given up (rcpt-rate-limit-permanent)") \
    X("rate", "login", rate_login, LIMIT, "600/hour burst 600", 0, 0, "", "recipients of one login's mail (submission; mail-rate-limited-reject)") \
    X("rate", "login-quota", rate_login_quota, LIMIT, "5000/day", 0, 0, "", "recipients of one login's mail in all (submission; email-quota-exceeded)") \
    X("rate", "exceptions", rate_exceptions, LIMITS, "", 0, CONFIG_LIMITS_MAX, "", "another number of a limit for some keys: its name, a network (of ip, network, connections, network-connections), a domain or an address, and the number: \"ip 192.0.2.0/24 10000/hour burst 500\", \"dkim-domain example.org off\", \"login ann@example.test 50000/day\". A network or domain is meant with all in or below it, each key for itself; the smallest network, the longest name holds. Of sender only those whose SPF passed; message-id has none") \
    X("complaints", "addresses", complaints_addresses, ADDRESSES, "", 0, 16, "", "addresses that feedback reports (ARF, RFC 5965) are sent to, such as those that were told to the feedback loops of providers: a report that comes there is read, and counts as a complaint about mail that came through here or that a push account sent") \
    X("complaints", "keep", complaints_keep, BOOL, "yes", 0, 0, "", "yes: mail to these addresses is also delivered as usual; no: it is read alone, reports or not, and the addresses need be no mailboxes") \
    X("complaints", "providers", complaints_providers, DOMAINS, "", 0, 64, "", "domains, with all below them, whose reports alone count, where DKIM or SPF vouches for them (or who logged in is of one); empty: everybody's, for a report counts only where it is about a message that we know") \
    X("complaints", "daily", complaints_daily, INT, "1000", 0, 1000000, "", "complaints a day of one reporter (such a domain; all that nobody vouches for are one) that count for the reputation of senders") \
    X("milter", "server", milter_server, MILTERS, "", 0, 8, "", "milters, which are shown each message in this order and may change it: unix:/path or address:port of each, behind it what differs from the settings below, such as \"unix:/run/clamav/clamav-milter.ctl time=30s when-down=accept mail=incoming\"") \
    X("milter", "mail", milter_mail, ENUM, "all", 0, 0, CONFIG_MILTER_MAIL, "which mail they are shown: that of mx, that of the other services, or all") \
    X("milter", "time", milter_time, TIME, "20 s", 100, 50000, "", "wait for an answer of a milter, and for a connection that stands still") \
    X("milter", "when-down", milter_when_down, ENUM, "defer", 0, 0, CONFIG_MILTER_DOWN, "what becomes of mail when a milter gives no verdict; quarantine: it is accepted and held in the queue") \
    X("rspamd", "server", rspamd_server, ENDPOINT, "", 0, 300, "", "address:port of a normal worker of rspamd, which is shown each message on mx and push as it comes; empty: none is") \
    X("rspamd", "time", rspamd_time, TIME, "20 s", 100, 50000, "", "wait for its answer once the message is there, and for a connection that stands still") \
    X("rspamd", "size", rspamd_size, SIZE, "50 MiB", 1024, 1073741824, "", "larger messages pass without its verdict") \
    X("rspamd", "when-down", rspamd_when_down, ENUM, "defer", 0, 0, CONFIG_WHEN_DOWN, "what becomes of a message when it does not answer: refused for now (message-rejected-temporarily), or accepted without a verdict") \
    X("content", "depth", content_depth, INT, "20", 1, 64, "", "MIME entities within each other") \
    X("content", "parts", content_parts, INT, "1000", 1, 100000, "", "MIME entities of a message") \
    X("content", "attachments", content_attachments, INT, "500", 0, 100000, "", "attachments of a message") \
    X("content", "block", content_block, WORDS, "", 0, 64, "", "extensions of file names, and kinds of catalogue/attachments.tsv (macro-document, encrypted-archive, unsearchable, rtf-object, unix-script ...), that are refused beside those that are anyway") \
    X("content", "allow", content_allow, WORDS, "", 0, 64, "", "extensions and kinds that are not refused, unless content.block names them") \
    X("content", "archive-size", content_archive_size, SIZE, "16 MiB", 0, 1073741824, "", "largest attached archive that is looked into; larger ones are unsearchable") \
    X("content", "archive-depth", content_archive_depth, INT, "4", 1, 16, "", "archives within each other; what is nested deeper counts as a bomb") \
    X("content", "archive-files", content_archive_files, INT, "10000", 1, 1000000, "", "files of an archive, those of archives within it too; with more it is unsearchable") \
    X("content", "archive-unpacked", content_archive_unpacked, SIZE, "64 MiB", 65536, 1073741824, "", "octets of an archive that are unpacked to look at them; with more it is unsearchable") \
    X("content", "archive-ratio", content_archive_ratio, INT, "250", 10, 100000, "", "octets unpacked for one that is packed, beyond which an archive counts as a bomb") \
    X("content", "archive-time", content_archive_time, TIME, "500 ms", 10, 60000, "", "time for an archive, in which the smtpd process does nothing else; then it is unsearchable") \
    X("spool", "segment-size", spool_segment_size, SIZE, "64 MiB", 1048576, 4294967296, "", "size at which a segment is sealed") \
    X("spool", "free-space", spool_free_space, SIZE, "256 MiB", 0, 1099511627776, "", "below this much free disk mail is refused for now") \
    X("queue", "deliver", queue_deliver, BOOL, "yes", 0, 0, "", "no: what is accepted is kept, and nothing delivered until this is yes again") \
    X("queue", "expire", queue_expire, TIME, "5 d", 60000, 2592000000, "", "age at which a message is given up") \
    X("queue", "retry", queue_retry, TIMES, "1 min, 5 min, 15 min, 30 min, 1 h, 2 h, 4 h", 1000, 2592000000, "", "waits between attempts; the last one repeats") \
    X("queue", "class-retry", queue_class_retry, WAITS, "", 0, 64, "", "other waits than those of queue.retry after replies of a class (postern explain names it), such as \"greylisted 6min 10min 30min\"; a time that the reply names is the least wait") \
    X("queue", "later", queue_later, TIME, "1 h", 1000, 604800000, "", "the least wait where the reply says that it passes, but not soon (a full mailbox)") \
    X("queue", "later-attempts", queue_later_attempts, INT, "6", 1, 1000, "", "attempts that such a reply is worth when its code is permanent") \
    X("queue", "pause", queue_pause, TIME, "15 min", 1000, 86400000, "", "wait of a sender whom a domain finds too busy, where the reply names no time") \
    X("queue", "rates", queue_rates, RATES, "", 0, 64, "", "messages to other servers in a span of time, to a domain, of an account (login, relay customer, or sender), or to a site (the MX hosts of all domains that are there), spread evenly: \"domain example.org 20/minute\", \"account * 1000/hour burst 50\", \"account news@example.net off\", \"site google.com 5000/hour\"; *: each without a line of its own. A site's name is that of an MX host, or of a domain that such hosts are in, or of one that has its mail there; \"*.example.net\": hosts in that domain alone. Sites that one line names are one site also for delivery.site-rate and plans of delivery.sources, with \"off\" too. Every attempt counts") \
    X("queue", "notify", queue_notify, BOOL, "yes", 0, 0, "", "senders are told what could not be delivered (DSN); no: it stays in the queue, held, for you to decide") \
    X("queue", "notify-delay", queue_notify_delay, TIME, "4 h", 0, 2592000000, "", "age at which they are told that it is late; 0: never") \
    X("queue", "notify-language", queue_notify_language, STR, "en", 1, 20, "", "language of what they are told beside English, unless their message names another: en, sv, zh-CN, zh-TW") \
    X("queue", "notify-size", queue_notify_size, SIZE, "50 KiB", 0, 1048576, "", "up to this size a message goes back whole, beyond it its header section alone") \
    X("push", "return-path-domain", push_return_path_domain, DOMAIN, "", 0, 255, "", "domain at which each recipient of a push message gets a return path of its own, b-TOKEN at it, so that what comes back later tells whom it is about (its MX must lead here, its SPF record must allow this server); mail to feedback at it is read for complaints; empty: the return path is the account's address") \
    X("push", "return-path-time", push_return_path_time, TIME, "30 d", 60000, 31536000000, "", "how long a return path leads back; later mail to it is refused") \
    X("directory", "inactive-after", directory_inactive_after, TIME, "90 d", 60000, 31536000000, "", "a full mailbox unused for so long counts as abandoned") \
    X("directory", "cache-entries", directory_cache_entries, INT, "20000", 0, 1000000, "", "answers kept by each smtpd") \
    X("delivery", "maildir", delivery_maildir, PATH, "mail/%d/%u/Maildir", 1, 4000, "", "Maildir of a user: %d domain, %u local part") \
    X("delivery", "lmtp", delivery_lmtp, ENDPOINT, "", 0, 4000, "", "deliver by LMTP instead: unix:/path or address:port") \
    X("delivery", "workers", delivery_workers, INT, "16", 1, 256, "", "deliveries at once, per process") \
    X("delivery", "smtp-port", delivery_smtp_port, INT, "25", 1, 65535, "", "port of other servers") \
    X("delivery", "connections", delivery_connections, INT, "500", 1, 20000, "", "connections to other servers at once, per process") \
    X("delivery", "site-connections", delivery_site_connections, INT, "20", 1, 1000, "", "of them to the hosts of one destination") \
    X("delivery", "connect-time", delivery_connect_time, TIME, "30 s", 1000, 300000, "", "wait for a connection to another server") \
    X("delivery", "command-time", delivery_command_time, TIME, "5 min", 1000, 3600000, "", "wait for the answer of another server to a command, or for its greeting") \
    X("delivery", "data-time", delivery_data_time, TIME, "3 min", 1000, 3600000, "", "wait for another server to take the next 16 KiB of a message") \
    X("delivery", "end-time", delivery_end_time, TIME, "10 min", 1000, 3600000, "", "wait for the answer of another server to a whole message") \
    X("delivery", "rest-time", delivery_rest_time, TIME, "30 s", 1000, 3600000, "", "how long servers that cannot be reached are left alone at first; doubles up to an hour") \
    X("delivery", "public-addresses", delivery_public_addresses, NETWORKS, "", 0, 64, "", "addresses at which other servers reach this one though no listener has them, as behind NAT: a domain whose best MX is there, or where a listener is, and that is not ours is a loop") \
    X("delivery", "inner-networks", delivery_inner_networks, NETWORKS, "", 0, 64, "", "networks to which mail is sent though they are loopback, private, link-local ...; to others of that kind it is not, whatever the DNS of a domain says") \
    X("delivery", "site-rate", delivery_site_rate, LIMIT, "off", 0, 0, "", "recipients to the hosts of one destination, from one address of ours; what is more waits in the queue (queue.rates: of domains, accounts, and of a site from all our addresses)") \
    X("delivery", "smart-hosts", delivery_smart_hosts, PATH, "", 0, 4000, "", "file that says which mail goes by way of other servers, and with which logins; see SMART HOSTS below") \
    X("delivery", "sources", delivery_sources, PATH, "", 0, 4000, "", "file that says from which addresses of this machine mail goes out, and under which names; see SOURCE ADDRESSES below (default: the system chooses)") \
    X("delivery", "tls", delivery_tls, BOOL, "yes", 0, 0, "", "no: STARTTLS is not used towards other servers, whatever they offer") \
    X("delivery", "tls-ca", delivery_tls_ca, PATH, "", 0, 4000, "", "PEM file of the authorities that are believed where a policy demands a verified server, and of servers that have MTA-STS policies (default: the system's)") \
    X("delivery", "tls-never", delivery_tls_never, NAMES, "", 0, 1024, "", "domains to whose hosts STARTTLS is not used") \
    X("delivery", "tls-may", delivery_tls_may, NAMES, "", 0, 1024, "", "domains with TLS where it is offered, whatever their own policies (DANE, MTA-STS) demand") \
    X("delivery", "tls-must", delivery_tls_must, NAMES, "", 0, 1024, "", "domains that get mail under TLS or not at all") \
    X("delivery", "tls-verify", delivery_tls_verify, NAMES, "", 0, 1024, "", "domains whose hosts must prove who they are: by TLSA records where they have such, else by a certificate for the name of the MX host") \
    X("delivery", "tls-dane", delivery_tls_dane, NAMES, "", 0, 1024, "", "domains whose hosts must prove who they are by TLSA records") \
    X("delivery", "mta-sts", delivery_mta_sts, BOOL, "yes", 0, 0, "", "the MTA-STS policies of other domains are fetched and kept to") \
    X("delivery", "mta-sts-port", delivery_mta_sts_port, INT, "443", 1, 65535, "", "port of the servers that have the policies") \
    X("delivery", "mta-sts-time", delivery_mta_sts_time, TIME, "20 s", 100, 60000, "", "wait for a policy; the mail for its domain waits with it") \
    X("delivery", "mta-sts-cache", delivery_mta_sts_cache, INT, "10000", 16, 1000000, "", "domains whose policies are kept") \
    X("delivery", "tls-report-keep", delivery_tls_report_keep, TIME, "14 d", 86400000, 31536000000, "", "how long it is kept how TLS went with each domain (postern tlsrpt)") \
    X("delivery", "sub-address", delivery_sub_address, STR, "+", 0, 1, "", "sign that starts a sub-address (user+tag); empty: none") \
    X("trace", "keep", trace_keep, TIME, "14 d", 60000, 31536000000, "", "how long sessions can be asked about") \
    X("trace", "size", trace_size, SIZE, "4 GiB", 16777216, 1099511627776, "", "size of trace.db at which the oldest sessions go before their time") \
    X("webhook", "ports", webhook_ports, WORDS, "", 0, 16, "", "TCP ports that events of accounts may be posted to (postern webhook), such as 443; empty: there are no webhooks, and the role that posts has no network") \
    X("webhook", "ca", webhook_ca, PATH, "", 0, 4000, "", "PEM file of the authorities that are believed there (default: the system's)") \
    X("webhook", "time", webhook_time, TIME, "10 s", 100, 300000, "", "wait for the answer to one request") \
    X("webhook", "events", webhook_events, INT, "50", 1, 500, "", "most events in one request") \
    X("webhook", "connections", webhook_connections, INT, "4", 1, 16, "", "requests at once") \
    X("log", "level", log_level, ENUM, "info", 0, 0, "error|warning|info|debug", "the least important event that is logged") \
    X("log", "format", log_format, ENUM, "text", 0, 0, "text|json", "a line of key=value, or an object of JSON")
/* clang-format on */

struct config {
#define X(section, name, field, type, def, min, max, words, help)                        \
    CONFIG_TYPE_##type field;
    CONFIG_SETTINGS(X)
#undef X
    struct config_listener listener[CONFIG_LISTENERS_MAX];
    unsigned listener_n;
    struct smart_hosts *smart_hosts; /* of delivery.smart-hosts; NULL: none */
    struct sources *sources;         /* of delivery.sources; NULL: none */
    struct limits_index *limits;     /* of rate.exceptions; NULL: none */
};

enum { CONFIG_ERROR_MAX = 512 };

MUST_USE bool config_load(const char *path, struct config **out,
                          char error[CONFIG_ERROR_MAX]);
void config_free(struct config **config);

/* "127.0.0.1:2525", "[::1]:2525": numeric only, port 1 to 65535. A config's listener
 * addresses, and delivery.lmtp unless it starts with "unix:", have passed it. */
MUST_USE bool config_address_parse(const char *text, struct sockaddr_storage *out,
                                   socklen_t *len);
#endif
