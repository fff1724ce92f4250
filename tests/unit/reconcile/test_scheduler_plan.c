/* Placement and the scheduler's plan: taints and tolerations, selectors, affinity of volumes,
 * spreading (R44, R79, R88). */
#include "controller/reconcile/scheduler_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"

static cJSON *parse(const char *text)
{
    if (!text)
        return NULL;
    struct err e = {0};
    cJSON *tree = json_parse(text, strlen(text), &e);
    assert_non_null(tree);
    return tree;
}

#define LOST "{\"key\":\"node.kubernetes.io/unreachable\",\"effect\":\"NoExecute\"}"

static void taints_are_covered_as_upstream_covers_them(void **state)
{
    (void)state;
    static const struct {
        const char *taints, *tolerations;
        bool is_tolerated;
        int64_t stay_s; /* -1: for ever */
    } rows[] = {
        {"[]", "[]", true, -1},
        {"[" LOST "]", "[]", false, 0},
        {"[" LOST "]", "[{\"operator\":\"Exists\"}]", true, -1},
        {"[" LOST "]",
         "[{\"key\":\"node.kubernetes.io/"
         "unreachable\",\"operator\":\"Exists\",\"effect\":\"NoExecute\","
         "\"tolerationSeconds\":300}]",
         true, 300},
        {"[" LOST "]",
         "[{\"key\":\"node.kubernetes.io/"
         "unreachable\",\"operator\":\"Exists\",\"effect\":\"NoSchedule\"}]",
         false, 0},
        {"[" LOST "]",
         "[{\"operator\":\"Exists\",\"tolerationSeconds\":50},{\"operator\":\"Exists\","
         "\"tolerationSeconds\":20}]",
         true, 20},
        {"[" LOST "]", "[{\"operator\":\"Exists\",\"tolerationSeconds\":-5}]", true, 0},
        {"[{\"key\":\"a\",\"value\":\"b\",\"effect\":\"NoSchedule\"}]",
         "[{\"key\":\"a\",\"value\":\"b\"}]", true, -1},
        {"[{\"key\":\"a\",\"value\":\"b\",\"effect\":\"NoSchedule\"}]",
         "[{\"key\":\"a\",\"value\":\"c\"}]", false, -1},
        {"[{\"key\":\"a\",\"effect\":\"PreferNoSchedule\"}]", "[]", true, -1},
        {"[{\"key\":\"a\",\"effect\":\"NoExecute\"}," LOST "]",
         "[{\"key\":\"a\",\"operator\":\"Exists\"}]", false, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cJSON *taints = parse(rows[i].taints), *tolerations = parse(rows[i].tolerations);
        assert_int_equal(placement_untolerated(tolerations, taints) == NULL, rows[i].is_tolerated);
        int64_t want = rows[i].stay_s < 0 ? -1 : rows[i].stay_s * 1000000;
        assert_int_equal(placement_stay_us(tolerations, taints), want);
        cJSON_Delete(taints);
        cJSON_Delete(tolerations);
    }
}

static const struct label zone_a[] = {{"cpus", "8"}, {"zone", "a"}};

static void terms_match_labels_and_the_name(void **state)
{
    (void)state;
    static const struct {
        const char *terms;
        bool want;
    } rows[] = {
        {NULL, true},
        {"[]", false},
        {"[{}]", false},
        {"[{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"In\",\"values\":[\"a\",\"b\"]}]}"
         "]",
         true},
        {"[{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"NotIn\",\"values\":[\"a\"]}]}]",
         false},
        {"[{\"matchExpressions\":[{\"key\":\"rack\",\"operator\":\"NotIn\",\"values\":[\"a\"]}]}]",
         true},
        {"[{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"Exists\"}]}]", true},
        {"[{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"DoesNotExist\"}]}]", false},
        {"[{\"matchExpressions\":[{\"key\":\"cpus\",\"operator\":\"Gt\",\"values\":[\"4\"]}]}]",
         true},
        {"[{\"matchExpressions\":[{\"key\":\"cpus\",\"operator\":\"Lt\",\"values\":[\"8\"]}]}]",
         false},
        {"[{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"Gt\",\"values\":[\"4\"]}]}]",
         false},
        {"[{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"node1\"]}"
         "]}]",
         true},
        {"[{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"node2\"]}"
         "]}]",
         false},
        {"[{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"node2\"]}"
         "]},"
         "{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"Exists\"}]}]",
         true},
        {"[{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":\"Exists\"},{\"key\":\"rack\","
         "\"operator\":\"Exists\"}]}]",
         false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cJSON *terms = parse(rows[i].terms);
        assert_int_equal(placement_terms_match(terms, "node1", zone_a, ARRAY_SIZE(zone_a)),
                         rows[i].want);
        cJSON_Delete(terms);
    }
}

static struct place_node node_at(const char *name, size_t pods)
{
    return (struct place_node){.name = name,
                               .is_ready = true,
                               .pods = pods,
                               .cpu_milli = PLACE_UNLIMITED,
                               .memory_bytes = PLACE_UNLIMITED};
}

static const char *placed(const struct place_view *view)
{
    static struct place_plan plan; /* holds the reason that is returned */
    scheduler_plan(view, &plan);
    return plan.node ? plan.node->name : plan.reason;
}

static void pods_spread_and_avoid_the_node_they_came_from(void **state)
{
    (void)state;
    struct place_node nodes[] = {node_at("node1", 2), node_at("node2", 1), node_at("node3", 1)};
    struct place_view view = {.avoid = "", .nodes = nodes, .node_count = 3};
    assert_string_equal(placed(&view), "node2"); /* fewest, then by name */
    view.avoid = "node2";
    assert_string_equal(placed(&view), "node3");
    nodes[2].is_unschedulable = true;
    assert_string_equal(placed(&view), "node1"); /* another node even if it is fuller */
    nodes[0].is_ready = false;
    assert_string_equal(placed(&view), "node2"); /* where possible only */
}

static void each_reason_is_told_once_with_its_count(void **state)
{
    (void)state;
    struct place_node nodes[] = {node_at("node1", 0), node_at("node2", 0), node_at("node3", 5),
                                 node_at("node4", 0)};
    cJSON *taints = parse("[" LOST "]");
    nodes[0].is_ready = false;
    nodes[1].is_unschedulable = true;
    nodes[2].most_pods = 5;
    nodes[3].taints = taints;
    struct place_view view = {.avoid = "", .nodes = nodes, .node_count = 4};
    assert_string_equal(placed(&view),
                        "0/4 nodes are available: 1 node(s) were not ready, 1 node(s) were "
                        "unschedulable, 1 node(s) had untolerated taint(s), 1 Too many pods.");
    view.node_count = 0;
    assert_string_equal(placed(&view), "no nodes available to schedule pods");
    cJSON_Delete(taints);
}

static void requests_must_fit_what_is_left(void **state)
{
    (void)state;
    struct place_node nodes[] = {node_at("node1", 0), node_at("node2", 0), node_at("node3", 5)};
    struct place_view view = {
        .avoid = "", .nodes = nodes, .node_count = 3, .cpu_milli = 500, .memory_bytes = 1 << 20};
    nodes[0].cpu_milli = 499;
    nodes[1].memory_bytes = (1 << 20) - 1;
    nodes[2].cpu_milli = 500;
    nodes[2].memory_bytes = 1 << 20;
    assert_string_equal(placed(&view), "node3"); /* just enough */
    nodes[2].cpu_milli = -1;                     /* bound by hand beyond what there is */
    assert_string_equal(placed(&view), "0/3 nodes are available: 2 Insufficient cpu, 1 "
                                       "Insufficient memory.");
    view.cpu_milli = view.memory_bytes = 0; /* asks for nothing */
    assert_string_equal(placed(&view), "node1");
}

static void neighbours_and_volumes_in_use_leave_what_is_left(void **state) /* R86, R88 */
{
    (void)state;
    struct place_node nodes[] = {node_at("node1", 0), node_at("node2", 0), node_at("node3", 0),
                                 node_at("node4", 0)};
    struct place_claim claim = {
        .name = "d", .state = CLAIM_BOUND, .only_node = "node4", .selected_node = ""};
    struct place_view view = {.avoid = "", .nodes = nodes, .node_count = 4};
    nodes[0].neighbours = NEIGHBOURS_APART;
    nodes[1].neighbours = NEIGHBOURS_GUARD;
    nodes[2].neighbours = NEIGHBOURS_NEAR;
    assert_string_equal(placed(&view), "node4");
    view.claims = &claim;
    view.claim_count = 1;
    assert_string_equal(placed(&view), "node4");
    claim.only_node = "node9";
    assert_string_equal(placed(&view),
                        "0/4 nodes are available: 1 node(s) didn't match pod affinity rules, 1 "
                        "node(s) didn't match pod anti-affinity rules, 1 node(s) didn't satisfy "
                        "existing pods anti-affinity rules, 1 node(s) cannot have a ReadWriteOnce "
                        "volume that is in use on another node.");
    claim.state = CLAIM_TAKEN;
    assert_string_equal(placed(&view), "persistentvolumeclaim \"d\" is ReadWriteOncePod and "
                                       "another pod uses it");
}

static void claims_come_before_the_pod(void **state)
{
    (void)state;
    cJSON *only_2 = parse("[{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\","
                          "\"values\":[\"node2\"]}]}]");
    struct place_node nodes[] = {node_at("node1", 0), node_at("node2", 9)};
    static const struct {
        enum place_claim_state state;
        bool has_terms;
        const char *selected;
        enum place_result want;
        const char *node;
    } rows[] = {
        {CLAIM_BOUND, false, "", PLACE_BIND, "node1"},
        {CLAIM_BOUND, true, "", PLACE_BIND, "node2"},
        {CLAIM_WAITS, false, "", PLACE_SELECT, "node1"},
        {CLAIM_WAITS, false, "node2", PLACE_WAIT, "node2"},
        {CLAIM_WAITS, false, "node3", PLACE_NONE, NULL},
        {CLAIM_UNBOUND, false, "", PLACE_NONE, NULL},
        {CLAIM_MISSING, false, "", PLACE_NONE, NULL},
        {CLAIM_LEAVING, false, "", PLACE_NONE, NULL},
        {CLAIM_LOST, false, "", PLACE_NONE, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct place_claim claim = {.name = "data-kubia-0",
                                    .state = rows[i].state,
                                    .terms = rows[i].has_terms ? only_2 : NULL,
                                    .selected_node = rows[i].selected};
        struct place_view view = {
            .avoid = "", .claims = &claim, .claim_count = 1, .nodes = nodes, .node_count = 2};
        struct place_plan plan;
        scheduler_plan(&view, &plan);
        assert_int_equal(plan.result, rows[i].want);
        if (rows[i].node)
            assert_string_equal(plan.node->name, rows[i].node);
        else
            assert_true(strlen(plan.reason) > 0);
    }
    cJSON_Delete(only_2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taints_are_covered_as_upstream_covers_them),
        cmocka_unit_test(terms_match_labels_and_the_name),
        cmocka_unit_test(pods_spread_and_avoid_the_node_they_came_from),
        cmocka_unit_test(each_reason_is_told_once_with_its_count),
        cmocka_unit_test(requests_must_fit_what_is_left),
        cmocka_unit_test(neighbours_and_volumes_in_use_leave_what_is_left),
        cmocka_unit_test(claims_come_before_the_pod),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
