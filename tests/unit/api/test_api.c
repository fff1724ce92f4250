/* What the whole API does besides verbs, lists and watches: reviews, mirrors, races, zones. */
#include "tests/unit/api/api_world.h"

static void reviews_answer_who_may_what(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    static const char path[] = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    cJSON *r =
        ask(&w, 201, path, NULL,
            "{\"spec\":{\"resourceAttributes\":{\"verb\":\"delete\",\"resource\":\"pods\"}}}");
    assert_true(json_bool(json_get(r, "status"), "allowed", false));
    cJSON_Delete(r);
    r = ask(&w, 201, path, NULL,
            "{\"spec\":{\"resourceAttributes\":{\"verb\":\"create\",\"group\":\"ordinald.dev\","
            "\"resource\":"
            "\"identities\"}}}");
    assert_false(json_bool(json_get(r, "status"), "allowed", true));
    cJSON_Delete(r);
    r = ask(&w, 201, "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews", NULL,
            "{\"spec\":{\"namespace\":\"default\"}}");
    assert_int_equal(cJSON_GetArraySize(json_at(r, "status", "resourceRules", NULL)), 1);
    cJSON_Delete(r);
    r = ask(&w, 201, "POST /apis/authentication.k8s.io/v1/selfsubjectreviews", NULL, "{}");
    assert_true(*json_str(json_at(r, "status", "userInfo", NULL), "username", ""));
    cJSON_Delete(r);
    drop(&w, 400, path, NULL, "{\"kind\":\"Pod\"}");
    drop(&w, 400, path, NULL, NULL);
    world_close(&w);
}

static void events_are_served_in_both_dresses(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    drop(&w, 201, "POST /apis/events.k8s.io/v1/namespaces/default/events", NULL,
         "{\"apiVersion\":\"events.k8s.io/"
         "v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"e\"},\"eventTime\":"
         "\"2026-01-01T00:00:00.000000Z\",\"reportingController\":\"me\",\"reportingInstance\":"
         "\"me-0\",\"action\":"
         "\"Did\",\"reason\":\"Done\",\"regarding\":{\"kind\":\"Pod\",\"namespace\":\"default\","
         "\"name\":\"p\"},\"note\":"
         "\"well\",\"type\":\"Normal\"}");
    cJSON *core = ask(&w, 200, "GET /api/v1/namespaces/default/events/e", NULL, NULL);
    assert_string_equal(json_str(core, "apiVersion", ""), "v1");
    assert_string_equal(json_str(core, "message", ""), "well");
    assert_string_equal(json_str(json_get(core, "involvedObject"), "name", ""), "p");
    cJSON_Delete(core);
    cJSON *v1 = ask(&w, 200, "PATCH /apis/events.k8s.io/v1/namespaces/default/events/e", MERGE,
                    "{\"note\":\"better\"}");
    assert_string_equal(json_str(v1, "apiVersion", ""), "events.k8s.io/v1");
    assert_string_equal(json_str(v1, "note", ""), "better");
    assert_null(json_get(v1, "message"));
    cJSON_Delete(v1);
    cJSON *list =
        ask(&w, 200, "GET /apis/events.k8s.io/v1/events?fieldSelector=involvedObject.name%3Dp",
            NULL, NULL);
    assert_string_equal(json_str(list, "kind", ""), "EventList");
    assert_string_equal(json_str(list, "apiVersion", ""), "events.k8s.io/v1");
    assert_string_equal(json_str(cJSON_GetArrayItem(json_get(list, "items"), 0), "note", ""),
                        "better");
    cJSON_Delete(list);
    world_close(&w);
}

static const char slice[] =
    "{\"metadata\":{\"name\":\"k-1\",\"labels\":{\"kubernetes.io/"
    "service-name\":\"k\"}},\"addressType\":\"IPv4\","
    "\"ports\":[{\"name\":\"http\",\"port\":80,\"protocol\":\"TCP\"}],\"endpoints\":[{"
    "\"addresses\":[\"10.244.0.1\"],"
    "\"conditions\":{\"ready\":true},\"hostname\":\"k-0\",\"targetRef\":{\"kind\":\"Pod\",\"name\":"
    "\"k-0\",\"namespace\":"
    "\"default\"}},{\"addresses\":[\"10.244.0.2\"],\"conditions\":{\"ready\":false}}]}";

static void endpoints_mirror_the_slices(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    drop(&w, 201, "POST /api/v1/namespaces/default/services", NULL,
         "{\"metadata\":{\"name\":\"k\",\"labels\":{\"app\":\"k\"}},\"spec\":{\"clusterIP\":"
         "\"None\",\"ports\":[{\"port\":"
         "80,\"name\":\"http\"}]}}");
    drop(&w, 404, "GET /api/v1/namespaces/default/endpoints/k", NULL, NULL);
    struct call c;
    call_do(&c, &w, "GET /api/v1/endpoints?watch=true", NULL, NULL);
    assert_int_equal(lines_of(&c), 0);
    drop(&w, 201, "POST /apis/discovery.k8s.io/v1/namespaces/default/endpointslices", NULL, slice);
    cJSON *ep = ask(&w, 200, "GET /api/v1/namespaces/default/endpoints/k", NULL, NULL);
    const cJSON *subset = cJSON_GetArrayItem(json_get(ep, "subsets"), 0);
    assert_string_equal(json_str(cJSON_GetArrayItem(json_get(subset, "addresses"), 0), "ip", ""),
                        "10.244.0.1");
    assert_string_equal(
        json_str(cJSON_GetArrayItem(json_get(subset, "addresses"), 0), "hostname", ""), "k-0");
    assert_string_equal(
        json_str(cJSON_GetArrayItem(json_get(subset, "notReadyAddresses"), 0), "ip", ""),
        "10.244.0.2");
    assert_string_equal(json_str(cJSON_GetArrayItem(json_get(subset, "ports"), 0), "name", ""),
                        "http");
    char first[32], service[32];
    const char *const version = "resourceVersion";
    (void)snprintf(first, sizeof first, "%s", json_str(json_get(ep, "metadata"), version, ""));
    cJSON_Delete(ep);
    cJSON *of = ask(&w, 200, "GET /api/v1/namespaces/default/services/k", NULL, NULL);
    (void)snprintf(service, sizeof service, "%s", json_str(json_get(of, "metadata"), version, ""));
    cJSON_Delete(of);
    assert_true(strtoull(first, NULL, 10) > strtoull(service, NULL, 10));
    drop(&w, 200, "PATCH /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/k-1", MERGE,
         "{\"endpoints\":[{\"addresses\":[\"10.244.0.3\"]}]}");
    ep = ask(&w, 200, "GET /api/v1/namespaces/default/endpoints/k", NULL, NULL);
    assert_true(strtoull(json_str(json_get(ep, "metadata"), version, ""), NULL, 10) >
                strtoull(first, NULL, 10));
    cJSON_Delete(ep);
    cJSON *list = ask(&w, 200, "GET /api/v1/endpoints?labelSelector=app%3Dk", NULL, NULL);
    assert_string_equal(json_str(list, "kind", ""), "EndpointsList");
    assert_int_equal(cJSON_GetArraySize(json_get(list, "items")), 1);
    cJSON_Delete(list);
    call_pull(&c);
    drop(&w, 200, "DELETE /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/k-1", NULL,
         NULL);
    call_pull(&c);
    expect_line(&c, 0, "ADDED", "k");
    expect_line(&c, lines_of(&c) - 1, "DELETED", "k");
    call_end(&c);
    world_close(&w);
}

static void a_known_document_is_not_sent_again(void **state) /* A9 */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    struct call c;
    char headers[128];
    call_do(&c, &w, "GET /apis", NULL, NULL);
    const char *etag = strstr(c.headers, "ETag: ");
    assert_non_null(etag);
    snprintf(headers, sizeof headers, "If-None-Match: %.*s\n", (int)strcspn(etag + 6, "\r"),
             etag + 6);
    call_end(&c);
    call_do(&c, &w, "GET /apis", headers, NULL);
    assert_int_equal(c.status, 304);
    assert_string_equal(c.content_type, "");
    assert_int_equal(c.body.len, 0);
    call_end(&c);
    call_do(&c, &w, "GET /readyz?verbose", NULL, NULL);
    assert_int_equal(c.status, 200);
    assert_string_equal(c.body.data, "ok");
    call_end(&c);
    world_close(&w);
}

/* A18: units that lose a race are run again, and at most five times. */
static int conflicts;
static enum store_mem_fault next_fault(void *arg)
{
    (void)arg;
    return conflicts-- > 0 ? STORE_MEM_CONFLICT : STORE_MEM_NONE;
}

static enum store_mem_fault full_disk(void *arg)
{
    (void)arg;
    return STORE_MEM_NO_SPACE;
}

static void a_lost_race_is_run_again(void **state)
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    put_maps(&w, 0, 1, "x");
    store_mem_set_fault(w.store, next_fault, NULL);
    conflicts = 3;
    drop(&w, 200, "PATCH " CM "/m-000", MERGE, "{\"data\":{\"k\":\"w\"}}");
    conflicts = 50;
    cJSON *lost = ask(&w, 409, "PATCH " CM "/m-000", MERGE, "{\"data\":{\"k\":\"z\"}}");
    assert_string_equal(json_str(lost, "reason", ""), "Conflict");
    cJSON_Delete(lost);
    store_mem_set_fault(w.store, full_disk, NULL);
    cJSON *full = ask(&w, 503, "PATCH " CM "/m-000", MERGE, "{\"data\":{\"k\":\"z\"}}");
    assert_string_equal(json_str(full, "reason", ""), "ServiceUnavailable");
    cJSON_Delete(full);
    world_close(&w);
}

static uint64_t dns_revision;
static bool dns_has(void *arg, uint64_t revision)
{
    (void)arg;
    return dns_revision >= revision;
}

static void a_write_can_wait_for_dns(void **state) /* K-FRESH */
{
    (void)state;
    struct api_world w = world_open(1 << 20);
    w.api->dns_has = dns_has;
    struct call c;
    static const char body[] = "{\"metadata\":{\"name\":\"a\"}}";
    dns_revision = 0;
    call_send(&c, &w, "POST " CM "?waitForDNS=true", NULL, body, sizeof body - 1);
    for (int i = 0; i < 20; i++) {
        clock_fake_advance(1000);
        loop_step(w.loop);
    }
    assert_int_equal(c.status, 0);
    dns_revision = UINT64_MAX;
    clock_fake_advance(1000);
    loop_step(w.loop);
    assert_int_equal(c.status, 201);
    call_end(&c);
    dns_revision = 0;
    call_send(&c, &w, "DELETE " CM "/a?waitForDNS=true", NULL, NULL, 0);
    for (int i = 0; i < 20 && !c.status; i++) {
        clock_fake_advance(1000000);
        loop_step(w.loop);
    }
    assert_int_equal(c.status, 504);
    call_end(&c);
    world_close(&w);
}

/* ---- a zone as text ---- */

struct lines {
    int next, count;
    bool is_done;
};

static bool next_line(void *arg, struct buf_out *out)
{
    struct lines *l = arg;
    buf_printf(out, "name-%06d.cluster.local. 5 IN A 10.0.0.1\n", l->next);
    return ++l->next < l->count;
}

static void lines_done(void *arg)
{
    ((struct lines *)arg)->is_done = true;
}

static int dump_lines(void *arg, const char *zone, struct api_text *out, struct err *e)
{
    if (strcmp(zone, "other") == 0)
        return err_set(e, ERR_NOT_FOUND, "no zone \"other\" is served here");
    *out = (struct api_text){.next = next_line, .done = lines_done, .arg = arg};
    return 0;
}

static void a_long_zone_goes_out_in_pieces(void **state)
{
    static const int counts[] = {1, 100, 30000}; /* the last one is longer than one reply may be */
    struct api_world w = world_open(1 << 20);
    struct call c;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        struct lines l = {.count = counts[i]};
        w.api->dump_zone = dump_lines;
        w.api->zone_arg = &l;
        call_send(&c, &w, "GET /ordinald/v1/zones", NULL, NULL, 0);
        assert_int_equal(c.status, 200);
        assert_int_equal(c.is_streaming, counts[i] > 10000);
        assert_int_equal(l.is_done, !c.is_streaming);
        assert_true(l.next < 10000); /* the rest only when the client has read this */
        call_pull(&c);
        assert_true(l.is_done && !c.was_cut);
        assert_int_equal(l.next, counts[i]);
        assert_int_equal(c.body.len, 43 * (size_t)counts[i]);
        call_end(&c);
    }
    struct lines left = {.count = 30000};
    w.api->zone_arg = &left;
    call_send(&c, &w, "GET /ordinald/v1/zones", NULL, NULL, 0);
    call_end(&c); /* the client leaves */
    assert_true(left.is_done);
    call_send(&c, &w, "GET /ordinald/v1/zones/other", NULL, NULL, 0);
    assert_int_equal(c.status, 404);
    call_end(&c);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reviews_answer_who_may_what),
        cmocka_unit_test(events_are_served_in_both_dresses),
        cmocka_unit_test(endpoints_mirror_the_slices),
        cmocka_unit_test(a_known_document_is_not_sent_again),
        cmocka_unit_test(a_lost_race_is_run_again),
        cmocka_unit_test(a_write_can_wait_for_dns),
        cmocka_unit_test(a_long_zone_goes_out_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
