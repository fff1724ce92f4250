/* controller/registry/schema_table.h - the rows behind schema.h and the strategic merge: private to
 * the registry.
 *
 * A shape is an array of fields that ends with a row without name. One row tells the JSON type of a
 * field, whether it is a list or a map of that type, and how the strategic merge treats the list
 * (api.md A27). Constant data, any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "controller/store/kind.h"

enum field_type {
    FIELD_STRING,
    FIELD_INT32,
    FIELD_INT64,
    FIELD_BOOL,
    FIELD_INT_OR_STRING,
    FIELD_QUANTITY, /* text, or a number as clients write it in YAML */
    FIELD_TIME,     /* RFC 3339 text */
    FIELD_ANY,      /* free form: kept as it is */
    FIELD_OBJECT
};
enum field_form { FORM_ONE, FORM_LIST, FORM_MAP };

struct field {
    const char *name; /* NULL ends a shape */
    enum field_type type;
    enum field_form form;
    bool is_merged; /* list: merged instead of replaced (by merge_key, or as a set of primitives) */
    bool keeps_empty;          /* list: empty is something else than absent */
    bool omits_zero;           /* scalar: false, 0 and "" are the same as absent */
    const char *merge_key;     /* list of objects */
    const struct field *shape; /* FIELD_OBJECT: its fields */
};

#define F_ONE(name_, type_)                                                                        \
    {                                                                                              \
        .name = (name_), .type = (type_)                                                           \
    }
#define F_LIST(name_, type_)                                                                       \
    {                                                                                              \
        .name = (name_), .type = (type_), .form = FORM_LIST                                        \
    }
#define F_MAP(name_, type_)                                                                        \
    {                                                                                              \
        .name = (name_), .type = (type_), .form = FORM_MAP                                         \
    }
#define F_SET(name_)                                                                               \
    {                                                                                              \
        .name = (name_), .form = FORM_LIST, .is_merged = true                                      \
    }
#define F_STR(name_)     F_ONE(name_, FIELD_STRING)
#define F_INT(name_)     F_ONE(name_, FIELD_INT32)
#define F_INT64(name_)   F_ONE(name_, FIELD_INT64)
#define F_BOOL(name_)    F_ONE(name_, FIELD_BOOL)
#define F_TIME(name_)    F_ONE(name_, FIELD_TIME)
#define F_STRS(name_)    F_LIST(name_, FIELD_STRING)
#define F_STRMAP(name_)  F_MAP(name_, FIELD_STRING)
#define F_AMOUNTS(name_) F_MAP(name_, FIELD_QUANTITY)
#define F_OBJ(name_, shape_)                                                                       \
    {                                                                                              \
        .name = (name_), .type = FIELD_OBJECT, .shape = (shape_)                                   \
    }
#define F_OBJS(name_, shape_)                                                                      \
    {                                                                                              \
        .name = (name_), .type = FIELD_OBJECT, .form = FORM_LIST, .shape = (shape_)                \
    }
#define F_BY(name_, shape_, key_)                                                                  \
    {                                                                                              \
        .name = (name_), .type = FIELD_OBJECT, .form = FORM_LIST, .is_merged = true,               \
        .merge_key = (key_), .shape = (shape_)                                                     \
    }
/* Scalars that upstream does not write when they have their zero value. */
#define F_ZERO(name_, type_)                                                                       \
    {                                                                                              \
        .name = (name_), .type = (type_), .omits_zero = true                                       \
    }
#define F_TEXT(name_)   F_ZERO(name_, FIELD_STRING)
#define F_NUMBER(name_) F_ZERO(name_, FIELD_INT32)
#define F_FLAG(name_)   F_ZERO(name_, FIELD_BOOL)
/* A list that is written when it is empty. */
#define F_KEPT(name_, shape_)                                                                      \
    {                                                                                              \
        .name = (name_), .type = FIELD_OBJECT, .form = FORM_LIST, .keeps_empty = true,             \
        .shape = (shape_)                                                                          \
    }
#define F_END                                                                                      \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/* The fields of an object of the kind, apiVersion, kind and metadata included. */
const struct field *schema_fields(const struct kind *kind);
/* NULL when the shape (may be NULL) has no such field. */
const struct field *schema_field_find(const struct field *shape, const char *name);

/* Shapes that several kinds share; schema_pod.c has those of pods. */
extern const struct field schema_meta[], schema_selector[], schema_reference[],
    schema_local_reference[], schema_pod_spec[], schema_pod_status[], schema_pod_template[],
    schema_claim_spec[], schema_toleration[], schema_node_selector[], schema_condition[];
