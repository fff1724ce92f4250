#include "controller/reconcile/set_revisions.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/reconcile/adoption.h"
#include "controller/reconcile/revision.h"
#include "controller/reconcile/set_pod.h"

#define LABEL_HASH "controller.kubernetes.io/hash"

struct history {
    const struct object *
        *objects; /* borrowed from the head: nothing is staged while they are in use */
    struct revision_item *items;
    size_t count;
    char *redefaulted; /* data of the newest, as it would be stored today; owned */
};

static void history_add(struct history *h, const struct object *obj)
{
    h->objects = xrealloc(h->objects, (h->count + 1) * sizeof(struct object *));
    h->items = xrealloc(h->items, (h->count + 1) * sizeof *h->items);
    const struct revision_view *v = revision_view(obj);
    h->objects[h->count] = obj;
    h->items[h->count++] =
        (struct revision_item){.name = obj->name, .number = v->revision, .data = v->data};
}

static void history_fini(struct history *h)
{
    free(h->redefaulted);
    free(h->objects);
    free(h->items);
}

/* R50: the newest revision is compared as it would be stored today, so that a server which has
 * learnt another default makes no new revision and restarts no pod. */
static void history_redefault(struct history *h, const char *data)
{
    struct revision_item *newest = NULL;
    for (size_t i = 0; i < h->count; i++)
        if (!newest || h->items[i].number > newest->number)
            newest = &h->items[i];
    if (!newest || strcmp(newest->data, data) == 0)
        return;
    cJSON *tree = json_parse(newest->data, strlen(newest->data), NULL);
    registry_template_defaults(json_at(tree, "spec", "template", NULL));
    newest->data = h->redefaulted = json_print(tree, NULL);
    cJSON_Delete(tree);
}

/* The set's own revisions, and orphans that match its selector (R27 (1)). */
static void history_load(struct history *h, const struct store_view *view, const struct object *set)
{
    char term[INDEX_TERM_MAX], prefix[512];
    struct index_cursor owned;
    struct view_cursor cur;
    index_owner(term, set->uid);
    for (index_seek(&owned, view, KIND_REVISION, term); owned.object; index_next(&owned))
        if (object_controller(owned.object) &&
            strcmp(object_controller(owned.object)->uid, set->uid) == 0)
            history_add(h, owned.object);
    (void)snprintf(prefix, sizeof prefix, "%s-", set->name);
    for (view_seek(&cur, view, KIND_REVISION, set->ns, prefix); cur.object; view_next(&cur))
        if (!object_controller(cur.object) && !cur.object->deleted_us &&
            selector_matches(&set_view(set)->selector, cur.object->labels, cur.object->label_count))
            history_add(h, cur.object);
}

struct lookup {
    const struct store_view *view;
    const struct object *set;
};

static const char *data_of(const void *arg, const char *name)
{
    const struct lookup *l = arg;
    const struct object *obj = view_find(l->view, KIND_REVISION, l->set->ns, name);
    return obj ? revision_view(obj)->data : NULL;
}

static int change_number(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    json_set_int(tree, "revision", *(const int64_t *)arg);
    return 0;
}

static int update_one(struct verb *v, const struct object *obj, verb_change_fn *change, void *arg,
                      struct err *e)
{
    AUTO_OBJECT out = NULL;
    struct verb_key key = {KIND_REVISION, obj->ns, obj->name};
    return verb_update(v, &key, SUB_NONE, change, arg, &out, e);
}

static cJSON *revision_tree(const struct object *set, const cJSON *tree, const char *hash,
                            int64_t number, const cJSON *data)
{
    cJSON *out = cJSON_CreateObject(), *metadata = json_obj(out, "metadata");
    char *name = xasprintf("%s-%s", set->name, hash);
    json_set_str(out, "apiVersion", "apps/v1");
    json_set_str(out, "kind", "ControllerRevision");
    json_set_str(metadata, "name", name);
    json_set_str(metadata, "namespace", set->ns);
    const cJSON *labels = json_at(tree, "spec", "template", "metadata", "labels", NULL);
    const cJSON *annotations = json_at(tree, "metadata", "annotations", NULL);
    if (labels)
        json_set(metadata, "labels", cJSON_Duplicate(labels, true));
    json_set_str(json_obj(metadata, "labels"), LABEL_HASH, hash);
    if (annotations)
        json_set(metadata, "annotations", cJSON_Duplicate(annotations, true));
    cJSON_AddItemToArray(json_arr(metadata, "ownerReferences"), set_owner_ref(set));
    json_set(out, "data", cJSON_Duplicate(data, true));
    json_set_int(out, "revision", number);
    free(name);
    return out;
}

static void use_set(struct set_revision_use *use, const char *name, cJSON *data)
{
    use->name = xstrdup(name);
    use->data = data;
    cJSON *template = json_at(data, "spec", "template", NULL);
    if (template)
        json_del(template, "$patch");
    use->template = template;
}

/* R51: the revision status names, if it still exists; else the update revision. */
static void use_current(struct set_revisions *out, const struct history *h, const char *name)
{
    for (size_t i = 0; i < h->count; i++)
        if (strcmp(h->items[i].name, name) == 0) {
            cJSON *data = json_parse(h->items[i].data, strlen(h->items[i].data), NULL);
            if (json_at(data, "spec", "template", NULL)) {
                use_set(&out->current, name, data);
                return;
            }
            cJSON_Delete(data);
        }
    use_set(&out->current, out->update.name, cJSON_Duplicate(out->update.data, true));
}

static int make_update(struct verb *v, const struct object *set, const cJSON *tree,
                       const struct history *h, const struct revision_plan *plan, const cJSON *data,
                       struct err *e)
{
    int64_t number = plan->number;
    if (plan->action == REVISION_RAISE)
        return update_one(v, h->objects[plan->index], change_number, &number, e);
    if (plan->action == REVISION_USE)
        return 0;
    AUTO_OBJECT out = NULL;
    cJSON *body = revision_tree(set, tree, plan->hash, plan->number, data);
    int rc = verb_create(v, KIND_REVISION, set->ns, body, &out, e);
    cJSON_Delete(body);
    return rc == ERR_EXISTS ? 0 : rc; /* taken by equal data: use it (R50) */
}

int set_revisions_load(struct runner *runner, const struct object *set, const cJSON *tree,
                       struct set_revisions *out, struct err *e)
{
    struct store_view view = store_head(runner_store(runner));
    struct history h = {0};
    struct lookup lookup = {&view, set};
    struct revision_plan plan;
    struct verb v;
    int rc = 0;
    history_load(&h, &view, set);
    cJSON *data = revision_data(tree);
    char *text = json_print(data, NULL);
    history_redefault(&h, text);
    revision_plan(h.items, h.count, set->name, text, set_view(set)->st_collisions, data_of, &lookup,
                  &plan);
    AUTO_OBJECT owner = object_ref(set);
    runner_verb(runner, &v);
    for (size_t i = 0; i < h.count && rc == 0 && !set->deleted_us; i++)
        if (!object_controller(h.objects[i]))
            rc = update_one(&v, h.objects[i], change_adopt, owner, e);
    if (rc == 0 && !set->deleted_us)
        rc = make_update(&v, set, tree, &h, &plan, data, e);
    char *name = plan.action == REVISION_CREATE ? xasprintf("%s-%s", set->name, plan.hash)
                                                : xstrdup(h.items[plan.index].name);
    out->collisions = plan.collisions;
    use_set(&out->update, name, TAKE(data));
    use_current(out, &h, set_view(set)->current_revision);
    free(name);
    free(text);
    history_fini(&h);
    if (rc == 0)
        return runner_stage(runner, &v, e);
    runner_drop(&v);
    return rc;
}

void set_revisions_fini(struct set_revisions *revisions)
{
    free(revisions->current.name);
    free(revisions->update.name);
    cJSON_Delete(revisions->current.data);
    cJSON_Delete(revisions->update.data);
    *revisions = (struct set_revisions){0};
}

int set_revisions_prune(struct runner *runner, const struct object *set,
                        bool (*is_live)(const void *arg, const char *name), const void *arg,
                        struct err *e)
{
    struct store_view view = store_head(runner_store(runner));
    int32_t limit = set_view(set)->history_limit;
    struct history h = {0};
    history_load(&h, &view, set);
    size_t *victims = xcalloc(h.count + 1, sizeof *victims);
    size_t count = revision_prune(h.items, h.count, limit, is_live, arg, victims);
    int rc = 0;
    if (count > 0) {
        struct verb v;
        CHECK(h.objects);
        runner_verb(runner, &v);
        for (size_t i = 0; i < count && rc == 0; i++) {
            AUTO_OBJECT out = NULL;
            bool gone;
            const struct object *obj = h.objects[victims[i]];
            struct verb_key key = {KIND_REVISION, obj->ns, obj->name};
            struct delete_opts opts = {.uid = obj->uid};
            rc = verb_delete(&v, &key, &opts, &out, &gone, e);
        }
        if (rc == 0)
            rc = runner_stage(runner, &v, e);
        else
            runner_drop(&v);
    }
    free(victims);
    history_fini(&h);
    return rc;
}
