/* What the server refuses, with the line of the manifest. */
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

static const char yaml[] = "apiVersion: v1\n"              /* 1 */
                           "kind: Service\n"               /* 2 */
                           "metadata:\n"                   /* 3 */
                           "  name: kubia\n"               /* 4 */
                           "spec:\n"                       /* 5 */
                           "  ports:\n"                    /* 6 */
                           "    - name: http\n"            /* 7 */
                           "      port: 0\n"               /* 8 */
                           "---\n"                         /* 9 */
                           "kind: List\n"                  /* 10 */
                           "items:\n"                      /* 11 */
                           "  - apiVersion: v1\n"          /* 12 */
                           "    kind: Pod\n"               /* 13 */
                           "    spec: {restart: never}\n"; /* 14 */

static void expect(size_t doc, const char *path, const char *status, const char *want)
{
    struct source source = {.name = xstrdup("k.yaml"), .text = xstrdup(yaml)};
    assert_int_equal(source_parse(&source, NULL), 0);
    char *owned = xstrdup(path);
    const struct yaml_doc *d = &source.yaml.docs[doc];
    cJSON *items = json_get(d->root, "items");
    struct manifest m = {
        .object = items ? items->child : d->root, .doc = d, .file = source.name, .path = owned};
    cJSON *tree = json_parse(status, strlen(status), NULL);
    assert_non_null(tree);
    struct buf_out out;
    buf_out_init(&out);
    manifest_explain(&m, tree, &out);
    assert_string_equal(out.data, want);
    buf_out_fini(&out);
    cJSON_Delete(tree);
    free(owned);
    yaml_file_fini(&source.yaml);
    free(source.name);
    free(source.text);
}

static void causes_have_the_line_of_their_field(void **state)
{
    (void)state;
    expect(0, "",
           "{\"message\":\"m\",\"details\":{\"causes\":[{\"field\":\"spec.ports[0].port\","
           "\"message\":\"Invalid value: 0: must be between 1 and 65535, inclusive\"},{\"field\":"
           "\"spec.selector\",\"message\":\"Required value\"}]}}",
           "k.yaml:8: spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, "
           "inclusive\nk.yaml:5: spec.selector: Required value\n");
}

static void unknown_fields_have_their_line(void **state)
{
    (void)state;
    expect(1, "items[0].",
           "{\"message\":\"strict decoding error: unknown field \\\"spec.restart\\\", unknown "
           "field \\\"kind\\\"\"}",
           "k.yaml:14: unknown field \"spec.restart\"\nk.yaml:13: unknown field \"kind\"\n");
}

static void wrong_types_have_the_line_of_the_field_or_its_parent(void **state)
{
    (void)state;
    expect(0, "",
           "{\"message\":\"json: cannot unmarshal string into Go struct field "
           "Service.spec.ports.port of type int32\"}",
           "k.yaml:6: json: cannot unmarshal string into Go struct field Service.spec.ports.port "
           "of type int32\n");
}

static void other_refusals_have_the_line_of_the_object(void **state)
{
    (void)state;
    expect(0, "", "{\"message\":\"namespaces \\\"x\\\" not found\"}",
           "k.yaml:1: namespaces \"x\" not found\n");
    expect(1, "items[0].", "{\"message\":\"no\"}", "k.yaml:12: no\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(causes_have_the_line_of_their_field),
        cmocka_unit_test(unknown_fields_have_their_line),
        cmocka_unit_test(wrong_types_have_the_line_of_the_field_or_its_parent),
        cmocka_unit_test(other_refusals_have_the_line_of_the_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
