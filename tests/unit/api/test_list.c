/* Reads: pages, selectors, resource versions, variants. */
#include "tests/unit/api/api_world.h"

#include <inttypes.h>

#include "controller/api/token.h"

static void pages_come_from_the_first_pages_snapshot(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 25, "x");
    cJSON *page = ask(&w, 200, "GET " CM "?limit=10", NULL, NULL);
    assert_string_equal(json_str(page, "kind", ""), "ConfigMapList");
    assert_int_equal(cJSON_GetArraySize(json_get(page, "items")), 10);
    int64_t remaining = 0;
    assert_true(json_int(json_get(page, "metadata"), "remainingItemCount", 15, 15, &remaining));
    char target[512], first[32];
    snprintf(first, sizeof first, "%s", meta_of(page, "resourceVersion"));
    snprintf(target, sizeof target, "GET " CM "?limit=10&continue=%s", meta_of(page, "continue"));
    cJSON_Delete(page);
    drop(&w, 200, "DELETE " CM "/m-012", NULL, NULL);
    put_maps(&w, 90, 91, "x");
    page = ask(&w, 200, target, NULL, NULL);
    assert_string_equal(meta_of(page, "resourceVersion"), first);
    assert_string_equal(meta_of(cJSON_GetArrayItem(json_get(page, "items"), 0), "name"), "m-010");
    assert_string_equal(meta_of(cJSON_GetArrayItem(json_get(page, "items"), 2), "name"), "m-012");
    assert_true(json_int(json_get(page, "metadata"), "remainingItemCount", 5, 5, &remaining));
    snprintf(target, sizeof target, "GET " CM "?limit=10&continue=%s", meta_of(page, "continue"));
    cJSON_Delete(page);
    page = ask(&w, 200, target, NULL, NULL);
    assert_int_equal(cJSON_GetArraySize(json_get(page, "items")), 5);
    assert_string_equal(meta_of(page, "continue"), "");
    cJSON_Delete(page);

    clock_fake_advance((int64_t)301 * 1000000); /* the snapshot is not kept for ever */
    cJSON *expired = ask(&w, 410, target, NULL, NULL);
    assert_string_equal(json_str(expired, "reason", ""), "Expired");
    snprintf(target, sizeof target, "GET " CM "?limit=10&continue=%s",
             meta_of(expired, "continue"));
    cJSON_Delete(expired);
    page = ask(&w, 200, target, NULL, NULL); /* inconsistent, but complete */
    assert_int_equal(cJSON_GetArraySize(json_get(page, "items")), 6);
    cJSON_Delete(page);
    drop(&w, 400, "GET " CM "?continue=zzz", NULL, NULL);
    char *other = list_token_new(0, "pods/default/a", -1);
    snprintf(target, sizeof target, "GET " CM "?continue=%s", other);
    drop(&w, 400, target, NULL, NULL);
    free(other);
    world_close(&w);
}

/* api.md 4: two lists of one revision, the second begun 200 s after the first; then time and writes
 * pass. Each can be continued for 300 s from its own first page. */
static void a_snapshot_is_kept_300_s_from_the_last_list_that_began_with_it(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    char target[512];
    put_maps(&w, 0, 25, "x");
    drop(&w, 200, "GET " CM "?limit=10", NULL, NULL);
    clock_fake_advance((int64_t)200 * 1000000);
    cJSON *page = ask(&w, 200, "GET " CM "?limit=10", NULL, NULL);
    snprintf(target, sizeof target, "GET " CM "?limit=10&continue=%s", meta_of(page, "continue"));
    cJSON_Delete(page);
    put_maps(&w, 90, 91, "x");
    clock_fake_advance((int64_t)299 * 1000000);
    page = ask(&w, 200, target, NULL, NULL);
    assert_string_equal(meta_of(cJSON_GetArrayItem(json_get(page, "items"), 0), "name"), "m-010");
    cJSON_Delete(page);
    clock_fake_advance((int64_t)2 * 1000000);
    drop(&w, 410, target, NULL, NULL);
    world_close(&w);
}

static void selectors_choose_and_unknown_fields_are_refused(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 3, "x");
    put_maps(&w, 3, 5, "y");
    static const struct {
        const char *target;
        int count;
    } cases[] = {{"GET " CM "?labelSelector=l%3Dx", 3},
                 {"GET " CM "?labelSelector=l+in+(x,y),l!%3Dy", 3},
                 {"GET " CM "?labelSelector=!l", 0},
                 {"GET " CM "?fieldSelector=metadata.name%3Dm-004", 1},
                 {"GET " CM "?fieldSelector=metadata.name!%3Dm-004&limit=500", 4},
                 {"GET /api/v1/configmaps?fieldSelector=metadata.namespace%3Ddefault", 5},
                 {"GET /api/v1/configmaps?fieldSelector=metadata.name%3Dm-001", 1}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        cJSON *list = ask(&w, 200, cases[i].target, NULL, NULL);
        if (cJSON_GetArraySize(json_get(list, "items")) != cases[i].count)
            fail_msg("%s", cases[i].target);
        cJSON_Delete(list);
    }
    cJSON *page = ask(&w, 200, "GET " CM "?labelSelector=l%3Dx&limit=2", NULL, NULL);
    assert_null(json_at(page, "metadata", "remainingItemCount", NULL));
    assert_true(*meta_of(page, "continue"));
    cJSON_Delete(page);
    drop(&w, 400, "GET " CM "?labelSelector=%3D%3D", NULL, NULL);
    drop(&w, 400, "GET " CM "?fieldSelector=spec.x%3D1", NULL, NULL);
    world_close(&w);
}

static void resource_versions_of_reads_are_kept(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 2, "x");
    cJSON *list = ask(&w, 200, "GET " CM, NULL, NULL);
    uint64_t now = strtoull(meta_of(list, "resourceVersion"), NULL, 10);
    cJSON_Delete(list);
    char target[160];
    const struct {
        const char *format;
        uint64_t version;
        int status;
    } cases[] = {
        {"GET " CM "?resourceVersion=%" PRIu64, 0, 200},
        {"GET " CM "?resourceVersion=%" PRIu64, now, 200},
        {"GET " CM "?resourceVersion=%" PRIu64, now + 5, 504},
        {"GET " CM "?resourceVersion=%" PRIu64 "&resourceVersionMatch=Exact", now, 200},
        {"GET " CM "?resourceVersion=%" PRIu64 "&resourceVersionMatch=Exact", now - 1, 410},
        {"GET " CM "?resourceVersion=%" PRIu64 "&resourceVersionMatch=NotOlderThan", now - 1, 200},
        {"GET " CM "?resourceVersion=%" PRIu64 "&resourceVersionMatch=Exact", 0, 422},
        {"GET " CM "/m-000?resourceVersion=%" PRIu64, now + 5, 504},
        {"GET " CM "/m-000?resourceVersion=%" PRIu64, 0, 200}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(target, sizeof target, cases[i].format, cases[i].version);
#pragma GCC diagnostic pop
        cJSON *reply = ask(&w, cases[i].status, target, NULL, NULL);
        if (cases[i].status == 504) {
            const cJSON *cause = cJSON_GetArrayItem(json_at(reply, "details", "causes", NULL), 0);
            assert_string_equal(json_str(cause, "reason", ""), "ResourceVersionTooLarge");
            assert_string_equal(json_str(reply, "reason", ""), "Timeout");
        }
        cJSON_Delete(reply);
    }
    drop(&w, 422, "GET " CM "?resourceVersionMatch=Exact", NULL, NULL);
    world_close(&w);
}

/* 120 objects of 8,000 bytes. */
static void put_large_maps(struct api_world *w)
{
    char *text = xmalloc(9000);
    for (int i = 0; i < 120; i++) {
        int n = snprintf(text, 9000, "{\"metadata\":{\"name\":\"m-%03d\"},\"data\":{\"k\":\"", i);
        memset(text + n, 'x', 8000);
        snprintf(text + n + 8000, 9000 - (size_t)n - 8000, "\"}}");
        drop(w, 201, "POST " CM, NULL, text);
    }
    free(text);
}

/* Pulls all of a stream; the first piece may hold up to `first` bytes, others up to `most`. */
static size_t pull_pieces(struct call *c, size_t first, size_t most)
{
    size_t pulls = 0;
    assert_non_null(c->stream.pull);
    while (c->stream.pull) {
        struct buf_out piece;
        buf_out_init(&piece);
        enum http_pull pull = c->stream.pull(c->stream.arg, &piece);
        assert_in_range(piece.len, 0, pulls ? most : first);
        buf_put(&c->body, piece.data ? piece.data : "", piece.len);
        buf_out_fini(&piece);
        pulls++;
        if (pull == HTTP_PULL_END) {
            c->stream.closed(c->stream.arg);
            c->stream = (struct http_stream){0};
        }
    }
    return pulls;
}

static void a_long_list_is_pulled_in_pieces(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 24);
    put_large_maps(&w);
    struct call c;
    call_send(&c, &w, "GET " CM, NULL, NULL, 0);
    assert_int_equal(c.status, 200);
    assert_int_equal(c.body.len, 0);
    drop(&w, 200, "DELETE " CM "/m-119", NULL, NULL); /* not in this list's snapshot */
    assert_true(pull_pieces(&c, 512 * 1024, 80 * 1024) > 5);
    cJSON *list = call_json(&c);
    assert_int_equal(cJSON_GetArraySize(json_get(list, "items")), 120);
    cJSON_Delete(list);
    call_end(&c);
    world_close(&w);
}

/* api.md 4: two versions of the table under one revision, for within one turn an object changed and
 * changed back. A list that runs still reads the first when another begins with the second. */
static void a_list_keeps_its_snapshot_though_another_begins_at_the_same_revision(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 24);
    put_large_maps(&w);
    struct call first, second, there, back;
    call_send(&first, &w, "GET " CM, NULL, NULL, 0);
    assert_non_null(first.stream.pull);
    uint64_t revision = store_applied(w.store).revision;
    static const char change[] = "{\"metadata\":{\"labels\":{\"l\":\"y\"}}}",
                      undo[] = "{\"metadata\":{\"labels\":null}}";
    call_send(&there, &w, "PATCH " CM "/m-119", MERGE, change, sizeof change - 1);
    call_send(&back, &w, "PATCH " CM "/m-119", MERGE, undo, sizeof undo - 1);
    while (loop_step(w.loop))
        ;
    assert_int_equal(there.status, 200);
    assert_int_equal(back.status, 200);
    assert_int_equal(store_applied(w.store).revision, revision);
    call_send(&second, &w, "GET " CM, NULL, NULL, 0);
    struct call *const lists[] = {&second, &first};
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        (void)pull_pieces(lists[i], 512 * 1024, 80 * 1024);
        cJSON *list = call_json(lists[i]);
        assert_int_equal(cJSON_GetArraySize(json_get(list, "items")), 120);
        assert_int_equal(strtoull(meta_of(list, "resourceVersion"), NULL, 10), revision);
        cJSON_Delete(list);
        call_end(lists[i]);
    }
    call_end(&there);
    call_end(&back);
    world_close(&w);
}

static void pieces_of_a_table_are_smaller(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 24);
    put_large_maps(&w);
    struct call c;
    call_send(&c, &w, "GET " CM "?includeObject=Object", TABLE, NULL, 0);
    assert_int_equal(c.status, 200);
    assert_true(pull_pieces(&c, 256 * 1024, 32 * 1024) > 25);
    cJSON *table = call_json(&c);
    assert_int_equal(cJSON_GetArraySize(json_get(table, "rows")), 120);
    cJSON_Delete(table);
    call_end(&c);
    world_close(&w);
}

static void variants_are_served_as_asked(void **state) /* A3, section 9 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    drop(&w, 201, "POST " SET, NULL, kubia);
    struct call c;
    call_do(&c, &w, "GET " SET "?limit=500", TABLE, NULL);
    assert_string_equal(c.content_type, "application/json;as=Table;v=v1;g=meta.k8s.io");
    cJSON *table = call_json(&c);
    call_end(&c);
    assert_string_equal(json_str(table, "kind", ""), "Table");
    const cJSON *row = cJSON_GetArrayItem(json_get(table, "rows"), 0);
    assert_string_equal(cJSON_GetArrayItem(json_get(row, "cells"), 1)->valuestring, "0/3");
    assert_string_equal(json_str(json_get(row, "object"), "kind", ""), "PartialObjectMetadata");
    assert_string_equal(meta_of(json_get(row, "object"), "name"), "kubia");
    assert_true(*meta_of(json_get(row, "object"), "resourceVersion"));
    assert_true(*meta_of(table, "resourceVersion"));
    cJSON_Delete(table);
    table = ask(&w, 200, "GET " SET "/kubia?includeObject=Object", TABLE, NULL);
    row = cJSON_GetArrayItem(json_get(table, "rows"), 0);
    assert_string_equal(json_str(json_get(row, "object"), "kind", ""), "StatefulSet");
    cJSON_Delete(table);
    table = ask(&w, 200, "GET " SET "?includeObject=None", TABLE, NULL);
    assert_null(json_get(cJSON_GetArrayItem(json_get(table, "rows"), 0), "object"));
    cJSON_Delete(table);
    cJSON *partial = ask(&w, 200, "GET " SET "/kubia", PARTIAL, NULL);
    assert_string_equal(json_str(partial, "kind", ""), "PartialObjectMetadata");
    assert_null(json_get(partial, "spec"));
    assert_string_equal(meta_of(partial, "name"), "kubia");
    cJSON_Delete(partial);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_come_from_the_first_pages_snapshot),
        cmocka_unit_test(a_snapshot_is_kept_300_s_from_the_last_list_that_began_with_it),
        cmocka_unit_test(selectors_choose_and_unknown_fields_are_refused),
        cmocka_unit_test(resource_versions_of_reads_are_kept),
        cmocka_unit_test(a_long_list_is_pulled_in_pieces),
        cmocka_unit_test(a_list_keeps_its_snapshot_though_another_begins_at_the_same_revision),
        cmocka_unit_test(pieces_of_a_table_are_smaller),
        cmocka_unit_test(variants_are_served_as_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
