#include "store_fixture.h"

static void expect(struct fixture *f, bool head, enum kind_id kind, const char *term,
                   const char *names)
{
    struct store_view view = head ? store_head(f->store) : store_applied(f->store);
    struct index_cursor cur;
    char got[256] = "";
    for (index_seek(&cur, &view, kind, term); cur.object; index_next(&cur)) {
        size_t used = strlen(got);
        (void)snprintf(got + used, sizeof(got) - used, "%s ", cur.object->name);
    }
    if (strcmp(got, names) != 0)
        fail_msg("%s %s: '%s' and not '%s'", head ? "head" : "applied", term, got, names);
}

static struct object *make_pod(const char *name, const char *meta, const char *node, const char *ip)
{
    char *body = xasprintf(
        ",\"spec\":{\"nodeName\":\"%s\",\"volumes\":[{\"name\":\"d\",\"persistentVolumeClaim\":"
        "{\"claimName\":\"data-%s\"}},{\"name\":\"e\",\"persistentVolumeClaim\":{\"claimName\":"
        "\"data-%s\"}}]},\"status\":{\"podIPs\":[{\"ip\":\"%s\"}]}",
        node, name, name, ip);
    struct object *obj = make_object(KIND_POD, name, name, meta, body);
    free(body);
    return obj;
}

static void stage_one_of_each(struct fixture *f)
{
    stage_object(
        f->store,
        make_pod("p1",
                 ",\"labels\":{\"app\":\"web\",\"x\":\"\"},\"ownerReferences\":[{\"uid\":\"o1\"}]",
                 "n1", "10.0.0.1"),
        NULL);
    stage_object(f->store, make_pod("p2", ",\"labels\":{\"app\":\"web\"}", "n1", "fd00:0:0::1"),
                 NULL);
    stage_object(f->store, make_pod("p3", ",\"labels\":{\"app\":\"webx\"}", "", "not an address"),
                 NULL);
    stage_object(f->store,
                 make_object(KIND_SERVICE, "s1", "s1", "",
                             ",\"spec\":{\"selector\":{\"b\":\"2\",\"a\":\"1\"},\"clusterIPs\":["
                             "\"10.96.0.1\",\"FD00::0:2\"]}"),
                 NULL);
    stage_object(f->store,
                 make_object(KIND_SERVICE, "s2", "s2", "", ",\"spec\":{\"clusterIP\":\"None\"}"),
                 NULL);
    stage_object(f->store,
                 make_object(KIND_PVC, "c1", "c1", "", ",\"spec\":{\"storageClassName\":\"fast\"}"),
                 NULL);
    stage_object(f->store, make_object(KIND_PVC, "c2", "c2", "", ""), NULL);
    stage_object(f->store,
                 make_object(KIND_PVC, "c3", "c3", "", ",\"status\":{\"phase\":\"Bound\"}"), NULL);
    stage_object(
        f->store,
        make_object(KIND_PV, "v1", "v1", "",
                    ",\"spec\":{\"claimRef\":{\"namespace\":\"default\",\"name\":\"c1\"}}"),
        NULL);
    stage_object(f->store,
                 make_object(KIND_SLICE, "e1", "e1",
                             ",\"labels\":{\"kubernetes.io/service-name\":\"s1\"}",
                             ",\"endpoints\":[]"),
                 NULL);
    stage_object(f->store,
                 make_object(KIND_IDENTITY, "p1", "i1", "", ",\"addresses\":[\"10.0.0.1\"]"), NULL);
    stage_object(f->store,
                 make_object(KIND_NODE, "n1", "n1", ",\"ownerReferences\":[{\"uid\":\"o1\"}]", ""),
                 NULL);
}

static void every_term_finds_its_objects(void **state)
{
    struct fixture *f = *state;
    char term[INDEX_TERM_MAX];
    stage_one_of_each(f);
    for (int pass = 0; pass < 2; pass++) {
        bool head = pass == 0;
        index_label(term, "default", "app", "web");
        expect(f, head, KIND_POD, term, "p1 p2 ");
        expect(f, head, KIND_SERVICE, term, "");
        index_label(term, "default", "x", "");
        expect(f, head, KIND_POD, term, "p1 ");
        index_label(term, "defaul", "app", "web");
        expect(f, head, KIND_POD, term, "");
        index_owner(term, "o1");
        expect(f, head, KIND_POD, term, "p1 ");
        expect(f, head, KIND_NODE, term, "n1 ");
        index_node(term, "n1");
        expect(f, head, KIND_POD, term, "p1 p2 ");
        index_node(term, "");
        expect(f, head, KIND_POD, term, "");
        index_selector(term, "default", "a", "1");
        expect(f, head, KIND_SERVICE, term, "s1 ");
        index_selector(term, "default", "b", "2");
        expect(f, head, KIND_SERVICE, term, "");
        index_claim(term, "default", "data-p2");
        expect(f, head, KIND_POD, term, "p2 ");
        index_claim(term, "default", "c1");
        expect(f, head, KIND_PV, term, "v1 ");
        index_address(term, "10.0.0.1");
        expect(f, head, KIND_POD, term, "p1 ");
        expect(f, head, KIND_IDENTITY, term, "p1 ");
        index_address(term, "fd00::1");
        expect(f, head, KIND_POD, term, "p2 ");
        index_address(term, "fd00:0::2");
        expect(f, head, KIND_SERVICE, term, "s1 ");
        index_address(term, "None");
        expect(f, head, KIND_SERVICE, term, "");
        index_pending(term, "fast");
        expect(f, head, KIND_PVC, term, "c1 ");
        index_pending(term, "");
        expect(f, head, KIND_PVC, term, "c2 ");
        index_service(term, "default", "s1");
        expect(f, head, KIND_SLICE, term, "e1 ");
        run_turns(f);
    }
}

static void terms_follow_changes_on_head_and_applied(void **state)
{
    struct fixture *f = *state;
    char old[INDEX_TERM_MAX], new[INDEX_TERM_MAX];
    index_node(old, "n1");
    index_node(new, "n2");
    stage_object(f->store, make_pod("p1", "", "n1", ""), NULL);
    run_turns(f);
    stage_object(f->store, make_pod("p1", "", "n2", ""), NULL);
    expect(f, true, KIND_POD, old, "");
    expect(f, true, KIND_POD, new, "p1 ");
    expect(f, false, KIND_POD, old, "p1 ");
    expect(f, false, KIND_POD, new, "");
    run_turns(f);
    expect(f, false, KIND_POD, old, "");
    expect(f, false, KIND_POD, new, "p1 ");
    stage_delete(f->store, KIND_POD, "p1", NULL);
    expect(f, true, KIND_POD, new, "");
    expect(f, false, KIND_POD, new, "p1 ");
    run_turns(f);
    expect(f, false, KIND_POD, new, "");
}

static void indexes_are_built_again_at_start(void **state)
{
    struct fixture *f = *state;
    char term[INDEX_TERM_MAX];
    stage_object(f->store, make_pod("p1", ",\"labels\":{\"app\":\"web\"}", "n1", "10.0.0.1"), NULL);
    run_turns(f);
    fixture_reopen(f);
    index_label(term, "default", "app", "web");
    expect(f, false, KIND_POD, term, "p1 ");
    index_address(term, "10.0.0.1");
    expect(f, true, KIND_POD, term, "p1 ");
}

static void terms_that_cannot_exist_find_nothing(void **state)
{
    struct fixture *f = *state;
    char term[INDEX_TERM_MAX], text[2 * INDEX_TERM_MAX];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    stage_object(f->store,
                 make_pod("p1", ",\"labels\":{\"a\\u0001b\":\"c\",\"d\":\"e\"}", "n1", ""), NULL);
    run_turns(f);
    index_node(term, text);
    expect(f, false, KIND_POD, term, "");
    index_label(term, "default", "a",
                "b\x01"
                "c");
    expect(f, false, KIND_POD, term, "");
    index_label(term, "default", "d", "e");
    expect(f, false, KIND_POD, term, "p1 ");
}

static void the_longest_label_of_the_longest_name_has_a_term(void **state)
{
    struct fixture *f = *state;
    char ns[64], name[254], prefix[254], part[64], key[320], term[INDEX_TERM_MAX];
    memset(ns, 'n', 63);
    memset(name, 'm', 253);
    memset(prefix, 'p', 253);
    memset(part, 'q', 63);
    ns[63] = name[253] = prefix[253] = part[63] = '\0';
    (void)snprintf(key, sizeof(key), "%s/%s", prefix, part);
    cJSON *tree = cJSON_CreateObject(), *meta = json_obj(tree, "metadata");
    json_set_str(meta, "name", name);
    json_set_str(meta, "namespace", ns);
    json_set_str(meta, "uid", "u");
    json_set_str(json_obj(meta, "labels"), key, part);
    struct object *obj;
    assert_int_equal(object_new(kind_get(KIND_POD), tree, &obj, NULL), 0);
    cJSON_Delete(tree);
    stage_object(f->store, obj, NULL);
    run_turns(f);
    index_label(term, ns, key, part);
    struct store_view view = store_applied(f->store);
    struct index_cursor cur;
    index_seek(&cur, &view, KIND_POD, term);
    assert_non_null(cur.object);
    assert_string_equal(cur.object->name, name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MEMORY(every_term_finds_its_objects),
        ON_MEMORY(terms_follow_changes_on_head_and_applied),
        ON_BOTH(indexes_are_built_again_at_start),
        ON_MEMORY(terms_that_cannot_exist_find_nothing),
        ON_BOTH(the_longest_label_of_the_longest_name_has_a_term),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
