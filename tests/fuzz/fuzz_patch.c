/* The three kinds of patches: first byte picks the kind of patch and of object, then target NUL
 * patch. A patch that fails leaves its target as it was; one that succeeds leaves a tree that
 * prints and parses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/registry/patch.h"
#include "controller/registry/schema.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct kind kinds[] = {
        {.id = KIND_POD, .version = "v1", .name = "Pod"},
        {.id = KIND_SERVICE, .version = "v1", .name = "Service"},
        {.id = KIND_STATEFULSET, .version = "v1", .name = "StatefulSet"},
        {.id = KIND_NODE, .version = "v1", .name = "Node"}};
    if (size < 2)
        return 0;
    const uint8_t *split = memchr(data + 1, 0, size - 1);
    if (!split)
        return 0;
    struct err e = {0};
    cJSON *target = json_parse((const char *)data + 1, (size_t)(split - data - 1), &e);
    cJSON *patch = json_parse((const char *)split + 1, (size_t)(data + size - split - 1), &e);
    const struct kind *kind = &kinds[(data[0] / 3) % ARRAY_SIZE(kinds)];
    if (target && patch) {
        cJSON *before = cJSON_Duplicate(target, true);
        int rc = data[0] % 3 == 0   ? patch_json(&target, patch, &e)
                 : data[0] % 3 == 1 ? patch_merge(&target, patch, &e)
                                    : patch_strategic(kind, &target, patch, &e);
        CHECK(target);
        CHECK(rc == 0 || json_equal(target, before));
        cJSON_Delete(before);
        if (schema_check_types(kind, target, &e) == 0)
            schema_prune(kind, target, NULL, NULL);
        size_t len;
        char *text = json_print(target, &len);
        free(text);
    }
    cJSON_Delete(target);
    cJSON_Delete(patch);
    return 0;
}
