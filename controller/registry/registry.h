/* controller/registry/registry.h - what every writer must obey, whoever it is; the verbs as
 * functions on objects, without HTTP.
 *
 * API handlers, reconcilers, scheduler, binder and embedded nodes all write through these verbs,
 * with a role; a remote node agent does the same through HTTP. Verbs read the unit's own writes
 * over the head and put the result into the unit; nothing happens before the caller stages it. A
 * verb may be run again on a newer object (conflict): it keeps no state. Control thread. Sources:
 * api.md (A15-A32), statefulset.md (R41-R45, R71-R75, R85, R87-R88, R99). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "base/err.h"
#include "controller/store/store.h"

struct registry_opts {
    const char *const *pod_range; /* one CIDR per family */
    size_t pod_range_count;
    const char *const *service_range;
    size_t service_range_count;
    const char *default_class; /* volumes.class; "" = none */
};
struct registry;
/* Borrows the store. ERR_INVALID names the option. */
int registry_new(struct store *store, const struct registry_opts *opts, struct registry **out,
                 struct err *e);
void registry_free(struct registry *reg);
struct store *registry_store(const struct registry *reg);
/* Puts what must exist at start into an empty store: namespaces default, kube-system, kube-public,
 * kube-node-lease (A23), the Service default/kubernetes is not made (nobody serves it), the default
 * StorageClass (R78). Stages a unit. */
int registry_bootstrap(struct registry *reg, struct err *e);

/* What each may do: access.h. */
enum role {
    ROLE_NOBODY, /* known by name, without any right */
    ROLE_ADMIN,  /* a client of the API */
    ROLE_READER, /* may not write */
    ROLE_NODE, /* a node agent: its own Node, Lease, and the status and final deletion of pods bound
                  to it */
    ROLE_CONTROLLER, /* our reconcilers */
    ROLE_SYSTEM      /* the registry itself: identities, bootstrap */
};
enum field_validation { VALIDATE_WARN, VALIDATE_STRICT, VALIDATE_IGNORE };
enum subresource { SUB_NONE, SUB_STATUS, SUB_SCALE, SUB_FINALIZE };

/* Who asks and how; caller's storage, borrowed for the call. */
struct verb {
    struct registry *reg;
    struct store_unit *unit;
    enum role role;
    const char *node; /* ROLE_NODE: its name */
    bool replaces;    /* a change ignores the tree it is given, which is then empty (PUT) */
    bool dry_run; /* everything but staging: the caller frees the unit instead (A: dryRun=All) */
    enum field_validation validation;
    const char *const *twice; /* paths of names that occurred twice in the body (base/json.h) */
    size_t twice_count;
    void (*warn)(void *arg, const char *text); /* Warning: 299 headers; may be NULL */
    void *warn_arg;
};

struct verb_key {
    enum kind_id kind;
    const char *ns; /* "" for cluster scope */
    const char *name;
};

/* POST. body is changed (defaults are filled in); stays the caller's. generateName as A20. *out:
 * reference owned by the caller; its revisions are 0 until the unit is committed. ERR_EXISTS,
 * ERR_NOT_FOUND (namespace), ERR_FORBIDDEN (namespace terminating), ERR_INVALID with causes,
 * ERR_MALFORMED (apiVersion/kind/name/namespace do not fit the path, resourceVersion set). */
int verb_create(const struct verb *v, enum kind_id kind, const char *ns, cJSON *body,
                struct object **out, struct err *e);

/* From the present object to the next: changes `tree` (with metadata.resourceVersion as read) in
 * place. Negative: the verb fails with that error. For SUB_SCALE the tree is the Scale. Run again
 * on conflict. */
typedef int verb_change_fn(cJSON *tree, void *arg, struct err *e);
/* PUT and PATCH on the main resource, status, scale or finalize: each door lets through only its
 * own fields (A25, R74). Applies change, checks resourceVersion and uid if the result carries them
 * (A18), restores immutable metadata, defaults, validates, bumps generation (A16), removes the
 * object when its last finalizer went (A32). A change that changes nothing puts nothing (A17): *out
 * is then the present object. *out: reference owned by the caller (for SUB_SCALE the parent). */
int verb_update(const struct verb *v, const struct verb_key *key, enum subresource sub,
                verb_change_fn *change, void *arg, struct object **out, struct err *e);
/* change_fn for PUT: arg is the body (const cJSON *), which replaces the tree. */
int verb_change_replace(cJSON *tree, void *arg, struct err *e);

enum propagation {
    PROPAGATE_DEFAULT,
    PROPAGATE_BACKGROUND,
    PROPAGATE_FOREGROUND,
    PROPAGATE_ORPHAN
};
struct delete_opts {
    bool has_grace;
    int64_t grace_s;
    enum propagation propagation;
    const char *uid;              /* precondition, NULL = none */
    const char *resource_version; /* precondition, NULL = none */
    bool confirms_nothing;        /* a collection or an eviction: uid guards the name, no more */
};
/* DeleteOptions body (may be NULL) into *out, whose strings borrow from body. ERR_MALFORMED,
 * ERR_INVALID. */
int delete_opts_parse(const cJSON *body, struct delete_opts *out, struct err *e);
/* DELETE: graceful for bound pods (R42), pending on finalizers and foreground/orphan (R63),
 * immediate otherwise. *gone: the object has left the store with this unit; else *out is the
 * terminating object. *out: last or present state, reference owned by the caller. ROLE_NODE with
 * grace 0 and a uid is the node's confirmation, and all it may do; so is ROLE_ADMIN with grace 0
 * and the uid of a terminating pod (a kubelet-like client, R42), unless confirms_nothing. Any other
 * grace 0 on a bound pod that has not ended is a force delete and fences the incarnation (R44
 * [ours]); a controller's always, since the collector marks pods of lost nodes Failed first. A node
 * that confirms a fenced uid releases the fence: when the object is gone, *gone, and *out is the
 * identity. While a finalizer holds the object, a status with a terminal phase and every container
 * terminated releases it, too, whoever writes it. */
int verb_delete(const struct verb *v, const struct verb_key *key, const struct delete_opts *opts,
                struct object **out, bool *gone, struct err *e);

/* POST pods/{name}/binding (R88): sets spec.nodeName once and condition PodScheduled. binding may
 * carry uid in metadata. */
int verb_bind(const struct verb *v, const char *ns, const char *pod, const cJSON *binding,
              struct err *e);
/* POST pods/{name}/eviction (A30): graceful delete with condition DisruptionTarget. */
int verb_evict(const struct verb *v, const char *ns, const char *pod, const cJSON *eviction,
               struct err *e);

/* Makes of a PodTemplateSpec of a set what a write of it would store today, defaults filled in and
 * empty members left out: data that an older server stored compares as equal then (R50). */
void registry_template_defaults(cJSON *template);

/* autoscaling/v1 Scale of a StatefulSet or ReplicaSet (A29), with the parent's resourceVersion.
 * Owned tree. */
cJSON *registry_scale(const struct object *obj);

/* Records an Event about obj (R70), aggregated by (object, reason, message, component): count and
 * lastTimestamp. Into the unit; events are not durable and have a TTL of 1 h (expired by
 * registry_expire_events). type "Normal" or "Warning". */
void registry_event(const struct verb *v, const struct object *obj, const char *type,
                    const char *reason, const char *component, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* Deletes events older than their TTL; returns the monotonic time of the next one due, or -1. */
int64_t registry_expire_events(struct registry *reg);

/* ---- identities (DESIGN section 4; controller/registry/identity.c) ----
 *
 * Pods that a StatefulSet controls have one from creation or adoption on; any other bound pod gets
 * one when it is removed by force. It goes with its namespace, which waits for its fences.
 * Annotation ordinald.dev/epoch: on the pod, and on its claims while attached; ordinald.dev/fenced:
 * on claims of a fenced incarnation. Status reports with an address that a fence holds are refused
 * (ERR_CONFLICT). */

/* True when no Service, pod or identity holds the address on the unit's view: embedded nodes ask
 * before they hand one out. */
bool registry_address_is_free(const struct verb *v, const char *address);
/* The node confirmed the end of a fenced incarnation, or the node was removed: its addresses return
 * to the pool. ERR_NOT_FOUND when the uid is not fenced; ERR_FORBIDDEN for ROLE_NODE when it ran on
 * another node (identity_view.fenced_nodes). */
int registry_identity_release(const struct verb *v, const char *ns, const char *pod,
                              const char *uid, struct err *e);
