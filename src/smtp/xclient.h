/* smtp/xclient.h - what XCLIENT says: a proxy in front of us tells for whom it speaks.
 *
 * Source  Postfix's XCLIENT_README: xclient-command = XCLIENT 1*( SP name"="value ); values are
 *         xtext (RFC 3461 4); [UNAVAILABLE] and [TEMPUNAVAIL] stand for none.
 * Pure    no I/O, allocation, globals or locale.
 * Own     texts are copied into the struct; slices point into it, so it must not be moved. */
#ifndef SMTP_XCLIENT_H
#define SMTP_XCLIENT_H
#include "base/netset.h"

/* The names that EHLO offers; LOGIN beside them where the proxy may say who logged in. */
#define SMTP_XCLIENT_NAMES "NAME ADDR PORT PROTO HELO"

enum { SMTP_XCLIENT_TEXT_MAX = 255, SMTP_XCLIENT_LOGIN_MAX = 320 };

struct smtp_xclient {
    bool has_address;
    struct ip address;
    uint16_t port;           /* 0: not told */
    struct slice name, helo; /* "" : not told */
    struct slice login;      /* "": nobody; as the proxy wrote it */
    bool smtp;               /* PROTO=SMTP: not ESMTP */
    unsigned char name_octets[SMTP_XCLIENT_TEXT_MAX], helo_octets[SMTP_XCLIENT_TEXT_MAX];
    unsigned char login_octets[SMTP_XCLIENT_LOGIN_MAX];
};

/* args: what follows XCLIENT. login_offered: LOGIN may be among the names. NULL: *out is set. Otherwise what is wrong, and *param where. */
MUST_USE const char *smtp_xclient_read(struct slice args, bool login_offered,
                                       struct smtp_xclient *out, struct slice *param);
#endif
