/* controller/reconcile/set_pod.h - the pod and the claims of one ordinal, as trees: statefulset.md
 * sections 1 to 3.
 *
 * Builders and comparisons between a StatefulSet and what belongs to one of its ordinals. No
 * writes. Control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "controller/store/store.h"

#define LABEL_POD_NAME  "statefulset.kubernetes.io/pod-name"
#define LABEL_POD_INDEX "apps.kubernetes.io/pod-index"
#define LABEL_REVISION  "controller-revision-hash"

/* "<set>-<ordinal>" (R1), "<template>-<set>-<ordinal>" (R11); out has room for 512. */
void set_pod_name(const struct object *set, int32_t ordinal, char out[512]);
void set_claim_name(const struct object *set, const char *template, int32_t ordinal, char out[512]);

/* The controller owner reference to obj (R6), owned by the caller. */
cJSON *set_owner_ref(const struct object *obj);

/* The pod of an ordinal from a revision's template (R4, R5, R6, R13), owned by the caller. */
cJSON *set_pod_tree(const struct object *set, const cJSON *template, int32_t ordinal,
                    const char *revision);
/* The claim of a template (an item of spec.volumeClaimTemplates) for an ordinal (R11, R12), with
 * the owner references wanted for a pod in range (section 3). match_labels:
 * spec.selector.matchLabels of the set, may be NULL. Owned. */
cJSON *set_claim_tree(const struct object *set, const cJSON *match_labels, const cJSON *template,
                      int32_t ordinal);

/* R9: the pod-name label is right and every claim template has its volume. */
bool set_pod_has_identity(const struct object *set, const struct object *pod, int32_t ordinal);
/* Restores labels and volumes in a pod's tree. */
void set_pod_restore(const struct object *set, int32_t ordinal, cJSON *pod);

enum claim_refs {
    CLAIM_REFS_RIGHT,
    CLAIM_REFS_DIFFER,
    CLAIM_REFS_CONFLICT_DIFFER, /* another controller holds it; ours have to go (R22) */
    CLAIM_REFS_CONFLICT         /* another controller holds it; nothing to write */
};
/* The table of section 3 against one claim. pod may be NULL when it does not exist. */
enum claim_refs set_claim_refs(const struct object *set, const struct object *pod,
                               const struct object *claim, bool condemned);
/* Makes the owner references of a claim's tree those of the table. */
void set_claim_refs_apply(const struct object *set, const struct object *pod, bool condemned,
                          bool conflict, cJSON *claim);
/* R23: a Pod reference of this ordinal's name with another uid than pod's. */
bool set_claim_is_stale(const struct object *set, const struct object *pod,
                        const struct object *claim, int32_t ordinal);
