/* controller/registry/strategy.h - the table of kinds: defaults, server-owned fields, validation;
 * private to the registry.
 *
 * One row per kind. The steps run in the order of the members; a NULL step does nothing. */
#pragma once

#include "controller/registry/registry_internal.h"

struct strategy {
    const char *(*name_error)(const char *name);
    /* Fields that are absent get their default: create, and update of the main resource. */
    void (*defaults)(cJSON *obj);
    /* Fields that the server owns or derives; obj has its metadata. Main door (create, update). */
    int (*prepare)(const struct change *c, cJSON *obj, struct err *e);
    void (*validate)(const struct change *c, struct issues *is, const cJSON *obj);
    /* The status door: derives and checks. */
    void (*prepare_status)(const struct change *c, cJSON *obj);
    void (*validate_status)(const struct change *c, struct issues *is, const cJSON *obj);
    /* Last step, obj is valid: what needs other objects (addresses, identities). Both doors. */
    int (*admit)(const struct change *c, cJSON *obj, struct err *e);
};
const struct strategy *strategy_get(enum kind_id kind);

/* The rows' functions, one file per kind. */
void namespace_defaults(cJSON *obj);
int namespace_prepare(const struct change *c, cJSON *obj, struct err *e);
void service_defaults(cJSON *obj);
int service_prepare(const struct change *c, cJSON *obj, struct err *e);
void service_validate(const struct change *c, struct issues *is, const cJSON *obj);
int service_admit(const struct change *c, cJSON *obj, struct err *e);
/* Gives node ports and checks those asked for (node_port.c). ERR_INVALID, ERR_INTERNAL: none left.
 */
int node_ports_admit(const struct change *c, cJSON *obj, struct err *e);
void slice_defaults(cJSON *obj);
void slice_validate(const struct change *c, struct issues *is, const cJSON *obj);
void pod_defaults(cJSON *obj);
int pod_prepare(const struct change *c, cJSON *obj, struct err *e);
void pod_validate(const struct change *c, struct issues *is, const cJSON *obj);
void pod_prepare_status(const struct change *c, cJSON *obj);
void pod_validate_status(const struct change *c, struct issues *is, const cJSON *obj);
int pod_admit(const struct change *c, cJSON *obj, struct err *e);
void set_defaults(cJSON *obj);
int set_prepare(const struct change *c, cJSON *obj, struct err *e);
void set_validate(const struct change *c, struct issues *is, const cJSON *obj);
void set_validate_status(const struct change *c, struct issues *is, const cJSON *obj);
void replicaset_defaults(cJSON *obj);
int replicaset_prepare(const struct change *c, cJSON *obj, struct err *e);
void replicaset_validate(const struct change *c, struct issues *is, const cJSON *obj);
void replicaset_validate_status(const struct change *c, struct issues *is, const cJSON *obj);
void claim_defaults(cJSON *obj);
int claim_prepare(const struct change *c, cJSON *obj, struct err *e);
void claim_validate(const struct change *c, struct issues *is, const cJSON *obj);
void volume_defaults(cJSON *obj);
int volume_prepare(const struct change *c, cJSON *obj, struct err *e);
void volume_validate(const struct change *c, struct issues *is, const cJSON *obj);
void class_defaults(cJSON *obj);
void class_validate(const struct change *c, struct issues *is, const cJSON *obj);
void node_defaults(cJSON *obj);
void node_validate(const struct change *c, struct issues *is, const cJSON *obj);
void configmap_validate(const struct change *c, struct issues *is, const cJSON *obj);
void lease_validate(const struct change *c, struct issues *is, const cJSON *obj);
void revision_validate(const struct change *c, struct issues *is, const cJSON *obj);

void event_validate(const struct change *c, struct issues *is, const cJSON *obj);

/* ---- shared between kinds ---- */

/* spec.affinity of pods and templates (affinity.c). */
void affinity_validate(struct issues *is, const struct path *path, const cJSON *affinity);
/* PodSpec of pods and templates (pod_template.c). */
void pod_spec_defaults(cJSON *spec);
/* is_template: identity fields that a controller overwrites are not checked (R72). claims: claim
 * templates whose volumes containers may mount, or NULL. */
void pod_spec_validate(struct issues *is, const struct path *path, const cJSON *spec,
                       bool is_template, const cJSON *claims);
/* Labels and annotations of a template, then its spec. */
void pod_template_validate(struct issues *is, const struct path *path, const cJSON *template,
                           const cJSON *claims);
void pod_tolerations_validate(struct issues *is, const struct path *path, const cJSON *list);
/* spec of claims and claim templates (claim.c). */
void claim_spec_defaults(cJSON *spec);
void claim_spec_validate(struct issues *is, const struct path *path, const cJSON *spec);
/* A selector must be given, select something, and match the template's labels (R72; set.c). */
void template_selector_validate(struct issues *is, const cJSON *spec, const char *what);
/* Member status.X of a fresh object: `status` holds only what is given (a JSON text). */
void status_reset(cJSON *obj, const char *json);
