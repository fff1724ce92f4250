/* The rows together over a memory store and a fake clock: commits counted, commits lost, small
 * budgets, gaps of the loop. */
#include "controller/reconcile/reconcile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/metrics.h"
#include "tests/scenario/world.h"

static const char service[] =
    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"kubia\"},\"spec\":{"
    "\"clusterIP\":\"None\","
    "\"selector\":{\"app\":\"kubia\"},\"ports\":[{\"name\":\"http\",\"port\":80}]}}";

static int apply_pod(struct world *w, const char *name, const char *node)
{
    return world_apply_text(
        w,
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"labels\":{\"app\":"
        "\"kubia\"}},\"spec\":{%s%s%s\"hostname\":\"%s\",\"subdomain\":\"kubia\",\"containers\":"
        "[{\"name\":\"c\",\"image\":\"i\"}]}}",
        name, node ? "\"nodeName\":\"" : "", node ? node : "", node ? "\"," : "", name);
}

static int apply_set(struct world *w, int replicas)
{
    return world_apply_text(
        w,
        "{\"apiVersion\":\"apps/"
        "v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":\"kubia\"},\"spec\":{"
        "\"podManagementPolicy\":\"Parallel\",\"serviceName\":\"kubia\",\"replicas\":%d,"
        "\"selector\":{\"matchLabels\":"
        "{\"app\":\"kubia\"}},\"template\":{\"metadata\":{\"labels\":{\"app\":\"kubia\"}},\"spec\":"
        "{\"containers\":["
        "{\"name\":\"c\",\"image\":\"i\"}]}}}}",
        replicas);
}

static void expect_query(const struct world *w, const char *name, const char *want)
{
    char *got = world_query(w, name, "A");
    assert_string_equal(got, want);
    free(got);
}

static size_t count(const struct world *w, enum kind_id kind)
{
    struct store_view view = store_applied(w->store);
    return view_count(&view, kind);
}

static void ready_to_answer_is_one_commit(void **state) /* DESIGN section 5, K-FRESH */
{
    (void)state;
    struct world w;
    world_defaults(&w);
    world_start(&w);
    assert_int_equal(
        world_apply_text(
            &w, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"}}"),
        0);
    assert_int_equal(world_apply_text(&w, service), 0);
    for (int i = 0; i < 5; i++) {
        char name[24], ip[24], fqdn[64], want[40];
        (void)snprintf(name, sizeof name, "kubia-%d", i);
        (void)snprintf(ip, sizeof ip, "10.1.0.%d", i + 1);
        (void)snprintf(fqdn, sizeof fqdn, "%s.kubia.default.svc.cluster.local", name);
        (void)snprintf(want, sizeof want, "NOERROR %s", ip);
        assert_int_equal(apply_pod(&w, name, "n1"), 0);
        world_settle(&w);
        uint64_t commits = store_commits(w.store);
        assert_int_equal(world_ready(&w, "default", name, ip, true), 0);
        assert_int_equal(store_commits(w.store), commits + 1);
        expect_query(&w, fqdn, want);
        world_settle(&w); /* and nothing follows */
        assert_int_equal(store_commits(w.store), commits + 1);
    }
    struct buf_out text;
    buf_out_init(&text);
    reconcile_register_metrics(w.reconcile);
    metrics_write(&text);
    assert_non_null(strstr(text.data, "ordinald_ready_to_answer_pods_total 5"));
    assert_non_null(strstr(text.data, "ordinald_ready_to_answer_commits_total 5"));
    metrics_unregister_all();
    buf_out_fini(&text);
    world_stop(&w);
}

/* R4, R48, S5: the label is the full name of the revision, which is what the status names. */
static void r4_the_revision_label_is_a_full_name(void **state)
{
    (void)state;
    struct world w;
    world_defaults(&w);
    world_start(&w);
    assert_int_equal(apply_set(&w, 1), 0);
    world_settle(&w);
    struct store_view view = store_applied(w.store);
    struct view_cursor cur;
    view_seek(&cur, &view, KIND_REVISION, "default", NULL);
    const struct object *revision = cur.object,
                        *set = world_find(&w, KIND_STATEFULSET, "default", "kubia"),
                        *pod = world_find(&w, KIND_POD, "default", "kubia-0");
    assert_true(revision && set && pod);
    assert_memory_equal(revision->name, "kubia-", 6);
    assert_string_equal(object_label(pod, "controller-revision-hash"), revision->name);
    assert_string_equal(object_label(revision, "controller.kubernetes.io/hash"),
                        revision->name + 6);
    assert_string_equal(set_view(set)->current_revision, revision->name);
    cJSON *tree = object_tree(set);
    assert_string_equal(json_str(json_get(tree, "status"), "updateRevision", ""), revision->name);
    cJSON_Delete(tree);
    tree = object_tree(revision);
    cJSON *stored = json_at(tree, "data", "spec", "template", NULL);
    assert_string_equal(json_str(stored, "$patch", ""), "replace");
    assert_int_equal(cJSON_GetArraySize(json_at(tree, "data", "spec", NULL)), 1);
    assert_string_equal(object_controller(revision)->uid, set->uid);
    cJSON_Delete(tree);
    world_stop(&w);
}

static void expect_trigger_time(const struct world *w, const char *want)
{
    struct store_view view = store_applied(w->store);
    struct view_cursor cur;
    char got[64] = "";
    view_seek(&cur, &view, KIND_SLICE, "default", "kubia-");
    assert_non_null(cur.object);
    assert_true(object_annotation(cur.object, "endpoints.kubernetes.io/last-change-trigger-time",
                                  got, sizeof got));
    assert_string_equal(got, want);
}

/* R95, R98: whose slice it is, who keeps it, and where its endpoints are. */
static void r98_a_slice_tells_its_service_and_its_keeper(void **state)
{
    (void)state;
    struct world w;
    world_defaults(&w);
    world_start(&w);
    assert_int_equal(
        world_apply_text(&w, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":"
                             "\"n1\",\"labels\":{\"topology.kubernetes.io/zone\":\"east\"}}}"),
        0);
    assert_int_equal(
        world_apply_text(&w,
                         "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
                         "\"kubia\",\"labels\":{\"team\":\"x\"}},\"spec\":{\"clusterIP\":\"None\","
                         "\"selector\":{\"app\":\"kubia\"},\"ports\":[{\"port\":80,"
                         "\"appProtocol\":\"http\"}]}}"),
        0);
    assert_int_equal(apply_pod(&w, "kubia-0", "n1"), 0);
    world_advance(&w, 7 * SECOND);
    char created[CLOCK_TEXT_MAX], changed[CLOCK_TEXT_MAX];
    clock_format(clock_now_us() - 7 * SECOND, created);
    clock_format(clock_now_us(), changed);
    expect_trigger_time(&w, created);
    assert_int_equal(world_ready(&w, "default", "kubia-0", "10.1.0.1", true), 0);
    world_settle(&w);
    expect_trigger_time(&w, changed);
    world_advance(&w, 7 * SECOND); /* nothing changes, nothing is written */
    expect_trigger_time(&w, changed);
    struct store_view view = store_applied(w.store);
    struct view_cursor cur;
    view_seek(&cur, &view, KIND_SLICE, "default", "kubia-");
    const struct object *slice = cur.object, *pod = world_find(&w, KIND_POD, "default", "kubia-0");
    assert_true(slice && pod);
    assert_string_equal(object_label(slice, "kubernetes.io/service-name"), "kubia");
    assert_string_equal(object_label(slice, "endpointslice.kubernetes.io/managed-by"),
                        "endpointslice-controller.k8s.io");
    assert_string_equal(object_label(slice, "service.kubernetes.io/headless"), "");
    assert_string_equal(object_label(slice, "team"), "x");
    assert_string_equal(object_controller(slice)->uid,
                        world_find(&w, KIND_SERVICE, "default", "kubia")->uid);
    cJSON *tree = object_tree(slice);
    assert_string_equal(json_str(json_get(tree, "metadata"), "generateName", ""), "kubia-");
    const cJSON *port = cJSON_GetArrayItem(json_get(tree, "ports"), 0);
    assert_string_equal(json_str(port, "appProtocol", ""), "http");
    const cJSON *endpoint = cJSON_GetArrayItem(json_get(tree, "endpoints"), 0);
    assert_string_equal(json_str(endpoint, "nodeName", ""), "n1");
    assert_string_equal(json_str(endpoint, "zone", ""), "east");
    assert_string_equal(json_str(json_get(endpoint, "targetRef"), "kind", ""), "Pod");
    assert_string_equal(json_str(json_get(endpoint, "targetRef"), "name", ""), "kubia-0");
    assert_string_equal(json_str(json_get(endpoint, "targetRef"), "uid", ""), pod->uid);
    cJSON_Delete(tree);
    world_stop(&w);
}

static int fault_commits;
static enum store_mem_fault fault_kind;

static enum store_mem_fault next_fault(void *arg)
{
    (void)arg;
    return fault_commits-- > 0 ? fault_kind : STORE_MEM_NONE;
}

/* Whatever happens to commits, in the end everything runs, once, and names say so. */
static void lost_and_late_commits_are_made_good(void **state)
{
    (void)state;
    static const enum store_mem_fault kinds[] = {STORE_MEM_LATE, STORE_MEM_CONFLICT, STORE_MEM_FAIL,
                                                 STORE_MEM_NO_SPACE};
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
        for (int faults = 1; faults < 6; faults++) {
            struct world w;
            world_defaults(&w);
            w.opts.embedded_nodes = 3;
            w.opts.scheduler = true;
            world_start(&w);
            assert_int_equal(world_apply_text(&w, service), 0);
            assert_int_equal(apply_set(&w, 6), 0);
            fault_kind = kinds[k];
            fault_commits = faults;
            store_mem_set_fault(w.store, next_fault, NULL);
            world_advance(&w, 60 * SECOND);
            if (store_is_read_only(w.store)) { /* an I/O error: only a restart helps */
                store_mem_set_fault(w.store, NULL, NULL);
                world_crash(&w);
                world_advance(&w, 60 * SECOND);
            }
            expect_query(
                &w, "kubia.default.svc.cluster.local",
                "NOERROR 10.244.0.2 10.244.0.3 10.244.1.2 10.244.1.3 10.244.2.2 10.244.2.3");
            assert_int_equal(count(&w, KIND_POD), 6);
            assert_int_equal(count(&w, KIND_SLICE), 1);
            assert_int_equal(count(&w, KIND_NODE), 3);
            world_stop(&w);
        }
}

/* R90: the Node is written again when its first commit was lost, but not when somebody removed it.
 */
static void nodes_register_although_commits_are_lost(void **state)
{
    (void)state;
    struct world w;
    world_defaults(&w);
    world_start(&w);
    w.opts.embedded_nodes = 3;
    fault_kind = STORE_MEM_FAIL;
    fault_commits = 2;
    store_mem_set_fault(w.store, next_fault, NULL);
    world_crash(&w);
    world_advance(&w, 60 * SECOND);
    assert_int_equal(count(&w, KIND_NODE), 3);
    assert_int_equal(world_delete(&w, KIND_NODE, "", "node2"), 0);
    world_advance(&w, 60 * SECOND);
    assert_int_equal(count(&w, KIND_NODE), 2);
    world_stop(&w);
}

static void a_small_budget_needs_more_turns_only(void **state)
{
    (void)state;
    for (unsigned budget = 1; budget < 8; budget++) {
        struct world w;
        world_defaults(&w);
        w.opts.embedded_nodes = 2;
        w.opts.scheduler = true;
        w.opts.turn_budget = budget;
        world_start(&w);
        assert_int_equal(world_apply_text(&w, service), 0);
        assert_int_equal(apply_set(&w, 4), 0);
        world_advance(&w, 5 * SECOND);
        expect_query(&w, "kubia.default.svc.cluster.local",
                     "NOERROR 10.244.0.2 10.244.0.3 10.244.1.2 10.244.1.3");
        world_stop(&w);
    }
}

static void s77_250_pods_are_three_slices_and_then_nothing_is_written(void **state)
{
    (void)state;
    struct world w;
    world_defaults(&w);
    w.opts.embedded_nodes = 3;
    w.opts.scheduler = true;
    world_start(&w);
    assert_int_equal(world_apply_text(&w, service), 0);
    assert_int_equal(apply_set(&w, 250), 0);
    world_advance(&w, 5 * SECOND);
    assert_int_equal(count(&w, KIND_SLICE), 3);
    assert_int_equal(count(&w, KIND_POD), 250);
    uint64_t newest = 0;
    struct store_view view = store_applied(w.store);
    struct view_cursor cur;
    for (view_seek(&cur, &view, KIND_SLICE, NULL, NULL); cur.object; view_next(&cur))
        newest = cur.object->mod_revision > newest ? cur.object->mod_revision : newest;
    world_advance(&w, 600 * SECOND);
    view = store_applied(w.store);
    for (view_seek(&cur, &view, KIND_SLICE, NULL, NULL); cur.object; view_next(&cur))
        assert_true(cur.object->mod_revision <= newest);
    for (view_seek(&cur, &view, KIND_POD, NULL, NULL); cur.object; view_next(&cur))
        assert_true(pod_view(cur.object)->ready && !cur.object->deleted_us);
    world_stop(&w);
}

static bool is_tainted(const struct world *w, const char *node)
{
    return node_view(world_find(w, KIND_NODE, "", node))->has_noexec;
}

static void r44_a_gap_of_the_loop_is_nobodys_silence(void **state)
{
    (void)state;
    struct world w;
    world_defaults(&w);
    w.opts.embedded_nodes = 5;
    world_start(&w);
    reconcile_node_silence(w.reconcile, "node1", true);
    world_advance(&w, 40 * SECOND);
    clock_fake_advance(30 * SECOND); /* the process stood still */
    world_advance(&w, 45 * SECOND);
    assert_false(is_tainted(&w, "node1"));
    world_advance(&w, 10 * SECOND);
    assert_true(is_tainted(&w, "node1"));
    assert_false(is_tainted(&w, "node2"));
    /* A restart counts anew, too. */
    reconcile_node_silence(w.reconcile, "node1", false);
    world_advance(&w, 1 * SECOND);
    assert_false(is_tainted(&w, "node1"));
    world_stop(&w);
}

static void r90_addresses_come_round_only_after_all_others(void **state)
{
    (void)state;
    struct world w;
    world_defaults(&w);
    w.opts.embedded_nodes = 1;
    w.opts.embedded_start_us = 0;
    w.opts.pod_prefix4 = 29; /* .2 to .6 */
    world_start(&w);
    const char *const want[] = {"10.244.0.2", "10.244.0.3", "10.244.0.4",
                                "10.244.0.5", "10.244.0.6", "10.244.0.3"};
    assert_int_equal(apply_pod(&w, "stays", "node1"), 0);
    world_settle(&w);
    assert_string_equal(pod_view(world_find(&w, KIND_POD, "default", "stays"))->ips[0], want[0]);
    for (size_t i = 1; i < ARRAY_SIZE(want); i++) {
        assert_int_equal(apply_pod(&w, "p", "node1"), 0);
        world_settle(&w);
        assert_string_equal(pod_view(world_find(&w, KIND_POD, "default", "p"))->ips[0], want[i]);
        assert_int_equal(world_delete(&w, KIND_POD, "default", "p"), 0);
        world_settle(&w);
        if (i == 2)
            world_crash(&w); /* the ring goes on where it stood */
    }
    /* A full node says so, and goes on when an address is free. */
    for (int i = 0; i < 5; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "q%d", i);
        assert_int_equal(apply_pod(&w, name, "node1"), 0);
    }
    world_advance(&w, 10 * SECOND);
    assert_int_equal(pod_view(world_find(&w, KIND_POD, "default", "q4"))->ip_count, 0);
    assert_int_equal(world_delete(&w, KIND_POD, "default", "q0"), 0);
    world_advance(&w, 60 * SECOND);
    assert_true(pod_view(world_find(&w, KIND_POD, "default", "q4"))->ready);
    world_stop(&w);
}

static void r90_two_ranges_give_two_addresses(void **state)
{
    (void)state;
    struct world w;
    world_defaults(&w);
    w.opts.embedded_nodes = 2;
    w.opts.pod_range_count = 2;
    world_start(&w);
    assert_int_equal(apply_pod(&w, "p", "node2"), 0);
    world_advance(&w, SECOND);
    const struct pod_view *p = pod_view(world_find(&w, KIND_POD, "default", "p"));
    assert_int_equal(p->ip_count, 2);
    assert_string_equal(p->ips[0], "10.244.1.2");
    assert_string_equal(p->ips[1], "fd00:244:0:1::2");
    world_stop(&w);
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_to_answer_is_one_commit),
        cmocka_unit_test(r4_the_revision_label_is_a_full_name),
        cmocka_unit_test(r98_a_slice_tells_its_service_and_its_keeper),
        cmocka_unit_test(lost_and_late_commits_are_made_good),
        cmocka_unit_test(nodes_register_although_commits_are_lost),
        cmocka_unit_test(a_small_budget_needs_more_turns_only),
        cmocka_unit_test(s77_250_pods_are_three_slices_and_then_nothing_is_written),
        cmocka_unit_test(r44_a_gap_of_the_loop_is_nobodys_silence),
        cmocka_unit_test(r90_addresses_come_round_only_after_all_others),
        cmocka_unit_test(r90_two_ranges_give_two_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
