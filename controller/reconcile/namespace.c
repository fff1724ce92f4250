/* controller/reconcile/namespace.c - empties a namespace that is being deleted, then lets it go
 * (api.md A23).
 *
 * Key: the namespace. A terminating namespace takes no new objects (the registry refuses them), so
 * a pass over what is there, within a budget, comes to an end; what waits for finalizers or for its
 * node is heard of when it goes, and told in the conditions of the namespace meanwhile. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "controller/reconcile/namespace_remains.h"
#include "controller/reconcile/runner.h"

/* Objects deleted in one sync. */
#define NAMESPACE_BUDGET 128
#define FINALIZER        "kubernetes"

static bool is_terminating(const struct object *ns)
{
    return ns && (ns->deleted_us || namespace_view(ns)->terminating);
}

static void namespace_on_change(struct runner *runner, void *state,
                                const struct store_change *change)
{
    (void)state;
    const struct object *obj = change->after ? change->after : change->before;
    if (obj->kind->id == KIND_NAMESPACE) {
        if (is_terminating(change->after))
            runner_queue(runner, &namespace_controller, obj->name);
        return;
    }
    /* Something inside went, a lost commit left it there, or a fence was released. */
    if (!*obj->ns || (change->before && change->after && obj->kind->id != KIND_IDENTITY))
        return;
    struct store_view view = store_head(runner_store(runner));
    if (is_terminating(view_find(&view, KIND_NAMESPACE, "", obj->ns)))
        runner_queue(runner, &namespace_controller, obj->ns);
}

static int set_phase(cJSON *tree, void *arg, struct err *e)
{
    (void)arg;
    (void)e;
    json_set_str(json_obj(tree, "status"), "phase", "Terminating");
    return 0;
}

static int set_conditions(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    (void)namespace_remains_tell(arg, tree);
    return 0;
}

static int drop_finalizer(cJSON *tree, void *arg, struct err *e)
{
    (void)arg;
    (void)e;
    cJSON *list = json_at(tree, "spec", "finalizers", NULL), *item = list ? list->child : NULL;
    while (item) {
        cJSON *next = item->next;
        if (cJSON_IsString(item) && strcmp(item->valuestring, FINALIZER) == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(list, item));
        item = next;
    }
    return 0;
}

static int change_namespace(struct runner *runner, const char *ns, enum subresource sub,
                            verb_change_fn *change, void *arg, struct err *e)
{
    struct verb v;
    runner_verb(runner, &v);
    AUTO_OBJECT out = NULL;
    const struct verb_key key = {KIND_NAMESPACE, "", ns};
    int rc = verb_update(&v, &key, sub, change, arg, &out, e);
    if (rc < 0) {
        runner_drop(&v);
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    return runner_stage(runner, &v, e);
}

static int delete_object(struct runner *runner, const struct object *obj, struct err *e)
{
    struct verb v;
    runner_verb(runner, &v);
    if (obj->kind->is_read_only) /* identities: the server's own, nobody else may */
        v.role = ROLE_SYSTEM;
    AUTO_OBJECT out = NULL;
    bool gone = false;
    const struct verb_key key = {obj->kind->id, obj->ns, obj->name};
    const struct delete_opts opts = {.propagation = PROPAGATE_BACKGROUND, .uid = obj->uid};
    int rc = verb_delete(&v, &key, &opts, &out, &gone, e);
    if (rc < 0) {
        runner_drop(&v);
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    return runner_stage(runner, &v, e);
}

struct sweep {
    const struct object *todo[NAMESPACE_BUDGET]; /* references owned */
    size_t todo_count;
    bool is_empty;
    struct namespace_remains remains;
};

/* An incarnation that was removed by force may still run and hold its addresses: its fence keeps
 * the identity, and with it the namespace, until the node confirms the end or is removed (R44). */
static bool is_fencing(const struct object *obj)
{
    return obj->kind->id == KIND_IDENTITY && identity_view(obj)->fenced_count > 0;
}

/* Collects what is there and not yet being deleted. */
static void sweep_kind(struct sweep *s, const struct store_view *view, enum kind_id kind,
                       const char *ns, bool is_its_turn)
{
    struct view_cursor cur;
    for (view_seek(&cur, view, kind, ns, NULL); cur.object; view_next(&cur)) {
        s->is_empty = false;
        namespace_remains_add(&s->remains, cur.object);
        if (cur.object->deleted_us || is_fencing(cur.object) || !is_its_turn)
            continue;
        if (s->todo_count == NAMESPACE_BUDGET)
            return;
        s->todo[s->todo_count++] = object_ref(cur.object);
    }
}

static int empty_namespace(struct runner *runner, const char *ns, struct sweep *s, struct err *e)
{
    struct store_view view = store_head(runner_store(runner));
    s->is_empty = true;
    for (enum kind_id kind = 0; kind < KIND_COUNT; kind++)
        if (kind_get(kind)->namespaced && !kind_get(kind)->is_read_only)
            sweep_kind(s, &view, kind, ns, true);
    bool is_last = s->is_empty; /* identities go last: they outlive their pods */
    for (enum kind_id kind = 0; kind < KIND_COUNT; kind++)
        if (kind_get(kind)->namespaced && kind_get(kind)->is_read_only)
            sweep_kind(s, &view, kind, ns, is_last);
    int rc = 0;
    for (size_t i = 0; i < s->todo_count; i++) {
        if (rc >= 0)
            rc = delete_object(runner, s->todo[i], e);
        object_unref(s->todo[i]);
    }
    return rc;
}

/* Nothing is left to delete, and something is there still: why. */
static int tell_remains(struct runner *runner, const char *ns, struct sweep *s, struct err *e)
{
    if (s->is_empty || s->todo_count > 0)
        return 0;
    return change_namespace(runner, ns, SUB_STATUS, set_conditions, &s->remains, e);
}

static enum sync_result namespace_sync(struct runner *runner, void *state, const char *key)
{
    (void)state;
    struct store_view view = store_head(runner_store(runner));
    const struct object *ns = view_find(&view, KIND_NAMESPACE, "", key);
    if (!is_terminating(ns))
        return SYNC_DONE;
    struct err e = {0};
    struct sweep sweep = {0};
    int rc = 0;
    namespace_remains_init(&sweep.remains);
    if (!namespace_view(ns)->terminating)
        rc = change_namespace(runner, key, SUB_STATUS, set_phase, NULL, &e);
    if (rc >= 0)
        rc = empty_namespace(runner, key, &sweep, &e);
    if (rc >= 0 && sweep.is_empty)
        rc = change_namespace(runner, key, SUB_FINALIZE, drop_finalizer, NULL, &e);
    else if (rc >= 0)
        rc = tell_remains(runner, key, &sweep, &e);
    namespace_remains_fini(&sweep.remains);
    if (rc < 0 && rc != ERR_CONFLICT)
        log_warn("namespace=%s msg=\"not emptied\" reason=\"%s\"", key, e.text);
    if (rc >= 0 && sweep.todo_count > 0)
        return SYNC_AGAIN;
    return runner_result(rc);
}

static void *namespace_start(struct runner *runner)
{
    struct store_view view = store_head(runner_store(runner));
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_NAMESPACE, NULL, NULL); cur.object; view_next(&cur))
        if (is_terminating(cur.object))
            runner_queue(runner, &namespace_controller, cur.object->name);
    return runner;
}

static void namespace_stop(void *state)
{
    (void)state;
}

const struct controller namespace_controller = {.name = "namespace",
                                                .on_change = namespace_on_change,
                                                .sync = namespace_sync,
                                                .start = namespace_start,
                                                .stop = namespace_stop};
