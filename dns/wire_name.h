/* dns/wire_name.h - compressed names inside messages (RFC 1035 section 4.1.4).
 *
 * Reading trusts nothing: pointers go strictly backward, so their number is bounded.
 * Writing points to names that were written before; a struct name_table remembers where. Pure, any
 * thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "zones/name.h"

/* The name at in->at of the message that begins at `message`, pointers followed, spelt as it is, to
 * out; its length, or 0 when it is none. in->at is then behind it. */
size_t wire_name_read(const uint8_t *message, struct buf_in *in, uint8_t out[NAME_MAX_WIRE]);

#define NAME_TABLE_SIZE 96

struct name_table {
    unsigned count;
    struct {
        uint32_t hash;
        uint16_t at;
    } names[NAME_TABLE_SIZE];
};

/* Of a name in lower case. */
uint32_t wire_name_hash(const uint8_t *name);
/* Takes note of an uncompressed name that stands in the message at this offset, and of its
 * suffixes. */
void name_table_add(struct name_table *table, const uint8_t *message, size_t at);
/* Writes a name at offset `at` of a message that may grow to `limit`, by pointing to what the table
 * knows; adds what is new to the table. Returns the octets written, 0 when they do not fit. */
size_t wire_name_write(uint8_t *message, size_t at, size_t limit, const uint8_t *name,
                       struct name_table *table);
