/* base/id.c - see id.h */
#include "base/id.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* 32 signs, without i, l, o and u: nothing to misread aloud, and few words. */
static const char signs[] = "0123456789abcdefghjkmnpqrstvwxyz";

uint64_t id_new_session(void)
{
    static uint64_t pool[32]; /* 256 octets: what getrandom() never cuts short */
    static size_t left;
    uint64_t id = 0;
    while (id == 0) {
        if (left == 0) {
            if (getrandom(pool, sizeof pool, 0) != (ssize_t)sizeof pool) {
                abort();
            }
            left = sizeof pool / sizeof pool[0];
        }
        id = pool[--left] & ((UINT64_C(1) << 60) - 1);
        pool[left] = 0;
    }
    return id;
}

struct slice id_text(struct message_id id, char out[ID_TEXT_MAX])
{
    for (int i = ID_SESSION_LEN - 1; i >= 0; i--) {
        out[i] = signs[id.session & 31];
        id.session >>= 5;
    }
    out[ID_SESSION_LEN] = '\0';
    if (id.n != 0) {
        (void)snprintf(out + ID_SESSION_LEN, ID_TEXT_MAX - ID_SESSION_LEN, ".%" PRIu32,
                       id.n);
    }
    return slice_of(out);
}

bool id_parse(struct slice s, struct message_id *out)
{
    struct message_id id = {0};
    if (s.len < ID_SESSION_LEN) {
        return false;
    }
    for (size_t i = 0; i < ID_SESSION_LEN; i++) {
        const char *at = s.ptr[i] == '\0' ? NULL : strchr(signs, s.ptr[i]);
        if (at == NULL) {
            return false;
        }
        id.session = id.session << 5 | (uint64_t)(at - signs);
    }
    if (s.len > ID_SESSION_LEN) {
        uint64_t n = 0;
        struct slice digits = slice_from(s, ID_SESSION_LEN + 1);
        if (s.ptr[ID_SESSION_LEN] != '.' || !slice_u64(digits, &n) || n == 0 ||
            n > UINT32_MAX || digits.ptr[0] == '0') {
            return false;
        }
        id.n = (uint32_t)n;
    }
    if (id.session == 0) {
        return false;
    }
    *out = id;
    return true;
}
