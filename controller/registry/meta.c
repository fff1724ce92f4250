/* controller/registry/meta.c - the metadata of every object (api.md A15-A20). */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"
#include "controller/registry/patch_tree.h"
#include "controller/registry/strategy.h"

/* ---- small helpers ---- */

void default_str(cJSON *obj, const char *name, const char *value)
{
    const cJSON *have = json_get(obj, name);
    if (!have || cJSON_IsNull(have) || (cJSON_IsString(have) && *have->valuestring == '\0'))
        json_set_str(obj, name, value);
}

void default_int(cJSON *obj, const char *name, int64_t value)
{
    if (!json_get(obj, name))
        json_set_int(obj, name, value);
}

void default_bool(cJSON *obj, const char *name, bool value)
{
    if (!json_get(obj, name))
        json_set_bool(obj, name, value);
}

void json_copy_member(cJSON *obj, const cJSON *from, const char *name)
{
    const cJSON *want = json_get(from, name);
    if (!want)
        json_del(obj, name);
    else if (!json_same(json_get(obj, name), want))
        json_set(obj, name, tree_dup(want));
}

void json_set_now(cJSON *obj, const char *name)
{
    char text[CLOCK_TEXT_MAX];
    json_set_str(obj, name, clock_format(clock_now_us(), text));
}

const char *meta_uid(const cJSON *obj)
{
    return json_str(json_get(obj, "metadata"), "uid", "");
}

const char *meta_annotation(const cJSON *obj, const char *key)
{
    return json_str(json_at(obj, "metadata", "annotations", NULL), key, NULL);
}

void meta_set_annotation(cJSON *obj, const char *key, const char *value)
{
    cJSON *meta = json_obj(obj, "metadata");
    if (value) {
        json_set_str(json_obj(meta, "annotations"), key, value);
        return;
    }
    cJSON *annotations = json_get(meta, "annotations");
    if (!annotations)
        return;
    json_del(annotations, key);
    if (!annotations->child)
        json_del(meta, "annotations");
}

bool meta_has_finalizer(const cJSON *obj, const char *finalizer)
{
    const cJSON *list = json_at(obj, "metadata", "finalizers", NULL);
    for (const cJSON *it = list ? list->child : NULL; it; it = it->next)
        if (cJSON_IsString(it) && strcmp(it->valuestring, finalizer) == 0)
            return true;
    return false;
}

void meta_add_finalizer(cJSON *obj, const char *finalizer)
{
    if (!meta_has_finalizer(obj, finalizer))
        (void)cJSON_AddItemToArray(json_arr(json_obj(obj, "metadata"), "finalizers"),
                                   cJSON_CreateString(finalizer));
}

void meta_bump_generation(cJSON *meta)
{
    int64_t generation = 0;
    (void)json_int(meta, "generation", 0, INT64_MAX - 1, &generation);
    json_set_int(meta, "generation", generation + 1);
}

/* ---- the body against the path (A19) ---- */

/* Text or nothing: what is filled in below would hide anything else. */
static int check_text(const struct kind *kind, const cJSON *obj, const char *prefix,
                      const char *name, struct err *e)
{
    const cJSON *value = json_get(obj, name);
    if (!value || cJSON_IsString(value) || cJSON_IsNull(value))
        return 0;
    return err_set(e, ERR_MALFORMED,
                   "%s in version \"%s\" cannot be handled as a %s: json: cannot unmarshal the "
                   "value of %s%s into type string",
                   kind->name, kind->version, kind->name, prefix, name);
}

int meta_fit(const struct kind *kind, const char *ns, const char *name, cJSON *obj, struct err *e)
{
    if (!cJSON_IsObject(obj))
        return err_set(e, ERR_MALFORMED, "the body is not an object");
    int rc = check_text(kind, obj, "", "apiVersion", e);
    if (rc < 0 || (rc = check_text(kind, obj, "", "kind", e)) < 0)
        return rc;
    const char *version = json_str(obj, "apiVersion", ""), *kind_name = json_str(obj, "kind", "");
    if (*kind_name && strcmp(kind_name, kind->name) != 0)
        return err_set(e, ERR_MALFORMED,
                       "%s in version \"%s\" cannot be handled as a %s: kind does not match",
                       kind_name, *version ? version : kind->api_version, kind->name);
    if (*version && strcmp(version, kind->api_version) != 0)
        return err_set(
            e, ERR_MALFORMED,
            "the API version in the data (%s) does not match the expected API version (%s)",
            version, kind->api_version);
    json_set_str(obj, "apiVersion", kind->api_version);
    json_set_str(obj, "kind", kind->name);
    const cJSON *given = json_get(obj, "metadata");
    if (given && !cJSON_IsObject(given) && !cJSON_IsNull(given))
        return err_set(e, ERR_MALFORMED, "metadata is not an object");
    if ((rc = check_text(kind, given, "metadata.", "name", e)) < 0 ||
        (rc = check_text(kind, given, "metadata.", "namespace", e)) < 0)
        return rc;
    cJSON *meta = json_obj(obj, "metadata");
    const char *body_ns = json_str(meta, "namespace", ""), *body_name = json_str(meta, "name", "");
    if (!kind->namespaced)
        json_del(meta, "namespace");
    else if (*body_ns && strcmp(body_ns, ns) != 0)
        return err_set(e, ERR_MALFORMED,
                       "the namespace of the provided object does not match the namespace sent on "
                       "the request");
    else
        json_set_str(meta, "namespace", ns);
    if (name && *body_name && strcmp(body_name, name) != 0)
        return err_set(e, ERR_MALFORMED,
                       "the name of the object (%.253s) does not match the name on the URL (%s)",
                       body_name, name);
    if (name)
        json_set_str(meta, "name", name);
    return 0;
}

void meta_create(const struct kind *kind, cJSON *obj)
{
    static const char *const not_settable[] = {
        "selfLink",      "deletionTimestamp", "deletionGracePeriodSeconds",
        "managedFields", "resourceVersion",   "generation"};
    cJSON *meta = json_obj(obj, "metadata");
    for (size_t i = 0; i < ARRAY_SIZE(not_settable); i++)
        json_del(meta, not_settable[i]);
    char uid[UUID_TEXT_SIZE];
    random_uuid(uid);
    json_set_str(meta, "uid", uid);
    json_set_now(meta, "creationTimestamp");
    if (kind->has_generation)
        json_set_int(meta, "generation", 1);
}

void meta_restore(const struct change *c, cJSON *obj)
{
    static const char *const kept[] = {"name",
                                       "namespace",
                                       "uid",
                                       "creationTimestamp",
                                       "deletionTimestamp",
                                       "deletionGracePeriodSeconds",
                                       "generation",
                                       "resourceVersion"};
    cJSON *meta = json_obj(obj, "metadata");
    const cJSON *old = json_get(c->old, "metadata");
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        json_copy_member(meta, old, kept[i]);
    json_del(meta, "selfLink");
    json_del(meta, "managedFields");
    if (c->v->role == ROLE_SYSTEM || (c->kind->id != KIND_POD && c->kind->id != KIND_PVC))
        return;
    /* The fencing epoch is the server's. */
    const char *epoch = meta_annotation(c->old, ANNOTATION_EPOCH);
    const char *now = meta_annotation(obj, ANNOTATION_EPOCH);
    if (epoch ? !now || strcmp(epoch, now) != 0 : now != NULL)
        meta_set_annotation(obj, ANNOTATION_EPOCH, epoch);
}

/* ---- validation ---- */

static void check_finalizers(const struct change *c, struct issues *is, const cJSON *list)
{
    const struct path *path = AT(AT(NULL, "metadata"), "finalizers");
    static const char *const standard[] = {"kubernetes", FINALIZER_ORPHAN, FINALIZER_FOREGROUND,
                                           NULL};
    size_t i = 0;
    bool orphan = false, foreground = false;
    for (const cJSON *it = list ? list->child : NULL; it; it = it->next, i++) {
        const char *name = cJSON_IsString(it) ? it->valuestring : "";
        const char *error = qualified_name_error(name);
        orphan = orphan || strcmp(name, FINALIZER_ORPHAN) == 0;
        foreground = foreground || strcmp(name, FINALIZER_FOREGROUND) == 0;
        if (error)
            issue_invalid(is, AT_INDEX(path, i), name, error);
        else if (!strchr(name, '/') && !text_is_one_of(name, standard))
            issue_invalid(is, AT_INDEX(path, i), name,
                          "name is neither a standard finalizer name nor is it fully qualified");
        if (c->before && c->before->deleted_us && !meta_has_finalizer(c->old, name)) {
            char detail[NAME_MAX_BYTES + 160];
            (void)snprintf(detail, sizeof(detail),
                           "no new finalizers can be added if the object is being deleted, found "
                           "new finalizers "
                           "[]string{\"%.253s\"}",
                           name);
            issue_forbidden(is, path, detail);
        }
    }
    if (orphan && foreground)
        issue_invalid_json(is, path, list,
                           "finalizer " FINALIZER_ORPHAN " and " FINALIZER_FOREGROUND
                           " cannot be both set");
}

static void check_owners(struct issues *is, const cJSON *list)
{
    const struct path *path = AT(AT(NULL, "metadata"), "ownerReferences");
    static const char *const members[] = {"apiVersion", "kind", "name", "uid"};
    const char *controller = NULL;
    size_t i = 0;
    for (const cJSON *it = list ? list->child : NULL; it; it = it->next, i++) {
        for (size_t k = 0; k < ARRAY_SIZE(members); k++)
            if (*json_str(it, members[k], "") == '\0')
                issue_invalid(is, AT(AT_INDEX(path, i), members[k]), "", "must not be empty");
        if (!json_bool(it, "controller", false))
            continue;
        if (controller) {
            char detail[2 * NAME_MAX_BYTES + 128];
            (void)snprintf(detail, sizeof(detail),
                           "Only one reference can have Controller set to true. Found \"true\" in "
                           "references for "
                           "%.253s and %.253s",
                           controller, json_str(it, "name", ""));
            issue_invalid_json(is, path, list, detail);
        }
        controller = json_str(it, "name", "");
    }
}

void meta_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    const struct path *path = AT(NULL, "metadata");
    const cJSON *meta = json_get(obj, "metadata"), *old = json_get(c->old, "metadata");
    if (!c->old) {
        const char *name = json_str(meta, "name", "");
        const char *error = path_segment_error(name);
        const struct strategy *s = strategy_get(c->kind->id);
        if (!error && s->name_error)
            error = s->name_error(name);
        if (error)
            issue_invalid(is, AT(path, "name"), name, error);
        else if (strlen(name) > NAME_MAX_BYTES)
            issue_invalid(is, AT(path, "name"), name, "must be no more than 253 characters");
    }
    static const struct {
        const char *name;
        void (*check)(struct issues *is, const struct path *path, const cJSON *value);
    } maps[] = {{"labels", check_labels}, {"annotations", check_annotations}};
    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        const cJSON *value = json_get(meta, maps[i].name);
        if (value && !json_same(value, json_get(old, maps[i].name)))
            maps[i].check(is, AT(path, maps[i].name), value);
    }
    const cJSON *finalizers = json_get(meta, "finalizers"),
                *owners = json_get(meta, "ownerReferences");
    if (finalizers && !json_same(finalizers, json_get(old, "finalizers")))
        check_finalizers(c, is, finalizers);
    if (owners && !json_same(owners, json_get(old, "ownerReferences")))
        check_owners(is, owners);
}
