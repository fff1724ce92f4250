/* controller/store/object_build.h - the parts of an object that two ways of building share: from a
 * tree (object.c) and from a stored view (view_code.c). Private to the store. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "controller/store/object.h"

/* True when a stored text of the kind may start like this one. */
bool object_text_fits(const struct kind *kind, const char *text, size_t len);
/* Copies a text that fits to `at` (len + 1 bytes) and makes it the object's. */
void object_set_text(struct object *obj, char *at, const char *text, size_t len);
/* Sets name from key and kind; false when key and ns are not those of an object of the kind. */
bool object_name_from_key(struct object *obj);
