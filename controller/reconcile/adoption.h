/* controller/reconcile/adoption.h - what a set takes for its own and what it lets go again:
 * statefulset.md R27 (1), R60, R61, R101.
 *
 * Whose a pod or a revision is, its controller reference says, and nothing else. Control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "controller/reconcile/runner.h"

/* verb_change_fn; arg is the set (const struct object *). Adopting makes the set the controller,
 * once: a reference to it that was there without being the controller's is replaced. Releasing
 * removes every reference to it. */
int change_adopt(cJSON *tree, void *set, struct err *e);
int change_release(cJSON *tree, void *set, struct err *e);

/* Writes one of these to a pod, in a unit of its own; the set may be off the head by then. */
int adoption_write(struct runner *runner, const struct object *pod, struct object *set,
                   verb_change_fn *change, struct err *e);

/* Pods that a sync looks at; holds a reference to each, since writes move the head on. */
struct found_pods {
    const struct object **at;
    size_t count, cap;
};
/* Adds the pods that `set` controls, in its namespace: to another's, an owner here is absent (R66).
 */
void found_controlled(struct found_pods *found, const struct store_view *view,
                      const struct object *set);
/* Adds a pod if `set` controls it; says whether. */
bool found_if_controlled(struct found_pods *found, const struct object *set,
                         const struct object *pod);
/* Adds a pod that nobody controls and that is not going. */
void found_orphan(struct found_pods *found, const struct object *pod);
void found_fini(struct found_pods *found);
