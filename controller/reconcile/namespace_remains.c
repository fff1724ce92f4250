#include "controller/reconcile/namespace_remains.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "controller/reconcile/parts.h"

/* Fences named in a condition; the others are counted. */
#define FENCES_NAMED 8
#define FENCED       "ordinald.dev/FencesRemaining"

void namespace_remains_init(struct namespace_remains *r)
{
    *r = (struct namespace_remains){0};
    buf_out_init(&r->fences);
}

void namespace_remains_fini(struct namespace_remains *r)
{
    keymap_fini(&r->finalizers);
    buf_out_fini(&r->fences);
}

static void add_fences(struct namespace_remains *r, const struct object *obj)
{
    const struct identity_view *v = identity_view(obj);
    for (size_t i = 0; i < v->fenced_count; i++)
        if (r->fence_count++ < FENCES_NAMED)
            buf_printf(&r->fences, "%spod %s was removed by force and may still run on node %s",
                       r->fence_count > 1 ? "; " : "", obj->name, fence_node(v, i));
}

void namespace_remains_add(struct namespace_remains *r, const struct object *obj)
{
    r->counts[obj->kind->id]++;
    for (size_t i = 0; i < obj->finalizer_count; i++) {
        void **count = keymap_put(&r->finalizers, obj->finalizers[i]);
        *count = (void *)((uintptr_t)*count + 1); /* NOLINT(performance-no-int-to-ptr) */
    }
    if (obj->kind->id == KIND_IDENTITY)
        add_fences(r, obj);
}

static bool tell_content(const struct namespace_remains *r, cJSON *ns)
{
    struct buf_out text;
    buf_out_init(&text);
    for (int i = 0; i < KIND_COUNT; i++) {
        const struct kind *kind = kind_get((enum kind_id)i);
        if (r->counts[i] > 0)
            buf_printf(&text, "%s%s.%s has %zu resource instances",
                       text.len ? ", " : "Some resources are remaining: ", kind->resource,
                       kind->group, r->counts[i]);
    }
    bool is_left = text.len > 0;
    if (!is_left)
        buf_puts(&text, "All content successfully removed");
    bool changed = condition_set(ns, "NamespaceContentRemaining", is_left ? "True" : "False",
                                 is_left ? "SomeResourcesRemain" : "ContentRemoved", text.data);
    buf_out_fini(&text);
    return changed;
}

static bool tell_finalizers(const struct namespace_remains *r, cJSON *ns)
{
    struct buf_out text;
    const char **names = keymap_sorted(&r->finalizers);
    buf_out_init(&text);
    for (size_t i = 0; i < r->finalizers.count; i++)
        buf_printf(&text, "%s%s in %" PRIuPTR " resource instances",
                   i ? ", " : "Some content in the namespace has finalizers remaining: ", names[i],
                   (uintptr_t)keymap_find(&r->finalizers, names[i]));
    bool is_left = text.len > 0;
    if (!is_left)
        buf_puts(&text, "All content-preserving finalizers finished");
    bool changed =
        condition_set(ns, "NamespaceFinalizersRemaining", is_left ? "True" : "False",
                      is_left ? "SomeFinalizersRemain" : "ContentHasNoFinalizers", text.data);
    buf_out_fini(&text);
    free(names);
    return changed;
}

/* Only where there is or was something to say: clients of other servers do not know it. */
static bool tell_fences(const struct namespace_remains *r, cJSON *ns)
{
    if (r->fence_count == 0)
        return condition_find(ns, FENCED) &&
               condition_set(ns, FENCED, "False", "NodesConfirmed", "No fence is left");
    struct buf_out text;
    buf_out_init(&text);
    buf_puts(&text, r->fences.data);
    if (r->fence_count > FENCES_NAMED)
        buf_printf(&text, "; and %zu more", r->fence_count - FENCES_NAMED);
    buf_puts(&text, ". Each goes when its node confirms the end, or when the Node is deleted");
    bool changed = condition_set(ns, FENCED, "True", "NodesHaveNotConfirmed", text.data);
    buf_out_fini(&text);
    return changed;
}

bool namespace_remains_tell(const struct namespace_remains *r, cJSON *ns)
{
    /* Nothing can go wrong here that upstream has the first three for. */
    bool changed = condition_set(ns, "NamespaceDeletionDiscoveryFailure", "False",
                                 "ResourcesDiscovered", "All resources successfully discovered");
    changed |= condition_set(ns, "NamespaceDeletionGroupVersionParsingFailure", "False",
                             "ParsedGroupVersions", "All legacy kube types successfully parsed");
    changed |= condition_set(ns, "NamespaceDeletionContentFailure", "False", "ContentDeleted",
                             "All content successfully deleted, may be waiting on finalization");
    changed |= tell_content(r, ns);
    changed |= tell_finalizers(r, ns);
    changed |= tell_fences(r, ns);
    return changed;
}
