/* base/json.h - cJSON with its traps closed (libraries.md section 3).
 *
 * Parsing refuses what cJSON lets through: invalid UTF-8, raw control characters, \u0000, numbers
 * that JSON does not allow, duplicate keys (reported with their path), depth over 64, trailing
 * junk. Lookup is case-sensitive. One thread per tree. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/err.h"

#define JSON_DEPTH_MAX 64

/* From here on this process keeps the small blocks of deleted trees for the next ones. The blocks
 * are malloc's, so trees made before and blocks that cJSON gets from elsewhere mix with them. */
void json_keep_blocks(void);

/* Owned tree, or NULL with e set (ERR_MALFORMED, "byte 17: ...", bytes counted from 1, or "spec.a:
 * duplicate key"). */
cJSON *json_parse(const char *text, size_t len, struct err *e);

/* Hears of a name that occurs more than once in an object, by its path ("spec.ports[2].name";
 * borrowed for the call), once for each name and for the first 100. False: stop. */
typedef bool json_duplicate_fn(void *arg, const char *path);
/* As json_parse, but a name may occur more than once: the last one counts, as in most readers, and
 * found (may be NULL) hears of it. NULL without e being set when found said stop. */
cJSON *json_parse_lenient(const char *text, size_t len, json_duplicate_fn *found, void *arg,
                          struct err *e);
/* Leaves the last of the members of one name in every object of a parsed tree. False when found
 * said stop; the tree may then be half done. */
bool json_resolve_duplicates(cJSON *root, json_duplicate_fn *found, void *arg);
/* Compact text, owned, *len (may be NULL) without the NUL. Whole numbers up to 2^53 print exactly,
 * others so that they read back as the same double. */
char *json_print(const cJSON *tree, size_t *len);

/* Borrowed, NULL when absent or obj is not an object. Path form: json_at(obj, "spec", "template",
 * NULL). */
cJSON *json_get(const cJSON *obj, const char *name);
cJSON *json_at(const cJSON *obj, ...) __attribute__((sentinel));
/* Text of a string member, or fallback (which may be NULL). Borrowed. */
const char *json_str(const cJSON *obj, const char *name, const char *fallback);
bool json_bool(const cJSON *obj, const char *name, bool fallback);
/* Integer member: true and *out when present, a whole number and within [min, max]; false
 * otherwise. */
bool json_int(const cJSON *obj, const char *name, int64_t min, int64_t max, int64_t *out);
bool json_is_int(const cJSON *item, int64_t *out);

/* Set or replace (in its place) a member; value moves into the tree. Whole numbers beyond 2^53
 * belong into strings. */
void json_set(cJSON *obj, const char *name, cJSON *value);
void json_set_str(cJSON *obj, const char *name, const char *value);
void json_set_int(cJSON *obj, const char *name, int64_t value);
void json_set_bool(cJSON *obj, const char *name, bool value);
void json_del(cJSON *obj, const char *name);
/* The object or array member, created empty when absent or of another type (validate first).
 * Borrowed, never NULL. */
cJSON *json_obj(cJSON *obj, const char *name);
cJSON *json_arr(cJSON *obj, const char *name);
/* Deep comparison; object members in any order, array elements in order, numbers by value. */
bool json_equal(const cJSON *a, const cJSON *b);
