/* controller/registry/identity.c - identities: who held a stable name, and who may not be believed
 * any more (DESIGN section 4).
 *
 * Which pods have one: pods that a StatefulSet controls, from their creation or adoption on, since
 * their name is stable; any other bound pod gets one when it is removed by force, to hold its
 * fence. The object is named like the pod and outlives it, and the set: epochs must keep growing as
 * long as a claim may carry one. It goes with its namespace, which waits for its fences.
 *
 * Its members:
 *
 * - epoch, podUID, nodeName, claims: of the present or last incarnation; the node as known at its
 *   end
 * - incarnations: the last 16, each with epoch, uid, nodeName, addresses, claims, from, until, why
 * - fences: each with uid, epoch, nodeName, addresses, claims, since
 * - fencedUIDs, fencedNodes, addresses: drawn from fences, for the indexes and for readers
 *
 * An address in a fence is out of the pool (registry_address_is_free) and refused in pod status
 * until the fence is released. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"
#include "controller/registry/patch_tree.h"
#include "controller/registry/registry_internal.h"

#define INCARNATIONS_MAX 16

/* ---- the tree of an identity ---- */

static const struct object *find(const struct verb *v, const char *ns, const char *pod)
{
    return store_unit_find(v->unit, KIND_IDENTITY, ns, pod);
}

static cJSON *identity_tree(const struct object *obj, const char *ns, const char *pod)
{
    if (obj)
        return object_tree(obj);
    cJSON *tree = cJSON_CreateObject();
    CHECK(tree);
    cJSON *meta = json_obj(tree, "metadata");
    json_set_str(meta, "name", pod);
    json_set_str(meta, "namespace", ns);
    meta_create(kind_get(KIND_IDENTITY), tree);
    json_set_int(tree, "epoch", 0);
    return tree;
}

/* Takes the tree. */
static int identity_put(const struct verb *v, cJSON *tree, const struct object *expected,
                        struct err *e)
{
    struct object *obj = NULL;
    int rc = object_new(kind_get(KIND_IDENTITY), tree, &obj, e);
    cJSON_Delete(tree);
    if (rc == 0)
        store_unit_put(v->unit, obj, expected);
    return rc;
}

static cJSON *last_of(const cJSON *list)
{
    return list && list->child ? list->child->prev : NULL;
}

static size_t count_of(const cJSON *list)
{
    size_t n = 0;
    for (const cJSON *it = list ? list->child : NULL; it; it = it->next)
        n++;
    return n;
}

static void append(cJSON *list, cJSON *item)
{
    CHECK(item && cJSON_AddItemToArray(list, item));
}

static void append_once(cJSON *list, const char *text)
{
    for (const cJSON *it = list->child; it; it = it->next)
        if (strcmp(it->valuestring, text) == 0)
            return;
    append(list, cJSON_CreateString(text));
}

static cJSON *fence_find(const cJSON *tree, const char *uid)
{
    const cJSON *fences = json_get(tree, "fences");
    for (cJSON *it = fences ? fences->child : NULL; it; it = it->next)
        if (strcmp(json_str(it, "uid", ""), uid) == 0)
            return it;
    return NULL;
}

/* The lists that are drawn from fences. */
static void summarize(cJSON *tree)
{
    cJSON *uids = cJSON_CreateArray(), *nodes = cJSON_CreateArray(),
          *addresses = cJSON_CreateArray();
    const cJSON *fences = json_get(tree, "fences");
    CHECK(uids && nodes && addresses);
    for (const cJSON *it = fences ? fences->child : NULL; it; it = it->next) {
        const cJSON *held = json_get(it, "addresses");
        append(uids, cJSON_CreateString(json_str(it, "uid", "")));
        append(nodes, cJSON_CreateString(json_str(it, "nodeName", "")));
        for (const cJSON *a = held ? held->child : NULL; a; a = a->next)
            append_once(addresses, a->valuestring);
    }
    json_set(tree, "fencedUIDs", uids);
    json_set(tree, "fencedNodes", nodes);
    json_set(tree, "addresses", addresses);
}

static cJSON *strings(const char *const *texts, size_t count)
{
    cJSON *list = cJSON_CreateArray();
    CHECK(list);
    for (size_t i = 0; i < count; i++)
        append(list, cJSON_CreateString(texts[i]));
    return list;
}

static cJSON *claim_names(const cJSON *pod)
{
    const cJSON *volumes = json_at(pod, "spec", "volumes", NULL);
    cJSON *list = cJSON_CreateArray();
    CHECK(list);
    for (const cJSON *it = volumes ? volumes->child : NULL; it; it = it->next) {
        const char *name = json_str(json_get(it, "persistentVolumeClaim"), "claimName", "");
        if (*name)
            append_once(list, name);
    }
    return list;
}

/* ---- claims carry the epoch of who holds them (R15 [ours]) ---- */

static uint64_t epoch_of_text(const char *text)
{
    return text ? strtoull(text, NULL, 10) : 0;
}

struct claim_mark {
    const char *epoch; /* NULL: leave as it is; "": remove when it is `was` */
    const char *was;
    const char *fenced; /* NULL: leave; "": remove */
};

static int mark_claim(const struct verb *v, const struct object *claim,
                      const struct claim_mark *mark, struct err *e)
{
    cJSON *tree = object_tree(claim);
    cJSON *before = tree_dup(tree);
    const char *epoch = meta_annotation(tree, ANNOTATION_EPOCH);
    if (mark->epoch && *mark->epoch)
        meta_set_annotation(tree, ANNOTATION_EPOCH, mark->epoch);
    else if (mark->epoch && epoch && strcmp(epoch, mark->was) == 0)
        meta_set_annotation(tree, ANNOTATION_EPOCH, NULL);
    if (mark->fenced)
        meta_set_annotation(tree, ANNOTATION_FENCED, *mark->fenced ? mark->fenced : NULL);
    struct object *obj = NULL;
    int rc = json_equal(tree, before) ? 0 : object_new(claim->kind, tree, &obj, e);
    cJSON_Delete(tree);
    cJSON_Delete(before);
    if (obj)
        store_unit_put(v->unit, obj, claim);
    return rc;
}

static int mark_claims(const struct verb *v, const char *ns, const cJSON *names,
                       const struct claim_mark *mark, struct err *e)
{
    for (const cJSON *it = names ? names->child : NULL; it; it = it->next) {
        const struct object *claim = store_unit_find(v->unit, KIND_PVC, ns, it->valuestring);
        int rc = claim ? mark_claim(v, claim, mark, e) : 0;
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* The highest epoch that a claim of the pod remembers: restored data may know more than we do. */
static uint64_t claims_epoch(const struct verb *v, const char *ns, const cJSON *names)
{
    uint64_t highest = 0;
    for (const cJSON *it = names->child; it; it = it->next) {
        const struct object *claim = store_unit_find(v->unit, KIND_PVC, ns, it->valuestring);
        char text[24];
        if (!claim || !object_annotation(claim, ANNOTATION_EPOCH, text, sizeof(text)))
            continue;
        uint64_t epoch = epoch_of_text(text);
        highest = epoch > highest ? epoch : highest;
    }
    return highest;
}

void identity_mark_claim(const struct verb *v, cJSON *claim)
{
    char term[INDEX_TERM_MAX], text[24];
    const cJSON *meta = json_get(claim, "metadata");
    const char *name = json_str(meta, "name", "");
    struct store_view view = store_unit_view(v->unit);
    struct index_cursor cur;
    if (*name == '\0')
        return;
    index_claim(term, json_str(meta, "namespace", ""), name);
    for (index_seek(&cur, &view, KIND_POD, term); cur.object; index_next(&cur)) {
        if (pod_view(cur.object)->epoch == 0)
            continue;
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)pod_view(cur.object)->epoch);
        meta_set_annotation(claim, ANNOTATION_EPOCH, text);
        return;
    }
}

/* ---- begin ---- */

static cJSON *incarnation_new(const cJSON *pod, uint64_t epoch, const cJSON *claims)
{
    cJSON *entry = cJSON_CreateObject();
    CHECK(entry);
    json_set_int(entry, "epoch", (int64_t)epoch);
    json_set_str(entry, "uid", meta_uid(pod));
    json_set(entry, "claims", tree_dup(claims));
    json_set_now(entry, "from");
    return entry;
}

int identity_begin(const struct verb *v, cJSON *pod, struct err *e)
{
    const cJSON *meta = json_get(pod, "metadata");
    const char *ns = json_str(meta, "namespace", ""), *name = json_str(meta, "name", "");
    const struct object *before = find(v, ns, name);
    cJSON *tree = identity_tree(before, ns, name), *claims = claim_names(pod);
    uint64_t epoch = before ? identity_view(before)->epoch : 0, known = claims_epoch(v, ns, claims);
    char text[24];
    epoch = (known > epoch ? known : epoch) + 1;
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)epoch);
    json_set_int(tree, "epoch", (int64_t)epoch);
    json_set_str(tree, "podUID", meta_uid(pod));
    cJSON *list = json_arr(tree, "incarnations");
    cJSON *last = last_of(list);
    if (last && !json_get(last, "until")) { /* its end was never seen */
        json_set_now(last, "until");
        json_set_str(last, "why", "Unknown");
    }
    append(list, incarnation_new(pod, epoch, claims));
    while (count_of(list) > INCARNATIONS_MAX)
        cJSON_DeleteItemFromArray(list, 0);
    json_set(tree, "claims", claims);
    meta_set_annotation(pod, ANNOTATION_EPOCH, text);
    struct claim_mark mark = {.epoch = text};
    int rc = mark_claims(v, ns, claims, &mark, e);
    if (rc < 0) {
        cJSON_Delete(tree);
        return rc;
    }
    return identity_put(v, tree, before, e);
}

/* ---- end ---- */

/* Why an incarnation ended, in one word or the reason of its disruption. */
static const char *end_reason(const cJSON *pod, bool forced)
{
    const cJSON *conditions = json_at(pod, "status", "conditions", NULL);
    const char *reason = json_str(json_get(pod, "status"), "reason", "");
    for (const cJSON *it = conditions ? conditions->child : NULL; it; it = it->next)
        if (strcmp(json_str(it, "type", ""), "DisruptionTarget") == 0 &&
            *json_str(it, "reason", ""))
            return json_str(it, "reason", "");
    if (forced)
        return "ForceDeleted";
    if (*reason)
        return reason;
    const char *phase = json_str(json_get(pod, "status"), "phase", "");
    return strcmp(phase, "Failed") == 0 || strcmp(phase, "Succeeded") == 0 ? phase : "Deleted";
}

static void add_fence(cJSON *tree, const struct object *pod, const cJSON *claims)
{
    const struct pod_view *view = pod_view(pod);
    cJSON *fence = fence_find(tree, pod->uid);
    if (!fence) {
        fence = cJSON_CreateObject();
        append(json_arr(tree, "fences"), fence);
        json_set_str(fence, "uid", pod->uid);
        json_set_int(fence, "epoch", (int64_t)view->epoch);
        json_set_now(fence, "since");
    }
    json_set_str(fence, "nodeName", view->node);
    json_set(fence, "addresses",
             view->host_network ? strings(NULL, 0) : strings(view->ips, view->ip_count));
    json_set(fence, "claims", tree_dup(claims));
    summarize(tree);
}

static cJSON *incarnation_find(cJSON *tree, const char *uid)
{
    cJSON *list = json_get(tree, "incarnations");
    for (cJSON *it = last_of(list); it; it = it == list->child ? NULL : it->prev)
        if (strcmp(json_str(it, "uid", ""), uid) == 0)
            return it;
    return NULL;
}

int identity_fence(const struct verb *v, const struct object *pod, struct err *e)
{
    const struct object *before = find(v, pod->ns, pod->name);
    cJSON *tree = identity_tree(before, pod->ns, pod->name), *pod_tree = object_tree(pod);
    cJSON *names = claim_names(pod_tree);
    cJSON_Delete(pod_tree);
    add_fence(tree, pod, names);
    struct claim_mark mark = {.fenced = pod->uid};
    int rc = mark_claims(v, pod->ns, names, &mark, e);
    cJSON_Delete(names);
    if (rc < 0) {
        cJSON_Delete(tree);
        return rc;
    }
    return identity_put(v, tree, before, e);
}

int identity_end(const struct verb *v, const struct object *pod, bool forced, struct err *e)
{
    const struct object *before = find(v, pod->ns, pod->name);
    bool is_fenced = before && identity_is_fenced(v, pod->ns, pod->name, pod->uid);
    bool is_ours = before && strcmp(identity_view(before)->pod_uid, pod->uid) == 0;
    if (!forced && !is_fenced && !is_ours)
        return 0;
    const struct pod_view *view = pod_view(pod);
    cJSON *tree = identity_tree(before, pod->ns, pod->name), *pod_tree = object_tree(pod);
    cJSON *names = claim_names(pod_tree), *entry = incarnation_find(tree, pod->uid);
    if (is_ours)
        json_set_str(tree, "nodeName", view->node);
    if (entry) {
        json_set_str(entry, "nodeName", view->node);
        json_set(entry, "addresses", strings(view->ips, view->ip_count));
        json_set_now(entry, "until");
        json_set_str(entry, "why", end_reason(pod_tree, forced || is_fenced));
    }
    char epoch[24];
    (void)snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)view->epoch);
    struct claim_mark mark = {.epoch = "", .was = epoch};
    if (forced || is_fenced) {
        add_fence(tree, pod, names);
        mark = (struct claim_mark){.fenced = pod->uid};
    }
    int rc = mark_claims(v, pod->ns, names, &mark, e);
    cJSON_Delete(names);
    cJSON_Delete(pod_tree);
    if (rc < 0) {
        cJSON_Delete(tree);
        return rc;
    }
    return identity_put(v, tree, before, e);
}

/* ---- fences ---- */

bool identity_is_fenced(const struct verb *v, const char *ns, const char *pod, const char *uid)
{
    const struct object *obj = find(v, ns, pod);
    const struct identity_view *view = obj ? identity_view(obj) : NULL;
    for (size_t i = 0; view && i < view->fenced_count; i++)
        if (strcmp(view->fenced_uids[i], uid) == 0)
            return true;
    return false;
}

static bool lists(const cJSON *names, const char *name)
{
    for (const cJSON *it = names ? names->child : NULL; it; it = it->next)
        if (strcmp(it->valuestring, name) == 0)
            return true;
    return false;
}

/* Who else may still have the claim: the last fence that lists it, "" none. */
static const char *other_holder(const cJSON *tree, const char *claim)
{
    const cJSON *fences = json_get(tree, "fences");
    for (const cJSON *it = last_of(fences); it; it = it == fences->child ? NULL : it->prev)
        if (lists(json_get(it, "claims"), claim))
            return json_str(it, "uid", "");
    return "";
}

/* The claims of a released incarnation lose its mark. names: of its fence, which is off the tree.
 */
static int unmark_claims(const struct verb *v, const char *ns, const cJSON *tree,
                         const cJSON *names, const char *uid, struct err *e)
{
    for (const cJSON *it = names ? names->child : NULL; it; it = it->next) {
        const struct object *claim = store_unit_find(v->unit, KIND_PVC, ns, it->valuestring);
        char holder[64];
        if (!claim || !object_annotation(claim, ANNOTATION_FENCED, holder, sizeof(holder)) ||
            strcmp(holder, uid) != 0)
            continue;
        const struct claim_mark mark = {.fenced = other_holder(tree, it->valuestring)};
        int rc = mark_claim(v, claim, &mark, e);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int registry_identity_release(const struct verb *v, const char *ns, const char *pod,
                              const char *uid, struct err *e)
{
    const struct object *before = find(v, ns, pod);
    if (!before)
        return fail_not_found(kind_get(KIND_IDENTITY), pod, e);
    cJSON *tree = object_tree(before);
    cJSON *fence = fence_find(tree, uid);
    int rc = fence ? 0 : fail_not_found(before->kind, pod, e);
    if (rc == 0 && v->role == ROLE_NODE && strcmp(json_str(fence, "nodeName", ""), v->node) != 0)
        rc = fail_forbidden(before->kind, pod,
                            "only the node of the fenced incarnation may confirm its end", e);
    cJSON *fences = json_get(tree, "fences");
    if (rc == 0) {
        fence = cJSON_DetachItemViaPointer(fences, fence);
        const cJSON *claims = json_get(fence, "claims"); /* older fences do not tell */
        rc = unmark_claims(v, ns, tree, claims ? claims : json_get(tree, "claims"), uid, e);
        cJSON_Delete(fence);
    }
    if (rc < 0) {
        cJSON_Delete(tree);
        return rc;
    }
    summarize(tree);
    const cJSON *history = json_get(tree, "incarnations");
    if (!fences->child && !(history && history->child)) { /* it was there for the fence alone */
        cJSON_Delete(tree);
        store_unit_delete(v->unit, before);
        return 0;
    }
    return identity_put(v, tree, before, e);
}

/* ---- addresses ---- */

/* Somebody of this kind holds the address. */
static bool is_held(const struct verb *v, enum kind_id kind, const char *term)
{
    struct store_view view = store_unit_view(v->unit);
    struct index_cursor cur;
    for (index_seek(&cur, &view, kind, term); cur.object; index_next(&cur)) {
        const struct pod_view *pod = kind == KIND_POD ? pod_view(cur.object) : NULL;
        if (!pod || !pod_phase_is_final(pod->phase))
            return true;
    }
    return false;
}

bool registry_address_is_free(const struct verb *v, const char *address)
{
    static const enum kind_id kinds[] = {KIND_POD, KIND_IDENTITY, KIND_SERVICE};
    char term[INDEX_TERM_MAX];
    index_address(term, address);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (is_held(v, kinds[i], term))
            return false;
    return true;
}

int identity_check_addresses(const struct change *c, const cJSON *pod, struct err *e)
{
    const cJSON *ips = json_at(pod, "status", "podIPs", NULL),
                *old = json_at(c->old, "status", "podIPs", NULL);
    if (!ips || json_same(ips, old) || json_bool(json_get(pod, "spec"), "hostNetwork", false))
        return 0;
    for (const cJSON *it = ips->child; it; it = it->next) {
        char term[INDEX_TERM_MAX], detail[256];
        const char *ip = json_str(it, "ip", "");
        index_address(term, ip);
        if (!is_held(c->v, KIND_IDENTITY, term))
            continue;
        (void)snprintf(detail, sizeof(detail),
                       "address %.45s belongs to a pod that was removed by force and whose node "
                       "has not confirmed its "
                       "end",
                       ip);
        return fail_conflict(c->kind, c->before->name, detail, e);
    }
    return 0;
}
