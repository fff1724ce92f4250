/* controller/store/index.h - which index terms an object carries; private to the store.
 *
 * An index entry is nothing but its key, so that an update which leaves the terms alone leaves the
 * index alone:
 *
 *     | kind + 1 | term | 0 | namespace / name |
 *
 * INDEX_TERM_MAX, the longest namespace and the longest name together stay below COW_KEY_MAX. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cow.h"
#include "controller/store/store.h"

struct index_entry {
    uint16_t len;
    uint8_t key[];
};
extern const struct cow_type index_entry_type;

/* Keys of entries, sorted and without duplicates, one after the other in `bytes`. */
struct index_keys {
    uint8_t *bytes;
    size_t used, cap;
    struct index_key {
        size_t at;
        uint16_t len;
    } * keys;
    size_t count, keys_cap;
};
void index_keys_fini(struct index_keys *list);
/* As memcmp, of key i of a and key k of b. */
int index_key_order(const struct index_keys *a, size_t i, const struct index_keys *b, size_t k);
/* All entries of obj; NULL has none. Replaces what the list held. */
void index_keys_of(struct index_keys *list, const struct object *obj);
