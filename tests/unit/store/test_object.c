#include "controller/store/object.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/json.h"

static int make(enum kind_id kind, const char *text, struct object **out, struct err *e)
{
    cJSON *tree = json_parse(text, strlen(text), NULL);
    assert_non_null(tree);
    int rc = object_new(kind_get(kind), tree, out, e);
    cJSON_Delete(tree);
    return rc;
}

static const char full[] =
    "{\"spec\":{\"metadata\":{\"x\":1}},\"kind\":\"Wrong\",\"metadata\":{\"resourceVersion\":\"7\","
    "\"name\":\"kubia-0\","
    "\"namespace\":\"default\",\"uid\":\"11111111-2222-4333-8444-555555555555\",\"generation\":3,"
    "\"creationTimestamp\":\"2026-01-02T03:04:05Z\",\"deletionTimestamp\":\"2026-01-02T03:04:35Z\","
    "\"deletionGracePeriodSeconds\":30,\"labels\":{\"b\":\"2\",\"a\":\"1\"},\"finalizers\":[\"x/"
    "y\"],"
    "\"annotations\":{\"decoy\":\"{\\\"annotations\\\":{\\\"k\\\":1}}\",\"k\":\"v\\n\\\"\\u00e4\","
    "\"n\":{\"k\":1}},"
    "\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"n\",\"uid\":\"u1\"},"
    "{\"apiVersion\":\"apps/"
    "v1\",\"kind\":\"StatefulSet\",\"name\":\"kubia\",\"uid\":\"u2\",\"controller\":true,"
    "\"blockOwnerDeletion\":true}]},\"status\":{}}";

static void metadata_is_read_once(void **state)
{
    AUTO_OBJECT obj = NULL;
    (void)state;
    assert_int_equal(make(KIND_POD, full, &obj, NULL), 0);
    assert_string_equal(obj->key, "pods/default/kubia-0");
    assert_int_equal(obj->key_len, strlen("pods/default/kubia-0"));
    assert_string_equal(obj->ns, "default");
    assert_string_equal(obj->name, "kubia-0");
    assert_string_equal(obj->uid, "11111111-2222-4333-8444-555555555555");
    assert_int_equal(obj->generation, 3);
    assert_int_equal(obj->created_us, INT64_C(1767323045) * 1000000);
    assert_int_equal(obj->deleted_us - obj->created_us, 30 * 1000000);
    assert_int_equal(obj->grace_s, 30);
    assert_int_equal(obj->mod_revision, 0);
    assert_int_equal(obj->label_count, 2);
    assert_string_equal(obj->labels[0].key, "a");
    assert_string_equal(object_label(obj, "b"), "2");
    assert_null(object_label(obj, "c"));
    assert_true(object_has_finalizer(obj, "x/y"));
    assert_false(object_has_finalizer(obj, "x"));
    assert_string_equal(object_controller(obj)->uid, "u2");
    assert_true(object_controller(obj)->block_owner_deletion);
    assert_true(obj->bytes > obj->text_len);
}

static void text_has_no_resource_version_until_it_is_written(void **state)
{
    AUTO_OBJECT obj = NULL;
    struct buf_out out;
    (void)state;
    assert_int_equal(make(KIND_POD, full, &obj, NULL), 0);
    assert_null(strstr(obj->text, "resourceVersion"));
    assert_null(strstr(obj->text, "Wrong"));
    obj->mod_revision = 42;

    buf_out_init(&out);
    object_write(obj, &out);
    cJSON *tree = json_parse(out.data, out.len, NULL);
    assert_non_null(tree);
    assert_string_equal(json_str(json_get(tree, "metadata"), "resourceVersion", ""), "42");
    assert_string_equal(json_str(tree, "kind", ""), "Pod");
    cJSON *versioned = object_tree_versioned(obj);
    assert_true(json_equal(tree, versioned));
    json_del(json_get(tree, "metadata"), "resourceVersion");
    cJSON *plain = object_tree(obj);
    assert_true(json_equal(tree, plain));
    cJSON_Delete(tree);
    cJSON_Delete(plain);
    cJSON_Delete(versioned);
    buf_out_fini(&out);

    buf_out_init(&out);
    object_write_at(obj, UINT64_MAX,
                    &out); /* A17: a DELETED event carries the deletion's revision */
    assert_non_null(
        strstr(out.data, "\"metadata\":{\"resourceVersion\":\"18446744073709551615\",\"name\""));
    buf_out_fini(&out);
}

static void the_tree_given_is_left_alone(void **state)
{
    cJSON *tree = json_parse(full, strlen(full), NULL), *copy = cJSON_Duplicate(tree, true);
    struct object *obj = NULL;
    (void)state;
    assert_int_equal(object_new(kind_get(KIND_POD), tree, &obj, NULL), 0);
    assert_true(json_equal(tree, copy));
    object_unref(obj);
    cJSON_Delete(tree);
    cJSON_Delete(copy);
}

static void annotations_are_decoded_and_cut_to_the_room(void **state)
{
    AUTO_OBJECT obj = NULL;
    char value[16], small[3];
    (void)state;
    assert_int_equal(make(KIND_POD, full, &obj, NULL), 0);
    assert_true(object_annotation(obj, "k", value, sizeof(value)));
    assert_string_equal(value, "v\n\"\xc3\xa4");
    assert_true(object_annotation(obj, "k", small, sizeof(small)));
    assert_string_equal(small, "v\n");
    assert_false(object_annotation(obj, "n", value, sizeof(value)));
    assert_false(object_annotation(obj, "absent", value, sizeof(value)));
    assert_true(object_annotation(obj, "decoy", value, sizeof(value)));

    AUTO_OBJECT bare = NULL;
    assert_int_equal(
        make(KIND_NODE,
             "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\"},\"annotations\":{\"k\":\"v\"}}", &bare,
             NULL),
        0);
    assert_false(object_annotation(bare, "k", value, sizeof(value)));
}

static void a_stored_text_gives_the_same_object_again(void **state)
{
    AUTO_OBJECT obj = NULL;
    AUTO_OBJECT again = NULL;
    struct err e = {0};
    (void)state;
    assert_int_equal(make(KIND_POD, full, &obj, NULL), 0);
    assert_int_equal(object_load(obj->kind, obj->text, obj->text_len, 4, 9, &again, &e), 0);
    assert_string_equal(again->text, obj->text);
    assert_string_equal(again->key, obj->key);
    assert_int_equal(again->create_revision, 4);
    assert_int_equal(again->mod_revision, 9);
    assert_int_equal(again->bytes, obj->bytes);

    struct object *bad = NULL;
    assert_int_equal(object_load(obj->kind, obj->text, obj->text_len - 1, 4, 9, &bad, &e),
                     ERR_MALFORMED);
    assert_int_equal(object_load(kind_get(KIND_NODE), obj->text, obj->text_len, 4, 9, &bad, &e),
                     ERR_INVALID);
    assert_null(bad);
}

static void unusable_metadata_is_refused(void **state)
{
    static const struct {
        enum kind_id kind;
        const char *text, *says;
    } rows[] = {
        {KIND_POD, "{}", "metadata: must be an object"},
        {KIND_POD, "{\"metadata\":[]}", "metadata: must be an object"},
        {KIND_POD, "{\"metadata\":{\"namespace\":\"d\",\"uid\":\"u\"}}", "metadata.name"},
        {KIND_POD, "{\"metadata\":{\"name\":\"a/b\",\"namespace\":\"d\",\"uid\":\"u\"}}",
         "metadata.name"},
        {KIND_POD, "{\"metadata\":{\"name\":5,\"namespace\":\"d\",\"uid\":\"u\"}}",
         "metadata.name"},
        {KIND_POD, "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\"}}", "metadata.namespace"},
        {KIND_NODE, "{\"metadata\":{\"name\":\"a\",\"namespace\":\"d\",\"uid\":\"u\"}}",
         "metadata.namespace"},
        {KIND_NODE, "{\"metadata\":{\"name\":\"a\"}}", "metadata.uid"},
        {KIND_NODE,
         "{\"metadata\":{\"name\":\"a\",\"uid\":\"1111111111222222222233333333334444444\"}}",
         "metadata.uid"},
        {KIND_NODE, "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"labels\":[]}}",
         "metadata.labels"},
        {KIND_NODE, "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"labels\":{\"a\":1}}}",
         "metadata.labels"},
        {KIND_NODE, "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"finalizers\":[1]}}",
         "metadata.finalizers"},
        {KIND_NODE, "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"ownerReferences\":[1]}}",
         "metadata.ownerReferences"},
        {KIND_NODE, "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"creationTimestamp\":\"x\"}}",
         "metadata.creationTimestamp"},
        {KIND_NODE, "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"generation\":1.5}}",
         "metadata.generation"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct object *obj = NULL;
        struct err e = {0};
        if (make(rows[i].kind, rows[i].text, &obj, &e) != ERR_INVALID ||
            !strstr(e.text, rows[i].says))
            fail_msg("%s: %s", rows[i].text, e.text);
        assert_null(obj);
    }
}

static void null_metadata_members_count_as_absent(void **state)
{
    AUTO_OBJECT obj = NULL;
    (void)state;
    assert_int_equal(make(KIND_NODE,
                          "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"labels\":null,"
                          "\"creationTimestamp\":null,"
                          "\"ownerReferences\":null,\"finalizers\":null,\"namespace\":null}}",
                          &obj, NULL),
                     0);
    assert_string_equal(obj->key, "nodes//a");
    assert_int_equal(obj->grace_s, -1);
    assert_int_equal(obj->created_us, 0);
}

static void keys_longer_than_the_store_takes_are_refused(void **state)
{
    char key[OBJECT_KEY_MAX + 1], name[OBJECT_KEY_MAX + 1];
    (void)state;
    memset(name, 'a', OBJECT_KEY_MAX);
    name[OBJECT_KEY_MAX] = '\0';
    assert_int_equal(object_key(kind_get(KIND_NODE), "", name, key), 0);
    name[OBJECT_KEY_MAX - strlen("nodes//")] = '\0';
    assert_int_equal(object_key(kind_get(KIND_NODE), "", name, key), OBJECT_KEY_MAX);
    name[254] = '\0';
    struct object *obj = NULL;
    cJSON *tree = cJSON_CreateObject(), *meta = json_obj(tree, "metadata");
    json_set_str(meta, "name", name);
    json_set_str(meta, "uid", "u");
    assert_int_equal(object_new(kind_get(KIND_NODE), tree, &obj, NULL), ERR_INVALID);
    name[253] = '\0';
    json_set_str(meta, "name", name);
    assert_int_equal(object_new(kind_get(KIND_NODE), tree, &obj, NULL), 0);
    object_unref(obj);
    cJSON_Delete(tree);
}

static void kinds_are_found_by_path_and_by_name(void **state)
{
    (void)state;
    for (int id = 0; id < KIND_COUNT; id++) {
        const struct kind *kind = kind_get((enum kind_id)id);
        assert_int_equal(kind->id, id);
        assert_ptr_equal(kind_by_resource(kind->group, kind->resource), kind);
        assert_ptr_equal(kind_by_name(kind->api_version, kind->name), kind);
        char list[64];
        (void)snprintf(list, sizeof(list), "%sList", kind->name);
        assert_string_equal(kind->list_name, list);
        if (*kind->group)
            assert_memory_equal(kind->api_version, kind->group, strlen(kind->group));
    }
    assert_null(kind_by_resource("apps", "pods"));
    assert_null(kind_by_name("v1", "StatefulSet"));
    assert_false(kind_get(KIND_EVENT)->is_durable);
    assert_true(kind_get(KIND_IDENTITY)->is_read_only);
    assert_false(kind_get(KIND_LEASE)->has_generation); /* A16 */
    assert_true(kind_get(KIND_POD)->has_generation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metadata_is_read_once),
        cmocka_unit_test(text_has_no_resource_version_until_it_is_written),
        cmocka_unit_test(the_tree_given_is_left_alone),
        cmocka_unit_test(annotations_are_decoded_and_cut_to_the_room),
        cmocka_unit_test(a_stored_text_gives_the_same_object_again),
        cmocka_unit_test(unusable_metadata_is_refused),
        cmocka_unit_test(null_metadata_members_count_as_absent),
        cmocka_unit_test(keys_longer_than_the_store_takes_are_refused),
        cmocka_unit_test(kinds_are_found_by_path_and_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
