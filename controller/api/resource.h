/* controller/api/resource.h - what can be addressed: the stored kinds, and what the API adds to
 * them (api.md section 3).
 *
 * Constant after the first use. Control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "controller/store/kind.h"

enum resource_form {
    RESOURCE_STORED,
    RESOURCE_EVENTS_V1,     /* events.k8s.io/v1: the v1 events in another dress */
    RESOURCE_ENDPOINTS,     /* v1 endpoints: a mirror of the slices */
    RESOURCE_BINDING,       /* POST bindings */
    RESOURCE_ACCESS_REVIEW, /* the reviews: created, answered, not kept */
    RESOURCE_RULES_REVIEW,
    RESOURCE_SELF_REVIEW
};

struct resource {
    const char *group, *version, *api_version;
    const char *name; /* plural */
    const char *singular, *kind_name, *short_names;
    bool namespaced, in_all;
    enum resource_form form;
    const struct kind *kind; /* what is stored behind it, NULL for reviews */
};
struct api_group {
    const char *name, *version;
};

size_t resource_count(void);
const struct resource *resource_get(size_t i);
/* NULL when there is none. */
const struct resource *resource_find(const char *group, const char *version, const char *name);
/* The groups in the order of discovery; the core group "" first. Fixed per release (A10). */
size_t api_group_count(void);
const struct api_group *api_group_get(size_t i);

/* Verbs as discovery lists them, comma separated. */
const char *resource_verbs(const struct resource *res);
bool resource_has_verb(const struct resource *res, const char *verb);
/* Is a verb in such a list? */
bool verbs_have(const char *list, const char *verb);
struct subresource_row {
    const char *name;
    const char *group, *version, *kind_name; /* of what it takes and gives; NULL: the parent's */
    const char *verbs;
};
/* The subresources of a resource, ends with name NULL. */
const struct subresource_row *resource_subresources(const struct resource *res);
const struct subresource_row *resource_subresource(const struct resource *res, const char *name);
/* Is the verb one of that subresource? */
bool resource_sub_has_verb(const struct resource *res, const char *sub, const char *verb);
