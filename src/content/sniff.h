/* content/sniff.h - what a file is by its octets, seen once as they pass.
 *
 * Source  the formats' own marks: PE and NE, ELF, Mach-O, class files, shortcuts ([MS-SHLLINK]),
 *         compound files ([MS-CFB]: macros, installers), RTF objects, ISO 9660 and UDF, VHD, DMG,
 *         FAT images, cabinets, archives.
 * Pure.
 * Split   what is found does not depend on how the input is cut.
 * Limits  keeps SNIFF_HEAD_MAX octets of the beginning and 512 of the end. */
#ifndef CONTENT_SNIFF_H
#define CONTENT_SNIFF_H
#include "content/kind.h"

enum { SNIFF_HEAD_MAX = 4096, SNIFF_TAIL_MAX = 512 };

enum sniff_format {
    SNIFF_UNKNOWN = 0,
    SNIFF_PLAIN,   /* a picture, film, PDF ...: nothing in it that is looked for */
    SNIFF_ARCHIVE, /* for content/unpack.h */
    SNIFF_COMPOUND,
    SNIFF_RTF
};

struct sniff {
    bool decided; /* the beginning is complete */
    enum sniff_format format;
    enum content_kind kind;
    bool macros;  /* COMPOUND: has VBA */
    bool objects; /* RTF: has embedded objects */
    uint64_t total;
    size_t head_n, tail_n;
    size_t matched; /* RTF: octets of the word that it looks for */
    unsigned char head[SNIFF_HEAD_MAX], tail[SNIFF_TAIL_MAX];
    unsigned char entry[128]; /* COMPOUND: directory entry at the current place */
};

/* s begins all zero (the arrays need not). False: it has seen enough. */
bool sniff_feed(struct sniff *s, struct slice in);
/* The file is over: kind, macros, objects are final. */
void sniff_end(struct sniff *s);
#endif
