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

/* An object that is to be stored; what upstream does not write is removed from it (schema.h). */
int shape_check(const struct verb *v, const struct kind *kind, cJSON *obj, struct err *e);
/* The same removed from a stored object, so that what another version of this program left in it is
 * not taken for a change. */
void shape_renew(const struct verb *v, const struct kind *kind, cJSON *obj);
/* A body that is not stored, also its kind and apiVersion (A19). */
int shape_check_body(const struct verb *v, enum schema_body body, const cJSON *tree, struct err *e);
