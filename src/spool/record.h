/* spool/record.h - one message on disk, and its envelope (pure).
 *
 * Format  a segment is a sequence of records, each a multiple of 8 octets (zero padding),
 *         from offset 0. A record is a header of SPOOL_HEADER_LEN octets, then the body of the
 *         message as it was received (dots undone, CRLF line ends), then the envelope, then
 *         the head: the header section with the fields that we put in, and the empty line.
 *         Head and body, in this order, are the message. (Records of versions before have the
 *         message whole, and in the head only our fields.) Body first, so that a large one can
 *         be streamed before its envelope is complete; the header is written last of all there.
 * Header  (little-endian) 0 u32 magic "PSR1"; 4 u32 CRC32C of octets 8..63; 8 u64 segment;
 *         16 u64 message length; 24 u32 envelope length; 28 u32 head length; 32 u64 session;
 *         40 u32 n; 44 u32 back; 48 u64 arrival, wall ms; 56 u32 CRC32C of the message;
 *         60 u32 CRC32C of envelope and head.
 * segment The number of the segment it was written for. Files are used again under new
 *         numbers; what an earlier life left there has another number and is no record.
 *         Half of the number is random, so that no message can carry a forged record.
 * back    Distance, in units of 8 octets, to the start of the group of records that were
 *         written with it under one sync: all that lies before that start was on disk before
 *         this record was written. It tells a torn write from damage (spool/scan.c). */
#ifndef SPOOL_RECORD_H
#define SPOOL_RECORD_H
#include "base/id.h"
#include "base/wire.h"

enum {
    SPOOL_HEADER_LEN = 64,
    SPOOL_ENVELOPE_MAX = 1024 * 1024,
    SPOOL_HEAD_MAX =
        1280 * 1024, /* a header section (message/head.h) and what was added */
    SPOOL_RECIPIENTS_MAX = 4096, /* targets after alias expansion */
    SPOOL_MAGIC = 0x31525350,    /* "PSR1" */
};
#define SPOOL_MESSAGE_MAX (UINT64_C(1) << 40)

struct spool_header {
    uint64_t segment;
    uint64_t message_len;
    uint32_t envelope_len, head_len;
    struct message_id id;
    uint32_t back;
    uint64_t arrival_ms;
    uint32_t message_crc, rest_crc;
};

enum spool_header_res {
    SPOOL_HEADER_OK = 0,
    SPOOL_HEADER_NONE, /* no record begins here: no magic, another life's, or too short */
    SPOOL_HEADER_BAD,  /* the magic, but a wrong CRC or lengths beyond the limits */
};
/* in: at least SPOOL_HEADER_LEN octets. segment: the number that it must carry. */
MUST_USE enum spool_header_res spool_header_read(struct slice in, uint64_t segment,
                                                 struct spool_header *out);
void spool_header_write(const struct spool_header *h,
                        unsigned char out[SPOOL_HEADER_LEN]);

/* Octets of the whole record, padding included. Never overflows for a header that
 * spool_header_read() gave. */
MUST_USE static inline uint64_t spool_record_len(const struct spool_header *h)
{
    return (SPOOL_HEADER_LEN + h->message_len + h->envelope_len + h->head_len + 7) &
           ~UINT64_C(7);
}

/* Envelope: u8 version 1; u8 service (enum config_service); u8 flags; text sender; text
 * client address; text helo; text login; u16 recipient count; per recipient: text as
 * given in RCPT, u8 enum spool_target, text target; then to the end: (text name, text
 * value) pairs. Those known:
 *
 *   ret          FULL or HDRS (RFC 3461)
 *   envid        xtext (RFC 3461), decoding to printable ASCII
 *   requiretls   "" (RFC 8689)
 *   by           seconds after the arrival, ";N" or ";R", and "T": as given (RFC 2852)
 *   mt-priority  -9 to 9 (RFC 6710)
 *   hold-until   wall ms: not to be delivered before (RFC 4865)
 *   tls          "encrypted": to other servers under TLS alone; "verified": and only where the
 *                server's name is proved
 *   quarantine   why: held until somebody releases it
 *   account      who sends, where no login says it: the relay customer
 *   notify#F-L   for recipients F to L (from 0), which came of one RCPT: as NOTIFY (RFC 3461)
 *   orcpt#F-L    likewise: as ORCPT, decoding to no control character */
enum spool_envelope_flags {
    SPOOL_8BITMIME = 1,
    SPOOL_SMTPUTF8 = 2,
    SPOOL_JUNK = 16, /* local mailboxes take it into their junk folder */
    SPOOL_TLS_OPTIONAL =
        64, /* "TLS-Required: No" (RFC 8689 3): policies may be passed over */
    SPOOL_REQUIRETLS = 128, /* RFC 8689 */
};
enum spool_target {
    SPOOL_LOCAL = 1,  /* target: mailbox "local@domain" of a user here, sub-address kept:
                         "alice+lists@example.test" */
    SPOOL_REMOTE = 2, /* target: address elsewhere */
    SPOOL_REPORT =
        3, /* target: return path of ours (queue/sent.h): to be read, for nobody */
};

struct spool_recipient {
    struct slice given, target;
    enum spool_target kind;
};

void spool_envelope_begin(struct buf *b, uint8_t service, uint8_t flags,
                          struct slice sender, struct slice client, struct slice helo,
                          struct slice login);
void spool_envelope_recipients(struct buf *b, const struct spool_recipient *r,
                               uint16_t n);

/* After the recipients, any number of times. */
void spool_envelope_param(struct buf *b, const char *name, struct slice value);

struct spool_envelope {
    uint8_t service, flags;
    struct slice sender, client, helo, login;
    uint16_t recipient_n;
    uint16_t left;         /* recipients not read yet */
    struct wire_reader at; /* and where they are */
};
MUST_USE bool spool_envelope_open(struct slice in, struct spool_envelope *out);
/* Is a parameter of that name ("notify#3-7") of that kind ("notify"), and about that recipient? */
MUST_USE bool spool_param_is(struct slice name, const char *kind, uint16_t number);
/* Does the value of "notify" hold that word: SUCCESS, FAILURE, DELAY, NEVER? */
MUST_USE bool spool_notify_has(struct slice notify, const char *word);
/* False at the end; e->at.failed tells a malformed envelope. */
MUST_USE bool spool_envelope_next(struct spool_envelope *e, struct spool_recipient *out);
/* After the last recipient; false as spool_envelope_next(). */
MUST_USE bool spool_envelope_next_param(struct spool_envelope *e, struct slice *name,
                                        struct slice *value);
#endif
