#include "controller/reconcile/statefulset_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

/* Creations per sync of a Parallel set: upstream's slow start ends at batches of 500 (R30); more
 * continue in the next sync. */
#define CREATE_BATCH 500
#define BATCH_MOST   500

void set_plan_fini(struct set_plan *plan)
{
    free(plan->steps);
    *plan = (struct set_plan){0};
}

static void add_step(struct set_plan *plan, struct set_step step)
{
    step.batch = plan->batch;
    if (plan->step_count == plan->step_cap) {
        plan->step_cap = plan->step_cap ? plan->step_cap * 2 : 8;
        plan->steps = xrealloc(plan->steps, plan->step_cap * sizeof *plan->steps);
    }
    plan->steps[plan->step_count++] = step;
}

const char *set_wait_text(enum set_wait wait, const char *pod, char *out, size_t size)
{
    static const char *const texts[][2] = {
        [SET_WAITS_FOR_NOTHING] = {"", ""},
        [SET_WAIT_STALE_CLAIM] = {"the old claim of ", " to be collected"},
        [SET_WAIT_CREATED] = {"", " to be created"},
        [SET_WAIT_REPLACED] = {"", ", which has ended, to be replaced"},
        [SET_WAIT_GONE] = {"", " to be gone"},
        [SET_WAIT_READY] = {"", " to be Ready"},
        [SET_WAIT_AVAILABLE] = {"", " to be Ready for minReadySeconds"},
        [SET_WAIT_FIRST] = {"", ", which is not available, to be available or deleted by hand"},
        [SET_WAIT_REMOVED] = {"", " to be removed"},
        [SET_WAIT_UPDATED] = {"", " to be updated"},
        [SET_WAIT_THERE] = {"", " to be there"},
        [SET_WAIT_NUMBER] = {"", ", the last ordinal there can be"},
    };
    (void)snprintf(out, size, "%s%s%s", texts[wait][0], wait == SET_WAITS_FOR_NOTHING ? "" : pod,
                   texts[wait][1]);
    return out;
}

static bool wait_for(struct set_plan *plan, int32_t ordinal, enum set_wait why)
{
    if (plan->waits_for == SET_WAITS_FOR_NOTHING) {
        plan->waits_for = why;
        plan->waits_ordinal = ordinal;
    }
    return false;
}

int32_t set_ordinal(const char *set, const char *pod)
{
    size_t len = strlen(set);
    if (strncmp(pod, set, len) != 0 || pod[len] != '-' || pod[len + 1] == '\0')
        return -1;
    if (pod[len + 1] == '0' && pod[len + 2] != '\0')
        return -1; /* R1: no padding, so that an ordinal has one name */
    int64_t number = 0;
    for (const char *at = pod + len + 1; *at; at++) {
        if (*at < '0' || *at > '9')
            return -1;
        number = number * 10 + (*at - '0');
        if (number > INT32_MAX)
            return -1;
    }
    return (int32_t)number;
}

enum set_revision set_revision_for(const struct set_plan_view *view, int32_t ordinal)
{
    if (view->on_delete)
        return SET_REVISION_UPDATE;
    int64_t old = view->has_rolling ? view->partition : view->current_replicas;
    return ordinal < (int64_t)view->start + old ? SET_REVISION_CURRENT : SET_REVISION_UPDATE;
}

static int64_t range_end(const struct set_plan_view *view)
{
    return (int64_t)view->start + view->replicas;
}

static bool in_range(const struct set_plan_view *view, const struct set_pod *pod)
{
    return pod->ordinal >= view->start && pod->ordinal < range_end(view);
}

/* First pod whose ordinal is not below `ordinal`. */
static size_t lower_bound(const struct set_plan_view *view, int64_t ordinal)
{
    size_t low = 0, high = view->pod_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (view->pods[mid].ordinal < ordinal)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void count_pods(const struct set_plan_view *view, struct set_plan *out)
{
    for (size_t i = 0; i < view->pod_count; i++) {
        const struct set_pod *pod = &view->pods[i];
        out->counts.replicas += pod->has_phase;
        out->counts.ready += pod->ready;
        out->counts.available += pod->available;
        out->counts.current += !pod->terminating && pod->is_current;
        out->counts.updated += !pod->terminating && pod->is_update;
        if (pod->ready && !pod->available && pod->available_at_us &&
            (!out->again_at_us || pod->available_at_us < out->again_at_us))
            out->again_at_us = pod->available_at_us;
    }
}

/* Processing of replica i, row b of the table: nothing of that name exists. */
static bool plan_missing(const struct set_plan_view *view, int32_t ordinal, struct set_plan *out)
{
    struct set_claims claims = view->claims(view->claims_arg, ordinal, false);
    if (claims.stale) /* R23 */
        return wait_for(out, ordinal, SET_WAIT_STALE_CLAIM) || view->parallel;
    add_step(out, (struct set_step){.kind = SET_CREATE_POD,
                                    .ordinal = ordinal,
                                    .revision = set_revision_for(view, ordinal),
                                    .why = "ordinal is missing"});
    if (view->parallel)
        return true;
    return wait_for(out, ordinal, SET_WAIT_CREATED);
}

/* R55's opt-in cure: an unready pod of a revision that is no longer wanted stands in the way of the
 * wanted one. */
static bool is_stuck(const struct set_plan_view *view, const struct set_pod *pod)
{
    return view->replace_stuck && !view->on_delete && !pod->terminating && !pod->available &&
           !pod->is_update && set_revision_for(view, pod->ordinal) == SET_REVISION_UPDATE;
}

/* R67: the status counts it as gone, so that the next sync makes it at the update revision (R47).
 */
static void delete_for_update(const struct set_pod *pod, const char *why, struct set_plan *out)
{
    add_step(out, (struct set_step){.kind = SET_DELETE_POD,
                                    .ordinal = pod->ordinal,
                                    .lowers_current = pod->is_current,
                                    .why = why});
    out->counts.current -= pod->is_current;
    wait_for(out, pod->ordinal, SET_WAIT_UPDATED);
}

/* Rows a and c to g: the pod exists. Returns false when the action phase ends here. */
static bool plan_present(const struct set_plan_view *view, const struct set_pod *pod,
                         struct set_plan *out)
{
    if (pod->finished) {
        if (!pod->terminating)
            add_step(out, (struct set_step){.kind = SET_DELETE_POD,
                                            .ordinal = pod->ordinal,
                                            .why = "has finished"});
        return wait_for(out, pod->ordinal, SET_WAIT_REPLACED) || view->parallel;
    }
    struct set_claims claims = view->claims(view->claims_arg, pod->ordinal, false);
    if (pod->pending && claims.missing)
        add_step(out, (struct set_step){.kind = SET_CREATE_CLAIMS,
                                        .ordinal = pod->ordinal,
                                        .why = "claim is missing"});
    if (!view->parallel) {
        if (pod->terminating)
            return wait_for(out, pod->ordinal, SET_WAIT_GONE);
        if (!pod->available && is_stuck(view, pod))
            delete_for_update(pod, "stuck on an old revision", out);
        if (!pod->ready)
            return wait_for(out, pod->ordinal, SET_WAIT_READY);
        if (!pod->available)
            return wait_for(out, pod->ordinal, SET_WAIT_AVAILABLE);
    }
    if (pod->identity_differs)
        add_step(out, (struct set_step){
                          .kind = SET_FIX_POD, .ordinal = pod->ordinal, .why = "identity differs"});
    if (claims.refs_differ)
        add_step(out, (struct set_step){.kind = SET_FIX_CLAIMS,
                                        .ordinal = pod->ordinal,
                                        .why = "claim owner differs"});
    return true;
}

/* Step 8: replicas ascending. */
static bool plan_replicas(const struct set_plan_view *view, struct set_plan *out)
{
    size_t next = lower_bound(view, view->start);
    unsigned created = 0;
    int64_t batch_size = 1, batch_end = (int64_t)view->start + 1;
    for (int64_t o = view->start; o < range_end(view); o++) {
        if (o > INT32_MAX)
            return wait_for(out, INT32_MAX, SET_WAIT_NUMBER);
        if (o == batch_end) { /* R30: 1, 2, 4, ... */
            batch_size = batch_size * 2 < BATCH_MOST ? batch_size * 2 : BATCH_MOST;
            batch_end += batch_size;
            out->batch++;
        }
        const struct set_pod *pod =
            next < view->pod_count && view->pods[next].ordinal == o ? &view->pods[next++] : NULL;
        if (pod ? !plan_present(view, pod, out) : !plan_missing(view, (int32_t)o, out))
            return false;
        if (!pod && ++created == CREATE_BATCH) {
            out->more = true;
            return wait_for(out, (int32_t)o, SET_WAIT_CREATED);
        }
    }
    return true;
}

/* Lowest unavailable condemned pod (R27(6)): all replicas in range are available when this is
 * asked. */
static const struct set_pod *first_unavailable(const struct set_plan_view *view)
{
    for (size_t i = 0; i < view->pod_count; i++)
        if (!in_range(view, &view->pods[i]) && !view->pods[i].available)
            return &view->pods[i];
    return NULL;
}

/* Steps 9 and 10: claim references of all condemned first (R20), then deletion, descending
 * (R34-R36). */
static bool plan_condemned(const struct set_plan_view *view, struct set_plan *out)
{
    const struct set_pod *first = first_unavailable(view);
    out->batch++;
    for (size_t i = 0; i < view->pod_count; i++)
        if (!in_range(view, &view->pods[i]) &&
            view->claims(view->claims_arg, view->pods[i].ordinal, true).refs_differ)
            add_step(out, (struct set_step){.kind = SET_FIX_CLAIMS,
                                            .ordinal = view->pods[i].ordinal,
                                            .condemned = true,
                                            .why = "claim owner differs"});
    out->batch++; /* no deletion after a reference that could not be written (R20) */
    for (size_t i = 0; i < view->pod_count && !view->parallel; i++) /* R35: at most one at a time */
        if (!in_range(view, &view->pods[i]) && view->pods[i].terminating)
            return wait_for(out, view->pods[i].ordinal, SET_WAIT_GONE);
    for (size_t i = view->pod_count; i-- > 0;) {
        const struct set_pod *pod = &view->pods[i];
        if (in_range(view, pod))
            continue;
        if (!view->parallel && !pod->available && pod != first)
            return wait_for(out, pod->ordinal, SET_WAIT_FIRST);
        if (!pod->terminating)
            add_step(out, (struct set_step){.kind = SET_DELETE_POD,
                                            .ordinal = pod->ordinal,
                                            .why = "ordinal is out of range"});
        if (!view->parallel)
            return wait_for(out, pod->ordinal, SET_WAIT_REMOVED);
    }
    return true;
}

/* R56: up to max_unavailable at once. A pod that goes uses up the budget, although one that
 * terminates may still be Ready; pods that are unavailable, old and in the window and stay do not.
 */
static void plan_update_many(const struct set_plan_view *view, struct set_plan *out, size_t lowest,
                             size_t end)
{
    int32_t unavailable = 0;
    for (size_t i = lower_bound(view, view->start); i < end; i++)
        unavailable += view->pods[i].terminating || view->pods[i].finished ||
                       (!view->pods[i].available && (i < lowest || view->pods[i].is_update));
    unavailable +=
        view->replicas - (int32_t)(end - lower_bound(view, view->start)); /* not created yet */
    for (size_t i = end; i-- > lowest;) {
        const struct set_pod *pod = &view->pods[i];
        if (pod->is_update || pod->terminating || pod->finished)
            continue;
        if (unavailable >= view->max_unavailable)
            return;
        delete_for_update(pod, "is of an old revision", out);
        unavailable++;
    }
}

/* Step 12 (R52): from the highest ordinal down to the partition, one at a time. */
static void plan_update(const struct set_plan_view *view, struct set_plan *out)
{
    int64_t partition = view->has_rolling ? view->partition : 0;
    out->batch++;
    size_t lowest = lower_bound(view, (int64_t)view->start + partition),
           end = lower_bound(view, range_end(view));
    if (view->max_unavailable > 0) {
        plan_update_many(view, out, lowest, end);
        return;
    }
    int64_t ordinal = range_end(view);
    for (size_t i = end; i-- > lowest;) {
        const struct set_pod *pod = &view->pods[i];
        if (pod->ordinal != --ordinal) {
            wait_for(out, (int32_t)ordinal, SET_WAIT_THERE);
            return;
        }
        if (!pod->is_update && !pod->terminating && !pod->finished) {
            delete_for_update(pod, "is of an old revision", out);
            return;
        }
        if (!pod->available || pod->terminating) {
            wait_for(out, pod->ordinal, pod->terminating ? SET_WAIT_GONE : SET_WAIT_READY);
            return;
        }
    }
}

void statefulset_plan(const struct set_plan_view *view, struct set_plan *out)
{
    *out = (struct set_plan){0};
    count_pods(view, out);
    if (!view->terminating && plan_replicas(view, out) && plan_condemned(view, out) &&
        !view->on_delete)
        plan_update(view, out);
    out->rollout_complete = !view->on_delete && out->counts.updated == view->replicas &&
                            out->counts.ready == view->replicas &&
                            out->counts.replicas == view->replicas;
}
