/* controller/store/table.h - object versions and index entries over base/cow; private to the store.
 *
 * Two tries, one of objects by key and one of index entries (index.c), change together in nested
 * transactions: each turn that has staged something owns one, and they commit oldest first. The
 * table holds one reference per object it shows in any version; what leaves the newest version is
 * garbage, which base/publish frees when no pin is in an older version. Control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/cow.h"
#include "base/publish.h"
#include "controller/store/store.h"

struct table;
struct table *table_new(void);
/* No transaction is open and no pin is held. NULL is fine. */
void table_free(struct table *t);

extern const struct cow_type table_object_type; /* leaves are struct object */

/* A list of leaves. */
struct leaves {
    void **items;
    size_t count, cap;
};
void leaves_add(struct leaves *list, const void *leaf);

/* What one transaction put in and took out. {0} is one that has not begun. */
struct table_txn {
    bool begun;
    struct leaves added_objects, retired_objects;
    struct leaves added_entries, retired_entries;
};

/* obj into the newest transaction (begun when it has not), over what has its key; takes over a
 * reference. */
void table_put(struct table *t, struct table_txn *txn, struct object *obj);
/* The same without its index entries, for an object whose key nothing has; table_add_entries adds
 * them.
 */
void table_put_bare(struct table *t, struct table_txn *txn, struct object *obj);
void table_add_entries(struct table *t, struct table_txn *txn, const struct object *obj);
void table_del(struct table *t, struct table_txn *txn, const struct object *present);
/* txn is the oldest open transaction, or has not begun. It is {0} again. */
void table_commit(struct table *t, struct table_txn *txn);
/* Drops every open transaction: all of txns, which are {0} again. */
void table_abort(struct table *t, struct table_txn *const *txns, size_t count);

struct cow_root table_objects(const struct table *t, bool head);
struct cow_root table_index(const struct table *t, bool head);

/* Keeps the committed version. */
struct publish_pin *table_pin(struct table *t);
/* Frees what no pin shows any more. */
void table_reclaim(struct table *t);
/* Bytes of garbage that pins hold back. */
size_t table_held_bytes(const struct table *t);
