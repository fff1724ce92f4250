/* zones/reverse.h - addresses as names below in-addr.arpa and ip6.arpa (RFC 1035 section 3.5, RFC
 * 3596 section 2.5).
 *
 * Pure functions, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "zones/name.h"
#include "zones/naming.h"

/* The PTR owner of an address; returns its length with the root. */
size_t reverse_name(const struct naming_address *address, uint8_t out[NAME_MAX_WIRE]);

typedef void reverse_zone_fn(void *arg, const uint8_t *zone);

/* The zones that one entry of zone.reverse stands for, in wire form, each handed to fn: a CIDR
 * gives the zones of the next octet (IPv6: nibble) boundary that together cover it (host bits are
 * ignored), a name below in-addr.arpa or ip6.arpa gives itself (K-REV). ERR_INVALID when it is
 * neither. */
int reverse_zones(const char *text, reverse_zone_fn *fn, void *arg, struct err *e);
