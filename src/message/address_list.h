/* message/address_list.h - the addresses in the value of a field such as From or To.
 *
 * Source  RFC 5322 3.4, 4.4 (obsolete: routes, phrases with dots, blanks and comments around dots,
 *         commas alone), RFC 6854 (groups anywhere), RFC 6532 3.2 (UTF-8).
 * Pure    octets in, calls with slices out.
 * Own     slices are over the value, but for domain: valid until the call returns.
 * Strict  encoded words are not decoded: an address inside one is none.
 * Lenient see the flags. */
#ifndef MESSAGE_ADDRESS_LIST_H
#define MESSAGE_ADDRESS_LIST_H
#include "message/lex.h"

enum { ADDRESS_DOMAIN_MAX = 1020 };

enum address_flags {
    ADDRESS_ONE = 1,     /* no second one, no group (Sender) */
    ADDRESS_NONE_OK = 2, /* the value may be empty (Bcc; others in real mail) */
    /* Against the grammar, but seen: a display name with "@" in it that is not quoted, and a word
     * alone ("To: root"). Only where nobody decides by the address. */
    ADDRESS_LOOSE = 4,
};

struct address {
    struct slice display; /* as written; empty: none */
    struct slice local;   /* as written: perhaps quoted, perhaps with comments in it */
    struct slice domain;  /* blanks and comments taken out; a literal with its brackets;
                             empty: a word alone */
    struct slice written; /* the domain as it is written */
    bool literal, in_group;
};

/* NULL: all of value is a list of addresses, and seen() was called for each. Otherwise what is
 * wrong, in words; seen() was called for those before. */
MUST_USE const char *address_list(struct slice value, unsigned flags,
                                  void (*seen)(void *arg, const struct address *a),
                                  void *arg);
#endif
