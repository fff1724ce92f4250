/* zones/reason_leaf.h - the inside of a text beside the names. Private to zones/.
 *
 *     | what | lengths | name, wire form | text | text of the hole |
 *
 * The name of a set's leaf begins with a label "*<set>", which no object can have. Immutable once
 * published. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cow.h"

struct reason {
    int32_t start, replicas, waits_ordinal; /* of a set */
    uint8_t name_len, text_len, hole_len;
    uint8_t is_set;
    uint8_t bytes[];
};

static inline size_t reason_size(const struct reason *reason)
{
    return sizeof *reason + reason->name_len + reason->text_len + reason->hole_len;
}

static inline const char *reason_text(const struct reason *reason)
{
    return (const char *)reason->bytes + reason->name_len;
}

static inline const char *reason_hole(const struct reason *reason)
{
    return reason_text(reason) + reason->text_len;
}

extern const struct cow_type reason_cow_type;
