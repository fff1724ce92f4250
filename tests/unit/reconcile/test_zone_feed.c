/* The feed over a memory store: every commit is one version, and what it changed is what look-ups
 * see (K-FRESH, K-REUSE, K-SERIAL). Objects are put as they are, without the registry. */
#include "controller/reconcile/zone_feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/scenario/world.h"

struct bench {
    struct world w; /* without registry and reconcilers */
    struct zone_feed *feed;
    struct store_unit *unit;
};

static void bench_feed(struct bench *b)
{
    static struct naming_address ns;
    (void)naming_address_parse("192.0.2.53", &ns);
    b->w.zones_opts.ns_addresses = &ns;
    b->w.zones_opts.ns_address_count = 1;
    WORLD_MUST(zones_new(&b->w.zones_opts, 1, &b->w.zones, e));
    b->feed = zone_feed_new(b->w.loop, b->w.store, b->w.zones);
}

static struct bench *bench_new(void)
{
    struct bench *b = xcalloc(1, sizeof *b);
    world_defaults(&b->w);
    clock_fake(INT64_C(1795000000) * SECOND, 1000 * SECOND);
    random_seed(1);
    b->w.loop = loop_new_fake();
    const struct store_opts opts = {
        .memory = true, .history_us = 600 * SECOND, .history_bytes = 1 << 22};
    WORLD_MUST(store_open(&opts, b->w.loop, &b->w.store, e));
    bench_feed(b);
    return b;
}

static void bench_unfeed(struct bench *b)
{
    zone_feed_free(b->feed);
    while (zones_reclaim(b->w.zones)) {
    }
    zones_free(b->w.zones);
}

static void bench_free(struct bench *b)
{
    bench_unfeed(b);
    store_close(b->w.store);
    loop_free(b->w.loop);
    clock_real();
    free(b);
}

/* Into the open unit; bench_commit makes it durable. */
static void put(struct bench *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct bench *b, const char *format, ...)
{
    struct buf_out text;
    buf_out_init(&text);
    va_list args;
    va_start(args, format);
    buf_vprintf(&text, format, args);
    va_end(args);
    struct err e = {0};
    cJSON *tree = json_parse(text.data, text.len, &e);
    assert_non_null(tree);
    const struct kind *kind =
        kind_by_name(json_str(tree, "apiVersion", "v1"), json_str(tree, "kind", ""));
    assert_non_null(kind);
    cJSON *metadata = json_obj(tree, "metadata");
    if (!json_get(metadata, "uid")) {
        char uid[UUID_TEXT_SIZE];
        random_uuid(uid);
        json_set_str(metadata, "uid", uid);
    }
    if (!b->unit)
        b->unit = store_unit_new(b->w.store);
    struct object *obj = NULL;
    if (object_new(kind, tree, &obj, &e) < 0)
        fail_msg("%s", e.text);
    store_unit_put(b->unit, obj, store_unit_find(b->unit, kind->id, obj->ns, obj->name));
    cJSON_Delete(tree);
    buf_out_fini(&text);
}

static void del(struct bench *b, enum kind_id kind, const char *ns, const char *name)
{
    if (!b->unit)
        b->unit = store_unit_new(b->w.store);
    const struct object *obj = store_unit_find(b->unit, kind, ns, name);
    assert_non_null(obj);
    store_unit_delete(b->unit, obj);
}

static void bench_commit(struct bench *b)
{
    struct verb v = {.unit = TAKE(b->unit)};
    assert_int_equal(world_write(&b->w, &v, 0), 0);
}

#define EXPECT(b, name, type, want)                                                                \
    do {                                                                                           \
        char *got_ = world_query(&(b)->w, name ".cluster.local", type);                            \
        assert_string_equal(got_, want);                                                           \
        free(got_);                                                                                \
    } while (0)
#define EXPECT_PTR(b, name, want)                                                                  \
    do {                                                                                           \
        char *got_ = world_query(&(b)->w, name, "PTR");                                            \
        assert_string_equal(got_, want);                                                           \
        free(got_);                                                                                \
    } while (0)

static uint32_t serial(const struct bench *b, const char *zone)
{
    for (size_t i = 0; i < zones_serial_count(b->w.zones); i++) {
        char name[NAME_TEXT_MAX];
        uint32_t value = 0;
        zones_serial_get(b->w.zones, i, name, &value);
        if (strcmp(name, zone) == 0)
            return value;
    }
    fail_msg("no zone %s", zone);
    return 0;
}

#define NS(name) "{\"kind\":\"Namespace\",\"metadata\":{\"name\":\"" name "\"}}"
#define SVC(name, spec)                                                                            \
    "{\"kind\":\"Service\",\"metadata\":{\"name\":\"" name                                         \
    "\",\"namespace\":\"prod\"},\"spec\":{" spec "}}"
#define HEADLESS                                                                                   \
    "\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"],\"ports\":[{\"name\":\"pg\",\"port\":5432}]"
#define SLICE(name, service, endpoints)                                                            \
    "{\"apiVersion\":\"discovery.k8s.io/"                                                          \
    "v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"" name                               \
    "\",\"namespace\":\"prod\",\"labels\":{\"kubernetes.io/service-name\":\"" service              \
    "\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"pg\",\"port\":15432,\"protocol\":"       \
    "\"TCP\"}],"                                                                                   \
    "\"endpoints\":[" endpoints "]}"
#define EP(ip, host, ready)                                                                        \
    "{\"addresses\":[\"" ip "\"],\"hostname\":\"" host "\",\"conditions\":{\"ready\":" ready "}}"

static void one_version_for_each_commit(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    struct zone_feed_stats before, after;
    zone_feed_stats(b->feed, &before);
    uint64_t version = publish_version(zones_publish(b->w.zones));
    put(b, NS("prod"));
    put(b, SVC("db", HEADLESS));
    put(b, SLICE("db-1", "db",
                 EP("10.244.2.10", "db-0", "true") "," EP("10.244.2.11", "db-1", "true")));
    bench_commit(b);
    zone_feed_stats(b->feed, &after);
    assert_int_equal(after.publishes, before.publishes + 1);
    assert_int_equal(publish_version(zones_publish(b->w.zones)), version + 1);
    EXPECT(b, "db.prod.svc", "A", "NOERROR 10.244.2.10 10.244.2.11");
    EXPECT(b, "db-0.db.prod.svc", "A", "NOERROR 10.244.2.10");
    EXPECT(b, "_pg._tcp.db.prod.svc", "SRV",
           "NOERROR 15432/db-0.db.prod.svc.cluster.local. 15432/db-1.db.prod.svc.cluster.local.");
    /* What no name depends on publishes nothing. */
    put(b, "{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\",\"namespace\":\"prod\"}}");
    bench_commit(b);
    zone_feed_stats(b->feed, &before);
    assert_int_equal(before.publishes, after.publishes);
    bench_free(b);
}

static void an_address_moves_in_one_version(void **state) /* D3, K-REUSE */
{
    (void)state;
    struct bench *b = bench_new();
    put(b, NS("prod"));
    put(b, SVC("db", HEADLESS));
    put(b, SLICE("db-1", "db",
                 EP("10.244.2.10", "db-0", "true") "," EP("10.244.2.11", "db-1", "true")));
    bench_commit(b);
    EXPECT_PTR(b, "10.2.244.10.in-addr.arpa", "NOERROR db-0.db.prod.svc.cluster.local.");
    put(b, SLICE("db-1", "db", EP("10.244.2.10", "db-1", "true")));
    bench_commit(b);
    EXPECT(b, "db-0.db.prod.svc", "A", "NXDOMAIN soa");
    EXPECT(b, "db-1.db.prod.svc", "A", "NOERROR 10.244.2.10");
    EXPECT_PTR(b, "10.2.244.10.in-addr.arpa", "NOERROR db-1.db.prod.svc.cluster.local.");
    EXPECT_PTR(b, "11.2.244.10.in-addr.arpa", "NXDOMAIN soa");
    bench_free(b);
}

static void slices_come_before_their_service_and_stay_after_it(void **state) /* D5, D6, K-READY 1 */
{
    (void)state;
    struct bench *b = bench_new();
    put(b, NS("prod"));
    put(b, SLICE("db-1", "db", EP("10.244.2.10", "db-0", "true")));
    bench_commit(b);
    EXPECT(b, "db-0.db.prod.svc", "A", "NXDOMAIN soa");
    put(b, SVC("db", HEADLESS));
    bench_commit(b);
    EXPECT(b, "db-0.db.prod.svc", "A", "NOERROR 10.244.2.10");
    del(b, KIND_SERVICE, "prod", "db");
    bench_commit(b);
    EXPECT(b, "db-0.db.prod.svc", "A", "NXDOMAIN soa");
    EXPECT_PTR(b, "10.2.244.10.in-addr.arpa", "NXDOMAIN soa");
    put(b, SVC("db", HEADLESS));
    bench_commit(b);
    del(b, KIND_SLICE, "prod", "db-1");
    bench_commit(b);
    EXPECT(b, "db.prod.svc", "A", "NXDOMAIN soa");
    bench_free(b);
}

static void a_slice_that_changes_its_service_leaves_the_old_one(void **state)
{
    (void)state;
    struct bench *b = bench_new();
    put(b, NS("prod"));
    put(b, SVC("db", HEADLESS));
    put(b, SVC("other", HEADLESS));
    put(b, SLICE("db-1", "db", EP("10.244.2.10", "db-0", "true")));
    bench_commit(b);
    put(b, SLICE("db-1", "other", EP("10.244.2.10", "db-0", "true")));
    bench_commit(b);
    EXPECT(b, "db-0.db.prod.svc", "A", "NXDOMAIN soa");
    EXPECT(b, "db-0.other.prod.svc", "A", "NOERROR 10.244.2.10");
    bench_free(b);
}

static void the_namespace_decides_whatever_the_order(void **state) /* D12, D13, K-NSX */
{
    (void)state;
    struct bench *b = bench_new();
    put(b, SVC("db", HEADLESS));
    put(b, SLICE("db-1", "db", EP("10.244.2.10", "db-0", "true")));
    put(b, "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"prod\"},"
           "\"status\":{\"phase\":\"Running\",\"podIPs\":[{\"ip\":\"10.244.1.10\"}]}}");
    bench_commit(b);
    EXPECT(b, "prod.svc", "A", "NXDOMAIN soa");
    EXPECT(b, "db-0.db.prod.svc", "A", "NXDOMAIN soa");
    EXPECT(b, "10-244-1-10.prod.pod", "A", "NXDOMAIN soa");
    put(b, NS("prod"));
    bench_commit(b);
    EXPECT(b, "prod.svc", "A", "NODATA soa");
    EXPECT(b, "db-0.db.prod.svc", "A", "NOERROR 10.244.2.10");
    EXPECT(b, "10-244-1-10.prod.pod", "A", "NOERROR 10.244.1.10");
    del(b, KIND_NAMESPACE, "", "prod");
    bench_commit(b);
    EXPECT(b, "prod.svc", "A", "NXDOMAIN soa");
    EXPECT(b, "db-0.db.prod.svc", "A", "NXDOMAIN soa");
    EXPECT(b, "10-244-1-10.prod.pod", "A", "NXDOMAIN soa");
    bench_free(b);
}

#define POD(phase, ip)                                                                             \
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"namespace\":\"prod\",\"uid\":\"u1\"},"       \
    "\"status\":{\"phase\":\"" phase "\",\"podIPs\":[{\"ip\":\"" ip "\"}]}}"

static void a_pod_record_lives_until_the_pod_is_finished_or_gone(void **state) /* D22, K-PODS */
{
    (void)state;
    struct bench *b = bench_new();
    put(b, NS("prod"));
    put(b, POD("Running", "10.244.1.10"));
    bench_commit(b);
    EXPECT(b, "10-244-1-10.prod.pod", "A", "NOERROR 10.244.1.10");
    put(b, POD("Running", "10.244.1.11"));
    bench_commit(b);
    EXPECT(b, "10-244-1-10.prod.pod", "A", "NXDOMAIN soa");
    EXPECT(b, "10-244-1-11.prod.pod", "A", "NOERROR 10.244.1.11");
    put(b, POD("Succeeded", "10.244.1.11"));
    bench_commit(b);
    EXPECT(b, "10-244-1-11.prod.pod", "A", "NXDOMAIN soa");
    put(b, POD("Pending", "10.244.1.11"));
    bench_commit(b);
    EXPECT(b, "10-244-1-11.prod.pod", "A", "NOERROR 10.244.1.11");
    del(b, KIND_POD, "prod", "p");
    bench_commit(b);
    EXPECT(b, "10-244-1-11.prod.pod", "A", "NXDOMAIN soa");
    bench_free(b);
}

#define EPOCH_POD(uid, epoch)                                                                      \
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"db-0\",\"namespace\":\"prod\",\"uid\":\"" uid      \
    "\",\"annotations\":{\"ordinald.dev/epoch\":\"" epoch                                          \
    "\"}},\"spec\":{},\"status\":{\"phase\":\"Running\"}}"
#define EPOCH_EP(uid)                                                                              \
    "{\"addresses\":[\"10.244.2.10\"],\"hostname\":\"db-0\",\"targetRef\":{\"kind\":\"Pod\","      \
    "\"namespace\":\"prod\","                                                                      \
    "\"name\":\"db-0\"" uid "}}"

static void the_epoch_is_that_of_the_incarnation_pointed_at(void **state) /* K-EPOCH */
{
    (void)state;
    struct bench *b = bench_new();
    put(b, NS("prod"));
    put(b, SVC("db", HEADLESS));
    put(b, SLICE("db-1", "db", EPOCH_EP(",\"uid\":\"u1\"")));
    put(b, SVC("hand", HEADLESS));
    put(b, SLICE("hand-1", "hand", EPOCH_EP("")));
    bench_commit(b);
    EXPECT(b, "_epoch.db-0.db.prod.svc", "TXT", "NXDOMAIN soa");
    put(b, EPOCH_POD("u1", "3"));
    bench_commit(b);
    EXPECT(b, "_epoch.db-0.db.prod.svc", "TXT", "NOERROR \"epoch=3\"");
    EXPECT(b, "_epoch.db-0.hand.prod.svc", "TXT", "NOERROR \"epoch=3\"");
    /* The next incarnation: an endpoint that names the old one has no epoch, one that names none
     * has the new. */
    del(b, KIND_POD, "prod", "db-0");
    bench_commit(b);
    EXPECT(b, "_epoch.db-0.hand.prod.svc", "TXT", "NXDOMAIN soa");
    put(b, EPOCH_POD("u2", "4"));
    bench_commit(b);
    EXPECT(b, "_epoch.db-0.db.prod.svc", "TXT", "NXDOMAIN soa");
    EXPECT(b, "_epoch.db-0.hand.prod.svc", "TXT", "NOERROR \"epoch=4\"");
    del(b, KIND_SERVICE, "prod", "hand");
    bench_commit(b);
    put(b, EPOCH_POD("u2", "5"));
    bench_commit(b);
    bench_free(b);
}

static void the_epoch_is_that_of_the_namespace_pointed_at(void **state) /* K-EPOCH */
{
    (void)state;
    struct bench *b = bench_new();
    put(b, NS("prod"));
    put(b, NS("other"));
    put(b, SVC("hand", HEADLESS));
    put(b, SLICE("hand-1", "hand",
                 "{\"addresses\":[\"10.244.2.10\"],\"hostname\":\"db-0\",\"targetRef\":{"
                 "\"kind\":\"Pod\",\"namespace\":\"other\",\"name\":\"db-0\"}}"));
    put(b, EPOCH_POD("u1", "3"));
    bench_commit(b);
    EXPECT(b, "_epoch.db-0.hand.prod.svc", "TXT", "NXDOMAIN soa");
    put(b,
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"db-0\",\"namespace\":\"other\",\"uid\":\"u2\","
        "\"annotations\":{\"ordinald.dev/epoch\":\"7\"}},\"spec\":{\"subdomain\":\"hand\"}}");
    bench_commit(b);
    EXPECT(b, "_epoch.db-0.hand.prod.svc", "TXT", "NOERROR \"epoch=7\"");
    del(b, KIND_POD, "other", "db-0");
    bench_commit(b);
    EXPECT(b, "_epoch.db-0.hand.prod.svc", "TXT", "NXDOMAIN soa");
    bench_free(b);
}

static void
serials_move_with_what_is_visible_and_survive_a_restart(void **state) /* D17, D18, K-SERIAL */
{
    (void)state;
    struct bench *b = bench_new();
    put(b, NS("prod"));
    put(b, SVC("db", HEADLESS));
    bench_commit(b);
    uint32_t first = serial(b, "cluster.local."), reverse = serial(b, "244.10.in-addr.arpa.");
    put(b, SLICE("db-1", "db", EP("10.244.2.10", "db-0", "false")));
    bench_commit(b); /* not ready: nothing to be seen */
    assert_int_equal(serial(b, "cluster.local."), first);
    put(b, SLICE("db-1", "db", EP("10.244.2.10", "db-0", "true")));
    bench_commit(b);
    uint32_t second = serial(b, "cluster.local.");
    assert_true(second > first);
    assert_true(serial(b, "244.10.in-addr.arpa.") > reverse);
    put(b, SVC("web", "\"clusterIP\":\"10.96.0.9\",\"clusterIPs\":[\"10.96.0.9\"],\"ports\":[{"
                      "\"port\":80}]"));
    bench_commit(b);
    uint32_t third = serial(b, "cluster.local.");
    assert_true(third > second);
    assert_int_equal(serial(b, "244.10.in-addr.arpa."), second);
    put(b, "{\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\",\"namespace\":\"prod\"}}");
    bench_commit(b); /* the serials are remembered with this commit at the latest */
    bench_unfeed(b);
    bench_feed(b);
    assert_int_equal(serial(b, "cluster.local."), third);
    assert_int_equal(serial(b, "244.10.in-addr.arpa."), second);
    EXPECT(b, "db-0.db.prod.svc", "A", "NOERROR 10.244.2.10");
    bench_free(b);
}

static void duplicates_and_other_address_types_do_no_harm(void **state) /* K-READY 2, 4 */
{
    (void)state;
    struct bench *b = bench_new();
    put(b, NS("prod"));
    put(b, SVC("db", HEADLESS));
    put(b, SLICE("db-1", "db", EP("10.244.2.10", "db-0", "true")));
    put(b, SLICE("db-2", "db",
                 EP("10.244.2.10", "db-0", "true") "," EP("not-an-address", "x", "true")));
    put(b, "{\"apiVersion\":\"discovery.k8s.io/"
           "v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"f\","
           "\"namespace\":\"prod\",\"labels\":{\"kubernetes.io/"
           "service-name\":\"db\"}},\"addressType\":\"FQDN\","
           "\"endpoints\":[{\"addresses\":[\"www.example.com\"]}]}");
    bench_commit(b);
    EXPECT(b, "db.prod.svc", "A", "NOERROR 10.244.2.10");
    EXPECT(b, "x.db.prod.svc", "A", "NXDOMAIN soa");
    /* D14: from one slice to the other in two writes, never absent and never twice. */
    put(b, SLICE("db-2", "db", ""));
    bench_commit(b);
    EXPECT(b, "db-0.db.prod.svc", "A", "NOERROR 10.244.2.10");
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_version_for_each_commit),
        cmocka_unit_test(an_address_moves_in_one_version),
        cmocka_unit_test(slices_come_before_their_service_and_stay_after_it),
        cmocka_unit_test(a_slice_that_changes_its_service_leaves_the_old_one),
        cmocka_unit_test(the_namespace_decides_whatever_the_order),
        cmocka_unit_test(a_pod_record_lives_until_the_pod_is_finished_or_gone),
        cmocka_unit_test(the_epoch_is_that_of_the_incarnation_pointed_at),
        cmocka_unit_test(the_epoch_is_that_of_the_namespace_pointed_at),
        cmocka_unit_test(serials_move_with_what_is_visible_and_survive_a_restart),
        cmocka_unit_test(duplicates_and_other_address_types_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
