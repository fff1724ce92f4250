/* zones/name.h - domain names as bytes: wire form, order, case.
 *
 * A wire name is a sequence of length-prefixed labels ended by the root label, at most 255 octets,
 * never compressed here. "Folded" means the bytes A-Z (0x41..0x5a) mapped to a-z and nothing else
 * (RFC 4343, R-018). A name key is the folded name with its labels from the root down, each
 * followed by a 0x00 byte (bytes 0x00 and 0x01 inside a label are escaped as 0x01 0x01 and 0x01
 * 0x02), so that byte order of keys is the canonical order of names (RFC 4034 section 6.1) and a
 * name's key is a prefix of the keys of exactly the names below it. Pure functions, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define NAME_MAX_WIRE  255
#define NAME_MAX_LABEL 63
#define NAME_MAX_KEY   512
#define NAME_TEXT_MAX  1024

/* Length of the wire name at wire, root included, or 0 when it does not end within room, a label is
 * longer than 63 or compressed, or it exceeds 255 octets. */
size_t name_wire_len(const uint8_t *wire, size_t room);
/* Lower-cases len octets of a valid wire name (labels' lengths are <= 63 and therefore unaffected).
 * src may equal dst. */
void name_fold(uint8_t *dst, const uint8_t *src, size_t len);
/* Key of a valid wire name (any case); returns its length (0 for the root). */
size_t name_key(const uint8_t *wire, uint8_t out[NAME_MAX_KEY]);
/* A name as the index is searched for it. */
struct name_lookup {
    uint8_t wire[NAME_MAX_WIRE + 17]; /* lower case; behind it room for whole words */
    size_t wire_len;
    uint8_t key[NAME_MAX_KEY];
    size_t key_len;
};
/* name_wire_len of a name in any case, and both its forms in one pass; unless the result is 0. */
size_t name_lookup_read(struct name_lookup *name, const uint8_t *wire, size_t room);
bool name_equal(const uint8_t *a, const uint8_t *b); /* both valid, case ignored */
/* True when name is at or below parent, on label boundaries; both valid wire names, case
 * ignored. */
bool name_is_under(const uint8_t *name, const uint8_t *parent);
unsigned name_labels(const uint8_t *wire); /* without the root */

/* Master-file text (RFC 1035 section 5.1: \. \\ \DDD) to wire, lower case; absolute whether or not
 * it ends in a dot. Returns the wire length or a negative ERR_INVALID with e set. */
int name_parse(const char *text, uint8_t out[NAME_MAX_WIRE], struct err *e);
/* Wire to text with the final dot; returns out. */
const char *name_format(const uint8_t *wire, char out[NAME_TEXT_MAX]);

/* Builds a wire name from labels, first label first: name_begin, name_add..., name_end(parent). All
 * return false, and the builder stays failed, when a label is empty or longer than 63 octets or the
 * name would exceed 255 octets (K-NAMES). */
struct name_builder {
    uint8_t wire[NAME_MAX_WIRE];
    size_t len;
    bool failed;
};
void name_begin(struct name_builder *b);
bool name_add(struct name_builder *b, const void *label, size_t len);
bool name_add_text(struct name_builder *b, const char *label);
/* Appends the labels of parent and ends the name. */
bool name_end(struct name_builder *b, const uint8_t *parent);
