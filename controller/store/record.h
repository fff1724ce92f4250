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

/* The same from the stored view alone, without reading the text: NULL when anything is not as it
 * should be or the view cannot be used; record_decode then tells why, or reads the text. Any
 * thread, after record_prepare. */
struct object *record_decode_view(const char *key, size_t key_len, const void *bytes, size_t len);
/* Makes what other threads share. Control thread. */
void record_prepare(void);

/* CRC-32 (IEEE 802.3) of bytes. */
uint32_t record_crc(const void *bytes, size_t len);
