/* The three-way merge of ordctl apply (api.md A27, section 10 "apply -f"): expected patches, and
 * that the server's own strategic merge makes of them what the manifest says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "cmd/ordctl.h"
#include "controller/registry/patch.h"
#include "controller/store/kind.h"

static cJSON *parse(const char *text)
{
    if (!text)
        return NULL;
    struct err e = {0};
    cJSON *tree = json_parse(text, strlen(text), &e);
    if (!tree)
        fail_msg("%s: %s", text, e.text);
    return tree;
}

static const struct merge_case {
    const char *what, *kind;
    const char *original, *modified, *live;
    const char *patch;
    const char *result; /* live after the patch; NULL: not looked at */
} cases[] = {
    {"nothing changes although the server has defaults", "Service",
     "{\"spec\":{\"ports\":[{\"port\":80}]}}", "{\"spec\":{\"ports\":[{\"port\":80}]}}",
     "{\"spec\":{\"type\":\"ClusterIP\",\"ports\":[{\"port\":80,\"protocol\":\"TCP\","
     "\"targetPort\":"
     "80}]},\"status\":{}}",
     "{}", NULL},
    {"a changed value goes with its key and the order", "Service", NULL,
     "{\"spec\":{\"ports\":[{\"port\":80,\"name\":\"web\"}]}}",
     "{\"spec\":{\"ports\":[{\"port\":80,\"protocol\":\"TCP\"}]}}",
     "{\"spec\":{\"ports\":[{\"name\":\"web\",\"port\":80}],\"$setElementOrder/"
     "ports\":[{\"port\":80}]}}",
     "{\"spec\":{\"ports\":[{\"port\":80,\"protocol\":\"TCP\",\"name\":\"web\"}]}}"},
    {"what was taken out is deleted, what others added stays", "Service",
     "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}}",
     "{\"metadata\":{\"labels\":{\"a\":\"1\"}}}",
     "{\"metadata\":{\"labels\":{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\"}}}",
     "{\"metadata\":{\"labels\":{\"b\":null}}}",
     "{\"metadata\":{\"labels\":{\"a\":\"1\",\"c\":\"3\"}}}"},
    {"a port taken out is deleted by its key", "Service",
     "{\"spec\":{\"ports\":[{\"port\":80},{\"port\":81}]}}",
     "{\"spec\":{\"ports\":[{\"port\":81}]}}",
     "{\"spec\":{\"ports\":[{\"port\":80},{\"port\":81},{\"port\":82}]}}",
     "{\"spec\":{\"ports\":[{\"$patch\":\"delete\",\"port\":80}],\"$setElementOrder/"
     "ports\":[{\"port\":81}]}}",
     "{\"spec\":{\"ports\":[{\"port\":81},{\"port\":82}]}}"},
    {"what was taken out and is gone already needs nothing", "Service",
     "{\"spec\":{\"externalName\":\"x\",\"ports\":[{\"port\":80}]}}", "{\"spec\":{}}",
     "{\"spec\":{\"type\":\"ClusterIP\"}}", "{}", NULL},
    {"a list taken out as a whole is deleted", "Service", "{\"spec\":{\"ports\":[{\"port\":80}]}}",
     "{\"spec\":{}}", "{\"spec\":{\"ports\":[{\"port\":80}]}}", "{\"spec\":{\"ports\":null}}",
     "{\"spec\":{}}"},
    {"deep in a pod template, environment by name", "StatefulSet",
     "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"env\":[{"
     "\"name\":\"X\",\"value\":\"1\"},{\"name\":\"Y\",\"value\":\"2\"}]}]}}}}",
     "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i\",\"env\":[{"
     "\"name\":\"X\",\"value\":\"3\"}]}]}}}}",
     "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i\","
     "\"imagePullPolicy\":\"Always\",\"env\":[{\"name\":\"X\",\"value\":\"1\"},{\"name\":\"Y\","
     "\"value\":\"2\"}]}]}}}}",
     "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"env\":[{\"value\":\"3\",\"name\":\"X\"}"
     ","
     "{\"$patch\":\"delete\",\"name\":\"Y\"}],\"$setElementOrder/env\":[{\"name\":\"X\"}],\"name\":"
     "\"a\"}],\"$setElementOrder/containers\":[{\"name\":\"a\"}]}}}}",
     "{\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"a\",\"image\":\"i\","
     "\"imagePullPolicy\":\"Always\",\"env\":[{\"name\":\"X\",\"value\":\"3\"}]}]}}}}"},
    {"a volume that becomes another type loses the old one", "Pod",
     "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}",
     "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/x\"}}]}}",
     "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"emptyDir\":{}}]}}",
     "{\"spec\":{\"volumes\":[{\"hostPath\":{\"path\":\"/"
     "x\"},\"emptyDir\":null,\"$retainKeys\":[\"name\",\"hostPath\"],\"name\":\"v\"}],"
     "\"$setElementOrder/volumes\":[{\"name\":\"v\"}]}}",
     "{\"spec\":{\"volumes\":[{\"name\":\"v\",\"hostPath\":{\"path\":\"/x\"}}]}}"},
    {"finalizers are a set", "Service", "{\"metadata\":{\"finalizers\":[\"a/a\",\"b/b\"]}}",
     "{\"metadata\":{\"finalizers\":[\"b/b\",\"c/c\"]}}",
     "{\"metadata\":{\"finalizers\":[\"a/a\",\"b/b\",\"z/z\"]}}",
     "{\"metadata\":{\"$deleteFromPrimitiveList/finalizers\":[\"a/a\"],\"finalizers\":[\"c/"
     "c\"],\"$setElementOrder/finalizers\":[\"b/b\",\"c/c\"]}}",
     NULL},
    {"a list without merge key is replaced", "StatefulSet", NULL,
     "{\"spec\":{\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"d\"}}]}}",
     "{\"spec\":{\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"e\"}}]}}",
     "{\"spec\":{\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"d\"}}]}}",
     "{\"spec\":{\"volumeClaimTemplates\":[{\"metadata\":{\"name\":\"d\"}}]}}"},
    {"a null in the manifest deletes what the server has, and nothing else", "Service", NULL,
     "{\"spec\":{\"externalName\":null,\"type\":null}}", "{\"spec\":{\"type\":\"ClusterIP\"}}",
     "{\"spec\":{\"type\":null}}", NULL},
};

static void patches_are_those_that_kubectl_would_send(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct merge_case *c = &cases[i];
        const char *version = strcmp(c->kind, "StatefulSet") == 0 ? "apps/v1" : "v1";
        const struct kind *kind = kind_by_name(version, c->kind);
        cJSON *original = parse(c->original), *modified = parse(c->modified);
        cJSON *live = parse(c->live), *want = parse(c->patch);
        cJSON *patch = merge_patch(original, modified, live, schema_fields(kind));
        if (!json_equal(patch, want))
            fail_msg("%s: %s", c->what, json_print(patch, NULL));
        if (c->result) {
            struct err e = {0};
            cJSON *result = parse(c->result);
            if (patch_strategic(kind, &live, patch, &e) < 0)
                fail_msg("%s: %s", c->what, e.text);
            if (!json_equal(live, result))
                fail_msg("%s: became %s", c->what, json_print(live, NULL));
            cJSON_Delete(result);
        }
        cJSON_Delete(patch);
        cJSON_Delete(want);
        cJSON_Delete(live);
        cJSON_Delete(modified);
        cJSON_Delete(original);
    }
}

static void without_a_schema_lists_are_replaced_as_in_a_merge_patch(void **state)
{
    (void)state;
    cJSON *modified = parse("{\"spec\":{\"ports\":[{\"port\":80}],\"a\":{\"b\":1}}}");
    cJSON *live = parse("{\"spec\":{\"ports\":[{\"port\":80,\"x\":1}],\"a\":{\"b\":1,\"c\":2}}}");
    cJSON *patch = merge_patch(NULL, modified, live, NULL);
    char *text = json_print(patch, NULL);
    assert_string_equal(text, "{\"spec\":{\"ports\":[{\"port\":80}]}}");
    free(text);
    cJSON_Delete(patch);
    cJSON_Delete(live);
    cJSON_Delete(modified);
}

static void the_annotation_is_written_as_kubectl_writes_it(void **state)
{
    (void)state;
    cJSON *manifest = parse("{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":"
                            "\"m\"},\"data\":{\"b\":\"<&>\",\"a\":\"x\"}}");
    cJSON *sent = merge_modified(manifest, "default");
    assert_string_equal(
        json_str(json_at(sent, "metadata", "annotations", NULL), LAST_APPLIED, NULL),
        "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"x\",\"b\":\"\\u003c\\u0026\\u003e\"},\"kind\":"
        "\"ConfigMap\",\"metadata\":{\"annotations\":{},\"name\":\"m\",\"namespace\":\"default\"}}"
        "\n");
    assert_string_equal(json_str(json_get(sent, "metadata"), "namespace", ""), "default");
    assert_null(json_get(json_get(manifest, "metadata"), "annotations"));
    cJSON *again = merge_modified(sent, "default");
    assert_true(json_equal(sent, again));
    cJSON_Delete(again);
    cJSON_Delete(sent);
    cJSON_Delete(manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patches_are_those_that_kubectl_would_send),
        cmocka_unit_test(without_a_schema_lists_are_replaced_as_in_a_merge_patch),
        cmocka_unit_test(the_annotation_is_written_as_kubectl_writes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
