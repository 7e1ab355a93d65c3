/* message/decode.h - transfer encodings undone while the octets come.
 *
 * Source  RFC 2045 6.7 (quoted-printable), 6.8 (base64).
 * Pure    octets in, octets out; keeps at most MIME_HELD_MAX of them.
 * Split   what comes out in all does not depend on how the input is cut.
 * Lenient as mail readers are: octets outside base64's alphabet are skipped, "=" ends a run and
 *         what follows is another one; what is no quoted-printable stays as it is. `odd` tells. */
#ifndef MESSAGE_DECODE_H
#define MESSAGE_DECODE_H
#include "base/buf.h"

enum mime_encoding {
    MIME_IDENTITY = 0,
    MIME_QUOTED_PRINTABLE,
    MIME_BASE64,
    MIME_UUENCODE
};

enum { MIME_HELD_MAX = 80 };

enum mime_odd {
    MIME_ODD_JUNK = 1,     /* base64: octets that are neither of it nor a blank */
    MIME_ODD_AFTER_END = 2 /* base64: more of it behind the padding */
};

struct mime_decoder {
    enum mime_encoding
        encoding; /* MIME_UUENCODE: as MIME_IDENTITY (message/uudecode.h) */
    uint32_t bits;
    unsigned have; /* signs of base64 in bits */
    bool ended;    /* its padding came */
    unsigned odd;  /* enum mime_odd, or'ed */
    size_t held_len;
    unsigned char held[MIME_HELD_MAX]; /* from "=" on, undecided */
};

void mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding);

/* Appends what is decided; false: out is full (or memory short), and the stream lost. No
 * more than in.len + MIME_HELD_MAX octets come out. */
bool mime_decoder_feed(struct mime_decoder *d, struct slice in, struct buf *out);
/* The input is over: appends what is left. */
bool mime_decoder_end(struct mime_decoder *d, struct buf *out);

/* A whole text. */
bool mime_decode_base64(struct slice in, struct buf *out);
bool mime_decode_quoted(struct slice in, struct buf *out);

/* "=3D" at the start of s: the octet, else -1. */
MUST_USE int mime_quoted_octet(struct slice s);
/* 0 to 15; -1: no hexadecimal digit. */
MUST_USE int mime_hex_value(unsigned char c);
#endif
