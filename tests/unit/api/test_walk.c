/* The walk of lists and watches: whatever way it takes, it meets what a look at everything finds,
 * in the same order, from the start and behind every key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "controller/api/walk.h"

/* Names and namespaces that begin like one another, and characters below and above '/'. */
static const char *const spaces[] = {"a", "a-b", "a0", "ab", "b"};
static const char *const names[] = {"p", "p-1", "p.1", "p1", "q"};
static const char *const nodes[] = {"n", "n1", ""};

static void put_pod(struct store *store, const char *ns, const char *name, const char *node)
{
    char *text = xasprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"uid\":\"u\"},"
                           "\"spec\":{\"nodeName\":\"%s\"}}",
                           name, ns, node);
    cJSON *tree = json_parse(text, strlen(text), NULL);
    struct object *obj = NULL;
    assert_int_equal(object_new(kind_get(KIND_POD), tree, &obj, NULL), 0);
    struct store_unit *unit = store_unit_new(store);
    store_unit_put(unit, obj, NULL);
    assert_int_equal(store_unit_stage(unit, NULL, NULL, NULL), 0);
    cJSON_Delete(tree);
    free(text);
}

static bool is_met(const struct object *obj, const char *ns, const struct selector *fields,
                   const char *after)
{
    return (!ns || !strcmp(obj->ns, ns)) && strcmp(obj->key, after) > 0 &&
           field_selector_matches(fields, obj);
}

static size_t walk_one(const struct store_view *view, const char *ns, const char *text,
                       const char *after)
{
    struct selector fields;
    struct walk w;
    struct view_cursor all;
    size_t looked_at = 0;
    assert_int_equal(field_selector_parse(kind_get(KIND_POD), text, &fields, NULL), 0);
    walk_begin(&w, view, KIND_POD, ns, &fields, after);
    for (view_seek(&all, view, KIND_POD, NULL, NULL); all.object; view_next(&all)) {
        if (!is_met(all.object, ns, &fields, after))
            continue;
        while (w.object && !is_met(w.object, ns, &fields, after)) {
            assert_true(!ns || !strcmp(w.object->ns, ns));
            walk_next(&w);
            looked_at++;
        }
        assert_ptr_equal(w.object, all.object);
        walk_next(&w);
        looked_at++;
    }
    for (; w.object; walk_next(&w), looked_at++)
        assert_false(is_met(w.object, ns, &fields, after));
    selector_fini(&fields);
    return looked_at;
}

static struct store *filled(struct loop *loop)
{
    struct store *store;
    const struct store_opts opts = {.memory = true, .history_us = 1000000, .history_bytes = 65536};
    assert_int_equal(store_open(&opts, loop, &store, NULL), 0);
    for (size_t s = 0; s < ARRAY_SIZE(spaces); s++)
        for (size_t n = 0; n < ARRAY_SIZE(names); n++)
            if ((s * 7 + n * 3) % 4 != 0) /* not every name everywhere */
                put_pod(store, spaces[s], names[n], nodes[(s + n) % ARRAY_SIZE(nodes)]);
    while (loop_step(loop)) {
    }
    return store;
}

static void every_way_meets_what_matches_in_order(void **state)
{
    static const char *const selectors[] = {
        "",
        "metadata.name=p",
        "metadata.name=p-1",
        "metadata.name=absent",
        "metadata.name!=p",
        "spec.nodeName=n",
        "spec.nodeName=n1,metadata.name=p",
        "spec.nodeName=",
        "spec.nodeName=absent",
        "spec.nodeName!=n",
        "metadata.namespace=a,spec.nodeName=n",
    };
    (void)state;
    clock_fake(1767225600000000, 1000000);
    struct loop *loop = loop_new_fake();
    struct store *store = filled(loop);
    struct store_view view = store_applied(store);
    for (size_t i = 0; i < ARRAY_SIZE(selectors); i++)
        for (size_t s = 0; s <= ARRAY_SIZE(spaces); s++) {
            const char *ns = s < ARRAY_SIZE(spaces) ? spaces[s] : NULL;
            struct view_cursor all;
            (void)walk_one(&view, ns, selectors[i], "");
            for (view_seek(&all, &view, KIND_POD, ns, NULL); all.object; view_next(&all))
                (void)walk_one(&view, ns, selectors[i], all.object->key);
        }
    store_close(store);
    loop_free(loop);
    clock_real();
}

static void names_and_nodes_are_not_looked_for_among_all(void **state)
{
    (void)state;
    clock_fake(1767225600000000, 1000000);
    struct loop *loop = loop_new_fake();
    struct store *store = filled(loop);
    struct store_view view = store_applied(store);
    size_t all = walk_one(&view, NULL, "metadata.name!=absent", "");
    assert_int_equal(all, view_count(&view, KIND_POD));
    assert_int_equal(walk_one(&view, NULL, "metadata.name=absent", ""), 0);
    assert_int_equal(walk_one(&view, NULL, "spec.nodeName=absent", ""), 0);
    assert_true(walk_one(&view, NULL, "metadata.name=p", "") <= ARRAY_SIZE(spaces));
    assert_true(walk_one(&view, NULL, "spec.nodeName=n", "") * 2 < all);
    char *huge = xmalloc(5001); /* a forged place to go on from */
    memset(huge, 'z', 5000);
    memcpy(huge, "pods/", 5);
    huge[5000] = '\0';
    assert_int_equal(walk_one(&view, NULL, "spec.nodeName=n", huge), 0);
    assert_int_equal(walk_one(&view, NULL, "metadata.name=p", huge), 0);
    free(huge);
    store_close(store);
    loop_free(loop);
    clock_real();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_meets_what_matches_in_order),
        cmocka_unit_test(names_and_nodes_are_not_looked_for_among_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
