/* content/unpack.h - what is in an archive that lies in memory: names and kinds of its files, those
 * of archives within it too.
 *
 * Source  zip, tar, cpio, 7z, rar, lha, and what gzip, bzip2, xz, lzma, lzip, compress and zstd
 *         make, by libarchive; winmail.dat (tnef.h). Names and first octets of files are looked at; only archives
 *         within it, office documents and RTF are unpacked as a whole.
 * I/O     none: octets come from memory, nothing is written, no program is started; the clock is
 *         read. libarchive is not ours, and what it reads is hostile: call this only where the
 *         process can do nothing else (smtpd's sandbox). unpack_prepare() in front of that.
 * Own     a file's slices are valid until the callback returns.
 * Limits  all of unpack_limits, over all that is nested; memory: the archive within, some KiB,
 *         and what libarchive takes for a format's window. */
#ifndef CONTENT_UNPACK_H
#define CONTENT_UNPACK_H
#include "content/sniff.h"

struct unpack_limits {
    unsigned depth;   /* archives within each other */
    unsigned entries; /* files in all */
    uint64_t octets;  /* unpacked in all */
    unsigned ratio;   /* octets unpacked for one of the archive */
    uint64_t time_ms;
};

struct unpack_file {
    struct slice place; /* "invoice.zip > a/b.exe" */
    struct slice
        name; /* "a/b.exe"; empty: it is not told (an encrypted list, the archive itself) */
    enum content_kind content; /* by its octets */
    bool encrypted, macros, objects;
};

enum unpack_outcome {
    UNPACK_DONE = 0,
    UNPACK_STOPPED,    /* by the callback */
    UNPACK_UNREADABLE, /* it is none, or damaged, or of a kind that is not known */
    UNPACK_BEYOND, /* more files, octets or time than allowed: not all was looked at */
    UNPACK_BOMB    /* nested too deep, or packed so densely that it means harm */
};

/* Before the sandbox: what the C library reads from files. False: memory is short. */
MUST_USE bool unpack_prepare(void);

/* name: of the archive. seen: false ends it. */
MUST_USE enum unpack_outcome
unpack_look(struct slice octets, struct slice name, const struct unpack_limits *limits,
            bool (*seen)(void *arg, const struct unpack_file *file), void *arg);
#endif
