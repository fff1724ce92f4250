/* dns/wire.h - 16-bit fields in network order. Callers have checked the bounds. */
#pragma once

#include <stdint.h>

#define POINTER_REACH 0x4000 /* first offset that a compression pointer cannot name */

static inline uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* Returns the place behind the field. */
static inline uint8_t *put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
    return p + 2;
}
