/* JSON Patch: RFC 6902 appendix A; JSON Merge Patch: RFC 7386 appendix A; strategic merge: api.md
 * A26, A27. */
#include "controller/registry/patch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"

static cJSON *parse(const char *text)
{
    struct err e = {0};
    cJSON *tree = json_parse(text, strlen(text), &e);
    if (!tree)
        fail_msg("%s: %s", text, e.text);
    return tree;
}

enum patch_type { JSON_PATCH, MERGE_PATCH, STRATEGIC };

static const struct kind pod_kind = {.id = KIND_POD, .version = "v1", .name = "Pod"};
static const struct kind service_kind = {.id = KIND_SERVICE, .version = "v1", .name = "Service"};
static const struct kind set_kind = {
    .id = KIND_STATEFULSET, .version = "v1", .name = "StatefulSet"};
static const struct kind node_kind = {.id = KIND_NODE, .version = "v1", .name = "Node"};

static int apply(enum patch_type type, const struct kind *kind, cJSON **target, const cJSON *patch,
                 struct err *e)
{
    switch (type) {
    case JSON_PATCH:
        return patch_json(target, patch, e);
    case MERGE_PATCH:
        return patch_merge(target, patch, e);
    case STRATEGIC:
        return patch_strategic(kind, target, patch, e);
    }
    return -1;
}

/* want NULL: the patch fails with `code` and leaves the target alone. */
static void check_patch(enum patch_type type, const struct kind *kind, const char *name,
                        const char *target, const char *patch, const char *want, int code)
{
    struct err e = {0};
    cJSON *tree = parse(target), *p = parse(patch);
    int rc = apply(type, kind, &tree, p, &e);
    cJSON *expected = parse(want ? want : target);
    char *got = json_print(tree, NULL);
    if (rc != code)
        fail_msg("%s: result %d (%s), expected %d", name, rc, e.text, code);
    if (!json_equal(tree, expected))
        fail_msg("%s: got %s", name, got);
    free(got);
    cJSON_Delete(tree);
    cJSON_Delete(p);
    cJSON_Delete(expected);
}

struct patch_case {
    const char *name, *target, *patch, *want;
    int code;
};

static const struct patch_case rfc6902[] = {
    {"A.1 add an object member", "{\"foo\":\"bar\"}",
     "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\"}]", "{\"baz\":\"qux\",\"foo\":\"bar\"}",
     0},
    {"A.2 add an array element", "{\"foo\":[\"bar\",\"baz\"]}",
     "[{\"op\":\"add\",\"path\":\"/foo/1\",\"value\":\"qux\"}]",
     "{\"foo\":[\"bar\",\"qux\",\"baz\"]}", 0},
    {"A.3 remove an object member", "{\"baz\":\"qux\",\"foo\":\"bar\"}",
     "[{\"op\":\"remove\",\"path\":\"/baz\"}]", "{\"foo\":\"bar\"}", 0},
    {"A.4 remove an array element", "{\"foo\":[\"bar\",\"qux\",\"baz\"]}",
     "[{\"op\":\"remove\",\"path\":\"/foo/1\"}]", "{\"foo\":[\"bar\",\"baz\"]}", 0},
    {"A.5 replace a value", "{\"baz\":\"qux\",\"foo\":\"bar\"}",
     "[{\"op\":\"replace\",\"path\":\"/baz\",\"value\":\"boo\"}]",
     "{\"baz\":\"boo\",\"foo\":\"bar\"}", 0},
    {"A.6 move a value",
     "{\"foo\":{\"bar\":\"baz\",\"waldo\":\"fred\"},\"qux\":{\"corge\":\"grault\"}}",
     "[{\"op\":\"move\",\"from\":\"/foo/waldo\",\"path\":\"/qux/thud\"}]",
     "{\"foo\":{\"bar\":\"baz\"},\"qux\":{\"corge\":\"grault\",\"thud\":\"fred\"}}", 0},
    {"A.7 move an array element", "{\"foo\":[\"all\",\"grass\",\"cows\",\"eat\"]}",
     "[{\"op\":\"move\",\"from\":\"/foo/1\",\"path\":\"/foo/3\"}]",
     "{\"foo\":[\"all\",\"cows\",\"eat\",\"grass\"]}", 0},
    {"A.8 test succeeds", "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}",
     "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"qux\"},{\"op\":\"test\",\"path\":\"/foo/"
     "1\",\"value\":2}]",
     "{\"baz\":\"qux\",\"foo\":[\"a\",2,\"c\"]}", 0},
    {"A.9 test fails", "{\"baz\":\"qux\"}",
     "[{\"op\":\"test\",\"path\":\"/baz\",\"value\":\"bar\"}]", NULL, ERR_INVALID},
    {"A.10 add a nested member object", "{\"foo\":\"bar\"}",
     "[{\"op\":\"add\",\"path\":\"/child\",\"value\":{\"grandchild\":{}}}]",
     "{\"foo\":\"bar\",\"child\":{\"grandchild\":{}}}", 0},
    {"A.11 unknown members are ignored", "{\"foo\":\"bar\"}",
     "[{\"op\":\"add\",\"path\":\"/baz\",\"value\":\"qux\",\"xyz\":123}]",
     "{\"foo\":\"bar\",\"baz\":\"qux\"}", 0},
    {"A.12 add to a place that does not exist", "{\"foo\":\"bar\"}",
     "[{\"op\":\"add\",\"path\":\"/baz/bat\",\"value\":\"qux\"}]", NULL, ERR_INVALID},
    {"A.14 tilde escapes", "{\"/\":9,\"~1\":10}",
     "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":10}]", "{\"/\":9,\"~1\":10}", 0},
    {"a slash in a name", "{\"a/b\":1,\"m~n\":2}",
     "[{\"op\":\"replace\",\"path\":\"/a~1b\",\"value\":3},{\"op\":\"remove\",\"path\":\"/"
     "m~0n\"}]",
     "{\"a/b\":3}", 0},
    {"A.15 strings are not numbers", "{\"/\":9,\"~1\":10}",
     "[{\"op\":\"test\",\"path\":\"/~01\",\"value\":\"10\"}]", NULL, ERR_INVALID},
    {"A.16 append an array value", "{\"foo\":[\"bar\"]}",
     "[{\"op\":\"add\",\"path\":\"/foo/-\",\"value\":[\"abc\",\"def\"]}]",
     "{\"foo\":[\"bar\",[\"abc\",\"def\"]]}", 0},
    {"names are case sensitive", "{\"Foo\":1}", "[{\"op\":\"remove\",\"path\":\"/foo\"}]", NULL,
     ERR_INVALID},
    {"an add after the end by one appends", "{\"a\":[1]}",
     "[{\"op\":\"add\",\"path\":\"/a/1\",\"value\":2}]", "{\"a\":[1,2]}", 0},
    {"an add into an empty array", "{\"a\":[]}", "[{\"op\":\"add\",\"path\":\"/a/0\",\"value\":2}]",
     "{\"a\":[2]}", 0},
    {"an add far after the end fails", "{\"a\":[1]}",
     "[{\"op\":\"add\",\"path\":\"/a/3\",\"value\":2}]", NULL, ERR_INVALID},
    {"an index with a leading zero fails", "{\"a\":[1,2]}",
     "[{\"op\":\"remove\",\"path\":\"/a/01\"}]", NULL, ERR_INVALID},
    {"null is a value", "{\"a\":1}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":null}]",
     "{\"a\":null}", 0},
    {"replace needs an old value", "{}", "[{\"op\":\"replace\",\"path\":\"/a\",\"value\":1}]", NULL,
     ERR_INVALID},
    {"copy is deep", "{\"a\":{\"b\":1}}",
     "[{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/c\"},{\"op\":\"replace\",\"path\":\"/c/"
     "b\",\"value\":2}]",
     "{\"a\":{\"b\":1},\"c\":{\"b\":2}}", 0},
    {"a value cannot be moved into itself", "{\"a\":{}}",
     "[{\"op\":\"move\",\"from\":\"/a\",\"path\":\"/a/b\"}]", NULL, ERR_INVALID},
    {"the whole document can be replaced", "{\"a\":1}",
     "[{\"op\":\"replace\",\"path\":\"\",\"value\":{\"b\":2}}]", "{\"b\":2}", 0},
    {"a failing operation undoes the earlier ones", "{\"a\":1}",
     "[{\"op\":\"add\",\"path\":\"/b\",\"value\":2},{\"op\":\"test\",\"path\":\"/"
     "a\",\"value\":2}]",
     NULL, ERR_INVALID},
    {"not a list", "{}", "{\"op\":\"add\"}", NULL, ERR_MALFORMED},
    {"no path", "{}", "[{\"op\":\"add\",\"value\":1}]", NULL, ERR_MALFORMED},
    {"no value", "{}", "[{\"op\":\"add\",\"path\":\"/a\"}]", NULL, ERR_MALFORMED},
    {"no from", "{}", "[{\"op\":\"copy\",\"path\":\"/a\"}]", NULL, ERR_MALFORMED},
    {"unknown operation", "{}", "[{\"op\":\"frob\",\"path\":\"/a\"}]", NULL, ERR_MALFORMED},
    {"bad escape", "{}", "[{\"op\":\"remove\",\"path\":\"/a~2\"}]", NULL, ERR_MALFORMED},
    {"bad pointer", "{}", "[{\"op\":\"remove\",\"path\":\"a\"}]", NULL, ERR_MALFORMED},
};

static void json_patch_follows_rfc6902(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rfc6902); i++)
        check_patch(JSON_PATCH, NULL, rfc6902[i].name, rfc6902[i].target, rfc6902[i].patch,
                    rfc6902[i].want, rfc6902[i].code);
}

static void json_patch_cannot_grow_without_bound(void **state)
{
    (void)state;
    cJSON *tree = parse("{\"a\":[\"0123456789012345678901234567890123456789\"]}");
    cJSON *patch = cJSON_CreateArray();
    for (int i = 0; i < 64; i++)
        cJSON_AddItemToArray(patch, parse("{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/-\"}"));
    struct err e = {0};
    int rc = patch_json(&tree, patch, &e);
    assert_true(rc == ERR_TOO_LARGE || rc == ERR_INVALID);
    assert_int_equal(cJSON_GetArraySize(json_get(tree, "a")), 1);
    cJSON_Delete(tree);
    cJSON_Delete(patch);
}

static void merge_patch_follows_rfc7386(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"[\"a\",\"b\"]", "[\"c\",\"d\"]", "[\"c\",\"d\"]"},
        {"{\"a\":\"b\"}", "[\"c\"]", "[\"c\"]"},
        {"{\"a\":\"foo\"}", "null", "null"},
        {"{\"a\":\"foo\"}", "\"bar\"", "\"bar\""},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"[1,2]", "{\"a\":\"b\",\"c\":null}", "{\"a\":\"b\"}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        check_patch(MERGE_PATCH, NULL, cases[i][1], cases[i][0], cases[i][1], cases[i][2], 0);
}

struct strategic_case {
    const char *name;
    const struct kind *kind;
    const char *target, *patch, *want;
    int code;
};

static void check_strategic(const struct strategic_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_patch(STRATEGIC, cases[i].kind, cases[i].name, cases[i].target, cases[i].patch,
                    cases[i].want, cases[i].code);
}

static const struct strategic_case a27_lists[] = {
    {"containers by name", &pod_kind,
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"1\",\"tty\":true}]}}",
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"2\"}]}}",
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"2\",\"tty\":true}]}}", 0},
    {"containers of a template", &set_kind,
     "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"1\"},{"
     "\"name\":\"b\"}]}}}}",
     "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"2\"}]}}}}",
     "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"2\"},{"
     "\"name\":\"b\"}]}}}}",
     0},
    {"initContainers by name", &pod_kind,
     "{\"spec\":{\"initContainers\":[{\"name\":\"a\",\"image\":\"1\"}]}}",
     "{\"spec\":{\"initContainers\":[{\"name\":\"a\",\"tty\":true}]}}",
     "{\"spec\":{\"initContainers\":[{\"name\":\"a\",\"image\":\"1\",\"tty\":true}]}}", 0},
    {"ephemeralContainers by name", &pod_kind,
     "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"a\",\"image\":\"1\"}]}}",
     "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"a\",\"tty\":true}]}}",
     "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"a\",\"image\":\"1\",\"tty\":true}]}}", 0},
    {"volumes with retainKeys", &pod_kind,
     "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}},{\"name\":\"w\",\"emptyDir\":{}}"
     "]}}",
     "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"$retainKeys\":[\"name\",\"hostPath\"],"
     "\"emptyDir\":null,"
     "\"hostPath\":{\"path\":\"/x\"}}]}}",
     "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/"
     "x\"}},{\"name\":\"w\",\"emptyDir\":{}}]}}",
     0},
    {"imagePullSecrets by name", &pod_kind, "{\"spec\":{\"imagePullSecrets\":[{\"name\":\"a\"}]}}",
     "{\"spec\":{\"imagePullSecrets\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
     "{\"spec\":{\"imagePullSecrets\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}", 0},
    {"schedulingGates by name", &pod_kind,
     "{\"spec\":{\"schedulingGates\":[{\"name\":\"a\"},{\"name\":\"b\"}]}}",
     "{\"spec\":{\"schedulingGates\":[{\"name\":\"a\",\"$patch\":\"delete\"}]}}",
     "{\"spec\":{\"schedulingGates\":[{\"name\":\"b\"}]}}", 0},
    {"resourceClaims by name", &pod_kind,
     "{\"spec\":{\"resourceClaims\":[{\"name\":\"a\",\"resourceClaimName\":\"x\"}]}}",
     "{\"spec\":{\"resourceClaims\":[{\"name\":\"a\",\"resourceClaimName\":\"y\"}]}}",
     "{\"spec\":{\"resourceClaims\":[{\"name\":\"a\",\"resourceClaimName\":\"y\"}]}}", 0},
    {"env by name", &pod_kind,
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"env\":[{\"name\":\"X\",\"value\":\"1\"},{"
     "\"name\":\"Y\"}]}]}}",
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"env\":[{\"name\":\"X\",\"value\":\"2\"}]}]}"
     "}",
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"env\":[{\"name\":\"X\",\"value\":\"2\"},{"
     "\"name\":\"Y\"}]}]}}",
     0},
    {"container ports by containerPort", &pod_kind,
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"ports\":[{\"containerPort\":80,\"name\":"
     "\"http\"}]}]}}",
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"ports\":[{\"containerPort\":80,\"name\":"
     "\"web\"},"
     "{\"containerPort\":81}]}]}}",
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"ports\":[{\"containerPort\":80,\"name\":"
     "\"web\"},"
     "{\"containerPort\":81}]}]}}",
     0},
    {"volumeMounts by mountPath", &pod_kind,
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"volumeMounts\":[{\"mountPath\":\"/"
     "d\",\"name\":\"v\"}]}]}}",
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"volumeMounts\":[{\"mountPath\":\"/"
     "d\",\"readOnly\":true}]}]}}",
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"volumeMounts\":[{\"mountPath\":\"/"
     "d\",\"name\":\"v\","
     "\"readOnly\":true}]}]}}",
     0},
    {"volumeDevices by devicePath", &pod_kind,
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"volumeDevices\":[{\"devicePath\":\"/"
     "d\",\"name\":\"v\"}]}]}}",
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"volumeDevices\":[{\"devicePath\":\"/"
     "d\",\"name\":\"w\"}]}]}}",
     "{\"spec\":{\"containers\":[{\"name\":\"a\",\"volumeDevices\":[{\"devicePath\":\"/"
     "d\",\"name\":\"w\"}]}]}}",
     0},
    {"topologySpreadConstraints by topologyKey", &pod_kind,
     "{\"spec\":{\"topologySpreadConstraints\":[{\"topologyKey\":\"zone\",\"maxSkew\":1}]}}",
     "{\"spec\":{\"topologySpreadConstraints\":[{\"topologyKey\":\"zone\",\"minDomains\":2}]}}",
     "{\"spec\":{\"topologySpreadConstraints\":[{\"topologyKey\":\"zone\",\"maxSkew\":1,"
     "\"minDomains\":2}]}}",
     0},
    {"Service ports by port", &service_kind,
     "{\"spec\":{\"ports\":[{\"port\":80,\"name\":\"http\"}]}}",
     "{\"spec\":{\"ports\":[{\"port\":80,\"nodePort\":30080},{\"port\":81}]}}",
     "{\"spec\":{\"ports\":[{\"port\":80,\"name\":\"http\",\"nodePort\":30080},{\"port\":81}]}"
     "}",
     0},
    {"pod conditions by type", &pod_kind,
     "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"},{\"type\":\"X\"}]}"
     "}",
     "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}",
     "{\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":\"X\"}]}"
     "}",
     0},
    {"set conditions by type", &set_kind,
     "{\"status\":{\"conditions\":[{\"type\":\"A\",\"status\":\"False\"}]}}",
     "{\"status\":{\"conditions\":[{\"type\":\"A\",\"status\":\"True\"}]}}",
     "{\"status\":{\"conditions\":[{\"type\":\"A\",\"status\":\"True\"}]}}", 0},
    {"node addresses by type", &node_kind,
     "{\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"1.1.1.1\"}]}}",
     "{\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"1.1.1.2\"}]}}",
     "{\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"1.1.1.2\"}]}}", 0},
    {"podIPs by ip", &pod_kind, "{\"status\":{\"podIPs\":[{\"ip\":\"1.1.1.1\"}]}}",
     "{\"status\":{\"podIPs\":[{\"ip\":\"1.1.1.1\"},{\"ip\":\"::1\"}]}}",
     "{\"status\":{\"podIPs\":[{\"ip\":\"1.1.1.1\"},{\"ip\":\"::1\"}]}}", 0},
    {"hostIPs by ip", &pod_kind, "{\"status\":{\"hostIPs\":[{\"ip\":\"1.1.1.1\"}]}}",
     "{\"status\":{\"hostIPs\":[{\"ip\":\"1.1.1.1\",\"$patch\":\"delete\"}]}}",
     "{\"status\":{\"hostIPs\":[]}}", 0},
    {"hostAliases by ip", &pod_kind,
     "{\"spec\":{\"hostAliases\":[{\"ip\":\"1.1.1.1\",\"hostnames\":[\"a\"]}]}}",
     "{\"spec\":{\"hostAliases\":[{\"ip\":\"1.1.1.1\",\"hostnames\":[\"b\"]}]}}",
     "{\"spec\":{\"hostAliases\":[{\"ip\":\"1.1.1.1\",\"hostnames\":[\"b\"]}]}}", 0},
    {"ownerReferences by uid", &pod_kind,
     "{\"metadata\":{\"ownerReferences\":[{\"uid\":\"u1\",\"name\":\"a\"}]}}",
     "{\"metadata\":{\"ownerReferences\":[{\"uid\":\"u1\",\"$patch\":\"delete\"},{\"uid\":"
     "\"u2\"}]}}",
     "{\"metadata\":{\"ownerReferences\":[{\"uid\":\"u2\"}]}}", 0},
    {"finalizers as a set", &pod_kind, "{\"metadata\":{\"finalizers\":[\"a\",\"b\"]}}",
     "{\"metadata\":{\"$deleteFromPrimitiveList/"
     "finalizers\":[\"a\"],\"finalizers\":[\"b\",\"c\"]}}",
     "{\"metadata\":{\"finalizers\":[\"b\",\"c\"]}}", 0},
    {"podCIDRs as a set", &node_kind, "{\"spec\":{\"podCIDRs\":[\"10.0.0.0/24\"]}}",
     "{\"spec\":{\"podCIDRs\":[\"10.0.0.0/24\",\"fd00::/64\"]}}",
     "{\"spec\":{\"podCIDRs\":[\"10.0.0.0/24\",\"fd00::/64\"]}}", 0},
    {"tolerations are atomic", &pod_kind,
     "{\"spec\":{\"tolerations\":[{\"key\":\"a\"},{\"key\":\"b\"}]}}",
     "{\"spec\":{\"tolerations\":[{\"key\":\"c\"}]}}",
     "{\"spec\":{\"tolerations\":[{\"key\":\"c\"}]}}", 0},
    {"taints are atomic", &node_kind, "{\"spec\":{\"taints\":[{\"key\":\"a\"}]}}",
     "{\"spec\":{\"taints\":[{\"key\":\"b\"}]}}", "{\"spec\":{\"taints\":[{\"key\":\"b\"}]}}", 0},
    {"volumeClaimTemplates are atomic", &set_kind,
     "{\"spec\":{\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"a\"}}]}}",
     "{\"spec\":{\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"b\"}}]}}",
     "{\"spec\":{\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"b\"}}]}}", 0},
    {"containerStatuses are atomic", &pod_kind,
     "{\"status\":{\"containerStatuses\":[{\"name\":\"a\",\"image\":\"x\"}]}}",
     "{\"status\":{\"containerStatuses\":[{\"name\":\"a\"}]}}",
     "{\"status\":{\"containerStatuses\":[{\"name\":\"a\"}]}}", 0},
};

/* One row per list of A27. */
static void a27_every_list_merges_by_its_key(void **state)
{
    (void)state;
    check_strategic(a27_lists, ARRAY_SIZE(a27_lists));
}

static void a27_directives_are_obeyed(void **state)
{
    (void)state;
    static const struct strategic_case cases[] = {
        {"maps merge, null deletes", &pod_kind,
         "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}}",
         "{\"metadata\":{\"labels\":{\"a\":null,\"c\":\"3\"}}}",
         "{\"metadata\":{\"labels\":{\"b\":\"2\",\"c\":\"3\"}}}", 0},
        {"nulls of a new value are dropped", &pod_kind, "{}",
         "{\"spec\":{\"nodeName\":null,\"hostname\":\"h\"}}", "{\"spec\":{\"hostname\":\"h\"}}", 0},
        {"$patch replace in a map", &set_kind,
         "{\"spec\":{\"template\":{\"metadata\":{\"labels\":{\"a\":\"1\"}}}}}",
         "{\"spec\":{\"template\":{\"$patch\":\"replace\",\"spec\":{\"hostname\":\"x\"}}}}",
         "{\"spec\":{\"template\":{\"spec\":{\"hostname\":\"x\"}}}}", 0},
        {"$patch delete in a map", &set_kind,
         "{\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\"}}}",
         "{\"spec\":{\"updateStrategy\":{\"$patch\":\"delete\"}}}",
         "{\"spec\":{\"updateStrategy\":{}}}", 0},
        {"$patch merge in a map", &set_kind,
         "{\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\"}}}",
         "{\"spec\":{\"updateStrategy\":{\"$patch\":\"merge\",\"rollingUpdate\":{}}}}",
         "{\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\",\"rollingUpdate\":{}}}}", 0},
        {"$patch replace in a list", &service_kind,
         "{\"spec\":{\"ports\":[{\"port\":80},{\"port\":81}]}}",
         "{\"spec\":{\"ports\":[{\"port\":82},{\"$patch\":\"replace\"}]}}",
         "{\"spec\":{\"ports\":[{\"port\":82}]}}", 0},
        {"$patch delete in a list", &service_kind,
         "{\"spec\":{\"ports\":[{\"port\":80},{\"port\":81}]}}",
         "{\"spec\":{\"ports\":[{\"port\":80,\"$patch\":\"delete\"}]}}",
         "{\"spec\":{\"ports\":[{\"port\":81}]}}", 0},
        {"$patch delete of what is not there", &service_kind, "{\"spec\":{}}",
         "{\"spec\":{\"ports\":[{\"port\":80,\"$patch\":\"delete\"}]}}",
         "{\"spec\":{\"ports\":[]}}", 0},
        {"$retainKeys in a map", &set_kind,
         "{\"spec\":{\"updateStrategy\":{\"type\":\"RollingUpdate\",\"rollingUpdate\":{"
         "\"partition\":1}}}}",
         "{\"spec\":{\"updateStrategy\":{\"$retainKeys\":[\"type\"],\"type\":\"OnDelete\"}}}",
         "{\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\"}}}", 0},
        {"$retainKeys must name what is set", &set_kind, "{\"spec\":{\"updateStrategy\":{}}}",
         "{\"spec\":{\"updateStrategy\":{\"$retainKeys\":[\"rollingUpdate\"],\"type\":\"OnDelete\"}"
         "}}",
         NULL, ERR_MALFORMED},
        {"unknown directive", &set_kind, "{\"spec\":{}}", "{\"spec\":{\"$patch\":\"frob\"}}", NULL,
         ERR_MALFORMED},
        {"element without merge key", &service_kind, "{\"spec\":{\"ports\":[{\"port\":80}]}}",
         "{\"spec\":{\"ports\":[{\"name\":\"x\"}]}}", NULL, ERR_INVALID},
        {"R58 rollback replaces the template", &set_kind,
         "{\"spec\":{\"replicas\":3,\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\","
         "\"image\":\"2\"},{\"name\":\"b\"}]}}}}",
         "{\"spec\":{\"template\":{\"$patch\":\"replace\",\"spec\":{\"containers\":[{\"name\":"
         "\"a\",\"image\":\"1\"}]}}}}",
         "{\"spec\":{\"replicas\":3,\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\","
         "\"image\":\"1\"}]}}}}",
         0},
        {"not an object", &set_kind, "{}", "[]", NULL, ERR_MALFORMED},
    };
    check_strategic(cases, ARRAY_SIZE(cases));
}

#define C(list) "{\"spec\":{\"containers\":[" list "]}}"
#define ORDERED(list, order)                                                                       \
    "{\"spec\":{\"$setElementOrder/containers\":[" order "],\"containers\":[" list "]}}"
#define N(name) "{\"name\":\"" name "\"}"

static void a27_set_element_order_orders_lists(void **state)
{
    (void)state;
    static const struct strategic_case cases[] = {
        {"the order alone reorders", &pod_kind, C(N("a") "," N("b") "," N("c")),
         "{\"spec\":{\"$setElementOrder/containers\":[" N("c") "," N("a") "," N("b") "]}}",
         C(N("c") "," N("a") "," N("b")), 0},
        {"a new element takes its place", &pod_kind, C(N("a") "," N("b")),
         ORDERED(N("x"), N("a") "," N("x") "," N("b")), C(N("a") "," N("x") "," N("b")), 0},
        {"elements only the server has keep their place", &pod_kind,
         C(N("a") "," N("sidecar") "," N("b")),
         ORDERED("{\"name\":\"b\",\"image\":\"2\"}", N("a") "," N("b")),
         C(N("a") "," N("sidecar") ",{\"name\":\"b\",\"image\":\"2\"}"), 0},
        {"a delete next to an order", &pod_kind, C(N("a") "," N("b") "," N("c")),
         ORDERED("{\"$patch\":\"delete\",\"name\":\"b\"}", N("a") "," N("c")), C(N("a") "," N("c")),
         0},
        {"a list that was not there", &pod_kind, "{\"spec\":{}}",
         ORDERED(N("a") "," N("b"), N("a") "," N("b")), C(N("a") "," N("b")), 0},
        {"nothing on either side", &pod_kind, "{\"spec\":{}}",
         "{\"spec\":{\"$setElementOrder/containers\":[]}}", "{\"spec\":{}}", 0},
        {"an order that contradicts the patch", &pod_kind, C(N("a")),
         ORDERED(N("b") "," N("a"), N("a") "," N("b")), NULL, ERR_MALFORMED},
        {"without order new elements come first, as upstream", &pod_kind, C(N("a")), C(N("b")),
         C(N("b") "," N("a")), 0},
        {"primitives", &pod_kind, "{\"metadata\":{\"finalizers\":[\"x/a\",\"x/b\",\"x/s\"]}}",
         "{\"metadata\":{\"$setElementOrder/finalizers\":[\"x/b\",\"x/"
         "c\"],\"$deleteFromPrimitiveList/"
         "finalizers\":[\"x/a\"],\"finalizers\":[\"x/c\"]}}",
         "{\"metadata\":{\"finalizers\":[\"x/b\",\"x/c\",\"x/s\"]}}", 0},
        {"order of nested lists, as kubectl apply sends it", &set_kind,
         "{\"metadata\":{\"annotations\":{\"k\":\"old\"}},\"spec\":{\"template\":{\"spec\":{"
         "\"containers\":[{\"name\":\"m\","
         "\"image\":\"1\",\"ports\":[{\"containerPort\":8080,\"name\":\"http\",\"protocol\":"
         "\"TCP\"}]}]}}}}",
         "{\"metadata\":{\"annotations\":{\"k\":\"new\"}},\"spec\":{\"template\":{\"spec\":{"
         "\"$setElementOrder/containers\":[{\"name\":\"m\"}],\"containers\":[{\"$setElementOrder/"
         "ports\":[{"
         "\"containerPort\":8080},{\"containerPort\":9}],\"name\":\"m\",\"image\":\"2\",\"ports\":["
         "{\"containerPort\":9}]}]}}}}",
         "{\"metadata\":{\"annotations\":{\"k\":\"new\"}},\"spec\":{\"template\":{\"spec\":{"
         "\"containers\":[{\"name\":\"m\","
         "\"image\":\"2\",\"ports\":[{\"containerPort\":8080,\"name\":\"http\",\"protocol\":"
         "\"TCP\"},{\"containerPort\":9}]}]}}}}",
         0},
    };
    check_strategic(cases, ARRAY_SIZE(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_patch_follows_rfc6902),
        cmocka_unit_test(json_patch_cannot_grow_without_bound),
        cmocka_unit_test(merge_patch_follows_rfc7386),
        cmocka_unit_test(a27_every_list_merges_by_its_key),
        cmocka_unit_test(a27_directives_are_obeyed),
        cmocka_unit_test(a27_set_element_order_orders_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
