/* controller/store/record.h - one object as the database keeps it; private to the store.
 *
 *     0  u32 format (1)          8  u64 create revision    24  u32 length of the view
 *     4  u32 CRC-32 from byte 8  16 u64 mod revision       28  u32 version of the view
 *     32 view, then the object's text
 *
 * Numbers are in network byte order. The view (view_code.h) saves a start from reading JSON. One of
 * another version, one that cannot be read and an empty one (what programs before the view wrote)
 * are skipped: the text has everything. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "controller/store/object.h"

#define RECORD_FORMAT 1
#define RECORD_HEADER 32

/* In place of what out held. */
void record_encode(const struct object *obj, uint64_t create_revision, uint64_t mod_revision,
                   struct buf_out *out);
/* The object under a key of the database. ERR_INVALID with the key and the reason when anything is
 * not as it was written. */
int record_decode(const char *key, size_t key_len, const void *bytes, size_t len,
                  struct object **out, struct err *e);

/* The first half of record_decode, which reads every byte: checksum, header, kind. Any
 * thread. *mod_revision is 0 when it is not sound; record_decode then tells why. */
bool record_check(const char *key, size_t key_len, const void *bytes, size_t len,
                  uint64_t *mod_revision);
/* The second half. */
int record_decode_checked(const char *key, size_t key_len, const void *bytes, size_t len,
                          struct object **out, struct err *e);

/* The kind whose resource is the first part of the key, or NULL. Any thread. */
const struct kind *record_kind(const char *key, size_t key_len);
