/* controller/reconcile/scheduler_plan.h - which node a pod goes to; pure. Private to
 * controller/reconcile. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "controller/reconcile/placement.h"

enum place_neighbours {
    NEIGHBOURS_FIT,
    NEIGHBOURS_NEAR,  /* none of those that the pod wants to be near is there */
    NEIGHBOURS_APART, /* one that the pod must not be near is there */
    NEIGHBOURS_GUARD  /* one that must not be near the pod is there */
};

#define PLACE_UNLIMITED INT64_MAX

struct place_node {
    const char *name;
    const struct label *labels;
    size_t label_count;
    const cJSON *taints; /* spec.taints, or NULL */
    bool is_ready, is_unschedulable;
    size_t pods, most_pods;          /* there now; status.allocatable.pods, 0 = no limit */
    int64_t cpu_milli, memory_bytes; /* left of status.allocatable; PLACE_UNLIMITED: not told */
    enum place_neighbours neighbours;
};

enum place_claim_state {
    CLAIM_BOUND,   /* its volume may be on some nodes only: terms */
    CLAIM_WAITS,   /* of a class with WaitForFirstConsumer, not bound yet */
    CLAIM_UNBOUND, /* to be bound before the pod is placed */
    CLAIM_MISSING, /* no such claim, or its volume is not there */
    CLAIM_LEAVING, /* being deleted */
    CLAIM_TAKEN,   /* ReadWriteOncePod, and another pod has it (R86) */
    CLAIM_LOST
};
struct place_claim {
    const char *name;
    enum place_claim_state state;
    const cJSON *terms;    /* nodeSelectorTerms of its volume (CLAIM_BOUND), of those it could get
                              (CLAIM_WAITS); NULL: everywhere */
    const char *only_node; /* ReadWriteOnce, and another pod has it there (R86); NULL: none has */
    const char *selected_node; /* CLAIM_WAITS: annotation, "" = none yet */
};

struct place_view {
    const cJSON *node_selector;  /* spec.nodeSelector, or NULL */
    const cJSON *affinity_terms; /* required node affinity, or NULL */
    const cJSON *tolerations;
    const char *avoid; /* node of the previous incarnation, "" = none: another one where possible */
    const struct place_claim *claims;
    size_t claim_count;
    const struct place_node *nodes;
    size_t node_count;
    int64_t cpu_milli, memory_bytes; /* requests of the pod */
};

enum place_result {
    PLACE_BIND,   /* to node */
    PLACE_SELECT, /* claims that wait get the annotation with node; the pod waits for them */
    PLACE_WAIT,   /* the node is selected, the claims are not bound yet */
    PLACE_NONE    /* reason says why, as in the Unschedulable condition */
};
#define PLACE_REASON_MAX 512
struct place_plan {
    enum place_result result;
    const struct place_node *node;
    char reason[PLACE_REASON_MAX];
};
void scheduler_plan(const struct place_view *view, struct place_plan *out);
