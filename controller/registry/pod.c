/* controller/registry/pod.c - pods: what the server adds (statefulset.md section 12), what may
 * change (R88), status. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/registry/patch_tree.h"
#include "controller/registry/strategy.h"

#define TOLERATION_SECONDS 300

/* ---- defaults ---- */

static bool tolerates(const cJSON *list, const char *key)
{
    for (const cJSON *it = list ? list->child : NULL; it; it = it->next) {
        const char *have = json_str(it, "key", ""), *effect = json_str(it, "effect", "");
        if ((*have == '\0' || strcmp(have, key) == 0) &&
            (*effect == '\0' || strcmp(effect, "NoExecute") == 0))
            return true;
    }
    return false;
}

static void tolerate_node_loss(cJSON *spec)
{
    static const char *const keys[] = {"node.kubernetes.io/not-ready",
                                       "node.kubernetes.io/unreachable"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (tolerates(json_get(spec, "tolerations"), keys[i]))
            continue;
        cJSON *toleration = cJSON_CreateObject();
        CHECK(toleration);
        json_set_str(toleration, "key", keys[i]);
        json_set_str(toleration, "operator", "Exists");
        json_set_str(toleration, "effect", "NoExecute");
        json_set_int(toleration, "tolerationSeconds", TOLERATION_SECONDS);
        (void)cJSON_AddItemToArray(json_arr(spec, "tolerations"), toleration);
    }
}

void pod_defaults(cJSON *obj)
{
    cJSON *spec = json_obj(obj, "spec");
    pod_spec_defaults(spec);
    default_bool(spec, "enableServiceLinks", true);
    default_int(spec, "priority", 0);
    default_str(spec, "preemptionPolicy", "PreemptLowerPriority");
    tolerate_node_loss(spec);
}

/* ---- quality of service ---- */

static const cJSON *amount_of(const cJSON *container, const char *list, const char *resource)
{
    return json_get(json_at(container, "resources", list, NULL), resource);
}

static const char *qos_class(const cJSON *spec)
{
    static const char *const lists[] = {"containers", "initContainers"};
    static const char *const resources[] = {"cpu", "memory"};
    bool any = false, all = true;
    for (size_t k = 0; k < ARRAY_SIZE(lists); k++) {
        const cJSON *list = json_get(spec, lists[k]);
        for (const cJSON *it = list ? list->child : NULL; it; it = it->next)
            for (size_t r = 0; r < ARRAY_SIZE(resources); r++) {
                const cJSON *limit = amount_of(it, "limits", resources[r]);
                const cJSON *request = amount_of(it, "requests", resources[r]);
                any = any || limit || request;
                all = all && limit && json_same(limit, request);
            }
    }
    return !any ? "BestEffort" : all ? "Guaranteed" : "Burstable";
}

int pod_prepare(const struct change *c, cJSON *obj, struct err *e)
{
    (void)e;
    if (c->old)
        return 0;
    status_reset(obj, "{\"phase\":\"Pending\"}");
    json_set_str(json_get(obj, "status"), "qosClass", qos_class(json_get(obj, "spec")));
    if (c->v->role != ROLE_SYSTEM)
        meta_set_annotation(obj, ANNOTATION_EPOCH, NULL);
    return 0;
}

/* ---- validation ---- */

static const char only_these[] =
    "pod updates may not change fields other than "
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec."
    "tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was "
    "previously negative)";

static void mask_images(cJSON *spec, const cJSON *old, const char *name)
{
    const cJSON *list = json_get(spec, name), *old_list = json_get(old, name);
    cJSON *it = list ? list->child : NULL;
    for (const cJSON *was = old_list ? old_list->child : NULL; was && it;
         was = was->next, it = it->next)
        json_copy_member(it, was, "image");
}

/* Every old toleration is still there, its seconds aside. */
static bool only_adds_tolerations(const cJSON *now, const cJSON *old)
{
    for (const cJSON *was = old ? old->child : NULL; was; was = was->next) {
        bool found = false;
        for (const cJSON *it = now ? now->child : NULL; it && !found; it = it->next) {
            cJSON *same = tree_dup(it);
            json_copy_member(same, was, "tolerationSeconds");
            found = json_equal(same, was);
            cJSON_Delete(same);
        }
        if (!found)
            return false;
    }
    return true;
}

static void mask_gates(cJSON *spec, const cJSON *old)
{
    const cJSON *gates = json_get(spec, "schedulingGates"),
                *old_gates = json_get(old, "schedulingGates");
    for (const cJSON *it = gates ? gates->child : NULL; it; it = it->next) {
        bool was_there = false;
        for (const cJSON *was = old_gates ? old_gates->child : NULL; was && !was_there;
             was = was->next)
            was_there = json_equal(was, it);
        if (!was_there)
            return; /* gates may only be taken away */
    }
    json_copy_member(spec, old, "schedulingGates");
}

static void check_pod_update(struct issues *is, const cJSON *now, const cJSON *old)
{
    const struct path *path = AT(NULL, "spec");
    int64_t deadline = 0, old_deadline = 0, grace = 0, old_grace = 0;
    cJSON *spec = tree_dup(now);
    bool has_deadline = json_int(now, "activeDeadlineSeconds", INT64_MIN, INT64_MAX, &deadline);
    bool had_deadline = json_int(old, "activeDeadlineSeconds", INT64_MIN, INT64_MAX, &old_deadline);
    if (had_deadline && (!has_deadline || deadline > old_deadline))
        issue_invalid_json(is, AT(path, "activeDeadlineSeconds"),
                           json_get(now, "activeDeadlineSeconds"),
                           has_deadline ? "must be less than or equal to previous value"
                                        : "must not update from a positive integer to nil value");
    mask_images(spec, old, "containers");
    mask_images(spec, old, "initContainers");
    mask_gates(spec, old);
    json_copy_member(spec, old, "activeDeadlineSeconds");
    if (only_adds_tolerations(json_get(now, "tolerations"), json_get(old, "tolerations")))
        json_copy_member(spec, old, "tolerations");
    (void)json_int(now, "terminationGracePeriodSeconds", INT64_MIN, INT64_MAX, &grace);
    (void)json_int(old, "terminationGracePeriodSeconds", INT64_MIN, INT64_MAX, &old_grace);
    if (old_grace < 0 && grace == 1)
        json_copy_member(spec, old, "terminationGracePeriodSeconds");
    if (!json_equal(spec, old))
        issue_forbidden(is, path, only_these);
    cJSON_Delete(spec);
}

void pod_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    const cJSON *spec = json_get(obj, "spec"), *old = json_get(c->old, "spec");
    if (json_same(spec, old))
        return;
    pod_spec_validate(is, AT(NULL, "spec"), spec, false, NULL);
    if (old)
        check_pod_update(is, spec, old);
}

/* ---- status ---- */

/* podIP and podIPs (hostIP and hostIPs) say the same; the single one counts when they differ. */
static void join_addresses(cJSON *status, const char *one, const char *many)
{
    const char *ip = json_str(status, one, "");
    cJSON *list = json_get(status, many);
    const char *first = list && list->child ? json_str(list->child, "ip", "") : "";
    if (*ip == '\0' && *first) {
        json_set_str(status, one, first);
    } else if (*ip && strcmp(ip, first) != 0) {
        cJSON *entry = cJSON_CreateObject();
        CHECK(entry);
        json_set_str(entry, "ip", ip);
        json_del(status, many);
        (void)cJSON_AddItemToArray(json_arr(status, many), entry);
    }
}

void pod_prepare_status(const struct change *c, cJSON *obj)
{
    cJSON *status = json_obj(obj, "status");
    join_addresses(status, "podIP", "podIPs");
    join_addresses(status, "hostIP", "hostIPs");
    if (!json_get(status, "qosClass"))
        json_copy_member(status, json_get(c->old, "status"), "qosClass");
}

static void check_pod_ips(struct issues *is, const struct path *path, const cJSON *list)
{
    unsigned seen = 0;
    size_t i = 0;
    for (const cJSON *it = list ? list->child : NULL; it; it = it->next, i++) {
        const char *text = json_str(it, "ip", "");
        int family = ip_family(text);
        if (family == 0)
            check_ip(is, AT_INDEX(path, i), text);
        else if (seen & (family == 4 ? 4u : 2u))
            issue_invalid_json(is, path, list,
                               "may specify no more than one IP for each IP family");
        seen |= family == 4 ? 4u : family == 6 ? 2u : 0u;
    }
}

void pod_validate_status(const struct change *c, struct issues *is, const cJSON *obj)
{
    const struct path *path = AT(NULL, "status");
    const cJSON *status = json_get(obj, "status"), *old = json_get(c->old, "status");
    const char *phase = json_str(status, "phase", ""), *old_phase = json_str(old, "phase", "");
    bool was_finished = strcmp(old_phase, "Succeeded") == 0 || strcmp(old_phase, "Failed") == 0;
    if (was_finished && strcmp(phase, old_phase) != 0)
        issue_invalid(is, AT(path, "phase"), phase, "a terminal phase may not be left");
    if (!json_same(json_get(status, "podIPs"), json_get(old, "podIPs")))
        check_pod_ips(is, AT(path, "podIPs"), json_get(status, "podIPs"));
}

/* ---- identities ---- */

static bool is_of_set(const cJSON *pod)
{
    const cJSON *owners = json_at(pod, "metadata", "ownerReferences", NULL);
    for (const cJSON *it = owners ? owners->child : NULL; it; it = it->next)
        if (json_bool(it, "controller", false) &&
            strcmp(json_str(it, "kind", ""), "StatefulSet") == 0 &&
            strncmp(json_str(it, "apiVersion", ""), "apps/", 5) == 0)
            return true;
    return false;
}

static bool all_terminated(const cJSON *statuses)
{
    const cJSON *status = NULL;
    cJSON_ArrayForEach(status, statuses)
    {
        if (!json_at(status, "state", "terminated", NULL))
            return false;
    }
    return true;
}

/* The last word of a node agent: a terminal phase, and each container with its end. */
static bool says_the_end(const cJSON *pod)
{
    const cJSON *status = json_get(pod, "status"), *spec = json_get(pod, "spec");
    const char *phase = json_str(status, "phase", "");
    const cJSON *statuses = json_get(status, "containerStatuses");
    return (strcmp(phase, "Failed") == 0 || strcmp(phase, "Succeeded") == 0) &&
           cJSON_GetArraySize(statuses) >= cJSON_GetArraySize(json_get(spec, "containers")) &&
           all_terminated(statuses) && all_terminated(json_get(status, "initContainerStatuses")) &&
           all_terminated(json_get(status, "ephemeralContainerStatuses"));
}

/* A pod that was removed by force and is held by a finalizer (R45). Only the end itself is believed
 * of it: containers that have ended stay ended, so the fence is released. A repeated delete would
 * not do: a client that tries its force delete again looks the same. */
static int admit_fenced(const struct change *c, const cJSON *obj, struct err *e)
{
    const cJSON *meta = json_get(obj, "metadata");
    if (says_the_end(obj))
        return registry_identity_release(c->v, json_str(meta, "namespace", ""),
                                         json_str(meta, "name", ""), meta_uid(obj), e);
    return fail_conflict(
        c->kind, json_str(meta, "name", ""),
        "the pod was removed by force; of what its node reports only the end is believed", e);
}

/* What the door of the status lets through beside the status: a finalizer holds a name (R45),
 * labels and annotations steer others. */
static bool keeps_metadata(const cJSON *now, const cJSON *old)
{
    static const char *const members[] = {"labels", "annotations", "finalizers"};
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (!json_same(json_at(now, "metadata", members[i], NULL),
                       json_at(old, "metadata", members[i], NULL)))
            return false;
    return true;
}

int pod_admit(const struct change *c, cJSON *obj, struct err *e)
{
    if (c->sub == SUB_STATUS) {
        const cJSON *meta = json_get(obj, "metadata");
        bool is_report = c->v->role != ROLE_CONTROLLER; /* ours mark pods of lost nodes */
        if (is_report && identity_is_fenced(c->v, json_str(meta, "namespace", ""),
                                            json_str(meta, "name", ""), meta_uid(obj))) {
            int rc = admit_fenced(c, obj, e);
            if (rc < 0)
                return rc;
        }
        if (c->v->role == ROLE_NODE && !keeps_metadata(obj, c->old))
            return fail_forbidden(c->kind, json_str(meta, "name", ""),
                                  "a node may not change labels, annotations or finalizers through "
                                  "the status of a pod",
                                  e);
        return identity_check_addresses(c, obj, e);
    }
    /* A pod of a set that has no epoch yet: just created, or an orphan that the set adopts (R60).
     */
    return is_of_set(obj) && !meta_annotation(obj, ANNOTATION_EPOCH) ? identity_begin(c->v, obj, e)
                                                                     : 0;
}
