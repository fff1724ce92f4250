#include "controller/reconcile/volumes_plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool same(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static void say(struct plan_event *event, const char *type, const char *reason, const char *format,
                ...) __attribute__((format(printf, 4, 5)));
static void say(struct plan_event *event, const char *type, const char *reason, const char *format,
                ...)
{
    va_list args;
    event->type = type;
    event->reason = reason;
    va_start(args, format);
    (void)vsnprintf(event->message, sizeof event->message, format, args);
    va_end(args);
}

/* ---- matching (R77, R80) ---- */

static bool is_claimed(const struct volume_view *v)
{
    return *v->claim_name || *v->claim_uid;
}

/* claimRef names this claim, of any incarnation or of this one. */
static bool names_claim(const struct volume_view *v, const struct claim_plan_view *view)
{
    return same(v->claim_ns, view->ns) && same(v->claim_name, view->name) &&
           (!*v->claim_uid || same(v->claim_uid, view->uid));
}

static bool offers_modes(const struct volume_view *v, const struct claim_view *claim)
{
    return (claim->access_modes & ~v->access_modes) == 0;
}

static bool waits_for_consumer(const struct claim_plan_view *view)
{
    return view->class && view->class->wait_for_consumer && !*view->claim->selected_node;
}

bool claim_seeks_volume(const struct claim_plan_view *view)
{
    return !view->is_terminating && same(view->claim->phase, "Pending") &&
           !*view->claim->volume_name && !waits_for_consumer(view);
}

bool volume_suits(const struct plan_volume *volume, const struct claim_plan_view *view)
{
    const struct volume_view *v = volume->view;
    const struct claim_view *claim = view->claim;
    if (volume->is_terminating || v->capacity_bytes < claim->request_bytes ||
        !same(v->volume_mode, claim->volume_mode) ||
        !same(v->attributes_class, claim->attributes_class) || !offers_modes(v, claim))
        return false;
    if (is_claimed(v)) /* whoever wrote claimRef has chosen; class and labels do not matter then */
        return names_claim(v, view);
    return same(v->phase, "Available") && same(v->class_name, claim->class_name) &&
           selector_matches(&claim->selector, volume->labels, volume->label_count);
}

static unsigned mode_count(unsigned modes)
{
    unsigned n = 0;
    for (; modes; modes &= modes - 1)
        n++;
    return n;
}

/* Fewest access modes, then least capacity, then by name. */
static bool is_better(const struct plan_volume *a, const struct plan_volume *b)
{
    unsigned x = mode_count(a->view->access_modes), y = mode_count(b->view->access_modes);
    if (x != y)
        return x < y;
    if (a->view->capacity_bytes != b->view->capacity_bytes)
        return a->view->capacity_bytes < b->view->capacity_bytes;
    return strcmp(a->name, b->name) < 0;
}

/* A volume that was claimed for this claim first. If its node affinity does not allow the node,
 * the claim cannot be used there: no other volume is taken instead. */
static size_t best_match(const struct claim_plan_view *view, bool *is_held)
{
    size_t best = VOLUME_NONE;
    bool waits = waits_for_consumer(view);
    *is_held = false;
    for (size_t i = 0; i < view->volume_count; i++) {
        const struct plan_volume *volume = &view->volumes[i];
        if (!volume_suits(volume, view))
            continue;
        if (is_claimed(volume->view)) {
            *is_held = !volume->allows_node;
            return volume->allows_node ? i : VOLUME_NONE;
        }
        if (!waits && volume->allows_node &&
            (best == VOLUME_NONE || is_better(volume, &view->volumes[best])))
            best = i;
    }
    return best;
}

/* ---- claims ---- */

static void bind_to(const struct claim_plan_view *view, size_t i, struct claim_plan *out)
{
    out->step = CLAIM_BIND;
    out->volume = i;
    out->is_our_choice = !names_claim(view->volumes[i].view, view);
}

static bool is_ours(const struct class_view *class)
{
    return same(class->provisioner, PROVISIONER_DIRECTORY);
}

bool claim_may_be_provisioned(const struct claim_plan_view *view)
{
    if (!view->class || strncmp(view->class->provisioner, "kubernetes.io/", 14) == 0)
        return false;
    return !is_ours(view->class) ||
           (same(view->claim->volume_mode, "Filesystem") && view->claim->selector.count == 0);
}

/* Why no volume is made. */
static void plan_failed(const struct claim_plan_view *view, struct claim_plan *out)
{
    struct plan_event *event = &out->event;
    if (*view->claim->selected_node && view->class->wait_for_consumer)
        out->step = CLAIM_UNSELECT;
    if (!is_ours(view->class))
        say(event, "Warning", "ProvisioningFailed", "no volume plugin matched name: %s",
            view->class->provisioner);
    else if (!same(view->claim->volume_mode, "Filesystem"))
        say(event, "Warning", "ProvisioningFailed", "%s provides volumeMode Filesystem only",
            PROVISIONER_DIRECTORY);
    else
        say(event, "Warning", "ProvisioningFailed",
            "claim.spec.selector is not supported for dynamic provisioning");
}

static void plan_provision(const struct claim_plan_view *view, struct claim_plan *out)
{
    const struct claim_view *claim = view->claim;
    struct plan_event *event = &out->event;
    if (!view->class) {
        say(event, "Warning", "ProvisioningFailed", "storageclass.storage.k8s.io \"%s\" not found",
            claim->class_name);
    } else if (waits_for_consumer(view)) {
        say(event, "Normal", "WaitForFirstConsumer",
            "waiting for first consumer to be created before binding");
    } else if (!claim_may_be_provisioned(view)) {
        plan_failed(view, out);
    } else if (is_ours(view->class)) {
        out->step = CLAIM_PROVISION;
    } else {
        say(event, "Normal", "ExternalProvisioning",
            "Waiting for a volume to be created either by the external provisioner '%s' or "
            "manually "
            "by the system administrator.",
            view->class->provisioner);
    }
}

static void plan_unbound(const struct claim_plan_view *view, struct claim_plan *out)
{
    bool is_held = false;
    size_t i = best_match(view, &is_held);
    if (i != VOLUME_NONE)
        bind_to(view, i, out);
    else if (is_held)
        say(&out->event, "Warning", "FailedBinding",
            "node \"%s\" is not allowed by the volume that is claimed for this claim",
            view->claim->selected_node);
    else if (!view->claim->has_class && view->default_class)
        out->step = CLAIM_SET_CLASS;
    else if (*view->claim->class_name)
        plan_provision(view, out);
    else
        say(&out->event, "Normal", "FailedBinding",
            "no persistent volumes available for this claim and no storage class is set");
}

static size_t named_volume(const struct claim_plan_view *view)
{
    for (size_t i = 0; i < view->volume_count; i++)
        if (same(view->volumes[i].name, view->claim->volume_name))
            return i;
    return VOLUME_NONE;
}

/* R80: why the volume that the claim names is not good for it, NULL when it is. The selector is not
 * looked at. */
static const char *mismatch(const struct plan_volume *volume, const struct claim_view *claim)
{
    const struct volume_view *v = volume->view;
    if (volume->is_terminating)
        return "the volume is being deleted";
    if (v->capacity_bytes < claim->request_bytes)
        return "requested PV is too small";
    if (!same(v->class_name, claim->class_name))
        return "storageClassName does not match";
    if (!same(v->volume_mode, claim->volume_mode))
        return "incompatible volumeMode";
    if (!same(v->attributes_class, claim->attributes_class))
        return "volumeAttributesClassName does not match";
    if (!offers_modes(v, claim))
        return "incompatible accessMode";
    return NULL;
}

static void plan_named(const struct claim_plan_view *view, struct claim_plan *out)
{
    size_t i = named_volume(view);
    if (i == VOLUME_NONE)
        return; /* it may come */
    const struct plan_volume *volume = &view->volumes[i];
    if (is_claimed(volume->view)) {
        if (names_claim(volume->view, view))
            bind_to(view, i, out);
        else
            say(&out->event, "Warning", "FailedBinding",
                "volume \"%s\" already bound to a different claim.", volume->name);
        return;
    }
    const char *why = mismatch(volume, view->claim);
    if (why)
        say(&out->event, "Warning", "VolumeMismatch", "Cannot bind to requested volume \"%s\": %s",
            volume->name, why);
    else
        bind_to(view, i, out);
}

static bool made_by_us(const struct volume_view *v)
{
    return same(v->provisioned_by, PROVISIONER_DIRECTORY);
}

/* What the claim says it has. Of a volume that somebody else made it may lag behind while that one
 * grows and its file system does not yet: whoever grows it says so (R85). */
static bool has_its_capacity(const struct claim_view *claim, const struct volume_view *v)
{
    return claim->capacity_bytes == v->capacity_bytes ||
           (claim->capacity_bytes > 0 && !made_by_us(v));
}

/* All four writes of a binding are there (R81). */
static bool is_bound_to(const struct claim_plan_view *view, const struct plan_volume *volume)
{
    const struct volume_view *v = volume->view;
    return same(v->claim_uid, view->uid) && same(v->phase, "Bound") &&
           same(view->claim->volume_name, volume->name) && view->claim->bind_completed &&
           same(view->claim->phase, "Bound") && has_its_capacity(view->claim, v);
}

static void plan_expand(const struct claim_plan_view *view, size_t i, struct claim_plan *out)
{
    if (!made_by_us(view->volumes[i].view)) {
        say(&out->event, "Normal", "ExternalExpanding",
            "waiting for an external controller to expand this PVC");
        return;
    }
    out->step = CLAIM_EXPAND;
    out->volume = i;
    say(&out->event, "Normal", "VolumeResizeSuccessful", "Resize volume succeeded");
}

static void plan_bound(const struct claim_plan_view *view, struct claim_plan *out)
{
    size_t i = named_volume(view);
    if (i == VOLUME_NONE) {
        out->step = CLAIM_LOSE;
        say(&out->event, "Warning", "ClaimLost",
            *view->claim->volume_name
                ? "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
                : "Bound claim has lost reference to PersistentVolume. Data on the volume is "
                  "lost!");
        return;
    }
    const struct plan_volume *volume = &view->volumes[i];
    if (is_claimed(volume->view) && !names_claim(volume->view, view)) {
        out->step = CLAIM_LOSE;
        say(&out->event, "Warning", "ClaimMisbound",
            "Two claims are bound to the same volume, this one is bound incorrectly");
    } else if (!is_bound_to(view, volume)) {
        bind_to(view, i, out);
    } else if (view->claim->request_bytes > volume->view->capacity_bytes && view->class &&
               view->class->allow_expansion && !view->is_terminating) {
        plan_expand(view, i, out);
    }
}

void claim_plan(const struct claim_plan_view *view, struct claim_plan *out)
{
    *out = (struct claim_plan){.step = CLAIM_KEEP, .volume = VOLUME_NONE};
    if (view->is_terminating && !view->is_used && view->is_protected)
        out->step = CLAIM_UNPROTECT;
    else if (!view->is_terminating && !view->is_protected)
        out->step = CLAIM_PROTECT;
    else if (same(view->claim->phase, "Bound"))
        plan_bound(view, out);
    else if (view->is_terminating || same(view->claim->phase, "Lost"))
        return; /* Lost is terminal (R76); nothing is begun for a claim that goes */
    else if (*view->claim->volume_name)
        plan_named(view, out);
    else
        plan_unbound(view, out);
}

/* ---- volumes (R76, R83) ---- */

static void set_phase(const struct volume_plan_view *view, const char *phase,
                      struct volume_plan *out)
{
    if (same(view->volume->phase, phase))
        return;
    out->step = VOLUME_SET_PHASE;
    out->phase = phase;
}

/* Its claim is gone: Released first, then by policy. Failed stays, so that somebody sees it. */
static void plan_released(const struct volume_plan_view *view, struct volume_plan *out)
{
    const struct volume_view *v = view->volume;
    if (same(v->phase, "Failed"))
        return;
    if (!same(v->phase, "Released")) {
        set_phase(view, "Released", out);
    } else if (same(v->reclaim_policy, "Recycle")) {
        set_phase(view, "Failed", out);
        say(&out->event, "Warning", "VolumeRecycleFailed",
            "No recycler plugin found for the volume!");
    } else if (same(v->reclaim_policy, "Delete") && !view->is_terminating &&
               (!*v->provisioned_by || same(v->provisioned_by, PROVISIONER_DIRECTORY))) {
        out->step = VOLUME_DELETE; /* what another provisioner made, that one deletes */
    }
}

static void plan_elsewhere(const struct volume_plan_view *view, struct volume_plan *out)
{
    if (*view->volume->provisioned_by && same(view->volume->reclaim_policy, "Delete"))
        plan_released(view, out);
    else
        out->step = VOLUME_UNBIND;
}

static void plan_claimed(const struct volume_plan_view *view, struct volume_plan *out)
{
    const struct volume_view *v = view->volume;
    if (!view->claim || !same(view->claim_uid, v->claim_uid)) {
        plan_released(view, out);
    } else if (same(view->claim->volume_name, view->name)) {
        if (same(view->claim->phase, "Pending"))
            out->step = VOLUME_WAKE_CLAIM;
        else
            set_phase(view, "Bound", out);
    } else if (*view->claim->volume_name) {
        plan_elsewhere(view, out);
    } else if (!same(view->claim->volume_mode, v->volume_mode)) {
        say(&out->event, "Warning", "VolumeMismatch",
            "Cannot bind PersistentVolume to requested PersistentVolumeClaim \"%s\" due to "
            "incompatible volumeMode.",
            v->claim_name);
    } else {
        out->step = VOLUME_WAKE_CLAIM;
    }
}

void volume_plan(const struct volume_plan_view *view, struct volume_plan *out)
{
    const struct volume_view *v = view->volume;
    *out = (struct volume_plan){.step = VOLUME_KEEP};
    if (!view->is_terminating && !view->is_protected) {
        out->step = VOLUME_PROTECT;
        return;
    }
    if (!*v->claim_uid)
        set_phase(view, "Available", out); /* free, or kept for a claim that has not come yet */
    else
        plan_claimed(view, out);
    if (view->is_terminating && out->step != VOLUME_SET_PHASE && view->is_protected &&
        !same(v->phase, "Bound")) {
        *out =
            (struct volume_plan){.step = VOLUME_UNPROTECT,
                                 .removes_storage = same(v->reclaim_policy, "Delete") &&
                                                    same(v->provisioned_by, PROVISIONER_DIRECTORY)};
    }
}
