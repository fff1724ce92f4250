/* Commits that are lost (a conflict at the disk, a full disk): what was staged is undone, and each
 * controller must come to it again by itself, and believe nothing that only the undoing says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "tests/scenario/world.h"

static const enum store_mem_fault kinds[] = {STORE_MEM_CONFLICT, STORE_MEM_NO_SPACE};

static int faults_left, faults_done;
static enum store_mem_fault fault_kind;

static enum store_mem_fault next_fault(void *arg)
{
    (void)arg;
    if (faults_left == 0)
        return STORE_MEM_NONE;
    faults_left--;
    faults_done++;
    return fault_kind;
}

static void lose(struct world *w, enum store_mem_fault kind, int commits)
{
    fault_kind = kind;
    faults_left = commits;
    faults_done = 0;
    store_mem_set_fault(w->store, next_fault, NULL);
}

static void start(struct world *w)
{
    world_defaults(w);
    w->opts.embedded_nodes = 3;
    w->opts.scheduler = true;
    world_start(w);
}

/* Three pods, one on each node. */
static void apply_set(struct world *w)
{
    assert_int_equal(
        world_apply_text(
            w, "{\"apiVersion\":\"apps/v1\",\"kind\":\"StatefulSet\",\"metadata\":{\"name\":"
               "\"kubia\"},\"spec\":{\"podManagementPolicy\":\"Parallel\",\"serviceName\":"
               "\"kubia\",\"replicas\":3,\"selector\":{\"matchLabels\":{\"app\":\"kubia\"}},"
               "\"template\":{\"metadata\":{\"labels\":{\"app\":\"kubia\"}},\"spec\":{"
               "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}"),
        0);
    world_advance(w, 5 * SECOND);
}

static size_t fences(const struct world *w, const char *pod)
{
    const struct object *obj = world_find(w, KIND_IDENTITY, "default", pod);
    return obj ? identity_view(obj)->fenced_count : 0;
}

/* kubia-0 was removed by force while its node ignored deletions. Its node, out. */
static void force_out(struct world *w, char node[64])
{
    const struct object *pod = world_find(w, KIND_POD, "default", "kubia-0");
    assert_non_null(pod);
    (void)snprintf(node, 64, "%s", pod_view(pod)->node);
    reconcile_node_ignore_deletion(w->reconcile, node, true);
    assert_int_equal(world_delete_as(w, ROLE_ADMIN, NULL, KIND_POD, "default", "kubia-0", 0), 0);
    world_settle(w);
    assert_int_equal(fences(w, "kubia-0"), 1);
}

/* R44: the node says once that the fenced incarnation has ended; its word is not lost with the
 * commit. */
static void a_release_of_a_fence_that_was_lost_is_made_again(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
        for (int commits = 1; commits < 4; commits++) {
            struct world w;
            char node[64];
            start(&w);
            apply_set(&w);
            force_out(&w, node);
            lose(&w, kinds[k], commits);
            reconcile_node_ignore_deletion(w.reconcile, node, false);
            world_advance(&w, 5 * SECOND);
            assert_int_equal(faults_done, commits);
            assert_false(store_is_read_only(w.store));
            assert_int_equal(fences(&w, "kubia-0"), 0);
            world_stop(&w);
        }
}

/* R44: the fences of a node that was removed go after the quarantine, though the first tries are
 * lost. */
static void fences_of_a_removed_node_go_although_a_commit_is_lost(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        struct world w;
        char node[64];
        start(&w);
        apply_set(&w);
        force_out(&w, node);
        reconcile_node_silence(w.reconcile, node, true);
        assert_int_equal(world_delete(&w, KIND_NODE, "", node), 0);
        world_advance(&w, 30 * SECOND);
        assert_int_equal(fences(&w, "kubia-0"), 1);
        for (int i = 0; i < 40; i++) { /* the first commits of each second */
            lose(&w, kinds[k], 4);
            world_advance(&w, SECOND);
        }
        lose(&w, kinds[k], 0);
        world_advance(&w, 120 * SECOND);
        assert_int_equal(fences(&w, "kubia-0"), 0);
        world_stop(&w);
    }
}

static const char *ready_status(const struct world *w, const char *node)
{
    const struct object *obj = world_find(w, KIND_NODE, "", node);
    assert_non_null(obj);
    return node_view(obj)->ready_status;
}

/* R44: a node is given up after 50 s of silence. When the commit that says so is lost, the Node is
 * Ready=True again in the head: that is no word of the node, which is given up at once again. */
static void an_undone_write_of_a_node_is_no_heartbeat(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        struct world w;
        start(&w);
        world_advance(&w, 30 * SECOND);
        reconcile_node_silence(w.reconcile, "node3", true);
        int waited_s = 0, lost = 0;
        for (; waited_s < 120 && strcmp(ready_status(&w, "node3"), "Unknown") != 0; waited_s++) {
            bool is_due = waited_s >= 40; /* its last word is at most 10 s older */
            if (is_due)
                lose(&w, kinds[k], 1);
            world_advance(&w, SECOND);
            lost += is_due ? faults_done : 0;
        }
        assert_true(lost > 0); /* the first commit that gave it up among them */
        assert_in_range(waited_s, 40, 52);
        assert_string_equal(ready_status(&w, "node1"), "True");
        world_stop(&w);
    }
}

int main(void)
{
    log_set_level(LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_release_of_a_fence_that_was_lost_is_made_again),
        cmocka_unit_test(fences_of_a_removed_node_go_although_a_commit_is_lost),
        cmocka_unit_test(an_undone_write_of_a_node_is_no_heartbeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
