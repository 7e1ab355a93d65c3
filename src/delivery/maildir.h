/* delivery/maildir.h - a message into the Maildir of each of its targets.
 *
 * Source  the Maildir convention (tmp, new, cur), Maildir++ (",S=" in names, maildirsize).
 * File    "Return-Path: <sender>", "X-Original-To: given" (only when it differs from the
 *         address), "Delivered-To: address" (sub-address kept), our head, the message; lines end
 *         in LF, as readers on Unix expect. Mode 0600, directories 0700.
 * Name    <arrival, s>.P<session>N<n>T<target>.<host>,S=<octets>,W=<octets with CRLF>: the same
 *         whenever the same target is delivered, so that a delivery repeated after a crash
 *         finds what the first one left (in cur too when the job is flagged JOB_REPEATED) and
 *         does not deliver twice.
 * Durable written to tmp, synced, renamed to new, the directory synced; only then JOB_DELIVERED.
 *         What is visible in new is whole.
 * Folder  a job flagged JOB_JUNK goes to the folder Junk (".Junk", Maildir++), which is made.
 * Where   the outcome names the file, relative to the root.
 * I/O     blocking, below the root only; safe from several threads with one work area each.
 * Errors  in the outcome: disk full, faults, over quota are JOB_DEFERRED, the file in tmp is
 *         removed; an address no Maildir can have is JOB_FAILED. */
#ifndef DELIVERY_MAILDIR_H
#define DELIVERY_MAILDIR_H
#include "delivery/outcome.h"
#include "delivery/source.h"

enum { MAILDIR_HOST_MAX = 64 };

struct maildir_store {
    int root;          /* descriptor of the directory that all Maildirs are below */
    struct slice rest; /* template below it; borrowed from the setting */
    unsigned char separator;
    char host[MAILDIR_HOST_MAX + 1];
};

/* Opens the root and makes what is missing of it. setting stays borrowed. NULL, or what is
 * wrong. */
MUST_USE const char *maildir_open(struct maildir_store *m, const char *setting,
                                  const char *sub_address, const char *hostname);
void maildir_close(struct maildir_store *m);

struct maildir_work;
MUST_USE struct maildir_work *maildir_work_new(void);
void maildir_work_free(struct maildir_work **w);

/* One target. src was opened with SOURCE_OK; it is read from its start. */
void maildir_deliver(const struct maildir_store *m, struct maildir_work *w,
                     struct source *src, const struct job *j, const struct job_target *t,
                     struct outcome *out);

/* CRLF to LF over pieces of any size (pure). *cr: a CR came last, {false} at the start; to: at
 * least in.len + 1 octets. Returns how many were written; *lines counts LFs that had no CR
 * left in front (what ",W=" adds to the size). A bare CR stays as it is. */
MUST_USE size_t maildir_unix(bool *cr, struct slice in, unsigned char *to,
                             uint64_t *lines);
#endif
