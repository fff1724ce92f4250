/* controller/store/selector_build.h - collects terms, then lays a struct selector out in one block.
 * Private to the store. */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "controller/store/selector.h"

struct selector_build {
    struct arena arena; /* texts until they are laid out */
    struct selector_term *terms;
    size_t count, cap;
    const char **values; /* of the term being built */
    size_t value_count, value_cap;
};
void selector_build_init(struct selector_build *b);
void selector_build_fini(struct selector_build *b);
void selector_build_value(struct selector_build *b, const char *text, size_t len);
/* Ends a term with the values added since the last one; equal values are kept once, in order. */
void selector_build_term(struct selector_build *b, const char *key, enum selector_op op);
/* The terms, ordered by key. */
void selector_build_finish(struct selector_build *b, struct selector *out);

/* In, NotIn of one value against a text; what a single term says when the value is absent (NULL).
 */
bool selector_term_matches(const struct selector_term *term, const char *value);
