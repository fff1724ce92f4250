/* controller/store/load_ahead.h - the records of a database, examined on a thread of their own
 * while the caller makes objects of those before; private to the store (store_lmdb.c).
 *
 * The helper reads every byte of every record: page faults and checksum are its half of the work.
 * It allocates nothing, so that all objects lie in the heap of the caller's thread. Records of
 * kinds that names do not need can be left for later, examined already. */
#pragma once

#include <lmdb.h>

#include "controller/store/store_backend.h"

/* Examined records of which no object was made yet. {0} has none. */
struct load_rest {
    struct load_item {
        MDB_val key, value; /* in the map */
    } * items;
    size_t count, cap;
};

/* Gives every record of the table, or those that feed names when `rest` is not NULL, to
 * `to->object` in the order of keys, and collects the others in `rest`; returns after the helper
 * has ended. txn: a read transaction made with MDB_NOTLS, not used by anybody else meanwhile, and
 * open as long as `rest` holds anything. *lmdb_rc is what LMDB said when it is not 0: then, as
 * after a record that cannot be read (ERR_INVALID names it), the load is not complete. */
int load_ahead(MDB_txn *txn, MDB_dbi table, const struct store_loader *to, struct load_rest *rest,
               int *lmdb_rc, struct err *e);
/* What load_ahead left, in the order of keys. `rest` is {0} again. */
int load_rest(struct load_rest *rest, const struct store_loader *to, struct err *e);
void load_rest_fini(struct load_rest *rest);
