/* spool/rig.c - see rig.h */
#include "spool/rig.h"

#include "base/clock.h"
#include "base/log.h"
#include "spool/io_fault.h"

#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RIG_SESSION = 77, RIG_PATIENCE_MS = 20000 };

/* ---- callbacks of store and writer ---- */

static struct rig_message *by_id(struct rig *r, struct message_id id)
{
    BUG_ON(id.session != RIG_SESSION || id.n == 0 || id.n > r->message_n);
    return &r->message[id.n - 1];
}

static void on_entry(void *arg, const struct spool_entry *e)
{
    if (e->header.id.session != RIG_SESSION) {
        return; /* a test's own */
    }
    struct rig_message *m = by_id(arg, e->header.id);
    struct spool_envelope envelope;
    BUG_ON(!spool_envelope_open(e->envelope, &envelope) ||
           envelope.recipient_n != m->target_n);
    m->found++;
    m->segment = e->segment;
    m->offset = e->offset;
    m->header = e->header;
}

static void on_settle(void *arg, const struct spool_settle *s)
{
    struct rig_message *m = by_id(arg, s->id);
    BUG_ON(!slice_eq(s->reply, SLICE("250 fine")) && s->target != SPOOL_ALL_TARGETS);
    unsigned bits =
        s->target == SPOOL_ALL_TARGETS ? (1U << m->target_n) - 1 : 1U << s->target;
    m->replayed = s->outcome == SPOOL_DONE ? m->replayed | bits : m->replayed & ~bits;
}

static void on_moved(void *arg, struct message_id id, uint64_t segment, uint64_t offset)
{
    struct rig *r = arg;
    struct rig_message *m = by_id(r, id);
    m->segment = segment;
    m->offset = offset;
    r->moved++;
}

static void on_drained(void *arg, uint64_t segment)
{
    struct rig *r = arg;
    r->drained++;
    r->drained_last = segment;
}

static void on_report(void *arg, const char *text)
{
    struct rig *r = arg;
    if (r->report_n < RIG_REPORTS) {
        (void)snprintf(r->report[r->report_n++], sizeof r->report[0], "%s", text);
    }
}

static const struct spool_store_ops store_ops = {on_entry, on_settle, on_moved,
                                                 on_drained, on_report};

static void on_ask(void *arg, uint64_t cookie, uint64_t octets)
{
    struct rig *r = arg;
    uint64_t segment = 0, capacity = 0;
    int fd = -1;
    r->asked++;
    if (r->deaf) {
        return;
    }
    if (r->refuse || !spool_store_create(r->store, octets, &segment, &capacity, &fd)) {
        spool_writer_refuse(r->writer, cookie, SPOOL_DISK_FULL);
        return;
    }
    spool_writer_give(r->writer, cookie, segment, capacity, fd);
}

static void on_spooled(void *arg, const struct spool_place *place, size_t n)
{
    struct rig *r = arg;
    for (size_t i = 0; i < n && !r->deaf; i++) {
        r->noticed++;
        BUG_ON(!spool_store_read(r->store, place[i].segment, place[i].offset));
    }
}

static void on_sealed(void *arg, uint64_t segment, uint64_t end)
{
    struct rig *r = arg;
    if (!r->deaf) {
        spool_store_seal(r->store, segment, end);
    }
}

static const struct spool_writer_ops writer_ops = {on_ask, on_spooled, on_sealed};

static void on_done(void *arg, enum spool_res res)
{
    struct rig_message *m = arg;
    m->ok = res == SPOOL_OK;
    m->failed = !m->ok;
    m->rig->waiting--;
    spool_message_free(&m->m);
}

/* ---- directories ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

static void name_life(struct rig *r)
{
    (void)snprintf(r->dir, sizeof r->dir, "%s/life-%u", r->root, r->life);
}

void rig_begin(struct rig *r, uint64_t seed)
{
    memset(r, 0, sizeof *r);
    fault_none();
    r->random = seed;
    /* In memory where that is possible: nothing here is really synced. */
    (void)snprintf(r->root, sizeof r->root, "%s/spool-test-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    BUG_ON(mkdtemp(r->root) == NULL);
    name_life(r);
}

void rig_end(struct rig *r)
{
    rig_close(r);
    fault_none();
    (void)nftw(r->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

bool rig_open(struct rig *r)
{
    for (unsigned i = 0; i < r->message_n; i++) {
        r->message[i].found = r->message[i].replayed = 0;
    }
    r->store = spool_store_open(r->dir, false, RIG_SEGMENT, &store_ops, r, &r->error);
    if (r->store == NULL) {
        return false;
    }
    rig_open_writer(r);
    return true;
}

void rig_open_writer(struct rig *r)
{
    r->base = event_base_new();
    r->writer = spool_writer_new(r->base, UINT64_C(64) << 20, &writer_ops, r);
    BUG_ON(r->writer == NULL || !spool_writer_start(r->writer));
}

void rig_close_writer(struct rig *r)
{
    if (r->writer != NULL) {
        spool_writer_free(&r->writer);
        event_base_free(r->base);
        r->base = NULL;
    }
}

void rig_close(struct rig *r)
{
    rig_close_writer(r);
    spool_store_close(&r->store);
}

void rig_lose_power(struct rig *r)
{
    fault_cut_at(0);
    rig_close(r);
    r->life++;
    name_life(r);
    fault_survivors(r->dir);
    fault_none();
}

/* ---- messages ---- */

uint32_t rig_draw(struct rig *r, uint32_t below)
{
    r->random = r->random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((r->random >> 33) % below);
}

/* The octets of message n from off on; now and then they look like a record's beginning.
 */
static void content(uint32_t n, size_t off, unsigned char *out, size_t len)
{
    static const unsigned char magic[] = {'P', 'S', 'R', '1'};
    for (size_t i = 0; i < len; i++) {
        size_t at = off + i;
        uint32_t word = (uint32_t)(at / 8) * 2654435761U + n * 40503U;
        out[i] = word % 64 == 0 && at % 8 < 4 ? magic[at % 8]
                                              : (unsigned char)(word >> (at % 4 * 8));
    }
}

static void make_envelope(struct buf *b, unsigned target_n)
{
    struct spool_recipient to[16];
    for (unsigned i = 0; i < target_n; i++) {
        to[i] =
            (struct spool_recipient){SLICE("u@x.test"), SLICE("u@x.test"), SPOOL_LOCAL};
    }
    spool_envelope_begin(b, 0, 0, SLICE("s@y.test"), SLICE("127.0.0.1"), SLICE("h"),
                         SLICE(""));
    spool_envelope_recipients(b, to, (uint16_t)target_n);
}

static void on_resume(void *arg)
{
    (void)arg; /* add_all() asks again by itself */
}

static bool add_all(struct rig *r, struct rig_message *m)
{
    unsigned char piece[8192];
    uint64_t begin = clock_mono_ms();
    for (size_t off = 0; off < m->len;) {
        size_t n = m->len - off < sizeof piece ? m->len - off : sizeof piece;
        content(m->id.n, off, piece, n);
        enum spool_res res = spool_message_add(m->m, (struct slice){piece, n});
        BUG_ON(clock_mono_ms() - begin > RIG_PATIENCE_MS);
        if (res == SPOOL_FAIL) {
            return false;
        }
        if (res == SPOOL_WAIT) {
            (void)event_base_loop(r->base, EVLOOP_ONCE);
        }
        off += res == SPOOL_OK ? n : 0;
    }
    return true;
}

struct rig_message *rig_commit(struct rig *r, size_t len, unsigned target_n)
{
    BUG_ON(r->message_n == RIG_MESSAGES || target_n > 16);
    struct rig_message *m = &r->message[r->message_n++];
    *m = (struct rig_message){
        .rig = r, .id = {RIG_SESSION, r->message_n}, .len = len, .target_n = target_n};
    m->m = spool_message_new(r->writer, m->id, on_resume, m);
    BUG_ON(m->m == NULL);
    if (!add_all(r, m)) {
        m->failed = true;
        spool_message_free(&m->m);
        return m;
    }
    struct buf b;
    buf_init(&b, 4096);
    make_envelope(&b, target_n);
    m->committed = true;
    r->waiting++;
    spool_message_commit(m->m, 1, buf_slice(&b), SLICE("Received: x\r\n"), on_done);
    buf_clear(&b);
    return m;
}

void rig_turn(struct rig *r)
{
    (void)event_base_loop(r->base, EVLOOP_NONBLOCK);
}

void rig_run(struct rig *r)
{
    uint64_t begin = clock_mono_ms();
    while (r->waiting > 0) {
        BUG_ON(clock_mono_ms() - begin > RIG_PATIENCE_MS);
        (void)event_base_loop(r->base, EVLOOP_ONCE);
    }
}

static void settle(struct rig *r, struct rig_message *m, uint16_t target, unsigned bits)
{
    struct spool_settle s = {.id = m->id,
                             .target = target,
                             .outcome = SPOOL_DONE,
                             .attempts = 1,
                             .next_ms = 5,
                             .reply = SLICE("250 fine")};
    if (spool_store_settle(r->store, &s)) {
        m->settled |= bits;
    }
}

void rig_settle(struct rig *r, struct rig_message *m, unsigned target)
{
    settle(r, m, (uint16_t)target, 1U << target);
}

void rig_settle_all(struct rig *r, struct rig_message *m)
{
    settle(r, m, SPOOL_ALL_TARGETS, (1U << m->target_n) - 1);
}

void rig_sync(struct rig *r)
{
    if (!spool_store_sync(r->store)) {
        return;
    }
    for (unsigned i = 0; i < r->message_n; i++) {
        r->message[i].synced = r->message[i].settled;
    }
}

void rig_finish_done(struct rig *r)
{
    for (unsigned i = 0; i < r->message_n; i++) {
        struct rig_message *m = &r->message[i];
        if (m->found > 0 && !m->finished && m->settled == (1U << m->target_n) - 1) {
            m->finished = true;
            spool_store_done(r->store, m->id);
        }
    }
}

bool rig_intact(struct rig *r, const struct rig_message *m)
{
    unsigned char want[4096], have[4096], raw[SPOOL_HEADER_LEN];
    struct spool_header h;
    int fd = spool_store_fd(r->store, m->segment);
    bool ok = fd >= 0 &&
              pread(fd, raw, sizeof raw, (off_t)m->offset) == (ssize_t)sizeof raw &&
              spool_header_read((struct slice){raw, sizeof raw}, m->segment, &h) ==
                  SPOOL_HEADER_OK &&
              h.message_len == m->len && h.id.n == m->id.n;
    for (size_t off = 0; ok && off < m->len; off += sizeof want) {
        size_t n = m->len - off < sizeof want ? m->len - off : sizeof want;
        content(m->id.n, off, want, n);
        ok = pread(fd, have, n, (off_t)(m->offset + SPOOL_HEADER_LEN + off)) ==
                 (ssize_t)n &&
             memcmp(want, have, n) == 0;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

unsigned rig_files(const struct rig *r, const char *kind)
{
    DIR *d = opendir(r->dir);
    const struct dirent *e = NULL;
    unsigned n = 0;
    while (d != NULL && (e = readdir(d)) != NULL) {
        n += strncmp(e->d_name, kind, strlen(kind)) == 0;
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    return n;
}

bool rig_reported(const struct rig *r, const char *word)
{
    for (unsigned i = 0; i < r->report_n; i++) {
        if (strstr(r->report[i], word) != NULL) {
            return true;
        }
    }
    return false;
}
