/* controller/registry/storage.c - claims (R85), volumes and storage classes. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/registry/patch_tree.h"
#include "controller/registry/strategy.h"

static const char *const access_modes[] = {"ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce",
                                           "ReadWriteOncePod", NULL};
static const char *const volume_modes[] = {"Block", "Filesystem", NULL};

static void check_access_modes(struct issues *is, const struct path *path, const cJSON *modes)
{
    size_t i = 0;
    bool has_once_pod = false;
    for (const cJSON *it = modes ? modes->child : NULL; it; it = it->next, i++) {
        const char *mode = cJSON_IsString(it) ? it->valuestring : "";
        has_once_pod = has_once_pod || strcmp(mode, "ReadWriteOncePod") == 0;
        if (!text_is_one_of(mode, access_modes))
            issue_unsupported(is, path, mode, access_modes);
    }
    if (i == 0)
        issue_required(is, path, "at least 1 access mode is required");
    if (has_once_pod && i > 1)
        issue_forbidden(is, path, "may not use ReadWriteOncePod with other access modes");
}

static void check_class_name(struct issues *is, const struct path *path, const cJSON *spec)
{
    const char *name = json_str(spec, "storageClassName", "");
    const char *error = *name ? dns_subdomain_error(name) : NULL;
    if (error)
        issue_invalid(is, AT(path, "storageClassName"), name, error);
}

/* ---- claims ---- */

void claim_spec_defaults(cJSON *spec)
{
    default_str(spec, "volumeMode", "Filesystem");
    const cJSON *source = json_get(spec, "dataSource");
    if (source && !json_get(spec, "dataSourceRef"))
        json_set(spec, "dataSourceRef", tree_dup(source));
}

void claim_defaults(cJSON *obj)
{
    claim_spec_defaults(json_obj(obj, "spec"));
}

/* The default class: of several the newest, then the first by name (R78). */
static const struct object *default_class(const struct verb *v)
{
    struct store_view view = store_unit_view(v->unit);
    struct view_cursor cur;
    const struct object *best = NULL;
    for (view_seek(&cur, &view, KIND_STORAGECLASS, NULL, NULL); cur.object; view_next(&cur))
        if (class_view(cur.object)->is_default &&
            (!best || cur.object->created_us > best->created_us))
            best = cur.object;
    return best;
}

int claim_prepare(const struct change *c, cJSON *obj, struct err *e)
{
    (void)e;
    if (c->old)
        return 0;
    cJSON *spec = json_get(obj, "spec");
    status_reset(obj, "{\"phase\":\"Pending\"}");
    meta_add_finalizer(obj, FINALIZER_CLAIM);
    const struct object *class = NULL;
    if (!json_get(spec, "storageClassName") &&
        !meta_annotation(obj, "volume.beta.kubernetes.io/storage-class"))
        class = default_class(c->v);
    if (class)
        json_set_str(spec, "storageClassName", class->name);
    if (c->v->role != ROLE_SYSTEM) {
        meta_set_annotation(obj, ANNOTATION_EPOCH, NULL);
        identity_mark_claim(c->v, obj);
    }
    return 0;
}

void claim_spec_validate(struct issues *is, const struct path *path, const cJSON *spec)
{
    const struct path *storage = AT_KEY(AT(AT(path, "resources"), "requests"), "storage");
    const cJSON *size = json_at(spec, "resources", "requests", "storage", NULL);
    check_access_modes(is, AT(path, "accessModes"), json_get(spec, "accessModes"));
    if (json_get(spec, "selector"))
        check_selector(is, AT(path, "selector"), json_get(spec, "selector"));
    if (!size)
        issue_required(is, storage, "");
    else
        check_quantity(is, storage, size, true);
    check_class_name(is, path, spec);
    check_enum(is, path, spec, "volumeMode", volume_modes, false);
}

static int64_t size_of(const cJSON *value)
{
    int64_t bytes = 0;
    return cJSON_IsString(value) && quantity_parse(value->valuestring, &bytes) ? bytes
           : cJSON_IsNumber(value) ? (int64_t)value->valuedouble
                                   : 0;
}

/* Growing needs a class that allows it. */
static bool may_grow(const struct verb *v, const cJSON *spec)
{
    const char *name = json_str(spec, "storageClassName", "");
    const struct object *class =
        *name ? store_unit_find(v->unit, KIND_STORAGECLASS, "", name) : NULL;
    return class && class_view(class)->allow_expansion;
}

static void check_claim_size(const struct change *c, struct issues *is, const cJSON *obj,
                             cJSON *masked)
{
    const struct path *path = AT(AT(AT(AT(NULL, "spec"), "resources"), "requests"), "storage");
    const cJSON *spec = json_get(obj, "spec"), *old = json_get(c->old, "spec");
    const cJSON *now = json_at(spec, "resources", "requests", "storage", NULL);
    const cJSON *was = json_at(old, "resources", "requests", "storage", NULL);
    bool is_bound = strcmp(json_str(json_get(c->old, "status"), "phase", ""), "Bound") == 0;
    if (!now || !was || json_same(now, was) || !is_bound)
        return;
    int64_t capacity = size_of(json_at(c->old, "status", "capacity", "storage", NULL));
    json_set(json_at(masked, "resources", "requests", NULL), "storage", tree_dup(was));
    if (size_of(now) < size_of(was)) {
        if (size_of(now) <= capacity)
            issue_forbidden(is, path, "field can not be less than status.capacity");
    } else if (size_of(now) > size_of(was) && !may_grow(c->v, spec)) {
        issue_forbidden(is, path,
                        "only dynamically provisioned pvc can be resized and the storageclass that "
                        "provisions the pvc "
                        "must support resize");
    }
}

/* R85. */
static void check_claim_update(const struct change *c, struct issues *is, const cJSON *obj)
{
    const cJSON *old = json_get(c->old, "spec");
    cJSON *masked = tree_dup(json_get(obj, "spec"));
    if (*json_str(old, "volumeName", "") == '\0')
        json_copy_member(masked, old, "volumeName");
    if (!json_get(old, "storageClassName"))
        json_del(masked, "storageClassName");
    json_copy_member(masked, old, "volumeAttributesClassName");
    check_claim_size(c, is, obj, masked);
    if (!json_equal(masked, old))
        issue_forbidden(is, AT(NULL, "spec"),
                        "spec is immutable after creation except resources.requests and "
                        "volumeAttributesClassName for "
                        "bound claims");
    cJSON_Delete(masked);
}

void claim_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    const cJSON *spec = json_get(obj, "spec");
    if (json_same(spec, json_get(c->old, "spec")))
        return;
    claim_spec_validate(is, AT(NULL, "spec"), spec);
    if (c->old)
        check_claim_update(c, is, obj);
}

/* ---- volumes ---- */

static bool is_volume_source(const char *member)
{
    static const char *const others[] = {"capacity",
                                         "accessModes",
                                         "claimRef",
                                         "persistentVolumeReclaimPolicy",
                                         "storageClassName",
                                         "mountOptions",
                                         "volumeMode",
                                         "nodeAffinity",
                                         "volumeAttributesClassName",
                                         NULL};
    return !text_is_one_of(member, others);
}

void volume_defaults(cJSON *obj)
{
    cJSON *spec = json_obj(obj, "spec"), *host = json_get(spec, "hostPath"),
          *ref = json_get(spec, "claimRef");
    default_str(spec, "persistentVolumeReclaimPolicy", "Retain");
    default_str(spec, "volumeMode", "Filesystem");
    if (host && !json_get(host, "type"))
        json_set_str(host, "type", "");
    if (ref) {
        default_str(ref, "kind", "PersistentVolumeClaim");
        default_str(ref, "apiVersion", "v1");
    }
}

int volume_prepare(const struct change *c, cJSON *obj, struct err *e)
{
    (void)e;
    if (c->old)
        return 0;
    status_reset(obj, "{\"phase\":\"Pending\"}");
    meta_add_finalizer(obj, FINALIZER_VOLUME);
    return 0;
}

static void check_volume_source(struct issues *is, const cJSON *spec)
{
    const struct path *path = AT(NULL, "spec");
    size_t sources = 0;
    for (const cJSON *it = spec->child; it; it = it->next)
        if (is_volume_source(it->string) && ++sources > 1)
            issue_forbidden(is, AT(path, it->string), "may not specify more than 1 volume type");
    if (sources == 0)
        issue_required(is, path, "must specify a volume type");
    static const char *const with_path[] = {"hostPath", "local"};
    for (size_t i = 0; i < ARRAY_SIZE(with_path); i++) {
        const cJSON *source = json_get(spec, with_path[i]);
        const char *text = json_str(source, "path", "");
        if (source && *text == '\0')
            issue_required(is, AT(AT(path, with_path[i]), "path"), "");
        else if (source && (strstr(text, "/../") || strncmp(text, "../", 3) == 0 ||
                            (strlen(text) > 2 && strcmp(text + strlen(text) - 3, "/..") == 0)))
            issue_invalid(is, AT(AT(path, with_path[i]), "path"), text, "must not contain '..'");
    }
    if (json_get(spec, "local") && !json_get(spec, "nodeAffinity"))
        issue_required(is, AT(path, "nodeAffinity"), "Local volume requires node affinity");
}

static void check_volume_update(struct issues *is, const cJSON *spec, const cJSON *old)
{
    const struct path *path = AT(NULL, "spec");
    bool changed = false;
    for (const cJSON *it = spec->child; it; it = it->next)
        changed =
            changed || (is_volume_source(it->string) && !json_same(it, json_get(old, it->string)));
    for (const cJSON *it = old->child; it; it = it->next)
        changed = changed || (is_volume_source(it->string) && !json_get(spec, it->string));
    if (changed)
        issue_forbidden(is, AT(path, "persistentvolumesource"),
                        "spec.persistentvolumesource is immutable after creation");
    check_immutable(is, AT(path, "volumeMode"), json_get(spec, "volumeMode"),
                    json_get(old, "volumeMode"));
    if (json_get(old, "nodeAffinity"))
        check_immutable(is, AT(path, "nodeAffinity"), json_get(spec, "nodeAffinity"),
                        json_get(old, "nodeAffinity"));
}

void volume_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    static const char *const reclaim[] = {"Delete", "Recycle", "Retain", NULL};
    const struct path *path = AT(NULL, "spec");
    const cJSON *spec = json_get(obj, "spec"), *old = json_get(c->old, "spec");
    const cJSON *size = json_at(spec, "capacity", "storage", NULL);
    if (json_same(spec, old))
        return;
    check_access_modes(is, AT(path, "accessModes"), json_get(spec, "accessModes"));
    if (!size)
        issue_required(is, AT(path, "capacity"), "");
    else
        check_quantity(is, AT_KEY(AT(path, "capacity"), "storage"), size, true);
    check_volume_source(is, spec);
    check_enum(is, path, spec, "persistentVolumeReclaimPolicy", reclaim, true);
    check_enum(is, path, spec, "volumeMode", volume_modes, false);
    check_class_name(is, path, spec);
    if (old)
        check_volume_update(is, spec, old);
}

/* ---- classes ---- */

void class_defaults(cJSON *obj)
{
    default_str(obj, "reclaimPolicy", "Delete");
    default_str(obj, "volumeBindingMode", "Immediate");
}

void class_validate(const struct change *c, struct issues *is, const cJSON *obj)
{
    static const char *const reclaim[] = {"Delete", "Retain", NULL};
    static const char *const binding[] = {"Immediate", "WaitForFirstConsumer", NULL};
    static const char *const fixed[] = {"provisioner", "parameters", "reclaimPolicy"};
    const char *provisioner = json_str(obj, "provisioner", "");
    const char *error = *provisioner ? qualified_name_error(provisioner) : NULL;
    if (*provisioner == '\0')
        issue_required(is, AT(NULL, "provisioner"), "");
    else if (error)
        issue_invalid(is, AT(NULL, "provisioner"), provisioner, error);
    check_enum(is, NULL, obj, "reclaimPolicy", reclaim, true);
    check_enum(is, NULL, obj, "volumeBindingMode", binding, true);
    if (!c->old)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++) {
        char detail[64];
        if (json_same(json_get(obj, fixed[i]), json_get(c->old, fixed[i])))
            continue;
        (void)snprintf(detail, sizeof(detail), "updates to %s are forbidden.", fixed[i]);
        issue_forbidden(is, AT(NULL, fixed[i]), detail);
    }
    check_immutable(is, AT(NULL, "volumeBindingMode"), json_get(obj, "volumeBindingMode"),
                    json_get(c->old, "volumeBindingMode"));
}
