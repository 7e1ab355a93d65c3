/* content/sniff.c - see sniff.h */
#include "content/sniff.h"

#include <string.h>

/* --- the beginning --- */

struct magic {
    size_t at;
    struct slice octets;
    enum content_kind kind;
    enum sniff_format format;
};

/* clang-format off */
static const struct magic magics[] = {
    {0,   SLICE_INIT("\x7f" "ELF"),                          KIND_UNIX_PROGRAM, SNIFF_UNKNOWN},
    {0,   SLICE_INIT("\xfe\xed\xfa\xce"),                    KIND_UNIX_PROGRAM, SNIFF_UNKNOWN},
    {0,   SLICE_INIT("\xfe\xed\xfa\xcf"),                    KIND_UNIX_PROGRAM, SNIFF_UNKNOWN},
    {0,   SLICE_INIT("\xce\xfa\xed\xfe"),                    KIND_UNIX_PROGRAM, SNIFF_UNKNOWN},
    {0,   SLICE_INIT("\xcf\xfa\xed\xfe"),                    KIND_UNIX_PROGRAM, SNIFF_UNKNOWN},
    {0,   SLICE_INIT("L\0\0\0\x01\x14\x02\0\0\0\0\0\xc0\0\0\0\0\0\0F"), KIND_SHORTCUT, SNIFF_UNKNOWN},
    {0,   SLICE_INIT("ITSF\x03\0\0\0"),                      KIND_HELP,         SNIFF_UNKNOWN},
    {0,   SLICE_INIT("MSCF\0\0\0\0"),                        KIND_CABINET,      SNIFF_UNKNOWN},
    {0,   SLICE_INIT("conectix"),                            KIND_DISK_IMAGE,   SNIFF_UNKNOWN},
    {0,   SLICE_INIT("vhdxfile"),                            KIND_DISK_IMAGE,   SNIFF_UNKNOWN},
    {54,  SLICE_INIT("FAT12   "),                            KIND_DISK_IMAGE,   SNIFF_UNKNOWN},
    {54,  SLICE_INIT("FAT16   "),                            KIND_DISK_IMAGE,   SNIFF_UNKNOWN},
    {82,  SLICE_INIT("FAT32   "),                            KIND_DISK_IMAGE,   SNIFF_UNKNOWN},
    {3,   SLICE_INIT("NTFS    "),                            KIND_DISK_IMAGE,   SNIFF_UNKNOWN},
    {0,   SLICE_INIT("#!"),                                  KIND_UNIX_SCRIPT,  SNIFF_UNKNOWN},
    {0,   SLICE_INIT("PK\x03\x04"),                          KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("PK\x05\x06"),                          KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("PK\x07\x08"),                          KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("PK00PK\x03\x04"),                      KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("7z\xbc\xaf\x27\x1c"),                  KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("Rar!\x1a\x07"),                        KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("\x1f\x8b"),                            KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("\x1f\x9d"),                            KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("BZh"),                                 KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("\xfd" "7zXZ\0"),                       KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("\x28\xb5\x2f\xfd"),                    KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("LZIP"),                                KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("\x5d\0\0"),                            KIND_NONE, SNIFF_ARCHIVE},
    {2,   SLICE_INIT("-lh"),                                 KIND_NONE, SNIFF_ARCHIVE},
    {257, SLICE_INIT("ustar"),                               KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("070707"),                              KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("070701"),                              KIND_NONE, SNIFF_ARCHIVE},
    {0,   SLICE_INIT("\x78\x9f\x3e\x22"),                    KIND_NONE, SNIFF_ARCHIVE}, /* winmail.dat */
    {0,   SLICE_INIT("\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),    KIND_NONE, SNIFF_COMPOUND},
    {0,   SLICE_INIT("{\\rt"),                               KIND_NONE, SNIFF_RTF},
    {0,   SLICE_INIT("\x89PNG\r\n\x1a\n"),                   KIND_NONE, SNIFF_PLAIN},
    {0,   SLICE_INIT("\xff\xd8\xff"),                        KIND_NONE, SNIFF_PLAIN},
    {0,   SLICE_INIT("GIF8"),                                KIND_NONE, SNIFF_PLAIN},
    {0,   SLICE_INIT("%PDF-"),                               KIND_NONE, SNIFF_PLAIN},
    {0,   SLICE_INIT("ID3"),                                 KIND_NONE, SNIFF_PLAIN},
    {0,   SLICE_INIT("OggS"),                                KIND_NONE, SNIFF_PLAIN},
    {0,   SLICE_INIT("fLaC"),                                KIND_NONE, SNIFF_PLAIN},
    {4,   SLICE_INIT("ftyp"),                                KIND_NONE, SNIFF_PLAIN},
};
/* clang-format on */

static uint32_t little(struct slice s, size_t at)
{
    struct slice v = slice_sub(s, at, 4);
    return v.len < 4 ? 0
                     : (uint32_t)v.ptr[0] | (uint32_t)v.ptr[1] << 8 |
                           (uint32_t)v.ptr[2] << 16 | (uint32_t)v.ptr[3] << 24;
}

/* "MZ", and at the place that it names PE, NE, LE or LX. Where that lies beyond the head, MZ and
 * a size of its header that makes sense. */
static bool is_windows_program(struct slice head)
{
    if (!slice_starts(head, SLICE("MZ")) && !slice_starts(head, SLICE("ZM"))) {
        return false;
    }
    uint32_t at = little(head, 60);
    if (at >= 64 && at + 4 <= head.len) {
        struct slice sign = slice_sub(head, at, 2);
        return slice_eq(slice_sub(head, at, 4), SLICE("PE\0\0")) ||
               slice_eq(sign, SLICE("NE")) || slice_eq(sign, SLICE("LE")) ||
               slice_eq(sign, SLICE("LX"));
    }
    /* e_cparhdr: the header in units of 16 octets; plain text has letters here. */
    return head.len > 64 && head.ptr[9] == 0 && head.ptr[8] >= 2;
}

/* Mach-O for several processors, and Java's class files, begin alike: the one goes on with a small
 * number of them, the other with a version from 45 on. */
static enum content_kind babe(struct slice head)
{
    if (head.len < 8 || !slice_starts(head, SLICE("\xca\xfe\xba\xbe"))) {
        return KIND_NONE;
    }
    unsigned n = (unsigned)head.ptr[6] << 8 | head.ptr[7];
    return n < 40 ? KIND_UNIX_PROGRAM : KIND_JAVA;
}

/* UTF-16 as Windows writes it: scripts and HTML applications work in it too. */
static struct slice narrow(struct slice head, unsigned char out[SNIFF_HEAD_MAX])
{
    bool wide =
        slice_starts(head, SLICE("\xff\xfe")) || slice_starts(head, SLICE("\xfe\xff"));
    size_t n = 0;
    for (size_t i = 0; i < head.len && wide; i++) {
        if (head.ptr[i] != 0 && i > 1) {
            out[n++] = head.ptr[i];
        }
    }
    return wide ? (struct slice){out, n} : head;
}

static bool is_hta(struct slice head)
{
    unsigned char text[SNIFF_HEAD_MAX];
    head = narrow(head, text);
    return slice_isearch(head, SLICE("<hta:application")) < head.len;
}

static void decide(struct sniff *s)
{
    struct slice head = {s->head, s->head_n};
    s->decided = true;
    for (size_t i = 0; i < sizeof magics / sizeof magics[0]; i++) {
        const struct magic *m = &magics[i];
        if (slice_eq(slice_sub(head, m->at, m->octets.len), m->octets)) {
            s->kind = m->kind;
            s->format = m->format;
            break;
        }
    }
    if (s->kind == KIND_NONE && s->format == SNIFF_UNKNOWN) {
        s->kind = is_windows_program(head)  ? KIND_WINDOWS_PROGRAM
                  : babe(head) != KIND_NONE ? babe(head)
                  : is_hta(head)            ? KIND_WINDOWS_SCRIPT
                                            : KIND_NONE;
    }
}

/* --- what lies further behind --- */

/* [MS-CFB] 2.6: directory entries are 128 octets, at multiples of 128. */
static void take_entry(struct sniff *s)
{
    static const struct slice vba[] = {SLICE_INIT("_\0V\0B\0A\0_\0P\0R\0O\0J\0E\0C\0T\0"),
                                       SLICE_INIT("V\0B\0A\0\0\0")};
    static const struct slice installer =
        SLICE_INIT("\x10\x0c\0\0\0\0\0\xc0\0\0\0\0\0\0F");
    struct slice entry = {s->entry, sizeof s->entry};
    for (size_t i = 0; i < sizeof vba / sizeof vba[0]; i++) {
        s->macros |= slice_starts(entry, vba[i]);
    }
    struct slice clsid = slice_sub(entry, 80, 16);
    bool root = slice_starts(entry, SLICE("R\0o\0o\0t\0 \0E\0n\0t\0r\0y\0"));
    if (root && (clsid.ptr[0] == 0x82 || clsid.ptr[0] == 0x84 || clsid.ptr[0] == 0x86) &&
        slice_eq(slice_from(clsid, 1), installer)) {
        s->kind = KIND_INSTALLER;
    }
}

static void feed_compound(struct sniff *s, struct slice in)
{
    uint64_t at = s->total;
    while (in.len > 0) {
        size_t have = at % sizeof s->entry;
        struct slice part = slice_sub(in, 0, sizeof s->entry - have);
        memcpy(s->entry + have, part.ptr, part.len);
        at += part.len;
        in = slice_from(in, part.len);
        if (at % sizeof s->entry == 0) {
            take_entry(s);
        }
    }
}

/* \objdata and \objocx hold what another program opens. */
static void feed_rtf(struct sniff *s, struct slice in)
{
    static const struct slice word = SLICE_INIT("\\obj");
    for (size_t i = 0; i < in.len && !s->objects; i++) {
        if (s->matched == 0) {
            i += slice_find(slice_from(in, i), '\\');
            if (i >= in.len) {
                break;
            }
        }
        unsigned char c = in.ptr[i];
        if (s->matched == word.len) {
            s->objects = c == 'd' || c == 'o' || c == 'e' || c == 'u';
            s->matched = 0;
        } else if (c == word.ptr[s->matched]) {
            s->matched++;
            continue;
        }
        s->matched = c == '\\' ? 1 : 0;
    }
}

static void keep_tail(struct sniff *s, struct slice in)
{
    if (in.len >= SNIFF_TAIL_MAX) {
        memcpy(s->tail, in.ptr + in.len - SNIFF_TAIL_MAX, SNIFF_TAIL_MAX);
        s->tail_n = SNIFF_TAIL_MAX;
        return;
    }
    size_t old =
        s->tail_n + in.len > SNIFF_TAIL_MAX ? SNIFF_TAIL_MAX - in.len : s->tail_n;
    memmove(s->tail, s->tail + s->tail_n - old, old);
    memcpy(s->tail + old, in.ptr, in.len);
    s->tail_n = old + in.len;
}

/* ISO 9660 and UDF: a volume descriptor in sector 16 (of 2048 octets). */
static void feed_image(struct sniff *s, struct slice in)
{
    enum { AT = 32769, LEN = 5 };
    for (size_t i = 0; i < LEN; i++) {
        if (s->total <= AT + i && AT + i < s->total + in.len) {
            s->entry[i] = in.ptr[AT + i - s->total];
            if (i == LEN - 1) {
                struct slice mark = {s->entry, LEN};
                bool image =
                    slice_eq(mark, SLICE("CD001")) || slice_eq(mark, SLICE("BEA01"));
                s->kind = image ? KIND_DISK_IMAGE : s->kind;
            }
        }
    }
}

/* --- all of it --- */

/* Octets behind those that were kept to decide. */
static void feed_rest(struct sniff *s, struct slice in)
{
    if (s->format == SNIFF_COMPOUND) {
        feed_compound(s, in);
    } else if (s->format == SNIFF_RTF) {
        feed_rtf(s, in);
    } else if (s->format == SNIFF_UNKNOWN) {
        feed_image(s, in);
        keep_tail(s, in);
    }
    s->total += in.len;
}

bool sniff_feed(struct sniff *s, struct slice in)
{
    if (!s->decided) {
        struct slice part = slice_sub(in, 0, SNIFF_HEAD_MAX - s->head_n);
        memcpy(s->head + s->head_n, part.ptr, part.len);
        s->head_n += part.len;
        in = slice_from(in, part.len);
        if (s->head_n < SNIFF_HEAD_MAX) {
            return true;
        }
        decide(s);
        feed_rest(s, (struct slice){s->head, s->head_n});
    }
    if (in.len > 0) {
        feed_rest(s, in);
    }
    return !(s->format == SNIFF_PLAIN || s->format == SNIFF_ARCHIVE ||
             (s->format == SNIFF_UNKNOWN && s->kind != KIND_NONE) ||
             (s->format == SNIFF_RTF && s->objects) ||
             (s->format == SNIFF_COMPOUND && s->kind == KIND_INSTALLER));
}

void sniff_end(struct sniff *s)
{
    if (!s->decided) {
        decide(s);
        feed_rest(s, (struct slice){s->head, s->head_n});
    }
    struct slice tail = {s->tail, s->tail_n};
    if (s->format == SNIFF_UNKNOWN && s->kind == KIND_NONE &&
        s->tail_n == SNIFF_TAIL_MAX &&
        (slice_starts(tail, SLICE("conectix")) || slice_starts(tail, SLICE("koly")))) {
        s->kind = KIND_DISK_IMAGE;
    }
}
