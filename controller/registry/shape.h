/* controller/registry/shape.h - bodies from outside against the schemas: types, unknown fields and
 * names that occur twice, as fieldValidation asks (api.md A22 and section 4).
 *
 * Strict: ERR_MALFORMED "... strict decoding error: duplicate field \"a\", unknown field \"b\"".
 * Warn: one warning each. Ignore: nothing is said. Our own controllers build what they write:
 * theirs is not looked at. Control thread. */
#pragma once

#include <cjson/cJSON.h>

#include "controller/registry/registry.h"
#include "controller/registry/schema.h"

/* An object that is to be stored; unknown fields and nulls are removed from it. */
int shape_check(const struct verb *v, const struct kind *kind, cJSON *obj, struct err *e);
/* A body that is not stored, also its kind and apiVersion (A19). */
int shape_check_body(const struct verb *v, enum schema_body body, const cJSON *tree, struct err *e);
