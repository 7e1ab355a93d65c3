/* base/file.h - a whole file into memory, all of some octets into a file.
 *
 * I/O     read(), write() on the descriptor given; blocking.
 * Limits  the buffer's own. */
#ifndef BASE_FILE_H
#define BASE_FILE_H
#include "base/buf.h"

/* Appends what is left of it. False: errno says why; EFBIG: it is larger than the buffer may grow
 * (less than 4 KiB of room counts as none), or memory is short. */
MUST_USE bool file_read(int fd, struct buf *out);
/* Writes all of it. False: errno says why; part of it may stand there. */
MUST_USE bool file_write(int fd, struct slice s);
#endif
