/* controller/registry/verbs.c - create and update: the path every write takes, whoever asks. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"
#include "controller/registry/patch_tree.h"
#include "controller/registry/shape.h"
#include "controller/registry/strategy.h"

/* ---- shared steps ---- */

static int validate(const struct change *c, const cJSON *obj, struct err *e)
{
    const struct strategy *s = strategy_get(c->kind->id);
    struct issues is = {.e = e};
    meta_validate(c, &is, obj);
    if (c->sub == SUB_STATUS) {
        if (s->validate_status)
            s->validate_status(c, &is, obj);
    } else if (s->validate) {
        s->validate(c, &is, obj);
    }
    return is.count ? fail_invalid(c->kind, json_str(json_get(obj, "metadata"), "name", ""), e) : 0;
}

/* ---- create ---- */

static int check_namespace(const struct verb *v, const struct kind *kind, const char *ns,
                           const char *name, struct err *e)
{
    if (!kind->namespaced)
        return 0;
    const struct object *space = store_unit_find(v->unit, KIND_NAMESPACE, "", ns);
    if (!space)
        return fail_not_found(kind_get(KIND_NAMESPACE), ns, e);
    if (!namespace_view(space)->terminating && !space->deleted_us)
        return 0;
    char detail[NAME_MAX_BYTES + 128];
    err_cause(e, CAUSE_NAMESPACE_TERMINATING, "metadata.namespace",
              "namespace %s is being terminated", ns);
    (void)snprintf(
        detail, sizeof(detail),
        "unable to create new content in namespace %.253s because it is being terminated", ns);
    return fail_forbidden(kind, name, detail, e);
}

#define SUFFIX_LEN        5
#define GENERATE_BASE_MAX 58
#define GENERATE_ATTEMPTS 8

/* A name for generateName (A20), tried until it is free. */
static int choose_name(const struct verb *v, const struct kind *kind, const char *ns, cJSON *meta,
                       struct err *e)
{
    const char *name = json_str(meta, "name", ""), *base = json_str(meta, "generateName", "");
    char chosen[GENERATE_BASE_MAX + SUFFIX_LEN + 1];
    if (*name)
        return store_unit_find(v->unit, kind->id, ns, name) ? fail_exists(kind, name, e) : 0;
    size_t len = strnlen(base, GENERATE_BASE_MAX);
    memcpy(chosen, base, len);
    for (int i = 0; i < GENERATE_ATTEMPTS; i++) {
        random_suffix(chosen + len, SUFFIX_LEN);
        if (!store_unit_find(v->unit, kind->id, ns, chosen)) {
            json_set_str(meta, "name", chosen);
            return 0;
        }
    }
    (void)fail_exists(kind, chosen, e);
    return err_set(e, ERR_EXISTS,
                   "%s, the server was not able to generate a unique name for the object",
                   e ? e->text : "");
}

/* Everything between the body and the tree that is stored. */
static int create_tree(const struct change *c, const char *ns, cJSON *body, struct err *e)
{
    const struct strategy *s = strategy_get(c->kind->id);
    int rc = meta_fit(c->kind, ns, NULL, body, e);
    if (rc < 0 || (rc = shape_check(c->v, c->kind, body, e)) < 0)
        return rc;
    cJSON *meta = json_obj(body, "metadata");
    const char *name = json_str(meta, "name", "");
    if (*json_str(meta, "resourceVersion", "") != '\0')
        return err_set(e, ERR_MALFORMED,
                       "resourceVersion should not be set on objects to be created");
    const struct access_ask ask = {.verb = "create", .ns = ns, .name = name};
    if ((rc = role_check(c->v, c->kind, &ask, NULL, e)) < 0 ||
        (rc = check_namespace(c->v, c->kind, ns, name, e)) < 0)
        return rc;
    if (*name == '\0' && *json_str(meta, "generateName", "") == '\0') {
        struct issues is = {.e = e};
        issue_required(&is, AT(AT(NULL, "metadata"), "name"), "name or generateName is required");
        return fail_invalid(c->kind, "", e);
    }
    bool is_named = *name != '\0';
    if (!is_named && (rc = choose_name(c->v, c->kind, ns, meta, e)) < 0)
        return rc;
    meta_create(c->kind, body);
    if (s->defaults)
        s->defaults(body);
    if (s->prepare && (rc = s->prepare(c, body, e)) < 0)
        return rc;
    if ((rc = validate(c, body, e)) < 0)
        return rc;
    if (is_named && (rc = choose_name(c->v, c->kind, ns, meta, e)) < 0)
        return rc;
    if ((rc = node_role_admit(c, body, e)) < 0)
        return rc;
    return s->admit ? s->admit(c, body, e) : 0;
}

int verb_create(const struct verb *v, enum kind_id kind, const char *ns, cJSON *body,
                struct object **out, struct err *e)
{
    struct change c = {.v = v, .kind = kind_get(kind)};
    int rc = create_tree(&c, c.kind->namespaced ? ns : "", body, e);
    if (rc < 0)
        return rc;
    struct object *obj = NULL;
    rc = object_new(c.kind, body, &obj, e);
    if (rc < 0)
        return rc;
    store_unit_put(v->unit, object_ref(obj), NULL);
    if (kind == KIND_EVENT && !v->dry_run)
        event_remember(v->reg, obj);
    *out = obj;
    return 0;
}

/* ---- update ---- */

int verb_change_replace(cJSON *tree, void *arg, struct err *e)
{
    const cJSON *body = arg;
    if (!cJSON_IsObject(body))
        return err_set(e, ERR_MALFORMED, "the body is not an object");
    while (tree->child)
        cJSON_Delete(cJSON_DetachItemViaPointer(tree, tree->child));
    for (const cJSON *it = body->child; it; it = it->next)
        json_set(tree, it->string, tree_dup(it));
    return 0;
}

/* resourceVersion and uid that the result of the change carries (A18). */
static int check_preconditions(const struct kind *kind, const struct object *before,
                               const char *uid, const char *version, struct err *e)
{
    char stored[24];
    (void)snprintf(stored, sizeof(stored), "%llu", (unsigned long long)before->mod_revision);
    if (*uid && strcmp(uid, before->uid) != 0) {
        char detail[256];
        (void)snprintf(detail, sizeof(detail),
                       "Precondition failed: UID in precondition: %.64s, UID in object meta: %s",
                       uid, before->uid);
        return fail_conflict(kind, before->name, detail, e);
    }
    return *version && strcmp(version, stored) != 0 ? fail_conflict(kind, before->name, NULL, e)
                                                    : 0;
}

/* Lets through what belongs to the door; the rest comes from the stored object (A25, R74). */
static void apply_door(const struct change *c, cJSON *next)
{
    switch (c->sub) {
    case SUB_NONE:
    case SUB_SCALE:
        if (c->kind->has_status)
            json_copy_member(next, c->old, "status");
        return;
    case SUB_STATUS:
    case SUB_FINALIZE:
        break;
    }
    for (cJSON *it = next->child, *after; it; it = after) {
        after = it->next;
        if (strcmp(it->string, "metadata") != 0 && strcmp(it->string, "status") != 0 &&
            !(c->sub == SUB_FINALIZE && strcmp(it->string, "spec") == 0) &&
            !json_get(c->old, it->string))
            json_del(next, it->string);
    }
    for (const cJSON *it = c->old->child; it; it = it->next) {
        if (strcmp(it->string, "metadata") == 0 ||
            (c->sub == SUB_STATUS && strcmp(it->string, "status") == 0) ||
            (c->sub == SUB_FINALIZE && strcmp(it->string, "spec") == 0))
            continue;
        json_copy_member(next, c->old, it->string);
    }
    json_copy_member(json_obj(next, "metadata"), json_get(c->old, "metadata"), "ownerReferences");
}

/* A16: did what the writer asks for change? Kinds without spec (slices) are asked as a whole. */
static bool is_new_generation(const struct change *c, const cJSON *next)
{
    if (!c->kind->has_generation || c->sub == SUB_STATUS)
        return false;
    if (json_get(next, "spec") || json_get(c->old, "spec"))
        return !json_same(json_get(next, "spec"), json_get(c->old, "spec"));
    for (const cJSON *it = next->child; it; it = it->next)
        if (strcmp(it->string, "metadata") != 0 && strcmp(it->string, "status") != 0 &&
            !json_same(it, json_get(c->old, it->string)))
            return true;
    for (const cJSON *it = c->old->child; it; it = it->next)
        if (!json_get(next, it->string))
            return true;
    return false;
}

static int prepare_update(const struct change *c, cJSON *next, struct err *e)
{
    const struct strategy *s = strategy_get(c->kind->id);
    apply_door(c, next);
    meta_restore(c, next);
    if (c->sub == SUB_STATUS) {
        if (s->prepare_status)
            s->prepare_status(c, next);
        return 0;
    }
    if (s->defaults)
        s->defaults(next);
    return s->prepare ? s->prepare(c, next, e) : 0;
}

/* `next` is what the writer wants; puts it, drops it or removes the object. */
static int update_store(const struct change *c, cJSON *next, struct object **out, struct err *e)
{
    const struct strategy *s = strategy_get(c->kind->id);
    int rc = prepare_update(c, next, e);
    if (rc < 0)
        return rc;
    if (json_equal(next, c->old)) {
        *out = object_ref(c->before);
        return 0;
    }
    if ((rc = validate(c, next, e)) < 0 || (rc = node_role_admit(c, next, e)) < 0 ||
        (s->admit && (rc = s->admit(c, next, e)) < 0))
        return rc;
    if (is_new_generation(c, next))
        meta_bump_generation(json_get(next, "metadata"));
    struct object *obj = NULL;
    if ((rc = object_new(c->kind, next, &obj, e)) < 0)
        return rc;
    if (tree_may_leave(c->kind, next)) {
        rc = object_leave(c->v, c->before, POD_END_CONFIRMED, e);
        if (rc < 0) {
            object_unref(obj);
            return rc;
        }
    } else {
        store_unit_put(c->v->unit, object_ref(obj), c->before);
    }
    *out = obj;
    return 0;
}

static int update_object(struct change *c, verb_change_fn *change, void *arg, struct object **out,
                         struct err *e)
{
    cJSON *old = object_tree_versioned(c->before);
    shape_renew(c->v, c->kind, old);
    cJSON *next = c->v->replaces ? cJSON_CreateObject() : tree_dup(old);
    c->old = old;
    int rc = change(next, arg, e);
    if (rc == 0)
        rc = meta_fit(c->kind, c->before->ns, c->before->name, next, e);
    if (rc == 0) {
        const cJSON *meta = json_get(next, "metadata");
        rc = check_preconditions(c->kind, c->before, json_str(meta, "uid", ""),
                                 json_str(meta, "resourceVersion", ""), e);
    }
    if (rc == 0)
        rc = shape_check(c->v, c->kind, next, e);
    if (rc == 0)
        rc = update_store(c, next, out, e);
    cJSON_Delete(next);
    cJSON_Delete(old);
    return rc;
}

/* ---- scale (A29) ---- */

static int scale_replicas(const struct change *c, cJSON *scale, int64_t *replicas, struct err *e)
{
    const cJSON *meta = json_get(scale, "metadata");
    *replicas = 0;
    int rc = shape_check_body(c->v, SCHEMA_SCALE, scale, e);
    if (rc < 0)
        return rc;
    const char *name = json_str(meta, "name", c->before->name),
               *ns = json_str(meta, "namespace", c->before->ns);
    if (strcmp(name, c->before->name) != 0)
        return err_set(e, ERR_MALFORMED,
                       "the name of the object (%.253s) does not match the name on the URL (%s)",
                       name, c->before->name);
    if (strcmp(ns, c->before->ns) != 0)
        return err_set(e, ERR_MALFORMED,
                       "the namespace of the provided object does not match the namespace sent on "
                       "the request");
    (void)json_int(json_get(scale, "spec"), "replicas", INT32_MIN, INT32_MAX, replicas);
    if (*replicas < 0) {
        struct issues is = {.e = e};
        issue_invalid_int(&is, AT(AT(NULL, "spec"), "replicas"), *replicas, must_be_non_negative);
        return fail_invalid_as("Scale.autoscaling", c->before->name, e);
    }
    return check_preconditions(c->kind, c->before, json_str(meta, "uid", ""),
                               json_str(meta, "resourceVersion", ""), e);
}

static int update_scale(struct change *c, verb_change_fn *change, void *arg, struct object **out,
                        struct err *e)
{
    if (!c->kind->has_scale)
        return err_set(e, ERR_NOT_FOUND, "the server could not find the requested resource");
    int64_t replicas = 0;
    cJSON *scale = registry_scale(c->before);
    int rc = change(scale, arg, e);
    if (rc == 0)
        rc = scale_replicas(c, scale, &replicas, e);
    cJSON_Delete(scale);
    if (rc < 0)
        return rc;
    cJSON *old = object_tree_versioned(c->before);
    cJSON *next = tree_dup(old);
    c->old = old;
    json_set_int(json_obj(next, "spec"), "replicas", replicas);
    rc = update_store(c, next, out, e);
    cJSON_Delete(next);
    cJSON_Delete(old);
    return rc;
}

int verb_update(const struct verb *v, const struct verb_key *key, enum subresource sub,
                verb_change_fn *change, void *arg, struct object **out, struct err *e)
{
    struct change c = {.v = v, .kind = kind_get(key->kind), .sub = sub};
    c.before = store_unit_find(v->unit, key->kind, c.kind->namespaced ? key->ns : "", key->name);
    if (!c.before)
        return fail_not_found(c.kind, key->name, e);
    if ((sub == SUB_STATUS && !c.kind->has_status) ||
        (sub == SUB_FINALIZE && key->kind != KIND_NAMESPACE))
        return err_set(e, ERR_NOT_FOUND, "the server could not find the requested resource");
    static const char *const subs[] = {[SUB_NONE] = "",
                                       [SUB_STATUS] = "status",
                                       [SUB_SCALE] = "scale",
                                       [SUB_FINALIZE] = "finalize"};
    const struct access_ask ask = {
        .verb = "update", .sub = subs[sub], .ns = c.before->ns, .name = c.before->name};
    int rc = role_check(v, c.kind, &ask, c.before, e);
    if (rc < 0)
        return rc;
    /* The unit may replace what it found; this one stays alive for the length of the call. */
    AUTO_OBJECT before = object_ref(c.before);
    c.before = before;
    if (sub == SUB_SCALE)
        return update_scale(&c, change, arg, out, e);
    return update_object(&c, change, arg, out, e);
}
