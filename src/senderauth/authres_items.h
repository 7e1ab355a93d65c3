/* senderauth/authres_items.h - results of DKIM and ARC as Authentication-Results has them.
 *
 * Source  RFC 8601 2.7.1 (dkim), 6008 (header.b), RFC 8617 6 (arc).
 * Pure.
 * Own     an item borrows from the result. */
#ifndef SENDERAUTH_AUTHRES_ITEMS_H
#define SENDERAUTH_AUTHRES_ITEMS_H
#include "senderauth/arc.h"
#include "senderauth/authres.h"

/* Its comment says why it is no pass. d is NULL for a message without signatures. */
MUST_USE struct authres_item authres_of_dkim(const struct dkim_result *d);
MUST_USE struct authres_item authres_of_arc(const struct arc_result *a);
#endif
