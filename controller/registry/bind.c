/* controller/registry/bind.c - binding (R88) and eviction (A30). */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/registry/registry_internal.h"
#include "controller/registry/shape.h"

/* ---- conditions ---- */

static void set_condition(cJSON *obj, const char *type, const char *reason, const char *message)
{
    cJSON *list = json_arr(json_obj(obj, "status"), "conditions"), *condition = list->child;
    while (condition && strcmp(json_str(condition, "type", ""), type) != 0)
        condition = condition->next;
    if (!condition) {
        condition = cJSON_CreateObject();
        CHECK(condition && cJSON_AddItemToArray(list, condition));
        json_set_str(condition, "type", type);
    }
    if (strcmp(json_str(condition, "status", ""), "True") != 0)
        json_set_now(condition, "lastTransitionTime");
    json_set_str(condition, "status", "True");
    if (reason)
        json_set_str(condition, "reason", reason);
    else
        json_del(condition, "reason");
    if (message)
        json_set_str(condition, "message", message);
    else
        json_del(condition, "message");
}

/* Stores a tree that was made from `before` by us: no door, no validation. */
static int put(const struct verb *v, const struct object *before, cJSON *tree, struct err *e)
{
    struct object *obj = NULL;
    int rc = object_new(before->kind, tree, &obj, e);
    if (rc == 0)
        store_unit_put(v->unit, obj, before);
    return rc;
}

/* ---- binding ---- */

static int check_binding(const struct verb *v, const struct object *pod, const cJSON *binding,
                         struct err *e)
{
    const char *uid = json_str(json_get(binding, "metadata"), "uid", "");
    const char *kind = json_str(json_get(binding, "target"), "kind", ""),
               *target = json_str(json_get(binding, "target"), "name", "");
    const struct pod_view *view = pod_view(pod);
    char detail[2 * NAME_MAX_BYTES + 96];
    static const char *const kinds[] = {"Node", "<empty>", NULL};
    struct issues is = {.e = e};
    if (*kind && strcmp(kind, "Node") != 0)
        issue_unsupported(&is, AT(AT(NULL, "target"), "kind"), kind, kinds);
    if (*target == '\0')
        issue_required(&is, AT(AT(NULL, "target"), "name"), "");
    if (is.count)
        return fail_invalid_as("Binding", pod->name, e);
    if (*uid && strcmp(uid, pod->uid) != 0) {
        (void)snprintf(detail, sizeof(detail),
                       "Precondition failed: UID in precondition: %.64s, UID in object meta: %s",
                       uid, pod->uid);
        return fail_conflict(pod->kind, pod->name, detail, e);
    }
    if (pod->deleted_us) {
        (void)snprintf(detail, sizeof(detail),
                       "pod %s is being deleted, cannot be assigned to a host", pod->name);
        return fail_conflict(pod->kind, pod->name, detail, e);
    }
    if (*view->node) {
        (void)snprintf(detail, sizeof(detail), "pod %s is already assigned to node \"%s\"",
                       pod->name, view->node);
        return fail_conflict(pod->kind, pod->name, detail, e);
    }
    if (view->is_gated) {
        (void)snprintf(detail, sizeof(detail), "pod %s has non-empty .spec.schedulingGates",
                       pod->name);
        return fail_conflict(pod->kind, pod->name, detail, e);
    }
    const struct access_ask ask = {
        .verb = "create", .sub = "binding", .ns = pod->ns, .name = pod->name};
    return role_check(v, pod->kind, &ask, pod, e);
}

/* The body of an action against its path (A19). */
static int check_body(const struct verb *v, enum schema_body shape, const cJSON *body,
                      const char *ns, const char *pod, struct err *e)
{
    int rc = shape_check_body(v, shape, body, e);
    if (rc < 0)
        return rc;
    const cJSON *meta = json_get(body, "metadata");
    const char *name = json_str(meta, "name", ""), *body_ns = json_str(meta, "namespace", "");
    if (*name && strcmp(name, pod) != 0)
        return err_set(e, ERR_MALFORMED,
                       "the name of the object (%.253s) does not match the name on the URL (%s)",
                       name, pod);
    if (*body_ns && strcmp(body_ns, ns) != 0)
        return err_set(e, ERR_MALFORMED,
                       "the namespace of the provided object does not match the namespace sent on "
                       "the request");
    return 0;
}

int verb_bind(const struct verb *v, const char *ns, const char *pod, const cJSON *binding,
              struct err *e)
{
    int rc = check_body(v, SCHEMA_BINDING, binding, ns, pod, e);
    if (rc < 0)
        return rc;
    const struct object *found = store_unit_find(v->unit, KIND_POD, ns, pod);
    if (!found)
        return fail_not_found(kind_get(KIND_POD), pod, e);
    if ((rc = check_binding(v, found, binding, e)) < 0)
        return rc;
    cJSON *tree = object_tree(found);
    const cJSON *annotations = json_at(binding, "metadata", "annotations", NULL);
    json_set_str(json_obj(tree, "spec"), "nodeName",
                 json_str(json_get(binding, "target"), "name", ""));
    for (const cJSON *it = annotations ? annotations->child : NULL; it; it = it->next)
        if (cJSON_IsString(it) && strcmp(it->string, ANNOTATION_EPOCH) != 0)
            meta_set_annotation(tree, it->string, it->valuestring);
    set_condition(tree, "PodScheduled", NULL, NULL);
    meta_bump_generation(json_get(tree, "metadata"));
    rc = put(v, found, tree, e);
    cJSON_Delete(tree);
    return rc;
}

/* ---- eviction ---- */

int verb_evict(const struct verb *v, const char *ns, const char *pod, const cJSON *eviction,
               struct err *e)
{
    struct delete_opts opts;
    const struct object *found = store_unit_find(v->unit, KIND_POD, ns, pod);
    const cJSON *del = json_get(eviction, "deleteOptions");
    int rc = check_body(v, SCHEMA_EVICTION, eviction, ns, pod, e);
    if (rc < 0 || (rc = delete_opts_parse(cJSON_IsNull(del) ? NULL : del, &opts, e)) < 0)
        return rc;
    if (!found)
        return fail_not_found(kind_get(KIND_POD), pod, e);
    const struct access_ask ask = {.verb = "create", .sub = "eviction", .ns = ns, .name = pod};
    if ((rc = role_check(v, found->kind, &ask, found, e)) < 0)
        return rc;
    if (opts.uid && strcmp(opts.uid, found->uid) != 0) {
        char detail[256];
        (void)snprintf(detail, sizeof(detail),
                       "Precondition failed: UID in precondition: %.64s, UID in object meta: %s",
                       opts.uid, found->uid);
        return fail_conflict(found->kind, pod, detail, e);
    }
    char version[24];
    (void)snprintf(version, sizeof(version), "%llu", (unsigned long long)found->mod_revision);
    if (opts.resource_version && strcmp(opts.resource_version, version) != 0)
        return fail_conflict(found->kind, pod, NULL, e);
    opts.resource_version = NULL; /* the condition makes another version */
    opts.confirms_nothing = true;
    const struct pod_view *view = pod_view(found);
    if (!found->deleted_us && !pod_phase_is_final(view->phase) && *view->node) {
        cJSON *tree = object_tree(found);
        set_condition(tree, "DisruptionTarget", "EvictionByEvictionAPI", "Eviction API: evicting");
        rc = put(v, found, tree, e);
        cJSON_Delete(tree);
        if (rc < 0)
            return rc;
    }
    struct verb_key key = {KIND_POD, ns, pod};
    struct object *out = NULL;
    bool gone;
    rc = verb_delete(v, &key, &opts, &out, &gone, e);
    object_unref(out);
    return rc;
}
