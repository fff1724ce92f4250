/* controller/reconcile/replicaset_plan.h - what one sync of a ReplicaSet does: statefulset.md R101.
 *
 * Pure. The contrast to a StatefulSet: any pod will do, a terminating one is replaced at once, many
 * come and go together. Private to controller/reconcile. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Pods made in one sync; more follow in the next. */
#define REPLICASET_BATCH 500

/* One pod of the set that is neither terminating nor finished. */
struct replica {
    const char *node; /* "" not bound */
    bool is_running, is_unknown;
    bool ready, available;
    bool is_labeled;         /* carries every label of the template */
    int64_t available_at_us; /* Ready but not yet available: when it will be, 0 = nobody knows */
    int64_t cost;            /* controller.kubernetes.io/pod-deletion-cost */
    int64_t ready_since_us, created_us;
    int64_t restarts;
    size_t crowd; /* pods of the set on its node; filled in by replicaset_plan */
    size_t index; /* the caller's */
};

struct replicaset_plan {
    size_t create; /* pods to make now */
    bool more;     /* and others in the next sync */
    size_t remove; /* the first so many of the replicas, which are then in order of R101 */
    int32_t replicas, labeled, ready, available;
    int64_t again_at_us; /* the earliest moment some pod becomes available, 0 = none */
};
/* Sorts the replicas, those that go first at the front. */
void replicaset_plan(struct replica *replicas, size_t count, int32_t wanted,
                     struct replicaset_plan *out);
