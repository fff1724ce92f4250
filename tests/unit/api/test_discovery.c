/* Discovery documents against the table of kinds, OpenAPI, and Status bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "controller/api/discovery.h"
#include "controller/api/status.h"

static cJSON *get(const char *path, const char *accept)
{
    struct arena arena;
    struct route r;
    struct document doc;
    struct err e = {0};
    arena_init(&arena);
    assert_true(route_parse(path, &arena, &r));
    assert_int_equal(discovery_find(&r, accept, &doc, &e), 0);
    assert_int_equal(doc.etag[0], '"');
    cJSON *tree = json_parse(doc.text, doc.len, &e);
    if (!tree)
        fail_msg("%s: %s", path, e.text);
    arena_fini(&arena);
    return tree;
}

static const cJSON *named(const cJSON *list, const char *member, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (strcmp(json_str(item, member, ""), name) == 0)
            return item;
    }
    return NULL;
}

static bool has(const cJSON *list, const char *word)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, word) == 0)
            return true;
    }
    return false;
}

/* A7, A8: every kind of the table is in the legacy list of its group with its names and verbs. */
static void every_kind_is_in_its_resource_list(void **state)
{
    (void)state;
    for (int id = 0; id < KIND_COUNT; id++) {
        const struct kind *k = kind_get((enum kind_id)id);
        char path[128], sub[128];
        snprintf(path, sizeof path, *k->group ? "/apis/%s/%s" : "/api%s/%s", k->group, k->version);
        cJSON *doc = get(path, NULL);
        assert_string_equal(json_str(doc, "kind", ""), "APIResourceList");
        assert_string_equal(json_str(doc, "groupVersion", ""), k->api_version);
        const cJSON *list = json_get(doc, "resources"), *r = named(list, "name", k->resource);
        assert_non_null(r);
        assert_string_equal(json_str(r, "kind", ""), k->name);
        assert_string_equal(json_str(r, "singularName", ""), k->singular);
        assert_int_equal(json_bool(r, "namespaced", !k->namespaced), k->namespaced);
        assert_int_equal(has(json_get(r, "categories"), "all"), k->in_all);
        assert_true(has(json_get(r, "verbs"), "watch"));
        assert_int_equal(has(json_get(r, "verbs"), "create"), !k->is_read_only);
        assert_int_equal(json_get(r, "shortNames") != NULL, *k->short_names != '\0');
        snprintf(sub, sizeof sub, "%s/status", k->resource);
        assert_int_equal(named(list, "name", sub) != NULL, k->has_status);
        snprintf(sub, sizeof sub, "%s/scale", k->resource);
        const cJSON *scale = named(list, "name", sub);
        assert_int_equal(scale != NULL, k->has_scale);
        if (scale)
            assert_string_equal(json_str(scale, "group", ""), "autoscaling");
        cJSON_Delete(doc);
    }
}

static void eviction_names_its_policy_group(void **state) /* A8: else drain deletes */
{
    (void)state;
    cJSON *doc = get("/api/v1", NULL);
    const cJSON *eviction = named(json_get(doc, "resources"), "name", "pods/eviction");
    assert_string_equal(json_str(eviction, "group", ""), "policy");
    assert_string_equal(json_str(eviction, "version", ""), "v1");
    assert_string_equal(json_str(eviction, "kind", ""), "Eviction");
    assert_non_null(named(json_get(doc, "resources"), "name", "bindings"));
    assert_non_null(named(json_get(doc, "resources"), "name", "endpoints"));
    cJSON_Delete(doc);
}

static void aggregated_and_legacy_discovery_agree(void **state) /* A6 */
{
    (void)state;
    static const char v2[] = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    cJSON *core = get("/api", v2), *apis = get("/apis", v2), *legacy = get("/apis", NULL);
    assert_string_equal(json_str(core, "apiVersion", ""), "apidiscovery.k8s.io/v2");
    assert_int_equal(cJSON_GetArraySize(json_get(core, "items")), 1);
    assert_int_equal(cJSON_GetArraySize(json_get(apis, "items")),
                     cJSON_GetArraySize(json_get(legacy, "groups")));
    assert_int_equal(cJSON_GetArraySize(json_get(apis, "items")), (int)api_group_count() - 1);
    size_t resources = 0;
    const cJSON *docs[] = {core, apis}, *group, *resource;
    for (size_t i = 0; i < 2; i++) {
        cJSON_ArrayForEach(group, json_get(docs[i], "items"))
        {
            const cJSON *version = cJSON_GetArrayItem(json_get(group, "versions"), 0);
            assert_string_equal(json_str(version, "freshness", ""), "Current");
            cJSON_ArrayForEach(resource, json_get(version, "resources"))
            {
                const char *name = json_str(json_get(group, "metadata"), "name", "");
                assert_non_null(resource_find(name, json_str(version, "version", ""),
                                              json_str(resource, "resource", "")));
                resources++;
            }
        }
    }
    assert_int_equal(resources, resource_count());
    cJSON_Delete(core);
    cJSON_Delete(apis);
    cJSON_Delete(legacy);
    legacy = get("/api", "application/json");
    assert_string_equal(json_str(legacy, "kind", ""), "APIVersions");
    cJSON_Delete(legacy);
}

/* A12: kubectl looks for a patch operation of the kind with fieldValidation and dryRun. */
static void openapi_v3_lets_kubectl_rely_on_the_server(void **state)
{
    (void)state;
    cJSON *index = get("/openapi/v3", NULL);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, json_get(index, "paths"))
        assert_non_null(strchr(json_str(entry, "serverRelativeURL", ""), '?'));
    assert_non_null(json_at(index, "paths", "api/v1", NULL));
    assert_non_null(json_at(index, "paths", "apis/apps/v1", NULL));
    cJSON_Delete(index);
    for (int id = 0; id < KIND_COUNT; id++) {
        const struct kind *k = kind_get((enum kind_id)id);
        if (k->is_read_only)
            continue;
        char path[128], key[256];
        snprintf(path, sizeof path, *k->group ? "/openapi/v3/apis/%s/%s" : "/openapi/v3/api%s/%s",
                 k->group, k->version);
        snprintf(key, sizeof key, "/%s%s/%s/%s%s/{name}", *k->group ? "apis/" : "api", k->group,
                 k->version, k->namespaced ? "namespaces/{namespace}/" : "", k->resource);
        cJSON *doc = get(path, NULL);
        const cJSON *patch = json_at(doc, "paths", key, "patch", NULL);
        assert_non_null(patch);
        const cJSON *gvk = json_get(patch, "x-kubernetes-group-version-kind");
        assert_string_equal(json_str(gvk, "kind", ""), k->name);
        assert_string_equal(json_str(gvk, "group", "-"), k->group);
        assert_non_null(named(json_get(patch, "parameters"), "name", "fieldValidation"));
        assert_non_null(named(json_get(patch, "parameters"), "name", "dryRun"));
        assert_non_null(json_at(doc, "components", "schemas", NULL));
        cJSON_Delete(doc);
    }
}

static void openapi_v2_is_the_empty_document(void **state) /* A13 */
{
    (void)state;
    static const unsigned char want[] = {0x0a, 0x03, 0x32, 0x2e, 0x30, 0x12, 0x0e, 0x0a,
                                         0x08, 0x6f, 0x72, 0x64, 0x69, 0x6e, 0x61, 0x6c,
                                         0x64, 0x12, 0x02, 0x76, 0x31, 0x42, 0x00};
    struct arena arena;
    struct route r;
    struct document doc;
    struct err e = {0};
    arena_init(&arena);
    assert_true(route_parse("/openapi/v2", &arena, &r));
    assert_int_equal(
        discovery_find(&r, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf", &doc, &e),
        0);
    assert_int_equal(doc.len, sizeof want);
    assert_memory_equal(doc.text, want, sizeof want);
    assert_string_equal(doc.content_type,
                        "application/com.github.proto-openapi.spec.v2.v1.0+protobuf");
    assert_int_equal(discovery_find(&r, "application/json", &doc, &e), ERR_NOT_ACCEPTABLE);
    arena_fini(&arena);
}

static void the_version_is_one_that_clients_know(void **state) /* A11 */
{
    (void)state;
    cJSON *doc = get("/version", NULL);
    assert_string_equal(json_str(doc, "major", ""), "1");
    assert_string_equal(json_str(doc, "minor", ""), "33");
    assert_int_equal(strncmp(json_str(doc, "gitVersion", ""), "v1.33.0+ordinald", 16), 0);
    cJSON_Delete(doc);
}

static void errors_have_their_code_and_reason(void **state) /* section 8 */
{
    (void)state;
    static const struct {
        enum err_code code;
        int status;
        const char *reason;
    } cases[] = {{ERR_MALFORMED, 400, "BadRequest"},
                 {ERR_NOT_FOUND, 404, "NotFound"},
                 {ERR_METHOD, 405, "MethodNotAllowed"},
                 {ERR_NOT_ACCEPTABLE, 406, "NotAcceptable"},
                 {ERR_EXISTS, 409, "AlreadyExists"},
                 {ERR_CONFLICT, 409, "Conflict"},
                 {ERR_GONE, 410, "Expired"},
                 {ERR_TOO_LARGE, 413, "RequestEntityTooLarge"},
                 {ERR_UNSUPPORTED, 415, "UnsupportedMediaType"},
                 {ERR_INVALID, 422, "Invalid"},
                 {ERR_TOO_MANY, 429, "TooManyRequests"},
                 {ERR_INTERNAL, 500, "InternalError"},
                 {ERR_IO, 500, "InternalError"},
                 {ERR_UNAVAILABLE, 503, "ServiceUnavailable"},
                 {ERR_NO_SPACE, 503, "ServiceUnavailable"},
                 {ERR_TIMEOUT, 504, "Timeout"},
                 {ERR_FORBIDDEN, 403, "Forbidden"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err e = {0};
        struct buf_out out;
        buf_out_init(&out);
        err_set(&e, cases[i].code, "because \"so\"");
        assert_int_equal(status_write_err(&out, &e, NULL), cases[i].status);
        cJSON *tree = json_parse(out.data, out.len, &e);
        assert_string_equal(json_str(tree, "kind", ""), "Status");
        assert_string_equal(json_str(tree, "status", ""), "Failure");
        assert_string_equal(json_str(tree, "message", ""), "because \"so\"");
        assert_string_equal(json_str(tree, "reason", ""), cases[i].reason);
        int64_t code = 0;
        assert_true(json_int(tree, "code", 0, 999, &code));
        assert_int_equal(code, cases[i].status);
        assert_null(json_get(tree, "details"));
        cJSON_Delete(tree);
        buf_out_fini(&out);
    }
}

static void details_name_the_object_and_the_fields(void **state)
{
    (void)state;
    const struct status_of of = {.group = "apps",
                                 .resource = "statefulsets",
                                 .kind_name = "StatefulSet",
                                 .name = "kubia",
                                 .uid = "u-1"};
    struct err e = {0};
    struct buf_out out;
    buf_out_init(&out);
    err_cause(&e, CAUSE_REQUIRED, "spec.selector", "Required value");
    err_set(&e, ERR_INVALID,
            "StatefulSet.apps \"kubia\" is invalid: spec.selector: Required value");
    e.retry_after_s = 1;
    status_write_err(&out, &e, &of);
    cJSON *tree = json_parse(out.data, out.len, &e);
    const cJSON *details = json_get(tree, "details");
    assert_string_equal(json_str(details, "name", ""), "kubia");
    assert_string_equal(json_str(details, "group", ""), "apps");
    assert_string_equal(json_str(details, "kind", ""), "StatefulSet");
    const cJSON *cause = cJSON_GetArrayItem(json_get(details, "causes"), 0);
    assert_string_equal(json_str(cause, "reason", ""), "FieldValueRequired");
    assert_string_equal(json_str(cause, "message", ""), "Required value");
    assert_string_equal(json_str(cause, "field", ""), "spec.selector");
    int64_t retry;
    assert_true(json_int(details, "retryAfterSeconds", 1, 1, &retry));
    cJSON_Delete(tree);
    out.len = 0;
    status_write_success(&out, &of);
    tree = json_parse(out.data, out.len, &e);
    assert_string_equal(json_str(tree, "status", ""), "Success");
    assert_string_equal(json_str(json_get(tree, "details"), "kind", ""), "statefulsets");
    assert_string_equal(json_str(json_get(tree, "details"), "uid", ""), "u-1");
    cJSON_Delete(tree);
    buf_out_fini(&out);
}

static int forget(void **state)
{
    (void)state;
    discovery_reset();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_is_in_its_resource_list),
        cmocka_unit_test(eviction_names_its_policy_group),
        cmocka_unit_test(aggregated_and_legacy_discovery_agree),
        cmocka_unit_test(openapi_v3_lets_kubectl_rely_on_the_server),
        cmocka_unit_test(openapi_v2_is_the_empty_document),
        cmocka_unit_test(the_version_is_one_that_clients_know),
        cmocka_unit_test(errors_have_their_code_and_reason),
        cmocka_unit_test(details_name_the_object_and_the_fields),
    };
    return cmocka_run_group_tests(tests, NULL, forget);
}
