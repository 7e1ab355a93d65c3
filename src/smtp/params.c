/* smtp/params.c - see params.h */
#include "smtp/params.h"

#include "base/clock.h"
#include "smtp/address.h"
#include "smtp/xtext.h"

typedef const char *(*param_fn)(struct slice value, const struct smtp_params_rules *rules,
                                struct smtp_params *out);

static const char *read_size(struct slice value, const struct smtp_params_rules *rules,
                             struct smtp_params *out)
{
    (void)rules;
    /* RFC 1870 5: size-value ::= 1*20DIGIT; 20 of them may pass 64 bits */
    for (size_t i = 0; i < value.len; i++) {
        if (!ascii_is_digit(value.ptr[i])) {
            return "a size that is not a number";
        }
    }
    if (value.len > 20) {
        return "a size of more than 20 digits";
    }
    if (!slice_u64(value, &out->size)) {
        out->size = UINT64_MAX;
    }
    return NULL;
}

static const char *read_body(struct slice value, const struct smtp_params_rules *rules,
                             struct smtp_params *out)
{
    bool binary = (rules->offered & SMTP_EXT_BINARYMIME) != 0;
    if (slice_ieq(value, SLICE("8BITMIME"))) {
        out->body = SMTP_BODY_8BITMIME;
        return NULL;
    }
    if (binary && slice_ieq(value, SLICE("BINARYMIME"))) {
        out->body = SMTP_BODY_BINARYMIME;
        return NULL;
    }
    return slice_ieq(value, SLICE("7BIT")) ? NULL
           : binary ? "a body that is none of 7BIT, 8BITMIME, BINARYMIME"
                    : "a body that is neither 7BIT nor 8BITMIME";
}

static const char *read_smtputf8(struct slice value,
                                 const struct smtp_params_rules *rules,
                                 struct smtp_params *out)
{
    (void)rules;
    (void)value;
    out->smtputf8 = true;
    return NULL;
}

static const char *read_requiretls(struct slice value,
                                   const struct smtp_params_rules *rules,
                                   struct smtp_params *out)
{
    (void)value;
    (void)rules;
    out->requiretls = true;
    return NULL;
}

/* --- RFC 3461 --- */

static const char *read_ret(struct slice value, const struct smtp_params_rules *rules,
                            struct smtp_params *out)
{
    (void)rules;
    out->ret = slice_ieq(value, SLICE("FULL"))   ? SMTP_RET_FULL
               : slice_ieq(value, SLICE("HDRS")) ? SMTP_RET_HDRS
                                                 : SMTP_RET_DEFAULT;
    return out->ret == SMTP_RET_DEFAULT ? "a return that is neither FULL nor HDRS" : NULL;
}

static const char *read_envid(struct slice value, const struct smtp_params_rules *rules,
                              struct smtp_params *out)
{
    (void)rules;
    /* RFC 3461 4.4: "the decoded text ... MUST consist entirely of printable (graphic and white
     * space) characters from the US-ASCII repertoire" */
    if (value.len > SMTP_ENVID_MAX) {
        return "an envelope id of more than 100 characters";
    }
    if (!smtp_xtext_printable(value)) {
        return "an envelope id that is not xtext of printable characters";
    }
    out->envid = value;
    return NULL;
}

/* notify-list-element = "SUCCESS" / "FAILURE" / "DELAY", or "NEVER" alone */
static const char *read_notify(struct slice value, const struct smtp_params_rules *rules,
                               struct smtp_params *out)
{
    static const struct {
        struct slice word;
        unsigned bit;
    } words[] = {{SLICE_INIT("NEVER"), SMTP_NOTIFY_NEVER},
                 {SLICE_INIT("SUCCESS"), SMTP_NOTIFY_SUCCESS},
                 {SLICE_INIT("FAILURE"), SMTP_NOTIFY_FAILURE},
                 {SLICE_INIT("DELAY"), SMTP_NOTIFY_DELAY}};
    (void)rules;
    for (bool more = true; more;) {
        size_t comma = slice_find(value, ',');
        struct slice word = slice_sub(value, 0, comma);
        unsigned bit = 0;
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
            bit |= slice_ieq(word, words[i].word) ? words[i].bit : 0;
        }
        if (bit == 0) {
            return "a notify that is none of NEVER, SUCCESS, FAILURE, DELAY";
        }
        out->notify |= bit;
        more = comma < value.len;
        value = slice_from(value, comma + 1);
    }
    bool never = (out->notify & SMTP_NOTIFY_NEVER) != 0;
    return never && out->notify != SMTP_NOTIFY_NEVER
               ? "NEVER together with something else"
               : NULL;
}

/* RFC 6533 3: EmbeddedUnicodeChar = %x5C.78 "{" EmbeddedHexpoint "}", which holds no control
 * character and no surrogate. Octets that are not ASCII are tested by value_ok(). */
static bool utf8_address_ok(struct slice s)
{
    while (s.len > 0) {
        if (s.ptr[0] != '\\') {
            if (s.ptr[0] <= ' ' || s.ptr[0] == 0x7f || s.ptr[0] == '+' ||
                s.ptr[0] == '=') {
                return false;
            }
            s = slice_from(s, 1);
            continue;
        }
        size_t end = slice_find(s, '}');
        struct slice hex = slice_sub(s, 3, end < 3 ? 0 : end - 3);
        uint32_t point = 0;
        if (end == s.len || !slice_starts(s, SLICE("\\x{")) || hex.len < 2 ||
            hex.len > 6) {
            return false;
        }
        for (size_t i = 0; i < hex.len; i++) {
            unsigned char c = ascii_lower(hex.ptr[i]);
            if (!ascii_is_digit(c) && (c < 'a' || c > 'f')) {
                return false;
            }
            point = point * 16 + (uint32_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
        }
        if (point < ' ' || (point >= 0x7f && point < 0xa0) ||
            (point >= 0xd800 && point < 0xe000) || point > 0x10ffff) {
            return false;
        }
        s = slice_from(s, end + 1);
    }
    return true;
}

/* original-recipient-address = addr-type ";" xtext; addr-type = atom */
static const char *read_orcpt(struct slice value, const struct smtp_params_rules *rules,
                              struct smtp_params *out)
{
    size_t semicolon = slice_find(value, ';');
    struct slice type = slice_sub(value, 0, semicolon);
    struct slice address = slice_from(value, semicolon + 1);
    (void)rules;
    if (value.len > SMTP_ORCPT_MAX) {
        return "an original recipient of more than 500 characters";
    }
    if (type.len == 0 || semicolon == value.len || address.len == 0) {
        return "an original recipient without its type";
    }
    for (size_t i = 0; i < type.len; i++) {
        unsigned char c = type.ptr[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-') {
            return "an original recipient with a type that is no word";
        }
    }
    bool ok = slice_ieq(type, SLICE("utf-8")) ? utf8_address_ok(address)
                                              : smtp_xtext_printable(address);
    out->orcpt = value;
    return ok ? NULL : "an original recipient that is not xtext of printable characters";
}

/* --- RFC 2852: by-value = by-time ";" by-mode [by-trace]; by-time = ["-" / "+"] 1*9DIGIT --- */

static const char *read_by(struct slice value, const struct smtp_params_rules *rules,
                           struct smtp_params *out)
{
    size_t semicolon = slice_find(value, ';');
    struct slice time = slice_sub(value, 0, semicolon);
    struct slice mode = slice_from(value, semicolon + 1);
    uint64_t s = 0;
    bool minus = time.len > 0 && time.ptr[0] == '-';
    time = slice_from(time, minus || (time.len > 0 && time.ptr[0] == '+'));
    if (time.len > 9 || !slice_u64(time, &s)) {
        return "a time that is not of 1 to 9 digits";
    }
    out->by_s = minus ? -(int64_t)s : (int64_t)s;
    out->by_trace = mode.len == 2 && ascii_lower(mode.ptr[1]) == 't';
    unsigned char c = mode.len > 0 ? ascii_lower(mode.ptr[0]) : '\0';
    if (mode.len != 1U + out->by_trace || (c != 'n' && c != 'r')) {
        return "a mode that is neither N nor R";
    }
    out->by = c == 'n' ? SMTP_BY_NOTIFY : SMTP_BY_RETURN;
    /* RFC 2852 4: a by-time of zero or less with R is a syntax error; less than the minimum on
     * offer is refused likewise */
    return out->by == SMTP_BY_RETURN && (out->by_s <= 0 || out->by_s < rules->by_least_s)
               ? "a time that is shorter than what is offered here"
               : NULL;
}

/* --- RFC 4865 --- */

static const char both_holds[] = "HOLDFOR and HOLDUNTIL together";
static const char hold_too_long[] = "a time beyond what is offered here";

/* future-release-integer = %x31-39 *8DIGIT */
static const char *read_hold_for(struct slice value,
                                 const struct smtp_params_rules *rules,
                                 struct smtp_params *out)
{
    if (out->hold_until_s != 0) {
        return both_holds;
    }
    if (value.len > 9 || value.ptr[0] == '0' || !slice_u64(value, &out->hold_for_s)) {
        return "a time that is not of 1 to 9 digits";
    }
    return out->hold_for_s > rules->hold_most_s ? hold_too_long : NULL;
}

static const char *read_hold_until(struct slice value,
                                   const struct smtp_params_rules *rules,
                                   struct smtp_params *out)
{
    uint64_t ms = 0;
    if (out->hold_for_s != 0) {
        return both_holds;
    }
    if (!clock_read_text(value, &ms)) {
        return "a date that is not as 2030-12-31T23:59:59Z";
    }
    out->hold_until_s = ms < 1000 ? 1 : ms / 1000;
    return out->hold_until_s > rules->now_s + rules->hold_most_s ? hold_too_long : NULL;
}

/* RFC 6710 4: priority-value = (["-"] NZDIGIT) / "0" */
static const char *read_priority(struct slice value,
                                 const struct smtp_params_rules *rules,
                                 struct smtp_params *out)
{
    (void)rules;
    bool minus = value.ptr[0] == '-';
    struct slice digit = slice_from(value, minus);
    if (digit.len != 1 || !ascii_is_digit(digit.ptr[0]) ||
        (minus && digit.ptr[0] == '0')) {
        return "a priority that is not between -9 and 9";
    }
    out->priority = minus ? -(digit.ptr[0] - '0') : digit.ptr[0] - '0';
    return NULL;
}

/* RFC 4954 5: "AUTH=" (xtext of a mailbox, or "<>"). Who submitted a message is known here from
 * the login alone, so that it is read and not kept ("the server MAY ... as if AUTH=<>"). */
static const char *read_auth(struct slice value, const struct smtp_params_rules *rules,
                             struct smtp_params *out)
{
    (void)rules;
    (void)out;
    return smtp_xtext_printable(value) ? NULL : "an identity that is not xtext";
}

static const struct {
    struct slice name;
    unsigned of; /* enum smtp_params_of, or'ed */
    enum { VALUE_NONE = 0, VALUE_ASCII, VALUE_UTF8 } value;
    unsigned of_extension; /* 0: always on offer */
    param_fn read;
} rows[] = {
    /* clang-format off */
    {SLICE_INIT("SIZE"),        SMTP_PARAMS_MAIL, VALUE_ASCII, 0,                      read_size},
    {SLICE_INIT("BODY"),        SMTP_PARAMS_MAIL, VALUE_ASCII, 0,                      read_body},
    {SLICE_INIT("SMTPUTF8"),    SMTP_PARAMS_MAIL, VALUE_NONE,  0,                      read_smtputf8},
    {SLICE_INIT("RET"),         SMTP_PARAMS_MAIL, VALUE_ASCII, SMTP_EXT_DSN,           read_ret},
    {SLICE_INIT("ENVID"),       SMTP_PARAMS_MAIL, VALUE_ASCII, SMTP_EXT_DSN,           read_envid},
    {SLICE_INIT("NOTIFY"),      SMTP_PARAMS_RCPT, VALUE_ASCII, SMTP_EXT_DSN,           read_notify},
    {SLICE_INIT("ORCPT"),       SMTP_PARAMS_RCPT, VALUE_UTF8,  SMTP_EXT_DSN,           read_orcpt},
    {SLICE_INIT("REQUIRETLS"),  SMTP_PARAMS_MAIL, VALUE_NONE,  SMTP_EXT_REQUIRETLS,    read_requiretls},
    {SLICE_INIT("BY"),          SMTP_PARAMS_MAIL, VALUE_ASCII, SMTP_EXT_DELIVERBY,     read_by},
    {SLICE_INIT("HOLDFOR"),     SMTP_PARAMS_MAIL, VALUE_ASCII, SMTP_EXT_FUTURERELEASE, read_hold_for},
    {SLICE_INIT("HOLDUNTIL"),   SMTP_PARAMS_MAIL, VALUE_ASCII, SMTP_EXT_FUTURERELEASE, read_hold_until},
    {SLICE_INIT("MT-PRIORITY"), SMTP_PARAMS_MAIL, VALUE_ASCII, SMTP_EXT_MT_PRIORITY,   read_priority},
    {SLICE_INIT("AUTH"),        SMTP_PARAMS_MAIL, VALUE_ASCII, SMTP_EXT_AUTH,          read_auth},
    /* clang-format on */
};
enum { ROW_N = sizeof rows / sizeof rows[0] };
_Static_assert(ROW_N <= 32, "smtp_params.seen has a bit for each");

/* esmtp-value = 1*(%d33-60 / %d62-126); RFC 6531 3.3 adds UTF-8 */
static bool value_ok(struct slice value, bool utf8)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = value.ptr[i];
        if (c <= ' ' || c == 0x7f || c == '=' || (c > 0x7f && !utf8)) {
            return false;
        }
    }
    return value.len > 0 && smtp_utf8_ok(value);
}

/* What is wrong with a parameter before its value is read; NULL: nothing. */
static const char *misplaced(unsigned row, enum smtp_params_of of, bool has_value,
                             const struct smtp_params_rules *rules,
                             const struct smtp_params *out)
{
    if ((rows[row].of & of) == 0) {
        return "a parameter that does not belong to this command";
    }
    if ((rows[row].of_extension & ~rules->offered) != 0) {
        return "a parameter of an extension that is not offered here";
    }
    if ((out->seen & 1U << row) != 0) {
        return "a parameter given twice";
    }
    if ((rows[row].value != VALUE_NONE) == has_value) {
        return NULL;
    }
    return has_value ? "a value where none belongs" : "a parameter without its value";
}

static const char *read_param(struct slice param, enum smtp_params_of of,
                              const struct smtp_params_rules *rules,
                              struct smtp_params *out)
{
    size_t eq = slice_find(param, '=');
    struct slice value = slice_from(param, eq + 1);
    unsigned row = 0;
    while (row < ROW_N && !slice_ieq(slice_sub(param, 0, eq), rows[row].name)) {
        row++;
    }
    if (row == ROW_N) {
        return "an unknown parameter";
    }
    const char *wrong = misplaced(row, of, eq < param.len, rules, out);
    if (wrong != NULL) {
        return wrong;
    }
    out->seen |= 1U << row;
    if (rows[row].value != VALUE_NONE && value.len == 0) {
        return "a parameter without its value";
    }
    if (rows[row].value != VALUE_NONE &&
        !value_ok(value, rows[row].value == VALUE_UTF8 && rules->utf8)) {
        return "a parameter with a character that none may have";
    }
    return rows[row].read(value, rules, out);
}

bool smtp_params_read(struct slice in, enum smtp_params_of of,
                      const struct smtp_params_rules *rules, struct smtp_params *out,
                      struct smtp_params_fault *fault)
{
    *out = (struct smtp_params){0};
    if (in.len > 0 && in.ptr[0] != ' ') {
        *fault = (struct smtp_params_fault){"no space after the address",
                                            slice_sub(in, 0, slice_find(in, ' '))};
        return false;
    }
    while (in.len > 0) {
        if (in.ptr[0] == ' ') {
            in = slice_from(in, 1); /* more than one SP is tolerated */
            continue;
        }
        struct slice param = slice_sub(in, 0, slice_find(in, ' '));
        const char *what = read_param(param, of, rules, out);
        if (what != NULL) {
            *fault = (struct smtp_params_fault){what, param};
            return false;
        }
        in = slice_from(in, param.len);
    }
    return true;
}
