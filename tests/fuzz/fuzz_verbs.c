/* Objects from outside through the verbs: first byte picks the kind, then a body, NUL, a merge
 * patch, NUL, a status patch. Whatever comes, the verbs refuse it with a code or store it; nothing
 * crashes and what is stored reads back. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/random.h"
#include "controller/registry/patch.h"
#include "controller/registry/registry.h"
#include "tests/fuzz/fuzz.h"

static int merge(cJSON *tree, void *arg, struct err *e)
{
    cJSON *next = cJSON_Duplicate(tree, true);
    int rc = patch_merge(&next, arg, e);
    if (rc == 0)
        rc = verb_change_replace(tree, next, e);
    cJSON_Delete(next);
    return rc;
}

/* Takes the next part of the input as JSON, or NULL. */
static cJSON *take(const uint8_t **at, const uint8_t *end)
{
    const uint8_t *split = *at < end ? memchr(*at, 0, (size_t)(end - *at)) : NULL;
    const uint8_t *stop = split ? split : end;
    cJSON *tree = *at < stop ? json_parse((const char *)*at, (size_t)(stop - *at), NULL) : NULL;
    *at = split ? split + 1 : end;
    return tree;
}

static void change(struct verb *v, const struct verb_key *key, enum subresource sub, cJSON *patch)
{
    struct object *out = NULL;
    struct err e = {0};
    if (patch && verb_update(v, key, sub, merge, patch, &out, &e) < 0)
        CHECK(e.code < 0);
    object_unref(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ranges[] = {"10.96.0.0/24", "fd00::/120"};
    const struct store_opts store_opts = {
        .memory = true, .history_us = 1000000, .history_bytes = 1 << 20};
    const struct registry_opts opts = {
        .service_range = ranges, .service_range_count = 2, .default_class = "standard"};
    struct err e = {0};
    if (size < 2)
        return 0;
    const uint8_t *at = data + 1, *end = data + size;
    cJSON *body = take(&at, end), *patch = take(&at, end), *status = take(&at, end);
    struct loop *loop = loop_new_fake();
    struct store *store = NULL;
    struct registry *reg = NULL;
    random_seed(1);
    CHECK(store_open(&store_opts, loop, &store, &e) == 0 &&
          registry_new(store, &opts, &reg, &e) == 0);
    CHECK(registry_bootstrap(reg, &e) == 0);
    struct verb v = {.reg = reg, .unit = store_unit_new(store), .role = ROLE_ADMIN};
    const struct kind *kind = kind_get((enum kind_id)(data[0] % KIND_COUNT));
    struct object *out = NULL;
    if (body && verb_create(&v, kind->id, kind->namespaced ? "default" : "", body, &out, &e) == 0) {
        struct verb_key key = {kind->id, out->ns, out->name};
        struct delete_opts delete_opts = {0};
        struct object *gone_obj = NULL;
        bool gone;
        change(&v, &key, SUB_NONE, patch);
        change(&v, &key, SUB_STATUS, status);
        (void)verb_delete(&v, &key, &delete_opts, &gone_obj, &gone, &e);
        object_unref(gone_obj);
    }
    object_unref(out);
    store_unit_free(v.unit);
    cJSON_Delete(body);
    cJSON_Delete(patch);
    cJSON_Delete(status);
    registry_free(reg);
    store_close(store);
    loop_free(loop);
    random_seed(0);
    return 0;
}
