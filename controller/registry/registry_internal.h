/* controller/registry/registry_internal.h - what the files of the registry share; nobody else
 * includes it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/err.h"
#include "controller/registry/access.h"
#include "controller/registry/registry.h"
#include "controller/registry/validate.h"
#include "controller/store/store.h"

#define NAME_MAX_BYTES       253
#define ANNOTATION_EPOCH     "ordinald.dev/epoch"
#define ANNOTATION_FENCED    "ordinald.dev/fenced"
#define FINALIZER_FOREGROUND "foregroundDeletion"
#define FINALIZER_ORPHAN     "orphan"
#define FINALIZER_NAMESPACE  "kubernetes"
#define FINALIZER_CLAIM      "kubernetes.io/pvc-protection"
#define FINALIZER_VOLUME     "kubernetes.io/pv-protection"

struct cidr {
    bool is_v6;
    uint8_t base[16]; /* network order; IPv4 in the first four bytes */
    unsigned bits;
    char text[64];
};
int cidr_parse(const char *text, struct cidr *out);
bool cidr_contains(const struct cidr *cidr, const char *address);

struct event_due {
    char *key; /* owned: "<ns>/<name>" */
    int64_t due_us;
};

struct registry {
    struct store *store;
    struct cidr pod_range[2], service_range[2]; /* one per family at most, in the order given */
    size_t pod_range_count, service_range_count;
    char *default_class;
    struct event_due *events; /* heap, the one due first on top */
    size_t event_count, event_room;
};

/* ---- errors with the sentences of Kubernetes ---- */

/* `pods "x"`, `statefulsets.apps "x"` */
int fail_not_found(const struct kind *kind, const char *name, struct err *e);
int fail_exists(const struct kind *kind, const char *name, struct err *e);
/* `Operation cannot be fulfilled on <resource> "<name>": <detail>`; NULL: the sentence of A18. */
int fail_conflict(const struct kind *kind, const char *name, const char *detail, struct err *e);
int fail_forbidden(const struct kind *kind, const char *name, const char *detail, struct err *e);
/* Puts the causes collected in e together: `<Kind.group> "<name>" is invalid: ...`. */
int fail_invalid(const struct kind *kind, const char *name, struct err *e);
/* The same for a group and kind that are not stored ("Scale.autoscaling"). */
int fail_invalid_as(const char *kind_text, const char *name, struct err *e);
void verb_warn(const struct verb *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- one write on its way ---- */

struct change {
    const struct verb *v;
    const struct kind *kind;
    const struct object *before; /* NULL: create */
    const cJSON *old;            /* its tree, NULL: create */
    enum subresource sub;
};

/* ---- metadata (meta.c) ---- */

/* apiVersion, kind, namespace and name of a body against the path (A19); fills what is absent. name
 * NULL: not in the path. */
int meta_fit(const struct kind *kind, const char *ns, const char *name, cJSON *obj, struct err *e);
/* What the server sets at create (A15). */
void meta_create(const struct kind *kind, cJSON *obj);
/* Restores what no writer may change. */
void meta_restore(const struct change *c, cJSON *obj);
void meta_validate(const struct change *c, struct issues *is, const cJSON *obj);
void meta_bump_generation(cJSON *meta);
bool meta_has_finalizer(const cJSON *obj, const char *finalizer);
void meta_add_finalizer(cJSON *obj, const char *finalizer);
void meta_set_annotation(cJSON *obj, const char *key, const char *value); /* NULL removes */
const char *meta_annotation(const cJSON *obj, const char *key);           /* NULL absent */
const char *meta_uid(const cJSON *obj);
void json_set_now(cJSON *obj, const char *name);
/* Sets a string, number or bool member that is absent. */
void default_str(cJSON *obj, const char *name, const char *value);
void default_int(cJSON *obj, const char *name, int64_t value);
void default_bool(cJSON *obj, const char *name, bool value);
/* Puts a copy of from's member (absent: removes it) into obj. */
void json_copy_member(cJSON *obj, const cJSON *from, const char *name);

/* ---- leaving the store (finalize.c) ---- */

enum pod_end { POD_END_CONFIRMED, POD_END_FORCED };
/* The object leaves with this unit: identities are told. */
int object_leave(const struct verb *v, const struct object *obj, enum pod_end end, struct err *e);
/* Nothing holds it back any more: terminating, no grace, no finalizer. */
bool tree_may_leave(const struct kind *kind, const cJSON *obj);
/* May this role write this object (registry.h, enum role)? obj NULL: create. */
int role_check(const struct verb *v, const struct kind *kind, const struct access_ask *ask,
               const struct object *obj, struct err *e);

/* What ROLE_NODE may not write although the object is its own (node_role.c): ERR_FORBIDDEN. Fills
 * in who reported a new event. Others: 0. */
int node_role_admit(const struct change *c, cJSON *obj, struct err *e);

/* ---- identities (identity.c) ---- */

/* A new incarnation: a pod of a set is created or adopted. pod gets its epoch. */
int identity_begin(const struct verb *v, cJSON *pod, struct err *e);
/* The pod object goes. forced: nobody confirmed that its containers stopped. */
int identity_end(const struct verb *v, const struct object *pod, bool forced, struct err *e);
/* From now on this incarnation is not believed any more; the object may stay (finalizers). */
int identity_fence(const struct verb *v, const struct object *pod, struct err *e);
bool identity_is_fenced(const struct verb *v, const char *ns, const char *pod, const char *uid);
/* A claim that is created while a pod of a set mounts it carries that pod's epoch. */
void identity_mark_claim(const struct verb *v, cJSON *claim);
/* ERR_CONFLICT when a fenced incarnation still holds one of the pod's new addresses. */
int identity_check_addresses(const struct change *c, const cJSON *pod, struct err *e);

/* ---- events (event.c) ---- */

void event_remember(struct registry *reg, const struct object *event);
void events_free(struct registry *reg);
