/* filter/rspamd_fuzz.c - whatever an answer says, what becomes of it is printable where it is told, and
 * whole fields where it is put into a message: every line begins with a name or is a fold. */
#include "filter/rspamd.h"

#include <stdlib.h>

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check_printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        require(text[i] >= ' ' && text[i] <= '~');
    }
}

static void check_fields(const struct buf *b)
{
    struct slice rest = buf_slice(b);
    bool first = true;
    require(rest.len == 0 || (rest.len > 2 && rest.ptr[rest.len - 1] == '\n'));
    while (rest.len > 0) {
        size_t end = slice_find(rest, '\n');
        require(end > 0 && end < rest.len && rest.ptr[end - 1] == '\r');
        struct slice line = slice_sub(rest, 0, end - 1);
        require(slice_find(line, '\r') == line.len);
        require(line.len > 0);
        if (first || (line.ptr[0] != '\t' && line.ptr[0] != ' ')) {
            size_t colon = slice_find(line, ':');
            require(colon > 0 && colon < line.len);
            check_printable((const char *)line.ptr, colon);
            require(slice_find(line, ' ') > colon);
        }
        first = false;
        rest = slice_from(rest, end + 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rspamd_verdict v;
    const char *why = NULL;
    rspamd_verdict_init(&v);
    bool ok = rspamd_read((struct slice){data, size}, &v, &why);
    require(ok == (why == NULL));
    require(v.symbols_len <= sizeof v.symbols && v.message_len <= sizeof v.message);
    check_printable(v.symbols, v.symbols_len);
    check_printable(v.message, v.message_len);
    check_fields(&v.add);
    check_fields(&v.subject);
    rspamd_verdict_clear(&v);
    return 0;
}
