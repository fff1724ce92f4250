/* controller/api/table.h - the columns that kubectl prints (api.md section 9), one row-builder per
 * kind.
 *
 * Pure but for the clock, which ages are counted from. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/buf.h"
#include "controller/api/resource.h"

/* "columnDefinitions": the array. sub is "scale" for the Scale of a set, else NULL. */
void table_write_columns(struct buf_out *out, const struct resource *res, const char *sub);
/* The array of cells of one object, at the wall-clock time now_us. */
void table_write_cells(struct buf_out *out, const struct resource *res, const char *sub,
                       const cJSON *object, int64_t now_us);
/* "35s", "2m10s", "3d4h", "5y": as kubectl prints ages. */
const char *table_age(int64_t us, char out[24]);
