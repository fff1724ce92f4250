/* controller/registry/finalize.c - how objects leave: grace (R42, R45), finalizers (R63, A32),
 * preconditions, roles. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "controller/registry/patch_tree.h"
#include "controller/registry/schema.h"
#include "controller/registry/strategy.h"

/* ---- DeleteOptions ---- */

int delete_opts_parse(const cJSON *body, struct delete_opts *out, struct err *e)
{
    static const char *const policies[] = {"Background", "Foreground", "Orphan", NULL};
    static const char *const supported[] = {"Background", "Foreground", "Orphan", "nil", NULL};
    *out = (struct delete_opts){0};
    if (!body)
        return 0;
    int rc = schema_check_body(SCHEMA_DELETE_OPTIONS, body, e);
    if (rc < 0)
        return rc;
    const cJSON *grace = json_get(body, "gracePeriodSeconds"),
                *orphan = json_get(body, "orphanDependents");
    const cJSON *conditions = json_get(body, "preconditions");
    const char *policy = json_str(body, "propagationPolicy", NULL);
    out->has_grace = grace && json_is_int(grace, &out->grace_s);
    out->uid = json_str(conditions, "uid", NULL);
    out->resource_version = json_str(conditions, "resourceVersion", NULL);
    struct issues is = {.e = e};
    if (policy && orphan && !cJSON_IsNull(orphan)) {
        issue_invalid(&is, AT(NULL, "propagationPolicy"), policy,
                      "orphanDependents and deletionPropagation cannot be both set");
        return fail_invalid_as("DeleteOptions.meta.k8s.io", "", e);
    }
    if (policy && !text_is_one_of(policy, policies)) {
        issue_unsupported(&is, AT(NULL, "propagationPolicy"), policy, supported);
        return fail_invalid_as("DeleteOptions.meta.k8s.io", "", e);
    }
    if (policy)
        out->propagation = policy[0] == 'O'   ? PROPAGATE_ORPHAN
                           : policy[0] == 'F' ? PROPAGATE_FOREGROUND
                                              : PROPAGATE_BACKGROUND;
    else if (cJSON_IsBool(orphan))
        out->propagation = cJSON_IsTrue(orphan) ? PROPAGATE_ORPHAN : PROPAGATE_BACKGROUND;
    return 0;
}

/* ---- roles ---- */

int role_check(const struct verb *v, const struct kind *kind, const struct access_ask *asked,
               const struct object *obj, struct err *e)
{
    bool deletes = strcmp(asked->verb, "delete") == 0;
    if (kind->is_read_only && v->role != ROLE_SYSTEM && !(deletes && v->role == ROLE_CONTROLLER))
        return err_set(e, ERR_METHOD,
                       "the server does not allow this method on the requested resource");
    const struct access_who who = {.role = v->role, .node = v->node};
    struct access_ask ask = *asked;
    ask.group = kind->group;
    ask.resource = kind->resource;
    ask.sub = asked->sub ? asked->sub : "";
    ask.bound_node = obj && kind->id == KIND_POD ? pod_view(obj)->node : NULL;
    if (access_allows(&who, &ask))
        return 0;
    char detail[NAME_MAX_BYTES + 96];
    if (v->role == ROLE_NODE)
        (void)snprintf(detail, sizeof(detail), "node \"%.253s\" may only write what belongs to it",
                       v->node);
    else
        (void)snprintf(detail, sizeof(detail), "%s",
                       v->role == ROLE_READER ? "this client may only read"
                                              : "this client has no rights");
    return fail_forbidden(kind, ask.name, detail, e);
}

/* R42: a node says of one incarnation that it has ended, and nothing else. */
static int check_confirmation(const struct verb *v, const struct verb_key *key,
                              const struct delete_opts *opts, struct err *e)
{
    if (v->role != ROLE_NODE || key->kind != KIND_POD ||
        (opts->uid && opts->has_grace && opts->grace_s == 0))
        return 0;
    return fail_forbidden(kind_get(KIND_POD), key->name,
                          "a node confirms the end of a pod by gracePeriodSeconds 0 and "
                          "preconditions.uid, any other deletion is not its own",
                          e);
}

/* ---- leaving ---- */

bool tree_may_leave(const struct kind *kind, const cJSON *obj)
{
    const cJSON *meta = json_get(obj, "metadata"), *finalizers = json_get(meta, "finalizers");
    const cJSON *spec_finalizers = json_at(obj, "spec", "finalizers", NULL);
    int64_t grace = 0;
    (void)json_int(meta, "deletionGracePeriodSeconds", 0, INT64_MAX, &grace);
    return json_get(meta, "deletionTimestamp") && grace == 0 &&
           !(finalizers && finalizers->child) &&
           !(kind->id == KIND_NAMESPACE && spec_finalizers && spec_finalizers->child);
}

int object_leave(const struct verb *v, const struct object *obj, enum pod_end end, struct err *e)
{
    int rc = obj->kind->id == KIND_POD ? identity_end(v, obj, end == POD_END_FORCED, e) : 0;
    if (rc == 0)
        store_unit_delete(v->unit, obj);
    return rc;
}

/* ---- delete ---- */

struct deletion {
    const struct verb *v;
    const struct kind *kind;
    const struct object *obj;
    const struct delete_opts *opts;
    int64_t grace_s;     /* what the object gets */
    bool is_forced;      /* the end of a bound pod that nobody confirmed */
    bool has_finalizers; /* after the propagation policy */
};

static int check_delete_preconditions(const struct deletion *d, struct err *e)
{
    char detail[320], stored[24];
    const struct delete_opts *opts = d->opts;
    (void)snprintf(stored, sizeof(stored), "%llu", (unsigned long long)d->obj->mod_revision);
    if (opts->uid && strcmp(opts->uid, d->obj->uid) != 0) {
        (void)snprintf(detail, sizeof(detail),
                       "the UID in the precondition (%.64s) does not match the UID in record (%s). "
                       "The object might have "
                       "been deleted and then recreated",
                       opts->uid, d->obj->uid);
        return fail_conflict(d->kind, d->obj->name, detail, e);
    }
    if (opts->resource_version && strcmp(opts->resource_version, stored) != 0) {
        (void)snprintf(detail, sizeof(detail),
                       "the ResourceVersion in the precondition (%.24s) does not match the "
                       "ResourceVersion in record "
                       "(%s). The object might have been modified",
                       opts->resource_version, stored);
        return fail_conflict(d->kind, d->obj->name, detail, e);
    }
    return 0;
}

/* R42: how long a pod may take. */
static int64_t pod_grace(const struct deletion *d)
{
    const struct pod_view *pod = pod_view(d->obj);
    int64_t grace = d->opts->has_grace ? d->opts->grace_s : pod->grace_s;
    if (*pod->node == '\0' || pod_phase_is_final(pod->phase))
        return 0;
    if (grace == 0 && !d->opts->has_grace)
        return 1; /* R41: a template does not free names that the node has not confirmed */
    return grace < 0 ? 1 : grace;
}

/* Does this delete end a pod whose containers may still run? The node's own delete and that of a
 * node agent which speaks as a client (uid precondition on a terminating pod, R42) are
 * confirmations. Our collector marks pods of lost nodes Failed before it forces them out, so a
 * controller's grace 0 is never taken for one. */
static bool is_forced(const struct deletion *d)
{
    const struct pod_view *pod = pod_view(d->obj);
    bool is_finished = pod_phase_is_final(pod->phase);
    if (*pod->node == '\0' || !d->opts->has_grace || d->grace_s != 0)
        return false;
    switch (d->v->role) {
    case ROLE_NODE:
        return false;
    case ROLE_CONTROLLER:
    case ROLE_SYSTEM:
        return d->opts->grace_s == 0;
    case ROLE_ADMIN:
    case ROLE_READER:
    case ROLE_NOBODY:
        return !is_finished && !(d->opts->uid && d->obj->deleted_us && !d->opts->confirms_nothing);
    }
    return true;
}

/* Finalizers that the propagation policy asks for (R63). True when the list changed. */
static bool apply_propagation(const struct deletion *d, cJSON *tree)
{
    enum propagation policy = d->opts->propagation;
    cJSON *meta = json_obj(tree, "metadata");
    bool changed = false;
    if (policy == PROPAGATE_DEFAULT)
        return false;
    cJSON *list = json_get(meta, "finalizers");
    for (cJSON *it = list ? list->child : NULL, *next; it; it = next) {
        const char *name = cJSON_IsString(it) ? it->valuestring : "";
        bool gone = (policy != PROPAGATE_ORPHAN && strcmp(name, FINALIZER_ORPHAN) == 0) ||
                    (policy != PROPAGATE_FOREGROUND && strcmp(name, FINALIZER_FOREGROUND) == 0);
        next = it->next;
        if (!gone)
            continue;
        cJSON_Delete(cJSON_DetachItemViaPointer(list, it));
        changed = true;
    }
    const char *wanted = policy == PROPAGATE_ORPHAN       ? FINALIZER_ORPHAN
                         : policy == PROPAGATE_FOREGROUND ? FINALIZER_FOREGROUND
                                                          : NULL;
    if (wanted && !meta_has_finalizer(tree, wanted)) {
        meta_add_finalizer(tree, wanted);
        changed = true;
    }
    list = json_get(meta, "finalizers");
    if (list && !list->child)
        json_del(meta, "finalizers");
    return changed;
}

/* Writes the terminating object. at_us: deletionTimestamp. */
static int put_terminating(const struct deletion *d, cJSON *tree, int64_t at_us,
                           struct object **out, struct err *e)
{
    char text[CLOCK_TEXT_MAX];
    cJSON *meta = json_obj(tree, "metadata");
    json_set_str(meta, "deletionTimestamp", clock_format(at_us, text));
    json_set_int(meta, "deletionGracePeriodSeconds", d->grace_s);
    if (d->kind->has_generation)
        meta_bump_generation(meta);
    if (d->kind->id == KIND_NAMESPACE)
        json_set_str(json_obj(tree, "status"), "phase", "Terminating");
    struct object *obj = NULL;
    int rc = object_new(d->kind, tree, &obj, e);
    if (rc < 0)
        return rc;
    store_unit_put(d->v->unit, object_ref(obj), d->obj);
    *out = obj;
    return 0;
}

static int remove_now(const struct deletion *d, struct object **out, bool *gone, struct err *e)
{
    int rc = object_leave(d->v, d->obj, d->is_forced ? POD_END_FORCED : POD_END_CONFIRMED, e);
    if (rc < 0)
        return rc;
    *out = object_ref(d->obj);
    *gone = true;
    return 0;
}

/* First delete: with grace or finalizers the object stays and terminates, otherwise it goes now. */
static int delete_living(struct deletion *d, struct object **out, bool *gone, struct err *e)
{
    bool is_namespace = d->kind->id == KIND_NAMESPACE;
    if (d->grace_s == 0 && d->obj->finalizer_count == 0 && !is_namespace &&
        d->opts->propagation != PROPAGATE_ORPHAN && d->opts->propagation != PROPAGATE_FOREGROUND)
        return remove_now(d, out, gone, e);
    cJSON *tree = object_tree(d->obj);
    (void)apply_propagation(d, tree);
    const cJSON *finalizers = json_at(tree, "metadata", "finalizers", NULL);
    const cJSON *spec_finalizers = is_namespace ? json_at(tree, "spec", "finalizers", NULL) : NULL;
    d->has_finalizers =
        (finalizers && finalizers->child) || (spec_finalizers && spec_finalizers->child);
    int rc;
    if (d->grace_s == 0 && !d->has_finalizers) {
        rc = remove_now(d, out, gone, e);
    } else {
        rc = d->is_forced ? identity_fence(d->v, d->obj, e) : 0;
        if (rc == 0)
            rc = put_terminating(d, tree, clock_now_us() + d->grace_s * 1000000, out, e);
    }
    cJSON_Delete(tree);
    return rc;
}

/* A second delete of what has no grace: another propagation policy takes the place of the first,
 * and with the last finalizer the object goes (as upstream's store does it; R63). */
static int delete_again(const struct deletion *d, struct object **out, bool *gone, struct err *e)
{
    cJSON *tree = object_tree(d->obj);
    bool changed = apply_propagation(d, tree);
    int rc = 0;
    if (tree_may_leave(d->kind, tree)) {
        rc = remove_now(d, out, gone, e);
    } else if (changed) {
        struct object *obj = NULL;
        rc = object_new(d->kind, tree, &obj, e);
        if (rc == 0) {
            store_unit_put(d->v->unit, object_ref(obj), d->obj);
            *out = obj;
        }
    } else {
        *out = object_ref(d->obj);
    }
    cJSON_Delete(tree);
    return rc;
}

/* The node tells the end of an incarnation that was removed by force and that a finalizer holds. */
static int release_held(const struct deletion *d, struct err *e)
{
    const struct object *pod = d->obj;
    if (d->v->role != ROLE_NODE || !d->opts->has_grace || d->grace_s != 0 ||
        !identity_is_fenced(d->v, pod->ns, pod->name, pod->uid))
        return 0;
    return registry_identity_release(d->v, pod->ns, pod->name, pod->uid, e);
}

/* A second delete of a pod may only shorten the grace (R42), by what it says itself: the pod's own
 * wishes do not count any more. */
static int delete_terminating(struct deletion *d, struct object **out, bool *gone, struct err *e)
{
    int64_t old_grace = d->obj->grace_s;
    d->grace_s = d->opts->grace_s < 0 ? 1 : d->opts->grace_s;
    if (d->kind->id != KIND_POD)
        return delete_again(d, out, gone, e);
    if (!d->opts->has_grace || d->grace_s >= old_grace) {
        *out = object_ref(d->obj);
        return release_held(d, e);
    }
    d->is_forced = is_forced(d);
    if (d->grace_s == 0 && d->obj->finalizer_count == 0)
        return remove_now(d, out, gone, e);
    int rc = d->is_forced ? identity_fence(d->v, d->obj, e) : 0;
    if (rc < 0)
        return rc;
    cJSON *tree = object_tree(d->obj);
    rc = put_terminating(d, tree, d->obj->deleted_us - (old_grace - d->grace_s) * 1000000, out, e);
    cJSON_Delete(tree);
    return rc;
}

/* The node tells the end of an incarnation whose object is long gone (R44 [ours]): the reply is the
 * identity. */
static int confirm_fenced(const struct verb *v, const struct verb_key *key,
                          const struct delete_opts *opts, struct object **out, bool *gone,
                          struct err *e)
{
    const struct object *identity = store_unit_find(v->unit, KIND_IDENTITY, key->ns, key->name);
    AUTO_OBJECT last = identity ? object_ref(identity) : NULL;
    int rc = registry_identity_release(v, key->ns, key->name, opts->uid, e);
    if (rc < 0)
        return rc;
    *out = TAKE(last);
    *gone = true;
    return 0;
}

static bool namespace_is_permanent(const char *name)
{
    static const char *const permanent[] = {"default", "kube-system", "kube-public", NULL};
    return text_is_one_of(name, permanent);
}

int verb_delete(const struct verb *v, const struct verb_key *key, const struct delete_opts *opts,
                struct object **out, bool *gone, struct err *e)
{
    struct deletion d = {.v = v, .kind = kind_get(key->kind), .opts = opts};
    const char *ns = d.kind->namespaced ? key->ns : "";
    *gone = false;
    d.obj = store_unit_find(v->unit, key->kind, ns, key->name);
    if (key->kind == KIND_POD && v->role == ROLE_NODE && opts->uid && opts->has_grace &&
        opts->grace_s == 0 && (!d.obj || strcmp(d.obj->uid, opts->uid) != 0) &&
        identity_is_fenced(v, ns, key->name, opts->uid))
        return confirm_fenced(v, key, opts, out, gone, e);
    if (!d.obj)
        return fail_not_found(d.kind, key->name, e);
    const struct access_ask ask = {.verb = "delete", .ns = ns, .name = key->name};
    int rc = role_check(v, d.kind, &ask, d.obj, e);
    if (rc < 0 || (rc = check_confirmation(v, key, opts, e)) < 0)
        return rc;
    AUTO_OBJECT held = object_ref(d.obj);
    d.obj = held;
    if ((rc = check_delete_preconditions(&d, e)) < 0)
        return rc;
    if (key->kind == KIND_NAMESPACE && namespace_is_permanent(key->name))
        return fail_forbidden(d.kind, key->name, "this namespace may not be deleted", e);
    if (key->kind == KIND_POD) {
        d.grace_s = pod_grace(&d);
        d.is_forced = is_forced(&d);
    }
    return d.obj->deleted_us ? delete_terminating(&d, out, gone, e)
                             : delete_living(&d, out, gone, e);
}
