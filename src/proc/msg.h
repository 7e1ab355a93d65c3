/* proc/msg.h - every message that roles say to each other: the one table.
 *
 * Format  one SOCK_SEQPACKET datagram: u32 length of the payload, u16 type, u16 zero, then
 *         the payload (base/wire.h, layout in the comment of its row). At most one file
 *         descriptor travels with a message, only where the row says so.
 * Errors  a message whose type is unknown, whose sender or receiver the row does not name,
 *         whose size is out of bounds, or whose payload does not decode, ends the role that
 *         sent it: the receiver calls channel_accuse() (proc/channel.h), the supervisor
 *         kills and restarts the accused.
 * Trust   smtpd and delivery touch hostile bytes. They may accuse nobody; what they say is
 *         checked by whoever hears it. */
#ifndef PROC_MSG_H
#define PROC_MSG_H
#include "base/wire.h"

#define ROLES(X) X(supervisor) X(smtpd) X(directory) X(queue) X(delivery) X(trace)
#define X(r) ROLE_##r,
enum role { ROLES(X) ROLE_COUNT };
#undef X
const char *role_name(enum role role);

enum {
    MSG_HEAD_LEN = 8,
    MSG_PAYLOAD_MAX = 65536,  /* octets */
    MSG_JOB_TARGETS_MAX = 64, /* recipients of one message handed to one delivery at once */
};

#define SUP (1U << ROLE_supervisor)
#define SMT (1U << ROLE_smtpd)
#define DIR (1U << ROLE_directory)
#define QUE (1U << ROLE_queue)
#define DEL (1U << ROLE_delivery)
#define TRC (1U << ROLE_trace)
#define ALL (SMT | DIR | QUE | DEL | TRC)

/* name, from, to, least and most octets of payload, carries a descriptor?
 *
 * READY          -                 the role is sandboxed and serves
 * PEER           u8 role u8 index  + descriptor: your new channel to that peer
 * DRAIN          u32 ms            finish what runs, take nothing new, exit 0 in that time
 * ACCUSE         u8 role u8 index  that peer sent what it may not
 * DIR_RCPT       u64 cookie u8 service text local text domain (A-labels, lower case)
 * DIR_RCPT_IS    see directory/answer.h
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
 * TRACE          see trace/record.h */
/* clang-format off */
#define MSGS(X)                                                       \
    X(READY,         ALL,             SUP,             0,     0, false) \
    X(PEER,          SUP,             ALL,             2,     2, true)  \
    X(DRAIN,         SUP,             ALL,             4,     4, false) \
    X(ACCUSE,        DIR | QUE | TRC, SUP,             2,     2, false) \
    X(DIR_RCPT,      SMT,             DIR,            13,   600, false) \
    X(DIR_RCPT_IS,   DIR,             SMT,            10, 65536, false) \
    X(DIR_CHANGED,   DIR,             SMT,             8,     8, false) \
    X(SEGMENT_ASK,   SMT,             QUE,            16,    16, false) \
    X(SEGMENT_GIVE,  QUE,             SMT,            24,    24, true)  \
    X(SEGMENT_NONE,  QUE,             SMT,             9,     9, false) \
    X(SPOOLED,       SMT,             QUE,            16, 65536, false) \
    X(SEGMENT_SEAL,  SMT,             QUE,            16,    16, false) \
    X(SPOOL_STATE,   QUE,             SMT,             1,     1, false) \
    X(SEGMENT_OPEN,  QUE,             DEL,             8,     8, true)  \
    X(SEGMENT_CLOSE, QUE,             DEL,             8,     8, false) \
    X(JOB,           QUE,             DEL,            16, 65536, false) \
    X(JOB_DONE,      DEL,             QUE,            10, 65536, false) \
    X(TRACE,         SMT | DIR | QUE | DEL, TRC,       1, 65536, false)
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

/* The head for a payload of that many octets. */
void msg_head(enum msg_type type, size_t payload_len, unsigned char head[MSG_HEAD_LEN]);
#endif
