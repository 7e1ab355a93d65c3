/* filter/milter_fuzz.c - whatever a filter says, cut anywhere, it comes to the same verdicts, texts and changes; a
 * text is printable and a refusal, and all changes can be read again.
 * The input: where to cut, then the filter's octets behind a good negotiation. */
#include "filter/milter.h"

#include <stdlib.h>
#include <string.h>

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void play(struct milter *m, struct slice s, size_t step)
{
    static const unsigned char wishes[] = "\0\0\0\15O\0\0\0\6\0\0\1\377\0\0\0\0";
    struct buf out;
    buf_init(&out, 1000);
    milter_init(m, 10000);
    require(milter_feed(m, (struct slice){wishes, sizeof wishes - 1}) == MILTER_READY);
    milter_connect(m, &out, SLICE("h"), false, 1, SLICE("192.0.2.1"));
    milter_helo(m, &out, SLICE("h"));
    milter_mail(m, &out, SLICE("<>"));
    milter_rcpt(m, &out, SLICE("<a@b>"));
    milter_body(m, &out, SLICE("x"));
    milter_end(m, &out);
    for (; s.len > 0; s = slice_from(s, step)) {
        (void)milter_feed(m, slice_sub(s, 0, step));
    }
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
static bool same_say(const struct milter_say *a, const struct milter_say *b)
{
    return a->verdict == b->verdict && a->text_len == b->text_len &&
           memcmp(a->text, b->text, a->text_len) == 0;
}

static void check_say(const struct milter_say *say)
{
    require(say->text_len == 0 || say->text[0] == '4' || say->text[0] == '5');
    require(say->text_len == 0 || say->verdict == MILTER_REJECT ||
            say->verdict == MILTER_TEMPFAIL);
    for (size_t i = 0; i < say->text_len; i++) {
        require(say->text[i] >= ' ' && say->text[i] <= '~');
    }
}

static void check_changes(const struct milter *m)
{
    struct milter_edit e;
    struct slice rest = buf_slice(&m->edits);
    while (milter_edit_next(&rest, &e)) {
        require(e.kind < MILTER_EDIT_KINDS);
    }
    require(rest.len == 0 || m->edits.failed);
    require(m->new_body || m->body.len == 0);
    require(milter_due(m) <= 6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct milter whole, cut;
    size_t step = size == 0 ? 1 : data[0] % 16U + 1;
    struct slice s = slice_from((struct slice){data, size}, 1);
    play(&whole, s, s.len + 1);
    play(&cut, s, step);
    require(whole.state == cut.state && whole.early == cut.early &&
            milter_due(&whole) == milter_due(&cut) &&
            same_say(&whole.session, &cut.session) && same_say(&whole.helo, &cut.helo) &&
            same_say(&whole.message, &cut.message) && same_say(&whole.rcpt, &cut.rcpt) &&
            slice_eq(buf_slice(&whole.edits), buf_slice(&cut.edits)) &&
            slice_eq(buf_slice(&whole.body), buf_slice(&cut.body)));
    check_say(&whole.session);
    check_say(&whole.helo);
    check_say(&whole.message);
    check_say(&whole.rcpt);
    check_changes(&whole);
    milter_clear(&whole);
    milter_clear(&cut);
    return 0;
}
