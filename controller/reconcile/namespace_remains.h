/* controller/reconcile/namespace_remains.h - what keeps a namespace that is being deleted, in the
 * words of its conditions: upstream's (NamespaceContentRemaining, NamespaceFinalizersRemaining,
 * ...) and one of ours, ordinald.dev/FencesRemaining, which names the nodes that are waited for
 * (R44).
 *
 * Pure: counts objects as they are shown to it. Control thread. */
#pragma once

#include "base/buf.h"
#include "base/json.h"
#include "controller/reconcile/keymap.h"
#include "controller/store/store.h"

struct namespace_remains {
    size_t counts[KIND_COUNT];
    struct keymap finalizers; /* finalizer -> how many objects carry it */
    size_t fence_count;
    struct buf_out fences; /* sentences about the first few */
};

void namespace_remains_init(struct namespace_remains *r);
void namespace_remains_fini(struct namespace_remains *r);
void namespace_remains_add(struct namespace_remains *r, const struct object *obj);
/* Into status.conditions of the namespace. True when that changed something. */
bool namespace_remains_tell(const struct namespace_remains *r, cJSON *ns);
