/* base/yaml: libyaml events to cJSON, with bounds and lines (libraries.md section 7). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/json.h"
#include "base/yaml.h"

static struct yaml_file parse(const char *text)
{
    struct yaml_file file;
    struct err e = {0};
    int rc = yaml_parse(text, strlen(text), &file, &e);
    if (rc)
        fail_msg("%s\n%s", text, e.text);
    return file;
}

static void assert_json(const char *text, const char *json)
{
    struct yaml_file file = parse(text);
    assert_int_equal(file.count, 1);
    char *printed = json_print(file.docs[0].root, NULL);
    if (strcmp(printed, json) != 0)
        fail_msg("%s\nis %s\nnot %s", text, printed, json);
    free(printed);
    yaml_file_fini(&file);
}

static void plain_scalars_are_typed_as_kubectl_types_them(void **state)
{
    (void)state;
    assert_json("[y, yes, Yes, on, true]", "[true,true,true,true,true]");
    assert_json("[n, no, Off, FALSE]", "[false,false,false,false]");
    assert_json("[~, null, NULL, ]", "[null,null,null]");
    assert_json("a:\nb: ~\n", "{\"a\":null,\"b\":null}");
    assert_json("[010, 0777, 0o10]", "[8,511,8]");
    assert_json("[0x1F, 0b11, 1_000, 1__0, +5]", "[31,3,1000,10,5]");
    assert_json("[1e3, 1.0, .5, 1., 1.5e3, -0]", "[1000,1,0.5,1,1500,0]");
    assert_json("[12:30, 190:20:30, 2001-01-01, =, 0x]",
                "[\"12:30\",\"190:20:30\",\"2001-01-01\",\"=\",\"0x\"]");
}

static void quoted_and_tagged_scalars_are_text(void **state)
{
    (void)state;
    assert_json("['yes', \"010\", '', \"~\", \"<<\"]", "[\"yes\",\"010\",\"\",\"~\",\"<<\"]");
    assert_json("[!!str 5, !!str yes, !!str , ! 5, !mine 5]", "[\"5\",\"yes\",\"\",5,\"5\"]");
    assert_json("[!!int \"5\", !!float 5, !!bool 'yes', !!null '']", "[5,5,true,null]");
    assert_json("a: |\n  1\n  2\nb: >-\n  true\n", "{\"a\":\"1\\n2\\n\",\"b\":\"true\"}");
    assert_json("\"a\\x01\\u00e9\\n\"", "\"a\\u0001\xc3\xa9\\n\"");
}

static void keys_become_text_after_typing(void **state)
{
    (void)state;
    assert_json("{1: a, yes: b, 010: c, 1.5: d, x: e, no: f, '~': g}",
                "{\"1\":\"a\",\"true\":\"b\",\"8\":\"c\",\"1.5\":\"d\",\"x\":\"e\","
                "\"false\":\"f\",\"~\":\"g\"}");
}

static void documents_come_in_order_with_their_lines(void **state)
{
    (void)state;
    struct yaml_file file = parse("a: 1\n---\n# nothing\n---\n\nb: 2\n...\n--- [c]\n");
    static const struct {
        const char *json;
        int line;
    } rows[] = {{"{\"a\":1}", 1}, {"null", 2}, {"{\"b\":2}", 4}, {"[\"c\"]", 8}};
    assert_int_equal(file.count, ARRAY_SIZE(rows));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *printed = json_print(file.docs[i].root, NULL);
        assert_string_equal(printed, rows[i].json);
        assert_int_equal(file.docs[i].line, rows[i].line);
        free(printed);
    }
    yaml_file_fini(&file);
    yaml_file_fini(&file);
}

static void a_text_without_documents_has_none(void **state)
{
    (void)state;
    static const char *const rows[] = {"", "\n\n", "# only a comment\n"};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct yaml_file file = parse(rows[i]);
        assert_int_equal(file.count, 0);
        yaml_file_fini(&file);
    }
    struct yaml_file file;
    assert_int_equal(yaml_parse(NULL, 0, &file, NULL), 0);
    assert_int_equal(file.count, 0);
}

static void json_is_a_subset(void **state)
{
    (void)state;
    static const char json[] =
        "{\"kind\":\"List\",\"items\":[{\"a\":[],\"b\":{}},1.5,\"x\\\"y\",null]}";
    assert_json(json, json);
    assert_json("{\n\t\"a\": \"b\"\n}", "{\"a\":\"b\"}");
    assert_json("\xef\xbb\xbf"
                "a: 1\r\nb: 2\r\n",
                "{\"a\":1,\"b\":2}");
}

static void aliases_are_expanded(void **state)
{
    (void)state;
    assert_json(
        "a: &x {k: [1, two]}\nb: *x\nc: [*x]\n",
        "{\"a\":{\"k\":[1,\"two\"]},\"b\":{\"k\":[1,\"two\"]},\"c\":[{\"k\":[1,\"two\"]}]}");
    assert_json("- &x 1\n- *x\n- &x 2\n- *x\n", "[1,1,2,2]");
    assert_json("&k name: &v web\n*v : *k\n", "{\"name\":\"web\",\"web\":\"name\"}");
    assert_json("[&n ~, *n, &b true, *b]", "[null,null,true,true]");
}

static void merge_keys_fill_in_what_is_absent(void **state)
{
    (void)state;
    assert_json("base: &b {x: 1, z: 2}\nmine:\n  <<: *b\n  z: 3\n",
                "{\"base\":{\"x\":1,\"z\":2},\"mine\":{\"z\":3,\"x\":1}}");
    assert_json("base: &b {x: 1, z: 2}\nmine:\n  z: 3\n  <<: *b\n",
                "{\"base\":{\"x\":1,\"z\":2},\"mine\":{\"z\":3,\"x\":1}}");
    assert_json("[&a {x: 1, z: 1}, &b {x: 2, v: 2}, {<<: [*a, *b], w: 0}]",
                "[{\"x\":1,\"z\":1},{\"x\":2,\"v\":2},{\"w\":0,\"x\":1,\"z\":1,\"v\":2}]");
    assert_json("{<<: {a: {b: 1}}, c: 2}", "{\"c\":2,\"a\":{\"b\":1}}");
    assert_json("[{<<: &m {a: &v 1}, a: 2}, *m, *v]", "[{\"a\":2},{\"a\":1},1]");
    assert_json("{\"<<\": 1}", "{\"<<\":1}");
    assert_json("{<<: []}", "{}");
    assert_json("[<<]", "[\"<<\"]");
}

static void errors_name_their_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"a: 1\nb: 2\na: 3\n", "line 3, column 1: duplicate key \"a\""},
        {"x:\n  - 1: a\n    \"1\": b\n", "line 3, column 5: duplicate key \"1\""},
        {"{yes: 1, true: 2}", "line 1, column 10: duplicate key \"true\""},
        {"a: &x {}\nb:\n  <<: *x\n  <<: *x\n", "line 4, column 3: duplicate key \"<<\""},
        {"a: *nobody\n", "line 1, column 4: unknown alias \"nobody\""},
        {"a: &x 1\n---\nb: *x\n", "line 3, column 4: unknown alias \"x\""},
        {"a: &x [1, *x]\n", "line 1, column 11: alias \"x\" inside of what it stands for"},
        {"&x\na:\n  <<: *x\n", "line 3, column 7: alias \"x\" inside of what it stands for"},
        {"a: .inf\n", "line 1, column 4: .inf has no place in JSON"},
        {"a:\n - -.Inf\n", "line 2, column 4: -.Inf has no place in JSON"},
        {".nan: 1\n", "line 1, column 1: .nan has no place in JSON"},
        {"~: 1\n", "line 1, column 1: a key must be text, a number or a boolean"},
        {"? [a]\n: 1\n", "line 1, column 3: a key must be text, a number or a boolean"},
        {"a: &x {}\n*x : 1\n", "line 2, column 1: a key must be text, a number or a boolean"},
        {"<<: 1\n", "line 1, column 5: \"<<\" needs a mapping or a list of mappings"},
        {"<<: [{}, 1]\n", "line 1, column 5: \"<<\" needs a mapping or a list of mappings"},
        {"a: \"x\\0y\"\n", "line 1, column 4: a NUL character is not allowed"},
        {"a: !!int x\n", "line 1, column 4: \"x\" is not of the type of its tag"},
        {"a: !!bool 1\n", "line 1, column 4: \"1\" is not of the type of its tag"},
        {"a: !!binary eA==\n", "line 1, column 4: !!binary is not supported"},
        {"a: 1\nb: \x01\n", "line 2, column 4: control characters are not allowed"},
        {"a: 1\nb: \xff\n", "line 2, column 4: invalid leading UTF-8 octet"},
        {"a: [1\nb: 2\n",
         "line 2, column 2: did not find expected ',' or ']' while parsing a flow sequence"},
        {"a: 1\n\tb: 2\n",
         "line 2, column 1: found a tab character that violates indentation while "
         "scanning a plain scalar"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct yaml_file file;
        struct err e = {0};
        int rc = yaml_parse(rows[i].text, strlen(rows[i].text), &file, &e);
        if (rc != ERR_MALFORMED || strcmp(e.text, rows[i].error) != 0)
            fail_msg("%s\n%d: %s", rows[i].text, rc, e.text);
        assert_null(file.docs);
        assert_int_equal(file.count, 0);
        assert_int_equal(yaml_parse(rows[i].text, strlen(rows[i].text), &file, NULL),
                         ERR_MALFORMED);
    }
}

static int parse_repeated(const char *head, const char *piece, size_t times, const char *tail,
                          struct err *e)
{
    struct buf_out text;
    buf_out_init(&text);
    buf_puts(&text, head);
    for (size_t i = 0; i < times; i++)
        buf_puts(&text, piece);
    buf_puts(&text, tail);
    struct yaml_file file;
    int rc = yaml_parse(text.data, text.len, &file, e);
    yaml_file_fini(&file);
    buf_out_fini(&text);
    return rc;
}

static void depth_bombs_stop_at_64(void **state)
{
    (void)state;
    static const char *const pieces[] = {"[", "{a: ", "- ", "? "};
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        struct err e = {0};
        assert_int_equal(parse_repeated("", pieces[i], 100000, "", &e), ERR_MALFORMED);
        if (pieces[i][0] != '?')
            assert_non_null(strstr(e.text, ": nested deeper than 64"));
    }
    char closing[66];
    memset(closing, ']', sizeof(closing));
    struct err e = {0};
    closing[64] = '\0';
    assert_int_equal(parse_repeated("", "[", 64, closing, &e), 0);
    closing[64] = ']';
    closing[65] = '\0';
    assert_int_equal(parse_repeated("", "[", 65, closing, &e), ERR_MALFORMED);
}

static void aliases_do_not_dig_deeper_than_64(void **state)
{
    (void)state;
    struct buf_out text;
    for (int levels = 63; levels <= 64; levels++) {
        buf_out_init(&text);
        buf_puts(&text, "a0: &a0 []\n");
        for (int i = 1; i < levels; i++)
            buf_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
        struct yaml_file file;
        struct err e = {0};
        int rc = yaml_parse(text.data, text.len, &file, &e);
        assert_int_equal(rc, levels == 63 ? 0 : ERR_MALFORMED);
        if (rc)
            assert_non_null(strstr(e.text, "line 64, column 12: nested deeper than 64"));
        yaml_file_fini(&file);
        buf_out_fini(&text);
    }
}

static void a_billion_laughs_are_refused(void **state)
{
    (void)state;
    struct buf_out text;
    buf_out_init(&text);
    buf_puts(&text, "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for (int i = 1; i < 10; i++) {
        buf_printf(&text, "a%d: &a%d [", i, i);
        for (int n = 0; n < 10; n++)
            buf_printf(&text, "*a%d,", i - 1);
        buf_puts(&text, "]\n");
    }
    struct yaml_file file;
    struct err e = {0};
    assert_int_equal(yaml_parse(text.data, text.len, &file, &e), ERR_TOO_LARGE);
    assert_non_null(strstr(e.text, "more than 1000000 nodes"));
    assert_null(file.docs);
    buf_out_fini(&text);
}

static void many_copies_of_a_long_text_are_refused(void **state)
{
    (void)state;
    struct buf_out text;
    buf_out_init(&text);
    buf_puts(&text, "- &a ");
    for (int i = 0; i < 100000; i++)
        buf_puts(&text, "0123456789");
    for (int i = 0; i < 100; i++)
        buf_puts(&text, "\n- *a");
    struct yaml_file file;
    struct err e = {0};
    assert_int_equal(yaml_parse(text.data, text.len, &file, &e), ERR_TOO_LARGE);
    assert_non_null(strstr(e.text, "after expanding aliases"));
    buf_out_fini(&text);
}

static void texts_and_directives_are_bounded(void **state)
{
    (void)state;
    struct err e = {0};
    assert_int_equal(parse_repeated("", "#234567890123456\n", YAML_TEXT_MAX / 17 + 1, "", &e),
                     ERR_TOO_LARGE);
    struct buf_out tags;
    buf_out_init(&tags);
    for (int i = 0; i < 64; i++)
        buf_printf(&tags, "%%TAG !t%d! tag:x,2000:\n", i);
    assert_int_equal(parse_repeated(tags.data, "", 0, "--- 1\n", &e), 0);
    assert_int_equal(parse_repeated(tags.data, "%TAG !x! !\n", 1, "--- 1\n", &e), ERR_TOO_LARGE);
    buf_out_fini(&tags);
    assert_int_equal(parse_repeated("a: x", "% ", 1000, "\n", &e), 0);
}

static void large_mappings_take_their_time_in_proportion(void **state)
{
    (void)state;
    struct buf_out text;
    buf_out_init(&text);
    buf_puts(&text, "a: &a\n");
    for (int i = 0; i < 20000; i++)
        buf_printf(&text, "  key%d: %d\n", i, i);
    buf_puts(&text, "b:\n  <<: *a\n");
    for (int i = 10000; i < 30000; i++)
        buf_printf(&text, "  key%d: x\n", i);
    struct yaml_file file;
    struct err e = {0};
    assert_int_equal(yaml_parse(text.data, text.len, &file, &e), 0);
    const cJSON *b = json_get(file.docs[0].root, "b");
    assert_int_equal(cJSON_GetArraySize(b), 30000);
    assert_string_equal(json_str(b, "key10000", ""), "x");
    assert_int_equal(yaml_line(&file.docs[0], json_get(b, "key9999")), 10001);
    yaml_file_fini(&file);
    buf_out_fini(&text);
}

static const char manifest[] = "apiVersion: v1\n"                /* 1 */
                               "metadata:\n"                     /* 2 */
                               "  labels:\n"                     /* 3 */
                               "    app: web\n"                  /* 4 */
                               "    app.kubernetes.io/name: x\n" /* 5 */
                               "spec:\n"                         /* 6 */
                               "  ports:\n"                      /* 7 */
                               "  - name: http\n"                /* 8 */
                               "    port: 80\n"                  /* 9 */
                               "  - &p\n"                        /* 10 */
                               "    name: x\n"                   /* 11 */
                               "  - *p\n"                        /* 12 */
                               "  empty:\n";                     /* 13 */

static void field_paths_find_their_lines(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int line;
    } rows[] = {
        {"", 1},
        {"apiVersion", 1},
        {"metadata", 2},
        {"metadata.labels", 3},
        {"metadata.labels.app", 4},
        {"metadata.labels.app.kubernetes.io/name", 5},
        {"metadata.labels[app.kubernetes.io/name]", 5},
        {"metadata.labels[app]", 4},
        {"metadata.labels.application", 3},
        {"metadata.name", 2},
        {"spec.ports", 7},
        {"spec.ports[0]", 8},
        {"spec.ports[0].name", 8},
        {"spec.ports[0].port", 9},
        {"spec.ports[0].targetPort", 8},
        {"spec.ports[1].name", 11},
        {"spec.ports[2]", 12},
        {"spec.ports[2].name", 11},
        {"spec.ports[3].name", 7},
        {"spec.ports[x]", 7},
        {"spec.ports.name", 7},
        {"spec.ports[99999999999999999999]", 7},
        {"spec.empty", 13},
        {"spec.empty.more[0]", 13},
        {"status", 1},
        {"[0]", 1},
    };
    struct yaml_file file = parse(manifest);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int line = yaml_line_at(&file.docs[0], rows[i].path);
        if (line != rows[i].line)
            fail_msg("%s is in line %d", rows[i].path, line);
    }
    yaml_file_fini(&file);
}

static void nodes_know_their_lines_and_strangers_have_none(void **state)
{
    (void)state;
    struct yaml_file file = parse("---\na:\n  - 1\n---\n");
    const cJSON *list = json_get(file.docs[0].root, "a");
    assert_int_equal(yaml_line(&file.docs[0], file.docs[0].root), 2);
    assert_int_equal(yaml_line(&file.docs[0], list), 2);
    assert_int_equal(yaml_line(&file.docs[0], list->child), 3);
    assert_int_equal(yaml_line(&file.docs[1], list), 0);
    assert_int_equal(yaml_line_at(&file.docs[1], "a.b"), 4);
    cJSON stranger = {0};
    assert_int_equal(yaml_line(&file.docs[0], &stranger), 0);
    yaml_file_fini(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_scalars_are_typed_as_kubectl_types_them),
        cmocka_unit_test(quoted_and_tagged_scalars_are_text),
        cmocka_unit_test(keys_become_text_after_typing),
        cmocka_unit_test(documents_come_in_order_with_their_lines),
        cmocka_unit_test(a_text_without_documents_has_none),
        cmocka_unit_test(json_is_a_subset),
        cmocka_unit_test(aliases_are_expanded),
        cmocka_unit_test(merge_keys_fill_in_what_is_absent),
        cmocka_unit_test(errors_name_their_line_and_column),
        cmocka_unit_test(depth_bombs_stop_at_64),
        cmocka_unit_test(aliases_do_not_dig_deeper_than_64),
        cmocka_unit_test(a_billion_laughs_are_refused),
        cmocka_unit_test(many_copies_of_a_long_text_are_refused),
        cmocka_unit_test(texts_and_directives_are_bounded),
        cmocka_unit_test(large_mappings_take_their_time_in_proportion),
        cmocka_unit_test(field_paths_find_their_lines),
        cmocka_unit_test(nodes_know_their_lines_and_strangers_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
