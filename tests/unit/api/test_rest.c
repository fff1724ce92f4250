/* Verbs on one object or a collection: bodies, patches, doors, dry runs, validation. */
#include "tests/unit/api/api_world.h"

static void a_created_object_is_answered_as_it_was_stored(void **state) /* A15, A19, A25 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    cJSON *made =
        ask(&w, 201, "POST " CM, NULL, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}");
    assert_string_equal(json_str(made, "kind", ""), "ConfigMap");
    assert_string_equal(json_str(made, "apiVersion", ""), "v1");
    assert_int_equal(strlen(meta_of(made, "uid")), 36);
    assert_string_equal(meta_of(made, "creationTimestamp"), "2026-01-01T00:00:00Z");
    assert_true(strtoull(meta_of(made, "resourceVersion"), NULL, 10) > 0);
    cJSON *got = ask(&w, 200, "GET " CM "/a", NULL, NULL);
    assert_true(json_equal(made, got));
    cJSON_Delete(made);
    cJSON_Delete(got);
    cJSON *again = ask(&w, 409, "POST " CM, NULL, "{\"metadata\":{\"name\":\"a\"}}");
    assert_string_equal(json_str(again, "reason", ""), "AlreadyExists");
    assert_string_equal(json_str(again, "message", ""), "configmaps \"a\" already exists");
    cJSON_Delete(again);
    cJSON *missing = ask(&w, 404, "GET " SET "/x", NULL, NULL);
    assert_string_equal(json_str(missing, "message", ""), "statefulsets.apps \"x\" not found");
    assert_string_equal(json_str(json_get(missing, "details"), "group", ""), "apps");
    assert_string_equal(json_str(json_get(missing, "details"), "kind", ""), "statefulsets");
    assert_string_equal(json_str(json_get(missing, "details"), "name", ""), "x");
    cJSON_Delete(missing);
    drop(&w, 404, "POST /api/v1/namespaces/nope/configmaps", NULL,
         "{\"metadata\":{\"name\":\"a\"}}"); /* A23 */
    world_close(&w);
}

static void bodies_come_as_json_yaml_or_protobuf(void **state) /* A1, A2 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    drop(&w, 201, "POST " CM, "Content-Type: application/json; charset=utf-8\n",
         "{\"metadata\":{\"name\":\"a\"}}");
    drop(&w, 201, "POST " CM, "Content-Type: application/yaml\n",
         "metadata:\n  name: b\ndata: {k: v}\n");
    static const char pb[] = "k8s\0\x0a\x0f\x0a\x02v1\x12\x09"
                             "ConfigMap\x12\x05\x0a\x03\x0a\x01"
                             "c\x1a\0\"\0";
    struct call c;
    call_send(&c, &w, "POST " CM, "Content-Type: application/vnd.kubernetes.protobuf\n", pb,
              sizeof pb - 1);
    while (!c.status)
        loop_step(w.loop);
    assert_int_equal(c.status, 201);
    call_end(&c);
    drop(&w, 200, "GET " CM "/c", NULL, NULL);
    static const struct {
        const char *headers, *body;
        int status;
    } bad[] = {
        {"Content-Type: text/plain\n", "x", 415},
        {"Content-Type: application/x-www-form-urlencoded\n", "{}", 415},
        {"Content-Type: application/vnd.kubernetes.protobuf\n", "x", 400},
        {"Content-Type: application/yaml\n", "a: [", 400},
        {"Content-Type: application/yaml\n", "a: 1\n---\nb: 2\n", 400},
        {NULL, "{", 400},
        {NULL, "[]", 400},
        {NULL, "null", 400},
        {NULL, "", 400},
        {NULL, NULL, 400},
        {NULL, "{\"metadata\":{\"name\":\"z\"},\"metadata\":5}", 400},
        {NULL, "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"z\"}}", 400},
        {NULL, "{\"metadata\":{\"name\":\"z\",\"namespace\":\"other\"}}", 400},
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        drop(&w, bad[i].status, "POST " CM, bad[i].headers, bad[i].body);
    world_close(&w);
}

static void puts_and_patches_change_what_they_name(void **state) /* A17, A18, A26-A28 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    drop(&w, 201, "POST " CM, NULL, "{\"metadata\":{\"name\":\"a\"},\"data\":{\"k\":\"v\"}}");
    cJSON *now = ask(&w, 200, "PATCH " CM "/a?fieldManager=kubectl-patch", MERGE,
                     "{\"data\":{\"k\":null,\"n\":\"1\"}}");
    assert_null(json_at(now, "data", "k", NULL));
    assert_string_equal(json_str(json_get(now, "data"), "n", ""), "1");
    char version[32], target[128];
    snprintf(version, sizeof version, "%s", meta_of(now, "resourceVersion"));
    cJSON_Delete(now);
    now =
        ask(&w, 200, "PATCH " CM "/a", STRATEGIC, "{\"data\":{\"n\":\"1\"}}"); /* changes nothing */
    assert_string_equal(meta_of(now, "resourceVersion"), version);
    cJSON_Delete(now);
    now = ask(&w, 200, "PATCH " CM "/a", JSON_PATCH,
              "[{\"op\":\"test\",\"path\":\"/data/n\",\"value\":\"1\"},{\"op\":\"add\",\"path\":\"/"
              "data/o\","
              "\"value\":\"2\"}]");
    assert_string_not_equal(meta_of(now, "resourceVersion"), version);
    cJSON_Delete(now);
    drop(&w, 422, "PATCH " CM "/a", JSON_PATCH, "[{\"op\":\"remove\",\"path\":\"/data/zz\"}]");
    drop(&w, 400, "PATCH " CM "/a", JSON_PATCH, "{\"op\":\"remove\"}");
    drop(&w, 415, "PATCH " CM "/a", "Content-Type: application/apply-patch+yaml\n", "{}");
    drop(&w, 415, "PATCH " CM "/a", NULL, "{}");
    drop(&w, 404, "PATCH " CM "/b", MERGE, "{}");
    char body[256];
    snprintf(body, sizeof body,
             "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"%s\"},\"data\":{\"x\":\"y\"}}",
             version);
    cJSON *conflict = ask(&w, 409, "PUT " CM "/a", NULL, body);
    assert_string_equal(json_str(conflict, "reason", ""), "Conflict");
    assert_non_null(strstr(json_str(conflict, "message", ""),
                           "the object has been modified; please apply "
                           "your changes to the latest version"));
    cJSON_Delete(conflict);
    now = ask(&w, 200, "PUT " CM "/a", NULL,
              "{\"metadata\":{\"name\":\"a\"},\"data\":{\"x\":\"y\"}}");
    assert_null(json_at(now, "data", "n", NULL));
    cJSON_Delete(now);
    drop(&w, 400, "PUT " CM "/a", NULL, "{\"metadata\":{\"name\":\"b\"}}");
    (void)target;
    world_close(&w);
}

static void scale_and_status_are_doors_of_their_own(void **state) /* A25, A29, A1 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    drop(&w, 201, "POST " SET "?fieldValidation=Strict", NULL, kubia);
    cJSON *scale = ask(&w, 200, "GET " SET "/kubia/scale", NULL, NULL);
    assert_string_equal(json_str(scale, "kind", ""), "Scale");
    assert_string_equal(json_str(scale, "apiVersion", ""), "autoscaling/v1");
    assert_string_equal(json_str(json_get(scale, "status"), "selector", ""), "app=kubia");
    cJSON *set = ask(&w, 200, "GET " SET "/kubia", NULL, NULL);
    assert_string_equal(meta_of(scale, "resourceVersion"), meta_of(set, "resourceVersion"));
    cJSON_Delete(set);
    cJSON_Delete(scale);
    int64_t replicas = 0;
    scale = ask(&w, 200, "PATCH " SET "/kubia/scale", MERGE, "{\"spec\":{\"replicas\":5}}");
    assert_string_equal(json_str(scale, "kind", ""), "Scale");
    assert_true(json_int(json_get(scale, "spec"), "replicas", 5, 5, &replicas));
    json_set_int(json_obj(scale, "spec"), "replicas", 2);
    char *text = json_print(scale, NULL);
    cJSON_Delete(scale);
    scale = ask(&w, 200, "PUT " SET "/kubia/scale", NULL, text); /* kubectl sends no Content-Type */
    free(text);
    assert_true(json_int(json_get(scale, "spec"), "replicas", 2, 2, &replicas));
    cJSON_Delete(scale);
    set = ask(&w, 200, "PATCH " SET "/kubia/status", MERGE,
              "{\"spec\":{\"replicas\":9},\"status\":{\"replicas\":1}}");
    assert_true(json_int(json_get(set, "spec"), "replicas", 2, 2, &replicas));
    assert_true(json_int(json_get(set, "status"), "replicas", 1, 1, &replicas));
    cJSON_Delete(set);
    cJSON *table = ask(&w, 200, "GET " SET "/kubia/scale", TABLE, NULL);
    assert_string_equal(
        json_str(cJSON_GetArrayItem(json_get(table, "columnDefinitions"), 1), "name", ""),
        "Desired");
    cJSON_Delete(table);
    cJSON *kept = ask(&w, 200, "PATCH " SET "/kubia", MERGE, "{\"status\":{\"replicas\":99}}");
    const cJSON *after = json_at(kept, "status", "replicas", NULL);
    assert_true(!after || after->valuedouble < 99); /* the main door leaves the status alone */
    cJSON_Delete(kept);
    world_close(&w);
}

static void deletes_say_what_is_gone(void **state) /* A31 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    cJSON *made = ask(&w, 201, "POST " CM, NULL, "{\"metadata\":{\"name\":\"a\"}}");
    char body[256];
    snprintf(body, sizeof body, "{\"preconditions\":{\"uid\":\"%s\"}}",
             "00000000-0000-4000-8000-000000000000");
    drop(&w, 409, "DELETE " CM "/a", NULL, body);
    drop(&w, 422, "DELETE " CM "/a?propagationPolicy=Sideways", NULL, NULL);
    drop(&w, 200, "DELETE " CM "/a?dryRun=All", NULL, NULL);
    drop(&w, 200, "DELETE " CM "/a", NULL, "{\"dryRun\":[\"All\"]}");
    drop(&w, 400, "DELETE " CM "/a", NULL, "{\"dryRun\":[\"Some\"]}");
    cJSON *gone = ask(&w, 200, "DELETE " CM "/a", NULL, "{\"propagationPolicy\":\"Background\"}");
    assert_string_equal(json_str(gone, "kind", ""), "Status");
    assert_string_equal(json_str(gone, "status", ""), "Success");
    assert_string_equal(json_str(json_get(gone, "details"), "uid", ""), meta_of(made, "uid"));
    assert_string_equal(json_str(json_get(gone, "details"), "kind", ""), "configmaps");
    cJSON_Delete(gone);
    cJSON_Delete(made);
    drop(&w, 404, "DELETE " CM "/a", NULL, NULL);
    drop(&w, 201, "POST " CM, NULL,
         "{\"metadata\":{\"name\":\"f\",\"finalizers\":[\"x.example/y\"]}}");
    cJSON *pending = ask(&w, 200, "DELETE " CM "/f", NULL, NULL);
    assert_string_equal(json_str(pending, "kind", ""), "ConfigMap");
    assert_true(*meta_of(pending, "deletionTimestamp"));
    cJSON_Delete(pending);
    drop(&w, 200, "PATCH " CM "/f", MERGE, "{\"metadata\":{\"finalizers\":null}}"); /* A32 */
    drop(&w, 404, "GET " CM "/f", NULL, NULL);
    put_maps(&w, 0, 300, "x");
    put_maps(&w, 300, 305, "y");
    cJSON *list = ask(&w, 200, "DELETE " CM "?labelSelector=l%3Dx", NULL, NULL);
    assert_int_equal(cJSON_GetArraySize(json_get(list, "items")), 300);
    cJSON_Delete(list);
    list = ask(&w, 200, "GET " CM, NULL, NULL);
    assert_int_equal(cJSON_GetArraySize(json_get(list, "items")), 5);
    cJSON_Delete(list);
    world_close(&w);
}

/* R44: what ends many pods at once by force is taken for nobody's confirmation. */
static void a_collection_ends_terminating_pods_by_force(void **state)
{
    (void)state;
    static const char pods[] = "/api/v1/namespaces/default/pods";
    struct api_world w = world_open(1 << 20);
    char target[160];
    (void)snprintf(target, sizeof(target), "POST %s", pods);
    drop(&w, 201, target, NULL,
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":"
         "\"c\",\"image\":\"i\"}]}}");
    (void)snprintf(target, sizeof(target), "PATCH %s/p/status", pods);
    drop(&w, 200, target, MERGE, "{\"status\":{\"phase\":\"Running\",\"podIP\":\"10.244.0.9\"}}");
    (void)snprintf(target, sizeof(target), "DELETE %s/p", pods);
    drop(&w, 200, target, NULL, NULL);
    (void)snprintf(target, sizeof(target), "DELETE %s?gracePeriodSeconds=0", pods);
    drop(&w, 409, target, NULL, "{\"preconditions\":{\"uid\":\"of another\"}}");
    drop(&w, 409, target, NULL, "{\"preconditions\":{\"resourceVersion\":\"1\"}}");
    drop(&w, 200, target, NULL, NULL);
    (void)snprintf(target, sizeof(target), "GET %s/p", pods);
    drop(&w, 404, target, NULL, NULL);
    cJSON *identity =
        ask(&w, 200, "GET /apis/ordinald.dev/v1/namespaces/default/identities/p", NULL, NULL);
    assert_int_equal(cJSON_GetArraySize(json_get(identity, "fencedUIDs")), 1);
    cJSON_Delete(identity);
    world_close(&w);
}

static void a_dry_run_changes_nothing(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    uint64_t before = store_applied(w.store).revision;
    cJSON *made = ask(&w, 201, "POST " SET "?dryRun=All", NULL, kubia);
    assert_true(*meta_of(made, "uid"));
    assert_non_null(json_at(made, "spec", "updateStrategy", NULL)); /* defaults are filled in */
    assert_null(json_at(made, "metadata", "resourceVersion", NULL));
    cJSON_Delete(made);
    drop(&w, 404, "GET " SET "/kubia", NULL, NULL);
    drop(&w, 201, "POST " SET, NULL, kubia);
    cJSON *changed =
        ask(&w, 200, "PATCH " SET "/kubia?dryRun=All", MERGE, "{\"spec\":{\"replicas\":7}}");
    int64_t replicas;
    assert_true(json_int(json_get(changed, "spec"), "replicas", 7, 7, &replicas));
    cJSON *now = ask(&w, 200, "GET " SET "/kubia", NULL, NULL);
    assert_true(json_int(json_get(now, "spec"), "replicas", 3, 3, &replicas));
    assert_string_equal(meta_of(now, "resourceVersion"), meta_of(changed, "resourceVersion"));
    assert_true(store_applied(w.store).revision > before);
    cJSON_Delete(changed);
    cJSON_Delete(now);
    drop(&w, 400, "POST " SET "?dryRun=Maybe", NULL, kubia);
    world_close(&w);
}

static void unknown_fields_warn_or_are_refused(void **state) /* fieldValidation, A22 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    static const char odd[] = "{\"metadata\":{\"name\":\"a\"},\"dta\":{\"k\":\"v\"}}";
    cJSON *refused = ask(&w, 400, "POST " CM "?fieldValidation=Strict", NULL, odd);
    assert_non_null(
        strstr(json_str(refused, "message", ""), "strict decoding error: unknown field \"dta\""));
    cJSON_Delete(refused);
    struct call c;
    call_do(&c, &w, "POST " CM, NULL, odd);
    assert_int_equal(c.status, 201);
    assert_string_equal(c.headers, "Warning: 299 - \"unknown field \\\"dta\\\"\"\r\n");
    assert_null(strstr(c.body.data, "dta"));
    call_end(&c);
    call_do(&c, &w, "PUT " CM "/a?fieldValidation=Ignore", NULL, odd);
    assert_int_equal(c.status, 200);
    assert_string_equal(c.headers, "");
    call_end(&c);
    drop(&w, 422, "POST " CM "?fieldValidation=Loud", NULL, odd);
    cJSON *invalid =
        ask(&w, 422, "POST " SET, NULL, "{\"metadata\":{\"name\":\"kubia\"},\"spec\":{}}");
    assert_string_equal(json_str(invalid, "reason", ""), "Invalid");
    assert_string_equal(json_str(json_get(invalid, "details"), "kind", ""), "StatefulSet");
    assert_string_equal(json_str(json_get(invalid, "details"), "name", ""), "kubia");
    assert_non_null(cJSON_GetArrayItem(json_at(invalid, "details", "causes", NULL), 0));
    cJSON_Delete(invalid);
    /* kubectl prints the message of an Invalid only when it has no details. */
    cJSON *failed = ask(&w, 422, "PATCH " CM "/a", JSON_PATCH,
                        "[{\"op\":\"test\",\"path\":\"/kind\",\"value\":\"x\"}]");
    assert_string_equal(json_str(failed, "message", ""), "operation 0: test of \"/kind\" failed");
    assert_null(json_get(failed, "details"));
    cJSON_Delete(failed);
    drop(&w, 422, "POST " CM, NULL,
         "{\"metadata\":{\"name\":\"b\"},\"binaryData\":{\"x\":\"not base64\"}}");
    world_close(&w);
}

static void names_that_occur_twice_warn_or_are_refused(void **state) /* fieldValidation */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    static const char twice[] =
        "{\"metadata\":{\"name\":\"x\",\"name\":\"a\"},\"data\":{\"k\":\"1\"},"
        "\"data\":{\"k\":\"2\"},\"dta\":1}";
    cJSON *refused = ask(&w, 400, "POST " CM "?fieldValidation=Strict", NULL, twice);
    assert_string_equal(json_str(refused, "message", ""),
                        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict "
                        "decoding error: duplicate field \"data\", duplicate field "
                        "\"metadata.name\", unknown field \"dta\"");
    cJSON_Delete(refused);
    struct call c;
    call_do(&c, &w, "POST " CM, NULL, twice);
    assert_int_equal(c.status, 201);
    assert_string_equal(c.headers, "Warning: 299 - \"duplicate field \\\"data\\\"\"\r\n"
                                   "Warning: 299 - \"duplicate field \\\"metadata.name\\\"\"\r\n"
                                   "Warning: 299 - \"unknown field \\\"dta\\\"\"\r\n");
    call_end(&c);
    cJSON *got = ask(&w, 200, "GET " CM "/a", NULL, NULL); /* the last of each */
    assert_string_equal(json_str(json_get(got, "data"), "k", ""), "2");
    cJSON_Delete(got);
    call_do(&c, &w, "PUT " CM "/a?fieldValidation=Ignore", NULL, twice);
    assert_int_equal(c.status, 200);
    assert_string_equal(c.headers, "");
    call_end(&c);
    drop(&w, 400, "PATCH " CM "/a?fieldValidation=Strict", MERGE,
         "{\"data\":{\"k\":\"1\",\"k\":\"2\"}}");
    drop(&w, 201, "POST " SET, NULL, kubia);
    /* The subresources and reviews, too. */
    static const struct {
        const char *request, *headers, *body, *found;
    } rows[] = {
        {"PUT " SET "/kubia/scale", NULL, "{\"spec\":{\"replicas\":1,\"replicas\":2}}",
         "Scale in version \\\"v1\\\" cannot be handled as a Scale: strict decoding error: "
         "duplicate "
         "field \\\"spec.replicas\\\""},
        {"PUT " SET "/kubia/scale", NULL, "{\"spec\":{\"replica\":1}}",
         "strict decoding error: unknown field \\\"spec.replica\\\""},
        {"PATCH " SET "/kubia/scale", MERGE, "{\"spec\":{\"replicas\":4,\"x\":1}}",
         "unknown field \\\"spec.x\\\""},
        {"POST /api/v1/namespaces/default/pods/p/binding", NULL,
         "{\"target\":{\"name\":\"n\",\"nam\":\"m\"}}", "unknown field \\\"target.nam\\\""},
        {"POST /api/v1/namespaces/default/pods/p/eviction", NULL, "{\"x\":1,\"x\":2}",
         "duplicate field \\\"x\\\", unknown field \\\"x\\\""},
        {"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", NULL,
         "{\"spec\":{\"resourceAttribute\":{}}}", "unknown field \\\"spec.resourceAttribute\\\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char request[160];
        (void)snprintf(request, sizeof request, "%s?fieldValidation=Strict", rows[i].request);
        call_do(&c, &w, request, rows[i].headers, rows[i].body);
        if (c.status != 400 || !strstr(c.body.data, rows[i].found))
            fail_msg("%s: %d %s", rows[i].request, c.status, c.body.data);
        call_end(&c);
    }
    call_do(&c, &w, "PATCH " SET "/kubia/scale", MERGE, "{\"spec\":{\"replicas\":4,\"x\":1}}");
    assert_int_equal(c.status, 200);
    assert_string_equal(c.headers, "Warning: 299 - \"unknown field \\\"spec.x\\\"\"\r\n");
    assert_non_null(strstr(c.body.data, "\"replicas\":4"));
    call_end(&c);
    world_close(&w);
}

/* What is said of query parameters names the options object that they are, as upstream does. */
static void bad_options_are_told_as_such(void **state) /* section 4, section 8 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    drop(&w, 201, "POST " CM, NULL, "{\"metadata\":{\"name\":\"a\"}}");
    static const struct {
        const char *request, *headers, *body, *kind, *message;
    } rows[] = {
        {"POST " CM "?fieldValidation=Loud", NULL, "{}", "CreateOptions",
         "CreateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"Loud\": "
         "supported values: \"Ignore\", \"Strict\", \"Warn\""},
        {"PUT " CM "/a?fieldManager=a%0Ab", NULL, "{}", "UpdateOptions",
         "UpdateOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"a b\": should "
         "only contain printable characters"},
        {"PATCH " CM "/a?force=true", MERGE, "{}", "PatchOptions",
         "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for "
         "non-apply patch"},
        {"DELETE " CM "/a?propagationPolicy=Up", NULL, NULL, "DeleteOptions",
         "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Up\": "
         "supported values: \"Background\", \"Foreground\", \"Orphan\", \"nil\""},
        {"GET " CM "?resourceVersionMatch=Exact", NULL, NULL, "ListOptions",
         "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
         "resourceVersionMatch is forbidden unless resourceVersion is provided"},
        {"GET " CM "?watch=1&sendInitialEvents=true", NULL, NULL, "ListOptions",
         "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
         "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cJSON *s = ask(&w, 422, rows[i].request, rows[i].headers, rows[i].body);
        assert_string_equal(json_str(s, "message", ""), rows[i].message);
        assert_string_equal(json_str(json_get(s, "details"), "group", ""), "meta.k8s.io");
        assert_string_equal(json_str(json_get(s, "details"), "kind", ""), rows[i].kind);
        assert_int_equal(cJSON_GetArraySize(json_at(s, "details", "causes", NULL)), 1);
        cJSON_Delete(s);
    }
    drop(&w, 415, "PATCH " CM "/a?force=true", "Content-Type: application/apply-patch+yaml\n",
         "{}"); /* what is wrong comes first */
    drop(&w, 200, "GET " CM "/a", NULL, NULL);
    world_close(&w);
}

static void identities_show_the_node_of_the_present_pod(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    drop(&w, 201, "POST /api/v1/namespaces/default/pods", NULL,
         "{\"metadata\":{\"name\":\"kubia-0\",\"ownerReferences\":[{\"apiVersion\":\"apps/v1\","
         "\"kind\":\"StatefulSet\",\"name\":\"kubia\",\"uid\":\"u\",\"controller\":true}]},"
         "\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}");
    drop(&w, 201, "POST /api/v1/namespaces/default/pods/kubia-0/binding", NULL,
         "{\"target\":{\"name\":\"n1\"}}");
    cJSON *table = ask(&w, 200, "GET /apis/ordinald.dev/v1/namespaces/default/identities",
                       "Accept: application/json;as=Table;v=v1;g=meta.k8s.io\n", NULL);
    const cJSON *row = cJSON_GetArrayItem(json_get(table, "rows"), 0);
    const cJSON *node = cJSON_GetArrayItem(json_get(row, "cells"), 2);
    assert_true(cJSON_IsString(node));
    assert_string_equal(node->valuestring, "n1");
    cJSON_Delete(table);
    world_close(&w);
}

static void methods_and_paths_that_do_not_go_together_are_405(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    static const struct {
        const char *request, *allow;
    } wrong[] = {{"POST " CM "/a", "GET, PUT, PATCH, DELETE"},
                 {"PUT " CM, "GET, POST, DELETE"},
                 {"PATCH " CM, "GET, POST, DELETE"},
                 {"DELETE /api/v1/namespaces/default/pods/a/status", "GET, PUT, PATCH"},
                 {"POST /version", "GET"},
                 {"DELETE /api", "GET"},
                 {"GET /api/v1/namespaces/default/bindings", "POST"},
                 {"GET /api/v1/namespaces/default/pods/a/binding", "POST"},
                 {"PUT /api/v1/namespaces/default/pods/a/eviction", "POST"},
                 {"POST /api/v1/namespaces/default/endpoints", "GET"},
                 {"DELETE /api/v1/namespaces/default/endpoints/x", "GET"},
                 {"POST /apis/ordinald.dev/v1/namespaces/default/identities", "GET"},
                 {"PUT /apis/ordinald.dev/v1/namespaces/default/identities/x", "GET"},
                 {"PATCH /api/v1/namespaces/x/finalize", "PUT"},
                 {"GET /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "POST"}};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct call c;
        char allow[64];
        (void)snprintf(allow, sizeof allow, "Allow: %s\r\n", wrong[i].allow);
        call_do(&c, &w, wrong[i].request, NULL, NULL);
        assert_int_equal(c.status, 405);
        assert_string_equal(c.headers, allow);
        assert_non_null(strstr(c.body.data, "\"reason\":\"MethodNotAllowed\""));
        call_end(&c);
    }
    drop(&w, 404, "GET /nope", NULL, NULL);
    drop(&w, 406, "GET " CM, "Accept: text/html\n", NULL);
    drop(&w, 501, "GET /api/v1/namespaces/default/pods/a/log?container=c", NULL, NULL);
    drop(&w, 501, "GET /api/v1/namespaces/default/pods/a/exec?command=x", NULL, NULL);
    drop(&w, 501, "POST /api/v1/namespaces/default/pods/a/portforward", NULL, NULL);
    world_close(&w);
}

/* `head`, `count` times `item`, `tail`: a request that is refused for the number alone. */
static void expect_too_many(struct api_world *w, const char *target, const char *head,
                            const char *item, size_t count, const char *tail)
{
    struct buf_out body;
    buf_out_init(&body);
    buf_puts(&body, head);
    for (size_t i = 0; i < count; i++)
        buf_printf(&body, "%s%s", i ? "," : "", item);
    buf_puts(&body, tail);
    cJSON *reply = ask(w, 422, target, NULL, body.data);
    if (!strstr(json_str(reply, "message", ""), "Too many: 2001: must have at most 2000 items"))
        fail_msg("%s", json_str(reply, "message", ""));
    assert_int_equal(cJSON_GetArraySize(json_at(reply, "details", "causes", NULL)), 1);
    cJSON_Delete(reply);
    buf_out_fini(&body);
}

#define PODS       "POST /api/v1/namespaces/default/pods"
#define POD_HEAD   "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":["
#define PORTS_HEAD POD_HEAD "{\"name\":\"c\",\"image\":\"i\",\"ports\":["

static void lists_that_are_compared_in_pairs_have_a_bound(void **state) /* section 12 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    expect_too_many(&w, PODS, POD_HEAD, "{\"name\":\"c\",\"image\":\"i\"}", 2001, "]}}");
    expect_too_many(&w, PODS, PORTS_HEAD, "{\"name\":\"a\",\"containerPort\":1}", 2001, "]}]}}");
    expect_too_many(&w, PODS, POD_HEAD "{\"name\":\"c\",\"image\":\"i\"}],\"volumes\":[",
                    "{\"name\":\"v\",\"emptyDir\":{}}", 2001, "]}}");
    expect_too_many(&w, "POST /api/v1/nodes",
                    "{\"metadata\":{\"name\":\"n\"},\"spec\":{\"taints\":[",
                    "{\"key\":\"k\",\"effect\":\"NoSchedule\"}", 2001, "]}}");
    world_close(&w);
}

static void a_merge_patch_is_an_object(void **state) /* A26 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 1, "x");
    drop(&w, 400, "PATCH " CM "/m-000", MERGE, "[]");
    drop(&w, 400, "PATCH " CM "/m-000", MERGE, "null");
    drop(&w, 400, "PATCH " CM "/m-000", STRATEGIC, "[]");
    drop(&w, 400, "PATCH " CM "/m-000", JSON_PATCH, "{}");
    drop(&w, 200, "PATCH " CM "/m-000", MERGE, "{}");
    world_close(&w);
}

static void expect_details(struct api_world *w, int status, const char *target, const char *type,
                           const char *body, const char *kind, const char *group, const char *name)
{
    cJSON *reply = ask(w, status, target, type, body);
    const cJSON *details = json_get(reply, "details");
    assert_string_equal(json_str(details, "kind", ""), kind);
    assert_string_equal(json_str(details, "group", ""), group);
    assert_string_equal(json_str(details, "name", ""), name);
    cJSON_Delete(reply);
}

/* Section 8: details name what the message is about, which may be something else than was asked
 * for. */
static void details_name_what_the_message_is_about(void **state) /* A23, A29, A31 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 1, "x");
    drop(&w, 201, "POST " SET, NULL, kubia);
    expect_details(&w, 404, "POST /api/v1/namespaces/none/configmaps", NULL,
                   "{\"metadata\":{\"name\":\"a\"}}", "namespaces", "", "none");
    expect_details(&w, 422, "PATCH " SET "/kubia/scale", MERGE, "{\"spec\":{\"replicas\":-1}}",
                   "Scale", "autoscaling", "kubia");
    expect_details(&w, 422, "DELETE " CM "/m-000", NULL, "{\"propagationPolicy\":\"x\"}",
                   "DeleteOptions", "meta.k8s.io", "");
    expect_details(&w, 422, "DELETE " CM "/m-000?propagationPolicy=x", NULL, NULL, "DeleteOptions",
                   "meta.k8s.io", "");
    expect_details(&w, 409, "POST " SET, NULL, kubia, "statefulsets", "apps", "kubia");
    expect_details(&w, 422, "POST " SET, NULL, "{\"metadata\":{\"name\":\"a\"}}", "StatefulSet",
                   "apps", "a");
    expect_details(&w, 404, "GET /apis/events.k8s.io/v1/namespaces/default/events/e", NULL, NULL,
                   "events", "events.k8s.io", "e");
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_created_object_is_answered_as_it_was_stored),
        cmocka_unit_test(bodies_come_as_json_yaml_or_protobuf),
        cmocka_unit_test(puts_and_patches_change_what_they_name),
        cmocka_unit_test(scale_and_status_are_doors_of_their_own),
        cmocka_unit_test(deletes_say_what_is_gone),
        cmocka_unit_test(a_dry_run_changes_nothing),
        cmocka_unit_test(a_collection_ends_terminating_pods_by_force),
        cmocka_unit_test(unknown_fields_warn_or_are_refused),
        cmocka_unit_test(names_that_occur_twice_warn_or_are_refused),
        cmocka_unit_test(bad_options_are_told_as_such),
        cmocka_unit_test(identities_show_the_node_of_the_present_pod),
        cmocka_unit_test(methods_and_paths_that_do_not_go_together_are_405),
        cmocka_unit_test(lists_that_are_compared_in_pairs_have_a_bound),
        cmocka_unit_test(a_merge_patch_is_an_object),
        cmocka_unit_test(details_name_what_the_message_is_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
