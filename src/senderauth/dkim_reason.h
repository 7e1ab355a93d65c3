/* senderauth/dkim_reason.h - all that can be wrong with a DKIM or ARC signature.
 *
 * Source  RFC 6376 6.1 (what a verifier looks at), 8301 (algorithms), 8601 2.7.1 (the words of
 *         results).
 * Own     everything is static.
 * Text    completes "the signature of D ..."; {x} stands for a detail that is known when it
 *         happens, and is dropped with the words in its [group] when there is none. */
#ifndef SENDERAUTH_DKIM_REASON_H
#define SENDERAUTH_DKIM_REASON_H

/* RFC 8601 2.7.1. NONE: not a signature's; there is none. */
enum dkim_verdict {
    DKIM_NONE = 0,
    DKIM_PASS,
    DKIM_FAIL,      /* evaluated: the message is not as it was signed */
    DKIM_POLICY,    /* sound perhaps, but not acceptable */
    DKIM_NEUTRAL,   /* not evaluated */
    DKIM_TEMPERROR, /* the key cannot be had now */
    DKIM_PERMERROR, /* signature or key can never be used */
};

/* clang-format off */
#define DKIM_REASONS(X)                                                                                              \
    X(NONE,           PASS,      "ok",                "verified")                                                    \
    X(SYNTAX,         PERMERROR, "syntax",            "cannot be read: {x}")                                         \
    X(TAG_MISSING,    PERMERROR, "tag-missing",       "lacks the tag {x}")                                           \
    X(TAG_VALUE,      PERMERROR, "tag-value",         "has a value that is not understood: {x}")                     \
    X(VERSION,        PERMERROR, "version",           "is not of version 1[: {x}]")                                  \
    X(ALGORITHM,      PERMERROR, "algorithm",         "uses an unknown algorithm[: {x}]")                            \
    X(SHA1,           POLICY,    "sha1",              "uses rsa-sha1, which no longer counts (RFC 8301)")            \
    X(DOMAIN,         PERMERROR, "domain",            "names a domain that cannot be[: {x}]")                        \
    X(SELECTOR,       PERMERROR, "selector",          "names a selector that cannot be[: {x}]")                      \
    X(IDENTITY,       PERMERROR, "identity",          "has an identity (i=) outside its domain[: {x}]")              \
    X(FROM_UNSIGNED,  PERMERROR, "from-unsigned",     "does not sign the From field (h=)")                           \
    X(TIMES,          PERMERROR, "times",             "expires (x=) before it was made (t=)")                        \
    X(EXPIRED,        POLICY,    "expired",           "expired (x=)[ at {x}]")                                       \
    X(TOO_MANY,       NEUTRAL,   "too-many",          "is one of too many; only the first {x} are looked at")        \
    X(HEADER_SIZE,    NEUTRAL,   "header-size",       "was not looked at: the header has too many fields")           \
    X(MEMORY,         TEMPERROR, "memory",            "was not looked at: memory is short")                          \
    X(KEY_DNS,        TEMPERROR, "key-dns",           "has a key that the DNS cannot give now[: {x}]")               \
    X(KEY_MISSING,    PERMERROR, "key-missing",       "has no key in the DNS[: there is no TXT record at {x}]")      \
    X(KEY_SYNTAX,     PERMERROR, "key-syntax",        "has a key record that cannot be read: {x}")                   \
    X(KEY_VERSION,    PERMERROR, "key-version",       "has no DKIM key record, but something else[: {x}]")           \
    X(KEY_REVOKED,    PERMERROR, "key-revoked",       "has a key that was revoked (p= is empty)")                    \
    X(KEY_KIND,       PERMERROR, "key-kind",          "has a key for another algorithm[: k={x}]")                    \
    X(KEY_HASH,       PERMERROR, "key-hash",          "has a key that does not allow SHA-256[: h={x}]")              \
    X(KEY_SERVICE,    PERMERROR, "key-service",       "has a key that is not for mail[: s={x}]")                     \
    X(KEY_STRICT,     PERMERROR, "key-strict",        "has an identity (i=) below its domain, which its key forbids (t=s)") \
    X(KEY_DATA,       PERMERROR, "key-data",          "has a key that cannot be decoded (p=)")                       \
    X(KEY_SHORT,      POLICY,    "key-short",         "has a key of {x} bits; less than 1024 do not count (RFC 8301)") \
    X(KEY_LONG,       POLICY,    "key-long",          "has a key of {x} bits, more than 8192")                       \
    X(BODY_LENGTH,    PERMERROR, "body-length",       "covers (l=) more than the body has[: {x} octets]")            \
    X(BODY_CHANGED,   FAIL,      "body-changed",      "does not match the body, which was changed after it was made[: its hash is {x}]") \
    X(HEADER_CHANGED, FAIL,      "header-changed",    "does not match the header: a signed field was changed, added or removed, or the key is another") \
    X(FIELD_CHANGED,  FAIL,      "field-changed",     "does not match the header: {x} was changed after it was made") \
    X(FIELD_ADDED,    FAIL,      "field-added",       "does not match the header: {x} was added after it was made")  \
    X(FIELD_REMOVED,  FAIL,      "field-removed",     "does not match the header: {x} was removed after it was made")
/* clang-format on */

enum dkim_reason {
#define X(name, verdict, id, text) DKIM_REASON_##name,
    DKIM_REASONS(X)
#undef X
        DKIM_REASON_N
};

struct dkim_reason_row {
    enum dkim_verdict verdict;
    const char *id, *text;
};
extern const struct dkim_reason_row dkim_reason_rows[DKIM_REASON_N];
/* "pass", "fail", ... as Authentication-Results has them. */
const char *dkim_verdict_word(enum dkim_verdict v);
#endif
