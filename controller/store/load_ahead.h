/* controller/store/load_ahead.h - the records of a database, decoded on a thread of their own while
 * the caller builds its indexes from those before; private to the store (store_lmdb.c).
 *
 * A start is two halves of about the same length: checking and decoding records, and putting
 * objects into tries. The helper does the first for records whose stored view is usable; the rest
 * (views of another version, damage) it leaves to the caller, because reading JSON belongs to the
 * control thread. */
#pragma once

#include <lmdb.h>

#include "controller/store/store_backend.h"

/* Gives every record of the table to `to->object` in the order of keys; returns after the helper
 * has ended. txn: a read transaction made with MDB_NOTLS, not used by anybody else meanwhile.
 * *lmdb_rc is what LMDB said when it is not 0: then, as after a record that cannot be read
 * (ERR_INVALID names it), the load is not complete. */
int load_ahead(MDB_txn *txn, MDB_dbi table, const struct store_loader *to, int *lmdb_rc,
               struct err *e);
