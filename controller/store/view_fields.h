/* controller/store/view_fields.h - which fields metadata and typed views have: a table per struct,
 * so that one encoder and one decoder serve all (view_code.c). Private to the store.
 *
 * A field that is added to controller/store/view.h goes into its table in view_fields.c; a unit
 * test compares whole structs and finds one that was left out. Constant data, control thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "controller/store/object.h"

enum field_type {
    FIELD_BOOL,
    FIELD_U16,
    FIELD_I32,
    FIELD_U32,
    FIELD_I64,
    FIELD_U64,
    FIELD_TEXT,
    FIELD_TEXTS,    /* a list of texts */
    FIELD_PARALLEL, /* one that shares the count of the list before it, or NULL */
    FIELD_LIST,     /* of structs */
    FIELD_SELECTOR
};

struct field {
    const char *name;
    enum field_type type;
    size_t at, count_at;
    uint32_t most; /* of FIELD_U32 */
    const struct layout *item;
};

struct layout {
    const char *name;
    size_t size;
    const struct field *fields;
    size_t count;
};

extern const struct layout object_layout; /* metadata: what key and uid do not say */
/* NULL: the kind has no view. */
const struct layout *view_layout(enum kind_id kind);

/* Never 0. Another number for every other set of fields of the kind, of common texts (pack.h) or of
 * the sizes of structs. */
uint32_t view_fields_version(const struct kind *kind);
