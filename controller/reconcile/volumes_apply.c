#include "controller/reconcile/volumes_apply.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "controller/reconcile/volumes_plan.h"

#define BIND_COMPLETED      "pv.kubernetes.io/bind-completed"
#define BOUND_BY_CONTROLLER "pv.kubernetes.io/bound-by-controller"
#define SELECTED_NODE       "volume.kubernetes.io/selected-node"
#define PROVISIONED_BY      "pv.kubernetes.io/provisioned-by"

static int update(const struct verb *v, const struct object *obj, enum subresource sub,
                  verb_change_fn *change, void *arg, struct err *e)
{
    const struct verb_key key = {obj->kind->id, obj->ns, obj->name};
    AUTO_OBJECT out = NULL;
    return verb_update(v, &key, sub, change, arg, &out, e);
}

static void copy_member(cJSON *to, const char *name, const cJSON *from, const char *from_name)
{
    const cJSON *value = json_get(from, from_name);
    if (value)
        json_set(to, name, cJSON_Duplicate(value, true));
    else
        json_del(to, name);
}

static void annotate(cJSON *tree, const char *key, const char *value)
{
    json_set_str(json_obj(json_obj(tree, "metadata"), "annotations"), key, value);
}

/* ---- finalizers, phases, class ---- */

struct finalizer_arg {
    const char *name;
    bool wanted;
};

static int change_finalizer(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct finalizer_arg *f = arg;
    cJSON *list = json_arr(json_obj(tree, "metadata"), "finalizers");
    for (int i = cJSON_GetArraySize(list); i-- > 0;) {
        const cJSON *item = cJSON_GetArrayItem(list, i);
        if (cJSON_IsString(item) && strcmp(item->valuestring, f->name) == 0)
            cJSON_DeleteItemFromArray(list, i);
    }
    if (f->wanted)
        cJSON_AddItemToArray(list, cJSON_CreateString(f->name));
    if (!list->child)
        json_del(json_obj(tree, "metadata"), "finalizers");
    return 0;
}

int apply_finalizer(const struct verb *v, const struct object *obj, const char *finalizer,
                    bool wanted, struct err *e)
{
    struct finalizer_arg arg = {finalizer, wanted};
    return update(v, obj, SUB_NONE, change_finalizer, &arg, e);
}

static int change_phase(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const char *const *phase = arg;
    cJSON *status = json_obj(tree, "status");
    if (strcmp(json_str(status, "phase", ""), *phase) == 0)
        return 0;
    json_set_str(status, "phase", *phase);
    if (strcmp(json_str(tree, "kind", ""), "PersistentVolume") == 0) {
        char now[CLOCK_TEXT_MAX];
        json_set_str(status, "lastPhaseTransitionTime", clock_format(clock_now_us(), now));
    }
    return 0;
}

int apply_phase(const struct verb *v, const struct object *obj, const char *phase, struct err *e)
{
    return update(v, obj, SUB_STATUS, change_phase, &phase, e);
}

static int change_class(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const char *const *class_name = arg;
    cJSON *spec = json_obj(tree, "spec");
    if (!json_get(spec, "storageClassName"))
        json_set_str(spec, "storageClassName", *class_name);
    return 0;
}

int apply_class(const struct verb *v, const struct object *claim, const char *class_name,
                struct err *e)
{
    return update(v, claim, SUB_NONE, change_class, &class_name, e);
}

static int change_selected(cJSON *tree, void *arg, struct err *e)
{
    (void)arg;
    (void)e;
    json_del(json_at(tree, "metadata", "annotations", NULL), SELECTED_NODE);
    return 0;
}

int apply_unselect(const struct verb *v, const struct object *claim, struct err *e)
{
    return update(v, claim, SUB_NONE, change_selected, NULL, e);
}

/* ---- binding (R81) ---- */

struct binding {
    const struct object *claim;
    const char *volume;
    bool is_our_choice;
    cJSON *spec;      /* of the volume */
    bool is_our_make; /* its capacity is what the claim has; else only from the first binding on */
};

static int change_claim_ref(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct binding *b = arg;
    cJSON *ref = json_obj(json_obj(tree, "spec"), "claimRef");
    json_set_str(ref, "apiVersion", "v1");
    json_set_str(ref, "kind", "PersistentVolumeClaim");
    json_set_str(ref, "namespace", b->claim->ns);
    json_set_str(ref, "name", b->claim->name);
    json_set_str(ref, "uid", b->claim->uid);
    if (b->is_our_choice)
        annotate(tree, BOUND_BY_CONTROLLER, "yes");
    return 0;
}

static int change_volume_name(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct binding *b = arg;
    cJSON *spec = json_obj(tree, "spec");
    if (strcmp(json_str(spec, "volumeName", ""), b->volume) != 0) {
        json_set_str(spec, "volumeName", b->volume);
        annotate(tree, BOUND_BY_CONTROLLER, "yes");
    }
    annotate(tree, BIND_COMPLETED, "yes");
    return 0;
}

static int change_claim_status(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct binding *b = arg;
    cJSON *status = json_obj(tree, "status");
    bool has_capacity = strcmp(json_str(status, "phase", ""), "Bound") == 0 &&
                        json_at(status, "capacity", "storage", NULL);
    json_set_str(status, "phase", "Bound");
    copy_member(status, "accessModes", b->spec, "accessModes");
    if (b->is_our_make || !has_capacity)
        copy_member(status, "capacity", b->spec, "capacity");
    return 0;
}

int apply_bind(const struct verb *v, const struct object *claim, const char *volume,
               bool is_our_choice, struct err *e)
{
    const struct object *found = store_unit_find(v->unit, KIND_PV, "", volume);
    if (!found)
        return err_set(e, ERR_CONFLICT, "volume \"%.253s\" is gone", volume);
    cJSON *tree = object_tree(found);
    AUTO_OBJECT obj = object_ref(found); /* the unit replaces it */
    bool is_our_make = strcmp(volume_view(obj)->provisioned_by, PROVISIONER_DIRECTORY) == 0;
    struct binding b = {claim, volume, is_our_choice, json_get(tree, "spec"), is_our_make};
    int rc = update(v, obj, SUB_NONE, change_claim_ref, &b, e);
    if (rc == 0)
        rc = apply_phase(v, obj, "Bound", e);
    if (rc == 0)
        rc = update(v, claim, SUB_NONE, change_volume_name, &b, e);
    if (rc == 0)
        rc = update(v, claim, SUB_STATUS, change_claim_status, &b, e);
    cJSON_Delete(tree);
    return rc;
}

static int change_unbind(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    (void)arg;
    cJSON *spec = json_obj(tree, "spec");
    cJSON *annotations = json_at(tree, "metadata", "annotations", NULL);
    if (json_get(annotations, BOUND_BY_CONTROLLER)) {
        json_del(annotations, BOUND_BY_CONTROLLER);
        json_del(spec, "claimRef");
    } else {
        json_del(json_get(spec, "claimRef"), "uid");
    }
    return 0;
}

int apply_unbind(const struct verb *v, const struct object *volume, struct err *e)
{
    return update(v, volume, SUB_NONE, change_unbind, NULL, e);
}

int apply_delete(const struct verb *v, const struct object *obj, struct err *e)
{
    const struct verb_key key = {obj->kind->id, obj->ns, obj->name};
    const struct delete_opts opts = {.uid = obj->uid};
    bool gone = false;
    AUTO_OBJECT out = NULL;
    int rc = verb_delete(v, &key, &opts, &out, &gone, e);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

/* ---- volumes that we make (R84, R85) ---- */

static cJSON *volume_tree(const struct object *claim, const struct object *class, const char *name,
                          const char *path)
{
    cJSON *want = object_tree(claim), *kind = object_tree(class);
    const cJSON *from = json_get(want, "spec");
    cJSON *tree = cJSON_CreateObject();
    json_set_str(tree, "apiVersion", "v1");
    json_set_str(tree, "kind", "PersistentVolume");
    json_set_str(json_obj(tree, "metadata"), "name", name);
    annotate(tree, PROVISIONED_BY, PROVISIONER_DIRECTORY);
    annotate(tree, BOUND_BY_CONTROLLER, "yes");
    cJSON *spec = json_obj(tree, "spec");
    const cJSON *requests = json_at(from, "resources", "requests", NULL);
    copy_member(json_obj(spec, "capacity"), "storage", requests, "storage");
    copy_member(spec, "accessModes", from, "accessModes");
    copy_member(spec, "volumeMode", from, "volumeMode");
    copy_member(spec, "volumeAttributesClassName", from, "volumeAttributesClassName");
    copy_member(spec, "mountOptions", kind, "mountOptions");
    json_set_str(spec, "storageClassName", class->name);
    json_set_str(spec, "persistentVolumeReclaimPolicy", class_view(class)->reclaim_policy);
    json_set_str(json_obj(spec, "hostPath"), "path", path);
    cJSON_Delete(want);
    cJSON_Delete(kind);
    return tree;
}

int apply_provision(const struct verb *v, const struct object *claim, const struct object *class,
                    const char *name, const char *path, struct err *e)
{
    AUTO_OBJECT out = NULL;
    cJSON *tree = volume_tree(claim, class, name, path);
    int rc = verb_create(v, KIND_PV, "", tree, &out, e);
    cJSON_Delete(tree);
    return rc < 0 ? rc : apply_bind(v, claim, name, true, e);
}

static int change_capacity(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const cJSON *claim = arg;
    cJSON *spec = json_obj(tree, "spec");
    copy_member(json_obj(spec, "capacity"), "storage",
                json_at(claim, "spec", "resources", "requests", NULL), "storage");
    return 0;
}

int apply_expand(const struct verb *v, const struct object *claim, const char *volume,
                 struct err *e)
{
    const struct verb_key key = {KIND_PV, "", volume};
    AUTO_OBJECT out = NULL;
    cJSON *tree = object_tree(claim);
    int rc = verb_update(v, &key, SUB_NONE, change_capacity, tree, &out, e);
    cJSON_Delete(tree);
    return rc < 0 ? rc : apply_bind(v, claim, volume, false, e);
}
