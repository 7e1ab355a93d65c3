/* config/paths.h - where things lie below state-dir: the one list.
 *
 * Each role may touch only its own directory (proc/sandbox.c), so what one role writes
 * shares no directory with what another writes. The supervisor makes the directories;
 * the roles make the files. Put "<state-dir>/" in front. */
#ifndef CONFIG_PATHS_H
#define CONFIG_PATHS_H

#define STATE_LOCK         "lock"           /* held while a server runs here */
#define STATE_EMPTY        "empty"          /* root directory of smtpd; stays empty */
#define STATE_SPOOL        "spool"          /* queue */
#define STATE_QUEUE_DB     "spool/queue.db" /* addresses that no mail goes to */
#define STATE_TOLD         "spool/told" /* up to where the queue before us told of messages */
#define STATE_EVENTS       "spool/events"  /* what it told the trace role last */
#define STATE_JOB_KEY      "spool/job.key" /* by which the next queue knows our jobs */
#define STATE_PAUSES       "spool/pauses"  /* what does not go out for now */
#define STATE_SENT_DB      "spool/sent.db" /* return paths, and whom they stand for */
#define STATE_MAIL         "mail"          /* delivery, unless delivery.maildir */
#define STATE_DIRECTORY    "directory"     /* directory */
#define STATE_DIRECTORY_DB "directory/directory.db"  /* domains, users, aliases */
#define STATE_RATES        "directory/rate.snapshot" /* counts, for the next start */
#define STATE_TLS          "tls" /* delivery: MTA-STS policies, counts for TLS reports */
#define STATE_TRACE        "trace" /* trace */
#define STATE_HOOKS_DB                                                                   \
    "trace/webhook.db"                  /* where events are posted, and how far that is */
#define STATE_TRACE_DB "trace/trace.db" /* sessions and deliveries */
#define STATE_DKIM                                                                       \
    "dkim" /* DOMAIN/SELECTOR.pem: root alone; read before roles lose that */
#define STATE_CONTROL "control" /* NAME.sock, for the command line */
#endif
