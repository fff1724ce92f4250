/* What is kept of a set's pods between its syncs (R26: never act on an old view): pods put, put
 * again and dropped in any order are those of a look at all of them. The scenarios and the
 * simulator compare the two after every sync. */
#include "controller/reconcile/set_members.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "base/random.h"

enum { ORDINALS = 40 };

static struct object *object_of(enum kind_id kind, const char *text)
{
    struct object *obj = NULL;
    struct err e = {0};
    cJSON *tree = json_parse(text, strlen(text), &e);
    assert_non_null(tree);
    assert_int_equal(object_new(kind_get(kind), tree, &obj, &e), 0);
    cJSON_Delete(tree);
    return obj;
}

static struct object *the_set(int min_ready_s)
{
    char text[512];
    (void)snprintf(text, sizeof text,
                   "{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":\"set\"},"
                   "\"spec\":{\"minReadySeconds\":%d,\"selector\":{\"matchLabels\":{\"app\":"
                   "\"web\"}}}}",
                   min_ready_s);
    return object_of(KIND_STATEFULSET, text);
}

static struct object *pod_of(int ordinal, const char *revision, bool is_ready)
{
    char text[768];
    (void)snprintf(text, sizeof text,
                   "{\"metadata\":{\"name\":\"web-%d\",\"namespace\":\"default\",\"uid\":\"u%d\","
                   "\"labels\":{\"statefulset.kubernetes.io/pod-name\":\"web-%d\","
                   "\"controller-revision-hash\":\"%s\"}},\"spec\":{},\"status\":{\"phase\":"
                   "\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"%s\","
                   "\"lastTransitionTime\":\"2026-01-01T00:00:10Z\"}]}}",
                   ordinal, ordinal, ordinal, revision, is_ready ? "True" : "False");
    return object_of(KIND_POD, text);
}

static void put(struct set_members *m, const struct object *set, struct object *pod, int ordinal)
{
    members_put(m, set, pod, ordinal);
    object_unref(pod);
}

static void r26_kept_pods_are_those_of_a_full_look(void **state)
{
    (void)state;
    static const char *const revisions[] = {"web-a", "web-b", "web-c"};
    random_seed(7);
    AUTO_OBJECT set = the_set(0);
    struct object *now[ORDINALS] = {0};
    struct set_members *kept = members_new();
    for (int round = 0; round < 400; round++) {
        for (uint64_t i = random_below(6) + 1; i-- > 0;) {
            int o = (int)random_below(ORDINALS);
            members_drop(kept, o);
            object_unref(now[o]);
            now[o] = random_below(3) == 0
                         ? NULL
                         : pod_of(o, revisions[random_below(3)], random_below(2) == 0);
            if (now[o])
                members_put(kept, set, now[o], o);
            members_settle(kept);
        }
        struct set_members *fresh = members_new();
        for (int o = ORDINALS; o-- > 0;)
            if (now[o])
                members_put(fresh, set, now[o], o);
        members_settle(fresh);
        assert_true(members_equal(kept, fresh));
        for (int o = 0; o < ORDINALS; o++) {
            const struct set_member *member = members_find(kept, o);
            assert_ptr_equal(member ? member->object : NULL, now[o]);
        }
        members_free(fresh);
    }
    for (int o = 0; o < ORDINALS; o++)
        object_unref(now[o]);
    members_free(kept);
}

static void r57_a_revision_lives_as_long_as_its_last_pod(void **state)
{
    (void)state;
    AUTO_OBJECT set = the_set(0);
    struct set_members *m = members_new();
    put(m, set, pod_of(1, "web-a", true), 1);
    put(m, set, pod_of(0, "web-a", true), 0);
    put(m, set, pod_of(2, "web-b", true), 2);
    members_settle(m);
    members_mark(m, set, 0, "web-a", "web-b");
    assert_true(m->pods[0].is_current && m->pods[1].is_current && !m->pods[2].is_current);
    assert_true(!m->pods[0].is_update && m->pods[2].is_update);
    put(m, set, pod_of(0, "web-b", true), 0);
    members_settle(m);
    assert_true(members_have_revision(m, "web-a"));
    members_drop(m, 1);
    members_settle(m);
    assert_false(members_have_revision(m, "web-a"));
    assert_int_equal(m->count, 2);
    members_free(m);
}

static void r31_available_follows_the_clock(void **state)
{
    (void)state;
    AUTO_OBJECT set = the_set(5);
    struct set_members *m = members_new();
    put(m, set, pod_of(0, "web-a", true), 0);
    put(m, set, pod_of(1, "web-a", false), 1);
    members_settle(m);
    int64_t at_us = m->pods[0].available_at_us;
    members_mark(m, set, at_us - 1, "web-a", "web-a");
    assert_false(m->pods[0].available);
    members_mark(m, set, at_us, "web-a", "web-a");
    assert_true(m->pods[0].available);
    assert_false(m->pods[1].available);
    members_free(m);
}

static void r26_what_changed_is_told_once_and_in_order(void **state)
{
    (void)state;
    struct set_members *m = members_new();
    size_t count = 0;
    m->is_known = true;
    static const int32_t noted[] = {5, 5, 2, 5, 0};
    for (size_t i = 0; i < ARRAY_SIZE(noted); i++)
        members_note(m, noted[i]);
    int32_t *changed = members_take_changed(m, &count);
    assert_int_equal(count, 3);
    assert_true(changed[0] == 0 && changed[1] == 2 && changed[2] == 5);
    free(changed);
    free(members_take_changed(m, &count));
    assert_int_equal(count, 0);
    members_note(m, -1); /* a name without ordinal: all are looked at */
    assert_false(m->is_known);
    m->is_known = true;
    for (int32_t i = 0; i < 1000; i++) /* more than it is worth remembering */
        members_note(m, i);
    assert_false(m->is_known);
    members_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r26_kept_pods_are_those_of_a_full_look),
        cmocka_unit_test(r57_a_revision_lives_as_long_as_its_last_pod),
        cmocka_unit_test(r31_available_follows_the_clock),
        cmocka_unit_test(r26_what_changed_is_told_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
