/* controller/reconcile/set_revisions.h - a StatefulSet's ControllerRevisions in the store: found,
 * adopted, made, pruned (R47-R51, R57). */
#pragma once

#include "controller/reconcile/runner.h"

struct set_revision_use {
    char *name;            /* owned */
    cJSON *data;           /* owned: {"spec":{"template":...}} */
    const cJSON *template; /* inside data, without "$patch" */
};
struct set_revisions {
    struct set_revision_use current, update;
    int32_t collisions;
};
/* Adopts orphans, makes or raises the update revision, finds the current one (R51). Staged in one
 * unit. ERR_*. */
int set_revisions_load(struct runner *runner, const struct object *set, const cJSON *tree,
                       struct set_revisions *out, struct err *e);
void set_revisions_fini(struct set_revisions *revisions);
/* Deletes revisions beyond revisionHistoryLimit that nobody uses. */
int set_revisions_prune(struct runner *runner, const struct object *set,
                        bool (*is_live)(const void *arg, const char *name), const void *arg,
                        struct err *e);
