/* R63 and R66 on the whole control plane over a memory store: who is collected, in which order, and
 * what a restart finds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

static struct world w;

static int start(void **state)
{
    (void)state;
    world_defaults(&w);
    world_start(&w);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    world_stop(&w);
    return 0;
}

static const char *uid_of(enum kind_id kind, const char *ns, const char *name)
{
    const struct object *obj = world_find(&w, kind, ns, name);
    assert_non_null(obj);
    return obj->uid;
}

/* A ConfigMap with references in JSON. */
static void make(const char *ns, const char *name, const char *owners)
{
    assert_int_equal(world_apply_text(&w,
                                      "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":"
                                      "{\"name\":\"%s\",\"namespace\":\"%s\","
                                      "\"ownerReferences\":[%s]}}",
                                      name, ns, owners),
                     0);
}

/* Owned by the caller. */
static char *ref(const char *name, const char *uid, bool blocks)
{
    return xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"name\":\"%s\",\"uid\":\"%s\","
                     "\"blockOwnerDeletion\":%s}",
                     name, uid, blocks ? "true" : "false");
}

static void make_owned(const char *name, const char *owner, bool blocks)
{
    char *one = ref(owner, uid_of(KIND_CONFIGMAP, "default", owner), blocks);
    make("default", name, one);
    free(one);
}

static const struct object *map(const char *name)
{
    return world_find(&w, KIND_CONFIGMAP, "default", name);
}

static void drop(const char *name, enum propagation propagation)
{
    const struct verb_key key = {KIND_CONFIGMAP, "default", name};
    const struct delete_opts opts = {.propagation = propagation};
    assert_int_equal(world_delete_with(&w, &key, &opts), 0);
}

static int change_finalizers(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    cJSON *metadata = json_obj(tree, "metadata"), *list = cJSON_CreateArray();
    if (arg)
        cJSON_AddItemToArray(list, cJSON_CreateString(arg));
    json_set(metadata, "finalizers", list);
    return 0;
}

static void set_finalizer(const char *name, const char *finalizer)
{
    const struct verb_key key = {KIND_CONFIGMAP, "default", name};
    char text[64];
    (void)snprintf(text, sizeof text, "%s", finalizer ? finalizer : "");
    assert_int_equal(world_update(&w, &key, SUB_NONE, change_finalizers, finalizer ? text : NULL),
                     0);
}

/* ---- R66 ---- */

static void dependants_of_an_absent_owner_are_deleted_down_the_tree(void **state)
{
    (void)state;
    make("default", "top", "");
    make_owned("middle", "top", false);
    make_owned("leaf", "middle", false);
    make("default", "stranger", "");
    drop("top", PROPAGATE_DEFAULT);
    world_settle(&w);
    assert_null(map("top"));
    assert_null(map("middle"));
    assert_null(map("leaf"));
    assert_non_null(map("stranger"));
}

static void a_living_owner_keeps_the_dependant_and_dead_references_go(void **state)
{
    (void)state;
    make("default", "a", "");
    make("default", "b", "");
    char *one = ref("a", uid_of(KIND_CONFIGMAP, "default", "a"), false);
    char *two = ref("b", uid_of(KIND_CONFIGMAP, "default", "b"), false);
    char *both = xasprintf("%s,%s", one, two);
    make("default", "child", both);
    drop("a", PROPAGATE_BACKGROUND);
    world_settle(&w);
    assert_non_null(map("child"));
    assert_int_equal(map("child")->owner_count, 1);
    assert_string_equal(map("child")->owners[0].name, "b");
    drop("b", PROPAGATE_BACKGROUND);
    world_settle(&w);
    assert_null(map("child"));
    free(one);
    free(two);
    free(both);
}

static void an_owner_is_known_by_its_uid(void **state)
{
    (void)state;
    make("default", "owner", "");
    char *wrong = ref("owner", "11111111-2222-4333-8444-555555555555", false);
    make("default", "child", wrong);
    world_settle(&w);
    assert_null(map("child"));
    free(wrong);
}

/* Times that something is said about the object of this name. */
static int64_t said(const char *name, const char *reason)
{
    struct store_view view = store_applied(w.store);
    struct view_cursor cur;
    int64_t count = 0;
    for (view_seek(&cur, &view, KIND_EVENT, NULL, NULL); cur.object; view_next(&cur)) {
        cJSON *tree = object_tree(cur.object);
        int64_t times = 0;
        if (strcmp(json_str(tree, "reason", ""), reason) == 0 &&
            strcmp(json_str(json_get(tree, "involvedObject"), "name", ""), name) == 0 &&
            json_int(tree, "count", 0, INT32_MAX, &times))
            count += times;
        cJSON_Delete(tree);
    }
    return count;
}

static void an_owner_in_another_namespace_is_absent(void **state)
{
    (void)state;
    assert_int_equal(
        world_apply_text(&w, "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":"
                             "\"other\"}}"),
        0);
    make("other", "owner", "");
    char *far = ref("owner", uid_of(KIND_CONFIGMAP, "other", "owner"), false);
    make("default", "child", far);
    world_settle(&w);
    assert_null(map("child"));
    assert_int_equal(said("child", "OwnerRefInvalidNamespace"), 1);
    /* One that is nowhere is only absent; beside an owner that lives, the reference goes. */
    char *nowhere = ref("owner", "00000000-0000-4000-8000-000000000000", false);
    make("default", "lost", nowhere);
    make("default", "here", "");
    char *near = ref("here", uid_of(KIND_CONFIGMAP, "default", "here"), false);
    char *both = xasprintf("%s,%s", far, near);
    make("default", "kept", both);
    world_settle(&w);
    assert_null(map("lost"));
    assert_int_equal(said("lost", "OwnerRefInvalidNamespace"), 0);
    assert_non_null(map("kept"));
    assert_int_equal(map("kept")->owner_count, 1);
    assert_int_equal(said("kept", "OwnerRefInvalidNamespace"), 1);
    free(both);
    free(near);
    free(nowhere);
    free(far);
}

static void an_owner_without_namespace_owns_in_every_namespace(void **state)
{
    (void)state;
    assert_int_equal(world_apply_text(&w, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{"
                                          "\"name\":\"n\"}}"),
                     0);
    char *node =
        xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"n\",\"uid\":\"%s\"}",
                  uid_of(KIND_NODE, "", "n"));
    make("default", "child", node);
    make("kube-system", "child", node);
    world_settle(&w);
    assert_non_null(map("child"));
    assert_int_equal(world_delete(&w, KIND_NODE, "", "n"), 0);
    world_settle(&w);
    assert_null(map("child"));
    assert_null(world_find(&w, KIND_CONFIGMAP, "kube-system", "child"));
    free(node);
}

static void an_owner_of_an_unknown_kind_is_believed(void **state)
{
    (void)state;
    make("default", "child",
         "{\"apiVersion\":\"example.com/v1\",\"kind\":\"Widget\",\"name\":\"x\",\"uid\":\"u\"}");
    world_settle(&w);
    assert_non_null(map("child"));
}

/* ---- R63 ---- */

static void foreground_waits_for_dependants_that_block(void **state)
{
    (void)state;
    make("default", "owner", "");
    make_owned("blocks", "owner", true);
    make_owned("does-not", "owner", false);
    set_finalizer("blocks", "example.com/hold");
    set_finalizer("does-not", "example.com/hold");
    drop("owner", PROPAGATE_FOREGROUND);
    world_settle(&w);
    assert_non_null(map("owner"));
    assert_true(map("owner")->deleted_us != 0);
    assert_true(map("blocks")->deleted_us != 0);
    set_finalizer("blocks", NULL);
    world_settle(&w);
    assert_null(map("blocks"));
    assert_null(map("owner")); /* the other one did not block */
    assert_true(map("does-not")->deleted_us != 0);
    set_finalizer("does-not", NULL);
    world_settle(&w);
    assert_null(map("does-not"));
}

static void foreground_goes_down_the_tree_before_it_comes_up(void **state)
{
    (void)state;
    make("default", "owner", "");
    make_owned("middle", "owner", true);
    make_owned("leaf", "middle", true);
    set_finalizer("leaf", "example.com/hold");
    drop("owner", PROPAGATE_FOREGROUND);
    world_settle(&w);
    assert_non_null(map("owner"));
    assert_non_null(map("middle"));
    set_finalizer("leaf", NULL);
    world_settle(&w);
    assert_null(map("leaf"));
    assert_null(map("middle"));
    assert_null(map("owner"));
}

static void a_circle_of_owners_does_not_wait_for_ever(void **state)
{
    (void)state;
    make("default", "a", "");
    make_owned("b", "a", true);
    char *back = ref("b", uid_of(KIND_CONFIGMAP, "default", "b"), true);
    make("default", "a", back);
    drop("a", PROPAGATE_FOREGROUND);
    world_settle(&w);
    assert_null(map("a"));
    assert_null(map("b"));
    free(back);
}

static void orphans_stay_without_the_reference(void **state)
{
    (void)state;
    make("default", "owner", "");
    for (int i = 0; i < 600; i++) { /* more than one sync writes */
        char name[32];
        (void)snprintf(name, sizeof name, "child-%d", i);
        make_owned(name, "owner", true);
    }
    drop("owner", PROPAGATE_ORPHAN);
    world_settle(&w);
    assert_null(map("owner"));
    for (int i = 0; i < 600; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "child-%d", i);
        assert_non_null(map(name));
        assert_int_equal(map(name)->owner_count, 0);
    }
}

/* ---- restart ---- */

static void a_restart_finds_what_dangles(void **state)
{
    (void)state;
    make("default", "owner", "");
    make_owned("child", "owner", true);
    make("default", "front", "");
    make_owned("held", "front", true);
    set_finalizer("held", "example.com/hold");
    drop("front", PROPAGATE_FOREGROUND);
    world_settle(&w);
    reconcile_stop(w.reconcile); /* nobody looks while the owner goes */
    w.reconcile = NULL;
    drop("owner", PROPAGATE_BACKGROUND);
    set_finalizer("held", NULL);
    assert_non_null(map("child"));
    world_crash(&w);
    assert_null(map("child"));
    assert_null(map("front"));
    assert_null(map("held"));
}

static enum store_mem_fault fail_often(void *arg)
{
    unsigned *n = arg;
    return ++*n % 3 ? STORE_MEM_FAIL : STORE_MEM_NONE;
}

static void commits_that_fail_delay_and_lose_nothing(void **state)
{
    (void)state;
    unsigned n = 0;
    make("default", "owner", "");
    for (int i = 0; i < 20; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "child-%d", i);
        make_owned(name, "owner", true);
    }
    drop("owner", PROPAGATE_FOREGROUND);
    store_mem_set_fault(w.store, fail_often, &n);
    for (int i = 0; i < 50; i++)
        world_advance(&w, SECOND);
    store_mem_set_fault(w.store, NULL, NULL);
    world_advance(&w, 1200 * SECOND);
    assert_null(map("owner"));
    assert_null(map("child-0"));
    assert_null(map("child-19"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
        TEST(dependants_of_an_absent_owner_are_deleted_down_the_tree),
        TEST(a_living_owner_keeps_the_dependant_and_dead_references_go),
        TEST(an_owner_is_known_by_its_uid),
        TEST(an_owner_in_another_namespace_is_absent),
        TEST(an_owner_without_namespace_owns_in_every_namespace),
        TEST(an_owner_of_an_unknown_kind_is_believed),
        TEST(foreground_waits_for_dependants_that_block),
        TEST(foreground_goes_down_the_tree_before_it_comes_up),
        TEST(a_circle_of_owners_does_not_wait_for_ever),
        TEST(orphans_stay_without_the_reference),
        TEST(a_restart_finds_what_dangles),
        TEST(commits_that_fail_delay_and_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
