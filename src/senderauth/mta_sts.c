/* senderauth/mta_sts.c - see mta_sts.h */
#include "senderauth/mta_sts.h"

#include "dns/name.h"

enum { NAME_MAX_OCTETS = 32, MAX_AGE_DIGITS = 10 };

static bool is_alphanum(unsigned char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

static bool all_alphanum(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alphanum(s.ptr[i])) {
            return false;
        }
    }
    return s.len > 0;
}

/* sts-ext-name = (ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / "."), also of policies; the names
 * that are known are of that form too. */
static bool is_field_name(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        if (!is_alphanum(c) && (i == 0 || (c != '_' && c != '-' && c != '.'))) {
            return false;
        }
    }
    return s.len > 0 && s.len <= NAME_MAX_OCTETS;
}

/* --- the record --- */

/* sts-ext-value = 1*(%x21-3A / %x3C / %x3E-7E) ; excluding "=", ";", SP, and control characters */
static bool is_record_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == '=') {
            return false;
        }
    }
    return s.len > 0;
}

/* sts-text-record = sts-version 1*(sts-field-delim sts-field) [sts-field-delim]
 * sts-field-delim = *WSP ";" *WSP */
const char *sts_record_parse(struct slice text, struct slice *id)
{
    struct slice found = {0};
    size_t end = slice_find(text, ';');
    if (!slice_eq(slice_trim(slice_sub(text, 0, end)), SLICE("v=STSv1")) ||
        !slice_starts(text, SLICE("v=STSv1"))) {
        return "it does not begin with v=STSv1;";
    }
    struct slice rest = slice_from(text, end + 1);
    while (rest.len > 0) {
        end = slice_find(rest, ';');
        struct slice field = slice_trim(slice_sub(rest, 0, end));
        bool last = end >= rest.len;
        rest = slice_from(rest, end + 1);
        if (last && field.len == 0) {
            break; /* blanks behind the last delimiter */
        }
        size_t equals = slice_find(field, '=');
        struct slice name = slice_sub(field, 0, equals);
        struct slice value = slice_from(field, equals + 1);
        if (equals == field.len || !is_field_name(name)) {
            return "a field is not NAME=VALUE";
        }
        if (slice_eq(name, SLICE("id")) && found.len == 0) {
            if (!all_alphanum(value) || value.len > STS_ID_MAX) {
                return "its id is not 1 to 32 letters and digits";
            }
            found = value;
        } else if (!is_record_value(value)) {
            return "the value of a field is empty, or has signs that it may not have";
        }
    }
    if (found.len == 0) {
        return "it has no id";
    }
    *id = found;
    return NULL;
}

void sts_record_find(const struct dns_answer *answer, struct sts_record *out)
{
    unsigned n = 0;
    *out = (struct sts_record){.status = STS_RECORD_NONE};
    if (answer->status == DNS_FAILED) {
        out->status = STS_RECORD_FAILED;
        return;
    }
    for (unsigned i = 0; answer->status == DNS_FOUND && i < answer->n; i++) {
        struct slice text = answer->record[i].text;
        size_t end = slice_find(text, ';');
        /* RFC 8461 3.1: "records that do not begin with "v=STSv1;" are discarded." */
        if (end < text.len &&
            slice_eq(slice_trim(slice_sub(text, 0, end)), SLICE("v=STSv1"))) {
            out->fault = sts_record_parse(text, &out->id);
            n++;
        }
    }
    if (n > 1) {
        out->fault = "there are several";
    }
    if (n == 1 && out->fault == NULL) {
        out->status = STS_RECORD_OK;
    }
}

enum sts_step sts_step(const struct sts_record *record, const struct sts_known *known)
{
    enum sts_step without = known->cached ? STS_USE_CACHED : STS_USE_NONE;
    /* RFC 8461 5.1: where no live policy can be had "but a valid (non-expired) policy exists in the
     * sender's cache, the sender MUST apply that cached policy." */
    if (record->status != STS_RECORD_OK || known->failed) {
        return without;
    }
    return known->cached && slice_eq(known->id, record->id) ? STS_USE_CACHED : STS_FETCH;
}

/* --- the policy --- */

static const char *const modes[] = {
    [STS_NONE] = "none", [STS_TESTING] = "testing", [STS_ENFORCE] = "enforce"};

const char *sts_mode_name(enum sts_mode mode)
{
    return modes[mode];
}

static bool take_mode(struct slice value, enum sts_mode *out)
{
    for (unsigned i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        if (slice_ieq(value, slice_of(modes[i]))) {
            *out = (enum sts_mode)i;
            return true;
        }
    }
    return false;
}

/* sts-policy-ext-value = sts-policy-vchar [*(%x20 / sts-policy-vchar) sts-policy-vchar];
 * octets above 127 are not looked at closer: nobody reads the value. */
static bool is_policy_value(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < ' ' || s.ptr[i] == 0x7f) {
            return false;
        }
    }
    return s.len > 0;
}

/* Letters, digits, hyphens within a label; underscores, which are met. */
static bool is_host(struct slice s)
{
    if (!dns_name_ok(s) || s.len == 0) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        bool edge =
            i == 0 || i + 1 == s.len || s.ptr[i - 1] == '.' || s.ptr[i + 1] == '.';
        if (!is_alphanum(c) && c != '.' && c != '_' && (c != '-' || edge)) {
            return false;
        }
    }
    return true;
}

/* sts-policy-mx-value = ["*."] Domain */
static bool is_pattern(struct slice s)
{
    return is_host(slice_from(s, slice_starts(s, SLICE("*.")) ? 2 : 0));
}

/* The next line that is a field; *name is empty where it is none. False: the text is over.
 * sts-policy-field-delim = ":" *WSP */
static bool next_field(struct slice *rest, struct slice *name, struct slice *value)
{
    struct slice line;
    do {
        if (!slice_line(rest, &line)) {
            return false;
        }
    } while (slice_trim(line).len == 0);
    size_t colon = slice_find(line, ':');
    *name = colon == line.len ? (struct slice){0} : slice_sub(line, 0, colon);
    *value = slice_trim(slice_from(line, colon + 1));
    return true;
}

bool sts_policy_next_mx(struct slice *rest, struct slice *mx)
{
    struct slice name;
    while (next_field(rest, &name, mx)) {
        if (slice_eq(name, SLICE("mx"))) {
            return true;
        }
    }
    return false;
}

/* What was seen of a policy. */
struct reading {
    bool version, mode, max_age;
    struct sts_policy policy;
};

static const char *take_field(struct reading *r, struct slice name, struct slice value)
{
    uint64_t n = 0;
    if (!is_field_name(name)) {
        return "a line is not NAME: VALUE";
    }
    if (slice_eq(name, SLICE("mx"))) {
        r->policy.mx_n++;
        return is_pattern(value) ? NULL : "an mx is no host name, nor \"*.\" and one";
    }
    if (slice_eq(name, SLICE("version")) && !r->version) {
        r->version = true;
        return slice_eq(value, SLICE("STSv1")) ? NULL : "its version is not STSv1";
    }
    if (slice_eq(name, SLICE("mode")) && !r->mode) {
        r->mode = true;
        return take_mode(value, &r->policy.mode)
                   ? NULL
                   : "its mode is none of enforce, testing, none";
    }
    if (slice_eq(name, SLICE("max_age")) && !r->max_age) {
        r->max_age = true;
        bool ok = value.len <= MAX_AGE_DIGITS && slice_u64(value, &n);
        r->policy.max_age_s = n > STS_MAX_AGE_S ? STS_MAX_AGE_S : (uint32_t)n;
        return ok ? NULL : "its max_age is no number of 1 to 10 digits";
    }
    return is_policy_value(value) ? NULL
                                  : "the value of a field is empty or has controls";
}

const char *sts_policy_parse(struct slice text, struct sts_policy *out)
{
    struct reading r = {.policy = {.text = text}};
    struct slice rest = text, name, value;
    if (text.len > STS_POLICY_MAX) {
        return "it is larger than 64 KiB";
    }
    while (next_field(&rest, &name, &value)) {
        const char *fault = take_field(&r, name, value);
        if (fault != NULL) {
            return fault;
        }
    }
    if (!r.version || !r.mode || !r.max_age) {
        return !r.version ? "it has no version"
               : !r.mode  ? "it has no mode"
                          : "it has no max_age";
    }
    if (r.policy.mx_n == 0 && r.policy.mode != STS_NONE) {
        return "it has no mx";
    }
    *out = r.policy;
    return NULL;
}

/* --- MX names --- */

static struct slice without_dot(struct slice s)
{
    return slice_sub(s, 0, s.len - (s.len > 0 && s.ptr[s.len - 1] == '.'));
}

/* RFC 8461 4.1: "*." stands for one whole label, the leftmost. */
bool sts_mx_matches(struct slice pattern, struct slice host)
{
    pattern = without_dot(pattern);
    host = without_dot(host);
    if (slice_starts(pattern, SLICE("*."))) {
        size_t dot = slice_find(host, '.');
        if (dot == 0 || dot == host.len) {
            return false;
        }
        pattern = slice_from(pattern, 2);
        host = slice_from(host, dot + 1);
    }
    return host.len > 0 && slice_ieq(pattern, host);
}

bool sts_policy_allows(const struct sts_policy *p, struct slice host)
{
    struct slice rest = p->text, mx;
    while (sts_policy_next_mx(&rest, &mx)) {
        if (sts_mx_matches(mx, host)) {
            return true;
        }
    }
    return false;
}
