#include "controller/reconcile/namespace_remains.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/reconcile/parts.h"
#include "tests/scenario/world.h"

static const char *message(const cJSON *ns, const char *type, const char *status)
{
    const cJSON *found = condition_find(ns, type);
    assert_non_null(found);
    assert_string_equal(json_str(found, "status", ""), status);
    return json_str(found, "message", "");
}

static const cJSON *told(struct world *w, const char *name)
{
    static cJSON *tree;
    cJSON_Delete(tree);
    const struct object *ns = world_find(w, KIND_NAMESPACE, "", name);
    tree = ns ? object_tree(ns) : NULL;
    return tree;
}

/* A23, R44: kubectl get namespace -o yaml says what it waits for, as upstream does, and which node.
 */
static void a_namespace_says_what_keeps_it(void **state)
{
    (void)state;
    struct world w;
    world_defaults(&w);
    w.opts.embedded_nodes = 1;
    world_start(&w);
    assert_int_equal(world_apply_text(&w, "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\","
                                          "\"metadata\":{\"name\":\"extra\"}}"),
                     0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(
            world_apply_text(&w,
                             "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                             "\"p-%d\",\"namespace\":\"extra\"},\"spec\":{\"nodeName\":\"node1\","
                             "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
                             i),
            0);
    assert_int_equal(
        world_apply_text(&w, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                             "\"held\",\"namespace\":\"extra\",\"finalizers\":[\"example.com/b\","
                             "\"example.com/a\"]}}"),
        0);
    world_advance(&w, 5 * SECOND);
    reconcile_node_silence(w.reconcile, "node1", true);
    for (int i = 0; i < 9; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p-%d", i);
        assert_int_equal(world_delete_as(&w, ROLE_ADMIN, NULL, KIND_POD, "extra", name, 0), 0);
    }
    assert_null(condition_find(told(&w, "extra"), "NamespaceContentRemaining"));
    assert_int_equal(world_delete(&w, KIND_NAMESPACE, "", "extra"), 0);
    world_advance(&w, SECOND);
    const cJSON *ns = told(&w, "extra");
    assert_string_equal(message(ns, "NamespaceContentRemaining", "True"),
                        "Some resources are remaining: pods. has 1 resource instances, "
                        "configmaps. has 1 resource instances, "
                        "identities.ordinald.dev has 9 resource instances");
    assert_string_equal(message(ns, "NamespaceFinalizersRemaining", "True"),
                        "Some content in the namespace has finalizers remaining: example.com/a "
                        "in 1 resource instances, example.com/b in 1 resource instances");
    const char *fences = message(ns, "ordinald.dev/FencesRemaining", "True");
    assert_true(
        strncmp(fences, "pod p-0 was removed by force and may still run on node node1; ", 62) == 0);
    assert_non_null(strstr(fences, "p-7"));
    assert_null(strstr(fences, "p-8"));
    assert_non_null(strstr(fences, "; and 1 more. Each goes when its node confirms the end, or "
                                   "when the Node is deleted"));
    (void)message(ns, "NamespaceDeletionContentFailure", "False");

    uint64_t revision = store_applied(w.store).revision; /* said once */
    world_advance(&w, 5 * SECOND);
    assert_int_equal(store_applied(w.store).revision, revision);

    reconcile_node_silence(w.reconcile, "node1", false);
    world_advance(&w, 60 * SECOND);
    ns = told(&w, "extra");
    assert_string_equal(message(ns, "NamespaceContentRemaining", "True"),
                        "Some resources are remaining: configmaps. has 1 resource instances");
    assert_string_equal(message(ns, "ordinald.dev/FencesRemaining", "False"), "No fence is left");
    assert_int_equal(
        world_apply_text(&w, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":"
                             "\"held\",\"namespace\":\"extra\",\"finalizers\":null}}"),
        0);
    world_settle(&w);
    assert_null(told(&w, "extra"));
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_namespace_says_what_keeps_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
