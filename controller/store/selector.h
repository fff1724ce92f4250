/* controller/store/selector.h - label and field selectors: query text and LabelSelector objects,
 * parsed once, matched often.
 *
 * api.md section 4. Owned memory in one block; {0} matches everything. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "base/err.h"

struct object;
struct label;

enum selector_op {
    SELECT_IN,
    SELECT_NOT_IN,
    SELECT_EXISTS,
    SELECT_NOT_EXISTS,
    SELECT_GT,
    SELECT_LT
};

struct selector_term {
    const char *key;
    enum selector_op op;
    const char *const *values;
    size_t value_count;
};
struct selector {
    struct selector_term *terms; /* all must hold */
    size_t count;
    bool matches_nothing; /* LabelSelector absent where absence means nothing */
    char *block;          /* owns keys and values */
    size_t bytes;         /* of terms and block together */
};
void selector_fini(struct selector *s);

/* "a=b,c!=d,e in (f,g),h,!i,j>3". ERR_MALFORMED with a sentence as kubectl prints it. */
int selector_parse(const char *text, struct selector *out, struct err *e);
/* {matchLabels, matchExpressions}. ERR_INVALID names the field below path ("spec.selector"), one
 * cause for each. NULL (or null) gives matches_nothing, {} matches everything. */
int selector_from_json(const cJSON *json, const char *path, struct selector *out, struct err *e);
/* Bytes allocated (gauges). */
size_t selector_bytes(const struct selector *s);
/* Text form, as Scale.status.selector wants it ("a=b,c in (d,e)"). Owned by the caller. */
char *selector_format(const struct selector *s);
bool selector_matches(const struct selector *s, const struct label *labels, size_t count);

/* Field selectors: "metadata.name=x,status.phase!=Running"; only the fields that api.md section 4
 * lists for the kind, others ERR_MALFORMED "field label not supported: X". */
struct kind;
int field_selector_parse(const struct kind *kind, const char *text, struct selector *out,
                         struct err *e);
bool field_selector_matches(const struct selector *s, const struct object *obj);
/* The exact name or namespace a field selector asks for, or NULL (saves a scan). */
const char *field_selector_exact(const struct selector *s, const char *field);

/* Why this is no label key ("example.com/name") or value, as upstream words it; NULL when it is
 * one. */
const char *label_key_problem(const char *key);
const char *label_value_problem(const char *value);
