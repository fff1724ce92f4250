/* controller/reconcile/address_ring.h - a node's share of the pod range, and its addresses in turn;
 * pure.
 *
 * An address is handed out again only after all others of its node were (R90): the ring remembers
 * where it stands, not what is taken. Private to controller/reconcile. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "zones/naming.h"

struct address_block {
    struct naming_address base; /* host bits zero */
    unsigned prefix;
};
/* "10.244.0.0/16"; false when it is none. Host bits are cleared. */
bool address_block_parse(const char *text, struct address_block *out);
/* The index-th block of this prefix length inside range; false when the range has no such block. */
bool address_block_share(const struct address_block *range, unsigned prefix, uint64_t index,
                         struct address_block *out);
/* "10.244.3.0/24" into out. */
void address_block_format(const struct address_block *block, char out[64]);
/* Position of the first and of the last address for pods (position 0 is the block itself, 1 the
 * node). last < first: no room. */
void address_block_bounds(const struct address_block *block, uint64_t *first, uint64_t *last);
/* The address at a position. */
void address_block_at(const struct address_block *block, uint64_t position,
                      struct naming_address *out);
