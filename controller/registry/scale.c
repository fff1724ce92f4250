/* controller/registry/scale.c - the autoscaling/v1 Scale of a StatefulSet or ReplicaSet (api.md
 * A29). */
#include <stdlib.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/registry/registry_internal.h"
#include "controller/store/selector.h"

cJSON *registry_scale(const struct object *obj)
{
    static const char *const meta_members[] = {"name", "namespace", "uid", "resourceVersion",
                                               "creationTimestamp"};
    cJSON *tree = object_tree_versioned(obj), *scale = cJSON_CreateObject();
    CHECK(scale);
    json_set_str(scale, "kind", "Scale");
    json_set_str(scale, "apiVersion", "autoscaling/v1");
    cJSON *meta = json_obj(scale, "metadata");
    for (size_t i = 0; i < ARRAY_SIZE(meta_members); i++)
        json_copy_member(meta, json_get(tree, "metadata"), meta_members[i]);
    int64_t replicas = 0;
    cJSON *spec = json_obj(scale, "spec"), *status = json_obj(scale, "status");
    (void)json_int(json_get(tree, "spec"), "replicas", 0, INT32_MAX, &replicas);
    json_set_int(spec, "replicas", replicas);
    replicas = 0;
    (void)json_int(json_get(tree, "status"), "replicas", 0, INT32_MAX, &replicas);
    json_set_int(status, "replicas", replicas);
    struct selector selector = {0};
    if (selector_from_json(json_at(tree, "spec", "selector", NULL), "spec.selector", &selector,
                           NULL) == 0) {
        char *text = selector_format(&selector);
        json_set_str(status, "selector", text);
        free(text);
    }
    selector_fini(&selector);
    cJSON_Delete(tree);
    return scale;
}
