/* What ordctl prints: tables, JSON, YAML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"
#include "base/yaml.h"
#include "cmd/ordctl.h"

static cJSON *parse(const char *text)
{
    struct err e = {0};
    cJSON *tree = json_parse(text, strlen(text), &e);
    if (!tree)
        fail_msg("%s", e.text);
    return tree;
}

static const char pods[] =
    "{\"columnDefinitions\":[{\"name\":\"Name\",\"priority\":0},{\"name\":\"Ready\"},{\"name\":"
    "\"Node\",\"priority\":1}],\"rows\":[{\"cells\":[\"kubia-0\",\"1/1\",\"node1\"],\"object\":{"
    "\"metadata\":{\"namespace\":\"default\"}}},{\"cells\":[\"b\",7,null],\"object\":{\"metadata\":"
    "{"
    "\"namespace\":\"x\"}}}]}";

static void expect_table(struct table_opts opts, const char *want)
{
    struct table_print t = {.opts = opts};
    cJSON *table = parse(pods);
    struct buf_out out;
    buf_out_init(&out);
    table_print(&t, table, &out);
    assert_string_equal(out.data, want);
    buf_out_fini(&out);
    table_print_fini(&t);
    cJSON_Delete(table);
}

static void tables_show_the_columns_that_were_asked_for(void **state)
{
    (void)state;
    expect_table((struct table_opts){0}, "NAME      READY\nkubia-0   1/1\nb         7\n");
    expect_table((struct table_opts){.wide = true}, "NAME      READY   NODE\n"
                                                    "kubia-0   1/1     node1\n"
                                                    "b         7       <none>\n");
    expect_table((struct table_opts){.no_headers = true}, "kubia-0   1/1\nb         7\n");
    expect_table((struct table_opts){.with_namespace = true}, "NAMESPACE   NAME      READY\n"
                                                              "default     kubia-0   1/1\n"
                                                              "x           b         7\n");
    expect_table((struct table_opts){.prefix = "pod/"},
                 "NAME          READY\npod/kubia-0   1/1\npod/b         7\n");
}

static void a_watch_keeps_columns_and_header_of_its_first_table(void **state)
{
    (void)state;
    struct table_print t = {0};
    cJSON *first = parse(pods);
    cJSON *next =
        parse("{\"columnDefinitions\":null,\"rows\":[{\"cells\":[\"c\",\"0/1\",\"n\"]}]}");
    struct buf_out out;
    buf_out_init(&out);
    table_print(&t, first, &out);
    table_print(&t, next, &out);
    assert_string_equal(out.data, "NAME      READY\nkubia-0   1/1\nb         7\nc         0/1\n");
    buf_out_fini(&out);
    table_print_fini(&t);
    cJSON_Delete(first);
    cJSON_Delete(next);
}

static void control_bytes_do_not_reach_the_terminal(void **state)
{
    (void)state;
    struct table_print t = {0};
    cJSON *table = parse("{\"columnDefinitions\":[{\"name\":\"Message\"}],\"rows\":[{\"cells\":["
                         "\"a\\u001b[31mb\\nc\"]}]}");
    struct buf_out out;
    buf_out_init(&out);
    table_print(&t, table, &out);
    assert_string_equal(out.data, "MESSAGE\na [31mb c\n");
    buf_out_fini(&out);
    table_print_fini(&t);
    cJSON_Delete(table);
}

static void json_is_indented_and_in_order(void **state)
{
    (void)state;
    cJSON *tree = parse("{\"b\":[1,{\"x\":\"\\\"\"}],\"a\":{},\"c\":[]}");
    struct buf_out out;
    buf_out_init(&out);
    print_json(&out, tree);
    assert_string_equal(out.data, "{\n    \"a\": {},\n    \"b\": [\n        1,\n        {\n"
                                  "            \"x\": \"\\\"\"\n        }\n    ],\n"
                                  "    \"c\": []\n}\n");
    buf_out_fini(&out);
    cJSON_Delete(tree);
}

static void yaml_reads_well(void **state)
{
    (void)state;
    cJSON *tree = parse("{\"kind\":\"List\",\"items\":[{\"name\":\"a\",\"ports\":[{\"port\":80}],"
                        "\"on\":\"yes\"},[1,2]],\"text\":\"one\\ntwo\\n\",\"empty\":{}}");
    struct buf_out out;
    buf_out_init(&out);
    print_yaml(&out, tree);
    assert_string_equal(out.data, "empty: {}\n"
                                  "items:\n"
                                  "- name: a\n"
                                  "  \"on\": \"yes\"\n"
                                  "  ports:\n"
                                  "  - port: 80\n"
                                  "- - 1\n"
                                  "  - 2\n"
                                  "kind: List\n"
                                  "text: |\n"
                                  "  one\n"
                                  "  two\n");
    buf_out_fini(&out);
    cJSON_Delete(tree);
}

static void yaml_reads_back_to_the_same_tree(void **state)
{
    (void)state;
    static const char *const texts[] = {"\"\"",
                                        "\"true\"",
                                        "\"1\"",
                                        "\"1e3\"",
                                        "\"a: b\"",
                                        "\"a #b\"",
                                        "\"- a\"",
                                        "\"-\"",
                                        "\"a\\nb\"",
                                        "\"a\\nb\\n\"",
                                        "\"a\\n\\n\"",
                                        "\"\\na\"",
                                        "\" a\\nb\"",
                                        "\"a\\n  b\\n\"",
                                        "\"a\\tb\\nc\"",
                                        "\"a \"",
                                        "\"a:\"",
                                        "\"{}\"",
                                        "\"*x\"",
                                        "\"\\u00fc\"",
                                        "\"~\"",
                                        "\"a\\n\\nb\\n\"",
                                        "\"#\"",
                                        "\"0x1F\"",
                                        "\"12:30\"",
                                        "\"a\\n \"",
                                        "\"---\"",
                                        "\"...\"",
                                        "\"\\u007f\"",
                                        "\"\\u0085 \\u009f\"",
                                        "\"\\\\ \\\"\"",
                                        "1.5",
                                        "-3",
                                        "null",
                                        "false",
                                        "[]",
                                        "\"a, b\"",
                                        "\"[a]\"",
                                        "\"a\\n---\\n\"",
                                        "\"\\n\"",
                                        "\"=\""};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        char json[256];
        (void)snprintf(json, sizeof(json), "{\"k\":%s,\"l\":[%s,{\"m\":[[%s]],\"n\":%s}]}",
                       texts[i], texts[i], texts[i], texts[i]);
        cJSON *tree = parse(json);
        struct buf_out out;
        buf_out_init(&out);
        print_yaml(&out, tree);
        struct yaml_file file;
        struct err e = {0};
        if (yaml_parse(out.data, out.len, &file, &e) < 0)
            fail_msg("%s: %s in\n%s", texts[i], e.text, out.data);
        if (file.count != 1 || !json_equal(file.docs[0].root, tree))
            fail_msg("%s did not come back from\n%s", texts[i], out.data);
        yaml_file_fini(&file);
        buf_out_fini(&out);
        cJSON_Delete(tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_show_the_columns_that_were_asked_for),
        cmocka_unit_test(a_watch_keeps_columns_and_header_of_its_first_table),
        cmocka_unit_test(control_bytes_do_not_reach_the_terminal),
        cmocka_unit_test(json_is_indented_and_in_order),
        cmocka_unit_test(yaml_reads_well),
        cmocka_unit_test(yaml_reads_back_to_the_same_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
