/* directory/cache.h - the directory's answers as a bounded cache in smtpd (pure: `now` given).
 *
 * Own     answers are copied in; what cache_get() gives is borrowed until the next call.
 * Limits  `max` entries, the least recently used one goes; an entry is good for
 *         DIR_CACHE_TTL_MS, or DIR_CACHE_QUOTA_TTL_MS when it depends on a mailbox's fullness.
 *         Faults are not kept. */
#ifndef DIRECTORY_CACHE_H
#define DIRECTORY_CACHE_H
#include "base/list.h"
#include "base/map.h"
#include "directory/answer.h"

enum { DIR_CACHE_TTL_MS = 60000, DIR_CACHE_QUOTA_TTL_MS = 3000 };

struct dir_cache {
    struct map map;
    struct list used; /* least recently used first */
    size_t max;
};

/* As asked in MSG_DIR_RCPT: all of it counts. */
struct dir_question {
    uint8_t service;
    struct slice local, domain;
};

void dir_cache_init(struct dir_cache *c, size_t max);
void dir_cache_clear(struct dir_cache *c);

/* True: *out is the answer (its cookie means nothing). */
MUST_USE bool dir_cache_get(struct dir_cache *c, const struct dir_question *q,
                            uint64_t now_ms, struct dir_answer *out);
/* payload: of the MSG_DIR_RCPT_IS that said so. */
void dir_cache_put(struct dir_cache *c, const struct dir_question *q, uint64_t now_ms,
                   struct slice payload);
#endif
