/* controller/reconcile/neighbours.h - which nodes a pod may go to for the sake of the pods that are
 * there already: its own required (anti-)affinity, and the anti-affinity of those. Private to
 * controller/reconcile; control thread.
 *
 * Kept between placements: the parsed terms of placed pods with anti-affinity, so that placing a
 * pod parses no other. A pod without terms costs one look at each of those. */
#pragma once

#include "controller/reconcile/keymap.h"
#include "controller/reconcile/scheduler_plan.h"
#include "controller/store/store.h"

struct neighbours {
    struct keymap guards; /* ns/pod -> placed pods with anti-affinity */
};

/* The pod is on its node now; or it is gone, or has ended. */
void neighbours_add(struct neighbours *n, const struct object *pod);
void neighbours_drop(struct neighbours *n, const struct object *pod);
void neighbours_fini(struct neighbours *n);

/* Sets .neighbours of every place for this pod (tree: its own). True when the pod wants to be near
 * others: one that is placed later may change the outcome. */
bool neighbours_judge(const struct neighbours *n, const struct store_view *view,
                      const struct object *pod, const cJSON *tree, struct place_node *places,
                      size_t count);
