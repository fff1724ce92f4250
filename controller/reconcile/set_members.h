/* controller/reconcile/set_members.h - the pods of a StatefulSet, kept from one sync to the next;
 * private to controller/reconcile.
 *
 * The planner looks at all pods of a set each time; what it reads of a pod is worked out when that
 * pod or a claim of its ordinal has changed, and kept. It follows from the pod, from the claims of
 * its ordinal and from the set's spec and deletion, so those who hear of changes note the ordinal,
 * or forget everything when the set itself changed. What depends on the clock and on the set's
 * revisions is put in at each sync (members_mark). Control thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/reconcile/keymap.h"
#include "controller/reconcile/statefulset_plan.h"
#include "controller/store/store.h"

struct set_member {
    struct object *object; /* owned reference; NULL: dropped, until members_settle */
    size_t *revision;      /* pods with its revision label, in revisions; NULL: it has none */
    struct set_claims claims;
    bool has_claims;           /* claims were looked at, */
    bool claims_are_condemned; /* with these references wanted */
};

struct set_members {
    struct set_pod *pods;  /* ascending, one per ordinal */
    struct set_member *at; /* of the pod with the same index */
    size_t count, cap, sorted, hint;
    struct keymap revisions; /* value of the revision label -> size_t *, pods that have it */
    int32_t *changed;        /* ordinals to be looked at again */
    size_t changed_count, changed_cap;
    bool is_known; /* all but those; false: every pod is to be looked at */
};

struct set_members *members_new(void);
void members_free(struct set_members *m); /* NULL is fine */

/* The pod of this ordinal, or a claim of it, changed; negative: one whose name says no ordinal. */
void members_note(struct set_members *m, int32_t ordinal);
/* Every pod is to be looked at; those that are here stay until then, for a sync that runs. */
void members_forget(struct set_members *m);
void members_clear(struct set_members *m);
/* The ordinals noted since the last call, ascending, each once; the caller's to free. */
int32_t *members_take_changed(struct set_members *m, size_t *count);

/* A pod of the set, in place of the one of its ordinal. After puts and drops nothing else may be
 * asked before members_settle. */
void members_put(struct set_members *m, const struct object *set, const struct object *pod,
                 int32_t ordinal);
void members_drop(struct set_members *m, int32_t ordinal);
void members_settle(struct set_members *m);

/* Sets what the clock and the names of the set's revisions say: available, is_current, is_update.
 */
void members_mark(struct set_members *m, const struct object *set, int64_t now_us,
                  const char *current, const char *update);

/* NULL when there is no such pod. Asked in ascending order it is found at once. */
struct set_member *members_find(struct set_members *m, int32_t ordinal);
/* Some pod has this revision label. */
bool members_have_revision(const struct set_members *m, const char *name);
/* The same pods, with the same said of them, as far as the marks and claims do not come into it. */
bool members_equal(const struct set_members *a, const struct set_members *b);
