/* controller/store/changes.h - from what to what each key changes, in order of first touch; private
 * to the store.
 *
 * One set per unit (its writes over the head) and one per turn (what all its units come to: an
 * object written several times is one change). Owns references. Control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/store/object.h"

struct change {
    const struct object *base, *now; /* NULL: absent */
    const struct object *named;      /* any object of this key: never NULL */
};

struct changes {
    struct change *items;
    size_t count, cap;
    uint32_t *slots; /* hash of keys to item number + 1 */
    size_t slot_count;
};
void changes_fini(struct changes *set);
struct change *changes_find(const struct changes *set, const char *key, size_t len);
/* The key's present object becomes `now`; base counts when the key is new to the set. References
 * are taken. */
void changes_set(struct changes *set, const struct object *base, const struct object *now);
/* True when the two texts are equal: a write of the second over the first changes nothing (A17). */
bool change_is_none(const struct object *base, const struct object *now);
