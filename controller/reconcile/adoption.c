#include "controller/reconcile/adoption.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/reconcile/set_pod.h"

static void drop_references(cJSON *metadata, const char *uid)
{
    cJSON *refs = json_get(metadata, "ownerReferences");
    for (int i = cJSON_GetArraySize(refs); i-- > 0;)
        if (strcmp(json_str(cJSON_GetArrayItem(refs, i), "uid", ""), uid) == 0)
            cJSON_DeleteItemFromArray(refs, i);
    if (refs && !refs->child)
        json_del(metadata, "ownerReferences");
}

int change_adopt(cJSON *tree, void *set, struct err *e)
{
    (void)e;
    cJSON *metadata = json_obj(tree, "metadata");
    drop_references(metadata, ((const struct object *)set)->uid);
    cJSON_AddItemToArray(json_arr(metadata, "ownerReferences"), set_owner_ref(set));
    return 0;
}

int change_release(cJSON *tree, void *set, struct err *e)
{
    (void)e;
    drop_references(json_obj(tree, "metadata"), ((const struct object *)set)->uid);
    return 0;
}

int adoption_write(struct runner *runner, const struct object *pod, struct object *set,
                   verb_change_fn *change, struct err *e)
{
    struct verb v;
    AUTO_OBJECT out = NULL;
    const struct verb_key key = {KIND_POD, pod->ns, pod->name};
    runner_verb(runner, &v);
    int rc = verb_update(&v, &key, SUB_NONE, change, set, &out, e);
    if (rc == 0)
        return runner_stage(runner, &v, e);
    runner_drop(&v);
    return rc;
}

static void found_add(struct found_pods *found, const struct object *pod)
{
    if (found->count == found->cap) {
        found->cap = found->cap ? found->cap * 2 : 16;
        found->at = xrealloc(found->at, found->cap * sizeof *found->at);
    }
    found->at[found->count++] = object_ref(pod);
}

bool found_if_controlled(struct found_pods *found, const struct object *set,
                         const struct object *pod)
{
    const struct owner_ref *owner = object_controller(pod);
    bool is_its = owner && strcmp(owner->uid, set->uid) == 0 && strcmp(pod->ns, set->ns) == 0;
    if (is_its)
        found_add(found, pod);
    return is_its;
}

void found_controlled(struct found_pods *found, const struct store_view *view,
                      const struct object *set)
{
    char term[INDEX_TERM_MAX];
    struct index_cursor cur;
    index_owner(term, set->uid);
    for (index_seek(&cur, view, KIND_POD, term); cur.object; index_next(&cur))
        (void)found_if_controlled(found, set, cur.object);
}

void found_orphan(struct found_pods *found, const struct object *pod)
{
    if (!object_controller(pod) && !pod->deleted_us)
        found_add(found, pod);
}

void found_fini(struct found_pods *found)
{
    for (size_t i = 0; i < found->count; i++)
        object_unref(found->at[i]);
    free(found->at);
    *found = (struct found_pods){0};
}
