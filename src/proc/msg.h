/* proc/msg.h - every message that roles say to each other: the one table.
 *
 * Format  one SOCK_SEQPACKET datagram: u32 length of the payload, u16 type, u16 zero, then
 *         the payload (base/wire.h, layout in the comment of its row). At most one file
 *         descriptor travels with a message, only where the row says so.
 * Errors  a message whose type is unknown, whose sender or receiver the row does not name,
 *         whose size is out of bounds, or whose payload does not decode, ends the role that
 *         sent it: the receiver's role loop (proc/role.h) sends MSG_ACCUSE, the supervisor
 *         kills and restarts the accused.
 * Trust   smtpd and delivery touch hostile bytes. They may accuse nobody; what they say is
 *         checked by whoever hears it. */
#ifndef PROC_MSG_H
#define PROC_MSG_H
#include "base/wire.h"

#define ROLES(X) X(supervisor) X(smtpd) X(directory) X(queue) X(delivery) X(trace)
#define X(r)     ROLE_##r,
enum role { ROLES(X) ROLE_COUNT };
#undef X
const char *role_name(enum role role);

enum msg_rules { MSG_RULES_LAST = 0, MSG_RULES_FAULT, MSG_RULES_MORE };

enum {
    MSG_HEAD_LEN = 8,
    MSG_PAYLOAD_MAX = 65536, /* octets */
    MSG_JOB_TARGETS_MAX =
        64, /* recipients of one message handed to one delivery at once */
};

#define R_SUP (1U << ROLE_supervisor)
#define R_SMT (1U << ROLE_smtpd)
#define R_DIR (1U << ROLE_directory)
#define R_QUE (1U << ROLE_queue)
#define R_DEL (1U << ROLE_delivery)
#define R_TRC (1U << ROLE_trace)
#define R_ALL (R_SMT | R_DIR | R_QUE | R_DEL | R_TRC)

/* name, from, to, least and most octets of payload, carries a descriptor?
 *
 * READY          -                 the role is sandboxed and serves
 * PEER           u8 role u8 index  + descriptor: your new channel to that peer
 * JOINED         -                 all peers that were there when you were started have been named
 * DRAIN          u32 ms            finish what runs, take nothing new, exit 0 in that time
 * ACCUSE         u8 role u8 index  that peer sent what it may not
 * DIR_RCPT       u64 cookie u8 service text local text domain (A-labels, lower case)
 * DIR_RCPT_IS    see directory/answer.h
 * DIR_MAIL       see directory/mail.h
 * DIR_MAIL_IS    see directory/mail.h
 * DIR_AUTH       see directory/login.h
 * DIR_AUTH_IS    see directory/login.h
 * DIR_RULES      u8 1: of its senders, 0: of mail to it; text domain (as in DIR_RCPT)
 * DIR_RULES_IS   the same; u8 enum msg_rules; u32 octets of the rules that were said before; then the
 *                rules (rule/rule.h), or a part of them: the next message has what follows
 * DIR_CHANGED    u64 generation    forget what you cached
 * SEGMENT_ASK    u64 cookie u64 octets needed (0: an ordinary shared segment)
 * SEGMENT_GIVE   u64 cookie u64 segment u64 capacity + descriptor, open for writing, empty
 * SEGMENT_NONE   u64 cookie u8 enum spool_state
 * SPOOLED        n x (u64 segment u64 offset): durable records, new to the queue
 * SEGMENT_SEAL   u64 segment u64 end: nothing follows there
 * SPOOL_STATE    u8 enum spool_state: take mail, or answer 4yz and why
 * SEGMENT_OPEN   u64 segment + descriptor, open for reading
 * SEGMENT_CLOSE  u64 segment
 * JOB            see queue/job.h
 * JOB_DONE       see queue/job.h
 * JOB_KEPT       n x u64 job: its outcomes are on disk, and need not be told again
 * JOB_HELD       see queue/job.h
 * JOBS_TOLD      -                 all that this process held when the queue came has been told
 * SUPPRESS_ASK   u64 cookie text account text address: is it suppressed (queue/suppress.h)?
 * SUPPRESS_IS    u64 cookie u8 enum suppress_res text why
 * PAUSE          see queue/pause.h
 * RETURN_ASK     u64 cookie text address: a return path of ours (queue/sent.h)?
 * RETURN_IS      u64 cookie u8 enum sent_res
 * COMPLAINT      u8 1: wanted, 0: junk; text reporter text fields of the message it is about: as in queue/job.h
 * FILTER_ASK     u64 cookie, text path of a socket of milter.server: a connection, please
 * FILTER_GIVE    u64 cookie + descriptor, connected, non-blocking
 * FILTER_NONE    u64 cookie        it is not listening, or no filter of the configuration
 * TRACE          see trace/record.h
 * EVENTS         see trace/keep.h
 * EVENTS_KEPT    see trace/keep.h
 * TRACES         n x text record, as in TRACE */
/* clang-format off */
#define MSGS(X)                                                               \
    X(READY,         R_ALL,                         R_SUP,   0,     0, false) \
    X(PEER,          R_SUP,                         R_ALL,   2,     2, true)  \
    X(DRAIN,         R_SUP,                         R_ALL,   4,     4, false) \
    X(ACCUSE,        R_DIR | R_QUE | R_TRC,         R_SUP,   2,     2, false) \
    X(DIR_RCPT,      R_SMT | R_QUE,                 R_DIR,  13,   600, false) \
    X(DIR_RCPT_IS,   R_DIR,                         R_SMT | R_QUE,  10, 65536, false) \
    X(DIR_CHANGED,   R_DIR,                         R_SMT,   8,     8, false) \
    X(SEGMENT_ASK,   R_SMT,                         R_QUE,  16,    16, false) \
    X(SEGMENT_GIVE,  R_QUE,                         R_SMT,  24,    24, true)  \
    X(SEGMENT_NONE,  R_QUE,                         R_SMT,   9,     9, false) \
    X(SPOOLED,       R_SMT,                         R_QUE,  16, 65536, false) \
    X(SEGMENT_SEAL,  R_SMT,                         R_QUE,  16,    16, false) \
    X(SPOOL_STATE,   R_QUE,                         R_SMT,   1,     1, false) \
    X(SEGMENT_OPEN,  R_QUE,                         R_DEL,   8,     8, true)  \
    X(SEGMENT_CLOSE, R_QUE,                         R_DEL,   8,     8, false) \
    X(JOB,           R_QUE,                         R_DEL,  16, 65536, false) \
    X(JOB_DONE,      R_DEL,                         R_QUE,  10, 65536, false) \
    X(TRACE,         R_SMT | R_DIR | R_DEL,         R_TRC,   1, 65536, false) \
    X(TRACES,        R_SMT,                         R_TRC,   3, 65536, false) \
    X(DIR_MAIL,      R_SMT,                         R_DIR,  50,  1320, false) \
    X(DIR_MAIL_IS,   R_DIR,                         R_SMT, 209,  1700, false) \
    X(DIR_AUTH,      R_SMT,                         R_DIR,   9, 10000, false) \
    X(DIR_AUTH_IS,   R_DIR,                         R_SMT,  22,  4096, false) \
    X(SUPPRESS_ASK,  R_SMT,                         R_QUE,  12,  1200, false) \
    X(SUPPRESS_IS,   R_QUE,                         R_SMT,  11,   600, false) \
    X(RETURN_ASK,    R_SMT,                         R_QUE,  10,   600, false) \
    X(RETURN_IS,     R_QUE,                         R_SMT,   9,     9, false) \
    X(FILTER_ASK,    R_SMT,                         R_SUP,  11,   130, false) \
    X(FILTER_GIVE,   R_SUP,                         R_SMT,   8,     8, true)  \
    X(FILTER_NONE,   R_SUP,                         R_SMT,   8,     8, false) \
    X(DIR_RULES,     R_SMT,                         R_DIR,   3,   300, false) \
    X(DIR_RULES_IS,  R_DIR,                         R_SMT,   8, 65536, false) \
    X(PAUSE,         R_QUE,                         R_DEL,   1,   800, false) \
    X(JOINED,        R_SUP,                         R_ALL,   0,     0, false) \
    X(JOB_KEPT,      R_QUE,                         R_DEL,   8, 65536, false) \
    X(JOB_HELD,      R_DEL,                         R_QUE,  16, 65536, false) \
    X(JOBS_TOLD,     R_DEL,                         R_QUE,   0,     0, false) \
    X(EVENTS,        R_QUE,                         R_TRC,  16, 65536, false) \
    X(EVENTS_KEPT,   R_TRC,                         R_QUE,   8,     8, false) \
    X(COMPLAINT,     R_QUE,                         R_DIR,   5,  8000, false)
/* clang-format on */

#define X(name, from, to, min, max, fd) MSG_##name,
enum msg_type { MSG_NONE = 0, MSGS(X) MSG_TYPE_COUNT };
#undef X
const char *msg_name(enum msg_type type);

struct msg {
    enum msg_type type;
    struct slice payload; /* borrowed until the handler returns */
    int fd;               /* -1: none. The handler owns it and must close or keep it */
};

/* Is a datagram of this role to that role as the table says? fd_n: descriptors that came
 * with it. On true *out is set, all but fd. Pure. */
MUST_USE bool msg_check(struct slice datagram, size_t fd_n, enum role from, enum role to,
                        struct msg *out);

/* Do the table's columns allow that type between these roles? Pure. */
MUST_USE bool msg_may(enum msg_type type, enum role from, enum role to);

/* The payload of PEER and ACCUSE. */
struct msg_peer {
    enum role role; /* never the supervisor */
    unsigned index;
};
MUST_USE bool msg_read_peer(struct slice payload, struct msg_peer *out);

/* The head for a payload of that many octets. */
void msg_head(enum msg_type type, size_t payload_len, unsigned char head[MSG_HEAD_LEN]);
#endif
