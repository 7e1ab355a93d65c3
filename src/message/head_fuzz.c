/* message/head_fuzz.c - libFuzzer target: header section and body do not depend on the cut; what
 * is written again, with the body, is the message (but for an empty line that was missing); the
 * fields are all of the section; lines are counted as a slow reader counts them. Input is made
 * to have CRLF line ends only. */
#include "base/log.h"
#include "message/head.h"
#include "message/line_scan.h"

static void play(struct slice in, size_t step, struct message_head *h,
                 struct line_scan *s, struct buf *body)
{
    message_head_init(h, (struct head_limits){4096, 50});
    *s = (struct line_scan){0};
    buf_init(body, 1024 * 1024);
    for (size_t at = 0; at < in.len; at += step) {
        struct slice held;
        struct slice rest = slice_sub(in, at, step);
        line_scan_feed(s, rest);
        message_head_feed(h, &rest, &held);
        BUG_ON(h->state != HEAD_DONE && (rest.len > 0 || held.len > 0));
        (void)buf_add(body, held);
        (void)buf_add(body, rest);
    }
    BUG_ON(!message_head_end(h));
}

static void check_written(const struct message_head *h, const struct buf *body,
                          struct slice in)
{
    struct buf out;
    if (h->over) {
        return;
    }
    struct slice octets = buf_slice(&h->octets);
    size_t sum = 0;
    for (unsigned i = 0; i < h->n; i++) {
        BUG_ON(h->field[i].raw.ptr != octets.ptr + sum || h->field[i].name.len == 0);
        sum += h->field[i].raw.len;
    }
    BUG_ON(h->n != h->field_n ||
           (h->empty_line || h->no_field ? sum != octets.len : sum > octets.len));
    buf_init(&out, 1024 * 1024);
    (void)message_head_write(h, &out);
    if (h->no_field) {
        out.len -= 2;
    } else if (!h->empty_line) {
        (void)buf_add(&out, slice_from(octets, sum)); /* a line that is not whole */
    }
    (void)buf_add(&out, buf_slice(body));
    BUG_ON(!slice_eq(buf_slice(&out), in));
    buf_clear(&out);
}

static void check_lines(const struct line_scan *s, struct slice in)
{
    uint64_t n = 0, longest = 0, nul = 0;
    struct slice line;
    while (slice_line(&in, &line)) {
        n++;
        longest = line.len > longest ? line.len : longest;
        nul = nul == 0 && slice_find(line, '\0') < line.len ? n : nul;
    }
    BUG_ON(s->nul_line != nul || s->longest > longest || s->ended > n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message_head whole, parts;
    struct line_scan lines, lines_parts;
    struct buf in, body, body_parts;
    if (size == 0) {
        return 0;
    }
    buf_init(&in, 2 * size);
    for (size_t i = 1; i < size; i++) {
        if (data[i] == '\n') {
            (void)buf_add_str(&in, "\r\n");
        } else if (data[i] != '\r') {
            (void)buf_add_byte(&in, data[i]);
        }
    }
    play(buf_slice(&in), in.len + 1, &whole, &lines, &body);
    play(buf_slice(&in), 1 + data[0] % 64U, &parts, &lines_parts, &body_parts);
    BUG_ON(whole.field_n != parts.field_n || whole.over != parts.over);
    BUG_ON(!whole.over && (!slice_eq(buf_slice(&body), buf_slice(&body_parts)) ||
                           whole.size != parts.size || whole.line != parts.line));
    BUG_ON(lines.ended != lines_parts.ended || lines.longest != lines_parts.longest ||
           lines.nul_line != lines_parts.nul_line);
    check_written(&whole, &body, buf_slice(&in));
    check_lines(&lines, buf_slice(&in));
    message_head_clear(&whole);
    message_head_clear(&parts);
    buf_clear(&in);
    buf_clear(&body);
    buf_clear(&body_parts);
    return 0;
}
