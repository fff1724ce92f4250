#include "controller/store/view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"

/* body: the members beside metadata; meta: more members of metadata. */
static struct object *make(enum kind_id kind, const char *meta, const char *body)
{
    char *text = xasprintf("{\"metadata\":{\"name\":\"x\",\"uid\":\"u\"%s%s}%s%s}",
                           kind_get(kind)->namespaced ? ",\"namespace\":\"default\"" : "", meta,
                           *body ? "," : "", body);
    cJSON *tree = json_parse(text, strlen(text), NULL);
    struct object *obj = NULL;
    struct err e = {0};
    assert_non_null(tree);
    if (object_new(kind_get(kind), tree, &obj, &e) < 0)
        fail_msg("%s", e.text);
    cJSON_Delete(tree);
    free(text);
    return obj;
}

static void pod_fields_are_read(void **state)
{
    AUTO_OBJECT obj = make(KIND_POD, ",\"annotations\":{\"ordinald.dev/epoch\":\"12\"}",
                           "\"spec\":{\"nodeName\":\"node1\",\"schedulerName\":\"s\",\"hostname\":"
                           "\"kubia-0\",\"subdomain\":\"kubia\","
                           "\"hostNetwork\":true,\"schedulingGates\":[{\"name\":\"g\"}],"
                           "\"terminationGracePeriodSeconds\":5,"
                           "\"containers\":[{\"ports\":[{\"name\":\"http\",\"containerPort\":8080},"
                           "{\"containerPort\":53,\"protocol\":\"UDP\"}]},"
                           "{}],\"initContainers\":[{\"ports\":[{\"containerPort\":1}]},{"
                           "\"restartPolicy\":\"Always\",\"ports\":"
                           "[{\"containerPort\":2}]}],\"volumes\":[{\"name\":\"tmp\",\"emptyDir\":{"
                           "}},{\"name\":\"data\","
                           "\"persistentVolumeClaim\":{\"claimName\":\"data-kubia-0\"}}]},"
                           "\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.1\",\"podIPs\":[{"
                           "\"ip\":\"10.0.0.1\"},{\"ip\":\"fd00::1\"}],"
                           "\"hostIP\":\"192.0.2.1\",\"startTime\":\"2026-01-02T03:04:05Z\","
                           "\"conditions\":[{\"type\":\"PodScheduled\","
                           "\"status\":\"True\"},{\"type\":\"Ready\",\"status\":\"True\","
                           "\"lastTransitionTime\":\"2026-01-02T03:04:05Z\"}]}");
    (void)state;
    const struct pod_view *v = pod_view(obj);
    assert_int_equal(v->phase, POD_RUNNING);
    assert_true(v->has_phase && v->ready && v->scheduled && v->initialized_by_node &&
                v->host_network && v->is_gated);
    assert_int_equal(v->ready_since_us, INT64_C(1767323045) * 1000000);
    assert_string_equal(v->node, "node1");
    assert_string_equal(v->scheduler, "s");
    assert_string_equal(v->hostname, "kubia-0");
    assert_string_equal(v->subdomain, "kubia");
    assert_int_equal(v->ip_count, 2);
    assert_string_equal(v->ips[1], "fd00::1");
    assert_string_equal(v->host_ip, "192.0.2.1");
    assert_int_equal(v->port_count,
                     3); /* an init container that ends offers none, a sidecar does */
    assert_string_equal(v->ports[0].name, "http");
    assert_string_equal(v->ports[0].protocol, "TCP");
    assert_int_equal(v->ports[1].port, 53);
    assert_string_equal(v->ports[1].protocol, "UDP");
    assert_int_equal(v->ports[2].port, 2);
    assert_int_equal(v->claim_count, 1);
    assert_string_equal(v->claims[0].volume, "data");
    assert_string_equal(v->claims[0].claim, "data-kubia-0");
    assert_int_equal(v->grace_s, 5);
    assert_int_equal(v->epoch, 12);
}

static void absent_pod_fields_have_their_defaults(void **state)
{
    static const char *const bodies[] = {
        "", "\"spec\":{},\"status\":{}", "\"spec\":[],\"status\":\"x\"",
        ("\"spec\":{\"containers\":{},\"volumes\":[1,\"x\"],\"nodeName\":7},"
         "\"status\":{\"phase\":1,\"podIPs\":[1,{}],\"conditions\":{\"type\":\"Ready\"}}")};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        AUTO_OBJECT obj = make(KIND_POD, "", bodies[i]);
        const struct pod_view *v = pod_view(obj);
        assert_int_equal(v->phase, POD_PENDING);
        assert_false(v->has_phase || v->ready || v->scheduled || v->initialized_by_node ||
                     v->is_gated);
        assert_string_equal(v->node, "");
        assert_string_equal(v->hostname, "");
        assert_int_equal(v->ip_count + v->port_count + v->claim_count, 0);
        assert_int_equal(v->grace_s, 30);
        assert_int_equal(v->epoch, 0);
    }
}

static void service_fields_are_read(void **state)
{
    AUTO_OBJECT obj =
        make(KIND_SERVICE, ",\"annotations\":{\"ordinald.dev/publish-identity\":\"always\"}",
             "\"spec\":{\"clusterIP\":\"None\",\"clusterIPs\":[\"None\"],\"selector\":{\"b\":\"2\","
             "\"a\":\"1\"},"
             "\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":8080},{\"port\":81,"
             "\"targetPort\":\"web\"},"
             "{\"port\":82}],\"ipFamilies\":[\"IPv4\"]}");
    (void)state;
    const struct service_view *v = service_view(obj);
    assert_string_equal(v->type, "ClusterIP");
    assert_true(v->headless && v->publish_identity && !v->publish_not_ready);
    assert_int_equal(v->selector_count, 2);
    assert_string_equal(v->selector[0].key, "a");
    assert_int_equal(v->port_count, 3);
    assert_string_equal(v->ports[0].target, "8080");
    assert_string_equal(v->ports[1].target, "web");
    assert_string_equal(v->ports[2].target, "");
    assert_int_equal(v->ip_family_count, 1);

    AUTO_OBJECT plain = make(
        KIND_SERVICE,
        ",\"annotations\":{\"service.alpha.kubernetes.io/tolerate-unready-endpoints\":\"true\"}",
        "\"spec\":{\"clusterIP\":\"10.96.0.1\"}");
    v = service_view(plain);
    assert_false(v->headless);
    assert_true(
        v->publish_not_ready); /* K-READY 3: the old annotation says the same as the field */
    assert_int_equal(v->cluster_ip_count, 1);
}

static void endpoint_conditions_default_to_published(void **state)
{
    AUTO_OBJECT obj =
        make(KIND_SLICE, ",\"labels\":{\"kubernetes.io/service-name\":\"kubia\"}",
             "\"addressType\":\"IPv4\",\"ports\":[{\"port\":80,\"name\":\"\",\"protocol\":null},{"
             "\"port\":null}],\"endpoints\":["
             "{\"addresses\":[\"10.0.0.1\"]},"
             "{\"addresses\":[\"10.0.0.2\"],\"conditions\":{\"ready\":null,\"terminating\":true}},"
             "{\"addresses\":[\"10.0.0.3\"],\"conditions\":{\"ready\":false},\"hostname\":\"kubia-"
             "0\",\"nodeName\":\"n\",\"zone\":\"z\","
             "\"targetRef\":{\"kind\":\"Pod\",\"namespace\":\"default\",\"name\":\"kubia-0\","
             "\"uid\":\"u0\"}}]");
    (void)state;
    const struct slice_view *v = slice_view(obj);
    assert_string_equal(v->service, "kubia");
    assert_string_equal(v->managed_by, "");
    assert_string_equal(v->address_type, "IPv4");
    assert_int_equal(v->port_count, 2);
    assert_string_equal(v->ports[0].protocol, "TCP");
    assert_int_equal(v->endpoint_count, 3);
    assert_true(v->endpoints[0].ready && v->endpoints[0].serving &&
                !v->endpoints[0].terminating); /* R100 */
    assert_true(v->endpoints[1].ready && v->endpoints[1].terminating);
    assert_false(v->endpoints[2].ready || v->endpoints[2].serving);
    assert_string_equal(v->endpoints[2].hostname, "kubia-0");
    assert_string_equal(v->endpoints[2].target_uid, "u0");
    assert_string_equal(v->endpoints[2].zone, "z");
}

static void set_fields_are_read(void **state)
{
    AUTO_OBJECT obj =
        make(KIND_STATEFULSET, ",\"annotations\":{\"ordinald.dev/replace-stuck\":\"true\"}",
             "\"spec\":{\"replicas\":3,\"ordinals\":{\"start\":2},\"minReadySeconds\":4,"
             "\"podManagementPolicy\":\"Parallel\","
             "\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"partition\":1,"
             "\"maxUnavailable\":\"20%\"}},"
             "\"persistentVolumeClaimRetentionPolicy\":{\"whenScaled\":\"Delete\",\"whenDeleted\":"
             "\"Retain\"},"
             "\"serviceName\":\"kubia\",\"selector\":{\"matchLabels\":{\"app\":\"kubia\"}},"
             "\"volumeClaimTemplates\":"
             "[{\"metadata\":{\"name\":\"data\"}}]},\"status\":{\"replicas\":3,\"readyReplicas\":2,"
             "\"currentReplicas\":1,"
             "\"updatedReplicas\":2,\"availableReplicas\":1,\"observedGeneration\":9,"
             "\"collisionCount\":1,"
             "\"currentRevision\":\"a\",\"updateRevision\":\"b\"}");
    (void)state;
    const struct set_view *v = set_view(obj);
    assert_int_equal(v->replicas, 3);
    assert_int_equal(v->start, 2);
    assert_int_equal(v->min_ready_s, 4);
    assert_int_equal(v->partition, 1);
    assert_int_equal(v->history_limit, 10);
    assert_true(v->parallel && v->has_rolling && v->when_scaled_delete && v->replace_stuck);
    assert_false(v->on_delete || v->when_deleted_delete);
    assert_string_equal(v->max_unavailable, "20%");
    assert_string_equal(v->claim_templates[0], "data");
    assert_int_equal(v->selector.count, 1);
    assert_int_equal(v->observed_generation, 9);
    assert_int_equal(
        v->st_ready + v->st_available + v->st_current + v->st_updated + v->st_collisions, 7);
    assert_string_equal(v->update_revision, "b");

    AUTO_OBJECT bare =
        make(KIND_STATEFULSET, "", "\"spec\":{\"updateStrategy\":{\"rollingUpdate\":null}}");
    v = set_view(bare);
    assert_int_equal(v->replicas, 1);
    assert_false(v->has_rolling);
    assert_true(v->selector.matches_nothing);
    AUTO_OBJECT number =
        make(KIND_STATEFULSET, "",
             "\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"maxUnavailable\":2}}}");
    assert_string_equal(set_view(number)->max_unavailable, "2");
    AUTO_OBJECT rs = make(
        KIND_REPLICASET, "",
        "\"spec\":{\"selector\":{\"matchLabels\":{\"a\":\"b\"}}},\"status\":{\"readyReplicas\":2}");
    assert_int_equal(replicaset_view(rs)->replicas, 1);
    assert_int_equal(replicaset_view(rs)->st_ready, 2);
}

static void volumes_and_claims_are_read(void **state)
{
    AUTO_OBJECT claim = make(
        KIND_PVC,
        ",\"annotations\":{\"volume.kubernetes.io/selected-node\":\"n1\",\"pv.kubernetes.io/"
        "bind-completed\":\"yes\"}",
        "\"spec\":{\"accessModes\":[\"ReadWriteOnce\",\"ReadOnlyMany\"],\"storageClassName\":\"\","
        "\"resources\":{\"requests\":{\"storage\":\"1Mi\"}},\"volumeName\":\"pv1\"},\"status\":{"
        "\"phase\":"
        "\"Bound\",\"capacity\":{\"storage\":\"2Mi\"}}");
    (void)state;
    const struct claim_view *c = claim_view(claim);
    assert_true(c->has_class && c->bind_completed);
    assert_string_equal(c->class_name, "");
    assert_int_equal(c->access_modes, ACCESS_RWO | ACCESS_ROX);
    assert_int_equal(c->request_bytes, 1048576);
    assert_int_equal(c->capacity_bytes, 2097152);
    assert_string_equal(c->volume_mode, "Filesystem");
    assert_string_equal(c->selected_node, "n1");
    assert_true(selector_matches(&c->selector, NULL, 0));
    AUTO_OBJECT bare = make(KIND_PVC, "", "\"spec\":{}");
    assert_false(claim_view(bare)->has_class);
    assert_string_equal(claim_view(bare)->phase, "Pending");

    AUTO_OBJECT volume =
        make(KIND_PV, ",\"annotations\":{\"pv.kubernetes.io/bound-by-controller\":\"yes\"}",
             "\"spec\":{\"capacity\":{\"storage\":\"1Gi\"},\"claimRef\":{\"namespace\":\"default\","
             "\"name\":\"c\","
             "\"uid\":\"cu\"},\"local\":{\"path\":\"/"
             "data\"},\"nodeAffinity\":{}},\"status\":{\"phase\":\"Bound\"}");
    const struct volume_view *v = volume_view(volume);
    assert_int_equal(v->capacity_bytes, 1 << 30);
    assert_string_equal(v->claim_name, "c");
    assert_string_equal(v->path, "/data");
    assert_string_equal(v->reclaim_policy, "Retain");
    assert_true(v->bound_by_controller && v->has_affinity);

    AUTO_OBJECT class =
        make(KIND_STORAGECLASS,
             ",\"annotations\":{\"storageclass.kubernetes.io/is-default-class\":\"true\"}",
             "\"provisioner\":\"p\",\"volumeBindingMode\":\"WaitForFirstConsumer\"");
    assert_true(class_view(class)->is_default && class_view(class)->wait_for_consumer);
    assert_string_equal(class_view(class)->reclaim_policy, "Delete");
}

static void the_other_kinds_are_read(void **state)
{
    AUTO_OBJECT node =
        make(KIND_NODE, "",
             "\"spec\":{\"unschedulable\":true,\"podCIDR\":\"10.1.0.0/24\",\"taints\":[{\"key\":"
             "\"node.kubernetes.io/"
             "out-of-service\",\"effect\":\"NoExecute\"}]},\"status\":{\"conditions\":[{\"type\":"
             "\"Ready\",\"status\":\"Unknown\"}],\"addresses\":[{\"type\":\"Hostname\",\"address\":"
             "\"h\"},{\"type\":"
             "\"InternalIP\",\"address\":\"192.0.2.9\"}]}");
    (void)state;
    const struct node_view *n = node_view(node);
    assert_true(n->unschedulable && n->has_ready && n->has_noexec && n->out_of_service &&
                !n->has_nosched);
    assert_string_equal(n->ready_status, "Unknown");
    assert_string_equal(n->internal_ip, "192.0.2.9");
    assert_string_equal(n->pod_cidrs[0], "10.1.0.0/24");

    AUTO_OBJECT ns = make(KIND_NAMESPACE, ",\"deletionTimestamp\":\"2026-01-02T03:04:05Z\"", "");
    assert_true(namespace_view(ns)->terminating);
    AUTO_OBJECT live = make(KIND_NAMESPACE, "", "\"status\":{\"phase\":\"Active\"}");
    assert_false(namespace_view(live)->terminating);

    AUTO_OBJECT revision = make(
        KIND_REVISION, "", "\"revision\":3,\"data\":{\"b\":[{\"z\":1,\"y\":null}],\"a\":\"x\"}");
    assert_int_equal(revision_view(revision)->revision, 3);
    assert_string_equal(revision_view(revision)->data,
                        "{\"a\":\"x\",\"b\":[{\"y\":null,\"z\":1}]}");

    AUTO_OBJECT identity = make(KIND_IDENTITY, "",
                                "\"epoch\":4,\"podUID\":\"pu\",\"nodeName\":\"n\",\"addresses\":["
                                "\"10.0.0.1\"],\"fencedUIDs\":[\"f\"]");
    assert_int_equal(identity_view(identity)->epoch, 4);
    assert_string_equal(identity_view(identity)->addresses[0], "10.0.0.1");
    assert_string_equal(identity_view(identity)->fenced_uids[0], "f");

    AUTO_OBJECT lease =
        make(KIND_LEASE, "",
             "\"spec\":{\"holderIdentity\":\"n\",\"renewTime\":\"2026-01-02T03:04:05.000006Z\"}");
    assert_string_equal(lease_view(lease)->holder, "n");
    assert_int_equal(lease_view(lease)->renew_us, INT64_C(1767323045) * 1000000 + 6);
}

static void quantities_round_away_from_zero(void **state)
{
    static const struct {
        const char *text;
        bool valid;
        int64_t value;
    } rows[] = {
        {"0", true, 0},
        {"1", true, 1},
        {"+5", true, 5},
        {"-3", true, -3},
        {"1Ki", true, 1024},
        {"1Mi", true, 1048576},
        {"1.5Gi", true, 1610612736},
        {"0.5Ki", true, 512},
        {"1.", true, 1},
        {".5", true, 1},
        {"100m", true, 1},
        {"1000m", true, 1},
        {"1001m", true, 2},
        {"-1500m", true, -2},
        {"1n", true, 1},
        {"1u", true, 1},
        {"1k", true, 1000},
        {"1M", true, 1000000},
        {"2E", true, 2000000000000000000},
        {"1e3", true, 1000},
        {"1E3", true, 1000},
        {"1e+3", true, 1000},
        {"15e-1", true, 2},
        {"7Ei", true, 8070450532247928832},
        {"8Ei", false, 0},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"10E", false, 0},
        {"1e19", false, 0},
        {"0e999", true, 0},
        {"1e-999", true, 1},
        {"0.0000000000000000000000001", true, 1},
        {"1.0000000000000000000000000", true, 1},
        {"00000000000000000000000000012", true, 12},
        {"", false, 0},
        {".", false, 0},
        {"-", false, 0},
        {"Mi", false, 0},
        {"1K", false, 0},
        {"1KI", false, 0},
        {"1mi", false, 0},
        {"1 Mi", false, 0},
        {"1e", false, 0},
        {"1E", true, 1000000000000000000},
        {"1..5", false, 0},
        {"1Mi ", false, 0},
        {"0x10", false, 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t value = 0;
        bool valid = quantity_parse(rows[i].text, &value);
        if (valid != rows[i].valid || (valid && value != rows[i].value))
            fail_msg("'%s': %d %lld", rows[i].text, valid, (long long)value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pod_fields_are_read),
        cmocka_unit_test(absent_pod_fields_have_their_defaults),
        cmocka_unit_test(service_fields_are_read),
        cmocka_unit_test(endpoint_conditions_default_to_published),
        cmocka_unit_test(set_fields_are_read),
        cmocka_unit_test(volumes_and_claims_are_read),
        cmocka_unit_test(the_other_kinds_are_read),
        cmocka_unit_test(quantities_round_away_from_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
