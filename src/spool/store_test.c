/* Tests of the store and the writer together: every state that a segment and a journal entry
 * may be in (docs/architecture.md, "Spool: legal states"), and a disk that refuses. */
#include "base/crc32c.h"
#include "base/log.h"
#include "spool/io_fault.h"
#include "spool/journal.h"
#include "spool/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct rig *r;

static int set_up(void **state)
{
    (void)state;
    r = calloc(1, sizeof *r);
    if (r == NULL) {
        return -1;
    }
    rig_begin(r, 1);
    return rig_open(r) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    rig_end(r);
    free(r);
    return 0;
}

static void reopen(void)
{
    rig_close(r);
    r->report_n = 0;
    assert_true(rig_open(r));
}

static struct rig_message *one(size_t len, unsigned target_n)
{
    struct rig_message *m = rig_commit(r, len, target_n);
    rig_run(r);
    return m;
}

static void finish(struct rig_message *m)
{
    rig_settle_all(r, m);
    rig_sync(r);
    rig_finish_done(r);
}

static void path_of(char out[256], const char *kind, uint64_t number)
{
    (void)snprintf(out, 256, "%s/%s-%016" PRIx64, r->dir, kind, number);
}

/* Changes octets of a segment behind the store's back. */
static void scribble(uint64_t segment, uint64_t off, const char *octets, size_t n)
{
    char path[256];
    path_of(path, "segment", segment);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0 && pwrite(fd, octets, n, (off_t)off) == (ssize_t)n);
    (void)close(fd);
}

static void commit_and_replay(void **state)
{
    (void)state;
    static const size_t lens[] = {0,
                                  1,
                                  7,
                                  8,
                                  9,
                                  2047,
                                  2048,
                                  2049,
                                  100000,
                                  SPOOL_SINGLE_OVER,
                                  SPOOL_SINGLE_OVER + 1,
                                  ((size_t)5 << 20) + 3};
    unsigned n = sizeof lens / sizeof lens[0];
    for (unsigned i = 0; i < n; i++) {
        assert_non_null(rig_commit(r, lens[i], 2));
    }
    rig_run(r);
    for (int again = 0; again < 3; again++) {
        for (unsigned i = 0; i < n; i++) {
            assert_true(r->message[i].ok);
            assert_int_equal(r->message[i].found, 1);
            assert_true(rig_intact(r, &r->message[i]));
        }
        reopen();
    }
    assert_int_equal(r->report_n, 0);
    assert_int_equal(spool_writer_memory(r->writer), 0);
}

static void one_group_many_messages(void **state)
{
    (void)state;
    (void)one(10, 1); /* the segment is there */
    unsigned long before = fault_calls();
    for (int i = 0; i < 100; i++) {
        assert_non_null(rig_commit(r, 10000, 1));
    }
    rig_run(r);
    /* One write, one sync. */
    assert_in_range(fault_calls() - before, 2, 4);
    for (unsigned i = 0; i < r->message_n; i++) {
        assert_true(rig_intact(r, &r->message[i]));
    }
}

static void settles_are_per_target(void **state)
{
    (void)state;
    struct rig_message *m = one(100, 3);
    rig_settle(r, m, 0);
    rig_settle(r, m, 2);
    rig_sync(r);
    reopen();
    assert_int_equal(m->found, 1);
    assert_int_equal(m->replayed, 5);
    struct spool_settle held = {
        .id = m->id, .target = 2, .outcome = SPOOL_HELD, .reply = SLICE("250 fine")};
    assert_true(spool_store_settle(r->store, &held));
    reopen();
    assert_int_equal(m->replayed, 1);
    rig_settle_all(r, m);
    reopen();
    assert_int_equal(m->found, 0);
}

static void drained_becomes_spare_and_is_used_again(void **state)
{
    (void)state;
    struct rig_message *m = one(500000, 1);
    uint64_t first = m->segment;
    rig_close_writer(r);
    assert_int_equal(rig_files(r, "segment-"), 1);
    finish(m);
    assert_int_equal(r->drained, 1);
    assert_int_equal(r->drained_last, first);
    assert_int_equal(rig_files(r, "segment-"), 0);
    assert_int_equal(rig_files(r, "spare-"), 1);
    reopen(); /* the new writer takes it at once */
    (void)one(10, 1);
    assert_int_equal(rig_files(r, "spare-"), 0);
    assert_int_equal(r->message[1].offset, 0);
    /* What stood in it before is no record now. */
    reopen();
    assert_int_equal(r->report_n, 0);
    assert_int_equal(m->found, 0);
    assert_int_equal(r->message[1].found, 1);
}

static void no_use_while_somebody_reads(void **state)
{
    (void)state;
    struct rig_message *m = one(5000, 1);
    rig_close_writer(r);
    int fd = spool_store_fd(r->store, m->segment);
    assert_true(fd >= 0);
    finish(m);
    assert_int_equal(rig_files(r, "spare-"), 1);
    rig_open_writer(r);
    (void)one(5000, 1);
    assert_int_equal(rig_files(r, "spare-"), 1);
    unsigned char magic[4];
    assert_int_equal(pread(fd, magic, 4, 0), 4); /* as it was */
    (void)close(fd);
    rig_close_writer(r);
    rig_open_writer(r);
    (void)one(5000, 1);
    assert_int_equal(rig_files(r, "spare-"), 0);
}

static void large_ones_are_removed(void **state)
{
    (void)state;
    struct rig_message *m = one((size_t)3 << 20, 1);
    assert_true(m->ok && rig_intact(r, m));
    unsigned before = rig_files(r, "segment-");
    finish(m);
    assert_int_equal(rig_files(r, "segment-"), before - 1);
    assert_int_equal(rig_files(r, "spare-"), 0);
}

static void damage_in_the_middle(void **state)
{
    (void)state;
    struct rig_message *a = one(3000, 1), *b = one(3000, 1), *c = one(3000, 1);
    struct rig_message *d = one(3000, 1);
    uint64_t segment = b->segment;
    rig_close(r);
    scribble(segment, b->offset + 1000, "XXXXXXXXXXXXXXXX", 16); /* its message */
    scribble(segment, c->offset + 8, "X", 1);                    /* its header */
    assert_true(rig_open(r));
    assert_int_equal(a->found, 1);
    assert_int_equal(b->found, 0);
    assert_int_equal(c->found, 0);
    assert_int_equal(d->found, 1);
    assert_true(rig_reported(r, "damaged"));
    char path[256];
    struct stat st;
    (void)snprintf(path, sizeof path, "%s/bad/segment-%016" PRIx64 "-%" PRIu64, r->dir,
                   segment, b->offset);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, d->offset - b->offset);
    reopen(); /* told once */
    assert_int_equal(r->report_n, 0);
    assert_int_equal(d->found, 1);
}

/* The last record, of a segment that was sealed: not a torn tail. */
static void damage_at_a_sealed_end(void **state)
{
    (void)state;
    (void)one(3000, 1);
    struct rig_message *m = one(3000, 1);
    rig_close(r);
    scribble(m->segment, m->offset + 100, "XXXXXXXXXXXXXXXX", 16);
    assert_true(rig_open(r));
    assert_int_equal(m->found, 0);
    assert_true(rig_reported(r, "damaged"));
}

static void file_beside(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", r->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

static void files_beside(void **state)
{
    (void)state;
    file_beside("sent.db-wal");
    file_beside("pauses");
    file_beside("told");
    file_beside("job.key");
    file_beside("events");
    reopen();
    assert_int_equal(r->report_n, 0);
    file_beside("core");
    reopen();
    assert_true(rig_reported(r, "not of the spool"));
}

static void torn_tail_of_an_open_segment(void **state)
{
    (void)state;
    struct rig_message *a = one(3000, 1), *b = one(3000, 1);
    /* As after a power cut: no journal has heard of the end. */
    fault_order(1, ULONG_MAX, FAULT_ERROR, EIO);
    rig_close(r);
    fault_none();
    scribble(b->segment, b->offset + 2000, "XXXXXXXXXXXXXXXX", 16);
    assert_true(rig_open(r));
    assert_int_equal(a->found, 1);
    assert_int_equal(b->found, 0);
    assert_true(rig_reported(r, "cut"));
    assert_false(rig_reported(r, "damaged"));
    reopen();
    assert_int_equal(r->report_n, 0);
    assert_int_equal(a->found, 1);
}

static void touch(const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", r->dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
}

/* What the queue keeps beside the segments is no surprise; anything else is named. */
static void strange_files_are_named(void **state)
{
    (void)state;
    static const char *const known[] = {"told", "told.new", "pauses", "queue.db-wal",
                                        "sent.db-shm"};
    (void)one(10, 1);
    rig_close(r);
    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
        touch(known[i]);
    }
    assert_true(rig_open(r));
    assert_int_equal(r->report_n, 0);
    rig_close(r);
    touch("letter.eml");
    assert_true(rig_open(r));
    assert_true(rig_reported(r, "letter.eml is not of the spool"));
}

/* A message that carries what would be a record, where a scan looks for one. */
static void no_forged_records(void **state)
{
    (void)state;
    (void)one(10, 1);
    struct rig_message *m = one(4096, 1);
    (void)one(10, 1);
    unsigned char raw[SPOOL_HEADER_LEN];
    /* Everything right but the random half of the segment's number. */
    struct spool_header h = {.segment = m->segment & UINT64_C(0xffffffff00000000),
                             .id = {77, RIG_MESSAGES}};
    spool_header_write(&h, raw);
    rig_close(r);
    for (uint64_t at = m->offset; at < m->offset + 4096; at += 64) {
        scribble(m->segment, at, (const char *)raw, sizeof raw);
    }
    assert_true(rig_open(r)); /* on_entry() would abort on the id */
    assert_int_equal(m->found, 0);
    assert_true(rig_reported(r, "damaged"));
}

static void journal_torn_and_damaged(void **state)
{
    (void)state;
    struct rig_message *a = one(100, 3);
    rig_settle(r, a, 0);
    rig_sync(r);
    rig_settle(r, a, 1);
    rig_sync(r);
    rig_close(r);
    /* The first outcome's entry: find it by its reply and break it. */
    char command[512];
    (void)snprintf(
        command, sizeof command,
        "f=$(ls %s/journal-*); o=$(grep -abo '250 fine' $f | head -1 | cut -d: -f1); "
        "printf X | dd of=$f bs=1 seek=$o conv=notrunc 2>/dev/null; "
        "printf 'half an entry' >> $f",
        r->dir);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test */
    assert_true(rig_open(r));
    assert_int_equal(a->found, 1);
    assert_int_equal(a->replayed, 2);
    assert_true(rig_reported(r, "damaged: journal"));
    assert_true(rig_reported(r, "cut: journal"));
    reopen();
    assert_int_equal(a->replayed, 2);
    assert_int_equal(r->report_n, 0);
    assert_int_equal(rig_files(r, "journal-"), 1);
}

/* One that was being written when the power failed: it has no COMPLETE and no say. */
static void incomplete_journal(void **state)
{
    (void)state;
    struct rig_message *m = one(100, 2);
    rig_settle(r, m, 0);
    rig_close(r);
    struct journal j = {.fd = -1, .number = UINT64_C(0x7000000012345678)};
    struct spool_settle s = {
        .id = m->id, .target = SPOOL_ALL_TARGETS, .outcome = SPOOL_DONE};
    struct buf b;
    buf_init(&b, 4096);
    journal_write_settle(&b, &j, &s);
    char path[256];
    path_of(path, "journal", j.number);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, b.ptr, b.len), b.len);
    assert_true(rig_open(r));
    assert_int_equal(m->found, 1);
    assert_int_equal(m->replayed, 1);
    assert_int_equal(rig_files(r, "journal-"), 1);
    reopen();
    assert_int_equal(m->replayed, 1);
    /* The same with its COMPLETE speaks for itself alone. */
    rig_close(r);
    j.number += UINT64_C(1) << 40;
    buf_reset(&b);
    journal_write_settle(&b, &j, &s);
    journal_write_complete(&b, &j);
    path_of(path, "journal", j.number);
    (void)close(fd);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, b.ptr, b.len), b.len);
    (void)close(fd);
    buf_clear(&b);
    assert_true(rig_open(r));
    assert_int_equal(m->found, 0);
}

/* The journal is the only thing lost: everything is there and everything is due again. */
static void no_journal(void **state)
{
    (void)state;
    struct rig_message *m = one(100, 2);
    rig_settle(r, m, 0);
    rig_close(r);
    char command[256];
    (void)snprintf(command, sizeof command, "rm %s/journal-*", r->dir);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test */
    assert_true(rig_open(r));
    assert_int_equal(m->found, 1);
    assert_int_equal(m->replayed, 0);
}

static void long_lived_few_are_moved(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        assert_non_null(rig_commit(r, 20000, 2));
    }
    rig_run(r);
    struct rig_message *keep = &r->message[30];
    rig_settle(r, keep, 1);
    uint64_t from = keep->segment;
    rig_close_writer(r);
    for (unsigned i = 0; i < r->message_n; i++) {
        if (i != 30) {
            rig_settle_all(r, &r->message[i]);
        }
    }
    rig_finish_done(r);
    spool_store_compact(r->store, 1000);
    assert_int_equal(r->moved, 0);
    spool_store_compact(r->store, 1000 + SPOOL_MOVE_AFTER_MS);
    assert_int_equal(r->moved, 1);
    assert_int_not_equal(keep->segment, from);
    assert_int_equal(r->drained_last, from);
    assert_true(rig_intact(r, keep));
    reopen();
    assert_int_equal(keep->found, 1);
    assert_int_equal(keep->replayed, 2);
    assert_true(rig_intact(r, keep));
    assert_int_equal(r->message[29].found, 0);
}

/* The old copy is still there, the new one is done and gone: nothing comes back. */
static void both_copies(void **state)
{
    (void)state;
    struct rig_message *m = one(2000, 1);
    char from[256], keep[256], command[1024];
    for (int i = 0; i < 9; i++) {
        (void)one(20000, 1);
    }
    rig_close_writer(r);
    for (unsigned i = 1; i < r->message_n; i++) {
        rig_settle_all(r, &r->message[i]);
    }
    rig_finish_done(r);
    path_of(from, "segment", m->segment);
    (void)snprintf(keep, sizeof keep, "%.100s/copy", r->root);
    (void)snprintf(command, sizeof command, "cp --sparse=always %s %s", from, keep);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test */
    spool_store_compact(r->store, 1);
    spool_store_compact(r->store, 1 + SPOOL_MOVE_AFTER_MS);
    assert_int_equal(r->moved, 1);
    rig_close(r);
    (void)snprintf(command, sizeof command, "mv %s %s", keep, from);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test */
    assert_true(rig_open(r));
    assert_int_equal(m->found, 1);
    assert_true(rig_intact(r, m));
    finish(m);
    reopen();
    assert_int_equal(m->found, 0);
}

/* A sync fails: the journal is written anew. */
static void rewrite_journal(void)
{
    rig_settle_all(r, &r->message[r->message_n - 1]);
    fault_order(1, 1, FAULT_ERROR, EIO);
    assert_false(spool_store_sync(r->store));
    assert_true(spool_store_sync(r->store));
}

/* Copies of messages that are done and gone lie beside messages that are not done. */
static void done_after_they_were_moved_and_dropped(void **state)
{
    (void)state;
    for (int i = 0; i < 400; i++) {
        assert_non_null(rig_commit(r, i < 100 ? 20000 : 10, 1));
    }
    rig_run(r);
    rig_close_writer(r);
    for (unsigned i = 0; i < 100; i++) {
        rig_settle_all(r, &r->message[i]);
    }
    rig_finish_done(r);
    spool_store_compact(r->store, 1);
    spool_store_compact(r->store, 1 + SPOOL_MOVE_AFTER_MS);
    uint64_t from = r->message[0].segment;
    unsigned drained = r->drained;
    /* Moved copies fill their segment no more than once: close it by a failing write. */
    for (unsigned i = 100; i < r->message_n; i++) {
        if (r->message[i].segment != from) {
            rig_settle_all(r, &r->message[i]);
        }
    }
    rig_sync(r);
    fault_order(1, 1, FAULT_ERROR, EIO);
    spool_store_compact(r->store, 2 + SPOOL_MOVE_AFTER_MS);
    rig_finish_done(r);
    assert_int_equal(r->drained, drained + 1);
    rewrite_journal();
    reopen();
    for (unsigned i = 0; i < r->message_n; i++) {
        assert_int_equal(r->message[i].found, r->message[i].settled == 0);
    }
}

/* The sync of a group fails: its records may be on the disk, but nobody will find them. */
static void refused_is_not_found(void **state)
{
    (void)state;
    struct rig_message *a = one(1000, 1);
    fault_order(2, 1, FAULT_ERROR, EIO);
    struct rig_message *b = one(1000, 1);
    assert_true(b->failed);
    struct rig_message *c = one(1000, 1);
    assert_true(c->ok);
    assert_int_not_equal(c->segment,
                         a->segment); /* a file with a failed sync is left alone */
    rig_close(r);
    char command[256]; /* no journal knows where that segment ends */
    (void)snprintf(command, sizeof command, "rm %s/journal-*", r->dir);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test */
    assert_true(rig_open(r));
    assert_int_equal(a->found, 1);
    assert_int_equal(b->found, 0);
    assert_int_equal(c->found, 1);
}

static void writer_died(void **state)
{
    (void)state;
    struct rig_message *a = one(1000, 1);
    r->deaf = true;
    struct rig_message *b = one(1000, 1);
    assert_true(b->ok);
    assert_int_equal(b->found, 0);
    spool_store_orphans(r->store); /* it lives: nothing happens */
    assert_int_equal(b->found, 0);
    rig_close_writer(r); /* its seal is lost as well */
    r->deaf = false;
    spool_store_orphans(r->store);
    assert_int_equal(b->found, 1);
    assert_int_equal(a->found, 1);
    assert_true(rig_intact(r, b));
    finish(a);
    finish(b);
    assert_true(r->drained >= 1);
}

/* The queue role dies and comes back while a writer is at work. */
static void queue_died(void **state)
{
    (void)state;
    struct rig_message *a = one(1000, 1);
    r->deaf = true;
    struct rig_message *b = one(1000, 1);
    spool_store_close(&r->store);
    struct rig_message *c = one(1000, 1); /* the disk is all the writer needs */
    struct spool_writer *w = r->writer;
    struct event_base *base = r->base;
    assert_true(rig_open(r)); /* makes a second writer: as another smtpd would be */
    assert_int_equal(a->found + b->found + c->found, 3);
    rig_close_writer(r);
    r->writer = w;
    r->base = base;
    struct rig_message *d = one(1000, 1); /* its notice is lost */
    assert_true(d->ok && d->found == 0);
    r->deaf = false;
    spool_writer_reconnected(r->writer);
    struct rig_message *e = one(1000, 1);
    assert_int_equal(d->found, 1);
    assert_int_equal(e->found, 1);
    assert_int_not_equal(e->segment, d->segment);
    assert_int_equal(r->report_n, 0);
}

static void count_entry(void *arg, const struct spool_entry *e)
{
    (void)e;
    ++*(unsigned *)arg;
}
static void no_report(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

static void write_and_leave(void *arg, const struct spool_settle *s)
{
    (void)arg;
    (void)s;
    assert_true(one(1000, 1)->ok);
    rig_close_writer(r);
}

/* A segment that was read while its writer lived is read again when he is gone, before
 * anything is made of what it holds. */
static void writer_leaves_while_the_queue_starts(void **state)
{
    (void)state;
    struct rig_message *a = one(1000, 2);
    rig_settle(r, a, 0);
    rig_sync(r);
    r->deaf = true;
    spool_store_close(&r->store);
    unsigned n = 0;
    const char *error = NULL;
    /* settle is called between the reading of segments and what is made of them */
    const struct spool_store_ops ops = {
        .entry = count_entry, .settle = write_and_leave, .report = no_report};
    struct spool_store *s =
        spool_store_open(r->dir, false, RIG_SEGMENT, &ops, &n, &error);
    assert_non_null(s);
    spool_store_orphans(s);
    assert_int_equal(n, 2);
    spool_store_close(&s);
}

static void nobody_seals_a_live_segment(void **state)
{
    (void)state;
    struct rig_message *m = one(1000, 1);
    spool_store_seal(r->store, m->segment, 0);
    assert_true(rig_reported(r, "while a writer has it"));
    assert_true(one(1000, 1)->ok);
    assert_false(spool_store_read(r->store, m->segment, 8));
    assert_false(spool_store_read(r->store, m->segment, UINT64_C(1) << 60));
    assert_false(spool_store_read(r->store, 12345, 0));
}

static void no_segments_to_be_had(void **state)
{
    (void)state;
    rig_close_writer(r);
    r->refuse = true;
    rig_open_writer(r);
    struct rig_message *m = one(100, 1);
    assert_true(m->failed);
    assert_int_equal(spool_writer_state(r->writer), SPOOL_DISK_FULL);
    m = rig_commit(r, (size_t)2 * SPOOL_SINGLE_OVER, 1);
    rig_run(r);
    assert_true(m->failed);
    r->refuse = false;
    for (int i = 0; i < 300 && spool_writer_state(r->writer) != SPOOL_READY; i++) {
        (void)usleep(10000); /* it asks again every second */
        rig_turn(r);
    }
    assert_int_equal(spool_writer_state(r->writer), SPOOL_READY);
    assert_true(one(100, 1)->ok);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    struct spool_message *m[100];
    static unsigned char mebi[1024 * 1024];
    unsigned n = 0;
    for (; n < 100; n++) {
        m[n] = spool_message_new(r->writer, (struct message_id){9, n + 1}, NULL, NULL);
        if (spool_message_add(m[n], (struct slice){mebi, sizeof mebi}) != SPOOL_OK) {
            break;
        }
    }
    assert_in_range(n, 60, 64);
    assert_true(spool_writer_memory(r->writer) <= 64 * sizeof mebi);
    for (unsigned i = 0; i <= n; i++) {
        spool_message_free(&m[i]);
    }
    assert_int_equal(spool_writer_memory(r->writer), 0);
}

static void never_called(void *arg, enum spool_res res)
{
    (void)arg;
    (void)res;
    fail_msg("done() of a message that was abandoned");
}

static void abandoned(void **state)
{
    (void)state;
    static unsigned char piece[200000];
    for (unsigned i = 0; i < 24; i++) {
        struct spool_message *m =
            spool_message_new(r->writer, (struct message_id){9, i + 1}, NULL, NULL);
        for (unsigned n = 0; n < i % 12; n++) { /* up to 2.2 MB: streamed */
            enum spool_res res =
                spool_message_add(m, (struct slice){piece, sizeof piece});
            assert_int_not_equal(res, SPOOL_FAIL);
            if (n % 3 == 0) {
                rig_turn(r);
            }
        }
        if (i % 2 == 0) {
            rig_turn(r);
        }
        if (i == 3 || i == 11) { /* a small one and a large one; the others end before */
            spool_message_commit(m, 1, SLICE(""), SLICE(""), never_called);
        }
        spool_message_free(&m);
    }
    rig_close_writer(r);
    assert_int_equal(rig_files(r, "segment-"), 2);
}

/* Everything goes wrong once, at every call: nothing that was said to be kept is lost, and
 * the next message is kept again. */
static void some_work(void)
{
    unsigned first = r->message_n;
    for (int i = 0; i < 4; i++) {
        (void)rig_commit(r, i == 2 ? SPOOL_SINGLE_OVER + 5000 : 1000, 2);
        if (i != 0) {
            rig_run(r);
        }
    }
    for (unsigned i = first; i < r->message_n; i++) {
        struct rig_message *m = &r->message[i];
        assert_true(m->ok != m->failed);
        assert_int_equal(m->found, m->ok);
        if (m->ok) {
            rig_settle(r, m, 0);
            rig_sync(r);
        }
    }
}

static void every_call_fails(int error, enum fault_kind kind, unsigned long count)
{
    for (unsigned long nth = 1; nth <= 20; nth++) {
        fault_order(nth, count, kind, error);
        some_work();
        fault_order(1, 0, kind, error); /* peace */
        for (int i = 0; i < 300 && spool_writer_state(r->writer) != SPOOL_READY; i++) {
            (void)usleep(10000);
            rig_turn(r);
        }
        rig_sync(r);
        assert_true(one(1000, 1)->ok);
        if (nth % 4 != 0) {
            continue;
        }
        reopen();
        for (unsigned i = 0; i < r->message_n; i++) {
            struct rig_message *m = &r->message[i];
            assert_int_equal(m->found, m->ok);
            assert_true(!m->ok || rig_intact(r, m));
            assert_int_equal(m->synced & ~m->replayed, 0);
        }
    }
    assert_true(fault_hits() >= 18);
    assert_false(rig_reported(r, "damaged"));
}

static void errors_once(void **state)
{
    (void)state;
    every_call_fails(EIO, FAULT_ERROR, 1);
}

static void disk_full(void **state)
{
    (void)state;
    every_call_fails(ENOSPC, FAULT_ERROR, 3);
}

static void short_writes(void **state)
{
    (void)state;
    every_call_fails(ENOSPC, FAULT_SHORT, 1);
}

static void opens_on_a_full_disk(void **state)
{
    (void)state;
    struct rig_message *m = one(1000, 2);
    rig_settle(r, m, 0);
    rig_sync(r);
    rig_close(r);
    /* A journal that must be written anew and cannot be. */
    char command[256];
    (void)snprintf(command, sizeof command, "printf xxxx >> $(ls %s/journal-*)", r->dir);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test */
    fault_order(1, ULONG_MAX, FAULT_ERROR, ENOSPC);
    assert_true(rig_open(r));
    assert_int_equal(m->found, 1);
    assert_int_equal(m->replayed, 1);
    rig_settle(r, m, 1);
    assert_int_equal(m->settled, 1); /* refused */
    assert_false(spool_store_sync(r->store));
    fault_order(1, 0, FAULT_ERROR, 0);
    assert_true(spool_store_sync(r->store));
    rig_settle(r, m, 1);
    assert_int_equal(m->settled, 3);
    rig_sync(r);
    reopen();
    assert_int_equal(m->replayed, 3);
}

static void locked(void **state)
{
    (void)state;
    const char *error = NULL;
    static const struct spool_store_ops none = {0};
    assert_null(spool_store_open(r->dir, false, RIG_SEGMENT, &none, NULL, &error));
    assert_string_equal(error, "the spool is in use");
}

static void no_settle(void *arg, const struct spool_settle *s)
{
    (void)arg;
    (void)s;
}

static void read_only_changes_nothing(void **state)
{
    (void)state;
    struct rig_message *m = one(1000, 1);
    (void)one(1000, 1);
    fault_order(1, ULONG_MAX, FAULT_ERROR, EIO);
    rig_close(r); /* not sealed */
    fault_none();
    scribble(m->segment, m->offset + 500, "XXXXXXXXXXXXXXXX", 16);
    unsigned n = 0;
    const char *error = NULL;
    const struct spool_store_ops ops = {
        .entry = count_entry, .settle = no_settle, .report = no_report};
    unsigned long before = fault_calls();
    struct spool_store *s = spool_store_open(r->dir, true, RIG_SEGMENT, &ops, &n, &error);
    assert_non_null(s);
    spool_store_close(&s);
    assert_int_equal(n, 1);
    assert_int_equal(fault_calls(), before);
}

static void journal_is_written_anew(void **state)
{
    (void)state;
    struct rig_message *m = one(1000, 3);
    struct rig_message *gone = one(1000, 1);
    struct spool_settle s = {
        .id = m->id, .target = 1, .outcome = SPOOL_PENDING, .reply = SLICE("250 fine")};
    rig_settle(r, m, 0);
    finish(gone);
    for (int i = 0; i < 300000; i++) {
        s.attempts++;
        s.id = i % 4 == 0 ? m->id : (struct message_id){77, 1000};
        assert_true(spool_store_settle(r->store, &s));
    }
    char path[256], command[300];
    (void)snprintf(path, sizeof path, "%s/journal-*", r->dir);
    (void)snprintf(command, sizeof command, "test $(stat -c %%s %s) -gt 16777216", path);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test */
    spool_store_compact(r->store, 1);
    (void)snprintf(command, sizeof command, "test $(stat -c %%s %s) -lt 8000000", path);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test */
    assert_int_equal(rig_files(r, "journal-"), 1);
    reopen();
    assert_int_equal(m->replayed, 1);
    assert_int_equal(gone->found, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(commit_and_replay),
        T(one_group_many_messages),
        T(settles_are_per_target),
        T(drained_becomes_spare_and_is_used_again),
        T(no_use_while_somebody_reads),
        T(large_ones_are_removed),
        T(damage_in_the_middle),
        T(damage_at_a_sealed_end),
        T(files_beside),
        T(torn_tail_of_an_open_segment),
        T(strange_files_are_named),
        T(no_forged_records),
        T(journal_torn_and_damaged),
        T(incomplete_journal),
        T(no_journal),
        T(long_lived_few_are_moved),
        T(both_copies),
        T(done_after_they_were_moved_and_dropped),
        T(refused_is_not_found),
        T(writer_died),
        T(queue_died),
        T(writer_leaves_while_the_queue_starts),
        T(nobody_seals_a_live_segment),
        T(no_segments_to_be_had),
        T(memory_is_bounded),
        T(abandoned),
        T(errors_once),
        T(disk_full),
        T(short_writes),
        T(opens_on_a_full_disk),
        T(locked),
        T(read_only_changes_nothing),
        T(journal_is_written_anew),
    };
    return cmocka_run_group_tests_name("spool/store", tests, NULL, NULL);
}
