/* controller/registry/patch.h - JSON Patch, JSON Merge Patch and strategic merge patch (api.md A26,
 * A27).
 *
 * Each applies to a duplicate and swaps on success: a failing patch leaves the target as it was.
 * Pure functions. */
#pragma once

#include <cjson/cJSON.h>

#include "base/err.h"
#include "controller/store/kind.h"

/* RFC 6902. ERR_MALFORMED: not a patch; ERR_INVALID: an operation failed (422). */
int patch_json(cJSON **target, const cJSON *patch, struct err *e);
/* RFC 7386. */
int patch_merge(cJSON **target, const cJSON *patch, struct err *e);
/* Strategic merge with the merge keys of the kind (table in A27), $patch, $setElementOrder,
 * $deleteFromPrimitiveList, $retainKeys. */
int patch_strategic(const struct kind *kind, cJSON **target, const cJSON *patch, struct err *e);
