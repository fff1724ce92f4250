/* zones/sizes.h - what an allocation costs, for gauges and budgets. Private to zones/. */
#pragma once

#include <stddef.h>

/* Bytes that glibc takes for a block of `size`: its header included, in steps of 16, at least 32.
 */
static inline size_t size_allocated(size_t size)
{
    size_t chunk = (size + 8 + 15) & ~(size_t)15;
    return chunk < 32 ? 32 : chunk;
}
