/* message/header_scan.c - see header_scan.h */
#include "message/header_scan.h"

void header_scan_init(struct header_scan *h)
{
    *h = (struct header_scan){.line_start = true};
}

static void end_name(struct header_scan *h)
{
    struct slice name = slice_trim((struct slice){h->name, h->name_len});
    h->in_name = false;
    h->field_n++;
    h->received_n += slice_ieq(name, SLICE("Received"));
}

/* The first octet of a line decides: folded text, a new field, or the end. */
static void start_line(struct header_scan *h, unsigned char c)
{
    h->line_start = false;
    h->in_name = false;
    if (c == '\r') {
        h->blank = true;
    } else if (c != ' ' && c != '\t') {
        h->in_name = true;
        h->name_len = 0;
    }
}

static void name_octet(struct header_scan *h, unsigned char c)
{
    if (c == ':') {
        end_name(h);
    } else if (h->name_len < HEADER_NAME_MAX) {
        h->name[h->name_len++] = c;
    }
}

void header_scan_feed(struct header_scan *h, struct slice in)
{
    for (size_t i = 0; i < in.len && !h->done; i++) {
        unsigned char c = in.ptr[i];
        h->octets++;
        if (h->line_start) {
            start_line(h, c);
        }
        if (h->in_name && c != '\n') {
            name_octet(h, c);
        } else if (c == '\n') {
            /* a line without a colon is no field either: the body began */
            h->done = h->blank || h->in_name;
            h->line_start = true;
        } else if (!h->in_name) {
            /* in a value nothing matters up to the line's end */
            struct slice rest = slice_from(in, i + 1);
            size_t skip = slice_find(rest, '\n');
            h->octets += skip;
            i += skip;
        }
    }
}
