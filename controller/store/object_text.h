/* controller/store/object_text.h - one value out of a valid JSON text without building a tree.
 *
 * Private to the store. The scanner stays inside [at, end) whatever the bytes are. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct text_scan {
    const char *at, *end;
};

/* From just after '{' (or between members) to the value of the member with this name; false when
 * there is none. */
bool text_find_member(struct text_scan *s, const char *name);
/* From an object value to just after its '{'. */
bool text_enter(struct text_scan *s);
/* Decodes the string value at the scanner; what does not fit into size bytes is cut. False when it
 * is no string. */
bool text_copy_string(struct text_scan *s, char *out, size_t size);
