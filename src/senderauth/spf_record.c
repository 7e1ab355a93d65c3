#include "senderauth/spf_record.h"

bool spf_record_is(struct slice text, struct slice *terms)
{
    const struct slice version = SLICE("v=spf1");
    if (!slice_istarts(text, version) ||
        (text.len > version.len && text.ptr[version.len] != ' ')) {
        return false;
    }
    *terms = slice_from(text, version.len);
    return true;
}

/* macro-letter = "s" / "l" / "o" / "d" / "i" / "p" / "h" / "c" / "r" / "t" / "v" */
static bool is_letter(unsigned char c)
{
    return slice_find(SLICE("slodiphcrtv"), ascii_lower(c)) < 11;
}

/* delimiter = "." / "-" / "+" / "," / "/" / "_" / "=" */
static bool is_delimiter(unsigned char c)
{
    return c == '.' || c == '-' || c == '+' || c == ',' || c == '/' || c == '_' ||
           c == '=';
}

/* Behind "%{": transformers = *DIGIT [ "r" ]. */
static const char *braces(struct slice s, size_t *used, struct spf_macro *out)
{
    size_t i = 0;
    if (i >= s.len || !is_letter(s.ptr[i])) {
        return "unknown macro letter";
    }
    out->letter = ascii_lower(s.ptr[i]);
    out->escape = s.ptr[i] != out->letter;
    i++;
    bool digits = false;
    for (; i < s.len && ascii_is_digit(s.ptr[i]); i++) {
        digits = true;
        if (out->keep < 100000) { /* far beyond any number of parts */
            out->keep = out->keep * 10 + (unsigned)(s.ptr[i] - '0');
        }
    }
    /* RFC 7208 7.3: "The DIGIT transformer indicates the number of right-hand parts to use,
     * after optional reversal.  If a DIGIT is specified, the value MUST be nonzero." */
    if (digits && out->keep == 0) {
        return "a macro that keeps 0 parts";
    }
    if (i < s.len && ascii_lower(s.ptr[i]) == 'r') {
        out->reverse = true;
        i++;
    }
    size_t from = i;
    while (i < s.len && is_delimiter(s.ptr[i])) {
        i++;
    }
    out->delimiters = slice_sub(s, from, i - from);
    if (i >= s.len || s.ptr[i] != '}') {
        return "a macro without its closing brace, or with something before it";
    }
    *used = i + 1;
    return NULL;
}

/* macro-expand = ( "%{" macro-letter transformers *delimiter "}" ) / "%%" / "%_" / "%-" */
bool spf_macro_next(struct slice *rest, struct spf_macro *out, const char **fault)
{
    *fault = NULL;
    if (rest->len == 0) {
        return false;
    }
    *out = (struct spf_macro){.literal = rest->ptr[0]};
    if (out->literal != '%') {
        *rest = slice_from(*rest, 1);
        return true;
    }
    unsigned char next = rest->len > 1 ? rest->ptr[1] : 0;
    size_t used = 0;
    switch (next) {
    case '%':
    case '_':
        out->literal = next == '_' ? ' ' : '%';
        *rest = slice_from(*rest, 2);
        return true;
    case '-':
        out->letter = '-'; /* three octets: the expansion writes them */
        *rest = slice_from(*rest, 2);
        return true;
    case '{':
        *fault = braces(slice_from(*rest, 2), &used, out);
        *rest = slice_from(*rest, 2 + used);
        return *fault == NULL;
    default:
        *fault = "a % that begins no macro";
        return false;
    }
}

/* macro-string  = *( macro-expand / macro-literal )
 * macro-literal = %x21-24 / %x26-7E
 * *tail: the literals behind the last macro-expand. */
static const char *macro_string(struct slice s, struct slice *tail)
{
    struct spf_macro m;
    const char *fault;
    *tail = s;
    for (;;) {
        bool percent = s.len > 0 && s.ptr[0] == '%';
        if (!spf_macro_next(&s, &m, &fault)) {
            return fault;
        }
        if (percent) {
            *tail = s;
        } else if (m.literal < 0x21 || m.literal > 0x7e) {
            return "an octet that is not allowed in a record";
        }
        /* RFC 7208 7.2: "The following macro letters are allowed only in "exp" text" */
        if (m.letter == 'c' || m.letter == 'r' || m.letter == 't') {
            return "a macro letter that only explanations may have";
        }
    }
}

/* toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum ) */
static bool is_toplabel(struct slice s)
{
    bool digits_only = true;
    for (size_t i = 0; i < s.len; i++) {
        bool alpha = ascii_is_alpha(s.ptr[i]);
        if (!alpha && !ascii_is_digit(s.ptr[i]) && s.ptr[i] != '-') {
            return false;
        }
        digits_only = digits_only && ascii_is_digit(s.ptr[i]);
    }
    return s.len > 0 && !digits_only && s.ptr[0] != '-' && s.ptr[s.len - 1] != '-';
}

/* domain-spec = macro-string domain-end
 * domain-end  = ( "." toplabel [ "." ] ) / macro-expand */
static const char *domain_spec(struct slice s)
{
    if (s.len == 0) {
        return "a domain is missing";
    }
    struct slice tail;
    const char *fault = macro_string(s, &tail);
    if (fault != NULL || tail.len == 0) {
        return fault;
    }
    if (tail.ptr[tail.len - 1] == '.') {
        tail.len--;
    }
    size_t dot = slice_rfind(tail, '.');
    if (dot == tail.len || !is_toplabel(slice_from(tail, dot + 1))) {
        return "a domain that does not end in a dot and a top-level label, or in a macro";
    }
    return NULL;
}

/* Digits at the end of s behind a slash: cut off, *bits their value. False: there are none. */
static bool cut_bits(struct slice *s, unsigned *bits, bool *zero_led)
{
    size_t i = s->len;
    while (i > 0 && ascii_is_digit(s->ptr[i - 1])) {
        i--;
    }
    size_t n = s->len - i;
    if (n == 0 || i == 0 || s->ptr[i - 1] != '/') {
        return false;
    }
    *zero_led = n > 1 && s->ptr[i] == '0';
    *bits = 1000; /* too large for either family */
    uint64_t value;
    if (n <= 3 && slice_u64(slice_from(*s, i), &value)) {
        *bits = (unsigned)value;
    }
    s->len = i - 1;
    return true;
}

/* dual-cidr-length = [ ip4-cidr-length ] [ "/" ip6-cidr-length ]
 * ip4-cidr-length  = "/" ("0" / %x31-39 0*1DIGIT)
 * ip6-cidr-length  = "/" ("0" / %x31-39 0*2DIGIT) */
static const char *dual_cidr(struct slice *s, struct spf_term *out)
{
    unsigned bits;
    bool zero_led;
    out->bits4 = 32;
    out->bits6 = 128;
    struct slice left = *s;
    if (!cut_bits(&left, &bits, &zero_led)) {
        return NULL;
    }
    if (left.len > 0 && left.ptr[left.len - 1] == '/') {
        left.len--;
        if (bits > 128 || zero_led) {
            return "an IPv6 prefix length that is none";
        }
        out->bits6 = (uint8_t)bits;
        *s = left;
        if (!cut_bits(&left, &bits, &zero_led)) {
            return NULL;
        }
    }
    if (bits > 32 || zero_led) {
        return "an IPv4 prefix length that is none";
    }
    out->bits4 = (uint8_t)bits;
    *s = left;
    return NULL;
}

/* a   = "a" [ ":" domain-spec ] [ dual-cidr-length ], mx the same
 * ptr = "ptr" [ ":" domain-spec ] */
static const char *take_host(struct slice arg, struct spf_term *out)
{
    if (out->kind != SPF_PTR) {
        const char *fault = dual_cidr(&arg, out);
        if (fault != NULL) {
            return fault;
        }
    }
    if (arg.len == 0) {
        return NULL;
    }
    if (arg.ptr[0] != ':') {
        return "something other than a domain behind the mechanism";
    }
    out->spec = slice_from(arg, 1);
    return domain_spec(out->spec);
}

/* include = "include" ":" domain-spec, exists the same */
static const char *take_domain(struct slice arg, struct spf_term *out)
{
    if (arg.len == 0 || arg.ptr[0] != ':') {
        return "a domain is missing";
    }
    out->spec = slice_from(arg, 1);
    return domain_spec(out->spec);
}

/* ip4 = "ip4" ":" ip4-network [ ip4-cidr-length ]
 * ip6 = "ip6" ":" ip6-network [ ip6-cidr-length ] */
static const char *take_network(struct slice arg, struct spf_term *out)
{
    bool v6 = out->kind == SPF_IP6;
    unsigned max = v6 ? 128 : 32, bits = max;
    if (arg.len == 0 || arg.ptr[0] != ':') {
        return "an address is missing";
    }
    arg = slice_from(arg, 1);
    bool zero_led = false;
    if (slice_find(arg, '/') < arg.len &&
        (!cut_bits(&arg, &bits, &zero_led) || zero_led || bits > max)) {
        return "a prefix length that is none";
    }
    struct ip ip;
    if (!ip_parse(arg, &ip) || (slice_find(arg, ':') < arg.len) != v6) {
        return v6 ? "no IPv6 address" : "no IPv4 address";
    }
    out->net = net_around(&ip, (uint8_t)(v6 ? bits : bits + 96));
    return NULL;
}

static const char *take_all(struct slice arg, struct spf_term *out)
{
    (void)out;
    return arg.len == 0 ? NULL : "something behind \"all\"";
}

static const struct {
    struct slice name;
    enum spf_kind kind;
    const char *(*take)(struct slice arg, struct spf_term *out);
} mechanisms[] = {
    {SLICE_INIT("all"), SPF_ALL, take_all},
    {SLICE_INIT("include"), SPF_INCLUDE, take_domain},
    {SLICE_INIT("a"), SPF_A, take_host},
    {SLICE_INIT("mx"), SPF_MX, take_host},
    {SLICE_INIT("ptr"), SPF_PTR, take_host},
    {SLICE_INIT("ip4"), SPF_IP4, take_network},
    {SLICE_INIT("ip6"), SPF_IP6, take_network},
    {SLICE_INIT("exists"), SPF_EXISTS, take_domain},
};

/* modifier         = redirect / explanation / unknown-modifier
 * redirect         = "redirect" "=" domain-spec
 * explanation      = "exp" "=" domain-spec
 * unknown-modifier = name "=" macro-string */
static const char *take_modifier(struct slice name, struct slice value,
                                 struct spf_term *out)
{
    struct slice tail;
    if (out->qualifier != 0) {
        return "a qualifier before a modifier";
    }
    out->kind = slice_ieq(name, SLICE("redirect")) ? SPF_REDIRECT
                : slice_ieq(name, SLICE("exp"))    ? SPF_EXP
                                                   : SPF_OTHER;
    out->spec = value;
    return out->kind == SPF_OTHER ? macro_string(value, &tail) : domain_spec(value);
}

/* directive = [ qualifier ] mechanism
 * qualifier = "+" / "-" / "?" / "~"
 * name      = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ) */
static const char *take_term(struct spf_term *out)
{
    struct slice s = out->text;
    if (s.ptr[0] == '+' || s.ptr[0] == '-' || s.ptr[0] == '?' || s.ptr[0] == '~') {
        out->qualifier = s.ptr[0];
        s = slice_from(s, 1);
    }
    size_t n = 0;
    while (n < s.len && (ascii_is_alpha(s.ptr[n]) ||
                         (n > 0 && (ascii_is_digit(s.ptr[n]) || s.ptr[n] == '-' ||
                                    s.ptr[n] == '_' || s.ptr[n] == '.')))) {
        n++;
    }
    struct slice name = slice_sub(s, 0, n), rest = slice_from(s, n);
    if (n > 0 && rest.len > 0 && rest.ptr[0] == '=') {
        return take_modifier(name, slice_from(rest, 1), out);
    }
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (slice_ieq(name, mechanisms[i].name)) {
            out->kind = mechanisms[i].kind;
            out->qualifier = out->qualifier == 0 ? '+' : out->qualifier;
            return mechanisms[i].take(rest, out);
        }
    }
    return "unknown mechanism";
}

bool spf_term_next(struct slice *rest, struct spf_term *out, const char **fault)
{
    /* RFC 7208 4.6.1: terms = *( 1*SP ( directive / modifier ) ), and *SP behind the last.
     * Nothing but SP counts as space. */
    size_t i = 0;
    while (i < rest->len && rest->ptr[i] == ' ') {
        i++;
    }
    *rest = slice_from(*rest, i);
    *fault = NULL;
    if (rest->len == 0) {
        return false;
    }
    *out = (struct spf_term){.text = slice_sub(*rest, 0, slice_find(*rest, ' '))};
    *rest = slice_from(*rest, out->text.len);
    *fault = take_term(out);
    return *fault == NULL;
}

const char *spf_record_fault(struct slice terms, struct slice *where)
{
    struct spf_term term;
    const char *fault;
    bool redirect = false, exp = false;
    while (spf_term_next(&terms, &term, &fault)) {
        *where = term.text;
        /* RFC 7208 6: "These two modifiers MUST NOT appear in a record more than once each." */
        if ((term.kind == SPF_REDIRECT && redirect) || (term.kind == SPF_EXP && exp)) {
            return "a modifier that may stand there only once";
        }
        redirect = redirect || term.kind == SPF_REDIRECT;
        exp = exp || term.kind == SPF_EXP;
    }
    if (fault != NULL) {
        *where = term.text;
    }
    return fault;
}
