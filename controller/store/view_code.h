/* controller/store/view_code.h - what an object holds beside its text, as bytes: so that a start
 * needs no JSON. Private to the store (record.c).
 *
 * The bytes are the object's key, its uid, its metadata and its typed view, field by field in the
 * order of the tables in view_fields.c; numbers are zigzag varints, texts a length and bytes. They
 * are a copy of what the text says and never the only one: whoever cannot use them reads the text.
 * Pure functions; control thread. */
#pragma once

#include <stddef.h>

#include "base/buf.h"
#include "controller/store/object.h"

void view_encode(const struct object *obj, struct buf_out *out);

/* An object of this key and text, revisions 0, from bytes of view_fields_version(); NULL when they
 * are not exactly what view_encode writes. Nothing is read outside [bytes, bytes + len), and no
 * more memory is asked for than a fixed multiple of len. The caller owns one reference. */
struct object *view_decode(const struct kind *kind, const char *key, size_t key_len,
                           const char *text, size_t text_len, const void *bytes, size_t len);
