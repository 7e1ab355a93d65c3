#include "bounce/fold.h"

#include <string.h>

/* U+00C0 to U+017F. */
static const char latin[] = "aaaaaaaceeeeiiiidnooooo*ouuuuyts"
                            "aaaaaaaceeeeiiiidnooooo/ouuuuyty"
                            "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkk"
                            "llllllllllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuu"
                            "wwyyyzzzzzzs";
_Static_assert(sizeof latin == 0x180 - 0xc0 + 1, "one letter for each");

/* U+1E00 to U+1EFF, Vietnamese among them. */
static const char latin_additional[] =
    "aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmmmmmm"
    "nnnnnnnnoooooooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvvwwwwwwww"
    "wwxxxxyyzzzzzzhtwyssssss"
    "aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeeeeeeeeeeeiiiioooooooooooooooooooooooo"
    "uuuuuuuuuuuuuuyyyyyyyyyyyyyy";
_Static_assert(sizeof latin_additional == 0x1f00 - 0x1e00 + 1, "one letter for each");

/* Length of the UTF-8 character at the start of s, its value in *value; 0: none. */
static size_t decode(struct slice s, uint32_t *value)
{
    static const struct {
        unsigned char mask, lead;
        uint32_t least;
    } form[] = {{0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t extra = 1; extra <= 3; extra++) {
        if ((s.ptr[0] & form[extra - 1].mask) != form[extra - 1].lead) {
            continue;
        }
        if (s.len <= extra) {
            return 0;
        }
        uint32_t v = s.ptr[0] & (unsigned char)~form[extra - 1].mask;
        for (size_t i = 1; i <= extra; i++) {
            if ((s.ptr[i] & 0xc0) != 0x80) {
                return 0;
            }
            v = v << 6 | (s.ptr[i] & 0x3fU);
        }
        if (v < form[extra - 1].least || v > 0x10ffff || (v >= 0xd800 && v < 0xe000)) {
            return 0;
        }
        *value = v;
        return extra + 1;
    }
    return 0;
}

/* The single ASCII character that v stands for; 0: nothing is left of it; -1: neither. */
static int plain(uint32_t v)
{
    if (v >= 0xc0 && v < 0x180) {
        return latin[v - 0xc0];
    }
    if (v >= 0x1e00 && v < 0x1f00) {
        return latin_additional[v - 0x1e00];
    }
    if (v >= 0xff01 && v <= 0xff5e) {
        return ascii_lower((unsigned char)(v - 0xff01 + '!'));
    }
    if ((v >= 0x300 && v < 0x370) || (v >= 0x200b && v <= 0x200f) || v == 0xad ||
        v == 0xfeff) {
        return 0;
    }
    if ((v >= 0x2000 && v <= 0x200a) || v == 0xa0 || v == 0x3000 ||
        (v >= 0x80 && v < 0xa0)) {
        return ' ';
    }
    switch (v) {
    case 0x1a0:
    case 0x1a1:
        return 'o';
    case 0x1af:
    case 0x1b0:
        return 'u';
    case 0x218:
    case 0x219:
        return 's';
    case 0x21a:
    case 0x21b:
        return 't';
    case 0x2018:
    case 0x2019:
    case 0x201b:
    case 0x2032:
    case 0xb4:
    case 0x2bc:
        return '\'';
    case 0x201c:
    case 0x201d:
    case 0x201e:
    case 0xab:
    case 0xbb:
    case 0x300c:
    case 0x300d:
    case 0x300e:
    case 0x300f:
    case 0x3010:
    case 0x3011:
        return '"';
    case 0x2010:
    case 0x2011:
    case 0x2012:
    case 0x2013:
    case 0x2014:
    case 0x2015:
    case 0x2212:
        return '-';
    case 0x3001:
        return ',';
    case 0x3002:
    case 0x2026:
        return '.';
    default:
        return -1;
    }
}

/* Two-octet UTF-8: all that is left of case beyond Latin. */
static uint32_t lower(uint32_t v)
{
    if (v >= 0x410 && v <= 0x42f) { /* Cyrillic */
        return v + 0x20;
    }
    if (v == 0x401 || v == 0x451) { /* Yo, mostly written without its dots */
        return 0x435;
    }
    if (v >= 0x402 && v <= 0x40f) {
        return v + 0x50;
    }
    if (v >= 0x391 && v <= 0x3a9) { /* Greek */
        return v + 0x20;
    }
    static const struct {
        uint16_t accented, plain;
    } greek[] = {{0x386, 0x3b1}, {0x388, 0x3b5}, {0x389, 0x3b7}, {0x38a, 0x3b9},
                 {0x38c, 0x3bf}, {0x38e, 0x3c5}, {0x38f, 0x3c9}, {0x3ac, 0x3b1},
                 {0x3ad, 0x3b5}, {0x3ae, 0x3b7}, {0x3af, 0x3b9}, {0x3c2, 0x3c3},
                 {0x3cc, 0x3bf}, {0x3cd, 0x3c5}, {0x3ce, 0x3c9}};
    for (size_t i = 0; i < sizeof greek / sizeof greek[0]; i++) {
        if (greek[i].accented == v) {
            return greek[i].plain;
        }
    }
    return v;
}

size_t bounce_fold(struct slice s, unsigned char out[BOUNCE_FOLD_MAX], size_t *n)
{
    uint32_t v = 0;
    *n = 1;
    if (s.ptr[0] < 0x80) {
        out[0] = ascii_lower(s.ptr[0]);
        return 1;
    }
    size_t used = decode(s, &v);
    if (used == 0) {
        out[0] = ' ';
        return 1;
    }
    int c = plain(v);
    if (c >= 0) {
        out[0] = (unsigned char)c;
        *n = c != 0;
        if (v == 0xdf) { /* sharp s */
            out[1] = 's';
            *n = 2;
        }
        return used;
    }
    memcpy(out, s.ptr, used);
    *n = used;
    if (lower(v) != v) { /* still two octets */
        out[0] = (unsigned char)(0xc0 | lower(v) >> 6);
        out[1] = (unsigned char)(0x80 | (lower(v) & 0x3f));
    }
    return used;
}
