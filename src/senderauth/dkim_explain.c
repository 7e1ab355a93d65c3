/* senderauth/dkim_explain.c - see dkim_explain.h */
#include "senderauth/dkim_explain.h"

#include "base/clock.h"

enum { VALUE_MAX = 96 };

static void add_clipped(struct buf *b, struct slice value)
{
    buf_add_escaped(b, slice_sub(value, 0, VALUE_MAX));
    if (value.len > VALUE_MAX) {
        buf_add_str(b, "...");
    }
}

/* The row's text with {x} filled in; [a group] goes when there is no x. */
static void add_reason(struct buf *b, enum dkim_reason reason, struct slice x)
{
    struct slice text = slice_of(dkim_reason_rows[reason].text);
    for (size_t i = 0; i < text.len; i++) {
        struct slice rest = slice_from(text, i);
        if (slice_starts(rest, SLICE("{x}"))) {
            add_clipped(b, x);
            i += 2;
        } else if (text.ptr[i] == '[' && x.len == 0) {
            i += slice_find(rest, ']');
        } else if (text.ptr[i] != '[' && text.ptr[i] != ']') {
            buf_add_byte(b, text.ptr[i]);
        }
    }
}

/* What {x} is where it is a number. */
static struct slice detail_of(const struct dkim_signature *s, unsigned signatures_max,
                              struct buf *number)
{
    char time[CLOCK_TEXT_MAX];
    switch ((int)s->reason) {
    case DKIM_REASON_TOO_MANY:
        buf_add_fmt(number, "%u", signatures_max);
        break;
    case DKIM_REASON_KEY_SHORT:
    case DKIM_REASON_KEY_LONG:
        buf_add_fmt(number, "%u", s->key_bits);
        break;
    case DKIM_REASON_EXPIRED:
        if (s->expires < UINT64_MAX / 1000) {
            buf_add(number, clock_text(s->expires * 1000, time));
        }
        break;
    case DKIM_REASON_BODY_LENGTH:
        buf_add_fmt(number, "%llu", (unsigned long long)s->length);
        break;
    default:
        return s->detail;
    }
    return buf_slice(number);
}

void dkim_explain(struct buf *out, const struct dkim_signature *s,
                  unsigned signatures_max)
{
    struct buf number;
    buf_init(&number, CLOCK_TEXT_MAX);
    buf_add_str(out, "the signature");
    if (s->domain[0] != '\0') {
        buf_add_fmt(out, " of %s", s->domain);
    }
    if (s->selector[0] != '\0') {
        buf_add_fmt(out, " (selector %s)", s->selector);
    }
    buf_add_byte(out, ' ');
    add_reason(out, s->reason, detail_of(s, signatures_max, &number));
    buf_clear(&number);
}
