/* controller/store/lmdb_check.h - whether a file is a whole LMDB database of this machine, looked
 * at before LMDB maps it; private to the store.
 *
 * LMDB trusts its file: a page number, an offset or a length that is not as it was written makes it
 * read, or later write, where it must not. This walks everything that the newest state can reach
 * (the two meta pages, the list of free pages, each table with its branch, leaf and overflow pages)
 * and holds it against what LMDB 0.9 writes: places, sizes, order of keys, counts, each page used
 * once. What records say is not looked at, they have their own checksum (record.h).
 *
 * A file that passes cannot make LMDB crash. Any thread. */
#pragma once

#include <stddef.h>

#include "base/err.h"

/* file: size bytes, 8-byte aligned, borrowed. ERR_INVALID with the page and what is wrong with it;
 * the caller names the file. */
int lmdb_check(const void *file, size_t size, struct err *e);
