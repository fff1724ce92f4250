/* Paths, verbs, media types, query parameters and continue tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "controller/api/accept.h"
#include "controller/api/query.h"
#include "controller/api/route.h"
#include "controller/api/token.h"

static void paths_lead_to_resources(void **state)
{
    (void)state;
    static const struct {
        const char *path, *resource, *ns, *name, *sub;
    } cases[] = {
        {"/api/v1/pods", "pods", "", NULL, NULL},
        {"/api/v1/pods/", "pods", "", NULL, NULL},
        {"/api/v1/namespaces", "namespaces", "", NULL, NULL},
        {"/api/v1/namespaces/default", "namespaces", "", "default", NULL},
        {"/api/v1/namespaces/default/status", "namespaces", "", "default", "status"},
        {"/api/v1/namespaces/default/finalize", "namespaces", "", "default", "finalize"},
        {"/api/v1/namespaces/default/pods", "pods", "default", NULL, NULL},
        {"/api/v1/namespaces/default/pods/a", "pods", "default", "a", NULL},
        {"/api/v1/namespaces/default/pods/a/status", "pods", "default", "a", "status"},
        {"/api/v1/namespaces/default/pods/a/binding", "pods", "default", "a", "binding"},
        {"/api/v1/namespaces/default/pods/a/eviction", "pods", "default", "a", "eviction"},
        {"/api/v1/namespaces/default/pods/a/log", "pods", "default", "a", "log"},
        {"/api/v1/namespaces/default/pods/a/exec", "pods", "default", "a", "exec"},
        {"/api/v1/namespaces/default/bindings", "bindings", "default", NULL, NULL},
        {"/api/v1/namespaces/default/endpoints/a", "endpoints", "default", "a", NULL},
        {"/api/v1/nodes/n%2D1", "nodes", "", "n-1", NULL},
        {"/api/v1/persistentvolumes/v/status", "persistentvolumes", "", "v", "status"},
        {"/apis/apps/v1/statefulsets", "statefulsets", "", NULL, NULL},
        {"/apis/apps/v1/namespaces/x/statefulsets/k/scale", "statefulsets", "x", "k", "scale"},
        {"/apis/apps/v1/namespaces/x/replicasets/k/scale", "replicasets", "x", "k", "scale"},
        {"/apis/ordinald.dev/v1/namespaces/x/identities/k-0", "identities", "x", "k-0", NULL},
        {"/apis/events.k8s.io/v1/namespaces/x/events", "events", "x", NULL, NULL},
        {"/apis/coordination.k8s.io/v1/namespaces/x/leases/l", "leases", "x", "l", NULL},
        {"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "selfsubjectaccessreviews", "",
         NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct route r;
        arena_init(&arena);
        if (!route_parse(cases[i].path, &arena, &r) || r.to != ROUTE_RESOURCE)
            fail_msg("%s", cases[i].path);
        assert_string_equal(r.resource->name, cases[i].resource);
        assert_string_equal(r.ns, cases[i].ns);
        assert_int_equal(r.name != NULL, cases[i].name != NULL);
        assert_int_equal(r.sub != NULL, cases[i].sub != NULL);
        if (r.name)
            assert_string_equal(r.name, cases[i].name);
        if (r.sub)
            assert_string_equal(r.sub, cases[i].sub);
        arena_fini(&arena);
    }
}

static void own_paths_are_no_resources(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum route_to to;
        const char *name;
    } cases[] = {{"/ordinald/v1/backup", ROUTE_BACKUP, NULL},
                 {"/ordinald/v1/addresses", ROUTE_ADDRESSES, NULL},
                 {"/ordinald/v1/explain", ROUTE_EXPLAIN, NULL},
                 {"/ordinald/v1/zones", ROUTE_ZONES, NULL},
                 {"/ordinald/v1/zones/cluster.local", ROUTE_ZONES, "cluster.local"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct route r;
        arena_init(&arena);
        assert_true(route_parse(cases[i].path, &arena, &r));
        assert_int_equal(r.to, cases[i].to);
        assert_int_equal(r.name != NULL, cases[i].name != NULL);
        if (r.name)
            assert_string_equal(r.name, cases[i].name);
        arena_fini(&arena);
    }
}

static void other_paths_do_not_exist(void **state) /* A14 */
{
    (void)state;
    static const char *const paths[] = {"",
                                        "x",
                                        "/nope",
                                        "/ordinald/v1",
                                        "/ordinald/v2/backup",
                                        "/ordinald/v1/backup/x",
                                        "/ordinald/v1/explain/x",
                                        "/ordinald/v1/zones/a/b",
                                        "/ordinald/v1/nope",
                                        "/api/v2",
                                        "/api/v1/nope",
                                        "/apis/nope",
                                        "/apis/apps/v2",
                                        "/apis/apps/v1/pods",
                                        "/api/v1/namespaces/default/resourcequotas",
                                        "/api/v1/namespaces/default/nodes",
                                        "/api/v1/namespaces/default/nodes/x",
                                        "/api/v1/pods/a",
                                        "/api/v1/pods/a/status",
                                        "/api/v1/namespaces/default/pods/a/nope",
                                        "/api/v1/namespaces/default/services/a/scale",
                                        "/api/v1//pods",
                                        "//api/v1/pods",
                                        "/api/v1/namespaces//pods",
                                        "/api/v1/nodes/%",
                                        "/api/v1/nodes/%zz",
                                        "/api/v1/nodes/a%00b",
                                        "/api/v1/nodes/a%2Fb",
                                        "/api/v1/nodes/..",
                                        "/api/v1/nodes/.",
                                        "/apis/apps/v1/namespaces/x/statefulsets/k/scale/x",
                                        "/a/b/c/d/e/f/g/h/i/j",
                                        "/openapi/v4",
                                        "/openapi/v3/api",
                                        "/openapi/v3/apis/apps",
                                        "/openapi/v3/apis/apps/v2",
                                        "/api/v1/namespaces/x/y/z"};
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct arena arena;
        struct route r;
        arena_init(&arena);
        if (route_parse(paths[i], &arena, &r))
            fail_msg("%s", paths[i]);
        arena_fini(&arena);
    }
}

static void documents_have_their_paths(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum route_to to;
    } cases[] = {{"/", ROUTE_ROOT},
                 {"/api", ROUTE_API},
                 {"/apis", ROUTE_APIS},
                 {"/api/v1", ROUTE_GROUP_VERSION},
                 {"/apis/apps", ROUTE_GROUP},
                 {"/apis/apps/v1", ROUTE_GROUP_VERSION},
                 {"/version", ROUTE_VERSION},
                 {"/healthz", ROUTE_HEALTH},
                 {"/livez", ROUTE_HEALTH},
                 {"/readyz", ROUTE_HEALTH},
                 {"/openapi/v2", ROUTE_OPENAPI_V2},
                 {"/swagger-2.0.0.pb-v1", ROUTE_OPENAPI_V2},
                 {"/openapi/v3", ROUTE_OPENAPI_V3},
                 {"/openapi/v3/api/v1", ROUTE_OPENAPI_GROUP},
                 {"/openapi/v3/apis/apps/v1", ROUTE_OPENAPI_GROUP}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct route r;
        arena_init(&arena);
        if (!route_parse(cases[i].path, &arena, &r) || r.to != cases[i].to)
            fail_msg("%s", cases[i].path);
        arena_fini(&arena);
    }
}

static void methods_become_verbs(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum http_method method;
        bool watch;
        enum route_verb verb;
    } cases[] = {
        {"/api/v1/pods", HTTP_GET, false, VERB_LIST},
        {"/api/v1/pods", HTTP_HEAD, false, VERB_LIST},
        {"/api/v1/pods", HTTP_GET, true, VERB_WATCH},
        {"/api/v1/namespaces/x/pods/a", HTTP_GET, false, VERB_GET},
        {"/api/v1/namespaces/x/pods/a", HTTP_GET, true, VERB_WATCH},
        {"/api/v1/namespaces/x/pods/a/status", HTTP_GET, false, VERB_GET},
        {"/api/v1/namespaces/x/pods", HTTP_POST, false, VERB_CREATE},
        {"/api/v1/namespaces/x/pods/a", HTTP_POST, false, VERB_NONE},
        {"/api/v1/namespaces/x/pods/a/binding", HTTP_POST, false, VERB_CREATE},
        {"/api/v1/namespaces/x/pods", HTTP_PUT, false, VERB_NONE},
        {"/api/v1/namespaces/x/pods", HTTP_PATCH, false, VERB_NONE},
        {"/api/v1/namespaces/x/pods/a", HTTP_PUT, false, VERB_UPDATE},
        {"/api/v1/namespaces/x/pods/a/status", HTTP_PATCH, false, VERB_PATCH},
        {"/api/v1/namespaces/x/pods/a", HTTP_DELETE, false, VERB_DELETE},
        {"/api/v1/namespaces/x/pods/a/status", HTTP_DELETE, false, VERB_NONE},
        {"/api/v1/namespaces/x/pods", HTTP_DELETE, false, VERB_DELETE_COLLECTION},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct route r;
        arena_init(&arena);
        assert_true(route_parse(cases[i].path, &arena, &r));
        assert_int_equal(route_verb(&r, cases[i].method, cases[i].watch), cases[i].verb);
        arena_fini(&arena);
    }
}

#define TABLE_TYPE   "application/json;as=Table;v=v1;g=meta.k8s.io"
#define PARTIAL_TYPE "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

static void the_first_servable_media_type_wins(void **state) /* A3, A6 */
{
    (void)state;
    const unsigned objects = ACCEPT_JSON | ACCEPT_TABLE | ACCEPT_PARTIAL;
    const unsigned roots = ACCEPT_JSON | ACCEPT_DISCOVERY_V2;
    static const char v2[] = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    static const char beta[] =
        "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
    char both[512], old[512];
    snprintf(both, sizeof both, "%s,%s,application/json", v2, beta);
    snprintf(old, sizeof old, "%s,application/json", beta);
    const struct {
        const char *accept;
        unsigned servable, want;
    } cases[] = {
        {NULL, objects, ACCEPT_JSON},
        {"", objects, ACCEPT_JSON},
        {"*/*", objects, ACCEPT_JSON},
        {"application/json", objects, ACCEPT_JSON},
        {"application/json;charset=utf-8", objects, ACCEPT_JSON},
        {"application/vnd.kubernetes.protobuf,application/json", objects, ACCEPT_JSON},
        {TABLE_TYPE "," PARTIAL_TYPE ",application/json", objects, ACCEPT_TABLE},
        {"application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", objects,
         ACCEPT_JSON},
        {PARTIAL_TYPE, objects, ACCEPT_PARTIAL},
        {"application/json ; as=PartialObjectMetadata ; g=meta.k8s.io ; v=v1", objects,
         ACCEPT_PARTIAL},
        {"application/json;q=0.5, " TABLE_TYPE ";q=0.9", objects, ACCEPT_TABLE},
        {"text/html, */*;q=0.1", objects, ACCEPT_JSON},
        {"application/vnd.kubernetes.protobuf", objects, 0},
        {"text/html", objects, 0},
        {"application/json;q=0", objects, 0},
        {both, roots, ACCEPT_DISCOVERY_V2},
        {old, roots, ACCEPT_JSON},
        {"application/com.github.proto-openapi.spec.v2@v1.0+protobuf", ACCEPT_OPENAPI_PB,
         ACCEPT_OPENAPI_PB},
        {"application/json", ACCEPT_OPENAPI_PB, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err e = {0};
        unsigned got = accept_choose(cases[i].accept, cases[i].servable, &e);
        if (got != cases[i].want)
            fail_msg("%s -> %u", cases[i].accept ? cases[i].accept : "(none)", got);
        assert_int_equal(e.code, got ? 0 : ERR_NOT_ACCEPTABLE);
    }
}

static void query_parameters_are_read(void **state)
{
    (void)state;
    struct arena arena;
    struct api_query q;
    struct err e = {0};
    arena_init(&arena);
    assert_int_equal(
        api_query_parse("labelSelector=a%3Db%2Cc+in+%28d%29&limit=500&watch=1&pretty=true&"
                        "resourceVersion=12&resourceVersionMatch=NotOlderThan&"
                        "sendInitialEvents=true&allowWatchBookmarks&timeoutSeconds=7&"
                        "dryRun=All&fieldManager=me&fieldValidation=Strict&limit=9&"
                        "gracePeriodSeconds=0&propagationPolicy=Orphan&"
                        "includeObject=Object&waitForDNS=true&timeout=32s",
                        &arena, &q, &e),
        0);
    assert_string_equal(q.labels, "a=b,c in (d)");
    assert_int_equal(q.limit, 500);
    assert_true(q.watch && q.has_version && q.has_initial && q.send_initial && q.bookmarks);
    assert_true(q.dry_run && q.wait_for_dns && q.del.has_grace);
    assert_int_equal(q.version, 12);
    assert_int_equal(q.match, MATCH_NOT_OLDER);
    assert_int_equal(q.timeout_s, 7);
    assert_int_equal(q.validation, VALIDATE_STRICT);
    assert_int_equal(q.del.propagation, PROPAGATE_ORPHAN);
    assert_int_equal(q.include, INCLUDE_OBJECT);
    assert_int_equal(
        api_query_parse("watch=false&resourceVersion=&sendInitialEvents=0", &arena, &q, &e), 0);
    assert_false(q.watch || q.has_version || q.send_initial || q.has_force);
    assert_true(q.has_initial);
    assert_int_equal(api_query_parse("gracePeriodSeconds=-1&force=false", &arena, &q, &e), 0);
    assert_true(q.del.has_grace && q.del.grace_s == -1 && q.has_force);
    arena_fini(&arena);
}

static void bad_query_parameters_are_refused(void **state)
{
    (void)state;
    char manager[200] = "fieldManager=";
    memset(manager + 13, 'm', 129);
    const struct {
        const char *query;
        enum err_code code;
    } cases[] = {
        {"limit=x", ERR_MALFORMED},
        {"timeoutSeconds=1s", ERR_MALFORMED},
        {"resourceVersion=-1", ERR_MALFORMED},
        {"resourceVersion=0x1", ERR_MALFORMED},
        {"resourceVersionMatch=Newest", ERR_INVALID},
        {"dryRun=Some", ERR_MALFORMED},
        {"dryRun=", ERR_MALFORMED},
        {"fieldValidation=strict", ERR_INVALID},
        {"propagationPolicy=Sideways", ERR_INVALID},
        {"gracePeriodSeconds=x", ERR_MALFORMED},
        {"gracePeriodSeconds=", ERR_MALFORMED},
        {"includeObject=All", ERR_MALFORMED},
        {"labelSelector=%", ERR_MALFORMED},
        {"fieldManager=a%0Ab", ERR_INVALID},
        {manager, ERR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct api_query q;
        struct err e = {0};
        arena_init(&arena);
        if (api_query_parse(cases[i].query, &arena, &q, &e) != (int)cases[i].code)
            fail_msg("%s", cases[i].query);
        assert_true(*e.text);
        arena_fini(&arena);
    }
}

static void version_match_rules_hold(void **state) /* section 4, A37 */
{
    (void)state;
    static const struct {
        const char *query;
        enum route_verb verb;
        int code;
    } cases[] = {
        {"resourceVersionMatch=Exact", VERB_LIST, ERR_INVALID},
        {"resourceVersionMatch=Exact&resourceVersion=0", VERB_LIST, ERR_INVALID},
        {"resourceVersionMatch=Exact&resourceVersion=5", VERB_LIST, 0},
        {"resourceVersionMatch=NotOlderThan&resourceVersion=0", VERB_LIST, 0},
        {"resourceVersionMatch=NotOlderThan&resourceVersion=5&continue=x", VERB_LIST, ERR_INVALID},
        {"resourceVersion=5&continue=x", VERB_LIST, ERR_MALFORMED},
        {"resourceVersion=0&continue=x", VERB_LIST, 0},
        {"sendInitialEvents=true", VERB_LIST, ERR_INVALID},
        {"sendInitialEvents=true", VERB_WATCH, ERR_INVALID},
        {"sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=5", VERB_WATCH,
         ERR_INVALID},
        {"sendInitialEvents=true&resourceVersionMatch=NotOlderThan", VERB_WATCH, 0},
        {"resourceVersionMatch=NotOlderThan&resourceVersion=5", VERB_WATCH, ERR_INVALID},
        {"resourceVersion=5", VERB_WATCH, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena arena;
        struct api_query q;
        struct err e = {0};
        arena_init(&arena);
        assert_int_equal(api_query_parse(cases[i].query, &arena, &q, &e), 0);
        if (api_query_check(&q, cases[i].verb, &e) != cases[i].code)
            fail_msg("%s", cases[i].query);
        arena_fini(&arena);
    }
}

static void continue_tokens_come_back(void **state)
{
    (void)state;
    struct list_token t;
    char *text = list_token_new(1234567890123, "pods/default/a-\"0\"", 42);
    assert_int_equal(
        strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
        strlen(text));
    assert_true(list_token_parse(text, &t));
    assert_int_equal(t.revision, 1234567890123);
    assert_string_equal(t.after, "pods/default/a-\"0\"");
    assert_int_equal(t.left, 42);
    free(text);
    static const char *const bad[] = {"",
                                      "x",
                                      "!!!!",
                                      "e30",
                                      "eyJydiI6IjEifQ",
                                      "bm90IGpzb24",
                                      "eyJydiI6Ii0xIiwic3RhcnQiOiJhIiwibGVmdCI6MX0"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(list_token_parse(bad[i], &t));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_lead_to_resources),
        cmocka_unit_test(own_paths_are_no_resources),
        cmocka_unit_test(other_paths_do_not_exist),
        cmocka_unit_test(documents_have_their_paths),
        cmocka_unit_test(methods_become_verbs),
        cmocka_unit_test(the_first_servable_media_type_wins),
        cmocka_unit_test(query_parameters_are_read),
        cmocka_unit_test(bad_query_parameters_are_refused),
        cmocka_unit_test(version_match_rules_hold),
        cmocka_unit_test(continue_tokens_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
