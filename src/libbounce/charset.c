/* libbounce/charset.c - see charset.h */
#include "libbounce/charset.h"

#include <errno.h>
#include <string.h>

void charset_clear(struct charset *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        (void)iconv_close(c->open[i].handle);
    }
    *c = (struct charset){0};
}

/* Names that mail uses and iconv does not know. */
static const struct {
    const char *name, *iconv;
} aliases[] = {
    {"gb2312", "GB18030"},
    {"gbk", "GB18030"},
    {"x-gbk", "GB18030"},
    {"x-sjis", "CP932"},
    {"shift_jis", "CP932"},
    {"x-euc-jp", "EUC-JP"},
    {"iso-2022-jp", "ISO-2022-JP-2"},
    {"ks_c_5601-1987", "CP949"},
    {"x-windows-949", "CP949"},
    {"x-mac-roman", "MACINTOSH"},
    {"unicode-1-1-utf-7", "UTF-7"},
    {"hz-gb-2312", "GB18030"},
    {"cp-850", "CP850"},
    {"iso-8859-8-i", "ISO-8859-8"},
    {"x-big5", "BIG5-HKSCS"},
    {"big5", "BIG5-HKSCS"},
    {"iso-8859-1", "CP1252"},
    {"cseucpkdfmtjapanese", "EUC-JP"},
    {"euc-kr", "CP949"},
    {"tis-620", "CP874"},
    {"x-unknown", NULL},
};

static bool iconv_name(struct slice charset, char name[CHARSET_NAME_MAX])
{
    /* '/' would ask iconv for its options. */
    if (charset.len == 0 || slice_find(charset, '/') < charset.len) {
        return false;
    }
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (slice_ieq(charset, slice_of(aliases[i].name))) {
            charset = slice_of(aliases[i].iconv);
            break;
        }
    }
    return charset.len > 0 && slice_cstr(charset, name, CHARSET_NAME_MAX);
}

static bool open_charset(struct charset *c, struct slice charset, iconv_t *out)
{
    char name[CHARSET_NAME_MAX];
    if (!iconv_name(charset, name)) {
        return false;
    }
    for (unsigned i = 0; i < c->n; i++) {
        if (strcmp(c->open[i].name, name) == 0) {
            *out = c->open[i].handle;
            return true;
        }
    }
    iconv_t handle = iconv_open("UTF-8", name);
    if (handle == (iconv_t)-1) { // NOLINT(performance-no-int-to-ptr): iconv's own way
        return false;
    }
    unsigned slot = c->n;
    if (c->n < CHARSETS_OPEN_MAX) {
        c->n++;
    } else {
        slot = c->next;
        c->next = (c->next + 1) % CHARSETS_OPEN_MAX;
        (void)iconv_close(c->open[slot].handle);
    }
    memcpy(c->open[slot].name, name, sizeof name);
    c->open[slot].handle = handle;
    *out = handle;
    return true;
}

bool charset_convert(void *arg, struct slice charset, struct slice in, struct buf *out)
{
    iconv_t handle;
    if (!open_charset(arg, charset, &handle)) {
        return false;
    }
    (void)iconv(handle, NULL, NULL, NULL, NULL);
    /* iconv takes a pointer to octets that it does not change. */
    union {
        const unsigned char *from;
        char *to;
    } rest = {.from = in.ptr};
    size_t left = in.len, bad = 0;
    while (left > 0) {
        size_t room = left * 4 + 16;
        room = room < 4096 ? room : 4096;
        char *at = (char *)buf_room(out, room);
        size_t free_n = room;
        if (at == NULL) {
            return false;
        }
        size_t did = iconv(handle, &rest.to, &left, &at, &free_n);
        int error = did == (size_t)-1 ? errno : 0;
        buf_grew(out, room - free_n);
        if (error == 0 || error == E2BIG) {
            continue;
        }
        /* EILSEQ, or EINVAL: a character cut off at the end */
        (void)buf_add_str(out, "\xef\xbf\xbd");
        (void)iconv(handle, NULL, NULL, NULL, NULL);
        rest.from++;
        left--;
        bad++;
        if (bad > 8 && bad > in.len / 8) {
            return false; /* another charset than it says */
        }
    }
    return !out->failed;
}
