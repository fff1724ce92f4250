/* controller/reconcile/garbage.c - the collector: owner references (statefulset.md R63, R66).
 *
 * Key: an object's key in the store. Owners are found by kind and name and believed by uid, in the
 * dependant's own namespace or without one; dependants are found through the index of owners. What
 * cannot be resolved (an unknown kind; a namespaced owner of a cluster-wide object) is left alone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "controller/reconcile/runner.h"

#define COMPONENT            "garbage-collector-controller"
#define FINALIZER_FOREGROUND "foregroundDeletion"
#define FINALIZER_ORPHAN     "orphan"
/* Dependants written in one sync; the rest follows in the next. */
#define BATCH 256

/* ---- owners ---- */

enum owner_state {
    OWNER_LIVES,
    OWNER_WAITS, /* being deleted in the foreground: it waits for its dependants */
    OWNER_ABSENT,
    OWNER_UNKNOWN /* nobody can tell: counts as alive */
};

static bool is_in_group(const char *api_version, const struct kind *kind)
{
    const char *slash = strchr(api_version, '/');
    size_t len = slash ? (size_t)(slash - api_version) : 0;
    return strlen(kind->group) == len && strncmp(kind->group, api_version, len) == 0;
}

/* By group and kind, whatever the version. */
static const struct kind *kind_of(const struct owner_ref *ref)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        const struct kind *kind = kind_get((enum kind_id)i);
        if (strcmp(kind->name, ref->kind) == 0 && is_in_group(ref->api_version, kind))
            return kind;
    }
    return NULL;
}

static enum owner_state owner_find(const struct store_view *view, const struct object *dependant,
                                   const struct owner_ref *ref, const struct object **out)
{
    const struct kind *kind = kind_of(ref);
    *out = NULL;
    if (!kind || (kind->namespaced && !dependant->kind->namespaced))
        return OWNER_UNKNOWN;
    const struct object *owner =
        view_find(view, kind->id, kind->namespaced ? dependant->ns : "", ref->name);
    if (!owner || strcmp(owner->uid, ref->uid) != 0)
        return OWNER_ABSENT;
    *out = owner;
    return owner->deleted_us && object_has_finalizer(owner, FINALIZER_FOREGROUND) ? OWNER_WAITS
                                                                                  : OWNER_LIVES;
}

struct owners {
    size_t solid, waiting, absent;
};

static struct owners classify(const struct store_view *view, const struct object *dependant)
{
    struct owners count = {0};
    for (size_t i = 0; i < dependant->owner_count; i++) {
        const struct object *owner;
        switch (owner_find(view, dependant, &dependant->owners[i], &owner)) {
        case OWNER_LIVES:
        case OWNER_UNKNOWN:
            count.solid++;
            break;
        case OWNER_WAITS:
            count.waiting++;
            break;
        case OWNER_ABSENT:
            count.absent++;
            break;
        }
    }
    return count;
}

/* ---- dependants ---- */

/* Walks what refers to the owner, kind by kind; .object is NULL at the end. */
struct dependants {
    const struct store_view *view;
    const struct object *owner;
    char term[INDEX_TERM_MAX];
    int kind;
    struct index_cursor cur;
    const struct object *object;
};

/* A namespaced owner has dependants in its own namespace only. */
static bool may_own(const struct object *owner, const struct object *dependant)
{
    return !owner->kind->namespaced ||
           (dependant->kind->namespaced && strcmp(owner->ns, dependant->ns) == 0);
}

static void dependants_settle(struct dependants *d)
{
    for (;;) {
        while (d->cur.object && !may_own(d->owner, d->cur.object))
            index_next(&d->cur);
        if (d->cur.object || ++d->kind >= KIND_COUNT)
            break;
        index_seek(&d->cur, d->view, (enum kind_id)d->kind, d->term);
    }
    d->object = d->kind < KIND_COUNT ? d->cur.object : NULL;
}

static void dependants_seek(struct dependants *d, const struct store_view *view,
                            const struct object *owner)
{
    *d = (struct dependants){.view = view, .owner = owner};
    index_owner(d->term, owner->uid);
    index_seek(&d->cur, view, (enum kind_id)0, d->term);
    dependants_settle(d);
}

static void dependants_next(struct dependants *d)
{
    index_next(&d->cur);
    dependants_settle(d);
}

/* ---- from changes to keys ---- */

static void queue(struct runner *runner, const struct object *obj)
{
    runner_queue(runner, &garbage_controller, obj->key);
}

static void queue_dependants(struct runner *runner, const struct store_view *view,
                             const struct object *owner)
{
    struct dependants d;
    for (dependants_seek(&d, view, owner); d.object; dependants_next(&d))
        queue(runner, d.object);
}

static bool is_finishing(const struct object *obj)
{
    return obj->deleted_us && (object_has_finalizer(obj, FINALIZER_FOREGROUND) ||
                               object_has_finalizer(obj, FINALIZER_ORPHAN));
}

/* Owners that may have waited for what the dependant was. */
static void queue_waiting_owners(struct runner *runner, const struct store_view *view,
                                 const struct object *dependant)
{
    for (size_t i = 0; i < dependant->owner_count; i++) {
        const struct object *owner;
        if (owner_find(view, dependant, &dependant->owners[i], &owner) == OWNER_WAITS)
            queue(runner, owner);
    }
}

static bool has_business(const struct store_view *view, const struct object *obj)
{
    if (is_finishing(obj))
        return true;
    struct owners owners = classify(view, obj);
    return owners.waiting > 0 || owners.absent > 0;
}

static void garbage_on_change(struct runner *runner, void *state, const struct store_change *change)
{
    (void)state;
    const struct object *before = change->before, *after = change->after;
    struct store_view view = store_head(runner_store(runner));
    if (before && (!after || strcmp(before->uid, after->uid) != 0))
        queue_dependants(runner, &view, before);
    if (before && before->owner_count > 0)
        queue_waiting_owners(runner, &view, before);
    if (after && has_business(&view, after)) {
        queue(runner, after);
        if (is_finishing(after) && !(before && is_finishing(before)))
            queue_dependants(runner, &view, after);
    }
}

/* ---- writes ---- */

struct strip {
    const struct store_view *view;
    const struct object *dependant;
    const char *uid; /* references to this object; NULL: to owners that are absent or waiting */
};

static bool is_stripped(const struct strip *s, const cJSON *item)
{
    const struct owner_ref ref = {.api_version = json_str(item, "apiVersion", ""),
                                  .kind = json_str(item, "kind", ""),
                                  .name = json_str(item, "name", ""),
                                  .uid = json_str(item, "uid", "")};
    const struct object *owner;
    if (s->uid)
        return strcmp(ref.uid, s->uid) == 0;
    enum owner_state state = owner_find(s->view, s->dependant, &ref, &owner);
    return state == OWNER_ABSENT || state == OWNER_WAITS;
}

static int change_owners(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const struct strip *s = arg;
    cJSON *metadata = json_obj(tree, "metadata"), *list = json_get(metadata, "ownerReferences");
    for (int i = cJSON_GetArraySize(list); i-- > 0;)
        if (is_stripped(s, cJSON_GetArrayItem(list, i)))
            cJSON_DeleteItemFromArray(list, i);
    if (list && !list->child)
        json_del(metadata, "ownerReferences");
    return 0;
}

static int change_finalizer(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    const char *const *name = arg;
    cJSON *metadata = json_obj(tree, "metadata"), *list = json_get(metadata, "finalizers");
    for (int i = cJSON_GetArraySize(list); i-- > 0;) {
        const cJSON *item = cJSON_GetArrayItem(list, i);
        if (cJSON_IsString(item) && strcmp(item->valuestring, *name) == 0)
            cJSON_DeleteItemFromArray(list, i);
    }
    if (list && !list->child)
        json_del(metadata, "finalizers");
    return 0;
}

static int update(const struct verb *v, const struct object *obj, verb_change_fn *change, void *arg,
                  struct err *e)
{
    const struct verb_key key = {obj->kind->id, obj->ns, obj->name};
    AUTO_OBJECT out = NULL;
    return verb_update(v, &key, SUB_NONE, change, arg, &out, e);
}

static int delete_object(const struct verb *v, const struct object *obj, enum propagation policy,
                         struct err *e)
{
    const struct verb_key key = {obj->kind->id, obj->ns, obj->name};
    const struct delete_opts opts = {.propagation = policy, .uid = obj->uid};
    bool gone = false;
    AUTO_OBJECT out = NULL;
    int rc = verb_delete(v, &key, &opts, &out, &gone, e);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static enum sync_result finish(struct runner *runner, struct verb *v, const struct object *obj,
                               int rc, struct err *e)
{
    if (rc == 0)
        rc = runner_stage(runner, v, e);
    else
        runner_drop(v);
    if (rc < 0 && rc != ERR_CONFLICT)
        log_warn("object=%s msg=\"not collected\" reason=\"%s\"", obj->key, e->text);
    return runner_result(rc);
}

/* ---- owners in other namespaces (R66) ---- */

/* Namespaces looked into: the event is a courtesy, and the deletion of a large set must not pay for
 * it with a look into each of thousands for each pod. */
#define ELSEWHERE_MOST 128

/* The object with this uid, of the reference's kind, in a namespace that is not the dependant's. */
static bool is_elsewhere(const struct store_view *view, const struct object *dependant,
                         const struct owner_ref *ref)
{
    const struct kind *kind = kind_of(ref);
    struct view_cursor cur;
    size_t left = ELSEWHERE_MOST;
    if (!kind || !kind->namespaced || !dependant->kind->namespaced)
        return false;
    for (view_seek(&cur, view, KIND_NAMESPACE, NULL, NULL); cur.object && left > 0;
         view_next(&cur), left--) {
        const char *ns = cur.object->name;
        const struct object *owner =
            strcmp(ns, dependant->ns) == 0 ? NULL : view_find(view, kind->id, ns, ref->name);
        if (owner && strcmp(owner->uid, ref->uid) == 0)
            return true;
    }
    return false;
}

/* Such an owner counts as absent; whoever wrote the reference meant something else. */
static void note_elsewhere(const struct verb *v, const struct store_view *view,
                           const struct object *dependant)
{
    for (size_t i = 0; i < dependant->owner_count; i++) {
        const struct owner_ref *ref = &dependant->owners[i];
        const struct object *owner;
        if (owner_find(view, dependant, ref, &owner) == OWNER_ABSENT &&
            is_elsewhere(view, dependant, ref))
            registry_event(v, dependant, "Warning", "OwnerRefInvalidNamespace", COMPONENT,
                           "ownerRef [%s/%s, namespace: %s, name: %s, uid: %s] does not exist in "
                           "namespace \"%s\"",
                           ref->api_version, ref->kind, dependant->ns, ref->name, ref->uid,
                           dependant->ns);
    }
}

/* ---- the three jobs ---- */

static bool blocks(const struct object *dependant, const struct object *owner)
{
    if (strcmp(dependant->uid, owner->uid) == 0)
        return false; /* it owns itself */
    for (size_t i = 0; i < dependant->owner_count; i++)
        if (dependant->owners[i].block_owner_deletion &&
            strcmp(dependant->owners[i].uid, owner->uid) == 0)
            return true;
    return false;
}

/* Foreground: the owner goes when no dependant is left that blocks it. Those were queued when it
 * began; each of them, when it goes, queues the owner. */
static enum sync_result sync_foreground(struct runner *runner, const struct object *owner)
{
    struct store_view view = store_head(runner_store(runner));
    struct dependants d;
    for (dependants_seek(&d, &view, owner); d.object; dependants_next(&d))
        if (blocks(d.object, owner))
            return SYNC_DONE;
    struct verb v;
    struct err e = {0};
    const char *name = FINALIZER_FOREGROUND;
    runner_verb(runner, &v);
    return finish(runner, &v, owner, update(&v, owner, change_finalizer, &name, &e), &e);
}

/* Orphan: references are stripped from the dependants, then the owner goes. */
static enum sync_result sync_orphan(struct runner *runner, const struct object *owner)
{
    struct store_view view = store_head(runner_store(runner));
    struct dependants d;
    struct verb v;
    struct err e = {0};
    const char *name = FINALIZER_ORPHAN;
    int rc = 0;
    size_t written = 0;
    runner_verb(runner, &v);
    for (dependants_seek(&d, &view, owner); d.object && rc == 0 && written < BATCH;
         dependants_next(&d), written++) {
        struct strip strip = {.view = &view, .dependant = d.object, .uid = owner->uid};
        rc = update(&v, d.object, change_owners, &strip, &e);
    }
    bool is_left = d.object != NULL;
    if (rc == 0 && !is_left)
        rc = update(&v, owner, change_finalizer, &name, &e);
    enum sync_result result = finish(runner, &v, owner, rc, &e);
    return result == SYNC_DONE && is_left ? SYNC_AGAIN : result;
}

static bool has_dependants(const struct store_view *view, const struct object *obj)
{
    struct dependants d;
    dependants_seek(&d, view, obj);
    return d.object != NULL;
}

/* One of its own dependants waits as well: perhaps for this one, in a circle. */
static bool may_be_circle(const struct store_view *view, const struct object *obj)
{
    struct dependants d;
    for (dependants_seek(&d, view, obj); d.object; dependants_next(&d))
        if (d.object->deleted_us && object_has_finalizer(d.object, FINALIZER_FOREGROUND))
            return true;
    return false;
}

static int change_blocking(cJSON *tree, void *arg, struct err *e)
{
    (void)arg;
    (void)e;
    cJSON *item = NULL;
    cJSON_ArrayForEach(item, json_at(tree, "metadata", "ownerReferences", NULL))
    {
        if (json_bool(item, "blockOwnerDeletion", false))
            json_set_bool(item, "blockOwnerDeletion", false);
    }
    return 0;
}

/* Its owners only wait for it: what depends on it goes first. */
static int delete_in_foreground(const struct verb *v, const struct store_view *view,
                                const struct object *obj, struct err *e)
{
    int rc = may_be_circle(view, obj) ? update(v, obj, change_blocking, NULL, e) : 0;
    return rc < 0 ? rc : delete_object(v, obj, PROPAGATE_FOREGROUND, e);
}

/* What happens to a dependant: an owner that lives keeps it; owners that only wait take it with
 * them, and what depends on it first. */
static enum sync_result sync_dependant(struct runner *runner, const struct object *obj)
{
    struct store_view view = store_head(runner_store(runner));
    struct owners owners = classify(&view, obj);
    if (owners.waiting == 0 && owners.absent == 0)
        return SYNC_DONE;
    struct verb v;
    struct err e = {0};
    int rc;
    runner_verb(runner, &v);
    if (owners.absent > 0 && !obj->deleted_us)
        note_elsewhere(&v, &view, obj);
    if (owners.solid > 0) {
        struct strip strip = {.view = &view, .dependant = obj};
        rc = update(&v, obj, change_owners, &strip, &e);
    } else if (obj->deleted_us) {
        rc = 0; /* it is going */
    } else if (owners.waiting > 0 && has_dependants(&view, obj)) {
        rc = delete_in_foreground(&v, &view, obj, &e);
    } else {
        rc = delete_object(&v, obj,
                           object_has_finalizer(obj, FINALIZER_ORPHAN)       ? PROPAGATE_ORPHAN
                           : object_has_finalizer(obj, FINALIZER_FOREGROUND) ? PROPAGATE_FOREGROUND
                                                                             : PROPAGATE_BACKGROUND,
                           &e);
    }
    return finish(runner, &v, obj, rc, &e);
}

/* "resource/ns/name" in the view, or NULL. */
static const struct object *find_key(const struct store_view *view, const char *key)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        const struct kind *kind = kind_get((enum kind_id)i);
        size_t len = strlen(kind->resource);
        if (strncmp(key, kind->resource, len) != 0 || key[len] != '/')
            continue;
        char ns[OBJECT_KEY_MAX + 1];
        const char *name = strchr(key + len + 1, '/');
        CHECK(name);
        size_t ns_len = (size_t)(name - (key + len + 1));
        memcpy(ns, key + len + 1, ns_len);
        ns[ns_len] = '\0';
        return view_find(view, kind->id, ns, name + 1);
    }
    return NULL;
}

static enum sync_result garbage_sync(struct runner *runner, void *state, const char *key)
{
    (void)state;
    struct store_view view = store_head(runner_store(runner));
    const struct object *found = find_key(&view, key);
    if (!found)
        return SYNC_DONE;
    AUTO_OBJECT obj = object_ref(found); /* staging moves the head on */
    if (obj->deleted_us && object_has_finalizer(obj, FINALIZER_ORPHAN))
        return sync_orphan(runner, obj);
    if (obj->deleted_us && object_has_finalizer(obj, FINALIZER_FOREGROUND))
        return sync_foreground(runner, obj);
    return sync_dependant(runner, obj);
}

/* After a restart: dependants whose owner went while nobody looked, deletions half done. */
static void *garbage_start(struct runner *runner)
{
    static char on; /* the row needs no state */
    struct store_view view = store_head(runner_store(runner));
    for (int i = 0; i < KIND_COUNT; i++) {
        struct view_cursor cur;
        for (view_seek(&cur, &view, (enum kind_id)i, NULL, NULL); cur.object; view_next(&cur))
            if ((cur.object->owner_count > 0 || cur.object->deleted_us) &&
                has_business(&view, cur.object))
                queue(runner, cur.object);
    }
    return &on;
}

static void garbage_stop(void *state)
{
    (void)state;
}

const struct controller garbage_controller = {.name = "garbage",
                                              .on_change = garbage_on_change,
                                              .sync = garbage_sync,
                                              .start = garbage_start,
                                              .stop = garbage_stop};
