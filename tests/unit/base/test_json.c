/* base/json: what cJSON lets through is refused (libraries.md section 3), what is valid survives a
 * round trip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
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

static void malformed_text_is_refused_with_its_byte(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"", "byte 1: the text ends too early"},
        {"  ", "byte 3: the text ends too early"},
        {"\xef\xbb\xbf{}", "byte 1: not a JSON value"}, /* BOM */
        {"{\"a\":\"\xc3\"}", "byte 7: invalid UTF-8"},
        {"\"\xc0\x80\"", "byte 2: invalid UTF-8"},         /* overlong */
        {"\"\xed\xa0\x80\"", "byte 2: invalid UTF-8"},     /* surrogate */
        {"\"\xf4\x90\x80\x80\"", "byte 2: invalid UTF-8"}, /* above U+10FFFF */
        {"\"\xe2\x82", "byte 2: invalid UTF-8"},
        {"\"a\nb\"", "byte 3: control character in a string"},
        {"\"a\tb\"", "byte 3: control character in a string"},
        {"\"a\\u0000b\"", "byte 3: \\u0000 is not allowed"},
        {"{\"a\\u0000\":1}", "byte 4: \\u0000 is not allowed"},
        {"\"\\ud800\"", "byte 2: half of a surrogate pair"},
        {"\"\\udc00\"", "byte 2: half of a surrogate pair"},
        {"\"\\ud800\\u0041\"", "byte 2: half of a surrogate pair"},
        {"\"\\u12g4\"", "byte 2: \\u needs four hexadecimal digits"},
        {"\"\\x41\"", "byte 3: unknown escape"},
        {"\"abc", "byte 5: the text ends too early"},
        {"\"abc\\", "byte 6: the text ends too early"},
        {"01", "byte 1: a number starts with 0"},
        {"-01", "byte 2: a number starts with 0"},
        {"[1.]", "byte 4: a digit is missing"},
        {"[.5]", "byte 2: not a JSON value"},
        {"[+1]", "byte 2: not a JSON value"},
        {"[1e]", "byte 4: a digit is missing"},
        {"[1e+]", "byte 5: a digit is missing"},
        {"[-]", "byte 3: a digit is missing"},
        {"[0x10]", "byte 3: ',' or ']' is missing"},
        {"[1e400]", "byte 2: a number is too large"},
        {"[NaN]", "byte 2: not a JSON value"},
        {"[Infinity]", "byte 2: not a JSON value"},
        {"[tru]", "byte 2: not a JSON value"},
        {"[truex]", "byte 6: ',' or ']' is missing"},
        {"[1,]", "byte 4: not a JSON value"},
        {"[,1]", "byte 2: not a JSON value"},
        {"[1 2]", "byte 4: ',' or ']' is missing"},
        {"{\"a\":1,}", "byte 8: a member name is missing"},
        {"{\"a\" 1}", "byte 6: ':' is missing"},
        {"{\"a\":}", "byte 6: not a JSON value"},
        {"{a:1}", "byte 2: a member name is missing"},
        {"{'a':1}", "byte 2: a member name is missing"},
        {"{\"a\":1]", "byte 7: ',' or '}' is missing"},
        {"[1}", "byte 3: ',' or ']' is missing"},
        {"{} {}", "byte 4: something follows the JSON value"},
        {"{}x", "byte 3: something follows the JSON value"},
        {"// c\n{}", "byte 1: not a JSON value"},
        {"[1", "byte 3: the text ends too early"},
        {"{\"a\":1", "byte 7: the text ends too early"},
        {"\f1", "byte 1: not a JSON value"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct err e = {0};
        assert_null(json_parse(rows[i].text, strlen(rows[i].text), &e));
        assert_int_equal(e.code, ERR_MALFORMED);
        assert_string_equal(e.text, rows[i].error);
    }
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":\"b\"}";
    for (size_t i = 0; i <= strlen(text); i++) {
        char copy[sizeof(text) + 1];
        memcpy(copy, text, i);
        copy[i] = '\0';
        memcpy(copy + i + 1, text + i, strlen(text) - i);
        struct err e = {0};
        assert_null(json_parse(copy, strlen(text) + 1, &e));
        assert_int_equal(e.code, ERR_MALFORMED);
    }
    assert_null(json_parse("x", 1, NULL));
}

static void valid_text_prints_back_compactly(void **state)
{
    (void)state;
    static const struct {
        const char *text, *printed;
    } rows[] = {
        {" { \"a\" : [ 1 , true , false , null , \"x\" ] } ", "{\"a\":[1,true,false,null,\"x\"]}"},
        {"{}", "{}"},
        {"[]", "[]"},
        {"[[],{}]", "[[],{}]"},
        {"\"\\u0041\\n\\/\\\"\\\\\\u001f\"", "\"A\\n/\\\"\\\\\\u001f\""},
        {"\"\\ud83d\\ude00 \xc3\xa9 \x7f\"", "\"\xf0\x9f\x98\x80 \xc3\xa9 \x7f\""},
        {"9007199254740992", "9007199254740992"},
        {"-9007199254740991", "-9007199254740991"},
        {"1760000000123456", "1760000000123456"}, /* cJSON would print 1.76e+15 */
        {"1.0", "1"},
        {"-0", "0"},
        {"0.1", "0.1"},
        {"1e3", "1000"},
        {"1.5E-3", "0.0015"},
        {"3.141592653589793", "3.141592653589793"},
        {"1e300", "1e+300"},
        {"{\"\":0}", "{\"\":0}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cJSON *tree = parse(rows[i].text);
        size_t len;
        char *text = json_print(tree, &len);
        assert_string_equal(text, rows[i].printed);
        assert_int_equal(len, strlen(text));
        free(text);
        cJSON_Delete(tree);
    }
}

static void numbers_longer_than_cjson_keeps_are_refused(void **state)
{
    (void)state;
    char text[80];
    memset(text, '1', sizeof(text));
    struct err e = {0};
    assert_null(json_parse(text, 64, &e));
    assert_string_equal(e.text, "byte 1: a number is too long");
    cJSON *tree = json_parse(text, 63, &e);
    assert_non_null(tree);
    cJSON_Delete(tree);
}

static void texts_of_every_length_end_where_they_end(void **state)
{
    (void)state;
    for (size_t len = 8100; len < 8300; len++) { /* around the size of the stack copy */
        char *text = xmalloc(len);
        memset(text, 'x', len);
        text[0] = text[len - 1] = '"';
        struct err e = {0};
        cJSON *tree = json_parse(text, len, &e);
        assert_non_null(tree);
        assert_int_equal(strlen(tree->valuestring), len - 2);
        cJSON_Delete(tree);
        assert_null(json_parse(text, len - 1, &e));
        assert_non_null(strstr(e.text, "the text ends too early"));
        free(text);
    }
}

static cJSON *parse_nested(size_t depth, char open, struct err *e)
{
    struct buf_out text;
    buf_out_init(&text);
    for (size_t i = 0; i < depth; i++)
        buf_puts(&text, open == '{' ? "{\"a\":" : "[");
    buf_puts(&text, "1");
    for (size_t i = 0; i < depth; i++)
        buf_putc(&text, open == '{' ? '}' : ']');
    cJSON *tree = json_parse(text.data, text.len, e);
    buf_out_fini(&text);
    return tree;
}

static void depth_64_is_the_last_accepted(void **state)
{
    (void)state;
    for (const char *open = "{["; *open; open++) {
        struct err e = {0};
        cJSON *tree = parse_nested(64, *open, &e);
        assert_non_null(tree);
        cJSON_Delete(tree);
        assert_null(parse_nested(65, *open, &e));
        assert_non_null(strstr(e.text, "nested too deeply"));
        assert_null(parse_nested(200000, *open, &e));
    }
}

static void duplicate_keys_are_refused_with_their_path(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } rows[] = {
        {"{\"a\":1,\"a\":1}", "a: duplicate key"},
        {"{\"a\":1,\"\\u0061\":2}", "a: duplicate key"},
        {"{\"x\":{},\"spec\":{\"ports\":[[],{\"a\":1},{\"n\":1,\"m\":[1],\"n\":2}]}}",
         "spec.ports[2].n: duplicate key"},
        {"[{},[{\"k\":1,\"k\":2}]]", "[1][0].k: duplicate key"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct err e = {0};
        assert_null(json_parse(rows[i].text, strlen(rows[i].text), &e));
        assert_int_equal(e.code, ERR_MALFORMED);
        assert_string_equal(e.text, rows[i].error);
    }
    cJSON *tree = parse("{\"a\":{\"a\":1},\"A\":2,\"b\":[{\"a\":1},{\"a\":1}]}");
    cJSON_Delete(tree);
}

static void put_object(struct buf_out *out, int members, int repeated)
{
    buf_out_init(out);
    for (int i = 0; i < members; i++)
        buf_printf(out, "%c\"key%d\":%d", i ? ',' : '{', i, i);
    if (repeated >= 0)
        buf_printf(out, ",\"key%d\":0", repeated);
    buf_puts(out, "}");
}

static void duplicates_are_found_in_objects_of_every_size(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 15, 16, 17, 100, 20000};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct buf_out text;
        put_object(&text, sizes[i], -1);
        struct err e = {0};
        cJSON *tree = json_parse(text.data, text.len, &e);
        assert_non_null(tree);
        cJSON_Delete(tree);
        buf_out_fini(&text);
        const int repeated[] = {0, sizes[i] / 2, sizes[i] - 1};
        for (size_t r = 0; r < ARRAY_SIZE(repeated); r++) {
            put_object(&text, sizes[i], repeated[r]);
            assert_null(json_parse(text.data, text.len, &e));
            assert_non_null(strstr(e.text, ": duplicate key"));
            buf_out_fini(&text);
        }
    }
}

static bool collect_path(void *arg, const char *path)
{
    struct buf_out *seen = arg;
    buf_printf(seen, "%s;", path);
    return strcmp(path, "stop") != 0;
}

static void the_last_of_duplicates_counts_when_asked(void **state)
{
    (void)state;
    static const struct {
        const char *text, *seen, *left; /* left NULL: stopped */
    } rows[] = {
        {"{\"a\":1,\"a\":2,\"b\":3,\"a\":4}", "a;", "{\"b\":3,\"a\":4}"},
        {"{\"a\":{\"x\":1,\"x\":2},\"\\u0061\":{\"y\":1,\"y\":2}}", "a;a.y;", "{\"a\":{\"y\":2}}"},
        {"[[{\"k\":1}],{\"m\":[0,{\"n\":1,\"n\":2},{\"n\":1,\"n\":2}]}]", "[1].m[1].n;[1].m[2].n;",
         "[[{\"k\":1}],{\"m\":[0,{\"n\":2},{\"n\":2}]}]"},
        {"{\"A\":1,\"a\":2}", "", "{\"A\":1,\"a\":2}"},
        {"7", "", "7"},
        {"{\"stop\":1,\"stop\":2}", "stop;", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct err e = {0};
        struct buf_out seen;
        buf_out_init(&seen);
        buf_puts(&seen, "");
        cJSON *tree =
            json_parse_lenient(rows[i].text, strlen(rows[i].text), collect_path, &seen, &e);
        assert_int_equal(e.code, 0);
        assert_string_equal(seen.data, rows[i].seen);
        buf_out_fini(&seen);
        if (!rows[i].left) {
            assert_null(tree);
            continue;
        }
        char *text = json_print(tree, NULL);
        assert_string_equal(text, rows[i].left);
        free(text);
        cJSON_Delete(tree);
    }
    struct buf_out text;
    put_object(&text, 20000, 7);
    cJSON *tree = json_parse_lenient(text.data, text.len, NULL, NULL, NULL);
    assert_int_equal(cJSON_GetArraySize(tree), 20000);
    int64_t last = -1;
    assert_true(json_int(tree, "key7", 0, 1, &last));
    assert_int_equal(last, 0);
    cJSON_Delete(tree);
    buf_out_fini(&text);
}

/* What is told is bounded, whatever a client sends. */
static void no_more_than_a_hundred_duplicates_are_told(void **state)
{
    (void)state;
    struct buf_out text, seen;
    buf_out_init(&text);
    buf_out_init(&seen);
    for (int i = 0; i < 50000; i++)
        buf_puts(&text, i ? ",{\"a\":1,\"a\":2}" : "[{\"a\":1,\"a\":2}");
    buf_puts(&text, "]");
    cJSON *tree = json_parse_lenient(text.data, text.len, collect_path, &seen, NULL);
    assert_non_null(tree);
    size_t told = 0;
    for (const char *at = seen.data; (at = strchr(at, ';')); at++)
        told++;
    assert_int_equal(told, 100);
    cJSON_Delete(tree);
    buf_out_fini(&seen);
    buf_out_fini(&text);
}

static void lookup_is_case_sensitive_and_typed(void **state)
{
    (void)state;
    cJSON *tree = parse("{\"Name\":\"x\",\"n\":5,\"f\":1.5,\"big\":9007199254740994,\"t\":true,"
                        "\"spec\":{\"template\":{\"a\":1}},\"arr\":[1],\"z\":null}");
    int64_t value = -7;
    assert_null(json_get(tree, "name"));
    assert_non_null(json_get(tree, "Name"));
    assert_null(json_get(NULL, "a"));
    assert_null(json_get(json_get(tree, "arr"), "a"));
    assert_non_null(json_at(tree, "spec", "template", "a", NULL));
    assert_null(json_at(tree, "spec", "nothing", "a", NULL));
    assert_null(json_at(tree, "n", "a", NULL));
    assert_string_equal(json_str(tree, "Name", NULL), "x");
    assert_string_equal(json_str(tree, "n", "other"), "other");
    assert_true(json_bool(tree, "t", false));
    assert_true(json_bool(tree, "n", true));
    assert_false(json_bool(tree, "absent", false));
    assert_false(json_int(tree, "f", 0, 10, &value));
    assert_false(json_int(tree, "n", 6, 10, &value));
    assert_false(json_int(tree, "n", 0, 4, &value));
    assert_false(json_int(tree, "big", 0, INT64_MAX, &value));
    assert_false(json_int(tree, "Name", 0, 4, &value));
    assert_int_equal(value, -7);
    assert_true(json_int(tree, "n", 5, 5, &value));
    assert_int_equal(value, 5);
    cJSON_Delete(tree);
}

static void assert_prints(const cJSON *tree, const char *expected)
{
    char *text = json_print(tree, NULL);
    assert_string_equal(text, expected);
    free(text);
}

static void setting_replaces_in_place_and_leaves_no_duplicate(void **state)
{
    (void)state;
    cJSON *tree = parse("{\"a\":1,\"b\":2,\"c\":3}");
    json_set_str(tree, "b", "x");
    json_set_int(tree, "d", -9007199254740992);
    json_set_bool(tree, "a", true);
    assert_prints(tree, "{\"a\":true,\"b\":\"x\",\"c\":3,\"d\":-9007199254740992}");
    cJSON_AddNumberToObject(tree, "a", 7);
    cJSON_AddNumberToObject(tree, "a", 8);
    json_set(tree, "a", cJSON_CreateNumber(9));
    assert_prints(tree, "{\"a\":9,\"b\":\"x\",\"c\":3,\"d\":-9007199254740992}");
    cJSON *b = json_get(tree, "b");
    json_set(tree, "b", b); /* itself */
    json_set(tree, b->string, cJSON_CreateNull());
    cJSON_AddNumberToObject(tree, "c", 7);
    json_del(tree, "c");
    json_del(tree, "absent");
    json_del(tree, json_get(tree, "d")->string);
    assert_prints(tree, "{\"a\":9,\"b\":null}");
    cJSON_Delete(tree);
}

static void containers_are_created_when_absent_or_null(void **state)
{
    (void)state;
    cJSON *tree = parse("{\"n\":null,\"o\":{\"x\":1},\"a\":[1],\"s\":\"text\"}");
    json_set_int(json_obj(tree, "o"), "y", 2);
    json_set_int(json_obj(tree, "n"), "z", 3);
    cJSON_AddItemToArray(json_arr(tree, "a"), cJSON_CreateNumber(2));
    assert_non_null(json_arr(tree, "s"));
    assert_non_null(json_obj(tree, "new"));
    assert_prints(tree,
                  "{\"n\":{\"z\":3},\"o\":{\"x\":1,\"y\":2},\"a\":[1,2],\"s\":[],\"new\":{}}");
    cJSON_Delete(tree);
}

static void equality_ignores_member_order_only(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"{\"a\":1,\"b\":[1,2]}", "{\"b\":[1,2],\"a\":1.0}", true},
        {"{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"c\":3,\"b\":2}", true},
        {"{\"a\":1,\"b\":2,\"c\":3}", "{\"a\":1,\"c\":2,\"b\":3}", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":1}", false},
        {"{\"a\":1,\"b\":1}", "{\"a\":1}", false},
        {"{\"a\":1,\"b\":1}", "{\"b\":1}", false},
        {"{\"a\":1}", "{\"A\":1}", false},
        {"[1,2]", "[2,1]", false},
        {"[1,2]", "[1,2,3]", false},
        {"[1,2,3]", "[1,2]", false},
        {"[]", "{}", false},
        {"null", "false", false},
        {"true", "true", true},
        {"\"a\"", "\"a\"", true},
        {"\"a\"", "\"b\"", false},
        {"1000000000000000", "1000000000000001", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        cJSON *a = parse(rows[i].a), *b = parse(rows[i].b);
        if (json_equal(a, b) != rows[i].equal)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
        assert_true(json_equal(a, a));
        cJSON_Delete(a);
        cJSON_Delete(b);
    }
    cJSON *null = cJSON_CreateNull();
    assert_false(json_equal(null, NULL));
    assert_true(json_equal(NULL, NULL));
    cJSON_Delete(null);
}

/* Thousands of trees in turn and at once: more than are kept, of all sizes, some freed by free().
 */
static void trees_keep_what_they_hold_when_blocks_are_kept(void **state)
{
    (void)state;
    enum { TREES = 3000 };
    static cJSON *trees[TREES];
    json_keep_blocks();
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < TREES; i++) {
            trees[i] = cJSON_CreateObject();
            for (size_t size = 0; size < 160; size += 13) {
                char name[8], text[161];
                memset(text, 'a' + (int)(i % 26), size);
                text[size] = '\0';
                (void)snprintf(name, sizeof name, "%zu", size);
                json_set_str(trees[i], name, text);
            }
        }
        for (size_t i = 0; i < TREES; i++) {
            for (const cJSON *it = trees[i]->child; it; it = it->next) {
                assert_int_equal(strlen(it->valuestring), strtoul(it->string, NULL, 10));
                assert_int_equal(strspn(it->valuestring, (char[]){(char)('a' + i % 26), 0}),
                                 strlen(it->valuestring));
            }
            cJSON *last = cJSON_DetachItemFromObject(trees[i], "26");
            free(TAKE(last->valuestring)); /* a block is malloc's own */
            cJSON_Delete(last);
            cJSON_Delete(trees[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_text_is_refused_with_its_byte),
        cmocka_unit_test(a_nul_byte_is_refused_wherever_it_stands),
        cmocka_unit_test(valid_text_prints_back_compactly),
        cmocka_unit_test(numbers_longer_than_cjson_keeps_are_refused),
        cmocka_unit_test(texts_of_every_length_end_where_they_end),
        cmocka_unit_test(depth_64_is_the_last_accepted),
        cmocka_unit_test(duplicate_keys_are_refused_with_their_path),
        cmocka_unit_test(duplicates_are_found_in_objects_of_every_size),
        cmocka_unit_test(the_last_of_duplicates_counts_when_asked),
        cmocka_unit_test(no_more_than_a_hundred_duplicates_are_told),
        cmocka_unit_test(lookup_is_case_sensitive_and_typed),
        cmocka_unit_test(setting_replaces_in_place_and_leaves_no_duplicate),
        cmocka_unit_test(containers_are_created_when_absent_or_null),
        cmocka_unit_test(equality_ignores_member_order_only),
        cmocka_unit_test(trees_keep_what_they_hold_when_blocks_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
