/* Slices of a Service whose pods change one at a time: whether the controller looks at a few pods
 * or at all of them, the slices come out right (R91-R97). */
#include "controller/reconcile/reconcile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/reconcile/keymap.h"
#include "tests/scenario/world.h"

static const char single[] =
    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"kubia\"},\"spec\":{"
    "\"clusterIP\":\"None\",\"selector\":{\"app\":\"kubia\"},"
    "\"ports\":[{\"name\":\"http\",\"port\":80}]}}";

/* Both families, and a port that pods have under different numbers. */
static const char dual[] =
    "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"kubia\"},\"spec\":{"
    "\"clusterIP\":\"None\",\"selector\":{\"app\":\"kubia\"},\"ipFamilyPolicy\":"
    "\"RequireDualStack\","
    "\"ipFamilies\":[\"IPv4\",\"IPv6\"],"
    "\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":\"web\"}]}}";

static void start(struct world *w, const char *service)
{
    world_defaults(w);
    world_start(w);
    assert_int_equal(
        world_apply_text(
            w, "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n1\"}}"),
        0);
    assert_int_equal(world_apply_text(w, "%s", service), 0);
}

static void add_pod(struct world *w, const char *name, unsigned port)
{
    assert_int_equal(
        world_apply_text(w,
                         "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\","
                         "\"labels\":{\"app\":\"kubia\"}},\"spec\":{\"nodeName\":\"n1\","
                         "\"hostname\":\"%s\",\"subdomain\":\"kubia\",\"containers\":[{\"name\":"
                         "\"c\",\"image\":\"i\",\"ports\":[{\"name\":\"web\",\"containerPort\":"
                         "%u}]}]}}",
                         name, name, port),
        0);
}

/* The node's report; ip NULL: the addresses stay. */
static void report(struct world *w, const char *name, const char *ip, const char *ip6,
                   bool is_ready)
{
    struct world_ready ready = {.ip = ip, .ip6 = ip6, .is_ready = is_ready};
    const struct verb_key key = {KIND_POD, "default", name};
    (void)world_update(w, &key, SUB_STATUS, world_change_ready, &ready);
}

static int set_label(cJSON *tree, void *arg, struct err *e)
{
    (void)e;
    json_set_str(json_obj(json_get(tree, "metadata"), "labels"), "app", arg);
    return 0;
}

static const char *address_of(const struct object *pod, bool is_v6)
{
    const struct pod_view *v = pod_view(pod);
    for (size_t i = 0; i < v->ip_count; i++)
        if ((strchr(v->ips[i], ':') != NULL) == is_v6)
            return v->ips[i];
    return NULL;
}

/* Every pod that must be there is there once, as it is, with its port; nothing else. Returns the
 * number of slices that hold an endpoint. */
static size_t check_family(const struct world *w, bool is_v6)
{
    struct store_view view = store_applied(w->store);
    struct view_cursor cur;
    struct keymap seen = {0};
    size_t want = 0, slices = 0;
    for (view_seek(&cur, &view, KIND_SLICE, NULL, NULL); cur.object; view_next(&cur)) {
        const struct slice_view *s = slice_view(cur.object);
        if ((strcmp(s->address_type, "IPv6") == 0) != is_v6)
            continue;
        slices += s->endpoint_count > 0;
        for (size_t i = 0; i < s->endpoint_count; i++) {
            const struct endpoint_view *e = &s->endpoints[i];
            const struct object *pod = view_find(&view, KIND_POD, "default", e->target_name);
            assert_non_null(pod);
            assert_false(keymap_has(&seen, e->target_name));
            (void)keymap_put(&seen, e->target_name);
            assert_string_equal(pod->uid, e->target_uid);
            assert_string_equal(address_of(pod, is_v6), e->addresses[0]);
            assert_int_equal(e->serving, pod_view(pod)->ready);
            assert_int_equal(e->terminating, pod->deleted_us != 0);
            if (strcmp(
                    service_view(world_find(w, KIND_SERVICE, "default", "kubia"))->ports[0].target,
                    "web") == 0)
                assert_int_equal(s->ports[0].port, pod_view(pod)->ports[0].port);
        }
    }
    for (view_seek(&cur, &view, KIND_POD, NULL, NULL); cur.object; view_next(&cur))
        want +=
            address_of(cur.object, is_v6) && strcmp(object_label(cur.object, "app"), "kubia") == 0;
    assert_int_equal(seen.count, want);
    keymap_fini(&seen);
    return slices;
}

static void change_a_pod(struct world *w, bool is_dual, bool may_go)
{
    static char yes[] = "kubia", no[] = "other";
    char name[24], ip[40], ip6[40];
    uint64_t i = random_below(130);
    (void)snprintf(name, sizeof name, "kubia-%d", (int)i);
    (void)snprintf(ip, sizeof ip, "10.1.%d.%d", (int)random_below(200), (int)i + 1);
    (void)snprintf(ip6, sizeof ip6, "fd00:1::%x:%x", (unsigned)random_below(200), (unsigned)i + 1);
    const char *second = is_dual && random_below(3) > 0 ? ip6 : NULL;
    const struct verb_key key = {KIND_POD, "default", name};
    if (!world_find(w, KIND_POD, "default", name)) {
        add_pod(w, name, is_dual && random_below(4) == 0 ? 8081 : 8080);
        report(w, name, ip, second, true);
        return;
    }
    if (!may_go)
        return;
    switch (random_below(6)) {
    case 0:
        report(w, name, NULL, NULL, true);
        break;
    case 1:
        report(w, name, NULL, NULL, false);
        break;
    case 2:
        report(w, name, ip, second, true);
        break;
    case 3:
        (void)world_update(w, &key, SUB_NONE, set_label, random_below(2) ? yes : no);
        break;
    case 4:
        (void)world_delete(w, KIND_POD, "default", name);
        break;
    default:
        (void)world_delete_as(w, ROLE_NODE, "n1", KIND_POD, "default", name, 0);
        break;
    }
}

static void r97_slices_follow_single_pods_among_many(void **state)
{
    (void)state;
    struct world w;
    start(&w, single);
    for (int step = 0; step < 1500; step++) {
        change_a_pod(&w, false, step > 300);
        (void)check_family(&w, false); /* in the same commit */
    }
    world_stop(&w);
}

static void r97_so_they_do_in_two_families_and_with_ports_that_differ(void **state)
{
    (void)state;
    struct world w;
    start(&w, dual);
    for (int step = 0; step < 1500; step++) {
        change_a_pod(&w, true, step > 300);
        (void)check_family(&w, false);
        (void)check_family(&w, true);
    }
    world_stop(&w);
}

/* A hundred pods of one family fill a slice; a pod of theirs gets its second address later, beside
 * pods whose first is in another slice. */
static void r95_a_pod_stays_where_it_is_when_its_neighbour_of_the_other_family_changes(void **state)
{
    (void)state;
    struct world w;
    start(&w, dual);
    for (int i = 0; i < 102; i++) {
        char name[24], ip[40], ip6[40];
        (void)snprintf(name, sizeof name, "kubia-%d", i);
        (void)snprintf(ip, sizeof ip, "10.1.0.%d", i + 1);
        (void)snprintf(ip6, sizeof ip6, "fd00:1::%d", i + 1);
        add_pod(&w, name, 8080);
        report(&w, name, ip, i < 100 ? NULL : ip6, true);
    }
    report(&w, "kubia-0", "10.1.0.1", "fd00:1::1", true);
    report(&w, "kubia-100", NULL, NULL, false);
    assert_int_equal(check_family(&w, false), 2);
    assert_int_equal(check_family(&w, true), 1);
    world_stop(&w);
}

/* Pods come back with another port, one by one: they join the slice of that port. */
static void r97_slices_of_equal_ports_are_filled_not_made_anew(void **state)
{
    (void)state;
    struct world w;
    start(&w, dual);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 3; i++) {
            char name[24], ip[40];
            (void)snprintf(name, sizeof name, "kubia-%d", i);
            (void)snprintf(ip, sizeof ip, "10.1.%d.%d", round, i + 1);
            if (round)
                (void)world_delete_as(&w, ROLE_NODE, "n1", KIND_POD, "default", name, 0);
            add_pod(&w, name, i == 0 || round ? 8080 : 8081);
            report(&w, name, ip, NULL, true);
            (void)check_family(&w, false);
        }
    assert_int_equal(check_family(&w, false), 1);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(r97_slices_follow_single_pods_among_many),
        cmocka_unit_test(r97_so_they_do_in_two_families_and_with_ports_that_differ),
        cmocka_unit_test(
            r95_a_pod_stays_where_it_is_when_its_neighbour_of_the_other_family_changes),
        cmocka_unit_test(r97_slices_of_equal_ports_are_filled_not_made_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
