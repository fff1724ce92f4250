/* Unknown fields and types: api.md A22, section 4 (fieldValidation). */
#include "controller/registry/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"

static const struct kind kinds[] = {
    {.id = KIND_POD, .version = "v1", .name = "Pod"},
    {.id = KIND_SERVICE, .version = "v1", .name = "Service"},
    {.id = KIND_STATEFULSET, .version = "v1", .name = "StatefulSet"},
    {.id = KIND_PVC, .version = "v1", .name = "PersistentVolumeClaim"},
    {.id = KIND_SLICE, .version = "v1", .name = "EndpointSlice"},
};

static const struct kind *kind_named(enum kind_id id)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].id == id)
            return &kinds[i];
    fail();
    return NULL;
}

static cJSON *parse(const char *text)
{
    struct err e = {0};
    cJSON *tree = json_parse(text, strlen(text), &e);
    if (!tree)
        fail_msg("%s: %s", text, e.text);
    return tree;
}

static void collect(void *arg, const char *path)
{
    struct buf_out *out = arg;
    buf_printf(out, "%s;", path);
}

static void a22_unknown_fields_are_dropped_and_reported(void **state)
{
    (void)state;
    static const struct {
        enum kind_id kind;
        const char *in, *out, *found;
    } cases[] = {
        {KIND_STATEFULSET, "{\"spec\":{\"replica\":3,\"replicas\":2}}",
         "{\"spec\":{\"replicas\":2}}", "spec.replica;"},
        {KIND_SERVICE, "{\"spec\":{\"ports\":[{\"port\":80},{\"port\":81,\"foo\":1}]}}",
         "{\"spec\":{\"ports\":[{\"port\":80},{\"port\":81}]}}", "spec.ports[1].foo;"},
        {KIND_POD,
         "{\"metadata\":{\"labels\":{\"any\":\"x\"},\"annotations\":{\"b\":\"y\"},\"label\":{}}}",
         "{\"metadata\":{\"labels\":{\"any\":\"x\"},\"annotations\":{\"b\":\"y\"}}}",
         "metadata.label;"},
        {KIND_POD, "{\"spec\":{\"nodeName\":null,\"hostname\":\"h\"},\"bogus\":1}",
         "{\"spec\":{\"hostname\":\"h\"}}", "bogus;"},
        {KIND_POD, "{\"metadata\":{\"creationTimestamp\":null}}", "{\"metadata\":{}}", ""},
        {KIND_POD,
         "{\"spec\":{\"affinity\":{\"nodeAffinity\":{"
         "\"requiredDuringSchedulingIgnoredDuringExecution\":{"
         "\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"k\",\"operator\":\"In\","
         "\"values\":[\"v\"]}]}]}}},"
         "\"securityContext\":{\"fsGroup\":1,\"nope\":2}}}",
         "{\"spec\":{\"affinity\":{\"nodeAffinity\":{"
         "\"requiredDuringSchedulingIgnoredDuringExecution\":{"
         "\"nodeSelectorTerms\":[{\"matchExpressions\":[{\"key\":\"k\",\"operator\":\"In\","
         "\"values\":[\"v\"]}]}]}}},"
         "\"securityContext\":{\"fsGroup\":1}}}",
         "spec.securityContext.nope;"},
        {KIND_SLICE, "{\"endpoints\":[{\"addresses\":[\"1.1.1.1\"],\"Hostname\":\"x\"}]}",
         "{\"endpoints\":[{\"addresses\":[\"1.1.1.1\"]}]}", "endpoints[0].Hostname;"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cJSON *tree = parse(cases[i].in), *want = parse(cases[i].out);
        struct buf_out found;
        buf_out_init(&found);
        buf_puts(&found, "");
        schema_prune(kind_named(cases[i].kind), tree, collect, &found);
        assert_true(json_equal(tree, want));
        assert_string_equal(found.data ? found.data : "", cases[i].found);
        buf_out_fini(&found);
        cJSON_Delete(tree);
        cJSON_Delete(want);
    }
}

/* What upstream does not write is not there; what it tells from its absence stays. */
static void a17_empty_members_are_none(void **state)
{
    (void)state;
    static const struct {
        enum kind_id kind;
        const char *in, *out;
    } cases[] = {
        {KIND_POD,
         "{\"metadata\":{\"labels\":{},\"annotations\":{\"a\":null},\"finalizers\":[]},\"spec\":{"
         "\"nodeSelector\":{},\"tolerations\":[],\"hostNetwork\":false,\"hostname\":\"\","
         "\"containers\":[{\"name\":\"c\",\"command\":[],\"tty\":false,\"env\":[{\"name\":\"E\","
         "\"value\":\"\"}],\"ports\":[{\"containerPort\":1,\"hostPort\":0}]}]}}",
         "{\"metadata\":{},\"spec\":{\"containers\":[{\"name\":\"c\",\"env\":[{\"name\":\"E\"}],"
         "\"ports\":[{\"containerPort\":1}]}]}}"},
        {KIND_POD,
         "{\"spec\":{\"securityContext\":{},\"enableServiceLinks\":false,\"priority\":0,"
         "\"volumes\":[{\"name\":\"v\",\"emptyDir\":{\"medium\":\"\"}}],\"affinity\":{"
         "\"podAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":"
         "\"k\",\"labelSelector\":{\"matchLabels\":{}},\"namespaceSelector\":{}}]}}}}",
         "{\"spec\":{\"securityContext\":{},\"enableServiceLinks\":false,\"priority\":0,"
         "\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}],\"affinity\":{\"podAffinity\":{"
         "\"requiredDuringSchedulingIgnoredDuringExecution\":[{\"topologyKey\":\"k\","
         "\"labelSelector\":{},\"namespaceSelector\":{}}]}}}}"},
        {KIND_STATEFULSET, "{\"spec\":{\"replicas\":0,\"minReadySeconds\":0,\"ordinals\":{}}}",
         "{\"spec\":{\"replicas\":0,\"ordinals\":{}}}"},
        {KIND_PVC, "{\"spec\":{\"storageClassName\":\"\",\"selector\":{},\"accessModes\":[]}}",
         "{\"spec\":{\"storageClassName\":\"\",\"selector\":{}}}"},
        {KIND_SLICE, "{\"endpoints\":[],\"ports\":[]}", "{\"endpoints\":[],\"ports\":[]}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cJSON *tree = parse(cases[i].in), *want = parse(cases[i].out);
        struct buf_out found;
        buf_out_init(&found);
        schema_prune(kind_named(cases[i].kind), tree, collect, &found);
        if (!json_equal(tree, want))
            fail_msg("%s", cases[i].in);
        assert_int_equal(found.len, 0); /* none of them is unknown */
        buf_out_fini(&found);
        cJSON_Delete(tree);
        cJSON_Delete(want);
    }
}

static void wrong_types_are_refused_by_field(void **state)
{
    (void)state;
    static const struct {
        enum kind_id kind;
        const char *in, *text; /* NULL: fits */
    } cases[] = {
        {KIND_STATEFULSET, "{\"spec\":{\"replicas\":\"3\"}}",
         "StatefulSet in version \"v1\" cannot be handled as a StatefulSet: json: cannot unmarshal "
         "string into Go "
         "struct field StatefulSet.spec.replicas of type int32"},
        {KIND_STATEFULSET, "{\"spec\":{\"replicas\":1.5}}",
         "StatefulSet in version \"v1\" cannot be handled as a StatefulSet: json: cannot unmarshal "
         "number 1.5 into Go "
         "struct field StatefulSet.spec.replicas of type int32"},
        {KIND_STATEFULSET, "{\"spec\":{\"replicas\":4294967296}}",
         "StatefulSet in version \"v1\" cannot be handled as a StatefulSet: json: cannot unmarshal "
         "number 4294967296 "
         "into Go struct field StatefulSet.spec.replicas of type int32"},
        {KIND_SERVICE, "{\"spec\":{\"ports\":{}}}",
         "Service in version \"v1\" cannot be handled as a Service: json: cannot unmarshal object "
         "into Go struct "
         "field Service.spec.ports of type []object"},
        {KIND_SERVICE, "{\"spec\":{\"selector\":{\"a\":1}}}",
         "Service in version \"v1\" cannot be handled as a Service: json: cannot unmarshal number "
         "1 into Go struct "
         "field Service.spec.selector of type string"},
        {KIND_SERVICE,
         "{\"spec\":{\"ports\":[{\"targetPort\":\"http\"},{\"targetPort\":8080}],\"selector\":null}"
         "}",
         NULL},
        {KIND_POD,
         "{\"spec\":{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":1,\"memory\":\"1Gi\"}}}]}"
         "}",
         NULL},
        {KIND_POD, "{\"spec\":{\"hostNetwork\":\"true\"}}",
         "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal string into Go "
         "struct field "
         "Pod.spec.hostNetwork of type bool"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err e = {0};
        cJSON *tree = parse(cases[i].in);
        int rc = schema_check_types(kind_named(cases[i].kind), tree, &e);
        assert_int_equal(rc, cases[i].text ? ERR_MALFORMED : 0);
        if (cases[i].text)
            assert_string_equal(e.text, cases[i].text);
        cJSON_Delete(tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a22_unknown_fields_are_dropped_and_reported),
        cmocka_unit_test(a17_empty_members_are_none),
        cmocka_unit_test(wrong_types_are_refused_by_field),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
