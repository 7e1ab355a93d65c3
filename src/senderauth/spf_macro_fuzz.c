/* senderauth/spf_macro_fuzz.c - libFuzzer target: macros expand as they do by the letter of RFC 7208 7.3,
 * written down here in the simplest way: split, reverse, keep, join. A name is the end of the
 * same text, of whole labels.
 *
 * Input: lines with local part, sender's domain, domain, HELO; the rest is the macro-string. */
#include "base/buf.h"
#include "base/log.h"
#include "senderauth/spf_macro.h"
#include "senderauth/spf_record.h"

#include <string.h>

enum { PARTS_MAX = 4096, TEXT_MAX = 1 << 14 };

static struct spf_macro_values values;

static void add_escaped(struct buf *out, struct slice s, bool escape)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = s.ptr[i];
        bool plain = ascii_is_alpha(c) || ascii_is_digit(c) || strchr("-._~", c) != NULL;
        if (escape && (!plain || c == 0)) {
            buf_add_fmt(out, "%%%02X", c);
        } else {
            buf_add_byte(out, c);
        }
    }
}

static void transform(const struct spf_macro *m, struct slice value, struct buf *out)
{
    static struct slice part[PARTS_MAX], turned[PARTS_MAX];
    struct slice delimiters = m->delimiters.len > 0 ? m->delimiters : SLICE(".");
    size_t n = 0, start = 0;
    for (size_t i = 0; i <= value.len; i++) {
        if (i == value.len || slice_find(delimiters, value.ptr[i]) < delimiters.len) {
            BUG_ON(n == PARTS_MAX);
            part[n++] = slice_sub(value, start, i - start);
            start = i + 1;
        }
    }
    for (size_t i = 0; i < n; i++) {
        turned[i] = m->reverse ? part[n - 1 - i] : part[i];
    }
    size_t first = m->keep != 0 && m->keep < n ? n - m->keep : 0;
    for (size_t i = first; i < n; i++) {
        buf_add_str(out, i > first ? "." : "");
        add_escaped(out, turned[i], m->escape);
    }
}

static bool value_of(unsigned char letter, struct buf *out)
{
    switch (letter) {
    case 's':
        buf_add(out, values.local);
        buf_add_byte(out, '@');
        return buf_add(out, values.sender_domain);
    case 'l':
        return buf_add(out, values.local);
    case 'o':
        return buf_add(out, values.sender_domain);
    case 'd':
        return buf_add(out, values.domain);
    case 'h':
        return buf_add(out, values.helo);
    case 'p':
        return buf_add(out, values.validated);
    case 'r':
        return buf_add(out, values.receiver);
    case 'v':
        return buf_add_str(out, "in-addr");
    case 't':
        return buf_add_str(out, "1234567");
    case 'i':
    case 'c':
        return buf_add_str(out, "192.0.2.3");
    default:
        return false;
    }
}

static bool by_the_letter(struct slice text, struct buf *out)
{
    struct spf_macro m;
    const char *fault;
    while (spf_macro_next(&text, &m, &fault)) {
        struct buf value;
        buf_init(&value, TEXT_MAX);
        if (m.letter == 0) {
            buf_add_byte(out, m.literal);
        } else if (m.letter == '-') {
            buf_add_str(out, "%20");
        } else {
            BUG_ON(!value_of(m.letter, &value));
            transform(&m, buf_slice(&value), out);
        }
        buf_clear(&value);
    }
    return fault == NULL;
}

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] > 0x7f) {
            return false;
        }
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char text[TEXT_MAX], name[DNS_NAME_MAX];
    struct slice in = {data, size};
    struct ip ip;
    size_t text_len = 0, name_len = 0;
    if (size > 2000 || !ip_parse(SLICE("192.0.2.3"), &ip)) {
        return 0;
    }
    values = (struct spf_macro_values){.validated = SLICE("p.example"),
                                       .receiver = SLICE("mx.example"),
                                       .ip = &ip,
                                       .now_s = 1234567};
    if (!slice_line(&in, &values.local) || !slice_line(&in, &values.sender_domain) ||
        !slice_line(&in, &values.domain) || !slice_line(&in, &values.helo) ||
        !is_ascii(values.local) || values.local.len + values.sender_domain.len > 1000) {
        return 0;
    }
    struct buf want;
    buf_init(&want, 1 << 20);
    bool ok = by_the_letter(in, &want);
    bool got = spf_macro_text(in, &values, text, sizeof text, &text_len);
    struct slice whole = buf_slice(&want);
    BUG_ON(got && (!ok || !slice_eq(whole, (struct slice){text, text_len})));
    bool named = spf_macro_name(in, &values, name, &name_len);
    BUG_ON(named && !ok);
    if (named) {
        whole.len -= whole.len > 0 && whole.ptr[whole.len - 1] == '.';
        BUG_ON(name_len > whole.len || name_len == 0);
        size_t cut = whole.len - name_len;
        BUG_ON(!slice_eq(slice_from(whole, cut), (struct slice){name, name_len}));
        BUG_ON(cut > 0 && whole.ptr[cut - 1] != '.');
        /* no more was cut than must be: with one label more it would be too long */
        BUG_ON(cut > 0 &&
               cut - 1 - slice_rfind(slice_sub(whole, 0, cut - 1), '.') + name_len <
                   DNS_NAME_MAX &&
               slice_rfind(slice_sub(whole, 0, cut - 1), '.') < cut - 1);
    }
    buf_clear(&want);
    return 0;
}
