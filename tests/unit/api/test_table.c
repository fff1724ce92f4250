/* Cells of every kind (api.md section 9), ages, and protobuf bodies built by hand (A2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"
#include "controller/api/protobuf.h"
#include "controller/api/table.h"

#define META(name)                                                                                 \
    "\"metadata\":{\"name\":\"" name "\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\"}"

static const struct {
    const char *group, *resource, *sub, *object, *cells;
} rows[] = {
    {"", "pods", NULL,
     "{" META(
         "a") ",\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\"},{\"name\":\"d\"}]},"
              "\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.1\",\"containerStatuses\":[{"
              "\"name\":\"c\","
              "\"ready\":true,\"restartCount\":2,\"state\":{\"running\":{}},\"lastState\":{"
              "\"terminated\":{"
              "\"finishedAt\":\"2026-01-01T00:00:35Z\"}}},{\"name\":\"d\",\"restartCount\":0,"
              "\"state\":{\"running\":{}}}]}}",
     "[\"a\",\"1/2\",\"Running\",\"2 (5m "
     "ago)\",\"5m35s\",\"10.0.0.1\",\"n1\",\"<none>\",\"<none>\"]"},
    {"", "pods", NULL,
     "{" META("a") ",\"spec\":{\"containers\":[{\"name\":\"c\"}],\"readinessGates\":[{"
                   "\"conditionType\":\"x\"}]},"
                   "\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"name\":\"c\","
                   "\"restartCount\":3,\"state\":{"
                   "\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}}]}}",
     "[\"a\",\"0/1\",\"CrashLoopBackOff\",\"3\",\"5m35s\",\"<none>\",\"<none>\",\"<none>\",\"0/"
     "1\"]"},
    {"", "pods", NULL,
     "{" META("a") ",\"spec\":{\"initContainers\":[{\"name\":\"i\"},{\"name\":\"j\"}],"
                   "\"containers\":[{\"name\":"
                   "\"c\"}]},\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[{"
                   "\"name\":\"i\",\"restartCount\":0,"
                   "\"state\":{\"terminated\":{\"exitCode\":0}}},{\"name\":\"j\",\"restartCount\":"
                   "0,\"state\":{\"running\":{}}}]}}",
     "[\"a\",\"0/1\",\"Init:1/2\",\"0\",\"5m35s\",\"<none>\",\"<none>\",\"<none>\",\"<none>\"]"},
    {"", "pods", NULL,
     "{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\","
     "\"deletionTimestamp\":"
     "\"2026-01-01T00:01:00Z\"},\"spec\":{\"containers\":[{\"name\":\"c\"}]},\"status\":{\"phase\":"
     "\"Running\"}}",
     "[\"a\",\"0/1\",\"Terminating\",\"0\",\"5m35s\",\"<none>\",\"<none>\",\"<none>\",\"<none>\"]"},
    {"", "pods", NULL,
     "{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\","
     "\"deletionTimestamp\":"
     "\"2026-01-01T00:01:00Z\"},\"spec\":{\"containers\":[{\"name\":\"c\"}]},\"status\":{\"phase\":"
     "\"Running\","
     "\"reason\":\"NodeLost\"}}",
     "[\"a\",\"0/1\",\"Unknown\",\"0\",\"5m35s\",\"<none>\",\"<none>\",\"<none>\",\"<none>\"]"},
    {"", "pods", NULL,
     "{" META(
         "a") ",\"spec\":{\"containers\":[{\"name\":\"c\"}]},\"status\":{\"phase\":\"Succeeded\","
              "\"containerStatuses\":[{\"restartCount\":0,\"state\":{\"terminated\":{\"reason\":"
              "\"Completed\",\"exitCode\":0}}}]}}",
     "[\"a\",\"0/1\",\"Completed\",\"0\",\"5m35s\",\"<none>\",\"<none>\",\"<none>\",\"<none>\"]"},
    {"apps", "statefulsets", NULL,
     "{" META(
         "k") ",\"spec\":{\"replicas\":3,\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\","
              "\"image\":"
              "\"i:1\"},{\"name\":\"d\",\"image\":\"j\"}]}}},\"status\":{\"readyReplicas\":2}}",
     "[\"k\",\"2/3\",\"5m35s\",\"c,d\",\"i:1,j\"]"},
    {"apps", "replicasets", NULL,
     "{" META("k") ",\"spec\":{\"replicas\":3,\"selector\":{\"matchLabels\":{\"a\":\"b\"},"
                   "\"matchExpressions\":[{"
                   "\"key\":\"c\",\"operator\":\"In\",\"values\":[\"d\",\"e\"]},{\"key\":\"f\","
                   "\"operator\":\"DoesNotExist\"}]},"
                   "\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}},"
                   "\"status\":{\"replicas\":2,"
                   "\"readyReplicas\":1}}",
     "[\"k\",3,2,1,\"5m35s\",\"c\",\"i\",\"a=b,c in (d,e),!f\"]"},
    {"apps", "statefulsets", "scale",
     "{" META("k") ",\"spec\":{\"replicas\":3},\"status\":{\"replicas\":2}}",
     "[\"k\",3,2,\"5m35s\"]"},
    {"", "services", NULL,
     "{" META("k") ",\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":80,\"name\":\"http\"},{"
                   "\"port\":53,"
                   "\"protocol\":\"UDP\",\"nodePort\":30053}],\"selector\":{\"app\":\"k\"}}}",
     "[\"k\",\"ClusterIP\",\"None\",\"<none>\",\"80/TCP,53:30053/UDP\",\"5m35s\",\"app=k\"]"},
    {"", "services", NULL,
     "{" META("k") ",\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"x.example\"}}",
     "[\"k\",\"ExternalName\",\"<none>\",\"x.example\",\"<none>\",\"5m35s\",\"<none>\"]"},
    {"", "persistentvolumeclaims", NULL,
     "{" META("d") ",\"spec\":{\"volumeName\":\"v\",\"storageClassName\":\"standard\","
                   "\"volumeMode\":\"Filesystem\"},"
                   "\"status\":{\"phase\":\"Bound\",\"capacity\":{\"storage\":\"1Mi\"},"
                   "\"accessModes\":[\"ReadWriteMany\","
                   "\"ReadWriteOnce\"]}}",
     "[\"d\",\"Bound\",\"v\",\"1Mi\",\"RWO,RWX\",\"standard\",\"<unset>\",\"5m35s\","
     "\"Filesystem\"]"},
    {"", "persistentvolumeclaims", NULL,
     "{\"metadata\":{\"name\":\"d\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\","
     "\"deletionTimestamp\":\"x\"},"
     "\"spec\":{},\"status\":{\"phase\":\"Pending\"}}",
     "[\"d\",\"Terminating\",\"\",\"\",\"\",\"\",\"<unset>\",\"5m35s\",\"<unset>\"]"},
    {"", "persistentvolumes", NULL,
     "{" META("v") ",\"spec\":{\"capacity\":{\"storage\":\"1Mi\"},\"accessModes\":["
                   "\"ReadWriteOncePod\"],"
                   "\"persistentVolumeReclaimPolicy\":\"Delete\",\"claimRef\":{\"namespace\":\"n\","
                   "\"name\":\"d\"},"
                   "\"storageClassName\":\"s\",\"volumeMode\":\"Filesystem\"},\"status\":{"
                   "\"phase\":\"Bound\"}}",
     "[\"v\",\"1Mi\",\"RWOP\",\"Delete\",\"Bound\",\"n/"
     "d\",\"s\",\"<unset>\",\"\",\"5m35s\",\"Filesystem\"]"},
    {"storage.k8s.io", "storageclasses", NULL,
     "{\"metadata\":{\"name\":\"s\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\",\"annotations\":"
     "{"
     "\"storageclass.kubernetes.io/is-default-class\":\"true\"}},\"provisioner\":\"p\"}",
     "[\"s (default)\",\"p\",\"Delete\",\"Immediate\",false,\"5m35s\"]"},
    {"", "nodes", NULL,
     "{\"metadata\":{\"name\":\"n\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\",\"labels\":{"
     "\"node-role.kubernetes.io/"
     "worker\":\"\"}},\"spec\":{\"unschedulable\":true},\"status\":{\"conditions\":[{"
     "\"type\":\"Ready\",\"status\":\"True\"}],\"addresses\":[{\"type\":\"InternalIP\",\"address\":"
     "\"10.0.0.9\"}],"
     "\"nodeInfo\":{\"kubeletVersion\":\"v1\"}}}",
     "[\"n\",\"Ready,SchedulingDisabled\",\"worker\",\"5m35s\",\"v1\",\"10.0.0.9\",\"<none>\",\"<"
     "unknown>\","
     "\"<unknown>\",\"<unknown>\"]"},
    {"", "namespaces", NULL, "{" META("n") ",\"status\":{\"phase\":\"Active\"}}",
     "[\"n\",\"Active\",\"5m35s\"]"},
    {"discovery.k8s.io", "endpointslices", NULL,
     "{" META("e") ",\"addressType\":\"IPv4\",\"ports\":[{\"port\":80}],\"endpoints\":[{"
                   "\"addresses\":[\"10.0.0.1\"]},"
                   "{\"addresses\":[\"10.0.0.2\"]},{\"addresses\":[\"10.0.0.3\"]},{\"addresses\":["
                   "\"10.0.0.4\"]},{\"addresses\":["
                   "\"10.0.0.5\"]}]}",
     "[\"e\",\"IPv4\",\"80\",\"10.0.0.1,10.0.0.2,10.0.0.3 + 2 more...\",\"5m35s\"]"},
    {"", "endpoints", NULL,
     "{" META("e") ",\"subsets\":[{\"addresses\":[{\"ip\":\"10.0.0.1\"}],\"ports\":[{\"port\":80}]}"
                   ",{\"addresses\":[{"
                   "\"ip\":\"fd00::1\"}],\"ports\":[{\"port\":80}]}]}",
     "[\"e\",\"10.0.0.1:80,[fd00::1]:80\",\"5m35s\"]"},
    {"apps", "controllerrevisions", NULL,
     "{\"metadata\":{\"name\":\"r\",\"creationTimestamp\":\"2026-01-01T00:00:00Z\","
     "\"ownerReferences\":[{"
     "\"apiVersion\":\"apps/"
     "v1\",\"kind\":\"StatefulSet\",\"name\":\"kubia\",\"controller\":true}]},\"revision\":4}",
     "[\"r\",\"statefulset.apps/kubia\",4,\"5m35s\"]"},
    {"coordination.k8s.io", "leases", NULL, "{" META("l") ",\"spec\":{\"holderIdentity\":\"me\"}}",
     "[\"l\",\"me\",\"5m35s\"]"},
    {"", "configmaps", NULL,
     "{" META("c") ",\"data\":{\"a\":\"b\",\"c\":\"d\"},\"binaryData\":{\"e\":\"Zg==\"}}",
     "[\"c\",3,\"5m35s\"]"},
    {"", "events", NULL,
     "{" META("e") ",\"type\":\"Normal\",\"reason\":\"Created\",\"message\":\"made "
                   "it\",\"count\":7,\"involvedObject\":{"
                   "\"kind\":\"Pod\",\"name\":\"a\",\"fieldPath\":\"spec\"},\"source\":{"
                   "\"component\":\"kubelet\",\"host\":\"n1\"},"
                   "\"firstTimestamp\":\"2026-01-01T00:00:35Z\",\"lastTimestamp\":\"2026-01-01T00:"
                   "05:00Z\"}",
     "[\"35s\",\"Normal\",\"Created\",\"pod/a\",\"spec\",\"kubelet, n1\",\"made "
     "it\",\"5m\",7,\"e\"]"},
};

/* The first cells of a pod; ' stands for ". */
static const struct {
    const char *deleted, *spec, *status, *cells;
} pods[] = {
    {"", "", "'phase':'Pending'", "0/1 Pending 0"},
    {"", "", "'phase':'Failed','reason':'Evicted'", "0/1 Evicted 0"},
    {"", ",'schedulingGates':[{'name':'g'}]", "'phase':'Pending'", "0/1 SchedulingGated 0"},
    {"", "", "'phase':'Running','containerStatuses':[{'name':'c','state':{'waiting':{}}}]",
     "0/1 Running 0"},
    {"", "",
     "'phase':'Running','containerStatuses':[{'name':'c','state':{'terminated':{'signal':9}}}]",
     "0/1 Signal:9 0"},
    {"", "",
     "'phase':'Running','containerStatuses':[{'name':'c','state':{'terminated':{'exitCode':3}}}]",
     "0/1 ExitCode:3 0"},
    /* One container has completed, one runs: whether the pod is ready decides. */
    {"", "",
     "'phase':'Running','conditions':[{'type':'Ready','status':'True'}],'containerStatuses':["
     "{'name':'c','state':{'terminated':{'reason':'Completed'}}},"
     "{'name':'d','ready':true,'state':{'running':{}}}]",
     "1/1 Running 0"},
    {"", "",
     "'phase':'Running','containerStatuses':[{'name':'c','state':{'terminated':{'reason':"
     "'Completed'}}},{'name':'d','ready':true,'state':{'running':{}}}]",
     "1/1 NotReady 0"},
    {"", ",'initContainers':[{'name':'i'}]",
     "'phase':'Pending','initContainerStatuses':[{'name':'i','restartCount':4,'state':{'waiting':"
     "{'reason':'CrashLoopBackOff'}}}]",
     "0/1 Init:CrashLoopBackOff 4"},
    {"", ",'initContainers':[{'name':'i'}]",
     "'phase':'Pending','initContainerStatuses':[{'name':'i','state':{'waiting':{'reason':"
     "'PodInitializing'}}}]",
     "0/1 Init:0/1 0"},
    {"", ",'initContainers':[{'name':'i'}]",
     "'phase':'Pending','initContainerStatuses':[{'name':'i','state':{'terminated':{'exitCode':"
     "1}}}]",
     "0/1 Init:ExitCode:1 0"},
    {"", ",'initContainers':[{'name':'i'}]",
     "'phase':'Pending','initContainerStatuses':[{'name':'i','state':{'terminated':{'exitCode':"
     "1,'signal':6}}}]",
     "0/1 Init:Signal:6 0"},
    {"", ",'initContainers':[{'name':'i'}]",
     "'phase':'Failed','initContainerStatuses':[{'name':'i','state':{'terminated':{'exitCode':"
     "1,'reason':'Error'}}}]",
     "0/1 Init:Error 0"},
    /* Restarts of init containers are forgotten once they are done, */
    {"", ",'initContainers':[{'name':'i'}]",
     "'phase':'Running','initContainerStatuses':[{'name':'i','restartCount':4,'state':{"
     "'terminated':{'exitCode':0}}}],'containerStatuses':[{'name':'c','restartCount':1,'ready':"
     "true,'state':{'running':{}}}]",
     "1/1 Running 1"},
    /* those of sidecars are not; sidecars count as containers, started or not. */
    {"", ",'initContainers':[{'name':'s','restartPolicy':'Always'},{'name':'i'}]",
     "'phase':'Running','initContainerStatuses':[{'name':'s','restartCount':2,'started':true,"
     "'ready':true,'state':{'running':{}}},{'name':'i','restartCount':4,'state':{'terminated':{"
     "'exitCode':0}}}],'containerStatuses':[{'name':'c','restartCount':1,'ready':true,'state':{"
     "'running':{}}}]",
     "2/2 Running 3"},
    {"", ",'initContainers':[{'name':'i'},{'name':'s','restartPolicy':'Always'}]",
     "'phase':'Pending','initContainerStatuses':[{'name':'i','restartCount':4,'state':{'running':"
     "{}}},{'name':'s','state':{'waiting':{}}}]",
     "0/2 Init:0/2 4"},
    {"", ",'initContainers':[{'name':'s','restartPolicy':'Always'}]",
     "'phase':'Running','conditions':[{'type':'Initialized','status':'True'}],"
     "'initContainerStatuses':[{'name':'s','restartCount':2,'state':{'waiting':{'reason':"
     "'CrashLoopBackOff'}}}],'containerStatuses':[{'name':'c','restartCount':1,'ready':true,"
     "'state':{'running':{}}}]",
     "1/2 Init:CrashLoopBackOff 3"},
    /* What has ended is not said to be terminating. */
    {",'deletionTimestamp':'2026-01-01T00:01:00Z'", "", "'phase':'Running'", "0/1 Terminating 0"},
    {",'deletionTimestamp':'2026-01-01T00:01:00Z'", "", "'phase':'Failed','reason':'Evicted'",
     "0/1 Evicted 0"},
    {",'deletionTimestamp':'2026-01-01T00:01:00Z'", "", "'phase':'Succeeded'", "0/1 Succeeded 0"},
    {",'deletionTimestamp':'2026-01-01T00:01:00Z'", "", "'phase':'Failed','reason':'NodeLost'",
     "0/1 Unknown 0"},
};

static void pods_tell_what_holds_them_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(pods); i++) {
        struct buf_out text, out;
        struct err e = {0};
        char cells[128];
        buf_out_init(&text);
        buf_out_init(&out);
        buf_printf(
            &text,
            "{'metadata':{'name':'a'%s},'spec':{'containers':[{'name':'c'}]%s},'status':{%s}}",
            pods[i].deleted, pods[i].spec, pods[i].status);
        for (char *at = text.data; (at = strchr(at, '\'')); at++)
            *at = '"';
        cJSON *pod = json_parse(text.data, text.len, &e);
        if (!pod)
            fail_msg("pod %zu: %s", i, e.text);
        table_write_cells(&out, resource_find("", "v1", "pods"), NULL, pod, 0);
        cJSON *row = json_parse(out.data, out.len, &e);
        (void)snprintf(cells, sizeof cells, "%s %s %s", cJSON_GetArrayItem(row, 1)->valuestring,
                       cJSON_GetArrayItem(row, 2)->valuestring,
                       cJSON_GetArrayItem(row, 3)->valuestring);
        if (strcmp(cells, pods[i].cells) != 0)
            fail_msg("pod %zu: %s, not %s", i, cells, pods[i].cells);
        cJSON_Delete(row);
        cJSON_Delete(pod);
        buf_out_fini(&out);
        buf_out_fini(&text);
    }
}

static void cells_are_as_kubectl_prints_them(void **state)
{
    (void)state;
    int64_t now;
    assert_true(clock_parse("2026-01-01T00:05:35Z", &now));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct err e = {0};
        struct buf_out out, columns;
        const struct resource *res = resource_find(rows[i].group, "v1", rows[i].resource);
        cJSON *object = json_parse(rows[i].object, strlen(rows[i].object), &e);
        if (!object)
            fail_msg("row %zu: %s", i, e.text);
        buf_out_init(&out);
        buf_out_init(&columns);
        table_write_cells(&out, res, rows[i].sub, object, now);
        assert_string_equal(out.data, rows[i].cells);
        table_write_columns(&columns, res, rows[i].sub);
        cJSON *defs = json_parse(columns.data, columns.len, &e);
        cJSON *cells = json_parse(out.data, out.len, &e);
        assert_int_equal(cJSON_GetArraySize(defs), cJSON_GetArraySize(cells));
        for (int k = 0; k < cJSON_GetArraySize(defs); k++) {
            const cJSON *def = cJSON_GetArrayItem(defs, k), *cell = cJSON_GetArrayItem(cells, k);
            const char *type = json_str(def, "type", "");
            assert_int_equal(cJSON_IsNumber(cell), strcmp(type, "integer") == 0);
            assert_int_equal(cJSON_IsBool(cell), strcmp(type, "boolean") == 0);
            assert_int_equal(strcmp(json_str(def, "format", ""), "name") == 0,
                             strcmp(json_str(def, "name", ""), "Name") == 0);
        }
        cJSON_Delete(defs);
        cJSON_Delete(cells);
        cJSON_Delete(object);
        buf_out_fini(&out);
        buf_out_fini(&columns);
    }
}

static void no_object_is_too_odd_for_a_row(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "{}", "{\"spec\":[],\"status\":3,\"metadata\":\"x\"}",
        "{\"spec\":{\"containers\":{},\"ports\":[1],\"template\":7,\"selector\":[],\"accessModes\":"
        "{}},\"status\":{"
        "\"containerStatuses\":[1,{}],\"initContainerStatuses\":[{}],\"conditions\":[[]],"
        "\"addresses\":[0]},"
        "\"endpoints\":[{\"addresses\":[1]}],\"subsets\":[{\"addresses\":[{}]}],\"metadata\":{"
        "\"ownerReferences\":["
        "{\"controller\":true}],\"labels\":{\"kubernetes.io/role\":1}}}"};
    for (size_t i = 0; i < resource_count(); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(odd); k++) {
            struct err e = {0};
            struct buf_out out;
            cJSON *object = json_parse(odd[k], strlen(odd[k]), &e);
            buf_out_init(&out);
            table_write_cells(&out, resource_get(i), NULL, object, 0);
            cJSON *cells = json_parse(out.data, out.len, &e);
            assert_non_null(cells);
            cJSON_Delete(cells);
            cJSON_Delete(object);
            buf_out_fini(&out);
        }
    }
}

static void ages_have_two_units_while_the_larger_is_small(void **state)
{
    (void)state;
    static const struct {
        int64_t s;
        const char *text;
    } cases[] = {{-5, "<invalid>"}, {-1, "0s"},         {0, "0s"},        {35, "35s"},
                 {119, "119s"},     {120, "2m"},        {130, "2m10s"},   {599, "9m59s"},
                 {600, "10m"},      {10799, "179m"},    {10800, "3h"},    {11100, "3h5m"},
                 {28800, "8h"},     {172799, "47h"},    {172800, "2d"},   {273600, "3d4h"},
                 {691200, "8d"},    {63071999, "729d"}, {63072000, "2y"}, {63158400, "2y1d"},
                 {315360000, "10y"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[24];
        assert_string_equal(table_age(cases[i].s * 1000000, text), cases[i].text);
    }
}

/* ---- protobuf ---- */

struct pb {
    unsigned char bytes[512];
    size_t len;
};

static struct pb raw(const char *text)
{
    struct pb p = {.len = strlen(text)};
    memcpy(p.bytes, text, p.len);
    return p;
}

static struct pb join(struct pb a, struct pb b)
{
    memcpy(a.bytes + a.len, b.bytes, b.len);
    a.len += b.len;
    return a;
}

static struct pb field(unsigned number, struct pb value)
{
    struct pb p = {.len = 0};
    unsigned tag = number << 3 | 2;
    if (tag > 127)
        p.bytes[p.len++] = (unsigned char)(tag | 128);
    p.bytes[p.len++] = (unsigned char)(tag > 127 ? tag >> 7 : tag);
    if (value.len > 127)
        p.bytes[p.len++] = (unsigned char)(value.len | 128);
    p.bytes[p.len++] = (unsigned char)(value.len > 127 ? value.len >> 7 : value.len);
    return join(p, value);
}

static struct pb number(unsigned field_number, unsigned value)
{
    struct pb p = {.len = 0};
    unsigned tag = field_number << 3;
    if (tag > 127)
        p.bytes[p.len++] = (unsigned char)(tag | 128);
    p.bytes[p.len++] = (unsigned char)(tag > 127 ? tag >> 7 : tag);
    if (value > 127)
        p.bytes[p.len++] = (unsigned char)(value | 128);
    p.bytes[p.len++] = (unsigned char)(value > 127 ? value >> 7 : value);
    return p;
}

static struct pb entry(unsigned n, const char *key, const char *value)
{
    return field(n, join(field(1, raw(key)), field(2, raw(value))));
}

static struct pb envelope(const char *api_version, const char *kind, struct pb object)
{
    struct pb magic = {.bytes = {'k', '8', 's', 0}, .len = 4};
    struct pb type = join(field(1, raw(api_version)), field(2, raw(kind)));
    return join(magic, join(field(1, type),
                            join(field(2, object), join(field(3, raw("")), field(4, raw(""))))));
}

static void expect_json(struct pb p, const char *want)
{
    struct err e = {0};
    cJSON *got = protobuf_decode(p.bytes, p.len, &e);
    if (!got)
        fail_msg("%s", e.text);
    cJSON *tree = json_parse(want, strlen(want), &e);
    char *text = json_print(got, NULL);
    if (!json_equal(got, tree))
        fail_msg("got %s, want %s", text, want);
    free(text);
    cJSON_Delete(got);
    cJSON_Delete(tree);
}

static void protobuf_bodies_become_trees(void **state)
{
    (void)state;
    struct pb meta =
        field(1, join(field(1, raw("x")), join(field(2, raw("")), entry(11, "app", "k"))));
    expect_json(envelope("v1", "Namespace", join(meta, join(field(2, raw("")), field(3, raw(""))))),
                "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"x\","
                "\"labels\":{\"app\":"
                "\"k\"}}}");
    struct pb target = join(number(1, 1), join(number(2, 0), field(3, raw("http"))));
    struct pb port = join(field(1, raw("web")),
                          join(field(2, raw("TCP")), join(number(3, 8080), field(4, target))));
    struct pb spec =
        join(field(1, port),
             join(entry(2, "app", "k"),
                  join(field(3, raw("None")), join(field(4, raw("ClusterIP")), number(13, 1)))));
    expect_json(envelope("v1", "Service", join(meta, field(2, spec))),
                "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"x\","
                "\"labels\":{\"app\":\"k\"}},"
                "\"spec\":{\"ports\":[{\"name\":\"web\",\"protocol\":\"TCP\",\"port\":8080,"
                "\"targetPort\":\"http\"}],"
                "\"selector\":{\"app\":\"k\"},\"clusterIP\":\"None\",\"type\":\"ClusterIP\","
                "\"publishNotReadyAddresses\":true}}");
    port =
        join(number(3, 80), field(4, join(number(1, 0), join(number(2, 8080), field(3, raw(""))))));
    expect_json(envelope("v1", "Service", join(field(2, field(1, port)), meta)),
                "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"x\","
                "\"labels\":{\"app\":\"k\"}},"
                "\"spec\":{\"ports\":[{\"port\":80,\"targetPort\":8080}]}}");
    expect_json(
        envelope("v1", "ConfigMap",
                 join(meta, join(entry(2, "a", "b"), join(entry(3, "c", "hi"), number(4, 1))))),
        "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"x\",\"labels\":{"
        "\"app\":\"k\"}},"
        "\"data\":{\"a\":\"b\"},\"binaryData\":{\"c\":\"aGk=\"},\"immutable\":true}");
    struct pb attributes =
        join(field(1, raw("default")), join(field(2, raw("get")), field(5, raw("pods"))));
    expect_json(envelope("authorization.k8s.io/v1", "SelfSubjectAccessReview",
                         field(2, field(1, attributes))),
                "{\"apiVersion\":\"authorization.k8s.io/"
                "v1\",\"kind\":\"SelfSubjectAccessReview\",\"spec\":{"
                "\"resourceAttributes\":{\"namespace\":\"default\",\"verb\":\"get\",\"resource\":"
                "\"pods\"}}}");
    expect_json(
        envelope("authorization.k8s.io/v1", "SelfSubjectRulesReview",
                 field(2, field(1, raw("default")))),
        "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectRulesReview\",\"spec\":{"
        "\"namespace\":\"default\"}}");
    expect_json(envelope("authentication.k8s.io/v1", "SelfSubjectReview", field(1, raw(""))),
                "{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"SelfSubjectReview\"}");
}

static void damaged_protobuf_is_refused_at_every_length(void **state)
{
    (void)state;
    struct pb whole =
        envelope("v1", "ConfigMap", field(1, join(field(1, raw("x")), entry(11, "a", "b"))));
    struct err e = {0};
    for (size_t len = 0; len < whole.len; len++) {
        unsigned char *copy = xmemdup(whole.bytes, len ? len : 1);
        cJSON *tree =
            protobuf_decode(copy, len, &e); /* may be whole at the end of a field: never overruns */
        cJSON_Delete(tree);
        free(copy);
    }
    assert_null(protobuf_decode("{}", 2, &e));
    assert_int_equal(e.code, ERR_MALFORMED);
    struct pb other = envelope("apps/v1", "StatefulSet", raw(""));
    assert_null(protobuf_decode(other.bytes, other.len, &e));
    assert_int_equal(e.code, ERR_UNSUPPORTED);
    struct pb latin = envelope("v1", "ConfigMap", field(1, field(1, raw("\xe9"))));
    assert_null(protobuf_decode(latin.bytes, latin.len, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_as_kubectl_prints_them),
        cmocka_unit_test(pods_tell_what_holds_them_up),
        cmocka_unit_test(no_object_is_too_odd_for_a_row),
        cmocka_unit_test(ages_have_two_units_while_the_larger_is_small),
        cmocka_unit_test(protobuf_bodies_become_trees),
        cmocka_unit_test(damaged_protobuf_is_refused_at_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
