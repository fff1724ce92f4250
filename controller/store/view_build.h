/* controller/store/view_build.h - makes the typed view of an object; private to the store
 * (object.c). */
#pragma once

#include <stddef.h>

#include <cjson/cJSON.h>

#include "controller/store/object.h"
#include "controller/store/pack.h"

/* obj has its metadata already. NULL for kinds without a view. */
const void *view_build(struct pack *p, const cJSON *tree, const struct object *obj);
/* Frees what a view owns outside the object's block (selectors). */
void view_fini(const struct object *obj);
/* Bytes of that. */
size_t view_bytes(const struct object *obj);
