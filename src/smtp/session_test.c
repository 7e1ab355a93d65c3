/* smtp/session_test.c - scripted conversations with the engine, and its promises.
 *
 * A script has one step a line:
 *   O: words     the listener and its limits (see options())
 *   C: text      the client sends the text and CRLF
 *   c: text      the client sends the text as it is, but | is CRLF, ^ CR, ~ LF, ` NUL, * 100 x
 *   p: text      the same, as octets that come in one piece (whose timing matters)
 *   A: word      an answer is given: auth, auth-refuse, mail, mail-refuse, rcpt, refuse, done, fail, resume, tls, end; or: block
 *   S: rows      the next replies are these
 *   E: text      the last one of them had this evidence
 *   M: text      the next message that was kept (with | ^ ~ *)
 *   Q:           in the end the session is open still
 * Each script runs whole, then once for each place where the client's octets can be cut, then
 * octet by octet: the calls must be the same. */
#include "smtp/session_fake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HELLO  "C: EHLO c.example\nS: ok-ehlo\n"
#define MAIL   "C: MAIL FROM:<a@x.example>\nS: ok-mail\n"
#define BINARY "C: MAIL FROM:<a@x.example> BODY=BINARYMIME\nS: ok-mail\n"
#define RCPT   "C: RCPT TO:<b@y.example>\nS: ok-rcpt\n"
#define START  HELLO MAIL RCPT
#define DATA   START "C: DATA\nS: ok-data\n"

/* clang-format off */
static const struct script {
    const char *name, *text;
} scripts[] = {
    /* --- HELO --- */
    {"helo", "C: HELO c.example\nS: ok-helo\n" MAIL RCPT "C: DATA\nS: ok-data\n"
             "c: x|.|\nM: x|\nS: ok-queued\nC: QUIT\nS: ok-quit\n"},
    {"helo literal", "C: EHLO [192.0.2.1]\nS: ok-ehlo\nC: ehlo [IPv6:2001:db8::1]\nS: ok-ehlo\n"},
    {"helo empty", "C: EHLO\nS: helo-argument-empty\nE: command=EHLO\n"},
    {"helo blank", "C: HELO \t\nS: helo-argument-empty\nE: command=HELO\n"},
    {"helo invalid", "C: EHLO a b\nS: helo-argument-invalid\nE: argument=a b\n"},
    {"helo 8bit", "C: EHLO \xff\xfe.example\nS: helo-argument-invalid\n"},
    {"helo literal invalid", "C: HELO [300.1.1.1]\nS: helo-argument-invalid\n"},
    {"helo again resets", START "C: EHLO d.example\nS: ok-ehlo\nC: DATA\nS: sequence-mail-first\n"
                                MAIL},
    /* --- order --- */
    {"helo first", "C: MAIL FROM:<a@x>\nS: sequence-helo-first\nE: command=MAIL\n"
                   "C: RCPT TO:<a@x>\nS: sequence-helo-first\n"
                   "C: DATA\nS: sequence-helo-first\nC: STARTTLS\nS: sequence-helo-first\n"
                   "C: BDAT 0\nS: sequence-helo-first\nC: AUTH PLAIN AAAA\nS: sequence-helo-first\n"
                   "C: NOOP\nS: ok-noop\nC: RSET\nS: ok-rset\nC: HELP\nS: ok-help\n"
                   "C: VRFY x\nS: ok-vrfy\nC: EXPN x\nS: command-unimplemented\nC: QUIT\nS: ok-quit\n"},
    {"mail first", HELLO "C: RCPT TO:<a@x>\nS: sequence-mail-first\nE: command=RCPT\n"
                         "C: DATA\nS: sequence-mail-first\n"},
    {"rcpt first", HELLO MAIL "C: DATA\nS: sequence-rcpt-first\nE: command=DATA\n" RCPT},
    {"nested mail", HELLO MAIL "C: MAIL FROM:<b@x.example>\nS: sequence-bad\n"
                               "E: expected=RCPT, DATA or RSET\n" RCPT "C: MAIL FROM:<>\nS: sequence-bad\n"},
    {"refused mail is no transaction",
     HELLO "C: MAIL FROM:<refused@x.example> SMTPUTF8\nS: message-too-large\nE: what=of the arena\n"
           "C: RCPT TO:<b@y>\nS: sequence-mail-first\n" MAIL
           "C: RCPT TO:<\xc3\xa9@y>\nS: rcpt-syntax-invalid\n"},
    {"malformed mail is no transaction",
     HELLO "C: MAIL FROM:<a@x> BODY=9\nS: syntax-error\n"
           "C: RCPT TO:<b@y>\nS: sequence-mail-first\nC: MAIL FROM:<a@x\nS: sender-syntax-invalid\n"
           "C: BDAT 0 LAST\nS: sequence-mail-first\n" MAIL},
    {"rset at all times",
     "C: RSET\nS: ok-rset\n" HELLO "C: RSET\nS: ok-rset\n" MAIL "C: RSET\nS: ok-rset\n" MAIL RCPT
     "C: RSET\nS: ok-rset\nC: DATA\nS: sequence-mail-first\n" MAIL RCPT
     "C: BDAT 1\nc: x\nS: ok-bdat\nC: RSET\nS: ok-rset\nC: DATA\nS: sequence-mail-first\n"},
    {"no arguments", START "C: RSET x\nS: syntax-error\nE: what=takes no argument argument=x\n"
                           "C: DATA x\nS: syntax-error\nC: QUIT x\nS: syntax-error\nC: NOOP x\nS: ok-noop\n"
                           "C: HELP MAIL\nS: ok-help\nC: VRFY\nS: syntax-error\nC: DATA\nS: ok-data\n"},
    /* --- parameters of extensions --- */
    {"dsn", "O: everything\n" HELLO
            "C: MAIL FROM:<a@x.example> RET=HDRS ENVID=QQ+2B1\nS: ok-mail\n"
            "F: a@x.example size=0 body=0 utf8=0 envid=QQ+2B1\n"
            "C: RCPT TO:<b@y.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+40y.example\n"
            "T: b@y.example notify=10 orcpt=rfc822;b+40y.example\nS: ok-rcpt\n"
            "C: RCPT TO:<c@y.example> ORCPT=rfc822;c+0D+0AX\nS: syntax-error\n"
            "E: what=an original recipient that is not xtext of printable characters "
            "argument=ORCPT=rfc822;c+0D+0AX\n"
            "C: RCPT TO:<c@y.example> NOTIFY=NEVER\nS: ok-rcpt\n"},
    {"not on offer", HELLO "C: MAIL FROM:<a@x.example> MT-PRIORITY=1\nS: syntax-error\n"
                           "E: argument=MT-PRIORITY=1\n" MAIL},
    {"requiretls", "O: everything\n" HELLO "C: MAIL FROM:<a@x.example> REQUIRETLS\nS: syntax-error\n"
                   "E: argument=REQUIRETLS\n"},
    {"requiretls under tls", "O: everything tls\n" HELLO "C: STARTTLS\nS: ok-starttls\nA: tls\n" HELLO
                             "C: MAIL FROM:<a@x.example> REQUIRETLS\nS: ok-mail\n"},
    {"hold", "O: everything\n" HELLO "C: MAIL FROM:<a@x.example> HOLDFOR=86401\nS: syntax-error\n"
             "E: argument=HOLDFOR=86401\nC: MAIL FROM:<a@x.example> HOLDFOR=86400\nS: ok-mail\n"},
    /* --- XCLIENT --- */
    {"xclient", "O: xclient\n" HELLO
                "C: XCLIENT ADDR=IPV6:2001:db8::1 PORT=7 NAME=a.example HELO=[UNAVAILABLE]\n"
                "P: 2001:db8::1 port=7 name=a.example helo=\nS: ok-greeting\n"
                "C: MAIL FROM:<a@x.example>\nS: sequence-helo-first\n" HELLO MAIL},
    {"xclient refused", "O: xclient\nC: XCLIENT ADDR=192.0.2.66\nS: server-busy\n"},
    {"xclient from anybody", HELLO "C: XCLIENT ADDR=192.0.2.1\nS: command-unimplemented\n" MAIL},
    {"xclient in a transaction", "O: xclient\n" START "C: XCLIENT ADDR=192.0.2.1\nS: sequence-bad\n"
                                 "E: expected=RSET\nC: RCPT TO:<b@y.example>\nS: ok-rcpt\n"},
    {"xclient malformed", "O: xclient\nC: XCLIENT\nS: syntax-error\nC: XCLIENT ADDR\nS: syntax-error\n"
                          "C: XCLIENT ADDR=x\nS: syntax-error\nE: argument=ADDR=x\n"
                          "C: XCLIENT NAME=a+0D+0Ab\nS: syntax-error\nC: XCLIENT LOGIN=x\nS: syntax-error\n"
                          "E: what=a name that is not offered argument=LOGIN=x\n"
                          "C: XCLIENT PORT=65536\nS: syntax-error\nC: XCLIENT PROTO=LMTP\nS: syntax-error\n"},
    {"xclient login", "O: xclient login auth plain=1\n" HELLO "C: MAIL FROM:<a@x.example>\nS: auth-required\nE: command=MAIL\n"
                      "C: XCLIENT LOGIN=ok ADDR=192.0.2.1\nP: 192.0.2.1 port=0 name= helo=\nN: ok\n"
                      "S: ok-greeting\n" HELLO "C: AUTH PLAIN b2s=\nS: auth-identity-change\nE: command=AUTH account=ann@x.example\n"
                      MAIL "C: RSET\nS: ok-rset\n"
                      "C: XCLIENT LOGIN=[UNAVAILABLE]\nP: - port=0 name= helo=\nS: ok-greeting\n" HELLO
                      "C: MAIL FROM:<a@x.example>\nS: auth-required\nE: command=MAIL\n"},
    {"xclient login refused", "O: xclient login auth plain=1\nC: XCLIENT LOGIN=who\nP: - port=0 name= helo=\nN: who\n"
                              "S: auth-credentials-rejected\n" HELLO
                              "C: MAIL FROM:<a@x.example>\nS: auth-required\nE: command=MAIL\n"},
    {"xclient login later", "O: xclient login\nC: XCLIENT LOGIN=later\nP: - port=0 name= helo=\nN: later\n"
                            "A: auth\nS: ok-greeting\n" HELLO MAIL},
    {"xclient login malformed", "O: xclient login\nC: XCLIENT LOGIN=a+0Ab\nS: syntax-error\n"
                                "E: what=a value that is no login argument=LOGIN=a+0Ab\n"},
    /* --- MAIL and RCPT --- */
    {"sender syntax", HELLO "C: MAIL FROM:<a b@x>\nS: sender-syntax-invalid\nE: sender=<a b@x>\n"
                            "C: MAIL FROM:<a>\nS: sender-syntax-invalid\n"
                            "C: MAIL FROM:<\xc3\xa9@x>\nS: sender-syntax-invalid\n"
                            "C: MAIL FROM:<\xc3\xa9@x> SMTPUTF8\nS: ok-mail\n"
                            "C: RCPT TO:<\xc3\xa9@x>\nS: ok-rcpt\n"},
    {"rcpt syntax", HELLO MAIL "C: RCPT TO:<>\nS: rcpt-syntax-invalid\n"
                               "C: RCPT TO:<@y>\nS: rcpt-syntax-invalid\nE: rcpt=<@y>\n"
                               "C: RCPT TO:<\xc3\xa9@x>\nS: rcpt-syntax-invalid\n"
                               "C: RCPT TO:<@a,@b:c@y>\nS: ok-rcpt\nC: RCPT TO:<postmaster>\nS: ok-rcpt\n"
                               "C: RCPT TO:<POSTMASTER>\nS: ok-rcpt\nC: RCPT TO:<other>\nS: rcpt-syntax-invalid\n"},
    {"space after the colon", HELLO "C: MAIL FROM: <a@x>\nS: ok-mail\nC: RCPT TO:  <b@y>\nS: ok-rcpt\n"},
    {"argument syntax", HELLO "C: MAIL\nS: syntax-error\nC: MAIL FROM\nS: syntax-error\n"
                              "C: MAIL FROM:a@x\nS: syntax-error\nC: MAIL FROM :<a@x>\nS: syntax-error\n"
                              "C: MAIL TO:<a@x>\nS: syntax-error\nE: argument=TO:<a@x>\n" MAIL
                              "C: RCPT\nS: syntax-error\nC: RCPT FROM:<a@x>\nS: syntax-error\n"
                              "C: RCPT TO:\nS: syntax-error\nC: RCPT TO:<b@y> NOTIFY=NEVER\nS: syntax-error\n"
                              "E: argument=NOTIFY=NEVER\n"},
    {"null sender, parameters",
     HELLO "C: mail from:<> size=12 body=8bitmime smtputf8\nS: ok-mail\n" RCPT},
    {"params twice", HELLO "C: MAIL FROM:<a@x> SIZE=1 SIZE=1\nS: syntax-error\n"
                           "E: what=a parameter given twice argument=SIZE=1\n"},
    {"refused recipients", HELLO MAIL "C: RCPT TO:<nobody@y>\nS: rcpt-mailbox-unknown\n"
                                      "C: DATA\nS: sequence-rcpt-first\n" RCPT
                                      "C: RCPT TO:<nobody@y>\nS: rcpt-mailbox-unknown\nE: what=of the arena\n"
                                      "C: DATA\nS: ok-data\nc: x|.|\nM: x|\nS: ok-queued\n"},
    {"closing recipient", HELLO MAIL "C: RCPT TO:<closing@y>\nS: rcpt-tls-required\n"},
    {"too many recipients", "O: rcpts=2\n" HELLO MAIL RCPT "C: RCPT TO:<nobody@y>\nS: rcpt-mailbox-unknown\n"
                            RCPT "C: RCPT TO:<c@y>\nS: rcpt-too-many\nE: rcpt=c@y limit=2\n"
                            "C: DATA\nS: ok-data\nc: x|.|\nM: x|\nS: ok-queued\n" MAIL RCPT},
    {"answered later", HELLO MAIL "C: RCPT TO:<later@y>\nC: RCPT TO:<b@y>\nC: DATA\nA: rcpt\n"
                                  "S: ok-rcpt ok-rcpt ok-data\n"},
    {"refused later", HELLO MAIL "C: RCPT TO:<later@y>\nC: DATA\nA: refuse\n"
                                 "S: rcpt-mailbox-disabled sequence-rcpt-first\n"},
    /* --- limits --- */
    {"unknown commands", "O: unknown=3\nC: WIZ\nS: command-unrecognized\nE: command=WIZ\nC: \n"
                         "S: command-unrecognized\nC: NOOP\nS: ok-noop\nC: DEBUG x\n"
                         "S: command-unrecognized-too-many\nE: command=DEBUG limit=3\n"},
    {"syntax errors", "O: syntax=2\n" HELLO "C: MAIL\nS: syntax-error\n" MAIL "C: RCPT\nS: syntax-error-closing\nE: measured=2\n"},
    {"an empty line", HELLO "C: \nS: command-unrecognized\nE: what=the line begins with none\n"},
    {"errors in a row", "O: row=3\n" HELLO "C: DATA\nS: sequence-mail-first\nC: RCPT TO:<b@y>\n"
                        "S: sequence-mail-first\nC: NOOP\nS: ok-noop\nC: DATA\nS: sequence-mail-first\n"
                        "C: TURN\nS: command-unimplemented\nC: FOO\nS: command-deferred-closing\n"
                        "E: command=FOO\n"},
    {"after a refused MAIL pipelining is no crime",
     "O: row=3\n" HELLO "C: MAIL FROM:<refused@x>\nS: message-too-large\n"
     "C: RCPT TO:<b@y>\nC: RCPT TO:<b@y>\nC: RCPT TO:<b@y>\nC: RCPT TO:<b@y>\nC: DATA\n"
     "S: sequence-mail-first sequence-mail-first sequence-mail-first sequence-mail-first\n"
     "S: sequence-mail-first\nC: RSET\nS: ok-rset\nC: DATA\nS: sequence-mail-first\n"
     "C: DATA\nS: sequence-mail-first\nC: DATA\nS: command-deferred-closing\n"},
    {"malformed addresses do not end a list",
     "O: row=2\n" HELLO MAIL "C: RCPT TO:<@>\nS: rcpt-syntax-invalid\nC: RCPT TO:<@>\nS: rcpt-syntax-invalid\n"
     "C: RCPT TO:<nobody@y>\nS: rcpt-mailbox-unknown\nC: RCPT TO:<@>\nS: rcpt-syntax-invalid\n" RCPT},
    {"deferred", "O: deferred\nC: EHLO c.example\nS: command-deferred-closing\nE: command=EHLO\n"},
    {"deferred quits", "O: deferred\nC: QUIT\nS: ok-quit\n"},
    {"browser", "C: GET / HTTP/1.1\nC: EHLO x\nS: syntax-error-closing\nE: command=GET\n"},
    {"browsers", HELLO "C: CONNECT x:25 HTTP/1.1\nS: syntax-error-closing\n"},
    {"unimplemented", HELLO "C: EXPN x\nS: command-unimplemented\nE: command=EXPN\nC: TURN\nS: command-unimplemented\n"
                            "C: ETRN x\nS: command-unimplemented\nC: ATRN\nS: command-unimplemented\n"
                            "C: SEND FROM:<a@x>\nS: command-unimplemented\nC: SOML FROM:<a@x>\nS: command-unimplemented\n"
                            "C: SAML FROM:<a@x>\nS: command-unimplemented\nC: STARTTLS\nS: command-unimplemented\n"},
    {"bare LF line", HELLO "c: NOOP~MAIL FROM:<a@x>|\nS: syntax-error-closing\n"},
    {"bare CR line", HELLO "c: NOOP^MAIL FROM:<a@x>|\nS: syntax-error-closing\n"},
    {"TLS too early", "c: \x16\x03\x01\x02`\x01|\nS: syntax-error-closing\nE: TLS handshake\n"},
    {"TLS too early, a bare CR first", "c: \x16\x03\x01^\x02`|\nS: syntax-error-closing\nE: TLS handshake\n"},
    {"NUL line", HELLO "c: NOOP `|\nS: syntax-error-closing\n"},
    {"long line", HELLO "c: NOOP ********************x|\nS: ok-noop\n"
                        "c: NOOP *********************|\nS: syntax-error-closing\n"},
    /* --- AUTH --- */
    {"auth required", "O: auth submission\n" HELLO "C: MAIL FROM:<a@x>\nS: auth-required\nE: command=MAIL\n"
                      "C: RCPT TO:<a@x>\nS: auth-required\nC: DATA\nS: auth-required\nC: VRFY x\nS: auth-required\n"
                      "C: BDAT 3 LAST\nc: abc\nS: auth-required\nC: NOOP\nS: ok-noop\n"},
    {"unauthenticated commands", "O: auth commands=3\n" HELLO "C: NOOP\nS: ok-noop\nC: NOOP\nS: ok-noop\n"
                                 "C: NOOP\nS: command-unauthenticated-too-many\nE: limit=3\n"},
    {"unauthenticated quit", "O: auth commands=1\n" HELLO "C: QUIT\nS: ok-quit\n"},
    {"auth and the next line", HELLO "C: AUTH LOGIN\nS: command-unimplemented\nC: c2VjcmV0\n"
                               "S: command-unrecognized\nC: NOOP\nS: ok-noop\n"},
    {"auth", "O: auth plain=1 commands=9\n" HELLO "C: AUTH PLAIN b2s=\nS: ok-auth\nE: account=ann@x.example\n" MAIL
             "C: AUTH PLAIN b2s=\nS: auth-identity-change\nE: account=ann@x.example\n" RCPT},
    {"auth, any case", "O: plain=1\n" HELLO "C: auth plain b2s=\nS: ok-auth\n"},
    {"auth, challenges", "O: plain=1\n" HELLO "C: AUTH PLAIN\nS: ok-auth-challenge\nE: challenge=\n"
                         "C: c2VjcmV0\nS: ok-auth-challenge\nE: challenge=c2VjcmV0\nC: \nS: ok-auth-challenge\n"
                         "C: b2s=\nS: ok-auth\nC: NOOP\nS: ok-noop\n"},
    {"auth, empty initial response", "O: plain=1\n" HELLO "C: AUTH PLAIN =\nS: ok-auth-challenge\nE: challenge=\n"
                                     "C: =\nS: auth-response-undecodable\n"},
    {"auth refused", "O: auth plain=1\n" HELLO "C: AUTH PLAIN bm8=\nS: auth-credentials-rejected\n"
                     "C: MAIL FROM:<a@x>\nS: auth-required\nC: AUTH PLAIN b2s=\nS: ok-auth\n" MAIL},
    {"auth later", "O: plain=1\n" HELLO "c: AUTH PLAIN bGF0ZXI=|NOOP|\nA: auth\nS: ok-auth ok-noop\n"},
    {"auth later refused", "O: plain=1\n" HELLO "c: AUTH PLAIN|bGF0ZXI=|NOOP|\nA: auth-refuse\n"
                           "S: ok-auth-challenge auth-credentials-rejected ok-noop\n"},
    {"auth ends from outside", "O: plain=1\n" HELLO "C: AUTH PLAIN bGF0ZXI=\nA: end\nS: session-timeout\n"},
    {"auth waits and ends", "O: plain=1\n" HELLO "C: AUTH PLAIN\nS: ok-auth-challenge\nA: end\nS: session-timeout\n"},
    {"auth cancelled", "O: plain=1\n" HELLO "C: AUTH PLAIN\nS: ok-auth-challenge\nC: *\nS: auth-response-undecodable\n"
                       "E: cancelled\nC: NOOP\nS: ok-noop\nC: AUTH PLAIN b2s=\nS: ok-auth\n"},
    {"auth undecodable", "O: plain=1\n" HELLO "C: AUTH PLAIN b2s\nS: auth-response-undecodable\nE: not base64\n"
                         "C: AUTH PLAIN b2s=x\nS: auth-response-undecodable\nC: AUTH PLAIN *\nS: auth-response-undecodable\n"
                         "C: AUTH PLAIN b2s= b2s=\nS: auth-response-undecodable\n"
                         "C: AUTH PLAIN\nS: ok-auth-challenge\nC: b2t=\nS: auth-response-undecodable\nC: NOOP\nS: ok-noop\n"},
    {"auth unknown", "O: plain=1\n" HELLO "C: AUTH CRAM-MD5\nS: auth-mechanism-unrecognized\n"
                     "E: mechanism=CRAM-MD5 offered=PLAIN LOGIN\n"
                     "C: AUTH XOAUTH b2s=\nS: auth-xoauth-unsupported\nC: AUTH EXTERNAL =\nS: auth-mechanism-unrecognized\n"
                     "C: AUTH secret\nS: auth-mechanism-unrecognized\nE: unrecognized offered=\n"
                     "C: AUTH\nS: syntax-error\nC: AUTH b2s=\nS: syntax-error\nE: argument=\n"},
    {"auth, server first", "O: plain=1\n" HELLO "C: AUTH LOGIN b2s=\nS: auth-argument-not-permitted\nE: mechanism=LOGIN\n"
                           "C: AUTH LOGIN\nS: ok-auth-challenge\nC: b2s=\nS: ok-auth\n"},
    {"auth in clear", "O: tls plain=2\n" HELLO "C: AUTH PLAIN b2s=\nS: starttls-required\nE: command=AUTH\n"
                      "C: STARTTLS\nS: ok-starttls\nA: tls\nC: AUTH PLAIN b2s=\nS: sequence-helo-first\n"
                      HELLO "C: AUTH EXTERNAL b2s=\nS: ok-auth\n"},
    {"auth in clear, no TLS", "O: plain=2\n" HELLO "C: AUTH PLAIN b2s=\nS: command-unimplemented\n"},
    {"auth before STARTTLS is forgotten", "O: auth tls plain=1\n" HELLO "C: AUTH PLAIN b2s=\nS: ok-auth\n" MAIL
                                          "C: STARTTLS\nS: ok-starttls\nA: tls\n" HELLO "C: MAIL FROM:<a@x>\nS: auth-required\n"},
    {"auth survives EHLO and RSET", "O: auth plain=1\n" HELLO "C: AUTH PLAIN b2s=\nS: ok-auth\n" HELLO
                                    "C: RSET\nS: ok-rset\n" MAIL},
    {"auth in a transaction", "O: plain=1\n" START "C: AUTH PLAIN b2s=\nS: sequence-bad\nC: DATA\nS: ok-data\n"
                              "c: x|.|\nM: x|\nS: ok-queued\n"},
    {"auth lines", "O: plain=1\n" HELLO "c: AUTH PLAIN ***************************************x|\nS: auth-response-undecodable\n"
                   "C: AUTH PLAIN\nS: ok-auth-challenge\nc: **************************************************************************************************************************x|\nS: auth-response-undecodable\n"
                   "C: AUTH PLAIN\nS: ok-auth-challenge\nc: ***************************************************************************************************************************|\nS: syntax-error-closing\nE: command=AUTH\n"},
    {"auth, bare LF", "O: plain=1\n" HELLO "C: AUTH PLAIN\nS: ok-auth-challenge\nc: b2s=~\nS: syntax-error-closing\n"},
    /* --- MAIL that waits --- */
    {"mail waits", HELLO "c: MAIL FROM:<waiting@x>|RCPT TO:<b@y>|DATA|\nA: mail\nS: ok-mail ok-rcpt ok-data\n"
                   "c: x|.|\nM: x|\nS: ok-queued\n"},
    {"mail waits and is refused", HELLO "c: MAIL FROM:<waiting@x>|RCPT TO:<b@y>|\nA: mail-refuse\n"
                                  "S: sending-denied sequence-mail-first\nE: command=RCPT\n" MAIL},
    {"mail waits and ends", HELLO "C: MAIL FROM:<waiting@x>\nA: end\nS: session-timeout\n"},
    /* --- STARTTLS --- */
    {"starttls", "O: tls\n" HELLO "C: STARTTLS\nS: ok-starttls\nA: tls\nC: MAIL FROM:<a@x>\n"
                 "S: sequence-helo-first\n" HELLO "C: STARTTLS\nS: starttls-repeated\n" MAIL},
    {"starttls drops the transaction", "O: tls\n" START "C: STARTTLS\nS: ok-starttls\nA: tls\n" HELLO
                                       "C: RCPT TO:<b@y>\nS: sequence-mail-first\n"},
    {"starttls parameters", "O: tls\n" HELLO "C: STARTTLS now\nS: starttls-parameters\nE: argument=now\n"
                            "C: STARTTLS \t\nS: ok-starttls\n"},
    {"starttls required", "O: tls tls-required\n" HELLO "C: MAIL FROM:<a@x>\nS: starttls-required\n"
                          "C: BDAT 3 LAST\nc: abc\nS: starttls-required\nC: AUTH PLAIN AAAA\nS: starttls-required\n"
                          "C: VRFY a\nS: starttls-required\nC: STARTTLS\nS: ok-starttls\nA: tls\n" HELLO MAIL},
    {"starttls pipelining", "O: tls\n" HELLO "p: STARTTLS|MAIL FROM:<a@x>|\nS: starttls-pipelining\n"},
    {"starttls pipelining, one octet", "O: tls\n" HELLO "p: STARTTLS|x\nS: starttls-pipelining\n"},
    {"starttls refused, pipelined", HELLO "p: STARTTLS|NOOP|\nS: command-unimplemented ok-noop\n"},
    /* --- DATA --- */
    {"message", DATA "c: Subject: x||.|\nM: Subject: x||\nS: ok-queued\n" MAIL RCPT
                "C: DATA\nS: ok-data\nc: ..|.a|..b|.|\nM: .|a|.b|\nS: ok-queued\n"},
    {"empty message", DATA "c: .|\nM: \nS: ok-queued\nQ:\n"},
    {"NUL passes", DATA "c: a`b|.|\nM: a`b|\nS: ok-queued\n"},
    {"pipelined after the dot", DATA "c: x|.|MAIL FROM:<c@x>|RCPT TO:<d@y>|QUIT|\nM: x|\n"
                                "S: ok-queued ok-mail ok-rcpt ok-quit\n"},
    {"bare LF in DATA", DATA "c: x~.|\nS: syntax-error-closing\nE: command=DATA\n"},
    {"bare CR in DATA", DATA "c: x|.^x|.|NOOP|\nS: syntax-error-closing\n"},
    {"bare LF allowed", "O: lenient\n" DATA "c: x~.|y~|.~z|.|\nM: x|.|y|||z|\nS: ok-queued\n"},
    {"bare CR is not", "O: lenient\n" DATA "c: x^.|\nS: syntax-error-closing\n"},
    {"data refused", HELLO "C: MAIL FROM:<full@x>\nS: ok-mail\n" RCPT "C: DATA\nS: rcpt-too-many\n"
                     "C: RSET\nS: ok-rset\n"},
    {"data failed", HELLO "C: MAIL FROM:<failing@x>\nS: ok-mail\n" RCPT "C: DATA\nS: ok-data\n"
                    "c: x|y|.|\nS: hop-limit\nE: what=of the arena\n" MAIL},
    {"refused at the end", HELLO "C: MAIL FROM:<looping@x>\nS: ok-mail\n" RCPT "C: DATA\nS: ok-data\n"
                           "c: x|.|\nM: x|\nS: hop-limit\n" MAIL},
    {"kept later", HELLO "C: MAIL FROM:<slow@x>\nS: ok-mail\n" RCPT "C: DATA\nS: ok-data\n"
                   "c: x|.|NOOP|\nM: x|\nA: done\nS: ok-queued ok-noop\n" MAIL},
    {"not kept", HELLO "C: MAIL FROM:<slow@x>\nS: ok-mail\n" RCPT "C: DATA\nS: ok-data\n"
                 "c: x|.|NOOP|\nM: x|\nA: fail\nS: server-busy\n"},
    {"too large", "O: size=5\n" DATA "c: abc|.|\nM: abc|\nS: ok-queued\n" MAIL RCPT "C: DATA\nS: ok-data\n"
                  "c: abcd|.|\nS: message-too-large-measured\nE: size=6 limit=5\n" MAIL},
    {"too large for a user", "O: submission size=5\n" DATA "c: abcd|efgh|.|\nS: message-too-large\n"},
    {"blocked", DATA "A: block\nc: abc|def|.|NOOP|\nA: resume\nM: abc|def|\nS: ok-queued ok-noop\n"},
    {"early data", START "p: DATA|x|.|\nS: protocol-violation\nE: command=DATA\nC: NOOP\nS: ok-noop\n" MAIL},
    {"early data, more later", START "p: DATA|M\nc: AIL FROM:<c@x>|QUIT|..|.|NOOP|\n"
                               "S: protocol-violation ok-noop\n" MAIL},
    {"early data, bare LF", START "p: DATA|x~|\nS: syntax-error-closing\n"},
    {"early data to no recipient", HELLO MAIL "p: DATA|RCPT TO:<b@y>|.|NOOP|\nS: sequence-rcpt-first ok-noop\n"
                                   RCPT},
    {"early data before all", "p: DATA|QUIT|\nc: .|\nS: sequence-helo-first\n" HELLO},
    {"early data after BDAT", START "C: BDAT 2\nc: a^\nS: ok-bdat\np: DATA|.|\nS: bdat-then-data\n"
                              "C: BDAT 1 LAST\nc: ~\nM: a|\nS: ok-queued\n"},
    {"early data, arguments", START "p: DATA x|QUIT|.|\nS: syntax-error\nC: DATA\nS: ok-data\n"},
    /* --- BDAT --- */
    {"bdat", START "C: BDAT 10 LAST\nc: abc|defgh\nM: abc|defgh|\nS: ok-queued\n" MAIL},
    {"bdat, exact", START "C: BDAT 4\nc: .a|\nS: ok-bdat\nE: size=4\nC: bdat 6 last\nc: |.|.\nM: .a||.|.|\n"
                    "S: ok-queued\n"},
    {"binary", "O: everything\n" HELLO BINARY RCPT "C: BDAT 5\nc: a~^`^\nS: ok-bdat\nC: BDAT 2 LAST\nc: ~^\n"
               "M: a~^`^~^\nS: ok-queued\n" MAIL},
    {"binary, waiting", "O: everything\n" HELLO BINARY RCPT "A: block\nC: BDAT 2 LAST\nc: ~^\nA: resume\nM: ~^\nS: ok-queued\n"},
    {"binary, too large", "O: everything size=3\n" HELLO BINARY RCPT "C: BDAT 4 LAST\nc: ~~~~\nS: message-too-large-measured\n"},
    {"binary by DATA", "O: everything\n" HELLO BINARY RCPT "C: DATA\nS: sequence-bad\nE: command=DATA expected=BDAT\n"
                       "C: BDAT 1 LAST\nc: ~\nM: ~\nS: ok-queued\n"},
    {"binary is not offered", HELLO "C: MAIL FROM:<a@x.example> BODY=BINARYMIME\nS: syntax-error\n"},
    {"bdat pipelined", HELLO "c: MAIL FROM:<a@x>|RCPT TO:<b@y>|BDAT 5|abc|BDAT 3 LAST|d||NOOP|\n"
                       "S: ok-mail ok-rcpt ok-bdat\nM: abc|d|\nS: ok-queued command-unrecognized ok-noop\n"},
    {"bdat, empty last", START "C: BDAT 3\nc: a|\nS: ok-bdat\nC: BDAT 0 LAST\nM: a|\nS: ok-queued\n"},
    {"bdat, empty message", START "C: BDAT 0 LAST\nM: \nS: ok-queued\n"},
    {"bdat, empty chunks", START "C: BDAT 0\nS: ok-bdat\nE: size=0\nC: BDAT 1\nc: x\nS: ok-bdat\nC: BDAT 0 LAST\n"
                           "M: x|\nS: ok-queued\n"},
    {"bdat, CR LF cut", START "C: BDAT 2\nc: a^\nS: ok-bdat\nC: BDAT 2 LAST\nc: ~b\nM: a|b|\nS: ok-queued\n"},
    {"bdat, CR last", START "C: BDAT 2 LAST\nc: a^\nS: message-malformed\nE: what=the message ends in a bare CR\n" MAIL},
    {"bdat, bare LF", START "C: BDAT 3 LAST\nc: a~b\nS: message-malformed\n" MAIL},
    {"bdat, bare CR", START "C: BDAT 3\nc: a^b\nS: message-malformed\nC: BDAT 3 LAST\nc: abc\nS: sequence-bad\n"
                      "E: command=BDAT expected=RSET\n" MAIL},
    {"bdat, bare CR over chunks", START "C: BDAT 2\nc: a^\nS: ok-bdat\nC: BDAT 1\nc: b\nS: message-malformed\n"},
    {"bdat, bare LF allowed", "O: lenient\n" START "C: BDAT 6 LAST\nc: a~~b.~\nM: a||b.|\nS: ok-queued\n"},
    {"bdat then data", START "C: BDAT 1\nc: x\nS: ok-bdat\nC: DATA\nS: bdat-then-data\nC: BDAT 0 LAST\nM: x|\n"
                       "S: ok-queued\n"},
    {"bdat then others", START "C: BDAT 1\nc: x\nS: ok-bdat\nC: RCPT TO:<c@y>\nS: sequence-bad\n"
                         "E: expected=BDAT or RSET\nC: MAIL FROM:<a@x>\nS: sequence-bad\nC: NOOP\nS: ok-noop\n"
                         "C: RSET\nS: ok-rset\n" MAIL},
    {"bdat after helo", "C: HELO c.example\nS: ok-helo\n" MAIL RCPT "C: BDAT 3 LAST\nc: a|\nM: a|\nS: ok-queued\n"},
    {"bdat refused, octets dropped",
     "C: BDAT 8\nc: QUIT||\nS: sequence-helo-first\n" HELLO "C: BDAT 8 LAST\nc: QUIT||\nS: sequence-mail-first\n"
     "E: command=BDAT\n" MAIL "C: BDAT 8 LAST\nc: QUIT||\nS: sequence-rcpt-first\nC: NOOP\nS: ok-noop\n"},
    {"bdat, begin refused", HELLO "C: MAIL FROM:<full@x>\nS: ok-mail\n" RCPT
                            "C: BDAT 8\nc: QUIT||\nS: rcpt-too-many\nC: BDAT 8\nc: QUIT||\nS: sequence-bad\n"
                            "C: RSET\nS: ok-rset\n" MAIL},
    {"bdat failing", HELLO "C: MAIL FROM:<failing@x>\nS: ok-mail\n" RCPT "C: BDAT 8\nc: QUIT||\nS: hop-limit\n"
                     "E: what=of the arena\nC: BDAT 8 LAST\nc: QUIT||\nS: sequence-bad\n" MAIL},
    {"chunks under way behind a failed one are no errors",
     "O: row=2\n" HELLO "C: MAIL FROM:<failing@x>\nS: ok-mail\n" RCPT
     "c: BDAT 1|aBDAT 1|bBDAT 1|cBDAT 1|dBDAT 1 LAST|e\n"
     "S: hop-limit sequence-bad sequence-bad sequence-bad sequence-bad\n" MAIL},
    {"bdat, failing last", HELLO "C: MAIL FROM:<failing@x>\nS: ok-mail\n" RCPT
                           "C: BDAT 8 LAST\nc: QUIT||\nS: hop-limit\n" MAIL},
    {"bdat, too large", "O: size=5\n" START "C: BDAT 4\nc: abcd\nS: ok-bdat\nC: BDAT 3\nc: e|\n"
                        "S: message-too-large-measured\nC: BDAT 1 LAST\nc: x\nS: sequence-bad\n" MAIL},
    {"bdat, final CRLF too large", "O: size=5\n" START "C: BDAT 4 LAST\nc: abcd\nS: message-too-large-measured\n"
                                   "E: size=6 limit=5\n" MAIL},
    {"a message ends a row of errors", "O: row=2\n" START "C: TURN\nS: command-unimplemented\nC: BDAT 0 LAST\nM: \n"
                                       "S: ok-queued\nC: TURN\nS: command-unimplemented\n"},
    {"bdat, no number", START "C: BDAT\nS: syntax-error-closing\nE: command=BDAT\n"},
    {"bdat, negative", START "C: BDAT -1 LAST\nS: syntax-error-closing\n"},
    {"bdat, overflow", START "C: BDAT 18446744073709551616 LAST\nS: syntax-error-closing\n"},
    {"bdat, huge", START "C: BDAT 18446744073709551615 LAST\nc: abc|.|QUIT|\nA: end\nS: session-timeout\n"},
    {"bdat, other word", START "C: BDAT 1 FIRST\nS: syntax-error-closing\n"},
    {"bdat, blocked", START "A: block\nc: BDAT 5|abc|BDAT 1 LAST|xNOOP|\nA: resume\nS: ok-bdat\nM: abc|x|\nS: ok-queued ok-noop\n"},
    {"bdat, kept later", HELLO "C: MAIL FROM:<slow@x>\nS: ok-mail\n" RCPT "C: BDAT 3 LAST\nc: a|NOOP|\nM: a|\n"
                         "A: done\nS: ok-queued ok-noop\n"},
    /* --- ended from outside --- */
    {"end before EHLO", "A: end\nS: session-timeout\n"},
    {"end in a transaction", START "A: end\nS: session-timeout\n"},
    {"end while asked", HELLO MAIL "C: RCPT TO:<later@y>\nA: end\nS: session-timeout\n"},
    {"end in DATA", DATA "c: abc|\nA: end\nS: session-timeout\n"},
    {"end in early data", START "p: DATA|abc|\nA: end\nS: session-timeout\n"},
    {"end blocked", DATA "A: block\nc: abc|\nA: end\nS: session-timeout\n"},
    {"end in a chunk", START "C: BDAT 5\nc: abc\nA: end\nS: session-timeout\n"},
    {"end while kept", HELLO "C: MAIL FROM:<slow@x>\nS: ok-mail\n" RCPT "C: DATA\nS: ok-data\nc: x|.|\nM: x|\n"
                       "A: end\nS: session-timeout\n"},
    {"end before TLS", "O: tls\n" HELLO "C: STARTTLS\nS: ok-starttls\nA: end\nS: session-timeout\n"},
};
/* clang-format on */
enum { SCRIPT_N = sizeof scripts / sizeof scripts[0] };

/* --- running a script --- */

struct run {
    const struct script *script;
    struct fake fake;
    size_t cut; /* the client's octets are cut there (and after each, when step is set) */
    size_t sent; /* so far, without those of "p:" */
    bool step;
    bool checking;     /* the replies; else only the log is made */
    size_t at;         /* in the log: what was looked at */
    struct slice last; /* the reply matched last */
};

static void options(struct run *r, struct slice words)
{
    struct smtp_offer offer = {0};
    struct smtp_limits limits = fake_limits();
    const struct {
        struct slice name;
        bool *flag;
        uint64_t *limit;
    } names[] = {
        {SLICE("tls"), &offer.starttls, NULL},
        {SLICE("tls-required"), &offer.tls_required, NULL},
        {SLICE("auth"), &offer.auth_required, NULL},
        {SLICE("lenient"), &offer.bare_lf_ok, NULL},
        {SLICE("deferred"), &offer.deferred, NULL},
        {SLICE("xclient"), &offer.xclient, NULL},
        {SLICE("login"), &offer.xclient_login, NULL},
        {SLICE("size="), NULL, &limits.message_size},
        {SLICE("rcpts="), NULL, &limits.recipients},
        {SLICE("unknown="), NULL, &limits.unknown_commands},
        {SLICE("syntax="), NULL, &limits.syntax_errors},
        {SLICE("row="), NULL, &limits.errors_in_a_row},
        {SLICE("commands="), NULL, &limits.unauthenticated_commands},
    };
    while (words.len > 0) {
        struct slice word = slice_sub(words, 0, slice_find(words, ' '));
        bool known = slice_eq(word, SLICE("submission"));
        if (slice_starts(word, SLICE("plain="))) {
            offer.auth = fake_mechanisms;
            offer.auth_n = FAKE_MECHANISMS;
            offer.auth_in_clear = word.ptr[6] == '1';
            known = true;
        }
        offer.service = known ? SMTP_SUBMISSION : offer.service;
        if (slice_eq(word, SLICE("everything"))) {
            offer.extensions = 127;
            known = true;
        }
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            if (names[i].flag != NULL && slice_eq(word, names[i].name)) {
                *names[i].flag = known = true;
            } else if (names[i].limit != NULL && slice_starts(word, names[i].name)) {
                known = slice_u64(slice_from(word, names[i].name.len), names[i].limit);
            }
        }
        assert_true(known);
        words = slice_from(words, word.len + 1);
    }
    fake_init(&r->fake, &offer, &limits);
}

/* The octets that a step's text stands for. */
static void unfold(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '|':
            (void)buf_add(out, SLICE("\r\n"));
            break;
        case '^':
            (void)buf_add_byte(out, '\r');
            break;
        case '~':
            (void)buf_add_byte(out, '\n');
            break;
        case '`':
            (void)buf_add_byte(out, '\0');
            break;
        case '*':
            for (int n = 0; n < 100; n++) {
                (void)buf_add_byte(out, 'x');
            }
            break;
        default:
            (void)buf_add_byte(out, text.ptr[i]);
        }
    }
}

static void send_octets(struct run *r, struct slice octets)
{
    if (r->cut > r->sent && r->cut - r->sent < octets.len) {
        size_t n = r->cut - r->sent;
        fake_feed(&r->fake, slice_sub(octets, 0, n));
        fake_feed(&r->fake, slice_from(octets, n));
    } else if (r->step) {
        for (size_t i = 0; i < octets.len; i++) {
            fake_feed(&r->fake, slice_sub(octets, i, 1));
        }
    } else {
        fake_feed(&r->fake, octets);
    }
    r->sent += octets.len;
}

static void answer(struct run *r, struct slice word)
{
    struct fake *f = &r->fake;
    if (slice_eq(word, SLICE("auth"))) {
        fake_auth(f, REPLY_NONE);
    } else if (slice_eq(word, SLICE("auth-refuse"))) {
        fake_auth(f, REPLY_auth_credentials_rejected);
    } else if (slice_eq(word, SLICE("mail"))) {
        fake_mail(f, REPLY_NONE);
    } else if (slice_eq(word, SLICE("mail-refuse"))) {
        fake_mail(f, REPLY_sending_denied);
    } else if (slice_eq(word, SLICE("rcpt"))) {
        fake_rcpt(f, REPLY_NONE);
    } else if (slice_eq(word, SLICE("refuse"))) {
        fake_rcpt(f, REPLY_rcpt_mailbox_disabled);
    } else if (slice_eq(word, SLICE("done"))) {
        fake_done(f, REPLY_NONE);
    } else if (slice_eq(word, SLICE("fail"))) {
        fake_done(f, REPLY_server_busy);
    } else if (slice_eq(word, SLICE("resume"))) {
        fake_resume(f);
    } else if (slice_eq(word, SLICE("tls"))) {
        fake_tls(f);
    } else if (slice_eq(word, SLICE("block"))) {
        f->block = true;
    } else if (slice_eq(word, SLICE("end"))) {
        fake_end(f, REPLY_session_timeout);
    } else {
        fail_msg("%s: no answer %.*s", r->script->name, (int)word.len,
                 (const char *)word.ptr);
    }
}

/* The next line of the log of this kind; those of other kinds are passed over, but replies and
 * messages are not. */
static struct slice next_line(struct run *r, char kind)
{
    struct slice log = buf_slice(&r->fake.log);
    while (r->at < log.len) {
        struct slice rest = slice_from(log, r->at);
        struct slice line = slice_sub(rest, 0, slice_find(rest, '\n'));
        bool counts = line.ptr[0] == 'S' || line.ptr[0] == 'M';
        if (counts && line.ptr[0] != (unsigned char)kind) {
            break;
        }
        r->at += line.len + 1;
        if (counts) {
            return line;
        }
    }
    return SLICE("");
}

static void expect_reply(struct run *r, struct slice row)
{
    struct slice line = next_line(r, 'S');
    struct slice id = slice_from(line, 3);
    r->last = id;
    if (!slice_eq(slice_sub(id, 0, slice_find(id, ' ')), row)) {
        fail_msg("%s: expected %.*s, got %.*s; log:\n%.*s", r->script->name, (int)row.len,
                 (const char *)row.ptr, (int)line.len, (const char *)line.ptr,
                 (int)r->fake.log.len, (const char *)r->fake.log.ptr);
    }
}

static void expect_message(struct run *r, struct slice text)
{
    struct buf octets, line;
    buf_init(&octets, 4096);
    buf_init(&line, 4096);
    unfold(text, &octets);
    (void)buf_add_str(&line, "M: ");
    (void)buf_add_escaped(&line, buf_slice(&octets));
    (void)buf_add_str(&line, " recipients=");
    struct slice got = next_line(r, 'M');
    if (!slice_starts(got, buf_slice(&line))) {
        fail_msg("%s: expected %.*s, got %.*s", r->script->name, (int)line.len,
                 (char *)line.ptr, (int)got.len, (const char *)got.ptr);
    }
    buf_clear(&octets);
    buf_clear(&line);
}

static bool contains(struct slice s, struct slice part)
{
    for (size_t i = 0; i + part.len <= s.len; i++) {
        if (slice_starts(slice_from(s, i), part)) {
            return true;
        }
    }
    return false;
}

/* A line of the log, wherever it is: what the ops were asked. */
static void expect_line(struct run *r, char kind, struct slice text)
{
    char line[256];
    (void)snprintf(line, sizeof line, "%c: %.*s\n", kind, (int)text.len,
                   (const char *)text.ptr);
    if (!contains(buf_slice(&r->fake.log), slice_of(line))) {
        fail_msg("%s: no %s; log:\n%.*s", r->script->name, line, (int)r->fake.log.len,
                 (char *)r->fake.log.ptr);
    }
}

static void expect(struct run *r, char kind, struct slice text)
{
    if (kind == 'E' && !contains(r->last, text)) {
        fail_msg("%s: no %.*s in %.*s", r->script->name, (int)text.len,
                 (const char *)text.ptr, (int)r->last.len, (const char *)r->last.ptr);
    } else if (kind == 'M') {
        expect_message(r, text);
    } else if (kind == 'Q') {
        assert_false(r->fake.closed);
    } else if (slice_find(SLICE("FTP"), (unsigned char)kind) < 3) {
        expect_line(r, kind, text);
    }
    while (kind == 'S' && text.len > 0) {
        struct slice row = slice_sub(text, 0, slice_find(text, ' '));
        expect_reply(r, row);
        text = slice_from(text, row.len + 1);
    }
}

static void step(struct run *r, struct slice line)
{
    struct buf octets;
    char kind = (char)line.ptr[0];
    struct slice text = slice_from(line, 3);
    buf_init(&octets, 64 * 1024);
    unfold(text, &octets);
    if (kind == 'C') {
        buf_reset(&octets);
        (void)buf_add(&octets, text);
        (void)buf_add_str(&octets, "\r\n");
    }
    if (kind == 'C' || kind == 'c') {
        send_octets(r, buf_slice(&octets));
    } else if (kind == 'p') {
        fake_feed(&r->fake, buf_slice(&octets));
    } else if (kind == 'A') {
        answer(r, text);
    } else if (r->checking) {
        expect(r, kind, text);
    }
    buf_clear(&octets);
}

static void run(struct run *r)
{
    struct slice text = slice_of(r->script->text);
    struct slice line = slice_sub(text, 0, slice_find(text, '\n'));
    bool has_options = slice_starts(line, SLICE("O: "));
    options(r, has_options ? slice_from(line, 3) : SLICE(""));
    text = slice_from(text, has_options ? line.len + 1 : 0);
    while (text.len > 0) {
        line = slice_sub(text, 0, slice_find(text, '\n'));
        step(r, line);
        text = slice_from(text, line.len + 1);
    }
    if (r->checking && next_line(r, 'S').len > 0) {
        fail_msg("%s: a reply too many; log:\n%.*s", r->script->name,
                 (int)r->fake.log.len, (char *)r->fake.log.ptr);
    }
    assert_true(!r->checking || next_line(r, 'M').len == 0);
}

static void same(struct run *whole, struct run *cut)
{
    cut->script = whole->script;
    run(cut);
    if (!slice_eq(buf_slice(&whole->fake.log), buf_slice(&cut->fake.log))) {
        fail_msg("%s, cut at %zu: \n%.*s\n--- whole:\n%.*s", cut->script->name, cut->cut,
                 (int)cut->fake.log.len, (char *)cut->fake.log.ptr,
                 (int)whole->fake.log.len, (char *)whole->fake.log.ptr);
    }
    fake_clear(&cut->fake);
}

static void test_scripts(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCRIPT_N; i++) {
        struct run whole = {.script = &scripts[i], .checking = true};
        run(&whole);
        for (size_t cut = 1; cut < whole.sent; cut++) {
            same(&whole, &(struct run){.cut = cut});
        }
        same(&whole, &(struct run){.step = true});
        fake_clear(&whole.fake);
    }
}

/* --- what scripts do not show --- */

static void test_keywords(void **state)
{
    (void)state;
    static const char *const all[] = {
        "L: PIPELINING",        "L: SIZE 1000",
        "L: 8BITMIME",          "L: CHUNKING",
        "L: SMTPUTF8",          "L: HELP",
        "L: STARTTLS",          "L: ENHANCEDSTATUSCODES",
        "L: REQUIRETLS",        "L: DSN",
        "L: DELIVERBY 60",      "L: MT-PRIORITY",
        "L: BINARYMIME",        "L: FUTURERELEASE 86400 2023-11-15T22:13:20Z",
        "L: LIMITS RCPTMAX=10", "L: XCLIENT NAME ADDR PORT PROTO HELO"};
    for (int tls = 0; tls < 3; tls++) { /* not offered, offered, stands */
        struct fake f;
        struct smtp_offer offer = {
            .starttls = tls > 0, .extensions = 127, .xclient = true};
        struct smtp_limits limits = fake_limits();
        fake_init(&f, &offer, &limits);
        if (tls == 2) {
            smtp_session_tls(f.session);
        }
        smtp_session_greet(f.session, (struct smtp_verdict){REPLY_NONE, NULL});
        fake_feed(&f, SLICE("EHLO c.example\r\nHELP\r\n"));
        assert_true(contains(buf_slice(&f.log), SLICE("L: EHLO HELO MAIL RCPT DATA ")));
        assert_int_equal(contains(buf_slice(&f.log), SLICE(" HELP QUIT STARTTLS")),
                         tls == 1);
        for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
            bool offered = i == 6 ? tls == 1 : i == 8 ? tls == 2 : true;
            assert_int_equal(contains(buf_slice(&f.log), slice_of(all[i])), offered);
        }
        assert_true(slice_starts(buf_slice(&f.log), SLICE("S: ok-greeting\n")));
        fake_clear(&f);
    }
}

static void test_greeting_refused(void **state)
{
    (void)state;
    struct fake f;
    struct smtp_offer offer = {0};
    struct smtp_limits limits = fake_limits();
    fake_init(&f, &offer, &limits);
    smtp_session_greet(f.session, (struct smtp_verdict){REPLY_server_busy, NULL});
    fake_feed(&f, SLICE("EHLO c.example\r\n"));
    assert_true(slice_eq(buf_slice(&f.log), SLICE("S: server-busy")));
    fake_clear(&f);
}

static void test_secrets(void **state)
{
    (void)state;
    struct fake f;
    struct smtp_offer offer = {0};
    struct smtp_limits limits = fake_limits();
    fake_init(&f, &offer, &limits);
    fake_feed(&f,
              SLICE("EHLO c.example\r\nAUTH PLAIN c2VjcmV0\r\nauth login\r\nc2VjcmV0\r\n"
                    "c2VjcmV0\r\nAUTH c2VjcmV0c2VjcmV0c2VjcmV0\r\nNOOP c\r\nOPEN x\r\n"));
    assert_false(contains(buf_slice(&f.log), SLICE("c2VjcmV0")));
    assert_true(contains(buf_slice(&f.log), SLICE("C: AUTH PLAIN\n")));
    assert_true(contains(buf_slice(&f.log), SLICE("C: auth login\n")));
    assert_true(contains(buf_slice(&f.log), SLICE("C: AUTH\n")));
    assert_true(contains(buf_slice(&f.log), SLICE("C: NOOP c\n")));
    assert_true(contains(buf_slice(&f.log), SLICE("command=OPEN")));
    fake_clear(&f);
}

/* What a session takes is bounded, however long a client goes on. */
static void test_memory(void **state)
{
    (void)state;
    struct fake f;
    struct smtp_offer offer = {0};
    struct smtp_limits limits = fake_limits();
    limits.recipients = 1000;
    fake_init(&f, &offer, &limits);
    struct arena *arena = smtp_session_arena(f.session);
    fake_feed(&f, SLICE("EHLO c.example\r\nMAIL FROM:<a@x.example>\r\n"));
    size_t used = 0;
    for (int i = 0; i < 20000; i++) { /* names tried, all refused, some later */
        char line[400];
        int n = snprintf(line, sizeof line, "RCPT TO:<%s@%0*d.example>\r\n",
                         i % 2 == 0 ? "nobody" : "later", 1 + i % 60, i);
        fake_feed(&f, (struct slice){(unsigned char *)line, (size_t)n});
        if (i % 2 == 1) {
            fake_rcpt(&f, REPLY_rcpt_mailbox_unknown);
        }
        used = i == 200 ? arena->used : used;
        buf_reset(&f.log);
    }
    assert_int_equal(arena->used, used);
    for (int i = 0; i < 1000; i++) { /* as many as the limits allow */
        char line[400];
        int n = snprintf(line, sizeof line,
                         "RCPT TO:<b@%0240d>\r\nRCPT TO:<nobody@x>\r\n", i);
        for (int label = 60; label < 240; label += 60) {
            line[sizeof "RCPT TO:<b@" - 1 + (size_t)label] = '.';
        }
        fake_feed(&f, (struct slice){(unsigned char *)line, (size_t)n});
        buf_reset(&f.log);
    }
    assert_false(f.closed);
    assert_int_equal(smtp_session_envelope(f.session)->recipient_n, 1000);
    size_t i = 0;
    for (const struct smtp_recipient *r = smtp_session_envelope(f.session)->first;
         r != NULL; r = r->next, i++) {
        assert_int_equal(r->path.mailbox.len, 242);
    }
    assert_int_equal(i, 1000);
    for (int round = 0; round < 1000; round++) {
        fake_feed(
            &f, SLICE("RSET\r\nMAIL FROM:<refused@x>\r\nMAIL FROM:<a@x.example>\r\n"
                      "RCPT TO:<b@y>\r\nEHLO c.example\r\nMAIL FROM:<c@x.example>\r\n"));
        buf_reset(&f.log);
    }
    assert_false(f.closed);
    assert_true(arena->used <= 2048);
    fake_clear(&f);
}

static void test_state(void **state)
{
    (void)state;
    struct fake f;
    struct smtp_offer offer = {0};
    struct smtp_limits limits = fake_limits();
    fake_init(&f, &offer, &limits);
    assert_true(smtp_session_idle(f.session));
    fake_feed(&f, SLICE("HELO c.example\r\n"));
    assert_true(smtp_session_idle(f.session) && !smtp_session_extended(f.session));
    assert_true(slice_eq(smtp_session_helo(f.session), SLICE("c.example")));
    fake_feed(&f, SLICE("EHLO d.example\r\nMAIL FROM:<refused@x> SMTPUTF8\r\n"));
    assert_int_equal(smtp_session_envelope(f.session)->sender.mailbox.len, 0);
    assert_false(smtp_session_envelope(f.session)->params.smtputf8);
    fake_feed(&f, SLICE("MAIL FROM:<slow@x>\r\n"));
    assert_true(smtp_session_extended(f.session) && !smtp_session_idle(f.session));
    fake_feed(&f, SLICE("RCPT TO:<later@y>\r\n"));
    assert_true(smtp_session_waits(f.session) && smtp_session_asked(f.session) != NULL);
    fake_rcpt(&f, REPLY_NONE);
    assert_true(!smtp_session_waits(f.session) && smtp_session_asked(f.session) == NULL);
    fake_feed(&f, SLICE("DATA\r\n"));
    assert_true(smtp_session_in_data(f.session) && !smtp_session_waits(f.session));
    f.block = true;
    fake_feed(&f, SLICE("abc\r\n"));
    assert_true(smtp_session_waits(f.session));
    fake_resume(&f);
    assert_int_equal(smtp_session_data_len(f.session), 5);
    fake_feed(&f, SLICE(".\r\n"));
    assert_true(smtp_session_waits(f.session) && !smtp_session_in_data(f.session));
    fake_done(&f, REPLY_NONE);
    assert_true(smtp_session_idle(f.session) && !smtp_session_waits(f.session));
    fake_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),          cmocka_unit_test(test_keywords),
        cmocka_unit_test(test_greeting_refused), cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_memory),           cmocka_unit_test(test_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
