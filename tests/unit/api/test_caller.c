/* Roles of client certificates, and what they may ask of the whole API (api.md section 12). */
#include "tests/unit/api/api_world.h"

#include "controller/api/caller.h"

#define POD    "/api/v1/namespaces/default/pods/p"
#define PODS   "/api/v1/namespaces/default/pods"
#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
#define MERGE  "Content-Type: application/merge-patch+json\n"

static const struct http_peer local = {.is_unix = true};

static struct http_peer certificate(const char *name, char *const *groups)
{
    struct http_peer peer = {.is_tls = true, .uid = UINT32_MAX, .name = name, .groups = groups};
    while (groups[peer.group_count])
        peer.group_count++;
    return peer;
}

static struct http_peer node_peer(const char *name)
{
    static char nodes[] = CALLER_NODES;
    static char *const groups[] = {nodes, NULL};
    return certificate(name, groups);
}

static struct http_peer reader_peer(void)
{
    static char readers[] = CALLER_READERS;
    static char *const groups[] = {readers, NULL};
    return certificate("rita", groups);
}

static struct http_peer nobody_peer(void)
{
    static char *const groups[] = {NULL};
    return certificate("x", groups);
}

static void the_subject_decides_the_role(void **state)
{
    (void)state;
    static char masters[] = "system:masters", nodes[] = "system:nodes",
                readers[] = "ordinald:readers", other[] = "system:mastersx";
    static const struct {
        const char *name;
        char *groups[4];
        enum role role;
        const char *node;
    } cases[] = {
        {"alice", {masters}, ROLE_ADMIN, NULL},
        {"alice", {other, readers, masters}, ROLE_ADMIN, NULL},
        {"system:node:n1", {nodes}, ROLE_NODE, "n1"},
        {"system:node:n1.example.org", {readers, nodes}, ROLE_NODE, "n1.example.org"},
        {"system:node:", {nodes}, ROLE_NOBODY, NULL},
        {"system:node:N1", {nodes}, ROLE_NOBODY, NULL},
        {"system:node:n1/x", {nodes}, ROLE_NOBODY, NULL},
        {"system:node:-n1", {nodes}, ROLE_NOBODY, NULL},
        {"n1", {nodes}, ROLE_NOBODY, NULL},
        {"n1", {nodes, readers}, ROLE_READER, NULL},
        {"system:node:n1", {NULL}, ROLE_NOBODY, NULL},
        {"system:masters", {other}, ROLE_NOBODY, NULL},
        {"rita", {readers}, ROLE_READER, NULL},
        {"x", {NULL}, ROLE_NOBODY, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_peer peer = certificate(cases[i].name, cases[i].groups);
        struct access_who who;
        caller_of(&peer, &who);
        if (who.role != cases[i].role)
            fail_msg("case %zu: role %d", i, who.role);
        if (cases[i].node)
            assert_string_equal(who.node, cases[i].node);
        else
            assert_null(who.node);
    }
    struct access_who who;
    caller_of(&local, &who);
    assert_int_equal(who.role, ROLE_ADMIN);
}

static void expect(struct api_world *w, int status, const char *target, const char *body,
                   const char *message)
{
    cJSON *reply = ask(w, status, target, strncmp(target, "PATCH", 5) == 0 ? MERGE : NULL, body);
    const char *text = json_str(reply, "message", "");
    if (message && strcmp(text, message) != 0)
        fail_msg("%s: %s", target, text);
    if (status == 403)
        assert_string_equal(json_str(reply, "reason", ""), "Forbidden");
    cJSON_Delete(reply);
}

/* A pod p of uid *uid, bound to n1. */
static struct api_world bound_world(char uid[64])
{
    struct api_world w = world_open(1 << 20);
    w.peer = local;
    drop(&w, 201, "POST /api/v1/nodes", NULL, "{\"metadata\":{\"name\":\"n1\"}}");
    drop(&w, 201, "POST /api/v1/nodes", NULL, "{\"metadata\":{\"name\":\"n2\"}}");
    drop(&w, 201, "POST " PODS, NULL,
         "{\"metadata\":{\"name\":\"p\",\"labels\":{\"app\":\"a\"}},\"spec\":{\"containers\":[{"
         "\"name\":\"c\",\"image\":\"i\"}]}}");
    drop(&w, 201, "POST " POD "/binding", NULL, "{\"target\":{\"kind\":\"Node\",\"name\":\"n1\"}}");
    cJSON *pod = ask(&w, 200, "GET " POD, NULL, NULL);
    snprintf(uid, 64, "%s", meta_of(pod, "uid"));
    cJSON_Delete(pod);
    return w;
}

static void a_certificate_without_a_role_gets_kubectls_words(void **state)
{
    (void)state;
    char uid[64];
    struct api_world w = bound_world(uid);
    w.peer = nobody_peer();
    expect(&w, 403, "GET " PODS, NULL,
           "pods is forbidden: User \"x\" cannot list resource \"pods\" in API group \"\" in the "
           "namespace \"default\"");
    expect(&w, 403, "GET " PODS "?watch=true", NULL,
           "pods is forbidden: User \"x\" cannot watch resource \"pods\" in API group \"\" in the "
           "namespace \"default\"");
    expect(&w, 403, "GET /api/v1/pods", NULL,
           "pods is forbidden: User \"x\" cannot list resource \"pods\" in API group \"\" at the "
           "cluster scope");
    expect(&w, 403, "DELETE /apis/apps/v1/namespaces/default/statefulsets/s", NULL,
           "statefulsets.apps \"s\" is forbidden: User \"x\" cannot delete resource "
           "\"statefulsets\" in API group \"apps\" in the namespace \"default\"");
    expect(&w, 403, "PATCH " POD "/status", "{}",
           "pods \"p\" is forbidden: User \"x\" cannot patch resource \"pods/status\" in API group "
           "\"\" in the namespace \"default\"");
    expect(&w, 403, "GET /ordinald/v1/zones", NULL,
           "forbidden: User \"x\" cannot get path \"/ordinald/v1/zones\"");
    expect(&w, 403, "POST /ordinald/v1/backup", "{\"directory\":\"/tmp/x\"}", NULL);
    /* What is not there is not told apart from what is. */
    expect(&w, 403, "GET /api/v1/namespaces/default/pods/none", NULL, NULL);
    expect(&w, 403, "GET " POD "/log", NULL, NULL);
    drop(&w, 200, "GET /api", NULL, NULL);
    drop(&w, 200, "GET /version", NULL, NULL);
    world_close(&w);
}

static void a_reader_reads_everything_and_writes_nothing(void **state)
{
    (void)state;
    char uid[64];
    struct api_world w = bound_world(uid);
    w.peer = reader_peer();
    drop(&w, 200, "GET " PODS, NULL, NULL);
    drop(&w, 200, "GET " POD "/status", NULL, NULL);
    drop(&w, 200, "GET /apis/ordinald.dev/v1/identities", NULL, NULL);
    static const struct {
        const char *target, *body;
    } writes[] = {
        {"POST " PODS, "{\"metadata\":{\"name\":\"q\"}}"},
        {"POST " PODS "?dryRun=All", "{\"metadata\":{\"name\":\"q\"}}"},
        {"PUT " POD, "{}"},
        {"PATCH " POD, "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"},
        {"PATCH " POD "/status?dryRun=All", "{\"status\":{\"phase\":\"Failed\"}}"},
        {"DELETE " POD, NULL},
        {"DELETE " PODS, NULL},
        {"DELETE " PODS "?dryRun=All", NULL},
        {"POST " POD "/eviction", "{}"},
        {"POST /api/v1/namespaces/default/bindings", "{\"metadata\":{\"name\":\"p\"}}"},
        {"PATCH /apis/apps/v1/namespaces/default/statefulsets/s/scale", "{}"},
        {"POST /apis/events.k8s.io/v1/namespaces/default/events", "{}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
        expect(&w, 403, writes[i].target, writes[i].body, NULL);
    cJSON *pod = ask(&w, 200, "GET " POD, NULL, NULL);
    assert_string_equal(meta_of(pod, "uid"), uid);
    assert_null(json_get(json_get(pod, "metadata"), "deletionTimestamp"));
    cJSON_Delete(pod);
    world_close(&w);
}

static void a_node_writes_what_is_its_own(void **state)
{
    (void)state;
    char uid[64], body[256];
    struct api_world w = bound_world(uid);
    w.peer = node_peer("system:node:n1");
    drop(&w, 200, "PATCH /api/v1/nodes/n1/status", MERGE, "{\"status\":{\"phase\":\"x\"}}");
    drop(&w, 200, "PATCH /api/v1/nodes/n1", MERGE, "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}");
    drop(&w, 201, "POST " LEASES, NULL, "{\"metadata\":{\"name\":\"n1\"}}");
    drop(&w, 200, "PATCH " LEASES "/n1", MERGE, "{\"spec\":{\"holderIdentity\":\"n1\"}}");
    drop(&w, 201, "POST /api/v1/namespaces/default/events", NULL,
         "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":"
         "\"default\",\"name\":\"p\"},\"reason\":\"Started\"}");
    drop(&w, 200, "PATCH " POD "/status", MERGE, "{\"status\":{\"phase\":\"Running\"}}");
    /* R42: its deletion is a confirmation, of one incarnation, at once. */
    expect(&w, 403, "DELETE " POD, NULL, NULL);
    expect(&w, 403, "DELETE " POD, "{\"gracePeriodSeconds\":0}", NULL);
    snprintf(body, sizeof body, "{\"gracePeriodSeconds\":5,\"preconditions\":{\"uid\":\"%s\"}}",
             uid);
    expect(&w, 403, "DELETE " POD, body, NULL);
    expect(&w, 409, "DELETE " POD, "{\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"x\"}}",
           NULL);
    snprintf(body, sizeof body, "{\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"%s\"}}",
             uid);
    drop(&w, 200, "DELETE " POD, NULL, body);
    drop(&w, 404, "GET " POD, NULL, NULL);
    drop(&w, 404, "DELETE " POD, NULL, body);
    world_close(&w);
}

static void a_node_writes_nothing_of_others(void **state)
{
    (void)state;
    char uid[64], confirm[256];
    struct api_world w = bound_world(uid);
    snprintf(confirm, sizeof confirm,
             "{\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"%s\"}}", uid);
    const struct {
        const char *target, *body;
    } writes[] = {
        {"PATCH " POD "/status", "{\"status\":{\"phase\":\"Failed\"}}"},
        {"PUT " POD "/status", "{\"status\":{\"phase\":\"Failed\"}}"},
        {"PATCH " POD "/status?dryRun=All", "{\"status\":{\"phase\":\"Failed\"}}"},
        {"PATCH " POD, "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}"},
        {"DELETE " POD, confirm},
        {"DELETE " POD "?dryRun=All", confirm},
        {"DELETE " PODS, confirm},
        {"DELETE " LEASES, NULL},
        {"POST " POD "/eviction", "{\"metadata\":{\"name\":\"p\"}}"},
        {"POST " POD "/binding", "{\"target\":{\"kind\":\"Node\",\"name\":\"n2\"}}"},
        {"POST /api/v1/namespaces/default/bindings",
         "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Node\",\"name\":\"n2\"}}"},
        {"POST " PODS, "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"nodeName\":\"n2\","
                       "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"},
        {"POST /api/v1/nodes", "{\"metadata\":{\"name\":\"n3\"}}"},
        {"POST /api/v1/nodes?dryRun=All", "{\"metadata\":{\"name\":\"n3\"}}"},
        {"POST /api/v1/nodes", "{\"metadata\":{\"generateName\":\"n2\"}}"},
        {"PATCH /api/v1/nodes/n1", "{\"spec\":{\"unschedulable\":true}}"},
        {"PATCH /api/v1/nodes/n1/status", "{\"status\":{\"phase\":\"x\"}}"},
        {"DELETE /api/v1/nodes/n2", NULL},
        {"POST " LEASES, "{\"metadata\":{\"name\":\"n1\"}}"},
        {"POST " LEASES, "{\"metadata\":{\"generateName\":\"n2\"}}"},
        {"POST /apis/coordination.k8s.io/v1/namespaces/default/leases",
         "{\"metadata\":{\"name\":\"n2\"}}"},
        {"POST /api/v1/namespaces/default/configmaps", "{\"metadata\":{\"name\":\"c\"}}"},
        {"PATCH /apis/apps/v1/namespaces/default/statefulsets/s/scale", "{}"},
    };
    w.peer = node_peer("system:node:n2");
    for (size_t i = 0; i < ARRAY_SIZE(writes); i++)
        expect(&w, 403, writes[i].target, writes[i].body, NULL);
    cJSON *pod = ask(&w, 200, "GET " POD, NULL, NULL);
    assert_string_equal(meta_of(pod, "uid"), uid);
    assert_string_equal(json_str(json_get(pod, "status"), "phase", ""), "Pending");
    cJSON_Delete(pod);
    /* Labels decide which Services a pod belongs to: not even its own node changes them. */
    w.peer = node_peer("system:node:n1");
    expect(&w, 403, "PATCH " POD "/status", "{\"metadata\":{\"labels\":{\"app\":\"b\"}}}", NULL);
    world_close(&w);
}

#define NODES "/api/v1/nodes"

static void a_node_does_not_steer_pods_to_itself(void **state) /* as NodeRestriction, R43 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    w.peer = node_peer("system:node:n1");
    expect(&w, 403, "POST " NODES,
           "{\"metadata\":{\"name\":\"n1\",\"labels\":{\"node-role.kubernetes.io/db\":\"\","
           "\"a.node-restriction.kubernetes.io/b\":\"\",\"a\":\"b\"}}}",
           "nodes \"n1\" is forbidden: is not allowed to set the following labels: "
           "a.node-restriction.kubernetes.io/b, node-role.kubernetes.io/db");
    expect(&w, 403, "POST " NODES, "{\"metadata\":{\"name\":\"n1\",\"finalizers\":[\"a.b/c\"]}}",
           "nodes \"n1\" is forbidden: node \"n1\" is not allowed to set finalizers");
    drop(&w, 201, "POST " NODES, NULL,
         "{\"metadata\":{\"name\":\"n1\",\"labels\":{\"kubernetes.io/hostname\":\"n1\",\"x/y\":"
         "\"z\",\"a.kubelet.kubernetes.io/b\":\"\"}},\"spec\":{\"taints\":[{\"key\":\"new\","
         "\"effect\":\"NoSchedule\"}]}}");
    static const struct {
        const char *target, *body, *message;
    } refused[] = {
        {"PATCH " NODES "/n1", "{\"spec\":{\"taints\":null}}",
         "nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify taints"},
        {"PATCH " NODES "/n1",
         "{\"metadata\":{\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","
         "\"name\":\"gone\",\"uid\":\"gone\"}]}}",
         "nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify ownerReferences"},
        {"PATCH " NODES "/n1/status", "{\"metadata\":{\"finalizers\":[\"a.b/c\"]}}",
         "nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify finalizers"},
        {"PATCH " NODES "/n1", "{\"metadata\":{\"labels\":{\"a.k8s.io/x\":\"y\"}}}",
         "nodes \"n1\" is forbidden: is not allowed to modify labels: a.k8s.io/x"},
        {"PATCH " NODES "/n1/status",
         "{\"metadata\":{\"labels\":{\"node-restriction.kubernetes.io/x\":\"y\"}}}", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        expect(&w, 403, refused[i].target, refused[i].body, refused[i].message);
    drop(&w, 200, "PATCH " NODES "/n1", MERGE,
         "{\"metadata\":{\"labels\":{\"x/y\":null,\"xkubernetes.io/a\":\"b\","
         "\"topology.kubernetes.io/zone\":\"a\",\"node.kubernetes.io/b\":\"c\"}}}");
    w.peer = local;
    drop(&w, 200, "PATCH " NODES "/n1", MERGE,
         "{\"metadata\":{\"labels\":{\"node-restriction.kubernetes.io/x\":\"y\"}},"
         "\"spec\":{\"taints\":null}}");
    w.peer = node_peer("system:node:n1");
    expect(&w, 403, "PATCH " NODES "/n1",
           "{\"metadata\":{\"labels\":{\"node-restriction.kubernetes.io/x\":null}}}", NULL);
    drop(&w, 200, "PATCH " NODES "/n1", MERGE, "{\"spec\":{\"unschedulable\":true}}");
    world_close(&w);
}

#define EVENTS "/api/v1/namespaces/default/events"
#define ABOUT  "\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"default\",\"name\":\"p\"}"

static void a_node_reports_events_in_its_own_name(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    w.peer = node_peer("system:node:n1");
    cJSON *e = ask(&w, 201, "POST " EVENTS, NULL, "{\"metadata\":{\"name\":\"a\"}," ABOUT "}");
    assert_string_equal(json_str(json_get(e, "source"), "host", ""), "n1");
    cJSON_Delete(e);
    drop(&w, 201, "POST " EVENTS, NULL,
         "{\"metadata\":{\"name\":\"b\"}," ABOUT ",\"reportingInstance\":\"n1\"}");
    expect(
        &w, 403, "POST " EVENTS,
        "{\"metadata\":{\"name\":\"c\"}," ABOUT ",\"source\":{\"host\":\"n2\"}}",
        "events \"c\" is forbidden: source.host or reportingInstance of a node's event is its own "
        "name");
    expect(&w, 403, "PATCH " EVENTS "/b", "{\"source\":{\"host\":\"n2\"}}", NULL);
    drop(&w, 200, "PATCH " EVENTS "/a", MERGE, "{\"count\":2}");
    w.peer = node_peer("system:node:n2");
    expect(&w, 403, "PATCH " EVENTS "/a", "{\"count\":3}",
           "events \"a\" is forbidden: a node may only change events that it reported");
    world_close(&w);
}

static bool can_i(struct api_world *w, const char *verb, const char *resource, const char *name)
{
    char body[256];
    snprintf(body, sizeof body,
             "{\"spec\":{\"resourceAttributes\":{\"namespace\":\"default\",\"verb\":\"%s\","
             "\"resource\":\"%s\",\"name\":\"%s\"}}}",
             verb, resource, name);
    cJSON *r =
        ask(w, 201, "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews", NULL, body);
    bool allowed = json_bool(json_get(r, "status"), "allowed", false);
    cJSON_Delete(r);
    return allowed;
}

static void reviews_say_what_requests_find(void **state)
{
    (void)state;
    char uid[64];
    struct api_world w = bound_world(uid);
    assert_true(can_i(&w, "*", "*", ""));
    w.peer = nobody_peer();
    assert_false(can_i(&w, "list", "pods", ""));
    w.peer = reader_peer();
    assert_true(can_i(&w, "list", "pods", ""));
    assert_false(can_i(&w, "create", "pods", ""));
    assert_false(can_i(&w, "*", "*", ""));
    w.peer = node_peer("system:node:n2");
    assert_true(can_i(&w, "delete", "pods", ""));
    assert_false(can_i(&w, "delete", "pods", "p"));
    assert_true(can_i(&w, "update", "nodes", "n2"));
    assert_false(can_i(&w, "update", "nodes", "n1"));
    assert_false(can_i(&w, "create", "pods", ""));
    cJSON *r = ask(&w, 201, "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews", NULL,
                   "{\"spec\":{\"namespace\":\"default\"}}");
    char *text = cJSON_PrintUnformatted(json_get(r, "status"));
    assert_non_null(strstr(text, "{\"verbs\":[\"patch\",\"update\"],\"apiGroups\":[\"\"],"
                                 "\"resources\":[\"nodes\"],\"resourceNames\":[\"n2\"]}"));
    assert_non_null(strstr(text, "\"resources\":[\"pods/status\"]"));
    assert_null(strstr(text, "statefulsets"));
    assert_null(strstr(text, "\"*\""));
    cJSON_free(text);
    cJSON_Delete(r);
    r = ask(&w, 201, "POST /apis/authentication.k8s.io/v1/selfsubjectreviews", NULL, "{}");
    const cJSON *user = json_at(r, "status", "userInfo", NULL);
    assert_string_equal(json_str(user, "username", ""), "system:node:n2");
    assert_int_equal(cJSON_GetArraySize(json_get(user, "groups")), 2);
    cJSON_Delete(r);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_subject_decides_the_role),
        cmocka_unit_test(a_certificate_without_a_role_gets_kubectls_words),
        cmocka_unit_test(a_reader_reads_everything_and_writes_nothing),
        cmocka_unit_test(a_node_writes_what_is_its_own),
        cmocka_unit_test(a_node_writes_nothing_of_others),
        cmocka_unit_test(a_node_does_not_steer_pods_to_itself),
        cmocka_unit_test(a_node_reports_events_in_its_own_name),
        cmocka_unit_test(reviews_say_what_requests_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
