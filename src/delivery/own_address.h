/* delivery/own_address.h - the addresses at which other servers reach this one: an MX host there is us.
 *
 * Which    what listeners say whose port is delivery.smtp-port; where one listens on all addresses, those of the machine's
 *          interfaces; and delivery.public-addresses.
 * I/O      getifaddrs(), so before the role's sandbox closes.
 * Own      netset_clear() frees what it adds. */
#ifndef DELIVERY_OWN_ADDRESS_H
#define DELIVERY_OWN_ADDRESS_H
#include "config/config.h"

/* False: no memory. */
MUST_USE bool own_addresses(const struct config *config, struct netset *out);
#endif
