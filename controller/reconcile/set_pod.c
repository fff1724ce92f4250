#include "controller/reconcile/set_pod.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"

void set_pod_name(const struct object *set, int32_t ordinal, char out[512])
{
    (void)snprintf(out, 512, "%s-%" PRId32, set->name, ordinal);
}

void set_claim_name(const struct object *set, const char *template, int32_t ordinal, char out[512])
{
    (void)snprintf(out, 512, "%s-%s-%" PRId32, template, set->name, ordinal);
}

cJSON *set_owner_ref(const struct object *obj)
{
    cJSON *ref = cJSON_CreateObject();
    json_set_str(ref, "apiVersion", obj->kind->api_version);
    json_set_str(ref, "kind", obj->kind->name);
    json_set_str(ref, "name", obj->name);
    json_set_str(ref, "uid", obj->uid);
    json_set_bool(ref, "controller", true);
    json_set_bool(ref, "blockOwnerDeletion", true);
    return ref;
}

static void copy_member(const cJSON *from, const char *name, cJSON *to)
{
    const cJSON *value = json_get(from, name);
    if (value)
        json_set(to, name, cJSON_Duplicate(value, true));
}

static void put_identity_labels(const struct object *set, int32_t ordinal, cJSON *metadata)
{
    char name[512], index[16];
    set_pod_name(set, ordinal, name);
    (void)snprintf(index, sizeof index, "%" PRId32, ordinal);
    cJSON *labels = json_obj(metadata, "labels");
    json_set_str(labels, LABEL_POD_NAME, name);
    json_set_str(labels, LABEL_POD_INDEX, index);
}

static const cJSON *volume_named(const cJSON *volumes, const char *name)
{
    const cJSON *volume;
    cJSON_ArrayForEach(volume,
                       volumes) if (strcmp(json_str(volume, "name", ""), name) == 0) return volume;
    return NULL;
}

/* R13: the claims' volumes first, then the template's others. */
static void put_volumes(const struct object *set, int32_t ordinal, cJSON *spec)
{
    const struct set_view *view = set_view(set);
    if (view->claim_template_count == 0)
        return;
    const cJSON *old = json_get(spec, "volumes");
    cJSON *volumes = cJSON_CreateArray();
    for (size_t i = 0; i < view->claim_template_count; i++) {
        char claim[512];
        set_claim_name(set, view->claim_templates[i], ordinal, claim);
        cJSON *volume = cJSON_CreateObject();
        json_set_str(volume, "name", view->claim_templates[i]);
        json_set_str(json_obj(volume, "persistentVolumeClaim"), "claimName", claim);
        cJSON_AddItemToArray(volumes, volume);
    }
    const cJSON *volume;
    cJSON_ArrayForEach(volume, old) if (!volume_named(volumes, json_str(volume, "name", "")))
        cJSON_AddItemToArray(volumes, cJSON_Duplicate(volume, true));
    json_set(spec, "volumes", volumes);
}

cJSON *set_pod_tree(const struct object *set, const cJSON *template, int32_t ordinal,
                    const char *revision)
{
    char name[512];
    const char *service = set_view(set)->service_name;
    const cJSON *meta = json_get(template, "metadata"), *spec_from = json_get(template, "spec");
    cJSON *pod = cJSON_CreateObject(), *metadata = json_obj(pod, "metadata");
    set_pod_name(set, ordinal, name);
    json_set_str(pod, "apiVersion", "v1");
    json_set_str(pod, "kind", "Pod");
    json_set_str(metadata, "name", name);
    json_set_str(metadata, "namespace", set->ns);
    copy_member(meta, "labels", metadata);
    copy_member(meta, "annotations", metadata);
    copy_member(meta, "finalizers", metadata);
    put_identity_labels(set, ordinal, metadata);
    json_set_str(json_obj(metadata, "labels"), LABEL_REVISION, revision);
    cJSON_AddItemToArray(json_arr(metadata, "ownerReferences"), set_owner_ref(set));
    cJSON *spec = spec_from ? cJSON_Duplicate(spec_from, true) : cJSON_CreateObject();
    json_set(pod, "spec", spec);
    json_set_str(spec, "hostname", name);
    json_del(spec, "subdomain");
    if (*service)
        json_set_str(spec, "subdomain", service);
    put_volumes(set, ordinal, spec);
    return pod;
}

cJSON *set_claim_tree(const struct object *set, const cJSON *match_labels, const cJSON *template,
                      int32_t ordinal)
{
    char name[512];
    const cJSON *meta = json_get(template, "metadata");
    const struct set_view *view = set_view(set);
    cJSON *claim = cJSON_CreateObject(), *metadata = json_obj(claim, "metadata");
    set_claim_name(set, json_str(meta, "name", ""), ordinal, name);
    json_set_str(claim, "apiVersion", "v1");
    json_set_str(claim, "kind", "PersistentVolumeClaim");
    json_set_str(metadata, "name", name);
    json_set_str(metadata, "namespace", set->ns);
    copy_member(meta, "labels", metadata);
    copy_member(meta, "annotations", metadata);
    const cJSON *label;
    cJSON_ArrayForEach(label,
                       match_labels) /* R12: the selector wins, matchExpressions add nothing */
        json_set_str(json_obj(metadata, "labels"), label->string,
                     cJSON_IsString(label) ? label->valuestring : "");
    copy_member(template, "spec", claim);
    if (view->when_deleted_delete)
        cJSON_AddItemToArray(json_arr(metadata, "ownerReferences"), set_owner_ref(set));
    return claim;
}

bool set_pod_has_identity(const struct object *set, const struct object *pod, int32_t ordinal)
{
    char name[512];
    const struct set_view *view = set_view(set);
    const struct pod_view *have = pod_view(pod);
    const char *label = object_label(pod, LABEL_POD_NAME);
    if (!label || strcmp(label, pod->name) != 0)
        return false;
    for (size_t i = 0; i < view->claim_template_count; i++) {
        bool found = false;
        set_claim_name(set, view->claim_templates[i], ordinal, name);
        for (size_t j = 0; j < have->claim_count && !found; j++)
            found = strcmp(have->claims[j].volume, view->claim_templates[i]) == 0 &&
                    strcmp(have->claims[j].claim, name) == 0;
        if (!found)
            return false;
    }
    return true;
}

void set_pod_restore(const struct object *set, int32_t ordinal, cJSON *pod)
{
    put_identity_labels(set, ordinal, json_obj(pod, "metadata"));
    put_volumes(set, ordinal, json_obj(pod, "spec"));
}

/* ---- owner references of claims ---- */

static bool refers_to(const struct owner_ref *ref, const char *kind, const char *name)
{
    return strcmp(ref->kind, kind) == 0 && strcmp(ref->name, name) == 0;
}

struct wanted {
    bool set, pod;
};

static struct wanted wanted_refs(const struct object *set, bool condemned)
{
    const struct set_view *view = set_view(set);
    bool pod = view->when_scaled_delete && condemned;
    return (struct wanted){.set = view->when_deleted_delete && !pod, .pod = pod};
}

bool set_claim_is_stale(const struct object *set, const struct object *pod,
                        const struct object *claim, int32_t ordinal)
{
    char name[512];
    set_pod_name(set, ordinal, name);
    if (!set_view(set)->when_scaled_delete)
        return false;
    for (size_t i = 0; i < claim->owner_count; i++)
        if (refers_to(&claim->owners[i], "Pod", name) &&
            (!pod || strcmp(claim->owners[i].uid, pod->uid) != 0))
            return true;
    return false;
}

enum claim_refs set_claim_refs(const struct object *set, const struct object *pod,
                               const struct object *claim, bool condemned)
{
    struct wanted want = wanted_refs(set, condemned);
    bool has_set = false, has_pod = false, has_ours = false, is_weak = false, is_foreign = false;
    for (size_t i = 0; i < claim->owner_count; i++) {
        const struct owner_ref *ref = &claim->owners[i];
        bool is_set = strcmp(ref->uid, set->uid) == 0,
             is_pod = pod && strcmp(ref->uid, pod->uid) == 0;
        if (!is_set && !is_pod) {
            if (refers_to(ref, "StatefulSet", set->name) ||
                (pod && refers_to(ref, "Pod", pod->name)))
                return CLAIM_REFS_RIGHT; /* R22: a stale reference: leave it untouched */
            is_foreign |= ref->controller;
            continue;
        }
        has_ours = true;
        has_set |= is_set;
        has_pod |= is_pod;
        is_weak |= !ref->controller;
    }
    if (is_foreign)
        return has_ours ? CLAIM_REFS_CONFLICT_DIFFER : CLAIM_REFS_CONFLICT;
    return has_set == want.set && has_pod == (want.pod && pod) && !is_weak ? CLAIM_REFS_RIGHT
                                                                           : CLAIM_REFS_DIFFER;
}

void set_claim_refs_apply(const struct object *set, const struct object *pod, bool condemned,
                          bool conflict, cJSON *claim)
{
    struct wanted want = wanted_refs(set, condemned);
    cJSON *metadata = json_obj(claim, "metadata"), *refs = cJSON_CreateArray();
    const cJSON *ref;
    cJSON_ArrayForEach(ref, json_get(metadata, "ownerReferences"))
    {
        const char *uid = json_str(ref, "uid", "");
        if (strcmp(uid, set->uid) != 0 && (!pod || strcmp(uid, pod->uid) != 0))
            cJSON_AddItemToArray(refs, cJSON_Duplicate(ref, true));
    }
    if (want.set && !conflict)
        cJSON_AddItemToArray(refs, set_owner_ref(set));
    if (want.pod && pod && !conflict)
        cJSON_AddItemToArray(refs, set_owner_ref(pod));
    if (cJSON_GetArraySize(refs) == 0) {
        cJSON_Delete(refs);
        json_del(metadata, "ownerReferences");
    } else {
        json_set(metadata, "ownerReferences", refs);
    }
}
