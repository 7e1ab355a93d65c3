/* delivery/path.h - from an address to the relative path of its Maildir.
 *
 * Source  postern.conf(5), delivery.maildir: %d domain, %u local part without sub-address, %% a
 *         percent sign.
 * Pure.
 * Holds   a name out of an address is one path component, whatever the address holds: "/", "%",
 *         control octets and a leading "." are written %XX (two hex digits, upper case). Two
 *         addresses never share a name; "." and ".." cannot arise.
 * Limits  a component of PATH_COMPONENT_MAX octets, a path of DELIVERY_PATH_MAX. */
#ifndef DELIVERY_PATH_H
#define DELIVERY_PATH_H
#include "base/buf.h"

enum { PATH_COMPONENT_MAX = 255, DELIVERY_PATH_MAX = 2048 };

/* Splits the setting: root is the longest leading directory without "%" (the role may enter
 * nothing else), rest the template below it, relative. Both borrow from setting. False: not
 * absolute, an unknown % sign, or a component below the root that is empty or begins with
 * "..". */
MUST_USE bool delivery_path_split(const char *setting, struct slice *root,
                                  struct slice *rest);

/* "alice+lists@example.test" -> "alice" and "example.test". separator 0: no sub-addresses. A
 * quoted local part has none either, and a leading separator begins none. False: no
 * local part or no domain. */
MUST_USE bool delivery_path_user(struct slice address, unsigned char separator,
                                 struct slice *user, struct slice *domain);

/* The path of the address appended to out. False: no Maildir can have that name. */
MUST_USE bool delivery_path(struct slice rest, struct slice address,
                            unsigned char separator, struct buf *out);
#endif
