/* delivery/delivery_try.c - a tool of the tests: orders from standard input, outcomes to
 * standard output, by the real code and one worker, whose connection is kept in between.
 *
 *   delivery_try lmtp unix:/path | delivery_try maildir /srv/mail/%d/%u
 *
 * A line in: sender, target,target..., flags, octets of filler, separated by blanks ("<>": no
 * sender). A line out for each target: D, T or F, the address, the reply; then "end". A filler
 * of -1 octets damages the message in the spool. */
#include "delivery/delivery_testlib.h"
#include "delivery/pool.h"

#include <string.h>

static struct slice word(struct slice *rest, unsigned char end)
{
    size_t n = slice_find(*rest, end);
    struct slice w = slice_sub(*rest, 0, n);
    *rest = slice_from(*rest, n + 1);
    return w;
}

static int message_file(struct job *j, struct slice filler)
{
    uint64_t octets = 0;
    struct buf b;
    buf_init(&b, 64U * 1024 * 1024);
    bool damage = slice_eq(filler, SLICE("-1"));
    if (!damage && !slice_u64(filler, &octets)) {
        return -1;
    }
    (void)buf_add_str(
        &b, "Subject: try\r\n\r\n.a line with a dot\r\n..\r\n.\r\nbare\nLF\r\n");
    while (octets >= 64) {
        (void)buf_add_fmt(&b, "%062u\r\n", (unsigned)octets);
        octets -= 64;
    }
    (void)buf_add_str(&b, "last");
    int fd = testlib_segment("/tmp", 0, SLICE("Received: by try\r\n"), buf_slice(&b), j);
    buf_clear(&b);
    if (damage && pwrite(fd, "!", 1, 70) != 1) {
        return -1;
    }
    return fd;
}

static struct pool_order *make_order(struct slice line, uint32_t n)
{
    static uint64_t session;
    struct job j = {.job = n, .segment = 1, .arrival_ms = 1700000000000};
    struct job_target target[JOB_TARGETS_MAX];
    struct buf payload;
    uint64_t flags = 0;
    session = session == 0 ? id_new_session() : session;
    j.id = (struct message_id){session, n};
    j.sender = word(&line, ' ');
    struct slice targets = word(&line, ' ');
    if (slice_eq(j.sender, SLICE("<>"))) {
        j.sender = SLICE("");
    }
    while (targets.len > 0 && j.target_n < JOB_TARGETS_MAX) {
        struct slice address = word(&targets, ',');
        target[j.target_n] = (struct job_target){j.target_n, 0, address, address};
        j.target_n++;
    }
    if (!slice_u64(word(&line, ' '), &flags)) {
        return NULL;
    }
    j.flags = (uint16_t)flags;
    int fd = message_file(&j, line);
    buf_init(&payload, JOB_PAYLOAD_MAX);
    job_write(&payload, &j);
    for (unsigned i = 0; i < j.target_n; i++) {
        job_write_target(&payload, &target[i]);
    }
    struct pool_order *o = pool_order_new(buf_slice(&payload));
    buf_clear(&payload);
    if (o != NULL) {
        o->fd = fd;
    }
    return o;
}

static void print_done(struct pool_order *o)
{
    struct job targets = o->job;
    struct job_target t;
    struct job_outcome out;
    struct wire_reader rest;
    uint64_t job = 0;
    uint16_t n = 0;
    if (!job_done_read(buf_slice(&o->done), &job, &n, &rest)) {
        exit(4);
    }
    while (job_next_target(&targets, &t) && job_done_next(&rest, &out)) {
        (void)printf("%c %.*s %.*s\n", "DTF"[out.result], (int)t.address.len,
                     (const char *)t.address.ptr, (int)out.reply.len,
                     (const char *)out.reply.ptr);
    }
    (void)puts("end");
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    struct lmtp_server server;
    struct maildir_store store = {.root = -1};
    struct pool_way way = {&store, NULL, "try.example.test", NULL};
    struct lmtp_link *link = NULL;
    struct maildir_work *work = maildir_work_new();
    char line[4096];
    if (argc != 3 || work == NULL) {
        return 2;
    }
    if (strcmp(argv[1], "lmtp") == 0) {
        way.lmtp = &server;
        link = lmtp_server_parse(argv[2], &server) ? lmtp_link_new(&server, way.hostname)
                                                   : NULL;
        if (link == NULL) {
            return 2;
        }
    } else if (maildir_open(&store, argv[2], "+", way.hostname) != NULL) {
        return 2;
    }
    for (uint32_t n = 1; fgets(line, sizeof line, stdin) != NULL; n++) {
        line[strcspn(line, "\n")] = 0;
        struct pool_order *o = make_order(slice_of(line), n);
        if (o == NULL) {
            return 2;
        }
        pool_run(&way, work, link, o);
        print_done(o);
        (void)close(o->fd);
        pool_order_free(&o);
    }
    if (link != NULL) {
        lmtp_link_end(link);
    }
    lmtp_link_free(&link);
    maildir_work_free(&work);
    maildir_close(&store);
    return 0;
}
