/* R91-R98 and S61-S65, S76, S77 on the pure planner: tables, and a seeded walk with invariants
 * after every step. */
#include "controller/reconcile/endpoints_plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/random.h"

#define PODS   400
#define SLICES 600

/* What the store would hold: slices as the applier writes them. */
struct world {
    struct arena arena; /* everything; grows until the test ends */
    struct slice_view slices[SLICES];
    bool is_stale[SLICES];
    size_t slice_count;
    struct endpoint_pod pods[PODS];
    size_t pod_count;
    struct port_view ports[3];
    size_t port_count;
    const char *families[2];
    size_t family_count;
    bool publish_not_ready;
    size_t created, updated, deleted; /* by the last step */
};

static const char *const no_family[1] = {""};

static struct slice_view slice_of_step(struct world *w, const struct slice_step *step)
{
    struct endpoint_view *endpoints =
        arena_alloc(&w->arena, (step->endpoint_count + 1) * sizeof *endpoints);
    for (size_t i = 0; i < step->endpoint_count; i++) {
        const struct plan_endpoint *e = step->endpoints[i];
        const char **addresses = arena_alloc(&w->arena, e->address_count * sizeof(char *));
        for (size_t k = 0; k < e->address_count; k++)
            addresses[k] = arena_strdup(&w->arena, e->addresses[k]);
        endpoints[i] = (struct endpoint_view){.addresses = addresses,
                                              .address_count = e->address_count,
                                              .hostname = arena_strdup(&w->arena, e->hostname),
                                              .ready = e->ready,
                                              .serving = e->serving,
                                              .terminating = e->terminating,
                                              .target_kind = "Pod",
                                              .target_ns = "default",
                                              .target_name = arena_strdup(&w->arena, e->pod->name),
                                              .target_uid = arena_strdup(&w->arena, e->pod->uid),
                                              .node = e->pod->node,
                                              .zone = e->pod->zone};
    }
    return (struct slice_view){
        .service = "kubia",
        .managed_by = "endpointslice-controller.k8s.io",
        .address_type = step->family,
        .ports = step->port_count
                     ? arena_dup(&w->arena, step->ports, step->port_count * sizeof *step->ports)
                     : NULL,
        .port_count = step->port_count,
        .endpoints = endpoints,
        .endpoint_count = step->endpoint_count};
}

/* Plans and carries out; returns the number of writes. */
static size_t sync_world(struct world *w)
{
    struct endpoint_slice slices[SLICES];
    for (size_t i = 0; i < w->slice_count; i++)
        slices[i] = (struct endpoint_slice){.view = &w->slices[i], .is_stale = w->is_stale[i]};
    struct endpoints_view view = {.ns = "default",
                                  .name = "kubia",
                                  .ports = w->ports,
                                  .port_count = w->port_count,
                                  .families = w->family_count ? w->families : no_family,
                                  .family_count = w->family_count,
                                  .publish_not_ready = w->publish_not_ready,
                                  .pods = w->pods,
                                  .pod_count = w->pod_count,
                                  .slices = slices,
                                  .slice_count = w->slice_count};
    struct endpoints_plan plan;
    endpoints_plan(&view, &w->arena, &plan);
    bool gone[SLICES] = {false};
    size_t had = w->slice_count;
    w->created = w->updated = w->deleted = 0;
    for (size_t i = 0; i < plan.count; i++) {
        const struct slice_step *step = &plan.steps[i];
        switch (step->action) {
        case SLICE_CREATE:
            assert_true(w->slice_count < SLICES);
            w->is_stale[w->slice_count] = false;
            w->slices[w->slice_count++] = slice_of_step(w, step);
            w->created++;
            break;
        case SLICE_UPDATE:
            assert_true(step->slice < had);
            assert_string_equal(w->slices[step->slice].address_type, step->family);
            w->slices[step->slice] = slice_of_step(w, step);
            w->is_stale[step->slice] = false;
            w->updated++;
            break;
        case SLICE_DELETE:
            assert_false(gone[step->slice]);
            gone[step->slice] = true;
            w->deleted++;
            break;
        }
    }
    size_t n = 0;
    for (size_t i = 0; i < w->slice_count; i++)
        if (!gone[i]) {
            w->slices[n] = w->slices[i];
            w->is_stale[n++] = w->is_stale[i];
        }
    w->slice_count = n;
    return plan.count;
}

static struct world *world_new(size_t pods)
{
    struct world *w = xcalloc(1, sizeof *w);
    arena_init(&w->arena);
    w->families[0] = "IPv4";
    w->family_count = 1;
    w->ports[0] = (struct port_view){
        .name = "http", .protocol = "TCP", .port = 80, .target = "", .app_protocol = ""};
    w->port_count = 1;
    for (size_t i = 0; i < pods; i++) {
        const char **ips = arena_alloc(&w->arena, 2 * sizeof(char *));
        ips[0] = arena_printf(&w->arena, "10.244.%zu.%zu", i / 200, i % 200 + 2);
        ips[1] = arena_printf(&w->arena, "fd00:244::%zx", i + 2);
        const char *name = arena_printf(&w->arena, "kubia-%zu", i);
        w->pods[i] = (struct endpoint_pod){.name = name,
                                           .uid = arena_printf(&w->arena, "uid-%zu", i),
                                           .node = "node1",
                                           .zone = "",
                                           .hostname = name,
                                           .subdomain = "kubia",
                                           .ips = ips,
                                           .ip_count = 2,
                                           .is_ready = true};
    }
    w->pod_count = pods;
    return w;
}

static void world_free(struct world *w)
{
    arena_fini(&w->arena);
    free(w);
}

static const struct endpoint_view *find_endpoint(const struct world *w, const char *pod,
                                                 const char *family)
{
    for (size_t i = 0; i < w->slice_count; i++)
        for (size_t k = 0; k < w->slices[i].endpoint_count; k++)
            if (strcmp(w->slices[i].endpoints[k].target_name, pod) == 0 &&
                strcmp(w->slices[i].address_type, family) == 0)
                return &w->slices[i].endpoints[k];
    return NULL;
}

static void s61_the_slice_carries_the_service_port_not_the_containers(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    struct port_view container = {.name = "web", .protocol = "TCP", .port = 8080, .target = ""};
    w->pods[0].ports = &container;
    w->pods[0].port_count = 1;
    static const struct {
        const char *target;
        uint16_t want; /* 0: the port is lost (R96) */
    } rows[] = {{"", 80}, {"8080", 8080}, {"web", 8080}, {"none", 0}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        w->ports[0].target = rows[i].target;
        (void)sync_world(w);
        assert_int_equal(w->slice_count, 1);
        assert_int_equal(w->slices[0].endpoint_count, 1);
        assert_int_equal(w->slices[0].port_count, rows[i].want ? 1 : 0);
        if (rows[i].want) {
            assert_int_equal(w->slices[0].ports[0].port, rows[i].want);
            assert_string_equal(w->slices[0].ports[0].name, "http");
        }
        assert_int_equal(sync_world(w), 0);
    }
    /* appProtocol goes along, and a change of it alone is a change. */
    w->ports[0].target = "";
    w->ports[0].app_protocol = "kubernetes.io/h2c";
    (void)sync_world(w);
    assert_string_equal(w->slices[0].ports[0].app_protocol, "kubernetes.io/h2c");
    assert_int_equal(sync_world(w), 0);
    /* A named target needs an equal protocol. */
    w->ports[0].target = "web";
    container.protocol = "UDP";
    (void)sync_world(w);
    assert_int_equal(w->slices[0].port_count, 0);
    world_free(w);
}

static void r93_conditions_follow_readiness_deletion_and_publishing(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 8; bits++) {
        struct world *w = world_new(1);
        w->pods[0].is_ready = bits & 1U;
        w->pods[0].is_terminating = bits & 2U;
        w->publish_not_ready = bits & 4U;
        (void)sync_world(w);
        const struct endpoint_view *e = &w->slices[0].endpoints[0];
        assert_int_equal(e->serving, (bits & 1U) != 0);
        assert_int_equal(e->terminating, (bits & 2U) != 0);
        assert_int_equal(e->ready, (bits & 4U) || ((bits & 1U) && !(bits & 2U)));
        world_free(w);
    }
}

static void r92_only_living_pods_with_an_address_on_a_known_node_are_endpoints(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    w->pods[0].is_finished = true;
    w->pods[1].ip_count = 0;
    w->pods[2].node_missing = true;
    (void)sync_world(w);
    assert_null(find_endpoint(w, "kubia-0", "IPv4"));
    assert_null(find_endpoint(w, "kubia-1", "IPv4"));
    assert_null(find_endpoint(w, "kubia-2", "IPv4"));
    assert_non_null(find_endpoint(w, "kubia-3", "IPv4"));
    w->publish_not_ready = true;
    assert_int_equal(sync_world(w), 1);
    assert_non_null(find_endpoint(w, "kubia-2", "IPv4"));
    world_free(w);
}

static void r94_only_the_governing_service_gives_a_hostname(void **state)
{
    (void)state;
    static const struct {
        const char *hostname, *subdomain, *want;
    } rows[] = {{"kubia-0", "kubia", "kubia-0"},
                {"kubia-0", "other", ""},
                {"kubia-0", "", ""},
                {"", "kubia", ""}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct world *w = world_new(1);
        w->pods[0].hostname = rows[i].hostname;
        w->pods[0].subdomain = rows[i].subdomain;
        (void)sync_world(w);
        assert_string_equal(w->slices[0].endpoints[0].hostname, rows[i].want);
        world_free(w);
    }
}

static void s62_an_address_that_changes_in_place_is_one_update(void **state)
{
    (void)state;
    struct world *w = world_new(250);
    (void)sync_world(w);
    static const char *const ips[] = {"10.244.9.9"};
    w->pods[120].ips = ips;
    w->pods[120].ip_count = 1;
    assert_int_equal(sync_world(w), 1);
    assert_int_equal(w->updated, 1);
    assert_string_equal(find_endpoint(w, "kubia-120", "IPv4")->addresses[0], "10.244.9.9");
    world_free(w);
}

static void s76_a_dual_stack_service_has_one_slice_for_each_family(void **state)
{
    (void)state;
    struct world *w = world_new(2);
    w->families[1] = "IPv6";
    w->family_count = 2;
    (void)sync_world(w);
    assert_int_equal(w->slice_count, 2);
    assert_string_equal(find_endpoint(w, "kubia-1", "IPv4")->addresses[0], "10.244.0.3");
    assert_string_equal(find_endpoint(w, "kubia-1", "IPv6")->addresses[0], "fd00:244::3");
    w->family_count = 1;
    assert_int_equal(sync_world(w), 1);
    assert_int_equal(w->deleted, 1);
    assert_null(find_endpoint(w, "kubia-1", "IPv6"));
    world_free(w);
}

static void s77_250_pods_make_three_slices(void **state)
{
    (void)state;
    struct world *w = world_new(250);
    (void)sync_world(w);
    assert_int_equal(w->slice_count, 3);
    assert_int_equal(w->created, 3);
    assert_int_equal(sync_world(w), 0);
    world_free(w);
}

/* Pods come in batches of any size: slices fill up all the same. */
static void s77_holds_for_slices_that_grew_in_steps(void **state)
{
    (void)state;
    for (size_t step = 1; step < 130; step++) {
        struct world *w = world_new(250);
        for (w->pod_count = 0; w->pod_count < 250;) {
            w->pod_count = w->pod_count + step < 250 ? w->pod_count + step : 250;
            (void)sync_world(w);
        }
        assert_int_equal(w->slice_count, 3);
        world_free(w);
    }
}

static void r97_changes_touch_few_slices(void **state)
{
    (void)state;
    struct world *w = world_new(251);
    w->pod_count = 250;
    (void)sync_world(w);
    /* One more: into the one that has room. */
    w->pod_count = 251;
    assert_int_equal(sync_world(w), 1);
    assert_int_equal(w->updated, 1);
    /* One goes and another comes: the slice that is written anyway takes it. */
    w->pods[10].uid = "uid-new";
    assert_int_equal(sync_world(w), 1);
    assert_int_equal(w->updated, 1);
    /* Stale labels alone are one update (R98). */
    w->is_stale[1] = true;
    assert_int_equal(sync_world(w), 1);
    assert_int_equal(sync_world(w), 0);
    world_free(w);
}

static void r97_without_endpoints_one_placeholder_stays(void **state)
{
    (void)state;
    struct world *w = world_new(150);
    w->pod_count = 0;
    assert_int_equal(sync_world(w), 1);
    assert_int_equal(w->slices[0].endpoint_count, 0);
    assert_int_equal(w->slices[0].port_count, 0);
    assert_int_equal(sync_world(w), 0);
    w->pod_count = 150;
    (void)sync_world(w);
    assert_int_equal(w->updated, 1); /* the placeholder is used */
    assert_int_equal(w->created, 1);
    w->pod_count = 0;
    (void)sync_world(w);
    assert_int_equal(w->slice_count, 1);
    assert_int_equal(w->slices[0].endpoint_count, 0);
    assert_int_equal(sync_world(w), 0);
    world_free(w);
}

static void r96_a_headless_service_without_ports_has_slices_without_ports(void **state)
{
    (void)state;
    struct world *w = world_new(3);
    w->port_count = 0;
    (void)sync_world(w);
    assert_int_equal(w->slice_count, 1);
    assert_int_equal(w->slices[0].port_count, 0);
    assert_int_equal(w->slices[0].endpoint_count, 3);
    assert_int_equal(sync_world(w), 0);
    world_free(w);
}

/* Every pod in exactly the slices it belongs to, none twice, none too large, families and ports as
 * they must be. */
static void check_invariants(const struct world *w)
{
    for (size_t f = 0; f < w->family_count; f++) {
        size_t seen = 0, want = 0, slices = 0;
        for (size_t i = 0; i < w->slice_count; i++) {
            const struct slice_view *s = &w->slices[i];
            if (strcmp(s->address_type, w->families[f]) != 0)
                continue;
            slices++;
            assert_true(s->endpoint_count <= ENDPOINTS_PER_SLICE);
            seen += s->endpoint_count;
        }
        assert_true(slices >= 1);
        for (size_t i = 0; i < w->pod_count; i++) {
            const struct endpoint_pod *p = &w->pods[i];
            bool is_in =
                !p->is_finished && p->ip_count == 2 && (!p->node_missing || w->publish_not_ready);
            const struct endpoint_view *e = find_endpoint(w, p->name, w->families[f]);
            assert_int_equal(e != NULL, is_in);
            want += is_in;
            if (is_in) {
                assert_int_equal(e->serving, p->is_ready);
                assert_string_equal(e->target_uid, p->uid);
                assert_string_equal(e->addresses[0], p->ips[f]);
            }
        }
        assert_int_equal(seen, want);
        if (want > 0)
            for (size_t i = 0; i < w->slice_count; i++)
                assert_true(w->slices[i].endpoint_count > 0 ||
                            strcmp(w->slices[i].address_type, w->families[f]) != 0);
    }
}

static void change_something(struct world *w, size_t step)
{
    struct endpoint_pod *p = &w->pods[random_below(w->pod_count)];
    switch (random_below(9)) {
    case 0:
        p->is_ready = !p->is_ready;
        break;
    case 1:
        p->is_terminating = !p->is_terminating;
        break;
    case 2:
        p->is_finished = random_below(4) == 0;
        break;
    case 3:
        p->ip_count = random_below(4) == 0 ? 0 : 2;
        break;
    case 4:
        p->uid = arena_printf(&w->arena, "uid-again-%zu", step);
        break;
    case 5:
        w->pod_count = 1 + (size_t)random_below(PODS);
        break;
    case 6:
        w->publish_not_ready = random_below(2);
        break;
    case 7:
        p->node_missing = random_below(3) == 0;
        break;
    default:
        w->family_count = 1 + (size_t)random_below(2);
        w->ports[0].target = random_below(3) == 0 ? "web" : "";
        break;
    }
}

static void invariants_hold_over_a_long_walk(void **state)
{
    (void)state;
    random_seed(42);
    struct world *w = world_new(PODS);
    static const struct port_view one = {
        .name = "web", .protocol = "TCP", .port = 8080, .target = ""};
    static const struct port_view other = {
        .name = "web", .protocol = "TCP", .port = 9090, .target = ""};
    for (size_t i = 0; i < PODS; i++) {
        w->pods[i].ports = i % 3 == 0 ? &one : &other;
        w->pods[i].port_count = i % 7 != 0;
    }
    w->families[1] = "IPv6";
    for (size_t step = 0; step < 600; step++) {
        (void)sync_world(w);
        check_invariants(w);
        assert_int_equal(sync_world(w), 0); /* unchanged input writes nothing */
        change_something(w, step);
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(s61_the_slice_carries_the_service_port_not_the_containers),
        cmocka_unit_test(r93_conditions_follow_readiness_deletion_and_publishing),
        cmocka_unit_test(r92_only_living_pods_with_an_address_on_a_known_node_are_endpoints),
        cmocka_unit_test(r94_only_the_governing_service_gives_a_hostname),
        cmocka_unit_test(s62_an_address_that_changes_in_place_is_one_update),
        cmocka_unit_test(s76_a_dual_stack_service_has_one_slice_for_each_family),
        cmocka_unit_test(s77_250_pods_make_three_slices),
        cmocka_unit_test(s77_holds_for_slices_that_grew_in_steps),
        cmocka_unit_test(r97_changes_touch_few_slices),
        cmocka_unit_test(r97_without_endpoints_one_placeholder_stays),
        cmocka_unit_test(r96_a_headless_service_without_ports_has_slices_without_ports),
        cmocka_unit_test(invariants_hold_over_a_long_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
