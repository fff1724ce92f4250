/* controller/registry/schema.h - which fields a kind has: for field validation (Strict, Warn,
 * Ignore) and pruning (A22).
 *
 * A compact table of the schemas of the kinds we store, as far as clients send them. Maps with free
 * keys (labels, annotations, data, nodeSelector, matchLabels, quantities) accept any key. Pure
 * functions. */
#pragma once

#include <cjson/cJSON.h>

#include "base/err.h"
#include "controller/store/kind.h"

/* Removes unknown fields from tree and calls found for each with its path ("spec.replica",
 * "spec.ports[0].foo"). Fields that are known but not interpreted stay verbatim. Also null members,
 * empty lists and maps and zeros of the fields that upstream does not write then, so that they are
 * no change (A17). */
void schema_prune(const struct kind *kind, cJSON *tree, void (*found)(void *arg, const char *path),
                  void *arg);
/* The same for a PodTemplateSpec alone, of which a patch directive is left. */
void schema_prune_template(cJSON *template);
/* Wrong JSON types of known fields ("spec.replicas": expected integer, got string): ERR_MALFORMED
 * as upstream's decoder says it, naming the field. */
int schema_check_types(const struct kind *kind, const cJSON *tree, struct err *e);

/* Bodies that are not stored. */
enum schema_body {
    SCHEMA_DELETE_OPTIONS,
    SCHEMA_SCALE,
    SCHEMA_BINDING,
    SCHEMA_EVICTION,
    SCHEMA_ACCESS_REVIEW,
    SCHEMA_RULES_REVIEW,
    SCHEMA_SELF_REVIEW
};
/* The types of such a body, and its kind and apiVersion where it names them (A19): ERR_MALFORMED,
 * naming the field. */
int schema_check_body(enum schema_body body, const cJSON *tree, struct err *e);
/* As schema_prune, for such a body; and its kind ("Scale"). */
void schema_prune_body(enum schema_body body, cJSON *tree,
                       void (*found)(void *arg, const char *path), void *arg);
const char *schema_body_name(enum schema_body body);
