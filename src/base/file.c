/* base/file.c - see file.h */
#include "base/file.h"

#include <errno.h>
#include <unistd.h>

enum { PIECE = 4096 };

bool file_read(int fd, struct buf *out)
{
    for (;;) {
        unsigned char *room = buf_room(out, PIECE);
        if (room == NULL) {
            errno = EFBIG;
            return false;
        }
        ssize_t n = read(fd, room, PIECE);
        if (n == 0) {
            return true;
        }
        if (n > 0) {
            buf_grew(out, (size_t)n);
        } else if (errno != EINTR) {
            return false;
        }
    }
}

bool file_write(int fd, struct slice s)
{
    while (s.len > 0) {
        ssize_t n = write(fd, s.ptr, s.len);
        if (n > 0) {
            s = slice_from(s, (size_t)n);
        } else if (n == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}
