/* senderauth/signature_write.c - see signature_write.h */
#include "senderauth/signature_write.h"

#include "base/base64.h"
#include "senderauth/dkim_tags.h"

#include <string.h>

enum { LINE_MAX = 76 };

/* What is signed when it stands there; ONCE_MORE: and as absent, so that no second one can be
 * added. ARC does not sign what later hands rewrite. */
enum choice { SIGN = 0, ONCE_MORE, DKIM_ONLY, ARC_ONLY };
static const struct sign_row {
    struct slice name;
    enum choice choice;
} sign_rows[] = {
    {SLICE_INIT("from"), ONCE_MORE},
    {SLICE_INIT("to"), ONCE_MORE},
    {SLICE_INIT("cc"), ONCE_MORE},
    {SLICE_INIT("subject"), ONCE_MORE},
    {SLICE_INIT("date"), ONCE_MORE},
    {SLICE_INIT("reply-to"), ONCE_MORE},
    {SLICE_INIT("message-id"), ONCE_MORE},
    {SLICE_INIT("mime-version"), ONCE_MORE},
    {SLICE_INIT("content-type"), ONCE_MORE},
    {SLICE_INIT("content-transfer-encoding"), ONCE_MORE},
    {SLICE_INIT("sender"), DKIM_ONLY},
    {SLICE_INIT("in-reply-to"), SIGN},
    {SLICE_INIT("references"), SIGN},
    {SLICE_INIT("content-id"), SIGN},
    {SLICE_INIT("content-description"), SIGN},
    {SLICE_INIT("resent-from"), SIGN},
    {SLICE_INIT("resent-to"), SIGN},
    {SLICE_INIT("resent-cc"), SIGN},
    {SLICE_INIT("resent-date"), SIGN},
    {SLICE_INIT("resent-message-id"), SIGN},
    {SLICE_INIT("list-id"), SIGN},
    {SLICE_INIT("list-help"), SIGN},
    {SLICE_INIT("list-owner"), SIGN},
    {SLICE_INIT("list-post"), SIGN},
    {SLICE_INIT("list-archive"), SIGN},
    {SLICE_INIT("list-subscribe"), SIGN},
    {SLICE_INIT("list-unsubscribe"), SIGN},
    {SLICE_INIT("list-unsubscribe-post"), SIGN},
    {SLICE_INIT("feedback-id"), SIGN},
    {SLICE_INIT("autocrypt"), SIGN},
    {SLICE_INIT("dkim-signature"), ARC_ONLY},
};

void signature_begin(struct signature_line *l, struct buf *out, const char *name)
{
    *l = (struct signature_line){out, out->len, out->len};
    buf_add_str(out, name);
    buf_add_byte(out, ':');
}

static void new_line(struct signature_line *l)
{
    buf_add_str(l->out, "\r\n");
    l->line = l->out->len;
    buf_add_byte(l->out, '\t');
}

/* Room for so many more octets and a blank before them. */
static void place(struct signature_line *l, size_t n)
{
    if (l->out->len - l->line + 1 + n > LINE_MAX) {
        new_line(l);
    } else {
        buf_add_byte(l->out, ' ');
    }
}

void signature_tag(struct signature_line *l, const char *tag, struct slice value)
{
    place(l, slice_of(tag).len + value.len + 2);
    buf_add_fmt(l->out, "%s=", tag);
    buf_add(l->out, value);
    buf_add_byte(l->out, ';');
}

void signature_number(struct signature_line *l, const char *tag, uint64_t value)
{
    struct buf digits;
    buf_init(&digits, 24);
    buf_add_fmt(&digits, "%llu", (unsigned long long)value);
    signature_tag(l, tag, buf_slice(&digits));
    l->out->failed = l->out->failed || digits.failed;
    buf_clear(&digits);
}

void signature_who(struct signature_line *l, const struct dkim_sign *s)
{
    bool rsa = crypto_private_kind(s->key) == CRYPTO_RSA;
    signature_tag(l, "a", rsa ? SLICE("rsa-sha256") : SLICE("ed25519-sha256"));
    signature_tag(l, "d", s->domain);
    signature_tag(l, "s", s->selector);
    if (s->made != 0) {
        signature_number(l, "t", s->made);
    }
}

/* One name of h=, with the colon before it when it is not the first. */
static void add_name(struct signature_line *l, struct slice name, bool first)
{
    if (!first) {
        buf_add_byte(l->out, ':');
    }
    if (l->out->len - l->line + name.len + 2 > LINE_MAX) {
        new_line(l);
    }
    buf_add(l->out, name);
}

static void add_usual_names(struct signature_line *l, const struct header_table *t,
                            bool arc)
{
    bool first = true;
    for (size_t i = 0; i < sizeof sign_rows / sizeof sign_rows[0]; i++) {
        const struct sign_row *row = &sign_rows[i];
        if (row->choice == (arc ? DKIM_ONLY : ARC_ONLY)) {
            continue;
        }
        uint32_t n =
            header_table_count(t, row->name) + (row->choice == ONCE_MORE && !arc);
        for (; n > 0; n--) {
            add_name(l, row->name, first);
            first = false;
        }
    }
}

bool signature_names(struct signature_line *l, const struct dkim_sign *s,
                     const struct header_table *t, bool arc)
{
    struct slice rest = s->names, name;
    bool first = true;
    place(l, 24);
    buf_add_str(l->out, "h=");
    if (rest.len == 0) {
        add_usual_names(l, t, arc);
    } else {
        while (dkim_list_next(&rest, ':', &name)) {
            add_name(l, name, first);
            first = false;
        }
    }
    buf_add_byte(l->out, ';');
    return header_table_count(t, SLICE("from")) > 0;
}

struct slice signature_written_names(const struct signature_line *l)
{
    struct dkim_tags tags;
    struct slice field = slice_from(buf_slice(l->out), l->field), at;
    struct slice value = slice_from(field, slice_find(field, ':') + 1);
    const struct dkim_tag *h = NULL;
    if (dkim_tags_parse(value, &tags, &at) == NULL) {
        h = dkim_tags_get(&tags, "h");
    }
    return h == NULL ? (struct slice){0} : h->value;
}

void signature_octets(struct signature_line *l, const char *tag, struct slice octets)
{
    struct buf text;
    buf_init(&text, BASE64_LEN(octets.len));
    base64_encode(&text, octets);
    l->out->failed = l->out->failed || text.failed;
    signature_tag(l, tag, buf_slice(&text));
    buf_clear(&text);
}

static void to_hash(void *arg, struct slice piece)
{
    crypto_hash_add(arg, piece);
}

void signature_hash_fields(struct crypto_hash *hash, struct header_table *t,
                           struct slice names, bool relaxed)
{
    struct slice name;
    header_table_rewind(t);
    while (dkim_list_next(&names, ':', &name)) {
        uint32_t i = header_table_take(t, name);
        if (i != HEADER_NONE) {
            header_canon(&t->field[i], relaxed, (struct slice){0}, false, to_hash, hash);
        }
    }
}

void signature_hash_field(struct crypto_hash *hash, struct slice raw, bool relaxed,
                          bool last)
{
    size_t colon = slice_find(raw, ':');
    struct header_ref f = {
        .raw = raw, .name_len = (uint32_t)colon, .value_at = (uint32_t)colon + 1};
    header_canon(&f, relaxed, (struct slice){0}, last, to_hash, hash);
}

bool signature_finish(struct signature_line *l, const struct dkim_sign *s, bool relaxed,
                      struct crypto_hash *hash)
{
    unsigned char digest[CRYPTO_HASH_LEN];
    struct buf sig, text;
    new_line(l);
    buf_add_str(l->out, "b=");
    if (l->out->failed) {
        return false;
    }
    signature_hash_field(hash, slice_from(buf_slice(l->out), l->field), relaxed, true);
    buf_init(&sig, 4096);
    buf_init(&text, BASE64_LEN(4096));
    bool ok = crypto_hash_end(hash, digest) && crypto_sign(s->key, digest, &sig) &&
              base64_encode(&text, buf_slice(&sig));
    struct slice rest = buf_slice(&text);
    while (ok && rest.len > 0) {
        size_t room = LINE_MAX - (l->out->len - l->line);
        buf_add(l->out, slice_sub(rest, 0, room));
        rest = slice_from(rest, room);
        if (rest.len > 0) {
            new_line(l);
        }
    }
    buf_clear(&sig);
    buf_clear(&text);
    return buf_add_str(l->out, "\r\n") && ok;
}
