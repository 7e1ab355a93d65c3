/* spool/record.h - one message on disk, and its envelope (pure).
 *
 * A segment is a sequence of records, each a multiple of 8 octets (zero padding), from offset
 * 0. A record is a header of SPOOL_HEADER_LEN octets, then the message as it was received
 * (dots undone, CRLF line ends), then the envelope, then the head: the fields that we put in
 * front of the message (Received ...). Message first, so that a large one can be streamed
 * before its envelope is complete; the header is written last of all there.
 *
 * Header (little-endian): 0 u32 magic "PSR1"; 4 u32 CRC32C of octets 8..63; 8 u64 record
 * length; 16 u64 message length; 24 u32 envelope length; 28 u32 head length; 32 u64 session;
 * 40 u32 n; 44 u32 flags (0); 48 u64 arrival, wall ms; 56 u32 CRC32C of the message;
 * 60 u32 CRC32C of envelope and head. */
#ifndef SPOOL_RECORD_H
#define SPOOL_RECORD_H
#include "base/id.h"
#include "base/wire.h"

enum {
    SPOOL_HEADER_LEN = 64,
    SPOOL_ENVELOPE_MAX = 1024 * 1024,
    SPOOL_HEAD_MAX = 64 * 1024,
    SPOOL_RECIPIENTS_MAX = 4096, /* targets after alias expansion */
};

struct spool_header {
    uint64_t record_len, message_len;
    uint32_t envelope_len, head_len;
    struct message_id id;
    uint64_t arrival_ms;
    uint32_t message_crc, rest_crc;
};

enum spool_header_res {
    SPOOL_HEADER_OK = 0,
    SPOOL_HEADER_NONE, /* zeros, or too short: the written part ends here */
    SPOOL_HEADER_BAD,  /* magic without a right CRC, lengths that do not add up */
};
MUST_USE enum spool_header_res spool_header_read(struct slice in, struct spool_header *out);
void spool_header_write(const struct spool_header *h, unsigned char out[SPOOL_HEADER_LEN]);

/* Envelope: u8 version 1; u8 service (enum config_service); u8 flags; text sender; text client
 * address; text helo; text login; u16 recipient count; per recipient: text as given in RCPT,
 * u8 enum spool_target, text target; then to the end: parameters of later issues as
 * (text name, text value) pairs. */
enum spool_envelope_flags { SPOOL_8BITMIME = 1, SPOOL_SMTPUTF8 = 2 };
enum spool_target {
    SPOOL_LOCAL = 1,  /* target: mailbox "local@domain" of a user here, sub-address kept:
                         "alice+lists@example.test" */
    SPOOL_REMOTE = 2, /* target: address elsewhere (sending; not accepted yet) */
};

struct spool_recipient {
    struct slice given, target;
    enum spool_target kind;
};

void spool_envelope_begin(struct buf *b, uint8_t service, uint8_t flags, struct slice sender,
                          struct slice client, struct slice helo, struct slice login);
void spool_envelope_recipients(struct buf *b, const struct spool_recipient *r, uint16_t n);

struct spool_envelope {
    uint8_t service, flags;
    struct slice sender, client, helo, login;
    uint16_t recipient_n;
    struct wire_reader at; /* the recipients not read yet */
};
MUST_USE bool spool_envelope_open(struct slice in, struct spool_envelope *out);
/* False at the end; e->at.failed tells a malformed envelope. */
MUST_USE bool spool_envelope_next(struct spool_envelope *e, struct spool_recipient *out);
#endif
