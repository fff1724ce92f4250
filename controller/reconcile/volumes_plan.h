/* controller/reconcile/volumes_plan.h - which volume a claim gets, and what becomes of a volume;
 * pure: no store, no clock, no log.
 *
 * statefulset.md R25, R76-R86. One plan looks at one claim or at one volume and names one step,
 * which completes whatever part of it is missing, so that a state half written by somebody else
 * comes to its end (S79). Deciding again after the step gives CLAIM_KEEP or VOLUME_KEEP. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "controller/store/view.h"

#define PROVISIONER_DIRECTORY "ordinald.dev/directory"
#define VOLUME_NONE           ((size_t)-1)
#define VOLUME_MESSAGE_MAX    256

/* What the applier records on the object (R70); type NULL: nothing. */
struct plan_event {
    const char *type, *reason;
    char message[VOLUME_MESSAGE_MAX];
};

/* A volume that may come into question. Pointers are borrowed. */
struct plan_volume {
    const char *name;
    const struct volume_view *view;
    const struct label *labels;
    size_t label_count;
    bool is_terminating;
    bool
        allows_node; /* its node affinity allows the claim's selected node; true when it has none */
};

struct claim_plan_view {
    const char *ns, *name, *uid;
    const struct claim_view *claim;
    bool is_terminating, is_protected; /* has a deletionTimestamp; has the finalizer */
    bool is_used;                      /* by a pod that is not terminal (R25) */
    const struct class_view *class;    /* StorageClass that the claim names; NULL: there is none */
    const char *default_class;         /* NULL: none is marked */
    const struct plan_volume *volumes; /* the one that the claim names, else all that may match */
    size_t volume_count;
};

enum claim_step {
    CLAIM_KEEP,      /* nothing to write */
    CLAIM_PROTECT,   /* add the finalizer */
    CLAIM_UNPROTECT, /* remove it: the deletion goes on */
    CLAIM_UNSELECT,  /* take the selected node back: no volume can be had there, the scheduler looks
                        again */
    CLAIM_SET_CLASS, /* spec.storageClassName = default_class (R78) */
    CLAIM_BIND,      /* to `volume`: what is missing of the four writes of R81 */
    CLAIM_PROVISION, /* make volume pvc-<uid>, and bind it */
    CLAIM_EXPAND,    /* `volume` is ours and grows to the request (R85) */
    CLAIM_LOSE       /* phase Lost (R82) */
};
struct claim_plan {
    enum claim_step step;
    size_t volume;      /* index into view->volumes, or VOLUME_NONE */
    bool is_our_choice; /* CLAIM_BIND: the volume did not name this claim: annotation (R81) */
    struct plan_event event;
};
void claim_plan(const struct claim_plan_view *view, struct claim_plan *out);

/* True when the claim still looks for a volume: Pending, names none, not being deleted, and not one
 * that waits for its first consumer. */
bool claim_seeks_volume(const struct claim_plan_view *view);
/* True when the class makes volumes and would make one for this claim: by us, or by somebody else
 * who does not speak here. */
bool claim_may_be_provisioned(const struct claim_plan_view *view);
/* R77: the volume offers what the claim asks for, its node affinity aside. */
bool volume_suits(const struct plan_volume *volume, const struct claim_plan_view *view);

struct volume_plan_view {
    const char *name;
    const struct volume_view *volume;
    bool is_terminating, is_protected;
    const char *claim_uid;          /* of the claim that claimRef names; NULL: there is none */
    const struct claim_view *claim; /* NULL: there is none */
};

enum volume_step {
    VOLUME_KEEP,
    VOLUME_PROTECT,
    VOLUME_UNPROTECT, /* terminating and not bound: its storage goes with it when `removes_storage`
                       */
    VOLUME_SET_PHASE, /* status.phase = phase */
    VOLUME_UNBIND, /* the claim went elsewhere: take claimRef back (all of it when we set it, else
                      the uid); Available */
    VOLUME_DELETE, /* released, reclaim policy Delete (R83) */
    VOLUME_WAKE_CLAIM /* the claim's own plan completes the binding */
};
struct volume_plan {
    enum volume_step step;
    const char *phase;
    bool removes_storage;
    struct plan_event event;
};
void volume_plan(const struct volume_plan_view *view, struct volume_plan *out);
