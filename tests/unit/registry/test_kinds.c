/* Defaults and validation of the other kinds: R7, R47, R69, R71-R75, R78, R85, R88. */
#include "tests/unit/registry/fixture.h"

#define TEMPLATE                                                                                   \
    "\"template\":{\"metadata\":{\"labels\":{\"app\":\"x\"}},\"spec\":{\"containers\":[{\"name\":" \
    "\"c\",\"image\":\"i\"}]}}"
#define SELECTOR     "\"selector\":{\"matchLabels\":{\"app\":\"x\"}}"
#define SET_OF(spec) ("{\"metadata\":{\"name\":\"kubia\"},\"spec\":{" spec "}}")
#define SET          KIND_STATEFULSET, "default"
#define POD          KIND_POD, "default"

struct row {
    const char *body, *text; /* text NULL: accepted */
};

static void check_rows(struct fixture *f, enum kind_id kind, const char *ns, const char *prefix,
                       const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char want[2048];
        int rc = create(f, kind, ns, rows[i].body);
        (void)snprintf(want, sizeof(want), "%s is invalid: %s", prefix,
                       rows[i].text ? rows[i].text : "");
        if (rows[i].text) {
            assert_string_equal(f->e.text, want);
            assert_int_equal(rc, ERR_INVALID);
        } else if (rc < 0) {
            fail_msg("%s: %s", rows[i].body, f->e.text);
        }
    }
}

static void r71_defaults_of_a_set(void **state)
{
    struct fixture *f = *state;
    assert_ok(
        f,
        create(f, SET,
               SET_OF(SELECTOR
                      "," TEMPLATE ",\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"},"
                      "\"spec\":{\"accessModes\":["
                      "\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":\"1Mi\"}}}}]")));
    assert_field(f, SET, "kubia", "spec>podManagementPolicy", "\"OrderedReady\"");
    assert_field(f, SET, "kubia", "spec>updateStrategy",
                 "{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"partition\":0}}");
    assert_field(f, SET, "kubia", "spec>replicas", "1");
    assert_field(f, SET, "kubia", "spec>revisionHistoryLimit", "10");
    assert_field(f, SET, "kubia", "spec>persistentVolumeClaimRetentionPolicy",
                 "{\"whenDeleted\":\"Retain\",\"whenScaled\":\"Retain\"}");
    assert_field(f, SET, "kubia", "spec>template>spec>restartPolicy", "\"Always\"");
    assert_field(f, SET, "kubia", "spec>template>spec>dnsPolicy", "\"ClusterFirst\"");
    assert_field(f, SET, "kubia", "spec>template>spec>terminationGracePeriodSeconds", "30");
    assert_field(f, SET, "kubia", "spec>template>spec>schedulerName", "\"default-scheduler\"");
    assert_field(f, SET, "kubia", "spec>template>spec>containers>0>imagePullPolicy", "\"Always\"");
    assert_field(f, SET, "kubia", "spec>volumeClaimTemplates>0>spec>volumeMode",
                 ""); /* as written */
    assert_field(f, SET, "kubia", "status", "{\"replicas\":0,\"availableReplicas\":0}");
    /* R47: an explicit type alone leaves rollingUpdate absent. */
    assert_ok(
        f, merge(f, SET, "kubia",
                 "{\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\",\"rollingUpdate\":null}}}"));
    assert_ok(
        f, merge(f, SET, "kubia", "{\"spec\":{\"updateStrategy\":{\"type\":\"RollingUpdate\"}}}"));
    assert_field(f, SET, "kubia", "spec>updateStrategy", "{\"type\":\"RollingUpdate\"}");
}

static void r72_errors_of_a_set(void **state)
{
    struct fixture *f = *state;
    static const struct row rows[] = {
        {SET_OF(TEMPLATE), "spec.selector: Required value"},
        {SET_OF("\"selector\":{}," TEMPLATE),
         "spec.selector: Invalid value: {}: empty selector is invalid for statefulset"},
        {SET_OF("\"selector\":{\"matchLabels\":{\"app\":\"y\"}}," TEMPLATE),
         "spec.template.metadata.labels: Invalid value: {\"app\":\"x\"}: `selector` does not match "
         "template `labels`"},
        {SET_OF("\"selector\":{\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"Foo\"}]}"
                "," TEMPLATE),
         "spec.selector.matchExpressions[0].operator: Invalid value: \"Foo\": not a valid selector "
         "operator"},
        {SET_OF("\"replicas\":-1," SELECTOR "," TEMPLATE),
         "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
        {SET_OF("\"minReadySeconds\":-1," SELECTOR "," TEMPLATE),
         "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"},
        {SET_OF("\"ordinals\":{\"start\":-1}," SELECTOR "," TEMPLATE),
         "spec.ordinals.start: Invalid value: -1: must be greater than or equal to 0"},
        {SET_OF("\"podManagementPolicy\":\"Foo\"," SELECTOR "," TEMPLATE),
         "spec.podManagementPolicy: Invalid value: \"Foo\": must be 'OrderedReady' or 'Parallel'"},
        {SET_OF("\"updateStrategy\":{\"type\":\"Foo\"}," SELECTOR "," TEMPLATE),
         "spec.updateStrategy: Invalid value: {\"type\":\"Foo\"}: must be 'RollingUpdate' or "
         "'OnDelete'"},
        {SET_OF("\"updateStrategy\":{\"type\":\"OnDelete\",\"rollingUpdate\":{\"partition\":1}}"
                "," SELECTOR "," TEMPLATE),
         "spec.updateStrategy.rollingUpdate: Invalid value: {\"partition\":1}: only allowed for "
         "updateStrategy 'RollingUpdate'"},
        {SET_OF("\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{\"partition\":-"
                "1}}," SELECTOR "," TEMPLATE),
         "spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: must be greater than or "
         "equal to 0"},
        {SET_OF("\"persistentVolumeClaimRetentionPolicy\":{\"whenScaled\":\"X\"}," SELECTOR
                "," TEMPLATE),
         "spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: \"X\": "
         "supported values: \"Delete\", \"Retain\""},
        {SET_OF("\"serviceName\":\"a.b\"," SELECTOR "," TEMPLATE),
         "spec.serviceName: Invalid value: \"a.b\": a lowercase RFC 1123 label must consist of "
         "lower case alphanumeric "
         "characters or '-', and must start and end with an alphanumeric character (e.g. "
         "'my-name',  or '123-abc', regex used "
         "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"},
        {SET_OF(SELECTOR ",\"template\":{\"metadata\":{\"labels\":{\"app\":\"x\"}},\"spec\":{"
                         "\"restartPolicy\":\"Never\",\"containers\":[{"
                         "\"name\":\"c\",\"image\":\"i\"}]}}"),
         "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: "
         "\"Always\""},
        {SET_OF(SELECTOR ",\"template\":{\"metadata\":{\"labels\":{\"app\":\"x\"}},\"spec\":{"
                         "\"activeDeadlineSeconds\":5,"
                         "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"),
         "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in "
         "StatefulSet is not Supported"},
        {SET_OF(SELECTOR ",\"template\":{\"metadata\":{\"labels\":{\"app\":\"x\"}},\"spec\":{}}"),
         "spec.template.spec.containers: Required value"},
        {SET_OF(SELECTOR "," TEMPLATE ",\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"d\"},"
                         "\"spec\":{\"resources\":{\"requests\":{"
                         "\"storage\":\"1Mi\"}}}}]"),
         "spec.volumeClaimTemplates[0].spec.accessModes: Required value: at least 1 access mode is "
         "required"},
        {SET_OF(SELECTOR ",\"template\":{\"metadata\":{\"labels\":{\"app\":\"x\"}},\"spec\":{"
                         "\"hostname\":\"Not.A.Label\",\"containers\":[{"
                         "\"name\":\"c\",\"image\":\"i\",\"volumeMounts\":[{\"name\":\"d\","
                         "\"mountPath\":\"/d\"}]}]}},"
                         "\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"d\"},\"spec\":{"
                         "\"accessModes\":[\"ReadWriteOnce\"],"
                         "\"resources\":{\"requests\":{\"storage\":\"1Mi\"}}}}]"),
         NULL},
    };
    check_rows(f, SET, "StatefulSet.apps \"kubia\"", rows, ARRAY_SIZE(rows));
}

static void r73_only_seven_fields_may_change(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "StatefulSet.apps \"kubia\" is invalid: spec: Forbidden: updates to "
                               "statefulset spec for fields other than 'replicas', "
                               "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
                               "'persistentVolumeClaimRetentionPolicy' and "
                               "'minReadySeconds' are forbidden";
    static const char *const refused[] = {
        "{\"spec\":{\"serviceName\":\"other\"}}",
        "{\"spec\":{\"podManagementPolicy\":\"Parallel\"}}",
        ("{\"spec\":{\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"data\"},\"spec\":{"
         "\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{\"storage\":"
         "\"1Mi\"}}}}]}}"),
        ("{\"spec\":{\"selector\":{\"matchLabels\":{\"app\":\"x\",\"b\":\"c\"}},\"template\":{"
         "\"metadata\":{\"labels\":{\"b\":\"c\"}}}}}")};
    static const char *const fine[] = {
        "{\"spec\":{\"volumeClaimTemplates\":[]}}", /* there is none */
        "{\"spec\":{\"replicas\":0}}",
        "{\"spec\":{\"ordinals\":{\"start\":2}}}",
        "{\"spec\":{\"template\":{\"metadata\":{\"labels\":{\"b\":\"c\"}}}}}",
        "{\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2}}}}",
        "{\"spec\":{\"revisionHistoryLimit\":3}}",
        "{\"spec\":{\"persistentVolumeClaimRetentionPolicy\":{\"whenScaled\":\"Delete\"}}}",
        "{\"spec\":{\"minReadySeconds\":9}}"};
    assert_ok(f, create(f, SET, SET_OF("\"serviceName\":\"kubia\"," SELECTOR "," TEMPLATE)));
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        assert_fails(f, merge(f, SET, "kubia", refused[i]), ERR_INVALID, text);
        assert_int_equal(f->e.cause[0].kind, CAUSE_FORBIDDEN);
        assert_string_equal(f->e.cause[0].field, "spec");
    }
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
        assert_ok(f, merge(f, SET, "kubia", fine[i]));
}

static void r7_r75_odd_sets_get_a_warning(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, SET, SET_OF("\"revisionHistoryLimit\":-1," SELECTOR "," TEMPLATE)));
    assert_non_null(strstr(f->warnings, "revisionHistoryLimit"));
    assert_ok(
        f,
        create(f, SET,
               "{\"metadata\":{\"name\":\"a123456789b123456789c123456789d123456789e123456789f12\"},"
               "\"spec\":{" SELECTOR "," TEMPLATE "}}"));
    assert_non_null(strstr(f->warnings, "52"));
    assert_ok(
        f,
        create(f, SET, "{\"metadata\":{\"name\":\"short\"},\"spec\":{" SELECTOR "," TEMPLATE "}}"));
    assert_string_equal(f->warnings, "");
}

static void r69_status_of_a_set_is_checked(void **state)
{
    struct fixture *f = *state;
    static const char *const refused[] = {
        "{\"status\":{\"replicas\":-1}}",
        "{\"status\":{\"replicas\":1,\"readyReplicas\":2}}",
        "{\"status\":{\"replicas\":1,\"currentReplicas\":2}}",
        "{\"status\":{\"replicas\":1,\"updatedReplicas\":2}}",
        "{\"status\":{\"replicas\":3,\"readyReplicas\":1,\"availableReplicas\":2}}",
        "{\"status\":{\"collisionCount\":1}}"};
    assert_ok(f, create(f, SET, SET_OF(SELECTOR "," TEMPLATE)));
    assert_ok(f, merge_status(f, SET, "kubia", "{\"status\":{\"collisionCount\":2}}"));
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_int_equal(merge_status(f, SET, "kubia", refused[i]), ERR_INVALID);
}

#define POD_OF(spec) ("{\"metadata\":{\"name\":\"p\"},\"spec\":{" spec "}}")

static void pods_get_what_the_server_adds(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, create(f, POD,
                        "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\","
                        "\"image\":\"i:1\",\"ports\":[{"
                        "\"containerPort\":80}],\"resources\":{\"limits\":{\"cpu\":\"1\","
                        "\"memory\":\"1Gi\"}}}]},\"status\":{\"phase\":"
                        "\"Running\",\"podIP\":\"1.2.3.4\"}}"));
    assert_field(f, POD, "p", "status", "{\"phase\":\"Pending\",\"qosClass\":\"Guaranteed\"}");
    assert_field(
        f, POD, "p", "spec>tolerations",
        "[{\"key\":\"node.kubernetes.io/"
        "not-ready\",\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":300},{"
        "\"key\":\"node.kubernetes.io/"
        "unreachable\",\"operator\":\"Exists\",\"effect\":\"NoExecute\",\"tolerationSeconds\":300}"
        "]");
    assert_field(f, POD, "p", "spec>containers>0>imagePullPolicy", "\"IfNotPresent\"");
    assert_field(f, POD, "p", "spec>containers>0>ports>0>protocol", "\"TCP\"");
    assert_field(f, POD, "p", "metadata>generation", "1");
    assert_ok(f, create(f, POD,
                        "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"tolerations\":[{\"operator\":"
                        "\"Exists\"}],\"containers\":[{\"name\":"
                        "\"c\",\"image\":\"i\"}]}}"));
    assert_field(f, POD, "q", "spec>tolerations", "[{\"operator\":\"Exists\"}]");
    assert_field(f, POD, "q", "status>qosClass", "\"BestEffort\"");
}

static void pod_errors_read_as_in_kubernetes(void **state)
{
    struct fixture *f = *state;
    static const struct row rows[] = {
        {POD_OF(""), "spec.containers: Required value"},
        {POD_OF("\"containers\":[{\"image\":\"i\"}]"), "spec.containers[0].name: Required value"},
        {POD_OF("\"containers\":[{\"name\":\"c\"}]"), "spec.containers[0].image: Required value"},
        {POD_OF(
             "\"containers\":[{\"name\":\"c\",\"image\":\"i\"},{\"name\":\"c\",\"image\":\"i\"}]"),
         "spec.containers[1].name: Duplicate value: \"c\""},
        {POD_OF(
             "\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"ports\":[{\"containerPort\":0}]}]"),
         "spec.containers[0].ports[0].containerPort: Invalid value: 0: must be between 1 and "
         "65535, inclusive"},
        {POD_OF("\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"volumeMounts\":[{\"name\":\"v\","
                "\"mountPath\":\"/v\"}]}]"),
         "spec.containers[0].volumeMounts[0].name: Not found: \"v\""},
        {POD_OF("\"schedulingGates\":[{\"name\":\"\"}],\"containers\":[{\"name\":\"c\",\"image\":"
                "\"i\"}]"),
         "spec.schedulingGates[0].name: Invalid value: \"\": name part must be non-empty"},
        {POD_OF("\"readinessGates\":[{}],\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]"),
         "spec.readinessGates[0].conditionType: Invalid value: \"\": name part must be non-empty"},
        {POD_OF("\"restartPolicy\":\"X\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]"),
         "spec.restartPolicy: Unsupported value: \"X\": supported values: \"Always\", \"Never\", "
         "\"OnFailure\""},
        {POD_OF("\"volumes\":[{\"name\":\"v\"},{\"name\":\"v\"}],\"containers\":[{\"name\":\"c\","
                "\"image\":\"i\"}]"),
         "spec.volumes[1].name: Duplicate value: \"v\""},
        {POD_OF("\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{"
                "\"cpu\":\"-1\"}}}]"),
         "spec.containers[0].resources.requests[cpu]: Invalid value: \"-1\": must be greater than "
         "or equal to 0"},
        {POD_OF("\"hostname\":\"a.b\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]"),
         "spec.hostname: Invalid value: \"a.b\": a lowercase RFC 1123 label must consist of lower "
         "case alphanumeric characters or "
         "'-', and must start and end with an alphanumeric character (e.g. 'my-name',  or "
         "'123-abc', regex used for validation "
         "is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"},
    };
    check_rows(f, POD, "Pod \"p\"", rows, ARRAY_SIZE(rows));
}

#define POD_WITH(affinity)                                                                         \
    "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"affinity\":{" affinity                             \
    "},\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}"

static void r88_affinity_must_be_readable(void **state)
{
    struct fixture *f = *state;
    static const struct row rows[] = {
        {POD_WITH("\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{"
                  "\"labelSelector\":{}}]}"),
         "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
         "topologyKey: Required value: can not be empty"},
        {POD_WITH("\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{"
                  "\"topologyKey\":\"zone\",\"labelSelector\":{\"matchExpressions\":[{\"key\":"
                  "\"app\",\"operator\":\"Foo\"}]}}]}"),
         "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0]."
         "labelSelector.matchExpressions[0].operator: Invalid value: \"Foo\": not a valid selector "
         "operator"},
        {POD_WITH("\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
                  "\"nodeSelectorTerms\":[]}}"),
         "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
         "nodeSelectorTerms: Required value: must have at least one node selector term"},
        {POD_WITH("\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
                  "\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":"
                  "\"In\"}]}]}}"),
         "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
         "nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when "
         "`operator` is 'In' or 'NotIn'"},
        {POD_WITH("\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
                  "\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"zone\",\"operator\":"
                  "\"Exists\",\"values\":[\"a\"]}]}]}}"),
         "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
         "nodeSelectorTerms[0].matchExpressions[0].values: Forbidden: may not be specified when "
         "`operator` is 'Exists' or 'DoesNotExist'"},
        {POD_WITH("\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
                  "\"nodeSelectorTerms\":[{\"matchFields\":[{\"key\":\"spec.name\",\"operator\":"
                  "\"In\",\"values\":[\"a\"]}]}]}}"),
         "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
         "nodeSelectorTerms[0].matchFields[0].key: Invalid value: \"spec.name\": not a valid field "
         "selector key"},
        {POD_WITH("\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{"
                  "\"topologyKey\":\"kubernetes.io/"
                  "hostname\",\"labelSelector\":{\"matchLabels\":{\"app\":\"zk\"}}}]}"),
         NULL},
    };
    check_rows(f, POD, "Pod \"p\"", rows, ARRAY_SIZE(rows));
}

/* What is looked at for every pod there is has an end: by its terms, and by what is in one. */
static void r88_affinity_is_bounded(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *before, *part, *after;
    } forms[] = {
        {"\"podAntiAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[",
         "{\"topologyKey\":\"zone\"}", "]}"},
        {"\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":"
         "\"zone\",\"labelSelector\":{\"matchExpressions\":[",
         "{\"key\":\"a\",\"operator\":\"Exists\"}", "]}}]}"},
        {"\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{"
         "\"nodeSelectorTerms\":[{\"matchExpressions\":[",
         "{\"key\":\"a\",\"operator\":\"Exists\"}", "]}]}}"}};
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        for (size_t count = 100; count <= 1000; count += 900) {
            struct buf_out pod;
            buf_out_init(&pod);
            buf_puts(&pod, "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"affinity\":{");
            buf_puts(&pod, forms[i].before);
            for (size_t k = 0; k < count; k++)
                buf_printf(&pod, "%s%s", k ? "," : "", forms[i].part);
            buf_printf(&pod, "%s},\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
                       forms[i].after);
            int rc = create(f, POD, pod.data);
            assert_int_equal(rc, count == 100 ? 0 : ERR_INVALID);
            if (rc < 0)
                assert_non_null(strstr(f->e.text, "must have at most 1000 items"));
            else
                assert_ok(f, delete_plain(f, POD, "p"));
            buf_out_fini(&pod);
        }
    }
}

static void r88_a_pod_spec_hardly_changes(void **state)
{
    struct fixture *f = *state;
    static const char *const refused[] = {
        "{\"spec\":{\"hostname\":\"h\"}}", "{\"spec\":{\"nodeName\":\"n\"}}",
        "{\"spec\":{\"terminationGracePeriodSeconds\":5}}", "{\"spec\":{\"tolerations\":[]}}",
        "{\"spec\":{\"containers\":[{\"name\":\"d\",\"image\":\"i\"}]}}"};
    static const char *const fine[] = {
        "{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i:2\"}]}}",
        "{\"spec\":{\"activeDeadlineSeconds\":100}}", "{\"spec\":{\"activeDeadlineSeconds\":50}}",
        "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}",
        "{\"spec\":{\"tolerations\":[{\"operator\":\"Exists\"}]}}"};
    assert_ok(f, create(f, POD,
                        POD_OF("\"tolerations\":[{\"operator\":\"Exists\"}],\"containers\":[{"
                               "\"name\":\"c\",\"image\":\"i:1\"}]")));
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        assert_int_equal(merge(f, POD, "p", refused[i]), ERR_INVALID);
        assert_non_null(
            strstr(f->e.text, "spec: Forbidden: pod updates may not change fields other than"));
    }
    for (size_t i = 0; i < ARRAY_SIZE(fine); i++)
        assert_ok(f, merge(f, POD, "p", fine[i]));
    /* Status writes reach nothing else, and a terminal phase stays (R87). */
    assert_ok(f, merge_status(f, POD, "p",
                              "{\"spec\":{\"nodeName\":\"n\"},\"status\":{\"phase\":\"Failed\"}}"));
    assert_field(f, POD, "p", "spec>nodeName", "");
    assert_int_equal(merge_status(f, POD, "p", "{\"status\":{\"phase\":\"Running\"}}"),
                     ERR_INVALID);
}

#define CLAIM          KIND_PVC, "default"
#define CLAIM_OF(spec) ("{\"metadata\":{\"name\":\"c\"},\"spec\":{" spec "}}")
#define MODES          "\"accessModes\":[\"ReadWriteOnce\"]"
#define SIZE(text)     "\"resources\":{\"requests\":{\"storage\":\"" text "\"}}"

static void claim_errors_read_as_in_kubernetes(void **state)
{
    struct fixture *f = *state;
    static const struct row rows[] = {
        {CLAIM_OF(SIZE("1Mi")),
         "spec.accessModes: Required value: at least 1 access mode is required"},
        {CLAIM_OF(MODES), "spec.resources.requests[storage]: Required value"},
        {CLAIM_OF(MODES "," SIZE("0")),
         "spec.resources.requests[storage]: Invalid value: \"0\": must be greater than zero"},
        {CLAIM_OF("\"accessModes\":[\"X\"]," SIZE("1Mi")),
         "spec.accessModes: Unsupported value: \"X\": supported values: \"ReadOnlyMany\", "
         "\"ReadWriteMany\", \"ReadWriteOnce\", "
         "\"ReadWriteOncePod\""},
        {CLAIM_OF("\"accessModes\":[\"ReadWriteOncePod\",\"ReadOnlyMany\"]," SIZE("1Mi")),
         "spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"},
    };
    check_rows(f, CLAIM, "PersistentVolumeClaim \"c\"", rows, ARRAY_SIZE(rows));
}

static void r85_what_may_change_in_a_claim(void **state)
{
    struct fixture *f = *state;
    static const char immutable[] = "PersistentVolumeClaim \"c\" is invalid: spec: Forbidden: spec "
                                    "is immutable after creation except resources.requests and "
                                    "volumeAttributesClassName for bound claims";
    assert_ok(f, create(f, CLAIM, CLAIM_OF(MODES "," SIZE("2Mi"))));
    assert_fails(f, merge(f, CLAIM, "c", "{\"spec\":{\"accessModes\":[\"ReadOnlyMany\"]}}"),
                 ERR_INVALID, immutable);
    assert_fails(f, merge(f, CLAIM, "c", "{\"spec\":{\"storageClassName\":\"other\"}}"),
                 ERR_INVALID, immutable);
    assert_fails(f, merge(f, CLAIM, "c", "{\"spec\":{" SIZE("4Mi") "}}"), ERR_INVALID, immutable);
    assert_ok(f, merge(f, CLAIM, "c", "{\"spec\":{\"volumeName\":\"v\"}}"));
    assert_fails(f, merge(f, CLAIM, "c", "{\"spec\":{\"volumeName\":\"w\"}}"), ERR_INVALID,
                 immutable);
    assert_ok(
        f, merge_status(f, CLAIM, "c",
                        "{\"status\":{\"phase\":\"Bound\",\"capacity\":{\"storage\":\"2Mi\"}}}"));
    assert_int_equal(merge(f, CLAIM, "c", "{\"spec\":{" SIZE("4Mi") "}}"), ERR_INVALID);
    assert_non_null(strstr(f->e.text, "must support resize"));
    assert_ok(f, merge(f, KIND_STORAGECLASS, "", "standard", "{\"allowVolumeExpansion\":true}"));
    assert_ok(f, merge(f, CLAIM, "c", "{\"spec\":{" SIZE("4Mi") "}}"));
    assert_ok(f, merge(f, CLAIM, "c", "{\"spec\":{" SIZE("3Mi") "}}"));
    assert_fails(f, merge(f, CLAIM, "c", "{\"spec\":{" SIZE("1Mi") "}}"), ERR_INVALID,
                 "PersistentVolumeClaim \"c\" is invalid: spec.resources.requests.storage: "
                 "Forbidden: field can not be less than "
                 "status.capacity");
}

static void r78_the_newest_default_class_is_taken(void **state)
{
    struct fixture *f = *state;
    clock_fake_advance(5000000);
    assert_ok(f, create(f, KIND_STORAGECLASS, "",
                        "{\"metadata\":{\"name\":\"newer\",\"annotations\":{\"storageclass."
                        "kubernetes.io/is-default-class\":\"true\"}},"
                        "\"provisioner\":\"x.io/y\"}"));
    assert_field(f, KIND_STORAGECLASS, "", "newer", "reclaimPolicy", "\"Delete\"");
    assert_field(f, KIND_STORAGECLASS, "", "newer", "volumeBindingMode", "\"Immediate\"");
    assert_ok(f, create(f, CLAIM, CLAIM_OF(MODES "," SIZE("1Mi"))));
    assert_field(f, CLAIM, "c", "spec>storageClassName", "\"newer\"");
    assert_ok(f, create(f, CLAIM,
                        "{\"metadata\":{\"name\":\"d\"},\"spec\":{\"storageClassName\":\"\"," MODES
                        "," SIZE("1Mi") "}}"));
    assert_field(f, CLAIM, "d", "spec>storageClassName", "\"\"");
    assert_fails(f, merge(f, KIND_STORAGECLASS, "", "newer", "{\"provisioner\":\"z.io/z\"}"),
                 ERR_INVALID,
                 "StorageClass.storage.k8s.io \"newer\" is invalid: provisioner: Forbidden: "
                 "updates to provisioner are forbidden.");
}

static void other_kinds_are_checked(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum kind_id kind;
        const char *ns;
        const char *prefix;
        struct row row;
    } rows[] = {
        {KIND_PV,
         "",
         "PersistentVolume \"v\"",
         {"{\"metadata\":{\"name\":\"v\"},\"spec\":{\"capacity\":{\"storage\":\"1Mi\"}," MODES "}}",
          "spec: Required value: must specify a volume type"}},
        {KIND_PV,
         "",
         "PersistentVolume \"v\"",
         {"{\"metadata\":{\"name\":\"v\"},\"spec\":{\"capacity\":{\"storage\":\"1Mi\"},\"local\":{"
          "\"path\":\"/x\"}," MODES "}}",
          "spec.nodeAffinity: Required value: Local volume requires node affinity"}},
        {KIND_LEASE,
         "default",
         "Lease.coordination.k8s.io \"l\"",
         {"{\"metadata\":{\"name\":\"l\"},\"spec\":{\"leaseDurationSeconds\":0}}",
          "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0"}},
        {KIND_REVISION,
         "default",
         "ControllerRevision.apps \"r\"",
         {"{\"metadata\":{\"name\":\"r\"},\"revision\":1}",
          "data: Required value: data is mandatory"}},
        {KIND_NODE,
         "",
         "Node \"n\"",
         {"{\"metadata\":{\"name\":\"n\"},\"spec\":{\"taints\":[{\"key\":\"k\",\"effect\":\"X\"}]}"
          "}",
          "spec.taints[0].effect: Unsupported value: \"X\": supported values: \"NoSchedule\", "
          "\"PreferNoSchedule\", \"NoExecute\""}},
        {KIND_EVENT,
         "default",
         "Event \"e\"",
         {"{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"namespace\":\"other\"}}",
          "involvedObject.namespace: Invalid value: \"other\": does not match event.namespace"}},
        {KIND_REPLICASET,
         "default",
         "ReplicaSet.apps \"r\"",
         {"{\"metadata\":{\"name\":\"r\"},\"spec\":{" TEMPLATE "}}",
          "spec.selector: Required value"}},
        {KIND_CONFIGMAP,
         "default",
         "ConfigMap \"c\"",
         {"{\"metadata\":{\"name\":\"c\"},\"data\":{\"..\":\"\"}}",
          "data[..]: Invalid value: \"..\": must not be '..'"}},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check_rows(f, rows[i].kind, rows[i].ns, rows[i].prefix, &rows[i].row, 1);
    assert_ok(f,
              create(f, KIND_CONFIGMAP, "default",
                     "{\"metadata\":{\"name\":\"c\"},\"immutable\":true,\"data\":{\"a\":\"b\"}}"));
    assert_int_equal(merge(f, KIND_CONFIGMAP, "default", "c", "{\"data\":{\"a\":\"c\"}}"),
                     ERR_INVALID);
    assert_ok(
        f,
        create(f, KIND_REVISION, "default",
               "{\"metadata\":{\"name\":\"r\"},\"data\":{\"spec\":{\"a\":null}},\"revision\":1}"));
    assert_ok(f, merge(f, KIND_REVISION, "default", "r", "{\"revision\":2}"));
    assert_int_equal(merge(f, KIND_REVISION, "default", "r", "{\"data\":{\"x\":1}}"), ERR_INVALID);
}

#define T(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(r71_defaults_of_a_set),
        T(r72_errors_of_a_set),
        T(r73_only_seven_fields_may_change),
        T(r7_r75_odd_sets_get_a_warning),
        T(r69_status_of_a_set_is_checked),
        T(pods_get_what_the_server_adds),
        T(pod_errors_read_as_in_kubernetes),
        T(r88_affinity_must_be_readable),
        T(r88_affinity_is_bounded),
        T(r88_a_pod_spec_hardly_changes),
        T(claim_errors_read_as_in_kubernetes),
        T(r85_what_may_change_in_a_claim),
        T(r78_the_newest_default_class_is_taken),
        T(other_kinds_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
