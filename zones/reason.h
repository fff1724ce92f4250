/* zones/reason.h - texts beside the names of a version: why what was expected is not there (DESIGN
 * section 4, R-070).
 *
 * A version holds, in a trie of their own: a leaf for every Service that exists, with a text when
 * its name has no records; a text for each pod below a Service that exists and is not published;
 * and one leaf for each StatefulSet, from which the text of every ordinal without a pod is made, so
 * that a set of thousands costs one leaf. They are no content: no serial moves with them
 * (K-SERIAL). Written through zone_txn.h; read by every DNS worker. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "zones/zone.h"

#define REASON_TEXT_MAX 120 /* octets of one text, all of them UTF-8 */
/* Texts of pods beyond so many leaves are left out: negative answers then say less. */
#define REASONS_MOST 131072

/* The text for the negative outcome `match` (MATCH_NODATA or MATCH_NXDOMAIN) of `name` (wire form,
 * any case) in this version: its length, 0 when there is nothing to say. Not NUL-terminated. Octets
 * of the name that are no letters, digits, hyphens or underscores appear as \DDD. Takes no lock,
 * allocates nothing. */
size_t zone_why(const struct zone_version *version, const uint8_t *name,
                const struct zone_match *match, char out[REASON_TEXT_MAX]);
