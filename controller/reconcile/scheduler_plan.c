#include "controller/reconcile/scheduler_plan.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"

/* Why a node does not fit, in the order in which it is looked at and told. */
enum misfit {
    FITS,
    NOT_READY,
    UNSCHEDULABLE,
    TAINTED,
    SELECTOR,
    NOT_NEAR,
    NOT_APART,
    GUARDED,
    VOLUME,
    NO_VOLUME,
    NOT_SELECTED,
    IN_USE,
    FULL,
    NO_CPU,
    NO_MEMORY,
    MISFIT_COUNT
};

static const char *const misfit_text[MISFIT_COUNT] = {
    [NOT_READY] = "node(s) were not ready",
    [UNSCHEDULABLE] = "node(s) were unschedulable",
    [TAINTED] = "node(s) had untolerated taint(s)",
    [SELECTOR] = "node(s) didn't match Pod's node affinity/selector",
    [NOT_NEAR] = "node(s) didn't match pod affinity rules",
    [NOT_APART] = "node(s) didn't match pod anti-affinity rules",
    [GUARDED] = "node(s) didn't satisfy existing pods anti-affinity rules",
    [VOLUME] = "node(s) had volume node affinity conflict",
    [NO_VOLUME] = "node(s) didn't find available persistent volumes to bind",
    [NOT_SELECTED] = "node(s) were not selected for the claims",
    [IN_USE] = "node(s) cannot have a ReadWriteOnce volume that is in use on another node",
    [FULL] = "Too many pods",
    [NO_CPU] = "Insufficient cpu",
    [NO_MEMORY] = "Insufficient memory",
};

static enum misfit fit_claims(const struct place_view *view, const struct place_node *node)
{
    for (size_t i = 0; i < view->claim_count; i++) {
        const struct place_claim *claim = &view->claims[i];
        if (claim->state == CLAIM_BOUND &&
            !placement_terms_match(claim->terms, node->name, node->labels, node->label_count))
            return VOLUME;
        if (claim->state == CLAIM_WAITS &&
            !placement_terms_match(claim->terms, node->name, node->labels, node->label_count))
            return NO_VOLUME;
        if (claim->state == CLAIM_WAITS && *claim->selected_node &&
            strcmp(claim->selected_node, node->name) != 0)
            return NOT_SELECTED;
        if (claim->only_node && strcmp(claim->only_node, node->name) != 0)
            return IN_USE;
    }
    return FITS;
}

static enum misfit fit_neighbours(const struct place_node *node)
{
    switch (node->neighbours) {
    case NEIGHBOURS_FIT:
        return FITS;
    case NEIGHBOURS_NEAR:
        return NOT_NEAR;
    case NEIGHBOURS_APART:
        return NOT_APART;
    case NEIGHBOURS_GUARD:
        return GUARDED;
    }
    return FITS;
}

static enum misfit fit(const struct place_view *view, const struct place_node *node)
{
    if (!node->is_ready)
        return NOT_READY;
    if (node->is_unschedulable)
        return UNSCHEDULABLE;
    if (placement_untolerated(view->tolerations, node->taints))
        return TAINTED;
    if (!placement_selector_matches(view->node_selector, node->labels, node->label_count) ||
        !placement_terms_match(view->affinity_terms, node->name, node->labels, node->label_count))
        return SELECTOR;
    enum misfit misfit = fit_neighbours(node);
    if (misfit == FITS)
        misfit = fit_claims(view, node);
    if (misfit != FITS)
        return misfit;
    if (node->most_pods > 0 && node->pods >= node->most_pods)
        return FULL;
    if (view->cpu_milli > 0 && view->cpu_milli > node->cpu_milli)
        return NO_CPU;
    return view->memory_bytes > 0 && view->memory_bytes > node->memory_bytes ? NO_MEMORY : FITS;
}

/* Claims that stand in the way whatever the node. */
static bool is_blocked(const struct place_view *view, struct place_plan *out)
{
    for (size_t i = 0; i < view->claim_count; i++) {
        const struct place_claim *claim = &view->claims[i];
        const char *before = "persistentvolumeclaim \"", *after = "";
        switch (claim->state) {
        case CLAIM_BOUND:
        case CLAIM_WAITS:
            continue;
        case CLAIM_UNBOUND:
            before = "pod has unbound immediate PersistentVolumeClaims: \"";
            after = "\"";
            break;
        case CLAIM_MISSING:
            after = "\" not found";
            break;
        case CLAIM_LEAVING:
            after = "\" is being deleted";
            break;
        case CLAIM_TAKEN:
            after = "\" is ReadWriteOncePod and another pod uses it";
            break;
        case CLAIM_LOST:
            after = "\" bound to non-existent persistentvolume";
            break;
        }
        (void)snprintf(out->reason, sizeof out->reason, "%s%s%s", before, claim->name, after);
        return true;
    }
    return false;
}

/* Fewest pods; the node of the previous incarnation only when no other fits. */
static bool is_better(const struct place_view *view, const struct place_node *a,
                      const struct place_node *b)
{
    bool a_avoided = strcmp(a->name, view->avoid) == 0,
         b_avoided = strcmp(b->name, view->avoid) == 0;
    if (a_avoided != b_avoided)
        return b_avoided;
    if (a->pods != b->pods)
        return a->pods < b->pods;
    return strcmp(a->name, b->name) < 0;
}

static void explain(const struct place_view *view, const size_t misfits[MISFIT_COUNT],
                    struct place_plan *out)
{
    if (view->node_count == 0) {
        (void)snprintf(out->reason, sizeof out->reason, "no nodes available to schedule pods");
        return;
    }
    int len =
        snprintf(out->reason, sizeof out->reason, "0/%zu nodes are available", view->node_count);
    const char *separator = ":";
    for (enum misfit m = NOT_READY; m < MISFIT_COUNT; m++) {
        if (misfits[m] == 0)
            continue;
        len += snprintf(out->reason + len, sizeof out->reason - (size_t)len, "%s %zu %s", separator,
                        misfits[m], misfit_text[m]);
        separator = ",";
    }
    (void)snprintf(out->reason + len, sizeof out->reason - (size_t)len, ".");
}

void scheduler_plan(const struct place_view *view, struct place_plan *out)
{
    *out = (struct place_plan){.result = PLACE_NONE};
    if (is_blocked(view, out))
        return;
    size_t misfits[MISFIT_COUNT] = {0};
    for (size_t i = 0; i < view->node_count; i++) {
        enum misfit misfit = fit(view, &view->nodes[i]);
        misfits[misfit]++;
        if (misfit == FITS && (!out->node || is_better(view, &view->nodes[i], out->node)))
            out->node = &view->nodes[i];
    }
    if (!out->node) {
        explain(view, misfits, out);
        return;
    }
    out->result = PLACE_BIND;
    for (size_t i = 0; i < view->claim_count; i++) {
        if (view->claims[i].state != CLAIM_WAITS)
            continue;
        if (!*view->claims[i].selected_node)
            out->result = PLACE_SELECT;
        else if (out->result == PLACE_BIND)
            out->result = PLACE_WAIT;
    }
}
