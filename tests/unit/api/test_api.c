/* Requests against the whole API on a memory store: verbs, lists, watches, variants, errors. */
#include "tests/unit/api/api_world.h"

#include <inttypes.h>

#include "controller/api/token.h"

#define CM         "/api/v1/namespaces/default/configmaps"
#define SET        "/apis/apps/v1/namespaces/default/statefulsets"
#define TABLE      "Accept: application/json;as=Table;v=v1;g=meta.k8s.io\n"
#define PARTIAL    "Accept: application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io\n"
#define MERGE      "Content-Type: application/merge-patch+json\n"
#define STRATEGIC  "Content-Type: application/strategic-merge-patch+json\n"
#define JSON_PATCH "Content-Type: application/json-patch+json\n"

static const char kubia[] =
    "{\"apiVersion\":\"apps/"
    "v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"kubia\"},\"spec\":{"
    "\"replicas\":3,\"serviceName\":\"kubia\",\"selector\":{\"matchLabels\":{\"app\":\"kubia\"}},"
    "\"template\":{"
    "\"metadata\":{\"labels\":{\"app\":\"kubia\"}},\"spec\":{\"containers\":[{\"name\":\"kubia\","
    "\"image\":"
    "\"luksa/kubia\"}]}}}}";

static void put_maps(struct api_world *w, int from, int to, const char *label)
{
    for (int i = from; i < to; i++) {
        char body[256];
        snprintf(
            body, sizeof body,
            "{\"metadata\":{\"name\":\"m-%03d\",\"labels\":{\"l\":\"%s\"}},\"data\":{\"k\":\"v\"}}",
            i, label);
        drop(w, 201, "POST " CM, NULL, body);
    }
}

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

/* ---- lists ---- */

static void pages_come_from_the_first_pages_snapshot(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 25, "x");
    cJSON *page = ask(&w, 200, "GET " CM "?limit=10", NULL, NULL);
    assert_string_equal(json_str(page, "kind", ""), "ConfigMapList");
    assert_int_equal(cJSON_GetArraySize(json_get(page, "items")), 10);
    int64_t remaining = 0;
    assert_true(json_int(json_get(page, "metadata"), "remainingItemCount", 15, 15, &remaining));
    char target[512], first[32];
    snprintf(first, sizeof first, "%s", meta_of(page, "resourceVersion"));
    snprintf(target, sizeof target, "GET " CM "?limit=10&continue=%s", meta_of(page, "continue"));
    cJSON_Delete(page);
    drop(&w, 200, "DELETE " CM "/m-012", NULL, NULL);
    put_maps(&w, 90, 91, "x");
    page = ask(&w, 200, target, NULL, NULL);
    assert_string_equal(meta_of(page, "resourceVersion"), first);
    assert_string_equal(meta_of(cJSON_GetArrayItem(json_get(page, "items"), 0), "name"), "m-010");
    assert_string_equal(meta_of(cJSON_GetArrayItem(json_get(page, "items"), 2), "name"), "m-012");
    assert_true(json_int(json_get(page, "metadata"), "remainingItemCount", 5, 5, &remaining));
    snprintf(target, sizeof target, "GET " CM "?limit=10&continue=%s", meta_of(page, "continue"));
    cJSON_Delete(page);
    page = ask(&w, 200, target, NULL, NULL);
    assert_int_equal(cJSON_GetArraySize(json_get(page, "items")), 5);
    assert_string_equal(meta_of(page, "continue"), "");
    cJSON_Delete(page);

    clock_fake_advance((int64_t)301 * 1000000); /* the snapshot is not kept for ever */
    cJSON *expired = ask(&w, 410, target, NULL, NULL);
    assert_string_equal(json_str(expired, "reason", ""), "Expired");
    snprintf(target, sizeof target, "GET " CM "?limit=10&continue=%s",
             meta_of(expired, "continue"));
    cJSON_Delete(expired);
    page = ask(&w, 200, target, NULL, NULL); /* inconsistent, but complete */
    assert_int_equal(cJSON_GetArraySize(json_get(page, "items")), 6);
    cJSON_Delete(page);
    drop(&w, 400, "GET " CM "?continue=zzz", NULL, NULL);
    char *other = list_token_new(0, "pods/default/a", -1);
    snprintf(target, sizeof target, "GET " CM "?continue=%s", other);
    drop(&w, 400, target, NULL, NULL);
    free(other);
    world_close(&w);
}

static void selectors_choose_and_unknown_fields_are_refused(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 3, "x");
    put_maps(&w, 3, 5, "y");
    static const struct {
        const char *target;
        int count;
    } cases[] = {{"GET " CM "?labelSelector=l%3Dx", 3},
                 {"GET " CM "?labelSelector=l+in+(x,y),l!%3Dy", 3},
                 {"GET " CM "?labelSelector=!l", 0},
                 {"GET " CM "?fieldSelector=metadata.name%3Dm-004", 1},
                 {"GET " CM "?fieldSelector=metadata.name!%3Dm-004&limit=500", 4},
                 {"GET /api/v1/configmaps?fieldSelector=metadata.namespace%3Ddefault", 5},
                 {"GET /api/v1/configmaps?fieldSelector=metadata.name%3Dm-001", 1}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cJSON *list = ask(&w, 200, cases[i].target, NULL, NULL);
        if (cJSON_GetArraySize(json_get(list, "items")) != cases[i].count)
            fail_msg("%s", cases[i].target);
        cJSON_Delete(list);
    }
    cJSON *page = ask(&w, 200, "GET " CM "?labelSelector=l%3Dx&limit=2", NULL, NULL);
    assert_null(json_at(page, "metadata", "remainingItemCount", NULL));
    assert_true(*meta_of(page, "continue"));
    cJSON_Delete(page);
    drop(&w, 400, "GET " CM "?labelSelector=%3D%3D", NULL, NULL);
    drop(&w, 400, "GET " CM "?fieldSelector=spec.x%3D1", NULL, NULL);
    world_close(&w);
}

static void resource_versions_of_reads_are_kept(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 2, "x");
    cJSON *list = ask(&w, 200, "GET " CM, NULL, NULL);
    uint64_t now = strtoull(meta_of(list, "resourceVersion"), NULL, 10);
    cJSON_Delete(list);
    char target[160];
    const struct {
        const char *format;
        uint64_t version;
        int status;
    } cases[] = {
        {"GET " CM "?resourceVersion=%" PRIu64, 0, 200},
        {"GET " CM "?resourceVersion=%" PRIu64, now, 200},
        {"GET " CM "?resourceVersion=%" PRIu64, now + 5, 504},
        {"GET " CM "?resourceVersion=%" PRIu64 "&resourceVersionMatch=Exact", now, 200},
        {"GET " CM "?resourceVersion=%" PRIu64 "&resourceVersionMatch=Exact", now - 1, 410},
        {"GET " CM "?resourceVersion=%" PRIu64 "&resourceVersionMatch=NotOlderThan", now - 1, 200},
        {"GET " CM "?resourceVersion=%" PRIu64 "&resourceVersionMatch=Exact", 0, 422},
        {"GET " CM "/m-000?resourceVersion=%" PRIu64, now + 5, 504},
        {"GET " CM "/m-000?resourceVersion=%" PRIu64, 0, 200}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(target, sizeof target, cases[i].format, cases[i].version);
#pragma GCC diagnostic pop
        cJSON *reply = ask(&w, cases[i].status, target, NULL, NULL);
        if (cases[i].status == 504) {
            const cJSON *cause = cJSON_GetArrayItem(json_at(reply, "details", "causes", NULL), 0);
            assert_string_equal(json_str(cause, "reason", ""), "ResourceVersionTooLarge");
            assert_string_equal(json_str(reply, "reason", ""), "Timeout");
        }
        cJSON_Delete(reply);
    }
    drop(&w, 422, "GET " CM "?resourceVersionMatch=Exact", NULL, NULL);
    world_close(&w);
}

static void a_long_list_is_pulled_in_pieces(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 24);
    char *text = xmalloc(9000);
    for (int i = 0; i < 120; i++) {
        int n = snprintf(text, 9000, "{\"metadata\":{\"name\":\"m-%03d\"},\"data\":{\"k\":\"", i);
        memset(text + n, 'x', 8000);
        snprintf(text + n + 8000, 9000 - (size_t)n - 8000, "\"}}");
        drop(&w, 201, "POST " CM, NULL, text);
    }
    free(text);
    struct call c;
    call_send(&c, &w, "GET " CM, NULL, NULL, 0);
    assert_int_equal(c.status, 200);
    assert_non_null(c.stream.pull);
    assert_int_equal(c.body.len, 0);
    drop(&w, 200, "DELETE " CM "/m-119", NULL, NULL); /* not in this list's snapshot */
    size_t pulls = 0;
    while (c.stream.pull) {
        struct buf_out piece;
        buf_out_init(&piece);
        enum http_pull pull = c.stream.pull(c.stream.arg, &piece);
        assert_true(piece.len < 512 * 1024);
        buf_put(&c.body, piece.data ? piece.data : "", piece.len);
        buf_out_fini(&piece);
        pulls++;
        if (pull == HTTP_PULL_END) {
            c.stream.closed(c.stream.arg);
            c.stream = (struct http_stream){0};
        }
    }
    assert_true(pulls > 5);
    cJSON *list = call_json(&c);
    assert_int_equal(cJSON_GetArraySize(json_get(list, "items")), 120);
    cJSON_Delete(list);
    call_end(&c);
    world_close(&w);
}

static void variants_are_served_as_asked(void **state) /* A3, section 9 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    drop(&w, 201, "POST " SET, NULL, kubia);
    struct call c;
    call_do(&c, &w, "GET " SET "?limit=500", TABLE, NULL);
    assert_string_equal(c.content_type, "application/json;as=Table;v=v1;g=meta.k8s.io");
    cJSON *table = call_json(&c);
    call_end(&c);
    assert_string_equal(json_str(table, "kind", ""), "Table");
    const cJSON *row = cJSON_GetArrayItem(json_get(table, "rows"), 0);
    assert_string_equal(cJSON_GetArrayItem(json_get(row, "cells"), 1)->valuestring, "0/3");
    assert_string_equal(json_str(json_get(row, "object"), "kind", ""), "PartialObjectMetadata");
    assert_string_equal(meta_of(json_get(row, "object"), "name"), "kubia");
    assert_true(*meta_of(json_get(row, "object"), "resourceVersion"));
    assert_true(*meta_of(table, "resourceVersion"));
    cJSON_Delete(table);
    table = ask(&w, 200, "GET " SET "/kubia?includeObject=Object", TABLE, NULL);
    row = cJSON_GetArrayItem(json_get(table, "rows"), 0);
    assert_string_equal(json_str(json_get(row, "object"), "kind", ""), "StatefulSet");
    cJSON_Delete(table);
    table = ask(&w, 200, "GET " SET "?includeObject=None", TABLE, NULL);
    assert_null(json_get(cJSON_GetArrayItem(json_get(table, "rows"), 0), "object"));
    cJSON_Delete(table);
    cJSON *partial = ask(&w, 200, "GET " SET "/kubia", PARTIAL, NULL);
    assert_string_equal(json_str(partial, "kind", ""), "PartialObjectMetadata");
    assert_null(json_get(partial, "spec"));
    assert_string_equal(meta_of(partial, "name"), "kubia");
    cJSON_Delete(partial);
    world_close(&w);
}

/* ---- watches ---- */

/* The lines so far: how many, and whether the last says so. */
static size_t lines_of(const struct call *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->body.len; i++)
        n += c->body.data[i] == '\n';
    return n;
}

static cJSON *line_at(const struct call *c, size_t n)
{
    const char *at = c->body.data;
    struct err e = {0};
    while (n--)
        at = strchr(at, '\n') + 1;
    cJSON *tree = json_parse(at, strcspn(at, "\n"), &e);
    if (!tree)
        fail_msg("%s", e.text);
    return tree;
}

static void expect_line(const struct call *c, size_t n, const char *type, const char *name)
{
    cJSON *event = line_at(c, n);
    assert_string_equal(json_str(event, "type", ""), type);
    if (name)
        assert_string_equal(meta_of(json_get(event, "object"), "name"), name);
    assert_true(*meta_of(json_get(event, "object"), "resourceVersion"));
    cJSON_Delete(event);
}

static void a_watch_tells_the_state_and_then_every_change(void **state) /* A33, A34 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 2, "x");
    struct call c;
    call_do(&c, &w, "GET " CM "?watch=true", NULL, NULL);
    assert_int_equal(c.status, 200);
    assert_int_equal(lines_of(&c), 2);
    expect_line(&c, 0, "ADDED", "m-000");
    expect_line(&c, 1, "ADDED", "m-001");
    put_maps(&w, 2, 3, "x");
    drop(&w, 200, "PATCH " CM "/m-000", MERGE, "{\"data\":{\"k\":\"w\"}}");
    cJSON *before = ask(&w, 200, "GET " CM "/m-001", NULL, NULL);
    drop(&w, 200, "DELETE " CM "/m-001", NULL, NULL);
    drop(&w, 201, "POST /api/v1/namespaces/kube-system/configmaps", NULL,
         "{\"metadata\":{\"name\":\"z\"}}");
    call_pull(&c);
    assert_int_equal(lines_of(&c), 5);
    expect_line(&c, 2, "ADDED", "m-002");
    expect_line(&c, 3, "MODIFIED", "m-000");
    expect_line(&c, 4, "DELETED", "m-001");
    cJSON *deleted = line_at(&c, 4); /* A17: with the deletion's version */
    assert_true(strtoull(meta_of(json_get(deleted, "object"), "resourceVersion"), NULL, 10) >
                strtoull(meta_of(before, "resourceVersion"), NULL, 10));
    cJSON_Delete(before);
    cJSON_Delete(deleted);
    assert_int_equal(watch_count(w.api), 1);
    call_end(&c);
    assert_int_equal(watch_count(w.api), 0);
    world_close(&w);
}

static void a_watch_from_a_version_has_no_gap_and_no_duplicate(void **state) /* A34 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 2, "x");
    cJSON *list = ask(&w, 200, "GET " CM, NULL, NULL);
    char target[160];
    snprintf(target, sizeof target, "GET " CM "?watch=1&resourceVersion=%s",
             meta_of(list, "resourceVersion"));
    cJSON_Delete(list);
    put_maps(&w, 2, 4, "x");
    struct call c;
    call_do(&c, &w, target, NULL, NULL);
    assert_int_equal(lines_of(&c), 2);
    expect_line(&c, 0, "ADDED", "m-002");
    expect_line(&c, 1, "ADDED", "m-003");
    put_maps(&w, 4, 5, "x");
    call_pull(&c);
    assert_int_equal(lines_of(&c), 3);
    call_end(&c);
    call_do(&c, &w, "GET " CM "?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Dm-001",
            NULL, NULL);
    assert_int_equal(lines_of(&c), 1);
    call_end(&c);
    call_do(&c, &w, "GET " CM "/m-001?watch=1", NULL, NULL);
    assert_int_equal(lines_of(&c), 1);
    call_end(&c);
    drop(&w, 504, "GET " CM "?watch=1&resourceVersion=99999", NULL, NULL);
    world_close(&w);
}

static void selector_transitions_are_additions_and_deletions(void **state) /* A35 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 1, "x");
    put_maps(&w, 1, 2, "y");
    struct call c;
    call_do(&c, &w, "GET " CM "?watch=true&labelSelector=l%3Dx", NULL, NULL);
    assert_int_equal(lines_of(&c), 1);
    drop(&w, 200, "PATCH " CM "/m-001", MERGE, "{\"metadata\":{\"labels\":{\"l\":\"x\"}}}");
    drop(&w, 200, "PATCH " CM "/m-001", MERGE, "{\"data\":{\"q\":\"1\"}}");
    drop(&w, 200, "PATCH " CM "/m-000", MERGE,
         "{\"metadata\":{\"labels\":{\"l\":\"y\"}},\"data\":{\"k\":\"new\"}}");
    drop(&w, 200, "PATCH " CM "/m-000", MERGE, "{\"data\":{\"q\":\"1\"}}");
    call_pull(&c);
    assert_int_equal(lines_of(&c), 4);
    expect_line(&c, 1, "ADDED", "m-001");
    expect_line(&c, 2, "MODIFIED", "m-001");
    expect_line(&c, 3, "DELETED", "m-000");
    cJSON *event = line_at(&c, 3);
    assert_string_equal(json_str(json_at(event, "object", "metadata", "labels", NULL), "l", ""),
                        "x");
    assert_string_equal(json_str(json_at(event, "object", "data", NULL), "k", ""), "v");
    cJSON_Delete(event);
    call_end(&c);
    world_close(&w);
}

static void initial_events_end_with_a_marked_bookmark(void **state) /* A37 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 2, "x");
    struct call c;
    call_do(&c, &w,
            "GET " CM "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&"
            "allowWatchBookmarks=true",
            NULL, NULL);
    assert_int_equal(lines_of(&c), 3);
    cJSON *mark = line_at(&c, 2);
    assert_string_equal(json_str(mark, "type", ""), "BOOKMARK");
    const cJSON *object = json_get(mark, "object");
    assert_string_equal(json_str(object, "kind", ""), "ConfigMap");
    assert_string_equal(
        json_str(json_at(object, "metadata", "annotations", NULL), "k8s.io/initial-events-end", ""),
        "true");
    assert_null(json_get(object, "data"));
    cJSON_Delete(mark);
    put_maps(&w, 2, 3, "x");
    call_pull(&c);
    expect_line(&c, 3, "ADDED", "m-002");
    call_end(&c);
    drop(&w, 422, "GET " CM "?watch=true&sendInitialEvents=true", NULL, NULL);
    world_close(&w);
}

static void bookmarks_come_each_minute_and_before_the_end(void **state) /* A36, A38 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    struct call c;
    call_do(&c, &w, "GET " CM "?watch=true&allowWatchBookmarks=true&timeoutSeconds=150", NULL,
            NULL);
    assert_int_equal(lines_of(&c), 0);
    for (int i = 0; i < 30 && !c.ended; i++) {
        clock_fake_advance(10000000);
        loop_step(w.loop);
        call_pull(&c);
    }
    assert_true(c.ended && !c.was_cut);
    size_t n = lines_of(&c);
    assert_in_range(n, 3, 4);
    for (size_t i = 0; i < n; i++)
        expect_line(&c, i, "BOOKMARK", NULL);
    call_end(&c);
    call_do(&c, &w, "GET " CM "?watch=true&timeoutSeconds=5", NULL, NULL);
    clock_fake_advance(6000000);
    loop_step(w.loop);
    call_pull(&c);
    assert_true(c.ended);
    assert_int_equal(lines_of(&c), 0);
    call_end(&c);
    world_close(&w);
}

static void
an_expired_version_is_told_as_an_error_event_and_a_slow_watcher_is_cut(void **state) /* A34, A39 */
{
    (void)state;
    struct api_world w = world_open(4096);
    struct call slow, c;
    call_do(&slow, &w, "GET " CM "?watch=true", NULL, NULL);
    put_maps(&w, 0, 200, "x");
    call_do(&c, &w, "GET " CM "?watch=true&resourceVersion=1", NULL, NULL);
    assert_int_equal(c.status, 200);
    assert_true(c.ended);
    cJSON *event = line_at(&c, 0);
    assert_string_equal(json_str(event, "type", ""), "ERROR");
    assert_string_equal(json_str(json_get(event, "object"), "reason", ""), "Expired");
    assert_int_equal(strncmp(json_str(json_get(event, "object"), "message", ""),
                             "too old resource version: 1 (", 29),
                     0);
    cJSON_Delete(event);
    call_end(&c);
    slow.waiting = false;
    call_pull(&slow);
    assert_true(slow.was_cut);
    call_end(&slow);
    world_close(&w);
}

static void a_watch_of_a_table_sends_tables_of_one_row(void **state) /* A33 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 2, "x");
    struct call c;
    call_do(&c, &w, "GET " CM "?watch=true&resourceVersion=0", TABLE, NULL);
    assert_int_equal(lines_of(&c), 2);
    for (size_t i = 0; i < 2; i++) {
        cJSON *event = line_at(&c, i);
        const cJSON *table = json_get(event, "object");
        assert_string_equal(json_str(table, "kind", ""), "Table");
        assert_int_equal(cJSON_GetArraySize(json_get(table, "rows")), 1);
        assert_int_equal(cJSON_GetArraySize(json_get(table, "columnDefinitions")), i == 0 ? 3 : 0);
        cJSON_Delete(event);
    }
    call_end(&c);
    call_do(&c, &w, "GET " CM "?watch=true&resourceVersion=0", PARTIAL, NULL);
    cJSON *event = line_at(&c, 0);
    assert_string_equal(json_str(json_get(event, "object"), "kind", ""), "PartialObjectMetadata");
    cJSON_Delete(event);
    call_end(&c);
    world_close(&w);
}

/* ---- the rest ---- */

static void reviews_answer_who_may_what(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    static const char path[] = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    cJSON *r =
        ask(&w, 201, path, NULL,
            "{\"spec\":{\"resourceAttributes\":{\"verb\":\"delete\",\"resource\":\"pods\"}}}");
    assert_true(json_bool(json_get(r, "status"), "allowed", false));
    cJSON_Delete(r);
    r = ask(&w, 201, path, NULL,
            "{\"spec\":{\"resourceAttributes\":{\"verb\":\"create\",\"group\":\"ordinald.dev\","
            "\"resource\":"
            "\"identities\"}}}");
    assert_false(json_bool(json_get(r, "status"), "allowed", true));
    cJSON_Delete(r);
    r = ask(&w, 201, "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews", NULL,
            "{\"spec\":{\"namespace\":\"default\"}}");
    assert_int_equal(cJSON_GetArraySize(json_at(r, "status", "resourceRules", NULL)), 1);
    cJSON_Delete(r);
    r = ask(&w, 201, "POST /apis/authentication.k8s.io/v1/selfsubjectreviews", NULL, "{}");
    assert_true(*json_str(json_at(r, "status", "userInfo", NULL), "username", ""));
    cJSON_Delete(r);
    drop(&w, 400, path, NULL, "{\"kind\":\"Pod\"}");
    drop(&w, 400, path, NULL, NULL);
    world_close(&w);
}

static void events_are_served_in_both_dresses(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    drop(&w, 201, "POST /apis/events.k8s.io/v1/namespaces/default/events", NULL,
         "{\"apiVersion\":\"events.k8s.io/"
         "v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"e\"},\"eventTime\":"
         "\"2026-01-01T00:00:00.000000Z\",\"reportingController\":\"me\",\"reportingInstance\":"
         "\"me-0\",\"action\":"
         "\"Did\",\"reason\":\"Done\",\"regarding\":{\"kind\":\"Pod\",\"namespace\":\"default\","
         "\"name\":\"p\"},\"note\":"
         "\"well\",\"type\":\"Normal\"}");
    cJSON *core = ask(&w, 200, "GET /api/v1/namespaces/default/events/e", NULL, NULL);
    assert_string_equal(json_str(core, "apiVersion", ""), "v1");
    assert_string_equal(json_str(core, "message", ""), "well");
    assert_string_equal(json_str(json_get(core, "involvedObject"), "name", ""), "p");
    cJSON_Delete(core);
    cJSON *v1 = ask(&w, 200, "PATCH /apis/events.k8s.io/v1/namespaces/default/events/e", MERGE,
                    "{\"note\":\"better\"}");
    assert_string_equal(json_str(v1, "apiVersion", ""), "events.k8s.io/v1");
    assert_string_equal(json_str(v1, "note", ""), "better");
    assert_null(json_get(v1, "message"));
    cJSON_Delete(v1);
    cJSON *list =
        ask(&w, 200, "GET /apis/events.k8s.io/v1/events?fieldSelector=involvedObject.name%3Dp",
            NULL, NULL);
    assert_string_equal(json_str(list, "kind", ""), "EventList");
    assert_string_equal(json_str(list, "apiVersion", ""), "events.k8s.io/v1");
    assert_string_equal(json_str(cJSON_GetArrayItem(json_get(list, "items"), 0), "note", ""),
                        "better");
    cJSON_Delete(list);
    world_close(&w);
}

static const char slice[] =
    "{\"metadata\":{\"name\":\"k-1\",\"labels\":{\"kubernetes.io/"
    "service-name\":\"k\"}},\"addressType\":\"IPv4\","
    "\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}],\"endpoints\":[{"
    "\"addresses\":[\"10.244.0.1\"],"
    "\"conditions\":{\"ready\":true},\"hostname\":\"k-0\",\"targetRef\":{\"kind\":\"Pod\",\"name\":"
    "\"k-0\",\"namespace\":"
    "\"default\"}},{\"addresses\":[\"10.244.0.2\"],\"conditions\":{\"ready\":false}}]}";

static void endpoints_mirror_the_slices(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    drop(&w, 201, "POST /api/v1/namespaces/default/services", NULL,
         "{\"metadata\":{\"name\":\"k\",\"labels\":{\"app\":\"k\"}},\"spec\":{\"clusterIP\":"
         "\"None\",\"ports\":[{\"port\":"
         "80,\"name\":\"http\"}]}}");
    drop(&w, 404, "GET /api/v1/namespaces/default/endpoints/k", NULL, NULL);
    struct call c;
    call_do(&c, &w, "GET /api/v1/endpoints?watch=true", NULL, NULL);
    assert_int_equal(lines_of(&c), 0);
    drop(&w, 201, "POST /apis/discovery.k8s.io/v1/namespaces/default/endpointslices", NULL, slice);
    cJSON *ep = ask(&w, 200, "GET /api/v1/namespaces/default/endpoints/k", NULL, NULL);
    const cJSON *subset = cJSON_GetArrayItem(json_get(ep, "subsets"), 0);
    assert_string_equal(json_str(cJSON_GetArrayItem(json_get(subset, "addresses"), 0), "ip", ""),
                        "10.244.0.1");
    assert_string_equal(
        json_str(cJSON_GetArrayItem(json_get(subset, "addresses"), 0), "hostname", ""), "k-0");
    assert_string_equal(
        json_str(cJSON_GetArrayItem(json_get(subset, "notReadyAddresses"), 0), "ip", ""),
        "10.244.0.2");
    assert_string_equal(json_str(cJSON_GetArrayItem(json_get(subset, "ports"), 0), "name", ""),
                        "http");
    char first[32], service[32];
    const char *const version = "resourceVersion";
    (void)snprintf(first, sizeof first, "%s", json_str(json_get(ep, "metadata"), version, ""));
    cJSON_Delete(ep);
    cJSON *of = ask(&w, 200, "GET /api/v1/namespaces/default/services/k", NULL, NULL);
    (void)snprintf(service, sizeof service, "%s", json_str(json_get(of, "metadata"), version, ""));
    cJSON_Delete(of);
    assert_true(strtoull(first, NULL, 10) > strtoull(service, NULL, 10));
    drop(&w, 200, "PATCH /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/k-1", MERGE,
         "{\"endpoints\":[{\"addresses\":[\"10.244.0.3\"]}]}");
    ep = ask(&w, 200, "GET /api/v1/namespaces/default/endpoints/k", NULL, NULL);
    assert_true(strtoull(json_str(json_get(ep, "metadata"), version, ""), NULL, 10) >
                strtoull(first, NULL, 10));
    cJSON_Delete(ep);
    cJSON *list = ask(&w, 200, "GET /api/v1/endpoints?labelSelector=app%3Dk", NULL, NULL);
    assert_string_equal(json_str(list, "kind", ""), "EndpointsList");
    assert_int_equal(cJSON_GetArraySize(json_get(list, "items")), 1);
    cJSON_Delete(list);
    call_pull(&c);
    drop(&w, 200, "DELETE /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/k-1", NULL,
         NULL);
    call_pull(&c);
    expect_line(&c, 0, "ADDED", "k");
    expect_line(&c, lines_of(&c) - 1, "DELETED", "k");
    call_end(&c);
    world_close(&w);
}

static void a_known_document_is_not_sent_again(void **state) /* A9 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    struct call c;
    char headers[128];
    call_do(&c, &w, "GET /apis", NULL, NULL);
    const char *etag = strstr(c.headers, "ETag: ");
    assert_non_null(etag);
    snprintf(headers, sizeof headers, "If-None-Match: %.*s\n", (int)strcspn(etag + 6, "\r"),
             etag + 6);
    call_end(&c);
    call_do(&c, &w, "GET /apis", headers, NULL);
    assert_int_equal(c.status, 304);
    assert_string_equal(c.content_type, "");
    assert_int_equal(c.body.len, 0);
    call_end(&c);
    call_do(&c, &w, "GET /readyz?verbose", NULL, NULL);
    assert_int_equal(c.status, 200);
    assert_string_equal(c.body.data, "ok");
    call_end(&c);
    world_close(&w);
}

/* A18: units that lose a race are run again, and at most five times. */
static int conflicts;
static enum store_mem_fault next_fault(void *arg)
{
    (void)arg;
    return conflicts-- > 0 ? STORE_MEM_CONFLICT : STORE_MEM_NONE;
}

static enum store_mem_fault full_disk(void *arg)
{
    (void)arg;
    return STORE_MEM_NO_SPACE;
}

static void a_lost_race_is_run_again(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 1, "x");
    store_mem_set_fault(w.store, next_fault, NULL);
    conflicts = 3;
    drop(&w, 200, "PATCH " CM "/m-000", MERGE, "{\"data\":{\"k\":\"w\"}}");
    conflicts = 50;
    cJSON *lost = ask(&w, 409, "PATCH " CM "/m-000", MERGE, "{\"data\":{\"k\":\"z\"}}");
    assert_string_equal(json_str(lost, "reason", ""), "Conflict");
    cJSON_Delete(lost);
    store_mem_set_fault(w.store, full_disk, NULL);
    cJSON *full = ask(&w, 503, "PATCH " CM "/m-000", MERGE, "{\"data\":{\"k\":\"z\"}}");
    assert_string_equal(json_str(full, "reason", ""), "ServiceUnavailable");
    cJSON_Delete(full);
    world_close(&w);
}

static uint64_t dns_revision;
static bool dns_has(void *arg, uint64_t revision)
{
    (void)arg;
    return dns_revision >= revision;
}

static void a_write_can_wait_for_dns(void **state) /* K-FRESH */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    w.api->dns_has = dns_has;
    struct call c;
    static const char body[] = "{\"metadata\":{\"name\":\"a\"}}";
    dns_revision = 0;
    call_send(&c, &w, "POST " CM "?waitForDNS=true", NULL, body, sizeof body - 1);
    for (int i = 0; i < 20; i++) {
        clock_fake_advance(1000);
        loop_step(w.loop);
    }
    assert_int_equal(c.status, 0);
    dns_revision = UINT64_MAX;
    clock_fake_advance(1000);
    loop_step(w.loop);
    assert_int_equal(c.status, 201);
    call_end(&c);
    dns_revision = 0;
    call_send(&c, &w, "DELETE " CM "/a?waitForDNS=true", NULL, NULL, 0);
    for (int i = 0; i < 20 && !c.status; i++) {
        clock_fake_advance(1000000);
        loop_step(w.loop);
    }
    assert_int_equal(c.status, 504);
    call_end(&c);
    world_close(&w);
}

/* ---- a zone as text ---- */

struct lines {
    int next, count;
    bool is_done;
};

static bool next_line(void *arg, struct buf_out *out)
{
    struct lines *l = arg;
    buf_printf(out, "name-%06d.cluster.local. 5 IN A 10.0.0.1\n", l->next);
    return ++l->next < l->count;
}

static void lines_done(void *arg)
{
    ((struct lines *)arg)->is_done = true;
}

static int dump_lines(void *arg, const char *zone, struct api_text *out, struct err *e)
{
    if (strcmp(zone, "other") == 0)
        return err_set(e, ERR_NOT_FOUND, "no zone \"other\" is served here");
    *out = (struct api_text){.next = next_line, .done = lines_done, .arg = arg};
    return 0;
}

static void a_long_zone_goes_out_in_pieces(void **state)
{
    static const int counts[] = {1, 100, 30000}; /* the last one is longer than one reply may be */
    struct api_world w = world_open(1 << 20);
    struct call c;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        struct lines l = {.count = counts[i]};
        w.api->dump_zone = dump_lines;
        w.api->zone_arg = &l;
        call_send(&c, &w, "GET /ordinald/v1/zones", NULL, NULL, 0);
        assert_int_equal(c.status, 200);
        assert_int_equal(c.is_streaming, counts[i] > 10000);
        assert_int_equal(l.is_done, !c.is_streaming);
        assert_true(l.next < 10000); /* the rest only when the client has read this */
        call_pull(&c);
        assert_true(l.is_done && !c.was_cut);
        assert_int_equal(l.next, counts[i]);
        assert_int_equal(c.body.len, 43 * (size_t)counts[i]);
        call_end(&c);
    }
    struct lines left = {.count = 30000};
    w.api->zone_arg = &left;
    call_send(&c, &w, "GET /ordinald/v1/zones", NULL, NULL, 0);
    call_end(&c); /* the client leaves */
    assert_true(left.is_done);
    call_send(&c, &w, "GET /ordinald/v1/zones/other", NULL, NULL, 0);
    assert_int_equal(c.status, 404);
    call_end(&c);
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
        cmocka_unit_test(pages_come_from_the_first_pages_snapshot),
        cmocka_unit_test(selectors_choose_and_unknown_fields_are_refused),
        cmocka_unit_test(resource_versions_of_reads_are_kept),
        cmocka_unit_test(a_long_list_is_pulled_in_pieces),
        cmocka_unit_test(variants_are_served_as_asked),
        cmocka_unit_test(a_watch_tells_the_state_and_then_every_change),
        cmocka_unit_test(a_watch_from_a_version_has_no_gap_and_no_duplicate),
        cmocka_unit_test(selector_transitions_are_additions_and_deletions),
        cmocka_unit_test(initial_events_end_with_a_marked_bookmark),
        cmocka_unit_test(bookmarks_come_each_minute_and_before_the_end),
        cmocka_unit_test(an_expired_version_is_told_as_an_error_event_and_a_slow_watcher_is_cut),
        cmocka_unit_test(a_watch_of_a_table_sends_tables_of_one_row),
        cmocka_unit_test(reviews_answer_who_may_what),
        cmocka_unit_test(events_are_served_in_both_dresses),
        cmocka_unit_test(endpoints_mirror_the_slices),
        cmocka_unit_test(a_known_document_is_not_sent_again),
        cmocka_unit_test(a_lost_race_is_run_again),
        cmocka_unit_test(a_write_can_wait_for_dns),
        cmocka_unit_test(a_long_zone_goes_out_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
