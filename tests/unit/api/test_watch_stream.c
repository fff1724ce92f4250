/* Watches: the state and then every change, bookmarks, ends. */
#include "tests/unit/api/api_world.h"

static void a_watch_tells_the_state_and_then_every_change(void **state) /* A33, A34 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 2, "x");
    struct call c;
    call_do(&c, &w, "GET " CM "?watch=true", NULL, NULL);
    assert_int_equal(c.status, 200);
    assert_int_equal(lines_of(&c), 2);
    expect_line(&c, 0, "ADDED", "m-000");
    expect_line(&c, 1, "ADDED", "m-001");
    put_maps(&w, 2, 3, "x");
    drop(&w, 200, "PATCH " CM "/m-000", MERGE, "{\"data\":{\"k\":\"w\"}}");
    cJSON *before = ask(&w, 200, "GET " CM "/m-001", NULL, NULL);
    drop(&w, 200, "DELETE " CM "/m-001", NULL, NULL);
    drop(&w, 201, "POST /api/v1/namespaces/kube-system/configmaps", NULL,
         "{\"metadata\":{\"name\":\"z\"}}");
    call_pull(&c);
    assert_int_equal(lines_of(&c), 5);
    expect_line(&c, 2, "ADDED", "m-002");
    expect_line(&c, 3, "MODIFIED", "m-000");
    expect_line(&c, 4, "DELETED", "m-001");
    cJSON *deleted = line_at(&c, 4); /* A17: with the deletion's version */
    assert_true(strtoull(meta_of(json_get(deleted, "object"), "resourceVersion"), NULL, 10) >
                strtoull(meta_of(before, "resourceVersion"), NULL, 10));
    cJSON_Delete(before);
    cJSON_Delete(deleted);
    assert_int_equal(watch_count(w.api), 1);
    call_end(&c);
    assert_int_equal(watch_count(w.api), 0);
    world_close(&w);
}

static void a_watch_from_a_version_has_no_gap_and_no_duplicate(void **state) /* A34 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 2, "x");
    cJSON *list = ask(&w, 200, "GET " CM, NULL, NULL);
    char target[160];
    snprintf(target, sizeof target, "GET " CM "?watch=1&resourceVersion=%s",
             meta_of(list, "resourceVersion"));
    cJSON_Delete(list);
    put_maps(&w, 2, 4, "x");
    struct call c;
    call_do(&c, &w, target, NULL, NULL);
    assert_int_equal(lines_of(&c), 2);
    expect_line(&c, 0, "ADDED", "m-002");
    expect_line(&c, 1, "ADDED", "m-003");
    put_maps(&w, 4, 5, "x");
    call_pull(&c);
    assert_int_equal(lines_of(&c), 3);
    call_end(&c);
    call_do(&c, &w, "GET " CM "?watch=1&resourceVersion=0&fieldSelector=metadata.name%3Dm-001",
            NULL, NULL);
    assert_int_equal(lines_of(&c), 1);
    call_end(&c);
    call_do(&c, &w, "GET " CM "/m-001?watch=1", NULL, NULL);
    assert_int_equal(lines_of(&c), 1);
    call_end(&c);
    drop(&w, 504, "GET " CM "?watch=1&resourceVersion=99999", NULL, NULL);
    world_close(&w);
}

static void selector_transitions_are_additions_and_deletions(void **state) /* A35 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 1, "x");
    put_maps(&w, 1, 2, "y");
    struct call c;
    call_do(&c, &w, "GET " CM "?watch=true&labelSelector=l%3Dx", NULL, NULL);
    assert_int_equal(lines_of(&c), 1);
    drop(&w, 200, "PATCH " CM "/m-001", MERGE, "{\"metadata\":{\"labels\":{\"l\":\"x\"}}}");
    drop(&w, 200, "PATCH " CM "/m-001", MERGE, "{\"data\":{\"q\":\"1\"}}");
    drop(&w, 200, "PATCH " CM "/m-000", MERGE,
         "{\"metadata\":{\"labels\":{\"l\":\"y\"}},\"data\":{\"k\":\"new\"}}");
    drop(&w, 200, "PATCH " CM "/m-000", MERGE, "{\"data\":{\"q\":\"1\"}}");
    call_pull(&c);
    assert_int_equal(lines_of(&c), 4);
    expect_line(&c, 1, "ADDED", "m-001");
    expect_line(&c, 2, "MODIFIED", "m-001");
    expect_line(&c, 3, "DELETED", "m-000");
    cJSON *event = line_at(&c, 3);
    assert_string_equal(json_str(json_at(event, "object", "metadata", "labels", NULL), "l", ""),
                        "x");
    assert_string_equal(json_str(json_at(event, "object", "data", NULL), "k", ""), "v");
    cJSON_Delete(event);
    call_end(&c);
    world_close(&w);
}

static void initial_events_end_with_a_marked_bookmark(void **state) /* A37 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 2, "x");
    struct call c;
    call_do(&c, &w,
            "GET " CM "?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&"
            "allowWatchBookmarks=true",
            NULL, NULL);
    assert_int_equal(lines_of(&c), 3);
    cJSON *mark = line_at(&c, 2);
    assert_string_equal(json_str(mark, "type", ""), "BOOKMARK");
    const cJSON *object = json_get(mark, "object");
    assert_string_equal(json_str(object, "kind", ""), "ConfigMap");
    assert_string_equal(
        json_str(json_at(object, "metadata", "annotations", NULL), "k8s.io/initial-events-end", ""),
        "true");
    assert_null(json_get(object, "data"));
    cJSON_Delete(mark);
    put_maps(&w, 2, 3, "x");
    call_pull(&c);
    expect_line(&c, 3, "ADDED", "m-002");
    call_end(&c);
    drop(&w, 422, "GET " CM "?watch=true&sendInitialEvents=true", NULL, NULL);
    world_close(&w);
}

static void bookmarks_come_each_minute_and_before_the_end(void **state) /* A36, A38 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    struct call c;
    call_do(&c, &w, "GET " CM "?watch=true&allowWatchBookmarks=true&timeoutSeconds=150", NULL,
            NULL);
    assert_int_equal(lines_of(&c), 0);
    for (int i = 0; i < 30 && !c.ended; i++) {
        clock_fake_advance(10000000);
        loop_step(w.loop);
        call_pull(&c);
    }
    assert_true(c.ended && !c.was_cut);
    size_t n = lines_of(&c);
    assert_in_range(n, 3, 4);
    for (size_t i = 0; i < n; i++)
        expect_line(&c, i, "BOOKMARK", NULL);
    call_end(&c);
    call_do(&c, &w, "GET " CM "?watch=true&timeoutSeconds=5", NULL, NULL);
    clock_fake_advance(6000000);
    loop_step(w.loop);
    call_pull(&c);
    assert_true(c.ended);
    assert_int_equal(lines_of(&c), 0);
    call_end(&c);
    world_close(&w);
}

static void
an_expired_version_is_told_as_an_error_event_and_a_slow_watcher_is_cut(void **state) /* A34, A39 */
{
    (void)state;
    struct api_world w = world_open(4096);
    struct call slow, c;
    call_do(&slow, &w, "GET " CM "?watch=true", NULL, NULL);
    put_maps(&w, 0, 200, "x");
    call_do(&c, &w, "GET " CM "?watch=true&resourceVersion=1", NULL, NULL);
    assert_int_equal(c.status, 200);
    assert_true(c.ended);
    cJSON *event = line_at(&c, 0);
    assert_string_equal(json_str(event, "type", ""), "ERROR");
    assert_string_equal(json_str(json_get(event, "object"), "reason", ""), "Expired");
    assert_int_equal(strncmp(json_str(json_get(event, "object"), "message", ""),
                             "too old resource version: 1 (", 29),
                     0);
    cJSON_Delete(event);
    call_end(&c);
    slow.waiting = false;
    call_pull(&slow);
    assert_true(slow.was_cut);
    call_end(&slow);
    world_close(&w);
}

static void a_watch_of_a_table_sends_tables_of_one_row(void **state) /* A33 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 2, "x");
    struct call c;
    call_do(&c, &w, "GET " CM "?watch=true&resourceVersion=0", TABLE, NULL);
    assert_int_equal(lines_of(&c), 2);
    for (size_t i = 0; i < 2; i++) {
        cJSON *event = line_at(&c, i);
        const cJSON *table = json_get(event, "object");
        assert_string_equal(json_str(table, "kind", ""), "Table");
        assert_int_equal(cJSON_GetArraySize(json_get(table, "rows")), 1);
        assert_int_equal(cJSON_GetArraySize(json_get(table, "columnDefinitions")), i == 0 ? 3 : 0);
        cJSON_Delete(event);
    }
    call_end(&c);
    call_do(&c, &w, "GET " CM "?watch=true&resourceVersion=0", PARTIAL, NULL);
    cJSON *event = line_at(&c, 0);
    assert_string_equal(json_str(json_get(event, "object"), "kind", ""), "PartialObjectMetadata");
    cJSON_Delete(event);
    call_end(&c);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watch_tells_the_state_and_then_every_change),
        cmocka_unit_test(a_watch_from_a_version_has_no_gap_and_no_duplicate),
        cmocka_unit_test(selector_transitions_are_additions_and_deletions),
        cmocka_unit_test(initial_events_end_with_a_marked_bookmark),
        cmocka_unit_test(bookmarks_come_each_minute_and_before_the_end),
        cmocka_unit_test(an_expired_version_is_told_as_an_error_event_and_a_slow_watcher_is_cut),
        cmocka_unit_test(a_watch_of_a_table_sends_tables_of_one_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
