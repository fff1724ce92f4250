/* dns/special.h - names that are never asked of an upstream: those of RFC 6761 and its
 * followers, and the reverse zones of addresses that mean nothing outside (RFC 6303). Pure, any
 * thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum special_kind {
    SPECIAL_NONE,
    SPECIAL_LOCALHOST, /* 127.0.0.1 and ::1 */
    SPECIAL_MISSING,   /* nothing below the zone exists */
    SPECIAL_EMPTY      /* names exist, but hold nothing (RFC 9462 section 6.4) */
};

struct special {
    enum special_kind kind;
    size_t zone_at; /* offset in the name of the special zone's own name */
};

/* What holds for a wire name (any case). */
struct special special_find(const uint8_t *name);
