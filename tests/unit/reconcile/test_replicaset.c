/* ReplicaSets: the order in which pods go, and the controller over a memory store (R101, S1-S3). */
#include "controller/reconcile/replicaset_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

#define GOOD .node = "n1", .is_running = true, .ready = true, .ready_since_us = 10, .created_us = 10

/* The first of two goes before the second. */
static const struct replica pairs[][2] = {
    {{.node = ""}, {.node = "n1"}},
    {{.node = "n1"}, {.node = "n1", .is_unknown = true}},
    {{.node = "n1", .is_unknown = true}, {.node = "n1", .is_running = true}},
    {{.node = "n1", .is_running = true}, {GOOD}},
    {{GOOD, .cost = -1}, {GOOD}},
    {{.node = "n1", .is_running = true, .ready = true, .ready_since_us = 20}, {GOOD}},
    {{GOOD, .restarts = 1}, {GOOD}},
    {{.node = "n1", .is_running = true, .ready = true, .ready_since_us = 10, .created_us = 20},
     {GOOD}},
};

static void victims_are_chosen_by_rank(void **state) /* R101 */
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
        for (size_t turned = 0; turned < 2; turned++) {
            struct replica r[2] = {pairs[i][turned], pairs[i][1 - turned]};
            struct replicaset_plan plan;
            r[0].index = 0;
            r[1].index = 1;
            replicaset_plan(r, 2, 1, &plan);
            assert_int_equal(plan.remove, 1);
            if (r[0].index != turned)
                fail_msg("pair %zu, turned %zu", i, turned);
        }
}

static void a_pod_on_a_crowded_node_goes_first(void **state)
{
    (void)state;
    struct replica r[] = {{GOOD, .index = 0}, {GOOD, .index = 1}, {GOOD, .index = 2}};
    struct replicaset_plan plan;
    r[0].node = "alone";
    replicaset_plan(r, 3, 2, &plan);
    assert_int_equal(plan.remove, 1);
    assert_string_equal(r[0].node, "n1");
    assert_string_equal(r[2].node, "alone");
}

static void many_are_made_at_once_within_bounds(void **state)
{
    (void)state;
    struct replicaset_plan plan;
    replicaset_plan(NULL, 0, 3, &plan);
    assert_int_equal(plan.create, 3);
    assert_false(plan.more);
    replicaset_plan(NULL, 0, INT32_MAX, &plan);
    assert_int_equal(plan.create, REPLICASET_BATCH);
    assert_true(plan.more);
    assert_int_equal(plan.remove, 0);
}

/* ---- the controller ---- */

static void start(struct world *w, int replicas)
{
    world_defaults(w);
    w->opts.embedded_nodes = 3;
    w->opts.scheduler = true;
    w->registry_opts.default_class = "standard";
    world_start(w);
    assert_int_equal(
        world_apply_text(w,
                         "{\"apiVersion\":\"v1\",\"kind\":\"PersistentVolumeClaim\",\"metadata\":"
                         "{\"name\":\"shared\"},\"spec\":{\"accessModes\":[\"ReadWriteMany\"],"
                         "\"resources\":{\"requests\":{\"storage\":\"1Mi\"}}}}"),
        0);
    assert_int_equal(
        world_apply_text(w, "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
                            "\"web\"},\"spec\":{\"clusterIP\":\"None\",\"selector\":{\"app\":"
                            "\"web\"},\"ports\":[{\"port\":80}]}}"),
        0);
    assert_int_equal(
        world_apply_text(
            w,
            "{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"metadata\":{\"name\":\"web\"},"
            "\"spec\":{\"replicas\":%d,\"selector\":{\"matchLabels\":{\"app\":\"web\"}},"
            "\"template\":{\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{\"containers\":[{"
            "\"name\":\"c\",\"image\":\"i\"}],\"volumes\":[{\"name\":\"d\","
            "\"persistentVolumeClaim\":{\"claimName\":\"shared\"}}]}}}}",
            replicas),
        0);
    world_advance(w, 5 * SECOND);
}

struct tally {
    size_t pods, living, terminating, of_set;
    char name[64]; /* of some living pod */
};

static struct tally tally(const struct world *w)
{
    struct tally t = {0};
    struct store_view view = store_applied(w->store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_POD, "default", NULL); cur.object; view_next(&cur)) {
        const struct pod_view *p = pod_view(cur.object);
        t.pods++;
        t.terminating += cur.object->deleted_us != 0;
        t.of_set += object_controller(cur.object) != NULL;
        if (cur.object->deleted_us || !p->ready)
            continue;
        t.living++;
        (void)snprintf(t.name, sizeof t.name, "%s", cur.object->name);
        if (object_controller(cur.object)) {
            assert_int_equal(strlen(cur.object->name), strlen("web-") + 5);
            assert_string_equal(p->hostname, "");
            assert_string_equal(p->subdomain, "");
            assert_int_equal(p->claim_count, 1);
            assert_string_equal(p->claims[0].claim, "shared");
        }
    }
    return t;
}

static void check_status(const struct world *w, int replicas, int ready)
{
    const struct replicaset_view *v =
        replicaset_view(world_find(w, KIND_REPLICASET, "default", "web"));
    assert_int_equal(v->st_replicas, replicas);
    assert_int_equal(v->st_labeled, replicas);
    assert_int_equal(v->st_ready, ready);
    assert_int_equal(v->st_available, ready);
}

static void s1_s2_s3_pods_have_no_identity(void **state)
{
    (void)state;
    struct world w;
    start(&w, 3);
    struct tally t = tally(&w);
    assert_int_equal(t.living, 3);
    check_status(&w, 3, 3);
    struct store_view view = store_applied(w.store);
    assert_int_equal(view_count(&view, KIND_PVC), 1);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_SLICE, "default", NULL); cur.object; view_next(&cur))
        for (size_t i = 0; i < slice_view(cur.object)->endpoint_count; i++)
            assert_string_equal(slice_view(cur.object)->endpoints[i].hostname, "");
    for (int i = 1; i <= 3; i++) { /* S2: replaced while it terminates */
        char node[16];
        (void)snprintf(node, sizeof node, "node%d", i);
        reconcile_node_ignore_deletion(w.reconcile, node, true);
    }
    assert_int_equal(world_delete(&w, KIND_POD, "default", t.name), 0);
    world_advance(&w, 5 * SECOND);
    struct tally after = tally(&w);
    assert_int_equal(after.pods, 4);
    assert_int_equal(after.living, 3);
    assert_int_equal(after.terminating, 1);
    assert_non_null(world_find(&w, KIND_POD, "default", t.name));
    check_status(&w, 3, 3);
    world_stop(&w);
}

static void scaling_is_done_at_once_and_unready_pods_go_first(void **state)
{
    (void)state;
    struct world w;
    start(&w, 5);
    struct tally t = tally(&w);
    reconcile_pod_fail_readiness(w.reconcile, "default", t.name, true);
    world_settle(&w);
    check_status(&w, 5, 4);
    assert_int_equal(world_apply_text(&w, "{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\","
                                          "\"metadata\":{\"name\":\"web\"},\"spec\":{\"replicas\":"
                                          "2}}"),
                     0);
    world_settle(&w);
    assert_null(world_find(&w, KIND_POD, "default", t.name));
    t = tally(&w);
    assert_int_equal(t.pods, 2);
    assert_int_equal(t.living, 2);
    check_status(&w, 2, 2);
    world_stop(&w);
}

static int set_app(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    json_set_str(json_obj(json_get(tree, "metadata"), "labels"), "app", arg);
    return 0;
}

/* Condition ReplicaFailure of the set, NULL when it is not there. */
static const cJSON *failure_of(const cJSON *tree)
{
    const cJSON *conditions = json_at(tree, "status", "conditions", NULL);
    assert_int_equal(cJSON_GetArraySize(conditions), conditions ? 1 : 0);
    return conditions ? conditions->child : NULL;
}

static cJSON *tree_of_set(const struct world *w)
{
    return object_tree(world_find(w, KIND_REPLICASET, "default", "web"));
}

static int apply_finalizers(struct world *w, const char *finalizers)
{
    return world_apply_text(
        w,
        "{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"metadata\":{"
        "\"name\":\"web\"},\"spec\":{\"replicas\":2,\"template\":{\"metadata\":{"
        "\"finalizers\":%s}}}}",
        finalizers);
}

static void what_cannot_be_made_is_told_until_it_can(void **state)
{
    (void)state;
    struct world w;
    start(&w, 1);
    cJSON *tree = tree_of_set(&w);
    assert_null(failure_of(tree));
    cJSON_Delete(tree);
    assert_int_equal(apply_finalizers(&w, "[\"not a name\"]"), 0);
    world_advance(&w, SECOND);
    tree = tree_of_set(&w);
    const cJSON *failure = failure_of(tree);
    assert_string_equal(json_str(failure, "type", ""), "ReplicaFailure");
    assert_string_equal(json_str(failure, "status", ""), "True");
    assert_string_equal(json_str(failure, "reason", ""), "FailedCreate");
    assert_non_null(strstr(json_str(failure, "message", ""), "is invalid"));
    cJSON_Delete(tree);
    check_status(&w, 1, 1); /* what is there is counted all the same */
    assert_int_equal(apply_finalizers(&w, "null"), 0);
    world_advance(&w, 5 * SECOND);
    check_status(&w, 2, 2);
    tree = tree_of_set(&w);
    assert_null(failure_of(tree));
    cJSON_Delete(tree);
    world_stop(&w);
}

static void pods_are_released_and_adopted_by_their_labels(void **state) /* R60, R61 */
{
    (void)state;
    static char other[] = "other", web[] = "web";
    struct world w;
    start(&w, 2);
    struct tally t = tally(&w);
    const struct verb_key key = {KIND_POD, "default", t.name};
    assert_int_equal(world_update(&w, &key, SUB_NONE, set_app, other), 0);
    world_advance(&w, 5 * SECOND);
    struct tally after = tally(&w);
    assert_int_equal(after.pods, 3);
    assert_int_equal(after.of_set, 2);
    assert_int_equal(world_update(&w, &key, SUB_NONE, set_app, web), 0);
    world_advance(&w, 5 * SECOND);
    after = tally(&w);
    assert_int_equal(after.pods, 2); /* adopted, and one too many went */
    assert_int_equal(after.of_set, 2);
    assert_int_equal(world_delete(&w, KIND_REPLICASET, "default", "web"), 0);
    world_advance(&w, 5 * SECOND);
    assert_int_equal(tally(&w).pods, 0);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(victims_are_chosen_by_rank),
        cmocka_unit_test(a_pod_on_a_crowded_node_goes_first),
        cmocka_unit_test(many_are_made_at_once_within_bounds),
        cmocka_unit_test(s1_s2_s3_pods_have_no_identity),
        cmocka_unit_test(scaling_is_done_at_once_and_unready_pods_go_first),
        cmocka_unit_test(what_cannot_be_made_is_told_until_it_can),
        cmocka_unit_test(pods_are_released_and_adopted_by_their_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
