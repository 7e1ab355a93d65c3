/* smtp/address.c - see address.h */
#include "smtp/address.h"

enum { LABEL_MAX = 63 };

/* RFC 5322 3.2.3 atext; with RFC 6531 3.3 UTF8-non-ascii */
static bool is_atext(unsigned char c)
{
    static const char marks[] = "!#$%&'*+-/=?^_`{|}~";
    if (ascii_is_alpha(c) || ascii_is_digit(c) || c >= 0x80) {
        return true;
    }
    return c != '\0' && slice_find(slice_of(marks), c) < sizeof marks - 1;
}

/* The length of the well-formed UTF-8 sequence at the start of s; 0: there is none. */
static size_t utf8_len(struct slice s)
{
    unsigned char c = s.ptr[0];
    size_t len = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : (c & 0xf0) == 0xe0 ? 3 : 0;
    len = c >= 0xf0 && c <= 0xf4 ? 4 : len;
    if (len == 0 || len > s.len) {
        return 0;
    }
    for (size_t i = 1; i < len; i++) {
        if ((s.ptr[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (c == 0xe0 && s.ptr[1] < 0xa0) || (c == 0xf0 && s.ptr[1] < 0x90);
    bool beyond = (c == 0xed && s.ptr[1] >= 0xa0) || (c == 0xf4 && s.ptr[1] >= 0x90);
    return overlong || beyond ? 0 : len;
}

bool smtp_utf8_ok(struct slice s)
{
    while (s.len > 0) {
        size_t len = utf8_len(s);
        if (len == 0) {
            return false;
        }
        s = slice_from(s, len);
    }
    return true;
}

/* Domain     = sub-domain *("." sub-domain)
 * sub-domain = Let-dig [Ldh-str] / U-label
 * Whether a U-label is one by IDNA is for those who look the name up. */
smtp_fault smtp_domain_check(struct slice s, bool utf8)
{
    size_t label = 0;
    bool ascii = true; /* this label */
    if (s.len == 0) {
        return "the domain is empty";
    }
    if (s.len > SMTP_DOMAIN_MAX) {
        return "the domain is longer than 255 octets";
    }
    for (size_t i = 0; i <= s.len; i++) {
        if (i == s.len || s.ptr[i] == '.') {
            if (label == 0) {
                return "the domain has an empty label";
            }
            if (s.ptr[i - 1] == '-') {
                return "a label of the domain ends in a hyphen";
            }
            if (ascii && label > LABEL_MAX) {
                return "a label of the domain is longer than 63 octets";
            }
            label = 0;
            ascii = true;
            continue;
        }
        unsigned char c = s.ptr[i];
        if (c >= 0x80 && !utf8) {
            return "the domain has octets that are not ASCII";
        }
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_' &&
            c < 0x80) {
            return "the domain has a character that none may have";
        }
        if (c == '-' && label == 0) {
            return "a label of the domain starts with a hyphen";
        }
        ascii = ascii && c < 0x80;
        label++;
    }
    return utf8 && !smtp_utf8_ok(s) ? "the domain is not well-formed UTF-8" : NULL;
}

/* Takes a decimal number of at most 3 digits, at most 255, off *s. */
static bool take_snum(struct slice *s)
{
    unsigned value = 0;
    size_t n = 0;
    while (n < s->len && n < 3 && ascii_is_digit(s->ptr[n])) {
        value = value * 10 + (unsigned)(s->ptr[n++] - '0');
    }
    *s = slice_from(*s, n);
    return n > 0 && value <= 255;
}

/* IPv4-address-literal = Snum 3("." Snum) */
static bool is_ipv4(struct slice s)
{
    for (int i = 0; i < 4; i++) {
        if (i > 0) {
            if (s.len == 0 || s.ptr[0] != '.') {
                return false;
            }
            s = slice_from(s, 1);
        }
        if (!take_snum(&s)) {
            return false;
        }
    }
    return s.len == 0;
}

static bool is_hex(unsigned char c)
{
    c = ascii_lower(c);
    return ascii_is_digit(c) || (c >= 'a' && c <= 'f');
}

/* IPv6-addr = IPv6-full / IPv6-comp / IPv6v4-full / IPv6v4-comp: eight groups, or fewer with
 * one "::", the last two perhaps as an IPv4 address. */
static bool is_ipv6(struct slice s)
{
    unsigned groups = 0;
    bool gap = false;
    if (slice_starts(s, SLICE("::"))) {
        gap = true;
        s = slice_from(s, 2);
    }
    while (s.len > 0) {
        size_t colon = slice_find(s, ':');
        struct slice group = slice_sub(s, 0, colon);
        if (colon == s.len && slice_find(group, '.') < group.len) {
            groups += 2;
            return is_ipv4(group) && (gap ? groups < 8 : groups == 8);
        }
        if (group.len == 0 || group.len > 4) {
            return false;
        }
        for (size_t i = 0; i < group.len; i++) {
            if (!is_hex(group.ptr[i])) {
                return false;
            }
        }
        groups++;
        s = slice_from(s, colon);
        if (slice_starts(s, SLICE("::"))) {
            if (gap) {
                return false;
            }
            gap = true;
            s = slice_from(s, 2);
        } else if (s.len > 0) {
            s = slice_from(s, 1);
            if (s.len == 0) {
                return false; /* a colon at the end */
            }
        }
    }
    return gap ? groups < 8 : groups == 8;
}

/* address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]"
 * General-address-literal has no registered tag and is refused. */
smtp_fault smtp_literal_check(struct slice s)
{
    if (s.len < 2 || s.ptr[0] != '[' || s.ptr[s.len - 1] != ']') {
        return "the address literal has no closing bracket";
    }
    struct slice inner = slice_sub(s, 1, s.len - 2);
    bool v6 = slice_istarts(inner, SLICE("IPv6:"));
    if (v6 ? is_ipv6(slice_from(inner, 5)) : is_ipv4(inner)) {
        return NULL;
    }
    return "the address literal is no IPv4 address and no IPv6: address";
}

/* Quoted-string = DQUOTE *QcontentSMTP DQUOTE; the octets used, 0: not one. */
static size_t quoted_len(struct slice s)
{
    for (size_t i = 1; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (c == '"') {
            return i + 1;
        }
        if (c == '\\') {
            i++; /* quoted-pairSMTP = "\" %d32-126 */
            if (i == s.len || s.ptr[i] < 32 || s.ptr[i] > 126) {
                return 0;
            }
        } else if (c < 32 || c == 127) {
            return 0; /* qtextSMTP = %d32-33 / %d35-91 / %d93-126, UTF8-non-ascii */
        }
    }
    return 0;
}

/* Dot-string = Atom *("." Atom); the octets up to what is none of it. */
static size_t dot_string_len(struct slice s, smtp_fault *fault)
{
    size_t n = 0;
    while (n < s.len && (is_atext(s.ptr[n]) || s.ptr[n] == '.')) {
        if (s.ptr[n] == '.' && (n == 0 || s.ptr[n - 1] == '.')) {
            *fault = n == 0 ? "the local part starts with a dot"
                            : "the local part has two dots in a row";
        }
        n++;
    }
    if (n > 0 && s.ptr[n - 1] == '.') {
        *fault = "the local part ends in a dot";
    }
    return n;
}

static smtp_fault take_local(struct slice in, struct slice *local)
{
    smtp_fault fault = NULL;
    size_t n = 0;
    if (in.len > 0 && in.ptr[0] == '"') {
        n = quoted_len(in);
        fault =
            n == 0
                ? "the quoted string in the local part does not end, or has a character "
                  "that none may have"
                : NULL;
    } else {
        n = dot_string_len(in, &fault);
    }
    if (fault != NULL) {
        return fault;
    }
    if (n == 0) {
        return "the local part is empty or starts with a character that none may have";
    }
    if (n > SMTP_LOCAL_MAX) {
        return "the local part is longer than 64 octets";
    }
    *local = slice_sub(in, 0, n);
    return smtp_utf8_ok(*local) ? NULL : "the local part is not well-formed UTF-8";
}

/* A-d-l     = At-domain *( "," At-domain ), then ":"
 * At-domain = "@" Domain
 * RFC 5321 4.1.2: such a route "MUST BE accepted, SHOULD NOT be generated, and SHOULD be
 * ignored". Returns the octets of it, 0: none. */
static size_t route_len(struct slice in)
{
    size_t at = 0;
    while (at < in.len && in.ptr[at] == '@') {
        size_t end = at + 1;
        while (end < in.len && in.ptr[end] != ',' && in.ptr[end] != ':' &&
               in.ptr[end] != '>') {
            end++;
        }
        struct slice domain = slice_sub(in, at + 1, end - at - 1);
        if (end == in.len || in.ptr[end] == '>' ||
            smtp_domain_check(domain, true) != NULL) {
            return 0;
        }
        at = end + 1;
        if (in.ptr[end] == ':') {
            return at;
        }
    }
    return 0;
}

static smtp_fault take_domain(struct slice rest, struct smtp_path *path)
{
    size_t end = slice_find(rest, '>');
    path->domain = slice_sub(rest, 0, end);
    if (end == rest.len) {
        return "the path has no closing >";
    }
    path->literal = path->domain.len > 0 && path->domain.ptr[0] == '[';
    return path->literal ? smtp_literal_check(path->domain)
                         : smtp_domain_check(path->domain, true);
}

static bool has_8bit(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] >= 0x80) {
            return true;
        }
    }
    return false;
}

/* Reverse-path = Path / "<>";  Forward-path = Path
 * Path         = "<" [ A-d-l ":" ] Mailbox ">"
 * Mailbox      = Local-part "@" ( Domain / address-literal ) */
smtp_fault smtp_path_take(struct slice in, bool null_ok, bool postmaster_ok,
                          struct smtp_path *out)
{
    struct smtp_path path = {0};
    if (in.len == 0 || in.ptr[0] != '<') {
        return "the address does not stand in <angle brackets>";
    }
    if (slice_starts(in, SLICE("<>"))) {
        if (!null_ok) {
            return "the address is empty";
        }
        *out = (struct smtp_path){.used = 2};
        return NULL;
    }
    size_t start = 1 + route_len(slice_from(in, 1));
    struct slice rest = slice_from(in, start);
    smtp_fault fault = take_local(rest, &path.local);
    if (fault != NULL) {
        return fault;
    }
    rest = slice_from(rest, path.local.len);
    size_t len = path.local.len;
    if (rest.len > 0 && rest.ptr[0] == '@') {
        fault = take_domain(slice_from(rest, 1), &path);
        len += 1 + path.domain.len;
    } else if (rest.len == 0 || rest.ptr[0] != '>') {
        fault = "the local part has a character that none may have, or the path has no >";
    } else if (!postmaster_ok || !slice_ieq(path.local, SLICE("postmaster"))) {
        fault = "the address has no domain";
    }
    if (fault != NULL) {
        return fault;
    }
    path.mailbox = slice_sub(in, start, len);
    path.used = start + len + 1;
    path.utf8 = has_8bit(slice_sub(in, 0, path.used));
    if (path.mailbox.len + 2 > SMTP_PATH_MAX) {
        return "the address is longer than 254 octets";
    }
    *out = path;
    return NULL;
}

struct slice smtp_local_unquote(struct slice local, unsigned char out[SMTP_LOCAL_MAX])
{
    size_t n = 0;
    bool quoted = local.len >= 2 && local.ptr[0] == '"';
    struct slice inner = quoted ? slice_sub(local, 1, local.len - 2) : local;
    for (size_t i = 0; i < inner.len && n < SMTP_LOCAL_MAX; i++) {
        if (quoted && inner.ptr[i] == '\\' && i + 1 < inner.len) {
            i++;
        }
        out[n++] = inner.ptr[i];
    }
    return (struct slice){out, n};
}

bool smtp_path_can_be_sent(struct slice mailbox, size_t max)
{
    bool quoted = false;
    for (size_t i = 0; i < mailbox.len; i++) {
        unsigned char c = mailbox.ptr[i];
        if (c < 0x20 || c == 0x7f) {
            return false;
        }
        if (quoted && c == '\\') {
            i++;
            if (i == mailbox.len || mailbox.ptr[i] < 0x20 || mailbox.ptr[i] == 0x7f) {
                return false;
            }
        } else if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && (c == ' ' || c == '<' || c == '>')) {
            return false;
        }
    }
    return !quoted && mailbox.len <= max;
}
