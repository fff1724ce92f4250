/* controller/reconcile/statefulset_plan.h - what one sync of a StatefulSet does: statefulset.md
 * sections 3 to 7 and 9.
 *
 * Pure: the view in, steps and status out; no store, no clock, no log. The applier (statefulset.c)
 * gathers the view from the head and carries the steps out in order, stopping at the first that
 * fails. The same planner runs under the daemon, under table tests and under the simulator. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One claimed pod that exists (R60). */
struct set_pod {
    int32_t ordinal;
    bool terminating;
    bool finished; /* phase Failed or Succeeded */
    bool pending;  /* phase Pending */
    bool has_phase;
    bool ready;                 /* phase Running and condition Ready (R31) */
    bool available;             /* and for minReadySeconds */
    int64_t available_at_us;    /* ready but not yet available: when it will be */
    bool is_current, is_update; /* revision label names the current / the update revision */
    bool identity_differs;      /* pod-name or pod-index label, or a claim volume is missing (R9) */
};

/* The claims of one ordinal, existing or not. */
struct set_claims {
    bool missing; /* at least one does not exist */
    bool stale;   /* carries a Pod reference of that name with another uid (R23): wait until it is
                     collected */
    bool refs_differ; /* owner references are not those of the table of section 3 */
};

struct set_plan_view {
    int32_t replicas, start;
    bool parallel, on_delete, has_rolling;
    int32_t partition;
    int32_t max_unavailable;    /* 0: off, one at a time (R56) */
    bool terminating;           /* the set itself (R62) */
    bool replace_stuck;         /* annotation ordinald.dev/replace-stuck (R55) */
    int32_t current_replicas;   /* status.currentReplicas as stored (R47) */
    const struct set_pod *pods; /* claimed pods with an ordinal, ascending, one per ordinal */
    size_t pod_count;
    /* Claims of an ordinal. condemned selects the wanted references. */
    struct set_claims (*claims)(const void *arg, int32_t ordinal, bool condemned);
    const void *claims_arg;
};

enum set_step_kind {
    SET_CREATE_POD,    /* missing claims and the pod, in one unit (R14); revision says which */
    SET_CREATE_CLAIMS, /* missing claims of a Pending pod (R16) */
    SET_DELETE_POD,
    SET_FIX_POD,   /* restore identity labels and volumes (R9) */
    SET_FIX_CLAIMS /* owner references of the ordinal's claims (R20) */
};
enum set_revision { SET_REVISION_CURRENT, SET_REVISION_UPDATE };

struct set_step {
    enum set_step_kind kind;
    int32_t ordinal;
    enum set_revision revision; /* SET_CREATE_POD */
    bool condemned;             /* SET_FIX_CLAIMS */
    bool lowers_current;        /* SET_DELETE_POD: counts.current is without this pod (R67) */
    unsigned batch;             /* an error ends the steps of a Parallel set with its batch (R30) */
    const char *why;            /* "ordinal is missing", for logs and explain */
};

/* Why the action phase ended at an ordinal. */
enum set_wait {
    SET_WAITS_FOR_NOTHING,
    SET_WAIT_STALE_CLAIM, /* R23 */
    SET_WAIT_CREATED,     /* its pod is being made now */
    SET_WAIT_REPLACED,    /* Failed or Succeeded: removed, then made anew */
    SET_WAIT_GONE,        /* terminating */
    SET_WAIT_READY,       /* R29 */
    SET_WAIT_AVAILABLE,   /* minReadySeconds */
    SET_WAIT_FIRST,       /* R35: condemned, unavailable and not the first such */
    SET_WAIT_REMOVED,     /* condemned, being deleted */
    SET_WAIT_UPDATED,     /* deleted for its new revision (R52) */
    SET_WAIT_THERE,       /* missing during an update */
    SET_WAIT_NUMBER       /* ordinals end */
};
/* "kubia-1 to be Ready", what others wait for; pod is the name of waits_ordinal. */
const char *set_wait_text(enum set_wait wait, const char *pod, char *out, size_t size);

struct set_counts {
    int32_t replicas, ready, available, current, updated;
};

struct set_plan {
    struct set_step *steps; /* owned, see set_plan_fini */
    size_t step_count, step_cap;
    unsigned batch;           /* of the steps added last */
    enum set_wait waits_for;  /* why the action phase ended early */
    int32_t waits_ordinal;    /* the ordinal it waits for */
    int64_t again_at_us;      /* earliest moment some pod becomes available, 0 = none (R32) */
    bool more;                /* creations beyond the batch are left: sync again */
    struct set_counts counts; /* status (R67) */
    bool rollout_complete; /* currentRevision := updateRevision, currentReplicas := updatedReplicas
                              (R53) */
};

void statefulset_plan(const struct set_plan_view *view, struct set_plan *out);
void set_plan_fini(struct set_plan *plan);

/* Revision of a pod created for ordinal o (R47). */
enum set_revision set_revision_for(const struct set_plan_view *view, int32_t ordinal);

/* "kubia-3" of set "kubia" -> 3; -1 when the name is not <set>-<digits> with the part before the
 * last dash equal to set, the number does not fit 31 bits (R2) or is padded (R1). */
int32_t set_ordinal(const char *set, const char *pod);
